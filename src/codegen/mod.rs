//! `Schedule` to native code through Cranelift.
//!
//! [`compile`] makes one native function that runs many steps: for each batch it gathers the inputs, runs the
//! schedule's steps and moves the places of results on. Short schedules are emitted into that loop whole; of longer
//! ones each step is a function of its own, as compiling takes longer than in proportion to a function's length. Where a
//! step does little, a whole batch is one function without loops.
//! Nothing is decided while the code runs but loops, guards and the number of examples.
//!
//! Bits are those of [`crate::plan::interpret`], on every machine.
//!
//! - [`call`](Call): calling it. The only unsafe call.
//! - `driver`: the loop over steps.
//! - `step`, `nest`, `fold`, `product`: what is emitted for a step, for loops and statements, for folds, for small
//!   contractions.
//! - `laps`: the time that each step takes.
//! - `lanes`, `address`: operations on the lanes of vectors; where elements lie.
//! - `wide`: nests in vectors of sixteen or eight numbers, without Cranelift.
//! - `vectorise`: whether a loop may run in lanes. `invariant`: moves out of loops what does not change there.
//! - `compiler`: functions, and the module that they are put into.
//! - `host`, `support`: this machine; Rust functions that native code calls.

mod address;
mod call;
mod compiler;
mod driver;
mod emitter;
mod fold;
mod host;
mod invariant;
mod lanes;
mod laps;
mod nest;
mod product;
mod shared;
mod step;
mod support;
mod vectorise;
mod wide;

#[cfg(test)]
mod tests;

pub use call::{Call, Epochs, Workspace};
pub use laps::Laps;
pub use wide::Instructions;

use crate::circuit::Dtype;
use crate::kernels::{self, Task};
use crate::plan::cost::expanded;
use crate::plan::memory::Room;
use crate::plan::schedule::*;
use crate::plan::walk;
use call::Frame;
use compiler::Compiler;
use cranelift_jit::JITModule;
use shared::How;
use step::Prepared;

/// How code is made. Never changes bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Whether Cranelift's optimiser runs.
    pub optimise: bool,
    /// Whether Cranelift checks what it is given: to find bugs of this room.
    pub verify: bool,
    /// Whether the text of the code is kept for [`Module::clif`] and [`Module::asm`].
    pub listing: bool,
    /// Whether the time of each step is taken, for [`Module::laps`]: it costs time itself.
    pub profile: bool,
    /// Threads that share what is long enough for it.
    pub threads: usize,
    /// Whether to do without the processor's fused multiply-add, even if it has one.
    pub without_fma: bool,
    /// How wide the vectors of nests are.
    pub width: Width,
    /// What wide vectors are made by, if there are any: those of this machine, but in tests.
    pub instructions: Option<Instructions>,
}

/// How many numbers the vectors of nests have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// As many as Cranelift's: four.
    Narrow,
    /// As many as this machine's widest where that is faster.
    Chosen,
    /// Those wherever that is possible: to test it.
    Wide,
}

impl Options {
    /// The instructions that nests on numbers of a type can be made of in wide vectors, if there are any.
    pub fn wide(&self, dtype: Dtype) -> Option<Instructions> {
        let possible = dtype == Dtype::F32 && !self.without_fma && self.width != Width::Narrow;
        self.instructions.filter(|_| possible)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            optimise: false,
            verify: cfg!(debug_assertions),
            listing: false,
            profile: false,
            threads: 1,
            without_fma: false,
            width: Width::Chosen,
            instructions: Instructions::best(),
        }
    }
}

/// Native code, ready to run.
pub struct Module {
    /// Present until dropped.
    jit: Option<JITModule>,
    entry: unsafe extern "C" fn(*const Frame),
    /// Of each step that has one, also of those in recurrences. Read by the code: never changed.
    tasks: Vec<Option<Task>>,
    threads: usize,
    /// Bytes of memory of its own that a thread needs for what it shares with others.
    own: usize,
    /// Of each step, if it is asked for. Its address is in the code: never moved.
    laps: Option<Box<Laps>>,
    /// Whether whole batches run in one piece.
    whole: bool,
    /// The type of all numbers.
    dtype: Dtype,
    /// Examples of a whole batch.
    capacity: usize,
    record_len: usize,
    rooms: Vec<Room>,
    /// Regions that some step writes.
    written: Vec<Region>,
    /// Columns of the data that are read, with the elements of one example.
    columns: Vec<(usize, usize)>,
    clif: String,
    asm: String,
}

impl Module {
    /// The code as given to Cranelift, if it was kept.
    pub fn clif(&self) -> &str {
        &self.clif
    }

    /// Whether some step writes a region.
    pub fn writes(&self, region: Region) -> bool {
        self.written.contains(&region)
    }

    /// The time spent in each step, if it is taken.
    pub fn laps(&self) -> Option<&Laps> {
        self.laps.as_deref()
    }

    /// Whether all steps are one function without loops where a batch has as many examples as it can: then none of them
    /// takes a time of its own.
    pub fn is_in_one_piece(&self) -> bool {
        self.whole
    }

    /// The machine code as assembly, if it was kept.
    pub fn asm(&self) -> &str {
        &self.asm
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        if let Some(jit) = self.jit.take() {
            // SAFETY: the code runs only inside `Module::run`, which borrows the module.
            unsafe { jit.free_memory() };
        }
    }
}

/// Words of 32 bits of one step's record: scalars, then keys of two words each.
fn record_len(schedule: &Schedule) -> usize {
    keys_at(schedule) + 2 * schedule.draws.len()
}

