//! What reaches some lanes only, and what depends on comparisons, by AVX2: masks are vectors, of which the sign of
//! each lane counts, and only few instructions can be told one. What is known when code is made stands in the
//! instruction instead.

use super::assembler::{made, memory};
use super::code::*;
use super::instructions::Form;
use super::registers::{Emission, Source, TEMPORARY, xmm};
use iced_x86::{Code as X86, Instruction, MemoryOperand, Register};

/// The mask of a loop, which nothing else is kept in.
const LOOP_MASK: Register = Register::YMM15;
/// Lanes.
const LANES: u8 = 8;

/// Sets the mask of a loop over what is left: as many lanes as `left` says.
pub fn set_loop_mask(e: &mut Emission, left: Register) {
    let counted = e.asm.lanes(|lane| lane as u32);
    e.asm.rr(X86::VEX_Vmovd_xmm_rm32, Register::XMM15, left);
    e.asm.rr(X86::VEX_Vpbroadcastd_ymm_xmmm32, LOOP_MASK, Register::XMM15);
    e.asm.put(made(Instruction::with3(X86::VEX_Vpcmpgtd_ymm_ymm_ymmm256, LOOP_MASK, LOOP_MASK, counted)));
}

/// A mask of some lanes, as memory.
fn mask_of_lanes(e: &mut Emission, set: impl Fn(usize) -> bool) -> MemoryOperand {
    e.asm.lanes(|lane| if set(lane) { u32::MAX } else { 0 })
}

/// Reads memory; with registers for what is between.
pub fn read(e: &mut Emission, register: usize, from: MemoryOperand, reach: Reach, spare: [usize; 2]) {
    let to = e.set.vector(register);
    match reach {
        Reach::One => e.asm.rm(e.set.code(Form::Spread), to, from),
        Reach::All => e.asm.rm(e.set.code(Form::Load), to, from),
        Reach::First(lanes) => read_first(e, register, from, lanes, spare[0]),
        Reach::Rest => read_masked(e, to, from, LOOP_MASK),
        Reach::Strided { step, lanes } => read_strided(e, register, from, [step, lanes], spare),
    }
}

/// Whether reading takes a further register.
pub fn needs_spare(reach: Reach) -> bool {
    matches!(reach, Reach::Strided { .. } | Reach::First(3 | 5..))
}

fn read_masked(e: &mut Emission, to: Register, from: MemoryOperand, mask: Register) {
    e.asm.put(made(Instruction::with3(X86::VEX_Vmaskmovps_ymm_ymm_m256, to, mask, from)));
}

/// The first lanes, and zeros.
fn read_first(e: &mut Emission, register: usize, from: MemoryOperand, lanes: u8, spare: usize) {
    match lanes {
        1 => e.asm.rm(X86::VEX_Vmovss_xmm_m32, xmm(register), from),
        2 => e.asm.rm(X86::VEX_Vmovsd_xmm_m64, xmm(register), from),
        4 => e.asm.rm(X86::VEX_Vmovups_xmm_xmmm128, xmm(register), from),
        _ => {
            let mask = mask_of_lanes(e, |lane| lane < lanes.into());
            let spare = e.set.vector(spare);
            e.asm.rm(e.set.code(Form::Load), spare, mask);
            read_masked(e, e.set.vector(register), from, spare);
        }
    }
}

