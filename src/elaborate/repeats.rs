//! `repeat(L) stage`: so many copies of a stage one after another, each an instance of its own.

use super::context::Elaborator;
use super::scope::join;
use super::values::{Callable, Tried};
use super::walk::ungrouped;
use crate::diagnostic::{Span, codes};
use crate::syntax::ast::{Expr, ExprKind};
use std::rc::Rc;

/// No stage is repeated more often: each copy has gates of its own.
const MAX_COPIES: u32 = 1024;

/// The copy of a stage whose functions and layers are being given their paths.
#[derive(Clone, Debug)]
pub struct Copy {
    /// `blocks.0`, below the owner of the body.
    pub path: String,
    /// Whether the stage is one function or layer, which then has the path of the copy itself.
    pub is_whole: bool,
}

impl<'p> Elaborator<'p> {
    /// The copies as one pipeline.
    pub fn repeated(&mut self, count: &'p Expr, stage: &'p Expr, span: Span) -> Tried<Callable<'p>> {
        let outer = self.here().copy.clone();
        let label = self.frame().label.take();
        let copies = self.size(count)?;
        if copies > MAX_COPIES {
            let message = format!("a stage is repeated {copies} times, more than {MAX_COPIES}");
            return self.error(codes::TOO_LARGE, message, count.span, "too many copies");
        }
        let name = Self::callable_name(match &ungrouped(stage).kind {
            ExprKind::Call { callee, .. } => callee,
            _ => stage,
        });
        let name = name.map_or("copies", |name| name.text.as_str());
        let path = match (label, &outer) {
            (Some(label), Some(copy)) => join(&copy.path, &label.text),
            (Some(label), None) => label.text.clone(),
            (None, Some(copy)) if copy.is_whole => copy.path.clone(),
            (None, Some(copy)) => join(&copy.path, name),
            (None, None) => join(self.here().equation.unwrap_or_default(), name),
        };
        let path = self.path_of_copies(path, span);
        let is_whole = !matches!(ungrouped(stage).kind, ExprKind::Pipe(_));
        let mut stages = vec![];
        for k in 0..copies {
            self.frame().copy = Some(Copy { path: format!("{path}.{k}"), is_whole });
            let callable = self.callable(stage);
            self.frame().copy = outer.clone();
            stages.push((callable?, span));
        }
        Ok(Callable::Pipeline(Rc::new(stages)))
    }

    /// A path that no other copies have, below the owner of the body; the same for the same text.
    fn path_of_copies(&mut self, path: String, span: Span) -> String {
        let owner = self.here().instance.clone();
        let key = (join(&owner, &path), span);
        let known = self.paths.get(&key).cloned();
        let whole = known.unwrap_or_else(|| self.unique_path(key.0.clone()));
        self.paths.insert(key, whole.clone());
        whole.strip_prefix(&owner).map_or(whole.clone(), |rest| rest.trim_start_matches('.').to_string())
    }
}
