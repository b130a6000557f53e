//! One position of a sequence at a time, so that nothing of the past is computed again.
//!
//! A net over a sequence is equations over whole arrays. What it says about position `t` alone is the same equations
//! with that position taken: an element of the sequence comes in, and what the equations read of earlier positions is
//! kept in states. So a trained net can be asked for its next element again and again, each time for the price of one
//! position:
//!
//! - a lag reads a state, which the lag's source becomes after the step;
//! - a read of another position than the present one (`k[h, s, e]` under `sum[s]`, beside `q[h, t, e]`) reads an array of
//!   all positions so far, in which the present one is entered first;
//! - an index becomes the number of the position, and a condition on it a condition at run time.
//!
//! Whether the net looks at later positions is not decided here: rows that are not entered yet read 0. Who uses this
//! holds the result against the whole net.

mod reads;
#[cfg(test)]
mod tests;

use crate::circuit::graph::{Linked, ValueSet, dependents};
use crate::circuit::{
    AxisSet, Circuit, F64, Kind, Leaf, Node, Shape, Slot, SlotId, SlotRole, ValueId, Variable, View, gates,
};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A circuit of one position. All of its values are shared: it is for one sequence.
#[derive(Clone, Debug)]
pub struct Stepwise {
    /// The circuit. Its first slots are those of the whole one, of the same numbers; inputs among them are not read.
    pub circuit: Circuit,
    /// What is asked for, at the present position.
    pub result: ValueId,
    /// Takes the present element of the sequence.
    pub element: SlotId,
    /// Takes the number of the present position, from 0.
    pub position: SlotId,
    /// What is kept from one position to the next.
    pub states: Vec<Kept>,
    /// How many positions there can be, if their number matters: positions are numbered or looked back upon.
    pub limit: Option<u32>,
}

/// A state of a [`Stepwise`] circuit.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Kept {
    /// Where it is kept.
    pub slot: SlotId,
    /// What every element is before the first position.
    pub initial: f64,
    /// What it becomes.
    pub next: ValueId,
}

/// Why a value cannot be computed position by position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wrong {
    /// The value, of the whole circuit.
    pub value: ValueId,
    /// What it does, to be said after its name.
    pub does: &'static str,
}

/// What is asked for at one position.
type Found = Result<ValueId, Wrong>;

/// The circuit of element `t` of `root` along its dimension `axis`, from element `t` of `input` along its first.
///
/// # Errors
/// The first value that takes more than its position and those before.
pub fn stepwise(circuit: &Circuit, root: ValueId, axis: usize, input: SlotId) -> Result<Stepwise, Wrong> {
    let mut steps = Steps::new(circuit, input);
    let result = steps.now(root, axis)?;
    let mut states = vec![];
    while let Some(open) = steps.open.pop() {
        let next = steps.next(&open)?;
        states.push(Kept { slot: open.slot, initial: open.initial, next });
    }
    let Steps { to, element, position, limit, .. } = steps;
    Ok(Stepwise { circuit: to, result, element, position, states, limit })
}

/// The circuit being built.
struct Steps<'a> {
    from: &'a Circuit,
    to: Circuit,
    input: SlotId,
    /// What changes from position to position: computed from the input, or by a recurrence.
    moving: ValueSet,
    /// Along which dimensions a moving value may be one element a position.
    along: Vec<AxisSet>,
    element: SlotId,
    position: SlotId,
    present: FxHashMap<(ValueId, usize), ValueId>,
    whole: FxHashMap<ValueId, ValueId>,
    lags: FxHashMap<(Variable, u32, F64), ValueId>,
    /// States whose next values are not built yet.
    open: Vec<Open>,
    limit: Option<u32>,
}

/// A state whose next value is not built yet.
struct Open {
    slot: SlotId,
    initial: f64,
    becomes: Becomes,
}

/// What a state becomes.
enum Becomes {
    /// The present element of a value.
    Present(ValueId, usize),
    /// Another state as it was.
    Before(ValueId),
    /// This array, in which the present element is entered.
    Entered(ValueId),
}

impl<'a> Steps<'a> {
    fn new(from: &'a Circuit, input: SlotId) -> Self {
        let mut to = Circuit::new();
        for slot in from.slots() {
            to.declare(Slot { shape: Shape { batch: false, ..slot.shape.clone() }, ..slot.clone() });
        }
        let taken = from.slot(input);
        let scalar = |name: &str, classes| Slot {
            name: name.into(),
            role: SlotRole::State,
            shape: Shape::shared(&taken.shape.dims[1..]),
            kind: taken.kind,
            classes,
            span: None,
        };
        let element = SlotId(to.slots().len() as u32);
        to.declare(scalar(&taken.name, taken.classes));
        let position = SlotId(to.slots().len() as u32);
        to.declare(Slot { shape: Shape::scalar(), kind: Kind::Integer, ..scalar("position", None) });
        let moving = moving(from, input);
        let along = along(from, input, &moving);
        let (present, whole, lags) = Default::default();
        Steps {
            from,
            to,
            input,
            moving,
            along,
            element,
            position,
            present,
            whole,
            lags,
            open: vec![],
            limit: None,
        }
    }

