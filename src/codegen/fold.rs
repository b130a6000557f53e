//! Folds: chains, and sixteen lanes combined by a fixed tree. See the definition of bits in
//! [`crate::plan::schedule`].

use super::emitter::{Emitter, Index};
use crate::plan::contraction::even_blocks;
use crate::plan::schedule::*;
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::types::{I32, I32X4, I64};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Value};

/// Access to vectors on the stack.
const LANE: MemFlagsData = MemFlagsData::new().with_notrap();

/// What is folded.
#[derive(Clone, Copy)]
struct Folded<'s> {
    with: Monoid,
    var: Var,
    body: &'s [Stmt],
    value: Reg,
    /// Whether as many iterations run at once as there are lanes.
    in_lanes: bool,
}

impl Emitter<'_, '_> {
    /// Emits a [`Stmt::Fold`]; its result.
    pub fn fold(&mut self, stmt: &Stmt) -> Value {
        let Stmt::Fold { with, order, var, extent, hint, body, value, .. } = stmt else {
            unreachable!("called for folds only")
        };
        let in_lanes = self.runs_in_lanes(*var, *extent, *hint, body);
        let folded = Folded { with: *with, var: *var, body, value: *value, in_lanes };
        if with.gate().is_none() {
            let end = self.extent(*extent);
            return match end {
                Index::Known(length) if in_lanes && (2..=i64::from(self.lanes())).contains(&length) => {
                    self.extreme_of_vector(folded, length as u8)
                }
                _ => self.first_extreme(folded, end),
            };
        }
        let (Order::Chain { block } | Order::Lanes { block }) = *order;
        let (blocks, length) = self.blocks(*extent, block);
        if blocks == Index::Known(1) {
            return self.fold_block(folded, *order, [Index::Known(0), length]);
        }
        let (end, length) = (self.extent(*extent), self.index(length));
        let (end, start) = (self.index(end), self.b.ins().iconst(I64, 0));
        // Blocks are combined in order; the first with the identity, which changes no bit.
        let carried = [self.number(with.identity()), start];
        let results = self.counted([Index::Known(0), blocks], 1, &carried, |e, _, carried| {
            let (sum, start) = (carried[0], carried[1]);
            let next = e.b.ins().iadd(start, length);
            let stop = e.b.ins().smin(next, end);
            let block = e.fold_block(folded, *order, [Index::Value(start), Index::Value(stop)]);
            vec![e.combine(folded.with, sum, block), next]
        });
        results[0]
    }

    /// Number of blocks and their length.
    fn blocks(&mut self, extent: Extent, longest: u32) -> (Index, Index) {
        match extent {
            Extent::Fixed(extent) => {
                let (blocks, length) = even_blocks(extent as usize, longest as usize);
                (Index::Known(blocks as i64), Index::Known(length as i64))
            }
            Extent::Batch if self.schedule.capacity <= longest => {
                (Index::Known(1), Index::Value(self.operands.n))
            }
            Extent::Batch => {
                let n = self.operands.n;
                let up = self.b.ins().iadd_imm_s(n, i64::from(longest) - 1);
                let blocks = self.b.ins().udiv_imm_u(up, i64::from(longest));
                let up = self.b.ins().iadd(n, blocks);
                let up = self.b.ins().iadd_imm_s(up, -1);
                let length = self.b.ins().udiv(up, blocks);
                (Index::Value(blocks), Index::Value(length))
            }
        }
    }

    fn combine(&mut self, with: Monoid, a: Value, b: Value) -> Value {
        let gate = with.gate().expect("positions are folded by themselves");
        self.gate(gate, &[a, b])
    }

    fn fold_block(&mut self, folded: Folded, order: Order, range: [Index; 2]) -> Value {
        match order {
            Order::Chain { .. } => self.chain(folded, range),
            Order::Lanes { .. } if folded.in_lanes => self.lanes_in_vectors(folded, range),
            Order::Lanes { .. } => self.lanes_one_by_one(folded, range),
        }
    }

    /// The value of an iteration; of several, spread over the lanes.
    fn element(&mut self, folded: Folded, index: Index, spread: Option<u8>) -> Value {
        self.iteration(folded.var, index, spread, folded.body);
        self.reg(folded.value)
    }

    fn chain(&mut self, folded: Folded, range: [Index; 2]) -> Value {
        let identity = self.number(folded.with.identity());
        let sums = self.counted(range, 1, &[identity], |e, i, sum| {
            let element = e.element(folded, i, None);
            vec![e.combine(folded.with, sum[0], element)]
        });
        sums[0]
    }

