//! What a sweep gives a setting: lists, ranges, draws.

use super::super::context::Elaborator;
use super::super::model::Values;
use super::super::training::call_of;
use super::super::values::Tried;
use super::super::walk::ungrouped;
use super::MOST;
use crate::diagnostic::Span;
use crate::syntax::ast::{Arg, Expr, ExprKind};
use crate::syntax::expr_to_string;

const LISTS: &str = "write a list `[16, 32]`, `range(8, 64, step = 8)`, `range(0, 0.5, points = 6)`, \
    `log_range(1e-4, 1e-1, points = 4)` or `log_range(8, 128, factor = 2)`";
const DRAWS: &str = "write `uniform(0, 0.5)` or `log_uniform(1e-4, 1e-1)`";

/// Least and largest value, and what one further argument says: its name, its number, its place.
type Bounds = (f64, f64, Option<(&'static str, f64, Span)>);

impl<'p> Elaborator<'p> {
    /// What stands right of `=`, as the texts that `--set` would be given.
    pub fn listed_values(&mut self, expr: &'p Expr) -> Tried<Vec<String>> {
        let values = match (&ungrouped(expr).kind, call_of(expr)) {
            (ExprKind::Array(parts), _) => parts.iter().map(expr_to_string).collect(),
            (_, Some(("range", args))) => self.range(expr, args)?,
            (_, Some(("log_range", args))) => self.log_range(expr, args)?,
            (_, Some((name @ ("uniform" | "log_uniform"), _))) => {
                return self.bad_sweep(
                    &format!("`{name}` is drawn from: write `~` before it"),
                    expr.span,
                    DRAWS,
                );
            }
            _ => return self.bad_sweep("this says no values to try", expr.span, LISTS),
        };
        if values.is_empty() {
            return self.bad_sweep("there is no value to try", expr.span, LISTS);
        }
        let again = (1..values.len()).find(|&k| values[..k].contains(&values[k]));
        if let Some(k) = again {
            let message = format!("the value {} is tried twice", values[k]);
            return self.bad_sweep(
                &message,
                expr.span,
                "write each value once; `seeds = 3` repeats every run",
            );
        }
        Ok(values)
    }

    /// `range(8, 64, step = 8)`, `range(0, 0.5, points = 6)`: both ends included, where the steps come to the last.
    fn range(&mut self, expr: &'p Expr, args: &'p [Arg]) -> Tried<Vec<String>> {
        let (low, high, by) = self.bounds(expr, args, &["step", "points"])?;
        let count = match by {
            Some(("points", points, span)) => self.points(points, span)?,
            by => {
                let (step, span) = by.map_or((1.0, expr.span), |(_, step, span)| (step, span));
                if step <= 0.0 {
                    return self.bad_sweep("the steps of a range go up", span, "`range(8, 64, step = 8)`");
                }
                // A last step that misses the end by rounding alone comes to it.
                let steps = ((high - low) / step + 1e-9).floor();
                let values = (0..=steps.min(MOST as f64) as usize).map(|k| shown(low + k as f64 * step, 12));
                return self.not_too_many(values.collect(), expr.span);
            }
        };
        let share = |k: usize| k as f64 / (count - 1) as f64;
        Ok((0..count).map(|k| shown(low + (high - low) * share(k), 12)).collect())
    }

    /// `log_range(1e-4, 1e-1, points = 4)`, `log_range(8, 128, factor = 2)`
    fn log_range(&mut self, expr: &'p Expr, args: &'p [Arg]) -> Tried<Vec<String>> {
        let (low, high, by) = self.bounds(expr, args, &["points", "factor"])?;
        self.check_log(low, expr.span)?;
        match by {
            Some(("points", points, span)) => {
                let count = self.points(points, span)?;
                let share = |k: usize| k as f64 / (count - 1) as f64;
                let value = |k: usize| match k {
                    0 => shown(low, 12),
                    k if k == count - 1 => shown(high, 12),
                    k => shown(low * (high / low).powf(share(k)), DIGITS),
                };
                Ok((0..count).map(value).collect())
            }
            Some((_, factor, span)) => {
                if factor <= 1.0 {
                    return self.bad_sweep(
                        "the factor of a range is above 1",
                        span,
                        "`log_range(8, 128, factor = 2)`",
                    );
                }
                let steps = ((high / low).ln() / factor.ln() + 1e-9).floor().min(MOST as f64);
                let values = (0..=steps as i32).map(|k| shown(low * factor.powi(k), 12));
                self.not_too_many(values.collect(), expr.span)
            }
            None => self.bad_sweep("a range of this kind says how many values it has", expr.span, LISTS),
        }
    }

    /// `uniform(0, 0.5)`, `log_uniform(1e-4, 1e-1)`; whole numbers where the setting is one and so are both bounds.
    pub fn drawn_values(&mut self, expr: &'p Expr, is_whole: bool) -> Tried<Values> {
        match call_of(expr) {
            Some((name @ ("uniform" | "log_uniform"), args)) => {
                let (low, high, _) = self.bounds(expr, args, &[])?;
                let log = name == "log_uniform";
                if log {
                    self.check_log(low, expr.span)?;
                }
                if is_whole && low >= 0.0 && args.iter().all(|arg| is_written_whole(&arg.value)) {
                    return Ok(Values::Whole { low: low as u64, high: high as u64, log });
                }
                Ok(if log { Values::LogUniform(low, high) } else { Values::Uniform(low, high) })
            }
            Some((name @ ("range" | "log_range"), _)) => self.bad_sweep(
                &format!("`{name}` is a list of values: write `=` before it"),
                expr.span,
                LISTS,
            ),
            _ => self.bad_sweep("right of `~` stands what values are drawn from", expr.span, DRAWS),
        }
    }

    /// Least and largest, and what one further argument, by its name, says.
    fn bounds(&mut self, expr: &'p Expr, args: &'p [Arg], names: &[&'static str]) -> Tried<Bounds> {
        let (plain, named): (Vec<&Arg>, Vec<&Arg>) = args.iter().partition(|arg| arg.name.is_none());
        let name =
            |arg: &Arg| names.iter().copied().find(|name| arg.name.as_ref().is_some_and(|n| n.text == *name));
        let help = if names.is_empty() { DRAWS } else { LISTS };
        let ([low, high], true) =
            (&plain[..], named.len() < 2 && named.iter().all(|arg| name(arg).is_some()))
        else {
            return self.bad_sweep("this takes its least and its largest value", expr.span, help);
        };
        let (low, high) = (self.finite(&low.value)?, self.finite(&high.value)?);
        if low >= high {
            let message = format!("from {} to {} there is nothing", shown(low, 12), shown(high, 12));
            return self.bad_sweep(&message, expr.span, "the least value stands first");
        }
        let by = match named.first() {
            Some(arg) => Some((name(arg).expect("found above"), self.finite(&arg.value)?, arg.value.span)),
            None => None,
        };
        Ok((low, high, by))
    }

    fn finite(&mut self, expr: &'p Expr) -> Tried<f64> {
        let number = self.static_number(expr, "a bound")?.value;
        if number.is_finite() {
            return Ok(number);
        }
        self.bad_sweep(&format!("{number} is no bound"), expr.span, LISTS)
    }

    fn check_log(&mut self, low: f64, span: Span) -> Tried<()> {
        if low > 0.0 {
            return Ok(());
        }
        let message = format!("a logarithmic range begins above 0, not at {}", shown(low, 12));
        self.bad_sweep(&message, span, "begin at 1e-5, or at another number that is small enough")
    }

    /// A number of points: at least two, both ends.
    fn points(&mut self, points: f64, span: Span) -> Tried<usize> {
        if points.fract() == 0.0 && (2.0..=MOST as f64).contains(&points) {
            return Ok(points as usize);
        }
        self.bad_sweep("`points` is a whole number of at least 2", span, LISTS)
    }

    fn not_too_many(&mut self, values: Vec<String>, span: Span) -> Tried<Vec<String>> {
        if values.len() <= MOST {
            return Ok(values);
        }
        self.bad_sweep(&format!("more than {MOST} values"), span, "make the steps larger")
    }
}

/// Whether a number is written as a whole one: `16`, and not `16.0` or `1e2`.
pub fn is_written_whole(expr: &Expr) -> bool {
    match &ungrouped(expr).kind {
        ExprKind::Number { text, .. } => text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_'),
        _ => false,
    }
}

/// Digits of a value that is drawn or interpolated, so that it can be read, and pasted as it was run.
const DIGITS: usize = 4;

/// A number as an expression, rounded to so many digits: `0.25`, `1e-5`.
pub fn shown(number: f64, digits: usize) -> String {
    let rounded: f64 = format!("{number:.*e}", digits - 1).parse().expect("what is printed reads back");
    match rounded.abs() {
        0.0 => "0".to_string(),
        size if (1e-3..1e7).contains(&size) => format!("{rounded}"),
        _ => format!("{rounded:e}"),
    }
}

impl Values {
    /// The value at a share of the whole, from 0 to 1, not including 1: of a list each value alike.
    pub fn at(&self, share: f64) -> String {
        match self {
            Values::Listed(values) => {
                values[((share * values.len() as f64) as usize).min(values.len() - 1)].clone()
            }
            Values::Uniform(low, high) => shown(low + (high - low) * share, DIGITS),
            Values::LogUniform(low, high) => shown(low * (high / low).powf(share), DIGITS),
            // Each whole number takes as much of the range as there is from it to the next.
            &Values::Whole { low, high, log } => {
                let (from, to) = (low as f64, high as f64 + 1.0);
                let drawn = if log { from * (to / from).powf(share) } else { from + (to - from) * share };
                (drawn as u64).clamp(low, high).to_string()
            }
        }
    }
}
