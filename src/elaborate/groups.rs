//! Which parameters a `train` block trains, by which optimizer, to lower which loss.
//!
//! `optimizer = adam()` trains them all. In a list, `at("head.*", sgd(lr = 0.1))` takes the parameters whose paths a
//! pattern matches, the first such entry each; an optimizer without `at` takes the rest. `at(..., loss = name)`
//! makes its parameters lower another value of the net than `loss`: entries of one loss make a turn, and turns
//! follow one another in every step. `freeze = "c1"` leaves parameters as they begin.

use super::context::Elaborator;
use super::model::Model;
use super::program::Train;
use super::training::call_of;
use super::values::{Failed, Tried};
use super::walk::{for_each_child, ungrouped};
use crate::circuit::{SlotId, ValueId};
use crate::diagnostic::{Diagnostic, Span, codes, nearest};
use crate::syntax::ast::{Arg, Body, Definition, Expr, ExprKind, Stmt, StmtKind};

/// The name by which an optimizer knows how many axes the parameter has that a weight belongs to.
pub const RANK: &str = "rank";

/// Parameters that one optimizer updates alike; side by side in the flat regions.
#[derive(Clone, Debug)]
pub struct Group<'p> {
    /// What updates them.
    pub optimizer: &'p Expr,
    /// Number of axes of each of them, where the optimizer asks for it.
    pub rank: Option<usize>,
    /// The shape of the one parameter, where the optimizer takes it whole.
    pub whole: Option<Vec<u32>>,
    /// The parameters.
    pub slots: Vec<SlotId>,
}

/// Groups that lower one loss.
#[derive(Clone, Debug)]
pub struct Assigned<'p> {
    /// The loss.
    pub loss: ValueId,
    /// At least one.
    pub groups: Vec<Group<'p>>,
}

/// A pattern of parameter paths.
struct Pattern<'p> {
    text: &'p str,
    span: Span,
}

/// An optimizer and what it trains.
struct Entry<'p> {
    /// Empty: whatever no other entry takes.
    patterns: Vec<Pattern<'p>>,
    optimizer: &'p Expr,
    loss: Option<&'p Expr>,
    span: Span,
}

/// Whether a pattern, in which `*` stands for any text, matches a path or the path of an instance that holds it.
pub fn matches(pattern: &str, path: &str) -> bool {
    let holders = path.match_indices('.').map(|(at, _)| &path[..at]);
    holders.chain([path]).any(|path| matches_whole(pattern, path))
}

fn matches_whole(pattern: &str, path: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == path,
        Some((begin, rest)) => path.strip_prefix(begin).is_some_and(|left| {
            let ends = left.char_indices().map(|(at, _)| at).chain([left.len()]);
            ends.into_iter().any(|at| matches_whole(rest, &left[at..]))
        }),
    }
}

