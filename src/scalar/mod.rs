//! The circuit unrolled to single numbers: every add, multiply and function that an example goes through, with its value
//! and with its gradient, as backpropagation is drawn on a whiteboard.
//!
//! Reads, groupings and lags are wires, not gates, and are gone, and so is a product with 1; a sum of n elements is n - 1
//! adds, from the left; numbers of the program stand inside the gates that use them. The values are those of the
//! reference interpreter, the gradients are those of the chain rule gate by gate: what arrives from above, times the
//! slope of the gate where it stands ("upstream times local"), added up over the uses.

mod backward;
#[cfg(test)]
mod tests;
mod unroll;

pub use unroll::unroll;

use crate::circuit::{Circuit, Gate, Kind, Node, Reducer, SlotRole, ValueId, graph};
use crate::diagnostic::Span;

/// A single number of the circuit: what a gate gives, or what comes from outside.
#[derive(Clone, PartialEq, Debug)]
pub struct Wire {
    /// The element of a named value that it is, `h[3]`; none for what has no name.
    pub name: Option<String>,
    /// What makes it.
    pub made: Made,
    /// Whether it is a real number; others have no gradient.
    pub kind: Kind,
    /// Its value.
    pub value: f64,
    /// The derivative of the objective by it; `None` where the objective does not depend on it by way of numbers.
    pub gradient: Option<f64>,
    /// What that is the sum of, one a use, in the order of the users.
    pub shares: Vec<Share>,
    /// Where the user's text says so.
    pub line: Option<Span>,
}

/// What makes a number.
#[derive(Clone, PartialEq, Debug)]
pub enum Made {
    /// It stands in the program, or follows from what does.
    Number,
    /// It is given: data, parameter or state.
    Slot(SlotRole),
    /// It is drawn.
    Draw,
    /// A gate on other wires, by their place.
    Gate(Gate, Vec<usize>),
    /// The position of the largest or smallest of other wires.
    Position(Reducer, Vec<usize>),
}

/// What one use of a number gives to its gradient.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Share {
    /// The wire whose gate uses it.
    pub user: usize,
    /// As which operand.
    pub operand: usize,
    /// The gradient of that wire.
    pub upstream: f64,
    /// The slope of the gate by this operand, where it stands; none where the operand takes no part, as in a branch that
    /// is not taken.
    pub local: Option<f64>,
    /// Their product.
    pub value: f64,
}

/// A circuit as single numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct Unrolled {
    /// What a wire is computed from precedes it.
    pub wires: Vec<Wire>,
    /// The one whose gradient is 1.
    pub objective: usize,
}

/// A circuit that is too large to be drawn gate by gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TooMany {
    /// About how many gates it has.
    pub gates: usize,
}

impl Wire {
    /// The wires that it is computed from, in order, with repeats.
    pub fn operands(&self) -> &[usize] {
        match &self.made {
            Made::Gate(_, operands) | Made::Position(_, operands) => operands,
            Made::Number | Made::Slot(_) | Made::Draw => &[],
        }
    }

    /// Whether it is computed from other wires.
    pub fn is_gate(&self) -> bool {
        !self.operands().is_empty()
    }
}

impl Unrolled {
    /// How many gates there are.
    pub fn gates(&self) -> usize {
        self.wires.iter().filter(|wire| wire.is_gate()).count()
    }
}

/// At most how many gates `objective` is made of, for a batch of `n`: those whose elements are never read count too.
pub fn most_gates(circuit: &Circuit, objective: ValueId, n: usize) -> usize {
    let size = |value: ValueId| circuit.shape(value).size_for(n);
    let gates = |value: ValueId| match circuit.node(value) {
        Node::Gate { .. } => size(value),
        Node::Reduce { arg, .. } | Node::Scatter { value: arg, .. } => size(*arg),
        Node::Leaf(_) | Node::View { .. } | Node::Merge { .. } | Node::Gather { .. } | Node::Lag { .. } => 0,
    };
    graph::reachable(circuit, [objective]).iter().map(gates).sum()
}
