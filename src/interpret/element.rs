//! The two precisions.

use crate::circuit::{Dtype, Gate, Numbers, Slice, machine};
use std::ops::{Add, Div, Mul};

/// A number of one of the precisions in which a circuit is evaluated. Integers are stored as such numbers, and
/// booleans as 0 and 1.
pub trait Element:
    Copy
    + Default
    + PartialEq
    + PartialOrd
    + Add<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + std::fmt::Debug
    + 'static
{
    /// Its type.
    const DTYPE: Dtype;

    /// The nearest to a number.
    fn of(value: f64) -> Self;

    /// As a number.
    fn get(self) -> f64;

    /// A gate on each element of equally long operands.
    fn apply(gate: Gate, operands: &[&[Self]], out: &mut [Self]);

    /// A gate on one element of each operand.
    fn apply_one(gate: Gate, operands: &[Self]) -> Self;

    /// `self * b + c`, rounded once.
    fn fma(self, b: Self, c: Self) -> Self;

    /// Numbers of this type.
    ///
    /// # Panics
    /// If they are of another one.
    fn slice(numbers: Slice<'_>) -> &[Self];

    /// Numbers of this type, as an array of some type.
    fn numbers(values: Vec<Self>) -> Numbers;

    /// Whether it is NaN.
    fn is_nan(self) -> bool {
        self.get().is_nan()
    }
}

impl Element for f64 {
    const DTYPE: Dtype = Dtype::F64;

    fn apply_one(gate: Gate, operands: &[f64]) -> f64 {
        (gate.row().value)(operands)
    }

    #[inline(always)]
    fn fma(self, b: f64, c: f64) -> f64 {
        self.mul_add(b, c)
    }

    fn slice(numbers: Slice<'_>) -> &[f64] {
        match numbers {
            Slice::F64(values) => values,
            Slice::F32(_) => panic!("numbers of another type than f64"),
        }
    }

    fn numbers(values: Vec<f64>) -> Numbers {
        Numbers::F64(values)
    }

    #[inline(always)]
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
    const DTYPE: Dtype = Dtype::F32;

    fn apply_one(gate: Gate, operands: &[f32]) -> f32 {
        machine::program(gate).run1(operands)
    }

    #[inline(always)]
    fn fma(self, b: f32, c: f32) -> f32 {
        self.mul_add(b, c)
    }

    fn slice(numbers: Slice<'_>) -> &[f32] {
        match numbers {
            Slice::F32(values) => values,
            Slice::F64(_) => panic!("numbers of another type than f32"),
        }
    }

    fn numbers(values: Vec<f32>) -> Numbers {
        Numbers::F32(values)
    }

    #[inline(always)]
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
