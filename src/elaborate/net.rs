//! A net to its [`Model`].

use super::chosen::given_settings;
use super::context::Elaborator;
use super::model::{Model, Output};
use super::program::{Net, Program};
use super::scope::{BodyKind, Frame};
use super::values::{Array, Sort, Tried, Value};
use super::{Choices, TRAIN_KEYS};
use crate::circuit::graph::reachable;
use crate::circuit::{SlotId, SlotRole, ValueId};
use crate::data::Dataset;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Span, codes, nearest};
use crate::syntax::ast::{Expr, Name};

/// Elaborates a net as its training or as its inference program. Sizes that the net leaves open come from the
/// data.
///
/// # Errors
/// Everything that is wrong with the net, or with how it fits the data.
pub fn model(
    program: &Program,
    data: Option<&Dataset>,
    choices: &Choices,
) -> Result<(Model, Diagnostics), Diagnostics> {
    let given = given_settings(program, choices)?;
    let mut elaborator = Elaborator::new(program, choices.training);
    elaborator.data = data;
    let net = match elaborator.definitions.net(choices.net.as_deref()) {
        Ok(net) => net,
        Err(diagnostic) => {
            elaborator.diagnostics.push(*diagnostic);
            return Err(elaborator.diagnostics);
        }
    };
    elaborator.frames.push(Frame::new(BodyKind::Net, false));
    elaborator.frame().callee = Some(&net.name.text);
    let settings = elaborator.net_settings(net, &given);
    if settings.is_ok() {
        elaborator.run_block(net.body);
    }
    let model = elaborator.finish(net);
    let diagnostics = elaborator.diagnostics;
    match model {
        Ok(model) if !diagnostics.iter().any(|d| d.severity == Severity::Error) => Ok((model, diagnostics)),
        _ => Err(diagnostics),
    }
}

impl<'p> Elaborator<'p> {
    /// Gives a net's settings their values: those of the command line, else their defaults.
    fn net_settings(&mut self, net: Net<'p>, given: &'p [(String, Expr)]) -> Tried<()> {
        let mut values = vec![];
        for (name, expr) in given {
            let bare = name.strip_prefix(&format!("{}.", net.name.text)).unwrap_or(name);
            if let Some(setting) = net.settings.iter().find(|setting| setting.name.text == bare) {
                values.push((setting.name.text.as_str(), self.train_value(expr)?, expr.span));
            } else if !TRAIN_KEYS.contains(&bare.strip_prefix("train.").unwrap_or(bare)) {
                return self.unknown_choice(name, net);
            }
        }
        self.bind_settings(net.settings, &values)
    }

