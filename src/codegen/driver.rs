//! The native loop over steps.

use super::call::Frame;
use super::emitter::{Emitter, Index, Operands};
use super::step::Callees;
use crate::plan::schedule::*;
use cranelift_codegen::ir::types::I64;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use std::mem::offset_of;

impl Emitter<'_, '_> {
    /// Emits the loop: for each step the gathering of its batch, `body`, and what moves on from step to step.
    pub fn drive(&mut self, frame: Value, callees: Callees, body: impl FnOnce(&mut Self)) {
        let mut read = |offset: usize| self.b.ins().load(I64, MemFlagsData::trusted(), frame, offset as i32);
        let rows = read(offset_of!(Frame, rows));
        let steps = read(offset_of!(Frame, steps));
        let columns = read(offset_of!(Frame, columns));
        let (order, records) = (read(offset_of!(Frame, order)), read(offset_of!(Frame, records)));
        let (regions, scratch) = (read(offset_of!(Frame, regions)), read(offset_of!(Frame, scratch)));

        self.counted([Index::Known(0), Index::Value(steps)], 1, &[rows, order, records], |e, _, carried| {
            let (left, examples, record) = (carried[0], carried[1], carried[2]);
            let capacity = e.b.ins().iconst(I64, i64::from(e.schedule.capacity));
            let n = e.b.ins().umin(left, capacity);
            e.operands = Operands { regions, n, record, examples, scratch, element: n };
            e.gather_inputs(columns, callees);
            body(e);
            e.advance_results();
            let bytes = e.b.ins().ishl_imm_u(n, 2);
            let record_bytes = super::record_len(e.schedule) as i64 * 4;
            vec![
                e.b.ins().isub(left, n),
                e.b.ins().iadd(examples, bytes),
                e.b.ins().iadd_imm_s(record, record_bytes),
            ]
        });
    }

    fn gather_inputs(&mut self, columns: Value, callees: Callees) {
        for (at, region) in self.schedule.regions().into_iter().enumerate() {
            let Region::Input(column) = region else { continue };
            let flags = MemFlagsData::trusted();
            let out = self.b.ins().load(I64, flags, self.operands.regions, at as i32 * 8);
            let column = self.b.ins().load(I64, flags, columns, i32::from(column) * 8);
            let bytes = self.schedule.region_row(region) as i64 * self.size();
            let row = self.b.ins().iconst(I64, bytes);
            self.b.ins().call(callees.gather, &[out, column, self.operands.examples, self.operands.n, row]);
        }
    }

    /// Moves the places of per-step and per-example results on.
    fn advance_results(&mut self) {
        for (at, room) in self.schedule.rooms().into_iter().enumerate() {
            let bytes = match (room.per_step, room.per_example) {
                (0, 0) => continue,
                (0, row) => {
                    let bytes = row as i64 * self.size();
                    self.b.ins().imul_imm_s(self.operands.n, bytes)
                }
                (record, _) => {
                    let bytes = record as i64 * self.size();
                    self.b.ins().iconst(I64, bytes)
                }
            };
            let (flags, offset) = (MemFlagsData::trusted(), at as i32 * 8);
            let here = self.b.ins().load(I64, flags, self.operands.regions, offset);
            let next = self.b.ins().iadd(here, bytes);
            self.b.ins().store(flags, next, self.operands.regions, offset);
        }
    }
}
