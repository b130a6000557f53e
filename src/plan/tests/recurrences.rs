//! Circuits with recurrences, built by hand.

use super::harness::{CAPACITY, SHARED, check, class_slot, homes, output, slot};
use crate::circuit::view::{Affine, Guard, View};
use crate::circuit::{
    AxisSet, Circuit, F64, Gate, Leaf, Named, Reducer, Shape, SlotRole, StepValue, ValueId, Variable, gates,
};
use crate::plan::print::print;
use crate::plan::schedule::{Region, Schedule, Step};
use crate::plan::{Home, Phase, Root, plan};

/// A circuit with what is wanted of it.
type Sample = (Circuit, Vec<Root>);

fn gate(c: &mut Circuit, name: &str, args: &[ValueId]) -> ValueId {
    c.lift(Gate::named(name).expect("a gate"), args)
}

/// A read along some dimensions of a domain, in their order.
fn spread(c: &mut Circuit, value: ValueId, out: &Shape, axes: &[usize]) -> ValueId {
    let from = c.shape(value).dims.clone();
    c.view(value, View::select(out.clone(), axes, &from))
}

fn name(c: &mut Circuit, path: &str, value: ValueId) {
    let indices = (0..c.shape(value).dims.len()).map(|k| format!("i{k}")).collect();
    c.name(Named { path: path.into(), value, indices, mapped: 0, span: None });
}

fn open(c: &mut Circuit, by: i32, fill: f64, shape: &Shape) -> (Variable, ValueId) {
    let variable = c.variable();
    let lag = c.lag(variable, 0, by, fill, shape);
    (variable, lag)
}

/// `sum[k] W[m, k] * x[t, k]`
fn product(c: &mut Circuit, w: ValueId, x: ValueId) -> ValueId {
    let [m, k] = c.shape(w).dims[..] else { panic!("a matrix") };
    let Shape { batch, dims } = c.shape(x).clone();
    let domain = Shape { batch, dims: vec![dims[0], m, k] };
    let (w, x) = (spread(c, w, &domain, &[1, 2]), spread(c, x, &domain, &[0, 2]));
    let product = c.mul(w, x);
    c.sum(product, AxisSet::of([2]))
}

/// `sum[m] W[m, k] * g[t, m]`
fn turned_product(c: &mut Circuit, w: ValueId, g: ValueId) -> ValueId {
    let [m, k] = c.shape(w).dims[..] else { panic!("a matrix") };
    let turned = c.view(w, View::select(Shape::shared([k, m]), &[1, 0], &[m, k]));
    product(c, turned, g)
}

/// The mean over the batch and sum over `t` of `a[t, m] * b[t, k]`.
fn weight_gradient(c: &mut Circuit, a: ValueId, b: ValueId) -> ValueId {
    let (t, m, k) = (c.shape(a).dims[0], c.shape(a).dims[1], c.shape(b).dims[1]);
    let domain = Shape::per_example([m, k, t]);
    let (a, b) = (spread(c, a, &domain, &[2, 0]), spread(c, b, &domain, &[2, 1]));
    let product = c.mul(a, b);
    c.reduce(Reducer::Sum, product, AxisSet::of([2]), true)
}

/// `h[t] = w * h[t - by] + x[t]`, from `fill` outside.
fn leaky(by: i32, extent: u32, batch: bool) -> Sample {
    let mut c = Circuit::new();
    let shape = Shape { batch, dims: vec![extent, 5] };
    let role = if batch { SlotRole::Input } else { SlotRole::Param };
    let x = slot(&mut c, "x", role, shape.clone());
    let w = slot(&mut c, "w", SlotRole::Param, Shape::scalar());
    let (variable, before) = open(&mut c, by, 0.5, &shape);
    let kept = c.mul(w, before);
    let h = c.add(kept, x);
    c.close(variable, h);
    name(&mut c, "h", h);
    (c, vec![output(0, h)])
}

