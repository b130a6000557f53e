//! Runs a schedule as its definition says: one scalar after another, every access checked. Native code must equal
//! it bit for bit.

use super::contraction::{even_blocks, reference};
use super::memory::Memory;
use super::schedule::*;
use crate::circuit::draw;
use crate::circuit::machine::subnormal::Flushing;
use crate::circuit::{Gate, gates};
use crate::interpret::Element;

/// What a step knows beside its memory.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Record<'a, T = f32> {
    /// What [`Op::Scalar`] reads.
    pub scalars: Vec<T>,
    /// The key of each site of draws at this step.
    pub keys: Vec<[u32; 2]>,
    /// The number in the data set of each example of the batch.
    pub examples: &'a [u32],
}

/// Runs one step for a batch of `n` examples.
///
/// # Panics
/// If the schedule reads or writes outside a buffer, or uses a register before it is assigned: bugs of the planner.
pub fn run<T: Element>(schedule: &Schedule, memory: &mut Memory<T>, n: usize, record: &Record<T>) {
    assert!((1..=schedule.capacity as usize).contains(&n), "{n} examples, capacity {}", schedule.capacity);
    let _flushing = Flushing::begin();
    schedule.steps.iter().for_each(|step| run_step(schedule, step, None, memory, n, record));
}

/// Runs a step, the recurrence around it being at `element`.
fn run_step<T: Element>(
    schedule: &Schedule,
    step: &Step,
    element: Option<(Var, i64)>,
    memory: &mut Memory<T>,
    n: usize,
    record: &Record<T>,
) {
    match step {
        Step::Nest(nest) => {
            let vars = element.into_iter().collect();
            Machine { schedule, memory, n, record, vars, regs: vec![] }.block(&nest.body)
        }
        Step::Contract(contract) => run_contract(schedule, contract, element, memory, n),
        Step::Scatter(scatter) => run_scatter(schedule, scatter, memory, n),
        Step::Recur(recur) => {
            for element in (0..recur.extent).map(|i| i64::from(recur.element(i))) {
                let element = Some((recur.var, element));
                recur.body.iter().for_each(|step| run_step(schedule, step, element, memory, n, record));
            }
        }
    }
}

fn run_contract<T: Element>(
    schedule: &Schedule,
    contract: &Contract,
    element: Option<(Var, i64)>,
    memory: &mut Memory<T>,
    n: usize,
) {
    let mut contract = contract.clone();
    if let Some((var, value)) = element {
        for place in [&mut contract.a, &mut contract.b, &mut contract.out] {
            place.at = place.at.fixed(var, value);
        }
    }
    let [a, b, out] =
        [&contract.a, &contract.b, &contract.out].map(|place| &schedule.buffers[place.buffer.0 as usize]);
    let mut result = memory.buffer(out, n).to_vec();
    reference(&contract, memory.buffer(a, n), memory.buffer(b, n), &mut result, n);
    memory.buffer_mut(out, n).copy_from_slice(&result);
}

fn run_scatter<T: Element>(schedule: &Schedule, scatter: &Scatter, memory: &mut Memory<T>, n: usize) {
    let [index, value, out] =
        [scatter.index, scatter.value, scatter.out].map(|id| &schedule.buffers[id.0 as usize]);
    let mut result = vec![T::of(0.0); out.len_for(n)];
    let divisor = scatter.mean.then_some(n);
    self::scatter(
        &mut result,
        memory.buffer(index, n),
        memory.buffer(value, n),
        scatter.row as usize,
        divisor,
    );
    memory.buffer_mut(out, n).copy_from_slice(&result);
}

/// The meaning of a [`Scatter`]: rows of `row` elements are added to those that the indices say, in order; an index
/// outside adds nothing; the sums are divided at the end.
pub fn scatter<T: Element>(out: &mut [T], index: &[T], value: &[T], row: usize, divisor: Option<usize>) {
    out.fill(T::of(0.0));
    let extent = (out.len() / row.max(1)) as u32;
    for (&index, values) in index.iter().zip(value.chunks(row.max(1))) {
        if let Some(at) = position(index, extent) {
            out[at * row..][..row].iter_mut().zip(values).for_each(|(sum, &value)| *sum = *sum + value);
        }
    }
    if let Some(n) = divisor {
        out.iter_mut().for_each(|sum| *sum = *sum / T::of(n as f64));
    }
}

/// The integer value of an index, rounded towards zero, where it lies in `0..extent`; NaN lies nowhere.
fn position<T: Element>(index: T, extent: u32) -> Option<usize> {
    let index = index.get();
    (!index.is_nan() && (index as i32 as u32) < extent).then_some(index as i32 as usize)
}

/// Variables and registers of a nest while it runs.
struct Machine<'a, T> {
    schedule: &'a Schedule,
    memory: &'a mut Memory<T>,
    n: usize,
    record: &'a Record<'a, T>,
    vars: Vec<(Var, i64)>,
    regs: Vec<Option<T>>,
}

