//! Loops and statements for what was fused and placed.

use super::Job;
use super::body::{At, Body, Fresh};
use super::facts::Facts;
use super::fuse::{Branch, Fused};
use super::kernels::{Kernels, Target, Work};
use super::order::FoldAxis;
use super::places::{Place, Places};
use super::schedule::*;
use crate::circuit::{Node, Reducer, ValueId, gates};
use petgraph::graph::NodeIndex;
use rustc_hash::FxHashMap;

/// What is shared by all phases while their statements are written.
#[derive(Default)]
pub(super) struct Tables {
    /// Numbers for registers and variables.
    pub fresh: Fresh,
    /// Where each scalar of the record is.
    pub scalars: FxHashMap<StepScalar, u32>,
    /// Where the key of each site is.
    pub draws: FxHashMap<u64, u32>,
}

/// Writes the steps of a phase.
pub(super) struct Emit<'k, 'a> {
    /// What is computed.
    pub kernels: &'k Kernels<'a>,
    /// Where it is kept.
    pub places: &'k Places,
    /// What is asked for.
    pub job: &'k Job<'a>,
    /// What is written.
    pub schedule: &'k mut Schedule,
    /// Shared with other phases.
    pub tables: &'k mut Tables,
    /// The nest under construction.
    pub body: Body,
    /// The loops that are open around the present kernel.
    pub loops: Vec<Loop>,
    /// Within a recurrence: what it does once, before its first element.
    pub before: Vec<Step>,
}

/// An open loop over an axis of kernels. An axis of one element has no loop.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    /// Its position.
    pub index: Linear,
    /// Its variable.
    pub var: Option<Var>,
}

