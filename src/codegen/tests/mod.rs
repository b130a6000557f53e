//! Native code against the schedule's interpreter, bit for bit (NaNs being equal to each other).

mod bench;
mod folds;
mod loops;
mod nests;
mod ops;
mod steps;
mod tiles;
mod whole;

use super::*;
use crate::circuit::{Gate, draw};
use crate::interpret::Element;
use crate::plan::interpret::{self, Record};
use crate::plan::memory::Memory;

/// Numbers in a fixed order that looks random.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ x >> 31) as u32
    }

    /// A whole number in `0..below`.
    pub fn below(&mut self, below: usize) -> usize {
        self.next() as usize % below
    }

    /// A number in (-2, 2).
    pub fn number(&mut self) -> f32 {
        self.next() as i32 as f32 / (1u32 << 30) as f32
    }

    /// Any number, often one at which something ends.
    pub fn extreme(&mut self) -> f32 {
        const ENDS: [f32; 14] = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            f32::NAN,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::MAX,
            f32::MIN,
            f32::MIN_POSITIVE,
            1e-45,
            -1e-45,
            88.8,
        ];
        match self.below(4) {
            0 => ENDS[self.below(ENDS.len())],
            1 => f32::from_bits(self.next()),
            2 => self.number() * 50.0,
            _ => self.number(),
        }
    }
}

/// A schedule being written: statements as one would write them.
pub struct Draft {
    pub schedule: Schedule,
    vars: u32,
    regs: u32,
}

impl Draft {
    pub fn new(capacity: u32) -> Self {
        Draft { schedule: Schedule { capacity, ..Schedule::default() }, vars: 0, regs: 0 }
    }

    /// A buffer after those that its region already has.
    pub fn buffer(&mut self, region: Region, batch: bool, dims: &[u32]) -> BufferId {
        let offset = self.schedule.region_len(region, self.schedule.capacity as usize) as u32;
        let id = BufferId(self.schedule.buffers.len() as u32);
        let name = format!("b{}", id.0);
        self.schedule.buffers.push(Buffer { name, batch, dims: dims.to_vec(), region, offset, origin: None });
        self.schedule.arena = self.schedule.region_len(Region::Arena, self.schedule.capacity as usize);
        id
    }

    pub fn var(&mut self) -> Var {
        self.vars += 1;
        Var(self.vars - 1)
    }

    pub fn reg(&mut self) -> Reg {
        self.regs += 1;
        Reg(self.regs - 1)
    }

    pub fn load(&mut self, body: &mut Vec<Stmt>, at: Address) -> Reg {
        let reg = self.reg();
        body.push(Stmt::Load { reg, at, when: vec![], fill: 0.0 });
        reg
    }

    pub fn compute(&mut self, body: &mut Vec<Stmt>, op: Op, args: &[Reg]) -> Reg {
        let reg = self.reg();
        body.push(Stmt::Let { reg, op, args: args.to_vec() });
        reg
    }

    pub fn gate(&mut self, body: &mut Vec<Stmt>, gate: Gate, args: &[Reg]) -> Reg {
        self.compute(body, Op::Gate(gate), args)
    }

    pub fn nest(&mut self, body: Vec<Stmt>) {
        self.schedule.steps.push(Step::Nest(Nest { what: vec!["it".to_string()], body }));
    }
}

pub fn linear(offset: i64, terms: &[(Var, i64)]) -> Linear {
    let mut terms: Vec<(Var, i64)> = terms.iter().copied().filter(|term| term.1 != 0).collect();
    terms.sort_unstable();
    Linear { offset, terms }
}

pub fn at(buffer: BufferId, offset: i64, terms: &[(Var, i64)]) -> Address {
    Address { buffer, at: linear(offset, terms) }
}

pub fn for_loop(var: Var, extent: Extent, hint: Hint, body: Vec<Stmt>) -> Stmt {
    Stmt::For { var, extent, hint, body }
}

/// Data, an order of examples and records for a schedule.
pub struct Case<T = f32> {
    pub schedule: Schedule,
    columns: Vec<Vec<T>>,
    order: Vec<u32>,
    scalars: Vec<Vec<T>>,
    keys: Vec<Vec<[u32; 2]>>,
    memory: Memory<T>,
}

/// A number as the words of a record.
fn words<T: Element>(number: T) -> Vec<u32> {
    match T::DTYPE {
        Dtype::F32 => vec![(number.get() as f32).to_bits()],
        Dtype::F64 => vec![number.get().to_bits() as u32, (number.get().to_bits() >> 32) as u32],
    }
}

