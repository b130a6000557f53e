//! The ranges of indices: from what is written (`u: K`), from a header, or from the direct uses in a body.

use super::context::Elaborator;
use super::scope::Bound;
use super::statics::Static;
use super::values::{Failed, Tried, Value, VarId};
use super::walk::{for_each_child, mentions, ungrouped};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::{Expr, ExprKind, GroupPart, Index, IndexArg, Name};

/// Where an index got a range.
#[derive(Clone)]
struct Use {
    extent: u32,
    span: Span,
    text: String,
}

/// An index name to bind.
struct Wanted<'p> {
    name: &'p Name,
    /// Written after a colon.
    explicit: Option<&'p Expr>,
    /// From the sizes of a header, with their declaration.
    declared: Option<(u32, Span)>,
    var: VarId,
    known: bool,
}

impl<'p> Elaborator<'p> {
    /// Binds indices, in the order written, for the bodies that follow, until [`Elaborator::unbind`]. `declared`
    /// holds the extents of the axes that the indices stand for, where a header declares them, and its place.
    /// Gives one [`Bound`] an index written; a group counts as several.
    pub fn bind(
        &mut self,
        indices: &'p [Index],
        declared: Option<(&[u32], Span)>,
        bodies: &[&'p Expr],
    ) -> Tried<Vec<VarId>> {
        let begin = self.here().indices.len();
        let bound = self.bind_all(indices, declared, bodies);
        if bound.is_err() {
            self.unbind(begin);
        }
        bound
    }

    /// Forgets the indices bound since there were `begin` of them.
    pub fn unbind(&mut self, begin: usize) {
        self.frame().indices.truncate(begin);
    }

    fn bind_all(
        &mut self,
        indices: &'p [Index],
        declared: Option<(&[u32], Span)>,
        bodies: &[&'p Expr],
    ) -> Tried<Vec<VarId>> {
        let mut wanted: Vec<Wanted<'p>> = vec![];
        let mut all = vec![];
        let mut axis = 0;
        let mut declared_at = |count: usize| {
            let sizes =
                declared.and_then(|(dims, span)| Some((dims.get(axis..axis + count)?.to_vec(), span)));
            axis += count;
            sizes
        };
        for index in indices {
            match index {
                Index::Name { name, range } => {
                    let sizes = declared_at(1).map(|(dims, span)| (dims[0], span));
                    all.push(self.want(&mut wanted, name, range.as_ref(), sizes)?);
                }
                // The parts of a group share one declared size: their own come from elsewhere.
                Index::Group { parts, .. } => {
                    declared_at(1);
                    for GroupPart { name, range } in parts {
                        all.push(self.want(&mut wanted, name, range.as_ref(), None)?);
                    }
                }
                Index::Pack(name) => {
                    let vars = self.bind_pack(name)?;
                    declared_at(vars.len());
                    all.extend(vars);
                }
                Index::PackGroup { pack, .. } => {
                    declared_at(1);
                    all.extend(self.bind_pack(pack)?);
                }
            }
        }
        self.bind_explicit(&mut wanted)?;
        self.bind_by_use(&mut wanted, bodies)?;
        Ok(all)
    }

    /// Sets a variable apart for an index, so that the order of variables is the order of writing.
    fn want(
        &mut self,
        wanted: &mut Vec<Wanted<'p>>,
        name: &'p Name,
        explicit: Option<&'p Expr>,
        declared: Option<(u32, Span)>,
    ) -> Tried<VarId> {
        self.check_free(name)?;
        if let Some(first) = wanted.iter().find(|known| known.name.text == name.text) {
            let (text, first) = (&name.text, first.name.span);
            let diagnostic =
                Diagnostic::error(codes::INDEX_REUSED, format!("the index `{text}` is bound twice"))
                    .at(name.span, "bound again here")
                    .at(first, "bound here first")
                    .help("give each its own name");
            return self.report(diagnostic);
        }
        let var = self.new_var(&name.text, 0);
        wanted.push(Wanted { name, explicit, declared, var, known: false });
        Ok(var)
    }

    /// An index may take no name that means something already.
    fn check_free(&mut self, name: &Name) -> Tried<()> {
        let text = &name.text;
        if self.here().index(text).is_some() {
            let message = format!("the index `{text}` is bound already");
            let diagnostic = Diagnostic::error(codes::INDEX_REUSED, message)
                .at(name.span, "bound a second time here")
                .help("take another name for the inner one");
            return self.report(diagnostic);
        }
        if text == "batch" {
            let message = "`batch` is reserved: only `mean[batch]` may bind it";
            return self.error(codes::BATCH_MISUSE, message, name.span, "here");
        }
        if let Some(span) = self.here().names.get(text).map(|entry| entry.span) {
            let message = format!("`{text}` names a value here, and cannot be an index too");
            let diagnostic = Diagnostic::error(codes::DEFINED_TWICE, message)
                .at(name.span, "used as an index")
                .at(span, "defined here")
                .help("take another name for the index");
            return self.report(diagnostic);
        }
        Ok(())
    }

    fn bind_pack(&mut self, name: &'p Name) -> Tried<Vec<VarId>> {
        self.check_free_pack(name)?;
        let extents = self.here().packs[&name.text].clone();
        let vars: Vec<VarId> =
            extents.iter().enumerate().map(|(k, &extent)| self.new_var(&pack_index(k), extent)).collect();
        self.frame().indices.push((name.text.clone(), Bound::Pack(vars.clone())));
        Ok(vars)
    }

    fn check_free_pack(&mut self, name: &Name) -> Tried<()> {
        if self.here().packs.contains_key(&name.text) {
            return Ok(());
        }
        let diagnostic =
            Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no pack of axes `..{}`", name.text))
                .at(name.span, "not known")
                .help("a header binds one: `x[..S]`");
        self.report(diagnostic)
    }

    fn bind_explicit(&mut self, wanted: &mut [Wanted<'p>]) -> Tried<()> {
        let mut failed = Ok(());
        for index in wanted.iter_mut() {
            let Some(range) = index.explicit else { continue };
            match self.size(range) {
                Ok(extent) => self.settle(index, extent),
                Err(Failed) => failed = Err(Failed),
            }
        }
        failed
    }

    fn settle(&mut self, index: &mut Wanted<'p>, extent: u32) {
        index.known = true;
        self.vars[index.var.0 as usize].extent = extent;
        self.frame().indices.push((index.name.text.clone(), Bound::Var(index.var)));
    }

    /// Ranges from headers and from direct uses. Arrays that are not plain names are elaborated to see their
    /// dimensions as soon as the indices within them are known.
    fn bind_by_use(&mut self, wanted: &mut [Wanted<'p>], bodies: &[&'p Expr]) -> Tried<()> {
        for deep in [false, true, true, true] {
            for k in 0..wanted.len() {
                if wanted[k].known {
                    continue;
                }
                let open: Vec<&str> = wanted
                    .iter()
                    .filter(|index| !index.known)
                    .map(|index| index.name.text.as_str())
                    .collect();
                let mut uses: Vec<Use> = vec![];
                if let Some((extent, span)) = wanted[k].declared {
                    uses.push(Use { extent, span, text: "the header".into() });
                }
                for body in bodies {
                    self.direct_uses(&wanted[k].name.text, body, &open, deep, &mut uses)?;
                }
                if let Some(first) = uses.first().cloned() {
                    if let Some(other) = uses.iter().find(|other| other.extent != first.extent) {
                        return self.conflict(wanted[k].name, &first, other);
                    }
                    self.settle(&mut wanted[k], first.extent);
                }
            }
        }
        let mut result = Ok(());
        for index in wanted.iter().filter(|index| !index.known) {
            let text = &index.name.text;
            let diagnostic = Diagnostic::error(
                codes::INDEX_RANGE_UNKNOWN,
                format!("nothing says how far the index `{text}` runs"),
            )
            .at(index.name.span, "its range is not known")
            .note("a range comes from a direct use such as `x[i]`, never from `x[2 * i]` or `x[i + 1]`")
            .help(format!("write it: `{text}: N`"));
            result = self.report(diagnostic);
        }
        result
    }

    fn conflict<T>(&mut self, name: &Name, first: &Use, other: &Use) -> Tried<T> {
        let text = &name.text;
        let (a, b) = (first.extent, other.extent);
        let message = format!("the index `{text}` runs over {a} here and over {b} there");
        let diagnostic = Diagnostic::error(codes::INDEX_RANGE_CONFLICT, message)
            .at(other.span, format!("`{text}` runs over {b}, by {}", other.text))
            .at(first.span, format!("`{text}` runs over {a}, by {}", first.text))
            .help(format!("say which is meant: `{text}: {}`, or use two indices", a.min(b)));
        self.report(diagnostic)
    }

    /// Every direct use of an index in an expression: a place where it stands alone between brackets.
    fn direct_uses(
        &mut self,
        name: &str,
        expr: &'p Expr,
        open: &[&str],
        deep: bool,
        uses: &mut Vec<Use>,
    ) -> Tried<()> {
        if let ExprKind::Index { base, indices } = &expr.kind {
            let stands = |index: &IndexArg| {
                let IndexArg::Expr(e) = index else { return false };
                matches!(&ungrouped(e).kind, ExprKind::Name { name: n, primed: false } if n.text == name)
            };
            let at: Vec<usize> = (0..indices.len()).filter(|&k| stands(&indices[k])).collect();
            if !at.is_empty()
                && let Some(dims) = self.dims_of(base, open, deep)?
            {
                for k in at {
                    // A pack before it stands for several axes; count those from the end.
                    let packs_before = indices[..k].iter().any(|index| matches!(index, IndexArg::Pack(_)));
                    let axis =
                        if packs_before { (dims.len() + k).checked_sub(indices.len()) } else { Some(k) };
                    let Some((axis, &extent)) = axis.and_then(|axis| Some((axis, dims.get(axis)?))) else {
                        return self.too_many_indices(base.span, &dims, indices.len(), expr.span);
                    };
                    let text = format!("axis {axis} of `{}`", self.written(base.span));
                    uses.push(Use { extent, span: expr.span, text });
                }
            }
        }
        let mut children = vec![];
        match (&expr.kind, self.decided(expr)) {
            // A branch that is not taken says nothing.
            (ExprKind::If { then, .. }, Some(true)) => children.push(&**then),
            (ExprKind::If { otherwise, .. }, Some(false)) => children.push(&**otherwise),
            _ => for_each_child(expr, &mut |child| children.push(child)),
        }
        // Inner indices are not bound yet: what depends on them has to wait.
        let inner: Vec<&str> = match &expr.kind {
            ExprKind::Reduce { indices, .. } => indices.iter().flat_map(index_names).collect(),
            _ => vec![],
        };
        let open: Vec<&str> = open.iter().copied().chain(inner).collect();
        for child in children {
            self.direct_uses(name, child, &open, deep, uses)?;
        }
        Ok(())
    }

    /// Which branch of a choice is taken, where settings alone decide.
    fn decided(&mut self, expr: &'p Expr) -> Option<bool> {
        let ExprKind::If { condition, .. } = &expr.kind else { return None };
        if !self.is_of_settings(condition) {
            return None;
        }
        match self.quietly(|this| this.expr(condition)) {
            Some(Value::Static(Static::Bool(truth))) => Some(truth),
            _ => None,
        }
    }

    /// Whether an expression is made of numbers and of names that are known before training.
    fn is_of_settings(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::Percent { .. } => true,
            ExprKind::Name { name, primed: false } => {
                let entry = self.here().names.get(&name.text);
                entry.is_some_and(|entry| matches!(entry.value, Ok(Value::Static(_))))
            }
            ExprKind::Group(_) | ExprKind::Unary { .. } | ExprKind::Binary { .. } => {
                let mut known = true;
                for_each_child(expr, &mut |child| known = known && self.is_of_settings(child));
                known
            }
            _ => false,
        }
    }

    /// The dimensions of what brackets follow, if they can be told without the indices that are still open.
    fn dims_of(&mut self, base: &'p Expr, open: &[&str], deep: bool) -> Tried<Option<Vec<u32>>> {
        let base = ungrouped(base);
        let simple = matches!(base.kind, ExprKind::Name { .. } | ExprKind::Field { .. });
        if (!simple && !deep) || mentions(base, open) {
            return Ok(None);
        }
        if let Some(promised) = self.promised_dims(base) {
            return Ok(promised);
        }
        if let ExprKind::Name { name, primed } = &base.kind {
            self.force(&super::scope::target_key(&name.text, *primed), name.span)?;
        }
        Ok(match self.expr(base)? {
            Value::Array(array) => Some(array.dims),
            _ => None,
        })
    }
}

/// The names that an index binds.
pub fn index_names(index: &Index) -> Vec<&str> {
    match index {
        Index::Name { name, .. } | Index::Pack(name) | Index::PackGroup { pack: name, .. } => {
            vec![&name.text]
        }
        Index::Group { parts, .. } => parts.iter().map(|part| part.name.text.as_str()).collect(),
    }
}

/// The name of the index of axis `k` of a pack: `i`, `j`, ...
pub fn pack_index(k: usize) -> String {
    ('i'..='n').nth(k).map_or_else(|| format!("i{k}"), String::from)
}
