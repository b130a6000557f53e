//! The kinds of node.

use super::{Gate, Shape, ValueId, View};
use crate::diagnostic::Span;
use std::sync::Arc;

/// A node of the circuit. What passes match on is all here.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Node {
    /// A value from outside.
    Leaf(Leaf),
    /// A pointwise gate on operands of one shape.
    Gate {
        /// Row of the table.
        gate: Gate,
        /// In order; `x * x` has the same operand twice.
        args: Box<[ValueId]>,
    },
    /// A reduction. With `batch` (sums only) it is also the mean over the batch.
    Reduce {
        /// How.
        reducer: Reducer,
        /// Of what.
        arg: ValueId,
        /// Over which dimensions.
        axes: AxisSet,
        /// Whether the mean over the batch is taken as well.
        batch: bool,
    },
    /// An affine read in closed form.
    View {
        /// Of what.
        arg: ValueId,
        /// Which element goes where.
        view: Arc<View>,
    },
    /// `out[.., a*d + b, ..] = arg[.., a, b, ..]` where `d` is the extent of `b`: joins dimension `axis` and
    /// the next. Its inverse is a view.
    Merge {
        /// Of what.
        arg: ValueId,
        /// The first of the two.
        axis: u8,
    },
    /// `out[o] = table[o, index[o]]`; a position outside the table is NaN.
    Gather {
        /// Has the index's dimensions and one more, last.
        table: ValueId,
        /// Integers.
        index: ValueId,
    },
    /// `out[v, q] = sum[o] (if index[o] == v then value[o, q] else 0)`, the mean over the batch if the operands
    /// are per example: the adjoint of reading rows of a shared table by a gather.
    Scatter {
        /// Integers, dimensions `o`.
        index: ValueId,
        /// Dimensions `o` then `q`.
        value: ValueId,
        /// Extent of `v`.
        extent: u32,
    },
    /// A lagged view closing a recurrence: `out[.., t, ..] = source[.., t - by, ..]`, `fill` outside. Its source
    /// follows it in the arena: it is what its variable stands for ([`super::Circuit::source`]).
    Lag {
        /// Of what.
        variable: Variable,
        /// The scanned dimension.
        axis: u8,
        /// Positive: from earlier; negative: from later.
        by: i32,
        /// What lies outside.
        fill: F64,
        /// As its source.
        shape: Shape,
    },
}

impl Node {
    /// Calls `f` with each operand, in order, with repeats.
    pub fn for_each_operand(&self, mut f: impl FnMut(ValueId)) {
        match self {
            Node::Leaf(_) | Node::Lag { .. } => {}
            Node::Gate { args, .. } => args.iter().copied().for_each(f),
            Node::Reduce { arg, .. } | Node::View { arg, .. } | Node::Merge { arg, .. } => f(*arg),
            Node::Gather { table: a, index: b } | Node::Scatter { index: a, value: b, .. } => {
                f(*a);
                f(*b);
            }
        }
    }

    /// The operands, in order, with repeats.
    pub fn operands(&self) -> Vec<ValueId> {
        let mut operands = vec![];
        self.for_each_operand(|value| operands.push(value));
        operands
    }

    /// The same node with other operands.
    pub fn with_operands(&self, mut f: impl FnMut(ValueId) -> ValueId) -> Node {
        match self {
            Node::Leaf(_) | Node::Lag { .. } => self.clone(),
            Node::Gate { gate, args } => {
                Node::Gate { gate: *gate, args: args.iter().map(|&a| f(a)).collect() }
            }
            Node::Reduce { reducer, arg, axes, batch } => {
                Node::Reduce { reducer: *reducer, arg: f(*arg), axes: *axes, batch: *batch }
            }
            Node::View { arg, view } => Node::View { arg: f(*arg), view: view.clone() },
            Node::Merge { arg, axis } => Node::Merge { arg: f(*arg), axis: *axis },
            Node::Gather { table, index } => Node::Gather { table: f(*table), index: f(*index) },
            Node::Scatter { index, value, extent } => {
                Node::Scatter { index: f(*index), value: f(*value), extent: *extent }
            }
        }
    }
}

