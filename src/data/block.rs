//! Data blocks: splits the rows, and puts the parts together.

use super::columns::columns_of;
use super::expression::{Learned, Scope, Values};
use super::open::Home;
use super::parts::{self, Part};
use super::section::{Computed, Extent, Section, sort, told};
use super::sources::Opened;
use super::split::{self, Amount, Parts, Pick, Rule};
use super::{Dataset, text};
use crate::circuit::Dtype;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use crate::syntax::ast::{BinaryOp, DataStmt, Expr, ExprKind, Name};
use rustc_hash::FxHashMap;

/// Loads a data block.
///
/// # Errors
/// Every mistake found in the block and its files. A mistake in one statement does not hide those of others, but
/// without its files nothing more can be said of a block.
pub fn load(name: &Name, statements: &[DataStmt], home: &Home, dtype: Dtype) -> Result<Dataset, Diagnostics> {
    let mut errors = vec![];
    let block = sort(statements, None, &mut errors);
    let seed = block.key("seed").map_or(Some(0), |value| told(seed(value), &mut errors)).unwrap_or(0);
    let own: Vec<(&Name, Section)> = block
        .parts
        .iter()
        .map(|&(part, statements)| (part, sort(statements, Some(part), &mut errors)))
        .collect();
    let Some((columns, mut rows, place)) = load_block(&block, seed, home, &mut errors) else {
        return Err(in_order(errors));
    };
    if errors.is_empty() && (rows.train.is_empty() || columns.is_empty()) {
        return Err(vec![nothing_in(name, rows.train.len())]);
    }
    let mut others = vec![];
    if errors.is_empty() {
        let learned = learned(&columns);
        for (part, section) in &own {
            others.extend(load_part(part, section, seed, &learned, home, &mut errors));
        }
        if !errors.is_empty() {
            return Err(in_order(errors));
        }
    }
    let main = Part { name, columns, rows: rows.rows(), place };
    others.iter().for_each(|other| rows.append(&other.name.text, other.rows));
    let count = rows.rows();
    let columns = told(parts::together(main, others, dtype, home.room), &mut errors);
    let (Some(columns), true) = (columns, errors.is_empty()) else { return Err(in_order(errors)) };
    let Parts { train, validation, test } = rows;
    Ok(Dataset { name: name.text.clone(), span: name.span, rows: count, columns, train, validation, test })
}

/// Mistakes in the order of the text.
fn in_order(mut errors: Diagnostics) -> Diagnostics {
    errors.sort_by_key(|error| error.labels.first().map(|label| label.span.start));
    errors
}

/// The columns of the block itself, which of its rows belong to which part, and where a row came from.
fn load_block<'a>(
    block: &Section<'a>,
    seed: u64,
    home: &Home,
    errors: &mut Diagnostics,
) -> Option<(Vec<Computed<'a>>, Parts, parts::Place)> {
    let opened = block.open(home, errors);
    let extent = block.extent(&opened, errors)?;
    let rules = rules(block, &opened, errors);
    let (rows, cut) = match extent {
        Extent::Rows(count) => (split_rows(rules, count, seed, errors), vec![]),
        Extent::Sequence(length) => split_text(rules, length, &opened, errors)?,
    };
    let place = parts::Place::of(&opened);
    let mut scope =
        Scope { train: rows.train.clone(), seed, ..opened.into_scope(rows.rows(), cut, home.room) };
    block.compute(&mut scope, errors);
    Some((block.columns(scope), rows, place))
}

/// A part with data of its own.
fn load_part<'a>(
    name: &'a Name,
    section: &Section<'a>,
    seed: u64,
    learned: &FxHashMap<String, Learned>,
    home: &Home,
    errors: &mut Diagnostics,
) -> Option<Part<'a>> {
    let opened = section.open(home, errors);
    let (rows, cut) = match section.extent(&opened, errors)? {
        Extent::Rows(count) => (count, vec![]),
        Extent::Sequence(length) => {
            let (rows, cut) = split_text(Some((None, None)), length, &opened, errors)?;
            (rows.rows(), cut)
        }
    };
    if rows == 0 {
        errors.push(nothing_in(name, 0));
        return None;
    }
    let place = parts::Place::of(&opened);
    let mut scope = Scope { seed, learned: Some(learned.clone()), ..opened.into_scope(rows, cut, home.room) };
    section.compute(&mut scope, errors);
    Some(Part { name, columns: section.columns(scope), rows, place })
}

