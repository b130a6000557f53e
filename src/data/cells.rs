//! The numbers of a finished column, rounded to the type that the program computes in.

use super::Column;
use super::buffer::{Buffer, Builder};
use super::room::Room;
use crate::circuit::{Dtype, Numbers, Slice};
use std::io::Result;
use std::ops::Range;

/// Numbers of one type, one after another, in memory or in a file that is mapped.
#[derive(Clone, PartialEq, Debug)]
pub enum Cells {
    /// 32 bits each.
    F32(Buffer<f32>),
    /// 64 bits each.
    F64(Buffer<f64>),
}

impl Default for Cells {
    fn default() -> Self {
        Cells::F32(Buffer::default())
    }
}

impl From<Numbers> for Cells {
    fn from(numbers: Numbers) -> Self {
        match numbers {
            Numbers::F32(values) => Cells::F32(Buffer::new(values)),
            Numbers::F64(values) => Cells::F64(Buffer::new(values)),
        }
    }
}

impl Cells {
    /// As native code reads them.
    pub fn slice(&self) -> Slice<'_> {
        match self {
            Cells::F32(values) => Slice::F32(values),
            Cells::F64(values) => Slice::F64(values),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number at a place.
    ///
    /// # Panics
    /// If there is none.
    pub fn get(&self, at: usize) -> f64 {
        self.slice().get(at)
    }

    /// In order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        self.slice().iter()
    }

    /// Some of them.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn part(&self, range: Range<usize>) -> Slice<'_> {
        self.slice().part(range)
    }

    /// Whether they lie in a file, and not in memory.
    pub fn is_mapped(&self) -> bool {
        match self {
            Cells::F32(values) => values.is_mapped(),
            Cells::F64(values) => values.is_mapped(),
        }
    }
}

/// Bytes of a row from which on it is asked for before it is read: for shorter ones asking takes longer than it saves.
const WORTH_ASKING: usize = 512;

impl Column {
    /// Tells the operating system, of a column in a mapped file, whether rows are read in their order or in any other.
    pub fn advise(&self, shuffled: bool) {
        match &self.data {
            Cells::F32(values) => values.advise(shuffled),
            Cells::F64(values) => values.advise(shuffled),
        }
    }

    /// Tells the operating system, of a column in a mapped file, which rows are read next.
    pub fn will_read(&self, rows: &[u32]) {
        let len = self.row_len();
        let stretches = rows.iter().map(|&row| row as usize * len..(row as usize + 1) * len);
        if len * self.data.slice().dtype().size() < WORTH_ASKING {
            return;
        }
        match &self.data {
            Cells::F32(values) => values.will_read(stretches),
            Cells::F64(values) => values.will_read(stretches),
        }
    }
}

/// Numbers of one type that are still being put down.
pub enum CellsBuilder {
    /// 32 bits each.
    F32(Builder<f32>),
    /// 64 bits each.
    F64(Builder<f64>),
}

impl CellsBuilder {
    /// None yet, and so many to come.
    ///
    /// # Errors
    /// Where neither memory nor a file has room.
    pub fn for_count(dtype: Dtype, room: &Room, count: usize) -> Result<CellsBuilder> {
        Ok(match dtype {
            Dtype::F32 => CellsBuilder::F32(Builder::for_count(room, count)?),
            Dtype::F64 => CellsBuilder::F64(Builder::for_count(room, count)?),
        })
    }

    /// Appends a number, rounded once.
    ///
    /// # Errors
    /// As of [`CellsBuilder::for_count`].
    pub fn push(&mut self, number: f64) -> Result<()> {
        match self {
            CellsBuilder::F32(values) => values.push(number as f32),
            CellsBuilder::F64(values) => values.push(number),
        }
    }

    /// The numbers.
    ///
    /// # Errors
    /// As of [`CellsBuilder::for_count`].
    pub fn finish(self) -> Result<Cells> {
        Ok(match self {
            CellsBuilder::F32(values) => Cells::F32(values.finish()?),
            CellsBuilder::F64(values) => Cells::F64(values.finish()?),
        })
    }
}
