//! New examples for parameters that are trained: read by the statements of the data block, from another file, with the
//! vocabularies and the statistics of the training run.
//!
//! What the columns in question read from is replaced by the file that is given, and everything right of `=` stays. A
//! column that reads no file (a table in place, a draw) is taken from the file by its own name: `x` or, of an array,
//! `x_0`, `x_1`, ...

use super::block::{nothing_in, seed, split_text};
use super::buffer::Buffer;
use super::cells::CellsBuilder;
use super::expression::{Learned, Scope, Values};
use super::file::{self, CsvFile};
use super::finish::{self, Sizes};
use super::open::Home;
use super::parts::Place;
use super::room::{self, Room};
use super::rows::Shifted;
use super::section::{Computed, Extent, Section, sort, told};
use super::{Column, Dataset, npy};
use crate::circuit::{Dtype, Kind};
use crate::diagnostic::{Diagnostic, Diagnostics, Sources, Span, codes};
use crate::syntax::ast::{Item, ItemKind, Name};
use rustc_hash::FxHashMap;
use std::path::Path;
use std::rc::Rc;

/// A file of new examples.
#[derive(Clone, Debug)]
pub struct Given {
    /// As shown to the user: its path, or `standard input`.
    pub name: String,
    /// Its bytes: CSV, JSON lines, or an array in NPY or IDX format; packed by gzip or not.
    pub bytes: Buffer<u8>,
}

/// What is asked of a file of new examples.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The columns of the training run: shapes, vocabularies, statistics; without rows.
    pub known: &'a Dataset,
    /// Names of the columns that are needed.
    pub columns: &'a [String],
    /// The type of all numbers.
    pub dtype: Dtype,
    /// How much of what is read may stay in memory.
    pub room: &'a Room,
}

/// Reads new examples; all of them are the `test` part.
///
/// # Errors
/// Every mistake found: a column or cell that is missing or wrong, a class that the parameters were not trained on.
pub fn load(
    item: &Item,
    sources: &Sources,
    base: &Path,
    given: &Given,
    asked: Asked,
) -> Result<Dataset, Diagnostics> {
    let mut errors = vec![];
    let columns = match &item.kind {
        ItemKind::Data { statements, .. } => {
            let block = sort(statements, None, &mut errors);
            let (section, paths) = block.needed(asked.columns);
            match &paths[..] {
                [] => direct(given, asked, item.span)?,
                &[(path, span)] => {
                    let given = Some((path, given));
                    let home =
                        Home { base, source: &sources.get(item.span.file).name, given, room: asked.room };
                    let seed = block.key("seed").map_or(Some(0), |value| told(seed(value), &mut errors));
                    through(&section, &home, seed.unwrap_or(0), span, asked)?
                }
                &[(_, first), (_, second), ..] => return Err(vec![several_files(first, second)]),
            }
        }
        _ => direct(given, asked, item.span)?,
    };
    let rows = columns.first().map_or(0, |column| column.data.len() / column.row_len().max(1));
    let name = given.name.clone();
    let test = (0..rows as u32).collect();
    Ok(Dataset { name, span: item.span, rows, columns, train: vec![], validation: vec![], test })
}

fn several_files(first: Span, second: Span) -> Diagnostic {
    let message = "what is asked for is read from several files, and one is given";
    Diagnostic::error(codes::NOT_YET, message)
        .at(first, "one file")
        .at(second, "another one")
        .help("put what the net reads into one file, or name the file in the program and use `--part`")
}

