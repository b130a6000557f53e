//! Circuits planned, verified, printed, run by the schedule's interpreter, and held against the circuit's.

mod cases;
mod faults;
mod harness;
pub mod random;
pub mod recurrences;
