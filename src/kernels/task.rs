//! What is decided about a contraction before the first step.

use super::chain::Segments;
use super::made::Made;
use super::rows::Rows;
use super::tile::{MOST_LANES, Place, Real, VECTORS};
use super::variant::Variant;
use super::walk::Walk;
use super::{count, even_blocks, is_crowded};
use crate::plan::schedule::{Contract, ContractAxis, Extent};

/// Elements from which on a stride goes to another page of memory.
const PAGE: u64 = 1024;
/// No axis.
pub(super) const NONE: ContractAxis = ContractAxis { extent: Extent::Fixed(1), a: 0, b: 0, out: 0 };
/// Operations from which on threads are called: over ten microseconds of one of them, as on a machine that others share
/// a thread may take some to come.
const LONG: usize = 1_500_000;
/// Bytes of a result that is not expected in the nearest cache.
const FAR: usize = 1 << 15;
/// Elements of `k` while which memory that is asked for may come.
const LONG_CHAIN: usize = 128;
/// Columns of the widest tile of any variant.
pub(super) const WIDEST: usize = VECTORS * MOST_LANES;
/// Vectors of rows whose sums are scattered at once, at most: tiles of six divide their rows evenly.
pub(super) const SCATTERED: usize = 3;
/// Sums that are made beside the result before they are scattered, at most.
pub(super) const SUMS: usize = WIDEST * MOST_LANES;

/// A contraction made ready to run many times.
///
/// Rows are the axes whose operand is read element by element, columns those whose elements lie in the lanes of
/// vectors; which of the two operands is which was chosen in [`Task::prepare`]. Each row and each vector of columns has
/// its own place in memory, so that operands are read where they lie, whatever axes they have: windows that overlap,
/// heads of attention, examples apart from each other.
#[derive(Clone, Debug)]
pub struct Task {
    pub(super) variant: Variant,
    /// Whether the operands were exchanged: rows are the contraction's `n`.
    pub(super) exchanged: bool,
    pub(super) batch: Vec<ContractAxis>,
    pub(super) rows: Rows,
    pub(super) columns: Columns,
    /// Vectors of a panel; the last one may have fewer.
    pub(super) panel_vectors: usize,
    /// Rows and columns of an example, if the example axis is among them, else of all.
    pub(super) counts: [Count; 2],
    /// Summed axes: strides in the rows' operand (`a`) and the columns' (`b`).
    pub(super) k: Vec<ContractAxis>,
    /// First elements: rows' operand, columns' operand, out.
    pub(super) start: [i64; 3],
    pub(super) k_block: usize,
    pub(super) mean: bool,
    /// Elements of the longest block of `k`.
    pub(super) longest: usize,
    /// Whether the result is asked for before it is written, as it is far from the processor and the sums take long.
    pub(super) far: bool,
    /// What the blocks of `k` would leave if each wrote its sums apart.
    apart: Option<Apart>,
    /// What runs the tiles, if a function was made for them.
    pub(super) made: Option<Made>,
    /// Examples of a whole batch.
    pub(super) capacity: usize,
    /// The parts of the chain over `k` for a whole batch, in its blocks; empty if they are made in each run.
    pub(super) blocks: Vec<Segments>,
}

/// The sums of each block of a chain over `k`, in memory of their own: threads then share a product that has few results,
/// as the gradient of a filter, and blocks are added in order when all are there.
#[derive(Clone, Copy, Debug)]
struct Apart {
    /// Blocks of a whole batch.
    blocks: usize,
    /// Sums of one: the elements of the result, which lie side by side.
    results: usize,
}

impl Apart {
    /// Elements of all blocks' sums, at most.
    const MOST: usize = 1 << 19;

    /// For results along these axes, if there are as many for any batch, and nothing lies between them.
    fn of(axes: &[&[ContractAxis]], blocks: usize) -> Option<Apart> {
        let axes = || axes.iter().copied().flatten();
        let lengths = || axes().map(|axis| (axis.extent.len_for(0) as i64, axis.out));
        let (results, end) = lengths()
            .fold((1, 1), |(results, end), (length, out)| (results * length, end + (length - 1) * out));
        let fixed = axes().all(|axis| axis.extent != Extent::Batch && axis.out >= 0);
        let dense = fixed && results == end && results as usize * blocks <= Apart::MOST;
        dense.then_some(Apart { blocks, results: results as usize })
    }
}

/// How many positions a group of axes has, of which the example axis is the outermost if it is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count {
    pub(super) each: usize,
    pub(super) batch: bool,
}

impl Count {
    pub(super) fn of(axes: &[ContractAxis]) -> Count {
        let batch = axes.iter().any(|axis| axis.extent == Extent::Batch);
        Count { each: count(axes, 1), batch }
    }

