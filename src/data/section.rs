//! The statements of a data block, or of a part with data of its own: sorts them, counts the rows, computes
//! the columns.

use super::draw;
use super::expression::{Meaning, Scope, Value, Values, evaluate};
use super::open::Home;
use super::sources::{FileCall, Opened, called, count, file_call, for_each_read, open_file};
use super::text::Windows;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes, nearest};
use crate::syntax::ast::{DataStmt, DataStmtKind, Decl, Expr, ExprKind, How, Name};
use rustc_hash::FxHashMap;

/// Names left of `=` that say something about the whole block; a part with data of its own has the last alone.
const KEYS: [&str; 4] = ["test", "validation", "seed", "examples"];

/// The parts that can have data of their own.
pub const PARTS: [&str; 2] = ["test", "validation"];

/// The statements of a block or a part, sorted by what they are; each in the order of the text.
#[derive(Default)]
pub struct Section<'a> {
    /// The part that these are the statements of; `None`: the block itself.
    part: Option<&'a Name>,
    /// `flowers = csv(...)`, `book = chars(...)`
    files: Vec<(&'a Name, FileCall<'a>)>,
    /// `x[4] = ...`, `p[2] ~ ...`
    columns: Vec<(&'a Decl, How, &'a Expr)>,
    /// `test = ...`, `validation = ...`, `seed = ...`, `examples = ...`
    keys: Vec<(&'a Name, &'a Expr)>,
    /// `test { ... }`
    pub parts: Vec<(&'a Name, &'a [DataStmt])>,
}

/// What a section has before it is split.
pub enum Extent {
    /// So many rows.
    Rows(usize),
    /// A text or rows, so many elements, still to be cut into windows.
    Sequence(usize),
}

/// A column of one section: its declaration, where its values are written, the values.
pub type Computed<'a> = (&'a Decl, Span, Values);

/// Keeps the value, or takes the mistakes over.
pub fn told<T>(result: Result<T, Diagnostics>, errors: &mut Diagnostics) -> Option<T> {
    result.map_err(|found| errors.extend(found)).ok()
}

/// Sorts the statements of a block, or of one of its parts, and tells which of them cannot stand there.
pub fn sort<'a>(statements: &'a [DataStmt], part: Option<&'a Name>, errors: &mut Diagnostics) -> Section<'a> {
    let mut section = Section { part, ..Section::default() };
    let mut seen: Vec<&Name> = vec![];
    for statement in statements {
        let name = match &statement.kind {
            DataStmtKind::Define { decl, .. } => &decl.name,
            DataStmtKind::Split { name, .. } => name,
        };
        if let Some(diagnostic) = misplaced(statement, name, part) {
            errors.push(diagnostic);
            continue;
        }
        if let Some(first) = seen.iter().find(|&&other| other == name) {
            let message = format!("`{}` is defined twice", name.text);
            let twice = Diagnostic::error(codes::DEFINED_TWICE, message).at(name.span, "again here");
            errors.push(twice.at(first.span, "first here"));
            continue;
        }
        seen.push(name);
        section.add(&statement.kind, errors);
    }
    section
}

/// What cannot stand in a block, or not in a part: `train`, a part within a part, a share of a part.
fn misplaced(statement: &DataStmt, name: &Name, part: Option<&Name>) -> Option<Diagnostic> {
    let is_part = matches!(statement.kind, DataStmtKind::Split { .. });
    let bad = |message: String, label: &str| {
        Some(Diagnostic::error(codes::BAD_SPLIT, message).at(statement.span, label))
    };
    if name.text == "train" {
        let message = "`train` is what the other parts leave over, and cannot be set".to_string();
        return Some(bad(message, "is decided already")?.help("set `test` and `validation` instead"));
    }
    if let Some(part) = part
        && (is_part || KEYS[..3].contains(&name.text.as_str()))
    {
        let message = format!("`{}` is said of the whole data, not of its part `{}`", name.text, part.text);
        return Some(bad(message, "does not belong here")?.at(part.span, "in this part"));
    }
    if is_part && !PARTS.contains(&name.text.as_str()) {
        let diagnostic =
            Diagnostic::error(codes::UNKNOWN_SETTING, format!("a data block has no part `{}`", name.text))
                .at(name.span, "is not a part");
        let near = nearest(&name.text, PARTS).unwrap_or("test` or `validation");
        return Some(diagnostic.help(format!("did you mean `{near}`?")));
    }
    None
}

