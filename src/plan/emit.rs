//! Loops and statements for what was fused and placed.

use super::body::{At, Body, Fresh};
use super::facts::{Facts, Known, Located};
use super::fuse::{Branch, Fused};
use super::kernels::{Frame, Kernels, Target, Work};
use super::order::{FoldAxis, fold_axes};
use super::places::{Place, Places};
use super::reads::Source;
use super::schedule::*;
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{Node, Reducer, ValueId, gates};
use petgraph::graph::NodeIndex;
use rustc_hash::FxHashMap;

/// What is shared by all phases while their statements are written.
#[derive(Default)]
pub(super) struct Tables {
    /// Numbers for registers and variables.
    pub fresh: Fresh,
    scalars: FxHashMap<StepScalar, u32>,
    draws: FxHashMap<u64, u32>,
}

/// Writes the steps of a phase.
pub(super) struct Emit<'k, 'a> {
    pub kernels: &'k Kernels<'a>,
    pub places: &'k Places,
    pub phase: u32,
    pub schedule: &'k mut Schedule,
    pub tables: &'k mut Tables,
    pub body: Body,
    /// The loops that are open around the present kernel.
    pub loops: Vec<Loop>,
}

/// An open loop over an axis of kernels. An axis of one element has no loop.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    index: Linear,
    var: Option<Var>,
}

