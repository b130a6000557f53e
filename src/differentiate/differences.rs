//! Derived gradients held against central differences in f64: `nnc check --grad`, and an oracle of tests.

use crate::circuit::graph::reachable;
use crate::circuit::{
    Circuit, Gate, Kind, Leaf, Node, Reducer, Slot, SlotId, SlotRole, ValueId, Variable, gates,
};
use crate::interpret::{Bindings, evaluate};

/// Half the distance between the ends of the widest difference, relative to the element's size.
const STEP: f64 = 1e-3;

/// How many differences are taken, each of half the width of the one before.
const WIDTHS: usize = 4;

/// How much larger than the rounding error of an objective the error is that it leaves in differences.
pub const AMPLIFIED: f64 = (1 << WIDTHS) as f64 / STEP;

/// Differences that still change by a larger share of themselves tell nothing.
const MOVING: f64 = 1e-3;

/// How one slot's derived gradient compares with differences.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The slot.
    pub slot: SlotId,
    /// Elements compared.
    pub compared: usize,
    /// Elements left out since a comparison in the circuit decides otherwise nearby, so that there is no derivative
    /// to compare with, or since the differences do not settle as their ends come closer.
    pub skipped: usize,
    /// The element that agrees least.
    pub worst: Option<Entry>,
}

/// One element's derivative both ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Entry {
    /// Position in the slot's array (with the batch outermost).
    pub element: usize,
    /// By the chain rule.
    pub derived: f64,
    /// By differences.
    pub difference: f64,
    /// How far the differences themselves may be off, by how they change with the distance of their ends.
    pub uncertainty: f64,
    /// Their distance beyond that, relative to the larger of them, or to what rounding leaves of the objective if
    /// that is more.
    pub error: f64,
}

/// Evaluates the values that it was prepared for.
pub type Run = Box<dyn FnMut(&Bindings<f64>) -> Vec<Vec<f64>>>;

/// Prepares the evaluation of values of a circuit, in f64.
pub type Prepare<'a> = &'a dyn Fn(&Circuit, &[ValueId]) -> Run;

/// Evaluates by the reference interpreter.
pub fn interpreted(circuit: &Circuit, values: &[ValueId]) -> Run {
    let (circuit, values) = (circuit.clone(), values.to_vec());
    Box::new(move |bindings| {
        evaluate(&circuit, &values, bindings).into_iter().map(|array| array.data).collect()
    })
}

/// Compares the gradients of `of` (a scalar; its mean over the batch if per example) with respect to slots, one after
/// another as they are asked for. At most `limit` elements of each slot are compared, spread evenly. A per-example slot's
/// gradient is that of its own example's share of the mean times the number of examples.
pub fn compare(
    circuit: &Circuit,
    of: ValueId,
    gradients: &[(SlotId, Option<ValueId>)],
    bindings: &Bindings<f64>,
    limit: usize,
    prepare: Prepare,
) -> impl Iterator<Item = Comparison> {
    let mut bindings = bindings.clone();
    let (mut circuit, moved) = with_stops_held(circuit, &mut bindings, prepare);
    let objective = circuit.mean_batch(moved[of.index()]);
    let decisions = decisions(&mut circuit, objective);
    let derived: Vec<ValueId> = gradients.iter().filter_map(|gradient| gradient.1).collect();
    let derived: Vec<ValueId> = derived.into_iter().map(|gradient| moved[gradient.index()]).collect();
    let mut derived = prepare(&circuit, &derived)(&bindings).into_iter();
    let derived = gradients.iter().map(|&(slot, gradient)| (slot, gradient.and_then(|_| derived.next())));
    let derived: Vec<(SlotId, Option<Vec<f64>>)> = derived.collect();
    let roots: Vec<ValueId> = std::iter::once(objective).chain(decisions).collect();
    let mut probe = Probe { run: prepare(&circuit, &roots) };
    let at_start = probe.at(&bindings);
    derived.into_iter().map(move |(slot, derived)| {
        let shape = &circuit.slot(slot).shape;
        let share = if shape.batch { bindings.n as f64 } else { 1.0 };
        let size = shape.size_for(bindings.n);
        let mut result = Comparison { slot, compared: 0, skipped: 0, worst: None };
        for element in (0..size).step_by(size.div_ceil(limit.max(1)).max(1)) {
            let Some(slope) = probe.slope(slot, element, &mut bindings, &at_start) else {
                result.skipped += 1;
                continue;
            };
            let derived = derived.as_ref().map_or(0.0, |derived| derived[element]);
            let entry = entry(element, derived, slope.map(|x| x * share), at_start.objective * share);
            result.compared += 1;
            if result.worst.is_none_or(|worst| entry.error > worst.error || entry.error.is_nan()) {
                result.worst = Some(entry);
            }
        }
        result
    })
}

