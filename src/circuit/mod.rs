//! The circuit: gates over arrays, written once for a single example.
//!
//! A [`Circuit`] is an interned, append-only arena. Operands precede their users, so ascending [`ValueId`]s are
//! the forward order (but for what a lag reads: [`recurrence`]), and building the same gate twice gives the same value. The kinds of [`Node`] are all that
//! passes match on; there is no dense, no convolution and no matrix product: a contraction is a sum of products
//! of views, and the planner recognises it.
//!
//! - [`numbers`]: arrays of f32 or of f64.
//! - [`node`]: the kinds of node, and what leaves there are.
//! - [`shape`]: shapes, and the implicit batch axis.
//! - [`view`]: affine reads in closed form: composition and transposition.
//! - [`gates`]: the table of pointwise gates; adding a gate is adding a row.
//! - [`formula`]: the notation of its vector-Jacobian products, and of rewrite rules.
//! - [`machine`]: straight-line programs that gates expand into, the same for every f32 backend.
//! - [`expansions`]: those expansions that are more than one operation.
//! - [`draw`]: random numbers as a pure function of where they are drawn.
//! - [`graph`]: the circuit as a graph, for petgraph.
//! - [`kinds`]: numbers, integers and conditions: of which kind a value is.
//! - [`known`]: which values are known once a step.
//! - `wording`: how a gate and its rule are written for a reader.
//! - [`recurrence`]: cycles that lags close, and the order in which values can be computed.
//! - [`verify`]: what must hold of every circuit.

pub mod draw;
pub mod expansions;
pub mod formula;
pub mod gates;
pub mod graph;
mod kinds;
pub mod known;
pub mod machine;
pub mod node;
pub mod numbers;
pub mod recurrence;
#[cfg(test)]
pub mod samples;
pub mod shape;
pub mod verify;
pub mod view;
mod wording;

pub use gates::Gate;
pub use node::{AxisSet, F64, Kind, Leaf, Node, Reducer, Slot, SlotId, SlotRole, StepValue, Variable};
pub use numbers::{Dtype, Numbers, Slice, SliceMut};
pub use shape::Shape;
pub use view::{Transposed, View};
pub use wording::OPERANDS;

use crate::diagnostic::Span;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A value of a circuit: the output of one node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ValueId(pub u32);

impl ValueId {
    /// Its place in the arena.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A statement of a program in one call of its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Path of the call that it belongs to, `h.gru`; empty for the net.
    pub owner: String,
    /// Name of what is called there, `gru`.
    pub callee: Option<String>,
    /// What the statement defines, `c`; `None` for a body of one expression.
    pub equation: Option<String>,
    /// The statement, or the expression.
    pub span: Span,
    /// Where that is in the user's own text: itself, or the innermost call there that it belongs to.
    pub line: Span,
}

/// Handle of a [`Place`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct PlaceId(pub u32);

/// Where a value came from: shown beside printed lines, never part of a value's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Origin {
    /// The source that it was elaborated from; for a cotangent, that of the forward value.
    pub span: Option<Span>,
    /// The statement of which that is a part.
    pub place: Option<PlaceId>,
    /// For a derived gate, the rule that made it (`"y = tanh(a): a_bar = y_bar * (1 - y * y)"`).
    pub rule: Option<&'static str>,
}

/// A value that a person named. One value may have several names.
#[derive(Clone, PartialEq, Debug)]
pub struct Named {
    /// Full path with instances: `logits`, `out.W`, `loss.cross_entropy.logsumexp.m`.
    pub path: String,
    /// What it names.
    pub value: ValueId,
    /// A name for the index of each of the value's dimensions, as written on its left side where it was.
    pub indices: Vec<String>,
    /// How many leading dimensions are mapped axes of the enclosing call, which its own text does not show.
    pub mapped: usize,
    /// Its definition.
    pub span: Option<Span>,
}

/// A name that [`crate::differentiate`] gave: that of the cotangent of a named value.
#[derive(Clone, PartialEq, Debug)]
pub struct CotangentName {
    /// Which of [`Circuit::names`].
    pub name: usize,
    /// Path of the value whose cotangent it is.
    pub of: String,
    /// The equation that its (first) share came from, and by which rule.
    pub origin: Origin,
    /// How.
    pub derivation: Derivation,
    /// Whether it belongs to a derivative that the net itself asks for, not to that of its loss.
    pub inner: bool,
}

