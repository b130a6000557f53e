//! Every rule against central differences, in first and second derivatives; structural zeros; names.

use super::corpus::{self, affine, per_example, shared};
use super::differentiate;
use super::oracle::{BATCH, compare, objective, real, reals, weighed};
use crate::circuit::{AxisSet, Circuit, Gate, Named, Node, Reducer, SlotId, ValueId, gates};
use crate::interpret::{Bindings, evaluate};

/// Builds a circuit, and checks the first and second derivatives of its value, weighed to a scalar.
fn check(build: &dyn Fn(&mut Circuit) -> ValueId) {
    let mut circuit = Circuit::new();
    let value = build(&mut circuit);
    let of = weighed(&mut circuit, &[value]);
    let wrt = reals(&circuit);
    let gradients = differentiate(&mut circuit, of, &wrt);
    let compared = compare(&circuit, of, &wrt, &gradients);
    assert!(compared > 0, "no smooth point");

    let found: Vec<ValueId> = gradients.into_iter().flatten().collect();
    let of = weighed(&mut circuit, &found);
    let seconds = differentiate(&mut circuit, of, &wrt);
    compare(&circuit, of, &wrt, &seconds);
}

#[test]
fn gates_follow_their_rows() {
    corpus::gates(&mut check);
}

#[test]
fn a_dense_layer() {
    corpus::dense(&mut check);
}

#[test]
fn reductions() {
    corpus::reductions(&mut check);
}

#[test]
fn a_mean_over_the_batch_and_its_use() {
    corpus::statistics(&mut check);
}

#[test]
fn views_of_all_kinds() {
    corpus::views(&mut check);
}

#[test]
fn a_view_with_a_guard() {
    corpus::guarded(&mut check);
}

#[test]
fn merge_gather_scatter() {
    corpus::integers(&mut check);
}

#[test]
fn a_softmax_with_its_loss() {
    corpus::cross_entropy(&mut check);
}

#[test]
fn recurrences_forwards_backwards_and_together() {
    corpus::recurrences(&mut check);
}

#[test]
fn what_a_recurrence_computes_and_nobody_uses_flows_not_back() {
    // h[t] = h[t - 1] + sqrt(x[t]), of which only what comes before the last is used: no slope of sqrt(0) there.
    let gradient = gradient_at(&[1.0, 1.0, 0.0], |c, x| {
        let h = c.variable();
        let shape = c.shape(x).clone();
        let before = c.lag(h, 0, 1, 0.0, &shape);
        let root = c.gate(corpus::gate("sqrt"), &[x]);
        let new = c.add(before, root);
        c.close(h, new);
        before
    });
    assert_eq!(gradient, [1.0, 0.5, 0.0]);
}

#[test]
fn taking_apart_is_undone_by_joining() {
    let mut circuit = Circuit::new();
    let x = real(&mut circuit, "x", per_example(&[6]));
    let parts = circuit.view(x, affine(per_example(&[2, 3]), &[(&[3, 1], 0, 1)], 0.0));
    let squares = circuit.mul(parts, parts);
    let of = circuit.sum(squares, AxisSet::of([0, 1]));
    let before = circuit.len() as u32;
    differentiate(&mut circuit, of, &[x]);
    let sums = (before..circuit.len() as u32).map(ValueId);
    let sums = sums.filter(|&value| matches!(circuit.node(value), Node::Reduce { .. }));
    assert_eq!(sums.count(), 0);
}

/// The gradient of a per-example scalar by the one per-example slot, at the given values.
fn gradient_at(x: &[f64], build: impl Fn(&mut Circuit, ValueId) -> ValueId) -> Vec<f64> {
    let dims = if x.len() == 1 { vec![] } else { vec![x.len() as u32] };
    let mut circuit = Circuit::new();
    let leaf = real(&mut circuit, "x", per_example(&dims));
    let value = build(&mut circuit, leaf);
    let rank = circuit.shape(value).dims.len();
    let of = circuit.sum(value, AxisSet::of(0..rank));
    let gradient = differentiate(&mut circuit, of, &[leaf])[0].expect("reached");
    let mut at = Bindings::new(1);
    at.bind(&circuit, SlotId(0), x.to_vec());
    evaluate(&circuit, &[gradient], &at).remove(0).data
}

