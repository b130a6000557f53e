//! The verifier: what must hold of every schedule. What it finds is a bug of the planner, never a mistake of a
//! user.

use super::arena::{are_alike, for_each_access, held, lasting, runs, shared, spans};
use super::loops::allows_vector;
use super::schedule::*;
use super::share;
use rustc_hash::{FxHashMap, FxHashSet};

/// Positions of a loop nest that are tried one by one, where intervals do not suffice.
const TRIED: i64 = 1 << 16;

/// Checks a schedule: that every address is inside its buffer, registers are assigned once and before they are
/// read, hints are legal, contractions stay inside their operands, no two buffers of the arena overlap that are needed at
/// the same time, but for those of which threads need different examples, and threads can share what they are to share.
///
/// # Errors
/// A sentence for each rule that is broken.
pub fn verify(schedule: &Schedule) -> Result<(), Vec<String>> {
    let mut check = Checker {
        schedule,
        faults: vec![],
        assigned: FxHashSet::default(),
        visible: vec![],
        ranges: FxHashMap::default(),
        order: vec![],
    };
    check.steps(&schedule.steps);
    check.arena();
    check.faults.extend(share::faults(schedule));
    if check.faults.is_empty() { Ok(()) } else { Err(check.faults) }
}

/// An array of a contraction, and how to find an axis's stride in it.
type Walked<'a> = (&'a Address, fn(&ContractAxis) -> i64);

struct Checker<'a> {
    schedule: &'a Schedule,
    faults: Vec<String>,
    /// All registers so far.
    assigned: FxHashSet<Reg>,
    /// Those of the open bodies.
    visible: Vec<Reg>,
    /// Largest extent of each open loop.
    ranges: FxHashMap<Var, i64>,
    order: Vec<Var>,
}

