//! Initial values of parameters and states: drawn by the reference interpreter, so they are part of a program's
//! meaning and the same on every machine.

use super::layout::{Layout, Piece};
use super::weights::Weights;
use crate::circuit::ValueId;
use crate::elaborate::model::Model;
use crate::interpret::{Bindings, evaluate};

/// The weights before the first step.
pub fn initial_values(model: &Model, params: &Layout, states: &Layout, seed: u64) -> Weights {
    let mut weights = Weights { params: vec![0.0; params.len], states: vec![0.0; states.len] };
    let values: Vec<ValueId> = model.initial_values.iter().map(|&(_, value)| value).collect();
    let bindings = Bindings::<f32> { seed, step: 0, ..Bindings::new(1) };
    let arrays = evaluate(&model.initial, &values, &bindings);
    for (&(slot, _), array) in model.initial_values.iter().zip(&arrays) {
        let put = |layout: &Layout, to: &mut Vec<f32>| {
            let piece: Option<&Piece> = layout.piece(slot);
            piece.map(|piece| to[piece.range()].copy_from_slice(&array.data)).is_some()
        };
        let placed = put(params, &mut weights.params) || put(states, &mut weights.states);
        debug_assert!(placed, "an initial value of neither a parameter nor a state");
    }
    weights
}
