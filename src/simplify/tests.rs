//! Every row on random and extreme numbers; the normal form of the usual gradients; every circuit of the corpus
//! against itself, unsimplified.

use super::simplify;
use super::table::{Row, Rule, When, rows};
use crate::circuit::verify::verify;
use crate::circuit::{AxisSet, Circuit, Named, Node, Reducer, ValueId, View, gates};
use crate::differentiate::corpus::{self, affine, per_example, shared};
use crate::differentiate::differentiate;
use crate::differentiate::oracle::{Random, bindings, class, compare, real, reals, weighed};
use crate::interpret::evaluate;
use std::collections::BTreeMap;

/// Numbers at which rules go wrong, of the range of f32: f64 has room for what they give on the way.
const EXTREMES: [f64; 13] =
    [0.0, -0.0, 1.0, -1.0, 2.0, -0.5, 3e38, -3e38, 1e-38, -1e-38, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];

/// A value for each name of a rule.
fn assignment(rule: &Rule, random: &mut Random) -> BTreeMap<String, f64> {
    let mut names = BTreeMap::new();
    rule.left.for_each_variable(&mut |name| {
        let value = if random.uniform() < 0.6 {
            EXTREMES[(random.uniform() * EXTREMES.len() as f64) as usize]
        } else {
            20.0 * random.uniform() - 10.0
        };
        names.entry(name.to_string()).or_insert(value);
    });
    names
}

fn holds(row: &Row, values: &BTreeMap<String, f64>) -> bool {
    let of = |name: &str| values.get(name).copied().unwrap_or(0.0);
    row.when.iter().all(|when| match when {
        When::NotNegative(name) => of(name) >= 0.0,
        When::Numbers(_, condition) => condition(of("m"), of("n")),
    })
}

/// Whether a name of a rule stands for a condition, so that only 0 and 1 are meant.
fn is_logical(row: &Row) -> bool {
    [" and ", " or ", "not "].iter().any(|word| row.rule.contains(word)) && !row.rule.contains("==")
}

#[test]
fn every_row_gives_what_it_replaces() {
    let mut random = Random(3);
    for row in rows() {
        let rule = Rule::of(row);
        let mut tried = 0;
        for _ in 0..4000 {
            let mut values = assignment(&rule, &mut random);
            if is_logical(row) {
                values.values_mut().for_each(|value| *value = f64::from(u8::from(*value > 0.5)));
            }
            if !holds(row, &values) {
                continue;
            }
            tried += 1;
            let (left, right) =
                (rule.left.value(&|name| values[name]), rule.right.value(&|name| values[name]));
            let alike = if left.is_finite() {
                (left - right).abs() <= 1e-13 * left.abs()
            } else {
                !right.is_finite()
            };
            assert!(alike, "{} at {values:?}: {left} becomes {right}", row.rule);
        }
        assert!(tried > 50, "{}: {tried} points", row.rule);
    }
}

#[test]
fn every_row_is_used() {
    // What a rule matches is rewritten: by itself or by a row above it, it never stays as it is.
    for row in rows() {
        let rule = Rule::of(row);
        let values = (0..).map(|seed| assignment(&rule, &mut Random(seed)));
        let values =
            values.take(10_000).find(|values| holds(row, values) && values.values().all(|v| v.is_finite()));
        let values = values.expect("some numbers that the rule allows");
        let mut circuit = Circuit::new();
        let mut leaves: BTreeMap<String, ValueId> = BTreeMap::new();
        let zero = circuit.number(0.0);
        for (name, &value) in &values {
            let leaf = if name == "m" || name == "n" {
                circuit.number(value)
            } else {
                let leaf = real(&mut circuit, name, shared(&[]));
                // A condition, or known not to be negative.
                if is_logical(row) {
                    circuit.gate(gates::LT, &[zero, leaf])
                } else {
                    circuit.gate(gates::EXP, &[leaf])
                }
            };
            leaves.insert(name.clone(), leaf);
        }
        let root = instance(&mut circuit, &rule.left, &leaves);
        let before = circuit.node(root).clone();
        let (after, roots) = simplify(&circuit, &[root]);
        let same = match (&before, after.node(roots[0])) {
            (Node::Gate { gate: a, args: x }, Node::Gate { gate: b, args: y }) => {
                a == b && x.iter().map(|x| circuit.node(*x)).eq(y.iter().map(|y| after.node(*y)))
            }
            _ => false,
        };
        assert!(!same, "{}", row.rule);
    }
}