/// Reads elements `step` apart: those of each eight neighbours, and moves them to their lanes. Nothing beyond the last
/// is touched.
fn read_strided(
    e: &mut Emission,
    register: usize,
    from: MemoryOperand,
    [step, lanes]: [u8; 2],
    [neighbours, order]: [usize; 2],
) {
    let at = |element: i64| memory(from.base, from.displacement + element * 4);
    let (step, lanes) = (i64::from(step), i64::from(lanes));
    // One beyond the last element.
    let end = (lanes - 1) * step + 1;
    let (to, load) = (e.set.vector(register), e.set.code(Form::Load));
    if (step, lanes) == (2, LANES.into()) {
        // The second eight end with the last element: their elements are the odd ones.
        let second = e.set.vector(neighbours);
        e.asm.rm(load, to, at(0));
        e.asm.rm(load, second, at(end - 8));
        e.asm.put(made(Instruction::with4(
            X86::VEX_Vshufps_ymm_ymm_ymmm256_imm8,
            to,
            to,
            second,
            0b11_01_10_00,
        )));
        e.asm.put(made(Instruction::with3(X86::VEX_Vpermpd_ymm_ymmm256_imm8, to, to, 0b11_01_10_00)));
        return;
    }
    let mut lane = 0;
    while lane < lanes {
        // As many as eight neighbours hold, which begin earlier where they would go beyond the last.
        let start = (lane * step).min((end - 8).max(0));
        let after = lanes.min((start + 7) / step + 1);
        if end < 8 {
            read_first(e, neighbours, at(0), end as u8, order);
        } else {
            e.asm.rm(load, e.set.vector(neighbours), at(start));
        }
        let from = e.asm.lanes(|lane| (lane as i64 * step - start) as u32 % 8);
        e.asm.rm(load, e.set.vector(order), from);
        let moved = e.set.vector(if lane == 0 { register } else { neighbours });
        let (order, neighbours) = (e.set.vector(order), e.set.vector(neighbours));
        e.asm.put(made(Instruction::with3(e.set.code(Form::Permute), moved, order, neighbours)));
        if lane > 0 {
            let new = (0..LANES).filter(|&k| (lane..after).contains(&k.into()));
            let new = new.map(|k| 1 << k).sum::<u32>();
            e.asm.put(made(Instruction::with4(X86::VEX_Vblendps_ymm_ymm_ymmm256_imm8, to, to, moved, new)));
        }
        lane = after;
    }
}

/// Writes memory.
pub fn write(e: &mut Emission, value: usize, to: MemoryOperand, reach: Reach) {
    match reach {
        Reach::One | Reach::All => e.asm.mr(e.set.code(Form::Store), to, e.set.vector(value)),
        Reach::First(lanes) => write_first(e, value, to, lanes),
        Reach::Rest => {
            let value = e.set.vector(value);
            e.asm.put(made(Instruction::with3(X86::VEX_Vmaskmovps_m256_ymm_ymm, to, LOOP_MASK, value)));
        }
        Reach::Strided { step, lanes } => {
            let mut quarter = value;
            for lane in 0..lanes {
                if lane == 4 {
                    quarter = upper_half(e, value);
                }
                write_lane(
                    e,
                    quarter,
                    lane % 4,
                    memory(to.base, to.displacement + i64::from(lane * step) * 4),
                );
            }
        }
    }
}

/// Writes the first lanes: by masks it takes some ten times as long on processors of AMD.
fn write_first(e: &mut Emission, value: usize, to: MemoryOperand, lanes: u8) {
    let at = |lane: u8| memory(to.base, to.displacement + i64::from(lane) * 4);
    let mut half = value;
    if lanes >= 4 {
        e.asm.mr(X86::VEX_Vmovups_xmmm128_xmm, at(0), xmm(value));
        if lanes > 4 {
            half = upper_half(e, value);
        }
    }
    let (done, left) = (lanes & 4, lanes & 3);
    if left >= 2 {
        e.asm.mr(X86::VEX_Vmovlps_m64_xmm, at(done), xmm(half));
    }
    if left & 1 == 1 {
        write_lane(e, half, left - 1, at(done + left - 1));
    }
}

/// Writes one of the first four lanes.
fn write_lane(e: &mut Emission, value: usize, lane: u8, to: MemoryOperand) {
    match lane {
        0 => e.asm.mr(e.set.code(Form::StoreFirst), to, xmm(value)),
        _ => {
            let code = X86::VEX_Vextractps_rm32_xmm_imm8;
            e.asm.put(made(Instruction::with3(code, to, xmm(value), u32::from(lane))));
        }
    }
}

