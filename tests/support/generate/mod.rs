//! Random well-typed programs, as text.
//!
//! A program is made from tables of productions. A row has an example of what it makes, how often it is taken, where
//! it fits, and the function that makes it:
//!
//! - [`reals`]: numbers and arrays of numbers: reads, gates, reductions, choices, calls.
//! - [`conditions`]: true and false; [`wholes`]: classes and indices that the running program computes.
//! - [`reads`]: what stands between brackets.
//! - [`statements`]: equations, draws, pipelines, states, branches, and the loss over all of them.
//! - [`gradients`]: derivatives within the net.
//! - [`recurrences`]: equations that read earlier or later elements of one another.
//! - [`definitions`]: functions and layers of the program's own; [`library`]: those that every program knows.
//! - [`training`]: data in a table, an optimizer and what else a `train` block says.
//!
//! Shapes, sorts and ranges are tracked while a program is made ([`term`]), so that it is well typed, every read
//! proved in range or given a default, and every number within a range in which f32 can follow ([`tame`]). One program
//! in ten is wild: there a gate may meet any number, and NaN and infinities appear.

pub mod conditions;
pub mod definitions;
pub mod gradients;
pub mod library;
pub mod reads;
pub mod reals;
pub mod recurrences;
pub mod statements;
pub mod tame;
pub mod term;
pub mod training;
pub mod wholes;

use super::random::Random;
use definitions::Definition;
use std::collections::BTreeSet;
use term::{Sort, Term};
use training::Column;

/// The program of a seed.
pub fn program(seed: u64) -> String {
    generated(seed).0
}

/// The program of a seed, and the examples of the productions that it was made by.
pub fn generated(seed: u64) -> (String, BTreeSet<&'static str>) {
    let mut generator = Generator::new(seed);
    let definitions = generator.random.below(4);
    for _ in 0..definitions {
        generator.definition();
    }
    generator.net();
    if generator.random.chance(0.5) {
        generator.training();
    }
    (generator.text, generator.taken)
}

/// The examples of all productions.
pub fn examples() -> Vec<&'static str> {
    let terms = [reals::REALS, conditions::CONDITIONS, wholes::INDICES];
    let statements = statements::STATEMENTS.iter().map(|row| row.example);
    terms.into_iter().flatten().map(|row| row.example).chain(statements).collect()
}

/// A row of a table of productions.
pub struct Production<T> {
    /// What it makes, for readers.
    pub example: &'static str,
    /// How often it is taken among those that fit.
    pub weight: u32,
    /// Whether it can make something of this shape here.
    pub fits: fn(&Generator, &[u32]) -> bool,
    /// Makes it; the number says how deep its parts may be.
    pub make: fn(&mut Generator, &[u32], u32) -> T,
}

/// A value that has a name.
#[derive(Clone, Debug)]
pub struct Value {
    /// Its name as a term.
    pub term: Term,
    /// Whether something reads it.
    pub read: bool,
    /// Whether it is learned.
    pub param: bool,
}

/// An index in force.
#[derive(Clone, Debug)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// It runs from 0 to one less.
    pub extent: u32,
    /// Whether a direct use gives it this range.
    pub used: bool,
    /// Whether a direct use would give it another range.
    pub contradicted: bool,
}

/// What is being written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The net.
    Net,
    /// A layer.
    Layer,
    /// A function.
    Function,
}

/// The body of a net, a layer or a function while it is written.
#[derive(Debug)]
pub struct Body {
    /// What it is the body of.
    pub place: Place,
    /// Its lines.
    pub lines: Vec<String>,
    /// Its names.
    pub values: Vec<Value>,
    /// Indices in force, outermost first.
    pub indices: Vec<Index>,
    /// Names of sizes and their values.
    pub sizes: Vec<(String, u32)>,
    /// Settings that are true or false.
    pub flags: Vec<String>,
    /// Instances of layers that have a name, with what they take and give.
    pub instances: Vec<Definition>,
    /// How many names were given.
    pub names: usize,
    /// How many gradients were taken.
    pub gradients: usize,
    /// Whether something written so far depends on all examples of a batch.
    pub across: bool,
    /// Whether something was drawn.
    pub draws: bool,
    /// Whether a metric is being written.
    pub in_metric: bool,
}

impl Body {
    /// Nothing written yet.
    pub fn new(place: Place) -> Body {
        Body {
            place,
            lines: vec![],
            values: vec![],
            indices: vec![],
            sizes: vec![],
            flags: vec![],
            instances: vec![],
            names: 0,
            gradients: 0,
            across: false,
            draws: false,
            in_metric: false,
        }
    }
}

/// Makes a program.
pub struct Generator {
    /// Where chance comes from.
    pub random: Random,
    /// Whether gates may meet any number.
    pub wild: bool,
    /// What was written.
    pub text: String,
    /// The program's own functions and layers.
    pub definitions: Vec<Definition>,
    /// What is being written.
    pub body: Body,
    /// What the net reads.
    pub columns: Vec<Column>,
    /// Examples of the productions that were taken.
    pub taken: BTreeSet<&'static str>,
}

