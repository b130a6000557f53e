//! Time spent in each part of native code, where [`Options::profile`](super::Options) asks for it.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A clock that native code stops after each part of a step.
#[derive(Debug)]
pub struct Laps {
    origin: Instant,
    /// When the last part ended, in nanoseconds since the origin.
    last: AtomicU64,
    /// Nanoseconds of each part: the gathering of a batch, then the steps of the schedule.
    spent: Vec<AtomicU64>,
}

impl Laps {
    /// For a schedule of so many steps.
    pub(super) fn new(steps: usize) -> Laps {
        let spent = (0..=steps).map(|_| AtomicU64::new(0)).collect();
        Laps { origin: Instant::now(), last: AtomicU64::new(0), spent }
    }

    /// Time in the gathering of batches and between steps.
    pub fn gathering(&self) -> Duration {
        Duration::from_nanos(self.spent[0].load(Relaxed))
    }

    /// Time in each step of the schedule, in order.
    pub fn steps(&self) -> Vec<Duration> {
        self.spent[1..].iter().map(|spent| Duration::from_nanos(spent.load(Relaxed))).collect()
    }

    /// About how long it takes to stop the clock once.
    pub fn cost() -> Duration {
        const TIMES: u32 = 256;
        let laps = Laps::new(0);
        let once = |_| {
            let before = laps.gathering();
            laps.start();
            (0..TIMES).for_each(|_| laps.lap(0));
            (laps.gathering() - before) / TIMES
        };
        (0..32).map(once).min().unwrap_or_default()
    }

    /// From here on time counts.
    pub(super) fn start(&self) {
        self.last.store(self.origin.elapsed().as_nanos() as u64, Relaxed);
    }

    fn lap(&self, part: usize) {
        let now = self.origin.elapsed().as_nanos() as u64;
        self.spent[part].fetch_add(now.saturating_sub(self.last.swap(now, Relaxed)), Relaxed);
    }
}

/// Counts the time since the last call for a part.
///
/// # Safety
/// `laps` points to laps that have the part.
pub(super) unsafe extern "C" fn lap(laps: *const Laps, part: u64) {
    // SAFETY: handed on from the caller.
    unsafe { (*laps).lap(part as usize) }
}
