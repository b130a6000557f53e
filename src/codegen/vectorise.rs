//! Whether a loop's iterations can run side by side in the lanes of vectors, with the same bits as one after
//! another.

use crate::plan::schedule::*;
use crate::plan::walk;
use rustc_hash::{FxHashMap, FxHashSet};

/// Whether the body of a loop over `var` can run for several iterations at once.
pub fn possible(schedule: &Schedule, var: Var, extent: Extent, body: &[Stmt]) -> bool {
    let mut varying = FxHashSet::default();
    statements_fit(var, body, &mut varying) && accesses_commute(schedule, var, extent, body, false)
}

/// Whether each statement has a form for several iterations. `varying`: registers that differ between iterations.
fn statements_fit(var: Var, body: &[Stmt], varying: &mut FxHashSet<Reg>) -> bool {
    body.iter().all(|stmt| match stmt {
        Stmt::For { body, .. } => statements_fit(var, body, varying),
        Stmt::Fold { acc, body, value, .. } => {
            let fits = statements_fit(var, body, varying);
            mark(varying, *acc, varying.contains(value));
            fits
        }
        Stmt::Let { reg, op, args } => {
            mark(varying, *reg, args.iter().any(|arg| varying.contains(arg)) || op.reads(var));
            true
        }
        Stmt::Load { reg, at, when, .. } => {
            mark(varying, *reg, at.at.coefficient(var) != 0);
            matches!(at.at.coefficient(var), 0 | 1) && when.iter().all(|c| c.e.coefficient(var) == 0)
        }
        Stmt::LoadAt { reg, at, index, .. } => {
            mark(varying, *reg, at.at.coefficient(var) != 0);
            matches!(at.at.coefficient(var), 0 | 1) && !varying.contains(index)
        }
        Stmt::Store { at, .. } => at.at.coefficient(var) == 1,
    })
}

fn mark(varying: &mut FxHashSet<Reg>, reg: Reg, varies: bool) {
    if varies {
        varying.insert(reg);
    }
}

/// Whether no iteration touches what another writes. `straight`: the body has no loops, so that nothing but `var` moves.
pub fn accesses_commute(
    schedule: &Schedule,
    var: Var,
    extent: Extent,
    body: &[Stmt],
    straight: bool,
) -> bool {
    let (mut reads, mut writes) = (vec![], vec![]);
    walk::statements(body, &mut |stmt| match stmt {
        Stmt::Load { at, .. } => reads.push((at.clone(), true)),
        Stmt::LoadAt { at, .. } => reads.push((at.clone(), false)),
        Stmt::Store { at, .. } => writes.push((at.clone(), true)),
        Stmt::For { .. } | Stmt::Fold { .. } | Stmt::Let { .. } => {}
    });
    let apart = |one: &(Address, bool), other: &(Address, bool)| {
        !overlap(schedule, one.0.buffer, other.0.buffer)
            || (one.1 && other.1 && iterations_apart(schedule, var, extent, [&one.0, &other.0], straight))
    };
    writes.iter().enumerate().all(|(k, write)| {
        reads.iter().all(|read| apart(write, read)) && writes[k + 1..].iter().all(|other| apart(write, other))
    })
}

/// Whether two accesses to overlapping memory meet only within one iteration, or never: the same element each time,
/// or elements that a step does not join, or further apart than the loop runs, while nothing else moves.
fn iterations_apart(
    schedule: &Schedule,
    var: Var,
    extent: Extent,
    [one, other]: [&Address; 2],
    straight: bool,
) -> bool {
    let first = |at: &Address| i64::from(schedule.buffers[at.buffer.0 as usize].offset) + at.at.offset;
    if one.at.terms != other.at.terms {
        return false;
    }
    let (step, distance) = (one.at.coefficient(var), (first(one) - first(other)).abs());
    let alone = straight || one.at.terms.iter().all(|term| term.0 == var);
    let length = extent.len_for(schedule.capacity as usize) as i64;
    distance == 0 || (alone && (distance % step != 0 || distance / step >= length))
}

/// Whether two buffers share memory.
pub fn overlap(schedule: &Schedule, one: BufferId, other: BufferId) -> bool {
    let range = |id: BufferId| {
        let buffer = &schedule.buffers[id.0 as usize];
        let start = buffer.offset as usize;
        (buffer.region, start, start + buffer.len_for(schedule.capacity as usize))
    };
    let (one, other) = (range(one), range(other));
    one.0 == other.0 && one.1 < other.2 && other.1 < one.2
}

/// How often each array is read or written in a schedule.
pub fn accesses(schedule: &Schedule) -> FxHashMap<BufferId, usize> {
    let mut all: FxHashMap<BufferId, usize> = FxHashMap::default();
    let mut count = |buffer: BufferId| *all.entry(buffer).or_default() += 1;
    for step in &schedule.steps {
        step.for_each_leaf(&mut |step| match step {
            Step::Nest(nest) => walk::addresses(&nest.body, &mut |at| count(at.buffer)),
            Step::Contract(contract) => {
                [&contract.a, &contract.b, &contract.out].into_iter().for_each(|at| count(at.buffer));
            }
            Step::Scatter(scatter) => {
                [scatter.index, scatter.value, scatter.out].into_iter().for_each(&mut count);
            }
            Step::Recur(_) => unreachable!("it is no leaf"),
        });
    }
    all
}

/// The arrays of the arena that nothing but this body touches, and that have no example axis: by what all `accesses` of
/// the schedule are, of which the body's, as it is planned, are a part.
pub fn private(schedule: &Schedule, accesses: &FxHashMap<BufferId, usize>, body: &[Stmt]) -> Vec<BufferId> {
    let mut inside: FxHashMap<BufferId, usize> = FxHashMap::default();
    walk::addresses(body, &mut |at| *inside.entry(at.buffer).or_default() += 1);
    let scratch = |buffer: &BufferId| {
        let buffer = &schedule.buffers[buffer.0 as usize];
        buffer.region == Region::Arena && !buffer.batch
    };
    let alone = |(buffer, count): (&BufferId, &usize)| {
        (accesses.get(buffer) == Some(count) && scratch(buffer)).then_some(*buffer)
    };
    let mut private: Vec<BufferId> = inside.iter().filter_map(alone).collect();
    private.sort_unstable();
    private
}
