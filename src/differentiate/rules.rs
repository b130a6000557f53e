//! The rules: what the cotangent of a node gives to each of its operands.

use super::term::Term;
use crate::circuit::formula::{self, Formula};
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{AxisSet, Circuit, F64, Gate, Node, Reducer, Shape, ValueId, View, gates};

/// What is said of a value of several uses.
pub(crate) const USES: &str = "the sum of what its uses give";

/// What the rule is called by which a lag's source gets its share.
pub(crate) const TURNED: &str = "y[t] = a[t - k]: a_bar[t] = y_bar[t + k]";

/// A square, whose two factors are one operand.
const SQUARE: &str = "y = a^2: a_bar = 2 * a * y_bar";

/// A rule for what is no gate.
pub(crate) struct NodeRule {
    /// By which it is called.
    pub name: &'static str,
    /// What it says.
    pub rule: &'static str,
    /// Why.
    pub why: &'static str,
    /// Equations of a net with the inputs `a[3]` and `k: class(3)` and a `loss`.
    pub example: &'static str,
}

const MEAN: NodeRule = NodeRule {
    name: "mean",
    rule: "y = mean[batch] a: a_bar = y_bar",
    why: "The loss is the mean over the batch, and so is the inner product of values that each example has: then spreading a shared value over the batch and taking the mean over it are each other's adjoint, and no 1/n is ever written.",
    example: "m = mean[batch] a[0]\nloss = m^2",
};
const SUM: NodeRule = NodeRule {
    name: "sum",
    rule: "y = sum[i] a[i]: a_bar[i] = y_bar",
    why: "Each term has slope 1, so each gets the whole cotangent of the sum.",
    example: "y = sum[i] a[i]\nloss = y^2",
};
const LARGEST: NodeRule = NodeRule {
    name: "largest",
    rule: "y = max[i] a[i]: a_bar[i] = y_bar at the first largest",
    why: "Only the element that is the largest moves it. Of equal ones the first counts, so that the gradient is one number and not a choice.",
    example: "y = max[i] a[i]\nloss = y^2",
};
const SMALLEST: NodeRule = NodeRule {
    name: "smallest",
    rule: "y = min[i] a[i]: a_bar[i] = y_bar at the first smallest",
    why: "Only the element that is the smallest moves it; of equal ones the first.",
    example: "y = min[i] a[i]\nloss = y^2",
};
const PRODUCT: NodeRule = NodeRule {
    name: "prod",
    rule: "y = prod[i] a[i]: a_bar[i] = y_bar * (the product of the others)",
    why: "A factor's slope is the product of the other factors. It is computed as that and not as y / a[i], which has no value where a factor is 0.",
    example: "y = prod[i] a[i]\nloss = y^2",
};
const POSITION: NodeRule = NodeRule {
    name: "argmax",
    rule: "y = argmax[i] a[i]: no slope",
    why: "A position is a whole number: it jumps, or stays.",
    example: "y = argmax[i] a[i]\nloss = if y == k then a[0] else a[1]",
};
const ROW: NodeRule = NodeRule {
    name: "row",
    rule: "y = a[k]: a_bar[v] = the sum of y_bar where k == v",
    why: "Reading row k gives its cotangent to row k, and nothing to the others. Where several read the same row their cotangents add up, in the order of the reads.",
    example: "y = a[k]\nloss = y^2",
};
const SUMS: NodeRule = NodeRule {
    name: "sums",
    rule: "y[v] = the sum of a where k == v: a_bar = y_bar[k]",
    why: "The adjoint of the adjoint of reading rows: what was added to element v reads the cotangent back from there.",
    example: "y[v: 3] = sum[i] (if i == k then a[i] else 0)\nloss = sum[v] y[v]^2",
};
const READ: NodeRule = NodeRule {
    name: "read",
    rule: "y[i] = a[s*i + u - p] else 0: a_bar[j] = sum[u] (y_bar[(j + p - u)/s] else 0)",
    why: "A read of elements by their indices copies them, so its adjoint adds up what the copies got: the index equation is solved for the element read, and what it does not determine is summed. An index that is not whole lies outside. Strides, padding, dilation, reversal and diagonals are all this rule.",
    example: "y[i: 2] = a[2*i + 1] else 0\nloss = sum[i] y[i]^2",
};
const GROUP: NodeRule = NodeRule {
    name: "group",
    rule: "y[(i, j)] = a[i, j]: a_bar[i, j] = y_bar[(i, j)]",
    why: "Joining two axes to one is a renaming of elements, undone by reading the joined axis at i * d + j.",
    example: "b[i, j] = a[i] * a[j]\ny[(i, j)] = b[i, j]\nloss = sum[s] y[s]^2",
};
const LAG: NodeRule = NodeRule {
    name: "lag",
    rule: TURNED,
    why: "What an element reads of an earlier one it gives back to the earlier one: the adjoint of a recurrence is a recurrence in the other direction, with nothing beyond the end.",
    example: "h[t] = 0.5 * (h[t - 1] else 0) + a[t]\nloss = h[2]^2",
};
const SHARED: NodeRule = NodeRule {
    name: "uses",
    rule: "y = f(a) + h(a): a_bar = the sum of what its uses give",
    why: "The multivariable chain rule: a value that is used several times moves the loss by each of them, and small changes add up.",
    example: "y = a[0]^2 + exp(a[0])\nloss = y",
};

