//! Nests as code on vectors of sixteen numbers.
//!
//! As elsewhere in this room, a register of the schedule is a vector: its lanes are neighbouring iterations of the
//! loop that runs in lanes, and hold the same number outside of it.

use super::code::*;
use super::gates::Meaning;
use super::unroll;
use crate::codegen::{invariant, keys_at};
use crate::plan::contraction::even_blocks;
use crate::plan::schedule::*;
use rustc_hash::FxHashMap;

/// Numbers in a vector.
pub const LANES: i64 = 16;

/// The loop that runs in lanes.
#[derive(Clone, Copy)]
struct Spread {
    var: Var,
    reach: Reach,
    /// How many lanes stand for iterations, if that is known.
    lanes: Option<u8>,
}

/// Of which variable, and how far it goes: what opens a [`Level`].
#[derive(Clone, Copy)]
struct Along {
    var: Var,
    /// Where it begins, from where the level around is if that is of the same variable.
    start: Start,
    step: i64,
}

/// A loop that is open.
struct Level {
    along: Option<Along>,
    counter: Option<Counting>,
    /// What moves here: region and terms, and the pointer.
    pointers: Vec<(Region, Vec<(Var, i64)>, Moving)>,
    items: Vec<Item>,
}

/// Makes code of a nest.
pub struct Lowering<'a> {
    pub schedule: &'a Schedule,
    regions: Vec<Region>,
    bases: Vec<(Pointer, Base)>,
    levels: Vec<Level>,
    spread: Option<Spread>,
    regs: FxHashMap<Reg, Operand>,
    /// Of vectors that are booleans: the comparison that they are the numbers of.
    pub meanings: FxHashMap<Vector, Meaning>,
    vectors: u32,
    pointers: u32,
    counters: u32,
}

/// The code of a nest's body, which stands in the loop of a recurrence over `within` if there is one; none where it does
/// something that has no form here.
pub fn lower(schedule: &Schedule, body: &[Stmt], within: Option<Var>) -> Option<Code> {
    let body = invariant::move_out(schedule, body);
    let mut lowering = Lowering {
        schedule,
        regions: schedule.regions(),
        bases: vec![],
        levels: vec![],
        spread: None,
        regs: FxHashMap::default(),
        meanings: FxHashMap::default(),
        vectors: 0,
        pointers: 0,
        counters: 1,
    };
    let element = within.map(|var| Along { var, start: Start::Element(1), step: 0 });
    lowering.open(element);
    lowering.block(&body)?;
    let whole = lowering.closed(Trips::Known(1), None);
    let Lowering { bases, vectors, pointers, counters, .. } = lowering;
    Some(Code { bases, whole, vectors, pointers, counters }.without_unread())
}

impl Start {
    fn times(self, factor: i64) -> Self {
        match self {
            Start::Known(start) => Start::Known(start * factor),
            Start::WholeOfBatch(times) => Start::WholeOfBatch(times * factor),
            Start::Element(times) => Start::Element(times * factor),
        }
    }
}

