//! Loops as machine code: their counts, addresses and masks, and what stays in registers.

use super::assembler::{Assembler, Jump, POOL, SAVED, made, memory};
use super::code::*;
use super::instructions::{Form, Instructions};
use super::registers::{Emission, Reads};
use super::share::Portion;
use super::{avx2, avx512};
use iced_x86::{Code as X86, Instruction, MemoryOperand, Register};
use rustc_hash::{FxHashMap, FxHashSet};
use std::mem::offset_of;

/// Registers of addresses in an innermost loop.
const ADDRESSES: [Register; 10] = {
    use Register::*;
    [RBX, RDI, RSI, R8, R9, R10, R11, R12, R13, R14]
};
/// Counts the iterations of an innermost loop.
const COUNT: Register = Register::R15;
/// For integers in between, with `RCX` and `RDX`.
pub const SCRATCH: Register = Register::RAX;
/// Stack that a function may take.
const MOST_STACK: i64 = 1 << 15;
/// Words on the stack before those of pointers and counters: the stack's old place.
const OLD_STACK: i64 = 0;
const FIRST_WORD: i64 = 1;
/// Loops that may stand in one another.
const MOST_DEPTH: i64 = 24;

/// Machine code of a function of the operands of [`crate::codegen::emitter::Operands`], and its text if `listing`;
/// none where it would take too much of the stack.
pub fn emit(code: &Code, set: Instructions, listing: bool) -> Option<(Vec<u8>, String)> {
    let words = FIRST_WORD + i64::from(code.pointers) + i64::from(code.counters) + MOST_DEPTH;
    // By AVX2 the mask of a loop takes the last register.
    let masked = set == Instructions::Avx2 && code.whole.has_rest();
    let mut emission = Emission {
        code,
        set,
        asm: Assembler::new(set, vec![], listing),
        reads: Reads::of(code),
        homes: FxHashMap::default(),
        first_home: (words * 8 + set.bytes() - 1) / set.bytes() * set.bytes(),
        depth: 0,
        pinned: FxHashMap::default(),
        addresses: FxHashMap::default(),
        masks: vec![],
        stretch: 0,
        unread: 0,
        held: vec![None; set.registers() - usize::from(masked)],
        needed_lanes: FxHashMap::default(),
        coming: FxHashMap::default(),
    };
    emission.repeat(&code.whole);
    emission.leave();
    let stack = emission.first_home + emission.homes.len() as i64 * set.bytes();
    if stack > MOST_STACK || emission.reads.depth > MOST_DEPTH {
        return None;
    }
    let (body, constants, text) = emission.asm.finish();
    let (mut bytes, constants, entry) = enter(code, set, stack, body.len(), constants, listing);
    bytes.extend(body);
    bytes.extend(constants.iter().flat_map(|bits| bits.to_le_bytes()));
    Some((bytes, entry + &text))
}

/// The function's beginning, before a body of so many bytes and its constants: saves registers, takes room on the
/// stack, and keeps the operands there.
fn enter(
    code: &Code,
    set: Instructions,
    stack: i64,
    body: usize,
    constants: Vec<u32>,
    listing: bool,
) -> (Vec<u8>, Vec<u32>, String) {
    use Register::*;
    let mut asm = Assembler::new(set, constants, listing);
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
    asm.ri(X86::And_rm64_imm32, RSP, -(set.bytes() as i32));
    let word = |at: i64| memory(RSP, at * 8);
    asm.mr(X86::Mov_rm64_r64, word(OLD_STACK), RAX);
    let counter = |counter| word(counter_word(code, counter));
    asm.mr(X86::Mov_rm64_r64, counter(Code::ELEMENT), R9);
    asm.mr(X86::Mov_rm64_r64, counter(Code::BATCH), RSI);
    if code.shared {
        for (given, offset) in
            [(Code::BEGIN, offset_of!(Portion, begin)), (Code::COUNT, offset_of!(Portion, count))]
        {
            asm.rm(X86::Mov_r64_rm64, RAX, memory(R8, offset as i64));
            asm.mr(X86::Mov_rm64_r64, counter(given), RAX);
        }
    }
    for &(pointer, base) in &code.bases {
        let from = match base {
            Base::Region(place) => {
                asm.rm(X86::Mov_r64_rm64, RAX, memory(RDI, place as i64 * 8));
                RAX
            }
            Base::Record => RDX,
            Base::Examples => RCX,
            Base::Scratch => {
                asm.rm(X86::Mov_r64_rm64, RAX, memory(R8, offset_of!(Portion, scratch) as i64));
                RAX
            }
        };
        asm.mr(X86::Mov_rm64_r64, word(pointer_word(pointer)), from);
    }
    // Seven bytes to its end, from where the distance counts.
    let pool = asm.here() + 7 + body;
    asm.rm(X86::Lea_r64_m, POOL, memory(RIP, pool as i64));
    asm.finish()
}

