//! What `nnc run --profile` tells: the time of a run, line by line of its program.

use super::common::{Session, columns, say};
use super::summary::{grouped, microseconds, percent};
use crate::diagnostic::{FileId, Sources};
use crate::runtime::profile::{Line, Profile, profile};
use crate::runtime::train::Trainer;
use serde_json::{Value, json};

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Detail {
    /// Each line of the program.
    Lines,
    /// Below each line also those of the library that it calls.
    Library,
}

/// Tells where the time of a trainer's run went.
pub fn tell(session: &Session, trainer: &Trainer, detail: Detail) {
    let sources = &session.program.sources;
    let profile = profile(trainer, sources);
    if session.json {
        say!("{}", to_json(&profile, sources, detail));
    } else if profile.steps == 0 {
        say!("\nno step was run: there is no profile");
    } else {
        let step = microseconds(profile.whole / profile.steps as f64);
        say!("\ntime of {} steps, {step} µs a step, by the lines of the program", grouped(profile.steps));
        columns(&rows(&profile, sources, detail), &LEFT);
        say!("{NOTE}");
    }
}

const HEAD: [&str; 8] = ["share", "", "µs a step", "forward", "backward", "update", "line", "of the program"];

/// Which columns begin at the left.
const LEFT: [usize; 2] = [1, 7];

const NOTE: &str = "\
What the library does is credited to the line that calls it, and a backward pass to the line that it was derived from.
Loops in which several lines were fused are timed as one and divided among them by the operations that each
contributes: an estimate.";

/// The table: its head, the lines in the order of the program, then what belongs to none.
fn rows(profile: &Profile, sources: &Sources, detail: Detail) -> Vec<Vec<String>> {
    let most = profile.lines.iter().map(Line::time).chain(profile.others.iter().map(|other| other.1));
    let scale = Scale { whole: profile.whole, most: most.fold(0.0, f64::max), steps: profile.steps as f64 };
    let mut rows = vec![HEAD.map(String::from).to_vec()];
    for line in &profile.lines {
        rows.push(scale.line(line, sources, ""));
        if detail == Detail::Library {
            rows.extend(line.library.iter().map(|inner| scale.line(inner, sources, "  ")));
        }
    }
    let others = profile.others.iter().filter(|(_, time)| *time > 0.0);
    rows.extend(others.map(|(what, time)| scale.row(*time, None, String::new(), (*what).to_string())));
    rows.push(scale.row(profile.whole, None, String::new(), "all".into()));
    rows
}

/// What times are measured by.
struct Scale {
    /// Time of all rows.
    whole: f64,
    /// Of the longest one.
    most: f64,
    steps: f64,
}

impl Scale {
    fn line(&self, line: &Line, sources: &Sources, indent: &str) -> Vec<String> {
        let text = shortened(text_of(line, sources));
        let path = if line.path.is_empty() { String::new() } else { format!("{}: ", line.path) };
        self.row(line.time(), Some(line.passes), place_of(line, sources), format!("{indent}{path}{text}"))
    }

    fn row(&self, time: f64, passes: Option<[f64; 3]>, place: String, text: String) -> Vec<String> {
        let a_step = |time: f64| microseconds(time / self.steps);
        let pass = |time: f64| if time > 0.0 { a_step(time) } else { String::new() };
        let bar = if time < self.whole { bar(time / self.most) } else { String::new() };
        let [forward, backward, update] = passes.unwrap_or_default().map(pass);
        let share = percent(time / self.whole);
        vec![share, bar, a_step(time), forward, backward, update, place, text]
    }
}

/// The longest bar, in characters.
const WIDTH: f64 = 12.0;

/// A bar of eighths of characters, for a part from 0 to 1.
fn bar(part: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (part * WIDTH * 8.0).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// The number of a line; in another file than the program its name too.
fn place_of(line: &Line, sources: &Sources) -> String {
    match line.file {
        FileId(0) => line.number.to_string(),
        file => format!("{}:{}", sources.get(file).name, line.number),
    }
}

/// The text of a line, without its indentation.
fn text_of<'s>(line: &Line, sources: &'s Sources) -> &'s str {
    sources.get(line.file).text.lines().nth(line.number - 1).unwrap_or_default().trim()
}

/// The longest text of a line that is printed whole.
const TEXT: usize = 72;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT) {
        Some((at, _)) => format!("{}...", text[..at].trim_end()),
        None => text.to_string(),
    }
}

/// The profile as an event of a run.
fn to_json(profile: &Profile, sources: &Sources, detail: Detail) -> Value {
    let share = |time: f64| if profile.whole > 0.0 { time / profile.whole } else { 0.0 };
    let a_step = |time: f64| (profile.steps > 0).then(|| time / profile.steps as f64 * 1e6);
    let line = |line: &Line| {
        let [forward, backward, update] = line.passes.map(a_step);
        json!({ "file": sources.get(line.file).name, "line": line.number, "text": text_of(line, sources),
        "share": share(line.time()), "microseconds": a_step(line.time()),
        "forward": forward, "backward": backward, "update": update })
    };
    let with_library = |outer: &Line| {
        let mut told = line(outer);
        if detail == Detail::Library {
            let inner = |inner: &Line| {
                let mut told = line(inner);
                told["path"] = inner.path.clone().into();
                told
            };
            told["library"] = outer.library.iter().map(inner).collect();
        }
        told
    };
    let other = |(what, time): &(&str, f64)| json!({ "what": what, "share": share(*time), "microseconds": a_step(*time) });
    json!({ "event": "profile", "steps": profile.steps, "seconds": profile.whole,
    "lines": profile.lines.iter().map(with_library).collect::<Vec<_>>(),
    "others": profile.others.iter().map(other).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_parts() {
        assert_eq!([0.0, 0.5, 1.0].map(|part| bar(part).chars().count()), [0, 6, 12]);
        assert_eq!(bar(1.0 / 96.0), "▏");
    }
}
