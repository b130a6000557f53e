//! Sums of products that native code calls: `out[batch, m, n] = Σ_k a[batch, m, k] * b[batch, n, k]`.
//!
//! A [`Contract`] of the schedule is prepared once into a [`Task`] (axes joined, orientation and packing chosen),
//! then [`contract`] runs it each step. Every [`Variant`] follows the definition of bits in
//! [`crate::plan::schedule`], as does the slow [`reference`]: they agree exactly.
//!
//! - [`task`]: what is decided before the first step.
//! - [`tile`]: the register-blocked inner product, for each vector width.

pub mod task;
mod tile;
mod walk;

#[cfg(test)]
mod tests;

pub use crate::plan::contraction::{even_blocks, reference};
pub use task::{Task, Variant};
pub use tile::Real;

use crate::plan::contraction::{count, offsets};

/// Runs a prepared contraction.
///
/// # Safety
/// `a`, `b` and `out` point to the first elements of the buffers that the contraction names, moved by the terms of its
/// addresses (their constants are added here), each as long as its axes reach for `n` examples, `1 ≤ n ≤ capacity`; `out` overlaps neither
/// operand; `T` is the type that the task was prepared for. `scratch` has [`Task::scratch_len`] elements, used by nobody else meanwhile.
pub unsafe extern "C" fn contract<T: Real>(
    task: *const Task,
    a: *const T,
    b: *const T,
    out: *mut T,
    n: u64,
    scratch: *mut T,
) {
    // SAFETY: handed on from the caller.
    unsafe { (*task).run(a, b, out, n as usize, scratch) }
}
