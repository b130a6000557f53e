//! What is decided about a contraction before the first step, and how it then runs.

use super::tile::{Lanes, Real, TileArgs, tile};
use super::walk::Walk;
use super::{count, even_blocks, offsets};
use crate::plan::schedule::{Contract, ContractAxis, Extent};

/// Which instructions run it. Never changes bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Variant {
    /// 128 bits, on any machine.
    Portable,
    /// 256 bits.
    Avx2,
    /// 512 bits.
    Avx512,
}

impl Variant {
    /// Those that this processor can run, the best last.
    pub fn here() -> Vec<Variant> {
        let mut here = vec![Variant::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                here.push(Variant::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
                here.push(Variant::Avx512);
            }
        }
        here
    }

    /// Results along a row that one vector holds.
    fn lanes<T: Real>(self) -> usize {
        let bits = match self {
            Variant::Portable => 128,
            Variant::Avx2 => 256,
            Variant::Avx512 => 512,
        };
        bits / (8 * size_of::<T>())
    }
}

/// Rows of the largest tile.
const ROWS: usize = 8;
/// Vectors side by side in the largest tile.
const VECTORS: usize = 2;
/// Columns of the widest tile of any variant.
const WIDEST: usize = VECTORS * 16;

/// A contraction made ready to run many times.
///
/// Rows are the axes whose operand is read element by element, columns those whose elements lie in the lanes of
/// vectors; which of the two operands is which was chosen in [`Task::prepare`].
#[derive(Clone, Debug)]
pub struct Task {
    variant: Variant,
    /// Whether the operands were exchanged: rows are the contraction's `n`.
    exchanged: bool,
    batch: Vec<ContractAxis>,
    rows: Side,
    columns: Side,
    /// Summed axes: strides in the rows' operand (`a`) and the columns' (`b`).
    k: Vec<ContractAxis>,
    /// The stride of each operand along `k` where it is walked as one axis.
    k_stride: Option<(isize, isize)>,
    /// First elements: rows' operand, columns' operand, out.
    start: [i64; 3],
    k_block: usize,
    mean: bool,
    capacity: usize,
}

/// The axes that one operand shares with the result.
#[derive(Clone, Debug)]
struct Side {
    /// `a`: stride in the operand; `out`: in the result.
    axes: Vec<ContractAxis>,
    /// Those strides where they are walked as one axis.
    stride: Option<(isize, isize)>,
}

impl Side {
    fn new(axes: Vec<ContractAxis>) -> Self {
        let stride = as_one(&axes).map(|axis| (axis.a as isize, axis.out as isize));
        Side { axes, stride }
    }

    /// Whether elements lie side by side both in the operand and in the result.
    fn contiguous(&self) -> bool {
        self.stride == Some((1, 1))
    }
}

impl Task {
    /// Decides for the best variant that this processor can run.
    pub fn prepare<T: Real>(contract: &Contract, capacity: u32) -> Task {
        let best = *Variant::here().last().expect("the portable variant runs everywhere");
        Task::prepare_for::<T>(contract, capacity, best)
    }

    /// Decides for a variant.
    pub fn prepare_for<T: Real>(contract: &Contract, capacity: u32, variant: Variant) -> Task {
        let m: Vec<_> = contract.m.iter().map(|x| ContractAxis { b: 0, ..*x }).collect();
        let n: Vec<_> = contract.n.iter().map(|x| ContractAxis { a: x.b, b: 0, ..*x }).collect();
        let (m, n) = (Side::new(joined(&outermost_batch(m))), Side::new(joined(&outermost_batch(n))));
        // Vectors run along the side whose elements lie side by side in the result, best also in its operand.
        let worth = |side: &Side| {
            let long = count(&side.axes, capacity as usize) >= variant.lanes::<T>();
            (side.contiguous(), long, side.stride.is_some_and(|(_, out)| out == 1))
        };
        let exchanged = worth(&m) > worth(&n);
        let swap = |axis: &ContractAxis| ContractAxis { a: axis.b, b: axis.a, ..*axis };
        let orient = |axes: &[ContractAxis]| match exchanged {
            true => axes.iter().map(swap).collect(),
            false => axes.to_vec(),
        };
        let (rows, columns) = if exchanged { (n, m) } else { (m, n) };
        let k = joined(&orient(&contract.k));
        let k_stride = as_one(&k).map(|axis| (axis.a as isize, axis.b as isize));
        let (a, b) = (contract.a.at.offset, contract.b.at.offset);
        let (a, b) = if exchanged { (b, a) } else { (a, b) };
        Task {
            variant,
            exchanged,
            batch: orient(&contract.batch),
            rows,
            columns,
            k,
            k_stride,
            start: [a, b, contract.out.at.offset],
            k_block: contract.k_block as usize,
            mean: contract.mean,
            capacity: capacity as usize,
        }
    }

