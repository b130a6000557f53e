//! Statements of a block: equations, draws, and choices known before training. Declarations are in
//! [`super::declarations`].

use super::calls::Outcome;
use super::context::Elaborator;
use super::draws::Distribution;
use super::ranges::pack_index;
use super::scope::{BodyKind, Pending, Progress, for_each_defined, target_key};
use super::statics::Static;
use super::values::{Array, Failed, Tried, Value, VarId};
use super::walk::ungrouped;
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::{Decl, Expr, ExprKind, How, Index, Name, Size, Stmt, StmtKind, Target};
use rustc_hash::FxHashMap;
use std::ops::Range;

impl<'p> Elaborator<'p> {
    /// Elaborates the statements of a block. The order of equations does not matter: what one reads of another
    /// that is still waiting is elaborated first.
    pub fn run_block(&mut self, statements: &'p [Stmt]) {
        let opened = self.open_block(statements);
        self.run_opened(opened);
    }

    /// Elaborates statements in their order, after a choice those of the branch that it takes.
    fn run_opened(&mut self, opened: Range<usize>) {
        for k in opened {
            self.run_pending(k);
            if let Some(taken) = self.here().pending[k].taken.clone() {
                self.run_opened(taken);
            }
        }
    }

    /// Has the statements of a block wait; gives their places among those that do.
    fn open_block(&mut self, statements: &'p [Stmt]) -> Range<usize> {
        let begin = self.here().pending.len();
        let mut seen: FxHashMap<String, Span> = FxHashMap::default();
        for (k, statement) in statements.iter().enumerate() {
            self.frame().pending.push(Pending { statement, progress: Progress::Waiting, taken: None });
            let mut twice = vec![];
            let is_choice = matches!(statement.kind, StmtKind::If { .. });
            let mut defined = vec![];
            for_each_defined(statement, &mut |key, span| defined.push((key, span)));
            for (key, span) in defined {
                match seen.get(&key).copied() {
                    // A second next value of a state is told where it is assigned.
                    Some(first) if !is_choice && !key.ends_with('\'') => twice.push((key, span, first)),
                    _ => {
                        seen.insert(key.clone(), span);
                        self.frame().definers.insert(key, begin + k);
                    }
                }
            }
            for (text, span, first) in twice {
                let name = Name { text, span };
                let _ = self.report::<()>(super::program::defined_twice(&name, first));
            }
        }
        self.find_recurrences(statements);
        begin..begin + statements.len()
    }

    /// Elaborates a waiting statement, apart from whatever is under way.
    pub fn run_pending(&mut self, at: usize) {
        let frame = self.frame();
        if frame.pending[at].progress != Progress::Waiting {
            return;
        }
        frame.pending[at].progress = Progress::Running;
        let statement = frame.pending[at].statement;
        let indices = std::mem::take(&mut frame.indices);
        let (equation, label, copy) = (frame.equation.take(), frame.label.take(), frame.copy.take());
        let current = frame.current.replace(statement);
        let of_metric = frame.in_metric;
        let in_metric = std::mem::replace(&mut self.in_metric, of_metric);
        let quiet = std::mem::replace(&mut self.quiet, false);
        let place = self.enter_place(defined_by(statement), statement.span);
        self.at(statement.span, |this| match &statement.kind {
            StmtKind::If { condition, then, otherwise } => {
                // Each of its statements waits by itself: what needs one of them early may be what others need.
                let taken = this.static_choice(condition, then, otherwise.as_deref());
                this.frame().pending[at].taken = taken.ok();
            }
            _ => this.statement(statement),
        });
        self.in_metric = in_metric;
        let frame = self.frame();
        frame.place = place;
        frame.current = current;
        frame.indices = indices;
        frame.equation = equation;
        frame.label = label;
        frame.copy = copy;
        frame.pending[at].progress = Progress::Done;
        self.complete_cycle(statement);
        self.quiet = quiet;
    }

    fn statement(&mut self, statement: &'p Stmt) {
        match &statement.kind {
            StmtKind::Declare { role, decls } => self.declare(*role, decls),
            StmtKind::Output { name, value } => self.result(name, value.as_ref(), false, statement.span),
            StmtKind::Metric { name, value } => self.result(name, value.as_ref(), true, statement.span),
            StmtKind::If { .. } => unreachable!("a choice has its branch taken by itself"),
            StmtKind::Define { targets, how, value } => {
                self.frame().equation = targets.first().map(|target| target.name.text.as_str());
                if self.is_endless(statement) || self.equation(targets, *how, value).is_err() {
                    self.give_up(targets);
                }
            }
        }
    }

    /// What was to be defined is known to have failed, so that its readers say nothing more.
    fn give_up(&mut self, targets: &'p [Target]) {
        for target in targets {
            let key = target_key(&target.name.text, target.primed);
            let entry = super::scope::Entry { value: Err(Failed), span: target.name.span, from: None };
            self.frame().names.entry(key).or_insert(entry);
        }
    }

