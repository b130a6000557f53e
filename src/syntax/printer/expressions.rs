//! Expressions to text, with the parentheses that the precedence asks for and no others.

use super::layout::Doc;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Index, IndexArg, Name, Reducer, UnaryOp};

/// How tightly an expression binds; the order is that of the grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Level {
    /// `if`, `read else e`
    Whole,
    /// `|>`
    Pipe,
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    /// `-x` and reducers
    Unary,
    Power,
    /// What stands alone: literals, labelled layers
    Instance,
    /// What a call, an index or a dot may follow
    Postfix,
}

/// What stands around an expression.
#[derive(Clone, Copy)]
struct Around {
    /// The loosest level that needs no parentheses here.
    level: Level,
    /// Whether `*` or its kin follows, which the body of a reducer would swallow.
    product_follows: bool,
    /// Whether it is the right operand of `*`, `/`, `^` or their kin: there the body of a reducer must be no product.
    right_of_product: bool,
}

impl Around {
    fn new(level: Level) -> Self {
        Around { level, product_follows: false, right_of_product: false }
    }

    fn at(self, level: Level) -> Self {
        Around { level, ..self }
    }
}

/// A row an operator: how it is written and how it binds.
fn operator(op: BinaryOp) -> (&'static str, Level) {
    match op {
        BinaryOp::Or => ("or", Level::Or),
        BinaryOp::And => ("and", Level::And),
        BinaryOp::Eq => ("==", Level::Comparison),
        BinaryOp::Ne => ("!=", Level::Comparison),
        BinaryOp::Lt => ("<", Level::Comparison),
        BinaryOp::Le => ("<=", Level::Comparison),
        BinaryOp::Gt => (">", Level::Comparison),
        BinaryOp::Ge => (">=", Level::Comparison),
        BinaryOp::Add => ("+", Level::Sum),
        BinaryOp::Sub => ("-", Level::Sum),
        BinaryOp::Mul => ("*", Level::Product),
        BinaryOp::Div => ("/", Level::Product),
        BinaryOp::IntDiv => ("div", Level::Product),
        BinaryOp::Mod => ("mod", Level::Product),
        BinaryOp::Pow => ("^", Level::Power),
    }
}

/// The level of a right operand, and of a left one where the operator does not chain.
fn tighter(level: Level) -> Level {
    match level {
        Level::Or => Level::And,
        Level::And => Level::Not,
        Level::Comparison => Level::Sum,
        Level::Sum => Level::Product,
        _ => Level::Unary,
    }
}

fn reducer(reducer: Reducer) -> &'static str {
    match reducer {
        Reducer::Sum => "sum",
        Reducer::Mean => "mean",
        Reducer::Max => "max",
        Reducer::Min => "min",
        Reducer::Prod => "prod",
        Reducer::Argmax => "argmax",
        Reducer::Argmin => "argmin",
        Reducer::Any => "any",
        Reducer::All => "all",
    }
}

/// The level of an expression itself.
fn level(expr: &Expr) -> Level {
    match &expr.kind {
        ExprKind::If { .. } | ExprKind::Default { .. } => Level::Whole,
        ExprKind::Pipe(_) => Level::Pipe,
        ExprKind::Unary { op: UnaryOp::Not, .. } => Level::Not,
        ExprKind::Unary { op: UnaryOp::Neg, .. } | ExprKind::Reduce { .. } => Level::Unary,
        ExprKind::Binary { op, .. } => operator(*op).1,
        ExprKind::Number { .. } | ExprKind::Percent { .. } | ExprKind::String(_) => Level::Instance,
        ExprKind::Labelled { .. } | ExprKind::Repeat { .. } => Level::Instance,
        ExprKind::Name { .. } | ExprKind::Array(_) | ExprKind::Group(_) | ExprKind::Tuple(_) => {
            Level::Postfix
        }
        ExprKind::Call { .. } | ExprKind::Index { .. } | ExprKind::Field { .. } | ExprKind::Error => {
            Level::Postfix
        }
    }
}

/// An expression where this level or a tighter one is expected.
pub(super) fn expr_doc(expr: &Expr, level: Level) -> Doc {
    doc(expr, Around::new(level))
}

fn doc(expr: &Expr, around: Around) -> Doc {
    let swallows = match &expr.kind {
        ExprKind::Reduce { body, .. } => {
            around.product_follows || around.right_of_product && level(body) == Level::Product
        }
        _ => false,
    };
    if level(expr) < around.level || swallows {
        return Doc::Brackets("(", vec![bare(expr, Around::new(Level::Whole))], ")");
    }
    bare(expr, around)
}

