//! Hand-built circuits, with their schedules to read.

use super::harness::{SHARED, check, class_slot, homes, output, slot};
use crate::circuit::view::{Affine, View};
use crate::circuit::{
    AxisSet, Circuit, F64, Gate, Leaf, Named, Reducer, Shape, SlotRole, StepValue, ValueId, gates,
};
use crate::plan::print::print;
use crate::plan::schedule::{Region, Schedule, Step};
use crate::plan::{Home, Phase, Root};

fn name(circuit: &mut Circuit, path: &str, value: ValueId) -> ValueId {
    let rank = circuit.shape(value).dims.len();
    let indices = (0..rank).map(|k| format!("i{k}")).collect();
    circuit.name(Named { path: path.into(), value, indices, mapped: 0, span: None });
    value
}

/// `value` over dimensions `out`, its own being those of `out` that `axes` says.
fn spread(circuit: &mut Circuit, value: ValueId, out: &Shape, axes: &[usize]) -> ValueId {
    let from = circuit.shape(value).dims.clone();
    circuit.view(value, View::select(out.clone(), axes, &from))
}

fn phase(circuit: &Circuit, roots: Vec<Root>) -> Phase<'_> {
    Phase { circuit, homes: homes(circuit), roots, recompute: false }
}

fn root(name: &str, value: ValueId, region: Region, offset: u32) -> Root {
    Root { value, home: Home { region, offset }, name: name.into() }
}

/// `b[m] + sum[n] W[m, n] * x[n]` per example
fn dense(c: &mut Circuit, w: ValueId, b: ValueId, x: ValueId) -> ValueId {
    let [m, n] = c.shape(w).dims[..] else { panic!("a matrix") };
    let domain = Shape::per_example([m, n]);
    let (w, x) = (spread(c, w, &domain, &[0, 1]), spread(c, x, &domain, &[1]));
    let product = c.mul(w, x);
    let y = c.sum(product, AxisSet::of([1]));
    let b = spread(c, b, &Shape::per_example([m]), &[0]);
    c.add(y, b)
}

/// The gradients of a dense layer's weight, bias and input.
fn dense_backward(c: &mut Circuit, w: ValueId, x: ValueId, y_bar: ValueId) -> [ValueId; 3] {
    let [m, n] = c.shape(w).dims[..] else { panic!("a matrix") };
    let domain = Shape::per_example([m, n]);
    let (g, x) = (spread(c, y_bar, &domain, &[0]), spread(c, x, &domain, &[1]));
    let product = c.mul(g, x);
    let w_bar = c.mean_batch(product);
    let b_bar = c.mean_batch(y_bar);
    let w = spread(c, w, &domain, &[0, 1]);
    let product = c.mul(g, w);
    let x_bar = c.sum(product, AxisSet::of([0]));
    [w_bar, b_bar, x_bar]
}

/// Per-example loss of logits, and their gradient.
fn cross_entropy(c: &mut Circuit, z: ValueId, y: ValueId) -> [ValueId; 2] {
    let shape = c.shape(z).clone();
    let exp = Gate::named("exp").unwrap();
    let m = c.reduce(Reducer::Max, z, AxisSet::of([0]), false);
    let m = name(c, "m", m);
    let mv = c.broadcast(m, &shape);
    let shifted = c.sub(z, mv);
    let e = c.gate(exp, &[shifted]);
    let e = name(c, "e", e);
    let s = c.sum(e, AxisSet::of([0]));
    let s = name(c, "s", s);
    let log = c.gate(gates::LOG, &[s]);
    let logsumexp = c.add(log, m);
    let own = c.gather(z, y);
    let loss = c.sub(logsumexp, own);
    let sv = c.broadcast(s, &shape);
    let p = c.div(e, sv);
    let k = c.iota(shape.dims[0]);
    let k = spread(c, k, &shape, &[0]);
    let yv = c.broadcast(y, &shape);
    let hit = c.gate(gates::EQ, &[k, yv]);
    let (one, zero) = (c.number(1.0), c.number(0.0));
    let own = c.select(hit, one, zero);
    let z_bar = c.sub(p, own);
    [loss, z_bar]
}

