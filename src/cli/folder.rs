//! A folder for each run: the program, its settings and versions, the history as a table and for TensorBoard, checkpoints,
//! what came of it.

use super::events::{EVENTS, Events};
use super::progress::{figures_json, part_name};
use crate::diagnostic::{Diagnostic, codes};
use crate::elaborate::model::Part;
use crate::runtime::checkpoint::write_whole;
use crate::runtime::evaluate::Figures;
use crate::runtime::train::{Epoch, Outcome};
use serde_json::{Map, Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of a run.
pub struct RunFolder {
    path: PathBuf,
    /// The history, begun with the first epoch.
    history: Option<File>,
    /// The same for TensorBoard.
    events: Option<Events<File>>,
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

/// `accuracy/validation`: charts of one figure stand together, a curve a part.
fn tagged(figures: &Figures) -> Vec<(String, f64)> {
    let part = part_name(figures.part);
    figures.values.iter().map(|(name, value)| (format!("{name}/{part}"), *value)).collect()
}

/// Seconds since 1970.
fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
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
        Ok(RunFolder { path, history: None, events: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds an epoch to the history, a whole line at a time.
    ///
    /// # Errors
    /// `FILE_UNWRITABLE`.
    pub fn epoch(&mut self, epoch: &Epoch) -> Result<(), Diagnostic> {
        let path = self.path.join(HISTORY);
        self.add(&path, epoch).map_err(|error| unwritable(&path, &error))?;
        let mut numbers = vec![("loss/train".to_string(), epoch.loss)];
        numbers.extend(epoch.validation.iter().flat_map(tagged));
        self.tell(epoch.step, &numbers)
    }

    /// Adds numbers to what TensorBoard reads.
    fn tell(&mut self, step: u64, numbers: &[(String, f64)]) -> Result<(), Diagnostic> {
        let path = self.path.join(EVENTS);
        let mut add = || -> std::io::Result<()> {
            let events = match &mut self.events {
                Some(events) => events,
                None => self.events.insert(Events::new(File::create(&path)?, now())?),
            };
            events.add(now(), step, numbers)
        };
        add().map_err(|error| unwritable(&path, &error))
    }

    fn add(&mut self, path: &Path, epoch: &Epoch) -> std::io::Result<()> {
        let figures = || epoch.validation.iter().flat_map(|figures| &figures.values);
        let mut line = String::new();
        let file = match &mut self.history {
            Some(file) => file,
            None => {
                let names: String = figures().map(|(name, _)| format!(",validation.{name}")).collect();
                line = format!("epoch,step,seconds,loss{names},best\n");
                self.history.insert(File::create(path)?)
            }
        };
        let values: String = figures().map(|(_, value)| format!(",{value}")).collect();
        let (seconds, best) = (epoch.elapsed.as_secs_f64(), u8::from(epoch.best));
        line += &format!("{},{},{seconds:.3},{}{values},{best}\n", epoch.number, epoch.step, epoch.loss);
        file.write_all(line.as_bytes())
    }

    /// Writes what came of the run.
    ///
    /// # Errors
    /// `FILE_UNWRITABLE`.
    pub fn end(&mut self, outcome: &Outcome) -> Result<(), Diagnostic> {
        let test = outcome.figures.iter().filter(|figures| figures.part == Part::Test);
        let test: Vec<(String, f64)> = test.flat_map(tagged).collect();
        if !test.is_empty() {
            self.tell(outcome.steps, &test)?;
        }
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
