//! Data blocks: sorts the statements, opens the files, splits the rows, computes the columns.

use super::expression::{Meaning, Scope, Value, Values, counted, evaluate};
use super::file::{self, CsvFile, Home};
use super::finish::{self, Sizes};
use super::split::{self, Parts};
use super::{Column, Dataset};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes, nearest};
use crate::syntax::ast::{Arg, DataStmt, DataStmtKind, Decl, Expr, ExprKind, How, Name};

/// Names left of `=` that say something about the whole block.
const KEYS: [&str; 3] = ["test", "validation", "seed"];

/// A block's statements, sorted by what they are; each in the order of the text.
#[derive(Default)]
struct Sorted<'a> {
    /// `flowers = csv(...)`
    files: Vec<(&'a Name, CsvCall<'a>)>,
    /// `x[4] = ...`
    columns: Vec<(&'a Decl, &'a Expr)>,
    /// `test = ...`, `validation = ...`, `seed = ...`
    keys: Vec<(&'a Name, &'a Expr)>,
}

/// `csv(...)`
struct CsvCall<'a> {
    span: Span,
    callee: &'a Name,
    args: &'a [Arg],
}

impl<'a> Sorted<'a> {
    fn key(&self, wanted: &str) -> Option<&'a Expr> {
        self.keys.iter().find(|(name, _)| name.text == wanted).map(|(_, value)| *value)
    }
}

/// Loads a data block.
///
/// # Errors
/// Every mistake found in the block and its files. A mistake in one statement does not hide those of others, but
/// without its files nothing more can be said of a block.
pub fn load(name: &Name, statements: &[DataStmt], home: &Home) -> Result<Dataset, Diagnostics> {
    let mut errors = vec![];
    let sorted = sort(statements, &mut errors);
    let names = open_files(&sorted, home, &mut errors);
    let Some(rows) = common_rows(&names, &mut errors) else { return Err(in_order(errors)) };
    let parts = split_rows(&sorted, rows, &mut errors);
    let mut scope = Scope { names, rows, train: parts.train };
    let columns = compute_columns(&sorted, &mut scope, &mut errors);
    if errors.is_empty() && (rows == 0 || columns.is_empty()) {
        errors.push(nothing_in(name, rows));
    }
    if !errors.is_empty() {
        return Err(in_order(errors));
    }
    let Parts { validation, test, .. } = parts;
    Ok(Dataset {
        name: name.text.clone(),
        span: name.span,
        rows,
        columns,
        train: scope.train,
        validation,
        test,
    })
}

/// Mistakes in the order of the text.
fn in_order(mut errors: Diagnostics) -> Diagnostics {
    errors.sort_by_key(|error| error.labels.first().map(|label| label.span.start));
    errors
}

/// Keeps the value, or takes the mistakes over.
fn told<T>(result: Result<T, Diagnostics>, errors: &mut Diagnostics) -> Option<T> {
    result.map_err(|found| errors.extend(found)).ok()
}

/// Sorts the statements and tells which of them cannot stand in a block.
fn sort<'a>(statements: &'a [DataStmt], errors: &mut Diagnostics) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    let mut seen: Vec<&Name> = vec![];
    for statement in statements {
        let Some((decl, value)) = told(definition(statement), errors) else { continue };
        if let Some(first) = seen.iter().find(|&&other| *other == decl.name) {
            let message = format!("`{}` is defined twice", decl.name.text);
            let twice = Diagnostic::error(codes::DEFINED_TWICE, message).at(decl.name.span, "again here");
            errors.push(twice.at(first.span, "first here"));
            continue;
        }
        seen.push(&decl.name);
        if KEYS.contains(&decl.name.text.as_str()) {
            sorted.keys.extend(told(plain(decl), errors).map(|name| (name, value)));
        } else if let Some(call) = csv_call(value) {
            sorted.files.extend(told(plain(decl), errors).map(|name| (name, call)));
        } else {
            sorted.columns.push((decl, value));
        }
    }
    sorted
}