fn instance(
    circuit: &mut Circuit,
    formula: &crate::circuit::formula::Formula,
    leaves: &BTreeMap<String, ValueId>,
) -> ValueId {
    use crate::circuit::formula::Formula;
    match formula {
        Formula::Number(number) => circuit.number(*number),
        Formula::Variable(name) => leaves[name],
        Formula::Absent => panic!("in no rule"),
        Formula::Gate(gate, args) => {
            let args: Vec<ValueId> = args.iter().map(|arg| instance(circuit, arg, leaves)).collect();
            circuit.gate(*gate, &args)
        }
    }
}

/// The simplified roots have the values of the roots; simplifying again changes nothing.
fn check_same(circuit: &Circuit, roots: &[ValueId]) {
    let (simple, simple_roots) = simplify(circuit, roots);
    verify(&simple).unwrap();
    let (again, again_roots) = simplify(&simple, &simple_roots);
    assert_eq!(again.len(), simple.len(), "not idempotent");
    assert_eq!(again_roots, simple_roots);
    assert!(simple.values().all(|value| simple.node(value) == again.node(value)));
    let at = bindings(circuit, &mut Random(11));
    let (raw, simplified) = (evaluate(circuit, roots, &at), evaluate(&simple, &simple_roots, &at));
    for (raw, simplified) in raw.iter().zip(&simplified) {
        assert_eq!(raw.shape, simplified.shape);
        for (a, b) in raw.data.iter().zip(&simplified.data) {
            let close = (a - b).abs() <= 1e-11 * (1.0 + a.abs());
            assert!(close || (a.is_nan() && b.is_nan()) || a == b, "{a} becomes {b}");
        }
    }
}

#[test]
fn the_corpus_keeps_its_values_and_gradients() {
    corpus::each(&mut |build| {
        let mut circuit = Circuit::new();
        let value = build(&mut circuit);
        let of = weighed(&mut circuit, &[value]);
        let wrt = reals(&circuit);
        let gradients: Vec<ValueId> = differentiate(&mut circuit, of, &wrt).into_iter().flatten().collect();
        let mut roots = vec![value, of];
        roots.extend(&gradients);
        check_same(&circuit, &roots);

        let of = weighed(&mut circuit, &gradients);
        roots.extend(differentiate(&mut circuit, of, &wrt).into_iter().flatten());
        check_same(&circuit, &roots);
    });
}

fn name(circuit: &mut Circuit, path: &str, value: ValueId, indices: &[&str]) {
    let indices = indices.iter().map(|index| index.to_string()).collect();
    circuit.name(Named { path: path.into(), value, indices, mapped: 0, span: None });
}

/// `y[m] = b[m] + sum[n] W[m, n] * x[n]`, named.
fn dense(circuit: &mut Circuit, x: ValueId, m: u32, n: u32) -> ValueId {
    let w = real(circuit, "W", shared(&[m, n]));
    let b = real(circuit, "b", shared(&[m]));
    name(circuit, "W", w, &["m", "n"]);
    name(circuit, "b", b, &["m"]);
    let x = circuit.view(x, View::select(per_example(&[m, n]), &[1], &[n]));
    let products = circuit.mul(w, x);
    let sum = circuit.sum(products, AxisSet::of([1]));
    let y = circuit.add(b, sum);
    name(circuit, "y", y, &["m"]);
    y
}