    pub(super) fn for_examples(self, n: usize) -> usize {
        if self.batch { self.each * n } else { self.each }
    }
}

/// Columns that one vector holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vector {
    /// Number of the first.
    pub(super) first: usize,
    /// How many.
    pub(super) count: usize,
    /// Where the first one is, if columns are read or written in place.
    pub(super) place: Place,
    /// Whether they are neighbours in the operand.
    pub(super) together: bool,
}

impl Vector {
    /// How many there are where there are only so many columns.
    pub(super) fn count_of(&self, columns: usize) -> usize {
        self.count.min(columns - self.first)
    }
}

/// How columns are grouped into vectors.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub(super) vectors: Vec<Vector>,
    /// Where each column is; empty if nobody asks.
    pub(super) places: Vec<Place>,
    /// Whether they are copied to lie side by side before they are read.
    pub(super) packed: bool,
    /// Whether neighbours in a vector are no neighbours in the result.
    pub(super) scattered: bool,
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

    /// Vectors of each panel: panels are as few as they can be, and as alike, since those of one vector read as many
    /// numbers as others for fewer sums.
    fn panel_vectors(&self, variant: Variant) -> usize {
        let vectors = self.vectors.len().max(1);
        vectors.div_ceil(vectors.div_ceil(variant.vectors()))
    }

    /// About how many cycles an element of `k` takes, where it goes by `k.a` in the columns' operand and by `k.b` in the
    /// rows': a tile two multiply-adds each, but no less than one takes to be ready for the next; a vector that is read
    /// where it lies, far from the one before, waits for it; an element that is copied a part of a cycle.
    ///
    /// What is crowded comes from beyond the nearest cache for each tile anew, which is counted where the others are small.
    fn cost(&self, variant: Variant, columns: usize, rows: usize, k: ContractAxis, length: usize) -> f64 {
        const LATENCY: f64 = 4.0;
        let vectors = self.panel_vectors(variant);
        let (down, across) = (rows.div_ceil(variant.height(vectors)), self.vectors.len().div_ceil(vectors));
        let high = rows.div_ceil(down.max(1)) * vectors;
        let crowded = |stride: i64| variant.has_small_caches() && is_crowded(stride, length);
        let for_columns = match self.packed {
            false if crowded(k.a) => 1.25 * vectors as f64,
            false if k.a.unsigned_abs() >= PAGE => vectors as f64 / 2.0,
            _ => 0.0,
        };
        let rows_are_copied = Rows::are_copied(variant, k.b, length, across);
        let for_rows = if crowded(k.b) && !rows_are_copied { 2.0 } else { 0.0 };
        let tiles = (down * across) as f64 * ((high as f64 / 2.0).max(LATENCY) + for_columns + for_rows);
        let copied = |stride: i64| if crowded(stride) { 1.5 } else { 0.25 };
        let quick = k.a == 1 || self.vectors.iter().all(|vector| vector.together);
        let each = if quick { copied(k.a) } else { 1.0 };
        let packing = if self.packed { columns as f64 * each } else { 0.0 };
        let copying = if rows_are_copied { rows as f64 * copied(k.b) } else { 0.0 };
        let scattering =
            if self.scattered { 3.0 * (rows * columns) as f64 / length.max(1) as f64 } else { 0.0 };
        tiles + packing + copying + scattering
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
        let (blocks, length) = even_blocks(count(&contract.k, capacity), contract.k_block as usize);
        let k = joined(&contract.k).pop().unwrap_or(NONE);
        let way = |columns: &[ContractAxis], rows: &[ContractAxis], k: ContractAxis| {
            Columns::new(columns, capacity, variant, variant.lanes::<T>(), count(rows, capacity), k, length)
        };
        let (of_n, of_m) = (way(&n, &m, ContractAxis { a: k.b, b: k.a, ..k }), way(&m, &n, k));
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
        let panel_vectors = columns.panel_vectors(variant);
        let panels = columns.vectors.len().div_ceil(panel_vectors);
        let (along, longest) =
            (*k.last().unwrap_or(&NONE), count(&k, capacity).min(contract.k_block as usize));
        let axes_of_result: [&[ContractAxis]; 3] = [&contract.batch, &rows, &column_axes];
        let results: usize = axes_of_result.map(|axes| count(axes, capacity)).iter().product();
        let apart = Apart::of(&axes_of_result, blocks);
        let mut task = Task {
            variant,
            exchanged,
            batch: orient(&contract.batch),
            rows: Rows::new::<T>(places(&rows, capacity), along, longest, panels, variant),
            columns,
            panel_vectors,
            counts: [Count::of(&rows), Count::of(&column_axes)],
            k,
            start: [a, b, contract.out.at.offset],
            k_block: contract.k_block as usize,
            mean: contract.mean,
            longest,
            far: results * size_of::<T>() >= FAR && longest >= LONG_CHAIN,
            apart,
            made: None,
            capacity,
            blocks: vec![],
        };
        task.blocks = task.blocks_of_whole_batch::<T>();
        task
    }

    /// Elements of scratch memory that a run by so many threads needs: copies of the rows, panels of packed columns, and
    /// sums of blocks.
    pub fn scratch_len(&self, threads: usize) -> usize {
        let sums = self.apart(threads).map_or(0, |apart| apart.blocks * apart.results);
        self.copies(threads) * self.rows.copy_len() + threads * self.panels_len() + sums
    }

    /// How many sums a block has, if so many threads may each compute other blocks.
    pub(super) fn sums_apart(&self, threads: usize) -> Option<usize> {
        self.apart(threads).map(|apart| apart.results)
    }

    fn apart(&self, threads: usize) -> Option<Apart> {
        self.apart.filter(|apart| threads > 1 && apart.blocks >= 2 * threads)
    }

    /// Whether threads gain by computing the results of some examples each, and if so, of which number of examples the
    /// first one must be a multiple: a vector does not hold results of both.
    pub fn by_example(&self) -> Option<u32> {
        let [rows, columns] = self.counts;
        let vectors = &self.columns.vectors;
        let ends = vectors.last().map_or(0, |last| last.first + last.count);
        if rows.batch {
            return self.gains_by_example(self.rows.len(), ends, self.columns.packed).then_some(1);
        }
        if !columns.batch {
            return self.batch.first().is_some_and(|axis| axis.extent == Extent::Batch).then_some(1);
        }
        if ends == 0 {
            return None;
        }
        let begins = |column: usize| vectors.binary_search_by_key(&column, |vector| vector.first).is_ok();
        let suits = |unit: &u32| (0..ends).step_by(columns.each * *unit as usize).all(begins);
        let unit = (0..=MOST_LANES.ilog2()).map(|bits| 1 << bits).find(suits);
        unit.filter(|_| self.gains_by_example(ends, self.rows.len(), self.rows.width().is_some()))
    }

    /// Whether it takes no longer to copy the operand that is `common` to all examples once more, if it is copied, than to
    /// get what another thread has computed of the other one and what it reads of the result: about half as long an
    /// element, as was measured.
    fn gains_by_example(&self, own: usize, common: usize, copied: bool) -> bool {
        let along = count(&self.k, 1);
        !copied || common * along <= 2 * own * (common + along)
    }

    /// Elements of scratch memory that computing the results of some examples needs.
    pub fn own_len(&self) -> usize {
        self.rows.copy_len() + self.panels_len()
    }

    /// Panels that are computed at once: where they are packed, so many that a line of memory, and the page that it is on,
    /// are visited by one of few passes.
    pub(super) fn panels_at_once<T: Real>(&self) -> usize {
        let packed = WIDEST / self.panel_width::<T>();
        if self.columns.packed { packed } else { usize::MAX }
    }

    /// Rows whose sums are scattered at once: those of several vectors.
    pub(super) fn scattered_at_once<T: Real>(&self) -> usize {
        let lanes = self.variant.lanes::<T>();
        lanes * (SUMS / (lanes * self.panel_width::<T>())).min(SCATTERED)
    }

    /// Elements of a panel for each element of `k`: whole vectors.
    pub(super) fn panel_width<T: Real>(&self) -> usize {
        self.panel_vectors * self.variant.lanes::<T>()
    }

    /// Elements of one panel of packed columns.
    pub(super) fn panel_len<T: Real>(&self) -> usize {
        self.longest * self.panel_width::<T>()
    }

    /// Elements of the panels that are packed at once.
    pub(super) fn panels_len(&self) -> usize {
        if self.columns.packed { self.longest * WIDEST } else { 0 }
    }

    /// Whether more threads than one are worth calling for so many examples.
    pub(super) fn is_long(&self, n: usize) -> bool {
        let [rows, columns] = self.counts.map(|count| count.for_examples(n));
        2 * count(&self.batch, n) * rows * columns * count(&self.k, n) >= LONG
    }
}

/// Axes of `k` as those that change from part to part and the one along a part: all of them as one, where they are
/// walked through as one.
pub(super) fn parted(axes: &[ContractAxis]) -> (&[ContractAxis], ContractAxis) {
    match (as_one(axes), axes.split_last()) {
        (None, Some((&inner, outer))) => (outer, inner),
        (one, _) => (&[], one.unwrap_or(NONE)),
    }
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
