//! Takes recurrences out of a circuit.
//!
//! What is left is a circuit without lags, in which the values of recurrences that somebody outside reads come from
//! slots ([`Given`]): a recurrence is one kernel. What a recurrence computes at one element of its scanned dimension is
//! a circuit by itself ([`Scan`]), without that dimension; its slots are parts of arrays ([`Slice`]). Both are planned
//! in the same way.
//!
//! A value of a recurrence is stored, for all elements, where a lag reads it or somebody outside does; but views of
//! what is stored are read through, and gates on it that are cheap are computed again where other gates read them.
//! With [`Phase::recompute`](super::Phase::recompute) all else that another recurrence reads, as the backward one does,
//! is computed again there, element by element: it needs room for one element instead of all.
//!
//! - `inside`: the circuit of one element.
//! - `skew`: reads in it that depend on the element in another way than at the element.

mod inside;
mod skew;

use super::facts::Facts;
use super::kernels::{DEAR, own_price};
use super::places::Site;
use super::{Home, Root, Wanted};
use crate::circuit::recurrence::{Recurrence, Unit, units};
use crate::circuit::{Circuit, F64, Named, Node, Slot, SlotRole, ValueId, View};
use inside::Inside;
use rustc_hash::FxHashMap;

/// A circuit whose recurrences stand beside it.
pub(super) struct Parted {
    /// Without lags.
    pub circuit: Circuit,
    /// Which value of the circuit that was parted each of its values is, or comes from.
    pub origins: Vec<ValueId>,
    /// The roots, in it.
    pub roots: Vec<ValueId>,
    /// The recurrences.
    pub scans: Scans,
}

/// The recurrences of a circuit.
#[derive(Default)]
pub(super) struct Scans {
    /// All of them.
    pub all: Vec<Scan>,
    by_leaf: FxHashMap<ValueId, usize>,
}

/// A recurrence.
pub(super) struct Scan {
    /// How long the scanned dimension is.
    pub extent: u32,
    /// Whether it runs from the last element to the first.
    pub backwards: bool,
    /// What it computes at one element.
    pub circuit: Circuit,
    /// Which value of the circuit that was parted each value of that circuit is, or comes from.
    pub origins: Vec<ValueId>,
    /// What its slots hold, in their order.
    pub reads: Vec<Slice>,
    /// What it gives, ascending.
    pub results: Vec<Given>,
}

/// A value of a recurrence that is stored for all elements.
pub(super) struct Given {
    /// What stands for it outside.
    pub leaf: ValueId,
    /// Which of its dimensions is scanned.
    pub axis: usize,
    /// What it is at one element.
    pub value: ValueId,
}

/// What an element of a recurrence reads of a value outside, or of what other elements gave.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Slice {
    /// Of which value.
    pub of: ValueId,
    /// Whether the recurrence gives that itself.
    pub own: bool,
    /// Which part of each of its dimensions.
    pub dims: Vec<Along>,
    /// For a lag: how far it reads back, and what it reads outside.
    pub lag: Option<Lag>,
}

/// What is read along a dimension at element `t`: position `start + step * t`, or (`kept`) all from there on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Along {
    pub kept: bool,
    pub start: i64,
    pub step: i64,
}

/// A read of the element `by` earlier, of `extent`; `fill` where there is none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Lag {
    pub by: i64,
    pub extent: u32,
    pub fill: F64,
}

impl Scans {
    /// Which recurrence gives a value.
    pub fn number(&self, leaf: ValueId) -> Option<usize> {
        self.by_leaf.get(&leaf).copied()
    }

    /// The recurrence that gives a value.
    pub fn of(&self, leaf: ValueId) -> Option<&Scan> {
        self.number(leaf).map(|number| &self.all[number])
    }
}

impl Scan {
    /// The values outside that it reads, with repeats.
    pub fn inputs(&self) -> impl Iterator<Item = ValueId> {
        self.reads.iter().filter(|read| !read.own).map(|read| read.of)
    }
}

impl Slice {
    /// Whether it is all of the value at every element.
    pub fn is_whole(&self) -> bool {
        self.lag.is_none() && self.dims.iter().all(|along| *along == Along::ALL)
    }
}

impl Along {
    /// All of it.
    const ALL: Along = Along { kept: true, start: 0, step: 0 };
    /// The element.
    const ELEMENT: Along = Along { kept: false, start: 0, step: 1 };
}

