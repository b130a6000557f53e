//! Draws: numbers that are a pure function of the seed, the site, the step, the example and the element.
//!
//! No state is kept, so nothing depends on the order of evaluation, threads, batching or resumption. What
//! changes at most once a step is mixed on the host, in 64 bits ([`key`]); what changes from element to element
//! is mixed with 32-bit xors, shifts and wrapping products only ([`uniform`]), which every vector unit has.
//!
//! [`SplitMix64`] is the one stream of numbers for what is drawn in order, outside of circuits: splits and orders of
//! examples.

/// The key of one site at one step.
///
/// Each part goes through a round of [`SplitMix64`].
pub fn key(seed: u64, site: u64, step: u64) -> [u32; 2] {
    let round = |x| SplitMix64::new(x).draw();
    let mixed = round(round(round(seed) ^ site) ^ step);
    [mixed as u32, (mixed >> 32) as u32]
}

/// The number by which draws of a path are told apart: FNV-1a, 64 bits
/// (<https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>).
pub fn site(path: &str) -> u64 {
    path.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A number uniform in (0, 1), never either end: one of the 2^23 midpoints `(k + 1/2) / 2^23`, each exact in f32.
///
/// `example` is the example's number in the data set, 0 for a shared draw; `element` is the row-major position
/// in the array drawn.
pub fn uniform(key: [u32; 2], example: u32, element: u32) -> f32 {
    let round = mix(element ^ key[0]);
    let hash = mix(round ^ key[1] ^ example.wrapping_mul(EXAMPLE));
    ((hash >> 9) as f32 + 0.5) * (1.0 / (1 << 23) as f32)
}

/// Spreads neighbouring examples over all bits: 2^32 divided by the golden ratio, odd.
pub const EXAMPLE: u32 = 0x9e37_79b9;

/// Shifts and factors of [`mix`].
pub const MIX: ([u32; 3], [u32; 2]) = ([16, 15, 16], [0x7feb_352d, 0x846c_a68b]);

/// A bijection of 32 bits of the form of MurmurHash3's finaliser, with the constants of `lowbias32`
/// (C. Wellons, "Prospecting for hash functions", 2018), whose avalanche is closer to even.
pub fn mix(mut x: u32) -> u32 {
    let ([first, second, third], [a, b]) = MIX;
    x = (x ^ x >> first).wrapping_mul(a);
    x = (x ^ x >> second).wrapping_mul(b);
    x ^ x >> third
}

/// A stream of 64-bit numbers from any seed (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// 2014).
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        SplitMix64(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = self.0;
        let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// A number from 0 to 1, less than 1: 53 bits are what an `f64` holds.
    pub fn uniform(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number in `0..bound`, each as likely but for less than `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: u32 = 1 << 20;

    type Draws = fn(u32) -> f32;

    /// The correlation of `a(k)` and `b(k)` over many `k`, both uniform in (0, 1).
    fn correlation(a: impl Fn(u32) -> f32, b: impl Fn(u32) -> f32) -> f64 {
        let product = |k| (f64::from(a(k)) - 0.5) * (f64::from(b(k)) - 0.5);
        (0..MANY).map(product).sum::<f64>() / f64::from(MANY) * 12.0
    }

    /// Ways of drawing many numbers: along elements, along examples, along steps, and along a grid of both.
    fn sequences() -> [(&'static str, Draws); 4] {
        [
            ("elements", |k| uniform(key(1, 2, 3), 0, k)),
            ("examples", |k| uniform(key(1, 2, 3), k, 5)),
            ("steps", |k| uniform(key(1, 2, k.into()), 0, 0)),
            ("examples by elements", |k| uniform(key(7, 0, 1), k / 64, k % 64)),
        ]
    }

    #[test]
    fn mean_and_variance_are_those_of_the_uniform_distribution() {
        for (along, draw) in sequences() {
            let mean = (0..MANY).map(|k| f64::from(draw(k))).sum::<f64>() / f64::from(MANY);
            let variance = correlation(draw, draw) / 12.0;
            // The standard deviations are 0.29 and 0.075, divided by the square root of the count, 1024.
            assert!((mean - 0.5).abs() < 4.0 * 0.29 / 1024.0, "{along}: mean {mean}");
            assert!((variance - 1.0 / 12.0).abs() < 4.0 * 0.075 / 1024.0, "{along}: variance {variance}");
        }
    }

    #[test]
    fn neighbours_are_uncorrelated() {
        let limit = 4.0 / 1024.0;
        for (along, draw) in sequences() {
            for distance in [1, 2, 3, 4, 16, 64, 256] {
                let found = correlation(draw, |k| draw(k + distance));
                assert!(found.abs() < limit, "{along}, at distance {distance}: {found}");
            }
        }
        let other = |k| uniform(key(2, 2, 3), 0, k);
        assert!(correlation(sequences()[0].1, other).abs() < limit, "neighbouring seeds");
        let other = |k| uniform(key(1, 3, 3), 0, k);
        assert!(correlation(sequences()[0].1, other).abs() < limit, "neighbouring sites");
        let other = |k| uniform(key(1, 2, 4), 0, k);
        assert!(correlation(sequences()[0].1, other).abs() < limit, "neighbouring steps");
    }

    #[test]
    fn bins_are_filled_evenly() {
        for (along, draw) in sequences() {
            for low_bits in [false, true] {
                let mut bins = [0u32; 256];
                for k in 0..MANY {
                    let scaled = if low_bits { draw(k) * 32768.0 } else { draw(k) };
                    bins[(scaled.fract() * 256.0) as usize] += 1;
                }
                let expected = f64::from(MANY) / 256.0;
                let chi: f64 = bins.iter().map(|&n| (f64::from(n) - expected).powi(2) / expected).sum();
                // 255 degrees of freedom: mean 255, standard deviation 22.6.
                assert!((chi - 255.0).abs() < 4.5 * 22.6, "{along}, low bits {low_bits}: {chi}");
            }
        }
    }

    /// The published first output for seed 0.
    #[test]
    fn the_stream_is_splitmix64() {
        assert_eq!(SplitMix64::new(0).draw(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn both_ends_are_excluded() {
        let least = (0.5f32) * (1.0 / (1 << 23) as f32);
        let largest = (((1u32 << 23) - 1) as f32 + 0.5) * (1.0 / (1 << 23) as f32);
        assert!(least > 0.0 && largest < 1.0);
        assert_eq!(1.0 - largest, least);
    }
}
