//! Names and the paths of instances: what a word means in the body being elaborated.

use super::context::Elaborator;
use super::recurrence::Cycle;
use super::statics::{Number, Static};
use super::values::{Array, Sort, Tried, Value, VarId};
use crate::circuit::{Leaf, PlaceId, StepValue};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::{self, Decl, Name, Stmt, StmtKind};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::Range;

/// What a body is the body of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BodyKind {
    /// A net.
    Net,
    /// A function.
    Function,
    /// A layer.
    Layer,
    /// An optimizer.
    Optimizer,
    /// A schedule.
    Schedule,
}

/// A name in a body.
#[derive(Clone, Debug)]
pub struct Entry<'p> {
    /// What it means; an error where its definition failed, and was reported.
    pub value: Tried<Value<'p>>,
    /// Its definition.
    pub span: Span,
    /// For a size bound by a header: the argument that gave it.
    pub from: Option<Span>,
}

/// What an index name is bound to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Bound {
    /// One variable.
    Var(VarId),
    /// One variable an axis of a pack.
    Pack(Vec<VarId>),
}

/// How far a statement has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Not begun.
    Waiting,
    /// Begun: reading what it defines, but by a lag, would never end.
    Running,
    /// Elaborated.
    Done,
}

/// A statement of the body with its progress.
#[derive(Clone, Debug)]
pub struct Pending<'p> {
    /// The statement.
    pub statement: &'p Stmt,
    /// How far it has come.
    pub progress: Progress,
    /// Of a choice: the statements of the branch that it takes, among those that wait.
    pub taken: Option<Range<usize>>,
}

/// A body being elaborated: the net, or a call.
#[derive(Debug)]
pub struct Frame<'p> {
    /// What it is the body of.
    pub kind: BodyKind,
    /// Name of what was called.
    pub callee: Option<&'p str>,
    /// Its definition, by which a call of itself is seen.
    pub definition: Option<*const ast::Definition>,
    /// Its name in its header.
    pub declared: Option<Span>,
    /// The call, in the caller's text.
    pub call: Option<Span>,
    /// Whether the body is the library's.
    pub library: bool,
    /// Path of the instance, the owner of parameters; empty for the net.
    pub instance: String,
    /// Path of the call, the owner of inner values and draws. Differs from that of the instance where that is
    /// called a second time.
    pub path: String,
    /// Index variables that the arguments carry, ascending.
    pub mapped: Vec<VarId>,
    /// What the body's names mean.
    pub names: FxHashMap<String, Entry<'p>>,
    /// Extents of rank packs.
    pub packs: FxHashMap<String, Vec<u32>>,
    /// The outputs that the header declares.
    pub outputs: &'p [Decl],
    /// Names of settings, in order, for notes.
    pub settings: Vec<&'p str>,
    /// Index names in force, outermost first.
    pub indices: Vec<(String, Bound)>,
    /// The statements.
    pub pending: Vec<Pending<'p>>,
    /// Which statement defines a name or a label (`v'` for the next value of a state).
    pub definers: FxHashMap<String, usize>,
    /// Names that only a branch not taken defines, with its condition.
    pub untaken: FxHashMap<String, Span>,
    /// The equation being elaborated: the part of a path between owner and callee.
    pub equation: Option<&'p str>,
    /// The label that the next occurrence of a function or layer takes.
    pub label: Option<&'p Name>,
    /// The copy of a repeated stage that is being made.
    pub copy: Option<super::repeats::Copy>,
    /// Next values of an optimizer's inputs and states, and of a net's states.
    pub next: FxHashMap<String, (Array, Span)>,
    /// Names that something read.
    pub read: FxHashSet<String>,
    /// Equations that depend on one another.
    pub cycles: Vec<Cycle<'p>>,
    /// The statement being elaborated.
    pub current: Option<&'p Stmt>,
    /// Where values built now come from.
    pub place: Option<PlaceId>,
    /// Of an optimizer, the shape of the weights that it takes, and where its header says so.
    pub weights: Option<(Vec<u32>, Span)>,
    /// Whether a metric called it.
    pub in_metric: bool,
}

