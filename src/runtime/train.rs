//! Training: epochs of native steps, with an eye on loss and metrics.

mod judge;
mod replay;
mod spent;
mod state;

pub use spent::Spent;
pub use state::RunState;

use super::build::{Built, Setup, build_with, step_stages};
use super::evaluate::{Evaluator, Figures};
use super::health::{self, Health, Pulse};
use super::initial::initial_values;
use super::layout::{Layout, Piece};
use super::order::push_epoch_order;
use super::records::Moment;
use super::store::Store;
use super::weights::Weights;
use crate::circuit::{Numbers, Slice};
use crate::codegen::{Epochs, Options};
use crate::data::{Column, Dataset};
use crate::diagnostic::Diagnostic;
use crate::elaborate::model::{Group, Model, Part, Training, Update};
use crate::plan::schedule::Region;
use judge::Watch;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// About how long native code runs before it comes back to report.
const CHUNK: Duration = Duration::from_millis(100);

/// Examples up to which epochs are one call of native code, if nobody looks between them.
const TOGETHER: usize = 1 << 16;

/// All that a run needs.
pub struct Trainer<'a> {
    data: &'a Dataset,
    training: Training,
    built: Built,
    evaluator: Evaluator,
    store: Store,
    /// Where each parameter lies.
    pub params: Layout,
    /// Where each state lies.
    pub states: Layout,
    columns: Vec<Slice<'a>>,
    /// Those of them that lie in mapped files.
    mapped: Vec<&'a Column>,
    /// What stands where no step reads or writes; nothing, where the store holds all.
    beyond: Weights,
    /// Steps done.
    step: u64,
    /// What is run, to go over it again when a number is no longer finite.
    model: Model,
    update: Update,
    snapshot: Option<replay::Snapshot>,
    pulse: Pulse,
    watch: Watch,
    /// Sum of the losses of the examples of the epoch in work.
    partial_loss: f64,
    /// Time that the run took before it was interrupted.
    before: Duration,
    /// Whether anything is looked at between steps.
    watchful: bool,
    /// Time of the last run.
    spent: Spent,
}

/// A run that cannot go on.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The first number that was no longer finite.
    pub wrong: Box<Diagnostic>,
    /// Of gradients and units up to there.
    pub health: Health,
}

/// Who is told how a run goes.
pub trait Observer {
    /// Some steps are done.
    fn progress(&mut self, progress: &Progress);
    /// An epoch is done.
    fn epoch(&mut self, report: &Epoch);
    /// The health of the gradients was looked at once more.
    fn health(&mut self, _health: &dyn Fn() -> Health) {}
    /// Whether the run should end after the present step.
    fn interrupted(&self) -> bool {
        false
    }
    /// Whether the state of the run is wanted now.
    fn wants_state(&self) -> bool {
        false
    }
    /// The state of the run, where it was wanted.
    fn state(&mut self, _trainer: &Trainer, _state: &RunState) {}
    /// How many epochs after so many may pass before the state is wanted.
    fn epochs_until_state(&self, _done: u32) -> u32 {
        u32::MAX
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Epoch in work, from 1.
    pub epoch: u32,
    /// Steps done in all.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Mean loss of the last steps.
    pub loss: f64,
}

/// What an epoch gave.
#[derive(Clone, Debug)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: u32,
    /// Steps done in all.
    pub step: u64,
    /// Mean over its examples of the loss that each step saw before its update.
    pub loss: f64,
    /// On the validation part, if there is one.
    pub validation: Option<Figures>,
    /// Time since the run began.
    pub elapsed: Duration,
    /// Whether these are the best weights so far by `keep`.
    pub best: bool,
}

/// What a run gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The weights that are kept.
    pub weights: Arc<Weights>,
    /// The epoch that they come from; 0: before the first.
    pub kept: u32,
    /// Epochs done.
    pub epochs: u32,
    /// Whether `stop` ended it early.
    pub stopped: bool,
    /// Whether it was interrupted before its end.
    pub interrupted: bool,
    /// Where it stood at its end.
    pub state: RunState,
    /// Steps done.
    pub steps: u64,
    /// Time spent in training steps alone.
    pub training_time: Duration,
    /// Time of the whole run, evaluation included.
    pub elapsed: Duration,
    /// With the kept weights, on each part of the data that is not empty.
    pub figures: Vec<Figures>,
    /// Of gradients and units.
    pub health: Health,
}

