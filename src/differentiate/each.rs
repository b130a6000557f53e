//! The gradient of each element of an array, and of each example's own value.
//!
//! One backward pass gives the gradient of one scalar. Elements that depend each on an element of their own of what
//! the gradient is taken by share a pass, since their objectives do not meet: so it is for the examples of a batch,
//! and for the positions along which a layer is mapped. All others are told apart by carrying one more dimension
//! through the circuit between ([`super::lift`]), along which again they do not meet.

use super::lift::Lift;
use super::names::Naming;
use super::{dependents, gradients, rules};
use crate::circuit::graph::reachable;
use crate::circuit::{Circuit, Node, ValueId};

/// What a net asks for by `grad(y, x)`.
pub struct Request<'a> {
    /// What is differentiated: any shape, each element an objective of its own.
    pub of: ValueId,
    /// By what.
    pub wrt: ValueId,
    /// Dimensions of `of` and of `wrt` that run over the same index.
    pub same: &'a [(usize, usize)],
    /// A name for each dimension of `of`.
    pub indices: &'a [String],
    /// What the names of cotangents begin with: the equation that asks.
    pub prefix: &'a str,
    /// Further words that they may not be.
    pub taken: &'a [String],
}

/// The gradient of each element.
pub struct OfEach {
    /// Its dimensions are those of `of` in `apart`, then those of `wrt`; per example if either is. `None` where
    /// nothing depends.
    pub value: Option<ValueId>,
    /// Dimensions of `of` that are told apart by a dimension of the result.
    pub apart: Vec<usize>,
}

/// What stands in the way, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Obstacle {
    /// One example's value depends on what other examples do.
    AcrossBatch(ValueId),
    /// It is asked for within a recurrence, which is not known before its end.
    Unfinished(ValueId),
    /// With the dimensions told apart an array becomes too large.
    TooLarge(ValueId),
}

/// Appends the gradient of each element of `of`, of each example if it is per example. For a shared `of` and a
/// per-example `wrt` it is, as everywhere, by the inner product `mean[batch]`.
///
/// # Errors
/// Where the objectives of two examples meet, within a recurrence, and where an array would be too large.
pub fn gradient_of_each(circuit: &mut Circuit, request: &Request<'_>) -> Result<OfEach, Obstacle> {
    let Request { of, wrt, .. } = *request;
    let per_example = circuit.shape(of).batch;
    let path = between(circuit, of, wrt);
    if let Some(lag) = unfinished(circuit, request, &path) {
        return Err(Obstacle::Unfinished(lag));
    }
    if let Some(meeting) = path.iter().copied().find(|&value| per_example && meets(circuit, value)) {
        return Err(Obstacle::AcrossBatch(meeting));
    }
    let along = |&&(a, b): &&(usize, usize)| runs_along(circuit, &path, (of, a), (wrt, b));
    let parallel: Vec<usize> = request.same.iter().filter(along).map(|&(a, _)| a).collect();
    let apart: Vec<usize> =
        (0..circuit.shape(of).dims.len()).filter(|axis| !parallel.contains(axis)).collect();
    if path.is_empty() {
        return Ok(OfEach { value: None, apart });
    }
    let each_example = per_example && !circuit.shape(wrt).batch;
    let naming = Naming::within(circuit, circuit, request, [of, wrt]);
    let value = if apart.is_empty() && !each_example {
        gradients(circuit, of, &[wrt], naming)[0]
    } else {
        Lift::new(circuit, &path, request, &apart, each_example)?.gradient(circuit, request)
    };
    Ok(OfEach { value, apart })
}

/// A lag of a recurrence that is not known to its end, through which `of` might depend on `wrt`.
///
/// Where both run along the scanned dimension, each element is differentiated by its own: what a lag reads was made of
/// other elements. So there is nothing to know, unless a way leads through another lag.
fn unfinished(circuit: &Circuit, request: &Request<'_>, path: &[ValueId]) -> Option<ValueId> {
    let Request { of, wrt, same, .. } = *request;
    let reached = reachable(circuit, [of]);
    let mut open = reached.iter().filter(|&value| is_open(circuit, value)).peekable();
    open.peek()?;
    let through =
        path.iter().copied().find(|&value| value != wrt && matches!(circuit.node(value), Node::Lag { .. }));
    through.or_else(|| {
        open.find(|&lag| {
            let Node::Lag { axis, .. } = circuit.node(lag) else { unreachable!("it is a lag") };
            let way = between(circuit, of, lag);
            let own = |&(a, _): &(usize, usize)| runs_along(circuit, &way, (of, a), (lag, (*axis).into()));
            wrt != lag && !way.is_empty() && !same.iter().any(own)
        })
    })
}

