//! A computed column against its declaration, and rounded once: sizes, class, finite numbers.

use super::Column;
use super::cells::{Cells, CellsBuilder};
use super::expression::Values;
use super::room::{self, Room};
use crate::circuit::{Dtype, Kind};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use crate::syntax::ast::{Decl, Expr, ExprKind, Size};
use rustc_hash::FxHashMap;

/// Whole numbers up to here are exact in f32.
const EXACT: u32 = 1 << 24;

/// Sizes that declarations of the block have bound, and where.
pub type Sizes = FxHashMap<String, (u32, Span)>;

/// Checks that so many cases can be numbered exactly in f32.
///
/// # Errors
/// `TOO_LARGE` if not.
pub fn countable(cases: u64, span: Span) -> Result<(), Diagnostics> {
    if cases <= u64::from(EXACT) {
        return Ok(());
    }
    let message = format!("a class can have at most {EXACT} cases (2^24, as f32 counts)");
    Err(vec![Diagnostic::error(codes::TOO_LARGE, message).at(span, format!("has {cases}"))])
}

/// The column that a declaration and its values make, in a type and with what may stay in memory; `found_at` is where the
/// values are written, `place` tells where a row came from.
///
/// # Errors
/// Where sizes or type do not fit, or a number is not finite as `dtype`.
pub fn column(
    decl: &Decl,
    values: &Values,
    found_at: Span,
    sizes: &mut Sizes,
    (dtype, room): (Dtype, &Room),
    place: impl Fn(usize) -> String,
) -> Result<Column, Diagnostics> {
    fit(decl, &values.dims, found_at, sizes)?;
    let vocabulary = values.vocabulary.as_ref();
    let cases = decl.ty.as_ref().map(|ty| class_size(ty, sizes, vocabulary.map(Vec::len))).transpose();
    let classes = *cases.as_ref().unwrap_or(&None);
    let Passed { data, not_finite, is_whole, misfit } =
        room::told(pass(values, classes.filter(|_| vocabulary.is_none()), dtype, room), found_at)?;
    if let Some((row, number)) = not_finite {
        let beyond = || format!("beyond the range of {dtype}");
        let what = if number.is_finite() { beyond() } else { "not a finite number".to_string() };
        let message = format!("`{}` is {number:?} {}, {what}", decl.name.text, place(row));
        return Err(vec![Diagnostic::error(codes::NOT_FINITE, message).at(found_at, "computed here")]);
    }
    let kind = if values.standardized.is_none() && is_whole { Kind::Integer } else { Kind::Real };
    if let (Some(ty), Some(cases)) = (&decl.ty, cases?) {
        let misfit = misfit.map(|(row, number)| (number, place(row)));
        of_class(decl, ty, cases, values.vocabulary.as_deref(), misfit)?;
    }
    Ok(Column {
        name: decl.name.text.clone(),
        span: decl.span,
        dims: values.dims.clone(),
        kind,
        vocabulary: values.vocabulary.clone(),
        standardized: values.standardized.clone(),
        fills: values.fills.clone(),
        data,
    })
}

/// What one pass over the numbers of a column finds.
struct Passed {
    /// They, rounded once.
    data: Cells,
    /// The row of the first one that is not finite when it is rounded, and what it was before.
    not_finite: Option<(usize, f64)>,
    /// Whether all are whole numbers that are counted exactly.
    is_whole: bool,
    /// The row of the first one that is no class of so many, and that number.
    misfit: Option<(usize, f64)>,
}

/// Rounds every number once, and looks at it: the only time that a column is gone through whole. Numbers that lie in a
/// mapped file in the type that is asked for stay there.
fn pass(values: &Values, cases: Option<u32>, dtype: Dtype, room: &Room) -> std::io::Result<Passed> {
    let width = values.width().max(1);
    let in_place = values.data.in_place(dtype);
    let mut built = match in_place {
        Some(_) => None,
        None => Some(CellsBuilder::for_count(dtype, room, values.rows * values.width())?),
    };
    let (mut not_finite, mut is_whole, mut misfit) = (None, true, None);
    let whole = |x: f64| x >= 0.0 && x.fract() == 0.0;
    values.each_block(|first, block| {
        for (k, &number) in block.iter().enumerate() {
            let x = dtype.rounded(number);
            let row = || first + k / width;
            if !x.is_finite() && not_finite.is_none() {
                not_finite = Some((row(), number));
            }
            is_whole &= whole(x) && x <= f64::from(EXACT);
            if let Some(cases) = cases
                && misfit.is_none()
                && !(whole(x) && x < f64::from(cases))
            {
                misfit = Some((row(), x));
            }
            if let Some(built) = &mut built {
                built.push(number)?;
            }
        }
        Ok::<(), std::io::Error>(())
    })?;
    let data = match (in_place, built) {
        (None, Some(built)) => built.finish()?,
        (in_place, _) => in_place.unwrap_or_default(),
    };
    Ok(Passed { data, not_finite, is_whole, misfit })
}

/// Holds the sizes of a declaration, if it has any, against the shape that was found; a name that is new is bound.
///
/// # Errors
/// Where they differ.
pub fn fit(decl: &Decl, found: &[u32], found_at: Span, sizes: &mut Sizes) -> Result<(), Diagnostics> {
    let name = &decl.name.text;
    if decl.sizes.is_empty() {
        return Ok(());
    }
    if decl.sizes.len() != found.len() {
        return Err(vec![wrong_rank(decl, found, found_at)]);
    }
    for (size, &found) in decl.sizes.iter().zip(found) {
        let expr = expression(size)?;
        let Some((declared, from)) = size_of(expr, found, sizes)? else { continue };
        if declared != found {
            let message =
                format!("`{name}` is declared with size {declared}, and its right side has {found}");
            let mut diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, message)
                .at(expr.span, format!("is {declared}"))
                .at(found_at, format!("is {found}"));
            if from != expr.span {
                diagnostic = diagnostic.at(from, "bound here");
            }
            return Err(vec![diagnostic]);
        }
    }
    Ok(())
}

