//! The step of a recurrence: what it computes at one element, planned by itself, its operands parts of arrays.

use super::body::Body;
use super::contraction::{LINE, is_crowded};
use super::emit::{Emit, strides};
use super::kernels::{Target, is_slot};
use super::places::{Part, Place, Site};
use super::product::{Group, Held, Product};
use super::recurrences::{Given, Slice};
use super::schedule::*;
use super::{Job, Wanted, plan_job};
use crate::circuit::ValueId;
use std::rc::Rc;

impl Emit<'_, '_> {
    /// The step of the recurrence of this number. What its body does once stands before it.
    pub fn recur(&mut self, number: usize) -> Recur {
        let scan = &self.facts().scans.all[number];
        let var = Var(self.tables.fresh.variable);
        self.tables.fresh.variable += 1;
        let slots = scan.reads.iter().map(|read| Site::Place(self.slice(read, var)));
        let roots = scan.results.iter().map(|given| Wanted {
            value: given.value,
            name: self.facts().name(given.leaf),
            site: Site::Place(self.result_at(given, var)),
        });
        let job = Job {
            phase: self.job.phase,
            circuit: &scan.circuit,
            origins: Some(&scan.origins),
            slots: slots.collect(),
            roots: roots.collect(),
            scans: &Default::default(),
            scanned: Some(var),
        };
        let what = job.roots.iter().map(|root| root.name.clone()).collect();
        let steps = std::mem::take(&mut self.schedule.steps);
        let before = plan_job(&job, self.schedule, self.tables);
        let body = std::mem::replace(&mut self.schedule.steps, steps);
        self.schedule.steps.extend(before);
        Recur { what, var, extent: scan.extent, backwards: scan.backwards, body }
    }

    /// Where a result is written at an element.
    fn result_at(&self, given: &Given, var: Var) -> Place {
        let shape = self.facts().shape(given.leaf);
        let axis = given.axis + usize::from(shape.batch);
        let mut strides = strides(shape.batch, &shape.dims);
        let start = Linear::combination(0, [(strides.remove(axis), &Linear::var(var))]);
        let part = Part { start, strides, when: vec![], fill: 0.0 };
        Place { part: Some(Rc::new(part)), ..self.place(given.leaf) }
    }

    /// What is read of a value at an element.
    fn slice(&self, read: &Slice, var: Var) -> Place {
        let whole = self.place(read.of);
        if read.is_whole() {
            return whole;
        }
        let shape = self.facts().shape(read.of);
        let all = strides(shape.batch, &shape.dims);
        let (batch, dims) = all.split_at(usize::from(shape.batch));
        let mut part = Part { start: Linear::default(), strides: batch.to_vec(), when: vec![], fill: 0.0 };
        for (along, &stride) in read.dims.iter().zip(dims) {
            part.start.offset += along.start * stride;
            part.start.add(&Linear::var(var), along.step * stride);
            part.strides.extend(along.kept.then_some(stride));
        }
        if let Some(lag) = read.lag {
            part.fill = lag.fill.get();
            let mut e = Linear::var(var);
            e.offset -= lag.by;
            part.when.push(Condition { e, divisor: 1, lo: 0, hi: i64::from(lag.extent) });
        }
        Place { part: Some(Rc::new(part)), ..whole }
    }

    /// Within a recurrence: has an operand that is the same at each element lie as kernels read it fastest, by a
    /// copy made once: along its own axes, rather than along those that are summed, and in lines that do not displace one
    /// another in a cache.
    pub fn pack(&mut self, product: &Product, contract: &mut Contract) {
        if self.job.scanned.is_none() {
            return;
        }
        for (k, own) in [Group::M, Group::N].into_iter().enumerate() {
            if self.is_constant(product, k) {
                self.pack_operand(contract, own);
            }
        }
    }

