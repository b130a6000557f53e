//! How threads share the steps: as many steps as possible without waiting for one another.
//!
//! Where threads share each step by itself, they meet after each of them, and what one has written the other one reads:
//! to get it from the other one's cache takes about as long as it took to compute. But most of what a step reads of an
//! example was computed from that example alone: such steps are put next to each other, as far as what they read allows,
//! so that each thread takes some examples through all of them. What does not depend on examples goes before them, sums
//! over examples go after them. Of those, the short ones that do not need each other are put next to each other too, so
//! that each thread does some of them.

use super::arena::{self, for_each_access, in_statement};
use super::cost;
use super::schedule::*;
use rustc_hash::FxHashSet;
use std::ops::Range;

/// Short steps that are one function at most: to make a long one takes more than in proportion.
const MOST_TOGETHER: usize = 64;
/// How much more of the arena the order may take.
const MORE_MEMORY: usize = 2;

/// Brings steps into an order in which threads share many at once, and notes which, where they do so much that threads
/// gain by it, and do not need too much memory for it.
pub(super) fn arrange(schedule: &mut Schedule, long: Long) {
    let (before, order) = (arena::length(schedule), order(schedule, long));
    let Order { steps: order, by_example, alone, .. } = order;
    reorder(schedule, &order);
    (schedule.by_example, schedule.alone) = (by_example, alone);
    if arena::length(schedule) > (MORE_MEMORY * before).min(u32::MAX as usize) {
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &k)| back[k] = at);
        reorder(schedule, &back);
        (schedule.by_example, schedule.alone) = (vec![], vec![]);
    }
}

/// Puts the steps of these numbers in this order.
fn reorder(schedule: &mut Schedule, order: &[usize]) {
    let mut steps: Vec<Option<Step>> = std::mem::take(&mut schedule.steps).into_iter().map(Some).collect();
    schedule.steps = order.iter().map(|&k| steps[k].take().expect("each step once")).collect();
    schedule.phases = order.iter().map(|&k| schedule.phases[k]).collect();
}

/// The order in which threads share many steps at once.
fn order(schedule: &Schedule, long: Long) -> Order<'_> {
    let apart = Apart::new(schedule);
    let mut order = Order { schedule, long, steps: vec![], by_example: vec![], alone: vec![] };
    let mut open = Open::default();
    for (k, step) in schedule.steps.iter().enumerate() {
        let touched = Touched::by(schedule, step);
        if !apart.step(step) {
            open.pass(k, touched);
            continue;
        }
        if touched.meets(&open.after_touched) {
            order.close(std::mem::take(&mut open));
        }
        open.here.push(k);
        open.here_touched.add(touched);
    }
    order.close(open);
    order
}

/// What is wrong with the runs of steps that threads share at once: those by example touch what belongs to other
/// examples, or those that should not need each other do.
pub(super) fn faults(schedule: &Schedule) -> Vec<String> {
    let apart = Apart::new(schedule);
    let mut faults = vec![];
    for k in schedule.by_example.iter().cloned().flatten() {
        if !apart.step(&schedule.steps[k]) {
            faults.push(format!("step {} does not work on each example apart", k + 1));
        }
    }
    for run in &schedule.alone {
        let mut others = Touched::default();
        for k in run.clone() {
            let touched = Touched::by(schedule, &schedule.steps[k]);
            if touched.meets(&others) {
                faults.push(format!("step {} needs one of those that run at the same time", k + 1));
            }
            others.add(touched);
        }
    }
    faults
}

/// What is long enough for threads, in operations for a whole batch.
#[derive(Clone, Copy, Debug)]
pub struct Long {
    /// Some steps, that threads gain by sharing them.
    pub some: u64,
    /// A step, that threads gain by sharing it alone.
    pub one: u64,
}

/// Steps that are being put next to each other, and the others met meanwhile.
#[derive(Default)]
struct Open {
    before: Vec<usize>,
    here: Vec<usize>,
    after: Vec<usize>,
    here_touched: Touched,
    after_touched: Touched,
}

impl Open {
    /// Puts a step before or after those that are here.
    fn pass(&mut self, k: usize, touched: Touched) {
        if touched.meets(&self.here_touched) || touched.meets(&self.after_touched) {
            self.after.push(k);
            self.after_touched.add(touched);
        } else {
            self.before.push(k);
        }
    }
}

/// The order of steps, as far as it is known.
struct Order<'a> {
    schedule: &'a Schedule,
    long: Long,
    steps: Vec<usize>,
    by_example: Vec<Range<usize>>,
    alone: Vec<Range<usize>>,
}

