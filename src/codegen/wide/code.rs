//! Code on wide vectors, before registers are given out: operations in loops.
//!
//! Vectors are assigned once, but for those that [`Opcode::Assign`] names: what a loop carries from one iteration to
//! the next.

/// A vector of numbers, or of integers, of 32 bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Vector(pub u32);

/// An address that loops move.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pointer(pub u32);

/// An integer of 64 bits: the value of a loop variable, or one that the caller gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Counter(pub u32);

/// What an operation reads.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operand {
    /// A vector.
    Vector(Vector),
    /// These bits in all lanes.
    Bits(u32),
}

/// The element that a pointer and a number of bytes give.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Place {
    pub pointer: Pointer,
    pub bytes: i32,
}

/// How many neighbouring elements the lanes stand for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reach {
    /// One: read into all lanes, written from the first.
    One,
    /// As many as there are lanes.
    All,
    /// The first so many.
    First(u8),
    /// As many as whole vectors leave of the count that the loop around runs to: [`Trips::RestOf`].
    Rest,
    /// So many, of elements that lie `step` apart.
    Strided { step: u8, lanes: u8 },
}

/// How two operands are to compare, as numbers or (the last two) as integers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Relation {
    Less,
    LessEqual,
    Equal,
    NotEqual,
    NotLess,
    NotLessEqual,
    IntEqual,
    IntNotEqual,
}

impl Relation {
    /// The one that holds where this one does not.
    pub fn opposite(self) -> Self {
        match self {
            Relation::Less => Relation::NotLess,
            Relation::LessEqual => Relation::NotLessEqual,
            Relation::Equal => Relation::NotEqual,
            Relation::NotEqual => Relation::Equal,
            Relation::NotLess => Relation::Less,
            Relation::NotLessEqual => Relation::LessEqual,
            Relation::IntEqual => Relation::IntNotEqual,
            Relation::IntNotEqual => Relation::IntEqual,
        }
    }
}

/// A multiple of counters, and a number.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Affine {
    pub terms: Vec<(Counter, i64)>,
    pub offset: i64,
}

/// `lo * divisor <= e <= (hi - 1) * divisor`, and `e` is a multiple of the divisor; `hi` is above `lo`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Within {
    pub e: Affine,
    pub divisor: i64,
    pub lo: i64,
    pub hi: i64,
}

/// What an [`Operation`] does with its operands.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Opcode {
    Add,
    Sub,
    Mul,
    Div,
    /// `a * b + c`, rounded once.
    Fma,
    /// `if a < b then a else b`
    Min,
    /// `if a > b then a else b`
    Max,
    Sqrt,
    Floor,
    Ceil,
    Nearest,
    And,
    Or,
    Xor,
    IntAdd,
    IntSub,
    IntMul,
    Shl(u8),
    Shr(u8),
    Sar(u8),
    /// Integers as numbers.
    Convert,
    /// `if a relation b then c else d`
    Select(Relation),
    /// All ones where `a relation b`, else zeros.
    Test(Relation),
    /// `if a then b else c`, where `a` is all ones or zeros.
    Choose,
    /// Lane `k` is lane `k + by` of the operand, modulo their number.
    Rotate(u8),
    /// The first lane in all.
    Spread,
    /// Lane `k` is that lane of the operand which stands at `k`.
    Permute(Vec<u8>),
    /// The lanes of a mask from the second operand, the others from the first.
    Blend(u16),
    /// Reads memory.
    Load(Place, Reach),
    /// Reads memory where all conditions hold; else these bits.
    LoadWhen(Place, Reach, Vec<Within>, u32),
    /// Reads memory so many bytes further as the first lane of the operand says, times a stride; NaN where that is not
    /// one of the integers below an extent.
    LoadRow {
        at: Place,
        reach: Reach,
        stride: i64,
        extent: u32,
    },
    /// Writes memory.
    Store(Place, Reach),
    /// Changes so many lanes of `to`; the others stay.
    Assign(Reach),
    /// An integer, that in the lanes goes on by steps.
    Integer(Affine, i32),
}

impl Opcode {
    /// Whether the first two operands may change places.
    pub fn commutes(&self) -> bool {
        use Opcode::*;
        matches!(self, Add | Mul | Fma | And | Or | Xor | IntAdd | IntMul)
    }