fn wrong_rank(decl: &Decl, found: &[u32], found_at: Span) -> Diagnostic {
    let name = &decl.name.text;
    let axes = |n: usize| if n == 1 { "1 size".to_string() } else { format!("{n} sizes") };
    let shape = if found.is_empty() { "a scalar".to_string() } else { format!("of shape {found:?}") };
    let message =
        format!("`{name}` is declared with {}, and its right side is {shape}", axes(decl.sizes.len()));
    let diagnostic = Diagnostic::error(codes::RANK_MISMATCH, message)
        .at(decl.span, format!("has {}", axes(decl.sizes.len())))
        .at(found_at, format!("is {shape}"));
    match (decl.sizes.len(), found.len()) {
        (1, 0) => diagnostic
            .note("a scalar is not an array of one element")
            .help(format!("declare `{name}` without brackets, or read the array `rows[column .. column]`")),
        (_, 1) => diagnostic.help(format!("declare `{name}[{}]`, and let the net regroup it", found[0])),
        _ => diagnostic,
    }
}

/// The expression of a size; a rank pack has no place in data.
fn expression(size: &Size) -> Result<&Expr, Diagnostics> {
    match size {
        Size::Expr(expr) => Ok(expr),
        Size::Pack(name) => {
            let message = "data has sizes one by one";
            Err(vec![
                Diagnostic::error(codes::RANK_MISMATCH, message)
                    .at(name.span, "stands for any number of sizes"),
            ])
        }
    }
}

/// What a declared size is, and where that was said; `None` for a new name, which is bound to what was `found`.
fn size_of(expr: &Expr, found: u32, sizes: &mut Sizes) -> Result<Option<(u32, Span)>, Diagnostics> {
    match &expr.kind {
        ExprKind::Name { name, primed: false } => Ok(match sizes.get(&name.text) {
            Some(&bound) => Some(bound),
            None => {
                sizes.insert(name.text.clone(), (found, expr.span));
                None
            }
        }),
        _ => Ok(Some((number_of(expr)?, expr.span))),
    }
}

/// A size that is written as a number.
///
/// # Errors
/// `SIZE_NOT_WHOLE` for any other expression, and for zero.
pub fn number_of(expr: &Expr) -> Result<u32, Diagnostics> {
    match &expr.kind {
        ExprKind::Number { value, .. }
            if (1.0..=f64::from(u32::MAX)).contains(value) && value.fract() == 0.0 =>
        {
            Ok(*value as u32)
        }
        _ => {
            let message = "a size in data is written as a whole number of at least one";
            Err(vec![Diagnostic::error(codes::SIZE_NOT_WHOLE, message).at(expr.span, "is not")])
        }
    }
}

/// The number of cases in `class(10)`; a new name is bound to the size of the vocabulary.
fn class_size(ty: &Expr, sizes: &mut Sizes, vocabulary: Option<usize>) -> Result<u32, Diagnostics> {
    let class = match &ty.kind {
        ExprKind::Call { callee, args } => match (&callee.kind, &args[..]) {
            (ExprKind::Name { name, primed: false }, [arg]) if name.text == "class" && arg.name.is_none() => {
                Some(arg)
            }
            _ => None,
        },
        _ => None,
    };
    let Some(arg) = class else {
        let diagnostic =
            Diagnostic::error(codes::WRONG_KIND_OF_NAME, "the type of a column is `class(cases)`");
        return Err(vec![diagnostic.at(ty.span, "is not")]);
    };
    let new = matches!(&arg.value.kind, ExprKind::Name { name, .. } if !sizes.contains_key(&name.text));
    if vocabulary.is_none() && new {
        let message = "nothing says how many cases this class has";
        let diagnostic = Diagnostic::error(codes::SIZE_UNKNOWN, message).at(arg.value.span, "is not known");
        return Err(vec![diagnostic.help("the column holds numbers: write how many there can be")]);
    }
    let found = vocabulary.unwrap_or(0) as u32;
    let cases = size_of(&arg.value, found, sizes)?.map_or(found, |(cases, _)| cases);
    countable(u64::from(cases), arg.value.span)?;
    Ok(cases)
}

/// Holds a column against its declared class: a vocabulary of that size, or whole numbers below it, of
/// which `misfit` is the first that is none, with its place.
fn of_class(
    decl: &Decl,
    ty: &Expr,
    cases: u32,
    vocabulary: Option<&[String]>,
    misfit: Option<(f64, String)>,
) -> Result<(), Diagnostics> {
    let name = &decl.name.text;
    if let Some(vocabulary) = vocabulary {
        if vocabulary.len() == cases as usize {
            return Ok(());
        }
        let found = vocabulary.len();
        let message = format!("`{name}` is declared with {cases} cases, and its cells have {found}");
        let listed = vocabulary.iter().take(8).map(|case| format!("`{case}`")).collect::<Vec<_>>().join(", ");
        let more = if found > 8 { ", ..." } else { "" };
        let diagnostic =
            Diagnostic::error(codes::CLASS_RANGE, message).at(ty.span, format!("has {cases} cases"));
        return Err(vec![diagnostic.note(format!("found {listed}{more}"))]);
    }
    match misfit {
        None => Ok(()),
        Some((number, place)) => {
            let message =
                format!("`{name}` is a class of {cases} cases, 0 to {}, but {number} {place}", cases - 1);
            Err(vec![
                Diagnostic::error(codes::CLASS_RANGE, message).at(ty.span, format!("has {cases} cases")),
            ])
        }
    }
}
