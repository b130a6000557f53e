//! `nnc run`

use super::common::{Failed, Session, Source, Threads, missing, say};
use super::progress::{Display, figures_json, part_name};
use super::summary::{figures, grouped, summary, table};
use crate::diagnostic::Diagnostic;
use crate::elaborate;
use crate::elaborate::model::Model;
use crate::runtime::health::{Health, LayerHealth, Reading};
use crate::runtime::train::{Outcome, Trainer};
use crate::runtime::weights::Weights;
use crate::runtime::{checkpoint, provenance};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::time::Instant;

/// Train a network.
///
/// Reads the data, compiles forward, backward and update to native code, and runs the `train` block. Any setting of
/// the net or of its training can be changed here: --set width=64 --set batch=16 --set 'optimizer=sgd(lr = 0.1)'.
/// At the end stand the figures on each part of the data, the held-out part last.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    threads: Threads,
    /// Passes over the training data, instead of the program's.
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// Write the trained parameters there (safetensors).
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Begin from the parameters in this file (safetensors).
    #[arg(long, value_name = "FILE")]
    load: Option<PathBuf>,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let mut source = args.source;
    source.settings.extend(args.epochs.map(|epochs| ("epochs".to_string(), epochs.to_string())));
    let began = Instant::now();
    let session = source.open()?;
    let (Some(training), Some(data)) = (&session.training, &session.data) else {
        let help = "add `train NET on DATA { optimizer = adam(lr = 1e-3) ... }`";
        return Err(session.fail(&missing("the program has no `train` block: there is nothing to run", help)));
    };
    let reading = began.elapsed();
    let (model, inference) = (session.model(true)?, session.model(false)?);
    session.lint(&model);
    let parameters = model.params.iter().map(|&slot| model.circuit.slot(slot).shape.size()).sum::<usize>();
    let update = elaborate::update(&session.program, &session.choices, &model)
        .map_err(|wrong| session.fail(&wrong))?;
    let options = Options { threads: args.threads.count(), ..Options::default() };
    let mut trainer = Trainer::with(&model, &inference, &update, training, data, options)
        .expect("Cranelift compiles what the planner makes");
    let compiling = began.elapsed() - reading;
    if let Some(path) = &args.load {
        load(&session, &mut trainer, path).map_err(|wrong| session.fail(&[wrong]))?;
    }
    if session.json {
        say!(
            "{}",
            json!({ "event": "start", "net": model.name, "parameters": parameters,
            "compile_ms": compiling.as_secs_f64() * 1e3, "read_ms": reading.as_secs_f64() * 1e3 })
        );
    } else {
        super::common::write_out(format_args!("{}", summary(&model, parameters, trainer.built(), compiling)));
    }
    let mut display =
        Display::new(trainer.steps_per_epoch() * u64::from(training.epochs), training.epochs, session.json);
    let outcome = trainer.run(&mut display);
    display.finish();
    let outcome = outcome.map_err(|broken| {
        health(&session, &broken.health);
        session.fail(&[*broken.wrong])
    })?;
    health(&session, &outcome.health);
    report(&session, &outcome);
    match &args.save {
        Some(path) => {
            save(&session, &model, &trainer, &outcome.weights, path).map_err(|wrong| session.fail(&[wrong]))
        }
        None => Ok(()),
    }
}

/// What the run gave.
fn report(session: &Session, outcome: &Outcome) {
    let rate = outcome.steps as f64 / outcome.training_time.as_secs_f64().max(1e-9);
    if session.json {
        let parts = outcome.figures.iter().map(|f| (part_name(f.part).to_string(), figures_json(f)));
        say!(
            "{}",
            json!({ "event": "end", "epochs": outcome.epochs, "steps": outcome.steps,
            "seconds": outcome.elapsed.as_secs_f64(), "steps_per_second": rate, "stopped_early": outcome.stopped,
            "kept_epoch": outcome.kept, "figures": Value::Object(parts.collect::<Map<_, _>>()) })
        );
        return;
    }
    if outcome.stopped {
        say!("stopped after epoch {}: no better for as many epochs as `stop` says", outcome.epochs);
    }
    if outcome.kept != outcome.epochs {
        say!("kept the parameters of epoch {}", outcome.kept);
    }
    for part in &outcome.figures {
        say!("{:10}  {}  ({} examples)", part_name(part.part), figures(part), grouped(part.rows as u64));
        part.arrays.iter().for_each(|array| say!("{}", table(array)));
    }
    say!(
        "{} steps in {:.2} s, {} steps a second",
        grouped(outcome.steps),
        outcome.elapsed.as_secs_f64(),
        grouped(rate as u64),
    );
}

/// How large gradients and steps were, a layer a line, and what is sick.
fn health(session: &Session, health: &Health) {
    if session.json {
        let reading = |(step, reading): &(u64, Reading)| json!({ "step": step, "gradient": reading.gradient, "update": reading.update, "weight": reading.weight });
        let layer = |layer: &LayerHealth| {
            json!({ "path": layer.path, "parameters": layer.parameters,
            "readings": layer.readings.iter().map(reading).collect::<Vec<_>>() })
        };
        say!(
            "{}",
            json!({ "event": "health", "layers": health.layers.iter().map(layer).collect::<Vec<_>>() })
        );
    } else if let Some((first, last)) =
        health.layers.first().and_then(|layer| layer.readings.first().zip(layer.readings.last()))
    {
        let width = health.layers.iter().map(|layer| layer.path.chars().count()).max().unwrap_or(0).max(5);
        let (first, last) = (format!("step {}", grouped(first.0)), format!("step {}", grouped(last.0)));
        say!("{:width$}  gradient at {first:>9}  {last:>13}  a step moves the weights by", "layer");
        for layer in &health.layers {
            let at = |reading: Option<&(u64, Reading)>| reading.map_or(0.0, |(_, reading)| reading.gradient);
            let moved = layer.readings.last().and_then(|(_, reading)| reading.relative());
            let moved = moved.map_or("from 0".to_string(), |part| format!("{part:.1e} of themselves"));
            let (first, last) = (at(layer.readings.first()), at(layer.readings.last()));
            say!("{:width$}  {first:>21.2e}  {last:>13.2e}  {moved}", layer.path);
        }
    }
    session.warn(&health.findings);
}

/// Reads parameters (and states) into a run.
fn load(session: &Session, trainer: &mut Trainer, path: &std::path::Path) -> Result<(), Diagnostic> {
    let loaded = checkpoint::load(path)?;
    if let Some(data) = &session.data {
        session.warn(&provenance::check(&loaded, data)?);
    }
    let weights = Weights::from_file(&loaded, &trainer.params, &trainer.states, session.precision())?;
    trainer.set_weights(&weights);
    Ok(())
}

/// Writes parameters and states.
fn save(
    session: &Session,
    model: &Model,
    trainer: &Trainer,
    weights: &Weights,
    path: &std::path::Path,
) -> Result<(), Diagnostic> {
    let mut metadata =
        vec![("net".to_string(), model.name.clone()), ("seed".to_string(), session.seed().to_string())];
    metadata.extend(provenance::settings_metadata(&session.choices.settings));
    metadata.extend(session.data.iter().flat_map(|data| provenance::metadata(model, data)));
    weights.save(path, &trainer.params, &trainer.states, &metadata)?;
    if !session.json {
        say!("parameters written to {}", path.display());
    }
    Ok(())
}