/// Takes the recurrences out of what the roots need; `None` where nothing could be one.
pub(super) fn part(circuit: &Circuit, roots: &[Root], recompute: bool) -> Option<Parted> {
    circuit.variables().next()?;
    let wanted: Vec<Wanted> = roots.iter().map(wanted).collect();
    let scans = Scans::default();
    let facts = Facts::of(circuit, &scans, &wanted);
    let values: Vec<ValueId> = roots.iter().map(|root| root.value).collect();
    let units = units(circuit, &values);
    let marks = Marks::of(circuit, &values, &units, recompute);
    let mut parting = Parting {
        facts: &facts,
        prices: prices(circuit, &marks),
        marks,
        circuit: Circuit::with_slots_of(circuit),
        origins: vec![],
        of: vec![None; circuit.len()],
        scans: Scans::default(),
    };
    units.iter().for_each(|unit| parting.unit(unit));
    parting.names();
    let roots = values.iter().map(|&value| parting.outside(value)).collect();
    let Parting { circuit, origins, scans, .. } = parting;
    Some(Parted { circuit, origins, roots, scans })
}

fn wanted(root: &Root) -> Wanted {
    let Home { region, offset } = root.home;
    Wanted { value: root.value, name: root.name.clone(), site: Site::Home(Home { region, offset }) }
}

/// What becomes of the values of recurrences.
struct Marks {
    /// Of each value: the recurrence that it belongs to.
    scan: Vec<Option<usize>>,
    /// Read from outside of its recurrence.
    read: Vec<bool>,
    /// Read there by other than gates, which are likely to want it in memory.
    whole: Vec<bool>,
    /// Stored for all elements.
    stored: Vec<bool>,
    /// Computed again at each element of the recurrences that read it.
    again: Vec<bool>,
}

impl Marks {
    fn of(circuit: &Circuit, roots: &[ValueId], units: &[Unit], recompute: bool) -> Marks {
        let none = || vec![false; circuit.len()];
        let scan = vec![None; circuit.len()];
        let mut marks = Marks { scan, read: none(), whole: none(), stored: none(), again: none() };
        let recurrences = || {
            units.iter().filter_map(|unit| match unit {
                Unit::Recurrence(recurrence) => Some(recurrence),
                Unit::Value(_) => None,
            })
        };
        for (number, recurrence) in recurrences().enumerate() {
            recurrence.members.iter().for_each(|member| marks.scan[member.index()] = Some(number));
        }
        roots.iter().for_each(|root| marks.read[root.index()] = true);
        for value in units.iter().flat_map(Unit::values) {
            circuit.for_each_dependency(*value, |read| {
                let [own, other] = [*value, read].map(|value| marks.scan[value.index()]);
                if other.is_some() && own != other {
                    marks.read[read.index()] = true;
                    marks.whole[read.index()] |= !matches!(circuit.node(*value), Node::Gate { .. });
                }
            });
        }
        let elsewhere =
            if recompute { marks.elsewhere(circuit, roots, units) } else { vec![true; circuit.len()] };
        let may = |value: ValueId| !elsewhere[value.index()];
        recurrences().for_each(|recurrence| marks.decide(circuit, recurrence, &may));
        // What is made of that on the way to a recurrence.
        for value in units.iter().flat_map(Unit::values).filter(|value| may(**value)) {
            let node = circuit.node(*value);
            if marks.scan[value.index()].is_none() && is_light(node) {
                let mut again = false;
                node.for_each_operand(|operand| again |= marks.is_again(operand));
                marks.again[value.index()] = again;
            }
        }
        marks
    }

    /// Whether each value is needed by other than recurrences, and gates and views on the way to them.
    fn elsewhere(&self, circuit: &Circuit, roots: &[ValueId], units: &[Unit]) -> Vec<bool> {
        let mut elsewhere = vec![false; circuit.len()];
        roots.iter().for_each(|root| elsewhere[root.index()] = true);
        for value in units.iter().rev().flat_map(|unit| unit.values().iter().rev()) {
            let passes_on = is_light(circuit.node(*value)) && !elsewhere[value.index()];
            if self.scan[value.index()].is_none() && !passes_on {
                circuit.for_each_dependency(*value, |read| elsewhere[read.index()] = true);
            }
        }
        elsewhere
    }

    fn is_stored(&self, value: ValueId) -> bool {
        self.stored[value.index()]
    }

    fn is_read(&self, value: ValueId) -> bool {
        self.read[value.index()]
    }

    /// Whether a value is computed again at each element of the recurrences that read it.
    fn is_again(&self, value: ValueId) -> bool {
        self.again[value.index()]
    }

    /// What is stored of a recurrence; the rest of what is read outside is computed there from that. `may` tells
    /// whether that may be much work.
    fn decide(&mut self, circuit: &Circuit, recurrence: &Recurrence, may: &dyn Fn(ValueId) -> bool) {
        for &member in &recurrence.members {
            if matches!(circuit.node(member), Node::Lag { .. }) {
                circuit.for_each_dependency(member, |source| self.stored[source.index()] = true);
            }
        }
        for &member in recurrence.members.iter().rev() {
            if !self.is_read(member) || self.is_stored(member) {
                continue;
            }
            let node = circuit.node(member);
            self.again[member.index()] = may(member) && inside::has_elements(node);
            let again = match node {
                _ if self.is_again(member) => true,
                Node::Lag { .. } | Node::View { .. } | Node::Merge { .. } => true,
                Node::Gate { args, .. } => {
                    let cheap = own_price(node) < DEAR && !self.whole[member.index()];
                    cheap && args.iter().all(|&arg| self.is_at_hand(circuit, arg))
                }
                _ => false,
            };
            match again {
                true => node.for_each_operand(|operand| self.read[operand.index()] = true),
                false => self.stored[member.index()] = true,
            }
        }
    }