    /// Elements of scratch memory that a run needs: packed rows and columns of one block of `k`.
    pub fn scratch_len(&self) -> usize {
        let k = count(&self.k, self.capacity).min(self.k_block);
        let columns = count(&self.columns.axes, self.capacity).next_multiple_of(WIDEST);
        let rows = if self.packs_rows() { count(&self.rows.axes, self.capacity) } else { 0 };
        k * (rows + columns)
    }

    /// Whether the rows' operand is copied: only where its elements cannot be reached by two strides.
    fn packs_rows(&self) -> bool {
        self.rows.stride.is_none() || self.k_stride.is_none()
    }

    /// Whether the columns' operand can be read where it lies, but for the last columns.
    fn reads_columns_in_place(&self) -> bool {
        self.columns.stride.is_some_and(|(operand, _)| operand == 1) && self.k_stride.is_some()
    }

    /// See [`super::contract`].
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn run<T: Real>(
        &self,
        a: *const T,
        b: *const T,
        out: *mut T,
        n: usize,
        scratch: *mut T,
    ) {
        let (a, b) = if self.exchanged { (b, a) } else { (a, b) };
        for batch in 0..count(&self.batch, n) {
            let at = offsets(&self.batch, batch, n);
            // SAFETY: offsets of axes inside their extents stay inside the buffers, by the caller's contract.
            unsafe {
                let a = a.offset((self.start[0] + at[0]) as isize);
                let b = b.offset((self.start[1] + at[1]) as isize);
                let out = out.offset((self.start[2] + at[2]) as isize);
                self.product(a, b, out, n, scratch);
            }
        }
    }

    /// One product of the batch.
    unsafe fn product<T: Real>(&self, a: *const T, b: *const T, out: *mut T, n: usize, scratch: *mut T) {
        let k_extent = count(&self.k, n);
        let (blocks, length) = even_blocks(k_extent, self.k_block);
        for block in 0..blocks {
            let first = block * length;
            let k = first..k_extent.min(first + length);
            let divisor = if self.mean && block + 1 == blocks { T::of(n as f64) } else { T::of(1.0) };
            let ends = Ends { add: block > 0, divisor };
            // SAFETY: handed on.
            unsafe { self.block(a, b, out, n, k, ends, scratch) }
        }
    }

    /// One block of the chain over `k`, for all rows and columns.
    #[allow(clippy::too_many_arguments)]
    unsafe fn block<T: Real>(
        &self,
        a: *const T,
        b: *const T,
        out: *mut T,
        n: usize,
        k: std::ops::Range<usize>,
        ends: Ends<T>,
        scratch: *mut T,
    ) {
        let width = self.tile_width::<T>(count(&self.columns.axes, n));
        let packed_columns = scratch;
        // SAFETY: `scratch_len` has room for the columns and then the rows of one block.
        let packed_rows = unsafe {
            let columns = count(&self.columns.axes, n).next_multiple_of(WIDEST);
            scratch.add(k.len() * columns)
        };
        let rows = match (self.packs_rows(), self.rows.stride, self.k_stride) {
            (false, Some((row, _)), Some((along, _))) => {
                // SAFETY: the first k of the block is inside the operand.
                let first = unsafe { a.offset(k.start as isize * along) };
                Rows { first, row, along }
            }
            _ => {
                // SAFETY: room as above.
                unsafe { self.pack_rows(a, n, k.clone(), packed_rows) };
                Rows { first: packed_rows, row: k.len() as isize, along: 1 }
            }
        };
        let total = count(&self.columns.axes, n);
        for column in (0..total).step_by(width) {
            let wide = width.min(total - column);
            let columns = if self.reads_columns_in_place() && wide == width {
                let along = self.k_stride.map_or(0, |(_, along)| along);
                // SAFETY: a whole tile of columns from here is inside the operand.
                let first = unsafe { b.offset(k.start as isize * along).add(column) };
                Columns { first, along }
            } else {
                // SAFETY: room as above; panels of `width` columns follow each other.
                let panel = unsafe { packed_columns.add(column * k.len()) };
                // SAFETY: the operand and the panel reach as far.
                unsafe { self.pack_columns(b, n, k.clone(), column..column + wide, width, panel) };
                Columns { first: panel, along: width as isize }
            };
            // SAFETY: handed on.
            unsafe {
                self.column_of_tiles(rows, columns, out, n, k.len(), column..column + wide, width, ends)
            };
        }
    }

