//! `nnc fmt` and the printer of trees.

mod cases;

use nnc::diagnostic::FileId;
use nnc::syntax::{format, parse, print};

const FILE: FileId = FileId(0);

#[test]
fn whole_programs_are_left_alone() {
    for (path, text) in cases::read("programs") {
        let formatted = format(FILE, &text).expect("a whole program");
        similar(&path, &text, &formatted);
    }
}

fn similar(path: &str, expected: &str, found: &str) {
    for (i, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(expected, found, "{path}, line {}", i + 1);
    }
    assert_eq!(expected, found, "{path}");
}
#[test]
fn x() {
    for (path, text) in cases::read("programs") {
        println!("{}", print(&parse(FILE, &text).0));
    }
}
