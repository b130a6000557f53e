//! Operations on four lanes of 32 bits: every register of the schedule is one 128-bit vector.
//!
//! Where a loop is vectorised the lanes are four neighbouring iterations; elsewhere all four hold the same number,
//! so scalar code needs no second form, no moves between kinds of machine registers and no branches for a select.

use super::emitter::Emitter;
use crate::circuit::machine::{Op, Program};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32X4, I8X16, I32X4};
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, Type, Value};

impl Emitter<'_, '_> {
    /// The same bits in all lanes.
    pub fn constant(&mut self, bits: u32, lanes: Type) -> Value {
        if let Some(&known) = self.constants.get(&(bits, lanes)) {
            return known;
        }
        self.vector_constant([bits; 4], lanes)
    }

    /// Four lanes of given bits.
    pub fn vector_constant(&mut self, bits: [u32; 4], lanes: Type) -> Value {
        let bytes: Vec<u8> = bits.iter().flat_map(|lane| lane.to_le_bytes()).collect();
        let handle = self.b.func.dfg.constants.insert(ConstantData::from(bytes));
        self.b.ins().vconst(lanes, handle)
    }

    /// The same number in all lanes.
    pub fn number(&mut self, number: f32) -> Value {
        self.constant(number.to_bits(), F32X4)
    }

    /// The same bits, read as lanes of another kind.
    pub fn cast(&mut self, value: Value, to: Type) -> Value {
        if self.b.func.dfg.value_type(value) == to {
            return value;
        }
        self.b.ins().bitcast(to, MemFlagsData::new().with_endianness(Endianness::Little), value)
    }

    /// `if mask then a else b`, lane by lane.
    pub fn choose(&mut self, mask: Value, a: Value, b: Value) -> Value {
        let lanes = self.b.func.dfg.value_type(a);
        let mask = self.cast(mask, lanes);
        self.b.ins().bitselect(mask, a, b)
    }

    /// Lane `k` of the result is lane `from[k]` of the operand.
    pub fn permute(&mut self, value: Value, from: [u8; 4]) -> Value {
        let bytes: Vec<u8> = from.iter().flat_map(|lane| (0..4).map(move |byte| lane * 4 + byte)).collect();
        let mask = self.b.func.dfg.immediates.push(ConstantData::from(bytes));
        let value = self.cast(value, I8X16);
        let permuted = self.b.ins().shuffle(value, value, mask);
        self.cast(permuted, F32X4)
    }

    /// One lane in all four.
    pub fn spread_lane(&mut self, value: Value, lane: u8) -> Value {
        self.permute(value, [lane; 4])
    }

    /// A program on vectors.
    pub fn program(&mut self, program: &Program, args: &[Value]) -> Value {
        let mut done: Vec<Value> = Vec::with_capacity(program.ops.len());
        for &op in &program.ops {
            let value = self.operation(op, args, &done);
            done.push(value);
        }
        done[program.result.index()]
    }

    fn operation(&mut self, op: Op, args: &[Value], done: &[Value]) -> Value {
        let at = |reg: crate::circuit::machine::Reg| done[reg.index()];
        match op {
            Op::Arg(k) | Op::IntArg(k) => args[k as usize],
            Op::Const(bits) => self.constant(bits, F32X4),
            Op::IntConst(bits) => self.constant(bits, I32X4),
            Op::Add(a, b) => self.b.ins().fadd(at(a), at(b)),
            Op::Sub(a, b) => self.b.ins().fsub(at(a), at(b)),
            Op::Mul(a, b) => self.b.ins().fmul(at(a), at(b)),
            Op::Div(a, b) => self.b.ins().fdiv(at(a), at(b)),
            Op::Fma(a, b, c) => self.b.ins().fma(at(a), at(b), at(c)),
            Op::Neg(a) => self.b.ins().fneg(at(a)),
            Op::Abs(a) => self.b.ins().fabs(at(a)),
            Op::Sqrt(a) => self.b.ins().sqrt(at(a)),
            Op::Floor(a) => self.b.ins().floor(at(a)),
            Op::Ceil(a) => self.b.ins().ceil(at(a)),
            Op::Nearest(a) => self.b.ins().nearest(at(a)),
            Op::Less(a, b) => self.b.ins().fcmp(FloatCC::LessThan, at(a), at(b)),
            Op::LessEqual(a, b) => self.b.ins().fcmp(FloatCC::LessThanOrEqual, at(a), at(b)),
            Op::Equal(a, b) => self.b.ins().fcmp(FloatCC::Equal, at(a), at(b)),
            Op::NotEqual(a, b) => self.b.ins().fcmp(FloatCC::NotEqual, at(a), at(b)),
            Op::IntEqual(a, b) => self.b.ins().icmp(IntCC::Equal, at(a), at(b)),
            Op::And(a, b) | Op::IntAnd(a, b) => self.b.ins().band(at(a), at(b)),
            Op::Or(a, b) | Op::IntOr(a, b) => self.b.ins().bor(at(a), at(b)),
            Op::Not(a) => self.b.ins().bnot(at(a)),
            Op::Select(mask, a, b) => self.choose(at(mask), at(a), at(b)),
            Op::Number(a) => self.number_of_mask(at(a)),
            Op::Truth(a) => self.mask_of_number(at(a)),
            Op::IntAdd(a, b) => self.b.ins().iadd(at(a), at(b)),
            Op::IntSub(a, b) => self.b.ins().isub(at(a), at(b)),
            Op::IntMul(a, b) => self.b.ins().imul(at(a), at(b)),
            Op::IntXor(a, b) => self.b.ins().bxor(at(a), at(b)),
            Op::Shl(a, by) => self.b.ins().ishl_imm_u(at(a), i64::from(by)),
            Op::Shr(a, by) => self.b.ins().ushr_imm_u(at(a), i64::from(by)),
            Op::Sar(a, by) => self.b.ins().sshr_imm_u(at(a), i64::from(by)),
            Op::Bits(a) => self.cast(at(a), I32X4),
            Op::FromBits(a) => self.cast(at(a), F32X4),
            Op::Convert(a) => self.b.ins().fcvt_from_sint(F32X4, at(a)),
        }
    }

    /// 1 where the mask is set, else 0; remembers the mask, which most booleans are read back as.
    fn number_of_mask(&mut self, mask: Value) -> Value {
        let one = self.constant(1f32.to_bits(), I32X4);
        let bits = self.b.ins().band(mask, one);
        let number = self.cast(bits, F32X4);
        self.masks.insert(number, mask);
        number
    }

    fn mask_of_number(&mut self, number: Value) -> Value {
        if let Some(&mask) = self.masks.get(&number) {
            return mask;
        }
        let zero = self.number(0.0);
        self.b.ins().fcmp(FloatCC::NotEqual, number, zero)
    }
}
