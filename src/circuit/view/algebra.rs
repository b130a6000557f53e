//! Composition by substitution, and transposition by elimination, both in exact integer arithmetic.

use super::affine::{Affine, Guard, gcd};
use super::{Shape, View};
use crate::circuit::AxisSet;
use crate::circuit::node::F64;
use std::cmp::{Ordering, Reverse};

/// The adjoint of a view: read the cotangent by `view`, then sum over the dimensions `summed`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Transposed {
    /// Reads the cotangent. Its output dimensions are those of the view's operand, then the summed ones; it is
    /// per example as the cotangent is.
    pub view: View,
    /// The trailing dimensions of `view.out` that are summed.
    pub summed: AxisSet,
}

impl View {
    /// The one view that equals `outer` applied to the result of `self`, where that is exact: where the fills
    /// agree, or one of the two never reads outside (`self`: at the positions where `outer` reads it). `operand` is
    /// the shape that `self` reads.
    ///
    /// Coordinates and guards of `self` are rewritten in the indices of `outer`; that a coordinate of `outer`
    /// must be whole and within the array between the two becomes a guard.
    pub fn compose(&self, outer: &View, operand: &Shape) -> Option<View> {
        let rank = outer.out.dims.len();
        let rewrite = |e: &Affine| e.substitute(&outer.coords, rank);
        let coords = self.coords.iter().map(rewrite).collect::<Option<_>>()?;
        let guards = self.guards.iter().map(|guard| Some(Guard { e: rewrite(&guard.e)?, ..*guard }));
        let mut guards = guards.collect::<Option<Vec<_>>>()?;
        guards.extend(outer.guards.iter().cloned());
        guards.extend(outer.boxes(&self.out));
        let one_fill = self.fill == outer.fill || outer.is_total(&self.out);
        let fill = if one_fill { self.fill } else { outer.fill };
        let both = View { out: outer.out.clone(), coords, guards, fill }.normalised(operand)?;
        // Where `outer` is inside, so is `self`.
        let inside = || self.is_total(operand) || both.conditions(operand) == outer.conditions(&self.out);
        (one_fill || inside()).then_some(both)
    }

    /// The adjoint of reading an operand of this shape: `operand_bar[s] = sum[o: coords(o) = s] out_bar[o]`.
    ///
    /// The equations `d_k s_k = c_k · o + b_k` are solved over the rationals for the output indices of widest
    /// stride, the widest first, so that the indices left over, which become sums, run over windows and not
    /// over what the window moves along. Equations left over without an output index become guards. A broadcast
    /// of a shared value to a per-example one is the caller's to undo, by the mean over the batch.
    ///
    /// # Panics
    /// If the solution leaves the 128-bit integers, for coefficients far from those of any index expression.
    pub fn transpose(&self, operand: &Shape) -> Transposed {
        let mut system = System::of(self);
        let solved = system.eliminate(&self.out.dims);
        let inner = operand.dims.len();
        let free: Vec<usize> = (0..self.out.dims.len())
            .filter(|&j| self.out.dims[j] != 1 && !solved.iter().any(|&(_, axis)| axis == j))
            .collect();
        let mut out = Shape { batch: self.out.batch, dims: operand.dims.clone() };
        out.dims.extend(free.iter().map(|&j| self.out.dims[j]));

        let coords: Vec<Affine> = (0..self.out.dims.len())
            .map(|j| match solved.iter().find(|&&(_, axis)| axis == j) {
                Some(&(row, _)) => system.solution(row, j, &free),
                None => match free.iter().position(|&axis| axis == j) {
                    Some(k) => Affine::axis(inner + k, out.dims.len()),
                    None => Affine::constant(0, out.dims.len()),
                },
            })
            .collect();
        let left_over = (0..inner).filter(|k| !solved.iter().any(|&(row, _)| row == *k));
        let mut guards: Vec<Guard> =
            left_over.map(|row| Guard { e: system.rest(row, &free), lo: 0, hi: 1 }).collect();
        guards.extend(self.guards.iter().map(|guard| {
            let e = guard.e.substitute(&coords, out.dims.len()).expect(SMALL);
            Guard { e, ..*guard }
        }));
        let summed = AxisSet::of(inner..out.dims.len());
        let view = View { out, coords, guards, fill: F64::new(0.0) };
        Transposed { view: view.normalised(&self.out).expect(SMALL), summed }
    }
}

