//! The optimizer of a `train` block to its [`Update`]: one circuit over flat arrays of all parameters.

use super::Choices;
use super::context::Elaborator;
use super::model::{Moment, Update};
use super::net::given_settings;
use super::program::{Program, Train};
use super::scope::{BodyKind, Frame};
use super::training::call_of;
use super::values::{Applied, Array, Callable, Sort, Tried, Value, VarId};
use crate::circuit::{Shape, SlotRole, ValueId};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Span, codes, nearest};
use crate::syntax::ast::{Body, Definition, Expr, ExprKind};
use std::rc::Rc;

/// Elaborates the optimizer of the chosen net's `train` block, with what it clips, for so many parameters.
///
/// # Errors
/// What is wrong with it, or that there is none.
pub fn update(program: &Program, choices: &Choices, parameters: u32) -> Result<Update, Diagnostics> {
    let given = given_settings(choices)?;
    let mut elaborator = Elaborator::new(program, true);
    elaborator.diagnostics.retain(|d| d.severity == Severity::Error);
    let block = elaborator.train_block(choices);
    let result = block.and_then(|(_, block)| elaborator.update(block, &given, parameters));
    match result {
        Ok(update) if elaborator.diagnostics.is_empty() => Ok(update),
        _ => Err(elaborator.diagnostics),
    }
}

impl<'p> Elaborator<'p> {
    fn update(&mut self, block: Train<'p>, given: &'p [(String, Expr)], parameters: u32) -> Tried<Update> {
        let Some(optimizer) = self.train_setting(block, given, "optimizer") else {
            let diagnostic = Diagnostic::error(codes::MISSING_PART, "the `train` block names no optimizer")
                .at(block.net.span, "of this net")
                .help("write `optimizer = adam(lr = 1e-3)`");
            return self.report(diagnostic);
        };
        self.frames.push(Frame::new(BodyKind::Schedule, false));
        let place = self.here().call.unwrap_or(block.span);
        let [weights, gradients] = [("w", SlotRole::Param), ("g", SlotRole::Gradient)]
            .map(|(name, role)| self.slot(name, role, Shape::shared([parameters]), Sort::Real, place));
        let flat = |value: ValueId, home| Array {
            value,
            vars: vec![],
            dims: vec![parameters],
            sort: Sort::Real,
            home,
        };
        let home = self.home;
        let mut gradient = flat(gradients, home);
        if let Some(clip) = self.train_setting(block, given, "clip") {
            gradient = self.at(clip.span, |this| this.clipped(clip, gradient))?;
        }
        let over = self.new_var("p", parameters);
        let weight = self.open(&flat(weights, home), &[over]);
        let gradient = self.open(&gradient, &[over]);
        let next_weights =
            self.at(optimizer.span, |this| this.optimizer(optimizer, weight, gradient, over))?;
        self.frames.pop();
        Ok(next_weights).map(|(next_weights, moments)| Update {
            circuit: std::mem::take(&mut self.circuit),
            weights,
            gradients,
            next_weights,
            moments,
        })
    }

    /// `norm(1.0)` calls the library's `clip_norm(1.0)`, or one that the user defines.
    fn clipped(&mut self, clip: &'p Expr, gradient: Array) -> Tried<Array> {
        let names: Vec<String> = self
            .callable_names()
            .iter()
            .filter_map(|name| name.strip_prefix("clip_").map(String::from))
            .collect();
        let found = call_of(clip).and_then(|(name, args)| {
            Some((self.definitions.callable(&format!("clip_{name}"), false)?, args))
        });
        let Some(((definition, library), args)) = found else {
            let near = call_of(clip).and_then(|(name, _)| nearest(name, names.iter().map(String::as_str)));
            let diagnostic =
                Diagnostic::error(codes::BAD_SETTING_VALUE, "`clip` says how gradients are limited")
                    .at(clip.span, "not known");
            let help = near.map_or("write `norm(1.0)` or `value(1.0)`".to_string(), |near| {
                format!("did you mean `{near}`?")
            });
            return self.report(diagnostic.help(help));
        };
        let settings =
            self.given_settings(&definition.name.text, &definition.settings, args, definition.name.span)?;
        let applied =
            Applied { definition, library, settings, path: "clip".into(), span: clip.span, shown: false };
        let argument =
            super::calls::Argument { name: None, value: Value::Array(gradient.clone()), span: clip.span };
        let values = self.apply(&Callable::Applied(Rc::new(applied)), vec![argument], clip.span)?;
        match values.into_iter().next() {
            Some(value) => {
                let array = self.as_array(value, clip.span)?;
                if array.dims == gradient.dims { Ok(array) } else { self.filled(&array, &gradient.dims) }
            }
            None => Err(super::values::Failed),
        }
    }

