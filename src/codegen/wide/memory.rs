//! Reads and writes as machine code: of one element, of neighbours, of elements that lie apart; under conditions, and
//! by computed rows.

use super::assembler::{Jump, made, memory};
use super::code::*;
use super::instructions::{Form, Instructions};
use super::loops::{SCRATCH, counter_word, pointer_word};
use super::registers::{Emission, TEMPORARY, xmm};
use super::{avx2, avx512};
use iced_x86::{Code as X86, Instruction, MemoryOperand, Register};

impl Emission<'_> {
    /// The memory of a place, by the scratch register if its pointer has none of its own.
    fn memory(&mut self, at: Place) -> MemoryOperand {
        if let Some(&register) = self.addresses.get(&at.pointer) {
            return memory(register, at.bytes.into());
        }
        let home = self.word(pointer_word(at.pointer));
        self.asm.rm(X86::Mov_r64_rm64, SCRATCH, home);
        memory(SCRATCH, at.bytes.into())
    }

    pub fn load(&mut self, opcode: &Opcode, to: Vector, args: &[Operand]) -> usize {
        let mut locked = vec![];
        let index = args.first().map(|&index| self.in_register(index, &mut locked));
        // What it is elsewhere comes first, and must leave the index as it is.
        let register = self.take(&locked, to);
        self.release(args);
        self.held[register] = Some(to);
        // Before any jump: a vector that makes way is written to its home, which must not be jumped over.
        let spare = match opcode {
            Opcode::Load(_, reach) | Opcode::LoadWhen(_, reach, ..) | Opcode::LoadRow { reach, .. }
                if self.needs_spare(*reach) =>
            {
                locked.push(register);
                locked.push(self.take(&locked, TEMPORARY));
                let first = locked[locked.len() - 1];
                [first, self.take(&locked, TEMPORARY)]
            }
            _ => [register; 2],
        };
        match opcode {
            Opcode::Load(at, reach) => {
                let from = self.memory(*at);
                self.read(register, from, *reach, spare);
            }
            Opcode::LoadWhen(at, reach, when, fill) => {
                self.spread_bits(register, *fill);
                let outside: Vec<_> = when.iter().flat_map(|within| self.unless(within)).collect();
                let from = self.memory(*at);
                self.read(register, from, *reach, spare);
                outside.into_iter().for_each(|jump| self.asm.land(jump));
            }
            Opcode::LoadRow { at, reach, stride, extent } => {
                self.spread_bits(register, f32::NAN.to_bits());
                let index = xmm(index.expect("a row has an index"));
                // What is no integer of 64 bits becomes one that is far beyond.
                self.asm.rr(self.set.code(Form::Truncate), SCRATCH, index);
                self.asm.set(Register::RDX, i64::from(*extent));
                self.asm.rr(X86::Cmp_r64_rm64, SCRATCH, Register::RDX);
                let outside = self.asm.jump(X86::Jae_rel32_64);
                self.times(SCRATCH, *stride);
                match self.addresses.get(&at.pointer) {
                    Some(&pointer) => self.asm.rr(X86::Add_r64_rm64, SCRATCH, pointer),
                    None => {
                        let home = self.word(pointer_word(at.pointer));
                        self.asm.rm(X86::Add_r64_rm64, SCRATCH, home);
                    }
                }
                self.read(register, memory(SCRATCH, at.bytes.into()), *reach, spare);
                self.asm.land(outside);
            }
            _ => unreachable!("it reads no memory"),
        }
        self.release(&[]);
        register
    }

    /// Whether reading takes registers for what is between.
    fn needs_spare(&self, reach: Reach) -> bool {
        match self.set {
            Instructions::Avx2 => avx2::needs_spare(reach),
            Instructions::Avx512 => matches!(reach, Reach::Strided { .. }),
        }
    }

    fn read(&mut self, register: usize, from: MemoryOperand, reach: Reach, spare: [usize; 2]) {
        match self.set {
            Instructions::Avx2 => avx2::read(self, register, from, reach, spare),
            Instructions::Avx512 => avx512::read(self, register, from, reach, spare),
        }
    }

    /// Jumps where a condition does not hold.
    fn unless(&mut self, within: &Within) -> Vec<Jump> {
        let Within { e, divisor, lo, hi } = within;
        self.affine(e);
        self.asm.add(SCRATCH, -lo * divisor);
        self.asm.set(Register::RDX, (hi - 1 - lo) * divisor);
        self.asm.rr(X86::Cmp_r64_rm64, SCRATCH, Register::RDX);
        let mut jumps = vec![self.asm.jump(X86::Ja_rel32_64)];
        if *divisor != 1 {
            self.asm.set(Register::RCX, *divisor);
            self.asm.set(Register::RDX, 0);
            self.asm.put(made(Instruction::with1(X86::Div_rm64, Register::RCX)));
            self.asm.rr(X86::Test_rm64_r64, Register::RDX, Register::RDX);
            jumps.push(self.asm.jump(X86::Jne_rel32_64));
        }
        jumps
    }

    /// Puts the value of an affine function into the scratch register.
    fn affine(&mut self, affine: &Affine) {
        self.asm.set(SCRATCH, 0);
        for &(counter, coefficient) in &affine.terms {
            let word = self.word(counter_word(self.code, counter));
            self.asm.rm(X86::Mov_r64_rm64, Register::RDX, word);
            self.times(Register::RDX, coefficient);
            self.asm.rr(X86::Add_r64_rm64, SCRATCH, Register::RDX);
        }
        self.asm.add(SCRATCH, affine.offset);
    }

    pub fn integer(&mut self, affine: &Affine, step: i32, to: Vector) -> usize {
        self.affine(affine);
        let register = self.take(&[], to);
        match self.set {
            Instructions::Avx2 => avx2::spread_integer(self, register, Register::EAX),
            Instructions::Avx512 => avx512::spread_integer(self, register, Register::EAX),
        }
        if step != 0 {
            let steps = self.asm.lanes(|lane| (step * lane as i32) as u32);
            let (code, to) = (self.set.code(Form::IntAdd), self.set.vector(register));
            self.asm.put(made(Instruction::with3(code, to, to, steps)));
        }
        register
    }

    pub fn store(&mut self, at: Place, reach: Reach, args: &[Operand]) {
        let value = self.in_register(args[0], &mut vec![]);
        let place = self.memory(at);
        match (reach, self.set) {
            (Reach::One, set) => self.asm.mr(set.code(Form::StoreFirst), place, xmm(value)),
            (reach, Instructions::Avx2) => avx2::write(self, value, place, reach),
            (reach, Instructions::Avx512) => avx512::write(self, value, place, reach),
        }
        self.release(args);
    }
}
