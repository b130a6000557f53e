//! What came of a trial, and the file that holds it: a line of JSON for each trial that is done.

use super::points::Point;
use crate::diagnostic::{Diagnostic, codes};
use serde_json::{Map, Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// How a trial ended.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// With figures.
    Done,
    /// With a number that is not finite: worse than all others. What was told.
    Diverged(String),
    /// Before it began: with these settings there is no such program. What was told.
    Refused(String),
}

impl State {
    /// As a file and a table name it.
    pub fn name(&self) -> &'static str {
        match self {
            State::Done => "done",
            State::Diverged(_) => "diverged",
            State::Refused(_) => "refused",
        }
    }

    /// What was told of a trial without figures.
    pub fn why(&self) -> Option<&str> {
        match self {
            State::Done => None,
            State::Diverged(why) | State::Refused(why) => Some(why),
        }
    }
}

/// One training run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The fingerprint of program and data.
    pub of: String,
    /// What was set.
    pub point: Point,
    /// The seed of the run.
    pub seed: u64,
    /// The epoch at which it was to pause; none: it was to run to its end.
    pub until: Option<u32>,
    /// How it ended.
    pub state: State,
    /// Epochs that were done: fewer where `stop` ended it.
    pub epochs: u32,
    /// The epoch whose parameters were kept.
    pub kept: u32,
    /// Part, name and value of each figure, those of the kept parameters.
    pub figures: Vec<(String, String, f64)>,
    /// Time that it took.
    pub seconds: f64,
}

impl Record {
    /// A figure such as `accuracy` of `validation`; none where it is no number.
    pub fn figure(&self, part: &str, name: &str) -> Option<f64> {
        let found = self.figures.iter().find(|(own, known, _)| own == part && known == name);
        found.map(|&(.., value)| value).filter(|value| value.is_finite())
    }

    /// Whether it is the trial that is asked for.
    pub fn is_of(&self, of: &str, point: &Point, seed: u64, until: Option<u32>) -> bool {
        self.of == of && self.seed == seed && self.until == until && self.point == *point
    }

    /// As a line of the file.
    pub fn to_json(&self) -> Value {
        let mut parts: Map<String, Value> = Map::new();
        for (part, name, value) in &self.figures {
            // JSON has no NaN: what is none is null.
            parts.entry(part.clone()).or_insert_with(|| json!({}))[name.as_str()] = json!(value);
        }
        json!({
            "program": self.of, "settings": self.point, "seed": self.seed, "until": self.until,
            "state": self.state.name(), "why": self.state.why(), "epochs": self.epochs, "kept": self.kept,
            "figures": parts, "seconds": self.seconds,
        })
    }

    /// From a line of the file; none where it is no whole record.
    pub fn of_json(value: &Value) -> Option<Record> {
        let why = || value["why"].as_str().unwrap_or_default().to_string();
        let state = match value["state"].as_str()? {
            "done" => State::Done,
            "diverged" => State::Diverged(why()),
            "refused" => State::Refused(why()),
            _ => return None,
        };
        let mut figures = vec![];
        for (part, own) in value["figures"].as_object()? {
            let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
            figures.extend(own.as_object()?.iter().map(|(name, v)| (part.clone(), name.clone(), number(v))));
        }
        Some(Record {
            of: value["program"].as_str()?.to_string(),
            point: serde_json::from_value(value["settings"].clone()).ok()?,
            seed: value["seed"].as_u64()?,
            until: value["until"].as_u64().and_then(|until| u32::try_from(until).ok()),
            state,
            epochs: u32::try_from(value["epochs"].as_u64()?).ok()?,
            kept: u32::try_from(value["kept"].as_u64()?).ok()?,
            figures: in_order(figures),
            seconds: value["seconds"].as_f64()?,
        })
    }
}

/// Figures in one order, however they came: the parts as they are used, the loss first.
pub fn in_order(mut figures: Vec<(String, String, f64)>) -> Vec<(String, String, f64)> {
    let place = |part: &str| ["train", "validation", "test"].iter().position(|known| *known == part);
    figures.sort_by_cached_key(|(part, name, _)| (place(part), name != "loss", name.clone()));
    figures
}

/// The file of the trials in a sweep's folder.
pub const TRIALS: &str = "trials.jsonl";

/// The folder of a sweep: the trials that are done.
pub struct Book {
    folder: PathBuf,
    file: File,
    /// What was done before, also of other programs.
    pub known: Vec<Record>,
}

fn unwritable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(codes::FILE_UNWRITABLE, format!("cannot write `{}`: {error}", path.display()))
}

impl Book {
    /// Opens a folder, or makes it.
    ///
    /// # Errors
    /// `FILE_UNWRITABLE`, `FILE_UNREADABLE`.
    pub fn open(folder: &Path) -> Result<Book, Diagnostic> {
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        let path = folder.join(TRIALS);
        let opened = OpenOptions::new().create(true).append(true).read(true).open(&path);
        let mut file = opened.map_err(|error| unwritable(&path, &error))?;
        let text = fs::read_to_string(&path).map_err(|error| {
            Diagnostic::error(codes::FILE_UNREADABLE, format!("cannot read `{}`: {error}", path.display()))
        })?;
        if !text.is_empty() && !text.ends_with('\n') {
            // A line that was cut off by a kill is no record; the next one begins a line of its own.
            file.write_all(b"\n").map_err(|error| unwritable(&path, &error))?;
        }
        Ok(Book { folder: folder.to_path_buf(), file, known: read(&text) })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Adds a trial, a whole line at once.
    ///
    /// # Errors
    /// `FILE_UNWRITABLE`.
    pub fn add(&mut self, record: &Record) -> Result<(), Diagnostic> {
        let line = format!("{}\n", record.to_json());
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.flush());
        written.map_err(|error| unwritable(&self.folder.join(TRIALS), &error))?;
        self.known.push(record.clone());
        Ok(())
    }
}

/// The whole records among the lines of a file.
pub fn read(text: &str) -> Vec<Record> {
    text.lines().filter_map(|line| Record::of_json(&serde_json::from_str(line).ok()?)).collect()
}
