//! Moves what is the same in every iteration out of loops. Bits do not change: the same operation runs on the same
//! numbers, once instead of often.

use super::vectorise::overlap;
use crate::plan::schedule::*;
use crate::plan::walk;
use rustc_hash::FxHashSet;

/// A body in which no statement that could stand before a loop stands inside it.
pub fn move_out(schedule: &Schedule, body: &[Stmt]) -> Vec<Stmt> {
    let mut moved = vec![];
    for stmt in body {
        let mut stmt = stmt.clone();
        if let Stmt::For { var, extent, body, .. } | Stmt::Fold { var, extent, body, .. } = &mut stmt {
            let (before, inside) = split(schedule, *var, *extent, move_out(schedule, body));
            moved.extend(before);
            *body = inside;
        }
        moved.push(stmt);
    }
    moved
}

/// Parts a loop's body into what can stand before the loop and what cannot.
fn split(schedule: &Schedule, var: Var, extent: Extent, body: Vec<Stmt>) -> (Vec<Stmt>, Vec<Stmt>) {
    let mut inside = FxHashSet::default();
    walk::assigned(&body, &mut |reg| {
        inside.insert(reg);
    });
    let mut written = vec![];
    walk::statements(&body, &mut |stmt| {
        if let Stmt::Store { at, .. } = stmt {
            written.push(at.buffer);
        }
    });
    // A read may stand before the loop only if the loop surely reaches it and does not write there.
    let readable = |at: &Address| {
        extent != Extent::Fixed(0) && !written.iter().any(|&buffer| overlap(schedule, buffer, at.buffer))
    };
    let (mut before, mut rest) = (vec![], vec![]);
    for stmt in body {
        let constant = match &stmt {
            Stmt::Let { op, args, .. } => !args.iter().any(|arg| inside.contains(arg)) && !op.reads(var),
            Stmt::Load { at, when, .. } => {
                let fixed = at.at.coefficient(var) == 0 && when.iter().all(|c| c.e.coefficient(var) == 0);
                fixed && readable(at)
            }
            Stmt::LoadAt { at, index, .. } => {
                at.at.coefficient(var) == 0 && !inside.contains(index) && readable(at)
            }
            Stmt::For { .. } | Stmt::Fold { .. } | Stmt::Store { .. } => false,
        };
        if constant {
            walk::assigned(std::slice::from_ref(&stmt), &mut |reg| {
                inside.remove(&reg);
            });
            before.push(stmt);
        } else {
            rest.push(stmt);
        }
    }
    (before, rest)
}
