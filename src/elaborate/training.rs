//! `train` blocks: how a net is trained.

use super::Choices;
use super::chosen::given_settings;
use super::context::Elaborator;
use super::model::{Best, Part, Stop, Training};
use super::program::{Definitions, Net, Program, Train};
use super::scope::{BodyKind, Frame};
use super::statics::Static;
use super::values::{Tried, Value};
use super::walk::ungrouped;
use crate::circuit::Dtype;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes, nearest};
use crate::syntax::ast::{Arg, Expr, ExprKind, Item, StmtKind};

/// What a `train` block may set. `optimizer`, `freeze` and `clip` are part of the [`super::Update`].
pub const TRAIN_KEYS: &[&str] = &[
    "optimizer",
    "freeze",
    "clip",
    "batch",
    "epochs",
    "seed",
    "shuffle",
    "precision",
    "recompute",
    "stop",
    "keep",
];

/// Examples a step, where the block does not say.
const DEFAULT_BATCH: u32 = 32;
/// Passes over the data, where the block does not say.
const DEFAULT_EPOCHS: u32 = 10;

/// Checks the `train` block of the chosen net.
///
/// # Errors
/// What is wrong with it, or that there is none.
pub fn training(program: &Program, choices: &Choices) -> Result<Training, Diagnostics> {
    let given = given_settings(program, choices)?;
    let mut elaborator = Elaborator::new(program, true);
    elaborator.diagnostics.retain(|d| d.severity == crate::diagnostic::Severity::Error);
    let block = elaborator.train_block(choices);
    let result = block.and_then(|(net, block)| elaborator.training(net, block, &given));
    match result {
        Ok(training) if elaborator.diagnostics.is_empty() => Ok(training),
        _ => Err(elaborator.diagnostics),
    }
}

/// The type of all numbers and the seed: those of the chosen net's `train` block, or, for a program without one, those
/// that the command line gives.
///
/// # Errors
/// What is wrong with how they are given.
pub fn precision_and_seed(program: &Program, choices: &Choices) -> Result<(Dtype, u64), Diagnostics> {
    let given = given_settings(program, choices)?;
    let mut elaborator = Elaborator::new(program, true);
    elaborator.diagnostics.clear();
    let net = elaborator.definitions.net(choices.net.as_deref()).map_err(|wrong| vec![*wrong])?;
    let block = elaborator.definitions.train(&net.name.text);
    let setting = |key: &str| setting(&net.name.text, block, &given, key);
    elaborator.frames.push(Frame::new(BodyKind::Schedule, false));
    let precision = elaborator.precision(setting("precision"));
    let seed = elaborator.count(setting("seed"), "seed", 0);
    match (precision, seed) {
        (Ok(precision), Ok(seed)) => Ok((precision, seed.unwrap_or(0))),
        _ => Err(elaborator.diagnostics),
    }
}

/// The value of a key of training: from the command line, else from the block, if there is one.
fn setting<'p>(
    net: &str,
    block: Option<Train<'p>>,
    given: &'p [(String, Expr)],
    key: &str,
) -> Option<&'p Expr> {
    let is_key = |name: &str| {
        let bare =
            name.strip_prefix("train.").or_else(|| name.strip_prefix(&format!("{net}."))).unwrap_or(name);
        bare == key
    };
    let chosen = given.iter().rev().find(|(name, _)| is_key(name)).map(|(_, expr)| expr);
    let written = |block: Train<'p>| block.settings.iter().find(|s| s.name.text == key).map(|s| &s.value);
    chosen.or_else(|| block.and_then(written))
}

/// The item of a data block or table by its name; without a name, that of the first `train` block, or the only
/// one there is.
///
/// # Errors
/// If there is no such item.
pub fn data_item<'p>(program: &'p Program, name: Option<&str>) -> Result<&'p Item, Diagnostics> {
    let definitions = Definitions::of(program, &mut vec![]);
    let items = &definitions.user.data;
    let train = definitions.user.trains.first();
    let (wanted, span) = match (name, train) {
        (Some(name), _) => {
            let train = definitions.user.trains.iter().find(|train| train.data.text == name);
            (name, train.map(|train| train.data.span))
        }
        (None, Some(train)) => (train.data.text.as_str(), Some(train.data.span)),
        (None, None) => match items.first() {
            Some((_, item)) => return Ok(item),
            None => {
                let error = Diagnostic::error(codes::MISSING_PART, "the program has no `data`");
                return Err(vec![error.help("write `data name { ... }`")]);
            }
        },
    };
    if let Some((_, item)) = items.iter().find(|(known, _)| known.text == wanted) {
        return Ok(item);
    }
    let names: Vec<&str> = items.iter().map(|(name, _)| name.text.as_str()).collect();
    let mut error = Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no data `{wanted}`"));
    if let Some(span) = span {
        error = error.at(span, "not known");
    }
    Err(vec![match nearest(wanted, names.iter().copied()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => error.help("write `data name { ... }`"),
        None => error.help(format!("there is: {}", names.join(", "))),
    }])
}

