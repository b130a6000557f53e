//! What runs, but is likely not what was meant: looked for before training, each kind with a code of its own.
//!
//! A lint is a row of [`LINTS`]. It looks at the training program of a net (and its data, if it is at hand), and errs on
//! the side of silence: none of the examples raises one. `# allow W0402` on the line that a warning is about, or on the
//! line above, silences it.

mod costs;
mod inputs;
mod layers;
mod losses;
mod scores;
mod signs;

use crate::circuit::graph::{ValueSet, reachable};
use crate::circuit::{Circuit, Gate, Leaf, Node, SlotId, SlotRole, ValueId, gates};
use crate::data::Dataset;
use crate::diagnostic::{Code, Diagnostic};
use crate::elaborate::Model;

/// What is looked at.
pub struct Subject<'a> {
    /// The training program.
    pub model: &'a Model,
    /// Its data.
    pub data: Option<&'a Dataset>,
    /// Examples a step.
    pub batch: usize,
    /// What the loss needs.
    needed: ValueSet,
    /// Who reads each value.
    users: Vec<Vec<ValueId>>,
    /// Which values depend on anything but numbers, positions and draws.
    varies: Vec<bool>,
}

/// A kind of thing to look for.
type Lint = fn(&Subject<'_>) -> Vec<Diagnostic>;

/// All of them, in the order of their codes.
const LINTS: [Lint; 11] = [
    layers::zero_gradients,
    losses::squashed_twice,
    losses::logarithms,
    losses::quotients,
    layers::saturating_stacks,
    layers::cancelled_biases,
    inputs::unscaled,
    layers::unread_edges,
    costs::dear_products,
    layers::penalties_through_kinks,
    scores::masked_rows,
];

/// Everything that is found in a net; nothing where it has no loss.
pub fn lints(model: &Model, data: Option<&Dataset>, batch: usize) -> Vec<Diagnostic> {
    let Some(loss) = model.loss else { return vec![] };
    let circuit = &model.circuit;
    let needed = reachable(circuit, [loss]);
    let mut users = vec![vec![]; circuit.len()];
    for value in needed.iter() {
        circuit.for_each_dependency(value, |read| users[read.index()].push(value));
    }
    let varies = varying(circuit, &needed);
    let subject = Subject { model, data, batch, needed, users, varies };
    let mut found: Vec<Diagnostic> = LINTS.iter().flat_map(|lint| lint(&subject)).collect();
    // A layer that is used many times is told of once.
    let mut seen: Vec<(Code, Vec<crate::diagnostic::Label>)> = vec![];
    found.retain(|diagnostic| {
        let key = (diagnostic.code, diagnostic.labels.clone());
        let is_new = !seen.contains(&key);
        seen.push(key);
        is_new
    });
    found
}

/// Which values depend on a slot.
fn varying(circuit: &Circuit, needed: &ValueSet) -> Vec<bool> {
    let mut varies = vec![false; circuit.len()];
    for value in needed.iter() {
        // What a lag reads comes later, and varies if what computes it does.
        let is_slot = matches!(circuit.node(value), Node::Leaf(Leaf::Slot(_)) | Node::Lag { .. });
        let mut any = is_slot;
        circuit.node(value).for_each_operand(|operand| any |= varies[operand.index()]);
        varies[value.index()] = any;
    }
    varies
}

impl Subject<'_> {
    fn circuit(&self) -> &Circuit {
        &self.model.circuit
    }

    /// What the loss needs, in forward order.
    fn values(&self) -> impl Iterator<Item = ValueId> + '_ {
        self.needed.iter()
    }

    /// The values of a gate, with their operands.
    fn of_gate(&self, gate: Gate) -> impl Iterator<Item = (ValueId, &[ValueId])> {
        self.values().filter_map(move |value| match self.circuit().node(value) {
            Node::Gate { gate: own, args } if *own == gate => Some((value, &args[..])),
            _ => None,
        })
    }

    /// What a value reads, through reads and what changes nothing.
    fn behind(&self, mut value: ValueId) -> ValueId {
        loop {
            value = match self.circuit().node(value) {
                Node::View { arg, .. } | Node::Merge { arg, .. } => *arg,
                Node::Gate { gate: gates::SAME | gates::STOP, args } => args[0],
                _ => return value,
            };
        }
    }

    /// Whose leaf a value is.
    fn slot(&self, value: ValueId) -> Option<SlotId> {
        match self.circuit().node(value) {
            Node::Leaf(Leaf::Slot(slot)) => Some(*slot),
            _ => None,
        }
    }

    fn is_param(&self, value: ValueId) -> bool {
        self.slot(value).is_some_and(|slot| self.circuit().slot(slot).role == SlotRole::Param)
    }

    /// A warning about a value, told where the user's text makes it; its own line in the library comes second.
    fn warn(&self, code: Code, message: String, value: ValueId, label: &str) -> Diagnostic {
        let origin = self.circuit().origin(value);
        let line = self.circuit().place(origin).map(|place| place.line);
        let mut diagnostic = Diagnostic::warning(code, message);
        match (origin.span, line) {
            (Some(span), Some(line)) if span.file != line.file => {
                diagnostic = diagnostic.at(line, "in this call").at(span, label);
            }
            (Some(span), _) => diagnostic = diagnostic.at(span, label),
            (None, Some(line)) => diagnostic = diagnostic.at(line, label),
            (None, None) => {}
        }
        diagnostic
    }
}
