//! Circuits planned, verified, printed, run by the schedule's interpreter, and held against the circuit's.

mod cases;
mod harness;
pub mod random;
