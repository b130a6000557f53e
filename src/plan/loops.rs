//! What is decided about loops when they stand: which two are really one, and which run in the lanes of a
//! vector. Neither changes bits.

use super::schedule::*;

/// Joins loops and sets hints, in all nests.
pub(super) fn finish(schedule: &mut Schedule) {
    schedule.steps.iter_mut().for_each(finish_step);
}

fn finish_step(step: &mut Step) {
    match step {
        Step::Nest(nest) => {
            nest.body.iter_mut().for_each(join);
            vectorise(&mut nest.body);
        }
        Step::Recur(recur) => recur.body.iter_mut().for_each(finish_step),
        Step::Contract(_) | Step::Scatter(_) => {}
    }
}

/// Joins a loop with the only one in it where all addresses run through both as through one.
fn join(stmt: &mut Stmt) {
    let (Stmt::For { body, .. } | Stmt::Fold { body, .. }) = &mut *stmt else { return };
    body.iter_mut().for_each(join);
    let Stmt::For { var: outer, extent: Extent::Fixed(times), body, .. } = stmt else { return };
    let [Stmt::For { var: inner, extent: Extent::Fixed(extent), body: innermost, .. }] = &mut body[..] else {
        return;
    };
    let (outer, inner, all) = (*outer, *inner, u64::from(*times) * u64::from(*extent));
    let step = i64::from(*extent);
    let mut runs_on = u32::try_from(all).is_ok();
    for_each_linear(innermost, &mut |linear| {
        runs_on &= linear.coefficient(outer) == step * linear.coefficient(inner);
    });
    if !runs_on {
        return;
    }
    for_each_linear(innermost, &mut |linear| linear.terms.retain(|term| term.0 != outer));
    let body = std::mem::take(innermost);
    *stmt = Stmt::For { var: inner, extent: Extent::Fixed(all as u32), hint: Hint::Plain, body };
}

/// Calls `f` with each affine function.
pub(super) fn for_each_linear(body: &mut [Stmt], f: &mut impl FnMut(&mut Linear)) {
    for stmt in body {
        match stmt {
            Stmt::For { body, .. } | Stmt::Fold { body, .. } => for_each_linear(body, f),
            Stmt::Let { op: Op::Index(linear) | Op::Draw { element: linear, .. }, .. } => f(linear),
            Stmt::Let { .. } => {}
            Stmt::Load { at, when, .. } => {
                f(&mut at.at);
                when.iter_mut().for_each(|condition| f(&mut condition.e));
            }
            Stmt::LoadAt { at, .. } | Stmt::Store { at, .. } => f(&mut at.at),
        }
    }
}

/// Sets hints from the inside out, so that an inner loop is preferred; whether one was set.
fn vectorise(body: &mut [Stmt]) -> bool {
    let mut any = false;
    for stmt in body {
        match stmt {
            Stmt::For { var, hint, body, .. } => {
                let inside = vectorise(body);
                if !inside && allows_vector(body, *var) {
                    *hint = Hint::Vector;
                }
                any |= inside || *hint == Hint::Vector;
            }
            Stmt::Fold { var, hint, body, order, .. } => {
                let inside = vectorise(body);
                let straight = !body.iter().any(|stmt| matches!(stmt, Stmt::For { .. } | Stmt::Fold { .. }));
                let lanes = matches!(order, Order::Lanes { .. });
                if !inside && lanes && straight && allows_vector(body, *var) {
                    *hint = Hint::Vector;
                }
                any |= inside || *hint == Hint::Vector;
            }
            _ => {}
        }
    }
    any
}

/// Whether several iterations of a loop with this body can run in the lanes of a vector: see [`Hint::Vector`].
pub(super) fn allows_vector(body: &[Stmt], var: Var) -> bool {
    body.iter().all(|stmt| match stmt {
        Stmt::For { hint, body, .. } => *hint == Hint::Plain && allows_vector(body, var),
        Stmt::Fold { hint, order, body, .. } => {
            *hint == Hint::Plain && matches!(order, Order::Chain { .. }) && allows_vector(body, var)
        }
        Stmt::Let { op: Op::Index(linear), .. } => (0..2).contains(&linear.coefficient(var)),
        Stmt::Let { op: Op::Draw { element, example, .. }, .. } => {
            (0..2).contains(&element.coefficient(var)) && *example != Some(var)
        }
        Stmt::Let { .. } => true,
        Stmt::Load { at, when, .. } => {
            (0..2).contains(&at.at.coefficient(var))
                && when.iter().all(|condition| condition.e.coefficient(var) == 0)
        }
        Stmt::LoadAt { at, index, .. } => (0..2).contains(&at.at.coefficient(var)) && !assigns(body, *index),
        Stmt::Store { at, .. } => at.at.coefficient(var) == 1,
    })
}

/// Whether a register is assigned in a body itself: then it may change with the loop.
fn assigns(body: &[Stmt], wanted: Reg) -> bool {
    body.iter().any(|stmt| match stmt {
        Stmt::Let { reg, .. }
        | Stmt::Load { reg, .. }
        | Stmt::LoadAt { reg, .. }
        | Stmt::Fold { acc: reg, .. } => *reg == wanted,
        _ => false,
    })
}