/// A recurrence with weights, its last element alone wanted: `h[t] = tanh(b + U h[t - 1] + W x[t])`.
fn elman() -> Sample {
    let mut c = Circuit::new();
    let (t, n, m) = (6, 3, 8);
    let x = slot(&mut c, "x", SlotRole::Input, Shape::per_example([t, n]));
    let w = slot(&mut c, "W", SlotRole::Param, Shape::shared([m, n]));
    let u = slot(&mut c, "U", SlotRole::Param, Shape::shared([m, m]));
    let b = slot(&mut c, "b", SlotRole::Param, Shape::shared([m]));
    let shape = Shape::per_example([t, m]);
    let (variable, before) = open(&mut c, 1, 0.0, &shape);
    let (a, b) = (product(&mut c, u, before), spread(&mut c, b, &shape, &[1]));
    let projected = product(&mut c, w, x);
    let fixed = c.add(projected, b);
    let sum = c.add(fixed, a);
    let h = gate(&mut c, "tanh", &[sum]);
    c.close(variable, h);
    name(&mut c, "h", h);
    let last = View {
        out: Shape::per_example([m]),
        coords: vec![Affine { c: vec![0], b: i64::from(t) - 1, d: 1 }, Affine::axis(0, 1)],
        guards: vec![],
        fill: F64::new(0.0),
    };
    let last = c.view(h, last);
    (c, vec![output(0, last)])
}

/// A gated recurrent unit, forwards and backwards: what `differentiate` makes of it, written by hand.
fn gru([t, n, m]: [u32; 3]) -> Sample {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([t, n]));
    let goal = slot(c, "goal", SlotRole::Target, Shape::per_example([t, m]));
    let mut param = |name: String, dims: &[u32]| slot(c, &name, SlotRole::Param, Shape::shared(dims));
    let [wr, wz, wn] = ["r", "z", "n"].map(|gate| param(format!("W{gate}"), &[m, n]));
    let [ur, uz, un] = ["r", "z", "n"].map(|gate| param(format!("U{gate}"), &[m, m]));
    let [br, bz, bn, cn] = ["br", "bz", "bn", "cn"].map(|name| param(name.into(), &[m]));
    let shape = Shape::per_example([t, m]);
    let (variable, prev) = open(c, 1, 0.0, &shape);
    let biased = |c: &mut Circuit, b, value| {
        let b = spread(c, b, &Shape::per_example([t, m]), &[1]);
        c.add(b, value)
    };
    let gated = |c: &mut Circuit, w, u, b| {
        let projected = product(c, w, x);
        let fixed = biased(c, b, projected);
        let moving = product(c, u, prev);
        c.add(fixed, moving)
    };
    let (r, z) = (gated(c, wr, ur, br), gated(c, wz, uz, bz));
    let (r, z) = (gate(c, "sigmoid", &[r]), gate(c, "sigmoid", &[z]));
    let moving = product(c, un, prev);
    let q = biased(c, cn, moving);
    let own = c.mul(r, q);
    let projected = product(c, wn, x);
    let fixed = biased(c, bn, projected);
    let sum = c.add(fixed, own);
    let new = gate(c, "tanh", &[sum]);
    let one = c.number(1.0);
    let rest = c.sub(one, z);
    let (a, b) = (c.mul(rest, new), c.mul(z, prev));
    let h = c.add(a, b);
    c.close(variable, h);
    [("r", r), ("z", z), ("c", new), ("h", h)].into_iter().for_each(|(path, value)| name(c, path, value));
    // Backwards, from half the squared distance to the goal.
    let distance = c.sub(h, goal);
    let (to_prev, later) = open(c, -1, 0.0, &shape);
    let h_bar = c.add(distance, later);
    let z_bar = {
        let d = c.sub(prev, new);
        let d = c.mul(h_bar, d);
        let slope = c.mul(z, rest);
        c.mul(d, slope)
    };
    let n_bar = {
        let d = c.mul(h_bar, rest);
        let square = c.mul(new, new);
        let slope = c.sub(one, square);
        c.mul(d, slope)
    };
    let q_bar = c.mul(n_bar, r);
    let r_bar = {
        let d = c.mul(n_bar, q);
        let kept = c.sub(one, r);
        let slope = c.mul(r, kept);
        c.mul(d, slope)
    };
    let mut prev_bar = c.mul(h_bar, z);
    for (u, bar) in [(ur, r_bar), (uz, z_bar), (un, q_bar)] {
        let share = turned_product(c, u, bar);
        prev_bar = c.add(prev_bar, share);
    }
    c.close(to_prev, prev_bar);
    name(c, "prev_bar", prev_bar);
    let mut roots = vec![output(0, h)];
    let mut offset = 0;
    let mut gradient = |c: &Circuit, name: &str, value: ValueId| {
        let home = Home { region: Region::Gradients, offset };
        offset += c.shape(value).size() as u32;
        roots.push(Root { value, home, name: name.into() });
    };
    for (name, bar, other) in [("Wr", r_bar, x), ("Wz", z_bar, x), ("Wn", n_bar, x)] {
        let w_bar = weight_gradient(c, bar, other);
        gradient(c, name, w_bar);
    }
    for (name, bar) in [("Ur", r_bar), ("Uz", z_bar), ("Un", q_bar)] {
        let u_bar = weight_gradient(c, bar, prev);
        gradient(c, name, u_bar);
        let b_bar = c.reduce(Reducer::Sum, bar, AxisSet::of([0]), true);
        gradient(c, "b", b_bar);
    }
    (circuit, roots)
}

