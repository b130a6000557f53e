//! Loops and the statements in them.

use super::emitter::{Emitter, Index, Spread};
use super::lanes::{constants, has_program};
use super::{invariant, vectorise};
use crate::circuit::Gate;
use crate::circuit::expansions;
use crate::circuit::machine::{Program, program};
use crate::plan::schedule::*;
use crate::plan::walk;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, I32, I32X4, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};

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
        let (dtype, reals) = (self.schedule.dtype, self.reals());
        let of_gate = |gate: Gate| has_program(gate, dtype).then(|| (program(gate), reals));
        let mut found: Vec<(u64, Type)> = vec![];
        walk::statements(body, &mut |stmt| {
            let used: Option<(&Program, Type)> = match stmt {
                Stmt::Let { op: Op::Gate(gate), .. } => of_gate(*gate),
                Stmt::Let { op: Op::Draw { .. }, .. } => Some((expansions::uniform(), F32X4)),
                Stmt::Fold { with, .. } => with.gate().and_then(of_gate),
                _ => None,
            };
            found.extend(used.into_iter().flat_map(|(program, reals)| constants(program, reals)));
        });
        for (bits, lanes) in found {
            if self.constants.len() < KEPT_CONSTANTS && !self.constants.contains_key(&(bits, lanes)) {
                let value = self.vector_constant(lanes, |_| bits);
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

    /// Emits a loop, as many iterations at a time as there are lanes if `in_lanes`. The body is emitted up to twice.
    pub fn loop_over(&mut self, var: Var, extent: Extent, in_lanes: bool, body: &mut dyn FnMut(&mut Self)) {
        let mut from = Index::Known(0);
        let end = self.extent(extent);
        if in_lanes {
            let whole = self.whole_vectors(end);
            let lanes = self.lanes();
            self.counted([from, whole], lanes.into(), &[], |e, i, _| {
                e.bound(var, i, Some(lanes), &mut *body);
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

    /// The largest multiple of the number of lanes that is not above a length.
    pub fn whole_vectors(&mut self, length: Index) -> Index {
        let mask = !(i64::from(self.lanes()) - 1);
        match length {
            Index::Known(length) => Index::Known(length & mask),
            Index::Value(length) => Index::Value(self.b.ins().band_imm_s(length, mask)),
        }
    }

    fn compute(&mut self, op: &Op, args: &[Value]) -> Value {
        match op {
            Op::Gate(gate) => self.gate(*gate, args),
            Op::Number(number) => self.number(*number),
            Op::Index(linear) => {
                let lanes = self.linear_lanes(linear);
                self.numbers_of(lanes)
            }
            Op::Scalar(k) => self.scalar(*k),
            Op::BatchSize => self.number_of_index(self.operands.n),
            Op::Draw { site, element, example } => self.draw(*site, element, *example),
        }
    }

    /// A scalar of the step's record, whose words need not be aligned as its type asks for.
    fn scalar(&mut self, k: u32) -> Value {
        let (offset, real, reals) = (k as i32 * self.size() as i32, self.real(), self.reals());
        let flags = MemFlagsData::new().with_notrap();
        let scalar = self.b.ins().load(real, flags, self.operands.record, offset);
        self.b.ins().splat(reals, scalar)
    }

    /// A small integer of 64 bits as a number in all lanes.
    pub fn number_of_index(&mut self, index: Value) -> Value {
        let narrow = self.b.ins().ireduce(I32, index);
        let lanes = self.b.ins().splat(I32X4, narrow);
        self.numbers_of(lanes)
    }

    fn draw(&mut self, site: u32, element: &Linear, example: Option<Var>) -> Value {
        let keys = (super::keys_at(self.schedule) + 2 * site as usize) as i32 * 4;
        let key = [0, 4].map(|half| self.load_splat(I32, self.operands.record, keys + half));
        let example = match example {
            None => self.constant(0, I32X4),
            Some(var) => self.example_number(var),
        };
        let element = self.linear_lanes(element);
        let drawn = self.program(expansions::uniform(), &[key[0], key[1], example, element], F32X4);
        if self.reals() == F32X4 { drawn } else { self.b.ins().fvpromote_low(drawn) }
    }

    /// The numbers in the data set of the examples that the lanes stand for.
    fn example_number(&mut self, var: Var) -> Value {
        let index = self.var(var);
        let index = self.index(index);
        let bytes = self.b.ins().ishl_imm_u(index, 2);
        let pointer = self.b.ins().iadd(self.operands.examples, bytes);
        match self.spread.filter(|spread| spread.var == var) {
            None => self.load_splat(I32, pointer, 0),
            Some(spread) => self.load_lanes(I32, spread.lanes, pointer, 0),
        }
    }

    fn load_when(&mut self, at: &Address, when: &[Condition], fill: f64) -> Value {
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
        let truth = self.b.ins().extractlane(truth, 0);
        let truth = self.b.ins().icmp_imm_s(IntCC::NotEqual, truth, 0);
        let rounded = self.ints_of(index);
        let row = self.b.ins().extractlane(rounded, 0);
        let below = self.b.ins().icmp_imm_u(IntCC::UnsignedLessThan, row, i64::from(extent));
        let inside = self.b.ins().band(truth, below);
        let outside = self.number(f64::NAN);
        let bytes = i64::from(stride) * self.size();
        self.guarded(inside, outside, |e| {
            let row = e.b.ins().uextend(I64, row);
            let bytes = e.scaled(row, bytes);
            e.load(at, Some(bytes))
        })
    }
}