/// The expression without parentheses of its own.
fn bare(expr: &Expr, around: Around) -> Doc {
    match &expr.kind {
        ExprKind::Number { text, .. } | ExprKind::Percent { text, .. } => Doc::text(text),
        ExprKind::String(text) => Doc::text(quoted(text)),
        ExprKind::Name { name, primed } => {
            Doc::Text(format!("{}{}", name.text, if *primed { "'" } else { "" }))
        }
        ExprKind::Labelled { label, value } => {
            Doc::Concat(vec![Doc::Text(format!("{}: ", label.text)), labelled_value(value)])
        }
        ExprKind::Array(elements) => Doc::list("[", whole_docs(elements), "]"),
        ExprKind::Group(inner) => Doc::Brackets("(", vec![expr_doc(inner, Level::Whole)], ")"),
        ExprKind::Tuple(parts) => Doc::list("(", whole_docs(parts), ")"),
        ExprKind::Call { callee, args } => {
            let args = args.iter().map(|arg| match &arg.name {
                Some(name) => Doc::Concat(vec![
                    Doc::Text(format!("{} = ", name.text)),
                    expr_doc(&arg.value, Level::Whole),
                ]),
                None => expr_doc(&arg.value, Level::Whole),
            });
            Doc::Concat(vec![expr_doc(callee, Level::Postfix), Doc::list("(", args.collect(), ")")])
        }
        ExprKind::Index { base, indices } => {
            let indices = indices.iter().map(index_arg_doc).collect();
            Doc::Concat(vec![expr_doc(base, Level::Postfix), Doc::list("[", indices, "]")])
        }
        ExprKind::Field { base, name } => {
            Doc::Concat(vec![expr_doc(base, Level::Postfix), Doc::Text(format!(".{}", name.text))])
        }
        ExprKind::Unary { op: UnaryOp::Neg, value } => {
            Doc::Concat(vec![Doc::text("-"), doc(value, around.at(Level::Unary))])
        }
        ExprKind::Unary { op: UnaryOp::Not, value } => {
            Doc::Concat(vec![Doc::text("not "), expr_doc(value, Level::Not)])
        }
        ExprKind::Binary { op: BinaryOp::Pow, left, right } => {
            let right = doc(right, Around { right_of_product: true, ..around.at(Level::Unary) });
            Doc::Concat(vec![expr_doc(left, Level::Instance), Doc::text("^"), right])
        }
        ExprKind::Binary { op, .. } => {
            let mut parts = vec![];
            chain(expr, operator(*op).1, around, &mut parts);
            Doc::Group(parts)
        }
        ExprKind::Reduce { reducer: word, indices, body } => Doc::Concat(vec![
            Doc::text(reducer(*word)),
            indices_doc(indices),
            Doc::text(" "),
            doc(body, around.at(Level::Product)),
        ]),
        ExprKind::If { .. } => Doc::Group(choice_parts(expr)),
        ExprKind::Default { read, default } => Doc::Group(vec![
            expr_doc(read, Level::Postfix),
            Doc::Break(" "),
            Doc::text("else "),
            expr_doc(default, Level::Or),
        ]),
        ExprKind::Pipe(stages) => Doc::Group(pipe_parts(stages)),
        ExprKind::Repeat { count, stage } => Doc::Concat(vec![
            Doc::text("repeat"),
            Doc::Brackets("(", vec![expr_doc(count, Level::Whole)], ")"),
            Doc::text(" "),
            expr_doc(stage, Level::Instance),
        ]),
        // No text reads as an error; this one is refused with a message that names the cause.
        ExprKind::Error => Doc::text("<unreadable>"),
    }
}

/// `a + b - c`: operands of one level, with a break after each operator.
fn chain(expr: &Expr, of: Level, around: Around, parts: &mut Vec<Doc>) {
    let (sign, left, right) = match &expr.kind {
        ExprKind::Binary { op, left, right } if operator(*op).1 == of => (operator(*op).0, left, right),
        _ => return parts.push(doc(expr, around)),
    };
    let is_product = of == Level::Product;
    let left_around = Around { product_follows: is_product, ..around };
    match of {
        Level::Comparison => parts.push(expr_doc(left, tighter(of))),
        _ => chain(left, of, left_around.at(of), parts),
    }
    parts.push(Doc::Text(format!(" {sign}")));
    parts.push(Doc::Break(" "));
    let right_of_product = is_product || around.right_of_product;
    parts.push(doc(right, Around { right_of_product, ..around.at(tighter(of)) }));
}

