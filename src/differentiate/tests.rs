//! Every rule against central differences, in first and second derivatives; structural zeros; names.

use super::differentiate;
use super::oracle::{BATCH, class, compare, objective, real, reals, weighed};
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{
    AxisSet, Circuit, F64, Gate, Kind, Named, Reducer, Shape, SlotId, ValueId, View, gates,
};
use crate::interpret::{Bindings, evaluate};

/// Builds a circuit, and checks the first and second derivatives of its value, weighed to a scalar.
fn check(build: impl Fn(&mut Circuit) -> ValueId) {
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

fn shared(dims: &[u32]) -> Shape {
    Shape::shared(dims)
}

fn per_example(dims: &[u32]) -> Shape {
    Shape::per_example(dims)
}

/// `{ out, coordinates (c, b, d), no guards }`
fn affine(out: Shape, coords: &[(&[i64], i64, i64)], fill: f64) -> View {
    let coords = coords.iter().map(|&(c, b, d)| Affine { c: c.to_vec(), b, d }).collect();
    View { out, coords, guards: vec![], fill: F64::new(fill) }
}

#[test]
fn gates_follow_their_rows() {
    for gate in Gate::all().filter(|gate| gate.row().result != Some(Kind::Boolean)) {
        for batch in [false, true] {
            check(|circuit| {
                let names = ["positive_a", "positive_b", "positive_c"];
                let shape = Shape { batch, dims: vec![2] };
                let mut args: Vec<ValueId> = (names[..gate.row().arity].iter())
                    .map(|name| real(circuit, name, shape.clone()))
                    .collect();
                if gate == gates::SELECT {
                    let one = circuit.fill(1.0, &shape);
                    args[0] = circuit.gate(gates::LT, &[one, args[0]]);
                }
                let value = circuit.gate(gate, &args);
                // A second layer, so that the cotangent is not a constant.
                circuit.mul(value, value)
            });
        }
    }
}

#[test]
fn a_dense_layer() {
    check(|circuit| {
        let (x, w) = (real(circuit, "x", per_example(&[3])), real(circuit, "w", shared(&[2, 3])));
        let b = real(circuit, "b", shared(&[2]));
        let wide = per_example(&[2, 3]);
        let x = circuit.view(x, View::select(wide.clone(), &[1], &[3]));
        let w = circuit.broadcast(w, &wide);
        let products = circuit.mul(w, x);
        let sum = circuit.sum(products, AxisSet::of([1]));
        let y = circuit.add(b, sum);
        circuit.lift(Gate::named("tanh").unwrap(), &[y])
    });
}

#[test]
fn reductions() {
    for reducer in [Reducer::Sum, Reducer::Max, Reducer::Min, Reducer::Prod] {
        for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![0, 1], vec![0, 1, 2]] {
            for batch in [false, true] {
                check(|circuit| {
                    let x = real(circuit, "x", Shape { batch, dims: vec![2, 3, 2] });
                    let y = circuit.reduce(reducer, x, AxisSet::of(axes.clone()), false);
                    circuit.mul(y, y)
                });
            }
        }
    }
}

#[test]
fn a_mean_over_the_batch_and_its_use() {
    check(|circuit| {
        let x = real(circuit, "x", per_example(&[2]));
        let mean = circuit.mean_batch(x);
        let away = circuit.sub(x, mean);
        let squares = circuit.mul(away, away);
        let variance = circuit.mean_batch(squares);
        circuit.div(away, variance)
    });
}

