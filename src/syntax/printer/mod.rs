//! A tree to text: for programs that were made, not read, such as derived gradients. Spans and comments are not
//! looked at; a text that was read is tidied by [`format`](fn@super::format), which keeps comments and lines.
//!
//! What is printed reads back as the same tree, and is left alone by `nnc fmt`.

mod expressions;
mod layout;

use super::ast::{
    Body, DataStmt, DataStmtKind, Decl, DeclRole, Declared, Definition, DefinitionKind, Expr, ExprKind, File,
    How, Item, ItemKind, Setting, Size, Stmt, StmtKind, SweepStmt, SweepStmtKind, Table, Target,
    TrainSetting,
};
use super::table::{column_gaps, is_bare_cell};
use expressions::{Level, choice_parts, expr_doc, in_brackets_doc, indices_doc, quoted};
use layout::{Doc, layout};

/// A whole file, a blank line between its items.
pub fn print(file: &File) -> String {
    let items: Vec<String> = file.items.iter().map(item_to_string).collect();
    items.join("\n")
}

/// One item, with the newline at its end.
pub fn item_to_string(item: &Item) -> String {
    let mut lines = Lines::default();
    lines.item(&item.kind);
    lines.text
}

/// One statement with everything in it, each line indented by at least `indent` blanks, with the newline at its end.
pub fn stmt_to_string(stmt: &Stmt, indent: usize) -> String {
    let mut lines = Lines { indent, ..Lines::default() };
    lines.stmt(&stmt.kind);
    lines.text
}

/// An expression on as many lines as it needs, with the parentheses that precedence asks for.
pub fn expr_to_string(expr: &Expr) -> String {
    layout(&expr_doc(expr, Level::Whole), 0)
}

/// The text so far and where the next line begins.
#[derive(Default)]
struct Lines {
    text: String,
    indent: usize,
}

impl Lines {
    /// A statement that is all in one doc.
    fn line(&mut self, parts: Vec<Doc>) {
        self.text.push_str(&layout(&Doc::Concat(parts), self.indent));
        self.text.push('\n');
    }

    /// `header {`, what is in it, `}`
    fn block<T>(&mut self, mut header: Vec<Doc>, inner: &[T], each: impl FnMut(&mut Self, &T)) {
        header.push(Doc::text(" {"));
        self.line(header);
        self.inside(inner, each);
        self.close(inner.is_empty(), vec![Doc::text("}")]);
    }

    fn inside<T>(&mut self, inner: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.indent += 2;
        inner.iter().for_each(|one| each(self, one));
        self.indent -= 2;
    }

    /// A line that begins with `}`; an empty block stays on one line.
    fn close(&mut self, empty: bool, parts: Vec<Doc>) {
        if empty {
            self.text.pop();
            self.text.push_str(layout(&Doc::Concat(parts), self.indent).trim_start());
            self.text.push('\n');
        } else {
            self.line(parts);
        }
    }

    fn body(&mut self, mut header: Vec<Doc>, body: &Body) {
        match body {
            Body::Expr(value) => {
                header.push(equals(How::Equals, value));
                self.line(header);
            }
            Body::Block(stmts) => self.stmts(header, stmts),
        }
    }

    fn stmts(&mut self, header: Vec<Doc>, stmts: &[Stmt]) {
        self.block(header, stmts, |lines, stmt| lines.stmt(&stmt.kind));
    }

    fn item(&mut self, item: &ItemKind) {
        match item {
            ItemKind::Use { path } => self.line(vec![Doc::Text(format!("use {}", quoted(path)))]),
            ItemKind::Schedule { name, settings, body } => {
                self.body(vec![Doc::Text(format!("schedule {}", name.text)), settings_doc(settings)], body);
            }
            ItemKind::Data { name, statements } => {
                self.block(vec![Doc::Text(format!("data {}", name.text))], statements, Self::data_stmt);
            }
            ItemKind::Table { name, table } => self.table(&name.text, table),
            ItemKind::Net { name, settings, body } => {
                self.stmts(vec![Doc::Text(format!("net {}", name.text)), settings_doc(settings)], body);
            }
            ItemKind::Definition(definition) => self.definition(definition),
            ItemKind::Train { net, data, settings } => {
                let header = vec![Doc::Text(format!("train {} on {}", net.text, data.text))];
                self.block(header, settings, Self::key);
            }
            ItemKind::Sweep { net, statements } => {
                self.block(vec![Doc::Text(format!("sweep {}", net.text))], statements, Self::sweep_stmt);
            }
        }
    }

