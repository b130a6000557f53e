//! Code to machine code: registers are given out while instructions are emitted.
//!
//! Within a straight stretch of operations a register that is needed goes to the vector that is read again latest. A
//! vector that is read in another stretch (inside of a loop, after it) has a home on the stack, to which it is
//! written when it is made. The innermost loops are what counts: there the vectors from outside, those that the loop
//! carries, and the addresses stay in registers of their own.

use super::assembler::{Assembler, POOL, made, memory};
use super::code::{self, *};
use iced_x86::{Code as X86, Instruction, MemoryOperand, Register};
use rustc_hash::FxHashMap;

/// Registers of vectors.
const VECTORS: usize = 32;
/// Of these, as many may be kept for a whole innermost loop.
const MOST_PINNED: usize = 20;
/// Registers of addresses in an innermost loop.
const ADDRESSES: [Register; 10] = {
    use Register::*;
    [RBX, RDI, RSI, R8, R9, R10, R11, R12, R13, R14]
};
/// Counts the iterations of an innermost loop.
const COUNT: Register = Register::R15;
/// For integers in between, with `RCX` and `RDX`.
const SCRATCH: Register = Register::RAX;
/// Registers that a function must leave as they were.
const SAVED: [Register; 6] = {
    use Register::*;
    [RBX, RBP, R12, R13, R14, R15]
};
/// The mask of a loop.
const LOOP_MASK: Register = Register::K1;
/// The mask of one operation.
const MASK: Register = Register::K2;
/// Bytes of a vector.
const BYTES: i64 = 64;
/// Stack that a function may take.
const MOST_STACK: i64 = 1 << 15;
/// Words on the stack before those of pointers and counters: the stack's old place, the element of a recurrence.
const OLD_STACK: i64 = 0;
const ELEMENT: i64 = 1;
const FIRST_WORD: i64 = 2;
/// Loops that may stand in one another.
const MOST_DEPTH: i64 = 24;

/// Machine code of a function of the operands of [`crate::codegen::emitter::Operands`], and its text if `listing`;
/// none where it would take too much of the stack.
pub fn emit(code: &Code, listing: bool) -> Option<(Vec<u8>, String)> {
    let words = FIRST_WORD + i64::from(code.pointers) + i64::from(code.counters) + MOST_DEPTH;
    let mut emission = Emission {
        code,
        asm: Assembler::new(vec![], listing),
        reads: Reads::of(code),
        homes: FxHashMap::default(),
        first_home: (words * 8 + BYTES - 1) / BYTES * BYTES,
        depth: 0,
        pinned: FxHashMap::default(),
        addresses: FxHashMap::default(),
        stretch: 0,
        held: [None; VECTORS],
        coming: FxHashMap::default(),
    };
    emission.repeat(&code.whole);
    emission.leave();
    let stack = emission.first_home + emission.homes.len() as i64 * BYTES;
    if stack > MOST_STACK || emission.reads.depth > MOST_DEPTH {
        return None;
    }
    let (body, constants, text) = emission.asm.finish();
    let (mut bytes, constants, entry) = enter(code, stack, body.len(), constants, listing);
    bytes.extend(body);
    bytes.extend(constants.iter().flat_map(|bits| bits.to_le_bytes()));
    Some((bytes, entry + &text))
}

/// The function's beginning, before a body of so many bytes and its constants: saves registers, takes room on the
/// stack, and keeps the operands there.
fn enter(
    code: &Code,
    stack: i64,
    body: usize,
    constants: Vec<u32>,
    listing: bool,
) -> (Vec<u8>, Vec<u32>, String) {
    use Register::*;
    let mut asm = Assembler::new(constants, listing);
    for register in SAVED {
        asm.put(made(Instruction::with1(X86::Push_r64, register)));
    }
    asm.rr(X86::Mov_r64_rm64, RAX, RSP);
    // A page at a time, as the stack may grow by a page at a time only.
    for _ in 0..stack / 4096 {
        asm.ri(X86::Sub_rm64_imm32, RSP, 4096);
        asm.mr(X86::Mov_rm64_r64, memory(RSP, 0), RAX);
    }
    asm.ri(X86::Sub_rm64_imm32, RSP, (stack % 4096) as i32);
    asm.ri(X86::And_rm64_imm32, RSP, -(BYTES as i32));
    let word = |at: i64| memory(RSP, at * 8);
    asm.mr(X86::Mov_rm64_r64, word(OLD_STACK), RAX);
    asm.mr(X86::Mov_rm64_r64, word(ELEMENT), R9);
    asm.mr(X86::Mov_rm64_r64, word(counter_word(code, Code::BATCH)), RSI);
    for &(pointer, base) in &code.bases {
        let from = match base {
            Base::Region(place) => {
                asm.rm(X86::Mov_r64_rm64, RAX, memory(RDI, place as i64 * 8));
                RAX
            }
            Base::Record => RDX,
            Base::Examples => RCX,
        };
        asm.mr(X86::Mov_rm64_r64, word(pointer_word(pointer)), from);
    }
    // Seven bytes to its end, from where the distance counts.
    let pool = asm.here() + 7 + body;
    asm.rm(X86::Lea_r64_m, POOL, memory(RIP, pool as i64));
    asm.finish()
}

