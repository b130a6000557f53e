//! Merged dimensions: gates and reductions come before merges. A merge is a name for memory as it lies; what is read
//! through one needs a quotient and a rest, or a copy. So `f(merge(a), b)` is `merge(f(a, b'))`, where `b'` reads `b`
//! at `inner * i + j`, which is affine.

use super::builder::Builder;
use super::sums::Over;
use super::views::spreads;
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{AxisSet, F64, Gate, Node, Shape, ValueId, View};

/// A dimension that is two: it is read as `outer` times `inner`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Parted {
    axis: usize,
    outer: u32,
    inner: u32,
}

impl Builder {
    /// A gate of merged operands as the merge of a gate; `None` if no operand is merged, or two are in different ways.
    /// A merge that is only spread does not count: it may be a factor of a contraction, which reads it as it lies. Nor
    /// does one with a name, which people read. What may be part of a recurrence stays: its lags count along whole
    /// dimensions.
    pub fn before_merge(&mut self, gate: Gate, args: &[ValueId]) -> Option<ValueId> {
        if args.iter().any(|&arg| self.follows_lag(arg)) {
            return None;
        }
        let whole = |arg: &&ValueId| match self.circuit.node(**arg) {
            Node::View { arg, view } => !self.is_named(*arg) && !spreads(view, self.circuit.shape(*arg)),
            _ => !self.is_named(**arg),
        };
        let parted = args.iter().filter(whole).find_map(|&arg| self.merged_at(arg))?;
        let apart: Vec<ValueId> = args.iter().map(|&arg| self.apart(arg, parted)).collect::<Option<_>>()?;
        let value = self.gate(gate, &apart);
        Some(self.node(Node::Merge { arg: value, axis: parted.axis as u8 }))
    }

    /// A reduction that keeps a merged dimension as the merge of a reduction, under the conditions of
    /// [`Builder::before_merge`]: so the adjoint of a filter in groups sums a product, not a read of one.
    pub fn reduced_before_merge(&mut self, arg: ValueId, over: Over) -> Option<ValueId> {
        let merge = self.as_view(arg).map_or(arg, |(operand, _)| operand);
        if [arg, merge].iter().any(|&value| self.is_stored(value)) || self.follows_lag(arg) {
            return None;
        }
        let parted = self.merged_at(arg).filter(|parted| !over.axes.contains(parted.axis))?;
        let apart = self.apart(arg, parted)?;
        let axes = AxisSet::of(over.axes.iter().map(|axis| axis + 1));
        let value = self.reduce(over.reducer, apart, axes, over.batch);
        Some(self.node(Node::Merge { arg: value, axis: parted.axis as u8 }))
    }

    /// A read of what is computed and merged, that has the merged dimension as it is, as the merge of a read.
    pub fn through_merge(&mut self, merge: ValueId, view: &View) -> Option<ValueId> {
        let Node::Merge { arg: inner, .. } = *self.circuit.node(merge) else { return None };
        let computed = matches!(self.circuit.node(inner), Node::Gate { .. } | Node::Reduce { .. });
        if !computed || self.is_stored(inner) || self.follows_lag(merge) {
            return None;
        }
        let read = self.circuit.view(merge, view.clone());
        let parted = self.merged_at(read)?;
        let apart = self.apart(read, parted)?;
        Some(self.node(Node::Merge { arg: apart, axis: parted.axis as u8 }))
    }

    /// The dimension of a merge, or of a read of one along that dimension.
    fn merged_at(&self, value: ValueId) -> Option<Parted> {
        let (merge, axis_of): (_, &dyn Fn(usize) -> Option<usize>) = match self.circuit.node(value) {
            Node::Merge { .. } => (value, &|axis| Some(axis)),
            Node::View { arg, view } => (*arg, &|axis| view.coords[axis].as_axis()),
            _ => return None,
        };
        let Node::Merge { arg, axis } = self.circuit.node(merge) else { return None };
        let dims = &self.circuit.shape(*arg).dims[usize::from(*axis)..];
        let axis = axis_of(usize::from(*axis))?;
        let parted = Parted { axis, outer: dims[0], inner: dims[1] };
        (self.circuit.shape(value).dims[axis] == parted.outer * parted.inner).then_some(parted)
    }

    /// A value with a dimension parted.
    fn apart(&mut self, value: ValueId, parted: Parted) -> Option<ValueId> {
        let out = parted.shape(self.circuit.shape(value));
        if let Some(number) = self.as_number(value) {
            return Some(self.fill(number, &out));
        }
        let own = self.merged_at(value).filter(|own| own.axis == parted.axis);
        if own.is_some_and(|own| own != parted) {
            return None;
        }
        match (own, self.circuit.node(value).clone()) {
            (Some(_), Node::Merge { arg, .. }) => Some(arg),
            (Some(_), Node::View { arg, view }) => {
                let Node::Merge { arg, axis } = *self.circuit.node(arg) else { return None };
                let view = parted.through(&view, usize::from(axis), out)?;
                Some(self.view(arg, view))
            }
            _ => {
                let coords = parted.coordinates(out.dims.len() - 1);
                Some(self.view(value, View { out, coords, guards: vec![], fill: F64::new(0.0) }))
            }
        }
    }
}

impl Parted {
    fn shape(self, shape: &Shape) -> Shape {
        let mut shape = shape.clone();
        shape.dims.splice(self.axis..=self.axis, [self.outer, self.inner]);
        shape
    }

    /// For each of `rank` dimensions, where it is by those after parting.
    fn coordinates(self, rank: usize) -> Vec<Affine> {
        let coordinate = |axis: usize| {
            let mut at = Affine::axis(axis + usize::from(axis > self.axis), rank + 1);
            if axis == self.axis {
                (at.c[axis], at.c[axis + 1]) = (i64::from(self.inner), 1);
            }
            at
        };
        (0..rank).map(coordinate).collect()
    }

    /// A read of a merge along `axis` as one of what is merged.
    fn through(self, view: &View, axis: usize, out: Shape) -> Option<View> {
        let (places, rank) = (self.coordinates(view.out.dims.len()), out.dims.len());
        let mut coords: Vec<Affine> =
            view.coords.iter().map(|e| e.substitute(&places, rank)).collect::<Option<_>>()?;
        coords.splice(axis..=axis, [self.axis, self.axis + 1].map(|axis| Affine::axis(axis, rank)));
        let moved = |guard: &Guard| Some(Guard { e: guard.e.substitute(&places, rank)?, ..*guard });
        let guards = view.guards.iter().map(moved).collect::<Option<_>>()?;
        Some(View { out, coords, guards, fill: view.fill })
    }
}
