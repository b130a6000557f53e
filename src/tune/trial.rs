//! One training run of a sweep, on one thread.

use super::points::Point;
use super::record::{Record, State, in_order};
use crate::circuit::Dtype;
use crate::circuit::draw::site;
use crate::codegen::Options;
use crate::data::room::Room;
use crate::data::{self, Dataset};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::elaborate::model::{Model, Part, Training, Update};
use crate::elaborate::{self, Choices, Program};
use crate::runtime::evaluate::Figures;
use crate::runtime::train::{Epoch, Observer, Outcome, Progress, Trainer};
use crate::runtime::{checkpoint, saved};
use crate::syntax::ast::ItemKind;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What all trials of a sweep share.
pub struct Bench<'a> {
    /// The program.
    pub program: &'a Program,
    /// What the command line sets for all of them.
    pub choices: &'a Choices,
    /// The data, in each type of numbers that is trained in.
    pub data: Vec<(Dtype, Dataset)>,
    /// Fingerprint of program and data.
    pub of: String,
    /// Where runs that pause are kept.
    pub folder: PathBuf,
}

/// A trial to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// What is set.
    pub point: Point,
    /// The seed of the run.
    pub seed: u64,
    /// The epoch at which it pauses; none: it runs to its end.
    pub until: Option<u32>,
    /// Whether it may go on later.
    pub pauses: bool,
}

/// A program with some settings, ready to be trained.
pub struct Ready {
    /// Its `train` block.
    pub training: Training,
    /// The net as it is trained.
    pub model: Model,
    /// The net as it is evaluated.
    pub inference: Model,
    /// Its optimizers.
    pub update: Update,
}

impl<'a> Bench<'a> {
    /// A bench for a program whose data was read once; reads it again for each other precision that is tried.
    ///
    /// # Errors
    /// What is wrong with the data so.
    pub fn new(
        program: &'a Program,
        choices: &'a Choices,
        (training, data): (&Training, &Dataset),
        (precisions, room): (&[Dtype], &Room),
        folder: &Path,
    ) -> Result<Bench<'a>, Diagnostics> {
        let of = fingerprint(program, choices, data);
        let mut all = vec![(training.precision, data.clone())];
        for &dtype in precisions.iter().filter(|&&dtype| dtype != training.precision) {
            let item = elaborate::data_item(program, Some(&training.data))?;
            let base = program.path.parent().unwrap_or(Path::new("."));
            all.push((dtype, data::load_as(item, &program.sources, base, dtype, room)?));
        }
        Ok(Bench { program, choices, data: all, of, folder: folder.to_path_buf() })
    }

    /// Elaborates the program with the settings of a point.
    ///
    /// # Errors
    /// What is wrong with the program so.
    pub fn ready(&self, point: &Point, seed: u64) -> Result<(Ready, &Dataset), Diagnostics> {
        let mut choices = self.choices.clone();
        choices.settings.extend(point.iter().cloned());
        choices.settings.push(("seed".into(), seed.to_string()));
        let training = elaborate::training(self.program, &choices)?;
        let data = self.data.iter().find(|(dtype, _)| *dtype == training.precision);
        let (_, data) = data.expect("the data was read in every precision that is tried");
        let model = |training| {
            let choices = Choices { training, ..choices.clone() };
            elaborate::model(self.program, Some(data), &choices).map(|(model, _)| model)
        };
        let (model, inference) = (model(true)?, model(false)?);
        let update = elaborate::update(self.program, &choices, &model)?;
        Ok((Ready { training, model, inference, update }, data))
    }

    /// Runs a trial.
    pub fn run(&self, job: &Job) -> Record {
        let began = Instant::now();
        let mut record = Record {
            of: self.of.clone(),
            point: job.point.clone(),
            seed: job.seed,
            until: job.until,
            state: State::Done,
            epochs: 0,
            kept: 0,
            figures: vec![],
            seconds: 0.0,
        };
        let first =
            |wrong: Diagnostics| wrong.into_iter().next().map_or(String::new(), |wrong| wrong.message);
        match self.ready(&job.point, job.seed) {
            Err(wrong) => record.state = State::Refused(first(wrong)),
            Ok((ready, data)) => match self.train(job, &ready, data) {
                Ok(outcome) => {
                    (record.epochs, record.kept) = (outcome.epochs, outcome.kept);
                    record.figures = in_order(outcome.figures.iter().flat_map(named).collect());
                }
                Err(wrong) => record.state = State::Diverged(wrong.message.clone()),
            },
        }
        record.seconds = began.elapsed().as_secs_f64();
        record
    }

    fn train(&self, job: &Job, ready: &Ready, data: &Dataset) -> Result<Outcome, Box<Diagnostic>> {
        let options = Options { threads: 1, ..Options::default() };
        let Ready { training, model, inference, update } = ready;
        let mut trainer = Trainer::with(model, inference, update, training, data, options)
            .expect("Cranelift compiles what the planner makes");
        let path = self.paused(job);
        let until = job.until.unwrap_or(training.epochs);
        let mut pause = Pause { until, done: 0 };
        // What cannot be read, or is further on already, is begun anew: to the same bits.
        let loaded = checkpoint::load(&path).ok();
        let state = loaded.and_then(|loaded| saved::resumed(&loaded, &trainer, training.precision).ok());
        if let Some(state) = state {
            let done = (state.step / trainer.steps_per_epoch().max(1)) as u32;
            if done <= until {
                pause.done = done;
                trainer.go_on(state);
            }
        }
        let outcome = trainer.run(&mut pause).map_err(|broken| broken.wrong)?;
        if job.pauses {
            // A run that cannot be kept is begun anew in the next round.
            _ = saved::save(&path, &trainer, &outcome.state, &saved::version_metadata());
        } else {
            _ = std::fs::remove_file(&path);
        }
        Ok(outcome)
    }

    /// Where a run that pauses is kept.
    pub fn paused(&self, job: &Job) -> PathBuf {
        let settings: Vec<String> = job.point.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let name = site(&format!("{} {} {}", self.of, settings.join(" "), job.seed));
        self.folder.join(format!("paused-{name:016x}.safetensors"))
    }
}

