//! All that a run needs to go on as if it had not been interrupted.

use super::Trainer;
use super::judge::{Record, Watch};
use crate::circuit::Numbers;
use crate::plan::schedule::Region;
use crate::runtime::weights::Weights;
use std::sync::Arc;
use std::time::Duration;

/// A run as it stands after some step.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// Steps done.
    pub step: u64,
    /// Parameters and states as they stand.
    pub weights: Arc<Weights>,
    /// The optimizers' states, in the order of [`Update::moments`](crate::elaborate::Update::moments).
    pub moments: Vec<Numbers>,
    /// Sum of the losses of the examples of the epoch in work.
    pub partial_loss: f64,
    /// Best values so far of what `keep` and `stop` watch, and the epochs that they come from.
    pub records: [(Option<f64>, u32); 2],
    /// The weights that `keep` holds for the best so far, and the epoch that they come from; those that stand, without
    /// `keep`.
    pub kept: Option<(u32, Arc<Weights>)>,
    /// Time that the run has taken.
    pub elapsed: Duration,
}

impl RunState {
    /// What the run would end with if it ended here.
    pub fn result(&self) -> &Weights {
        self.kept.as_ref().map_or(&self.weights, |(_, weights)| weights)
    }
}

impl Trainer<'_> {
    /// The run as it stands; `elapsed` is the time that it has taken.
    pub(super) fn state(&self, elapsed: Duration) -> RunState {
        let record = |record: &Record| (record.value, record.at);
        RunState {
            step: self.step,
            weights: Arc::new(self.weights()),
            moments: self.moments(),
            partial_loss: self.partial_loss,
            records: [record(&self.watch.best), record(&self.watch.patience)],
            kept: self.training.keep.is_some().then(|| self.watch.kept.clone()),
            elapsed,
        }
    }

    /// The optimizers' states as they stand.
    pub(super) fn moments(&self) -> Vec<Numbers> {
        let count = self.update.moments().count();
        (0..count).map(|k| self.store.copied(Region::Moments(k as u16))).collect()
    }

    /// Goes on from where a run stood.
    ///
    /// # Panics
    /// If it was a run of another program.
    pub fn go_on(&mut self, state: RunState) {
        self.set_weights(&state.weights);
        for (k, moment) in state.moments.iter().enumerate() {
            self.store.put(Region::Moments(k as u16), moment);
        }
        self.step = state.step;
        self.partial_loss = state.partial_loss;
        self.before = state.elapsed;
        self.pulse.skip(state.step);
        let [best, patience] = state.records;
        let epochs = (state.step / self.steps_per_epoch().max(1)) as u32;
        let stop = self.training.stop.as_ref();
        let stopped = stop.is_some_and(|stop| epochs.saturating_sub(patience.1) >= stop.epochs);
        let standing = if self.training.keep.is_some() { state.weights } else { Arc::default() };
        let record = |(value, at), record: &Record| Record { highest: record.highest, value, at };
        self.watch = Watch {
            best: record(best, &self.watch.best),
            patience: record(patience, &self.watch.patience),
            kept: state.kept.unwrap_or((0, standing)),
            stopped,
        };
    }
}
