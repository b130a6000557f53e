//! `nnc fmt`

use super::common::{Failed, fail_in, read_text, say};
use crate::diagnostic::Sources;
use crate::syntax;
use std::path::PathBuf;

/// Format .nn files: indentation, spacing, one blank line at most. Comments stay.
///
/// Formatting twice changes nothing more, and no program changes its meaning.
#[derive(clap::Args)]
pub struct Args {
    /// The files, rewritten in place.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write nothing; fail if a file is not formatted.
    #[arg(long)]
    check: bool,
    /// Print the formatted text instead of rewriting the file.
    #[arg(long, conflicts_with = "check")]
    stdout: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let mut unformatted = false;
    for path in &args.files {
        let text = read_text(path)?;
        let mut sources = Sources::default();
        let file = sources.add(path.display().to_string(), text.clone());
        let formatted = syntax::format(file, &text).map_err(|wrong| fail_in(&wrong, &sources, false))?;
        if args.stdout {
            super::common::write_out(format_args!("{formatted}"));
        } else if formatted != text {
            if args.check {
                say!("{} is not formatted", path.display());
                unformatted = true;
            } else {
                super::common::write_text(path, &formatted)?;
            }
        }
    }
    if unformatted { Err(Failed) } else { Ok(()) }
}
