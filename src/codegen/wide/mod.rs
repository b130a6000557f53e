//! Nests in vectors of sixteen numbers, for processors that have them (AVX-512).
//!
//! Cranelift's vectors have four numbers of 32 bits. Where a nest does enough, and what it does has a form here, it
//! is a function of its own, made without Cranelift: the same statements on wider vectors, with the same bits. What
//! is left of a loop that sixteen do not divide runs once more under a mask.
//!
//! - `cost`: whether they are faster.
//! - `unroll`: writes small loops out.
//! - `lower`: [`crate::plan::schedule::Nest`] to `code`, loops of operations; `gates`, `folds`: the programs of
//!   gates, and folds.
//! - `loops`, `operations`, `memory`: `code` to machine code, which `assembler` collects; `registers`: which vector is
//!   in which register.

mod assembler;
mod code;
mod cost;
mod folds;
mod gates;
mod loops;
mod lower;
mod memory;
mod operations;
mod registers;
mod unroll;

use super::{Options, Width, walk};
use crate::circuit::Dtype;
use crate::plan::schedule::*;

/// Machine code of a nest, and its text if one is asked for; none where Cranelift's is to be used. The function takes
/// what [`super::emitter::Operands`] says, in the registers that System V has for that. `within`: the variable of
/// the recurrence around.
pub fn function(
    schedule: &Schedule,
    nest: &Nest,
    within: Option<Var>,
    options: Options,
) -> Option<(Vec<u8>, String)> {
    let possible = schedule.dtype == Dtype::F32 && !options.without_fma && available();
    if !possible || options.width == Width::Narrow {
        return None;
    }
    let body = unroll::unroll(schedule, &nest.body);
    let wanted = match options.width {
        Width::Narrow => false,
        Width::Chosen => cost::cost(schedule, nest, &body).is_wide(),
        Width::Wide => true,
    };
    if !wanted {
        return None;
    }
    loops::emit(&lower::lower(schedule, &body, within)?, options.listing)
}

/// Whether this processor and system run such functions.
#[cfg(all(target_arch = "x86_64", unix))]
pub fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
        && is_x86_feature_detected!("bmi2")
}

/// Whether this processor and system run such functions.
#[cfg(not(all(target_arch = "x86_64", unix)))]
pub fn available() -> bool {
    false
}

/// Whether some loop is to run in lanes.
fn runs_in_lanes(body: &[Stmt]) -> bool {
    let mut some = false;
    walk::statements(body, &mut |stmt| {
        some |= matches!(stmt, Stmt::For { hint: Hint::Vector, .. } | Stmt::Fold { hint: Hint::Vector, .. });
    });
    some
}

/// Statements of a body, those in loops too.
fn walked(body: &[Stmt]) -> usize {
    let mut count = 0;
    walk::statements(body, &mut |_| count += 1);
    count
}
