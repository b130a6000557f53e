//! `param`, `state`, `input`, `target`: the slots of a circuit.

use super::context::{Elaborator, Owned};
use super::scope::{BodyKind, join};
use super::sizes::Given;
use super::statements::size_letters;
use super::values::{Array, Home, Sort, Tried, Value};
use super::walk::{for_each_child, for_each_expr, ungrouped};
use crate::circuit::{Kind, Shape, Slot, SlotRole, ValueId};
use crate::data::Column;
use crate::diagnostic::{Diagnostic, Span, codes, nearest};
use crate::syntax::ast::{Decl, DeclRole, Declared, Expr, ExprKind, How, IndexArg};

impl<'p> Elaborator<'p> {
    /// One statement of declarations.
    pub fn declare(&mut self, role: DeclRole, decls: &'p [Declared]) {
        for declared in decls {
            let decl = &declared.decl;
            self.frame().equation = Some(&decl.name.text);
            let known = self.here().names.contains_key(&decl.name.text);
            let array = self.at(decl.span, |this| this.declare_one(role, declared));
            self.define(&decl.name, array.clone().map(Value::Array));
            if let (Ok(array), false) = (array, known) {
                let path = self.slot_path(role, decl);
                let letters = self.letters_in_use(decl).unwrap_or_else(|| size_letters(decl));
                self.name(&path, &array, &letters, decl.span);
            }
        }
    }

    /// The indices by which the body first reads what it declares: `f, c, u, v` of `w[f, c, u, v]`.
    fn letters_in_use(&self, decl: &Decl) -> Option<Vec<String>> {
        let mut found = None;
        for pending in &self.here().pending {
            for_each_expr(pending.statement, &mut |expr| {
                if found.is_none() {
                    found = plain_indices(expr, &decl.name.text, decl.sizes.len());
                }
            });
        }
        found
    }

    fn slot_path(&self, role: DeclRole, decl: &Decl) -> String {
        match role {
            DeclRole::Param | DeclRole::State => join(&self.here().instance, &decl.name.text),
            DeclRole::Input | DeclRole::Target => decl.name.text.clone(),
        }
    }

    fn declare_one(&mut self, role: DeclRole, declared: &'p Declared) -> Tried<Array> {
        let decl = &declared.decl;
        let kind = self.here().kind;
        match role {
            DeclRole::State if kind == BodyKind::Optimizer => self.moment(declared),
            DeclRole::Param | DeclRole::State if matches!(kind, BodyKind::Net | BodyKind::Layer) => {
                self.owned_slot(role, declared)
            }
            DeclRole::Input | DeclRole::Target if kind == BodyKind::Net => self.column_slot(role, declared),
            DeclRole::Param | DeclRole::State => {
                let diagnostic = Diagnostic::error(
                    codes::WRONG_KIND_OF_NAME,
                    "a function owns no parameters and no states",
                )
                .at(decl.span, "declared in a function")
                .help("write `layer` instead of `fn`");
                self.report(diagnostic)
            }
            DeclRole::Input | DeclRole::Target => {
                let diagnostic = Diagnostic::error(
                    codes::WRONG_KIND_OF_NAME,
                    "only a net has inputs and targets",
                )
                .at(decl.span, "declared outside of a net")
                .help(
                    "the inputs of a layer or function stand in its header: `layer name(...)(x[N]) -> y[M]`",
                );
                self.report(diagnostic)
            }
        }
    }

    /// A parameter or a state of the net or of an instance; the one there is, if the instance was called before.
    fn owned_slot(&mut self, role: DeclRole, declared: &'p Declared) -> Tried<Array> {
        let decl = &declared.decl;
        let dims = self.declared_dims(decl)?;
        if let Some(ty) = &decl.ty {
            return self.error(
                codes::WRONG_KIND_OF_NAME,
                "parameters and states are numbers",
                ty.span,
                "no type belongs here",
            );
        }
        let path = self.slot_path(role, decl);
        let call = self.here().call.unwrap_or(decl.span);
        if let Some(owned) = self.owned.get(&path).cloned() {
            return if owned.array.dims == dims {
                Ok(owned.array)
            } else {
                self.second_size(decl, &owned, &dims, call)
            };
        }
        let shape = self.shared(&dims)?;
        let initial = self.initial_value(&path, declared, &dims);
        let slot_role = if role == DeclRole::Param { SlotRole::Param } else { SlotRole::State };
        let value = self.slot(&path, slot_role, shape, Sort::Real, decl.span);
        let array = Array { value, vars: vec![], dims, sort: Sort::Real, home: self.home };
        let slot = self.slot_of(value);
        self.owned.insert(path, Owned { slot, array: array.clone(), call });
        self.initial_values.push((slot, initial?));
        Ok(array)
    }

