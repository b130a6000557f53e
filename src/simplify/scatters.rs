//! Sums over a condition `index == v`: what only ever meets one term is a read, and what sorts terms by an integer is
//! a scatter.

use super::builder::{Builder, without};
use super::sums::Over;
use crate::circuit::view::Affine;
use crate::circuit::{F64, Leaf, Node, Shape, ValueId, View, gates};

/// `if index == v then value else 0`, where `v` is the position along dimension `axis`.
struct OneHot {
    index: ValueId,
    axis: usize,
    extent: u32,
    value: ValueId,
}

impl Builder {
    /// A sum of terms of which an integer picks those that count: a gather or a scatter.
    pub fn picked(&mut self, arg: ValueId, over: Over) -> Option<ValueId> {
        let terms = self.one_hot(arg)?;
        if over.axes.contains(terms.axis) {
            self.gathered(&terms, over)
        } else {
            self.scattered(&terms, over)
        }
    }

    /// The parts of `if index == v then value else 0`.
    fn one_hot(&mut self, arg: ValueId) -> Option<OneHot> {
        let Node::Gate { gate: gates::SELECT, args } = self.circuit.node(arg).clone() else { return None };
        let Node::Gate { gate: gates::EQ, args: sides } = self.circuit.node(args[0]).clone() else {
            // A condition over fewer dimensions than the value.
            return self.spread_one_hot(&args);
        };
        self.one_hot_of(&args, sides[0], sides[1])
    }

    fn spread_one_hot(&mut self, args: &[ValueId]) -> Option<OneHot> {
        let (inner, view) = self.as_view(args[0])?;
        let Node::Gate { gate: gates::EQ, args: sides } = self.circuit.node(inner).clone() else {
            return None;
        };
        if !view.is_total(self.circuit.shape(inner)) {
            return None;
        }
        let sides: Vec<ValueId> = sides.iter().map(|&side| self.circuit.view(side, view.clone())).collect();
        self.one_hot_of(args, sides[0], sides[1])
    }

    fn one_hot_of(&mut self, args: &[ValueId], left: ValueId, right: ValueId) -> Option<OneHot> {
        if self.as_number(args[2]) != Some(0.0) {
            return None;
        }
        let (index, (axis, extent)) = match (self.position(left), self.position(right)) {
            (None, Some(position)) => (left, position),
            (Some(position), None) => (right, position),
            _ => return None,
        };
        let idle = !self.varies(index, axis);
        (idle && self.circuit.is_integer(index)).then_some(OneHot { index, axis, extent, value: args[1] })
    }

    /// If a value is the position along one dimension: which, and its extent.
    fn position(&self, value: ValueId) -> Option<(usize, u32)> {
        let iota = |value: ValueId| match self.circuit.node(value) {
            Node::Leaf(Leaf::Iota(extent)) => Some(*extent),
            _ => None,
        };
        if let Some(extent) = iota(value) {
            return Some((0, extent));
        }
        let (operand, view) = self.as_view(value)?;
        let extent = iota(operand)?;
        let axis = view.coords[0].as_axis().filter(|_| view.guards.is_empty())?;
        (view.out.dims[axis] == extent).then_some((axis, extent))
    }

    /// Whether a value is known not to be the same along a dimension.
    fn varies(&self, value: ValueId, axis: usize) -> bool {
        match self.as_view(value) {
            Some((_, view)) => !Builder::spread(view.out.dims.len(), &[&view]).contains(&axis),
            None => true,
        }
    }

    /// `sum[v] if index == v then value[v] else 0` is `value[index]`, where the index is known to lie inside.
    fn gathered(&mut self, terms: &OneHot, over: Over) -> Option<ValueId> {
        let facts = self.facts(terms.index);
        let last = terms.axis + 1 == self.circuit.shape(terms.value).dims.len();
        let inside = facts.finite && facts.lo >= 0.0 && facts.hi < f64::from(terms.extent);
        if !last || !inside || over.batch || over.axes.count() != 1 {
            return None;
        }
        let (operand, view) = self.as_view(terms.index)?;
        let shared = view.out.batch && !self.circuit.shape(terms.value).batch;
        let index = self.view(operand, without(&view, &[terms.axis], shared));
        Some(self.circuit.gather(terms.value, index))
    }

    /// `sum[o] if index[o] == v then value[o, q] else 0`, with or without the mean over the batch, is a scatter by
    /// the index, whatever the order of `v` among `q`.
    fn scattered(&mut self, terms: &OneHot, over: Over) -> Option<ValueId> {
        let shape = self.shape(terms.value);
        let rank = shape.dims.len();
        let summed: Vec<usize> = over.axes.iter().collect();
        let own: Vec<usize> =
            (0..rank).filter(|axis| !summed.contains(axis) && *axis != terms.axis).collect();
        let per_query = own.iter().any(|&axis| shape.dims[axis] > 1 && self.varies(terms.index, axis));
        if shape.batch != over.batch || self.varies(terms.value, terms.axis) || per_query {
            return None;
        }
        // Index over o, value over o and q.
        let (index, value) = (self.as_view(terms.index)?, self.as_view(terms.value)?);
        let not_index: Vec<usize> = own.iter().copied().chain([terms.axis]).collect();
        let index = self.view(index.0, without(&index.1, &not_index, false));
        let value = self.view(value.0, without(&value.1, &[terms.axis], false));
        let value = self.rotated(value, own.len());
        let scatter = self.circuit.scatter(index, value, terms.extent);

        // Back to the order of the result, in which v stands where it stood among q.
        let mut dims: Vec<u32> = own.iter().map(|&axis| shape.dims[axis]).collect();
        let place = own.iter().filter(|&&axis| axis < terms.axis).count();
        dims.insert(place, terms.extent);
        let order = std::iter::once(place).chain((0..dims.len()).filter(|&k| k != place)).collect::<Vec<_>>();
        let from: Vec<u32> = order.iter().map(|&k| dims[k]).collect();
        Some(self.view(scatter, View::select(Shape::shared(dims), &order, &from)))
    }

    /// The value with its first `count` dimensions moved to the end.
    fn rotated(&mut self, value: ValueId, count: usize) -> ValueId {
        let shape = self.shape(value);
        let rank = shape.dims.len();
        let order: Vec<usize> = (count..rank).chain(0..count).collect();
        let dims = order.iter().map(|&axis| shape.dims[axis]).collect();
        let place = |axis: usize| (axis + rank - count) % rank;
        let coords = (0..rank).map(|axis| Affine::axis(place(axis), rank)).collect();
        let out = Shape { batch: shape.batch, dims };
        self.view(value, View { out, coords, guards: vec![], fill: F64::new(0.0) })
    }
}
