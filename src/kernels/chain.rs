//! The chain over `k` of a product: the blocks that it is summed in, and the parts of a block along which operands have one
//! stride.

use super::task::{Task, parted};
use super::tile::{Real, Segment};
use super::walk::Walk;
use super::{count, even_blocks};
use crate::plan::schedule::ContractAxis;
use std::ops::Range;

/// The chain over `k`, in blocks.
#[derive(Clone, Copy)]
pub(super) struct Chain {
    extent: usize,
    pub blocks: usize,
    length: usize,
    /// Whether each block's sums stand for themselves, rather than being added to those before.
    pub apart: bool,
}

impl Chain {
    /// Of so many elements, in blocks of that length at most.
    pub fn new(extent: usize, longest: usize) -> Chain {
        let (blocks, length) = even_blocks(extent, longest);
        Chain { extent, blocks, length, apart: false }
    }

    /// The same, where each block's sums stand for themselves.
    pub fn of_sums_apart(self) -> Chain {
        Chain { apart: true, ..self }
    }

    /// The elements of a block.
    pub fn block(self, number: usize) -> Range<usize> {
        number * self.length..self.extent.min((number + 1) * self.length)
    }
}

/// Parts of chains over `k` that are kept from one run to the next: to make one anew takes some nanoseconds.
const MOST_PARTS: usize = 1 << 12;

/// The parts of a block of the chain over `k`.
#[derive(Clone, Debug, Default)]
pub(super) struct Segments {
    pub list: Vec<Segment>,
    /// Strides within a part, in the rows' and the columns' operand.
    pub stride: (isize, isize),
    /// The same as tiles read them: in copies of rows, in a panel of packed columns. Those that continue each other are one.
    pub read: Vec<Segment>,
    pub read_stride: (isize, isize),
}

impl Segments {
    /// For a block of `k`; `widths`: elements from one of `k` to the next, where rows and columns are copied.
    fn fill(&mut self, axes: &[ContractAxis], k: Range<usize>, n: usize, widths: [Option<usize>; 2]) {
        let (outer, inner) = parted(axes);
        let (length, stride) = (inner.extent.len_for(n).max(1), (inner.a as isize, inner.b as isize));
        let [rows, columns] = widths.map(|width| width.map(|width| width as isize));
        self.stride = stride;
        self.read_stride = (rows.unwrap_or(stride.0), columns.unwrap_or(stride.1));
        self.list.clear();
        self.read.clear();
        let mut at = k.start;
        let mut walk = Walk::new(outer, if outer.is_empty() { 0 } else { at / length }, n);
        while at < k.end {
            let [a, b, _] = walk.next().expect("a walk has no end").map(|offset| offset as isize);
            let i = if outer.is_empty() { at } else { at % length };
            let len = (if outer.is_empty() { k.end } else { at - i + length }).min(k.end) - at;
            let (a, b) = (a + i as isize * stride.0, b + i as isize * stride.1);
            self.list.push(Segment { a, b, len });
            let done = (at - k.start) as isize;
            let (a, b) = (rows.map_or(a, |width| done * width), columns.map_or(b, |width| done * width));
            self.append_read(Segment { a, b, len });
            at += len;
        }
    }

    /// Appends a part as tiles read it: to the one before, where it begins where that one ends.
    fn append_read(&mut self, part: Segment) {
        let (a, b) = self.read_stride;
        match self.read.last_mut() {
            Some(last)
                if (last.a + last.len as isize * a, last.b + last.len as isize * b) == (part.a, part.b) =>
            {
                last.len += part.len;
            }
            _ => self.read.push(part),
        }
    }
}

impl Task {
    /// The parts of a block of the chain over `k`: those that are known, or those that are made.
    pub(super) fn segments<'a, T: Real>(
        &'a self,
        made: &'a mut Segments,
        chain: Chain,
        block: usize,
        n: usize,
    ) -> &'a Segments {
        if n == self.capacity && !self.blocks.is_empty() {
            return &self.blocks[block];
        }
        let packed = self.columns.packed.then_some(self.panel_width::<T>());
        made.fill(&self.k, chain.block(block), n, [self.rows.width(), packed]);
        made
    }

    /// The parts of all blocks for a whole batch; nothing if they are too many to be kept.
    pub(super) fn blocks_of_whole_batch<T: Real>(&self) -> Vec<Segments> {
        let (outer, inner) = parted(&self.k);
        let chain = Chain::new(count(&self.k, self.capacity), self.k_block);
        let parts =
            if outer.is_empty() { 0 } else { chain.extent / inner.extent.len_for(self.capacity).max(1) };
        if parts + chain.blocks > MOST_PARTS {
            return vec![];
        }
        let block = |block| {
            let mut made = Segments::default();
            self.segments::<T>(&mut made, chain, block, self.capacity);
            made
        };
        (0..chain.blocks).map(block).collect()
    }
}
