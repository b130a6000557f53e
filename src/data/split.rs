//! Which rows are learned from, watched, and held out.
//!
//! The test part is taken first, then the validation part from what is left, then training has the rest; so
//! adding a validation part moves no test row. The order of the statements does not matter.
//!
//! **Drawing is fixed for ever**, so that the rows of a split are a property of the data: the rows not yet taken,
//! in ascending order, are shuffled from the front by Fisher and Yates (for `i = 0, 1, ...`: row `i` changes
//! places with row `i + below(left - i)`), and the first ones are the part. `below(n)` is the upper half of the
//! 128-bit product of `n` and the next number of [`SplitMix64`], whose state begins as the data's own seed and goes on from part to part.

use super::text::Piece;
use crate::circuit::draw::SplitMix64;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use crate::syntax::ast::{Expr, ExprKind};

/// The rows of each part, ascending.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parts {
    /// To learn from.
    pub train: Vec<u32>,
    /// To watch while learning.
    pub validation: Vec<u32>,
    /// To hold out to the end.
    pub test: Vec<u32>,
}

impl Parts {
    /// Rows of all parts.
    pub fn rows(&self) -> usize {
        self.train.len() + self.validation.len() + self.test.len()
    }

    /// Puts rows behind all others, into a part.
    pub fn append(&mut self, part: &str, rows: usize) {
        let from = self.rows() as u32;
        let part = if part == "test" { &mut self.test } else { &mut self.validation };
        part.extend(from..from + rows as u32);
    }
}

/// The right side of `test = ...` or `validation = ...`.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// Which rows.
    pub pick: Pick,
    /// How many.
    pub amount: Amount,
    /// Where it is written.
    pub span: Span,
}

/// Which rows a part takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pick {
    /// Any, by the data's own seed: `20%`.
    Drawn,
    /// The first ones: `first(20%)`.
    First,
    /// The last ones: `last(20%)`.
    Last,
    /// Those that a column names: `rows[fold] == 3`.
    Listed,
}

/// How many rows a part takes.
#[derive(Clone, PartialEq, Debug)]
pub enum Amount {
    /// A share of all rows, rounded down; 1 is all.
    Share(f64),
    /// A number of rows.
    Rows(u32),
    /// These rows, ascending.
    Listed(Vec<u32>),
}

/// Reads the right side of `test = ...`: `20%`, `300`, `first(...)` or `last(...)`.
///
/// # Errors
/// `BAD_SPLIT` for anything else.
pub fn rule(part: &str, expr: &Expr) -> Result<Rule, Diagnostics> {
    let span = expr.span;
    let whole = |pick, expr: &Expr| Ok(Rule { pick, amount: amount(part, expr)?, span });
    if let ExprKind::Call { callee, args } = &expr.kind
        && let ExprKind::Name { name, .. } = &callee.kind
    {
        let pick = match name.text.as_str() {
            "first" => Pick::First,
            "last" => Pick::Last,
            _ => return Err(not_an_amount(part, span)),
        };
        return match &args[..] {
            [arg] if arg.name.is_none() => whole(pick, &arg.value),
            _ => Err(not_an_amount(part, span)),
        };
    }
    whole(Pick::Drawn, expr)
}

/// `20%` or `300`.
fn amount(part: &str, expr: &Expr) -> Result<Amount, Diagnostics> {
    match &expr.kind {
        ExprKind::Group(inner) => amount(part, inner),
        ExprKind::Percent { value, .. } if (0.0..=1.0).contains(value) => Ok(Amount::Share(*value)),
        ExprKind::Number { value, .. }
            if value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(value) =>
        {
            Ok(Amount::Rows(*value as u32))
        }
        ExprKind::Number { value, .. } if *value > 0.0 && *value < 1.0 => {
            let help = format!("for a share of the rows write `{}%`", (value * 1e8).round() / 1e6);
            Err(not_an_amount(part, expr.span)
                .into_iter()
                .map(|d| Diagnostic { help: Some(help.clone()), ..d })
                .collect())
        }
        _ => Err(not_an_amount(part, expr.span)),
    }
}

fn not_an_amount(part: &str, span: Span) -> Diagnostics {
    let message = format!("`{part}` takes a share of the rows or a number of them");
    let help = format!("for example `{part} = 20%`, `{part} = 300`, `{part} = last(10%)`");
    vec![Diagnostic::error(codes::BAD_SPLIT, message).at(span, "is neither").help(help)]
}

impl Amount {
    /// The number of rows, of `rows` in all. A share that misses a whole number only by the rounding of its
    /// product counts as that number: 29% of 100 is 29.
    fn of(&self, rows: usize) -> usize {
        match self {
            Amount::Share(share) => (share * rows as f64 + 1e-6).floor() as usize,
            Amount::Rows(count) => *count as usize,
            Amount::Listed(rows) => rows.len(),
        }
    }
}

