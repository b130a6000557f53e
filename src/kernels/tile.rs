//! The innermost piece: a tile of `ROWS` by `VECTORS * L::LANES` results held in registers while `k` runs.

use super::ahead::will_write;
use super::variant::Job;
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
    /// Which lanes take part.
    type Mask: Copy;
    /// The first `count` lanes.
    unsafe fn mask(count: usize) -> Self::Mask;
    /// All lanes alike.
    unsafe fn splat(x: Self::Real) -> Self;
    /// From memory.
    unsafe fn load(from: *const Self::Real) -> Self;
    /// Some lanes from memory, which reaches no further than they do; zeros in the others.
    unsafe fn load_part(from: *const Self::Real, mask: Self::Mask) -> Self;
    /// To memory.
    unsafe fn store(self, to: *mut Self::Real);
    /// Some lanes to memory.
    unsafe fn store_part(self, to: *mut Self::Real, mask: Self::Mask);
    /// `self * b + c`, rounded once.
    unsafe fn fma(self, b: Self, c: Self) -> Self;
    /// `self + b`
    unsafe fn add(self, b: Self) -> Self;
    /// `self / b`
    unsafe fn div(self, b: Self) -> Self;
    /// Elements that [`Lanes::transpose`] takes, at least.
    const TURNED: usize = 1;
    /// `to[i * width + lane] = from[places[lane].operand + i]`, for as many places as there are lanes, and `len` elements
    /// of each, [`Lanes::TURNED`] at least.
    #[inline(always)]
    unsafe fn transpose(
        from: *const Self::Real,
        places: &[Place],
        len: usize,
        to: *mut Self::Real,
        width: usize,
    ) {
        for i in 0..len {
            for (lane, place) in places.iter().enumerate() {
                // SAFETY: each place is followed by so many elements, and `to` has as many rows.
                unsafe { *to.add(i * width + lane) = *from.offset(place.operand).add(i) }
            }
        }
    }
}

/// Lanes by plain code: the path of every machine without a better one.
#[derive(Clone, Copy)]
pub struct Portable<T, const LANES: usize>([T; LANES]);

