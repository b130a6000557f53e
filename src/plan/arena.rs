//! Where the buffers of the arena lie: no two overlap that are needed at the same time.

use super::schedule::{BufferId, Region, Schedule, Step, Stmt};

/// Elements of 64 bytes.
const ALIGNMENT: usize = 16;

/// From the first step that touches a buffer to the last.
#[derive(Clone, Copy, Debug)]
struct Life {
    buffer: usize,
    first: usize,
    last: usize,
    len: usize,
}

/// Gives each buffer of the arena its offset: in the order of their first use, in the smallest gap between those
/// that are still needed.
pub(super) fn lay_out(schedule: &mut Schedule) {
    let mut placed: Vec<(usize, usize, usize)> = vec![];
    for life in lives(schedule) {
        placed.retain(|&(_, _, last)| last >= life.first);
        let at = best_fit(&placed, life.len);
        let position = placed.partition_point(|&(start, ..)| start < at);
        placed.insert(position, (at, life.len, life.last));
        schedule.buffers[life.buffer].offset = u32::try_from(at).expect("an arena below 2^32 elements");
        schedule.arena = schedule.arena.max(at + life.len);
    }
}

/// The start of the smallest gap that is long enough; the end if there is none.
fn best_fit(placed: &[(usize, usize, usize)], len: usize) -> usize {
    let mut end = 0;
    let mut best: Option<(usize, usize)> = None;
    for &(start, length, _) in placed {
        let gap = start - end;
        if gap >= len && best.is_none_or(|(smallest, _)| gap < smallest) {
            best = Some((gap, end));
        }
        end = start + length;
    }
    best.map_or(end, |(_, start)| start)
}

fn lives(schedule: &Schedule) -> Vec<Life> {
    let mut lives: Vec<Option<Life>> = vec![None; schedule.buffers.len()];
    for (step, node) in schedule.steps.iter().enumerate() {
        for_each_buffer(node, &mut |BufferId(k)| {
            let buffer = &schedule.buffers[k as usize];
            if buffer.region == Region::Arena {
                let len = buffer.len_for(schedule.capacity as usize).max(1).next_multiple_of(ALIGNMENT);
                let new = Life { buffer: k as usize, first: step, last: step, len };
                lives[k as usize].get_or_insert(new).last = step;
            }
        });
    }
    let mut lives: Vec<Life> = lives.into_iter().flatten().collect();
    // The largest first among those of one step.
    lives.sort_by_key(|life| (life.first, std::cmp::Reverse(life.len)));
    lives
}

/// Calls `f` with each buffer that a step reads or writes, with repeats.
pub(super) fn for_each_buffer(step: &Step, f: &mut impl FnMut(BufferId)) {
    match step {
        Step::Nest(nest) => nest.body.iter().for_each(|stmt| in_statement(stmt, f)),
        Step::Contract(contract) => [contract.a, contract.b, contract.out].iter().for_each(|at| f(at.buffer)),
        Step::Scatter(scatter) => [scatter.index, scatter.value, scatter.out].into_iter().for_each(f),
    }
}

fn in_statement(stmt: &Stmt, f: &mut impl FnMut(BufferId)) {
    match stmt {
        Stmt::For { body, .. } | Stmt::Fold { body, .. } => {
            body.iter().for_each(|inner| in_statement(inner, f))
        }
        Stmt::Load { at, .. } | Stmt::LoadAt { at, .. } | Stmt::Store { at, .. } => f(at.buffer),
        Stmt::Let { .. } => {}
    }
}
