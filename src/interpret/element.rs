//! The two precisions.

use crate::circuit::Gate;
use std::ops::{Add, Div, Mul};

/// A number of one of the precisions in which a circuit is evaluated. Integers are stored as such numbers, and
/// booleans as 0 and 1.
pub trait Element:
    Copy + PartialEq + PartialOrd + Add<Output = Self> + Mul<Output = Self> + Div<Output = Self> + std::fmt::Debug
{
    /// The nearest to a number.
    fn of(value: f64) -> Self;

    /// As a number.
    fn get(self) -> f64;

    /// A gate on each element of equally long operands.
    fn apply(gate: Gate, operands: &[&[Self]], out: &mut [Self]);

    /// Whether it is NaN.
    fn is_nan(self) -> bool {
        self.get().is_nan()
    }
}

impl Element for f64 {
    fn of(value: f64) -> f64 {
        value
    }

    fn get(self) -> f64 {
        self
    }

    fn apply(gate: Gate, operands: &[&[f64]], out: &mut [f64]) {
        by_value(gate, operands, out);
    }
}

impl Element for f32 {
    fn of(value: f64) -> f32 {
        value as f32
    }

    fn get(self) -> f64 {
        self.into()
    }

    fn apply(gate: Gate, operands: &[&[f32]], out: &mut [f32]) {
        by_value(gate, operands, out);
    }
}

/// The gate's value in f64, rounded once.
fn by_value<T: Element>(gate: Gate, operands: &[&[T]], out: &mut [T]) {
    let row = gate.row();
    let mut values = vec![0.0; operands.len()];
    for (k, out) in out.iter_mut().enumerate() {
        for (value, operand) in values.iter_mut().zip(operands) {
            *value = operand[k].get();
        }
        *out = T::of((row.value)(&values));
    }
}
