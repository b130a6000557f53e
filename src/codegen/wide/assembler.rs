//! Machine code, instruction by instruction.

use super::instructions::Instructions;
use iced_x86::{Code, Encoder, Instruction, MemoryOperand, OpKind, Register};
use std::fmt::Write;

/// The register that holds the address of the constants.
pub const POOL: Register = Register::RBP;
/// Registers that a function must leave as they were.
pub const SAVED: [Register; 6] = {
    use Register::*;
    [RBX, RBP, R12, R13, R14, R15]
};

/// A jump whose target is not known yet.
#[must_use]
pub struct Jump(usize);

/// Collects machine code and the constants that it reads.
pub struct Assembler {
    set: Instructions,
    encoder: Encoder,
    /// Bytes so far.
    at: usize,
    /// Places after a jump, and where it goes to.
    jumps: Vec<(usize, usize)>,
    constants: Vec<u32>,
    listing: Option<String>,
}

impl Assembler {
    /// No code yet; `constants` are those of code before it.
    pub fn new(set: Instructions, constants: Vec<u32>, listing: bool) -> Self {
        Assembler {
            set,
            encoder: Encoder::new(64),
            at: 0,
            jumps: vec![],
            constants,
            listing: listing.then(String::new),
        }
    }

    /// The code, its constants and its text.
    pub fn finish(mut self) -> (Vec<u8>, Vec<u32>, String) {
        let mut bytes = self.encoder.take_buffer();
        for (after, target) in self.jumps {
            let distance = i32::try_from(target as i64 - after as i64).expect("code is short");
            bytes[after - 4..after].copy_from_slice(&distance.to_le_bytes());
        }
        (bytes, self.constants, self.listing.unwrap_or_default())
    }

    /// Appends an instruction.
    pub fn put(&mut self, instruction: Instruction) {
        if let Some(listing) = &mut self.listing {
            let _ = writeln!(listing, "{:6x}  {}", self.at, text(&instruction));
        }
        let encoded = self.encoder.encode(&instruction, self.at as u64);
        self.at += encoded.unwrap_or_else(|error| panic!("{}: {error}", text(&instruction)));
    }

    /// An instruction without operands.
    pub fn put0(&mut self, code: Code) {
        self.put(Instruction::with(code));
    }

    /// Two registers.
    pub fn rr(&mut self, code: Code, a: Register, b: Register) {
        self.put(made(Instruction::with2(code, a, b)));
    }

    /// Register and memory.
    pub fn rm(&mut self, code: Code, a: Register, b: MemoryOperand) {
        self.put(made(Instruction::with2(code, a, b)));
    }

    /// Memory and register.
    pub fn mr(&mut self, code: Code, a: MemoryOperand, b: Register) {
        self.put(made(Instruction::with2(code, a, b)));
    }

    /// Register and number.
    pub fn ri(&mut self, code: Code, a: Register, b: i32) {
        self.put(made(Instruction::with2(code, a, b)));
    }

    /// Memory and number.
    pub fn mi(&mut self, code: Code, a: MemoryOperand, b: i32) {
        self.put(made(Instruction::with2(code, a, b)));
    }

    /// `to = from * by`
    pub fn multiply(&mut self, to: Register, from: Register, by: i32) {
        self.put(made(Instruction::with3(Code::Imul_r64_rm64_imm32, to, from, by)));
    }

    /// `to += by`, which may change `RDX`.
    pub fn add(&mut self, to: Register, by: i64) {
        match i32::try_from(by) {
            Ok(0) => {}
            Ok(by) => self.ri(Code::Add_rm64_imm32, to, by),
            Err(_) => {
                self.set(Register::RDX, by);
                self.rr(Code::Add_r64_rm64, to, Register::RDX);
            }
        }
    }

    /// `to = number`
    pub fn set(&mut self, to: Register, number: i64) {
        self.put(made(Instruction::with2(Code::Mov_r64_imm64, to, number)));
    }

    /// Where the code stands.
    pub fn here(&self) -> usize {
        self.at
    }