impl Lowering<'_> {
    /// A vector that is not assigned yet.
    pub fn fresh(&mut self) -> Vector {
        self.vectors += 1;
        Vector(self.vectors - 1)
    }

    /// Emits an operation; its result.
    pub fn op(&mut self, opcode: Opcode, args: &[Operand]) -> Operand {
        let to = self.fresh();
        self.emit(Operation { opcode, to: Some(to), args: args.to_vec() });
        Operand::Vector(to)
    }

    fn emit(&mut self, operation: Operation) {
        self.levels
            .last_mut()
            .expect("the function itself is a level")
            .items
            .push(Item::Operation(operation));
    }

    fn open(&mut self, along: Option<Along>) {
        self.levels.push(Level { along, counter: None, pointers: vec![], items: vec![] });
    }

    fn closed(&mut self, trips: Trips, mask: Option<Mask>) -> Loop {
        let level = self.levels.pop().expect("it was opened");
        let pointers = level.pointers.into_iter().map(|(_, _, moving)| moving).collect();
        Loop { trips, mask, pointers, counters: level.counter.into_iter().collect(), body: level.items }
    }

    fn close(&mut self, trips: Trips, mask: Option<Mask>) {
        let closed = self.closed(trips, mask);
        self.levels.last_mut().expect("a loop stands in the function").items.push(Item::Loop(closed));
    }

    fn block(&mut self, body: &[Stmt]) -> Option<()> {
        body.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    fn stmt(&mut self, stmt: &Stmt) -> Option<()> {
        match stmt {
            Stmt::For { var, extent, body, .. } => {
                let in_lanes = self.runs_in_lanes(*var, *extent, body);
                self.loop_over(*var, *extent, in_lanes, &mut |l| l.block(body))?;
            }
            Stmt::Fold { acc, .. } => {
                let result = self.fold(stmt)?;
                self.regs.insert(*acc, result);
            }
            Stmt::Let { reg, op, args } => {
                let args: Vec<Operand> = args.iter().map(|arg| self.regs[arg]).collect();
                let value = self.compute(op, &args)?;
                self.regs.insert(*reg, value);
            }
            Stmt::Load { reg, at, when, fill } => {
                let value = self.load(at, when, *fill)?;
                self.regs.insert(*reg, value);
            }
            Stmt::LoadAt { reg, at, index, stride, extent } => {
                let (reach, index) = (self.reach(at)?, self.regs[index]);
                let at = self.place(at)?;
                let stride = i64::from(*stride) * self.size();
                let value = self.op(Opcode::LoadRow { at, reach, stride, extent: *extent }, &[index]);
                self.regs.insert(*reg, value);
            }
            Stmt::Store { at, value } => {
                let (reach, value) = (self.reach(at)?, self.regs[value]);
                let place = self.place(at)?;
                self.emit(Operation { opcode: Opcode::Store(place, reach), to: None, args: vec![value] });
            }
        }
        Some(())
    }

    /// Whether a loop runs in lanes: the innermost that can.
    fn runs_in_lanes(&self, var: Var, extent: Extent, body: &[Stmt]) -> bool {
        self.spread.is_none()
            && extent != Extent::Fixed(1)
            && !self.some_run_in_lanes(body)
            && unroll::possible(self.schedule, var, extent, body)
    }

    /// Whether some of the loops in a body are to run in lanes.
    fn some_run_in_lanes(&self, body: &[Stmt]) -> bool {
        body.iter().any(|stmt| match stmt {
            Stmt::For { hint, body, .. } | Stmt::Fold { hint, body, .. } => {
                *hint == Hint::Vector || self.some_run_in_lanes(body)
            }
            _ => false,
        })
    }

    /// Emits a loop; one that runs in lanes as a loop over whole vectors and what is left.
    fn loop_over(
        &mut self,
        var: Var,
        extent: Extent,
        in_lanes: bool,
        body: &mut dyn FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        if !in_lanes {
            self.open(Some(Along { var, start: Start::Known(0), step: 1 }));
            body(self)?;
            let trips = match extent {
                Extent::Fixed(0) => return self.levels.pop().map(|_| ()),
                Extent::Fixed(extent) => Trips::Known(extent.into()),
                Extent::Batch => Trips::Batch,
            };
            self.close(trips, None);
            return Some(());
        }
        let (whole, rest, start, mask) = match extent {
            Extent::Fixed(extent) => {
                let (whole, rest) = (i64::from(extent) / LANES, i64::from(extent) % LANES);
                let rest_trips = (rest > 0).then_some(Trips::Known(1));
                let whole_trips = (whole > 0).then_some(Trips::Known(whole));
                (whole_trips, rest_trips, Start::Known(whole * LANES), Mask::First(rest as u8))
            }
            Extent::Batch => (
                Some(Trips::WholeOfBatch),
                Some(Trips::RestOfBatch),
                Start::WholeOfBatch(1),
                Mask::RestOfBatch,
            ),
        };
        let around = self.spread;
        if let Some(trips) = whole {
            self.spread = Some(Spread { var, reach: Reach::All, lanes: Some(LANES as u8) });
            self.open(Some(Along { var, start: Start::Known(0), step: LANES }));
            body(self)?;
            self.close(trips, None);
        }
        if let Some(trips) = rest {
            let lanes = if let Mask::First(lanes) = mask { Some(lanes) } else { None };
            self.spread = Some(Spread { var, reach: Reach::Rest, lanes });
            self.open(Some(Along { var, start, step: LANES }));
            body(self)?;
            self.close(trips, Some(mask));
        }
        self.spread = around;
        Some(())
    }

    fn compute(&mut self, op: &Op, args: &[Operand]) -> Option<Operand> {
        Some(match op {
            Op::Gate(gate) => self.gate(*gate, args),
            Op::Number(number) => Operand::Bits((*number as f32).to_bits()),
            Op::Index(linear) => {
                let integers = self.integers(linear)?;
                self.op(Opcode::Convert, &[integers])
            }
            Op::Scalar(k) => self.of_record(i64::from(*k) * self.size())?,
            Op::BatchSize => {
                let size = Affine { terms: vec![(Code::BATCH, 1)], offset: 0 };
                let integers = self.op(Opcode::Integer(size, 0), &[]);
                self.op(Opcode::Convert, &[integers])
            }
            Op::Draw { site, element, example } => {
                let keys = (keys_at(self.schedule) as i64 + 2 * i64::from(*site)) * 4;
                let key = [self.of_record(keys)?, self.of_record(keys + 4)?];
                let example = match example {
                    None => Operand::Bits(0),
                    Some(var) => self.example_number(*var)?,
                };
                let element = self.integers(element)?;
                self.program(crate::circuit::expansions::uniform(), &[key[0], key[1], example, element])
            }
        })
    }

    /// A word of the step's record.
    fn of_record(&mut self, bytes: i64) -> Option<Operand> {
        let place = Place { pointer: self.base(Base::Record), bytes: i32::try_from(bytes).ok()? };
        Some(self.op(Opcode::Load(place, Reach::One), &[]))
    }

    /// The numbers in the data set of the examples that the lanes stand for.
    fn example_number(&mut self, var: Var) -> Option<Operand> {
        if self.spread.is_some_and(|spread| spread.var == var) {
            return None;
        }
        // As an element of an array that has one for each example.
        let level =
            self.levels.iter().rposition(|level| level.along.is_some_and(|along| along.var == var))?;
        let from = self.base(Base::Examples);
        let along = self.levels[level].along?;
        let (start, step) = (along.start.times(4), along.step * 4);
        let pointer = self.new_pointer();
        let moving = Moving { pointer, from, start, step };
        self.levels[level].pointers.push((Region::Log, vec![], moving));
        Some(self.op(Opcode::Load(Place { pointer, bytes: 0 }, Reach::One), &[]))
    }

    /// The value of an affine function in each lane.
    fn integers(&mut self, linear: &Linear) -> Option<Operand> {
        let step = self.spread.map_or(0, |spread| linear.coefficient(spread.var));
        let affine = self.affine(linear)?;
        let step = i32::try_from(step).ok()?;
        Some(self.op(Opcode::Integer(affine, step), &[]))
    }

    /// An affine function; the variable that is spread counts from its first lane.
    fn affine(&mut self, linear: &Linear) -> Option<Affine> {
        let mut terms = vec![];
        for &(var, coefficient) in &linear.terms {
            terms.push((self.counter(var, self.levels.len())?, coefficient));
        }
        Some(Affine { terms, offset: linear.offset })
    }

    /// The value of a variable, as the first `depth` levels say.
    fn counter(&mut self, var: Var, depth: usize) -> Option<Counter> {
        let level =
            self.levels[..depth].iter().rposition(|level| level.along.is_some_and(|a| a.var == var))?;
        if let Some(counting) = self.levels[level].counter {
            return Some(counting.counter);
        }
        let from = self.counter(var, level);
        let counter = Counter(self.counters);
        self.counters += 1;
        let along = self.levels[level].along?;
        self.levels[level].counter = Some(Counting { counter, from, start: along.start, step: along.step });
        Some(counter)
    }

    fn load(&mut self, at: &Address, when: &[Condition], fill: f64) -> Option<Operand> {
        let reach = self.reach(at)?;
        let place = self.place(at)?;
        let fill = (fill as f32).to_bits();
        let mut within = vec![];
        for condition in when {
            let Condition { divisor, lo, hi, .. } = *condition;
            if self.spread.is_some_and(|spread| condition.e.coefficient(spread.var) != 0) {
                return None;
            }
            if hi <= lo {
                return Some(Operand::Bits(fill));
            }
            within.push(Within { e: self.affine(&condition.e)?, divisor, lo, hi });
        }
        Some(match within.is_empty() {
            true => self.op(Opcode::Load(place, reach), &[]),
            false => self.op(Opcode::LoadWhen(place, reach, within, fill), &[]),
        })
    }

    /// How many lanes an address reaches.
    fn reach(&self, at: &Address) -> Option<Reach> {
        let Some(spread) = self.spread else { return Some(Reach::One) };
        match at.at.coefficient(spread.var) {
            0 => Some(Reach::One),
            1 => Some(spread.reach),
            step if (2..=unroll::MOST_STRIDE).contains(&step) => {
                Some(Reach::Strided { step: step as u8, lanes: spread.lanes? })
            }
            _ => None,
        }
    }

    fn place(&mut self, at: &Address) -> Option<Place> {
        let buffer = &self.schedule.buffers[at.buffer.0 as usize];
        let bytes = (i64::from(buffer.offset) + at.at.offset) * self.size();
        let pointer = self.pointer(buffer.region, &at.at.terms, self.levels.len());
        Some(Place { pointer, bytes: i32::try_from(bytes).ok()? })
    }

    /// A region's first element, moved by terms as the first `depth` levels say.
    fn pointer(&mut self, region: Region, terms: &[(Var, i64)], depth: usize) -> Pointer {
        let Some(level) = depth.checked_sub(1) else {
            let place = self.regions.binary_search(&region).expect("a buffer's region is listed");
            return self.base(Base::Region(place));
        };
        let bound =
            |var: Var| self.levels[..depth].iter().any(|level| level.along.is_some_and(|a| a.var == var));
        let terms: Vec<(Var, i64)> = terms.iter().copied().filter(|term| bound(term.0)).collect();
        let coefficient = |along: Along| terms.iter().find(|term| term.0 == along.var).map(|term| term.1);
        let moves = self.levels[level].along.and_then(|along| Some((along, coefficient(along)?)));
        let Some((along, coefficient)) = moves else { return self.pointer(region, &terms, level) };
        let known = self.levels[level].pointers.iter().find(|known| known.0 == region && known.1 == terms);
        if let Some((_, _, moving)) = known {
            return moving.pointer;
        }
        let from = self.pointer(region, &terms, level);
        let bytes = coefficient * self.size();
        let pointer = self.new_pointer();
        let moving = Moving { pointer, from, start: along.start.times(bytes), step: along.step * bytes };
        self.levels[level].pointers.push((region, terms, moving));
        pointer
    }

    fn new_pointer(&mut self) -> Pointer {
        self.pointers += 1;
        Pointer(self.pointers - 1)
    }

    fn base(&mut self, base: Base) -> Pointer {
        if let Some(known) = self.bases.iter().find(|known| known.1 == base) {
            return known.0;
        }
        let pointer = self.new_pointer();
        self.bases.push((pointer, base));
        pointer
    }

    fn size(&self) -> i64 {
        self.schedule.dtype.size() as i64
    }
}

