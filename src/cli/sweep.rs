//! `nnc sweep`

use super::common::{Failed, Session, Source, Threads, columns, missing, say};
use super::interrupt;
use super::summary::figure;
use crate::circuit::Dtype;
use crate::diagnostic::{Diagnostic, codes};
use crate::elaborate;
use crate::elaborate::model::{Best, Part, Sweep, Training, Values};
use crate::report::sweep::{SweepReport, decided_by, page};
use crate::runtime::checkpoint::write_whole;
use crate::tune::sweep::{Outcome, Watch, check, run as run_trials};
use crate::tune::{Bench, Book, Effect, Record, Round, Standing, deciding, effects, part_name, points};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Try settings, and tell which are best and what mattered.
///
/// Runs what the `sweep` block of the program says: `over hidden = [8, 16]`, `over optimizer.lr ~ log_uniform(1e-4, 1e-1)`,
/// `search = grid`, `random(20)` or `halving(27)`, `seeds = 3`, `best = highest(validation.accuracy)`. Several runs go on at
/// once, each on one thread; their number never changes a result. What is done is kept in a folder: a sweep that was
/// interrupted or killed goes on from there, and one with more values runs only what is new.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    threads: Threads,
    /// Passes over the training data of each run, instead of the program's.
    #[arg(long, value_name = "N")]
    epochs: Option<u32>,
    /// The folder for trials and page, by default NET.sweep.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Points that the table shows.
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

/// The page in a sweep's folder.
const PAGE: &str = "report.html";

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let session = args.source.for_epochs(args.epochs).open()?;
    let told = |wrong: Diagnostic| session.fail(&[wrong]);
    let (training, data) = session.to_train()?;
    let sweep = elaborate::sweep(&session.program, &session.choices).map_err(|wrong| session.fail(&wrong))?;
    if sweep.best.part == Part::Validation && data.validation.is_empty() {
        let message = format!("the data has no validation part, and `{}` decides", decided_by(&sweep.best));
        let wrong = Diagnostic::error(codes::BAD_SWEEP, message).at(sweep.span, "by this sweep");
        return Err(told(wrong.at(data.span, "this data").help("add `validation = 20%` to the data")));
    }
    let folder = args.out.unwrap_or_else(|| PathBuf::from(format!("{}.sweep", sweep.net)));
    let choices = session.choices_of_any_seed();
    let read = (&precisions(&sweep)[..], &session.room);
    let bench = Bench::new(&session.program, &choices, (training, data), read, &folder);
    let bench = bench.map_err(|wrong| session.fail(&wrong))?;
    check(&bench, &sweep).map_err(|wrong| session.fail(&wrong))?;
    let mut book = Book::open(&folder).map_err(told)?;
    interrupt::watch_and_say("ends after the runs that go on now; once more ends at once");
    let mut display = Display::new(&session, &sweep);
    let outcome = run_trials(&bench, &sweep, training.epochs, args.threads.count(), &mut book, &mut display);
    let outcome = outcome.map_err(told)?;
    let effects = effects(&sweep, &outcome.first);
    let command = outcome.standings.first().filter(|best| best.mean.is_some());
    let command = command.map_or(String::new(), |best| command_line(&session, &choices.settings, best));
    let report = SweepReport {
        sweep: &sweep,
        standings: &outcome.standings,
        effects: &effects,
        trials: &outcome.first,
        command: &command,
    };
    write_whole(&folder.join(PAGE), page(&report).as_bytes()).map_err(told)?;
    if session.json {
        tell_json(&outcome, &report);
    } else {
        tell(&outcome, &report, args.top, training);
        say!("trials and page are in {}", folder.display());
    }
    if outcome.interrupted {
        if !session.json {
            say!("the sweep was interrupted: the same command goes on with it");
        }
        std::process::exit(interrupt::INTERRUPTED);
    }
    if outcome.standings.iter().all(|standing| standing.mean.is_none()) {
        return Err(session.fail(&missing(
            "no point gave a figure that could decide",
            "the lines above tell how each run ended",
        )));
    }
    Ok(())
}

/// The types of numbers that a sweep tries.
fn precisions(sweep: &Sweep) -> Vec<Dtype> {
    let tried = sweep.varied.iter().filter(|varied| varied.name == "precision");
    let names = tried.flat_map(|varied| match &varied.values {
        Values::Listed(values) => values.clone(),
        _ => vec![],
    });
    let names: Vec<String> = names.collect();
    Dtype::ALL.into_iter().filter(|dtype| names.iter().any(|name| name == dtype.name())).collect()
}

