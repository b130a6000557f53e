//! `nnc trace`

use super::common::{Failed, Session, Source, give_params, say};
use crate::diagnostic::{Diagnostic, codes, nearest};
use crate::elaborate::model::Model;
use crate::runtime::once::Evaluation;
use crate::runtime::trace::{Summary, Traced, give_row, trace};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Show every value of a network and its gradient, for one example.
///
/// In the order of computation, each named value with the line that it comes from and, beside it, the derivative of
/// this example's loss by it. Arrays are summed up: smallest, largest, mean, norm, and the share of zeros; --value
/// prints one in full. Parameters are those of --params, else the initial ones.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Which example: its number among all rows of the data, from 0.
    #[arg(long, default_value_t = 0, value_name = "K")]
    example: usize,
    /// Parameters and states (safetensors).
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Print this value only, in full; may be repeated.
    #[arg(long, value_name = "PATH")]
    value: Vec<String>,
    /// Print everything in full.
    #[arg(long)]
    full: bool,
    /// The training program (dropout drops, batch statistics are those of this one example).
    #[arg(long)]
    training: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let session = args.source.open()?;
    let model = session.model(args.training)?;
    let mut values = traced(&args, &session, &model).map_err(|wrong| session.fail(&[wrong]))?;
    if !args.value.is_empty() {
        values.retain(|traced| args.value.contains(&traced.name));
    }
    if session.json {
        values.iter().for_each(|traced| say!("{}", object(&args, &session, traced)));
    } else if args.full || !args.value.is_empty() {
        values.iter().for_each(|traced| say!("{}", full(&session, traced)));
    } else {
        table(&session, &values);
    }
    Ok(())
}

fn traced(args: &Args, session: &Session, model: &Model) -> Result<Vec<Traced>, Diagnostic> {
    let mut evaluation = Evaluation::of_type(model, false, 1, session.seed(), session.precision());
    if let Some(data) = &session.data {
        if args.example >= data.rows {
            let (k, rows) = (args.example, data.rows);
            let message = format!("there is no example {k}: the data has {rows}");
            return Err(Diagnostic::error(codes::DATA_MISMATCH, message).at(data.span, "this data"));
        }
        give_row(&mut evaluation, data, args.example);
    }
    if let Some(path) = &args.params {
        give_params(&mut evaluation, session, path)?;
    }
    let values = trace(model, &evaluation, args.example);
    for asked in &args.value {
        if values.iter().all(|traced| traced.name != *asked) {
            let near = nearest(asked, values.iter().map(|traced| traced.name.as_str()));
            let wrong = Diagnostic::error(codes::UNKNOWN_NAME, format!("the net computes no `{asked}`"));
            return Err(match near {
                Some(near) => wrong.help(format!("did you mean `{near}`?")),
                None => wrong.help("without `--value` all are listed"),
            });
        }
    }
    Ok(values)
}

/// `16`, or the file too for a line of another one.
fn place(session: &Session, traced: &Traced) -> String {
    let Some(span) = traced.line else { return String::new() };
    let number = session.program.sources.line(span);
    if span.file.0 == 0 {
        number.to_string()
    } else {
        format!("{}:{number}", session.program.sources.get(span.file).name)
    }
}

fn table(session: &Session, values: &[Traced]) {
    let head = [
        "line",
        "value",
        "shape",
        "min",
        "max",
        "mean",
        "norm",
        "zeros",
        "gradient: min",
        "max",
        "norm",
        "zeros",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.iter().map(ToString::to_string).collect()];
    for traced in values {
        let shape: Vec<String> = traced.dims.iter().map(ToString::to_string).collect();
        let mut row = vec![place(session, traced), traced.name.clone(), shape.join(" x ")];
        let value = Summary::of(&traced.value);
        row.extend([value.min, value.max, value.mean, value.norm].map(number));
        row.push(percent(value.zeros));
        match traced.gradient.as_deref().map(Summary::of) {
            Some(slope) => {
                row.extend([slope.min, slope.max, slope.norm].map(number));
                row.push(percent(slope.zeros));
            }
            None => row.push("none".into()),
        }
        rows.push(row);
    }
    let width = |k: usize| rows.iter().filter_map(|row| row.get(k)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).map(|k| width(k).unwrap_or(0)).collect();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(k, (cell, &width))| match k {
            1 | 2 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        say!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// A number in four digits.
fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".into(),
        size if !size.is_finite() => format!("{x}"),
        size if (1e-3..1e5).contains(&size) => format!("{x:.4}"),
        _ => format!("{x:.2e}"),
    }
}

fn percent(share: f64) -> String {
    if share == 0.0 { String::new() } else { format!("{:.0} %", 100.0 * share) }
}

/// Value and gradient with all elements, a row of the array a line.
fn full(session: &Session, traced: &Traced) -> String {
    let mut text = format!("{} {:?}, line {}", traced.name, traced.dims, place(session, traced));
    text.push_str(&rows("value", &traced.dims, &traced.value));
    match &traced.gradient {
        Some(gradient) => text.push_str(&rows("gradient", &traced.dims, gradient)),
        None => text.push_str("\n  no gradient"),
    }
    text
}

fn rows(what: &str, dims: &[usize], data: &[f64]) -> String {
    let row = dims.last().copied().unwrap_or(1).max(1);
    let line = |row: &[f64]| row.iter().map(|&x| format!("{:>10}", number(x))).collect::<String>();
    let lines: Vec<String> = data.chunks(row).map(line).collect();
    format!("\n  {what}\n  {}", lines.join("\n  "))
}

fn object(args: &Args, session: &Session, traced: &Traced) -> Value {
    let of = |data: &[f64]| {
        let Summary { min, max, mean, norm, zeros, bad } = Summary::of(data);
        let mut object =
            json!({ "min": min, "max": max, "mean": mean, "norm": norm, "zeros": zeros, "not_finite": bad });
        if args.full || !args.value.is_empty() {
            object["data"] = json!(data);
        }
        object
    };
    json!({
        "name": traced.name,
        "line": traced.line.map(|span| session.program.sources.line(span)),
        "file": traced.line.map(|span| session.program.sources.get(span.file).name.clone()),
        "dims": traced.dims,
        "value": of(&traced.value),
        "gradient": traced.gradient.as_deref().map(of),
    })
}
