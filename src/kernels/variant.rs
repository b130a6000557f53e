//! Which instructions run a piece of work: chosen once, never changing bits.

use super::tile::{Lanes, ROWS, Real, VECTORS};

/// Which instructions run it. Never changes bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Variant {
    /// 128 bits, on any machine.
    Portable,
    /// 256 bits.
    Avx2,
    /// 512 bits.
    Avx512,
}

/// Work on vectors of any width.
pub trait Job {
    /// Of what the vectors are.
    type Real: Real;
    /// What it gives.
    type Output;
    /// Does it. To be inlined into a function that has the instructions of `L` switched on.
    ///
    /// # Safety
    /// The processor has the instructions of `L`; else what the job says.
    unsafe fn run<L: Lanes<Real = Self::Real>>(self) -> Self::Output;
}

impl Variant {
    /// Those that this processor can run, the best last.
    pub fn here() -> Vec<Variant> {
        let mut here = vec![Variant::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                here.push(Variant::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
                here.push(Variant::Avx512);
            }
        }
        here
    }

    /// The best that this processor can run.
    pub fn best() -> Variant {
        *Variant::here().last().expect("the portable variant runs everywhere")
    }

    /// Whether the caches are expected to be small: processors with AVX-512 have larger second ones. What is then copied was
    /// measured on one with 32 kB and 512 kB.
    pub(super) fn has_small_caches(self) -> bool {
        self != Variant::Avx512
    }

    /// Results along a row that one vector holds.
    pub(super) fn lanes<T: Real>(self) -> usize {
        let bits = match self {
            Variant::Portable => 128,
            Variant::Avx2 => 256,
            Variant::Avx512 => 512,
        };
        bits / (8 * size_of::<T>())
    }

    /// Vectors side by side in the widest tile: as many sums as registers hold beside the operands, and more of them
    /// side by side than on each other, as a row's operand is read once for all that are side by side.
    pub(super) fn vectors(self) -> usize {
        match self {
            Variant::Portable | Variant::Avx2 => 2,
            Variant::Avx512 => VECTORS,
        }
    }

    /// Rows of the highest tile of so many vectors.
    pub(super) fn height(self, vectors: usize) -> usize {
        if vectors < self.vectors() { ROWS } else { 6 }
    }

    /// Does some work.
    ///
    /// # Safety
    /// The processor can run the variant; else what the job says.
    pub(super) unsafe fn run<J: Job>(self, job: J) -> J::Output {
        // SAFETY: handed on; each function below has the instructions of its vectors switched on.
        unsafe {
            match self {
                Variant::Portable => job.run::<<J::Real as Real>::Portable>(),
                #[cfg(target_arch = "x86_64")]
                Variant::Avx2 => avx2(job),
                #[cfg(target_arch = "x86_64")]
                Variant::Avx512 => avx512(job),
                #[cfg(not(target_arch = "x86_64"))]
                _ => unreachable!("only offered where it runs"),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<J: Job>(job: J) -> J::Output {
    // SAFETY: handed on.
    unsafe { job.run::<<J::Real as Real>::Avx2>() }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<J: Job>(job: J) -> J::Output {
    // SAFETY: handed on.
    unsafe { job.run::<<J::Real as Real>::Avx512>() }
}