impl<'p> Elaborator<'p> {
    /// The chosen net and its `train` block.
    pub fn train_block(&mut self, choices: &Choices) -> Tried<(Net<'p>, Train<'p>)> {
        let net = match self.definitions.net(choices.net.as_deref()) {
            Ok(net) => net,
            Err(diagnostic) => return self.report(*diagnostic),
        };
        match self.definitions.train(&net.name.text) {
            Some(train) => Ok((net, train)),
            None => {
                let name = &net.name;
                let diagnostic = Diagnostic::error(
                    codes::MISSING_PART,
                    format!("nothing says how to train `{}`", name.text),
                )
                .at(name.span, "has no `train` block")
                .help(format!("write `train {} on data {{ ... }}`", name.text));
                self.report(diagnostic)
            }
        }
    }

    /// The value of a key: from the command line, else from the block.
    pub fn train_setting(
        &self,
        block: Train<'p>,
        given: &'p [(String, Expr)],
        key: &str,
    ) -> Option<&'p Expr> {
        setting(&block.net.text, Some(block), given, key)
    }

    /// Reports keys that a block does not have, or has twice.
    pub fn check_train_keys(&mut self, block: Train<'p>) {
        for (k, setting) in block.settings.iter().enumerate() {
            let name = &setting.name;
            if let Some(first) = block.settings[..k].iter().find(|known| known.name == *name) {
                let _ = self.report::<()>(super::program::defined_twice(name, first.name.span));
            }
            if TRAIN_KEYS.contains(&name.text.as_str()) {
                continue;
            }
            let diagnostic =
                Diagnostic::error(codes::UNKNOWN_SETTING, format!("a `train` block has no `{}`", name.text))
                    .at(name.span, "not known");
            let _ = self.report::<()>(match nearest(&name.text, TRAIN_KEYS.iter().copied()) {
                Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
                None => diagnostic.help(format!("it may set: {}", TRAIN_KEYS.join(", "))),
            });
        }
    }

    fn training(&mut self, net: Net<'p>, block: Train<'p>, given: &'p [(String, Expr)]) -> Tried<Training> {
        self.check_train_keys(block);
        if !self.definitions.user.data.iter().any(|(name, _)| name.text == block.data.text) {
            return self.unknown_data(block);
        }
        self.frames.push(Frame::new(BodyKind::Schedule, false));
        let setting = |key: &str| setting(&net.name.text, Some(block), given, key);
        let batch = self.count(setting("batch"), "batch", 1);
        let epochs = self.count(setting("epochs"), "epochs", 0);
        let seed = self.count(setting("seed"), "seed", 0);
        let precision = self.precision(setting("precision"));
        let message = "`recompute` says whether the backward pass computes recurrences again";
        let recompute =
            self.truth(block, given, "recompute", false, message, "`true`, for less memory, or `false`");
        let message = "`shuffle` says whether each epoch sees the examples in an order of its own";
        let shuffle = self.truth(
            block,
            given,
            "shuffle",
            true,
            message,
            "`true`, or `false` to keep them as they stand",
        );
        let stop = match self.train_setting(block, given, "stop") {
            Some(expr) => self.stop(expr, net).map(Some),
            None => Ok(None),
        };
        let keep = match self.train_setting(block, given, "keep") {
            Some(expr) => self.best(expr, net).map(Some),
            None => Ok(None),
        };
        self.frames.pop();
        let fits = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Ok(Training {
            net: net.name.text.clone(),
            data: block.data.text.clone(),
            batch: batch?.map_or(DEFAULT_BATCH, fits),
            epochs: epochs?.map_or(DEFAULT_EPOCHS, fits),
            seed: seed?.unwrap_or(0),
            precision: precision?,
            recompute: recompute?,
            shuffle: shuffle?,
            stop: stop?,
            keep: keep?,
            span: block.span,
        })
    }

    fn unknown_data<T>(&mut self, block: Train<'p>) -> Tried<T> {
        let name = &block.data.text;
        let names: Vec<&str> =
            self.definitions.user.data.iter().map(|(name, _)| name.text.as_str()).collect();
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no data `{name}`"))
            .at(block.data.span, "not known");
        let near = nearest(name, names.iter().copied());
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("write `data name { ... }`"),
        })
    }

    /// `precision = f64`
    fn precision(&mut self, expr: Option<&'p Expr>) -> Tried<Dtype> {
        let Some(expr) = expr else { return Ok(Dtype::default()) };
        let name = Self::callable_name(ungrouped(expr)).map(|name| name.text.as_str());
        match Dtype::ALL.into_iter().find(|dtype| name == Some(dtype.name())) {
            Some(dtype) => Ok(dtype),
            None => self.bad_value(expr.span, "`precision` is a type of number", "write `f32` or `f64`"),
        }
    }

    /// `recompute = true`: a key that is true or false.
    fn truth(
        &mut self,
        block: Train<'p>,
        given: &'p [(String, Expr)],
        key: &str,
        default: bool,
        message: &str,
        write: &str,
    ) -> Tried<bool> {
        let Some(expr) = self.train_setting(block, given, key) else { return Ok(default) };
        match self.expr(expr)? {
            Value::Static(Static::Bool(truth)) => Ok(truth),
            _ => self.bad_value(expr.span, message, &format!("write {write}")),
        }
    }

    /// A whole number of at least `least`; none where the key is not given.
    fn count(&mut self, expr: Option<&'p Expr>, key: &str, least: i64) -> Tried<Option<u64>> {
        let Some(expr) = expr else { return Ok(None) };
        let number = self.static_number(expr, &format!("`{key}`"))?;
        if let Some(count) = number.as_integer().filter(|&n| n >= least && n <= i64::from(u32::MAX)) {
            return Ok(Some(count as u64));
        }
        let message = format!("`{key}` is a whole number of at least {least}, not {number}");
        self.error(codes::BAD_SETTING_VALUE, message, expr.span, &format!("this is {number}"))
    }

    /// `stalls(lowest(validation.loss), epochs = 5)`
    fn stop(&mut self, expr: &'p Expr, net: Net<'p>) -> Tried<Stop> {
        let help = "write `stalls(lowest(validation.loss), epochs = 5)`";
        let Some(("stalls", args)) = call_of(expr) else {
            return self.bad_value(expr.span, "`stop` says what must stall for how long", help);
        };
        let epochs = args.iter().find(|arg| arg.name.as_ref().is_some_and(|name| name.text == "epochs"));
        let epochs = epochs.or_else(|| args.get(1).filter(|arg| arg.name.is_none()));
        let (Some(watched), Some(epochs), 2) =
            (args.first().filter(|arg| arg.name.is_none()), epochs, args.len())
        else {
            return self.bad_value(expr.span, "`stalls` takes a figure and a number of epochs", help);
        };
        let best = self.best(&watched.value, net)?;
        let number = self.static_number(&epochs.value, "`epochs`")?;
        match number.as_integer().and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0) {
            Some(epochs) => Ok(Stop { best, epochs }),
            None => self.bad_value(epochs.value.span, "`epochs` is a whole number of at least 1", help),
        }
    }

    /// `highest(validation.accuracy)`
    pub fn best(&mut self, expr: &'p Expr, net: Net<'p>) -> Tried<Best> {
        let help = "write `lowest(validation.loss)` or `highest(validation.name)`, where `name` is a metric";
        let (highest, args) = match call_of(expr) {
            Some(("highest", args)) => (true, args),
            Some(("lowest", args)) => (false, args),
            _ => return self.bad_value(expr.span, "this says which figure is best", help),
        };
        let field = match args {
            [Arg { name: None, value }] => value,
            _ => return self.bad_value(expr.span, "`highest` and `lowest` take one figure", help),
        };
        let ExprKind::Field { base, name } = &ungrouped(field).kind else {
            return self.bad_value(field.span, "a figure is of a part of the data", help);
        };
        let part = match Self::callable_name(base).map(|name| name.text.as_str()) {
            Some("validation") => Part::Validation,
            Some("test") => Part::Test,
            Some("train") => Part::Train,
            _ => return self.bad_value(base.span, "the parts are `train`, `validation` and `test`", help),
        };
        let mut figures = vec!["loss"];
        figures.extend(net.body.iter().filter_map(|statement| match &statement.kind {
            StmtKind::Metric { name, .. } => Some(name.text.as_str()),
            _ => None,
        }));
        if figures.contains(&name.text.as_str()) {
            return Ok(Best { highest, part, figure: name.text.clone() });
        }
        let diagnostic = Diagnostic::error(
            codes::UNKNOWN_NAME,
            format!("`{}` has no metric `{}`", net.name.text, name.text),
        )
        .at(name.span, "not known")
        .at(net.name.span, "of this net");
        self.report(match nearest(&name.text, figures.iter().copied()) {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("its figures are: {}", figures.join(", "))),
        })
    }

    fn bad_value<T>(&mut self, span: Span, message: &str, help: &str) -> Tried<T> {
        let diagnostic =
            Diagnostic::error(codes::BAD_SETTING_VALUE, message).at(span, "not so here").help(help);
        self.report(diagnostic)
    }
}

/// The name and arguments of a call of a plain name.
pub fn call_of(expr: &Expr) -> Option<(&str, &[Arg])> {
    match &ungrouped(expr).kind {
        ExprKind::Call { callee, args } => match &callee.kind {
            ExprKind::Name { name, primed: false } => Some((name.text.as_str(), args)),
            _ => None,
        },
        _ => None,
    }
}
