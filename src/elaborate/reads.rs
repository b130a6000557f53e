//! Reads of arrays by indices: affine ones become views, integer values become gathers.

use super::affine::AffineForm;
use super::context::Elaborator;
use super::scope::Bound;
use super::statics::{Number, Static};
use super::values::{Array, Sort, Tried, Value, VarId};
use super::walk::{for_each_child, ungrouped};
use crate::circuit::node::F64;
use crate::circuit::view::Affine;
use crate::circuit::{ValueId, View, gates};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, IndexArg, Name, UnaryOp};

/// One index of a read.
#[derive(Clone, Debug)]
pub enum Form {
    /// Known for each value of the index variables.
    Affine(AffineForm),
    /// An integer that the running program computes.
    Value(Array),
}

/// One dimension of a read, ready to build.
#[derive(Clone, Debug)]
pub struct Coordinate {
    /// Where it reads.
    pub form: Form,
    /// The index as written.
    pub span: Span,
}

/// What lies outside of an array.
#[derive(Clone, Copy)]
pub enum Otherwise<'p> {
    /// Nothing: the read must stay inside.
    Proved,
    /// `read else e`
    Default(&'p Expr),
}

impl<'p> Elaborator<'p> {
    /// `base[indices]`
    pub fn read(&mut self, base: &'p Expr, indices: &'p [IndexArg], span: Span) -> Tried<Array> {
        self.read_or(base, indices, span, Otherwise::Proved)
    }

    /// `read else default`
    pub fn read_else(&mut self, read: &'p Expr, default: &'p Expr) -> Tried<Array> {
        match &ungrouped(read).kind {
            ExprKind::Index { base, indices } => {
                self.read_or(base, indices, read.span, Otherwise::Default(default))
            }
            _ => self.error(
                codes::MISPLACED_DEFAULT,
                "`else` follows a read such as `x[i - 1]`",
                read.span,
                "not a read",
            ),
        }
    }

    fn read_or(
        &mut self,
        base: &'p Expr,
        indices: &'p [IndexArg],
        span: Span,
        otherwise: Otherwise<'p>,
    ) -> Tried<Array> {
        if let Some(lagged) = self.recurrent_read(base, indices, span, otherwise)? {
            return Ok(lagged);
        }
        let array = self.array(base)?;
        let mut coordinates = vec![];
        for index in indices {
            self.coordinates(index, array.dims.len(), base.span, &mut coordinates)?;
        }
        if coordinates.len() > array.dims.len() {
            return self.too_many_indices(base.span, &array.dims, coordinates.len(), span);
        }
        self.build_read(&array, coordinates, base, otherwise)
    }

    /// Reports more indices than there are axes.
    pub fn too_many_indices<T>(&mut self, base: Span, dims: &[u32], given: usize, span: Span) -> Tried<T> {
        let text = self.written(base);
        let given = if given == 1 { "1 index is".to_string() } else { format!("{given} indices are") };
        let has = match dims.len() {
            0 => "is a single number".to_string(),
            rank => format!("has {}", plural(rank, "axis", "axes")),
        };
        let diagnostic =
            Diagnostic::error(codes::RANK_MISMATCH, format!("`{text}` {has}, but {given} given"))
                .at(span, "too many indices")
                .at(base, format!("this has the shape {dims:?}"));
        self.report(if dims.is_empty() {
            diagnostic.help(format!("read it without brackets: `{text}`"))
        } else {
            diagnostic
        })
    }

    /// The indices of one index argument of a read of so many axes: one, or several for a pack.
    pub fn coordinates(
        &mut self,
        index: &'p IndexArg,
        rank: usize,
        base: Span,
        out: &mut Vec<Coordinate>,
    ) -> Tried<()> {
        match index {
            IndexArg::Expr(expr) => {
                let form = self.form(expr)?;
                out.push(Coordinate { form, span: expr.span });
                Ok(())
            }
            IndexArg::Pack(name) => {
                let vars = self.pack_vars(name, rank, out.len(), base)?;
                let coordinate =
                    |var| Coordinate { form: Form::Affine(AffineForm::var(var)), span: name.span };
                out.extend(vars.into_iter().map(coordinate));
                Ok(())
            }
            IndexArg::Range { first, last } => {
                let message = "a range of columns belongs into a data block";
                self.error(codes::INDEX_NOT_AFFINE, message, first.span.to(last.span), "not an index")
            }
        }
    }

