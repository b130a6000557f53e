//! Reads: composed, and brought down to what is stored.

use super::builder::{Builder, spreading, whole, without};
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{AxisSet, F64, Gate, Leaf, Node, Reducer, Shape, ValueId, View, gates};

impl Builder {
    /// A read in the normal form.
    pub fn view(&mut self, arg: ValueId, view: View) -> ValueId {
        // Normal form, identity and composition are the circuit's own.
        let read = self.circuit.view(arg, view);
        let Some((arg, view)) = self.as_view(read) else { return read };
        if view.is_outside(self.circuit.shape(arg)) {
            return self.fill(view.fill.get(), &view.out);
        }
        if let Node::Leaf(Leaf::Number(number)) = self.circuit.node(arg)
            && *number == view.fill
        {
            return self.fill(view.fill.get(), &view.out);
        }
        if let Some(position) = self.one_position(arg, &view) {
            return self.fill(position, &view.out);
        }
        let kept = self.is_stored(arg) && !self.is_positional(arg, POSITIONAL_DEPTH);
        if kept || spreads(&view, self.circuit.shape(arg)) {
            return read;
        }
        self.pushed(arg, &view).unwrap_or(read)
    }

    /// The number that a read of positions is, if it reads the same one everywhere.
    fn one_position(&self, arg: ValueId, view: &View) -> Option<f64> {
        let is_iota = matches!(self.circuit.node(arg), Node::Leaf(Leaf::Iota(_)));
        let [at] = &view.coords[..] else { return None };
        let alone = is_iota && at.d == 1 && at.c.iter().all(|&c| c == 0);
        (alone && view.is_total(self.circuit.shape(arg))).then_some(at.b as f64)
    }

    /// Whether a value is made of positions and numbers alone, so that nothing is gained by storing it.
    fn is_positional(&self, value: ValueId, depth: usize) -> bool {
        depth > 0
            && match self.circuit.node(value) {
                Node::Leaf(leaf) => matches!(leaf, Leaf::Iota(_) | Leaf::Number(_)),
                Node::View { arg, .. } => self.is_positional(*arg, depth),
                Node::Gate { args, .. } => args.iter().all(|&arg| self.is_positional(arg, depth - 1)),
                _ => false,
            }
    }

    /// A value with its dimensions in the order of `view`, and its own order as a read of that: the name of what is a
    /// permutation of an unnamed value moves onto the value itself.
    pub fn oriented(&mut self, value: ValueId, view: &View) -> ValueId {
        let Some(turned) = self.pushed(value, view) else { return value };
        let axes = view.as_select().expect("an orientation is a permutation");
        let mut back = vec![0; axes.len()];
        for (k, &axis) in axes.iter().enumerate() {
            back[axis] = k;
        }
        let view = View::select(self.shape(value), &back, &self.shape(turned).dims);
        // Stored, or the read would go through it and turn it back.
        self.store(turned);
        self.view(turned, view)
    }

    /// A read of a node as a node of reads.
    fn pushed(&mut self, arg: ValueId, view: &View) -> Option<ValueId> {
        match self.circuit.node(arg).clone() {
            Node::Gate { gate, args } => self.through_gate(gate, &args, view),
            Node::Reduce { reducer, arg: inner, axes, batch } => {
                let total = view.is_total(self.circuit.shape(arg));
                total.then(|| self.through_reduction(reducer, inner, axes, batch, view))
            }
            Node::Gather { table, index } => {
                let total = view.is_total(self.circuit.shape(arg));
                total.then(|| self.through_gather(table, index, view))
            }
            Node::Merge { .. } => self.through_merge(arg, view),
            _ => None,
        }
    }

    /// `f(a, b)[v]` is `f(a[v], b[v])`; outside, where all reads of arrays give the fill, the gate must give it too.
    pub fn through_gate(&mut self, gate: Gate, args: &[ValueId], view: &View) -> Option<ValueId> {
        let shape = self.shape(args[0]);
        if !view.is_total(&shape) {
            let fill = view.fill.get();
            let outside: Vec<f64> = args.iter().map(|&arg| self.as_number(arg).unwrap_or(fill)).collect();
            if (gate.row().value)(&outside) != fill {
                return None;
            }
            if gate == gates::MUL && fill == 0.0 {
                return Some(self.masked_product(args[0], args[1], view));
            }
        }
        let args: Vec<ValueId> = args.iter().map(|&arg| self.read_inside(arg, view)).collect();
        Some(self.gate(gate, &args))
    }

    /// One operand of a gate that is read; a number is itself everywhere.
    fn read_inside(&mut self, arg: ValueId, view: &View) -> ValueId {
        match self.as_number(arg) {
            Some(number) => self.fill(number, &view.out),
            None => self.view(arg, view.clone()),
        }
    }

