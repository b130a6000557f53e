//! Loss and metrics over a whole part of the data.
//!
//! In a `metric`, `batch` spans the whole part, while native code sees one batch at a time. So the inference
//! circuit is cut where the batch is first looked across: what lies before is computed natively, batch after
//! batch, and the rest once, over all rows, by the interpreter in f64.

use crate::circuit::{Circuit, Leaf, Node, Numbers, Slot, SlotId, SlotRole, StepValue, ValueId};
use crate::interpret::{Bindings, evaluate};

/// A circuit cut in two.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Values of the original circuit that native code computes.
    pub before: Vec<ValueId>,
    /// The rest: slot `k` is `before[k]`.
    pub after: Circuit,
    /// The roots in the rest, each shared.
    pub roots: Vec<ValueId>,
}

/// Cuts a circuit below everything that looks across the batch. A root that is per example counts as its mean.
pub fn cut(circuit: &Circuit, roots: &[ValueId]) -> Cut {
    let across = looks_across(circuit);
    let mut cut = Cut { before: vec![], after: Circuit::new(), roots: vec![] };
    let mut moved: Vec<Option<ValueId>> = vec![None; circuit.len()];
    for value in needed_across(circuit, roots, &across) {
        let node = circuit.node(value).clone();
        let mut operand = |operand: ValueId| match moved[operand.index()] {
            Some(known) => known,
            None => {
                let here = enter(circuit, operand, &mut cut);
                moved[operand.index()] = Some(here);
                here
            }
        };
        let node = node.with_operands(&mut operand);
        moved[value.index()] = Some(cut.after.add_node(node));
    }
    for &root in roots {
        let here = moved[root.index()].unwrap_or_else(|| enter(circuit, root, &mut cut));
        moved[root.index()] = Some(here);
        let mean = cut.after.mean_batch(here);
        cut.roots.push(mean);
    }
    cut
}

/// For each value, whether it is or reads a mean over the batch, or the number of its examples.
fn looks_across(circuit: &Circuit) -> Vec<bool> {
    let mut across = vec![false; circuit.len()];
    for value in circuit.values() {
        let node = circuit.node(value);
        let counts = matches!(node, Node::Leaf(Leaf::Step(StepValue::Examples)));
        let itself = counts || matches!(node, Node::Reduce { batch: true, .. });
        across[value.index()] = itself || node.operands().iter().any(|operand| across[operand.index()]);
    }
    across
}

/// The values that look across and that the roots reach, in forward order.
fn needed_across(circuit: &Circuit, roots: &[ValueId], across: &[bool]) -> Vec<ValueId> {
    let mut needed = vec![false; circuit.len()];
    for root in roots {
        needed[root.index()] = across[root.index()];
    }
    for value in circuit.values().rev().filter(|value| across[value.index()]) {
        if needed[value.index()] {
            circuit
                .node(value)
                .for_each_operand(|operand| needed[operand.index()] |= across[operand.index()]);
        }
    }
    circuit.values().filter(|value| needed[value.index()]).collect()
}

/// A value that native code computes, as a slot of the rest; a number stays what it is.
fn enter(circuit: &Circuit, value: ValueId, cut: &mut Cut) -> ValueId {
    if let Node::Leaf(leaf @ (Leaf::Number(_) | Leaf::Iota(_) | Leaf::Step(_))) = circuit.node(value) {
        return cut.after.leaf(leaf.clone());
    }
    cut.before.push(value);
    cut.after.declare(Slot {
        name: format!("cut {}", cut.before.len()),
        role: SlotRole::Input,
        shape: circuit.shape(value).clone(),
        kind: circuit.kind(value),
        classes: None,
        span: None,
    })
}

impl Cut {
    /// The elements of each root, from the values of `before` over `rows` examples.
    pub fn values(&self, rows: usize, before: &[Numbers]) -> Vec<Vec<f64>> {
        let mut bindings = Bindings::<f64>::new(rows);
        for (k, data) in before.iter().enumerate() {
            bindings.bind(&self.after, SlotId(k as u32), data.iter().collect());
        }
        evaluate(&self.after, &self.roots, &bindings).into_iter().map(|array| array.data).collect()
    }
}