/// Two layers with ReLU and cross-entropy, all gradients, the mean loss.
fn classifier() -> (Circuit, Vec<Root>) {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([7]));
    let y = class_slot(c, "y", Shape::per_example([]), 4);
    let w1 = slot(c, "first.W", SlotRole::Param, Shape::shared([5, 7]));
    let b1 = slot(c, "first.b", SlotRole::Param, Shape::shared([5]));
    let w2 = slot(c, "out.W", SlotRole::Param, Shape::shared([4, 5]));
    let b2 = slot(c, "out.b", SlotRole::Param, Shape::shared([4]));
    let a = dense(c, w1, b1, x);
    let zero = c.number(0.0);
    let h = c.lift(gates::MAX, &[zero, a]);
    let h = name(c, "h", h);
    let z = dense(c, w2, b2, h);
    let z = name(c, "logits", z);
    let [loss, z_bar] = cross_entropy(c, z, y);
    name(c, "loss", loss);
    name(c, "logits_bar", z_bar);
    let square = c.mul(w2, w2);
    let penalty = c.sum(square, AxisSet::of([0, 1]));
    let rate = c.number(1e-4);
    let penalty = c.mul(rate, penalty);
    let mean = c.mean_batch(loss);
    let total = c.add(mean, penalty);
    let [w2_bar, b2_bar, h_bar] = dense_backward(c, w2, h, z_bar);
    let rate = c.number(2e-4);
    let decay = c.mul(rate, w2);
    let w2_bar = c.add(w2_bar, decay);
    let on = c.lift(gates::LT, &[zero, a]);
    let a_bar = c.select(on, h_bar, zero);
    let a_bar = name(c, "a_bar", a_bar);
    let [w1_bar, b1_bar, _] = dense_backward(c, w1, x, a_bar);
    let gradients = [w1_bar, b1_bar, w2_bar, b2_bar];
    let mut roots = vec![root("loss", total, Region::Log, 0)];
    let mut offset = 0;
    for (value, name) in gradients.into_iter().zip(["first.W_bar", "first.b_bar", "out.W_bar", "out.b_bar"]) {
        roots.push(root(name, value, Region::Gradients, offset));
        offset += circuit.shape(value).size() as u32;
    }
    (circuit, roots)
}

fn snapshot(name: &str, schedule: &Schedule) {
    insta::with_settings!({snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, print(schedule));
    });
}

#[test]
fn a_classifier_forward_and_backward() {
    let (circuit, roots) = classifier();
    let schedule = check(&phase(&circuit, roots), 1);
    snapshot("classifier", &schedule);
    let contracts = schedule.steps.iter().filter(|step| matches!(step, Step::Contract(_))).count();
    assert_eq!(contracts, 5, "two forward, the gradients of both weights and of the hidden layer");
}

#[test]
fn layer_norm_is_one_nest() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([3, 8]));
    let gain = slot(c, "gain", SlotRole::Param, Shape::shared([8]));
    let shape = c.shape(x).clone();
    let rows = Shape::per_example([3]);
    let count = c.fill(8.0, &rows);
    let sum = c.sum(x, AxisSet::of([1]));
    let mean = c.div(sum, count);
    let meanv = spread(c, mean, &shape, &[0]);
    let centred = c.sub(x, meanv);
    let square = c.mul(centred, centred);
    let sum = c.sum(square, AxisSet::of([1]));
    let variance = c.div(sum, count);
    let eps = c.number(1e-5);
    let variance = c.add(variance, eps);
    let root = c.gate(gates::SQRT, &[variance]);
    let rootv = spread(c, root, &shape, &[0]);
    let normal = c.div(centred, rootv);
    let gain = spread(c, gain, &shape, &[1]);
    let y = c.mul(normal, gain);
    name(c, "y", y);
    let schedule = check(&phase(&circuit, vec![output(0, y)]), 2);
    snapshot("layer_norm", &schedule);
    assert_eq!(schedule.steps.len(), 1);
    assert_eq!(schedule.arena, 0, "all is in registers");
}

#[test]
fn batch_norm_overwrites_its_states() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([8]));
    let old = slot(c, "mean_", SlotRole::State, Shape::shared([8]));
    let old_var = slot(c, "var_", SlotRole::State, Shape::shared([8]));
    let mean = c.mean_batch(x);
    let mean = name(c, "mean", mean);
    let shape = c.shape(x).clone();
    let meanv = spread(c, mean, &shape, &[0]);
    let centred = c.sub(x, meanv);
    let square = c.mul(centred, centred);
    let variance = c.mean_batch(square);
    let variance = name(c, "variance", variance);
    let mut blend = |old: ValueId, new: ValueId| {
        let (keep, take) = (c.number(0.9), c.number(0.1));
        let (a, b) = (c.mul(keep, old), c.mul(take, new));
        c.add(a, b)
    };
    let next = blend(old, mean);
    let next_var = blend(old_var, variance);
    let root_of = c.gate(gates::SQRT, &[variance]);
    let rootv = spread(c, root_of, &shape, &[0]);
    let y = c.div(centred, rootv);
    let roots = vec![
        root("mean_'", next, Region::States, 0),
        root("var_'", next_var, Region::States, 8),
        output(0, y),
    ];
    let schedule = check(&phase(&circuit, roots), 3);
    snapshot("batch_norm", &schedule);
    assert_eq!(schedule.steps.len(), 2, "statistics, then the result");
}

