//! Instances, calls and pipelines.

use super::arrays::union_vars;
use super::context::{Elaborator, MAX_CALLS};
use super::model::LayerSummary;
use super::reads::plural;
use super::scope::{BodyKind, Frame};
use super::values::{Applied, Callable, Tried, Value, VarId};
use crate::circuit::Gate;
use crate::diagnostic::{Diagnostic, Span, codes, nearest};
use crate::syntax::ast::{Arg, Body, Decl, Definition, DefinitionKind, Expr, ExprKind, Name};
use std::rc::Rc;

/// What a call gives: values, or something to call further.
pub enum Outcome<'p> {
    /// One an output.
    Values(Vec<Value<'p>>),
    /// `dense(10)`
    Callable(Callable<'p>),
}

/// An argument, elaborated.
#[derive(Clone, Debug)]
pub struct Argument<'p> {
    /// The name of the input, where it was written.
    pub name: Option<&'p Name>,
    /// Its value.
    pub value: Value<'p>,
    /// Its place.
    pub span: Span,
}

/// What a name that is called means.
enum Meaning<'p> {
    Local(Value<'p>),
    Definition(&'p Definition, bool),
    Gate(Gate),
}

impl<'p> Elaborator<'p> {
    /// A call with one result, or an instance.
    pub fn call(&mut self, callee: &'p Expr, args: &'p [Arg], span: Span) -> Tried<Value<'p>> {
        match Self::callable_name(callee).filter(|name| self.is_free(name)).map(|name| name.text.as_str()) {
            Some("grad") => return self.gradient(args, span),
            Some("concat") => return self.concat(args, span),
            _ => {}
        }
        match self.call_outputs(callee, args, span)? {
            Outcome::Callable(callable) => Ok(Value::Callable(callable)),
            Outcome::Values(values) => self.single(values, span),
        }
    }

    fn single(&mut self, mut values: Vec<Value<'p>>, span: Span) -> Tried<Value<'p>> {
        if values.len() == 1 {
            return Ok(values.remove(0));
        }
        let count = values.len();
        let diagnostic =
            Diagnostic::error(codes::WRONG_ARGUMENT_COUNT, format!("this call has {count} results"))
                .at(span, "one result is used here")
                .help("take them apart on the left side: `a, b = ...`");
        self.report(diagnostic)
    }

    /// A call with all its results.
    pub fn call_outputs(&mut self, callee: &'p Expr, args: &'p [Arg], span: Span) -> Tried<Outcome<'p>> {
        if let ExprKind::Labelled { label, value } = &callee.kind {
            self.frame().label = Some(label);
            return self.call_outputs(value, args, span);
        }
        let callable = match Self::callable_name(callee) {
            Some(name) => match self.meaning(name)? {
                Meaning::Definition(definition, library) if !definition.settings.is_empty() => {
                    let (applied, inputs) = self.applied(definition, library, args, span)?;
                    let callable = Callable::Applied(applied);
                    return match inputs {
                        None => Ok(Outcome::Callable(callable)),
                        Some(inputs) => self.apply(&callable, inputs, span).map(Outcome::Values),
                    };
                }
                Meaning::Definition(definition, library) => {
                    Callable::Applied(self.applied(definition, library, &[], span)?.0)
                }
                Meaning::Gate(gate) => Callable::Gate(gate),
                Meaning::Local(value) => self.local_callable(value, callee)?,
            },
            None => self.callable(callee)?,
        };
        let mut arguments = vec![];
        for arg in args {
            let value = self.expr(&arg.value);
            arguments.push(value.map(|value| Argument {
                name: arg.name.as_ref(),
                value,
                span: arg.value.span,
            }));
        }
        let arguments = arguments.into_iter().collect::<Tried<Vec<_>>>()?;
        self.apply(&callable, arguments, span).map(Outcome::Values)
    }

    /// What a called name means. Values cannot be called, so that `metric accuracy = accuracy(z, y)` calls the function
    /// of that name.
    fn meaning(&mut self, name: &'p Name) -> Tried<Meaning<'p>> {
        let defined = self.definitions.callable(&name.text, self.in_library());
        let defined = defined.map(|(definition, library)| Meaning::Definition(definition, library));
        let global = defined.or_else(|| Gate::called(&name.text).map(Meaning::Gate));
        if global.is_some() && self.is_under_way(&name.text) {
            return global.ok_or(super::values::Failed);
        }
        match (self.resolve_local(&name.text, name.span)?, global) {
            (Some(value @ Value::Callable(_)), _) | (Some(value), None) => return Ok(Meaning::Local(value)),
            (_, Some(global)) => return Ok(global),
            (None, None) => {}
        }
        if super::draws::is_distribution(&name.text) || matches!(name.text.as_str(), "grad" | "batch") {
            return self.unknown(name);
        }
        let names = self.callable_names();
        let near = nearest(&name.text, names.iter().map(String::as_str)).map(String::from);
        let message = format!("there is no function or layer `{}`", name.text);
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, message).at(name.span, "not known");
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic,
        })
    }

    fn local_callable(&mut self, value: Value<'p>, callee: &'p Expr) -> Tried<Callable<'p>> {
        match value {
            Value::Callable(callable) => Ok(callable),
            _ => {
                let text = self.written(callee.span);
                let diagnostic = Diagnostic::error(
                    codes::WRONG_KIND_OF_NAME,
                    format!("`{text}` is a value: it cannot be called"),
                )
                .at(callee.span, "not a function or layer")
                .help(format!("brackets read elements: `{text}[i]`"));
                self.report(diagnostic)
            }
        }
    }

    /// What a stage of a pipeline, or the callee of a call, stands for.
    pub fn callable(&mut self, expr: &'p Expr) -> Tried<Callable<'p>> {
        match &expr.kind {
            ExprKind::Group(inner) => self.callable(inner),
            ExprKind::Labelled { label, value } => {
                self.frame().label = Some(label);
                let callable = self.callable(value);
                self.frame().label = None;
                callable
            }
            ExprKind::Name { name, primed: false } => match self.meaning(name)? {
                Meaning::Local(value) => self.local_callable(value, expr),
                Meaning::Definition(definition, library) => {
                    self.applied(definition, library, &[], expr.span).map(|(it, _)| Callable::Applied(it))
                }
                Meaning::Gate(gate) => Ok(Callable::Gate(gate)),
            },
            ExprKind::Repeat { count, stage } => self.repeated(count, stage, expr.span),
            _ => match self.expr(expr)? {
                Value::Callable(callable) => Ok(callable),
                _ => {
                    let text = self.written(expr.span);
                    let diagnostic = Diagnostic::error(
                        codes::WRONG_KIND_OF_NAME,
                        format!("`{text}` is a value, not a stage"),
                    )
                    .at(expr.span, "a function or layer is needed here")
                    .help("a stage takes what comes before `|>` as its input: `x |> dense(10) |> tanh`");
                    self.report(diagnostic)
                }
            },
        }
    }

    /// `x |> dense(8) |> tanh`; without an input it is something to call.
    pub fn pipe(&mut self, stages: &'p [Expr], span: Span) -> Tried<Value<'p>> {
        let Some((first, rest)) = stages.split_first() else { return Err(super::values::Failed) };
        let first_value = match Self::callable_name(first) {
            Some(name) if self.is_callable_name(name) => Value::Callable(self.callable(first)?),
            _ => self.expr(first)?,
        };
        if let Value::Callable(callable) = first_value {
            let mut pipeline = vec![(callable, first.span)];
            for stage in rest {
                pipeline.push((self.callable(stage)?, stage.span));
            }
            return Ok(Value::Callable(Callable::Pipeline(Rc::new(pipeline))));
        }
        let mut value = first_value;
        let mut from = first.span;
        for stage in rest {
            let callable = self.callable(stage)?;
            let argument = Argument { name: None, value, span: from };
            let values = self.at(stage.span, |this| this.apply(&callable, vec![argument], stage.span))?;
            value = self.single(values, stage.span)?;
            from = stage.span;
        }
        let _ = span;
        Ok(value)
    }

    /// Whether a name means a function or layer and nothing of the body.
    fn is_callable_name(&self, name: &Name) -> bool {
        let defined = self.definitions.callable(&name.text, self.in_library()).is_some();
        (defined || Gate::called(&name.text).is_some()) && !self.is_local(name)
    }

    /// Whether a name means something of the body.
    fn is_local(&self, name: &Name) -> bool {
        let frame = self.here();
        frame.names.contains_key(&name.text)
            || frame.definers.contains_key(&name.text)
            || frame.index(&name.text).is_some()
    }

    /// Whether a name that the language itself gives a meaning has no other.
    fn is_free(&self, name: &Name) -> bool {
        self.definitions.callable(&name.text, self.in_library()).is_none() && !self.is_local(name)
    }

    /// Gives inputs to something that can be called.
    pub fn apply(
        &mut self,
        callable: &Callable<'p>,
        args: Vec<Argument<'p>>,
        span: Span,
    ) -> Tried<Vec<Value<'p>>> {
        match callable {
            Callable::Gate(gate) => {
                if let Some(name) = args.iter().find_map(|arg| arg.name) {
                    let message = format!("`{}` takes its arguments by position", gate.row().name);
                    return self.error(codes::WRONG_ARGUMENT_COUNT, message, name.span, "a name");
                }
                let args: Vec<(Value<'p>, Span)> =
                    args.into_iter().map(|arg| (arg.value, arg.span)).collect();
                self.call_gate(*gate, &args, span).map(|value| vec![value])
            }
            Callable::Pipeline(stages) if stages.is_empty() => {
                Ok(args.into_iter().map(|arg| arg.value).collect())
            }
            Callable::Pipeline(stages) => {
                let mut values = args;
                let mut results = vec![];
                for (k, (stage, at)) in stages.iter().enumerate() {
                    if k > 0 {
                        let value = self.single(std::mem::take(&mut results), *at)?;
                        values = vec![Argument { name: None, value, span: *at }];
                    }
                    // A call of the whole is a call of each stage.
                    let call = if k == 0 { span } else { *at };
                    self.stages.push(k);
                    let called = self.apply(stage, std::mem::take(&mut values), call);
                    self.stages.pop();
                    results = called?;
                }
                Ok(results)
            }
            Callable::Applied(applied) => self.call_definition(applied, args, span),
        }
    }

    fn call_definition(
        &mut self,
        applied: &Rc<Applied<'p>>,
        args: Vec<Argument<'p>>,
        span: Span,
    ) -> Tried<Vec<Value<'p>>> {
        let definition = applied.definition;
        let args = self.ordered_inputs(definition, args, span)?;
        self.check_depth(definition, span)?;
        let (args, fresh) = self.lifted(definition, args)?;
        let arrays = args.iter().filter_map(|arg| match &arg.value {
            Value::Array(array) => Some(array),
            _ => None,
        });
        let mapped = union_vars(arrays);
        let path = self.call_path(&applied.path, span);
        let is_layer = definition.kind == DefinitionKind::Layer;
        let mut frame =
            Frame::new(if is_layer { BodyKind::Layer } else { BodyKind::Function }, applied.library);
        frame.callee = Some(&definition.name.text);
        frame.definition = Some(std::ptr::from_ref(definition));
        frame.declared = Some(definition.name.span);
        frame.call = Some(span);
        frame.instance = if is_layer { applied.path.clone() } else { path.clone() };
        frame.path = path;
        frame.mapped = mapped;
        frame.outputs = &definition.outputs;
        frame.in_metric = self.in_metric;
        let slots = self.circuit.slots().len();
        self.frames.push(frame);
        let stages = std::mem::take(&mut self.stages);
        let results = self.call_body(applied, &args);
        self.stages = stages;
        self.frames.pop();
        let mut results = results?;
        if !fresh.is_empty() {
            for value in &mut results {
                let array = self.as_array(value.clone(), span)?;
                *value = Value::Array(self.close(&array, &fresh)?);
            }
        }
        if applied.shown && self.here().kind == BodyKind::Net {
            self.summarise(applied, &results, slots);
        }
        Ok(results)
    }

    /// A line of the summary for the first call of an instance.
    fn summarise(&mut self, applied: &Applied<'p>, results: &[Value<'p>], slots: usize) {
        if self.layers.iter().any(|layer| layer.path == applied.path) {
            return;
        }
        let dims = match results.first() {
            Some(Value::Array(array)) => self.circuit.shape(array.value).dims.clone(),
            _ => vec![],
        };
        let own = self.circuit.slots()[slots..].iter();
        let parameters = own
            .filter(|slot| slot.role == crate::circuit::SlotRole::Param)
            .map(|slot| slot.shape.size())
            .sum();
        let call = self.written(applied.span);
        let call = call.split_once(": ").map_or(call.clone(), |(_, call)| call.to_string());
        self.layers.push(LayerSummary { path: applied.path.clone(), call, dims, parameters });
    }

    /// Inputs in the order of the header, given by position or by name.
    fn ordered_inputs(
        &mut self,
        definition: &'p Definition,
        args: Vec<Argument<'p>>,
        span: Span,
    ) -> Tried<Vec<Argument<'p>>> {
        let inputs = &definition.inputs;
        let mut ordered: Vec<Option<Argument<'p>>> = vec![None; inputs.len()];
        let count = args.len();
        for (k, arg) in args.into_iter().enumerate() {
            let at = match arg.name {
                None => (k < inputs.len()).then_some(k),
                Some(name) => inputs.iter().position(|input| input.name.text == name.text),
            };
            match at {
                Some(at) if ordered[at].is_none() => ordered[at] = Some(arg),
                _ => return self.wrong_inputs(definition, count, span),
            }
        }
        match ordered.into_iter().collect::<Option<Vec<_>>>() {
            Some(ordered) => Ok(ordered),
            None => self.wrong_inputs(definition, count, span),
        }
    }

    fn wrong_inputs<T>(&mut self, definition: &Definition, count: usize, span: Span) -> Tried<T> {
        let name = &definition.name.text;
        let inputs: Vec<&str> = definition.inputs.iter().map(|input| input.name.text.as_str()).collect();
        let asked = plural(inputs.len(), "input", "inputs");
        let message = format!("`{name}` takes {asked} ({}), but {count} given", inputs.join(", "));
        let is_are = if count == 1 { "is" } else { "are" };
        let message = message.replace(&format!("{count} given"), &format!("{count} {is_are} given"));
        let diagnostic = Diagnostic::error(codes::WRONG_ARGUMENT_COUNT, message)
            .at(span, "this call")
            .at(definition.name.span, "declared here");
        self.report(diagnostic)
    }

    fn check_depth(&mut self, definition: &'p Definition, span: Span) -> Tried<()> {
        let this = std::ptr::from_ref(definition);
        let name = &definition.name.text;
        if self.frames.iter().any(|frame| frame.definition == Some(this)) {
            let diagnostic = Diagnostic::error(codes::RECURSIVE_CALL, format!("`{name}` calls itself"))
                .at(span, "this call would never end")
                .at(definition.name.span, "declared here");
            return self.report(diagnostic);
        }
        if self.frames.len() > MAX_CALLS {
            return self.error(
                codes::TOO_LARGE,
                format!("more than {MAX_CALLS} calls within calls"),
                span,
                "here",
            );
        }
        Ok(())
    }

    /// A function of scalars only is taken element by element: dimensions become index variables of their own.
    fn lifted(
        &mut self,
        definition: &'p Definition,
        mut args: Vec<Argument<'p>>,
    ) -> Tried<(Vec<Argument<'p>>, Vec<VarId>)> {
        let scalar = |decls: &[Decl]| decls.iter().all(|decl| decl.sizes.is_empty());
        let lifts = definition.kind == DefinitionKind::Fn
            && scalar(&definition.inputs)
            && scalar(&definition.outputs);
        let dims_of = |arg: &Argument<'p>| match &arg.value {
            Value::Array(array) if !array.dims.is_empty() => Some(array.clone()),
            _ => None,
        };
        let Some((array, span)) = args.iter().find_map(|arg| Some((dims_of(arg)?, arg.span))) else {
            return Ok((args, vec![]));
        };
        if !lifts {
            return Ok((args, vec![]));
        }
        let names = ["i", "j", "k", "l", "m", "n"];
        let fresh: Vec<VarId> =
            array.dims.iter().enumerate().map(|(k, &extent)| self.new_var(names[k.min(5)], extent)).collect();
        for arg in &mut args {
            let Value::Array(other) = &arg.value else { continue };
            if other.dims.is_empty() {
                continue;
            }
            if other.dims != array.dims {
                let other = other.clone();
                return self.unequal(&array, span, &other, arg.span, "the arguments");
            }
            arg.value = Value::Array(self.open(other, &fresh));
        }
        Ok((args, fresh))
    }

    /// Settings, inputs and the body, in the frame of the call.
    fn call_body(&mut self, applied: &Rc<Applied<'p>>, args: &[Argument<'p>]) -> Tried<Vec<Value<'p>>> {
        let definition = applied.definition;
        self.bind_settings(&definition.settings, &applied.settings)?;
        for (decl, arg) in definition.inputs.iter().zip(args) {
            self.bind_input(decl, arg)?;
        }
        match &definition.body {
            Body::Expr(expr) => {
                self.enter_place(None, expr.span);
                let value = self.expr(expr)?;
                match definition.outputs.as_slice() {
                    [] => Ok(vec![value]),
                    [decl] => Ok(vec![self.checked_output(decl, value, expr.span)?]),
                    [_, second, ..] => {
                        let message = "a body of one expression has one output";
                        self.error(codes::WRONG_ARGUMENT_COUNT, message, second.span, "a second output")
                    }
                }
            }
            Body::Block(statements) => {
                if definition.outputs.is_empty() {
                    let name = &definition.name;
                    let diagnostic =
                        Diagnostic::error(codes::MISSING_PART, format!("`{}` has no output", name.text))
                            .at(name.span, "nothing follows `->`")
                            .help("declare what it gives: `-> y[M]`");
                    return self.report(diagnostic);
                }
                let known = self.diagnostics.len();
                self.run_block(statements);
                definition.outputs.iter().map(|decl| self.block_output(decl, known)).collect()
            }
        }
    }
}
