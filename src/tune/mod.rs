//! Finding settings: sweeps over the settings of a net and of its training, and the range test of the learning rate.
//!
//! - `points`: which points a sweep tries, in which rounds; `trial`: one training run; `record`: what came of it, and the
//!   file that holds it; [`sweep`]: all of them, several at once; `ranking`: which are best, and what mattered.
//! - [`rate`]: the loss while the learning rate grows.

mod points;
mod ranking;
pub mod rate;
mod record;
pub mod sweep;
#[cfg(test)]
mod tests;
mod trial;

pub use points::{Point, Round, points, rounds};
pub use ranking::{Effect, Level, Standing, deciding, effects};
pub use record::{Book, Record, State, TRIALS, read};
pub use trial::{Bench, Job, Ready, part_name};
