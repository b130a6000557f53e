//! Operations as machine code.

use super::assembler::made;
use super::code::{self, *};
use super::instructions::{Form, Instructions};
use super::registers::{Emission, Source, TEMPORARY, xmm};
use super::{avx2, avx512};
use iced_x86::Instruction;

impl Emission<'_> {
    pub fn op(&mut self, op: &Operation) {
        match (&op.opcode, op.to) {
            (Opcode::Store(at, reach), _) => self.store(*at, *reach, &op.args),
            (Opcode::Assign(reach), Some(to)) => self.assign(to, op.args[0], *reach, &op.args),
            (opcode, Some(to)) => {
                let register = self.computed(opcode, to, &op.args);
                self.finish(to, register);
            }
            (_, None) => unreachable!("only a store gives nothing"),
        }
    }

    /// Emits an operation; the register of its result.
    fn computed(&mut self, opcode: &Opcode, to: Vector, args: &[Operand]) -> usize {
        use Opcode::*;
        match opcode {
            Fma => self.fma(to, args),
            Sqrt => self.one(Form::Sqrt, to, args, None),
            Convert => self.one(Form::Convert, to, args, None),
            Nearest => self.one(Form::Round, to, args, Some(8)),
            Floor => self.one(Form::Round, to, args, Some(9)),
            Ceil => self.one(Form::Round, to, args, Some(10)),
            Shl(by) => self.one(Form::Shl, to, args, Some(*by)),
            Shr(by) => self.one(Form::Shr, to, args, Some(*by)),
            Sar(by) => self.one(Form::Sar, to, args, Some(*by)),
            Select(_) | Test(_) | Choose | Rotate(_) | Blend(_) => self.by_lanes(opcode, to, args),
            Spread => self.spread(to, args),
            Permute(order) => self.permute(order, to, args),
            Load(..) | LoadWhen(..) | LoadRow { .. } => self.load(opcode, to, args),
            Integer(affine, step) => self.integer(affine, *step, to),
            Store(..) | Assign(_) => unreachable!("they give no new vector"),
            _ => self.two(two_operands(opcode), opcode.commutes(), to, args),
        }
    }

    /// `to = a op b`
    fn two(&mut self, form: Form, commutes: bool, to: Vector, args: &[Operand]) -> usize {
        let mut locked = vec![];
        let (first, second) = match args[0] {
            Operand::Bits(_) if commutes => (args[1], args[0]),
            _ => (args[0], args[1]),
        };
        let first = self.in_register(first, &mut locked);
        let second = self.anywhere(second, &mut locked);
        self.release(args);
        let register = self.take(&[], to);
        let (code, vectors) = self.set.code_for(form, self.lanes_of(to));
        let vector = |register: usize| vectors + register as u32;
        let (to, first) = (vector(register), vector(first));
        self.asm.put(made(match second {
            Source::Register(second) => Instruction::with3(code, to, first, vector(second)),
            Source::Memory(second) => Instruction::with3(code, to, first, second),
        }));
        register
    }

    /// `to = op a`, with a number that belongs to the operation.
    fn one(&mut self, form: Form, to: Vector, args: &[Operand], number: Option<u8>) -> usize {
        // AVX2 shifts registers only.
        let shifts = matches!(form, Form::Shl | Form::Shr | Form::Sar);
        let source = match shifts && self.set == Instructions::Avx2 {
            true => Source::Register(self.in_register(args[0], &mut vec![])),
            false => self.anywhere(args[0], &mut vec![]),
        };
        self.release(args);
        let register = self.take(&[], to);
        let (code, vectors) = self.set.code_for(form, self.lanes_of(to));
        let vector = |register: usize| vectors + register as u32;
        let to = vector(register);
        self.asm.put(made(match (source, number) {
            (Source::Register(a), None) => Instruction::with2(code, to, vector(a)),
            (Source::Memory(a), None) => Instruction::with2(code, to, a),
            (Source::Register(a), Some(number)) => Instruction::with3(code, to, vector(a), u32::from(number)),
            (Source::Memory(a), Some(number)) => Instruction::with3(code, to, a, u32::from(number)),
        }));
        register
    }

    /// `a * b + c` in the register of one of the three.
    fn fma(&mut self, to: Vector, args: &[Operand]) -> usize {
        let (mut a, mut b, c) = (args[0], args[1], args[2]);
        // A constant factor comes second; one operand may be in memory.
        if matches!(a, Operand::Bits(_)) {
            (a, b) = (b, a);
        }
        let mut locked = vec![];
        let constant = |operand: Operand| matches!(operand, Operand::Bits(_));
        let a_in = self.in_register(a, &mut locked);
        let (b_in, c_in) = match constant(b) && !constant(c) {
            true => {
                let c_in = self.in_register(c, &mut locked);
                (self.anywhere(b, &mut locked), Source::Register(c_in))
            }
            false => {
                let b_in = self.in_register(b, &mut locked);
                (Source::Register(b_in), self.anywhere(c, &mut locked))
            }
        };
        let ends = |e: &Self, operand: Operand, register: usize| match operand {
            Operand::Vector(vector) => e.next_read(vector).is_none() && e.held[register] == Some(vector),
            Operand::Bits(_) => true,
        };
        // What is overwritten, what is read from a register, and what from anywhere.
        let (form, first, second, third) = match (b_in, c_in) {
            (Source::Memory(_), Source::Register(c_in)) if ends(self, c, c_in) && !ends(self, a, a_in) => {
                (Form::FmaSecondThird, c_in, a_in, b_in)
            }
            (Source::Memory(_), Source::Register(c_in)) => (Form::FmaFirstThird, a_in, c_in, b_in),
            (Source::Register(b_in), Source::Register(c_in))
                if ends(self, c, c_in) && !ends(self, a, a_in) && !ends(self, b, b_in) =>
            {
                (Form::FmaSecondThird, c_in, a_in, Source::Register(b_in))
            }
            (Source::Register(b_in), c_in) if ends(self, b, b_in) && !ends(self, a, a_in) => {
                (Form::FmaFirstSecond, b_in, a_in, c_in)
            }
            (Source::Register(b_in), c_in) => (Form::FmaFirstSecond, a_in, b_in, c_in),
            (Source::Memory(_), Source::Memory(_)) => unreachable!("one of them is in a register"),
        };
        let overwritten = match first {
            first if first == a_in => ends(self, a, a_in),
            first if matches!(b_in, Source::Register(b_in) if b_in == first) => ends(self, b, first),
            first => ends(self, c, first),
        };
        self.release(args);
        let register = if overwritten {
            self.held[first] = Some(to);
            first
        } else {
            let register = self.take(&locked, to);
            self.asm.rr(self.set.code(Form::Copy), self.set.vector(register), self.set.vector(first));
            register
        };
        let (set, code) = (self.set, self.set.code(form));
        let (to, second) = (set.vector(register), set.vector(second));
        self.asm.put(made(match third {
            Source::Register(third) => Instruction::with3(code, to, second, set.vector(third)),
            Source::Memory(third) => Instruction::with3(code, to, second, third),
        }));
        register
    }

    /// What depends on comparisons, or moves lanes.
    fn by_lanes(&mut self, opcode: &Opcode, to: Vector, args: &[Operand]) -> usize {
        match (self.set, opcode) {
            (Instructions::Avx2, Opcode::Select(relation)) => avx2::select(self, *relation, to, args),
            (Instructions::Avx2, Opcode::Test(relation)) => avx2::test(self, *relation, to, args),
            (Instructions::Avx2, Opcode::Choose) => avx2::choose(self, to, args),
            (Instructions::Avx2, Opcode::Rotate(by)) => avx2::rotate(self, *by, to, args),
            (Instructions::Avx2, Opcode::Blend(lanes)) => avx2::blend_lanes(self, *lanes, to, args),
            (Instructions::Avx512, Opcode::Select(relation)) => avx512::select(self, *relation, to, args),
            (Instructions::Avx512, Opcode::Test(relation)) => avx512::test(self, *relation, to, args),
            (Instructions::Avx512, Opcode::Choose) => avx512::choose(self, to, args),
            (Instructions::Avx512, Opcode::Rotate(by)) => avx512::rotate(self, *by, to, args),
            (Instructions::Avx512, Opcode::Blend(lanes)) => avx512::blend_lanes(self, *lanes, to, args),
            _ => unreachable!("it is computed lane by lane"),
        }
    }

    fn spread(&mut self, to: Vector, args: &[Operand]) -> usize {
        let from = self.in_register(args[0], &mut vec![]);
        self.release(args);
        let register = self.take(&[], to);
        self.asm.rr(self.set.code(Form::SpreadLane), self.set.vector(register), xmm(from));
        register
    }

    /// Lanes in another order.
    pub fn permute(&mut self, order: &[u8], to: Vector, args: &[Operand]) -> usize {
        let mut locked = vec![];
        let from = self.in_register(args[0], &mut locked);
        let by = self.take(&locked, TEMPORARY);
        self.release(args);
        let register = self.take(&[], to);
        let lanes = self.asm.lanes(|lane| order[lane].into());
        let [from, by, to] = [from, by, register].map(|register| self.set.vector(register));
        self.asm.rm(self.set.code(Form::Load), by, lanes);
        self.asm.put(made(Instruction::with3(self.set.code(Form::Permute), to, by, from)));
        register
    }

    fn assign(&mut self, to: Vector, value: Operand, reach: Reach, args: &[Operand]) {
        match self.set {
            Instructions::Avx2 => avx2::assign(self, to, value, reach, args),
            Instructions::Avx512 => avx512::assign(self, to, value, reach, args),
        }
    }
}

/// The instruction of an operation on two operands.
fn two_operands(opcode: &code::Opcode) -> Form {
    match opcode {
        Opcode::Add => Form::Add,
        Opcode::Sub => Form::Sub,
        Opcode::Mul => Form::Mul,
        Opcode::Div => Form::Div,
        Opcode::Min => Form::Min,
        Opcode::Max => Form::Max,
        Opcode::And => Form::And,
        Opcode::Or => Form::Or,
        Opcode::Xor => Form::Xor,
        Opcode::IntAdd => Form::IntAdd,
        Opcode::IntSub => Form::IntSub,
        Opcode::IntMul => Form::IntMul,
        _ => unreachable!("it has not two operands"),
    }
}
