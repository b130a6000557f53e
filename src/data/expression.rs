//! What stands right of `=` in a data block: columns of files, arithmetic, `class` and `standardize`.
//!
//! Everything is computed in f64, rows by rows as [`super::rows`] has it. The gates of the language work elementwise here as they do in
//! a net, on equal shapes or with a scalar.

use super::buffer::Buffer;
use super::columns::columns_of;
use super::file::CsvFile;
use super::images::Images;
use super::room::Room;
use super::rows::{Classes, Computed, Filled, Operand, Rows, Shifted, Stored};
use super::standardize::{scale, standardize};
use super::text::Sequence;
use super::vocabulary::{Encoded, encode};
use super::{Standardized, finish};
use crate::circuit::gates::{self, Form, Gate};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes, nearest};
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, IndexArg, Name, UnaryOp};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;

/// What an expression stands for.
#[derive(Clone, Debug)]
pub enum Value {
    /// The same for every row.
    Number(f64),
    /// One array a row.
    Column(Values),
}

/// One array a row.
#[derive(Clone, Debug)]
pub struct Values {
    /// Extents of one row's array.
    pub dims: Vec<u32>,
    /// Number of rows.
    pub rows: usize,
    /// The numbers.
    pub data: Rc<dyn Rows>,
    /// The cases, if the numbers are classes.
    pub vocabulary: Option<Vec<String>>,
    /// What `standardize` took off.
    pub standardized: Option<Standardized>,
    /// What each `fill` of the column puts in the place of missing values, one an element, in their order.
    pub fills: Vec<Vec<f64>>,
}

impl Values {
    /// Plain numbers.
    pub fn new(dims: Vec<u32>, rows: usize, data: Rc<dyn Rows>) -> Values {
        Values { dims, rows, data, vocabulary: None, standardized: None, fills: vec![] }
    }

    /// Elements of one row.
    pub fn width(&self) -> usize {
        self.dims.iter().map(|&d| d as usize).product()
    }
}

/// A name that is already defined in the block.
pub enum Meaning {
    /// `flowers = csv(...)`
    File(CsvFile),
    /// `book = chars(...)`
    Text(Rc<Sequence>),
    /// `photos = images(...)`
    Images(Images),
    /// `x = ...`
    Column(Values),
    /// Its own definition failed, and that was told.
    Failed,
}

/// What an expression can see.
pub struct Scope {
    /// The names defined before it, in their order.
    pub names: Vec<(Name, Meaning)>,
    /// What `idx` and `windows` give, by the place of the call. A call is evaluated once, and takes it away.
    pub arrays: RefCell<FxHashMap<Span, Values>>,
    /// Number of rows of every column.
    pub rows: usize,
    /// The rows to learn from.
    pub train: Vec<u32>,
    /// The data's own seed.
    pub seed: u64,
    /// The column that is being computed.
    pub target: String,
    /// In a part with data of its own, what was learned of each column from the training part.
    pub learned: Option<FxHashMap<String, Learned>>,
    /// What each `fill` of the column that is being computed has learned.
    pub fills: RefCell<Vec<Vec<f64>>>,
    /// How much may stay in memory.
    pub room: Room,
}

/// What was learned of a column from the training part.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Learned {
    /// What `standardize` took off.
    pub standardized: Option<Standardized>,
    /// What each `fill` puts in the place of missing values.
    pub fills: Vec<Vec<f64>>,
}

impl Scope {
    /// The meaning of a name.
    pub fn get(&self, name: &Name) -> Result<&Meaning, Diagnostics> {
        meaning_of(&self.names, name)
    }
}

/// The meaning of a name among those defined.
///
/// # Errors
/// If there is none; empty if there is, and its own mistake was told.
pub fn meaning_of<'a>(names: &'a [(Name, Meaning)], name: &Name) -> Result<&'a Meaning, Diagnostics> {
    if let Some((_, meaning)) = names.iter().find(|(known, _)| known == name) {
        return match meaning {
            Meaning::Failed => Err(vec![]),
            meaning => Ok(meaning),
        };
    }
    let message = format!("nothing in this data block is called `{}`", name.text);
    let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, message).at(name.span, "is not defined");
    let near = nearest(&name.text, names.iter().map(|(known, _)| known.text.as_str()));
    Err(vec![match near {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic.help("a name can be used below the line that defines it"),
    }])
}

