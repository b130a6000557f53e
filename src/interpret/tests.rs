//! Each kind of node on small arrays, with results worked out by hand.

use super::*;
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{AxisSet, F64, Kind, Reducer, Slot, SlotRole, View, draw, gates};

const NAN: f64 = f64::NAN;

/// A circuit with slots bound to values, for a batch of `n`.
struct Bench {
    circuit: Circuit,
    bindings: Bindings<f64>,
}

impl Bench {
    fn of(n: usize) -> Self {
        Bench { circuit: Circuit::new(), bindings: Bindings::new(n) }
    }

    fn input(&mut self, shape: Shape, data: &[f64]) -> ValueId {
        let id = SlotId(self.circuit.slots().len() as u32);
        let name = format!("x{}", id.0);
        let slot = Slot { name, role: SlotRole::Input, shape, kind: Kind::Real, classes: None, span: None };
        let value = self.circuit.declare(slot);
        self.bindings.bind(&self.circuit, id, data.to_vec());
        value
    }

    fn value(&self, root: ValueId) -> Vec<f64> {
        let array = evaluate(&self.circuit, &[root], &self.bindings).remove(0);
        assert_eq!(&array.shape, self.circuit.shape(root));
        array.data
    }

    /// The same in f32.
    fn value_f32(&self, root: ValueId) -> Vec<f32> {
        let Bindings { n, examples, seed, step, steps, epoch, .. } = self.bindings.clone();
        let mut bindings =
            Bindings::<f32> { n, examples, seed, step, steps, epoch, slots: FxHashMap::default() };
        for (&slot, array) in &self.bindings.slots {
            bindings.bind(&self.circuit, slot, array.data.iter().map(|&x| x as f32).collect());
        }
        evaluate(&self.circuit, &[root], &bindings).remove(0).data
    }
}

/// Equal, NaN being equal to itself.
#[track_caller]
fn check(found: &[f64], expected: &[f64]) {
    let same = |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan());
    assert!(
        found.len() == expected.len() && found.iter().zip(expected).all(same),
        "{found:?}, not {expected:?}"
    );
}

