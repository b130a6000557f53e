//! Tiles by functions that are made for them, where there is a maker: for the height of tiles, the lanes of their vectors
//! and the strides of a product, written out some elements of `k` at a time. They take fewer instructions than [`tile`]
//! does for any product, and go from panel to panel by themselves.
//!
//! [`tile`]: super::tile

pub use super::tile::{Place, Segment, VECTORS};

use super::run::Ends;
use super::task::{Task, Vector, parted};
use super::tile::Real;
use super::variant::Variant;
use super::{count, even_blocks};
use std::ops::Range;

/// Kinds of panels that a function knows: whole ones, those where a line of the result ends in one of four vectors, and the
/// last one.
pub const KINDS: usize = 6;

/// Panels of as many vectors with as many lanes.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Kind {
    /// Of each vector.
    pub lanes: Vec<usize>,
    /// Rows of the tiles that there is code for, the higher ones first; 0 for none.
    pub heights: [usize; 2],
}

/// What a function is made for. Strides and lengths are in elements.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Shape {
    /// Of what vectors: not [`Variant::Portable`].
    pub variant: Variant,
    /// The panels that there are.
    pub kinds: Vec<Kind>,
    /// Where columns are packed: from one panel to the next.
    pub packed: Option<usize>,
    /// Stride of the rows' operand along `k`.
    pub a_k: i64,
    /// Stride of the columns' operand along `k`.
    pub b_k: i64,
    /// Elements of `k` that are written out.
    pub unroll: usize,
    /// Whether sums may be added to what stands in the result.
    pub adds: bool,
    /// Whether they are divided.
    pub divides: bool,
    /// Whether results are asked for before they are written.
    pub far: bool,
}

/// A panel: its vectors' places in the columns' operand, unless it is packed, and in the result.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Panel {
    /// In the operand.
    pub b: [isize; VECTORS],
    /// In the result.
    pub out: [isize; VECTORS],
    /// Which of the shape's kinds.
    pub kind: u64,
}

/// What a function is told. It changes `panel`, `b`, `row` and `left`.
#[repr(C)]
#[derive(Debug)]
pub struct Call {
    /// The rows' operand.
    pub a: *const f32,
    /// The rows, as many as there are in all tiles.
    pub rows: *const Place,
    /// The chain over `k`, which has one part at least.
    pub segments: *const Segment,
    /// Where it ends.
    pub segments_end: *const Segment,
    /// The columns' operand, or the first panel of packed ones.
    pub b: *const f32,
    /// The result.
    pub out: *mut f32,
    /// The panels, one at least.
    pub panel: *const Panel,
    /// Where they end.
    pub panels_end: *const Panel,
    /// Of each kind, how many tiles of each height.
    pub tiles: [[u64; 2]; KINDS],
    /// The first row of a tile.
    pub row: *const Place,
    /// Tiles that are left.
    pub left: u64,
    /// Whether sums are added to what stands in the result.
    pub add: u64,
    /// What sums are divided by.
    pub divisor: f32,
    /// What they may be multiplied by instead, with the same result; 0 if there is no such number.
    pub factor: f32,
}

/// Computes the tiles that a call describes.
pub type Function = unsafe extern "C" fn(*mut Call);

/// A function, and the panels of a whole batch for it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    variant: Variant,
    /// Vectors of a panel.
    width: usize,
    kinds: Vec<Kind>,
    panels: Vec<Panel>,
    /// Columns of all panels.
    columns: usize,
    function: Function,
}

/// Where tiles read and write.
#[derive(Clone, Copy)]
pub(super) struct At<T> {
    pub a: *const T,
    /// As [`Call::b`].
    pub b: *const T,
    pub out: *mut T,
}

impl Made {
    /// The panels of some vectors, if there are panels of just these where there are so many columns.
    pub fn panels(&self, vectors: Range<usize>, columns: usize) -> Option<&[Panel]> {
        let width = self.width;
        let whole = vectors.start.is_multiple_of(width) && columns == self.columns;
        let panels = &self.panels[vectors.start / width..];
        let count = vectors.len().div_ceil(width);
        let panels = panels.get(..count).filter(|_| whole)?;
        let last = panels.last()?;
        let held = (count - 1) * width + self.kinds[last.kind as usize].lanes.len();
        (held == vectors.len()).then_some(panels)
    }

    /// How many tiles of each height so many rows are, if there is code for them.
    pub fn tiles(&self, rows: usize) -> Option<[[u64; 2]; KINDS]> {
        let mut tiles = [[0; 2]; KINDS];
        for (tiles, kind) in tiles.iter_mut().zip(&self.kinds) {
            *tiles = kind.tiles(self.variant, rows)?;
        }
        Some(tiles)
    }

    /// Computes panels.
    ///
    /// # Safety
    /// `T` is `f32`; rows, panels, and the chain, which has one part at least, are inside the arrays; `tiles` is what
    /// [`Made::tiles`] says of so many rows.
    pub unsafe fn run<T: Real>(
        &self,
        At { a, b, out }: At<T>,
        rows: &[Place],
        panels: &[Panel],
        tiles: [[u64; 2]; KINDS],
        segments: &[Segment],
        ends: Ends<T>,
    ) {
        let (segments, panels) = (segments.as_ptr_range(), panels.as_ptr_range());
        let divisor = ends.divisor.get() as f32;
        let mut call = Call {
            a: a.cast(),
            rows: rows.as_ptr(),
            segments: segments.start,
            segments_end: segments.end,
            b: b.cast(),
            out: out.cast(),
            panel: panels.start,
            panels_end: panels.end,
            tiles,
            row: rows.as_ptr(),
            left: 0,
            add: u64::from(ends.add),
            divisor,
            factor: exact_reciprocal(divisor).unwrap_or(0.0),
        };
        // SAFETY: the function was made for the shape of this product, and touches what is described.
        unsafe { (self.function)(&raw mut call) }
    }
}