/// Computes an expression for every row.
///
/// # Errors
/// What is wrong with it; empty if it only uses a name whose own mistake was told.
pub fn evaluate(expr: &Expr, scope: &Scope) -> Result<Value, Diagnostics> {
    match &expr.kind {
        ExprKind::Number { value, .. } | ExprKind::Percent { value, .. } => Ok(Value::Number(*value)),
        ExprKind::Group(inner) => evaluate(inner, scope),
        ExprKind::Name { name, primed: false } => named(name, scope),
        ExprKind::Unary { op: UnaryOp::Neg, value } => elementwise(gates::NEG, expr.span, &[value], scope),
        ExprKind::Binary { op, left, right } => match gate_of(*op) {
            Some(gate) => elementwise(gate, expr.span, &[left, right], scope),
            None => Err(not_in_data(expr.span, "comparisons and conditions")),
        },
        ExprKind::Call { callee, args } => match &callee.kind {
            ExprKind::Name { name, primed: false } => call(expr.span, name, args, scope),
            _ => Err(not_in_data(expr.span, "this call")),
        },
        ExprKind::Index { base, indices } => {
            if let Some(images) = images_of(base, scope) {
                return images.column(indices, expr.span).map(Value::Column);
            }
            let (file, columns) = columns_of(base, indices, &scope.names)?;
            let data = file.numbers(&columns.places, expr.span, &scope.room)?;
            Ok(Value::Column(Values::new(columns.dims(), file.rows(), data)))
        }
        ExprKind::String(_) => Err(not_in_data(expr.span, "text outside a call")),
        ExprKind::Error => Err(not_in_data(expr.span, "what cannot be read")),
        _ => Err(not_in_data(expr.span, "this expression")),
    }
}

/// An expression of a net where only data can stand.
fn not_in_data(span: Span, what: &str) -> Diagnostics {
    let message = format!("a data block has no place for {what}");
    let help = "it has columns (`rows[a, b]`), arithmetic, `class(...)`, `standardize(...)` and functions such as `log`";
    vec![Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(span, "is left to a net").help(help)]
}

/// The gate of an arithmetic operator; the others have no use on data.
fn gate_of(op: BinaryOp) -> Option<Gate> {
    Some(match op {
        BinaryOp::Add => gates::ADD,
        BinaryOp::Sub => gates::SUB,
        BinaryOp::Mul => gates::MUL,
        BinaryOp::Div => gates::DIV,
        BinaryOp::IntDiv => gates::INT_DIV,
        BinaryOp::Mod => gates::MOD,
        BinaryOp::Pow => gates::POW,
        _ => return None,
    })
}

/// A name by itself: an earlier column, or a number of the language.
fn named(name: &Name, scope: &Scope) -> Result<Value, Diagnostics> {
    if name.text == "pi" && !scope.names.iter().any(|(known, _)| known == name) {
        return Ok(Value::Number(std::f64::consts::PI));
    }
    match scope.get(name)? {
        Meaning::Column(values) => Ok(Value::Column(values.clone())),
        Meaning::Text(_) => {
            let message = format!("`{}` is a whole text where columns are needed", name.text);
            let diagnostic = Diagnostic::error(codes::WRONG_KIND_OF_NAME, message).at(name.span, "is a text");
            Err(vec![diagnostic.help(format!("cut it: `windows({}, 64)`", name.text))])
        }
        _ => {
            let message = format!("`{}` is a whole file where columns are needed", name.text);
            let diagnostic = Diagnostic::error(codes::WRONG_KIND_OF_NAME, message).at(name.span, "is a file");
            Err(vec![diagnostic.help(format!("name the columns: `{}[first, second]`", name.text))])
        }
    }
}

