//! What is decided about a contraction before the first step, and how it then runs.

use super::pack::Pack;
use super::pool::Pool;
use super::rows::Rows;
use super::tile::{MOST_LANES, Place, ROWS, Real, Segment, Tile, TileArgs, VECTORS};
use super::variant::Variant;
use super::walk::Walk;
use super::{count, even_blocks, offsets};
use crate::plan::schedule::{Contract, ContractAxis, Extent};

/// Elements from which on a stride goes to another page of memory.
const PAGE: u64 = 1024;
/// No axis.
const NONE: ContractAxis = ContractAxis { extent: Extent::Fixed(1), a: 0, b: 0, out: 0 };
/// Operations from which on threads are called: over ten microseconds of one of them, as on a machine that others share
/// a thread may take some to come.
const LONG: usize = 1_500_000;
/// Columns of the widest tile of any variant.
const WIDEST: usize = VECTORS * MOST_LANES;

/// A contraction made ready to run many times.
///
/// Rows are the axes whose operand is read element by element, columns those whose elements lie in the lanes of
/// vectors; which of the two operands is which was chosen in [`Task::prepare`]. Each row and each vector of columns has
/// its own place in memory, so that operands are read where they lie, whatever axes they have: windows that overlap,
/// heads of attention, examples apart from each other.
#[derive(Clone, Debug)]
pub struct Task {
    variant: Variant,
    /// Whether the operands were exchanged: rows are the contraction's `n`.
    exchanged: bool,
    batch: Vec<ContractAxis>,
    rows: Rows,
    columns: Columns,
    /// Rows and columns of an example, if the example axis is among them, else of all.
    counts: [Count; 2],
    /// Summed axes: strides in the rows' operand (`a`) and the columns' (`b`).
    k: Vec<ContractAxis>,
    /// First elements: rows' operand, columns' operand, out.
    start: [i64; 3],
    k_block: usize,
    mean: bool,
    capacity: usize,
}

/// How many positions a group of axes has, of which the example axis is the outermost if it is there.
#[derive(Clone, Copy, Debug)]
struct Count {
    each: usize,
    batch: bool,
}

impl Count {
    fn of(axes: &[ContractAxis]) -> Count {
        let batch = axes.iter().any(|axis| axis.extent == Extent::Batch);
        Count { each: count(axes, 1), batch }
    }

    fn for_examples(self, n: usize) -> usize {
        if self.batch { self.each * n } else { self.each }
    }
}

/// Columns that one vector holds.
#[derive(Clone, Copy, Debug)]
struct Vector {
    /// Number of the first.
    first: usize,
    /// How many.
    count: usize,
    /// Where the first one is, if columns are read or written in place.
    place: Place,
    /// Whether they are neighbours in the operand.
    together: bool,
}

/// How columns are grouped into vectors.
#[derive(Clone, Debug)]
struct Columns {
    vectors: Vec<Vector>,
    /// Where each column is; empty if nobody asks.
    places: Vec<Place>,
    /// Whether they are copied to lie side by side before they are read.
    packed: bool,
    /// Whether neighbours in a vector are no neighbours in the result.
    scattered: bool,
}

impl Columns {
    /// In the way that takes the fewest cycles for so many rows.
    fn new(
        axes: &[ContractAxis],
        capacity: usize,
        variant: Variant,
        lanes: usize,
        rows: usize,
        k: ContractAxis,
        length: usize,
    ) -> (Columns, f64) {
        let here = |packed, scattered| Columns::grouped(axes, capacity, lanes, packed, scattered);
        let in_result = axes.last().is_none_or(|axis| axis.out == 1);
        let ways = [here(false, false), here(true, false), here(true, true)];
        let usable = ways.into_iter().filter(|way| in_result || way.scattered || count(axes, capacity) <= 1);
        let costed = usable.map(|way| {
            let cost = way.cost(variant, count(axes, capacity), rows, k, length);
            (way, cost)
        });
        costed.min_by(|a, b| a.1.total_cmp(&b.1)).expect("packing and scattering is always a way")
    }

