//! Cycles that lags close, and the order in which the values of a circuit can be computed.
//!
//! A recurrence is not a construct of its own: it is equations over whole arrays whose cycle is closed by lags, a
//! strongly connected component of the circuit. Every value on the cycle has a dimension along which it is computed,
//! element by element; all of these have the same extent, and every lag on the cycle reads from the same side.
//! A lag that is on no cycle is an ordinary shifted read.

use super::graph::{Linked, ValueSet, reachable};
use super::{AxisSet, Circuit, Node, ValueId, View};
use petgraph::algo::kosaraju_scc;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is computed at a time.
#[derive(Clone, PartialEq, Debug)]
pub enum Unit {
    /// A value from values before it.
    Value(ValueId),
    /// Values that depend on one another.
    Recurrence(Recurrence),
}

impl Unit {
    /// The values that it computes, ascending.
    pub fn values(&self) -> &[ValueId] {
        match self {
            Unit::Value(value) => std::slice::from_ref(value),
            Unit::Recurrence(recurrence) => &recurrence.members,
        }
    }
}

/// Values that are computed together, one element of the scanned dimension after another.
#[derive(Clone, PartialEq, Debug)]
pub struct Recurrence {
    /// Ascending, which is their order within one element: only lags read what comes later.
    pub members: Vec<ValueId>,
    /// For each of them, which of its dimensions is scanned.
    pub axes: FxHashMap<ValueId, usize>,
    /// How long that is.
    pub extent: u32,
    /// Whether it runs from the last element to the first: its lags are negative.
    pub backwards: bool,
    /// The least distance of its lags.
    pub reach: u32,
}

/// Why values that depend on one another are no recurrence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wrong {
    /// A cycle without a lag.
    Endless(ValueId),
    /// Two lags of different sides.
    Mixed(ValueId, ValueId),
    /// A value that does not keep to one element of the scanned dimension: it sums over it, or reads elsewhere.
    Leaves(ValueId),
    /// Two operands of a value are scanned along different dimensions, or along different extents.
    TwoAxes(ValueId, ValueId),
}

/// What `roots` need, in an order in which it can be computed: near to ascending, and ascending where there are no
/// recurrences.
///
/// # Panics
/// If values that depend on one another are no recurrence: [`check`] tells.
pub fn units(circuit: &Circuit, roots: &[ValueId]) -> Vec<Unit> {
    checked_units(circuit, roots).unwrap_or_else(|wrong| panic!("not a recurrence: {wrong:?}"))
}

/// Whether whatever depends on itself among what `roots` need is a recurrence.
///
/// # Errors
/// The first place that is not.
pub fn check(circuit: &Circuit, roots: &[ValueId]) -> Result<(), Wrong> {
    checked_units(circuit, roots).map(|_| ())
}

fn checked_units(circuit: &Circuit, roots: &[ValueId]) -> Result<Vec<Unit>, Wrong> {
    let needed = reachable(circuit, roots.iter().copied());
    if circuit.variables().next().is_none() {
        return Ok(needed.iter().map(Unit::Value).collect());
    }
    let groups = ordered(circuit, &needed);
    groups.into_iter().map(|group| unit(circuit, group)).collect()
}

/// A strongly connected component as a unit.
fn unit(circuit: &Circuit, group: Vec<ValueId>) -> Result<Unit, Wrong> {
    let mut itself = false;
    circuit.for_each_dependency(group[0], |value| itself |= value == group[0]);
    match group[..] {
        [value] if !itself => Ok(Unit::Value(value)),
        _ => recurrence(circuit, group).map(Unit::Recurrence),
    }
}

