//! How a value is read: what stands for it in its readers' loops, and from that the edges between kernels.

use super::facts::{Facts, Known, Located};
use super::frame::Frame;
use super::kernels::{Kernels, Read, SlotRead, Target, Work, is_slot, table_of};
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{Gate, Leaf, Node, Shape, ValueId, View};
use petgraph::graph::NodeIndex;
use rustc_hash::FxHashSet;

/// What stands for a value where it is read.
pub(super) enum Source<'a> {
    /// A number or scalar.
    Known(Known),
    /// What a slot holds.
    Slot,
    /// What a kernel computes.
    Kernel(NodeIndex),
    /// A gate on its operands, in place.
    Gate(Gate, &'a [ValueId]),
    /// Another element of the operand.
    View(&'a View, ValueId),
    /// A read through memory that may lie outside.
    Guarded { located: Located, guards: Vec<Guard>, fill: f64 },
    /// A read of a framed operand.
    Framed { kernel: NodeIndex, coords: Vec<Affine>, guards: &'a [Guard], fill: f64 },
    /// The same elements under other dimensions.
    Merge(ValueId),
    /// An element of a table.
    Gather { located: Located, table: ValueId, index: ValueId },
    /// The position itself.
    Iota,
    /// A draw.
    Draw { site: u64, shape: &'a Shape },
}

impl<'a> Kernels<'a> {
    /// What stands for a value in its readers.
    pub fn source(&self, value: ValueId) -> Source<'a> {
        match self.of.get(&Target::Value(value)) {
            Some(&kernel) if self.facts.known(value).is_none() => Source::Kernel(kernel),
            _ => self.definition(value),
        }
    }

    /// How a value is computed where it is not taken from its kernel.
    pub fn definition(&self, value: ValueId) -> Source<'a> {
        let facts: &'a Facts<'a> = self.facts;
        if let Some(known) = facts.known(value) {
            return Source::Known(known);
        }
        match facts.circuit.node(value) {
            Node::Leaf(Leaf::Slot(_)) => Source::Slot,
            Node::Leaf(Leaf::Iota(_)) => Source::Iota,
            Node::Leaf(Leaf::Draw { site, shape }) => Source::Draw { site: *site, shape },
            Node::Gate { gate, args } => Source::Gate(*gate, args),
            Node::View { arg, view } => self.view(value, *arg, view),
            Node::Merge { .. } => Source::Merge(facts.owner(value)),
            Node::Gather { table, index } => {
                Source::Gather { located: table_of(facts, *table), table: *table, index: *index }
            }
            node => unreachable!("{node:?} is a kernel of its own, known, or not planned yet"),
        }
    }

    fn view(&self, value: ValueId, arg: ValueId, view: &'a View) -> Source<'a> {
        let facts = self.facts;
        if facts.exact_view(value).is_some() {
            return Source::View(view, arg);
        }
        let fill = view.fill.get();
        match Frame::of(facts, value) {
            Some((frame, coords)) if view.coords.iter().any(|coord| coord.d > 1) => {
                let kernel = self.of[&Target::Frame(frame)];
                Source::Framed { kernel, coords, guards: &view.guards, fill }
            }
            _ => {
                let inner = facts.locate(arg);
                let rank = view.out.dims.len();
                let coords =
                    inner.coords.iter().map(|c| super::facts::substitute(c, &view.coords, rank)).collect();
                let located = Located { base: inner.base, coords };
                Source::Guarded { located, guards: view.conditions(facts.shape(arg)), fill }
            }
        }
    }

    /// Finds the edges.
    pub fn connect(&mut self) {
        for reader in self.graph.node_indices() {
            let mut walk = Walk { kernels: self, reads: vec![], slots: vec![], seen: FxHashSet::default() };
            walk.kernel(reader);
            let Walk { reads, slots, .. } = walk;
            for (read, how) in reads {
                match self.graph.find_edge(read, reader) {
                    Some(edge) => self.graph[edge] = self.graph[edge].and(how),
                    None => _ = self.graph.add_edge(read, reader, how),
                }
            }
            self.slot_reads.extend(slots.into_iter().map(|(slot, depth)| SlotRead { slot, reader, depth }));
        }
    }
}

impl Read {
    /// Both.
    fn and(self, other: Read) -> Read {
        Read { depth: self.depth.min(other.depth), memory: self.memory || other.memory }
    }
}

/// Which of the reader's loops each axis of a value follows; `None`: another element.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Follows {
    batch: Option<u8>,
    dims: Vec<Option<u8>>,
}

/// A walk from a kernel over all that is inlined into it.
struct Walk<'k, 'a> {
    kernels: &'k Kernels<'a>,
    reads: Vec<(NodeIndex, Read)>,
    slots: Vec<(ValueId, usize)>,
    seen: FxHashSet<(ValueId, Follows)>,
}

impl Walk<'_, '_> {
    fn kernel(&mut self, reader: NodeIndex) {
        let facts = self.kernels.facts;
        let kernel = &self.kernels.graph[reader];
        let value = kernel.target.value();
        let shape = facts.shape(value);
        let first = u8::from(shape.batch);
        let own = Follows {
            batch: shape.batch.then_some(0),
            dims: (0..shape.dims.len() as u8).map(|k| Some(first + k)).collect(),
        };
        match (&kernel.work, facts.circuit.node(value)) {
            (Work::Points, _) => match &kernel.target {
                Target::Restricted(_, axes) => {
                    let mut dims = vec![None; shape.dims.len()];
                    let first = u8::from(axes.batch);
                    axes.dims.iter().enumerate().for_each(|(k, axis)| dims[axis] = Some(first + k as u8));
                    self.value(value, Follows { batch: axes.batch.then_some(0), dims });
                }
                _ => self.defined(value, own),
            },
            (Work::Frame, _) => {
                self.value(value, Follows { batch: own.batch, dims: vec![None; own.dims.len()] })
            }
            (Work::Fold(folded), Node::Reduce { arg, axes, .. }) => {
                let inner = facts.shape(*arg);
                let last = kernel.axes.len() as u8;
                let mut kept = u8::from(shape.batch)..;
                let follow =
                    |k| if axes.contains(k) { (folded.len() == 1).then_some(last) } else { kept.next() };
                let dims = (0..inner.dims.len()).map(follow).collect();
                self.value(*arg, Follows { batch: shape.batch.then_some(0), dims });
            }
            (Work::Contract(product), _) => {
                for k in 0..2 {
                    match product.operand(facts, k).held {
                        super::product::Held::Value(base) => self.through_memory(base),
                        super::product::Held::Prepared(target) => {
                            let read = Read { depth: 0, memory: true };
                            self.reads.push((self.kernels.of[&target], read));
                        }
                    }
                }
            }
            (Work::Recur(number), _) => {
                let scan = &facts.scans.all[*number];
                scan.inputs().for_each(|input| self.through_memory(input));
            }
            (Work::Given(_), _) => {
                self.reads.push((self.kernels.writer(reader), Read { depth: 0, memory: true }))
            }
            (Work::Scatter, node) => node.for_each_operand(|operand| self.through_memory(operand)),
            (Work::Fold(_), node) => unreachable!("a fold of {node:?}"),
        }
    }

    /// A whole array.
    fn through_memory(&mut self, value: ValueId) {
        let dims = vec![None; self.kernels.facts.shape(value).dims.len()];
        self.held(value, Follows { batch: None, dims });
    }

    /// Elements taken from memory: what owns them.
    fn held(&mut self, value: ValueId, follows: Follows) {
        let (owner, follows) = self.owner(value, follows);
        let depth = depth(&follows, self.kernels.facts.shape(owner).batch);
        if is_slot(self.kernels.facts, owner) {
            self.slots.push((owner, depth));
        } else {
            self.reads.push((self.kernels.of[&Target::Value(owner)], Read { depth, memory: true }));
        }
    }

    /// Which axes of the array under merges are followed: those before the first axis that was merged.
    fn owner(&self, mut value: ValueId, mut follows: Follows) -> (ValueId, Follows) {
        while let Node::Merge { arg, axis } = self.kernels.facts.circuit.node(value) {
            follows.dims.truncate(*axis as usize);
            follows.dims.resize(self.kernels.facts.shape(*arg).dims.len(), None);
            value = *arg;
        }
        (value, follows)
    }

    fn value(&mut self, value: ValueId, follows: Follows) {
        if !self.seen.insert((value, follows.clone())) {
            return;
        }
        match self.kernels.source(value) {
            Source::Kernel(kernel) => {
                let depth = depth(&follows, self.kernels.facts.shape(value).batch);
                self.reads.push((kernel, Read { depth, memory: false }));
            }
            _ => self.defined(value, follows),
        }
    }

    fn defined(&mut self, value: ValueId, follows: Follows) {
        match self.kernels.definition(value) {
            Source::Known(_) | Source::Iota | Source::Draw { .. } => {}
            Source::Kernel(_) => unreachable!("a definition is not a kernel"),
            Source::Slot => {
                let depth = depth(&follows, self.kernels.facts.shape(value).batch);
                self.slots.push((value, depth));
            }
            Source::Gate(_, args) => args.iter().for_each(|&arg| self.value(arg, follows.clone())),
            Source::View(view, arg) => self.value(arg, follows.through(&view.coords)),
            Source::Guarded { located, .. } => self.held(located.base, follows.through(&located.coords)),
            Source::Framed { kernel, .. } => {
                let depth = usize::from(follows.batch == Some(0));
                self.reads.push((kernel, Read { depth, memory: true }));
            }
            Source::Merge(owner) => {
                let (found, follows) = self.owner(value, follows);
                debug_assert_eq!(found, owner);
                self.held(owner, follows);
            }
            Source::Gather { located, index, .. } => {
                self.value(index, follows.clone());
                let mut of_table = follows;
                of_table.dims.push(None);
                self.held(located.base, of_table.through(&located.coords));
            }
        }
    }
}

impl Follows {
    fn through(&self, coords: &[Affine]) -> Follows {
        let axis = |coord: &Affine| coord.as_axis().and_then(|axis| self.dims[axis]);
        Follows { batch: self.batch, dims: coords.iter().map(axis).collect() }
    }
}

/// How many leading axes follow the reader's loops one by one.
fn depth(follows: &Follows, batch: bool) -> usize {
    let axes = batch.then_some(follows.batch).into_iter().chain(follows.dims.iter().copied());
    axes.enumerate().take_while(|&(k, follows)| follows == Some(k as u8)).count()
}