/// `if x > 0 then f(x) else 0`
fn where_positive(
    circuit: &mut Circuit,
    x: ValueId,
    f: impl Fn(&mut Circuit, ValueId) -> ValueId,
) -> ValueId {
    let zero = circuit.number(0.0);
    let positive = circuit.lift(gates::LT, &[zero, x]);
    let value = f(circuit, x);
    circuit.select(positive, value, zero)
}

fn sqrt(circuit: &mut Circuit, x: ValueId) -> ValueId {
    circuit.lift(gates::SQRT, &[x])
}

#[test]
fn a_branch_not_taken_is_absent() {
    assert_eq!(gradient_at(&[0.0], |c, x| where_positive(c, x, sqrt)), [0.0]);
    assert_eq!(gradient_at(&[-1.0], |c, x| where_positive(c, x, sqrt)), [0.0]);
    assert_eq!(gradient_at(&[4.0], |c, x| where_positive(c, x, sqrt)), [0.25]);
}

#[test]
fn absence_survives_nesting_and_a_second_use() {
    let nested = |c: &mut Circuit, x| where_positive(c, x, |c, x| where_positive(c, x, sqrt));
    assert_eq!(gradient_at(&[0.0], nested), [0.0]);
    // x + (if x > 0 then log(sqrt(x)) else 0): the other use keeps its 1.
    let second_use = |c: &mut Circuit, x| {
        let inner = where_positive(c, x, |c, x| {
            let root = sqrt(c, x);
            c.lift(gates::LOG, &[root])
        });
        c.add(x, inner)
    };
    assert_eq!(gradient_at(&[0.0], second_use), [1.0]);
    assert_eq!(gradient_at(&[2.0], second_use), [1.25]);
    // The one root is used twice under one condition: (if x > 0 then sqrt(x) * sqrt(x) else 0).
    let square = |c: &mut Circuit, x| {
        where_positive(c, x, |c, x| {
            let root = sqrt(c, x);
            c.mul(root, root)
        })
    };
    assert_eq!(gradient_at(&[0.0], square), [0.0]);
}

#[test]
fn absence_survives_a_name_on_the_way() {
    let named = |c: &mut Circuit, x| {
        where_positive(c, x, |c, x| {
            let root = sqrt(c, x);
            c.name(Named { path: "root".into(), value: root, indices: vec![], mapped: 0, span: None });
            root
        })
    };
    assert_eq!(gradient_at(&[0.0], named), [0.0]);
}

#[test]
fn absence_travels_through_views() {
    // y[i] = sqrt(x)[i + 1], which does not read x[0] = 0, in a number as long and in a shorter one.
    let shifted = |extent: u32| {
        move |c: &mut Circuit, x: ValueId| {
            let root = sqrt(c, x);
            c.view(root, affine(per_example(&[extent]), &[(&[1], 1, 1)], 0.0))
        }
    };
    assert_eq!(gradient_at(&[0.0, 4.0], shifted(1)), [0.0, 0.25]);
    assert_eq!(gradient_at(&[0.0, 4.0], shifted(2)), [0.0, 0.25]);
    // A condition on one side of a view, the root on the other.
    let reversed = |c: &mut Circuit, x: ValueId| {
        let root = sqrt(c, x);
        let back = affine(per_example(&[2]), &[(&[-1], 1, 1)], 0.0);
        let (x, root) = (c.view(x, back.clone()), c.view(root, back));
        where_positive(c, x, |_, _| root)
    };
    assert_eq!(gradient_at(&[0.0, 4.0], reversed), [0.0, 0.25]);
}