/// The circuit with every `stop` replaced by a slot that holds its value at this point: no gradient flows through
/// it, so it must not move when an element does. With it, the new place of each value.
fn with_stops_held(
    circuit: &Circuit,
    bindings: &mut Bindings<f64>,
    prepare: Prepare,
) -> (Circuit, Vec<ValueId>) {
    let stops = |value: &ValueId| matches!(circuit.node(*value), Node::Gate { gate, .. } if gate.row().name == "stop");
    let stopped: Vec<ValueId> = circuit.values().filter(stops).collect();
    let now = if stopped.is_empty() { vec![] } else { prepare(circuit, &stopped)(bindings) };
    let mut now = now.into_iter();
    let mut held = Circuit::new();
    for slot in circuit.slots() {
        held.declare(slot.clone());
    }
    let variables: Vec<Variable> = circuit.variables().map(|_| held.variable()).collect();
    let mut moved: Vec<ValueId> = vec![];
    for value in circuit.values() {
        let node = circuit.node(value).with_operands(|operand| moved[operand.index()]);
        moved.push(match stops(&value) {
            true => hold(circuit, value, &mut held, bindings, now.next().expect("one for each")),
            false => held.add_node(node),
        });
    }
    for (from, to) in circuit.variables().zip(variables) {
        if let Some(source) = circuit.source(from) {
            held.close(to, moved[source.index()]);
        }
    }
    (held, moved)
}

/// A slot of `held` with the value that `value` has now.
fn hold(
    circuit: &Circuit,
    value: ValueId,
    held: &mut Circuit,
    bindings: &mut Bindings<f64>,
    now: Vec<f64>,
) -> ValueId {
    let slot = SlotId(held.slots().len() as u32);
    let leaf = held.declare(Slot {
        name: format!("stop {}", slot.0),
        role: if circuit.shape(value).batch { SlotRole::Input } else { SlotRole::State },
        shape: circuit.shape(value).clone(),
        kind: circuit.kind(value),
        classes: None,
        span: None,
    });
    bindings.bind(held, slot, now);
    leaf
}

fn entry(element: usize, derived: f64, [difference, uncertainty]: [f64; 2], objective: f64) -> Entry {
    let rounding = 1e-5 * (1e-3 + objective.abs());
    let scale = derived.abs().max(difference.abs()).max(rounding);
    let distance = (derived - difference).abs() - uncertainty;
    let error = if distance <= 0.0 { 0.0 } else { distance / scale };
    Entry { element, derived, difference, uncertainty, error }
}

/// What is evaluated at each point: the objective, then all decisions.
struct Probe {
    run: Run,
}

/// The objective and all decisions at one point.
struct Point {
    objective: f64,
    decisions: Vec<Vec<f64>>,
}

impl Probe {
    fn at(&mut self, bindings: &Bindings<f64>) -> Point {
        let mut arrays = (self.run)(bindings).into_iter();
        let objective = arrays.next().map_or(f64::NAN, |data| data[0]);
        Point { objective, decisions: arrays.collect() }
    }

