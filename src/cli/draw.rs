//! `nnc draw`

use super::common::{Failed, Source, give_params, missing, write_text};
use crate::diagnostic::{Diagnostic, codes};
use crate::picture::{Picture, dot, page, svg};
use crate::runtime::once::Evaluation;
use crate::runtime::trace::{give_row, trace};
use std::path::PathBuf;

/// Draw a network and its gradient.
///
/// The forward circuit and, facing it, the backward one: a box each named value. html is a page of its own, in which
/// layers fold, a value shows its formula, line and rule, and its way to the loss lights up; svg is a still picture; dot is
/// for Graphviz, json for programs.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Format::Svg)]
    format: Format,
    /// Show the values and gradients of this example too: its number among all rows of the data, from 0.
    #[arg(long, value_name = "K")]
    example: Option<usize>,
    /// Parameters and states (safetensors), for --example.
    #[arg(long, value_name = "FILE", requires = "example")]
    params: Option<PathBuf>,
    /// Where it goes, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A page with everything in it.
    Html,
    /// A still picture.
    Svg,
    /// For Graphviz.
    Dot,
    /// For programs.
    Json,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let session = args.source.open()?;
    let model = session.model(true)?;
    if model.loss.is_none() {
        let help = "add `loss = ...` to the net";
        return Err(session.fail(&missing("the net has no loss: there is no gradient to draw", help)));
    }
    let mut traced = None;
    if let Some(example) = args.example {
        let mut evaluation = Evaluation::of_type(&model, false, 1, session.seed(), session.precision());
        if let Some(data) = &session.data {
            if example >= data.rows {
                let message = format!("there is no example {example}: the data has {}", data.rows);
                let wrong = Diagnostic::error(codes::DATA_MISMATCH, message).at(data.span, "this data");
                return Err(session.fail(&[wrong]));
            }
            give_row(&mut evaluation, data, example);
        }
        if let Some(path) = &args.params {
            give_params(&mut evaluation, &session, path).map_err(|wrong| session.fail(&[wrong]))?;
        }
        traced = Some(trace(&model, &evaluation, example));
    }
    let picture = Picture::of(&session.program, &model, traced.as_deref());
    let text = match args.format {
        Format::Html => page::page(&picture),
        Format::Svg => svg::svg(&picture),
        Format::Dot => dot::dot(&picture),
        Format::Json => format!("{}\n", picture.to_json()),
    };
    match &args.out {
        Some(path) => write_text(path, &text),
        None => {
            super::common::write_out(format_args!("{text}"));
            Ok(())
        }
    }
}
