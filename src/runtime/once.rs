//! One evaluation without training: outputs, loss and gradients for given parameters and inputs, natively or by the
//! reference interpreter, so that anyone can hold nnc against something else.

use super::build::{Built, Setup, Stage, build, homes, slot_leaf};
use super::initial::initial_values;
use super::layout::Layout;
use super::records::Moment;
use super::store::Store;
use crate::circuit::draw::SplitMix64;
use crate::circuit::{Circuit, Dtype, Kind, Numbers, Slice, SlotId, SlotRole, ValueId};
use crate::differentiate::differences::Run;
use crate::differentiate::differentiate;
use crate::elaborate::model::Model;
use crate::interpret::{Bindings, Element, evaluate};
use crate::plan::schedule::Region;
use crate::scalar::{self, TooMany, Unrolled};

/// By what the values are computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Native code, in the precision of the evaluation.
    Native,
    /// The reference interpreter, in the same.
    Interpreter,
    /// The reference interpreter, f64.
    InterpreterF64,
}

/// A named array.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub name: String,
    /// Extents, the batch first where there is one per example.
    pub dims: Vec<usize>,
    /// Row-major.
    pub data: Vec<f64>,
}

/// What is evaluated, and on what.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// Forward and, if asked for, backward.
    pub circuit: Circuit,
    /// What comes out.
    pub wanted: Vec<(String, ValueId)>,
    /// Where each parameter lies.
    pub params: Layout,
    /// Where each state lies.
    pub states: Layout,
    /// The value of every slot, inputs for all examples, in the order of slots.
    pub values: Vec<Vec<f64>>,
    /// Number of examples.
    pub n: usize,
    /// Of draws, and of what was not given.
    pub seed: u64,
    /// Its precision, also of what was not given.
    pub dtype: Dtype,
}

impl Evaluation {
    /// Everything that a model computes: its outputs, the mean loss and, with `gradients`, the gradient of every
    /// parameter and input; parameters and inputs drawn from the seed, to be replaced by those that are given.
    /// In f32.
    pub fn new(model: &Model, gradients: bool, n: usize, seed: u64) -> Evaluation {
        Evaluation::of_type(model, gradients, n, seed, Dtype::F32)
    }

    /// As [`Evaluation::new`], in a precision.
    pub fn of_type(model: &Model, gradients: bool, n: usize, seed: u64, dtype: Dtype) -> Evaluation {
        let mut circuit = model.circuit.clone();
        let mut wanted: Vec<(String, ValueId)> =
            model.outputs.iter().map(|output| (output.name.clone(), output.value)).collect();
        if let Some(loss) = model.loss {
            wanted.push(("loss".into(), circuit.mean_batch(loss)));
            if gradients {
                wanted.extend(gradient_outputs(&mut circuit, model, loss));
            }
        }
        let params = Layout::of(&circuit, &model.params);
        let states = Layout::of(&circuit, &model.states);
        let weights = initial_values(model, &params, &states, seed, dtype);
        let value = |k: usize| {
            let slot = SlotId(k as u32);
            match (params.piece(slot), states.piece(slot)) {
                (Some(piece), _) => weights.params.part(piece.range()).iter().collect(),
                (None, Some(piece)) => weights.states.part(piece.range()).iter().collect(),
                (None, None) => drawn_input(&circuit, slot, n, seed).map(|x| dtype.rounded(x)).collect(),
            }
        };
        let values = (0..circuit.slots().len()).map(value).collect();
        Evaluation { wanted, params, states, values, n, seed, dtype, circuit }
    }

    /// Evaluates.
    ///
    /// # Errors
    /// What Cranelift says, which is a bug of ours.
    pub fn run(&self, by: By) -> Result<Vec<Tensor>, String> {
        let data = match by {
            By::Native => self.native()?,
            By::Interpreter if self.dtype == Dtype::F32 => self.interpreted::<f32>(),
            By::Interpreter | By::InterpreterF64 => self.interpreted::<f64>(),
        };
        let tensor = |((name, value), data): (&(String, ValueId), Vec<f64>)| {
            let shape = self.circuit.shape(*value);
            let batch = shape.batch.then_some(self.n);
            let dims = batch.into_iter().chain(shape.dims.iter().map(|&d| d as usize)).collect();
            Tensor { name: name.clone(), dims, data }
        };
        Ok(self.wanted.iter().zip(data).map(tensor).collect())
    }

