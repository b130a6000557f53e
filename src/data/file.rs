//! A CSV file (or JSON lines) as cells: read once, turned into numbers or classes column by column where an expression asks.
//!
//! The first row has the names of the columns. Cells are separated by commas and may be quoted; blanks around a
//! cell do not count.

use super::buffer::{Buffer, Builder};
use super::number::{self, Fault};
use super::objects;
use super::open::{self, Home};
use super::room::{self, Room};
use super::rows::{Classes, Rows, Stored};
use super::vocabulary::Encoder;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span, codes, nearest};
use std::rc::Rc;

/// A file in memory.
pub struct CsvFile {
    /// The path as the data block writes it.
    pub path: String,
    /// Where it writes it.
    pub span: Span,
    /// Names of the columns.
    pub header: Vec<String>,
    /// The bytes of all cells after the header, unquoted, one after the other.
    bytes: Buffer<u8>,
    /// For each cell, row by row, where it ends in `bytes`.
    ends: Buffer<u64>,
    /// For each row the line of the file on which it begins, from 1.
    pub lines: Buffer<u64>,
}

/// The cells of a file that is still being read.
pub(super) struct Cells {
    bytes: Builder<u8>,
    ends: Builder<u64>,
    lines: Builder<u64>,
}

impl Cells {
    /// None yet.
    pub fn new(room: &Room) -> Cells {
        Cells { bytes: Builder::new(room), ends: Builder::new(room), lines: Builder::new(room) }
    }

    /// Appends a row, which begins on a line.
    ///
    /// # Errors
    /// Where neither memory nor a file has room.
    pub fn row<'c>(&mut self, line: u64, cells: impl Iterator<Item = &'c [u8]>) -> std::io::Result<()> {
        for cell in cells {
            self.bytes.extend(cell)?;
            self.ends.push(self.bytes.count() as u64)?;
        }
        self.lines.push(line)
    }

    /// The file, with the names of its columns.
    ///
    /// # Errors
    /// As of [`Cells::row`].
    pub fn file(self, path: &str, span: Span, header: Vec<String>) -> std::io::Result<CsvFile> {
        let (bytes, ends, lines) = (self.bytes.finish()?, self.ends.finish()?, self.lines.finish()?);
        Ok(CsvFile { path: path.to_string(), span, header, bytes, ends, lines })
    }
}

impl CsvFile {
    /// Number of rows after the header.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The line of the file on which a row begins, from 1.
    pub fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// A cell as it stands between its commas, without the blanks around it.
    fn cell(&self, row: usize, column: usize) -> &[u8] {
        let k = row * self.header.len() + column;
        let start = if k == 0 { 0 } else { self.ends[k - 1] };
        self.bytes[start as usize..self.ends[k] as usize].trim_ascii()
    }

    /// Leaves out rows with a missing cell.
    fn skip_missing(self, room: &Room) -> std::io::Result<CsvFile> {
        let width = self.header.len();
        let mut kept = Cells::new(room);
        for row in 0..self.rows() {
            let cells = || (0..width).map(|column| self.cell(row, column));
            if cells().all(|cell| !is_missing(cell)) {
                kept.row(self.line(row), cells())?;
            }
        }
        kept.file(&self.path, self.span, self.header)
    }

    /// As [`CsvFile::numbers`], what is missing as NaN.
    ///
    /// # Errors
    /// As there, for a cell that is neither a number nor missing.
    pub fn numbers_or_gaps(
        &self,
        columns: &[usize],
        span: Span,
        room: &Room,
    ) -> Result<Buffer<f64>, Diagnostics> {
        self.cells_by(columns, span, room, |cell| match number::parse(cell) {
            _ if is_missing(cell) => Ok(f64::NAN),
            parsed => parsed,
        })
    }

