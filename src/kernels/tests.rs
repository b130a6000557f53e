//! Every variant gives the bits of the reference, for every way in which operands can lie.

use super::*;
use crate::plan::schedule::{Address, BufferId, Contract, ContractAxis, Extent, Linear};

/// Small deterministic numbers in (-1, 1).
fn numbers<T: Real>(count: usize, seed: u32) -> Vec<T> {
    let mut state = seed.wrapping_mul(2654435761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        T::of(f64::from(state >> 8) / 8388608.0 - 1.0)
    };
    (0..count).map(|_| next()).collect()
}

fn axis(extent: Extent, a: i64, b: i64, out: i64) -> ContractAxis {
    ContractAxis { extent, a, b, out }
}

fn operand(offset: i64) -> Address {
    Address { buffer: BufferId(0), at: Linear::constant(offset) }
}

fn bare(m: Vec<ContractAxis>, n: Vec<ContractAxis>, k: Vec<ContractAxis>) -> Contract {
    Contract {
        what: String::new(),
        why: String::new(),
        batch: vec![],
        m,
        n,
        k,
        a: operand(0),
        b: operand(0),
        out: operand(0),
        k_block: 512,
        mean: false,
    }
}

/// Runs the reference and all variants with `n` examples of at most `capacity`, and compares bits.
fn check(contract: &Contract, lengths: [usize; 3], n: usize, capacity: u32) {
    check_in::<f32>(contract, lengths, n, capacity);
    check_in::<f64>(contract, lengths, n, capacity);
}

fn check_in<T: Real>(contract: &Contract, lengths: [usize; 3], n: usize, capacity: u32) {
    let (a, b) = (numbers::<T>(lengths[0], 1), numbers::<T>(lengths[1], 2));
    let mut expected = vec![T::of(7.0); lengths[2]];
    reference(contract, &a, &b, &mut expected, n);
    for variant in Variant::here() {
        let task = Task::prepare_for::<T>(contract, capacity, variant);
        for threads in [1, 3] {
            let mut equipment = Equipment::new([&task].into_iter(), size_of::<T>(), threads, 0);
            let mut out = vec![T::of(7.0); lengths[2]];
            let (a, b, to) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
            // SAFETY: the lengths are those that the axes reach, and the buffers are distinct.
            unsafe { super::contract(&task, a, b, to, n as u64, &raw mut equipment) };
            let differs = expected.iter().zip(&out).position(|(x, y)| x.get().to_bits() != y.get().to_bits());
            assert_eq!(differs, None, "{variant:?} by {threads} threads {contract:?}");
        }
        let Some(unit) = task.by_example() else { continue };
        let mut out = vec![T::of(7.0); lengths[2]];
        let mut scratch = vec![T::of(f64::NAN); task.own_len()];
        let (a, b, to) = (a.as_ptr(), b.as_ptr(), out.as_mut_ptr());
        // The last ones first: nothing depends on those before.
        for first in (0..n).step_by(unit as usize).rev() {
            let examples = first..n.min(first + unit as usize);
            // SAFETY: as above; the memory is as long as the task says.
            unsafe { contract_alone(&task, [a, b], to, n, Some(examples), scratch.as_mut_ptr()) };
        }
        assert_eq!(bits(&out), bits(&expected), "{variant:?} by example {contract:?}");
    }
}

fn bits<T: Real>(numbers: &[T]) -> Vec<u64> {
    numbers.iter().map(|number| number.get().to_bits()).collect()
}