/// `if c`, `then a`, `else b`
pub(super) fn choice_parts(expr: &Expr) -> Vec<Doc> {
    let ExprKind::If { condition, then, otherwise } = &expr.kind else {
        return vec![expr_doc(expr, Level::Whole)];
    };
    vec![
        Doc::text("if "),
        expr_doc(condition, Level::Or),
        Doc::Break(" "),
        Doc::text("then "),
        expr_doc(then, Level::Pipe),
        Doc::Break(" "),
        Doc::text("else "),
        expr_doc(otherwise, Level::Whole),
    ]
}

fn pipe_parts(stages: &[Expr]) -> Vec<Doc> {
    let mut parts = vec![];
    for (i, stage) in stages.iter().enumerate() {
        if i == 0 {
            parts.push(expr_doc(stage, Level::Or));
        } else {
            parts.extend([Doc::Break(" "), Doc::text("|> "), expr_doc(stage, Level::Instance)]);
        }
    }
    parts
}

/// After a label stand a name, `repeat` or `(`.
fn labelled_value(value: &Expr) -> Doc {
    let plain = match &value.kind {
        ExprKind::Repeat { .. } => true,
        _ => level(value) == Level::Postfix && begins_with_name(value),
    };
    let inner = expr_doc(value, Level::Whole);
    if plain { inner } else { Doc::Brackets("(", vec![inner], ")") }
}

fn begins_with_name(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { callee: inner, .. }
        | ExprKind::Index { base: inner, .. }
        | ExprKind::Field { base: inner, .. } => begins_with_name(inner),
        ExprKind::Name { name, .. } => !is_reducer(&name.text),
        ExprKind::Group(_) => true,
        inner => !matches!(inner, ExprKind::Array(_) | ExprKind::Tuple(_) | ExprKind::Error),
    }
}

fn is_reducer(word: &str) -> bool {
    use Reducer::*;
    [Sum, Mean, Max, Min, Prod, Argmax, Argmin, Any, All].into_iter().any(|known| reducer(known) == word)
}

/// Whether the text of an expression begins with a label, which brackets take for a range.
fn begins_with_label(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Labelled { .. } => true,
        ExprKind::Binary { left, .. } => begins_with_label(left),
        ExprKind::Pipe(stages) => stages.first().is_some_and(begins_with_label),
        _ => false,
    }
}

/// An expression in brackets: of a read, or of a size.
pub(super) fn in_brackets_doc(expr: &Expr, level: Level) -> Doc {
    let inner = expr_doc(expr, level);
    if begins_with_label(expr) { Doc::Brackets("(", vec![inner], ")") } else { inner }
}

fn index_arg_doc(arg: &IndexArg) -> Doc {
    match arg {
        IndexArg::Expr(expr) => in_brackets_doc(expr, Level::Whole),
        IndexArg::Range { first, last } => Doc::Concat(vec![
            in_brackets_doc(first, Level::Whole),
            Doc::text(" .. "),
            expr_doc(last, Level::Whole),
        ]),
        IndexArg::Pack(name) => Doc::Text(format!("..{}", name.text)),
    }
}

/// `[t: T, m]`, on a left side or after a reducer
pub(super) fn indices_doc(indices: &[Index]) -> Doc {
    let one = |name: &Name, range: &Option<Expr>| match range {
        None => Doc::text(&name.text),
        Some(range) => Doc::Concat(vec![Doc::Text(format!("{}: ", name.text)), expr_doc(range, Level::Sum)]),
    };
    let index_doc = |index: &Index| match index {
        Index::Name { name, range } => one(name, range),
        Index::Group { parts, .. } => {
            Doc::list("(", parts.iter().map(|part| one(&part.name, &part.range)).collect(), ")")
        }
        Index::Pack(name) => Doc::Text(format!("..{}", name.text)),
        Index::PackGroup { pack, .. } => Doc::Text(format!("(..{})", pack.text)),
    };
    Doc::list("[", indices.iter().map(index_doc).collect(), "]")
}

fn whole_docs(exprs: &[Expr]) -> Vec<Doc> {
    exprs.iter().map(|expr| expr_doc(expr, Level::Whole)).collect()
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
