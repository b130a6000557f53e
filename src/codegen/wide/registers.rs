//! Which vector is in which register.
//!
//! Within a straight stretch of operations a register that is needed goes to the vector that is read again latest. A
//! vector that is read in another stretch (inside of a loop, after it) has a home on the stack, to which it is
//! written when it is made. The innermost loops are what counts: there the vectors from outside, those that the loop
//! carries, and the addresses stay in registers of their own.

use super::assembler::Assembler;
use super::code::*;
use super::instructions::{Form, Instructions};
use iced_x86::{MemoryOperand, Register};
use rustc_hash::FxHashMap;

/// Where vectors are made and read.
pub struct Reads {
    /// Whether a vector is read in another stretch than the one in which it is made, or assigned more than once.
    pub far: Vec<bool>,
    /// Loops in one another.
    pub depth: i64,
}

impl Reads {
    pub fn of(code: &Code) -> Self {
        let mut reads = Reads { far: vec![false; code.vectors as usize], depth: 0 };
        let mut made = vec![usize::MAX; code.vectors as usize];
        reads.walk(&code.whole.body, &mut made, &mut 0, 1);
        reads
    }

    fn walk(&mut self, body: &[Item], made: &mut [usize], stretch: &mut usize, depth: i64) {
        self.depth = self.depth.max(depth);
        for item in body {
            match item {
                Item::Operation(op) => {
                    for vector in vectors(&op.args) {
                        self.far[vector.0 as usize] |= made[vector.0 as usize] != *stretch;
                    }
                    if let Some(to) = op.to {
                        made[to.0 as usize] = *stretch;
                        self.far[to.0 as usize] |= matches!(op.opcode, Opcode::Assign(_));
                    }
                }
                Item::Loop(inner) => {
                    *stretch += 1;
                    self.walk(&inner.body, made, stretch, depth + 1);
                    *stretch += 1;
                }
            }
        }
    }
}

/// An operand, where an instruction can read it.
#[derive(Clone, Copy)]
pub enum Source {
    Register(usize),
    Memory(MemoryOperand),
}

pub struct Emission<'c> {
    pub code: &'c Code,
    pub set: Instructions,
    pub asm: Assembler,
    pub reads: Reads,
    /// Places on the stack.
    pub homes: FxHashMap<Vector, i64>,
    /// The first of them, in bytes.
    pub first_home: i64,
    /// Loops around.
    pub depth: i64,
    /// In an innermost loop: vectors that keep a register, and addresses.
    pub pinned: FxHashMap<Vector, usize>,
    pub addresses: FxHashMap<Pointer, Register>,
    /// There too: the lanes of the masks that are kept.
    pub masks: Vec<u16>,
    /// The operation of the present stretch.
    pub stretch: usize,
    /// The first operation of the stretch that has yet to read operands: the present one until it lets go of them.
    pub unread: usize,
    /// What is in the registers that are not pinned; [`TEMPORARY`] for a constant that one operation reads.
    pub held: Vec<Option<Vector>>,
    /// How many of the first lanes of a vector of the stretch anybody reads.
    pub needed_lanes: FxHashMap<Vector, i64>,
    /// The operations of the stretch that are yet to read a vector, latest first.
    pub coming: FxHashMap<Vector, Vec<usize>>,
}

/// Stands for a constant that is in a register.
pub const TEMPORARY: Vector = Vector(u32::MAX);

pub fn xmm(register: usize) -> Register {
    Register::XMM0 + register as u32
}

