//! Which values are computed by themselves (kernels) and which are part of their readers, and the graph of
//! kernels.
//!
//! A kernel is: what a root asks for; a reduction or scatter; what is read through memory (operands of
//! contractions, tables, reads that may lie outside, regrouped axes); what would be computed again for every
//! element of an axis that it does not have; and what several values read if it is dear. All else is inlined.

use super::Wanted;
use super::facts::{Dependence, Facts, Located, reads_once};
use super::frame::Frame;
use super::order::{FoldAxis, fold_axes};
use super::product::{Held, Product, recognise};
use super::schedule::{Extent, Order};
use crate::circuit::machine::{Op, program};
use crate::circuit::view::Affine;
use crate::circuit::{Gate, Leaf, Node, ValueId};
use petgraph::graph::{DiGraph, NodeIndex};
use rustc_hash::FxHashMap;

/// From this price on, in machine operations, what several values read is computed once: a division is not, a
/// division and a root are, and so is what has a series.
pub(super) const DEAR: u32 = 8;

/// From this price on, what one value reads is named too: formulas stay of a size that recursion can follow.
const LONG: u32 = 256;

/// The kernels of a circuit. An edge leads from a kernel to a reader.
pub(super) struct Kernels<'a> {
    /// Of the circuit.
    pub facts: &'a Facts<'a>,
    /// In an order in which what is read comes first.
    pub graph: DiGraph<Kernel, Read>,
    /// Where each is.
    pub of: FxHashMap<Target, NodeIndex>,
    /// Reads of slots.
    pub slot_reads: Vec<SlotRead>,
}

/// What is computed by itself.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    /// What.
    pub target: Target,
    /// How.
    pub work: Work,
    /// The axes of its loops, outermost first.
    pub axes: Vec<Extent>,
    /// For a fold over a single dimension: its extent.
    pub folds: Option<Extent>,
    /// Whether it is a fold that is best vectorised along its last kept axis.
    pub column: bool,
    /// Whether it has to be in memory.
    pub stored: bool,
    /// The roots that it gives.
    pub roots: Vec<usize>,
}

/// What a kernel computes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Target {
    /// A value at its own domain.
    Value(ValueId),
    /// A value that comes from outside, for a root.
    Copy(ValueId),
    /// A value over some of its axes: those on which it depends.
    Restricted(ValueId, Dependence),
    /// A value inside a frame.
    Frame(Frame),
}

/// How a kernel computes.
#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Element by element.
    Points,
    /// A reduction by these loops.
    Fold(Vec<FoldAxis>),
    /// A step of its own: a contraction.
    Contract(Product),
    /// A step of its own: a scatter.
    Scatter,
    /// A step of its own: the recurrence of this number. It gives this value first.
    Recur(usize),
    /// A further value of that recurrence.
    Given(usize),
    /// The fill, then the elements.
    Frame,
}

/// A kernel's read of another one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    /// On how many leading axes the reader reads the element of its own iteration: so many loops they may share.
    pub depth: usize,
    /// Whether it reads from memory in any case.
    pub memory: bool,
}

/// A kernel's read of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotRead {
    /// The slot's leaf.
    pub slot: ValueId,
    /// Who reads.
    pub reader: NodeIndex,
    /// On how many leading axes it reads the element of its own iteration.
    pub depth: usize,
}

impl Kernel {
    /// Whether it is a step by itself rather than loops.
    pub fn is_step(&self) -> bool {
        matches!(self.work, Work::Contract(_) | Work::Scatter | Work::Recur(_) | Work::Given(_))
    }
}

impl Target {
    /// The value of the circuit that it is, or is made of.
    pub fn value(&self) -> ValueId {
        match self {
            Target::Value(value) | Target::Copy(value) | Target::Restricted(value, _) => *value,
            Target::Frame(frame) => frame.of,
        }
    }

    /// The axes of what it is stored as: whether per example, and the dimensions.
    pub fn domain(&self, facts: &Facts) -> (bool, Vec<u32>) {
        let shape = facts.shape(self.value());
        match self {
            Target::Value(_) | Target::Copy(_) => (shape.batch, shape.dims.clone()),
            Target::Restricted(_, axes) => (axes.batch, axes.dims.iter().map(|k| shape.dims[k]).collect()),
            Target::Frame(frame) => (shape.batch, frame.dims.iter().map(|dim| dim.extent).collect()),
        }
    }
}

/// Decides what the kernels are.
pub(super) fn kernels<'a>(facts: &'a Facts<'a>, roots: &[Wanted]) -> Kernels<'a> {
    let mut choice = Choice::new(facts);
    choice.demands();
    choice.roots(roots);
    choice.dear();
    let mut kernels = Kernels { facts, graph: DiGraph::new(), of: FxHashMap::default(), slot_reads: vec![] };
    for value in facts.circuit.values() {
        if facts.live[value.index()] {
            kernels.prepare(value);
        }
        if choice.explicit[value.index()] {
            kernels.add(Target::Value(value), choice.stored[value.index()]);
        }
    }
    for (k, root) in roots.iter().enumerate() {
        let owner = facts.owner(root.value);
        let outside = is_slot(facts, owner) || facts.known(owner).is_some();
        let target = if outside { Target::Copy(owner) } else { Target::Value(owner) };
        let node = kernels.add(target, true);
        kernels.graph[node].roots.push(k);
    }
    kernels.connect();
    kernels
}