    fn key(&mut self, TrainSetting { name, value }: &TrainSetting) {
        self.line(vec![Doc::text(&name.text), equals(How::Equals, value)]);
    }

    fn sweep_stmt(&mut self, stmt: &SweepStmt) {
        match &stmt.kind {
            SweepStmtKind::Key(key) => self.key(key),
            SweepStmtKind::Over { path, how, value } => {
                let path: Vec<&str> = path.iter().map(|name| name.text.as_str()).collect();
                self.line(vec![Doc::Text(format!("over {}", path.join("."))), equals(*how, value)]);
            }
        }
    }

    fn definition(&mut self, definition: &Definition) {
        let word = match definition.kind {
            DefinitionKind::Fn => "fn",
            DefinitionKind::Layer => "layer",
            DefinitionKind::Optimizer => "optimizer",
        };
        let mut header = vec![Doc::Text(format!("{word} {}", definition.name.text))];
        header.push(settings_doc(&definition.settings));
        header.push(Doc::list("(", definition.inputs.iter().map(decl_doc).collect(), ")"));
        for (i, output) in definition.outputs.iter().enumerate() {
            header.push(Doc::text(if i == 0 { " -> " } else { ", " }));
            header.push(decl_doc(output));
        }
        self.body(header, &definition.body);
    }

    fn stmt(&mut self, stmt: &StmtKind) {
        match stmt {
            StmtKind::Declare { role, decls } => {
                let word = match role {
                    DeclRole::Param => "param ",
                    DeclRole::State => "state ",
                    DeclRole::Input => "input ",
                    DeclRole::Target => "target ",
                };
                self.line(vec![Doc::text(word), Doc::Group(separated(decls.iter().map(declared_doc)))]);
            }
            StmtKind::Output { name, value } => self.named("output", &name.text, value),
            StmtKind::Metric { name, value } => self.named("metric", &name.text, value),
            StmtKind::If { condition, then, otherwise } => {
                self.line(vec![Doc::text("if "), expr_doc(condition, Level::Or), Doc::text(" {")]);
                self.choice(then, otherwise.as_deref());
            }
            StmtKind::Define { targets, how, value } => {
                self.line(vec![Doc::Group(separated(targets.iter().map(target_doc))), equals(*how, value)]);
            }
        }
    }

    fn named(&mut self, word: &str, name: &str, value: &Option<Expr>) {
        let mut parts = vec![Doc::Text(format!("{word} {name}"))];
        parts.extend(value.as_ref().map(|value| equals(How::Equals, value)));
        self.line(parts);
    }

    /// An `if` statement after its first line; `else if` stays on one line.
    fn choice(&mut self, then: &[Stmt], otherwise: Option<&[Stmt]>) {
        self.inside(then, |lines, stmt| lines.stmt(&stmt.kind));
        match otherwise {
            None => self.close(then.is_empty(), vec![Doc::text("}")]),
            Some([Stmt { kind: StmtKind::If { condition, then: next, otherwise }, .. }]) => {
                let condition = expr_doc(condition, Level::Or);
                self.close(then.is_empty(), vec![Doc::text("} else if "), condition, Doc::text(" {")]);
                self.choice(next, otherwise.as_deref());
            }
            Some(stmts) => {
                self.close(then.is_empty(), vec![Doc::text("} else {")]);
                self.inside(stmts, |lines, stmt| lines.stmt(&stmt.kind));
                self.close(stmts.is_empty(), vec![Doc::text("}")]);
            }
        }
    }

