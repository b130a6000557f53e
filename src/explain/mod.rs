//! What the compiler knows of its own tables, for a reader: a gate, a rule of differentiation, a family of rewrite
//! rules, a diagnostic code. Each is generated from its row; what an example shows is computed when it is asked for.

mod codes;
mod gates;
pub mod reference;
mod rewrites;
mod rules;
#[cfg(test)]
mod tests;

use crate::diagnostic::nearest;
use serde_json::{Value, json};

/// What is to be said of a row of a table.
#[derive(Clone, PartialEq, Debug)]
pub struct Topic {
    /// Of which table: `gate`, `rule`, `rewrite`, `code`.
    pub kind: &'static str,
    /// By which it is asked for.
    pub name: String,
    /// In a line.
    pub title: String,
    /// Headings, each with what stands under it.
    pub parts: Vec<(&'static str, String)>,
}

/// A table that can be asked.
struct Table {
    kind: &'static str,
    heading: &'static str,
    /// Names and titles, in the order of the table.
    names: fn() -> Vec<(String, String)>,
    /// What is to be said of one.
    topic: fn(&str) -> Option<Topic>,
}

const TABLES: [Table; 4] = [
    Table { kind: "gate", heading: "Gates", names: gates::names, topic: gates::topic },
    Table {
        kind: "rule",
        heading: "Rules of differentiation for what is no gate",
        names: rules::names,
        topic: rules::topic,
    },
    Table { kind: "rewrite", heading: "Rewrite rules", names: rewrites::names, topic: rewrites::topic },
    Table { kind: "code", heading: "Diagnostic codes", names: codes::names, topic: codes::topic },
];

/// Everything that is called by a name: a gate and a reducer may share one.
pub fn explain(name: &str) -> Vec<Topic> {
    TABLES.iter().filter_map(|table| (table.topic)(name)).collect()
}

/// The name that is likest to one that nothing has.
pub fn like(name: &str) -> Option<String> {
    let names: Vec<String> = TABLES.iter().flat_map(|table| (table.names)()).map(|(name, _)| name).collect();
    nearest(name, names.iter().map(String::as_str)).map(String::from)
}

/// All names, with what they stand for in a line: heading, then rows.
pub fn contents() -> Vec<(&'static str, Vec<(String, String)>)> {
    TABLES.iter().map(|table| (table.heading, (table.names)())).collect()
}

/// All names as JSON: one object each.
pub fn contents_json() -> Vec<Value> {
    let of = |table: &Table| {
        let kind = table.kind;
        let row =
            move |(name, title): (String, String)| json!({ "kind": kind, "name": name, "title": title });
        (table.names)().into_iter().map(row).collect::<Vec<Value>>()
    };
    TABLES.iter().flat_map(of).collect()
}

impl Topic {
    /// As JSON: `kind`, `name`, `title`, and an object of its parts.
    pub fn to_json(&self) -> Value {
        let parts: serde_json::Map<String, Value> =
            self.parts.iter().map(|(heading, text)| ((*heading).to_string(), json!(text))).collect();
        json!({ "kind": self.kind, "name": self.name, "title": self.title, "parts": parts })
    }
}

impl std::fmt::Display for Topic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.title)?;
        for (heading, text) in &self.parts {
            writeln!(f, "\n{heading}")?;
            text.lines().try_for_each(|line| writeln!(f, "{}", format!("  {line}").trim_end()))?;
        }
        Ok(())
    }
}

/// The lines of the gradient that a small program has; `None` if it has none.
fn derived_lines(program: &str) -> Option<String> {
    use crate::elaborate::{Choices, from_text, model};
    let program = from_text("example.nn", program).ok()?;
    let made = |training| {
        let choices = Choices { training, ..Choices::default() };
        model(&program, None, &choices).ok().map(|(model, _)| model)
    };
    let models = (made(true)?, made(false)?);
    let text = crate::listing::gradient_program(&program.sources, &program.file, &models.0, &models.1);
    let (_, lines) = text.split_once("# The gradient of ")?;
    let (_, lines) = lines.split_once("\n\n")?;
    let (lines, _) = lines.split_once("\n  output ")?;
    let shown = lines.lines().map(|line| line.strip_prefix("  ").unwrap_or(line));
    Some(shown.collect::<Vec<_>>().join("\n").trim().to_string())
}