    fn grouped(
        axes: &[ContractAxis],
        capacity: usize,
        lanes: usize,
        packed: bool,
        scattered: bool,
    ) -> Columns {
        let runs = match scattered {
            true => vec![Run { place: Place { operand: 0, out: 0 }, len: count(axes, capacity) }],
            false => runs(axes, capacity, !packed),
        };
        let (mut vectors, mut first) = (vec![], 0);
        for Run { place, len } in runs {
            for at in (0..len).step_by(lanes) {
                let moved = Place { operand: place.operand + at as isize, out: place.out + at as isize };
                let count = lanes.min(len - at);
                vectors.push(Vector { first: first + at, count, place: moved, together: !packed });
            }
            first += len;
        }
        let places = if packed || scattered { places(axes, capacity) } else { vec![] };
        for vector in vectors.iter_mut().filter(|_| packed) {
            let columns = &places[vector.first..][..vector.count];
            vector.together = Place::are_neighbours(columns);
        }
        Columns { vectors, places, packed, scattered }
    }

    /// About how many cycles an element of `k` takes: a tile two multiply-adds each, but no less than one takes to be
    /// ready for the next; a vector that is read where it lies, far from the one before, waits for it; an element that
    /// is copied a part of a cycle.
    fn cost(&self, variant: Variant, columns: usize, rows: usize, k: ContractAxis, length: usize) -> f64 {
        const LATENCY: f64 = 4.0;
        let vectors = variant.vectors().min(self.vectors.len()).max(1);
        let (down, across) = (rows.div_ceil(variant.height(vectors)), self.vectors.len().div_ceil(vectors));
        let high = rows.div_ceil(down.max(1)) * vectors;
        let far = !self.packed && k.a.unsigned_abs() >= PAGE;
        let waiting = if far { vectors as f64 / 2.0 } else { 0.0 };
        let tiles = (down * across) as f64 * ((high as f64 / 2.0).max(LATENCY) + waiting);
        let quick = k.a == 1 || self.vectors.iter().all(|vector| vector.together);
        let packing = if self.packed { columns as f64 * if quick { 0.25 } else { 1.0 } } else { 0.0 };
        let scattering =
            if self.scattered { 3.0 * (rows * columns) as f64 / length.max(1) as f64 } else { 0.0 };
        tiles + packing + scattering
    }
}

/// Columns that are neighbours.
#[derive(Clone, Copy, Debug)]
struct Run {
    place: Place,
    len: usize,
}

/// Where each position of a group of axes is.
fn places(axes: &[ContractAxis], capacity: usize) -> Vec<Place> {
    let walk = Walk::new(axes, 0, capacity).take(count(axes, capacity));
    walk.map(|at| Place { operand: at[0] as isize, out: at[2] as isize }).collect()
}

/// Positions that are neighbours in the result and, if asked for, in the operand.
fn runs(axes: &[ContractAxis], capacity: usize, in_operand: bool) -> Vec<Run> {
    let (outer, length) = match axes.split_last() {
        Some((last, outer)) if last.out == 1 && (last.a == 1 || !in_operand) => {
            (outer, last.extent.len_for(capacity))
        }
        _ => (axes, 1),
    };
    let mut runs: Vec<Run> = vec![];
    for place in places(outer, capacity) {
        match runs.last_mut() {
            Some(Run { place: before, len })
                if before.out + *len as isize == place.out
                    && (!in_operand || before.operand + *len as isize == place.operand) =>
            {
                *len += length;
            }
            _ => runs.push(Run { place, len: length }),
        }
    }
    runs
}

impl Task {
    /// Decides for the best variant that this processor can run.
    pub fn prepare<T: Real>(contract: &Contract, capacity: u32) -> Task {
        Task::prepare_for::<T>(contract, capacity, Variant::best())
    }

