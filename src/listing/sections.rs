//! The lines of a derived program in sections, one a statement of the model, each line with the rule that it comes from.

use super::repeats::{Repeated, repeated};
use super::{Line, folding};
use crate::circuit::Place;
use crate::diagnostic::{FileId, Sources, Span};
use crate::differentiate::rules;
use crate::syntax::ast::StmtKind;
use crate::syntax::stmt_to_string;
use rustc_hash::FxHashSet;

/// Writes the lines of a program in `file`.
pub(super) struct Sections<'a> {
    pub sources: &'a Sources,
    pub file: FileId,
    /// Whether what layers of a repeat share is printed once.
    pub folded: bool,
}

/// What stands in the text.
#[derive(Clone)]
enum Row<'a> {
    /// A line, so far in.
    Line { line: &'a Line, code: String, indent: usize },
    /// Anything else.
    Text(&'static str),
}

/// A line with no more than this has its remark behind it, one with more above it.
const LONG: usize = 84;

/// Nor is a line with its remark longer than this.
const WIDE: usize = 150;

/// How much of the model's text a remark or a section's head shows, and of each of several uses at least.
const SHOWN: usize = 60;
const HEAD: usize = 100;
const LEAST: usize = 24;

impl Sections<'_> {
    /// The lines of both programs: first what they share, then what is different, then the outputs.
    pub fn block(&self, inference: &[Line], training: &[Line]) -> String {
        let texts = |lines: &[Line]| -> Vec<String> {
            lines.iter().map(|line| stmt_to_string(&line.stmt, 0)).collect()
        };
        let (ours, theirs) = (texts(inference), texts(training));
        let (in_ours, in_theirs): (FxHashSet<&String>, FxHashSet<&String>) =
            (ours.iter().collect(), theirs.iter().collect());
        // An output of both programs comes last; one of a parameter that only one of them has, with what defines it.
        let is_result = |line: &Line, text: &String| {
            let output = matches!(line.stmt.kind, StmtKind::Output { .. });
            output && in_ours.contains(text) && in_theirs.contains(text)
        };
        let only = |lines: &'_ [Line], texts: &[String], others: &FxHashSet<&String>| -> Vec<usize> {
            let alone = |k: &usize| !others.contains(&texts[*k]) && !is_result(&lines[*k], &texts[*k]);
            (0..lines.len()).filter(alone).collect()
        };
        let only_theirs = only(training, &theirs, &in_ours);
        let only_ours = only(inference, &ours, &in_theirs);
        let mut choice = vec![];
        if !only_theirs.is_empty() || !only_ours.is_empty() {
            choice.push(Row::Text("  if training {"));
            choice.extend(only_theirs.iter().map(|&k| row(&training[k], 4)));
            choice.push(Row::Text("  } else {"));
            choice.extend(only_ours.iter().map(|&k| row(&inference[k], 4)));
            choice.push(Row::Text("  }"));
        }
        // The choice stands where the first line differs.
        let mut rows = vec![];
        for (line, text) in training.iter().zip(&theirs).filter(|(line, text)| !is_result(line, text)) {
            if in_ours.contains(text) {
                rows.push(row(line, 2));
            } else {
                rows.append(&mut choice);
            }
        }
        rows.append(&mut choice);
        let lines: Vec<Option<(&Line, &str)>> = (rows.iter())
            .map(|row| match row {
                Row::Line { line, code, .. } => Some((*line, code.as_str())),
                Row::Text(_) => None,
            })
            .collect();
        let repeated = repeated(&lines);
        let mut text = self.sections(&rows, &repeated);
        text.push('\n');
        let results: Vec<&Line> = (inference.iter().zip(&ours))
            .filter_map(|(line, text)| is_result(line, text).then_some(line))
            .collect();
        if self.folded {
            text.push_str(&folding::outputs(&results, &repeated));
        } else {
            text.extend(results.iter().map(|line| stmt_to_string(&line.stmt, 2)));
        }
        text
    }

    /// Rows with the head of each section, and what is said of copies of a repeated layer.
    fn sections(&self, rows: &[Row<'_>], repeated: &[Repeated]) -> String {
        let mut text = String::new();
        let mut at = 0;
        let mut is_told = false;
        while at < rows.len() {
            let indent = match &rows[at] {
                Row::Line { indent, .. } => " ".repeat(*indent),
                Row::Text(row) => {
                    text.push_str(&format!("{row}\n"));
                    at += 1;
                    continue;
                }
            };
            let found = repeated.iter().find(|repeated| repeated.copy.rows.start == at);
            // A block begins without an empty line; copies of which nothing is printed follow one another.
            let follows = text.ends_with("{\n") || is_told && found.is_some();
            if !follows {
                text.push('\n');
            }
            is_told = false;
            if let Some(first) = found.filter(|_| self.folded) {
                let own = self.own(rows, first);
                text.push_str(&folding::told(first, &indent));
                text.push_str(&own);
                is_told = own.is_empty();
                let others = folding::going_on(repeated, first);
                text.extend(folding::likewise(&others).map(|said| format!("{indent}# {said}\n")));
                at = others.last().map_or(first, |last| last).copy.rows.end;
                continue;
            }
            let stands_for = || folding::stands_for(repeated, at).filter(|_| self.folded);
            let said = found.map(|repeated| told(repeated, rows)).or_else(stands_for);
            text.extend(said.map(|said| format!("{indent}# {said}\n\n")));
            let stop = repeated.iter().map(|repeated| repeated.copy.rows.start).find(|&start| start > at);
            let end = end_of_section(rows, at, stop.unwrap_or(rows.len()));
            text.push_str(&self.section(&rows[at..end]));
            at = end;
        }
        text
    }

    /// Lines of one statement under it.
    fn section(&self, rows: &[Row<'_>]) -> String {
        let mut text = String::new();
        if let Some(Row::Line { line: Line { place: Some(place), .. }, indent, .. }) = rows.first() {
            text.push_str(&format!("{}# {}\n", " ".repeat(*indent), self.head(place)));
        }
        text.push_str(&self.aligned(rows));
        text
    }

    /// The lines of a copy that are not those of another, in sections.
    fn own(&self, rows: &[Row<'_>], repeated: &Repeated) -> String {
        let own: Vec<Row<'_>> = repeated.own().map(|k| rows[k].clone()).collect();
        let mut text = String::new();
        let mut at = 0;
        while at < own.len() {
            let end = end_of_section(&own, at, own.len());
            text.push_str(&format!("\n{}", self.section(&own[at..end])));
            at = end;
        }
        for &k in &repeated.likeness.resized {
            if let Row::Line { line, indent, .. } = &rows[repeated.copy.rows.start + k] {
                text.push_str(&format!("{}# {}\n", " ".repeat(*indent), folding::resized(line)));
            }
        }
        text
    }

    /// Rows with their remarks behind them in one column, or above them where there is no room.
    fn aligned(&self, rows: &[Row<'_>]) -> String {
        let shown = rows.iter().filter_map(|row| match row {
            Row::Line { line, code, indent } => Some((code, " ".repeat(*indent), self.remark(line))),
            Row::Text(_) => None,
        });
        let shown: Vec<(&String, String, Option<String>)> = shown.collect();
        let width = |text: &str| text.chars().count();
        let short = |(code, _, remark): &&(&String, String, Option<String>)| {
            let remark = remark.as_deref().map_or(0, width);
            !code.contains('\n') && width(code) <= LONG && width(code) + remark <= WIDE
        };
        let column = shown.iter().filter(short).map(|(code, _, _)| width(code)).max().unwrap_or(0);
        let mut text = String::new();
        for row in &shown {
            match row {
                (code, _, Some(remark)) if short(&row) => {
                    text.push_str(&format!("{code:column$}  # {remark}\n"))
                }
                (code, indent, Some(remark)) => text.push_str(&format!("{indent}# {remark}\n{code}\n")),
                (code, _, None) => text.push_str(&format!("{code}\n")),
            }
        }
        text
    }

    /// `line 16, p.dense: y[m] = b[m] + sum[n] W[m, n] * x[n]`
    fn head(&self, place: &Place) -> String {
        let owner = match place.owner.as_str() {
            "" => String::new(),
            owner => format!(", {owner}"),
        };
        format!("{}{owner}: {}", self.line(place.line), self.written(place.span, HEAD))
    }

    /// `line 16`, with the file's name for a line of another file.
    fn line(&self, span: Span) -> String {
        let number = self.sources.line(span);
        if span.file == self.file {
            format!("line {number}")
        } else {
            format!("{} line {number}", self.sources.get(span.file).name)
        }
    }

    /// The model's text on one line, no more than so much of it.
    fn written(&self, span: Span, most: usize) -> String {
        let uncommented = |line: &str| line.split('#').next().unwrap_or_default().to_string();
        let text: Vec<String> = self.sources.slice(span).lines().map(uncommented).collect();
        let text = text.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        match text.char_indices().nth(most) {
            Some((end, _)) => format!("{} ...", text[..end].trim_end()),
            None => text,
        }
    }

    /// `line 16, y = tanh(a): a_bar = y_bar * (1 - y * y)`
    fn remark(&self, line: &Line) -> Option<String> {
        let number = line.place.as_ref().map(|place| place.line).or(line.span).map(|span| self.line(span))?;
        let expression = |span: &Span| self.written(*span, (SHOWN / line.uses.len().max(1)).max(LEAST));
        let own = line.span.as_ref().map(expression);
        if line.rules.is_empty() {
            return Some(format!("{number}, again: {}", own.unwrap_or_default()));
        }
        let told = |rule: &&'static str| match *rule {
            rules::USES => {
                let mut uses: Vec<String> = line.uses.iter().map(expression).collect();
                uses.dedup();
                format!("{rule}: {}", uses.join(", "))
            }
            rule => rule.to_string(),
        };
        let rules: Vec<String> = line.rules.iter().map(told).collect();
        let of = own.map(|own| format!(" (of {own})")).unwrap_or_default();
        Some(format!("{number}, {}{of}", rules.join("; ")))
    }
}
/// A line, so far in.
fn row(line: &Line, indent: usize) -> Row<'_> {
    Row::Line { line, code: stmt_to_string(&line.stmt, indent).trim_end().to_string(), indent }
}

/// That the lines of a copy of a repeated layer, which follow, are those of another.
fn told(repeated: &Repeated, rows: &[Row<'_>]) -> String {
    let Repeated { copy, like, .. } = repeated;
    let own = repeated.own().filter_map(|k| match &rows[k] {
        Row::Line { line, .. } => defined(line),
        Row::Text(_) => None,
    });
    let own: Vec<&str> = own.collect();
    let but = if own.is_empty() { String::new() } else { format!(", but for {}", folding::listed(&own)) };
    format!("{}, copy {} of {}: the same lines as for {}{but}.", copy.path, copy.number, copy.of, like.path)
}

/// Where the run of lines of one statement ends that begins at `begin`, not beyond `stop`.
fn end_of_section(rows: &[Row<'_>], begin: usize, stop: usize) -> usize {
    let place = |row: &Row<'_>| match row {
        Row::Line { line, .. } => Some(line.place.clone()),
        Row::Text(_) => None,
    };
    (begin + 1..stop).find(|&k| place(&rows[k]) != place(&rows[begin])).unwrap_or(stop)
}

/// Lines in an order in which those of one statement stand side by side, where nothing but a value of the model that is
/// computed again stands between them: that goes before them, as long as it reads none of them.
pub(super) fn gathered(mut lines: Vec<Line>) -> Vec<Line> {
    let is_again = |line: &Line| line.rules.is_empty() && line.span.is_some();
    let mut at = 1;
    while at < lines.len() {
        let end = (at..lines.len()).find(|&k| !is_again(&lines[k])).unwrap_or(lines.len());
        let place = lines[at - 1].place.clone();
        let begin = (0..at).rev().find(|&k| lines[k].place != place).map_or(0, |k| k + 1);
        let splits = end > at && end < lines.len() && lines[end].place == place && place.is_some();
        let words = |line: &Line| -> FxHashSet<String> {
            let text = stmt_to_string(&line.stmt, 0);
            text.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(String::from).collect()
        };
        let needs = |again: &Line| {
            let words = words(again);
            lines[begin..at].iter().any(|line| defined(line).is_some_and(|name| words.contains(name)))
        };
        let moves = splits && lines[at..end].iter().all(|line| line.place != place && !needs(line));
        if moves {
            lines[begin..end].rotate_right(end - at);
        }
        at = end.max(at + 1);
    }
    lines
}

/// The name that a line defines.
pub(super) fn defined(line: &Line) -> Option<&str> {
    match &line.stmt.kind {
        StmtKind::Define { targets, .. } => targets.first().map(|target| target.name.text.as_str()),
        _ => None,
    }
}
