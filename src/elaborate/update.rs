//! The optimizers of a `train` block to its [`Update`]: for each turn one circuit over flat arrays.

use super::Choices;
use super::calls::Argument;
use super::chosen::given_settings;
use super::context::Elaborator;
use super::groups::{Assigned, Group as Assignment, RANK};
use super::model::{Group, Model, Moment, Output, Training, Turn, Update};
use super::program::{Program, Train};
use super::scope::{BodyKind, Entry, Frame};
use super::statics::{Number, Static};
use super::training::{call_of, training};
use super::values::{Applied, Array, Callable, Sort, Tried, Value, VarId};
use crate::circuit::view::{Affine, View};
use crate::circuit::{Shape, SlotId, SlotRole, ValueId};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Span, codes, nearest};
use crate::syntax::ast::{Body, Definition, Expr, ExprKind};
use std::rc::Rc;

/// Elaborates the optimizers of the chosen net's `train` block, with what they clip, for the parameters of its model.
///
/// # Errors
/// What is wrong with them, or that there is none.
pub fn update(program: &Program, choices: &Choices, model: &Model) -> Result<Update, Diagnostics> {
    check_watched(&training(program, choices)?, model)?;
    let given = given_settings(program, choices)?;
    let begin = || {
        let mut elaborator = Elaborator::new(program, true);
        elaborator.diagnostics.retain(|d| d.severity == Severity::Error);
        elaborator
    };
    let mut elaborator = begin();
    let assigned = elaborator.train_block(choices).and_then(|(_, block)| {
        let turns = elaborator.share_out(block, &given, model)?;
        Ok((block, turns))
    });
    let (block, assigned) = match assigned {
        Ok(assigned) if elaborator.diagnostics.is_empty() => assigned,
        _ => return Err(elaborator.diagnostics),
    };
    let mut update = Update { order: vec![], turns: vec![] };
    let mut offset = 0;
    for turn in &assigned {
        let mut elaborator = begin();
        let turn = elaborator.turn(block, &given, turn, model, offset);
        let turn = match turn {
            Ok(turn) if elaborator.diagnostics.is_empty() => turn,
            _ => return Err(elaborator.diagnostics),
        };
        offset += turn.groups.iter().map(|group| group.len).sum::<u32>();
        update.order.extend(&turn.params);
        update.turns.push(turn);
    }
    let frozen = model.params.iter().filter(|slot| !update.order.contains(slot));
    let frozen: Vec<SlotId> = frozen.copied().collect();
    update.order.extend(frozen);
    Ok(update)
}