#[test]
fn a_sum_of_contractions_is_parted() {
    let mut circuit = Circuit::new();
    let x = real(&mut circuit, "x", per_example(&[3]));
    let z = real(&mut circuit, "z", per_example(&[3]));
    let domain = per_example(&[4, 3]);
    let products: Vec<ValueId> = [(x, "V"), (z, "W")]
        .into_iter()
        .map(|(read, name)| {
            let weight = real(&mut circuit, name, shared(&[4, 3]));
            let read = circuit.view(read, View::select(domain.clone(), &[1], &[3]));
            circuit.mul(weight, read)
        })
        .collect();
    let both = circuit.add(products[0], products[1]);
    let sum = circuit.sum(both, AxisSet::of([1]));
    let (simple, roots) = simplify(&circuit, &[sum]);
    check_same(&circuit, &[sum]);
    let Node::Gate { gate: gates::ADD, args } = simple.node(roots[0]) else {
        panic!("not a sum of sums: {:?}", simple.node(roots[0]))
    };
    args.iter().for_each(|&part| _ = operand_of_sum(&simple, part, false, 1));
}

fn operand_of_sum(circuit: &Circuit, value: ValueId, batch: bool, count: usize) -> (ValueId, ValueId) {
    let Node::Reduce { reducer: Reducer::Sum, arg, axes, batch: mean } = *circuit.node(value) else {
        panic!("not a sum: {:?}", circuit.node(value))
    };
    assert_eq!((axes.count(), mean), (count, batch));
    let Node::Gate { gate: gates::MUL, args } = circuit.node(arg) else {
        panic!("not a product: {:?}", circuit.node(arg))
    };
    (args[0], args[1])
}

/// What a value reads plainly, and along which dimensions.
fn plain(circuit: &Circuit, value: ValueId) -> (ValueId, Vec<usize>) {
    match circuit.node(value) {
        Node::View { arg, view } => (*arg, view.as_select().expect("a plain read")),
        _ => (value, (0..circuit.shape(value).dims.len()).collect()),
    }
}

fn named(circuit: &Circuit, path: &str) -> ValueId {
    circuit.names().iter().find(|named| named.path == path).unwrap_or_else(|| panic!("no {path}")).value
}

#[test]
fn the_gradient_of_a_dense_layer_is_three_lines() {
    let mut circuit = Circuit::new();
    let x = real(&mut circuit, "x", per_example(&[3]));
    name(&mut circuit, "x", x, &["n"]);
    let y = dense(&mut circuit, x, 2, 3);
    let zero = circuit.number(0.0);
    let h = circuit.lift(gates::MAX, &[zero, y]);
    let squares = circuit.mul(h, h);
    let of = circuit.sum(squares, AxisSet::of([0]));
    let wrt = reals(&circuit);
    let roots: Vec<ValueId> = differentiate(&mut circuit, of, &wrt).into_iter().flatten().collect();
    let (simple, roots) = simplify(&circuit, &roots);
    let [x_bar, w_bar, b_bar] = roots[..] else { panic!("three gradients") };
    let (x, w, y_bar) = (named(&simple, "x"), named(&simple, "W"), named(&simple, "y_bar"));
    assert_eq!(named(&simple, "W_bar"), w_bar);

    // W_bar[m, n] = mean[batch] y_bar[m] * x[n]
    let (a, b) = operand_of_sum(&simple, w_bar, true, 0);
    assert_eq!((plain(&simple, a), plain(&simple, b)), ((y_bar, vec![0]), (x, vec![1])));
    // x_bar[n] = sum[m] W[m, n] * y_bar[m]
    let (a, b) = operand_of_sum(&simple, x_bar, false, 1);
    assert_eq!((plain(&simple, a), plain(&simple, b)), ((w, vec![1, 0]), (y_bar, vec![1])));
    // b_bar[m] = mean[batch] y_bar[m]
    assert_eq!(
        simple.node(b_bar),
        &Node::Reduce { reducer: Reducer::Sum, arg: y_bar, axes: AxisSet::default(), batch: true }
    );
    // y_bar[m] = if y[m] <= 0 then 0 else 2 * h[m]
    let Node::Gate { gate: gates::SELECT, args } = simple.node(y_bar) else { panic!("a choice") };
    let Node::Gate { gate: gates::LE, args: sides } = simple.node(args[0]) else { panic!("a condition") };
    assert_eq!(sides[0], named(&simple, "y"));
}

