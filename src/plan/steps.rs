//! Steps that are no loops of the planner's: contractions and scatters.

use super::emit::Emit;
use super::kernels::{Target, Work};
use super::order::BLOCK;
use super::phases::{Places, Run, phases};
use super::places::Place;
use super::product::{Group, Held, Operand, Product};
use super::schedule::{Address, Contract, Linear, Scatter, Step};
use crate::circuit::{Node, ValueId};
use petgraph::graph::NodeIndex;

/// How an array is walked over a product's domain.
struct Walk {
    first: Address,
    batch: i64,
    dims: Vec<i64>,
}

impl Emit<'_, '_> {
    /// A kernel that is a step of its own.
    pub fn step(&mut self, kernel: NodeIndex) {
        let (kernels, places) = (self.kernels, self.places);
        let outputs = &places.stores[kernel.index()];
        let out = &outputs.first().expect("a step's result is in memory").place;
        let step = match &kernels.graph[kernel].work {
            Work::Contract(product) => {
                let parts = self.contracts(kernel, product, out);
                return self.schedule.steps.extend(parts.into_iter().map(Step::Contract));
            }
            Work::Recur(number) => Step::Recur(self.recur(*number)),
            Work::Given(_) => return,
            _ => Step::Scatter(self.scatter(kernel, out)),
        };
        self.schedule.steps.push(step);
    }

    /// A product, or one for each phase of it.
    fn contracts(&mut self, kernel: NodeIndex, product: &Product, out: &Place) -> Vec<Contract> {
        let facts = self.kernels.facts;
        let places = |k: usize| match product.operand(facts, k) {
            Operand { held: Held::Prepared(Target::Frame(frame)), coords } => Places::of(&frame, &coords),
            _ => vec![],
        };
        let places: Vec<Places> = [0, 1].into_iter().flat_map(places).collect();
        let parts = phases(&facts.shape(product.domain).dims, product.axes, &places);
        parts.iter().map(|part| self.contract(kernel, product, out, part)).collect()
    }

    /// The part of a product over some runs of the domain's dimensions.
    fn contract(&mut self, kernel: NodeIndex, product: &Product, out: &Place, part: &[Run]) -> Contract {
        let [a, b] = [0, 1].map(|k| self.factor(product, k));
        let (start, result_batch, result) = self.result_strides(product, out);
        let mut contract = Contract {
            what: self.name(kernel),
            why: self.why(product),
            batch: vec![],
            m: vec![],
            n: vec![],
            k: vec![],
            a: a.first,
            b: b.first,
            out: Address { buffer: out.buffer, at: start },
            k_block: BLOCK,
            mean: product.batch,
        };
        let stride = |axis: Option<usize>| match axis {
            None => [a.batch, b.batch, result_batch],
            Some(axis) => [a.dims[axis], b.dims[axis], result[axis]].map(|stride| stride * part[axis].step),
        };
        for (axis, run) in part.iter().enumerate() {
            contract.a.at.offset += a.dims[axis] * run.start;
            contract.b.at.offset += b.dims[axis] * run.start;
            contract.out.at.offset += result[axis] * run.start;
        }
        for (group, axis) in product.axes(self.kernels.facts, part, stride) {
            let axes = match group {
                Group::Batch => &mut contract.batch,
                Group::M => &mut contract.m,
                Group::N => &mut contract.n,
                Group::K => &mut contract.k,
            };
            axes.push(axis);
        }
        self.pack(product, &mut contract);
        contract
    }

    fn factor(&self, product: &Product, k: usize) -> Walk {
        let facts = self.kernels.facts;
        let operand = product.operand(facts, k);
        let (place, (batch, dims)) = match &operand.held {
            Held::Value(base) => {
                let shape = facts.shape(*base);
                (self.place(*base), (shape.batch, shape.dims.clone()))
            }
            Held::Prepared(target) => {
                let place = self.places.held[self.kernels.of[target].index()].clone();
                (place.expect("an operand is in memory"), target.domain(facts))
            }
        };
        let (mut start, steps) = place.layout(batch, &dims);
        let inner = &steps[usize::from(batch)..];
        let along = |axis: usize| operand.coords.iter().zip(inner).map(|(c, step)| c.c[axis] * step).sum();
        let rank = facts.shape(product.domain).dims.len();
        start.offset += operand.coords.iter().zip(inner).map(|(c, step)| c.b * step).sum::<i64>();
        Walk {
            first: Address { buffer: place.buffer, at: start },
            batch: if batch { steps[0] } else { 0 },
            dims: (0..rank).map(along).collect(),
        }
    }

    /// The first element of the result, and its strides along the example axis and the dimensions of the domain; 0
    /// where it is summed.
    fn result_strides(&self, product: &Product, out: &Place) -> (Linear, i64, Vec<i64>) {
        let shape = self.kernels.facts.shape(product.domain);
        let kept: Vec<usize> = (0..shape.dims.len()).filter(|&k| !product.axes.contains(k)).collect();
        let dims: Vec<u32> = kept.iter().map(|&k| shape.dims[k]).collect();
        let batch = shape.batch && !product.batch;
        let (start, steps) = out.layout(batch, &dims);
        let mut result = vec![0; shape.dims.len()];
        kept.iter().zip(&steps[usize::from(batch)..]).for_each(|(&k, &step)| result[k] = step);
        (start, if batch { steps[0] } else { 0 }, result)
    }

    fn why(&self, product: &Product) -> String {
        let facts = self.kernels.facts;
        let part = |k: usize| match product.operand(facts, k).held {
            Held::Value(base) => facts.name(base),
            Held::Prepared(Target::Frame(frame)) => format!("{}, framed", facts.name(frame.of)),
            Held::Prepared(target) => format!("{}, stored for it", facts.name(target.value())),
        };
        format!("a sum of products of {} and {}, each with an axis of its own", part(0), part(1))
    }

    fn scatter(&self, kernel: NodeIndex, out: &Place) -> Scatter {
        let facts = self.kernels.facts;
        let Node::Scatter { index, value, .. } =
            facts.circuit.node(self.kernels.graph[kernel].target.value())
        else {
            unreachable!("a scatter kernel is a scatter")
        };
        let buffer = |value: ValueId| self.place(value).buffer;
        let row = facts.shape(*value).dims[facts.shape(*index).dims.len()..].iter().product();
        Scatter {
            what: self.name(kernel),
            index: buffer(*index),
            value: buffer(*value),
            out: out.buffer,
            row,
            mean: facts.shape(*index).batch,
        }
    }
}
