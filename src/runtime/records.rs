//! What changes from step to step and is the same for every example: scalars such as the learning rate, and the
//! keys of draws. Computed here in f64, rounded once, and read by native code from one record a step.

use crate::circuit::{Circuit, Dtype, Leaf, Node, StepValue, ValueId, draw};
use crate::plan::schedule::Schedule;
use rustc_hash::FxHashMap;

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Number of the step, from 1.
    pub step: u64,
    /// Number of steps of the whole run.
    pub steps: u64,
    /// Number of the epoch, from 1.
    pub epoch: u32,
    /// How many examples it sees, for metrics that count them.
    pub examples: u32,
}

impl Moment {
    /// Where an evaluation stands, which is no part of a run: steps are counted from 1, and what looks across its
    /// examples is not computed batch by batch.
    pub const EVALUATION: Moment = Moment { step: 1, steps: 1, epoch: 1, examples: 1 };
}

/// One operation of the scalar program: its value follows those of its arguments.
#[derive(Clone, Debug)]
enum Scalar {
    Number(f64),
    Step(StepValue),
    Gate(fn(&[f64]) -> f64, Vec<u32>),
}

/// The program that fills records for one schedule.
#[derive(Clone, Debug)]
pub struct Records {
    program: Vec<Scalar>,
    results: Vec<u32>,
    sites: Vec<u64>,
    seed: u64,
    dtype: Dtype,
}

impl Records {
    /// For the scalars and draws of a schedule planned from these circuits, one a phase.
    pub fn new(schedule: &Schedule, circuits: &[&Circuit], seed: u64) -> Records {
        let mut program = vec![];
        let mut known = FxHashMap::default();
        let results = schedule
            .scalars
            .iter()
            .map(|scalar| add(&mut program, &mut known, circuits, scalar.phase, scalar.value))
            .collect();
        Records { program, results, sites: schedule.draws.clone(), seed, dtype: schedule.dtype }
    }

    /// 32-bit words in one record: the scalars, then two words a draw.
    pub fn len(&self) -> usize {
        self.results.len() * self.dtype.size() / 4 + 2 * self.sites.len()
    }

    /// Whether nothing changes from step to step.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the record of a step.
    pub fn push(&self, at: Moment, to: &mut Vec<u32>) {
        self.push_all([at], to);
    }

    /// Appends the records of some steps.
    pub fn push_all(&self, moments: impl IntoIterator<Item = Moment>, to: &mut Vec<u32>) {
        if self.is_empty() {
            return;
        }
        let mut values = Vec::with_capacity(self.program.len());
        let mut args = vec![];
        for at in moments {
            values.clear();
            self.push_one(at, &mut values, &mut args, to);
        }
    }

    /// Appends one record; `values` is empty, `args` anything.
    fn push_one(&self, at: Moment, values: &mut Vec<f64>, args: &mut Vec<f64>, to: &mut Vec<u32>) {
        for scalar in &self.program {
            let value = match scalar {
                Scalar::Number(number) => *number,
                Scalar::Step(StepValue::Step) => at.step as f64,
                Scalar::Step(StepValue::Steps) => at.steps as f64,
                Scalar::Step(StepValue::Epoch) => f64::from(at.epoch),
                Scalar::Step(StepValue::Examples) => f64::from(at.examples),
                Scalar::Gate(gate, operands) => {
                    args.clear();
                    args.extend(operands.iter().map(|&k| values[k as usize]));
                    gate(args)
                }
            };
            values.push(value);
        }
        for &k in &self.results {
            push(values[k as usize], self.dtype, to);
        }
        to.extend(self.sites.iter().flat_map(|&site| draw::key(self.seed, site, at.step)));
    }
}

/// Appends a number, rounded once, by its words, the lower half first.
fn push(number: f64, dtype: Dtype, to: &mut Vec<u32>) {
    match dtype {
        Dtype::F32 => to.push((number as f32).to_bits()),
        Dtype::F64 => {
            let bits = number.to_bits();
            to.extend([bits as u32, (bits >> 32) as u32]);
        }
    }
}

/// Adds a value and what it needs, once.
fn add(
    program: &mut Vec<Scalar>,
    known: &mut FxHashMap<(u32, ValueId), u32>,
    circuits: &[&Circuit],
    phase: u32,
    value: ValueId,
) -> u32 {
    if let Some(&place) = known.get(&(phase, value)) {
        return place;
    }
    let node = circuits[phase as usize].node(value);
    let operands: Vec<u32> =
        node.operands().into_iter().map(|v| add(program, known, circuits, phase, v)).collect();
    let scalar = match node {
        Node::Leaf(Leaf::Number(number)) => Scalar::Number(number.get()),
        Node::Leaf(Leaf::Step(what)) => Scalar::Step(*what),
        Node::Gate { gate, .. } => Scalar::Gate(gate.row().value, operands),
        other => unreachable!("the planner names scalars of numbers, steps and gates alone, not {other:?}"),
    };
    program.push(scalar);
    let place = program.len() as u32 - 1;
    known.insert((phase, value), place);
    place
}