    /// Whether an operand is the same at each element.
    fn is_constant(&self, product: &Product, k: usize) -> bool {
        let facts = self.facts();
        let moves = |place: &Place| place.part.is_some();
        match product.operand(facts, k).held {
            Held::Value(base) => is_slot(facts, facts.owner(base)) && !moves(&self.place(base)),
            Held::Prepared(
                Target::Frame(_) | Target::Value(_) | Target::Copy(_) | Target::Restricted(..),
            ) => false,
        }
    }

    fn pack_operand(&mut self, contract: &mut Contract, side: Group) {
        let Contract { batch, m, n, k, a, b, out, .. } = contract;
        let origin = self.schedule.buffers[out.buffer.0 as usize].origin;
        let (first, own, stride): (_, _, fn(&mut ContractAxis) -> &mut i64) = match side {
            Group::M => (a, m, |axis| &mut axis.a),
            _ => (b, n, |axis| &mut axis.b),
        };
        let close = own.iter_mut().any(|axis| *stride(axis) == 1 && axis.extent != Extent::Fixed(1));
        let lines = k.iter().map(|axis| axis.extent.len_for(1)).product();
        let crowded = k.iter_mut().any(|axis| is_crowded(*stride(axis), lines));
        let axes_of_line = own.iter_mut().filter_map(|axis| (*stride(axis) != 0).then_some(axis.extent));
        let length: usize = axes_of_line.map(|extent| extent.len_for(1)).product();
        let mut axes: Vec<&mut ContractAxis> = batch.iter_mut().chain(k).chain(own).collect();
        axes.retain_mut(|axis| *stride(axis) != 0);
        let steps: Vec<i64> = axes.iter_mut().map(|axis| *stride(axis)).collect();
        let fixed = |axis: &&mut ContractAxis| match axis.extent {
            Extent::Fixed(extent) => Some(extent),
            Extent::Batch => None,
        };
        let dims: Option<Vec<u32>> = axes.iter().map(fixed).collect();
        let Some(dims) = dims.filter(|dims| !dims.is_empty() && (!close || crowded)) else { return };
        // Lines that would displace one another begin a line of the caches further apart.
        let gap = if is_crowded(length as i64, lines) { LINE as i64 } else { 0 };
        let apart = |step: i64| step + step / length as i64 * gap;
        let along: Vec<i64> = strides(false, &dims).into_iter().map(apart).collect();
        axes.into_iter().zip(&along).for_each(|(axis, &along)| *stride(axis) = along);
        *first = self.packed(first, [&steps, &along], &dims, origin);
    }

    /// A copy of what lies with the first strides, with the second ones, of which the first is the longest, made before the
    /// first element for what computes `origin`.
    fn packed(
        &mut self,
        from: &Address,
        [steps, along]: [&[i64]; 2],
        dims: &[u32],
        origin: Option<ValueId>,
    ) -> Address {
        let source = &self.schedule.buffers[from.buffer.0 as usize];
        let buffer = Buffer {
            name: format!("{} packed", source.name),
            batch: false,
            dims: vec![dims[0], along[0] as u32],
            region: Region::Arena,
            offset: 0,
            origin: source.origin,
        };
        let what = buffer.name.clone();
        let to = BufferId(self.schedule.buffers.len() as u32);
        self.schedule.buffers.push(buffer);
        self.body = Body::new(self.tables.fresh);
        self.body.set_origin(origin);
        let extents: Vec<Extent> = dims.iter().map(|&extent| Extent::Fixed(extent)).collect();
        let opened = self.open_all(&extents);
        let moved = |start: &Linear, strides: &[i64]| {
            let mut at = start.clone();
            opened.iter().zip(strides).for_each(|(open, &stride)| at.add(&open.index, stride));
            at
        };
        let place = Address { buffer: from.buffer, at: moved(&from.at, steps) };
        let value = self.body.load(place, vec![], 0.0, 0);
        let place = Address { buffer: to, at: moved(&Linear::default(), along) };
        self.body.store(place, value, false);
        self.close_all(&opened, &extents);
        let body = self.finish_body();
        self.before.push(Step::Nest(Nest { what: vec![what], body }));
        Address { buffer: to, at: Linear::default() }
    }
}
