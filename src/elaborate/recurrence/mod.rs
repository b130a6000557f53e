//! Recurrences: equations that depend on one another, each element on earlier ones, or each on later ones.
//!
//! Before the statements of a block are elaborated their text tells which equations depend on one another ([`cycles`],
//! from what [`equations`] reads), along which axis they are computed, and which reads are of other elements. The name
//! of such a read is promised: its shape is found without its value ([`shapes`]), and the read is a lag of a variable
//! that is closed when the name is defined. All other reads are elaborated on demand, as always.

mod cycles;
mod equations;
mod faults;
mod lags;
mod shapes;
mod spread;

use super::context::Elaborator;
use super::scope::{Progress, target_key};
use super::values::{Array, Failed, Sort, Tried, Value, VarId};
use super::walk::ungrouped;
use crate::circuit::recurrence::check;
use crate::circuit::{Leaf, ValueId, Variable, gates};
use crate::diagnostic::Span;
use crate::syntax::ast::{Expr, ExprKind, How, Stmt, StmtKind, Target};
use equations::Equation;
use rustc_hash::FxHashMap;

/// Equations of a body that depend on one another.
#[derive(Debug, Default)]
pub struct Cycle<'p> {
    /// The equations, in the order of the text.
    statements: Vec<&'p Stmt>,
    /// What they define: which equation, and which of its targets.
    names: FxHashMap<String, (usize, usize)>,
    /// Which of their reads of one another are lags, by the places of the names read.
    lags: FxHashMap<Span, Lagged<'p>>,
    /// What is read by lags.
    promises: FxHashMap<String, Promise>,
    /// The shapes of its names, as far as they were found.
    shapes: FxHashMap<String, Vec<u32>>,
    /// Whether they were looked for.
    shaped: Shaped,
    /// Index variables that its values depend on beside those of their own equations, and whether they differ from
    /// example to example.
    spread: Option<(Vec<VarId>, bool)>,
    /// Whether it is no recurrence, which was reported.
    failed: bool,
    /// Whether all of it is being elaborated.
    completing: bool,
    /// Whether all of it was elaborated.
    complete: bool,
}

/// How far the search for shapes has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Shaped {
    #[default]
    Not,
    Searching,
    Done,
}

/// A read of another element than the one being computed.
#[derive(Clone, Debug)]
struct Lagged<'p> {
    /// What is read.
    name: String,
    /// Which of its axes is scanned.
    axis: usize,
    /// The index of the left side relative to which it is read.
    index: &'p str,
}

/// A name that is read before it is defined.
#[derive(Debug, Default)]
struct Promise {
    /// What lags read.
    variable: Option<Variable>,
    /// The value, once it is known.
    value: Option<ValueId>,
    /// Whether it was read as a condition, and where.
    truth: Option<Span>,
}

impl<'p> Cycle<'p> {
    fn of(equations: &[Equation<'p>]) -> Self {
        let mut cycle = Cycle::default();
        for (k, equation) in equations.iter().enumerate() {
            cycle.statements.push(equation.statement);
            for (at, target) in equation.targets.iter().enumerate() {
                cycle.names.insert(target_key(&target.name.text, target.primed), (k, at));
            }
        }
        cycle
    }

    /// Whether a statement is one of the equations.
    fn has(&self, statement: &Stmt) -> bool {
        self.statements.iter().any(|own| std::ptr::eq(*own, statement))
    }

    /// The equation of a name, and which of its targets the name is.
    fn equation(&self, name: &str) -> (&'p [Target], How, &'p Expr, usize) {
        let (k, at) = self.names[name];
        match &self.statements[k].kind {
            StmtKind::Define { targets, how, value } => (targets, *how, value, at),
            _ => unreachable!("a cycle is of equations"),
        }
    }
}

impl<'p> Elaborator<'p> {
    /// The recurrence that a statement of the body is part of.
    fn cycle_of(&self, statement: &Stmt) -> Option<usize> {
        self.here().cycles.iter().position(|cycle| cycle.has(statement))
    }

    /// The recurrence that the statement being elaborated is part of.
    fn own_cycle(&self) -> Option<usize> {
        self.here().current.and_then(|statement| self.cycle_of(statement))
    }

    /// Whether a statement depends on itself without end, which was reported.
    pub fn is_endless(&self, statement: &Stmt) -> bool {
        self.cycle_of(statement).is_some_and(|cycle| self.here().cycles[cycle].failed)
    }

    /// What brackets follow, if that is a name that the equation being elaborated reads elsewhere than at its own
    /// element.
    fn lagged(&self, base: &Expr) -> Option<(usize, Lagged<'p>)> {
        let base = ungrouped(base);
        let cycle = self.own_cycle()?;
        Some((cycle, self.here().cycles[cycle].lags.get(&base.span)?.clone()))
    }

