//! About how long a nest takes in vectors of four numbers, and in wide ones.

use super::instructions::Instructions;
use crate::circuit::machine;
use crate::plan::cost::expanded;
use crate::plan::schedule::*;

/// Cycles, about, for a whole batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// In vectors of four numbers.
    pub narrow: f64,
    /// In wide ones.
    pub wide: f64,
}

/// Of an operation on wide vectors, where one on four numbers is 1: many processors do half of one on sixteen at a time.
fn operation(set: Instructions) -> f64 {
    match set {
        Instructions::Avx2 => 1.0,
        Instructions::Avx512 => 1.5,
    }
}

/// Of entering a loop, narrow and wide: there its addresses are read from the stack, and what it carries.
const ENTRY: Cost = Cost { narrow: 3.0, wide: 12.0 };
/// Of combining the lanes of a fold.
const COMBINED: Cost = Cost { narrow: 12.0, wide: 16.0 };
/// Over ten microseconds of one thread: see the same number of products, in `kernels::task`.
const LONG: f64 = 40_000.0;
/// Of calling a function.
const CALL: f64 = 30.0;

impl Cost {
    fn of(set: Instructions, operations: usize) -> Self {
        Cost { narrow: operations as f64, wide: operations as f64 * operation(set) }
    }

    fn plus(self, other: Self) -> Self {
        Cost { narrow: self.narrow + other.narrow, wide: self.wide + other.wide }
    }

    /// Whether wide vectors are clearly faster.
    pub fn is_wide(self) -> bool {
        self.wide + CALL < 0.9 * self.narrow
    }

    /// Whether threads gain by sharing it.
    pub fn is_long(self) -> bool {
        self.wide > LONG
    }
}

/// The cost of a nest, of which the wide code is made from another body.
pub fn cost(schedule: &Schedule, set: Instructions, nest: &Nest, unrolled: &[Stmt]) -> Cost {
    let Cost { narrow, .. } = of_body(schedule, set, &nest.body, None);
    Cost { narrow, ..of_body(schedule, set, unrolled, None) }
}

/// The cost of a body; `spread` is the variable of the loop around that runs in lanes.
fn of_body(schedule: &Schedule, set: Instructions, body: &[Stmt], spread: Option<Var>) -> Cost {
    body.iter().fold(Cost::default(), |sum, stmt| sum.plus(of_statement(schedule, set, stmt, spread)))
}

fn of_statement(schedule: &Schedule, set: Instructions, stmt: &Stmt, spread: Option<Var>) -> Cost {
    match stmt {
        Stmt::For { var, extent, hint, body } => repeated(schedule, set, *var, *extent, *hint, body, spread),
        Stmt::Fold { var, extent, hint, body, with, order, .. } => {
            let combine = with.gate().map_or(4, |gate| machine::program(gate).ops.len());
            let times = extent.len_for(schedule.capacity as usize) as f64;
            let each = Cost::of(set, combine);
            let combining = match (hint, order) {
                (Hint::Vector, _) => {
                    Cost { narrow: each.narrow * times / 4.0, wide: each.wide * times / set.lanes() as f64 }
                        .plus(COMBINED)
                }
                (Hint::Plain, _) => Cost { narrow: each.narrow * times, wide: each.wide * times },
            };
            repeated(schedule, set, *var, *extent, *hint, body, spread).plus(combining)
        }
        Stmt::Let { op, .. } => Cost::of(set, expanded(op).unwrap_or(1)),
        Stmt::LoadAt { .. } => Cost::of(set, 1),
        Stmt::Load { at, .. } | Stmt::Store { at, .. } => {
            // Strided ones are as many accesses, each with a permutation.
            let step = spread.map_or(0, |var| at.at.coefficient(var)).unsigned_abs() as usize;
            Cost::of(set, if step > 1 { step.saturating_mul(4) } else { 1 })
        }
    }
}

/// A loop, as each kind of vectors runs it.
fn repeated(
    schedule: &Schedule,
    set: Instructions,
    var: Var,
    extent: Extent,
    hint: Hint,
    body: &[Stmt],
    spread: Option<Var>,
) -> Cost {
    let length = extent.len_for(schedule.capacity as usize);
    let narrow_lanes = spread.is_none() && hint == Hint::Vector;
    let wide_lanes = spread.is_none() && super::runs_in_lanes(schedule, var, extent, body);
    let times = |in_lanes: bool, lanes: usize| match in_lanes {
        true => length.div_ceil(lanes) as f64,
        false => length as f64,
    };
    let inside = |in_lanes: bool| {
        of_body(schedule, set, body, spread.or(in_lanes.then_some(var))).plus(Cost { narrow: 2.0, wide: 2.0 })
    };
    Cost {
        narrow: ENTRY.narrow + times(narrow_lanes, 4) * inside(narrow_lanes).narrow,
        wide: ENTRY.wide + times(wide_lanes, set.lanes() as usize) * inside(wide_lanes).wide,
    }
}