    /// Decides for a variant.
    pub fn prepare_for<T: Real>(contract: &Contract, capacity: u32, variant: Variant) -> Task {
        let capacity = capacity as usize;
        let m: Vec<_> = contract.m.iter().map(|x| ContractAxis { b: 0, ..*x }).collect();
        let n: Vec<_> = contract.n.iter().map(|x| ContractAxis { a: x.b, b: 0, ..*x }).collect();
        let (m, n) = (joined(&outwards(m)), joined(&outwards(n)));
        let length = even_blocks(count(&contract.k, capacity), contract.k_block as usize).1;
        let k = joined(&contract.k).pop().unwrap_or(NONE);
        let way = |columns: &[ContractAxis], rows: &[ContractAxis], k: ContractAxis| {
            Columns::new(columns, capacity, variant, variant.lanes::<T>(), count(rows, capacity), k, length)
        };
        let (of_n, of_m) = (way(&n, &m, ContractAxis { a: k.b, ..k }), way(&m, &n, k));
        let exchanged = of_m.1 < of_n.1;
        let swap = |axis: &ContractAxis| ContractAxis { a: axis.b, b: axis.a, ..*axis };
        let orient = |axes: &[ContractAxis]| match exchanged {
            true => axes.iter().map(swap).collect(),
            false => axes.to_vec(),
        };
        let (rows, column_axes, columns) = if exchanged { (n, m, of_m.0) } else { (m, n, of_n.0) };
        let (a, b) = (contract.a.at.offset, contract.b.at.offset);
        let (a, b) = if exchanged { (b, a) } else { (a, b) };
        let k = joined(&orient(&contract.k));
        let panels = columns.vectors.len().div_ceil(variant.vectors());
        let (along, longest) =
            (*k.last().unwrap_or(&NONE), block_len(&k, capacity, contract.k_block as usize));
        Task {
            variant,
            exchanged,
            batch: orient(&contract.batch),
            rows: Rows::new::<T>(places(&rows, capacity), along, longest, panels, variant),
            columns,
            counts: [Count::of(&rows), Count::of(&column_axes)],
            k,
            start: [a, b, contract.out.at.offset],
            k_block: contract.k_block as usize,
            mean: contract.mean,
            capacity,
        }
    }

    /// Elements of scratch memory that a run by so many threads needs: a panel of packed columns and a copy of the rows
    /// each.
    pub fn scratch_len(&self, threads: usize) -> usize {
        threads * (self.panel_len() + self.rows.copy_len())
    }

    /// Elements of a panel of packed columns.
    fn panel_len(&self) -> usize {
        let k = block_len(&self.k, self.capacity, self.k_block);
        if self.columns.packed { k * WIDEST } else { 0 }
    }

    /// Whether more threads than one are worth calling for so many examples.
    pub(super) fn is_long(&self, n: usize) -> bool {
        let [rows, columns] = self.counts.map(|count| count.for_examples(n));
        2 * count(&self.batch, n) * rows * columns * count(&self.k, n) >= LONG
    }

    /// See [`super::contract`].
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn run<T: Real>(&self, arrays: Arrays<T>, n: usize, pool: Option<&mut Pool>) {
        let arrays = if self.exchanged { Arrays { a: arrays.b, b: arrays.a, ..arrays } } else { arrays };
        let Some(pool) = pool else {
            // SAFETY: handed on.
            return unsafe { self.part(arrays, n, Part::WHOLE) };
        };
        let [rows, columns] = self.counts.map(|count| count.for_examples(n));
        let (threads, products) = (pool.threads(), self.panels(columns) * count(&self.batch, n));
        // Several parts a thread, so that none waits long for another; but panels that rows share are packed by each.
        let by_rows = products < 2 * threads && rows >= 2 * threads * ROWS;
        let of = if by_rows { threads } else { products.min(4 * threads) };
        let work = |thread: usize, number: usize| {
            let part = Part { number, of, by_rows };
            // SAFETY: handed on; no two parts write the same element of the result, no two threads the same scratch
            // memory.
            unsafe { self.part(arrays.with_scratch_from(thread * self.scratch_len(1)), n, part) }
        };
        pool.run(of, &work);
    }

