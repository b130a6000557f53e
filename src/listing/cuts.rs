//! Which values get a line of their own, and in which order the lines stand.

use super::groups::{Aligned, Groups};
use super::names::Names;
use crate::circuit::gates::Form;
use crate::circuit::{Circuit, Gate, Node, Reducer, Shape, ValueId, View, gates};
use rustc_hash::{FxHashMap, FxHashSet};

/// An expression heavier than this is written once and named, if it is needed more than once.
const LIGHT: usize = 2;

/// What a sum or a function weighs, in gates.
const HEAVY: usize = 3;

/// The values to define by a line each, so that `roots` can be written: operands before users, and what has no name
/// of its own right before its first user. Names those. A value in `given` has its definition elsewhere.
pub(super) fn lines(
    circuit: &Circuit,
    roots: &[ValueId],
    names: &mut Names,
    given: &FxHashSet<ValueId>,
) -> Vec<ValueId> {
    let mut made: FxHashSet<ValueId> = FxHashSet::default();
    loop {
        let walk = Walk::from(circuit, roots, names, given);
        let shared =
            walk.users.iter().filter(|&(&value, &users)| users > 1 && is_heavy(circuit, names, value));
        // A root may be anything, even a number.
        let unnamed = walk.lines.iter().copied().filter(|&value| names.get(value).is_none());
        let mut next: Vec<ValueId> = unnamed.chain(shared.map(|(&v, _)| v)).collect();
        // What must have a name is known when it is known which expressions there are.
        if next.is_empty() {
            next = walk.forced.clone();
        }
        if next.is_empty() {
            return ordered(circuit, names, &walk.lines, &made);
        }
        next.sort();
        next.dedup();
        let lagged = walk.lagged;
        for value in next {
            names.make(circuit, value);
            // A value of the model that is needed again stands where it is needed.
            if circuit.origin(value).rule.is_none() && !lagged.contains(&value) {
                made.insert(value);
            }
        }
        // With these named, others may be needed once only.
    }
}

/// Lines in an order that keeps to a statement of the model as long as it can, operands before users; what was named
/// for the listing only, right before its first user.
fn ordered(
    circuit: &Circuit,
    names: &Names,
    lines: &FxHashSet<ValueId>,
    made: &FxHashSet<ValueId>,
) -> Vec<ValueId> {
    let reads = reads(circuit, names, lines);
    let mut waiting: Vec<ValueId> = lines.iter().copied().filter(|value| !made.contains(value)).collect();
    waiting.sort();
    let mut order = vec![];
    let mut seen: FxHashSet<ValueId> = FxHashSet::default();
    let mut place = None;
    while !waiting.is_empty() {
        // What a line made for the listing reads, its user reads.
        let is_ready = |value: &ValueId| {
            let mut open = vec![*value];
            while let Some(value) = open.pop() {
                for read in &reads[&value] {
                    match (seen.contains(read), made.contains(read)) {
                        (true, _) => {}
                        (false, true) => open.push(*read),
                        (false, false) => return false,
                    }
                }
            }
            true
        };
        let here = |value: &&ValueId| names.place(circuit, **value) == place;
        let ready: Vec<ValueId> = waiting.iter().copied().filter(is_ready).collect();
        let next = *ready.iter().find(here).or(ready.first()).expect("operands come before users");
        place = names.place(circuit, next);
        waiting.retain(|&value| value != next);
        emit(next, &reads, &mut seen, &mut order);
    }
    order
}

/// A line after those that it reads.
fn emit(
    value: ValueId,
    reads: &FxHashMap<ValueId, Vec<ValueId>>,
    seen: &mut FxHashSet<ValueId>,
    order: &mut Vec<ValueId>,
) {
    if seen.insert(value) {
        reads[&value].iter().for_each(|&read| emit(read, reads, seen, order));
        order.push(value);
    }
}

/// Which lines each line reads, but by a lag.
pub(super) fn reads(
    circuit: &Circuit,
    names: &Names,
    lines: &FxHashSet<ValueId>,
) -> FxHashMap<ValueId, Vec<ValueId>> {
    let of = |line: &ValueId| {
        let mut found = vec![];
        let mut open = circuit.node(*line).operands();
        while let Some(value) = open.pop() {
            if names.get(value).is_none() {
                open.extend(circuit.node(value).operands());
            } else if lines.contains(&value) {
                found.push(value);
            }
        }
        found.sort();
        found.dedup();
        (*line, found)
    };
    lines.iter().map(of).collect()
}

/// What the lines found so far need.
struct Walk<'a> {
    circuit: &'a Circuit,
    names: &'a Names,
    lines: FxHashSet<ValueId>,
    /// Of values without a name: how many expressions have them for an operand.
    users: FxHashMap<ValueId, usize>,
    /// Values that can only be read by a name.
    forced: Vec<ValueId>,
    /// Those of them that lags read.
    lagged: FxHashSet<ValueId>,
    /// Values that get a line, not yet looked into.
    open: Vec<ValueId>,
}

/// Where an expression stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Right of `argmax[i, j]`, which joins dimensions by itself.
    Position,
    /// Anywhere else.
    Within,
}

impl<'a> Walk<'a> {
    /// From the roots down to what is given.
    fn from(
        circuit: &'a Circuit,
        roots: &[ValueId],
        names: &'a Names,
        given: &'a FxHashSet<ValueId>,
    ) -> Self {
        let (lines, users, lagged) = Default::default();
        let mut walk = Walk { circuit, names, lines, users, forced: vec![], lagged, open: roots.to_vec() };
        while let Some(value) = walk.open.pop() {
            if !given.contains(&value) && walk.lines.insert(value) {
                let (mut groups, aligned) = Groups::of(circuit, names, value);
                walk.operands(value, Place::Within, &mut groups, &aligned);
            }
        }
        walk
    }

