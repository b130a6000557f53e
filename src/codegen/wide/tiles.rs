//! Functions for the tiles of a product: see [`crate::kernels::made`].
//!
//! ```text
//! for each panel
//!   for each height, for each tile
//!     sums = 0
//!     for each segment of k, for each element of it, some at a time
//!       read the vectors; for each row: spread its element, multiply and add
//!     finish and write the sums
//! ```

use super::assembler::{Assembler, SAVED, made, memory};
use super::instructions::{Form, Instructions};
use crate::kernels::made::{Call, KINDS, Kind, Panel, Place, Segment, Shape, VECTORS};
use iced_x86::{Code as X86, Instruction, MemoryOperand, Register};
use std::mem::{offset_of, size_of};

/// The operand: a [`Call`].
const CALL: Register = Register::RDI;
/// The rows' operand at an element of `k`, from which rows are so far.
const A: Register = Register::RAX;
const ROW: [Register; 8] = {
    use Register::*;
    [RBX, RBP, R12, R13, R14, R15, R11, R9]
};
/// The vectors at an element of `k`; the last one only where rows are few enough.
const B: [Register; VECTORS] = {
    use Register::*;
    [R8, RSI, SPARE, R9]
};
const SEGMENT: Register = Register::R10;
/// The tile's first row, before and after the chain over `k`.
const ROWS: Register = SEGMENT;
/// Elements of a segment that are left.
const LEFT: Register = Register::RCX;
const SPARE: Register = Register::RDX;
/// The result at each vector, when sums are written.
const OUT: [Register; VECTORS] = {
    use Register::*;
    [A, LEFT, R8, R9]
};
const LOAD: X86 = X86::Mov_r64_rm64;

/// The machine code of a function, and its text if `listing`.
pub fn emit(shape: &Shape, listing: bool) -> (Vec<u8>, String) {
    let set = Instructions::of(shape.variant).expect("no function is made of portable code");
    let mut asm = Assembler::new(set, vec![], listing);
    for register in SAVED {
        asm.put(made(Instruction::with1(X86::Push_r64, register)));
    }
    let next = asm.here();
    let mut ends = vec![];
    for (number, kind) in shape.kinds.iter().enumerate() {
        let other = (number + 1 < shape.kinds.len()).then(|| {
            asm.rm(LOAD, SPARE, call(offset_of!(Call, panel)));
            asm.mi(X86::Cmp_rm64_imm8, memory(SPARE, offset_of!(Panel, kind) as i64), number as i32);
            asm.jump(X86::Jne_rel32_64)
        });
        Tiles { asm: &mut asm, set, shape, kind, height: 0 }.panel(number);
        if let Some(other) = other {
            ends.push(asm.jump(X86::Jmp_rel32_64));
            asm.land(other);
        }
    }
    for end in ends {
        asm.land(end);
    }
    if let Some(apart) = shape.packed {
        asm.mi(X86::Add_rm64_imm32, call(offset_of!(Call, b)), (apart * size_of::<f32>()) as i32);
    }
    asm.rm(LOAD, SPARE, call(offset_of!(Call, panel)));
    asm.add(SPARE, size_of::<Panel>() as i64);
    asm.mr(X86::Mov_rm64_r64, call(offset_of!(Call, panel)), SPARE);
    asm.rm(X86::Cmp_r64_rm64, SPARE, call(offset_of!(Call, panels_end)));
    asm.jump_back(X86::Jne_rel32_64, next);
    for register in SAVED.into_iter().rev() {
        asm.put(made(Instruction::with1(X86::Pop_r64, register)));
    }
    asm.put0(X86::VEX_Vzeroupper);
    asm.put0(X86::Retnq);
    let (bytes, _, text) = asm.finish();
    (bytes, text)
}

/// A word of the operand.
fn call(offset: usize) -> MemoryOperand {
    memory(CALL, offset as i64)
}

/// Memory at a register, so many elements further, and a number of bytes.
fn element(base: Register, index: Register, bytes: i64) -> MemoryOperand {
    MemoryOperand::with_base_index_scale_displ_size(base, index, 4, bytes, u32::from(bytes != 0))
}

/// Tiles of a kind, of a height.
struct Tiles<'a> {
    asm: &'a mut Assembler,
    set: Instructions,
    shape: &'a Shape,
    kind: &'a Kind,
    height: usize,
}

