//! Loss and metrics of given weights on a part of the data.

use super::build::{Built, Setup, Stage, Wanted, build, homes};
use super::figures::{Cut, cut};
use super::layout::Layout;
use super::once::Tensor;
use super::records::Moment;
use super::store::Store;
use super::weights::Weights;
use crate::circuit::{Circuit, Dtype, Numbers, Slice, SlotRole, ValueId};
use crate::data::Dataset;
use crate::elaborate::model::{Model, Part};
use crate::plan::schedule::Region;
use crate::simplify::simplify;

/// Most examples that are evaluated at once.
const CAPACITY: u32 = 64;

/// The inference program, with what makes figures of its results.
pub struct Evaluator {
    built: Built,
    cut: Cut,
    /// Slots' names in the order of the input regions.
    inputs: Vec<String>,
    /// `loss` if the net has one, then the metrics.
    names: Vec<String>,
}

/// Loss and metrics on a part of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Which.
    pub part: Part,
    /// Its examples.
    pub rows: usize,
    /// `loss`, then the metrics of one number, in the order of the program.
    pub values: Vec<(String, f64)>,
    /// The metrics that are arrays, such as a confusion matrix.
    pub arrays: Vec<Tensor>,
}

impl Figures {
    /// The figure of a name.
    pub fn named(&self, name: &str) -> Option<f64> {
        self.values.iter().find(|(known, _)| known == name).map(|&(_, value)| value)
    }
}

impl Evaluator {
    /// Builds native code for the inference program of a net.
    ///
    /// # Errors
    /// What Cranelift says, which is a bug of ours.
    pub fn new(
        model: &Model,
        params: &Layout,
        states: &Layout,
        seed: u64,
        dtype: Dtype,
    ) -> Result<Evaluator, String> {
        let loss = model.loss.map(|loss| ("loss".to_string(), loss));
        let metrics = model.metrics.iter().map(|metric| (metric.name.clone(), metric.value));
        let (names, roots): (Vec<String>, Vec<ValueId>) = loss.into_iter().chain(metrics).unzip();
        let (circuit, roots) = simplify(&model.circuit, &roots);
        let cut = cut(&circuit, &roots);
        let result =
            |(k, &value): (usize, &ValueId)| (value, Region::Output(k as u16), 0, names_of(&circuit, value));
        let wanted: Wanted = cut.before.iter().enumerate().map(result).collect();
        let inputs = input_names(&circuit);
        let homes = homes(&circuit, params, states);
        let setup = Setup { capacity: CAPACITY, seed, dtype, recompute: false };
        let built = build(vec![Stage { circuit, homes, wanted }], setup)?;
        Ok(Evaluator { built, cut, inputs, names })
    }

    /// Loss and metrics on a part; none where it is empty.
    pub fn figures(&self, weights: &Weights, data: &Dataset, part: Part) -> Option<Figures> {
        let order = match part {
            Part::Train => &data.train,
            Part::Validation => &data.validation,
            Part::Test => &data.test,
        };
        if order.is_empty() || self.names.is_empty() {
            return None;
        }
        let before = self.before(weights, data, order);
        let mut figures = Figures { part, rows: order.len(), values: vec![], arrays: vec![] };
        let values = self.cut.values(order.len(), &before);
        for ((name, root), data) in self.names.iter().zip(&self.cut.roots).zip(values) {
            let dims = &self.cut.after.shape(*root).dims;
            if dims.is_empty() {
                figures.values.push((name.clone(), data[0]));
            } else {
                let dims = dims.iter().map(|&dim| dim as usize).collect();
                figures.arrays.push(Tensor { name: name.clone(), dims, data });
            }
        }
        Some(figures)
    }

    /// The values that native code computes, over all rows.
    fn before(&self, weights: &Weights, data: &Dataset, order: &[u32]) -> Vec<Numbers> {
        let schedule = &self.built.schedule;
        let steps = order.len().div_ceil(schedule.capacity as usize);
        let mut records = vec![];
        for _ in 0..steps {
            // Evaluation uses a fixed step.
            self.built.records.push(Moment::EVALUATION, &mut records);
        }
        let columns = named_columns(&self.inputs, data);
        data.advise(false);
        let store = Store::of_weights(&self.built, weights, &columns, order, &records);
        let result = |k| store.copied(Region::Output(k as u16));
        (0..self.cut.before.len()).map(result).collect()
    }
}

/// The name under which a value is best known.
fn names_of(circuit: &Circuit, value: ValueId) -> String {
    let named = circuit.names().iter().find(|named| named.value == value);
    named.map_or_else(|| format!("v{}", value.0), |named| named.path.clone())
}

/// The names of the slots that read data, in the order of the input regions.
fn input_names(circuit: &Circuit) -> Vec<String> {
    let reads = |role| matches!(role, SlotRole::Input | SlotRole::Target);
    circuit.slots().iter().filter(|slot| reads(slot.role)).map(|slot| slot.name.clone()).collect()
}

/// The columns behind a circuit's input regions.
pub fn columns<'a>(circuit: &Circuit, data: &'a Dataset) -> Vec<Slice<'a>> {
    named_columns(&input_names(circuit), data)
}

fn named_columns<'a>(names: &[String], data: &'a Dataset) -> Vec<Slice<'a>> {
    let column = |name: &String| data.column(name).expect("elaboration finds each input among the columns");
    names.iter().map(|name| column(name).data.slice()).collect()
}