    /// Vectors that so many columns begin.
    fn vectors(&self, columns: usize) -> &[Vector] {
        let vectors = &self.columns.vectors;
        &vectors[..vectors.partition_point(|vector| vector.first < columns)]
    }

    /// Panels of so many columns.
    fn panels(&self, columns: usize) -> usize {
        self.vectors(columns).len().div_ceil(self.variant.vectors())
    }

    /// A part: some panels, or some rows of all of them. Each element of the result is computed by one thread in the
    /// way in which one alone computes it.
    ///
    /// # Safety
    /// As of [`Task::run`]; the scratch is this part's alone.
    unsafe fn part<T: Real>(&self, arrays: Arrays<T>, n: usize, part: Part) {
        let [rows, columns] = self.counts.map(|count| count.for_examples(n));
        let (vectors, panels) = (self.vectors(columns), self.panels(columns));
        let products = panels * count(&self.batch, n);
        let (own, rows) =
            if part.by_rows { (0..products, part.share(rows)) } else { (part.share(products), 0..rows) };
        let k_extent = count(&self.k, n);
        let (blocks, length) = even_blocks(k_extent, self.k_block);
        let mut segments = Segments::default();
        let packed = self.columns.packed.then_some(self.variant.vectors() * self.variant.lanes::<T>());
        for block in 0..blocks {
            let first = block * length;
            segments.fill(&self.k, first..k_extent.min(first + length), n, [self.rows.width(), packed]);
            let divisor = if self.mean && block + 1 == blocks { T::of(n as f64) } else { T::of(1.0) };
            let ends = Ends { add: block > 0, divisor };
            let mut copied = None;
            for product in own.clone() {
                let at = offsets(&self.batch, product / panels, n);
                let [a, b, out] = std::array::from_fn(|which| (self.start[which] + at[which]) as isize);
                let panel = product % panels * self.variant.vectors();
                let panel = &vectors[panel..vectors.len().min(panel + self.variant.vectors())];
                // SAFETY: offsets of axes inside their extents stay inside the buffers, by the caller's contract.
                unsafe {
                    let mut moved = Arrays {
                        a: arrays.a.offset(a),
                        b: arrays.b.offset(b),
                        out: arrays.out.offset(out),
                        ..arrays
                    };
                    if self.rows.width().is_some() {
                        let copy = arrays.scratch.add(self.panel_len());
                        if copied.replace(a) != Some(a) {
                            let in_place = (segments.list.as_slice(), segments.stride.0);
                            self.rows.copy(self.variant, moved.a, rows.clone(), in_place, copy);
                        }
                        moved.a = copy;
                    }
                    self.panel(moved, self.rows.read(rows.clone()), panel, columns, &segments, ends);
                }
            }
        }
    }

    /// One block of the chain over `k`, for some rows and the columns of a panel.
    ///
    /// # Safety
    /// As of [`Task::run`]: all rows and columns, at every element of `k`, are inside the arrays.
    unsafe fn panel<T: Real>(
        &self,
        Arrays { a, b, out, scratch }: Arrays<T>,
        rows: &[Place],
        panel: &[Vector],
        columns: usize,
        segments: &Segments,
        ends: Ends<T>,
    ) {
        let lanes = self.variant.lanes::<T>();
        let mut args = TileArgs {
            segments: &segments.read,
            a,
            a_k: segments.read_stride.0,
            rows,
            b: [b; VECTORS],
            b_k: segments.read_stride.1,
            out: [out; VECTORS],
            lanes: [0; VECTORS],
            add: ends.add,
            divisor: ends.divisor,
        };
        for (v, vector) in panel.iter().enumerate() {
            args.b[v] = b.wrapping_offset(vector.place.operand);
            args.out[v] = out.wrapping_offset(vector.place.out);
            args.lanes[v] = vector.count.min(columns - vector.first);
        }
        if self.columns.packed {
            // SAFETY: the operand reaches as far; `scratch_len` has room for a panel.
            unsafe { self.pack(b, panel, &args, segments, scratch) };
            args.b = std::array::from_fn(|v| scratch.wrapping_add(v * lanes).cast_const());
        }
        // SAFETY: rows and columns are inside what `args` points to: the operands or the packed panel, and the
        // result.
        unsafe { self.column_of_tiles(args, panel, out) };
    }