/// A call: `class`, `standardize`, or a gate elementwise.
fn call(span: Span, name: &Name, args: &[Arg], scope: &Scope) -> Result<Value, Diagnostics> {
    let values = || args.iter().map(|arg| &arg.value).collect::<Vec<_>>();
    match name.text.as_str() {
        "class" => class(one_argument(span, name, args)?, scope),
        "standardize" | "scale" => standardized(name, one_argument(span, name, args)?, scope),
        "fill" => filled(span, name, args, scope),
        "idx" | "npy" | "npz" | "windows" => {
            let read = scope.arrays.borrow_mut().remove(&span);
            Ok(Value::Column(read.expect("what columns read is opened before they are computed")))
        }
        "chars" | "words" | "bytes" => {
            let message = format!("`{}` gives a text, which `windows` cuts into columns", name.text);
            let diagnostic = Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(span, "is not cut");
            Err(vec![diagnostic.help(format!("write `windows({}(\"book.txt\"), 65)`", name.text))])
        }
        "csv" | "images" => {
            let diagnostic = Diagnostic::error(codes::BAD_DATA_EXPRESSION, "a file needs a name of its own")
                .at(span, "is part of a larger expression");
            let help = format!("write `rows = {}(...)` on a line, and `rows[column]` below it", name.text);
            Err(vec![diagnostic.help(help)])
        }
        text => match Gate::called(text) {
            Some(gate) => {
                counted(span, name, args, gate.row().arity)?;
                elementwise(gate, span, &values(), scope)
            }
            None => Err(vec![unknown_function(name)]),
        },
    }
}

fn unknown_function(name: &Name) -> Diagnostic {
    let known = [
        "csv",
        "class",
        "standardize",
        "scale",
        "fill",
        "idx",
        "npy",
        "npz",
        "chars",
        "words",
        "bytes",
        "windows",
        "images",
    ];
    let gates = Gate::all().map(|gate| gate.row().name).filter(|name| Gate::called(name).is_some());
    let message = format!("a data block has no function `{}`", name.text);
    let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, message).at(name.span, "is not known here");
    match nearest(&name.text, known.into_iter().chain(gates)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// Checks a call's number of arguments, none of them named.
pub(super) fn counted(span: Span, name: &Name, args: &[Arg], count: usize) -> Result<(), Diagnostics> {
    if args.len() == count && args.iter().all(|arg| arg.name.is_none()) {
        return Ok(());
    }
    let plural = if count == 1 { "" } else { "s" };
    let message = format!("`{}` takes {count} argument{plural} without a name", name.text);
    Err(vec![Diagnostic::error(codes::WRONG_ARGUMENT_COUNT, message).at(span, format!("has {}", args.len()))])
}

fn one_argument<'a>(span: Span, name: &Name, args: &'a [Arg]) -> Result<&'a Expr, Diagnostics> {
    counted(span, name, args, 1)?;
    Ok(&args[0].value)
}

/// `class(rows[species])`: several columns share one vocabulary.
fn class(arg: &Expr, scope: &Scope) -> Result<Value, Diagnostics> {
    match &arg.kind {
        ExprKind::Group(inner) => class(inner, scope),
        ExprKind::Index { base, indices } => {
            if let Some(images) = images_of(base, scope) {
                let encoded = encode(images.named(indices, arg.span)?.iter().map(String::as_str));
                return Ok(Value::Column(of_classes(encoded)));
            }
            class_of_cells(base, indices, arg.span, None, scope)
        }
        // `class(fill(rows[a], "unknown"))`
        ExprKind::Call { callee, args } if is_fill(callee) => match &args[..] {
            [
                Arg { name: None, value },
                Arg { name: None, value: Expr { kind: ExprKind::String(missing), .. } },
            ] => match &value.kind {
                ExprKind::Index { base, indices } => {
                    class_of_cells(base, indices, value.span, Some(missing), scope)
                }
                _ => Err(not_columns(value.span, "fill")),
            },
            _ => {
                let message = "a class that is missing gets a name";
                let wrong = Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(arg.span, "names none");
                Err(vec![wrong.help("`class(fill(rows[a], \"unknown\"))`")])
            }
        },
        _ => {
            let message = "`class` takes a column of a file";
            let diagnostic =
                Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(arg.span, "is not one");
            Err(vec![diagnostic.help("for example `class(rows[species])`")])
        }
    }
}

/// The images that a name stands for.
fn images_of<'a>(base: &Expr, scope: &'a Scope) -> Option<&'a Images> {
    let ExprKind::Name { name, primed: false } = &base.kind else { return None };
    match scope.names.iter().find(|(known, _)| known == name) {
        Some((_, Meaning::Images(images))) => Some(images),
        _ => None,
    }
}

fn is_fill(callee: &Expr) -> bool {
    matches!(&callee.kind, ExprKind::Name { name, primed: false } if name.text == "fill")
}