impl<'p> Elaborator<'p> {
    /// Shares the parameters of a model out among the entries of `optimizer` and `freeze`; turns in the order of
    /// their first entry.
    pub fn share_out(
        &mut self,
        block: Train<'p>,
        given: &'p [(String, Expr)],
        model: &Model,
    ) -> Tried<Vec<Assigned<'p>>> {
        let entries = self.entries(block, given)?;
        let frozen = match self.train_setting(block, given, "freeze") {
            Some(expr) => self.patterns(expr)?,
            None => vec![],
        };
        let written = entries.iter().flat_map(|entry| &entry.patterns).chain(&frozen);
        let unknown: Vec<&Pattern> =
            written.filter(|p| model.params.iter().all(|&s| !takes(p, model, s))).collect();
        for pattern in &unknown {
            let _ = self.unmatched::<()>(pattern, model);
        }
        if !unknown.is_empty() {
            return Err(Failed);
        }
        let mut turns: Vec<Assigned<'p>> = vec![];
        for entry in &entries {
            let definition = self.optimizer_of(entry.optimizer);
            let loss = self.loss_of(entry, model)?;
            if turns.iter().all(|turn| turn.loss != loss) {
                turns.push(Assigned { loss, groups: vec![] });
            }
            let turn = turns.iter_mut().find(|turn| turn.loss == loss).expect("made above");
            for &slot in &model.params {
                let first = entries.iter().filter(|entry| !entry.patterns.is_empty());
                let first =
                    first.into_iter().find(|entry| entry.patterns.iter().any(|p| takes(p, model, slot)));
                let mine = first.map_or(entry.patterns.is_empty(), |first| std::ptr::eq(first, entry));
                if mine && !frozen.iter().any(|pattern| takes(pattern, model, slot)) {
                    let dims = &model.circuit.slot(slot).shape.dims;
                    let rank = definition.is_some_and(asks_rank).then_some(dims.len());
                    let whole = definition.is_some_and(takes_whole).then(|| dims.clone());
                    put(
                        &mut turn.groups,
                        Group { optimizer: entry.optimizer, rank, whole, slots: vec![slot] },
                    );
                }
            }
        }
        turns.retain(|turn| !turn.groups.is_empty());
        self.check_all_trained(block, &entries, &frozen, &turns, model)?;
        Ok(turns)
    }

    /// The entries of `optimizer`: a list, or one.
    fn entries(&mut self, block: Train<'p>, given: &'p [(String, Expr)]) -> Tried<Vec<Entry<'p>>> {
        let Some(optimizer) = self.train_setting(block, given, "optimizer") else {
            let diagnostic = Diagnostic::error(codes::MISSING_PART, "the `train` block names no optimizer")
                .at(block.net.span, "of this net")
                .help("write `optimizer = adam(lr = 1e-3)`");
            return self.report(diagnostic);
        };
        let parts = match &ungrouped(optimizer).kind {
            ExprKind::Array(parts) => parts.iter().collect(),
            _ => vec![optimizer],
        };
        let mut entries: Vec<Entry<'p>> = vec![];
        for part in parts {
            let entry = match call_of(part) {
                Some(("at", args)) => self.entry(args, part.span)?,
                _ => Entry { patterns: vec![], optimizer: part, loss: None, span: part.span },
            };
            let rest = |known: &&Entry| known.patterns.is_empty() && entry.patterns.is_empty();
            if let Some(first) = entries.iter().find(rest) {
                let message = "two optimizers are given for the parameters that no `at` takes";
                let diagnostic = Diagnostic::error(codes::BAD_SETTING_VALUE, message);
                let diagnostic = diagnostic.at(entry.span, "a second one").at(first.span, "the first one");
                return self.report(diagnostic.help("say which takes what: `at(\"head.*\", sgd(lr = 0.1))`"));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    /// `at("head.*", sgd(lr = 0.1), loss = name)`
    fn entry(&mut self, args: &'p [Arg], span: Span) -> Tried<Entry<'p>> {
        let (plain, named): (Vec<&Arg>, Vec<&Arg>) = args.iter().partition(|arg| arg.name.is_none());
        let is_loss = |arg: &&Arg| arg.name.as_ref().is_some_and(|name| name.text == "loss");
        let ([pattern, optimizer], true) = (&plain[..], named.len() < 2 && named.iter().all(is_loss)) else {
            let message = "`at` takes a pattern of parameters, an optimizer, and if need be `loss`";
            let diagnostic =
                Diagnostic::error(codes::BAD_SETTING_VALUE, message).at(span, "takes something else");
            return self.report(
                diagnostic.help("`at(\"head.*\", sgd(lr = 0.1))`, `at(\"critic\", adam(), loss = doubt)`"),
            );
        };
        let patterns = self.patterns(&pattern.value)?;
        Ok(Entry { patterns, optimizer: &optimizer.value, loss: named.first().map(|arg| &arg.value), span })
    }

    /// `"c1.*"`, or a list of such.
    fn patterns(&mut self, expr: &'p Expr) -> Tried<Vec<Pattern<'p>>> {
        match &ungrouped(expr).kind {
            ExprKind::String(text) => Ok(vec![Pattern { text, span: expr.span }]),
            ExprKind::Array(parts) => {
                let mut patterns = vec![];
                for part in parts {
                    patterns.extend(self.patterns(part)?);
                }
                Ok(patterns)
            }
            _ => {
                let message = "parameters are named by their paths, in quotes";
                let diagnostic =
                    Diagnostic::error(codes::BAD_SETTING_VALUE, message).at(expr.span, "is not a path");
                self.report(diagnostic.help("`\"head.W\"`, `\"head\"` for all that `head` holds, `\"*.b\"`, or a list `[\"c1\", \"c2\"]`"))
            }
        }
    }

    /// A pattern that no parameter's path matches.
    fn unmatched<T>(&mut self, pattern: &Pattern<'p>, model: &Model) -> Tried<T> {
        let paths: Vec<&str> =
            model.params.iter().map(|&slot| model.circuit.slot(slot).name.as_str()).collect();
        let holders = paths.iter().flat_map(|path| path.match_indices('.').map(|(at, _)| &path[..at]));
        let near = nearest(pattern.text, holders.chain(paths.iter().copied()));
        let message = format!("no parameter of `{}` has a path like `{}`", model.name, pattern.text);
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, message).at(pattern.span, "matches nothing");
        let listed = paths.iter().take(8).map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ");
        let more = if paths.len() > 8 { format!(" and {} more", paths.len() - 8) } else { String::new() };
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help(format!("its parameters are {listed}{more}")),
        })
    }

    /// What the parameters of an entry lower.
    fn loss_of(&mut self, entry: &Entry<'p>, model: &Model) -> Tried<ValueId> {
        let Some(expr) = entry.loss else {
            let Some(loss) = model.loss else {
                let message = format!("`{}` has no loss to be trained by", model.name);
                return self.error(codes::MISSING_PART, message, entry.span, "lowers the net's `loss`");
            };
            return Ok(loss);
        };
        let named = |named: &&crate::circuit::Named| {
            let shape = model.circuit.shape(named.value);
            shape.dims.is_empty() && !named.path.contains('.')
        };
        let values: Vec<_> = model.circuit.names().iter().filter(named).collect();
        let name = Self::callable_name(expr).map(|name| name.text.as_str());
        if let Some(found) = values.iter().find(|value| Some(value.path.as_str()) == name) {
            return Ok(found.value);
        }
        let message = format!("`{}` has no single number `{}`", model.name, self.written(expr.span));
        let diagnostic = Diagnostic::error(codes::UNKNOWN_NAME, message).at(expr.span, "cannot be lowered");
        let near = name.and_then(|name| nearest(name, values.iter().map(|value| value.path.as_str())));
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic.help("define it in the net: `doubt = ...`"),
        })
    }

    /// That every parameter is trained or frozen, and not all of them frozen.
    fn check_all_trained(
        &mut self,
        block: Train<'p>,
        entries: &[Entry<'p>],
        frozen: &[Pattern<'p>],
        turns: &[Assigned<'p>],
        model: &Model,
    ) -> Tried<()> {
        let trained =
            |slot: &SlotId| turns.iter().flat_map(|turn| &turn.groups).any(|g| g.slots.contains(slot));
        let left = model
            .params
            .iter()
            .find(|&&slot| !trained(&slot) && !frozen.iter().any(|pattern| takes(pattern, model, slot)));
        if let Some(&slot) = left {
            let name = &model.circuit.slot(slot).name;
            let diagnostic =
                Diagnostic::error(codes::MISSING_PART, format!("no optimizer takes the parameter `{name}`"));
            let diagnostic = entries.iter().fold(diagnostic, |d, entry| d.at(entry.span, "takes others"));
            return self.report(diagnostic.help(format!(
                "add an optimizer without `at`, which takes the rest, or `freeze = \"{name}\"`"
            )));
        }
        if turns.is_empty() {
            let why = match model.params.is_empty() {
                true => format!("`{}` has no parameters", model.name),
                false => format!("every parameter of `{}` is frozen", model.name),
            };
            let message = format!("{why}: there is nothing to train");
            let diagnostic =
                Diagnostic::error(codes::NOTHING_TO_TRAIN, message).at(block.span, "in this training");
            return self
                .report(frozen.iter().fold(diagnostic, |d, pattern| d.at(pattern.span, "frozen here")));
        }
        Ok(())
    }

    /// The definition of an optimizer, if there is one.
    fn optimizer_of(&self, optimizer: &'p Expr) -> Option<&'p Definition> {
        let name = match call_of(optimizer) {
            Some((name, _)) => name,
            None => match &ungrouped(optimizer).kind {
                ExprKind::Name { name, .. } => name.text.as_str(),
                _ => return None,
            },
        };
        let own = self.definitions.user.optimizers.get(name);
        own.or_else(|| self.definitions.library.optimizers.get(name)).copied()
    }
}

/// Whether an optimizer's rule reads `rank`.
fn asks_rank(definition: &Definition) -> bool {
    match &definition.body {
        Body::Block(statements) => statements.iter().any(statement_asks),
        Body::Expr(expr) => asks(expr),
    }
}

/// Whether an optimizer takes a parameter as a whole, `(w[..S], g[..S])`, and not element by element.
pub fn takes_whole(definition: &Definition) -> bool {
    definition.inputs.iter().any(|input| !input.sizes.is_empty())
}

/// Whether a pattern takes a parameter.
fn takes(pattern: &Pattern, model: &Model, slot: SlotId) -> bool {
    matches(pattern.text, &model.circuit.slot(slot).name)
}

/// Puts a parameter into the group of its optimizer and rank; one that is taken whole is a group of its own.
fn put<'p>(groups: &mut Vec<Group<'p>>, own: Group<'p>) {
    let like = |group: &&mut Group<'p>| {
        own.whole.is_none() && std::ptr::eq(group.optimizer, own.optimizer) && group.rank == own.rank
    };
    match groups.iter_mut().find(like) {
        Some(group) => group.slots.extend(own.slots),
        None => groups.push(own),
    }
}

fn statement_asks(statement: &Stmt) -> bool {
    match &statement.kind {
        StmtKind::Define { value, .. } => asks(value),
        StmtKind::If { condition, then, otherwise } => {
            asks(condition) || then.iter().chain(otherwise.iter().flatten()).any(statement_asks)
        }
        _ => false,
    }
}

fn asks(expr: &Expr) -> bool {
    let mut found = matches!(&expr.kind, ExprKind::Name { name, .. } if name.text == RANK);
    for_each_child(expr, &mut |child| found = found || asks(child));
    found
}
