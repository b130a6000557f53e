//! Gates on wide vectors: their programs, operation by operation.

use super::code::*;
use super::lower::Lowering;
use crate::circuit::Gate;
use crate::circuit::machine::{self, Program};

/// What a register of a program stands for.
#[derive(Clone, Copy, Debug)]
pub enum Meaning {
    /// A vector or constant.
    Plain(Operand),
    /// A mask: where two operands compare so. It is made where it is read, which takes no more than reading one.
    Holds(Comparison),
    /// A mask: where two comparisons hold. What is chosen by it is chosen by the one, then by the other.
    BothHold(Comparison, Comparison),
}

/// Two operands, and how they compare.
#[derive(Clone, Copy, Debug)]
pub struct Comparison(Relation, Operand, Operand);

const ONE: Operand = Operand::Bits(0x3f80_0000);
const ZERO: Operand = Operand::Bits(0);
const SIGN: Operand = Operand::Bits(0x8000_0000);
const ALL: Operand = Operand::Bits(u32::MAX);

impl Lowering<'_> {
    /// A gate of its operands.
    pub fn gate(&mut self, gate: Gate, args: &[Operand]) -> Operand {
        self.program(machine::program(gate), args)
    }

    /// A program.
    pub fn program(&mut self, program: &Program, args: &[Operand]) -> Operand {
        let mut done: Vec<Meaning> = Vec::with_capacity(program.ops.len());
        for &op in &program.ops {
            let meaning = self.operation(op, args, &done);
            done.push(meaning);
        }
        self.plain(done[program.result.index()])
    }

    fn operation(&mut self, op: machine::Op, args: &[Operand], done: &[Meaning]) -> Meaning {
        use machine::Op;
        let at = |reg: machine::Reg| match done[reg.index()] {
            Meaning::Plain(operand) => operand,
            Meaning::Holds(_) | Meaning::BothHold(..) => unreachable!("a mask is read as a mask only"),
        };
        let mask = |reg: machine::Reg| done[reg.index()];
        let mut two = |opcode, a, b| Meaning::Plain(self.op(opcode, &[at(a), at(b)]));
        match op {
            Op::Arg(k) | Op::IntArg(k) => Meaning::Plain(args[k as usize]),
            Op::Const(bits) | Op::IntConst(bits) => Meaning::Plain(Operand::Bits(bits)),
            Op::Add(a, b) => two(Opcode::Add, a, b),
            Op::Sub(a, b) => two(Opcode::Sub, a, b),
            Op::Mul(a, b) => two(Opcode::Mul, a, b),
            Op::Div(a, b) => two(Opcode::Div, a, b),
            Op::IntAdd(a, b) => two(Opcode::IntAdd, a, b),
            Op::IntSub(a, b) => two(Opcode::IntSub, a, b),
            Op::IntMul(a, b) => two(Opcode::IntMul, a, b),
            Op::IntAnd(a, b) => two(Opcode::And, a, b),
            Op::IntOr(a, b) => two(Opcode::Or, a, b),
            Op::IntXor(a, b) => two(Opcode::Xor, a, b),
            Op::Fma(a, b, c) => Meaning::Plain(self.op(Opcode::Fma, &[at(a), at(b), at(c)])),
            Op::Neg(a) => Meaning::Plain(self.op(Opcode::Xor, &[at(a), SIGN])),
            Op::Abs(a) => Meaning::Plain(self.op(Opcode::And, &[at(a), Operand::Bits(0x7fff_ffff)])),
            Op::Sqrt(a) => Meaning::Plain(self.op(Opcode::Sqrt, &[at(a)])),
            Op::Floor(a) => Meaning::Plain(self.op(Opcode::Floor, &[at(a)])),
            Op::Ceil(a) => Meaning::Plain(self.op(Opcode::Ceil, &[at(a)])),
            Op::Nearest(a) => Meaning::Plain(self.op(Opcode::Nearest, &[at(a)])),
            Op::Convert(a) => Meaning::Plain(self.op(Opcode::Convert, &[at(a)])),
            Op::Shl(a, by) => Meaning::Plain(self.op(Opcode::Shl(by), &[at(a)])),
            Op::Shr(a, by) => Meaning::Plain(self.op(Opcode::Shr(by), &[at(a)])),
            Op::Sar(a, by) => Meaning::Plain(self.op(Opcode::Sar(by), &[at(a)])),
            Op::Bits(a) | Op::FromBits(a) => Meaning::Plain(at(a)),
            Op::Less(a, b) => holds(Relation::Less, at(a), at(b)),
            Op::LessEqual(a, b) => holds(Relation::LessEqual, at(a), at(b)),
            Op::Equal(a, b) => holds(Relation::Equal, at(a), at(b)),
            Op::NotEqual(a, b) => holds(Relation::NotEqual, at(a), at(b)),
            Op::IntEqual(a, b) => holds(Relation::IntEqual, at(a), at(b)),
            Op::And(a, b) => match (mask(a), mask(b)) {
                (Meaning::Holds(a), Meaning::Holds(b)) => Meaning::BothHold(a, b),
                (a, b) => self.combined(Opcode::And, a, b),
            },
            Op::Or(a, b) => self.combined(Opcode::Or, mask(a), mask(b)),
            Op::Not(a) => self.not(mask(a)),
            Op::Select(condition, a, b) => Meaning::Plain(self.select(mask(condition), at(a), at(b))),
            Op::Number(a) => Meaning::Plain(self.number(mask(a))),
            Op::Truth(a) => self.truth(at(a)),
        }
    }

    fn combined(&mut self, opcode: Opcode, a: Meaning, b: Meaning) -> Meaning {
        let operands = [self.plain(a), self.plain(b)];
        Meaning::Plain(self.op(opcode, &operands))
    }

    fn not(&mut self, mask: Meaning) -> Meaning {
        match mask {
            Meaning::Holds(Comparison(relation, a, b)) => holds(relation.opposite(), a, b),
            mask => {
                let bits = self.plain(mask);
                Meaning::Plain(self.op(Opcode::Xor, &[bits, ALL]))
            }
        }
    }

    fn select(&mut self, mask: Meaning, a: Operand, b: Operand) -> Operand {
        match mask {
            Meaning::Holds(Comparison(Relation::Less, x, y)) if (a, b) == (x, y) => {
                self.op(Opcode::Min, &[x, y])
            }
            Meaning::Holds(Comparison(Relation::Less, x, y)) if (a, b) == (y, x) => {
                self.op(Opcode::Max, &[y, x])
            }
            Meaning::Holds(Comparison(relation, x, y)) => self.op(Opcode::Select(relation), &[x, y, a, b]),
            Meaning::BothHold(first, second) => {
                let a = self.select(Meaning::Holds(second), a, b);
                self.select(Meaning::Holds(first), a, b)
            }
            Meaning::Plain(bits) => self.op(Opcode::Choose, &[bits, a, b]),
        }
    }

    /// 1 where the mask is set, else 0; remembers the mask, which most booleans are read back as.
    fn number(&mut self, mask: Meaning) -> Operand {
        let number = match mask {
            Meaning::Holds(_) | Meaning::BothHold(..) => self.select(mask, ONE, ZERO),
            Meaning::Plain(bits) => self.op(Opcode::And, &[bits, ONE]),
        };
        if let Operand::Vector(vector) = number {
            self.meanings.insert(vector, mask);
        }
        number
    }

    /// The mask of which an operand is the number.
    fn truth(&mut self, number: Operand) -> Meaning {
        let known = match number {
            Operand::Vector(vector) => self.meanings.get(&vector).copied(),
            Operand::Bits(_) => None,
        };
        known.unwrap_or(holds(Relation::NotEqual, number, ZERO))
    }

    /// As a vector: of a mask all ones where it is set.
    fn plain(&mut self, meaning: Meaning) -> Operand {
        match meaning {
            Meaning::Plain(operand) => operand,
            Meaning::Holds(Comparison(relation, a, b)) => self.op(Opcode::Test(relation), &[a, b]),
            Meaning::BothHold(a, b) => {
                let masks = [a, b].map(|comparison| self.plain(Meaning::Holds(comparison)));
                self.op(Opcode::And, &masks)
            }
        }
    }
}

fn holds(relation: Relation, a: Operand, b: Operand) -> Meaning {
    Meaning::Holds(Comparison(relation, a, b))
}
