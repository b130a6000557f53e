//! What is told of equations that depend on one another and are no recurrence.

use super::super::context::Elaborator;
use super::super::values::{Array, Failed, Sort, Tried, VarId};
use super::cycles::{Fault, Group, Place};
use super::lags::LaggedRead;
use super::{Lagged, Shaped};
use crate::circuit::ValueId;
use crate::circuit::recurrence::Wrong;
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::Target;

const RULE: &str = "a recurrence reads earlier elements along one axis, or later ones: `h[t - 1] else 0`";

impl<'p> Elaborator<'p> {
    /// Reports equations that cannot be computed one element after another.
    pub(super) fn report_fault(&mut self, group: &Group<'p>, fault: &Fault) {
        let diagnostic = match fault {
            Fault::Endless(way) => endless(group, way),
            Fault::Mixed(earlier, later) => {
                let name = &group.read(*earlier).name;
                let message = format!("`{name}` is read from both sides: a recurrence runs in one direction");
                Diagnostic::error(codes::RECURRENCE_MIXED, message)
                    .at(group.read(*earlier).span, "an earlier element")
                    .at(group.read(*later).span, "a later element")
                    .help("write one recurrence for each direction, and join their results")
            }
            Fault::TwoAxes(first, second) => two_axes(group, *first, *second),
        };
        let _ = self.report::<()>(diagnostic);
    }

    /// Reports a shape that must be known before the value is.
    pub(super) fn shape_not_told<T>(&mut self, cycle: usize, name: &str, span: Span) -> Tried<T> {
        // Why not may be a mistake in its equation.
        self.frame().cycles[cycle].shaped = Shaped::Searching;
        let tried = self.shape_of_target(cycle, name);
        self.frame().cycles[cycle].shaped = Shaped::Done;
        tried?;
        if self.has_errors() {
            return Err(Failed);
        }
        let (targets, .., at) = self.here().cycles[cycle].equation(name);
        let target = &targets[at];
        let message = format!("nothing tells the shape of `{name}` before it is computed");
        let diagnostic = Diagnostic::error(codes::SIZE_UNKNOWN, message)
            .at(span, "read here, while it is being defined")
            .at(target.span, "defined here")
            .help(format!("write all its indices with their ranges: `{name}[t: T, m: M] = ...`"));
        self.report(diagnostic)
    }

