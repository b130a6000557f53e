//! Building programs: lanes with operators, so that an expansion reads as its formula.
//!
//! `(x * x).fma(0.5, 1.0)` is three constants, a product and a fused multiply-add. The same operation on the
//! same operands is emitted once.

use super::{Op, Program, Reg};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::ops::{Add, BitAnd, BitOr, BitXor, Div, Mul, Neg, Not, Sub};

/// The operations emitted so far.
#[derive(Default)]
pub struct Builder {
    ops: RefCell<Vec<Op>>,
    known: RefCell<FxHashMap<Op, Reg>>,
}

impl Builder {
    fn emit(&self, op: Op) -> Reg {
        *self.known.borrow_mut().entry(op).or_insert_with(|| {
            let mut ops = self.ops.borrow_mut();
            ops.push(op);
            Reg(u16::try_from(ops.len() - 1).expect("an expansion is short"))
        })
    }

    fn float(&self, op: Op) -> Float<'_> {
        Float { builder: self, reg: self.emit(op) }
    }

    fn int(&self, op: Op) -> Int<'_> {
        Int { builder: self, reg: self.emit(op) }
    }

    fn mask(&self, op: Op) -> Mask<'_> {
        Mask { builder: self, reg: self.emit(op) }
    }
}

impl Program {
    /// The program of a formula over `arity` floats.
    pub fn build(arity: usize, formula: impl for<'p> FnOnce(&[Float<'p>]) -> Float<'p>) -> Program {
        let builder = Builder::default();
        let args: Vec<Float> = (0..arity).map(|k| builder.float(Op::Arg(k as u8))).collect();
        let result = formula(&args).reg;
        Program { arity, ops: builder.ops.into_inner(), result }
    }

    /// The program of a formula over `arity` integers.
    pub fn build_from_ints(arity: usize, formula: impl for<'p> FnOnce(&[Int<'p>]) -> Float<'p>) -> Program {
        let builder = Builder::default();
        let args: Vec<Int> = (0..arity).map(|k| builder.int(Op::IntArg(k as u8))).collect();
        let result = formula(&args).reg;
        Program { arity, ops: builder.ops.into_inner(), result }
    }
}

/// A lane holding an f32.
#[derive(Clone, Copy)]
pub struct Float<'p> {
    builder: &'p Builder,
    reg: Reg,
}

/// A lane holding 32 bits.
#[derive(Clone, Copy)]
pub struct Int<'p> {
    builder: &'p Builder,
    reg: Reg,
}

/// A lane holding a truth value.
#[derive(Clone, Copy)]
pub struct Mask<'p> {
    builder: &'p Builder,
    reg: Reg,
}

/// What a formula may write where a float is wanted: a lane or a constant.
pub trait AsFloat<'p> {
    /// The lane that holds it.
    fn lane(self, builder: &'p Builder) -> Float<'p>;
}

impl<'p> AsFloat<'p> for Float<'p> {
    fn lane(self, _: &'p Builder) -> Float<'p> {
        self
    }
}

impl<'p> AsFloat<'p> for f32 {
    fn lane(self, builder: &'p Builder) -> Float<'p> {
        builder.float(Op::Const(self.to_bits()))
    }
}

/// What a formula may write where an integer is wanted: a lane or a constant.
pub trait AsInt<'p> {
    /// The lane that holds it.
    fn lane(self, builder: &'p Builder) -> Int<'p>;
}

impl<'p> AsInt<'p> for Int<'p> {
    fn lane(self, _: &'p Builder) -> Int<'p> {
        self
    }
}

impl<'p> AsInt<'p> for u32 {
    fn lane(self, builder: &'p Builder) -> Int<'p> {
        builder.int(Op::IntConst(self))
    }
}

/// An operator between two floats, either of which may be a constant.
macro_rules! float_operator {
    ($($operator:ident $method:ident;)*) => {$(
        impl<'p, T: AsFloat<'p>> $operator<T> for Float<'p> {
            type Output = Float<'p>;
            fn $method(self, other: T) -> Float<'p> {
                self.builder.float(Op::$operator(self.reg, other.lane(self.builder).reg))
            }
        }
        impl<'p> $operator<Float<'p>> for f32 {
            type Output = Float<'p>;
            fn $method(self, other: Float<'p>) -> Float<'p> {
                other.builder.float(Op::$operator(self.lane(other.builder).reg, other.reg))
            }
        }
    )*};
}

float_operator! { Add add; Sub sub; Mul mul; Div div; }

/// An operator between two integers.
macro_rules! int_operator {
    ($($operator:ident $method:ident $op:ident;)*) => {$(
        impl<'p, T: AsInt<'p>> $operator<T> for Int<'p> {
            type Output = Int<'p>;
            fn $method(self, other: T) -> Int<'p> {
                self.builder.int(Op::$op(self.reg, other.lane(self.builder).reg))
            }
        }
    )*};
}

int_operator! {
    Add add IntAdd; Sub sub IntSub; Mul mul IntMul;
    BitAnd bitand IntAnd; BitOr bitor IntOr; BitXor bitxor IntXor;
}

impl<'p> Neg for Float<'p> {
    type Output = Float<'p>;
    fn neg(self) -> Float<'p> {
        self.builder.float(Op::Neg(self.reg))
    }
}

impl<'p> Neg for Int<'p> {
    type Output = Int<'p>;
    fn neg(self) -> Int<'p> {
        0.lane(self.builder) - self
    }
}

