//! Reductions: over trailing dimensions, over nothing that does not vary, and of nothing that could stand outside.

use super::builder::{Builder, spreading, without};
use super::views::widened;
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{AxisSet, Gate, Node, Reducer, Shape, ValueId, View, gates};

/// A reduction to be built: how, and over what.
#[derive(Clone, Copy)]
pub(super) struct Over {
    pub reducer: Reducer,
    pub axes: AxisSet,
    pub batch: bool,
}

/// What a sum leaves outside: a factor, a divisor or a sign.
enum Outside {
    Factor(ValueId),
    Divisor(ValueId),
    Sign,
}

impl Builder {
    /// A reduction in the normal form.
    pub fn reduce(&mut self, reducer: Reducer, arg: ValueId, axes: AxisSet, batch: bool) -> ValueId {
        if axes.is_empty() && !batch {
            return arg;
        }
        let (arg, axes) = self.with_trailing(arg, axes);
        let over = Over { reducer, axes, batch };
        if let Some(number) = self.as_number(arg) {
            return self.reduced_number(number, arg, over);
        }
        if let Some(narrow) = self.narrowed_reduction(arg, over) {
            return narrow;
        }
        if let Some(merged) = self.reduced_before_merge(arg, over) {
            return merged;
        }
        if let Some(joined) = self.joined(arg, over) {
            return joined;
        }
        if reducer == Reducer::Sum
            && let Some(simpler) = self.simpler_sum(arg, over)
        {
            return simpler;
        }
        self.circuit.reduce(reducer, arg, axes, batch)
    }

    /// The operand with the reduced dimensions at its end, in their order.
    fn with_trailing(&mut self, arg: ValueId, axes: AxisSet) -> (ValueId, AxisSet) {
        let shape = self.shape(arg);
        let rank = shape.dims.len();
        let kept = (0..rank).filter(|&axis| !axes.contains(axis));
        let order: Vec<usize> = kept.chain(axes.iter()).collect();
        let mut place = vec![0; rank];
        for (k, &axis) in order.iter().enumerate() {
            place[axis] = k;
        }
        let out = Shape { batch: shape.batch, dims: order.iter().map(|&axis| shape.dims[axis]).collect() };
        let arg = self.view(arg, View::select(out, &place, &shape.dims));
        (arg, AxisSet::of(rank - axes.count()..rank))
    }

    /// The shape of a reduction.
    fn reduced_shape(&self, arg: ValueId, over: Over) -> Shape {
        let shape = self.circuit.shape(arg);
        let dims = shape.dims[..shape.dims.len() - over.axes.count()].to_vec();
        Shape { batch: shape.batch && !over.batch, dims }
    }

    /// How many terms a reduction has within an example.
    fn count(&self, arg: ValueId, axes: AxisSet) -> f64 {
        axes.iter().map(|axis| f64::from(self.circuit.shape(arg).dims[axis])).product()
    }

    fn reduced_number(&mut self, number: f64, arg: ValueId, over: Over) -> ValueId {
        let count = self.count(arg, over.axes);
        let result = match over.reducer {
            Reducer::Sum => number * count,
            Reducer::Prod => number.powf(count),
            Reducer::Max | Reducer::Min => number,
            Reducer::Argmax | Reducer::Argmin => 0.0,
        };
        let shape = self.reduced_shape(arg, over);
        self.fill(result, &shape)
    }

    /// A reduction of a read that does not depend on some dimensions: those that are kept come after it, of those
    /// that are reduced a sum has a multiple and a largest value nothing.
    fn narrowed_reduction(&mut self, arg: ValueId, over: Over) -> Option<ValueId> {
        let (operand, view) = self.as_view(arg)?;
        let mut idle = Builder::spread(view.out.dims.len(), &[&view]);
        if !matches!(over.reducer, Reducer::Sum | Reducer::Max | Reducer::Min) {
            idle.retain(|&axis| !over.axes.contains(axis));
        }
        let shared = view.out.batch && !self.circuit.shape(operand).batch;
        if idle.is_empty() && !shared {
            return self.counted(operand, &view, arg, over);
        }
        let out = self.reduced_shape(arg, over);
        let kept: Vec<usize> = idle.iter().copied().filter(|&axis| !over.axes.contains(axis)).collect();
        let gone = AxisSet::of(idle.iter().copied().filter(|&axis| over.axes.contains(axis)));
        let count = self.count(arg, gone);

        let narrow = self.view(operand, without(&view, &idle, shared));
        let rank = self.circuit.shape(narrow).dims.len();
        let left = over.axes.count() - gone.count();
        let axes = AxisSet::of(rank - left..rank);
        let mut value = self.reduce(over.reducer, narrow, axes, over.batch && !shared);
        if over.reducer == Reducer::Sum {
            let count = self.circuit.number(count);
            value = self.lifted(gates::MUL, &[count, value]);
        }
        Some(self.view(value, spreading(&out, &kept)))
    }