    /// Begins where a line of the caches does, after instructions that do nothing: the innermost loops of products.
    pub fn align(&mut self) {
        const LINE: usize = 64;
        let nothing = |bytes| made(Instruction::with1(Code::Nop_rm32, memory(Register::RAX, bytes)));
        while !self.at.is_multiple_of(LINE) {
            match LINE - self.at % LINE {
                // The longer the distance, the longer the instruction: of seven bytes, four or three.
                7.. => self.put(nothing(1 << 20)),
                4 => self.put(nothing(1)),
                3 | 5 | 6 => self.put(nothing(0)),
                _ => self.put0(Code::Nopd),
            }
        }
    }

    /// A jump back.
    pub fn jump_back(&mut self, code: Code, target: usize) {
        self.put(made(Instruction::with_branch(code, target as u64)));
    }

    /// A jump forward.
    pub fn jump(&mut self, code: Code) -> Jump {
        self.put(made(Instruction::with_branch(code, self.at as u64 + 0x1000)));
        Jump(self.at)
    }

    /// The jump goes to here.
    pub fn land(&mut self, jump: Jump) {
        self.jumps.push((jump.0, self.at));
    }

    /// A constant in all lanes, as memory that an operation reads.
    pub fn constant(&mut self, bits: u32) -> MemoryOperand {
        match self.set {
            Instructions::Avx2 => self.lanes(|_| bits),
            Instructions::Avx512 => MemoryOperand { is_broadcast: true, ..self.constant_element(bits) },
        }
    }

    /// A constant, as memory of one element.
    pub fn constant_element(&mut self, bits: u32) -> MemoryOperand {
        let known = self.constants.iter().position(|&known| known == bits);
        let at = known.unwrap_or_else(|| {
            self.constants.push(bits);
            self.constants.len() - 1
        });
        memory(POOL, at as i64 * 4)
    }

    /// A constant for each lane, as memory of a vector.
    pub fn lanes(&mut self, bits: impl Fn(usize) -> u32) -> MemoryOperand {
        let lanes = self.set.lanes() as usize;
        let bits: Vec<u32> = (0..lanes).map(bits).collect();
        let known = self.constants.windows(lanes).position(|known| known == bits);
        let at = known.unwrap_or_else(|| {
            self.constants.extend(&bits);
            self.constants.len() - lanes
        });
        memory(POOL, at as i64 * 4)
    }
}

/// Memory at a register and a number of bytes.
pub fn memory(base: Register, bytes: i64) -> MemoryOperand {
    MemoryOperand::with_base_displ(base, bytes)
}

/// An instruction of operands that fit its code.
pub fn made(instruction: Result<Instruction, iced_x86::IcedError>) -> Instruction {
    instruction.expect("the operands are those that the code asks for")
}

/// An instruction for people.
fn text(instruction: &Instruction) -> String {
    let mut text = format!("{:?}", instruction.mnemonic()).to_lowercase();
    for k in 0..instruction.op_count() {
        text.push_str(if k == 0 { " " } else { ", " });
        let operand = match instruction.op_kind(k) {
            OpKind::Register => format!("{:?}", instruction.op_register(k)).to_lowercase(),
            OpKind::Memory => {
                let base = format!("{:?}", instruction.memory_base()).to_lowercase();
                let bytes = instruction.memory_displacement64() as i64;
                let index = match instruction.memory_index() {
                    Register::None => String::new(),
                    index => format!(" + {}*{index:?}", instruction.memory_index_scale()).to_lowercase(),
                };
                let all = if instruction.is_broadcast() { " in all lanes" } else { "" };
                format!("[{base}{index} + {bytes}]{all}")
            }
            OpKind::NearBranch64 => format!("{:x}", instruction.near_branch64()),
            _ => format!("{}", instruction.immediate(k) as i64),
        };
        text.push_str(&operand);
        if k == 0 && instruction.has_op_mask() {
            let mask = format!("{:?}", instruction.op_mask()).to_lowercase();
            let rest = if instruction.zeroing_masking() { " else 0" } else { "" };
            let _ = write!(text, " {{where {mask}{rest}}}");
        }
    }
    text
}
