//! Backpropagation through single gates.

use super::{Made, Share, Wire};
use crate::circuit::formula::{Formula, vjp};
use crate::circuit::{Gate, Kind, OPERANDS, gates};
use crate::interpret::Element;

/// Gives every wire that the objective depends on its gradient, from the last to the first.
pub(super) fn backpropagate<T: Element>(wires: &mut [Wire], objective: usize) {
    for k in (0..wires.len()).rev() {
        wires[k].shares.reverse();
        let found = if k == objective { Some(Some(1.0)) } else { gradient::<T>(&wires[k]) };
        wires[k].gradient = found.map(|gradient| gradient.unwrap_or(0.0));
        if let (Some(upstream), Made::Gate(gate, operands)) = (found, wires[k].made.clone()) {
            give::<T>(wires, (k, gate), &operands, upstream);
        }
    }
}

/// The sum of what the uses gave: nothing where there is none, a zero that is no number where none takes part.
fn gradient<T: Element>(wire: &Wire) -> Option<Option<f64>> {
    let there = wire.shares.iter().filter(|share| share.local.is_some()).map(|share| T::of(share.value));
    let sum = there.reduce(|sum, share| sum + share).map(T::get);
    (!wire.shares.is_empty()).then_some(sum)
}

/// What a gate gives to its operands; nothing to any, if it takes no part itself.
fn give<T: Element>(
    wires: &mut [Wire],
    (user, gate): (usize, Gate),
    operands: &[usize],
    upstream: Option<f64>,
) {
    let values: Vec<T> = operands.iter().map(|&wire| T::of(wires[wire].value)).collect();
    let result = T::of(wires[user].value);
    // Last first, as the users come.
    for (operand, &wire) in operands.iter().enumerate().rev() {
        let Some(formula) = &vjp(gate)[operand] else { continue };
        if wires[wire].made == Made::Number || wires[wire].kind != Kind::Real {
            continue;
        }
        let with = |g: f64| {
            let of = |name: &str| match OPERANDS.iter().position(|operand| *operand == name) {
                Some(k) => values[k],
                None if name == "y" => result,
                None => T::of(g),
            };
            value(formula, &of).map(T::get)
        };
        let (local, value) = (upstream.and_then(|_| with(1.0)), upstream.and_then(with).unwrap_or(0.0));
        let upstream = upstream.unwrap_or(0.0);
        wires[wire].shares.push(Share { user, operand, upstream, local, value });
    }
}

/// The value of a formula; `None` where it is a term that is not there.
fn value<T: Element>(formula: &Formula, of: &dyn Fn(&str) -> T) -> Option<T> {
    match formula {
        Formula::Number(number) => Some(T::of(*number)),
        Formula::Variable(name) => Some(of(name)),
        Formula::Absent => None,
        Formula::Gate(gates::SELECT, args) => {
            let taken = if value(&args[0], of)?.get() != 0.0 { &args[1] } else { &args[2] };
            value(taken, of)
        }
        Formula::Gate(gate, args) => {
            let args: Option<Vec<T>> = args.iter().map(|arg| value(arg, of)).collect();
            Some(T::apply_one(*gate, &args?))
        }
    }
}
