//! The range test of the learning rate: the loss while the rate grows from step to step (Smith, "Cyclical learning rates
//! for training neural networks", 2017).

use super::trial::{Bench, Ready};
use crate::codegen::Options;
use crate::data::Dataset;
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::runtime::train::Trainer;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The first rate, above 0.
    pub from: f64,
    /// The last one.
    pub to: f64,
    /// Steps between them, at least 2.
    pub steps: u32,
}

impl Range {
    /// The rate of a step, from 0.
    pub fn rate(&self, step: usize) -> f64 {
        self.from * (self.to / self.from).powf(step as f64 / f64::from(self.steps - 1))
    }

    /// The rate as an expression of `step`, which a setting may be.
    fn expression(&self) -> String {
        let Range { from, to, steps } = self;
        format!("{from:e} * {:e}^((step - 1) / {})", to / from, steps - 1)
    }
}

/// How much of the smoothed loss is the loss of before.
const SMOOTH: f64 = 0.95;

/// The test ends where the smoothed loss is above its least by so many times that, or what it had fallen by.
const BLOWN_UP: f64 = 4.0;

/// What a test found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The rate of each step, and the smoothed loss there, the mean over the seeds. Up to where the first of the runs
    /// blew up.
    pub curve: Vec<(f64, f64)>,
    /// Whether a run blew up before its end.
    pub blew_up: bool,
    /// The rate at which the loss falls fastest.
    pub steepest: f64,
    /// The rate at which the loss is least.
    pub least: f64,
}

impl Found {
    /// What is suggested: a tenth of the rate at the least loss, which is where the loss still falls safely.
    pub fn suggested(&self) -> f64 {
        self.least / 10.0
    }
}

/// Runs the test once a seed from initial weights; `name` is the rate's setting, such as `optimizer.lr`.
///
/// # Errors
/// What is wrong with the program, or that its loss falls nowhere.
pub fn test(bench: &Bench, name: &str, range: Range, seeds: &[u64]) -> Result<Found, Diagnostics> {
    let mut curves = vec![];
    for &seed in seeds {
        let steps = range.steps;
        let point = vec![(name.to_string(), range.expression())];
        let (mut ready, data) = bench.ready(&point, seed)?;
        let per_epoch = data.train.len().div_ceil(ready.training.batch as usize).max(1) as u32;
        ready.training.epochs = steps.div_ceil(per_epoch);
        curves.push(smoothed(&losses(&ready, data, steps)));
    }
    found(&curves, range)
}

/// The loss of each step, up to one that is not finite.
fn losses(ready: &Ready, data: &Dataset, steps: u32) -> Vec<f64> {
    let Ready { training, model, inference, update } = ready;
    let made = Trainer::with(model, inference, update, training, data, Options::default());
    made.expect("Cranelift compiles what the planner makes").losses(steps.into())
}

/// A running mean with less and less weight on what is past, without the pull of its beginning (Kingma and Ba, 2015).
fn smoothed(losses: &[f64]) -> Vec<f64> {
    let mut mean = 0.0;
    let mut next = |(k, loss): (usize, &f64)| {
        mean = SMOOTH * mean + (1.0 - SMOOTH) * loss;
        mean / (1.0 - SMOOTH.powi(k as i32 + 1))
    };
    losses.iter().enumerate().map(&mut next).collect()
}

/// Steps before a run has blown up.
fn sound(curve: &[f64]) -> usize {
    let first = curve.first().copied().unwrap_or(0.0);
    let mut least = f64::INFINITY;
    let bad = |&loss: &f64| {
        least = least.min(loss);
        !loss.is_finite() || loss - least > BLOWN_UP * least.abs().max(first - least)
    };
    curve.iter().position(bad).unwrap_or(curve.len())
}

fn found(curves: &[Vec<f64>], range: Range) -> Result<Found, Diagnostics> {
    let len = curves.iter().map(|curve| sound(curve)).min().unwrap_or(0);
    let mean = |k: usize| curves.iter().map(|curve| curve[k]).sum::<f64>() / curves.len() as f64;
    let curve: Vec<(f64, f64)> = (0..len).map(|k| (range.rate(k), mean(k))).collect();
    let least = (0..len).min_by(|&a, &b| curve[a].1.total_cmp(&curve[b].1)).unwrap_or(0);
    // The slope by the logarithm of the rate, over a tenth of what lies before the least.
    let span = (least / 10).max(1);
    let fall = |k: usize| curve[k].1 - curve[k + span].1;
    let steepest = (0..least.saturating_sub(span)).max_by(|&a, &b| fall(a).total_cmp(&fall(b)));
    let Some(steepest) = steepest.filter(|&k| fall(k) > 0.0) else {
        let message = "the loss falls at no rate that was tried";
        let help = "begin with a smaller rate (`--from 1e-9`), or take more steps (`--steps 500`)";
        return Err(vec![Diagnostic::error(codes::BAD_SWEEP, message).help(help)]);
    };
    let middle = range.rate(steepest + span / 2);
    Ok(Found { blew_up: len < range.steps as usize, steepest: middle, least: curve[least].0, curve })
}

/// The settings by which optimizers call their rate.
const RATES: &[&str] = &["lr", "rate", "learning_rate"];

/// The path of the rate of a program's optimizers.
///
/// # Errors
/// Where they have none.
pub fn rate_of(bench: &Bench, seed: u64) -> Result<String, Diagnostics> {
    let works = |rate: &&&str| bench.ready(&vec![(format!("optimizer.{rate}"), "1e-3".into())], seed).is_ok();
    match RATES.iter().find(works) {
        Some(rate) => Ok(format!("optimizer.{rate}")),
        None => {
            // What is wrong without it, if anything, is told first.
            bench.ready(&vec![], seed)?;
            let wrong = Diagnostic::error(codes::UNKNOWN_SETTING, "the optimizer has no setting `lr`");
            Err(vec![wrong.help("the rate of learning is looked for as `lr`, `rate` or `learning_rate`")])
        }
    }
}
