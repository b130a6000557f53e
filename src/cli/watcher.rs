//! Who looks on while a run goes: shows it, saves it, keeps its history.

use super::common::Session;
use super::folder::{CHECKPOINT, RunFolder};
use super::progress::Display;
use super::run::Places;
use super::saver::Saver;
use crate::data::Dataset;
use crate::diagnostic::{Diagnostic, Severity};
use crate::elaborate::model::{Model, Training};
use crate::runtime::checkpoint::Metadata;
use crate::runtime::health::Health;
use crate::runtime::train::{Epoch, Observer, Progress, RunState, Trainer};
use crate::runtime::{checkpoint, provenance, saved};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Shows a run and saves it.
pub struct Watcher<'a> {
    /// What is seen of it.
    pub display: Display,
    /// Where it is saved.
    pub saver: Saver,
    /// Its folder, if it has one.
    pub folder: Option<RunFolder>,
    /// What was told of each epoch, if that is wanted.
    pub epochs: Option<Vec<Epoch>>,
    session: &'a Session,
}

impl<'a> Watcher<'a> {
    /// Before the first step: that files can be written is found out now, not at the end.
    ///
    /// # Errors
    /// `FILE_UNWRITABLE`.
    pub fn new(
        session: &'a Session,
        model: &Model,
        trainer: &Trainer,
        training: &Training,
        places: Places,
    ) -> Result<Watcher<'a>, Diagnostic> {
        let steps = trainer.steps_per_epoch() * u64::from(training.epochs);
        let display = Display::new(steps, training.epochs, session.json);
        let mut paths: Vec<PathBuf> = places.file.into_iter().collect();
        paths.iter().try_for_each(|path| checkpoint::probe(path))?;
        let folder = places.folder.map(|base| run_folder(&base, session, model, training)).transpose()?;
        paths.extend(folder.iter().map(|folder| folder.path().join(CHECKPOINT)));
        let told = session.data.as_ref().filter(|_| !paths.is_empty());
        let metadata = told.map_or(vec![], |data| metadata(session, model, data));
        let saver = Saver::new(paths, places.every, metadata);
        Ok(Watcher { display, saver, folder, epochs: places.keeps_epochs.then(Vec::new), session })
    }
}

impl Observer for Watcher<'_> {
    fn progress(&mut self, progress: &Progress) {
        self.display.progress(progress);
    }

    fn health(&mut self, health: &dyn Fn() -> Health) {
        self.display.health(health);
    }

    fn epoch(&mut self, report: &Epoch) {
        self.display.epoch(report);
        self.saver.epoch(report.number);
        if let Some(epochs) = &mut self.epochs {
            epochs.push(report.clone());
        }
        let written = self.folder.as_mut().map_or(Ok(()), |folder| folder.epoch(report));
        if let Err(wrong) = written {
            self.session.warn(&[Diagnostic { severity: Severity::Warning, ..wrong }]);
        }
    }

    fn interrupted(&self) -> bool {
        super::interrupt::is_asked()
    }

    fn wants_state(&self) -> bool {
        self.saver.is_due()
    }

    fn state(&mut self, trainer: &Trainer, state: &RunState) {
        let known = self.saver.failed.is_some();
        if let (Err(wrong), false) = (self.saver.save(trainer, state), known) {
            let severity = Severity::Warning;
            let note = "the run goes on; what was saved before is still there";
            self.session.warn(&[Diagnostic { severity, ..wrong }.note(note)]);
        }
    }

    fn epochs_until_state(&self, done: u32) -> u32 {
        self.saver.epochs_until(done)
    }
}

/// The folder of a run, with what it begins with.
fn run_folder(
    base: &Path,
    session: &Session,
    model: &Model,
    training: &Training,
) -> Result<RunFolder, Diagnostic> {
    // What has an entry of its own is no setting.
    let given =
        session.choices.settings.iter().filter(|(name, _)| !["seed", "epochs"].contains(&name.as_str()));
    let settings: Map<String, Value> = given.map(|(name, value)| (name.clone(), json!(value))).collect();
    let run = json!({
        "net": model.name,
        "program": session.program.path,
        "settings": settings,
        "seed": training.seed,
        "batch": training.batch,
        "epochs": training.epochs,
        "precision": training.precision.name(),
        "nnc": env!("CARGO_PKG_VERSION"),
        "began": std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs()),
    });
    RunFolder::make(base, &model.name, session.program.text(), &run)
}

/// What a checkpoint tells beside the run.
pub fn metadata(session: &Session, model: &Model, data: &Dataset) -> Metadata {
    let mut metadata = saved::version_metadata();
    metadata.push(("net".to_string(), model.name.clone()));
    metadata.push(("seed".to_string(), session.seed().to_string()));
    metadata.push((saved::FINGERPRINT.to_string(), saved::fingerprint(data)));
    metadata.extend(provenance::source_metadata(session.program.text()));
    metadata.extend(provenance::settings_metadata(&session.choices.settings));
    metadata.extend(provenance::metadata(model, data));
    metadata
}
