//! Where the buffers of the arena lie: no two overlap that are needed at the same time, but for those of which threads
//! need different examples.

use super::schedule::{Address, Buffer, BufferId, Linear, Recur, Region, Schedule, Step, Stmt};
use rustc_hash::{FxHashMap, FxHashSet};
use std::cmp::Reverse;
use std::ops::Range;

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

/// A buffer that has its place.
#[derive(Clone, Copy, Debug)]
struct Placed {
    at: usize,
    life: Life,
    /// See [`held`].
    held: (usize, bool),
}

/// Gives each buffer of the arena its offset: in the order of their first use, in the smallest gap between those
/// that are still needed. Within a run of steps by example it takes the place of one like it, or one that is free all the
/// while.
pub(super) fn lay_out(schedule: &mut Schedule) {
    for (buffer, at, len) in places(schedule) {
        schedule.buffers[buffer].offset = u32::try_from(at).expect("an arena below 2^32 elements");
        schedule.arena = schedule.arena.max(at + len);
    }
}

/// Elements of the arena as [`lay_out`] would lay it out.
pub(super) fn length(schedule: &Schedule) -> usize {
    places(schedule).into_iter().map(|(_, at, len)| at + len).max().unwrap_or(0)
}

/// Buffers of the arena, where each begins, and its length.
fn places(schedule: &Schedule) -> Vec<(usize, usize, usize)> {
    let (mut places, runs) = (vec![], runs(schedule));
    let mut placed: Vec<Placed> = vec![];
    for life in lives(schedule) {
        placed.retain(|other| other.held.0 >= life.first);
        let buffer = &schedule.buffers[life.buffer];
        let gives_way = |other: &Placed| {
            let goes = other.life.last < life.first && other.held.1;
            goes && are_alike(buffer, &schedule.buffers[other.life.buffer])
        };
        let at = match placed.iter().position(gives_way) {
            Some(k) => placed.remove(k).at,
            None => best_fit(&placed, life.len),
        };
        let position = placed.partition_point(|other| other.at < at);
        placed.insert(position, Placed { at, life, held: held(&runs, life.last) });
        places.push((life.buffer, at, life.len));
    }
    places
}

/// The start of the smallest gap that is long enough; the end if there is none.
fn best_fit(placed: &[Placed], len: usize) -> usize {
    let mut end = 0;
    let mut best: Option<(usize, usize)> = None;
    for &Placed { at: start, life, .. } in placed {
        let gap = start - end;
        if gap >= len && best.is_none_or(|(smallest, _)| gap < smallest) {
            best = Some((gap, end));
        }
        end = start + life.len;
    }
    best.map_or(end, |(_, start)| start)
}

fn lives(schedule: &Schedule) -> Vec<Life> {
    let mut lives = vec![];
    for (BufferId(k), (first, last)) in spans(schedule) {
        let buffer = &schedule.buffers[k as usize];
        if buffer.region == Region::Arena {
            let len = buffer.len_for(schedule.capacity as usize).max(1).next_multiple_of(ALIGNMENT);
            lives.push(Life { buffer: k as usize, first, last, len });
        }
    }
    // The largest first among those of one step.
    lives.sort_by_key(|life| (life.first, Reverse(life.len), life.buffer));
    lives
}

/// The buffers of the arena that are needed both before and after the first step that writes the loss or a gradient: what
/// a backward pass keeps of the forward one. None where nothing is logged.
pub(super) fn kept(schedule: &Schedule) -> Vec<BufferId> {
    let buffer = |id: BufferId| &schedule.buffers[id.0 as usize];
    let spans = spans(schedule);
    let ends = |id: BufferId| matches!(buffer(id).region, Region::Log | Region::Gradients);
    let ends = spans.iter().filter(|&(&id, _)| ends(id)).map(|(_, span)| span.0);
    let Some(loss) = ends.min() else { return vec![] };
    let kept = spans
        .iter()
        .filter(|&(&id, &(first, last))| buffer(id).region == Region::Arena && first < loss && loss < last);
    kept.map(|(&id, _)| id).collect()
}

/// From which step to which each buffer is needed, the steps in the bodies of recurrences counted one by one. What
/// lasts beyond an element of a recurrence is needed all the while that it runs.
pub(super) fn spans(schedule: &Schedule) -> FxHashMap<BufferId, (usize, usize)> {
    let shared = shared(schedule);
    let mut spans: FxHashMap<BufferId, (usize, usize)> = FxHashMap::default();
    let mut meet = |id: BufferId, first: usize, last: usize| {
        let span = spans.entry(id).or_insert((first, last));
        *span = (span.0.min(first), span.1.max(last));
    };
    let mut first = 0;
    for step in &schedule.steps {
        let Step::Recur(recur) = step else {
            for_each_access(step, &mut |access| meet(access.buffer, first, first));
            first += 1;
            continue;
        };
        let last = (first + recur.body.len()).saturating_sub(1);
        let lasting = lasting(recur, &shared);
        for (inner, at) in recur.body.iter().zip(first..) {
            for_each_access(inner, &mut |Access { buffer, .. }| match lasting.contains(&buffer) {
                true => meet(buffer, first, last),
                false => meet(buffer, at, at),
            });
        }
        first += recur.body.len();
    }
    spans
}

