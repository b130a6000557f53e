//! Short work without loops: every operation that its loops run, one after another.
//!
//! What is known of memory is what was read or written before. Where a read finds all of its elements in the lanes of
//! vectors it is no read any more, and arrays of which no element is read from memory are not written: what one nest
//! hands to the next stays in registers.

use super::code::*;
use crate::plan::schedule::{Region, Schedule};
use rustc_hash::{FxHashMap, FxHashSet};

/// Bytes of an element.
const SIZE: i32 = 4;

/// An element in memory: the pointer to where its region begins, and the bytes from there.
type Element = (Pointer, i32);

/// A lane of an operand.
type Part = (Operand, u8);

/// Which vectors hold an element.
#[derive(Clone, Copy, Default)]
struct Held {
    /// In all lanes.
    everywhere: Option<Operand>,
    /// In this one.
    lane: Option<Part>,
}

/// Operations after which it is read again what was read before: its register serves others better.
const NEAR: usize = 80;

/// Operations without loops, while they are collected.
pub struct Straight<'a> {
    schedule: &'a Schedule,
    lanes: u8,
    /// How many more may be run, those among them that turn out to be none.
    left: usize,
    operations: Vec<Operation>,
    bases: Vec<(Pointer, Base)>,
    vectors: u32,
    /// What was computed, of what.
    computed: FxHashMap<(Opcode, Vec<Operand>), Operand>,
    /// What is in memory.
    held: FxHashMap<Element, Held>,
    /// How many operations there were when an operand was read from memory.
    read_at: FxHashMap<Operand, usize>,
}

/// What the names in a piece of code stand for where it runs.
#[derive(Default)]
struct Names {
    vectors: FxHashMap<Vector, Operand>,
    pointers: FxHashMap<Pointer, Element>,
    counters: FxHashMap<Counter, i64>,
}

impl Names {
    fn operand(&self, operand: Operand) -> Operand {
        match operand {
            Operand::Vector(vector) => self.vectors[&vector],
            bits => bits,
        }
    }

    fn place(&self, at: Place) -> Option<Place> {
        let (pointer, bytes) = self.pointers[&at.pointer];
        Some(Place { pointer, bytes: bytes.checked_add(at.bytes)? })
    }

    fn value(&self, affine: &Affine) -> i64 {
        let terms = affine.terms.iter();
        terms.fold(affine.offset, |sum, &(counter, times)| sum + self.counters[&counter] * times)
    }
}

impl<'a> Straight<'a> {
    /// No operation of a schedule yet, and at most so many; a vector has so many lanes.
    pub fn new(schedule: &'a Schedule, lanes: i64, most: usize) -> Self {
        Straight {
            schedule,
            lanes: lanes as u8,
            left: most,
            operations: vec![],
            bases: vec![],
            vectors: 0,
            computed: FxHashMap::default(),
            held: FxHashMap::default(),
            read_at: FxHashMap::default(),
        }
    }

    /// Appends what a piece of code runs; none where that is too much, or not known now.
    pub fn append(&mut self, code: &Code) -> Option<()> {
        let mut names = Names::default();
        for &(pointer, base) in &code.bases {
            let known = self.bases.iter().find(|known| known.1 == base).map(|known| known.0);
            let own = known.unwrap_or(Pointer(self.bases.len() as u32));
            if known.is_none() {
                self.bases.push((own, base));
            }
            names.pointers.insert(pointer, (own, 0));
        }
        self.repeat(&code.whole, &mut names)
    }

    /// The code of all that was appended. Of the arena nothing is written that nobody reads.
    pub fn finish(self) -> Code {
        let Straight { schedule, operations, bases, vectors, lanes, .. } = self;
        let arena = schedule.regions().binary_search(&Region::Arena).ok().map(Base::Region);
        let arena = bases.iter().find(|base| Some(base.1) == arena).map(|base| base.0);
        let body = needed(operations, arena, lanes);
        let whole = Loop {
            trips: Trips::Known(1),
            pointers: vec![],
            counters: vec![],
            body: body.into_iter().map(Item::Operation).collect(),
        };
        let pointers = bases.len() as u32;
        Code { bases, whole, shared: false, vectors, pointers, counters: Code::GIVEN }
    }

