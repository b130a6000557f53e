//! The order in which examples are seen: a pure function of seed and epoch, the same for ever.

/// SplitMix64 (Steele, Lea and Flood, 2014): a stream of 64-bit numbers from any seed.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        SplitMix64(seed)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number in `0..bound`, each as likely but for less than `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.draw()) * u128::from(bound)) >> 64) as u64
    }

    /// Puts a list in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// The rows in the order of an epoch (counted from 1).
pub fn epoch_order(rows: &[u32], seed: u64, epoch: u32) -> Vec<u32> {
    let mut order = rows.to_vec();
    let mixed = SplitMix64::new(seed).draw() ^ u64::from(epoch).wrapping_mul(0xD1B5_4A32_D192_ED03);
    SplitMix64::new(mixed).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_permutation_that_seed_and_epoch_fix() {
        let rows: Vec<u32> = (0..100).collect();
        let order = epoch_order(&rows, 1, 1);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, rows);
        assert_eq!(order, epoch_order(&rows, 1, 1));
        assert_ne!(order, epoch_order(&rows, 1, 2));
        assert_ne!(order, epoch_order(&rows, 2, 1));
    }

    /// The published first output for seed 0.
    #[test]
    fn the_stream_is_splitmix64() {
        assert_eq!(SplitMix64::new(0).draw(), 0xE220_A839_7B1D_CDAF);
    }
}
