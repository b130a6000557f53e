//! The schedule: loops over buffers, close to the machine but still readable.
//!
//! What determines bits is a field (the [`Order`] of a fold, the blocks of a [`Contract`]); what does not is a
//! [`Hint`]. The schedule has its own interpreter, which native code must equal bit for bit.
//!
//! # The bits
//!
//! - An element of a contraction: `k` in even blocks of at most `k_block`; within a block one ascending chain of
//!   fused multiply-adds from 0; the blocks' sums added in order.
//! - A fold by [`Order::Lanes`]: element `i` of a block goes to lane `i mod 16`; a lane is one ascending chain from the
//!   identity; lanes combine pairwise: `l + (l + 8)`, then `+ 4`, `+ 2`, `+ 1`. Blocks' results combine in order.
//! - A fold by [`Order::Chain`]: one ascending chain from the identity in even blocks of at most `block`, the
//!   blocks' results combined in order.
//! - Max and min combine by the gates of those names, in the fold's order: NaN wins, and ties go to the first operand
//!   (which only a zero's sign can show). Positions do not depend on the order: the first largest, the first smallest.
//! - Which order a fold has follows from the circuit alone: the example axis and then the dimensions,
//!   outermost first, are folds of their own, one inside the other, in blocks of 512 a chain. The innermost one is
//!   folded in lanes, in blocks of 8192, unless the arrays from which it is computed by gates and views lie side by
//!   side along the last kept dimension and not along it (the 64 nearest, in the order of operands, breadth first;
//!   with 4 kept elements or more). A fold over an axis of one element is that element.
//! - Which sums of products are contractions follows from the circuit alone: those in which some kept axis belongs
//!   to the left factor only and some to the right one only, by what each is computed from.
//! - What a recurrence computes at one element is a circuit by itself, without the scanned dimension: the rules above
//!   hold there as they hold outside.
//! - The mean over the batch is the sum divided by the actual number of examples.
//! - A quotient by a number, or by what is known once a step, is the product with the inverse, rounded before.
//! - Every other operation is the gate's program (`circuit::machine`); no multiply and add are fused unless a
//!   program says so.
//!
//! *Even blocks of at most b over an extent e*: `ceil(e / b)` blocks; each of `ceil(e / blocks)` elements but the
//! last, which takes what is left.

use crate::circuit::{Dtype, Gate, ValueId};
use std::ops::Range;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
        pub struct $name(pub u32);
    };
}

handle!(
    /// Handle of a [`Buffer`].
    BufferId
);
handle!(
    /// A loop variable, unique in its schedule.
    Var
);
handle!(
    /// A register: the value of one scalar per iteration, assigned once, unique in its schedule.
    Reg
);

/// The whole work of one step.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// The type of all numbers. What is planned does not depend on it.
    pub dtype: Dtype,
    /// Everything that is stored.
    pub buffers: Vec<Buffer>,
    /// In order.
    pub steps: Vec<Step>,
    /// Largest number of examples in a batch.
    pub capacity: u32,
    /// Length of the arena in elements, for a batch of `capacity`.
    pub arena: usize,
    /// Scalars known once a step: computed in f64 outside, rounded once, read by [`Op::Scalar`].
    pub scalars: Vec<StepScalar>,
    /// Sites of draws: keyed once a step outside, read by [`Op::Draw`].
    pub draws: Vec<u64>,
    /// Which of the planned circuits each step belongs to, parallel to the steps.
    pub phases: Vec<u32>,
    /// Runs of steps that threads may each do for some of the examples, one step after another: none of them reads what
    /// another one writes for another example. No bit depends on it.
    pub by_example: Vec<Range<usize>>,
    /// Runs of short steps of which threads may each do some: none of them reads or writes what another one writes. No
    /// bit depends on it.
    pub alone: Vec<Range<usize>>,
    /// Arrays of the arena that hold something when the loss is known, if steps run in the order of the circuits: what the
    /// backward pass keeps of the forward one.
    pub kept: Vec<BufferId>,
    /// For each register the value of its step's circuit that it was written for: to tell where time goes.
    pub origins: Vec<Option<ValueId>>,
}

/// A scalar known once a step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct StepScalar {
    /// Which of the planned circuits it belongs to.
    pub phase: u32,
    /// The value in that circuit.
    pub value: ValueId,
}

/// An array in memory, row-major, the batch (if any) outermost.
#[derive(Clone, PartialEq, Debug)]
pub struct Buffer {
    /// For people.
    pub name: String,
    /// Whether there is one for each example of the batch.
    pub batch: bool,
    /// Extents for one example.
    pub dims: Vec<u32>,
    /// Which memory.
    pub region: Region,
    /// Its first element in the region.
    pub offset: u32,
    /// The value that it holds, in its phase's circuit.
    pub origin: Option<ValueId>,
}

