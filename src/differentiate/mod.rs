//! Reverse mode, from circuit to circuit: appends the backward gates of a scalar to the arena it lives in.
//!
//! Every value reached gets its cotangent, the derivative of the objective by it, as the sum over its uses of
//! what [`rules`] gives for each. The objective is the mean over the batch: the inner product of per-example
//! values is `mean[batch] a * b`, so that spreading a shared value over the batch and `mean[batch]` are each
//! other's adjoint, and no `1/n` appears anywhere.
//!
//! # Structural zeros
//!
//! In `if x > 0 then sqrt(x) else 0` the branch not taken contributes nothing at all; were its share multiplied
//! out as `0 / (2 * sqrt(0))` it would be NaN. So what flows back is a [`term::Term`]: a value with a guard,
//! which says where the term is there. The guard travels through gates and views, and becomes a number
//! (`if guard then value else 0`) only where terms are added, where a sum absorbs it, or at the end.
//!
//! # Recurrences
//!
//! The adjoint of a lag is the lag turned round: `p[t] = h[t - 1]` gives `h_bar[t]` the share `p_bar[t + 1]`, absent
//! beyond the end. The source of a lag comes before the lag in the order of the walk, so what the lag's cotangent will
//! be is a variable of its own, closed when the walk reaches the lag. So the adjoint of a recurrence is a recurrence,
//! and no further rule is needed.

#[cfg(test)]
pub(crate) mod corpus;
pub mod differences;
pub mod each;
mod lift;
mod names;
#[cfg(test)]
pub(crate) mod oracle;
pub(crate) mod rules;
mod term;
#[cfg(test)]
mod tests;

use crate::circuit::graph::{ValueSet, reachable};
use crate::circuit::{Circuit, Derivation, F64, Hint, Kind, Node, Origin, ValueId, Variable, View};
use rustc_hash::{FxHashMap, FxHashSet};
use term::Term;

/// Appends the gradient of `of` by each of `wrt`; `None` where `of` does not depend on it.
///
/// `of` is a scalar, per example or shared; its own cotangent is 1, for each example. A gradient has the shape of
/// what it is taken by: for a shared value that is the mean over the batch, for a per-example value the
/// derivative of that example's own objective. The cotangent of every named value on the way is named
/// `<path>_bar`.
///
/// # Panics
/// If `of` is not a scalar.
pub fn differentiate(circuit: &mut Circuit, of: ValueId, wrt: &[ValueId]) -> Vec<Option<ValueId>> {
    assert!(circuit.shape(of).dims.is_empty(), "only a scalar has a gradient");
    let naming = names::Naming::of(circuit);
    gradients(circuit, of, wrt, naming)
}

/// The gradient of the sum of all elements of `of`, which for each example are one objective.
fn gradients(
    circuit: &mut Circuit,
    of: ValueId,
    wrt: &[ValueId],
    mut naming: names::Naming,
) -> Vec<Option<ValueId>> {
    let before = circuit.current_origin();
    let needed = reachable(circuit, [of]);
    let depends = dependents(circuit, &needed, wrt);
    let wanted: FxHashSet<ValueId> = wrt.iter().copied().collect();
    let mut found = vec![None; circuit.len()];
    let mut shares: Vec<Vec<Share>> = (0..circuit.len()).map(|_| vec![]).collect();
    let turned = turned_lags(circuit, &needed, &depends, &mut shares);
    let one = circuit.fill(1.0, &circuit.shape(of).clone());
    let seed = Origin { rule: Some("the objective itself: y_bar = 1"), ..circuit.origin(of) };
    shares[of.index()].push(Share { term: Term::of(one), origin: seed, derivation: Derivation::default() });

    for value in needed.iter().rev().filter(|value| depends[value.index()]) {
        // Shares arrive from the last use to the first; they are added as the uses stand in the text.
        let mut uses = std::mem::take(&mut shares[value.index()]);
        uses.reverse();
        let Some(Share { origin, derivation, .. }) = uses.first() else { continue };
        let (mut origin, mut derivation) = (*origin, derivation.clone());
        if uses.len() > 1 {
            origin.rule = Some(rules::USES);
            let uses = uses.iter().flat_map(Share::uses).collect();
            derivation = Derivation { chain: vec![origin], uses };
        }
        circuit.set_origin(origin);
        let mut term = term::sum(circuit, uses.into_iter().map(|share| share.term).collect());
        let (is_named, is_wanted) = (naming.is_named(value), wanted.contains(&value));
        let variable = turned.get(&value).copied();
        // What is named, asked for and closes a lag is one value.
        if is_named || is_wanted || variable.is_some() {
            term = term.grounded(circuit);
        }
        if is_named {
            naming.name(circuit, value, term.value, (origin, derivation));
            // A derivation goes from name to name.
            derivation = Derivation::default();
        } else if let Some(noun) = rules::noun(circuit.node(value)) {
            let derivation = derivation.clone();
            circuit.add_hint(term.value, Hint { of: circuit.origin(value), noun, derivation });
        }
        if let Some(variable) = variable {
            circuit.close(variable, term.value);
        }
        if is_wanted {
            found[value.index()] = Some(term.value);
        }
        for (operand, share) in propagate(circuit, value, term, (origin, &derivation), &depends) {
            shares[operand.index()].push(share);
        }
    }
    close_unreached(circuit, &turned);
    circuit.set_origin(before);
    wrt.iter().map(|value| found[value.index()]).collect()
}

