//! The library that every program knows, written in the language: its texts are part of the binary.

/// Every file of the prelude: its name as shown to users, its text, and what its entries are.
pub const FILES: &[(&str, &str, &str)] = &[
    ("prelude/activations.nn", include_str!("prelude/activations.nn"), "activation"),
    ("prelude/losses.nn", include_str!("prelude/losses.nn"), "loss"),
    ("prelude/layers.nn", include_str!("prelude/layers.nn"), "layer"),
    ("prelude/convolutions.nn", include_str!("prelude/convolutions.nn"), "layer"),
    ("prelude/normalisations.nn", include_str!("prelude/normalisations.nn"), "layer"),
    ("prelude/recurrences.nn", include_str!("prelude/recurrences.nn"), "layer"),
    ("prelude/attention.nn", include_str!("prelude/attention.nn"), "layer"),
    ("prelude/initialisers.nn", include_str!("prelude/initialisers.nn"), "initialiser"),
    ("prelude/optimizers.nn", include_str!("prelude/optimizers.nn"), "optimizer"),
    ("prelude/schedules.nn", include_str!("prelude/schedules.nn"), "schedule"),
    ("prelude/metrics.nn", include_str!("prelude/metrics.nn"), "metric"),
    ("prelude/augmentation.nn", include_str!("prelude/augmentation.nn"), "augmentation"),
    ("prelude/clips.nn", include_str!("prelude/clips.nn"), "clip"),
];

/// An entry of the prelude as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its file: `prelude/losses.nn`.
    pub file: &'static str,
    /// What it is: `loss`.
    pub kind: &'static str,
    /// Its name: `mse`.
    pub name: &'static str,
    /// Its keyword: `fn`, `layer`, `optimizer` or `schedule`.
    pub keyword: &'static str,
    /// Its comment and its definition, as they stand in the file.
    pub text: &'static str,
}

impl Entry {
    /// The first line of its comment.
    pub fn summary(&self) -> &'static str {
        self.text.lines().next().and_then(|line| line.strip_prefix('#')).map_or("", str::trim)
    }
}

/// The entries of a name: one, or several of different kinds.
pub fn prelude_source(name: &str) -> Vec<Entry> {
    entries().into_iter().filter(|entry| entry.name == name).collect()
}

/// Every entry of the prelude, file by file. Entries are separated by blank lines, and a definition begins at the
/// start of a line.
pub fn entries() -> Vec<Entry> {
    FILES.iter().flat_map(|&(file, text, kind)| entries_of(file, text, kind)).collect()
}

fn entries_of(file: &'static str, text: &'static str, kind: &'static str) -> Vec<Entry> {
    let mut entries = vec![];
    let mut begin = 0; // where the comment of the next definition begins
    let mut offset = 0;
    let mut open: Option<(usize, &'static str, &'static str)> = None;
    let mut close = |open: &mut Option<(usize, &'static str, &'static str)>, end: usize| {
        if let Some((start, keyword, name)) = open.take() {
            entries.push(Entry { file, kind, name, keyword, text: text[start..end].trim() });
        }
    };
    for line in text.split_inclusive('\n') {
        let starts_item = line.starts_with(|c: char| c.is_ascii_alphabetic());
        if starts_item || line.starts_with('#') {
            close(&mut open, offset);
        }
        if starts_item {
            let mut words =
                line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|w| !w.is_empty());
            open = words.next().zip(words.next()).map(|(keyword, name)| (begin, keyword, name));
            begin = offset + line.len();
        } else if line.trim().is_empty() {
            begin = offset + line.len();
        }
        offset += line.len();
    }
    close(&mut open, text.len());
    entries
}
