//! Values of a trained net for every row of some data.

use super::build::{Built, Setup, Stage, Wanted, build, homes};
use super::layout::Layout;
use super::once::Tensor;
use super::records::Moment;
use super::store::Store;
use super::trace::shown;
use super::weights::Weights;
use crate::circuit::graph::reachable;
use crate::circuit::{
    AxisSet, Circuit, Leaf, Node, Numbers, Reducer, Slice, SlotId, SlotRole, ValueId, gates,
};
use crate::data::Dataset;
use crate::diagnostic::{Diagnostic, codes, nearest};
use crate::elaborate::model::Model;
use crate::plan::schedule::Region;
use crate::simplify::simplify;

/// Most examples that are computed at once.
const CAPACITY: u32 = 64;

/// A value that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Under this name.
    pub name: String,
    /// In the model's circuit.
    pub value: ValueId,
    /// If it is a class: of how many cases.
    pub cases: Option<u32>,
}

/// Adds to a model, for each class that its loss holds scores against, the class with the highest score: the net's
/// prediction, under the name of the target. The scores are the `z` of `cross_entropy(z, y)`.
pub fn add_predictions(model: &mut Model) -> Vec<Asked> {
    let Some(loss) = model.loss else { return vec![] };
    let needed = reachable(&model.circuit, [loss]);
    let mut found: Vec<(SlotId, ValueId)> = vec![];
    for value in needed.iter() {
        let Node::Gather { table, index } = model.circuit.node(value) else { continue };
        let Node::Leaf(Leaf::Slot(slot)) = model.circuit.node(*index) else { continue };
        let target = model.circuit.slot(*slot);
        let scores = model.circuit.shape(*table);
        let is_vector = target.role == SlotRole::Target && scores.dims.len() == 1 && scores.batch;
        if is_vector
            && target.classes == scores.dims.first().copied()
            && found.iter().all(|(known, _)| known != slot)
        {
            found.push((*slot, *table));
        }
    }
    let add = |(slot, table): (SlotId, ValueId)| Asked {
        name: model.circuit.slot(slot).name.clone(),
        cases: model.circuit.slot(slot).classes,
        value: model.circuit.reduce(Reducer::Argmax, table, AxisSet::of([0]), false),
    };
    found.into_iter().map(add).collect()
}

/// The numbers that a model's loss takes the differences of, what it estimates and what that should be: a target, an
/// input, or a part of one. Of each what an example has of its own.
pub fn estimates(model: &Model) -> Vec<[Asked; 2]> {
    let circuit = &model.circuit;
    let Some(loss) = model.loss else { return vec![] };
    let reads = |value: ValueId, roles: &[SlotRole]| {
        let slot = |value| match circuit.node(value) {
            Node::Leaf(Leaf::Slot(slot)) => Some(*slot),
            _ => None,
        };
        let read = match circuit.node(value) {
            Node::View { arg, .. } => slot(*arg),
            _ => slot(value),
        };
        read.filter(|&slot| roles.contains(&circuit.slot(slot).role))
    };
    let learned =
        |value: ValueId| reachable(circuit, [value]).iter().any(|v| reads(v, &[SlotRole::Param]).is_some());
    let mut found: Vec<[Asked; 2]> = vec![];
    for value in reachable(circuit, [loss]).iter() {
        let Node::Gate { gate: gates::SUB, args } = circuit.node(value) else { continue };
        let (Some(&left), Some(&right)) = (args.first(), args.get(1)) else { continue };
        for (estimate, truth) in [(left, right), (right, left)] {
            let Some(slot) = reads(truth, &[SlotRole::Target, SlotRole::Input]) else { continue };
            let apart = not_an_example_s_own(circuit, estimate).is_none() && learned(estimate);
            if !apart || found.iter().any(|[known, _]| known.value == estimate) {
                continue;
            }
            let own = circuit.names().iter().find(|named| named.value == estimate);
            let name = own.map_or_else(|| "estimate".to_string(), |named| named.path.clone());
            let truth = Asked { name: circuit.slot(slot).name.clone(), value: truth, cases: None };
            found.push([Asked { name, value: estimate, cases: None }, truth]);
        }
    }
    found
}

/// The net's outputs.
pub fn outputs(model: &Model) -> Vec<Asked> {
    let asked =
        |name: &str, value| Asked { name: name.to_string(), value, cases: cases(&model.circuit, value) };
    model.outputs.iter().map(|output| asked(&output.name, output.value)).collect()
}

/// The value of a name.
///
/// # Errors
/// `UNKNOWN_NAME` if the net computes none of that name.
pub fn named(model: &Model, name: &str) -> Result<Asked, Diagnostic> {
    let results = || model.outputs.iter().chain(&model.metrics);
    let output = results().find(|output| output.name == name).map(|output| output.value);
    let inner = || model.circuit.names().iter().find(|named| named.path == name).map(|named| named.value);
    if let Some(value) = output.or_else(inner) {
        return Ok(Asked { name: name.to_string(), value, cases: cases(&model.circuit, value) });
    }
    let all = shown(model, &model.circuit);
    let wrong = Diagnostic::error(codes::UNKNOWN_NAME, format!("the net computes no `{name}`"));
    Err(match nearest(name, all.iter().map(|(name, _)| name.as_str())) {
        Some(near) => wrong.help(format!("did you mean `{near}`?")),
        None => wrong.help("`nnc trace` lists what it computes"),
    })
}

