//! A schedule for batches of one size.

use super::schedule::*;

impl Schedule {
    /// The same work for batches of `capacity` examples only: nothing depends on the size of the batch any more.
    pub fn of_whole_batches(&self) -> Schedule {
        let mut schedule = self.clone();
        schedule.steps.iter_mut().for_each(|step| fix_step(step, self.capacity));
        schedule
    }
}

fn fix_step(step: &mut Step, size: u32) {
    match step {
        Step::Nest(nest) => fix_body(&mut nest.body, size),
        Step::Contract(Contract { batch, m, n, k, .. }) => {
            let axes = [batch, m, n, k].into_iter().flatten();
            axes.for_each(|axis| fix(&mut axis.extent, size));
        }
        Step::Scatter(_) => {}
        Step::Recur(recur) => recur.body.iter_mut().for_each(|step| fix_step(step, size)),
    }
}

fn fix_body(body: &mut [Stmt], size: u32) {
    for stmt in body {
        match stmt {
            Stmt::For { extent, body, .. } | Stmt::Fold { extent, body, .. } => {
                fix(extent, size);
                fix_body(body, size);
            }
            Stmt::Let { op, .. } if *op == Op::BatchSize => *op = Op::Number(size.into()),
            Stmt::Let { .. } | Stmt::Load { .. } | Stmt::LoadAt { .. } | Stmt::Store { .. } => {}
        }
    }
}

fn fix(extent: &mut Extent, size: u32) {
    if *extent == Extent::Batch {
        *extent = Extent::Fixed(size);
    }
}
