//! What several tests share: random programs, the oracles that every program is held against, and a way to make a
//! failing program small.

pub mod generate;
pub mod oracles;
pub mod random;
pub mod rounding;
pub mod shrink;
