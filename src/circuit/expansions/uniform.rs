//! Draws as machine operations.

use super::Int;
use crate::circuit::draw::{EXAMPLE, MIX};
use crate::circuit::machine::Program;
use std::sync::LazyLock;

/// [`crate::circuit::draw::uniform`], bit for bit. Its operands are integers: the two halves of the key, the
/// example's number and the element's position.
pub fn uniform() -> &'static Program {
    static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
        Program::build_from_ints(4, |v| {
            let round = mix(v[3] ^ v[0]);
            let hash = mix(round ^ v[1] ^ (v[2] * EXAMPLE));
            (hash.shift_right(9).convert() + 0.5) * 0.5f32.powi(23)
        })
    });
    &PROGRAM
}

/// [`crate::circuit::draw::mix`]
fn mix(x: Int) -> Int {
    let ([first, second, third], [a, b]) = MIX;
    let x = (x ^ x.shift_right(first as u8)) * a;
    let x = (x ^ x.shift_right(second as u8)) * b;
    x ^ x.shift_right(third as u8)
}
