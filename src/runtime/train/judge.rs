//! What the parameters are worth after an epoch: figures, the best so far, and whether to stop.

use super::Trainer;
use crate::elaborate::model::{Best, Part, Training};
use crate::runtime::evaluate::Figures;
use crate::runtime::weights::Weights;
use std::sync::Arc;
use std::time::Instant;

impl Trainer<'_> {
    /// Whether anything is to be known of the parameters after each epoch.
    pub(super) fn is_watched(&self) -> bool {
        let Training { stop, keep, .. } = &self.training;
        !self.data.validation.is_empty() || stop.is_some() || keep.is_some()
    }

    /// What the parameters are worth after an epoch: the figures on the validation part, and whether `keep` holds them
    /// for the best so far.
    pub(super) fn judge(&mut self, number: u32, loss: f64) -> (Option<Figures>, bool) {
        let clock = Instant::now();
        let Training { keep, stop, .. } = &self.training;
        let weights = self.weights();
        let figures = self.figures(&weights, Part::Validation);
        let best = self.watched(keep.as_ref(), loss, &figures, &weights);
        let patience =
            stop.as_ref().map(|stop| (stop.epochs, self.watched(Some(&stop.best), loss, &figures, &weights)));
        let is_kept = keep.is_some();
        let watch = &mut self.watch;
        let best = watch.best.improves(number, best);
        if let Some((epochs, value)) = patience {
            watch.patience.improves(number, value);
            watch.stopped = number - watch.patience.at >= epochs;
        }
        if best {
            watch.kept = (number, Arc::new(weights));
        }
        self.spent.evaluation += clock.elapsed();
        (figures, best && is_kept)
    }

    /// Loss and metrics on a part of the data; none where it is empty.
    pub fn figures(&self, weights: &Weights, part: Part) -> Option<Figures> {
        self.evaluator.figures(weights, self.data, part)
    }

    /// The figure that `stop` or `keep` watches. The training loss is the one that the steps saw.
    fn watched(
        &self,
        best: Option<&Best>,
        loss: f64,
        validation: &Option<Figures>,
        weights: &Weights,
    ) -> Option<f64> {
        let best = best?;
        match best.part {
            Part::Validation => validation.as_ref()?.named(&best.figure),
            Part::Train if best.figure == "loss" => Some(loss),
            part => self.figures(weights, part)?.named(&best.figure),
        }
    }
}

/// What is known of the parameters so far.
pub(super) struct Watch {
    pub(super) best: Record,
    pub(super) patience: Record,
    /// The best parameters, and the epoch that they come from.
    pub(super) kept: (u32, Arc<Weights>),
    /// Whether `stop` ends the run.
    pub(super) stopped: bool,
}

impl Watch {
    /// Before the first epoch.
    pub(super) fn new(training: &Training) -> Watch {
        Watch {
            best: Record::new(training.keep.as_ref()),
            patience: Record::new(training.stop.as_ref().map(|stop| &stop.best)),
            kept: Default::default(),
            stopped: false,
        }
    }
}

/// The best value so far of a figure that is watched.
pub(super) struct Record {
    pub(super) highest: bool,
    pub(super) value: Option<f64>,
    /// The epoch of the best value.
    pub(super) at: u32,
}

impl Record {
    fn new(best: Option<&Best>) -> Record {
        Record { highest: best.is_some_and(|best| best.highest), value: None, at: 0 }
    }

    /// Whether this epoch's value is better than all before; NaN never is.
    fn improves(&mut self, epoch: u32, value: Option<f64>) -> bool {
        let Some(value) = value.filter(|value| !value.is_nan()) else { return false };
        let better = self.value.is_none_or(|best| if self.highest { value > best } else { value < best });
        if better {
            (self.value, self.at) = (Some(value), epoch);
        }
        better
    }
}
