//! Steps of a schedule, each a part of a native function: nests in place, contractions and scatters as calls.

use super::Laps;
use super::emitter::{Emitter, Index};
use super::wide::Portions;
use crate::kernels::Task;
use crate::plan::schedule::*;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{FuncRef, InstBuilder, Value};

/// What a native function calls, as it knows it.
#[derive(Clone, Copy)]
pub struct Callees {
    pub contract: FuncRef,
    pub contract_by_example: FuncRef,
    pub contract_alone: FuncRef,
    pub scatter: FuncRef,
    pub gather: FuncRef,
    pub share: FuncRef,
    pub lap: FuncRef,
}

/// A step with what was prepared for it. The task must stay where it is while the code may run.
pub enum Prepared<'a> {
    Nest(&'a Nest),
    /// A nest in wide vectors: which of the functions that are called for such, and how threads share it.
    Wide(&'a Nest, usize, Option<Portions>),
    /// A contraction so small that it is emitted in place.
    Product(&'a Contract),
    Contract(&'a Contract, &'a Task),
    Scatter(&'a Scatter),
    /// With the steps of its body.
    Recur(&'a Recur, Vec<Prepared<'a>>),
    /// So many steps that threads share at once: as above, their function, and how they share it.
    Shared {
        what: String,
        function: usize,
        portions: Portions,
        steps: usize,
    },
}

impl Prepared<'_> {
    /// How many steps of the schedule it is.
    pub fn steps(&self) -> usize {
        if let Prepared::Shared { steps, .. } = self { *steps } else { 1 }
    }

    /// What it computes, for people.
    pub fn what(&self) -> String {
        match self {
            Prepared::Nest(nest) | Prepared::Wide(nest, ..) => nest.what.join(", "),
            Prepared::Product(contract) | Prepared::Contract(contract, _) => contract.what.clone(),
            Prepared::Scatter(scatter) => scatter.what.clone(),
            Prepared::Recur(recur, _) => recur.what.join(", "),
            Prepared::Shared { what, .. } => what.clone(),
        }
    }
}

impl Emitter<'_, '_> {
    /// Emits a step.
    pub fn step(&mut self, step: &Prepared, callees: Callees) {
        match step {
            Prepared::Nest(nest) => self.nest(nest),
            Prepared::Wide(_, function, None) => self.call_part(*function),
            Prepared::Wide(_, function, Some(portions)) | Prepared::Shared { function, portions, .. } => {
                self.share(*function, *portions, callees.share)
            }
            Prepared::Product(contract) => self.product(contract),
            Prepared::Contract(contract, task) => self.contract(contract, task, callees.contract),
            Prepared::Scatter(scatter) => self.scatter(scatter, callees.scatter),
            Prepared::Recur(recur, body) => {
                self.recur(recur, |e| body.iter().for_each(|inner| e.step(inner, callees)))
            }
        }
        self.pointers.clear();
    }

    /// Calls the functions of other steps, one after another.
    pub fn call_parts(&mut self) {
        (0..self.callees.len()).for_each(|part| self.call_part(part));
    }

    /// Calls the function of another step, or of a nest.
    pub fn call_part(&mut self, part: usize) {
        let operands = self.operands.to_params();
        self.b.ins().call(self.callees[part], &operands);
    }

    /// Has threads share a function: see [`super::support::share`].
    pub fn share(&mut self, function: usize, portions: Portions, callee: FuncRef) {
        let address = self.b.ins().func_addr(I64, self.callees[function]);
        let Portions { extent, unit, scratch, each } = portions;
        let length = self.extent(extent);
        let length = self.index(length);
        let [unit, scratch, each] =
            [unit, scratch, each].map(|number| self.b.ins().iconst(I64, i64::from(number)));
        let [regions, n, record, examples, equipment, element] = self.operands.to_params();
        let operands =
            [address, regions, n, record, examples, equipment, element, length, unit, scratch, each];
        self.b.ins().call(callee, &operands);
    }

    /// Counts the time since the last such place for a part, if it is taken.
    pub fn lap(&mut self, laps: Option<&Laps>, part: usize, callee: FuncRef) {
        if let Some(laps) = laps {
            let laps = self.b.ins().iconst(I64, std::ptr::from_ref(laps) as i64);
            let part = self.b.ins().iconst(I64, part as i64);
            self.b.ins().call(callee, &[laps, part]);
        }
    }

    /// Emits the loop of a recurrence around a body.
    pub fn recur(&mut self, recur: &Recur, body: impl FnOnce(&mut Self)) {
        let all = [Index::Known(0), Index::Known(i64::from(recur.extent))];
        let around = self.operands.element;
        self.counted(all, 1, &[], |e, i, _| {
            let element = e.scanned(recur, i);
            e.vars.push((recur.var, element));
            e.operands.element = e.index(element);
            body(e);
            e.vars.pop();
            e.pointers.clear();
            vec![]
        });
        self.operands.element = around;
    }

    /// The element that an iteration of a recurrence computes.
    fn scanned(&mut self, recur: &Recur, i: Index) -> Index {
        let last = i64::from(recur.extent) - 1;
        match i {
            i if !recur.backwards => i,
            Index::Known(i) => Index::Known(last - i),
            Index::Value(i) => {
                let last = self.b.ins().iconst(I64, last);
                Index::Value(self.b.ins().isub(last, i))
            }
        }
    }

    pub fn contract(&mut self, contract: &Contract, task: &Task, callee: FuncRef) {
        let task = self.b.ins().iconst(I64, task as *const Task as i64);
        let [a, b, out] = [&contract.a, &contract.b, &contract.out].map(|first| self.moved_by_loops(first));
        self.b.ins().call(callee, &[task, a, b, out, self.operands.n, self.operands.equipment]);
    }

    fn scatter(&mut self, scatter: &Scatter, callee: FuncRef) {
        let [out, index, value] =
            [scatter.out, scatter.index, scatter.value].map(|buffer| self.first_element(buffer));
        let [len, count] = [scatter.out, scatter.index].map(|buffer| self.elements(buffer));
        let row = self.b.ins().iconst(I64, i64::from(scatter.row));
        let divisor = if scatter.mean { self.operands.n } else { self.b.ins().iconst(I64, 0) };
        self.b.ins().call(callee, &[out, len, index, value, count, row, divisor]);
    }

    /// The address of a buffer.
    fn first_element(&mut self, buffer: BufferId) -> Value {
        self.moved_by_loops(&Address { buffer, at: Linear::default() })
    }

    /// The address of a buffer moved by the terms of an address, its constant aside: a task adds that itself.
    fn moved_by_loops(&mut self, at: &Address) -> Value {
        let terms = at.at.terms.clone();
        let (pointer, offset) = self.place(&Address { buffer: at.buffer, at: Linear { offset: 0, terms } });
        self.b.ins().iadd_imm_s(pointer, i64::from(offset))
    }

    /// How many elements a buffer has for this batch.
    fn elements(&mut self, buffer: BufferId) -> Value {
        let buffer = &self.schedule.buffers[buffer.0 as usize];
        let row = buffer.row() as i64;
        match buffer.batch {
            true => self.b.ins().imul_imm_s(self.operands.n, row),
            false => self.index(Index::Known(row)),
        }
    }
}
