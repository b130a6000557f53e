use super::*;

/// A user's file and one of the library, with a place in each.
fn two_files() -> (Sources, Diagnostic) {
    let mut sources = Sources::default();
    let user = sources.add(
        "digits.nn",
        "net mlp(width = 128) {\n  input  x[64]\n  target y: class(10)\n\n  logits = x |> dense(width) |> dense(9)\n  \
         loss = cross_entropy(logits, y)\n}\n",
    );
    let library =
        sources.add("prelude/losses.nn", "fn cross_entropy(z[K], y: class(K)) = logsumexp(z) - z[y]\n");
    let diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, "`y` has 10 cases, but `logits` has 9 elements")
        .at(find(&sources, user, "cross_entropy(logits, y)"), "`K` is 9 by `logits` and 10 by `y`")
        .at(find(&sources, user, "dense(9)"), "gives `logits` its 9 elements")
        .at(find(&sources, user, "class(10)"), "gives `y` its 10 cases")
        .at(find(&sources, library, "z[K], y: class(K)"), "both are named `K` here")
        .note("`cross_entropy` needs one element for each case")
        .help("write `dense(10)`");
    (sources, diagnostic)
}

/// The first place of `text` in a file.
fn find(sources: &Sources, file: FileId, text: &str) -> Span {
    let start = sources.get(file).text.find(text).expect("the text is there") as u32;
    Span { file, start, end: start + text.len() as u32 }
}

/// One label in one text.
fn labelled(text: &str, start: u32, end: u32) -> String {
    let mut sources = Sources::default();
    let file = sources.add("a.nn", text);
    let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, "message").at(Span { file, start, end }, "here");
    to_json(&diagnostic, &sources);
    render(&diagnostic, &sources, true);
    render(&diagnostic, &sources, false)
}

#[test]
fn labels_in_two_files() {
    let (sources, diagnostic) = two_files();
    insta::assert_snapshot!(render(&diagnostic, &sources, false));
}

#[test]
fn colors_only_where_asked() {
    let (sources, diagnostic) = two_files();
    let (plain, colored) = (render(&diagnostic, &sources, false), render(&diagnostic, &sources, true));
    assert!(!plain.contains('\x1b'));
    assert!(colored.starts_with("\x1b[1;31merror[E0301]\x1b[0m"));
    // An escape sequence is `\x1b[`, numbers, `m`.
    let text = |piece: &str| piece.split_once('m').map_or(String::new(), |(_, text)| text.to_string());
    let mut pieces = colored.split('\x1b');
    let stripped = pieces.next().unwrap_or_default().to_string() + &pieces.map(text).collect::<String>();
    assert_eq!(stripped, plain);
}

#[test]
fn without_a_place() {
    let diagnostic = Diagnostic::error(codes::FILE_UNREADABLE, "cannot read `absent.nn`: no such file")
        .note("looked in `examples`")
        .help("did you mean `present.nn`?\nor `absence.nn`?");
    insta::assert_snapshot!(render(&diagnostic, &Sources::default(), false));
}

#[test]
fn several_are_counted() {
    let (sources, first) = two_files();
    let second = Diagnostic::error(codes::NOTHING_TO_TRAIN, "`mlp` has no parameters");
    let warning = Diagnostic::warning(codes::UNUSED_INPUT, "nothing reads `x`");
    let plain = |all: &[Diagnostic]| render_all(all, &sources, false);
    assert!(plain(&[first.clone(), warning.clone(), second]).ends_with("\n\n2 errors, 1 warning\n"));
    assert!(plain(&[first]).ends_with("\n\n1 error\n"));
    assert!(plain(&[warning.clone(), warning]).ends_with("\n\n2 warnings\n"));
    assert_eq!(plain(&[]), "");
}

#[test]
fn tabs_and_wide_characters_keep_the_underline_in_place() {
    insta::assert_snapshot!(labelled("\tloss = größe # 大きさ\n", 8, 15));
}

#[test]
fn a_span_over_lines() {
    insta::assert_snapshot!(labelled("net a {\n  x = 1\n  y = 2\n}\n", 0, 25));
}

#[test]
fn the_end_of_the_file() {
    insta::assert_snapshot!(labelled("net a {\n", 8, 8));
}

#[test]
fn an_empty_file() {
    insta::assert_snapshot!(labelled("", 0, 0));
}

#[test]
fn a_file_cannot_steer_the_terminal() {
    let shown = labelled("x = \x1b[31m1\x07\n", 0, 1);
    assert!(!shown.contains(['\x1b', '\x07']), "{shown:?}");
}

#[test]
fn no_span_panics() {
    for text in ["", "\n", "a\n\nb", "é\t大\r\n\u{2028}x\u{b}\n🙂", "\u{feff}a\r", "\n\n\n"] {
        for start in 0..text.len() as u32 + 3 {
            for end in 0..text.len() as u32 + 3 {
                assert!(labelled(text, start, end).contains("here"), "{text:?} {start}..{end}");
            }
        }
        labelled(text, u32::MAX, u32::MAX);
    }
}

#[test]
fn labels_of_several_files_and_odd_spans_do_not_panic() {
    let mut sources = Sources::default();
    let files = [sources.add("a", "é\né大\n"), sources.add("b", "大\n\n🙂é"), FileId(7)];
    for k in 0..500u32 {
        let span = |salt: u32| {
            let bits = (k + 1).wrapping_mul(2_654_435_761).rotate_left(salt * 7) >> 3;
            Span { file: files[bits as usize % 3], start: bits / 3 % 12, end: bits / 36 % 14 }
        };
        let diagnostic = (0..4).fold(Diagnostic::error(codes::UNKNOWN_NAME, ""), |d, k| d.at(span(k), ""));
        assert!(render(&diagnostic, &sources, k % 2 == 0).contains("E0201"));
        assert!(to_json(&diagnostic, &sources)["labels"].as_array().is_some());
    }
}

#[test]
fn json() {
    let (sources, diagnostic) = two_files();
    insta::assert_snapshot!(serde_json::to_string_pretty(&to_json(&diagnostic, &sources)).unwrap());
}

#[test]
fn nearest_finds_misspellings_only() {
    let names = ["sepal_length", "sepal_width", "species"];
    assert_eq!(nearest("sepal_lenght", names), Some("sepal_length"));
    assert_eq!(nearest("specis", names), Some("species"));
    assert_eq!(nearest("colour", names), None);
}
