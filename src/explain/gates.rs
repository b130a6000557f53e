//! Gates, from their table.

use super::{Topic, derived_lines};
use crate::circuit::formula::vjp;
use crate::circuit::gates::GATES;
use crate::circuit::{Gate, Kind};

/// Operands at which values and slopes are shown; conditions take 0 and 1.
const REALS: [[f64; 3]; 5] =
    [[-1.5, 2.0, 1.0], [-0.5, 0.5, 1.0], [0.0, 0.0, 1.0], [0.5, -1.5, 1.0], [2.0, 3.0, 1.0]];
const TRUTHS: [[f64; 3]; 4] = [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0]];

pub(super) fn names() -> Vec<(String, String)> {
    GATES.iter().map(|row| (row.name.to_string(), row.doc.to_string())).collect()
}

/// By its name, or as it is written: `mul`, `*`.
pub(super) fn topic(name: &str) -> Option<Topic> {
    let sign =
        |gate: &Gate| gate.written().split(' ').any(|word| word == name && !["a", "b", "c"].contains(&word));
    let gate = Gate::named(name).or_else(|| Gate::all().find(sign))?;
    let row = gate.row();
    let mut parts = vec![("What it computes", row.doc.to_string()), ("Mathematics", mathematics(gate))];
    parts.push(("Values", values(gate)));
    if let Some(example) = example(gate) {
        parts.push(("Example", example));
    }
    let accuracy = match row.ulps {
        0.0 => "exact".to_string(),
        0.5 => "correctly rounded".to_string(),
        ulps => format!("within {ulps} units in the last place, in f32"),
    };
    parts.push(("Accuracy", accuracy));
    parts.push(("Source", row.source.to_string()));
    let title = format!("{}: y = {}, a gate", row.name, gate.written());
    Some(Topic { kind: "gate", name: row.name.to_string(), title, parts })
}

/// What each operand gets.
fn mathematics(gate: Gate) -> String {
    let rule = |k: usize| {
        let operand = crate::circuit::OPERANDS[k];
        gate.adjoint(k).unwrap_or_else(|| format!("no gradient flows to {operand}"))
    };
    let rules: Vec<String> = (0..gate.row().arity).map(rule).collect();
    format!("y = {}\n{}", gate.written(), rules.join("\n"))
}

/// Values and slopes at some operands, each operand's slope at `y_bar = 1`.
fn values(gate: Gate) -> String {
    let row = gate.row();
    let logical = row.result == Some(Kind::Boolean) && ["and", "or", "not"].contains(&row.name);
    let points: &[[f64; 3]] = if logical { &TRUTHS } else { &REALS };
    let mut lines = vec![];
    for point in points {
        let operands = &point[..row.arity];
        let value = (row.value)(operands);
        let of = |name: &str| match name {
            "a" => operands[0],
            "b" => operands[1],
            "c" => operands[2],
            "y" => value,
            _ => 1.0,
        };
        let given =
            crate::circuit::OPERANDS.iter().zip(operands).map(|(name, value)| format!("{name} = {value}"));
        let slopes = vjp(gate).iter().zip(crate::circuit::OPERANDS).filter_map(|(formula, name)| {
            Some(format!("{name}_bar = {}", short(formula.as_ref()?.value(&of))))
        });
        let all: Vec<String> = given.chain([format!("y = {}", short(value))]).chain(slopes).collect();
        lines.push(all.join(", "));
    }
    lines.dedup();
    lines.join("\n")
}

/// A number in six digits.
fn short(value: f64) -> String {
    if value == value.trunc() || !value.is_finite() { format!("{value}") } else { format!("{value:.6}") }
}

/// A program with the gate, and the gradient that the compiler derives; `None` for one without slopes.
fn example(gate: Gate) -> Option<String> {
    let row = gate.row();
    if vjp(gate).iter().all(Option::is_none) || row.name == "same" {
        return None;
    }
    let written = gate.written().replace("if a then", "if a > 0 then");
    let inputs = crate::circuit::OPERANDS[..row.arity].join(", ");
    let program = format!("net example {{\n  input {inputs}\n  y    = {written}\n  loss = 3 * y\n}}\n");
    let lines = derived_lines(&program)?;
    Some(format!("{program}\n{lines}"))
}