/// Straight stretches.
impl Emission<'_> {
    pub fn straight(&mut self, ops: &[&Operation]) {
        self.held.fill(None);
        self.coming.clear();
        self.needed_lanes.clear();
        for (at, op) in ops.iter().enumerate().rev() {
            self.note_needed_lanes(op);
            for vector in vectors(&op.args) {
                self.coming.entry(vector).or_default().push(at);
            }
        }
        for (at, op) in ops.iter().enumerate() {
            (self.stretch, self.unread) = (at, at);
            self.op(op);
        }
    }

    /// Notes which lanes of its operands an operation reads, when those of its result are known.
    fn note_needed_lanes(&mut self, op: &Operation) {
        use Opcode::*;
        let lanes = match &op.opcode {
            Store(_, Reach::One) | Spread | LoadRow { .. } => 1,
            Store(_, Reach::First(lanes) | Reach::Strided { lanes, .. }) => i64::from(*lanes),
            Store(..) | Assign(_) | Rotate(_) | Permute(_) => self.set.lanes(),
            _ => op.to.map_or(self.set.lanes(), |to| self.lanes_of(to)),
        };
        for vector in vectors(&op.args) {
            let needed = self.needed_lanes.entry(vector).or_default();
            *needed = lanes.max(*needed);
        }
    }

    /// How many of the first lanes of a vector are read.
    pub fn lanes_of(&self, vector: Vector) -> i64 {
        match self.reads.far[vector.0 as usize] {
            true => self.set.lanes(),
            false => self.needed_lanes.get(&vector).copied().unwrap_or(0),
        }
    }

    /// The operation that reads a vector next, after the present one.
    pub fn next_read(&self, vector: Vector) -> Option<usize> {
        self.read_from(vector, self.stretch + 1)
    }

    /// The operation that has yet to read a vector: the present one too.
    fn needed(&self, vector: Vector) -> Option<usize> {
        self.read_from(vector, self.unread)
    }

    /// The first operation from one on that reads a vector.
    fn read_from(&self, vector: Vector, from: usize) -> Option<usize> {
        self.coming.get(&vector)?.iter().rev().copied().find(|&at| at >= from)
    }

    /// A register that is free, or that of the vector which is read again latest; `locked` ones stay.
    pub fn take(&mut self, locked: &[usize], vector: Vector) -> usize {
        let usable = |register: usize| {
            !locked.contains(&register) && !self.pinned.values().any(|&pinned| pinned == register)
        };
        let latest = |register: &usize| {
            self.held[*register].map_or(usize::MAX, |held| self.needed(held).unwrap_or(usize::MAX - 1))
        };
        // The first of those that are free, so that few are used.
        let register = (0..self.held.len()).rev().filter(|&register| usable(register)).max_by_key(latest);
        let register = register.expect("an operation needs few registers");
        if let Some(held) = self.held[register]
            && self.needed(held).is_some()
            && !self.homes.contains_key(&held)
        {
            let home = self.home(held);
            self.asm.mr(self.set.code(Form::Store), home, self.set.vector(register));
        }
        self.held[register] = Some(vector);
        register
    }

    pub fn register_of(&self, vector: Vector) -> Option<usize> {
        let held = || self.held.iter().position(|&held| held == Some(vector));
        self.pinned.get(&vector).copied().or_else(held)
    }

    /// An operand in a register.
    pub fn in_register(&mut self, operand: Operand, locked: &mut Vec<usize>) -> usize {
        let register = match operand {
            Operand::Vector(vector) => self.register_of(vector).unwrap_or_else(|| {
                let register = self.take(locked, vector);
                let home = self.home(vector);
                self.asm.rm(self.set.code(Form::Load), self.set.vector(register), home);
                register
            }),
            Operand::Bits(bits) => {
                let register = self.take(locked, TEMPORARY);
                self.spread_bits(register, bits);
                register
            }
        };
        locked.push(register);
        register
    }

    pub fn spread_bits(&mut self, register: usize, bits: u32) {
        let constant = self.asm.constant_element(bits);
        self.asm.rm(self.set.code(Form::Spread), self.set.vector(register), constant);
    }

    /// An operand where the last operand of an instruction can be.
    pub fn anywhere(&mut self, operand: Operand, locked: &mut Vec<usize>) -> Source {
        match operand {
            Operand::Bits(bits) => Source::Memory(self.asm.constant(bits)),
            Operand::Vector(vector)
                if self.register_of(vector).is_none() && self.next_read(vector).is_none() =>
            {
                Source::Memory(self.home(vector))
            }
            vector => Source::Register(self.in_register(vector, locked)),
        }
    }

    /// Lets go of what the present operation was the last to read.
    pub fn release(&mut self, args: &[Operand]) {
        self.unread = self.stretch + 1;
        for vector in vectors(args) {
            if self.next_read(vector).is_none() {
                self.forget(vector);
            }
        }
        self.forget(TEMPORARY);
    }

    /// A vector that was assigned anew is in no register.
    pub fn forget(&mut self, vector: Vector) {
        self.held.iter_mut().filter(|held| **held == Some(vector)).for_each(|held| *held = None);
    }

    /// What was made is read in this stretch, at its home, or not at all.
    pub fn finish(&mut self, to: Vector, register: usize) {
        if self.reads.far[to.0 as usize] {
            let home = self.home(to);
            self.asm.mr(self.set.code(Form::Store), home, self.set.vector(register));
        }
        if self.next_read(to).is_none() {
            self.held[register] = None;
        }
    }
}