/// The columns by the statements of the block, over another file.
fn through(
    section: &Section,
    home: &Home,
    seed: u64,
    at: Span,
    asked: Asked,
) -> Result<Vec<Column>, Diagnostics> {
    let mut errors = vec![];
    let opened = section.open(home, &mut errors);
    let extent = section.extent(&opened, &mut errors);
    let (rows, cut) = match extent {
        Some(Extent::Rows(count)) => (count, vec![]),
        Some(Extent::Sequence(length)) => {
            match split_text(Some((None, None)), length, &opened, &mut errors) {
                Some((rows, cut)) => (rows.rows(), cut),
                None => return Err(errors),
            }
        }
        None => return Err(errors),
    };
    if rows == 0 {
        let name = Name { text: home.given.map_or(String::new(), |(_, given)| given.name.clone()), span: at };
        return Err(vec![nothing_in(&name, 0)]);
    }
    let place = Place::of(&opened);
    let learned = learned(asked.known);
    let mut scope = Scope { seed, learned: Some(learned), ..opened.into_scope(rows, cut, home.room) };
    section.compute(&mut scope, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut sizes = Sizes::default();
    let mut columns = vec![];
    for computed in
        section.columns(scope).into_iter().filter(|(decl, ..)| asked.columns.contains(&decl.name.text))
    {
        columns.extend(told(finished(computed, &place, &mut sizes, asked), &mut errors));
    }
    if errors.is_empty() { Ok(columns) } else { Err(errors) }
}

/// What was learned of the columns in the training run.
fn learned(known: &Dataset) -> FxHashMap<String, Learned> {
    let of =
        |column: &Column| Learned { standardized: column.standardized.clone(), fills: column.fills.clone() };
    known.columns.iter().map(|column| (column.name.clone(), of(column))).collect()
}

/// A computed column with the classes of the training run, held against its declaration.
fn finished(
    computed: Computed,
    place: &Place,
    sizes: &mut Sizes,
    asked: Asked,
) -> Result<Column, Diagnostics> {
    let (decl, span, mut values) = computed;
    let known = asked.known.column(&decl.name.text);
    if let (Some(cases), Some(known)) =
        (&values.vocabulary, known.and_then(|known| known.vocabulary.as_ref()))
    {
        let row = |class: usize| values.row_with(class as f64).unwrap_or(0);
        let moved = renumbered(cases, known, |class| place.told(row(class)), &decl.name.text, span)?;
        values.renumber(moved);
        values.vocabulary = Some(known.clone());
    }
    finish::column(decl, &values, span, sizes, (asked.dtype, asked.room), |row| place.told(row))
}

/// For each case its number in the vocabulary of the training run.
fn renumbered(
    cases: &[String],
    known: &[String],
    place: impl Fn(usize) -> String,
    column: &str,
    span: Span,
) -> Result<Vec<f64>, Diagnostics> {
    let number = |(class, case): (usize, &String)| {
        let found = known.iter().position(|known| known == case);
        found.map(|found| found as f64).ok_or_else(|| {
            let message = format!(
                "`{column}` is `{case}` {}, a class that the parameters were not trained on",
                place(class)
            );
            let mut shown: Vec<String> = known.iter().take(8).map(|case| format!("`{case}`")).collect();
            if known.len() > 8 {
                shown.push(format!("{} more", known.len() - 8));
            }
            vec![
                Diagnostic::error(codes::BAD_CELL, message)
                    .at(span, "read here")
                    .note(format!("they know {}", shown.join(", "))),
            ]
        })
    };
    cases.iter().enumerate().map(number).collect()
}

/// The columns by their own names.
fn direct(given: &Given, asked: Asked, span: Span) -> Result<Vec<Column>, Diagnostics> {
    let home = Home { base: Path::new(""), source: "", given: Some(("", given)), room: asked.room };
    let bytes = super::open::bytes(&home, "", span)?;
    if bytes.starts_with(npy::MAGIC) {
        return Ok(vec![from_array(&bytes, given, asked, span)?]);
    }
    let file = file::parse_any(&bytes, &given.name, span, asked.room)?;
    let mut errors = vec![];
    let column = |name: &String| asked.known.column(name).map(|known| from_cells(&file, known, asked, span));
    let columns =
        asked.columns.iter().filter_map(column).filter_map(|column| told(column, &mut errors)).collect();
    if errors.is_empty() { Ok(columns) } else { Err(errors) }
}

/// A column from the cells under its name.
fn from_cells(file: &CsvFile, known: &Column, asked: Asked, span: Span) -> Result<Column, Diagnostics> {
    let places: Vec<usize> = cell_names(&known.name, &known.dims)
        .iter()
        .map(|name| file.column(name, span))
        .collect::<Result<_, _>>()?;
    let place = |row: usize| format!("in line {} of `{}`", file.line(row), file.path);
    let values = |data| Values::new(known.dims.clone(), file.rows(), data);
    let values = match &known.vocabulary {
        None => values(file.numbers(&places, span, asked.room)?),
        Some(vocabulary) => {
            let (cases, classes) = file.classes(&places, span, None, asked.room)?;
            let mut values = values(Rc::new(classes));
            let row = |class: usize| values.row_with(class as f64).unwrap_or(0);
            let moved = renumbered(&cases, vocabulary, |class| place(row(class)), &known.name, span)?;
            values.renumber(moved);
            values
        }
    };
    of_known(known, values, asked, span)
}

/// A column whose numbers are those of the training run.
fn of_known(known: &Column, mut values: Values, asked: Asked, span: Span) -> Result<Column, Diagnostics> {
    if let Some(by) = &known.standardized {
        values.data = Rc::new(Shifted { of: values.data, by: by.clone() });
    }
    let count = values.rows * values.width();
    let mut data = room::told(CellsBuilder::for_count(asked.dtype, asked.room, count), span)?;
    let mut whole = true;
    values.each_block(|_, block| {
        whole &= block.iter().all(|x| *x >= 0.0 && x.fract() == 0.0);
        block.iter().try_for_each(|x| room::told(data.push(*x), span))
    })?;
    let kind = if whole { Kind::Integer } else { Kind::Real };
    Ok(Column { kind, data: room::told(data.finish(), span)?, ..known.clone() })
}

/// `x`, or `x_0`, `x_1`, ...: the cells of one example, row-major.
fn cell_names(name: &str, dims: &[u32]) -> Vec<String> {
    dims.iter().fold(vec![name.to_string()], |names, &extent| {
        names.iter().flat_map(|name| (0..extent).map(move |k| format!("{name}_{k}"))).collect()
    })
}

/// The one column that is asked for, as an array.
fn from_array(bytes: &Buffer<u8>, given: &Given, asked: Asked, span: Span) -> Result<Column, Diagnostics> {
    let told = |code, message: String| vec![Diagnostic::error(code, message).at(span, "this data")];
    let values = npy::parse(bytes)
        .map_err(|what| told(codes::FILE_UNREADABLE, format!("`{}`: {what}", given.name)))?;
    let [name] = asked.columns else {
        let message =
            format!("`{}` is one array, and the net reads {}", given.name, asked.columns.join(", "));
        return Err(told(codes::DATA_MISMATCH, message));
    };
    let known = asked.known.column(name).ok_or_else(Vec::new)?;
    if known.dims != values.dims {
        let (path, dims, wanted) = (&given.name, &values.dims, &known.dims);
        let message = format!("an example of `{path}` has shape {dims:?}, and `{name}` has {wanted:?}");
        return Err(told(codes::SIZE_MISMATCH, message));
    }
    of_known(known, values, asked, span)
}
