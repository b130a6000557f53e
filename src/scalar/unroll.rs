//! From arrays to single numbers.

use super::backward::backpropagate;
use super::{Made, TooMany, Unrolled, Wire, most_gates};
use crate::circuit::machine::subnormal::Flushing;
use crate::circuit::{Circuit, Gate, Leaf, Named, Node, Reducer, ValueId, gates};
use crate::diagnostic::Span;
use crate::interpret::birth::{Kept, Spot};
use crate::interpret::{Bindings, Element};
use rustc_hash::FxHashMap;

/// A circuit with more than this many times the gates that may be drawn is not even evaluated.
const FAR: usize = 64;

/// Every gate that `objective`, a scalar, is computed by, with value and gradient. With several examples bound the
/// objective is the mean over them, and a wire that belongs to one of them has its number behind its name: `h[3]@1`.
///
/// # Errors
/// If there are more than `limit`.
///
/// # Panics
/// If the objective is not a scalar, or a slot that it needs is not bound.
pub fn unroll<T: Element>(
    circuit: &Circuit,
    objective: ValueId,
    bindings: &Bindings<T>,
    limit: usize,
) -> Result<Unrolled, TooMany> {
    let _flushing = Flushing::begin();
    let most = most_gates(circuit, objective, bindings.n);
    if most > limit.saturating_mul(FAR) {
        return Err(TooMany { gates: most });
    }
    let mut circuit = circuit.clone();
    let objective = if circuit.shape(objective).batch { circuit.mean_batch(objective) } else { objective };
    let mut unroller = Unroller {
        kept: Kept::of(&circuit, &[objective], bindings),
        names: circuit.shown_names(),
        bindings,
        wires: vec![],
        known: FxHashMap::default(),
        circuit: &circuit,
    };
    let root = Spot { value: objective, example: 0, index: vec![] };
    let objective = unroller.wire(root, limit).ok_or(TooMany { gates: most })?;
    let mut wires = unroller.wires;
    backpropagate::<T>(&mut wires, objective);
    Ok(Unrolled { wires, objective })
}

struct Unroller<'c, T> {
    circuit: &'c Circuit,
    kept: Kept<'c, T>,
    names: FxHashMap<ValueId, &'c Named>,
    bindings: &'c Bindings<T>,
    wires: Vec<Wire>,
    known: FxHashMap<Spot, usize>,
}