/// Which values are kernels.
struct Choice<'a> {
    facts: &'a Facts<'a>,
    explicit: Vec<bool>,
    stored: Vec<bool>,
    /// How many readers of a view read it framed.
    framed: Vec<u32>,
    /// Products that nothing but a contraction reads: they are never computed.
    summed: Vec<bool>,
}

impl<'a> Choice<'a> {
    fn new(facts: &'a Facts<'a>) -> Self {
        let none = vec![false; facts.circuit.len()];
        let framed = vec![0; facts.circuit.len()];
        Choice { facts, explicit: none.clone(), stored: none.clone(), framed, summed: none }
    }

    /// What has to be a kernel by the kind of its node or of its readers'.
    fn demands(&mut self) {
        let facts = self.facts;
        self.find_framed();
        for value in facts.circuit.values() {
            if !facts.live[value.index()] || facts.known(value).is_some() {
                continue;
            }
            match facts.circuit.node(value) {
                Node::View { .. } => self.demand_of_view(value),
                Node::Merge { .. } => self.store(value),
                Node::Gather { table, .. } => self.store(table_of(facts, *table).base),
                Node::Reduce { .. } => {
                    self.explicit[value.index()] = true;
                    for operand in
                        recognise(facts, value).iter().flat_map(|p| [0, 1].map(|k| p.operand(facts, k)))
                    {
                        if let Held::Value(base) = operand.held {
                            self.store(base);
                        }
                    }
                    self.demand_of_fold(value);
                }
                Node::Scatter { index, value: addend, .. } => {
                    self.explicit[value.index()] = true;
                    self.stored[value.index()] = true;
                    self.store(*index);
                    self.store(*addend);
                }
                Node::Leaf(Leaf::Slot(_)) => {
                    if let Some(scan) = facts.scans.of(value) {
                        self.store(value);
                        scan.inputs().for_each(|input| self.store(input));
                    }
                }
                _ => {}
            }
        }
    }

    /// A number of each example, of which the mean is taken, is computed where the example is, so that what it is
    /// computed from need not be kept.
    fn demand_of_fold(&mut self, value: ValueId) {
        if let Node::Reduce { arg, batch: true, .. } = self.facts.circuit.node(value)
            && self.facts.shape(*arg).dims.is_empty()
            && matches!(self.facts.circuit.node(*arg), Node::Gate { .. })
        {
            self.explicit[arg.index()] = true;
        }
    }

    /// Counts how many of the readers of a view read it framed: as operands of contractions.
    fn find_framed(&mut self) {
        let facts = self.facts;
        let live = facts.circuit.values().filter(|value| facts.live[value.index()]);
        for product in live.filter_map(|value| recognise(facts, value)) {
            let [left, right] = product.factors;
            let alone = facts.users[product.domain.index()] == 1;
            self.summed[product.domain.index()] = alone;
            let factors = [Some(left), Some(right).filter(|_| left != right)];
            for factor in factors.into_iter().flatten().filter(|_| alone) {
                let operand = product.operand(facts, usize::from(factor == right));
                if matches!(operand.held, Held::Prepared(Target::Frame(_))) {
                    self.framed[factor.index()] += 1;
                }
            }
        }
    }

    fn demand_of_view(&mut self, value: ValueId) {
        let facts = self.facts;
        if let Some((view, arg)) = facts.exact_view(value) {
            let base = facts.locate(arg).base;
            let computed = matches!(
                facts.circuit.node(base),
                Node::Gate { .. } | Node::Gather { .. } | Node::Leaf(Leaf::Draw { .. })
            );
            let once = reads_once(view) && view.out.batch == facts.shape(arg).batch;
            self.explicit[base.index()] |= computed && facts.known(base).is_none() && !once;
        } else if let Node::View { arg, view } = facts.circuit.node(value)
            && view.coords.iter().all(|coord| coord.d == 1)
            && self.framed[value.index()] < facts.users[value.index()]
        {
            self.store(facts.locate(*arg).base);
        }
    }

    fn roots(&mut self, roots: &[Wanted]) {
        for root in roots.iter().filter(|root| self.facts.known(root.value).is_none()) {
            self.store(root.value);
        }
    }

    /// What several values read and what is dear to compute again.
    fn dear(&mut self) {
        let facts = self.facts;
        let mut price = vec![0u32; facts.circuit.len()];
        for value in facts.circuit.values() {
            let decided = self.explicit[value.index()] || self.summed[value.index()];
            if !facts.live[value.index()] || decided || facts.known(value).is_some() {
                continue;
            }
            let node = facts.circuit.node(value);
            let mut sum = own_price(node);
            node.for_each_operand(|operand| sum = sum.saturating_add(price[operand.index()]));
            if sum >= LONG || (sum >= DEAR && facts.users[value.index()] > 1) {
                let base = facts.locate(value).base;
                self.explicit[base.index()] = true;
                sum = 0;
            }
            price[value.index()] = sum;
        }
    }