#[test]
fn adam_is_one_pass_in_place() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let shape = Shape::shared([37]);
    let w = slot(c, "w", SlotRole::Param, shape.clone());
    let g = slot(c, "g", SlotRole::Gradient, shape.clone());
    let m = slot(c, "m", SlotRole::Moment, shape.clone());
    let v = slot(c, "v", SlotRole::Moment, shape.clone());
    let step = c.leaf(Leaf::Step(StepValue::Step));
    let (beta1, rest1) = (c.number(0.9), c.number(0.1));
    let (beta2, rest2) = (c.number(0.99), c.number(0.01));
    let mut moment = |beta, rest, old, new| {
        let (a, b) = (c.mul(beta, old), c.mul(rest, new));
        c.add(a, b)
    };
    let next_m = moment(beta1, rest1, m, g);
    let square = c.mul(g, g);
    let mut moment = |beta, rest, old, new| {
        let (a, b) = (c.mul(beta, old), c.mul(rest, new));
        c.add(a, b)
    };
    let next_v = moment(beta2, rest2, v, square);
    let one = c.number(1.0);
    let mut corrected = |beta: ValueId, moment: ValueId| {
        let power = c.gate(gates::POW, &[beta, step]);
        let rest = c.sub(one, power);
        c.div(moment, rest)
    };
    let m_hat = corrected(beta1, next_m);
    let v_hat = corrected(beta2, next_v);
    let root_of = c.gate(gates::SQRT, &[v_hat]);
    let (eps, rate) = (c.number(1e-8), c.number(1e-3));
    let below = c.add(root_of, eps);
    let change = c.div(m_hat, below);
    let change = c.mul(rate, change);
    let next_w = c.sub(w, change);
    let roots = vec![
        root("w'", next_w, Region::Params, 0),
        root("m'", next_m, Region::Moments(0), 0),
        root("v'", next_v, Region::Moments(0), 37),
    ];
    // The square of the second moment is of no interest, so the moment is made positive by its own update only.
    let schedule = crate::plan::plan(&[phase(&circuit, roots)], 4, None);
    crate::plan::verify::verify(&schedule).unwrap();
    snapshot("adam", &schedule);
    assert_eq!((schedule.steps.len(), schedule.arena), (1, 0));
}

#[test]
fn states_that_change_places_are_read_before_they_are_written() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let a = slot(c, "a", SlotRole::State, Shape::shared([5]));
    let b = slot(c, "b", SlotRole::State, Shape::shared([5]));
    let total = c.sum(a, AxisSet::of([0]));
    let total = c.broadcast(total, &Shape::shared([5]));
    let sum = c.add(b, total);
    let reversed = View {
        out: Shape::shared([5]),
        coords: vec![Affine { c: vec![-1], b: 4, d: 1 }],
        guards: vec![],
        fill: F64::new(0.0),
    };
    let back = c.view(a, reversed);
    check(&phase(&circuit, vec![root("a'", b, Region::States, 0), root("b'", a, Region::States, 5)]), 5);
    check(&phase(&circuit, vec![root("a'", sum, Region::States, 0), root("b'", a, Region::States, 5)]), 5);
    let schedule = check(&phase(&circuit, vec![root("a'", back, Region::States, 0)]), 5);
    snapshot("reversed_in_place", &schedule);
}

#[test]
fn an_embedding_is_read_by_rows_and_scattered_back() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let token = class_slot(c, "token", Shape::per_example([3]), 6);
    let table = slot(c, "E", SlotRole::Param, Shape::shared([6, 4]));
    let rows = Shape::per_example([3, 4, 6]);
    let by_row = spread(c, table, &rows, &[2, 1]);
    let index = spread(c, token, &Shape::per_example([3, 4]), &[0]);
    let y = c.gather(by_row, index);
    let y = name(c, "y", y);
    let two = c.number(2.0);
    let y_bar = c.mul(two, y);
    let e_bar = c.scatter(token, y_bar, 6);
    let schedule = check(&phase(&circuit, vec![output(0, y), root("E_bar", e_bar, Region::Gradients, 0)]), 6);
    snapshot("embedding", &schedule);
}

