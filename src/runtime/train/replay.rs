//! When a number is no longer finite: back to the weights before, and over the step again with open eyes.

use super::Trainer;
use crate::circuit::{Dtype, Leaf, Node, Numbers, Slice, SlotId, SlotRole};
use crate::diagnostic::{Diagnostic, codes};
use crate::elaborate::model::Turn;
use crate::interpret::{Bindings, Element};
use crate::plan::schedule::Region;
use crate::runtime::first_bad::{FirstBad, in_step, in_update};
use crate::runtime::layout::Piece;
use crate::runtime::records::Moment;
use std::time::{Duration, Instant};

/// How old a snapshot may grow: what is lost by it is run over again, and taking one costs a copy of the weights.
const AGE: Duration = Duration::from_secs(1);

/// Everything that steps change, as it stood after some step.
pub(super) struct Snapshot {
    step: u64,
    pub(super) params: Numbers,
    states: Numbers,
    moments: Vec<Numbers>,
    taken: Instant,
}

impl Trainer<'_> {
    /// Keeps what stands now, if what is kept is old.
    pub(super) fn keep_snapshot(&mut self) {
        if self.snapshot.as_ref().is_none_or(|snapshot| snapshot.taken.elapsed() > AGE) {
            self.take_snapshot();
        }
    }

    /// Keeps what stands now.
    pub(super) fn take_snapshot(&mut self) {
        // There is room for one of them.
        self.snapshot = None;
        self.snapshot = Some(self.taken());
    }

    fn taken(&self) -> Snapshot {
        Snapshot {
            step: self.step,
            params: self.store.copied(Region::Params),
            states: self.store.copied(Region::States),
            moments: self.moments(),
            taken: Instant::now(),
        }
    }

    fn restore(&mut self, snapshot: &Snapshot) {
        self.store.put(Region::Params, &snapshot.params);
        self.store.put(Region::States, &snapshot.states);
        for (k, moment) in snapshot.moments.iter().enumerate() {
            self.store.put(Region::Moments(k as u16), moment);
        }
        self.step = snapshot.step;
    }

    /// Whether all parameters are numbers.
    pub(super) fn is_finite(&self) -> bool {
        match self.store.numbers(Region::Params) {
            Some(Slice::F32(values)) => values.iter().all(|x| x.is_finite()),
            Some(Slice::F64(values)) => values.iter().all(|x| x.is_finite()),
            None => true,
        }
    }

    /// The batch of a step, and where the run stands in it.
    fn batch(&self, step: u64) -> (Vec<u32>, Moment) {
        let per_epoch = self.steps_per_epoch();
        let (epoch, within) = ((step - 1) / per_epoch + 1, (step - 1) % per_epoch);
        let epoch = epoch as u32;
        let order = self.order(epoch..epoch + 1);
        let size = self.built.schedule.capacity as usize;
        let rows: Vec<u32> = order[within as usize * size..].iter().take(size).copied().collect();
        let steps = per_epoch * u64::from(self.training.epochs);
        let examples = rows.len() as u32;
        (rows, Moment { step, steps, epoch, examples })
    }

    /// Runs steps until so many are done, and looks at nothing.
    pub fn advance(&mut self, to: u64) {
        while self.step < to {
            let (rows, at) = self.batch(self.step + 1);
            let mut records = vec![];
            self.built.records.push(at, &mut records);
            self.store.run(&self.built, &self.columns, &rows, &records);
            self.step += 1;
        }
    }

    /// The loss of each of the next steps, up to one that is not finite. Nothing else is looked at.
    pub fn losses(&mut self, steps: u64) -> Vec<f64> {
        let mut losses = vec![];
        for _ in 0..steps {
            self.advance(self.step + 1);
            let log = self.store.numbers(Region::Log).expect("the loss of each step is logged");
            let loss = log.get(0);
            if !loss.is_finite() {
                break;
            }
            losses.push(loss);
        }
        losses
    }

    /// What is told when the loss of a step, or a weight after it, is not finite: the first number that was not.
    pub(super) fn not_finite(&mut self, step: u64, loss: Option<f64>) -> Diagnostic {
        let first = self.first_bad_step(step);
        self.look_at(first);
        let (_, at) = self.batch(first);
        let found = match self.training.precision {
            Dtype::F32 => self.found::<f32>(first),
            Dtype::F64 => self.found::<f64>(first),
        };
        let seen = match loss {
            Some(loss) => format!("the loss is {loss} at step {step}"),
            None => format!("a weight is no longer finite after step {step}"),
        };
        let steps = format!("{first} (epoch {})", at.epoch);
        let Some(found) = found else {
            return Diagnostic::error(
                codes::NOT_FINITE,
                format!("{seen} (epoch {}): training cannot go on", at.epoch),
            )
            .at(self.training.span, "in this training")
            .help("a smaller learning rate, `clip = norm(1.0)` or scaled inputs are the usual remedies");
        };
        let message = format!("{}: the first number of step {steps} that is not finite", found.told());
        found
            .labelled(Diagnostic::error(codes::NOT_FINITE, message))
            .at(self.training.span, "in this training")
            .note(format!("seen when {seen}; the step was gone over again from the weights before it"))
            .help(found.help)
    }

    /// The first step after which a weight is not finite, or else the one that is suspected; the run stands before it.
    fn first_bad_step(&mut self, suspect: u64) -> u64 {
        let Some(snapshot) = self.snapshot.take() else { return suspect };
        let at = |trainer: &mut Self, step: u64| {
            trainer.restore(&snapshot);
            trainer.advance(step);
            trainer.is_finite()
        };
        let (mut good, mut bad) = (snapshot.step, suspect);
        if !at(self, suspect - 1) {
            bad = suspect - 1;
            while bad > good + 1 {
                let middle = good.midpoint(bad);
                if at(self, middle) { good = middle } else { bad = middle }
            }
        }
        // How it was one step earlier tells more of its health than what is no number.
        if bad > snapshot.step + 1 {
            at(self, bad - 2);
            self.look_at(bad - 1);
        }
        at(self, bad - 1);
        bad
    }

    /// Takes the readings of the step that the run stands before, and goes back.
    fn look_at(&mut self, step: u64) {
        let before = self.taken();
        self.advance(step);
        if let Some(after) = self.store.numbers(Region::Params) {
            self.pulse.take(step, before.params.slice(), after, self.store.numbers(Region::Gradients));
        }
        self.restore(&before);
    }

    /// Goes over the step that the run stands before.
    fn found<T: Element>(&mut self, step: u64) -> Option<FirstBad> {
        let (rows, moment) = self.batch(step);
        let bindings = self.bindings::<T>(&rows, moment);
        if let Some(found) = in_step(&self.model, &bindings) {
            return Some(found);
        }
        let before = self.taken();
        self.advance(step);
        let gradients = self.store.numbers(Region::Gradients)?.to_numbers();
        in_update(&self.update, &self.params, &self.model.circuit, |turn, first| {
            let bound = update_bindings::<T>(turn, &before, &gradients, first);
            Bindings { step: moment.step, steps: moment.steps, epoch: moment.epoch.into(), ..bound }
        })
    }

    /// The slots of the net: the batch, and the weights that stand.
    pub(super) fn bindings<T: Element>(&self, rows: &[u32], at: Moment) -> Bindings<T> {
        let seed = self.training.seed;
        let mut bindings = Bindings::<T> {
            examples: rows.to_vec(),
            seed,
            step: at.step,
            steps: at.steps,
            epoch: at.epoch.into(),
            ..Bindings::new(rows.len())
        };
        let weights = self.weights();
        let mut columns = self.columns.iter();
        for (k, slot) in self.model.circuit.slots().iter().enumerate() {
            let id = SlotId(k as u32);
            let values: Vec<T> = match slot.role {
                SlotRole::Input | SlotRole::Target => {
                    let (column, size) = (columns.next().expect("a column an input"), slot.shape.size());
                    let row = |&row: &u32| (0..size).map(move |i| T::of(column.get(row as usize * size + i)));
                    rows.iter().flat_map(row).collect()
                }
                SlotRole::State => part(&weights.states, self.states.piece(id)),
                _ => part(&weights.params, self.params.piece(id)),
            };
            bindings.bind(&self.model.circuit, id, values);
        }
        bindings
    }
}