    /// `sum[i] if i == 2 then c else 0`, where a reduced dimension has only conditions of its own, is a multiple of `c`.
    fn counted(&mut self, operand: ValueId, view: &View, arg: ValueId, over: Over) -> Option<ValueId> {
        let alone =
            |axis: usize, e: &Affine| e.c.iter().enumerate().all(|(other, &c)| other == axis || c == 0);
        let only_guarded = |axis: &usize| {
            let read = view.coords.iter().any(|e| e.c[*axis] != 0);
            !read && view.guards.iter().all(|guard| guard.e.c[*axis] == 0 || alone(*axis, &guard.e))
        };
        let axis = over.axes.iter().find(only_guarded).filter(|_| over.reducer == Reducer::Sum)?;
        if view.fill.get() != 0.0 {
            return None;
        }
        let (own, others): (Vec<Guard>, Vec<Guard>) =
            view.guards.iter().cloned().partition(|guard| guard.e.c[axis] != 0);
        let mut at = vec![0; view.out.dims.len()];
        let inside = (0..view.out.dims[axis]).filter(|&position| {
            at[axis] = position;
            own.iter().all(|guard| guard.e.at(&at).is_some_and(|e| guard.lo <= e && e < guard.hi))
        });
        let count = inside.count();
        if count == 0 {
            // Every term is absent, whatever it would be.
            let shape = self.reduced_shape(arg, over);
            return Some(self.fill(0.0, &shape));
        }
        let count = self.circuit.number(count as f64);
        let rest = without(&View { guards: others, ..view.clone() }, &[axis], false);
        let rest = self.view(operand, rest);
        let rank = self.circuit.shape(arg).dims.len() - 1;
        let axes = AxisSet::of(rank + 1 - over.axes.count()..rank);
        let sum = self.reduce(Reducer::Sum, rest, axes, over.batch);
        Some(self.lifted(gates::MUL, &[count, sum]))
    }

    /// A sum of sums is one sum, and so on; unless the inner one is stored.
    fn joined(&mut self, arg: ValueId, over: Over) -> Option<ValueId> {
        if let Some((operand, view)) = self.as_view(arg) {
            return self.joined_through(operand, &view, over);
        }
        let Node::Reduce { reducer, arg: inner, axes, batch } = *self.circuit.node(arg) else { return None };
        let alike = reducer == over.reducer && !matches!(reducer, Reducer::Argmax | Reducer::Argmin);
        if !alike || self.is_stored(arg) {
            return None;
        }
        let axes = AxisSet(axes.0 | over.axes.0);
        Some(self.reduce(reducer, inner, axes, batch || over.batch))
    }

    /// A sum over windows of a contraction is one contraction, where no element of the inner one is read twice: the
    /// adjoint of a strided window, whose inner result would be as large as all windows together.
    fn joined_through(&mut self, operand: ValueId, view: &View, over: Over) -> Option<ValueId> {
        let Node::Reduce { reducer: Reducer::Sum, arg: inner, axes, batch: false } =
            *self.circuit.node(operand)
        else {
            return None;
        };
        let shape = self.shape(operand);
        let product = matches!(self.circuit.node(inner), Node::Gate { gate: gates::MUL, .. });
        let once = view.out.batch == shape.batch && view.transpose(&shape).summed.is_empty();
        if over.reducer != Reducer::Sum
            || !product
            || self.is_stored(operand)
            || !once
            || view.fill.get() != 0.0
        {
            return None;
        }
        let own = self.shape(inner).dims[shape.dims.len()..].to_vec();
        debug_assert_eq!(own.len(), axes.count());
        let rank = view.out.dims.len();
        let inner = self.read_terms(inner, widened(view, &own, shape.batch));
        let axes = AxisSet(over.axes.0 | AxisSet::of(rank..rank + own.len()).0);
        Some(self.reduce(Reducer::Sum, inner, axes, over.batch))
    }