/// `sum[c, u] w[f, c, u] * (x[c, stride * i + u - pad] else 0)`
#[test]
fn a_strided_padded_window_and_its_adjoint() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let (channels, width, filters, window, stride, pad) = (2, 9, 3, 3, 2, 1);
    let out = (width + 2 * pad - window) / stride + 1;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([channels, width]));
    let w = slot(c, "w", SlotRole::Param, Shape::shared([filters, channels, window]));
    let domain = Shape::per_example([filters, out, channels, window]);
    let axis = |k| Affine::axis(k, 4);
    let read = View {
        out: domain.clone(),
        coords: vec![axis(2), Affine { c: vec![0, i64::from(stride), 0, 1], b: -i64::from(pad), d: 1 }],
        guards: vec![],
        fill: F64::new(0.0),
    };
    let xs = c.view(x, read);
    let ws = spread(c, w, &domain, &[0, 2, 3]);
    let product = c.mul(ws, xs);
    let y = c.sum(product, AxisSet::of([2, 3]));
    let y = name(c, "y", y);
    let tanh = Gate::named("tanh").unwrap();
    let y_bar = c.gate(tanh, &[y]);
    let y_bar = name(c, "y_bar", y_bar);
    // x_bar[c, s] = sum[f, u] w[f, c, u] * (y_bar[f, (s + pad - u) / stride] else 0)
    let domain = Shape::per_example([channels, width, filters, window]);
    let read = View {
        out: domain.clone(),
        coords: vec![axis(2), Affine { c: vec![0, 1, 0, -1], b: i64::from(pad), d: i64::from(stride) }],
        guards: vec![],
        fill: F64::new(0.0),
    };
    let gs = c.view(y_bar, read);
    let ws = spread(c, w, &domain, &[2, 0, 3]);
    let product = c.mul(ws, gs);
    let x_bar = c.sum(product, AxisSet::of([2, 3]));
    let schedule = check(&phase(&circuit, vec![output(0, y), output(1, x_bar)]), 7);
    snapshot("window", &schedule);
    let contracts = schedule.steps.iter().filter(|step| matches!(step, Step::Contract(_))).count();
    assert_eq!(contracts, 3, "forward, and one for each phase of the adjoint");
}

#[test]
fn flattening_moves_nothing() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([3, 4]));
    let w = slot(c, "W", SlotRole::Param, Shape::shared([5, 12]));
    let b = slot(c, "b", SlotRole::Param, Shape::shared([5]));
    let tanh = Gate::named("tanh").unwrap();
    let h = c.gate(tanh, &[x]);
    let h = name(c, "h", h);
    let flat = c.merge(h, 0);
    let y = dense(c, w, b, flat);
    let schedule = check(&phase(&circuit, vec![output(0, y)]), 8);
    snapshot("flatten", &schedule);
    assert_eq!(schedule.steps.len(), 3);
}

/// `y[t, i] = (if t is 0 then tanh(x[i]) else 0) + (if t is 1 then x[i] else 0) + (if t is 2 then x[4 - i] else 0)`
#[test]
fn what_is_joined_is_written_one_after_another() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([5]));
    let tanh = c.gate(Gate::named("tanh").unwrap(), &[x]);
    let mut part = |of: ValueId, t: i64, i: Affine| {
        let only = c.view(of, View::select(Shape::per_example([1, 5]), &[1], &[5]));
        let coords = vec![Affine { c: vec![1, 0], b: -t, d: 1 }, i];
        c.view(only, View { out: Shape::per_example([3, 5]), coords, guards: vec![], fill: F64::new(0.0) })
    };
    let forwards = || Affine { c: vec![0, 1], b: 0, d: 1 };
    let parts = [
        part(tanh, 0, forwards()),
        part(x, 1, forwards()),
        part(x, 2, Affine { c: vec![0, -1], b: 4, d: 1 }),
    ];
    let sum = c.add(parts[0], parts[1]);
    let y = c.add(sum, parts[2]);
    let schedule = check(&phase(&circuit, vec![output(0, y)]), 9);
    snapshot("joined", &schedule);
}

#[test]
fn a_padded_read_carries_its_condition() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([6]));
    let before = View {
        out: Shape::per_example([6]),
        coords: vec![Affine { c: vec![1], b: -1, d: 1 }],
        guards: vec![],
        fill: F64::new(0.5),
    };
    let before = c.view(x, before);
    let y = c.sub(x, before);
    let schedule = check(&phase(&circuit, vec![output(0, y)]), 9);
    snapshot("difference", &schedule);
}

