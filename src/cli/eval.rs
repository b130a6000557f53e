//! `nnc eval`

use super::common::{Failed, Session, Source, give_params, say};
use crate::circuit::{Dtype, SlotId};
use crate::diagnostic::{Diagnostic, codes};
use crate::elaborate::model::Model;
use crate::runtime::checkpoint::{self, Loaded, Values, Written};
use crate::runtime::once::{By, Evaluation, Tensor};
use serde_json::json;
use std::path::{Path, PathBuf};

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
    /// In f64 by the reference interpreter, whatever the precision of the program.
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
    let in_f64 = args.f64 || evaluation.dtype == Dtype::F64;
    if !session.json {
        tell_drawn(&evaluation, args.inputs.as_deref());
    }
    let tensors = evaluation.run(by).expect("Cranelift compiles what the planner makes");
    if let Some(path) = &args.out {
        save(&tensors, path, in_f64).map_err(|wrong| session.fail(&[wrong]))?;
    }
    let digits = if in_f64 { 15 } else { 7 };
    for tensor in &tensors {
        if session.json {
            say!("{}", json!({ "name": tensor.name, "dims": tensor.dims, "data": tensor.data }));
        } else {
            say!("{}", line(tensor, digits));
        }
    }
    Ok(())
}

/// The evaluation with the parameters and inputs that are given.
fn prepare(args: &Args, session: &Session, model: &Model) -> Result<Evaluation, Diagnostic> {
    let inputs = args.inputs.as_deref().map(checkpoint::load).transpose()?;
    let names: Vec<&str> = model.inputs.iter().map(|&slot| model.circuit.slot(slot).name.as_str()).collect();
    let first =
        inputs.iter().flat_map(|loaded| &loaded.tensors).find(|tensor| names.contains(&tensor.name.as_str()));
    let n = first.and_then(|tensor| tensor.dims.first()).map_or(args.batch, |&n| n as usize);
    if n == 0 {
        return Err(Diagnostic::error(codes::DATA_MISMATCH, "a batch needs at least one example"));
    }
    let mut evaluation = Evaluation::of_type(model, args.grad, n, session.seed(), session.precision());
    if let Some(loaded) = &inputs {
        let slots: Vec<SlotId> = evaluation.inputs().collect();
        for slot in slots {
            give(&mut evaluation, slot, loaded)?;
        }
    }
    if let Some(path) = &args.params {
        give_params(&mut evaluation, session, path)?;
    }
    Ok(evaluation)
}

/// Tells that the inputs are drawn, where no file gives them: one might take them for the program's data.
fn tell_drawn(evaluation: &Evaluation, inputs: Option<&Path>) {
    let names: Vec<String> =
        evaluation.inputs().map(|slot| format!("`{}`", evaluation.circuit.slot(slot).name)).collect();
    if inputs.is_none() && !names.is_empty() {
        let are = if names.len() == 1 { "is" } else { "are" };
        eprintln!(
            "{} {are} drawn from the seed; `--inputs` gives examples, and `nnc trace` takes them from the data",
            names.join(", ")
        );
    }
}

/// Puts an input of a file in place of the drawn one, if the file has it.
fn give(evaluation: &mut Evaluation, slot: SlotId, loaded: &Loaded) -> Result<(), Diagnostic> {
    let what = evaluation.circuit.slot(slot);
    let Some(tensor) = loaded.tensors.iter().find(|tensor| tensor.name == what.name) else { return Ok(()) };
    let mut dims = vec![evaluation.n as u32];
    dims.extend(&what.shape.dims);
    let told = |message: String| Err(Diagnostic::error(codes::DATA_MISMATCH, message));
    if tensor.dims != dims {
        let (path, name) = (&loaded.path, &what.name);
        return told(format!(
            "`{name}` in `{path}` is {:?}, and the net asks for {dims:?} (batch first)",
            tensor.dims
        ));
    }
    let fits =
        |&x: &f64| what.classes.is_none_or(|classes| x >= 0.0 && x < f64::from(classes) && x.fract() == 0.0);
    if let Some(at) = tensor.data.iter().position(|x| !fits(x)) {
        let classes = what.classes.unwrap_or_default();
        let found = tensor.data[at];
        return told(format!(
            "element {at} of `{}` is {found}, and the class has {classes} cases",
            what.name
        ));
    }
    evaluation.values[slot.0 as usize] = tensor.data.clone();
    Ok(())
}

/// Writes results, each in the precision in which it was computed.
fn save(tensors: &[Tensor], path: &Path, in_f64: bool) -> Result<(), Diagnostic> {
    let dims: Vec<Vec<u32>> = tensors.iter().map(|t| t.dims.iter().map(|&d| d as u32).collect()).collect();
    let narrow: Vec<Vec<f32>> = tensors.iter().map(|t| t.data.iter().map(|&x| x as f32).collect()).collect();
    let values = |k: usize| if in_f64 { Values::F64(&tensors[k].data) } else { Values::F32(&narrow[k]) };
    let written: Vec<Written> =
        (0..tensors.len()).map(|k| (tensors[k].name.as_str(), &dims[k][..], values(k))).collect();
    checkpoint::save(path, &written, &[])
}

/// `first_W_bar [128, 64]  min -0.01  max 0.02  mean 0.0003`, or all of a short array, with so many decimal places.
fn line(tensor: &Tensor, digits: usize) -> String {
    const SHORT: usize = 8;
    let dims = if tensor.dims.is_empty() { String::new() } else { format!(" {:?}", tensor.dims) };
    if tensor.data.len() <= SHORT {
        let values: Vec<String> = tensor.data.iter().map(|x| format!("{x:.digits$}")).collect();
        return format!("{}{dims}  {}", tensor.name, values.join("  "));
    }
    let least = tensor.data.iter().copied().fold(f64::INFINITY, f64::min);
    let most = tensor.data.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mean = tensor.data.iter().sum::<f64>() / tensor.data.len() as f64;
    let digits = digits - 1;
    format!("{}{dims}  min {least:.digits$}  max {most:.digits$}  mean {mean:.digits$}", tensor.name)
}