    /// The scanned index must run over the scanned axis.
    pub(super) fn check_extent(
        &mut self,
        lagged: &Lagged<'p>,
        extent: u32,
        var: VarId,
        at: Span,
    ) -> Tried<()> {
        let asked = self.var(var).extent;
        if extent == asked {
            return Ok(());
        }
        let (name, index) = (&lagged.name, lagged.index);
        let message = format!(
            "`{name}` has {extent} elements along the axis of the recurrence, but `{index}` runs over {asked}"
        );
        let diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, message)
            .at(at, format!("`{index}` runs over {asked}"))
            .help(format!(
                "let all equations of the recurrence run over the same range: `{index}: {extent}`"
            ));
        self.report(diagnostic)
    }

    /// Reports a read whose distance changes its sign.
    pub(super) fn turns<T>(
        &mut self,
        read: &LaggedRead<'p>,
        at: Span,
        found: &[(VarId, i64, i64)],
    ) -> Tried<T> {
        let side = |by: i64| match by {
            0 => "the element itself".to_string(),
            1.. => format!("{by} earlier"),
            _ => format!("{} later", -by),
        };
        let values =
            found.iter().map(|&(var, k, by)| format!("`{} = {k}` reads {}", self.var(var).name, side(by)));
        let message = format!(
            "`{}` is read from both sides: {}",
            read.lagged.name,
            values.collect::<Vec<_>>().join(", ")
        );
        let diagnostic =
            Diagnostic::error(codes::RECURRENCE_MIXED, message).at(at, "not on one side").help(RULE);
        self.report(diagnostic)
    }

    /// Reports a value that differs from the shape that its readers went by.
    pub(super) fn other_shape<T>(&mut self, target: &'p Target, dims: &[u32], array: &Array) -> Tried<T> {
        let name = &target.name.text;
        let message = format!("`{name}` was read with the shape {dims:?}, but has {:?}", array.dims);
        let diagnostic = Diagnostic::error(codes::SIZE_MISMATCH, message)
            .at(target.span, format!("this has the shape {:?}", array.dims))
            .help(format!("write all indices of `{name}` on the left side"));
        self.report(diagnostic)
    }

    /// Reports a value that lags do not carry.
    pub(super) fn wrong_sort<T>(
        &mut self,
        target: &'p Target,
        array: &Array,
        truth: Option<Span>,
    ) -> Tried<T> {
        let name = &target.name.text;
        let (found, help) = match array.sort {
            Sort::Class(_) => {
                ("a class", "let the scores recur, and take the class of them outside".to_string())
            }
            Sort::Boolean => ("a condition", format!("read it as one: `{name}[t - 1] else false`")),
            Sort::Real | Sort::Integer(_) => ("a number", format!("read it as one: `{name}[t - 1] else 0`")),
        };
        let asked = if truth.is_some() { "a condition" } else { "a number" };
        let message = format!("`{name}` is {found}, but is read as {asked} while it is being defined");
        let mut diagnostic =
            Diagnostic::error(codes::RECURRENCE_KIND, message).at(target.span, format!("this is {found}"));
        if let Some(span) = truth {
            diagnostic = diagnostic.at(span, "read as a condition");
        }
        self.report(diagnostic.help(help))
    }

    /// Reports what only the circuit shows.
    pub(super) fn report_wrong<T>(&mut self, wrong: Wrong) -> Tried<T> {
        let place = |value: ValueId| self.circuit.origin(value).span;
        let (code, message, places) = match wrong {
            Wrong::Endless(a) => (
                codes::RECURRENCE_ENDLESS,
                "a value depends on itself at the same element",
                vec![(place(a), "on the way from an element to itself")],
            ),
            Wrong::Mixed(a, b) => (
                codes::RECURRENCE_MIXED,
                "a recurrence runs in one direction, but this reads from both sides",
                vec![(place(a), "from one side"), (place(b), "from the other")],
            ),
            Wrong::Leaves(a) => (
                codes::RECURRENCE_AXES,
                "a recurrence is computed one element after another, but this takes several at once",
                vec![(place(a), "not of one element of the scanned axis")],
            ),
            Wrong::TwoAxes(a, b) => (
                codes::RECURRENCE_AXES,
                "a recurrence runs along one axis, but this runs along two",
                vec![(place(a), "along one axis"), (place(b), "along another, or over another range")],
            ),
        };
        let mut diagnostic = Diagnostic::error(code, message).help(RULE);
        for (span, text) in places {
            if let Some(span) = span {
                diagnostic = diagnostic.at(span, text);
            }
        }
        self.report(diagnostic)
    }
}

fn endless(group: &Group<'_>, way: &[Place]) -> Diagnostic {
    let name = &group.read(*way.last().expect("a way has a step")).name;
    let message = format!("`{name}` depends on itself at the same element");
    let mut diagnostic = Diagnostic::error(codes::RECURRENCE_ENDLESS, message);
    for place in way {
        let reader = &group.equations[place.0].targets[0].name.text;
        let told = if group.is_told(*place) { "" } else { ": at no distance known before training" };
        let text = format!("`{reader}` needs `{}` first{told}", group.read(*place).name);
        diagnostic = diagnostic.at(group.read(*place).span, text);
    }
    diagnostic.help(RULE)
}

fn two_axes(group: &Group<'_>, first: Place, second: Place) -> Diagnostic {
    let name = &group.read(first).name;
    let message = format!("`{name}` is read elsewhere along two axes: a recurrence runs along one");
    let diagnostic = Diagnostic::error(codes::RECURRENCE_AXES, message);
    let diagnostic = diagnostic.at(group.read(first).span, "along one axis");
    let diagnostic =
        if first == second { diagnostic } else { diagnostic.at(group.read(second).span, "along another") };
    diagnostic
        .help("an element may depend on the row before as a whole: `a[i - 1, j - 1]`, not on its own row")
}
