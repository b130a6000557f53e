//! Nests as code on wide vectors.
//!
//! As elsewhere in this room, a register of the schedule is a vector: its lanes are neighbouring iterations of the
//! loop that runs in lanes, and hold the same number outside of it.

use super::code::*;
use super::gates::Meaning;
use super::instructions::Instructions;
use super::jam;
use super::share::Sharing;
use super::unroll;
use crate::codegen::keys_at;
use crate::codegen::product::Product;
use crate::plan::schedule::*;
use rustc_hash::FxHashMap;

/// The loop that runs in lanes.
#[derive(Clone, Copy)]
pub struct Spread {
    pub var: Var,
    pub reach: Reach,
    /// The iteration that the first lane stands for, counted from where the level is.
    pub first: i64,
}

/// Of which variable, and how far it goes: what opens a [`Level`].
#[derive(Clone, Copy)]
pub struct Along {
    pub var: Var,
    /// Where it begins, from where the level around is if that is of the same variable.
    pub start: Start,
    pub step: i64,
}

/// An address that moves with a level, and what it is of: a base and some terms of addresses.
struct Moved {
    of: (Base, Vec<(Var, i64)>),
    moving: Moving,
}

/// A loop that is open.
struct Level {
    along: Option<Along>,
    counter: Option<Counting>,
    pointers: Vec<Moved>,
    items: Vec<Item>,
}

/// How far a loop runs.
#[derive(Clone, Copy)]
pub enum Length {
    /// So far.
    Known(i64),
    /// As far as the caller says.
    Given(Counter),
}

impl From<Extent> for Length {
    fn from(extent: Extent) -> Self {
        match extent {
            Extent::Fixed(extent) => Length::Known(extent.into()),
            Extent::Batch => Length::Given(Code::BATCH),
        }
    }
}

/// Makes code of a nest.
pub struct Lowering<'a> {
    /// Numbers in a vector.
    pub lanes: i64,
    /// How many elements two lanes that are neighbours may lie apart.
    most_stride: i64,
    pub schedule: &'a Schedule,
    regions: Vec<Region>,
    bases: Vec<(Pointer, Base)>,
    levels: Vec<Level>,
    pub spread: Option<Spread>,
    /// How calls share the outermost loop, if they do.
    sharing: Option<&'a Sharing>,
    pub regs: FxHashMap<Reg, Operand>,
    /// Of vectors that are booleans: the comparison that they are the numbers of.
    pub meanings: FxHashMap<Vector, Meaning>,
    vectors: u32,
    pointers: u32,
    counters: u32,
}

/// The code of a nest's body, which stands in the loop of a recurrence over `within` if there is one; none where it does
/// something that has no form here.
pub fn lower(
    schedule: &Schedule,
    set: Instructions,
    body: &[Stmt],
    within: Option<Var>,
    sharing: Option<&Sharing>,
) -> Option<Code> {
    let mut lowering = Lowering::new(schedule, set, unroll::MOST_STRIDE, sharing);
    let element = within.map(|var| Along { var, start: Start::Given(Code::ELEMENT, 1), step: 0 });
    lowering.open(element);
    lowering.block(body)?;
    Some(lowering.finish())
}

/// The code of a product, to be run without loops: lanes may be far apart. None as of [`lower`].
pub fn lower_product(schedule: &Schedule, set: Instructions, product: &Product) -> Option<Code> {
    let mut lowering = Lowering::new(schedule, set, u8::MAX.into(), None);
    lowering.open(None);
    lowering.product(product)?;
    Some(lowering.finish())
}

impl Start {
    fn times(self, factor: i64) -> Self {
        match self {
            Start::Known(start) => Start::Known(start * factor),
            Start::WholeOf(count, times) => Start::WholeOf(count, times * factor),
            Start::Given(counter, times) => Start::Given(counter, times * factor),
        }
    }
}