#[test]
fn a_contraction_and_its_mean() {
    let mut bench = Bench::of(2);
    let w = bench.input(Shape::shared([2, 3]), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let x = bench.input(Shape::per_example([3]), &[1.0, 0.0, -1.0, 2.0, 2.0, 0.5]);
    let c = &mut bench.circuit;
    let shape = Shape::per_example([2, 3]);
    let w = c.broadcast(w, &shape);
    let x = c.view(x, View::select(shape, &[1], &[3]));
    let product = c.mul(w, x);
    let y = c.sum(product, AxisSet::of([1]));
    let mean = c.mean_batch(y);
    let all = c.reduce(Reducer::Sum, product, AxisSet::of([0, 1]), true);
    check(&bench.value(y), &[-2.0, -2.0, 7.5, 21.0]);
    check(&bench.value(mean), &[2.75, 9.5]);
    check(&bench.value(all), &[12.25]);
}

#[test]
fn reductions_along_each_axis() {
    let mut bench = Bench::of(1);
    let x = bench.input(Shape::shared([2, 3]), &[3.0, 1.0, 2.0, -1.0, 5.0, 5.0]);
    let mut along = |reducer, axes: &[usize]| {
        let value = bench.circuit.reduce(reducer, x, AxisSet::of(axes.iter().copied()), false);
        bench.value(value)
    };
    check(&along(Reducer::Sum, &[0]), &[2.0, 6.0, 7.0]);
    check(&along(Reducer::Sum, &[1]), &[6.0, 9.0]);
    check(&along(Reducer::Prod, &[0, 1]), &[-150.0]);
    check(&along(Reducer::Max, &[1]), &[3.0, 5.0]);
    check(&along(Reducer::Min, &[0]), &[-1.0, 1.0, 2.0]);
    check(&along(Reducer::Argmax, &[1]), &[0.0, 1.0]);
    check(&along(Reducer::Argmin, &[0]), &[1.0, 0.0, 0.0]);
}

#[test]
fn nan_wins_and_ties_go_to_the_first() {
    let mut bench = Bench::of(2);
    let x = bench.input(Shape::per_example([4]), &[1.0, NAN, 9.0, NAN, -0.0, 0.0, -0.0, 0.0]);
    let mut along = |reducer| {
        let value = bench.circuit.reduce(reducer, x, AxisSet::of([0]), false);
        bench.value(value)
    };
    check(&along(Reducer::Max), &[NAN, -0.0]);
    assert!(along(Reducer::Max)[1].is_sign_negative());
    check(&along(Reducer::Min), &[NAN, 0.0]);
    check(&along(Reducer::Argmax), &[1.0, 0.0]);
    check(&along(Reducer::Argmin), &[1.0, 0.0]);
}

#[test]
fn views_read_or_fill_and_merges_join() {
    let mut bench = Bench::of(2);
    let x = bench.input(Shape::per_example([3]), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let window = View {
        out: Shape::per_example([3, 3]),
        coords: vec![Affine { c: vec![1, 1], b: -1, d: 1 }],
        guards: vec![Guard { e: Affine::axis(1, 2), lo: 0, hi: 2 }],
        fill: F64::new(-1.0),
    };
    let window = bench.circuit.view(x, window);
    let merged = bench.circuit.merge(window, 0);
    let expected = [
        [-1.0, 1.0, -1.0, 1.0, 2.0, -1.0, 2.0, 3.0, -1.0],
        [-1.0, 4.0, -1.0, 4.0, 5.0, -1.0, 5.0, 6.0, -1.0],
    ];
    check(&bench.value(window), &expected.concat());
    check(&bench.value(merged), &expected.concat());
    assert_eq!(bench.circuit.shape(merged), &Shape::per_example([9]));
}

#[test]
fn gathers_and_scatters_are_adjoint() {
    let mut bench = Bench::of(2);
    // An embedding E[v, d] read at two tokens an example.
    let e = bench.input(Shape::shared([3, 2]), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let token = bench.input(Shape::per_example([2]), &[2.0, 0.0, 0.0, 7.0]);
    let g = bench.input(Shape::per_example([2, 2]), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let c = &mut bench.circuit;
    let table = c.view(e, View::select(Shape::per_example([2, 2, 3]), &[2, 1], &[3, 2]));
    let tokens = c.view(token, View::select(Shape::per_example([2, 2]), &[0], &[2]));
    let rows = c.gather(table, tokens);
    let stored = c.neg_twice(table);
    let rows_of_stored = c.gather(stored, tokens);
    let e_bar = c.scatter(token, g, 3);
    check(&bench.value(rows), &[5.0, 6.0, 1.0, 2.0, 1.0, 2.0, NAN, NAN]);
    check(&bench.value(rows_of_stored), &bench.value(rows));
    check(&bench.value(e_bar), &[4.0, 5.0, 0.0, 0.0, 0.5, 1.0]);
}

impl Circuit {
    /// A value that equals its operand but is computed.
    fn neg_twice(&mut self, value: ValueId) -> ValueId {
        let negative = self.gate(gates::NEG, &[value]);
        self.gate(gates::NEG, &[negative])
    }
}

#[test]
fn scalars_of_a_step_are_rounded_once() {
    let mut bench = Bench::of(1);
    bench.bindings.step = (1 << 24) + 1;
    let c = &mut bench.circuit;
    let step = c.leaf(Leaf::Step(StepValue::Step));
    let large = c.number(f64::from(1 << 24));
    let one = c.sub(step, large);
    assert_eq!(per_step(c), [true, true, true]);
    assert_eq!(bench.value_f32(one), [1.0]);

    // The same numbers in an array are rounded each.
    let c = &mut bench.circuit;
    let steps = c.broadcast(step, &Shape::shared([1]));
    let none = c.sub(steps, large);
    assert!(!per_step(c)[none.index()]);
    assert_eq!(bench.value_f32(none), [0.0]);
}

#[test]
fn draws_are_the_same_numbers_in_any_batch_and_precision() {
    let mut bench = Bench::of(3);
    bench.bindings.examples = vec![40, 41, 7];
    (bench.bindings.seed, bench.bindings.step) = (5, 6);
    let own = bench.circuit.leaf(Leaf::Draw { site: 11, shape: Shape::per_example([2]) });
    let shared = bench.circuit.leaf(Leaf::Draw { site: 11, shape: Shape::shared([2]) });
    let key = draw::key(5, 11, 6);
    let expected: Vec<f32> =
        [40, 41, 7].into_iter().flat_map(|e| [0, 1].map(|k| draw::uniform(key, e, k))).collect();
    assert_eq!(bench.value_f32(own), expected);
    check(&bench.value(own), &expected.iter().map(|&x| x.into()).collect::<Vec<f64>>());
    assert_eq!(bench.value_f32(shared), [0, 1].map(|k| draw::uniform(key, 0, k)));
}

#[test]
fn only_what_is_asked_for_is_evaluated() {
    let mut bench = Bench::of(1);
    let x = bench.input(Shape::shared([2]), &[1.0, 2.0]);
    let slot = Slot {
        name: "unbound".into(),
        role: SlotRole::Input,
        shape: Shape::shared([2]),
        kind: Kind::Real,
        classes: None,
        span: None,
    };
    let unbound = bench.circuit.declare(slot);
    bench.circuit.add(x, unbound);
    let twice = bench.circuit.add(x, x);
    let roots = evaluate(&bench.circuit, &[twice, x, twice], &bench.bindings);
    let data: Vec<&[f64]> = roots.iter().map(|array| &array.data[..]).collect();
    assert_eq!(data, [[2.0, 4.0], [1.0, 2.0], [2.0, 4.0]]);
}

#[test]
fn integers_and_booleans_are_numbers() {
    let mut bench = Bench::of(1);
    let c = &mut bench.circuit;
    let k = c.iota(4);
    let two = c.fill(2.0, &Shape::shared([4]));
    let less = c.gate(gates::LT, &[k, two]);
    let chosen = c.select(less, k, two);
    check(&bench.value(less), &[1.0, 1.0, 0.0, 0.0]);
    check(&bench.value(chosen), &[0.0, 1.0, 2.0, 2.0]);
}

/// `h[t] = w * h[t - 1] + x[t]`, forwards or backwards, from `start` outside; two at a time.
fn leaky(by: i32, start: f64) -> (Bench, ValueId) {
    let mut bench = Bench::of(2);
    let x = bench.input(Shape::per_example([4]), &[1.0, 2.0, 3.0, 4.0, 0.0, 0.0, 1.0, 0.0]);
    let w = bench.input(Shape::scalar(), &[0.5]);
    let c = &mut bench.circuit;
    let variable = c.variable();
    let before = c.lag(variable, 0, by, start, &Shape::per_example([4]));
    let kept = c.mul(w, before);
    let h = c.add(kept, x);
    c.close(variable, h);
    (bench, h)
}

#[test]
fn recurrences_run_forwards_and_backwards_by_any_lag() {
    let (bench, h) = leaky(1, 8.0);
    check(&bench.value(h), &[5.0, 4.5, 5.25, 6.625, 4.0, 2.0, 2.0, 1.0]);
    let (bench, h) = leaky(-1, 0.0);
    check(&bench.value(h), &[3.25, 4.5, 5.0, 4.0, 0.25, 0.5, 1.0, 0.0]);
    let (bench, h) = leaky(2, 2.0);
    check(&bench.value(h), &[2.0, 3.0, 4.0, 5.5, 1.0, 1.0, 1.5, 0.5]);
}

#[test]
fn a_lag_that_stands_outside_of_the_cycle_reads_what_came_out() {
    let (mut bench, _) = leaky(1, 8.0);
    let variable = bench.circuit.variables().next().expect("the only one");
    let later = bench.circuit.lag(variable, 0, -1, 9.0, &Shape::per_example([4]));
    check(&bench.value(later), &[4.5, 5.25, 6.625, 9.0, 2.0, 2.0, 1.0, 9.0]);
}
