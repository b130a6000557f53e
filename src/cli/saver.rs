//! Checkpoints of a run while it goes on.

use crate::diagnostic::Diagnostic;
use crate::runtime::checkpoint::Metadata;
use crate::runtime::saved;
use crate::runtime::train::{RunState, Trainer};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often a run is saved that is not asked to be saved every so many epochs.
const OFTEN: Duration = Duration::from_secs(30);

/// Where and when a run is saved.
pub struct Saver {
    /// The files that are written each time.
    pub paths: Vec<PathBuf>,
    /// Epochs between two times; by the clock, if not said.
    pub every: Option<u32>,
    /// What stands in the files beside the run.
    pub metadata: Metadata,
    last: Instant,
    due: bool,
    /// What went wrong the last time, and was told.
    pub failed: Option<Diagnostic>,
}

impl Saver {
    /// Nothing is saved where there are no paths.
    pub fn new(paths: Vec<PathBuf>, every: Option<u32>, metadata: Metadata) -> Saver {
        Saver { paths, every, metadata, last: Instant::now(), due: false, failed: None }
    }

    /// An epoch is done.
    pub fn epoch(&mut self, number: u32) {
        self.due |= self.every.is_some_and(|every| number.is_multiple_of(every));
    }

    /// Whether the run is to be saved now.
    pub fn is_due(&self) -> bool {
        !self.paths.is_empty() && (self.due || (self.every.is_none() && self.last.elapsed() > OFTEN))
    }

    /// How many epochs after so many may pass before it is.
    pub fn epochs_until(&self, done: u32) -> u32 {
        self.every.map_or(u32::MAX, |every| every - done % every)
    }

    /// Saves. A failure ends no run: what was saved before is still there, and the next time may succeed.
    pub fn save(&mut self, trainer: &Trainer, state: &RunState) -> Result<(), Diagnostic> {
        (self.last, self.due) = (Instant::now(), false);
        let saved = self.paths.iter().try_for_each(|path| saved::save(path, trainer, state, &self.metadata));
        self.failed = saved.clone().err();
        saved
    }
}