    /// What stands in the expression of a value.
    fn operands(&mut self, value: ValueId, place: Place, groups: &mut Groups, aligned: &Aligned) {
        let circuit = self.circuit;
        let mut inner = Place::Within;
        match circuit.node(value) {
            Node::View { arg, view } if escapes(view, circuit.shape(*arg)) => self.only_read(*arg),
            Node::Gather { table, .. } => match circuit.node(*table) {
                Node::View { arg, view } if reads_last_plainly(view) => self.only_read(*arg),
                _ if self.names.get(*table).is_none() => self.forced.push(*table),
                _ => {}
            },
            Node::Lag { variable, .. } => self.read_by_lag(circuit.source(*variable)),
            Node::Reduce { reducer: Reducer::Argmax | Reducer::Argmin, .. } => inner = Place::Position,
            Node::Merge { .. } => inner = place,
            _ => {}
        }
        let below = match place {
            Place::Position if matches!(circuit.node(value), Node::Merge { .. }) => None,
            _ => {
                let below = groups.below(circuit, value, aligned);
                if below.is_none() {
                    self.only_read(value);
                }
                below
            }
        };
        let mut operands = circuit.node(value).operands();
        operands.dedup();
        for (k, operand) in operands.into_iter().enumerate() {
            let unknown = || vec![None; circuit.shape(operand).dims.len()];
            let aligned = below.as_ref().map_or_else(unknown, |below| below[k].clone());
            self.operand(operand, inner, groups, &aligned);
        }
    }

    /// A value that stands in an expression.
    fn operand(&mut self, value: ValueId, place: Place, groups: &mut Groups, aligned: &Aligned) {
        if self.names.get(value).is_some() {
            return self.open.push(value);
        }
        let users = self.users.entry(value).or_insert(0);
        *users += 1;
        let first = *users == 1;
        // Written at each of its uses, it must be possible at each.
        if first || !is_heavy(self.circuit, self.names, value) && self.joins(value) {
            self.operands(value, place, groups, aligned);
        }
    }

    /// Whether dimensions are joined in the expression of a value.
    fn joins(&self, value: ValueId) -> bool {
        let node = self.circuit.node(value);
        matches!(node, Node::Merge { .. })
            || node.operands().iter().any(|&arg| self.names.get(arg).is_none() && self.joins(arg))
    }

    /// A value that a lag reads: by its name, from wherever it is defined.
    fn read_by_lag(&mut self, source: Option<ValueId>) {
        let source = source.expect("a variable that is read is closed");
        match self.names.get(source) {
            Some(_) => self.open.push(source),
            None => {
                self.forced.push(source);
                self.lagged.insert(source);
            }
        }
    }

    /// A value that can only stand before brackets, or be a number.
    fn only_read(&mut self, value: ValueId) {
        let stands = match self.circuit.node(value) {
            Node::Leaf(_) => true,
            // One with an outside has an `else` of its own, after which no other can follow.
            Node::View { arg, view } => view.is_total(self.circuit.shape(*arg)),
            _ => false,
        };
        if self.names.get(value).is_none() && !stands {
            self.forced.push(value);
        }
    }
}

/// Whether a view may leave its array, its guards apart: a read with an `else`.
pub(super) fn escapes(view: &View, operand: &Shape) -> bool {
    !View { guards: vec![], ..view.clone() }.is_total(operand)
}

/// Whether a table's last dimension, which is read by an integer, is one dimension of what the table reads: between
/// brackets a class can stand alone only.
fn reads_last_plainly(view: &View) -> bool {
    let Some(last) = view.out.dims.len().checked_sub(1) else { return false };
    let guards = view.guards.iter().map(|guard| &guard.e);
    let mut users = view.coords.iter().chain(guards).filter(|e| e.c[last] != 0);
    users.next().is_some_and(|e| e.as_axis() == Some(last)) && users.next().is_none()
}

/// Whether a value needed more than once is better written and computed once.
fn is_heavy(circuit: &Circuit, names: &Names, value: ValueId) -> bool {
    match circuit.node(value) {
        Node::Leaf(_) | Node::View { .. } | Node::Gather { .. } | Node::Lag { .. } => false,
        _ => weight(circuit, names, value, true) > LIGHT,
    }
}

/// How much an expression has in it, down to what has a name; no more than is asked for.
fn weight(circuit: &Circuit, names: &Names, value: ValueId, is_top: bool) -> usize {
    if !is_top && names.get(value).is_some() {
        return 0;
    }
    let mut total = match circuit.node(value) {
        Node::Reduce { .. } | Node::Scatter { .. } => HEAVY,
        Node::Gate { gate, .. } if is_function(*gate) => HEAVY,
        Node::Gate { .. } => 1,
        _ => 0,
    };
    for operand in circuit.node(value).operands() {
        if total > LIGHT {
            break;
        }
        total += weight(circuit, names, operand, false);
    }
    total
}

/// Gates that cost as much as several others.
fn is_function(gate: Gate) -> bool {
    let row = gate.row();
    gate == gates::POW || row.form == Form::Call && row.arity == 1 && !CHEAP.contains(&row.name)
}

const CHEAP: [&str; 5] = ["abs", "sign", "floor", "ceil", "stop"];
