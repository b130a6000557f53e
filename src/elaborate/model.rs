//! What elaboration gives: a net as circuits, and how it is to be trained.

use crate::circuit::{Circuit, Dtype, SlotId, ValueId};
use crate::diagnostic::Span;

/// A net, elaborated for training or for inference (two programs: `training` is static).
///
/// The slots of [`Model::circuit`] are its inputs, targets, parameters and states. Parameters and states have the
/// same order in both programs.
#[derive(Clone, Debug)]
pub struct Model {
    /// Name of the net.
    pub name: String,
    /// The settings and their values, for the summary.
    pub settings: Vec<(String, String)>,
    /// Whether this is the training program.
    pub training: bool,
    /// Whether any part of the net asked for `training`, so that the two programs may differ.
    pub asks_training: bool,
    /// The forward circuit of one example.
    pub circuit: Circuit,
    /// Slots of inputs and targets, in the order of declaration. A target that nothing evaluated reads is still
    /// listed.
    pub inputs: Vec<SlotId>,
    /// Slots of parameters, in the order of instantiation: the order of the flat region.
    pub params: Vec<SlotId>,
    /// Slots of states.
    pub states: Vec<SlotId>,
    /// The loss: a scalar, per example or shared. The step's loss is its mean over the batch. `None` if the net
    /// declares none.
    pub loss: Option<ValueId>,
    /// `output` statements.
    pub outputs: Vec<Output>,
    /// `metric` statements: values in which the batch is the whole part of the data; a per-example value is
    /// averaged at the end.
    pub metrics: Vec<Output>,
    /// The next value of each state that is assigned; training only.
    pub next_states: Vec<(SlotId, ValueId)>,
    /// Initial values: a circuit of draws and numbers, without slots.
    pub initial: Circuit,
    /// For each parameter, then for each state, its value in [`Model::initial`].
    pub initial_values: Vec<(SlotId, ValueId)>,
    /// Parameters and states whose initial value is that in [`Model::initial`] with its rows made orthogonal and of unit
    /// length, as a matrix of its first dimension by the others (the columns, where there are more rows).
    pub orthogonal: Vec<SlotId>,
    /// The layers in order, for the summary.
    pub layers: Vec<LayerSummary>,
}

/// A named result.
#[derive(Clone, Debug)]
pub struct Output {
    /// As the user named it.
    pub name: String,
    /// What it is.
    pub value: ValueId,
    /// Its statement.
    pub span: Span,
}

/// A line of the summary that begins a run.
#[derive(Clone, Debug)]
pub struct LayerSummary {
    /// Instance path: `first`, `logits.dropout`.
    pub path: String,
    /// As written: `dense(128)`.
    pub call: String,
    /// Dimensions of its (first) result for one example, mapped axes first.
    pub dims: Vec<u32>,
    /// Number of parameters that it owns.
    pub parameters: usize,
}

/// How parameters are updated: turns, one after another in every step.
///
/// In the flat regions the parameters stand in the order of [`Update::order`]: those of a turn side by side, within
/// it those of a group.
#[derive(Clone, Debug)]
pub struct Update {
    /// Every parameter of the model, those that are frozen last.
    pub order: Vec<SlotId>,
    /// At least one.
    pub turns: Vec<Turn>,
}

/// The update of the parameters that lower one loss, as one circuit over flat arrays.
#[derive(Clone, Debug)]
pub struct Turn {
    /// What is lowered, a value of the model's circuit: its mean over the batch.
    pub loss: ValueId,
    /// The parameters of all groups.
    pub params: Vec<SlotId>,
    /// Their first element in the flat regions.
    pub offset: u32,
    /// Slots: one `Gradient` (of all groups, as the backward pass leaves it), then for each group a `Param` and the
    /// `Moment`s.
    pub circuit: Circuit,
    /// At least one.
    pub groups: Vec<Group>,
}