    /// The cells of some columns as numbers, row by row.
    fn cells_by(
        &self,
        columns: &[usize],
        span: Span,
        room: &Room,
        parse: impl Fn(&[u8]) -> Result<f64, Fault>,
    ) -> Result<Buffer<f64>, Diagnostics> {
        let mut numbers = room::told(Builder::for_count(room, self.rows() * columns.len()), span)?;
        for row in 0..self.rows() {
            for &column in columns {
                let parsed = parse(self.cell(row, column));
                let number =
                    parsed.map_err(|fault| vec![self.not_numbers(columns, (row, column), fault, span)])?;
                room::told(numbers.push(number), span)?;
            }
        }
        room::told(numbers.finish(), span)
    }

    /// The rows whose cell in a column is a text or, where that is a number, an equal one.
    pub fn rows_with(&self, column: usize, wanted: &str) -> Vec<u32> {
        let value = number::parse(wanted.as_bytes()).ok();
        let is = |row: &usize| {
            let cell = self.cell(*row, column);
            cell == wanted.as_bytes() || (value.is_some() && number::parse(cell).ok() == value)
        };
        (0..self.rows()).filter(is).map(|row| row as u32).collect()
    }

    /// The cells of some columns as numbers, row by row.
    ///
    /// # Errors
    /// `BAD_CELL` that tells the first one that is not a finite number; `span` is where the columns are named.
    pub fn numbers(&self, columns: &[usize], span: Span, room: &Room) -> Result<Rc<dyn Rows>, Diagnostics> {
        let numbers = self.cells_by(columns, span, room, number::parse)?;
        Ok(Rc::new(Stored { width: columns.len(), numbers }))
    }

    /// The cells of some columns as classes of one vocabulary, row by row, and that vocabulary; `missing` is the class of
    /// what is missing.
    ///
    /// # Errors
    /// `BAD_CELL` for the first one that is empty or not text; `span` is where the columns are named.
    pub fn classes(
        &self,
        columns: &[usize],
        span: Span,
        missing: Option<&str>,
        room: &Room,
    ) -> Result<(Vec<String>, Classes), Diagnostics> {
        let mut encoder = Encoder::default();
        let mut numbers = room::told(Builder::for_count(room, self.rows() * columns.len()), span)?;
        for row in 0..self.rows() {
            for &column in columns {
                let class = self.class((row, column), span, missing)?;
                room::told(numbers.push(encoder.number(class)), span)?;
            }
        }
        let numbers = room::told(numbers.finish(), span)?;
        let (vocabulary, places) = encoder.sorted();
        Ok((vocabulary, Classes { width: columns.len(), numbers, places }))
    }

