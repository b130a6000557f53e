//! What is known of exponentials of numbers below their own maximum, as in softmax: they lie between 0 and 1, and their sum
//! is at least the 1 of the largest, also where some of the numbers are left out as `-inf`, if one is there.

use super::facts::{Facts, Known};
use crate::circuit::view::Affine;
use crate::circuit::{AxisSet, Circuit, Leaf, Node, Reducer, ValueId, View, gates};

/// How deep conditions are looked into.
const DEPTH: usize = 6;

impl Known {
    /// Of an exponential, if `difference` is `x - max x`.
    pub(super) fn exponential(&self, circuit: &Circuit, difference: ValueId) -> Option<Facts> {
        self.below_maximum(circuit, difference).map(|_| Facts::between(0.0, 1.0))
    }

    /// Of a sum of exponentials, if they are those of `x - max x` along the same dimensions, or some of these.
    pub(super) fn sum_of_exponentials(
        &self,
        circuit: &Circuit,
        arg: ValueId,
        axes: AxisSet,
    ) -> Option<Facts> {
        let Node::Gate { gate: gates::EXP, args } = circuit.node(arg) else { return None };
        let of_maximum = self.below_maximum(circuit, args[0])?;
        let dims = &circuit.shape(arg).dims;
        let count: f64 = axes.iter().map(|axis| f64::from(dims[axis])).product();
        of_maximum.iter().all(|axis| axes.contains(axis)).then_some(Facts::between(1.0, count))
    }

    /// The dimensions along which `x` has its maximum, if the difference is `x - max x` and the maximum is finite.
    fn below_maximum(&self, circuit: &Circuit, difference: ValueId) -> Option<AxisSet> {
        let Node::Gate { gate: gates::SUB, args } = circuit.node(difference) else { return None };
        let (x, Node::View { arg, view }) = (args[0], circuit.node(args[1])) else { return None };
        let maximum = match circuit.node(*arg) {
            Node::Gate { gate: gates::STOP, args } => args[0],
            _ => *arg,
        };
        let &Node::Reduce { reducer: Reducer::Max, arg, axes, batch: false } = circuit.node(maximum) else {
            return None;
        };
        let kept: Vec<usize> =
            (0..circuit.shape(x).dims.len()).filter(|&axis| !axes.contains(axis)).collect();
        let is_own = arg == x && view.is_total(circuit.shape(maximum)) && view.as_select() == Some(kept);
        (is_own && self.has_finite_maximum(circuit, x, axes)).then_some(axes)
    }

    /// Whether numbers are finite, or `-inf` where a condition says so, which leaves some along these dimensions.
    fn has_finite_maximum(&self, circuit: &Circuit, x: ValueId, axes: AxisSet) -> bool {
        let facts = |value: ValueId| self.before(value);
        if facts(x).finite {
            return true;
        }
        let Node::Gate { gate: gates::SELECT, args } = circuit.node(x) else { return false };
        facts(args[1]).finite
            && number(circuit, args[2]) == Some(f64::NEG_INFINITY)
            && self.is_somewhere_true(circuit, args[0], axes)
    }

    /// Whether a condition holds at the first or at the last place along these dimensions, wherever that is along the
    /// others.
    fn is_somewhere_true(&self, circuit: &Circuit, condition: ValueId, axes: AxisSet) -> bool {
        let dims = &circuit.shape(condition).dims;
        [false, true].into_iter().any(|at_end| {
            let range = |(axis, &extent): (usize, &u32)| {
                let last = i64::from(extent) - 1;
                if axes.contains(axis) { [if at_end { last } else { 0 }; 2] } else { [0, last] }
            };
            let places: Vec<[i64; 2]> = dims.iter().enumerate().map(range).collect();
            dims.iter().all(|&extent| extent > 0) && self.within(circuit, condition, &places, DEPTH).lo == 1.0
        })
    }

    /// What is known of the elements of a value at some places: from the first to the last along each dimension.
    fn within(&self, circuit: &Circuit, value: ValueId, places: &[[i64; 2]], depth: usize) -> Facts {
        let known = self.before(value);
        match circuit.node(value) {
            _ if depth == 0 => known,
            Node::Leaf(Leaf::Iota(_)) => Facts::between(places[0][0] as f64, places[0][1] as f64),
            Node::View { arg, view } if view.is_total(circuit.shape(*arg)) => match read(view, places) {
                Some(places) => self.within(circuit, *arg, &places, depth - 1),
                None => known,
            },
            Node::Gate { gate: gate @ (gates::LE | gates::LT), args } => {
                let [a, b] = [0, 1].map(|k| self.within(circuit, args[k], places, depth - 1));
                let holds = if *gate == gates::LE { a.hi <= b.lo } else { a.hi < b.lo };
                if a.finite && b.finite && holds { Facts::between(1.0, 1.0) } else { known }
            }
            _ => known,
        }
    }
}

/// The places that a view without divisors reads for some of its own.
fn read(view: &View, places: &[[i64; 2]]) -> Option<Vec<[i64; 2]>> {
    let along = |coord: &Affine| {
        let terms = coord.c.iter().zip(places).map(|(&c, &[first, last])| {
            let ends = [c * first, c * last];
            [ends[0].min(ends[1]), ends[0].max(ends[1])]
        });
        let [first, last] = terms.fold([coord.b; 2], |sum, term| [sum[0] + term[0], sum[1] + term[1]]);
        (coord.d == 1).then_some([first, last])
    };
    view.coords.iter().map(along).collect()
}

/// The number that stands in all places, if there is one.
fn number(circuit: &Circuit, value: ValueId) -> Option<f64> {
    match circuit.node(value) {
        Node::Leaf(Leaf::Number(number)) => Some(number.get()),
        Node::View { arg, view } if view.is_total(circuit.shape(*arg)) => number(circuit, *arg),
        _ => None,
    }
}
