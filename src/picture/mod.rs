//! A net and its gradient as a picture: the forward circuit and, facing it, the backward one, a box each named value.
//!
//! [`Picture`] is what there is to draw; [`layout`] says where; [`dot`], [`svg`] and [`page`] write it. None needs another
//! program to be looked at. [`board`] is the other picture, of a small net: every single gate of an example.

pub mod board;
pub mod dot;
pub mod layout;
pub mod page;
pub mod svg;
#[cfg(test)]
mod tests;

use crate::circuit::{Circuit, Node as Gate, SlotRole, ValueId};
use crate::diagnostic::{FileId, Sources, Span};
use crate::differentiate::differentiate;
use crate::elaborate::{Model, Program};
use crate::listing::{Line, Request, requested_lines};
use crate::runtime::build::slot_leaf;
use crate::runtime::once::differentiable_slots;
use crate::runtime::trace::{Summary, Traced, shown};
use crate::syntax::ast::StmtKind;
use crate::syntax::stmt_to_string;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Value, json};

/// What there is to draw.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Name of the net.
    pub title: String,
    /// Named values, in forward order.
    pub boxes: Vec<Box>,
    /// Which value is computed from which.
    pub edges: Vec<Edge>,
    /// The same where both have a cotangent: which cotangent is computed from which, `from` from `to`. Where one on the way
    /// was joined with its neighbours, and has no line of its own, the way goes on through it.
    pub back: Vec<Edge>,
}

/// A named value, and its cotangent.
#[derive(Clone, Debug)]
pub struct Box {
    /// Its path.
    pub path: String,
    /// The layer or function that it is an inner value of; empty for the net's own.
    pub layer: String,
    /// `input`, `target`, `param`, `state`, `value` or `loss`.
    pub kind: &'static str,
    /// `16 x 8`; empty for a single number.
    pub shape: String,
    /// The statement that defines it.
    pub formula: String,
    /// Number of the line of the user's text.
    pub line: usize,
    /// That line.
    pub text: String,
    /// Its cotangent, if the loss depends on it.
    pub cotangent: Option<Cotangent>,
    /// Value and gradient of the chosen example.
    pub example: Option<(Summary, Option<Summary>)>,
}

/// The derivative of the loss by a value.
#[derive(Clone, Debug)]
pub struct Cotangent {
    /// `h_bar`
    pub name: String,
    /// Its line of the derived program; empty where that needs none.
    pub formula: String,
    /// The rules that it came by.
    pub rules: Vec<&'static str>,
}

/// One box is computed from another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edge {
    /// What is read.
    pub from: usize,
    /// What is computed.
    pub to: usize,
    /// Whether it reads another step of a recurrence.
    pub lag: bool,
}

impl Picture {
    /// Of a net's training program, with what an example computes, if one was traced.
    pub fn of(program: &Program, model: &Model, traced: Option<&[Traced]>) -> Picture {
        let circuit = &model.circuit;
        let shown = shown(model, circuit);
        let lines = requested_lines(&program.file, model, &Request::default()).unwrap_or_default();
        let lines: FxHashMap<String, &Line> =
            lines.iter().filter_map(|line| Some((defined(line)?, line))).collect();
        let example = |path: &str| {
            let found = traced?.iter().find(|traced| traced.name == path)?;
            Some((Summary::of(&found.value), found.gradient.as_deref().map(Summary::of)))
        };
        let of = |(path, value): &(String, ValueId)| {
            let (line, text) = place(&program.sources, circuit.line_of(*value, path));
            let origin = circuit.origin(*value);
            let statement = circuit.place(origin).map(|place| place.span).or(origin.span);
            let dims: Vec<String> = circuit.shape(*value).dims.iter().map(ToString::to_string).collect();
            Box {
                path: path.clone(),
                layer: path.rsplit_once('.').map_or("", |(owner, _)| owner).to_string(),
                kind: kind(model, *value),
                shape: dims.join(" x "),
                formula: statement.map(|span| flat(program.sources.slice(span))).unwrap_or_default(),
                line,
                text,
                cotangent: cotangent(model, path, &lines),
                example: example(path),
            }
        };
        let boxes: Vec<Box> = shown.iter().map(of).collect();
        let edges = edges(circuit, &shown);
        let back = back(&boxes, &edges, &with_gradient(model));
        Picture { title: model.name.clone(), boxes, edges, back }
    }

    /// As JSON: `title`, `boxes`, `edges` (`[from, to, lag]`) and `back`, each box with what is known of it.
    pub fn to_json(&self) -> Value {
        let numbers = |summary: &Summary| json!({ "min": summary.min, "max": summary.max, "mean": summary.mean, "norm": summary.norm, "zeros": summary.zeros });
        let one = |shown: &Box| {
            json!({
                "path": shown.path, "layer": shown.layer, "kind": shown.kind, "shape": shown.shape,
                "formula": shown.formula, "line": shown.line, "text": shown.text,
                "cotangent": shown.cotangent.as_ref().map(|cotangent| json!({
                    "name": cotangent.name, "formula": cotangent.formula, "rules": cotangent.rules,
                })),
                "value": shown.example.as_ref().map(|(value, _)| numbers(value)),
                "gradient": shown.example.as_ref().and_then(|(_, gradient)| gradient.as_ref()).map(numbers),
            })
        };
        let list = |edges: &[Edge]| -> Vec<Value> {
            edges.iter().map(|edge| json!([edge.from, edge.to, edge.lag])).collect()
        };
        json!({ "title": self.title, "boxes": self.boxes.iter().map(one).collect::<Vec<_>>(),
            "edges": list(&self.edges), "back": list(&self.back) })
    }
}

