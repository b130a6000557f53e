//! What stands right of `=` in a data block: columns of files, arithmetic, `class` and `standardize`.
//!
//! Everything is computed in f64, all rows at once. The gates of the language work elementwise here as they do in
//! a net, on equal shapes or with a scalar.

use super::columns::columns_of;
use super::file::CsvFile;
use super::standardize::standardize;
use super::text::Sequence;
use super::{Standardized, finish};
use crate::circuit::gates::{self, Form, Gate};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes, nearest};
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Name, UnaryOp};
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
#[derive(Clone, Debug, Default)]
pub struct Values {
    /// Extents of one row's array.
    pub dims: Vec<u32>,
    /// Row-major, the row outermost.
    pub data: Vec<f64>,
    /// The cases, if the numbers are classes.
    pub vocabulary: Option<Vec<String>>,
    /// What `standardize` took off.
    pub standardized: Option<Standardized>,
}

impl Values {
    /// Elements of one row.
    pub fn width(&self) -> usize {
        self.dims.iter().map(|&d| d as usize).product()
    }

    /// Number of rows; 0 where a row is empty.
    pub fn rows(&self) -> usize {
        self.data.len().checked_div(self.width()).unwrap_or(0)
    }
}

/// A name that is already defined in the block.
pub enum Meaning {
    /// `flowers = csv(...)`
    File(CsvFile),
    /// `book = chars(...)`
    Text(Rc<Sequence>),
    /// `x = ...`
    Column(Values),
    /// Its own definition failed, and that was told.
    Failed,
}

/// What an expression can see.
#[derive(Default)]
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
    /// In a part with data of its own, what `standardize` took off each column of the training part.
    pub learned: Option<FxHashMap<String, Standardized>>,
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
            let (file, columns) = columns_of(base, indices, &scope.names)?;
            let data = file.numbers(&columns.places, expr.span)?;
            Ok(Value::Column(Values { dims: columns.dims(), data, ..Values::default() }))
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
        "standardize" => standardized(one_argument(span, name, args)?, scope),
        "idx" | "windows" => {
            let read = scope.arrays.borrow_mut().remove(&span);
            Ok(Value::Column(read.expect("what columns read is opened before they are computed")))
        }
        "chars" => {
            let message = "`chars` gives a text, which `windows` cuts into columns";
            let diagnostic = Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(span, "is not cut");
            Err(vec![diagnostic.help("write `windows(chars(\"book.txt\"), 65)`")])
        }
        "csv" => {
            let diagnostic = Diagnostic::error(codes::BAD_DATA_EXPRESSION, "a file needs a name of its own")
                .at(span, "is part of a larger expression");
            Err(vec![diagnostic.help("write `rows = csv(...)` on a line, and `rows[column]` below it")])
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
    let known = ["csv", "class", "standardize", "idx", "chars", "windows"];
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
            let (file, columns) = columns_of(base, indices, &scope.names)?;
            let encoded = file.classes(&columns.places, arg.span)?;
            finish::countable(encoded.vocabulary.len() as u64, arg.span)?;
            let data = encoded.numbers.iter().map(|&number| f64::from(number)).collect();
            let vocabulary = Some(encoded.vocabulary);
            Ok(Value::Column(Values { dims: columns.dims(), data, vocabulary, standardized: None }))
        }
        _ => {
            let message = "`class` takes a column of a file";
            let diagnostic =
                Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(arg.span, "is not one");
            Err(vec![diagnostic.help("for example `class(rows[species])`")])
        }
    }
}

/// `standardize(rows[a, b])`
fn standardized(arg: &Expr, scope: &Scope) -> Result<Value, Diagnostics> {
    let mut values = match evaluate(arg, scope)? {
        Value::Column(values) => values,
        Value::Number(_) => {
            let message = "`standardize` takes columns, and this is the same number for every row";
            return Err(vec![
                Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(arg.span, "is one number"),
            ]);
        }
    };
    refuse_special(&values, arg.span, "standardize")?;
    let width = values.width();
    let Some(learned) = &scope.learned else {
        values.standardized = Some(standardize(&mut values.data, width, &scope.train));
        return Ok(Value::Column(values));
    };
    // Of another width: that is told where the parts are put together.
    let fits = |learned: &&Standardized| learned.mean.len() == width;
    values.standardized = learned.get(&scope.target).filter(fits).cloned();
    if let Some(learned) = &values.standardized {
        learned.apply(&mut values.data);
    }
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
    let Some(dims) = common_dims(&operands, span)? else {
        let numbers: Vec<f64> = operands.iter().map(|(value, _)| Read::of(value).get(0, 0)).collect();
        return Ok(Value::Number((row.value)(&numbers)));
    };
    // The result takes the place of an operand of its shape: data can be large.
    let of_shape = |(value, _): &(Value, Span)| matches!(value, Value::Column(values) if values.dims == dims);
    let own = operands.iter().position(of_shape).expect("the shape is that of an operand");
    let taken = std::mem::replace(&mut operands[own].0, Value::Number(0.0));
    let Value::Column(mut values) = taken else { unreachable!("found as a column") };
    let width = values.width().max(1);
    let reads: Vec<Read> = operands.iter().map(|(value, _)| Read::of(value)).collect();
    let mut numbers = vec![0.0; reads.len()];
    for (at, x) in values.data.iter_mut().enumerate() {
        numbers.iter_mut().zip(&reads).for_each(|(number, read)| *number = read.get(at / width, at % width));
        numbers[own] = *x;
        *x = (row.value)(&numbers);
    }
    Ok(Value::Column(values))
}

/// How an operand is read: a number is the same everywhere, a scalar for every element of its row.
pub struct Read<'a> {
    data: &'a [f64],
    /// From one row to the next.
    row: usize,
    /// From one element to the next.
    element: usize,
}

impl<'a> Read<'a> {
    /// How a value is read.
    pub fn of(value: &'a Value) -> Self {
        match value {
            Value::Number(number) => Read { data: std::slice::from_ref(number), row: 0, element: 0 },
            Value::Column(values) if values.dims.is_empty() => {
                Read { data: &values.data, row: 1, element: 0 }
            }
            Value::Column(values) => Read { data: &values.data, row: values.width(), element: 1 },
        }
    }

    /// The number of an example's element.
    pub fn get(&self, example: usize, k: usize) -> f64 {
        self.data[example * self.row + k * self.element]
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
