//! Operations on the lanes of vectors: every register of the schedule is one of 128 bits, four f32 or two f64.
//!
//! Where a loop is vectorised the lanes are neighbouring iterations; elsewhere all of them hold the same number,
//! so scalar code needs no second form, no moves between kinds of machine registers and no branches for a select.

use super::emitter::Emitter;
use crate::circuit::machine::{Op, Program, program};
use crate::circuit::{Dtype, Gate};
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::types::{F32, F32X4, F64, F64X2, I8X16, I32X4, I64, I64X2};
use cranelift_codegen::ir::{ConstantData, Endianness, InstBuilder, MemFlagsData, StackSlotData};
use cranelift_codegen::ir::{StackSlotKind, Type, Value};

impl Emitter<'_, '_> {
    /// Bytes of a number.
    pub fn size(&self) -> i64 {
        self.schedule.dtype.size() as i64
    }

    /// A number of the schedule's type.
    pub fn real(&self) -> Type {
        match self.schedule.dtype {
            Dtype::F32 => F32,
            Dtype::F64 => F64,
        }
    }

    /// A vector of such numbers.
    pub fn reals(&self) -> Type {
        match self.schedule.dtype {
            Dtype::F32 => F32X4,
            Dtype::F64 => F64X2,
        }
    }

    /// How many numbers a vector holds.
    pub fn lanes(&self) -> u8 {
        self.reals().lane_count() as u8
    }

    /// The same bits in all lanes.
    pub fn constant(&mut self, bits: u64, lanes: Type) -> Value {
        if let Some(&known) = self.constants.get(&(bits, lanes)) {
            return known;
        }
        self.vector_constant(lanes, |_| bits)
    }

    /// The bits of each lane.
    pub fn vector_constant(&mut self, lanes: Type, bits: impl Fn(u64) -> u64) -> Value {
        let bytes = lanes.lane_bits() as usize / 8;
        let lane = |lane| bits(lane).to_le_bytes().into_iter().take(bytes);
        let data: Vec<u8> = (0..u64::from(lanes.lane_count())).flat_map(lane).collect();
        let handle = self.b.func.dfg.constants.insert(ConstantData::from(data));
        self.b.ins().vconst(lanes, handle)
    }

    /// The same number in all lanes.
    pub fn number(&mut self, number: f64) -> Value {
        let lanes = self.reals();
        self.constant(bits_of(number, lanes), lanes)
    }

    /// Integers of 32 bits as numbers: those of the first lanes, where there are fewer numbers than integers.
    pub fn numbers_of(&mut self, ints: Value) -> Value {
        let lanes = self.reals();
        let ints = if lanes == F64X2 { self.b.ins().swiden_low(ints) } else { ints };
        self.b.ins().fcvt_from_sint(lanes, ints)
    }

