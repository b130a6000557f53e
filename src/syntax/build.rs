//! Trees made by hand, for programs that the compiler writes: every span is [`NOWHERE`].

use super::ast::{
    Arg, BinaryOp, Expr, ExprKind, How, Index, IndexArg, Name, Reducer, Stmt, StmtKind, Target, UnaryOp,
};
use crate::diagnostic::{FileId, Span};

/// The span of what stands in no text.
pub const NOWHERE: Span = Span { file: FileId(u16::MAX), start: 0, end: 0 };

/// A word.
pub fn word(text: impl Into<String>) -> Name {
    Name { text: text.into(), span: NOWHERE }
}

/// An expression of this kind.
pub fn expr(kind: ExprKind) -> Expr {
    Expr { span: NOWHERE, kind }
}

/// `x`
pub fn name(text: impl Into<String>) -> Expr {
    expr(ExprKind::Name { name: word(text), primed: false })
}

/// `head.0.W` from its parts
///
/// # Panics
/// If there are none.
pub fn path<'a>(parts: impl IntoIterator<Item = &'a str>) -> Expr {
    let mut parts = parts.into_iter();
    let first = name(parts.next().expect("a path has a first part"));
    parts.fold(first, |base, part| expr(ExprKind::Field { base: Box::new(base), name: word(part) }))
}

/// A number that reads back as it: in the fewest digits, `0.1`, `1e-7`, `-(3)`; as what it is where that is shorter,
/// `1 / 64`, `2 / 3`, `sqrt(32)`, `pi`, `2 / sqrt(pi)`; `inf`, and `inf - inf` for NaN.
pub fn number(value: f64) -> Expr {
    if value.is_nan() {
        return binary(BinaryOp::Sub, name("inf"), name("inf"));
    }
    if value.is_sign_negative() {
        return negate(number(-value));
    }
    if value.is_infinite() {
        return name("inf");
    }
    if value == std::f64::consts::PI {
        return name("pi");
    }
    let text = format!("{value:?}");
    let part = value.recip().round();
    if text.len() > 6 && part > 1.0 && part < 1e9 && 1.0 / part == value {
        return binary(BinaryOp::Div, number(1.0), number(part));
    }
    if let Some((above, below)) = fraction(value).filter(|_| text.len() > 6) {
        return binary(BinaryOp::Div, number(above), number(below));
    }
    if value == 2.0 / std::f64::consts::PI.sqrt() {
        // Of the derivative of erf.
        return binary(BinaryOp::Div, number(2.0), call(name("sqrt"), [name("pi")]));
    }
    let square = (value * value).round();
    if text.len() > 6 && square < 1e6 && square.sqrt() == value {
        return call(name("sqrt"), [number(square)]);
    }
    let text = text.strip_suffix(".0").unwrap_or(&text).to_string();
    expr(ExprKind::Number { value, text })
}

/// The quotient of two small whole numbers that a number is, if it is one.
fn fraction(value: f64) -> Option<(f64, f64)> {
    const LARGEST: u32 = 100;
    let quotient = |below: u32| ((value * f64::from(below)).round(), f64::from(below));
    (2..=LARGEST).map(quotient).find(|(above, below)| *above <= f64::from(LARGEST) && above / below == value)
}

/// `-x`
pub fn negate(value: Expr) -> Expr {
    expr(ExprKind::Unary { op: UnaryOp::Neg, value: Box::new(value) })
}

/// `not x`, of a comparison `not (a < b)`
pub fn not(value: Expr) -> Expr {
    let value = match &value.kind {
        ExprKind::Binary { .. } => expr(ExprKind::Group(Box::new(value))),
        _ => value,
    };
    expr(ExprKind::Unary { op: UnaryOp::Not, value: Box::new(value) })
}

/// `a + b` and its kin
pub fn binary(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    expr(ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) })
}

/// `f(a, b)`
pub fn call(callee: Expr, args: impl IntoIterator<Item = Expr>) -> Expr {
    let args = args.into_iter().map(|value| Arg { name: None, value }).collect();
    expr(ExprKind::Call { callee: Box::new(callee), args })
}

/// `x[i, j]`; without indices `x` itself
pub fn read(base: Expr, indices: impl IntoIterator<Item = Expr>) -> Expr {
    let indices: Vec<IndexArg> = indices.into_iter().map(IndexArg::Expr).collect();
    if indices.is_empty() {
        return base;
    }
    expr(ExprKind::Index { base: Box::new(base), indices })
}

/// `sum[i, j: N] body`; without indices the body itself
pub fn reduce(reducer: Reducer, indices: Vec<Index>, body: Expr) -> Expr {
    if indices.is_empty() {
        return body;
    }
    expr(ExprKind::Reduce { reducer, indices, body: Box::new(body) })
}

/// `i`, or `i: N`
pub fn index(name: impl Into<String>, range: Option<Expr>) -> Index {
    Index::Name { name: word(name), range }
}

/// `if c then a else b`
pub fn choose(condition: Expr, then: Expr, otherwise: Expr) -> Expr {
    let [condition, then, otherwise] = [condition, then, otherwise].map(Box::new);
    expr(ExprKind::If { condition, then, otherwise })
}

/// `x[i - 1] else 0`; the first must be a read
pub fn default(read: Expr, default: Expr) -> Expr {
    expr(ExprKind::Default { read: Box::new(read), default: Box::new(default) })
}

/// `y[i, j] = value`
pub fn define(name: impl Into<String>, indices: Vec<Index>, value: Expr) -> Stmt {
    let target = Target { span: NOWHERE, name: word(name), primed: false, indices };
    Stmt { span: NOWHERE, kind: StmtKind::Define { targets: vec![target], how: How::Equals, value } }
}