/// Whether a value reads a recurrence whose equations are not all there.
fn is_open(circuit: &Circuit, value: ValueId) -> bool {
    matches!(*circuit.node(value), Node::Lag { variable, .. } if circuit.source(variable).is_none())
}

/// The values on any way from `wrt` to `of` along which a gradient flows, ascending, both ends included; none if
/// there is no way.
fn between(circuit: &Circuit, of: ValueId, wrt: ValueId) -> Vec<ValueId> {
    let all = reachable(circuit, [of]);
    let depends = dependents(circuit, &all, &[wrt]);
    let mut needed = vec![false; circuit.len()];
    needed[of.index()] = depends[of.index()];
    let mut open: Vec<ValueId> = all.iter().filter(|value| needed[value.index()]).collect();
    while let Some(value) = open.pop() {
        let operands = if value == wrt { vec![] } else { rules::flows(circuit, value) };
        for operand in operands {
            if depends[operand.index()] && !std::mem::replace(&mut needed[operand.index()], true) {
                open.push(operand);
            }
        }
    }
    all.iter().filter(|value| needed[value.index()]).collect()
}

/// Whether a value puts the examples of a batch together.
fn meets(circuit: &Circuit, value: ValueId) -> bool {
    match circuit.node(value) {
        Node::Reduce { batch, .. } => *batch,
        Node::Scatter { value, .. } => circuit.shape(*value).batch,
        _ => false,
    }
}

/// Whether the positions along a dimension do not meet on the way: position `t` of the last value depends on nothing
/// but position `t` of the first.
fn runs_along(
    circuit: &Circuit,
    path: &[ValueId],
    (of, last): (ValueId, usize),
    (wrt, first): (ValueId, usize),
) -> bool {
    let mut places: Vec<Option<usize>> = vec![None; circuit.len()];
    places[wrt.index()] = Some(first);
    // What a lag reads comes later: round and round until nothing new is found.
    loop {
        let mut changed = false;
        for &value in path.iter().filter(|&&value| value != wrt) {
            for operand in rules::flows(circuit, value) {
                let Some(place) = places[operand.index()] else { continue };
                let Some(place) = passed_on(circuit, value, operand, place) else { return false };
                match places[value.index()] {
                    Some(other) if other != place => return false,
                    Some(_) => {}
                    None => changed = true,
                }
                places[value.index()] = Some(place);
            }
        }
        if !changed {
            return places[of.index()] == Some(last);
        }
    }
}

/// Which dimension of a value dimension `k` of an operand becomes, if its positions stay apart.
fn passed_on(circuit: &Circuit, value: ValueId, operand: ValueId, k: usize) -> Option<usize> {
    match circuit.node(value) {
        Node::Gate { .. } => Some(k),
        Node::Reduce { axes, .. } => {
            (!axes.contains(k)).then(|| k - axes.iter().filter(|&axis| axis < k).count())
        }
        Node::View { view, .. } => view.coords[k].as_axis(),
        Node::Merge { axis, .. } => match k.cmp(&(*axis).into()) {
            std::cmp::Ordering::Less => Some(k),
            _ => (k > usize::from(*axis) + 1).then(|| k - 1),
        },
        Node::Gather { index, .. } => (k < circuit.shape(*index).dims.len()).then_some(k),
        Node::Scatter { index, value, .. } if *value == operand => {
            (k + 1).checked_sub(circuit.shape(*index).dims.len()).filter(|&place| place > 0)
        }
        Node::Lag { axis, .. } => (k != usize::from(*axis)).then_some(k),
        Node::Scatter { .. } | Node::Leaf(_) => None,
    }
}
