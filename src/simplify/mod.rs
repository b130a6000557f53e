//! Directed rewriting: every rule makes a circuit smaller, cheaper or plainer, and none may lose a value.
//!
//! The circuit is rebuilt from its leaves upwards, each node through a constructor that knows the rules: those of
//! [`table`] for gates, those of [`views`] and [`sums`] for what changes shapes. Equal nodes fall together by
//! interning, and what no root needs falls out. This is repeated until nothing changes, a few times at most.
//!
//! # What a rule may change
//!
//! No rule turns NaN or infinity into a number, so `0 * x` stays as it is. None changes a finite result by more
//! than rounding, where rounding includes what an *intermediate* result loses beyond the ends of the format: a
//! product may be associated otherwise. The sign of a zero is not kept: `x + 0` is `x`.
//!
//! # The normal form
//!
//! - A gate is computed over the dimensions on which its operands depend; what only spreads it comes after
//!   ([`views::Builder::narrowed`]). So an intermediate value is never larger than what it is made of.
//! - A read that does not spread goes through gates and reductions down to what is stored: inputs, parameters, values
//!   with a name or with several users. So a contraction is a sum of a product of two plain reads.
//! - A lag is on a cycle; one that is not is a read.
//! - A gate comes before a merge ([`merges`]), and so does a reduction that keeps what is merged: nothing is read
//!   through a quotient and a rest.
//! - A reduction is over the trailing dimensions of its operand, as `sum[k] ..` of an equation over `m, n` is.

mod builder;
mod facts;
mod gates;
mod masks;
mod maxima;
mod merges;
mod scatters;
mod sums;
pub(crate) mod table;
#[cfg(test)]
mod tests;
mod views;

use crate::circuit::recurrence::{Unit, units};
use crate::circuit::{Circuit, CotangentName, Named, Node, ValueId, View, graph};
use builder::Builder;
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// No chain of rules is this long; were one longer, the result would be right, only not yet simple.
const ROUNDS: usize = 12;

/// The same values, simpler. Returns the circuit and the roots in it.
///
/// Slots keep their order. A name stays with the value that it names as long as a root still needs that. What becomes
/// of a value depends on the names of the whole circuit, not on which named values are roots: a program with one more
/// output has the same bits in the others. Simplify after differentiating: names are kept, but not every value on the
/// way.
pub fn simplify(circuit: &Circuit, roots: &[ValueId]) -> (Circuit, Vec<ValueId>) {
    let named = circuit.names().iter().map(|named| named.value);
    let mut all: Vec<ValueId> = roots.iter().copied().chain(named).collect();
    let mut circuit = circuit.clone();
    for _ in 0..ROUNDS {
        let (next, next_all) = round(&circuit, &all);
        let stable = next.len() == circuit.len()
            && next_all == all
            && circuit.values().all(|value| circuit.node(value) == next.node(value))
            && circuit.variables().all(|variable| circuit.source(variable) == next.source(variable));
        (circuit, all) = (next, next_all);
        if stable {
            break;
        }
    }
    // A name of what is only spread is kept with what it spreads, which it may be read for.
    let needed = graph::reachable(&circuit, all[..roots.len()].iter().copied());
    let spread =
        |value: &&ValueId| matches!(circuit.node(**value), Node::View { arg, .. } if needed.contains(*arg));
    let kept: Vec<ValueId> =
        all[..roots.len()].iter().chain(all[roots.len()..].iter().filter(spread)).copied().collect();
    let (circuit, mut kept) = swept(&circuit, &kept);
    kept.truncate(roots.len());
    (circuit, kept)
}

/// Every value that the roots need through its constructor once.
fn round(circuit: &Circuit, roots: &[ValueId]) -> (Circuit, Vec<ValueId>) {
    let stored = stored(circuit, roots);
    let orientations = orientations(circuit);
    let named: FxHashSet<ValueId> = circuit.names().iter().map(|named| named.value).collect();
    let mut builder = Builder::new(circuit);
    let map = rebuilt(circuit, roots, |value, node, map| {
        builder.circuit.set_origin(circuit.origin(value));
        let operands = node.with_operands(|operand| map[operand.index()].expect("operands first"));
        let mut new = builder.node(operands);
        if let Some(view) = orientations.get(&value) {
            new = builder.oriented(new, view);
        }
        if stored[value.index()] {
            builder.store(new);
        }
        if named.contains(&value) {
            builder.mark_named(new);
        }
        new
    });
    let renamed = |value: ValueId| map[value.index()];
    let mut next = builder.circuit;
    close(circuit, &mut next, renamed);
    rename(circuit, &mut next, renamed);
    let roots: Vec<ValueId> = roots.iter().filter_map(|&root| renamed(root)).collect();
    swept(&next, &roots)
}