fn pointer_word(pointer: Pointer) -> i64 {
    FIRST_WORD + i64::from(pointer.0)
}

fn counter_word(code: &Code, counter: Counter) -> i64 {
    FIRST_WORD + i64::from(code.pointers) + i64::from(counter.0)
}

/// Where vectors are made and read.
struct Reads {
    /// Whether a vector is read in another stretch than the one in which it is made, or assigned more than once.
    far: Vec<bool>,
    /// Loops in one another.
    depth: i64,
}

impl Reads {
    fn of(code: &Code) -> Self {
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
                        self.far[to.0 as usize] |= matches!(op.opcode, Opcode::Assign { .. });
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

fn vectors(args: &[Operand]) -> impl Iterator<Item = Vector> {
    args.iter().filter_map(|arg| match arg {
        Operand::Vector(vector) => Some(*vector),
        Operand::Bits(_) => None,
    })
}

/// An operand, where an instruction can read it.
#[derive(Clone, Copy)]
enum Source {
    Register(usize),
    Memory(MemoryOperand),
}

/// Sixteen neighbours, some of which are elements that lie a step apart.
struct Part {
    /// The first of the neighbours, counted from the first element.
    first: i64,
    /// Which of the neighbours are elements.
    elements: u16,
    /// The lanes that these belong to.
    lanes: u16,
}

impl Part {
    /// Those that hold the elements of so many lanes.
    fn of(step: u8, lanes: u8) -> impl Iterator<Item = Part> {
        let part = move |k: u8| {
            let mut part = Part { first: i64::from(k) * 16, elements: 0, lanes: 0 };
            for lane in (0..lanes).filter(|lane| lane * step / 16 == k) {
                part.lanes |= 1 << lane;
                part.elements |= 1 << (lane * step % 16);
            }
            part
        };
        (0..step).map(part).filter(|part| part.lanes != 0)
    }
}

struct Emission<'c> {
    code: &'c Code,
    asm: Assembler,
    reads: Reads,
    /// Places on the stack.
    homes: FxHashMap<Vector, i64>,
    /// The first of them, in bytes.
    first_home: i64,
    /// Loops around.
    depth: i64,
    /// In an innermost loop: vectors that keep a register, and addresses.
    pinned: FxHashMap<Vector, usize>,
    addresses: FxHashMap<Pointer, Register>,
    /// The operation of the present stretch.
    stretch: usize,
    /// What is in the registers that are not pinned; [`TEMPORARY`] for a constant that one operation reads.
    held: [Option<Vector>; VECTORS],
    /// The operations of the stretch that are yet to read a vector, latest first.
    coming: FxHashMap<Vector, Vec<usize>>,
}

/// Stands for a constant that is in a register.
const TEMPORARY: Vector = Vector(u32::MAX);

fn zmm(register: usize) -> Register {
    Register::ZMM0 + register as u32
}

fn xmm(register: usize) -> Register {
    Register::XMM0 + register as u32
}

/// Loops.
impl Emission<'_> {
    fn word(&self, at: i64) -> MemoryOperand {
        memory(Register::RSP, at * 8)
    }

