//! Operations as machine code.

use super::assembler::{POOL, made};
use super::code::{self, *};
use super::memory::MASK;
use super::registers::{Emission, Source, xmm, zmm};
use iced_x86::{Code as X86, Instruction};

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
            Sqrt => self.one(X86::EVEX_Vsqrtps_zmm_k1z_zmmm512b32_er, to, args, None),
            Convert => self.one(X86::EVEX_Vcvtdq2ps_zmm_k1z_zmmm512b32_er, to, args, None),
            Nearest => self.one(X86::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, to, args, Some(8)),
            Floor => self.one(X86::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, to, args, Some(9)),
            Ceil => self.one(X86::EVEX_Vrndscaleps_zmm_k1z_zmmm512b32_imm8_sae, to, args, Some(10)),
            Shl(by) => self.one(X86::EVEX_Vpslld_zmm_k1z_zmmm512b32_imm8, to, args, Some(*by)),
            Shr(by) => self.one(X86::EVEX_Vpsrld_zmm_k1z_zmmm512b32_imm8, to, args, Some(*by)),
            Sar(by) => self.one(X86::EVEX_Vpsrad_zmm_k1z_zmmm512b32_imm8, to, args, Some(*by)),
            Select(relation) => self.select(*relation, to, args),
            Test(relation) => self.test(*relation, to, args),
            Choose => self.choose(to, args),
            Rotate(by) => self.rotate(*by, to, args),
            Spread => self.spread(to, args),
            Load(..) | LoadWhen(..) | LoadRow { .. } => self.load(opcode, to, args),
            Integer(affine, step) => self.integer(affine, *step, to),
            Store(..) | Assign(_) => unreachable!("they give no new vector"),
            _ => self.two(two_operands(opcode), opcode.commutes(), to, args),
        }
    }

    /// `to = a op b`
    fn two(&mut self, code: X86, commutes: bool, to: Vector, args: &[Operand]) -> usize {
        let mut locked = vec![];
        let (first, second) = match args[0] {
            Operand::Bits(_) if commutes => (args[1], args[0]),
            _ => (args[0], args[1]),
        };
        let first = self.in_register(first, &mut locked);
        let second = self.anywhere(second, &mut locked);
        self.release(args);
        let register = self.take(&[], to);
        let (to, first) = (zmm(register), zmm(first));
        self.asm.put(made(match second {
            Source::Register(second) => Instruction::with3(code, to, first, zmm(second)),
            Source::Memory(second) => Instruction::with3(code, to, first, second),
        }));
        register
    }

    /// `to = op a`, with a number that belongs to the operation.
    fn one(&mut self, code: X86, to: Vector, args: &[Operand], number: Option<u8>) -> usize {
        let source = self.anywhere(args[0], &mut vec![]);
        self.release(args);
        let register = self.take(&[], to);
        let to = zmm(register);
        self.asm.put(made(match (source, number) {
            (Source::Register(a), None) => Instruction::with2(code, to, zmm(a)),
            (Source::Memory(a), None) => Instruction::with2(code, to, a),
            (Source::Register(a), Some(number)) => Instruction::with3(code, to, zmm(a), u32::from(number)),
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
        use X86::{
            EVEX_Vfmadd132ps_zmm_k1z_zmm_zmmm512b32_er as PRODUCT_FIRST_THIRD,
            EVEX_Vfmadd213ps_zmm_k1z_zmm_zmmm512b32_er as PRODUCT_FIRST_SECOND,
            EVEX_Vfmadd231ps_zmm_k1z_zmm_zmmm512b32_er as PRODUCT_SECOND_THIRD,
        };
        // What is overwritten, what is read from a register, and what from anywhere.
        let (code, first, second, third) = match (b_in, c_in) {
            (Source::Memory(_), Source::Register(c_in)) if ends(self, c, c_in) && !ends(self, a, a_in) => {
                (PRODUCT_SECOND_THIRD, c_in, a_in, b_in)
            }
            (Source::Memory(_), Source::Register(c_in)) => (PRODUCT_FIRST_THIRD, a_in, c_in, b_in),
            (Source::Register(b_in), Source::Register(c_in))
                if ends(self, c, c_in) && !ends(self, a, a_in) && !ends(self, b, b_in) =>
            {
                (PRODUCT_SECOND_THIRD, c_in, a_in, Source::Register(b_in))
            }
            (Source::Register(b_in), c_in) if ends(self, b, b_in) && !ends(self, a, a_in) => {
                (PRODUCT_FIRST_SECOND, b_in, a_in, c_in)
            }
            (Source::Register(b_in), c_in) => (PRODUCT_FIRST_SECOND, a_in, b_in, c_in),
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
            self.asm.rr(X86::EVEX_Vmovaps_zmm_k1z_zmmm512, zmm(register), zmm(first));
            register
        };
        let (to, second) = (zmm(register), zmm(second));
        self.asm.put(made(match third {
            Source::Register(third) => Instruction::with3(code, to, second, zmm(third)),
            Source::Memory(third) => Instruction::with3(code, to, second, third),
        }));
        register
    }

    /// Puts a comparison into the mask of one operation.
    fn compare(&mut self, relation: Relation, args: &[Operand], locked: &mut Vec<usize>) {
        let first = self.in_register(args[0], locked);
        let second = self.anywhere(args[1], locked);
        let (code, number) = match relation {
            Relation::Less => (X86::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, 0x11),
            Relation::LessEqual => (X86::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, 0x12),
            Relation::Equal => (X86::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, 0x00),
            Relation::NotEqual => (X86::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, 0x04),
            Relation::NotLess => (X86::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, 0x15),
            Relation::NotLessEqual => (X86::EVEX_Vcmpps_kr_k1_zmm_zmmm512b32_imm8_sae, 0x16),
            Relation::IntEqual => (X86::EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8, 0),
            Relation::IntNotEqual => (X86::EVEX_Vpcmpd_kr_k1_zmm_zmmm512b32_imm8, 4),
        };
        self.asm.put(made(match second {
            Source::Register(second) => Instruction::with4(code, MASK, zmm(first), zmm(second), number),
            Source::Memory(second) => Instruction::with4(code, MASK, zmm(first), second, number),
        }));
    }

    fn select(&mut self, relation: Relation, to: Vector, args: &[Operand]) -> usize {
        let mut locked = vec![];
        self.compare(relation, &args[..2], &mut locked);
        self.blend(to, args[2], args[3], args, &mut locked)
    }

    /// Where the mask of one operation is set the one, else the other.
    fn blend(
        &mut self,
        to: Vector,
        then: Operand,
        otherwise: Operand,
        args: &[Operand],
        locked: &mut Vec<usize>,
    ) -> usize {
        let zero = otherwise == Operand::Bits(0);
        let then = match then {
            Operand::Bits(bits) if zero => Source::Memory(self.asm.constant_element(bits)),
            then => self.anywhere(then, locked),
        };
        let other = (!zero).then(|| self.in_register(otherwise, locked));
        self.release(args);
        let register = self.take(&[], to);
        let to = zmm(register);
        let mut instruction = made(match (other, then) {
            (Some(other), Source::Register(then)) => {
                Instruction::with3(X86::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32, to, zmm(other), zmm(then))
            }
            (Some(other), Source::Memory(then)) => {
                Instruction::with3(X86::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32, to, zmm(other), then)
            }
            (None, Source::Register(then)) => {
                Instruction::with2(X86::EVEX_Vmovaps_zmm_k1z_zmmm512, to, zmm(then))
            }
            (None, Source::Memory(then)) if then.base == POOL => {
                Instruction::with2(X86::EVEX_Vbroadcastss_zmm_k1z_xmmm32, to, then)
            }
            (None, Source::Memory(then)) => Instruction::with2(X86::EVEX_Vmovups_zmm_k1z_zmmm512, to, then),
        });
        instruction.set_op_mask(MASK);
        instruction.set_zeroing_masking(zero);
        self.asm.put(instruction);
        register
    }

    fn test(&mut self, relation: Relation, to: Vector, args: &[Operand]) -> usize {
        self.compare(relation, args, &mut vec![]);
        self.release(args);
        let register = self.take(&[], to);
        self.asm.rr(X86::EVEX_Vpmovm2d_zmm_kr, zmm(register), MASK);
        register
    }

    fn choose(&mut self, to: Vector, args: &[Operand]) -> usize {
        let mut locked = vec![];
        let mask = self.in_register(args[0], &mut locked);
        self.asm.rr(X86::EVEX_Vpmovd2m_kr_zmm, MASK, zmm(mask));
        self.blend(to, args[1], args[2], args, &mut locked)
    }

    fn rotate(&mut self, by: u8, to: Vector, args: &[Operand]) -> usize {
        let from = self.in_register(args[0], &mut vec![]);
        self.release(args);
        let register = self.take(&[], to);
        let code = X86::EVEX_Valignd_zmm_k1z_zmm_zmmm512b32_imm8;
        self.asm.put(made(Instruction::with4(code, zmm(register), zmm(from), zmm(from), u32::from(by))));
        register
    }

    fn spread(&mut self, to: Vector, args: &[Operand]) -> usize {
        let from = self.in_register(args[0], &mut vec![]);
        self.release(args);
        let register = self.take(&[], to);
        self.asm.rr(X86::EVEX_Vbroadcastss_zmm_k1z_xmmm32, zmm(register), xmm(from));
        register
    }

    fn assign(&mut self, to: Vector, value: Operand, reach: Reach, args: &[Operand]) {
        let value = self.in_register(value, &mut vec![]);
        self.release(args);
        let mut instruction = made(match self.pinned.get(&to) {
            Some(&register) => {
                Instruction::with2(X86::EVEX_Vmovaps_zmm_k1z_zmmm512, zmm(register), zmm(value))
            }
            None => {
                self.held.iter_mut().filter(|held| **held == Some(to)).for_each(|held| *held = None);
                let home = self.home(to);
                Instruction::with2(X86::EVEX_Vmovups_zmmm512_k1z_zmm, home, zmm(value))
            }
        });
        if let Some(mask) = self.mask_of(reach) {
            instruction.set_op_mask(mask);
        }
        self.asm.put(instruction);
    }
}

/// The instruction of an operation on two operands.
fn two_operands(opcode: &code::Opcode) -> X86 {
    match opcode {
        Opcode::Add => X86::EVEX_Vaddps_zmm_k1z_zmm_zmmm512b32_er,
        Opcode::Sub => X86::EVEX_Vsubps_zmm_k1z_zmm_zmmm512b32_er,
        Opcode::Mul => X86::EVEX_Vmulps_zmm_k1z_zmm_zmmm512b32_er,
        Opcode::Div => X86::EVEX_Vdivps_zmm_k1z_zmm_zmmm512b32_er,
        Opcode::And => X86::EVEX_Vpandd_zmm_k1z_zmm_zmmm512b32,
        Opcode::Or => X86::EVEX_Vpord_zmm_k1z_zmm_zmmm512b32,
        Opcode::Xor => X86::EVEX_Vpxord_zmm_k1z_zmm_zmmm512b32,
        Opcode::IntAdd => X86::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32,
        Opcode::IntSub => X86::EVEX_Vpsubd_zmm_k1z_zmm_zmmm512b32,
        Opcode::IntMul => X86::EVEX_Vpmulld_zmm_k1z_zmm_zmmm512b32,
        _ => unreachable!("it has not two operands"),
    }
}
