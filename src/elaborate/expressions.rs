//! Expressions to values: static where they can be, gates of the circuit where not.

use super::context::Elaborator;
use super::reads::plural;
use super::scope::target_key;
use super::statics::{Number, Static};
use super::values::{Array, Sort, Tried, Value};
use super::walk::ungrouped;
use crate::circuit::{Gate, gates};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Name, UnaryOp};
use std::cmp::Ordering;

/// Whole powers up to this are multiplied out.
const LARGEST_WHOLE_POWER: i64 = 64;

impl<'p> Elaborator<'p> {
    /// The value of an expression. What it builds comes from its place.
    pub fn expr(&mut self, expr: &'p Expr) -> Tried<Value<'p>> {
        self.nested(expr.span, |this| this.expr_inner(expr))
    }

    fn expr_inner(&mut self, expr: &'p Expr) -> Tried<Value<'p>> {
        match &expr.kind {
            ExprKind::Number { value, text } => {
                Ok(Value::Static(Static::Number(Number::literal(*value, text))))
            }
            ExprKind::Percent { value, text } => {
                Ok(Value::Static(Static::Number(Number::percent(*value, text))))
            }
            ExprKind::String(_) => {
                self.error(codes::WRONG_KIND_OF_NAME, "a text has no place in a net", expr.span, "a text")
            }
            ExprKind::Name { name, primed: false } => self.name_value(name),
            ExprKind::Name { name, primed: true } => self.next_value(name).map(Value::Array),
            ExprKind::Labelled { label, value } => self.labelled(label, value),
            ExprKind::Array(parts) => self.list(parts, expr.span).map(Value::Array),
            ExprKind::Group(inner) => self.expr(inner),
            ExprKind::Tuple(_) => {
                let message = "a group of indices stands between brackets only: `x[(i, j)]`";
                self.error(codes::WRONG_KIND_OF_NAME, message, expr.span, "not a value")
            }
            ExprKind::Call { callee, args } => self.call(callee, args, expr.span),
            ExprKind::Index { base, indices } => self.read(base, indices, expr.span).map(Value::Array),
            ExprKind::Field { .. } => self.path_value(expr),
            ExprKind::Unary { op, value } => self.unary(*op, value),
            ExprKind::Binary { op, left, right } => self.binary(*op, left, right),
            ExprKind::Reduce { reducer, indices, body } => self.reduction(*reducer, indices, body, expr.span),
            ExprKind::If { condition, then, otherwise } => self.choice(condition, then, otherwise),
            ExprKind::Default { read, default } => self.read_else(read, default).map(Value::Array),
            ExprKind::Pipe(stages) => self.pipe(stages, expr.span),
            ExprKind::Repeat { count, stage } => self.repeated(count, stage, expr.span).map(Value::Callable),
            ExprKind::Error => Err(super::values::Failed),
        }
    }

    /// The value of an expression as an array of the circuit.
    pub fn array(&mut self, expr: &'p Expr) -> Tried<Array> {
        let value = self.expr(expr)?;
        self.at(expr.span, |this| this.as_array(value, expr.span))
    }

    /// A value as an array of the circuit.
    pub fn as_array(&mut self, value: Value<'p>, span: Span) -> Tried<Array> {
        match value {
            Value::Static(value) => Ok(self.constant(value)),
            Value::Array(array) => Ok(array),
            Value::Callable(_) => {
                let text = self.written(span);
                let diagnostic =
                    Diagnostic::error(codes::WRONG_KIND_OF_NAME, format!("`{text}` is a layer, not a value"))
                        .at(span, "used as a value")
                        .help(format!("give it its input: `{text}(x)`, or `x |> {text}`"));
                self.report(diagnostic)
            }
        }
    }

    /// A name as a value; a function or layer without settings to give is one too.
    fn name_value(&mut self, name: &'p Name) -> Tried<Value<'p>> {
        self.resolve(name)
    }

    /// `v'`: the next value of a state.
    fn next_value(&mut self, name: &'p Name) -> Tried<Array> {
        self.force(&target_key(&name.text, true), name.span)?;
        if let Some((array, _)) = self.here().next.get(&name.text) {
            return Ok(array.clone());
        }
        if let Some(Err(failed)) =
            self.here().names.get(&target_key(&name.text, true)).map(|entry| &entry.value)
        {
            return Err(*failed);
        }
        let diagnostic = Diagnostic::error(codes::STATE_MISUSE, format!("`{}'` is not assigned", name.text))
            .at(name.span, "the next value of a state")
            .help(format!("assign it: `{}' = ...`", name.text));
        self.report(diagnostic)
    }

    /// `a.b.c`
    fn path_value(&mut self, expr: &'p Expr) -> Tried<Value<'p>> {
        let mut parts = vec![];
        if collect_path(expr, &mut parts) {
            return self.resolve_path(&parts, expr.span);
        }
        let message = "`.` follows the name of an instance";
        self.error(codes::WRONG_KIND_OF_NAME, message, expr.span, "not a path of names")
    }

    /// `[a, b]`
    fn list(&mut self, parts: &'p [Expr], span: Span) -> Tried<Array> {
        let arrays: Vec<Array> = parts.iter().map(|part| self.array(part)).collect::<Tried<_>>()?;
        let Some(first) = arrays.first() else {
            return self.error(codes::RANK_MISMATCH, "a list without an element", span, "empty");
        };
        let mut sort = first.sort;
        for (array, part) in arrays.iter().zip(parts).skip(1) {
            if array.dims != first.dims {
                return self.unequal(first, parts[0].span, array, part.span, "the parts of a list");
            }
            sort = self.common_sort(sort, array.sort, part.span)?;
        }
        self.stack(&arrays, sort)
    }

    fn unary(&mut self, op: UnaryOp, operand: &'p Expr) -> Tried<Value<'p>> {
        let value = self.expr(operand)?;
        match (op, value) {
            (UnaryOp::Neg, Value::Static(Static::Number(number))) => {
                Ok(Value::Static(Static::Number(number.negated())))
            }
            (UnaryOp::Not, Value::Static(Static::Bool(truth))) => Ok(Value::Static(Static::Bool(!truth))),
            (UnaryOp::Neg, value) => {
                let array = self.as_array(value, operand.span)?;
                let sort = self.arithmetic_sort(&[(array.sort, operand.span)], gates::NEG)?;
                self.pointwise(gates::NEG, &[&array], sort).map(Value::Array)
            }
            (UnaryOp::Not, value) => {
                let array = self.as_array(value, operand.span)?;
                self.check_boolean(&array, operand.span)?;
                self.pointwise(gates::NOT, &[&array], Sort::Boolean).map(Value::Array)
            }
        }
    }

    fn binary(&mut self, op: BinaryOp, left: &'p Expr, right: &'p Expr) -> Tried<Value<'p>> {
        // Both sides, so that a mistake in each is told.
        let (a, b) = (self.expr(left), self.expr(right));
        let (a, b) = (a?, b?);
        if let (Value::Static(a), Value::Static(b)) = (&a, &b) {
            return self.static_binary(op, *a, *b, left, right).map(Value::Static);
        }
        if let (BinaryOp::Pow, Value::Static(Static::Number(exponent))) = (op, &b)
            && let Some(whole) = exponent.as_integer().filter(|n| n.abs() <= LARGEST_WHOLE_POWER)
        {
            let base = self.as_array(a, left.span)?;
            return self.whole_power(&base, whole, left.span).map(Value::Array);
        }
        let (a, b) = (self.as_array(a, left.span)?, self.as_array(b, right.span)?);
        if !a.dims.is_empty() && !b.dims.is_empty() && a.dims != b.dims {
            return self.unequal(&a, left.span, &b, right.span, "the operands");
        }
        let (gate, swap) = gate_of(op);
        let sort = self.binary_sort(gate, (a.sort, left.span), (b.sort, right.span))?;
        let args = if swap { [&b, &a] } else { [&a, &b] };
        self.pointwise(gate, &args, sort).map(Value::Array)
    }

    /// Reports two arrays whose dimensions should be equal.
    pub fn unequal<T>(&mut self, a: &Array, at_a: Span, b: &Array, at_b: Span, what: &str) -> Tried<T> {
        let (left, right) = (self.written(at_a), self.written(at_b));
        let message =
            format!("{what} have different shapes: `{left}` is {:?} and `{right}` is {:?}", a.dims, b.dims);
        let diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, message)
            .at(at_a, format!("this is {:?}", a.dims))
            .at(at_b, format!("this is {:?}", b.dims));
        self.report(if a.dims == [1] || b.dims == [1] {
            diagnostic.help("an array of one is not a single number: read its element by `[0]`")
        } else if a.dims.len() != b.dims.len() {
            diagnostic.help("say by indices which axes meet: `y[i, j] = a[i, j] + b[j]`")
        } else {
            diagnostic
        })
    }

    fn static_binary(
        &mut self,
        op: BinaryOp,
        a: Static,
        b: Static,
        left: &'p Expr,
        right: &'p Expr,
    ) -> Tried<Static> {
        match (a, b) {
            (Static::Number(a), Static::Number(b)) => self.static_numbers(op, a, b, right.span),
            (Static::Bool(a), Static::Bool(b)) => match op {
                BinaryOp::And => Ok(Static::Bool(a && b)),
                BinaryOp::Or => Ok(Static::Bool(a || b)),
                BinaryOp::Eq => Ok(Static::Bool(a == b)),
                BinaryOp::Ne => Ok(Static::Bool(a != b)),
                _ => self.error(
                    codes::CONDITION_ARITHMETIC,
                    "arithmetic on true and false",
                    left.span,
                    "a condition",
                ),
            },
            _ => {
                let message = format!("a number meets a condition: `{a}` and `{b}`");
                let diagnostic = Diagnostic::error(codes::CONDITION_ARITHMETIC, message)
                    .at(left.span, format!("this is {a}"))
                    .at(right.span, format!("this is {b}"));
                self.report(diagnostic)
            }
        }
    }

    fn static_numbers(&mut self, op: BinaryOp, a: Number, b: Number, right: Span) -> Tried<Static> {
        if matches!(op, BinaryOp::Div | BinaryOp::IntDiv | BinaryOp::Mod) && b.value == 0.0 {
            return self.error(codes::DIVISION_BY_ZERO, "a division by 0", right, "this is 0");
        }
        let order = a.compare(b);
        let number = |n: Number| Ok(Static::Number(n));
        let truth = |t: bool| Ok(Static::Bool(t));
        match op {
            BinaryOp::Add => number(a.plus(b)),
            BinaryOp::Sub => number(a.minus(b)),
            BinaryOp::Mul => number(a.times(b)),
            BinaryOp::Div => number(a.over(b)),
            BinaryOp::IntDiv => number(a.int_div(b)),
            BinaryOp::Mod => number(a.modulo(b)),
            BinaryOp::Pow => number(a.power(b)),
            BinaryOp::Eq => truth(order == Some(Ordering::Equal)),
            BinaryOp::Ne => truth(order != Some(Ordering::Equal)),
            BinaryOp::Lt => truth(order == Some(Ordering::Less)),
            BinaryOp::Le => truth(matches!(order, Some(Ordering::Less | Ordering::Equal))),
            BinaryOp::Gt => truth(order == Some(Ordering::Greater)),
            BinaryOp::Ge => truth(matches!(order, Some(Ordering::Greater | Ordering::Equal))),
            BinaryOp::And | BinaryOp::Or => {
                self.error(codes::EXPECTED_BOOLEAN, "`and` and `or` join conditions", right, "a number")
            }
        }
    }

    /// A constant whole power, multiplied out by repeated squaring.
    fn whole_power(&mut self, base: &Array, exponent: i64, span: Span) -> Tried<Array> {
        let sort = self.arithmetic_sort(&[(base.sort, span), (base.sort, span)], gates::MUL)?;
        let mut power: Option<Array> = None;
        let mut square = base.clone();
        let mut rest = exponent.unsigned_abs();
        while rest > 0 {
            if rest & 1 == 1 {
                power = Some(match power {
                    None => square.clone(),
                    Some(power) => self.pointwise(gates::MUL, &[&power, &square], sort)?,
                });
            }
            rest >>= 1;
            if rest > 0 {
                square = self.pointwise(gates::MUL, &[&square, &square], sort)?;
            }
        }
        let one = self.constant(Static::Number(Number::whole(1)));
        match power {
            // The shape of the base stays, even where its values no longer matter.
            None => self
                .broadcast(&one, &base.vars, &base.dims, false)
                .map(|value| Array { value, ..base.clone() }),
            Some(power) if exponent < 0 => self.pointwise(gates::DIV, &[&one, &power], Sort::Real),
            Some(power) => Ok(power),
        }
    }

    /// `if c then a else b`: a static condition chooses, another selects element by element.
    fn choice(&mut self, condition: &'p Expr, then: &'p Expr, otherwise: &'p Expr) -> Tried<Value<'p>> {
        let test = match self.expr(condition)? {
            Value::Static(Static::Bool(truth)) => return self.expr(if truth { then } else { otherwise }),
            value => self.as_array(value, condition.span)?,
        };
        self.check_boolean(&test, condition.span)?;
        let (a, b) = (self.array(then), self.array(otherwise));
        let (a, b) = (a?, b?);
        for (one, at_one, other, at_other) in [
            (&a, then.span, &b, otherwise.span),
            (&test, condition.span, &a, then.span),
            (&test, condition.span, &b, otherwise.span),
        ] {
            if !one.dims.is_empty() && !other.dims.is_empty() && one.dims != other.dims {
                return self.unequal(one, at_one, other, at_other, "the parts of a choice");
            }
        }
        let sort = self.common_sort(a.sort, b.sort, otherwise.span)?;
        self.pointwise(gates::SELECT, &[&test, &a, &b], sort).map(Value::Array)
    }

    /// Calls a gate by its name.
    pub fn call_gate(&mut self, gate: Gate, args: &[(Value<'p>, Span)], span: Span) -> Tried<Value<'p>> {
        let row = gate.row();
        if args.len() != row.arity {
            let message = format!(
                "`{}` takes {}, not {}",
                row.name,
                plural(row.arity, "argument", "arguments"),
                args.len()
            );
            return self.error(codes::WRONG_ARGUMENT_COUNT, message, span, row.doc);
        }
        let numbers: Option<Vec<Number>> = args
            .iter()
            .map(|(value, _)| match value {
                Value::Static(Static::Number(number)) => Some(*number),
                _ => None,
            })
            .collect();
        if let Some(numbers) = numbers {
            return Ok(Value::Static(Static::Number(Number::call(gate, &numbers))));
        }
        let mut arrays = vec![];
        for (value, span) in args {
            arrays.push(self.as_array(value.clone(), *span)?);
        }
        for k in 1..arrays.len() {
            let (a, b) = (&arrays[0], &arrays[k]);
            if !a.dims.is_empty() && !b.dims.is_empty() && a.dims != b.dims {
                return self.unequal(a, args[0].1, b, args[k].1, "the arguments");
            }
        }
        let sorts: Vec<(Sort, Span)> =
            arrays.iter().zip(args).map(|(array, (_, span))| (array.sort, *span)).collect();
        let sort = self.arithmetic_sort(&sorts, gate)?;
        self.pointwise(gate, &arrays.iter().collect::<Vec<_>>(), sort).map(Value::Array)
    }

    /// A condition, or an error.
    pub fn check_boolean(&mut self, array: &Array, span: Span) -> Tried<()> {
        if array.sort == Sort::Boolean {
            return Ok(());
        }
        let text = self.written(span);
        let is_class = matches!(array.sort, Sort::Class(_));
        let (what, compared) = if is_class { ("a class", "== 0") } else { ("a number", "> 0") };
        let diagnostic = Diagnostic::error(codes::EXPECTED_BOOLEAN, format!("`{text}` is not a condition"))
            .at(span, what)
            .help(format!("compare it: `{text} {compared}`"));
        self.report(diagnostic)
    }

    /// `label: value`
    fn labelled(&mut self, label: &'p Name, value: &'p Expr) -> Tried<Value<'p>> {
        self.frame().label = Some(label);
        let result = self.expr(value);
        if self.frame().label.take().is_some() && result.is_ok() {
            let message = format!("`{}:` labels an instance of a layer or function", label.text);
            return self.error(codes::WRONG_KIND_OF_NAME, message, label.span, "labels none");
        }
        result
    }

    /// What can be called, from an expression that names it.
    pub fn callable_name(expr: &Expr) -> Option<&Name> {
        match &ungrouped(expr).kind {
            ExprKind::Name { name, primed: false } => Some(name),
            _ => None,
        }
    }
}

/// The names of `a.b.c`, if it is made of names only.
fn collect_path<'p>(expr: &'p Expr, parts: &mut Vec<&'p Name>) -> bool {
    match &expr.kind {
        ExprKind::Name { name, primed: false } => {
            parts.push(name);
            true
        }
        ExprKind::Field { base, name } => {
            let known = collect_path(base, parts);
            parts.push(name);
            known
        }
        _ => false,
    }
}

/// The gate of an operator, and whether its operands change places.
fn gate_of(op: BinaryOp) -> (Gate, bool) {
    match op {
        BinaryOp::Or => (gates::OR, false),
        BinaryOp::And => (gates::AND, false),
        BinaryOp::Eq => (gates::EQ, false),
        BinaryOp::Ne => (gates::NE, false),
        BinaryOp::Lt => (gates::LT, false),
        BinaryOp::Le => (gates::LE, false),
        BinaryOp::Gt => (gates::LT, true),
        BinaryOp::Ge => (gates::LE, true),
        BinaryOp::Add => (gates::ADD, false),
        BinaryOp::Sub => (gates::SUB, false),
        BinaryOp::Mul => (gates::MUL, false),
        BinaryOp::Div => (gates::DIV, false),
        BinaryOp::IntDiv => (gates::INT_DIV, false),
        BinaryOp::Mod => (gates::MOD, false),
        BinaryOp::Pow => (gates::POW, false),
    }
}