    fn second_size<T>(&mut self, decl: &'p Decl, owned: &Owned, dims: &[u32], call: Span) -> Tried<T> {
        let text = self.written(decl.span);
        let message =
            format!("`{text}` was made with the shape {:?}, but here it would be {dims:?}", owned.array.dims);
        let diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, message)
            .at(call, format!("this call asks for {dims:?}"))
            .at(owned.call, format!("the first call made it {:?}", owned.array.dims))
            .at(decl.span, "one instance has one set of parameters")
            .help("use two instances");
        self.report(diagnostic)
    }

    /// A slot's leaf.
    pub fn slot(&mut self, name: &str, role: SlotRole, shape: Shape, sort: Sort, span: Span) -> ValueId {
        let (kind, classes) = match sort {
            Sort::Class(cases) => (Kind::Integer, Some(cases)),
            Sort::Integer(_) => (Kind::Integer, None),
            Sort::Boolean => (Kind::Boolean, None),
            Sort::Real => (Kind::Real, None),
        };
        self.circuit.declare(Slot { name: name.to_string(), role, shape, kind, classes, span: Some(span) })
    }

    /// The slot that a leaf reads.
    pub fn slot_of(&self, value: ValueId) -> crate::circuit::SlotId {
        match self.circuit.node(value) {
            crate::circuit::Node::Leaf(crate::circuit::Leaf::Slot(slot)) => *slot,
            other => unreachable!("the leaf of a slot is {other:?}"),
        }
    }

    /// The initial value of a slot, in the circuit of initial values.
    fn initial_value(&mut self, path: &str, declared: &'p Declared, dims: &[u32]) -> Tried<ValueId> {
        let decl = &declared.decl;
        let Some((how, expr)) = &declared.init else {
            let text = self.written(decl.span);
            let diagnostic =
                Diagnostic::error(codes::MISSING_PART, format!("`{}` has no initial value", decl.name.text))
                    .at(decl.span, "how does it begin?")
                    .help(format!("`{text} = 0`, or a draw: `{text} ~ glorot(N, M)`"));
            return self.report(diagnostic);
        };
        self.initially(|this| {
            this.at(expr.span, |this| match how {
                How::Draws => {
                    let distribution = this.distribution(expr)?;
                    let array = this.draw(&distribution, path, &[], dims, false)?;
                    this.filled(&array, dims).map(|array| array.value)
                }
                How::Equals => this.initial_constant(expr, dims),
            })
        })
    }

    fn initial_constant(&mut self, expr: &'p Expr, dims: &[u32]) -> Tried<ValueId> {
        debug_assert_eq!(self.home, Home::Initial);
        let array = self.array(expr)?;
        if array.dims.is_empty() || array.dims == dims {
            return self.filled(&array, dims).map(|array| array.value);
        }
        let message = format!("the initial value has the shape {:?}, but {dims:?} is declared", array.dims);
        self.error(codes::SIZE_MISMATCH, message, expr.span, "of another shape")
    }

    /// An input or a target: a column of the data.
    fn column_slot(&mut self, role: DeclRole, declared: &'p Declared) -> Tried<Array> {
        let decl = &declared.decl;
        if let Some((_, init)) = &declared.init {
            return self.error(
                codes::WRONG_KIND_OF_NAME,
                "a column comes from the data",
                init.span,
                "no value belongs here",
            );
        }
        let column = match self.data {
            None => None,
            Some(data) => Some(self.column(decl, data)?),
        };
        let span = column.map_or(decl.span, |column| column.span);
        let dims = match column {
            Some(column) => {
                self.bind_sizes(decl, Given { dims: &column.dims, span, what: "the data" })?;
                column.dims.clone()
            }
            None => self.declared_dims(decl)?,
        };
        let sort = match (&decl.ty, column) {
            (Some(ty), Some(column)) => {
                let found = self.column_sort(column);
                Sort::Class(self.bind_class(ty, found, span, "the data")?)
            }
            (Some(ty), None) => Sort::Class(self.class_of_type(ty)?),
            (None, Some(column)) if column.vocabulary.is_some() => return self.class_expected(decl, column),
            (None, _) => Sort::Real,
        };
        let role = if role == DeclRole::Input { SlotRole::Input } else { SlotRole::Target };
        let shape = self.shape(true, &[], &dims)?;
        let value = self.slot(&decl.name.text, role, shape, sort, decl.span);
        Ok(Array { value, vars: vec![], dims, sort, home: self.home })
    }

    fn column<'d>(&mut self, decl: &'p Decl, data: &'d crate::data::Dataset) -> Tried<&'d Column> {
        let name = &decl.name.text;
        if let Some(column) = data.column(name) {
            return Ok(column);
        }
        let names: Vec<&str> = data.columns.iter().map(|column| column.name.as_str()).collect();
        let diagnostic = Diagnostic::error(
            codes::DATA_MISMATCH,
            format!("the data `{}` has no column `{name}`", data.name),
        )
        .at(decl.name.span, "asked for here")
        .at(data.span, format!("its columns are: {}", names.join(", ")));
        self.report(match nearest(name, names.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic,
        })
    }

    /// What the elements of a column are: a vocabulary, whole numbers up to the largest, or numbers.
    fn column_sort(&self, column: &Column) -> Sort {
        match (&column.vocabulary, column.kind) {
            (Some(words), _) => Sort::Class(u32::try_from(words.len()).unwrap_or(u32::MAX)),
            (None, Kind::Integer) => {
                let largest = column.data.iter().fold(0.0f64, f64::max);
                Sort::Integer(Some((0, largest as i64)))
            }
            _ => Sort::Real,
        }
    }

    fn class_expected<T>(&mut self, decl: &'p Decl, column: &Column) -> Tried<T> {
        let (name, count) = (&decl.name.text, column.vocabulary.as_ref().map_or(0, Vec::len));
        let text = self.written(decl.span);
        let diagnostic = Diagnostic::error(
            codes::DATA_MISMATCH,
            format!("`{name}` is a class in the data, but a number here"),
        )
        .at(decl.span, "declared without a type")
        .at(column.span, format!("a class of {count} cases"))
        .help(format!("write `{text}: class({count})`"));
        self.report(diagnostic)
    }

    /// The number of cases of `class(K)` where no data is at hand.
    fn class_of_type(&mut self, ty: &'p Expr) -> Tried<u32> {
        let known = self.bind_class(ty, Sort::Integer(Some((0, 0))), ty.span, "the data")?;
        Ok(known)
    }

    /// A state of an optimizer: one number for each weight.
    fn moment(&mut self, declared: &'p Declared) -> Tried<Array> {
        let decl = &declared.decl;
        let dims = self.declared_dims(decl)?;
        let (weights, input) = self.here().weights.clone().unwrap_or((vec![], decl.span));
        if dims != weights {
            let message = format!(
                "the state `{}` of an optimizer is {dims:?}, but the weights are {weights:?}",
                decl.name.text
            );
            let diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, message)
                .at(decl.span, "not of the shape of the weights")
                .at(input, "these weights")
                .help("a state is one number for each weight: `state m = 0` with `(w, g)`, `state m[..S] = 0` with `(w[..S], g[..S])`");
            return self.report(diagnostic);
        }
        let initial = match &declared.init {
            Some((How::Equals, expr)) => self.static_number(expr, "what a moment begins with")?.value,
            _ => {
                let message = format!("the state `{}` begins with a number", decl.name.text);
                return self.error(codes::MISSING_PART, message, decl.span, "write `= 0`");
            }
        };
        let vars = self.here().mapped.clone();
        let shape = self.shape(false, &vars, &dims)?;
        let value = self.slot(&decl.name.text, SlotRole::Moment, shape, Sort::Real, decl.span);
        self.moments.push((decl.name.text.clone(), value, initial));
        Ok(Array { value, vars, dims, sort: Sort::Real, home: self.home })
    }
}

/// The first read of an array within an expression whose indices are as many names, each another.
fn plain_indices(expr: &Expr, array: &str, rank: usize) -> Option<Vec<String>> {
    if let ExprKind::Index { base, indices } = &expr.kind
        && matches!(&ungrouped(base).kind, ExprKind::Name { name, primed: false } if name.text == array)
    {
        let name = |index: &IndexArg| match index {
            IndexArg::Expr(Expr { kind: ExprKind::Name { name, primed: false }, .. }) => {
                Some(name.text.clone())
            }
            _ => None,
        };
        let names: Option<Vec<String>> = indices.iter().map(name).collect();
        let distinct = |names: &Vec<String>| (1..names.len()).all(|k| !names[..k].contains(&names[k]));
        if let Some(names) = names.filter(|names| names.len() == rank && distinct(names)) {
            return Some(names);
        }
    }
    let mut found = None;
    for_each_child(expr, &mut |child| {
        if found.is_none() {
            found = plain_indices(child, array, rank);
        }
    });
    found
}
