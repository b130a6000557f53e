//! Arrays of numbers of a type that is known only in the running compiler: data, parameters, results.

use std::fmt::{Display, Formatter};

/// The type of number in which a program computes. Integers and conditions are stored as such numbers too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Dtype {
    /// 32 bits.
    #[default]
    F32,
    /// 64 bits.
    F64,
}

impl Dtype {
    /// All of them.
    pub const ALL: [Dtype; 2] = [Dtype::F32, Dtype::F64];

    /// Bytes of one number.
    pub fn size(self) -> usize {
        match self {
            Dtype::F32 => 4,
            Dtype::F64 => 8,
        }
    }

    /// As programs write it.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
        }
    }

    /// The nearest number of the type.
    pub fn rounded(self, number: f64) -> f64 {
        match self {
            Dtype::F32 => f64::from(number as f32),
            Dtype::F64 => number,
        }
    }
}

impl Display for Dtype {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Numbers of one type, one after another.
#[derive(Clone, PartialEq, Debug)]
pub enum Numbers {
    /// 32 bits each.
    F32(Vec<f32>),
    /// 64 bits each.
    F64(Vec<f64>),
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers::F32(vec![])
    }
}

impl Numbers {
    /// So many zeros.
    pub fn zeros(dtype: Dtype, len: usize) -> Numbers {
        match dtype {
            Dtype::F32 => Numbers::F32(vec![0.0; len]),
            Dtype::F64 => Numbers::F64(vec![0.0; len]),
        }
    }

    /// Each rounded once.
    pub fn rounded(dtype: Dtype, values: impl IntoIterator<Item = f64>) -> Numbers {
        match dtype {
            Dtype::F32 => Numbers::F32(values.into_iter().map(|value| value as f32).collect()),
            Dtype::F64 => Numbers::F64(values.into_iter().collect()),
        }
    }

    /// Of which type they are.
    pub fn dtype(&self) -> Dtype {
        match self {
            Numbers::F32(_) => Dtype::F32,
            Numbers::F64(_) => Dtype::F64,
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.slice().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number at a place.
    ///
    /// # Panics
    /// If there is none.
    pub fn get(&self, at: usize) -> f64 {
        match self {
            Numbers::F32(values) => f64::from(values[at]),
            Numbers::F64(values) => values[at],
        }
    }

    /// In order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        (0..self.len()).map(|at| self.get(at))
    }

    /// All of them, borrowed.
    pub fn slice(&self) -> Slice<'_> {
        match self {
            Numbers::F32(values) => Slice::F32(values),
            Numbers::F64(values) => Slice::F64(values),
        }
    }

    /// Some of them.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn part(&self, range: std::ops::Range<usize>) -> Numbers {
        self.slice().part(range).to_numbers()
    }

    /// All of them, to be written.
    pub fn slice_mut(&mut self) -> SliceMut<'_> {
        match self {
            Numbers::F32(values) => SliceMut::F32(values),
            Numbers::F64(values) => SliceMut::F64(values),
        }
    }
}

/// Numbers of one type that lie somewhere, one after another.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Slice<'a> {
    /// 32 bits each.
    F32(&'a [f32]),
    /// 64 bits each.
    F64(&'a [f64]),
}

impl<'a> Slice<'a> {
    /// Of which type they are.
    pub fn dtype(self) -> Dtype {
        match self {
            Slice::F32(_) => Dtype::F32,
            Slice::F64(_) => Dtype::F64,
        }
    }

    /// How many.
    pub fn len(self) -> usize {
        match self {
            Slice::F32(values) => values.len(),
            Slice::F64(values) => values.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The number at a place.
    ///
    /// # Panics
    /// If there is none.
    pub fn get(self, at: usize) -> f64 {
        match self {
            Slice::F32(values) => f64::from(values[at]),
            Slice::F64(values) => values[at],
        }
    }

    /// In order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = f64> + 'a {
        (0..self.len()).map(move |at| self.get(at))
    }

    /// Some of them.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn part(self, range: std::ops::Range<usize>) -> Slice<'a> {
        match self {
            Slice::F32(values) => Slice::F32(&values[range]),
            Slice::F64(values) => Slice::F64(&values[range]),
        }
    }

    /// Copied.
    pub fn to_numbers(self) -> Numbers {
        match self {
            Slice::F32(values) => Numbers::F32(values.to_vec()),
            Slice::F64(values) => Numbers::F64(values.to_vec()),
        }
    }
}

/// Numbers of one type that lie somewhere, one after another, to be written.
#[derive(PartialEq, Debug)]
pub enum SliceMut<'a> {
    /// 32 bits each.
    F32(&'a mut [f32]),
    /// 64 bits each.
    F64(&'a mut [f64]),
}

impl SliceMut<'_> {
    /// Puts numbers in place of the first ones; those for which there is no place are left out.
    pub fn put(self, from: Slice<'_>) {
        match (self, from) {
            (SliceMut::F32(to), Slice::F32(from)) => put(to, from, |from| from),
            (SliceMut::F64(to), Slice::F64(from)) => put(to, from, |from| from),
            (SliceMut::F32(to), Slice::F64(from)) => put(to, from, |from| from as f32),
            (SliceMut::F64(to), Slice::F32(from)) => put(to, from, f64::from),
        }
    }

    /// Makes all of them one number.
    pub fn fill(self, value: f64) {
        match self {
            SliceMut::F32(values) => values.fill(value as f32),
            SliceMut::F64(values) => values.fill(value),
        }
    }
}

fn put<A, B: Copy>(to: &mut [A], from: &[B], converted: impl Fn(B) -> A) {
    to.iter_mut().zip(from).for_each(|(to, &from)| *to = converted(from));
}
