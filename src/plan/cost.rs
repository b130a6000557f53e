//! What a step costs, counted from its schedule.

use super::contraction;
use super::schedule::{Contract, Extent, Op, Reg, Schedule, Step, Stmt};
use crate::circuit::{ValueId, expansions, machine};

/// Operations and memory traffic of one step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// Additions, multiplications and other gates, a fused multiply-add counting as two.
    pub operations: u64,
    /// Bytes read and written by loops and contractions, each array once a pass, whatever the caches hold.
    pub bytes: u64,
    /// Bytes that hold something when the loss is known: what the backward pass keeps of the forward one.
    pub kept: u64,
}

/// The cost of one step for a batch of `n`.
pub fn cost(schedule: &Schedule, n: usize) -> Cost {
    let mut total = Cost::default();
    schedule.steps.iter().for_each(|step| count(schedule, step, 1, n, &mut total));
    let kept = schedule.kept.iter().map(|id| schedule.buffers[id.0 as usize].len_for(n) as u64);
    total.kept = kept.sum();
    // Counted in numbers so far.
    let size = schedule.dtype.size() as u64;
    Cost { bytes: total.bytes * size, kept: total.kept * size, ..total }
}

/// The cost of one of the schedule's steps for a batch of `n`, apart from what it keeps.
pub fn step_cost(schedule: &Schedule, step: &Step, n: usize) -> Cost {
    let mut total = Cost::default();
    count(schedule, step, 1, n, &mut total);
    Cost { bytes: total.bytes * schedule.dtype.size() as u64, ..total }
}

fn count(schedule: &Schedule, step: &Step, times: u64, n: usize, total: &mut Cost) {
    match step {
        Step::Nest(nest) => body(&nest.body, times, n, total),
        Step::Contract(contract) => contraction(contract, times, n, total),
        Step::Scatter(scatter) => {
            let values = schedule.buffers[scatter.value.0 as usize].len_for(n) as u64;
            let out = schedule.buffers[scatter.out.0 as usize].len_for(n) as u64;
            total.operations += times * values;
            total.bytes += times * (3 * values + out);
        }
        Step::Recur(recur) => {
            let times = times * u64::from(recur.extent);
            recur.body.iter().for_each(|step| count(schedule, step, times, n, total));
        }
    }
}

fn body(statements: &[Stmt], times: u64, n: usize, total: &mut Cost) {
    let length = |extent: &Extent| extent.len_for(n) as u64;
    for statement in statements {
        match statement {
            Stmt::For { extent, body: inner, .. } => body(inner, times * length(extent), n, total),
            Stmt::Fold { extent, body: inner, .. } => {
                total.operations += times * length(extent);
                body(inner, times * length(extent), n, total);
            }
            Stmt::Let { op: Op::Gate(_), .. } => total.operations += times,
            Stmt::Let { .. } => {}
            Stmt::Load { .. } | Stmt::LoadAt { .. } | Stmt::Store { .. } => total.bytes += times,
        }
    }
}

fn contraction(contract: &Contract, times: u64, n: usize, total: &mut Cost) {
    let [batch, m, cols, k] = extents(contract, n);
    total.operations += 2 * times * batch * m * cols * k;
    total.bytes += times * batch * (m * k + cols * k + m * cols);
}

/// How long the groups of axes of a contraction are: batch, m, n and k.
fn extents(contract: &Contract, n: usize) -> [u64; 4] {
    [&contract.batch, &contract.m, &contract.n, &contract.k].map(|axes| contraction::count(axes, n) as u64)
}

/// The machine operations that a gate or a draw expands into; none of what is only put into a register.
pub fn expanded(op: &Op) -> Option<usize> {
    match op {
        Op::Gate(gate) => Some(machine::program(*gate).ops.len()),
        Op::Draw { .. } => Some(expansions::uniform().ops.len()),
        _ => None,
    }
}

/// The machine operations of one of the schedule's steps for a batch of `n`, by the value that they are done for: a
/// gate counts as many as it expands into, a multiply-add, a read and a write one each.
pub fn for_each_work(schedule: &Schedule, step: &Step, n: usize, f: &mut impl FnMut(Option<ValueId>, u64)) {
    Work { schedule, n, f }.step(step, 1);
}

/// Goes over a step.
struct Work<'a, F> {
    schedule: &'a Schedule,
    n: usize,
    f: &'a mut F,
}

impl<F: FnMut(Option<ValueId>, u64)> Work<'_, F> {
    fn step(&mut self, step: &Step, times: u64) {
        match step {
            Step::Nest(nest) => self.body(&nest.body, times),
            Step::Contract(contract) => {
                let operations = extents(contract, self.n).iter().product::<u64>();
                let out = &self.schedule.buffers[contract.out.buffer.0 as usize];
                (self.f)(out.origin, times * operations);
            }
            Step::Scatter(scatter) => {
                let out = &self.schedule.buffers[scatter.out.0 as usize];
                let values = self.schedule.buffers[scatter.value.0 as usize].len_for(self.n);
                (self.f)(out.origin, times * (values + out.len_for(self.n)) as u64);
            }
            Step::Recur(recur) => {
                recur.body.iter().for_each(|step| self.step(step, times * u64::from(recur.extent)));
            }
        }
    }

    fn body(&mut self, statements: &[Stmt], times: u64) {
        for statement in statements {
            let (reg, operations) = match statement {
                Stmt::For { extent, body, .. } => {
                    self.body(body, times * extent.len_for(self.n) as u64);
                    continue;
                }
                Stmt::Fold { acc, extent, body, .. } => {
                    let times = times * extent.len_for(self.n) as u64;
                    self.body(body, times);
                    self.tell(*acc, times);
                    continue;
                }
                Stmt::Let { reg, op, .. } => match expanded(op) {
                    Some(operations) => (reg, operations),
                    None => continue,
                },
                Stmt::Load { reg, when, .. } => (reg, 1 + when.len()),
                Stmt::LoadAt { reg, .. } => (reg, 2),
                Stmt::Store { value, .. } => (value, 1),
            };
            self.tell(*reg, times * operations as u64);
        }
    }

    /// Of what a register is written for.
    fn tell(&mut self, reg: Reg, operations: u64) {
        let origin = self.schedule.origins.get(reg.0 as usize).copied().flatten();
        (self.f)(origin, operations);
    }
}