    /// Columns of a tile: one vector where that is enough, else two.
    fn tile_width<T: Real>(&self, columns: usize) -> usize {
        let lanes = self.variant.lanes::<T>();
        if columns <= lanes { lanes } else { VECTORS * lanes }
    }

    /// All rows of one panel of columns.
    #[allow(clippy::too_many_arguments)]
    unsafe fn column_of_tiles<T: Real>(
        &self,
        rows: Rows<T>,
        columns: Columns<T>,
        out: *mut T,
        n: usize,
        k: usize,
        range: std::ops::Range<usize>,
        width: usize,
        ends: Ends<T>,
    ) {
        let total = count(&self.rows.axes, n);
        let in_place = range.len() == width && self.columns.stride.is_some_and(|(_, out)| out == 1);
        let direct = self.rows.stride.filter(|_| in_place);
        let mut edge = [T::of(0.0); ROWS * WIDEST];
        let mut column_places = [0isize; WIDEST];
        let column_places = &mut column_places[..range.len()];
        for (place, at) in column_places.iter_mut().zip(Walk::new(&self.columns.axes, range.start, n)) {
            *place = at[2] as isize;
        }
        let mut row_places = Walk::new(&self.rows.axes, 0, n);
        for row in (0..total).step_by(ROWS) {
            let high = ROWS.min(total - row);
            let mut args = TileArgs {
                k,
                a: rows.first.wrapping_offset(row as isize * rows.row),
                a_row: rows.row,
                a_k: rows.along,
                b: columns.first,
                b_k: columns.along,
                out: edge.as_mut_ptr(),
                out_row: width as isize,
                add: false,
                divisor: T::of(1.0),
            };
            if let Some((_, out_row)) = direct {
                args.out = out.wrapping_offset(row as isize * out_row).wrapping_add(range.start);
                (args.out_row, args.add, args.divisor) = (out_row, ends.add, ends.divisor);
            }
            // SAFETY: `high` rows and `width` columns are inside what `args` points to: the operand, the packed
            // panel, and the result or the edge buffer.
            unsafe { run_tile(self.variant, high, width / self.variant.lanes::<T>(), &args) };
            if direct.is_none() {
                for (edge, at) in edge.chunks(width).zip(row_places.by_ref().take(high)) {
                    // SAFETY: rows and columns are inside the result.
                    unsafe { self.write_edge(edge, out.offset(at[2] as isize), column_places, ends) };
                }
            }
        }
    }

    /// Copies a row of a tile that could not be written in place to where it belongs.
    unsafe fn write_edge<T: Real>(&self, edge: &[T], out: *mut T, columns: &[isize], ends: Ends<T>) {
        for (&sum, &column) in edge.iter().zip(columns) {
            // SAFETY: the position is inside the result, by the caller's contract.
            unsafe {
                let to = out.offset(column);
                let sum = if ends.add { *to + sum } else { sum };
                *to = if ends.divisor != T::of(1.0) { sum / ends.divisor } else { sum };
            }
        }
    }

    /// Copies the rows' operand to `to[row, k]`.
    unsafe fn pack_rows<T: Real>(&self, a: *const T, n: usize, k: std::ops::Range<usize>, to: *mut T) {
        let along: Vec<isize> =
            Walk::new(&self.k, k.start, n).map(|at| at[0] as isize).take(k.len()).collect();
        let rows = Walk::new(&self.rows.axes, 0, n).take(count(&self.rows.axes, n));
        for (row, at) in rows.enumerate() {
            for (i, &along) in along.iter().enumerate() {
                // SAFETY: inside the operand and inside the scratch memory.
                unsafe { *to.add(row * k.len() + i) = *a.offset(at[0] as isize + along) };
            }
        }
    }

    /// Copies columns of their operand to `to[k, width]`, zeros beyond the last.
    unsafe fn pack_columns<T: Real>(
        &self,
        b: *const T,
        n: usize,
        k: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
        width: usize,
        to: *mut T,
    ) {
        let mut places = [0isize; WIDEST];
        let places = &mut places[..columns.len()];
        for (place, at) in places.iter_mut().zip(Walk::new(&self.columns.axes, columns.start, n)) {
            *place = at[0] as isize;
        }
        let side_by_side = places.windows(2).all(|pair| pair[1] == pair[0] + 1);
        for (i, at) in Walk::new(&self.k, k.start, n).take(k.len()).enumerate() {
            // SAFETY: inside the operand; row `i` of the panel has `width` columns.
            unsafe {
                let (from, to) = (b.offset(at[1] as isize), to.add(i * width));
                if side_by_side {
                    from.offset(places[0]).copy_to_nonoverlapping(to, places.len());
                } else {
                    places.iter().enumerate().for_each(|(j, &place)| *to.add(j) = *from.offset(place));
                }
                (places.len()..width).for_each(|j| *to.add(j) = T::of(0.0));
            }
        }
    }
}

