//! Gates as machine operations: straight-line programs over lanes of 32 bits.
//!
//! Each gate expands once into a [`Program`]; the f32 interpreter, the schedule's interpreter and native code
//! all run that one, so a gate has the same bits everywhere. Each [`Op`] is one cheap instruction on one lane
//! or on four at once (x86-64 with SSE4.1 and FMA, aarch64), with one rounding: nothing is fused that is not
//! written as [`Op::Fma`]. What a NaN's sign and payload are is left to the machine.
//!
//! - [`build`]: lanes with operators, so that an expansion reads as its formula.
//! - `run`: evaluates programs.
//! - [`subnormal`]: numbers next to zero count as zero while programs run.

pub mod build;
mod run;
pub mod subnormal;
#[cfg(test)]
mod tests;

use super::Gate;
use super::gates::GATES;
use std::sync::LazyLock;

/// The result of one operation: its place in [`Program::ops`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Reg(pub u16);

impl Reg {
    /// Its place in [`Program::ops`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What a register holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    /// An f32.
    Float,
    /// 32 bits; signed where that matters.
    Int,
    /// All ones or all zeros.
    Mask,
}

/// One operation. Operands are results of earlier ones, of the kinds that [`Op::operands`] shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// Operand of the gate.
    Arg(u8),
    /// Operand of the program that is an integer.
    IntArg(u8),
    /// An f32, by its bits.
    Const(u32),
    /// 32 bits.
    IntConst(u32),

    /// `a + b`
    Add(Reg, Reg),
    /// `a - b`
    Sub(Reg, Reg),
    /// `a * b`
    Mul(Reg, Reg),
    /// `a / b`
    Div(Reg, Reg),
    /// `a * b + c`, rounded once.
    Fma(Reg, Reg, Reg),
    /// The sign bit turned over, of NaN too.
    Neg(Reg),
    /// The sign bit cleared, of NaN too.
    Abs(Reg),
    /// Square root.
    Sqrt(Reg),
    /// Rounded down to a whole number.
    Floor(Reg),
    /// Rounded up to a whole number.
    Ceil(Reg),
    /// Rounded to the nearest whole number, halves to the even one.
    Nearest(Reg),

    /// `a < b`; false with NaN.
    Less(Reg, Reg),
    /// `a <= b`; false with NaN.
    LessEqual(Reg, Reg),
    /// `a == b`; false with NaN.
    Equal(Reg, Reg),
    /// `a != b`; true with NaN.
    NotEqual(Reg, Reg),
    /// Two integers are equal.
    IntEqual(Reg, Reg),
    /// Both masks.
    And(Reg, Reg),
    /// Either mask.
    Or(Reg, Reg),
    /// The opposite mask.
    Not(Reg),
    /// `if mask then a else b`, floats.
    Select(Reg, Reg, Reg),
    /// A mask as the number 1 or 0: how gates pass a boolean on.
    Number(Reg),
    /// `a != 0` as a mask: how a gate takes a boolean; undoes [`Op::Number`].
    Truth(Reg),

    /// `a + b`, wrapping.
    IntAdd(Reg, Reg),
    /// `a - b`, wrapping.
    IntSub(Reg, Reg),
    /// `a * b`, wrapping.
    IntMul(Reg, Reg),
    /// Bitwise and.
    IntAnd(Reg, Reg),
    /// Bitwise or.
    IntOr(Reg, Reg),
    /// Bitwise exclusive or.
    IntXor(Reg, Reg),
    /// Shifted left by a constant under 32.
    Shl(Reg, u8),
    /// Shifted right by a constant under 32, zeros coming in.
    Shr(Reg, u8),
    /// Shifted right by a constant under 32, the sign bit coming in.
    Sar(Reg, u8),

    /// The bits of a float.
    Bits(Reg),
    /// The float of these bits.
    FromBits(Reg),
    /// A signed integer as a float, rounded to nearest even.
    Convert(Reg),
}

impl Op {
    /// What the result is.
    pub fn lane(self) -> Lane {
        use Op::*;
        match self {
            Less(..) | LessEqual(..) | Equal(..) | NotEqual(..) | IntEqual(..) => Lane::Mask,
            And(..) | Or(..) | Not(_) | Truth(_) => Lane::Mask,
            IntArg(_) | IntConst(_) | Bits(_) | Shl(..) | Shr(..) | Sar(..) => Lane::Int,
            IntAdd(..) | IntSub(..) | IntMul(..) | IntAnd(..) | IntOr(..) | IntXor(..) => Lane::Int,
            _ => Lane::Float,
        }
    }

    /// The operands, in order, and what each must be.
    pub fn operands(self) -> Vec<(Reg, Lane)> {
        use Lane::*;
        match self {
            Op::Arg(_) | Op::IntArg(_) | Op::Const(_) | Op::IntConst(_) => vec![],
            Op::Select(mask, a, b) => vec![(mask, Mask), (a, Float), (b, Float)],
            Op::Fma(a, b, c) => vec![(a, Float), (b, Float), (c, Float)],
            Op::And(a, b) | Op::Or(a, b) => vec![(a, Mask), (b, Mask)],
            Op::Not(a) | Op::Number(a) => vec![(a, Mask)],
            Op::IntAdd(a, b) | Op::IntSub(a, b) | Op::IntMul(a, b) => vec![(a, Int), (b, Int)],
            Op::IntAnd(a, b) | Op::IntOr(a, b) | Op::IntXor(a, b) => vec![(a, Int), (b, Int)],
            Op::IntEqual(a, b) => vec![(a, Int), (b, Int)],
            Op::Shl(a, _) | Op::Shr(a, _) | Op::Sar(a, _) => vec![(a, Int)],
            Op::FromBits(a) | Op::Convert(a) => vec![(a, Int)],
            Op::Add(a, b) | Op::Sub(a, b) | Op::Mul(a, b) | Op::Div(a, b) => vec![(a, Float), (b, Float)],
            Op::Less(a, b) | Op::LessEqual(a, b) => vec![(a, Float), (b, Float)],
            Op::Equal(a, b) | Op::NotEqual(a, b) => vec![(a, Float), (b, Float)],
            Op::Neg(a) | Op::Abs(a) | Op::Sqrt(a) | Op::Floor(a) | Op::Ceil(a) => vec![(a, Float)],
            Op::Nearest(a) | Op::Truth(a) | Op::Bits(a) => vec![(a, Float)],
        }
    }
}

/// A straight-line program: one result from `arity` operands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program {
    /// Number of operands.
    pub arity: usize,
    /// The operations; each uses the results of earlier ones only, and each result is used.
    pub ops: Vec<Op>,
    /// The result, a float.
    pub result: Reg,
}

/// The expansion of a gate.
pub fn program(gate: Gate) -> &'static Program {
    static PROGRAMS: LazyLock<Vec<Program>> =
        LazyLock::new(|| GATES.iter().map(|row| Program::build(row.arity, row.expand)).collect());
    &PROGRAMS[gate.index()]
}