impl<'a> Lowering<'a> {
    fn new(
        schedule: &'a Schedule,
        set: Instructions,
        most_stride: i64,
        sharing: Option<&'a Sharing>,
    ) -> Lowering<'a> {
        Lowering {
            lanes: set.lanes(),
            most_stride,
            schedule,
            regions: schedule.regions(),
            bases: vec![],
            levels: vec![],
            spread: None,
            sharing,
            regs: FxHashMap::default(),
            meanings: FxHashMap::default(),
            vectors: 0,
            pointers: 0,
            counters: Code::GIVEN,
        }
    }

    /// The code, when all that was opened is closed again but the function itself.
    fn finish(mut self) -> Code {
        let whole = self.closed(Trips::Known(1));
        let Lowering { bases, vectors, pointers, counters, sharing, .. } = self;
        let shared = sharing.is_some();
        Code { bases, whole, shared, vectors, pointers, counters }.without_unread()
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

    pub fn emit(&mut self, operation: Operation) {
        self.levels
            .last_mut()
            .expect("the function itself is a level")
            .items
            .push(Item::Operation(operation));
    }

    pub fn open(&mut self, along: Option<Along>) {
        self.levels.push(Level { along, counter: None, pointers: vec![], items: vec![] });
    }

    fn closed(&mut self, trips: Trips) -> Loop {
        let level = self.levels.pop().expect("it was opened");
        let pointers = level.pointers.into_iter().map(|moved| moved.moving).collect();
        Loop { trips, pointers, counters: level.counter.into_iter().collect(), body: level.items }
    }

    pub fn close(&mut self, trips: Trips) {
        let closed = self.closed(trips);
        let items = &mut self.levels.last_mut().expect("a loop stands in the function").items;
        match closed.once() {
            Ok(operations) => items.extend(operations),
            Err(closed) => items.push(Item::Loop(closed)),
        }
    }

    pub fn block(&mut self, body: &[Stmt]) -> Option<()> {
        body.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    fn stmt(&mut self, stmt: &Stmt) -> Option<()> {
        match stmt {
            Stmt::For { var, extent, body, .. } => {
                let vectors = extent.len_for(self.schedule.capacity as usize) as i64 / self.lanes;
                let in_lanes =
                    self.runs_in_lanes(*var, *extent, body).then(|| jam::side_by_side(body, vectors).max(1));
                match self.sharing.filter(|sharing| sharing.var == *var) {
                    None => self.loop_over(*var, (*extent).into(), in_lanes, &mut |l| l.block(body))?,
                    Some(_) => {
                        self.open(Some(Along { var: *var, start: Start::Given(Code::BEGIN, 1), step: 0 }));
                        self.loop_over(*var, Length::Given(Code::COUNT), in_lanes, &mut |l| l.block(body))?;
                        self.close(Trips::Known(1));
                    }
                }
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
            Stmt::Store { at, value } => self.write(at, self.regs[value])?,
        }
        Some(())
    }

    /// Whether a loop runs in lanes.
    pub fn runs_in_lanes(&self, var: Var, extent: Extent, body: &[Stmt]) -> bool {
        self.spread.is_none() && super::runs_in_lanes(self.schedule, var, extent, body)
    }

    /// Emits a loop; one that runs in lanes as a loop over whole vectors, so many of them side by side where their number
    /// is known, and what is left.
    pub fn loop_over(
        &mut self,
        var: Var,
        length: Length,
        in_lanes: Option<i64>,
        body: &mut dyn FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        let Some(side_by_side) = in_lanes else {
            self.open(Some(Along { var, start: Start::Known(0), step: 1 }));
            body(self)?;
            let trips = match length {
                Length::Known(0) => return self.levels.pop().map(|_| ()),
                Length::Known(length) => Trips::Known(length),
                Length::Given(count) => Trips::All(count),
            };
            self.close(trips);
            return Some(());
        };
        match length {
            Length::Known(length) => {
                let (whole, rest) = (length / self.lanes, length % self.lanes);
                let (times, left) = (whole / side_by_side, whole % side_by_side);
                let known = Start::Known;
                let (after, end) = (times * side_by_side * self.lanes, whole * self.lanes);
                let groups = [(known(0), times, side_by_side), (known(after), left.min(1), left)];
                for (start, times, vectors) in groups.into_iter().filter(|group| group.1 > 0) {
                    let along = Along { var, start, step: vectors * self.lanes };
                    self.in_lanes(along, Trips::Known(times), Reach::All, vectors, body)?;
                }
                if rest > 0 {
                    let along = Along { var, start: known(end), step: self.lanes };
                    self.in_lanes(along, Trips::Known(1), Reach::First(rest as u8), 1, body)?;
                }
            }
            Length::Given(count) => {
                let whole = Along { var, start: Start::Known(0), step: self.lanes };
                self.in_lanes(whole, Trips::WholeOf(count), Reach::All, 1, body)?;
                let rest = Along { var, start: Start::WholeOf(count, 1), step: self.lanes };
                self.in_lanes(rest, Trips::RestOf(count), Reach::Rest, 1, body)?;
            }
        }
        Some(())
    }

    /// Emits a loop in lanes, which reach so far, with so many vectors side by side.
    fn in_lanes(
        &mut self,
        along: Along,
        trips: Trips,
        reach: Reach,
        vectors: i64,
        body: &mut dyn FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        let around = self.spread;
        self.open(Some(along));
        let mut copies = vec![];
        for vector in 0..vectors {
            self.spread = Some(Spread { var: along.var, reach, first: vector * self.lanes });
            body(self)?;
            let level = self.levels.last_mut().expect("it was opened");
            copies.push(std::mem::take(&mut level.items));
        }
        self.levels.last_mut().expect("it was opened").items = jam::jam(copies);
        self.close(trips);
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
        // An array that has one element for each example, each as long as a number.
        let pointer = self.pointer(Base::Examples, &[(var, 1)], self.levels.len());
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
        Some(Affine { terms, offset: linear.offset + self.first(linear) })
    }

    /// What the first lane adds to an affine function, beyond where the level is.
    fn first(&self, linear: &Linear) -> i64 {
        self.spread.map_or(0, |spread| linear.coefficient(spread.var) * spread.first)
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

    pub fn load(&mut self, at: &Address, when: &[Condition], fill: f64) -> Option<Operand> {
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

    /// Emits the writing of an element.
    pub fn write(&mut self, at: &Address, value: Operand) -> Option<()> {
        let reach = self.reach(at)?;
        let place = self.place(at)?;
        self.emit(Operation { opcode: Opcode::Store(place, reach), to: None, args: vec![value] });
        Some(())
    }

    /// How many lanes an address reaches.
    fn reach(&self, at: &Address) -> Option<Reach> {
        let Some(spread) = self.spread else { return Some(Reach::One) };
        match at.at.coefficient(spread.var) {
            0 => Some(Reach::One),
            1 => Some(spread.reach),
            step if (2..=self.most_stride).contains(&step) => {
                let lanes = match spread.reach {
                    Reach::All => self.lanes as u8,
                    Reach::First(lanes) => lanes,
                    _ => return None,
                };
                Some(Reach::Strided { step: step as u8, lanes })
            }
            _ => None,
        }
    }

    fn place(&mut self, at: &Address) -> Option<Place> {
        let buffer = &self.schedule.buffers[at.buffer.0 as usize];
        let own = self.sharing.and_then(|sharing| sharing.scratch_of(at.buffer));
        let (base, offset) = match own {
            Some(offset) => (Base::Scratch, offset),
            None => {
                let place = self.regions.binary_search(&buffer.region).expect("a buffer's region is listed");
                (Base::Region(place), buffer.offset)
            }
        };
        let bytes = (i64::from(offset) + at.at.offset + self.first(&at.at)) * self.size();
        let pointer = self.pointer(base, &at.at.terms, self.levels.len());
        Some(Place { pointer, bytes: i32::try_from(bytes).ok()? })
    }

    /// A base moved by terms as the first `depth` levels say.
    fn pointer(&mut self, base: Base, terms: &[(Var, i64)], depth: usize) -> Pointer {
        let Some(level) = depth.checked_sub(1) else { return self.base(base) };
        let bound =
            |var: Var| self.levels[..depth].iter().any(|level| level.along.is_some_and(|a| a.var == var));
        let terms: Vec<(Var, i64)> = terms.iter().copied().filter(|term| bound(term.0)).collect();
        let coefficient = |along: Along| terms.iter().find(|term| term.0 == along.var).map(|term| term.1);
        let moves = self.levels[level].along.and_then(|along| Some((along, coefficient(along)?)));
        let Some((along, coefficient)) = moves else { return self.pointer(base, &terms, level) };
        let of = (base, terms.clone());
        if let Some(known) = self.levels[level].pointers.iter().find(|known| known.of == of) {
            return known.moving.pointer;
        }
        let from = self.pointer(base, &terms, level);
        let bytes = coefficient * self.size();
        let pointer = self.new_pointer();
        let moving = Moving { pointer, from, start: along.start.times(bytes), step: along.step * bytes };
        self.levels[level].pointers.push(Moved { of, moving });
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