    /// All slots bound, in any precision.
    pub fn bindings<T: Element>(&self) -> Bindings<T> {
        let mut bindings = Bindings::<T> { seed: self.seed, ..Bindings::new(self.n) };
        for (k, values) in self.values.iter().enumerate() {
            let values = values.iter().map(|&x| T::of(x)).collect();
            bindings.bind(&self.circuit, SlotId(k as u32), values);
        }
        bindings
    }

    /// The gates of a value one by one, of examples that are numbers `row` and following of their data.
    ///
    /// # Errors
    /// If there are more than `limit`.
    pub fn unrolled(&self, of: ValueId, row: usize, limit: usize) -> Result<Unrolled, TooMany> {
        let examples: Vec<u32> = (row..row + self.n).map(|row| row as u32).collect();
        match self.dtype {
            Dtype::F32 => {
                let bindings = Bindings::<f32> { examples, ..self.bindings() };
                scalar::unroll(&self.circuit, of, &bindings, limit)
            }
            Dtype::F64 => {
                let bindings = Bindings::<f64> { examples, ..self.bindings() };
                scalar::unroll(&self.circuit, of, &bindings, limit)
            }
        }
    }

    fn interpreted<T: Element>(&self) -> Vec<Vec<f64>> {
        let roots: Vec<ValueId> = self.wanted.iter().map(|wanted| wanted.1).collect();
        let arrays = evaluate(&self.circuit, &roots, &self.bindings::<T>());
        arrays.into_iter().map(|array| array.data.into_iter().map(T::get).collect()).collect()
    }

    /// The stage that native code is made of.
    pub fn stage(&self) -> Stage {
        let result = |(k, (name, value)): (usize, &(String, ValueId))| {
            (*value, Region::Output(k as u16), 0, name.clone())
        };
        Stage {
            circuit: self.circuit.clone(),
            homes: homes(&self.circuit, &self.params, &self.states),
            wanted: self.wanted.iter().enumerate().map(result).collect(),
        }
    }

    /// The slots that read data, in the order of the input regions.
    pub fn inputs(&self) -> impl Iterator<Item = SlotId> {
        let reads = |role| matches!(role, SlotRole::Input | SlotRole::Target);
        let slots = self.circuit.slots().iter().enumerate().filter(move |(_, slot)| reads(slot.role));
        slots.map(|(k, _)| SlotId(k as u32))
    }

    fn native(&self) -> Result<Vec<Vec<f64>>, String> {
        Ok(Compiled::of(self)?.run(|slot| &self.values[slot.0 as usize]))
    }
}

/// Native code of an evaluation, to be run at any values of its slots.
pub struct Compiled {
    built: Built,
    store: Store,
    params: Layout,
    states: Layout,
    inputs: Vec<SlotId>,
    results: usize,
    n: usize,
    dtype: Dtype,
}

impl Compiled {
    /// Compiles what an evaluation wants.
    ///
    /// # Errors
    /// What Cranelift says, which is a bug of ours.
    pub fn of(evaluation: &Evaluation) -> Result<Compiled, String> {
        let Evaluation { n, seed, dtype, .. } = *evaluation;
        let built =
            build(vec![evaluation.stage()], Setup { capacity: n as u32, seed, dtype, recompute: false })?;
        Ok(Compiled {
            store: Store::new(&built, 1, n),
            built,
            params: evaluation.params.clone(),
            states: evaluation.states.clone(),
            inputs: evaluation.inputs().collect(),
            results: evaluation.wanted.len(),
            n,
            dtype,
        })
    }

