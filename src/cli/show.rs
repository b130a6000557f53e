//! `nnc show`

use super::common::{Failed, fail_in, say};
use crate::circuit::Gate;
use crate::circuit::gates::Row;
use crate::diagnostic::{Diagnostic, Sources, codes, nearest};
use crate::elaborate::{DISTRIBUTIONS, prelude};

/// Print an entry of the library: its source, with its documentation.
///
/// The library is written in the language: what is printed can be copied into a file of your own and changed. Of a
/// gate, which is built in, the formula of its derivative is printed. `nnc library` lists all entries.
#[derive(clap::Args)]
pub struct Args {
    /// The entry: dense, softmax, adam, cosine, glorot...; without it, all are listed.
    name: Option<String>,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let Some(name) = args.name else { return super::library::run(super::library::Args::default()) };
    let entries = prelude::entries();
    let mut found: Vec<String> =
        entries.iter().filter(|entry| entry.name == name).map(|entry| entry.text.to_string()).collect();
    found.extend(Gate::called(&name).map(|gate| gate_text(gate.row())));
    let draw = DISTRIBUTIONS.iter().find(|row| row.name == name);
    found.extend(draw.map(|row| format!("# {}\n# A draw that is built in: `x ~ {name}(...)`.", row.doc)));
    if found.is_empty() {
        let names = entries.iter().map(|entry| entry.name);
        let names = names.chain(Gate::all().map(|gate| gate.row().name));
        let wrong = Diagnostic::error(codes::UNKNOWN_NAME, format!("the library has no entry `{name}`"));
        let wrong = match nearest(&name, names) {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong.help("`nnc library` lists all entries"),
        };
        return Err(fail_in(&[wrong], &Sources::default(), false));
    }
    say!("{}", found.join("\n\n"));
    Ok(())
}

/// What is to be said of a gate: what it computes, and its share of a cotangent for each operand.
fn gate_text(row: &Row) -> String {
    let operands = &["a", "b", "c"][..row.arity];
    let mut text =
        format!("# {}\n# A gate, which is built in: y = {}({})", row.doc, row.name, operands.join(", "));
    for (operand, share) in operands.iter().zip(row.vjp) {
        text += &match *share {
            "" => format!("\n# No gradient passes to {operand}."),
            share => format!("\n# {operand}_bar = {share}, where g is y_bar"),
        };
    }
    text
}
