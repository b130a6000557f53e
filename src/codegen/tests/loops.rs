//! Loops, reads under conditions and by number, memory that is read and written.

use super::*;
use crate::circuit::gates;
use Extent::{Batch, Fixed};

/// `out[i] = sum[u] x[(i + pad - u) / stride] * w[u] else fill`: conditions with and without a divisor.
#[test]
fn reads_under_conditions() {
    for (stride, fill) in [(1, 0.0), (2, -1.5), (3, f64::NAN)] {
        for extent in [1, 5, 8, 13] {
            let mut d = Draft::new(1);
            let x = d.buffer(Region::Params, false, &[8]);
            let w = d.buffer(Region::States, false, &[3]);
            let out = d.buffer(Region::Gradients, false, &[extent]);
            let (i, u, k, mut body) = (d.var(), d.var(), d.var(), vec![]);
            // i = k + ..: the read moves with `k` only where the quotient is whole.
            let e = linear(1, &[(i, 1), (u, -1)]);
            let reg = d.reg();
            let condition = Condition { e: e.clone(), divisor: stride, lo: 0, hi: 8 };
            if stride == 1 {
                body.push(Stmt::Load { reg, at: Address { buffer: x, at: e }, when: vec![condition], fill });
            } else {
                // A quotient has no affine address: this reads a fixed element where the quotient is whole.
                let when = vec![condition, Condition { e: linear(0, &[(u, 1)]), divisor: 1, lo: 0, hi: 2 }];
                body.push(Stmt::Load { reg, at: at(x, 3, &[(u, 1)]), when, fill });
            }
            let weight = d.load(&mut body, at(w, 0, &[(u, 1)]));
            let value = d.gate(&mut body, gates::MUL, &[reg, weight]);
            let acc = d.reg();
            let order = Order::Chain { block: 100 };
            let fold = Stmt::Fold {
                acc,
                with: Monoid::Sum,
                order,
                var: u,
                extent: Fixed(3),
                hint: Hint::Plain,
                body,
                value,
            };
            let store = Stmt::Store { at: at(out, 0, &[(i, 1)]), value: acc };
            let mut top = vec![for_loop(i, Fixed(extent), Hint::Vector, vec![fold, store])];
            // One more, of one iteration: nothing of its conditions is left in the code.
            let reg = d.reg();
            let never = vec![Condition { e: linear(9, &[(k, 1)]), divisor: 2, lo: 0, hi: 3 }];
            let body = vec![
                Stmt::Load { reg, at: at(x, 0, &[(k, 1)]), when: never, fill: 2.5 },
                Stmt::Store { at: at(out, 0, &[(k, 1)]), value: reg },
            ];
            top.push(for_loop(k, Fixed(1), Hint::Vector, body));
            d.nest(top);
            check(&d.schedule, 1, 4, Random::number);
        }
    }
}

/// `out[b, j] = table[index[b], j]`, with indices outside, between whole numbers, and NaN.
#[test]
fn reads_by_number() {
    let index = |random: &mut Random| match random.below(8) {
        0 => random.extreme(),
        1 => -0.5,
        _ => random.below(12) as f32 - 2.0,
    };
    for width in [1, 3, 4, 9] {
        let mut d = Draft::new(7);
        let table = d.buffer(Region::Params, false, &[8, width]);
        let index_of = d.buffer(Region::Input(0), true, &[]);
        let out = d.buffer(Region::Output(0), true, &[width]);
        let (b, j) = (d.var(), d.var());
        let mut row = vec![];
        let number = d.load(&mut row, at(index_of, 0, &[(b, 1)]));
        let reg = d.reg();
        let body = vec![
            Stmt::LoadAt { reg, at: at(table, 0, &[(j, 1)]), index: number, stride: width, extent: 8 },
            Stmt::Store { at: at(out, 0, &[(b, i64::from(width)), (j, 1)]), value: reg },
        ];
        row.push(for_loop(j, Fixed(width), Hint::Vector, body));
        d.nest(vec![for_loop(b, Batch, Hint::Plain, row)]);
        check(&d.schedule, 40, u64::from(width), index);
    }
}

/// `x[j + 1] = x[j] + 1`: a loop whose iterations are not independent runs one after another, whatever the hint.
#[test]
fn a_loop_that_reads_what_it_wrote() {
    let mut d = Draft::new(1);
    let x = d.buffer(Region::Params, false, &[20]);
    let (j, mut body) = (d.var(), vec![]);
    let read = d.load(&mut body, at(x, 0, &[(j, 1)]));
    let one = d.compute(&mut body, Op::Number(1.0), &[]);
    let value = d.gate(&mut body, gates::ADD, &[read, one]);
    body.push(Stmt::Store { at: at(x, 1, &[(j, 1)]), value });
    d.nest(vec![for_loop(j, Fixed(19), Hint::Vector, body)]);
    check(&d.schedule, 1, 1, Random::number);
}

/// The same memory under two names: a value read in every iteration that the loop itself overwrites.
#[test]
fn a_read_that_does_not_move_but_changes() {
    let mut d = Draft::new(1);
    let x = d.buffer(Region::Params, false, &[20]);
    let same = BufferId(1);
    let twin = Buffer { name: "twin".to_string(), ..d.schedule.buffers[0].clone() };
    d.schedule.buffers.push(twin);
    let (j, mut body) = (d.var(), vec![]);
    let fixed = d.load(&mut body, at(x, 5, &[]));
    let read = d.load(&mut body, at(x, 0, &[(j, 1)]));
    let value = d.gate(&mut body, gates::ADD, &[read, fixed]);
    body.push(Stmt::Store { at: at(same, 0, &[(j, 1)]), value });
    d.nest(vec![for_loop(j, Fixed(20), Hint::Vector, body)]);
    check(&d.schedule, 1, 1, Random::number);
}

/// In place, transposed, strided: the bodies that lanes can and cannot do.
#[test]
fn layouts() {
    for (rows, columns) in [(1, 1), (3, 5), (4, 8), (9, 6)] {
        let mut d = Draft::new(1);
        let x = d.buffer(Region::Params, false, &[rows, columns]);
        let out = d.buffer(Region::Gradients, false, &[columns, rows]);
        let (i, j, mut body) = (d.var(), d.var(), vec![]);
        let here = at(x, 0, &[(i, i64::from(columns)), (j, 1)]);
        let read = d.load(&mut body, here.clone());
        let value = d.gate(&mut body, gates::MUL, &[read, read]);
        body.push(Stmt::Store { at: at(out, 0, &[(j, i64::from(rows)), (i, 1)]), value });
        body.push(Stmt::Store { at: here, value });
        d.nest(vec![for_loop(
            i,
            Fixed(rows),
            Hint::Plain,
            vec![for_loop(j, Fixed(columns), Hint::Vector, body)],
        )]);
        check(&d.schedule, 1, 1, Random::number);
    }
}