    fn leave(&mut self) {
        self.asm.put0(X86::VEX_Vzeroupper);
        let old = self.word(OLD_STACK);
        self.asm.rm(X86::Mov_r64_rm64, Register::RSP, old);
        for register in SAVED.into_iter().rev() {
            self.asm.put(made(Instruction::with1(X86::Pop_r64, register)));
        }
        self.asm.put0(X86::Retnq);
    }

    fn body(&mut self, body: &[Item]) {
        let mut ops: Vec<&Operation> = vec![];
        for item in body {
            match item {
                Item::Operation(op) => ops.push(op),
                Item::Loop(inner) => {
                    self.straight(&std::mem::take(&mut ops));
                    self.repeat(inner);
                }
            }
        }
        self.straight(&ops);
    }

    fn repeat(&mut self, around: &Loop) {
        let innermost = !around.body.iter().any(|item| matches!(item, Item::Loop(_)));
        let skip = self.trips(around.trips);
        self.mask(around.mask);
        if innermost {
            self.pin(around);
        }
        for moving in &around.pointers {
            self.begin_pointer(moving);
        }
        for counting in &around.counters {
            let from = counting.from.map(|from| counter_word(self.code, from));
            self.begin(SCRATCH, from, counting.start);
            let home = self.word(counter_word(self.code, counting.counter));
            self.asm.mr(X86::Mov_rm64_r64, home, SCRATCH);
        }
        let again = !matches!(around.trips, Trips::Known(1) | Trips::RestOfBatch);
        let count = self.word(FIRST_WORD + i64::from(self.code.pointers + self.code.counters) + self.depth);
        if again {
            self.count(around.trips);
            if innermost {
                self.asm.rr(X86::Mov_r64_rm64, COUNT, SCRATCH);
            } else {
                self.asm.mr(X86::Mov_rm64_r64, count, SCRATCH);
            }
        }
        let head = self.asm.here();
        self.depth += 1;
        self.body(&around.body);
        self.depth -= 1;
        if again {
            self.advance(around);
            match innermost {
                true => self.asm.ri(X86::Sub_rm64_imm32, COUNT, 1),
                false => self.asm.mi(X86::Sub_rm64_imm32, count, 1),
            }
            self.asm.jump_back(X86::Jne_rel32_64, head);
        }
        if innermost {
            self.unpin(around);
        }
        if let Some(skip) = skip {
            self.asm.land(skip);
        }
    }

    /// Jumps over a loop that does not run at all.
    fn trips(&mut self, trips: Trips) -> Option<super::assembler::Jump> {
        let batch = self.word(counter_word(self.code, Code::BATCH));
        match trips {
            Trips::Known(_) | Trips::Batch => return None,
            Trips::WholeOfBatch => self.asm.mi(X86::Cmp_rm64_imm32, batch, 16),
            Trips::RestOfBatch => {
                self.asm.rm(X86::Mov_r64_rm64, SCRATCH, batch);
                self.asm.ri(X86::And_rm64_imm32, SCRATCH, 15);
            }
        }
        let code = if trips == Trips::WholeOfBatch { X86::Jb_rel32_64 } else { X86::Je_rel32_64 };
        Some(self.asm.jump(code))
    }

    /// Puts the number of iterations into the scratch register.
    fn count(&mut self, trips: Trips) {
        let batch = self.word(counter_word(self.code, Code::BATCH));
        match trips {
            Trips::Known(trips) => self.asm.set(SCRATCH, trips),
            Trips::Batch => self.asm.rm(X86::Mov_r64_rm64, SCRATCH, batch),
            Trips::WholeOfBatch | Trips::RestOfBatch => {
                self.asm.rm(X86::Mov_r64_rm64, SCRATCH, batch);
                self.asm.ri(X86::Shr_rm64_imm8, SCRATCH, 4);
            }
        }
    }

    fn mask(&mut self, mask: Option<Mask>) {
        match mask {
            None => return,
            Some(Mask::First(lanes)) => {
                self.asm.ri(X86::Mov_r32_imm32, Register::ECX, (1 << lanes) - 1);
            }
            // What is left is in the scratch register: see `trips`.
            Some(Mask::RestOfBatch) => {
                self.asm.ri(X86::Mov_r32_imm32, Register::ECX, -1);
                let bzhi = Instruction::with3(
                    X86::VEX_Bzhi_r32_rm32_r32,
                    Register::ECX,
                    Register::ECX,
                    Register::EAX,
                );
                self.asm.put(made(bzhi));
            }
        }
        self.asm.rr(X86::VEX_Kmovw_kr_r32, LOOP_MASK, Register::ECX);
    }

