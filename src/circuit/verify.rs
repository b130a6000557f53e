//! The verifier: what must hold of every circuit, whatever pass made it.
//!
//! What it finds is a bug of the compiler, never a mistake of a user.

use super::view::{Affine, Guard};
use super::{AxisSet, Circuit, Kind, Leaf, Named, Node, Reducer, Shape, ValueId, View, gates, recurrence};

/// What a rule gives where it holds.
type Holds = Result<(), String>;

/// Checks that operands precede their users, that each node's shape and kind follow from its operands', that
/// each node obeys the rules of its kind, and that values depend on themselves by recurrences only.
///
/// # Errors
/// The first rule that does not hold, and the node concerned.
pub fn verify(circuit: &Circuit) -> Holds {
    let mut truths = Vec::with_capacity(circuit.len());
    for value in circuit.values() {
        let node = circuit.node(value);
        let named = |what: String| format!("value {} ({node:?}): {what}", value.0);
        precede(value, node).map_err(named)?;
        obeys(circuit, node).map_err(named)?;
        follows(circuit, value).map_err(named)?;
        conditions_are_truths(node, &truths).map_err(named)?;
        truths.push(is_truth(circuit, value, &truths));
    }
    circuit.names().iter().try_for_each(|named| name(circuit, named))?;
    let all: Vec<ValueId> = circuit.values().collect();
    recurrence::check(circuit, &all).map_err(|wrong| format!("no recurrence: {wrong:?}"))
}

/// An error unless the condition holds.
fn must(condition: bool, what: impl FnOnce() -> String) -> Holds {
    if condition { Ok(()) } else { Err(what()) }
}

/// Operands precede their users.
fn precede(value: ValueId, node: &Node) -> Holds {
    let late = node.operands().into_iter().find(|&operand| operand >= value);
    must(late.is_none(), || format!("operand {late:?} does not precede it"))
}

/// Shape and kind are what the operands give.
fn follows(circuit: &Circuit, value: ValueId) -> Holds {
    let node = circuit.node(value);
    let (shape, kind) = (circuit.shape_of(node), circuit.kind_of(node));
    must(&shape == circuit.shape(value), || format!("shape {} should be {shape}", circuit.shape(value)))?;
    must(kind == circuit.kind(value), || format!("kind {:?} should be {kind:?}", circuit.kind(value)))?;
    must(shape.dims.len() <= 32, || format!("{} dimensions do not fit a set of axes", shape.dims.len()))
}

/// The rules of the node's kind.
fn obeys(circuit: &Circuit, node: &Node) -> Holds {
    match node {
        Node::Leaf(Leaf::Slot(id)) => {
            must((id.0 as usize) < circuit.slots().len(), || format!("no slot {}", id.0))
        }
        Node::Leaf(Leaf::Draw { shape, .. }) => must(shape.size() <= 1 << 32, || {
            format!("{} elements to draw have no 32-bit positions", shape.size())
        }),
        Node::Leaf(_) => Ok(()),
        Node::Gate { gate, args } => gate_operands(circuit, *gate, args),
        Node::Reduce { reducer, arg, axes, batch } => reduction(circuit, *reducer, *arg, *axes, *batch),
        Node::View { arg, view } => view_fits(view, circuit.shape(*arg)),
        Node::Merge { arg, axis } => {
            let shape = circuit.shape(*arg);
            must(usize::from(*axis) + 1 < shape.dims.len(), || {
                format!("no dimension after {axis} in {shape}")
            })?;
            let pair = &shape.dims[usize::from(*axis)..][..2];
            must(pair[0].checked_mul(pair[1]).is_some(), || format!("{pair:?} join to more than 2^32"))
        }
        Node::Gather { table, index } => gather(circuit, *table, *index),
        Node::Scatter { index, value, .. } => scatter(circuit, *index, *value),
        Node::Lag { variable, axis, by, shape, .. } => {
            must(usize::from(*axis) < shape.dims.len(), || format!("no dimension {axis} in {shape}"))?;
            must(*by != 0, || "a lag of 0".into())?;
            let source = circuit.source(*variable);
            let source = source.ok_or_else(|| format!("{variable:?} stands for nothing"))?;
            let (found, kind) = (circuit.shape(source), circuit.kind(source));
            must(found == shape, || format!("its source has the shape {found}"))?;
            must(kind != Kind::Boolean, || format!("its source is of kind {kind:?}"))
        }
    }
}

