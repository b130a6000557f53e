//! Random nests of loops, folds, reads, gates and writes.

use super::*;

/// Extent of every dimension of every buffer: any loop can run along any of them.
const SIDE: usize = 17;

/// A nest while it is drawn.
struct Drawing {
    random: Random,
    draft: Draft,
    /// What may be read and written.
    shared: Vec<BufferId>,
    per_example: Vec<BufferId>,
    written: Vec<BufferId>,
    /// Loops around.
    loops: Vec<(Var, Extent)>,
    /// Registers that may be read.
    known: Vec<Reg>,
}

/// A nest that writes all elements of a per-example array: the arena holds nothing from one step to the next.
fn fill(draft: &mut Draft, array: BufferId) {
    let (example, column) = (draft.var(), draft.var());
    let mut body = vec![];
    let value = draft.compute(&mut body, Op::Number(0.5), &[]);
    let at = at(array, 0, &[(example, SIDE as i64), (column, 1)]);
    body.push(Stmt::Store { at, value });
    let row = for_loop(column, Extent::Fixed(SIDE as u32), Hint::Plain, body);
    draft.nest(vec![for_loop(example, Extent::Batch, Hint::Plain, vec![row])]);
}

impl Drawing {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut draft = Draft::new(1 + random.below(SIDE) as u32);
        draft.schedule.scalars = vec![StepScalar { phase: 0, value: crate::circuit::ValueId(0) }; 2];
        draft.schedule.draws = vec![3, 4];
        let square = [SIDE as u32, SIDE as u32];
        let params = draft.buffer(Region::Params, false, &square);
        let gradients = draft.buffer(Region::Gradients, false, &square);
        let moments = draft.buffer(Region::Moments(0), false, &square);
        let input = draft.buffer(Region::Input(0), true, &square[..1]);
        let arena = draft.buffer(Region::Arena, true, &square[..1]);
        fill(&mut draft, arena);
        Drawing {
            random,
            draft,
            shared: vec![params, gradients, moments],
            per_example: vec![input, arena],
            written: vec![gradients, moments, arena],
            loops: vec![],
            known: vec![],
        }
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.below(from.len())]
    }

    fn known(&mut self) -> Reg {
        let known = self.known.clone();
        self.pick(&known)
    }

    fn assign(&mut self) -> Reg {
        self.draft.reg()
    }

    /// Some statements; at least one assigns a register.
    fn body(&mut self, depth: usize) -> Vec<Stmt> {
        let mut body = vec![];
        body.push(self.define(Op::Scalar(1), vec![]));
        for _ in 0..2 + self.random.below(6) {
            let stmt = self.statement(depth);
            body.push(stmt);
        }
        body
    }

    fn statement(&mut self, depth: usize) -> Stmt {
        match self.random.below(if depth < 3 { 12 } else { 8 }) {
            0..3 => self.gate(),
            3 => self.leaf(),
            4 => self.load(),
            5 => self.load_at(),
            6..8 => self.store(),
            8..10 => self.for_loop(depth),
            _ => self.fold(depth),
        }
    }

    fn gate(&mut self) -> Stmt {
        let gates: Vec<Gate> = Gate::all().collect();
        let gate = self.pick(&gates);
        let args = (0..gate.row().arity).map(|_| self.known()).collect();
        self.define(Op::Gate(gate), args)
    }

    fn define(&mut self, op: Op, args: Vec<Reg>) -> Stmt {
        let reg = self.assign();
        self.known.push(reg);
        Stmt::Let { reg, op, args }
    }

    fn leaf(&mut self) -> Stmt {
        let op = match self.random.below(5) {
            0 => Op::Number(self.random.extreme().into()),
            1 => Op::Index(self.linear()),
            2 => Op::Scalar(self.random.below(2) as u32),
            3 => Op::BatchSize,
            _ => {
                let batch: Vec<Var> =
                    self.loops.iter().filter(|l| l.1 == Extent::Batch).map(|l| l.0).collect();
                let example = (!batch.is_empty()).then(|| self.pick(&batch));
                Op::Draw { site: self.random.below(2) as u32, element: self.linear(), example }
            }
        };
        self.define(op, vec![])
    }

    /// Any affine function of the loops around.
    fn linear(&mut self) -> Linear {
        let loops = self.loops.clone();
        let terms: Vec<(Var, i64)> = loops.iter().map(|l| (l.0, self.random.below(5) as i64 - 1)).collect();
        linear(self.random.below(9) as i64 - 3, &terms)
    }

    /// An element of a buffer; each dimension is read along a loop, or at a fixed place.
    fn address(&mut self, buffer: BufferId) -> Address {
        let batch = self.draft.schedule.buffers[buffer.0 as usize].batch;
        let mut terms: Vec<(Var, i64)> = vec![];
        let mut offset = 0;
        for (dimension, stride) in [(0, SIDE as i64), (1, 1)] {
            let fits = |l: &&(Var, Extent)| !(batch && dimension == 0) || l.1 == Extent::Batch;
            let loops: Vec<(Var, Extent)> = self.loops.iter().filter(fits).copied().collect();
            if loops.is_empty() || self.random.below(5) == 0 {
                offset += if batch && dimension == 0 { 0 } else { self.random.below(SIDE) as i64 * stride };
                continue;
            }
            let (var, extent) = self.pick(&loops);
            let room = match extent {
                Extent::Fixed(extent) => SIDE + 1 - extent as usize,
                Extent::Batch if batch => 1,
                Extent::Batch => SIDE + 1 - self.draft.schedule.capacity as usize,
            };
            offset += if dimension == 0 && batch { 0 } else { self.random.below(room) as i64 * stride };
            match terms.iter_mut().find(|term| term.0 == var) {
                Some(term) => term.1 += stride,
                None => terms.push((var, stride)),
            }
        }
        at(buffer, offset, &terms)
    }

    fn any_address(&mut self) -> Address {
        let buffers: Vec<BufferId> = self.shared.iter().chain(&self.per_example).copied().collect();
        let buffer = self.pick(&buffers);
        self.address(buffer)
    }

    fn load(&mut self) -> Stmt {
        let at = self.any_address();
        let when = (0..self.random.below(3).saturating_sub(1))
            .map(|_| {
                let (lo, divisor) = (self.random.below(5) as i64 - 2, 1 + self.random.below(4) as i64);
                Condition { e: self.linear(), divisor, lo, hi: lo + self.random.below(9) as i64 }
            })
            .collect();
        let reg = self.assign();
        self.known.push(reg);
        Stmt::Load { reg, at, when, fill: self.random.extreme().into() }
    }

    fn load_at(&mut self) -> Stmt {
        let (index, table) = (self.known(), self.shared[0]);
        let mut address = self.address(table);
        // Rows are read by number: the address moves within the first row.
        address.at.terms.retain(|term| term.1 == 1);
        address.at.offset %= SIDE as i64;
        let longest = address.at.terms.iter().map(|term| {
            let extent = self.loops.iter().find(|l| l.0 == term.0).expect("a loop around").1;
            extent.len_for(self.draft.schedule.capacity as usize)
        });
        let longest = longest.max().unwrap_or(1) as i64;
        address.at.offset = address.at.offset.min(SIDE as i64 - longest);
        let reg = self.assign();
        self.known.push(reg);
        Stmt::LoadAt { reg, at: address, index, stride: SIDE as u32, extent: SIDE as u32 - 1 }
    }

    fn store(&mut self) -> Stmt {
        let written = self.written.clone();
        let buffer = self.pick(&written);
        Stmt::Store { at: self.address(buffer), value: self.known() }
    }

    fn extent(&mut self) -> Extent {
        match self.random.below(3) {
            0 => Extent::Batch,
            _ => Extent::Fixed(self.random.below(SIDE + 1) as u32),
        }
    }

    /// The body of a loop, and the register of its last value.
    fn loop_body(&mut self, var: Var, extent: Extent, depth: usize) -> (Vec<Stmt>, Reg) {
        let mark = self.known.len();
        self.loops.push((var, extent));
        let body = self.body(depth + 1);
        let value = self.known();
        self.loops.pop();
        self.known.truncate(mark);
        (body, value)
    }

    fn for_loop(&mut self, depth: usize) -> Stmt {
        let (var, extent) = (self.draft.var(), self.extent());
        let (body, _) = self.loop_body(var, extent, depth);
        for_loop(var, extent, self.hint(), body)
    }

    fn hint(&mut self) -> Hint {
        self.pick(&[Hint::Plain, Hint::Vector])
    }

    fn fold(&mut self, depth: usize) -> Stmt {
        use Monoid::*;
        let (var, extent, acc) = (self.draft.var(), self.extent(), self.assign());
        let (body, value) = self.loop_body(var, extent, depth);
        self.known.push(acc);
        let with = self.pick(&[Sum, Sum, Prod, Max, Min, Argmax, Argmin]);
        let block = self.pick(&[3, 16, 100]);
        let order = self.pick(&[Order::Chain { block }, Order::Lanes { block }, Order::Lanes { block }]);
        Stmt::Fold { acc, with, order, var, extent, hint: self.hint(), body, value }
    }
}

