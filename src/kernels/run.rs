//! How a prepared contraction runs: block after block of the chain over `k`, panel after panel of columns, each in
//! tiles. Panels are packed some at once.

use super::chain::{Chain, Segments};
use super::made::{At, Panel};
use super::pack::Pack;
use super::pool::Pool;
use super::scatter::Scatter;
use super::task::{Count, SCATTERED, SUMS, Task, Vector};
use super::tile::{MOST_LANES, Place, ROWS, Real, TileArgs, Tiles, VECTORS};
use super::{count, offsets};
use std::ops::Range;

impl Task {
    /// See [`super::contract`]; `scratch` has [`Task::scratch_len`] elements for the threads of the pool.
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn run<T: Real>(
        &self,
        [a, b]: [*const T; 2],
        out: *mut T,
        scratch: *mut T,
        n: usize,
        pool: &mut Pool,
    ) {
        let (a, b) = if self.exchanged { (b, a) } else { (a, b) };
        let threads = pool.threads();
        let panels = scratch.wrapping_add(self.copies(threads) * self.rows.copy_len());
        let arrays = Arrays { a, b, out, panel: panels, copy: scratch };
        let chain = Chain::new(count(&self.k, n), self.k_block);
        let blocks = 0..chain.blocks;
        let [rows, columns] = self.counts.map(|count| count.for_examples(n));
        let products = self.panels(columns) * count(&self.batch, n);
        if let Some(results) = self.sums_apart(threads)
            && products < 4 * threads
            && chain.blocks >= 2 * threads
        {
            let sums = panels.wrapping_add(threads * self.panels_len());
            // SAFETY: handed on; there is room for the sums of so many blocks.
            return unsafe { self.blocks_apart(arrays, n, chain, results, sums, pool) };
        }
        // Several parts a thread, so that none waits long for another; but panels that rows share are packed by each.
        let by_rows = products < 2 * threads && rows >= 2 * threads * ROWS;
        let of = if by_rows { threads } else { products.min(4 * threads) };
        let part = |number| self.share(n, Part { number, of, by_rows });
        let own = |thread: usize, copy: usize| {
            arrays.moved(thread * self.panels_len(), copy * self.rows.copy_len())
        };
        if !self.shares_copy() {
            // SAFETY: handed on; no two parts write the same element of the result, no two threads the same scratch
            // memory.
            let work = |thread, number| unsafe {
                self.part(own(thread, thread), n, part(number), chain, blocks.clone(), false)
            };
            return pool.run(of, &work);
        }
        for block in blocks {
            // SAFETY: as above; parts copy rows apart from each other's.
            let copy = |_, number| unsafe {
                self.copy_rows(own(0, 0), n, Part { number, of: 2 * threads, by_rows: true }, chain, block)
            };
            pool.run(2 * threads, &copy);
            // SAFETY: as above; all rows are copied.
            let work = |thread, number| unsafe {
                self.part(own(thread, 0), n, part(number), chain, block..block + 1, true)
            };
            pool.run(of, &work);
        }
    }

    /// As [`Task::run`], where threads compute blocks of the chain over `k` apart from each other: `sums` is for so many
    /// results of each block, which are then added in order.
    ///
    /// # Safety
    /// As there; the result has no other elements between its first and its last one.
    unsafe fn blocks_apart<T: Real>(
        &self,
        arrays: Arrays<T>,
        n: usize,
        chain: Chain,
        results: usize,
        sums: *mut T,
        pool: &mut Pool,
    ) {
        let (start, blocks) = (self.start[2] as isize, chain.of_sums_apart());
        let sums = Arrays { out: sums, ..arrays };
        let work = |thread, block: usize| {
            let own = sums.moved(thread * self.panels_len(), thread * self.rows.copy_len());
            // Where the first result is the first of the block's sums.
            let out = own.out.wrapping_add(block * results).wrapping_offset(-start);
            // SAFETY: handed on; no two blocks write the same sums, no two threads the same scratch memory.
            unsafe { self.part(Arrays { out, ..own }, n, self.all(n), blocks, block..block + 1, false) }
        };
        pool.run(chain.blocks, &work);
        let divisor = self.divisor(n);
        // SAFETY: the sums are written, and the result is as long.
        let (sums, out) = unsafe {
            (
                std::slice::from_raw_parts(sums.out, chain.blocks * results),
                std::slice::from_raw_parts_mut(arrays.out.offset(start), results),
            )
        };
        let (first, others) = sums.split_at(results);
        out.copy_from_slice(first);
        for block in others.chunks_exact(results) {
            out.iter_mut().zip(block).for_each(|(sum, &next)| *sum = *sum + next);
        }
        out.iter_mut().for_each(|sum| *sum = *sum / divisor);
    }

