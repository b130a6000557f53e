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

#[cfg(test)]
pub(crate) mod corpus;
pub mod differences;
mod names;
#[cfg(test)]
pub(crate) mod oracle;
mod rules;
mod term;
#[cfg(test)]
mod tests;

use crate::circuit::{Circuit, Kind, Origin, ValueId};
use rustc_hash::FxHashSet;
use term::Term;

/// Appends the gradient of `of` by each of `wrt`; `None` where `of` does not depend on it.
///
/// `of` is a scalar, per example or shared; its own cotangent is 1, for each example. A gradient has the shape of
/// what it is taken by: for a shared value that is the mean over the batch, for a per-example value the
/// derivative of that example's own objective. The cotangent of every named value on the way is named
/// `<path>_bar`.
///
/// # Panics
/// If `of` is not a scalar, or depends on a recurrence (elaboration refuses those).
pub fn differentiate(circuit: &mut Circuit, of: ValueId, wrt: &[ValueId]) -> Vec<Option<ValueId>> {
    assert!(circuit.shape(of).dims.is_empty(), "only a scalar has a gradient");
    let before = circuit.current_origin();
    let depends = dependents(circuit, of, wrt);
    let mut naming = names::Naming::of(circuit);
    let wanted: FxHashSet<ValueId> = wrt.iter().copied().collect();
    let mut found = vec![None; of.index() + 1];
    let mut shares: Vec<Vec<Share>> = (0..=of.index()).map(|_| vec![]).collect();
    let one = circuit.fill(1.0, &circuit.shape(of).clone());
    let seed = Origin { span: circuit.origin(of).span, rule: Some("the objective itself") };
    shares[of.index()].push(Share { term: Term::of(one), origin: seed });

    for value in (0..=of.0).rev().map(ValueId) {
        // Shares arrive from the last use to the first; they are added as the uses stand in the text.
        let mut uses = std::mem::take(&mut shares[value.index()]);
        uses.reverse();
        let Some(mut origin) = uses.first().map(|share| share.origin) else { continue };
        if !depends[value.index()] {
            continue;
        }
        if uses.len() > 1 {
            origin = Origin { span: circuit.origin(value).span, rule: Some("sum over its uses") };
        }
        circuit.set_origin(origin);
        let mut term = term::sum(circuit, uses.into_iter().map(|share| share.term).collect());
        if naming.is_named(value) {
            term = term.grounded(circuit);
            naming.name(circuit, value, term.value, origin);
        }
        if wanted.contains(&value) {
            found[value.index()] = Some(term.absorbed(circuit));
        }
        for (operand, share) in propagate(circuit, value, term, origin, &depends) {
            shares[operand.index()].push(share);
        }
    }
    circuit.set_origin(before);
    wrt.iter().map(|value| found.get(value.index()).copied().flatten()).collect()
}

/// A term of a value's cotangent, and where it came from.
struct Share {
    term: Term,
    origin: Origin,
}

/// What the cotangent of `value` gives to those of its operands that matter, one share each: in `x * x` both factors
/// are the same use.
fn propagate(
    circuit: &mut Circuit,
    value: ValueId,
    term: Term,
    from: Origin,
    depends: &[bool],
) -> Vec<(ValueId, Share)> {
    let node = circuit.node(value).clone();
    // A read passes on what came through it from a gate: that is what a person looks for.
    let origin = match rules::name(&node) {
        Some(rule) => Origin { span: circuit.origin(value).span, rule: Some(rule) },
        None => from,
    };
    circuit.set_origin(origin);
    let mut shares: Vec<(ValueId, Vec<Term>)> = vec![];
    for (k, operand) in
        node.operands().into_iter().enumerate().filter(|(_, operand)| depends[operand.index()])
    {
        let Some(term) = rules::share(circuit, value, k, term) else { continue };
        match shares.iter_mut().find(|(known, _)| *known == operand) {
            Some((_, terms)) => terms.push(term),
            None => shares.push((operand, vec![term])),
        }
    }
    let share = |(operand, terms)| (operand, Share { term: term::sum(circuit, terms), origin });
    shares.into_iter().map(share).collect()
}

/// Which values up to `of` are numbers that depend on any of `wrt`. Integers and booleans have no derivative.
fn dependents(circuit: &Circuit, of: ValueId, wrt: &[ValueId]) -> Vec<bool> {
    let mut depends = vec![false; of.index() + 1];
    for &value in wrt {
        if let Some(depends) = depends.get_mut(value.index()) {
            *depends = true;
        }
    }
    for value in circuit.values().take(of.index() + 1) {
        let mut any = depends[value.index()];
        circuit.node(value).for_each_operand(|operand| any |= depends[operand.index()]);
        depends[value.index()] = any && circuit.kind(value) == Kind::Real;
    }
    depends
}
