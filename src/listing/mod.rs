//! Circuits as text: a derived gradient as legal `.nn` in the order of a textbook, and all values of any circuit as
//! equations.
//!
//! Named values and their cotangents are cut points, one line each. What has no name is written where it is needed,
//! or gets a line and a name of its own if it is dear and needed more than once ([`cuts`]). Views are written by
//! putting their index expressions into the reads ([`scope`]), so that nothing but equations over elements is left
//! ([`equations`]).

pub mod changes;
mod cuts;
mod equations;
mod folding;
mod groups;
mod likeness;
mod names;
mod program;
mod repeats;
mod scope;
mod sections;
#[cfg(test)]
mod tests;

pub use program::{
    Derived, Request, Unmet, derivative, derived, gradient_program, requested_lines, requested_program,
};

use crate::circuit::{Circuit, CotangentName, Derivation, Leaf, Node, Origin, Place, ValueId, graph};
use crate::diagnostic::Span;
use crate::differentiate::rules;
use crate::syntax::ast::Stmt;
use crate::syntax::stmt_to_string;
use names::Names;
use rustc_hash::{FxHashMap, FxHashSet};

/// A gradient to print.
#[derive(Clone, Debug)]
pub struct Gradient {
    /// Path of what it is taken by.
    pub path: String,
    /// Dimensions of that.
    pub dims: Vec<u32>,
    /// Its definition.
    pub span: Option<Span>,
    /// Its value; `None` where the objective does not depend on what it is taken by.
    pub value: Option<ValueId>,
}

/// A statement of the derived program, and where it comes from.
#[derive(Clone, Debug)]
pub struct Line {
    /// The statement.
    pub stmt: Stmt,
    /// The statement of the model that it was derived from.
    pub place: Option<Place>,
    /// By which rules, one after another; none for a value of the model that is needed again.
    pub rules: Vec<&'static str>,
    /// The expression of the model that is needed again, or of which this is the cotangent, where no name tells that.
    pub span: Option<Span>,
    /// If it is a sum over uses: the expression of each.
    pub uses: Vec<Span>,
    /// Extents of the indices that the equation of a value binds, those of its sums too, with their names.
    pub extents: Vec<(String, u32)>,
}

impl Line {
    /// A line by one rule, or none.
    fn new(circuit: &Circuit, stmt: Stmt, origin: Origin) -> Line {
        let rules = origin.rule.into_iter().collect();
        let span = origin.span.filter(|_| origin.rule.is_none());
        Line { stmt, place: circuit.place(origin).cloned(), rules, span, uses: vec![], extents: vec![] }
    }

    /// The line of a cotangent. The rules by which the lines that it reads came are told there.
    fn derived(
        circuit: &Circuit,
        stmt: Stmt,
        origin: Origin,
        derivation: &Derivation,
        read: &[Origin],
    ) -> Line {
        let chain = &derivation.chain;
        let begin = chain.iter().rposition(|step| read.contains(step)).map_or(0, |k| k + 1);
        let rest: Vec<&'static str> = chain[begin..].iter().filter_map(|origin| origin.rule).collect();
        let mut rules: Vec<&str> =
            rest.iter().copied().filter(|rule| *rule != rules::USES && !rules::is_plain(rule)).collect();
        rules.dedup();
        if rules.is_empty() {
            rules.extend(rest.last().copied().or(origin.rule));
        }
        let uses = derivation.uses.iter().filter_map(|origin| origin.span).collect();
        Line { rules, uses, span: None, ..Line::new(circuit, stmt, origin) }
    }
}

/// The equations of gradients in a simplified circuit, operands before their users, then an `output` of each.
/// Indices and new names keep clear of the circuit's names and of `taken`.
pub fn backward(
    circuit: &Circuit,
    gradients: &[Gradient],
    taken: impl IntoIterator<Item = String>,
) -> Vec<Line> {
    let mut names = Names::of(circuit, taken);
    let cotangents: FxHashMap<&str, &CotangentName> = (circuit.cotangents().iter())
        .map(|cotangent| (circuit.names()[cotangent.name].path.as_str(), cotangent))
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
    let reads = cuts::reads(circuit, &names, &defined.iter().copied().collect());
    let line = |&value: &ValueId| {
        let (stmt, extents) = equations::equation(circuit, &names, value);
        let path = names.get(value).map(|reference| reference.path.as_str());
        let read: Vec<Origin> = reads[&value].iter().map(|&read| circuit.origin(read)).collect();
        let named = path.and_then(|path| cotangents.get(path));
        let line = match (named, circuit.hint(value)) {
            (Some(cotangent), _) => {
                Line::derived(circuit, stmt, cotangent.origin, &cotangent.derivation, &read)
            }
            (None, Some(hint)) => {
                let line = Line::derived(circuit, stmt, circuit.origin(value), &hint.derivation, &read);
                Line { span: hint.of.span, ..line }
            }
            (None, None) => Line::new(circuit, stmt, circuit.origin(value)),
        };
        Line { extents, ..line }
    };
    let mut lines = sections::gathered(defined.iter().map(line).collect());
    let mut outputs = vec![];
    for gradient in gradients {
        let (name, line) = result(circuit, &names, gradient);
        lines.extend(line);
        outputs.push(Line::new(circuit, program::output(&name), Origin::default()));
    }
    lines.extend(outputs);
    lines
}

/// What a gradient is called as an output, and the line that defines that name, if there is none yet.
fn result(circuit: &Circuit, names: &Names, gradient: &Gradient) -> (String, Option<Line>) {
    let named = circuit.cotangent_of(&gradient.path);
    let name = match named {
        Some(cotangent) => circuit.names()[cotangent.name].path.clone(),
        None => format!("{}_bar", gradient.path.replace('.', "_")),
    };
    let number = match gradient.value {
        Some(value) => names::number(circuit, value),
        None => Some(0.0),
    };
    let (Some(value), None) = (gradient.value, number) else {
        let stmt = equations::constant(names, &gradient.dims, &name, number.unwrap_or(0.0));
        let unreached = Origin { span: gradient.span, place: None, rule: Some("nothing depends on it") };
        let origin = named.map_or(unreached, |cotangent| cotangent.origin);
        return (name, Some(Line::new(circuit, stmt, origin)));
    };
    let defined = names.get(value).is_some_and(|reference| reference.path == name);
    let alias = || {
        let stmt = equations::alias(circuit, names, value, &name);
        match named {
            Some(cotangent) => {
                let read = [circuit.origin(value)];
                Line::derived(circuit, stmt, cotangent.origin, &cotangent.derivation, &read)
            }
            None => Line::new(circuit, stmt, circuit.origin(value)),
        }
    };
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
            _ => stmt_to_string(&equations::equation(circuit, &names, value).0, 0)
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
