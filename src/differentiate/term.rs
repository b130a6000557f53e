//! Terms of a cotangent, which may be absent.

use crate::circuit::view::Affine;
use crate::circuit::{AxisSet, Circuit, Node, Shape, ValueId, View, gates};

/// A term of a cotangent: `value` where `guard` holds, absent elsewhere. Both have the same shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub guard: Option<ValueId>,
    pub value: ValueId,
    /// Whether `value` is already 0 where the term is absent.
    pub grounded: bool,
}

impl Term {
    /// A term that is there everywhere.
    pub fn of(value: ValueId) -> Term {
        Term { guard: None, value, grounded: true }
    }

    /// The number that it stands for: 0 where it is absent.
    pub fn absorbed(self, circuit: &mut Circuit) -> ValueId {
        match self.guard {
            None => self.value,
            Some(_) if self.grounded => self.value,
            Some(guard) => {
                let zero = circuit.number(0.0);
                circuit.select(guard, self.value, zero)
            }
        }
    }

    /// The same term, whose value is already 0 where it is absent: what is printed or multiplied by sums of
    /// finite numbers needs no second look at the guard.
    pub fn grounded(self, circuit: &mut Circuit) -> Term {
        Term { value: self.absorbed(circuit), grounded: true, ..self }
    }

    /// The same term, absent also where `guard` fails.
    pub fn guarded(self, circuit: &mut Circuit, guard: Option<ValueId>) -> Term {
        let guard = match (self.guard, guard) {
            (Some(a), Some(b)) if a != b => Some(circuit.lift(gates::AND, &[a, b])),
            (a, b) => a.or(b),
        };
        Term { guard, grounded: self.grounded && guard == self.guard, ..self }
    }

    /// Its sum over some dimensions: absent where all of its terms are for one reason, which none of the dimensions
    /// tells.
    pub fn summed(
        self,
        circuit: &mut Circuit,
        axes: AxisSet,
        sum: impl FnOnce(&mut Circuit, ValueId) -> ValueId,
    ) -> Term {
        let reasons = self.guard.map_or(vec![], |guard| conjuncts(circuit, guard));
        let value = self.absorbed(circuit);
        let common: Vec<ValueId> =
            reasons.into_iter().filter_map(|reason| without(circuit, reason, axes)).collect();
        let total = sum(circuit, value);
        let term = Term { grounded: true, ..Term::of(total) };
        let lasting = common.into_iter().filter(|&reason| circuit.shape(reason) == circuit.shape(total));
        let guard = lasting.collect::<Vec<_>>().into_iter().reduce(|a, b| circuit.gate(gates::AND, &[a, b]));
        Term { guard, ..term }
    }

    /// Both parts through the same function.
    pub fn map(self, mut f: impl FnMut(ValueId) -> ValueId) -> Term {
        Term { guard: self.guard.map(&mut f), value: f(self.value), ..self }
    }

    /// Read by a view whose outside is absent.
    pub fn read(self, circuit: &mut Circuit, view: View) -> Term {
        let shape = circuit.shape(self.value).clone();
        let inside = (self.guard.is_none() && !view.is_total(&shape)).then(|| view.inside(&shape));
        let read = self.map(|part| circuit.view(part, view.clone()));
        let mask = inside.map(|inside| {
            let one = circuit.number(1.0);
            circuit.view(one, inside)
        });
        // Outside a view reads 0.
        Term { guard: read.guard.or(mask), ..read }
    }
}

/// The conditions that a guard joins by `and`, each of the guard's shape: those of a read that is absent outside, and
/// those of what it reads.
fn conjuncts(circuit: &mut Circuit, guard: ValueId) -> Vec<ValueId> {
    let Node::View { arg, view } = circuit.node(guard).clone() else {
        let Node::Gate { gate: gates::AND, args } = circuit.node(guard).clone() else { return vec![guard] };
        return args.iter().flat_map(|&part| conjuncts(circuit, part)).collect();
    };
    let operand = circuit.shape(arg).clone();
    let everywhere = View { guards: vec![], ..(*view).clone() };
    if !everywhere.is_total(&operand) || view.fill.get() != 0.0 {
        return vec![guard];
    }
    let mut found = vec![];
    if !view.guards.is_empty() {
        let one = circuit.number(1.0);
        found.push(circuit.view(one, view.inside(&operand)));
    }
    let parts = match circuit.node(arg) {
        Node::Gate { gate: gates::AND, args } => args.to_vec(),
        _ => vec![arg],
    };
    for part in parts {
        let part = circuit.view(part, everywhere.clone());
        found.extend(if part == guard { vec![part] } else { conjuncts(circuit, part) });
    }
    found
}

/// A condition without some dimensions, if it is the same along them.
fn without(circuit: &mut Circuit, condition: ValueId, axes: AxisSet) -> Option<ValueId> {
    let Node::View { view, .. } = circuit.node(condition) else { return None };
    let mut parts = view.coords.iter().chain(view.guards.iter().map(|guard| &guard.e));
    if parts.any(|e| axes.iter().any(|axis| e.c[axis] != 0)) {
        return None;
    }
    let from = circuit.shape(condition).clone();
    let kept: Vec<usize> = (0..from.dims.len()).filter(|&axis| !axes.contains(axis)).collect();
    if from.dims.contains(&0) {
        return None;
    }
    let out = Shape { batch: from.batch, dims: kept.iter().map(|&axis| from.dims[axis]).collect() };
    let rank = kept.len();
    let place = |axis: usize| kept.iter().position(|&k| k == axis);
    let coords = (0..from.dims.len())
        .map(|axis| place(axis).map_or_else(|| Affine::constant(0, rank), |k| Affine::axis(k, rank)));
    let view = View { coords: coords.collect(), out, guards: vec![], fill: view.fill };
    Some(circuit.view(condition, view))
}

/// The sum of one or more terms. What is added must be numbers, unless all terms are absent together.
pub(super) fn sum(circuit: &mut Circuit, terms: Vec<Term>) -> Term {
    let guard = terms[0].guard;
    let together = terms.iter().all(|term| term.guard == guard);
    let grounded = !together || terms.iter().all(|term| term.grounded);
    let parts: Vec<ValueId> =
        terms.into_iter().map(|term| if together { term.value } else { term.absorbed(circuit) }).collect();
    let value = parts.into_iter().reduce(|sum, part| circuit.add(sum, part)).expect("one term or more");
    Term { guard: guard.filter(|_| together), value, grounded }
}
