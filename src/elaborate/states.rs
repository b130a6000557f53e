//! Next values of states.

use super::context::Elaborator;
use super::scope::{BodyKind, join};
use super::values::{Array, Failed, Sort, Tried, Value};
use crate::circuit::SlotRole;
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::Target;

impl<'p> Elaborator<'p> {
    /// `v' = e`
    pub fn assign_next(&mut self, target: &'p Target, array: Array, span: Span) -> Tried<()> {
        let name = &target.name;
        if let Some((_, first)) = self.here().next.get(&name.text) {
            let first = *first;
            let diagnostic =
                Diagnostic::error(codes::STATE_MISUSE, format!("`{}'` is assigned twice", name.text))
                    .at(target.span, "assigned again here")
                    .at(first, "assigned here first");
            return self.report(diagnostic);
        }
        let state = match self.here().names.get(&name.text).map(|entry| entry.value.clone()) {
            Some(Ok(Value::Array(state))) => Some(state),
            Some(Err(failed)) => return Err(failed),
            _ => None,
        };
        let is_optimizer = self.here().kind == BodyKind::Optimizer;
        let owned = self.owned.get(&join(&self.here().instance.clone(), &name.text)).cloned();
        let is_state =
            owned.as_ref().is_some_and(|owned| self.circuit.slot(owned.slot).role == SlotRole::State);
        let Some(state) = state.filter(|_| is_optimizer || is_state) else {
            let diagnostic =
                Diagnostic::error(codes::STATE_MISUSE, format!("`{}` is not a state", name.text))
                    .at(target.span, "a `'` marks the next value of a state")
                    .help(format!("declare it: `state {} = 0`", name.text));
            return self.report(diagnostic);
        };
        if !array.dims.is_empty() && array.dims != state.dims {
            let message =
                format!("the state `{}` is {:?}, its next value {:?}", name.text, state.dims, array.dims);
            return self.error(codes::SIZE_MISMATCH, message, span, "of another shape");
        }
        if !matches!(array.sort, Sort::Real | Sort::Integer(_)) {
            self.arithmetic_sort(&[(array.sort, span)], crate::circuit::gates::NEG)?;
        }
        let array = if is_optimizer { array } else { self.next_of_state(target, array, &state, span)? };
        self.frame().next.insert(name.text.clone(), (array, target.span));
        Ok(())
    }

    /// The next value of a net's state is shared, and assigned by one call.
    fn next_of_state(&mut self, target: &'p Target, array: Array, state: &Array, span: Span) -> Tried<Array> {
        let name = &target.name.text;
        if self.is_per_example(&array) {
            let diagnostic = Diagnostic::error(
                codes::STATE_MISUSE,
                format!("the state `{name}` is shared by all examples, its next value is not"),
            )
            .at(span, "differs from example to example")
            .help("take the mean over the examples: `mean[batch] ...`");
            return self.report(diagnostic);
        }
        let call = self.here().call.unwrap_or(target.span);
        let told =
            |d: &Diagnostic| d.code == codes::STATE_MISUSE && d.labels.iter().any(|label| label.span == call);
        if self.diagnostics.iter().any(told) {
            return Err(Failed);
        }
        if !array.vars.is_empty() || !self.here().mapped.is_empty() {
            let diagnostic = Diagnostic::error(
                codes::STATE_MISUSE,
                format!("`{name}` would be assigned once for each mapped index"),
            )
            .at(target.span, "a state is assigned once a step")
            .at(call, "this call is mapped");
            return self.report(diagnostic);
        }
        let slot = self.owned[&join(&self.here().instance.clone(), name)].slot;
        if let Some((.., first)) = self.next_states.iter().find(|(known, ..)| *known == slot) {
            let first = *first;
            let diagnostic =
                Diagnostic::error(codes::STATE_MISUSE, format!("`{name}` would be assigned twice a step"))
                    .at(target.span, "a state is assigned once a step")
                    .at(call, "this call assigns it")
                    .at(first, "and so does this one")
                    .help("use two instances");
            return self.report(diagnostic);
        }
        let filled = self.filled(&array, &state.dims.clone())?;
        self.next_states.push((slot, filled.value, call));
        Ok(filled)
    }
}