    /// What is wanted, in its order, where `value` tells the value of each slot.
    pub fn run<'v>(&mut self, value: impl Fn(SlotId) -> &'v [f64]) -> Vec<Vec<f64>> {
        let dtype = self.dtype;
        let flat = |layout: &Layout| {
            let values = layout.pieces.iter().flat_map(|piece| value(piece.slot));
            Numbers::rounded(dtype, values.copied())
        };
        self.store.put(Region::Params, &flat(&self.params));
        self.store.put(Region::States, &flat(&self.states));
        let mut records = vec![];
        self.built.records.push(Moment::EVALUATION, &mut records);
        let order: Vec<u32> = (0..self.n as u32).collect();
        let rounded = |slot: &SlotId| Numbers::rounded(dtype, value(*slot).iter().copied());
        let inputs: Vec<Numbers> = self.inputs.iter().map(rounded).collect();
        let columns: Vec<Slice> = inputs.iter().map(Numbers::slice).collect();
        self.store.run(&self.built, &columns, &order, &records);
        let output = |k| {
            let numbers = self.store.numbers(Region::Output(k as u16));
            numbers.map_or_else(Vec::new, |numbers| numbers.iter().collect())
        };
        (0..self.results).map(output).collect()
    }
}

/// Prepares native code in f64 that evaluates values of a circuit, as
/// [`differences`](crate::differentiate::differences) asks for it.
///
/// # Panics
/// If Cranelift does not compile what the planner makes, which is a bug of ours.
pub fn compiled(circuit: &Circuit, values: &[ValueId], n: usize, seed: u64) -> Run {
    let slots = |role: SlotRole| {
        let slots = circuit.slots().iter().enumerate().filter(move |(_, slot)| slot.role == role);
        slots.map(|(k, _)| SlotId(k as u32)).collect::<Vec<_>>()
    };
    let evaluation = Evaluation {
        wanted: values.iter().map(|&value| (String::new(), value)).collect(),
        params: Layout::of(circuit, &slots(SlotRole::Param)),
        states: Layout::of(circuit, &slots(SlotRole::State)),
        circuit: circuit.clone(),
        values: vec![],
        n,
        seed,
        dtype: Dtype::F64,
    };
    let mut compiled = Compiled::of(&evaluation).expect("Cranelift compiles what the planner makes");
    Box::new(move |bindings| compiled.run(|slot| &bindings.slots[&slot].data))
}

/// The gradients of the loss by every parameter and every input of real numbers, under the names that the printed
/// gradient gives them.
fn gradient_outputs(circuit: &mut Circuit, model: &Model, loss: ValueId) -> Vec<(String, ValueId)> {
    let slots = differentiable_slots(model);
    let leaves: Vec<ValueId> = slots.iter().map(|&slot| slot_leaf(circuit, slot)).collect();
    let gradients = differentiate(circuit, loss, &leaves);
    let named = |(slot, gradient): (SlotId, Option<ValueId>)| {
        let path = &circuit.slot(slot).name;
        let name = circuit.cotangent_of(path);
        let name = name.map_or_else(
            || format!("{}_bar", path.replace('.', "_")),
            |known| circuit.names()[known.name].path.clone(),
        );
        Some((name, gradient?))
    };
    slots.into_iter().zip(gradients).filter_map(named).collect()
}

/// Parameters, then inputs of real numbers.
pub fn differentiable_slots(model: &Model) -> Vec<SlotId> {
    let is_input = |slot: &&SlotId| {
        let slot = model.circuit.slot(**slot);
        slot.role == SlotRole::Input && slot.kind == Kind::Real
    };
    model.params.iter().chain(model.inputs.iter().filter(is_input)).copied().collect()
}

/// Values for an input that is not given: standard normal, or classes all alike.
fn drawn_input(circuit: &Circuit, slot: SlotId, n: usize, seed: u64) -> impl Iterator<Item = f64> {
    let what = circuit.slot(slot);
    let mut random = SplitMix64::new(seed ^ (u64::from(slot.0) + 1).wrapping_mul(0xA076_1D64_78BD_642F));
    let mut uniform = move || random.uniform();
    let classes = what.classes;
    let mut number = move || match classes {
        Some(classes) => (uniform() * f64::from(classes)).floor(),
        // Box and Muller.
        None => (-2.0 * (1.0 - uniform()).ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos(),
    };
    (0..what.shape.size_for(n)).map(move |_| number())
}
