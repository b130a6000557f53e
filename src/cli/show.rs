//! `nnc show`

use super::common::{Failed, fail_in, say};
use crate::diagnostic::{Diagnostic, Sources, codes, nearest};
use crate::elaborate::prelude;

/// Print an entry of the library: its source, with its documentation.
///
/// The library is written in the language: what is printed can be copied into a file of your own and changed.
#[derive(clap::Args)]
pub struct Args {
    /// The entry: dense, softmax, adam, cosine, glorot...; without it, all names are listed.
    name: Option<String>,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let entries = prelude::entries();
    let Some(name) = args.name else {
        for entry in &entries {
            say!("{:10} {:18} {}", entry.keyword, entry.name, summary(entry.text));
        }
        return Ok(());
    };
    let found: Vec<_> = entries.iter().filter(|entry| entry.name == name).collect();
    if found.is_empty() {
        let mut wrong = Diagnostic::error(codes::UNKNOWN_NAME, format!("the library has no entry `{name}`"));
        if let Some(near) = nearest(&name, entries.iter().map(|entry| entry.name)) {
            wrong = wrong.help(format!("did you mean `{near}`?"));
        } else {
            wrong = wrong.help("`nnc show` lists all entries");
        }
        return Err(fail_in(&[wrong], &Sources::default(), false));
    }
    for entry in found {
        say!("{}", entry.text);
    }
    Ok(())
}

/// The first line of an entry's comment.
fn summary(text: &str) -> &str {
    text.lines().next().and_then(|line| line.strip_prefix('#')).map_or("", str::trim)
}