impl<'a> Section<'a> {
    fn add(&mut self, kind: &'a DataStmtKind, errors: &mut Diagnostics) {
        let (decl, how, value) = match kind {
            DataStmtKind::Define { decl, how, value } => (decl, *how, value),
            DataStmtKind::Split { name, statements } => return self.parts.push((name, statements)),
        };
        if how == How::Draws {
            self.columns.push((decl, how, value));
        } else if KEYS.contains(&decl.name.text.as_str()) {
            self.keys.extend(told(plain(decl), errors).map(|name| (name, value)));
        } else if let Some(call) = file_call(value) {
            self.files.extend(told(plain(decl), errors).map(|name| (name, call)));
        } else {
            self.columns.push((decl, how, value));
        }
    }

    /// The right side of `test = ...`, `seed = ...` and the like.
    pub fn key(&self, wanted: &str) -> Option<&'a Expr> {
        self.keys.iter().find(|(name, _)| name.text == wanted).map(|(_, value)| *value)
    }

    /// The statements that some columns need, directly or through others, and the different paths that these read.
    pub fn needed(&self, wanted: &[String]) -> (Section<'a>, Vec<(&'a str, Span)>) {
        let mut names: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let mut paths: Vec<(&'a str, Span)> = vec![];
        let mut add = |path: &'a str, span| {
            if paths.iter().all(|(known, _)| *known != path) {
                paths.push((path, span));
            }
        };
        let mut section = Section { part: self.part, ..Section::default() };
        // What a column reads stands above it.
        for &(decl, how, expr) in self.columns.iter().rev() {
            if names.contains(&decl.name.text.as_str()) {
                section.columns.insert(0, (decl, how, expr));
                for_each_read(expr, &mut |name| names.push(&name.text), &mut add);
            }
        }
        for &(name, call) in self.files.iter().filter(|(name, _)| names.contains(&name.text.as_str())) {
            section.files.push((name, call));
            call.path().into_iter().for_each(|(path, span)| add(path, span));
        }
        paths.sort_by_key(|(_, span)| span.start);
        (section, paths)
    }

    /// The names of its files and columns.
    pub fn names(&self) -> Vec<&'a str> {
        let columns = self.columns.iter().map(|(decl, ..)| decl.name.text.as_str());
        self.files.iter().map(|(name, _)| name.text.as_str()).chain(columns).collect()
    }

    /// The different paths that a file or a column of that name reads, directly or through others.
    pub fn paths_of(&self, name: &str) -> Vec<(&'a str, Span)> {
        let file = self.files.iter().find(|(file, _)| file.text == name);
        file.map_or_else(|| self.needed(&[name.to_string()]).1, |(_, call)| call.path().into_iter().collect())
    }

    /// Reads every file of the section.
    pub fn open(&self, home: &Home, errors: &mut Diagnostics) -> Opened {
        let mut opened =
            Opened { names: vec![], arrays: FxHashMap::default(), windows: vec![], complete: true };
        for (name, call) in &self.files {
            let meaning = told(open_file(call, home), errors).unwrap_or(Meaning::Failed);
            opened.complete &= !matches!(meaning, Meaning::Failed);
            opened.names.push(((*name).clone(), meaning));
        }
        for (_, how, expr) in &self.columns {
            if *how == How::Equals {
                opened.open_within(expr, home, errors);
            }
        }
        opened
    }

    /// The rows of the section, or the length of the text that it cuts. `None` if no columns can be computed.
    pub fn extent(&self, opened: &Opened, errors: &mut Diagnostics) -> Option<Extent> {
        let examples = match self.key("examples") {
            Some(expr) => Some((expr.span, told(examples(expr), errors)?)),
            None => None,
        };
        if !opened.complete {
            return None;
        }
        let is_cut = !opened.windows.is_empty();
        let mut counts: Vec<(Span, usize)> = opened
            .names
            .iter()
            .filter_map(|(name, meaning)| match meaning {
                // Of a file that windows cut, the rows are their elements, unless something else reads them as rows.
                Meaning::File(_) if is_cut && !self.reads_rows(name) => None,
                Meaning::File(file) => Some((name.span, file.rows())),
                Meaning::Images(images) => Some((name.span, images.folders.len())),
                _ => None,
            })
            .collect();
        counts.extend(opened.arrays.iter().map(|(&span, values)| (span, values.rows)));
        counts.extend(examples);
        counts.sort_by_key(|(span, _)| span.start);
        if let Some(windows) = opened.windows.first() {
            let length = windows.text.len;
            return one_text(windows, &opened.windows, &counts, errors).then_some(Extent::Sequence(length));
        }
        let drawn = self.columns.iter().find(|(_, how, _)| *how == How::Draws);
        match (counts.first(), drawn) {
            (None, Some((decl, ..))) => {
                let message = "nothing says how many examples are drawn";
                let diagnostic =
                    Diagnostic::error(codes::MISSING_PART, message).at(decl.span, "is drawn for each");
                errors.push(diagnostic.help("write `examples = 1000`"));
                None
            }
            (None, None) => Some(Extent::Rows(0)),
            (Some(_), _) => equal_counts(&counts, errors).map(Extent::Rows),
        }
    }

    /// Whether a column reads a file's rows as its own, not through windows.
    fn reads_rows(&self, file: &Name) -> bool {
        self.columns.iter().any(|(_, _, expr)| reads_rows(expr, file))
    }

    /// Computes the columns in the order of the section; each can use those above it. Those that fail are left
    /// out; they were told.
    pub fn compute(&self, scope: &mut Scope, errors: &mut Diagnostics) {
        for (at, &(decl, how, expr)) in self.columns.iter().enumerate() {
            scope.target = decl.name.text.clone();
            scope.fills.borrow_mut().clear();
            let computed = match how {
                How::Equals => compute(decl, expr, scope),
                How::Draws => {
                    let part = self.part.map_or(String::new(), |part| format!("{}.", part.text));
                    draw::column(decl, expr, scope, &format!("{part}{}", decl.name.text))
                }
            };
            let fills = scope.fills.take();
            let with_fills = |values: Values| Values { fills, ..values };
            let computed = computed.map(with_fills).and_then(|values| match self.is_read_after(at) {
                true => values.stored(&scope.room, expr.span),
                false => Ok(values),
            });
            let meaning = told(computed, errors).map_or(Meaning::Failed, Meaning::Column);
            scope.names.push((decl.name.clone(), meaning));
        }
    }

    /// Whether a column is read by one below it.
    fn is_read_after(&self, column: usize) -> bool {
        let name = &self.columns[column].0.name;
        let mut is_read = false;
        let mut found = |other: &Name| is_read |= other == name;
        self.columns[column + 1..]
            .iter()
            .for_each(|(.., expr)| for_each_read(expr, &mut found, &mut |_, _| {}));
        is_read
    }

    /// The columns that were computed, with their declarations.
    pub fn columns(&self, scope: Scope) -> Vec<Computed<'a>> {
        let mut meanings: FxHashMap<String, Meaning> =
            scope.names.into_iter().map(|(name, meaning)| (name.text, meaning)).collect();
        let found = |(decl, _, expr): &(&'a Decl, How, &'a Expr)| match meanings.remove(&decl.name.text) {
            Some(Meaning::Column(values)) => Some((*decl, expr.span, values)),
            _ => None,
        };
        self.columns.iter().filter_map(found).collect()
    }
}

