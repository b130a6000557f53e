//! Contractions: which sums of products are one, by the circuit alone, and how their operands are read.

use super::facts::{Dependence, Facts, substitute};
use super::frame::Frame;
use super::kernels::Target;
use super::phases::Run;
use super::schedule::{ContractAxis, Extent};
use crate::circuit::view::Affine;
use crate::circuit::{AxisSet, Node, Reducer, ValueId, gates};

/// A reduction that is a contraction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Product {
    /// The product that is summed: its shape is the domain.
    pub domain: ValueId,
    /// Its factors.
    pub factors: [ValueId; 2],
    /// Over which dimensions.
    pub axes: AxisSet,
    /// Whether the mean over the batch is taken as well.
    pub batch: bool,
}

/// Which group of axes of a contraction an axis belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Group {
    /// Of both operands and the result.
    Batch,
    /// Of the left operand and the result.
    M,
    /// Of the right operand and the result.
    N,
    /// Summed.
    K,
}

/// How an operand is read over the domain of the product.
pub(super) struct Operand {
    /// What is stored.
    pub held: Held,
    /// For each dimension of what is stored, its coordinate over the domain's dimensions.
    pub coords: Vec<Affine>,
}

/// What an operand of a contraction, or another read through memory, is stored as.
#[derive(Clone, Debug)]
pub(super) enum Held {
    /// A value, at its own domain.
    Value(ValueId),
    /// Something prepared for it.
    Prepared(Target),
}

/// The reduction as a contraction, if it is one: a sum of products in which some kept axis belongs to the left
/// factor only and some to the right one only.
pub(super) fn recognise(facts: &Facts, value: ValueId) -> Option<Product> {
    let Node::Reduce { reducer: Reducer::Sum, arg, axes, batch } = facts.circuit.node(value) else {
        return None;
    };
    let Node::Gate { gate, args } = facts.circuit.node(*arg) else { return None };
    if *gate != gates::MUL {
        return None;
    }
    let product = Product { domain: *arg, factors: [args[0], args[1]], axes: *axes, batch: *batch };
    let [a, b] = product.factors.map(|factor| facts.dependence(factor));
    let kept_batch = facts.shape(*arg).batch && !batch;
    let alone = |one: Dependence, other: Dependence| {
        one.dims.0 & !other.dims.0 & !axes.0 != 0 || (kept_batch && one.batch && !other.batch)
    };
    (alone(a, b) && alone(b, a)).then_some(product)
}

impl Product {
    /// The group of the example axis, or of a dimension of the domain. A kept axis of neither factor counts as
    /// the left one's.
    pub fn group(&self, facts: &Facts, axis: Option<usize>) -> Group {
        let belongs = |factor: ValueId| {
            let dependence = facts.dependence(factor);
            axis.map_or(dependence.batch, |axis| dependence.dims.contains(axis))
        };
        let [a, b] = self.factors.map(belongs);
        match axis.map_or(self.batch, |axis| self.axes.contains(axis)) {
            true => Group::K,
            false if a && b => Group::Batch,
            false if b => Group::N,
            false => Group::M,
        }
    }

    /// How factor `k` is to be read. What it needs stored is the caller's to see to.
    pub fn operand(&self, facts: &Facts, k: usize) -> Operand {
        let factor = self.factors[k];
        let located = facts.locate(factor);
        let whole = facts.shape(located.base).dims.len();
        let dependence = facts.dependence(located.base);
        if let Some((frame, coords)) = Frame::of(facts, located.base)
            && !has_guards(facts, located.base)
        {
            let rank = facts.shape(factor).dims.len();
            let coords = coords.iter().map(|coord| substitute(coord, &located.coords, rank)).collect();
            return Operand { held: Held::Prepared(Target::Frame(frame)), coords };
        }
        let inexact = matches!(facts.circuit.node(located.base), Node::View { .. });
        if inexact || dependence.dims.count() < whole || dependence.batch != facts.shape(located.base).batch {
            let axes = facts.dependence(factor);
            let rank = facts.shape(factor).dims.len();
            let coords = axes.dims.iter().map(|axis| Affine::axis(axis, rank)).collect();
            return Operand { held: Held::Prepared(Target::Restricted(factor, axes)), coords };
        }
        Operand { held: Held::Value(located.base), coords: located.coords }
    }

    /// The axes of a part of the domain in order, the example first, each with its group, and its strides as `strides`
    /// gives them for the example axis (`None`) or a dimension: left, right, result.
    pub fn axes(
        &self,
        facts: &Facts,
        part: &[Run],
        strides: impl Fn(Option<usize>) -> [i64; 3],
    ) -> impl Iterator<Item = (Group, ContractAxis)> {
        let shape = facts.shape(self.domain);
        let example = shape.batch.then_some((None, Extent::Batch));
        let dims = part.iter().enumerate().map(|(k, run)| (Some(k), run.extent()));
        let axis = move |(axis, extent): (Option<usize>, Extent)| {
            let [a, b, out] = strides(axis);
            (self.group(facts, axis), ContractAxis { extent, a, b, out })
        };
        example.into_iter().chain(dims).map(axis).collect::<Vec<_>>().into_iter()
    }
}

fn has_guards(facts: &Facts, value: ValueId) -> bool {
    matches!(facts.circuit.node(value), Node::View { view, .. } if !view.guards.is_empty())
}
