//! Names and the paths of instances: what a word means in the body being elaborated.

use super::context::Elaborator;
use super::statics::{Number, Static};
use super::values::{Array, Failed, Home, Sort, Tried, Value, VarId};
use crate::circuit::{Gate, Leaf, StepValue};
use crate::diagnostic::{Diagnostic, Span, codes, nearest};
use crate::syntax::ast::{self, Decl, Name, Stmt, StmtKind};
use rustc_hash::{FxHashMap, FxHashSet};

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
    /// Begun: reading what it defines is a recurrence.
    Running,
    /// Elaborated.
    Done,
}

/// A statement of the body with its progress.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'p> {
    /// The statement.
    pub statement: &'p Stmt,
    /// How far it has come.
    pub progress: Progress,
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
    /// Next values of an optimizer's inputs and states, and of a net's states.
    pub next: FxHashMap<String, (Array, Span)>,
    /// Names that something read.
    pub read: FxHashSet<String>,
}

impl<'p> Frame<'p> {
    /// A body without names.
    pub fn new(kind: BodyKind, library: bool) -> Self {
        Frame {
            kind,
            callee: None,
            definition: None,
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
            next: FxHashMap::default(),
            read: FxHashSet::default(),
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
pub fn for_each_defined<'p>(statement: &'p Stmt, f: &mut impl FnMut(String, Span)) {
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

    /// Elaborates the statement that defines a name, if it is waiting; a running one is a recurrence.
    pub fn force(&mut self, key: &str, span: Span) -> Tried<()> {
        let Some(&at) = self.here().definers.get(key) else { return Ok(()) };
        match self.here().pending[at].progress {
            Progress::Done => Ok(()),
            Progress::Waiting => {
                self.run_pending(at);
                Ok(())
            }
            Progress::Running if self.here().names.contains_key(key) => Ok(()),
            Progress::Running => self.recurrence(key, span, self.here().pending[at].statement.span),
        }
    }

    fn recurrence(&mut self, key: &str, span: Span, definition: Span) -> Tried<()> {
        let message = format!("`{key}` depends on itself: recurrences are not carried yet");
        let diagnostic = Diagnostic::error(codes::NOT_YET, message)
            .at(span, format!("reads `{key}` while it is being defined"))
            .at(definition, "in this equation")
            .help("write the steps out as equations of their own, or use a feed-forward net");
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

    /// Reports a name that nothing defines, with what is nearest to it.
    pub fn unknown<T>(&mut self, name: &Name) -> Tried<T> {
        let text = &name.text;
        if let Some(error) = self.known_otherwise(name) {
            return self.report(error);
        }
        if let Some(&condition) = self.here().untaken.get(text) {
            let error = Diagnostic::error(codes::UNKNOWN_NAME, format!("`{text}` is not defined here"))
                .at(name.span, "not defined in this program")
                .at(condition, "only the other branch of this condition defines it")
                .help(format!("define `{text}` in both branches"));
            return self.report(error);
        }
        let candidates = self.names_in_reach();
        let near = nearest(text, candidates.iter().map(String::as_str)).map(String::from);
        let error = Diagnostic::error(codes::UNKNOWN_NAME, format!("nothing here is called `{text}`"))
            .at(name.span, "not known");
        self.report(match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    /// The message for a name that means something, but not a value.
    fn known_otherwise(&mut self, name: &Name) -> Option<Diagnostic> {
        let text = name.text.as_str();
        let error = |message: String, help: &str| {
            let error = Diagnostic::error(codes::WRONG_KIND_OF_NAME, message);
            Some(error.at(name.span, "used as a value").help(help))
        };
        match text {
            "batch" => {
                let error = Diagnostic::error(
                    codes::BATCH_MISUSE,
                    "`batch` is not a value: it is the index of the examples",
                );
                return Some(
                    error
                        .at(name.span, "used as a value")
                        .help("`mean[batch] x` is the mean over the examples"),
                );
            }
            "grad" => {
                let error = Diagnostic::error(codes::NOT_YET, "`grad` inside a program is not carried yet");
                return Some(
                    error.at(name.span, "here").help("`nnc grad` prints the gradient of a whole program"),
                );
            }
            "normal" | "uniform" | "bernoulli" => {
                let error =
                    Diagnostic::error(codes::DRAW_MISUSE, format!("`{text}` is a distribution, not a value"));
                return Some(
                    error.at(name.span, "here").help(format!("draw from it by `name ~ {text}(...)`")),
                );
            }
            _ => {}
        }
        let library = self.in_library();
        if let Some((definition, _)) = self.definitions.callable(text, library) {
            let kind = if definition.kind == ast::DefinitionKind::Layer { "layer" } else { "function" };
            return error(
                format!("`{text}` is a {kind}, not a value"),
                "give it its inputs in parentheses, or use it after `|>`",
            );
        }
        let user = &self.definitions.user;
        let is_optimizer =
            user.optimizers.contains_key(text) || self.definitions.library.optimizers.contains_key(text);
        let is_schedule =
            user.schedules.contains_key(text) || self.definitions.library.schedules.contains_key(text);
        if is_optimizer || is_schedule {
            let kind = if is_optimizer { "an optimizer" } else { "a schedule" };
            return error(format!("`{text}` is {kind}, not a value"), "it has its place in a `train` block");
        }
        Gate::called(text)?;
        error(
            format!("`{text}` is a function, not a value"),
            "give it its inputs in parentheses, or use it after `|>`",
        )
    }

    /// Every name that could have been meant.
    fn names_in_reach(&self) -> Vec<String> {
        let frame = self.here();
        let mut names: Vec<String> = frame.names.keys().chain(frame.definers.keys()).cloned().collect();
        names.extend(frame.indices.iter().map(|(name, _)| name.clone()));
        names.extend(["pi", "inf", "step", "steps", "epoch", "training", "true", "false"].map(String::from));
        names.extend(self.callable_names());
        names.sort();
        names.dedup();
        names
    }

    /// Every function, layer and gate in reach.
    pub fn callable_names(&self) -> Vec<String> {
        let library = self.definitions.library.callables.keys();
        let mut names: Vec<String> =
            self.definitions.user.callables.keys().chain(library).map(ToString::to_string).collect();
        names.extend(
            Gate::all()
                .filter(|g| g.row().form == crate::circuit::gates::Form::Call)
                .map(|g| g.row().name.to_string()),
        );
        names.sort();
        names
    }

    /// The path of an occurrence of a function or layer in the body being elaborated: its label, else
    /// `equation.callee`, with `_2` on repeats. The same occurrence has the same path again.
    pub fn occurrence_path(&mut self, callee: &str, span: Span, owned: bool) -> String {
        let frame = self.here();
        let owner = if owned { frame.instance.clone() } else { frame.path.clone() };
        let label = self.frame().label.take();
        let key = (owner.clone(), span);
        if let Some(known) = self.paths.get(&key) {
            return known.clone();
        }
        let wanted = match (label, self.here().equation) {
            (Some(label), _) => join(&owner, &label.text),
            (None, Some(equation)) => join(&join(&owner, equation), callee),
            (None, None) => join(&owner, callee),
        };
        let path = self.unique_path(wanted);
        self.paths.insert(key, path.clone());
        path
    }

    /// A path that nothing has yet: with `_2`, `_3`, ... if need be.
    pub fn unique_path(&mut self, wanted: String) -> String {
        let numbered = (2..).map(|k| format!("{wanted}_{k}"));
        let mut candidates = std::iter::once(wanted.clone()).chain(numbered);
        let path = candidates.find(|path| !self.used_paths.contains(path)).expect("numbers do not end");
        self.used_paths.insert(path.clone());
        path
    }

    /// The path of a call of an instance: the instance's, but for second calls.
    pub fn call_path(&mut self, instance: &str, call: Span) -> String {
        let (owner, caller) = (self.here().instance.clone(), self.here().path.clone());
        let key = (instance.to_string(), call, caller.clone());
        if let Some(known) = self.call_paths.get(&key) {
            return known.clone();
        }
        let first = !self.call_paths.keys().any(|(known, ..)| known == instance);
        let path = if first {
            instance.to_string()
        } else {
            let own = instance.strip_prefix(&owner).map(|rest| rest.trim_start_matches('.'));
            let wanted =
                if owner == caller { instance.to_string() } else { join(&caller, own.unwrap_or(instance)) };
            self.unique_path(wanted)
        };
        self.call_paths.insert(key, path.clone());
        path
    }

    /// A value by its path: a parameter, or an inner value of an instance or call.
    pub fn resolve_path(&mut self, parts: &[&Name], span: Span) -> Tried<Value<'p>> {
        let first = parts[0];
        let known =
            self.here().names.contains_key(&first.text) || self.here().definers.contains_key(&first.text);
        if known {
            self.force(&first.text, first.span)?;
        }
        let text = parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(".");
        for owner in [self.here().instance.clone(), self.here().path.clone()] {
            let Some(array) = self.inner.get(&join(&owner, &text)).cloned() else { continue };
            if self.home == Home::Initial {
                let message =
                    format!("an initial value cannot depend on `{text}`, which is known only in training");
                return self.error(codes::NOT_STATIC, message, span, "not known before training");
            }
            return Ok(Value::Array(self.with_free_vars_as_dims(array)?));
        }
        self.unknown_path(parts, &text, span)
    }

    fn unknown_path<T>(&mut self, parts: &[&Name], text: &str, span: Span) -> Tried<T> {
        if let Some(Err(Failed)) = self.here().names.get(&parts[0].text).map(|entry| &entry.value) {
            return Err(Failed);
        }
        let owner = self.here().instance.clone();
        let begin = join(&owner, "");
        let candidates: Vec<&str> = self.inner.keys().filter_map(|path| path.strip_prefix(&begin)).collect();
        let near = nearest(text, candidates.iter().copied()).map(String::from);
        let below = join(&owner, &format!("{}.", parts[0].text));
        let mut inside: Vec<&str> = self.inner.keys().filter_map(|path| path.strip_prefix(&below)).collect();
        inside.sort_unstable();
        let error =
            Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no `{text}`")).at(span, "not known");
        let error = match (near, inside.is_empty()) {
            (Some(near), _) => error.help(format!("did you mean `{near}`?")),
            (None, false) => error.help(format!("`{}` has: {}", parts[0].text, inside.join(", "))),
            (None, true) => error.help("a path names a value of an instance that was called: `label.W`"),
        };
        self.report(error)
    }

    /// A value seen from outside of the call that made it: index variables that are not in force here are
    /// leading dimensions.
    fn with_free_vars_as_dims(&mut self, array: Array) -> Tried<Array> {
        let frame = self.here();
        let inside = |var: &VarId| {
            let bound = |bound: &Bound| match bound {
                Bound::Var(v) => v == var,
                Bound::Pack(vs) => vs.contains(var),
            };
            frame.mapped.contains(var) || frame.indices.iter().any(|(_, b)| bound(b))
        };
        let free: Vec<VarId> = array.vars.iter().copied().filter(|var| !inside(var)).collect();
        self.close(&array, &free)
    }

    /// The values of an instance's settings as static text, `dense(128)`.
    pub fn written(&self, span: Span) -> String {
        if span.file == super::program::COMMAND_LINE {
            return String::new();
        }
        self.program.sources.slice(span).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}