impl<T: Element> Machine<'_, T> {
    fn block(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::For { var, extent, body, .. } => {
                (0..extent.len_for(self.n)).for_each(|i| self.iteration(*var, i, body));
            }
            Stmt::Fold { acc, with, order, var, extent, body, value, .. } => {
                let extent = extent.len_for(self.n);
                let mut element = |i| {
                    self.iteration(*var, i, body);
                    self.reg(*value)
                };
                let result = fold(*with, *order, extent, &mut element);
                self.assign(*acc, result);
            }
            Stmt::Let { reg, op, args } => {
                let args: Vec<T> = args.iter().map(|&arg| self.reg(arg)).collect();
                let value = self.compute(op, &args);
                self.assign(*reg, value);
            }
            Stmt::Load { reg, at, when, fill } => {
                let inside = when.iter().all(|condition| self.holds(condition));
                let value = if inside { self.load(at, 0) } else { T::of(*fill) };
                self.assign(*reg, value);
            }
            Stmt::LoadAt { reg, at, index, stride, extent } => {
                let row = position(self.reg(*index), *extent);
                let value = row.map_or(T::of(f64::NAN), |row| self.load(at, row as i64 * i64::from(*stride)));
                self.assign(*reg, value);
            }
            Stmt::Store { at, value } => {
                let (value, place) = (self.reg(*value), self.linear(&at.at));
                let buffer = &self.schedule.buffers[at.buffer.0 as usize];
                self.memory.buffer_mut(buffer, self.n)[place as usize] = value;
            }
        }
    }

    fn iteration(&mut self, var: Var, i: usize, body: &[Stmt]) {
        self.vars.push((var, i as i64));
        self.block(body);
        self.vars.pop();
    }

    fn compute(&self, op: &Op, args: &[T]) -> T {
        match op {
            Op::Gate(gate) => T::apply_one(*gate, args),
            Op::Number(number) => T::of(*number),
            Op::Index(linear) => T::of(self.linear(linear) as f64),
            Op::Scalar(k) => self.record.scalars[*k as usize],
            Op::BatchSize => T::of(self.n as f64),
            Op::Draw { site, element, example } => {
                let example = example.map_or(0, |var| self.record.examples[self.var(var) as usize]);
                let key = self.record.keys[*site as usize];
                T::of(draw::uniform(key, example, self.linear(element) as u32).into())
            }
        }
    }

    fn holds(&self, condition: &Condition) -> bool {
        condition.allows(self.linear(&condition.e))
    }

    /// Reads `beyond` elements after an address.
    fn load(&self, at: &Address, beyond: i64) -> T {
        let buffer = &self.schedule.buffers[at.buffer.0 as usize];
        self.memory.buffer(buffer, self.n)[(self.linear(&at.at) + beyond) as usize]
    }

    fn linear(&self, linear: &Linear) -> i64 {
        linear.value(|var| self.var(var))
    }

    fn var(&self, var: Var) -> i64 {
        self.vars.iter().find(|bound| bound.0 == var).expect("a variable is used in its loop").1
    }

    fn reg(&self, reg: Reg) -> T {
        self.regs.get(reg.0 as usize).copied().flatten().expect("a register is assigned before it is used")
    }

    fn assign(&mut self, reg: Reg, value: T) {
        let at = reg.0 as usize;
        self.regs.resize(self.regs.len().max(at + 1), None);
        self.regs[at] = Some(value);
    }
}

/// Combines the elements `0..extent`, evaluated ascending.
fn fold<T: Element>(with: Monoid, order: Order, extent: usize, element: &mut impl FnMut(usize) -> T) -> T {
    let Some(gate) = with.gate() else {
        return first_extreme(with, extent, element);
    };
    let combine = |a: T, b: T| T::apply_one(gate, &[a, b]);
    let longest = match order {
        Order::Chain { block } | Order::Lanes { block } => block as usize,
    };
    let (blocks, length) = even_blocks(extent, longest);
    let mut block = |k: usize| {
        let range = k * length..extent.min((k + 1) * length);
        match order {
            Order::Chain { .. } => range.fold(T::of(with.identity()), |acc, i| combine(acc, element(i))),
            Order::Lanes { .. } => lanes(with, range, element, combine),
        }
    };
    let first = block(0);
    (1..blocks).fold(first, |acc, k| combine(acc, block(k)))
}

/// One block of a fold by [`Order::Lanes`].
fn lanes<T: Element>(
    with: Monoid,
    range: std::ops::Range<usize>,
    element: &mut impl FnMut(usize) -> T,
    combine: impl Fn(T, T) -> T,
) -> T {
    let mut lanes = [T::of(with.identity()); 16];
    for (i, at) in range.enumerate() {
        lanes[i % 16] = combine(lanes[i % 16], element(at));
    }
    for half in [8, 4, 2, 1] {
        for lane in 0..half {
            lanes[lane] = combine(lanes[lane], lanes[lane + half]);
        }
    }
    lanes[0]
}

/// The position of the first largest or smallest element; a NaN counts as either. 0 where there is none.
fn first_extreme<T: Element>(with: Monoid, extent: usize, element: &mut impl FnMut(usize) -> T) -> T {
    let mut best = (T::of(with.identity()), 0);
    for i in 0..extent {
        let value = element(i);
        let better = if with == Monoid::Argmax { value > best.0 } else { value < best.0 };
        if better || (value.is_nan() && !best.0.is_nan()) {
            best = (value, i);
        }
    }
    T::of(best.1 as f64)
}

impl Monoid {
    /// The gate that combines two values; none for positions.
    pub fn gate(self) -> Option<Gate> {
        match self {
            Monoid::Sum => Some(gates::ADD),
            Monoid::Prod => Some(gates::MUL),
            Monoid::Max => Some(gates::MAX),
            Monoid::Min => Some(gates::MIN),
            Monoid::Argmax | Monoid::Argmin => None,
        }
    }

    /// What a chain starts from; for positions, the value that any element equals or beats.
    pub fn identity(self) -> f64 {
        match self {
            Monoid::Sum => 0.0,
            Monoid::Prod => 1.0,
            Monoid::Max | Monoid::Argmax => f64::NEG_INFINITY,
            Monoid::Min | Monoid::Argmin => f64::INFINITY,
        }
    }
}