/// The rules for what is no gate.
pub(crate) const NODE_RULES: &[&NodeRule] =
    &[&SHARED, &SUM, &MEAN, &LARGEST, &SMALLEST, &PRODUCT, &POSITION, &READ, &GROUP, &ROW, &SUMS, &LAG];

/// Gates that give what they get to their operands, with no more than a sign.
const PLAIN: [Gate; 4] = [gates::ADD, gates::SUB, gates::NEG, gates::SAME];

/// Whether a rule is one of those, or of a sum.
pub(crate) fn is_plain(rule: &str) -> bool {
    let of = |gate: &Gate| (0..gate.row().arity).any(|k| gate.rule(k) == rule);
    rule == MEAN.rule || rule == SUM.rule || PLAIN.iter().any(of)
}

/// What the rule for operand number `k` says beside the lines that it made; a read has none.
pub(super) fn name(node: &Node, k: usize) -> Option<&'static str> {
    Some(match node {
        Node::Leaf(_) | Node::View { .. } | Node::Merge { .. } | Node::Lag { .. } => return None,
        Node::Gate { gate, args } if *gate == gates::MUL && args[0] == args[1] => SQUARE,
        Node::Gate { gate, .. } => gate.rule(k),
        Node::Reduce { reducer, batch, .. } => match reducer {
            Reducer::Sum if *batch => MEAN.rule,
            Reducer::Sum => SUM.rule,
            Reducer::Max => LARGEST.rule,
            Reducer::Min => SMALLEST.rule,
            Reducer::Prod => PRODUCT.rule,
            Reducer::Argmax | Reducer::Argmin => POSITION.rule,
        },
        Node::Gather { .. } => ROW.rule,
        Node::Scatter { .. } => SUMS.rule,
    })
}

/// Whether a node gives what it gets to its operands with no more than a sign.
pub(super) fn only_passes_on(node: &Node) -> bool {
    match node {
        Node::Gate { gate, .. } => PLAIN.contains(gate),
        Node::Reduce { reducer, .. } => *reducer == Reducer::Sum,
        _ => false,
    }
}