    /// What the sums are divided by: 1 if they are no mean.
    fn divisor<T: Real>(&self, n: usize) -> T {
        T::of(if self.mean { n as f64 } else { 1.0 })
    }

    /// Copies a share of the rows for a block of the chain over `k`.
    ///
    /// # Safety
    /// As of [`Task::run`]: there are no products apart from each other.
    unsafe fn copy_rows<T: Real>(&self, arrays: Arrays<T>, n: usize, part: Part, chain: Chain, block: usize) {
        let mut own = Segments::default();
        let segments = self.segments::<T>(&mut own, chain, block, n);
        let (rows, lanes) = (self.counts[0].for_examples(n), self.variant.lanes::<T>());
        // Whole vectors: the last one's lanes are one share's.
        let share = part.share(rows.div_ceil(lanes));
        let rows = share.start * lanes..rows.min(share.end * lanes);
        // SAFETY: handed on.
        unsafe {
            let a = arrays.a.offset(self.start[0] as isize);
            self.rows.copy(self.variant, a, rows, segments, arrays.copy);
        }
    }

    /// Whether threads read one copy of the rows: not of batches of products, of which each works on another.
    fn shares_copy(&self) -> bool {
        self.rows.width().is_some() && self.batch.is_empty()
    }

    /// Copies of rows that so many threads need.
    pub(super) fn copies(&self, threads: usize) -> usize {
        if self.shares_copy() && self.sums_apart(threads).is_none() { 1 } else { threads }
    }

    /// Vectors that so many columns begin.
    fn vectors(&self, columns: usize) -> usize {
        self.columns.vectors.partition_point(|vector| vector.first < columns)
    }

    /// Panels of so many columns.
    fn panels(&self, columns: usize) -> usize {
        self.vectors(columns).div_ceil(self.panel_vectors)
    }

    /// All results of a batch.
    fn all(&self, n: usize) -> Share {
        let [rows, columns] = self.counts.map(|count| count.for_examples(n));
        let products = self.panels(columns) * count(&self.batch, n);
        Share { products: 0..products, rows: 0..rows, vectors: 0..self.vectors(columns), columns }
    }

    /// A part of them.
    fn share(&self, n: usize, part: Part) -> Share {
        let all = self.all(n);
        match part.by_rows {
            true => Share { rows: part.share(all.rows.end), ..all },
            false => Share { products: part.share(all.products.end), ..all },
        }
    }

    /// The results of some examples: see [`Task::by_example`].
    fn of_examples(&self, n: usize, examples: Range<usize>) -> Share {
        let all = self.all(n);
        let of = |count: Count| count.each * examples.start..count.each * examples.end;
        let [rows, columns] = self.counts;
        if rows.batch {
            return Share { rows: of(rows), ..all };
        }
        let panels = |vectors: &Range<usize>| vectors.len().div_ceil(self.panel_vectors);
        if columns.batch {
            let vectors = self.vectors(of(columns).start)..self.vectors(of(columns).end);
            return Share { products: 0..panels(&vectors) * count(&self.batch, n), vectors, ..all };
        }
        let each = Count::of(&self.batch).each * panels(&all.vectors);
        Share { products: each * examples.start..each * examples.end, ..all }
    }

    /// Computes all results on this thread, or those of some examples: see [`super::contract_alone`]; `scratch` has
    /// [`Task::own_len`] elements.
    ///
    /// # Safety
    /// As there.
    pub(super) unsafe fn run_alone<T: Real>(
        &self,
        [a, b]: [*const T; 2],
        out: *mut T,
        scratch: *mut T,
        n: usize,
        examples: Option<Range<usize>>,
    ) {
        let (a, b) = if self.exchanged { (b, a) } else { (a, b) };
        let arrays = Arrays { a, b, out, panel: scratch.wrapping_add(self.rows.copy_len()), copy: scratch };
        let chain = Chain::new(count(&self.k, n), self.k_block);
        let share = examples.map_or_else(|| self.all(n), |examples| self.of_examples(n, examples));
        // SAFETY: handed on.
        unsafe { self.part(arrays, n, share, chain, 0..chain.blocks, false) }
    }