impl Buffer {
    /// Elements of one example.
    pub fn row(&self) -> usize {
        self.dims.iter().map(|&d| d as usize).product()
    }

    /// Elements for a batch of `n`.
    pub fn len_for(&self, n: usize) -> usize {
        self.row() * if self.batch { n } else { 1 }
    }
}

/// A piece of memory that outlives or crosses the step. All hold numbers of the
/// schedule's type (integers and booleans too).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Region {
    /// All parameters, one after another.
    Params,
    /// Their gradients, laid out alike.
    Gradients,
    /// The optimizer's states number k, each laid out like the parameters.
    Moments(u16),
    /// The net's states, one after another.
    States,
    /// Column k of the data for the present batch: gathered from the data set before the steps run.
    Input(u16),
    /// Result k. A per-example result is appended batch after batch; a shared one is overwritten.
    Output(u16),
    /// Numbers of which one record a step is kept (the loss).
    Log,
    /// Scratch of the step.
    Arena,
}

/// One step of the schedule.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::large_enum_variant, reason = "steps are few")]
pub enum Step {
    /// Loops.
    Nest(Nest),
    /// A sum of products, by a kernel.
    Contract(Contract),
    /// An ordered scatter.
    Scatter(Scatter),
    /// Steps for one element after another.
    Recur(Recur),
}

impl Step {
    /// Calls `f` with the step, or with those in its body, in order.
    pub fn for_each_leaf<'a>(&'a self, f: &mut impl FnMut(&'a Step)) {
        match self {
            Step::Recur(recur) => recur.body.iter().for_each(|step| step.for_each_leaf(f)),
            step => f(step),
        }
    }
}

/// Runs the steps of its body for `var` from 0 to `extent - 1`, or back. Their addresses, conditions and indices may
/// depend on it.
#[derive(Clone, PartialEq, Debug)]
pub struct Recur {
    /// Names of what it computes, for people.
    pub what: Vec<String>,
    /// The element of the scanned dimension.
    pub var: Var,
    /// How long that is.
    pub extent: u32,
    /// Whether it runs from the last element to the first.
    pub backwards: bool,
    /// In order; none of them is a recurrence.
    pub body: Vec<Step>,
}

impl Recur {
    /// Which element iteration `i` computes.
    pub fn element(&self, i: u32) -> u32 {
        if self.backwards { self.extent - 1 - i } else { i }
    }
}

/// Loops over a body; several values may be computed together.
#[derive(Clone, PartialEq, Debug)]
pub struct Nest {
    /// Names of what it computes, for people.
    pub what: Vec<String>,
    /// In order.
    pub body: Vec<Stmt>,
}

/// A statement within loops.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum Stmt {
    /// Runs the body for `var` in `0..extent`, ascending.
    For { var: Var, extent: Extent, hint: Hint, body: Vec<Stmt> },
    /// Runs the body for `var` in `0..extent` and combines `value` (assigned in the body) into `acc`, which can be
    /// read after it.
    Fold {
        acc: Reg,
        with: Monoid,
        order: Order,
        var: Var,
        extent: Extent,
        hint: Hint,
        body: Vec<Stmt>,
        value: Reg,
    },
    /// Computes.
    Let { reg: Reg, op: Op, args: Vec<Reg> },
    /// Reads; where a condition fails, `fill`.
    Load { reg: Reg, at: Address, when: Vec<Condition>, fill: f64 },
    /// Reads `at` plus the integer value of `index` times `stride` elements; NaN where the index lies outside
    /// `0..extent`.
    LoadAt { reg: Reg, at: Address, index: Reg, stride: u32, extent: u32 },
    /// Writes.
    Store { at: Address, value: Reg },
}

/// How far a loop runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Extent {
    /// A fixed number.
    Fixed(u32),
    /// The actual number of examples of this batch, 1..=capacity.
    Batch,
}

impl Extent {
    /// How far for `n` examples.
    pub fn len_for(self, n: usize) -> usize {
        match self {
            Extent::Fixed(extent) => extent as usize,
            Extent::Batch => n,
        }
    }
}

/// How a loop is to run. Never changes bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Hint {
    /// One iteration after another.
    #[default]
    Plain,
    /// Several iterations in the lanes of a vector: in the body every address, index and draw has stride 0 or 1
    /// in the variable (stores: 1), no condition and no row of a `LoadAt` depends on it, and there are no other
    /// folds than plain chains and no other loops than plain ones. A fold itself only by lanes, without inner
    /// loops.
    Vector,
}