    fn pack_vars(&mut self, name: &Name, rank: usize, before: usize, base: Span) -> Tried<Vec<VarId>> {
        match self.here().index(&name.text).cloned() {
            Some(Bound::Pack(vars)) if before + vars.len() <= rank => Ok(vars),
            Some(Bound::Pack(vars)) => {
                let message = format!(
                    "`..{}` stands for {}, more than this has",
                    name.text,
                    plural(vars.len(), "axis", "axes")
                );
                self.error(codes::RANK_MISMATCH, message, base, "too few axes")
            }
            _ => self.unbound(name),
        }
    }

    /// Reports an index that nothing binds.
    fn unbound<T>(&mut self, name: &Name) -> Tried<T> {
        let text = &name.text;
        let known: Vec<String> = self.here().indices.iter().map(|(name, _)| name.clone()).collect();
        let diagnostic = Diagnostic::error(codes::UNBOUND_INDEX, format!("nothing binds the index `{text}`"))
            .at(name.span, "not bound here");
        let diagnostic = if known.is_empty() {
            diagnostic
        } else {
            diagnostic.note(format!("the indices bound here are: {}", known.join(", ")))
        };
        self.report(
            diagnostic.help(format!("write `{text}` on the left side, or reduce over it: `sum[{text}] ...`")),
        )
    }

    /// Whether a name means nothing at all here, so that within brackets it must be a forgotten index.
    fn is_unknown(&mut self, name: &str) -> bool {
        let frame = self.here();
        frame.index(name).is_none()
            && !frame.names.contains_key(name)
            && !frame.definers.contains_key(name)
            && !["pi", "inf", "step", "steps", "epoch", "training", "batch", "true", "false"].contains(&name)
    }

    /// The form of an index expression.
    fn form(&mut self, expr: &'p Expr) -> Tried<Form> {
        if let ExprKind::Tuple(parts) = &ungrouped(expr).kind {
            return self.grouped_form(parts, expr.span);
        }
        if may_be_affine(expr)
            && let Some(affine) = self.affine(expr)?
        {
            return Ok(Form::Affine(affine));
        }
        match self.expr(expr)? {
            Value::Array(array) => Ok(Form::Value(array)),
            Value::Static(Static::Number(number)) => Ok(Form::Affine(AffineForm::constant(number))),
            Value::Static(Static::Bool(_)) | Value::Callable(_) => {
                self.error(codes::EXPECTED_INTEGER, "an index is a whole number", expr.span, "not a number")
            }
        }
    }

