//! `(x - mean) / deviation`, both learned from the training part.

use super::Standardized;
use super::expression::Values;

/// What is to be taken off each row, element by element. Mean and population deviation come from the `train` rows alone;
/// the deviation is 1 where those rows are all equal. Two passes in f64, rows ascending.
///
/// # Panics
/// If `train` is empty or names a row that is not there.
pub fn standardize(values: &Values, train: &[u32]) -> Standardized {
    assert!(!train.is_empty(), "a split leaves rows to learn from");
    let width = values.width();
    let count = train.len() as f64;
    let mut mean = vec![0.0; width];
    values.each_row(train, |row| mean.iter_mut().zip(row).for_each(|(sum, x)| *sum += x));
    mean.iter_mut().for_each(|sum| *sum /= count);
    let mut deviation = vec![0.0; width];
    let mut constant = vec![true; width];
    let first = values.read(train[0] as usize..train[0] as usize + 1);
    values.each_row(train, |row| {
        for (k, x) in row.iter().enumerate() {
            deviation[k] += (x - mean[k]) * (x - mean[k]);
            constant[k] &= *x == first[k];
        }
    });
    for (k, square) in deviation.iter_mut().enumerate() {
        *square = (*square / count).sqrt();
        // Asked of the values: the mean of equal numbers may be off by a rounding, and so its deviation from 0.
        if constant[k] || *square == 0.0 {
            (mean[k], *square) = (first[k], 1.0);
        }
    }
    Standardized { mean, deviation }
}

/// As [`standardize`], with the least of the training rows and their range in place of mean and deviation: what lies
/// between the least and the largest of them comes to lie between 0 and 1.
///
/// # Panics
/// As there.
pub fn scale(values: &Values, train: &[u32]) -> Standardized {
    assert!(!train.is_empty(), "a split leaves rows to learn from");
    let mut least = vec![f64::INFINITY; values.width()];
    let mut most = vec![f64::NEG_INFINITY; values.width()];
    values.each_row(train, |row| {
        least.iter_mut().zip(row).for_each(|(least, x)| *least = least.min(*x));
        most.iter_mut().zip(row).for_each(|(most, x)| *most = most.max(*x));
    });
    let range = |(least, most): (&f64, f64)| Some(most - least).filter(|range| *range > 0.0).unwrap_or(1.0);
    Standardized { deviation: least.iter().zip(most).map(range).collect(), mean: least }
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