/// The strongly connected components, each ascending, in forward order; of those that may come next, the one with the
/// least value first.
fn ordered(circuit: &Circuit, needed: &ValueSet) -> Vec<Vec<ValueId>> {
    let mut groups: Vec<Vec<ValueId>> = kosaraju_scc(&Linked::new(circuit));
    groups.retain(|group| needed.contains(group[0]));
    groups.iter_mut().for_each(|group| group.sort());
    let mut of = vec![usize::MAX; circuit.len()];
    for (k, group) in groups.iter().enumerate() {
        group.iter().for_each(|value| of[value.index()] = k);
    }
    let mut waits = vec![0; groups.len()];
    let mut users: Vec<Vec<usize>> = vec![vec![]; groups.len()];
    for (k, group) in groups.iter().enumerate() {
        for &value in group {
            circuit.for_each_dependency(value, |operand| {
                let other = of[operand.index()];
                if other != k {
                    waits[k] += 1;
                    users[other].push(k);
                }
            });
        }
    }
    let ready = (0..groups.len()).filter(|&k| waits[k] == 0).map(|k| Reverse((groups[k][0], k)));
    let mut ready: BinaryHeap<_> = ready.collect();
    let mut order = vec![];
    while let Some(Reverse((_, k))) = ready.pop() {
        for &user in &users[k] {
            waits[user] -= 1;
            if waits[user] == 0 {
                ready.push(Reverse((groups[user][0], user)));
            }
        }
        order.push(std::mem::take(&mut groups[k]));
    }
    order
}

/// The members of a cycle as a recurrence.
fn recurrence(circuit: &Circuit, members: Vec<ValueId>) -> Result<Recurrence, Wrong> {
    let lag = |&value: &ValueId| match *circuit.node(value) {
        Node::Lag { axis, by, .. } => Some((value, usize::from(axis), by)),
        _ => None,
    };
    let lags: Vec<(ValueId, usize, i32)> = members.iter().filter_map(lag).collect();
    let &(first, axis, by) = lags.first().ok_or(Wrong::Endless(members[0]))?;
    let extent = circuit.shape(first).dims[axis];
    if let Some(other) = lags.iter().find(|lag| lag.2.signum() != by.signum()) {
        return Err(Wrong::Mixed(first, other.0));
    }
    let mut axes: FxHashMap<ValueId, usize> = lags.iter().map(|lag| (lag.0, lag.1)).collect();
    for &value in &members {
        if !axes.contains_key(&value) {
            let axis = scanned(circuit, value, &axes)?;
            axes.insert(value, axis);
        }
        if circuit.shape(value).dims[axes[&value]] != extent {
            return Err(Wrong::TwoAxes(first, value));
        }
    }
    for &(lag, axis, _) in &lags {
        let mut source = lag;
        circuit.for_each_dependency(lag, |value| source = value);
        if axes[&source] != axis {
            return Err(Wrong::TwoAxes(lag, source));
        }
    }
    let reach = lags.iter().map(|lag| lag.2.unsigned_abs()).min().unwrap_or(1);
    Ok(Recurrence { members, axes, extent, backwards: by < 0, reach })
}

/// Which dimension of a value is scanned, from those of its operands on the cycle.
fn scanned(circuit: &Circuit, value: ValueId, axes: &FxHashMap<ValueId, usize>) -> Result<usize, Wrong> {
    let mut found: Option<(ValueId, usize)> = None;
    let mut wrong = None;
    circuit.node(value).for_each_operand(|operand| {
        let Some(&axis) = axes.get(&operand) else { return };
        let Some(axis) = passed_on(circuit, value, operand, axis) else {
            wrong = wrong.or(Some(Wrong::Leaves(value)));
            return;
        };
        match found {
            Some((other, before)) if before != axis => wrong = wrong.or(Some(Wrong::TwoAxes(other, operand))),
            _ => found = Some((operand, axis)),
        }
    });
    match (wrong, found) {
        (None, Some((_, axis))) => Ok(axis),
        (wrong, _) => Err(wrong.unwrap_or(Wrong::Endless(value))),
    }
}

/// Where a dimension of an operand stands in a value that has the same elements along it.
pub fn passed_on(circuit: &Circuit, value: ValueId, operand: ValueId, axis: usize) -> Option<usize> {
    let without = |axes: AxisSet| axis - axes.iter().filter(|&reduced| reduced < axis).count();
    match circuit.node(value) {
        Node::Gate { .. } => Some(axis),
        Node::Reduce { axes, .. } => (!axes.contains(axis)).then(|| without(*axes)),
        Node::View { view, .. } => aligned(view, axis),
        Node::Merge { axis: first, .. } => {
            let first = usize::from(*first);
            (axis != first && axis != first + 1).then_some(if axis > first { axis - 1 } else { axis })
        }
        // A table has one dimension more than its index, the last.
        Node::Gather { .. } => (axis < circuit.shape(value).dims.len()).then_some(axis),
        Node::Scatter { .. } | Node::Leaf(_) | Node::Lag { .. } => {
            debug_assert!(!matches!(circuit.node(value), Node::Lag { .. }), "{operand:?} is a lag's operand");
            None
        }
    }
}