/// Examples in the data of a case.
const EXAMPLES: usize = 50;

impl<T: Element> Case<T> {
    /// Everything filled by `value`; `rows` examples to go through.
    pub fn new(schedule: &Schedule, rows: usize, seed: u64, value: fn(&mut Random) -> f32) -> Case<T> {
        let schedule = &Schedule { dtype: T::DTYPE, ..schedule.clone() };
        let mut random = Random(seed);
        let mut fill = |len: usize| (0..len).map(|_| T::of(value(&mut random).into())).collect::<Vec<T>>();
        let steps = rows.div_ceil(schedule.capacity as usize);
        let mut memory = Memory::new(schedule);
        // Native code's own memory begins with zeros, and so does the interpreter's here.
        for (_, held) in memory.iter_mut().filter(|held| !matches!(held.0, Region::Arena | Region::Input(_)))
        {
            held.copy_from_slice(&fill(held.len()));
        }
        let inputs = schedule.regions().into_iter().filter_map(|region| match region {
            Region::Input(k) => Some(k + 1),
            _ => None,
        });
        let columns = 0..inputs.max().unwrap_or(0);
        let columns = columns.map(|k| fill(EXAMPLES * schedule.region_row(Region::Input(k)))).collect();
        let scalars = (0..steps).map(|_| fill(schedule.scalars.len())).collect();
        let mut random = Random(seed + 1);
        let key = |step| (schedule.draws.iter()).map(|&site| draw::key(seed, site, step as u64)).collect();
        let keys = (0..steps).map(key).collect();
        let order = (0..rows).map(|_| random.below(EXAMPLES) as u32).collect();
        Case { schedule: schedule.clone(), columns, order, scalars, keys, memory }
    }

    /// What all regions but arena and inputs hold at the end, by the interpreter. Results of steps follow each
    /// other.
    pub fn interpreted(&self) -> Vec<(Region, Vec<T>)> {
        let mut memory = self.memory.clone();
        let mut results: Vec<(Region, Vec<T>)> = self.results();
        results.iter_mut().for_each(|result| result.1.clear());
        for (step, examples) in self.order.chunks(self.schedule.capacity as usize).enumerate() {
            for (region, held) in memory.iter_mut() {
                let Region::Input(column) = region else { continue };
                let row = self.schedule.region_row(region);
                for (k, &example) in examples.iter().enumerate() {
                    let from = &self.columns[column as usize][example as usize * row..][..row];
                    held[k * row..][..row].copy_from_slice(from);
                }
            }
            let (scalars, keys) = (self.scalars[step].clone(), self.keys[step].clone());
            interpret::run(&self.schedule, &mut memory, examples.len(), &Record { scalars, keys, examples });
            for (region, result) in &mut results {
                let row = self.schedule.region_row(*region);
                match region {
                    Region::Log => result.extend(memory.region(*region)),
                    Region::Output(_) if row > 0 => {
                        result.extend(&memory.region(*region)[..row * examples.len()])
                    }
                    _ => *result = memory.region(*region).to_vec(),
                }
            }
        }
        results
    }

    /// The same by native code.
    pub fn native(&self, options: Options) -> Vec<(Region, Vec<T>)> {
        let mut results = self.results();
        self.run(&compile(&self.schedule, options).expect("it compiles"), &mut results);
        results
    }

    /// Seconds that native code takes, the least of so many runs.
    pub fn time(&self, options: Options, runs: usize) -> f64 {
        let module = compile(&self.schedule, options).expect("it compiles");
        let mut results = self.results();
        let mut once = |_| {
            let start = std::time::Instant::now();
            self.run(&module, &mut results);
            start.elapsed().as_secs_f64()
        };
        (0..runs).map(&mut once).fold(f64::INFINITY, f64::min)
    }

    fn run(&self, module: &Module, results: &mut [(Region, Vec<T>)]) {
        let records: Vec<u32> = (self.scalars.iter().zip(&self.keys))
            .flat_map(|(scalars, keys)| {
                scalars.iter().flat_map(|&scalar| words(scalar)).chain(keys.iter().flatten().copied())
            })
            .collect();
        let columns: Vec<&[T]> = self.columns.iter().map(Vec::as_slice).collect();
        let regions = results.iter_mut().map(|(region, held)| (*region, held.as_mut_slice())).collect();
        let epochs = Epochs::one(self.order.len());
        let call =
            Call { regions, lent: vec![], columns: &columns, order: &self.order, epochs, records: &records };
        module.run(&mut module.workspace(), call);
    }

