//! Arithmetic of affine functions of loop variables.

use super::schedule::{Linear, Var};

impl Linear {
    /// A constant.
    pub fn constant(offset: i64) -> Self {
        Linear { offset, terms: vec![] }
    }

    /// With a value for one variable.
    pub fn fixed(&self, var: Var, value: i64) -> Self {
        let terms = self.terms.iter().copied().filter(|term| term.0 != var).collect();
        Linear { offset: self.offset + value * self.coefficient(var), terms }
    }

    /// A variable.
    pub fn var(var: Var) -> Self {
        Linear { offset: 0, terms: vec![(var, 1)] }
    }

    /// Adds `k` times another function.
    pub fn add(&mut self, other: &Linear, k: i64) {
        self.offset += k * other.offset;
        if k == 0 {
            return;
        }
        for &(var, coefficient) in &other.terms {
            match self.terms.binary_search_by_key(&var, |term| term.0) {
                Ok(at) => self.terms[at].1 += k * coefficient,
                Err(at) => self.terms.insert(at, (var, k * coefficient)),
            }
        }
        self.terms.retain(|term| term.1 != 0);
    }

    /// `offset + Σ coefficient · function`
    pub fn combination<'a>(offset: i64, parts: impl IntoIterator<Item = (i64, &'a Linear)>) -> Self {
        let mut sum = Linear::constant(offset);
        parts.into_iter().for_each(|(coefficient, part)| sum.add(part, coefficient));
        sum
    }

    /// Least and largest value where each variable runs over `0..extent(variable)`, none of them empty.
    pub fn range(&self, extent: impl Fn(Var) -> i64) -> (i64, i64) {
        let mut range = (self.offset, self.offset);
        for &(var, coefficient) in &self.terms {
            let end = coefficient * (extent(var) - 1).max(0);
            range.0 += end.min(0);
            range.1 += end.max(0);
        }
        range
    }
}
