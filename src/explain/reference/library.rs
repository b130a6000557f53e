//! The page of the library: every entry as it is written, with its header taken apart.

use crate::diagnostic::FileId;
use crate::elaborate::DISTRIBUTIONS;
use crate::elaborate::prelude::{Entry, FILES, entries};
use crate::explain::derived_lines;
use crate::syntax::ast::{
    Body, Decl, DeclRole, Definition, DefinitionKind, How, ItemKind, Setting, Size, Stmt,
};
use crate::syntax::ast::{Declared, StmtKind};
use crate::syntax::{expr_to_string, parse};
use std::collections::HashMap;
use std::fmt::Write;

const INTRO: &str = "The library is written in the language: what stands here is all there is to it, and can be copied \
    into a program and changed. A header reads `layer name(settings)(inputs) -> outputs`; brackets hold sizes, a name \
    without brackets is a single number, and `..S` is any number of axes. A setting with a value may be left out. \
    `nnc show dense` prints an entry, `nnc library` lists them. Functions that are built in are [gates](gates.md).";

/// The whole page.
pub(super) fn page() -> String {
    let mut text = format!("# The library\n\n{INTRO}\n\n{}", contents());
    for (file, source, kind) in FILES {
        let title = file.trim_start_matches("prelude/").trim_end_matches(".nn");
        let _ = write!(text, "\n## {}\n\n{}\n\n", capital(title), preamble(source));
        let own = entries().into_iter().filter(|entry| entry.file == *file);
        text += &own.map(|entry| section(&entry, kind)).collect::<String>();
    }
    text + &draws()
}

/// The names of all entries, each leading to its section.
fn contents() -> String {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut text = String::new();
    for (file, _, _) in FILES {
        let links: Vec<String> = entries()
            .into_iter()
            .filter(|entry| entry.file == *file)
            .map(|entry| {
                let count = seen.entry(entry.name).or_insert(0);
                let anchor =
                    if *count == 0 { entry.name.to_string() } else { format!("{}-{count}", entry.name) };
                *count += 1;
                format!("[`{}`](#{anchor})", entry.name)
            })
            .collect();
        let title = file.trim_start_matches("prelude/").trim_end_matches(".nn");
        let _ = writeln!(text, "- *{}:* {}", capital(title), links.join(" "));
    }
    text
}

