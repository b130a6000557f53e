//! Which values get a line of their own.

use super::names::Names;
use crate::circuit::gates::Form;
use crate::circuit::{Circuit, Gate, Node, ValueId, gates};
use rustc_hash::{FxHashMap, FxHashSet};

/// An expression larger than this is written once and named, if it is needed more than once.
const LARGE: usize = 4;

/// The values to define by a line each, so that `roots` can be written, in forward order. Names those that have no
/// name yet. A value in `given` has its definition elsewhere.
pub(super) fn lines(
    circuit: &Circuit,
    roots: &[ValueId],
    names: &mut Names,
    given: &FxHashSet<ValueId>,
) -> Vec<ValueId> {
    let mut walk = Walk {
        circuit,
        names,
        given,
        lines: FxHashSet::default(),
        users: FxHashMap::default(),
        forced: vec![],
    };
    for &root in roots {
        walk.line(root);
    }
    let mut made: Vec<ValueId> = walk.forced;
    made.extend(
        walk.users.iter().filter(|&(&value, &users)| users > 1 && is_dear(circuit, value)).map(|(&v, _)| v),
    );
    let mut lines: Vec<ValueId> = walk.lines.into_iter().collect();
    // A root may be anything, even a number.
    made.extend(lines.iter().copied().filter(|&value| names.get(value).is_none()));
    made.sort();
    made.dedup();
    if made.is_empty() {
        lines.sort();
        return lines;
    }
    for &value in &made {
        names.make(circuit, value);
    }
    // With these named, others may be needed once only.
    self::lines(circuit, roots, names, given)
}

/// What the lines found so far need.
struct Walk<'a> {
    circuit: &'a Circuit,
    names: &'a Names,
    given: &'a FxHashSet<ValueId>,
    lines: FxHashSet<ValueId>,
    /// Of values without a name: how many expressions have them for an operand.
    users: FxHashMap<ValueId, usize>,
    /// Values that can only be read by a name.
    forced: Vec<ValueId>,
}

impl Walk<'_> {
    /// A value that gets a line.
    fn line(&mut self, value: ValueId) {
        if self.given.contains(&value) || !self.lines.insert(value) {
            return;
        }
        self.operands(value, true);
    }

    /// What stands in the expression of a value.
    fn operands(&mut self, value: ValueId, is_line: bool) {
        let circuit = self.circuit;
        match circuit.node(value) {
            Node::View { arg, view } if !view.is_total(circuit.shape(*arg)) => self.only_read(*arg),
            Node::Gather { table, .. } => match circuit.node(*table) {
                Node::View { arg, .. } => self.only_read(*arg),
                _ => self.only_read(*table),
            },
            // The left side of a line can join dimensions, an expression cannot.
            Node::Merge { .. } if !is_line => self.only_read(value),
            _ => {}
        }
        let mut operands = circuit.node(value).operands();
        operands.dedup();
        for operand in operands {
            self.operand(operand, is_line && matches!(circuit.node(value), Node::Merge { .. }));
        }
    }

    /// A value that stands in an expression.
    fn operand(&mut self, value: ValueId, within_joined: bool) {
        if self.names.get(value).is_some() {
            return self.line(value);
        }
        let users = self.users.entry(value).or_insert(0);
        *users += 1;
        if *users == 1 {
            let joined = within_joined && matches!(self.circuit.node(value), Node::Merge { .. });
            let position = matches!(self.circuit.node(value), Node::Merge { .. }) && self.is_position(value);
            self.operands(value, joined || position);
        }
    }

    /// A value that can only stand before brackets, or be a number.
    fn only_read(&mut self, value: ValueId) {
        let node = self.circuit.node(value);
        if self.names.get(value).is_none() && !matches!(node, Node::Leaf(_) | Node::View { .. }) {
            self.forced.push(value);
        }
    }

    /// Whether all that is made of joined dimensions is a position among them: `argmax[i, j] x[i, j]`.
    fn is_position(&self, value: ValueId) -> bool {
        let circuit = self.circuit;
        circuit.values().filter(|&user| circuit.node(user).operands().contains(&value)).all(|user| {
            use crate::circuit::Reducer::{Argmax, Argmin};
            matches!(circuit.node(user), Node::Reduce { reducer: Argmax | Argmin, .. } | Node::Merge { .. })
        })
    }
}

/// Whether a value needed more than once is better computed once: it has a sum or a function in it, or is large.
fn is_dear(circuit: &Circuit, value: ValueId) -> bool {
    match circuit.node(value) {
        Node::Leaf(_) | Node::View { .. } | Node::Gather { .. } => false,
        Node::Reduce { .. } | Node::Scatter { .. } => true,
        Node::Gate { gate, .. } if is_function(*gate) => true,
        _ => weight(circuit, value, LARGE + 1) > LARGE,
    }
}

/// Gates that cost as much as several others.
fn is_function(gate: Gate) -> bool {
    gate.row().form == Form::Call && gate.row().arity == 1 && !CHEAP.contains(&gate.row().name)
        || gate == gates::POW
}

const CHEAP: [&str; 5] = ["abs", "sign", "floor", "ceil", "stop"];

/// How many gates and reductions an expression has, up to a limit.
fn weight(circuit: &Circuit, value: ValueId, limit: usize) -> usize {
    let own = usize::from(matches!(circuit.node(value), Node::Gate { .. } | Node::Reduce { .. }));
    let mut total = own;
    for operand in circuit.node(value).operands() {
        if total >= limit {
            break;
        }
        total += weight(circuit, operand, limit - total);
    }
    total
}