/// What is folded.
#[derive(Clone, Copy)]
struct Folded<'s> {
    with: Monoid,
    order: Order,
    var: Var,
    body: &'s [Stmt],
    value: Reg,
}

/// The iterations of a fold that are combined as one block: from where, and how many.
#[derive(Clone, Copy)]
struct Part {
    start: i64,
    extent: Extent,
}

impl Lowering<'_> {
    fn fold(&mut self, stmt: &Stmt) -> Option<Operand> {
        let Stmt::Fold { with, order, var, extent, body, value, .. } = stmt else {
            unreachable!("called for folds only")
        };
        let folded = Folded { with: *with, order: *order, var: *var, body, value: *value };
        if with.gate().is_none() {
            return self.first_extreme(folded, *extent);
        }
        let (Order::Chain { block } | Order::Lanes { block }) = *order;
        let (blocks, length) = match *extent {
            Extent::Fixed(extent) => even_blocks(extent as usize, block as usize),
            Extent::Batch if self.schedule.capacity <= block => (1, 0),
            Extent::Batch => return None,
        };
        if blocks <= 1 {
            return self.part(folded, Part { start: 0, extent: *extent });
        }
        let (Extent::Fixed(extent), length) = (*extent, length as u32) else {
            unreachable!("a batch is one block")
        };
        // Blocks are combined in order; the first with the identity, which changes no bit.
        let sum = self.variable(folded.with.identity());
        self.open(Some(Along { var: *var, start: Start::Known(0), step: length.into() }));
        let block = self.part(folded, Part { start: 0, extent: Extent::Fixed(length) })?;
        self.combine_into(sum, folded.with, block, false);
        self.close(Trips::Known(blocks as i64 - 1), None);
        let done = (blocks as u32 - 1) * length;
        let last = Part { start: done.into(), extent: Extent::Fixed(extent - done) };
        let block = self.part(folded, last)?;
        self.combine_into(sum, folded.with, block, false);
        Some(Operand::Vector(sum))
    }

    /// A vector that loops change.
    fn variable(&mut self, first: f64) -> Vector {
        let to = self.fresh();
        self.assign(to, Operand::Bits((first as f32).to_bits()), false);
        to
    }

    fn assign(&mut self, to: Vector, value: Operand, masked: bool) {
        self.emit(Operation { opcode: Opcode::Assign { masked }, to: Some(to), args: vec![value] });
    }

    fn combine(&mut self, with: Monoid, a: Operand, b: Operand) -> Operand {
        let gate = with.gate().expect("positions are folded by themselves");
        self.gate(gate, &[a, b])
    }

    fn combine_into(&mut self, sum: Vector, with: Monoid, element: Operand, masked: bool) {
        let combined = self.combine(with, Operand::Vector(sum), element);
        self.assign(sum, combined, masked);
    }

    fn part(&mut self, folded: Folded, part: Part) -> Option<Operand> {
        match folded.order {
            Order::Chain { .. } => self.chain(folded, part),
            Order::Lanes { .. } if self.runs_in_lanes(folded.var, part.extent, folded.body) => {
                self.lanes_in_vectors(folded, part)
            }
            Order::Lanes { .. } => self.lanes_side_by_side(folded, part),
        }
    }

    fn element(&mut self, folded: Folded) -> Option<Operand> {
        self.block(folded.body)?;
        Some(self.regs[&folded.value])
    }

    fn chain(&mut self, folded: Folded, part: Part) -> Option<Operand> {
        let sum = self.variable(folded.with.identity());
        let trips = match part.extent {
            Extent::Fixed(0) => return Some(Operand::Vector(sum)),
            Extent::Fixed(extent) => Trips::Known(extent.into()),
            Extent::Batch => Trips::Batch,
        };
        self.open(Some(Along { var: folded.var, start: Start::Known(part.start), step: 1 }));
        let element = self.element(folded)?;
        self.combine_into(sum, folded.with, element, false);
        self.close(trips, None);
        Some(Operand::Vector(sum))
    }

    /// A vector holds all lanes.
    fn lanes_in_vectors(&mut self, folded: Folded, part: Part) -> Option<Operand> {
        let sum = self.variable(folded.with.identity());
        if part.start != 0 {
            self.open(Some(Along { var: folded.var, start: Start::Known(part.start), step: 0 }));
        }
        self.loop_over(folded.var, part.extent, true, &mut |l| {
            let element = l.element(folded)?;
            let masked = l.spread.is_some_and(|spread| spread.reach == Reach::Rest);
            l.combine_into(sum, folded.with, element, masked);
            Some(())
        })?;
        if part.start != 0 {
            self.close(Trips::Known(1), None);
        }
        let mut lanes = Operand::Vector(sum);
        for half in [8, 4, 2, 1] {
            let upper = self.op(Opcode::Rotate(half), &[lanes]);
            lanes = self.combine(folded.with, lanes, upper);
        }
        Some(self.op(Opcode::Spread, &[lanes]))
    }

    /// Each lane is a vector, of which the lanes are iterations of a loop around: as many as there are elements.
    fn lanes_side_by_side(&mut self, folded: Folded, part: Part) -> Option<Operand> {
        let Extent::Fixed(extent) = part.extent else { return None };
        let identity = Operand::Bits((folded.with.identity() as f32).to_bits());
        let (times, rest) = (i64::from(extent) / LANES, i64::from(extent) % LANES);
        if extent == 0 {
            return Some(identity);
        }
        let used = if times == 0 { rest } else { LANES };
        let lanes: Vec<Vector> = (0..used).map(|_| self.variable(folded.with.identity())).collect();
        if times > 0 {
            self.open(Some(Along { var: folded.var, start: Start::Known(part.start), step: LANES }));
            self.one_each(folded, &lanes, 0)?;
            self.close(Trips::Known(times), None);
        }
        self.one_each(folded, &lanes[..rest as usize], part.start + times * LANES)?;
        let mut sums: Vec<Operand> = lanes.into_iter().map(Operand::Vector).collect();
        let mut half = LANES as usize / 2;
        while half > 0 {
            for k in half..sums.len() {
                sums[k - half] = self.combine(folded.with, sums[k - half], sums[k]);
            }
            sums.truncate(half);
            half /= 2;
        }
        Some(sums[0])
    }

    /// Combines one further element into each of the lanes.
    fn one_each(&mut self, folded: Folded, lanes: &[Vector], start: i64) -> Option<()> {
        if super::walked(folded.body) > MOST_COPIED {
            return None;
        }
        for (k, &lane) in lanes.iter().enumerate() {
            let along = Along { var: folded.var, start: Start::Known(start + k as i64), step: 0 };
            self.open(Some(along));
            let element = self.element(folded)?;
            self.combine_into(lane, folded.with, element, false);
            self.close(Trips::Known(1), None);
        }
        Some(())
    }

    /// The position of the first largest or smallest, as a number; a NaN counts as either.
    fn first_extreme(&mut self, folded: Folded, extent: Extent) -> Option<Operand> {
        let trips = match extent {
            Extent::Fixed(0) => return Some(Operand::Bits(0)),
            Extent::Fixed(extent) => Trips::Known(extent.into()),
            Extent::Batch => Trips::Batch,
        };
        let best = self.variable(folded.with.identity());
        let position = self.variable(0.0);
        let now = self.variable(0.0);
        self.open(Some(Along { var: folded.var, start: Start::Known(0), step: 1 }));
        let element = self.element(folded)?;
        let [best_now, position_now, here] = [best, position, now].map(Operand::Vector);
        let beats = match folded.with {
            Monoid::Argmax => [best_now, element],
            _ => [element, best_now],
        };
        // A number that is better, or a NaN where there was none.
        let beats = self.op(Opcode::Test(Relation::Less), &beats);
        let is_nan = self.op(Opcode::Test(Relation::NotEqual), &[element, element]);
        let first = self.op(Opcode::Test(Relation::Equal), &[best_now, best_now]);
        let first_nan = self.op(Opcode::And, &[is_nan, first]);
        let takes = self.op(Opcode::Or, &[beats, first_nan]);
        let element = self.op(Opcode::Choose, &[takes, element, best_now]);
        let chosen = self.op(Opcode::Choose, &[takes, here, position_now]);
        self.assign(best, element, false);
        self.assign(position, chosen, false);
        let next = self.op(Opcode::Add, &[here, Operand::Bits(1f32.to_bits())]);
        self.assign(now, next, false);
        self.close(trips, None);
        Some(position_now)
    }
}

/// Statements up to which the body of a fold is emitted for each lane.
const MOST_COPIED: usize = 12;
