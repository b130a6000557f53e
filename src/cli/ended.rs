//! What a run tells at its end.

use super::common::{Session, say};
use super::progress::{figures_json, part_name};
use super::summary::{figures, grouped, table};
use crate::runtime::health::{Health, LayerHealth, Reading};
use crate::runtime::train::Outcome;
use serde_json::{Map, Value, json};
use std::path::Path;

/// What the run gave.
pub fn figures_of(session: &Session, outcome: &Outcome) {
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
pub fn health(session: &Session, health: &Health) {
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

/// Tells how an interrupted run goes on, and ends the program.
pub fn interrupted(session: &Session, outcome: &Outcome, path: &Path) -> ! {
    let model = session.program.path.display();
    let command = format!("nnc run {model} --resume {}", path.display());
    if session.json {
        say!(
            "{}",
            json!({ "event": "interrupted", "step": outcome.steps, "saved": path, "resume": command })
        );
    } else {
        say!("interrupted after step {}; it goes on with\n  {command}", grouped(outcome.steps));
    }
    std::process::exit(super::interrupt::INTERRUPTED);
}
