//! Folds, in their order: see the definition of bits in [`crate::plan::schedule`].

use super::code::*;
use super::lower::{Along, Lowering, Spread};
use crate::plan::contraction::even_blocks;
use crate::plan::schedule::*;
use crate::plan::walk;

/// What is folded.
#[derive(Clone, Copy)]
struct Folded<'s> {
    with: Monoid,
    order: Order,
    var: Var,
    body: &'s [Stmt],
    value: Reg,
}

/// The iterations of a fold that are combined as one block: from where, and how many.
#[derive(Clone, Copy)]
struct Part {
    start: i64,
    extent: Extent,
}

impl Lowering<'_> {
    pub fn fold(&mut self, stmt: &Stmt) -> Option<Operand> {
        let Stmt::Fold { with, order, var, extent, body, value, .. } = stmt else {
            unreachable!("called for folds only")
        };
        let folded = Folded { with: *with, order: *order, var: *var, body, value: *value };
        if with.gate().is_none() {
            return self.first_extreme(folded, *extent);
        }
        let (Order::Chain { block } | Order::Lanes { block }) = *order;
        let (blocks, length) = match *extent {
            Extent::Fixed(extent) => even_blocks(extent as usize, block as usize),
            Extent::Batch if self.schedule.capacity <= block => (1, 0),
            Extent::Batch => return None,
        };
        if blocks <= 1 {
            return self.part(folded, Part { start: 0, extent: *extent });
        }
        let (Extent::Fixed(extent), length) = (*extent, length as u32) else {
            unreachable!("a batch is one block")
        };
        // Blocks are combined in order; the first with the identity, which changes no bit.
        let sum = self.variable(folded.with.identity());
        self.open(Some(Along { var: *var, start: Start::Known(0), step: length.into() }));
        let block = self.part(folded, Part { start: 0, extent: Extent::Fixed(length) })?;
        self.combine_into(sum, folded.with, block, Reach::All);
        self.close(Trips::Known(blocks as i64 - 1));
        let done = (blocks as u32 - 1) * length;
        let last = Part { start: done.into(), extent: Extent::Fixed(extent - done) };
        let block = self.part(folded, last)?;
        self.combine_into(sum, folded.with, block, Reach::All);
        Some(Operand::Vector(sum))
    }

    /// A vector that loops change.
    pub fn variable(&mut self, first: f64) -> Vector {
        let to = self.fresh();
        self.assign(to, Operand::Bits((first as f32).to_bits()), Reach::All);
        to
    }

    pub fn assign(&mut self, to: Vector, value: Operand, reach: Reach) {
        self.emit(Operation { opcode: Opcode::Assign(reach), to: Some(to), args: vec![value] });
    }

    fn combine(&mut self, with: Monoid, a: Operand, b: Operand) -> Operand {
        let gate = with.gate().expect("positions are folded by themselves");
        self.gate(gate, &[a, b])
    }

    fn combine_into(&mut self, sum: Vector, with: Monoid, element: Operand, reach: Reach) {
        let combined = self.combine(with, Operand::Vector(sum), element);
        self.assign(sum, combined, reach);
    }

    fn part(&mut self, folded: Folded, part: Part) -> Option<Operand> {
        match folded.order {
            Order::Chain { .. } => self.chain(folded, part),
            Order::Lanes { .. } if self.runs_in_lanes(folded.var, part.extent, folded.body) => {
                self.lanes_in_vectors(folded, part)
            }
            Order::Lanes { .. } => self.lanes_side_by_side(folded, part),
        }
    }

    fn element(&mut self, folded: Folded) -> Option<Operand> {
        self.block(folded.body)?;
        Some(self.regs[&folded.value])
    }

    fn chain(&mut self, folded: Folded, part: Part) -> Option<Operand> {
        let sum = self.variable(folded.with.identity());
        let trips = match part.extent {
            Extent::Fixed(0) => return Some(Operand::Vector(sum)),
            Extent::Fixed(extent) => Trips::Known(extent.into()),
            Extent::Batch => Trips::All(Code::BATCH),
        };
        self.open(Some(Along { var: folded.var, start: Start::Known(part.start), step: 1 }));
        let element = self.element(folded)?;
        self.combine_into(sum, folded.with, element, Reach::All);
        self.close(trips);
        Some(Operand::Vector(sum))
    }

    /// A vector holds all lanes, or each of several as many as it can.
    fn lanes_in_vectors(&mut self, folded: Folded, part: Part) -> Option<Operand> {
        let several = Order::LANES / self.lanes;
        let sums: Vec<Vector> = (0..several).map(|_| self.variable(folded.with.identity())).collect();
        if part.start != 0 {
            self.open(Some(Along { var: folded.var, start: Start::Known(part.start), step: 0 }));
        }
        match (&sums[..], part.extent) {
            (&[sum], extent) => self.loop_over(folded.var, extent.into(), Some(1), &mut |l| {
                let element = l.element(folded)?;
                let reach = l.spread.map_or(Reach::All, |spread| spread.reach);
                l.combine_into(sum, folded.with, element, reach);
                Some(())
            })?,
            (sums, Extent::Fixed(extent)) => self.in_several(folded, sums, extent.into())?,
            (_, Extent::Batch) => return None,
        }
        if part.start != 0 {
            self.close(Trips::Known(1));
        }
        let mut sums: Vec<Operand> = sums.into_iter().map(Operand::Vector).collect();
        while sums.len() > 1 {
            let upper = sums.split_off(sums.len() / 2);
            sums =
                sums.iter().zip(upper).map(|(&sum, upper)| self.combine(folded.with, sum, upper)).collect();
        }
        let mut lanes = sums[0];
        let mut half = self.lanes / 2;
        while half > 0 {
            let upper = self.op(Opcode::Rotate(half as u8), &[lanes]);
            lanes = self.combine(folded.with, lanes, upper);
            half /= 2;
        }
        Some(self.op(Opcode::Spread, &[lanes]))
    }

    /// Combines so many elements into lanes that take several vectors.
    fn in_several(&mut self, folded: Folded, sums: &[Vector], extent: i64) -> Option<()> {
        let around = self.spread;
        let (times, rest) = (extent / Order::LANES, extent % Order::LANES);
        if times > 0 {
            self.open(Some(Along { var: folded.var, start: Start::Known(0), step: Order::LANES }));
            self.one_vector_each(folded, sums, 0, Order::LANES)?;
            self.close(Trips::Known(times));
        }
        self.one_vector_each(folded, sums, times * Order::LANES, rest)?;
        self.spread = around;
        Some(())
    }

    /// Combines so many neighbouring elements, at most one for each lane.
    fn one_vector_each(&mut self, folded: Folded, sums: &[Vector], start: i64, count: i64) -> Option<()> {
        for (&sum, first) in sums.iter().zip((0..count).step_by(self.lanes as usize)) {
            let lanes = (count - first).min(self.lanes);
            let reach = if lanes == self.lanes { Reach::All } else { Reach::First(lanes as u8) };
            self.spread = Some(Spread { var: folded.var, reach, first: 0 });
            self.open(Some(Along { var: folded.var, start: Start::Known(start + first), step: 0 }));
            let element = self.element(folded)?;
            self.combine_into(sum, folded.with, element, reach);
            self.close(Trips::Known(1));
        }
        Some(())
    }

    /// Each lane is a vector, of which the lanes are iterations of a loop around: as many as there are elements.
    fn lanes_side_by_side(&mut self, folded: Folded, part: Part) -> Option<Operand> {
        let Extent::Fixed(extent) = part.extent else { return None };
        let identity = Operand::Bits((folded.with.identity() as f32).to_bits());
        let (times, rest) = (i64::from(extent) / Order::LANES, i64::from(extent) % Order::LANES);
        if extent == 0 {
            return Some(identity);
        }
        let used = if times == 0 { rest } else { Order::LANES };
        let lanes: Vec<Vector> = (0..used).map(|_| self.variable(folded.with.identity())).collect();
        if times > 0 {
            self.open(Some(Along { var: folded.var, start: Start::Known(part.start), step: Order::LANES }));
            self.one_each(folded, &lanes, 0)?;
            self.close(Trips::Known(times));
        }
        self.one_each(folded, &lanes[..rest as usize], part.start + times * Order::LANES)?;
        let mut sums: Vec<Operand> = lanes.into_iter().map(Operand::Vector).collect();
        let mut half = Order::LANES as usize / 2;
        while half > 0 {
            for k in half..sums.len() {
                sums[k - half] = self.combine(folded.with, sums[k - half], sums[k]);
            }
            sums.truncate(half);
            half /= 2;
        }
        Some(sums[0])
    }

    /// Combines one further element into each of the lanes.
    fn one_each(&mut self, folded: Folded, lanes: &[Vector], start: i64) -> Option<()> {
        if walk::count(folded.body) > MOST_COPIED {
            return None;
        }
        for (k, &lane) in lanes.iter().enumerate() {
            let along = Along { var: folded.var, start: Start::Known(start + k as i64), step: 0 };
            self.open(Some(along));
            let element = self.element(folded)?;
            self.combine_into(lane, folded.with, element, Reach::All);
            self.close(Trips::Known(1));
        }
        Some(())
    }

    /// The position of the first largest or smallest, as a number; a NaN counts as either.
    fn first_extreme(&mut self, folded: Folded, extent: Extent) -> Option<Operand> {
        let trips = match extent {
            Extent::Fixed(0) => return Some(Operand::Bits(0)),
            Extent::Fixed(extent) => Trips::Known(extent.into()),
            Extent::Batch => Trips::All(Code::BATCH),
        };
        let best = self.variable(folded.with.identity());
        let position = self.variable(0.0);
        let now = self.variable(0.0);
        self.open(Some(Along { var: folded.var, start: Start::Known(0), step: 1 }));
        let element = self.element(folded)?;
        let [best_now, position_now, here] = [best, position, now].map(Operand::Vector);
        let beats = match folded.with {
            Monoid::Argmax => [best_now, element],
            _ => [element, best_now],
        };
        // A number that is better, or a NaN where there was none.
        let beats = self.op(Opcode::Test(Relation::Less), &beats);
        let is_nan = self.op(Opcode::Test(Relation::NotEqual), &[element, element]);
        let first = self.op(Opcode::Test(Relation::Equal), &[best_now, best_now]);
        let first_nan = self.op(Opcode::And, &[is_nan, first]);
        let takes = self.op(Opcode::Or, &[beats, first_nan]);
        let element = self.op(Opcode::Choose, &[takes, element, best_now]);
        let chosen = self.op(Opcode::Choose, &[takes, here, position_now]);
        self.assign(best, element, Reach::All);
        self.assign(position, chosen, Reach::All);
        let next = self.op(Opcode::Add, &[here, Operand::Bits(1f32.to_bits())]);
        self.assign(now, next, Reach::All);
        self.close(trips);
        Some(position_now)
    }
}

/// Statements up to which the body of a fold is emitted for each lane.
const MOST_COPIED: usize = 12;