impl Transposed {
    /// The dimensions of the cotangent that are summed whatever else is read, and what is left to do to the
    /// cotangent without them: `sum[k, u] y[k, s - u]` is `sum[u] z[s - u]` for `z = sum[k] y[k]`.
    pub fn split(&self) -> (AxisSet, Transposed) {
        let View { out, coords, guards, fill } = &self.view;
        let uses =
            |k: usize| coords.iter().chain(guards.iter().map(|guard| &guard.e)).filter(move |e| e.c[k] != 0);
        // Pairs of a dimension of the cotangent and the summed dimension that alone reads it, from 0.
        let spread: Vec<(usize, usize)> = (coords.iter().enumerate())
            .filter_map(|(j, coord)| Some((j, coord.as_axis()?)))
            .filter(|&(_, k)| self.summed.contains(k) && uses(k).count() == 1)
            .collect();
        let kept = |e: &Affine| {
            let c = e.c.iter().enumerate().filter(|(k, _)| !spread.iter().any(|&(_, gone)| gone == *k));
            Affine { c: c.map(|(_, &c)| c).collect(), ..*e }
        };
        let others = coords.iter().enumerate().filter(|(j, _)| !spread.iter().any(|&(gone, _)| gone == *j));
        let dims = out.dims.iter().enumerate().filter(|(k, _)| !spread.iter().any(|&(_, gone)| gone == *k));
        let view = View {
            out: Shape { batch: out.batch, dims: dims.map(|(_, &extent)| extent).collect() },
            coords: others.map(|(_, coord)| kept(coord)).collect(),
            guards: guards.iter().map(|guard| Guard { e: kept(&guard.e), ..*guard }).collect(),
            fill: *fill,
        };
        let rank = view.out.dims.len();
        let summed = AxisSet::of(rank + spread.len() - self.summed.count()..rank);
        (AxisSet::of(spread.iter().map(|&(j, _)| j)), Transposed { view, summed })
    }
}

/// Why arithmetic on coefficients does not overflow.
const SMALL: &str = "coefficients of index expressions are small when they are elaborated";

/// Equations `row · (o, s, 1) = 0` between the output indices `o` and the operand's indices `s`, with integer
/// coefficients without a common factor.
struct System {
    rows: Vec<Vec<i128>>,
    /// How many output indices there are.
    outer: usize,
}

impl System {
    /// `c_k · o - d_k s_k + b_k = 0` for each coordinate `k`.
    fn of(view: &View) -> System {
        let inner = view.coords.len();
        let row = |(k, coord): (usize, &Affine)| {
            let mut row: Vec<i128> = coord.c.iter().map(|&c| c.into()).collect();
            row.extend((0..inner).map(|s| if s == k { -i128::from(coord.d) } else { 0 }));
            row.push(coord.b.into());
            row
        };
        System { rows: view.coords.iter().enumerate().map(row).collect(), outer: view.out.dims.len() }
    }

    /// Solves for one output index after the other until none is left in the equations not yet used; returns
    /// which row was solved for which index.
    fn eliminate(&mut self, dims: &[u32]) -> Vec<(usize, usize)> {
        let mut solved: Vec<(usize, usize)> = vec![];
        loop {
            let unused = (0..self.rows.len()).filter(|k| !solved.iter().any(|(row, _)| row == k));
            let entries = unused.flat_map(|k| (0..self.outer).map(move |j| (k, j)));
            let pivots = entries.filter(|&(k, j)| self.rows[k][j] != 0);
            let Some((k, j)) = pivots.max_by(|&a, &b| self.preference(a, b, dims)) else {
                return solved;
            };
            for other in (0..self.rows.len()).filter(|&other| other != k) {
                self.cancel(other, k, j);
            }
            solved.push((k, j));
        }
    }

    /// Which entry is the better one to solve: an index that moves at all, the widest stride per step of the
    /// row's own `s_k`, the longest extent (so that the sums left are short), the first.
    fn preference(&self, a: (usize, usize), b: (usize, usize), dims: &[u32]) -> Ordering {
        let entry = |(k, j): (usize, usize)| self.rows[k][j].abs();
        let own = |(k, _): (usize, usize)| self.rows[k][self.outer + k].abs();
        let moves = |(_, j): (usize, usize)| dims[j] > 1;
        let stride =
            (entry(a).checked_mul(own(b)).expect(SMALL)).cmp(&entry(b).checked_mul(own(a)).expect(SMALL));
        let rest = |(k, j): (usize, usize)| (dims[j], Reverse(j), Reverse(k));
        moves(a).cmp(&moves(b)).then(stride).then(rest(a).cmp(&rest(b)))
    }

    /// Subtracts from row `other` what frees it of index `j`, by row `k`.
    fn cancel(&mut self, other: usize, k: usize, j: usize) {
        let (pivot, factor) = (self.rows[k][j], self.rows[other][j]);
        if factor == 0 {
            return;
        }
        let row: Vec<i128> = (self.rows[other].iter().zip(&self.rows[k]))
            .map(|(a, b)| {
                let (a, b) = (a.checked_mul(pivot).expect(SMALL), b.checked_mul(factor).expect(SMALL));
                a.checked_sub(b).expect(SMALL)
            })
            .collect();
        let common = row.iter().fold(0, |common, &x| gcd(common, x)).max(1);
        self.rows[other] = row.iter().map(|x| x / common).collect();
    }

    /// Index `j` by its solved row, as an expression in `s` and the free output indices.
    fn solution(&self, row: usize, j: usize, free: &[usize]) -> Affine {
        let (c, b) = self.terms(row, free);
        Affine::lowest(&c, b, -self.rows[row][j]).expect(SMALL)
    }

    /// What must be 0 for a row without output indices to hold.
    fn rest(&self, row: usize, free: &[usize]) -> Affine {
        let (c, b) = self.terms(row, free);
        Affine::lowest(&c, b, 1).expect(SMALL)
    }

    /// Coefficients of `s` and of the free output indices, and the constant.
    fn terms(&self, row: usize, free: &[usize]) -> (Vec<i128>, i128) {
        let row = &self.rows[row];
        let mut c = row[self.outer..row.len() - 1].to_vec();
        c.extend(free.iter().map(|&j| row[j]));
        (c, row[row.len() - 1])
    }
}
