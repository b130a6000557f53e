//! Affine indices: forms over index variables, and the proof that a read stays inside its array.

use super::context::Elaborator;
use super::statics::{Number, Ratio, gcd};
use super::values::VarId;
use crate::circuit::view::Affine;
use std::collections::BTreeMap;

/// A sum of index variables times exact numbers, and a constant.
#[derive(Clone, PartialEq, Debug)]
pub struct AffineForm {
    /// Coefficients; none is 0.
    pub terms: BTreeMap<VarId, Number>,
    /// What is added.
    pub constant: Number,
}

impl AffineForm {
    /// A constant.
    pub fn constant(constant: Number) -> Self {
        AffineForm { terms: BTreeMap::new(), constant }
    }

    /// One index variable.
    pub fn var(var: VarId) -> Self {
        AffineForm { terms: BTreeMap::from([(var, Number::whole(1))]), constant: Number::whole(0) }
    }

    /// If it is a constant: which.
    pub fn as_constant(&self) -> Option<Number> {
        self.terms.is_empty().then_some(self.constant)
    }

    /// `self * factor`
    pub fn scaled(&self, factor: Number) -> Self {
        let terms = self.terms.iter().map(|(&var, c)| (var, c.times(factor)));
        AffineForm { terms: terms.collect(), constant: self.constant.times(factor) }.cleaned()
    }

    /// `self + other`
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (&var, &c) in &other.terms {
            let known = sum.terms.get(&var).copied().unwrap_or(Number::whole(0));
            sum.terms.insert(var, known.plus(c));
        }
        sum.constant = sum.constant.plus(other.constant);
        sum.cleaned()
    }

    fn cleaned(mut self) -> Self {
        self.terms.retain(|_, c| c.value != 0.0);
        self
    }

    /// As a coordinate over the given index variables (followed by `more` output dimensions that it does not
    /// depend on): integers over one positive divisor in lowest terms. `None` where numbers are not exact or too
    /// large for that.
    pub fn coordinate(&self, vars: &[VarId], more: usize) -> Option<Affine> {
        let mut exact: Vec<Ratio> = vec![];
        for var in vars {
            exact.push(self.terms.get(var).map_or(Some(Ratio::whole(0)), |c| c.exact)?);
        }
        exact.push(self.constant.exact?);
        let divisor = exact
            .iter()
            .try_fold(1i128, |lcm, r| lcm.checked_mul(r.denominator() / gcd(lcm, r.denominator())))?;
        let whole: Vec<i128> = exact
            .iter()
            .map(|r| r.numerator().checked_mul(divisor / r.denominator()))
            .collect::<Option<_>>()?;
        let common = whole.iter().fold(divisor, |g, &n| gcd(g, n)).max(1);
        const LIMIT: i128 = 1 << 40;
        let whole: Vec<i64> = whole
            .iter()
            .map(|n| n / common)
            .map(|n| (n.abs() < LIMIT).then_some(n as i64))
            .collect::<Option<_>>()?;
        let (&b, c) = whole.split_last()?;
        let mut c = c.to_vec();
        c.extend(std::iter::repeat_n(0, more));
        Some(Affine { c, b, d: i64::try_from(divisor / common).ok()? })
    }
}

/// Values of index variables at which a read is outside, and where it reads.
#[derive(Clone, PartialEq, Debug)]
pub struct Outside {
    /// The index variables that matter, with their values.
    pub at: Vec<(VarId, u32)>,
    /// What is read there: a number that may be negative or a fraction.
    pub position: String,
}

impl Elaborator<'_> {
    /// Whether a coordinate over `vars` is whole and in `0..extent` everywhere: if not, where it is not.
    pub fn outside(&self, coordinate: &Affine, vars: &[VarId], extent: u32) -> Option<Outside> {
        let last = |k: usize| i64::from(self.var(vars[k]).extent) - 1;
        if (0..vars.len()).any(|k| last(k) < 0) {
            return None; // nothing is read at all
        }
        let extreme = |largest: bool| -> Vec<i64> {
            let pick = |k: usize| if (coordinate.c[k] > 0) == largest { last(k) } else { 0 };
            (0..vars.len()).map(pick).collect()
        };
        let value = |at: &[i64]| coordinate.b + at.iter().zip(&coordinate.c).map(|(o, c)| o * c).sum::<i64>();
        let broken = |at: Vec<i64>| {
            let relevant = |k: &usize| coordinate.c[*k] != 0;
            let numerator = value(&at);
            let (n, d) = (numerator, coordinate.d);
            Outside {
                at: (0..vars.len()).filter(relevant).map(|k| (vars[k], at[k] as u32)).collect(),
                position: if n % d == 0 { (n / d).to_string() } else { format!("{n}/{d}") },
            }
        };
        let (low, high) = (extreme(false), extreme(true));
        if value(&low) < 0 {
            return Some(broken(low));
        }
        if value(&high) > (i64::from(extent) - 1) * coordinate.d {
            return Some(broken(high));
        }
        self.not_whole(coordinate, vars).map(broken)
    }

    /// Values of index variables at which a coordinate is not whole. Trying each variable at 1 alone is enough,
    /// beside all at 0: a whole constant and whole steps make everything whole.
    fn not_whole(&self, coordinate: &Affine, vars: &[VarId]) -> Option<Vec<i64>> {
        let zero = vec![0; vars.len()];
        if coordinate.b % coordinate.d != 0 {
            return Some(zero);
        }
        let k =
            (0..vars.len()).find(|&k| self.var(vars[k]).extent > 1 && coordinate.c[k] % coordinate.d != 0)?;
        let mut at = zero;
        at[k] = 1;
        Some(at)
    }
}
