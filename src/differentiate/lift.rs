//! The part of a circuit between two values with further leading dimensions, so that one backward pass gives the
//! gradients of many elements.
//!
//! The part is written again in a circuit of its own, in which what the gradient is taken by is a leaf with a copy for
//! each position. Every value there is its original spread over the further dimensions, so that when the backward
//! gates are brought back, they read the original.

use super::each::{Obstacle, Request};
use super::gradients;
use super::names::Naming;
use super::rules::permuted;
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{
    AxisSet, Circuit, CotangentName, Named, Node, Reducer, Shape, Slot, SlotRole, ValueId, Variable, View,
    gates,
};
use rustc_hash::FxHashMap;

/// No lifted value has more elements for one example.
const MAX_ELEMENTS: u64 = 1 << 30;

/// The lifted part.
pub(super) struct Lift {
    circuit: Circuit,
    extents: Vec<u32>,
    each_example: bool,
    /// The lifted form of each value that was needed.
    lifted: FxHashMap<ValueId, ValueId>,
    /// What a lifted value is spread from.
    original: FxHashMap<ValueId, ValueId>,
    /// The objectives, of which no two meet.
    objective: ValueId,
    wrt: ValueId,
}

impl Lift {
    /// Lifts the values of `path` over the dimensions of `of` in `apart`, and over the batch if `each_example`.
    ///
    /// # Errors
    /// At a value that would be too large.
    pub fn new(
        from: &Circuit,
        path: &[ValueId],
        request: &Request<'_>,
        apart: &[usize],
        each_example: bool,
    ) -> Result<Lift, Obstacle> {
        let dims = &from.shape(request.of).dims;
        let mut lift = Lift {
            circuit: Circuit::new(),
            extents: apart.iter().map(|&axis| dims[axis]).collect(),
            each_example,
            lifted: FxHashMap::default(),
            original: FxHashMap::default(),
            objective: request.of,
            wrt: request.wrt,
        };
        // A lag and what it reads have the same variable in both circuits.
        from.variables().for_each(|_| _ = lift.circuit.variable());
        let copies: u64 = lift.extents.iter().map(|&extent| u64::from(extent)).product();
        for &value in path {
            if from.shape(value).size() as u64 * copies > MAX_ELEMENTS {
                return Err(Obstacle::TooLarge(value));
            }
            lift.circuit.set_origin(from.origin(value));
            let new = if value == request.wrt { lift.leaf(from, value) } else { lift.node(from, value) };
            lift.lifted.insert(value, new);
            lift.original.insert(new, value);
        }
        for variable in from.variables() {
            let source = from.source(variable).and_then(|source| lift.lifted.get(&source));
            if let Some(&source) = source {
                lift.circuit.close(variable, source);
            }
        }
        lift.name_values(from, request, apart);
        lift.wrt = lift.lifted[&request.wrt];
        lift.objective = lift.diagonal(from, request.of, apart);
        Ok(lift)
    }

    fn count(&self) -> usize {
        self.extents.len()
    }

    /// The shape of a lifted value.
    fn shape(&self, of: &Shape) -> Shape {
        let dims = self.extents.iter().chain(&of.dims).copied().collect();
        Shape { batch: of.batch || self.each_example, dims }
    }

    /// A value that stands for itself.
    fn leaf(&mut self, from: &Circuit, value: ValueId) -> ValueId {
        let shape = self.shape(from.shape(value));
        let kind = from.kind(value);
        let slot =
            Slot { name: String::new(), role: SlotRole::Input, shape, kind, classes: None, span: None };
        self.circuit.declare(slot)
    }

    /// The lifted form of an operand: a leaf, where no gradient flows through it.
    fn operand(&mut self, from: &Circuit, value: ValueId) -> ValueId {
        if let Some(&known) = self.lifted.get(&value) {
            return known;
        }
        let new = self.leaf(from, value);
        self.lifted.insert(value, new);
        self.original.insert(new, value);
        new
    }