#[test]
fn absence_survives_reductions() {
    // Only the first largest counts: max[i] sqrt(x[i]) at 0 and 4.
    let largest = |c: &mut Circuit, x| {
        let root = sqrt(c, x);
        c.reduce(Reducer::Max, root, AxisSet::of([0]), false)
    };
    assert_eq!(gradient_at(&[0.0, 4.0], largest), [0.0, 0.25]);
    // A condition on the sum of roots: if sum[i] x[i] > 4 then sum[i] sqrt(x[i]) else 0.
    let total = |c: &mut Circuit, x: ValueId| {
        let (root, sum) = (sqrt(c, x), c.sum(x, AxisSet::of([0])));
        let roots = c.sum(root, AxisSet::of([0]));
        let (four, zero) = (c.number(4.0), c.number(0.0));
        let large = c.lift(gates::LT, &[four, sum]);
        c.select(large, roots, zero)
    };
    assert_eq!(gradient_at(&[0.0, 4.0], total), [0.0, 0.0]);
}

#[test]
fn ties_go_to_the_first() {
    let largest = |c: &mut Circuit, x| c.reduce(Reducer::Max, x, AxisSet::of([0]), false);
    assert_eq!(gradient_at(&[1.0, 3.0, 3.0], largest), [0.0, 1.0, 0.0]);
    // relu(x) = max(0, x) has slope 0 at 0.
    let relu = |c: &mut Circuit, x| {
        let zero = c.number(0.0);
        c.lift(gates::MAX, &[zero, x])
    };
    assert_eq!(gradient_at(&[0.0, 1.0], relu), [0.0, 1.0]);
}

#[test]
fn a_factor_of_zero_does_not_spoil_a_product() {
    let product = |c: &mut Circuit, x| c.reduce(Reducer::Prod, x, AxisSet::of([0]), false);
    assert_eq!(gradient_at(&[0.0, 3.0, 5.0], product), [15.0, 0.0, 0.0]);
}

#[test]
fn what_is_not_reached_has_no_gradient() {
    let mut circuit = Circuit::new();
    let (x, w) = (real(&mut circuit, "x", per_example(&[])), real(&mut circuit, "w", shared(&[])));
    let floor = circuit.lift(Gate::named("floor").unwrap(), &[w]);
    let of = circuit.mul(x, floor);
    let gradients = differentiate(&mut circuit, of, &[x, w]);
    assert!(gradients[0].is_some());
    assert_eq!(gradients[1], None);
}

#[test]
fn the_objective_is_the_mean() {
    let mut circuit = Circuit::new();
    let (x, w) = (real(&mut circuit, "x", per_example(&[])), real(&mut circuit, "w", shared(&[])));
    let of = circuit.mul(x, w);
    let gradient = differentiate(&mut circuit, of, &[w])[0].unwrap();
    let mut at = Bindings::new(BATCH);
    at.bind(&circuit, SlotId(0), vec![1.0, 2.0, 6.0]);
    at.bind(&circuit, SlotId(1), vec![2.0]);
    assert_eq!(objective(&circuit, of, &at), 6.0);
    assert_eq!(evaluate(&circuit, &[gradient], &at)[0].data, [3.0]);
}

#[test]
fn named_values_have_named_cotangents() {
    let mut circuit = Circuit::new();
    let x = real(&mut circuit, "x", per_example(&[2]));
    let h = circuit.lift(gates::EXP, &[x]);
    let of = circuit.sum(h, AxisSet::of([0]));
    let mut name = |path: &str, value, indices: &[&str]| {
        let indices = indices.iter().map(|index| index.to_string()).collect();
        circuit.name(Named { path: path.into(), value, indices, mapped: 0, span: None });
    };
    name("x", x, &["i"]);
    name("deep.path.h", h, &["k"]);
    name("block.h", h, &["m"]);
    name("x_bar", of, &[]);
    let gradient = differentiate(&mut circuit, of, &[x])[0].unwrap();
    let cotangents: Vec<&Named> = circuit.cotangents().iter().map(|c| &circuit.names()[c.name]).collect();
    let paths: Vec<&str> = cotangents.iter().map(|named| &named.path[..]).collect();
    assert_eq!(paths, ["x_bar_bar", "block_h_bar", "x_bar_2"]);
    assert_eq!(cotangents[1].indices, ["m"]);
    assert_eq!(cotangents[2].value, gradient);
    assert_eq!(circuit.cotangents()[2].of, "x");
    assert_eq!(circuit.cotangents()[2].origin.rule, Some("y = exp(a): a_bar = y_bar * y"));
}