#[test]
fn views_of_all_kinds() {
    let views: [(&[u32], View); 7] = [
        // A strided, padded, dilated window.
        (&[7], affine(per_example(&[3, 3]), &[(&[2, 1], -1, 1)], 0.0)),
        // The adjoint of such a window.
        (&[3, 3], affine(per_example(&[7, 3]), &[(&[1, -1], 1, 2), (&[0, 1], 0, 1)], 0.0)),
        // A diagonal, reversed, and spread.
        (&[3, 3], affine(per_example(&[2, 3]), &[(&[0, -1], 2, 1), (&[0, 1], 0, 1)], 0.0)),
        // A slice, a constant fill.
        (&[5], affine(per_example(&[5]), &[(&[1], 2, 1)], 3.0)),
        // A dimension taken apart, in another order, beside another.
        (&[6, 2], affine(per_example(&[3, 2, 2]), &[(&[1, 3, 0], 0, 1), (&[0, 0, 1], 0, 1)], 0.0)),
        // Two dimensions taken apart.
        (&[4, 6], affine(per_example(&[2, 3, 2, 2]), &[(&[2, 0, 1, 0], 0, 1), (&[0, 2, 0, 1], 0, 1)], 0.0)),
        // A scalar spread.
        (&[], affine(per_example(&[2]), &[], 0.0)),
    ];
    for (dims, view) in views {
        for batch in [false, true] {
            check(|circuit| {
                let x = real(circuit, "x", Shape { batch, dims: dims.to_vec() });
                let read = circuit.view(x, view.clone());
                circuit.mul(read, read)
            });
        }
    }
}

#[test]
fn a_view_with_a_guard() {
    check(|circuit| {
        let x = real(circuit, "x", per_example(&[4]));
        let mut view = affine(per_example(&[3, 4]), &[(&[1, 0], 0, 1)], 0.0);
        view.guards.push(Guard { e: Affine { c: vec![1, 1], b: 0, d: 2 }, lo: 1, hi: 3 });
        let read = circuit.view(x, view);
        circuit.mul(read, read)
    });
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
    let sums = sums.filter(|&value| matches!(circuit.node(value), crate::circuit::Node::Reduce { .. }));
    assert_eq!(sums.count(), 0);
}

#[test]
fn merge_gather_scatter() {
    check(|circuit| {
        let x = real(circuit, "x", per_example(&[2, 3, 2]));
        let joined = circuit.merge(x, 1);
        circuit.mul(joined, joined)
    });
    check(|circuit| {
        let z = real(circuit, "z", per_example(&[2, 4]));
        let index = class(circuit, "index", per_example(&[2]), 4);
        let read = circuit.gather(z, index);
        circuit.mul(read, read)
    });
    // An embedding: rows of a shared table by a per-example index.
    check(|circuit| {
        let table = real(circuit, "table", shared(&[4, 2]));
        let token = class(circuit, "token", per_example(&[3]), 4);
        let wide = circuit.view(table, View::select(per_example(&[3, 2, 4]), &[2, 1], &[4, 2]));
        let token = circuit.view(token, View::select(per_example(&[3, 2]), &[0], &[3]));
        let rows = circuit.gather(wide, token);
        circuit.mul(rows, rows)
    });
    for batch in [false, true] {
        check(|circuit| {
            let value = real(circuit, "value", Shape { batch, dims: vec![3, 2] });
            let index = class(circuit, "index", Shape { batch, dims: vec![3] }, 4);
            let added = circuit.scatter(index, value, 4);
            circuit.mul(added, added)
        });
    }
}

#[test]
fn a_softmax_with_its_loss() {
    check(|circuit| {
        let z = real(circuit, "z", per_example(&[4]));
        let y = class(circuit, "y", per_example(&[]), 4);
        let largest = circuit.reduce(Reducer::Max, z, AxisSet::of([0]), false);
        let away = circuit.sub(z, largest);
        let e = circuit.lift(gates::EXP, &[away]);
        let total = circuit.sum(e, AxisSet::of([0]));
        let log = circuit.lift(gates::LOG, &[total]);
        let read = circuit.gather(z, y);
        let all = circuit.add(largest, log);
        circuit.sub(all, read)
    });
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
    assert_eq!(circuit.cotangents()[2].origin.rule, Some("chain rule of exp"));
}