/// As many operands as the gate takes, of one shape.
fn gate_operands(circuit: &Circuit, gate: super::Gate, args: &[ValueId]) -> Holds {
    let row = gate.row();
    must(args.len() == row.arity, || format!("{} operands, not {}", args.len(), row.arity))?;
    for &arg in args {
        let (first, shape) = (circuit.shape(args[0]), circuit.shape(arg));
        must(shape == first, || format!("operands of shapes {first} and {shape}"))?;
    }
    Ok(())
}

/// What a gate takes for a condition is 0 or 1 everywhere.
fn conditions_are_truths(node: &Node, truths: &[bool]) -> Holds {
    let conditions = match node {
        Node::Gate { gate: gates::AND | gates::OR | gates::NOT, args } => &args[..],
        Node::Gate { gate: gates::SELECT, args } => &args[..1],
        _ => &[],
    };
    let other = conditions.iter().find(|condition| !truths[condition.index()]);
    must(other.is_none(), || format!("operand {other:?} is not a boolean"))
}

/// Whether a value is 0 or 1 everywhere, where that of its operands is known: a boolean, or made of the numbers
/// 0 and 1, as is the mask of the positions inside a view.
fn is_truth(circuit: &Circuit, value: ValueId, truths: &[bool]) -> bool {
    let truth = |number: f64| number == 0.0 || number == 1.0;
    match circuit.node(value) {
        Node::Leaf(Leaf::Number(number)) => truth(number.get()),
        Node::View { arg, view } => truths[arg.index()] && truth(view.fill.get()),
        Node::Merge { arg, .. } | Node::Reduce { reducer: Reducer::Max | Reducer::Min, arg, .. } => {
            truths[arg.index()]
        }
        Node::Gate { gate: gates::SELECT, args } => args.iter().all(|arg| truths[arg.index()]),
        _ => circuit.kind(value) == Kind::Boolean,
    }
}

/// Axes that are there; the mean over the batch by sums of per-example values only; a largest of something.
fn reduction(circuit: &Circuit, reducer: Reducer, arg: ValueId, axes: AxisSet, batch: bool) -> Holds {
    let shape = circuit.shape(arg);
    must(!axes.is_empty() || batch, || "a reduction over nothing".into())?;
    let beyond = axes.iter().find(|&axis| axis >= shape.dims.len());
    must(beyond.is_none(), || format!("no dimension {beyond:?} in {shape}"))?;
    must(!batch || reducer == Reducer::Sum, || format!("{reducer:?} over the batch"))?;
    must(!batch || shape.batch, || "the mean over the batch of a shared value".into())?;
    if matches!(reducer, Reducer::Argmax | Reducer::Argmin) {
        must(axes.count() == 1, || format!("a position along {} dimensions", axes.count()))?;
    }
    let empty = axes.iter().find(|&axis| shape.dims[axis] == 0);
    let sums = matches!(reducer, Reducer::Sum | Reducer::Prod);
    must(sums || empty.is_none(), || format!("{reducer:?} of nothing, along dimension {empty:?}"))
}

/// One coordinate a dimension of the operand, one coefficient an output dimension, positive divisors without
/// common factors, numbers far from the limits of `i64`, and per example where the operand is.
fn view_fits(view: &View, operand: &Shape) -> Holds {
    let (coords, dims) = (view.coords.len(), operand.dims.len());
    must(coords == dims, || format!("{coords} coordinates for {dims} dimensions"))?;
    must(view.out.batch || !operand.batch, || "a shared view of a per-example value".into())?;
    for e in view.coords.iter().chain(view.guards.iter().map(|guard| &guard.e)) {
        affine_fits(e, &view.out)?;
    }
    let inverted = |guard: &&Guard| guard.lo > guard.hi;
    let inverted = view.guards.iter().find(inverted);
    must(inverted.is_none(), || format!("a guard that ends before it begins: {inverted:?}"))
}

fn affine_fits(e: &Affine, out: &Shape) -> Holds {
    let (found, expected) = (e.c.len(), out.dims.len());
    must(found == expected, || format!("{found} coefficients for {expected} dimensions"))?;
    must(e.d > 0, || format!("divisor {}", e.d))?;
    must(e.is_moderate(&out.dims), || format!("numbers out of proportion in {e:?}"))?;
    let c: Vec<i128> = e.c.iter().map(|&c| c.into()).collect();
    let lowest = Affine::lowest(&c, e.b.into(), e.d.into());
    must(lowest.as_ref() == Some(e), || format!("{e:?} is not in lowest terms"))
}

/// The table has the index's dimensions and one more.
fn gather(circuit: &Circuit, table: ValueId, index: ValueId) -> Holds {
    let shapes = (circuit.shape(table), circuit.shape(index));
    let aligned = shapes.0.dims.split_last().is_some_and(|(_, dims)| dims == shapes.1.dims);
    must(aligned && shapes.0.batch == shapes.1.batch, || format!("table {}, index {}", shapes.0, shapes.1))?;
    integers(circuit, index)
}

