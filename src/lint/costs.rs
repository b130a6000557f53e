//! Products of matrices in a dear order.

use super::Subject;
use crate::circuit::{Node, Reducer, ValueId, View, gates};
use crate::diagnostic::{Diagnostic, codes};

/// A sum of a product of two reads.
struct Product {
    factors: [(ValueId, View); 2],
    /// Extents over which the product is computed, those that are summed last.
    dims: Vec<u32>,
    summed: Vec<usize>,
}

impl Subject<'_> {
    fn product(&self, value: ValueId) -> Option<Product> {
        let circuit = self.circuit();
        let Node::Reduce { reducer: Reducer::Sum, arg, axes, batch: false } = circuit.node(value) else {
            return None;
        };
        let Node::Gate { gate: gates::MUL, args } = circuit.node(*arg) else { return None };
        let factor = |arg: ValueId| match circuit.node(arg) {
            Node::View { arg, view } if view.as_select().is_some() && view.guards.is_empty() => {
                Some((*arg, (**view).clone()))
            }
            Node::View { .. } => None,
            _ => {
                let shape = circuit.shape(arg).clone();
                let axes: Vec<usize> = (0..shape.dims.len()).collect();
                Some((arg, View::select(shape.clone(), &axes, &shape.dims)))
            }
        };
        let factors = [factor(args[0])?, factor(args[1])?];
        let dims = circuit.shape(*arg).dims.clone();
        Some(Product { factors, dims, summed: axes.iter().collect() })
    }
}

impl Product {
    /// Which dimension of the product a factor's dimension is.
    fn along(&self, factor: usize, dim: usize) -> Option<usize> {
        self.factors[factor].1.as_select().and_then(|axes| axes.get(dim).copied())
    }

    /// Multiplications for one example.
    fn cost(&self) -> f64 {
        self.dims.iter().map(|&dim| f64::from(dim)).product()
    }
}

/// `(A B) x` where `A (B x)` is cheaper: a product of two shared matrices that only multiplies what each example has.
pub(super) fn dear_products(subject: &Subject<'_>) -> Vec<Diagnostic> {
    let mut found = vec![];
    for value in subject.values() {
        let Some(outer) = subject.product(value) else { continue };
        for which in 0..2 {
            let (matrix, other) = (outer.factors[which].0, outer.factors[1 - which].0);
            let Some(inner) = subject.product(matrix) else { continue };
            if subject.users[matrix.index()].len() > 1
                || subject.circuit().shape(matrix).batch
                || !subject.circuit().shape(other).batch
            {
                continue;
            }
            let batch = subject.batch as f64;
            let now = inner.cost() + batch * outer.cost();
            let Some(other_way) = other_way(&inner, &outer, which) else { continue };
            if batch * other_way < 0.5 * now {
                let message = format!(
                    "this product of two matrices costs {:.0} multiplications a step, and what it is for {:.0} the other way round",
                    now,
                    batch * other_way
                );
                let diagnostic = subject.warn(codes::DEAR_PRODUCT, message, matrix, "computed first");
                found.push(diagnostic.help(
                    "multiply what each example has first: `sum[k] A[i, k] * (sum[j] B[k, j] * x[j])`",
                ));
            }
        }
    }
    found
}

/// The cost for one example of multiplying the vector by the factor that it meets first, then by the other.
fn other_way(inner: &Product, outer: &Product, matrix: usize) -> Option<f64> {
    // Dimensions of the inner product by its own axes; those that are kept are the matrix's, in order.
    let kept: Vec<usize> = (0..inner.dims.len()).filter(|dim| !inner.summed.contains(dim)).collect();
    let met: Vec<usize> = (kept.iter().enumerate())
        .filter(|(k, _)| outer.along(matrix, *k).is_some_and(|dim| outer.summed.contains(&dim)))
        .map(|(_, &dim)| dim)
        .collect();
    let has = |factor: usize, dim: usize| {
        inner.factors[factor].1.as_select().is_some_and(|axes| axes.contains(&dim))
    };
    let first = (0..2).find(|&factor| met.iter().all(|&dim| has(factor, dim) && !has(1 - factor, dim)))?;
    let extent = |dim: usize| f64::from(inner.dims[dim]);
    let size =
        |factor: usize| (0..inner.dims.len()).filter(|&dim| has(factor, dim)).map(extent).product::<f64>();
    // What the vector has beside the dimension that it meets.
    let beside = outer.cost()
        / (0..kept.len())
            .filter_map(|k| outer.along(matrix, k))
            .map(|dim| f64::from(outer.dims[dim]))
            .product::<f64>();
    Some((size(first) + size(1 - first)) * beside)
}
