//! Where elements lie: pointers, loads and stores of four lanes.
//!
//! A pointer is built variable by variable from the outermost loop inwards, each partial sum at the start of the
//! loop that it first depends on, so that inner loops add only what changes. Constants fold into the offset of the
//! load or store.

use super::emitter::{Emitter, Index, Pointer};
use crate::plan::schedule::*;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I32, I32X4, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};

/// Bytes of an element.
const SIZE: i64 = 4;

impl Emitter<'_, '_> {
    /// The value of a variable of a loop around.
    pub fn var(&self, var: Var) -> Index {
        self.vars.iter().rev().find(|bound| bound.0 == var).expect("a variable is used in its loop").1
    }

    /// Computes here, where a loop body begins, the parts of its addresses that do not change within.
    pub fn prepare_pointers(&mut self, body: &[Stmt]) {
        super::walk::addresses(body, &mut |at| self.prepare_pointer(at));
    }

    /// Computes here the part of an address that the loops around say.
    pub fn prepare_pointer(&mut self, at: &Address) {
        let bound = |var| self.vars.iter().any(|known| known.0 == var);
        let terms: Vec<(Var, i64)> = at.at.terms.iter().copied().filter(|term| bound(term.0)).collect();
        let (terms, _) = self.split(&terms);
        self.pointer(self.schedule.buffers[at.buffer.0 as usize].region, &terms);
    }

    /// The terms of variables that change while the program runs, outermost first, and the sum of the others.
    fn split(&self, terms: &[(Var, i64)]) -> (Vec<(Var, i64)>, i64) {
        let (mut changing, mut sum) = (vec![], 0);
        for &(var, index) in &self.vars {
            let Some(&(_, coefficient)) = terms.iter().find(|term| term.0 == var) else { continue };
            match index {
                Index::Known(known) => sum += known * coefficient,
                Index::Value(_) => changing.push((var, coefficient)),
            }
        }
        (changing, sum)
    }

    /// A region's first element moved by terms (outermost first).
    fn pointer(&mut self, region: Region, terms: &[(Var, i64)]) -> Value {
        let known = self.pointers.iter().find(|known| known.region == region && known.terms == terms);
        if let Some(known) = known {
            return known.value;
        }
        let value = match terms.split_last() {
            None => self.region(region),
            Some((&(var, coefficient), outer)) => {
                let from = self.pointer(region, outer);
                let index = self.var(var);
                let index = self.index(index);
                let bytes = self.scaled(index, coefficient * SIZE);
                self.b.ins().iadd(from, bytes)
            }
        };
        self.pointers.push(Pointer { region, terms: terms.to_vec(), value });
        value
    }

    /// The first element of a region, from the table.
    fn region(&mut self, region: Region) -> Value {
        let at = self.regions.binary_search(&region).expect("a buffer's region is listed");
        let offset = i32::try_from(at * 8).expect("few regions");
        self.b.ins().load(I64, MemFlagsData::trusted(), self.operands.regions, offset)
    }

    fn scaled(&mut self, value: Value, factor: i64) -> Value {
        match factor {
            1 => value,
            _ if factor > 0 && factor.count_ones() == 1 => {
                self.b.ins().ishl_imm_u(value, i64::from(factor.trailing_zeros()))
            }
            _ => self.b.ins().imul_imm_s(value, factor),
        }
    }

    /// Pointer and constant offset in bytes of an address.
    pub fn place(&mut self, at: &Address) -> (Value, i32) {
        let buffer = &self.schedule.buffers[at.buffer.0 as usize];
        let (terms, known) = self.split(&at.at.terms);
        let elements = i64::from(buffer.offset) + at.at.offset + known;
        let pointer = self.pointer(buffer.region, &terms);
        self.moved(pointer, elements * SIZE)
    }

    /// If an address moves with the spread variable: how many lanes it reaches, and the bytes from one to the next.
    fn reach(&self, at: &Linear) -> Option<(u8, i64)> {
        let spread = self.spread.filter(|spread| at.coefficient(spread.var) != 0)?;
        Some((spread.lanes, at.coefficient(spread.var) * SIZE))
    }

    /// Reads the elements that the lanes stand for; one element for all lanes where the address does not move with
    /// them. `beyond`: further bytes.
    pub fn load(&mut self, at: &Address, beyond: Option<Value>) -> Value {
        let (pointer, offset) = self.place(at);
        let pointer = beyond.map_or(pointer, |bytes| self.b.ins().iadd(pointer, bytes));
        match self.reach(&at.at) {
            None => self.load_splat(F32, pointer, offset),
            Some((lanes, SIZE)) => self.load_lanes(lanes, pointer, offset),
            Some((lanes, step)) => self.load_strided(lanes, step, pointer, offset),
        }
    }

    /// The first `lanes` of a vector from elements `step` bytes apart; the first one's in the other lanes.
    fn load_strided(&mut self, lanes: u8, step: i64, pointer: Value, offset: i32) -> Value {
        let mut vector = self.load_splat(F32, pointer, offset);
        for lane in 1..lanes {
            let (pointer, offset) = self.moved(pointer, i64::from(offset) + step * i64::from(lane));
            let element = self.b.ins().load(F32, MemFlagsData::trusted(), pointer, offset);
            vector = self.b.ins().insertlane(vector, element, lane);
        }
        vector
    }

    /// A pointer and a number of bytes, in a form that a load or store can take.
    fn moved(&mut self, pointer: Value, bytes: i64) -> (Value, i32) {
        match i32::try_from(bytes) {
            Ok(offset) => (pointer, offset),
            Err(_) => (self.b.ins().iadd_imm_s(pointer, bytes), 0),
        }
    }

