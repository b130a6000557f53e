//! Settings of functions, layers and schedules: given, checked, bound.

use super::calls::Argument;
use super::context::{Elaborator, MAX_CALLS};
use super::reads::plural;
use super::scope::{BodyKind, Frame};
use super::values::{Applied, Array, Tried, Value};
use super::walk::ungrouped;
use crate::circuit::graph::reachable;
use crate::circuit::{Gate, Leaf, Node, ValueId};
use crate::diagnostic::{Diagnostic, Span, codes, nearest};
use crate::syntax::ast::{self, Arg, Body, Definition, DefinitionKind, Expr, ExprKind, Name, Setting};
use std::rc::Rc;

impl<'p> Elaborator<'p> {
    /// A function or layer with settings: an instance, if it is a layer. Where all settings have defaults, inputs may be
    /// given at once: `huber(p, y)`.
    pub fn applied(
        &mut self,
        definition: &'p Definition,
        library: bool,
        args: &'p [Arg],
        span: Span,
    ) -> Tried<(Rc<Applied<'p>>, Option<Vec<Argument<'p>>>)> {
        let is_layer = definition.kind == DefinitionKind::Layer;
        let name = definition.name.text.as_str();
        let kind = self.here().kind;
        if is_layer && !matches!(kind, BodyKind::Net | BodyKind::Layer) {
            let message =
                format!("`{name}` is a layer: it owns parameters, and can be used in a net or a layer only");
            let diagnostic = Diagnostic::error(codes::WRONG_KIND_OF_NAME, message)
                .at(span, "used in a function")
                .help("write `layer` instead of `fn` in the header around it");
            return self.report(diagnostic);
        }
        let path = self.occurrence_path(name, span, is_layer);
        let given = self.setting_values(args)?;
        let (given, inputs) =
            if self.are_inputs(definition, &given) { (vec![], Some(given)) } else { (given, None) };
        let settings = self.matched_settings(name, &definition.settings, given, definition.name.span)?;
        for setting in &definition.settings {
            let given = settings.iter().any(|(name, ..)| *name == setting.name.text);
            if !given && setting.default.is_none() {
                return self.missing_setting(name, setting, span);
            }
        }
        let set = !definition.settings.is_empty() && inputs.is_none();
        let shown = kind == BodyKind::Net && (is_layer || set);
        Ok((Rc::new(Applied { definition, library, settings, path, span, shown }), inputs))
    }