impl Order<'_> {
    fn operations(&self, k: usize) -> u64 {
        cost::step_cost(self.schedule, &self.schedule.steps[k], self.schedule.capacity as usize).operations
    }

    /// Goes on with some steps. What does too little by example stays in the order in which it was.
    fn close(&mut self, open: Open) {
        let Open { before, here, after, .. } = open;
        if here.iter().map(|&k| self.operations(k)).sum::<u64>() < self.long.some {
            let first = self.steps.len();
            self.steps.extend([before, here, after].concat());
            self.steps[first..].sort_unstable();
            return;
        }
        self.steps.extend(before);
        let run = self.run(here);
        self.by_example.push(run);
        for steps in self.levels(after) {
            self.free(steps);
        }
    }

    /// Goes on with steps next to each other.
    fn run(&mut self, steps: Vec<usize>) -> Range<usize> {
        let first = self.steps.len();
        self.steps.extend(steps);
        first..self.steps.len()
    }

    /// Some steps, those first that need none of the others, then those that need only these, and so on.
    fn levels(&self, steps: Vec<usize>) -> Vec<Vec<usize>> {
        let mut levels: Vec<(Vec<usize>, Touched)> = vec![];
        for k in steps {
            let touched = Touched::by(self.schedule, &self.schedule.steps[k]);
            let level = levels.iter().rposition(|(_, all)| touched.meets(all)).map_or(0, |last| last + 1);
            if level == levels.len() {
                levels.push(Default::default());
            }
            levels[level].0.push(k);
            levels[level].1.add(touched);
        }
        levels.into_iter().map(|level| level.0).collect()
    }

    /// Goes on with steps that do not need each other, the short ones next to each other.
    fn free(&mut self, steps: Vec<usize>) {
        let is_short = |&k: &usize| {
            !matches!(self.schedule.steps[k], Step::Recur(_)) && self.operations(k) < self.long.one
        };
        let (short, long): (Vec<usize>, Vec<usize>) = steps.into_iter().partition(is_short);
        self.steps.extend(long);
        for short in short.chunks(MOST_TOGETHER) {
            let operations = || short.iter().map(|&k| self.operations(k));
            let (all, longest) = (operations().sum::<u64>(), operations().max().unwrap_or(0));
            let run = self.run(short.to_vec());
            if all >= self.long.some && 2 * longest <= all {
                self.alone.push(run);
            }
        }
    }
}

/// What some steps read and write: arrays of the arena, and ranges of other regions.
#[derive(Default)]
struct Touched {
    read: Memory,
    written: Memory,
}

#[derive(Default)]
struct Memory {
    arrays: FxHashSet<BufferId>,
    ranges: FxHashSet<(Region, u32, u32)>,
}

impl Memory {
    fn add(&mut self, schedule: &Schedule, id: BufferId) {
        let buffer = &schedule.buffers[id.0 as usize];
        if buffer.region == Region::Arena {
            self.arrays.insert(id);
        } else {
            let end = buffer.offset + buffer.len_for(schedule.capacity as usize) as u32;
            self.ranges.insert((buffer.region, buffer.offset, end));
        }
    }

    fn meets(&self, other: &Memory) -> bool {
        let overlaps = |&(region, start, end): &(Region, u32, u32)| {
            other.ranges.iter().any(|other| other.0 == region && start < other.2 && other.1 < end)
        };
        !self.arrays.is_disjoint(&other.arrays) || self.ranges.iter().any(overlaps)
    }
}

impl Touched {
    fn by(schedule: &Schedule, step: &Step) -> Touched {
        let mut touched = Touched::default();
        for_each_access(step, &mut |access| {
            let memory = if access.writes { &mut touched.written } else { &mut touched.read };
            memory.add(schedule, access.buffer);
        });
        touched
    }

    fn add(&mut self, other: Touched) {
        for (memory, other) in [(&mut self.read, other.read), (&mut self.written, other.written)] {
            memory.arrays.extend(other.arrays);
            memory.ranges.extend(other.ranges);
        }
    }

    /// Whether one writes what the other one reads or writes, so that their order matters.
    fn meets(&self, other: &Touched) -> bool {
        let writes = |this: &Touched, other: &Touched| {
            this.written.meets(&other.read) || this.written.meets(&other.written)
        };
        writes(self, other) || writes(other, self)
    }
}

/// Tells which steps work on each example apart.
struct Apart<'a> {
    schedule: &'a Schedule,
    /// The buffers that more than one step touches, those in the bodies of recurrences counted one by one.
    common: FxHashSet<BufferId>,
}

impl<'a> Apart<'a> {
    fn new(schedule: &'a Schedule) -> Self {
        let mut leaves = vec![];
        schedule.steps.iter().for_each(|step| step.for_each_leaf(&mut |leaf| leaves.push(leaf)));
        Apart { schedule, common: arena::shared_among(leaves) }
    }
}

impl Apart<'_> {
    /// Whether all that a step reads and writes of arrays that have something for each example is that of the example
    /// that it works on; and it writes no other arrays, but for those that it has for itself.
    fn step(&self, step: &Step) -> bool {
        match step {
            Step::Nest(nest) => self.nest(nest),
            Step::Contract(contract) => self.contract(contract),
            Step::Scatter(_) => false,
            Step::Recur(recur) => recur.body.iter().all(|step| self.step(step)),
        }
    }

    fn nest(&self, nest: &Nest) -> bool {
        let Some((Stmt::For { var, extent: Extent::Batch, body, .. }, before)) = nest.body.split_last()
        else {
            return false;
        };
        let mut apart = before.iter().all(|stmt| matches!(stmt, Stmt::Let { .. } | Stmt::Load { .. }));
        for stmt in body {
            in_statement(stmt, &mut |at, writes| apart &= self.access(at, at.at.coefficient(*var), writes));
        }
        apart
    }

    /// Whether an access that moves so far from one example to the next is to that example.
    fn access(&self, at: &Address, step: i64, writes: bool) -> bool {
        let buffer = &self.schedule.buffers[at.buffer.0 as usize];
        let own = || buffer.region == Region::Arena && !self.common.contains(&at.buffer);
        if buffer.batch { step == buffer.row() as i64 } else { !writes || own() }
    }

    fn contract(&self, contract: &Contract) -> bool {
        let Contract { batch, m, n, a, b, out, .. } = contract;
        let mut axes = batch.iter().chain(m).chain(n);
        let Some(axis) = axes.find(|axis| axis.extent == Extent::Batch) else { return false };
        // Panels of a product are no memory of a thread's own: it writes examples only.
        let written = self.schedule.buffers[out.buffer.0 as usize].batch;
        written
            && self.access(a, axis.a, false)
            && self.access(b, axis.b, false)
            && self.access(out, axis.out, true)
    }
}
