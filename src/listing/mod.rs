//! Circuits as text: a derived gradient as legal `.nn` in the order of a textbook, and all values of any circuit as
//! equations.
//!
//! Named values and their cotangents are cut points, one line each. What has no name is written where it is needed,
//! or gets a line and a name of its own if it is dear and needed more than once ([`cuts`]). Views are written by
//! putting their index expressions into the reads ([`scope`]), so that nothing but equations over elements is left
//! ([`equations`]).

mod cuts;
mod equations;
mod names;
mod program;
mod scope;
#[cfg(test)]
mod tests;

pub use program::{Derived, derived, gradient_program};

use crate::circuit::{Circuit, Leaf, Node, Origin, SlotId, ValueId, graph};
use crate::syntax::ast::Stmt;
use crate::syntax::stmt_to_string;
use names::Names;
use rustc_hash::{FxHashMap, FxHashSet};

/// A gradient to print.
#[derive(Clone, Copy, Debug)]
pub struct Gradient {
    /// What it is taken by.
    pub slot: SlotId,
    /// Its value; `None` where the objective does not depend on the slot.
    pub value: Option<ValueId>,
}

/// A statement of the derived program.
#[derive(Clone, Debug)]
pub struct Line {
    /// The statement.
    pub stmt: Stmt,
    /// The equation that it was derived from, and by which rule.
    pub origin: Origin,
}

/// The equations of gradients in a simplified circuit, operands before their users, then an `output` of each.
/// Indices and new names keep clear of the circuit's names and of `taken`.
pub fn backward(
    circuit: &Circuit,
    gradients: &[Gradient],
    taken: impl IntoIterator<Item = String>,
) -> Vec<Line> {
    let mut names = Names::of(circuit, taken);
    let cotangents: FxHashMap<&str, Origin> = (circuit.cotangents().iter())
        .map(|cotangent| (circuit.names()[cotangent.name].path.as_str(), cotangent.origin))
        .collect();
    names.read_spread(circuit, |path| !cotangents.contains_key(path));
    let forward = circuit.values().filter(|&value| {
        names.get(value).is_some_and(|reference| !cotangents.contains_key(reference.path.as_str()))
    });
    let forward: FxHashSet<ValueId> = forward.collect();
    names.name_turned(circuit);
    let computed = |value: &ValueId| names::number(circuit, *value).is_none();
    let roots: Vec<ValueId> =
        gradients.iter().filter_map(|gradient| gradient.value).filter(computed).collect();
    let defined = cuts::lines(circuit, &roots, &mut names, &forward);
    let origin = |value: ValueId| {
        let path = names.get(value).map(|reference| reference.path.as_str());
        path.and_then(|path| cotangents.get(path)).copied().unwrap_or_else(|| circuit.origin(value))
    };
    let line =
        |&value: &ValueId| Line { stmt: equations::equation(circuit, &names, value), origin: origin(value) };
    let mut lines: Vec<Line> = defined.iter().map(line).collect();
    let mut outputs = vec![];
    for gradient in gradients {
        let (name, line) = result(circuit, &names, gradient);
        lines.extend(line);
        outputs.push(Line { stmt: program::output(&name), origin: Origin::default() });
    }
    lines.extend(outputs);
    lines
}

/// What a gradient is called as an output, and the line that defines that name, if there is none yet.
fn result(circuit: &Circuit, names: &Names, gradient: &Gradient) -> (String, Option<Line>) {
    let slot = circuit.slot(gradient.slot);
    let named = circuit.cotangent_of(&slot.name);
    let name = match named {
        Some(cotangent) => circuit.names()[cotangent.name].path.clone(),
        None => format!("{}_bar", slot.name.replace('.', "_")),
    };
    let number = match gradient.value {
        Some(value) => names::number(circuit, value),
        None => Some(0.0),
    };
    let (Some(value), None) = (gradient.value, number) else {
        let leaf = circuit.find(&Node::Leaf(Leaf::Slot(gradient.slot))).expect("a slot has its leaf");
        let stmt = equations::constant(circuit, names, leaf, &name, number.unwrap_or(0.0));
        let unreached = Origin { span: slot.span, rule: Some("the loss does not depend on it") };
        return (name, Some(Line { stmt, origin: named.map_or(unreached, |cotangent| cotangent.origin) }));
    };
    let defined = names.get(value).is_some_and(|reference| reference.path == name);
    let alias =
        || Line { stmt: equations::alias(circuit, names, value, &name), origin: circuit.origin(value) };
    (name.clone(), (!defined).then(alias))
}

/// All values that some roots need, in order, each as an equation with its shape: what `nnc emit` shows of a circuit.
/// It reads like the language, and is for reading only.
pub fn circuit_listing(circuit: &Circuit, roots: &[ValueId]) -> String {
    let mut names = Names::of(circuit, []);
    let needed = graph::reachable(circuit, roots.iter().copied());
    let named: FxHashSet<ValueId> = circuit.names().iter().map(|named| named.value).collect();
    let lagged: FxHashSet<ValueId> = (needed.iter())
        .filter_map(|value| match circuit.node(value) {
            Node::Lag { variable, .. } => circuit.source(*variable),
            _ => None,
        })
        .collect();
    let is_shown =
        |value: &ValueId| named.contains(value) || lagged.contains(value) || !is_inline(circuit, *value);
    let shown = needed.iter().filter(is_shown);
    let shown: Vec<ValueId> = shown.collect();
    for &value in &shown {
        if names.get(value).is_none() {
            names.name(circuit, value, format!("v{}", value.0));
        }
    }
    let mut text = String::new();
    for value in shown {
        let shape = circuit.shape(value);
        let line = match circuit.node(value) {
            Node::Leaf(Leaf::Slot(id)) => {
                format!(
                    "{} : {}",
                    circuit.slot(*id).name,
                    format!("{:?}", circuit.slot(*id).role).to_lowercase()
                )
            }
            Node::Leaf(Leaf::Draw { .. }) => format!("v{} ~ uniform(0, 1)", value.0),
            _ => stmt_to_string(&equations::equation(circuit, &names, value), 0)
                .trim_end()
                .replace('\n', "\n  "),
        };
        let mark = if roots.contains(&value) { " root" } else { "" };
        text.push_str(&format!("{line:<64}  # {shape}{mark}\n"));
    }
    text
}

/// What a listing of a circuit writes within the equations that need it: numbers, positions, and plain reads.
fn is_inline(circuit: &Circuit, value: ValueId) -> bool {
    match circuit.node(value) {
        Node::Leaf(leaf) => !matches!(leaf, Leaf::Slot(_) | Leaf::Draw { .. }),
        Node::View { arg, view } => view.is_total(circuit.shape(*arg)),
        _ => false,
    }
}
