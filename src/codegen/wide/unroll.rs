//! Small loops written out, so that the loop around them can run in lanes: pools and other windows.
//!
//! `for l < 14 { for n < 2 in lanes { a[2*l + n] ... } }` would fill two of eight or sixteen lanes. Without the inner loop the
//! outer one fills them, reading and writing every second element. Arrays that only hold what one iteration needs
//! become registers.

use crate::circuit::gates;
use crate::codegen::vectorise;
use crate::plan::schedule::*;
use crate::plan::walk;
use rustc_hash::FxHashMap;

/// Statements up to which loops are written out.
const MOST_STATEMENTS: usize = 72;
/// Iterations from which on a loop is worth it.
const LEAST_LANES: usize = 4;
/// Elements from one lane to the next, at most.
pub const MOST_STRIDE: i64 = 4;

/// A body in which small loops are written out where the loop around them can then run in lanes.
pub fn unroll(schedule: &Schedule, accesses: &FxHashMap<BufferId, usize>, body: &[Stmt]) -> Vec<Stmt> {
    let mut next = 0;
    walk::assigned(body, &mut |reg| next = next.max(reg.0 + 1));
    let (regs, known) = (FxHashMap::default(), FxHashMap::default());
    Unroller { schedule, accesses, next, regs, known }.body(body)
}

struct Unroller<'a> {
    schedule: &'a Schedule,
    /// See [`vectorise::accesses`].
    accesses: &'a FxHashMap<BufferId, usize>,
    /// The next register that is free.
    next: u32,
    /// What registers of the loops are in the iteration that is written out.
    regs: FxHashMap<Reg, Reg>,
    /// What the elements of arrays that become registers are.
    known: FxHashMap<Address, Reg>,
}

