//! The meaning of a [`Contract`], element by element: what every kernel must equal bit for bit.

use super::schedule::{Contract, ContractAxis};
use crate::interpret::Element;

/// Elements of 32 bits of a line of memory, as caches hold it.
pub const LINE: u64 = 16;

/// Number of blocks and their length for a chain over `extent` in even blocks of at most `longest`: see the
/// definition of bits in [`crate::plan::schedule`].
pub fn even_blocks(extent: usize, longest: usize) -> (usize, usize) {
    let blocks = extent.div_ceil(longest).max(1);
    (blocks, extent.div_ceil(blocks))
}

/// The definition: one element after another, by chains of fused multiply-adds in even blocks. `a`, `b` and `out`
/// are the whole buffers; no variable moves them.
pub fn reference<T: Element>(contract: &Contract, a: &[T], b: &[T], out: &mut [T], n: usize) {
    let (k_extent, k_at) = (count(&contract.k, n), |k| offsets(&contract.k, k, n));
    let (blocks, length) = even_blocks(k_extent, contract.k_block as usize);
    for batch in 0..count(&contract.batch, n) {
        for m in 0..count(&contract.m, n) {
            for col in 0..count(&contract.n, n) {
                let starts = [
                    offsets(&contract.batch, batch, n),
                    offsets(&contract.m, m, n),
                    offsets(&contract.n, col, n),
                    [contract.a.at.offset, contract.b.at.offset, contract.out.at.offset],
                ];
                let at: [i64; 3] = std::array::from_fn(|which| starts.iter().map(|s| s[which]).sum());
                let block_sum = |block: usize| {
                    let end = k_extent.min((block + 1) * length);
                    (block * length..end).fold(T::of(0.0), |sum, k| {
                        let [ka, kb, _] = k_at(k);
                        a[(at[0] + ka) as usize].fma(b[(at[1] + kb) as usize], sum)
                    })
                };
                let sum = (1..blocks).fold(block_sum(0), |sum, block| sum + block_sum(block));
                out[at[2] as usize] = if contract.mean { sum / T::of(n as f64) } else { sum };
            }
        }
    }
}

/// Elements of a group of axes for `n` examples.
pub fn count(axes: &[ContractAxis], n: usize) -> usize {
    axes.iter().map(|axis| axis.extent.len_for(n)).product()
}

/// Offsets in `a`, `b` and `out` of the row-major position `flat` in a group of axes.
pub fn offsets(axes: &[ContractAxis], mut flat: usize, n: usize) -> [i64; 3] {
    let mut at = [0; 3];
    for axis in axes.iter().rev() {
        let (rest, i) = (flat / axis.extent.len_for(n), (flat % axis.extent.len_for(n)) as i64);
        flat = rest;
        at = [at[0] + i * axis.a, at[1] + i * axis.b, at[2] + i * axis.out];
    }
    at
}

/// Whether so many lines of memory, a stride of elements of 32 bits apart, displace one another in a cache of 64 sets of
/// eight lines: strides of large powers of two reach few of the sets.
pub fn is_crowded(stride: i64, lines: usize) -> bool {
    const SETS: u32 = 64;
    const WAYS: usize = 8;
    let sets = SETS >> (stride.trailing_zeros().saturating_sub(LINE.ilog2())).min(SETS.ilog2());
    stride.unsigned_abs() >= LINE && lines > WAYS * sets as usize
}
