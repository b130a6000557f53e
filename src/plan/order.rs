//! In which order a fold runs: by the circuit alone, as it decides bits.

use super::facts::{Facts, substitute};
use super::schedule::{Extent, Order};
use crate::circuit::view::Affine;
use crate::circuit::{AxisSet, Node, Shape, ValueId};

/// Longest block of one chain.
pub(super) const BLOCK: u32 = 512;

/// Values that are looked at, under what is folded, to see along which axis it lies in memory.
const NEAR: usize = 64;

/// An axis that is folded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct FoldAxis {
    /// The example axis (`None`), or a dimension of the operand.
    pub axis: Option<usize>,
    /// How long.
    pub extent: Extent,
    /// How its elements combine.
    pub order: Order,
}

/// The loops of a reduction, outermost first: the example, then the dimensions in order, each a fold of its own. An
/// axis that has another folded axis inside it is a chain; so is the innermost one where the operand lies along a
/// kept axis ([`lies_along_kept`]). Otherwise the innermost one is folded in lanes.
pub(super) fn fold_axes(facts: &Facts, arg: ValueId, axes: AxisSet, batch: bool) -> Vec<FoldAxis> {
    let shape = facts.shape(arg);
    let example = batch.then_some((None, Extent::Batch));
    let dims = axes.iter().map(|k| (Some(k), Extent::Fixed(shape.dims[k])));
    let chain = Order::Chain { block: BLOCK };
    let mut folded: Vec<FoldAxis> = example
        .into_iter()
        .chain(dims)
        .map(|(axis, extent)| FoldAxis { axis, extent, order: chain })
        .collect();
    if let Some(last) = folded.last_mut()
        && !lies_along_kept(facts, arg, axes, last.axis)
    {
        last.order = Order::Lanes { block: 16 * BLOCK };
    }
    folded
}

/// Whether the elements of an operand lie side by side along the last kept dimension, or are the same, and do not
/// along a folded axis, in the arrays that it is computed from by gates and views; and at least 4 are kept.
fn lies_along_kept(facts: &Facts, arg: ValueId, axes: AxisSet, folded: Option<usize>) -> bool {
    let dims = &facts.shape(arg).dims;
    let kept: Vec<usize> = (0..dims.len()).filter(|&k| !axes.contains(k)).collect();
    let Some(&last) = kept.last() else { return false };
    let count: u64 = kept.iter().map(|&k| u64::from(dims[k])).product();
    let reads = reads(facts, arg);
    let close = |stride: i64| (0..2).contains(&stride);
    let along = |read: &Strides, axis: Option<usize>| axis.map_or(read.batch, |axis| read.dims[axis]);
    count >= 4
        && reads.iter().all(|read| close(read.dims[last]))
        && reads.iter().any(|read| !close(along(read, folded)))
}

/// How an array is read over the axes of a value.
struct Strides {
    batch: i64,
    dims: Vec<i64>,
}

/// The arrays that a value is computed from by gates and views; the nearest, if they are many.
fn reads(facts: &Facts, value: ValueId) -> Vec<Strides> {
    let rank = facts.shape(value).dims.len();
    let own = (0..rank).map(|axis| Affine::axis(axis, rank)).collect();
    let mut open: Vec<(ValueId, Vec<Affine>)> = vec![(value, own)];
    let mut reads = vec![];
    let mut next = 0;
    while next < open.len() && next < NEAR {
        let (value, coords) = open[next].clone();
        next += 1;
        if facts.known(value).is_some() {
            continue;
        }
        match facts.circuit.node(value) {
            Node::Gate { args, .. } => open.extend(args.iter().map(|&arg| (arg, coords.clone()))),
            Node::View { arg, view } => {
                let inner = view.coords.iter().map(|coord| substitute(coord, &coords, rank)).collect();
                open.push((*arg, inner));
            }
            _ => reads.push(strides(facts.shape(value), &coords, rank)),
        }
    }
    reads
}

fn strides(shape: &Shape, coords: &[Affine], rank: usize) -> Strides {
    let steps: Vec<i64> = shape.strides().into_iter().map(|step| step as i64).collect();
    let along = |axis: usize| coords.iter().zip(&steps).map(|(coord, step)| coord.c[axis] * step).sum();
    let batch = if shape.batch { shape.size() as i64 } else { 0 };
    Strides { batch, dims: (0..rank).map(along).collect() }
}