/// A statement as `name = value`.
///
/// # Errors
/// For what this version does not carry yet, and for `train = ...`, which the other parts decide.
fn definition(statement: &DataStmt) -> Result<(&Decl, &Expr), Diagnostics> {
    let not_yet = |what: &str, span: Span| {
        let message = format!("this version does not carry {what} yet");
        Diagnostic::error(codes::NOT_YET, message).at(span, "not carried yet")
    };
    let (decl, how, value) = match &statement.kind {
        DataStmtKind::Define { decl, how, value } => (decl, how, value),
        DataStmtKind::Split { name, .. } => {
            let diagnostic = not_yet("parts with data of their own", name.span);
            return Err(vec![diagnostic.help("give a share of the rows: `test = 20%`")]);
        }
    };
    match decl.name.text.as_str() {
        _ if *how == How::Draws => Err(vec![not_yet("data that is drawn (`~`)", decl.span)]),
        "examples" => Err(vec![not_yet("`examples`, the number of drawn examples,", decl.span)]),
        "train" => {
            let message = "`train` is what the other parts leave over, and cannot be set";
            let diagnostic =
                Diagnostic::error(codes::BAD_SPLIT, message).at(statement.span, "is decided already");
            Err(vec![diagnostic.help("set `test` and `validation` instead")])
        }
        _ => Ok((decl, value)),
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

/// `csv(...)` as the whole right side.
fn csv_call(value: &Expr) -> Option<CsvCall<'_>> {
    let ExprKind::Call { callee, args } = &value.kind else { return None };
    match &callee.kind {
        ExprKind::Name { name, .. } if name.text == "csv" => {
            Some(CsvCall { span: value.span, callee: name, args })
        }
        _ => None,
    }
}

/// Reads every file of the block.
fn open_files(sorted: &Sorted, home: &Home, errors: &mut Diagnostics) -> Vec<(Name, Meaning)> {
    let mut open = |call| told(open_file(call, home), errors).map_or(Meaning::Failed, Meaning::File);
    sorted.files.iter().map(|(name, call)| ((*name).clone(), open(call))).collect()
}

/// `csv("data/iris.csv")`
fn open_file(call: &CsvCall, home: &Home) -> Result<CsvFile, Diagnostics> {
    counted(call.span, call.callee, call.args, 1)?;
    let path = &call.args[0].value;
    if let ExprKind::String(text) = &path.kind {
        return file::read(home, text, path.span);
    }
    let message = "`csv` takes the path of a file, in quotes";
    let diagnostic = Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(path.span, "is not text");
    Err(vec![diagnostic.help("for example `csv(\"data/iris.csv\")`")])
}

/// The number of rows of the block: that of all its files, 0 without any. `None` if no columns can be computed.
fn common_rows(names: &[(Name, Meaning)], errors: &mut Diagnostics) -> Option<usize> {
    let mut files = vec![];
    for (name, meaning) in names {
        match meaning {
            Meaning::File(file) => files.push((name, file)),
            _ => return None,
        }
    }
    let Some(&(first_name, first)) = files.first() else { return Some(0) };
    let before = errors.len();
    for (name, file) in files.into_iter().filter(|(_, file)| file.rows() != first.rows()) {
        let message = "the files of a data block stand side by side, and must have the same number of rows";
        let diagnostic = Diagnostic::error(codes::BAD_SPLIT, message)
            .at(first_name.span, format!("has {} rows", first.rows()))
            .at(name.span, format!("has {} rows", file.rows()));
        errors.push(diagnostic);
    }
    (errors.len() == before).then(|| first.rows())
}

/// A block without a file, or without a column.
fn nothing_in(block: &Name, rows: usize) -> Diagnostic {
    let (what, help) = match rows {
        0 => (
            "reads no file",
            "name one, `rows = csv(\"file.csv\")`, or give the rows in place with `= table { ... }`",
        ),
        _ => ("has no column", "define one: `x[2] = rows[first, second]`"),
    };
    let message = format!("`{}` {what}", block.text);
    Diagnostic::error(codes::EMPTY_DATA, message).at(block.span, "gives a net nothing to read").help(help)
}

/// The parts of the data by `test`, `validation` and `seed`; everything to learn from where they are wrong, so
/// that the columns can still be checked.
fn split_rows(sorted: &Sorted, rows: usize, errors: &mut Diagnostics) -> Parts {
    let all = || Parts { train: (0..rows as u32).collect(), validation: vec![], test: vec![] };
    let before = errors.len();
    let mut rule = |part| sorted.key(part).and_then(|value| told(split::rule(part, value), errors));
    let (test, validation) = (rule("test"), rule("validation"));
    let seed = sorted.key("seed").map_or(Some(0), |value| told(seed(value), errors));
    if errors.len() > before || rows == 0 {
        return all();
    }
    told(split::split(rows, test, validation, seed.unwrap_or(0)), errors).unwrap_or_else(all)
}

/// `seed = 7`
fn seed(expr: &Expr) -> Result<u64, Diagnostics> {
    match &expr.kind {
        ExprKind::Number { value, .. }
            if value.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(value) =>
        {
            Ok(*value as u64)
        }
        _ => {
            let diagnostic =
                Diagnostic::error(codes::BAD_SETTING_VALUE, "`seed` is a whole number from 0 to 2^53");
            Err(vec![diagnostic.at(expr.span, "is not")])
        }
    }
}

/// Computes the columns in the order of the block; each can use those above it.
fn compute_columns(sorted: &Sorted, scope: &mut Scope, errors: &mut Diagnostics) -> Vec<Column> {
    let mut sizes = Sizes::default();
    let mut columns = vec![];
    for &(decl, expr) in &sorted.columns {
        let finished = compute(decl, expr, scope).and_then(|values| {
            let column = finish::column(decl, &values, expr.span, &mut sizes, |row| place(scope, row))?;
            Ok((column, values))
        });
        let meaning = match told(finished, errors) {
            Some((column, values)) => {
                columns.push(column);
                Meaning::Column(values)
            }
            None => Meaning::Failed,
        };
        scope.names.push((decl.name.clone(), meaning));
    }
    columns
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
            matches!(&callee.kind, ExprKind::Name { name, .. } if ["first", "last"].contains(&name.text.as_str()))
        }
        _ => false,
    };
    let message = format!("a data block has no part `{}`", name.text);
    let diagnostic = Diagnostic::error(codes::UNKNOWN_SETTING, message).at(name.span, "is not a part");
    let near = nearest(&name.text, ["test", "validation"]);
    split.then(|| diagnostic.help(format!("did you mean `{}`?", near.unwrap_or("test` or `validation"))))
}

/// Where a row came from, for a message.
fn place(scope: &Scope, row: usize) -> String {
    let mut files = scope.names.iter().filter_map(|(_, meaning)| match meaning {
        Meaning::File(file) => Some(file),
        _ => None,
    });
    match (files.next(), files.next()) {
        (Some(file), None) => format!("in line {} of `{}`", file.line(row), file.path),
        _ => format!("in example {}", row + 1),
    }
}
