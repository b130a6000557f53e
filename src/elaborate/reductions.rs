//! Reducers: `sum[i] e` and its kin.

use super::context::Elaborator;
use super::ranges::index_names;
use super::reads::plural;
use super::values::{Array, Sort, Tried, Value, VarId};
use crate::circuit::{Leaf, Reducer, StepValue, gates};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::{self, Expr, Index};

impl<'p> Elaborator<'p> {
    /// `sum[i, j] body`
    pub fn reduction(
        &mut self,
        reducer: ast::Reducer,
        indices: &'p [Index],
        body: &'p Expr,
        span: Span,
    ) -> Tried<Value<'p>> {
        let is_batch = |index: &Index| index_names(index) == ["batch"];
        let batch = indices.iter().any(is_batch);
        if batch && reducer != ast::Reducer::Mean && !(self.in_metric && reducer == ast::Reducer::Sum) {
            return self.over_the_batch(reducer, span);
        }
        let begin = self.here().indices.len();
        let written = match indices.iter().position(is_batch) {
            Some(at) if at + 1 == indices.len() => &indices[..at],
            Some(0) => &indices[1..],
            Some(_) => {
                let message = "`batch` stands first or last among the indices";
                return self.error(codes::BATCH_MISUSE, message, span, "in the middle");
            }
            None => indices,
        };
        let vars = self.bind(written, None, &[body])?;
        let array = self.array(body);
        self.unbind(begin);
        let array = array?;
        self.at(span, |this| this.reduced(reducer, &array, &vars, batch, body.span)).map(Value::Array)
    }

    fn over_the_batch<T>(&mut self, reducer: ast::Reducer, span: Span) -> Tried<T> {
        let diagnostic = if self.in_metric {
            Diagnostic::error(
                codes::BATCH_MISUSE,
                "only `mean` and `sum` look across the examples of a metric",
            )
        } else {
            Diagnostic::error(codes::BATCH_MISUSE, "only `mean` may look across the examples of a batch")
        };
        let word = format!("{reducer:?}").to_lowercase();
        self.report(diagnostic.at(span, format!("`{word}[batch]`")).help("write `mean[batch] ...`"))
    }

    fn reduced(
        &mut self,
        reducer: ast::Reducer,
        array: &Array,
        over: &[VarId],
        batch: bool,
        body: Span,
    ) -> Tried<Array> {
        let count: f64 = self.extents(over).iter().map(|&extent| f64::from(extent)).product();
        self.check_reducible(reducer, array, over, count, body)?;
        let numeric = match array.sort {
            Sort::Integer(_) => Sort::Integer(None),
            _ => Sort::Real,
        };
        match reducer {
            ast::Reducer::Sum => {
                let sum = Array { sort: numeric, ..self.reduce(Reducer::Sum, array, over, batch)? };
                if batch { self.over_all_examples(&sum) } else { Ok(sum) }
            }
            ast::Reducer::Prod => {
                Ok(Array { sort: numeric, ..self.reduce(Reducer::Prod, array, over, false)? })
            }
            ast::Reducer::Mean => {
                let sum = Array { sort: Sort::Real, ..self.reduce(Reducer::Sum, array, over, batch)? };
                // Of one element it is that element.
                let plain = over.is_empty() || count == 1.0 && array.sort == Sort::Real;
                if plain { Ok(sum) } else { self.with_number(gates::DIV, &sum, count, Sort::Real) }
            }
            ast::Reducer::Max | ast::Reducer::Any => self.reduce(Reducer::Max, array, over, false),
            ast::Reducer::Min | ast::Reducer::All => self.reduce(Reducer::Min, array, over, false),
            ast::Reducer::Argmax => self.position(Reducer::Argmax, array, over),
            ast::Reducer::Argmin => self.position(Reducer::Argmin, array, over),
        }
    }

    /// The sum over the examples of a metric, from the mean over them.
    fn over_all_examples(&mut self, mean: &Array) -> Tried<Array> {
        let value = self.circuit.leaf(Leaf::Step(StepValue::Examples));
        let count = Array { value, vars: vec![], dims: vec![], sort: Sort::Real, home: self.home };
        self.pointwise(gates::MUL, &[mean, &count], Sort::Real)
    }

    fn check_reducible(
        &mut self,
        reducer: ast::Reducer,
        array: &Array,
        over: &[VarId],
        count: f64,
        body: Span,
    ) -> Tried<()> {
        use ast::Reducer::{All, Any, Argmax, Argmin, Max, Mean, Min};
        let word = format!("{reducer:?}").to_lowercase();
        match (reducer, array.sort) {
            (Any | All, Sort::Boolean) => {}
            (Any | All, Sort::Class(_)) => self.check_boolean(array, body)?,
            (Any | All, _) => {
                let text = self.written(body);
                let message = format!("`{text}` is not a condition");
                let diagnostic = Diagnostic::error(codes::EXPECTED_BOOLEAN, message).at(body, "a number");
                // The body is a product, so that a comparison behind it belongs to the whole reduction.
                return self.report(diagnostic.help(format!("compare it, in parentheses: `({text} > 0)`")));
            }
            (_, Sort::Class(_)) => {
                let text = self.written(body);
                let diagnostic = Diagnostic::error(
                    codes::CLASS_ARITHMETIC,
                    format!("`{text}` is a class: `{word}` over it has no meaning"),
                )
                .at(body, "a class")
                .help("a class can be compared by `==`, used as an index, and passed on");
                return self.report(diagnostic);
            }
            _ => {}
        }
        if count == 0.0 && matches!(reducer, Mean | Max | Min | Argmax | Argmin | Any | All) {
            let message =
                format!("`{word}` of no element: an index runs over {}", plural(0, "value", "values"));
            return self.error(codes::INDEX_OUT_OF_RANGE, message, body, "nothing to take it of");
        }
        debug_assert!(over.windows(2).all(|pair| pair[0] < pair[1]));
        Ok(())
    }
}
