//! Pieces of text with what is known of them: how tightly they bind, their shape, what they are, and their range.

/// How tightly an expression binds, loosest first: the order of precedence of the language.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// `if c then a else b`, `x[i - 1] else 0`
    Choice,
    /// `a or b`
    Or,
    /// `a and b`
    And,
    /// `not a`
    Not,
    /// `a < b`
    Comparison,
    /// `a + b`
    Sum,
    /// `sum[i] a`: takes in every product that follows
    Reduction,
    /// `a * b`
    Product,
    /// `-a`
    Negation,
    /// `a ^ b`
    Power,
    /// `f(a)`, `x[i]`, `2`
    Atom,
}

/// What the elements of an expression are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// Numbers.
    Real,
    /// Whole numbers in the term's range.
    Whole,
    /// One of so many cases.
    Class(u32),
    /// True or false.
    Truth,
}

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub struct Term {
    /// Its text.
    pub text: String,
    /// How tightly it binds.
    pub level: Level,
    /// Its shape for one example; empty for a scalar.
    pub dims: Vec<u32>,
    /// What its elements are.
    pub sort: Sort,
    /// About the least value that it takes.
    pub low: f64,
    /// About the largest value that it takes.
    pub high: f64,
    /// Whether it may differ from example to example.
    pub batch: bool,
    /// Whether it is known before training.
    pub fixed: bool,
    /// Whether one example's may depend on the other examples of its batch.
    pub across: bool,
}

impl Term {
    /// A real scalar that is shared and not fixed, to be changed by `with_`.
    pub fn new(text: impl Into<String>, level: Level, low: f64, high: f64) -> Term {
        Term {
            text: text.into(),
            level,
            dims: vec![],
            sort: Sort::Real,
            low,
            high,
            batch: false,
            fixed: false,
            across: false,
        }
    }

    /// A fixed number.
    pub fn number(value: f64) -> Term {
        let level = if value < 0.0 { Level::Negation } else { Level::Atom };
        Term { fixed: true, ..Term::new(format!("{value}"), level, value, value) }
    }

    /// Of this shape.
    pub fn with_dims(self, dims: &[u32]) -> Term {
        Term { dims: dims.to_vec(), ..self }
    }

    /// Of this sort.
    pub fn with_sort(self, sort: Sort) -> Term {
        Term { sort, ..self }
    }

    /// Made of others: as large as the largest, per example if one is, fixed if all are.
    pub fn of(self, parts: &[&Term]) -> Term {
        let largest = parts.iter().max_by_key(|part| part.dims.len()).map(|part| part.dims.clone());
        Term {
            dims: largest.unwrap_or_default(),
            batch: parts.iter().any(|part| part.batch),
            fixed: !parts.is_empty() && parts.iter().all(|part| part.fixed),
            across: self.across || parts.iter().any(|part| part.across),
            ..self
        }
    }

    /// Its text where something is needed that binds at least as tightly as `level`.
    pub fn at(&self, level: Level) -> String {
        if self.level >= level { self.text.clone() } else { format!("({})", self.text) }
    }

    /// Its range with some room, on the same side of 0.
    pub fn widened(self) -> Term {
        let room = 0.2 * (self.high - self.low);
        let keep = |end: f64, moved: f64| if end * moved < 0.0 || end == 0.0 { end * 0.8 } else { moved };
        Term { low: keep(self.low, self.low - room), high: keep(self.high, self.high + room), ..self }
    }

    /// The largest magnitude that it takes.
    pub fn size(&self) -> f64 {
        self.low.abs().max(self.high.abs())
    }
}
