//! What the time of a run went into, outside of native code.

use std::time::Duration;

/// Parts of the time of a run. What is left of the whole is training: native code, and what is done between its calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// All of it.
    pub whole: Duration,
    /// Figures after epochs and at the end.
    pub evaluation: Duration,
    /// Looks at the gradients on the way and at the units at the end.
    pub health: Duration,
    /// What the observer did: showing the run, and saving it.
    pub observer: Duration,
    /// Steps that were done before, by a run that this one goes on with.
    pub from: u64,
}