/// More elements than this in all indices in force would make a program slow.
const MAX_POSITIONS: u32 = 400;

impl Generator {
    /// Nothing written yet.
    pub fn new(seed: u64) -> Generator {
        Generator {
            random: Random::new(seed),
            wild: seed % 10 == 9,
            text: String::new(),
            definitions: vec![],
            body: Body::new(Place::Net),
            columns: vec![],
            taken: BTreeSet::new(),
        }
    }

    /// A random row of a table among those that fit.
    ///
    /// # Panics
    /// If none fits.
    pub fn choose<T>(&mut self, table: &'static [Production<T>], dims: &[u32]) -> &'static Production<T> {
        let rows: Vec<&'static Production<T>> = table.iter().filter(|row| (row.fits)(self, dims)).collect();
        let row = self.random.weighted(&rows, |row| row.weight);
        self.taken.insert(row.example);
        row
    }

    /// A size: small, seldom 1.
    pub fn extent(&mut self) -> u32 {
        *self.random.pick(&[1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 6])
    }

    /// A shape of so many dimensions.
    pub fn dims(&mut self, rank: usize) -> Vec<u32> {
        (0..rank).map(|_| self.extent()).collect()
    }

    /// A name that nothing has yet.
    pub fn fresh(&mut self, letter: &str) -> String {
        self.body.names += 1;
        format!("{letter}{}", self.body.names - 1)
    }

    /// Gives a value a name.
    pub fn declare(&mut self, name: &str, made: Term) {
        let term = Term { text: name.to_string(), level: term::Level::Atom, fixed: false, ..made };
        self.body.values.push(Value { term, read: false, param: false });
    }

    /// A size as it may be written: a number, or the name of a size with that value.
    pub fn size(&mut self, extent: u32) -> String {
        let named: Vec<&(String, u32)> = self.body.sizes.iter().filter(|size| size.1 == extent).collect();
        if named.is_empty() || self.random.chance(0.3) {
            return extent.to_string();
        }
        self.random.pick(&named).0.clone()
    }

    /// `[3, N]`, or nothing for a scalar.
    pub fn sizes(&mut self, dims: &[u32]) -> String {
        if dims.is_empty() {
            return String::new();
        }
        let sizes: Vec<String> = dims.iter().map(|&extent| self.size(extent)).collect();
        format!("[{}]", sizes.join(", "))
    }

    /// Elements over which the indices in force run.
    pub fn positions(&self) -> u32 {
        self.body.indices.iter().map(|index| index.extent).product()
    }

    /// Whether an index of this range more is not too many.
    pub fn has_room(&self, extent: u32) -> bool {
        self.body.indices.len() < 6 && self.positions() * extent <= MAX_POSITIONS
    }

    /// Puts indices in force; the number says how many there were.
    pub fn bind(&mut self, extents: &[u32]) -> usize {
        const NAMES: [&str; 12] = ["i", "j", "k", "l", "m", "n", "r", "t", "u", "g", "o", "q"];
        let begin = self.body.indices.len();
        for &extent in extents {
            let taken = |name: &&&str| self.body.indices.iter().any(|index| index.name == **name);
            let free: Vec<&&str> = NAMES.iter().filter(|name| !taken(name)).collect();
            let name =
                free[if self.random.chance(0.8) { 0 } else { self.random.below(free.len()) }].to_string();
            self.body.indices.push(Index { name, extent, used: false, contradicted: false });
        }
        begin
    }

    /// Takes indices out of force and gives their text, `i, j: 3`: a range is written where no direct use tells it.
    pub fn unbind(&mut self, begin: usize) -> String {
        let indices = self.body.indices.split_off(begin);
        let mut written = vec![];
        for index in indices {
            let needed = !index.used || index.contradicted;
            written.push(if needed || self.random.chance(0.15) {
                format!("{}: {}", index.name, self.size(index.extent))
            } else {
                index.name
            });
        }
        written.join(", ")
    }

    /// Places of the values of a sort that end in these dimensions and have at most `more` before them.
    pub fn ending_in(&self, dims: &[u32], sort: Sort, more: usize) -> Vec<usize> {
        let fits = |value: &Value| {
            value.term.sort == sort
                && value.term.dims.ends_with(dims)
                && value.term.dims.len() <= dims.len() + more
        };
        (0..self.body.values.len()).filter(|&k| fits(&self.body.values[k])).collect()
    }

    /// Whether there are numbers of this shape; there always are scalars.
    pub fn has(&self, dims: &[u32]) -> bool {
        dims.is_empty() || !self.ending_in(dims, Sort::Real, 3).is_empty()
    }

    /// Whether something may be drawn or learned by name here.
    pub fn in_net(&self) -> bool {
        self.body.place == Place::Net
    }
}