/// A value from outside the circuit.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Leaf {
    /// An input, parameter, state, ...
    Slot(SlotId),
    /// A number, a shared scalar.
    Number(F64),
    /// `0, 1, .. extent - 1`: the value of an index, an integer of shape `[extent]`.
    Iota(u32),
    /// A scalar that changes from step to step.
    Step(StepValue),
    /// Numbers uniform in (0, 1), a pure function of the seed, `site`, the step, the example's number in the
    /// data set (if per example) and the position in the array. Every distribution is gates on these.
    Draw {
        /// Hash of the path of the call that draws, with repeat copies.
        site: u64,
        /// Of the array drawn.
        shape: Shape,
    },
}

/// Scalars known once a step, computed in f64 and rounded once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum StepValue {
    /// Number of the step, from 1.
    Step,
    /// Number of steps of the whole run.
    Steps,
    /// Number of the epoch, from 1.
    Epoch,
    /// How many examples a metric is taken over.
    Examples,
}

/// Handle of a [`Slot`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SlotId(pub u32);

/// A value that is read by lags before it is built. It is closed when it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Variable(pub u32);

/// A place that holds values from outside: what its leaf reads.
#[derive(Clone, PartialEq, Debug)]
pub struct Slot {
    /// Path as the user knows it: `x`, `first.W`.
    pub name: String,
    /// What it is.
    pub role: SlotRole,
    /// Shape of its value.
    pub shape: Shape,
    /// Kind of its elements. Integers and booleans are stored as floating-point numbers too; an integer is exact
    /// up to 2^24 in f32.
    pub kind: Kind,
    /// For an integer that is a class: the number of cases.
    pub classes: Option<u32>,
    /// Its declaration.
    pub span: Option<Span>,
}

/// What a slot is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SlotRole {
    /// A column of the data that the net reads.
    Input,
    /// A column of the data that the loss compares with.
    Target,
    /// Learned.
    Param,
    /// Kept from step to step.
    State,
    /// The gradient, in an update circuit.
    Gradient,
    /// A state of the optimizer, in an update circuit.
    Moment,
}

/// The kind of a value's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A number.
    Real,
    /// A whole number: an index or a class.
    Integer,
    /// True (1) or false (0).
    Boolean,
}

/// How a reduction combines. NaN wins in `Max` and `Min`; ties go to the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reducer {
    /// Sum.
    Sum,
    /// Largest.
    Max,
    /// Smallest.
    Min,
    /// Product.
    Prod,
    /// Position of the first largest; over one dimension (merge several before).
    Argmax,
    /// Position of the first smallest; over one dimension.
    Argmin,
}

impl Reducer {
    /// As the language calls it.
    pub fn word(self) -> &'static str {
        match self {
            Reducer::Sum => "sum",
            Reducer::Max => "max",
            Reducer::Min => "min",
            Reducer::Prod => "prod",
            Reducer::Argmax => "argmax",
            Reducer::Argmin => "argmin",
        }
    }
}

/// A set of dimensions, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct AxisSet(pub u32);

impl AxisSet {
    /// From positions.
    pub fn of(axes: impl IntoIterator<Item = usize>) -> Self {
        AxisSet(axes.into_iter().fold(0, |bits, axis| bits | 1 << axis))
    }

    /// Whether dimension `axis` is in it.
    pub fn contains(self, axis: usize) -> bool {
        self.0 >> axis & 1 == 1
    }

    /// Whether nothing is in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The positions, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..32).filter(move |&axis| self.contains(axis))
    }
}

/// An `f64` that can be compared and hashed by its bits. All NaNs are one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct F64(u64);

impl F64 {
    /// Wraps a number.
    pub fn new(value: f64) -> Self {
        F64(if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() })
    }

    /// The number.
    pub fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl std::fmt::Debug for F64 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.get())
    }
}
