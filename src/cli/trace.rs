//! `nnc trace`

use super::common::{Failed, Session, Source, columns, say};
use super::given::Given;
use crate::diagnostic::{Diagnostic, codes, nearest};
use crate::elaborate::model::Model;
use crate::picture::board::Board;
use crate::runtime::trace::{Summary, Traced, trace};
use serde_json::{Value, json};

/// Show every value of a network and its gradient, for one example.
///
/// In the order of computation, each named value with the line that it comes from and, beside it, the derivative of
/// this example's loss by it. Arrays are summed up: smallest, largest, mean, norm, and the share of zeros; --value
/// prints one in full. Parameters are those of --params, those after --step updates, else the initial ones.
///
/// With --scalar a small net is gone through gate by gate: each add, multiply and function with the numbers that go in, the
/// one that comes out, and its gradient: for each use the gradient of what uses it, times the slope of the gate there.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    given: Given,
    /// Print this value only, in full; may be repeated.
    #[arg(long, value_name = "PATH", conflicts_with = "scalar")]
    value: Vec<String>,
    /// Print everything in full.
    #[arg(long, conflicts_with = "scalar")]
    full: bool,
    /// The training program (dropout drops, batch statistics are those of this one example).
    #[arg(long)]
    training: bool,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let session = args.source.open()?;
    let model = session.model(args.training)?;
    if args.given.scalar {
        let board = args.given.board(&session, &model).map_err(|wrong| session.fail(&[wrong]))?;
        gates(&session, &board);
        return Ok(());
    }
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
    let evaluation = args.given.evaluation(session, model)?;
    let values = trace(model, &evaluation, args.given.first());
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
    columns(&rows, &[1, 2]);
}

/// Every gate, with the uses of its value: the first beside it, others below.
fn gates(session: &Session, board: &Board) {
    if session.json {
        board.rows().for_each(|row| say!("{row}"));
        return;
    }
    let head = [
        "line",
        "what",
        "",
        "computed as",
        "",
        "in numbers",
        "value",
        "gradient",
        "",
        "of its use: upstream * local",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.iter().map(ToString::to_string).collect()];
    for node in &board.nodes {
        let line = if node.line == 0 { String::new() } else { node.line.to_string() };
        let equals = |is: bool| if is { "=" } else { "" }.to_string();
        let is_gate = !node.symbol.is_empty();
        let gradient = node.gradient.map_or("none".to_string(), number);
        let mut uses = node.shares.iter().map(|share| board.told(share));
        let first = match (uses.next(), node.gradient) {
            (Some(first), _) => first,
            (None, Some(_)) => "the loss itself".into(),
            (None, None) => String::new(),
        };
        let in_numbers = node.numbers.clone();
        rows.push(vec![
            line,
            node.label.clone(),
            equals(is_gate),
            node.formula.clone(),
            equals(is_gate),
            in_numbers,
            number(node.value),
            gradient,
            equals(!node.shares.is_empty()),
            first,
        ]);
        let below = |told: String| {
            let mut row = vec![String::new(); 8];
            row.extend(["+".to_string(), told]);
            row
        };
        rows.extend(uses.map(below));
    }
    columns(&rows, &[1, 3, 5, 9]);
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

/// Value and gradient with all elements, a row of the array a line; of a single number all in one line.
fn full(session: &Session, traced: &Traced) -> String {
    if traced.dims.is_empty() {
        let gradient = traced.gradient.as_deref().map_or("none".into(), |gradient| number(gradient[0]));
        let (name, value, line) = (&traced.name, number(traced.value[0]), place(session, traced));
        return format!("{name}, line {line}: value {value}, gradient {gradient}");
    }
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
