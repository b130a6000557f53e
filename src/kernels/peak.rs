//! What this processor can do at most: multiply-adds that depend on nothing.

use super::tile::{Lanes, Real};
use super::variant::{Job, Variant};
use std::hint::black_box;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// Chains side by side: more than any processor's latency times its units.
const CHAINS: usize = 12;
/// Multiply-adds of each chain in one go.
const LENGTH: u64 = 1 << 16;

/// Floating-point operations a second of one thread by the widest vectors that the kernels use here, a multiply-add
/// counting as two: the best of runs that take about `time` in all.
pub fn peak<T: Real>(time: Duration) -> f64 {
    let variant = Variant::best();
    let (began, mut best) = (Instant::now(), 0.0f64);
    while began.elapsed() < time {
        let clock = Instant::now();
        // SAFETY: the variant is one that the processor has.
        let lanes = unsafe { variant.run(Chains(PhantomData::<T>)) };
        best = best.max((2 * LENGTH * CHAINS as u64 * lanes as u64) as f64 / clock.elapsed().as_secs_f64());
    }
    best
}

/// All chains once; gives the lanes of a vector.
struct Chains<T>(PhantomData<T>);

impl<T: Real> Job for Chains<T> {
    type Real = T;
    type Output = usize;

    /// # Safety
    /// The processor has the instructions of `L`.
    #[inline(always)]
    unsafe fn run<L: Lanes<Real = T>>(self) -> usize {
        // SAFETY: the processor has the instructions, by the contract; the room is longer than any vector.
        unsafe {
            let (x, y) = (L::splat(black_box(T::of(0.5))), L::splat(black_box(T::of(0.25))));
            let mut sums = [y; CHAINS];
            for _ in 0..LENGTH {
                for sum in &mut sums {
                    *sum = x.fma(*sum, y);
                }
            }
            let mut room = [T::of(0.0); 64];
            for sum in sums {
                sum.store(room.as_mut_ptr());
                black_box(&room);
            }
            L::LANES
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_peak() {
        assert!(peak::<f32>(Duration::from_millis(1)) > 1e6);
    }
}
