//! The order in which examples are seen: a pure function of seed and epoch, the same for ever.

use crate::circuit::draw::SplitMix64;

/// Appends the rows in the order of an epoch (counted from 1).
pub fn push_epoch_order(rows: &[u32], seed: u64, epoch: u32, to: &mut Vec<u32>) {
    let before = to.len();
    to.extend_from_slice(rows);
    let order = &mut to[before..];
    let mixed = SplitMix64::new(seed).draw() ^ u64::from(epoch).wrapping_mul(0xD1B5_4A32_D192_ED03);
    let mut random = SplitMix64::new(mixed);
    // Fisher and Yates.
    for last in (1..order.len()).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch_order(rows: &[u32], seed: u64, epoch: u32) -> Vec<u32> {
        // What is there already stays where it is.
        let mut order = vec![7];
        push_epoch_order(rows, seed, epoch, &mut order);
        assert_eq!(order[0], 7);
        order.split_off(1)
    }

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
}