    fn optimizer(
        &mut self,
        expr: &'p Expr,
        weight: Array,
        gradient: Array,
        over: VarId,
    ) -> Tried<(ValueId, Vec<Moment>)> {
        let (name, args, span) = match call_of(expr) {
            Some((name, args)) => (name, args, expr.span),
            None => match &super::walk::ungrouped(expr).kind {
                ExprKind::Name { name, primed: false } => (name.text.as_str(), &[][..], name.span),
                _ => return self.no_optimizer("", expr.span),
            },
        };
        let own = self.definitions.user.optimizers.get(name).map(|&d| (d, false));
        let known = own.or_else(|| self.definitions.library.optimizers.get(name).map(|&d| (d, true)));
        let Some((definition, library)) = known else { return self.no_optimizer(name, span) };
        self.check_elementwise(definition, span)?;
        let settings = self.given_settings(name, &definition.settings, args, definition.name.span)?;
        let mut frame = Frame::new(BodyKind::Optimizer, library);
        frame.callee = Some(&definition.name.text);
        frame.definition = Some(std::ptr::from_ref(definition));
        frame.declared = Some(definition.name.span);
        frame.call = Some(span);
        frame.mapped = vec![over];
        self.frames.push(frame);
        let result = self.optimizer_body(definition, &settings, weight, gradient, over);
        self.frames.pop();
        result
    }

    fn no_optimizer<T>(&mut self, name: &str, span: Span) -> Tried<T> {
        let mut names: Vec<&str> = self.definitions.library.optimizers.keys().copied().collect();
        names.extend(self.definitions.user.optimizers.keys());
        names.sort_unstable();
        let near = nearest(name, names.iter().copied());
        let help =
            near.map_or(format!("there are: {}", names.join(", ")), |near| format!("did you mean `{near}`?"));
        let message = format!("there is no optimizer `{}`", self.written(span));
        let diagnostic =
            Diagnostic::error(codes::UNKNOWN_NAME, message).at(span, "not an optimizer").help(help);
        self.report(diagnostic)
    }

    fn check_elementwise(&mut self, definition: &'p Definition, span: Span) -> Tried<()> {
        if let Some(input) = definition.inputs.iter().find(|input| !input.sizes.is_empty()) {
            let diagnostic =
                Diagnostic::error(codes::NOT_YET, "an optimizer that needs whole arrays is not carried yet")
                    .at(span, "asked for here")
                    .at(input.span, "an array")
                    .help("an optimizer of scalars `(w, g)` is taken element by element");
            return self.report(diagnostic);
        }
        if definition.inputs.len() != 2 {
            let message = format!("the optimizer `{}` takes a weight and its gradient", definition.name.text);
            return self.error(codes::WRONG_ARGUMENT_COUNT, message, definition.name.span, "two inputs");
        }
        Ok(())
    }

    fn optimizer_body(
        &mut self,
        definition: &'p Definition,
        settings: &[(&'p str, Value<'p>, Span)],
        weight: Array,
        gradient: Array,
        over: VarId,
    ) -> Tried<(ValueId, Vec<Moment>)> {
        self.bind_settings(&definition.settings, settings)?;
        for (input, array) in definition.inputs.iter().zip([weight, gradient]) {
            self.define(&input.name, Ok(Value::Array(array)));
        }
        let Body::Block(statements) = &definition.body else {
            let message = format!("the body of the optimizer `{}` is a block", definition.name.text);
            return self.error(codes::MISSING_PART, message, definition.name.span, "an expression");
        };
        self.run_block(statements);
        if !self.diagnostics.is_empty() {
            return Err(super::values::Failed);
        }
        let weight = &definition.inputs[0].name;
        let next_weights = self.next_flat(&weight.text, over, weight.span)?;
        let mut moments = vec![];
        for (name, leaf, initial) in std::mem::take(&mut self.moments) {
            let next = self.next_flat(&name, over, definition.name.span)?;
            moments.push(Moment { name, leaf, initial, next });
        }
        Ok((next_weights, moments))
    }

    /// The next value of an input or a state, over all parameters.
    fn next_flat(&mut self, name: &str, over: VarId, declared: Span) -> Tried<ValueId> {
        let Some((array, span)) = self.here().next.get(name).cloned() else {
            let diagnostic =
                Diagnostic::error(codes::MISSING_PART, format!("the optimizer never assigns `{name}'`"))
                    .at(declared, "its next value is missing")
                    .help(format!("write `{name}' = ...`"));
            return self.report(diagnostic);
        };
        if !array.dims.is_empty() {
            return self.error(
                codes::EXPECTED_SCALAR,
                format!("`{name}'` is an array"),
                span,
                "one number a weight",
            );
        }
        self.broadcast(&array, &[over], &[], false)
    }
}
