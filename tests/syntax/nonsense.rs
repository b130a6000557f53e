//! Whatever the text, the parser ends, does not panic, and points into the text.

use super::{FILE, Random, cases, parse_text};
use nnc::syntax::format;

/// Parses, and holds every span to the text; reaching the end of this function is the test.
fn survives(text: &str) {
    let (file, diagnostics) = parse_text(text);
    for span in diagnostics.iter().flat_map(|diagnostic| &diagnostic.labels).map(|label| label.span) {
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "span {span:?} in {text:?}");
    }
    for span in
        file.items.iter().map(|item| item.span).chain(file.comments.iter().map(|comment| comment.span))
    {
        assert!(text.get(span.start as usize..span.end as usize).is_some(), "span {span:?} in {text:?}");
    }
    assert_eq!(format(FILE, text).is_ok(), diagnostics.is_empty());
}

#[test]
fn random_bytes_are_survived() {
    let mut random = Random(1);
    for _ in 0..3000 {
        let length = random.below(200);
        let bytes: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        survives(&String::from_utf8_lossy(&bytes));
        let ascii: Vec<u8> = bytes.iter().map(|byte| byte & 0x7f).collect();
        survives(&String::from_utf8_lossy(&ascii));
    }
}

/// The words and signs of the language, and a few that are none.
const SOUP: &[&str] = &[
    "net",
    "data",
    "fn",
    "layer",
    "train",
    "on",
    "sweep",
    "over",
    "use",
    "table",
    "schedule",
    "optimizer",
    "param",
    "state",
    "input",
    "target",
    "output",
    "metric",
    "if",
    "then",
    "else",
    "and",
    "or",
    "not",
    "div",
    "mod",
    "repeat",
    "sum",
    "max",
    "argmax",
    "x",
    "y",
    "W",
    "a",
    "n",
    "0",
    "1.5",
    "1e-3",
    "20%",
    "3x",
    "\"text\"",
    "\"open",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "(",
    "[",
    "{",
    "+",
    "-",
    "*",
    "/",
    "^",
    "==",
    "<",
    "=",
    "=",
    "~",
    ",",
    ":",
    ".",
    "..",
    "'",
    "|>",
    "->",
    "\n",
    "\n",
    "\n",
    "# note",
    "&&",
    ";",
    "é",
    "²",
    "\u{0}",
    "\\",
];

#[test]
fn token_soups_are_survived() {
    let mut random = Random(2);
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..random.below(60) {
            text.push_str(random.pick(SOUP));
            text.push_str(random.pick(&["", " ", " "]));
        }
        survives(&text);
    }
}

#[test]
fn mutilated_programs_are_survived() {
    let programs: Vec<String> = cases("programs").into_iter().map(|(_, text)| text).collect();
    let mut random = Random(3);
    for _ in 0..4000 {
        let mut text = random.pick(&programs);
        for _ in 0..=random.below(3) {
            mutilate(&mut text, &mut random);
        }
        survives(&text);
    }
}

/// Cuts, doubles or replaces a stretch of the text (the cases are ASCII, so any byte is a border).
pub fn mutilate(text: &mut String, random: &mut Random) {
    let start = random.below(text.len() + 1);
    let end = (start + random.below(12)).min(text.len());
    match random.below(4) {
        0 => text.truncate(start),
        1 => text.replace_range(start..end, ""),
        2 => text.replace_range(start..end, SOUP[random.below(SOUP.len() - 5)]),
        _ => {
            let copy = text[start..end].to_string();
            text.insert_str(start, &copy);
        }
    }
    if !text.is_ascii() {
        text.clear();
    }
}

#[test]
fn deep_nesting_is_refused_without_exhausting_the_stack() {
    let deep = |open: &str, inner: &str, close: &str| {
        format!("{}{inner}{}", open.repeat(20_000), close.repeat(20_000))
    };
    for value in [
        deep("(", "x", ")"),
        deep("[", "x", "]"),
        deep("f(", "x", ")"),
        deep("x[", "i", "]"),
        deep("-", "x", ""),
        deep("not ", "x", ""),
        deep("x^", "x", ""),
        deep("sum[i] ", "x", ""),
        deep("sum[i: ", "n", "] 1"),
        deep("if c then a else ", "x", ""),
        deep("x + ", "x", ""),
        deep("repeat(2) ", "x", ""),
        deep("", "x", "[0]"),
        deep("", "x", ".a"),
        deep("", "x", "(1)"),
        deep("((", "x", "+ 1) + 1)"),
        deep("(x + x + x + ", "x", ")"),
    ] {
        let text = format!("fn f(x) = {value}\n");
        let (_, diagnostics) = parse_text(&text);
        assert!(diagnostics.iter().any(|diagnostic| diagnostic.code.id == "E0109"), "{}", &text[..40]);
    }
    for open in ["if c {\n", "if c { } else ", "y = f(\n", "data d {\nt {\n", "net n {\n"] {
        survives(&deep(open, "", "}"));
        survives(&format!("net n {{\n{}", deep(open, "", "}")));
    }
}

#[test]
fn reading_takes_time_in_proportion_to_the_text() {
    let start = std::time::Instant::now();
    for line in
        ["y = f(\n", "y = )\n", "fn f(\n", "((((", "}\n", "x = a +\n", "fn f(a)(\n", "if {\n", "\"", "'"]
    {
        survives(&line.repeat(20_000));
    }
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
