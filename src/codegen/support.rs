//! Rust functions that native code calls, by the names under which it finds them.

use super::wide::Portion;
use crate::circuit::machine::subnormal::flushed;
use crate::circuit::{Dtype, Gate};
use crate::kernels::{self, CacheLine, Equipment, Real, Task};
use crate::plan::interpret;

/// Name and address of everything that native code on numbers of a type may call.
pub fn symbols(dtype: Dtype) -> Vec<(&'static str, *const u8)> {
    match dtype {
        Dtype::F32 => symbols_for::<f32>(),
        Dtype::F64 => symbols_for::<f64>(),
    }
}

fn symbols_for<T: Real>() -> Vec<(&'static str, *const u8)> {
    vec![
        ("contract", kernels::contract::<T> as *const u8),
        ("contract_by_example", contract_by_example::<T> as *const u8),
        ("contract_alone", contract_alone::<T> as *const u8),
        ("scatter", scatter::<T> as *const u8),
        ("gather", gather as *const u8),
        ("gate", gate::<T> as *const u8),
        ("share", share as *const u8),
        ("lap", super::laps::lap as *const u8),
        // What Cranelift calls on a processor without the instruction.
        ("fmaf", fmaf as *const u8),
        ("floorf", floorf as *const u8),
        ("ceilf", ceilf as *const u8),
        ("nearbyintf", nearbyintf as *const u8),
        ("fma", fma as *const u8),
        ("floor", floor as *const u8),
        ("ceil", ceil as *const u8),
        ("nearbyint", nearbyint as *const u8),
    ]
}

/// Copies the rows of a column, `row` bytes each, that belong to the examples of a batch.
///
/// # Safety
/// `examples` has `n` numbers; `column` has a row for each example up to the largest number; `out` has room for `n`
/// rows.
pub unsafe extern "C" fn gather(out: *mut u8, column: *const u8, examples: *const u32, n: u64, row: u64) {
    let (n, row) = (n as usize, row as usize);
    // SAFETY: within the bounds that the caller promises.
    let from = |k: usize| unsafe { column.add(*examples.add(k) as usize * row) };
    for k in 0..n {
        if k + 1 < n {
            // Rows lie here and there: the next one comes while this one is copied.
            let next = from(k + 1);
            (0..row.min(ASKED))
                .step_by(CacheLine::SIZE)
                .for_each(|at| kernels::will_read(next.wrapping_add(at)));
        }
        // SAFETY: as above; a data set and a workspace do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(from(k), out.add(k * row), row) }
    }
}

/// Bytes of a row that are asked for ahead: of those that follow in order the processor asks by itself.
const ASKED: usize = 4096;

/// See [`kernels::contract_alone`]: the examples of a portion, with its memory.
///
/// # Safety
/// As there.
pub unsafe extern "C" fn contract_by_example<T: Real>(
    task: *const Task,
    a: *const T,
    b: *const T,
    out: *mut T,
    n: u64,
    portion: *const Portion,
) {
    // SAFETY: the caller's promises.
    unsafe {
        let (task, Portion { begin, count, scratch }) = (&*task, &*portion);
        let examples = *begin as usize..(begin + count) as usize;
        kernels::contract_alone(task, [a, b], out, n as usize, Some(examples), scratch.cast());
    }
}

/// See [`kernels::contract_alone`]: all examples, with the memory of a portion.
///
/// # Safety
/// As there.
pub unsafe extern "C" fn contract_alone<T: Real>(
    task: *const Task,
    a: *const T,
    b: *const T,
    out: *mut T,
    n: u64,
    portion: *const Portion,
) {
    // SAFETY: the caller's promises.
    unsafe { kernels::contract_alone(&*task, [a, b], out, n as usize, None, (*portion).scratch.cast()) }
}

/// See [`interpret::scatter`]; `divisor` 0 divides by nothing.
///
/// # Safety
/// `out` has `len` elements, `index` `count` and `value` `count * row`; they do not overlap.
pub unsafe extern "C" fn scatter<T: Real>(
    out: *mut T,
    len: u64,
    index: *const T,
    value: *const T,
    count: u64,
    row: u64,
    divisor: u64,
) {
    let (count, row) = (count as usize, row as usize);
    // SAFETY: the lengths are those that the caller promises.
    let (out, index, value) = unsafe {
        (
            std::slice::from_raw_parts_mut(out, len as usize),
            std::slice::from_raw_parts(index, count),
            std::slice::from_raw_parts(value, count * row),
        )
    };
    interpret::scatter(out, index, value, row, (divisor != 0).then_some(divisor as usize));
}

/// Lanes of a vector of 128 bits of the narrowest type.
const MOST_LANES: usize = 4;
/// Operands of a gate.
const MOST_OPERANDS: usize = 3;

