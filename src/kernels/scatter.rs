//! Sums whose columns are no neighbours in the result: computed beside it, then copied to where they belong.

use super::tile::{Lanes, MOST_LANES, Place, Real};
use super::variant::Job;

/// Some rows of sums, as many as a vector has lanes, at most, by the columns of one vector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scatter<'a, T> {
    /// `sums[row * width + column]`, with whole vectors in each row.
    pub sums: *const T,
    /// Numbers from one row to the next.
    pub width: usize,
    /// The rows; `out[row.out + column.out]`.
    pub rows: &'a [Place],
    /// The columns.
    pub columns: &'a [Place],
    /// The result.
    pub out: *mut T,
    /// Whether the sums are added to what stands there.
    pub add: bool,
    /// What the result is divided by; 1 for nothing.
    pub divisor: T,
}

impl<T: Real> Job for Scatter<'_, T> {
    type Real = T;
    type Output = ();

    /// # Safety
    /// Rows and columns are inside the result; the sums have a row for each lane.
    #[inline(always)]
    unsafe fn run<L: Lanes<Real = T>>(self) {
        let neighbours = self.rows.windows(2).all(|pair| pair[1].out == pair[0].out + 1);
        if self.rows.len() != L::LANES || !neighbours {
            // SAFETY: handed on.
            return unsafe { self.one_by_one() };
        }
        let one = T::of(1.0);
        let mut turned = [T::of(0.0); MOST_LANES * MOST_LANES];
        let places: [Place; MOST_LANES] =
            std::array::from_fn(|lane| Place { operand: (lane * self.width) as isize, out: 0 });
        let len = self.columns.len().max(L::TURNED);
        // SAFETY: rows of the sums have whole vectors, as have those of the array; each column's numbers are neighbours in
        // the result.
        unsafe {
            L::transpose(self.sums, &places[..L::LANES], len, turned.as_mut_ptr(), L::LANES);
            for (column, place) in self.columns.iter().enumerate() {
                let to = self.out.offset(place.out + self.rows[0].out);
                let sum = L::load(turned.as_ptr().add(column * L::LANES));
                let sum = if self.add { L::load(to).add(sum) } else { sum };
                let sum = if self.divisor != one { sum.div(L::splat(self.divisor)) } else { sum };
                sum.store(to);
            }
        }
    }
}

impl<T: Real> Scatter<'_, T> {
    /// As the whole, one number after the other.
    ///
    /// # Safety
    /// As there.
    unsafe fn one_by_one(&self) {
        for (row, at) in self.rows.iter().enumerate() {
            for (column, place) in self.columns.iter().enumerate() {
                // SAFETY: the position is inside the result, by the caller's contract.
                unsafe {
                    let (sum, to) =
                        (*self.sums.add(row * self.width + column), self.out.offset(at.out + place.out));
                    let sum = if self.add { *to + sum } else { sum };
                    *to = if self.divisor != T::of(1.0) { sum / self.divisor } else { sum };
                }
            }
        }
    }
}