/// Two arrays that recur together, one of them turned, by unequal lags.
fn two_together(backwards: bool) -> Sample {
    let mut c = Circuit::new();
    let sign = if backwards { -1 } else { 1 };
    let x = slot(&mut c, "x", SlotRole::Input, Shape::per_example([7, 3]));
    let rows = Shape::per_example([7, 3]);
    let turned_rows = Shape::per_example([3, 7]);
    let (h, before_h) = open(&mut c, sign, 0.25, &rows);
    let s = c.variable();
    let before_s = c.lag(s, 1, 2 * sign, -0.5, &turned_rows);
    let other_h = c.lag(h, 0, 3 * sign, 1.0, &rows);
    let turned = spread(&mut c, before_s, &rows, &[1, 0]);
    let sum = c.add(before_h, turned);
    let sum = c.add(sum, x);
    let new_h = gate(&mut c, "tanh", &[sum]);
    let mixed = c.mul(other_h, new_h);
    let new_s = spread(&mut c, mixed, &turned_rows, &[1, 0]);
    let half = c.number(0.5);
    let new_s = c.mul(new_s, half);
    c.close(h, new_h);
    c.close(s, new_s);
    let later = c.lag(h, 0, -sign, 9.0, &rows);
    let both = c.add(later, x);
    (c, vec![output(0, new_s), output(1, both), output(2, before_h)])
}

