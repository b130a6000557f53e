//! Shapes.

use std::fmt;

/// The shape of a value for one example, and whether it differs from example to example.
///
/// The batch axis is never among the dimensions: a per-example value of a batch of n is stored as n times its
/// dimensions, row-major.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Shape {
    /// Per example (`true`) or shared by the whole batch.
    pub batch: bool,
    /// The extents, outermost first; empty for a scalar.
    pub dims: Vec<u32>,
}

impl Shape {
    /// A shared scalar.
    pub fn scalar() -> Self {
        Self::default()
    }

    /// A shared array.
    pub fn shared(dims: impl Into<Vec<u32>>) -> Self {
        Shape { batch: false, dims: dims.into() }
    }

    /// A per-example array.
    pub fn per_example(dims: impl Into<Vec<u32>>) -> Self {
        Shape { batch: true, dims: dims.into() }
    }

    /// Elements of one example.
    pub fn size(&self) -> usize {
        self.dims.iter().map(|&d| d as usize).product()
    }

    /// Elements of a batch of `n` examples.
    pub fn size_for(&self, n: usize) -> usize {
        self.size() * if self.batch { n } else { 1 }
    }

    /// Row-major strides, in elements.
    pub fn strides(&self) -> Vec<usize> {
        let mut strides = vec![1; self.dims.len()];
        for k in (1..self.dims.len()).rev() {
            strides[k - 1] = strides[k] * self.dims[k] as usize;
        }
        strides
    }
}

impl fmt::Display for Shape {
    /// `[batch, 3, 4]`, `[3]`, `[]`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batch = self.batch.then(|| "batch".to_string());
        let parts: Vec<String> = batch.into_iter().chain(self.dims.iter().map(u32::to_string)).collect();
        write!(f, "[{}]", parts.join(", "))
    }
}