/// Words of a record before the keys.
fn keys_at(schedule: &Schedule) -> usize {
    schedule.scalars.len() * schedule.dtype.size() / 4
}

/// Makes native code for a schedule.
///
/// # Errors
/// If Cranelift does not support this machine, or refuses the code: a bug of this room.
pub fn compile(schedule: &Schedule, options: Options) -> Result<Module, String> {
    let mut tasks: Vec<Option<Task>> = vec![];
    for (run, how) in shared::runs(schedule, options) {
        for step in &schedule.steps[run] {
            step.for_each_leaf(&mut |step| tasks.push(task(step, schedule, how == How::ByExample)));
        }
    }
    let laps = options.profile.then(|| Box::new(Laps::new(schedule.steps.len())));
    let mut compiler = Compiler::new(schedule, options, laps.as_deref())?;
    let mut made = vec![];
    let tiles = compiler.tiles(&tasks)?;
    let steps = compiler.prepare(&mut tasks.iter(), &mut made)?;
    let own = support::own_bytes(steps.iter().map(own_numbers).max().unwrap_or(0));
    let whole = compiler.whole()?;
    let entry = if steps.iter().map(weight).sum::<usize>() <= WHOLE {
        compiler.entry(&steps, true, &made, whole)?
    } else {
        let parts = compiler.parts(&steps, &made)?;
        compiler.entry(&steps, false, &parts, whole)?
    };
    let (jit, entry, clif, asm) = compiler.finish(entry)?;
    // SAFETY: the function was defined with this signature.
    let entry = unsafe { std::mem::transmute::<*const u8, unsafe extern "C" fn(*const Frame)>(entry) };
    for (task, tiles) in tasks.iter_mut().zip(tiles) {
        if let (Some(task), Some((shape, id))) = (task, tiles) {
            let function = jit.get_finalized_function(id);
            // SAFETY: the function was made for the task's shape, on numbers of 32 bits, and the module that holds it is
            // dropped with the tasks.
            unsafe {
                let function = std::mem::transmute::<*const u8, kernels::made::Function>(function);
                task.run_by(function, &shape);
            }
        }
    }
    Ok(Module {
        jit: Some(jit),
        entry,
        tasks,
        threads: options.threads,
        own,
        laps,
        whole: whole.is_some(),
        dtype: schedule.dtype,
        capacity: schedule.capacity as usize,
        record_len: record_len(schedule),
        rooms: schedule.rooms(),
        written: written(schedule),
        columns: columns(schedule),
        clif,
        asm,
    })
}

/// The columns that a schedule reads, with the elements of one example.
fn columns(schedule: &Schedule) -> Vec<(usize, usize)> {
    let row = |region| match region {
        Region::Input(column) => Some((usize::from(column), schedule.region_row(region))),
        _ => None,
    };
    schedule.regions().into_iter().filter_map(row).collect()
}

/// The regions that some step writes.
fn written(schedule: &Schedule) -> Vec<Region> {
    let mut buffers = vec![];
    for step in &schedule.steps {
        step.for_each_leaf(&mut |step| match step {
            Step::Nest(nest) => walk::statements(&nest.body, &mut |stmt| {
                if let Stmt::Store { at, .. } = stmt {
                    buffers.push(at.buffer);
                }
            }),
            Step::Contract(contract) => buffers.push(contract.out.buffer),
            Step::Scatter(scatter) => buffers.push(scatter.out),
            Step::Recur(_) => unreachable!("no leaf"),
        });
    }
    let mut regions: Vec<Region> = buffers.iter().map(|id| schedule.buffers[id.0 as usize].region).collect();
    regions.sort();
    regions.dedup();
    regions
}

/// Operations up to which a whole schedule is one function.
const WHOLE: usize = 600;

/// Numbers of memory of its own that a thread needs for a step's nests.
fn own_numbers(step: &Prepared) -> usize {
    match step {
        Prepared::Wide(_, _, Some(portions)) | Prepared::Shared { portions, .. } => portions.scratch as usize,
        Prepared::Recur(_, body) => body.iter().map(own_numbers).max().unwrap_or(0),
        _ => 0,
    }
}

/// About how many operations of Cranelift's a step is.
fn weight(step: &Prepared) -> usize {
    match step {
        Prepared::Nest(nest) => nest_weight(nest),
        Prepared::Recur(_, body) => body.iter().map(weight).sum::<usize>() + 10,
        Prepared::Wide(..)
        | Prepared::Product(_)
        | Prepared::Contract(..)
        | Prepared::Scatter(_)
        | Prepared::Shared { .. } => 10,
    }
}

fn nest_weight(nest: &Nest) -> usize {
    let mut sum = 0;
    walk::statements(&nest.body, &mut |stmt| {
        sum += match stmt {
            Stmt::Let { op, .. } => expanded(op).unwrap_or(5),
            _ => 5,
        };
    });
    sum
}

/// What a step's kernel needs; nothing for what is emitted in place, which is not called for some examples.
fn task(step: &Step, schedule: &Schedule, by_example: bool) -> Option<Task> {
    let capacity = schedule.capacity;
    match step {
        Step::Contract(contract) if by_example || !product::in_place(contract, capacity) => {
            Some(match schedule.dtype {
                Dtype::F32 => Task::prepare::<f32>(contract, capacity),
                Dtype::F64 => Task::prepare::<f64>(contract, capacity),
            })
        }
        Step::Contract(_) | Step::Nest(_) | Step::Scatter(_) | Step::Recur(_) => None,
    }
}