/// Examples in rows, in columns whose vectors begin anew with each or with some, and in products apart from each other.
#[test]
fn what_can_be_computed_by_example() {
    use Extent::{Batch, Fixed};
    let units = |contract: &Contract| Task::prepare::<f32>(contract, 24).by_example();
    let k = vec![axis(Fixed(30), 1, 1, 0)];
    let rows = bare(vec![axis(Batch, 30, 0, 9)], vec![axis(Fixed(9), 0, 30, 1)], k.clone());
    // Vectors along the examples: the result is read across.
    let columns = bare(vec![axis(Fixed(3), 30, 0, 24)], vec![axis(Batch, 0, 30, 1)], k.clone());
    let mut apart = bare(vec![axis(Fixed(7), 30, 0, 5)], vec![axis(Fixed(5), 0, 30, 1)], k);
    apart.batch = vec![axis(Batch, 210, 150, 35), axis(Fixed(1), 0, 0, 0)];
    assert_eq!([units(&rows), units(&apart)], [Some(1), Some(1)]);
    assert!(units(&columns).is_some_and(|unit| [4, 8, 16].contains(&unit)), "{:?}", units(&columns));
    for n in [1, 5, 24] {
        check(&rows, [24 * 30, 9 * 30, 24 * 9], n, 24);
        check(&columns, [3 * 30, 24 * 30, 3 * 24], n, 24);
        check(&apart, [24 * 210, 24 * 150, 24 * 35], n, 24);
    }
    // What all examples read is too large to be packed by each thread for so few of them.
    let of_width = |wide: u32, batch: u32| {
        let k = vec![axis(Fixed(784), 1, 1, 0)];
        let columns = vec![axis(Fixed(wide), 0, 784, 1)];
        let product = bare(vec![axis(Batch, 784, 0, i64::from(wide))], columns, k);
        Task::prepare_for::<f32>(&product, batch, Variant::Portable).by_example()
    };
    let gain = [(512, 128), (512, 512), (20, 128)].map(|(wide, batch)| of_width(wide, batch).is_some());
    assert_eq!(gain, [false, true, true]);
    // A sum over the examples.
    let sum = bare(vec![axis(Fixed(9), 1, 0, 4)], vec![axis(Fixed(4), 0, 1, 1)], vec![axis(Batch, 9, 4, 0)]);
    assert_eq!(units(&sum), None);
}

/// `out[m, n]` of plain matrices, each operand as it is or transposed, each possibly the one with vectors.
#[test]
fn every_layout_and_size_agrees() {
    use Extent::Fixed;
    let sizes = [(1, 1, 1), (4, 8, 2), (32, 10, 64), (5, 33, 7), (9, 17, 513), (40, 70, 1100), (3, 1, 9)];
    for (m, n, k) in sizes {
        for layout in 0..8 {
            let (mi, ni, ki) = (i64::from(m), i64::from(n), i64::from(k));
            let (am, ak) = if layout & 1 == 0 { (ki, 1) } else { (1, mi) };
            let (bn, bk) = if layout & 2 == 0 { (ki, 1) } else { (1, ni) };
            let (om, on) = if layout & 4 == 0 { (ni, 1) } else { (1, mi) };
            let contract = bare(
                vec![axis(Fixed(m), am, 0, om)],
                vec![axis(Fixed(n), 0, bn, on)],
                vec![axis(Fixed(k), ak, bk, 0)],
            );
            check(&contract, [(m * k) as usize, (n * k) as usize, (m * n) as usize], 1, 1);
        }
    }
}

/// Products that threads share: many panels, few of them with many rows, and several products.
#[test]
fn threads_share_long_products() {
    use Extent::Fixed;
    for (m, n, k, batch) in [(50, 700, 40, 1), (700, 9, 150, 1), (64, 60, 33, 9), (130, 70, 1030, 2)] {
        let (mi, ni, ki) = (i64::from(m), i64::from(n), i64::from(k));
        let rows = vec![axis(Fixed(m), ki, 0, ni)];
        let mut contract = bare(rows, vec![axis(Fixed(n), 0, 1, 1)], vec![axis(Fixed(k), 1, ni, 0)]);
        contract.batch = vec![axis(Fixed(batch), mi * ki, ni * ki, mi * ni)];
        let lengths = [m * k, n * k, m * n].map(|length| (length * batch) as usize);
        check(&contract, lengths, 1, 1);
    }
}