    /// The class that a cell names.
    fn class<'f>(
        &'f self,
        at: (usize, usize),
        span: Span,
        missing: Option<&'f str>,
    ) -> Result<&'f str, Diagnostics> {
        let (row, column) = at;
        let cell = self.cell(row, column);
        match (std::str::from_utf8(cell), missing) {
            (Ok(_), Some(class)) if is_missing(cell) => Ok(class),
            (Ok(text), _) if !text.is_empty() => Ok(text),
            (Ok(_), _) => {
                let empty = self.bad_cell(row, column, "the cell is empty where a class should be", span);
                let help = "leave such rows out, `csv(\"...\", missing = skip)`, or name what is not known: `class(fill(rows[a], \"unknown\"))`";
                Err(vec![empty.help(help)])
            }
            (Err(_), _) => Err(vec![self.bad_cell(row, column, &Fault::NotUtf8.told(cell), span)]),
        }
    }

    /// The place of a column in the header.
    ///
    /// # Errors
    /// `UNKNOWN_COLUMN` if there is none of that name, or more than one.
    pub fn column(&self, name: &str, span: Span) -> Result<usize, Diagnostics> {
        let mut found = (0..self.header.len()).filter(|&k| self.header[k] == name);
        match (found.next(), found.next()) {
            (Some(k), None) => Ok(k),
            (Some(_), Some(_)) => {
                let message = format!("`{}` has more than one column `{name}`", self.path);
                Err(vec![
                    Diagnostic::error(codes::UNKNOWN_COLUMN, message).at(span, "which of them is not clear"),
                ])
            }
            (None, _) => Err(vec![self.unknown_column(name, span)]),
        }
    }

    fn unknown_column(&self, name: &str, span: Span) -> Diagnostic {
        let message = format!("`{}` has no column `{name}`", self.path);
        let diagnostic = Diagnostic::error(codes::UNKNOWN_COLUMN, message)
            .at(span, "is not in its first line")
            .note(format!("its columns are {}", self.listed_columns()));
        if let Some(near) = nearest(name, self.header.iter().map(String::as_str)) {
            return diagnostic.help(format!("did you mean `{near}`?"));
        }
        if self.header.iter().all(|name| number::parse(name.as_bytes()).is_ok()) {
            return diagnostic.help("the first line must name the columns; here it holds numbers");
        }
        if self.header.len() == 1 && self.header[0].contains([';', '\t']) {
            return diagnostic
                .help("columns are separated by commas, or by what `csv(\"...\", separator = \";\")` says");
        }
        diagnostic
    }

    /// The names for a message: all of a few, the ends of many.
    fn listed_columns(&self) -> String {
        let quoted = |names: &[String]| names.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
        match self.header.len() {
            0..=8 => quoted(&self.header),
            n => format!("{}, ... `{}` ({n} in all)", quoted(&self.header[..6]), self.header[n - 1]),
        }
    }

    /// A column that holds something other than numbers: the first such cell, and how many there are.
    fn not_numbers(&self, columns: &[usize], at: (usize, usize), fault: Fault, span: Span) -> Diagnostic {
        let (row, column) = at;
        let mut diagnostic = self.bad_cell(row, column, &fault.told(self.cell(row, column)), span);
        let bad = (0..self.rows()).filter(|&row| number::parse(self.cell(row, column)).is_err()).count();
        if bad > 1 {
            let all = if bad == self.rows() {
                "none of its cells is one"
            } else {
                &format!("{bad} of its cells are not")
            };
            diagnostic = diagnostic.note(format!("`{}` is read as numbers, and {all}", self.header[column]));
        }
        if is_missing(self.cell(row, column)) && diagnostic.help.is_none() {
            diagnostic = diagnostic.help("`fill(rows[a], average)` puts the mean of the training part in its place, `csv(\"...\", missing = skip)` leaves such rows out");
        }
        let words = bad == self.rows() && columns.len() == 1 && fault == Fault::NotANumber;
        if words && diagnostic.help.is_none() {
            diagnostic = diagnostic.help("if the cells name classes, write `class(...)` around the column");
        }
        diagnostic
    }

    /// `file, line 3, column name: what is wrong`
    fn bad_cell(&self, row: usize, column: usize, what: &str, span: Span) -> Diagnostic {
        let place = format!("`{}`, line {}, column `{}`", self.path, self.lines[row], self.header[column]);
        let diagnostic = Diagnostic::error(codes::BAD_CELL, format!("{place}: {what}")).at(span, "read here");
        if self.cell(row, column).contains(&b'\n') { diagnostic.help(LINE_BREAK) } else { diagnostic }
    }
}

/// What a quote without its partner looks like.
const LINE_BREAK: &str = "the row has a line break inside a cell: is there a quote that is never closed?";

/// Reads a whole file.
///
/// # Errors
/// `FILE_UNREADABLE`, `ROW_LENGTH` or `EMPTY_DATA`; `span` is where the path is written.
pub fn read(home: &Home, path: &str, span: Span, options: Options) -> Result<CsvFile, Diagnostics> {
    let bytes = open::bytes(home, path, span)?;
    let path = home.shown(path);
    let mut file = if is_json(&bytes) {
        objects::parse(&bytes, path, span, home.room)
    } else {
        parse_by(&bytes, path, span, options.separator, home.room)
    }?;
    if options.skip_missing {
        file = room::told(file.skip_missing(home.room), span)?;
        if file.lines.is_empty() {
            let message = format!("every row of `{path}` has a missing cell");
            return Err(vec![Diagnostic::error(codes::EMPTY_DATA, message).at(span, "read here")]);
        }
    }
    Ok(file)
}

