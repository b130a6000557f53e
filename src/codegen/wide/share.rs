//! Threads that share the outermost loop of a nest: each call runs some of its iterations.
//!
//! That is possible where no iteration touches what another writes. Arrays that hold what one iteration needs, and
//! nothing else reads, lie in memory of each call's own.

use super::instructions::Instructions;
use crate::codegen::vectorise;
use crate::plan::schedule::*;
use crate::plan::walk;
use rustc_hash::FxHashMap;

/// What a call runs: the operand that stands for it, which native code reads by offset.
#[repr(C)]
#[derive(Debug)]
pub struct Portion {
    /// The first iteration.
    pub begin: u64,
    /// How many.
    pub count: u64,
    /// Memory of this call's own: [`Portions::scratch`] numbers.
    pub scratch: *mut u8,
}

/// Into which portions a function can be divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Portions {
    /// How many iterations all of them have together.
    pub extent: Extent,
    /// All portions but the last have a multiple of so many iterations.
    pub unit: u32,
    /// Numbers of 32 bits of memory of its own that a call needs.
    pub scratch: u32,
    /// How many a thread: of several, none waits long for another one; of one, nothing is done twice. None: the function is
    /// too short for threads by itself.
    pub each: u32,
}

/// Portions of a nest a thread.
const EACH: u32 = 4;

/// How calls share a nest.
#[derive(Clone, Debug, PartialEq)]
pub struct Sharing {
    /// The variable of the outermost loop.
    pub var: Var,
    /// Of its iterations.
    pub portions: Portions,
    /// Where an array lies in it.
    own: Vec<(BufferId, u32)>,
}

impl Sharing {
    /// How calls can share a body, if they can: its last statement is a loop, the only one, of which iterations can run
    /// at the same time. `private`: arrays that nothing outside of the body touches.
    pub fn of(
        schedule: &Schedule,
        set: Instructions,
        private: &[BufferId],
        body: &[Stmt],
    ) -> Option<Sharing> {
        let (last, before) = body.split_last()?;
        let Stmt::For { var, extent, body: inside, .. } = last else { return None };
        let plain = |stmt: &Stmt| !matches!(stmt, Stmt::For { .. } | Stmt::Fold { .. } | Stmt::Store { .. });
        if !before.iter().all(plain) || extent.len_for(schedule.capacity as usize) < 2 {
            return None;
        }
        let (mut own, mut scratch) = (vec![], 0);
        for &buffer in private {
            if written_first(body, buffer) && stays(inside, buffer, *var) {
                own.push((buffer, scratch));
                scratch += schedule.buffers[buffer.0 as usize].row() as u32;
            }
        }
        let in_lanes = super::runs_in_lanes(schedule, *var, *extent, inside);
        let unit = if in_lanes { set.lanes() as u32 } else { 1 };
        let portions = Portions { extent: *extent, unit, scratch, each: EACH };
        let sharing = Sharing { var: *var, portions, own };
        sharing.iterations_apart(schedule, inside).then_some(sharing)
    }

    /// The same, for a nest that is too short for threads by itself.
    pub fn only_with_others(self) -> Sharing {
        Sharing { portions: Portions { each: 0, ..self.portions }, ..self }
    }

    /// Where an array lies in a call's own memory, if it does.
    pub fn scratch_of(&self, buffer: BufferId) -> Option<u32> {
        self.own.iter().find(|own| own.0 == buffer).map(|own| own.1)
    }

    /// Whether no iteration touches what another writes: all that is touched of memory that is written lies, for each
    /// iteration, in a window that is no longer than from one iteration's to the next one's.
    fn iterations_apart(&self, schedule: &Schedule, inside: &[Stmt]) -> bool {
        let mut accesses: Vec<(Address, bool, Option<u32>)> = vec![];
        walk::statements(inside, &mut |stmt| match stmt {
            Stmt::Load { at, .. } => accesses.push((at.clone(), false, Some(0))),
            Stmt::LoadAt { at, stride, extent, .. } => {
                accesses.push((at.clone(), false, extent.saturating_sub(1).checked_mul(*stride)));
            }
            Stmt::Store { at, .. } => accesses.push((at.clone(), true, Some(0))),
            Stmt::For { .. } | Stmt::Fold { .. } | Stmt::Let { .. } => {}
        });
        accesses.retain(|access| self.scratch_of(access.0.buffer).is_none());
        let lengths = lengths(schedule, inside);
        accesses.iter().filter(|access| access.1).all(|write| {
            let step = write.0.at.coefficient(self.var);
            let outside = self.terms_outside(&write.0, &lengths);
            let mut window: Option<(i64, i64)> = None;
            let same = accesses
                .iter()
                .filter(|access| vectorise::overlap(schedule, access.0.buffer, write.0.buffer));
            for (at, _, further) in same {
                let alike =
                    at.at.coefficient(self.var) == step && self.terms_outside(at, &lengths) == outside;
                let (Some(further), true) = (further, alike) else { return false };
                let (mut low, mut high) = (at.at.offset, at.at.offset + i64::from(*further));
                let first = i64::from(schedule.buffers[at.buffer.0 as usize].offset);
                (low, high) = (low + first, high + first);
                for (var, coefficient) in &at.at.terms {
                    let Some(length) = lengths.get(var) else { continue };
                    let reach = coefficient * (length - 1);
                    (low, high) = (low + reach.min(0), high + reach.max(0));
                }
                window = Some(window.map_or((low, high), |known| (known.0.min(low), known.1.max(high))));
            }
            window.is_some_and(|(low, high)| high - low < step.abs())
        })
    }

    /// The terms of loops around the nest.
    fn terms_outside(&self, at: &Address, lengths: &FxHashMap<Var, i64>) -> Vec<(Var, i64)> {
        let outside = |term: &&(Var, i64)| term.0 != self.var && !lengths.contains_key(&term.0);
        at.at.terms.iter().filter(outside).copied().collect()
    }
}

/// How far the loops in a body run, at most.
fn lengths(schedule: &Schedule, body: &[Stmt]) -> FxHashMap<Var, i64> {
    let mut lengths = FxHashMap::default();
    walk::statements(body, &mut |stmt| {
        if let Stmt::For { var, extent, .. } | Stmt::Fold { var, extent, .. } = stmt {
            lengths.insert(*var, extent.len_for(schedule.capacity as usize) as i64);
        }
    });
    lengths
}

/// Whether an array is written before it is read.
fn written_first(body: &[Stmt], buffer: BufferId) -> bool {
    let mut first = None;
    walk::statements(body, &mut |stmt| match stmt {
        Stmt::Load { at, .. } | Stmt::LoadAt { at, .. } if at.buffer == buffer => {
            first.get_or_insert(false);
        }
        Stmt::Store { at, .. } if at.buffer == buffer => {
            first.get_or_insert(true);
        }
        _ => {}
    });
    first == Some(true)
}

/// Whether an array's elements do not depend on a variable.
fn stays(body: &[Stmt], buffer: BufferId, var: Var) -> bool {
    let mut stays = true;
    walk::addresses(body, &mut |at| stays &= at.buffer != buffer || at.at.coefficient(var) == 0);
    stays
}