    /// The derivative by one element, and how far it may be off: four central differences, each of half the width
    /// of the one before, extrapolated (Richardson, 1911; Romberg, 1955). None where a decision changes between the
    /// ends, or where the differences do not settle.
    fn slope(
        &mut self,
        slot: SlotId,
        element: usize,
        bindings: &mut Bindings<f64>,
        start: &Point,
    ) -> Option<[f64; 2]> {
        let middle = bindings.slots[&slot].data[element];
        let mut slopes = [0.0; WIDTHS];
        let mut alike = true;
        for (k, slope) in slopes.iter_mut().enumerate() {
            let step = STEP * (1.0 + middle.abs()) / f64::from(1 << k);
            let [above, below] = [step, -step].map(|offset| {
                bindings.slots.get_mut(&slot).expect("bound").data[element] = middle + offset;
                self.at(bindings)
            });
            alike &= above.decisions == start.decisions && below.decisions == start.decisions;
            *slope = (above.objective - below.objective) / (2.0 * step);
        }
        bindings.slots.get_mut(&slot).expect("bound").data[element] = middle;
        let better = |k: usize| (4.0 * slopes[k + 1] - slopes[k]) / 3.0;
        let best = |k: usize| (16.0 * better(k + 1) - better(k)) / 15.0;
        let slope = best(1);
        // Two estimates may agree by chance, three seldom do.
        let uncertainty = (slope - best(0)).abs().max((slope - better(2)).abs());
        // Each change should be about a quarter of the one before, unless both are nothing but rounding; and what is
        // extrapolated says nothing while it still moves.
        let rounding = 1e-6 * (1.0 + start.objective.abs());
        let change = |k: usize| (slopes[k + 1] - slopes[k]).abs();
        let settled = (1..WIDTHS - 1).all(|k| change(k) <= 0.5 * change(k - 1) + rounding)
            && uncertainty <= MOVING * slope.abs() + rounding;
        (alike && settled).then_some([slope, uncertainty])
    }
}

/// Everything that decides which branch of the circuit counts: conditions, the larger of two, positions.
fn decisions(circuit: &mut Circuit, of: ValueId) -> Vec<ValueId> {
    let reached: Vec<ValueId> = reachable(circuit, [of]).iter().collect();
    reached.into_iter().filter_map(|value| decision(circuit, value)).collect()
}

/// The value that tells which way a node went, if it can go several.
fn decision(circuit: &mut Circuit, value: ValueId) -> Option<ValueId> {
    let called = |name: &str| Gate::named(name).expect("a row of the table");
    match circuit.node(value).clone() {
        Node::Leaf(Leaf::Slot(_) | Leaf::Number(_) | Leaf::Iota(_) | Leaf::Step(_) | Leaf::Draw { .. }) => {
            None
        }
        Node::Gate { gate, args } if gate == gates::MAX || gate == gates::MIN => {
            Some(circuit.gate(gates::LE, &[args[0], args[1]]))
        }
        Node::Gate { gate, args } if gate == gates::INT_DIV || gate == gates::MOD => {
            Some(circuit.gate(gates::INT_DIV, &args))
        }
        Node::Gate { gate, args } if gate == called("abs") => Some(circuit.gate(called("sign"), &args)),
        Node::Gate { gate, .. } if [called("sign"), called("floor"), called("ceil")].contains(&gate) => {
            Some(value)
        }
        Node::Reduce { reducer: reducer @ (Reducer::Max | Reducer::Min), arg, axes, .. } => {
            Some(position(circuit, reducer, arg, axes))
        }
        _ if circuit.kind(value) != Kind::Real => Some(value),
        _ => None,
    }
}

/// Which elements attain an extreme: the operand's equality with it, in the operand's own shape.
fn position(circuit: &mut Circuit, reducer: Reducer, arg: ValueId, axes: crate::circuit::AxisSet) -> ValueId {
    let extreme = circuit.reduce(reducer, arg, axes, false);
    let shape = circuit.shape(arg).clone();
    let kept: Vec<usize> = (0..shape.dims.len()).filter(|&axis| !axes.contains(axis)).collect();
    let extents: Vec<u32> = kept.iter().map(|&axis| shape.dims[axis]).collect();
    let spread = circuit.view(extreme, crate::circuit::View::select(shape, &kept, &extents));
    circuit.gate(gates::EQ, &[arg, spread])
}
