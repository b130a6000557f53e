//! `nnc test`

use super::common::{Failed, Trained, given, missing, say};
use super::progress::{figures_json, part_name};
use super::summary::{figures, grouped, table};
use crate::elaborate::model::Part;
use crate::runtime::evaluate::{Evaluator, Figures};
use serde_json::json;

/// How good trained parameters are: loss and metrics.
///
/// On each part of the program's own data, on the one that --part names, or on other examples: a file that is read by the
/// statements of the data block, with the vocabularies and statistics of the training run.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    trained: Trained,
    /// Other examples, with their targets, a file or, of several, NAME=FILE each; `-` is standard input.
    #[arg(value_name = "EXAMPLES")]
    examples: Vec<String>,
    /// Only this part of the program's own data: train, validation or test.
    #[arg(long, value_name = "PART", conflicts_with = "examples", value_parser = ["train", "validation", "test"])]
    part: Option<String>,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let (loaded, mut session) = args.trained.open()?;
    if args.examples.is_empty() {
        session.read_data_for(&loaded)?;
    }
    let model = session.model(false)?;
    let ((params, states), weights) = session.weights(&model, &loaded)?;
    let own;
    let data = match (&args.examples[..], &session.data) {
        ([], Some(data)) => data,
        ([], None) => {
            let help = "name a file with examples, or write `train NET on DATA { ... }`";
            return Err(
                session.fail(&missing("the program has no `train` block, which names its data", help))
            );
        }
        (examples, _) => {
            let columns: Vec<String> =
                model.inputs.iter().map(|&slot| model.circuit.slot(slot).name.clone()).collect();
            own = given(&session, examples, &columns)?;
            &own
        }
    };
    session.check_classes(&model, data)?;
    let evaluator = Evaluator::new(&model, &params, &states, session.seed(), session.precision())
        .expect("Cranelift compiles what the planner makes");
    let parts = [Part::Train, Part::Validation, Part::Test];
    let wanted = |part: &Part| args.part.as_ref().is_none_or(|wanted| wanted == part_name(*part));
    let found: Vec<Figures> =
        parts.into_iter().filter(wanted).filter_map(|part| evaluator.figures(&weights, data, part)).collect();
    if found.is_empty() {
        let what = format!("the data has no part `{}`", args.part.as_deref().unwrap_or("test"));
        return Err(session
            .fail(&missing(&what, "write `test = 20%` in the data block, or name a file with examples")));
    }
    for part in &found {
        let name = if !args.examples.is_empty() { "examples" } else { part_name(part.part) };
        if session.json {
            say!("{}", json!({ "part": name, "examples": part.rows, "figures": figures_json(part) }));
            continue;
        }
        say!("{name:10}  {}  ({} examples)", figures(part), grouped(part.rows as u64));
        part.arrays.iter().for_each(|array| say!("{}", table(array)));
    }
    Ok(())
}
