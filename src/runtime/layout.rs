//! Where each parameter and state lies in its flat region.

use crate::circuit::{Circuit, SlotId};

/// One array in a flat region.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// Its slot in the model's circuit.
    pub slot: SlotId,
    /// Path, as a checkpoint names it.
    pub name: String,
    /// Extents.
    pub dims: Vec<u32>,
    /// First element in the region.
    pub offset: u32,
}

impl Piece {
    /// Elements.
    pub fn len(&self) -> usize {
        self.dims.iter().map(|&d| d as usize).product()
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its elements within the region.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset as usize..self.offset as usize + self.len()
    }
}

/// The arrays of a flat region, one after another without gaps.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Layout {
    /// In the order of instantiation.
    pub pieces: Vec<Piece>,
    /// Elements of the region.
    pub len: usize,
}

impl Layout {
    /// Lays out slots of a circuit in the given order.
    pub fn of(circuit: &Circuit, slots: &[SlotId]) -> Layout {
        let mut layout = Layout::default();
        for &slot in slots {
            let piece = circuit.slot(slot);
            let offset = u32::try_from(layout.len).expect("elaboration bounds the number of parameters");
            layout.len += piece.shape.size();
            let (name, dims) = (piece.name.clone(), piece.shape.dims.clone());
            layout.pieces.push(Piece { slot, name, dims, offset });
        }
        layout
    }

    /// The piece of a slot.
    pub fn piece(&self, slot: SlotId) -> Option<&Piece> {
        self.pieces.iter().find(|piece| piece.slot == slot)
    }
}