/// The command that runs a point again, with its first seed.
fn command_line(session: &Session, settings: &[(String, String)], best: &Standing) -> String {
    let mut words =
        vec!["nnc".to_string(), "run".into(), quoted(&session.program.path.display().to_string())];
    if let Some(net) = &session.choices.net {
        words.extend(["--net".into(), quoted(net)]);
    }
    for (name, value) in settings.iter().chain(&best.point) {
        words.extend(["--set".into(), quoted(&format!("{name}={value}"))]);
    }
    if let Some(run) = best.runs.first() {
        words.extend(["--seed".into(), run.seed.to_string()]);
    }
    words.join(" ")
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=,+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// `hidden = 16, optimizer = adam`
fn settings(point: &[(String, String)]) -> String {
    point.iter().map(|(name, value)| format!("{name} = {value}")).collect::<Vec<_>>().join(", ")
}

/// Most lines of trials that are printed, but for those that are the best so far, or fail.
const LINES: usize = 40;

/// Tells of each trial.
struct Display<'a> {
    sweep: &'a Sweep,
    json: bool,
    done: usize,
    trials: usize,
    best: Option<f64>,
}

impl Display<'_> {
    fn new<'a>(session: &Session, sweep: &'a Sweep) -> Display<'a> {
        let display = Display { sweep, json: session.json, done: 0, trials: 0, best: None };
        if !session.json {
            let (points, by) = (points(sweep).len(), decided_by(&sweep.best));
            let runs = match sweep.seeds.len() {
                1 => "one run each".to_string(),
                seeds => format!("{seeds} runs each"),
            };
            say!("sweep of {}: {points} points, {runs}, by {by}", sweep.net);
        }
        display
    }

    fn is_best(&mut self, record: &Record) -> bool {
        let Some(figure) = deciding(record, &self.sweep.best) else { return false };
        let better = |best: f64| if self.sweep.best.highest { figure > best } else { figure < best };
        let is_best = self.best.is_none_or(better);
        if is_best {
            self.best = Some(figure);
        }
        is_best
    }
}

impl Watch for Display<'_> {
    fn round(&mut self, round: &Round, trials: usize, known: usize) {
        (self.done, self.trials, self.best) = (known, trials, None);
        if self.json {
            say!(
                "{}",
                json!({ "event": "round", "points": round.points, "epochs": round.epochs,
                "trials": trials, "known": known })
            );
            return;
        }
        if let Some(epochs) = round.epochs {
            let points = if round.points == 1 { "point" } else { "points" };
            say!("{} {points} up to epoch {epochs}", round.points);
        }
        if known > 0 {
            say!("{known} of {trials} runs are there already");
        }
    }

    fn trial(&mut self, record: &Record) {
        self.done += 1;
        if self.json {
            say!("{}", json!({ "event": "trial", "trial": record.to_json() }));
            return;
        }
        let is_best = self.is_best(record);
        let every = self.trials.div_ceil(LINES).max(1);
        if !is_best && record.state.why().is_none() && !self.done.is_multiple_of(every) {
            return;
        }
        let Best { part, figure: name, .. } = &self.sweep.best;
        let came_to = match (deciding(record, &self.sweep.best), record.state.why()) {
            (Some(value), _) => format!("{}.{name} {}", part_name(*part), figure(value)),
            (None, why) => format!("{}: {}", record.state.name(), why.unwrap_or("no such figure")),
        };
        let width = self.trials.to_string().len();
        say!(
            "{:width$}/{}  {}, seed {}: {came_to}  ({:.2} s){}",
            self.done,
            self.trials,
            settings(&record.point),
            record.seed,
            record.seconds,
            if is_best { "  best" } else { "" }
        );
    }

    fn interrupted(&self) -> bool {
        interrupt::is_asked()
    }
}