impl<'a> Emit<'_, 'a> {
    /// All steps.
    pub fn phase(&mut self, fused: &Fused) {
        for nest in &fused.nests {
            match nest[..] {
                [Branch::Kernel(kernel)] if self.kernels.graph[kernel].is_step() => self.step(kernel),
                _ => self.nest(nest),
            }
        }
        for copy in &self.places.copies {
            self.copy(copy.from, copy.to);
        }
    }

    fn facts(&self) -> &'a Facts<'a> {
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
        let (body, fresh) = std::mem::take(&mut self.body).finish();
        self.tables.fresh = fresh;
        self.schedule.steps.push(Step::Nest(Nest { what, body }));
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
    fn open(&mut self, extent: Extent) -> Loop {
        if extent == Extent::Fixed(1) {
            return Loop { index: Linear::default(), var: None };
        }
        let var = self.body.open();
        Loop { index: Linear::var(var), var: Some(var) }
    }

    /// The end of a loop that computes what a fold combines, and the fold's result.
    fn absorbed(&mut self, fold: NodeIndex, extent: Extent) {
        let value = self.kernels.graph[fold].target.value();
        let Node::Reduce { reducer, arg, axes, batch } = self.facts().circuit.node(value) else {
            unreachable!("a fold is a reduction")
        };
        let folded = self.loops.pop().expect("the fold's loop is open");
        let mut at = self.element(value);
        let axis = axes.iter().next().expect("it folds a dimension");
        at.dims.insert(axis, folded.index.clone());
        self.loops.push(folded.clone());
        let element = self.read(*arg, &at);
        self.loops.pop();
        let order = fold_axes(self.facts().shape(*arg), *axes, *batch)[0].order;
        let result = self.close_fold(&folded, extent, *reducer, order, element);
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
            _ => match self.kernels.graph[kernel].work {
                Work::Fold => self.fold(value),
                _ => self.defined(value, &self.element(value)),
            },
        };
        self.result(kernel, result);
    }

    /// Keeps the result of a kernel where its readers look for it.
    fn result(&mut self, kernel: NodeIndex, result: Reg) {
        let target = &self.kernels.graph[kernel].target;
        for output in &self.places.stores[kernel.index()] {
            let at = self.place_of_loops(kernel, output.place);
            self.body.store(at, result, output.last);
        }
        if let Target::Value(value) = target {
            let at = self.element(*value);
            self.body.note(*value, at, result, true);
        }
    }

    /// The element of a kernel's place that the open loops are at.
    fn place_of_loops(&self, kernel: NodeIndex, place: Place) -> Address {
        let (batch, dims) = self.kernels.graph[kernel].target.domain(self.facts());
        let strides = strides(batch, &dims);
        let parts = strides.iter().zip(&self.loops).skip(place.dropped);
        let at = Linear::combination(0, parts.map(|(&stride, open)| (stride, &open.index)));
        Address { buffer: place.buffer, at }
    }

    /// A reduction by loops of its own.
    fn fold(&mut self, value: ValueId) -> Reg {
        let Node::Reduce { reducer, arg, axes, batch } = self.facts().circuit.node(value) else {
            unreachable!("a fold is a reduction")
        };
        let folded = fold_axes(self.facts().shape(*arg), *axes, *batch);
        let mut at = self.element(value);
        let mut opened = vec![];
        for FoldAxis { axis, extent, .. } in &folded {
            let open = self.open(*extent);
            match axis {
                None => at.batch = open.var,
                // Ascending, so that each finds its place among those before it.
                Some(axis) => at.dims.insert(*axis, open.index.clone()),
            }
            opened.push(open);
        }
        let mut result = self.read(*arg, &at);
        for (FoldAxis { extent, order, .. }, open) in folded.into_iter().zip(opened).rev() {
            result = self.close_fold(&open, extent, *reducer, order, result);
        }
        if *batch {
            let examples = self.body.batch_size();
            result = self.body.compute(Op::Gate(gates::DIV), vec![result, examples]);
        }
        result
    }

    /// The fill everywhere, unless the elements leave no place for it; then the elements.
    fn frame(&mut self, kernel: NodeIndex, frame: &Frame) {
        let place = self.places.held[kernel.index()].expect("a frame is in memory");
        let shape = self.facts().shape(frame.of);
        let extents: Vec<u32> = frame.dims.iter().map(|dim| dim.extent).collect();
        let strides = strides(shape.batch, &extents);
        let outer = self.loops.iter().map(|open| &open.index).zip(&strides).skip(place.dropped);
        let start = Linear::combination(0, outer.map(|(index, &stride)| (stride, index)));
        let inner = &strides[usize::from(shape.batch)..];
        let runs: Vec<(i64, i64)> =
            frame.dims.iter().zip(&shape.dims).map(|(dim, &d)| dim.elements(d)).collect();
        let full = frame.dims.iter().zip(&runs).all(|(dim, run)| run.1 - run.0 == i64::from(dim.extent));
        if !full {
            let vars: Vec<Var> = extents.iter().map(|_| self.body.open()).collect();
            let indices: Vec<Linear> = vars.iter().map(|&var| Linear::var(var)).collect();
            let mut at = Linear::combination(0, inner.iter().copied().zip(&indices));
            at.add(&start, 1);
            let fill = self.body.compute(Op::Number(frame.fill.get() as f32), vec![]);
            self.body.store(Address { buffer: place.buffer, at }, fill, false);
            let loops = vars.into_iter().zip(&extents).rev();
            loops.for_each(|(var, &extent)| self.body.close_for(var, Extent::Fixed(extent)));
        }
        let vars: Vec<Var> = runs.iter().map(|_| self.body.open()).collect();
        let element = |(&var, run): (&Var, &(i64, i64))| Linear { offset: run.0, terms: vec![(var, 1)] };
        let elements: Vec<Linear> = vars.iter().zip(&runs).map(element).collect();
        let batch = shape.batch.then(|| self.loops[0].var).flatten();
        let mut at = start;
        for ((dim, &stride), element) in frame.dims.iter().zip(inner).zip(&elements) {
            at.add(element, stride * dim.every);
            at.offset -= stride * dim.lo;
        }
        let value = self.read(frame.of, &At { batch, dims: elements });
        self.body.store(Address { buffer: place.buffer, at }, value, false);
        for (var, run) in vars.into_iter().zip(runs).rev() {
            self.body.close_for(var, Extent::Fixed((run.1 - run.0).max(0) as u32));
        }
    }

    /// An element of a value, from a register, from memory, or computed here.
    fn read(&mut self, value: ValueId, at: &At) -> Reg {
        let at = &At { batch: at.batch.filter(|_| self.facts().shape(value).batch), dims: at.dims.clone() };
        if let Some(reg) = self.body.known(value, at) {
            return reg;
        }
        let reg = match self.kernels.source(value) {
            Source::Kernel(_) => self.load(value, at, vec![], 0.0),
            _ => self.defined(value, at),
        };
        self.body.note(value, at.clone(), reg, false);
        reg
    }

    /// An element of a value, computed here.
    fn defined(&mut self, value: ValueId, at: &At) -> Reg {
        match self.kernels.definition(value) {
            Source::Known(Known::Number(number)) => self.body.compute(Op::Number(number as f32), vec![]),
            Source::Known(Known::Scalar(scalar)) => {
                let k = self.scalar(scalar);
                self.body.compute(Op::Scalar(k), vec![])
            }
            Source::Kernel(_) => unreachable!("a definition is not a kernel"),
            Source::Slot | Source::Merge(_) => self.load(value, at, vec![], 0.0),
            Source::Gate(gate, args) => {
                let args: Vec<Reg> = args.iter().map(|&arg| self.read(arg, at)).collect();
                if gate.row().name == "stop" { args[0] } else { self.body.compute(Op::Gate(gate), args) }
            }
            Source::View(view, arg) => {
                let dims = view.coords.iter().map(|coord| applied(coord, &at.dims)).collect();
                self.read(arg, &At { batch: at.batch, dims })
            }
            Source::Guarded { located, guards, fill } => {
                let inner = through(&located, at);
                let when = guards.iter().map(|guard| condition(guard, &at.dims)).collect();
                self.load(located.base, &inner, when, fill as f32)
            }
            Source::Framed { kernel, coords, guards, fill } => {
                let place = self.places.held[kernel.index()].expect("a frame is in memory");
                let (batch, dims) = self.kernels.graph[kernel].target.domain(self.facts());
                let element =
                    At { batch: at.batch, dims: coords.iter().map(|c| applied(c, &at.dims)).collect() };
                let when = guards.iter().map(|guard| condition(guard, &at.dims)).collect();
                let address = address(place, batch, &dims, &element);
                let least = self.loops_of(place);
                self.body.load(address, when, fill as f32, least)
            }
            Source::Gather { located, table, index } => self.gather(&located, table, index, at),
            Source::Iota => self.body.compute(Op::Index(at.dims[0].clone()), vec![]),
            Source::Draw { site, shape } => {
                let strides = strides(false, &shape.dims);
                let element = Linear::combination(0, strides.into_iter().zip(&at.dims));
                let site = self.draw(site);
                self.body.compute(Op::Draw { site, element, example: at.batch }, vec![])
            }
        }
    }

    fn gather(&mut self, located: &Located, table: ValueId, index: ValueId, at: &At) -> Reg {
        let index = self.read(index, at);
        let shape = self.facts().shape(located.base);
        let mut row = at.clone();
        row.dims.push(Linear::default());
        let start = through(located, &row);
        let steps = located.coords.iter().zip(shape.strides());
        let stride: i64 = steps.map(|(coord, stride)| coord.c.last().unwrap_or(&0) * stride as i64).sum();
        let place = self.place(located.base);
        let extent = *self.facts().shape(table).dims.last().expect("a table has rows");
        let at = address(place, shape.batch, &shape.dims, &start);
        let stride = u32::try_from(stride).expect("a table's rows ascend");
        let least = self.loops_of(place);
        self.body.load_at(at, index, stride, extent, least)
    }

    /// Reads an element of a value that is in memory; outside, `fill`.
    fn load(&mut self, value: ValueId, at: &At, when: Vec<Condition>, fill: f32) -> Reg {
        let shape = self.facts().shape(value);
        let place = self.place(value);
        let at = address(place, shape.batch, &shape.dims, at);
        let least = self.loops_of(place);
        self.body.load(at, when, fill, least)
    }

    /// Where a value is in memory.
    pub fn place(&self, value: ValueId) -> Place {
        let owner = self.facts().owner(value);
        if let Some(&buffer) = self.places.slots.get(&owner) {
            return Place { buffer, dropped: 0 };
        }
        let kernel = self.kernels.of[&Target::Value(owner)];
        self.places.held[kernel.index()].expect("what is read elsewhere is in memory")
    }

    /// How many loops run around what is written to a place: those over the axes that it does not have.
    fn loops_of(&self, place: Place) -> usize {
        self.loops[..place.dropped].iter().filter(|open| open.var.is_some()).count()
    }

    fn copy(&mut self, from: NodeIndex, to: BufferId) {
        let (batch, dims) = self.kernels.graph[from].target.domain(self.facts());
        let place = self.places.held[from.index()].expect("what is copied is in memory");
        self.body = Body::new(self.tables.fresh);
        let axes = &self.kernels.graph[from].axes;
        let vars: Vec<Var> = axes.iter().map(|_| self.body.open()).collect();
        let indices: Vec<Linear> = vars.iter().map(|&var| Linear::var(var)).collect();
        let at = Linear::combination(0, strides(batch, &dims).into_iter().zip(&indices));
        let value = self.body.load(Address { buffer: place.buffer, at: at.clone() }, vec![], 0.0, 0);
        self.body.store(Address { buffer: to, at }, value, false);
        vars.iter().zip(axes).rev().for_each(|(&var, &extent)| self.body.close_for(var, extent));
        let what = self.schedule.buffers[to.0 as usize].name.clone();
        self.end(vec![format!("copy of {what}")]);
    }

    fn scalar(&mut self, value: ValueId) -> u32 {
        let scalar = StepScalar { phase: self.phase, value };
        let table = &mut self.schedule.scalars;
        *self.tables.scalars.entry(scalar).or_insert_with(|| {
            table.push(scalar);
            table.len() as u32 - 1
        })
    }

    fn draw(&mut self, site: u64) -> u32 {
        let table = &mut self.schedule.draws;
        *self.tables.draws.entry(site).or_insert_with(|| {
            table.push(site);
            table.len() as u32 - 1
        })
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

/// Of an element. Where no loop runs over the examples the value is the same for all: that of the first.
fn address(place: Place, batch: bool, dims: &[u32], at: &At) -> Address {
    let example = batch.then(|| at.batch.map_or(Linear::default(), Linear::var));
    let parts = strides(batch, dims).into_iter().zip(example.iter().chain(&at.dims)).skip(place.dropped);
    Address { buffer: place.buffer, at: Linear::combination(0, parts) }
}

/// A coordinate at a position, its divisor aside.
fn applied(coord: &Affine, at: &[Linear]) -> Linear {
    Linear::combination(coord.b, coord.c.iter().copied().zip(at))
}

fn through(located: &Located, at: &At) -> At {
    At { batch: at.batch, dims: located.coords.iter().map(|coord| applied(coord, &at.dims)).collect() }
}

fn condition(guard: &Guard, at: &[Linear]) -> Condition {
    Condition { e: applied(&guard.e, at), divisor: guard.e.d, lo: guard.lo, hi: guard.hi }
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
