//! `p[2] ~ uniform(0, 1)`: data that is drawn, once, from the data's own seed.
//!
//! A number depends on the seed, the column's path, the example's row and the element alone, by the key of
//! [`crate::circuit::draw`]; so another column, or more examples, changes none of those that are there.

use super::expression::{Scope, Value, Values, common_dims, counted, evaluate};
use super::finish;
use super::rows::{Computed, Operand, Stored};
use crate::circuit::draw::{key, site, uniform};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes, nearest};
use crate::syntax::ast::{Arg, Decl, Expr, ExprKind, Name, Size};
use std::rc::Rc;

/// A family of distributions that data is drawn from.
struct Distribution {
    /// As a block names it.
    name: &'static str,
    /// Number of its parameters.
    arity: usize,
    /// Uniform draws that a number is made of.
    draws: u32,
    /// The number from its parameters and its draws, each in (0, 1).
    value: fn(&[f64], &[f64]) -> f64,
}

/// The normal distribution is that of Box and Muller ("A note on the generation of random normal deviates", 1958).
const DISTRIBUTIONS: &[Distribution] = &[
    Distribution { name: "uniform", arity: 2, draws: 1, value: |p, u| p[0] + (p[1] - p[0]) * u[0] },
    Distribution {
        name: "normal",
        arity: 2,
        draws: 2,
        value: |p, u| p[0] + p[1] * (-2.0 * u[0].ln()).sqrt() * (std::f64::consts::TAU * u[1]).cos(),
    },
    Distribution { name: "bernoulli", arity: 1, draws: 1, value: |p, u| if u[0] < p[0] { 1.0 } else { 0.0 } },
];

/// Most numbers in a drawn column.
const MOST: usize = 1 << 26;

/// Draws a column: `path` tells its draws apart, the parameters may be columns themselves.
///
/// # Errors
/// Where the right side is no distribution, or its parameters fit neither it nor the declared sizes.
pub fn column(decl: &Decl, expr: &Expr, scope: &Scope, path: &str) -> Result<Values, Diagnostics> {
    let (distribution, args) = distribution(expr)?;
    let mut parameters: Vec<(Value, Span)> = vec![];
    for arg in args {
        parameters.push((evaluate(&arg.value, scope)?, arg.value.span));
    }
    let operands: Vec<Operand> = parameters.iter().map(|(value, _)| value.operand()).collect();
    if !decl.sizes.is_empty() {
        let declared = Values::new(declared_dims(decl)?, 0, Rc::new(Stored::default()));
        parameters.push((Value::Column(declared), decl.span));
    }
    let dims = common_dims(&parameters, expr.span)?.unwrap_or_default();
    let width: usize = dims.iter().map(|&d| d as usize).product();
    if scope.rows.saturating_mul(width) > MOST {
        let message = format!("{} examples of {width} numbers are more than can be drawn", scope.rows);
        let diagnostic = Diagnostic::error(codes::TOO_LARGE, message).at(decl.span, "is too large");
        return Err(vec![diagnostic.help(format!("at most {MOST} numbers are drawn for a column"))]);
    }
    let key = key(scope.seed, site(path), 0);
    let value = move |numbers: &[f64], row: usize, k: usize| {
        let element = |draw| k as u32 * distribution.draws + draw;
        let draw = |draw| f64::from(uniform(key, row as u32, element(draw)));
        let draws: Vec<f64> = (0..distribution.draws).map(draw).collect();
        (distribution.value)(numbers, &draws)
    };
    Ok(Values::new(dims, scope.rows, Rc::new(Computed { width, operands, value })))
}

/// The extents of a drawn column, in numbers: nothing else says them.
fn declared_dims(decl: &Decl) -> Result<Vec<u32>, Diagnostics> {
    let dim = |size: &Size| match size {
        Size::Expr(expr) => finish::number_of(expr),
        Size::Pack(name) => {
            let message = "a drawn column says its sizes in numbers";
            Err(vec![Diagnostic::error(codes::SIZE_UNKNOWN, message).at(name.span, "is not a number")])
        }
    };
    decl.sizes.iter().map(dim).collect()
}

/// The distribution right of `~`, and its parameters.
fn distribution(expr: &Expr) -> Result<(&'static Distribution, &[Arg]), Diagnostics> {
    match &expr.kind {
        ExprKind::Group(inner) => distribution(inner),
        ExprKind::Call { callee, args } => match &callee.kind {
            ExprKind::Name { name, primed: false } => {
                let found = DISTRIBUTIONS.iter().find(|known| known.name == name.text);
                let found = found.ok_or_else(|| vec![unknown(name)])?;
                counted(expr.span, name, args, found.arity)?;
                Ok((found, args))
            }
            _ => Err(not_one(expr.span)),
        },
        _ => Err(not_one(expr.span)),
    }
}

fn unknown(name: &Name) -> Diagnostic {
    let names: Vec<&str> = DISTRIBUTIONS.iter().map(|known| known.name).collect();
    let diagnostic =
        Diagnostic::error(codes::UNKNOWN_NAME, format!("data has no distribution `{}`", name.text))
            .at(name.span, "is not known here");
    match nearest(&name.text, names.iter().copied()) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help(format!("there are: {}", names.join(", "))),
    }
}

fn not_one(span: Span) -> Diagnostics {
    let diagnostic = Diagnostic::error(codes::DRAW_MISUSE, "right of `~` stands a distribution");
    let help = "`~ uniform(low, high)`, `~ normal(mean, deviation)`, `~ bernoulli(p)`; `=` computes a value";
    vec![diagnostic.at(span, "is not one").help(help)]
}
