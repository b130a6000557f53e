//! Rows of a product where tiles read them: where they lie, or copied.
//!
//! Each panel of columns reads all rows again. Where successive elements of `k` lie far from each other (the gradient of a
//! weight sums over examples), each is on a line of its own, and such lines displace one another in the caches. Then rows
//! are copied once, as many as a vector has lanes side by side, so that they are read in order. So are rows that are too
//! many for a small second cache: in order they come in time.

use super::chain::Segments;
use super::is_crowded;
use super::memory::CacheLine;
use super::pack::Pack;
use super::tile::{Place, Real};
use super::variant::Variant;
use crate::plan::schedule::ContractAxis;
use std::ops::Range;

/// Elements from which on a stride is far.
const FAR: u64 = 256;
/// Panels from which on copying is worth it.
const LEAST_PANELS: usize = 2;
/// Bytes of the longest copy.
const LONGEST: usize = 1 << 23;
/// Vectors that are copied at once: each page of memory is then visited by few passes.
const AT_ONCE: usize = 16;
/// Bytes of rows that do not stay in a small second cache, and panels for which they are then copied.
const LARGE: usize = 1 << 19;
const MANY_PANELS: usize = 8;

/// The rows of a product.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    /// Where they are in the operand and in the result.
    places: Vec<Place>,
    /// The same where the operand is the copy, if there is one.
    copied: Option<Vec<Place>>,
    /// Rows side by side in the copy.
    lanes: usize,
    /// Elements of the copy from one vector of rows to the next.
    apart: usize,
}

impl Rows {
    /// At these places, for blocks of `length` elements of `k`, of which the innermost axis is `k`.
    pub fn new<T: Real>(
        places: Vec<Place>,
        k: ContractAxis,
        length: usize,
        panels: usize,
        variant: Variant,
    ) -> Rows {
        let lanes = variant.lanes::<T>();
        let bytes = places.len().next_multiple_of(lanes) * length * size_of::<T>();
        let large = variant.has_small_caches() && bytes >= LARGE && panels >= MANY_PANELS;
        let worth_it = (large || Rows::are_copied(variant, k.a, length, panels)) && bytes <= LONGEST;
        // What is written together, one vector of rows after the other, would displace one another in a cache at strides of
        // powers of two.
        let apart = length * lanes + CacheLine::SIZE / size_of::<T>();
        let copy = |(row, place): (usize, &Place)| {
            let operand = row / lanes * apart + row % lanes;
            Place { operand: operand as isize, ..*place }
        };
        let copied = worth_it.then(|| places.iter().enumerate().map(copy).collect());
        Rows { places, copied, lanes, apart }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether rows that lie so far apart along `k`, in blocks of so many elements of it, are copied for so many panels, if
    /// the copy is not too long: also those that are not far, but displace one another in a small cache.
    pub fn are_copied(variant: Variant, stride: i64, length: usize, panels: usize) -> bool {
        let crowded = variant.has_small_caches() && is_crowded(stride, length);
        (stride.unsigned_abs() >= FAR || crowded) && panels >= LEAST_PANELS
    }

    /// Elements of the copy.
    pub fn copy_len(&self) -> usize {
        let rows = self.copied.as_ref().map_or(0, Vec::len);
        rows.div_ceil(self.lanes) * self.apart
    }

    /// Elements from one element of `k` to the next in the copy, if there is one.
    pub fn width(&self) -> Option<usize> {
        self.copied.is_some().then_some(self.lanes)
    }

    /// Where tiles read and write some rows.
    pub fn read(&self, rows: Range<usize>) -> &[Place] {
        &self.copied.as_ref().unwrap_or(&self.places)[rows]
    }

    /// Copies some rows for a block of `k`, if rows are copied.
    ///
    /// # Safety
    /// The processor can run the variant; the rows, at every element of the segments, are inside `from`; `to` has room for
    /// the copy of all rows.
    pub unsafe fn copy<T: Real>(
        &self,
        variant: Variant,
        from: *const T,
        rows: Range<usize>,
        segments: &Segments,
        to: *mut T,
    ) {
        let Some(copied) = &self.copied else { return };
        let mut first = rows.start;
        while first < rows.end {
            // What is copied in whole vectors would reach beyond its own lanes from another lane on.
            let group =
                |vectors: usize| (first / self.lanes * self.lanes + vectors * self.lanes).min(rows.end);
            let is_together = |end: usize| Place::are_neighbours(&self.places[first..end]);
            let aligned = first.is_multiple_of(self.lanes);
            let (end, together) = match group(AT_ONCE) {
                end if aligned && is_together(end) => (end, true),
                _ => (group(1), aligned && is_together(group(1))),
            };
            let columns = &self.places[first..end];
            let (to, width) = (to.wrapping_offset(copied[first].operand), self.lanes);
            let (list, stride) = (&segments.list, segments.stride.0);
            let job = Pack {
                from,
                columns,
                together,
                segments: list,
                at: |segment| segment.a,
                stride,
                to,
                width,
                apart: self.apart,
            };
            // SAFETY: inside the operand; the copy has so many elements for each element of `k`.
            unsafe { variant.run(job) };
            first = end;
        }
    }
}