    fn repeat(&mut self, around: &Loop, names: &mut Names) -> Option<()> {
        let Trips::Known(trips) = around.trips else { return None };
        for Moving { pointer, from, start, .. } in &around.pointers {
            let Start::Known(start) = start else { return None };
            let (base, bytes) = names.pointers[from];
            names.pointers.insert(*pointer, (base, i32::try_from(i64::from(bytes) + start).ok()?));
        }
        for Counting { counter, from, start, .. } in &around.counters {
            let Start::Known(start) = start else { return None };
            let from = from.map_or(0, |from| names.counters[&from]);
            names.counters.insert(*counter, from + start);
        }
        for _ in 0..trips {
            self.left = self.left.checked_sub(1 + around.body.len())?;
            for item in &around.body {
                match item {
                    Item::Operation(operation) => self.operation(operation, names)?,
                    Item::Loop(inner) => self.repeat(inner, names)?,
                }
            }
            for Moving { pointer, step, .. } in &around.pointers {
                let (_, bytes) = names.pointers.get_mut(pointer).expect("the loop began it");
                *bytes = i32::try_from(i64::from(*bytes) + step).ok()?;
            }
            for Counting { counter, step, .. } in &around.counters {
                *names.counters.get_mut(counter).expect("the loop began it") += step;
            }
        }
        Some(())
    }

    fn operation(&mut self, operation: &Operation, names: &mut Names) -> Option<()> {
        let args: Vec<Operand> = operation.args.iter().map(|&arg| names.operand(arg)).collect();
        let result = match &operation.opcode {
            Opcode::Store(at, reach) => {
                self.store(names.place(*at)?, *reach, args[0]);
                return Some(());
            }
            Opcode::Load(at, reach) => self.load(names.place(*at)?, *reach),
            Opcode::LoadWhen(at, reach, when, fill) => {
                match when.iter().all(|within| holds(within, names.value(&within.e))) {
                    true => self.load(names.place(*at)?, *reach),
                    false => Operand::Bits(*fill),
                }
            }
            Opcode::LoadRow { at, reach, stride, extent } => {
                let (at, reach) = (names.place(*at)?, *reach);
                self.emit(Opcode::LoadRow { at, reach, stride: *stride, extent: *extent }, args)
            }
            Opcode::Integer(affine, 0) => Operand::Bits(names.value(affine) as u32),
            Opcode::Integer(affine, step) => {
                let known = Affine { terms: vec![], offset: names.value(affine) };
                self.compute(Opcode::Integer(known, *step), args)
            }
            Opcode::Assign(Reach::First(lanes)) => {
                let to = operation.to.expect("it is assigned");
                let old = names.operand(Operand::Vector(to));
                self.compute(Opcode::Blend((1 << lanes) - 1), vec![old, args[0]])
            }
            Opcode::Assign(_) => args[0],
            opcode => self.compute(opcode.clone(), args),
        };
        names.vectors.insert(operation.to.expect("only a store gives nothing"), result);
        Some(())
    }

    fn emit(&mut self, opcode: Opcode, args: Vec<Operand>) -> Operand {
        let to = Vector(self.vectors);
        self.vectors += 1;
        self.operations.push(Operation { opcode, to: Some(to), args });
        Operand::Vector(to)
    }

    /// A result that follows from operands alone: computed once.
    fn compute(&mut self, opcode: Opcode, args: Vec<Operand>) -> Operand {
        let (opcode, args) = simpler(opcode, args);
        if let (Opcode::Convert, &[Operand::Bits(integer)]) = (&opcode, &args[..]) {
            return Operand::Bits((integer as i32 as f32).to_bits());
        }
        let key = (opcode, args);
        if let Some(&known) = self.computed.get(&key) {
            return known;
        }
        let result = self.emit(key.0.clone(), key.1.clone());
        self.computed.insert(key, result);
        result
    }

