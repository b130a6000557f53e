//! exp and its kin.

use super::logarithm::log1p_to_one;
use super::{Float, Int, LN_2_HIGH, LN_2_LOW, ROUND, polynomial, power_of_two, whole_multiple};
use std::f32::consts::LOG2_E;

/// `e^r = 1 + r + r^2 P(r)` for `|r| <= log(2) / 2`
const EXP: [f32; 5] = [0.49999994, 0.16666521, 0.041668274, 0.008368686, 0.0013820138];

/// `e^r - 1 = r + r^2 P(r)` for `|r| <= log(2) / 2`, relative to itself.
const EXPM1: [f32; 6] = [0.5, 0.16666666, 0.041666493, 0.008333544, 0.001393234, 0.00019763412];

/// `tanh x = x P(x^2) / Q(x^2)` for `|x|` up to [`TANH_END`]
const TANH_ABOVE: [f32; 5] = [1.0, 0.13786586, 0.0040100417, 3.16208e-05, 5.0864266e-08];
const TANH_BELOW: [f32; 6] = [1.0, 0.47119918, 0.027743116, 0.00042101252, 1.6198504e-06, 7.393828e-10];

/// Beyond 9.0109 tanh is 1 in f32; this is a number soon after at which the quotient comes out as 1 exactly.
const TANH_END: f32 = 9.027785;

/// `x = n log 2 + r`: r (Cody and Waite: the first step is exact), and an integer whose low bits are n.
fn reduce(x: Float) -> (Float, Int) {
    let (n, bits) = whole_multiple(x, LOG2_E);
    let r = (-n).fma(LN_2_LOW, (-n).fma(LN_2_HIGH, x));
    (r, bits)
}

/// `e^r` for `|r| <= log(2) / 2`
fn exp_reduced(r: Float) -> Float {
    1.0 + polynomial(r, &EXP).fma(r * r, r)
}

/// `p * 2^n` by two factors, so that neither overflows and a result below the normal range is rounded once.
pub(super) fn scale<'p>(p: Float<'p>, bits: Int<'p>) -> Float<'p> {
    let n = bits - ROUND.to_bits();
    let half = n.shift_right_signed(1);
    p * power_of_two(half, 0) * power_of_two(n - half, 0)
}

/// `e^x`; overflows to infinity, fades through the denormal numbers to 0.
pub fn exp(x: Float) -> Float {
    // Past these ends the result is infinity and 0 all the same.
    let (r, bits) = reduce(x.at_least(-104.0).at_most(89.0));
    scale(exp_reduced(r), bits)
}

/// `e^x` for x not above 0; cheaper, since only small powers of two need two factors.
fn exp_negative(x: Float) -> Float {
    let (r, bits) = reduce(x.at_least(-104.0));
    exp_reduced(r) * power_of_two(bits, 64) * 0.5f32.powi(64)
}

/// `e^x - 1`: accurate relative to itself.
pub fn expm1(x: Float) -> Float {
    // Below the lower end the result rounds to -1; the upper one gives infinity.
    let (r, bits) = reduce(x.at_least(-18.0).at_most(89.0));
    let q = polynomial(r, &EXPM1).fma(r * r, r);
    // Half of everything, since 2^128 is not a number: 2 (q s + s - 1/2) with s = 2^(n - 1).
    let s = power_of_two(bits, -1);
    q.fma(s, s - 0.5) * 2.0
}

/// Hyperbolic tangent: accurate relative to itself, never beyond 1.
pub fn tanh(x: Float) -> Float {
    let x = x.at_least(-TANH_END).at_most(TANH_END);
    let z = x * x;
    let y = x * polynomial(z, &TANH_ABOVE) / polynomial(z, &TANH_BELOW);
    y.at_least(-1.0).at_most(1.0)
}

/// `1 / (1 + e^-x)`, as `e^x / (1 + e^x)` below 0, so that it is accurate relative to itself at both ends.
pub fn sigmoid(x: Float) -> Float {
    let e = exp_negative(-x.abs());
    x.less(0.0).select(e, 1.0) / (1.0 + e)
}

/// `log(1 + e^x) = max(x, 0) + log1p(e^-|x|)`
pub fn softplus(x: Float) -> Float {
    x.at_least(0.0) + log1p_to_one(exp_negative(-x.abs()))
}
