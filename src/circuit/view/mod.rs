//! Views: affine reads of an array, in a form that is closed under composition and transposition.
//!
//! A view reads element `coordinate_k = (c_k · o + b_k) / d_k` of its operand for the output position `o`. A
//! coordinate that is not whole or lies outside the operand, or a guard that fails, makes the position
//! *outside*: it reads the fill. The batch axis takes no part: a view of a shared value may be per example (the
//! same for each), and a view of a per-example value is per example.
//!
//! Divisors and guards are there because a single affine map with a fill is closed under neither operation: the
//! adjoint of a strided window reads at `(s + pad - u) / stride`, and a window of a padded window must still
//! know where the inner one ended.

mod affine;
mod algebra;
mod band;
#[cfg(test)]
mod tests;

pub use affine::{Affine, Guard};
pub use algebra::Transposed;

use super::Shape;
use super::node::F64;
use band::Condition;
use std::collections::BTreeMap;

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

/// Where a view without divisors reads in the flat operand: `start + strides · o`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// Element that position 0 reads; may lie outside.
    pub start: i64,
    /// Elements from one position to the next along each output dimension.
    pub strides: Vec<i64>,
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

    /// A read of an array of this shape `by` elements earlier along one dimension: later, if that is negative.
    pub fn lagged(shape: &Shape, axis: usize, by: i32, fill: F64) -> Self {
        let mut view = View::select(shape.clone(), &(0..shape.dims.len()).collect::<Vec<_>>(), &shape.dims);
        view.coords[axis].b = -i64::from(by);
        View { fill, ..view }
    }

    /// If each dimension of the operand is read along one output dimension from 0, without further conditions:
    /// which. The inverse of [`View::select`].
    pub fn as_select(&self) -> Option<Vec<usize>> {
        self.coords.iter().map(Affine::as_axis).collect::<Option<_>>().filter(|_| self.guards.is_empty())
    }

    /// Whether it gives back an operand of this shape unchanged.
    pub fn is_identity(&self, operand: &Shape) -> bool {
        let reads = |(k, coord): (usize, &Affine)| {
            // An index of extent 1 is 0 however it is written.
            coord.as_axis() == Some(k) || (operand.dims[k] == 1 && coord.as_constant() == Some(0))
        };
        &self.out == operand && self.guards.is_empty() && self.coords.iter().enumerate().all(reads)
    }

    /// Whether every position is inside.
    pub fn is_total(&self, operand: &Shape) -> bool {
        self.boxes(operand).iter().chain(&self.guards).all(|guard| self.condition(guard) == Condition::Always)
    }

    /// Whether it is known that no position is inside. Exact for each condition by itself, not for all
    /// together.
    pub fn is_outside(&self, operand: &Shape) -> bool {
        self.conditions_by_direction(operand).is_none()
    }

    /// Where output position `o` reads an operand of the given dimensions; `None` outside.
    pub fn source(&self, o: &[u32], operand: &[u32]) -> Option<Vec<u32>> {
        self.guarded(o).then_some(())?;
        self.coords.iter().zip(operand).map(|(coord, &extent)| inside(coord, o, extent)).collect()
    }

    /// The same as a row-major position in the flat operand.
    pub fn offset(&self, o: &[u32], operand: &[u32]) -> Option<usize> {
        self.guarded(o).then_some(())?;
        self.coords.iter().zip(operand).try_fold(0, |offset, (coord, &extent)| {
            Some(offset * extent as usize + inside(coord, o, extent)? as usize)
        })
    }

    /// Whether the guards hold at a position.
    fn guarded(&self, o: &[u32]) -> bool {
        self.guards.iter().all(|guard| guard.e.at(o).is_some_and(|e| guard.lo <= e && e < guard.hi))
    }

    /// Start and strides in a row-major operand; `None` if a coordinate has a divisor. What it says holds for
    /// inside positions only.
    pub fn address(&self, operand: &Shape) -> Option<Address> {
        let mut address = Address { start: 0, strides: vec![0; self.out.dims.len()] };
        for (coord, &stride) in self.coords.iter().zip(&operand.strides()) {
            if coord.d != 1 {
                return None;
            }
            let stride = i64::try_from(stride).ok()?;
            address.start += coord.b * stride;
            address.strides.iter_mut().zip(&coord.c).for_each(|(sum, &c)| *sum += c * stride);
        }
        Some(address)
    }

    /// All conditions for being inside that do not hold everywhere: those of the coordinates' boxes, and the
    /// guards, one a direction, in a fixed order. A view that is nowhere inside has the one condition `0 < 0`.
    pub fn conditions(&self, operand: &Shape) -> Vec<Guard> {
        match self.conditions_by_direction(operand) {
            Some(bands) => bands.values().filter_map(band_of).collect(),
            None => vec![self.never()],
        }
    }

    /// A view of a shared scalar 1 that is 1 where `self` is inside and 0 outside.
    pub fn inside(&self, operand: &Shape) -> View {
        let guards = self.conditions(operand);
        View { out: self.out.clone(), coords: vec![], guards, fill: F64::new(0.0) }
    }

    /// The normal form: expressions in lowest terms; one guard a direction, in a fixed order, and only where it
    /// says more than the coordinates' boxes; fill 0 where nothing is outside. An index of extent 1 stays in a
    /// coordinate as it was written, for the sake of a reader. `None` if a number comes near the limits of
    /// `i64`, which sane index expressions never do.
    pub fn normalised(&self, operand: &Shape) -> Option<View> {
        let lowest = |e: &Affine| {
            let c: Vec<i128> = e.c.iter().map(|&c| c.into()).collect();
            Affine::lowest(&c, e.b.into(), e.d.into()).filter(|e| e.is_moderate(&self.out.dims))
        };
        let coords = self.coords.iter().map(lowest).collect::<Option<Vec<_>>>()?;
        let guards = self.guards.iter().map(|guard| Some(Guard { e: lowest(&guard.e)?, ..*guard }));
        let guards = guards.collect::<Option<Vec<_>>>()?;
        let mut view = View { out: self.out.clone(), coords, guards, fill: self.fill };
        view.simplify_divisors();
        view.tighten(operand);
        if view.is_total(operand) {
            view.fill = F64::new(0.0);
        }
        Some(view)
    }

    /// Where a coordinate has a divisor, indices of extent 1 leave it, which may free it of the divisor.
    fn simplify_divisors(&mut self) {
        for coord in self.coords.iter_mut().filter(|coord| coord.d != 1) {
            let c = coord.c.iter().zip(&self.out.dims);
            let c: Vec<i128> = c.map(|(&c, &extent)| if extent > 1 { c.into() } else { 0 }).collect();
            *coord = Affine::lowest(&c, coord.b.into(), coord.d.into()).expect("terms only became lower");
        }
    }

    /// Brings the guards to their normal form.
    fn tighten(&mut self, operand: &Shape) {
        let boxes = self.bands(&self.boxes(operand));
        let joined = self.conditions_by_direction(operand);
        let (Some(boxes), Some(joined)) = (boxes, joined) else {
            let nowhere = Affine::constant(0, self.out.dims.len());
            self.coords.fill(nowhere);
            self.guards = vec![self.never()];
            return;
        };
        let news = joined.iter().filter(|(direction, condition)| boxes.get(*direction) != Some(condition));
        self.guards = news.filter_map(|(_, condition)| band_of(condition)).collect();
    }

    /// Boxes and guards, joined along each direction; `None` where nothing is inside.
    fn conditions_by_direction(&self, operand: &Shape) -> Option<BTreeMap<Vec<i64>, Condition>> {
        let mut all = self.boxes(operand);
        all.extend(self.guards.iter().cloned());
        self.bands(&all)
    }

    /// The conditions along each direction, without those that hold everywhere; `None` if one never holds.
    fn bands(&self, guards: &[Guard]) -> Option<BTreeMap<Vec<i64>, Condition>> {
        let mut bands: BTreeMap<Vec<i64>, Condition> = BTreeMap::new();
        for guard in guards {
            match self.condition(guard) {
                Condition::Always => {}
                Condition::Never => return None,
                Condition::Where(band) => {
                    let known = bands.entry(band.direction.clone()).or_insert(Condition::Always);
                    *known = Condition::Where(band).and(known, &self.out.dims);
                    if *known == Condition::Never {
                        return None;
                    }
                }
            }
        }
        Some(bands)
    }

    fn condition(&self, guard: &Guard) -> Condition {
        Condition::of(guard, &self.out.dims)
    }

    /// The boxes that the coordinates must not leave, as guards.
    fn boxes(&self, operand: &Shape) -> Vec<Guard> {
        let boxed = |(e, &extent): (&Affine, &u32)| Guard { e: e.clone(), lo: 0, hi: extent.into() };
        self.coords.iter().zip(&operand.dims).map(boxed).collect()
    }

    /// The guard that holds nowhere.
    fn never(&self) -> Guard {
        Guard { e: Affine::constant(0, self.out.dims.len()), lo: 0, hi: 0 }
    }
}

/// The guard of a condition that depends on the position.
fn band_of(condition: &Condition) -> Option<Guard> {
    match condition {
        Condition::Where(band) => Some(band.guard()),
        Condition::Always | Condition::Never => None,
    }
}

/// The coordinate at a position, if it is whole and in its box.
fn inside(coord: &Affine, o: &[u32], extent: u32) -> Option<u32> {
    coord.at(o).and_then(|e| u32::try_from(e).ok()).filter(|&e| e < extent)
}
