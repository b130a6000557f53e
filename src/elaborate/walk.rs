//! Walks over expressions.

use crate::syntax::ast::{Body, Expr, ExprKind, File, Index, IndexArg, ItemKind, Stmt, StmtKind};

/// Calls `f` with each expression directly inside another, in the order of the text.
pub fn for_each_child<'p>(expr: &'p Expr, f: &mut impl FnMut(&'p Expr)) {
    match &expr.kind {
        ExprKind::Number { .. }
        | ExprKind::Percent { .. }
        | ExprKind::String(_)
        | ExprKind::Name { .. }
        | ExprKind::Error => {}
        ExprKind::Labelled { value, .. } | ExprKind::Group(value) | ExprKind::Unary { value, .. } => f(value),
        ExprKind::Array(parts) | ExprKind::Tuple(parts) | ExprKind::Pipe(parts) => parts.iter().for_each(f),
        ExprKind::Call { callee, args } => {
            f(callee);
            args.iter().for_each(|arg| f(&arg.value));
        }
        ExprKind::Index { base, indices } => {
            f(base);
            for index in indices {
                match index {
                    IndexArg::Expr(expr) => f(expr),
                    IndexArg::Range { first, last } => {
                        f(first);
                        f(last);
                    }
                    IndexArg::Pack(_) => {}
                }
            }
        }
        ExprKind::Field { base, .. } => f(base),
        ExprKind::Binary { left, right, .. } => {
            f(left);
            f(right);
        }
        ExprKind::Reduce { indices, body, .. } => {
            indices.iter().flat_map(Index::ranges).for_each(&mut *f);
            f(body);
        }
        ExprKind::If { condition, then, otherwise } => {
            f(condition);
            f(then);
            f(otherwise);
        }
        ExprKind::Default { read, default } => {
            f(read);
            f(default);
        }
        ExprKind::Repeat { count, stage } => {
            f(count);
            f(stage);
        }
    }
}

/// The expression without parentheses around it.
pub fn ungrouped(expr: &Expr) -> &Expr {
    match &expr.kind {
        ExprKind::Group(inner) => ungrouped(inner),
        _ => expr,
    }
}

/// Whether a name occurs anywhere in an expression.
pub fn mentions(expr: &Expr, names: &[&str]) -> bool {
    let mut found = match &expr.kind {
        ExprKind::Name { name, .. } => names.contains(&name.text.as_str()),
        ExprKind::Index { indices, .. } => indices.iter().any(|index| match index {
            IndexArg::Pack(name) => names.contains(&name.text.as_str()),
            _ => false,
        }),
        _ => false,
    };
    for_each_child(expr, &mut |child| found = found || mentions(child, names));
    found
}

/// Whether a name occurs in any equation of a file.
pub fn file_mentions(file: &File, name: &str) -> bool {
    let mut found = false;
    let mut look = |expr: &Expr| found |= mentions(expr, &[name]);
    for item in &file.items {
        match &item.kind {
            ItemKind::Definition(definition) => match &definition.body {
                Body::Expr(expr) => look(expr),
                Body::Block(body) => body.iter().for_each(|stmt| for_each_expr(stmt, &mut look)),
            },
            ItemKind::Net { body, .. } => body.iter().for_each(|stmt| for_each_expr(stmt, &mut look)),
            _ => {}
        }
    }
    found
}

/// Calls `f` with each expression directly in a statement.
pub fn for_each_expr(stmt: &Stmt, f: &mut impl FnMut(&Expr)) {
    match &stmt.kind {
        StmtKind::Declare { decls, .. } => {
            decls.iter().filter_map(|declared| declared.init.as_ref()).for_each(|(_, init)| f(init));
        }
        StmtKind::Output { value, .. } | StmtKind::Metric { value, .. } => value.iter().for_each(f),
        StmtKind::Define { value, .. } => f(value),
        StmtKind::If { condition, then, otherwise } => {
            f(condition);
            then.iter().chain(otherwise.iter().flatten()).for_each(|stmt| for_each_expr(stmt, f));
        }
    }
}