impl Unroller<'_> {
    fn body(&mut self, body: &[Stmt]) -> Vec<Stmt> {
        body.iter().map(|stmt| self.stmt(stmt)).collect()
    }

    fn stmt(&mut self, stmt: &Stmt) -> Stmt {
        let mut stmt = stmt.clone();
        if let Stmt::For { var, extent, hint, body } = &mut stmt
            && *hint == Hint::Plain
            && let Some(written_out) = self.written_out(*var, *extent, body)
        {
            (*hint, *body) = (Hint::Vector, written_out);
            return stmt;
        }
        if let Stmt::For { body, .. } | Stmt::Fold { body, .. } = &mut stmt {
            *body = self.body(body);
        }
        stmt
    }

    /// The body of a loop without loops, if it then runs in lanes.
    fn written_out(&mut self, var: Var, extent: Extent, body: &[Stmt]) -> Option<Vec<Stmt>> {
        let Extent::Fixed(length) = extent else { return None };
        let has_loops = body.iter().any(|stmt| matches!(stmt, Stmt::For { .. } | Stmt::Fold { .. }));
        let fits = has_loops
            && length as usize >= LEAST_LANES
            && size(body)? <= MOST_STATEMENTS
            && longest_in_lanes(body) < length;
        if !fits {
            return None;
        }
        let private = vectorise::private(self.schedule, self.accesses, body);
        self.regs.clear();
        self.known.clear();
        let mut out = vec![];
        self.write_out(body, &[], &private, &mut out)?;
        possible(self.schedule, var, extent, &out).then_some(out)
    }

    /// Writes statements out where some variables have values.
    fn write_out(
        &mut self,
        body: &[Stmt],
        values: &[(Var, i64)],
        private: &[BufferId],
        out: &mut Vec<Stmt>,
    ) -> Option<()> {
        for stmt in body {
            match stmt {
                Stmt::For { var, extent: Extent::Fixed(extent), body, .. } => {
                    for i in 0..i64::from(*extent) {
                        self.write_out(body, &with(values, *var, i), private, out)?;
                    }
                }
                Stmt::Fold { acc, .. } => {
                    let result = self.fold(stmt, values, private, out)?;
                    self.regs.insert(*acc, result);
                }
                Stmt::Load { reg, at, when, fill } if private.contains(&at.buffer) => {
                    let known = match holds(when, values)? {
                        true => *self.known.get(&fixed_address(at, values))?,
                        false => self.compute(Op::Number(*fill), &[], out),
                    };
                    self.regs.insert(*reg, known);
                }
                Stmt::Load { reg, at, when, fill } => {
                    let when = when
                        .iter()
                        .map(|condition| Condition { e: fixed(&condition.e, values), ..condition.clone() });
                    let (when, at) = (when.collect(), fixed_address(at, values));
                    let reg = self.renamed(*reg);
                    out.push(Stmt::Load { reg, at, when, fill: *fill });
                }
                Stmt::LoadAt { reg, at, index, stride, extent } if private.contains(&at.buffer) => {
                    let index = self.reg(*index);
                    let rows = (0..i64::from(*extent)).map(|row| {
                        let mut at = fixed_address(at, values);
                        at.at.offset += row * i64::from(*stride);
                        self.known.get(&at).copied()
                    });
                    let rows: Vec<Reg> = rows.collect::<Option<_>>()?;
                    let chosen = self.row(index, &rows, out);
                    self.regs.insert(*reg, chosen);
                }
                Stmt::LoadAt { reg, at, index, stride, extent } => {
                    let (index, at) = (self.reg(*index), fixed_address(at, values));
                    let reg = self.renamed(*reg);
                    out.push(Stmt::LoadAt { reg, at, index, stride: *stride, extent: *extent });
                }
                Stmt::Store { at, value } if private.contains(&at.buffer) => {
                    self.known.insert(fixed_address(at, values), self.reg(*value));
                }
                Stmt::Store { at, value } => {
                    out.push(Stmt::Store { at: fixed_address(at, values), value: self.reg(*value) });
                }
                Stmt::Let { reg, op, args } => {
                    let args = args.iter().map(|&arg| self.reg(arg)).collect();
                    let op = match op {
                        Op::Index(linear) => Op::Index(fixed(linear, values)),
                        Op::Draw { site, element, example } => {
                            Op::Draw { site: *site, element: fixed(element, values), example: *example }
                        }
                        op => op.clone(),
                    };
                    let reg = self.renamed(*reg);
                    out.push(Stmt::Let { reg, op, args });
                }
                Stmt::For { .. } => return None,
            }
        }
        Some(())
    }

    /// A fold of few elements, in its order; its result.
    fn fold(
        &mut self,
        stmt: &Stmt,
        values: &[(Var, i64)],
        private: &[BufferId],
        out: &mut Vec<Stmt>,
    ) -> Option<Reg> {
        let Stmt::Fold { with: monoid, order, var, extent: Extent::Fixed(extent), body, value, .. } = stmt
        else {
            return None;
        };
        let mut elements = vec![];
        for i in 0..i64::from(*extent) {
            self.write_out(body, &with(values, *var, i), private, out)?;
            elements.push(self.reg(*value));
        }
        let identity = self.compute(Op::Number(monoid.identity()), &[], out);
        let Some(gate) = monoid.gate() else {
            return Some(self.first_extreme(*monoid, identity, &elements, out));
        };
        let mut combine = |a: Reg, b: Reg| match monoid {
            // It is below, or above, all there is.
            Monoid::Max | Monoid::Min if a == identity => b,
            _ => self.compute(Op::Gate(gate), &[a, b], out),
        };
        match order {
            Order::Chain { .. } => Some(elements.into_iter().fold(identity, combine)),
            Order::Lanes { .. } => {
                let mut lanes: Vec<Reg> =
                    elements.into_iter().map(|element| combine(identity, element)).collect();
                let mut half = Order::LANES as usize / 2;
                while half > 0 {
                    for k in half..lanes.len() {
                        lanes[k - half] = combine(lanes[k - half], lanes[k]);
                    }
                    lanes.truncate(half);
                    half /= 2;
                }
                Some(lanes.first().copied().unwrap_or(identity))
            }
        }
    }

    /// The position of the first largest or smallest; a NaN counts as either.
    fn first_extreme(&mut self, with: Monoid, identity: Reg, elements: &[Reg], out: &mut Vec<Stmt>) -> Reg {
        let mut best = identity;
        let mut position = self.compute(Op::Number(0.0), &[], out);
        for (k, &element) in elements.iter().enumerate() {
            let beats = if with == Monoid::Argmax { [best, element] } else { [element, best] };
            let beats = self.compute(Op::Gate(gates::LT), &beats, out);
            let is_nan = self.compute(Op::Gate(gates::NE), &[element, element], out);
            let first = self.compute(Op::Gate(gates::EQ), &[best, best], out);
            let first_nan = self.compute(Op::Gate(gates::AND), &[is_nan, first], out);
            let takes = self.compute(Op::Gate(gates::OR), &[beats, first_nan], out);
            best = self.compute(Op::Gate(gates::SELECT), &[takes, element, best], out);
            let here = self.compute(Op::Number(k as f64), &[], out);
            position = self.compute(Op::Gate(gates::SELECT), &[takes, here, position], out);
        }
        position
    }

    /// The row that an index says, rounded towards zero; NaN where there is none.
    fn row(&mut self, index: Reg, rows: &[Reg], out: &mut Vec<Stmt>) -> Reg {
        let nan = self.compute(Op::Number(f64::NAN), &[], out);
        let (mut row, mut least, mut below) = (nan, -1.0, gates::LT);
        for (&next, k) in rows.iter().chain([&nan]).zip(1..) {
            let least_reg = self.compute(Op::Number(least), &[], out);
            let reaches = self.compute(Op::Gate(below), &[least_reg, index], out);
            row = self.compute(Op::Gate(gates::SELECT), &[reaches, next, row], out);
            (least, below) = (f64::from(k), gates::LE);
        }
        row
    }

    fn compute(&mut self, op: Op, args: &[Reg], out: &mut Vec<Stmt>) -> Reg {
        let reg = Reg(self.next);
        self.next += 1;
        out.push(Stmt::Let { reg, op, args: args.to_vec() });
        reg
    }

    /// What a register is in this iteration; those from outside are what they are.
    fn reg(&self, reg: Reg) -> Reg {
        self.regs.get(&reg).copied().unwrap_or(reg)
    }

    /// A register of its own for this iteration.
    fn renamed(&mut self, reg: Reg) -> Reg {
        let new = Reg(self.next);
        self.next += 1;
        self.regs.insert(reg, new);
        new
    }
}

