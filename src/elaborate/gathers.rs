//! Reads by an integer that the running program computes.

use super::arrays::union_vars;
use super::context::Elaborator;
use super::reads::plural;
use super::values::{Array, Sort, Tried, VarId};
use crate::circuit::{ValueId, View};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::Expr;

impl<'p> Elaborator<'p> {
    /// `table[.., index]`, the table read along one index variable by an integer.
    pub fn gather(&mut self, table: &Array, along: VarId, index: &Array) -> Tried<Array> {
        let mut vars = union_vars([table, index]);
        vars.retain(|&var| var != along);
        let batch = self.is_per_example(table) || self.is_per_example(index);
        // The table with its own dimensions before the one that is read.
        let extent = self.var(along).extent;
        let closed = self.table_by(table, along, &vars, batch)?;
        let aligned = self.broadcast(&Array { dims: vec![], ..index.clone() }, &vars, &table.dims, batch)?;
        debug_assert_eq!(self.circuit.shape(closed).dims.last(), Some(&extent));
        let value = self.circuit.gather(closed, aligned);
        Ok(Array { value, vars, dims: table.dims.clone(), sort: table.sort, home: self.home })
    }

    /// A table over `vars`, its own dimensions, and last the index variable that is read.
    fn table_by(&mut self, table: &Array, along: VarId, vars: &[VarId], batch: bool) -> Tried<ValueId> {
        let from = self.circuit.shape(table.value).clone();
        let mut dims = table.dims.clone();
        dims.push(self.var(along).extent);
        let out = self.shape(batch || from.batch, vars, &dims)?;
        let last = out.dims.len() - 1;
        let position = |var: &VarId| match vars.iter().position(|v| v == var) {
            Some(k) => k,
            None => last,
        };
        let own = (0..table.dims.len()).map(|k| vars.len() + k);
        let axes: Vec<usize> = table.vars.iter().map(position).chain(own).collect();
        Ok(self.circuit.view(table.value, View::select(out, &axes, &from.dims)))
    }

    /// Whether an integer value may index an axis.
    pub fn check_integer_index(
        &mut self,
        index: &Array,
        extent: u32,
        axis: usize,
        span: Span,
        base: &'p Expr,
    ) -> Tried<()> {
        let text = self.written(span);
        let name = self.written(base.span);
        if !index.dims.is_empty() {
            let message = format!("`{text}` is an array {:?}; an index is a single number", index.dims);
            let diagnostic = Diagnostic::error(codes::EXPECTED_SCALAR, message)
                .at(span, "an array")
                .help(format!("read one element of it: `{text}[i]`"));
            return self.report(diagnostic);
        }
        let is_integer = self.circuit.is_integer(index.value);
        let range = match index.sort {
            Sort::Class(cases) if is_integer => Some((0, i64::from(cases) - 1)),
            Sort::Integer(range) if is_integer => range,
            _ => {
                let message = format!("`{text}` is not a whole number, so it cannot be an index");
                let diagnostic = Diagnostic::error(codes::EXPECTED_INTEGER, message)
                    .at(span, "a real number")
                    .help("declare a data column as `class(K)` to index by it");
                return self.report(diagnostic);
            }
        };
        let has = format!("axis {axis} of `{name}` has {}", plural(extent as usize, "element", "elements"));
        match (range, index.sort) {
            (Some((low, high)), _) if low >= 0 && high < i64::from(extent) => Ok(()),
            (Some((_, high)), Sort::Class(_)) => {
                let message = format!("`{text}` is one of {} cases, but {has}", high + 1);
                let diagnostic = Diagnostic::error(codes::CLASS_RANGE, message)
                    .at(span, format!("a class of {} cases", high + 1))
                    .at(base.span, format!("its shape is read by a class of at most {extent} cases here"))
                    .help("give both the same number of cases");
                self.report(diagnostic)
            }
            (Some((low, high)), _) => {
                let message = format!("`{text}` is between {low} and {high}, but {has}");
                self.error(codes::INDEX_OUT_OF_RANGE, message, span, "may leave the array")
            }
            (None, _) => {
                let message = format!("nothing bounds `{text}`, and {has}");
                self.error(codes::INDEX_OUT_OF_RANGE, message, span, "may leave the array")
            }
        }
    }
}
