//! Headers: inputs bind sizes and classes, outputs are held against their declaration.

use super::calls::Argument;
use super::context::Elaborator;
use super::scope::Entry;
use super::sizes::Given;
use super::statics::{Number, Static};
use super::values::{Array, Sort, Tried, Value};
use super::walk::ungrouped;
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::{Decl, Expr, ExprKind};

impl<'p> Elaborator<'p> {
    /// Gives an input its value and binds the sizes and classes of its declaration.
    pub fn bind_input(&mut self, decl: &'p Decl, arg: &Argument<'p>) -> Tried<()> {
        if decl.sizes.is_empty()
            && decl.ty.is_none()
            && let Value::Static(_) = &arg.value
        {
            self.define(&decl.name, Ok(arg.value.clone()));
            return Ok(());
        }
        let mut array = self.as_array(arg.value.clone(), arg.span)?;
        let dims = array.dims.clone();
        self.bind_sizes(decl, Given { dims: &dims, span: arg.span, what: "the argument" })?;
        if let Some(ty) = &decl.ty {
            array.sort = Sort::Class(self.bind_class(ty, array.sort, arg.span, "the argument")?);
        }
        self.define(&decl.name, Ok(Value::Array(array)));
        Ok(())
    }

    /// Binds or compares the number of cases of `class(K)` with that of a value.
    pub fn bind_class(&mut self, ty: &'p Expr, sort: Sort, span: Span, what: &str) -> Tried<u32> {
        let cases = match &ungrouped(ty).kind {
            ExprKind::Call { callee, args }
                if Self::callable_name(callee).is_some_and(|n| n.text == "class") && args.len() == 1 =>
            {
                &args[0].value
            }
            _ => {
                let message = "the only type is `class(K)`";
                return self.error(codes::WRONG_KIND_OF_NAME, message, ty.span, "not a type");
            }
        };
        let unknown = Self::callable_name(cases).filter(|name| !self.here().names.contains_key(&name.text));
        let count = match sort {
            Sort::Class(count) => Some(count),
            Sort::Integer(Some((low, high))) if low >= 0 => u32::try_from(high + 1).ok(),
            _ => None,
        };
        if let (Some(name), Some(count)) = (unknown, count) {
            let value = Value::Static(Static::Number(Number::whole(i64::from(count))));
            self.define_from(name, Ok(value), Some(span));
            return Ok(count);
        }
        let asked = self.size(cases)?;
        let fits = match sort {
            Sort::Class(count) => count == asked,
            Sort::Integer(Some((low, high))) => low >= 0 && high < i64::from(asked),
            Sort::Integer(None) | Sort::Real | Sort::Boolean => false,
        };
        if fits {
            return Ok(asked);
        }
        let found = match sort {
            Sort::Class(count) => format!("a class of {count}"),
            Sort::Integer(Some((low, high))) => format!("a whole number between {low} and {high}"),
            Sort::Integer(None) => "a whole number that nothing bounds".to_string(),
            Sort::Real => "a real number".to_string(),
            Sort::Boolean => "a condition".to_string(),
        };
        let code = if matches!(sort, Sort::Real | Sort::Boolean) {
            codes::EXPECTED_INTEGER
        } else {
            codes::CLASS_RANGE
        };
        let diagnostic =
            Diagnostic::error(code, format!("a class of {asked} is asked for, but {what} is {found}"))
                .at(span, format!("this is {found}"))
                .at(ty.span, format!("a class of {asked} is asked for here"));
        self.report(diagnostic)
    }

    /// An output by name, after its block.
    pub fn block_output(&mut self, decl: &'p Decl, known: usize) -> Tried<Value<'p>> {
        let entry: Option<Entry<'p>> = self.here().names.get(&decl.name.text).cloned();
        match entry {
            Some(entry) => {
                let value = entry.value?;
                self.checked_output(decl, value, entry.span)
            }
            // What defines it may have failed to do so.
            None if self.diagnostics.len() > known => Err(super::values::Failed),
            None => {
                let name = &decl.name.text;
                let diagnostic =
                    Diagnostic::error(codes::MISSING_PART, format!("the output `{name}` is never defined"))
                        .at(decl.name.span, "declared here")
                        .help(format!("define it in the body: `{name}[...] = ...`"));
                self.report(diagnostic)
            }
        }
    }

    /// An output against its declaration.
    pub fn checked_output(&mut self, decl: &'p Decl, value: Value<'p>, span: Span) -> Tried<Value<'p>> {
        if decl.sizes.is_empty() && matches!(value, Value::Static(_)) {
            return Ok(value);
        }
        let array = self.as_array(value, span)?;
        self.check_declared(decl, &array, span)?;
        Ok(Value::Array(array))
    }

    /// Dimensions against a declaration of them.
    pub fn check_declared(&mut self, decl: &'p Decl, array: &Array, span: Span) -> Tried<()> {
        let dims = self.declared_dims(decl)?;
        if dims == array.dims {
            return Ok(());
        }
        let code = if dims.len() == array.dims.len() { codes::SIZE_MISMATCH } else { codes::RANK_MISMATCH };
        let text = self.written(decl.span);
        let message =
            format!("`{text}` is declared with the shape {dims:?}, but its value has {:?}", array.dims);
        let diagnostic = Diagnostic::error(code, message)
            .at(span, format!("this has the shape {:?}", array.dims))
            .at(decl.span, format!("{dims:?} is declared here"));
        self.report(diagnostic)
    }
}
