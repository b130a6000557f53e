//! Plans a circuit as one phase with a home for everything, runs the schedule, and compares with the circuit's
//! own interpreter.

use crate::circuit::{Circuit, Kind, Slot, SlotId, SlotRole, ValueId, draw};
use crate::interpret::{Array, Bindings, evaluate};
use crate::plan::interpret::{self, Record};
use crate::plan::memory::Memory;
use crate::plan::schedule::{Region, Schedule, StepScalar};
use crate::plan::share::Long;
use crate::plan::verify::verify;
use crate::plan::{Home, Phase, Root, plan};

pub const CAPACITY: u32 = 6;

/// Threads share whatever they can share at once.
pub const SHARED: Long = Long { some: 0, one: u64::MAX };

/// A slot, of numbers or (with `classes`) of integers below a bound.
pub fn slot(circuit: &mut Circuit, name: &str, role: SlotRole, shape: crate::circuit::Shape) -> ValueId {
    let kind = Kind::Real;
    circuit.declare(Slot { name: name.into(), role, shape, kind, classes: None, span: None })
}

/// A slot of integers below a bound.
pub fn class_slot(circuit: &mut Circuit, name: &str, shape: crate::circuit::Shape, classes: u32) -> ValueId {
    let (role, kind) = (SlotRole::Target, Kind::Integer);
    circuit.declare(Slot { name: name.into(), role, shape, kind, classes: Some(classes), span: None })
}

/// Homes for slots: per-example ones are inputs, parameters lie in one region, moments and states in theirs.
pub fn homes(circuit: &Circuit) -> Vec<Home> {
    let mut ends: std::collections::BTreeMap<Region, u32> = Default::default();
    let mut inputs = 0;
    let mut home = |slot: &Slot| {
        let region = match slot.role {
            SlotRole::Input | SlotRole::Target => {
                inputs += 1;
                Region::Input(inputs - 1)
            }
            SlotRole::Param => Region::Params,
            SlotRole::State => Region::States,
            SlotRole::Gradient => Region::Gradients,
            SlotRole::Moment => Region::Moments(0),
        };
        let end = ends.entry(region).or_insert(0);
        let offset = *end;
        *end += slot.shape.size() as u32;
        Home { region, offset }
    };
    circuit.slots().iter().map(&mut home).collect()
}

/// A root with an output of its own.
pub fn output(k: usize, value: ValueId) -> Root {
    Root { value, home: Home { region: Region::Output(k as u16), offset: 0 }, name: format!("out{k}") }
}

/// Numbers between -1 and 1 without pattern.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        self.0 >> 33
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    fn number(&mut self) -> f32 {
        self.next() as f32 / (1u64 << 30) as f32 - 1.0
    }
}

/// What a schedule gives.
pub struct Run {
    pub schedule: Schedule,
    memory: Memory,
    pub bindings: Bindings<f64>,
}

/// Fills slots with numbers, plans the phase and runs it.
pub fn run(phase: &Phase, n: usize, seed: u64, long: Option<Long>) -> Run {
    let circuit = phase.circuit;
    let schedule = plan(std::slice::from_ref(phase), CAPACITY, long);
    if let Err(faults) = verify(&schedule) {
        panic!("{}\n{}", faults.join("\n"), crate::plan::print::print(&schedule));
    }
    let mut memory = Memory::new(&schedule);
    let mut bindings = Bindings::new(n);
    bindings.step = 3;
    bindings.steps = 10;
    bindings.seed = seed;
    bindings.examples = (0..n as u32).map(|k| 5 * k + 1).collect();
    let mut numbers = Numbers(seed);
    for (k, slot) in circuit.slots().iter().enumerate() {
        let data: Vec<f32> = (0..slot.shape.size_for(n))
            .map(|_| match slot.classes {
                Some(classes) => numbers.below(classes.into()) as f32,
                None => numbers.number(),
            })
            .collect();
        let home = phase.homes[k];
        let region = memory.region_mut(home.region);
        if region.len() >= home.offset as usize + data.len() {
            region[home.offset as usize..][..data.len()].copy_from_slice(&data);
        }
        bindings.bind(circuit, SlotId(k as u32), data.iter().map(|&x| f64::from(x)).collect());
    }
    let keys = schedule.draws.iter().map(|&site| draw::key(seed, site, bindings.step)).collect();
    let wanted: Vec<ValueId> = schedule.scalars.iter().map(|scalar: &StepScalar| scalar.value).collect();
    let scalars = evaluate(circuit, &wanted, &bindings).iter().map(|array| array.data[0] as f32).collect();
    let examples = bindings.examples.clone();
    interpret::run(&schedule, &mut memory, n, &Record { scalars, keys, examples: &examples });
    Run { schedule, memory, bindings }
}

/// Runs a phase for several sizes of the batch, planned for threads and for one, and holds every root against the
/// circuit; gives the schedule for one.
pub fn check(phase: &Phase, seed: u64) -> Schedule {
    let mut schedule = Schedule::default();
    let sizes = [1, 3, CAPACITY as usize];
    for (n, long) in sizes.map(|n| (n, Some(SHARED))).into_iter().chain(sizes.map(|n| (n, None))) {
        let run = run(phase, n, seed, long);
        let wanted: Vec<ValueId> = phase.roots.iter().map(|root| root.value).collect();
        let expected = evaluate(phase.circuit, &wanted, &run.bindings);
        for (root, expected) in phase.roots.iter().zip(expected) {
            compare(&run, root, &expected, n);
        }
        schedule = run.schedule;
    }
    schedule
}

fn compare(run: &Run, root: &Root, expected: &Array<f64>, n: usize) {
    let found = &run.memory.region(root.home.region)[root.home.offset as usize..][..expected.data.len()];
    for (k, (&found, &expected)) in found.iter().zip(&expected.data).enumerate() {
        let found = f64::from(found);
        let close = (found - expected).abs() <= 1e-4 * (1.0 + expected.abs());
        let same = found == expected || (found.is_nan() && expected.is_nan());
        // A value near the end of the range overflows in one precision only.
        let overflow = expected.abs() > 1e30;
        let text = || crate::plan::print::print(&run.schedule);
        assert!(close || same || overflow, "{}[{k}] for {n}: {found}, not {expected}\n{}", root.name, text());
    }
}
