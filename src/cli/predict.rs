//! `nnc predict`

use super::common::{Failed, Session, Trained, given, missing, part_rows, write_out};
use super::predictions::{Format, Predicted, written};
use crate::diagnostic::{Diagnostic, codes};
use crate::elaborate::model::Model;
use crate::runtime::build::Setup;
use crate::runtime::checkpoint;
use crate::runtime::predict::{Asked, Predictor, add_predictions, inputs_of, named, outputs};
use std::path::PathBuf;

/// What a trained network says of new examples.
///
/// Reads examples from a file, or from standard input, by the statements of the data block, with the vocabularies and
/// statistics of the training run: CSV with the columns that the block reads, JSON lines with the same names, or one
/// array (NPY, IDX). Where the block reads no file (a table in place), columns have the names of the inputs: x, or x_0,
/// x_1, ... of an array.
///
/// Where the net reads from several files, as many are given: in the order in which the data block names those that they
/// replace, or by the name of a column or file there: `x=new.npy z=more.npy`.
///
/// Prints for each example the class with the highest score, if the loss is of one, and the net's outputs; --value asks
/// for others. Classes are given by name.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    trained: Trained,
    /// New examples, a file or NAME=FILE; `-`, or nothing, is standard input.
    #[arg(value_name = "EXAMPLES")]
    examples: Vec<String>,
    /// A part of the program's own data instead: train, validation, test or all.
    #[arg(long, value_name = "PART", conflicts_with = "examples", value_parser = ["train", "validation", "test", "all"])]
    part: Option<String>,
    /// A value to print, by its name in the program; may be repeated.
    #[arg(long, value_name = "NAME")]
    value: Vec<String>,
    /// How to write them; by default as the ending of --out says, else CSV.
    #[arg(long)]
    format: Option<Format>,
    /// Where to write them, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let (loaded, mut session) = args.trained.open()?;
    if args.part.is_some() {
        session.read_data_for(&loaded)?;
    }
    let mut model = session.model(false)?;
    let told = |wrong: Diagnostic| session.fail(&[wrong]);
    let asked = asked(&args, &mut model).map_err(|wrong| session.fail(&wrong))?;
    let format = format(&args);
    if format == Format::Npy && asked.len() != 1 {
        let names: Vec<&str> = asked.iter().map(|asked| asked.name.as_str()).collect();
        let what = format!("a file in NPY format holds one array, and there are {}", names.join(", "));
        return Err(session.fail(&missing(&what, "ask for one of them by `--value`")));
    }
    let ((params, states), weights) = session.weights(&model, &loaded)?;
    let dtype = session.precision();
    let columns = inputs_of(&model, &asked);
    let setup = Setup { capacity: 1, seed: session.seed(), dtype, recompute: false };
    let predictor = Predictor::new(&model, asked, (&params, &states), setup).map_err(told)?;
    let own;
    let (data, rows) = match (&args.part, &session.data) {
        (Some(part), Some(data)) => (data, part_rows(data, part)),
        _ => {
            own = given(&session, &args.examples, &columns)?;
            (&own, own.test.clone())
        }
    };
    session.check_classes(&model, data)?;
    let predicted: Vec<Predicted> = predictor
        .run(&weights, data, &rows)
        .into_iter()
        .zip(predictor.asked())
        .map(|(tensor, asked)| {
            let cases = |count| vocabulary(&session, &model, &asked.name, count);
            let elements = match tensor.dims[1..] {
                [count] if asked.cases.is_none() => cases(count as u32),
                _ => None,
            };
            Predicted { cases: asked.cases.and_then(cases), elements, tensor }
        })
        .collect();
    let bytes = written(&predicted, rows.len(), format, dtype);
    write(&session, &args, &bytes)
}

/// What is asked for: the values of the command line, else predictions and outputs.
fn asked(args: &Args, model: &mut Model) -> Result<Vec<Asked>, Vec<Diagnostic>> {
    if !args.value.is_empty() {
        let mut predictions = None;
        return args
            .value
            .iter()
            .map(|name| {
                let own = named(model, name).map_err(|wrong| vec![wrong])?;
                // The target's own name means what is predicted for it.
                if own.cases.is_none() || model.outputs.iter().any(|output| output.name == *name) {
                    return Ok(own);
                }
                let all = predictions.get_or_insert_with(|| add_predictions(model));
                Ok(all.iter().find(|asked| asked.name == *name).cloned().unwrap_or(own))
            })
            .collect();
    }
    let outputs = outputs(model);
    let mut asked = add_predictions(model);
    asked.retain(|prediction| outputs.iter().all(|output| output.name != prediction.name));
    asked.extend(outputs);
    if asked.is_empty() {
        let what = "the net has no `output`, and no class that its loss holds scores against";
        return Err(missing(what, "name a value of the net: `--value p`; `nnc trace` lists them"));
    }
    Ok(asked)
}

/// The format that is asked for, or that of the ending of `--out`.
fn format(args: &Args) -> Format {
    let ending = args.out.as_ref().and_then(|path| path.extension()?.to_str());
    args.format.unwrap_or(match ending {
        Some("npy") => Format::Npy,
        Some("jsonl" | "json" | "ndjson") => Format::Jsonl,
        _ if args.trained.source.json => Format::Jsonl,
        _ => Format::Csv,
    })
}

/// The names of so many cases: those of the column of that name, else those of the one class of so many.
fn vocabulary(session: &Session, model: &Model, name: &str, count: u32) -> Option<Vec<String>> {
    let data = session.data.as_ref()?;
    let of =
        |column: &str| data.column(column)?.vocabulary.clone().filter(|cases| cases.len() == count as usize);
    if let Some(cases) = of(name) {
        return Some(cases);
    }
    let classes =
        model.inputs.iter().map(|&slot| model.circuit.slot(slot)).filter(|slot| slot.classes == Some(count));
    let mut found: Vec<Vec<String>> = classes.filter_map(|slot| of(&slot.name)).collect();
    found.dedup();
    if found.len() == 1 { found.pop() } else { None }
}

/// Writes to the file that is asked for, whole or not at all, or to standard output.
fn write(session: &Session, args: &Args, bytes: &[u8]) -> Result<(), Failed> {
    match &args.out {
        Some(path) => checkpoint::write_whole(path, bytes).map_err(|wrong| session.fail(&[wrong])),
        None => match std::str::from_utf8(bytes) {
            Ok(text) => {
                write_out(format_args!("{text}"));
                Ok(())
            }
            Err(_) => {
                let wrong =
                    Diagnostic::error(codes::FILE_UNWRITABLE, "an array in NPY format goes to a file");
                Err(session.fail(&[wrong.help("name one: `--out predictions.npy`")]))
            }
        },
    }
}