/// The tables at the end.
fn tell(outcome: &Outcome, report: &SweepReport, top: usize, training: &Training) {
    say!("");
    columns(&standing_rows(outcome, report.sweep, top), &(0..report.sweep.varied.len()).collect::<Vec<_>>());
    if outcome.standings.len() > top {
        say!("and {} more", outcome.standings.len() - top);
    }
    if !report.effects.is_empty() && !report.trials.is_empty() {
        say!("\nwhat mattered");
        columns(&effect_rows(report.effects), &[0, 1]);
    }
    let Some(best) = outcome.standings.first().filter(|best| best.mean.is_some()) else { return };
    say!("\nbest: {}", settings(&best.point));
    if let Some(run) = best.runs.first() {
        for part in ["validation", "test"] {
            let own = run.figures.iter().filter(|(own, ..)| own == part);
            let own: Vec<String> = own.map(|(_, name, _)| mean_of(best, part, name)).collect();
            if !own.is_empty() {
                let seeds = if best.runs.len() > 1 { ", the mean over the seeds" } else { "" };
                say!("  {part}: {}{seeds}", own.join("  "));
            }
        }
        if run.epochs < training.epochs && outcome.interrupted {
            say!("  after {} of {} epochs", run.epochs, training.epochs);
        }
    }
    say!("run it again:\n  {}", report.command);
}

/// `accuracy 0.9667`
fn mean_of(standing: &Standing, part: &str, name: &str) -> String {
    let values: Vec<f64> = standing.runs.iter().filter_map(|run| run.figure(part, name)).collect();
    format!("{name} {}", figure(values.iter().sum::<f64>() / values.len().max(1) as f64))
}

/// A line a point.
fn standing_rows(outcome: &Outcome, sweep: &Sweep, top: usize) -> Vec<Vec<String>> {
    let mut head: Vec<String> = sweep.varied.iter().map(|varied| varied.name.clone()).collect();
    head.push(format!("{}.{}", part_name(sweep.best.part), sweep.best.figure));
    let with_seeds = sweep.seeds.len() > 1;
    head.extend(with_seeds.then(|| "+-".to_string()));
    head.extend(["epochs".into(), "seconds".into()]);
    let line = |standing: &Standing| {
        let mut row: Vec<String> = standing.point.iter().map(|(_, value)| value.clone()).collect();
        let failed = standing.runs.iter().find(|run| deciding(run, &sweep.best).is_none());
        let failed =
            failed.map_or("none", |run| if run.state.why().is_some() { run.state.name() } else { "none" });
        row.push(standing.mean.map_or(failed.to_string(), figure));
        row.extend(with_seeds.then(|| standing.deviation.map_or(String::new(), figure)));
        let epochs = standing.runs.iter().map(|run| run.epochs).max().unwrap_or(0);
        let seconds: f64 = standing.runs.iter().map(|run| run.seconds).sum();
        row.extend([epochs.to_string(), format!("{seconds:.2}")]);
        row
    };
    std::iter::once(head).chain(outcome.standings.iter().take(top).map(line)).collect()
}

/// A line a value of each setting.
fn effect_rows(effects: &[Effect]) -> Vec<Vec<String>> {
    let mut rows =
        vec![["setting", "value", "median", "best", "runs", "of the differences"].map(String::from).to_vec()];
    for effect in effects {
        for (k, level) in effect.levels.iter().enumerate() {
            let share = effect.share.filter(|_| k == 0).map(|share| format!("{:.0} %", 100.0 * share));
            rows.push(vec![
                if k == 0 { effect.name.clone() } else { String::new() },
                level.name.clone(),
                level.median.map_or("none".into(), figure),
                level.best.map_or("none".into(), figure),
                level.trials.to_string(),
                share.unwrap_or_default(),
            ]);
        }
    }
    rows
}

fn tell_json(outcome: &Outcome, report: &SweepReport) {
    let point = |standing: &Standing| -> Value {
        json!({ "settings": standing.point, "mean": standing.mean, "deviation": standing.deviation,
            "until": standing.until, "trials": standing.runs.iter().map(Record::to_json).collect::<Vec<_>>() })
    };
    let effect = |effect: &Effect| -> Value {
        let levels = effect.levels.iter().map(|level| {
            json!({ "value": level.name, "median": level.median, "best": level.best, "trials": level.trials,
                "failed": level.failed })
        });
        json!({ "setting": effect.name, "share": effect.share, "values": levels.collect::<Vec<_>>() })
    };
    let end = json!({
        "event": "end", "by": decided_by(&report.sweep.best), "interrupted": outcome.interrupted,
        "points": outcome.standings.iter().map(point).collect::<Vec<_>>(),
        "effects": report.effects.iter().map(effect).collect::<Vec<_>>(),
        "command": report.command,
    });
    say!("{end}");
}