    /// All rows of one panel of columns, in tiles of about the same height.
    ///
    /// # Safety
    /// What `args` describes is inside the operands, or the packed panel; the columns of the panel, from `out` on, are
    /// inside the result.
    unsafe fn column_of_tiles<T: Real>(&self, args: TileArgs<T>, panel: &[Vector], out: *mut T) {
        let rows = args.rows;
        let lanes = self.variant.lanes::<T>();
        let whole = args.lanes[..panel.len()].iter().all(|&count| count == lanes);
        let tiles = rows.len().div_ceil(self.variant.height(panel.len())).max(1);
        for tile in 0..tiles {
            let rows = &rows[rows.len() * tile / tiles..rows.len() * (tile + 1) / tiles];
            if rows.is_empty() {
                continue;
            }
            let tile = Tile { args: TileArgs { rows, ..args }, vectors: panel.len(), whole };
            // SAFETY: handed on.
            unsafe {
                match self.columns.scattered {
                    true => self.scattered_tile(tile, panel, out),
                    false => self.variant.run(tile),
                }
            }
        }
    }

    /// A tile whose columns are no neighbours in the result: computed beside it, then copied row by row.
    ///
    /// # Safety
    /// As of [`Task::column_of_tiles`].
    unsafe fn scattered_tile<T: Real>(&self, tile: Tile<T>, panel: &[Vector], out: *mut T) {
        let args = tile.args;
        let mut edge = [T::of(0.0); ROWS * WIDEST];
        let mut apart = [Place { operand: 0, out: 0 }; ROWS];
        for (k, (apart, place)) in apart.iter_mut().zip(args.rows).enumerate() {
            *apart = Place { operand: place.operand, out: (k * WIDEST) as isize };
        }
        let (first, lanes) = (edge.as_mut_ptr(), self.variant.lanes::<T>());
        let to = std::array::from_fn(|v| first.wrapping_add(v * lanes));
        let (add, divisor) = (false, T::of(1.0));
        let args_apart = TileArgs { rows: &apart[..args.rows.len()], out: to, add, divisor, ..args };
        // SAFETY: handed on; the edge has a row of the widest tile for each row.
        unsafe { self.variant.run(Tile { args: args_apart, ..tile }) };
        for (edge, place) in edge.chunks(WIDEST).zip(args.rows) {
            // SAFETY: rows and columns are inside the result.
            unsafe { self.scatter(edge, out.wrapping_offset(place.out), panel, &args) };
        }
    }

    /// Copies a row of a tile to where its columns belong.
    ///
    /// # Safety
    /// The columns of the panel, from `out` on, are inside the result.
    unsafe fn scatter<T: Real>(&self, edge: &[T], out: *mut T, panel: &[Vector], args: &TileArgs<T>) {
        for (v, vector) in panel.iter().enumerate() {
            let sums = &edge[v * self.variant.lanes::<T>()..][..args.lanes[v]];
            for (&sum, place) in sums.iter().zip(&self.columns.places[vector.first..]) {
                // SAFETY: the position is inside the result, by the caller's contract.
                unsafe {
                    let to = out.offset(place.out);
                    let sum = if args.add { *to + sum } else { sum };
                    *to = if args.divisor != T::of(1.0) { sum / args.divisor } else { sum };
                }
            }
        }
    }