    /// `to = from + start`
    fn begin(&mut self, to: Register, from: Option<i64>, start: Start) {
        match from {
            Some(word) => {
                let word = self.word(word);
                self.asm.rm(X86::Mov_r64_rm64, to, word);
            }
            None => self.asm.set(to, 0),
        }
        let (word, times) = match start {
            Start::Known(start) => return self.asm.add(to, start),
            Start::WholeOfBatch(times) => (counter_word(self.code, Code::BATCH), times),
            Start::Element(times) => (ELEMENT, times),
        };
        let word = self.word(word);
        self.asm.rm(X86::Mov_r64_rm64, Register::RDX, word);
        if matches!(start, Start::WholeOfBatch(_)) {
            self.asm.ri(X86::And_rm64_imm32, Register::RDX, -16);
        }
        self.times(Register::RDX, times);
        self.asm.rr(X86::Add_r64_rm64, to, Register::RDX);
    }

    /// `to *= by`, which may change `RCX`.
    fn times(&mut self, to: Register, by: i64) {
        match i32::try_from(by) {
            Ok(1) => {}
            Ok(by) => self.asm.multiply(to, to, by),
            Err(_) => {
                self.asm.set(Register::RCX, by);
                self.asm.rr(X86::Imul_r64_rm64, to, Register::RCX);
            }
        }
    }

    fn begin_pointer(&mut self, moving: &Moving) {
        let from = Some(pointer_word(moving.from));
        if let Some(&register) = self.addresses.get(&moving.pointer) {
            return self.begin(register, from, moving.start);
        }
        self.begin(SCRATCH, from, moving.start);
        let home = self.word(pointer_word(moving.pointer));
        self.asm.mr(X86::Mov_rm64_r64, home, SCRATCH);
    }

    fn advance(&mut self, around: &Loop) {
        for moving in &around.pointers {
            match self.addresses.get(&moving.pointer) {
                Some(&register) => self.asm.add(register, moving.step),
                None => self.advance_word(pointer_word(moving.pointer), moving.step),
            }
        }
        for counting in &around.counters {
            self.advance_word(counter_word(self.code, counting.counter), counting.step);
        }
    }

    fn advance_word(&mut self, word: i64, step: i64) {
        let home = self.word(word);
        match i32::try_from(step) {
            Ok(step) => self.asm.mi(X86::Add_rm64_imm32, home, step),
            Err(_) => {
                self.asm.set(SCRATCH, step);
                self.asm.mr(X86::Add_rm64_r64, home, SCRATCH);
            }
        }
    }

    /// Gives registers for the whole of an innermost loop: to what it carries, to what is read from outside, and to
    /// addresses.
    fn pin(&mut self, around: &Loop) {
        let ops = || {
            around.body.iter().map(|item| match item {
                Item::Operation(op) => op,
                Item::Loop(_) => unreachable!("it is an innermost loop"),
            })
        };
        let mut carried: Vec<Vector> = vec![];
        let mut inside: Vec<Vector> = vec![];
        let mut outside: Vec<(Vector, usize)> = vec![];
        for op in ops() {
            let assigns = matches!(op.opcode, Opcode::Assign { .. });
            if let Some(to) = op.to {
                let list = if assigns { &mut carried } else { &mut inside };
                if !list.contains(&to) {
                    list.push(to);
                }
            }
        }
        for vector in ops().flat_map(|op| vectors(&op.args)) {
            if inside.contains(&vector) || carried.contains(&vector) {
                continue;
            }
            match outside.iter_mut().find(|known| known.0 == vector) {
                Some(known) => known.1 += 1,
                None => outside.push((vector, 1)),
            }
        }
        outside.sort_by_key(|known| std::cmp::Reverse(known.1));
        let wanted = carried.iter().copied().chain(outside.iter().map(|known| known.0));
        let wanted: Vec<Vector> = wanted.take(MOST_PINNED).collect();
        for (register, vector) in wanted.into_iter().enumerate() {
            let home = self.home(vector);
            self.asm.rm(X86::EVEX_Vmovups_zmm_k1z_zmmm512, zmm(register), home);
            self.pinned.insert(vector, register);
        }
        for op in ops() {
            let (Opcode::Load(at, _)
            | Opcode::LoadWhen(at, ..)
            | Opcode::LoadRow { at, .. }
            | Opcode::Store(at, _)) = op.opcode.clone()
            else {
                continue;
            };
            if self.addresses.len() < ADDRESSES.len() && !self.addresses.contains_key(&at.pointer) {
                let register = ADDRESSES[self.addresses.len()];
                self.addresses.insert(at.pointer, register);
                if !around.pointers.iter().any(|moving| moving.pointer == at.pointer) {
                    let home = self.word(pointer_word(at.pointer));
                    self.asm.rm(X86::Mov_r64_rm64, register, home);
                }
            }
        }
    }

