//! Whether threads gain by sharing a piece of work: told by the clock, as it depends on how soon a thread comes, on what
//! else the machine does, and on where the operands lie.
//!
//! What is short is tried both ways. A long run by all tells itself what one thread alone would have taken: the time in
//! which the caller did its own parts, by the share that these were.

use rustc_hash::FxHashMap;
use std::time::Instant;

/// Runs of each way before one is chosen, and seconds of them: the first finds nothing in the caches, or has to wake the
/// threads, and any may be held up for longer than all of the others take.
const TRIED: u32 = 8;
const TRIED_FOR: f64 = 4e-3;
/// Runs and seconds after which the way that was slower is tried again.
const RUNS: u32 = 64;
const SECONDS: f64 = 0.1;
/// Of what takes so many seconds, a run by all tells what it would have taken alone.
const LONG: f64 = 1e-3;
/// How far a new time moves what is expected; a run that was held up counts as no more than twice that.
const WEIGHT: f64 = 0.25;

/// Pieces of work, and what is known of each.
#[derive(Debug, Default)]
pub struct Gains {
    pieces: FxHashMap<(usize, u64), Gain>,
}

/// What is known of a piece of work.
#[derive(Clone, Copy, Debug)]
struct Gain {
    /// Seconds that are expected of one thread alone, and of all together.
    alone: f64,
    together: f64,
    stage: Stage,
}

/// What the next run is for.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// To try a way, by all threads or alone: after so many runs and seconds of the trial.
    Trial { together: bool, runs: u32, seconds: f64 },
    /// To be done soon: after so many runs and seconds in the faster way.
    Chosen { runs: u32, seconds: f64 },
}

impl Default for Gain {
    fn default() -> Self {
        let stage = Stage::Trial { together: true, runs: 0, seconds: 0.0 };
        Gain { alone: f64::INFINITY, together: f64::INFINITY, stage }
    }
}

impl Gains {
    /// Runs a piece of work, by all threads if that is faster: `work` is told, and tells, if all threads worked, the
    /// seconds that the caller would have taken alone. The piece has a number of its own, as its
    /// address, and is as long each time it comes with the same `length`, which may tell of anything that it depends on.
    pub fn run(&mut self, piece: usize, length: u64, work: impl FnOnce(bool) -> Option<f64>) {
        let gain = self.pieces.entry((piece, length)).or_default();
        let start = Instant::now();
        let alone = work(gain.is_by_all());
        gain.took(start.elapsed().as_secs_f64(), alone);
    }
}

impl Gain {
    /// Whether the next run is by all threads.
    fn is_by_all(&self) -> bool {
        match self.stage {
            Stage::Trial { together, .. } => together,
            Stage::Chosen { .. } => self.together < self.alone,
        }
    }

    /// Goes on after a run that took so long, and would have taken `alone`.
    fn took(&mut self, seconds: f64, alone: Option<f64>) {
        let by_all = self.is_by_all();
        let expected = if by_all { &mut self.together } else { &mut self.alone };
        *expected = match self.stage {
            Stage::Trial { runs: 0, .. } => seconds,
            Stage::Trial { .. } => seconds.min(*expected),
            Stage::Chosen { .. } => moved(*expected, seconds.min(2.0 * *expected)),
        };
        let (is_long, is_first) = (*expected >= LONG, matches!(self.stage, Stage::Trial { runs: 0, .. }));
        if let Some(alone) = alone.filter(|_| by_all && is_long && !is_first) {
            self.alone = moved(self.alone, alone);
            self.stage = Stage::Chosen { runs: 0, seconds: 0.0 };
            return;
        }
        let trial = |together| Stage::Trial { together, runs: 0, seconds: 0.0 };
        self.stage = match self.stage {
            Stage::Trial { together, runs, seconds: before }
                if runs == 0 || runs + 1 < TRIED && before + seconds < TRIED_FOR =>
            {
                Stage::Trial { together, runs: runs + 1, seconds: before + seconds }
            }
            Stage::Trial { .. } if self.alone.is_infinite() => trial(false),
            Stage::Trial { .. } => Stage::Chosen { runs: 0, seconds: 0.0 },
            Stage::Chosen { runs, seconds: before } if runs + 1 < RUNS || before + seconds < SECONDS => {
                Stage::Chosen { runs: runs.saturating_add(1), seconds: before + seconds }
            }
            Stage::Chosen { .. } => trial(!by_all),
        };
    }
}

/// What is expected after a new time; that time, if nothing was known.
fn moved(expected: f64, seconds: f64) -> f64 {
    if expected.is_finite() { expected + WEIGHT * (seconds - expected) } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many further runs are by all threads, if each way takes so long.
    fn by_all(gain: &mut Gain, runs: u32, [alone, together]: [f64; 2]) -> u32 {
        let run = |_: u32| {
            let by_all = gain.is_by_all();
            gain.took(if by_all { together } else { alone }, None);
            u32::from(by_all)
        };
        (0..runs).map(run).sum()
    }

    #[test]
    fn the_faster_way_is_taken_and_the_other_one_tried_again() {
        let mut gain = Gain::default();
        // Two runs of each way are longer than a trial needs.
        assert_eq!(by_all(&mut gain, 4, [2.0, 3.0]), 2);
        assert_eq!(by_all(&mut gain, RUNS, [2.0, 3.0]), 0);
        assert_eq!(by_all(&mut gain, 2 + RUNS, [2.0, 3.0]), 2);
        // Another program ends.
        assert_eq!(by_all(&mut gain, 2 + RUNS, [2.0, 1.0]), 2 + RUNS);
        assert_eq!(by_all(&mut gain, RUNS, [2.0, 1.0]), RUNS - 2);
    }

    #[test]
    fn what_is_short_is_tried_more_often_and_seldom_again() {
        let mut gain = Gain::default();
        assert_eq!(by_all(&mut gain, 2 * TRIED, [1e-5, 2e-5]), TRIED);
        assert_eq!(by_all(&mut gain, 9_000, [1e-5, 2e-5]), 0);
        assert_eq!(by_all(&mut gain, 2_000, [1e-5, 2e-5]), TRIED);
    }

    #[test]
    fn a_run_that_was_held_up_changes_nothing() {
        let mut gain = Gain::default();
        by_all(&mut gain, 4, [3.0, 2.0]);
        gain.took(1000.0, None);
        assert_eq!(by_all(&mut gain, RUNS / 2, [3.0, 2.0]), RUNS / 2);
        // Nor do first runs that are, of either way.
        let mut gain = Gain::default();
        for _ in 0..2 {
            gain.took(2.0 * LONG, Some(3.0 * LONG));
            by_all(&mut gain, TRIED - 1, [3e-5, 2e-5]);
        }
        assert_eq!(by_all(&mut gain, RUNS, [3e-5, 2e-5]), RUNS);
    }

    #[test]
    fn a_long_run_by_all_tells_what_one_alone_would_take() {
        let mut gain = Gain::default();
        for _ in 0..10 * RUNS {
            assert!(gain.is_by_all());
            gain.took(1.0, Some(1.9));
        }
        // A worker that is held up, again and again: seldom asked.
        let held_up = |gain: &mut Gain| {
            let by_all = gain.is_by_all();
            if by_all {
                gain.took(3.0, Some(2.0))
            } else {
                gain.took(2.0, None)
            }
            u32::from(by_all)
        };
        assert!((0..4 * RUNS).map(|_| held_up(&mut gain)).sum::<u32>() < 16);
    }
}
