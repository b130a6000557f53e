//! Statements under construction: open loops, and where in them each register and variable stands. A statement
//! goes into the outermost loop that knows all it needs, so that nothing is computed more often than it changes.

use super::schedule::*;
use crate::circuit::ValueId;
use rustc_hash::FxHashMap;

/// Which element of a value: the loop over the examples, if it is per example, and the position.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct At {
    /// Over the examples.
    pub batch: Option<Var>,
    /// One a dimension.
    pub dims: Vec<Linear>,
}

/// A nest under construction.
#[derive(Default)]
pub(super) struct Body {
    frames: Vec<OpenLoop>,
    /// Of each register and variable from the first of this nest on: in which frame it stands.
    registers: Vec<usize>,
    variables: Vec<usize>,
    first_register: u32,
    first_variable: u32,
    /// What is being written, and what each register was written for.
    origin: Option<ValueId>,
    origins: Vec<Option<ValueId>>,
    examples: Option<Reg>,
}

/// Numbers that were not given out yet.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fresh {
    /// The next register.
    pub register: u32,
    /// The next variable.
    pub variable: u32,
}

#[derive(Default)]
struct OpenLoop {
    statements: Vec<Stmt>,
    last: Vec<Stmt>,
    known: FxHashMap<(ValueId, At), Reg>,
}

impl Body {
    /// An empty nest.
    pub fn new(fresh: Fresh) -> Self {
        Body {
            frames: vec![OpenLoop::default()],
            first_register: fresh.register,
            first_variable: fresh.variable,
            ..Body::default()
        }
    }

    /// The statements, what was not given out, and what each register was written for.
    pub fn finish(mut self) -> (Vec<Stmt>, Fresh, Vec<Option<ValueId>>) {
        let fresh = Fresh {
            register: self.first_register + self.registers.len() as u32,
            variable: self.first_variable + self.variables.len() as u32,
        };
        (self.close(), fresh, self.origins)
    }

    /// Registers are written for a value from here on; gives what they were written for before.
    pub fn set_origin(&mut self, origin: Option<ValueId>) -> Option<ValueId> {
        std::mem::replace(&mut self.origin, origin)
    }

    /// Number of open loops.
    pub fn depth(&self) -> usize {
        self.frames.len() - 1
    }

    /// Opens a loop.
    pub fn open(&mut self) -> Var {
        self.frames.push(OpenLoop::default());
        self.variables.push(self.depth());
        Var(self.first_variable + self.variables.len() as u32 - 1)
    }

    /// Closes the innermost loop and gives its body.
    pub fn close(&mut self) -> Vec<Stmt> {
        let mut closed = self.frames.pop().expect("a loop is open");
        closed.statements.append(&mut closed.last);
        closed.statements
    }

    /// Closes the innermost loop as a plain one.
    pub fn close_for(&mut self, var: Var, extent: Extent) {
        let body = self.close();
        self.push(self.depth(), Stmt::For { var, extent, hint: Hint::Plain, body });
    }

    /// Closes the innermost loop as a fold.
    pub fn close_fold(&mut self, var: Var, extent: Extent, with: Monoid, order: Order, value: Reg) -> Reg {
        let body = self.close();
        let acc = self.register(self.depth());
        let hint = Hint::Plain;
        self.push(self.depth(), Stmt::Fold { acc, with, order, var, extent, hint, body, value });
        acc
    }

    /// Computes.
    pub fn compute(&mut self, op: Op, args: Vec<Reg>) -> Reg {
        let by_args = args.iter().map(|&arg| self.frame_of(arg)).max().unwrap_or(0);
        let by_op = match &op {
            Op::Index(linear) => self.frame_of_linear(linear),
            Op::Draw { element, example, .. } => {
                self.frame_of_linear(element).max(example.map_or(0, |var| self.frame_of_var(var)))
            }
            _ => 0,
        };
        let frame = by_args.max(by_op);
        let reg = self.register(frame);
        self.push(frame, Stmt::Let { reg, op, args });
        reg
    }

    /// The number of examples.
    pub fn batch_size(&mut self) -> Reg {
        if self.examples.is_none() {
            self.examples = Some(self.compute(Op::BatchSize, vec![]));
        }
        self.examples.expect("it was computed")
    }

    /// Reads, not further out than frame `least`.
    pub fn load(&mut self, at: Address, when: Vec<Condition>, fill: f64, least: usize) -> Reg {
        let conditions = when.iter().map(|condition| self.frame_of_linear(&condition.e)).max().unwrap_or(0);
        let frame = self.frame_of_linear(&at.at).max(conditions).max(least);
        let reg = self.register(frame);
        self.push(frame, Stmt::Load { reg, at, when, fill });
        reg
    }

    /// Reads a row of a table, not further out than frame `least`.
    pub fn load_at(&mut self, at: Address, index: Reg, stride: u32, extent: u32, least: usize) -> Reg {
        let frame = self.frame_of_linear(&at.at).max(self.frame_of(index)).max(least);
        let reg = self.register(frame);
        self.push(frame, Stmt::LoadAt { reg, at, index, stride, extent });
        reg
    }

    /// Writes in the innermost loop; `last`: when all else there is done.
    pub fn store(&mut self, at: Address, value: Reg, last: bool) {
        let store = Stmt::Store { at, value };
        let frame = self.frames.last_mut().expect("a nest is open");
        if last { frame.last.push(store) } else { frame.statements.push(store) }
    }

    /// The register that holds an element, if one does.
    pub fn known(&self, value: ValueId, at: &At) -> Option<Reg> {
        let key = (value, at.clone());
        self.frames.iter().rev().find_map(|frame| frame.known.get(&key).copied())
    }

    /// Notes which register holds an element, for as long as the register lasts, or (`here`) the innermost loop.
    pub fn note(&mut self, value: ValueId, at: At, reg: Reg, here: bool) {
        let frame = if here { self.depth() } else { self.frame_of(reg) };
        self.frames[frame].known.insert((value, at), reg);
    }

    fn push(&mut self, frame: usize, stmt: Stmt) {
        self.frames[frame].statements.push(stmt);
    }

    fn register(&mut self, frame: usize) -> Reg {
        self.registers.push(frame);
        self.origins.push(self.origin);
        Reg(self.first_register + self.registers.len() as u32 - 1)
    }

    fn frame_of(&self, reg: Reg) -> usize {
        self.registers[(reg.0 - self.first_register) as usize]
    }

    fn frame_of_var(&self, var: Var) -> usize {
        // That of a recurrence around is known everywhere.
        var.0.checked_sub(self.first_variable).map_or(0, |at| self.variables[at as usize])
    }

    fn frame_of_linear(&self, linear: &Linear) -> usize {
        linear.terms.iter().map(|term| self.frame_of_var(term.0)).max().unwrap_or(0)
    }
}
