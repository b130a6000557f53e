//! `nnc explain`

use super::common::{Failed, fail_in, say};
use crate::diagnostic::{Diagnostic, Sources, codes};
use crate::explain;

/// Explain a gate, a rule or a diagnostic code.
///
/// What a gate computes and how it is differentiated, why a rewrite rule may be used, what a code means and what to do
/// about it: its mathematics, where it comes from, and an example that is computed now. The names beside the lines of
/// nnc grad, and in the messages, can be asked for.
#[derive(clap::Args)]
pub struct Args {
    /// tanh, "*", sum, E0301, neutral, "exp(log(a))"...; without it, all names are listed.
    name: Option<String>,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let Some(name) = args.name else {
        list(args.json);
        return Ok(());
    };
    let topics = explain::explain(&name);
    if topics.is_empty() {
        let wrong = Diagnostic::error(codes::UNKNOWN_NAME, format!("nothing to explain is called `{name}`"));
        let wrong = wrong.help(match explain::like(&name) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "`nnc explain` lists all names; `nnc show` prints entries of the library".into(),
        });
        return Err(fail_in(&[wrong], &Sources::default(), args.json));
    }
    for (k, topic) in topics.iter().enumerate() {
        if args.json {
            say!("{}", topic.to_json());
        } else {
            say!("{}{}", if k > 0 { "\n" } else { "" }, topic.to_string().trim_end());
        }
    }
    Ok(())
}

fn list(json: bool) {
    if json {
        explain::contents_json().iter().for_each(|row| say!("{row}"));
        return;
    }
    for (k, (heading, rows)) in explain::contents().into_iter().enumerate() {
        say!("{}{heading}", if k > 0 { "\n" } else { "" });
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        rows.iter().for_each(|(name, title)| say!("  {name:width$}  {title}"));
    }
}