    fn unknown_choice<T>(&mut self, name: &str, net: Net<'p>) -> Tried<T> {
        let settings = net.settings.iter().map(|setting| setting.name.text.as_str());
        let names: Vec<&str> = settings.chain(TRAIN_KEYS.iter().copied()).collect();
        let message = format!(
            "`--set {name}`: neither the net `{}` nor its training has such a setting",
            net.name.text
        );
        let diagnostic = Diagnostic::error(codes::UNKNOWN_SETTING, message);
        self.report(match nearest(name, names.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("there are: {}", names.join(", "))),
        })
    }

    /// `output p = e`, `metric a = e`
    pub fn result(&mut self, name: &'p Name, value: Option<&'p Expr>, is_metric: bool, span: Span) {
        if self.here().kind != BodyKind::Net {
            let word = if is_metric { "a metric" } else { "an output" };
            let message = format!("{word} stands in a net only");
            let _ = self.error::<()>(codes::WRONG_KIND_OF_NAME, message, span, "not in a net");
            return;
        }
        self.frame().equation = Some(&name.text);
        self.in_metric = is_metric;
        let array = match value {
            Some(expr) => self.array(expr),
            None => self.resolve(name).and_then(|value| self.as_array(value, name.span)),
        };
        self.in_metric = false;
        let mut array =
            array.and_then(|array| if is_metric { self.metric_numbers(array, span) } else { Ok(array) });
        if value.is_some() {
            array.iter_mut().for_each(|array| self.set_apart(array));
            let known = self.here().names.contains_key(&name.text);
            self.define(name, array.clone().map(Value::Array));
            if let (Ok(array), false) = (&array, known) {
                self.name(&name.text, array, &[], span);
            }
        }
        if let Ok(array) = array {
            self.results.push((Output { name: name.text.clone(), value: array.value, span }, is_metric));
        }
    }

    fn metric_numbers(&mut self, array: Array, span: Span) -> Tried<Array> {
        if let Sort::Class(_) = array.sort {
            return self.error(
                codes::CLASS_ARITHMETIC,
                "a metric is a number, but this is a class",
                span,
                "a class",
            );
        }
        Ok(array)
    }

    /// The model of a net whose body has been elaborated.
    fn finish(&mut self, net: Net<'p>) -> Tried<Model> {
        let loss = self.loss();
        if self.has_errors() {
            return Err(super::values::Failed);
        }
        let loss = loss?;
        self.check_inputs();
        self.check_reach(loss);
        let settings = net.settings.iter().map(|setting| {
            let name = setting.name.text.clone();
            let value = match self.here().names.get(&name).map(|entry| &entry.value) {
                Some(Ok(Value::Static(value))) => value.to_string(),
                Some(Ok(Value::Callable(callable))) => callable.name(),
                _ => "(per step)".to_string(),
            };
            (name, value)
        });
        let settings = settings.collect();
        let of_role = |roles: &[SlotRole]| -> Vec<SlotId> {
            let slots = self.circuit.slots().iter().enumerate();
            slots.filter(|(_, slot)| roles.contains(&slot.role)).map(|(k, _)| SlotId(k as u32)).collect()
        };
        let (params, states) = (of_role(&[SlotRole::Param]), of_role(&[SlotRole::State]));
        let initial_value = |slot: &SlotId| {
            let found = self.initial_values.iter().find(|(known, _)| known == slot);
            *found.expect("every parameter and state was given its initial value when it was declared")
        };
        let initial_values = params.iter().chain(&states).map(initial_value).collect();
        let results = |metrics: bool| -> Vec<Output> {
            self.results
                .iter()
                .filter(|(_, metric)| *metric == metrics)
                .map(|(output, _)| output.clone())
                .collect()
        };
        Ok(Model {
            name: net.name.text.clone(),
            settings,
            training: self.training,
            asks_training: self.asks_training,
            inputs: of_role(&[SlotRole::Input, SlotRole::Target]),
            params,
            states,
            loss,
            outputs: results(false),
            metrics: results(true),
            next_states: if self.training {
                self.next_states.iter().map(|&(slot, value, _)| (slot, value)).collect()
            } else {
                vec![]
            },
            initial_values,
            orthogonal: self.orthogonal.iter().map(|path| self.owned[path].slot).collect(),
            layers: std::mem::take(&mut self.layers),
            circuit: std::mem::take(&mut self.circuit),
            initial: std::mem::take(&mut self.other),
        })
    }

    /// The value of `loss`, a single number.
    fn loss(&mut self) -> Tried<Option<ValueId>> {
        let Some(entry) = self.here().names.get("loss").cloned() else { return Ok(None) };
        let array = self.as_array(entry.value?, entry.span)?;
        if !array.dims.is_empty() {
            let diagnostic = Diagnostic::error(
                codes::EXPECTED_SCALAR,
                format!("the loss is a single number, but this has the shape {:?}", array.dims),
            )
            .at(entry.span, "an array")
            .help("reduce it: `loss = mean[i] ...`");
            return self.report(diagnostic);
        }
        if !matches!(array.sort, Sort::Real | Sort::Integer(_)) {
            self.arithmetic_sort(&[(array.sort, entry.span)], crate::circuit::gates::NEG)?;
        }
        Ok(Some(array.value))
    }

    /// Warns of parameters that the loss does not reach, at the call that made them.
    fn check_reach(&mut self, loss: Option<ValueId>) {
        let Some(loss) = loss else { return };
        let reached = reachable(&self.circuit, [loss]);
        let mut lost: Vec<_> =
            self.owned.values().filter(|owned| !reached.contains(owned.array.value)).cloned().collect();
        lost.retain(|owned| self.circuit.slot(owned.slot).role == SlotRole::Param);
        lost.sort_by_key(|owned| owned.slot);
        let mut calls: Vec<(Span, Vec<SlotId>)> = vec![];
        for owned in lost {
            match calls.iter_mut().find(|(call, _)| *call == owned.call) {
                Some((_, slots)) => slots.push(owned.slot),
                None => calls.push((owned.call, vec![owned.slot])),
            }
        }
        let warnings = calls.iter().map(|(call, slots)| self.unreached(*call, slots));
        self.diagnostics.extend(warnings.collect::<Vec<_>>());
    }

    /// What is told of the parameters of one call that the loss does not reach.
    fn unreached(&self, call: Span, slots: &[SlotId]) -> Diagnostic {
        let names: Vec<String> =
            slots.iter().map(|&slot| format!("`{}`", self.circuit.slot(slot).name)).collect();
        let (which, stays) = match &names[..] {
            [name] => (format!("parameter {name}"), "it will stay as it begins"),
            [first, second] => (format!("parameters {first} and {second}"), "they will stay as they begin"),
            [first, .., last] => {
                (format!("{} parameters {first} to {last}", names.len()), "they will stay as they begin")
            }
            [] => unreachable!("a call is here for a parameter of it"),
        };
        let message = format!("the loss does not depend on the {which}");
        let warning = Diagnostic::warning(codes::UNREACHED_PARAMETER, message).at(call, stays);
        match (slots, self.circuit.slot(slots[0]).span.filter(|&span| span != call)) {
            ([_], Some(span)) => warning.at(span, "declared here"),
            _ => warning,
        }
    }

    /// Warns of inputs that nothing reads.
    fn check_inputs(&mut self) {
        let slots: Vec<(String, Option<Span>)> = self
            .circuit
            .slots()
            .iter()
            .filter(|slot| slot.role == SlotRole::Input)
            .map(|slot| (slot.name.clone(), slot.span))
            .collect();
        for (name, span) in slots {
            if self.here().read.contains(&name) {
                continue;
            }
            let mut warning =
                Diagnostic::warning(codes::UNUSED_INPUT, format!("nothing reads the input `{name}`"));
            if let Some(span) = span {
                warning = warning.at(span, "declared here");
            }
            self.diagnostics.push(warning.help("use it, or take the declaration away"));
        }
    }
}