    fn store(&mut self, at: Place, reach: Reach, value: Operand) {
        let opcode = Opcode::Store(at, reach);
        for (element, lane) in opcode.elements(self.lanes).into_iter().zip(0..) {
            let held = match (reach, value) {
                // Outside of a loop in lanes, and of constants, all lanes are alike.
                (Reach::One, _) | (_, Operand::Bits(_)) => Held { everywhere: Some(value), lane: None },
                _ => Held { everywhere: None, lane: Some((value, lane)) },
            };
            self.held.insert(element, held);
        }
        self.operations.push(Operation { opcode, to: None, args: vec![value] });
    }

    fn load(&mut self, at: Place, reach: Reach) -> Operand {
        let elements = Opcode::Load(at, reach).elements(self.lanes);
        if reach == Reach::One {
            return self.everywhere(elements[0]);
        }
        let known = self.parts(&elements);
        let value = match (known.iter().copied().collect::<Option<Vec<_>>>(), reach) {
            (Some(parts), _) => self.together(&parts),
            (None, Reach::Strided { .. }) => {
                let unknown = elements.iter().zip(&known).filter(|(_, known)| known.is_none());
                let unknown: Vec<Element> = unknown.map(|(&element, _)| element).collect();
                self.read_blocks(&unknown);
                let known = self.parts(&elements).into_iter().zip(&elements).zip(0..);
                let parts: Vec<Part> = known
                    .map(|((part, &element), lane)| part.unwrap_or_else(|| (self.everywhere(element), lane)))
                    .collect();
                self.together(&parts)
            }
            (None, _) => self.read(at, reach),
        };
        self.hold(elements, value);
        value
    }

    /// Notes that a vector has elements in its lanes.
    fn hold(&mut self, elements: Vec<Element>, vector: Operand) {
        for (element, lane) in elements.into_iter().zip(0..) {
            self.held.entry(element).or_default().lane = Some((vector, lane));
        }
    }

    /// Where elements are in vectors; the lane is their own if they are everywhere.
    fn parts(&self, elements: &[Element]) -> Vec<Option<Part>> {
        let part = |(element, lane): (&Element, u8)| {
            let held = self.held.get(element)?;
            let everywhere = held.everywhere.map(|operand| (operand, lane));
            [everywhere, held.lane].into_iter().flatten().find(|part| self.is_near(part.0))
        };
        elements.iter().zip(0..).map(part).collect()
    }

    /// Whether an operand is better kept than read again.
    fn is_near(&self, operand: Operand) -> bool {
        self.read_at.get(&operand).is_none_or(|&at| self.operations.len() - at <= NEAR)
    }

    /// Reads memory.
    fn read(&mut self, at: Place, reach: Reach) -> Operand {
        let value = self.emit(Opcode::Load(at, reach), vec![]);
        self.read_at.insert(value, self.operations.len());
        value
    }

    /// Reads the whole vectors, counted from the beginning of the region, that have elements, if these are few. What
    /// updates write are such vectors, and a vector that was just written is read at once if it is read as a whole.
    fn read_blocks(&mut self, elements: &[Element]) {
        let bytes = i32::from(self.lanes) * SIZE;
        let mut blocks: Vec<Element> =
            elements.iter().map(|&(pointer, at)| (pointer, at / bytes * bytes)).collect();
        blocks.sort_unstable_by_key(|block| block.1);
        blocks.dedup();
        if blocks.len() * 2 > elements.len() {
            return;
        }
        for (pointer, bytes) in blocks {
            let left = self.length(pointer) - i64::from(bytes / SIZE);
            let reach = if left < self.lanes.into() { Reach::First(left as u8) } else { Reach::All };
            let at = Place { pointer, bytes };
            let value = self.read(at, reach);
            self.hold(Opcode::Load(at, reach).elements(self.lanes), value);
        }
    }

