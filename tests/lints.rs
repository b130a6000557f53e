//! What runs, but is likely not what was meant: each lint finds its program, and lets the cured one and the examples be.

use nnc::data::{self, Dataset};
use nnc::diagnostic::{Diagnostic, FileId, is_allowed};
use nnc::elaborate::{self, Choices, Program};
use nnc::lint::lints;
use std::path::Path;

fn found(program: &Program, data: Option<&Dataset>, net: Option<&str>, batch: usize) -> Vec<Diagnostic> {
    let choices = Choices { training: true, net: net.map(String::from), ..Choices::default() };
    let (model, _) = elaborate::model(program, data, &choices).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    lints(&model, data, batch)
}

fn data_of(program: &Program, folder: &Path) -> Option<Dataset> {
    let item = elaborate::data_item(program, None).ok()?;
    Some(data::load(item, &program.sources, folder).expect("the data is there"))
}

/// Message, the place in the program, and the way out: not the library's lines, which move.
fn in_words(found: &Diagnostic, program: &Program) -> String {
    let place = found.labels.first().map_or("", |label| program.sources.slice(label.span));
    format!(
        "{}: {}\n  at: {place}\n  help: {}\n",
        found.code.id,
        found.message,
        found.help.as_deref().unwrap_or("")
    )
}

#[test]
fn each_lint_finds_the_sick_net_and_not_the_cured_one() {
    insta::glob!("cases/lints/*.nn", |path| {
        let text = std::fs::read_to_string(path).expect("a case");
        let program =
            elaborate::from_text("example.nn", &text).unwrap_or_else(|(_, wrong)| panic!("{wrong:?}"));
        let data = data_of(&program, Path::new("."));
        let expected = text.lines().next().and_then(|line| line.strip_prefix("# ")).expect("a code");
        let sick = found(&program, data.as_ref(), Some("sick"), 16);
        assert!(!sick.is_empty(), "{}", path.display());
        assert!(sick.iter().all(|diagnostic| diagnostic.code.id == expected), "{sick:?}");
        let cured = found(&program, data.as_ref(), Some("cured"), 16);
        assert_eq!(cured, vec![], "{}", path.display());
        insta::assert_snapshot!(sick.iter().map(|found| in_words(found, &program)).collect::<String>());
    });
}

#[test]
fn the_examples_raise_no_alarm() {
    for entry in std::fs::read_dir("examples").expect("the examples") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|ending| ending != "nn") {
            continue;
        }
        let program = elaborate::read(&path).unwrap_or_else(|(_, wrong)| panic!("{wrong:?}"));
        let data = data_of(&program, Path::new("examples"));
        let mut found = found(&program, data.as_ref(), None, 32);
        let choices = Choices { training: true, ..Choices::default() };
        found.extend(elaborate::model(&program, data.as_ref(), &choices).expect("it is a net").1);
        found.retain(|diagnostic| !is_allowed(diagnostic, &program.sources));
        assert_eq!(found, vec![], "{}", path.display());
    }
}

#[test]
fn a_comment_allows_what_is_meant() {
    let text = "net n {\n  input x\n  param w = 1\n  loss = log(w * x)\n}\n";
    let is_silent = |text: &str| {
        let program = elaborate::from_text("example.nn", text).expect("it reads");
        let found = found(&program, None, None, 1);
        assert_eq!(program.sources.get(FileId(0)).text, text);
        found.iter().all(|diagnostic| is_allowed(diagnostic, &program.sources))
    };
    assert!(!is_silent(text));
    assert!(is_silent(&text.replace("w * x)", "w * x)  # allow W0402: x is above 0")));
    assert!(is_silent(&text.replace("  loss", "  # x is above 0: allow W0402\n  loss")));
    assert!(!is_silent(&text.replace("w * x)", "w * x)  # allow W0403")));
    assert!(!is_silent(&text.replace("w * x)", "w * x)  # not W0402")));
}