    /// The affine form of an expression over index variables, if it has one.
    fn affine(&mut self, expr: &'p Expr) -> Tried<Option<AffineForm>> {
        match &expr.kind {
            ExprKind::Group(inner) => self.affine(inner),
            ExprKind::Name { name, primed: false } => {
                if let Some(Bound::Var(var)) = self.here().index(&name.text) {
                    return Ok(Some(AffineForm::var(*var)));
                }
                if self.is_unknown(&name.text) {
                    return self.unbound(name);
                }
                self.constant_form(expr)
            }
            ExprKind::Unary { op: UnaryOp::Neg, value } => {
                Ok(self.affine(value)?.map(|form| form.scaled(Number::whole(-1))))
            }
            ExprKind::Binary { op, left, right }
                if matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div) =>
            {
                let (Some(left), Some(right)) = (self.affine(left)?, self.affine(right)?) else {
                    return Ok(None);
                };
                Ok(combined(*op, &left, &right))
            }
            _ => self.constant_form(expr),
        }
    }

    /// A static number as a form; `None` for what is computed by the running program.
    fn constant_form(&mut self, expr: &'p Expr) -> Tried<Option<AffineForm>> {
        Ok(match self.expr(expr)? {
            Value::Static(Static::Number(number)) => Some(AffineForm::constant(number)),
            _ => None,
        })
    }

    /// `(c, i, j)`: one index made of several, row-major by their ranges.
    fn grouped_form(&mut self, parts: &'p [Expr], span: Span) -> Tried<Form> {
        let mut form = AffineForm::constant(Number::whole(0));
        for part in parts {
            let ExprKind::Name { name, .. } = &ungrouped(part).kind else {
                return self.error(
                    codes::INDEX_NOT_AFFINE,
                    "a group is of plain indices: `(c, i, j)`",
                    span,
                    "not plain",
                );
            };
            let Some(Bound::Var(var)) = self.here().index(&name.text).cloned() else {
                return self.unbound(name);
            };
            let extent = Number::whole(i64::from(self.var(var).extent));
            form = form.scaled(extent).plus(&AffineForm::var(var));
        }
        Ok(Form::Affine(form))
    }

    /// Builds the read: one view over all index variables, in which each integer value has a variable of its own,
    /// then one gather for each of those.
    pub fn build_read(
        &mut self,
        array: &Array,
        coordinates: Vec<Coordinate>,
        base: &'p Expr,
        otherwise: Otherwise<'p>,
    ) -> Tried<Array> {
        let mut forms = vec![];
        let mut gathers: Vec<(VarId, Array)> = vec![];
        let mut batch = self.is_per_example(array);
        for (k, coordinate) in coordinates.into_iter().enumerate() {
            let extent = array.dims[k];
            match coordinate.form {
                Form::Affine(form) => forms.push((form, coordinate.span)),
                Form::Value(index) => {
                    self.check_integer_index(&index, extent, k, coordinate.span, base)?;
                    batch |= self.is_per_example(&index);
                    let var = self.new_var("v", extent);
                    forms.push((AffineForm::var(var), coordinate.span));
                    gathers.push((var, index));
                }
            }
        }
        let mut vars: Vec<VarId> = forms.iter().flat_map(|(form, _)| form.terms.keys().copied()).collect();
        vars.extend(&array.vars);
        vars.sort_unstable();
        vars.dedup();
        let (view, escapes) = self.read_view(array, &forms, &vars, batch, base, otherwise)?;
        let mut result = self.apply_view(array, view, &vars, forms.len(), escapes, otherwise)?;
        for (var, index) in gathers {
            result = self.gather(&result, var, &index)?;
        }
        Ok(result)
    }

    /// The view of a read without its fill, and whether it can be outside.
    fn read_view(
        &mut self,
        array: &Array,
        forms: &[(AffineForm, Span)],
        vars: &[VarId],
        batch: bool,
        base: &'p Expr,
        otherwise: Otherwise<'p>,
    ) -> Tried<(View, bool)> {
        let trailing = &array.dims[forms.len()..];
        let out = self.shape(batch, vars, trailing)?;
        let rank = out.dims.len();
        let position = |var: &VarId| vars.iter().position(|v| v == var).expect("in the union");
        let mut coords: Vec<Affine> =
            array.vars.iter().map(|var| Affine::axis(position(var), rank)).collect();
        let mut escapes = false;
        for (k, (form, span)) in forms.iter().enumerate() {
            let Some(coordinate) = form.coordinate(vars, trailing.len()) else {
                let message = "an index must be exact: whole numbers and fractions of them";
                return self.error(codes::INDEX_NOT_AFFINE, message, *span, "not exact");
            };
            if let Some(outside) = self.outside(&coordinate, vars, array.dims[k]) {
                escapes = true;
                if matches!(otherwise, Otherwise::Proved) {
                    return self.out_of_range(&outside, array, k, base, *span);
                }
            }
            coords.push(coordinate);
        }
        coords.extend((0..trailing.len()).map(|k| Affine::axis(vars.len() + k, rank)));
        Ok((View { out, coords, guards: vec![], fill: F64::new(0.0) }, escapes))
    }

    /// Reports a read that may leave its array, with the index values that do it.
    fn out_of_range<T>(
        &mut self,
        outside: &super::affine::Outside,
        array: &Array,
        axis: usize,
        base: &'p Expr,
        span: Span,
    ) -> Tried<T> {
        let name = self.written(base.span);
        let values: Vec<String> =
            outside.at.iter().map(|&(var, at)| format!("{} = {at}", self.var(var).name)).collect();
        let mut position = vec!["..".to_string(); axis];
        position.push(outside.position.clone());
        let extent = array.dims[axis];
        let along = if array.dims.len() > 1 { format!(" along axis {axis}") } else { String::new() };
        let has = format!("`{name}` has {}{along}", plural(extent as usize, "element", "elements"));
        let read = format!("`{name}[{}]`", position.join(", "));
        let is_fraction = outside.position.contains('/');
        let what = match (values.is_empty(), is_fraction) {
            (true, false) => format!("{read} is read, but {has}"),
            (false, false) => format!("`{}` reads {read}, but {has}", values.join(", ")),
            (_, true) => format!("`{}` reads {read}, which is not a whole position", values.join(", ")),
        };
        let diagnostic = Diagnostic::error(codes::INDEX_OUT_OF_RANGE, what)
            .at(span, if is_fraction { "not always whole" } else { "leaves the array" })
            .at(base.span, format!("its shape is {:?}", array.dims));
        let first_is_0 = "indices begin at 0";
        self.report(if values.is_empty() {
            diagnostic.help(first_is_0)
        } else {
            diagnostic.help(format!("say what lies outside: `{name}[...] else 0`, or bound the index"))
        })
    }

    /// The view applied, with what lies outside.
    fn apply_view(
        &mut self,
        array: &Array,
        mut view: View,
        vars: &[VarId],
        indexed: usize,
        escapes: bool,
        otherwise: Otherwise<'p>,
    ) -> Tried<Array> {
        let of = |value: ValueId, vars: &[VarId], this: &Self| Array {
            value,
            vars: vars.to_vec(),
            dims: array.dims[indexed..].to_vec(),
            sort: array.sort,
            home: this.home,
        };
        let Otherwise::Default(default) = otherwise else {
            let value = self.circuit.view(array.value, view);
            return Ok(of(value, vars, self));
        };
        let default_value = self.expr(default)?;
        let (constant, default_array) = match default_value {
            Value::Static(value) => {
                let fill = match value {
                    Static::Number(number) => number.value,
                    Static::Bool(truth) => f64::from(u8::from(truth)),
                };
                (Some(fill), self.constant(value))
            }
            Value::Array(array) => (None, array),
            Value::Callable(_) => {
                return self.error(
                    codes::EXPECTED_SCALAR,
                    "`else` gives a value",
                    default.span,
                    "not a number",
                );
            }
        };
        let sort = self.common_sort(array.sort, default_array.sort, default.span)?;
        if let (Some(constant), true) = (constant, escapes) {
            view.fill = F64::new(constant);
        }
        let inside = view.clone();
        let value = self.circuit.view(array.value, view);
        let read = Array { sort, ..of(value, vars, self) };
        if constant.is_some() || !escapes {
            return Ok(read);
        }
        // Where the view is inside: the same read of ones, 0 outside.
        let ones = self.circuit.shape(array.value).clone();
        let ones = self.circuit.fill(1.0, &crate::circuit::Shape { batch: false, ..ones });
        let mask = self
            .circuit
            .view(ones, View { out: crate::circuit::Shape { batch: false, ..inside.out.clone() }, ..inside });
        let mask = of(mask, vars, self);
        let mask = self.with_number(gates::NE, &mask, 0.0, Sort::Boolean)?;
        self.pointwise(gates::SELECT, &[&mask, &read, &default_array], sort)
    }
}