/// What was learned of the columns of the training part.
fn learned(columns: &[Computed]) -> FxHashMap<String, Learned> {
    let of = |(decl, _, values): &Computed| {
        let learned = Learned { standardized: values.standardized.clone(), fills: values.fills.clone() };
        (decl.name.text.clone(), learned)
    };
    columns.iter().map(of).collect()
}

/// A block without a file, or without a column.
pub(super) fn nothing_in(block: &Name, rows: usize) -> Diagnostic {
    let (what, help) = match rows {
        0 => (
            "reads no file",
            "name one, `rows = csv(\"file.csv\")`, draw it, `x ~ normal(0, 1)`, or give the rows in place with `= table { ... }`",
        ),
        _ => ("has no column", "define one: `x[2] = rows[first, second]`"),
    };
    let message = format!("`{}` {what}", block.text);
    Diagnostic::error(codes::EMPTY_DATA, message).at(block.span, "gives a net nothing to read").help(help)
}

/// `test = ...` and `validation = ...`; `None` where one is wrong.
fn rules(block: &Section, opened: &Opened, errors: &mut Diagnostics) -> Option<(Option<Rule>, Option<Rule>)> {
    let before = errors.len();
    let mut rule = |part| block.key(part).and_then(|value| told(rule(part, value, opened), errors));
    let rules = (rule("test"), rule("validation"));
    (errors.len() == before).then_some(rules)
}

/// `test = 20%`, or `test = rows[fold] == 3`
fn rule(part: &str, value: &Expr, opened: &Opened) -> Result<Rule, Diagnostics> {
    let ExprKind::Binary { op: BinaryOp::Eq, left, right } = &value.kind else {
        return split::rule(part, value);
    };
    let wrong = |span: Span, what: &str| {
        let help = format!("for example `{part} = rows[fold] == 3`, or `{part} = rows[part] == \"{part}\"`");
        vec![Diagnostic::error(codes::BAD_SPLIT, what).at(span, "is not").help(help)]
    };
    let ExprKind::Index { base, indices } = &left.kind else {
        return Err(wrong(left.span, "left of `==` stands a column of a file"));
    };
    let (file, columns) = columns_of(base, indices, &opened.names)?;
    let &[column] = &columns.places[..] else {
        return Err(wrong(left.span, "left of `==` stands one column"));
    };
    let rows = match &right.kind {
        ExprKind::String(text) => file.rows_with(column, text.trim_ascii()),
        ExprKind::Number { text, .. } => file.rows_with(column, text),
        _ => return Err(wrong(right.span, "right of `==` stands a number, or text in quotes")),
    };
    if rows.is_empty() {
        let message = format!("no row of `{}` has that in column `{}`", file.path, file.header[column]);
        return Err(vec![Diagnostic::error(codes::BAD_SPLIT, message).at(right.span, "is nowhere")]);
    }
    Ok(Rule { pick: Pick::Listed, amount: Amount::Listed(rows), span: value.span })
}

/// The parts of some rows; everything to learn from where the rules are wrong, so that the columns can still be
/// checked.
fn split_rows(
    rules: Option<(Option<Rule>, Option<Rule>)>,
    rows: usize,
    seed: u64,
    errors: &mut Diagnostics,
) -> Parts {
    let all = || Parts { train: (0..rows as u32).collect(), validation: vec![], test: vec![] };
    match rules {
        Some((test, validation)) if rows > 0 => {
            told(split::split(rows, test, validation, seed), errors).unwrap_or_else(all)
        }
        _ => all(),
    }
}

/// The parts of a text or of rows, cut into windows.
pub(super) fn split_text(
    rules: Option<(Option<Rule>, Option<Rule>)>,
    length: usize,
    opened: &Opened,
    errors: &mut Diagnostics,
) -> Option<(Parts, Vec<Values>)> {
    let (test, validation) = rules?;
    let pieces = told(split::pieces(length, opened.windows[0].text.unit, test, validation), errors)?;
    let (cut, parts) = told(text::cut(&opened.windows(), pieces), errors)?;
    Some((parts, cut))
}

/// `seed = 7`
pub(super) fn seed(expr: &Expr) -> Result<u64, Diagnostics> {
    match &expr.kind {
        ExprKind::Number { value, .. }
            if value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(value) =>
        {
            Ok(*value as u64)
        }
        _ => {
            let diagnostic =
                Diagnostic::error(codes::BAD_SETTING_VALUE, "`seed` is a whole number from 0 to 2^53");
            Err(vec![diagnostic.at(expr.span, "is not")])
        }
    }
}
