//! `grad(y, x)`: derivatives within a net.

use super::arrays::union_vars;
use super::context::Elaborator;
use super::values::{Array, Home, Sort, Tried, Value, VarId};
use super::walk::ungrouped;
use crate::circuit::{Kind, Node, ValueId, View, gates};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::differentiate::each::{Obstacle, OfEach, Request, gradient_of_each};
use crate::syntax::ast::{Arg, Expr, ExprKind};

impl<'p> Elaborator<'p> {
    /// `grad(y, x)`: for each index variable that `y` depends on, and for each example, the derivative of its own `y`.
    pub fn gradient(&mut self, args: &'p [Arg], span: Span) -> Tried<Value<'p>> {
        let [of, by] = args else {
            let message = format!("`grad` takes two values, not {}", args.len());
            let diagnostic = Diagnostic::error(codes::WRONG_ARGUMENT_COUNT, message)
                .at(span, "this call")
                .help("`grad(y, x)` is the derivative of `y` by `x`");
            return self.report(diagnostic);
        };
        if let Some(name) = args.iter().find_map(|arg| arg.name.as_ref()) {
            let message = "`grad` takes its arguments by position";
            return self.error(codes::WRONG_ARGUMENT_COUNT, message, name.span, "a name");
        }
        let (y, x) = (self.differentiated(&of.value), self.variable(&by.value, &of.value));
        let (y, x) = (y?, x?);
        self.warn_of_memory(&y, &x, span);
        let same: Vec<(usize, usize)> = (y.vars.iter().enumerate())
            .filter_map(|(k, var)| Some((k, x.vars.iter().position(|other| other == var)?)))
            .collect();
        let indices: Vec<String> = y.vars.iter().map(|&var| self.var(var).name.clone()).collect();
        let prefix = self.own_path(self.here().equation.unwrap_or("grad")).replace('.', "_");
        let net = self.frames.first().expect("a body is being elaborated");
        let taken: Vec<String> = net.names.keys().chain(net.definers.keys()).cloned().collect();
        let request = Request {
            of: y.value,
            wrt: x.value,
            same: &same,
            indices: &indices,
            prefix: &prefix,
            taken: &taken,
        };
        let found = gradient_of_each(&mut self.circuit, &request);
        match found {
            Ok(OfEach { value: Some(value), apart }) => {
                let apart: Vec<VarId> = apart.into_iter().map(|axis| y.vars[axis]).collect();
                self.of_own(value, &apart, &y, &x).map(Value::Array)
            }
            Ok(OfEach { value: None, .. }) => {
                self.no_dependence(&of.value, &by.value, &y, &x).map(Value::Array)
            }
            Err(obstacle) => self.obstacle(obstacle, &of.value, &by.value),
        }
    }

    /// What is differentiated: a number.
    fn differentiated(&mut self, expr: &'p Expr) -> Tried<Array> {
        let array = self.array(expr)?;
        let text = self.written(expr.span);
        if !array.dims.is_empty() {
            let letters = ["i", "j", "k", "l", "m", "n"];
            let own: Vec<&str> = (0..array.dims.len()).map(|k| letters[k.min(5)]).collect();
            let own = own.join(", ");
            let message =
                format!("only a single number has a gradient, but `{text}` has the shape {:?}", array.dims);
            let diagnostic = Diagnostic::error(codes::EXPECTED_SCALAR, message)
                .at(expr.span, "an array")
                .help(format!("one gradient for each element: `J[{own}, ..] = grad({text}[{own}], x)[..]`"));
            return self.report(diagnostic);
        }
        match array.sort {
            Sort::Real => Ok(array),
            Sort::Integer(Some((low, high))) if low == high => Ok(array),
            sort => {
                let (_, label) = sort_in_words(sort);
                let diagnostic = Diagnostic::error(
                    codes::GRADIENT_UNDEFINED,
                    format!("`{text}` has no gradient: it is {label}"),
                )
                .at(expr.span, label)
                .help("a gradient is of a real number");
                self.report(diagnostic)
            }
        }
    }

    /// What it is differentiated by: a value with a name.
    fn variable(&mut self, expr: &'p Expr, of: &'p Expr) -> Tried<Array> {
        let inner = ungrouped(expr);
        let (text, y) = (self.written(expr.span), self.written(of.span));
        match &inner.kind {
            ExprKind::Name { primed: false, .. } | ExprKind::Field { .. } => {}
            ExprKind::Index { base, indices } => {
                let base = self.written(base.span);
                let read: Vec<String> = indices.iter().map(|index| self.written(index_span(index))).collect();
                let diagnostic = Diagnostic::error(
                    codes::GRADIENT_UNDEFINED,
                    format!("a gradient is by a whole value with a name, and `{text}` is a part of one"),
                )
                .at(expr.span, "a part")
                .help(format!("read that part of the gradient: `grad({y}, {base})[{}]`", read.join(", ")));
                return self.report(diagnostic);
            }
            _ => {
                let diagnostic =
                    Diagnostic::error(codes::GRADIENT_UNDEFINED, "a gradient is by a value with a name")
                        .at(expr.span, "has no name")
                        .help("give it one before it is used: `h = ...`, then `grad(y, h)`");
                return self.report(diagnostic);
            }
        }
        let array = match self.expr(inner)? {
            Value::Static(_) => {
                let diagnostic = Diagnostic::error(
                    codes::GRADIENT_UNDEFINED,
                    format!("there is no gradient by `{text}`, which is known before training"),
                )
                .at(expr.span, "a constant")
                .help("a gradient is by an input, a parameter, or a value computed from them");
                return self.report(diagnostic);
            }
            value => self.as_array(value, expr.span)?,
        };
        if array.sort == Sort::Real && self.circuit.kind(array.value) == Kind::Real {
            return Ok(array);
        }
        let (what, label) = sort_in_words(array.sort);
        let diagnostic = Diagnostic::error(
            codes::GRADIENT_UNDEFINED,
            format!("there is no gradient with respect to {what}: `{text}` does not vary by small amounts"),
        )
        .at(expr.span, label)
        .help("a gradient is by real numbers: by the vector that an embedding reads, not by its index");
        self.report(diagnostic)
    }

    /// The gradients as an array: along an index variable that both depend on, each by its own.
    fn of_own(&mut self, value: ValueId, apart: &[VarId], y: &Array, x: &Array) -> Tried<Array> {
        let vars = union_vars([y, x]);
        let batch = self.circuit.shape(value).batch;
        let out = self.shape(batch, &vars, &x.dims)?;
        let place = |var: &VarId| vars.iter().position(|other| other == var).expect("in the union");
        let own = vars.len()..vars.len() + x.dims.len();
        let axes: Vec<usize> = apart.iter().chain(&x.vars).map(place).chain(own).collect();
        let dims = self.circuit.shape(value).dims.clone();
        let value = self.circuit.view(value, View::select(out, &axes, &dims));
        Ok(Array { value, vars, dims: x.dims.clone(), sort: Sort::Real, home: self.home })
    }

    /// A gradient that is 0 everywhere, which is seldom meant.
    fn no_dependence(&mut self, of: &Expr, by: &Expr, y: &Array, x: &Array) -> Tried<Array> {
        let (name, by_name) = (self.written(of.span), self.written(by.span));
        let warning = Diagnostic::warning(
            codes::ZERO_GRADIENT,
            format!("`{name}` does not depend on `{by_name}`: this gradient is 0"),
        );
        let warning = warning
            .at(of.span, format!("computed without `{by_name}`, or through `stop`"))
            .at(by.span, "by this");
        let _ = self.report::<()>(warning);
        let zero = self.constant(super::statics::Static::Number(super::statics::Number::real(0.0)));
        let vars = union_vars([y, x]);
        let value = self.broadcast(&zero, &vars, &x.dims.clone(), false)?;
        Ok(Array { value, vars, dims: x.dims.clone(), sort: Sort::Real, home: self.home })
    }

    /// One gradient an example, of something that all examples share, takes room.
    fn warn_of_memory(&mut self, y: &Array, x: &Array, span: Span) {
        if !self.is_per_example(y) || self.is_per_example(x) {
            return;
        }
        let size = self.circuit.shape(x.value).size();
        let warning = Diagnostic::warning(
            codes::GRADIENT_PER_EXAMPLE,
            "this gradient is one for each example of a batch",
        )
        .at(span, format!("{} for each example", super::reads::plural(size, "number", "numbers")))
        .help("for the gradient of their mean, differentiate `mean[batch] y`");
        let _ = self.report::<()>(warning);
    }

    fn obstacle<T>(&mut self, obstacle: Obstacle, of: &Expr, by: &Expr) -> Tried<T> {
        let (y, x) = (self.written(of.span), self.written(by.span));
        let place = |at: ValueId, this: &Self| this.circuit.origin(at).span;
        let (at, diagnostic) = match obstacle {
            Obstacle::AcrossBatch(at) => {
                let message =
                    format!("`{y}` of one example depends on `{x}` through all examples of its batch");
                let diagnostic = Diagnostic::error(codes::BATCH_MISUSE, message)
                    .at(of.span, "differs from example to example")
                    .help(format!(
                        "stop the statistics: `stop(mean[batch] ...)`, or differentiate `mean[batch] {y}`"
                    ));
                (place(at, self).map(|at| (at, "here the examples meet")), diagnostic)
            }
            Obstacle::Unfinished(at) => {
                let message =
                    format!("`{y}` stands within a recurrence: its gradient is known only after all steps");
                let diagnostic = Diagnostic::error(codes::NOT_YET, message)
                    .at(of.span, "differentiated here")
                    .help("take the gradient of what the recurrence gives, outside of its equations");
                (place(at, self).map(|at| (at, "reads another step")), diagnostic)
            }
            Obstacle::TooLarge(at) => {
                let message = "the gradients of all elements are larger than this version carries";
                let diagnostic = Diagnostic::error(codes::TOO_LARGE, message)
                    .at(of.span, "differentiated for each element")
                    .help("at most 2^30 elements for one example");
                (place(at, self).map(|at| (at, "with a gradient for each, this is too large")), diagnostic)
            }
        };
        self.report(match at {
            Some((at, label)) if at != of.span => diagnostic.at(at, label),
            _ => diagnostic,
        })
    }

    /// In a program that takes derivatives by named values, each name is a variable of its own: what is the same value
    /// under another name, or a mere read of it, is set apart by a gate that does nothing. So is a number in which the
    /// circuit sees whole constants only, as where a read always lies outside.
    pub fn set_apart(&mut self, array: &mut Array) {
        if !self.takes_gradients || array.sort != Sort::Real || self.home != Home::Main {
            return;
        }
        let is_read =
            matches!(self.circuit.node(array.value), Node::Leaf(_) | Node::View { .. } | Node::Lag { .. });
        let is_constant = self.circuit.kind(array.value) != Kind::Real;
        if is_read || is_constant || self.named.contains(&array.value) {
            array.value = self.circuit.gate(gates::SAME, &[array.value]);
        }
    }
}

/// What something that is no real number is, and what to call it.
fn sort_in_words(sort: Sort) -> (&'static str, &'static str) {
    match sort {
        Sort::Boolean => ("a condition", "a condition"),
        Sort::Class(_) => ("a class", "a class"),
        Sort::Integer(_) | Sort::Real => ("an integer", "an integer"),
    }
}

fn index_span(index: &crate::syntax::ast::IndexArg) -> Span {
    use crate::syntax::ast::IndexArg;
    match index {
        IndexArg::Expr(expr) => expr.span,
        IndexArg::Range { first, last } => first.span.to(last.span),
        IndexArg::Pack(name) => name.span,
    }
}
