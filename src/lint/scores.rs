//! Scores that are masked before a softmax.

use super::Subject;
use crate::circuit::{AxisSet, Circuit, Leaf, Node, Reducer, ValueId, gates, graph};
use crate::diagnostic::{Diagnostic, codes};
use crate::interpret::{Bindings, evaluate};

/// Rows of scores of which the largest is taken and each is masked by `-inf`, whatever the data.
pub(super) fn masked_rows(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let circuit = subject.circuit();
    let mut found = vec![];
    for value in subject.values() {
        let Node::Reduce { reducer: Reducer::Max, arg, axes, .. } = circuit.node(value) else { continue };
        let Node::Gate { gate: gates::SELECT, args } = circuit.node(*arg) else { continue };
        let (condition, masked) = (args[0], [args[1], args[2]].map(|branch| is_masked(circuit, branch)));
        let hides = match masked {
            [false, true] => 0.0,
            [true, false] => 1.0,
            _ => continue,
        };
        if !is_static(circuit, condition) {
            continue;
        }
        let Some(row) = hidden_row(circuit, condition, *axes, hides) else { continue };
        let row: Vec<String> = row.iter().map(ToString::to_string).collect();
        let message =
            format!("the row [{}] of these scores is masked whole: its softmax is no number", row.join(", "));
        let diagnostic = subject.warn(codes::MASKED_ROW, message, *arg, "every element of the row is -inf");
        found.push(
            diagnostic
                .help("leave each row at least one score, such as its own position: `s <= t`, not `s < t`"),
        );
    }
    found
}

fn is_masked(circuit: &Circuit, value: ValueId) -> bool {
    match circuit.node(value) {
        Node::Leaf(Leaf::Number(number)) => number.get() == f64::NEG_INFINITY,
        Node::View { arg, .. } => is_masked(circuit, *arg),
        Node::Gate { gate: gates::NEG, args } => match circuit.node(args[0]) {
            Node::Leaf(Leaf::Number(number)) => number.get() == f64::INFINITY,
            _ => false,
        },
        _ => false,
    }
}

/// Whether a value is known before anything is read.
fn is_static(circuit: &Circuit, value: ValueId) -> bool {
    let known =
        |value| !matches!(circuit.node(value), Node::Leaf(Leaf::Slot(_) | Leaf::Draw { .. } | Leaf::Step(_)));
    graph::reachable(circuit, [value]).iter().all(known)
}

/// The first row along `axes` in which the condition is the same everywhere, and hides.
fn hidden_row(circuit: &Circuit, condition: ValueId, axes: AxisSet, hides: f64) -> Option<Vec<u32>> {
    let array = evaluate::<f64>(circuit, &[condition], &Bindings::new(1)).remove(0);
    let kept: Vec<usize> = (0..array.shape.dims.len()).filter(|axis| !axes.contains(*axis)).collect();
    let mut rows: std::collections::BTreeMap<Vec<u32>, bool> = std::collections::BTreeMap::new();
    for (k, &truth) in array.data.iter().enumerate().take(array.shape.size()) {
        let mut rest = k;
        let mut index = vec![];
        for stride in array.shape.strides() {
            index.push((rest / stride) as u32);
            rest %= stride;
        }
        let row = kept.iter().map(|&axis| index[axis]).collect();
        *rows.entry(row).or_insert(true) &= truth == hides;
    }
    rows.into_iter().find(|(_, hidden)| *hidden).map(|(row, _)| row)
}