impl<'a> Trainer<'a> {
    /// Builds native code for training and for evaluation, and draws the initial weights.
    ///
    /// # Errors
    /// What Cranelift says, which is a bug of ours.
    pub fn new(
        model: &Model,
        inference: &Model,
        update: &Update,
        training: &Training,
        data: &'a Dataset,
    ) -> Result<Trainer<'a>, String> {
        Trainer::with(model, inference, update, training, data, Options::default())
    }

    /// As [`Trainer::new`], with code made as `options` say.
    ///
    /// # Errors
    /// As there.
    pub fn with(
        model: &Model,
        inference: &Model,
        update: &Update,
        training: &Training,
        data: &'a Dataset,
        options: Options,
    ) -> Result<Trainer<'a>, String> {
        let params = Layout::of(&model.circuit, &update.order);
        let states = Layout::of(&model.circuit, &model.states);
        let stages = step_stages(model, &params, &states, update);
        let capacity = training.batch.min(data.train.len().max(1) as u32);
        let (seed, dtype) = (training.seed, training.precision);
        let setup = Setup { capacity, seed, dtype, recompute: training.recompute };
        let built = build_with(stages, setup, options)?;
        let evaluator = Evaluator::new(inference, &params, &states, seed, dtype)?;
        let mut store = Store::new(&built, 1, capacity as usize);
        let weights = initial_values(model, &params, &states, seed, dtype);
        let beyond = put(&mut store, &weights);
        for (k, moment) in update.moments().enumerate() {
            store.fill(Region::Moments(k as u16), moment.initial);
        }
        let columns = super::evaluate::columns(&model.circuit, data);
        let is_read =
            |column: &&Column| model.inputs.iter().any(|&slot| model.circuit.slot(slot).name == column.name);
        let mapped = data.columns.iter().filter(|column| column.data.is_mapped()).filter(is_read).collect();
        let pulse = Pulse::new(&model.circuit, &params);
        Ok(Trainer {
            data,
            training: training.clone(),
            built,
            evaluator,
            store,
            params,
            states,
            columns,
            mapped,
            beyond,
            step: 0,
            model: model.clone(),
            update: update.clone(),
            snapshot: None,
            pulse,
            watch: Watch::new(training),
            partial_loss: 0.0,
            before: Duration::ZERO,
            watchful: true,
            spent: Spent::default(),
        })
    }

    /// A run that looks neither after its health nor for numbers that are not finite, to tell what that costs.
    pub fn heedless(self) -> Trainer<'a> {
        Trainer { pulse: Pulse::none(), watchful: false, ..self }
    }

    /// The native program of a step and what it was made from.
    pub fn built(&self) -> &Built {
        &self.built
    }

    /// Steps done so far.
    pub fn steps_done(&self) -> u64 {
        self.step
    }

    /// What the time of the last run went into.
    pub fn spent(&self) -> Spent {
        self.spent
    }

    /// The weights as they stand.
    pub fn weights(&self) -> Weights {
        let standing = |beyond: &Numbers, region, len| match self.store.numbers(region) {
            Some(held) if beyond.is_empty() => held.part(0..len).to_numbers(),
            held => overlaid(beyond, held),
        };
        Weights {
            params: standing(&self.beyond.params, Region::Params, self.params.len),
            states: standing(&self.beyond.states, Region::States, self.states.len),
        }
    }

    /// Puts weights in place of those that stand.
    ///
    /// # Panics
    /// If their lengths are not those of the layouts.
    pub fn set_weights(&mut self, weights: &Weights) {
        self.beyond = put(&mut self.store, weights);
    }

    /// The optimizers' states: the name of each, and where its part for a parameter lies in its region.
    pub fn moment_pieces(&self) -> Vec<Vec<(String, Piece)>> {
        let groups = self.update.turns.iter().flat_map(|turn| &turn.groups);
        let of_group = |group: &Group| -> Vec<Vec<(String, Piece)>> {
            let inside = |piece: &&Piece| (group.offset..group.offset + group.len).contains(&piece.offset);
            let moved = |piece: &Piece| Piece { offset: piece.offset - group.offset, ..piece.clone() };
            let pieces: Vec<Piece> = self.params.pieces.iter().filter(inside).map(moved).collect();
            let named = |name: &str| pieces.iter().map(|piece| (name.to_string(), piece.clone())).collect();
            group.moments.iter().map(|moment| named(&moment.name)).collect()
        };
        groups.flat_map(of_group).collect()
    }

    /// Trains to the end.
    ///
    /// # Errors
    /// When the loss or a weight is no longer finite: the first number that was not.
    pub fn run(&mut self, observer: &mut dyn Observer) -> Result<Outcome, Broken> {
        self.run_to_end(observer).map_err(|wrong| Broken { wrong: Box::new(wrong), health: self.health() })
    }

    fn run_to_end(&mut self, observer: &mut dyn Observer) -> Result<Outcome, Diagnostic> {
        let began = Instant::now();
        self.spent = Spent { from: self.step, ..Spent::default() };
        let before = self.before;
        let mut training_time = Duration::ZERO;
        if self.step == 0 && self.training.keep.is_some() {
            self.watch.kept.1 = Arc::new(self.weights());
        }
        let (each, watched) = (self.steps_per_epoch(), self.is_watched());
        let mut done = (self.step / each.max(1)) as u32;
        while done < self.training.epochs && !self.watch.stopped && !observer.interrupted() {
            let together = self.together(done).min(observer.epochs_until_state(done)).max(1);
            let clock = Instant::now();
            let losses = self.epochs(done + 1, together, observer)?;
            training_time += clock.elapsed();
            let (clock, evaluated) = (Instant::now(), self.spent.evaluation);
            // The clock is slow beside an epoch of few examples: those that ran together have one time.
            let trained = before + (clock - began);
            for &loss in &losses {
                done += 1;
                let (validation, best) = if watched { self.judge(done, loss) } else { (None, false) };
                let elapsed = trained + (self.spent.evaluation - evaluated);
                let step = u64::from(done) * each;
                observer.epoch(&Epoch { number: done, step, loss, validation, elapsed, best });
            }
            if observer.wants_state() {
                observer.state(self, &self.state(before + began.elapsed()));
            }
            self.spent.observer += clock.elapsed() - (self.spent.evaluation - evaluated);
        }
        // What is only needed between steps makes room for what follows.
        self.snapshot = None;
        self.store.forget(Region::Gradients);
        let state = self.state(before + began.elapsed());
        let (kept, weights) = match state.kept.clone() {
            Some((epoch, weights)) => {
                self.set_weights(&weights);
                (epoch, weights)
            }
            None => (done, Arc::clone(&state.weights)),
        };
        let parts = [Part::Train, Part::Validation, Part::Test];
        let clock = Instant::now();
        let figures = parts.into_iter().filter_map(|part| self.figures(&weights, part)).collect();
        self.spent.evaluation += clock.elapsed();
        let clock = Instant::now();
        let health = self.health();
        self.spent.health += clock.elapsed();
        self.spent.whole = began.elapsed();
        Ok(Outcome {
            weights,
            kept,
            epochs: done,
            stopped: self.watch.stopped,
            interrupted: done < self.training.epochs && !self.watch.stopped,
            state,
            steps: self.step,
            training_time,
            elapsed: before + self.spent.whole,
            figures,
            health,
        })
    }

    /// What was seen of gradients, and what the units give now.
    pub fn health(&self) -> Health {
        let mut health = self.pulse.health();
        let count = health::examples(&self.model, self.data.train.len());
        let rows: Vec<u32> = self.data.train.iter().take(count).copied().collect();
        if !rows.is_empty() {
            let at = Moment { step: self.step.max(1), ..Moment::EVALUATION };
            health.findings.extend(health::units(&self.model, &self.bindings::<f32>(&rows, at)));
        }
        health
    }

    /// Steps of one epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.data.train.len().div_ceil(self.built.schedule.capacity as usize) as u64
    }

    /// How many epochs after so many can be one call of native code.
    fn together(&self, done: u32) -> u32 {
        let fit = if self.is_watched() { 1 } else { TOGETHER / self.data.train.len().max(1) };
        (self.training.epochs - done).min(u32::try_from(fit).unwrap_or(u32::MAX)).max(1)
    }

    /// Some epochs, of which the first may be begun; the mean loss over the examples of each that is done. Ends early
    /// where the observer wants the state of the run, or its end.
    fn epochs(
        &mut self,
        first: u32,
        count: u32,
        observer: &mut dyn Observer,
    ) -> Result<Vec<f64>, Diagnostic> {
        let (each, batch) = (self.steps_per_epoch(), self.built.schedule.capacity as usize);
        let rows = self.data.train.len();
        let order = self.order(first..first + count);
        self.data.advise(self.training.shuffle);
        let steps = each * u64::from(count);
        let whole = each * u64::from(self.training.epochs);
        // Where a step's examples begin.
        let row = |step: u64| (step / each) as usize * rows + (step % each) as usize * batch;
        let mut losses = vec![0.0; count as usize];
        losses[0] = self.partial_loss;
        let mut records = vec![];
        let begun = self.step - u64::from(first - 1) * each;
        let (mut done, mut chunk) = (begun, if count > 1 { steps } else { 1 });
        let mut batches = Batches { rows, size: batch, epoch: 0, begun: begun as usize * batch };
        while done < steps && (done == begun || !(observer.interrupted() || observer.wants_state())) {
            // A step that is looked at is run by itself.
            let due = self.pulse.next(whole);
            let looked_at = due == self.step + 1;
            let until = if looked_at { 1 } else { due.saturating_sub(self.step + 1).max(1) };
            let count = chunk.min(steps - done).min(until);
            let clock = Instant::now();
            // What is kept to go back to is also what the step is compared with.
            if looked_at {
                self.take_snapshot();
            }
            self.spent.health += clock.elapsed();
            if self.watchful {
                self.keep_snapshot();
            }
            let numbered = (self.step + 1..self.step + 1 + count).zip(batches.clone());
            let moments = numbered.map(|(step, (epoch, examples))| Moment {
                step,
                steps: whole,
                epoch: first + epoch as u32,
                examples,
            });
            records.clear();
            self.built.records.push_all(moments, &mut records);
            let clock = Instant::now();
            let epochs = Epochs { rows, begun: batches.begun };
            let part = &order[row(done)..row(done + count)];
            self.mapped.iter().for_each(|column| column.will_read(part));
            self.store.run_epochs(&self.built, &self.columns, part, epochs, &records, &[]);
            let taken = clock.elapsed();
            let (mut sum, mut bad) = (0.0, None);
            let log = self.store.numbers(Region::Log).expect("the loss of each step is logged");
            let log = log.part(0..count as usize).iter();
            // The log comes first: at its end no batch is taken.
            for (k, (loss, (epoch, examples))) in (1..).zip(log.zip(&mut batches)) {
                if !loss.is_finite() {
                    bad = Some((self.step + k, loss));
                    break;
                }
                let loss = loss * f64::from(examples);
                losses[epoch] += loss;
                sum += loss;
            }
            if let Some((step, loss)) = bad {
                return Err(self.not_finite(step, Some(loss)));
            }
            done += count;
            self.step += count;
            if self.watchful && !self.is_finite() {
                return Err(self.not_finite(self.step, None));
            }
            let clock = Instant::now();
            if let (true, Some(before), Some(after)) =
                (looked_at, &self.snapshot, self.store.numbers(Region::Params))
            {
                self.pulse.take(
                    self.step,
                    before.params.slice(),
                    after,
                    self.store.numbers(Region::Gradients),
                );
                observer.health(&|| self.pulse.health());
            }
            self.spent.health += clock.elapsed();
            let clock = Instant::now();
            observer.progress(&Progress {
                epoch: first + ((done - 1) / each) as u32,
                step: self.step,
                steps: whole,
                loss: sum / part.len() as f64,
            });
            self.spent.observer += clock.elapsed();
            // Of a part that was cut short nothing is learned.
            chunk = if count < chunk { chunk } else { next_chunk(count, taken) };
        }
        let whole = (done / each) as usize;
        self.partial_loss = losses.get(whole).copied().unwrap_or(0.0);
        losses.truncate(whole);
        losses.iter_mut().for_each(|loss| *loss /= rows as f64);
        Ok(losses)
    }

    /// The examples of some epochs in the order in which steps see them.
    fn order(&self, epochs: Range<u32>) -> Vec<u32> {
        let rows = &self.data.train;
        if !self.training.shuffle {
            return rows.repeat(epochs.len());
        }
        let mut order = Vec::with_capacity(epochs.len() * rows.len());
        epochs.for_each(|epoch| push_epoch_order(rows, self.training.seed, epoch, &mut order));
        order
    }
}

