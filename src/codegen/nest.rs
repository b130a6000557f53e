//! Loops and the statements in them.

use super::emitter::{Emitter, Index, Spread};
use super::{invariant, vectorise, walk};
use crate::circuit::expansions;
use crate::circuit::machine::{self, program};
use crate::plan::schedule::*;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F32X4, I32, I32X4, I64};
use cranelift_codegen::ir::{InstBuilder, Type, Value};

/// Constants that are read once, where a nest begins; further ones are read where they are used. (Those for which
/// there is no register are kept on the stack.)
const KEPT_CONSTANTS: usize = 64;

impl Emitter<'_, '_> {
    /// Emits a nest.
    pub fn nest(&mut self, nest: &Nest) {
        let body = invariant::move_out(self.schedule, &nest.body);
        self.keep_constants(&body);
        self.prepare_pointers(&body);
        self.block(&body);
        self.pointers.clear();
        self.constants.clear();
        self.masks.clear();
    }

    /// Puts the constants of a body into registers.
    fn keep_constants(&mut self, body: &[Stmt]) {
        let mut found: Vec<(u32, Type)> = vec![];
        walk::statements(body, &mut |stmt| {
            let used = match stmt {
                Stmt::Let { op: Op::Gate(gate), .. } => Some(program(*gate)),
                Stmt::Let { op: Op::Draw { .. }, .. } => Some(expansions::uniform()),
                Stmt::Fold { with, .. } => with.gate().map(program),
                _ => None,
            };
            for op in used.iter().flat_map(|program| &program.ops) {
                found.extend(match op {
                    machine::Op::Const(bits) => Some((*bits, F32X4)),
                    machine::Op::IntConst(bits) => Some((*bits, I32X4)),
                    machine::Op::Truth(_) => Some((0, F32X4)),
                    machine::Op::Number(_) => Some((1f32.to_bits(), I32X4)),
                    _ => None,
                });
            }
        });
        for (bits, lanes) in found {
            if self.constants.len() < KEPT_CONSTANTS && !self.constants.contains_key(&(bits, lanes)) {
                let value = self.vector_constant([bits; 4], lanes);
                self.constants.insert((bits, lanes), value);
            }
        }
    }