/// Cells as classes of one vocabulary, with one for what is missing if it has a name.
fn class_of_cells(
    base: &Expr,
    indices: &[IndexArg],
    span: Span,
    missing: Option<&str>,
    scope: &Scope,
) -> Result<Value, Diagnostics> {
    let (file, columns) = columns_of(base, indices, &scope.names)?;
    let (vocabulary, classes) = file.classes(&columns.places, span, missing, &scope.room)?;
    finish::countable(vocabulary.len() as u64, span)?;
    let values = Values::new(columns.dims(), file.rows(), Rc::new(classes));
    Ok(Value::Column(Values { vocabulary: Some(vocabulary), ..values }))
}

/// One class a row.
fn of_classes(encoded: Encoded) -> Values {
    let Encoded { vocabulary, numbers } = encoded;
    let places = (0..vocabulary.len() as u32).collect();
    let rows = numbers.len();
    let classes = Classes { width: 1, numbers: Buffer::new(numbers), places };
    Values { vocabulary: Some(vocabulary), ..Values::new(vec![], rows, Rc::new(classes)) }
}

fn not_columns(span: Span, what: &str) -> Diagnostics {
    let message = format!("`{what}` takes columns of a file");
    let diagnostic = Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(span, "is none");
    vec![diagnostic.help(format!("for example `{what}(rows[a, b], average)`"))]
}

/// `fill(rows[a, b], average)`, `fill(rows[a], median)`, `fill(rows[a], 0)`: a value in the place of what is missing, learned
/// from the training part.
fn filled(span: Span, name: &Name, args: &[Arg], scope: &Scope) -> Result<Value, Diagnostics> {
    counted(span, name, args, 2)?;
    let (columns, how) = (&args[0].value, &args[1].value);
    let ExprKind::Index { base, indices } = &columns.kind else {
        return Err(not_columns(columns.span, "fill"));
    };
    let (file, found) = columns_of(base, indices, &scope.names)?;
    let numbers = file.numbers_or_gaps(&found.places, columns.span, &scope.room)?;
    let width = found.places.len();
    let known = scope.learned.as_ref().and_then(|learned| {
        learned
            .get(&scope.target)?
            .fills
            .get(scope.fills.borrow().len())
            .filter(|fill| fill.len() == width)
            .cloned()
    });
    let fill = match known {
        Some(fill) => fill,
        None => fills_of(&numbers, width, &scope.train, how)?,
    };
    scope.fills.borrow_mut().push(fill.clone());
    let filled = Filled { of: Rc::new(Stored { width, numbers }), fill };
    Ok(Value::Column(Values::new(found.dims(), file.rows(), Rc::new(filled))))
}

/// What stands for a missing value of each element.
fn fills_of(data: &[f64], width: usize, train: &[u32], how: &Expr) -> Result<Vec<f64>, Diagnostics> {
    let learn: fn(&mut [f64]) -> f64 = match &how.kind {
        ExprKind::Number { value, .. } => return Ok(vec![*value; width]),
        ExprKind::Unary { op: UnaryOp::Neg, value } => match &value.kind {
            ExprKind::Number { value, .. } => return Ok(vec![-value; width]),
            _ => return Err(not_a_fill(how.span)),
        },
        ExprKind::Name { name, primed: false } if name.text == "average" => {
            |known| known.iter().sum::<f64>() / known.len() as f64
        }
        ExprKind::Name { name, primed: false } if name.text == "median" => |known| {
            known.sort_by(f64::total_cmp);
            (known[(known.len() - 1) / 2] + known[known.len() / 2]) / 2.0
        },
        _ => return Err(not_a_fill(how.span)),
    };
    let of_element = |k: usize| {
        let cells = train.iter().map(|&row| data[row as usize * width + k]);
        let mut known: Vec<f64> = cells.filter(|x| !x.is_nan()).collect();
        if known.is_empty() {
            let message = "no row of the training part has a value to learn from";
            return Err(vec![Diagnostic::error(codes::EMPTY_DATA, message).at(how.span, "of nothing")]);
        }
        Ok(learn(&mut known))
    };
    (0..width).map(of_element).collect()
}

fn not_a_fill(span: Span) -> Diagnostics {
    let message = "`fill` puts `average`, `median` or a number in the place of what is missing";
    vec![Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(span, "is none of these")]
}

