//! What layers do to each other.

use super::Subject;
use crate::circuit::view::View;
use crate::circuit::{Gate, Kind, Node, Reducer, Shape, SlotId, ValueId, gates};
use crate::diagnostic::{Diagnostic, codes};
use crate::differentiate::differentiate;
use std::collections::VecDeque;

/// Parameters that the loss reaches, and whose gradient is 0 whatever they are.
pub(super) fn zero_gradients(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let Some(loss) = subject.model.loss else { return vec![] };
    let leaves: Vec<(SlotId, ValueId)> = (subject.values())
        .filter(|&value| subject.is_param(value) && subject.circuit().kind(value) == Kind::Real)
        .filter_map(|value| Some((subject.slot(value)?, value)))
        .collect();
    let mut circuit = subject.circuit().clone();
    let wrt: Vec<ValueId> = leaves.iter().map(|leaf| leaf.1).collect();
    let gradients = differentiate(&mut circuit, loss, &wrt);
    let zero = leaves.iter().zip(gradients).filter(|(_, gradient)| gradient.is_none());
    zero.map(|((slot, leaf), _)| {
        let slot = subject.circuit().slot(*slot);
        let message = format!("the gradient of `{}` is 0, whatever it is", slot.name);
        let diagnostic = subject.warn(codes::ZERO_PARAMETER_GRADIENT, message, *leaf, "never changes");
        diagnostic.help(
            "on its way to the loss stands `stop`, a comparison, a position or `floor`: none has a slope",
        )
    })
    .collect()
}

/// So many sigmoids one after the other leave `1/4^4`, less than half a percent, of a gradient at best.
const DEEP: usize = 4;

/// Parameters that the loss sees through many sigmoids only, each of which has a slope of at most a quarter.
pub(super) fn saturating_stacks(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let Some(loss) = subject.model.loss else { return vec![] };
    let sigmoid = Gate::named("sigmoid").expect("a gate");
    let is_sigmoid =
        |value: ValueId| matches!(subject.circuit().node(value), Node::Gate { gate, .. } if *gate == sigmoid);
    // The fewest sigmoids on any way, by breadth first: a step through a sigmoid costs one, any other nothing.
    let mut fewest = vec![usize::MAX; subject.circuit().len()];
    let mut open = VecDeque::from([(loss, 0)]);
    while let Some((value, passed)) = open.pop_front() {
        if fewest[value.index()] <= passed {
            continue;
        }
        fewest[value.index()] = passed;
        let through = passed + usize::from(is_sigmoid(value));
        subject.circuit().for_each_dependency(value, |read| {
            if through > passed { open.push_back((read, through)) } else { open.push_front((read, through)) }
        });
    }
    let worst = subject.values().filter(|&value| subject.is_param(value));
    let Some(worst) = worst.max_by_key(|value| fewest[value.index()]) else { return vec![] };
    let depth = fewest[worst.index()];
    if depth < DEEP {
        return vec![];
    }
    let slot = subject.circuit().slot(subject.slot(worst).expect("a parameter"));
    let message = format!(
        "the loss sees `{}` through {depth} sigmoids at least: its gradient all but vanishes",
        slot.name
    );
    let diagnostic = subject.warn(codes::SATURATING_STACK, message, worst, "behind them");
    let diagnostic = diagnostic.note(format!(
        "each has a slope of at most 1/4: together at most {:.1e}",
        0.25f64.powi(depth as i32)
    ));
    vec![
        diagnostic.help(
            "take relu or tanh within, and sigmoid at the end only; or add what goes around: `x + f(x)`",
        ),
    ]
}