/// A fingerprint of all that decides what a trial gives, but for its point and seed: the program without its sweeps, the
/// library, the settings of the command line, the data.
fn fingerprint(program: &Program, choices: &Choices, data: &Dataset) -> String {
    let mut told = String::new();
    let text = program.text();
    let mut begin = 0;
    for item in program.file.items.iter().filter(|item| matches!(item.kind, ItemKind::Sweep { .. })) {
        told += text[begin..item.span.start as usize].trim_end();
        begin = item.span.end as usize;
    }
    told += text[begin..].trim_end();
    let files = program.used.iter().filter_map(|file| file.items.first());
    files.for_each(|item| told += &program.sources.get(item.span.file).text);
    told += &format!("{:?} {:?} {}", choices.net, choices.settings, saved::fingerprint(data));
    told += env!("CARGO_PKG_VERSION");
    format!("{:016x}", site(&told))
}

/// Part, name and value of each figure.
fn named(figures: &Figures) -> Vec<(String, String, f64)> {
    let part = part_name(figures.part);
    figures.values.iter().map(|(name, value)| (part.to_string(), name.clone(), *value)).collect()
}

/// How a part of the data is called.
pub fn part_name(part: Part) -> &'static str {
    match part {
        Part::Train => "train",
        Part::Validation => "validation",
        Part::Test => "test",
    }
}

/// Ends a run after some epoch.
struct Pause {
    until: u32,
    done: u32,
}

impl Observer for Pause {
    fn progress(&mut self, _: &Progress) {}

    fn epoch(&mut self, report: &Epoch) {
        self.done = report.number;
    }

    fn interrupted(&self) -> bool {
        self.done >= self.until
    }

    fn epochs_until_state(&self, done: u32) -> u32 {
        self.until.saturating_sub(done).max(1)
    }
}
