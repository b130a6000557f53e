//! Views: affine reads of an array, in a form that is closed under composition and transposition.
//!
//! A view reads element `coordinate_k = (c_k · o + b_k) / d_k` of its operand for the output position `o`. A
//! coordinate that is not whole or lies outside the operand, or a guard that fails, makes the position
//! *outside*: it reads the fill. The batch axis takes no part: a view of a shared value may be per example (the
//! same for each), and a view of a per-example value is per example.

use super::Shape;
use super::node::F64;

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

/// An affine read.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct View {
    /// Shape of the result.
    pub out: Shape,
    /// One a dimension of the operand.
    pub coords: Vec<Affine>,
    /// Further conditions.
    pub guards: Vec<Guard>,
    /// What an outside position reads.
    pub fill: F64,
}

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

    /// If it is exactly one output index: which.
    pub fn as_axis(&self) -> Option<usize> {
        let axis = self.c.iter().position(|&c| c != 0)?;
        let alone = self.c.iter().enumerate().all(|(k, &c)| c == i64::from(k == axis));
        (alone && self.b == 0 && self.d == 1).then_some(axis)
    }

    /// The value at a position, if whole.
    pub fn at(&self, o: &[u32]) -> Option<i64> {
        let sum = self.b + self.c.iter().zip(o).map(|(&c, &o)| c * i64::from(o)).sum::<i64>();
        (sum.rem_euclid(self.d) == 0).then(|| sum.div_euclid(self.d))
    }
}

impl View {
    /// The operand's dimension `k` is output dimension `axes[k]`, read from 0: broadcasts and permutations.
    ///
    /// # Panics
    /// If the extents of `from` differ from those of the output dimensions that read it (except that an operand
    /// may be longer than what is read of it).
    pub fn select(out: Shape, axes: &[usize], from: &[u32]) -> Self {
        let rank = out.dims.len();
        for (&axis, &extent) in axes.iter().zip(from) {
            assert!(out.dims[axis] <= extent, "view reads {} of {extent}", out.dims[axis]);
        }
        View {
            coords: axes.iter().map(|&axis| Affine::axis(axis, rank)).collect(),
            out,
            guards: vec![],
            fill: F64::new(0.0),
        }
    }

    /// Whether it gives back an operand of this shape unchanged.
    pub fn is_identity(&self, operand: &Shape) -> bool {
        &self.out == operand
            && self.guards.is_empty()
            && self.coords.iter().enumerate().all(|(k, coord)| coord.as_axis() == Some(k))
    }

    /// Where output position `o` reads an operand of the given dimensions; `None` outside.
    pub fn source(&self, o: &[u32], operand: &[u32]) -> Option<Vec<u32>> {
        for guard in &self.guards {
            guard.e.at(o).filter(|&e| guard.lo <= e && e < guard.hi)?;
        }
        let coordinate = |(coord, &extent): (&Affine, &u32)| {
            coord.at(o).and_then(|e| u32::try_from(e).ok()).filter(|&e| e < extent)
        };
        self.coords.iter().zip(operand).map(coordinate).collect()
    }

    /// The one view that equals `outer` applied to the result of `self`, where that is exact: where the fills
    /// agree, or `outer` never reads outside. `operand` is the shape that `self` reads.
    pub fn compose(&self, _outer: &View, _operand: &Shape) -> Option<View> {
        None
    }
}
