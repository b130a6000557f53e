//! A folder for each run: the program, its settings and versions, the history, checkpoints, what came of it.

use super::progress::{figures_json, part_name};
use crate::diagnostic::{Diagnostic, codes};
use crate::runtime::checkpoint::write_whole;
use crate::runtime::train::{Epoch, Outcome};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of a run.
pub struct RunFolder {
    path: PathBuf,
    /// The history so far, as CSV.
    history: String,
}

/// The file with what a run began with.
pub const RUN: &str = "run.json";
/// The file with what came of it.
pub const RESULT: &str = "result.json";
/// A line an epoch.
pub const HISTORY: &str = "history.csv";
/// The run as it stands: it can go on from there, and holds the best parameters where `keep` says which.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

fn unwritable(path: &Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error(codes::FILE_UNWRITABLE, format!("cannot write `{}`: {error}", path.display()))
}

impl RunFolder {
    /// Makes `base/net-1`, or with the next number that is free, and writes what the run begins with.
    ///
    /// # Errors
    /// `FILE_UNWRITABLE`.
    pub fn make(base: &Path, net: &str, source: &str, run: &Value) -> Result<RunFolder, Diagnostic> {
        fs::create_dir_all(base).map_err(|error| unwritable(base, &error))?;
        let taken = |path: &PathBuf| match fs::create_dir(path) {
            Ok(()) => Some(Ok(path.clone())),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => None,
            Err(error) => Some(Err(unwritable(path, &error))),
        };
        let mut paths = (1u32..).map(|k| base.join(format!("{net}-{k}")));
        let path = paths.find_map(|path| taken(&path)).expect("there are endless numbers")?;
        write_whole(&path.join("model.nn"), source.as_bytes())?;
        write_whole(&path.join(RUN), format!("{run:#}\n").as_bytes())?;
        Ok(RunFolder { path, history: String::new() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an epoch to the history. The file is whole at any time.
    ///
    /// # Errors
    /// `FILE_UNWRITABLE`.
    pub fn epoch(&mut self, epoch: &Epoch) -> Result<(), Diagnostic> {
        let figures = epoch.validation.iter().flat_map(|figures| &figures.values);
        if self.history.is_empty() {
            let names: String = figures.clone().map(|(name, _)| format!(",validation.{name}")).collect();
            self.history = format!("epoch,step,seconds,loss{names},best\n");
        }
        let values: String = figures.map(|(_, value)| format!(",{value}")).collect();
        let seconds = epoch.elapsed.as_secs_f64();
        let best = u8::from(epoch.best);
        self.history +=
            &format!("{},{},{seconds:.3},{}{values},{best}\n", epoch.number, epoch.step, epoch.loss);
        write_whole(&self.path.join(HISTORY), self.history.as_bytes())
    }

    /// Writes what came of the run.
    ///
    /// # Errors
    /// `FILE_UNWRITABLE`.
    pub fn end(&self, outcome: &Outcome) -> Result<(), Diagnostic> {
        let parts = outcome.figures.iter().map(|f| (part_name(f.part).to_string(), figures_json(f)));
        let result = json!({
            "epochs": outcome.epochs,
            "steps": outcome.steps,
            "seconds": outcome.elapsed.as_secs_f64(),
            "kept_epoch": outcome.kept,
            "stopped_early": outcome.stopped,
            "interrupted": outcome.interrupted,
            "figures": Value::Object(parts.collect::<Map<_, _>>()),
        });
        write_whole(&self.path.join(RESULT), format!("{result:#}\n").as_bytes())
    }
}