    /// Sixteen lanes kept in memory, as a vector each: for bodies that cannot run side by side, or whose vectors are
    /// iterations of a loop around.
    fn lanes_one_by_one(&mut self, folded: Folded, [start, end]: [Index; 2]) -> Value {
        let (reals, lanes) = (self.reals(), self.new_slot(16));
        let identity = self.number(folded.with.identity());
        let first = self.b.ins().stack_addr(I64, lanes, 0);
        for lane in 0..Order::LANES as i32 {
            self.b.ins().store(LANE, identity, first, lane * 16);
        }
        let base = self.index(start);
        self.counted([start, end], 1, &[], |e, i, _| {
            let element = e.element(folded, i, None);
            let i = e.index(i);
            let from_base = e.b.ins().isub(i, base);
            let lane = e.b.ins().band_imm_s(from_base, Order::LANES - 1);
            let bytes = e.b.ins().ishl_imm_u(lane, 4);
            let at = e.b.ins().iadd(first, bytes);
            let sum = e.b.ins().load(reals, LANE, at, 0);
            let sum = e.combine(folded.with, sum, element);
            e.b.ins().store(LANE, sum, at, 0);
            vec![]
        });
        let mut sums: Vec<Value> =
            (0..Order::LANES as i32).map(|lane| self.b.ins().load(reals, LANE, first, lane * 16)).collect();
        while sums.len() > 1 {
            let half = sums.len() / 2;
            sums = (0..half).map(|lane| self.combine(folded.with, sums[lane], sums[lane + half])).collect();
        }
        sums[0]
    }

    /// Sixteen lanes in as many vectors as they need, a vector of iterations at a time.
    ///
    /// The vectors take turns: the one whose turn it is comes first and goes to the end. So one copy of the body
    /// serves, and that many chains are under way at once.
    fn lanes_in_vectors(&mut self, folded: Folded, [start, end]: [Index; 2]) -> Value {
        let identity = self.number(folded.with.identity());
        let lanes = i64::from(self.lanes());
        let count = (Order::LANES / lanes) as usize;
        let length = self.distance(start, end);
        let whole = self.whole_vectors(length);
        let whole_end = self.sum(start, whole);
        let sums = self.counted([start, whole_end], lanes, &vec![identity; count], |e, i, sums| {
            let element = e.element(folded, i, Some(lanes as u8));
            let next = e.combine(folded.with, sums[0], element);
            sums[1..].iter().copied().chain([next]).collect()
        });
        let vectors = match (length, whole) {
            (Index::Known(length), Index::Known(whole)) => {
                let turn = (whole / lanes) as usize % count;
                let mut vectors = sums;
                vectors.rotate_right(turn);
                if whole < length {
                    let rest = (length - whole) as u8;
                    vectors[turn] = self.partial(folded, vectors[turn], whole_end, rest);
                }
                // The others hold the identity still.
                vectors.truncate((length.clamp(1, Order::LANES) as usize).div_ceil(lanes as usize));
                return self.combine_lanes(folded.with, vectors, length);
            }
            _ => self.rest_one_by_one(folded, &sums, whole, [whole_end, end]),
        };
        self.combine_lanes(folded.with, vectors, Order::LANES)
    }

    /// Combines `rest` further iterations into the first lanes of a vector.
    fn partial(&mut self, folded: Folded, sum: Value, at: Index, rest: u8) -> Value {
        let element = self.element(folded, at, Some(rest));
        let combined = self.combine(folded.with, sum, element);
        let reals = self.reals();
        let mask = self.vector_constant(reals, |lane| if lane < rest.into() { u64::MAX } else { 0 });
        self.choose(mask, combined, sum)
    }

    /// Puts the vectors into memory in their order (a turn was taken for each vector of `whole`) and combines what is
    /// left of a length known only in the running program, one iteration after another.
    fn rest_one_by_one(
        &mut self,
        folded: Folded,
        sums: &[Value],
        whole: Index,
        rest: [Index; 2],
    ) -> Vec<Value> {
        let lanes = self.new_slot(sums.len() as u32);
        let (real, reals, width) = (self.real(), self.reals(), i64::from(self.lanes()));
        let first = self.b.ins().stack_addr(I64, lanes, 0);
        let whole = self.index(whole);
        for (k, &sum) in sums.iter().enumerate() {
            let moved = self.b.ins().iadd_imm_s(whole, k as i64 * width);
            let at = self.lane_address(first, moved);
            self.b.ins().store(LANE, sum, at, 0);
        }
        let done = self.index(rest[0]);
        self.counted(rest, 1, &[], |e, i, _| {
            let element = e.element(folded, i, None);
            let i = e.index(i);
            let from_done = e.b.ins().isub(i, done);
            let moved = e.b.ins().iadd(whole, from_done);
            let at = e.lane_address(first, moved);
            let sum = e.load_splat(real, at, 0);
            let sum = e.combine(folded.with, sum, element);
            e.store_lanes(1, sum, at, 0);
            vec![]
        });
        (0..sums.len()).map(|k| self.b.ins().load(reals, LANE, first, k as i32 * 16)).collect()
    }

