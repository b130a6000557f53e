//! What reaches some lanes only, and what depends on comparisons, by AVX-512: masks have registers of their own, and
//! nearly every instruction can be told one.

use super::assembler::{POOL, made, memory};
use super::code::*;
use super::instructions::Form;
use super::registers::{Emission, Source, TEMPORARY};
use iced_x86::{Code as X86, Instruction, MemoryOperand, Register};

/// The mask of a loop.
const LOOP_MASK: Register = Register::K1;
/// The mask of one operation.
const MASK: Register = Register::K2;
/// Masks that an innermost loop keeps.
const KEPT_MASKS: [Register; 5] = [Register::K3, Register::K4, Register::K5, Register::K6, Register::K7];

/// The first so many lanes.
fn first(lanes: u8) -> u16 {
    ((1u32 << lanes) - 1) as u16
}

/// What moves so many lanes as a narrower vector, with zeros beyond, and needs no mask: what a mask was told in writing is
/// not handed to a read that follows before it is in the cache.
struct Narrow {
    /// The first register of that width.
    registers: Register,
    load: X86,
    store: X86,
}

impl Narrow {
    fn of(lanes: u8) -> Option<Narrow> {
        let (registers, load, store) = match lanes {
            1 => (Register::XMM0, X86::EVEX_Vmovss_xmm_k1z_m32, X86::EVEX_Vmovss_m32_k1_xmm),
            2 => (Register::XMM0, X86::EVEX_Vmovsd_xmm_k1z_m64, X86::EVEX_Vmovsd_m64_k1_xmm),
            4 => (Register::XMM0, X86::EVEX_Vmovups_xmm_k1z_xmmm128, X86::EVEX_Vmovups_xmmm128_k1z_xmm),
            8 => (Register::YMM0, X86::EVEX_Vmovups_ymm_k1z_ymmm256, X86::EVEX_Vmovups_ymmm256_k1z_ymm),
            _ => return None,
        };
        Some(Narrow { registers, load, store })
    }

    /// That of a reach, and the register of this number.
    fn reached(reach: Reach, register: usize) -> Option<(Narrow, Register)> {
        let Reach::First(lanes) = reach else { return None };
        let narrow = Narrow::of(lanes)?;
        let register = narrow.registers + register as u32;
        Some((narrow, register))
    }
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
        (Reach::First(lanes), Opcode::Assign(_)) => vec![first(lanes)],
        (Reach::First(lanes), _) => Narrow::of(lanes).map_or(vec![first(lanes)], |_| vec![]),
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

/// Sets the mask of a loop over what is left: as many lanes as `left` says.
pub fn set_loop_mask(e: &mut Emission, left: Register) {
    let mask = Register::ECX;
    e.asm.ri(X86::Mov_r32_imm32, mask, -1);
    e.asm.put(made(Instruction::with3(X86::VEX_Bzhi_r32_rm32_r32, mask, mask, left)));
    e.asm.rr(X86::VEX_Kmovw_kr_r32, LOOP_MASK, mask);
}

/// Sets the masks that the operations of an innermost loop need most often, for all of its iterations.
pub fn keep_masks<'o>(e: &mut Emission, ops: impl Iterator<Item = &'o Operation>) {
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
        set_mask(e, mask, lanes);
    }
    e.masks = wanted.into_iter().map(|known| known.0).collect();
}

/// The mask of some lanes: one that an innermost loop keeps, or the mask of one operation.
fn mask_of_lanes(e: &mut Emission, lanes: u16) -> Register {
    let kept = e.masks.iter().position(|&kept| kept == lanes);
    let mask = kept.map_or(MASK, |kept| KEPT_MASKS[kept]);
    if kept.is_none() {
        set_mask(e, mask, lanes);
    }
    mask
}

fn set_mask(e: &mut Emission, mask: Register, lanes: u16) {
    e.asm.ri(X86::Mov_r32_imm32, Register::ECX, lanes.into());
    e.asm.rr(X86::VEX_Kmovw_kr_r32, mask, Register::ECX);
}

/// The mask of those lanes that an operation reaches; none for all, or for one.
fn mask_of(e: &mut Emission, reach: Reach) -> Option<Register> {
    match reach {
        Reach::Rest => Some(LOOP_MASK),
        Reach::First(lanes) => Some(mask_of_lanes(e, first(lanes))),
        Reach::One | Reach::All | Reach::Strided { .. } => None,
    }
}

