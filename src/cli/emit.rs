//! `nnc emit`

use super::common::{Failed, Session, Source, missing, say};
use crate::codegen::Options;
use crate::elaborate;
use crate::listing;
use crate::plan;
use crate::runtime::build::{Setup, Stage, build_with, simplify_stage, step_stages, training_stage};
use crate::runtime::layout::Layout;

/// Print what a stage of the compiler makes of a program.
///
/// Every stage between source and machine code can be read: the syntax tree, the circuit of gates, the circuit with
/// its backward part, the simplified one, the schedule of loops (what is fused, and why), Cranelift's code, and the
/// machine's.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Which stage.
    #[arg(long, value_enum, default_value_t = Which::Plan)]
    stage: Which,
    /// For how many threads.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    threads: u16,
}

/// A stage that can be printed.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// The syntax tree.
    Ast,
    /// The forward circuit.
    Circuit,
    /// Forward and backward, as derived.
    Grad,
    /// Forward and backward, simplified.
    Simplified,
    /// The schedule of a training step.
    Plan,
    /// Cranelift's intermediate code of a step.
    Clif,
    /// Machine code of a step.
    Asm,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    if args.stage == Which::Ast {
        let text = super::common::read_text(&args.source.file)?;
        let mut sources = crate::diagnostic::Sources::default();
        let file = sources.add(args.source.file.display().to_string(), text.clone());
        let (tree, wrong) = crate::syntax::parse(file, &text);
        say!("{tree:#?}");
        return if wrong.is_empty() {
            Ok(())
        } else {
            Err(super::common::fail_in(&wrong, &sources, args.source.json))
        };
    }
    let session = args.source.open()?;
    super::common::write_out(format_args!("{}", print(&session, args.stage, usize::from(args.threads))?));
    Ok(())
}

fn print(session: &Session, which: Which, threads: usize) -> Result<String, Failed> {
    let model = session.model(true)?;
    let params = Layout::of(&model.circuit, &model.params);
    let states = Layout::of(&model.circuit, &model.states);
    if which == Which::Circuit || model.loss.is_none() {
        let outputs = model.outputs.iter().map(|output| output.value);
        let roots: Vec<_> = model.loss.into_iter().chain(outputs).collect();
        return match which {
            Which::Circuit => Ok(listing::circuit_listing(&model.circuit, &roots)),
            _ => {
                Err(session
                    .fail(&missing("the net has no loss to be trained by", "add `loss = ...` to the net")))
            }
        };
    }
    let step = training_stage(&model, &params, &states);
    let listed = |stage: &Stage| {
        let roots: Vec<_> = stage.wanted.iter().map(|wanted| wanted.0).collect();
        listing::circuit_listing(&stage.circuit, &roots)
    };
    match which {
        Which::Grad => return Ok(listed(&step)),
        Which::Simplified => return Ok(listed(&simplify_stage(step))),
        _ => {}
    }
    let mut stages = vec![step];
    if session.training.is_some() {
        let update = elaborate::update(&session.program, &session.choices, &model);
        let update = update.map_err(|wrong| session.fail(&wrong))?;
        stages = step_stages(&model, &Layout::of(&model.circuit, &update.order), &states, &update);
    }
    let capacity = session.training.as_ref().map_or(1, |training| training.batch);
    let recompute = session.training.as_ref().is_some_and(|training| training.recompute);
    let setup = Setup { capacity, seed: session.seed(), dtype: session.precision(), recompute };
    let options = Options { listing: true, threads, ..Options::default() };
    let built = build_with(stages, setup, options).expect("Cranelift compiles what the planner makes");
    Ok(match which {
        Which::Plan => plan::print::print(&built.schedule),
        Which::Clif => built.module.clif().to_string(),
        _ => built.module.asm().to_string(),
    })
}
