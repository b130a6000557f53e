//! The two precisions.

use crate::circuit::{Gate, machine};
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
        let mut values = vec![0.0; operands.len()];
        for (k, out) in out.iter_mut().enumerate() {
            for (value, operand) in values.iter_mut().zip(operands) {
                *value = operand[k];
            }
            *out = (gate.row().value)(&values);
        }
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
        machine::program(gate).run(operands, out);
    }
}