/// Whether an expression reads a file outside of any `windows`.
fn reads_rows(expr: &Expr, file: &Name) -> bool {
    match &expr.kind {
        ExprKind::Index { base, .. } => called(base).is_some_and(|name| name.text == file.text),
        ExprKind::Call { callee, args } => {
            let cuts = called(callee).is_some_and(|name| name.text == "windows");
            !cuts && args.iter().any(|arg| reads_rows(&arg.value, file))
        }
        ExprKind::Group(inner) | ExprKind::Unary { value: inner, .. } => reads_rows(inner, file),
        ExprKind::Binary { left, right, .. } => reads_rows(left, file) || reads_rows(right, file),
        _ => false,
    }
}

/// The name of a declaration that can have neither sizes nor a type.
fn plain(decl: &Decl) -> Result<&Name, Diagnostics> {
    if decl.sizes.is_empty() && decl.ty.is_none() {
        return Ok(&decl.name);
    }
    let message = format!("`{}` is not a column, and has neither sizes nor a type", decl.name.text);
    let diagnostic = Diagnostic::error(codes::WRONG_KIND_OF_NAME, message);
    Err(vec![diagnostic.at(decl.span, "should be a name alone")])
}

/// `examples = 4096`
fn examples(expr: &Expr) -> Result<usize, Diagnostics> {
    count(expr, "`examples`")
}