/// How the end of a block is written.
#[derive(Clone, Copy)]
struct Ends<T> {
    add: bool,
    divisor: T,
}

/// Where rows of the operand are read.
#[derive(Clone, Copy)]
struct Rows<T> {
    first: *const T,
    row: isize,
    along: isize,
}

/// Where a panel of columns is read.
#[derive(Clone, Copy)]
struct Columns<T> {
    first: *const T,
    along: isize,
}

/// The axes with the example axis first, which is where a short batch leaves the others' offsets as they are.
/// The order of rows and of columns does not matter.
fn outermost_batch(mut axes: Vec<ContractAxis>) -> Vec<ContractAxis> {
    axes.sort_by_key(|axis| axis.extent != Extent::Batch);
    axes
}

/// Neighbouring axes that all arrays walk through as if they were one, joined; axes of extent 1 dropped.
fn joined(axes: &[ContractAxis]) -> Vec<ContractAxis> {
    let mut out: Vec<ContractAxis> = vec![];
    for axis in axes.iter().filter(|axis| axis.extent != Extent::Fixed(1)) {
        match (out.last_mut(), axis.extent) {
            (Some(ContractAxis { extent: Extent::Fixed(outer), a, b, out }), Extent::Fixed(inner))
                if continues([*a, *b, *out], axis, inner) =>
            {
                *outer *= inner;
                (*a, *b, *out) = (axis.a, axis.b, axis.out);
            }
            _ => out.push(*axis),
        }
    }
    out
}

/// Whether an axis with these strides goes on where `inner`, so long, ends.
fn continues(outer: [i64; 3], inner: &ContractAxis, extent: u32) -> bool {
    outer == [inner.a, inner.b, inner.out].map(|stride| stride * i64::from(extent))
}

/// Axes (joined before) as the one with whose strides they are walked through, if there is one: also an axis over the
/// examples that goes on where a fixed one ends.
fn as_one(axes: &[ContractAxis]) -> Option<ContractAxis> {
    match *axes {
        [] => Some(ContractAxis { extent: Extent::Fixed(1), a: 0, b: 0, out: 0 }),
        [axis] => Some(axis),
        [outer, inner @ ContractAxis { extent: Extent::Fixed(extent), .. }] => {
            continues([outer.a, outer.b, outer.out], &inner, extent).then_some(inner)
        }
        _ => None,
    }
}

/// Runs the tile of a size.
///
/// # Safety
/// As [`tile`], and the processor can run the variant.
unsafe fn run_tile<T: Real>(variant: Variant, rows: usize, vectors: usize, args: &TileArgs<T>) {
    // SAFETY: handed on; each function below has the instructions of its vector type switched on.
    unsafe {
        match variant {
            Variant::Portable => sized::<T::Portable>(rows, vectors, args),
            #[cfg(target_arch = "x86_64")]
            Variant::Avx2 => sized_avx2(rows, vectors, args),
            #[cfg(target_arch = "x86_64")]
            Variant::Avx512 => sized_avx512(rows, vectors, args),
            #[cfg(not(target_arch = "x86_64"))]
            _ => unreachable!("only offered where it runs"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn sized_avx2<T: Real>(rows: usize, vectors: usize, args: &TileArgs<T>) {
    // SAFETY: handed on.
    unsafe { sized::<T::Avx2>(rows, vectors, args) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn sized_avx512<T: Real>(rows: usize, vectors: usize, args: &TileArgs<T>) {
    // SAFETY: handed on.
    unsafe { sized::<T::Avx512>(rows, vectors, args) }
}

/// Chooses the tile of a size known only now.
#[inline(always)]
unsafe fn sized<L: Lanes>(rows: usize, vectors: usize, args: &TileArgs<L::Real>) {
    macro_rules! choose {
        ($($r:literal)*) => {
            match (rows, vectors) {
                $(($r, 1) => tile::<L, $r, 1>(args), ($r, 2) => tile::<L, $r, 2>(args),)*
                _ => unreachable!("tiles have at most {ROWS} rows and {VECTORS} vectors"),
            }
        };
    }
    // SAFETY: handed on.
    unsafe { choose!(1 2 3 4 5 6 7 8) }
}