    /// Where it reads or writes memory.
    pub fn place(&self) -> Option<Place> {
        use Opcode::*;
        match self {
            Load(place, _) | LoadWhen(place, ..) | LoadRow { at: place, .. } | Store(place, _) => {
                Some(*place)
            }
            _ => None,
        }
    }

    /// The elements in memory that it may touch, each by its pointer and the bytes from there, if a vector has so many
    /// lanes. None of it depends on what only the caller knows.
    pub fn elements(&self, lanes: u8) -> Vec<(Pointer, i32)> {
        let (at, reach, rows, stride) = match *self {
            Opcode::Load(at, reach) | Opcode::LoadWhen(at, reach, ..) | Opcode::Store(at, reach) => {
                (at, reach, 1, 0)
            }
            Opcode::LoadRow { at, reach, stride, extent } => (at, reach, extent, stride),
            _ => return vec![],
        };
        let (step, lanes) = match reach {
            Reach::One => (1, 1),
            Reach::First(lanes) => (1, lanes),
            Reach::Strided { step, lanes } => (i32::from(step), lanes),
            Reach::All | Reach::Rest => (1, lanes),
        };
        let row = |row: u32| {
            let first = at.bytes + row as i32 * stride as i32;
            (0..i32::from(lanes)).map(move |lane| (at.pointer, first + lane * step * 4))
        };
        (0..rows).flat_map(row).collect()
    }

    pub fn place_mut(&mut self) -> Option<&mut Place> {
        use Opcode::*;
        match self {
            Load(place, _) | LoadWhen(place, ..) | LoadRow { at: place, .. } | Store(place, _) => Some(place),
            _ => None,
        }
    }

    /// The integers that it computes.
    pub fn affines_mut(&mut self) -> Vec<&mut Affine> {
        match self {
            Opcode::LoadWhen(_, _, within, _) => within.iter_mut().map(|within| &mut within.e).collect(),
            Opcode::Integer(affine, _) => vec![affine],
            _ => vec![],
        }
    }
}

/// One operation.
#[derive(Clone, PartialEq, Debug)]
pub struct Operation {
    pub opcode: Opcode,
    /// The result; none of a [`Opcode::Store`].
    pub to: Option<Vector>,
    pub args: Vec<Operand>,
}

/// A number that is known now, or follows from an integer that the caller gives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// This one.
    Known(i64),
    /// A count in whole vectors, times this.
    WholeOf(Counter, i64),
    /// An integer that the caller gives, times this.
    Given(Counter, i64),
}

/// How often a loop's body runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trips {
    /// So often, at least once.
    Known(i64),
    /// As often as a count says, at least once.
    All(Counter),
    /// Once for each whole vector of a count.
    WholeOf(Counter),
    /// Once if whole vectors leave something of a count.
    RestOf(Counter),
}

/// An address that moves with a loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Moving {
    pub pointer: Pointer,
    /// Begins at this one and `start` bytes.
    pub from: Pointer,
    pub start: Start,
    /// Bytes from one iteration to the next.
    pub step: i64,
}

/// An integer that moves with a loop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counting {
    pub counter: Counter,
    /// Begins at this one, if any, and `start`.
    pub from: Option<Counter>,
    pub start: Start,
    pub step: i64,
}

/// A loop.
#[derive(Clone, PartialEq, Debug)]
pub struct Loop {
    pub trips: Trips,
    /// In an order in which each begins at one before it, or at one of a loop around.
    pub pointers: Vec<Moving>,
    pub counters: Vec<Counting>,
    pub body: Vec<Item>,
}

impl Loop {
    /// Whether some loop in it is one over what is left of a count.
    pub fn has_rest(&self) -> bool {
        let inside = |item: &Item| if let Item::Loop(inner) = item { inner.has_rest() } else { false };
        matches!(self.trips, Trips::RestOf(_)) || self.body.iter().any(inside)
    }

    /// The operations of a loop that runs once and has no loop inside, with addresses and integers as they are outside;
    /// the loop itself where it is another one.
    pub fn once(self) -> Result<Vec<Item>, Loop> {
        let straight = match self.trips {
            Trips::Known(1) => self.body.iter().map(|item| self.item_outside(item)).collect(),
            _ => None,
        };
        straight.ok_or(self)
    }

