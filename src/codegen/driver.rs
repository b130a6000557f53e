//! The native loop over steps.

use super::call::Frame;
use super::emitter::{Emitter, Index, Operands};
use super::step::Callees;
use crate::plan::schedule::*;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I8X16, I32, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value};
use std::mem::offset_of;

/// Bytes of a row up to which it is moved in place.
const MOVED: i64 = 256;

/// A column of short rows.
#[derive(Clone, Copy)]
struct Moved {
    /// Where the batch's rows go.
    out: Value,
    /// The first row of all examples.
    column: Value,
    /// Of a row.
    bytes: i64,
}

impl Emitter<'_, '_> {
    /// Emits the loop: for each step the gathering of its batch, `body`, and what moves on from step to step.
    pub fn drive(&mut self, frame: Value, callees: Callees, body: impl FnOnce(&mut Self)) {
        let mut read = |offset: usize| self.b.ins().load(I64, MemFlagsData::trusted(), frame, offset as i32);
        let (left, epoch) = (read(offset_of!(Frame, left)), read(offset_of!(Frame, epoch)));
        let steps = read(offset_of!(Frame, steps));
        let columns = read(offset_of!(Frame, columns));
        let (order, records) = (read(offset_of!(Frame, order)), read(offset_of!(Frame, records)));
        let (regions, equipment) = (read(offset_of!(Frame, regions)), read(offset_of!(Frame, equipment)));

        self.counted([Index::Known(0), Index::Value(steps)], 1, &[left, order, records], |e, _, carried| {
            let (left, examples, record) = (carried[0], carried[1], carried[2]);
            let capacity = e.b.ins().iconst(I64, i64::from(e.schedule.capacity));
            let n = e.b.ins().umin(left, capacity);
            e.operands = Operands { regions, n, record, examples, equipment, element: n };
            e.gather_inputs(columns, callees);
            body(e);
            e.advance_results();
            let bytes = e.b.ins().ishl_imm_u(n, 2);
            let record_bytes = super::record_len(e.schedule) as i64 * 4;
            vec![
                e.left_after(left, n, epoch),
                e.b.ins().iadd(examples, bytes),
                e.b.ins().iadd_imm_s(record, record_bytes),
            ]
        });
    }

    /// Emits what is done for a whole batch, and for one that is shorter.
    pub fn if_whole(&mut self, whole: impl FnOnce(&mut Self), shorter: impl FnOnce(&mut Self)) {
        let [then, otherwise, after] = std::array::from_fn(|_| self.b.create_block());
        let capacity = i64::from(self.schedule.capacity);
        let is_whole = self.b.ins().icmp_imm_s(IntCC::Equal, self.operands.n, capacity);
        self.b.ins().brif(is_whole, then, &[], otherwise, &[]);
        self.b.switch_to_block(then);
        whole(self);
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(otherwise);
        shorter(self);
        self.b.ins().jump(after, &[]);
        self.b.switch_to_block(after);
    }

    /// Examples until the epoch ends, after a batch of `n`: those of the next one where it has ended.
    fn left_after(&mut self, left: Value, n: Value, epoch: Value) -> Value {
        let left = self.b.ins().isub(left, n);
        let ended = self.b.ins().icmp_imm_s(IntCC::Equal, left, 0);
        self.b.ins().select(ended, epoch, left)
    }

    /// Puts the rows of the batch's examples side by side: short rows by moves in place, long ones by a call.
    fn gather_inputs(&mut self, columns: Value, callees: Callees) {
        let mut short = vec![];
        for (at, region) in self.schedule.regions().into_iter().enumerate() {
            let Region::Input(column) = region else { continue };
            let flags = MemFlagsData::trusted();
            let out = self.b.ins().load(I64, flags, self.operands.regions, at as i32 * 8);
            let column = self.b.ins().load(I64, flags, columns, i32::from(column) * 8);
            let bytes = self.schedule.region_row(region) as i64 * self.size();
            if bytes <= MOVED {
                short.push(Moved { out, column, bytes });
                continue;
            }
            let row = self.b.ins().iconst(I64, bytes);
            self.b.ins().call(callees.gather, &[out, column, self.operands.examples, self.operands.n, row]);
        }
        if !short.is_empty() {
            let all = [Index::Known(0), Index::Value(self.operands.n)];
            self.counted(all, 1, &[], |e, k, _| {
                let k = e.index(k);
                e.move_rows(&short, k);
                vec![]
            });
        }
    }

    /// Copies the rows of example `k` of the batch.
    fn move_rows(&mut self, rows: &[Moved], k: Value) {
        let flags = MemFlagsData::new().with_notrap();
        let at = self.scaled(k, 4);
        let at = self.b.ins().iadd(self.operands.examples, at);
        let example = self.b.ins().uload32(flags, at, 0);
        for &Moved { out, column, bytes } in rows {
            let (from, to) = (self.scaled(example, bytes), self.scaled(k, bytes));
            let (from, to) = (self.b.ins().iadd(column, from), self.b.ins().iadd(out, to));
            let mut done = 0;
            while done < bytes {
                let ty = match bytes - done {
                    16.. => I8X16,
                    8.. => I64,
                    _ => I32,
                };
                let part = self.b.ins().load(ty, flags, from, done as i32);
                self.b.ins().store(flags, part, to, done as i32);
                done += i64::from(ty.bytes());
            }
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