/// What an element does with all that it has: statistics of the batch, folds, regrouping, rows of tables, masks.
fn all_kinds() -> Sample {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let (t, m) = (5, 6);
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([t, m]));
    let table = slot(c, "E", SlotRole::Param, Shape::shared([4, m]));
    let token = class_slot(c, "token", Shape::per_example([t]), 4);
    let length = slot(c, "length", SlotRole::Input, Shape::per_example([]));
    let shape = Shape::per_example([t, m]);
    let (variable, before) = open(c, 1, 0.0, &shape);
    // The mean over the batch.
    let mean = c.mean_batch(before);
    let mean = spread(c, mean, &shape, &[0, 1]);
    let centred = c.sub(before, mean);
    // Folds over a part, in another order: [2, 3] of each row.
    let pairs = View {
        out: Shape::per_example([t, 2, 3]),
        coords: vec![Affine::axis(0, 3), Affine { c: vec![0, 3, 1], b: 0, d: 1 }],
        guards: vec![],
        fill: F64::new(0.0),
    };
    let pairs = c.view(centred, pairs);
    let most = c.reduce(Reducer::Max, pairs, AxisSet::of([2]), false);
    let total = c.sum(pairs, AxisSet::of([1]));
    let (most, total) = (
        spread(c, most, &Shape::per_example([t, 2, 3]), &[0, 1]),
        spread(c, total, &Shape::per_example([t, 2, 3]), &[0, 2]),
    );
    let grouped = c.mul(most, total);
    let flat = c.merge(grouped, 1);
    // A row of a table by an index from outside, and by one that follows from the element before.
    let by_row = spread(c, table, &Shape::per_example([t, m, 4]), &[2, 1]);
    let index = spread(c, token, &shape, &[0]);
    let rows = c.gather(by_row, index);
    let largest = c.reduce(Reducer::Argmax, before, AxisSet::of([1]), false);
    let own = spread(c, x, &Shape::per_example([t, m]), &[0, 1]);
    let picked = c.gather(own, largest);
    let picked = spread(c, picked, &shape, &[0]);
    // A mask by the element's number, numbers, a scalar of the step, a draw.
    let k = c.iota(t);
    let k = spread(c, k, &Shape::per_example([t]), &[0]);
    let two = c.number(2.0);
    let limit = c.mul(length, two);
    let limit = c.broadcast(limit, &Shape::per_example([t]));
    let on = c.gate(gates::LT, &[k, limit]);
    let on = spread(c, on, &shape, &[0]);
    let step = c.leaf(Leaf::Step(StepValue::Step));
    let tenth = c.number(0.1);
    let rate = c.mul(step, tenth);
    let draw = c.leaf(Leaf::Draw { site: 7, shape: shape.clone() });
    let mut sum = c.add(flat, rows);
    for part in [picked, x, draw] {
        sum = c.add(sum, part);
    }
    let scaled = c.mul(rate, sum);
    let new = gate(c, "tanh", &[scaled]);
    let h = c.select(on, new, before);
    c.close(variable, h);
    name(c, "h", h);
    (circuit, vec![output(0, h)])
}

/// Reads of a recurrence's own values that move with the element in other dimensions too, and masks by the element.
fn skewed() -> Sample {
    let mut c = Circuit::new();
    let (t, m) = (5, 4);
    let shape = Shape::per_example([t, m]);
    let x = slot(&mut c, "x", SlotRole::Input, Shape::per_example([t + m, m]));
    let (variable, before) = open(&mut c, 1, 0.0, &shape);
    let fill = F64::new(0.75);
    let axis = |k| Affine::axis(k, 2);
    let read = |coord: Affine, guards: Vec<Guard>| View {
        out: shape.clone(),
        coords: vec![axis(0), coord],
        guards,
        fill,
    };
    let along = c.view(before, read(Affine { c: vec![1, 1], b: -1, d: 1 }, vec![]));
    let halved = c.view(before, read(Affine { c: vec![1, 1], b: 0, d: 2 }, vec![]));
    let masked =
        c.view(before, read(axis(1), vec![Guard { e: Affine { c: vec![1, 0], b: 0, d: 1 }, lo: 1, hi: 4 }]));
    // Of values outside: a window that moves, reversed, and one that leaves the array.
    let outside = |coord: Affine| View {
        out: shape.clone(),
        coords: vec![coord, Affine::axis(1, 2)],
        guards: vec![],
        fill,
    };
    let window = c.view(x, outside(Affine { c: vec![1, 1], b: 0, d: 1 }));
    let reversed = c.view(x, outside(Affine { c: vec![-1, 0], b: i64::from(t) - 1, d: 1 }));
    let beyond = c.view(x, outside(Affine { c: vec![2, 0], b: -3, d: 1 }));
    let mut sum = along;
    for part in [halved, masked, window, reversed, beyond] {
        sum = c.add(sum, part);
    }
    let h = gate(&mut c, "tanh", &[sum]);
    c.close(variable, h);
    (c, vec![output(0, h)])
}

