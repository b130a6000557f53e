//! The error function.

use super::{Float, polynomial};
use std::f64::consts::{FRAC_2_SQRT_PI, PI};

/// `erf x = x P(x^2) / Q(x^2)` for `|x|` up to [`END`]
const ABOVE: [f32; 6] =
    [FRAC_2_SQRT_PI as f32, 0.19257003, 0.055586018, 0.0041976687, 0.00040533138, 6.5697855e-06];
const BELOW: [f32; 7] = [1.0, 0.50399417, 0.11725939, 0.016217977, 0.001407652, 7.097123e-05, 2.480615e-07];

/// From 3.92 on erf is 1 in f32.
const END: f32 = 3.93;

/// Error function: accurate relative to itself, never beyond 1.
pub fn erf(x: Float) -> Float {
    let x = x.at_least(-END).at_most(END);
    let z = x * x;
    let y = x * polynomial(z, &ABOVE) / polynomial(z, &BELOW);
    y.at_least(-1.0).at_most(1.0)
}

/// The same in f64: the series in rising powers with the exponential taken out, whose terms are all of one sign,
/// up to 3, and the continued fraction of what is left to 1 beyond (Abramowitz and Stegun, 7.1.6 and 7.1.14).
pub fn erf_f64(x: f64) -> f64 {
    let bell = (-x * x).exp();
    if x.abs() < 3.0 {
        let mut term = x;
        let mut sum = x;
        for k in 1..100 {
            term *= 2.0 * x * x / f64::from(2 * k + 1);
            sum += term;
        }
        FRAC_2_SQRT_PI * bell * sum
    } else {
        let fraction = (1..100).rev().fold(x.abs(), |below, k| x.abs() + f64::from(k) / 2.0 / below);
        (1.0 - bell / (fraction * PI.sqrt())).copysign(x)
    }
}
