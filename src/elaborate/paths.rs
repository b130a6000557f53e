//! Paths: of instances, of calls, and of the values inside them.

use super::context::Elaborator;
use super::scope::{Bound, join};
use super::values::{Array, Failed, Home, Tried, Value, VarId};
use crate::diagnostic::{Diagnostic, Span, codes, nearest};
use crate::syntax::ast::Name;

impl<'p> Elaborator<'p> {
    /// The path of an occurrence of a function or layer in the body being elaborated: its label, else
    /// `equation.callee`, with `_2` on repeats; in a copy of a repeated stage, below the path of the copy. The same
    /// occurrence has the same path again.
    pub fn occurrence_path(&mut self, callee: &str, span: Span, owned: bool) -> String {
        let frame = self.here();
        let owner = if owned { frame.instance.clone() } else { frame.path.clone() };
        let label = self.frame().label.take();
        let copy = self.here().copy.clone();
        let key = (copy.as_ref().map_or(owner.clone(), |copy| join(&owner, &copy.path)), span);
        if let Some(known) = self.paths.get(&key) {
            return known.clone();
        }
        let wanted = match (copy, label, self.here().equation) {
            (Some(_), Some(label), _) => join(&key.0, &label.text),
            (Some(copy), None, _) if copy.is_whole => key.0.clone(),
            (Some(_), None, _) => join(&key.0, callee),
            (None, Some(label), _) => join(&owner, &label.text),
            (None, None, Some(equation)) => join(&join(&owner, equation), callee),
            (None, None, None) => join(&owner, callee),
        };
        let path = self.unique_path(wanted);
        self.paths.insert(key, path.clone());
        path
    }

    /// A path that nothing has yet, nor has as one word, as gradients are named by it (`a_b` for `a.b`): with `_2`, `_3`,
    /// ... if need be.
    pub fn unique_path(&mut self, wanted: String) -> String {
        let word = |path: &str| path.replace('.', "_");
        let numbered = (2..).map(|k| format!("{wanted}_{k}"));
        let mut candidates = std::iter::once(wanted.clone()).chain(numbered);
        let path =
            candidates.find(|path| !self.used_paths.contains(&word(path))).expect("numbers do not end");
        self.used_paths.insert(word(&path));
        path
    }

    /// The path of a call of an instance: the instance's, but for second calls.
    pub fn call_path(&mut self, instance: &str, call: Span) -> String {
        let (owner, caller) = (self.here().instance.clone(), self.here().path.clone());
        let key = (instance.to_string(), call, caller.clone(), self.stages.clone());
        if let Some(known) = self.call_paths.get(&key) {
            return known.clone();
        }
        let first = !self.call_paths.keys().any(|(known, ..)| known == instance);
        let path = if first {
            instance.to_string()
        } else {
            let own = instance.strip_prefix(&owner).map(|rest| rest.trim_start_matches('.'));
            let wanted =
                if owner == caller { instance.to_string() } else { join(&caller, own.unwrap_or(instance)) };
            self.unique_path(wanted)
        };
        self.call_paths.insert(key, path.clone());
        path
    }

    /// A value by its path: a parameter, or an inner value of an instance or call.
    pub fn resolve_path(&mut self, parts: &[&Name], span: Span) -> Tried<Value<'p>> {
        let first = parts[0];
        let known =
            self.here().names.contains_key(&first.text) || self.here().definers.contains_key(&first.text);
        if known {
            self.force(&first.text, first.span)?;
        }
        let text = parts.iter().map(|part| part.text.as_str()).collect::<Vec<_>>().join(".");
        for owner in [self.here().instance.clone(), self.here().path.clone()] {
            let Some(array) = self.inner.get(&join(&owner, &text)).cloned() else { continue };
            if self.home == Home::Initial {
                let message =
                    format!("an initial value cannot depend on `{text}`, which is known only in training");
                return self.error(codes::NOT_STATIC, message, span, "not known before training");
            }
            return Ok(Value::Array(self.with_free_vars_as_dims(array)?));
        }
        self.unknown_path(parts, &text, span)
    }

    fn unknown_path<T>(&mut self, parts: &[&Name], text: &str, span: Span) -> Tried<T> {
        if let Some(Err(Failed)) = self.here().names.get(&parts[0].text).map(|entry| &entry.value) {
            return Err(Failed);
        }
        let owner = self.here().instance.clone();
        let begin = join(&owner, "");
        let candidates: Vec<&str> = self.inner.keys().filter_map(|path| path.strip_prefix(&begin)).collect();
        let near = nearest(text, candidates.iter().copied()).map(String::from);
        let below = join(&owner, &format!("{}.", parts[0].text));
        let mut inside: Vec<&str> = self.inner.keys().filter_map(|path| path.strip_prefix(&below)).collect();
        inside.sort_unstable();
        let error =
            Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no `{text}`")).at(span, "not known");
        let error = match (near, inside.is_empty()) {
            (Some(near), _) => error.help(format!("did you mean `{near}`?")),
            (None, false) => error.help(format!("`{}` has: {}", parts[0].text, inside.join(", "))),
            (None, true) => error.help("a path names a value of an instance that was called: `label.W`"),
        };
        self.report(error)
    }

    /// A value seen from outside of the call that made it: index variables that are not in force here are
    /// leading dimensions.
    fn with_free_vars_as_dims(&mut self, array: Array) -> Tried<Array> {
        let frame = self.here();
        let inside = |var: &VarId| {
            let bound = |bound: &Bound| match bound {
                Bound::Var(v) => v == var,
                Bound::Pack(vs) => vs.contains(var),
            };
            frame.mapped.contains(var) || frame.indices.iter().any(|(_, b)| bound(b))
        };
        let free: Vec<VarId> = array.vars.iter().copied().filter(|var| !inside(var)).collect();
        self.close(&array, &free)
    }

    /// A piece of the program as written, on one line.
    pub fn written(&self, span: Span) -> String {
        if span.file == super::program::COMMAND_LINE {
            return String::new();
        }
        self.program.sources.slice(span).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The path of a value of the body being elaborated.
    pub fn own_path(&self, name: &str) -> String {
        join(&self.here().path, name)
    }
}
