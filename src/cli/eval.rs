//! `nnc eval`

use super::common::{Failed, Session, Source};
use crate::diagnostic::{Diagnostic, codes};
use crate::elaborate::model::Model;
use crate::runtime::checkpoint;
use crate::runtime::once::{By, Evaluation, Tensor};
use serde_json::json;
use std::path::PathBuf;

/// Evaluate a network once, without training.
///
/// Computes the outputs and the mean loss and, with --grad, the gradient of every parameter (x_bar is the gradient
/// by x) and of every input, for one batch. Parameters and inputs are read from safetensors files under the names
/// that the program gives them (first.W; an input has the batch as first dimension); what is missing is drawn from
/// the seed. So nnc can be held against any other framework.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Parameters and states (safetensors).
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Inputs and targets (safetensors).
    #[arg(long, value_name = "FILE")]
    inputs: Option<PathBuf>,
    /// Number of examples, where no input tells it.
    #[arg(long, default_value_t = 4, value_name = "N")]
    batch: usize,
    /// Gradients as well.
    #[arg(long)]
    grad: bool,
    /// Evaluate the training program (dropout drops, batch statistics are the batch's).
    #[arg(long)]
    training: bool,
    /// In f64, by the reference interpreter.
    #[arg(long)]
    f64: bool,
    /// By the reference interpreter instead of native code.
    #[arg(long)]
    interpret: bool,
    /// Where the results go (safetensors).
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let session = args.source.open()?;
    let model = session.model(args.training)?;
    let evaluation = prepare(&args, &session, &model).map_err(|wrong| session.fail(&[wrong]))?;
    let by = match (args.f64, args.interpret) {
        (true, _) => By::InterpreterF64,
        (false, true) => By::Interpreter,
        (false, false) => By::Native,
    };
    let tensors = evaluation.run(by).expect("Cranelift compiles what the planner makes");
    if let Some(path) = &args.out {
        checkpoint::save_tensors(path, &tensors, args.f64).map_err(|wrong| session.fail(&[wrong]))?;
    }
    for tensor in &tensors {
        if session.json {
            println!("{}", json!({ "name": tensor.name, "dims": tensor.dims, "data": tensor.data }));
        } else {
            println!("{}", line(tensor));
        }
    }
    Ok(())
}

/// The evaluation with the parameters and inputs that are given.
fn prepare(args: &Args, session: &Session, model: &Model) -> Result<Evaluation, Diagnostic> {
    let inputs = args.inputs.as_deref().map(checkpoint::load).transpose()?;
    let names: Vec<&str> = model.inputs.iter().map(|&slot| model.circuit.slot(slot).name.as_str()).collect();
    let first = inputs.iter().flat_map(|loaded| &loaded.tensors).find(|tensor| names.contains(&tensor.name.as_str()));
    let n = first.and_then(|tensor| tensor.dims.first().copied()).unwrap_or(args.batch);
    if n == 0 {
        return Err(Diagnostic::error(codes::DATA_MISMATCH, "a batch needs at least one example"));
    }
    let mut evaluation = Evaluation::new(model, args.grad, n, session.seed());
    if let (Some(loaded), Some(path)) = (&inputs, &args.inputs) {
        for (slot, data) in &mut evaluation.inputs {
            let what = model.circuit.slot(*slot);
            let Some(tensor) = loaded.tensors.iter().find(|tensor| tensor.name == what.name) else { continue };
            let mut dims = vec![n];
            dims.extend(what.shape.dims.iter().map(|&d| d as usize));
            checkpoint::expect_dims(tensor, &dims, path)?;
            checkpoint::expect_classes(tensor, what.classes, path)?;
            data.copy_from_slice(&tensor.data);
        }
    }
    if let Some(path) = &args.params {
        let loaded = checkpoint::load(path)?;
        evaluation.weights = checkpoint::weights(&loaded, path, &evaluation.params, &evaluation.states)?;
    }
    Ok(evaluation)
}

/// `first_W_bar [128, 64]  min -0.01  max 0.02  mean 0.0003`, or all of a short array.
fn line(tensor: &Tensor) -> String {
    const SHORT: usize = 8;
    let dims = if tensor.dims.is_empty() { String::new() } else { format!(" {:?}", tensor.dims) };
    if tensor.data.len() <= SHORT {
        let values: Vec<String> = tensor.data.iter().map(|x| format!("{x:.7}")).collect();
        return format!("{}{dims}  {}", tensor.name, values.join("  "));
    }
    let least = tensor.data.iter().copied().fold(f64::INFINITY, f64::min);
    let most = tensor.data.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = tensor.data.iter().sum::<f64>() / tensor.data.len() as f64;
    format!("{}{dims}  min {least:.6}  max {most:.6}  mean {mean:.6}", tensor.name)
}
