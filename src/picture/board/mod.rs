//! A small net gate by gate, as backpropagation is drawn on a whiteboard: each wire with its value above and its gradient
//! below.
//!
//! [`Board`] is what there is to draw, and also what `nnc trace --scalar` prints as a table; [`layout`] says where;
//! [`svg`], [`dot`] and [`page`] write it.

pub mod dot;
pub mod layout;
pub mod page;
pub mod svg;
#[cfg(test)]
mod tests;

use crate::circuit::gates::Form;
use crate::circuit::{Gate, SlotRole, gates};
use crate::diagnostic::Sources;
use crate::scalar::{Made, Share, Unrolled, Wire};
use serde_json::{Value, json};

/// What there is to draw.
#[derive(Clone, Debug)]
pub struct Board {
    /// Name of the net.
    pub title: String,
    /// What is given, and gates, in an order of computation. Numbers of the program stand inside the gates.
    pub nodes: Vec<Node>,
}

/// A gate or what is given, with the wire that leaves it.
#[derive(Clone, Debug)]
pub struct Node {
    /// The element of a named value that it is, or `v7`.
    pub label: String,
    /// Whether the program names it.
    pub is_named: bool,
    /// `input`, `target`, `param`, `state`, `draw`, `gate` or `loss`.
    pub kind: &'static str,
    /// What stands in it: `*`, `+ 1`, `tanh`; empty for what is given.
    pub symbol: String,
    /// How it is computed, in names: `W[0] * x[0]`.
    pub formula: String,
    /// The same in numbers.
    pub numbers: String,
    /// The nodes that it is computed from.
    pub operands: Vec<usize>,
    /// The number on its wire.
    pub value: f64,
    /// The gradient on its wire.
    pub gradient: Option<f64>,
    /// What the gradient is the sum of: users are nodes.
    pub shares: Vec<Share>,
    /// The rule by which each share came.
    pub rules: Vec<&'static str>,
    /// Number of the line of the user's text; 0 if it has none.
    pub line: usize,
    /// That line.
    pub text: String,
}

impl Board {
    /// Of a circuit that is unrolled.
    pub fn of(title: &str, sources: &Sources, unrolled: &Unrolled) -> Board {
        let wires = &unrolled.wires;
        let labels = labels(wires);
        let mut places = vec![None; wires.len()];
        let shown = (0..wires.len()).filter(|&k| wires[k].made != Made::Number);
        shown.enumerate().for_each(|(node, wire)| places[wire] = Some(node));
        let node = |k: usize| -> Node {
            let wire = &wires[k];
            let numbers = wire.operands().iter().enumerate();
            let in_numbers: Vec<String> = numbers.map(|(k, &wire)| operand(k, wires[wire].value)).collect();
            let in_names: Vec<String> = wire.operands().iter().map(|&k| labels[k].clone()).collect();
            let is_number = |k: &usize| wires[*k].made == Made::Number;
            let (line, text) = super::place(sources, wire.line);
            Node {
                label: labels[k].clone(),
                is_named: wire.name.is_some(),
                kind: if k == unrolled.objective { "loss" } else { kind(wire) },
                symbol: symbol(wire, &in_names, is_number),
                formula: written(wire, &in_names),
                numbers: if wire.is_gate() { written(wire, &in_numbers) } else { String::new() },
                operands: wire.operands().iter().filter_map(|&k| places[k]).collect(),
                value: wire.value,
                gradient: wire.gradient,
                shares: wire.shares.iter().map(|share| moved(share, &places)).collect(),
                rules: wire.shares.iter().map(|share| rule(&wires[share.user], share.operand)).collect(),
                line,
                text,
            }
        };
        let nodes = (0..wires.len()).filter(|&k| places[k].is_some()).map(node).collect();
        Board { title: title.to_string(), nodes }
    }

    /// How a gradient came, a use a part: the gradient of the user, times the slope of its gate.
    pub fn told(&self, share: &Share) -> String {
        let user = &self.nodes[share.user].label;
        match share.local {
            Some(local) => format!("{user}: {} * {}", short(share.upstream), short(local)),
            None => format!("{user}: takes no part"),
        }
    }

    /// As JSON, an object a node.
    pub fn rows(&self) -> impl Iterator<Item = Value> {
        self.nodes.iter().enumerate().map(|(k, node)| {
            let share = |(share, rule): (&Share, &&str)| {
                json!({ "user": share.user, "operand": share.operand, "upstream": share.upstream,
                    "local": share.local, "value": share.value, "rule": rule })
            };
            json!({
                "node": k, "label": node.label, "kind": node.kind, "symbol": node.symbol, "formula": node.formula,
                "numbers": node.numbers, "operands": node.operands, "value": node.value,
                "gradient": node.gradient, "line": node.line, "text": node.text,
                "shares": node.shares.iter().zip(&node.rules).map(share).collect::<Vec<_>>(),
            })
        })
    }

