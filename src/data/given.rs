//! New examples for parameters that are trained: read by the statements of the data block, from other files, with the
//! vocabularies and the statistics of the training run.
//!
//! What the columns in question read from is replaced by the files that are given, and everything right of `=` stays.
//! Several files are told apart by what reads them (`x=new.npy`), or else stand in the order in which the block names those
//! that they replace. A column that reads no file (a table in place, a draw) is taken from the file by its own name: `x`
//! or, of an array, `x_0`, `x_1`, ...

use super::block::{nothing_in, seed, split_text};
use super::buffer::Buffer;
use super::cells::CellsBuilder;
use super::expression::{Learned, Meaning, Scope, Values};
use super::file::{self, CsvFile};
use super::finish::{self, Sizes};
use super::open::Home;
use super::parts::Place;
use super::room::{self, Room};
use super::rows::Shifted;
use super::section::{Computed, Extent, Section, sort, told};
use super::sources::Opened;
use super::{Column, Dataset, npy};
use crate::circuit::{Dtype, Kind};
use crate::diagnostic::{Diagnostic, Diagnostics, Sources, Span, codes, nearest};
use crate::syntax::ast::{Item, ItemKind, Name};
use rustc_hash::FxHashMap;
use std::path::Path;
use std::rc::Rc;

/// A file of new examples.
#[derive(Clone, Debug)]
pub struct Given {
    /// As shown to the user: its path, or `standard input`.
    pub name: String,
    /// Which of the block's files it replaces, by the name of the file or of a column that is read from it; none: the next.
    pub reader: Option<String>,
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
/// Every mistake found: a column or cell that is missing or wrong, a class that the parameters were not trained on, files
/// that are too few, too many, or not of one length.
pub fn load(
    item: &Item,
    sources: &Sources,
    base: &Path,
    given: &[Given],
    asked: Asked,
) -> Result<Dataset, Diagnostics> {
    let mut errors = vec![];
    let columns = match &item.kind {
        ItemKind::Data { statements, .. } => {
            let block = sort(statements, None, &mut errors);
            let (section, paths) = block.needed(asked.columns);
            if paths.is_empty() {
                each_direct(given, asked, item.span)?
            } else {
                let replaced = replaced(&section, &paths, given)?;
                let source = &sources.get(item.span.file).name;
                let home = Home { base, source, given: &replaced, room: asked.room };
                let seed = block.key("seed").map_or(Some(0), |value| told(seed(value), &mut errors));
                through(&section, &home, seed.unwrap_or(0), &paths, asked)?
            }
        }
        _ => each_direct(given, asked, item.span)?,
    };
    let rows = columns.first().map_or(0, |column| column.data.len() / column.row_len().max(1));
    let name = given.iter().map(|given| given.name.as_str()).collect::<Vec<_>>().join(", ");
    let test = (0..rows as u32).collect();
    Ok(Dataset { name, span: item.span, rows, columns, train: vec![], validation: vec![], test })
}

/// A path that a block writes, and where.
type Written<'a> = (&'a str, Span);

/// Which file is read in place of each path: those that say it by a name, then the others in their order.
fn replaced<'a>(
    section: &Section<'a>,
    paths: &[Written<'a>],
    given: &'a [Given],
) -> Result<Vec<(&'a str, &'a Given)>, Diagnostics> {
    let mut replaced: Vec<(&str, &Given)> = vec![];
    for file in given {
        let Some(reader) = &file.reader else { continue };
        let path = path_read_by(section, reader)?;
        if let Some((_, first)) = replaced.iter().find(|(known, _)| *known == path) {
            let message = format!("`{}` and `{}` are both given for `{path}`", first.name, file.name);
            return Err(vec![Diagnostic::error(codes::DATA_MISMATCH, message)]);
        }
        replaced.push((path, file));
    }
    let mut others = given.iter().filter(|file| file.reader.is_none());
    for (path, _) in paths {
        if replaced.iter().all(|(known, _)| known != path) {
            replaced.extend(others.next().map(|file| (*path, file)));
        }
    }
    if replaced.len() == paths.len() && others.next().is_none() {
        return Ok(replaced);
    }
    let files = |count| if count == 1 { "1 file".to_string() } else { format!("{count} files") };
    let are = if given.len() == 1 { "is" } else { "are" };
    let message =
        format!("what is asked for is read from {}, and {} {are} given", files(paths.len()), given.len());
    let wrong = Diagnostic::error(codes::DATA_MISMATCH, message);
    let wrong = paths.iter().fold(wrong, |wrong, (path, span)| {
        let by = replaced.iter().find(|(known, _)| known == path);
        wrong.at(*span, by.map_or("nothing is given for it".into(), |(_, by)| format!("`{}`", by.name)))
    });
    Err(vec![wrong.help("give one for each, in this order, or by what reads it: `x=new.npy`")])
}

