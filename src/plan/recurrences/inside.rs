//! The circuit of what a recurrence computes at one element of the scanned dimension.
//!
//! A member loses that dimension. What it reads outside is read at the element: views and cheap gates that change from
//! element to element are computed inside, the rest comes from slots.

use super::{Along, Given, Lag, Parting, Scan, Slice};
use crate::circuit::graph::reachable;
use crate::circuit::recurrence::Recurrence;
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{AxisSet, Circuit, F64, Gate, Leaf, Named, Node, Shape, Slot, SlotRole, ValueId, View};
use crate::plan::facts::Known;
use crate::plan::kernels::DEAR;
use rustc_hash::{FxHashMap, FxHashSet};

/// The circuit of one element while it is built.
pub(super) struct Inside<'p, 'a> {
    parting: &'p mut Parting<'a>,
    recurrence: &'p Recurrence,
    pub circuit: Circuit,
    origins: Vec<ValueId>,
    reads: Vec<Slice>,
    slots: FxHashMap<Slice, ValueId>,
    members: FxHashMap<ValueId, ValueId>,
    /// What stands for a value outside: as a whole, or at the element of one of its dimensions.
    others: FxHashMap<(ValueId, Option<usize>), ValueId>,
    /// What new values come from.
    present: ValueId,
}

impl<'p, 'a> Inside<'p, 'a> {
    /// All members at one element.
    pub fn of(parting: &'p mut Parting<'a>, recurrence: &'p Recurrence) -> Self {
        let mut inside = Inside {
            parting,
            recurrence,
            circuit: Circuit::new(),
            origins: vec![],
            reads: vec![],
            slots: FxHashMap::default(),
            members: FxHashMap::default(),
            others: FxHashMap::default(),
            present: recurrence.members[0],
        };
        for &member in &recurrence.members {
            inside.present = member;
            let value = inside.member(member);
            inside.members.insert(member, value);
            inside.note();
        }
        inside
    }

    /// All that is known of the recurrence; the leaf of a result is still the value that it will stand for.
    pub fn finish(mut self) -> Scan {
        let mut results: Vec<Given> = vec![];
        let mut taken = FxHashSet::default();
        for &member in &self.recurrence.members {
            if !self.parting.marks.is_stored(member) {
                continue;
            }
            self.present = member;
            let mut value = self.members[&member];
            // What is stored has a place of its own, in the order of its own dimensions.
            while !taken.insert(value) || matches!(self.circuit.node(value), Node::Merge { .. }) {
                value = self.again(value);
            }
            self.note();
            results.push(Given { leaf: member, axis: self.recurrence.axes[&member], value });
        }
        self.names();
        let (extent, backwards) = (self.recurrence.extent, self.recurrence.backwards);
        let Inside { circuit, origins, reads, .. } = self;
        Scan { extent, backwards, circuit, origins, reads, results }
    }

