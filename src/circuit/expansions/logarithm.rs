//! Logarithms.

use super::{Float, Int, LN_2_HIGH, LN_2_LOW, polynomial, power_of_two};
use std::f32::consts::FRAC_1_SQRT_2;

/// `log(1 + f) = f - f^2 / 2 + f^3 P(f)` for 1 + f from sqrt(1/2) to sqrt(2)
const LOG: [f32; 8] =
    [0.3333333, -0.2500082, 0.20001242, -0.16623409, 0.14201581, -0.13159613, 0.12762198, -0.07636394];

/// `log((1 + s) / (1 - s)) = 2 s (1 + z P(z))` for `z = s^2 <= 1/9`
const LOG_TO_TWO: [f32; 5] = [0.33333337, 0.19999476, 0.14307542, 0.107227966, 0.121190324];

/// `x = 2^k m` with m from sqrt(1/2) to sqrt(2), for normal x above 0: k and m.
pub(super) fn split(x: Float) -> (Int, Float) {
    let bits = x.bits();
    let k = (bits - FRAC_1_SQRT_2.to_bits()).shift_right_signed(23);
    (k, (bits - k.shift_left(23)).float())
}

/// Lifts a number below the normal range into it, by a power of two that is given back.
pub(super) fn lift(x: Float) -> (Float, Float) {
    const LIFT: i32 = 23;
    let below = x.less(f32::MIN_POSITIVE);
    (below.select(x * 2f32.powi(LIFT), x), below.select(-LIFT as f32, 0.0))
}

/// `k log 2 + log(1 + f)`
fn sum<'p>(k: Float<'p>, f: Float<'p>) -> Float<'p> {
    let square = f * f;
    let tail = (f * square) * polynomial(f, &LOG);
    let low = k.fma(LN_2_LOW, square.fma(-0.5, tail));
    k.fma(LN_2_HIGH, f + low)
}

/// `y` inside the domain; infinity and NaN give themselves, what is at the pole -infinity, below it NaN.
fn within_domain<'p>(x: Float<'p>, pole: f32, y: Float<'p>) -> Float<'p> {
    let y = x.less(f32::INFINITY).select(y, x);
    let outside = x.equal(pole).select(f32::NEG_INFINITY, f32::NAN);
    x.less_equal(pole).select(outside, y)
}

/// Natural logarithm, of denormal operands too.
pub fn log(x: Float) -> Float {
    let (normal, lifted) = lift(x);
    let (k, m) = split(normal);
    within_domain(x, 0.0, sum(k.convert() + lifted, m - 1.0))
}

/// `log(1 + x)`: accurate relative to itself.
pub fn log1p(x: Float) -> Float {
    let u = 1.0 + x;
    // What the sum lost, exactly (Knuth's two-sum), goes into the reduced argument.
    let one = u - x;
    let lost = (1.0 - one) + (x - (u - one));
    let (k, m) = split(u);
    // k may be 128, and 2^-128 is no normal number; it comes out as 0, which is near enough there.
    let f = (m - 1.0) + lost * 0.5 * power_of_two(-k, 1);
    within_domain(x, -1.0, sum(k.convert(), f))
}

/// `log(1 + x)` for x from 0 to 1
pub(super) fn log1p_to_one(x: Float) -> Float {
    let s = x / (x + 2.0);
    let z = s * s;
    let twice = s + s;
    twice.fma(z * polynomial(z, &LOG_TO_TWO), twice)
}
