//! Squares of numbers turned over in registers: `to[i * width + lane] = from[places[lane].operand + i]`.

use super::tile::Place;
use std::arch::x86_64::*;

/// Sixteen by sixteen.
///
/// # Safety
/// The processor has AVX-512F; there are sixteen places, each followed by sixteen elements; `to` has sixteen rows.
#[inline(always)]
pub(super) unsafe fn f32x16(from: *const f32, places: &[Place], to: *mut f32, width: usize) {
    // SAFETY: by the contract above.
    unsafe {
        let rows: [__m512; 16] =
            std::array::from_fn(|lane| _mm512_loadu_ps(from.offset(places[lane].operand)));
        // Pairs of rows, then fours: in each quarter of 128 bits stands one column of four rows.
        let pairs: [__m512d; 16] = std::array::from_fn(|k| {
            let (a, b) = (rows[k & !1], rows[k | 1]);
            _mm512_castps_pd(if k % 2 == 0 { _mm512_unpacklo_ps(a, b) } else { _mm512_unpackhi_ps(a, b) })
        });
        let fours: [__m512; 16] = std::array::from_fn(|k| {
            let first = (k & !3) + (k & 3) / 2;
            let (a, b) = (pairs[first], pairs[first + 2]);
            _mm512_castpd_ps(if k % 2 == 0 { _mm512_unpacklo_pd(a, b) } else { _mm512_unpackhi_pd(a, b) })
        });
        for column in 0..4 {
            let part = |k: usize| fours[4 * k + column];
            // Quarters 0 and 2, or 1 and 3, of two fours of rows.
            let (even, odd) = (
                [
                    _mm512_shuffle_f32x4::<0x88>(part(0), part(1)),
                    _mm512_shuffle_f32x4::<0x88>(part(2), part(3)),
                ],
                [
                    _mm512_shuffle_f32x4::<0xDD>(part(0), part(1)),
                    _mm512_shuffle_f32x4::<0xDD>(part(2), part(3)),
                ],
            );
            let row = |k: usize| to.add((column + 4 * k) * width);
            _mm512_storeu_ps(row(0), _mm512_shuffle_f32x4::<0x88>(even[0], even[1]));
            _mm512_storeu_ps(row(1), _mm512_shuffle_f32x4::<0x88>(odd[0], odd[1]));
            _mm512_storeu_ps(row(2), _mm512_shuffle_f32x4::<0xDD>(even[0], even[1]));
            _mm512_storeu_ps(row(3), _mm512_shuffle_f32x4::<0xDD>(odd[0], odd[1]));
        }
    }
}

/// Eight by eight.
///
/// # Safety
/// As [`f32x16`], of eight, with AVX2.
#[inline(always)]
pub(super) unsafe fn f32x8(from: *const f32, places: &[Place], to: *mut f32, width: usize) {
    // SAFETY: by the contract above.
    unsafe {
        let rows: [__m256; 8] =
            std::array::from_fn(|lane| _mm256_loadu_ps(from.offset(places[lane].operand)));
        let pairs: [__m256d; 8] = std::array::from_fn(|k| {
            let (a, b) = (rows[k & !1], rows[k | 1]);
            _mm256_castps_pd(if k % 2 == 0 { _mm256_unpacklo_ps(a, b) } else { _mm256_unpackhi_ps(a, b) })
        });
        let fours: [__m256; 8] = std::array::from_fn(|k| {
            let first = (k & !3) + (k & 3) / 2;
            let (a, b) = (pairs[first], pairs[first + 2]);
            _mm256_castpd_ps(if k % 2 == 0 { _mm256_unpacklo_pd(a, b) } else { _mm256_unpackhi_pd(a, b) })
        });
        for column in 0..4 {
            let (upper, lower) = (fours[column], fours[4 + column]);
            _mm256_storeu_ps(to.add(column * width), _mm256_permute2f128_ps::<0x20>(upper, lower));
            _mm256_storeu_ps(to.add((column + 4) * width), _mm256_permute2f128_ps::<0x31>(upper, lower));
        }
    }
}
