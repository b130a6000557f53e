//! What is told of names that mean nothing, or something else.

use super::context::Elaborator;
use super::values::Tried;
use crate::circuit::Gate;
use crate::circuit::gates::Form;
use crate::diagnostic::{Diagnostic, codes, nearest};
use crate::syntax::ast::{self, Name};

impl Elaborator<'_> {
    /// Reports a name that nothing defines, with what is nearest to it.
    pub fn unknown<T>(&mut self, name: &Name) -> Tried<T> {
        let text = &name.text;
        if let Some(error) = self.known_otherwise(name) {
            return self.report(error);
        }
        if let Some(&condition) = self.here().untaken.get(text) {
            let error = Diagnostic::error(codes::UNKNOWN_NAME, format!("`{text}` is not defined here"))
                .at(name.span, "not defined in this program")
                .at(condition, "only the other branch of this condition defines it")
                .help(format!("define `{text}` in both branches"));
            return self.report(error);
        }
        let candidates = self.names_in_reach();
        let near = nearest(text, candidates.iter().map(String::as_str)).map(String::from);
        let error = Diagnostic::error(codes::UNKNOWN_NAME, format!("nothing here is called `{text}`"))
            .at(name.span, "not known");
        self.report(match near {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error,
        })
    }

    /// The message for a name that means something, but not a value.
    fn known_otherwise(&mut self, name: &Name) -> Option<Diagnostic> {
        let text = name.text.as_str();
        let error = |message: String, help: &str| {
            let error = Diagnostic::error(codes::WRONG_KIND_OF_NAME, message);
            Some(error.at(name.span, "used as a value").help(help))
        };
        match text {
            "batch" => {
                let error = Diagnostic::error(
                    codes::BATCH_MISUSE,
                    "`batch` is not a value: it is the index of the examples",
                );
                return Some(
                    error
                        .at(name.span, "used as a value")
                        .help("`mean[batch] x` is the mean over the examples"),
                );
            }
            "grad" => {
                return error(
                    "`grad` is not a value: it takes two".to_string(),
                    "`grad(y, x)` is the derivative of `y` by `x`",
                );
            }
            text if super::draws::is_distribution(text) => {
                let error =
                    Diagnostic::error(codes::DRAW_MISUSE, format!("`{text}` is a distribution, not a value"));
                return Some(
                    error.at(name.span, "here").help(format!("draw from it by `name ~ {text}(...)`")),
                );
            }
            _ => {}
        }
        let library = self.in_library();
        if let Some((definition, _)) = self.definitions.callable(text, library) {
            let kind = if definition.kind == ast::DefinitionKind::Layer { "layer" } else { "function" };
            return error(
                format!("`{text}` is a {kind}, not a value"),
                "give it its inputs in parentheses, or use it after `|>`",
            );
        }
        let user = &self.definitions.user;
        let is_optimizer =
            user.optimizers.contains_key(text) || self.definitions.library.optimizers.contains_key(text);
        let is_schedule =
            user.schedules.contains_key(text) || self.definitions.library.schedules.contains_key(text);
        if is_optimizer || is_schedule {
            let kind = if is_optimizer { "an optimizer" } else { "a schedule" };
            return error(format!("`{text}` is {kind}, not a value"), "it has its place in a `train` block");
        }
        Gate::called(text)?;
        error(
            format!("`{text}` is a function, not a value"),
            "give it its inputs in parentheses, or use it after `|>`",
        )
    }

    /// Every name that could have been meant.
    fn names_in_reach(&self) -> Vec<String> {
        let frame = self.here();
        let mut names: Vec<String> = frame.names.keys().chain(frame.definers.keys()).cloned().collect();
        names.extend(frame.indices.iter().map(|(name, _)| name.clone()));
        names.extend(["pi", "inf", "step", "steps", "epoch", "training", "true", "false"].map(String::from));
        names.extend(self.callable_names());
        names.sort();
        names.dedup();
        names
    }

    /// Every function, layer and gate in reach.
    pub fn callable_names(&self) -> Vec<String> {
        let library = self.definitions.library.callables.keys();
        let mut names: Vec<String> =
            self.definitions.user.callables.keys().chain(library).map(ToString::to_string).collect();
        names.extend(Gate::all().filter(|g| g.row().form == Form::Call).map(|g| g.row().name.to_string()));
        names.sort();
        names
    }
}