impl Kind {
    /// For so many rows, or fewer.
    fn new(variant: Variant, lanes: Vec<usize>, rows: usize) -> Kind {
        let [high, low] = heights(variant, lanes.len(), rows);
        let low = if low < high { low } else { high - 1 };
        Kind { lanes, heights: [high, low] }
    }

    /// How many tiles of each height so many rows are, if there is code for them.
    fn tiles(&self, variant: Variant, rows: usize) -> Option<[u64; 2]> {
        let [high, low] = heights(variant, self.lanes.len(), rows);
        let mut tiles = [0; 2];
        let count = rows.div_ceil(variant.height(self.lanes.len()));
        for (height, count) in [(high, rows - low * count), (low, count - (rows - low * count))] {
            if count > 0 {
                tiles[self.heights.iter().position(|&known| known == height)?] += count as u64;
            }
        }
        Some(tiles)
    }
}

/// The number by which to multiply gives what dividing by `divisor`, 1 at least, gives: only powers of two have one. A
/// division takes as long as some ten multiplications.
fn exact_reciprocal(divisor: f32) -> Option<f32> {
    const MANTISSA: u32 = (1 << (f32::MANTISSA_DIGITS - 1)) - 1;
    (divisor.to_bits() & MANTISSA == 0).then(|| divisor.recip()).filter(|factor| factor.is_normal())
}

/// Rows of the highest and of the lowest tile, of so many vectors, that so many rows are divided into.
fn heights(variant: Variant, vectors: usize, rows: usize) -> [usize; 2] {
    let tiles = rows.div_ceil(variant.height(vectors)).max(1);
    [rows.div_ceil(tiles), rows / tiles]
}

impl Task {
    /// What a function for this product's tiles is to be made for, for whole batches, if there is one to be.
    pub fn shape(&self) -> Option<Shape> {
        let n = self.capacity;
        let [rows, _] = self.counts.map(|count| count.for_examples(n));
        let (outer, inner) = parted(&self.k);
        let (blocks, block) = even_blocks(count(&self.k, n), self.k_block);
        let variant = self.variant;
        if variant == Variant::Portable || rows == 0 || block == 0 || self.columns.vectors.is_empty() {
            return None;
        }
        let mut kinds: Vec<Kind> = vec![];
        for panel in self.columns.vectors.chunks(self.panel_vectors) {
            let kind = self.kind(panel);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let run = if outer.is_empty() { block } else { inner.extent.len_for(n) };
        let a_k = self.rows.width().map_or(inner.a, |width| width as i64);
        let shape = Shape {
            variant,
            kinds,
            packed: self.columns.packed.then(|| self.panel_len::<f32>()),
            a_k,
            b_k: if self.columns.packed { self.panel_width::<f32>() as i64 } else { inner.b },
            unroll: if run < 4 { run } else { (4..=10).rev().find(|by| run % by == 0).unwrap_or(8) },
            adds: blocks > 1,
            divides: self.mean,
            far: self.far && !self.columns.scattered,
        };
        shape.is_possible().then_some(shape)
    }

    /// Of a panel of a whole batch.
    fn kind(&self, panel: &[Vector]) -> Kind {
        let [rows, columns] = self.counts.map(|count| count.for_examples(self.capacity));
        let rows = if self.columns.scattered { rows.min(self.scattered_at_once::<f32>()) } else { rows };
        Kind::new(self.variant, panel.iter().map(|vector| vector.count_of(columns)).collect(), rows)
    }

    /// Runs tiles by a function from now on.
    ///
    /// # Safety
    /// It was made for this task's shape; it lives as long as the task runs; numbers are `f32`.
    pub unsafe fn run_by(&mut self, function: Function, shape: &Shape) {
        let panel = |panel: &[Vector]| {
            let kind = self.kind(panel);
            let place = |v: usize| panel[v.min(panel.len() - 1)].place;
            Panel {
                b: std::array::from_fn(|v| place(v).operand),
                out: std::array::from_fn(|v| place(v).out),
                kind: shape.kinds.iter().position(|known| *known == kind).expect("one of the shape's") as u64,
            }
        };
        let panels = self.columns.vectors.chunks(self.panel_vectors).map(panel).collect();
        let columns = self.counts[1].for_examples(self.capacity);
        self.made = Some(Made {
            variant: self.variant,
            width: self.panel_vectors,
            kinds: shape.kinds.clone(),
            panels,
            columns,
            function,
        });
    }
}

impl Shape {
    /// Whether a function can be made: one mask a panel, and strides that instructions can hold.
    fn is_possible(&self) -> bool {
        let whole = self.variant.lanes::<f32>();
        let one_mask = |kind: &Kind| {
            let mut some = kind.lanes.iter().filter(|&&lanes| lanes < whole);
            some.next().is_none_or(|first| some.all(|lanes| lanes == first))
        };
        let short = |stride: i64| i32::try_from(stride * 4 * self.unroll as i64).is_ok();
        self.kinds.len() <= KINDS && self.kinds.iter().all(one_mask) && short(self.a_k) && short(self.b_k)
    }
}