/// Runs of steps that threads share at once, by the numbers of steps as [`spans`] counts them, and whether they share
/// them by example.
pub(super) fn runs(schedule: &Schedule) -> Vec<(Range<usize>, bool)> {
    let mut firsts = vec![0];
    for step in &schedule.steps {
        let mut next = firsts[firsts.len() - 1];
        step.for_each_leaf(&mut |_| next += 1);
        firsts.push(next);
    }
    let leaves = |run: &Range<usize>| firsts[run.start]..firsts[run.end];
    let by_example = schedule.by_example.iter().map(|run| (leaves(run), true));
    by_example.chain(schedule.alone.iter().map(|run| (leaves(run), false))).collect()
}

/// The last step at which memory is in use that is needed last at `last`: within a run its end, as one thread may be
/// there when another one begins; and whether a buffer like it may take its place earlier all the same.
pub(super) fn held(runs: &[(Range<usize>, bool)], last: usize) -> (usize, bool) {
    let run = runs.iter().find(|(run, _)| run.contains(&last));
    run.map_or((last, false), |(run, by_example)| (run.end - 1, *by_example))
}

/// Whether examples lie at the same places in two buffers that lie at the same place: where one is needed no more for an
/// example, the other one may take its place.
pub(super) fn are_alike(a: &Buffer, b: &Buffer) -> bool {
    a.batch && b.batch && a.row() == b.row()
}

/// What one element of a recurrence leaves for others, or is touched outside of it too (`shared`): all but what its
/// body alone touches, at places that do not depend on the element.
pub(super) fn lasting(recur: &Recur, shared: &FxHashSet<BufferId>) -> FxHashSet<BufferId> {
    let mut lasting = FxHashSet::default();
    for step in &recur.body {
        for_each_access(step, &mut |access| {
            if access.at.coefficient(recur.var) != 0 || shared.contains(&access.buffer) {
                lasting.insert(access.buffer);
            }
        });
    }
    lasting
}

/// The buffers that more than one step touches, a recurrence counting as one.
pub(super) fn shared(schedule: &Schedule) -> FxHashSet<BufferId> {
    shared_among(&schedule.steps)
}

/// The buffers that more than one of some steps touches.
pub(super) fn shared_among<'a>(steps: impl IntoIterator<Item = &'a Step>) -> FxHashSet<BufferId> {
    let mut by: FxHashMap<BufferId, usize> = FxHashMap::default();
    let mut shared = FxHashSet::default();
    for (k, step) in steps.into_iter().enumerate() {
        for_each_access(step, &mut |access| {
            if *by.entry(access.buffer).or_insert(k) != k {
                shared.insert(access.buffer);
            }
        });
    }
    shared
}

/// A read or write of a buffer.
pub(super) struct Access<'a> {
    /// Which.
    pub buffer: BufferId,
    /// Where; from where on, for what is more than loops.
    pub at: &'a Linear,
    /// Whether it writes.
    pub writes: bool,
}

/// Calls `f` with each access of a step, in the order of its statements, with repeats.
pub(super) fn for_each_access(step: &Step, f: &mut impl FnMut(Access)) {
    let mut touch = |place: &Address, writes| f(Access { buffer: place.buffer, at: &place.at, writes });
    match step {
        Step::Nest(nest) => nest.body.iter().for_each(|stmt| in_statement(stmt, &mut touch)),
        Step::Contract(contract) => {
            [&contract.a, &contract.b].iter().for_each(|place| touch(place, false));
            touch(&contract.out, true);
        }
        Step::Scatter(scatter) => {
            let mut whole = |buffer, writes| touch(&Address { buffer, at: Linear::default() }, writes);
            [scatter.index, scatter.value].into_iter().for_each(|buffer| whole(buffer, false));
            whole(scatter.out, true);
        }
        Step::Recur(recur) => recur.body.iter().for_each(|inner| for_each_access(inner, f)),
    }
}

/// Calls `touch` with each access of a statement, and whether it writes.
pub(super) fn in_statement(stmt: &Stmt, touch: &mut impl FnMut(&Address, bool)) {
    match stmt {
        Stmt::For { body, .. } | Stmt::Fold { body, .. } => {
            body.iter().for_each(|inner| in_statement(inner, touch))
        }
        Stmt::Load { at, .. } | Stmt::LoadAt { at, .. } => touch(at, false),
        Stmt::Store { at, .. } => touch(at, true),
        Stmt::Let { .. } => {}
    }
}