impl<'a> Emit<'_, 'a> {
    /// All steps; gives those that stand before the recurrence that these are the inside of.
    pub fn phase(mut self, fused: &Fused) -> Vec<Step> {
        for nest in &fused.nests {
            match nest[..] {
                [Branch::Kernel(kernel)] if self.kernels.graph[kernel].is_step() => self.step(kernel),
                _ => self.nest(nest),
            }
        }
        for copy in &self.places.copies {
            self.copy(copy.from, copy.to);
        }
        self.before
    }

    /// What is known of the circuit.
    pub fn facts(&self) -> &'a Facts<'a> {
        self.kernels.facts
    }

    fn nest(&mut self, branches: &[Branch]) {
        let mut what = vec![];
        branches.iter().for_each(|branch| self.names(branch, &mut what));
        self.body = Body::new(self.tables.fresh);
        branches.iter().for_each(|branch| self.branch(branch));
        self.end(what);
    }

    fn end(&mut self, what: Vec<String>) {
        let body = self.finish_body();
        self.schedule.steps.push(Step::Nest(Nest { what, body }));
    }

    /// The statements of the nest under construction, which is done.
    pub fn finish_body(&mut self) -> Vec<Stmt> {
        let (body, fresh, origins) = std::mem::take(&mut self.body).finish();
        self.tables.fresh = fresh;
        self.schedule.origins.extend(origins);
        body
    }

    /// What `f` writes is written for a value.
    pub fn written_for<T>(&mut self, value: ValueId, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.body.set_origin(Some(self.job.origin(value)));
        let result = f(self);
        self.body.set_origin(before);
        result
    }

    fn names(&self, branch: &Branch, names: &mut Vec<String>) {
        match branch {
            Branch::Kernel(kernel) => names.push(self.name(*kernel)),
            Branch::Loop { body, fold, .. } => {
                body.iter().for_each(|inner| self.names(inner, names));
                names.extend(fold.map(|fold| self.name(fold)));
            }
        }
    }

    pub fn name(&self, kernel: NodeIndex) -> String {
        let target = &self.kernels.graph[kernel].target;
        let name = self.facts().name(target.value());
        if matches!(target, Target::Frame(_)) { format!("{name} framed") } else { name }
    }

    fn branch(&mut self, branch: &Branch) {
        match branch {
            Branch::Kernel(kernel) => self.kernel(*kernel),
            Branch::Loop { extent, fold, body } => {
                let open = self.open(*extent);
                self.loops.push(open.clone());
                body.iter().for_each(|inner| self.branch(inner));
                match (fold, open.var) {
                    (Some(fold), _) => self.absorbed(*fold, *extent),
                    (None, var) => {
                        self.loops.pop();
                        var.into_iter().for_each(|var| self.body.close_for(var, *extent));
                    }
                }
            }
        }
    }

    /// A loop over an axis; none over an axis of one element.
    pub fn open(&mut self, extent: Extent) -> Loop {
        if extent == Extent::Fixed(1) {
            return Loop { index: Linear::default(), var: None };
        }
        let var = self.body.open();
        Loop { index: Linear::var(var), var: Some(var) }
    }

    /// The end of a loop that computes what a fold combines, and the fold's result.
    fn absorbed(&mut self, fold: NodeIndex, extent: Extent) {
        let value = self.kernels.graph[fold].target.value();
        let (Node::Reduce { reducer, arg, axes, .. }, Work::Fold(folds)) =
            (self.facts().circuit.node(value), &self.kernels.graph[fold].work)
        else {
            unreachable!("a fold is a reduction")
        };
        let folded = self.loops.pop().expect("the fold's loop is open");
        let mut at = self.element(value);
        let axis = axes.iter().next().expect("it folds a dimension");
        at.dims.insert(axis, folded.index.clone());
        let result = self.written_for(value, |this| {
            this.loops.push(folded.clone());
            let element = this.read(*arg, &at);
            this.loops.pop();
            this.close_fold(&folded, extent, *reducer, folds[0].order, element)
        });
        self.result(fold, result);
    }

    /// Closes the loop of a fold. What is folded over one element is that element.
    fn close_fold(
        &mut self,
        open: &Loop,
        extent: Extent,
        reducer: Reducer,
        order: Order,
        element: Reg,
    ) -> Reg {
        match (open.var, reducer) {
            (Some(var), _) => self.body.close_fold(var, extent, monoid(reducer), order, element),
            (None, Reducer::Argmax | Reducer::Argmin) => self.body.compute(Op::Number(0.0), vec![]),
            (None, _) => element,
        }
    }

    /// The element of a value that the open loops are at.
    fn element(&self, value: ValueId) -> At {
        let mut loops = self.loops.iter();
        let batch = self.facts().shape(value).batch.then(|| loops.next().expect("a loop over examples").var);
        At { batch: batch.flatten(), dims: loops.map(|open| open.index.clone()).collect() }
    }

    fn kernel(&mut self, kernel: NodeIndex) {
        let value = self.kernels.graph[kernel].target.value();
        self.written_for(value, |this| this.kernel_of(kernel, value));
    }

    fn kernel_of(&mut self, kernel: NodeIndex, value: ValueId) {
        let result = match &self.kernels.graph[kernel].target {
            Target::Frame(frame) => return self.frame(kernel, frame),
            Target::Restricted(_, axes) => {
                let rank = self.facts().shape(value).dims.len();
                let mut dims = vec![Linear::default(); rank];
                let mut loops = self.loops.iter();
                let batch = axes.batch.then(|| loops.next().expect("a loop over examples").var).flatten();
                axes.dims.iter().zip(loops).for_each(|(axis, open)| dims[axis] = open.index.clone());
                self.read(value, &At { batch, dims })
            }
            _ => match &self.kernels.graph[kernel].work {
                Work::Fold(folded) => self.fold(value, folded),
                _ => self.defined(value, &self.element(value)),
            },
        };
        self.result(kernel, result);
    }

    /// Keeps the result of a kernel where its readers look for it.
    fn result(&mut self, kernel: NodeIndex, result: Reg) {
        let target = &self.kernels.graph[kernel].target;
        for output in &self.places.stores[kernel.index()] {
            let at = self.place_of_loops(kernel, &output.place);
            self.body.store(at, result, output.last);
        }
        if let Target::Value(value) = target {
            let at = self.element(*value);
            self.body.note(*value, at, result, true);
        }
    }

    /// The element of a kernel's place that the open loops are at.
    fn place_of_loops(&self, kernel: NodeIndex, place: &Place) -> Address {
        let (batch, dims) = self.kernels.graph[kernel].target.domain(self.facts());
        place.address(batch, &dims, self.loops.iter().map(|open| &open.index))
    }

    /// A reduction by loops of its own.
    fn fold(&mut self, value: ValueId, folded: &[FoldAxis]) -> Reg {
        let Node::Reduce { reducer, arg, batch, .. } = self.facts().circuit.node(value) else {
            unreachable!("a fold is a reduction")
        };
        let mut at = self.element(value);
        let mut opened = vec![];
        for FoldAxis { axis, extent, .. } in folded {
            let open = self.open(*extent);
            match axis {
                None => at.batch = open.var,
                // Ascending, so that each finds its place among those before it.
                Some(axis) => at.dims.insert(*axis, open.index.clone()),
            }
            opened.push(open);
        }
        let mut result = self.read(*arg, &at);
        for (fold, open) in folded.iter().zip(opened).rev() {
            result = self.close_fold(&open, fold.extent, *reducer, fold.order, result);
        }
        if *batch {
            let examples = self.body.batch_size();
            result = self.body.compute(Op::Gate(gates::DIV), vec![result, examples]);
        }
        result
    }

    /// Loops over axes, to be closed by [`Emit::close_all`].
    pub fn open_all(&mut self, extents: &[Extent]) -> Vec<Loop> {
        extents.iter().map(|&extent| self.open(extent)).collect()
    }

    /// Closes the innermost loops.
    pub fn close_all(&mut self, opened: &[Loop], extents: &[Extent]) {
        for (open, &extent) in opened.iter().zip(extents).rev() {
            open.var.into_iter().for_each(|var| self.body.close_for(var, extent));
        }
    }

    fn copy(&mut self, from: NodeIndex, to: BufferId) {
        let (batch, dims) = self.kernels.graph[from].target.domain(self.facts());
        let place = self.places.held[from.index()].as_ref().expect("what is copied is in memory");
        self.body = Body::new(self.tables.fresh);
        let axes = &self.kernels.graph[from].axes;
        let opened = self.open_all(axes);
        let indices = opened.iter().map(|open| &open.index);
        let at = Linear::combination(0, strides(batch, &dims).into_iter().zip(indices));
        let source = Address { buffer: place.buffer, at: at.clone() };
        let copied = self.kernels.graph[from].target.value();
        let value = self.written_for(copied, |this| this.body.load(source, vec![], 0.0, 0));
        self.body.store(Address { buffer: to, at }, value, false);
        self.close_all(&opened, axes);
        let what = self.schedule.buffers[to.0 as usize].name.clone();
        self.end(vec![format!("copy of {what}")]);
    }
}

/// Row-major strides, of the example axis first if there is one.
pub(super) fn strides(batch: bool, dims: &[u32]) -> Vec<i64> {
    let mut strides = vec![1; dims.len() + usize::from(batch)];
    let first = usize::from(batch);
    for k in (1..strides.len()).rev() {
        strides[k - 1] = strides[k] * i64::from(dims[k - first]);
    }
    strides
}

fn monoid(reducer: Reducer) -> Monoid {
    match reducer {
        Reducer::Sum => Monoid::Sum,
        Reducer::Prod => Monoid::Prod,
        Reducer::Max => Monoid::Max,
        Reducer::Min => Monoid::Min,
        Reducer::Argmax => Monoid::Argmax,
        Reducer::Argmin => Monoid::Argmin,
    }
}
