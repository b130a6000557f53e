//! Where elements lie: pointers, loads and stores of the lanes of vectors.
//!
//! A pointer is built variable by variable from the outermost loop inwards, each partial sum at the start of the
//! loop that it first depends on, so that inner loops add only what changes. Constants fold into the offset of the
//! load or store.

use super::emitter::{Emitter, Index, Pointer};
use crate::plan::schedule::*;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{F64, F64X2, I32, I32X4, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Type, Value};

/// Access to an element, which is aligned as its type asks for, and is there.
const ELEMENT: MemFlagsData = MemFlagsData::trusted();
/// Access to a vector of elements, which need not be aligned as a whole.
const VECTOR: MemFlagsData = MemFlagsData::new().with_notrap();

/// The vector of 128 bits of a type.
fn vector_of(ty: Type) -> Type {
    ty.by(128 / ty.bits()).expect("a vector of 128 bits")
}

impl Emitter<'_, '_> {
    /// The value of a variable of a loop around.
    pub fn var(&self, var: Var) -> Index {
        self.vars.iter().rev().find(|bound| bound.0 == var).expect("a variable is used in its loop").1
    }

    /// Computes here, where a loop body begins, the parts of its addresses that do not change within.
    pub fn prepare_pointers(&mut self, body: &[Stmt]) {
        crate::plan::walk::addresses(body, &mut |at| self.prepare_pointer(at));
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
                let bytes = self.scaled(index, coefficient * self.size());
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

    /// A multiple of an integer.
    pub fn scaled(&mut self, value: Value, factor: i64) -> Value {
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
        self.moved(pointer, elements * self.size())
    }

    /// If an address moves with the spread variable: how many lanes it reaches, and the bytes from one to the next.
    fn reach(&self, at: &Linear) -> Option<(u8, i64)> {
        let spread = self.spread.filter(|spread| at.coefficient(spread.var) != 0)?;
        Some((spread.lanes, at.coefficient(spread.var) * self.size()))
    }

    /// Reads the elements that the lanes stand for; one element for all lanes where the address does not move with
    /// them. `beyond`: further bytes.
    pub fn load(&mut self, at: &Address, beyond: Option<Value>) -> Value {
        let (pointer, offset) = self.place(at);
        let pointer = beyond.map_or(pointer, |bytes| self.b.ins().iadd(pointer, bytes));
        match self.reach(&at.at) {
            None => self.load_splat(self.real(), pointer, offset),
            Some((lanes, step)) if step == self.size() => {
                self.load_lanes(self.real(), lanes, pointer, offset)
            }
            Some((lanes, step)) => self.load_strided(lanes, step, pointer, offset),
        }
    }

    /// The first `lanes` of a vector from elements `step` bytes apart; the first one's in the other lanes.
    fn load_strided(&mut self, lanes: u8, step: i64, pointer: Value, offset: i32) -> Value {
        let real = self.real();
        let mut vector = self.load_splat(real, pointer, offset);
        for lane in 1..lanes {
            let (pointer, offset) = self.moved(pointer, i64::from(offset) + step * i64::from(lane));
            let element = self.b.ins().load(real, ELEMENT, pointer, offset);
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
        let element = self.b.ins().load(ty, ELEMENT, pointer, offset);
        self.b.ins().splat(vector_of(ty), element)
    }

    /// The first `lanes` of a vector from neighbouring elements of a type; zeros in the other lanes.
    pub fn load_lanes(&mut self, ty: Type, lanes: u8, pointer: Value, offset: i32) -> Value {
        let vector = vector_of(ty);
        if u32::from(lanes) == vector.lane_count() {
            return self.b.ins().load(vector, VECTOR, pointer, offset);
        }
        if lanes == 1 {
            let element = self.b.ins().load(ty, VECTOR, pointer, offset);
            return self.b.ins().scalar_to_vector(vector, element);
        }
        // Two or three of four.
        let pair = self.b.ins().load(F64, VECTOR, pointer, offset);
        let pair = self.b.ins().scalar_to_vector(F64X2, pair);
        let pair = self.cast(pair, vector);
        if lanes == 2 {
            return pair;
        }
        let third = self.b.ins().load(ty, VECTOR, pointer, offset + 8);
        self.b.ins().insertlane(pair, third, 2)
    }

    /// Writes the lanes that stand for iterations; the first lane where there is no spread variable.
    pub fn store(&mut self, at: &Address, value: Value) {
        let (pointer, offset) = self.place(at);
        let lanes = self.reach(&at.at).map_or(1, |reach| reach.0);
        self.store_lanes(lanes, value, pointer, offset);
    }

    /// Writes the first `lanes` of a vector to neighbouring elements.
    pub fn store_lanes(&mut self, lanes: u8, value: Value, pointer: Value, offset: i32) {
        if lanes == self.lanes() {
            self.b.ins().store(VECTOR, value, pointer, offset);
            return;
        }
        if lanes >= 2 {
            let pairs = self.cast(value, F64X2);
            let pair = self.b.ins().extractlane(pairs, 0);
            self.b.ins().store(VECTOR, pair, pointer, offset);
        }
        if lanes != 2 {
            let last = lanes - 1;
            let element = self.b.ins().extractlane(value, last);
            let beyond = i32::from(last) * self.size() as i32;
            self.b.ins().store(VECTOR, element, pointer, offset + beyond);
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
        let steps = |lane: u64| (step * lane as i64) as u64;
        match self.linear(linear) {
            Index::Known(known) => self.vector_constant(I32X4, |lane| steps(lane).wrapping_add(known as u64)),
            Index::Value(value) => {
                let narrow = self.b.ins().ireduce(I32, value);
                let first = self.b.ins().splat(I32X4, narrow);
                if step == 0 {
                    return first;
                }
                let steps = self.vector_constant(I32X4, steps);
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
            Index::Known(e) => return Err(condition.allows(e)),
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
