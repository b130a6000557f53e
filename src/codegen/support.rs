//! Rust functions that native code calls, by the names under which it finds them.

use crate::kernels;
use crate::plan::interpret;

/// Name and address of everything that native code may call.
pub fn symbols() -> [(&'static str, *const u8); 7] {
    [
        ("contract", kernels::contract as *const u8),
        ("scatter", scatter as *const u8),
        ("gather", gather as *const u8),
        // What Cranelift calls on a processor without the instruction.
        ("fmaf", fmaf as *const u8),
        ("floorf", floorf as *const u8),
        ("ceilf", ceilf as *const u8),
        ("nearbyintf", nearbyintf as *const u8),
    ]
}

/// Copies the rows of a column that belong to the examples of a batch.
///
/// # Safety
/// `examples` has `n` numbers; `column` has `row` elements for each example up to the largest number; `out` has
/// room for `n` rows.
pub unsafe extern "C" fn gather(out: *mut f32, column: *const f32, examples: *const u32, n: u64, row: u64) {
    let row = row as usize;
    for k in 0..n as usize {
        // SAFETY: within the bounds that the caller promises; a data set and a workspace do not overlap.
        unsafe {
            let from = column.add(*examples.add(k) as usize * row);
            std::ptr::copy_nonoverlapping(from, out.add(k * row), row);
        }
    }
}

/// See [`interpret::scatter`]; `divisor` 0 divides by nothing.
///
/// # Safety
/// `out` has `len` elements, `index` `count` and `value` `count * row`; they do not overlap.
pub unsafe extern "C" fn scatter(
    out: *mut f32,
    len: u64,
    index: *const f32,
    value: *const f32,
    count: u64,
    row: u64,
    divisor: u64,
) {
    let (count, row) = (count as usize, row as usize);
    // SAFETY: the lengths are those that the caller promises.
    let (out, index, value) = unsafe {
        (
            std::slice::from_raw_parts_mut(out, len as usize),
            std::slice::from_raw_parts(index, count),
            std::slice::from_raw_parts(value, count * row),
        )
    };
    interpret::scatter(out, index, value, row, (divisor != 0).then_some(divisor as usize));
}

extern "C" fn fmaf(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}

extern "C" fn floorf(a: f32) -> f32 {
    a.floor()
}

extern "C" fn ceilf(a: f32) -> f32 {
    a.ceil()
}

extern "C" fn nearbyintf(a: f32) -> f32 {
    a.round_ties_even()
}