/// A gate on each lane of vectors of 128 bits that follow each other at `place`: room for the result, then the operands.
///
/// # Safety
/// `number` is that of a gate; `place` has room for a vector more than the gate has operands.
pub unsafe extern "C" fn gate<T: Real>(number: u64, place: *mut T) {
    let gate = Gate::all().nth(number as usize).expect("the number of a gate");
    let (lanes, arity) = (16 / size_of::<T>(), gate.row().arity);
    let mut results = [T::of(0.0); MOST_LANES];
    for (lane, result) in results[..lanes].iter_mut().enumerate() {
        let mut operands = [T::of(0.0); MOST_OPERANDS];
        for (k, operand) in operands[..arity].iter_mut().enumerate() {
            // SAFETY: within the vectors that the caller promises.
            *operand = unsafe { *place.add((k + 1) * lanes + lane) };
        }
        *result = T::apply_one(gate, &operands[..arity]);
    }
    // SAFETY: the first of those vectors.
    unsafe { place.copy_from_nonoverlapping(results.as_ptr(), lanes) }
}

/// A function of which calls run portions: that of a nest in wide vectors, or of steps that threads share at once.
type Shared = unsafe extern "C" fn(*mut *mut u8, u64, *const u32, *const u32, *const Portion, u64);

/// What all portions have in common.
struct Whole {
    function: Shared,
    regions: *mut *mut u8,
    n: u64,
    record: *const u32,
    examples: *const u32,
    element: u64,
    /// Memory of the threads' own, and bytes of one's.
    scratch: *mut u8,
    bytes: usize,
}

// SAFETY: portions write to different memory, and read none that another one writes: see `wide::Sharing` and
// `Schedule::by_example`.
unsafe impl Sync for Whole {}

impl Whole {
    /// Runs `count` iterations from `begin`.
    ///
    /// # Safety
    /// See [`share`]; no other call for `thread` is under way.
    unsafe fn run(&self, thread: usize, begin: u64, count: u64) {
        // SAFETY: the caller has memory for each thread.
        unsafe {
            let portion = Portion { begin, count, scratch: self.scratch.add(thread * self.bytes) };
            (self.function)(self.regions, self.n, self.record, self.examples, &portion, self.element);
        }
    }
}

/// Has threads run a function's iterations, `length` of them, in portions of whole units, while they gain by that,
/// `each` so many. How many there are changes no bit: iterations do not touch one another's memory.
///
/// # Safety
/// The function is one that threads can share, with its own operands; the equipment has `scratch` numbers of
/// 32 bits for each thread; nothing else uses it.
pub unsafe extern "C" fn share(
    function: Shared,
    regions: *mut *mut u8,
    n: u64,
    record: *const u32,
    examples: *const u32,
    equipment: *mut Equipment,
    element: u64,
    length: u64,
    unit: u64,
    scratch: u64,
    each: u64,
) {
    // SAFETY: the caller's promises.
    let equipment = unsafe { &mut *equipment };
    let bytes = own_bytes(scratch as usize);
    let units = length.div_ceil(unit);
    let whole = |scratch: *mut u8| Whole { function, regions, n, record, examples, element, scratch, bytes };
    if each == 0 || units == 1 {
        // SAFETY: this is the only call.
        return equipment.alone(|scratch| unsafe { whole(scratch).run(0, 0, length) });
    }
    // How long it takes may depend on both.
    equipment.shared(function as usize, n << 32 | length, |scratch: *mut u8, pool| {
        let whole = whole(scratch);
        let Some(pool) = pool else {
            // SAFETY: this is the only call.
            return unsafe { whole.run(0, 0, length) };
        };
        let parts = units.min(pool.threads() as u64 * each);
        let first = |part: u64| (units * part / parts * unit).min(length);
        let whole = &whole;
        pool.run(parts as usize, &|thread, part| {
            let (begin, end) = (first(part as u64), first(part as u64 + 1));
            // SAFETY: a thread runs one part at a time.
            unsafe { whole.run(thread, begin, end - begin) }
        });
    });
}

/// Bytes of a thread's own memory for so many numbers of 32 bits: whole cache lines.
pub fn own_bytes(numbers: usize) -> usize {
    (numbers * 4).next_multiple_of(CacheLine::SIZE)
}

extern "C" fn fma(a: f64, b: f64, c: f64) -> f64 {
    a.mul_add(b, c)
}

extern "C" fn floor(a: f64) -> f64 {
    a.floor()
}

extern "C" fn ceil(a: f64) -> f64 {
    a.ceil()
}

extern "C" fn nearbyint(a: f64) -> f64 {
    a.round_ties_even()
}

extern "C" fn fmaf(a: f32, b: f32, c: f32) -> f32 {
    a.mul_add(b, c)
}

extern "C" fn floorf(a: f32) -> f32 {
    flushed(a).floor()
}

extern "C" fn ceilf(a: f32) -> f32 {
    flushed(a).ceil()
}

extern "C" fn nearbyintf(a: f32) -> f32 {
    a.round_ties_even()
}