/// A register whose first lanes are the last four of a vector.
fn upper_half(e: &mut Emission, value: usize) -> usize {
    let upper = e.take(&[value], TEMPORARY);
    let code = X86::VEX_Vextractf128_xmmm128_ymm_imm8;
    e.asm.put(made(Instruction::with3(code, xmm(upper), e.set.vector(value), 1)));
    upper
}

/// A register that is all ones where a comparison holds, or (second) where it does not.
fn compare(e: &mut Emission, relation: Relation, args: &[Operand], locked: &mut Vec<usize>) -> (usize, bool) {
    let first = e.in_register(args[0], locked);
    let second = e.anywhere(args[1], locked);
    let mask = e.take(locked, TEMPORARY);
    locked.push(mask);
    let (to, first) = (e.set.vector(mask), e.set.vector(first));
    let number = match relation {
        Relation::Less => Some(0x11),
        Relation::LessEqual => Some(0x12),
        Relation::Equal => Some(0x00),
        Relation::NotEqual => Some(0x04),
        Relation::NotLess => Some(0x15),
        Relation::NotLessEqual => Some(0x16),
        Relation::IntEqual | Relation::IntNotEqual => None,
    };
    let numbers = X86::VEX_Vcmpps_ymm_ymm_ymmm256_imm8;
    let integers = X86::VEX_Vpcmpeqd_ymm_ymm_ymmm256;
    e.asm.put(made(match (number, second) {
        (Some(number), Source::Register(second)) => {
            Instruction::with4(numbers, to, first, e.set.vector(second), number)
        }
        (Some(number), Source::Memory(second)) => Instruction::with4(numbers, to, first, second, number),
        (None, Source::Register(second)) => Instruction::with3(integers, to, first, e.set.vector(second)),
        (None, Source::Memory(second)) => Instruction::with3(integers, to, first, second),
    }));
    (mask, relation != Relation::IntNotEqual)
}

/// `if a relation b then c else d`
pub fn select(e: &mut Emission, relation: Relation, to: Vector, args: &[Operand]) -> usize {
    let mut locked = vec![];
    let (mask, holds) = compare(e, relation, &args[..2], &mut locked);
    let (then, otherwise) = if holds { (args[2], args[3]) } else { (args[3], args[2]) };
    blend(e, mask, to, then, otherwise, args, &mut locked)
}

/// Where a mask is set the one, else the other.
fn blend(
    e: &mut Emission,
    mask: usize,
    to: Vector,
    then: Operand,
    otherwise: Operand,
    args: &[Operand],
    locked: &mut Vec<usize>,
) -> usize {
    const ZERO: Operand = Operand::Bits(0);
    let mask = e.set.vector(mask);
    // What is zero elsewhere is cut out; else one of the two is in a register.
    let (code, other, source) = match (then, otherwise) {
        (then, ZERO) => (X86::VEX_Vandps_ymm_ymm_ymmm256, None, e.anywhere(then, locked)),
        (ZERO, otherwise) => (X86::VEX_Vandnps_ymm_ymm_ymmm256, None, e.anywhere(otherwise, locked)),
        (then, otherwise) => {
            let other = e.in_register(otherwise, locked);
            (X86::VEX_Vblendvps_ymm_ymm_ymmm256_ymm, Some(e.set.vector(other)), e.anywhere(then, locked))
        }
    };
    e.release(args);
    let register = e.take(&[], to);
    let to = e.set.vector(register);
    e.asm.put(made(match (other, source) {
        (None, Source::Register(source)) => Instruction::with3(code, to, mask, e.set.vector(source)),
        (None, Source::Memory(source)) => Instruction::with3(code, to, mask, source),
        (Some(other), Source::Register(source)) => {
            Instruction::with4(code, to, other, e.set.vector(source), mask)
        }
        (Some(other), Source::Memory(source)) => Instruction::with4(code, to, other, source, mask),
    }));
    register
}

