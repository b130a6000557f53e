//! In which order a fold runs: by the circuit alone, as it decides bits.

use super::schedule::{Extent, Order};
use crate::circuit::{AxisSet, Shape};

/// Longest block of one chain.
pub(super) const BLOCK: u32 = 512;

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

/// The loops of a reduction of a value of this shape, outermost first: the example, then the dimensions in
/// order, each a fold of its own. An axis that has another folded axis inside it, or kept axes of 4 elements or
/// more, is a chain; the others are folded in lanes.
pub(super) fn fold_axes(shape: &Shape, axes: AxisSet, batch: bool) -> Vec<FoldAxis> {
    let mut folded = vec![];
    let mut kept_inside = 1;
    for (k, &extent) in shape.dims.iter().enumerate().rev() {
        if axes.contains(k) {
            let order = order(folded.is_empty(), kept_inside);
            folded.push(FoldAxis { axis: Some(k), extent: Extent::Fixed(extent), order });
        } else {
            kept_inside *= u64::from(extent);
        }
    }
    if batch {
        let order = order(folded.is_empty(), kept_inside);
        folded.push(FoldAxis { axis: None, extent: Extent::Batch, order });
    }
    folded.reverse();
    folded
}

fn order(innermost: bool, kept_inside: u64) -> Order {
    if innermost && kept_inside < 4 {
        Order::Lanes { block: 16 * BLOCK }
    } else {
        Order::Chain { block: BLOCK }
    }
}
