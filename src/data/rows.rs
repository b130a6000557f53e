//! Where the numbers of a column come from, in f64: read some rows at a time, so that no step on the way to a column has to
//! hold it whole.

use super::Standardized;
use super::buffer::{Buffer, Builder};
use super::cells::Cells;
use super::expression::Values;
use super::room::{self, Room};
use super::text::Sequence;
use crate::circuit::Dtype;
use crate::diagnostic::{Diagnostics, Span};
use std::fmt::Debug;
use std::ops::Range;
use std::rc::Rc;

/// Numbers by rows.
pub trait Rows: Debug {
    /// Appends the numbers of some rows, row-major.
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>);

    /// Whether the numbers are there already, so that reading them again costs little.
    fn is_stored(&self) -> bool {
        false
    }

    /// All numbers as a type, where they lie somewhere as just that.
    fn in_place(&self, _dtype: Dtype) -> Option<Cells> {
        None
    }
}

/// Numbers that are read together, about.
const BLOCK: usize = 1 << 15;

impl Values {
    /// Some rows.
    pub fn read(&self, rows: Range<usize>) -> Vec<f64> {
        let mut block = Vec::with_capacity(rows.len() * self.width());
        self.data.read(rows, &mut block);
        block
    }

    /// Calls `each` with the first row of a block and its numbers, block by block, until it fails.
    ///
    /// # Errors
    /// That of `each`.
    pub fn each_block<E>(&self, mut each: impl FnMut(usize, &[f64]) -> Result<(), E>) -> Result<(), E> {
        let together = (BLOCK / self.width().max(1)).max(1);
        let mut block = vec![];
        for first in (0..self.rows).step_by(together) {
            block.clear();
            self.data.read(first..(first + together).min(self.rows), &mut block);
            each(first, &block)?;
        }
        Ok(())
    }

    /// Calls `each` with the numbers of some rows, which ascend.
    pub fn each_row(&self, rows: &[u32], mut each: impl FnMut(&[f64])) {
        let width = self.width();
        let together = (BLOCK / width.max(1)).max(1);
        let mut block = vec![];
        let mut left = rows;
        while let Some(&first) = left.first() {
            let first = first as usize;
            let end = (first + together).min(self.rows);
            block.clear();
            self.data.read(first..end, &mut block);
            let (here, behind) = left.split_at(left.partition_point(|&row| (row as usize) < end));
            here.iter().for_each(|&row| each(&block[(row as usize - first) * width..][..width]));
            left = behind;
        }
    }

    /// The first row with a number.
    pub fn row_with(&self, number: f64) -> Option<usize> {
        let width = self.width().max(1);
        let find = |first: usize, block: &[f64]| match block.iter().position(|&x| x == number) {
            Some(k) => Err(first + k / width),
            None => Ok(()),
        };
        self.each_block(find).err()
    }

    /// Classes by the numbers of another vocabulary: for each their new one.
    pub fn renumber(&mut self, numbers: Vec<f64>) {
        self.data = Rc::new(Renumbered { of: self.data.clone(), numbers });
    }

    /// The same numbers, computed once and for all.
    ///
    /// # Errors
    /// Where a file is needed for them and cannot be written.
    pub fn stored(self, room: &Room, span: Span) -> Result<Values, Diagnostics> {
        if self.data.is_stored() {
            return Ok(self);
        }
        let mut numbers = room::told(Builder::for_count(room, self.rows * self.width()), span)?;
        room::told(self.each_block(|_, block| numbers.extend(block)), span)?;
        let numbers = room::told(numbers.finish(), span)?;
        Ok(Values { data: Rc::new(Stored { width: self.width(), numbers }), ..self })
    }
}

/// Numbers that were computed.
#[derive(Debug, Default)]
pub struct Stored {
    /// Of one row.
    pub width: usize,
    /// All.
    pub numbers: Buffer<f64>,
}

impl Rows for Stored {
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        out.extend_from_slice(&self.numbers[rows.start * self.width..rows.end * self.width]);
    }

    fn is_stored(&self) -> bool {
        true
    }
}

/// A type of number in a file: the bytes of one, and how one is read, in the order of bytes of the file.
#[derive(Clone, Copy, Debug)]
pub struct Coding {
    /// Bytes of one.
    pub size: usize,
    /// How one is read.
    pub read: fn(&[u8]) -> f64,
    /// Whether its bytes stand in reverse to what `read` takes.
    pub reversed: bool,
    /// The type that its numbers are, little-endian, if any.
    pub is: Option<Dtype>,
}

impl Coding {
    fn number(&self, bytes: &[u8]) -> f64 {
        if !self.reversed {
            return (self.read)(bytes);
        }
        let mut turned = [0; 8];
        turned[..self.size].copy_from_slice(bytes);
        turned[..self.size].reverse();
        (self.read)(&turned[..self.size])
    }
}

/// An array in the bytes of a file.
#[derive(Debug)]
pub struct Array {
    /// The numbers, without a header.
    pub bytes: Buffer<u8>,
    /// What they are.
    pub coding: Coding,
    /// Numbers of one row.
    pub width: usize,
    /// Where the first axis, the rows, runs fastest: how many there are, and for each element of a row how many columns of
    /// so many come before it.
    pub columns: Option<(usize, Vec<usize>)>,
}

