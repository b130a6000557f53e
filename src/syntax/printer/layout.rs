//! Text with optional line breaks, laid out within a width: Wadler's "A prettier printer", with one difference.
//! A line break is indented by where it stands and not by how the text was put together: inside brackets two
//! blanks more than the line that opened them, elsewhere two blanks more than the statement. That is the rule of
//! `nnc fmt` too, which sees lines only; so the two agree.

/// Where a line should end at the latest.
pub(super) const WIDTH: usize = 100;

/// A text with places where it may be broken.
#[derive(Clone, Debug)]
pub(super) enum Doc {
    /// Written as it is.
    Text(String),
    /// A line break, or this text where the group around it stays on one line.
    Break(&'static str),
    /// One after the other.
    Concat(Vec<Doc>),
    /// On one line if it fits, else with all its own breaks.
    Group(Vec<Doc>),
    /// A group between brackets.
    Brackets(&'static str, Vec<Doc>, &'static str),
}

impl Doc {
    pub(super) fn text(text: impl Into<String>) -> Doc {
        Doc::Text(text.into())
    }

    /// `[a, b]`, one element a line where it does not fit.
    pub(super) fn list(open: &'static str, elements: Vec<Doc>, close: &'static str) -> Doc {
        let mut parts = vec![];
        for (i, element) in elements.into_iter().enumerate() {
            if i > 0 {
                parts.push(Doc::text(","));
                parts.push(Doc::Break(" "));
            }
            parts.push(element);
        }
        if parts.is_empty() {
            return Doc::Text(format!("{open}{close}"));
        }
        Doc::Brackets(open, parts, close)
    }
}

/// What is still to be written, last first.
enum Todo<'d> {
    Doc(&'d Doc, Mode),
    Close(&'static str, Mode),
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Flat,
    Broken,
}

/// Lays out one statement whose first line is indented by `indent`; no newline at the end.
pub(super) fn layout(doc: &Doc, indent: usize) -> String {
    let mut page = Page { text: " ".repeat(indent), line: indent, column: indent, open: vec![] };
    let mut todo = vec![Todo::Doc(doc, Mode::Broken)];
    while let Some(next) = todo.pop() {
        match next {
            Todo::Close(close, mode) => {
                let opener_line = page.open.pop().expect("every close follows its open");
                if mode == Mode::Broken {
                    page.newline(opener_line);
                }
                page.write(close);
            }
            Todo::Doc(Doc::Text(text), _) => page.write(text),
            Todo::Doc(Doc::Break(flat), Mode::Flat) => page.write(flat),
            Todo::Doc(Doc::Break(_), Mode::Broken) => {
                let from = page.open.last().copied().unwrap_or(indent);
                page.newline(from + 2);
            }
            Todo::Doc(Doc::Concat(parts), mode) => push(&mut todo, parts, mode),
            Todo::Doc(Doc::Group(parts), mode) => {
                let room = WIDTH.saturating_sub(page.column);
                let flat = mode == Mode::Flat || fits(parts, "", &todo, room);
                push(&mut todo, parts, if flat { Mode::Flat } else { Mode::Broken });
            }
            Todo::Doc(Doc::Brackets(open, parts, close), mode) => {
                let room = WIDTH.saturating_sub(page.column + open.len());
                let mode = if mode == Mode::Flat || fits(parts, close, &todo, room) {
                    Mode::Flat
                } else {
                    Mode::Broken
                };
                page.write(open);
                page.open.push(page.line);
                if mode == Mode::Broken {
                    page.newline(page.line + 2);
                }
                todo.push(Todo::Close(close, mode));
                push(&mut todo, parts, mode);
            }
        }
    }
    page.text
}

fn push<'d>(todo: &mut Vec<Todo<'d>>, parts: &'d [Doc], mode: Mode) {
    todo.extend(parts.iter().rev().map(|part| Todo::Doc(part, mode)));
}

/// Whether `parts` on one line, `close`, and what follows up to the next break that is taken have room.
fn fits(parts: &[Doc], close: &str, after: &[Todo], room: usize) -> bool {
    let mut room = room as isize - close.len() as isize;
    let mut stack: Vec<&Doc> = parts.iter().rev().collect();
    while let Some(doc) = stack.pop() {
        room -= flat_step(doc, &mut stack);
        if room < 0 {
            return false;
        }
    }
    for next in after.iter().rev() {
        match next {
            Todo::Close(_, Mode::Broken) | Todo::Doc(Doc::Break(_), Mode::Broken) => return true,
            Todo::Close(close, Mode::Flat) => room -= close.len() as isize,
            Todo::Doc(doc, _) => {
                if !fits_until_break(doc, &mut room) {
                    return room >= 0;
                }
            }
        }
        if room < 0 {
            return false;
        }
    }
    true
}

/// Takes the width of `doc` from `room` up to its first possible break; false where there is one.
fn fits_until_break(doc: &Doc, room: &mut isize) -> bool {
    match doc {
        Doc::Text(text) => *room -= text.chars().count() as isize,
        Doc::Break(_) => return false,
        Doc::Brackets(open, ..) => {
            *room -= open.len() as isize;
            return false;
        }
        Doc::Concat(parts) | Doc::Group(parts) => {
            return parts.iter().all(|part| fits_until_break(part, room));
        }
    }
    true
}

/// The width of a doc on one line, less its parts, which go on the stack.
fn flat_step<'d>(doc: &'d Doc, stack: &mut Vec<&'d Doc>) -> isize {
    match doc {
        Doc::Text(text) => text.chars().count() as isize,
        Doc::Break(flat) => flat.len() as isize,
        Doc::Concat(parts) | Doc::Group(parts) => {
            stack.extend(parts.iter().rev());
            0
        }
        Doc::Brackets(open, parts, close) => {
            stack.extend(parts.iter().rev());
            (open.len() + close.len()) as isize
        }
    }
}

/// The text so far.
struct Page {
    text: String,
    /// Indentation of the current line.
    line: usize,
    column: usize,
    /// Of each open bracket, the indentation of the line that opened it.
    open: Vec<usize>,
}

impl Page {
    fn write(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn newline(&mut self, indent: usize) {
        let written = self.text.trim_end().len();
        self.text.truncate(written);
        self.text.push('\n');
        self.text.push_str(&" ".repeat(indent));
        (self.line, self.column) = (indent, indent);
    }
}
