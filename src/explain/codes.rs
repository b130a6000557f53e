//! Diagnostic codes, from their table.

use super::Topic;
use crate::diagnostic::codes::{ALL, Code, Example};
use crate::diagnostic::{Diagnostic, Sources, render_all};
use crate::elaborate::{Choices, Program, check_sweeps, data_item, from_text, model, training, update};
use std::path::Path;

pub(super) fn names() -> Vec<(String, String)> {
    ALL.iter().map(|code| (code.id.to_string(), code.row.title.to_string())).collect()
}

pub(super) fn topic(name: &str) -> Option<Topic> {
    let code = Code::of_id(name)?;
    let severity = if code.id.starts_with('W') { "a warning" } else { "an error" };
    let mut parts = vec![("Why", code.row.why.to_string())];
    match code.row.example {
        Example::Program(program) => {
            parts.push(("Example", program.trim_end().to_string()));
            let (sources, told) = told(program);
            let own: Vec<Diagnostic> =
                told.into_iter().filter(|diagnostic| diagnostic.code == code).collect();
            parts.push(("What is told of it", render_all(&own, &sources, false).trim_end().to_string()));
        }
        Example::Command(command) => parts.push(("Example", command.to_string())),
    }
    if code.id.starts_with('W') {
        let way =
            format!("# allow {}, at the end of the line that it is told of, or on the line above", code.id);
        parts.push(("To silence it", way));
    }
    let title = format!("{}: {}, {severity}", code.id, code.row.title);
    Some(Topic { kind: "code", name: code.id.to_string(), title, parts })
}

/// Everything that is told of a program, up to where it would be run.
pub(super) fn told(text: &str) -> (Sources, Vec<Diagnostic>) {
    let program = match from_text("example.nn", text) {
        Ok(program) => program,
        Err((sources, wrong)) => return (sources, wrong),
    };
    let told = told_of(&program).unwrap_or_else(|wrong| wrong);
    (program.sources, told)
}

fn told_of(program: &Program) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    let choices = Choices { training: true, ..Choices::default() };
    let has = |word: &str| program.sources.get(crate::diagnostic::FileId(0)).text.contains(word);
    let settings = if has("train ") { Some(training(program, &choices)?) } else { None };
    let name = settings.as_ref().map(|training| training.data.as_str());
    let data = match data_item(program, name) {
        Ok(item) => Some(crate::data::load(item, &program.sources, Path::new("."))?),
        Err(_) => None,
    };
    let (made, mut told) = model(program, data.as_ref(), &choices)?;
    if settings.is_some() {
        update(program, &choices, &made)?;
    }
    check_sweeps(program, &choices)?;
    told.extend(crate::lint::lints(
        &made,
        data.as_ref(),
        settings.map_or(1, |training| training.batch as usize),
    ));
    told.dedup();
    Ok(told)
}
