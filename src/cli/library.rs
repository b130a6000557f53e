//! `nnc library`

use super::common::{Failed, say};
use crate::circuit::Gate;
use crate::circuit::gates::Form;
use crate::elaborate::{DISTRIBUTIONS, prelude};
use serde_json::json;

/// List the library: every entry by kind, with its documentation line.
///
/// `nnc show NAME` prints an entry.
#[derive(clap::Args, Default)]
pub struct Args {
    /// List one kind only: activation, loss, layer, initialiser, optimizer, schedule, metric, augmentation, clip, gate or
    /// draw.
    kind: Option<String>,
    /// Print JSON, one object an entry.
    #[arg(long)]
    json: bool,
}

/// A line of the list.
struct Line {
    kind: &'static str,
    name: &'static str,
    doc: &'static str,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let wanted = |line: &Line| args.kind.as_deref().is_none_or(|kind| kind == line.kind);
    let mut kind = "";
    for line in lines().into_iter().filter(wanted) {
        let Line { name, doc, .. } = line;
        if args.json {
            say!("{}", json!({ "kind": line.kind, "name": name, "doc": doc }));
            continue;
        }
        if kind != line.kind {
            say!("{}{}", if kind.is_empty() { "" } else { "\n" }, line.kind);
            kind = line.kind;
        }
        say!("  {name:23} {doc}");
    }
    Ok(())
}

/// The entries written in the language, then what is built in.
fn lines() -> Vec<Line> {
    let entries = prelude::entries();
    let entries =
        entries.iter().map(|entry| Line { kind: entry.kind, name: entry.name, doc: entry.summary() });
    let called = Gate::all().map(Gate::row).filter(|row| row.form == Form::Call);
    let gates = called.map(|row| Line { kind: "gate", name: row.name, doc: row.doc });
    let draws = DISTRIBUTIONS.iter().map(|row| Line { kind: "draw", name: row.name, doc: row.doc });
    entries.chain(gates).chain(draws).collect()
}
