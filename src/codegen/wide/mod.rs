//! Nests in wide vectors, for processors that have them: of sixteen numbers (AVX-512) or eight (AVX2).
//!
//! Cranelift's vectors have four numbers of 32 bits. Where a nest does enough, and what it does has a form here, it
//! is a function of its own, made without Cranelift: the same statements on wider vectors, with the same bits. What
//! whole vectors leave of a loop runs once more under a mask.
//!
//! - `cost`: whether they are faster.
//! - `unroll`: writes small loops out. `share`: what threads share of a nest.
//! - `lower`: [`crate::plan::schedule::Nest`] to `code`, loops of operations; `gates`, `folds`: the programs of
//!   gates, and folds; `jam`: several vectors side by side.
//! - `straight`: a step that does little is one function without loops, for whole batches; `products`: its contractions.
//! - `tiles`: the tiles of larger products, which kernels call.
//! - `loops`, `operations`, `memory`: `code` to machine code, which `assembler` collects; `registers`: which vector is
//!   in which register. `instructions`: the sets of instructions; `avx2`, `avx512`: what each does in its own way.

mod assembler;
mod avx2;
mod avx512;
mod code;
mod cost;
mod folds;
mod gates;
mod instructions;
mod jam;
mod loops;
mod lower;
mod memory;
mod operations;
mod products;
mod registers;
mod share;
mod straight;
pub mod tiles;
mod unroll;

pub use instructions::Instructions;
pub use share::{Portion, Portions, Sharing};

use super::product::{self, Product};
use super::{Options, Width, invariant, vectorise};
use crate::plan::schedule::*;
use crate::plan::walk;
use rustc_hash::FxHashMap;
use straight::Straight;

/// A nest as a function.
#[derive(Debug)]
pub struct Function {
    /// Machine code. The function takes what [`super::emitter::Operands`] says, in the registers that System V has for
    /// that; if calls share it, a [`Portion`] instead of the equipment.
    pub bytes: Vec<u8>,
    /// Its text, if one was asked for.
    pub text: String,
    /// How threads share it, if they do.
    pub portions: Option<Portions>,
}

/// The function of a nest; none where Cranelift's code is to be used. `accesses`: see [`vectorise::accesses`]; `within`:
/// the variable of the recurrence around; `by_example`: whether threads take some examples each through it and other
/// steps, however short it is.
pub fn function(
    schedule: &Schedule,
    accesses: &FxHashMap<BufferId, usize>,
    nest: &Nest,
    within: Option<Var>,
    by_example: bool,
    options: Options,
) -> Option<Function> {
    let set = options.wide(schedule.dtype)?;
    let body = unroll::unroll(schedule, accesses, &nest.body);
    let cost = cost::cost(schedule, set, nest, &body);
    let (wanted, long) = match options.width {
        Width::Narrow => (false, false),
        Width::Chosen => (cost.is_wide(), cost.is_long()),
        Width::Wide => (true, true),
    };
    if !(wanted || by_example) {
        return None;
    }
    let body = invariant::move_out(schedule, &body);
    let made = |sharing: Option<Sharing>| {
        let code = lower::lower(schedule, set, &body, within, sharing.as_ref())?;
        let (bytes, text) = loops::emit(&code, set, options.listing)?;
        Some(Function { bytes, text, portions: sharing.map(|sharing| sharing.portions) })
    };
    // Of the nest as it is planned: written out it has other accesses.
    let private = || vectorise::private(schedule, accesses, &nest.body);
    let shared = options.threads > 1 && (long || by_example);
    let sharing = if shared { Sharing::of(schedule, set, &private(), &body) } else { None };
    let by_itself = |sharing: Sharing| if long { sharing } else { sharing.only_with_others() };
    let shared = sharing.and_then(|sharing| made(Some(by_itself(sharing))));
    if wanted { shared.or_else(|| made(None)) } else { shared }
}

/// Operations up to which a step is one function without loops: at twice as many as the nearest cache holds of code it
/// still gains a third, but to make it takes longer than many a run.
const MOST_STRAIGHT: usize = 14_000;
/// Results from which on it pays to put what all of them read into lanes, however far apart it lies.
const MANY_RESULTS: usize = 4;

/// A whole step as a function without loops, for batches of as many examples as there can be; none where it does too
/// much for that, or something that has no form here.
pub fn whole(
    schedule: &Schedule,
    accesses: &FxHashMap<BufferId, usize>,
    options: Options,
) -> Option<Function> {
    let set = options.wide(schedule.dtype)?;
    let schedule = &schedule.of_whole_batches();
    let mut straight = Straight::new(schedule, set.lanes(), MOST_STRAIGHT);
    for step in &schedule.steps {
        let code = match step {
            Step::Nest(nest) => {
                let body = unroll::unroll(schedule, accesses, &nest.body);
                lower::lower(schedule, set, &invariant::move_out(schedule, &body), None, None)?
            }
            Step::Contract(contract) if product::in_place(contract, schedule.capacity) => {
                let suits = |step, results| step <= unroll::MOST_STRIDE || results >= MANY_RESULTS;
                let product = Product::new(contract, schedule.capacity, suits);
                lower::lower_product(schedule, set, &product)?
            }
            Step::Contract(_) | Step::Scatter(_) | Step::Recur(_) => return None,
        };
        straight.append(&code)?;
    }
    let (bytes, text) = loops::emit(&straight.finish(), set, options.listing)?;
    Some(Function { bytes, text, portions: None })
}

/// Whether a loop runs in lanes, if none around does: the innermost that can.
fn runs_in_lanes(schedule: &Schedule, var: Var, extent: Extent, body: &[Stmt]) -> bool {
    extent != Extent::Fixed(1) && !some_in_lanes(body) && unroll::possible(schedule, var, extent, body)
}

/// Whether some of the loops in a body are to run in lanes.
fn some_in_lanes(body: &[Stmt]) -> bool {
    let mut some = false;
    walk::statements(body, &mut |stmt| {
        some |= matches!(stmt, Stmt::For { hint: Hint::Vector, .. } | Stmt::Fold { hint: Hint::Vector, .. });
    });
    some
}
