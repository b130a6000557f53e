//! The columns of a block and of its parts with data of their own, put together: one shape, one vocabulary.

use super::Column;
use super::buffer::Buffer;
use super::expression::{Meaning, Values};
use super::finish::{self, Sizes};
use super::room::Room;
use super::rows::Together;
use super::section::Computed;
use super::sources::Opened;
use super::vocabulary::encode;
use crate::circuit::Dtype;
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::syntax::ast::{Decl, Name};
use std::rc::Rc;

/// Rows that come from the same statements: those of the block, or those of a part.
pub struct Part<'a> {
    /// The block or the part.
    pub name: &'a Name,
    /// Its columns.
    pub columns: Vec<Computed<'a>>,
    /// Its number of rows.
    pub rows: usize,
    /// Where a row came from.
    pub place: Place,
}

/// Where rows came from, for messages.
pub enum Place {
    /// The lines of a CSV file.
    Lines {
        /// The file.
        path: String,
        /// One a row.
        lines: Buffer<u64>,
    },
    /// Several files, or none with lines.
    Examples,
}

impl Place {
    /// That of what a section reads.
    pub fn of(opened: &Opened) -> Place {
        let mut files = opened.names.iter().filter_map(|(_, meaning)| match meaning {
            Meaning::File(file) => Some(file),
            _ => None,
        });
        match (files.next(), files.next()) {
            (Some(file), None) => Place::Lines { path: file.path.clone(), lines: file.lines.clone() },
            _ => Place::Examples,
        }
    }

    /// Where a row came from.
    pub fn told(&self, row: usize) -> String {
        match self {
            Place::Lines { path, lines } => format!("in line {} of `{path}`", lines[row]),
            Place::Examples => format!("in example {}", row + 1),
        }
    }
}

/// Every column of the block, with the rows of the parts behind its own.
///
/// # Errors
/// Where a part lacks a column of the block or has one more, where their shapes or kinds differ, and where a
/// column does not fit its declaration.
pub fn together(
    block: Part,
    mut others: Vec<Part>,
    dtype: Dtype,
    room: &Room,
) -> Result<Vec<Column>, Diagnostics> {
    let mut errors = vec![];
    others.iter().for_each(|part| check_names(&block, part, &mut errors));
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut sizes = Sizes::default();
    let mut columns = vec![];
    for (decl, span, mut values) in block.columns {
        let mut fitting = vec![];
        for part in &mut others {
            let at = part.columns.iter().position(|(other, ..)| other.name == decl.name);
            let (other, found_at, more) = part.columns.swap_remove(at.expect("checked above"));
            match fits(decl, &values, (other, &more), part.name) {
                Some(wrong) => errors.push(wrong),
                None => fitting.push((other, found_at, more)),
            }
        }
        if fitting.len() < others.len() {
            continue;
        }
        for (other, found_at, _) in &fitting {
            if let Err(told) = finish::fit(other, &values.dims, *found_at, &mut sizes) {
                errors.extend(told);
            }
        }
        append(&mut values, fitting.into_iter().map(|(.., more)| more).collect());
        let place = |row| place((block.rows, &block.place), &others, row);
        match finish::column(decl, &values, span, &mut sizes, (dtype, room), place) {
            Ok(column) => columns.push(column),
            Err(told) => errors.extend(told),
        }
    }
    if errors.is_empty() { Ok(columns) } else { Err(errors) }
}

/// Where a row of the whole came from.
fn place(block: (usize, &Place), others: &[Part], row: usize) -> String {
    let (mut before, place) = block;
    if row < before {
        return place.told(row);
    }
    for part in others {
        if row < before + part.rows {
            return format!("{} of `{}`", part.place.told(row - before), part.name.text);
        }
        before += part.rows;
    }
    unreachable!("a row of the block or of a part")
}

/// That a part has the columns of the block, and no others.
fn check_names(block: &Part, part: &Part, errors: &mut Diagnostics) {
    let has = |part: &Part, name: &Name| part.columns.iter().any(|(decl, ..)| decl.name == *name);
    for (decl, ..) in block.columns.iter().filter(|(decl, ..)| !has(part, &decl.name)) {
        let message = format!("the part `{}` has no column `{}`", part.name.text, decl.name.text);
        let diagnostic = Diagnostic::error(codes::DATA_MISMATCH, message).at(part.name.span, "lacks it");
        errors.push(diagnostic.at(decl.span, "every part has the columns of the block"));
    }
    for (decl, ..) in part.columns.iter().filter(|(decl, ..)| !has(block, &decl.name)) {
        let message = format!("`{}` is a column of the part `{}` alone", decl.name.text, part.name.text);
        let diagnostic =
            Diagnostic::error(codes::DATA_MISMATCH, message).at(decl.span, "is not in the block");
        errors.push(diagnostic.at(block.name.span, "this data has no such column"));
    }
}

/// What keeps a part's column from standing under the block's.
fn fits(decl: &Decl, values: &Values, other: (&Decl, &Values), part: &Name) -> Option<Diagnostic> {
    let (other, more) = other;
    let name = &decl.name.text;
    let told = |code, what: &str, has: String, has_other: String| {
        let message = format!("`{name}` of the part `{}` {what}", part.text);
        Some(Diagnostic::error(code, message).at(other.span, has_other).at(decl.span, has))
    };
    if values.dims != more.dims {
        let shape = |dims: &[u32]| match dims {
            [] => "is a scalar".to_string(),
            dims => format!("has shape {dims:?}"),
        };
        return told(codes::SIZE_MISMATCH, "has another shape", shape(&values.dims), shape(&more.dims));
    }
    let kind = |values: &Values| match (&values.vocabulary, &values.standardized) {
        (Some(_), _) => "is a class",
        (None, Some(_)) => "is standardized",
        (None, None) => "is plain numbers",
    };
    if kind(values) != kind(more) {
        let (has, has_other) = (kind(values).to_string(), kind(more).to_string());
        return told(codes::DATA_MISMATCH, "is not of the same kind", has, has_other);
    }
    None
}

/// Puts rows behind others; classes are numbered anew by the vocabulary of all.
fn append(values: &mut Values, others: Vec<Values>) {
    if others.is_empty() {
        return;
    }
    let vocabularies: Option<Vec<Vec<String>>> =
        std::iter::once(&*values).chain(&others).map(|values| values.vocabulary.clone()).collect();
    let mut all: Vec<Values> = std::iter::once(values.clone()).chain(others).collect();
    if let Some(vocabularies) = vocabularies {
        let encoded = encode(vocabularies.iter().flatten().map(String::as_str));
        let mut numbers = &encoded.numbers[..];
        for (values, vocabulary) in all.iter_mut().zip(&vocabularies) {
            let (own, rest) = numbers.split_at(vocabulary.len());
            values.renumber(own.iter().map(|&number| f64::from(number)).collect());
            numbers = rest;
        }
        values.vocabulary = Some(encoded.vocabulary);
    }
    values.rows = all.iter().map(|values| values.rows).sum();
    let parts = all.into_iter().map(|values| (values.rows, values.data)).collect();
    values.data = Rc::new(Together { parts });
}
