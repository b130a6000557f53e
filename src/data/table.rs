//! Tables in place.
//!
//! A column whose cells all read as numbers holds numbers; one in which none does holds classes, by the sorted
//! vocabulary of its cells. Every row is learned from.

use super::buffer::Buffer;
use super::expression::Values;
use super::finish::{self, Sizes};
use super::number::{self, Fault};
use super::room::Room;
use super::rows::{Classes, Stored};
use super::vocabulary::{Encoded, encode};
use super::{Column, Dataset};
use crate::circuit::Dtype;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use crate::syntax::ast::{Cell, Decl, Name, Size, Table, TableRow};
use std::ops::Range;
use std::rc::Rc;

/// Loads a table.
///
/// # Errors
/// Every mistake in it: sizes, rows of the wrong length, cells that do not fit, no column, no row.
pub fn load(name: &Name, table: &Table, dtype: Dtype, room: &Room) -> Result<Dataset, Diagnostics> {
    let empty = |what: &str| {
        let message = format!("the table `{}` has no {what}", name.text);
        Err(vec![Diagnostic::error(codes::EMPTY_DATA, message).at(name.span, "is empty")])
    };
    if table.columns.is_empty() {
        return empty("column");
    }
    if table.rows.is_empty() {
        return empty("row");
    }
    check_names(&table.columns)?;
    let dims = dims(&table.columns)?;
    let places = check_rows(table, &dims)?;
    let mut sizes = Sizes::default();
    let mut columns = vec![];
    let mut errors = vec![];
    for ((decl, dims), place) in table.columns.iter().zip(dims).zip(places) {
        match column(decl, dims, &table.rows, place, &mut sizes, (dtype, room)) {
            Ok(column) => columns.push(column),
            Err(told) => errors.extend(told),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let rows = table.rows.len();
    let train = (0..rows as u32).collect();
    let (validation, test) = (vec![], vec![]);
    Ok(Dataset { name: name.text.clone(), span: name.span, rows, columns, train, validation, test })
}

/// That no two columns have the same name.
fn check_names(columns: &[Decl]) -> Result<(), Diagnostics> {
    for (k, decl) in columns.iter().enumerate() {
        if let Some(first) = columns[..k].iter().find(|other| other.name == decl.name) {
            let message = format!("`{}` is defined twice", decl.name.text);
            let twice = Diagnostic::error(codes::DEFINED_TWICE, message).at(decl.name.span, "again here");
            return Err(vec![twice.at(first.name.span, "first here")]);
        }
    }
    Ok(())
}

/// The extents of every column; a table says them in numbers.
fn dims(columns: &[Decl]) -> Result<Vec<Vec<u32>>, Diagnostics> {
    let size = |size: &Size| match size {
        Size::Expr(expr) => finish::number_of(expr),
        Size::Pack(name) => {
            let message = "a table says its sizes in numbers";
            Err(vec![Diagnostic::error(codes::SIZE_UNKNOWN, message).at(name.span, "is not a number")])
        }
    };
    columns.iter().map(|decl| decl.sizes.iter().map(size).collect()).collect()
}

/// Which cells of a row belong to each column, if every row has as many as the columns need.
fn check_rows(table: &Table, dims: &[Vec<u32>]) -> Result<Vec<Range<usize>>, Diagnostics> {
    let mut places = vec![];
    let mut end = 0usize;
    for dims in dims {
        let width = dims.iter().fold(1usize, |n, &d| n.saturating_mul(d as usize));
        places.push(end..end.saturating_add(width));
        end = end.saturating_add(width);
    }
    let header = table.columns[0].span.to(table.columns[table.columns.len() - 1].span);
    let cells = |n: usize| format!("{n} cell{}", if n == 1 { "" } else { "s" });
    let wrong = table.rows.iter().filter(|row| row.cells.len() != end).map(|row| {
        let found = cells(row.cells.len());
        Diagnostic::error(codes::ROW_LENGTH, format!("the row has {found}, but the columns take {end}"))
            .at(row.span, format!("has {found}"))
            .at(header, format!("take {}", cells(end)))
    });
    let wrong: Diagnostics = wrong.collect();
    if wrong.is_empty() { Ok(places) } else { Err(wrong) }
}

/// One column of the table.
fn column(
    decl: &Decl,
    dims: Vec<u32>,
    rows: &[TableRow],
    place: Range<usize>,
    sizes: &mut Sizes,
    as_asked: (Dtype, &Room),
) -> Result<Column, Diagnostics> {
    let cells = || rows.iter().flat_map(|row| &row.cells[place.clone()]);
    let width = place.len();
    let is_number = |cell: &Cell| number::parse(cell.text.as_bytes()).is_ok();
    let values = if cells().any(is_number) {
        let parse =
            |cell: &Cell| number::parse(cell.text.as_bytes()).map_err(|fault| vec![bad_cell(cell, fault)]);
        let numbers = Buffer::new(cells().map(parse).collect::<Result<_, _>>()?);
        Values::new(dims, rows.len(), Rc::new(Stored { width, numbers }))
    } else {
        let Encoded { vocabulary, numbers } = encode(cells().map(|cell| cell.text.as_str()));
        let places = (0..vocabulary.len() as u32).collect();
        let classes = Classes { width, numbers: Buffer::new(numbers), places };
        Values { vocabulary: Some(vocabulary), ..Values::new(dims, rows.len(), Rc::new(classes)) }
    };
    let place = |row| format!("in row {}", row + 1);
    finish::column(decl, &values, whole(rows), sizes, as_asked, place)
}

/// From the first row to the last.
fn whole(rows: &[TableRow]) -> Span {
    rows[0].span.to(rows[rows.len() - 1].span)
}

fn bad_cell(cell: &Cell, fault: Fault) -> Diagnostic {
    let message = fault.told(cell.text.as_bytes());
    let diagnostic = Diagnostic::error(codes::BAD_CELL, message).at(cell.span, "is not one");
    diagnostic.note("other cells of the column are numbers")
}
