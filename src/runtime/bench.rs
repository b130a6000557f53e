//! How fast a program trains, and where its time goes.

use super::profile::GATHERING;
use super::train::{Epoch, Observer, Progress, Trainer};
use crate::diagnostic::Diagnostic;
use crate::plan::cost::{Cost, step_cost};
use crate::plan::print::heading;
use std::time::{Duration, Instant};

/// Steps a second, from stretches of a run.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Rate {
    /// The middle one.
    pub median: f64,
    /// The slowest.
    pub least: f64,
    /// The fastest.
    pub most: f64,
}

/// What one step of the schedule takes of a step of training.
#[derive(Clone, PartialEq, Debug)]
pub struct Share {
    /// What it computes.
    pub what: String,
    /// Of the time of all, from 0 to 1.
    pub part: f64,
    /// A time.
    pub time: Duration,
    /// What it does in that time.
    pub cost: Cost,
}

/// Trains for about so long, or to the end of the program's epochs.
///
/// # Errors
/// When a number is no longer finite, as in any run.
pub fn rate(trainer: &mut Trainer, time: Duration) -> Result<Rate, Diagnostic> {
    let mut watch = Watch { began: Instant::now(), time, last: None, rates: vec![] };
    trainer.run(&mut watch).map_err(|broken| *broken.wrong)?;
    let mut rates = watch.rates;
    rates.sort_by(f64::total_cmp);
    let at = |k: usize| rates.get(k).copied().unwrap_or(0.0);
    Ok(Rate { median: at(rates.len() / 2), least: at(0), most: at(rates.len().saturating_sub(1)) })
}

/// Trains for about so long, and tells what each step of the schedule takes, the gathering of the batch first.
///
/// # Errors
/// As [`rate`].
///
/// # Panics
/// If the trainer's code does not take times.
pub fn shares(trainer: &mut Trainer, time: Duration) -> Result<Vec<Share>, Diagnostic> {
    rate(trainer, time)?;
    let built = trainer.built();
    let laps = built.module.laps().expect("code that takes times");
    let steps = trainer.steps_done().max(1) as u32;
    let (gathering, each) = (laps.gathering(), laps.steps());
    let all = gathering + each.iter().sum::<Duration>();
    let share = |what: String, time: Duration, cost: Cost| Share {
        what,
        part: time.as_secs_f64() / all.as_secs_f64().max(1e-12),
        time: time / steps,
        cost,
    };
    let schedule = &built.schedule;
    let n = schedule.capacity as usize;
    let mut out = vec![share(GATHERING.into(), gathering, Cost::default())];
    for (step, time) in schedule.steps.iter().zip(each) {
        out.push(share(heading(schedule, step), time, step_cost(schedule, step, n)));
    }
    Ok(out)
}

/// Takes the time of stretches of a run, of which the first warms up.
struct Watch {
    began: Instant,
    time: Duration,
    last: Option<(Instant, u64)>,
    rates: Vec<f64>,
}

/// The shortest stretch that is timed.
const STRETCH: Duration = Duration::from_millis(50);

impl Observer for Watch {
    fn progress(&mut self, progress: &Progress) {
        let now = Instant::now();
        match self.last {
            Some((then, step)) if now - then >= STRETCH => {
                self.rates.push((progress.step - step) as f64 / (now - then).as_secs_f64());
                self.last = Some((now, progress.step));
            }
            None => self.last = Some((now, progress.step)),
            Some(_) => {}
        }
    }

    fn epoch(&mut self, _: &Epoch) {}

    fn interrupted(&self) -> bool {
        self.began.elapsed() >= self.time
    }
}