/// Parameters that are added to a value of which only the difference from its mean over the batch is used.
pub(super) fn cancelled_biases(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let circuit = subject.circuit();
    let mut found = vec![];
    for (_, args) in subject.of_gate(gates::SUB) {
        let (value, mean) = (args[0], subject.behind(args[1]));
        let Node::Reduce { reducer: Reducer::Sum, arg, batch: true, .. } = circuit.node(mean) else {
            continue;
        };
        let centred = |user: &ValueId| {
            *user == mean
                || matches!(circuit.node(*user), Node::Gate { gate: gates::SUB, args } if args[0] == value && subject.behind(args[1]) == mean)
        };
        // The loss may read it as it is, or by a name of its own: then the bias counts.
        if *arg != value || !subject.users[value.index()].iter().all(centred) {
            continue;
        }
        let mut open = vec![value];
        while let Some(value) = open.pop() {
            match circuit.node(value) {
                Node::Gate { gate: gates::ADD | gates::SUB, args } => open.extend(args),
                Node::View { arg, .. } if !circuit.shape(*arg).batch => open.push(*arg),
                _ if subject.is_param(value) => {
                    let slot = circuit.slot(subject.slot(value).expect("a parameter"));
                    let message = format!("`{}` is taken off again with the mean over the batch", slot.name);
                    let diagnostic =
                        subject.warn(codes::BIAS_BEFORE_BATCHNORM, message, value, "has no effect");
                    found
                        .push(diagnostic.help(
                            "leave it out: `dense(M, bias = false)`; the shift after it does its work",
                        ));
                }
                _ => {}
            }
        }
    }
    found
}

/// Windows that step over the last elements of an axis.
pub(super) fn unread_edges(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let circuit = subject.circuit();
    let mut found = vec![];
    for value in subject.values() {
        let shape = circuit.shape(value);
        let reads: Vec<(ValueId, &View)> = (subject.users[value.index()].iter())
            .filter_map(|&user| match circuit.node(user) {
                Node::View { view, .. } => Some((user, &**view)),
                _ => None,
            })
            .collect();
        if reads.is_empty() || reads.len() < subject.users[value.index()].len() {
            continue;
        }
        for axis in 0..shape.dims.len() {
            let strided = reads.iter().find(|(_, view)| view.coords[axis].c.iter().any(|&c| c >= 2));
            let last = reads.iter().map(|(_, view)| last_read(view, axis, shape)).max().unwrap_or(0);
            let Some((reader, _)) = strided.filter(|_| last + 1 < i128::from(shape.dims[axis])) else {
                continue;
            };
            let left = i128::from(shape.dims[axis]) - 1 - last;
            let message = format!(
                "the last {left} of {} elements along axis {axis} are never read: the windows step over them",
                shape.dims[axis]
            );
            let diagnostic = subject.warn(codes::UNREAD_EDGE, message, *reader, "read in steps here");
            found.push(diagnostic.help("pad by as many, or choose a size that the steps divide"));
        }
    }
    found
}

/// The last element that a read reaches along an axis; all of them where a condition or a divisor decides.
fn last_read(view: &View, axis: usize, operand: &Shape) -> i128 {
    let whole = i128::from(operand.dims[axis]) - 1;
    let coordinate = &view.coords[axis];
    if coordinate.d != 1 || !view.guards.is_empty() {
        return whole;
    }
    coordinate.bounds(&view.out.dims).1.min(whole)
}

/// A derivative that the loss uses, taken through a gate whose slope does not change but by jumps.
pub(super) fn penalties_through_kinks(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let kinks = ["max", "min", "abs"].map(|name| Gate::named(name).expect("a gate"));
    let is_kink = |rule: &str| kinks.iter().any(|gate| (0..gate.row().arity).any(|k| gate.rule(k) == rule));
    let found = subject.values().find(|&value| {
        let by_rule = subject.circuit().origin(value).rule.is_some_and(is_kink);
        by_rule
            && matches!(
                subject.circuit().node(value),
                Node::Gate { gate: gates::SELECT, .. } | Node::View { .. }
            )
    });
    let Some(value) = found else { return vec![] };
    let message =
        "the loss uses a derivative through relu, whose slope is 0 or 1 and has no slope itself".to_string();
    let diagnostic = subject.warn(codes::PENALTY_THROUGH_KINK, message, value, "differentiated here");
    let help = "what lies before relu is not moved by the penalty; take a smooth one: tanh, softplus, gelu";
    vec![diagnostic.help(help)]
}