/// An interned arena of nodes with their shapes, kinds, origins and names.
#[derive(Clone, Debug, Default)]
pub struct Circuit {
    nodes: Vec<Node>,
    shapes: Vec<Shape>,
    kinds: Vec<Kind>,
    origins: Vec<Origin>,
    interned: FxHashMap<Node, ValueId>,
    slots: Vec<Slot>,
    variables: Vec<Option<ValueId>>,
    names: Vec<Named>,
    cotangents: Vec<CotangentName>,
    hints: FxHashMap<ValueId, Hint>,
    places: Vec<Place>,
    origin: Origin,
}

/// How a cotangent came from others with a name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Derivation {
    /// By which rules, one after another.
    pub chain: Vec<Origin>,
    /// Where its shares came from, in the order of the text, if it is a sum of several.
    pub uses: Vec<Origin>,
}

/// What a cotangent without a name is a cotangent of: what it may be called where it needs a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    /// The forward expression.
    pub of: Origin,
    /// What that is: `sum`, `tanh`.
    pub noun: &'static str,
    /// How it came.
    pub derivation: Derivation,
}

impl Circuit {
    /// An empty circuit.
    pub fn new() -> Self {
        Self::default()
    }

    /// A circuit with the slots of another, in their order, and their leaves, and with its variables, still open.
    pub fn with_slots_of(other: &Circuit) -> Self {
        let variables = vec![None; other.variables.len()];
        let mut circuit = Self { variables, places: other.places.clone(), ..Self::new() };
        for slot in &other.slots {
            circuit.declare(slot.clone());
        }
        circuit
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All values in forward order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = ValueId> + use<> {
        (0..self.nodes.len() as u32).map(ValueId)
    }

    /// The node that computes a value.
    pub fn node(&self, value: ValueId) -> &Node {
        &self.nodes[value.index()]
    }

    /// The shape of a value.
    pub fn shape(&self, value: ValueId) -> &Shape {
        &self.shapes[value.index()]
    }

    /// The kind of a value's elements.
    pub fn kind(&self, value: ValueId) -> Kind {
        self.kinds[value.index()]
    }

    /// Where a value came from first.
    pub fn origin(&self, value: ValueId) -> Origin {
        self.origins[value.index()]
    }

    /// The origin that values built from now on get.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// The origin that values built now get.
    pub fn current_origin(&self) -> Origin {
        self.origin
    }

    /// The slots, in the order of their declaration.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// One slot.
    pub fn slot(&self, id: SlotId) -> &Slot {
        &self.slots[id.0 as usize]
    }

    /// Notes a statement that values may come from.
    pub fn add_place(&mut self, place: Place) -> PlaceId {
        self.places.push(place);
        PlaceId(self.places.len() as u32 - 1)
    }

    /// The statement that something came from, if that is known.
    pub fn place(&self, origin: Origin) -> Option<&Place> {
        origin.place.map(|place| &self.places[place.0 as usize])
    }

    /// Where the user's own text makes a value that goes by this path: its definition, or the call that it belongs to.
    pub fn line_of(&self, value: ValueId, path: &str) -> Option<Span> {
        let named = self.names.iter().find(|named| named.path == path).and_then(|named| named.span);
        let slot = self.slots.iter().find(|slot| slot.name == path).and_then(|slot| slot.span);
        self.place(self.origin(value)).map(|place| place.line).or(named).or(slot)
    }

    /// What a cotangent without a name may be called after.
    pub fn hint(&self, value: ValueId) -> Option<&Hint> {
        self.hints.get(&value)
    }

    /// Notes what a value is the cotangent of. The first note stays.
    pub fn add_hint(&mut self, value: ValueId, hint: Hint) {
        self.hints.entry(value).or_insert(hint);
    }

    /// Every note of what an unnamed cotangent is a cotangent of.
    pub fn hints(&self) -> impl Iterator<Item = (ValueId, &Hint)> {
        let mut all: Vec<(ValueId, &Hint)> = self.hints.iter().map(|(&value, hint)| (value, hint)).collect();
        all.sort_unstable_by_key(|(value, _)| *value);
        all.into_iter()
    }

    /// Every name, in the order in which they were given.
    pub fn names(&self) -> &[Named] {
        &self.names
    }

    /// Names a value.
    pub fn name(&mut self, named: Named) {
        debug_assert_eq!(named.indices.len(), self.shape(named.value).dims.len(), "{}", named.path);
        self.names.push(named);
    }

    /// Which of the names are those of cotangents, in the order in which they were given.
    pub fn cotangents(&self) -> &[CotangentName] {
        &self.cotangents
    }

    /// The name of the cotangent of the value called `of` by the objective, if it was given one.
    pub fn cotangent_of(&self, of: &str) -> Option<&CotangentName> {
        self.cotangents.iter().find(|cotangent| !cotangent.inner && cotangent.of == of)
    }

    /// Names a cotangent; which of the names it is to be is found here.
    pub fn name_cotangent(&mut self, named: Named, cotangent: CotangentName) {
        self.cotangents.push(CotangentName { name: self.names.len(), ..cotangent });
        self.name(named);
    }

    /// For each named value the name to show: the one nearest to the top of the net, the first of those.
    pub fn shown_names(&self) -> FxHashMap<ValueId, &Named> {
        let depth = |named: &Named| named.path.matches('.').count();
        let mut shown: FxHashMap<ValueId, &Named> = FxHashMap::default();
        for named in &self.names {
            let best = shown.entry(named.value).or_insert(named);
            if depth(named) < depth(best) {
                *best = named;
            }
        }
        shown
    }

    /// Declares a slot and returns its leaf.
    pub fn declare(&mut self, slot: Slot) -> ValueId {
        let id = SlotId(self.slots.len() as u32);
        self.slots.push(slot);
        self.leaf(Leaf::Slot(id))
    }

    /// A leaf.
    pub fn leaf(&mut self, leaf: Leaf) -> ValueId {
        self.intern(Node::Leaf(leaf))
    }

    /// A number: a shared scalar.
    pub fn number(&mut self, value: f64) -> ValueId {
        self.leaf(Leaf::Number(F64::new(value)))
    }

    /// A number filling a shape.
    pub fn fill(&mut self, value: f64, shape: &Shape) -> ValueId {
        let number = self.number(value);
        self.broadcast(number, shape)
    }

    /// `0, 1, .. extent - 1` along one axis.
    pub fn iota(&mut self, extent: u32) -> ValueId {
        self.leaf(Leaf::Iota(extent))
    }

    /// A pointwise gate. All operands have the same shape: use [`Circuit::lift`] where they may differ.
    pub fn gate(&mut self, gate: Gate, args: &[ValueId]) -> ValueId {
        assert_eq!(args.len(), gate.row().arity, "operands of {}", gate.row().name);
        for pair in args.windows(2) {
            assert_eq!(self.shape(pair[0]), self.shape(pair[1]), "operands of {}", gate.row().name);
        }
        self.intern(Node::Gate { gate, args: args.into() })
    }

    /// A pointwise gate whose operands may be scalars or shared where another is an array or per example.
    pub fn lift(&mut self, gate: Gate, args: &[ValueId]) -> ValueId {
        let batch = args.iter().any(|&a| self.shape(a).batch);
        let dims = args.iter().map(|&a| &self.shape(a).dims).max_by_key(|dims| dims.len());
        let shape = Shape { batch, dims: dims.cloned().unwrap_or_default() };
        let args: Vec<ValueId> = args.iter().map(|&a| self.broadcast(a, &shape)).collect();
        self.gate(gate, &args)
    }

    /// A scalar or equal-dimensioned value as one of the given shape (scalar to array, shared to per example).
    pub fn broadcast(&mut self, arg: ValueId, shape: &Shape) -> ValueId {
        let from = self.shape(arg).clone();
        if &from == shape {
            return arg;
        }
        assert!(from.dims.is_empty() || from.dims == shape.dims, "broadcast {from:?} to {shape:?}");
        assert!(shape.batch || !from.batch, "a per-example value cannot become a shared one");
        let axes: Vec<usize> = (0..from.dims.len()).collect();
        self.view(arg, View::select(shape.clone(), &axes, &from.dims))
    }

    /// A view, in its normal form; the identity is the operand itself, and a view of a view is one view where
    /// that is exact.
    pub fn view(&mut self, arg: ValueId, view: View) -> ValueId {
        debug_assert_eq!(view.coords.len(), self.shape(arg).dims.len());
        let view = view.normalised(self.shape(arg)).unwrap_or(view);
        if view.is_identity(self.shape(arg)) {
            return arg;
        }
        // What reads nothing of a number depends on nothing: it must not stand on the cycle of a recurrence.
        let nowhere = view.guards.iter().any(|guard| guard.lo >= guard.hi);
        if nowhere && self.kind(arg) == Kind::Real {
            return self.fill(view.fill.get(), &view.out);
        }
        if let Node::View { arg: inner_arg, view: inner } = self.node(arg).clone()
            && let Some(composed) = inner.compose(&view, self.shape(inner_arg))
        {
            return self.view(inner_arg, composed);
        }
        self.intern(Node::View { arg, view: Arc::new(view) })
    }

    /// The adjoint of reading an operand of shape `operand` by `view`, at a cotangent of the shape that the view
    /// gives. What the view only spread is summed first, so that a broadcast is undone by nothing but a sum.
    /// A shared operand that was read per example gets one share an example: the caller takes the mean.
    pub fn view_adjoint(&mut self, cotangent: ValueId, view: &View, operand: &Shape) -> ValueId {
        let (spread, rest) = view.transpose(operand).split();
        let first = self.sum(cotangent, spread);
        let read = self.view(first, rest.view);
        self.sum(read, rest.summed)
    }

    /// A reduction over the dimensions in `axes` and, if `batch`, the mean over the batch (sums only).
    /// Reducing over nothing is the operand itself.
    pub fn reduce(&mut self, reducer: Reducer, arg: ValueId, axes: AxisSet, batch: bool) -> ValueId {
        if axes.is_empty() && !batch {
            return arg;
        }
        self.intern(Node::Reduce { reducer, arg, axes, batch })
    }

    /// The sum over some dimensions.
    pub fn sum(&mut self, arg: ValueId, axes: AxisSet) -> ValueId {
        self.reduce(Reducer::Sum, arg, axes, false)
    }

    /// The mean over the batch of a per-example value; a shared value is its own mean.
    pub fn mean_batch(&mut self, arg: ValueId) -> ValueId {
        if !self.shape(arg).batch {
            return arg;
        }
        self.reduce(Reducer::Sum, arg, AxisSet::default(), true)
    }

    /// Joins dimension `axis` and the next one, row-major.
    pub fn merge(&mut self, arg: ValueId, axis: usize) -> ValueId {
        self.intern(Node::Merge { arg, axis: axis as u8 })
    }

    /// `out[o] = table[o, index[o]]`: the table has one more, last, dimension than the index.
    pub fn gather(&mut self, table: ValueId, index: ValueId) -> ValueId {
        self.intern(Node::Gather { table, index })
    }

    /// `out[v, q] = sum[o] (if index[o] == v then value[o, q] else 0)` for `v < extent`, the mean over the
    /// batch if the operands are per example.
    pub fn scatter(&mut self, index: ValueId, value: ValueId, extent: u32) -> ValueId {
        self.intern(Node::Scatter { index, value, extent })
    }

    /// A variable of its own, to be read by lags now and closed later.
    pub fn variable(&mut self) -> Variable {
        self.variables.push(None);
        Variable(self.variables.len() as u32 - 1)
    }

    /// `out[.., t, ..] = variable[.., t - by, ..]` along dimension `axis`, `fill` outside; a real of the shape that
    /// the variable's source will have.
    pub fn lag(&mut self, variable: Variable, axis: usize, by: i32, fill: f64, shape: &Shape) -> ValueId {
        let (axis, fill) = (axis as u8, F64::new(fill));
        self.intern(Node::Lag { variable, axis, by, fill, shape: shape.clone() })
    }

    /// Says what a variable stands for.
    ///
    /// # Panics
    /// If it was said before.
    pub fn close(&mut self, variable: Variable, source: ValueId) {
        let closed = self.variables[variable.0 as usize].replace(source);
        assert!(closed.is_none(), "{variable:?} was {closed:?} already");
    }

    /// What a variable stands for, if it is closed.
    pub fn source(&self, variable: Variable) -> Option<ValueId> {
        self.variables[variable.0 as usize]
    }

    /// Every variable, in the order in which they were made.
    pub fn variables(&self) -> impl Iterator<Item = Variable> + use<> {
        (0..self.variables.len() as u32).map(Variable)
    }

    /// Calls `f` with all that a value is computed from: its operands, in order, with repeats, and the source of a
    /// lag.
    pub fn for_each_dependency(&self, value: ValueId, mut f: impl FnMut(ValueId)) {
        match self.node(value) {
            Node::Lag { variable, .. } => self.source(*variable).into_iter().for_each(f),
            node => node.for_each_operand(&mut f),
        }
    }

    /// A node as it stands, without normalisation: for passes that copy a circuit.
    pub fn add_node(&mut self, node: Node) -> ValueId {
        self.intern(node)
    }

    /// `a + b`
    pub fn add(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.lift(gates::ADD, &[a, b])
    }

    /// `a - b`
    pub fn sub(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.lift(gates::SUB, &[a, b])
    }

    /// `a * b`
    pub fn mul(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.lift(gates::MUL, &[a, b])
    }

    /// `a / b`
    pub fn div(&mut self, a: ValueId, b: ValueId) -> ValueId {
        self.lift(gates::DIV, &[a, b])
    }

    /// `if condition then a else b`
    pub fn select(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> ValueId {
        self.lift(gates::SELECT, &[condition, a, b])
    }

    /// The value of a node, if it is there.
    pub fn find(&self, node: &Node) -> Option<ValueId> {
        self.interned.get(node).copied()
    }

    /// Adds a node as it stands, unless it is there already: for passes that bring it into a form of their own.
    pub fn intern(&mut self, node: Node) -> ValueId {
        if let Some(&known) = self.interned.get(&node) {
            return known;
        }
        let shape = self.shape_of(&node);
        let kind = self.kind_of(&node);
        let id = ValueId(u32::try_from(self.nodes.len()).expect("fewer than 2^32 values"));
        self.nodes.push(node.clone());
        self.shapes.push(shape);
        self.kinds.push(kind);
        self.origins.push(self.origin);
        self.interned.insert(node, id);
        id
    }

    /// The shape that a node gives, from those of its operands.
    pub fn shape_of(&self, node: &Node) -> Shape {
        match node {
            Node::Leaf(leaf) => match leaf {
                Leaf::Slot(id) => self.slot(*id).shape.clone(),
                Leaf::Number(_) | Leaf::Step(_) => Shape::scalar(),
                Leaf::Iota(extent) => Shape { batch: false, dims: vec![*extent] },
                Leaf::Draw { shape, .. } => shape.clone(),
            },
            Node::Gate { args, .. } => self.shape(args[0]).clone(),
            Node::Reduce { arg, axes, batch, .. } => {
                let from = self.shape(*arg);
                assert!(from.batch || !batch, "mean over the batch of a shared value");
                let dims = from.dims.iter().enumerate().filter(|(k, _)| !axes.contains(*k));
                Shape { batch: from.batch && !batch, dims: dims.map(|(_, &extent)| extent).collect() }
            }
            Node::View { view, .. } => view.out.clone(),
            Node::Merge { arg, axis } => {
                let mut shape = self.shape(*arg).clone();
                let inner = shape.dims.remove(*axis as usize + 1);
                shape.dims[*axis as usize] *= inner;
                shape
            }
            Node::Gather { table, index } => {
                let (table, index) = (self.shape(*table), self.shape(*index));
                assert_eq!(table.batch, index.batch, "gather: both per example or both shared");
                assert_eq!(&table.dims[..table.dims.len() - 1], &index.dims[..], "gather: aligned axes");
                index.clone()
            }
            Node::Scatter { index, value, extent } => {
                let (index, value) = (self.shape(*index), self.shape(*value));
                assert_eq!(index.batch, value.batch, "scatter: both per example or both shared");
                let rank = index.dims.len();
                assert_eq!(index.dims[..], value.dims[..rank], "scatter: aligned axes");
                let mut dims = vec![*extent];
                dims.extend(&value.dims[rank..]);
                Shape { batch: false, dims }
            }
            Node::Lag { shape, .. } => shape.clone(),
        }
    }
}