    /// Copies the columns of a panel to `to[k, vector, lane]`.
    ///
    /// # Safety
    /// The columns are inside the operand at every element of `k`; `to` has room for a panel.
    unsafe fn pack<T: Real>(
        &self,
        b: *const T,
        panel: &[Vector],
        args: &TileArgs<T>,
        segments: &Segments,
        to: *mut T,
    ) {
        let lanes = self.variant.lanes::<T>();
        for (v, vector) in panel.iter().enumerate() {
            let job = Pack {
                from: b,
                columns: &self.columns.places[vector.first..][..args.lanes[v]],
                together: vector.together,
                segments: &segments.list,
                at: |segment| segment.b,
                stride: segments.stride.1,
                to: to.wrapping_add(v * lanes),
                width: self.variant.vectors() * lanes,
            };
            // SAFETY: inside the operand; each element of `k` has a row of `width` in the panel.
            unsafe { self.variant.run(job) };
        }
    }
}

/// The parts of a block of the chain over `k`.
#[derive(Default)]
struct Segments {
    list: Vec<Segment>,
    /// Strides within a part, in the rows' and the columns' operand.
    stride: (isize, isize),
    /// The same as tiles read them: in copies of rows, in a panel of packed columns.
    read: Vec<Segment>,
    read_stride: (isize, isize),
}

impl Segments {
    /// For a block of `k`; `widths`: elements from one of `k` to the next, where rows and columns are copied.
    fn fill(
        &mut self,
        axes: &[ContractAxis],
        k: std::ops::Range<usize>,
        n: usize,
        widths: [Option<usize>; 2],
    ) {
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
            self.read.push(Segment { a, b, len });
            at += len;
        }
    }
}

/// Axes of `k` as those that change from part to part and the one along a part: all of them as one, where they are
/// walked through as one.
fn parted(axes: &[ContractAxis]) -> (&[ContractAxis], ContractAxis) {
    match (as_one(axes), axes.split_last()) {
        (None, Some((&inner, outer))) => (outer, inner),
        (one, _) => (&[], one.unwrap_or(NONE)),
    }
}

/// The arrays of a product.
#[derive(Clone, Copy)]
pub(super) struct Arrays<T> {
    pub a: *const T,
    pub b: *const T,
    pub out: *mut T,
    /// Memory for packed columns.
    pub scratch: *mut T,
}

impl<T> Arrays<T> {
    /// The same with the scratch memory from an element on.
    fn with_scratch_from(self, first: usize) -> Self {
        Arrays { scratch: self.scratch.wrapping_add(first), ..self }
    }
}

// SAFETY: pointers that threads use by the contract of [`Task::run`]: they read operands, and write each its own part.
unsafe impl<T> Sync for Arrays<T> {}
// SAFETY: as above.
unsafe impl<T> Send for Arrays<T> {}

/// Which of how many parts.
#[derive(Clone, Copy)]
struct Part {
    number: usize,
    of: usize,
    /// Whether it is some rows of all panels, rather than all rows of some.
    by_rows: bool,
}

impl Part {
    /// There is only one.
    const WHOLE: Part = Part { number: 0, of: 1, by_rows: false };

    /// Its share of so many.
    fn share(self, count: usize) -> std::ops::Range<usize> {
        count * self.number / self.of..count * (self.number + 1) / self.of
    }
}

/// Elements of the longest block of `k`.
fn block_len(k: &[ContractAxis], capacity: usize, k_block: usize) -> usize {
    count(k, capacity).min(k_block)
}

/// How the end of a block is written.
#[derive(Clone, Copy)]
struct Ends<T> {
    add: bool,
    divisor: T,
}

/// The axes of rows or columns, whose order does not matter: the example axis first, which is where a short batch
/// leaves the others' offsets as they are, then by strides in the result.
fn outwards(mut axes: Vec<ContractAxis>) -> Vec<ContractAxis> {
    axes.sort_by_key(|axis| (axis.extent != Extent::Batch, -axis.out.abs()));
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
        [] => Some(NONE),
        [axis] => Some(axis),
        [outer, inner @ ContractAxis { extent: Extent::Fixed(extent), .. }] => {
            continues([outer.a, outer.b, outer.out], &inner, extent).then_some(inner)
        }
        _ => None,
    }
}
