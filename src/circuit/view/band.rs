//! Bands: the conditions of a view, brought to a form in which equal conditions are equal values.
//!
//! A guard, and likewise the box that a coordinate must not leave, says that `(c · o + b) / d` is whole and in
//! a range. Divided by the common factor of `c`, this is a range of `n · o` for a primitive direction `n`,
//! together with a congruence `n · o ≡ residue (mod modulus)`; conditions along one direction become one.

use super::affine::{Affine, Guard, gcd};

/// `lo ≤ n · o ≤ hi` and `n · o ≡ residue (mod modulus)`, where the components of `n` have no common factor and
/// the first that is not 0 is positive, `0 ≤ residue < modulus`, and `lo` and `hi` are met by the congruence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Band {
    /// `n`, with 0 for an index of extent 1, which is always 0.
    pub direction: Vec<i64>,
    lo: i128,
    hi: i128,
    modulus: i128,
    residue: i128,
}

/// What a condition comes to over all positions of an array.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    /// It holds everywhere.
    Always,
    /// It holds nowhere.
    Never,
    /// It depends on the position.
    Where(Band),
}

impl Condition {
    /// Of a guard over the positions of an array with the extents `dims`. Exact: a condition that holds
    /// everywhere is always found to.
    pub fn of(guard: &Guard, dims: &[u32]) -> Condition {
        let c = guard.e.c.iter().zip(dims).map(|(&c, &extent)| if extent > 1 { c } else { 0 });
        let c: Vec<i64> = c.collect();
        let (b, d) = (i128::from(guard.e.b), i128::from(guard.e.d));
        let (lo, hi) = (i128::from(guard.lo) * d - b, (i128::from(guard.hi) - 1) * d - b);
        let size = c.iter().fold(0, |factor, &c| gcd(factor, c.into()));
        let Some(first) = c.iter().find(|&&c| c != 0) else {
            return if lo <= 0 && 0 <= hi && b % d == 0 { Condition::Always } else { Condition::Never };
        };
        // (size * n) · o = -b (mod d), which has solutions only where the common factor divides b.
        let common = gcd(size, d);
        if b % common != 0 {
            return Condition::Never;
        }
        let modulus = d / common;
        let residue = (-b / common * inverse(size / common, modulus)).rem_euclid(modulus);
        let band = Band {
            direction: c.iter().map(|&c| (i128::from(c) / size) as i64 * first.signum()).collect(),
            lo: div_ceil(lo, size),
            hi: hi.div_euclid(size),
            modulus,
            residue,
        };
        if *first > 0 { band } else { band.negated() }.within(dims)
    }

    /// Both conditions, over the positions of an array with the extents `dims`.
    pub fn and(self, other: &Condition, dims: &[u32]) -> Condition {
        match (self, other) {
            (Condition::Never, _) | (_, Condition::Never) => Condition::Never,
            (Condition::Always, other) => other.clone(),
            (this, Condition::Always) => this,
            (Condition::Where(a), Condition::Where(b)) => a.and(b, dims),
        }
    }
}

impl Band {
    /// As a guard.
    pub fn guard(&self) -> Guard {
        let whole = |x: i128| i64::try_from((x - self.residue) / self.modulus).expect("bounded by `within`");
        let narrow = |x: i128| i64::try_from(x).expect("bounded by `within`");
        Guard {
            e: Affine { c: self.direction.clone(), b: -narrow(self.residue), d: narrow(self.modulus) },
            lo: whole(self.lo),
            hi: whole(self.hi) + 1,
        }
    }

    /// The same range and congruence of `n · o` where they were given for `-n · o`.
    fn negated(self) -> Band {
        let residue = (-self.residue).rem_euclid(self.modulus);
        Band { lo: -self.hi, hi: -self.lo, residue, ..self }
    }

    /// Clipped to the values that `n · o` takes, and to the congruence.
    fn within(mut self, dims: &[u32]) -> Condition {
        let (least, largest) = Affine { c: self.direction.clone(), b: 0, d: 1 }.bounds(dims);
        let (lo, hi) = (self.lo.max(least), self.hi.min(largest));
        self.lo = lo + (self.residue - lo).rem_euclid(self.modulus);
        self.hi = hi - (hi - self.residue).rem_euclid(self.modulus);
        if self.lo > self.hi {
            return Condition::Never;
        }
        if self.lo == self.hi {
            // One value is left: the range says all.
            (self.modulus, self.residue) = (1, 0);
        }
        if self.modulus == 1 && self.lo == least && self.hi == largest {
            return Condition::Always;
        }
        Condition::Where(self)
    }

    /// Both, of one direction: ranges intersect, congruences join by the Chinese remainder theorem.
    fn and(self, other: &Band, dims: &[u32]) -> Condition {
        let common = gcd(self.modulus, other.modulus);
        if (other.residue - self.residue) % common != 0 {
            return Condition::Never;
        }
        let step = other.modulus / common;
        let steps = (other.residue - self.residue) / common * inverse(self.modulus / common, step);
        let modulus = self.modulus * step;
        let residue = (self.residue + self.modulus * steps.rem_euclid(step)).rem_euclid(modulus);
        let (lo, hi) = (self.lo.max(other.lo), self.hi.min(other.hi));
        Band { lo, hi, modulus, residue, ..self }.within(dims)
    }
}

/// The quotient rounded up, by a positive divisor.
fn div_ceil(a: i128, b: i128) -> i128 {
    -(-a).div_euclid(b)
}

/// `x` with `a * x = 1 (mod modulus)`, for `a` without a common factor with `modulus`: extended Euclid.
fn inverse(a: i128, modulus: i128) -> i128 {
    let (mut r, mut next_r) = (modulus, a.rem_euclid(modulus));
    let (mut x, mut next_x) = (0, 1);
    while next_r != 0 {
        let quotient = r / next_r;
        (r, next_r) = (next_r, r - quotient * next_r);
        (x, next_x) = (next_x, x - quotient * next_x);
    }
    x.rem_euclid(modulus)
}