impl<'p> Frame<'p> {
    /// A body without names.
    pub fn new(kind: BodyKind, library: bool) -> Self {
        Frame {
            kind,
            callee: None,
            definition: None,
            declared: None,
            call: None,
            library,
            instance: String::new(),
            path: String::new(),
            mapped: vec![],
            names: FxHashMap::default(),
            packs: FxHashMap::default(),
            outputs: &[],
            settings: vec![],
            indices: vec![],
            pending: vec![],
            definers: FxHashMap::default(),
            untaken: FxHashMap::default(),
            equation: None,
            label: None,
            copy: None,
            next: FxHashMap::default(),
            read: FxHashSet::default(),
            cycles: vec![],
            current: None,
            place: None,
            weights: None,
            in_metric: false,
        }
    }

    /// `dense: M = 10, bias = true`, for a note.
    pub fn describe_settings(&self) -> Option<String> {
        let values = self.settings.iter().filter_map(|&name| match &self.names.get(name)?.value {
            Ok(Value::Static(value)) => Some(format!("{name} = {value}")),
            _ => None,
        });
        let values: Vec<String> = values.collect();
        (!values.is_empty())
            .then(|| format!("settings of `{}`: {}", self.callee.unwrap_or("?"), values.join(", ")))
    }

    /// What an index name is bound to.
    pub fn index(&self, name: &str) -> Option<&Bound> {
        self.indices.iter().rev().find(|(known, _)| known == name).map(|(_, bound)| bound)
    }
}

/// `a.b`, or `b` where `a` is empty.
pub fn join(owner: &str, name: &str) -> String {
    if owner.is_empty() { name.to_string() } else { format!("{owner}.{name}") }
}

/// Calls `f` with every name that a statement defines, next values with a `'`, and every label in it.
pub fn for_each_defined(statement: &Stmt, f: &mut impl FnMut(String, Span)) {
    match &statement.kind {
        StmtKind::Declare { decls, .. } => {
            for declared in decls {
                f(declared.decl.name.text.clone(), declared.decl.name.span);
            }
        }
        StmtKind::Output { name, value } | StmtKind::Metric { name, value } => {
            if let Some(value) = value {
                f(name.text.clone(), name.span);
                for_each_label(value, f);
            }
        }
        StmtKind::If { then, otherwise, .. } => {
            for inner in then.iter().chain(otherwise.iter().flatten()) {
                for_each_defined(inner, f);
            }
        }
        StmtKind::Define { targets, value, .. } => {
            for target in targets {
                f(target_key(&target.name.text, target.primed), target.name.span);
            }
            for_each_label(value, f);
        }
    }
}

/// `v'` for the next value of `v`.
pub fn target_key(name: &str, primed: bool) -> String {
    if primed { format!("{name}'") } else { name.to_string() }
}

fn for_each_label(expr: &ast::Expr, f: &mut impl FnMut(String, Span)) {
    if let ast::ExprKind::Labelled { label, .. } = &expr.kind {
        f(label.text.clone(), label.span);
    }
    super::walk::for_each_child(expr, &mut |child| for_each_label(child, f));
}

impl<'p> Elaborator<'p> {
    /// Gives a name of the body its meaning. No shadowing: a second definition is an error.
    pub fn define(&mut self, name: &Name, value: Tried<Value<'p>>) {
        self.define_from(name, value, None);
    }

    /// As [`Elaborator::define`], for a size that an argument gave.
    pub fn define_from(&mut self, name: &Name, value: Tried<Value<'p>>, from: Option<Span>) {
        if let Some(first) = self.here().names.get(&name.text).map(|entry| entry.span) {
            let _ = self.report::<()>(super::program::defined_twice(name, first));
            return;
        }
        self.frame().names.insert(name.text.clone(), Entry { value, span: name.span, from });
    }