/// A gradient of filters: few results of long chains, whose blocks threads share, if the results are neighbours; however
/// many examples there are.
#[test]
fn threads_share_long_chains() {
    use Extent::{Batch, Fixed};
    for (line, n) in [(25, 16), (25, 13), (25, 2), (26, 16)] {
        let (rows, columns) = (vec![axis(Fixed(6), 784, 0, line)], vec![axis(Fixed(25), 0, 784, 1)]);
        let k = vec![axis(Batch, 6 * 784, 25 * 784, 0), axis(Fixed(784), 1, 1, 0)];
        let mut contract = bare(rows, columns, k);
        contract.mean = true;
        let task = Task::prepare::<f32>(&contract, 16);
        assert_eq!(task.sums_apart(3), (line == 25).then_some(150));
        assert_eq!(task.sums_apart(1), None);
        check(&contract, [6 * 784 * 16, 25 * 784 * 16, 6 * line as usize], n, 16);
    }
}

/// A gradient of filters of windows, whose columns are read along lines of every length; what is summed with them continues
/// from line to line, or does not.
#[test]
fn windows_along_short_lines() {
    use Extent::{Batch, Fixed};
    for width in (1..=21).chain([28, 37]) {
        for gap in [0, 1] {
            let (line, framed) = (i64::from(width), i64::from(width) + 4);
            let (image, frame) = (3 * (line + gap), 7 * framed);
            let rows = vec![axis(Fixed(6), image, 0, 25)];
            let columns = vec![axis(Fixed(5), 0, framed, 5), axis(Fixed(5), 0, 1, 1)];
            let lines = [axis(Fixed(3), line + gap, framed, 0), axis(Fixed(width), 1, 1, 0)];
            let k = [&[axis(Batch, 6 * image, frame, 0)], &lines[..]].concat();
            check(&bare(rows, columns, k), [4 * 6 * image as usize, 4 * frame as usize, 150], 4, 4);
        }
    }
}

/// A weight gradient: the sum runs over a short batch and is divided by its actual size.
#[test]
fn the_mean_over_a_short_batch() {
    for n in [1, 5, 32] {
        let mut contract = bare(
            vec![axis(Extent::Fixed(12), 1, 0, 20)],
            vec![axis(Extent::Fixed(20), 0, 1, 1)],
            vec![axis(Extent::Batch, 12, 20, 0)],
        );
        contract.mean = true;
        check(&contract, [12 * 32, 20 * 32, 240], n, 32);
    }
}

/// A weight gradient of wide layers: rows are copied, some of a vector's by each thread, whatever part of the batch is there;
/// in one block of `k` though it is in two when the batch is whole; in parts; of several products.
#[test]
fn rows_far_along_k() {
    use Extent::{Batch, Fixed};
    let rows = |step: i64| vec![axis(Fixed(70), step, 0, 260)];
    let columns = vec![axis(Fixed(260), 0, 1, 1)];
    for n in [1, 512, 600] {
        for step in [1, 3] {
            let mut contract = bare(rows(step), columns.clone(), vec![axis(Batch, 300, 260, 0)]);
            contract.mean = true;
            check(&contract, [300 * 600, 260 * 600, 70 * 260], n, 600);
            // More than the longest panel.
            assert!(Task::prepare::<f32>(&contract, 600).scratch_len(1) > 70 * 512);
        }
    }
    let k = vec![axis(Batch, 300 * 3, 260 * 4, 0), axis(Fixed(3), 300, 260, 0)];
    let mut contract = bare(rows(1), columns, k);
    contract.batch = vec![axis(Fixed(2), 100, 0, 70 * 260)];
    check(&contract, [300 * 3 * 20 + 100, 260 * 4 * 20, 2 * 70 * 260], 20, 20);
}

