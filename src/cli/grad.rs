//! `nnc grad`

use super::common::{Failed, Session, Source, missing, say};
use crate::diagnostic::{Diagnostic, codes};
use crate::listing::{self, Line, Request, Unmet};
use crate::syntax::stmt_to_string;
use serde_json::json;

/// Print the gradient of a network as a program.
///
/// The model's own text, followed by the backward circuit that nnc derives from it and runs: one line for the
/// cotangent of each value (x_bar is the derivative of the loss by x), in sections, each under the line of the model
/// that it comes from, each line with the rule that gave it. What is printed is legal .nn: nnc check and nnc eval read
/// it back.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// The gradient by this value only: a parameter, an input, or any value by its path; may be repeated.
    #[arg(long, value_name = "PATH")]
    wrt: Vec<String>,
    /// Of this value instead of the loss: a metric, an output, or any single number.
    #[arg(long, value_name = "PATH")]
    of: Option<String>,
    /// As the chain rule gives it, before anything is simplified. Read back it may be rounded otherwise: a sum that gets a
    /// line of its own is no longer one with the sum around it.
    #[arg(long)]
    raw: bool,
    /// Print what the copies of a repeated layer share once, with their count: shorter to read, and no program.
    #[arg(long)]
    fold: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let session = args.source.open()?;
    let models = (&session.model(true)?, &session.model(false)?);
    let request = Request { of: args.of, wrt: args.wrt, raw: args.raw };
    let program = &session.program;
    if session.json {
        let lines = listing::requested_lines(&program.file, models.0, &request);
        let lines = lines.map_err(|unmet| session.fail(&[refusal(&unmet)]))?;
        lines.iter().for_each(|line| say!("{}", object(&session, line)));
        return Ok(());
    }
    let text = listing::requested_program(&program.sources, &program.file, models, &request, args.fold);
    let text = text.map_err(|unmet| session.fail(&[refusal(&unmet)]))?;
    super::common::write_out(format_args!("{text}"));
    Ok(())
}

/// A line as JSON: its statement, the statement of the model that it came from, the rules, and what it is a sum of.
fn object(session: &Session, line: &Line) -> serde_json::Value {
    let sources = &session.program.sources;
    let place = line.place.as_ref().map(|place| {
        json!({
            "owner": place.owner,
            "line": sources.line(place.line),
            "file": sources.get(place.line.file).name,
            "text": sources.slice(place.span),
        })
    });
    let uses: Vec<&str> = line.uses.iter().map(|&span| sources.slice(span)).collect();
    json!({
        "statement": stmt_to_string(&line.stmt, 0).trim_end(),
        "place": place,
        "rules": line.rules,
        "uses": uses,
        "of": line.span.map(|span| sources.slice(span)),
    })
}

/// What is told of a request that cannot be met.
fn refusal(unmet: &Unmet) -> Diagnostic {
    match unmet {
        Unmet::NoLoss => {
            let what = "the net has no loss: there is nothing to take a gradient of";
            missing(what, "add `loss = ...` to the net, or name another value: `--of y`").remove(0)
        }
        Unmet::Unknown(path, near) => {
            let message = format!("the net has no value `{path}`");
            let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, message);
            diagnostic.help(match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => "a value is named by its path: `out.W`, `h`".into(),
            })
        }
        Unmet::NotScalar(path) => {
            let message = format!("only a single number has a gradient, and `{path}` is an array");
            Diagnostic::error(codes::EXPECTED_SCALAR, message)
                .help("define a number in the net: a sum, or one element")
        }
        Unmet::NotReal(path) => {
            let message = format!("`{path}` has no gradient: it is no real number");
            Diagnostic::error(codes::GRADIENT_UNDEFINED, message)
                .help("a gradient is of a real number, by real numbers")
        }
    }
}