    /// The element of a value at the present position along one of its dimensions.
    fn now(&mut self, value: ValueId, axis: usize) -> Found {
        if let Some(&known) = self.present.get(&(value, axis)) {
            return Ok(known);
        }
        let found = match self.from.node(value).clone() {
            Node::Leaf(leaf) => self.leaf_now(value, &leaf, axis)?,
            Node::Gate { gate, args } => {
                let args: Result<Vec<ValueId>, Wrong> = args.iter().map(|&arg| self.now(arg, axis)).collect();
                self.to.gate(gate, &args?)
            }
            Node::Reduce { batch: true, .. } | Node::Scatter { .. } => {
                return wrong(value, "takes other examples into account");
            }
            Node::Reduce { reducer, arg, axes, .. } => {
                let axis = before(axes, axis);
                let arg = self.now(arg, axis)?;
                let axes = AxisSet::of(axes.iter().map(|k| if k > axis { k - 1 } else { k }));
                self.to.reduce(reducer, arg, axes, false)
            }
            Node::View { arg, view } => self.view_now(value, arg, &view, axis)?,
            Node::Merge { axis: first, .. } if axis == usize::from(first) => {
                return wrong(value, "joins positions with another dimension");
            }
            Node::Merge { arg, axis: first } => {
                let first = usize::from(first);
                let arg = self.now(arg, if axis > first { axis + 1 } else { axis })?;
                self.to.merge(arg, if axis > first { first } else { first - 1 })
            }
            Node::Gather { table, index } => {
                let (table, index) = (self.now(table, axis)?, self.now(index, axis)?);
                self.to.gather(table, index)
            }
            Node::Lag { variable, axis: scanned, by, fill, ref shape } => {
                if usize::from(scanned) != axis || by < 0 {
                    return wrong(value, "reads what comes later, or recurs along another dimension");
                }
                let shape = Shape::shared(without(&shape.dims, axis));
                self.lag(variable, by as u32, fill, axis, &shape)
            }
        };
        self.present.insert((value, axis), found);
        Ok(found)
    }

    fn leaf_now(&mut self, value: ValueId, leaf: &Leaf, axis: usize) -> Found {
        match leaf {
            Leaf::Slot(slot) if *slot == self.input && axis == 0 => {
                Ok(self.to.leaf(Leaf::Slot(self.element)))
            }
            Leaf::Iota(extent) => {
                self.limit(*extent);
                Ok(self.to.leaf(Leaf::Slot(self.position)))
            }
            Leaf::Slot(_) if !self.moving.contains(value) => {
                // Row `position` of something that is the same at every position.
                let dims = self.from.shape(value).dims.clone();
                self.limit(dims[axis]);
                let whole = self.whole(value)?;
                Ok(self.row(whole, axis))
            }
            _ => wrong(value, "is drawn, or another input"),
        }
    }

    /// Element `position` along one dimension of an array of the new circuit.
    fn row(&mut self, array: ValueId, axis: usize) -> ValueId {
        let dims = self.to.shape(array).dims.clone();
        let rank = dims.len();
        let mut turned = without(&dims, axis);
        let index_shape = Shape::shared(turned.clone());
        turned.push(dims[axis]);
        let place = |k: usize| match k.cmp(&axis) {
            std::cmp::Ordering::Less => k,
            std::cmp::Ordering::Equal => rank - 1,
            std::cmp::Ordering::Greater => k - 1,
        };
        let places: Vec<usize> = (0..rank).map(place).collect();
        let view = View::select(Shape::shared(turned), &places, &dims);
        let table = self.to.view(array, view);
        let position = self.to.leaf(Leaf::Slot(self.position));
        let index = self.to.broadcast(position, &index_shape);
        self.to.gather(table, index)
    }

    /// All of a value: what does not move as it is; of what moves, the positions so far.
    fn whole(&mut self, value: ValueId) -> Found {
        if let Some(&known) = self.whole.get(&value) {
            return Ok(known);
        }
        let found = match self.from.node(value).clone() {
            _ if self.moving.contains(value) => self.so_far(value)?,
            Node::Leaf(Leaf::Draw { .. }) => return wrong(value, "is drawn"),
            Node::Leaf(leaf) => self.to.leaf(leaf),
            Node::View { arg, view } => {
                let arg = self.whole(arg)?;
                let mut view = (*view).clone();
                view.out.batch = false;
                self.to.add_node(Node::View { arg, view: Arc::new(view) })
            }
            Node::Reduce { batch: true, .. } | Node::Scatter { .. } => {
                return wrong(value, "takes other examples into account");
            }
            node => {
                let mut operands = FxHashMap::default();
                for operand in node.operands() {
                    operands.insert(operand, self.whole(operand)?);
                }
                self.to.add_node(node.with_operands(|operand| operands[&operand]))
            }
        };
        self.whole.insert(value, found);
        Ok(found)
    }