/// Parameters that one optimizer updates alike.
#[derive(Clone, Debug)]
pub struct Group {
    /// First element in the flat regions.
    pub offset: u32,
    /// Elements.
    pub len: u32,
    /// The leaf of the weights.
    pub weights: ValueId,
    /// The next weights.
    pub next_weights: ValueId,
    /// The optimizer's states.
    pub moments: Vec<Moment>,
}

impl Update {
    /// The optimizer's states of all groups, in the order of their regions.
    pub fn moments(&self) -> impl Iterator<Item = &Moment> {
        self.turns.iter().flat_map(|turn| &turn.groups).flat_map(|group| &group.moments)
    }
}

/// One state of the optimizer, of the shape of its group's weights.
#[derive(Clone, Debug)]
pub struct Moment {
    /// As the optimizer names it.
    pub name: String,
    /// Its leaf.
    pub leaf: ValueId,
    /// What it is before the first step.
    pub initial: f64,
    /// What it is after this step.
    pub next: ValueId,
}

/// A `train` block, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// Name of the net.
    pub net: String,
    /// Name of the data.
    pub data: String,
    /// Examples a step.
    pub batch: u32,
    /// Passes over the training part.
    pub epochs: u32,
    /// Of initial values, order and draws.
    pub seed: u64,
    /// The type of all numbers.
    pub precision: Dtype,
    /// Whether the backward pass computes again what recurrences compute on their way, rather than keeping it: less
    /// memory, more work.
    pub recompute: bool,
    /// Whether each epoch sees the examples in an order of its own, rather than as they stand.
    pub shuffle: bool,
    /// When to stop early.
    pub stop: Option<Stop>,
    /// Which parameters to keep at the end; the last if `None`.
    pub keep: Option<Best>,
    /// The block.
    pub span: Span,
}

/// A `sweep` block, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Name of the net.
    pub net: String,
    /// What is tried; at least one.
    pub varied: Vec<Varied>,
    /// How points are chosen.
    pub search: Search,
    /// Each point is run with each of them; at least one.
    pub seeds: Vec<u64>,
    /// What decides.
    pub best: Best,
    /// The block.
    pub span: Span,
}

/// `over optimizer.lr ~ log_uniform(1e-4, 1e-1)`
#[derive(Clone, Debug, PartialEq)]
pub struct Varied {
    /// As `--set` names it.
    pub name: String,
    /// What it is given.
    pub values: Values,
    /// The statement.
    pub span: Span,
}

/// What a setting is given in a sweep.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Each of them, as `--set` takes it; at least one.
    Listed(Vec<String>),
    /// A number between two.
    Uniform(f64, f64),
    /// A number between two above 0, its logarithm uniform.
    LogUniform(f64, f64),
    /// A whole number from one to another, both included.
    Whole {
        /// The least.
        low: u64,
        /// The largest.
        high: u64,
        /// Whether the logarithm is uniform; the least is above 0 then.
        log: bool,
    },
}

/// How the points of a sweep are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// All of them.
    Grid,
    /// So many, drawn.
    Random {
        /// Points.
        count: usize,
        /// Of the draws.
        seed: u64,
    },
    /// Successive halving: all for a few epochs, the best of them for `factor` times as many, and so on.
    Halving {
        /// Points to begin with; the whole grid, if not said.
        count: Option<usize>,
        /// One in so many goes on.
        factor: u32,
        /// Of the draws.
        seed: u64,
    },
}

/// `stalls(lowest(validation.loss), epochs = 5)`
#[derive(Clone, Debug, PartialEq)]
pub struct Stop {
    /// What is watched.
    pub best: Best,
    /// After how many epochs without a better value.
    pub epochs: u32,
}

/// `highest(validation.accuracy)`
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Whether more is better.
    pub highest: bool,
    /// Which part of the data.
    pub part: Part,
    /// `loss`, or a metric.
    pub figure: String,
}

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is learned from.
    Train,
    /// Watched while learning.
    Validation,
    /// Held out to the end.
    Test,
}
