//! A sweep from its first trial to its last: rounds of trials, several at once.

use super::points::{Point, Round, points, rounds};
use super::ranking::{Standing, standings};
use super::record::{Book, Record};
use super::trial::{Bench, Job};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::elaborate::model::{Sweep, Values};
use std::collections::VecDeque;
use std::sync::{Mutex, mpsc};

/// Who is told how a sweep goes.
pub trait Watch {
    /// A round begins, with so many trials, of which so many were done before.
    fn round(&mut self, round: &Round, trials: usize, known: usize);
    /// A trial is done.
    fn trial(&mut self, record: &Record);
    /// Whether no further trial should begin.
    fn interrupted(&self) -> bool;
}

/// What a sweep came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Every point by the last round that it took part in, best first.
    pub standings: Vec<Standing>,
    /// The trials of the first round, in which all points were run alike.
    pub first: Vec<Record>,
    /// Whether it was interrupted before its end.
    pub interrupted: bool,
}

/// Runs what a book does not hold yet, so many trials at once; each on one thread, so that neither their number nor
/// their order changes a result.
///
/// # Errors
/// `FILE_UNWRITABLE`.
pub fn run(
    bench: &Bench,
    sweep: &Sweep,
    epochs: u32,
    workers: usize,
    book: &mut Book,
    watch: &mut dyn Watch,
) -> Result<Outcome, Diagnostic> {
    let mut left: Vec<Point> = points(sweep);
    let rounds = rounds(sweep.search, left.len(), epochs);
    let (mut standings_of_all, mut first, mut interrupted) = (vec![], vec![], false);
    for (k, round) in rounds.iter().enumerate() {
        let is_last = k + 1 == rounds.len();
        let job = |point: &Point, seed: u64| Job {
            point: point.clone(),
            seed,
            until: round.epochs,
            pauses: !is_last,
        };
        let jobs: Vec<Job> =
            left.iter().flat_map(|point| sweep.seeds.iter().map(|&seed| job(point, seed))).collect();
        let records = run_round(bench, round, &jobs, workers, book, watch)?;
        interrupted = records.len() < jobs.len();
        let ranked = standings(&left, &records, sweep, round.epochs);
        if k == 0 {
            first = records;
        }
        let stay = rounds.get(k + 1).map_or(0, |next| next.points);
        if interrupted || is_last {
            standings_of_all.splice(0..0, ranked);
            break;
        }
        // Better than those that went out before, who were run for fewer epochs.
        standings_of_all.splice(0..0, ranked[stay..].iter().cloned());
        for out in &ranked[stay..] {
            let gone = sweep.seeds.iter().map(|&seed| bench.paused(&job(&out.point, seed)));
            gone.for_each(|path| _ = std::fs::remove_file(path));
        }
        left.retain(|point| ranked[..stay].iter().any(|standing| standing.point == *point));
    }
    Ok(Outcome { standings: standings_of_all, first, interrupted })
}

/// Points that are looked at for one in which a value is possible.
const LOOKED_AT: usize = 50;

/// That there is a program for every value that is tried: alone, or with some values of the other settings.
///
/// # Errors
/// What is wrong with a value, at the statement that tries it.
pub fn check(bench: &Bench, sweep: &Sweep) -> Result<(), Diagnostics> {
    let points = points(sweep);
    for varied in &sweep.varied {
        let values = match &varied.values {
            Values::Listed(values) => values.clone(),
            drawn => vec![drawn.at(0.0)],
        };
        for value in values {
            let own = (varied.name.clone(), value);
            let Err(wrong) = bench.ready(&vec![own.clone()], sweep.seeds[0]) else { continue };
            let mut with = points.iter().filter(|point| point.contains(&own)).take(LOOKED_AT);
            if !with.any(|point| bench.ready(point, sweep.seeds[0]).is_ok()) {
                let place =
                    |wrong: Diagnostic| wrong.at(varied.span, format!("with `{} = {}`", own.0, own.1));
                return Err(wrong.into_iter().map(place).collect());
            }
        }
    }
    Ok(())
}

/// The records of some jobs, in their order; fewer where the sweep was interrupted.
fn run_round(
    bench: &Bench,
    round: &Round,
    jobs: &[Job],
    workers: usize,
    book: &mut Book,
    watch: &mut dyn Watch,
) -> Result<Vec<Record>, Diagnostic> {
    let of_job = |book: &Book, job: &Job| -> Option<Record> {
        let found = book.known.iter().find(|r| r.is_of(&bench.of, &job.point, job.seed, job.until));
        found.cloned()
    };
    let todo: VecDeque<&Job> = jobs.iter().filter(|job| of_job(book, job).is_none()).collect();
    watch.round(round, jobs.len(), jobs.len() - todo.len());
    let workers = workers.min(todo.len());
    let todo = Mutex::new(todo);
    let next = || todo.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).pop_front();
    let (sender, receiver) = mpsc::channel();
    std::thread::scope(|scope| -> Result<(), Diagnostic> {
        for _ in 0..workers {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(job) = next() {
                    if sender.send(bench.run(job)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let stop = || todo.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clear();
        loop {
            match receiver.recv_timeout(std::time::Duration::from_millis(50)) {
                Ok(record) => {
                    book.add(&record).inspect_err(|_| stop())?;
                    watch.trial(&record);
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if watch.interrupted() {
                stop();
            }
        }
    })?;
    Ok(jobs.iter().filter_map(|job| of_job(book, job)).collect())
}