#[test]
fn a_window_and_its_adjoint_are_one_sum_each() {
    // y[f, i] = sum[c, u] w[f, c, u] * (x[c, 2 i + u - 1] else 0)
    let mut circuit = Circuit::new();
    let x = real(&mut circuit, "x", per_example(&[2, 7]));
    let w = real(&mut circuit, "w", shared(&[3, 2, 3]));
    let wide = per_example(&[3, 4, 2, 3]);
    let read = affine(wide.clone(), &[(&[0, 0, 1, 0], 0, 1), (&[0, 2, 0, 1], -1, 1)], 0.0);
    let x_read = circuit.view(x, read);
    let w_read = circuit.view(w, View::select(wide, &[0, 2, 3], &[3, 2, 3]));
    let products = circuit.mul(w_read, x_read);
    let y = circuit.sum(products, AxisSet::of([2, 3]));
    name(&mut circuit, "y", y, &["f", "i"]);
    let squares = circuit.mul(y, y);
    let of = weighed(&mut circuit, &[squares]);
    let gradients = differentiate(&mut circuit, of, &[x, w]);
    let compared = compare(&circuit, of, &[x, w], &gradients);
    assert!(compared > 0);
    let roots: Vec<ValueId> = gradients.into_iter().flatten().collect();
    check_same(&circuit, &roots);
    let (simple, roots) = simplify(&circuit, &roots);
    // x_bar[c, s] = sum[f, u] w[f, c, u] * (y_bar[f, (s + 1 - u) / 2] else 0)
    let (a, b) = operand_of_sum(&simple, roots[0], false, 2);
    let read = |value: ValueId| match simple.node(value) {
        Node::View { arg, view } => (*arg, view.is_total(simple.shape(*arg))),
        node => panic!("{node:?}"),
    };
    let (y_bar, w) = (named(&simple, "y_bar"), ValueId(1));
    let mut reads = [read(a), read(b)];
    reads.sort_by_key(|(arg, _)| *arg);
    assert_eq!(reads, [(w, true), (y_bar, false)]);
    // w_bar[f, c, u] = mean[batch] sum[i] y_bar[f, i] * (x[c, 2 i + u - 1] else 0)
    operand_of_sum(&simple, roots[1], true, 1);
}

#[test]
fn an_embedding_is_gathered_and_scattered() {
    let mut circuit = Circuit::new();
    let table = real(&mut circuit, "table", shared(&[4, 2]));
    let token = class(&mut circuit, "token", per_example(&[3]), 4);
    let wide = circuit.view(table, View::select(per_example(&[3, 2, 4]), &[2, 1], &[4, 2]));
    let tokens = circuit.view(token, View::select(per_example(&[3, 2]), &[0], &[3]));
    let rows = circuit.gather(wide, tokens);
    let of = weighed(&mut circuit, &[rows]);
    let gradient = differentiate(&mut circuit, of, &[table])[0].unwrap();
    let (simple, roots) = simplify(&circuit, &[gradient]);
    let Node::Scatter { index, extent, .. } = *simple.node(roots[0]) else {
        panic!("{:?}", simple.node(roots[0]))
    };
    assert_eq!((index, extent), (ValueId(1), 4));
}