    /// Whether what is given to a function or layer are its inputs, not its settings: values of the running program, or
    /// more than there are settings.
    fn are_inputs(&self, definition: &Definition, given: &[Argument<'p>]) -> bool {
        let running = |arg: &Argument| matches!(&arg.value, Value::Array(array) if !self.is_known_each_step(array.value));
        definition.settings.iter().all(|setting| setting.default.is_some())
            && given.len() == definition.inputs.len()
            && given.iter().all(|arg| arg.name.is_none())
            && (given.len() > definition.settings.len() || given.iter().any(running))
    }

    fn missing_setting<T>(&mut self, owner: &str, setting: &Setting, span: Span) -> Tried<T> {
        let name = &setting.name.text;
        let diagnostic = Diagnostic::error(
            codes::MISSING_SETTING,
            format!("`{owner}` needs its setting `{name}`"),
        )
        .at(span, format!("`{name}` is not given"))
        .at(setting.name.span, "declared here, without a default")
        .help(format!(
            "write `{owner}({name} = ...)`, settings first: the inputs follow in parentheses of their own"
        ));
        self.report(diagnostic)
    }

    /// Arguments matched with settings, by position and by name.
    pub fn given_settings(
        &mut self,
        owner: &str,
        settings: &'p [Setting],
        args: &'p [Arg],
        declared: Span,
    ) -> Tried<Vec<(&'p str, Value<'p>, Span)>> {
        let given = self.setting_values(args)?;
        self.matched_settings(owner, settings, given, declared)
    }

    fn setting_values(&mut self, args: &'p [Arg]) -> Tried<Vec<Argument<'p>>> {
        let value = |arg: &'p Arg| {
            let value = self.train_value(&arg.value)?;
            Ok(Argument { name: arg.name.as_ref(), value, span: arg.value.span })
        };
        args.iter().map(value).collect()
    }

    fn matched_settings(
        &mut self,
        owner: &str,
        settings: &'p [Setting],
        args: Vec<Argument<'p>>,
        declared: Span,
    ) -> Tried<Vec<(&'p str, Value<'p>, Span)>> {
        let mut given: Vec<(&'p str, Value<'p>, Span)> = vec![];
        for (k, arg) in args.into_iter().enumerate() {
            let setting = match arg.name {
                None => settings.get(k),
                Some(name) => settings.iter().find(|setting| setting.name.text == name.text),
            };
            let Some(setting) = setting else {
                return self.no_such_setting(owner, settings, &arg, declared);
            };
            let name = setting.name.text.as_str();
            if let Some((.., first)) = given.iter().find(|(known, ..)| *known == name) {
                let diagnostic =
                    Diagnostic::error(codes::DEFINED_TWICE, format!("the setting `{name}` is given twice"))
                        .at(arg.span, "given again here")
                        .at(*first, "given here first");
                return self.report(diagnostic);
            }
            self.check_setting_value(owner, name, &arg.value, arg.span)?;
            given.push((name, arg.value, arg.span));
        }
        Ok(given)
    }

    /// Whether a value can be that of a setting: one number for all examples, or a list known before training.
    fn can_be_set(&self, array: &Array) -> bool {
        let single = array.dims.is_empty() && array.vars.is_empty() && !self.is_per_example(array);
        single || (array.vars.is_empty() && self.is_constant(array.value))
    }

    /// Whether a value is made of numbers alone.
    fn is_constant(&self, value: ValueId) -> bool {
        self.is_made_of(value, |leaf| matches!(leaf, Leaf::Number(_) | Leaf::Iota(_)))
    }

    /// Whether a value is made of numbers and of what is known of a step, not of parameters, states, data or draws.
    fn is_known_each_step(&self, value: ValueId) -> bool {
        self.is_made_of(value, |leaf| matches!(leaf, Leaf::Number(_) | Leaf::Iota(_) | Leaf::Step(_)))
    }

    fn is_made_of(&self, value: ValueId, allowed: impl Fn(&Leaf) -> bool) -> bool {
        reachable(&self.circuit, [value]).iter().all(|value| match self.circuit.node(value) {
            Node::Leaf(leaf) => allowed(leaf),
            Node::Lag { .. } => false,
            _ => true,
        })
    }

    /// A setting is known before training, or changes from step to step; it is never per example, and an array only
    /// where that is a list of numbers.
    fn check_setting_value(&mut self, owner: &str, name: &str, value: &Value<'p>, span: Span) -> Tried<()> {
        let Value::Array(array) = value else { return Ok(()) };
        if self.can_be_set(array) {
            return Ok(());
        }
        let diagnostic = Diagnostic::error(codes::NOT_STATIC, format!("the setting `{name}` of `{owner}` must be known before training"))
            .at(span, "a value of the running program")
            .help(format!("settings come first, inputs in parentheses of their own: `{owner}(...)(x)`, or `x |> {owner}(...)`"));
        self.report(diagnostic)
    }

    fn no_such_setting<T>(
        &mut self,
        owner: &str,
        settings: &[Setting],
        arg: &Argument<'p>,
        declared: Span,
    ) -> Tried<T> {
        let names: Vec<&str> = settings.iter().map(|setting| setting.name.text.as_str()).collect();
        let Some(name) = arg.name else {
            let count = plural(names.len(), "setting", "settings");
            let diagnostic = Diagnostic::error(codes::WRONG_ARGUMENT_COUNT, format!("`{owner}` has {count}"))
                .at(arg.span, "one too many")
                .at(declared, "declared here")
                .help(format!("inputs follow in parentheses of their own: `{owner}(...)(x)`"));
            return self.report(diagnostic);
        };
        let diagnostic =
            Diagnostic::error(codes::UNKNOWN_SETTING, format!("`{owner}` has no setting `{}`", name.text))
                .at(name.span, "not known")
                .at(declared, "declared here");
        self.report(match nearest(&name.text, names.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None if names.is_empty() => diagnostic,
            None => diagnostic.help(format!("its settings are: {}", names.join(", "))),
        })
    }

    /// Gives settings their values: those given, else their defaults.
    pub fn bind_settings(
        &mut self,
        settings: &'p [Setting],
        given: &[(&'p str, Value<'p>, Span)],
    ) -> Tried<()> {
        for setting in settings {
            let name = setting.name.text.as_str();
            let value = match (given.iter().find(|(known, ..)| *known == name), &setting.default) {
                (Some((_, value, _)), _) => value.clone(),
                (None, Some(default)) => self.train_value(default)?,
                (None, None) => {
                    let owner = self.here().callee.unwrap_or("this");
                    return self.missing_setting(owner, setting, setting.name.span);
                }
            };
            let from = given.iter().find(|(known, ..)| *known == name).map(|(.., span)| *span);
            self.define_from(&setting.name, Ok(value), from);
            self.frame().settings.push(name);
        }
        Ok(())
    }

    /// The value of an expression where schedules may be called, and functions be named without their inputs: a setting.
    pub fn train_value(&mut self, expr: &'p Expr) -> Tried<Value<'p>> {
        if let ExprKind::Name { name, primed: false } = &ungrouped(expr).kind
            && self.is_function(&name.text)
        {
            return self.callable(expr).map(Value::Callable);
        }
        if let ExprKind::Call { callee, args } = &ungrouped(expr).kind
            && let Some(name) = Self::callable_name(callee)
            && let Some((schedule, library)) = self.schedule(&name.text)
        {
            return self.at(expr.span, |this| this.call_schedule(schedule, library, args, expr.span));
        }
        self.expr(expr)
    }

    /// Whether a name is that of a function, or of a gate that is called by its name, and of nothing in this body.
    fn is_function(&self, name: &str) -> bool {
        let frame = self.here();
        let is_local = frame.index(name).is_some()
            || frame.names.contains_key(name)
            || frame.definers.contains_key(name);
        let is_fn = |(definition, _): (&Definition, bool)| definition.kind == DefinitionKind::Fn;
        let defined = self.definitions.callable(name, self.in_library()).map(is_fn);
        !is_local && defined.unwrap_or_else(|| Gate::called(name).is_some())
    }

    fn schedule(&self, name: &str) -> Option<(super::program::Schedule<'p>, bool)> {
        let own = if self.in_library() { None } else { self.definitions.user.schedules.get(name) };
        own.map(|&s| (s, false)).or_else(|| self.definitions.library.schedules.get(name).map(|&s| (s, true)))
    }

    fn call_schedule(
        &mut self,
        schedule: super::program::Schedule<'p>,
        library: bool,
        args: &'p [Arg],
        span: Span,
    ) -> Tried<Value<'p>> {
        let name = schedule.name.text.as_str();
        let given = self.given_settings(name, schedule.settings, args, schedule.name.span)?;
        if let Some(missing) = schedule
            .settings
            .iter()
            .find(|s| s.default.is_none() && !given.iter().any(|g| g.0 == s.name.text))
        {
            return self.missing_setting(name, missing, span);
        }
        if self.frames.len() > MAX_CALLS {
            return self.error(
                codes::RECURSIVE_CALL,
                format!("`{name}` calls itself"),
                span,
                "this call would never end",
            );
        }
        let mut frame = Frame::new(BodyKind::Schedule, library);
        frame.callee = Some(name);
        frame.call = Some(span);
        self.frames.push(frame);
        let value = match (self.bind_settings(schedule.settings, &given), schedule.body) {
            (Ok(()), Body::Expr(expr)) => self.expr(expr),
            (Ok(()), Body::Block(statements)) => self.schedule_block(schedule.name, statements),
            (Err(failed), _) => Err(failed),
        };
        self.frames.pop();
        value
    }

    /// The value of a schedule with a block is the equation of the schedule's own name.
    fn schedule_block(&mut self, name: &'p Name, statements: &'p [ast::Stmt]) -> Tried<Value<'p>> {
        self.run_block(statements);
        match self.here().names.get(&name.text).map(|entry| entry.value.clone()) {
            Some(value) => value,
            None => {
                let message = format!("the schedule's value `{} = ...` is never defined", name.text);
                self.error(codes::MISSING_PART, message, name.span, "not defined in its block")
            }
        }
    }
}