fn kind(model: &Model, value: ValueId) -> &'static str {
    if model.loss == Some(value) {
        return "loss";
    }
    let Gate::Leaf(crate::circuit::Leaf::Slot(slot)) = model.circuit.node(value) else { return "value" };
    match model.circuit.slot(*slot).role {
        SlotRole::Input => "input",
        SlotRole::Target => "target",
        SlotRole::Param => "param",
        _ => "state",
    }
}

/// The name that a line defines.
fn defined(line: &Line) -> Option<String> {
    match &line.stmt.kind {
        StmtKind::Define { targets, .. } => targets.first().map(|target| target.name.text.clone()),
        _ => None,
    }
}

fn cotangent(model: &Model, path: &str, lines: &FxHashMap<String, &Line>) -> Option<Cotangent> {
    let name = format!("{}_bar", path.replace('.', "_"));
    if let Some(line) = lines.get(&name) {
        let formula = stmt_to_string(&line.stmt, 0).trim_end().to_string();
        return Some(Cotangent { name, formula, rules: line.rules.clone() });
    }
    let is_loss = model.loss.is_some_and(|loss| {
        model.circuit.names().iter().any(|named| named.value == loss && named.path == path)
    });
    is_loss.then(|| Cotangent { name, formula: "1".into(), rules: vec![] })
}

fn place(sources: &Sources, span: Option<Span>) -> (usize, String) {
    let Some(span) = span else { return (0, String::new()) };
    let line = sources.line(span);
    let text = sources.get(span.file).text.lines().nth(line - 1).unwrap_or_default().trim().to_string();
    debug_assert!(span.file != FileId(u16::MAX));
    (line, text)
}

/// On one line.
fn flat(text: &str) -> String {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// Which of the values each reads, through what has no name.
fn edges(circuit: &Circuit, shown: &[(String, ValueId)]) -> Vec<Edge> {
    let places: FxHashMap<ValueId, usize> =
        shown.iter().enumerate().map(|(k, (_, value))| (*value, k)).collect();
    let mut edges = vec![];
    for (to, (_, value)) in shown.iter().enumerate() {
        let mut seen: FxHashSet<(ValueId, bool)> = FxHashSet::default();
        let mut open: Vec<(ValueId, bool)> = reads(circuit, *value, false);
        while let Some((read, lag)) = open.pop() {
            if !seen.insert((read, lag)) {
                continue;
            }
            match places.get(&read) {
                Some(&from) => edges.push(Edge { from, to, lag }),
                None => open.extend(reads(circuit, read, lag)),
            }
        }
    }
    edges.sort_by_key(|edge| (edge.to, edge.from, edge.lag));
    edges.dedup();
    edges
}

/// Paths of the values that a gradient flows through.
fn with_gradient(model: &Model) -> FxHashSet<String> {
    let Some(loss) = model.loss else { return FxHashSet::default() };
    let mut circuit = model.circuit.clone();
    let slots = differentiable_slots(model);
    let leaves: Vec<ValueId> = slots.into_iter().map(|slot| slot_leaf(&mut circuit, slot)).collect();
    differentiate(&mut circuit, loss, &leaves);
    circuit.cotangents().iter().filter(|cotangent| !cotangent.inner).map(|found| found.of.clone()).collect()
}

/// The edges between boxes that have a cotangent, through those whose own was joined with others.
fn back(boxes: &[Box], edges: &[Edge], flows: &FxHashSet<String>) -> Vec<Edge> {
    let has_line = |k: usize| boxes[k].cotangent.is_some();
    let is_joined = |k: usize| !has_line(k) && flows.contains(&boxes[k].path);
    let into = |to: usize| edges.iter().filter(move |edge| edge.to == to);
    let mut back = vec![];
    for to in (0..boxes.len()).filter(|&k| has_line(k)) {
        let mut seen: FxHashSet<(usize, bool)> = FxHashSet::default();
        let mut open: Vec<(usize, bool)> = into(to).map(|edge| (edge.from, edge.lag)).collect();
        while let Some((from, lag)) = open.pop() {
            if !seen.insert((from, lag)) {
                continue;
            }
            if has_line(from) {
                back.push(Edge { from, to, lag });
            } else if is_joined(from) {
                open.extend(into(from).map(|edge| (edge.from, edge.lag || lag)));
            }
        }
    }
    back.sort_by_key(|edge| (edge.to, edge.from, edge.lag));
    back
}

fn reads(circuit: &Circuit, value: ValueId, lag: bool) -> Vec<(ValueId, bool)> {
    match circuit.node(value) {
        Gate::Lag { variable, .. } => {
            circuit.source(*variable).map(|source| (source, true)).into_iter().collect()
        }
        node => node.operands().into_iter().map(|operand| (operand, lag)).collect(),
    }
}
