//! Reads and writes as machine code: of one element, of neighbours, of elements that lie apart; under conditions, and
//! by computed rows.

use super::assembler::{Jump, made, memory};
use super::code::*;
use super::loops::{SCRATCH, counter_word, pointer_word};
use super::registers::{Emission, TEMPORARY, xmm, zmm};
use iced_x86::{Code as X86, Instruction, MemoryOperand, Register};

/// The mask of a loop.
pub const LOOP_MASK: Register = Register::K1;
/// The mask of one operation.
pub const MASK: Register = Register::K2;
/// Masks that an innermost loop keeps.
const KEPT_MASKS: [Register; 5] = [Register::K3, Register::K4, Register::K5, Register::K6, Register::K7];

/// The first so many lanes.
fn first(lanes: u8) -> u16 {
    ((1u32 << lanes) - 1) as u16
}

/// The masks that an operation asks for.
fn masks(opcode: &Opcode) -> Vec<u16> {
    let (Opcode::Load(_, reach)
    | Opcode::LoadWhen(_, reach, ..)
    | Opcode::LoadRow { reach, .. }
    | Opcode::Store(_, reach)
    | Opcode::Assign(reach)) = *opcode
    else {
        return vec![];
    };
    match (reach, opcode) {
        (Reach::First(lanes), _) => vec![first(lanes)],
        (Reach::Strided { step, lanes }, Opcode::Store(..)) => {
            Part::of(step, lanes).map(|part| part.elements).collect()
        }
        (Reach::Strided { step, lanes }, _) => {
            Part::of(step, lanes).flat_map(|part| [part.elements, part.lanes]).collect()
        }
        (Reach::One | Reach::All | Reach::Rest, _) => vec![],
    }
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
                if matches!(reach, Reach::Strided { .. }) =>
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
                self.read(register, memory(SCRATCH, at.bytes.into()), *reach, spare);
                self.asm.land(outside);
            }
            _ => unreachable!("it reads no memory"),
        }
        self.release(&[]);
        register
    }

    fn read(&mut self, register: usize, from: MemoryOperand, reach: Reach, spare: [usize; 2]) {
        let code = match reach {
            Reach::One => X86::EVEX_Vbroadcastss_zmm_k1z_xmmm32,
            Reach::All | Reach::First(_) | Reach::Rest => X86::EVEX_Vmovups_zmm_k1z_zmmm512,
            Reach::Strided { step, lanes } => {
                return self.read_strided(register, from, [step, lanes], spare);
            }
        };
        let mut instruction = made(Instruction::with2(code, zmm(register), from));
        if let Some(mask) = self.mask_of(reach) {
            instruction.set_op_mask(mask);
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
        [neighbours, order]: [usize; 2],
    ) {
        for (k, part) in Part::of(step, lanes).enumerate() {
            let mask = self.mask_of_lanes(part.elements);
            let moved = memory(from.base, from.displacement + part.first * 4);
            let mut load =
                made(Instruction::with2(X86::EVEX_Vmovups_zmm_k1z_zmmm512, zmm(neighbours), moved));
            load.set_op_mask(mask);
            load.set_zeroing_masking(true);
            self.asm.put(load);
            let lanes = self.asm.lanes(std::array::from_fn(|lane| {
                (lane as u32 * u32::from(step)).wrapping_sub(part.first as u32)
            }));
            self.asm.rm(X86::EVEX_Vmovups_zmm_k1z_zmmm512, zmm(order), lanes);
            let mask = self.mask_of_lanes(part.lanes);
            let code = X86::EVEX_Vpermps_zmm_k1z_zmm_zmmm512b32;
            let (to, order, neighbours) = (zmm(register), zmm(order), zmm(neighbours));
            let mut moved = made(Instruction::with3(code, to, order, neighbours));
            moved.set_op_mask(mask);
            moved.set_zeroing_masking(k == 0);
            self.asm.put(moved);
        }
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
            let mask = self.mask_of_lanes(part.elements);
            let moved = memory(to.base, to.displacement + part.first * 4);
            let code = X86::EVEX_Vmovups_zmmm512_k1z_zmm;
            let mut store = made(Instruction::with2(code, moved, zmm(neighbours)));
            store.set_op_mask(mask);
            self.asm.put(store);
        }
    }

    /// The mask of some lanes: one that an innermost loop keeps, or the mask of one operation.
    fn mask_of_lanes(&mut self, lanes: u16) -> Register {
        let kept = self.masks.iter().position(|&kept| kept == lanes);
        let mask = kept.map_or(MASK, |kept| KEPT_MASKS[kept]);
        if kept.is_none() {
            self.set_mask(mask, lanes);
        }
        mask
    }

    /// Sets a mask.
    fn set_mask(&mut self, mask: Register, lanes: u16) {
        self.asm.ri(X86::Mov_r32_imm32, Register::ECX, lanes.into());
        self.asm.rr(X86::VEX_Kmovw_kr_r32, mask, Register::ECX);
    }

    /// The mask of those lanes that an operation reaches; none for all, or for one.
    pub fn mask_of(&mut self, reach: Reach) -> Option<Register> {
        match reach {
            Reach::Rest => Some(LOOP_MASK),
            Reach::First(lanes) => Some(self.mask_of_lanes(first(lanes))),
            Reach::One | Reach::All | Reach::Strided { .. } => None,
        }
    }

    /// Sets the masks that the operations of an innermost loop need most often, for all of its iterations.
    pub fn keep_masks<'o>(&mut self, ops: impl Iterator<Item = &'o Operation>) {
        let mut wanted: Vec<(u16, usize)> = vec![];
        for mask in ops.flat_map(|op| masks(&op.opcode)) {
            match wanted.iter_mut().find(|known| known.0 == mask) {
                Some(known) => known.1 += 1,
                None => wanted.push((mask, 1)),
            }
        }
        wanted.sort_by_key(|known| std::cmp::Reverse(known.1));
        wanted.truncate(KEPT_MASKS.len());
        for (&(lanes, _), mask) in wanted.iter().zip(KEPT_MASKS) {
            self.set_mask(mask, lanes);
        }
        self.masks = wanted.into_iter().map(|known| known.0).collect();
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
        self.asm.rr(X86::EVEX_Vpbroadcastd_zmm_k1z_r32, zmm(register), Register::EAX);
        if step != 0 {
            let steps = self.asm.lanes(std::array::from_fn(|lane| (step * lane as i32) as u32));
            let to = zmm(register);
            self.asm.put(made(Instruction::with3(X86::EVEX_Vpaddd_zmm_k1z_zmm_zmmm512b32, to, to, steps)));
        }
        register
    }

    pub fn store(&mut self, at: Place, reach: Reach, args: &[Operand]) {
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
        if let Some(mask) = self.mask_of(reach) {
            instruction.set_op_mask(mask);
        }
        self.asm.put(instruction);
    }
}