    /// The dimensions of a name of the recurrence being elaborated, before it is defined. Nothing for other names;
    /// nothing inside where it is not told.
    pub fn promised_dims(&mut self, base: &'p Expr) -> Option<Option<Vec<u32>>> {
        let cycle = self.own_cycle()?;
        let ExprKind::Name { name, primed } = &ungrouped(base).kind else { return None };
        let key = target_key(&name.text, *primed);
        let of_cycle = self.here().cycles[cycle].names.contains_key(&key);
        if !of_cycle || self.here().names.contains_key(&key) {
            return None;
        }
        let dims = self.shape_in_cycle(cycle, &key);
        let cycle = &self.here().cycles[cycle];
        let lags = cycle.lags.contains_key(&ungrouped(base).span);
        // What is read at its own element can be elaborated before.
        (dims.is_some() || lags || cycle.shaped == Shaped::Searching).then_some(dims)
    }

    /// Runs `f`, whose mistakes are told elsewhere; what elaborates statements tells theirs.
    pub fn quietly<T>(&mut self, f: impl FnOnce(&mut Self) -> Tried<T>) -> Option<T> {
        let before = std::mem::replace(&mut self.quiet, true);
        let result = f(self);
        self.quiet = before;
        result.ok()
    }

    /// Keeps the promise for a name that was read by lags: the value takes the promised shape.
    pub fn keep_promise(&mut self, target: &'p Target, array: Array) -> Tried<Array> {
        let key = target_key(&target.name.text, target.primed);
        let Some(cycle) = self.own_cycle() else { return Ok(array) };
        let cycles = &self.here().cycles;
        if cycles[cycle].complete || !cycles[cycle].lags.values().any(|lagged| lagged.name == key) {
            return Ok(array);
        }
        if let Some(dims) = self.shape_in_cycle(cycle, &key)
            && dims != array.dims
        {
            return self.other_shape(target, &dims, &array);
        }
        let truth = self.frame().cycles[cycle].promises.entry(key.clone()).or_default().truth;
        let source = match (array.sort, truth) {
            (Sort::Boolean, Some(_)) => self.as_number(&array)?,
            (Sort::Real | Sort::Integer(_), None) => array.clone(),
            (_, truth) => return self.wrong_sort(target, &array, truth),
        };
        let (vars, batch) = self.spread(cycle);
        let value = self.broadcast(&source, &vars, &source.dims, batch)?;
        let promise = self.frame().cycles[cycle].promises.get_mut(&key).expect("entered above");
        promise.value = Some(value);
        if let Some(variable) = promise.variable {
            self.circuit.close(variable, value);
        }
        match array.sort {
            Sort::Boolean => {
                let array = Array { value, vars, sort: Sort::Real, ..source };
                self.with_number(gates::NE, &array, 0.0, Sort::Boolean)
            }
            _ => Ok(Array { value, vars, ..array }),
        }
    }

    /// A condition as 1 or 0.
    fn as_number(&mut self, array: &Array) -> Tried<Array> {
        let [one, zero] = [1.0, 0.0].map(|number| {
            let value = self.circuit.leaf(Leaf::Number(crate::circuit::F64::new(number)));
            Array { value, vars: vec![], dims: vec![], sort: Sort::Real, home: self.home }
        });
        self.pointwise(gates::SELECT, &[array, &one, &zero], Sort::Real)
    }

    /// After a statement of a recurrence: elaborates the rest of it, then holds it against the rules.
    pub fn complete_cycle(&mut self, statement: &'p Stmt) {
        let Some(k) = self.cycle_of(statement) else { return };
        let cycle = &self.here().cycles[k];
        let runs = |pending: &super::scope::Pending<'p>| {
            pending.progress == Progress::Running && cycle.has(pending.statement)
        };
        if cycle.failed || cycle.completing || cycle.complete || self.here().pending.iter().any(runs) {
            return;
        }
        let mut names: Vec<(String, (usize, usize))> =
            cycle.names.iter().map(|(name, &place)| (name.clone(), place)).collect();
        names.sort_by_key(|(_, place)| *place);
        self.frame().cycles[k].completing = true;
        for (name, _) in &names {
            self.run_definer(name);
        }
        let cycle = &mut self.frame().cycles[k];
        cycle.completing = false;
        cycle.complete = true;
        if self.check_cycle(k) == Err(Failed) {
            for (name, _) in names {
                if let Some(entry) = self.frame().names.get_mut(&name) {
                    entry.value = Err(Failed);
                }
            }
        }
    }

    /// Whether the circuit of a recurrence is one.
    fn check_cycle(&mut self, cycle: usize) -> Tried<()> {
        let cycle = &self.here().cycles[cycle];
        let variables: Vec<Variable> =
            cycle.promises.values().filter_map(|promise| promise.variable).collect();
        let sources: Option<Vec<ValueId>> = variables.iter().map(|&v| self.circuit.source(v)).collect();
        // Where one was never closed, why was reported.
        match sources.map(|sources| check(&self.circuit, &sources)) {
            None => Err(Failed),
            Some(Ok(())) => Ok(()),
            Some(Err(wrong)) => self.report_wrong(wrong),
        }
    }

    /// What a name of the body means, its statement elaborated first; its mistakes are told there.
    fn meaning_of(&mut self, name: &str, span: Span) -> Option<Value<'p>> {
        self.quietly(|this| this.force(name, span))?;
        self.here().names.get(name).and_then(|entry| entry.value.clone().ok())
    }
}