    fn source(&self) -> &'a Circuit {
        self.parting.source()
    }

    /// All values that are new come from the present one.
    fn note(&mut self) {
        self.origins.resize(self.circuit.len(), self.present);
    }

    fn names(&mut self) {
        for named in self.source().names() {
            if let Some(&value) = self.members.get(&named.value) {
                let mut named = named.clone();
                named.indices.remove(self.recurrence.axes[&named.value]);
                let mapped = named.mapped.min(named.indices.len());
                self.circuit.name(Named { value, mapped, ..named });
            }
        }
    }

    /// The same value once more.
    fn again(&mut self, value: ValueId) -> ValueId {
        self.circuit.gate(Gate::named("stop").expect("a gate of the table"), &[value])
    }

    /// A member at the element.
    fn member(&mut self, member: ValueId) -> ValueId {
        let axis = self.recurrence.axes[&member];
        let node = match self.source().node(member) {
            Node::Lag { .. } => return self.lag(member, axis),
            Node::View { arg, view } => {
                let (inner, arg) = (self.recurrence.axes[arg], self.members[arg]);
                return self.view_of_member(arg, view, axis, inner);
            }
            Node::Gate { gate, args } => {
                let args = args.iter().map(|&arg| self.operand(arg, axis)).collect();
                Node::Gate { gate: *gate, args }
            }
            Node::Reduce { reducer, arg, axes, batch } => {
                let inner = self.recurrence.axes[arg];
                let axes = AxisSet::of(axes.iter().map(|k| k - usize::from(k > inner)));
                Node::Reduce { reducer: *reducer, arg: self.members[arg], axes, batch: *batch }
            }
            Node::Merge { arg, axis: first } => {
                let before = self.recurrence.axes[arg] < usize::from(*first);
                Node::Merge { arg: self.members[arg], axis: first - u8::from(before) }
            }
            Node::Gather { table, index } => {
                let (table, index) = (self.operand(*table, axis), self.operand(*index, axis));
                Node::Gather { table, index }
            }
            node @ (Node::Leaf(_) | Node::Scatter { .. }) => unreachable!("{node:?} in a recurrence"),
        };
        self.circuit.intern(node)
    }

    /// An operand of a member that has its scanned dimension at the same place.
    fn operand(&mut self, value: ValueId, axis: usize) -> ValueId {
        match self.members.get(&value) {
            Some(&member) => member,
            None => self.at_element(value, axis),
        }
    }

    /// What an earlier element gave.
    fn lag(&mut self, value: ValueId, axis: usize) -> ValueId {
        let source = self.source();
        let Node::Lag { axis: along, by, fill, shape, .. } = source.node(value) else {
            unreachable!("it is a lag")
        };
        debug_assert_eq!(usize::from(*along), axis);
        let mut of = value;
        source.for_each_dependency(value, |read| of = read);
        let own = self.recurrence.axes.contains_key(&of);
        let by = i64::from(*by);
        let mut dims = vec![Along::ALL; shape.dims.len()];
        dims[axis] = Along { start: -by, ..Along::ELEMENT };
        let lag = Some(Lag { by, extent: shape.dims[axis], fill: *fill });
        let of = if own { of } else { self.parting.outside(of) };
        let slot = self.slot(value, Slice { of, own, dims, lag });
        // So that whoever needs it in memory, and inside everywhere, has it copied.
        self.again(slot)
    }

    /// A view of a member, where dimension `axis` is scanned; dimension `inner` of its operand.
    fn view_of_member(&mut self, arg: ValueId, view: &View, axis: usize, inner: usize) -> ValueId {
        // At the element itself, which is inside.
        let view = View { coords: without(&view.coords, inner), ..view.clone() };
        match still(&view, axis) {
            true => self.circuit.view(arg, at_rest(&view, axis)),
            false => self.skewed(arg, &view, axis),
        }
    }

    /// The number of the element.
    pub fn element(&mut self) -> ValueId {
        let extent = self.recurrence.extent;
        let iota = self.parting.circuit.iota(extent);
        self.parting.noted(iota, self.present);
        let slice = Slice { of: iota, own: false, dims: vec![Along::ELEMENT], lag: None };
        self.slot(iota, slice)
    }

    /// A value outside at the element of a dimension.
    fn at_element(&mut self, value: ValueId, axis: usize) -> ValueId {
        if let Some(&known) = self.others.get(&(value, Some(axis))) {
            return known;
        }
        let found = self.find_at_element(value, axis);
        self.others.insert((value, Some(axis)), found);
        found
    }

    fn find_at_element(&mut self, value: ValueId, axis: usize) -> ValueId {
        let (source, facts) = (self.source(), self.parting.facts);
        if let Some(known) = facts.known(value) {
            return self.known(known, &less(source.shape(value), axis));
        }
        if self.parting.marks.is_stored(value) {
            return self.part(value, axis);
        }
        let changes = facts.dependence(value).dims.contains(axis);
        let again = self.parting.marks.is_again(value);
        match source.node(value) {
            Node::Gate { gate, args } if changes && again => {
                let args = args.iter().map(|&arg| self.at_element_again(arg, axis)).collect();
                self.circuit.intern(Node::Gate { gate: *gate, args })
            }
            Node::Reduce { arg, axes, .. } if changes && again => {
                self.reduction_at_element(value, *arg, *axes, axis)
            }
            Node::View { view, .. } => self.view_at_element(value, view, axis),
            Node::Lag { axis: along, .. } if usize::from(*along) == axis => self.lag(value, axis),
            Node::Gate { gate, args } if changes && self.parting.prices[value.index()] < DEAR => {
                let args = args.iter().map(|&arg| self.at_element(arg, axis)).collect();
                self.circuit.intern(Node::Gate { gate: *gate, args })
            }
            _ if changes => self.part(value, axis),
            _ => self.first(value, axis),
        }
    }

    /// As [`Self::at_element`], for what is computed again. The sums of products that it needs of values outside of any
    /// recurrence are computed again too, if nothing but gates is between: they were at hand in the forward pass only.
    fn at_element_again(&mut self, value: ValueId, axis: usize) -> ValueId {
        let changes = self.parting.facts.dependence(value).dims.contains(axis);
        let known =
            self.parting.facts.known(value).is_some() || self.others.contains_key(&(value, Some(axis)));
        if known || !changes || self.parting.marks.is_stored(value) {
            return self.at_element(value, axis);
        }
        let found = match self.source().node(value) {
            Node::Reduce { arg, axes, batch: false, .. } => {
                self.reduction_at_element(value, *arg, *axes, axis)
            }
            Node::Gate { gate, args } => {
                let args = args.iter().map(|&arg| self.at_element_again(arg, axis)).collect();
                self.circuit.intern(Node::Gate { gate: *gate, args })
            }
            _ => return self.at_element(value, axis),
        };
        self.others.insert((value, Some(axis)), found);
        found
    }

    /// A reduction at the element of a dimension that it keeps.
    fn reduction_at_element(&mut self, value: ValueId, arg: ValueId, axes: AxisSet, axis: usize) -> ValueId {
        let Node::Reduce { reducer, batch, .. } = self.source().node(value) else {
            unreachable!("it is a reduction")
        };
        let rank = self.source().shape(arg).dims.len();
        let inner = (0..rank).filter(|&k| !axes.contains(k)).nth(axis).expect("a dimension that is kept");
        let arg = self.at_element(arg, inner);
        let axes = AxisSet::of(axes.iter().map(|k| k - usize::from(k > inner)));
        self.circuit.intern(Node::Reduce { reducer: *reducer, arg, axes, batch: *batch })
    }

    /// What is stored outside, at the element.
    fn part(&mut self, value: ValueId, axis: usize) -> ValueId {
        let mut dims = vec![Along::ALL; self.source().shape(value).dims.len()];
        dims[axis] = Along::ELEMENT;
        let of = self.parting.outside(value);
        self.slot(value, Slice { of, own: false, dims, lag: None })
    }

    /// What is the same for all elements, computed outside for the first.
    fn first(&mut self, value: ValueId, axis: usize) -> ValueId {
        let shape = self.source().shape(value);
        let out = less(shape, axis);
        let rank = out.dims.len();
        let coord = |k: usize| match k {
            k if k == axis => Affine::constant(0, rank),
            k => Affine::axis(k - usize::from(k > axis), rank),
        };
        let coords = (0..shape.dims.len()).map(coord).collect();
        let view = View { coords, guards: vec![], fill: F64::new(0.0), out };
        let of = self.parting.outside(value);
        let of = self.parting.circuit.view(of, view);
        self.parting.noted(of, value);
        self.whole_slot(value, of)
    }

    fn view_at_element(&mut self, value: ValueId, view: &View, axis: usize) -> ValueId {
        let Node::View { arg, .. } = self.source().node(value) else { unreachable!("it is a view") };
        if still(view, axis) {
            let arg = self.whole(*arg);
            return self.circuit.view(arg, at_rest(view, axis));
        }
        if let Some(inner) = (0..view.coords.len()).find(|&k| view.coords[k].as_axis() == Some(axis)) {
            let rest = View { coords: without(&view.coords, inner), ..view.clone() };
            if still(&rest, axis) && view.out.dims[axis] <= self.source().shape(*arg).dims[inner] {
                let arg = self.at_element(*arg, inner);
                return self.circuit.view(arg, at_rest(&rest, axis));
            }
        }
        match self.parting.facts.exact_view(value) {
            Some((view, arg)) => self.moving(view, arg, axis),
            None => self.part(value, axis),
        }
    }

    /// An affine read, inside everywhere, that moves with the element.
    fn moving(&mut self, view: &View, arg: ValueId, axis: usize) -> ValueId {
        let (mut dims, mut coords) = (vec![], vec![]);
        for coord in &view.coords {
            let mut rest = coord.clone();
            let step = rest.c.remove(axis);
            let kept = rest.c.iter().any(|&c| c != 0);
            dims.push(Along { kept, start: if kept { 0 } else { rest.b }, step });
            coords.extend(kept.then_some(rest));
        }
        let of = self.parting.outside(arg);
        let slot = self.slot(arg, Slice { of, own: false, dims, lag: None });
        self.circuit
            .view(slot, View { out: less(&view.out, axis), coords, guards: vec![], fill: F64::new(0.0) })
    }

    /// A value outside that is the same for all elements.
    fn whole(&mut self, value: ValueId) -> ValueId {
        if let Some(&known) = self.others.get(&(value, None)) {
            return known;
        }
        let source = self.source();
        let found = match (self.parting.facts.known(value), source.node(value)) {
            (Some(known), _) => self.known(known, source.shape(value)),
            (None, Node::Leaf(leaf @ Leaf::Iota(_))) => self.circuit.leaf(leaf.clone()),
            (None, Node::View { arg, view }) if !self.parting.marks.is_stored(value) => {
                let arg = self.whole(*arg);
                self.circuit.view(arg, (**view).clone())
            }
            _ => {
                let of = self.parting.outside(value);
                self.whole_slot(value, of)
            }
        };
        self.others.insert((value, None), found);
        found
    }

    fn whole_slot(&mut self, origin: ValueId, of: ValueId) -> ValueId {
        let dims = vec![Along::ALL; self.parting.circuit.shape(of).dims.len()];
        self.slot(origin, Slice { of, own: false, dims, lag: None })
    }

    /// A number, or scalar of the step.
    fn known(&mut self, known: Known, shape: &Shape) -> ValueId {
        let scalar = match known {
            Known::Number(number) => self.circuit.number(number),
            Known::Scalar(scalar) => self.scalar(scalar),
        };
        self.circuit.broadcast(scalar, shape)
    }

    /// A scalar of the step, computed from the same as outside.
    fn scalar(&mut self, scalar: ValueId) -> ValueId {
        let source = self.source();
        for value in reachable(source, [scalar]).iter() {
            let copy = source.node(value).with_operands(|operand| self.others[&(operand, None)]);
            let copy = self.circuit.intern(copy);
            self.others.insert((value, None), copy);
            self.origins.resize(self.circuit.len(), value);
        }
        self.others[&(scalar, None)]
    }

    /// The slot that holds a part of what stands for a value.
    fn slot(&mut self, origin: ValueId, slice: Slice) -> ValueId {
        if let Some(&known) = self.slots.get(&slice) {
            return known;
        }
        let circuit = if slice.own { self.source() } else { &self.parting.circuit };
        let shape = circuit.shape(slice.of);
        let kept = shape.dims.iter().zip(&slice.dims).filter(|(_, along)| along.kept);
        let slot = self.circuit.declare(Slot {
            name: self.parting.facts.name(origin),
            role: SlotRole::State,
            shape: Shape { batch: shape.batch, dims: kept.map(|(&extent, _)| extent).collect() },
            kind: circuit.kind(slice.of),
            classes: None,
            span: None,
        });
        self.slots.insert(slice.clone(), slot);
        self.reads.push(slice);
        slot
    }
}

