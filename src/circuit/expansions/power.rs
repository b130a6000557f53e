//! Powers.

use super::exponential::scale;
use super::logarithm::{lift, split};
use super::{Float, polynomial, whole_multiple};
use std::f64::consts::LN_2;

/// `2 / log(2)`, in two numbers.
const FACTOR_HIGH: f32 = (2.0 / LN_2) as f32;
const FACTOR_LOW: f32 = (2.0 / LN_2 - FACTOR_HIGH as f64) as f32;

/// `log((1 + s) / (1 - s)) = 2 s (1 + z P(z))` for `z = s^2`, numbers from sqrt(1/2) to sqrt(2)
const LOG: [f32; 4] = [0.3333333, 0.20000488, 0.14249243, 0.12143099];

/// `2^f = 1 + f P(f)` for `|f| <= 1/2`; rounded to f32, the lowest is the derivative at 0.
const EXP2: [f32; 6] =
    [std::f32::consts::LN_2, 0.2402265, 0.055503592, 0.009618073, 0.0013391147, 0.00015458433];

/// A sum of two numbers, the second much smaller: twice the precision of one.
#[derive(Clone, Copy)]
struct Two<'p> {
    high: Float<'p>,
    low: Float<'p>,
}

/// `a + b` exactly, for `|a| >= |b|` or a = 0 (Dekker).
fn two_sum<'p>(a: Float<'p>, b: Float<'p>) -> Two<'p> {
    let high = a + b;
    Two { high, low: b - (high - a) }
}

/// Base-2 logarithm of a number above 0 and below infinity, to some 2^-31 of itself.
fn log2(x: Float) -> Two {
    let (normal, lifted) = lift(x);
    let (k, m) = split(normal);
    let f = m - 1.0;

    // s = f / (2 + f), with what the division leaves.
    let below = f + 2.0;
    let below_low = f - (below - 2.0);
    let reciprocal = 1.0 / below;
    let s = f * reciprocal;
    let rest = (-s).fma(below_low, (-s).fma(below, f));
    let s_low = rest * reciprocal;

    // 2 s / log 2
    let first = s * FACTOR_HIGH;
    let first_low = s.fma(FACTOR_LOW, s_low.fma(FACTOR_HIGH, s.fma(FACTOR_HIGH, -first)));

    // z P(z); its leading term needs its low part too.
    let z = s * s;
    let z_low = s.fma(s, -z) + (s + s) * s_low;
    let third = z * LOG[0];
    let third_low = z.fma(LOG[0], -third) + (z * z).fma(polynomial(z, &LOG[1..]), z_low * LOG[0]);

    let second = first * third;
    let second_low = first_low.fma(third, first.fma(third_low, first.fma(third, -second)));

    let sum = two_sum(k.convert() + lifted, first);
    let total = two_sum(sum.high, second);
    two_sum(total.high, (sum.low + total.low) + (first_low + second_low))
}

/// `|a|^b` from the logarithm, for the ordinary rules of limits: 0 and infinity as base or exponent.
fn magnitude<'p>(x: Float<'p>, b: Float<'p>) -> Float<'p> {
    let log = log2(x);
    let high = x.less(f32::INFINITY).select(x.equal(0.0).select(f32::NEG_INFINITY, log.high), x);
    let y = b * high;
    let y_low = b.fma(log.low, b.fma(high, -y));
    // Where the exponent is beyond all bounds its low part is NaN, and does not matter.
    let y_low = y.abs().less(1000.0).select(y_low, 0.0);
    // 1 to any power and anything to the power 0 are 1, also with NaN.
    let y = (b.equal(0.0) | x.equal(1.0)).select(0.0, y).at_least(-151.0).at_most(129.0);
    let (n, bits) = whole_multiple(y, 1.0);
    let f = (y - n) + y_low;
    scale(f.fma(polynomial(f, &EXP2), 1.0), bits)
}

/// `a^b` by the rules of IEEE 754's pow: a negative base takes a whole exponent and is NaN with another.
pub fn pow<'p>(a: Float<'p>, b: Float<'p>) -> Float<'p> {
    let power = magnitude(a.abs(), b);
    let whole = b.nearest().equal(b);
    let half = b * 0.5;
    let odd = whole & half.nearest().not_equal(half);
    let signed = (power.bits() | (a.bits() & (-0f32).to_bits())).float();
    let impossible = a.less(0.0) & a.greater(f32::NEG_INFINITY) & !whole;
    impossible.select(f32::NAN, odd.select(signed, power))
}