    /// Room for what a run leaves, with what is there before.
    fn results(&self) -> Vec<(Region, Vec<T>)> {
        let steps = self.order.len().div_ceil(self.schedule.capacity as usize);
        let given = |region: &Region| !matches!(region, Region::Arena | Region::Input(_));
        let room = |region: Region| {
            let row = self.schedule.region_row(region);
            match region {
                Region::Log => vec![T::of(0.0); steps * self.schedule.region_len(region, 1)],
                Region::Output(_) if row > 0 => vec![T::of(0.0); row * self.order.len()],
                _ => self.memory.region(region).to_vec(),
            }
        };
        self.schedule.regions().into_iter().filter(given).map(|region| (region, room(region))).collect()
    }
}

/// What a test compiles with: checked, and with the optimiser as a release build has it.
pub fn checked() -> Options {
    Options { verify: true, ..Options::default() }
}

/// The same in wide vectors, wherever a nest has a form there, by each set of instructions that this machine has.
pub fn wide() -> Vec<Options> {
    let by = |set| Options { width: Width::Wide, instructions: Some(set), ..checked() };
    Instructions::here().into_iter().map(by).collect()
}

/// The same, also by several threads wherever they can share a nest.
pub fn wide_and_shared() -> Vec<Options> {
    let by_threads = |options| Options { threads: 3, ..options };
    wide().into_iter().flat_map(|options| [options, by_threads(options)]).collect()
}

/// Compares two runs.
pub fn compare<T: Element>(
    case: &Case<T>,
    expected: &[(Region, Vec<T>)],
    found: &[(Region, Vec<T>)],
    what: &str,
) {
    let least = match T::DTYPE {
        Dtype::F32 => f32::MIN_POSITIVE.into(),
        Dtype::F64 => f64::MIN_POSITIVE,
    };
    for ((region, expected), (_, found)) in expected.iter().zip(found) {
        assert_eq!(expected.len(), found.len());
        for (k, (x, y)) in expected.iter().zip(found).enumerate() {
            // A gate that only passes on an operand may leave one subnormal that counts as zero, or not.
            let [x, y] = [x, y].map(|x| if x.get().abs() < least { 0f64.copysign(x.get()) } else { x.get() });
            let same = x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan());
            let plan = || crate::plan::print::print(&case.schedule);
            assert!(same, "{what}: {region:?}[{k}] is {y:?} and should be {x:?}\n{}", plan());
        }
    }
}

/// Native code gives the interpreter's bits for this schedule, whatever the type of numbers, the options and hints.
pub fn check(schedule: &Schedule, rows: usize, seed: u64, value: fn(&mut Random) -> f32) {
    check_in::<f32>(schedule, rows, seed, value);
    check_in::<f64>(schedule, rows, seed, value);
}

fn check_in<T: Element>(schedule: &Schedule, rows: usize, seed: u64, value: fn(&mut Random) -> f32) {
    let mut case = Case::<T>::new(schedule, rows, seed, value);
    let expected = case.interpreted();
    compare(&case, &expected, &case.native(checked()), "as hinted");
    compare(
        &case,
        &expected,
        &case.native(Options { optimise: !checked().optimise, ..checked() }),
        "other optimiser",
    );
    for options in wide_and_shared() {
        compare(&case, &expected, &case.native(options), &format!("{options:?}"));
    }
    rehint(&mut case.schedule, Hint::Plain);
    compare(&case, &expected, &case.native(checked()), "plain");
    for options in wide() {
        compare(&case, &expected, &case.native(options), &format!("plain, {options:?}"));
    }
    rehint(&mut case.schedule, Hint::Vector);
    compare(&case, &expected, &case.native(checked()), "vectors wherever possible");
    for options in wide() {
        compare(&case, &expected, &case.native(options), &format!("wherever possible, {options:?}"));
    }
}

/// Gives every loop the same hint.
fn rehint(schedule: &mut Schedule, to: Hint) {
    fn within(body: &mut [Stmt], to: Hint) {
        for stmt in body {
            if let Stmt::For { hint, body, .. } | Stmt::Fold { hint, body, .. } = stmt {
                *hint = to;
                within(body, to);
            }
        }
    }
    for step in &mut schedule.steps {
        if let Step::Nest(nest) = step {
            within(&mut nest.body, to);
        }
    }
}
