//! Conditions on positions alone: `i == 2`, `s <= t`. They are guards of reads, wherever there is a read to guard.

use super::builder::Builder;
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{F64, Gate, Leaf, Node, Reducer, Shape, ValueId, View, gates};

/// Beyond any position.
const FAR: i64 = 1 << 40;

impl Builder {
    /// Whether a value is 1 inside some view and 0 outside.
    pub fn is_mask(&self, value: ValueId) -> bool {
        let mask = self.as_view(value).filter(|(_, view)| view.fill == F64::new(0.0));
        mask.is_some_and(|(one, _)| self.as_number(one) == Some(1.0))
    }

    /// `mask != 0`, where the mask of a view's inside is 1 and 0 already.
    pub fn compared_mask(&mut self, gate: Gate, args: &[ValueId]) -> Option<ValueId> {
        let compared = gate == gates::NE && self.as_number(args[1]) == Some(0.0);
        (compared && self.is_mask(args[0])).then_some(args[0])
    }

    /// The sign of a number that stands inside some view, with 0 outside, is that of the number.
    pub fn negated_mask(&mut self, gate: Gate, args: &[ValueId]) -> Option<ValueId> {
        let (operand, view) = self.as_view(args[0])?;
        let number = self.as_number(operand)?;
        if gate != gates::NEG || view.fill != F64::new(0.0) {
            return None;
        }
        let negated = self.circuit.number(-number);
        Some(self.view(negated, view))
    }