    /// One element for all lanes.
    pub fn load_splat(&mut self, ty: Type, pointer: Value, offset: i32) -> Value {
        let element = self.b.ins().load(ty, MemFlagsData::trusted(), pointer, offset);
        self.b.ins().splat(ty.by(4).expect("four lanes"), element)
    }

    /// The first `lanes` of a vector from neighbouring elements; zeros in the other lanes.
    pub fn load_lanes(&mut self, lanes: u8, pointer: Value, offset: i32) -> Value {
        // Elements are aligned, vectors of them need not be.
        let flags = MemFlagsData::new().with_notrap();
        match lanes {
            4 => self.b.ins().load(F32X4, flags, pointer, offset),
            1 => {
                let element = self.b.ins().load(F32, flags, pointer, offset);
                self.b.ins().scalar_to_vector(F32X4, element)
            }
            _ => {
                let pair = self.b.ins().load(F64, flags, pointer, offset);
                let pair = self.b.ins().scalar_to_vector(F64X2, pair);
                let pair = self.cast(pair, F32X4);
                if lanes == 2 {
                    return pair;
                }
                let third = self.b.ins().load(F32, flags, pointer, offset + 8);
                self.b.ins().insertlane(pair, third, 2)
            }
        }
    }

    /// Writes the lanes that stand for iterations; the first lane where there is no spread variable.
    pub fn store(&mut self, at: &Address, value: Value) {
        let (pointer, offset) = self.place(at);
        let lanes = self.reach(&at.at).map_or(1, |reach| reach.0);
        self.store_lanes(lanes, value, pointer, offset);
    }

    /// Writes the first `lanes` of a vector to neighbouring elements.
    pub fn store_lanes(&mut self, lanes: u8, value: Value, pointer: Value, offset: i32) {
        let flags = MemFlagsData::new().with_notrap();
        if lanes == 4 {
            self.b.ins().store(flags, value, pointer, offset);
            return;
        }
        if lanes >= 2 {
            let pairs = self.cast(value, F64X2);
            let pair = self.b.ins().extractlane(pairs, 0);
            self.b.ins().store(flags, pair, pointer, offset);
        }
        if lanes != 2 {
            let last = lanes - 1;
            let element = self.b.ins().extractlane(value, last);
            self.b.ins().store(flags, element, pointer, offset + i32::from(last) * 4);
        }
    }

    /// The value of an affine function, the same for all lanes: the spread variable counts from its first lane.
    pub fn linear(&mut self, linear: &Linear) -> Index {
        let (terms, known) = self.split(&linear.terms);
        let mut sum: Option<Value> = None;
        for (var, coefficient) in terms {
            let index = self.var(var);
            let index = self.index(index);
            let term = self.scaled(index, coefficient);
            sum = Some(sum.map_or(term, |sum| self.b.ins().iadd(sum, term)));
        }
        match (sum, known + linear.offset) {
            (None, known) => Index::Known(known),
            (Some(sum), 0) => Index::Value(sum),
            (Some(sum), known) => Index::Value(self.b.ins().iadd_imm_s(sum, known)),
        }
    }

    /// The value of an affine function in each lane, as 32-bit integers.
    pub fn linear_lanes(&mut self, linear: &Linear) -> Value {
        let step = self.spread.map_or(0, |spread| linear.coefficient(spread.var));
        let steps: [u32; 4] = std::array::from_fn(|lane| (step * lane as i64) as u32);
        match self.linear(linear) {
            Index::Known(known) => {
                self.vector_constant(steps.map(|step| step.wrapping_add(known as u32)), I32X4)
            }
            Index::Value(value) => {
                let narrow = self.b.ins().ireduce(I32, value);
                let first = self.b.ins().splat(I32X4, narrow);
                if step == 0 {
                    return first;
                }
                let steps = self.vector_constant(steps, I32X4);
                self.b.ins().iadd(first, steps)
            }
        }
    }

    /// Whether all conditions hold; `Err` where that is known now.
    pub fn conditions(&mut self, when: &[Condition]) -> Result<Value, bool> {
        let mut all: Option<Value> = None;
        for condition in when {
            match self.condition(condition) {
                Err(true) => {}
                Err(false) => return Err(false),
                Ok(holds) => all = Some(all.map_or(holds, |all| self.b.ins().band(all, holds))),
            }
        }
        all.ok_or(true)
    }

    /// `e / divisor` is whole and in `lo..hi`: `e` lies in `lo*divisor..=(hi-1)*divisor` and is a multiple.
    fn condition(&mut self, condition: &Condition) -> Result<Value, bool> {
        let Condition { divisor, lo, hi, .. } = *condition;
        let e = match self.linear(&condition.e) {
            Index::Known(e) => {
                return Err(e.rem_euclid(divisor) == 0 && (lo..hi).contains(&e.div_euclid(divisor)));
            }
            Index::Value(e) => e,
        };
        if hi <= lo {
            return Err(false);
        }
        let above = self.b.ins().iadd_imm_s(e, -lo * divisor);
        let last = (hi - 1 - lo) * divisor;
        let within = self.b.ins().icmp_imm_s(IntCC::UnsignedLessThanOrEqual, above, last);
        if divisor == 1 {
            return Ok(within);
        }
        let rest = match divisor.count_ones() {
            1 => self.b.ins().band_imm_s(above, divisor - 1),
            _ => self.b.ins().urem_imm_u(above, divisor),
        };
        let whole = self.b.ins().icmp_imm_s(IntCC::Equal, rest, 0);
        Ok(self.b.ins().band(within, whole))
    }
}
