//! The reference interpreter: the definition of what a circuit means.
//!
//! It is written to be read and believed, not to be fast: whole arrays, node by node, sums in plain sequential
//! order. Everything faster is tested against it. What each node computes is in [`nodes`].

pub mod birth;
mod element;
mod nodes;
#[cfg(test)]
mod tests;

pub use element::Element;

use crate::circuit::known::per_step;
use crate::circuit::machine::subnormal::Flushing;
use crate::circuit::recurrence::{Recurrence, Unit, units};
use crate::circuit::{Circuit, Leaf, Node, Shape, SlotId, StepValue, ValueId};
use rustc_hash::FxHashMap;

/// The value of a node for a batch.
#[derive(Clone, PartialEq, Debug)]
pub struct Array<T> {
    /// Shape for one example.
    pub shape: Shape,
    /// Number of examples in the batch.
    pub n: usize,
    /// Row-major, example after example if the shape is per example.
    pub data: Vec<T>,
}

impl<T> Array<T> {
    /// An array of a batch of `n`.
    ///
    /// # Panics
    /// If the number of elements is not that of the shape.
    pub fn new(shape: Shape, n: usize, data: Vec<T>) -> Self {
        assert_eq!(data.len(), shape.size_for(n), "elements of {shape} for {n} examples");
        Array { shape, n, data }
    }

    /// How many copies of the shape it holds: `n`, or 1 if it is shared.
    fn copies(&self) -> usize {
        if self.shape.batch { self.n } else { 1 }
    }
}

/// What comes from outside: the values that leaves read.
#[derive(Clone, PartialEq, Debug)]
pub struct Bindings<T> {
    /// Number of examples in the batch.
    pub n: usize,
    /// Value of each slot that is read.
    pub slots: FxHashMap<SlotId, Array<T>>,
    /// For draws: the number of each example of the batch in the data set.
    pub examples: Vec<u32>,
    /// For draws.
    pub seed: u64,
    /// Number of the step, from 1.
    pub step: u64,
    /// Number of steps of the whole run.
    pub steps: u64,
    /// Number of the epoch, from 1.
    pub epoch: u64,
}

impl<T: Element> Bindings<T> {
    /// Of the first batch of the first epoch: the first `n` examples, no slots, seed 0, one step in all.
    pub fn new(n: usize) -> Self {
        let examples = (0..n as u32).collect();
        Bindings { n, slots: FxHashMap::default(), examples, seed: 0, step: 1, steps: 1, epoch: 1 }
    }

    /// Binds a slot of `circuit` to values, example after example if it is per example.
    ///
    /// # Panics
    /// If their number is not that of the slot's shape.
    pub fn bind(&mut self, circuit: &Circuit, slot: SlotId, data: Vec<T>) {
        self.slots.insert(slot, Array::new(circuit.slot(slot).shape.clone(), self.n, data));
    }

    /// A step value.
    fn step_value(&self, value: StepValue) -> f64 {
        match value {
            StepValue::Step => self.step as f64,
            StepValue::Steps => self.steps as f64,
            StepValue::Epoch => self.epoch as f64,
            StepValue::Examples => self.n as f64,
        }
    }
}

/// The values of `roots`, in their order. Only what they need is evaluated, and kept no longer than needed.
///
/// # Panics
/// If a slot that is read is not bound, or the circuit is not one that [`crate::circuit::verify::verify`]
/// accepts.
pub fn evaluate<T: Element>(circuit: &Circuit, roots: &[ValueId], bindings: &Bindings<T>) -> Vec<Array<T>> {
    let _flushing = Flushing::begin();
    let units = units(circuit, roots);
    let last_reader = last_readers(circuit, roots, &units);
    let scalars = step_scalars(circuit, bindings);
    let mut values: Vec<Option<Array<T>>> = vec![None; circuit.len()];
    for (k, unit) in units.iter().enumerate() {
        match unit {
            Unit::Value(value) => {
                values[value.index()] = Some(match scalars[value.index()] {
                    Some(scalar) => Array::new(Shape::scalar(), bindings.n, vec![T::of(scalar)]),
                    None => nodes::value(circuit, *value, &values, bindings),
                });
            }
            Unit::Recurrence(recurrence) => recur(circuit, recurrence, &mut values, bindings),
        }
        for &value in unit.values() {
            for_each_read(circuit, value, |read| {
                if last_reader[read.index()] == Some(Reader::Unit(k)) {
                    values[read.index()] = None;
                }
            });
        }
    }
    let mut result = |(k, root): (usize, &ValueId)| {
        let value = &mut values[root.index()];
        let value = if roots[k + 1..].contains(root) { value.clone() } else { value.take() };
        value.expect("a root is kept to the end")
    };
    roots.iter().enumerate().map(&mut result).collect()
}

/// Evaluates the members of a recurrence. Whole arrays, again and again: whatever the lags read at first, after one
/// round the first elements are right, as far as the lags reach, and after each further round as many more.
fn recur<T: Element>(
    circuit: &Circuit,
    recurrence: &Recurrence,
    values: &mut [Option<Array<T>>],
    bindings: &Bindings<T>,
) {
    for &member in &recurrence.members {
        let shape = circuit.shape(member).clone();
        let zeros = vec![T::of(0.0); shape.size_for(bindings.n)];
        values[member.index()] = Some(Array::new(shape, bindings.n, zeros));
    }
    for _ in 0..recurrence.extent.div_ceil(recurrence.reach) {
        for &member in &recurrence.members {
            values[member.index()] = Some(nodes::value(circuit, member, values, bindings));
        }
    }
}

/// Who reads a value last. Ascending.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reader {
    /// One of the units, by its place in the order.
    Unit(usize),
    Caller,
}

/// For each value that the roots need, its last reader.
fn last_readers(circuit: &Circuit, roots: &[ValueId], units: &[Unit]) -> Vec<Option<Reader>> {
    let mut last = vec![None; circuit.len()];
    for (k, unit) in units.iter().enumerate() {
        for &value in unit.values() {
            for_each_read(circuit, value, |read| last[read.index()] = Some(Reader::Unit(k)));
        }
    }
    for root in roots {
        last[root.index()] = Some(Reader::Caller);
    }
    last
}

/// Calls `f` with each value that is read to evaluate `value`: its operands, except that a gather reads
/// *through* a view. A row of an embedding is a gather of a view that repeats the table for every position; the
/// repetition is never stored.
fn for_each_read(circuit: &Circuit, value: ValueId, mut f: impl FnMut(ValueId)) {
    match circuit.node(value) {
        Node::Gather { table, index } => {
            match circuit.node(*table) {
                Node::View { arg, .. } => f(*arg),
                _ => f(*table),
            }
            f(*index);
        }
        _ => circuit.for_each_dependency(value, f),
    }
}

/// The scalars known once a step, in f64.
fn step_scalars<T: Element>(circuit: &Circuit, bindings: &Bindings<T>) -> Vec<Option<f64>> {
    let known = per_step(circuit);
    let mut scalars: Vec<Option<f64>> = vec![None; circuit.len()];
    for value in circuit.values().filter(|value| known[value.index()]) {
        scalars[value.index()] = match circuit.node(value) {
            Node::Leaf(Leaf::Number(number)) => Some(number.get()),
            Node::Leaf(Leaf::Step(step)) => Some(bindings.step_value(*step)),
            Node::Gate { gate, args } => {
                let args: Option<Vec<f64>> = args.iter().map(|arg| scalars[arg.index()]).collect();
                Some((gate.row().value)(&args.expect("operands of a scalar per step are such scalars")))
            }
            _ => None,
        };
    }
    scalars
}