#[test]
fn what_is_broadcast_is_computed_once() {
    // sum[n] c[m] * exp(b[m]) * x[n] is c[m] * exp(b[m]) times a sum that does not know m.
    let mut circuit = Circuit::new();
    let (b, c) = (real(&mut circuit, "b", shared(&[2])), real(&mut circuit, "c", shared(&[2])));
    let x = real(&mut circuit, "x", per_example(&[3]));
    let wide = per_example(&[2, 3]);
    let spread = |circuit: &mut Circuit, value, axis: usize, extent: u32| {
        circuit.view(value, View::select(wide.clone(), &[axis], &[extent]))
    };
    let (b, c) = (spread(&mut circuit, b, 0, 2), spread(&mut circuit, c, 0, 2));
    let x = spread(&mut circuit, x, 1, 3);
    let e = circuit.gate(gates::EXP, &[b]);
    let product = circuit.mul(c, e);
    let product = circuit.mul(product, x);
    let sum = circuit.sum(product, AxisSet::of([1]));
    check_same(&circuit, &[sum]);
    let (simple, roots) = simplify(&circuit, &[sum]);
    assert!(simple.values().all(|value| simple.shape(value).size() <= 3));
    assert_eq!(simple.shape(roots[0]), &per_example(&[2]));
}

#[test]
fn nothing_finite_comes_of_what_is_not() {
    // 0 * x stays, and so does a guard that a factor which may be infinite needs.
    let mut circuit = Circuit::new();
    let x = real(&mut circuit, "x", per_example(&[]));
    let zero = circuit.number(0.0);
    let product = circuit.mul(zero, x);
    let positive = circuit.lift(gates::LT, &[zero, x]);
    let chosen = circuit.select(positive, x, zero);
    let one = circuit.number(1.0);
    let inverse = circuit.div(one, x);
    let quotient = circuit.mul(chosen, inverse);
    let guarded = circuit.select(positive, quotient, zero);
    let (simple, roots) = simplify(&circuit, &[product, guarded]);
    assert!(matches!(simple.node(roots[0]), Node::Gate { gate: gates::MUL, .. }));
    assert!(matches!(simple.node(roots[1]), Node::Gate { gate: gates::SELECT, .. }));
    // With a finite factor the guard is not needed twice.
    let mut circuit = Circuit::new();
    let x = real(&mut circuit, "x", per_example(&[]));
    let zero = circuit.number(0.0);
    let positive = circuit.lift(gates::LT, &[zero, x]);
    let chosen = circuit.select(positive, x, zero);
    let product = circuit.mul(chosen, x);
    let guarded = circuit.select(positive, product, zero);
    let (simple, roots) = simplify(&circuit, &[guarded]);
    assert!(matches!(simple.node(roots[0]), Node::Gate { gate: gates::MUL, .. }));
}

/// What softmax gives is finite, so that no guard is needed twice beside it: also where a mask leaves something in each
/// row, which those before a place do not in the first one.
#[test]
fn softmax_of_what_a_mask_leaves_is_finite() {
    let is_guarded = |mask: Option<crate::circuit::Gate>| {
        let mut circuit = Circuit::new();
        let square = per_example(&[4, 4]);
        let (z, x) = (real(&mut circuit, "z", square.clone()), real(&mut circuit, "x", square.clone()));
        let places = circuit.iota(4);
        let [row, column] =
            [0, 1].map(|axis| circuit.view(places, View::select(shared(&[4, 4]), &[axis], &[4])));
        let causal = circuit.lift(gates::LE, &[column, row]);
        let (zero, nothing) = (circuit.number(0.0), circuit.number(f64::NEG_INFINITY));
        let seen = mask.map_or(z, |mask| {
            let seen = circuit.lift(mask, &[column, row]);
            circuit.select(seen, z, nothing)
        });
        let maximum = circuit.reduce(Reducer::Max, seen, AxisSet::of([1]), false);
        let maximum = circuit.lift(gates::STOP, &[maximum]);
        let of_row =
            |circuit: &mut Circuit, value| circuit.view(value, View::select(square.clone(), &[0], &[4]));
        let maximum = of_row(&mut circuit, maximum);
        let difference = circuit.lift(gates::SUB, &[seen, maximum]);
        let exponential = circuit.lift(gates::EXP, &[difference]);
        let sum = circuit.sum(exponential, AxisSet::of([1]));
        let sum = of_row(&mut circuit, sum);
        let weight = circuit.div(exponential, sum);
        let chosen = circuit.select(causal, x, zero);
        let product = circuit.mul(chosen, weight);
        let guarded = circuit.select(causal, product, zero);
        check_same(&circuit, &[guarded]);
        let (simple, roots) = simplify(&circuit, &[guarded]);
        matches!(simple.node(roots[0]), Node::Gate { gate: gates::SELECT, .. })
    };
    assert_eq!([None, Some(gates::LE), Some(gates::LT)].map(is_guarded), [false, false, true]);
}

