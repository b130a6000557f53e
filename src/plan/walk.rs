//! Visits of statements, in order, into the bodies of loops.

use super::schedule::*;

/// Every statement.
pub fn statements(body: &[Stmt], visit: &mut impl FnMut(&Stmt)) {
    for stmt in body {
        visit(stmt);
        if let Stmt::For { body, .. } | Stmt::Fold { body, .. } = stmt {
            statements(body, visit);
        }
    }
}

/// Every address that is read or written.
pub fn addresses(body: &[Stmt], visit: &mut impl FnMut(&Address)) {
    statements(body, &mut |stmt| match stmt {
        Stmt::Load { at, .. } | Stmt::LoadAt { at, .. } | Stmt::Store { at, .. } => visit(at),
        _ => {}
    });
}

/// How many statements there are.
pub fn count(body: &[Stmt]) -> usize {
    let mut count = 0;
    statements(body, &mut |_| count += 1);
    count
}

/// Every register that is assigned.
pub fn assigned(body: &[Stmt], visit: &mut impl FnMut(Reg)) {
    statements(body, &mut |stmt| match stmt {
        Stmt::Let { reg, .. } | Stmt::Load { reg, .. } | Stmt::LoadAt { reg, .. } => visit(*reg),
        Stmt::Fold { acc, .. } => visit(*acc),
        Stmt::For { .. } | Stmt::Store { .. } => {}
    });
}

impl Op {
    /// Whether it reads a loop variable.
    pub fn reads(&self, var: Var) -> bool {
        match self {
            Op::Index(linear) => linear.coefficient(var) != 0,
            Op::Draw { element, example, .. } => element.coefficient(var) != 0 || *example == Some(var),
            Op::Gate(_) | Op::Number(_) | Op::Scalar(_) | Op::BatchSize => false,
        }
    }
}
