//! `nnc draw`

use super::common::{Failed, Session, Source, missing, write_text};
use super::given::Given;
use crate::elaborate::model::Model;
use crate::picture::{Picture, board, dot, page, svg};
use crate::runtime::trace::trace;
use std::path::PathBuf;

/// Draw a network and its gradient.
///
/// The forward circuit and, facing it, the backward one: a box each named value. html is a page of its own, in which
/// layers fold, a value shows its formula, line and rule, and its way to the loss lights up; svg is a still picture; dot is
/// for Graphviz, json for programs. With --example the page shows what that example computes, too.
///
/// With --scalar a small net is drawn as on a whiteboard: each add, multiply and function of one example, the value above
/// its wire and the gradient below.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// In which form.
    #[arg(long, value_enum, default_value_t = Format::Svg)]
    format: Format,
    #[command(flatten)]
    given: Given,
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
    let text = if args.given.scalar {
        whiteboard(&args, &session, &model)?
    } else {
        facing(&args, &session, &model)?
    };
    match &args.out {
        Some(path) => write_text(path, &text),
        None => {
            super::common::write_out(format_args!("{text}"));
            Ok(())
        }
    }
}

/// The forward and the backward circuit, named value by named value.
fn facing(args: &Args, session: &Session, model: &Model) -> Result<String, Failed> {
    let mut traced = None;
    if args.given.asks_for_an_example() {
        let evaluation = args.given.evaluation(session, model).map_err(|wrong| session.fail(&[wrong]))?;
        traced = Some(trace(model, &evaluation, args.given.first()));
    }
    let picture = Picture::of(&session.program, model, traced.as_deref());
    Ok(match args.format {
        Format::Html => page::page(&picture),
        Format::Svg => svg::svg(&picture),
        Format::Dot => dot::dot(&picture),
        Format::Json => format!("{}\n", picture.to_json()),
    })
}

/// One example, gate by gate.
fn whiteboard(args: &Args, session: &Session, model: &Model) -> Result<String, Failed> {
    let drawn = args.given.board(session, model).map_err(|wrong| session.fail(&[wrong]))?;
    Ok(match args.format {
        Format::Html => board::page::page(&drawn),
        Format::Svg => board::svg::svg(&drawn),
        Format::Dot => board::dot::dot(&drawn),
        Format::Json => format!("{}\n", drawn.to_json()),
    })
}
