//! Sums of products that native code calls: `out[batch, m, n] = Σ_k a[batch, m, k] * b[batch, n, k]`.
//!
//! A [`Contract`] of the schedule is prepared once into a [`Task`] (axes joined, orientation and packing chosen),
//! then [`contract`] runs it each step. Every [`Variant`] follows the definition of bits in
//! [`crate::plan::schedule`], as does the slow [`reference`]: they agree exactly.
//!
//! - [`task`]: what is decided before the first step.
//! - `pack`, `transpose`: columns copied side by side before they are read.
//! - `variant`: the instructions by which all of this is run.
//! - [`peak`](peak()): what the processor could do at most.
//! - [`tile`]: the register-blocked inner product, for each vector width.

mod pack;
mod peak;
pub mod task;
mod tile;
#[cfg(target_arch = "x86_64")]
mod transpose;
mod variant;
mod walk;

#[cfg(test)]
mod tests;

pub use crate::plan::contraction::{even_blocks, reference};
pub use peak::peak;
pub use task::Task;
pub use tile::Real;
pub use variant::Variant;

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