fn with(values: &[(Var, i64)], var: Var, value: i64) -> Vec<(Var, i64)> {
    values.iter().copied().chain([(var, value)]).collect()
}

/// An affine function where some variables have values.
fn fixed(linear: &Linear, values: &[(Var, i64)]) -> Linear {
    values.iter().fold(linear.clone(), |linear, &(var, value)| linear.fixed(var, value))
}

/// Whether all conditions hold where some variables have values; none if that is not known.
fn holds(when: &[Condition], values: &[(Var, i64)]) -> Option<bool> {
    when.iter().try_fold(true, |all, condition| {
        let Linear { offset, terms } = fixed(&condition.e, values);
        terms.is_empty().then_some(all && condition.allows(offset))
    })
}

fn fixed_address(at: &Address, values: &[(Var, i64)]) -> Address {
    Address { buffer: at.buffer, at: fixed(&at.at, values) }
}

/// Statements of a body when loops are written out; none where a loop is as long as the batch.
fn size(body: &[Stmt]) -> Option<usize> {
    body.iter().try_fold(0usize, |sum, stmt| {
        let of = match stmt {
            Stmt::For { extent, body, .. } | Stmt::Fold { extent, body, .. } => {
                let Extent::Fixed(extent) = extent else { return None };
                (*extent as usize).saturating_mul(size(body)? + 1)
            }
            _ => 1,
        };
        Some(sum.saturating_add(of))
    })
}

/// The longest of the loops in a body that are to run in lanes.
fn longest_in_lanes(body: &[Stmt]) -> u32 {
    let mut longest = 0;
    walk::statements(body, &mut |stmt| {
        if let Stmt::For { hint: Hint::Vector, extent: Extent::Fixed(extent), .. }
        | Stmt::Fold { hint: Hint::Vector, extent: Extent::Fixed(extent), .. } = stmt
        {
            longest = longest.max(*extent);
        }
    });
    longest
}

/// Whether a loop can run in lanes, which may lie a few elements apart.
pub fn possible(schedule: &Schedule, var: Var, extent: Extent, body: &[Stmt]) -> bool {
    vectorise::possible(schedule, var, extent, body) || strided(schedule, var, extent, body)
}

fn strided(schedule: &Schedule, var: Var, extent: Extent, body: &[Stmt]) -> bool {
    let fits = |stmt: &Stmt| match stmt {
        Stmt::For { .. } | Stmt::Fold { .. } | Stmt::LoadAt { .. } => false,
        Stmt::Let { .. } => true,
        Stmt::Load { at, when, .. } => {
            (0..=MOST_STRIDE).contains(&at.at.coefficient(var))
                && when.iter().all(|condition| condition.e.coefficient(var) == 0)
        }
        Stmt::Store { at, .. } => (1..=MOST_STRIDE).contains(&at.at.coefficient(var)),
    };
    matches!(extent, Extent::Fixed(_))
        && body.iter().all(fits)
        && vectorise::accesses_commute(schedule, var, extent, body, true)
}