impl<T: Element> Unroller<'_, T> {
    /// The wire of an element, after those of all that it is computed from; `None` if there are too many gates.
    fn wire(&mut self, root: Spot, limit: usize) -> Option<usize> {
        let root = self.own(root);
        let mut open = vec![(root.clone(), false)];
        let mut gates = 0;
        while let Some((spot, ready)) = open.pop() {
            if self.known.contains_key(&spot) {
                continue;
            }
            let mut reads = self.reads(&spot);
            if !ready {
                open.push((spot, true));
                // What is given comes right before the gate that it goes into, after what is computed.
                reads.sort_by_key(|read| self.is_given(read.value));
                open.extend(reads.into_iter().rev().map(|read| (read, false)));
                continue;
            }
            let operands: Vec<usize> = reads.iter().map(|read| self.known[read]).collect();
            let before = self.wires.len();
            let wire = self.made(&spot, operands);
            gates += self.wires[before..].iter().filter(|wire| wire.is_gate()).count();
            if gates > limit {
                return None;
            }
            self.known.insert(spot, wire);
        }
        Some(self.known[&root])
    }

    /// What is shared by all examples belongs to none of them.
    fn own(&self, spot: Spot) -> Spot {
        let example = if self.circuit.shape(spot.value).batch { spot.example } else { 0 };
        Spot { example, ..spot }
    }

    /// The elements that are wired to one: of a choice both branches, of a row that is looked up the row alone.
    fn reads(&self, spot: &Spot) -> Vec<Spot> {
        let reads = match self.circuit.node(spot.value) {
            Node::Gate { args, .. } => args.iter().map(|&value| Spot { value, ..spot.clone() }).collect(),
            Node::Gather { index, .. } => {
                let mut reads = self.kept.reads(spot);
                reads.retain(|read| read.value != *index);
                reads
            }
            _ => self.kept.reads(spot),
        };
        reads.into_iter().map(|read| self.own(read)).collect()
    }

    /// Whether a value is given, or only read from one that is.
    fn is_given(&self, value: ValueId) -> bool {
        match self.circuit.node(value) {
            Node::Leaf(_) => true,
            Node::View { arg, .. } | Node::Merge { arg, .. } | Node::Gather { table: arg, .. } => {
                self.is_given(*arg)
            }
            Node::Gate { .. } | Node::Reduce { .. } | Node::Scatter { .. } | Node::Lag { .. } => false,
        }
    }

    /// The wire of an element whose operands have theirs.
    fn made(&mut self, spot: &Spot, operands: Vec<usize>) -> usize {
        match self.circuit.node(spot.value) {
            Node::Leaf(Leaf::Slot(slot)) => {
                let role = self.circuit.slot(*slot).role;
                self.push(spot, Made::Slot(role))
            }
            Node::Leaf(Leaf::Draw { .. }) => self.push(spot, Made::Draw),
            Node::Leaf(_) => self.push(spot, Made::Number),
            Node::Gate { gate, .. } => self.gate(spot, *gate, operands),
            Node::Reduce { reducer, batch, .. } => match reducer {
                Reducer::Sum => self.total(spot, operands, *batch),
                Reducer::Max => self.chain(spot, gates::MAX, operands),
                Reducer::Min => self.chain(spot, gates::MIN, operands),
                Reducer::Prod => self.chain(spot, gates::MUL, operands),
                Reducer::Argmax | Reducer::Argmin => self.push(spot, Made::Position(*reducer, operands)),
            },
            Node::Scatter { value, .. } => {
                let batch = self.circuit.shape(*value).batch;
                self.total(spot, operands, batch)
            }
            Node::View { .. } | Node::Merge { .. } | Node::Lag { .. } | Node::Gather { .. } => {
                match operands.first() {
                    Some(&wire) => self.alias(spot, wire),
                    None => self.push(spot, Made::Number),
                }
            }
        }
    }

    /// A gate; of numbers alone a number, and by 1 what is multiplied or divided.
    fn gate(&mut self, spot: &Spot, gate: Gate, operands: Vec<usize>) -> usize {
        let is_one = |wire: usize| self.wires[wire].made == Made::Number && self.wires[wire].value == 1.0;
        match operands[..] {
            [wire, one] if [gates::MUL, gates::DIV].contains(&gate) && is_one(one) => {
                return self.alias(spot, wire);
            }
            [one, wire] if gate == gates::MUL && is_one(one) => return self.alias(spot, wire),
            _ => {}
        }
        let is_number = operands.iter().all(|&wire| self.wires[wire].made == Made::Number);
        self.push(spot, if is_number { Made::Number } else { Made::Gate(gate, operands) })
    }

    /// A sum, and with `batch` its mean over the examples.
    fn total(&mut self, spot: &Spot, operands: Vec<usize>, batch: bool) -> usize {
        let n = self.bindings.n;
        if !batch || n == 1 {
            return self.chain(spot, gates::ADD, operands);
        }
        let sum = self.folded(spot, gates::ADD, &operands);
        let count = Wire { name: None, made: Made::Number, value: n as f64, ..self.bare(spot) };
        self.wires.push(count);
        let count = self.wires.len() - 1;
        self.gate(spot, gates::DIV, vec![sum, count])
    }

    /// `((a + b) + c) + d`, the last of which is the element itself.
    fn chain(&mut self, spot: &Spot, gate: Gate, operands: Vec<usize>) -> usize {
        match operands.split_last() {
            None => self.push(spot, Made::Number),
            Some((&only, [])) => self.alias(spot, only),
            Some((&last, before)) => {
                let before = self.folded(spot, gate, before);
                self.gate(spot, gate, vec![before, last])
            }
        }
    }

    /// What a chain comes to before it has a name.
    fn folded(&mut self, spot: &Spot, gate: Gate, operands: &[usize]) -> usize {
        let (&first, rest) = operands.split_first().expect("a chain has an element");
        rest.iter().fold(first, |so_far, &next| {
            let of = |wire: usize| T::of(self.wires[wire].value);
            let value = T::apply_one(gate, &[of(so_far), of(next)]).get();
            let is_number = [so_far, next].iter().all(|&wire| self.wires[wire].made == Made::Number);
            let made = if is_number { Made::Number } else { Made::Gate(gate, vec![so_far, next]) };
            let wire = Wire { made, value, ..self.bare(spot) };
            self.wires.push(wire);
            self.wires.len() - 1
        })
    }

    /// An element that is another: it may bring a name.
    fn alias(&mut self, spot: &Spot, wire: usize) -> usize {
        if self.wires[wire].name.is_none() && self.wires[wire].made != Made::Number {
            self.wires[wire].name = self.name(spot);
        }
        wire
    }

    fn push(&mut self, spot: &Spot, made: Made) -> usize {
        let value = self.kept.number(spot);
        self.wires.push(Wire { name: self.name(spot), made, value, ..self.bare(spot) });
        self.wires.len() - 1
    }

    /// A wire of an element of which not much is known.
    fn bare(&self, spot: &Spot) -> Wire {
        let kind = self.circuit.kind(spot.value);
        let line = self.line(spot.value);
        Wire { name: None, made: Made::Number, kind, value: 0.0, gradient: None, shares: vec![], line }
    }

    fn path(&self, value: ValueId) -> Option<&str> {
        match self.circuit.node(value) {
            Node::Leaf(Leaf::Slot(slot)) => Some(&self.circuit.slot(*slot).name),
            _ => self.names.get(&value).map(|named| named.path.as_str()),
        }
    }

    fn line(&self, value: ValueId) -> Option<Span> {
        let origin = self.circuit.origin(value).span;
        self.circuit.line_of(value, self.path(value).unwrap_or_default()).or(origin)
    }

    /// `h[3]`; with several examples `h[3]@1`, where it belongs to one of them.
    fn name(&self, spot: &Spot) -> Option<String> {
        let path = self.path(spot.value)?;
        let index: Vec<String> = spot.index.iter().map(ToString::to_string).collect();
        let index = if index.is_empty() { String::new() } else { format!("[{}]", index.join(", ")) };
        let owned = self.circuit.shape(spot.value).batch && self.bindings.n > 1;
        let example =
            if owned { format!("@{}", self.bindings.examples[spot.example]) } else { String::new() };
        Some(format!("{path}{index}{example}"))
    }
}
