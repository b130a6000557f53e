//! What the equations of a block read of one another, by their text alone.

use super::super::ranges::index_names;
use super::super::scope::target_key;
use super::super::walk::{for_each_child, mentions, ungrouped};
use crate::diagnostic::Span;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Index, IndexArg, Stmt, StmtKind, Target, UnaryOp};
use rustc_hash::FxHashMap;

/// An equation of a block, its choices opened.
#[derive(Debug)]
pub struct Equation<'p> {
    /// The whole of it.
    pub statement: &'p Stmt,
    /// What it defines.
    pub targets: &'p [Target],
    /// Its right side.
    pub value: &'p Expr,
    /// What it reads of the names that the block's equations define.
    pub reads: Vec<Read<'p>>,
}

impl<'p> Equation<'p> {
    /// Of a statement that is one.
    pub fn of(statement: &'p Stmt) -> Option<Self> {
        match &statement.kind {
            StmtKind::Define { targets, value, .. } => {
                Some(Equation { statement, targets, value, reads: vec![] })
            }
            _ => None,
        }
    }

    /// The indices of its left side that stand at a known axis, with that axis.
    pub fn indices(&self) -> impl Iterator<Item = (usize, &'p str)> + use<'p> {
        let known = self.targets[0].indices.iter().take_while(|index| !matches!(index, Index::Pack(_)));
        known.enumerate().filter_map(|(axis, index)| match index {
            Index::Name { name, .. } => Some((axis, name.text.as_str())),
            _ => None,
        })
    }
}

/// A place where an equation reads a name.
#[derive(Debug)]
pub struct Read<'p> {
    /// Which equation defines the name; where branches do, there is a read for each.
    pub of: usize,
    /// The name, with a `'` for the next value of a state.
    pub name: String,
    /// The name's place.
    pub base: Span,
    /// The read with its brackets.
    pub span: Span,
    /// Whether there are brackets.
    pub indexed: bool,
    /// For each axis where it is told: relative to which index of the left side it is read.
    pub relative: Vec<Option<Relative<'p>>>,
}

/// `t - e`, where `t` is an index of the left side.
#[derive(Clone, Debug)]
pub struct Relative<'p> {
    /// Where that index stands on the left side.
    pub axis: usize,
    /// Its name.
    pub index: &'p str,
    /// What is added, or taken off where marked.
    pub rest: Vec<(bool, &'p Expr)>,
    /// Whether a reducer around the read binds an index of the rest.
    pub moves: bool,
}

/// Fills in what each of a block's equations reads of the others.
pub fn link(equations: &mut [Equation<'_>]) {
    let mut of: FxHashMap<String, Vec<usize>> = FxHashMap::default();
    for (k, equation) in equations.iter().enumerate() {
        for target in equation.targets {
            of.entry(target_key(&target.name.text, target.primed)).or_default().push(k);
        }
    }
    for equation in equations {
        let mut walk = Walk { of: &of, left: equation.indices().collect(), bound: vec![], reads: vec![] };
        walk.expr(equation.value);
        let mut reads = walk.reads;
        for index in equation.targets.iter().flat_map(|target| &target.indices) {
            let mut walk = Walk { of: &of, left: vec![], bound: vec![], reads: vec![] };
            index.ranges().for_each(|range| walk.expr(range));
            reads.append(&mut walk.reads);
        }
        equation.reads = reads;
    }
}

/// Collects the reads of one equation.
struct Walk<'p, 'a> {
    of: &'a FxHashMap<String, Vec<usize>>,
    left: Vec<(usize, &'p str)>,
    /// Indices that reducers around bind.
    bound: Vec<&'p str>,
    reads: Vec<Read<'p>>,
}

impl<'p> Walk<'p, '_> {
    fn expr(&mut self, expr: &'p Expr) {
        match &expr.kind {
            // An index stands for itself, whatever else is called so.
            ExprKind::Name { name, primed: false } if self.is_index(&name.text) => {}
            ExprKind::Name { name, primed } => self.read(&name.text, *primed, expr.span, expr.span, None),
            // The path of an inner value begins with an instance, not with a value.
            ExprKind::Field { .. } => {}
            ExprKind::Index { base, indices } => {
                match &ungrouped(base).kind {
                    ExprKind::Name { name, primed } => {
                        self.read(&name.text, *primed, ungrouped(base).span, expr.span, Some(indices));
                    }
                    _ => self.expr(base),
                }
                for index in indices {
                    if let IndexArg::Expr(index) = index {
                        self.expr(index);
                    }
                }
            }
            ExprKind::Reduce { indices, .. } => {
                let known = self.bound.len();
                self.bound.extend(indices.iter().flat_map(index_names));
                for_each_child(expr, &mut |child| self.expr(child));
                self.bound.truncate(known);
            }
            _ => for_each_child(expr, &mut |child| self.expr(child)),
        }
    }

    fn is_index(&self, name: &str) -> bool {
        self.bound.contains(&name) || self.left.iter().any(|known| known.1 == name)
    }

    fn read(&mut self, name: &str, primed: bool, base: Span, span: Span, indices: Option<&'p [IndexArg]>) {
        let name = target_key(name, primed);
        let Some(of) = self.of.get(&name) else { return };
        let known = indices.unwrap_or_default().iter().map_while(|index| match index {
            IndexArg::Expr(expr) => Some(self.relative(expr)),
            _ => None,
        });
        let relative: Vec<_> = known.collect();
        for &of in of {
            let (name, relative) = (name.clone(), relative.clone());
            self.reads.push(Read { of, name, base, span, indexed: indices.is_some(), relative });
        }
    }

    /// An index expression as one index of the left side and a rest that does not depend on the left side.
    fn relative(&self, expr: &'p Expr) -> Option<Relative<'p>> {
        let mut rest = vec![];
        terms(expr, false, &mut rest);
        let left = |expr: &Expr| match &ungrouped(expr).kind {
            ExprKind::Name { name, primed: false } => self.left.iter().find(|known| known.1 == name.text),
            _ => None,
        };
        let own = rest.iter().position(|(negative, term)| !negative && left(term).is_some())?;
        let &(axis, index) = left(rest.remove(own).1)?;
        let all: Vec<&str> = self.left.iter().map(|known| known.1).collect();
        if rest.iter().any(|(_, term)| mentions(term, &all)) {
            return None;
        }
        let moves = rest.iter().any(|(_, term)| mentions(term, &self.bound));
        Some(Relative { axis, index, rest, moves })
    }
}

/// The terms of a sum; those taken off are marked.
fn terms<'p>(expr: &'p Expr, negative: bool, out: &mut Vec<(bool, &'p Expr)>) {
    match &expr.kind {
        ExprKind::Group(inner) => terms(inner, negative, out),
        ExprKind::Unary { op: UnaryOp::Neg, value } => terms(value, !negative, out),
        ExprKind::Binary { op: BinaryOp::Add, left, right } => {
            terms(left, negative, out);
            terms(right, negative, out);
        }
        ExprKind::Binary { op: BinaryOp::Sub, left, right } => {
            terms(left, negative, out);
            terms(right, !negative, out);
        }
        _ => out.push((negative, expr)),
    }
}