    /// Where lane `i mod 16` lies.
    fn lane_address(&mut self, first: Value, i: Value) -> Value {
        let lane = self.b.ins().band_imm_s(i, Order::LANES - 1);
        let size = self.size();
        let bytes = self.scaled(lane, size);
        self.b.ins().iadd(first, bytes)
    }

    /// `l + (l + 8)`, then `+ 4`, `+ 2`, `+ 1`; the result in all lanes. Lanes from `used` on, and vectors that are not
    /// there, hold the identity: to combine with it changes no bit of what was folded.
    fn combine_lanes(&mut self, with: Monoid, mut vectors: Vec<Value>, used: i64) -> Value {
        let mut half = (Order::LANES / i64::from(self.lanes())) as usize / 2;
        while half > 0 {
            for k in half..vectors.len() {
                vectors[k - half] = self.combine(with, vectors[k - half], vectors[k]);
            }
            vectors.truncate(half);
            half /= 2;
        }
        let (mut one, mut half) = (vectors[0], self.lanes() / 2);
        while half > 0 {
            if i64::from(half) < used {
                let upper = self.permute(one, |lane| half + lane % half);
                one = self.combine(with, one, upper);
            }
            half /= 2;
        }
        self.spread_lane(one, 0)
    }

    /// The position of the first largest or smallest, as a number; a NaN counts as either.
    fn first_extreme(&mut self, folded: Folded, end: Index) -> Value {
        let better = if folded.with == Monoid::Argmax { FloatCC::GreaterThan } else { FloatCC::LessThan };
        let carried = [self.number(folded.with.identity()), self.number(0.0)];
        let results = self.counted([Index::Known(0), end], 1, &carried, |e, i, best| {
            let element = e.element(folded, i, None);
            let beats = e.b.ins().fcmp(better, element, best[0]);
            let is_nan = e.b.ins().fcmp(FloatCC::NotEqual, element, element);
            let first = e.b.ins().fcmp(FloatCC::Equal, best[0], best[0]);
            let first_nan = e.b.ins().band(is_nan, first);
            let takes = e.b.ins().bor(beats, first_nan);
            let position = e.position(i);
            vec![e.choose(takes, element, best[0]), e.choose(takes, position, best[1])]
        });
        results[1]
    }

    /// The same where one vector holds all: the first lane that is equal to the largest or smallest, or NaN.
    fn extreme_of_vector(&mut self, folded: Folded, length: u8) -> Value {
        let with = if folded.with == Monoid::Argmax { Monoid::Max } else { Monoid::Min };
        let identity = self.number(with.identity());
        let elements = self.partial(Folded { with, ..folded }, identity, Index::Known(0), length);
        let extreme = self.combine_lanes(with, vec![elements], length.into());
        let equal = self.b.ins().fcmp(FloatCC::Equal, elements, extreme);
        let is_nan = self.b.ins().fcmp(FloatCC::NotEqual, elements, elements);
        let found = self.b.ins().bor(equal, is_nan);
        // Lanes beyond the last hold the identity, which may be the extreme too, but never first.
        let found = self.b.ins().vhigh_bits(I32, found);
        let first = self.b.ins().ctz(found);
        let first = self.b.ins().splat(I32X4, first);
        self.numbers_of(first)
    }

    /// A loop's index as a number in all lanes.
    fn position(&mut self, i: Index) -> Value {
        match i {
            Index::Known(known) => self.number(known as f64),
            Index::Value(value) => self.number_of_index(value),
        }
    }

    fn distance(&mut self, start: Index, end: Index) -> Index {
        match (start, end) {
            (Index::Known(start), Index::Known(end)) => Index::Known(end - start),
            (Index::Known(0), end) => end,
            _ => {
                let (start, end) = (self.index(start), self.index(end));
                Index::Value(self.b.ins().isub(end, start))
            }
        }
    }

    fn sum(&mut self, a: Index, b: Index) -> Index {
        match (a, b) {
            (Index::Known(a), Index::Known(b)) => Index::Known(a + b),
            (Index::Known(0), b) => b,
            _ => {
                let (a, b) = (self.index(a), self.index(b));
                Index::Value(self.b.ins().iadd(a, b))
            }
        }
    }

    /// Room on the stack for vectors.
    fn new_slot(&mut self, vectors: u32) -> StackSlot {
        self.b.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, vectors * 16, 4))
    }
}