/// `standardize(rows[a, b])`, `scale(rows[a, b])`
fn standardized(name: &Name, arg: &Expr, scope: &Scope) -> Result<Value, Diagnostics> {
    let mut values = match evaluate(arg, scope)? {
        Value::Column(values) => values,
        Value::Number(_) => {
            let message = format!("`{}` takes columns, and this is the same number for every row", name.text);
            return Err(vec![
                Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(arg.span, "is one number"),
            ]);
        }
    };
    refuse_special(&values, arg.span, &name.text)?;
    let by = match &scope.learned {
        None => {
            let learn = if name.text == "scale" { scale } else { standardize };
            Some(learn(&values, &scope.train))
        }
        Some(learned) => {
            // Of another width: that is told where the parts are put together.
            let fits = |learned: &&Standardized| learned.mean.len() == values.width();
            let known = learned.get(&scope.target).and_then(|learned| learned.standardized.as_ref());
            known.filter(fits).cloned()
        }
    };
    if let Some(by) = &by {
        values.data = Rc::new(Shifted { of: values.data, by: by.clone() });
    }
    values.standardized = by;
    Ok(Value::Column(values))
}

/// Arithmetic has no meaning on classes, and would lose what `standardize` took off.
fn refuse_special(values: &Values, span: Span, operation: &str) -> Result<(), Diagnostics> {
    if values.vocabulary.is_some() {
        let message = format!("`{operation}` computes with numbers, and this is a class");
        let diagnostic = Diagnostic::error(codes::CLASS_ARITHMETIC, message).at(span, "is a class");
        return Err(vec![diagnostic.help("without `class(...)` the column is read as numbers")]);
    }
    if values.standardized.is_some() {
        let message = "computing with what `standardize` gives is not carried yet";
        let diagnostic = Diagnostic::error(codes::NOT_YET, message).at(span, "is standardized");
        return Err(vec![
            diagnostic.help("let `standardize(...)` be the whole right side, and compute inside of it"),
        ]);
    }
    Ok(())
}

/// A gate on every element: operands of equal shape, or scalars.
fn elementwise(gate: Gate, span: Span, args: &[&Expr], scope: &Scope) -> Result<Value, Diagnostics> {
    let row = gate.row();
    let mut operands = vec![];
    for arg in args {
        let value = evaluate(arg, scope)?;
        if let Value::Column(values) = &value {
            let shown = match row.form {
                Form::Infix(sign) | Form::Prefix(sign) => sign,
                _ => row.name,
            };
            refuse_special(values, arg.span, shown)?;
        }
        operands.push((value, arg.span));
    }
    let common = common_dims(&operands, span)?;
    let operands: Vec<Operand> = operands.iter().map(|(value, _)| value.operand()).collect();
    let Some(dims) = common else {
        let number =
            |operand: &Operand| if let Operand::Number(number) = operand { *number } else { f64::NAN };
        return Ok(Value::Number((row.value)(&operands.iter().map(number).collect::<Vec<_>>())));
    };
    let width = dims.iter().map(|&d| d as usize).product();
    let value = |numbers: &[f64], _, _| (row.value)(numbers);
    Ok(Value::Column(Values::new(dims, scope.rows, Rc::new(Computed { width, operands, value }))))
}

impl Value {
    /// How it is read where numbers are computed one by one.
    pub fn operand(&self) -> Operand {
        match self {
            Value::Number(number) => Operand::Number(*number),
            Value::Column(values) if values.dims.is_empty() => Operand::Scalar(values.data.clone()),
            Value::Column(values) => Operand::Array(values.data.clone()),
        }
    }
}

/// The shape of a result: that of the operands that are not scalars. `None` if all are single numbers.
pub fn common_dims(operands: &[(Value, Span)], span: Span) -> Result<Option<Vec<u32>>, Diagnostics> {
    let mut common: Option<(&[u32], Span)> = None;
    for (value, span_of_value) in operands {
        let Value::Column(values) = value else { continue };
        match common {
            Some((dims, first)) if !values.dims.is_empty() && !dims.is_empty() && dims != values.dims => {
                let message = "elementwise arithmetic needs equal shapes, or a scalar";
                let diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, message)
                    .at(first, format!("has shape {dims:?}"))
                    .at(*span_of_value, format!("has shape {:?}", values.dims))
                    .at(span, "");
                return Err(vec![diagnostic]);
            }
            Some((dims, _)) if !dims.is_empty() => {}
            _ => common = Some((&values.dims, *span_of_value)),
        }
    }
    Ok(common.map(|(dims, _)| dims.to_vec()))
}
