//! `(x - mean) / deviation`, both learned from the training part.

use super::Standardized;

/// Shifts and scales every row of `data` (row-major, `width` elements a row) in place, element by element, and
/// returns what it took off. Mean and population deviation come from the `train` rows alone; the deviation is 1
/// where those rows are all equal. Two passes in f64, rows ascending.
///
/// # Panics
/// If `train` is empty or names a row that `data` does not have.
pub fn standardize(data: &mut [f64], width: usize, train: &[u32]) -> Standardized {
    assert!(!train.is_empty(), "a split leaves rows to learn from");
    let rows = || train.iter().map(|&row| &data[row as usize * width..][..width]);
    let count = train.len() as f64;
    let mut mean = vec![0.0; width];
    for row in rows() {
        mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    }
    mean.iter_mut().for_each(|sum| *sum /= count);
    let mut deviation = vec![0.0; width];
    let mut constant = vec![true; width];
    let first = rows().next().unwrap_or_default();
    for row in rows() {
        for (k, x) in row.iter().enumerate() {
            deviation[k] += (x - mean[k]) * (x - mean[k]);
            constant[k] &= *x == first[k];
        }
    }
    for (k, square) in deviation.iter_mut().enumerate() {
        *square = (*square / count).sqrt();
        // Asked of the values: the mean of equal numbers may be off by a rounding, and so its deviation from 0.
        if constant[k] || *square == 0.0 {
            (mean[k], *square) = (first[k], 1.0);
        }
    }
    let learned = Standardized { mean, deviation };
    learned.apply(data);
    learned
}

/// As [`standardize`], with the least of the training rows and their range in place of mean and deviation: what lies
/// between the least and the largest of them comes to lie between 0 and 1.
///
/// # Panics
/// As there.
pub fn scale(data: &mut [f64], width: usize, train: &[u32]) -> Standardized {
    assert!(!train.is_empty(), "a split leaves rows to learn from");
    let elements = |k: usize| train.iter().map(move |&row| row as usize * width + k);
    let least: Vec<f64> =
        (0..width).map(|k| elements(k).map(|at| data[at]).fold(f64::INFINITY, f64::min)).collect();
    let most = |k: usize| elements(k).map(|at| data[at]).fold(f64::NEG_INFINITY, f64::max);
    let range = |k: usize| Some(most(k) - least[k]).filter(|range| *range > 0.0).unwrap_or(1.0);
    let learned = Standardized { deviation: (0..width).map(range).collect(), mean: least };
    learned.apply(data);
    learned
}

impl Standardized {
    /// Shifts and scales every row of `data`, row-major, in place.
    pub fn apply(&self, data: &mut [f64]) {
        for row in data.chunks_exact_mut(self.mean.len().max(1)) {
            for (k, x) in row.iter_mut().enumerate() {
                *x = (*x - self.mean[k]) / self.deviation[k];
            }
        }
    }
}