/// What the value of a node may be called; a read is called by nothing of its own.
pub(crate) fn noun(node: &Node) -> Option<&'static str> {
    match node {
        Node::Leaf(_) | Node::View { .. } | Node::Merge { .. } | Node::Lag { .. } => None,
        Node::Gate { gate, .. } => Some(gate.noun()),
        Node::Reduce { reducer, .. } => Some(reducer.word()),
        Node::Gather { .. } => Some("row"),
        Node::Scatter { .. } => Some("sums"),
    }
}

/// What a value's cotangent may give something to: its operands, in order, with repeats, or what a lag reads.
pub(super) fn flows(circuit: &Circuit, value: ValueId) -> Vec<ValueId> {
    let node = circuit.node(value);
    let passes = |k: usize| match node {
        Node::Leaf(_) => false,
        Node::Lag { .. } => true,
        Node::Gate { gate, .. } => formula::vjp(*gate)[k].is_some(),
        Node::Reduce { reducer, .. } => !matches!(reducer, Reducer::Argmax | Reducer::Argmin),
        Node::View { .. } | Node::Merge { .. } => true,
        Node::Gather { .. } => k == 0,
        Node::Scatter { .. } => k == 1,
    };
    let mut all = vec![];
    circuit.for_each_dependency(value, |operand| all.push(operand));
    all.into_iter().enumerate().filter(|(k, _)| passes(*k)).map(|(_, operand)| operand).collect()
}

/// What the cotangent `term` of `value` gives to its operand number `k`; `None` if nothing.
pub(super) fn share(circuit: &mut Circuit, value: ValueId, k: usize, term: Term) -> Option<Term> {
    match circuit.node(value).clone() {
        // A lag has no operand: its source has its share already.
        Node::Leaf(_) | Node::Lag { .. } => None,
        Node::Gate { gate, args } => gate_share(circuit, value, gate, &args, k, term),
        Node::Reduce { reducer, arg, axes, .. } => match reducer {
            Reducer::Sum => Some(sum_share(circuit, arg, axes, term)),
            Reducer::Max => Some(extreme_share(circuit, Reducer::Argmax, arg, axes, term)),
            Reducer::Min => Some(extreme_share(circuit, Reducer::Argmin, arg, axes, term)),
            Reducer::Prod => Some(product_share(circuit, arg, axes, term)),
            Reducer::Argmax | Reducer::Argmin => None,
        },
        // A read that is always outside gives nothing, not a number 0.
        Node::View { arg, view } if view.is_outside(circuit.shape(arg)) => None,
        Node::View { arg, view } => Some(view_share(circuit, arg, &view, term)),
        Node::Merge { arg, axis } => Some(merge_share(circuit, arg, axis.into(), term)),
        Node::Gather { table, index } => (k == 0).then(|| gather_share(circuit, table, index, term)),
        Node::Scatter { index, value, .. } => (k == 1).then(|| scatter_share(circuit, index, value, term)),
    }
}

/// By the formula in the gate's row.
fn gate_share(
    circuit: &mut Circuit,
    value: ValueId,
    gate: Gate,
    args: &[ValueId],
    k: usize,
    term: Term,
) -> Option<Term> {
    let formula = formula::vjp(gate)[k].as_ref()?;
    let of = |name: &str| match name {
        "a" => args[0],
        "b" => args[1],
        "c" => args[2],
        "y" => value,
        "g" => term.value,
        _ => unreachable!("a vjp is over a, b, c, y and g: the table's test holds that"),
    };
    Some(instance(circuit, formula, &of)?.guarded(circuit, term.guard))
}

