//! Every monoid, order and length.

use super::*;
use crate::circuit::gates;
use Extent::{Batch, Fixed};

const MONOIDS: [Monoid; 6] =
    [Monoid::Sum, Monoid::Prod, Monoid::Max, Monoid::Min, Monoid::Argmax, Monoid::Argmin];

fn orders(block: u32) -> [Order; 2] {
    [Order::Chain { block }, Order::Lanes { block }]
}

/// `out[b] = fold[j] x[b, j]^2 - x[b, j]`.
fn rows(with: Monoid, order: Order, extent: u32) -> Schedule {
    let mut d = Draft::new(3);
    let x = d.buffer(Region::Input(0), true, &[extent]);
    let out = d.buffer(Region::Output(0), true, &[]);
    let (b, j, mut body) = (d.var(), d.var(), vec![]);
    let read = d.load(&mut body, at(x, 0, &[(b, i64::from(extent)), (j, 1)]));
    let square = d.gate(&mut body, gates::MUL, &[read, read]);
    let value = d.gate(&mut body, gates::SUB, &[square, read]);
    let acc = d.reg();
    let fold =
        Stmt::Fold { acc, with, order, var: j, extent: Fixed(extent), hint: Hint::Vector, body, value };
    let store = Stmt::Store { at: at(out, 0, &[(b, 1)]), value: acc };
    d.nest(vec![for_loop(b, Batch, Hint::Plain, vec![fold, store])]);
    d.schedule
}

#[test]
fn every_monoid_order_and_tail() {
    for extent in (0..=40).chain([64, 100]) {
        for with in MONOIDS {
            for order in orders(1000).into_iter().chain(orders(7)) {
                if extent % 3 == 1 {
                    check(&rows(with, order, extent), 4, u64::from(extent), Random::extreme);
                }
                let case = Case::<f32>::new(&rows(with, order, extent), 2, u64::from(extent), Random::number);
                compare(&case, &case.interpreted(), &case.native(checked()), "ordinary numbers");
            }
        }
    }
}

/// `out = fold[b] x[b]` over the examples of a batch, in one block and in several.
#[test]
fn folds_over_the_batch() {
    for with in MONOIDS {
        for order in orders(1000).into_iter().chain(orders(6)) {
            let mut d = Draft::new(40);
            let x = d.buffer(Region::Input(0), true, &[]);
            let log = d.buffer(Region::Log, false, &[]);
            let (b, mut body) = (d.var(), vec![]);
            let value = d.load(&mut body, at(x, 0, &[(b, 1)]));
            let acc = d.reg();
            let fold =
                Stmt::Fold { acc, with, order, var: b, extent: Batch, hint: Hint::Vector, body, value };
            d.nest(vec![fold, Stmt::Store { at: at(log, 0, &[]), value: acc }]);
            for rows in 1..=40 {
                let case = Case::<f32>::new(&d.schedule, rows, rows as u64, Random::number);
                compare(&case, &case.interpreted(), &case.native(checked()), "a batch");
            }
            check(&d.schedule, 93, 7, Random::extreme);
        }
    }
}

/// `out[j] = fold[b] x[b, j]`: the columns lie in the lanes of vectors, the fold runs over something else.
#[test]
fn columns_side_by_side() {
    for with in MONOIDS {
        for order in orders(1000).into_iter().chain(orders(5)) {
            for columns in [1, 4, 6, 11, 16, 35, 88] {
                let mut d = Draft::new(21);
                let x = d.buffer(Region::Input(0), true, &[columns]);
                let out = d.buffer(Region::Gradients, false, &[columns]);
                let (b, j, mut body) = (d.var(), d.var(), vec![]);
                let value = d.load(&mut body, at(x, 0, &[(b, i64::from(columns)), (j, 1)]));
                let acc = d.reg();
                let fold =
                    Stmt::Fold { acc, with, order, var: b, extent: Batch, hint: Hint::Plain, body, value };
                let store = Stmt::Store { at: at(out, 0, &[(j, 1)]), value: acc };
                d.nest(vec![for_loop(j, Fixed(columns), Hint::Vector, vec![fold, store])]);
                for rows in [1, 15, 16, 20] {
                    check(&d.schedule, rows, rows as u64, Random::extreme);
                }
            }
        }
    }
}