/// Gives the source of each lag its share, read by the lag turned round from the lag's cotangent; returns the variables
/// that stand for those cotangents until the walk comes to them.
fn turned_lags(
    circuit: &mut Circuit,
    needed: &ValueSet,
    depends: &[bool],
    shares: &mut [Vec<Share>],
) -> FxHashMap<ValueId, Variable> {
    let mut turned = FxHashMap::default();
    // The walk takes shares last first.
    for lag in needed.iter().rev().filter(|lag| depends[lag.index()]) {
        let Node::Lag { variable, axis, by, ref shape, .. } = *circuit.node(lag) else { continue };
        let shape = shape.clone();
        // Of a recurrence whose equations are not all there a lag may be asked for; nothing flows beyond it.
        let Some(source) = circuit.source(variable) else { continue };
        let origin = Origin { rule: Some(rules::TURNED), ..circuit.origin(lag) };
        circuit.set_origin(origin);
        let variable = circuit.variable();
        let value = circuit.lag(variable, axis.into(), -by, 0.0, &shape);
        let inside = View::lagged(&shape, axis.into(), -by, F64::new(0.0)).inside(&shape);
        let one = circuit.number(1.0);
        let guard = Some(circuit.view(one, inside));
        let derivation = Derivation { chain: vec![origin], uses: vec![] };
        shares[source.index()].push(Share { term: Term { guard, ..Term::of(value) }, origin, derivation });
        turned.insert(lag, variable);
    }
    turned
}

/// Nothing flows back to lags that the objective depends on by positions and conditions only.
fn close_unreached(circuit: &mut Circuit, turned: &FxHashMap<ValueId, Variable>) {
    for (&lag, &variable) in turned {
        if circuit.source(variable).is_none() {
            let zeros = circuit.fill(0.0, &circuit.shape(lag).clone());
            circuit.close(variable, zeros);
        }
    }
}

/// A term of a value's cotangent, and where it came from.
struct Share {
    term: Term,
    origin: Origin,
    derivation: Derivation,
}

impl Share {
    /// The use that it comes from; of a sum over uses that is only passed on, as where a value is spread once for
    /// several of them, each of those.
    fn uses(&self) -> Vec<Origin> {
        match self.derivation.uses.as_slice() {
            uses @ [_, ..] if self.origin.rule == Some(rules::USES) => uses.to_vec(),
            _ => vec![self.origin],
        }
    }
}

/// No derivation is told in more rules than these, its last.
const TOLD: usize = 6;

/// What the cotangent of `value` gives to those of its operands that matter, one share each: in `x * x` both factors
/// are the same use. It came by a rule itself (`from`), of which is told what a read, or a mere sum, makes of it: that
/// is what a person looks for.
fn propagate(
    circuit: &mut Circuit,
    value: ValueId,
    term: Term,
    (from, derivation): (Origin, &Derivation),
    depends: &[bool],
) -> Vec<(ValueId, Share)> {
    let node = circuit.node(value).clone();
    let own = circuit.origin(value);
    let is_begun = derivation.chain.iter().any(|origin| origin.rule != Some(rules::USES));
    let mut shares: Vec<(ValueId, Share)> = vec![];
    for (k, operand) in
        node.operands().into_iter().enumerate().filter(|(_, operand)| depends[operand.index()])
    {
        let rule = rules::name(&node, k).map(|rule| Origin { rule: Some(rule), ..own });
        let origin = match rule {
            None => from,
            Some(_) if is_begun && rules::only_passes_on(&node) => from,
            Some(origin) => origin,
        };
        circuit.set_origin(origin);
        let Some(term) = rules::share(circuit, value, k, term) else { continue };
        if let Some((_, share)) = shares.iter_mut().find(|(known, _)| *known == operand) {
            share.term = term::sum(circuit, vec![share.term, term]);
            continue;
        }
        let mut derivation = derivation.clone();
        derivation.chain.extend(rule);
        let more = derivation.chain.len().saturating_sub(TOLD);
        derivation.chain.drain(..more);
        shares.push((operand, Share { term, origin, derivation }));
    }
    shares
}

/// Which of the values are numbers that depend on any of `wrt` in a way along which a gradient flows. Integers and
/// booleans have no derivative.
fn dependents(circuit: &Circuit, values: &ValueSet, wrt: &[ValueId]) -> Vec<bool> {
    let mut depends = vec![false; circuit.len()];
    for &value in wrt {
        depends[value.index()] = true;
    }
    // What a lag reads comes later: round and round until nothing new is found.
    loop {
        let mut changed = false;
        for value in values.iter().filter(|&value| circuit.kind(value) == Kind::Real) {
            let any = depends[value.index()]
                || rules::flows(circuit, value).iter().any(|operand| depends[operand.index()]);
            changed |= any != depends[value.index()];
            depends[value.index()] = any;
        }
        if !changed || circuit.variables().next().is_none() {
            return depends;
        }
    }
}