/// That what `keep` and `stop` watch is a single number.
fn check_watched(training: &Training, model: &Model) -> Result<(), Diagnostics> {
    let watched = training.keep.iter().chain(training.stop.iter().map(|stop| &stop.best));
    let is_array = |metric: &&Output| !model.circuit.shape(metric.value).dims.is_empty();
    let wrong = watched.filter_map(|best| {
        let metric = model.metrics.iter().filter(is_array).find(|metric| metric.name == best.figure)?;
        let message = format!("`{}` is an array, and only a single number has a best value", metric.name);
        let wrong = Diagnostic::error(codes::EXPECTED_SCALAR, message).at(metric.span, "an array");
        Some(
            wrong
                .at(training.span, "watches it")
                .help("watch the loss, or make a metric of one number of it"),
        )
    });
    let wrong: Diagnostics = wrong.take(1).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

impl<'p> Elaborator<'p> {
    /// One turn, whose parameters begin at `offset` in the flat regions.
    fn turn(
        &mut self,
        block: Train<'p>,
        given: &'p [(String, Expr)],
        assigned: &Assigned<'p>,
        model: &Model,
        offset: u32,
    ) -> Tried<Turn> {
        let size = |slots: &[SlotId]| {
            slots.iter().map(|&slot| model.circuit.slot(slot).shape.size() as u32).sum::<u32>()
        };
        let lens: Vec<u32> = assigned.groups.iter().map(|group| size(&group.slots)).collect();
        let parameters: u32 = lens.iter().sum();
        self.frames.push(Frame::new(BodyKind::Schedule, false));
        let gradients =
            self.slot("g", SlotRole::Gradient, Shape::shared([parameters]), Sort::Real, block.span);
        let mut gradient = self.array_of(gradients, &[parameters]);
        if let Some(clip) = self.train_setting(block, given, "clip") {
            gradient = self.at(clip.span, |this| this.clipped(clip, gradient))?;
        }
        let mut groups = vec![];
        let mut start = 0;
        for (group, len) in assigned.groups.iter().zip(lens) {
            groups.push(self.group(group, &gradient, start, offset, len)?);
            start += len;
        }
        self.frames.pop();
        let params = assigned.groups.iter().flat_map(|group| group.slots.clone()).collect();
        Ok(Turn { loss: assigned.loss, params, offset, circuit: std::mem::take(&mut self.circuit), groups })
    }

    /// One group, whose gradients begin at `start` among those of its turn.
    fn group(
        &mut self,
        assigned: &Assignment<'p>,
        gradient: &Array,
        start: u32,
        offset: u32,
        len: u32,
    ) -> Tried<Group> {
        let optimizer = assigned.optimizer;
        let dims = assigned.whole.clone().unwrap_or_else(|| vec![len]);
        let weights =
            self.slot("w", SlotRole::Param, Shape::shared(dims.clone()), Sort::Real, optimizer.span);
        let part = View {
            coords: vec![Affine { c: strides(&dims), b: i64::from(start), d: 1 }],
            ..View::select(Shape::shared(dims.clone()), &[], &[])
        };
        let part = self.circuit.view(gradient.value, part);
        let (mut weight, mut gradient) = (self.array_of(weights, &dims), self.array_of(part, &dims));
        let mut over = vec![];
        if assigned.whole.is_none() {
            over.push(self.new_var("p", len));
            (weight, gradient) = (self.open(&weight, &over), self.open(&gradient, &over));
        }
        let (next_weights, moments) =
            self.at(optimizer.span, |this| this.optimizer(assigned, weight, gradient, &over))?;
        Ok(Group { offset: offset + start, len, weights, next_weights, moments })
    }

    /// A shared array of numbers.
    fn array_of(&self, value: ValueId, dims: &[u32]) -> Array {
        Array { value, vars: vec![], dims: dims.to_vec(), sort: Sort::Real, home: self.home }
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
        let argument = Argument { name: None, value: Value::Array(gradient.clone()), span: clip.span };
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
        assigned: &Assignment<'p>,
        weight: Array,
        gradient: Array,
        over: &[VarId],
    ) -> Tried<(ValueId, Vec<Moment>)> {
        let expr = assigned.optimizer;
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
        let settings = self.given_settings(name, &definition.settings, args, definition.name.span)?;
        let mut frame = Frame::new(BodyKind::Optimizer, library);
        frame.callee = Some(&definition.name.text);
        frame.definition = Some(std::ptr::from_ref(definition));
        frame.declared = Some(definition.name.span);
        frame.call = Some(span);
        frame.mapped = over.to_vec();
        self.frames.push(frame);
        let result = self.optimizer_body(definition, &settings, assigned.rank, [weight, gradient]);
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

    fn optimizer_body(
        &mut self,
        definition: &'p Definition,
        settings: &[(&'p str, Value<'p>, Span)],
        rank: Option<usize>,
        inputs: [Array; 2],
    ) -> Tried<(ValueId, Vec<Moment>)> {
        self.bind_settings(&definition.settings, settings)?;
        if definition.inputs.len() != 2 {
            let message = format!("the optimizer `{}` takes a weight and its gradient", definition.name.text);
            return self.error(codes::WRONG_ARGUMENT_COUNT, message, definition.name.span, "two inputs");
        }
        let span = self.here().call.unwrap_or(definition.name.span);
        self.frame().weights = Some((inputs[0].dims.clone(), definition.inputs[0].span));
        for (input, array) in definition.inputs.iter().zip(inputs) {
            self.bind_input(input, &Argument { name: None, value: Value::Array(array), span })?;
        }
        if let Some(rank) = rank {
            let value = Ok(Value::Static(Static::Number(Number::whole(rank as i64))));
            let entry = Entry { value, span: definition.name.span, from: None };
            self.frame().names.entry(RANK.to_string()).or_insert(entry);
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
        let next_weights = self.next_of(&weight.text, weight.span)?;
        let mut moments = vec![];
        for (name, leaf, initial) in std::mem::take(&mut self.moments) {
            let next = self.next_of(&name, definition.name.span)?;
            moments.push(Moment { name, leaf, initial, next });
        }
        Ok((next_weights, moments))
    }

    /// The next value of an input or a state, of its shape.
    fn next_of(&mut self, name: &str, declared: Span) -> Tried<ValueId> {
        let Some((array, span)) = self.here().next.get(name).cloned() else {
            let diagnostic =
                Diagnostic::error(codes::MISSING_PART, format!("the optimizer never assigns `{name}'`"))
                    .at(declared, "its next value is missing")
                    .help(format!("write `{name}' = ...`"));
            return self.report(diagnostic);
        };
        let dims = match self.here().names.get(name).map(|entry| &entry.value) {
            Some(Ok(Value::Array(before))) => before.dims.clone(),
            _ => vec![],
        };
        if !array.dims.is_empty() && array.dims != dims {
            let message = format!("`{name}` is {dims:?}, its next value {:?}", array.dims);
            return self.error(codes::SIZE_MISMATCH, message, span, "of another shape");
        }
        let over = self.here().mapped.clone();
        self.broadcast(&array, &over, &dims, false)
    }
}

/// How far apart in row-major order neighbours along each axis are.
fn strides(dims: &[u32]) -> Vec<i64> {
    (1..=dims.len()).map(|k| dims[k..].iter().map(|&dim| i64::from(dim)).product()).collect()
}