    /// `if condition { ... } else { ... }`: has the statements of the branch taken wait.
    fn static_choice(
        &mut self,
        condition: &'p Expr,
        then: &'p [Stmt],
        otherwise: Option<&'p [Stmt]>,
    ) -> Tried<Range<usize>> {
        let otherwise = otherwise.unwrap_or(&[]);
        let truth = match self.expr(condition) {
            Ok(Value::Static(Static::Bool(truth))) => Ok(truth),
            Ok(_) => {
                let diagnostic =
                    Diagnostic::error(codes::NOT_STATIC, "a block's condition must be known before training")
                        .at(condition.span, "not known before training")
                        .help("within an equation, `if c then a else b` chooses for each example");
                self.report(diagnostic)
            }
            Err(failed) => Err(failed),
        };
        let forget = |this: &mut Self, statements: &'p [Stmt]| {
            for statement in statements {
                for_each_defined(statement, &mut |key, span| {
                    match truth {
                        Ok(_) => drop(this.frame().untaken.insert(key.clone(), condition.span)),
                        Err(Failed) => {
                            let entry = super::scope::Entry { value: Err(Failed), span, from: None };
                            this.frame().names.entry(key.clone()).or_insert(entry);
                        }
                    }
                    this.frame().definers.remove(&key);
                });
            }
        };
        let (taken, untaken) = if truth == Ok(false) { (otherwise, then) } else { (then, otherwise) };
        forget(self, untaken);
        if truth.is_err() {
            forget(self, taken);
            return Err(Failed);
        }
        Ok(self.open_block(taken))
    }

    /// `y[m] = e`, `keep[..S] ~ d`, `v' = e`, `a[t], b[t] = cell(...)`
    fn equation(&mut self, targets: &'p [Target], how: How, value: &'p Expr) -> Tried<()> {
        let first = &targets[0];
        let declared = self.declared_of(first)?;
        let indices = &first.indices;
        if let Some((dims, span)) = &declared
            && !indices.is_empty()
            && !indices.iter().any(|index| matches!(index, Index::Pack(_)))
            && indices.len() > dims.len()
        {
            let message = format!(
                "`{}` has {} axes, but {} indices are written",
                first.name.text,
                dims.len(),
                indices.len()
            );
            let diagnostic = Diagnostic::error(codes::RANK_MISMATCH, message)
                .at(first.span, "too many indices")
                .at(*span, "declared here");
            return self.report(diagnostic);
        }
        let vars =
            self.bind(indices, declared.as_ref().map(|(dims, span)| (dims.as_slice(), *span)), &[value])?;
        let values =
            self.right_side(targets, how, value, &vars, declared.as_ref().map(|(dims, _)| dims.as_slice()));
        self.unbind(0);
        let values = values?;
        if values.len() != targets.len() {
            let message =
                format!("{} names on the left, but {} values on the right", targets.len(), values.len());
            let diagnostic = Diagnostic::error(codes::WRONG_ARGUMENT_COUNT, message)
                .at(targets[0].span.to(targets[targets.len() - 1].span), "these names")
                .at(value.span, "these values");
            return self.report(diagnostic);
        }
        for (target, result) in targets.iter().zip(values) {
            self.assign(target, result, &vars, value.span)?;
        }
        Ok(())
    }

    /// What is right of `=` or `~`: one value a target.
    fn right_side(
        &mut self,
        targets: &'p [Target],
        how: How,
        value: &'p Expr,
        vars: &[VarId],
        declared: Option<&[u32]>,
    ) -> Tried<Vec<Value<'p>>> {
        if how == How::Draws {
            let distribution = self.distribution(value)?;
            return targets
                .iter()
                .map(|target| self.drawn(target, &distribution, vars, declared, value.span).map(Value::Array))
                .collect();
        }
        if targets.len() == 1 {
            return Ok(vec![self.expr(value)?]);
        }
        self.check_same_indices(targets)?;
        let mut call = ungrouped(value);
        if let ExprKind::Labelled { label, value } = &call.kind {
            self.frame().label = Some(label);
            call = value;
        }
        match &call.kind {
            ExprKind::Call { callee, args } => {
                match self.at(value.span, |this| this.call_outputs(callee, args, value.span))? {
                    Outcome::Values(values) => Ok(values),
                    Outcome::Callable(callable) => Ok(vec![Value::Callable(callable)]),
                }
            }
            _ => Ok(vec![self.expr(value)?]),
        }
    }

    /// Several names defined together have the same indices.
    fn check_same_indices(&mut self, targets: &'p [Target]) -> Tried<()> {
        let names = |target: &'p Target| -> Vec<&'p str> {
            target.indices.iter().flat_map(super::ranges::index_names).collect()
        };
        let first = names(&targets[0]);
        match targets.iter().find(|target| names(target) != first) {
            None => Ok(()),
            Some(other) => {
                let diagnostic =
                    Diagnostic::error(codes::RANK_MISMATCH, "names defined together have the same indices")
                        .at(other.span, "other indices")
                        .at(targets[0].span, "than here");
                self.report(diagnostic)
            }
        }
    }

    /// The dimensions that a header, or a state's declaration, gives to a target.
    pub fn declared_of(&mut self, target: &'p Target) -> Tried<Option<(Vec<u32>, Span)>> {
        if target.primed {
            return Ok(match self.here().names.get(&target.name.text) {
                Some(entry) => match &entry.value {
                    Ok(Value::Array(array)) => Some((array.dims.clone(), entry.span)),
                    _ => None,
                },
                None => None,
            });
        }
        match self.here().outputs.iter().find(|decl| decl.name.text == target.name.text) {
            Some(decl) => Ok(Some((self.declared_dims(decl)?, decl.span))),
            None => Ok(None),
        }
    }

    /// A draw for a target: over the mapped axes of the call, the indices written, and the shape declared or that
    /// of the distribution's parameters.
    fn drawn(
        &mut self,
        target: &'p Target,
        distribution: &Distribution<'p>,
        vars: &[VarId],
        declared: Option<&[u32]>,
        span: Span,
    ) -> Tried<Array> {
        let kind = self.here().kind;
        if self.in_metric {
            let message = "a metric draws nothing: it is a figure of the examples and the parameters";
            return self.error(codes::DRAW_MISUSE, message, span, "drawn here");
        }
        if matches!(kind, BodyKind::Optimizer | BodyKind::Schedule) || target.primed {
            return self.error(
                codes::DRAW_MISUSE,
                "a draw stands in a net, a layer or a function",
                span,
                "drawn here",
            );
        }
        let (a, b) = match distribution {
            Distribution::Normal(a, b)
            | Distribution::Uniform(a, b)
            | Distribution::TruncatedNormal(a, b) => (Some(a), Some(b)),
            Distribution::Bernoulli(a) => (Some(a), None),
            Distribution::Categorical(_) | Distribution::Orthogonal(_) => (None, None),
        };
        let dims_of = |value: &Value<'p>| match value {
            Value::Array(array) if !array.dims.is_empty() => Some(array.dims.clone()),
            _ => None,
        };
        let given = [a, b].into_iter().flatten().find_map(|parameter| dims_of(&parameter.0));
        let dims = match (vars.is_empty(), declared) {
            (true, Some(declared)) => declared.to_vec(),
            _ => given.unwrap_or_default(),
        };
        let mut all = self.here().mapped.clone();
        all.extend(vars);
        let path = self.own_path(&target.name.text);
        self.at(span, |this| this.draw(distribution, &path, &all, &dims, true))
    }

    /// Gives a target its value.
    fn assign(&mut self, target: &'p Target, value: Value<'p>, vars: &[VarId], span: Span) -> Tried<()> {
        let name = &target.name;
        let plain = target.indices.is_empty() && !target.primed;
        let declared = self.here().outputs.iter().find(|decl| decl.name.text == name.text);
        if plain && !matches!(value, Value::Array(_)) && declared.is_none_or(|decl| decl.sizes.is_empty()) {
            self.define(name, Ok(value));
            return Ok(());
        }
        let array = self.as_array(value, span)?;
        let mut array = self.close(&array, vars)?;
        let mut names = vec![];
        for index in &target.indices {
            match index {
                Index::Name { name, .. } => names.push(name.text.clone()),
                Index::Group { parts, .. } => {
                    self.merge(&mut array, names.len(), parts.len());
                    names
                        .push(parts.iter().map(|part| part.name.text.as_str()).collect::<Vec<_>>().join("_"));
                }
                Index::PackGroup { pack, .. } => {
                    let count = self.here().packs.get(&pack.text).map_or(0, Vec::len);
                    self.merge(&mut array, names.len(), count);
                    names.push(pack.text.to_lowercase());
                }
                Index::Pack(pack) => {
                    let count = self.here().packs.get(&pack.text).map_or(0, Vec::len);
                    names.extend((0..count).map(pack_index));
                }
            }
        }
        if target.primed {
            return self.assign_next(target, array, span);
        }
        if let Some(decl) = declared {
            self.check_declared(decl, &array, target.span)?;
            if target.indices.is_empty() {
                names = size_letters(decl);
            }
        }
        self.set_apart(&mut array);
        let array = self.keep_promise(target, array)?;
        let path = self.own_path(&name.text);
        let known = self.here().names.contains_key(&name.text);
        self.define(name, Ok(Value::Array(array.clone())));
        if !known {
            self.name(&path, &array, &names, target.span);
        }
        Ok(())
    }
}

/// Index names for a declaration: its sizes in lower case where they are names.
pub fn size_letters(decl: &Decl) -> Vec<String> {
    let letter = |size: &Size| match size {
        Size::Expr(Expr { kind: ExprKind::Name { name, .. }, .. }) => Some(name.text.to_lowercase()),
        _ => None,
    };
    let letters: Option<Vec<String>> = decl.sizes.iter().map(letter).collect();
    letters.unwrap_or_default()
}

/// The first name that a statement defines.
fn defined_by(statement: &Stmt) -> Option<&str> {
    match &statement.kind {
        StmtKind::Define { targets, .. } => targets.first().map(|target| target.name.text.as_str()),
        StmtKind::Output { name, .. } | StmtKind::Metric { name, .. } => Some(&name.text),
        StmtKind::Declare { .. } | StmtKind::If { .. } => None,
    }
}
