//! What a listing says of copies of a repeated layer whose lines it does not print.

use super::Line;
use super::repeats::Repeated;
use super::sections::defined;
use crate::syntax::ast::StmtKind;
use rustc_hash::FxHashSet;

/// No line of a comment is wider than this.
const COMMENT: usize = 110;

/// What is said before the copy that begins at a row if others are told by it.
pub(super) fn stands_for(repeated: &[Repeated], at: usize) -> Option<String> {
    let mut others = repeated.iter().filter(|repeated| repeated.like.rows.start == at);
    let like = &others.next()?.like;
    let copies = match (others.count() + 2, like.of) {
        (2, 2) => "both copies".to_string(),
        (all, of) if all == of => format!("all {all} copies"),
        (some, of) => format!("{some} of {of} copies"),
    };
    Some(format!("{} stands for {copies}; what differs is told after it.", like.path))
}

/// That the lines of a copy of a repeated layer are those of another, with the names that its number does not tell.
pub(super) fn told(repeated: &Repeated, indent: &str) -> String {
    let Repeated { copy, like, likeness } = repeated;
    let mut text =
        format!("{}, copy {} of {}: the same lines as for {}", copy.path, copy.number, copy.of, like.path);
    let names = likeness.names.iter().map(|(ours, theirs)| format!("{ours} for {theirs}"));
    let names: Vec<String> = names.collect();
    if !names.is_empty() {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        text.push_str(&format!(", with {}", listed(&names)));
    }
    text.push_str(if likeness.own.is_empty() { "." } else { ", but for these:" });
    wrapped(&text, &format!("{indent}# "))
}

/// The copies after one, if there are several, that are told by the same words with other numbers.
pub(super) fn going_on<'r>(repeated: &'r [Repeated], first: &Repeated) -> Vec<&'r Repeated> {
    let mut others: Vec<&Repeated> = vec![];
    while let Some(next) = repeated.iter().find(|next| others.last().map_or(first, |last| last).goes_on(next))
    {
        others.push(next);
    }
    if others.len() == 1 { vec![] } else { others }
}

/// Of all of them at once.
pub(super) fn likewise(others: &[&Repeated]) -> Option<String> {
    let (first, last) = (&others.first()?.copy, &others.last()?.copy);
    let (begin, end) = (first.number, last.number);
    Some(format!(
        "{} to {}, copies {begin} to {end} of {}: likewise, each with its own numbers.",
        first.path, last.path, first.of
    ))
}

/// `blocks_0_W_bar is of another size: here run m over 8 and n over 4.`
pub(super) fn resized(line: &Line) -> String {
    let sizes: Vec<String> =
        line.extents.iter().map(|(name, extent)| format!("{name} over {extent}")).collect();
    let sizes: Vec<&str> = sizes.iter().map(String::as_str).collect();
    format!("{} is of another size: here run {}.", defined(line).unwrap_or_default(), listed(&sizes))
}

/// `a, b and c`
pub(super) fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// A text in lines that begin alike and are no longer than a remark's.
fn wrapped(text: &str, begin: &str) -> String {
    let mut lines: Vec<String> = vec![];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + word.len() < COMMENT => line.push_str(&format!(" {word}")),
            _ => lines.push(format!("{begin}{word}")),
        }
    }
    lines.join("\n") + "\n"
}

/// The outputs; of copies that are told by another, the other's with their number.
pub(super) fn outputs(results: &[&Line], repeated: &[Repeated]) -> String {
    let name = |line: &&Line| match &line.stmt.kind {
        StmtKind::Output { name, .. } => name.text.clone(),
        _ => String::new(),
    };
    let names: Vec<String> = results.iter().map(name).collect();
    let known: FxHashSet<&String> = names.iter().collect();
    let flat = |path: &str| format!("{}_", path.replace('.', "_"));
    let whole = |path: &str| repeated.iter().all(|repeated| repeated.copy.path != path);
    let stands_in = |name: &String| {
        repeated.iter().filter(|repeated| whole(&repeated.like.path)).find_map(|repeated| {
            let rest = name.strip_prefix(&flat(&repeated.copy.path))?;
            Some(format!("{}{rest}", flat(&repeated.like.path))).filter(|other| known.contains(other))
        })
    };
    let stand_ins: Vec<Option<String>> = names.iter().map(stands_in).collect();
    let shown = names.iter().zip(&stand_ins).filter(|(_, other)| other.is_none()).map(|(name, _)| name);
    let width = shown.clone().map(String::len).max().unwrap_or(0);
    let line = |name: &String| match stand_ins.iter().flatten().filter(|other| *other == name).count() {
        0 => format!("  output {name}\n"),
        1 => format!("  output {name:width$}  # and that of another copy\n"),
        others => format!("  output {name:width$}  # and those of {others} other copies\n"),
    };
    shown.map(line).collect()
}
