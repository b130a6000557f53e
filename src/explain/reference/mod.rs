//! The reference pages of the documentation, in Markdown: made from the tables that the compiler itself works by, so that
//! they say of each version what holds for it. `tests/docs` keeps the files in `docs/reference` up to date.

mod library;

use super::{TABLES, Topic};

/// A page.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// Its file in `docs/reference`.
    pub file: &'static str,
    /// Its Markdown.
    pub text: String,
}

/// What stands above each page.
const HEAD: &str =
    "<!-- Generated from the compiler's tables: NNC_UPDATE_DOCS=1 cargo test --test docs. Do not edit. -->";

/// All pages.
pub fn pages() -> Vec<Page> {
    let page = |file, text: String| Page { file, text: format!("{HEAD}\n\n{}\n", text.trim_end()) };
    vec![
        page("library.md", library::page()),
        page("gates.md", gates()),
        page("rules.md", rules()),
        page("diagnostics.md", diagnostics()),
    ]
}

fn gates() -> String {
    let intro = "A gate computes one number from one, two or three. They are the only functions that the compiler itself \
        knows: everything else is written in the language, with these. `y_bar` is the derivative of the loss by what the \
        gate gives; what each operand gets of it stands under *Mathematics*. `nnc explain tanh` prints an entry.";
    format!("# Gates\n\n{intro}\n\n{}\n{}", contents(&names("gate")), section("gate", 2))
}

fn rules() -> String {
    let intro = "How `nnc grad` comes to its lines. What is no gate, but a read, a sum or a choice of the largest, has a \
        rule of its own by which it is differentiated. What comes out is then made simpler by rewrite rules, none of which \
        turns a NaN into a number or changes a result by more than rounding; a test evaluates both sides of each on random \
        and extreme numbers. The rules for gates stand with them: see [gates](gates.md).";
    let of = |kind: &str| format!("{}\n{}", contents(&names(kind)), section(kind, 3));
    format!("# Rules\n\n{intro}\n\n## Differentiation\n\n{}\n## Rewriting\n\n{}", of("rule"), of("rewrite"))
}

/// The groups of codes, by what their numbers begin with.
const GROUPS: &[(&str, &str)] = &[
    ("E01", "How the text reads"),
    ("E02", "Names"),
    ("E03", "Sizes"),
    ("E04", "Indices"),
    ("E05", "Kinds of values"),
    ("E06", "Data"),
    ("E07", "Training"),
    ("E08", "Going on with a sequence"),
    ("E09", "Limits of this version"),
    ("W01", "Warnings: inputs and parameters"),
    ("W02", "Warnings: names"),
    ("W03", "Warnings: checkpoints"),
    ("W04", "Warnings before training: what is likely not meant"),
    ("W05", "Warnings after training: the health of the gradient"),
];

fn diagnostics() -> String {
    let intro = "Each message of nnc has a code. A code beginning with E is an error: the program is not run. One beginning \
        with W is a warning. A message shows every place that has to do with it, and mostly a way out. `nnc explain E0301` \
        prints an entry; `--json` prints messages for programs. A warning that is meant so is silenced where it is told, by \
        a comment: `# allow W0101`.";
    let mut text = format!("# Diagnostics\n\n{intro}\n");
    for (begin, title) in GROUPS {
        text += &format!("\n## {begin}: {title}\n\n");
        let rows: Vec<_> = names("code").into_iter().filter(|(name, _)| name.starts_with(begin)).collect();
        text += &format!("{}\n", contents(&rows));
        text += &rows.iter().map(|(name, _)| topics("code", name, 3)).collect::<String>();
    }
    text
}

/// A table of names that lead to their sections, with their titles.
fn contents(rows: &[(String, String)]) -> String {
    let row = |(name, title): &(String, String)| {
        let title = title.replace('|', "\\|").replace('*', "\\*");
        format!("| [{name}](#{}) | {title} |\n", name.to_lowercase())
    };
    format!("| | |\n| --- | --- |\n{}", rows.iter().map(row).collect::<String>())
}

/// Every topic of a table.
fn section(kind: &str, level: usize) -> String {
    names(kind).iter().map(|(name, _)| topics(kind, name, level)).collect()
}

/// The names of a table, with their titles.
fn names(kind: &str) -> Vec<(String, String)> {
    TABLES.iter().filter(|table| table.kind == kind).flat_map(|table| (table.names)()).collect()
}

/// What a table says of a name.
fn topics(kind: &str, name: &str, level: usize) -> String {
    let tables = TABLES.iter().filter(|table| table.kind == kind);
    tables.filter_map(|table| (table.topic)(name)).map(|topic| markdown(&topic, level)).collect()
}

/// Parts that are prose; the others keep their lines.
const PROSE: &[&str] = &["Why", "What it computes", "Accuracy", "Source"];

/// A topic under a heading of a level.
fn markdown(topic: &Topic, level: usize) -> String {
    let title = topic
        .title
        .strip_prefix(&topic.name)
        .map_or(topic.title.as_str(), |rest| rest.trim_start_matches([':', ' ']));
    let mut text = format!("{} {}\n\n**{title}**\n\n", "#".repeat(level), topic.name);
    for (heading, part) in &topic.parts {
        text += &match PROSE.contains(heading) {
            true if *heading == "Why" => format!("{part}\n\n"),
            true => format!("*{heading}.* {part}\n\n"),
            false => format!("*{heading}*\n\n```text\n{part}\n```\n\n"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::codes::ALL;

    #[test]
    fn every_code_is_in_one_group() {
        for code in ALL {
            let groups = GROUPS.iter().filter(|(begin, _)| code.id.starts_with(begin)).count();
            assert_eq!(groups, 1, "{}", code.id);
        }
    }
}
