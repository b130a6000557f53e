//! What the values of a recurrence depend on beside the indices of their own equations, found before they are computed:
//! the index variables of the call around it, and the example.

use super::super::context::Elaborator;
use super::super::ranges::index_names;
use super::super::values::{Array, Callable, Value, VarId};
use super::super::walk::for_each_child;
use crate::syntax::ast::{Body, Definition, Expr, ExprKind, How, Stmt, StmtKind};

/// What the equations of a recurrence depend on.
#[derive(Default)]
struct Spread {
    /// Index variables of what they read.
    vars: Vec<VarId>,
    /// Whether anything differs from example to example.
    batch: bool,
    /// Whether anything may be drawn.
    draws: bool,
}

impl<'p> Elaborator<'p> {
    /// What the values of a recurrence depend on beside the indices of their own equations: found from what its
    /// equations read.
    pub(super) fn spread(&mut self, cycle: usize) -> (Vec<VarId>, bool) {
        if let Some(known) = &self.here().cycles[cycle].spread {
            return known.clone();
        }
        let mut found = Spread::default();
        for k in 0..self.here().cycles[cycle].statements.len() {
            if let StmtKind::Define { how, value, .. } = &self.here().cycles[cycle].statements[k].kind {
                found.draws |= *how == How::Draws;
                self.spread_of(cycle, value, &mut found);
            }
        }
        if found.draws {
            found.batch = true;
            found.vars.extend(self.here().mapped.clone());
        }
        found.vars.sort_unstable();
        found.vars.dedup();
        // What an inner value depends on outside of this body is a dimension here.
        let mapped = &self.here().mapped;
        found.vars.retain(|var| mapped.contains(var));
        let spread = (found.vars, found.batch);
        self.frame().cycles[cycle].spread = Some(spread.clone());
        spread
    }

    /// Notes what an expression depends on that is not of the recurrence itself.
    fn spread_of(&mut self, cycle: usize, expr: &'p Expr, found: &mut Spread) {
        match &expr.kind {
            ExprKind::Name { name, primed: false } => {
                let text = name.text.as_str();
                if self.here().cycles[cycle].names.contains_key(text) {
                    return;
                }
                match self.meaning_of(text, name.span) {
                    Some(Value::Array(array)) => self.note(&array, found),
                    Some(Value::Callable(callable)) => found.draws |= self.may_draw(&callable),
                    Some(Value::Static(_)) => {}
                    None => {
                        let definition = self.definitions.callable(text, self.in_library());
                        found.draws |=
                            definition.is_some_and(|(d, library)| self.draws(d, library, &mut vec![]));
                    }
                }
            }
            ExprKind::Name { primed: true, .. } | ExprKind::Field { .. } => {
                if let Some(Value::Array(array)) = self.quietly(|this| this.expr(expr)) {
                    self.note(&array, found);
                }
            }
            // The mean over the examples is theirs together.
            ExprKind::Reduce { indices, body, .. } if indices.iter().any(|i| index_names(i) == ["batch"]) => {
                let batch = found.batch;
                self.spread_of(cycle, body, found);
                found.batch = batch;
            }
            _ => {
                let mut children = vec![];
                for_each_child(expr, &mut |child| children.push(child));
                children.into_iter().for_each(|child| self.spread_of(cycle, child, found));
            }
        }
    }

    fn note(&self, array: &Array, found: &mut Spread) {
        found.vars.extend(&array.vars);
        found.batch |= array.home == self.home && self.is_per_example(array);
    }

    fn may_draw(&self, callable: &Callable<'p>) -> bool {
        match callable {
            Callable::Gate(_) => false,
            Callable::Applied(applied) => self.draws(applied.definition, applied.library, &mut vec![]),
            Callable::Pipeline(stages) => stages.iter().any(|(stage, _)| self.may_draw(stage)),
        }
    }

    /// Whether a function or layer draws, or calls one that does.
    fn draws(&self, definition: &'p Definition, library: bool, seen: &mut Vec<*const Definition>) -> bool {
        if seen.contains(&std::ptr::from_ref(definition)) {
            return false;
        }
        seen.push(definition);
        match &definition.body {
            Body::Expr(expr) => self.calls_what_draws(expr, library, seen),
            Body::Block(statements) => self.block_draws(statements, library, seen),
        }
    }

    fn block_draws(&self, statements: &'p [Stmt], library: bool, seen: &mut Vec<*const Definition>) -> bool {
        statements.iter().any(|statement| match &statement.kind {
            StmtKind::Define { how, value, .. } => {
                *how == How::Draws || self.calls_what_draws(value, library, seen)
            }
            StmtKind::If { then, otherwise, .. } => {
                self.block_draws(then, library, seen)
                    || self.block_draws(otherwise.as_deref().unwrap_or_default(), library, seen)
            }
            _ => false,
        })
    }

    fn calls_what_draws(&self, expr: &'p Expr, library: bool, seen: &mut Vec<*const Definition>) -> bool {
        if let ExprKind::Name { name, .. } = &expr.kind
            && let Some((definition, library)) = self.definitions.callable(&name.text, library)
            && self.draws(definition, library, seen)
        {
            return true;
        }
        let mut draws = false;
        for_each_child(expr, &mut |child| draws = draws || self.calls_what_draws(child, library, seen));
        draws
    }
}