/// Columns that are neighbours in an operand far along `k`, but not in the result: lines with gaps, shorter than a vector.
#[test]
fn columns_in_short_lines_of_the_result() {
    use Extent::Fixed;
    for width in [10, 20] {
        let (w, gap) = (i64::from(width), i64::from(width) + 6);
        let rows = vec![axis(Fixed(200), 40, 0, 5 * gap)];
        let columns = vec![axis(Fixed(5), 0, w, gap), axis(Fixed(width), 0, 1, 1)];
        let contract = bare(rows, columns, vec![axis(Fixed(40), 1, 2000, 0)]);
        check(&contract, [200 * 40, 2000 * 40, (200 * 5 * gap) as usize], 1, 1);
    }
}

/// Rows per example, several axes in every group that do not join, a batch of products, and offsets.
#[test]
fn axes_that_do_not_join() {
    use Extent::{Batch, Fixed};
    let mut contract = bare(
        vec![axis(Batch, 1000, 0, 300), axis(Fixed(3), 7, 0, 50)],
        vec![axis(Fixed(2), 0, 90, 20), axis(Fixed(5), 0, 11, 2)],
        vec![axis(Fixed(4), 30, 2, 0), axis(Fixed(2), 2, 60, 0)],
    );
    contract.batch = vec![axis(Fixed(2), 400, 200, 150)];
    (contract.a, contract.b, contract.out) = (operand(3), operand(5), operand(1));
    for n in [1, 3, 6] {
        check(&contract, [7000, 700, 2400], n, 6);
    }
}

/// Rows of each example, and sums over them, that lie as one axis: whatever the size of the batch.
#[test]
fn examples_and_their_rows_as_one_axis() {
    use Extent::{Batch, Fixed};
    let columns = vec![axis(Fixed(20), 0, 1, 1)];
    for n in [1, 5, 32] {
        let rows = vec![axis(Batch, 48, 0, 80), axis(Fixed(4), 12, 0, 20)];
        let contract = bare(rows, columns.clone(), vec![axis(Fixed(12), 1, 20, 0)]);
        check(&contract, [48 * 32, 240, 80 * 32], n, 32);
        let k = vec![axis(Batch, 48, 80, 0), axis(Fixed(4), 12, 20, 0)];
        let mut contract = bare(vec![axis(Fixed(12), 1, 0, 20)], columns.clone(), k);
        contract.mean = true;
        check(&contract, [48 * 32, 80 * 32, 240], n, 32);
    }
}

#[test]
fn blocks_are_even() {
    assert_eq!(even_blocks(512, 512), (1, 512));
    assert_eq!(even_blocks(513, 512), (2, 257));
    assert_eq!(even_blocks(0, 512), (1, 0));
}

/// Windows: rows of a result are read from lines that overlap, each as long as it is; strides and padding between.
#[test]
fn windows_are_read_where_they_lie() {
    use Extent::{Batch, Fixed};
    for width in [3, 5, 14, 16, 28, 40] {
        let (line, w) = (i64::from(width) + 4, i64::from(width));
        // y[f, i, j] = sum w[f, u, v] * x[i + u, j + v]
        let forward = bare(
            vec![axis(Fixed(6), 25, 0, 4 * w)],
            vec![axis(Batch, 0, 8 * line, 24 * w), axis(Fixed(4), 0, line, w), axis(Fixed(width), 0, 1, 1)],
            vec![axis(Fixed(5), 5, line, 0), axis(Fixed(5), 1, 1, 0)],
        );
        // w_bar[f, u, v] = mean sum y_bar[f, i, j] * x[i + u, j + v]
        let mut backward = bare(
            vec![axis(Fixed(6), 4 * w, 0, 25)],
            vec![axis(Fixed(5), 0, line, 5), axis(Fixed(5), 0, 1, 1)],
            vec![axis(Batch, 24 * w, 8 * line, 0), axis(Fixed(4), w, line, 0), axis(Fixed(width), 1, 1, 0)],
        );
        backward.mean = true;
        let (x, y) = (8 * line as usize * 7, 24 * w as usize * 7);
        for n in [1, 7] {
            check(&forward, [150, x, y], n, 7);
            check(&backward, [y, x, 150], n, 7);
        }
    }
}
