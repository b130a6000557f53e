//! Walks through the positions of a group of axes.

use super::offsets;
use crate::plan::schedule::ContractAxis;

/// The offsets in `a`, `b` and `out` of one position after another, row-major: [`offsets`] without a division for each.
/// Beyond the last position it begins anew.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    axes: &'a [ContractAxis],
    /// For each axis, its extent and where on it the next position is.
    places: Vec<(usize, usize)>,
    at: [i64; 3],
}

impl<'a> Walk<'a> {
    /// From position `first`, for `n` examples. There must be one position at least.
    pub fn new(axes: &'a [ContractAxis], first: usize, n: usize) -> Self {
        let mut rest = first;
        let mut places: Vec<(usize, usize)> = axes.iter().map(|axis| (axis.extent.len_for(n), 0)).collect();
        for (extent, place) in places.iter_mut().rev() {
            *place = rest % *extent;
            rest /= *extent;
        }
        Walk { axes, places, at: offsets(axes, first, n) }
    }
}

impl Iterator for Walk<'_> {
    type Item = [i64; 3];

    fn next(&mut self) -> Option<[i64; 3]> {
        let here = self.at;
        for (axis, (extent, place)) in self.axes.iter().zip(&mut self.places).rev() {
            let strides = [axis.a, axis.b, axis.out];
            *place += 1;
            if *place < *extent {
                (0..3).for_each(|k| self.at[k] += strides[k]);
                break;
            }
            (0..3).for_each(|k| self.at[k] -= strides[k] * (*extent as i64 - 1));
            *place = 0;
        }
        Some(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::schedule::Extent;

    #[test]
    fn a_walk_is_the_offsets_in_order() {
        let axis = |extent, a, b, out| ContractAxis { extent, a, b, out };
        let axes = [
            axis(Extent::Batch, 100, 0, 7),
            axis(Extent::Fixed(3), -5, 2, 40),
            axis(Extent::Fixed(2), 1, 9, 0),
        ];
        for first in [0, 1, 5, 7] {
            let walked: Vec<[i64; 3]> = Walk::new(&axes, first, 4).take(24 - first).collect();
            let expected: Vec<[i64; 3]> = (first..24).map(|flat| offsets(&axes, flat, 4)).collect();
            assert_eq!(walked, expected);
        }
        assert_eq!(Walk::new(&[], 0, 4).next(), Some([0; 3]));
    }
}
