//! Frames: operands with their surroundings, so that what may be read outside, or between two elements, is read
//! inside.

use super::body::At;
use super::emit::{Emit, strides};
use super::facts::Facts;
use super::schedule::{Address, Extent, Linear, Op};
use crate::circuit::view::Affine;
use crate::circuit::{F64, Node, ValueId};
use petgraph::graph::NodeIndex;
use std::ops::Range;

/// An array in which an operand's elements stand at every `every`-th place and the fill everywhere else, so that
/// a view that may read outside, or between two elements, reads inside.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Frame {
    /// The operand.
    pub of: ValueId,
    /// One a dimension of the operand.
    pub dims: Vec<FrameDim>,
    /// What stands elsewhere.
    pub fill: F64,
}

/// A dimension of a [`Frame`]: place `p` is coordinate `p + lo`, where element `i` has coordinate `i * every`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct FrameDim {
    /// Coordinate of the first place.
    pub lo: i64,
    /// Number of places.
    pub extent: u32,
    /// Distance of two elements.
    pub every: i64,
}

impl Frame {
    /// A view that may read outside, as a read of its operand framed by its fill, with the coordinates in the
    /// frame: exact but for the view's guards. `None` for other values.
    pub fn of(facts: &Facts, value: ValueId) -> Option<(Frame, Vec<Affine>)> {
        let Node::View { arg, view } = facts.circuit.node(value) else { return None };
        if facts.exact_view(value).is_some() {
            return None;
        }
        let mut dims = vec![];
        let mut coords = vec![];
        for coord in &view.coords {
            let reach = |sign: i64| -> i64 {
                let ends = coord.c.iter().zip(&view.out.dims);
                coord.b
                    + ends
                        .map(|(&c, &d)| c * (i64::from(d) - 1).max(0))
                        .filter(|end| end * sign > 0)
                        .sum::<i64>()
            };
            let (lo, hi) = (reach(-1), reach(1));
            dims.push(FrameDim { lo, extent: (hi - lo + 1) as u32, every: coord.d });
            coords.push(Affine { c: coord.c.clone(), b: coord.b - lo, d: 1 });
        }
        Some((Frame { of: *arg, dims, fill: view.fill }, coords))
    }

    /// Whether elements stand in all places, the operand being of these dimensions.
    fn is_full(&self, dims: &[u32]) -> bool {
        let full = |(dim, &d): (&FrameDim, &u32)| {
            let run = dim.elements(d);
            run.end - run.start == i64::from(dim.extent)
        };
        self.dims.iter().zip(dims).all(full)
    }
}

impl FrameDim {
    /// From which element of an operand of `d` to before which one it holds.
    fn elements(&self, d: u32) -> Range<i64> {
        let from = -(-self.lo).div_euclid(self.every);
        let to = (self.lo + i64::from(self.extent) - 1).div_euclid(self.every) + 1;
        let from = from.clamp(0, i64::from(d));
        from..to.clamp(from, i64::from(d))
    }
}

impl Emit<'_, '_> {
    /// The fill everywhere, unless the elements leave no place for it; then the elements.
    pub fn frame(&mut self, kernel: NodeIndex, frame: &Frame) {
        let place = self.places.held[kernel.index()].as_ref().expect("a frame is in memory");
        let batch = self.facts().shape(frame.of).batch;
        let extents: Vec<u32> = frame.dims.iter().map(|dim| dim.extent).collect();
        let strides = strides(batch, &extents);
        let outer = self.loops.iter().map(|open| &open.index).zip(&strides).skip(place.dropped);
        let start = Linear::combination(0, outer.map(|(index, &stride)| (stride, index)));
        let start = Address { buffer: place.buffer, at: start };
        let inner = &strides[usize::from(batch)..];
        if !frame.is_full(&self.facts().shape(frame.of).dims) {
            self.fill(frame, start.clone(), inner);
        }
        self.elements(frame, start, inner);
    }

    fn fill(&mut self, frame: &Frame, mut at: Address, strides: &[i64]) {
        let extents: Vec<Extent> = frame.dims.iter().map(|dim| Extent::Fixed(dim.extent)).collect();
        let opened = self.open_all(&extents);
        opened.iter().zip(strides).for_each(|(open, &stride)| at.at.add(&open.index, stride));
        let fill = self.body.compute(Op::Number(frame.fill.get()), vec![]);
        self.body.store(at, fill, false);
        self.close_all(&opened, &extents);
    }

    fn elements(&mut self, frame: &Frame, mut at: Address, strides: &[i64]) {
        let shape = self.facts().shape(frame.of);
        let runs: Vec<Range<i64>> =
            frame.dims.iter().zip(&shape.dims).map(|(dim, &d)| dim.elements(d)).collect();
        let extents: Vec<Extent> =
            runs.iter().map(|run| Extent::Fixed((run.end - run.start) as u32)).collect();
        let opened = self.open_all(&extents);
        let mut dims = vec![];
        for (((open, run), dim), &stride) in opened.iter().zip(&runs).zip(&frame.dims).zip(strides) {
            let mut element = open.index.clone();
            element.offset += run.start;
            at.at.add(&element, stride * dim.every);
            at.at.offset -= stride * dim.lo;
            dims.push(element);
        }
        let batch = shape.batch.then(|| self.loops[0].var).flatten();
        let value = self.read(frame.of, &At { batch, dims });
        self.body.store(at, value, false);
        self.close_all(&opened, &extents);
    }
}