// SAFETY: needs no instructions beyond the target's own.
unsafe impl<T: Real, const LANES: usize> Lanes for Portable<T, LANES> {
    type Real = T;
    const LANES: usize = LANES;
    type Mask = usize;
    #[inline(always)]
    unsafe fn mask(count: usize) -> usize {
        count
    }
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
    unsafe fn load_part(from: *const T, count: usize) -> Self {
        let mut lanes = [T::of(0.0); LANES];
        for (k, lane) in lanes[..count].iter_mut().enumerate() {
            // SAFETY: `from` reaches `count` elements.
            *lane = unsafe { *from.add(k) };
        }
        Portable(lanes)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: `to` reaches so many elements.
        unsafe { to.cast::<[T; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_part(self, to: *mut T, count: usize) {
        for (k, &lane) in self.0[..count].iter().enumerate() {
            // SAFETY: `to` reaches `count` elements.
            unsafe { *to.add(k) = lane }
        }
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
    use super::super::transpose;
    use super::{Lanes, Place};
    use std::arch::x86_64::*;

    /// Unsafe as the others of its kind are.
    #[inline(always)]
    unsafe fn first_of_16(count: usize) -> __mmask16 {
        ((1u32 << count) - 1) as u16
    }

    /// As above.
    #[inline(always)]
    unsafe fn first_of_8_bits(count: usize) -> __mmask8 {
        ((1u32 << count) - 1) as u8
    }

    #[inline(always)]
    unsafe fn first_of_8(count: usize) -> __m256i {
        let lanes: [i32; 8] = std::array::from_fn(|lane| if lane < count { -1 } else { 0 });
        // SAFETY: the array is as long as the vector, and the caller has the instruction.
        unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
    }

    #[inline(always)]
    unsafe fn first_of_4(count: usize) -> __m256i {
        let lanes: [i64; 4] = std::array::from_fn(|lane| if lane < count { -1 } else { 0 });
        // SAFETY: as above.
        unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
    }

    /// Declares a vector type.
    macro_rules! lanes {
        ($name:ident: $lanes:literal of $real:ident in $register:ident, masked by $mask:ident as $bits:ident,
         |$from:ident, $some:ident| $load_part:expr,
         $splat:ident, $load:ident, $store:ident, $store_part:ident, $fma:ident, $add:ident, $div:ident $(, turned by $transpose:path)?) => {
            /// A vector in one register.
            #[derive(Clone, Copy)]
            pub struct $name($register);

            // SAFETY: the methods need what the type stands for; callers check it (see `Variant::here`).
            unsafe impl Lanes for $name {
                type Real = $real;
                const LANES: usize = $lanes;
                type Mask = $bits;
                #[inline(always)]
                unsafe fn mask(count: usize) -> $bits {
                    // SAFETY: the processor has the instruction, by the trait's contract.
                    unsafe { $mask(count) }
                }
                #[inline(always)]
                unsafe fn load_part($from: *const $real, $some: $bits) -> Self {
                    // SAFETY: as above; lanes that are masked are not read.
                    $name(unsafe { $load_part })
                }
                #[inline(always)]
                unsafe fn store_part(self, to: *mut $real, mask: $bits) {
                    // SAFETY: as above; lanes that are masked are not written.
                    unsafe { $store_part(to, mask, self.0) }
                }
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
                $(
                    const TURNED: usize = transpose::AT_ONCE;
                    #[inline(always)]
                    unsafe fn transpose(
                        from: *const $real,
                        places: &[Place],
                        len: usize,
                        to: *mut $real,
                        width: usize,
                    ) {
                        // SAFETY: handed on.
                        unsafe { $transpose(from, places, len, to, width) }
                    }
                )?
            }
        };
    }

    lanes!(
        F32x8: 8 of f32 in __m256, masked by first_of_8 as __m256i,
        |from, some| _mm256_maskload_ps(from, some),
        _mm256_set1_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        _mm256_maskstore_ps,
        _mm256_fmadd_ps,
        _mm256_add_ps,
        _mm256_div_ps,
        turned by transpose::f32x8
    );
    lanes!(
        F64x4: 4 of f64 in __m256d, masked by first_of_4 as __m256i,
        |from, some| _mm256_maskload_pd(from, some),
        _mm256_set1_pd,
        _mm256_loadu_pd,
        _mm256_storeu_pd,
        _mm256_maskstore_pd,
        _mm256_fmadd_pd,
        _mm256_add_pd,
        _mm256_div_pd
    );
    lanes!(
        F32x16: 16 of f32 in __m512, masked by first_of_16 as __mmask16,
        |from, some| _mm512_maskz_loadu_ps(some, from),
        _mm512_set1_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        _mm512_mask_storeu_ps,
        _mm512_fmadd_ps,
        _mm512_add_ps,
        _mm512_div_ps,
        turned by transpose::f32x16
    );
    lanes!(
        F64x8: 8 of f64 in __m512d, masked by first_of_8_bits as __mmask8,
        |from, some| _mm512_maskz_loadu_pd(some, from),
        _mm512_set1_pd,
        _mm512_loadu_pd,
        _mm512_storeu_pd,
        _mm512_mask_storeu_pd,
        _mm512_fmadd_pd,
        _mm512_add_pd,
        _mm512_div_pd
    );
}

/// Where a row of the result is: its elements' offsets in the operand and in the result.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// In the operand.
    pub operand: isize,
    /// In the result.
    pub out: isize,
}

impl Place {
    /// Whether each place is next to the one before in the operand.
    pub fn are_neighbours(places: &[Place]) -> bool {
        places.windows(2).all(|pair| pair[1].operand == pair[0].operand + 1)
    }
}

/// A part of the chain over `k` along which both operands have one stride each.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Where it begins in the rows' operand.
    pub a: isize,
    /// Where it begins in the columns' operand.
    pub b: isize,
    /// How long it is.
    pub len: usize,
}

/// Lanes of the longest vector of any variant.
pub const MOST_LANES: usize = 16;
/// Vectors side by side in the widest tile.
pub const VECTORS: usize = 4;
/// Rows of the highest tile.
pub const ROWS: usize = 8;

/// What tiles read and write.
#[derive(Clone, Copy)]
pub struct TileArgs<'a, T> {
    /// The chain over `k`.
    pub segments: &'a [Segment],
    /// `a[row.operand + segment.a + i * a_k]`
    pub a: *const T,
    /// Stride of `a` within a segment.
    pub a_k: isize,
    /// The rows.
    pub rows: &'a [Place],
    /// Of each vector: `b[segment.b + i * b_k + lane]`.
    pub b: [*const T; VECTORS],
    /// Stride of `b` within a segment.
    pub b_k: isize,
    /// Of each vector: `out[row.out + lane]`.
    pub out: [*mut T; VECTORS],
    /// How many lanes of each vector there are.
    pub lanes: [usize; VECTORS],
    /// Whether this block's sum is added to what stands in `out`.
    pub add: bool,
    /// What the result is divided by; 1 for nothing.
    pub divisor: T,
}

/// Does something for each row, or vector, of a tile, of whose number it makes a constant: written out, so that what is
/// indexed by it is in registers from the first pass of the compiler on. A loop is unrolled too late for that.
macro_rules! for_each {
    ($index:ident < ROWS: $body:expr) => {
        for_each!($index < ROWS: $body; 0 1 2 3 4 5 6 7)
    };
    ($index:ident < COLUMNS: $body:expr) => {
        for_each!($index < COLUMNS: $body; 0 1 2 3)
    };
    ($index:ident < $end:ident: $body:expr; $($value:literal)*) => {$(
        if $value < $end {
            const $index: usize = $value;
            $body
        }
    )*};
}

/// One tile, of some of the rows. `WHOLE`: every lane is there.
///
/// # Safety
/// The processor has `L`'s instructions; all that `args` describes for `ROWS` rows and `COLUMNS` vectors is inside its
/// arrays.
#[inline(always)]
unsafe fn tile<L: Lanes, const ROWS: usize, const COLUMNS: usize, const WHOLE: bool>(
    args: &TileArgs<L::Real>,
    rows: &[Place],
) {
    // SAFETY: by the contract above, every address below is inside its array and `L` is available.
    unsafe {
        let zero = L::splat(L::Real::of(0.0));
        let mut sums = [[zero; VECTORS]; self::ROWS];
        let mut a = [args.a; self::ROWS];
        let mut masks = [L::mask(0); VECTORS];
        for_each!(V < COLUMNS: masks[V] = L::mask(args.lanes[V]));
        for_each!(I < ROWS: a[I] = args.a.wrapping_offset(rows.get_unchecked(I).operand));
        let mut segments = args.segments.iter();
        if let Some(&Segment { a: mut at_a, b: mut at_b, len: mut left }) = segments.next() {
            // One loop through all parts: with a loop inside a loop the compiler moves every sum to another register
            // and back at each turn.
            loop {
                let mut row = [zero; VECTORS];
                for_each!(V < COLUMNS: {
                    let from = args.b[V].wrapping_offset(at_b);
                    row[V] = if WHOLE { L::load(from) } else { L::load_part(from, masks[V]) };
                });
                for_each!(I < ROWS: {
                    let x = L::splat(*a[I].wrapping_offset(at_a));
                    for_each!(V < COLUMNS: sums[I][V] = x.fma(row[V], sums[I][V]));
                });
                (at_a, at_b, left) = (at_a + args.a_k, at_b + args.b_k, left - 1);
                if left == 0 {
                    let Some(next) = segments.next() else { break };
                    (at_a, at_b, left) = (next.a, next.b, next.len);
                }
            }
        }
        if args.add {
            for_each!(I < ROWS: {
                for_each!(V < COLUMNS: {
                    let to = args.out[V].wrapping_offset(rows.get_unchecked(I).out);
                    sums[I][V] = if WHOLE { L::load(to) } else { L::load_part(to, masks[V]) }.add(sums[I][V]);
                });
            });
        }
        if args.divisor != L::Real::of(1.0) {
            let divisor = L::splat(args.divisor);
            for_each!(I < ROWS: {
                for_each!(V < COLUMNS: sums[I][V] = sums[I][V].div(divisor));
            });
        }
        for_each!(I < ROWS: {
            for_each!(V < COLUMNS: {
                let to = args.out[V].wrapping_offset(rows.get_unchecked(I).out);
                if WHOLE { sums[I][V].store(to) } else { sums[I][V].store_part(to, masks[V]) }
            });
        });
    }
}

/// All rows, in tiles of about the same height. One job for all of them: where the chain over `k` is short, to begin a job
/// takes as long as a tile.
#[derive(Clone, Copy)]
pub struct Tiles<'a, T> {
    /// What they read and write.
    pub args: TileArgs<'a, T>,
    /// Vectors side by side.
    pub vectors: usize,
    /// Whether every lane is there.
    pub whole: bool,
    /// Rows of the highest.
    pub height: usize,
    /// Whether results are asked for while the sums are made: stores would wait for one line after the other.
    pub far: bool,
}

