//! Makes a failing program small.
//!
//! A program is parsed, edited in one place, and printed; an edit stays if the program still fails. Edits that make
//! a program ill typed fail differently, so nothing here needs to know what a program means.

use nnc::diagnostic::FileId;
use nnc::syntax::ast::{
    Body, Decl, Expr, ExprKind, File, Index, IndexArg, Item, ItemKind, Size, Stmt, StmtKind,
};
use nnc::syntax::{build, parse, print};

/// Most programs that are tried.
const TRIES: usize = 4000;

/// A smaller program that fails as `text` does: no single edit makes it smaller still.
pub fn shrink(text: &str, fails: &dyn Fn(&str) -> bool) -> String {
    let (mut file, _) = parse(FileId(0), text);
    let mut best = text.to_string();
    let mut tries = 0;
    loop {
        let before = tries;
        let mut changed = false;
        let mut place = 0;
        while tries < TRIES {
            let mut edited = file.clone();
            if !edit(&mut edited, place) {
                break;
            }
            tries += 1;
            let shorter = print(&edited);
            if shorter.len() < best.len() + 8 && shorter != best && fails(&shorter) {
                // What stands at this place now is something else.
                (file, best, changed) = (parse(FileId(0), &shorter).0, shorter, true);
            } else {
                place += 1;
            }
        }
        if !changed || tries >= TRIES || tries == before {
            return best;
        }
    }
}

/// Makes the edit of this number, if there are so many.
fn edit(file: &mut File, number: usize) -> bool {
    let mut editor = Editor { left: Some(number) };
    editor.list(&mut file.items, 1, Editor::item);
    editor.left.is_none()
}

/// Counts the edits that there are until it comes to the one to make.
struct Editor {
    /// Edits still to be passed by; none once it is made.
    left: Option<usize>,
}

impl Editor {
    /// Whether the edit is this one.
    fn here(&mut self) -> bool {
        match self.left {
            Some(0) => {
                self.left = None;
                true
            }
            Some(count) => {
                self.left = Some(count - 1);
                false
            }
            None => false,
        }
    }

    fn done(&self) -> bool {
        self.left.is_none()
    }

    /// Leaves parts of a list out, at least `keep` being kept, or edits within them.
    fn list<T>(&mut self, list: &mut Vec<T>, keep: usize, mut within: impl FnMut(&mut Self, &mut T)) {
        let mut k = 0;
        while k < list.len() && !self.done() {
            // The last first: later parts use earlier ones.
            let at = list.len() - 1 - k;
            if list.len() > keep && self.here() {
                list.remove(at);
                return;
            }
            k += 1;
        }
        for part in list {
            if !self.done() {
                within(self, part);
            }
        }
    }

    fn item(&mut self, item: &mut Item) {
        match &mut item.kind {
            ItemKind::Net { settings, body, .. } => {
                self.list(settings, 0, |_, _| {});
                self.block(body);
            }
            ItemKind::Definition(definition) => {
                self.list(&mut definition.settings, 0, |_, _| {});
                self.list(&mut definition.outputs, 1, Self::decl);
                self.list(&mut definition.inputs, 0, Self::decl);
                match &mut definition.body {
                    Body::Expr(expr) => self.expr(expr),
                    Body::Block(block) => self.block(block),
                }
            }
            _ => {}
        }
    }

    fn block(&mut self, block: &mut Vec<Stmt>) {
        for k in 0..block.len() {
            let StmtKind::If { then, otherwise, .. } = &block[k].kind else { continue };
            for branch in [then.clone(), otherwise.clone().unwrap_or_default()] {
                if self.here() {
                    block.splice(k..=k, branch);
                    return;
                }
            }
        }
        self.list(block, 0, Self::stmt);
    }

    fn stmt(&mut self, stmt: &mut Stmt) {
        match &mut stmt.kind {
            StmtKind::Declare { decls, .. } => self.list(decls, 1, |this, declared| {
                this.decl(&mut declared.decl);
                if let Some((_, init)) = &mut declared.init {
                    this.expr(init);
                }
            }),
            StmtKind::Output { value, .. } | StmtKind::Metric { value, .. } => {
                value.iter_mut().for_each(|value| self.expr(value))
            }
            StmtKind::If { condition, then, otherwise } => {
                self.expr(condition);
                self.block(then);
                otherwise.iter_mut().for_each(|block| self.block(block));
            }
            StmtKind::Define { targets, value, .. } => {
                self.list(targets, 1, |this, target| this.list(&mut target.indices, 0, Self::index));
                self.expr(value);
            }
        }
    }

    fn decl(&mut self, decl: &mut Decl) {
        self.list(&mut decl.sizes, 0, |this, size| {
            if let Size::Expr(size) = size {
                this.size(size);
            }
        });
    }

    fn index(&mut self, index: &mut Index) {
        index.ranges_mut().for_each(|range| self.size(range));
    }

    /// Sizes stay positive: empty arrays are a matter of their own.
    fn size(&mut self, size: &mut Expr) {
        let written = match size.kind {
            ExprKind::Number { value, .. } => value,
            _ => f64::INFINITY,
        };
        for smaller in [1.0, 2.0, written - 1.0] {
            if smaller >= 1.0 && smaller < written && smaller.is_finite() && self.here() {
                *size = build::number(smaller);
                return;
            }
        }
    }

    /// Puts a part in the place of the whole, or a number, or edits within.
    fn expr(&mut self, expr: &mut Expr) {
        if self.done() {
            return;
        }
        if let ExprKind::Number { value, .. } = expr.kind {
            for smaller in [0.0, 1.0, 2.0, (value / 2.0).floor()] {
                if smaller < value && self.here() {
                    *expr = build::number(smaller);
                    return;
                }
            }
            return;
        }
        for simple in [build::number(0.0), build::number(1.0)] {
            if self.here() {
                *expr = simple;
                return;
            }
        }
        for part in parts(expr).into_iter().map(|part| part.clone()).collect::<Vec<_>>() {
            if self.here() {
                *expr = part;
                return;
            }
        }
        match &mut expr.kind {
            ExprKind::Pipe(stages) => self.list(stages, 2, |_, _| {}),
            ExprKind::Reduce { indices, .. } => self.list(indices, 1, Self::index),
            ExprKind::Index { indices, .. } => self.list(indices, 1, |_, _| {}),
            ExprKind::Call { args, .. } => self.list(args, 0, |_, _| {}),
            _ => {}
        }
        for part in parts(expr) {
            self.expr(part);
        }
    }
}

/// The expressions directly inside one.
fn parts(expr: &mut Expr) -> Vec<&mut Expr> {
    match &mut expr.kind {
        ExprKind::Labelled { value, .. } | ExprKind::Group(value) | ExprKind::Unary { value, .. } => {
            vec![value]
        }
        ExprKind::Array(list) | ExprKind::Tuple(list) | ExprKind::Pipe(list) => list.iter_mut().collect(),
        ExprKind::Call { callee, args } => {
            std::iter::once(&mut **callee).chain(args.iter_mut().map(|arg| &mut arg.value)).collect()
        }
        ExprKind::Index { base, indices } => {
            let indices = indices.iter_mut().filter_map(|index| match index {
                IndexArg::Expr(expr) => Some(expr),
                _ => None,
            });
            std::iter::once(&mut **base).chain(indices).collect()
        }
        ExprKind::Binary { left, right, .. } => vec![left, right],
        ExprKind::Reduce { body, .. } => vec![body],
        ExprKind::If { condition, then, otherwise } => vec![condition, then, otherwise],
        ExprKind::Default { read, default } => vec![read, default],
        _ => vec![],
    }
}
