//! What the command line chooses: `--set width=64`, and `--set optimizer.lr=1e-3` for a setting within one.

use super::Choices;
use super::program::{Definitions, Program, Train, setting_expression};
use super::training::TRAIN_KEYS;
use crate::diagnostic::{Diagnostic, Diagnostics, codes, nearest};
use crate::syntax::ast::{Arg, Expr, ExprKind, Name, Setting};
use crate::syntax::expr_to_string;

/// What the command line sets, as expressions by the names of whole settings. A path such as `optimizer.lr` gives the
/// setting `optimizer` as it is written, or as it was set before, with another `lr` in it.
///
/// # Errors
/// What cannot be read, and paths to settings that there are not.
pub fn given_settings(program: &Program, choices: &Choices) -> Result<Vec<(String, Expr)>, Diagnostics> {
    let definitions = Definitions::of(program, &mut vec![]);
    let net = definitions.net(choices.net.as_deref()).map_err(|wrong| vec![*wrong])?;
    let block = definitions.train(&net.name.text);
    let mut given: Vec<(String, Expr)> = vec![];
    let mut settings: Vec<&(String, String)> = choices.settings.iter().collect();
    // Whole settings first: `optimizer.lr` is that of the optimizer that is set, wherever that stands.
    settings.sort_by_key(|(name, _)| path_of(name, &net.name.text).1.len());
    for (name, text) in settings {
        let Ok(value) = setting_expression(text) else {
            let message = format!("`--set {name}={text}`: `{text}` is not an expression");
            return Err(vec![Diagnostic::error(codes::BAD_SETTING_VALUE, message)]);
        };
        let (key, within) = path_of(name, &net.name.text);
        if within.is_empty() {
            given.push((name.clone(), value));
            continue;
        }
        let before = given.iter().rev().find(|(known, _)| path_of(known, &net.name.text).0 == key);
        let before = before.map(|(_, expr)| expr).or_else(|| written(net.settings, block, key));
        let Some(before) = before else {
            // Told where all names are looked at.
            given.push((name.clone(), value));
            continue;
        };
        let mut whole = before.clone();
        replace(&mut whole, &within, &value, &definitions)
            .map_err(|wrong| vec![told(wrong, name, &expr_to_string(before))])?;
        given.push((key.to_string(), whole));
    }
    Ok(given)
}

/// The setting that a name means, and the path within it: `mlp.optimizer.lr` is `lr` in `optimizer`.
pub fn path_of<'a>(name: &'a str, net: &str) -> (&'a str, Vec<&'a str>) {
    let bare = name.strip_prefix("train.").or_else(|| name.strip_prefix(net)?.strip_prefix('.'));
    let mut words = bare.unwrap_or(name).split('.');
    (words.next().unwrap_or(name), words.collect())
}

/// How a setting of the net or of its training is written in the program.
fn written<'p>(settings: &'p [Setting], block: Option<Train<'p>>, key: &str) -> Option<&'p Expr> {
    if let Some(setting) = settings.iter().find(|setting| setting.name.text == key) {
        return setting.default.as_ref();
    }
    let keys = block.filter(|_| TRAIN_KEYS.contains(&key))?.settings;
    keys.iter().find(|setting| setting.name.text == key).map(|setting| &setting.value)
}

/// Why there is nothing at the end of a path.
enum NoSuch {
    /// What is called has other settings.
    Setting { callee: String, word: String, known: Vec<String> },
    /// No call: it has no settings.
    Call,
}

/// Replaces a setting within a call, or adds it: `lr` in `adam(1e-3)`, `lr.base` in `adam(lr = cosine(1e-3))`. In a
/// list of optimizers, that of each.
fn replace(expr: &mut Expr, path: &[&str], value: &Expr, definitions: &Definitions) -> Result<(), NoSuch> {
    match &mut expr.kind {
        ExprKind::Group(inner) => return replace(inner, path, value, definitions),
        ExprKind::Array(parts) => {
            return parts.iter_mut().try_for_each(|part| replace(part, path, value, definitions));
        }
        ExprKind::Name { .. } => {
            let callee = Expr { span: expr.span, kind: expr.kind.clone() };
            expr.kind = ExprKind::Call { callee: Box::new(callee), args: vec![] };
        }
        _ => {}
    }
    let ExprKind::Call { callee, args } = &mut expr.kind else { return Err(NoSuch::Call) };
    let ExprKind::Name { name: callee, .. } = &callee.kind else { return Err(NoSuch::Call) };
    if callee.text == "at" && args.len() > 1 {
        return replace(&mut args[1].value, path, value, definitions);
    }
    let settings = settings_of(&callee.text, definitions);
    let (word, rest) = path.split_first().expect("a path within a setting has a word");
    let place = place_of(word, args, settings);
    match place {
        Some(place) if rest.is_empty() => args[place].value = value.clone(),
        Some(place) => return replace(&mut args[place].value, rest, value, definitions),
        None if rest.is_empty() && settings.iter().any(|setting| setting.name.text == *word) => {
            let name = Name { text: word.to_string(), span: value.span };
            args.push(Arg { name: Some(name), value: value.clone() });
        }
        None => {
            let named = args.iter().filter_map(|arg| arg.name.as_ref()).map(|name| name.text.clone());
            let mut known: Vec<String> = settings.iter().map(|setting| setting.name.text.clone()).collect();
            let others: Vec<String> = named.filter(|name| !known.contains(name)).collect();
            known.extend(others);
            return Err(NoSuch::Setting { callee: callee.text.clone(), word: word.to_string(), known });
        }
    }
    Ok(())
}

/// The settings of what a `train` block, or a net's header, may call.
fn settings_of<'p>(callee: &str, definitions: &Definitions<'p>) -> &'p [Setting] {
    for top in [&definitions.user, &definitions.library] {
        let clip = format!("clip_{callee}");
        // A schedule before a function: `cosine` is a loss too.
        if let Some(schedule) = top.schedules.get(callee) {
            return schedule.settings;
        }
        let callable = top.callables.get(clip.as_str()).or_else(|| top.callables.get(callee));
        if let Some(definition) = top.optimizers.get(callee).or(callable) {
            return &definition.settings;
        }
    }
    &[]
}

/// Which argument gives a setting: by its name, or by its place.
fn place_of(word: &str, args: &[Arg], settings: &[Setting]) -> Option<usize> {
    let named = args.iter().position(|arg| arg.name.as_ref().is_some_and(|name| name.text == word));
    let place = || settings.iter().position(|setting| setting.name.text == word);
    named.or_else(|| place().filter(|&place| args.get(place).is_some_and(|arg| arg.name.is_none())))
}

fn told(wrong: NoSuch, name: &str, before: &str) -> Diagnostic {
    let error = |message| Diagnostic::error(codes::UNKNOWN_SETTING, message);
    match wrong {
        NoSuch::Call => {
            let wrong = error(format!("`{name}`: `{before}` has no settings of its own"));
            wrong.help("a path goes on within a call: `optimizer.lr` in `optimizer = adam(lr = 1e-3)`")
        }
        NoSuch::Setting { callee, word, known } => {
            let wrong = error(format!("`{name}`: `{callee}` has no setting `{word}`"));
            match nearest(&word, known.iter().map(String::as_str)) {
                Some(near) => wrong.help(format!("did you mean `{near}`?")),
                None if known.is_empty() => wrong,
                None => wrong.help(format!("its settings are: {}", known.join(", "))),
            }
        }
    }
}
