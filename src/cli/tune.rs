//! `nnc tune`

use super::common::{Failed, Session, Source, missing, say};
use super::summary::figure;
use super::sweep::quoted;
use crate::diagnostic::{Diagnostic, codes};
use crate::tune::Bench;
use crate::tune::rate::{Found, Range, rate_of, test};
use serde_json::json;
use std::path::Path;

/// Find a single setting by a test of its own; for all others see `nnc sweep`.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    Lr(Lr),
}

/// Find a rate of learning: the loss while the rate grows.
///
/// The learning-rate range test (Smith, "Cyclical learning rates for training neural networks", 2017): from initial weights,
/// the rate grows by a factor from step to step until the loss blows up, once a seed. Told are the rate at which the smoothed
/// loss falls fastest, and a tenth of the rate at which it is least, which is what is suggested. The rate is that of the
/// program's own optimizer, whatever schedule it has; a schedule is replaced while the test goes on.
#[derive(clap::Args)]
struct Lr {
    #[command(flatten)]
    source: Source,
    /// Steps of each run.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(20..))]
    steps: u32,
    /// The first rate.
    #[arg(long, value_name = "RATE", default_value_t = 1e-6)]
    from: f64,
    /// The last rate.
    #[arg(long, value_name = "RATE", default_value_t = 10.0)]
    to: f64,
    /// Runs, each from initial weights of its own.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    seeds: u64,
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let What::Lr(args) = args.what;
    let session = args.source.open()?;
    let told = |wrong: Vec<Diagnostic>| session.fail(&wrong);
    let (Some(training), Some(data)) = (&session.training, &session.data) else {
        let help = "add `train NET on DATA { optimizer = adam(lr = 1e-3) ... }`";
        return Err(told(missing("the program has no `train` block: there is no rate to find", help)));
    };
    if !(args.from > 0.0 && args.from < args.to && args.to.is_finite()) {
        let message = format!("rates cannot grow from {} to {} by a factor", args.from, args.to);
        let wrong = Diagnostic::error(codes::BAD_SWEEP, message);
        return Err(told(vec![wrong.help("begin above 0, and below the last rate: `--from 1e-6 --to 10`")]));
    }
    let choices = session.choices_of_any_seed();
    let read = (&[][..], &session.room);
    let bench =
        Bench::new(&session.program, &choices, (training, data), read, Path::new("")).map_err(told)?;
    let seeds: Vec<u64> = (training.seed..training.seed + args.seeds).collect();
    let rate = rate_of(&bench, training.seed).map_err(told)?;
    let range = Range { from: args.from, to: args.to, steps: args.steps };
    let found = test(&bench, &rate, range, &seeds).map_err(told)?;
    tell(&session, &found, &rate, &choices.settings);
    Ok(())
}

/// A rate with as many digits as it is known by.
fn rounded(rate: f64) -> String {
    let short: f64 = format!("{rate:.0e}").parse().expect("what is printed reads back");
    if (1e-3..1e3).contains(&short) { format!("{short}") } else { format!("{short:e}") }
}

fn tell(session: &Session, found: &Found, rate: &str, settings: &[(String, String)]) {
    let set = settings.iter().map(|(name, value)| format!("--set {} ", quoted(&format!("{name}={value}"))));
    let suggested = rounded(found.suggested());
    let path = quoted(&session.program.path.display().to_string());
    let command = format!("nnc run {path} {}--set {rate}={suggested}", set.collect::<String>());
    if session.json {
        let curve: Vec<[f64; 2]> = found.curve.iter().map(|&(rate, loss)| [rate, loss]).collect();
        say!(
            "{}",
            json!({ "event": "end", "setting": rate, "curve": curve, "blew_up": found.blew_up,
            "steepest": found.steepest, "least": found.least, "suggested": found.suggested(), "command": command })
        );
        return;
    }
    say!("the smoothed loss while `{rate}` grows from step to step");
    plot(&found.curve).iter().for_each(|line| say!("{line}"));
    let end = if found.blew_up { "there the loss blows up" } else { "the loss never blew up" };
    say!("{} to {}: {end}", rounded(found.curve[0].0), rounded(found.curve[found.curve.len() - 1].0));
    say!("steepest descent          {}", rounded(found.steepest));
    say!(
        "a tenth of the least's    {suggested}   (suggested; the loss is least at {})",
        rounded(found.least)
    );
    say!("try it:\n  {command}");
}

/// Rows and columns of a plot.
const ROWS: usize = 8;
const COLUMNS: usize = 64;

/// A curve as lines of text: the loss upwards, the rate to the right, by its logarithm.
fn plot(curve: &[(f64, f64)]) -> Vec<String> {
    let columns = COLUMNS.min(curve.len());
    let column = |k: usize| {
        let part = &curve[k * curve.len() / columns..(k + 1) * curve.len() / columns];
        part.iter().map(|point| point.1).sum::<f64>() / part.len() as f64
    };
    let values: Vec<f64> = (0..columns).map(column).collect();
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let row = |value: f64| {
        let share = if most > least { (value - least) / (most - least) } else { 0.0 };
        (share * (ROWS - 1) as f64).round() as usize
    };
    let line = |up: usize| {
        let mark = |&value: &f64| if row(value) == up { '•' } else { ' ' };
        let label = match up {
            0 => figure(least),
            up if up == ROWS - 1 => figure(most),
            _ => String::new(),
        };
        let text: String = values.iter().map(mark).collect();
        format!("{label:>10} │{}", text.trim_end())
    };
    let axis = format!("{:>10} └{}", "", "─".repeat(columns));
    (0..ROWS).rev().map(line).chain([axis]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_falls_as_its_curve_does() {
        let curve: Vec<(f64, f64)> = (0..64).map(|k| (1.0, f64::from(64 - k))).collect();
        let lines = plot(&curve);
        assert_eq!(lines.len(), ROWS + 1);
        let begins = |line: &String| line.chars().position(|c| c == '•').expect("a mark in each row");
        let marks: Vec<usize> = lines[..ROWS].iter().map(begins).collect();
        assert!(marks.windows(2).all(|pair| pair[0] < pair[1]), "{marks:?}");
        assert!(lines[0].contains("64.0000") && lines[ROWS - 1].contains("1.0000"), "{lines:?}");
    }

    #[test]
    fn rates_are_short() {
        assert_eq!([0.0123, 3.4e-5, 12.0].map(rounded), ["0.01", "3e-5", "10"]);
    }
}
