//! Data blocks to [`Dataset`]: reads, checks, splits. Sizes and vocabularies that come from the data are known
//! before a net is elaborated.
//!
//! - `table`: tables in place; `block`: data blocks; `section`: their statements, and those of a part with data of
//!   its own; `parts`: both put together.
//! - `sources`: what a section reads: `open` gives bytes, `file` a CSV file as cells, `idx` and [`npy`] an array, `text`
//!   characters, words or bytes and windows of them, `images` those of a folder.
//! - [`given`]: new examples for parameters that are trained.
//! - `columns`: the columns of a file that an expression names; `number` and [`vocabulary`]: cells as numbers and
//!   as classes.
//! - `expression`: what stands right of `=` in a data block, computed in f64; `draw`: what stands right of `~`.
//! - `rows`: what comes of it, in f64, some rows at a time; `buffer`: numbers in memory or in a mapped file, as [`room`] has
//!   it; [`cells`]: those of a finished column.
//! - [`split`]: which rows are held out.
//! - `standardize`: mean and deviation, learned from the training part.
//! - `finish`: a computed column against its declaration, rounded once.

mod block;
pub mod buffer;
pub mod cells;
mod columns;
mod draw;
mod expression;
mod file;
mod finish;
pub mod given;
mod idx;
mod images;
pub mod npy;
mod number;
mod objects;
mod open;
mod parts;
pub mod room;
mod rows;
mod section;
mod sources;
pub mod split;
mod standardize;
mod table;
#[cfg(test)]
mod tests;
mod text;
pub mod vocabulary;
pub mod words;

use crate::circuit::{Dtype, Kind};
use crate::diagnostic::{Diagnostic, Diagnostics, Sources, Span, codes};
use crate::syntax::ast::{Item, ItemKind};
use cells::Cells;
use room::Room;
use std::path::Path;

/// All examples of a data block, column by column, and which of them belong to which part.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Name of the block.
    pub name: String,
    /// Its definition.
    pub span: Span,
    /// Number of examples.
    pub rows: usize,
    /// In the order of the block.
    pub columns: Vec<Column>,
    /// Row numbers to learn from, ascending.
    pub train: Vec<u32>,
    /// Row numbers to watch while learning, ascending; may be empty.
    pub validation: Vec<u32>,
    /// Row numbers held out to the end, ascending; may be empty.
    pub test: Vec<u32>,
}

/// One array an example.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// As inputs and targets of a net name it.
    pub name: String,
    /// Its definition.
    pub span: Span,
    /// Extents for one example; empty for a scalar.
    pub dims: Vec<u32>,
    /// `Real`, or `Integer` for classes and for numbers that are all whole and not negative.
    pub kind: Kind,
    /// The cases of a class, in the order of their numbers. Sorted.
    pub vocabulary: Option<Vec<String>>,
    /// What `standardize` took off: mean and standard deviation of each element, from the training part.
    pub standardized: Option<Standardized>,
    /// What each `fill` of the column puts in the place of missing values, one an element, in their order; from the training
    /// part.
    pub fills: Vec<Vec<f64>>,
    /// Row-major, the row outermost. Integers as numbers.
    pub data: Cells,
}

/// `(x - mean) / deviation`, element by element.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardized {
    /// One an element.
    pub mean: Vec<f64>,
    /// One an element; 1 where the column is constant.
    pub deviation: Vec<f64>,
}

/// Reads a data block or a table, in f32. Paths in it are relative to `base`, the directory of its `.nn` file.
///
/// # Errors
/// All mistakes that were found, at least one: in the block itself, in its files, or that `item` is not data.
pub fn load(item: &Item, sources: &Sources, base: &Path) -> Result<Dataset, Diagnostics> {
    load_as(item, sources, base, Dtype::F32, &Room::here())
}

/// As [`load`], each number rounded once to a type. What `room` has no room for goes to files.
///
/// # Errors
/// As there.
pub fn load_as(
    item: &Item,
    sources: &Sources,
    base: &Path,
    dtype: Dtype,
    room: &Room,
) -> Result<Dataset, Diagnostics> {
    match &item.kind {
        ItemKind::Table { name, table } => table::load(name, table, dtype, room),
        ItemKind::Data { name, statements } => {
            let home = open::Home { base, source: &sources.get(item.span.file).name, given: &[], room };
            block::load(name, statements, &home, dtype)
        }
        _ => Err(vec![Diagnostic::error(codes::WRONG_KIND_OF_NAME, "this is not data").at(item.span, "")]),
    }
}

impl Dataset {
    /// Tells the operating system whether the rows of mapped columns are read in their order or in any other.
    pub fn advise(&self, shuffled: bool) {
        self.columns.iter().for_each(|column| column.advise(shuffled));
    }

    /// The column of a name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Column {
    /// Elements of one example.
    pub fn row_len(&self) -> usize {
        self.dims.iter().map(|&d| d as usize).product()
    }
}
