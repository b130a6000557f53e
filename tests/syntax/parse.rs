//! Whole programs, and programs with mistakes.

use super::{cases, describe, parse_text, tree};

#[test]
fn whole_programs_parse() {
    for (_, text) in cases("programs") {
        assert!(!tree(&text).items.is_empty());
    }
}

#[test]
fn mistakes_are_told() {
    insta::glob!("../cases/parse", "*.nn", |path| {
        let text = std::fs::read_to_string(path).expect("a case");
        let (_, diagnostics) = parse_text(&text);
        assert!(!diagnostics.is_empty(), "{}: an error case without an error", path.display());
        insta::assert_snapshot!(describe(&text, &diagnostics));
    });
}