/// The output dimension whose index alone is coordinate `axis`.
fn aligned(view: &View, axis: usize) -> Option<usize> {
    let e = &view.coords[axis];
    let mut used = (0..e.c.len()).filter(|&k| e.c[k] != 0);
    let (first, second) = (used.next()?, used.next());
    (second.is_none() && e.c[first] == 1 && e.b == 0 && e.d == 1).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{F64, Reducer, Shape, gates};

    /// A variable with a lag of it.
    fn open(c: &mut Circuit, axis: usize, by: i32, dims: &[u32]) -> (crate::circuit::Variable, ValueId) {
        let variable = c.variable();
        let lag = c.lag(variable, axis, by, 0.0, &Shape::shared(dims));
        (variable, lag)
    }

    #[test]
    fn two_values_that_recur_together_are_one_unit_after_what_they_read() {
        let mut c = Circuit::new();
        let (h, before_h) = open(&mut c, 0, 1, &[5, 3]);
        let (s, before_s) = open(&mut c, 1, 2, &[3, 5]);
        let outside = c.gate(gates::NEG, &[before_h]);
        let turned = c.view(before_s, View::select(Shape::shared([5, 3]), &[1, 0], &[3, 5]));
        let new_h = c.add(before_h, turned);
        let new_s = c.view(new_h, View::select(Shape::shared([3, 5]), &[1, 0], &[5, 3]));
        let new_s = c.gate(gates::NEG, &[new_s]);
        c.close(h, new_h);
        c.close(s, new_s);
        let order = units(&c, &[outside, new_s]);
        let Unit::Recurrence(found) = &order[0] else { panic!("{order:?}") };
        assert_eq!((found.extent, found.backwards, found.reach), (5, false, 1));
        assert_eq!(found.axes[&new_s], 1);
        assert_eq!(found.axes[&turned], 0);
        assert_eq!(order[1..], [Unit::Value(outside)]);
        assert!(found.members.is_sorted());
    }

    #[test]
    fn what_is_no_recurrence_is_found() {
        let mut c = Circuit::new();
        let (h, before) = open(&mut c, 0, 1, &[4]);
        let later = c.lag(h, 0, -1, 0.0, &Shape::shared([4]));
        let sum = c.add(before, later);
        c.close(h, sum);
        assert_eq!(check(&c, &[sum]), Err(Wrong::Mixed(before, later)));

        let mut c = Circuit::new();
        let (h, before) = open(&mut c, 0, 1, &[4]);
        let all = c.reduce(Reducer::Sum, before, AxisSet::of([0]), false);
        let spread = c.broadcast(all, &Shape::shared([4]));
        c.close(h, spread);
        assert_eq!(check(&c, &[spread]), Err(Wrong::Leaves(all)));

        let mut c = Circuit::new();
        let (h, before) = open(&mut c, 0, 1, &[4, 4]);
        let turned = c.view(before, View::select(Shape::shared([4, 4]), &[1, 0], &[4, 4]));
        let sum = c.add(before, turned);
        c.close(h, sum);
        assert_eq!(check(&c, &[sum]), Err(Wrong::TwoAxes(before, turned)));

        let mut c = Circuit::new();
        let (h, before) = open(&mut c, 0, 1, &[4]);
        let shifted = c.view(before, View::lagged(&Shape::shared([4]), 0, 1, F64::new(0.0)));
        c.close(h, shifted);
        assert_eq!(check(&c, &[shifted]), Err(Wrong::Leaves(shifted)));
    }

    #[test]
    fn without_recurrences_the_order_is_ascending() {
        let mut c = Circuit::new();
        let x = c.number(2.0);
        let y = c.gate(gates::EXP, &[x]);
        let z = c.mul(x, y);
        assert_eq!(units(&c, &[z]), [x, y, z].map(Unit::Value));
    }
}