    /// A product read where its sum is: through the gate even where that spreads.
    fn read_terms(&mut self, product: ValueId, view: View) -> ValueId {
        let Node::Gate { gate, args } = self.circuit.node(product).clone() else {
            return self.view(product, view);
        };
        match self.through_gate(gate, &args, &view) {
            Some(read) => read,
            None => self.view(product, view),
        }
    }

    /// What can stand outside of a sum does: factors, divisors, signs and conditions that are the same for all terms.
    fn simpler_sum(&mut self, arg: ValueId, over: Over) -> Option<ValueId> {
        if let Some(read) = self.picked(arg, over) {
            return Some(read);
        }
        // What was drawn can be read by its name alone: without its factor it would have none.
        let is_whole = self.is_named(arg) && self.is_drawn(arg);
        if let Some((outside, rest)) = self.outside(arg, over).filter(|_| !is_whole) {
            let sum = self.reduce(Reducer::Sum, rest, over.axes, over.batch);
            return Some(match outside {
                Outside::Factor(factor) => self.gate(gates::MUL, &[factor, sum]),
                Outside::Divisor(divisor) => self.gate(gates::DIV, &[sum, divisor]),
                Outside::Sign => self.gate(gates::NEG, &[sum]),
            });
        }
        if let Some(parts) = self.contractions(arg, over) {
            return Some(parts);
        }
        if let Some(parts) = self.parted(arg, over) {
            return Some(parts);
        }
        self.common_condition(arg, over).or_else(|| self.mean_of_simpler(arg, over))
    }

    /// A mean over the batch of a sum that is simpler by itself: `mean[batch] sum[k] c * x[k]` with one `c` an example.
    fn mean_of_simpler(&mut self, arg: ValueId, over: Over) -> Option<ValueId> {
        if !over.batch || over.axes.is_empty() {
            return None;
        }
        let sum = self.simpler_sum(arg, Over { batch: false, ..over })?;
        Some(self.reduce(Reducer::Sum, sum, AxisSet::default(), true))
    }

    /// `sum[k] if c then x[k] else 0` is `if c then sum[k] x[k] else 0`.
    fn common_condition(&mut self, arg: ValueId, over: Over) -> Option<ValueId> {
        let Node::Gate { gate: gates::SELECT, args } = self.circuit.node(arg).clone() else { return None };
        let branch = if self.as_number(args[2]) == Some(0.0) { 1 } else { 2 };
        if self.as_number(args[3 - branch]) != Some(0.0) {
            return None;
        }
        let condition = self.constant(args[0], over)?;
        let sum = self.reduce(Reducer::Sum, args[branch], over.axes, over.batch);
        let shape = self.shape(sum);
        let zero = self.fill(0.0, &shape);
        let args = if branch == 1 { [condition, sum, zero] } else { [condition, zero, sum] };
        Some(self.gate(gates::SELECT, &args))
    }

    /// A sum of matrix products is the sum of each: that is faster than any loop over both.
    fn contractions(&mut self, arg: ValueId, over: Over) -> Option<ValueId> {
        let Node::Gate { gate: gate @ (gates::ADD | gates::SUB), args } = self.circuit.node(arg).clone()
        else {
            return None;
        };
        if self.is_stored(arg) || !args.iter().any(|&arg| self.is_outer_product(arg)) {
            return None;
        }
        let sums: Vec<ValueId> =
            args.iter().map(|&arg| self.reduce(Reducer::Sum, arg, over.axes, over.batch)).collect();
        Some(self.gate(gate, &sums))
    }

    /// Whether a value is a product of two reads each of which lacks a dimension that the other has.
    fn is_outer_product(&self, value: ValueId) -> bool {
        let Node::Gate { gate: gates::MUL, args } = self.circuit.node(value) else { return false };
        args.iter().all(|&arg| {
            self.as_view(arg).is_some_and(|(operand, view)| {
                let idle = Builder::spread(view.out.dims.len(), &[&view]);
                !idle.is_empty() || (view.out.batch && !self.circuit.shape(operand).batch)
            })
        })
    }