    /// A product read with 0 outside needs only one factor to be 0 there, if the other is finite: the other can be
    /// read plainly where that stays within its array.
    fn masked_product(&mut self, a: ValueId, b: ValueId, view: &View) -> ValueId {
        let plain = |builder: &mut Builder, factor: ValueId| {
            let read = builder.unmasked(factor, view)?;
            builder.facts(factor).finite.then_some(read)
        };
        // A number cannot be 0 outside: the other factor is.
        if self.as_number(a).is_some() || self.as_number(b).is_some() {
            let args = [self.read_inside(a, view), self.read_inside(b, view)];
            return self.gate(gates::MUL, &args);
        }
        let (a, b) = match (plain(self, a), plain(self, b)) {
            (_, Some(b)) => (self.read_inside(a, view), b),
            (Some(a), None) => (a, self.read_inside(b, view)),
            (None, None) => (self.read_inside(a, view), self.read_inside(b, view)),
        };
        self.gate(gates::MUL, &[a, b])
    }

    /// What a value is where the view is inside, and anything of the value's array outside, read without a condition;
    /// `None` if that would leave the array.
    fn unmasked(&mut self, value: ValueId, view: &View) -> Option<ValueId> {
        let (operand, inner) = match self.as_view(value) {
            Some((operand, inner)) if inner.is_total(self.circuit.shape(operand)) => (operand, inner),
            Some(_) => return None,
            None => {
                let dims = self.circuit.shape(value).dims.clone();
                let axes: Vec<usize> = (0..dims.len()).collect();
                (value, View::select(self.shape(value), &axes, &dims))
            }
        };
        let rank = view.out.dims.len();
        let coords =
            inner.coords.iter().map(|e| e.substitute(&view.coords, rank)).collect::<Option<Vec<_>>>()?;
        let read = View { out: view.out.clone(), coords, guards: vec![], fill: F64::new(0.0) };
        let plain = read.is_total(self.circuit.shape(operand));
        plain.then(|| self.view(operand, read))
    }

    /// `(sum[k] a[.., k])[v]` is `sum[k] a[v, k]`.
    fn through_reduction(
        &mut self,
        reducer: Reducer,
        inner: ValueId,
        axes: AxisSet,
        batch: bool,
        view: &View,
    ) -> ValueId {
        let shape = self.shape(inner);
        let kept = shape.dims.len() - axes.count();
        debug_assert!(axes.iter().eq(kept..shape.dims.len()), "reductions are over trailing dimensions");
        let wide = widened(view, &shape.dims[kept..], shape.batch);
        let read = self.view(inner, wide);
        let rank = view.out.dims.len();
        self.reduce(reducer, read, AxisSet::of(rank..rank + axes.count()), batch)
    }

    /// `table[o, index[o]]` at `v` is `table[v, index[v]]`.
    fn through_gather(&mut self, table: ValueId, index: ValueId, view: &View) -> ValueId {
        let shape = self.shape(table);
        let wide = widened(view, &shape.dims[shape.dims.len() - 1..], shape.batch);
        let (table, index) = (self.view(table, wide), self.view(index, view.clone()));
        self.circuit.gather(table, index)
    }

    /// A gate over the dimensions on which its operands depend, then spread. `None` if they depend on all.
    pub fn narrowed(&mut self, gate: Gate, args: &[ValueId]) -> Option<ValueId> {
        let out = self.shape(args[0]);
        let mut reads = vec![];
        for &arg in args {
            if self.as_number(arg).is_none() {
                reads.push(self.as_view(arg)?);
            }
        }
        let views: Vec<&View> = reads.iter().map(|(_, view)| view).collect();
        let axes = Builder::spread(out.dims.len(), &views);
        let shared = out.batch && reads.iter().all(|(operand, _)| !self.circuit.shape(*operand).batch);
        if axes.is_empty() && !shared {
            return None;
        }
        let narrow = without(&whole(out.clone()), &axes, shared).out;
        let args: Vec<ValueId> = args
            .iter()
            .map(|&arg| match (self.as_number(arg), self.as_view(arg)) {
                (None, Some((operand, view))) => self.view(operand, without(&view, &axes, shared)),
                (number, _) => self.fill(number.expect("a view or a number"), &narrow),
            })
            .collect();
        let value = self.gate(gate, &args);
        Some(self.view(value, spreading(&out, &axes)))
    }
}

/// How deep a condition on positions is looked into.
const POSITIONAL_DEPTH: usize = 4;

/// Whether a read makes more than it reads, or has dimensions along which it reads the same.
pub(super) fn spreads(view: &View, operand: &Shape) -> bool {
    let idle = !Builder::spread(view.out.dims.len(), &[view]).is_empty();
    idle || view.out.size() > operand.size() || (view.out.batch && !operand.batch)
}

/// A view beside whose dimensions others are read as they are.
pub(super) fn widened(view: &View, trailing: &[u32], batch: bool) -> View {
    let (outer, rank) = (view.out.dims.len(), view.out.dims.len() + trailing.len());
    let wide = |e: &Affine| {
        let mut e = e.clone();
        e.c.resize(rank, 0);
        e
    };
    let own = (outer..rank).map(|axis| Affine::axis(axis, rank));
    View {
        out: Shape { batch, dims: view.out.dims.iter().chain(trailing).copied().collect() },
        coords: view.coords.iter().map(wide).chain(own).collect(),
        guards: view.guards.iter().map(|guard| Guard { e: wide(&guard.e), ..*guard }).collect(),
        fill: view.fill,
    }
}
