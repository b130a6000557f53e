//! The parser on whole programs, on programs with mistakes, and on nonsense.

use nnc::diagnostic::{Diagnostics, Sources};
use nnc::syntax::{ast, parse};
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn parse_text(text: &str) -> (ast::File, Diagnostics) {
    parse(Sources::default().add("test.nn", text), text)
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

fn cases(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder of cases");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "nn"));
    paths.sort();
    assert!(!paths.is_empty(), "{} holds cases", folder.display());
    paths
}

#[test]
fn whole_programs_parse() {
    for path in cases("programs") {
        let text = std::fs::read_to_string(&path).expect("a case");
        let (file, diagnostics) = parse_text(&text);
        assert!(diagnostics.is_empty(), "{}:\n{}", path.display(), describe(&text, &diagnostics));
        assert!(!file.items.is_empty());
    }
}

#[test]
fn mistakes_are_told() {
    insta::glob!("cases/parse/*.nn", |path| {
        let text = std::fs::read_to_string(path).expect("a case");
        let (_, diagnostics) = parse_text(&text);
        assert!(!diagnostics.is_empty(), "{}: an error case without an error", path.display());
        insta::assert_snapshot!(describe(&text, &diagnostics));
    });
}
