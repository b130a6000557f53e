//! Every named value of a net and its gradient, for one example, by the reference interpreter.

use super::build::slot_leaf;
use super::once::{Evaluation, differentiable_slots};
use crate::circuit::{Circuit, Dtype, Leaf, Node, SlotId, ValueId, graph};
use crate::data::Dataset;
use crate::diagnostic::Span;
use crate::differentiate::differentiate;
use crate::elaborate::model::Model;
use crate::interpret::{Bindings, Element, evaluate};
use rustc_hash::{FxHashMap, FxHashSet};

/// A value of the net, as one example computes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Traced {
    /// Its path.
    pub name: String,
    /// Where the user's text says so: its definition, or the call that it belongs to.
    pub line: Option<Span>,
    /// Extents.
    pub dims: Vec<usize>,
    /// Row-major.
    pub value: Vec<f64>,
    /// The derivative of the example's loss by it; `None` where the loss does not depend on it by way of numbers.
    pub gradient: Option<Vec<f64>>,
}

/// What an array holds, in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Smallest element.
    pub min: f64,
    /// Largest element.
    pub max: f64,
    /// Mean of the elements.
    pub mean: f64,
    /// Root of the sum of their squares.
    pub norm: f64,
    /// Share of elements that are 0.
    pub zeros: f64,
    /// How many are infinite or no number.
    pub bad: usize,
}

impl Summary {
    /// Of an array; of none where it has no element.
    pub fn of(data: &[f64]) -> Summary {
        let count = data.len().max(1) as f64;
        // A plain fold would lose a NaN.
        let extreme = |pick: fn(f64, f64) -> f64, from: f64| {
            data.iter()
                .fold(from, |best, &x| if x.is_nan() || best.is_nan() { f64::NAN } else { pick(best, x) })
        };
        Summary {
            min: extreme(f64::min, f64::INFINITY),
            max: extreme(f64::max, f64::NEG_INFINITY),
            mean: data.iter().sum::<f64>() / count,
            norm: data.iter().map(|x| x * x).sum::<f64>().sqrt(),
            zeros: data.iter().filter(|x| **x == 0.0).count() as f64 / count,
            bad: data.iter().filter(|x| !x.is_finite()).count(),
        }
    }
}

/// Puts rows of the data in place of the inputs of an evaluation of as many examples, as far as there are such columns.
pub fn give_rows(evaluation: &mut Evaluation, data: &Dataset, rows: &[usize]) {
    let slots: Vec<SlotId> = evaluation.inputs().collect();
    for slot in slots {
        let Some(column) = data.column(&evaluation.circuit.slot(slot).name) else { continue };
        let len = column.row_len();
        let row = |&row: &usize| column.data.part(row * len..(row + 1) * len).iter().collect::<Vec<f64>>();
        evaluation.values[slot.0 as usize] = rows.iter().flat_map(row).collect();
    }
}

/// Every named value that is computed from what the evaluation holds (one example, number `row` of its data), in the order
/// of computation.
pub fn trace(model: &Model, evaluation: &Evaluation, row: usize) -> Vec<Traced> {
    match evaluation.dtype {
        Dtype::F32 => traced::<f32>(model, evaluation, row),
        Dtype::F64 => traced::<f64>(model, evaluation, row),
    }
}

fn traced<T: Element>(model: &Model, evaluation: &Evaluation, row: usize) -> Vec<Traced> {
    let mut circuit = model.circuit.clone();
    if let Some(loss) = model.loss {
        let leaves: Vec<ValueId> =
            differentiable_slots(model).into_iter().map(|slot| slot_leaf(&mut circuit, slot)).collect();
        differentiate(&mut circuit, loss, &leaves);
    }
    let gradients: FxHashMap<&str, ValueId> =
        (circuit.cotangents().iter().filter(|cotangent| !cotangent.inner))
            .map(|cotangent| (cotangent.of.as_str(), circuit.names()[cotangent.name].value))
            .collect();
    let shown = shown(model, &circuit);
    let values: Vec<ValueId> = shown.iter().map(|(_, value)| *value).collect();
    let found: Vec<Option<ValueId>> =
        shown.iter().map(|(name, _)| gradients.get(name.as_str()).copied()).collect();
    let roots: Vec<ValueId> = values.iter().copied().chain(found.iter().flatten().copied()).collect();
    let bindings = Bindings::<T> { examples: vec![row as u32], ..evaluation.bindings() };
    let mut arrays = evaluate(&circuit, &roots, &bindings).into_iter();
    let numbers =
        |array: crate::interpret::Array<T>| array.data.into_iter().map(T::get).collect::<Vec<f64>>();
    let computed: Vec<Vec<f64>> = arrays.by_ref().take(values.len()).map(numbers).collect();
    let mut slopes = arrays.map(numbers);
    shown
        .into_iter()
        .zip(computed)
        .zip(found)
        .map(|(((name, id), value), gradient)| Traced {
            line: circuit.line_of(id, &name),
            dims: circuit.shape(id).dims.iter().map(|&extent| extent as usize).collect(),
            name,
            value,
            gradient: gradient.map(|_| slopes.next().expect("one an existing gradient")),
        })
        .collect()
}

/// Names to show with their values, in forward order: of slots, and the shortest of each value that the loss, an output
/// or a metric needs.
pub fn shown(model: &Model, circuit: &Circuit) -> Vec<(String, ValueId)> {
    let results = model.outputs.iter().chain(&model.metrics).map(|output| output.value);
    let needed = graph::reachable(&model.circuit, model.loss.into_iter().chain(results));
    let cotangents: FxHashSet<usize> = circuit.cotangents().iter().map(|cotangent| cotangent.name).collect();
    let mut shown: FxHashMap<ValueId, String> = FxHashMap::default();
    let depth = |path: &str| path.matches('.').count();
    for (k, named) in circuit.names().iter().enumerate() {
        if cotangents.contains(&k) || !needed.contains(named.value) {
            continue;
        }
        let best = shown.entry(named.value).or_insert_with(|| named.path.clone());
        if depth(&named.path) < depth(best) {
            *best = named.path.clone();
        }
    }
    for value in needed.iter() {
        if let Node::Leaf(Leaf::Slot(slot)) = circuit.node(value) {
            shown.insert(value, circuit.slot(*slot).name.clone());
        }
    }
    let mut shown: Vec<(String, ValueId)> = shown.into_iter().map(|(value, name)| (name, value)).collect();
    shown.sort_by_key(|(_, value)| *value);
    shown
}