impl Checker<'_> {
    fn fault(&mut self, text: String) {
        self.faults.push(text);
    }

    fn steps(&mut self, steps: &[Step]) {
        for (k, step) in steps.iter().enumerate() {
            let before = self.faults.len();
            match step {
                Step::Nest(nest) => self.body(&nest.body),
                Step::Contract(contract) => self.contract(contract),
                Step::Scatter(scatter) => self.scatter(scatter),
                Step::Recur(recur) => self.recur(recur),
            }
            self.faults[before..].iter_mut().for_each(|fault| *fault = format!("step {}: {fault}", k + 1));
        }
    }

    /// That what an element of a recurrence reads of what others do not touch, it has written before.
    fn recur(&mut self, recur: &Recur) {
        if recur.body.iter().any(|step| matches!(step, Step::Recur(_))) {
            self.fault("a recurrence in a recurrence".into());
        }
        self.enter(recur.var, Extent::Fixed(recur.extent));
        self.steps(&recur.body);
        self.leave(recur.var);
        let lasting = lasting(recur, &shared(self.schedule));
        let mut written: FxHashSet<BufferId> = FxHashSet::default();
        let mut early = vec![];
        for step in &recur.body {
            for_each_access(step, &mut |access| {
                let arena = self.schedule.buffers[access.buffer.0 as usize].region == Region::Arena;
                if access.writes {
                    written.insert(access.buffer);
                } else if arena && !lasting.contains(&access.buffer) && !written.contains(&access.buffer) {
                    early.push(access.buffer);
                }
            });
        }
        early.dedup();
        early.iter().for_each(|id| self.fault(format!("{id:?} is read before the element writes it")));
    }

    fn body(&mut self, body: &[Stmt]) {
        let outer = self.visible.len();
        body.iter().for_each(|stmt| self.stmt(stmt));
        self.visible.truncate(outer);
    }

    fn assign(&mut self, reg: Reg) {
        if !self.assigned.insert(reg) {
            self.fault(format!("{reg:?} is assigned twice"));
        }
        self.visible.push(reg);
    }

    fn read(&mut self, reg: Reg) {
        if !self.visible.contains(&reg) {
            self.fault(format!("{reg:?} is read where it has no value"));
        }
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match stmt {
            Stmt::For { var, extent, hint, body } => {
                self.enter(*var, *extent);
                self.body(body);
                self.leave(*var);
                if *hint == Hint::Vector && !allows_vector(body, *var) {
                    self.fault(format!("{var:?} cannot run in the lanes of a vector"));
                }
            }
            Stmt::Fold { acc, order, var, extent, hint, body, value, .. } => {
                self.enter(*var, *extent);
                let outer = self.visible.len();
                body.iter().for_each(|stmt| self.stmt(stmt));
                self.read(*value);
                self.visible.truncate(outer);
                self.leave(*var);
                self.assign(*acc);
                let lanes = matches!(order, Order::Lanes { .. });
                if *hint == Hint::Vector && !(lanes && allows_vector(body, *var)) {
                    self.fault(format!("the fold over {var:?} cannot run in the lanes of a vector"));
                }
            }
            Stmt::Let { reg, op, args } => {
                args.iter().for_each(|&arg| self.read(arg));
                self.operation(op, args.len());
                self.assign(*reg);
            }
            Stmt::Load { reg, at, when, .. } => {
                when.iter().for_each(|condition| self.linear(&condition.e));
                self.address(at, when, 0);
                self.assign(*reg);
            }
            Stmt::LoadAt { reg, at, index, stride, extent } => {
                self.read(*index);
                self.address(at, &[], i64::from(*stride) * (i64::from(*extent) - 1).max(0));
                self.assign(*reg);
            }
            Stmt::Store { at, value } => {
                self.read(*value);
                self.address(at, &[], 0);
            }
        }
    }

    fn enter(&mut self, var: Var, extent: Extent) {
        let extent = extent.len_for(self.schedule.capacity as usize) as i64;
        if self.ranges.insert(var, extent).is_some() {
            self.fault(format!("{var:?} is used by two loops"));
        }
        self.order.push(var);
    }

    fn leave(&mut self, var: Var) {
        self.order.retain(|&open| open != var);
    }

    fn operation(&mut self, op: &Op, args: usize) {
        let arity = if let Op::Gate(gate) = op { gate.row().arity } else { 0 };
        if args != arity {
            self.fault(format!("{op:?} has {args} arguments"));
        }
        match op {
            Op::Index(linear) => self.linear(linear),
            Op::Scalar(k) if *k as usize >= self.schedule.scalars.len() => {
                self.fault(format!("no scalar {k}"))
            }
            Op::Draw { site, element, example } => {
                self.linear(element);
                if *site as usize >= self.schedule.draws.len()
                    || example.is_some_and(|var| !self.order.contains(&var))
                {
                    self.fault(format!("{op:?} draws from nowhere"));
                }
            }
            _ => {}
        }
    }

    fn linear(&mut self, linear: &Linear) {
        if !linear.terms.is_sorted_by(|a, b| a.0 < b.0) || linear.terms.iter().any(|term| term.1 == 0) {
            self.fault(format!("{linear:?} is not in order"));
        }
        if let Some((var, _)) = linear.terms.iter().find(|term| !self.order.contains(&term.0)) {
            self.fault(format!("{var:?} is used outside its loop"));
        }
    }

    /// That an address, and `beyond` elements after it, is inside wherever the conditions hold.
    fn address(&mut self, at: &Address, when: &[Condition], beyond: i64) {
        self.linear(&at.at);
        let Some(buffer) = self.schedule.buffers.get(at.buffer.0 as usize) else {
            return self.fault(format!("no {:?}", at.buffer));
        };
        if self.order.iter().any(|var| self.ranges[var] == 0) {
            return;
        }
        let len = buffer.len_for(self.schedule.capacity as usize) as i64;
        let inside = |lo: i64, hi: i64| lo >= 0 && hi + beyond < len;
        let (lo, hi) = at.at.range(|var| self.ranges.get(&var).copied().unwrap_or(1));
        if !inside(lo, hi) && !self.inside_where(&at.at, when, &inside) {
            let name = buffer.name.clone();
            self.fault(format!("{:?} reaches {lo} to {} of {len} in {name}", at.at, hi + beyond));
        }
    }

    /// Tries all positions of the variables concerned, if they are few enough, where the conditions hold.
    fn inside_where(&self, at: &Linear, when: &[Condition], inside: &dyn Fn(i64, i64) -> bool) -> bool {
        let linears = when.iter().map(|condition| &condition.e).chain([at]);
        let mut vars: Vec<Var> = linears.flat_map(|linear| linear.terms.iter().map(|term| term.0)).collect();
        vars.sort_unstable();
        vars.dedup();
        let count: i64 = vars.iter().map(|var| self.ranges[var]).fold(1, i64::saturating_mul);
        if when.is_empty() || count > TRIED {
            return !when.is_empty();
        }
        (0..count).all(|position| {
            let mut rest = position;
            let mut of: FxHashMap<Var, i64> = FxHashMap::default();
            for &var in &vars {
                of.insert(var, rest % self.ranges[&var]);
                rest /= self.ranges[&var];
            }
            let holds = |condition: &Condition| condition.allows(condition.e.value(|var| of[&var]));
            let place = at.value(|var| of[&var]);
            !when.iter().all(holds) || inside(place, place)
        })
    }

    fn contract(&mut self, contract: &Contract) {
        let Contract { batch, m, n, k, .. } = contract;
        let axes: Vec<&ContractAxis> = [batch, m, n, k].into_iter().flatten().collect();
        let arrays: [Walked; 3] =
            [(&contract.a, |axis| axis.a), (&contract.b, |axis| axis.b), (&contract.out, |axis| axis.out)];
        for (operand, stride) in arrays {
            self.linear(&operand.at);
            let mut range = operand.at.range(|var| self.ranges.get(&var).copied().unwrap_or(1));
            for axis in &axes {
                let end =
                    stride(axis) * (axis.extent.len_for(self.schedule.capacity as usize) as i64 - 1).max(0);
                range = (range.0 + end.min(0), range.1 + end.max(0));
            }
            let buffer = &self.schedule.buffers[operand.buffer.0 as usize];
            let len = buffer.len_for(self.schedule.capacity as usize) as i64;
            if range.0 < 0 || range.1 >= len {
                self.fault(format!("reaches {range:?} of {len} in {}", buffer.name));
            }
        }
        if k.iter().any(|axis| axis.out != 0)
            || axes.iter().filter(|axis| axis.extent == Extent::Batch).count() > 1
        {
            self.fault("has axes that do not go together".into());
        }
        if contract.out.buffer == contract.a.buffer || contract.out.buffer == contract.b.buffer {
            self.fault("overwrites an operand".into());
        }
    }

    fn scatter(&mut self, scatter: &Scatter) {
        let row = |id: BufferId| self.schedule.buffers[id.0 as usize].row();
        let (index, value, out) = (row(scatter.index), row(scatter.value), row(scatter.out));
        if value != index * scatter.row as usize || (scatter.row > 0 && out % scatter.row as usize != 0) {
            self.fault(format!(
                "scatters {value} values by {index} indices into {out} in rows of {}",
                scatter.row
            ));
        }
    }

    fn arena(&mut self) {
        let lives = spans(self.schedule);
        let capacity = self.schedule.capacity as usize;
        let runs = runs(self.schedule);
        let buffer = |id: &BufferId| &self.schedule.buffers[id.0 as usize];
        let span = |id: &BufferId| {
            let buffer = buffer(id);
            (buffer.offset as usize, buffer.offset as usize + buffer.len_for(capacity))
        };
        let mut arena: Vec<(&BufferId, &(usize, usize))> = lives
            .iter()
            .filter(|(id, _)| self.schedule.buffers[id.0 as usize].region == Region::Arena)
            .collect();
        arena.sort();
        let mut faults = vec![];
        for (k, (a, life)) in arena.iter().enumerate() {
            if span(a).1 > self.schedule.arena {
                faults.push(format!("{a:?} ends outside the arena"));
            }
            for (b, other) in &arena[k + 1..] {
                let meet = |last: [usize; 2]| life.0 <= last[1] && other.0 <= last[0];
                let same_place = span(a).0 == span(b).0 && are_alike(buffer(a), buffer(b));
                let last = |last: usize| match held(&runs, last) {
                    (_, true) if same_place => last,
                    (held, _) => held,
                };
                let together = meet([last(life.1), last(other.1)]);
                if together && span(a).0 < span(b).1 && span(b).0 < span(a).1 {
                    faults.push(format!("{a:?} and {b:?} overlap in the arena"));
                }
            }
        }
        self.faults.extend(faults);
    }
}
