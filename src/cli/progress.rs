//! How a run shows itself: a bar on a terminal, plain lines elsewhere, JSON for programs.

use super::common::say;
use super::summary::{figure, figures, grouped};
use crate::elaborate::model::Part;
use crate::runtime::evaluate::Figures;
use crate::runtime::health::{Health, LayerHealth};
use crate::runtime::train::{Epoch, Observer, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};

/// Most epoch lines that a run prints; of more epochs only every so many are printed.
const LINES: u32 = 40;

/// Writes what an [`Observer`] is told.
pub struct Display {
    bar: Option<ProgressBar>,
    /// What the line of gradients says.
    gradients: Arc<Mutex<String>>,
    /// The loss of each epoch, and then each figure of the validation part: name and values.
    curves: Vec<(String, Vec<f64>)>,
    json: bool,
    epochs: u32,
    every: u32,
}

impl Display {
    /// For a run of so many steps and epochs.
    pub fn new(steps: u64, epochs: u32, json: bool) -> Display {
        let terminal = std::io::stderr().is_terminal() && !json;
        let gradients = Arc::new(Mutex::new(String::new()));
        let bar = terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr_with_hz(10));
            let template = "{bar:24} epoch {prefix}  {speed}  {elapsed} of about {duration}, {eta} left\n{wide_msg}\n{gradients}";
            let shown = Arc::clone(&gradients);
            let style = ProgressStyle::with_template(template).expect("the template is well formed");
            let style = style.with_key("speed", |state: &ProgressState, out: &mut dyn Write| {
                let speed = grouped(state.per_sec().round() as u64);
                write!(out, "{speed} steps a second").expect("a line takes what is written");
            });
            bar.set_style(style.with_key("gradients", move |_: &ProgressState, out: &mut dyn Write| {
                let text = shown.lock().expect("no panic while held");
                out.write_str(&text).expect("a line takes what is written");
            }));
            bar
        });
        Display { bar, gradients, curves: vec![], json, epochs, every: epochs.div_ceil(LINES).max(1) }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Adds to a curve.
    fn add(&mut self, name: &str, value: f64) {
        match self.curves.iter_mut().find(|(known, _)| known == name) {
            Some((_, values)) => values.push(value),
            None => self.curves.push((name.to_string(), vec![value])),
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
            let curves: String = self.curves.iter().map(|(name, values)| shown(name, values)).collect();
            bar.set_message(format!("loss now {}{curves}", figure(progress.loss)));
        }
    }

    fn health(&mut self, health: &dyn Fn() -> Health) {
        if self.bar.is_some() {
            *self.gradients.lock().expect("no panic while held") = gradients(&health());
        }
    }

    fn epoch(&mut self, epoch: &Epoch) {
        if self.bar.is_some() {
            self.add("loss", epoch.loss);
            let figures = epoch.validation.iter().flat_map(|figures| &figures.values);
            figures.for_each(|(name, value)| self.add(&format!("validation {name}"), *value));
        }
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

/// What is sick, or the layers' gradients: `gradients ▁▅█ from 1.2e-4 (h) to 3.1e-2 (p)`, a bar a layer, by their
/// magnitudes.
fn gradients(health: &Health) -> String {
    if let Some(finding) = health.findings.first() {
        return finding.message.clone();
    }
    let norm = |layer: &LayerHealth| {
        layer.readings.last().map(|(_, reading)| (layer.path.clone(), reading.gradient))
    };
    let norms: Vec<(String, f64)> = health.layers.iter().filter_map(norm).collect();
    let by_size = |a: &&(String, f64), b: &&(String, f64)| a.1.total_cmp(&b.1);
    let (Some(least), Some(most)) = (norms.iter().min_by(by_size), norms.iter().max_by(by_size)) else {
        return String::new();
    };
    let magnitudes: Vec<f64> = norms.iter().map(|(_, norm)| norm.log10()).collect();
    let bars = curve(&magnitudes);
    format!("gradients {bars} from {:.1e} ({}) to {:.1e} ({})", least.1, least.0, most.1, most.0)
}

/// How many epochs a small curve shows.
const SHOWN: usize = 24;

/// `  loss ▇▅▃▂▁ 0.123`: the last epochs of a curve.
fn shown(name: &str, values: &[f64]) -> String {
    let last = values.last().map_or(String::new(), |&value| figure(value));
    format!("  {name} {} {last}", curve(&values[values.len().saturating_sub(SHOWN)..]))
}

/// A curve of bars, from the least value to the largest; what is not finite is a gap.
fn curve(values: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (least, most) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let bar = |&value: &f64| match (value - least) / (most - least) {
        _ if !value.is_finite() => ' ',
        share if share.is_finite() => BARS[(share * 7.0).round() as usize],
        _ => BARS[0],
    };
    values.iter().map(bar).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::health::Reading;

    #[test]
    fn the_line_of_gradients_has_a_bar_a_layer() {
        let layer = |path: &str, gradient| LayerHealth {
            path: path.into(),
            parameters: 1,
            readings: vec![
                (1, Reading { gradient: 1.0, update: 0.0, weight: 1.0 }),
                (8, Reading { gradient, update: 0.0, weight: 1.0 }),
            ],
        };
        let mut health =
            Health { layers: vec![layer("h", 1e-3), layer("p", 0.25), layer("dead", 0.0)], findings: vec![] };
        assert_eq!(gradients(&health), "gradients ▁█  from 0.0e0 (dead) to 2.5e-1 (p)");
        health.findings.push(crate::diagnostic::Diagnostic::warning(
            crate::diagnostic::codes::VANISHING_GRADIENT,
            "it vanishes",
        ));
        assert_eq!(gradients(&health), "it vanishes");
        assert_eq!(gradients(&Health::default()), "");
    }

    #[test]
    fn small_curves_go_from_the_least_to_the_largest() {
        assert_eq!(curve(&[4.0, 2.0, 0.5, f64::NAN, 0.0]), "█▅▂ ▁");
        assert_eq!(curve(&[3.0, 3.0]), "▁▁");
        assert_eq!(curve(&[]), "");
        let long: Vec<f64> = (0..100).map(f64::from).collect();
        assert_eq!(shown("loss", &long).chars().count(), "  loss  99.0000".len() + SHOWN);
    }
}
