//! Logarithms, quotients and squashed scores.

use super::Subject;
use super::signs::Sign;
use crate::circuit::{Gate, Node, Reducer, ValueId, gates};
use crate::diagnostic::{Diagnostic, codes};

impl Subject<'_> {
    fn gate_of(&self, value: ValueId) -> Option<(Gate, &[ValueId])> {
        match self.circuit().node(value) {
            Node::Gate { gate, args } => Some((*gate, args)),
            _ => None,
        }
    }

    /// Whether a value is only a branch of choices: then someone thought of where it has none.
    fn is_chosen(&self, value: ValueId) -> bool {
        let choice = |user: &ValueId| matches!(self.circuit().node(*user), Node::Gate { gate: gates::SELECT, args } if args[0] != value);
        let users = &self.users[value.index()];
        !users.is_empty() && users.iter().all(choice)
    }

    /// Whether a value is `exp(..) / sum exp(..)`.
    fn is_softmax(&self, value: ValueId) -> bool {
        let Some((gates::DIV, [above, below])) = self.gate_of(value) else { return false };
        let (above, below) = (self.behind(*above), self.behind(*below));
        let sums = |of: ValueId| match self.circuit().node(of) {
            Node::Reduce { reducer: Reducer::Sum, arg, .. } => self.behind(*arg) == above,
            _ => false,
        };
        matches!(self.gate_of(above), Some((gates::EXP, _))) && sums(below)
    }

    /// What `log(sum exp(z - m))` is of, if a value is that.
    fn scores(&self, value: ValueId) -> Option<ValueId> {
        let Some((gates::LOG, [sum])) = self.gate_of(value) else { return None };
        let Node::Reduce { reducer: Reducer::Sum, arg, .. } = self.circuit().node(self.behind(*sum)) else {
            return None;
        };
        let (gates::EXP, [power]) = self.gate_of(self.behind(*arg))? else { return None };
        match self.gate_of(*power) {
            Some((gates::SUB, [scores, _])) => Some(self.behind(*scores)),
            _ => Some(self.behind(*power)),
        }
    }
}

/// A softmax, or a sigmoid, before a loss that takes one by itself.
pub(super) fn squashed_twice(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = vec![];
    for (value, _) in subject.of_gate(gates::LOG) {
        if subject.scores(value).is_some_and(|scores| subject.is_softmax(scores)) {
            let message = "the scores of a cross entropy went through softmax already".to_string();
            let diagnostic = subject.warn(codes::SQUASHED_TWICE, message, value, "takes the softmax itself");
            found.push(diagnostic.help("give it the scores: what stood before softmax"));
        }
    }
    let softplus = Gate::named("softplus").expect("a gate");
    let sigmoid = Gate::named("sigmoid").expect("a gate");
    for (value, args) in subject.of_gate(softplus) {
        let inner = subject.behind(args[0]);
        let inner = match subject.gate_of(inner) {
            Some((gates::NEG, [arg])) => subject.behind(*arg),
            _ => inner,
        };
        if subject.gate_of(inner).is_some_and(|(gate, _)| gate == sigmoid) {
            let message = "the score of a cross entropy went through sigmoid already".to_string();
            let diagnostic = subject.warn(codes::SQUASHED_TWICE, message, value, "takes the sigmoid itself");
            found.push(diagnostic.help("give it the score: what stood before sigmoid"));
        }
    }
    found
}

/// Logarithms of what may be 0 or less.
pub(super) fn logarithms(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = vec![];
    for (value, args) in subject.of_gate(gates::LOG) {
        if !subject.varies[args[0].index()]
            || subject.sign(args[0]) == Sign::Positive
            || subject.is_chosen(value)
        {
            continue;
        }
        let what = if subject.sign(args[0]) == Sign::NotNegative { "0" } else { "0 or less" };
        let message = format!("this logarithm can be of {what}");
        let diagnostic = subject.warn(codes::LOG_OF_ZERO, message, value, "infinite, or no number, there");
        found.push(diagnostic.help(
            "keep it above 0: `log(x + 1e-7)`; of a softmax or a sigmoid take `cross_entropy` or `bce_with_logits` of \
             the scores",
        ));
    }
    found
}

/// Divisors that may be 0, and roots whose slope divides by one.
pub(super) fn quotients(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = vec![];
    let clear = |value: ValueId| !subject.varies[value.index()] || subject.sign(value) == Sign::Positive;
    for (value, args) in subject.of_gate(gates::DIV) {
        if !clear(args[1]) && !subject.is_chosen(value) {
            let message = "this division can be by 0".to_string();
            let diagnostic =
                subject.warn(codes::DIVISION_BY_ZERO_IN_RUN, message, value, "infinite, or no number, there");
            found.push(
                diagnostic.help("keep the divisor away from 0: `a / (b + 1e-7)` where b is not negative"),
            );
        }
    }
    for (value, args) in subject.of_gate(gates::SQRT) {
        if !clear(args[0]) && !subject.is_chosen(value) {
            let message = "the slope of this root divides by 0 where it is the root of 0".to_string();
            let diagnostic =
                subject.warn(codes::DIVISION_BY_ZERO_IN_RUN, message, value, "its slope is 1 / (2 * root)");
            found.push(diagnostic.help("keep it away from 0: `sqrt(x + 1e-7)`"));
        }
    }
    found
}
