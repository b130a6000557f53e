//! Expansions of the gates that are more than one machine operation, read as their formulas.
//!
//! Coefficients are our own: `tools/minimax.py` derives them. How accurate each is stands in its gate's row
//! ([`super::gates::Row::ulps`]), and the tests hold it to that over all orders of magnitude.

mod error_function;
mod exponential;
mod logarithm;
mod power;
#[cfg(test)]
mod tests;
mod trigonometric;
mod uniform;

pub use error_function::{erf, erf_f64};
pub use exponential::{exp, expm1, sigmoid, softplus, tanh};
pub use logarithm::{log, log1p};
pub use power::pow;
pub use trigonometric::{atan, cos, sin};
pub use uniform::uniform;

use super::machine::build::{Float, Int};
use std::f64::consts::LN_2;

/// `log(2)` in two numbers.
const LN_2_HIGH: f32 = LN_2 as f32;
const LN_2_LOW: f32 = (LN_2 - LN_2_HIGH as f64) as f32;

/// The larger; NaN if either is; the first where they are equal.
pub fn max<'p>(a: Float<'p>, b: Float<'p>) -> Float<'p> {
    b.is_nan().select(b, a.less(b).select(b, a))
}

/// The smaller; NaN if either is; the first where they are equal.
pub fn min<'p>(a: Float<'p>, b: Float<'p>) -> Float<'p> {
    b.is_nan().select(b, b.less(a).select(b, a))
}

/// 1, 0 or -1; zero keeps its sign, NaN stays.
pub fn sign(x: Float) -> Float {
    x.greater(0.0).select(1.0, x.less(0.0).select(-1.0, x))
}

/// `c[0] + c[1] x + c[2] x^2 + ..`
fn polynomial<'p>(x: Float<'p>, c: &[f32]) -> Float<'p> {
    let (&last, lower) = c.split_last().expect("a polynomial has coefficients");
    let (&next, lower) = lower.split_last().expect("a polynomial is not constant");
    lower.iter().rev().fold(x.fma(last, next), |sum, &c| sum.fma(x, c))
}

/// Added to a number below 2^22 and taken away again, rounds it to the nearest whole number, halves to the even
/// one; in between, the low bits are that number.
const ROUND: f32 = 1.5 * (1 << 23) as f32;

/// `x * factor` rounded to a whole number: the number, and an integer whose low 22 bits are its low bits.
fn whole_multiple(x: Float, factor: f32) -> (Float, Int) {
    let shifted = x.fma(factor, ROUND);
    (shifted - ROUND, shifted.bits())
}

/// `2^(n + plus)`, which must lie from -126 to 127; only the low 9 bits of `n` need be there.
fn power_of_two(n: Int, plus: i32) -> Float {
    (n.shift_left(23) + (((127 + plus) as u32) << 23)).float()
}