    /// Elements of a region.
    fn length(&self, pointer: Pointer) -> i64 {
        let Base::Region(place) = self.bases[pointer.0 as usize].1 else {
            unreachable!("only elements of a region lie apart")
        };
        let region = self.schedule.regions()[place];
        self.schedule.region_len(region, self.schedule.capacity as usize) as i64
    }

    /// A vector that has an element in all lanes.
    fn everywhere(&mut self, element: Element) -> Operand {
        let known = self.held.get(&element).and_then(|held| held.everywhere);
        if let Some(known) = known.filter(|&known| self.is_near(known)) {
            return known;
        }
        let (pointer, bytes) = element;
        let value = self.read(Place { pointer, bytes }, Reach::One);
        self.held.entry(element).or_default().everywhere = Some(value);
        value
    }

    /// A vector of which each of the first lanes is a lane of an operand.
    fn together(&mut self, parts: &[Part]) -> Operand {
        let mut all: Option<Operand> = None;
        let mut done = vec![];
        for &(operand, _) in parts {
            if done.contains(&operand) {
                continue;
            }
            done.push(operand);
            let own = || parts.iter().zip(0u8..).filter(|(part, _)| part.0 == operand);
            let moved = match own().all(|(part, lane)| part.1 == lane) {
                true => operand,
                false => {
                    let mut order: Vec<u8> = (0..self.lanes).collect();
                    own().for_each(|(part, lane)| order[usize::from(lane)] = part.1);
                    self.compute(Opcode::Permute(order), vec![operand])
                }
            };
            let lanes = own().fold(0u16, |lanes, (_, lane)| lanes | 1 << lane);
            all = Some(match all {
                None => moved,
                Some(others) => self.compute(Opcode::Blend(lanes), vec![others, moved]),
            });
        }
        all.expect("a vector has a lane")
    }
}

/// Whether a condition holds of a value.
fn holds(within: &Within, value: i64) -> bool {
    let Within { divisor, lo, hi, .. } = within;
    value % divisor == 0 && (lo * divisor..=(hi - 1) * divisor).contains(&value)
}

/// The same result by what takes less time: the quotient by a power of two is the product with its inverse, exactly.
fn simpler(opcode: Opcode, args: Vec<Operand>) -> (Opcode, Vec<Operand>) {
    if let (Opcode::Div, &[a, Operand::Bits(bits)]) = (&opcode, &args[..]) {
        let inverse = 1.0 / f32::from_bits(bits);
        let is_power = |bits: u32| bits & 0x7f_ffff == 0;
        if f32::from_bits(bits).is_normal() && inverse.is_normal() && is_power(bits) {
            return (Opcode::Mul, vec![a, Operand::Bits(inverse.to_bits())]);
        }
    }
    (opcode, args)
}

/// The operations without those whose results nobody reads: from the end, as what is read was made before.
fn needed(operations: Vec<Operation>, arena: Option<Pointer>, lanes: u8) -> Vec<Operation> {
    let mut read: FxHashSet<Vector> = FxHashSet::default();
    let mut loaded: FxHashSet<Element> = FxHashSet::default();
    let mut kept = vec![];
    for operation in operations.into_iter().rev() {
        let in_arena = operation.opcode.place().is_some_and(|at| Some(at.pointer) == arena);
        let elements = if in_arena { operation.opcode.elements(lanes) } else { vec![] };
        let is_needed = match operation.to {
            // What is written here is not what was there before.
            None if in_arena => {
                elements.iter().fold(false, |needed, element| loaded.remove(element) | needed)
            }
            None => true,
            Some(to) => read.contains(&to),
        };
        if is_needed {
            if operation.to.is_some() {
                loaded.extend(elements);
            }
            read.extend(vectors(&operation.args));
            kept.push(operation);
        }
    }
    kept.reverse();
    kept
}