    /// A part of some blocks of the chain over `k`: some panels, or some rows of all of them. Each element of the result
    /// is computed by one thread in the way in which one alone computes it. The copy of rows may be there already.
    ///
    /// # Safety
    /// As of [`Task::run`]; the panel is this part's alone, as is the copy, if it is not there.
    unsafe fn part<T: Real>(
        &self,
        arrays: Arrays<T>,
        n: usize,
        share: Share,
        chain: Chain,
        blocks: Range<usize>,
        is_copied: bool,
    ) {
        let Share { products: own, rows, vectors, columns } = share;
        let panels = vectors.len().div_ceil(self.panel_vectors);
        let mut made = Segments::default();
        for block in blocks {
            let segments = self.segments::<T>(&mut made, chain, block, n);
            let ends = match chain.apart {
                true => Ends { add: false, divisor: T::of(1.0) },
                false if block + 1 < chain.blocks => Ends { add: block > 0, divisor: T::of(1.0) },
                false => Ends { add: block > 0, divisor: self.divisor(n) },
            };
            let mut copied = is_copied.then_some(self.start[0] as isize);
            let mut next = own.start;
            while next < own.end {
                let (product, first) = (next / panels, next % panels);
                let count = self.panels_at_once::<T>().min(panels - first).min(own.end - next);
                next += count;
                let at = offsets(&self.batch, product, n);
                let [a, b, out] = std::array::from_fn(|which| (self.start[which] + at[which]) as isize);
                let width = self.panel_vectors;
                let start = vectors.start + first * width;
                let group = start..vectors.end.min(start + count * width);
                // SAFETY: offsets of axes inside their extents stay inside the buffers, by the caller's contract.
                unsafe {
                    let mut moved = Arrays {
                        a: arrays.a.offset(a),
                        b: arrays.b.offset(b),
                        // Sums apart lie where the result would have to begin elsewhere.
                        out: arrays.out.wrapping_offset(out),
                        ..arrays
                    };
                    if self.rows.width().is_some() {
                        if copied.replace(a) != Some(a) {
                            self.rows.copy(self.variant, moved.a, rows.clone(), segments, arrays.copy);
                        }
                        moved.a = arrays.copy;
                    }
                    self.group(moved, self.rows.read(rows.clone()), group, columns, segments, ends);
                }
            }
        }
    }