/// A formula as gates; `None` where it is absent. A gate with an absent operand is absent.
fn instance(circuit: &mut Circuit, formula: &Formula, of: &dyn Fn(&str) -> ValueId) -> Option<Term> {
    match formula {
        Formula::Number(number) => Some(Term::of(circuit.number(*number))),
        Formula::Variable(name) => Some(Term::of(of(name))),
        Formula::Absent => None,
        Formula::Gate(gates::SELECT, args) => {
            let condition = instance(circuit, &args[0], of)?.value;
            let (yes, no) = (instance(circuit, &args[1], of), instance(circuit, &args[2], of));
            match (yes, no) {
                (Some(yes), None) => Some(yes.guarded(circuit, Some(condition))),
                (None, Some(no)) => {
                    let otherwise = circuit.lift(gates::NOT, &[condition]);
                    Some(no.guarded(circuit, Some(otherwise)))
                }
                (yes, no) => Some(Term::of(circuit.select(condition, yes?.value, no?.value))),
            }
        }
        Formula::Gate(gate, args) => {
            let args = args.iter().map(|arg| instance(circuit, arg, of)).collect::<Option<Vec<_>>>()?;
            let values: Vec<ValueId> = args.iter().map(|arg| arg.value).collect();
            let value = Term::of(circuit.lift(*gate, &values));
            Some(args.iter().fold(value, |term, arg| term.guarded(circuit, arg.guard)))
        }
    }
}

/// Every term of a sum gets the whole cotangent; so does every example of a mean over the batch.
fn sum_share(circuit: &mut Circuit, arg: ValueId, axes: AxisSet, term: Term) -> Term {
    let term = term.grounded(circuit);
    spread(circuit, arg, axes, term)
}

/// A term over the dimensions that a reduction keeps, as one over those of its operand.
fn spread(circuit: &mut Circuit, arg: ValueId, axes: AxisSet, term: Term) -> Term {
    let out = circuit.shape(arg).clone();
    let kept: Vec<usize> = (0..out.dims.len()).filter(|&axis| !axes.contains(axis)).collect();
    let from: Vec<u32> = kept.iter().map(|&axis| out.dims[axis]).collect();
    term.map(|part| circuit.view(part, View::select(out.clone(), &kept, &from)))
}

/// The first largest (or smallest) element gets the whole cotangent; for the others it is absent.
fn extreme_share(circuit: &mut Circuit, position: Reducer, arg: ValueId, axes: AxisSet, term: Term) -> Term {
    let shape = circuit.shape(arg).clone();
    let kept = (0..shape.dims.len()).filter(|&axis| !axes.contains(axis));
    let order: Vec<usize> = kept.chain(axes.iter()).collect();
    let mut flat = permuted(circuit, arg, &order);
    let last = order.len() - axes.count();
    for _ in 1..axes.count() {
        flat = circuit.merge(flat, last);
    }
    let first = circuit.reduce(position, flat, AxisSet::of([last]), false);
    // The row-major position among the reduced dimensions: `6 * i + 2 * j + k`.
    let mut stride = circuit.shape(flat).dims[last];
    let mut own = None;
    for axis in axes.iter() {
        stride /= shape.dims[axis];
        let iota = circuit.iota(shape.dims[axis]);
        let mut part = circuit.view(iota, View::select(shape.clone(), &[axis], &[shape.dims[axis]]));
        if stride > 1 {
            let stride = circuit.number(stride.into());
            part = circuit.mul(stride, part);
        }
        own = Some(own.map_or(part, |own| circuit.add(own, part)));
    }
    let own = own.expect("a reduction is over some dimension");
    let first = spread(circuit, arg, axes, Term::of(first)).value;
    let taken = circuit.gate(gates::EQ, &[first, own]);
    spread(circuit, arg, axes, term).guarded(circuit, Some(taken))
}

