//! When a value is known: which scalars are the same for all examples and elements of a step.

use super::{Circuit, Leaf, Node, ValueId};

/// For each value, whether it is a scalar *per step*: shared, and computed from numbers and step values only.
/// Such scalars are computed in f64, once a step, and rounded once where a gate on something else reads them.
pub fn per_step(circuit: &Circuit) -> Vec<bool> {
    let mut known = vec![false; circuit.len()];
    for value in circuit.values() {
        known[value.index()] = is_per_step(circuit, value, &known);
    }
    known
}

/// Of one value, where that of its operands is known.
fn is_per_step(circuit: &Circuit, value: ValueId, known: &[bool]) -> bool {
    let scalar = |value: ValueId| !circuit.shape(value).batch && circuit.shape(value).dims.is_empty();
    match circuit.node(value) {
        Node::Leaf(Leaf::Number(_) | Leaf::Step(_)) => true,
        Node::Gate { args, .. } => scalar(value) && args.iter().all(|arg| known[arg.index()]),
        _ => false,
    }
}