    fn node(&mut self, from: &Circuit, value: ValueId) -> ValueId {
        let by = self.count();
        let node = from.node(value);
        if let Node::Scatter { index, value, extent } = *node {
            return self.scatter(from, index, value, extent);
        }
        match node.with_operands(|operand| self.operand(from, operand)) {
            Node::Lag { variable, axis, by: lag, fill, shape } => {
                let shape = self.shape(&shape);
                self.circuit.lag(variable, usize::from(axis) + by, lag, fill.get(), &shape)
            }
            Node::Reduce { reducer, arg, axes, batch } => {
                let axes = AxisSet::of(axes.iter().map(|axis| axis + by));
                self.circuit.reduce(reducer, arg, axes, batch)
            }
            Node::View { arg, view } => {
                let view = self.view(&view);
                self.circuit.view(arg, view)
            }
            Node::Merge { arg, axis } => self.circuit.merge(arg, usize::from(axis) + by),
            node => self.circuit.intern(node),
        }
    }

    /// The same read at each position of the further dimensions.
    fn view(&self, view: &View) -> View {
        let by = self.count();
        let out = self.shape(&view.out);
        let rank = out.dims.len();
        let moved = |e: &Affine| {
            let c = std::iter::repeat_n(0, by).chain(e.c.iter().copied()).collect();
            Affine { c, ..e.clone() }
        };
        let coords =
            (0..by).map(|axis| Affine::axis(axis, rank)).chain(view.coords.iter().map(moved)).collect();
        let guards = view.guards.iter().map(|guard| Guard { e: moved(&guard.e), ..*guard }).collect();
        View { out, coords, guards, fill: view.fill }
    }

    /// `out[e, v, q] = sum[o] (if index[o] == v then value[e, o, q] else 0)`
    fn scatter(&mut self, from: &Circuit, index: ValueId, value: ValueId, extent: u32) -> ValueId {
        let by = self.count();
        let own = from.shape(index).dims.len();
        let dims = from.shape(value).dims.clone();
        let lifted = self.operand(from, value);
        if !self.each_example {
            // The further dimensions stand behind those of the index while it adds.
            let index = self.plain(from, index);
            let order: Vec<usize> = (by..by + own).chain(0..by).chain(by + own..by + dims.len()).collect();
            let value = permuted(&mut self.circuit, lifted, &order);
            let sums = self.circuit.scatter(index, value, extent);
            let rank = 1 + by + dims.len() - own;
            let order: Vec<usize> = (1..=by).chain([0]).chain(by + 1..rank).collect();
            return permuted(&mut self.circuit, sums, &order);
        }
        // A scatter takes the mean over the batch; each example's own is written out.
        let index = self.operand(from, index);
        let mut wide = self.circuit.shape(lifted).clone();
        wide.dims.insert(by, extent);
        let axes: Vec<usize> = (0..by).chain(by + 1..wide.dims.len()).collect();
        let circuit = &mut self.circuit;
        let spread = |circuit: &mut Circuit, value: ValueId| {
            let dims = circuit.shape(value).dims.clone();
            circuit.view(value, View::select(wide.clone(), &axes[..dims.len()], &dims))
        };
        let (index, terms) = (spread(circuit, index), spread(circuit, lifted));
        let iota = circuit.iota(extent);
        let own_position = circuit.view(iota, View::select(wide.clone(), &[by], &[extent]));
        let here = circuit.gate(gates::EQ, &[index, own_position]);
        let zero = circuit.number(0.0);
        let terms = circuit.select(here, terms, zero);
        circuit.reduce(Reducer::Sum, terms, AxisSet::of(by + 1..by + 1 + own), false)
    }

    /// A value without the further dimensions.
    fn plain(&mut self, from: &Circuit, value: ValueId) -> ValueId {
        let extents = std::mem::take(&mut self.extents);
        let new = self.leaf(from, value);
        self.extents = extents;
        self.original.insert(new, value);
        new
    }