/// Reads memory; with registers for what is between.
pub fn read(e: &mut Emission, register: usize, from: MemoryOperand, reach: Reach, spare: [usize; 2]) {
    if let Some((narrow, register)) = Narrow::reached(reach, register) {
        return e.asm.rm(narrow.load, register, from);
    }
    let form = match reach {
        Reach::One => Form::Spread,
        Reach::All | Reach::First(_) | Reach::Rest => Form::Load,
        Reach::Strided { step, lanes } => return read_strided(e, register, from, [step, lanes], spare),
    };
    let mut instruction = made(Instruction::with2(e.set.code(form), e.set.vector(register), from));
    if let Some(mask) = mask_of(e, reach) {
        instruction.set_op_mask(mask);
        instruction.set_zeroing_masking(true);
    }
    e.asm.put(instruction);
}

/// Reads elements `step` apart: those of each sixteen neighbours, and moves them to their lanes. Nothing beyond the
/// last is touched.
fn read_strided(
    e: &mut Emission,
    register: usize,
    from: MemoryOperand,
    [step, lanes]: [u8; 2],
    [neighbours, order]: [usize; 2],
) {
    let [to, neighbours, order] = [register, neighbours, order].map(|register| e.set.vector(register));
    for (k, part) in Part::of(step, lanes).enumerate() {
        let mask = mask_of_lanes(e, part.elements);
        let moved = memory(from.base, from.displacement + part.first * 4);
        let mut load = made(Instruction::with2(e.set.code(Form::Load), neighbours, moved));
        load.set_op_mask(mask);
        load.set_zeroing_masking(true);
        e.asm.put(load);
        let lanes = e.asm.lanes(|lane| (lane as u32 * u32::from(step)).wrapping_sub(part.first as u32));
        e.asm.rm(e.set.code(Form::Load), order, lanes);
        let mask = mask_of_lanes(e, part.lanes);
        let mut moved = made(Instruction::with3(e.set.code(Form::Permute), to, order, neighbours));
        moved.set_op_mask(mask);
        moved.set_zeroing_masking(k == 0);
        e.asm.put(moved);
    }
}

/// Writes memory.
pub fn write(e: &mut Emission, value: usize, to: MemoryOperand, reach: Reach) {
    if let Reach::Strided { step, lanes } = reach {
        return write_strided(e, value, to, [step, lanes]);
    }
    if let Some((narrow, register)) = Narrow::reached(reach, value) {
        return e.asm.mr(narrow.store, to, register);
    }
    let mut instruction = made(Instruction::with2(e.set.code(Form::Store), to, e.set.vector(value)));
    if let Some(mask) = mask_of(e, reach) {
        instruction.set_op_mask(mask);
    }
    e.asm.put(instruction);
}

/// Writes lanes to elements `step` apart; what is between them stays.
fn write_strided(e: &mut Emission, value: usize, to: MemoryOperand, [step, lanes]: [u8; 2]) {
    let mut locked = vec![value];
    let neighbours = e.take(&locked, TEMPORARY);
    locked.push(neighbours);
    let order = e.take(&locked, TEMPORARY);
    let [value, neighbours, order] = [value, neighbours, order].map(|register| e.set.vector(register));
    for part in Part::of(step, lanes) {
        let from = e.asm.lanes(|k| (part.first as u32 + k as u32) / u32::from(step));
        e.asm.rm(e.set.code(Form::Load), order, from);
        e.asm.put(made(Instruction::with3(e.set.code(Form::Permute), neighbours, order, value)));
        let mask = mask_of_lanes(e, part.elements);
        let moved = memory(to.base, to.displacement + part.first * 4);
        let mut store = made(Instruction::with2(e.set.code(Form::Store), moved, neighbours));
        store.set_op_mask(mask);
        e.asm.put(store);
    }
}

/// Puts a comparison into the mask of one operation.
fn compare(e: &mut Emission, relation: Relation, args: &[Operand], locked: &mut Vec<usize>) {
    let first = e.in_register(args[0], locked);
    let second = e.anywhere(args[1], locked);
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
    let first = e.set.vector(first);
    e.asm.put(made(match second {
        Source::Register(second) => Instruction::with4(code, MASK, first, e.set.vector(second), number),
        Source::Memory(second) => Instruction::with4(code, MASK, first, second, number),
    }));
}

