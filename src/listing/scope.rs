//! The indices of one equation: their names and ranges, and index expressions over them.

use super::names::Names;
use crate::circuit::view::{Affine, Guard};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Index};
use crate::syntax::build;

/// What stands for one coordinate.
enum Variable {
    /// An index that the equation binds.
    Index { name: String, extent: u32 },
    /// An integer that the program computes: a read by it is a gather.
    Integer(Expr),
}

/// The variables of one equation, in the order in which they were bound. An index expression is an [`Affine`] over
/// them; one made when there were fewer has fewer coefficients.
pub(super) struct Scope<'n> {
    names: &'n Names,
    variables: Vec<Variable>,
    /// Which variables stood alone in a read, and the extent of what they read.
    direct: Vec<(usize, u32)>,
}

impl<'n> Scope<'n> {
    pub fn new(names: &'n Names) -> Scope<'n> {
        Scope { names, variables: vec![], direct: vec![] }
    }

    pub fn len(&self) -> usize {
        self.variables.len()
    }

    /// A new index, called as suggested if that is free.
    pub fn bind(&mut self, suggested: Option<&str>, extent: u32) -> Affine {
        let used = |name: &str| {
            let same = |variable: &Variable| matches!(variable, Variable::Index { name: n, .. } if n == name);
            self.names.is_taken(name) || self.variables.iter().any(same)
        };
        let letters = ('i'..='n').chain('q'..='w').chain('a'..='f').map(String::from);
        let numbered = (1..).map(|k| format!("i_{k}"));
        let mut candidates = suggested.map(String::from).into_iter().chain(letters).chain(numbered);
        let name = candidates.find(|name| !used(name)).expect("numbers do not end");
        self.variables.push(Variable::Index { name, extent });
        Affine::axis(self.len() - 1, self.len())
    }

    /// An integer that the program computes, as a coordinate.
    pub fn integer(&mut self, value: Expr) -> Affine {
        self.variables.push(Variable::Integer(value));
        Affine::axis(self.len() - 1, self.len())
    }

    /// Notes that a coordinate reads along an extent: if it is an index alone, that tells the index's range.
    pub fn reads(&mut self, coordinate: &Affine, extent: u32) {
        if let Some(variable) = coordinate.as_axis() {
            self.direct.push((variable, extent));
        }
    }

    /// How many coordinates have told ranges so far.
    pub fn told(&self) -> usize {
        self.direct.len()
    }

    /// Only so many have.
    pub fn forget(&mut self, told: usize) {
        self.direct.truncate(told);
    }

    /// The variables from number `first` on as indices to bind, with a range where no direct use tells it.
    pub fn indices(&self, first: usize) -> Vec<Index> {
        let index = |(k, variable): (usize, &Variable)| {
            let Variable::Index { name, extent } = variable else { return None };
            let mut uses = self.direct.iter().filter(|(variable, _)| *variable == first + k).peekable();
            let told = uses.peek().is_some() && uses.all(|(_, read)| read == extent);
            let range = (!told).then(|| build::number(f64::from(*extent)));
            Some(build::index(name, range))
        };
        self.variables[first..].iter().enumerate().filter_map(index).collect()
    }

    /// Every index that was bound, with its extent.
    pub fn extents(&self) -> Vec<(String, u32)> {
        let index = |variable: &Variable| match variable {
            Variable::Index { name, extent } => Some((name.clone(), *extent)),
            Variable::Integer(_) => None,
        };
        self.variables.iter().filter_map(index).collect()
    }

    fn variable(&self, k: usize) -> Expr {
        match &self.variables[k] {
            Variable::Index { name, .. } => build::name(name),
            Variable::Integer(value) => value.clone(),
        }
    }

    /// Least and largest numerator over all values of the indices.
    fn bounds(&self, e: &Affine) -> (i128, i128) {
        let extents = self.variables.iter().map(|variable| match variable {
            Variable::Index { extent, .. } => *extent,
            Variable::Integer(_) => u32::MAX,
        });
        e.bounds(&extents.collect::<Vec<_>>())
    }

    /// An index expression between brackets: `i`, `2*i + u - 1`, `(s + 1 - u) / 2`, `(c, i, j)`.
    pub fn coordinate(&self, e: &Affine) -> Expr {
        self.group(e).unwrap_or_else(|| {
            let numerator = self.numerator(e);
            if e.d == 1 {
                numerator
            } else {
                build::binary(BinaryOp::Div, numerator, build::number(e.d as f64))
            }
        })
    }

    /// `c · variables + b`, what is added before what is taken off.
    fn numerator(&self, e: &Affine) -> Expr {
        let term = |k: usize, c: i64| match c.abs() {
            1 => self.variable(k),
            factor => build::binary(BinaryOp::Mul, build::number(factor as f64), self.variable(k)),
        };
        let terms = || e.c.iter().enumerate().filter(|(_, c)| **c != 0);
        let constant = || build::number(e.b.unsigned_abs() as f64);
        let mut added: Vec<Expr> = terms().filter(|(_, c)| **c > 0).map(|(k, &c)| term(k, c)).collect();
        let mut taken: Vec<Expr> = terms().filter(|(_, c)| **c < 0).map(|(k, &c)| term(k, c)).collect();
        match e.b {
            0 => {}
            1.. => added.push(constant()),
            _ => taken.push(constant()),
        }
        let first = added.into_iter().reduce(|sum, term| build::binary(BinaryOp::Add, sum, term));
        let first = first.unwrap_or_else(|| {
            if taken.is_empty() { build::number(0.0) } else { build::negate(taken.remove(0)) }
        });
        taken.into_iter().fold(first, |sum, term| build::binary(BinaryOp::Sub, sum, term))
    }

    /// `(c, i, j)`, where several indices make one coordinate in row-major order.
    fn group(&self, e: &Affine) -> Option<Expr> {
        let mut parts: Vec<usize> = (0..e.c.len()).filter(|&k| e.c[k] != 0).collect();
        parts.sort_by_key(|&k| std::cmp::Reverse(e.c[k]));
        let mut stride = 1;
        for &k in parts.iter().rev() {
            let Variable::Index { extent, .. } = &self.variables[k] else { return None };
            if e.c[k] != stride {
                return None;
            }
            stride *= i64::from(*extent);
        }
        let grouped = parts.len() > 1 && e.b == 0 && e.d == 1;
        grouped.then(|| build::expr(ExprKind::Tuple(parts.iter().map(|&k| self.variable(k)).collect())))
    }

    /// An index expression among numbers.
    pub fn number(&self, e: &Affine) -> Expr {
        let numerator = self.numerator(e);
        if e.d == 1 { numerator } else { build::binary(BinaryOp::Div, numerator, build::number(e.d as f64)) }
    }

    /// Conditions on indices: `t >= 1`, `(s + 1 - u) mod 2 == 0`; without any, true.
    pub fn condition(&self, guards: &[Guard]) -> Option<Expr> {
        let parts = guards.iter().flat_map(|guard| self.parts(guard));
        parts.reduce(|both, part| build::binary(BinaryOp::And, both, part))
    }

    /// `numerator op bound`, what is taken off on the right side: `t >= s + 1` for `t - s >= 1`.
    fn compared(&self, e: &Affine, op: BinaryOp, bound: i128) -> Expr {
        let part = |sign: i64, b: i64| {
            let c = e.c.iter().map(|&c| if c.signum() == sign { c.abs() } else { 0 }).collect();
            self.numerator(&Affine { c, b, d: 1 })
        };
        let rest = i64::try_from(bound - i128::from(e.b)).expect("index expressions are small");
        let has = |sign: i64| e.c.iter().any(|c| c.signum() == sign);
        match (has(1), op) {
            (true, _) => build::binary(op, part(1, 0), part(-1, rest)),
            // Nothing but what is taken off: the other way round.
            (false, BinaryOp::Ge) => build::binary(BinaryOp::Le, part(-1, 0), build::number(-rest as f64)),
            (false, BinaryOp::Le) => build::binary(BinaryOp::Ge, part(-1, 0), build::number(-rest as f64)),
            (false, _) => build::binary(op, part(-1, 0), build::number(-rest as f64)),
        }
    }

    fn parts(&self, guard: &Guard) -> Vec<Expr> {
        let e = &guard.e;
        let (least, largest) = self.bounds(e);
        let (lo, hi) = (i128::from(guard.lo) * i128::from(e.d), (i128::from(guard.hi) - 1) * i128::from(e.d));
        let numerator = || self.numerator(e);
        let mut parts = vec![];
        if e.d != 1 {
            let rest = build::binary(BinaryOp::Mod, numerator(), build::number(e.d as f64));
            parts.push(build::binary(BinaryOp::Eq, rest, build::number(0.0)));
        }
        if lo == hi && (least < lo || largest > hi) {
            parts.push(self.compared(e, BinaryOp::Eq, lo));
            return parts;
        }
        if least < lo {
            parts.push(self.compared(e, BinaryOp::Ge, lo));
        }
        if largest > hi {
            parts.push(self.compared(e, BinaryOp::Le, hi));
        }
        parts
    }
}