    /// An operation in the first iteration, as it is outside.
    fn item_outside(&self, item: &Item) -> Option<Item> {
        let Item::Operation(operation) = item else { return None };
        let mut operation = operation.clone();
        if let Some(place) = operation.opcode.place_mut() {
            *place = self.outside(*place)?;
        }
        for affine in operation.opcode.affines_mut() {
            self.count_outside(affine)?;
        }
        Some(Item::Operation(operation))
    }

    /// A place in the first iteration, as it is outside; none where that is not known, or too far.
    fn outside(&self, place: Place) -> Option<Place> {
        let Some(moving) = self.pointers.iter().find(|moving| moving.pointer == place.pointer) else {
            return Some(place);
        };
        let Start::Known(start) = moving.start else { return None };
        let bytes = i32::try_from(i64::from(place.bytes) + start).ok()?;
        // A pointer may begin at another one of the loop.
        self.outside(Place { pointer: moving.from, bytes })
    }

    /// Changes an affine function to what it is in the first iteration, by the counters outside, if that is known.
    fn count_outside(&self, affine: &mut Affine) -> Option<()> {
        for counting in self.counters.iter().rev() {
            while let Some(at) = affine.terms.iter().position(|term| term.0 == counting.counter) {
                let Start::Known(start) = counting.start else { return None };
                let (_, times) = affine.terms.remove(at);
                affine.offset += times * start;
                affine.terms.extend(counting.from.map(|from| (from, times)));
            }
        }
        Some(())
    }
}

/// What stands in a body.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    Operation(Operation),
    Loop(Loop),
}

/// A function.
#[derive(Clone, PartialEq, Debug)]
pub struct Code {
    /// The place in the table of regions of each pointer that begins there, or the word of the record, ...
    pub bases: Vec<(Pointer, Base)>,
    /// What all is in: runs once.
    pub whole: Loop,
    /// Whether a call runs a part of the outermost loop.
    pub shared: bool,
    pub vectors: u32,
    pub pointers: u32,
    pub counters: u32,
}

/// What a pointer is before any loop moves it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// The first element of a region, by its place in the table.
    Region(usize),
    /// The step's scalars and keys.
    Record,
    /// The numbers of the batch's examples.
    Examples,
    /// Memory that only this call uses.
    Scratch,
}

impl Code {
    /// The number of examples of the batch.
    pub const BATCH: Counter = Counter(0);
    /// The element that the recurrence around is at.
    pub const ELEMENT: Counter = Counter(1);
    /// Of a loop that is shared, where this call begins, and how many iterations it runs.
    pub const BEGIN: Counter = Counter(2);
    pub const COUNT: Counter = Counter(3);
    /// Those above.
    pub const GIVEN: u32 = 4;

    /// Without operations that nobody reads the result of.
    pub fn without_unread(mut self) -> Self {
        let mut reads = vec![0; self.vectors as usize];
        count_reads(&self.whole.body, &mut reads);
        drop_unread(&mut self.whole.body, &mut reads);
        self
    }
}

fn count_reads(body: &[Item], reads: &mut [u32]) {
    for item in body {
        match item {
            Item::Operation(operation) => {
                vectors(&operation.args).for_each(|vector| reads[vector.0 as usize] += 1);
            }
            Item::Loop(inner) => count_reads(&inner.body, reads),
        }
    }
}

/// From the end, as a vector is made before it is read.
fn drop_unread(body: &mut Vec<Item>, reads: &mut [u32]) {
    for at in (0..body.len()).rev() {
        match &mut body[at] {
            Item::Loop(inner) => drop_unread(&mut inner.body, reads),
            Item::Operation(operation) => {
                let assigns = matches!(operation.opcode, Opcode::Assign(_));
                let read = operation.to.is_none_or(|to| assigns || reads[to.0 as usize] > 0);
                if !read {
                    vectors(&operation.args).for_each(|vector| reads[vector.0 as usize] -= 1);
                    body.remove(at);
                }
            }
        }
    }
}

/// The vectors among operands.
pub fn vectors(args: &[Operand]) -> impl Iterator<Item = Vector> {
    args.iter().filter_map(|arg| match arg {
        Operand::Vector(vector) => Some(*vector),
        Operand::Bits(_) => None,
    })
}