impl Rows for Array {
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        let size = self.coding.size;
        match &self.columns {
            None => {
                let bytes = &self.bytes[rows.start * self.width * size..rows.end * self.width * size];
                out.extend(bytes.chunks_exact(size).map(|one| self.coding.number(one)));
            }
            Some((count, before)) => out.extend(rows.flat_map(|row| {
                before.iter().map(move |before| {
                    self.coding.number(&self.bytes[(row + count * before) * size..][..size])
                })
            })),
        }
    }

    fn is_stored(&self) -> bool {
        true
    }

    fn in_place(&self, dtype: Dtype) -> Option<Cells> {
        if self.columns.is_some() || self.coding.reversed || self.coding.is != Some(dtype) {
            return None;
        }
        Some(match dtype {
            Dtype::F32 => Cells::F32(self.bytes.in_place()?),
            Dtype::F64 => Cells::F64(self.bytes.in_place()?),
        })
    }
}

/// Classes: numbers in the order in which they first came, and for each its place in the vocabulary.
#[derive(Debug)]
pub struct Classes {
    /// Of one row.
    pub width: usize,
    /// All.
    pub numbers: Buffer<u32>,
    /// Of each number.
    pub places: Vec<u32>,
}

impl Rows for Classes {
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        let numbers = &self.numbers[rows.start * self.width..rows.end * self.width];
        out.extend(numbers.iter().map(|&number| f64::from(self.places[number as usize])));
    }

    fn is_stored(&self) -> bool {
        true
    }
}

/// Classes by the numbers of another vocabulary.
#[derive(Debug)]
pub struct Renumbered {
    /// Their own numbers.
    pub of: Rc<dyn Rows>,
    /// For each the other.
    pub numbers: Vec<f64>,
}

impl Rows for Renumbered {
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        let from = out.len();
        self.of.read(rows, out);
        out[from..].iter_mut().for_each(|number| *number = self.numbers[*number as usize]);
    }
}

/// Numbers, and what stands where one is missing, which is NaN.
#[derive(Debug)]
pub struct Filled {
    /// With gaps.
    pub of: Rc<dyn Rows>,
    /// One an element of a row.
    pub fill: Vec<f64>,
}

impl Rows for Filled {
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        let from = out.len();
        self.of.read(rows, out);
        let elements = out[from..].iter_mut().zip(self.fill.iter().cycle());
        elements.filter(|(x, _)| x.is_nan()).for_each(|(x, fill)| *x = *fill);
    }
}

/// What `standardize` or `scale` makes of numbers.
#[derive(Debug)]
pub struct Shifted {
    /// As they were.
    pub of: Rc<dyn Rows>,
    /// What is taken off.
    pub by: Standardized,
}

impl Rows for Shifted {
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        let from = out.len();
        self.of.read(rows, out);
        self.by.apply(&mut out[from..]);
    }
}

/// An operand of what is computed number by number.
#[derive(Clone, Debug)]
pub enum Operand {
    /// The same for every row.
    Number(f64),
    /// One for all elements of a row.
    Scalar(Rc<dyn Rows>),
    /// As many as the elements of a row.
    Array(Rc<dyn Rows>),
}

/// Some rows of an operand.
struct Block {
    data: Vec<f64>,
    /// From one row to the next.
    row: usize,
    /// From one element to the next.
    element: usize,
}

impl Operand {
    fn block(&self, rows: Range<usize>, width: usize) -> Block {
        let mut data = vec![];
        let (row, element) = match self {
            Operand::Number(number) => {
                data.push(*number);
                (0, 0)
            }
            Operand::Scalar(of) => {
                of.read(rows, &mut data);
                (1, 0)
            }
            Operand::Array(of) => {
                of.read(rows, &mut data);
                (width, 1)
            }
        };
        Block { data, row, element }
    }
}

/// Numbers that are computed one by one, each from those of the operands at its place.
pub struct Computed<F> {
    /// Of one row.
    pub width: usize,
    /// What it is computed from.
    pub operands: Vec<Operand>,
    /// The number from those of the operands; its row and its element.
    pub value: F,
}

impl<F> Debug for Computed<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Computed").field("operands", &self.operands).finish_non_exhaustive()
    }
}

impl<F: Fn(&[f64], usize, usize) -> f64> Rows for Computed<F> {
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        let blocks: Vec<Block> =
            self.operands.iter().map(|operand| operand.block(rows.clone(), self.width)).collect();
        let mut numbers = vec![0.0; blocks.len()];
        for (at, row) in rows.enumerate() {
            for k in 0..self.width {
                let operands = blocks.iter().map(|block| block.data[at * block.row + k * block.element]);
                numbers.iter_mut().zip(operands).for_each(|(number, operand)| *number = operand);
                out.push((self.value)(&numbers, row, k));
            }
        }
    }
}

/// Windows of a sequence.
#[derive(Debug)]
pub struct Cut {
    /// What is cut.
    pub text: Rc<Sequence>,
    /// Elements of a window.
    pub width: usize,
    /// Elements from one window to the next.
    pub every: usize,
    /// Where each piece's windows begin: the first of its windows, and its first element.
    pub pieces: Vec<(usize, usize)>,
}

impl Rows for Cut {
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        for row in rows {
            let piece = self.pieces.partition_point(|(first, _)| *first <= row) - 1;
            let (first, begin) = self.pieces[piece];
            let begin = begin + (row - first) * self.every;
            self.text.data.read(begin..begin + self.width, out);
        }
    }

    fn is_stored(&self) -> bool {
        self.text.data.is_stored()
    }
}

/// Rows behind others.
#[derive(Debug)]
pub struct Together {
    /// Each with its number of rows.
    pub parts: Vec<(usize, Rc<dyn Rows>)>,
}

impl Rows for Together {
    fn read(&self, rows: Range<usize>, out: &mut Vec<f64>) {
        let mut before = 0;
        for (count, part) in &self.parts {
            let here = rows.start.max(before)..rows.end.min(before + count);
            if !here.is_empty() {
                part.read(here.start - before..here.end - before, out);
            }
            before += count;
        }
    }
}