/// Which values are stored whatever is done about them: roots, those of several users, and those that lags read.
fn stored(circuit: &Circuit, roots: &[ValueId]) -> Vec<bool> {
    let mut stored = vec![false; circuit.len()];
    let mut user: Vec<Option<ValueId>> = vec![None; circuit.len()];
    for value in graph::reachable(circuit, roots.iter().copied()).iter() {
        let lags = matches!(circuit.node(value), Node::Lag { .. });
        circuit.for_each_dependency(value, |operand| {
            let first = *user[operand.index()].get_or_insert(value);
            stored[operand.index()] |= first != value || lags;
        });
    }
    roots.iter().for_each(|root| stored[root.index()] = true);
    stored
}

/// Values without a name of which a permutation has one: in which order of dimensions.
fn orientations(circuit: &Circuit) -> FxHashMap<ValueId, View> {
    let named: FxHashSet<ValueId> = circuit.names().iter().map(|named| named.value).collect();
    let mut orientations = FxHashMap::default();
    for &value in &named {
        let Node::View { arg, view } = circuit.node(value) else { continue };
        let (from, to) = (circuit.shape(*arg), &view.out);
        let permutes = from.batch == to.batch && from.dims.len() == to.dims.len() && from.size() == to.size();
        let made = matches!(circuit.node(*arg), Node::Gate { .. } | Node::Reduce { .. });
        if made && permutes && !named.contains(arg) && is_permutation(view) {
            orientations.insert(*arg, (**view).clone());
        }
    }
    orientations
}

fn is_permutation(view: &View) -> bool {
    let mut axes = view.as_select().unwrap_or_default();
    axes.sort();
    axes.into_iter().eq(0..view.coords.len())
}

/// Calls `build` for each value that the roots need, in forward order, with what the values before became. A lag that is
/// on no cycle comes as the read that it is.
fn rebuilt(
    circuit: &Circuit,
    roots: &[ValueId],
    mut build: impl FnMut(ValueId, &Node, &[Option<ValueId>]) -> ValueId,
) -> Vec<Option<ValueId>> {
    let mut map = vec![None; circuit.len()];
    for unit in units(circuit, roots) {
        for &value in unit.values() {
            map[value.index()] = Some(match circuit.node(value) {
                Node::Lag { variable, axis, by, fill, shape } if matches!(unit, Unit::Value(_)) => {
                    let arg = circuit.source(*variable).expect("a variable that is read is closed");
                    let view = View::lagged(shape, usize::from(*axis), *by, *fill);
                    build(value, &Node::View { arg, view: Arc::new(view) }, &map)
                }
                node => build(value, node, &map),
            });
        }
    }
    map
}

/// Closes the variables of which a lag is left.
fn close(from: &Circuit, to: &mut Circuit, renamed: impl Fn(ValueId) -> Option<ValueId>) {
    for variable in from.variables() {
        if let Some(source) = from.source(variable).and_then(&renamed) {
            to.close(variable, source);
        }
    }
}

/// Gives the names of one circuit to the values of another that they became, in order.
fn rename(from: &Circuit, to: &mut Circuit, renamed: impl Fn(ValueId) -> Option<ValueId>) {
    let mut cotangents = from.cotangents().iter().peekable();
    for (k, named) in from.names().iter().enumerate() {
        let cotangent: Option<&CotangentName> = cotangents.next_if(|cotangent| cotangent.name == k);
        let Some(value) = renamed(named.value) else { continue };
        let named = Named { value, ..named.clone() };
        match cotangent {
            Some(cotangent) => to.name_cotangent(named, cotangent.clone()),
            None => to.name(named),
        }
    }
    for (value, hint) in from.hints() {
        if let Some(value) = renamed(value) {
            to.add_hint(value, hint.clone());
        }
    }
}

/// The same circuit without what no root needs.
fn swept(circuit: &Circuit, roots: &[ValueId]) -> (Circuit, Vec<ValueId>) {
    let mut next = Circuit::with_slots_of(circuit);
    let map = rebuilt(circuit, roots, |value, node, map| {
        next.set_origin(circuit.origin(value));
        next.intern(node.with_operands(|operand| map[operand.index()].expect("operands first")))
    });
    let renamed = |value: ValueId| map[value.index()];
    close(circuit, &mut next, renamed);
    rename(circuit, &mut next, renamed);
    (next, roots.iter().filter_map(|&root| renamed(root)).collect())
}
