//! Where the time of a run goes, line by line of its program.
//!
//! Native code tells how long each step of the schedule took ([`crate::codegen::Laps`]). A step that several lines were
//! fused into is divided among them by the machine operations that each contributes
//! ([`crate::plan::cost::for_each_work`]): an estimate, but one whose sum is the time that was measured. What a line of
//! the library does belongs to the line of the user's that calls it; what the backward pass does, to the line that it
//! was derived from.

use super::train::Trainer;
use crate::circuit::{Circuit, Leaf, Node, Origin, SlotRole, ValueId, graph};
use crate::codegen::Laps;
use crate::diagnostic::{FileId, Sources, Span};
use crate::elaborate::program::{COMMAND_LINE, is_library};
use crate::plan::cost::for_each_work;
use crate::plan::schedule::{Region, Schedule, Step};
use rustc_hash::FxHashMap;
use std::time::Duration;

/// Which part of a training step something belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Pass {
    /// What the loss is computed from.
    Forward,
    /// What was derived.
    Backward,
    /// Clipping, and the optimizer.
    Update,
}

/// Where the time of a run went. All times are in seconds, of the whole run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Profile {
    /// Steps that were run.
    pub steps: u64,
    /// Time of the run: the sum of all lines and all other rows.
    pub whole: f64,
    /// Lines of the program that cost something, in its order.
    pub lines: Vec<Line>,
    /// What belongs to no line: what it is, and its time.
    pub others: Vec<(&'static str, f64)>,
}

/// What a line of a program took.
#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    /// In which text.
    pub file: FileId,
    /// Its number, from 1.
    pub number: usize,
    /// Of a line of the library: the path of the call that it belongs to, `h.gru`.
    pub path: String,
    /// Seconds in each [`Pass`], in their order.
    pub passes: [f64; 3],
    /// Of these, what lines of the library took that it calls, in the order in which they run.
    pub library: Vec<Line>,
}

impl Line {
    fn new(file: FileId, number: usize, path: &str) -> Line {
        Line { file, number, path: path.to_string(), passes: [0.0; 3], library: vec![] }
    }

    /// A line of the library.
    fn within(&mut self, file: FileId, number: usize, path: &str) -> &mut Line {
        let known = |line: &Line| (line.file, line.number, line.path.as_str()) == (file, number, path);
        let at = self.library.iter().position(known).unwrap_or_else(|| {
            self.library.push(Line::new(file, number, path));
            self.library.len() - 1
        });
        &mut self.library[at]
    }

    /// Seconds in all.
    pub fn time(&self) -> f64 {
        self.passes.iter().sum()
    }
}

/// Where in a program something was made.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Cause<'c> {
    /// In the user's text.
    line: Span,
    /// In the library's, if it is called there, with the path of the call.
    library: Option<(Span, &'c str)>,
    pass: Pass,
}

/// Where the time of a trainer's last run went.
///
/// # Panics
/// If the trainer's code does not take times.
pub fn profile(trainer: &Trainer, sources: &Sources) -> Profile {
    let (built, spent) = (trainer.built(), trainer.spent());
    let laps = built.module.laps().expect("code that takes times");
    let steps = trainer.steps_done() - spent.from;
    let seconds = |times: &[Duration]| times.iter().map(Duration::as_secs_f64).collect::<Vec<f64>>();
    // Each lap ends with a look at the clock.
    let look = steps as f64 * Laps::cost().as_secs_f64();
    let mut looks = 0.0;
    let mut without_look = |lap: f64| {
        let own = look.min(lap);
        looks += own;
        lap - own
    };
    let gathering = without_look(laps.gathering().as_secs_f64());
    let each: Vec<f64> = seconds(&laps.steps()).into_iter().map(without_look).collect();
    let native = gathering + looks + each.iter().sum::<f64>();
    let [whole, evaluation, health, observer] =
        [spent.whole, spent.evaluation, spent.health, spent.observer].map(|time| time.as_secs_f64());
    let between = (whole - native - evaluation - health - observer).max(0.0);
    let Credits { mut lines, settings, nowhere } = credits(&built.schedule, &built.circuits, &each, sources);
    lines.retain(|line| line.time() > 0.0);
    let others = vec![
        (GATHERING, gathering),
        ("settings that the command line gave", settings),
        ("of no line of the program", nowhere),
        ("looking at the clock for this table", looks),
        ("between calls of native code: order, schedules, checks", between),
        ("health of gradients and units", health),
        ("figures after epochs and at the end", evaluation),
        ("showing and saving the run", observer),
    ];
    let whole = lines.iter().map(Line::time).chain(others.iter().map(|other| other.1)).sum();
    Profile { steps, whole, lines, others }
}

/// How the first part of a step is called, in which its batch is put together.
pub const GATHERING: &str = "the examples of the batch, put side by side";