    fn block(&mut self, body: &[Stmt]) {
        body.iter().for_each(|stmt| self.stmt(stmt));
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::For { var, extent, hint, body } => self.for_loop(*var, *extent, *hint, body),
            Stmt::Fold { acc, .. } => {
                let result = self.fold(stmt);
                self.regs.insert(*acc, result);
            }
            Stmt::Let { reg, op, args } => {
                let args: Vec<Value> = args.iter().map(|&arg| self.reg(arg)).collect();
                let value = self.compute(op, &args);
                self.regs.insert(*reg, value);
            }
            Stmt::Load { reg, at, when, fill } => {
                let value = self.load_when(at, when, *fill);
                self.regs.insert(*reg, value);
            }
            Stmt::LoadAt { reg, at, index, stride, extent } => {
                let index = self.reg(*index);
                let value = self.load_at(at, index, *stride, *extent);
                self.regs.insert(*reg, value);
            }
            Stmt::Store { at, value } => {
                let value = self.reg(*value);
                self.store(at, value);
            }
        }
    }

    /// Emits a body in which a variable has a value: that of one iteration, or of the first of those that are in the
    /// lanes of vectors.
    pub fn bound(&mut self, var: Var, index: Index, lanes: Option<u8>, body: &mut dyn FnMut(&mut Self)) {
        let around = self.spread;
        self.spread = lanes.map(|lanes| Spread { var, lanes }).or(around);
        self.vars.push((var, index));
        body(self);
        self.vars.pop();
        self.spread = around;
    }

    /// One iteration of a loop's body, or as many as there are lanes.
    pub fn iteration(&mut self, var: Var, index: Index, lanes: Option<u8>, body: &[Stmt]) {
        self.bound(var, index, lanes, &mut |e| {
            e.prepare_pointers(body);
            e.block(body);
        });
    }

    /// Whether a loop is to run in lanes and can.
    pub fn runs_in_lanes(&self, var: Var, extent: Extent, hint: Hint, body: &[Stmt]) -> bool {
        hint == Hint::Vector
            && self.spread.is_none()
            && extent != Extent::Fixed(1)
            && vectorise::possible(self.schedule, var, extent, body)
    }

    fn for_loop(&mut self, var: Var, extent: Extent, hint: Hint, body: &[Stmt]) {
        let in_lanes = self.runs_in_lanes(var, extent, hint, body);
        self.loop_over(var, extent, in_lanes, &mut |e| {
            e.prepare_pointers(body);
            e.block(body);
        });
    }

    /// Emits a loop, four iterations at a time if `in_lanes`. The body is emitted up to twice.
    pub fn loop_over(&mut self, var: Var, extent: Extent, in_lanes: bool, body: &mut dyn FnMut(&mut Self)) {
        let mut from = Index::Known(0);
        let end = self.extent(extent);
        if in_lanes {
            let whole = self.whole_vectors(end);
            self.counted([from, whole], 4, &[], |e, i, _| {
                e.bound(var, i, Some(4), &mut *body);
                vec![]
            });
            from = whole;
            if let (Index::Known(start), Index::Known(end)) = (whole, end) {
                if start < end {
                    self.bound(var, whole, Some((end - start) as u8), body);
                }
                return;
            }
        }
        self.counted([from, end], 1, &[], |e, i, _| {
            e.bound(var, i, None, body);
            vec![]
        });
    }

    /// The largest multiple of four that is not above a length.
    pub fn whole_vectors(&mut self, length: Index) -> Index {
        match length {
            Index::Known(length) => Index::Known(length & !3),
            Index::Value(length) => Index::Value(self.b.ins().band_imm_s(length, !3)),
        }
    }

    fn compute(&mut self, op: &Op, args: &[Value]) -> Value {
        match op {
            Op::Gate(gate) => self.program(program(*gate), args),
            Op::Number(number) => self.number(*number),
            Op::Index(linear) => {
                let lanes = self.linear_lanes(linear);
                self.b.ins().fcvt_from_sint(F32X4, lanes)
            }
            Op::Scalar(k) => self.load_splat(F32, self.operands.record, *k as i32 * 4),
            Op::BatchSize => {
                let n = self.b.ins().ireduce(I32, self.operands.n);
                let lanes = self.b.ins().splat(I32X4, n);
                self.b.ins().fcvt_from_sint(F32X4, lanes)
            }
            Op::Draw { site, element, example } => self.draw(*site, element, *example),
        }
    }

    fn draw(&mut self, site: u32, element: &Linear, example: Option<Var>) -> Value {
        let keys = (self.schedule.scalars.len() + 2 * site as usize) as i32 * 4;
        let key = [0, 4].map(|half| self.load_splat(I32, self.operands.record, keys + half));
        let example = match example {
            None => self.constant(0, I32X4),
            Some(var) => self.example_number(var),
        };
        let element = self.linear_lanes(element);
        self.program(expansions::uniform(), &[key[0], key[1], example, element])
    }

    /// The numbers in the data set of the examples that the lanes stand for.
    fn example_number(&mut self, var: Var) -> Value {
        let index = self.var(var);
        let index = self.index(index);
        let bytes = self.b.ins().ishl_imm_u(index, 2);
        let pointer = self.b.ins().iadd(self.operands.examples, bytes);
        match self.spread.filter(|spread| spread.var == var) {
            None => self.load_splat(I32, pointer, 0),
            Some(spread) => {
                let numbers = self.load_lanes(spread.lanes, pointer, 0);
                self.cast(numbers, I32X4)
            }
        }
    }

    fn load_when(&mut self, at: &Address, when: &[Condition], fill: f32) -> Value {
        match self.conditions(when) {
            Err(true) => self.load(at, None),
            Err(false) => self.number(fill),
            Ok(inside) => {
                let fill = self.number(fill);
                self.guarded(inside, fill, |e| e.load(at, None))
            }
        }
    }

    fn load_at(&mut self, at: &Address, index: Value, stride: u32, extent: u32) -> Value {
        let truth = self.b.ins().fcmp(FloatCC::Equal, index, index);
        let rounded = self.b.ins().fcvt_to_sint_sat(I32X4, index);
        let limit = self.constant(extent, I32X4);
        let below = self.b.ins().icmp(IntCC::UnsignedLessThan, rounded, limit);
        let inside = self.b.ins().band(truth, below);
        let inside = self.b.ins().extractlane(inside, 0);
        let outside = self.number(f32::NAN);
        self.guarded(inside, outside, |e| {
            let row = e.b.ins().extractlane(rounded, 0);
            let row = e.b.ins().uextend(I64, row);
            let bytes = e.b.ins().imul_imm_s(row, i64::from(stride) * 4);
            e.load(at, Some(bytes))
        })
    }
}
