//! Terms of a cotangent, which may be absent.

use crate::circuit::{Circuit, ValueId, View, gates};

/// A term of a cotangent: `value` where `guard` holds, absent elsewhere. Both have the same shape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Term {
    pub guard: Option<ValueId>,
    pub value: ValueId,
}

impl Term {
    /// A term that is there everywhere.
    pub fn of(value: ValueId) -> Term {
        Term { guard: None, value }
    }

    /// The number that it stands for: 0 where it is absent.
    pub fn absorbed(self, circuit: &mut Circuit) -> ValueId {
        match self.guard {
            None => self.value,
            Some(guard) => {
                let zero = circuit.number(0.0);
                circuit.select(guard, self.value, zero)
            }
        }
    }

    /// The same term, whose value is already 0 where it is absent: what is printed or multiplied by sums of
    /// finite numbers needs no second look at the guard.
    pub fn grounded(self, circuit: &mut Circuit) -> Term {
        Term { value: self.absorbed(circuit), ..self }
    }

    /// The same term, absent also where `guard` fails.
    pub fn guarded(self, circuit: &mut Circuit, guard: Option<ValueId>) -> Term {
        let guard = match (self.guard, guard) {
            (Some(a), Some(b)) if a != b => Some(circuit.lift(gates::AND, &[a, b])),
            (a, b) => a.or(b),
        };
        Term { guard, ..self }
    }

    /// Both parts through the same function.
    pub fn map(self, mut f: impl FnMut(ValueId) -> ValueId) -> Term {
        Term { guard: self.guard.map(&mut f), value: f(self.value) }
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
        Term { guard: read.guard.or(mask), ..read }
    }
}

/// The sum of one or more terms. What is added must be numbers, unless all terms are absent together.
pub(super) fn sum(circuit: &mut Circuit, terms: Vec<Term>) -> Term {
    let guard = terms[0].guard;
    let together = terms.iter().all(|term| term.guard == guard);
    let parts: Vec<ValueId> =
        terms.into_iter().map(|term| if together { term.value } else { term.absorbed(circuit) }).collect();
    let value = parts.into_iter().reduce(|sum, part| circuit.add(sum, part)).expect("one term or more");
    Term { guard: guard.filter(|_| together), value }
}
