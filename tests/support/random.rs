//! Random numbers for tests: a pure function of the seed, the same on every machine.

/// A stream of random numbers (splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
/// 2014).
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Random {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        random.next();
        random
    }

    /// 64 random bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    /// A whole number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A whole number in `low..=high`.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1) as usize) as i64
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True so often.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of several, all alike.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// One of several, by weight.
    ///
    /// # Panics
    /// If no weight is positive.
    pub fn weighted<'a, T>(&mut self, from: &[&'a T], weight: impl Fn(&T) -> u32) -> &'a T {
        let total: u32 = from.iter().map(|row| weight(row)).sum();
        let mut at = self.below(total as usize) as u32;
        for row in from {
            if at < weight(row) {
                return row;
            }
            at -= weight(row);
        }
        unreachable!("the weights sum to {total}")
    }
}
