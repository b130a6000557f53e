//! The room `syntax` from outside: text to tree, tree to text, and the grammar that both are held to.

mod format;
mod grammar;
mod nonsense;
mod parse;
mod print;
mod recognizer;

use nnc::diagnostic::{Diagnostics, FileId};
use nnc::syntax::ast::File;
use std::fmt::Write;
use std::path::Path;

const FILE: FileId = FileId(0);

fn parse_text(text: &str) -> (File, Diagnostics) {
    nnc::syntax::parse(FILE, text)
}

/// The tree of a text without mistakes.
fn tree(text: &str) -> File {
    let (file, diagnostics) = parse_text(text);
    assert!(diagnostics.is_empty(), "{text}\n{}", describe(text, &diagnostics));
    file
}

/// Diagnostics in plain words, with what each label covers: independent of how they are rendered.
fn describe(text: &str, diagnostics: &Diagnostics) -> String {
    let mut out = String::new();
    for diagnostic in diagnostics {
        writeln!(out, "{}: {}", diagnostic.code.id, diagnostic.message).unwrap();
        for label in &diagnostic.labels {
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            let line = 1 + text[..start].matches('\n').count();
            let column = 1 + text[..start].chars().rev().take_while(|c| *c != '\n').count();
            writeln!(out, "  {line}:{column} `{}` {}", &text[start..end], label.text).unwrap();
        }
        if let Some(help) = &diagnostic.help {
            writeln!(out, "  help: {help}").unwrap();
        }
    }
    out
}

/// Each `.nn` file of `tests/cases/<folder>`: its path and its text, by name.
fn cases(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder of cases");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "nn"));
    paths.sort();
    assert!(!paths.is_empty(), "{} holds cases", folder.display());
    let text = |path: &Path| std::fs::read_to_string(path).expect("a case");
    paths.iter().map(|path| (path.display().to_string(), text(path))).collect()
}

/// A small generator (SplitMix64), so that every run sees the same cases.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn chance(&mut self, one_in: usize) -> bool {
        self.below(one_in) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}