/// One recurrence reads another one's values, stored and computed again, and a third one those of both.
fn chained() -> Sample {
    let mut c = Circuit::new();
    let shape = Shape::per_example([6, 4]);
    let x = slot(&mut c, "x", SlotRole::Input, shape.clone());
    let weights = slot(&mut c, "U", SlotRole::Param, Shape::shared([4, 4]));
    let mut value = x;
    for by in [1, -2, 1] {
        let (variable, before) = open(&mut c, by, 0.1, &shape);
        let moving = product(&mut c, weights, before);
        let one = c.number(1.0);
        let kept = c.sub(one, value);
        let sum = c.add(moving, kept);
        let other = c.mul(before, value);
        let sum = c.add(sum, other);
        let h = gate(&mut c, "tanh", &[sum]);
        c.close(variable, h);
        let half = c.number(0.5);
        let halved = c.mul(half, h);
        value = c.add(halved, before);
    }
    (c, vec![output(0, value)])
}

/// Every circuit of this file.
fn samples() -> Vec<(&'static str, Sample)> {
    vec![
        ("leaky", leaky(1, 7, true)),
        ("leaky backwards", leaky(-1, 7, true)),
        ("leaky by two", leaky(2, 7, true)),
        ("leaky of all examples alike", leaky(1, 7, false)),
        ("leaky of one element", leaky(1, 1, true)),
        ("leaky beyond the end", leaky(-9, 4, true)),
        ("elman", elman()),
        ("gru", gru([4, 3, 5])),
        ("wide gru", gru([3, 6, 40])),
        ("two together", two_together(false)),
        ("two together, backwards", two_together(true)),
        ("all kinds", all_kinds()),
        ("skewed", skewed()),
        ("chained", chained()),
    ]
}

fn phase((circuit, roots): &Sample) -> Phase<'_> {
    Phase { circuit, homes: homes(circuit), roots: roots.clone(), recompute: false }
}

/// The plans of all of them, for one thread and for some, for tests of what runs schedules.
pub fn schedules() -> Vec<(&'static str, Schedule)> {
    let planned = |(name, sample): (_, Sample)| {
        [None, Some(SHARED)].map(|long| (name, plan(&[phase(&sample)], CAPACITY, long)))
    };
    samples().into_iter().flat_map(planned).collect()
}

/// The plan of a gated recurrent unit, for measurements.
pub fn gru_schedule(extents: [u32; 3], capacity: u32) -> Schedule {
    plan(&[phase(&gru(extents))], capacity, None)
}

#[test]
fn schedules_of_recurrences_give_what_the_circuits_do() {
    for (k, (name, sample)) in samples().into_iter().enumerate() {
        crate::circuit::verify::verify(&sample.0).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        for recompute in [false, true] {
            let phase = Phase { recompute, ..phase(&sample) };
            let outcome = std::panic::catch_unwind(|| check(&phase, k as u64));
            assert!(outcome.is_ok(), "{name}, recompute = {recompute}");
        }
    }
}

fn snapshot(name: &str, schedule: &Schedule) {
    insta::with_settings!({snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, print(schedule));
    });
}

fn recurrences(schedule: &Schedule) -> usize {
    schedule.steps.iter().filter(|step| matches!(step, Step::Recur(_))).count()
}

#[test]
fn a_gated_recurrent_unit_forward_and_backward() {
    let schedule = plan(&[phase(&gru([4, 3, 5]))], CAPACITY, None);
    snapshot("gru", &schedule);
    let outside = schedule.steps.iter().filter(|step| matches!(step, Step::Contract(_))).count();
    assert_eq!(
        outside, 9,
        "three projections of inputs and six gradients of weights are outside of the loops"
    );
    assert_eq!(recurrences(&schedule), 2);
}

#[test]
fn the_plan_does_not_grow_with_the_length() {
    let steps = |extent| {
        let schedule = plan(&[phase(&gru([extent, 3, 5]))], CAPACITY, None);
        let mut count = 0;
        schedule.steps.iter().for_each(|step| step.for_each_leaf(&mut |_| count += 1));
        count
    };
    assert_eq!(steps(4), steps(400));
}