/// The comment that opens a file.
fn preamble(source: &str) -> String {
    let lines = source.lines().take_while(|line| line.starts_with('#'));
    lines.map(|line| line.trim_start_matches(['#', ' '])).collect::<Vec<_>>().join(" ")
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// An entry: what its comment says, its header taken apart, its source, and its derivative where it is short to tell.
fn section(entry: &Entry, kind: &str) -> String {
    let is_comment = |line: &&str| line.starts_with('#');
    let said: Vec<&str> = entry.text.lines().take_while(is_comment).map(|line| line[1..].trim()).collect();
    let source: Vec<&str> = entry.text.lines().skip_while(is_comment).collect();
    let mut text = format!("### {}\n\n{}\n\n", entry.name, said.join(" "));
    for row in header(entry) {
        let _ = writeln!(text, "- {row}");
    }
    let _ = write!(text, "\n```text\n{}\n```\n\n", source.join("\n"));
    if let Some(lines) = slope(entry, kind) {
        let _ = write!(text, "*Derivative*\n\n```text\n{lines}\n```\n\n");
    }
    text
}

/// What the header and the declarations of the body say, a line each.
fn header(entry: &Entry) -> Vec<String> {
    let (file, _) = parse(FileId(0), entry.text);
    let mut rows = vec![];
    for item in &file.items {
        match &item.kind {
            ItemKind::Schedule { settings, .. } => rows.extend(settings_row(settings)),
            ItemKind::Definition(definition) => rows.extend(definition_rows(definition)),
            _ => {}
        }
    }
    rows
}

fn definition_rows(definition: &Definition) -> Vec<String> {
    let mut rows: Vec<String> = settings_row(&definition.settings).into_iter().collect();
    if definition.kind != DefinitionKind::Optimizer && !definition.inputs.is_empty() {
        rows.push(format!("inputs: {}", decls(&definition.inputs)));
    }
    if !definition.outputs.is_empty() {
        rows.push(format!("gives: {}", decls(&definition.outputs)));
    }
    if let Body::Block(body) = &definition.body {
        let mut owned = vec![];
        declared(body, &mut owned);
        rows.extend(owned_row("parameters", DeclRole::Param, &owned));
        rows.extend(owned_row("states", DeclRole::State, &owned));
    }
    rows
}

fn settings_row(settings: &[Setting]) -> Option<String> {
    let shown = |setting: &Setting| match &setting.default {
        Some(value) => format!("`{} = {}`", setting.name.text, expr_to_string(value)),
        None => format!("`{}`", setting.name.text),
    };
    let shown: Vec<String> = settings.iter().map(shown).collect();
    (!shown.is_empty()).then(|| format!("settings: {}", shown.join(", ")))
}

fn decls(decls: &[Decl]) -> String {
    decls.iter().map(|decl| format!("`{}`", written(decl))).collect::<Vec<_>>().join(", ")
}

/// `x[C, H, W]`, `y: class(K)`
fn written(decl: &Decl) -> String {
    let size = |size: &Size| match size {
        Size::Expr(expr) => expr_to_string(expr),
        Size::Pack(name) => format!("..{}", name.text),
    };
    let sizes: Vec<String> = decl.sizes.iter().map(size).collect();
    let sizes = if sizes.is_empty() { String::new() } else { format!("[{}]", sizes.join(", ")) };
    let kind = decl.ty.as_ref().map_or(String::new(), |ty| format!(": {}", expr_to_string(ty)));
    format!("{}{sizes}{kind}", decl.name.text)
}

/// The declarations of a body, of all its branches.
fn declared<'a>(body: &'a [Stmt], found: &mut Vec<(DeclRole, &'a Declared)>) {
    for stmt in body {
        match &stmt.kind {
            StmtKind::Declare { role, decls } => found.extend(decls.iter().map(|decl| (*role, decl))),
            StmtKind::If { then, otherwise, .. } => {
                declared(then, found);
                declared(otherwise.as_deref().unwrap_or_default(), found);
            }
            _ => {}
        }
    }
}

fn owned_row(what: &str, role: DeclRole, owned: &[(DeclRole, &Declared)]) -> Option<String> {
    let begun = |declared: &Declared| match &declared.init {
        Some((How::Equals, value)) => format!("`{} = {}`", written(&declared.decl), expr_to_string(value)),
        Some((How::Draws, from)) => format!("`{} ~ {}`", written(&declared.decl), expr_to_string(from)),
        None => format!("`{}`", written(&declared.decl)),
    };
    let own = owned.iter().filter(|(own, _)| *own == role).map(|(_, declared)| begun(declared));
    let own: Vec<String> = own.collect();
    (!own.is_empty()).then(|| format!("{what}: {}", own.join(", ")))
}

/// The derivative of a function of one number, as nnc derives it.
fn slope(entry: &Entry, kind: &str) -> Option<String> {
    let (file, _) = parse(FileId(0), entry.text);
    let definition = file.items.iter().find_map(|item| match &item.kind {
        ItemKind::Definition(definition) => Some(definition),
        _ => None,
    })?;
    let numbers = definition.inputs.iter().all(|input| input.sizes.is_empty() && input.ty.is_none());
    let given = definition.settings.iter().all(|setting| setting.default.is_some());
    if !numbers || !given || definition.inputs.is_empty() || !["activation", "loss"].contains(&kind) {
        return None;
    }
    let inputs: Vec<&str> = definition.inputs.iter().map(|input| input.name.text.as_str()).collect();
    let inputs = inputs.join(", ");
    derived_lines(&format!("net example {{\n  input {inputs}\n  loss = {}({inputs})\n}}\n", entry.name))
}

fn draws() -> String {
    let mut text = String::from(
        "\n## Draws\n\nBuilt in, at the right of `~`: `eps[z: 8] ~ normal(0, 1)`. Every element is drawn anew, for each example \
         and in each step, by a key of the seed, the place in the program, the step and the example: nothing depends on \
         threads or on how examples are batched.\n\n",
    );
    DISTRIBUTIONS.iter().for_each(|row| {
        let _ = writeln!(text, "- `{}`: {}", row.name, row.doc);
    });
    text
}
