//! What a user is told when a program or its data is wrong.
//!
//! A [`Diagnostic`] is plain data: a stable code, a message, every place concerned, and the likely way out.
//! Rooms that find mistakes build one and return it; only [`render`] knows how it looks.

pub mod codes;
mod json;
mod render;
#[cfg(test)]
mod tests;

pub use codes::Code;
pub use json::to_json;
pub use render::{render, render_all};

/// One of the texts that spans point into.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct FileId(pub u16);

/// A half-open range of bytes in one source text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Span {
    /// The text it points into.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// The smallest span that covers both; of `self`'s file.
    pub fn to(self, other: Span) -> Span {
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// A source text: a user's file, or a file of the prelude.
#[derive(Clone, Debug)]
pub struct Source {
    /// As shown to the user: the path as given, or `prelude/losses.nn`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// All texts of a run; a [`FileId`] is an index into it.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
}

impl Sources {
    /// Adds a text and returns its handle.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.files.push(Source { name: name.into(), text: text.into() });
        FileId(u16::try_from(self.files.len() - 1).expect("fewer than 65,536 source files"))
    }

    /// The text behind a handle.
    pub fn get(&self, id: FileId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// The bytes that a span covers.
    pub fn slice(&self, span: Span) -> &str {
        &self.get(span.file).text[span.start as usize..span.end as usize]
    }

    /// The 1-based line number on which a span begins.
    pub fn line(&self, span: Span) -> usize {
        1 + self.get(span.file).text[..span.start as usize].matches('\n').count()
    }
}

/// How bad it is. Only an [`Severity::Error`] stops the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The program or data is wrong.
    Error,
    /// It runs, but is likely not what was meant.
    Warning,
}

/// One place in the source and what is to be said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// What is there, in the user's terms.
    pub text: String,
}

/// A user's mistake, told with every place that it concerns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Stable code, one row of the table in [`codes`].
    pub code: Code,
    /// Error or warning.
    pub severity: Severity,
    /// One sentence: what was expected and what was found.
    pub message: String,
    /// The places, the primary one first. May be empty for errors outside any source (a missing file).
    pub labels: Vec<Label>,
    /// Further facts, each a sentence.
    pub notes: Vec<String>,
    /// The likely way out.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place; add places with [`Diagnostic::at`].
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            labels: vec![],
            notes: vec![],
            help: None,
        }
    }

    /// A warning without a place.
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place, the first one being the primary.
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Adds a further fact.
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    /// Says the likely way out.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }
}

/// Whether the text says that a warning is meant: `# allow W0402`, alone or among other words of a comment, on a line that
/// the warning is about, or on the line above.
pub fn is_allowed(diagnostic: &Diagnostic, sources: &Sources) -> bool {
    let allows = |line: &str| {
        let mut words = line.split_once('#').map_or("", |(_, comment)| comment).split_whitespace();
        let code = |word: &str| word.trim_matches([',', ':', '.']) == diagnostic.code.id;
        words.any(|word| word == "allow") && words.any(code)
    };
    diagnostic.severity == Severity::Warning
        && diagnostic.labels.iter().any(|label| {
            let lines: Vec<&str> = sources.get(label.span.file).text.lines().collect();
            let number = sources.line(label.span);
            (number.saturating_sub(1).max(1)..=number)
                .any(|k| lines.get(k - 1).is_some_and(|line| allows(line)))
        })
}

/// One or more mistakes found together; never empty when returned as an `Err`.
pub type Diagnostics = Vec<Diagnostic>;

/// The candidate nearest to `name` by edit distance, if one is near enough to be a misspelling.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match name.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= limit && distance < candidate.chars().count())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in characters.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
