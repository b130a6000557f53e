//! The innermost piece: a tile of `ROWS` by `VECTORS * L::LANES` results held in registers while `k` runs.

use crate::interpret::Element;

/// A number of which there are vectors.
///
/// # Safety
/// `Avx2` and `Avx512` are vectors of that many bits.
pub unsafe trait Real: Element {
    /// 128 bits by plain code.
    type Portable: Lanes<Real = Self>;
    /// 256 bits by AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Lanes<Real = Self>;
    /// 512 bits by AVX-512F.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Lanes<Real = Self>;
}

// SAFETY: the vectors are those of the names.
unsafe impl Real for f32 {
    type Portable = Portable<f32, 4>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = x86::F32x8;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = x86::F32x16;
}

// SAFETY: the vectors are those of the names.
unsafe impl Real for f64 {
    type Portable = Portable<f64, 2>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = x86::F64x4;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = x86::F64x8;
}

/// A vector and the few operations that a tile needs.
///
/// # Safety
/// Every method requires that the processor has the instructions that the type stands for; pointers reach
/// `LANES` elements, of any alignment.
pub unsafe trait Lanes: Copy {
    /// What its lanes are.
    type Real: Real;
    /// Elements in one vector.
    const LANES: usize;
    /// All lanes alike.
    unsafe fn splat(x: Self::Real) -> Self;
    /// From memory.
    unsafe fn load(from: *const Self::Real) -> Self;
    /// To memory.
    unsafe fn store(self, to: *mut Self::Real);
    /// `self * b + c`, rounded once.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    /// `self + b`
    unsafe fn add(self, b: Self) -> Self;
    /// `self / b`
    unsafe fn div(self, b: Self) -> Self;
}

/// Lanes by plain code: the path of every machine without a better one.
#[derive(Clone, Copy)]
pub struct Portable<T, const LANES: usize>([T; LANES]);

// SAFETY: needs no instructions beyond the target's own.
unsafe impl<T: Real, const LANES: usize> Lanes for Portable<T, LANES> {
    type Real = T;
    const LANES: usize = LANES;
    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Portable([x; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: `from` reaches so many elements.
        Portable(unsafe { from.cast::<[T; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: `to` reaches so many elements.
        unsafe { to.cast::<[T; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Portable(std::array::from_fn(|l| self.0[l].fma(b.0[l], c.0[l])))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Portable(std::array::from_fn(|l| self.0[l] + b.0[l]))
    }
    #[inline(always)]
    unsafe fn div(self, b: Self) -> Self {
        Portable(std::array::from_fn(|l| self.0[l] / b.0[l]))
    }
}

/// Vectors over x86 intrinsics.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Lanes;
    use std::arch::x86_64::*;

    /// Declares a vector type.
    macro_rules! lanes {
        ($name:ident: $lanes:literal of $real:ident in $register:ident,
         $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident, $div:ident) => {
            /// A vector in one register.
            #[derive(Clone, Copy)]
            pub struct $name($register);

            // SAFETY: the methods need what the type stands for; callers check it (see `Variant::here`).
            unsafe impl Lanes for $name {
                type Real = $real;
                const LANES: usize = $lanes;
                #[inline(always)]
                unsafe fn splat(x: $real) -> Self {
                    // SAFETY: the processor has the instruction, by the trait's contract.
                    $name(unsafe { $splat(x) })
                }
                #[inline(always)]
                unsafe fn load(from: *const $real) -> Self {
                    // SAFETY: as above, and `from` reaches a whole vector.
                    $name(unsafe { $load(from) })
                }
                #[inline(always)]
                unsafe fn store(self, to: *mut $real) {
                    // SAFETY: as above, and `to` reaches a whole vector.
                    unsafe { $store(to, self.0) }
                }
                #[inline(always)]
                unsafe fn fma(self, b: Self, c: Self) -> Self {
                    // SAFETY: as above.
                    $name(unsafe { $fma(self.0, b.0, c.0) })
                }
                #[inline(always)]
                unsafe fn add(self, b: Self) -> Self {
                    // SAFETY: as above.
                    $name(unsafe { $add(self.0, b.0) })
                }
                #[inline(always)]
                unsafe fn div(self, b: Self) -> Self {
                    // SAFETY: as above.
                    $name(unsafe { $div(self.0, b.0) })
                }
            }
        };
    }

    lanes!(
        F32x8: 8 of f32 in __m256,
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_div_ps
    );
    lanes!(
        F64x4: 4 of f64 in __m256d,
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_div_pd
    );
    lanes!(
        F32x16: 16 of f32 in __m512,
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_div_ps
    );
    lanes!(
        F64x8: 8 of f64 in __m512d,
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        _mm512_div_pd
    );
}

/// What one tile reads and writes.
#[derive(Clone, Copy)]
pub struct TileArgs<T> {
    /// Length of this block of the chain.
    pub k: usize,
    /// `a[row * a_row + k * a_k]`
    pub a: *const T,
    /// Stride of `a` from row to row.
    pub a_row: isize,
    /// Stride of `a` along `k`.
    pub a_k: isize,
    /// `b[k * b_k + column]`: columns lie side by side.
    pub b: *const T,
    /// Stride of `b` along `k`.
    pub b_k: isize,
    /// `out[row * out_row + column]`
    pub out: *mut T,
    /// Stride of `out` from row to row.
    pub out_row: isize,
    /// Whether this block's sum is added to what stands in `out`.
    pub add: bool,
    /// What the result is divided by; 1 for nothing.
    pub divisor: T,
}

/// One tile.
///
/// # Safety
/// The processor has `L`'s instructions; all that `args` describes for `ROWS` rows and `VECTORS * L::LANES`
/// columns is inside its arrays.
#[inline(always)]
pub unsafe fn tile<L: Lanes, const ROWS: usize, const VECTORS: usize>(args: &TileArgs<L::Real>) {
    // SAFETY: by the contract above, every address below is inside its array and `L` is available.
    unsafe {
        let one = L::Real::of(1.0);
        let mut sums = [[L::splat(L::Real::of(0.0)); VECTORS]; ROWS];
        let (mut a, mut b) = (args.a, args.b);
        for _ in 0..args.k {
            let row: [L; VECTORS] = std::array::from_fn(|v| L::load(b.add(v * L::LANES)));
            for (i, sums) in sums.iter_mut().enumerate() {
                let x = L::splat(*a.offset(i as isize * args.a_row));
                for (sum, &y) in sums.iter_mut().zip(&row) {
                    *sum = x.fma(y, *sum);
                }
            }
            a = a.wrapping_offset(args.a_k);
            b = b.wrapping_offset(args.b_k);
        }
        for (i, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                let to = args.out.offset(i as isize * args.out_row).add(v * L::LANES);
                let sum = if args.add { L::load(to).add(sum) } else { sum };
                let sum = if args.divisor != one { sum.div(L::splat(args.divisor)) } else { sum };
                sum.store(to);
            }
        }
    }
}