    /// Has the owner of a value's elements in memory.
    fn store(&mut self, value: ValueId) {
        let owner = self.facts.owner(value);
        if !is_slot(self.facts, owner) {
            self.explicit[owner.index()] = true;
            self.stored[owner.index()] = true;
        }
    }
}

impl Kernels<'_> {
    /// Adds what a value needs prepared.
    fn prepare(&mut self, value: ValueId) {
        if self.facts.known(value).is_some() {
            return;
        }
        if let Some(product) = recognise(self.facts, value) {
            for k in 0..2 {
                if let Held::Prepared(target) = product.operand(self.facts, k).held {
                    self.add(target, true);
                }
            }
        }
        if let Node::View { view, .. } = self.facts.circuit.node(value)
            && view.coords.iter().any(|coord| coord.d > 1)
            && let Some((frame, _)) = Frame::of(self.facts, value)
        {
            self.add(Target::Frame(frame), true);
        }
    }

    /// The kernel whose step writes the result of a kernel: another one for further values of recurrences.
    pub fn writer(&self, kernel: NodeIndex) -> NodeIndex {
        match self.graph[kernel].work {
            Work::Given(number) => self.of[&Target::Value(self.facts.scans.all[number].results[0].leaf)],
            _ => kernel,
        }
    }

    fn add(&mut self, target: Target, stored: bool) -> NodeIndex {
        if let Some(&known) = self.of.get(&target) {
            self.graph[known].stored |= stored;
            return known;
        }
        let kernel = self.kernel(target.clone(), stored);
        let node = self.graph.add_node(kernel);
        self.of.insert(target, node);
        node
    }

    fn kernel(&self, target: Target, stored: bool) -> Kernel {
        let facts = self.facts;
        let (batch, dims) = target.domain(facts);
        let mut axes: Vec<Extent> = batch.then_some(Extent::Batch).into_iter().collect();
        axes.extend(dims.iter().map(|&d| Extent::Fixed(d)));
        let mut kernel =
            Kernel { target, work: Work::Points, axes, folds: None, column: false, stored, roots: vec![] };
        match &kernel.target {
            Target::Frame(_) => {
                kernel.work = Work::Frame;
                kernel.axes.truncate(usize::from(batch));
            }
            Target::Value(value) if facts.known(*value).is_none() => match facts.circuit.node(*value) {
                Node::Scatter { .. } => kernel.work = Work::Scatter,
                Node::Leaf(Leaf::Slot(_)) => {
                    if let Some(number) = facts.scans.number(*value) {
                        let first = facts.scans.all[number].results[0].leaf == *value;
                        kernel.work = if first { Work::Recur(number) } else { Work::Given(number) };
                    }
                }
                Node::Reduce { arg, axes, batch, .. } => match recognise(facts, *value) {
                    Some(product) => {
                        kernel.work = Work::Contract(product);
                        kernel.stored = true;
                    }
                    None => {
                        let folded = fold_axes(facts, *arg, *axes, *batch);
                        kernel.folds = match folded[..] {
                            [only] if only.axis.is_some() => Some(only.extent),
                            _ => None,
                        };
                        let last = folded.last().map(|last| last.order);
                        kernel.column = matches!(last, Some(Order::Chain { .. }));
                        kernel.work = Work::Fold(folded);
                    }
                },
                _ => {}
            },
            _ => {}
        }
        kernel
    }
}

/// Whether a value comes from a slot.
pub(super) fn is_slot(facts: &Facts, value: ValueId) -> bool {
    matches!(facts.circuit.node(value), Node::Leaf(Leaf::Slot(_))) && facts.scans.of(value).is_none()
}

/// What a gather reads as its table: rows forwards in memory.
pub(super) fn table_of(facts: &Facts, table: ValueId) -> Located {
    let located = facts.locate(table);
    if located.coords.iter().all(|coord| coord.c.last().is_none_or(|&c| c >= 0)) {
        return located;
    }
    let rank = facts.shape(table).dims.len();
    let coords = (0..rank).map(|axis| Affine::axis(axis, rank)).collect();
    Located { base: table, coords }
}

/// The price of a node by itself, in machine operations.
pub(super) fn own_price(node: &Node) -> u32 {
    match node {
        Node::Gate { gate, .. } => price_of(*gate),
        Node::Gather { .. } => DEAR / 2,
        Node::Leaf(Leaf::Draw { .. }) => 2 * DEAR,
        _ => 0,
    }
}

/// The operations of a gate's program, a division or root counting as many as it takes time.
fn price_of(gate: Gate) -> u32 {
    let price = |op: &Op| match op {
        Op::Arg(_) | Op::IntArg(_) | Op::Const(_) | Op::IntConst(_) | Op::Number(_) | Op::Truth(_) => 0,
        Op::Div(..) | Op::Sqrt(_) => DEAR / 2,
        _ => 1,
    };
    program(gate).ops.iter().map(price).sum()
}