    /// One block of the chain over `k`, for some rows and the columns of some panels, which are packed at once.
    ///
    /// # Safety
    /// As of [`Task::run`]: all rows and columns, at every element of `k`, are inside the arrays.
    unsafe fn group<T: Real>(
        &self,
        Arrays { a, b, out, panel: scratch, .. }: Arrays<T>,
        rows: &[Place],
        group: Range<usize>,
        columns: usize,
        segments: &Segments,
        ends: Ends<T>,
    ) {
        let panels = self.made.as_ref().and_then(|made| Some((made, made.panels(group.clone(), columns)?)));
        let group = &self.columns.vectors[group];
        let mut at = At { a, b, out };
        if self.columns.packed {
            // SAFETY: the operand reaches as far; `scratch_len` has room for so many panels.
            unsafe { self.pack(b, group, columns, segments, scratch) };
            at.b = scratch;
        }
        if let Some((made, panels)) = panels.filter(|_| !self.columns.scattered)
            && let Some(tiles) = made.tiles(rows.len())
        {
            // SAFETY: as below, for all panels; a function is made for numbers of 32 bits only.
            return unsafe { made.run(at, rows, panels, tiles, &segments.read, ends) };
        }
        let lanes = self.variant.lanes::<T>();
        for (number, panel) in group.chunks(self.panel_vectors).enumerate() {
            let packed = scratch.wrapping_add(number * self.panel_len::<T>());
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
                args.b[v] = match self.columns.packed {
                    true => packed.wrapping_add(v * lanes).cast_const(),
                    false => b.wrapping_offset(vector.place.operand),
                };
                args.out[v] = out.wrapping_offset(vector.place.out);
                args.lanes[v] = vector.count_of(columns);
            }
            // SAFETY: rows and columns are inside what `args` points to: the operands or the packed panel, and the
            // result.
            unsafe {
                match self.columns.scattered {
                    true => self.scattered(args, panel, panels.map(|(_, panels)| panels[number]), out),
                    false => self.tiles(args, panel.len()),
                }
            }
        }
    }

    /// Rows and columns in tiles.
    ///
    /// # Safety
    /// What `args` describes is inside its arrays.
    unsafe fn tiles<T: Real>(&self, args: TileArgs<T>, vectors: usize) {
        let lanes = self.variant.lanes::<T>();
        let whole = args.lanes[..vectors].iter().all(|&count| count == lanes);
        let (height, far) = (self.variant.height(vectors), self.far && !self.columns.scattered);
        // SAFETY: handed on.
        unsafe { self.variant.run(Tiles { args, vectors, whole, height, far }) };
    }

    /// Rows whose columns are no neighbours in the result, some at a time; by a function, if the panel has a kind that one was
    /// made for.
    ///
    /// # Safety
    /// What `args` describes is inside the packed panel and the rows' operand; the columns of the panel, from `out` on,
    /// are inside the result.
    unsafe fn scattered<T: Real>(
        &self,
        args: TileArgs<T>,
        panel: &[Vector],
        of_kind: Option<Panel>,
        out: *mut T,
    ) {
        let lanes = self.variant.lanes::<T>();
        let (width, at_once) = (self.panel_width::<T>(), self.scattered_at_once::<T>());
        let mut sums = [T::of(0.0); SUMS];
        let first = sums.as_mut_ptr();
        let TileArgs { add, divisor, .. } = args;
        for rows in args.rows.chunks(at_once) {
            let mut apart = [Place { operand: 0, out: 0 }; SCATTERED * MOST_LANES];
            for (k, (apart, place)) in apart.iter_mut().zip(rows).enumerate() {
                *apart = Place { operand: place.operand, out: (k * width) as isize };
            }
            let to = std::array::from_fn(|v| first.wrapping_add(v * lanes));
            let (rows_apart, divisor_apart) = (&apart[..rows.len()], T::of(1.0));
            let args = TileArgs { rows: rows_apart, out: to, add: false, divisor: divisor_apart, ..args };
            let made = self.made.as_ref().zip(of_kind);
            let by_function = made.and_then(|(made, panel)| Some((made, panel, made.tiles(rows.len())?)));
            // SAFETY: handed on; there is room for the sums of so many rows; a function is made for numbers of 32 bits
            // only.
            unsafe {
                match by_function {
                    Some((made, panel, tiles)) => {
                        let panel = Panel { out: std::array::from_fn(|v| (v * lanes) as isize), ..panel };
                        let at = At { a: args.a, b: args.b[0], out: first };
                        let ends = Ends { add: false, divisor: divisor_apart };
                        made.run(at, rows_apart, &[panel], tiles, args.segments, ends);
                    }
                    None => self.tiles(args, panel.len()),
                }
            }
            for (number, rows) in rows.chunks(lanes).enumerate() {
                for (v, vector) in panel.iter().enumerate() {
                    let columns = &self.columns.places[vector.first..][..args.lanes[v]];
                    let sums = to[v].wrapping_add(number * lanes * width).cast_const();
                    // SAFETY: rows and columns are inside the result.
                    unsafe { self.variant.run(Scatter { sums, width, rows, columns, out, add, divisor }) };
                }
            }
        }
    }

    /// Copies the columns of some panels to `to[panel, k, vector, lane]`.
    ///
    /// # Safety
    /// The columns are inside the operand at every element of `k`; `to` has room for so many panels.
    unsafe fn pack<T: Real>(
        &self,
        b: *const T,
        group: &[Vector],
        columns: usize,
        segments: &Segments,
        to: *mut T,
    ) {
        let (vectors, lanes, apart) = (self.panel_vectors, self.variant.lanes::<T>(), self.panel_len::<T>());
        let pack = |columns, together, v: usize| {
            let job = Pack {
                from: b,
                columns,
                together,
                segments: &segments.list,
                at: |segment| segment.b,
                stride: segments.stride.1,
                to: to.wrapping_add(v / vectors * apart + v % vectors * lanes),
                width: vectors * lanes,
                apart,
            };
            // SAFETY: inside the operand; each element of `k` has a row of `width` in each panel.
            unsafe { self.variant.run(job) }
        };
        let count = |vector: &Vector| vector.count_of(columns);
        let places = |v: usize, count: usize| &self.columns.places[group[v].first..][..count];
        let all = places(0, group.iter().map(count).sum());
        // A line of the result may end within a vector, which then has fewer columns.
        let is_whole = |vector: &Vector| count(vector) == lanes;
        let whole = group.split_last().is_none_or(|(_, before)| before.iter().all(is_whole));
        if whole && Place::are_neighbours(all) {
            return pack(all, true, 0);
        }
        for (v, vector) in group.iter().enumerate() {
            pack(places(v, count(vector)), vector.together, v);
        }
    }
}

/// The arrays of a product.
#[derive(Clone, Copy)]
struct Arrays<T> {
    a: *const T,
    b: *const T,
    out: *mut T,
    /// Memory for panels of packed columns, and for a copy of the rows.
    panel: *mut T,
    copy: *mut T,
}

impl<T> Arrays<T> {
    /// The same with other memory to work with: so many elements further on.
    fn moved(self, panel: usize, copy: usize) -> Self {
        Arrays { panel: self.panel.wrapping_add(panel), copy: self.copy.wrapping_add(copy), ..self }
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
    /// Its share of so many.
    fn share(self, count: usize) -> Range<usize> {
        count * self.number / self.of..count * (self.number + 1) / self.of
    }
}

/// Some of the results.
#[derive(Clone)]
struct Share {
    /// Of all pairs of a product apart from others and a panel, the panels of one product after the other.
    products: Range<usize>,
    rows: Range<usize>,
    /// Those that are grouped into panels.
    vectors: Range<usize>,
    /// How many columns there are, in other shares too: the last vector may have fewer than it could.
    columns: usize,
}

/// How the end of a block is written.
#[derive(Clone, Copy)]
pub(super) struct Ends<T> {
    pub add: bool,
    pub divisor: T,
}