/// The numbers of a piece.
fn part<T: Element>(numbers: &Numbers, piece: Option<&Piece>) -> Vec<T> {
    let range = piece.map_or(0..0, |piece| piece.range());
    range.map(|at| T::of(numbers.get(at))).collect()
}

/// The slots of an update: the gradient, then for each group its weights and the optimizer's states, of which the first
/// has this number.
fn update_bindings<T: Element>(
    turn: &Turn,
    before: &Snapshot,
    gradients: &Numbers,
    first: usize,
) -> Bindings<T> {
    let mut bindings = Bindings::<T>::new(1);
    let slot = |value| match turn.circuit.node(value) {
        Node::Leaf(Leaf::Slot(id)) => *id,
        _ => unreachable!("weights and states are slots"),
    };
    let numbers = |from: &Numbers, first: u32, len: u32| -> Vec<T> {
        (first..first + len).map(|at| T::of(from.get(at as usize))).collect()
    };
    for (k, what) in turn.circuit.slots().iter().enumerate() {
        if what.role == SlotRole::Gradient {
            let values = numbers(gradients, turn.offset, what.shape.size() as u32);
            bindings.bind(&turn.circuit, SlotId(k as u32), values);
        }
    }
    let mut held = before.moments[first..].iter();
    for group in &turn.groups {
        let weights = numbers(&before.params, group.offset, group.len);
        bindings.bind(&turn.circuit, slot(group.weights), weights);
        for (moment, held) in group.moments.iter().zip(held.by_ref()) {
            bindings.bind(&turn.circuit, slot(moment.leaf), numbers(held, 0, group.len));
        }
    }
    bindings
}
