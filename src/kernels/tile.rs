//! The innermost piece: a tile of `ROWS` by `VECTORS * L::LANES` results held in registers while `k` runs.

/// A vector of f32 and the few operations that a tile needs.
///
/// # Safety
/// Every method requires that the processor has the instructions that the type stands for; pointers reach
/// `LANES` elements, of any alignment.
pub unsafe trait Lanes: Copy {
    /// Elements in one vector.
    const LANES: usize;
    /// All lanes alike.
    unsafe fn splat(x: f32) -> Self;
    /// From memory.
    unsafe fn load(from: *const f32) -> Self;
    /// To memory.
    unsafe fn store(self, to: *mut f32);
    /// `self * b + c`, rounded once.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    /// `self + b`
    unsafe fn add(self, b: Self) -> Self;
    /// `self / b`
    unsafe fn div(self, b: Self) -> Self;
}

/// Four lanes by plain code: the path of every machine without a better one.
#[derive(Clone, Copy)]
pub struct Portable([f32; 4]);

// SAFETY: needs no instructions beyond the target's own.
unsafe impl Lanes for Portable {
    const LANES: usize = 4;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Portable([x; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: `from` reaches four elements.
        Portable(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: `to` reaches four elements.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn fma(self, b: Self, c: Self) -> Self {
        Portable(std::array::from_fn(|l| self.0[l].mul_add(b.0[l], c.0[l])))
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

/// Declares a vector type over x86 intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! x86_lanes {
    ($name:ident, $register:ident, $lanes:literal, $doc:literal,
     $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident, $div:ident) => {
        #[doc = $doc]
        #[derive(Clone, Copy)]
        pub struct $name(std::arch::x86_64::$register);

        // SAFETY: the methods need what the type stands for; callers check it (see `Variant::here`).
        unsafe impl Lanes for $name {
            const LANES: usize = $lanes;
            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                // SAFETY: the processor has the instruction, by the trait's contract.
                $name(unsafe { std::arch::x86_64::$splat(x) })
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                // SAFETY: as above, and `from` reaches a whole vector.
                $name(unsafe { std::arch::x86_64::$load(from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                // SAFETY: as above, and `to` reaches a whole vector.
                unsafe { std::arch::x86_64::$store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn fma(self, b: Self, c: Self) -> Self {
                // SAFETY: as above.
                $name(unsafe { std::arch::x86_64::$fma(self.0, b.0, c.0) })
            }
            #[inline(always)]
            unsafe fn add(self, b: Self) -> Self {
                // SAFETY: as above.
                $name(unsafe { std::arch::x86_64::$add(self.0, b.0) })
            }
            #[inline(always)]
            unsafe fn div(self, b: Self) -> Self {
                // SAFETY: as above.
                $name(unsafe { std::arch::x86_64::$div(self.0, b.0) })
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
x86_lanes!(
    Avx2,
    __m256,
    8,
    "Eight lanes by AVX2 and FMA.",
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_div_ps
);
#[cfg(target_arch = "x86_64")]
x86_lanes!(
    Avx512,
    __m512,
    16,
    "Sixteen lanes by AVX-512F.",
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    _mm512_div_ps
);

/// What one tile reads and writes.
#[derive(Clone, Copy)]
pub struct TileArgs {
    /// Length of this block of the chain.
    pub k: usize,
    /// `a[row * a_row + k * a_k]`
    pub a: *const f32,
    /// Stride of `a` from row to row.
    pub a_row: isize,
    /// Stride of `a` along `k`.
    pub a_k: isize,
    /// `b[k * b_k + column]`: columns lie side by side.
    pub b: *const f32,
    /// Stride of `b` along `k`.
    pub b_k: isize,
    /// `out[row * out_row + column]`
    pub out: *mut f32,
    /// Stride of `out` from row to row.
    pub out_row: isize,
    /// Whether this block's sum is added to what stands in `out`.
    pub add: bool,
    /// What the result is divided by; 1 for nothing.
    pub divisor: f32,
}

/// One tile.
///
/// # Safety
/// The processor has `L`'s instructions; all that `args` describes for `ROWS` rows and `VECTORS * L::LANES`
/// columns is inside its arrays.
#[inline(always)]
pub unsafe fn tile<L: Lanes, const ROWS: usize, const VECTORS: usize>(args: &TileArgs) {
    // SAFETY: by the contract above, every address below is inside its array and `L` is available.
    unsafe {
        let mut sums = [[L::splat(0.0); VECTORS]; ROWS];
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
                let sum = if args.divisor != 1.0 { sum.div(L::splat(args.divisor)) } else { sum };
                sum.store(to);
            }
        }
    }
}