    /// The whole as JSON: `title` and `nodes`.
    pub fn to_json(&self) -> Value {
        json!({ "title": self.title, "nodes": self.rows().collect::<Vec<_>>() })
    }
}

/// What each wire is called: by its name, or by the number that it is; others are counted.
fn labels(wires: &[Wire]) -> Vec<String> {
    let mut count = 0;
    let label = |wire: &Wire| match (&wire.made, &wire.name) {
        (Made::Number, _) => exact(wire.value),
        (_, Some(name)) => name.clone(),
        (_, None) => {
            count += 1;
            format!("v{count}")
        }
    };
    wires.iter().map(label).collect()
}

fn kind(wire: &Wire) -> &'static str {
    match wire.made {
        Made::Number | Made::Gate(..) | Made::Position(..) => "gate",
        Made::Draw => "draw",
        Made::Slot(SlotRole::Input) => "input",
        Made::Slot(SlotRole::Target) => "target",
        Made::Slot(SlotRole::Param) => "param",
        Made::Slot(_) => "state",
    }
}

/// How a wire is computed from what is written so.
fn written(wire: &Wire, operands: &[String]) -> String {
    match &wire.made {
        Made::Gate(gate, _) => gate.written_of(operands),
        Made::Position(reducer, _) => format!("{}({})", reducer.word(), operands.join(", ")),
        Made::Number | Made::Slot(_) | Made::Draw => kind(wire).to_string(),
    }
}

/// What is written into a gate: its sign or name, with the operands that are numbers.
fn symbol(wire: &Wire, names: &[String], is_number: impl Fn(&usize) -> bool) -> String {
    let gate = match &wire.made {
        Made::Gate(gate, _) => *gate,
        Made::Position(reducer, _) => return reducer.word().to_string(),
        Made::Number | Made::Slot(_) | Made::Draw => return String::new(),
    };
    let row = gate.row();
    let numbers: Vec<bool> = wire.operands().iter().map(is_number).collect();
    match (row.form, numbers.as_slice()) {
        (Form::Infix(sign), [false, true]) => format!("{sign} {}", names[1]),
        (Form::Infix(sign), [true, false]) if commutes(gate) => format!("{sign} {}", names[0]),
        (Form::Infix(sign), [true, false]) => format!("{} {sign}", names[0]),
        (Form::Infix(sign) | Form::Prefix(sign), _) => sign.to_string(),
        (Form::Select, _) => "if".to_string(),
        (Form::Call, [_, _]) if numbers.contains(&true) => {
            let written = names.iter().zip(&numbers).map(|(name, &is)| if is { name.as_str() } else { "·" });
            format!("{}({})", row.name, written.collect::<Vec<_>>().join(", "))
        }
        (Form::Call, _) => row.name.to_string(),
    }
}

fn commutes(gate: Gate) -> bool {
    gate == gates::ADD || gate == gates::MUL
}

/// A share whose user is a node.
fn moved(share: &Share, places: &[Option<usize>]) -> Share {
    Share { user: places[share.user].expect("a gate is a node"), ..*share }
}

fn rule(user: &Wire, operand: usize) -> &'static str {
    match &user.made {
        Made::Gate(gate, _) => gate.rule(operand),
        _ => "",
    }
}

/// A number in three digits, as on a wire.
pub fn short(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() || size == 0.0 {
        return format!("{}", if size == 0.0 { 0.0 } else { x });
    }
    if !(1e-3..1e5).contains(&size) {
        return format!("{x:.1e}");
    }
    let before = size.log10().floor() as i32 + 1;
    let places = (3 - before).clamp(0, 5) as usize;
    let text = format!("{x:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// A number in six digits, without zeros behind.
fn exact(x: f64) -> String {
    let size = x.abs();
    if !x.is_finite() || size == 0.0 {
        return short(x);
    }
    if !(1e-4..1e6).contains(&size) {
        return format!("{x:.3e}");
    }
    let places = (5 - size.log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{x:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

/// A number as an operand: in parentheses behind a sign, if it has one itself.
fn operand(k: usize, x: f64) -> String {
    if k > 0 && x < 0.0 { format!("({})", exact(x)) } else { exact(x) }
}