    /// Lifted values have the names of what they are spread from.
    fn name_values(&mut self, from: &Circuit, request: &Request<'_>, apart: &[usize]) {
        for (value, named) in from.shown_names() {
            let Some(&lifted) = self.lifted.get(&value) else { continue };
            let mut indices: Vec<String> = apart.iter().map(|&axis| request.indices[axis].clone()).collect();
            for index in &named.indices {
                let numbered = (2..).map(|k| format!("{index}{k}"));
                let mut all = std::iter::once(index.clone()).chain(numbered);
                indices.push(all.find(|name| !indices.contains(name)).expect("numbers do not end"));
            }
            self.circuit.name(Named { value: lifted, indices, mapped: 0, ..named.clone() });
        }
    }

    /// Each element of `of` at the copy of its own.
    fn diagonal(&mut self, from: &Circuit, of: ValueId, apart: &[usize]) -> ValueId {
        let by = self.count();
        let shape = from.shape(of);
        let mut out = Shape { batch: shape.batch || self.each_example, dims: self.extents.clone() };
        let mut axes: Vec<usize> = (0..by).collect();
        for (axis, &extent) in shape.dims.iter().enumerate() {
            axes.push(apart.iter().position(|&a| a == axis).unwrap_or_else(|| {
                out.dims.push(extent);
                out.dims.len() - 1
            }));
        }
        let lifted = self.lifted[&of];
        let dims = self.circuit.shape(lifted).dims.clone();
        self.circuit.view(lifted, View::select(out, &axes, &dims))
    }

    /// The gradient of the objectives, appended to the circuit that this is lifted from.
    pub fn gradient(mut self, to: &mut Circuit, request: &Request<'_>) -> Option<ValueId> {
        let naming = Naming::within(&self.circuit, to, request, [self.objective, self.wrt]);
        let found = gradients(&mut self.circuit, self.objective, &[self.wrt], naming)[0]?;
        let before = to.current_origin();
        let named = self.circuit.cotangents().iter().map(|c| self.circuit.names()[c.name].value);
        let map = self.bring_back(to, &named.chain([found]).collect::<Vec<_>>());
        for cotangent in self.circuit.cotangents() {
            let named = &self.circuit.names()[cotangent.name];
            let named = Named { value: map[&named.value], ..named.clone() };
            to.name_cotangent(named, CotangentName { inner: true, ..cotangent.clone() });
        }
        to.set_origin(before);
        Some(map[&found])
    }

    /// Writes what some values need into another circuit.
    fn bring_back(&self, to: &mut Circuit, roots: &[ValueId]) -> FxHashMap<ValueId, ValueId> {
        let mut needed = vec![false; self.circuit.len()];
        let mut open = roots.to_vec();
        while let Some(value) = open.pop() {
            let is_new = !std::mem::replace(&mut needed[value.index()], true);
            if is_new && !self.original.contains_key(&value) {
                self.circuit.for_each_dependency(value, |operand| open.push(operand));
            }
        }
        let mut map: FxHashMap<ValueId, ValueId> = FxHashMap::default();
        let mut variables: FxHashMap<Variable, Variable> = FxHashMap::default();
        for value in self.circuit.values().filter(|value| needed[value.index()]) {
            to.set_origin(self.circuit.origin(value));
            let new = match (self.original.get(&value), self.circuit.node(value)) {
                (Some(&original), _) => spread(to, original, self.circuit.shape(value)),
                (None, Node::View { arg, view }) => to.view(map[arg], (**view).clone()),
                (None, &Node::Lag { variable, axis, by, fill, ref shape }) => {
                    let variable = *variables.entry(variable).or_insert_with(|| to.variable());
                    to.lag(variable, axis.into(), by, fill.get(), shape)
                }
                (None, node) => to.intern(node.with_operands(|operand| map[&operand])),
            };
            debug_assert_eq!(to.shape(new), self.circuit.shape(value));
            map.insert(value, new);
        }
        for (from, variable) in variables {
            let source = self.circuit.source(from).expect("differentiation closes what it opens");
            to.close(variable, map[&source]);
        }
        map
    }
}

/// A value over further leading dimensions.
fn spread(circuit: &mut Circuit, value: ValueId, over: &Shape) -> ValueId {
    let dims = circuit.shape(value).dims.clone();
    let first = over.dims.len() - dims.len();
    let axes: Vec<usize> = (first..over.dims.len()).collect();
    circuit.view(value, View::select(over.clone(), &axes, &dims))
}