    /// Numbers rounded towards zero to integers of 32 bits, as near as these reach; NaN becomes 0.
    pub fn ints_of(&mut self, numbers: Value) -> Value {
        if self.reals() == F32X4 {
            return self.b.ins().fcvt_to_sint_sat(I32X4, numbers);
        }
        let wide = self.b.ins().fcvt_to_sint_sat(I64X2, numbers);
        let zero = self.constant(0, I64X2);
        self.b.ins().snarrow(wide, zero)
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

    /// Lane `k` of the result is lane `from(k)` of the operand.
    pub fn permute(&mut self, value: Value, from: impl Fn(u8) -> u8) -> Value {
        let (lanes, size) = (self.lanes(), self.size() as u8);
        let bytes: Vec<u8> =
            (0..lanes).map(from).flat_map(|lane| (0..size).map(move |byte| lane * size + byte)).collect();
        let mask = self.b.func.dfg.immediates.push(ConstantData::from(bytes));
        let value = self.cast(value, I8X16);
        let permuted = self.b.ins().shuffle(value, value, mask);
        let lanes = self.reals();
        self.cast(permuted, lanes)
    }

    /// One lane in all of them.
    pub fn spread_lane(&mut self, value: Value, lane: u8) -> Value {
        self.permute(value, |_| lane)
    }

    /// A gate on vectors: by its program, or where that is an approximation for another type of number, by a call.
    pub fn gate(&mut self, gate: Gate, args: &[Value]) -> Value {
        match has_program(gate, self.schedule.dtype) {
            true => self.program(program(gate), args, self.reals()),
            false => self.call_gate(gate, args),
        }
    }

    /// Puts the operands on the stack for [`super::support::gate`], and takes the result from there.
    fn call_gate(&mut self, gate: Gate, args: &[Value]) -> Value {
        let size = 16 * (args.len() as u32 + 1);
        let slot = self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, size, 4));
        let flags = MemFlagsData::new().with_notrap();
        let place = self.b.ins().stack_addr(I64, slot, 0);
        for (k, &arg) in args.iter().enumerate() {
            self.b.ins().store(flags, arg, place, 16 * (k as i32 + 1));
        }
        let number = self.b.ins().iconst(I64, gate.index() as i64);
        self.b.ins().call(self.gate_function, &[number, place]);
        let reals = self.reals();
        self.b.ins().load(reals, flags, place, 0)
    }

    /// A program on vectors of numbers.
    pub fn program(&mut self, program: &Program, args: &[Value], reals: Type) -> Value {
        let mut done: Vec<Value> = Vec::with_capacity(program.ops.len());
        for &op in &program.ops {
            let value = self.operation(op, args, &done, reals);
            done.push(value);
        }
        done[program.result.index()]
    }

    fn operation(&mut self, op: Op, args: &[Value], done: &[Value], reals: Type) -> Value {
        let at = |reg: crate::circuit::machine::Reg| done[reg.index()];
        match op {
            Op::Arg(k) | Op::IntArg(k) => args[k as usize],
            Op::Const(bits) => self.constant(bits_of(f32::from_bits(bits).into(), reals), reals),
            Op::IntConst(bits) => self.constant(bits.into(), I32X4),
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
            Op::Number(a) => self.number_of_mask(at(a), reals),
            Op::Truth(a) => self.mask_of_number(at(a), reals),
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
    fn number_of_mask(&mut self, mask: Value, reals: Type) -> Value {
        let one = self.constant(bits_of(1.0, reals), reals.as_truthy());
        let bits = self.b.ins().band(mask, one);
        let number = self.cast(bits, reals);
        self.masks.insert(number, mask);
        number
    }

    fn mask_of_number(&mut self, number: Value, reals: Type) -> Value {
        if let Some(&mask) = self.masks.get(&number) {
            return mask;
        }
        let zero = self.constant(0, reals);
        self.b.ins().fcmp(FloatCC::NotEqual, number, zero)
    }
}

/// Whether a gate's program computes it for numbers of a type: programs approximate for f32.
pub fn has_program(gate: Gate, dtype: Dtype) -> bool {
    dtype == Dtype::F32 || gate.row().is_exact()
}

/// The constants of a program on vectors of numbers.
pub fn constants(program: &Program, reals: Type) -> impl Iterator<Item = (u64, Type)> {
    program.ops.iter().filter_map(move |op| match *op {
        Op::Const(bits) => Some((bits_of(f32::from_bits(bits).into(), reals), reals)),
        Op::IntConst(bits) => Some((bits.into(), I32X4)),
        Op::Truth(_) => Some((0, reals)),
        Op::Number(_) => Some((bits_of(1.0, reals), reals.as_truthy())),
        _ => None,
    })
}

/// The bits of a number, rounded to the type of a vector's lanes.
fn bits_of(number: f64, lanes: Type) -> u64 {
    match lanes.lane_bits() {
        32 => (number as f32).to_bits().into(),
        _ => number.to_bits(),
    }
}
