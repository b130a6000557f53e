//! Sets of values.

use crate::circuit::{Circuit, ValueId};
use petgraph::visit::VisitMap;

/// A set of values of one circuit, a bit each.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ValueSet {
    words: Vec<u64>,
}

impl ValueSet {
    /// The empty set, with room for the values of a circuit.
    pub fn of(circuit: &Circuit) -> Self {
        ValueSet { words: vec![0; circuit.len().div_ceil(64)] }
    }

    /// Whether a value is in it.
    pub fn contains(&self, value: ValueId) -> bool {
        let word = self.words.get(value.index() / 64).copied().unwrap_or(0);
        word >> (value.index() % 64) & 1 == 1
    }

    /// Adds a value; whether it is new.
    pub fn insert(&mut self, value: ValueId) -> bool {
        let new = !self.contains(value);
        if self.words.len() <= value.index() / 64 {
            self.words.resize(value.index() / 64 + 1, 0);
        }
        self.words[value.index() / 64] |= 1 << (value.index() % 64);
        new
    }

    /// Takes a value out; whether it was in.
    pub fn remove(&mut self, value: ValueId) -> bool {
        let known = self.contains(value);
        if known {
            self.words[value.index() / 64] &= !(1 << (value.index() % 64));
        }
        known
    }

    /// How many values are in it.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether no value is in it.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The values, ascending: in forward order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = ValueId> {
        (0..self.words.len() as u32 * 64).map(ValueId).filter(|&value| self.contains(value))
    }
}

impl VisitMap<ValueId> for ValueSet {
    fn visit(&mut self, value: ValueId) -> bool {
        self.insert(value)
    }

    fn is_visited(&self, value: &ValueId) -> bool {
        self.contains(*value)
    }

    fn unvisit(&mut self, value: ValueId) -> bool {
        self.remove(value)
    }
}
