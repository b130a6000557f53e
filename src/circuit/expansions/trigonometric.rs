//! Sine, cosine, and the inverse of the tangent.

use super::{Float, Int, polynomial, whole_multiple};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// `pi / 2` in three numbers; the last holds what f64 does not.
const HIGH: f32 = FRAC_PI_2 as f32;
const MIDDLE: f32 = (FRAC_PI_2 - HIGH as f64) as f32;
const LOW: f32 = (FRAC_PI_2 - HIGH as f64 - MIDDLE as f64 + 6.123233995736766e-17) as f32;

/// `sin r = r + r z P(z)`, `z = r^2`
const SIN: [f32; 3] = [-0.16666654, 0.00833211, -0.00019508768];

/// `cos r = 1 - z / 2 + z^2 P(z)`, `z = r^2`
const COS: [f32; 3] = [0.041666646, -0.0013887304, 2.4431201e-05];

/// `x = q pi / 2 + r`: r, and an integer with the low bits of q (Cody and Waite in fused steps, of which the
/// first is exact). The multiple is chosen with one rounding, so far out r goes ever further beyond pi / 4; it
/// is held to 1.
fn reduce(x: Float) -> (Float, Int) {
    let (n, bits) = whole_multiple(x, FRAC_2_PI as f32);
    let r = (-n).fma(LOW, (-n).fma(MIDDLE, (-n).fma(HIGH, x)));
    (r.at_least(-1.0).at_most(1.0), bits)
}

/// The sine of `q pi / 2 + r`
fn sine_of_quadrant<'p>(q: Int<'p>, r: Float<'p>) -> Float<'p> {
    let z = r * r;
    let sine = (r * z).fma(polynomial(z, &SIN), r);
    let cosine = (z * z).fma(polynomial(z, &COS), z.fma(-0.5, 1.0));
    let either = (q & 1).equal(1).select(cosine, sine);
    (either.bits() ^ (q & 2).shift_left(30)).float()
}

/// Sine, for `|x|` up to 1e5; beyond, to within 1e-5 up to 6e6, then no more than a number from -1 to 1.
pub fn sin(x: Float) -> Float {
    let (r, q) = reduce(x);
    sine_of_quadrant(q, r)
}

/// Cosine, in the same ranges as [`sin`].
pub fn cos(x: Float) -> Float {
    let (r, q) = reduce(x);
    sine_of_quadrant(q + 1, r)
}

/// `atan t = t + t z P(z)`, `z = t^2 <= 1`
const ATAN: [f32; 9] = [
    -0.333333,
    0.19998531,
    -0.1426405,
    0.10951155,
    -0.08400377,
    0.057904202,
    -0.03112406,
    0.010885485,
    -0.0017870689,
];

/// Inverse of the tangent; beyond 1 by `atan x = pi / 2 - atan(1 / x)`.
pub fn atan(x: Float) -> Float {
    let size = x.abs();
    let far = size.greater(1.0);
    let t = far.select(1.0, size) / far.select(size, 1.0);
    let z = t * t;
    let near_zero = (t * z).fma(polynomial(z, &ATAN), t);
    let angle = far.select(HIGH - (near_zero - MIDDLE), near_zero);
    x.less(0.0).select(-angle, angle)
}
