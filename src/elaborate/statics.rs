//! Values known before training: exact rational numbers, other numbers, and booleans.

use crate::circuit::Gate;
use std::cmp::Ordering;
use std::fmt;

/// An exact fraction in lowest terms with a positive denominator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Ratio {
    num: i128,
    den: i128,
}

impl Ratio {
    /// `num / den`; `None` if `den` is 0.
    pub fn new(num: i128, den: i128) -> Option<Self> {
        let gcd = gcd(num, den);
        if den == 0 || gcd == 0 {
            return None;
        }
        let sign = den.signum();
        Some(Ratio { num: sign * num / gcd, den: sign * den / gcd })
    }

    /// A whole number.
    pub fn whole(value: i64) -> Self {
        Ratio { num: i128::from(value), den: 1 }
    }

    /// A decimal literal such as `12`, `0.5` or `1e-3`, exactly; `None` if it is too long for that.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.replace('_', "");
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa.to_string(), exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((&mantissa, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
        let scale = exponent - i32::try_from(fraction.len()).ok()?;
        let power = 10i128.checked_pow(scale.unsigned_abs())?;
        if scale >= 0 { Ratio::new(digits.checked_mul(power)?, 1) } else { Ratio::new(digits, power) }
    }

    /// Numerator, of the sign of the whole.
    pub fn numerator(self) -> i128 {
        self.num
    }

    /// Positive denominator.
    pub fn denominator(self) -> i128 {
        self.den
    }

    /// The whole number that it is, if it is one that fits.
    pub fn as_integer(self) -> Option<i64> {
        (self.den == 1).then(|| i64::try_from(self.num).ok()).flatten()
    }

    fn add(self, other: Self) -> Option<Self> {
        let left = self.num.checked_mul(other.den)?;
        Self::new(left.checked_add(other.num.checked_mul(self.den)?)?, self.den.checked_mul(other.den)?)
    }

    fn negated(self) -> Self {
        Ratio { num: -self.num, den: self.den }
    }

    fn mul(self, other: Self) -> Option<Self> {
        Self::new(self.num.checked_mul(other.num)?, self.den.checked_mul(other.den)?)
    }

    fn div(self, other: Self) -> Option<Self> {
        Self::new(self.num.checked_mul(other.den)?, self.den.checked_mul(other.num)?)
    }

    fn floor(self) -> Self {
        Ratio { num: self.num.div_euclid(self.den), den: 1 }
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        Some(self.num.checked_mul(other.den)?.cmp(&other.num.checked_mul(self.den)?))
    }

    /// Rounded once, where numerator and denominator are exact in f64.
    fn to_f64(self) -> Option<f64> {
        const EXACT: i128 = 1 << 53;
        (self.num.abs() <= EXACT && self.den <= EXACT).then(|| self.num as f64 / self.den as f64)
    }
}

/// The greatest common divisor, not negative.
pub fn gcd(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.unsigned_abs(), b.unsigned_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    i128::try_from(a).unwrap_or(0)
}

/// A number known before training, exact where its arithmetic is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Number {
    /// The exact value, if it is rational and was not lost on the way (`pi`, `sqrt(2)`).
    pub exact: Option<Ratio>,
    /// The nearest f64.
    pub value: f64,
}

impl Number {
    /// A whole number.
    pub fn whole(value: i64) -> Self {
        Number { exact: Some(Ratio::whole(value)), value: value as f64 }
    }

    /// A number that is not exact.
    pub fn real(value: f64) -> Self {
        Number { exact: None, value }
    }

    /// A literal as it was read and as it is written.
    pub fn literal(value: f64, text: &str) -> Self {
        Number { exact: Ratio::parse(text), value }
    }

    /// A percentage as it was read and as it is written.
    pub fn percent(value: f64, text: &str) -> Self {
        let hundredth = Ratio { num: 1, den: 100 };
        Number { exact: Ratio::parse(text.trim_end_matches('%')).and_then(|r| r.mul(hundredth)), value }
    }

    /// The whole number that it is, if it is one.
    pub fn as_integer(self) -> Option<i64> {
        self.exact.and_then(Ratio::as_integer)
    }

    fn of(exact: Option<Ratio>, value: f64) -> Self {
        Number { exact, value: exact.and_then(Ratio::to_f64).unwrap_or(value) }
    }

    fn both(self, other: Self, f: impl Fn(Ratio, Ratio) -> Option<Ratio>) -> Option<Ratio> {
        f(self.exact?, other.exact?)
    }

    /// `-self`
    pub fn negated(self) -> Self {
        Number { exact: self.exact.map(Ratio::negated), value: -self.value }
    }

    /// `self + other`
    pub fn plus(self, other: Self) -> Self {
        Self::of(self.both(other, Ratio::add), self.value + other.value)
    }

    /// `self - other`
    pub fn minus(self, other: Self) -> Self {
        Self::of(self.both(other, |a, b| a.add(b.negated())), self.value - other.value)
    }

    /// `self * other`
    pub fn times(self, other: Self) -> Self {
        Self::of(self.both(other, Ratio::mul), self.value * other.value)
    }

    /// `self / other`; infinite or NaN where `other` is 0.
    pub fn over(self, other: Self) -> Self {
        Self::of(self.both(other, Ratio::div), self.value / other.value)
    }

    /// The quotient rounded down.
    pub fn int_div(self, other: Self) -> Self {
        let exact = self.both(other, |a, b| a.div(b).map(Ratio::floor));
        Self::of(exact, (self.value / other.value).floor())
    }

    /// What `int_div` leaves over.
    pub fn modulo(self, other: Self) -> Self {
        self.minus(other.times(self.int_div(other)))
    }

    /// `self ^ other`; exact for small whole exponents.
    pub fn power(self, other: Self) -> Self {
        let exact = other.as_integer().filter(|e| e.abs() <= 64).and_then(|exponent| {
            let base = self.exact?;
            let mut power = Ratio::whole(1);
            for _ in 0..exponent.abs() {
                power = power.mul(base)?;
            }
            if exponent < 0 { Ratio::whole(1).div(power) } else { Some(power) }
        });
        Self::of(exact, self.value.powf(other.value))
    }

    /// Which is larger; `None` with NaN.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        let exact = self.exact.zip(other.exact).and_then(|(a, b)| a.compare(b));
        exact.or_else(|| self.value.partial_cmp(&other.value))
    }

    /// The value of a gate that is called by its name.
    pub fn call(gate: Gate, args: &[Number]) -> Self {
        let values: Vec<f64> = args.iter().map(|n| n.value).collect();
        let value = (gate.row().value)(&values);
        // `max`, `min`, `abs`, `floor`, ...: a result that is whole, or one of the operands, stays exact.
        let same = args.iter().find(|n| n.value == value).copied();
        let rounded = matches!(gate.row().name, "floor" | "ceil" | "sign") && value.abs() < 1e15;
        match same {
            Some(number) if args.len() == 2 => number,
            _ if rounded => Number::whole(value as i64),
            _ => Number::real(value),
        }
    }
}

impl fmt::Display for Number {
    /// As a person writes it: `128`, `0.001`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_integer() {
            Some(whole) => write!(f, "{whole}"),
            None if self.value.is_infinite() && self.value > 0.0 => f.write_str("inf"),
            None if self.value.is_infinite() => f.write_str("-inf"),
            None => write!(f, "{:?}", self.value),
        }
    }
}

/// A value known before training.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Static {
    /// A number.
    Number(Number),
    /// True or false.
    Bool(bool),
}

impl fmt::Display for Static {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Static::Number(number) => number.fmt(f),
            Static::Bool(value) => value.fmt(f),
        }
    }
}
