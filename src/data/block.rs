//! Data blocks: sorts the statements, opens the files, splits the rows, computes the columns.

use super::expression::{Meaning, Scope, Value, counted, evaluate};
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
    /// `flowers = csv(...)`: the call's span, callee and arguments.
    files: Vec<(&'a Name, Span, &'a Name, &'a [Arg])>,
    /// `x[4] = ...`
    columns: Vec<(&'a Decl, &'a Expr)>,
    /// `test = ...`, `validation = ...`, `seed = ...`
    keys: Vec<(&'a Name, &'a Expr)>,
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
    let broken = names.iter().any(|(_, meaning)| matches!(meaning, Meaning::Failed));
    if broken || (sorted.files.is_empty() && !errors.is_empty()) {
        return Err(errors);
    }
    let rows = common_rows(name, &names, &mut errors);
    let parts = split_rows(&sorted, rows, &mut errors);
    let mut scope = Scope { names, rows, train: parts.train };
    let columns = compute_columns(&sorted, &mut scope, &mut errors);
    if errors.is_empty() && columns.is_empty() {
        let message = format!("`{}` has no column", name.text);
        let diagnostic =
            Diagnostic::error(codes::EMPTY_DATA, message).at(name.span, "gives a net nothing to read");
        errors.push(diagnostic.help("define one: `x[2] = rows[first, second]`"));
    }
    if !errors.is_empty() {
        return Err(errors);
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

/// Sorts the statements and tells which of them cannot stand in a block.
fn sort<'a>(statements: &'a [DataStmt], errors: &mut Diagnostics) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    let mut seen: Vec<&Name> = vec![];
    for statement in statements {
        let (decl, value) = match definition(statement) {
            Ok(found) => found,
            Err(told) => {
                errors.push(told);
                continue;
            }
        };
        if let Some(first) = seen.iter().find(|&&other| *other == decl.name) {
            let message = format!("`{}` is defined twice", decl.name.text);
            let twice = Diagnostic::error(codes::DEFINED_TWICE, message).at(decl.name.span, "again here");
            errors.push(twice.at(first.span, "first here"));
            continue;
        }
        seen.push(&decl.name);
        match &value.kind {
            _ if KEYS.contains(&decl.name.text.as_str()) => match plain(decl) {
                Ok(name) => sorted.keys.push((name, value)),
                Err(told) => errors.push(told),
            },
            ExprKind::Call { callee, args } => match &callee.kind {
                ExprKind::Name { name, .. } if name.text == "csv" => match plain(decl) {
                    Ok(file) => sorted.files.push((file, value.span, name, args)),
                    Err(told) => errors.push(told),
                },
                _ => sorted.columns.push((decl, value)),
            },
            _ => sorted.columns.push((decl, value)),
        }
    }
    sorted
}

/// A statement as `name = value`.
///
/// # Errors
/// For what this version does not carry yet, and for `train = ...`, which the other parts decide.
fn definition(statement: &DataStmt) -> Result<(&Decl, &Expr), Diagnostic> {
    let not_yet = |what: &str, span: Span| {
        let message = format!("this version does not carry {what} yet");
        Diagnostic::error(codes::NOT_YET, message).at(span, "not carried yet")
    };
    match &statement.kind {
        DataStmtKind::Split { name, .. } => {
            let diagnostic = not_yet("parts with data of their own", name.span);
            Err(diagnostic.help("give a share of the rows: `test = 20%`"))
        }
        DataStmtKind::Define { how: How::Draws, decl, .. } => {
            Err(not_yet("data that is drawn (`~`)", decl.span))
        }
        DataStmtKind::Define { decl, value, .. } => match decl.name.text.as_str() {
            "examples" => Err(not_yet("`examples`, the number of drawn examples,", decl.span)),
            "train" => {
                let message = "`train` is what the other parts leave over, and cannot be set";
                let diagnostic =
                    Diagnostic::error(codes::BAD_SPLIT, message).at(statement.span, "is decided already");
                Err(diagnostic.help("set `test` and `validation` instead"))
            }
            _ => Ok((decl, value)),
        },
    }
}

/// The name of a declaration that can have neither sizes nor a type.
fn plain(decl: &Decl) -> Result<&Name, Diagnostic> {
    if decl.sizes.is_empty() && decl.ty.is_none() {
        return Ok(&decl.name);
    }
    let message = format!("`{}` is not a column, and has neither sizes nor a type", decl.name.text);
    Err(Diagnostic::error(codes::WRONG_KIND_OF_NAME, message).at(decl.span, "should be a name alone"))
}

/// Reads every file of the block.
fn open_files(sorted: &Sorted, home: &Home, errors: &mut Diagnostics) -> Vec<(Name, Meaning)> {
    let open = |(span, callee, args): (Span, &Name, &[Arg])| -> Result<CsvFile, Diagnostics> {
        counted(span, callee, args, 1)?;
        match &args[0].value.kind {
            ExprKind::String(path) => file::read(home, path, args[0].value.span),
            _ => {
                let message = "`csv` takes the path of a file, in quotes";
                let diagnostic = Diagnostic::error(codes::BAD_DATA_EXPRESSION, message);
                Err(vec![
                    diagnostic
                        .at(args[0].value.span, "is not text")
                        .help("for example `csv(\"data/iris.csv\")`"),
                ])
            }
        }
    };
    let mut names = vec![];
    for &(name, span, callee, args) in &sorted.files {
        names.push((
            name.clone(),
            told(open((span, callee, args)), errors).map_or(Meaning::Failed, Meaning::File),
        ));
    }
    names
}

/// Keeps the value, or takes the mistakes over.
fn told<T>(result: Result<T, Diagnostics>, errors: &mut Diagnostics) -> Option<T> {
    result.map_err(|found| errors.extend(found)).ok()
}

/// The number of rows of the block: that of all its files.
fn common_rows(block: &Name, names: &[(Name, Meaning)], errors: &mut Diagnostics) -> usize {
    let mut files = names.iter().filter_map(|(name, meaning)| match meaning {
        Meaning::File(file) => Some((name, file)),
        _ => None,
    });
    let Some((first_name, first)) = files.next() else {
        let message = format!("`{}` reads no file", block.text);
        let diagnostic = Diagnostic::error(codes::EMPTY_DATA, message).at(block.span, "has no rows");
        errors.push(
            diagnostic.help(
                "name one: `rows = csv(\"file.csv\")`, or give the rows in place with `= table { ... }`",
            ),
        );
        return 0;
    };
    for (name, file) in files.filter(|(_, file)| file.rows() != first.rows()) {
        let message = "the files of a data block stand side by side, and must have the same number of rows";
        let diagnostic = Diagnostic::error(codes::BAD_SPLIT, message)
            .at(first_name.span, format!("has {} rows", first.rows()))
            .at(name.span, format!("has {} rows", file.rows()));
        errors.push(diagnostic);
    }
    first.rows()
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
        let computed = compute(decl, expr, scope);
        let finished = computed.and_then(|values| {
            let column =
                finish::column(decl, values.clone(), expr.span, &mut sizes, |row| place(scope, row))?;
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
fn compute(decl: &Decl, expr: &Expr, scope: &Scope) -> Result<super::expression::Values, Diagnostics> {
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
