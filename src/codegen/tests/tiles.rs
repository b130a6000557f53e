//! Products whose tiles are functions made for them.

use super::steps::{axis, small_product};
use super::*;
use crate::kernels::Variant;
use Extent::{Batch, Fixed};

/// As hinted, by one thread and by several; as many functions as `made`, where this machine has any.
fn check_tiles(schedule: &Schedule, rows: usize, value: fn(&mut Random) -> f32, made: usize) {
    let module = compile(schedule, Options { listing: true, ..checked() }).expect("it compiles");
    let expected = if Instructions::best().is_some() { made } else { 0 };
    assert_eq!(module.asm().matches("tiles of a product").count(), expected, "{schedule:?}");
    let case = Case::<f32>::new(schedule, rows, 11, value);
    let interpreted = case.interpreted();
    for threads in [1, 3] {
        let native = case.native(Options { threads, ..checked() });
        compare(&case, &interpreted, &native, &format!("by {threads} threads"));
    }
}

/// Each operand and the result as it is and turned, each axis that of the examples; tiles of every height, vectors of any
/// number of lanes, chains of several blocks; batches that are not whole.
#[test]
fn matrices() {
    let sizes =
        [[40, 33, 12], [7, 90, 9], [9, 61, 17], [13, 14, 25], [21, 250, 8], [1, 70, 70], [12, 6, 700]];
    for extents in sizes {
        for batch in [None, Some(0), Some(1), Some(2)] {
            for layout in 0..8 {
                let schedule = small_product(extents, batch, layout);
                let n = extents[batch.unwrap_or(0)] as usize;
                for rows in [n, n + n / 2] {
                    check_tiles(&schedule, rows, Random::number, 1);
                }
            }
        }
    }
}

/// What is no number, or none that can be held, goes through the same sums.
#[test]
fn any_numbers() {
    for layout in 0..8 {
        check_tiles(&small_product([21, 27, 40], Some(0), layout), 30, Random::extreme, 1);
    }
}

/// Means over batches whose size is a power of two, where they are multiplied by its reciprocal, and over others.
#[test]
fn means() {
    for value in [Random::number, Random::extreme] {
        for capacity in [16, 24] {
            let mut schedule = small_product([21, 40, capacity], Some(2), 0);
            let Step::Contract(contract) = &mut schedule.steps[0] else { unreachable!("as made") };
            contract.mean = true;
            for rows in [capacity as usize, 8, 16 + 7] {
                check_tiles(&schedule, rows, value, 1);
            }
        }
    }
}

/// Lines of windows, each as long as it is: panels of two kinds, read and written where they lie.
#[test]
fn windows() {
    for width in 1..=20 {
        let (line, w) = (i64::from(width) + 4, i64::from(width));
        for (filters, kernel) in [(6, 5), (3, 3), (16, 2)] {
            let mut d = Draft::new(5);
            let per_filter = i64::from(kernel * kernel);
            let weights = d.buffer(Region::Params, false, &[filters, kernel, kernel]);
            let x = d.buffer(Region::Input(0), true, &[12, width + 4]);
            let y = d.buffer(Region::Output(0), true, &[filters, 8, width]);
            let operand = |buffer| Address { buffer, at: Linear::default() };
            d.schedule.steps.push(Step::Contract(Contract {
                what: "windows".to_string(),
                why: String::new(),
                batch: vec![],
                m: vec![axis(Fixed(filters), per_filter, 0, 8 * w)],
                n: vec![
                    axis(Batch, 0, 12 * line, i64::from(filters) * 8 * w),
                    axis(Fixed(8), 0, line, w),
                    axis(Fixed(width), 0, 1, 1),
                ],
                k: vec![axis(Fixed(kernel), i64::from(kernel), line, 0), axis(Fixed(kernel), 1, 1, 0)],
                a: operand(weights),
                b: operand(x),
                out: operand(y),
                k_block: 512,
                mean: false,
            }));
            let Step::Contract(contract) = &d.schedule.steps[0] else { unreachable!("as pushed") };
            let called = usize::from(!product::in_place(contract, 5));
            for rows in [5, 8] {
                check_tiles(&d.schedule, rows, Random::number, called);
            }
        }
    }
}

/// Functions of every set of instructions can be encoded, also where they cannot run.
#[test]
fn sets_of_instructions() {
    for variant in [Variant::Avx2, Variant::Avx512] {
        for extents in [[40, 33, 12], [1, 70, 70], [13, 14, 25]] {
            for layout in 0..8 {
                let schedule = small_product(extents, Some(0), layout);
                let Step::Contract(contract) = &schedule.steps[0] else { unreachable!("a product") };
                let task = Task::prepare_for::<f32>(contract, extents[0], variant);
                let shape = task.shape().expect("one that a function is made for");
                let (bytes, text) = wide::tiles::emit(&shape, true);
                assert!(!bytes.is_empty() && text.contains("vfmadd231ps"), "{shape:?}");
            }
        }
    }
}
