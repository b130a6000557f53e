//! Numbers, integers and conditions: of which kind a value is, from what computes it.

use super::{Circuit, Kind, Leaf, Node, Reducer, ValueId, gates};

impl Circuit {
    /// Whether a value can index: an integer, or whole constants.
    pub fn is_integer(&self, value: ValueId) -> bool {
        self.kind(value) == Kind::Integer || self.is_whole_constant(value)
    }

    /// Whether every element of a value is one of a few whole constants, wherever it is read from: `2`, an array
    /// filled with it, or the mask of the positions inside a view.
    pub fn is_whole_constant(&self, value: ValueId) -> bool {
        match self.node(value) {
            Node::Leaf(Leaf::Number(number)) => number.get().fract() == 0.0,
            // A view without an outside has the fill 0.
            Node::View { arg, view } => view.fill.get().fract() == 0.0 && self.is_whole_constant(*arg),
            Node::Merge { arg, .. } | Node::Gather { table: arg, .. } => self.is_whole_constant(*arg),
            _ => false,
        }
    }

    /// The kind of values that are put together; a mixture is a number. A whole constant goes with either, so that
    /// `2 * i` and `i div 2` of an index stay integers; with nothing but such constants, as in `if c then 1 else 2`, it
    /// is an integer.
    fn common_kind(&self, values: &[ValueId]) -> Kind {
        let kinds =
            values.iter().filter(|&&value| !self.is_whole_constant(value)).map(|&value| self.kind(value));
        kinds.reduce(|a, b| if a == b { a } else { Kind::Real }).unwrap_or(Kind::Integer)
    }

    /// The kind that a node gives, from those of its operands.
    pub fn kind_of(&self, node: &Node) -> Kind {
        // Arithmetic on conditions counts them.
        let counted = |kind: Kind| if kind == Kind::Boolean { Kind::Real } else { kind };
        match node {
            Node::Leaf(Leaf::Slot(id)) => self.slot(*id).kind,
            Node::Leaf(Leaf::Iota(_)) => Kind::Integer,
            Node::Leaf(_) => Kind::Real,
            Node::Gate { gate, args } => match (gate.row().result, *gate) {
                (Some(kind), _) => kind,
                (None, gates::SELECT) => self.common_kind(&args[1..]),
                (None, gates::STOP) => self.kind(args[0]),
                // Something to take derivatives by, though there may be nothing but whole constants in it.
                (None, gates::SAME) => Kind::Real,
                (None, _) => counted(self.common_kind(args)),
            },
            // A mean.
            Node::Reduce { batch: true, .. } => Kind::Real,
            Node::Reduce { reducer, arg, .. } => match reducer {
                Reducer::Argmax | Reducer::Argmin => Kind::Integer,
                Reducer::Max | Reducer::Min => self.common_kind(&[*arg]),
                Reducer::Sum | Reducer::Prod => counted(self.common_kind(&[*arg])),
            },
            Node::View { arg, .. } | Node::Merge { arg, .. } => self.kind(*arg),
            Node::Gather { table, .. } => self.kind(*table),
            Node::Scatter { value, .. } => self.kind(*value),
            Node::Lag { .. } => Kind::Real,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::view::{Affine, Guard};
    use crate::circuit::{AxisSet, F64, Shape, View};

    /// 1 at the last of three positions, `fill` before.
    fn mask(circuit: &mut Circuit, fill: f64) -> ValueId {
        let guards = vec![Guard { e: Affine::axis(0, 1), lo: 2, hi: 3 }];
        let one = circuit.number(1.0);
        circuit.view(one, View { out: Shape::shared([3]), coords: vec![], guards, fill: F64::new(fill) })
    }

    #[test]
    fn whole_constants_index() {
        let mut c = Circuit::new();
        let (whole, broken) = (mask(&mut c, 0.0), mask(&mut c, 0.5));
        assert!(c.is_integer(whole) && !c.is_integer(broken));
        let count = c.sum(whole, AxisSet::of([0]));
        let read = c.gather(whole, count);
        assert!(c.is_integer(count) && c.is_integer(read));
        let iota = c.iota(3);
        let (next, half) = (c.add(iota, whole), c.add(iota, broken));
        assert_eq!([c.kind(next), c.kind(half)], [Kind::Integer, Kind::Real]);
    }

    #[test]
    fn conditions_are_passed_on_and_counted() {
        let mut c = Circuit::new();
        let (iota, mask) = (c.iota(3), mask(&mut c, 0.0));
        let condition = c.lift(gates::EQ, &[iota, mask]);
        let chosen = c.select(condition, condition, mask);
        let stopped = c.gate(gates::STOP, &[condition]);
        assert_eq!([chosen, stopped].map(|value| c.kind(value)), [Kind::Boolean; 2]);
        let counts = [c.add(condition, mask), c.sum(condition, AxisSet::of([0]))];
        assert_eq!(counts.map(|count| c.kind(count)), [Kind::Real; 2]);
        let largest = c.reduce(Reducer::Max, condition, AxisSet::of([0]), false);
        assert_eq!(c.kind(largest), Kind::Boolean);
    }
}
