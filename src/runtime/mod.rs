//! (being built)

pub mod checkpoint;