/// How a file is read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What stands between cells.
    pub separator: u8,
    /// Whether rows with a missing cell are left out.
    pub skip_missing: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options { separator: b',', skip_missing: false }
    }
}

/// Whether a text begins as an object in JSON does.
fn is_json(text: &[u8]) -> bool {
    text.trim_ascii_start().starts_with(b"{")
}

/// Whether a cell stands for a value that is not known: it is empty, or says so.
pub fn is_missing(cell: &[u8]) -> bool {
    let cell = cell.trim_ascii();
    const WORDS: [&[u8]; 6] = [b"", b"?", b"na", b"n/a", b"nan", b"null"];
    WORDS.contains(&&cell.to_ascii_lowercase()[..])
}

/// Splits the text of a file into cells; one that begins as an object does is in JSON lines.
pub(super) fn parse_any(text: &[u8], path: &str, span: Span, room: &Room) -> Result<CsvFile, Diagnostics> {
    if is_json(text) {
        objects::parse(text, path, span, room)
    } else {
        parse_by(text, path, span, b',', room)
    }
}

fn parse_by(text: &[u8], path: &str, span: Span, separator: u8, room: &Room) -> Result<CsvFile, Diagnostics> {
    // A mark of the order of bytes, as some programs write it before a text, is no part of the first name.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let told = |code: Code, message: String| Diagnostic::error(code, message).at(span, "read here");
    let mut reader = csv::ReaderBuilder::new().flexible(true).delimiter(separator).from_reader(text);
    let names =
        reader.byte_headers().map_err(|e| vec![told(codes::FILE_UNREADABLE, format!("`{path}`: {e}"))])?;
    let header: Vec<String> =
        names.iter().map(|n| String::from_utf8_lossy(n.trim_ascii()).into_owned()).collect();
    if header.iter().all(String::is_empty) {
        let empty = told(codes::EMPTY_DATA, format!("`{path}` is empty"));
        return Err(vec![
            empty.help("its first line must name the columns, and each further line is an example"),
        ]);
    }
    let mut cells = Cells::new(room);
    let mut record = csv::ByteRecord::new();
    while reader
        .read_byte_record(&mut record)
        .map_err(|e| vec![told(codes::FILE_UNREADABLE, format!("`{path}`: {e}"))])?
    {
        let line = line_of(text, &record);
        if record.len() != header.len() {
            return Err(vec![wrong_length(path, span, header.len(), &record, line)]);
        }
        room::told(cells.row(line, record.iter()), span)?;
    }
    let file = room::told(cells.file(path, span, header), span)?;
    if file.lines.is_empty() {
        return Err(vec![told(
            codes::EMPTY_DATA,
            format!("`{path}` has names of columns, but no row below them"),
        )]);
    }
    if u32::try_from(file.lines.len()).is_err() {
        return Err(vec![told(codes::TOO_LARGE, format!("`{path}` has more than {} rows", u32::MAX))]);
    }
    Ok(file)
}

/// The line on which a record begins. The reader's own position is where it began to look for the record, which
/// is before any empty lines.
fn line_of(text: &[u8], record: &csv::ByteRecord) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let from = usize::try_from(position.byte()).map_or(text.len(), |byte| byte.min(text.len()));
    let empty = text[from..].iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
    position.line() + empty.filter(|&&byte| byte == b'\n').count() as u64
}

fn wrong_length(path: &str, span: Span, expected: usize, record: &csv::ByteRecord, line: u64) -> Diagnostic {
    let cells = |n: usize| format!("{n} cell{}", if n == 1 { "" } else { "s" });
    let found = cells(record.len());
    let message =
        format!("`{path}`, line {line}: the row has {found}, but the first line names {expected} columns");
    let diagnostic = Diagnostic::error(codes::ROW_LENGTH, message)
        .at(span, "read here")
        .note(format!("the row begins with `{}`", number::shown(&record[0])));
    if record.iter().any(|cell| cell.contains(&b'\n')) {
        return diagnostic
            .help("a cell of this row holds a line break: is there a quote that is never closed?");
    }
    diagnostic
}
