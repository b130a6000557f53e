//! Initial values of parameters and states: drawn by the reference interpreter, so they are part of a program's
//! meaning and the same on every machine.

use super::layout::{Layout, Piece};
use super::weights::Weights;
use crate::circuit::Dtype;
use crate::elaborate::model::Model;
use crate::interpret::{Bindings, Element, evaluate};

/// The weights before the first step.
pub fn initial_values(model: &Model, params: &Layout, states: &Layout, seed: u64, dtype: Dtype) -> Weights {
    match dtype {
        Dtype::F32 => initial::<f32>(model, params, states, seed),
        Dtype::F64 => initial::<f64>(model, params, states, seed),
    }
}

/// As [`initial_values`], in the precision of a type.
fn initial<T: Element>(model: &Model, params: &Layout, states: &Layout, seed: u64) -> Weights {
    let zeros = |layout: &Layout| vec![T::of(0.0); layout.len];
    let (mut flat_params, mut flat_states) = (zeros(params), zeros(states));
    let bindings = Bindings::<T> { seed, step: 0, ..Bindings::new(1) };
    for &(slot, value) in &model.initial_values {
        // One after the other: what all of them are made from would be there at once.
        let [mut array] =
            <[_; 1]>::try_from(evaluate(&model.initial, &[value], &bindings)).expect("one root");
        if model.orthogonal.contains(&slot) {
            let rows = model.circuit.slot(slot).shape.dims[0] as usize;
            orthonormalise(&mut array.data, rows);
        }
        let put = |layout: &Layout, to: &mut Vec<T>| {
            let piece: Option<&Piece> = layout.piece(slot);
            piece.map(|piece| to[piece.range()].copy_from_slice(&array.data)).is_some()
        };
        let placed = put(params, &mut flat_params) || put(states, &mut flat_states);
        debug_assert!(placed, "an initial value of neither a parameter nor a state");
    }
    Weights { params: T::numbers(flat_params), states: T::numbers(flat_states) }
}

/// Makes the rows of a row-major matrix orthogonal and of unit length, or its columns where there are more rows: by the
/// modified method of Gram and Schmidt, in f64, each twice, since once loses orthogonality where two are near each
/// other (Giraud, Langou and Rozloznik, 2005). Of a normal matrix it makes one that is uniform among the orthogonal
/// ones (Mezzadri, 2007).
fn orthonormalise<T: Element>(matrix: &mut [T], rows: usize) {
    let columns = matrix.len() / rows.max(1);
    let (count, length) = (rows.min(columns), rows.max(columns));
    let place =
        |vector: usize, k: usize| if rows <= columns { vector * columns + k } else { k * columns + vector };
    let mut done: Vec<Vec<f64>> = vec![];
    for vector in 0..count {
        let mut own: Vec<f64> = (0..length).map(|k| matrix[place(vector, k)].get()).collect();
        for _ in 0..2 {
            for other in &done {
                let along: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                own.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
            }
        }
        let norm = own.iter().map(|x| x * x).sum::<f64>().sqrt();
        own.iter_mut().for_each(|x| *x /= norm);
        own.iter().enumerate().for_each(|(k, &x)| matrix[place(vector, k)] = T::of(x));
        done.push(own);
    }
}

#[cfg(test)]
mod tests {
    use super::orthonormalise;

    #[test]
    fn rows_or_columns_become_orthogonal_and_of_unit_length() {
        for (rows, columns) in [(3, 3), (2, 5), (5, 2), (1, 4)] {
            let mut random = crate::circuit::draw::SplitMix64::new(7);
            let mut matrix: Vec<f32> = (0..rows * columns)
                .map(|_| (random.draw() >> 40) as f32 / (1u64 << 23) as f32 - 1.0)
                .collect();
            orthonormalise(&mut matrix, rows);
            let at = |vector: usize, k: usize| {
                f64::from(if rows <= columns {
                    matrix[vector * columns + k]
                } else {
                    matrix[k * columns + vector]
                })
            };
            for a in 0..rows.min(columns) {
                for b in 0..=a {
                    let product: f64 = (0..rows.max(columns)).map(|k| at(a, k) * at(b, k)).sum();
                    let expected = if a == b { 1.0 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-6, "{rows} x {columns}: {a} . {b} = {product}");
                }
            }
        }
    }
}