    /// The positions so far of a value that moves: an array that is kept, with the present one entered.
    fn so_far(&mut self, value: ValueId) -> Found {
        let mut axes = self.along[value.index()].iter();
        let (Some(axis), None) = (axes.next(), axes.next()) else {
            return wrong(value, "takes the whole sequence into account");
        };
        let shape = Shape::shared(self.from.shape(value).dims.clone());
        self.limit(shape.dims[axis]);
        let kept = self.state(&shape, self.from.kind(value));
        let before = self.to.leaf(Leaf::Slot(kept));
        let present = self.now(value, axis)?;
        let others: Vec<usize> = (0..shape.dims.len()).filter(|&k| k != axis).collect();
        let spread = View::select(shape.clone(), &others, &without(&shape.dims, axis));
        let present = self.to.view(present, spread);
        let iota = self.to.iota(shape.dims[axis]);
        let own = View::select(shape.clone(), &[axis], &[shape.dims[axis]]);
        let own = self.to.view(iota, own);
        let position = self.to.leaf(Leaf::Slot(self.position));
        let position = self.to.broadcast(position, &shape);
        let here = self.to.gate(gates::EQ, &[own, position]);
        let entered = self.to.gate(gates::SELECT, &[here, present, before]);
        self.open.push(Open { slot: kept, initial: 0.0, becomes: Becomes::Entered(entered) });
        Ok(entered)
    }

    /// What a variable was `by` positions ago; before the first, the fill of the lag.
    fn lag(&mut self, variable: Variable, by: u32, fill: F64, axis: usize, shape: &Shape) -> ValueId {
        if let Some(&known) = self.lags.get(&(variable, by, fill)) {
            return known;
        }
        let slot = self.state(shape, Kind::Real);
        let kept = self.to.leaf(Leaf::Slot(slot));
        self.lags.insert((variable, by, fill), kept);
        let becomes = if by == 1 {
            let source = self.from.source(variable).expect("a variable that is read is closed");
            Becomes::Present(source, axis)
        } else {
            Becomes::Before(self.lag(variable, by - 1, fill, axis, shape))
        };
        self.open.push(Open { slot, initial: fill.get(), becomes });
        kept
    }

    fn next(&mut self, open: &Open) -> Found {
        match open.becomes {
            Becomes::Present(value, axis) => self.now(value, axis),
            Becomes::Before(value) | Becomes::Entered(value) => Ok(value),
        }
    }

    fn state(&mut self, shape: &Shape, kind: Kind) -> SlotId {
        let slot = SlotId(self.to.slots().len() as u32);
        let name = format!("kept_{}", slot.0);
        let role = SlotRole::State;
        self.to.declare(Slot { name, role, shape: shape.clone(), kind, classes: None, span: None });
        slot
    }

    fn limit(&mut self, extent: u32) {
        self.limit = Some(self.limit.map_or(extent, |limit| limit.min(extent)));
    }
}

fn wrong(value: ValueId, does: &'static str) -> Found {
    Err(Wrong { value, does })
}

/// The extents without one.
fn without(dims: &[u32], axis: usize) -> Vec<u32> {
    dims.iter().enumerate().filter(|(k, _)| *k != axis).map(|(_, &extent)| extent).collect()
}

/// The dimension that is number `axis` of those that are left when `axes` are gone.
fn before(axes: AxisSet, axis: usize) -> usize {
    (0..).filter(|&k| !axes.contains(k)).nth(axis).expect("a reduction leaves its dimensions")
}

/// What is computed from the input, or by a recurrence.
fn moving(circuit: &Circuit, input: SlotId) -> ValueSet {
    let starts = circuit.values().filter(|&value| match circuit.node(value) {
        Node::Leaf(Leaf::Slot(slot)) => *slot == input,
        node => matches!(node, Node::Lag { .. }),
    });
    dependents(&Linked::new(circuit), starts.collect::<Vec<_>>())
}

/// For each moving value the dimensions along which it may be one element a position: those that come from the
/// sequence's own. A product of two positions has both, until one of them is summed.
fn along(circuit: &Circuit, input: SlotId, moving: &ValueSet) -> Vec<AxisSet> {
    let mut along = vec![AxisSet::default(); circuit.len()];
    for value in moving.iter() {
        let mut found = match circuit.node(value) {
            Node::Leaf(Leaf::Slot(slot)) if *slot == input => AxisSet::of([0]),
            Node::Lag { axis, .. } => AxisSet::of([usize::from(*axis)]),
            _ => AxisSet::default(),
        };
        circuit.node(value).for_each_operand(|operand| {
            let passed = along[operand.index()]
                .iter()
                .filter_map(|axis| reads::passed_on(circuit, value, operand, axis));
            found.0 |= AxisSet::of(passed).0;
        });
        along[value.index()] = found;
    }
    along
}