#[test]
fn the_same_value_may_be_wanted_twice_and_a_number_at_all() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([6]));
    let y = c.mean_batch(x);
    let zero = c.fill(0.0, &Shape::shared([6]));
    let roots = vec![
        root("mean", y, Region::Gradients, 0),
        root("again", y, Region::Gradients, 6),
        root("none", zero, Region::Gradients, 12),
        output(0, x),
    ];
    let schedule = check(&phase(&circuit, roots), 10);
    snapshot("twice", &schedule);
}

#[test]
fn long_chains_are_one_loop_and_no_deep_recursion() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([6]));
    let mut y = x;
    for k in 0..20_000 {
        let number = c.fill(f64::from(k % 7) / 7.0 - 0.4, &Shape::per_example([6]));
        y = c.add(y, number);
    }
    let schedule = check(&phase(&circuit, vec![output(0, y)]), 11);
    assert_eq!((schedule.steps.len(), schedule.arena), (1, 0));
}

/// Examples are taken through both layers, forward and back; the gradients of the weights, which are sums over them, come
/// last, none of which needs another one.
#[test]
fn what_threads_share_at_once_stands_together() {
    let mut circuit = Circuit::new();
    let c = &mut circuit;
    let x = slot(c, "x", SlotRole::Input, Shape::per_example([4]));
    let [w0, w1] = [("w0", [4, 4]), ("w1", [4, 4])]
        .map(|(name, dims)| slot(c, name, SlotRole::Param, Shape::shared(dims)));
    let [b0, b1] =
        [("b0", [4]), ("b1", [4])].map(|(name, dims)| slot(c, name, SlotRole::Param, Shape::shared(dims)));
    let h = dense(c, w0, b0, x);
    let h = c.gate(gates::SQRT, &[h]);
    let z = dense(c, w1, b1, h);
    let [w1_bar, b1_bar, h_bar] = dense_backward(c, w1, h, z);
    let [w0_bar, b0_bar, _] = dense_backward(c, w0, x, h_bar);
    let gradients =
        [("w0_bar", w0_bar, 0), ("b0_bar", b0_bar, 16), ("w1_bar", w1_bar, 20), ("b1_bar", b1_bar, 36)];
    let roots: Vec<Root> = gradients.map(|(name, value, at)| root(name, value, Region::Gradients, at)).into();
    let phase = phase(&circuit, roots);
    let schedule = crate::plan::plan(std::slice::from_ref(&phase), 4, Some(SHARED));
    crate::plan::verify::verify(&schedule).unwrap();
    let headings = |run: &std::ops::Range<usize>| {
        let steps = schedule.steps[run.clone()].iter();
        steps.map(|step| crate::plan::print::heading(&schedule, step)).collect::<Vec<_>>()
    };
    let [by_example] = &schedule.by_example[..] else { panic!("one run: {:?}", schedule.by_example) };
    let [alone] = &schedule.alone[..] else { panic!("one run: {:?}", schedule.alone) };
    assert_eq!((by_example.start, by_example.end, alone.end), (0, alone.start, schedule.steps.len()));
    // A step that gives a gradient is called by its name, one on the way by that of a part of it.
    let gives = |step: &String| step.split([',', ':']).next().is_some_and(|name| !name.contains('.'));
    assert!(!headings(by_example).iter().any(gives), "{:?}", headings(by_example));
    assert!(headings(alone).iter().all(gives), "{:?}", headings(alone));
    let text = print(&schedule);
    assert!(text.contains("each thread for some of the examples"), "{text}");
    assert!(text.contains("each thread some of them"), "{text}");
    check(&phase, 1);
}

/// Layers that are each of another width give no memory to one another while threads are in different ones: where that
/// would take far more of it, steps stay as they are for one thread.
#[test]
fn memory_is_not_multiplied_for_threads() {
    let planned = |layers: u32, long| {
        let mut circuit = Circuit::new();
        let c = &mut circuit;
        let mut x = slot(c, "x", SlotRole::Input, Shape::per_example([30]));
        for k in 0..layers {
            let (from, to) = (30 + k, 31 + k);
            let w = slot(c, &format!("w{k}"), SlotRole::Param, Shape::shared([to, from]));
            let b = slot(c, &format!("b{k}"), SlotRole::Param, Shape::shared([to]));
            x = dense(c, w, b, x);
        }
        let roots = vec![output(0, x)];
        crate::plan::plan(&[phase(&circuit, roots)], 8, long)
    };
    assert_eq!(planned(3, Some(SHARED)).by_example.len(), 1);
    let [shared, one] = [Some(SHARED), None].map(|long| planned(20, long));
    crate::plan::verify::verify(&shared).unwrap();
    assert!(shared.by_example.is_empty() && shared.alone.is_empty());
    assert_eq!((shared.arena, print(&shared)), (one.arena, print(&one)));
}