/// The product of all other factors: one more copy of the reduced dimensions, in which the own factor is left
/// out. Never a division, which would lose everything at a factor of 0.
fn product_share(circuit: &mut Circuit, arg: ValueId, axes: AxisSet, term: Term) -> Term {
    let shape = circuit.shape(arg).clone();
    let rank = shape.dims.len();
    let mut wide = shape.clone();
    wide.dims.extend(axes.iter().map(|axis| shape.dims[axis]));
    // The copy of dimension `axis`, if it is reduced, else itself.
    let copy = |axis: usize| match axes.iter().position(|reduced| reduced == axis) {
        Some(k) => rank + k,
        None => axis,
    };
    let others: Vec<usize> = (0..rank).map(copy).collect();
    let factors = circuit.view(arg, View::select(wide.clone(), &others, &shape.dims));

    let mut own = None;
    for axis in axes.iter() {
        let extent = shape.dims[axis];
        let iota = circuit.iota(extent);
        let here = circuit.view(iota, View::select(wide.clone(), &[axis], &[extent]));
        let there = circuit.view(iota, View::select(wide.clone(), &[copy(axis)], &[extent]));
        let same = circuit.gate(gates::EQ, &[here, there]);
        own = Some(own.map_or(same, |own| circuit.gate(gates::AND, &[own, same])));
    }
    let one = circuit.number(1.0);
    let left = circuit.select(own.expect("a reduction is over some dimension"), one, factors);
    let product = circuit.reduce(Reducer::Prod, left, AxisSet::of(rank..wide.dims.len()), false);
    let term = spread(circuit, arg, axes, term);
    Term { value: circuit.mul(term.value, product), grounded: term.guard.is_none(), ..term }
}

/// Each element read gets the sum over its reads; a shared value read per example gets the mean over the batch.
fn view_share(circuit: &mut Circuit, arg: ValueId, view: &View, term: Term) -> Term {
    let operand = circuit.shape(arg).clone();
    let (view, term) = regrouped(circuit, view, &operand, term);
    let mean = view.out.batch && !operand.batch;
    let (spread, mut rest) = view.transpose(&operand).split();
    if rest.summed.is_empty() {
        let term = sum(circuit, term, spread, mean);
        rest.view.out.batch &= !mean;
        return term.read(circuit, rest.view);
    }
    let term = sum(circuit, term, spread, false).grounded(circuit);
    let read = term.map(|part| circuit.view(part, rest.view.clone()));
    sum(circuit, read, rest.summed, mean)
}

/// The sum of a term over dimensions, and its mean over the batch; over nothing, the term as it is.
fn sum(circuit: &mut Circuit, term: Term, axes: AxisSet, mean: bool) -> Term {
    if axes.is_empty() && !mean {
        return term;
    }
    term.summed(circuit, axes, |circuit, value| circuit.reduce(Reducer::Sum, value, axes, mean))
}

/// A view that only takes a dimension apart (`y[c, i] = x[(c, i)]`) is undone by joining the parts, not by a sum
/// over one of them that has a single term. Returns the view as it reads after the cotangent's parts are joined.
fn regrouped(circuit: &mut Circuit, view: &View, operand: &Shape, term: Term) -> (View, Term) {
    let (mut view, mut term) = (view.clone(), term);
    for k in 0..view.coords.len() {
        let Some(parts) = parts(&view, k, operand.dims[k]) else { continue };
        let rank = view.out.dims.len();
        let others = (0..rank).filter(|axis| !parts.contains(axis));
        let order: Vec<usize> = others.chain(parts.iter().copied()).collect();
        let whole = rank - parts.len();
        term = term.map(|part| {
            let mut joined = permuted(circuit, part, &order);
            for _ in 1..parts.len() {
                joined = circuit.merge(joined, whole);
            }
            joined
        });
        let moved = |e: &Affine| {
            let mut c: Vec<i64> = order[..whole].iter().map(|&axis| e.c[axis]).collect();
            c.push(0);
            Affine { c, ..e.clone() }
        };
        let dims = order[..whole].iter().map(|&axis| view.out.dims[axis]).chain([operand.dims[k]]).collect();
        view = View {
            out: Shape { dims, ..view.out },
            coords: view.coords.iter().map(moved).collect(),
            guards: view.guards.iter().map(|guard| Guard { e: moved(&guard.e), ..*guard }).collect(),
            ..view
        };
        view.coords[k] = Affine::axis(whole, whole + 1);
    }
    (view, term)
}

