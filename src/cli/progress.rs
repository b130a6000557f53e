//! How a run shows itself: a bar on a terminal, plain lines elsewhere, JSON for programs.

use super::common::say;
use super::summary::{figure, figures};
use crate::elaborate::model::Part;
use crate::runtime::evaluate::Figures;
use crate::runtime::train::{Epoch, Observer, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};
use std::io::IsTerminal;

/// Most epoch lines that a run prints; of more epochs only every so many are printed.
const LINES: u32 = 40;

/// Writes what an [`Observer`] is told.
pub struct Display {
    bar: Option<ProgressBar>,
    json: bool,
    epochs: u32,
    every: u32,
}

impl Display {
    /// For a run of so many steps and epochs.
    pub fn new(steps: u64, epochs: u32, json: bool) -> Display {
        let terminal = std::io::stderr().is_terminal() && !json;
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr_with_hz(10));
            let template = "{bar:30} epoch {prefix}  {msg}  {elapsed} of about {duration}";
            bar.set_style(ProgressStyle::with_template(template).expect("the template is well formed"));
            bar
        });
        Display { bar, json, epochs, every: epochs.div_ceil(LINES).max(1) }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say!("{line}")),
            None => say!("{line}"),
        }
    }
}

impl Observer for Display {
    fn progress(&mut self, progress: &Progress) {
        if let Some(bar) = &self.bar {
            bar.set_position(progress.step);
            bar.set_prefix(format!("{}/{}", progress.epoch, self.epochs));
            bar.set_message(format!("loss {}", figure(progress.loss)));
        }
    }

    fn epoch(&mut self, epoch: &Epoch) {
        if self.json {
            say!("{}", epoch_json(epoch));
            return;
        }
        if !epoch.number.is_multiple_of(self.every) && epoch.number != self.epochs && epoch.number != 1 {
            return;
        }
        let width = self.epochs.to_string().len();
        let validation =
            epoch.validation.as_ref().map_or(String::new(), |v| format!("  validation: {}", figures(v)));
        let best = if epoch.best { "  (best)" } else { "" };
        self.line(&format!(
            "epoch {:width$}/{}  {:.2} s  loss {}{validation}{best}",
            epoch.number,
            self.epochs,
            epoch.elapsed.as_secs_f64(),
            figure(epoch.loss),
        ));
    }
}

/// An epoch as one JSON object.
fn epoch_json(epoch: &Epoch) -> Value {
    json!({
        "event": "epoch",
        "epoch": epoch.number,
        "step": epoch.step,
        "seconds": epoch.elapsed.as_secs_f64(),
        "loss": finite(epoch.loss),
        "validation": epoch.validation.as_ref().map(figures_json),
        "best": epoch.best,
    })
}

/// Figures as a JSON object from names to numbers, arrays as nested lists; what is not finite is null.
pub fn figures_json(figures: &Figures) -> Value {
    let single = figures.values.iter().map(|(name, value)| (name.clone(), finite(*value)));
    let arrays = figures.arrays.iter().map(|array| (array.name.clone(), nested(&array.dims, &array.data)));
    Value::Object(single.chain(arrays).collect::<Map<_, _>>())
}

/// A row-major array as nested lists.
pub fn nested(dims: &[usize], data: &[f64]) -> Value {
    match dims {
        [] => finite(data[0]),
        [0, ..] => Value::Array(vec![]),
        [first, rest @ ..] => data.chunks(data.len() / first).map(|part| nested(rest, part)).collect(),
    }
}

/// JSON has no NaN and no infinity.
fn finite(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

/// How a part of the data is called.
pub fn part_name(part: Part) -> &'static str {
    match part {
        Part::Train => "train",
        Part::Validation => "validation",
        Part::Test => "test",
    }
}
