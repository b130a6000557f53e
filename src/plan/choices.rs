//! Loops over few positions that decide what is read, written out.
//!
//! To join three arrays is `for t < 3 { for i { (if t is 0 then a[i] else 0) + (if t is 1 then b[i] else 0) + ... } }`: in
//! three loops over `i`, one after another, nothing is decided for each element, and each can run in lanes.

use super::body::Fresh;
use super::loops::for_each_linear;
use super::schedule::*;
use super::walk;
use crate::circuit::ValueId;
use rustc_hash::FxHashMap;

/// Positions up to which a loop is written out.
const MOST_POSITIONS: u32 = 4;
/// Statements that it may become.
const MOST_STATEMENTS: usize = 96;

/// Writes such loops out, in all nests, but for those that a nest's threads share: its outermost.
pub(super) fn write_out(schedule: &mut Schedule, fresh: &mut Fresh) {
    assert_eq!(fresh.register as usize, schedule.origins.len(), "each register was written for something");
    let mut writer = Writer { fresh, origins: &mut schedule.origins };
    schedule.steps.iter_mut().for_each(|step| writer.step(step));
}

struct Writer<'a> {
    fresh: &'a mut Fresh,
    /// See [`Schedule::origins`].
    origins: &'a mut Vec<Option<ValueId>>,
}

impl Writer<'_> {
    fn step(&mut self, step: &mut Step) {
        match step {
            Step::Nest(nest) => nest.body.iter_mut().for_each(|stmt| self.inside(stmt)),
            Step::Recur(recur) => recur.body.iter_mut().for_each(|step| self.step(step)),
            Step::Contract(_) | Step::Scatter(_) => {}
        }
    }

    /// Writes out what stands in a loop.
    fn inside(&mut self, stmt: &mut Stmt) {
        let (Stmt::For { body, .. } | Stmt::Fold { body, .. }) = stmt else { return };
        for mut stmt in std::mem::take(body) {
            self.inside(&mut stmt);
            match stmt {
                Stmt::For { var, extent: Extent::Fixed(extent), body: each, .. }
                    if extent <= MOST_POSITIONS
                        && decides(&each, var)
                        && walk::count(&each) * extent as usize <= MOST_STATEMENTS =>
                {
                    for position in 0..extent {
                        let mut copy = if position == 0 { each.clone() } else { self.copy(&each) };
                        fix(&mut copy, var, position.into());
                        body.append(&mut copy);
                    }
                }
                stmt => body.push(stmt),
            }
        }
    }

    /// The same statements with registers and variables of their own.
    fn copy(&mut self, body: &[Stmt]) -> Vec<Stmt> {
        let (mut regs, mut vars) = (FxHashMap::default(), FxHashMap::default());
        walk::statements(body, &mut |stmt| {
            if let Stmt::For { var, .. } | Stmt::Fold { var, .. } = stmt {
                vars.insert(*var, Var(self.fresh.variable));
                self.fresh.variable += 1;
            }
        });
        walk::assigned(body, &mut |reg| {
            regs.insert(reg, Reg(self.fresh.register));
            self.fresh.register += 1;
            self.origins.push(self.origins[reg.0 as usize]);
        });
        let mut copy = body.to_vec();
        rename(&mut copy, &regs, &vars);
        for_each_linear(&mut copy, &mut |linear| {
            let terms =
                linear.terms.iter().map(|&(var, times)| (vars.get(&var).copied().unwrap_or(var), times));
            let mut terms: Vec<_> = terms.collect();
            terms.sort_by_key(|term| term.0);
            linear.terms = terms;
        });
        copy
    }
}

/// Whether a variable alone decides whether something is read.
fn decides(body: &[Stmt], var: Var) -> bool {
    let mut decides = false;
    walk::statements(body, &mut |stmt| {
        if let Stmt::Load { when, .. } = stmt {
            decides |= when.iter().any(|condition| matches!(condition.e.terms[..], [(of, _)] if of == var));
        }
    });
    decides
}

/// Gives a variable its value: what is then known not to be read is what stands for it.
fn fix(body: &mut [Stmt], var: Var, value: i64) {
    for_each_linear(body, &mut |linear| *linear = linear.fixed(var, value));
    decide(body);
}

fn decide(body: &mut [Stmt]) {
    for stmt in body {
        match stmt {
            Stmt::For { body, .. } | Stmt::Fold { body, .. } => decide(body),
            Stmt::Load { reg, when, fill, .. } => {
                let known = |condition: &Condition| condition.e.terms.is_empty();
                if when.iter().any(|condition| known(condition) && !condition.allows(condition.e.offset)) {
                    *stmt = Stmt::Let { reg: *reg, op: Op::Number(*fill), args: vec![] };
                } else {
                    when.retain(|condition| !known(condition));
                }
            }
            _ => {}
        }
    }
}

fn rename(body: &mut [Stmt], regs: &FxHashMap<Reg, Reg>, vars: &FxHashMap<Var, Var>) {
    let reg = |reg: &mut Reg| *reg = regs.get(reg).copied().unwrap_or(*reg);
    let variable = |var: &mut Var| *var = vars.get(var).copied().unwrap_or(*var);
    for stmt in body {
        match stmt {
            Stmt::For { var, body, .. } => {
                variable(var);
                rename(body, regs, vars);
            }
            Stmt::Fold { acc, var, body, value, .. } => {
                variable(var);
                rename(body, regs, vars);
                [acc, value].into_iter().for_each(reg);
            }
            Stmt::Let { reg: to, op, args } => {
                if let Op::Draw { example: Some(example), .. } = op {
                    variable(example);
                }
                args.iter_mut().chain([to]).for_each(reg);
            }
            Stmt::Load { reg: to, .. } => reg(to),
            Stmt::LoadAt { reg: to, index, .. } => [to, index].into_iter().for_each(reg),
            Stmt::Store { value, .. } => reg(value),
        }
    }
}
