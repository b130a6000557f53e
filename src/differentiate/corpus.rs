//! For tests: small circuits that have every node and gate in them, for the oracles of several rooms.

use super::oracle::{class, real};
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{AxisSet, Circuit, F64, Gate, Kind, Reducer, Shape, ValueId, View, gates};

/// What is done with each circuit: it gets what builds it and gives its value.
pub type Check<'a> = &'a mut dyn FnMut(&dyn Fn(&mut Circuit) -> ValueId);

/// All of them.
pub fn each(check: Check<'_>) {
    gates(check);
    dense(check);
    reductions(check);
    statistics(check);
    views(check);
    guarded(check);
    integers(check);
    cross_entropy(check);
    recurrences(check);
}

pub fn shared(dims: &[u32]) -> Shape {
    Shape::shared(dims)
}

pub fn per_example(dims: &[u32]) -> Shape {
    Shape::per_example(dims)
}

/// `{ out, coordinates (c, b, d), no guards }`
pub fn affine(out: Shape, coords: &[(&[i64], i64, i64)], fill: f64) -> View {
    let coords = coords.iter().map(|&(c, b, d)| Affine { c: c.to_vec(), b, d }).collect();
    View { out, coords, guards: vec![], fill: F64::new(fill) }
}

/// Every gate, on shared and on per-example operands.
pub fn gates(check: Check<'_>) {
    // Conditions have no derivative, and `stop` has none by design.
    let smooth = |gate: &Gate| gate.row().result != Some(Kind::Boolean) && gate.row().name != "stop";
    for gate in Gate::all().filter(smooth) {
        for batch in [false, true] {
            check(&|circuit| {
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

/// A layer of weighted sums.
pub fn dense(check: Check<'_>) {
    check(&|circuit| {
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

/// Every way to reduce, over one dimension and several.
pub fn reductions(check: Check<'_>) {
    for reducer in [Reducer::Sum, Reducer::Max, Reducer::Min, Reducer::Prod] {
        for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![0, 1], vec![0, 1, 2]] {
            for batch in [false, true] {
                check(&|circuit| {
                    let x = real(circuit, "x", Shape { batch, dims: vec![2, 3, 2] });
                    let y = circuit.reduce(reducer, x, AxisSet::of(axes.clone()), false);
                    circuit.mul(y, y)
                });
            }
        }
    }
}

/// A mean and a variance over the batch, and what uses them.
pub fn statistics(check: Check<'_>) {
    check(&|circuit| {
        let x = real(circuit, "x", per_example(&[2]));
        let mean = circuit.mean_batch(x);
        let away = circuit.sub(x, mean);
        let squares = circuit.mul(away, away);
        let variance = circuit.mean_batch(squares);
        circuit.div(away, variance)
    });
}

/// Windows, their adjoints, diagonals, slices, dimensions taken apart.
pub fn views(check: Check<'_>) {
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
            check(&|circuit| {
                let x = real(circuit, "x", Shape { batch, dims: dims.to_vec() });
                let read = circuit.view(x, view.clone());
                circuit.mul(read, read)
            });
        }
    }
}

/// A view with a condition of its own.
pub fn guarded(check: Check<'_>) {
    check(&|circuit| {
        let x = real(circuit, "x", per_example(&[4]));
        let mut view = affine(per_example(&[3, 4]), &[(&[1, 0], 0, 1)], 0.0);
        view.guards.push(Guard { e: Affine { c: vec![1, 1], b: 0, d: 2 }, lo: 1, hi: 3 });
        let read = circuit.view(x, view);
        circuit.mul(read, read)
    });
}

/// Joined dimensions; reads and sums by an integer.
pub fn integers(check: Check<'_>) {
    check(&|circuit| {
        let x = real(circuit, "x", per_example(&[2, 3, 2]));
        let joined = circuit.merge(x, 1);
        circuit.mul(joined, joined)
    });
    check(&|circuit| {
        let z = real(circuit, "z", per_example(&[2, 4]));
        let index = class(circuit, "index", per_example(&[2]), 4);
        let read = circuit.gather(z, index);
        circuit.mul(read, read)
    });
    // An embedding: rows of a shared table by a per-example index.
    check(&|circuit| {
        let table = real(circuit, "table", shared(&[4, 2]));
        let token = class(circuit, "token", per_example(&[3]), 4);
        let wide = circuit.view(table, View::select(per_example(&[3, 2, 4]), &[2, 1], &[4, 2]));
        let token = circuit.view(token, View::select(per_example(&[3, 2]), &[0], &[3]));
        let rows = circuit.gather(wide, token);
        circuit.mul(rows, rows)
    });
    for batch in [false, true] {
        check(&|circuit| {
            let value = real(circuit, "value", Shape { batch, dims: vec![3, 2] });
            let index = class(circuit, "index", Shape { batch, dims: vec![3] }, 4);
            let added = circuit.scatter(index, value, 4);
            circuit.mul(added, added)
        });
    }
}

/// The usual loss of a classifier.
pub fn cross_entropy(check: Check<'_>) {
    check(&|circuit| {
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

/// The gate of that name.
pub fn gate(name: &str) -> Gate {
    Gate::named(name).expect("a gate of the table")
}

/// A value that recurs with a matrix, backwards too, from an array of its own outside; and two that recur together with
/// several lags.
pub fn recurrences(check: Check<'_>) {
    for by in [1, -1] {
        check(&|c| {
            let (x, w) = (real(c, "x", per_example(&[4, 2])), real(c, "w", shared(&[2, 2])));
            let h = c.variable();
            let before = c.lag(h, 0, by, 0.3, &per_example(&[4, 2]));
            let wide = per_example(&[4, 2, 2]);
            let rows = c.view(w, View::select(wide.clone(), &[1, 2], &[2, 2]));
            let each = c.view(before, View::select(wide, &[0, 2], &[4, 2]));
            let products = c.mul(rows, each);
            let products = c.sum(products, AxisSet::of([2]));
            let total = c.add(products, x);
            let new = c.gate(gate("tanh"), &[total]);
            c.close(h, new);
            c.mul(new, before)
        });
    }
    check(&|c| {
        let (x, w, s) = (real(c, "x", shared(&[5])), real(c, "w", shared(&[])), real(c, "s", shared(&[])));
        let (h, k) = (c.variable(), c.variable());
        let shape = shared(&[5]);
        let (h1, h2) = (c.lag(h, 0, 1, 0.0, &shape), c.lag(h, 0, 2, 0.5, &shape));
        let k1 = c.lag(k, 0, 1, 0.0, &shape);
        let kept = c.mul(w, h1);
        let sum = c.add(kept, x);
        let new = c.gate(gate("sigmoid"), &[sum]);
        let product = c.mul(h2, s);
        let sum = c.add(product, k1);
        let other = c.mul(sum, new);
        c.close(h, other);
        c.close(k, new);
        c.mul(other, k1)
    });
}
