//! `nnc fmt`.

use super::print::without_spans;
use super::{FILE, Random, cases, parse_text, tree};
use nnc::syntax::{format, print};

fn formatted(text: &str) -> String {
    match format(FILE, text) {
        Ok(formatted) => formatted,
        Err(diagnostics) => panic!("{text}\n{diagnostics:?}"),
    }
}

#[test]
fn whole_programs_are_left_alone() {
    for (path, text) in cases("programs") {
        for (i, (expected, found)) in text.lines().zip(formatted(&text).lines()).enumerate() {
            assert_eq!(expected, found, "{path}, line {}", i + 1);
        }
        assert_eq!(text, formatted(&text), "{path}");
    }
}

#[test]
fn what_is_printed_is_left_alone() {
    for (path, text) in cases("programs") {
        let printed = print(&tree(&text));
        assert_eq!(printed, formatted(&printed), "{path}");
    }
}

#[test]
fn untidy_texts_are_tidied() {
    insta::glob!("../cases/format", "*.nn", |path| {
        let text = std::fs::read_to_string(path).expect("a case");
        let tidy = formatted(&text);
        assert_eq!(tidy, formatted(&tidy), "a second time");
        insta::assert_snapshot!(tidy);
    });
}

#[test]
fn a_text_with_mistakes_is_not_touched() {
    let diagnostics = format(FILE, "net n {\n  y = (1\n}\n").expect_err("a bracket is open");
    assert_eq!(diagnostics[0].code.id, "E0104");
}

/// Shakes blanks, lines and comments; the result may not parse any more.
fn shake(text: &str, random: &mut Random) -> String {
    let mut shaken = String::new();
    for c in text.chars() {
        let (blanks, comments) = (random.below(40), random.below(150));
        match (c, blanks) {
            (' ', 0) => shaken.push('\n'),
            (' ', 1) => {}
            (' ', 2..6) => shaken.push_str("   "),
            ('\n', 0..3) => shaken.push_str("\n\n\n"),
            ('\n', 3) => shaken.push_str("  # trailing\n"),
            ('\n', 4) => shaken.push_str("\n# own line\n"),
            ('=' | ',' | '(' | ')' | '[' | ']' | '*' | '{', 0) => {
                shaken.push(' ');
                shaken.push(c);
                shaken.push(' ');
            }
            ('(' | '[' | ',' | '{' | '}', 1) => {
                shaken.push(c);
                shaken.push('\n');
            }
            _ => shaken.push(c),
        }
        if comments == 0 && matches!(c, ',' | '(' | '[' | '{') {
            shaken.push_str(" # inside\n");
        }
    }
    shaken
}

#[test]
fn formatting_keeps_the_tree_and_the_comments_and_is_idempotent() {
    let programs = cases("programs");
    let mut random = Random(4);
    let mut held = 0;
    for _ in 0..8000 {
        let (_, text) = random.pick(&programs);
        let text = shake(&text, &mut random);
        let (file, diagnostics) = parse_text(&text);
        if !diagnostics.is_empty() {
            continue;
        }
        let once = formatted(&text);
        let again = tree(&once);
        assert_eq!(
            without_spans(&file.items),
            without_spans(&again.items),
            "the tree of\n{text}\nis that of\n{once}"
        );
        let comments = |file: &nnc::syntax::ast::File| -> Vec<(String, bool)> {
            file.comments.iter().map(|comment| (comment.text.clone(), comment.own_line)).collect()
        };
        assert_eq!(comments(&file), comments(&again), "{text}\n{once}");
        assert_eq!(once, formatted(&once), "a second time, after\n{text}");
        assert!(!once.contains("\n\n\n") && !once.contains(" \n"), "{once}");
        held += 1;
    }
    assert!(held > 500, "only {held} shaken programs still parsed");
}
