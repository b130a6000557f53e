//! `nnc runs`

use super::common::{Failed, fail_in, say};
use super::folder::{CHECKPOINT, HISTORY, RESULT, RUN};
use super::summary::figure;
use crate::diagnostic::{Diagnostic, Sources, codes, nearest};
use crate::tune::{self, Record, TRIALS};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// List the runs of a folder, and compare them.
///
/// A line a run that `nnc run --out` or `nnc sweep` made: its epochs, its figures, and the settings in which the runs differ. The
/// figures are those of the kept parameters; those of a run that has not ended are from its history.
#[derive(clap::Args)]
pub struct Args {
    /// The folder that --out named.
    #[arg(default_value = "runs", value_name = "FOLDER")]
    folder: PathBuf,
    /// Sort by a column, best first: the lowest loss or error, the highest of any other figure.
    #[arg(long, value_name = "COLUMN")]
    sort: Option<String>,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// One run.
struct Run {
    name: String,
    path: PathBuf,
    state: &'static str,
    /// `--set`, and the seed.
    settings: Map<String, Value>,
    /// `epochs`, `test.loss`, `validation.accuracy`, in the order of the files.
    figures: Vec<(String, f64)>,
}

impl Run {
    /// Whether it is a run in a folder of its own, not one of a sweep.
    fn has_checkpoint(&self) -> bool {
        self.path.join(RUN).exists()
    }

    fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

/// Runs it.
pub fn run(args: Args) -> Result<(), Failed> {
    let told = |wrong: Diagnostic| fail_in(&[wrong], &Sources::default(), args.json);
    let mut runs = read(&args.folder).map_err(told)?;
    if let Some(column) = &args.sort {
        sort(&mut runs, column).map_err(told)?;
    }
    if args.json {
        for run in &runs {
            let figures: Map<_, _> =
                run.figures.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
            say!(
                "{}",
                json!({ "run": run.name, "path": run.path, "state": run.state, "settings": run.settings,
                "figures": figures, "checkpoint": run.has_checkpoint().then(|| run.path.join(CHECKPOINT)) })
            );
        }
        return Ok(());
    }
    table(&runs);
    Ok(())
}

/// The runs of a folder, by name and number.
fn read(folder: &Path) -> Result<Vec<Run>, Diagnostic> {
    if let Ok(trials) = fs::read_to_string(folder.join(TRIALS)) {
        let runs = tune::read(&trials);
        return Ok(runs.iter().enumerate().map(|(k, record)| of_trial(k + 1, record, folder)).collect());
    }
    let entries = fs::read_dir(folder).map_err(|error| {
        let message = format!("cannot read the folder `{}`: {error}", folder.display());
        Diagnostic::error(codes::FILE_UNREADABLE, message).help("`nnc run model.nn --out runs` makes one")
    })?;
    let mut runs: Vec<Run> = entries.filter_map(|entry| run_in(&entry.ok()?.path())).collect();
    let number = |name: &str| {
        name.rsplit_once('-').and_then(|(net, k)| Some((net.to_string(), k.parse::<u32>().ok()?)))
    };
    runs.sort_by_key(|run| number(&run.name));
    if runs.is_empty() {
        let message = format!("`{}` holds no run", folder.display());
        return Err(Diagnostic::error(codes::FILE_UNREADABLE, message)
            .help("`nnc run model.nn --out runs` makes one"));
    }
    Ok(runs)
}

/// The run in a folder, if there is one.
fn run_in(path: &Path) -> Option<Run> {
    let json = |name| serde_json::from_str::<Value>(&fs::read_to_string(path.join(name)).ok()?).ok();
    let begun = json(RUN)?;
    let mut settings = begun["settings"].as_object().cloned().unwrap_or_default();
    settings.insert("seed".into(), begun["seed"].clone());
    let result = json(RESULT);
    let state = match &result {
        None => "not ended",
        Some(result) if result["interrupted"] == true => "interrupted",
        Some(result) if result["stopped_early"] == true => "stopped",
        Some(_) => "done",
    };
    let figures = result.map_or_else(|| from_history(path), |result| of_result(&result));
    let name = path.file_name()?.to_string_lossy().into_owned();
    Some(Run { name, path: path.to_path_buf(), state, settings, figures })
}

/// A run of a sweep, by its number in the file.
fn of_trial(number: usize, record: &Record, folder: &Path) -> Run {
    let mut settings: Map<String, Value> =
        record.point.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    settings.insert("seed".into(), json!(record.seed));
    let mut figures =
        vec![("epochs".to_string(), f64::from(record.epochs)), ("seconds".into(), record.seconds)];
    figures.extend(record.figures.iter().map(|(part, name, value)| (format!("{part}.{name}"), *value)));
    Run {
        name: number.to_string(),
        path: folder.to_path_buf(),
        state: record.state.name(),
        settings,
        figures,
    }
}

fn of_result(result: &Value) -> Vec<(String, f64)> {
    let mut figures: Vec<(String, f64)> = ["epochs", "seconds"]
        .iter()
        .filter_map(|key| Some((key.to_string(), result[*key].as_f64()?)))
        .collect();
    for part in ["train", "validation", "test"] {
        let own = result["figures"][part].as_object().into_iter().flatten();
        figures.extend(own.filter_map(|(name, value)| Some((format!("{part}.{name}"), value.as_f64()?))));
    }
    figures
}

/// The last line of a history.
fn from_history(path: &Path) -> Vec<(String, f64)> {
    let Ok(mut reader) = csv::Reader::from_path(path.join(HISTORY)) else { return vec![] };
    let header = reader.headers().cloned().unwrap_or_default();
    let Some(last) = reader.records().filter_map(Result::ok).last() else { return vec![] };
    let named = |(name, cell): (&str, &str)| {
        let name = match name {
            "epoch" => "epochs",
            "loss" => "train.loss",
            "step" | "best" => return None,
            name => name,
        };
        Some((name.to_string(), cell.parse().ok()?))
    };
    header.iter().zip(last.iter()).filter_map(named).collect()
}

/// Every column of any run, in the order of their first.
fn columns(runs: &[Run]) -> Vec<String> {
    let mut columns: Vec<String> = vec![];
    for (name, _) in runs.iter().flat_map(|run| &run.figures) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    columns
}

/// Whether less of a figure is better.
fn lower_is_better(column: &str) -> bool {
    let name = column.rsplit_once('.').map_or(column, |(_, name)| name);
    ["loss", "error", "rmse", "mae", "mse", "perplexity", "bits", "seconds", "epochs"].contains(&name)
}

fn sort(runs: &mut [Run], column: &str) -> Result<(), Diagnostic> {
    let known = columns(runs);
    if !known.iter().any(|name| name == column) {
        let wrong = Diagnostic::error(codes::UNKNOWN_NAME, format!("no run has a figure `{column}`"));
        return Err(match nearest(column, known.iter().map(String::as_str)) {
            Some(near) => wrong.help(format!("did you mean `{near}`?")),
            None => wrong.help(format!("there are: {}", known.join(", "))),
        });
    }
    let sign = if lower_is_better(column) { 1.0 } else { -1.0 };
    let key = |run: &Run| run.figure(column).map_or(f64::INFINITY, |value| sign * value);
    runs.sort_by(|a, b| key(a).total_cmp(&key(b)));
    Ok(())
}

/// A setting as it was given.
fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn table(runs: &[Run]) {
    let columns = columns(runs);
    let mut settings: Vec<String> = runs.iter().flat_map(|run| run.settings.keys().cloned()).collect();
    settings.sort();
    settings.dedup();
    // Only those in which they differ.
    settings.retain(|name| runs.iter().any(|run| run.settings.get(name) != runs[0].settings.get(name)));
    let mut rows: Vec<Vec<String>> = vec![["run", "state"].map(String::from).to_vec()];
    rows[0].extend(settings.iter().chain(&columns).cloned());
    for run in runs {
        let mut row = vec![run.name.clone(), run.state.to_string()];
        row.extend(settings.iter().map(|name| shown(run.settings.get(name))));
        let cell = |name: &String| match run.figure(name) {
            Some(value) if name == "epochs" => value.to_string(),
            Some(value) => figure(value),
            None => String::new(),
        };
        row.extend(columns.iter().map(cell));
        rows.push(row);
    }
    let width = |k: usize| rows.iter().map(|row| row[k].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        say!("{}", cells.join("  ").trim_end());
    }
}