    /// What a name means as a value.
    pub fn resolve(&mut self, name: &Name) -> Tried<Value<'p>> {
        if let Some(value) = self.resolve_local(&name.text, name.span)? {
            return Ok(value);
        }
        if let Some(value) = self.builtin(&name.text) {
            return Ok(value);
        }
        self.unknown(name)
    }

    /// What a name of the body itself means: an index, a setting, a size, a value.
    pub fn resolve_local(&mut self, name: &str, span: Span) -> Tried<Option<Value<'p>>> {
        if let Some(bound) = self.here().index(name).cloned() {
            return match bound {
                Bound::Var(var) => Ok(Some(Value::Array(self.index_value(var)))),
                Bound::Pack(_) => {
                    let message = format!("`{name}` stands for several indices");
                    self.error(codes::WRONG_KIND_OF_NAME, message, span, "used as one value")
                }
            };
        }
        self.force(name, span)?;
        let Some(entry) = self.frame().names.get(name) else { return Ok(None) };
        let value = entry.value.clone()?;
        self.frame().read.insert(name.to_string());
        if let Value::Array(array) = &value
            && array.home != self.home
        {
            let message =
                format!("an initial value cannot depend on `{name}`, which is known only in training");
            return self.error(codes::NOT_STATIC, message, span, "not known before training");
        }
        Ok(Some(value))
    }

    /// The value of an index as a number.
    pub fn index_value(&mut self, var: VarId) -> Array {
        let extent = self.var(var).extent;
        let value = self.circuit.iota(extent);
        let sort = Sort::Integer(Some((0, i64::from(extent) - 1)));
        Array { value, vars: vec![var], dims: vec![], sort, home: self.home }
    }

    /// Elaborates the statement that defines a name, if it is waiting; a running one would never end.
    pub fn force(&mut self, key: &str, span: Span) -> Tried<()> {
        self.run_definer(key);
        let Some(&at) = self.here().definers.get(key) else { return Ok(()) };
        match self.here().pending[at].progress {
            Progress::Running if !self.here().names.contains_key(key) => {
                self.endless(key, span, self.here().pending[at].statement.span)
            }
            _ => Ok(()),
        }
    }

    /// Elaborates the statement that defines a name, if it is waiting. If that is a choice, it is one of its branch.
    pub fn run_definer(&mut self, key: &str) {
        while let Some(&at) = self.here().definers.get(key)
            && self.here().pending[at].progress == Progress::Waiting
        {
            self.run_pending(at);
        }
    }

    /// Whether the statement that defines a name is being elaborated.
    pub fn is_under_way(&self, key: &str) -> bool {
        let frame = self.here();
        let progress = frame.definers.get(key).map(|&at| frame.pending[at].progress);
        progress == Some(Progress::Running) && !frame.names.contains_key(key)
    }

    fn endless(&mut self, key: &str, span: Span, definition: Span) -> Tried<()> {
        let message = format!("`{key}` depends on itself");
        let diagnostic = Diagnostic::error(codes::RECURRENCE_ENDLESS, message)
            .at(span, format!("reads `{key}` while it is being defined"))
            .at(definition, "in this statement")
            .help("a recurrence is made of equations that read earlier or later elements: `h[t - 1] else 0`");
        self.report(diagnostic)
    }

    /// Names that every body knows.
    pub fn builtin(&mut self, name: &str) -> Option<Value<'p>> {
        let step = |leaf, this: &mut Self| {
            let value = this.circuit.leaf(Leaf::Step(leaf));
            Value::Array(Array { value, vars: vec![], dims: vec![], sort: Sort::Real, home: this.home })
        };
        Some(match name {
            "pi" => Value::Static(Static::Number(Number::real(std::f64::consts::PI))),
            "inf" => Value::Static(Static::Number(Number::real(f64::INFINITY))),
            "true" => Value::Static(Static::Bool(true)),
            "false" => Value::Static(Static::Bool(false)),
            "training" => {
                self.asks_training = true;
                Value::Static(Static::Bool(self.training))
            }
            "step" => step(StepValue::Step, self),
            "steps" => step(StepValue::Steps, self),
            "epoch" => step(StepValue::Epoch, self),
            _ => return None,
        })
    }
}
