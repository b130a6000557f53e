//! What stands between the brackets of a file: `rows[a, p_0 .. p_63, "odd name"]`.

use super::expression::{Meaning, meaning_of};
use super::file::CsvFile;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use crate::syntax::ast::{Expr, ExprKind, IndexArg, Name};

/// Columns that an index names.
pub struct Columns {
    /// Places in the header.
    pub places: Vec<usize>,
    /// Exactly one by its name alone: a scalar, not `[1]`.
    scalar: bool,
}

impl Columns {
    /// Extents of one row's array.
    pub fn dims(&self) -> Vec<u32> {
        if self.scalar { vec![] } else { vec![self.places.len() as u32] }
    }
}

/// `rows[a, p_0 .. p_63, "odd name"]`: the file and the columns.
///
/// # Errors
/// For a name that is no file, and for every column that the file does not have.
pub fn columns_of<'a>(
    base: &Expr,
    indices: &[IndexArg],
    names: &'a [(Name, Meaning)],
) -> Result<(&'a CsvFile, Columns), Diagnostics> {
    let ExprKind::Name { name, primed: false } = &base.kind else {
        let help = "give the file a name: `rows = csv(...)`";
        let message = "columns are read from a file by its name";
        return Err(vec![
            Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(base.span, "is not a name").help(help),
        ]);
    };
    let Meaning::File(file) = meaning_of(names, name)? else {
        let message = "this version does not read single elements of a column yet";
        return Err(vec![
            Diagnostic::error(codes::NOT_YET, message).at(base.span, "is a column, not a file"),
        ]);
    };
    let mut places = vec![];
    let mut errors = vec![];
    for index in indices {
        match places_of(index, file, base.span) {
            Ok(found) => places.extend(found),
            Err(told) => errors.extend(told),
        }
    }
    if places.is_empty() && errors.is_empty() {
        let diagnostic =
            Diagnostic::error(codes::BAD_DATA_EXPRESSION, "no column is named between the brackets");
        errors.push(diagnostic.at(base.span, "reads nothing"));
    }
    let scalar = matches!(indices, [IndexArg::Expr(_)]);
    if errors.is_empty() { Ok((file, Columns { places, scalar })) } else { Err(errors) }
}

/// The columns of one entry between the brackets; a range goes in the order of the header.
fn places_of(index: &IndexArg, file: &CsvFile, base: Span) -> Result<Vec<usize>, Diagnostics> {
    match index {
        IndexArg::Expr(expr) => Ok(vec![file.column(column_name(expr)?, expr.span)?]),
        IndexArg::Range { first, last } => {
            let from = file.column(column_name(first)?, first.span)?;
            let to = file.column(column_name(last)?, last.span)?;
            if from <= to {
                return Ok((from..=to).collect());
            }
            let message = format!("`{}` stands before `{}` in the file", file.header[to], file.header[from]);
            let diagnostic = Diagnostic::error(codes::UNKNOWN_COLUMN, message)
                .at(first.span, format!("is column {} of {}", from + 1, file.header.len()))
                .at(last.span, format!("is column {}", to + 1));
            Err(vec![diagnostic.help("a range goes from left to right in the first line of the file")])
        }
        IndexArg::Pack(name) => {
            let message = "columns are read by name; `..` alone names none";
            let diagnostic =
                Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(name.span, "is not a column");
            Err(vec![diagnostic.at(base, "").help("a range is `first .. last`")])
        }
    }
}

/// A column's name, as a word or as a string.
fn column_name(expr: &Expr) -> Result<&str, Diagnostics> {
    match &expr.kind {
        ExprKind::Name { name, primed: false } => Ok(&name.text),
        ExprKind::String(text) => Ok(text.trim_ascii()),
        _ => {
            let message = "columns are read by name";
            let diagnostic = Diagnostic::error(codes::UNKNOWN_COLUMN, message).at(expr.span, "is not a name");
            Err(vec![diagnostic.help("a name that is not a single word goes into quotes: `rows[\"2020\"]`")])
        }
    }
}