impl Tiles<'_> {
    fn vectors(&self) -> usize {
        self.kind.lanes.len()
    }

    fn sum(&self, row: usize, v: usize) -> Register {
        self.set.vector(row * self.vectors() + v)
    }

    /// Registers of vectors after those of the sums, which have three quarters: an element in all lanes, then the columns.
    fn element(&self) -> Register {
        self.set.vector(self.set.registers() * 3 / 4)
    }

    fn column(&self, v: usize) -> Register {
        self.element() + 1 + v as u32
    }

    /// The mask of a panel's vectors that have fewer lanes than others.
    fn mask(&self) -> Register {
        match self.set {
            Instructions::Avx2 => self.set.vector(self.set.registers() - 1),
            Instructions::Avx512 => Register::K1,
        }
    }

    /// Whether so many lanes are all of a vector.
    fn are_all(&self, lanes: usize) -> bool {
        lanes == self.set.lanes() as usize
    }

    fn put3(&mut self, code: X86, to: Register, a: Register, b: Register) {
        self.asm.put(made(Instruction::with3(code, to, a, b)));
    }

    /// All tiles of a panel of the kind of that number.
    fn panel(&mut self, number: usize) {
        debug_assert!(number < KINDS, "as many as a call tells of");
        self.asm.rm(LOAD, SPARE, call(offset_of!(Call, rows)));
        self.asm.mr(X86::Mov_rm64_r64, call(offset_of!(Call, row)), SPARE);
        if let Some(&lanes) = self.kind.lanes.iter().find(|&&lanes| !self.are_all(lanes)) {
            self.set_mask(lanes);
        }
        for (which, &height) in self.kind.heights.iter().enumerate().filter(|(_, height)| **height > 0) {
            self.height = height;
            let count = offset_of!(Call, tiles) + (number * 2 + which) * size_of::<u64>();
            self.asm.rm(LOAD, SPARE, call(count));
            self.asm.rr(X86::Test_rm64_r64, SPARE, SPARE);
            let none = self.asm.jump(X86::Je_rel32_64);
            self.asm.mr(X86::Mov_rm64_r64, call(offset_of!(Call, left)), SPARE);
            let next = self.asm.here();
            self.tile();
            let rows = (height * size_of::<Place>()) as i32;
            self.asm.mi(X86::Add_rm64_imm32, call(offset_of!(Call, row)), rows);
            self.asm.put(made(Instruction::with1(X86::Dec_rm64, call(offset_of!(Call, left)))));
            self.asm.jump_back(X86::Jne_rel32_64, next);
            self.asm.land(none);
        }
    }

    /// The mask of the first lanes: a bit for each, or, where a vector is one, a byte for each that is then widened.
    fn set_mask(&mut self, lanes: usize) {
        match self.set {
            Instructions::Avx2 => {
                let (mask, first) = (self.mask(), Register::XMM0 + (self.set.registers() - 1) as u32);
                self.asm.set(SPARE, (1 << (8 * lanes)) - 1);
                self.asm.rr(X86::VEX_Vmovq_xmm_rm64, first, SPARE);
                self.asm.rr(X86::VEX_Vpmovsxbd_ymm_xmmm64, mask, first);
            }
            Instructions::Avx512 => {
                self.asm.set(SPARE, (1 << lanes) - 1);
                self.asm.rr(X86::VEX_Kmovw_kr_r32, self.mask(), Register::EDX);
            }
        }
    }

    fn tile(&mut self) {
        self.asm.rm(LOAD, ROWS, call(offset_of!(Call, row)));
        if self.shape.far {
            self.ask();
        }
        for (row, register) in ROW.into_iter().enumerate().take(self.height) {
            self.asm.rm(LOAD, register, place(row, offset_of!(Place, operand)));
        }
        for row in 0..self.height {
            for v in 0..self.vectors() {
                let sum = self.sum(row, v);
                self.put3(self.set.code(Form::Xor), sum, sum, sum);
            }
        }
        self.asm.rm(LOAD, SEGMENT, call(offset_of!(Call, segments)));
        let next = self.asm.here();
        self.segment();
        self.asm.add(SEGMENT, size_of::<Segment>() as i64);
        self.asm.rm(X86::Cmp_r64_rm64, SEGMENT, call(offset_of!(Call, segments_end)));
        self.asm.jump_back(X86::Jne_rel32_64, next);
        self.finish();
    }

    /// Where each vector of the panel is in the result.
    fn results(&mut self) {
        self.asm.rm(LOAD, SPARE, call(offset_of!(Call, panel)));
        for (v, out) in OUT.into_iter().enumerate().take(self.vectors()) {
            self.asm.rm(LOAD, out, memory(SPARE, (offset_of!(Panel, out) + v * 8) as i64));
            self.scaled(out);
            self.asm.rm(X86::Add_r64_rm64, out, call(offset_of!(Call, out)));
        }
    }

    /// Elements to bytes.
    fn scaled(&mut self, register: Register) {
        self.asm.put(made(Instruction::with2(X86::Shl_rm64_imm8, register, 2)));
    }

    /// Asks for the results, which are written when the sums are made.
    fn ask(&mut self) {
        self.results();
        for row in 0..self.height {
            self.asm.rm(LOAD, SPARE, place(row, offset_of!(Place, out)));
            for out in OUT.into_iter().take(self.vectors()) {
                self.asm.put(made(Instruction::with1(X86::Prefetchw_m8, element(out, SPARE, 0))));
            }
        }
    }

    /// Pointers to the vectors of an element of `k`.
    fn pointers(&self) -> usize {
        if self.shape.packed.is_some() { 1 } else { self.vectors() }
    }

    /// Adds the products along a segment.
    fn segment(&mut self) {
        for (v, b) in B.into_iter().enumerate().take(self.pointers()) {
            self.asm.rm(LOAD, b, memory(SEGMENT, offset_of!(Segment, b) as i64));
            if self.shape.packed.is_none() {
                self.asm.rm(LOAD, A, call(offset_of!(Call, panel)));
                let further = memory(A, (offset_of!(Panel, b) + v * 8) as i64);
                self.asm.rm(X86::Add_r64_rm64, b, further);
            }
            self.scaled(b);
            self.asm.rm(X86::Add_r64_rm64, b, call(offset_of!(Call, b)));
        }
        self.asm.rm(LOAD, A, memory(SEGMENT, offset_of!(Segment, a) as i64));
        self.scaled(A);
        self.asm.rm(X86::Add_r64_rm64, A, call(offset_of!(Call, a)));
        self.asm.rm(LOAD, LEFT, memory(SEGMENT, offset_of!(Segment, len) as i64));
        let by = self.shape.unroll;
        self.asm.ri(X86::Sub_rm64_imm32, LEFT, by as i32);
        let few = self.asm.jump(X86::Jl_rel32_64);
        self.asm.align();
        let next = self.asm.here();
        self.elements(by);
        self.asm.ri(X86::Sub_rm64_imm32, LEFT, by as i32);
        self.asm.jump_back(X86::Jge_rel32_64, next);
        self.asm.land(few);
        if by == 1 {
            return;
        }
        self.asm.ri(X86::Add_rm64_imm32, LEFT, by as i32);
        let none = self.asm.jump(X86::Je_rel32_64);
        let next = self.asm.here();
        self.elements(1);
        self.asm.put(made(Instruction::with1(X86::Dec_rm64, LEFT)));
        self.asm.jump_back(X86::Jne_rel32_64, next);
        self.asm.land(none);
    }

    /// Adds the products of so many elements of `k`, and goes on to the next ones.
    fn elements(&mut self, count: usize) {
        let Shape { a_k, b_k, packed, .. } = *self.shape;
        let bytes = |elements: i64| elements * size_of::<f32>() as i64;
        for k in 0..count as i64 {
            for (v, b) in B.into_iter().enumerate().take(self.vectors()) {
                let from = match packed {
                    Some(_) => memory(B[0], bytes(k * b_k) + v as i64 * self.set.bytes()),
                    None => memory(b, bytes(k * b_k)),
                };
                // Packed ones have all lanes.
                let lanes = if packed.is_some() { self.set.lanes() as usize } else { self.kind.lanes[v] };
                self.load(self.column(v), from, lanes);
            }
            for (row, register) in ROW.into_iter().enumerate().take(self.height) {
                self.products(row, element(A, register, bytes(k * a_k)));
            }
        }
        self.asm.add(A, bytes(count as i64 * a_k));
        for b in B.into_iter().take(self.pointers()) {
            self.asm.add(b, bytes(count as i64 * b_k));
        }
    }

    /// Adds the products of a row's element with the columns.
    fn products(&mut self, row: usize, factor: MemoryOperand) {
        let code = self.set.code(Form::FmaSecondThird);
        if self.set == Instructions::Avx512 && self.vectors() == 1 {
            let factor = MemoryOperand { is_broadcast: true, ..factor };
            let (sum, column) = (self.sum(row, 0), self.column(0));
            return self.asm.put(made(Instruction::with3(code, sum, column, factor)));
        }
        self.asm.rm(self.set.code(Form::Spread), self.element(), factor);
        for v in 0..self.vectors() {
            self.put3(code, self.sum(row, v), self.element(), self.column(v));
        }
    }

    /// Reads so many lanes, and no more.
    fn load(&mut self, to: Register, from: MemoryOperand, lanes: usize) {
        let load = self.set.code(Form::Load);
        if self.are_all(lanes) {
            return self.asm.rm(load, to, from);
        }
        let instruction = match self.set {
            Instructions::Avx2 => Instruction::with3(X86::VEX_Vmaskmovps_ymm_ymm_m256, to, self.mask(), from),
            Instructions::Avx512 => Instruction::with2(load, to, from),
        };
        let mut instruction = made(instruction);
        if self.set == Instructions::Avx512 {
            instruction.set_op_mask(self.mask());
            instruction.set_zeroing_masking(true);
        }
        self.asm.put(instruction);
    }

    /// Adds, divides and writes the sums.
    fn finish(&mut self) {
        self.asm.rm(LOAD, ROWS, call(offset_of!(Call, row)));
        self.results();
        let (height, vectors) = (self.height, self.vectors());
        if self.shape.adds {
            self.asm.mi(X86::Cmp_rm64_imm8, call(offset_of!(Call, add)), 0);
            let first = self.asm.jump(X86::Je_rel32_64);
            for row in 0..height {
                self.asm.rm(LOAD, SPARE, place(row, offset_of!(Place, out)));
                for (v, out) in OUT.into_iter().enumerate().take(vectors) {
                    let (sum, before) = (self.sum(row, v), self.element());
                    self.load(before, element(out, SPARE, 0), self.kind.lanes[v]);
                    self.put3(self.set.code(Form::Add), sum, before, sum);
                }
            }
            self.asm.land(first);
        }
        if self.shape.divides {
            self.asm.mi(X86::Cmp_rm32_imm8, call(offset_of!(Call, factor)), 0);
            let inexact = self.asm.jump(X86::Je_rel32_64);
            self.each_sum(Form::Mul, offset_of!(Call, factor));
            let done = self.asm.jump(X86::Jmp_rel32_64);
            self.asm.land(inexact);
            self.each_sum(Form::Div, offset_of!(Call, divisor));
            self.asm.land(done);
        }
        for row in 0..height {
            self.asm.rm(LOAD, SPARE, place(row, offset_of!(Place, out)));
            for (v, out) in OUT.into_iter().enumerate().take(vectors) {
                self.store(row * vectors + v, |lane| element(out, SPARE, lane * 4), self.kind.lanes[v]);
            }
        }
    }

    /// Does something to each sum with a number of the operand.
    fn each_sum(&mut self, form: Form, number: usize) {
        let all = self.element();
        self.asm.rm(self.set.code(Form::Spread), all, call(number));
        for register in 0..self.height * self.vectors() {
            let sum = self.set.vector(register);
            self.put3(self.set.code(form), sum, sum, all);
        }
    }

    /// Writes the first lanes of a sum.
    fn store(&mut self, sum: usize, at: impl Fn(i64) -> MemoryOperand, lanes: usize) {
        let (store, register) = (self.set.code(Form::Store), self.set.vector(sum));
        if self.are_all(lanes) {
            return self.asm.mr(store, at(0), register);
        }
        match self.set {
            Instructions::Avx2 => self.store_by_parts(sum, at, lanes),
            Instructions::Avx512 => {
                let mut instruction = made(Instruction::with2(store, at(0), register));
                instruction.set_op_mask(self.mask());
                self.asm.put(instruction);
            }
        }
    }

    /// The same without a mask, with which it takes some ten times as long on processors of AMD. Nothing is left of the sum.
    fn store_by_parts(&mut self, sum: usize, at: impl Fn(i64) -> MemoryOperand, lanes: usize) {
        let (half, mut lane) = (Register::XMM0 + sum as u32, 0);
        if lanes >= 4 {
            self.asm.mr(X86::VEX_Vmovups_xmmm128_xmm, at(0), half);
            let code = X86::VEX_Vextractf128_xmmm128_ymm_imm8;
            self.asm.put(made(Instruction::with3(code, half, self.set.vector(sum), 1)));
            lane = 4;
        }
        match lanes % 4 {
            1 => self.asm.mr(self.set.code(Form::StoreFirst), at(lane), half),
            2 => self.asm.mr(X86::VEX_Vmovlps_m64_xmm, at(lane), half),
            3 => {
                self.asm.mr(X86::VEX_Vmovlps_m64_xmm, at(lane), half);
                let code = X86::VEX_Vextractps_rm32_xmm_imm8;
                self.asm.put(made(Instruction::with3(code, at(lane + 2), half, 2)));
            }
            _ => {}
        }
    }
}

/// A number of a row's place.
fn place(row: usize, offset: usize) -> MemoryOperand {
    memory(ROWS, (row * size_of::<Place>() + offset) as i64)
}