    /// Whether a value is stored already, or follows from what is by views.
    fn is_at_hand(&self, circuit: &Circuit, mut value: ValueId) -> bool {
        while let Node::View { arg, .. } | Node::Merge { arg, .. } = circuit.node(value)
            && !self.is_stored(value)
        {
            value = *arg;
        }
        let given = self.scan[value.index()].is_none() || matches!(circuit.node(value), Node::Lag { .. });
        given || self.is_read(value) || self.is_stored(value)
    }
}

/// Whether a value is computed element by element of its operands.
fn is_light(node: &Node) -> bool {
    matches!(node, Node::Gate { .. } | Node::View { .. })
}

/// What it costs to compute values that are not stored where they are read, in machine operations.
fn prices(circuit: &Circuit, marks: &Marks) -> Vec<u32> {
    let mut prices = vec![0u32; circuit.len()];
    for value in circuit.values().filter(|&value| !marks.is_stored(value)) {
        let node = circuit.node(value);
        if matches!(node, Node::Gate { .. } | Node::View { .. }) {
            let mut sum = own_price(node);
            node.for_each_operand(|operand| sum = sum.saturating_add(prices[operand.index()]));
            prices[value.index()] = sum;
        }
    }
    prices
}

/// A circuit while it is parted.
struct Parting<'a> {
    /// Of the circuit that is parted.
    facts: &'a Facts<'a>,
    marks: Marks,
    prices: Vec<u32>,
    /// What is left.
    circuit: Circuit,
    origins: Vec<ValueId>,
    /// What stands for each value there.
    of: Vec<Option<ValueId>>,
    scans: Scans,
}

impl<'a> Parting<'a> {
    fn source(&self) -> &'a Circuit {
        self.facts.circuit
    }

    /// What stands for a value in the circuit that is left.
    fn outside(&self, value: ValueId) -> ValueId {
        self.of[value.index()].expect("it is stored, or was computed before")
    }

    fn unit(&mut self, unit: &Unit) {
        match unit {
            Unit::Value(value) => self.copy(*value),
            Unit::Recurrence(recurrence) => self.scan(recurrence),
        }
    }

    /// Has a value in the circuit that is left, for an origin.
    fn noted(&mut self, value: ValueId, origin: ValueId) -> ValueId {
        self.origins.resize(self.circuit.len().max(self.origins.len()), origin);
        value
    }

    /// Computes a value as it was, from what stands for its operands.
    fn copy(&mut self, value: ValueId) {
        let source = self.source();
        let copy = match source.node(value) {
            Node::Lag { axis, by, fill, shape, .. } => {
                let mut lagged = value;
                source.for_each_dependency(value, |read| lagged = read);
                let view = View::lagged(shape, usize::from(*axis), *by, *fill);
                self.circuit.view(self.outside(lagged), view)
            }
            node => self.circuit.intern(node.with_operands(|operand| self.outside(operand))),
        };
        self.of[value.index()] = Some(self.noted(copy, value));
    }

    fn scan(&mut self, recurrence: &Recurrence) {
        let inside = Inside::of(self, recurrence);
        let mut scan = inside.finish();
        let number = self.scans.all.len();
        for given in &mut scan.results {
            let member = given.leaf;
            given.leaf = self.leaf(member);
            self.of[member.index()] = Some(given.leaf);
            self.scans.by_leaf.insert(given.leaf, number);
        }
        for read in scan.reads.iter_mut().filter(|read| read.own) {
            read.of = self.outside(read.of);
        }
        self.scans.all.push(scan);
        for &member in &recurrence.members {
            if self.marks.is_read(member) && !self.marks.is_stored(member) {
                self.copy(member);
            }
        }
    }

    /// What stands for a value that a recurrence stores.
    fn leaf(&mut self, member: ValueId) -> ValueId {
        let source = self.source();
        let leaf = self.circuit.declare(Slot {
            name: self.facts.name(member),
            role: SlotRole::State,
            shape: source.shape(member).clone(),
            kind: source.kind(member),
            classes: None,
            span: None,
        });
        self.noted(leaf, member)
    }

    /// Names what is left as it was named.
    fn names(&mut self) {
        for named in self.source().names() {
            if let Some(value) = self.of[named.value.index()] {
                self.circuit.name(Named { value, ..named.clone() });
            }
        }
    }
}