/// `if a relation b then c else d`
pub fn select(e: &mut Emission, relation: Relation, to: Vector, args: &[Operand]) -> usize {
    let mut locked = vec![];
    compare(e, relation, &args[..2], &mut locked);
    blend(e, to, args[2], args[3], args, &mut locked)
}

/// Where the mask of one operation is set the one, else the other.
fn blend(
    e: &mut Emission,
    to: Vector,
    then: Operand,
    otherwise: Operand,
    args: &[Operand],
    locked: &mut Vec<usize>,
) -> usize {
    let zero = otherwise == Operand::Bits(0);
    let then = match then {
        Operand::Bits(bits) if zero => Source::Memory(e.asm.constant_element(bits)),
        then => e.anywhere(then, locked),
    };
    let other = (!zero).then(|| e.in_register(otherwise, locked));
    e.release(args);
    let register = e.take(&[], to);
    let (set, to) = (e.set, e.set.vector(register));
    let blend = X86::EVEX_Vblendmps_zmm_k1z_zmm_zmmm512b32;
    let mut instruction = made(match (other, then) {
        (Some(other), Source::Register(then)) => {
            Instruction::with3(blend, to, set.vector(other), set.vector(then))
        }
        (Some(other), Source::Memory(then)) => Instruction::with3(blend, to, set.vector(other), then),
        (None, Source::Register(then)) => Instruction::with2(set.code(Form::Copy), to, set.vector(then)),
        (None, Source::Memory(then)) if then.base == POOL => {
            Instruction::with2(set.code(Form::Spread), to, then)
        }
        (None, Source::Memory(then)) => Instruction::with2(set.code(Form::Load), to, then),
    });
    instruction.set_op_mask(MASK);
    instruction.set_zeroing_masking(zero);
    e.asm.put(instruction);
    register
}

/// All ones where `a relation b`, else zeros.
pub fn test(e: &mut Emission, relation: Relation, to: Vector, args: &[Operand]) -> usize {
    compare(e, relation, args, &mut vec![]);
    e.release(args);
    let register = e.take(&[], to);
    e.asm.rr(X86::EVEX_Vpmovm2d_zmm_kr, e.set.vector(register), MASK);
    register
}

/// `if a then b else c`
pub fn choose(e: &mut Emission, to: Vector, args: &[Operand]) -> usize {
    let mut locked = vec![];
    let mask = e.in_register(args[0], &mut locked);
    e.asm.rr(X86::EVEX_Vpmovd2m_kr_zmm, MASK, e.set.vector(mask));
    blend(e, to, args[1], args[2], args, &mut locked)
}

/// Lanes `by` further.
pub fn rotate(e: &mut Emission, by: u8, to: Vector, args: &[Operand]) -> usize {
    let from = e.in_register(args[0], &mut vec![]);
    e.release(args);
    let register = e.take(&[], to);
    let (to, from) = (e.set.vector(register), e.set.vector(from));
    let code = X86::EVEX_Valignd_zmm_k1z_zmm_zmmm512b32_imm8;
    e.asm.put(made(Instruction::with4(code, to, from, from, u32::from(by))));
    register
}

/// Some lanes from the second operand, the others from the first.
pub fn blend_lanes(e: &mut Emission, lanes: u16, to: Vector, args: &[Operand]) -> usize {
    set_mask(e, MASK, lanes);
    blend(e, to, args[1], args[0], args, &mut vec![])
}

/// Changes some lanes of a vector that loops carry.
pub fn assign(e: &mut Emission, to: Vector, value: Operand, reach: Reach, args: &[Operand]) {
    let value = e.in_register(value, &mut vec![]);
    e.release(args);
    let value = e.set.vector(value);
    let mut instruction = made(match e.pinned.get(&to) {
        Some(&register) => Instruction::with2(e.set.code(Form::Copy), e.set.vector(register), value),
        None => {
            e.forget(to);
            let home = e.home(to);
            Instruction::with2(e.set.code(Form::Store), home, value)
        }
    });
    if let Some(mask) = mask_of(e, reach) {
        instruction.set_op_mask(mask);
    }
    e.asm.put(instruction);
}

/// An integer in all lanes, of the register that affine functions are computed in.
pub fn spread_integer(e: &mut Emission, register: usize, integer: Register) {
    e.asm.rr(X86::EVEX_Vpbroadcastd_zmm_k1z_r32, e.set.vector(register), integer);
}
