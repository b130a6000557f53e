//! What is different between two programs: in what they say, in what they learn, and in the gradient that follows.

use super::{Derived, backward, derived};
use crate::elaborate::{Model, Program};
use crate::syntax::ast::{Item, ItemKind, Stmt, StmtKind};
use crate::syntax::{item_to_string, stmt_to_string};
use rustc_hash::FxHashMap;

/// A part of a program, as things that have a name each: what they are called, and how they read.
pub struct Part {
    /// `settings`, `parameters`, `model`, `gradient`, ...
    pub title: &'static str,
    /// In order.
    pub things: Vec<(String, String)>,
}

/// Something that is not the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Of which part.
    pub part: &'static str,
    /// Its name.
    pub name: String,
    /// How it read; `None` if it was not there.
    pub before: Option<String>,
    /// How it reads; `None` if it is gone.
    pub after: Option<String>,
}

/// A program by its parts; `net` is the model's training program.
pub fn parts(program: &Program, net: &Model) -> Vec<Part> {
    let item = |wanted: fn(&ItemKind) -> bool| -> Vec<(String, String)> {
        let items = program.file.items.iter().filter(|item| wanted(&item.kind));
        items.flat_map(lines).collect()
    };
    let body = program.file.items.iter().find_map(|item| match &item.kind {
        ItemKind::Net { name, body, .. } if name.text == net.name => Some(body.as_slice()),
        _ => None,
    });
    let circuit = &net.circuit;
    let parameter = |&slot: &_| {
        let slot = circuit.slot(slot);
        let dims: Vec<String> = slot.shape.dims.iter().map(ToString::to_string).collect();
        let shape = if dims.is_empty() { String::new() } else { format!("[{}]", dims.join(", ")) };
        (slot.name.clone(), format!("param {}{shape}", slot.name))
    };
    let definitions = item(|kind| matches!(kind, ItemKind::Definition(_)));
    let data = item(|kind| matches!(kind, ItemKind::Data { .. } | ItemKind::Table { .. }));
    let train = item(|kind| matches!(kind, ItemKind::Train { .. }));
    vec![
        Part { title: "data", things: data },
        Part { title: "definitions", things: definitions },
        Part {
            title: "settings",
            things: net
                .settings
                .iter()
                .map(|(name, value)| (name.clone(), format!("{name} = {value}")))
                .collect(),
        },
        Part { title: "model", things: statements(body.unwrap_or(&[])) },
        Part { title: "parameters", things: net.params.iter().map(parameter).collect() },
        Part { title: "gradient", things: gradient(net) },
        Part { title: "training", things: train },
    ]
}

/// What is different, part by part: what was there before in its order, then what is new.
pub fn changes(before: &[Part], after: &[Part]) -> Vec<Change> {
    let mut found = vec![];
    for (old, new) in before.iter().zip(after) {
        let part = old.title;
        let then: FxHashMap<&str, &String> =
            old.things.iter().map(|(name, text)| (name.as_str(), text)).collect();
        let now: FxHashMap<&str, &String> =
            new.things.iter().map(|(name, text)| (name.as_str(), text)).collect();
        for (name, text) in &old.things {
            let after = now.get(name.as_str()).map(|text| (*text).clone());
            if after.as_ref() != Some(text) {
                found.push(Change { part, name: name.clone(), before: Some(text.clone()), after });
            }
        }
        for (name, text) in new.things.iter().filter(|(name, _)| !then.contains_key(name.as_str())) {
            found.push(Change { part, name: name.clone(), before: None, after: Some(text.clone()) });
        }
    }
    found
}

/// The lines of the gradient of the loss, by what they define.
fn gradient(net: &Model) -> Vec<(String, String)> {
    let Some(Derived { circuit, gradients }) = derived(net) else { return vec![] };
    let lines = backward(&circuit, &gradients, []);
    let things = lines.iter().filter(|line| !matches!(line.stmt.kind, StmtKind::Output { .. }));
    things.filter_map(|line| Some((defined(&line.stmt)?, read(&line.stmt)))).collect()
}

/// The statements of a net by what they define; of blocks and what defines nothing, by how they read.
fn statements(body: &[Stmt]) -> Vec<(String, String)> {
    body.iter().map(|stmt| (defined(stmt).unwrap_or_else(|| read(stmt)), read(stmt))).collect()
}

fn defined(stmt: &Stmt) -> Option<String> {
    match &stmt.kind {
        StmtKind::Define { targets, .. } => {
            let name = |target: &crate::syntax::ast::Target| {
                format!("{}{}", target.name.text, if target.primed { "'" } else { "" })
            };
            Some(targets.iter().map(name).collect::<Vec<_>>().join(", "))
        }
        StmtKind::Output { name, .. } => Some(format!("output {}", name.text)),
        StmtKind::Metric { name, .. } => Some(format!("metric {}", name.text)),
        StmtKind::Declare { decls, .. } => {
            Some(decls.iter().map(|declared| declared.decl.name.text.as_str()).collect::<Vec<_>>().join(", "))
        }
        StmtKind::If { .. } => None,
    }
}

fn read(stmt: &Stmt) -> String {
    stmt_to_string(stmt, 0).trim_end().to_string()
}

/// The lines of an item, each called after the item and what stands left of its `=`.
fn lines(item: &Item) -> Vec<(String, String)> {
    let text = item_to_string(item);
    let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let lines: Vec<String> = lines.filter(|line| !line.is_empty()).collect();
    let head = lines.first().map_or("", |line| line.trim_end_matches('{')).trim().to_string();
    let named = |line: &String| {
        let left = line.split(['=', '~']).next().unwrap_or(line).trim();
        (format!("{head}: {left}"), line.clone())
    };
    // A bracket alone is no difference.
    lines.iter().filter(|line| line.len() > 1).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elaborate::{Choices, from_text, model};

    fn of(text: &str) -> Vec<Part> {
        let program = from_text("example.nn", text).unwrap_or_else(|(_, wrong)| panic!("{wrong:?}"));
        let choices = Choices { training: true, ..Choices::default() };
        let (net, _) = model(&program, None, &choices).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        parts(&program, &net)
    }

    const BEFORE: &str =
        "net n(M = 2) {\n  input x[3]\n  h    = x |> dense(M) |> tanh  # hidden\n  loss = sum[m] h[m]^2\n}\n";

    #[test]
    fn what_reads_the_same_is_the_same() {
        let after = BEFORE.replace("  # hidden", "").replace("  loss =", "  loss    =");
        assert_eq!(changes(&of(BEFORE), &of(&after)), vec![]);
    }

    #[test]
    fn a_change_of_the_model_shows_in_its_gradient() {
        let after = BEFORE.replace("tanh", "relu").replace("M = 2", "M = 4");
        let found = changes(&of(BEFORE), &of(&after));
        let names: Vec<(&str, &str)> =
            found.iter().map(|change| (change.part, change.name.as_str())).collect();
        assert!(names.contains(&("settings", "M")), "{names:?}");
        assert!(names.contains(&("model", "h")), "{names:?}");
        assert!(names.contains(&("parameters", "h.dense.W")), "{names:?}");
        assert!(names.contains(&("gradient", "h_dense_y_bar")), "{names:?}");
        assert!(!names.contains(&("gradient", "h_dense_b_bar")), "{names:?}");
    }
}
