//! Parameters and states between a run and a checkpoint, by the paths of their instances.

use super::checkpoint::{self, Loaded, Values, Written};
use super::layout::{Layout, Piece};
use crate::circuit::{Dtype, Numbers};
use crate::diagnostic::{Diagnostic, codes};
use std::path::Path;

/// Parameters and states at one moment.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Weights {
    /// The flat region of parameters.
    pub params: Numbers,
    /// The flat region of states, of the same type.
    pub states: Numbers,
}

impl Weights {
    /// Writes them under their paths.
    ///
    /// # Errors
    /// `FILE_UNWRITABLE`.
    pub fn save(
        &self,
        path: &Path,
        params: &Layout,
        states: &Layout,
        metadata: &[(String, String)],
    ) -> Result<(), Diagnostic> {
        let of = |layout: &'_ Layout, values: &'_ Numbers| -> Vec<(String, Vec<u32>, Numbers)> {
            let piece = |piece: &Piece| (piece.name.clone(), piece.dims.clone(), values.part(piece.range()));
            layout.pieces.iter().map(piece).collect()
        };
        let mut arrays = of(params, &self.params);
        arrays.extend(of(states, &self.states));
        let written: Vec<Written> =
            arrays.iter().map(|(name, dims, data)| (name.as_str(), &dims[..], Values::from(data))).collect();
        checkpoint::save(path, &written, metadata)
    }

    /// Those of a file, as numbers of a type.
    ///
    /// # Errors
    /// `CHECKPOINT_MISMATCH` if one is missing, of another shape, or beyond the type.
    pub fn from_file(
        loaded: &Loaded,
        params: &Layout,
        states: &Layout,
        dtype: Dtype,
    ) -> Result<Weights, Diagnostic> {
        let pieces = || params.pieces.iter().chain(&states.pieces);
        let expected: Vec<(&str, &[u32])> =
            pieces().map(|piece| (piece.name.as_str(), piece.dims.as_slice())).collect();
        let tensors = checkpoint::matching(loaded, &expected)?;
        let mut flat = vec![];
        for tensor in tensors {
            for &number in &tensor.data {
                if number.is_finite() && !dtype.rounded(number).is_finite() {
                    let message =
                        format!("`{}` in `{}` holds {number}, beyond {dtype}", tensor.name, loaded.path);
                    return Err(Diagnostic::error(codes::CHECKPOINT_MISMATCH, message));
                }
                flat.push(number);
            }
        }
        let states = flat.split_off(params.len);
        let [params, states] = [flat, states].map(|values| Numbers::rounded(dtype, values));
        Ok(Weights { params, states })
    }
}