    /// Writes what the loop carried to its home.
    fn unpin(&mut self, around: &Loop) {
        let mut carried: Vec<Vector> = vec![];
        for item in &around.body {
            if let Item::Operation(Operation { opcode: Opcode::Assign { .. }, to: Some(to), .. }) = item
                && !carried.contains(to)
            {
                carried.push(*to);
            }
        }
        for vector in carried {
            if let Some(&register) = self.pinned.get(&vector) {
                let home = self.home(vector);
                self.asm.mr(X86::EVEX_Vmovups_zmmm512_k1z_zmm, home, zmm(register));
            }
        }
        self.pinned.clear();
        self.addresses.clear();
    }

    /// A vector's place on the stack.
    fn home(&mut self, vector: Vector) -> MemoryOperand {
        let next = self.homes.len() as i64;
        let place = *self.homes.entry(vector).or_insert(next);
        memory(Register::RSP, self.first_home + place * BYTES)
    }
}

/// Straight stretches.
impl Emission<'_> {
    fn straight(&mut self, ops: &[&Operation]) {
        self.held = [None; VECTORS];
        self.coming.clear();
        for (at, op) in ops.iter().enumerate().rev() {
            for vector in vectors(&op.args) {
                self.coming.entry(vector).or_default().push(at);
            }
        }
        for (at, op) in ops.iter().enumerate() {
            self.stretch = at;
            self.op(op);
        }
    }

    /// The operation that reads a vector next, after the present one.
    fn next_read(&self, vector: Vector) -> Option<usize> {
        self.coming.get(&vector)?.iter().rev().copied().find(|&at| at > self.stretch)
    }

    /// A register that is free, or that of the vector which is read again latest; `locked` ones stay.
    fn take(&mut self, locked: &[usize], vector: Vector) -> usize {
        let usable = |register: usize| {
            !locked.contains(&register) && !self.pinned.values().any(|&pinned| pinned == register)
        };
        let latest = |register: &usize| {
            self.held[*register].map_or(usize::MAX, |held| self.next_read(held).unwrap_or(usize::MAX - 1))
        };
        // The first of those that are free, so that few are used.
        let register = (0..VECTORS).rev().filter(|&register| usable(register)).max_by_key(latest);
        let register = register.expect("an operation needs few registers");
        if let Some(held) = self.held[register]
            && self.next_read(held).is_some()
            && !self.homes.contains_key(&held)
        {
            let home = self.home(held);
            self.asm.mr(X86::EVEX_Vmovups_zmmm512_k1z_zmm, home, zmm(register));
        }
        self.held[register] = Some(vector);
        register
    }

    fn register_of(&self, vector: Vector) -> Option<usize> {
        let held = || self.held.iter().position(|&held| held == Some(vector));
        self.pinned.get(&vector).copied().or_else(held)
    }

    /// An operand in a register.
    fn in_register(&mut self, operand: Operand, locked: &mut Vec<usize>) -> usize {
        let register = match operand {
            Operand::Vector(vector) => self.register_of(vector).unwrap_or_else(|| {
                let register = self.take(locked, vector);
                let home = self.home(vector);
                self.asm.rm(X86::EVEX_Vmovups_zmm_k1z_zmmm512, zmm(register), home);
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

    fn spread_bits(&mut self, register: usize, bits: u32) {
        let constant = self.asm.constant_element(bits);
        self.asm.rm(X86::EVEX_Vbroadcastss_zmm_k1z_xmmm32, zmm(register), constant);
    }

    /// An operand where the last operand of an instruction can be.
    fn anywhere(&mut self, operand: Operand, locked: &mut Vec<usize>) -> Source {
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
    fn release(&mut self, args: &[Operand]) {
        for vector in vectors(args) {
            if self.next_read(vector).is_none() {
                self.held.iter_mut().filter(|held| **held == Some(vector)).for_each(|held| *held = None);
            }
        }
        self.held.iter_mut().filter(|held| **held == Some(TEMPORARY)).for_each(|held| *held = None);
    }

    /// What was made is read in this stretch, at its home, or not at all.
    fn finish(&mut self, to: Vector, register: usize) {
        if self.reads.far[to.0 as usize] {
            let home = self.home(to);
            self.asm.mr(X86::EVEX_Vmovups_zmmm512_k1z_zmm, home, zmm(register));
        }
        if self.next_read(to).is_none() {
            self.held[register] = None;
        }
    }

    fn op(&mut self, op: &Operation) {
        match (&op.opcode, op.to) {
            (Opcode::Store(at, reach), _) => self.store(*at, *reach, &op.args),
            (Opcode::Assign { masked }, Some(to)) => self.assign(to, op.args[0], *masked, &op.args),
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
            Store(..) | Assign { .. } => unreachable!("they give no new vector"),
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

    /// The memory of a place, by the scratch register if its pointer has none of its own.
    fn memory(&mut self, at: Place) -> MemoryOperand {
        if let Some(&register) = self.addresses.get(&at.pointer) {
            return memory(register, at.bytes.into());
        }
        let home = self.word(pointer_word(at.pointer));
        self.asm.rm(X86::Mov_r64_rm64, SCRATCH, home);
        memory(SCRATCH, at.bytes.into())
    }

    fn load(&mut self, opcode: &Opcode, to: Vector, args: &[Operand]) -> usize {
        let mut locked = vec![];
        let index = args.first().map(|&index| self.in_register(index, &mut locked));
        // What it is elsewhere comes first, and must leave the index as it is.
        let register = self.take(&locked, to);
        self.release(args);
        self.held[register] = Some(to);
        locked.push(register);
        match opcode {
            Opcode::Load(at, reach) => {
                let from = self.memory(*at);
                self.read(register, from, *reach, &locked);
            }
            Opcode::LoadWhen(at, reach, when, fill) => {
                self.spread_bits(register, *fill);
                let outside: Vec<_> = when.iter().flat_map(|within| self.unless(within)).collect();
                let from = self.memory(*at);
                self.read(register, from, *reach, &locked);
                outside.into_iter().for_each(|jump| self.asm.land(jump));
            }
            Opcode::LoadRow { at, reach, stride, extent } => {
                self.spread_bits(register, f32::NAN.to_bits());
                let index = xmm(index.expect("a row has an index"));
                // What is no integer of 64 bits becomes one that is far beyond.
                self.asm.rr(X86::EVEX_Vcvttss2si_r64_xmmm32_sae, SCRATCH, index);
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
                self.read(register, memory(SCRATCH, at.bytes.into()), *reach, &locked);
                self.asm.land(outside);
            }
            _ => unreachable!("it reads no memory"),
        }
        register
    }

    fn read(&mut self, register: usize, from: MemoryOperand, reach: Reach, locked: &[usize]) {
        let code = match reach {
            Reach::One => X86::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
            Reach::All | Reach::Rest => X86::EVEX_Vmovups_zmm_k1z_zmmm512,
            Reach::Strided { step, lanes } => {
                return self.read_strided(register, from, [step, lanes], locked);
            }
        };
        let mut instruction = made(Instruction::with2(code, zmm(register), from));
        if reach == Reach::Rest {
            instruction.set_op_mask(LOOP_MASK);
            instruction.set_zeroing_masking(true);
        }
        self.asm.put(instruction);
    }

    /// Reads elements `step` apart: those of each sixteen neighbours, and moves them to their lanes. Nothing beyond the
    /// last is touched.
    fn read_strided(
        &mut self,
        register: usize,
        from: MemoryOperand,
        [step, lanes]: [u8; 2],
        locked: &[usize],
    ) {
        let mut locked = locked.to_vec();
        let neighbours = self.take(&locked, TEMPORARY);
        locked.push(neighbours);
        let order = self.take(&locked, TEMPORARY);
        for (k, part) in Part::of(step, lanes).enumerate() {
            self.set_mask(part.elements);
            let moved = memory(from.base, from.displacement + part.first * 4);
            let mut load =
                made(Instruction::with2(X86::EVEX_Vmovups_zmm_k1z_zmmm512, zmm(neighbours), moved));
            load.set_op_mask(MASK);
            load.set_zeroing_masking(true);
            self.asm.put(load);
            let lanes = self.asm.lanes(std::array::from_fn(|lane| {
                (lane as u32 * u32::from(step)).wrapping_sub(part.first as u32)
            }));
            self.asm.rm(X86::EVEX_Vmovups_zmm_k1z_zmmm512, zmm(order), lanes);
            self.set_mask(part.lanes);
            let code = X86::EVEX_Vpermps_zmm_k1z_zmm_zmmm512b32;
            let (to, order, neighbours) = (zmm(register), zmm(order), zmm(neighbours));
            let mut moved = made(Instruction::with3(code, to, order, neighbours));
            moved.set_op_mask(MASK);
            moved.set_zeroing_masking(k == 0);
            self.asm.put(moved);
        }
        self.release(&[]);
    }

    /// Writes lanes to elements `step` apart; what is between them stays.
    fn write_strided(&mut self, value: usize, to: MemoryOperand, [step, lanes]: [u8; 2]) {
        let mut locked = vec![value];
        let neighbours = self.take(&locked, TEMPORARY);
        locked.push(neighbours);
        let order = self.take(&locked, TEMPORARY);
        for part in Part::of(step, lanes) {
            let from =
                self.asm.lanes(std::array::from_fn(|k| (part.first as u32 + k as u32) / u32::from(step)));
            self.asm.rm(X86::EVEX_Vmovups_zmm_k1z_zmmm512, zmm(order), from);
            let code = X86::EVEX_Vpermps_zmm_k1z_zmm_zmmm512b32;
            self.asm.put(made(Instruction::with3(code, zmm(neighbours), zmm(order), zmm(value))));
            self.set_mask(part.elements);
            let moved = memory(to.base, to.displacement + part.first * 4);
            let code = X86::EVEX_Vmovups_zmmm512_k1z_zmm;
            let mut store = made(Instruction::with2(code, moved, zmm(neighbours)));
            store.set_op_mask(MASK);
            self.asm.put(store);
        }
    }

    /// Sets the mask of one operation.
    fn set_mask(&mut self, bits: u16) {
        self.asm.ri(X86::Mov_r32_imm32, Register::ECX, bits.into());
        self.asm.rr(X86::VEX_Kmovw_kr_r32, MASK, Register::ECX);
    }

    /// Jumps where a condition does not hold.
    fn unless(&mut self, within: &Within) -> Vec<super::assembler::Jump> {
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

    fn integer(&mut self, affine: &Affine, step: i32, to: Vector) -> usize {
        self.affine(affine);
        let register = self.take(&[], to);
        self.asm.rr(X86::EVEX_Vpbroadcastd_zmm_k1z_r32, zmm(register), Register::EAX);
        if step != 0 {
            let steps = self.asm.lanes(std::array::from_fn(|lane| (step * lane as i32) as u32));
            let to = zmm(register);
            self.asm.put(made(Instruction::with3(X86::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32, to, to, steps)));
        }
        register
    }

    fn store(&mut self, at: Place, reach: Reach, args: &[Operand]) {
        let value = self.in_register(args[0], &mut vec![]);
        let place = self.memory(at);
        if let Reach::Strided { step, lanes } = reach {
            self.write_strided(value, place, [step, lanes]);
            return self.release(args);
        }
        self.release(args);
        let (code, value) = match reach {
            Reach::One => (X86::EVEX_Vmovss_m32_k1_xmm, xmm(value)),
            _ => (X86::EVEX_Vmovups_zmmm512_k1z_zmm, zmm(value)),
        };
        let mut instruction = made(Instruction::with2(code, place, value));
        if reach == Reach::Rest {
            instruction.set_op_mask(LOOP_MASK);
        }
        self.asm.put(instruction);
    }

    fn assign(&mut self, to: Vector, value: Operand, masked: bool, args: &[Operand]) {
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
        if masked {
            instruction.set_op_mask(LOOP_MASK);
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
