//! Lines of numbers turned over in registers: `to[i * width + lane] = from[places[lane].operand + i]`.
//!
//! Four numbers of a line are put from memory into the quarter, or half, of a vector that they are to have, which several
//! ports of a processor can do; only turning over what is within 128 bits is left to the one that exchanges numbers.

use super::tile::Place;
use std::arch::x86_64::*;

/// Elements of each line that are turned over at once, at least.
pub(super) const AT_ONCE: usize = 4;

/// Declares how lines of `f32` are turned over: as many as a vector has lanes, which are so many fours.
macro_rules! turned {
    ($name:ident, $fours:literal fours, with $feature:literal,
     from $first:ident ($($next:ident at $four:literal),+),
     by $lower_ps:ident, $upper_ps:ident, $lower_pd:ident, $upper_pd:ident,
     as $as_pd:ident, $as_ps:ident, stored by $store:ident) => {
        #[doc = concat!("The first `len` elements, four at least.\n\n# Safety\nThe processor has ", $feature, "; there is a place for each lane, each followed by `len` elements; `to` has as many rows.")]
        #[inline(always)]
        pub(super) unsafe fn $name(from: *const f32, places: &[Place], len: usize, to: *mut f32, width: usize) {
            const SEVERAL: usize = $fours * AT_ONCE;
            let mut i = 0;
            // SAFETY: by the contract above; the last four end where the lines do.
            unsafe {
                while i + SEVERAL <= len {
                    fours::<$fours>(from.add(i), places, to.add(i * width), width);
                    i += SEVERAL;
                }
                while i < len {
                    let at = i.min(len - AT_ONCE);
                    fours::<1>(from.add(at), places, to.add(at * width), width);
                    i += AT_ONCE;
                }
            }

            /// So many times four elements.
            ///
            /// # Safety
            /// As above, of these.
            #[inline(always)]
            unsafe fn fours<const COUNT: usize>(from: *const f32, places: &[Place], to: *mut f32, width: usize) {
                // SAFETY: as above.
                unsafe {
                    let mut lines = [[$first(_mm_setzero_ps()); 4]; COUNT];
                    for k in 0..4 {
                        for (i, lines) in lines.iter_mut().enumerate() {
                            let from = from.add(i * AT_ONCE);
                            let line = $first(_mm_loadu_ps(from.offset(places[k].operand)));
                            $(let line = $next::<$four>(line, _mm_loadu_ps(from.offset(places[k + $four * 4].operand)));)+
                            lines[k] = line;
                        }
                    }
                    for (i, [a, b, c, d]) in lines.into_iter().enumerate() {
                        let (ab, upper_ab) = ($as_pd($lower_ps(a, b)), $as_pd($upper_ps(a, b)));
                        let (cd, upper_cd) = ($as_pd($lower_ps(c, d)), $as_pd($upper_ps(c, d)));
                        let to = to.add(i * AT_ONCE * width);
                        $store(to, $as_ps($lower_pd(ab, cd)));
                        $store(to.add(width), $as_ps($upper_pd(ab, cd)));
                        $store(to.add(2 * width), $as_ps($lower_pd(upper_ab, upper_cd)));
                        $store(to.add(3 * width), $as_ps($upper_pd(upper_ab, upper_cd)));
                    }
                }
            }
        }
    };
}

turned!(
    f32x16, 4 fours, with "AVX-512F",
    from _mm512_castps128_ps512 (_mm512_insertf32x4 at 1, _mm512_insertf32x4 at 2, _mm512_insertf32x4 at 3),
    by _mm512_unpacklo_ps, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpackhi_pd,
    as _mm512_castps_pd, _mm512_castpd_ps, stored by _mm512_storeu_ps
);
turned!(
    f32x8, 2 fours, with "AVX2",
    from _mm256_castps128_ps256 (_mm256_insertf128_ps at 1),
    by _mm256_unpacklo_ps, _mm256_unpackhi_ps, _mm256_unpacklo_pd, _mm256_unpackhi_pd,
    as _mm256_castps_pd, _mm256_castpd_ps, stored by _mm256_storeu_ps
);