/// Splits `rows` rows.
///
/// # Errors
/// `BAD_SPLIT` where the parts ask for more rows than there are, where none is left to learn from, or where a
/// share comes to no row at all.
pub fn split(
    rows: usize,
    test: Option<Rule>,
    validation: Option<Rule>,
    seed: u64,
) -> Result<Parts, Diagnostics> {
    let mut left: Vec<u32> = (0..rows as u32).collect();
    let mut random = SplitMix64::new(seed);
    check(rows, "row", &test, &validation)?;
    let mut take = |rule: Option<Rule>| rule.map_or(vec![], |rule| take(&mut left, rule, rows, &mut random));
    let test = take(test);
    let validation = take(validation);
    Ok(Parts { train: left, validation, test })
}

/// The stretches of a sequence of so many elements (`unit`: `character`, `row`), which is split at its ends.
///
/// # Errors
/// `BAD_SPLIT` as of [`split`], and where a part is to be drawn.
pub fn pieces(
    length: usize,
    unit: &str,
    test: Option<Rule>,
    validation: Option<Rule>,
) -> Result<Vec<Piece>, Diagnostics> {
    let drawn = |rule: &&Rule| matches!(rule.pick, Pick::Drawn | Pick::Listed);
    if let Some(rule) = [&test, &validation].into_iter().flatten().find(drawn) {
        let message = "what windows cut is split at its ends before";
        let diagnostic = Diagnostic::error(codes::BAD_SPLIT, message).at(rule.span, "picks single rows");
        return Err(vec![diagnostic.help("`test = last(10%)`, or `first(10%)`")]);
    }
    check(length, unit, &test, &validation)?;
    let mut left = 0..length;
    let mut pieces = vec![];
    for (part, rule) in [("test", test), ("validation", validation)] {
        let Some(rule) = rule else { continue };
        let count = rule.amount.of(length);
        let range = match rule.pick {
            Pick::Last => left.end - count..left.end,
            _ => left.start..left.start + count,
        };
        left = if rule.pick == Pick::Last { left.start..range.start } else { range.end..left.end };
        pieces.push(Piece { part, range });
    }
    pieces.push(Piece { part: "train", range: left });
    Ok(pieces)
}

/// Whether the parts fit into so many rows or characters.
fn check(rows: usize, unit: &str, test: &Option<Rule>, validation: &Option<Rule>) -> Result<(), Diagnostics> {
    let parts: Vec<(&str, &Rule)> = [("test", test), ("validation", validation)]
        .into_iter()
        .filter_map(|(name, r)| Some((name, r.as_ref()?)))
        .collect();
    for (name, rule) in &parts {
        if matches!(rule.amount, Amount::Share(share) if share > 0.0) && rule.amount.of(rows) == 0 {
            let message =
                format!("`{name}` comes to no {unit}: shares of the {rows} {unit}s are rounded down");
            let diagnostic = Diagnostic::error(codes::BAD_SPLIT, message)
                .at(rule.span, format!("is less than one {unit}"));
            let one = if rule.pick == Pick::Drawn { "1" } else { "last(1)" };
            return Err(vec![diagnostic.help(format!("give a number of {unit}s: `{name} = {one}`"))]);
        }
    }
    let taken: usize = parts.iter().map(|(_, rule)| rule.amount.of(rows)).sum();
    if taken < rows {
        return Ok(());
    }
    let what = parts.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(" and ");
    let verb = if parts.len() == 1 { "takes" } else { "take" };
    let message = format!("{what} {verb} {taken} of {rows} {unit}s, which leaves none to learn from");
    let labelled = parts.iter().fold(Diagnostic::error(codes::BAD_SPLIT, message), |d, (_, rule)| {
        d.at(rule.span, format!("{} {unit}s", rule.amount.of(rows)))
    });
    Err(vec![labelled])
}

/// Takes one part out of the rows that are left; both ascending.
fn take(left: &mut Vec<u32>, rule: Rule, rows: usize, random: &mut SplitMix64) -> Vec<u32> {
    if let Amount::Listed(rows) = rule.amount {
        left.retain(|row| rows.binary_search(row).is_err());
        return rows;
    }
    let count = rule.amount.of(rows).min(left.len());
    if rule.pick == Pick::Last {
        return left.split_off(left.len() - count);
    }
    if rule.pick == Pick::Drawn {
        for i in 0..count {
            let j = i + random.below((left.len() - i) as u64) as usize;
            left.swap(i, j);
        }
    }
    let rest = left.split_off(count);
    let mut part = std::mem::replace(left, rest);
    part.sort_unstable();
    left.sort_unstable();
    part
}