impl<'p> Float<'p> {
    /// `self * b + c`, rounded once.
    pub fn fma(self, b: impl AsFloat<'p>, c: impl AsFloat<'p>) -> Float<'p> {
        let (b, c) = (b.lane(self.builder), c.lane(self.builder));
        self.builder.float(Op::Fma(self.reg, b.reg, c.reg))
    }

    /// Absolute value.
    pub fn abs(self) -> Float<'p> {
        self.builder.float(Op::Abs(self.reg))
    }

    /// Square root.
    pub fn sqrt(self) -> Float<'p> {
        self.builder.float(Op::Sqrt(self.reg))
    }

    /// Rounded down.
    pub fn floor(self) -> Float<'p> {
        self.builder.float(Op::Floor(self.reg))
    }

    /// Rounded up.
    pub fn ceil(self) -> Float<'p> {
        self.builder.float(Op::Ceil(self.reg))
    }

    /// Rounded to the nearest whole number, halves to the even one.
    pub fn nearest(self) -> Float<'p> {
        self.builder.float(Op::Nearest(self.reg))
    }

    /// `self < b`
    pub fn less(self, b: impl AsFloat<'p>) -> Mask<'p> {
        self.builder.mask(Op::Less(self.reg, b.lane(self.builder).reg))
    }

    /// `self > b`
    pub fn greater(self, b: impl AsFloat<'p>) -> Mask<'p> {
        self.builder.mask(Op::Less(b.lane(self.builder).reg, self.reg))
    }

    /// `self <= b`
    pub fn less_equal(self, b: impl AsFloat<'p>) -> Mask<'p> {
        self.builder.mask(Op::LessEqual(self.reg, b.lane(self.builder).reg))
    }

    /// `self == b`
    pub fn equal(self, b: impl AsFloat<'p>) -> Mask<'p> {
        self.builder.mask(Op::Equal(self.reg, b.lane(self.builder).reg))
    }

    /// `self != b`
    pub fn not_equal(self, b: impl AsFloat<'p>) -> Mask<'p> {
        self.builder.mask(Op::NotEqual(self.reg, b.lane(self.builder).reg))
    }

    /// Whether it is NaN.
    pub fn is_nan(self) -> Mask<'p> {
        self.not_equal(self)
    }

    /// Whether a boolean that a gate passed on is true.
    pub fn truth(self) -> Mask<'p> {
        self.builder.mask(Op::Truth(self.reg))
    }

    /// Its bits.
    pub fn bits(self) -> Int<'p> {
        self.builder.int(Op::Bits(self.reg))
    }

    /// The larger of itself and a bound that is not NaN; NaN stays. One instruction.
    pub fn at_least(self, bound: impl AsFloat<'p>) -> Float<'p> {
        let bound = bound.lane(self.builder);
        self.less(bound).select(bound, self)
    }

    /// The smaller of itself and a bound that is not NaN; NaN stays. One instruction.
    pub fn at_most(self, bound: impl AsFloat<'p>) -> Float<'p> {
        let bound = bound.lane(self.builder);
        bound.less(self).select(bound, self)
    }
}

impl<'p> Int<'p> {
    /// Shifted left.
    pub fn shift_left(self, by: u8) -> Int<'p> {
        self.builder.int(Op::Shl(self.reg, by))
    }

    /// Shifted right, zeros coming in.
    pub fn shift_right(self, by: u8) -> Int<'p> {
        self.builder.int(Op::Shr(self.reg, by))
    }

    /// Shifted right, the sign bit coming in.
    pub fn shift_right_signed(self, by: u8) -> Int<'p> {
        self.builder.int(Op::Sar(self.reg, by))
    }

    /// Whether two integers are equal.
    pub fn equal(self, b: impl AsInt<'p>) -> Mask<'p> {
        self.builder.mask(Op::IntEqual(self.reg, b.lane(self.builder).reg))
    }

    /// The float of these bits.
    pub fn float(self) -> Float<'p> {
        self.builder.float(Op::FromBits(self.reg))
    }

    /// The number, signed, as a float.
    pub fn convert(self) -> Float<'p> {
        self.builder.float(Op::Convert(self.reg))
    }
}

impl<'p> Mask<'p> {
    /// `a` where it is true, else `b`.
    pub fn select(self, a: impl AsFloat<'p>, b: impl AsFloat<'p>) -> Float<'p> {
        let (a, b) = (a.lane(self.builder), b.lane(self.builder));
        self.builder.float(Op::Select(self.reg, a.reg, b.reg))
    }

    /// 1 where it is true, else 0.
    pub fn number(self) -> Float<'p> {
        self.builder.float(Op::Number(self.reg))
    }
}

impl<'p> BitAnd for Mask<'p> {
    type Output = Mask<'p>;
    fn bitand(self, other: Mask<'p>) -> Mask<'p> {
        self.builder.mask(Op::And(self.reg, other.reg))
    }
}

impl<'p> BitOr for Mask<'p> {
    type Output = Mask<'p>;
    fn bitor(self, other: Mask<'p>) -> Mask<'p> {
        self.builder.mask(Op::Or(self.reg, other.reg))
    }
}

impl<'p> Not for Mask<'p> {
    type Output = Mask<'p>;
    fn not(self) -> Mask<'p> {
        self.builder.mask(Op::Not(self.reg))
    }
}