    fn data_stmt(&mut self, stmt: &DataStmt) {
        match &stmt.kind {
            DataStmtKind::Define { decl, how, value } => self.line(vec![decl_doc(decl), equals(*how, value)]),
            DataStmtKind::Split { name, statements } => {
                self.block(vec![Doc::text(&name.text)], statements, Self::data_stmt);
            }
        }
    }

    fn table(&mut self, name: &str, table: &Table) {
        let header: Vec<String> = table.columns.iter().map(|column| layout(&decl_doc(column), 0)).collect();
        let cell = |text: &str| if is_bare_cell(text) { text.to_string() } else { quoted(text) };
        let rows: Vec<Vec<String>> =
            table.rows.iter().map(|row| row.cells.iter().map(|c| cell(&c.text)).collect()).collect();
        let gaps = column_gaps(&header, &rows);
        let lines: Vec<String> = std::iter::once(&header)
            .chain(&rows)
            .zip(gaps)
            .filter(|(cells, _)| !cells.is_empty())
            .map(|(cells, gaps)| {
                cells.iter().zip(gaps).map(|(cell, gap)| format!("{}{cell}", " ".repeat(gap))).collect()
            })
            .collect();
        self.block(vec![Doc::Text(format!("data {name} = table"))], &lines, |this, line| {
            this.line(vec![Doc::text(line)]);
        });
    }
}

/// ` = value`; a long choice begins on a line of its own.
fn equals(how: How, value: &Expr) -> Doc {
    let sign = match how {
        How::Equals => " =",
        How::Draws => " ~",
    };
    let mut parts = vec![Doc::text(sign)];
    if matches!(value.kind, ExprKind::If { .. }) {
        parts.push(Doc::Break(" "));
        parts.extend(choice_parts(value));
        return Doc::Group(parts);
    }
    parts.push(Doc::text(" "));
    parts.push(expr_doc(value, Level::Whole));
    Doc::Concat(parts)
}

/// One after the other, with commas and breaks.
fn separated(docs: impl Iterator<Item = Doc>) -> Vec<Doc> {
    let mut parts = vec![];
    for doc in docs {
        if !parts.is_empty() {
            parts.extend([Doc::text(","), Doc::Break(" ")]);
        }
        parts.push(doc);
    }
    parts
}

fn settings_doc(settings: &[Setting]) -> Doc {
    if settings.is_empty() {
        return Doc::Concat(vec![]);
    }
    let one = |setting: &Setting| {
        let mut parts = vec![Doc::text(&setting.name.text)];
        if let Some(default) = &setting.default {
            parts.extend([Doc::text(" = "), expr_doc(default, Level::Whole)]);
        }
        Doc::Concat(parts)
    };
    Doc::list("(", settings.iter().map(one).collect(), ")")
}

fn decl_doc(decl: &Decl) -> Doc {
    let mut parts = vec![Doc::text(&decl.name.text)];
    if !decl.sizes.is_empty() {
        let size = |size: &Size| match size {
            Size::Expr(expr) => in_brackets_doc(expr, Level::Sum),
            Size::Pack(name) => Doc::Text(format!("..{}", name.text)),
        };
        parts.push(Doc::list("[", decl.sizes.iter().map(size).collect(), "]"));
    }
    if let Some(ty) = &decl.ty {
        parts.extend([Doc::text(": "), expr_doc(ty, Level::Postfix)]);
    }
    Doc::Concat(parts)
}

fn declared_doc(declared: &Declared) -> Doc {
    let mut parts = vec![decl_doc(&declared.decl)];
    parts.extend(declared.init.as_ref().map(|(how, value)| equals(*how, value)));
    Doc::Concat(parts)
}

fn target_doc(target: &Target) -> Doc {
    let name = Doc::Text(format!("{}{}", target.name.text, if target.primed { "'" } else { "" }));
    match target.indices.is_empty() {
        true => name,
        false => Doc::Concat(vec![name, indices_doc(&target.indices)]),
    }
}
