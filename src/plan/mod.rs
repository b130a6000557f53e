//! `Circuit` to [`schedule::Schedule`]: what is fused, what is stored, in which order loops and sums run, and
//! where everything lies in one arena.

pub mod contraction;
pub mod interpret;
pub mod memory;
pub mod schedule;