/// The time of a schedule, credited.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Credits {
    /// Lines of the program, in its order.
    pub lines: Vec<Line>,
    /// Of what the command line gave.
    pub settings: f64,
    /// What cannot be traced to a line.
    pub nowhere: f64,
}

/// Credits the time of each step of a schedule to the lines of the program that it was made from.
pub fn credits(schedule: &Schedule, circuits: &[Circuit], each: &[f64], sources: &Sources) -> Credits {
    let passes: Vec<Passes> =
        (0..).zip(circuits).map(|(k, circuit)| Passes::of(circuit, k, schedule)).collect();
    let mut credits = Credits::default();
    for ((step, &phase), &time) in schedule.steps.iter().zip(&schedule.phases).zip(each) {
        let (circuit, passes) = (&circuits[phase as usize], &passes[phase as usize]);
        let works = works(schedule, step, |value| cause(circuit, value, passes));
        let all: u64 = works.iter().map(|(_, work)| work).sum();
        if all == 0 {
            credits.nowhere += time;
        }
        for (cause, work) in works.into_iter().filter(|(_, work)| *work > 0) {
            credits.add(cause, time * work as f64 / all as f64, sources);
        }
    }
    credits
}

/// What a step does for each cause, in the order in which they first come.
fn works<'c>(
    schedule: &Schedule,
    step: &Step,
    cause: impl Fn(ValueId) -> Option<Cause<'c>>,
) -> Vec<(Option<Cause<'c>>, u64)> {
    let mut places: FxHashMap<Option<Cause>, usize> = FxHashMap::default();
    let mut works: Vec<(Option<Cause>, u64)> = vec![];
    for_each_work(schedule, step, schedule.capacity as usize, &mut |value, work| {
        let cause = value.and_then(&cause);
        let place = *places.entry(cause).or_insert_with(|| {
            works.push((cause, 0));
            works.len() - 1
        });
        works[place].1 += work;
    });
    works
}

impl Credits {
    fn add(&mut self, cause: Option<Cause>, time: f64, sources: &Sources) {
        match cause {
            None => self.nowhere += time,
            Some(cause) if cause.line.file == COMMAND_LINE => self.settings += time,
            Some(Cause { line: span, library, pass }) => {
                let (file, number) = (span.file, sources.line(span));
                let at = self.lines.binary_search_by_key(&(file, number), |line| (line.file, line.number));
                let at = at.unwrap_or_else(|at| {
                    self.lines.insert(at, Line::new(file, number, ""));
                    at
                });
                let line = &mut self.lines[at];
                line.passes[pass as usize] += time;
                if let Some((span, path)) = library {
                    line.within(span.file, sources.line(span), path).passes[pass as usize] += time;
                }
            }
        }
    }
}

/// Where a value was made, if that is known.
fn cause<'c>(circuit: &'c Circuit, value: ValueId, passes: &Passes) -> Option<Cause<'c>> {
    let origin = circuit.origin(value);
    let pass = passes.pass(value, origin);
    let declared = match circuit.node(value) {
        Node::Leaf(Leaf::Slot(slot)) => circuit.slot(*slot).span,
        _ => None,
    };
    let found = match (circuit.place(origin), origin.span.or(declared)) {
        (Some(place), Some(span)) if place.line.file != span.file => {
            Some(Cause { line: place.line, library: Some((span, &place.owner)), pass })
        }
        (_, Some(line)) => Some(Cause { line, library: None, pass }),
        (Some(place), None) => Some(Cause { line: place.line, library: None, pass }),
        (None, None) => None,
    };
    found.filter(|cause| !is_library(cause.line.file))
}

/// To which pass the values of one circuit belong.
struct Passes {
    /// Whether it is an update.
    update: bool,
    /// What the loss is computed from, even where it was derived: a net may ask for derivatives itself.
    forward: Vec<bool>,
}

impl Passes {
    /// Of the circuit that is planned as this phase.
    fn of(circuit: &Circuit, phase: u32, schedule: &Schedule) -> Passes {
        let update = circuit.slots().iter().any(|slot| slot.role == SlotRole::Gradient);
        let mut forward = vec![false; circuit.len()];
        // The first phase logs the loss.
        if phase == 0 {
            let log = schedule.buffers.iter().filter(|buffer| buffer.region == Region::Log);
            let losses = log.filter_map(|buffer| buffer.origin);
            graph::reachable(circuit, losses).iter().for_each(|value| forward[value.index()] = true);
        }
        Passes { update, forward }
    }

    fn pass(&self, value: ValueId, origin: Origin) -> Pass {
        match origin.rule {
            _ if self.update => Pass::Update,
            Some(_) if !self.forward[value.index()] => Pass::Backward,
            _ => Pass::Forward,
        }
    }
}