/// The adjoint of a pool: what it selects and what it passes on are parted as the windows are, so that the merges are
/// the last that happens, and nothing is read through them.
#[test]
fn gates_come_before_merges() {
    let mut circuit = Circuit::new();
    let x = real(&mut circuit, "x", per_example(&[4, 6]));
    let axis = |k| crate::circuit::view::Affine::axis(k, 4);
    let windows = View {
        out: per_example(&[2, 3, 2, 2]),
        coords: vec![
            crate::circuit::view::Affine { c: vec![2, 0, 1, 0], ..axis(0) },
            crate::circuit::view::Affine { c: vec![0, 2, 0, 1], ..axis(1) },
        ],
        guards: vec![],
        fill: crate::circuit::F64::new(0.0),
    };
    let parts = circuit.view(x, windows);
    let pooled = circuit.reduce(Reducer::Max, parts, AxisSet::of([2, 3]), false);
    let of = weighed(&mut circuit, &[pooled]);
    let gradient = differentiate(&mut circuit, of, &[x]).remove(0).expect("it depends on x");
    check_same(&circuit, &[pooled, gradient]);
    let (simple, roots) = simplify(&circuit, &[pooled, gradient]);
    let merges = |value: &ValueId| matches!(simple.node(*value), Node::Merge { .. });
    assert!(merges(&roots[1]), "the gradient is merged last");
    for value in simple.values() {
        let Node::Gate { args, .. } = simple.node(value) else { continue };
        let read = |arg: &ValueId| match simple.node(*arg) {
            Node::View { arg, .. } => merges(arg),
            _ => merges(arg),
        };
        assert!(!args.iter().any(read), "{value:?} reads a merge");
    }
}

/// The adjoint of a filter in groups, `y[g, f, t] = sum[c] w[(g, f), c] * x[(g, c), t]`, is a sum of a product, which the
/// planner knows for a contraction, and merged after it.
#[test]
fn reductions_come_before_merges() {
    let mut circuit = Circuit::new();
    let w = real(&mut circuit, "w", shared(&[6, 2]));
    let x = real(&mut circuit, "x", per_example(&[4, 5]));
    let r = real(&mut circuit, "r", per_example(&[2, 3, 5]));
    let domain = per_example(&[2, 3, 5, 2]);
    let by_group = affine(domain.clone(), &[(&[3, 1, 0, 0], 0, 1), (&[0, 0, 0, 1], 0, 1)], 0.0);
    let filters = circuit.view(w, by_group);
    let channels = circuit.view(x, affine(domain, &[(&[2, 0, 0, 1], 0, 1), (&[0, 0, 1, 0], 0, 1)], 0.0));
    let product = circuit.mul(filters, channels);
    let y = circuit.sum(product, AxisSet::of([3]));
    let of = circuit.mul(y, r);
    let of = circuit.sum(of, AxisSet::of([0, 1, 2]));
    let gradient = differentiate(&mut circuit, of, &[w]).remove(0).expect("it depends on w");
    check_same(&circuit, &[gradient]);
    let (simple, roots) = simplify(&circuit, &[gradient]);
    let Node::Merge { arg, .. } = *simple.node(roots[0]) else { panic!("{:?}", simple.node(roots[0])) };
    let Node::Reduce { arg, .. } = *simple.node(arg) else { panic!("{:?}", simple.node(arg)) };
    assert!(matches!(simple.node(arg), Node::Gate { gate: gates::MUL, .. }), "{:?}", simple.node(arg));
}
