//! The circuit being built, and what its constructors share.

use super::facts::{Facts, Known};
use crate::circuit::view::Affine;
use crate::circuit::{Circuit, F64, Leaf, Node, Shape, ValueId, View};
use rustc_hash::FxHashSet;

/// Builds a circuit in which the rules hold.
pub(super) struct Builder {
    pub circuit: Circuit,
    known: Known,
    /// Values that are stored whatever is done about them.
    stored: FxHashSet<ValueId>,
    /// Those of them that have a name.
    named: FxHashSet<ValueId>,
    /// Of the first values: whether they depend on a lag.
    lagged: Vec<bool>,
}

impl Builder {
    pub fn new(from: &Circuit) -> Builder {
        let (stored, named) = Default::default();
        Builder { circuit: Circuit::with_slots_of(from), known: Known::new(), stored, named, lagged: vec![] }
    }

    /// Whether a value depends on a lag, and so may be part of a recurrence.
    pub fn follows_lag(&mut self, value: ValueId) -> bool {
        for next in self.circuit.values().skip(self.lagged.len()) {
            let node = self.circuit.node(next);
            let mut lagged = matches!(node, Node::Lag { .. });
            node.for_each_operand(|operand| lagged |= self.lagged[operand.index()]);
            self.lagged.push(lagged);
        }
        self.lagged[value.index()]
    }

    /// The value of a node whose operands were built.
    pub fn node(&mut self, node: Node) -> ValueId {
        match node {
            Node::Gate { gate, args } => self.gate(gate, &args),
            Node::View { arg, view } => self.view(arg, (*view).clone()),
            Node::Reduce { reducer, arg, axes, batch } => self.reduce(reducer, arg, axes, batch),
            Node::Merge { arg, .. } => match self.as_number(arg) {
                Some(number) => {
                    let shape = self.circuit.shape_of(&node);
                    self.fill(number, &shape)
                }
                None => self.circuit.intern(node),
            },
            Node::Leaf(_) | Node::Gather { .. } | Node::Scatter { .. } | Node::Lag { .. } => {
                self.circuit.intern(node)
            }
        }
    }

    /// Marks a value as stored, and what it spreads.
    pub fn store(&mut self, value: ValueId) {
        let mut next = Some(value);
        while let Some(value) = next {
            self.stored.insert(value);
            next = self.as_view(value).map(|(operand, _)| operand);
        }
    }

    pub fn is_stored(&self, value: ValueId) -> bool {
        self.stored.contains(&value)
    }

    /// Marks a value as named: a cut point, into which no rule looks.
    pub fn mark_named(&mut self, value: ValueId) {
        self.named.insert(value);
    }

    pub fn is_named(&self, value: ValueId) -> bool {
        self.named.contains(&value)
    }

    /// Whether a value is made of a draw by way of nothing that has a name: then nothing but its own name says what was
    /// drawn.
    pub fn is_drawn(&self, value: ValueId) -> bool {
        let mut seen = FxHashSet::default();
        let mut open = vec![value];
        while let Some(next) = open.pop() {
            if matches!(self.circuit.node(next), Node::Leaf(Leaf::Draw { .. })) {
                return true;
            }
            let unnamed =
                self.circuit.node(next).operands().into_iter().filter(|&operand| !self.is_named(operand));
            open.extend(unnamed.filter(|&operand| seen.insert(operand)));
        }
        false
    }

    pub fn facts(&mut self, value: ValueId) -> Facts {
        self.known.of(&self.circuit, value)
    }

    pub fn shape(&self, value: ValueId) -> Shape {
        self.circuit.shape(value).clone()
    }

    /// The number that every element of a value is, if it is one number spread.
    pub fn as_number(&self, value: ValueId) -> Option<f64> {
        match self.circuit.node(value) {
            Node::Leaf(Leaf::Number(number)) => Some(number.get()),
            Node::View { arg, view } if view.guards.is_empty() => match self.circuit.node(*arg) {
                Node::Leaf(Leaf::Number(number)) => Some(number.get()),
                _ => None,
            },
            _ => None,
        }
    }

    /// A number in every element of a shape.
    pub fn fill(&mut self, number: f64, shape: &Shape) -> ValueId {
        self.circuit.fill(number, shape)
    }

    /// What a view reads, and the view; `None` for anything else.
    pub fn as_view(&self, value: ValueId) -> Option<(ValueId, View)> {
        match self.circuit.node(value) {
            Node::View { arg, view } => Some((*arg, (**view).clone())),
            _ => None,
        }
    }

    /// Along which output dimensions all of the given views read the same.
    pub fn spread(rank: usize, views: &[&View]) -> Vec<usize> {
        let idle = |axis: &usize| {
            views.iter().all(|view| {
                let guards = view.guards.iter().map(|guard| &guard.e);
                view.coords.iter().chain(guards).all(|e| e.c[*axis] == 0)
            })
        };
        (0..rank).filter(idle).collect()
    }
}

/// A view without some output dimensions, along which it reads the same; shared if `shared`.
pub(super) fn without(view: &View, axes: &[usize], shared: bool) -> View {
    let kept = |e: &Affine| {
        let c = e.c.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, &c)| c).collect();
        Affine { c, ..*e }
    };
    let dims = view.out.dims.iter().enumerate().filter(|(axis, _)| !axes.contains(axis));
    View {
        out: Shape { batch: view.out.batch && !shared, dims: dims.map(|(_, &extent)| extent).collect() },
        coords: view.coords.iter().map(kept).collect(),
        guards: view
            .guards
            .iter()
            .map(|guard| crate::circuit::view::Guard { e: kept(&guard.e), ..*guard })
            .collect(),
        fill: view.fill,
    }
}

/// The view that spreads a value without the dimensions `axes` of `out` over them.
pub(super) fn spreading(out: &Shape, axes: &[usize]) -> View {
    let kept: Vec<usize> = (0..out.dims.len()).filter(|axis| !axes.contains(axis)).collect();
    let from: Vec<u32> = kept.iter().map(|&axis| out.dims[axis]).collect();
    View::select(out.clone(), &kept, &from)
}

/// The fill of a view that has no outside.
pub(super) const NOTHING_OUTSIDE: f64 = 0.0;

/// A view of nothing but numbers: the same number everywhere.
pub(super) fn whole(out: Shape) -> View {
    View { out, coords: vec![], guards: vec![], fill: F64::new(NOTHING_OUTSIDE) }
}