    /// A sum of sums of products: where one of them is a contraction each is summed by itself, for the whole would be
    /// none.
    fn parted(&mut self, arg: ValueId, over: Over) -> Option<ValueId> {
        let (gate, args) = self.terms(arg)?;
        if self.is_stored(arg) || !args.iter().any(|&term| self.has_contraction(term, over)) {
            return None;
        }
        let sum = |all: &mut Self, term| all.reduce(Reducer::Sum, term, over.axes, over.batch);
        let parts = args.map(|term| sum(self, term));
        Some(self.gate(gate, &parts))
    }

    /// The two terms of a sum or difference.
    fn terms(&self, value: ValueId) -> Option<(Gate, [ValueId; 2])> {
        match self.circuit.node(value) {
            Node::Gate { gate: gate @ (gates::ADD | gates::SUB), args } => Some((*gate, [args[0], args[1]])),
            _ => None,
        }
    }

    /// Whether a term of a value would be a contraction by itself: a product of two reads that each have an axis that
    /// is kept and that the other one does not have.
    fn has_contraction(&self, value: ValueId, over: Over) -> bool {
        if let Some((_, terms)) = self.terms(value) {
            return !self.is_stored(value) && terms.iter().any(|&term| self.has_contraction(term, over));
        }
        let Node::Gate { gate: gates::MUL, args } = self.circuit.node(value) else { return false };
        let [Some(left), Some(right)] = [0, 1].map(|k| self.idle_and_kept(args[k], over)) else {
            return false;
        };
        left.iter().any(|axis| !right.contains(axis)) && right.iter().any(|axis| !left.contains(axis))
    }

    /// The kept axes along which a read is the same: dimensions, and the example as `None`.
    fn idle_and_kept(&self, value: ValueId, over: Over) -> Option<Vec<Option<usize>>> {
        let (operand, view) = self.as_view(value)?;
        let idle = Builder::spread(view.out.dims.len(), &[&view]).into_iter();
        let example = view.out.batch && !self.circuit.shape(operand).batch && !over.batch;
        let dims = idle.filter(|&axis| !over.axes.contains(axis)).map(Some);
        Some(dims.chain(example.then_some(None)).collect())
    }

    /// What every term of a sum has in common, and the terms without it.
    fn outside(&mut self, term: ValueId, over: Over) -> Option<(Outside, ValueId)> {
        let Node::Gate { gate, args } = self.circuit.node(term).clone() else { return None };
        match gate {
            gates::NEG => Some((Outside::Sign, args[0])),
            gates::DIV => match self.constant(args[1], over) {
                Some(divisor) => Some((Outside::Divisor(divisor), args[0])),
                None => self.outside_operand(gate, &args, 0, over),
            },
            gates::MUL => {
                for k in 0..2 {
                    if let Some(factor) = self.constant(args[k], over) {
                        return Some((Outside::Factor(factor), args[1 - k]));
                    }
                }
                (0..2).find_map(|k| self.outside_operand(gate, &args, k, over))
            }
            _ => None,
        }
    }

    /// As [`Builder::outside`], of operand `k` of a term that is linear in it.
    fn outside_operand(
        &mut self,
        gate: Gate,
        args: &[ValueId],
        k: usize,
        over: Over,
    ) -> Option<(Outside, ValueId)> {
        if self.is_stored(args[k]) {
            return None;
        }
        let (outside, rest) = self.outside(args[k], over)?;
        let mut args = args.to_vec();
        args[k] = rest;
        Some((outside, self.gate(gate, &args)))
    }

    /// A value that is the same for all terms of a reduction, in the shape of the result.
    fn constant(&mut self, value: ValueId, over: Over) -> Option<ValueId> {
        let out = self.reduced_shape(value, over);
        if let Some(number) = self.as_number(value) {
            // An infinite factor, or a divisor of 0, gives NaN for a term of 0, and not for a sum in which it is one.
            return (number.is_finite() && number != 0.0).then(|| self.fill(number, &out));
        }
        let (operand, view) = self.as_view(value)?;
        let guards = view.guards.iter().map(|guard| &guard.e);
        let varies = view.coords.iter().chain(guards).any(|e| over.axes.iter().any(|axis| e.c[axis] != 0));
        if varies || (over.batch && self.circuit.shape(operand).batch) {
            return None;
        }
        let axes: Vec<usize> = over.axes.iter().collect();
        Some(self.view(operand, without(&view, &axes, over.batch)))
    }
}
