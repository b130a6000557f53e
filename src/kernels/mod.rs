//! Sums of products that native code calls: `out[batch, m, n] = Σ_k a[batch, m, k] * b[batch, n, k]`.
//!
//! A [`Contract`] of the schedule is prepared once into a [`Task`] (axes joined, orientation and packing chosen),
//! then [`contract`] runs it each step. Every [`Variant`] follows the definition of bits in
//! [`crate::plan::schedule`], as does the slow [`reference`]: they agree exactly.
//!
//! - [`task`]: what is decided before the first step. `run`: how it then runs, along a `chain` of blocks.
//! - `pack`, `transpose`: columns copied side by side before they are read. `rows`: rows, where they lie or copied.
//!   `scatter`: sums copied to where they belong. `ahead`: memory asked for before it is needed.
//! - [`Memory`], [`Equipment`], `pool`, `gain`: memory and threads to work with, where they gain.
//! - `variant`: the instructions by which all of this is run.
//! - [`peak`](peak()): what the processor could do at most.
//! - [`tile`]: the register-blocked inner product, for each vector width. [`made`]: the same by functions that are made for
//!   a product.

mod ahead;
mod chain;
mod equipment;
mod gain;
pub mod made;
mod memory;
mod pack;
mod peak;
mod pool;
mod rows;
mod run;
mod scatter;
pub mod task;
mod tile;
#[cfg(target_arch = "x86_64")]
mod transpose;
mod variant;
mod walk;

#[cfg(test)]
mod tests;

pub use crate::plan::contraction::{even_blocks, reference};
pub use ahead::will_read;
pub use equipment::Equipment;
pub use memory::{CacheLine, Memory};
pub use peak::peak;
pub use task::Task;
pub use tile::Real;
pub use variant::Variant;

use crate::plan::contraction::{count, is_crowded, offsets};

/// Runs a prepared contraction.
///
/// # Safety
/// `a`, `b` and `out` point to the first elements of the buffers that the contraction names, moved by the terms of its
/// addresses (their constants are added here), each as long as its axes reach for `n` examples, `1 ≤ n ≤ capacity`;
/// `out` overlaps neither operand; `T` is the type that the task was prepared for. The equipment is for this task among
/// others, and used by nobody else meanwhile.
pub unsafe extern "C" fn contract<T: Real>(
    task: *const Task,
    a: *const T,
    b: *const T,
    out: *mut T,
    n: u64,
    equipment: *mut Equipment,
) {
    // SAFETY: the caller's promises.
    let (equipment, made) = unsafe { (&mut *equipment, &*task) };
    let work = |scratch, pool: Option<&mut pool::Pool>| {
        // SAFETY: handed on from the caller.
        unsafe {
            match pool {
                Some(pool) => made.run([a, b], out, scratch, n as usize, pool),
                None => made.run_alone([a, b], out, scratch, n as usize, None),
            }
        }
    };
    match made.is_long(n as usize) {
        true => equipment.shared(task.addr(), n, work),
        false => equipment.alone(|scratch| work(scratch, None)),
    }
}

/// Runs a prepared contraction on the calling thread, for all examples or for some: then others may compute those of other
/// examples at the same time.
///
/// # Safety
/// As of [`contract`]; [`Task::by_example`] allows it for some `examples`, which begin at a multiple of that number and end
/// at one, or at `n`; `scratch` has [`Task::own_len`] elements, for this call alone.
pub unsafe fn contract_alone<T: Real>(
    task: &Task,
    operands: [*const T; 2],
    out: *mut T,
    n: usize,
    examples: Option<std::ops::Range<usize>>,
    scratch: *mut T,
) {
    // SAFETY: the caller's promises.
    unsafe { task.run_alone(operands, out, scratch, n, examples) }
}
