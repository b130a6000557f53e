//! Which values are certainly above 0, as far as rounding lets them be.

use super::Subject;
use crate::circuit::{Kind, Leaf, Node, Reducer, SlotRole, ValueId, gates};

/// What is known of every element of a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Sign {
    /// Nothing.
    Any,
    /// Not below 0.
    NotNegative,
    /// Above 0, and not by a number that may vanish: `exp` of a large negative number is 0, and so may be one part of a
    /// softmax; a sum of such is not.
    Positive,
}

use Sign::{Any, NotNegative, Positive};

/// How deep a value is looked into.
const DEPTH: usize = 24;

impl Subject<'_> {
    pub(super) fn sign(&self, value: ValueId) -> Sign {
        self.sign_within(value, DEPTH)
    }

    fn sign_within(&self, value: ValueId, depth: usize) -> Sign {
        let Some(depth) = depth.checked_sub(1) else { return Any };
        let of = |arg: ValueId| self.sign_within(arg, depth);
        match self.circuit().node(value) {
            Node::Leaf(leaf) => self.leaf(leaf),
            Node::Gate { gate, args } => match gate.row().name {
                // What multiplies itself.
                "mul" if args[0] == args[1] => NotNegative,
                "add" | "max"
                    if args.iter().any(|&arg| of(arg) == Positive)
                        && args.iter().all(|&arg| of(arg) >= NotNegative) =>
                {
                    Positive
                }
                "max" => args.iter().map(|&arg| of(arg)).max().unwrap_or(Any),
                "add" | "min" => args.iter().map(|&arg| of(arg)).min().unwrap_or(Any),
                "mul" => args.iter().map(|&arg| of(arg)).min().unwrap_or(Any),
                "div" if self.is_constant(args[0]) => of(args[0]).min(of(args[1])),
                "div" => of(args[0]).min(of(args[1])).min(NotNegative),
                "select" => of(args[1]).min(of(args[2])),
                "same" | "stop" | "sqrt" => of(args[0]),
                "pow" if of(args[0]) == Positive => Positive,
                "exp" | "softplus" => Positive,
                "abs" | "sigmoid" => NotNegative,
                _ => Any,
            },
            Node::Reduce {
                reducer: Reducer::Sum | Reducer::Max | Reducer::Min | Reducer::Prod, arg, ..
            } => of(*arg),
            Node::View { arg, view } if view.is_total(self.circuit().shape(*arg)) => of(*arg),
            Node::View { arg, view } if view.fill.get() >= 0.0 => of(*arg).min(NotNegative),
            Node::Merge { arg, .. } => of(*arg),
            Node::Gather { table, .. } => of(*table),
            _ => Any,
        }
    }

    fn leaf(&self, leaf: &Leaf) -> Sign {
        let of = |least: f64| match least {
            least if least > 0.0 => Positive,
            least if least >= 0.0 => NotNegative,
            _ => Any,
        };
        match leaf {
            Leaf::Number(number) => of(number.get()),
            Leaf::Iota(_) => NotNegative,
            Leaf::Draw { .. } | Leaf::Step(_) => Positive,
            Leaf::Slot(id) => {
                let slot = self.circuit().slot(*id);
                let is_data = matches!(slot.role, SlotRole::Input | SlotRole::Target);
                let column = self.data.and_then(|data| data.column(&slot.name)).filter(|_| is_data);
                match column {
                    Some(column) => of(column.data.iter().fold(f64::INFINITY, f64::min)),
                    None if slot.kind != Kind::Real => NotNegative,
                    None => Any,
                }
            }
        }
    }

    /// Whether a value is made of numbers and positions only.
    pub(super) fn is_constant(&self, value: ValueId) -> bool {
        match self.circuit().node(value) {
            Node::Leaf(leaf) => matches!(leaf, Leaf::Number(_) | Leaf::Iota(_)),
            Node::View { arg, .. } | Node::Merge { arg, .. } => self.is_constant(*arg),
            Node::Gate { gate, args } => {
                *gate != gates::SAME && args.iter().all(|&arg| self.is_constant(arg))
            }
            _ => false,
        }
    }
}
