//! Position by position gives what the whole gives.

use super::*;
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{F64, Reducer};
use crate::interpret::{Bindings, evaluate};

const T: u32 = 5;

/// A sequence of two numbers a position.
fn sequence(circuit: &mut Circuit) -> ValueId {
    slot(circuit, "x", SlotRole::Input, Shape::per_example([T, 2]))
}

fn slot(circuit: &mut Circuit, name: &str, role: SlotRole, shape: Shape) -> ValueId {
    circuit.declare(Slot { name: name.into(), role, shape, kind: Kind::Real, classes: None, span: None })
}

fn number(k: usize) -> f64 {
    (k as f64 * 1.7).sin()
}

/// Builds a net over the sequence (slot 0) whose result has the positions first, and holds both ways together.
fn check(build: impl Fn(&mut Circuit, ValueId) -> ValueId) -> Stepwise {
    let mut circuit = Circuit::new();
    let x = sequence(&mut circuit);
    let result = build(&mut circuit, x);
    let mut bindings: Bindings<f64> = Bindings::new(1);
    for (k, slot) in circuit.slots().to_vec().iter().enumerate() {
        let data = (0..slot.shape.size()).map(|at| number(at + 10 * k)).collect();
        bindings.bind(&circuit, SlotId(k as u32), data);
    }
    let whole = evaluate(&circuit, &[result], &bindings).remove(0).data;
    let steps = stepwise(&circuit, result, 0, SlotId(0)).expect("position by position");
    crate::circuit::verify::verify(&steps.circuit).expect("a circuit");

    let mut now: Bindings<f64> = Bindings::new(1);
    for (k, slot) in circuit.slots().iter().enumerate().skip(1) {
        let data = (0..slot.shape.size()).map(|at| number(at + 10 * k)).collect();
        now.bind(&steps.circuit, SlotId(k as u32), data);
    }
    for kept in &steps.states {
        let size = steps.circuit.slot(kept.slot).shape.size();
        now.bind(&steps.circuit, kept.slot, vec![kept.initial; size]);
    }
    let mut found = vec![];
    for t in 0..T as usize {
        now.bind(&steps.circuit, steps.element, vec![number(2 * t), number(2 * t + 1)]);
        now.bind(&steps.circuit, steps.position, vec![t as f64]);
        let roots: Vec<ValueId> =
            std::iter::once(steps.result).chain(steps.states.iter().map(|kept| kept.next)).collect();
        let mut values = evaluate(&steps.circuit, &roots, &now).into_iter();
        found.extend(values.next().expect("the result").data);
        for (kept, value) in steps.states.iter().zip(values) {
            now.bind(&steps.circuit, kept.slot, value.data);
        }
    }
    assert_eq!(found.len(), whole.len());
    for (found, whole) in found.iter().zip(&whole) {
        assert!((found - whole).abs() < 1e-12, "{found}, not {whole}");
    }
    steps
}

#[test]
fn what_is_computed_at_each_position_alone() {
    let steps = check(|c, x| {
        let sum = c.sum(x, AxisSet::of([1]));
        c.gate(gates::EXP, &[sum])
    });
    assert!(steps.states.is_empty());
    assert_eq!(steps.limit, None);
}

#[test]
fn a_recurrence_of_two_lags_keeps_what_it_needs() {
    let steps = check(|c, x| {
        let shape = c.shape(x).clone();
        let h = c.variable();
        let (one, two) = (c.lag(h, 0, 1, 0.5, &shape), c.lag(h, 0, 2, 0.0, &shape));
        let half = c.number(0.5);
        let one = c.mul(half, one);
        let both = c.add(one, two);
        let new = c.add(both, x);
        c.close(h, new);
        c.gate(gates::COS, &[new])
    });
    assert_eq!(steps.states.len(), 3);
    assert_eq!(steps.limit, None);
}

#[test]
fn positions_have_numbers_and_rows_of_a_table() {
    let steps = check(|c, x| {
        let table = slot(c, "E", SlotRole::Param, Shape::shared([T, 2]));
        let shape = c.shape(x).clone();
        let rows = c.broadcast(table, &shape);
        let iota = c.iota(T);
        let own = c.view(iota, View::select(shape.clone(), &[0], &[T]));
        let sum = c.add(x, rows);
        c.mul(sum, own)
    });
    assert_eq!(steps.limit, Some(T));
}

/// `sum[s] (if s <= t then x[t, d] * x[s, d] else 0)`, after one another, as in attention.
fn attend(c: &mut Circuit, x: ValueId) -> ValueId {
    let wide = Shape::per_example([T, T, 2]);
    let here = c.view(x, View::select(wide.clone(), &[0, 2], &[T, 2]));
    let there = View::select(wide.clone(), &[1, 2], &[T, 2]);
    let e = Affine { c: vec![1, -1, 0], b: 0, d: 1 };
    let past = Guard { e, lo: 0, hi: i64::from(T) };
    let there = c.view(x, View { guards: vec![past], ..there });
    let product = c.mul(here, there);
    c.sum(product, AxisSet::of([1]))
}

#[test]
fn positions_look_back_upon_all_before_twice() {
    let steps = check(|c, x| {
        let once = attend(c, x);
        let waves = c.gate(gates::COS, &[once]);
        attend(c, waves)
    });
    assert_eq!(steps.states.len(), 2);
    assert_eq!(steps.limit, Some(T));
}

#[test]
fn a_causal_window_reads_earlier_elements() {
    check(|c, x| {
        let wide = Shape::per_example([T, 2, 3]);
        let coords = vec![Affine { c: vec![1, 0, -1], b: 0, d: 1 }, Affine::axis(1, 3)];
        let read = c.view(x, View { out: wide, coords, guards: vec![], fill: F64::new(0.25) });
        c.reduce(Reducer::Max, read, AxisSet::of([2]), false)
    });
}

#[test]
fn what_takes_the_whole_sequence_is_refused() {
    let mut c = Circuit::new();
    let x = sequence(&mut c);
    let total = c.sum(x, AxisSet::of([0]));
    let shape = c.shape(x).clone();
    let spread = c.view(total, View::select(shape, &[1], &[2]));
    let both = c.add(x, spread);
    let wrong = stepwise(&c, both, 0, SlotId(0)).expect_err("a sum over all positions");
    assert_eq!(wrong, Wrong { value: total, does: "takes the whole sequence into account" });
}