/// `3 axes`, `1 axis`
pub fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// Whether an expression reads nothing of an array, so that it can be affine. Others are elaborated once, as values:
/// to try both would double the work at each level of reads within reads.
fn may_be_affine(expr: &Expr) -> bool {
    let mut may = !matches!(
        expr.kind,
        ExprKind::Index { .. }
            | ExprKind::Reduce { .. }
            | ExprKind::Pipe(_)
            | ExprKind::Default { .. }
            | ExprKind::Field { .. }
    );
    for_each_child(expr, &mut |child| may = may && may_be_affine(child));
    may
}

fn combined(op: BinaryOp, left: &AffineForm, right: &AffineForm) -> Option<AffineForm> {
    match op {
        BinaryOp::Add => Some(left.plus(right)),
        BinaryOp::Sub => Some(left.plus(&right.scaled(Number::whole(-1)))),
        BinaryOp::Mul => match (left.as_constant(), right.as_constant()) {
            (Some(factor), _) => Some(right.scaled(factor)),
            (_, Some(factor)) => Some(left.scaled(factor)),
            (None, None) => None,
        },
        BinaryOp::Div => {
            let divisor = right.as_constant().filter(|divisor| divisor.value != 0.0)?;
            Some(left.scaled(Number::whole(1).over(divisor)))
        }
        _ => None,
    }
}