/// Whether a node of a recurrence can be computed again at one element, from what is stored.
pub(super) fn has_elements(node: &Node) -> bool {
    matches!(node, Node::Gate { .. } | Node::Reduce { .. })
}

/// All but one of them.
fn without(coords: &[Affine], k: usize) -> Vec<Affine> {
    coords.iter().enumerate().filter(|&(other, _)| other != k).map(|(_, coord)| coord.clone()).collect()
}

/// A shape without one dimension.
pub(super) fn less(shape: &Shape, axis: usize) -> Shape {
    let mut shape = shape.clone();
    shape.dims.remove(axis);
    shape
}

/// Whether nothing in a view depends on an output dimension.
fn still(view: &View, axis: usize) -> bool {
    let guards = view.guards.iter().map(|guard| &guard.e);
    view.coords.iter().chain(guards).all(|e| e.c[axis] == 0)
}

/// A view without an output dimension on which nothing in it depends.
fn at_rest(view: &View, axis: usize) -> View {
    let fixed = |e: &Affine| {
        let mut e = e.clone();
        e.c.remove(axis);
        e
    };
    View {
        out: less(&view.out, axis),
        coords: view.coords.iter().map(fixed).collect(),
        guards: view.guards.iter().map(|guard| Guard { e: fixed(&guard.e), ..*guard }).collect(),
        fill: view.fill,
    }
}
