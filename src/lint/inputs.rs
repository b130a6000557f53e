//! Inputs as the data gives them.

use super::Subject;
use crate::circuit::{Kind, Node, SlotRole, ValueId, gates};
use crate::diagnostic::{Diagnostic, codes};

/// Inputs of a root mean square above this are hard on a first layer that was drawn for numbers around 1.
const LARGE: f64 = 30.0;

/// Inputs that reach a parameter as large as they are.
pub(super) fn unscaled(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let Some(data) = subject.data else { return vec![] };
    let circuit = subject.circuit();
    let mut found = vec![];
    for value in subject.values() {
        let Some(id) = subject.slot(value) else { continue };
        let slot = circuit.slot(id);
        if slot.role != SlotRole::Input || slot.kind != Kind::Real {
            continue;
        }
        let Some(column) = data.column(&slot.name) else { continue };
        let len = column.row_len();
        let squares = data
            .train
            .iter()
            .flat_map(|&row| (0..len).map(move |k| column.data.get(row as usize * len + k).powi(2)));
        let size = (squares.sum::<f64>() / (data.train.len() * len).max(1) as f64).sqrt();
        if size > LARGE && is_weighed(subject, value) {
            let message =
                format!("the numbers of `{}` are large: {size:.3} in the root mean square", slot.name);
            let diagnostic = subject.warn(codes::UNSCALED_INPUT, message, value, "weighed as it is");
            let diagnostic = diagnostic.at(column.span, "from here");
            found.push(
                diagnostic.help(
                    "`standardize(...)` takes off the mean and divides by the deviation; pixels: `/ 255`",
                ),
            );
        }
    }
    found
}

/// Whether something learned multiplies a value as it is: read, joined, or put into an array beside others.
fn is_weighed(subject: &Subject<'_>, value: ValueId) -> bool {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        for &user in &subject.users[value.index()] {
            match subject.circuit().node(user) {
                Node::View { .. } | Node::Merge { .. } | Node::Gate { gate: gates::SELECT, .. } => {
                    open.push(user)
                }
                Node::Gate { gate: gates::MUL, args }
                    if args.iter().any(|&arg| subject.is_param(subject.behind(arg))) =>
                {
                    return true;
                }
                _ => {}
            }
        }
    }
    false
}
