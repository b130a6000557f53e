//! What a step costs, counted from its schedule.

use super::arena;
use super::schedule::{Contract, ContractAxis, Extent, Op, Schedule, Step, Stmt};

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
    total.kept = arena::kept(schedule, n) as u64;
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
    let length = |extent: &Extent| match extent {
        Extent::Fixed(extent) => u64::from(*extent),
        Extent::Batch => n as u64,
    };
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
    let extent = |axes: &[ContractAxis]| {
        let length = |axis: &ContractAxis| match axis.extent {
            Extent::Fixed(extent) => u64::from(extent),
            Extent::Batch => n as u64,
        };
        axes.iter().map(length).product::<u64>()
    };
    let [batch, m, cols, k] =
        [&contract.batch, &contract.m, &contract.n, &contract.k].map(|axes| extent(axes));
    total.operations += 2 * times * batch * m * cols * k;
    total.bytes += times * batch * (m * k + cols * k + m * cols);
}