/// The value begins with the index's dimensions.
fn scatter(circuit: &Circuit, index: ValueId, value: ValueId) -> Holds {
    let (index_shape, shape) = (circuit.shape(index), circuit.shape(value));
    let aligned = shape.dims.starts_with(&index_shape.dims) && shape.batch == index_shape.batch;
    must(aligned, || format!("index {index_shape}, value {shape}"))?;
    integers(circuit, index)
}

fn integers(circuit: &Circuit, index: ValueId) -> Holds {
    must(circuit.is_integer(index), || format!("index {} is of kind {:?}", index.0, circuit.kind(index)))
}

/// A name is of a value of the circuit and has an index for each dimension.
fn name(circuit: &Circuit, named: &Named) -> Holds {
    let (path, value) = (&named.path, named.value);
    must(value.index() < circuit.len(), || format!("`{path}` names value {}, which is not there", value.0))?;
    let (found, shape) = (named.indices.len(), circuit.shape(value));
    must(found == shape.dims.len(), || format!("`{path}` has {found} indices for {shape}"))?;
    must(named.mapped <= found, || format!("`{path}` maps {} of {found} dimensions", named.mapped))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::Variable;
    use crate::circuit::{F64, Slot, SlotId, SlotRole};
    use std::sync::Arc;

    /// A circuit with a real `x` and an integer `k`, both per example: a contraction, a window, a choice, a row
    /// of a table and its adjoint.
    struct Sample {
        circuit: Circuit,
        x: ValueId,
        k: ValueId,
    }

    fn slot(circuit: &mut Circuit, kind: Kind, shape: Shape) -> ValueId {
        let role = SlotRole::Input;
        circuit.declare(Slot { name: "slot".into(), role, shape, kind, classes: None, span: None })
    }

    fn sample() -> Sample {
        let mut circuit = Circuit::new();
        let x = slot(&mut circuit, Kind::Real, Shape::per_example([4, 5]));
        let k = slot(&mut circuit, Kind::Integer, Shape::per_example([4]));
        Sample { circuit, x, k }
    }

    /// Whether a node put into the arena as it stands, with shape and kind as given, is found faulty, and by a
    /// message that says so.
    #[track_caller]
    fn finds(sample: Sample, node: Node, shape: Shape, kind: Kind, message: &str) {
        let Sample { mut circuit, .. } = sample;
        assert_eq!(verify(&circuit), Ok(()));
        circuit.nodes.push(node);
        circuit.shapes.push(shape);
        circuit.kinds.push(kind);
        circuit.origins.push(circuit.origin);
        let found = verify(&circuit).expect_err("the planted fault is found");
        assert!(found.contains(message), "{found}");
    }

    #[test]
    fn sound_circuits_pass() {
        let Sample { circuit: mut c, x, k } = sample();
        let row = c.sum(x, AxisSet::of([0]));
        let best = c.reduce(Reducer::Argmax, x, AxisSet::of([1]), false);
        c.gather(x, best);
        c.gather(x, k);
        c.scatter(k, x, 7);
        let positive = c.lift(gates::LT, &[row, row]);
        c.select(positive, row, row);
        c.mean_batch(row);
        c.merge(x, 0);
        let halves = View {
            out: Shape::per_example([9]),
            coords: vec![Affine { c: vec![1], b: -1, d: 2 }],
            guards: vec![Guard { e: Affine::axis(0, 1), lo: 2, hi: 8 }],
            fill: F64::new(0.0),
        };
        let inside = halves.inside(c.shape(row));
        let halves = c.view(row, halves);
        let one = c.number(1.0);
        let mask = c.view(one, inside);
        c.select(mask, halves, halves);
        assert_eq!(verify(&c), Ok(()));
    }

    #[test]
    fn order_shape_and_kind() {
        let s = sample();
        let (x, real) = (s.x, Kind::Real);
        let shape = s.circuit.shape(x).clone();
        let gate = |gate, args: &[ValueId]| Node::Gate { gate, args: args.into() };
        finds(s, gate(gates::NEG, &[ValueId(2)]), shape.clone(), real, "does not precede");
        finds(sample(), gate(gates::NEG, &[x]), Shape::shared([4, 5]), real, "shape [4, 5] should be");
        finds(sample(), gate(gates::NEG, &[x]), shape.clone(), Kind::Boolean, "should be Real");
        finds(sample(), gate(gates::ADD, &[x]), shape.clone(), real, "1 operands, not 2");
        finds(sample(), gate(gates::NOT, &[x]), shape.clone(), Kind::Boolean, "not a boolean");
        finds(sample(), gate(gates::SELECT, &[x, x, x]), shape.clone(), real, "not a boolean");
        finds(sample(), gate(gates::ADD, &[x, sample().k]), shape.clone(), real, "operands of shapes");
        finds(sample(), Node::Leaf(Leaf::Slot(SlotId(9))), shape, real, "no slot 9");
    }

    #[test]
    fn reductions() {
        let reduce = |reducer, axes: &[usize], batch| {
            let axes = AxisSet::of(axes.iter().copied());
            Node::Reduce { reducer, arg: ValueId(0), axes, batch }
        };
        let any = Shape::scalar;
        let real = Kind::Real;
        finds(sample(), reduce(Reducer::Sum, &[], false), any(), real, "over nothing");
        finds(sample(), reduce(Reducer::Sum, &[2], false), any(), real, "no dimension");
        finds(sample(), reduce(Reducer::Max, &[0, 1], true), any(), real, "Max over the batch");
        finds(sample(), reduce(Reducer::Argmin, &[0, 1], false), any(), real, "along 2 dimensions");

        let mut shared = Circuit::new();
        let x = slot(&mut shared, real, Shape::shared([0]));
        let on_shared = || Sample { circuit: shared.clone(), x, k: x };
        finds(on_shared(), reduce(Reducer::Sum, &[], true), any(), real, "of a shared value");
        finds(on_shared(), reduce(Reducer::Max, &[0], false), any(), real, "Max of nothing");
    }

    #[test]
    fn views() {
        let good = View::select(Shape::per_example([4, 5]), &[1, 0], &[5, 4]);
        let planted = |change: fn(&mut View), message: &str| {
            let mut view = good.clone();
            change(&mut view);
            let shape = view.out.clone();
            let node = Node::View { arg: ValueId(0), view: Arc::new(view) };
            finds(sample(), node, shape, Kind::Real, message);
        };
        planted(|view| view.coords.truncate(1), "1 coordinates for 2 dimensions");
        planted(|view| view.coords[0].c.truncate(1), "1 coefficients for 2 dimensions");
        planted(|view| view.coords[0].d = 0, "divisor 0");
        planted(|view| view.coords[0].c[0] = i64::MAX, "out of proportion");
        planted(|view| view.out.batch = false, "a shared view");
        planted(|view| view.coords[0] = Affine { c: vec![2, 4], b: 6, d: 2 }, "not in lowest terms");
        planted(
            |view| view.guards.push(Guard { e: Affine::axis(0, 2), lo: 2, hi: 1 }),
            "ends before it begins",
        );
    }

    #[test]
    fn merges_gathers_scatters_lags() {
        let (x, k) = (ValueId(0), ValueId(1));
        let any = Shape::scalar;
        let real = Kind::Real;
        finds(sample(), Node::Merge { arg: x, axis: 1 }, any(), real, "no dimension after 1");
        finds(sample(), Node::Gather { table: k, index: k }, any(), real, "table [batch, 4], index");
        let row = Node::Scatter { index: x, value: x, extent: 3 };
        finds(sample(), row, any(), real, "of kind Real");
        finds(sample(), Node::Scatter { index: x, value: k, extent: 3 }, any(), real, "index [batch, 4, 5]");
    }

    #[test]
    fn lags() {
        let (shape, real) = (Shape::shared([3]), Kind::Real);
        let lag =
            |by| Node::Lag { variable: Variable(0), axis: 0, by, fill: F64::new(0.0), shape: shape.clone() };
        let with = |source: Option<Shape>| {
            let mut sample = sample();
            let variable = sample.circuit.variable();
            if let Some(shape) = source {
                let source = sample.circuit.fill(1.0, &shape);
                sample.circuit.close(variable, source);
            }
            sample
        };
        finds(with(Some(shape.clone())), lag(0), shape.clone(), real, "a lag of 0");
        finds(with(None), lag(1), shape.clone(), real, "stands for nothing");
        finds(with(Some(Shape::shared([4]))), lag(1), shape.clone(), real, "its source has the shape [4]");
    }

    #[test]
    fn names() {
        let Sample { mut circuit, x, .. } = sample();
        let named = Named { path: "x".into(), value: x, indices: vec!["i".into()], mapped: 0, span: None };
        circuit.names.push(named);
        assert!(verify(&circuit).unwrap_err().contains("`x` has 1 indices"));
        circuit.names[0].indices.push("j".into());
        assert_eq!(verify(&circuit), Ok(()));
        circuit.names[0].mapped = 3;
        assert!(verify(&circuit).unwrap_err().contains("maps 3 of 2"));
    }
}