/// That everything in the section has the same number of rows: that number.
fn equal_counts(counts: &[(Span, usize)], errors: &mut Diagnostics) -> Option<usize> {
    let &(first_span, first) = counts.first()?;
    let before = errors.len();
    for &(span, count) in counts.iter().filter(|(_, count)| *count != first) {
        let message = "the files of a data block stand side by side, and must have the same number of rows";
        let diagnostic = Diagnostic::error(codes::BAD_SPLIT, message)
            .at(first_span, format!("has {first} rows"))
            .at(span, format!("has {count} rows"));
        errors.push(diagnostic);
    }
    (errors.len() == before).then_some(first)
}

/// That nothing but windows of sequences of one length stands in the section.
fn one_text(
    first: &Windows,
    windows: &[Windows],
    counts: &[(Span, usize)],
    errors: &mut Diagnostics,
) -> bool {
    let before = errors.len();
    for (span, count) in counts {
        let message = "windows are as many as the parts hold, and stand with nothing that has rows";
        let diagnostic = Diagnostic::error(codes::BAD_SPLIT, message)
            .at(first.span, "cuts windows")
            .at(*span, format!("has {count} rows"));
        errors.push(diagnostic.help("give them data blocks of their own"));
    }
    let length = |windows: &Windows| windows.text.len;
    for other in windows.iter().filter(|other| length(other) != length(first)) {
        let message = "what windows cut stands side by side, and must have the same length";
        let has = |windows: &Windows| format!("has {} {}s", length(windows), windows.text.unit);
        let diagnostic = Diagnostic::error(codes::BAD_SPLIT, message);
        errors.push(diagnostic.at(first.text.span, has(first)).at(other.text.span, has(other)));
    }
    errors.len() == before
}

/// The values of one column.
fn compute(decl: &Decl, expr: &Expr, scope: &Scope) -> Result<Values, Diagnostics> {
    if let Some(diagnostic) = misspelt_key(&decl.name, expr) {
        return Err(vec![diagnostic]);
    }
    match evaluate(expr, scope)? {
        Value::Column(values) => Ok(values),
        Value::Number(_) => {
            let message = format!("`{}` is the same number for every row", decl.name.text);
            let diagnostic =
                Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(expr.span, "names no column");
            Err(vec![match nearest(&decl.name.text, KEYS) {
                Some(near) => diagnostic.help(format!("did you mean `{near} = ...`?")),
                None => diagnostic.help("a number that a net needs is a setting of the net"),
            }])
        }
    }
}

/// `tset = 20%`: the right side of a split under another name.
fn misspelt_key(name: &Name, expr: &Expr) -> Option<Diagnostic> {
    let split = match &expr.kind {
        ExprKind::Percent { .. } => true,
        ExprKind::Call { callee, .. } => {
            called(callee).is_some_and(|name| ["first", "last"].contains(&name.text.as_str()))
        }
        _ => false,
    };
    let message = format!("a data block has no part `{}`", name.text);
    let diagnostic = Diagnostic::error(codes::UNKNOWN_SETTING, message).at(name.span, "is not a part");
    let near = nearest(&name.text, PARTS);
    split.then(|| diagnostic.help(format!("did you mean `{}`?", near.unwrap_or("test` or `validation"))))
}
