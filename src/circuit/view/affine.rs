//! Affine expressions with a divisor, in exact integer arithmetic.

/// `(c · o + b) / d` with integer `c`, `b` and `d > 0`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Affine {
    /// One coefficient an output dimension.
    pub c: Vec<i64>,
    /// Constant.
    pub b: i64,
    /// Divisor, positive, without a common factor with all of `c` and `b`.
    pub d: i64,
}

/// `lo ≤ e < hi`, and `e` whole.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Guard {
    /// What is bounded.
    pub e: Affine,
    /// Least value inside.
    pub lo: i64,
    /// One past the largest value inside.
    pub hi: i64,
}

/// No numerator may reach this in size, so that sums of two of them stay within `i64`.
const REACH: i128 = 1 << 62;

impl Affine {
    /// The output index of dimension `axis`, of `rank` output dimensions.
    pub fn axis(axis: usize, rank: usize) -> Self {
        let mut c = vec![0; rank];
        c[axis] = 1;
        Affine { c, b: 0, d: 1 }
    }

    /// A constant, for `rank` output dimensions.
    pub fn constant(b: i64, rank: usize) -> Self {
        Affine { c: vec![0; rank], b, d: 1 }
    }

    /// `(c · o + b) / d` in lowest terms, for any `d` but 0; `None` where that leaves `i64`.
    pub fn lowest(c: &[i128], b: i128, d: i128) -> Option<Self> {
        let factor = c.iter().fold(gcd(b, d), |factor, &c| gcd(factor, c)) * d.signum();
        Some(Affine {
            c: c.iter().map(|&c| i64::try_from(c / factor).ok()).collect::<Option<_>>()?,
            b: i64::try_from(b / factor).ok()?,
            d: i64::try_from(d / factor).ok()?,
        })
    }

    /// If it is exactly one output index: which.
    pub fn as_axis(&self) -> Option<usize> {
        let axis = self.c.iter().position(|&c| c != 0)?;
        let alone = self.c.iter().enumerate().all(|(k, &c)| c == i64::from(k == axis));
        (alone && self.b == 0 && self.d == 1).then_some(axis)
    }

    /// If it is the same whole number everywhere: which.
    pub fn as_constant(&self) -> Option<i64> {
        (self.d == 1 && self.c.iter().all(|&c| c == 0)).then_some(self.b)
    }

    /// The value at a position, if whole.
    pub fn at(&self, o: &[u32]) -> Option<i64> {
        let sum = self.b + self.c.iter().zip(o).map(|(&c, &o)| c * i64::from(o)).sum::<i64>();
        if self.d == 1 {
            return Some(sum);
        }
        (sum.rem_euclid(self.d) == 0).then(|| sum.div_euclid(self.d))
    }

    /// Least and largest numerator `c · o + b` over all positions `o` of an array with these extents. Both are
    /// met, at corners.
    pub fn bounds(&self, dims: &[u32]) -> (i128, i128) {
        let start = (i128::from(self.b), i128::from(self.b));
        self.c.iter().zip(dims).fold(start, |(lo, hi), (&c, &extent)| {
            let end = i128::from(c) * i128::from(extent.max(1) - 1);
            (lo + end.min(0), hi + end.max(0))
        })
    }

    /// Whether no numerator, at any position nor in part, comes near the limits of `i64`.
    pub fn is_moderate(&self, dims: &[u32]) -> bool {
        let ends = self.c.iter().zip(dims).map(|(&c, &extent)| i128::from(c).abs() * i128::from(extent));
        i128::from(self.b).abs() + i128::from(self.d) + ends.sum::<i128>() < REACH
    }

    /// Itself with each `o_j` replaced by `coords[j]`, which are expressions in `rank` other indices. `None`
    /// where that leaves `i64`.
    pub fn substitute(&self, coords: &[Affine], rank: usize) -> Option<Affine> {
        let terms = || self.c.iter().zip(coords).filter(|(c, _)| **c != 0);
        let mut common: i128 = 1;
        for (_, coord) in terms() {
            let d = i128::from(coord.d);
            common = (common / gcd(common, d)).checked_mul(d)?;
        }
        let mut c = vec![0i128; rank];
        let mut b = i128::from(self.b).checked_mul(common)?;
        for (&factor, coord) in terms() {
            let scale = (common / i128::from(coord.d)).checked_mul(i128::from(factor))?;
            for (sum, &term) in c.iter_mut().zip(&coord.c) {
                *sum = sum.checked_add(scale.checked_mul(i128::from(term))?)?;
            }
            b = b.checked_add(scale.checked_mul(i128::from(coord.b))?)?;
        }
        Affine::lowest(&c, b, common.checked_mul(i128::from(self.d))?)
    }
}

/// The greatest common divisor, not negative; `gcd(0, x) = |x|`.
pub(super) fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a as i128
}