fn random_schedule(seed: u64) -> (Schedule, usize) {
    let mut drawing = Drawing::new(seed);
    for _ in 0..1 + drawing.random.below(2) {
        drawing.known.clear();
        let body = drawing.body(0);
        drawing.draft.nest(body);
    }
    let rows = 1 + drawing.random.below(2 * SIDE);
    (drawing.draft.schedule, rows)
}

/// Planned circuits: what the planner makes, with contractions and scatters.
fn compare_plans(seeds: std::ops::Range<u64>) {
    // Integers among the numbers are read as classes.
    let value = |random: &mut Random| match random.below(2) {
        0 => random.below(4) as f32,
        _ => random.number(),
    };
    for seed in seeds {
        let schedule = crate::plan::tests::random::schedule(seed);
        for rows in [1, 3, 16] {
            let case = Case::<f32>::new(&schedule, rows, seed, value);
            let expected = case.interpreted();
            compare(&case, &expected, &case.native(checked()), &format!("plan of seed {seed}"));
            for options in wide_and_shared() {
                compare(
                    &case,
                    &expected,
                    &case.native(options),
                    &format!("plan of seed {seed}, {options:?}"),
                );
            }
        }
    }
}

fn compare_seeds(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let (schedule, rows) = random_schedule(seed);
        let value = if seed % 2 == 0 { Random::number } else { Random::extreme };
        let case = Case::<f32>::new(&schedule, rows, seed, value);
        let options = Options { optimise: seed % 4 == 0, ..checked() };
        let expected = case.interpreted();
        compare(&case, &expected, &case.native(options), &format!("seed {seed}"));
        for options in wide_and_shared() {
            compare(&case, &expected, &case.native(options), &format!("seed {seed}, {options:?}"));
        }
    }
}

#[test]
fn random_nests() {
    compare_seeds(0..300);
}

#[test]
fn random_plans() {
    compare_plans(0..200);
}

#[test]
#[ignore = "takes minutes"]
fn many_random_nests_and_plans() {
    compare_seeds(300..10_000);
    compare_plans(200..10_000);
}