    /// A choice by position between a read or a number and another number is a read with more conditions.
    pub fn masked(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> Option<ValueId> {
        let fill = F64::new(self.as_number(b)?);
        let (operand, mut read) = self.as_view(a).or_else(|| self.is_number(a).then(|| self.whole(a)))?;
        let total = read.is_total(self.circuit.shape(operand));
        if !(total || read.fill == fill) {
            return None;
        }
        read.guards.extend(self.guards(condition, DEPTH)?);
        Some(self.view(operand, View { fill, ..read }))
    }

    fn is_number(&self, value: ValueId) -> bool {
        matches!(self.circuit.node(value), Node::Leaf(Leaf::Number(_)))
    }

    /// A value as a read of all of itself.
    fn whole(&self, value: ValueId) -> (ValueId, View) {
        let shape = self.shape(value);
        let axes: Vec<usize> = (0..shape.dims.len()).collect();
        (value, View::select(shape.clone(), &axes, &shape.dims))
    }

    /// The guards that say where a condition holds, if it depends on the position alone and is that simple.
    pub fn guards(&self, condition: ValueId, depth: usize) -> Option<Vec<Guard>> {
        let depth = depth.checked_sub(1)?;
        match self.circuit.node(condition) {
            Node::View { view, .. } if self.is_mask(condition) => Some(view.guards.clone()),
            Node::View { arg, view } => {
                let total = view.is_total(self.circuit.shape(*arg));
                let inner = self.guards(*arg, depth).filter(|_| total)?;
                let rank = view.out.dims.len();
                let moved =
                    |guard: Guard| Some(Guard { e: guard.e.substitute(&view.coords, rank)?, ..guard });
                inner.into_iter().map(moved).collect()
            }
            Node::Gate { gate: gates::AND, args } => {
                let mut both = self.guards(args[0], depth)?;
                both.extend(self.guards(args[1], depth)?);
                Some(both)
            }
            Node::Gate { gate: gates::NOT, args } => {
                let inner = self.guards(args[0], depth)?;
                let [guard] = &inner[..] else { return None };
                let rest = outside(guard, &self.circuit.shape(condition).dims)?;
                Some(vec![rest])
            }
            Node::Gate { gate, args } if args.len() == 2 => self.comparison(*gate, args[0], args[1]),
            _ => None,
        }
    }

    /// Whether a value is certainly 0 wherever one of the guards fails, as long as what is finite stays so.
    pub fn is_zero_outside(&mut self, value: ValueId, guards: &[Guard], depth: usize) -> bool {
        let Some(depth) = depth.checked_sub(1) else { return false };
        let zero = |builder: &mut Builder, value: ValueId| builder.is_zero_outside(value, guards, depth);
        match self.circuit.node(value).clone() {
            _ if self.as_number(value) == Some(0.0) => true,
            Node::Gate { gate: gates::MUL, args } => {
                (zero(self, args[0]) && self.facts(args[1]).finite)
                    || (zero(self, args[1]) && self.facts(args[0]).finite)
            }
            Node::Gate { gate: gates::DIV, args } => {
                zero(self, args[0]) && self.facts(args[1]).is_away_from_zero()
            }
            Node::Gate { gate: gates::SELECT, args } => {
                let shape = self.shape(value);
                let chosen = self.guards(args[0], depth);
                let inside = chosen.is_some_and(|chosen| implied(&shape, &normal(&shape, chosen), guards));
                zero(self, args[2]) && (inside || zero(self, args[1]))
            }
            Node::Gate { gate, args } => {
                (gate.row().value)(&vec![0.0; args.len()]) == 0.0 && args.iter().all(|&arg| zero(self, arg))
            }
            Node::View { arg, view } => self.is_zero_read(arg, &view, guards, depth),
            Node::Lag { axis, by, fill, shape, .. } => {
                let read = View::lagged(&shape, axis.into(), by, fill);
                fill.get() == 0.0 && implied(&shape, &read.conditions(&shape), guards)
            }
            Node::Reduce { reducer: Reducer::Sum, arg, axes, .. } => {
                let widened = |guard: &Guard| {
                    let mut guard = guard.clone();
                    guard.e.c.resize(guard.e.c.len() + axes.count(), 0);
                    guard
                };
                let guards: Vec<Guard> = guards.iter().map(widened).collect();
                self.is_zero_outside(arg, &guards, depth)
            }
            _ => false,
        }
    }

    /// The same of a read: by its own conditions, or by what it reads.
    fn is_zero_read(&mut self, arg: ValueId, view: &View, guards: &[Guard], depth: usize) -> bool {
        let shape = self.shape(arg);
        if !view.is_total(&shape) && view.fill != F64::new(0.0) {
            return false;
        }
        if implied(&view.out, &view.conditions(&shape), guards) {
            return true;
        }
        let Some(axes) = View { guards: vec![], ..view.clone() }.as_select() else { return false };
        let moved = |guard: &Guard| {
            let elsewhere = |axis: usize| guard.e.c[axis] != 0 && !axes.contains(&axis);
            let c = axes.iter().map(|&axis| guard.e.c[axis]).collect();
            let only_read = !(0..guard.e.c.len()).any(elsewhere);
            only_read.then(|| Guard { e: Affine { c, ..guard.e }, ..guard.clone() })
        };
        let moved: Option<Vec<Guard>> = guards.iter().map(moved).collect();
        moved.is_some_and(|guards| self.is_zero_outside(arg, &guards, depth))
    }

    /// `left gate right` between positions and whole numbers as a guard.
    fn comparison(&self, gate: Gate, left: ValueId, right: ValueId) -> Option<Vec<Guard>> {
        let dims = &self.circuit.shape(left).dims;
        let (left, right) = (self.affine(left)?, self.affine(right)?);
        let difference = |minus: &Affine, plus: &Affine| {
            let c = plus.c.iter().zip(&minus.c).map(|(p, m)| p - m).collect();
            Affine { c, b: plus.b - minus.b, d: 1 }
        };
        let guard = match gate {
            gates::LE => Guard { e: difference(&left, &right), lo: 0, hi: FAR },
            gates::LT => Guard { e: difference(&left, &right), lo: 1, hi: FAR },
            gates::EQ | gates::NE => Guard { e: difference(&left, &right), lo: 0, hi: 1 },
            _ => return None,
        };
        let guard = if gate == gates::NE { outside(&guard, dims)? } else { guard };
        Some(vec![guard])
    }

    /// A position, or a whole number, as an index expression.
    fn affine(&self, value: ValueId) -> Option<Affine> {
        let rank = self.circuit.shape(value).dims.len();
        if let Some(number) = self.as_number(value) {
            let whole = number == number.round() && number.abs() < FAR as f64;
            return whole.then(|| Affine::constant(number as i64, rank));
        }
        let iota = |value: ValueId| matches!(self.circuit.node(value), Node::Leaf(Leaf::Iota(_)));
        if iota(value) {
            return Some(Affine::axis(0, 1));
        }
        let (operand, view) = self.as_view(value)?;
        let plain = iota(operand) && view.is_total(self.circuit.shape(operand)) && view.coords[0].d == 1;
        plain.then(|| view.coords[0].clone())
    }
}

/// Guards over a shape in their normal form.
fn normal(shape: &Shape, guards: Vec<Guard>) -> Vec<Guard> {
    let mask = View { out: shape.clone(), coords: vec![], guards, fill: F64::new(0.0) };
    mask.conditions(&Shape::scalar())
}

/// Whether conditions in their normal form say all that some guards say.
fn implied(shape: &Shape, own: &[Guard], guards: &[Guard]) -> bool {
    let within = |own: &Guard, guard: &Guard| own.e == guard.e && guard.lo <= own.lo && own.hi <= guard.hi;
    normal(shape, guards.to_vec()).iter().all(|guard| own.iter().any(|own| within(own, guard)))
}

/// How deep conditions are looked into.
const DEPTH: usize = 6;

/// Where a guard of a plain index expression fails, if that is one range.
fn outside(guard: &Guard, dims: &[u32]) -> Option<Guard> {
    let (least, largest) = guard.e.bounds(dims);
    let (least, largest) = (i64::try_from(least).ok()?, i64::try_from(largest).ok()?);
    let rest = if guard.lo <= least {
        Guard { lo: guard.hi, hi: largest + 1, ..guard.clone() }
    } else if guard.hi > largest {
        Guard { lo: least, hi: guard.lo, ..guard.clone() }
    } else {
        return None;
    };
    (guard.e.d == 1 && rest.lo <= rest.hi).then_some(rest)
}
