//! Columns, or rows, copied to lie side by side, in the order in which tiles read them.

use super::ahead::will_write;
use super::tile::{Lanes, MOST_LANES, Place, Real, Segment};
use super::variant::Job;

/// Elements of `k` by which memory that is written is asked for ahead.
const AHEAD: usize = 8;

/// The columns of one vector, or of several, and of several panels, if they are neighbours:
/// `to[lane / width * apart + i * width + lane % width] = from[columns[lane].operand + at(segment) + i * stride]`.
#[derive(Clone, Copy)]
pub(super) struct Pack<'a, T> {
    /// The operand.
    pub from: *const T,
    /// Where each column is; as many as lanes take part in one vector, or in more of them.
    pub columns: &'a [Place],
    /// Whether the columns are neighbours in the operand.
    pub together: bool,
    /// The chain over `k`.
    pub segments: &'a [Segment],
    /// Where a segment begins in the operand.
    pub at: fn(&Segment) -> isize,
    /// Stride of the operand within a segment.
    pub stride: isize,
    /// Where the panel has this vector's first element.
    pub to: *mut T,
    /// Elements from one element of `k` to the next in the panel: what is more goes to the next panel.
    pub width: usize,
    /// Elements from one panel to the next.
    pub apart: usize,
}

impl<T: Real> Job for Pack<'_, T> {
    type Real = T;
    type Output = ();

    /// # Safety
    /// All that is described is inside the operand; a panel has `width` elements for each element of `k`, of which whole
    /// vectors from `to` on are theirs. Several vectors begin where a panel does.
    #[inline(always)]
    unsafe fn run<L: Lanes<Real = T>>(self) {
        // Lanes that nobody asks for are the first.
        let mut lanes = [self.columns[0]; MOST_LANES];
        if self.is_turned() {
            lanes[..self.columns.len()].copy_from_slice(self.columns);
        }
        let mut to = self.to;
        for segment in self.segments {
            let from = self.from.wrapping_offset((self.at)(segment));
            // SAFETY: handed on.
            unsafe { self.part::<L>(from, &lanes[..L::LANES], segment.len, to) };
            to = to.wrapping_add(segment.len * self.width);
        }
    }
}

impl<T: Real> Pack<'_, T> {
    /// Whether the columns of one vector are read along `k`.
    #[inline(always)]
    fn is_turned(&self) -> bool {
        !self.together && self.stride == 1
    }

    /// The columns along a part of the chain; `places`: as many as a vector has lanes, if they are read along `k`.
    ///
    /// # Safety
    /// As of `run`, for this part.
    #[inline(always)]
    unsafe fn part<L: Lanes<Real = T>>(&self, from: *const T, places: &[Place], len: usize, to: *mut T) {
        let lanes = self.columns.len();
        // SAFETY: addresses are those that the contract of `run` speaks of.
        unsafe {
            if self.together {
                let from = from.offset(self.columns[0].operand);
                let (panels, rest) = (lanes / self.width, lanes % self.width);
                let (whole, part) = (rest / L::LANES * L::LANES, rest % L::LANES);
                let mask = L::mask(part);
                for i in 0..len {
                    let (mut at, mut to) = (from.offset(i as isize * self.stride), to.add(i * self.width));
                    for _ in 0..panels {
                        will_write(to.wrapping_add(AHEAD * self.width));
                        for lane in (0..self.width).step_by(L::LANES) {
                            L::load(at.add(lane)).store(to.add(lane));
                        }
                        (at, to) = (at.add(self.width), to.add(self.apart));
                    }
                    for lane in (0..whole).step_by(L::LANES) {
                        L::load(at.add(lane)).store(to.add(lane));
                    }
                    if part > 0 {
                        L::load_part(at.add(whole), mask).store(to.add(whole));
                    }
                }
                return;
            }
            if self.is_turned() && len >= L::TURNED {
                return L::transpose(from, places, len, to, self.width);
            }
            for i in 0..len {
                let (from, to) = (from.offset(i as isize * self.stride), to.add(i * self.width));
                for (lane, place) in self.columns.iter().enumerate() {
                    *to.add(lane) = *from.offset(place.operand);
                }
            }
        }
    }
}
