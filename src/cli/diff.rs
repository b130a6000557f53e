//! `nnc diff`

use super::common::{Failed, Session, Source, say};
use crate::listing::changes::{Change, Part, changes, parts};
use serde_json::json;
use std::path::PathBuf;

/// Tell what is different between two programs.
///
/// In what they say (data, definitions, settings, the net, training), in what they learn (parameters and their shapes),
/// and in the gradient that follows: so that it is seen what a change of the model does to its backward circuit. How a
/// program is spaced, and its comments, make no difference.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// The program to compare it with.
    #[arg(value_name = "OTHER.nn")]
    other: PathBuf,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let described = |source: &Source| -> Result<Vec<Part>, Failed> {
        let session: Session = source.open()?;
        Ok(parts(&session.program, &session.model(true)?))
    };
    let before = described(&args.source)?;
    let after = described(&Source { file: args.other, ..args.source.clone() })?;
    let found = changes(&before, &after);
    if args.source.json {
        found.iter().for_each(|change| say!("{}", object(change)));
    } else if found.is_empty() {
        say!("no difference");
    } else {
        print(&found);
    }
    Ok(())
}

fn print(found: &[Change]) {
    let mut part = "";
    for change in found {
        if change.part != part {
            say!("{}{}", if part.is_empty() { "" } else { "\n" }, change.part);
            part = change.part;
        }
        for (sign, text) in [('-', &change.before), ('+', &change.after)] {
            text.iter().flat_map(|text| text.lines()).for_each(|line| say!("  {sign} {line}"));
        }
    }
}

fn object(change: &Change) -> serde_json::Value {
    json!({ "part": change.part, "name": change.name, "before": change.before, "after": change.after })
}