pub fn pointer_word(pointer: Pointer) -> i64 {
    FIRST_WORD + i64::from(pointer.0)
}

pub fn counter_word(code: &Code, counter: Counter) -> i64 {
    FIRST_WORD + i64::from(code.pointers) + i64::from(counter.0)
}

/// Loops.
impl Emission<'_> {
    pub fn word(&self, at: i64) -> MemoryOperand {
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

    pub fn body(&mut self, body: &[Item]) {
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
        self.mask(around.trips);
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
        let again = !matches!(around.trips, Trips::Known(1) | Trips::RestOf(_));
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
    fn trips(&mut self, trips: Trips) -> Option<Jump> {
        let code = match trips {
            Trips::Known(_) | Trips::All(_) => return None,
            Trips::WholeOf(count) => {
                let count = self.word(counter_word(self.code, count));
                self.asm.mi(X86::Cmp_rm64_imm32, count, self.set.lanes() as i32);
                X86::Jb_rel32_64
            }
            Trips::RestOf(count) => {
                let count = self.word(counter_word(self.code, count));
                self.asm.rm(X86::Mov_r64_rm64, SCRATCH, count);
                self.asm.ri(X86::And_rm64_imm32, SCRATCH, self.set.lanes() as i32 - 1);
                X86::Je_rel32_64
            }
        };
        Some(self.asm.jump(code))
    }

    /// Puts the number of iterations into the scratch register.
    fn count(&mut self, trips: Trips) {
        let (count, in_lanes) = match trips {
            Trips::Known(trips) => return self.asm.set(SCRATCH, trips),
            Trips::All(count) => (count, false),
            Trips::WholeOf(count) | Trips::RestOf(count) => (count, true),
        };
        let count = self.word(counter_word(self.code, count));
        self.asm.rm(X86::Mov_r64_rm64, SCRATCH, count);
        if in_lanes {
            self.asm.ri(X86::Shr_rm64_imm8, SCRATCH, self.set.lanes().ilog2() as i32);
        }
    }

    /// Sets the mask of a loop over what is left, which is in the scratch register: see `trips`.
    fn mask(&mut self, trips: Trips) {
        if !matches!(trips, Trips::RestOf(_)) {
            return;
        }
        match self.set {
            Instructions::Avx2 => avx2::set_loop_mask(self, Register::EAX),
            Instructions::Avx512 => avx512::set_loop_mask(self, Register::EAX),
        }
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
            Start::WholeOf(counter, times) | Start::Given(counter, times) => (counter, times),
        };
        let word = self.word(counter_word(self.code, word));
        self.asm.rm(X86::Mov_r64_rm64, Register::RDX, word);
        if matches!(start, Start::WholeOf(..)) {
            self.asm.ri(X86::And_rm64_imm32, Register::RDX, -(self.set.lanes() as i32));
        }
        self.times(Register::RDX, times);
        self.asm.rr(X86::Add_r64_rm64, to, Register::RDX);
    }

    /// `to *= by`, which may change `RCX`.
    pub fn times(&mut self, to: Register, by: i64) {
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
        if self.set == Instructions::Avx512 {
            avx512::keep_masks(self, ops());
        }
        let carried = carried(around);
        let inside: FxHashSet<Vector> =
            ops().filter_map(|op| op.to).filter(|to| !carried.contains(to)).collect();
        let mut outside: Vec<(Vector, usize)> = vec![];
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
        let wanted: Vec<Vector> = wanted.take(self.set.most_pinned()).collect();
        for (register, vector) in wanted.into_iter().enumerate() {
            let home = self.home(vector);
            self.asm.rm(self.set.code(Form::Load), self.set.vector(register), home);
            self.pinned.insert(vector, register);
        }
        for at in ops().filter_map(|op| op.opcode.place()) {
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
        for vector in carried(around) {
            if let Some(&register) = self.pinned.get(&vector) {
                let home = self.home(vector);
                self.asm.mr(self.set.code(Form::Store), home, self.set.vector(register));
            }
        }
        self.pinned.clear();
        self.addresses.clear();
        self.masks.clear();
    }

    /// A vector's place on the stack.
    pub fn home(&mut self, vector: Vector) -> MemoryOperand {
        let next = self.homes.len() as i64;
        let place = *self.homes.entry(vector).or_insert(next);
        memory(Register::RSP, self.first_home + place * self.set.bytes())
    }
}

/// The vectors that a loop changes, each once.
fn carried(around: &Loop) -> Vec<Vector> {
    let mut carried: Vec<Vector> = vec![];
    for item in &around.body {
        if let Item::Operation(Operation { opcode: Opcode::Assign(_), to: Some(to), .. }) = item
            && !carried.contains(to)
        {
            carried.push(*to);
        }
    }
    carried
}
