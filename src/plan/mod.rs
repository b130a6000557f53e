//! `Circuit` to [`schedule::Schedule`]: what is fused, what is stored, in which order loops and sums run, and
//! where everything lies in one arena.
//!
//! A step is planned phase by phase, a circuit each:
//!
//! 1. [`recurrences`]: takes recurrences out of the circuit; what one computes at one element is a circuit by itself,
//!    planned in the same way where [`recur`] writes its step.
//! 2. [`facts`]: what is needed, what is known once a step, on which axes a value depends.
//! 3. [`kernels`]: what is computed by itself and what is part of its readers; [`product`] recognises
//!    contractions, [`reads`] finds who reads whom, and how far in the same iteration.
//!    [`frame`] surrounds what may be read outside, [`phases`] takes apart sums over it that are mostly zeros.
//! 4. [`fuse`]: which kernels share loops.
//! 5. [`places`]: what is kept in registers, in the arena, or in a home outside.
//! 6. [`emit`], [`values`] and [`steps`] write the statements, [`order`] gives the folds their order.
//! 7. For all phases together: [`choices`] writes out short loops that decide what is read, [`loops`] joins loops and
//!    finds vectors, [`share`] brings steps into an order in which threads share many at once, [`arena`] lays out
//!    the arena.
//!
//! [`schedule`] is the result.

mod arena;
mod body;
mod choices;
pub mod contraction;
pub mod cost;
mod emit;
mod facts;
mod frame;
mod fuse;
pub mod interpret;
mod kernels;
mod linear;
mod loops;
pub mod memory;
mod order;
mod phases;
mod places;
pub mod print;
mod product;
mod reads;
mod recur;
mod recurrences;
pub mod schedule;
pub mod share;
mod steps;
#[cfg(test)]
pub(crate) mod tests;
mod values;
pub mod verify;
pub mod walk;
mod whole;

use crate::circuit::{Circuit, ValueId};
use body::Body;
use emit::{Emit, Tables};
use facts::Facts;
use places::Site;
use recurrences::Scans;
use schedule::{Region, Schedule, Step, Var};
use share::Long;

/// A circuit to run, and where what it reads and gives lies.
#[derive(Clone, Debug)]
pub struct Phase<'a> {
    /// What is computed.
    pub circuit: &'a Circuit,
    /// Where the value of each slot lies, parallel to [`Circuit::slots`].
    pub homes: Vec<Home>,
    /// What is wanted.
    pub roots: Vec<Root>,
    /// Whether what a recurrence computes on its way is computed again by the recurrences that read it, rather than kept
    /// for all elements.
    pub recompute: bool,
}

/// Where a whole value lies: row-major, the example outermost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Home {
    /// In which memory.
    pub region: Region,
    /// Its first element there.
    pub offset: u32,
}

/// A value that is wanted.
#[derive(Clone, Debug)]
pub struct Root {
    /// Which.
    pub value: ValueId,
    /// Where it is to be written. It may be where a slot of the same phase lies: all reads of the slot give its
    /// old value.
    pub home: Home,
    /// For people.
    pub name: String,
}

/// Plans phases, one after another, for batches of up to `capacity` examples. A later phase reads in a slot's
/// home what earlier ones have written there. For threads it is told what is `long` enough for them; for one thread
/// nothing, as what they share at once takes more memory.
///
/// # Panics
/// If a phase's homes are not parallel to its circuit's slots, or the arena would exceed 2^32 elements.
pub fn plan(phases: &[Phase], capacity: u32, long: Option<Long>) -> Schedule {
    let mut schedule = Schedule { capacity, ..Schedule::default() };
    let mut tables = Tables::default();
    for (k, phase) in phases.iter().enumerate() {
        assert_eq!(phase.homes.len(), phase.circuit.slots().len(), "a home for each slot");
        plan_phase(phase, k as u32, &mut schedule, &mut tables);
        schedule.phases.resize(schedule.steps.len(), k as u32);
    }
    choices::write_out(&mut schedule, &mut tables.fresh);
    loops::finish(&mut schedule);
    schedule.kept = arena::kept(&schedule);
    if let Some(long) = long {
        share::arrange(&mut schedule, long);
    }
    arena::lay_out(&mut schedule);
    schedule
}

fn plan_phase(phase: &Phase, number: u32, schedule: &mut Schedule, tables: &mut Tables) {
    let parted = recurrences::part(phase.circuit, &phase.roots, phase.recompute);
    let none = Scans::default();
    let mut roots = vec![];
    for (k, root) in phase.roots.iter().enumerate() {
        let value = parted.as_ref().map_or(root.value, |parted| parted.roots[k]);
        roots.push(Wanted { value, name: root.name.clone(), site: Site::Home(root.home) });
    }
    let job = Job {
        phase: number,
        circuit: parted.as_ref().map_or(phase.circuit, |parted| &parted.circuit),
        origins: parted.as_ref().map(|parted| &parted.origins[..]),
        slots: phase.homes.iter().map(|&home| Site::Home(home)).collect(),
        roots,
        scans: parted.as_ref().map_or(&none, |parted| &parted.scans),
        scanned: None,
    };
    plan_job(&job, schedule, tables);
}

/// A circuit without recurrences that is to be planned: that of a phase, in which recurrences are values from
/// elsewhere; or what a recurrence computes at one element.
struct Job<'a> {
    /// Number of the phase.
    phase: u32,
    circuit: &'a Circuit,
    /// Which value of the phase's circuit each value is, or comes from; itself, if there are none.
    origins: Option<&'a [ValueId]>,
    /// Where the value of each slot lies. Those of results of recurrences are never asked for.
    slots: Vec<Site>,
    roots: Vec<Wanted>,
    /// The recurrences.
    scans: &'a Scans,
    /// The element, within a recurrence.
    scanned: Option<Var>,
}

/// A root of a [`Job`].
struct Wanted {
    value: ValueId,
    name: String,
    site: Site,
}

impl Job<'_> {
    /// Which value of the phase's circuit a value is.
    fn origin(&self, value: ValueId) -> ValueId {
        self.origins.map_or(value, |origins| origins[value.index()])
    }
}

/// Plans a job; gives what a recurrence does once, before its first element.
fn plan_job(job: &Job, schedule: &mut Schedule, tables: &mut Tables) -> Vec<Step> {
    let facts = Facts::of(job.circuit, job.scans, &job.roots);
    let kernels = kernels::kernels(&facts, &job.roots);
    let fused = fuse::fuse(&kernels);
    let places = places::places(&kernels, &fused, job, schedule);
    let (kernels, places) = (&kernels, &places);
    Emit { kernels, places, job, schedule, tables, body: Body::default(), loops: vec![], before: vec![] }
        .phase(&fused)
}
