//! Rules of differentiation for what is no gate, from their table.

use super::{Topic, derived_lines};
use crate::differentiate::rules::{NODE_RULES, NodeRule};

pub(super) fn names() -> Vec<(String, String)> {
    NODE_RULES.iter().map(|row| (row.name.to_string(), row.rule.to_string())).collect()
}

pub(super) fn topic(name: &str) -> Option<Topic> {
    let row = NODE_RULES.iter().find(|row| row.name == name)?;
    let mut parts = vec![("Mathematics", row.rule.to_string()), ("Why", row.why.to_string())];
    parts.push(("Example", example(row)));
    let source =
        "Griewank and Walther, Evaluating Derivatives, 2008: the adjoint of a linear map is its transpose.";
    parts.push(("Source", source.to_string()));
    let title = format!("{}: a rule of differentiation", row.name);
    Some(Topic { kind: "rule", name: row.name.to_string(), title, parts })
}

/// A program that needs the rule, and the gradient that the compiler derives.
fn example(row: &NodeRule) -> String {
    let equations: String = row.example.lines().map(|line| format!("  {line}\n")).collect();
    let class = if row.example.contains('k') { ", k: class(3)" } else { "" };
    let program = format!("net example {{\n  input a[3]{class}\n{equations}}}\n");
    let lines = derived_lines(&program).unwrap_or_default();
    format!("{program}\n{lines}")
}