/// If coordinate `k` runs through all of its extent as several output dimensions of their own, outermost first:
/// which.
fn parts(view: &View, k: usize, extent: u32) -> Option<Vec<usize>> {
    let coord = &view.coords[k];
    let mut parts: Vec<usize> = (0..coord.c.len()).filter(|&axis| coord.c[axis] != 0).collect();
    parts.sort_by_key(|&axis| std::cmp::Reverse(coord.c[axis]));
    let mut stride = 1;
    for &axis in parts.iter().rev() {
        let elsewhere = view.coords.iter().enumerate().filter(|(other, _)| *other != k).map(|(_, e)| e);
        let mut elsewhere = elsewhere.chain(view.guards.iter().map(|guard| &guard.e));
        if coord.c[axis] != stride || elsewhere.any(|e| e.c[axis] != 0) {
            return None;
        }
        stride *= i64::from(view.out.dims[axis]);
    }
    (parts.len() > 1 && coord.b == 0 && coord.d == 1 && stride == i64::from(extent)).then_some(parts)
}

/// The value with its dimensions in another order.
pub(super) fn permuted(circuit: &mut Circuit, value: ValueId, order: &[usize]) -> ValueId {
    let shape = circuit.shape(value).clone();
    let out = Shape { batch: shape.batch, dims: order.iter().map(|&axis| shape.dims[axis]).collect() };
    let mut place = vec![0; order.len()];
    for (k, &axis) in order.iter().enumerate() {
        place[axis] = k;
    }
    circuit.view(value, View::select(out, &place, &shape.dims))
}

/// Joining two dimensions is undone by reading the joined one at `a * d + b`.
fn merge_share(circuit: &mut Circuit, arg: ValueId, axis: usize, term: Term) -> Term {
    let out = circuit.shape(arg).clone();
    let rank = out.dims.len();
    let mut coords: Vec<Affine> = (0..rank).map(|k| Affine::axis(k, rank)).collect();
    coords[axis].c[axis] = out.dims[axis + 1].into();
    coords[axis].c[axis + 1] = 1;
    coords.remove(axis + 1);
    let view = View { out, coords, guards: vec![], fill: F64::new(0.0) };
    term.map(|part| circuit.view(part, view.clone()))
}

/// Element `v` of a row gets the cotangent where the row was read at `v`; elsewhere it is absent.
fn gather_share(circuit: &mut Circuit, table: ValueId, index: ValueId, term: Term) -> Term {
    let shape = circuit.shape(table).clone();
    let row = shape.dims.len() - 1;
    let aligned: Vec<usize> = (0..row).collect();
    let index = circuit.view(index, View::select(shape.clone(), &aligned, &shape.dims[..row]));
    let iota = circuit.iota(shape.dims[row]);
    let own = circuit.view(iota, View::select(shape.clone(), &[row], &shape.dims[row..]));
    let read = circuit.gate(gates::EQ, &[index, own]);
    spread(circuit, table, AxisSet::of([row]), term).guarded(circuit, Some(read))
}

/// What was added at `index[o]` gets the cotangent from there.
fn scatter_share(circuit: &mut Circuit, index: ValueId, value: ValueId, term: Term) -> Term {
    let (from, to) = (circuit.shape(index).dims.len(), circuit.shape(value).clone());
    let rank = to.dims.len();
    let aligned: Vec<usize> = (0..from).collect();
    let index = circuit.view(index, View::select(to.clone(), &aligned, &to.dims[..from]));
    term.grounded(circuit).map(|part| {
        let dims = circuit.shape(part).dims.clone();
        let mut table = to.clone();
        table.dims.push(dims[0]);
        let axes: Vec<usize> = std::iter::once(rank).chain(from..rank).collect();
        let table = circuit.view(part, View::select(table, &axes, &dims));
        circuit.gather(table, index)
    })
}