/// What a [`Stmt::Fold`] combines with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Monoid {
    /// Sum, from 0.
    Sum,
    /// Product, from 1.
    Prod,
    /// Largest, from -inf; NaN wins.
    Max,
    /// Smallest, from inf; NaN wins.
    Min,
    /// Value of the loop variable at the first largest (a NaN counts as largest), as a number.
    Argmax,
    /// Value of the loop variable at the first smallest (a NaN counts as smallest), as a number.
    Argmin,
}

/// The order of a fold: part of the meaning, as it determines bits. See the module's head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum Order {
    /// One chain in even blocks of at most `block`.
    Chain { block: u32 },
    /// Sixteen lanes in even blocks of at most `block`.
    Lanes { block: u32 },
}

impl Order {
    /// How many lanes [`Order::Lanes`] has, on any machine.
    pub const LANES: i64 = 16;
}

/// What a [`Stmt::Let`] computes.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)] // each variant says what its fields are
pub enum Op {
    /// A gate of its arguments.
    Gate(Gate),
    /// A number, rounded once to the schedule's type.
    Number(f64),
    /// An affine function of loop variables, as a number.
    Index(Linear),
    /// Scalar k of this step's record.
    Scalar(u32),
    /// The number of examples of this batch.
    BatchSize,
    /// Draw site k at the given element; `example`: the loop variable over the batch, whose entry in the table of
    /// example numbers is used; none for a shared draw.
    Draw { site: u32, element: Linear, example: Option<Var> },
}

/// `offset + Σ coefficient · variable`; a variable occurs once.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Linear {
    /// Constant.
    pub offset: i64,
    /// In ascending order of variables, without zeros.
    pub terms: Vec<(Var, i64)>,
}

impl Linear {
    /// Coefficient of a variable; 0 where it does not occur.
    pub fn coefficient(&self, var: Var) -> i64 {
        self.terms.iter().find(|term| term.0 == var).map_or(0, |term| term.1)
    }

    /// Its value where each variable has a value.
    pub fn value(&self, of: impl Fn(Var) -> i64) -> i64 {
        self.terms.iter().fold(self.offset, |sum, &(var, coefficient)| sum + coefficient * of(var))
    }
}

/// An element of a buffer, in elements from its first. Always inside where it is reached.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    /// Which.
    pub buffer: BufferId,
    /// Where.
    pub at: Linear,
}

/// `e / divisor` is whole and `lo ≤ e / divisor < hi`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Condition {
    /// What is bounded.
    pub e: Linear,
    /// Positive.
    pub divisor: i64,
    /// Least value allowed.
    pub lo: i64,
    /// One past the largest value allowed.
    pub hi: i64,
}

impl Condition {
    /// Whether it holds where what is bounded has this value.
    pub fn allows(&self, e: i64) -> bool {
        e.rem_euclid(self.divisor) == 0 && (self.lo..self.hi).contains(&e.div_euclid(self.divisor))
    }
}

/// `out[batch, m, n] = Σ_k a[batch, m, k] * b[batch, n, k]`, by the definition of bits above.
#[derive(Clone, PartialEq, Debug)]
pub struct Contract {
    /// What it computes, for people.
    pub what: String,
    /// Why it is a contraction of its own, for people.
    pub why: String,
    /// Axes of both operands and the result. The example axis may be in any one of the four groups.
    pub batch: Vec<ContractAxis>,
    /// Axes of `a` and the result.
    pub m: Vec<ContractAxis>,
    /// Axes of `b` and the result.
    pub n: Vec<ContractAxis>,
    /// Axes of both operands, summed, the first outermost.
    pub k: Vec<ContractAxis>,
    /// Left operand: its first element. Only the loop of a recurrence moves it.
    pub a: Address,
    /// Right operand: its first element.
    pub b: Address,
    /// The first element of the result.
    pub out: Address,
    /// Longest block of the chain over `k`.
    pub k_block: u32,
    /// Whether the result is divided by the number of examples: the mean over the batch.
    pub mean: bool,
}

/// One axis of a contraction, with its stride (in elements) in each array; 0 where it has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ContractAxis {
    /// How long.
    pub extent: Extent,
    /// Stride in `a`.
    pub a: i64,
    /// Stride in `b`.
    pub b: i64,
    /// Stride in `out`.
    pub out: i64,
}

/// `out[v, q] = Σ_o (if index[o] == v then value[o, q] else 0)` in ascending order of `o`, the example outermost;
/// the result is zeroed before, and divided by the number of examples if `mean`.
#[derive(Clone, PartialEq, Debug)]
pub struct Scatter {
    /// What it computes, for people.
    pub what: String,
    /// Integers.
    pub index: BufferId,
    /// Values.
    pub value: BufferId,
    /// Result.
    pub out: BufferId,
    /// Elements of one `q`.
    pub row: u32,
    /// Whether it is the mean over the batch.
    pub mean: bool,
}
