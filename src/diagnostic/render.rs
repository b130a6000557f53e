//! How a [`Diagnostic`] looks on a terminal or in plain text.
//!
//! The frames with source lines are ariadne's. The line above them (`error[E0301]: ...`) and the notes and the
//! help below are written here, so that a diagnostic without any place looks the same.

use super::{Diagnostic, FileId, Severity, Source, Sources, Span};
use ariadne::{Color, Config, IndexType, Label, Report, ReportKind};
use std::ops::Range;

/// The diagnostic as text, with the source lines that it concerns; `color` for a terminal. Ends with a newline.
///
/// Spans that do not fit their text are clamped to it: what is shown may then be off, but it is shown.
pub fn render(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let mut text = headline(diagnostic, color);
    if !diagnostic.labels.is_empty() {
        text.push_str(&frames(diagnostic, sources, color));
    }
    for note in &diagnostic.notes {
        text.push_str(&footer("note", note, color));
    }
    if let Some(help) = &diagnostic.help {
        text.push_str(&footer("help", help, color));
    }
    text
}

/// Several diagnostics, a blank line after each, and a closing line that counts them (`2 errors, 1 warning`).
/// Nothing for none.
pub fn render_all(diagnostics: &[Diagnostic], sources: &Sources, color: bool) -> String {
    if diagnostics.is_empty() {
        return String::new();
    }
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&render(diagnostic, sources, color));
        text.push('\n');
    }
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let counts = [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}{}", if *n == 1 { "" } else { "s" }))
        .collect();
    text + &paint(&parts.join(", "), BOLD, color) + "\n"
}

/// Escape sequences of a terminal.
const BOLD: &str = "1";
const BOLD_RED: &str = "1;31";
const BOLD_YELLOW: &str = "1;33";
const BOLD_CYAN: &str = "1;36";

/// How a severity is called, its escape sequence, and the colour of its primary label.
fn look(severity: Severity) -> (&'static str, &'static str, Color) {
    match severity {
        Severity::Error => ("error", BOLD_RED, Color::Red),
        Severity::Warning => ("warning", BOLD_YELLOW, Color::Yellow),
    }
}

/// `text` between escape sequences, if there is to be colour.
fn paint(text: &str, style: &str, color: bool) -> String {
    if color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_string() }
}

/// `error[E0301]: what is wrong`
fn headline(diagnostic: &Diagnostic, color: bool) -> String {
    let (word, style, _) = look(diagnostic.severity);
    let head = paint(&format!("{word}[{}]", diagnostic.code.id), style, color);
    let message = paint(&format!(": {}", diagnostic.message), BOLD, color);
    format!("{head}{message}\n")
}

/// `  = help: ...`, further lines indented below the first.
fn footer(word: &str, text: &str, color: bool) -> String {
    let indent = format!("\n{}", " ".repeat(word.len() + 6));
    format!("  = {}: {}\n", paint(word, BOLD_CYAN, color), text.replace('\n', &indent))
}

/// The source lines of every label: files in the order of their first label, lines ascending within a file.
fn frames(diagnostic: &Diagnostic, sources: &Sources, color: bool) -> String {
    let (_, _, primary_color) = look(diagnostic.severity);
    let mut files = Files::default();
    let mut places: Vec<(Place, &str, Color)> = vec![];
    for label in &diagnostic.labels {
        let Some(source) = sources.files.get(label.span.file.0 as usize) else { continue };
        let place = (files.number(label.span.file, source), characters(&source.text, label.span));
        let shade = if places.is_empty() { primary_color } else { Color::Cyan };
        places.push((place, &label.text, shade));
    }
    let Some((primary, ..)) = places.first().cloned() else { return String::new() };
    // Ariadne opens a new frame wherever a label lies above the one before it.
    places.sort_by_key(|((file, range), ..)| (*file, range.end, range.start));
    let labels = places.into_iter().map(|(place, text, shade)| {
        let label = Label::new(place).with_color(shade);
        if text.is_empty() { label } else { label.with_message(text) }
    });
    let config = Config::new().with_color(color).with_index_type(IndexType::Char);
    let report = Report::build(ReportKind::Error, primary).with_config(config).with_labels(labels).finish();
    let mut drawn = vec![];
    report.write(files, &mut drawn).expect("a vector takes every write");
    let drawn = String::from_utf8_lossy(&drawn);
    // The first line is ariadne's own headline.
    drawn.lines().skip(1).map(|line| line.trim_end().to_string() + "\n").collect()
}

/// A place as ariadne takes it: number of the text in [`Files`], and a range of its characters (not bytes: its
/// byte positions are off in every file but the primary one).
type Place = (usize, Range<usize>);

/// The texts of one diagnostic, numbered in the order of their first label.
#[derive(Default)]
struct Files {
    ids: Vec<FileId>,
    names: Vec<String>,
    texts: Vec<ariadne::Source>,
}

impl Files {
    /// The number of a text; a new one if it was not asked for before.
    fn number(&mut self, id: FileId, source: &Source) -> usize {
        if let Some(known) = self.ids.iter().position(|&other| other == id) {
            return known;
        }
        self.ids.push(id);
        self.names.push(source.name.clone());
        self.texts.push(ariadne::Source::from(source.text.chars().map(printable).collect::<String>()));
        self.ids.len() - 1
    }
}

impl ariadne::Cache<usize> for Files {
    type Storage = String;

    fn fetch(&mut self, number: &usize) -> Result<&ariadne::Source, impl std::fmt::Debug> {
        self.texts.get(*number).ok_or("no such text")
    }

    fn display<'a>(&self, number: &'a usize) -> Option<impl std::fmt::Display + 'a> {
        self.names.get(*number).cloned()
    }
}

/// The characters that a span covers, clamped to the text and widened to whole characters.
fn characters(text: &str, span: Span) -> Range<usize> {
    let start = text.floor_char_boundary(span.start as usize);
    let end = text.ceil_char_boundary((span.end as usize).min(text.len())).max(start);
    let before = text[..start].chars().count();
    before..before + text[start..end].chars().count()
}

/// What stands for a character in a frame: a terminal must not act on what a file holds, and only `\n` ends a
/// line here, while ariadne knows seven ends.
fn printable(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\r' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}