/// Puts weights into the regions that hold them; those of a region that does not hold all of them are given back.
fn put(store: &mut Store, weights: &Weights) -> Weights {
    let mut put = |region, numbers: &Numbers| {
        store.put(region, numbers);
        let all = store.numbers(region).is_some_and(|held| held.len() >= numbers.len());
        numbers.part(0..if all { 0 } else { numbers.len() })
    };
    Weights { params: put(Region::Params, &weights.params), states: put(Region::States, &weights.states) }
}

/// `values` with what is held put over its beginning.
fn overlaid(values: &Numbers, held: Option<Slice<'_>>) -> Numbers {
    let mut out = values.clone();
    held.into_iter().for_each(|held| out.slice_mut().put(held));
    out
}

/// How many steps to run next, from how long the last ones took.
fn next_chunk(count: u64, taken: Duration) -> u64 {
    let wanted = count as f64 * CHUNK.as_secs_f64() / taken.as_secs_f64().max(1e-7);
    (wanted as u64).clamp(1, 8 * count).min(100_000)
}

/// The batches of epochs that follow one another, without end: the epoch of each, from 0, and how many examples it has.
/// Both are carried along, for a step of the smallest of nets is so short that divisions beside it count.
#[derive(Clone)]
struct Batches {
    /// Examples of an epoch.
    rows: usize,
    /// Examples of a batch; the last one of an epoch may have fewer.
    size: usize,
    /// The epoch in work.
    epoch: usize,
    /// Its examples that came before.
    begun: usize,
}

impl Iterator for Batches {
    type Item = (usize, u32);

    fn next(&mut self) -> Option<(usize, u32)> {
        let examples = self.size.min(self.rows - self.begun);
        let batch = (self.epoch, examples as u32);
        self.begun += examples;
        if self.begun == self.rows {
            (self.epoch, self.begun) = (self.epoch + 1, 0);
        }
        Some(batch)
    }
}