/// `out[b, j] = j * fold[k] (if 1 <= k < 4 then w[k] else 0) * x[b, k, j]`, after which it is read again: several vectors
/// side by side share what does not differ between them.
#[test]
fn several_chains_at_once() {
    for columns in [7, 8, 16, 24, 31, 33, 64, 73, 100] {
        let mut d = Draft::new(5);
        let (width, extent) = (i64::from(columns), 6);
        let w = d.buffer(Region::Params, false, &[extent]);
        let x = d.buffer(Region::Input(0), true, &[extent, columns]);
        let out = d.buffer(Region::Output(0), true, &[columns]);
        let (b, j, k, mut inner) = (d.var(), d.var(), d.var(), vec![]);
        let weight = d.reg();
        let condition = Condition { e: linear(0, &[(k, 1)]), divisor: 1, lo: 1, hi: 4 };
        inner.push(Stmt::Load { reg: weight, at: at(w, 0, &[(k, 1)]), when: vec![condition], fill: 0.0 });
        let read = d.load(&mut inner, at(x, 0, &[(b, width * i64::from(extent)), (k, width), (j, 1)]));
        let value = d.gate(&mut inner, gates::MUL, &[weight, read]);
        let (acc, order) = (d.reg(), Order::Chain { block: 4 });
        let extent = Fixed(extent);
        let fold = Stmt::Fold {
            acc,
            with: Monoid::Sum,
            order,
            var: k,
            extent,
            hint: Hint::Plain,
            body: inner,
            value,
        };
        let mut body = vec![fold];
        let index = d.compute(&mut body, Op::Index(linear(1, &[(j, 1)])), &[]);
        let product = d.gate(&mut body, gates::MUL, &[index, acc]);
        let here = || at(out, 0, &[(b, width), (j, 1)]);
        body.push(Stmt::Store { at: here(), value: product });
        let again = d.load(&mut body, here());
        let power = d.gate(&mut body, gates::EXP, &[again]);
        body.push(Stmt::Store { at: here(), value: power });
        let columns = for_loop(j, Fixed(columns), Hint::Vector, body);
        d.nest(vec![for_loop(b, Batch, Hint::Plain, vec![columns])]);
        for rows in [1, 5, 8] {
            check(&d.schedule, rows, rows as u64, Random::number);
        }
    }
}

/// Rows of values that folds before them give, stored in passing.
#[test]
fn softmax() {
    for extent in [1, 3, 4, 10, 16, 37] {
        check(&softmax_rows(5, extent), 13, 2, Random::number);
        check(&softmax_rows(5, extent), 13, 3, Random::extreme);
    }
}

/// `out[b, j] = exp(x[b, j] - max[b]) / sum[b]`.
pub fn softmax_rows(batch: u32, extent: u32) -> Schedule {
    let mut d = Draft::new(batch);
    let width = i64::from(extent);
    let x = d.buffer(Region::Input(0), true, &[extent]);
    let e = d.buffer(Region::Arena, true, &[extent]);
    let out = d.buffer(Region::Output(0), true, &[extent]);
    let (b, order) = (d.var(), Order::Lanes { block: 512 });
    let here = |buffer, j| at(buffer, 0, &[(b, width), (j, 1)]);
    let fold = |acc, with, var, body, value| {
        let hint = Hint::Vector;
        Stmt::Fold { acc, with, order, var, extent: Fixed(extent), hint, body, value }
    };
    let (j, mut body, largest) = (d.var(), vec![], d.reg());
    let value = d.load(&mut body, here(x, j));
    let first = fold(largest, Monoid::Max, j, body, value);

    let (j, mut body, total) = (d.var(), vec![], d.reg());
    let value = d.load(&mut body, here(x, j));
    let shifted = d.gate(&mut body, gates::SUB, &[value, largest]);
    let value = d.gate(&mut body, gates::EXP, &[shifted]);
    body.push(Stmt::Store { at: here(e, j), value });
    let second = fold(total, Monoid::Sum, j, body, value);

    let (j, mut body) = (d.var(), vec![]);
    let value = d.load(&mut body, here(e, j));
    let value = d.gate(&mut body, gates::DIV, &[value, total]);
    body.push(Stmt::Store { at: here(out, j), value });
    let third = for_loop(j, Fixed(extent), Hint::Vector, body);
    d.nest(vec![for_loop(b, Batch, Hint::Plain, vec![first, second, third])]);
    d.schedule
}