impl<T: Real> Job for Tiles<'_, T> {
    type Real = T;
    type Output = ();

    /// # Safety
    /// As [`tile`].
    #[inline(always)]
    unsafe fn run<L: Lanes<Real = T>>(self) {
        macro_rules! choose {
            ($tile:ident; $($vectors:literal: $($rows:literal)*;)*) => {
                match (self.vectors, $tile.len(), self.whole) {
                    $($(
                        ($vectors, $rows, false) => tile::<L, $rows, $vectors, false>(&self.args, $tile),
                        ($vectors, $rows, true) => tile::<L, $rows, $vectors, true>(&self.args, $tile),
                    )*)*
                    _ => unreachable!("tiles have at most {VECTORS} vectors, and rows as `Variant::height` says"),
                }
            };
        }
        let mut rest = self.args.rows;
        let mut tiles = rest.len().div_ceil(self.height);
        while tiles > 0 {
            let (rows, after) = rest.split_at(rest.len().div_ceil(tiles));
            (rest, tiles) = (after, tiles - 1);
            if self.far {
                let lines = |place: &Place| {
                    self.args.out[..self.vectors]
                        .iter()
                        .for_each(|out| will_write(out.wrapping_offset(place.out)));
                };
                rows.iter().for_each(lines);
            }
            // SAFETY: handed on.
            unsafe {
                choose!(rows; 1: 1 2 3 4 5 6 7 8; 2: 1 2 3 4 5 6 7 8; 3: 1 2 3 4 5 6 7 8; 4: 1 2 3 4 5 6;)
            }
        }
    }
}