/// Of how many cases a value is a class, if it is one.
fn cases(circuit: &Circuit, value: ValueId) -> Option<u32> {
    match circuit.node(value) {
        Node::Leaf(Leaf::Slot(slot)) => circuit.slot(*slot).classes,
        Node::Reduce { reducer: Reducer::Argmax | Reducer::Argmin, arg, axes, .. } => {
            Some(axes.iter().map(|axis| circuit.shape(*arg).dims[axis]).product())
        }
        Node::View { arg, .. } => cases(circuit, *arg),
        _ => None,
    }
}

/// The inputs and targets that some values are computed from.
pub fn inputs_of(model: &Model, asked: &[Asked]) -> Vec<String> {
    let (circuit, roots) = simplify(&model.circuit, &values(asked));
    let needed = reachable(&circuit, roots);
    let slot = |value: ValueId| match circuit.node(value) {
        Node::Leaf(Leaf::Slot(slot)) => Some(circuit.slot(*slot)),
        _ => None,
    };
    let reads = |role| matches!(role, SlotRole::Input | SlotRole::Target);
    needed.iter().filter_map(slot).filter(|slot| reads(slot.role)).map(|slot| slot.name.clone()).collect()
}

fn values(asked: &[Asked]) -> Vec<ValueId> {
    asked.iter().map(|asked| asked.value).collect()
}

/// Native code that computes values of a net.
pub struct Predictor {
    built: Built,
    asked: Vec<Asked>,
    /// Extents of each value for one example.
    dims: Vec<Vec<u32>>,
    /// Slots that read data, in the order of the input regions.
    inputs: Vec<(String, usize)>,
}

impl Predictor {
    /// Compiles for values that each example has.
    ///
    /// # Errors
    /// `BATCH_MISUSE` for a value that is the same for all examples or looks across them.
    ///
    /// # Panics
    /// If Cranelift does not compile what the planner makes, which is a bug of ours.
    pub fn new(
        model: &Model,
        asked: Vec<Asked>,
        (params, states): (&Layout, &Layout),
        setup: Setup,
    ) -> Result<Predictor, Diagnostic> {
        let (circuit, roots) = simplify(&model.circuit, &values(&asked));
        for (asked, &root) in asked.iter().zip(&roots) {
            if let Some(why) = not_an_example_s_own(&circuit, root) {
                let message = format!("`{}` {why}: it is nothing that each example has", asked.name);
                return Err(Diagnostic::error(codes::BATCH_MISUSE, message));
            }
        }
        let reads = |role| matches!(role, SlotRole::Input | SlotRole::Target);
        let slots = circuit.slots().iter().filter(|slot| reads(slot.role));
        let inputs = slots.map(|slot| (slot.name.clone(), slot.shape.size())).collect();
        let dims = roots.iter().map(|&root| circuit.shape(root).dims.clone()).collect();
        let result = |(k, (asked, &root)): (usize, (&Asked, &ValueId))| {
            (root, Region::Output(k as u16), 0, asked.name.clone())
        };
        let wanted: Wanted = asked.iter().zip(&roots).enumerate().map(result).collect();
        let homes = homes(&circuit, params, states);
        let setup = Setup { capacity: CAPACITY, ..setup };
        let built = build(vec![Stage { circuit, homes, wanted }], setup)
            .expect("Cranelift compiles what the planner makes");
        Ok(Predictor { built, asked, dims, inputs })
    }

    /// What is computed.
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// The values for some rows, in that order; the first axis of each is the rows. A column that no value needs may be
    /// missing.
    pub fn run(&self, weights: &Weights, data: &Dataset, rows: &[u32]) -> Vec<Tensor> {
        let schedule = &self.built.schedule;
        let steps = rows.len().div_ceil(schedule.capacity as usize);
        let mut records = vec![];
        (0..steps).for_each(|_| self.built.records.push(Moment::EVALUATION, &mut records));
        let nothing: Vec<Numbers> =
            self.inputs.iter().map(|(_, size)| Numbers::zeros(schedule.dtype, size * data.rows)).collect();
        let read = self.inputs.iter().zip(&nothing);
        let columns: Vec<Slice> = read
            .map(|((name, _), nothing)| {
                data.column(name).map_or(nothing.slice(), |column| column.data.slice())
            })
            .collect();
        let store = Store::of_weights(&self.built, weights, &columns, rows, &records);
        let tensor = |(k, asked): (usize, &Asked)| {
            let numbers = store.numbers(Region::Output(k as u16));
            let dims = std::iter::once(rows.len()).chain(self.dims[k].iter().map(|&extent| extent as usize));
            let data = numbers.map_or_else(Vec::new, |numbers| numbers.iter().collect());
            Tensor { name: asked.name.clone(), dims: dims.collect(), data }
        };
        self.asked.iter().enumerate().map(tensor).collect()
    }
}

/// Why a value is none that each example has.
fn not_an_example_s_own(circuit: &Circuit, root: ValueId) -> Option<&'static str> {
    if !circuit.shape(root).batch {
        return Some("is the same for all examples");
    }
    let across = |value: ValueId| matches!(circuit.node(value), Node::Reduce { batch: true, .. });
    reachable(circuit, [root]).iter().any(across).then_some("looks across the examples")
}
