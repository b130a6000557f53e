//! The program of a draw: [`crate::circuit::draw::uniform`] as machine operations.

use crate::circuit::draw::{EXAMPLE, MIX};
use crate::circuit::machine::Program;
use crate::circuit::machine::build::Int;
use std::sync::LazyLock;

/// Operands: the two halves of the key, the example's number, the element.
pub fn program() -> &'static Program {
    static PROGRAM: LazyLock<Program> = LazyLock::new(|| {
        Program::build_from_ints(4, |v| {
            let round = mix(v[3] ^ v[0]);
            let hash = mix(round ^ v[1] ^ v[2] * EXAMPLE);
            (hash.shift_right(9).convert() + 0.5) * (1.0 / (1 << 23) as f32)
        })
    });
    &PROGRAM
}

fn mix(x: Int) -> Int {
    let ([first, second, third], [a, b]) = MIX;
    let x = (x ^ x.shift_right(first as u8)) * a;
    let x = (x ^ x.shift_right(second as u8)) * b;
    x ^ x.shift_right(third as u8)
}