/// The one path that a statement reads: a file by its name, a column through others.
fn path_read_by<'a>(section: &Section<'a>, reader: &str) -> Result<&'a str, Diagnostics> {
    let told = |message: String| vec![Diagnostic::error(codes::UNKNOWN_NAME, message)];
    let names = section.names();
    if !names.contains(&reader) {
        let wrong = told(format!("what the net reads has nothing called `{reader}`"));
        let help = match nearest(reader, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", names.join(", ")),
        };
        return Err(wrong.into_iter().map(|wrong| wrong.help(help.clone())).collect());
    }
    match section.paths_of(reader)[..] {
        [(path, _)] => Ok(path),
        [] => Err(told(format!("`{reader}` reads no file"))),
        [(_, first), (_, second), ..] => Err(vec![
            Diagnostic::error(codes::DATA_MISMATCH, format!("`{reader}` is read from several files"))
                .at(first, "one")
                .at(second, "another one"),
        ]),
    }
}

/// Tells of two files that have not the same number of examples.
fn unequal(opened: &Opened, paths: &[Written], home: &Home) -> Option<Diagnostic> {
    let rows = |span: Span| {
        let array = opened.arrays.iter().find(|(call, _)| call.start <= span.start && span.end <= call.end);
        let file = opened.names.iter().find_map(|(_, meaning)| match meaning {
            Meaning::File(file) if file.span == span => Some(file.rows()),
            _ => None,
        });
        array.map(|(_, values)| values.rows).or(file)
    };
    let counts: Vec<(&str, Span, usize)> =
        paths.iter().filter_map(|&(path, span)| Some((home.shown(path), span, rows(span)?))).collect();
    let &(first, at, count) = counts.first()?;
    let &(other, other_at, other_count) = counts.iter().find(|(.., other)| *other != count)?;
    let message = format!(
        "`{first}` has {count} examples, and `{other}` has {other_count}: an example is a row of each"
    );
    let wrong = Diagnostic::error(codes::DATA_MISMATCH, message);
    Some(wrong.at(at, format!("`{first}`")).at(other_at, format!("`{other}`")))
}

/// The columns by the statements of the block, over other files.
fn through(
    section: &Section,
    home: &Home,
    seed: u64,
    paths: &[Written],
    asked: Asked,
) -> Result<Vec<Column>, Diagnostics> {
    let mut errors = vec![];
    let opened = section.open(home, &mut errors);
    if opened.complete && opened.windows.is_empty() {
        errors.extend(unequal(&opened, paths, home));
        if !errors.is_empty() {
            return Err(errors);
        }
    }
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
        let (path, span) = paths[0];
        return Err(vec![nothing_in(&Name { text: home.shown(path).to_string(), span }, 0)]);
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

/// The columns by their own names: one file for all of them, or one for each.
fn each_direct(given: &[Given], asked: Asked, span: Span) -> Result<Vec<Column>, Diagnostics> {
    if let [Given { reader: None, .. }] = given {
        return direct(&given[0], asked, span);
    }
    let mut found: Vec<(&Given, Column)> = vec![];
    let has = |found: &[(&Given, Column)], name: &str| found.iter().any(|(_, column)| column.name == name);
    for by_name in [true, false] {
        for file in given.iter().filter(|file| file.reader.is_some() == by_name) {
            let next = asked.columns.iter().find(|name| !has(&found, name));
            let name = file.reader.as_ref().or(next);
            let Some(name) = name.filter(|name| asked.columns.contains(name) && !has(&found, name)) else {
                let message = format!("`{}` stands for nothing that the net still reads", file.name);
                let wrong = Diagnostic::error(codes::DATA_MISMATCH, message).at(span, "this data");
                return Err(vec![wrong.help(format!("the net reads {}", asked.columns.join(", ")))]);
            };
            let one = direct(file, Asked { columns: std::slice::from_ref(name), ..asked }, span)?;
            found.extend(one.into_iter().map(|column| (file, column)));
        }
    }
    if let Some(lacking) = asked.columns.iter().find(|name| !has(&found, name)) {
        let message = format!("no file is given for `{lacking}`");
        return Err(vec![Diagnostic::error(codes::DATA_MISMATCH, message).at(span, "this data")]);
    }
    let rows = |column: &Column| column.data.len() / column.row_len().max(1);
    let (first, column) = &found[0];
    if let Some((other, short)) = found.iter().find(|(_, other)| rows(other) != rows(column)) {
        let message = format!(
            "`{}` has {} examples, and `{}` has {}: an example is a row of each",
            first.name,
            rows(column),
            other.name,
            rows(short)
        );
        return Err(vec![Diagnostic::error(codes::DATA_MISMATCH, message).at(span, "this data")]);
    }
    Ok(found.into_iter().map(|(_, column)| column).collect())
}

/// The columns by their own names.
fn direct(given: &Given, asked: Asked, span: Span) -> Result<Vec<Column>, Diagnostics> {
    let given_here = [("", given)];
    let home = Home { base: Path::new(""), source: "", given: &given_here, room: asked.room };
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
