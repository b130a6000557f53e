//! `nnc check`

use super::common::{Failed, Source, missing, say};
use crate::circuit::{Circuit, ValueId};
use crate::differentiate::differences::{Comparison, compare};
use crate::differentiate::differentiate;
use crate::elaborate;
use crate::runtime::build::slot_leaf;
use crate::runtime::once::{Evaluation, compiled, differentiable_slots};
use serde_json::json;

/// Derived and measured derivatives that differ by more than this, relatively, are an error.
const TOLERANCE: f64 = 1e-4;

/// Check a program without running it.
///
/// Reads program and data, finds every size, and tells what is wrong. With --grad the gradient that nnc derives is
/// also compared, in f64, with central differences: the worst of some entries of each parameter and input is shown.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Compare derived gradients with central differences.
    #[arg(long)]
    grad: bool,
    /// Examples to compare on, drawn from the seed.
    #[arg(long, default_value_t = 3, value_name = "N", requires = "grad")]
    batch: usize,
    /// Most entries to compare of each parameter and input, spread evenly.
    #[arg(long, default_value_t = 16, value_name = "N", requires = "grad")]
    entries: usize,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let session = args.source.open()?;
    let (model, _) = (session.model(true)?, session.model(false)?);
    session.lint(&model);
    if session.training.is_some() {
        elaborate::update(&session.program, &session.choices, &model)
            .map_err(|wrong| session.fail(&wrong))?;
    }
    elaborate::check_sweeps(&session.program, &session.choices).map_err(|wrong| session.fail(&wrong))?;
    if !args.grad {
        if !session.json {
            say!("{} is right", args.source.file.display());
        }
        return Ok(());
    }
    let Some(loss) = model.loss else {
        return Err(
            session.fail(&missing("the net has no loss to take gradients of", "add `loss = ...` to the net"))
        );
    };
    let mut evaluation = Evaluation::new(&model, false, args.batch.max(1), session.seed());
    let slots = differentiable_slots(&model);
    let leaves: Vec<_> = slots.iter().map(|&slot| slot_leaf(&mut evaluation.circuit, slot)).collect();
    let gradients = differentiate(&mut evaluation.circuit, loss, &leaves);
    let gradients: Vec<_> = slots.into_iter().zip(gradients).collect();
    let bindings = evaluation.bindings::<f64>();
    let name = |slot| evaluation.circuit.slot(slot).name.as_str();
    let width = gradients.iter().map(|gradient| name(gradient.0).len()).max().unwrap_or(0);
    let native =
        |circuit: &Circuit, values: &[ValueId]| compiled(circuit, values, evaluation.n, session.seed());
    let mut right = true;
    for comparison in compare(&evaluation.circuit, loss, &gradients, &bindings, args.entries, &native) {
        right &= agrees(&comparison);
        if session.json {
            say!("{}", as_json(name(comparison.slot), &comparison));
        } else {
            say!("{}", line(name(comparison.slot), width, &comparison, &evaluation));
        }
    }
    if right { Ok(()) } else { Err(Failed) }
}

fn agrees(comparison: &Comparison) -> bool {
    comparison.worst.is_none_or(|worst| worst.error <= TOLERANCE)
}

/// `first.W  64 of 8192 entries, worst [3, 7]: derived 0.123, difference 0.123 (error 1e-9)`
fn line(name: &str, width: usize, comparison: &Comparison, evaluation: &Evaluation) -> String {
    let shape = &evaluation.circuit.slot(comparison.slot).shape;
    let size = shape.size_for(evaluation.n);
    let of = if comparison.compared == size { String::new() } else { format!(" of {size}") };
    let skipped = match comparison.skipped {
        0 => String::new(),
        count => format!(", {count} beside a kink left out"),
    };
    let entries = if shape.size() == 1 && !shape.batch { "entry" } else { "entries" };
    let begin = format!("{name:width$}  {}{of} {entries}{skipped}", comparison.compared);
    let Some(worst) = comparison.worst else { return begin };
    let mut dims: Vec<usize> = shape.dims.iter().map(|&d| d as usize).collect();
    if shape.batch {
        dims.insert(0, evaluation.n);
    }
    let mark = if agrees(comparison) { "" } else { "  <- they differ" };
    // Differences can be rough: then the derivative may be anywhere about them.
    let rough = worst.uncertainty > TOLERANCE * worst.difference.abs();
    let doubt = if rough { format!(" give or take {:.1e}", worst.uncertainty) } else { String::new() };
    format!(
        "{begin}, worst{}: derived {:.6e}, difference {:.6e}{doubt}, relative error {:.1e}{mark}",
        position(worst.element, &dims),
        worst.derived,
        worst.difference,
        worst.error
    )
}

/// A row-major position as indices, after a space; nothing of a single number.
fn position(mut element: usize, dims: &[usize]) -> String {
    if dims.is_empty() {
        return String::new();
    }
    let mut indices: Vec<String> = vec![];
    for &extent in dims.iter().rev() {
        indices.push((element % extent).to_string());
        element /= extent;
    }
    indices.reverse();
    format!(" [{}]", indices.join(", "))
}

fn as_json(name: &str, comparison: &Comparison) -> serde_json::Value {
    json!({
        "name": name,
        "compared": comparison.compared,
        "skipped": comparison.skipped,
        "agrees": agrees(comparison),
        "worst": comparison.worst.map(|worst| json!({
            "element": worst.element,
            "derived": worst.derived,
            "difference": worst.difference,
            "uncertainty": worst.uncertainty,
            "error": worst.error,
        })),
    })
}