/// All ones where `a relation b`, else zeros.
pub fn test(e: &mut Emission, relation: Relation, to: Vector, args: &[Operand]) -> usize {
    let (mask, holds) = compare(e, relation, args, &mut vec![]);
    if !holds {
        let ones = e.asm.constant(u32::MAX);
        let mask = e.set.vector(mask);
        e.asm.put(made(Instruction::with3(e.set.code(Form::Xor), mask, mask, ones)));
    }
    e.release(args);
    e.held[mask] = Some(to);
    mask
}

/// `if a then b else c`
pub fn choose(e: &mut Emission, to: Vector, args: &[Operand]) -> usize {
    let mut locked = vec![];
    let mask = e.in_register(args[0], &mut locked);
    blend(e, mask, to, args[1], args[2], args, &mut locked)
}

/// Lanes `by` further.
pub fn rotate(e: &mut Emission, by: u8, to: Vector, args: &[Operand]) -> usize {
    if by != LANES / 2 {
        let order: Vec<u8> = (0..LANES).map(|lane| (lane + by) % LANES).collect();
        return e.permute(&order, to, args);
    }
    let from = e.in_register(args[0], &mut vec![]);
    e.release(args);
    let register = e.take(&[], to);
    let [from, to] = [from, register].map(|register| e.set.vector(register));
    let code = X86::VEX_Vperm2f128_ymm_ymm_ymmm256_imm8;
    e.asm.put(made(Instruction::with4(code, to, from, from, 1)));
    register
}

/// Some lanes from the second operand, the others from the first.
pub fn blend_lanes(e: &mut Emission, lanes: u16, to: Vector, args: &[Operand]) -> usize {
    let mut locked = vec![];
    let first = e.in_register(args[0], &mut locked);
    let second = e.anywhere(args[1], &mut locked);
    e.release(args);
    let register = e.take(&[], to);
    let (set, code, lanes) = (e.set, X86::VEX_Vblendps_ymm_ymm_ymmm256_imm8, u32::from(lanes));
    let (to, first) = (set.vector(register), set.vector(first));
    e.asm.put(made(match second {
        Source::Register(second) => Instruction::with4(code, to, first, set.vector(second), lanes),
        Source::Memory(second) => Instruction::with4(code, to, first, second, lanes),
    }));
    register
}

/// Changes some lanes of a vector that loops carry.
pub fn assign(e: &mut Emission, to: Vector, value: Operand, reach: Reach, args: &[Operand]) {
    let mut locked = vec![];
    let value = e.in_register(value, &mut locked);
    let pinned = e.pinned.get(&to).copied();
    let old = match (pinned, reach) {
        (None, Reach::First(_) | Reach::Rest) => {
            let (old, home) = (e.take(&locked, TEMPORARY), e.home(to));
            e.asm.rm(e.set.code(Form::Load), e.set.vector(old), home);
            Some(old)
        }
        (pinned, _) => pinned,
    };
    e.release(args);
    let value = e.set.vector(value);
    let merged = old.map(|old| e.set.vector(old));
    match (merged, reach) {
        (Some(old), Reach::First(lanes)) => {
            let lanes = (1u32 << lanes) - 1;
            let code = X86::VEX_Vblendps_ymm_ymm_ymmm256_imm8;
            e.asm.put(made(Instruction::with4(code, old, old, value, lanes)));
        }
        (Some(old), Reach::Rest) => {
            let code = X86::VEX_Vblendvps_ymm_ymm_ymmm256_ymm;
            e.asm.put(made(Instruction::with4(code, old, old, value, LOOP_MASK)));
        }
        (Some(old), _) => e.asm.rr(e.set.code(Form::Copy), old, value),
        (None, _) => {}
    }
    if pinned.is_none() {
        e.forget(to);
        let home = e.home(to);
        e.asm.mr(e.set.code(Form::Store), home, merged.unwrap_or(value));
    }
}

/// An integer in all lanes, of the register that affine functions are computed in.
pub fn spread_integer(e: &mut Emission, register: usize, integer: Register) {
    e.asm.rr(X86::VEX_Vmovd_xmm_rm32, xmm(register), integer);
    e.asm.rr(X86::VEX_Vpbroadcastd_ymm_xmmm32, e.set.vector(register), xmm(register));
}
