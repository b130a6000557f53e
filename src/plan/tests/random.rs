//! Random small circuits of all kinds of node, the same in every run.

use super::harness::{CAPACITY, Numbers, SHARED, check, class_slot, homes, output, slot};
use crate::circuit::recurrence::check as check_recurrence;
use crate::circuit::view::{Affine, Guard, View};
use crate::circuit::{
    AxisSet, Circuit, F64, Gate, Leaf, Reducer, Shape, SlotRole, StepValue, ValueId, gates,
};
use crate::plan::schedule::{Region, Schedule};
use crate::plan::{Home, Phase, Root, plan};

const CASES: u64 = 600;

/// A circuit that grows by one random value after another.
struct Grower {
    circuit: Circuit,
    values: Vec<ValueId>,
    numbers: Numbers,
}

impl Grower {
    fn new(seed: u64) -> Self {
        let mut numbers = Numbers(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        numbers.next();
        let mut circuit = Circuit::new();
        let mut values = vec![];
        for k in 0..4 {
            let rank = numbers.below(4) as usize;
            let dims: Vec<u32> = (0..rank).map(|_| 1 + numbers.below(5) as u32).collect();
            let batch = k % 2 == 0;
            let role = if batch { SlotRole::Input } else { [SlotRole::Param, SlotRole::State][k / 2] };
            values.push(slot(&mut circuit, &format!("s{k}"), role, Shape { batch, dims }));
        }
        values.push(circuit.number(0.5));
        values.push(circuit.leaf(Leaf::Step(StepValue::Step)));
        Grower { circuit, values, numbers }
    }

    fn any(&mut self) -> ValueId {
        // Rather a late one.
        let back =
            self.numbers.below(self.values.len() as u64).min(self.numbers.below(self.values.len() as u64));
        self.values[self.values.len() - 1 - back as usize]
    }

    fn array(&mut self) -> ValueId {
        let tries: Vec<ValueId> = (0..20).map(|_| self.any()).collect();
        let array = tries.into_iter().find(|&value| !self.circuit.shape(value).dims.is_empty());
        array.unwrap_or_else(|| self.circuit.iota(3))
    }

    fn below(&mut self, n: u64) -> u64 {
        self.numbers.below(n)
    }

    fn grow(&mut self) {
        let new = match self.below(15) {
            0..=3 => self.gate(),
            4 | 5 => self.reduction(),
            6 | 7 => self.selection(),
            8 => self.window(),
            9 => self.merged(),
            10 => self.gathered(),
            11 => self.scattered(),
            12 => self.product(),
            13 => self.recurrence(),
            _ => self.leaf(),
        };
        // What would blow up the test is left out.
        if let Some(new) = new.filter(|&new| self.circuit.shape(new).size() <= 400) {
            self.values.push(new);
        }
    }

    fn gate(&mut self) -> Option<ValueId> {
        let names =
            ["add", "sub", "mul", "max", "min", "tanh", "sigmoid", "neg", "abs", "lt", "select", "softplus"];
        let gate = Gate::named(names[self.below(names.len() as u64) as usize])?;
        let first = self.any();
        let shape = self.circuit.shape(first).clone();
        let mut args = vec![first];
        while args.len() < gate.row().arity {
            let other = self.any();
            let own = self.circuit.shape(other).clone();
            let fits = own == shape || (own.dims.is_empty() && (shape.batch || !own.batch));
            args.push(if fits { other } else { first });
        }
        // A comparison of computed numbers may come out otherwise in another precision; of draws it does not.
        let site = self.below(100);
        let condition = |circuit: &mut Circuit| {
            let draw = circuit.leaf(Leaf::Draw { site, shape: shape.clone() });
            let half = circuit.number(0.5);
            circuit.lift(gates::LT, &[draw, half])
        };
        if gate == gates::LT {
            return Some(condition(&mut self.circuit));
        }
        if gate == gates::SELECT {
            args[0] = condition(&mut self.circuit);
        }
        Some(self.circuit.lift(gate, &args))
    }

    fn reduction(&mut self) -> Option<ValueId> {
        let arg = self.array();
        let shape = self.circuit.shape(arg).clone();
        let axes = AxisSet((self.below(1 << shape.dims.len())) as u32);
        Some(match self.below(6) {
            0 => self.circuit.reduce(Reducer::Max, arg, axes, false),
            1 => self.circuit.reduce(Reducer::Min, arg, axes, false),
            2 => self.circuit.reduce(Reducer::Prod, arg, axes, false),
            _ => {
                let batch = shape.batch && self.below(3) == 0;
                self.circuit.reduce(Reducer::Sum, arg, axes, batch)
            }
        })
    }

    /// A permutation, a broadcast, or a part.
    fn selection(&mut self) -> Option<ValueId> {
        let arg = self.any();
        let shape = self.circuit.shape(arg).clone();
        let mut axes: Vec<usize> = (0..shape.dims.len()).collect();
        for k in (1..axes.len()).rev() {
            let other = self.below(k as u64 + 1) as usize;
            axes.swap(k, other);
        }
        let extra = self.below(2) as usize;
        let mut dims = vec![0; shape.dims.len()];
        axes.iter().zip(&shape.dims).for_each(|(&axis, &extent)| dims[axis] = extent);
        if extra == 1 {
            let at = self.below(dims.len() as u64 + 1) as usize;
            dims.insert(at, 1 + self.below(4) as u32);
            axes.iter_mut().filter(|axis| **axis >= at).for_each(|axis| *axis += 1);
        }
        let batch = shape.batch || self.below(3) == 0;
        Some(self.circuit.view(arg, View::select(Shape { batch, dims }, &axes, &shape.dims)))
    }

    /// A read at random coordinates, with divisors and guards.
    fn window(&mut self) -> Option<ValueId> {
        let arg = self.array();
        let shape = self.circuit.shape(arg).clone();
        let rank = 1 + self.below(3) as usize;
        let dims: Vec<u32> = (0..rank).map(|_| 1 + self.below(5) as u32).collect();
        let affine = |all: &mut Self| {
            let c: Vec<i128> = (0..rank).map(|_| i128::from(all.below(4)) - 1).collect();
            let b = i128::from(all.below(5)) - 2;
            let d = if all.below(3) == 0 { 2 } else { 1 };
            Affine::lowest(&c, b, d).expect("small numbers")
        };
        let coords = shape.dims.iter().map(|_| affine(self)).collect();
        let guards = if self.below(3) == 0 {
            vec![Guard { e: affine(self), lo: i64::from(self.below(2) as u32), hi: 3 }]
        } else {
            vec![]
        };
        let fill = F64::new(if self.below(2) == 0 { 0.0 } else { -0.75 });
        let view = View { out: Shape { batch: shape.batch, dims }, coords, guards, fill };
        let view = view.normalised(&shape)?;
        Some(self.circuit.view(arg, view))
    }

    fn merged(&mut self) -> Option<ValueId> {
        let arg = self.array();
        let rank = self.circuit.shape(arg).dims.len();
        let axis = self.below(rank.max(2) as u64 - 1) as usize;
        (rank >= 2).then(|| self.circuit.merge(arg, axis))
    }

    fn index(&mut self, shape: Shape) -> ValueId {
        let name = format!("index{}", self.circuit.slots().len());
        class_slot(&mut self.circuit, &name, shape, 4)
    }

    fn gathered(&mut self) -> Option<ValueId> {
        let table = self.array();
        let mut shape = self.circuit.shape(table).clone();
        shape.dims.pop()?;
        let index = self.index(shape);
        Some(self.circuit.gather(table, index))
    }

    fn scattered(&mut self) -> Option<ValueId> {
        let value = self.array();
        let mut shape = self.circuit.shape(value).clone();
        let keep = self.below(shape.dims.len() as u64 + 1) as usize;
        shape.dims.truncate(keep);
        let index = self.index(shape);
        Some(self.circuit.scatter(index, value, 3))
    }

    /// A sum of products of two values over axes of one or both.
    fn product(&mut self) -> Option<ValueId> {
        let (a, b) = (self.array(), self.array());
        let (of_a, of_b) = (self.circuit.shape(a).clone(), self.circuit.shape(b).clone());
        let mut dims = of_a.dims.clone();
        let mut axes_of_b = vec![];
        for &extent in &of_b.dims {
            let shared = of_a.dims.iter().enumerate().find(|&(k, &d)| d == extent && !axes_of_b.contains(&k));
            let axis = shared.map_or(dims.len(), |(k, _)| k);
            if axis == dims.len() {
                dims.push(extent);
            }
            axes_of_b.push(axis);
        }
        let domain = Shape { batch: of_a.batch || of_b.batch, dims };
        if domain.size() > 2000 {
            return None;
        }
        let axes_of_a: Vec<usize> = (0..of_a.dims.len()).collect();
        let a = self.circuit.view(a, View::select(domain.clone(), &axes_of_a, &of_a.dims));
        let b = self.circuit.view(b, View::select(domain.clone(), &axes_of_b, &of_b.dims));
        let product = self.circuit.gate(gates::MUL, &[a, b]);
        let axes = AxisSet(self.below(1 << domain.dims.len()) as u32);
        let batch = domain.batch && self.below(2) == 0;
        Some(self.circuit.reduce(Reducer::Sum, product, axes, batch))
    }

    /// `h = tanh(f(h before))` along a dimension, where `f` is random too.
    fn recurrence(&mut self) -> Option<ValueId> {
        let seed = self.array();
        let shape = self.circuit.shape(seed).clone();
        let axis = self.below(shape.dims.len() as u64) as usize;
        let by = [1, 2, -1, -3][self.below(4) as usize];
        let without = self.circuit.clone();
        let variable = self.circuit.variable();
        let fill = if self.below(2) == 0 { 0.0 } else { 0.5 };
        let before = self.circuit.lag(variable, axis, by, fill, &shape);
        let mut value = before;
        for _ in 0..1 + self.below(4) {
            value = self.within(value, seed, axis, &shape).unwrap_or(value);
        }
        let new = self.damp(value);
        self.circuit.close(variable, new);
        if check_recurrence(&self.circuit, &[new]).is_err() {
            self.circuit = without;
            return None;
        }
        // Some of its inner values are read from outside.
        self.values.push(value);
        if self.below(3) == 0 {
            self.values.push(before);
        }
        if self.below(3) == 0 {
            let later = self.circuit.lag(variable, axis, -by, 0.25, &shape);
            self.values.push(later);
        }
        Some(new)
    }

    /// Something of the same shape that keeps to the element of the scanned dimension.
    fn within(&mut self, value: ValueId, seed: ValueId, axis: usize, shape: &Shape) -> Option<ValueId> {
        let rank = shape.dims.len();
        let own = |k| Affine::axis(k, rank);
        let other = (0..rank).find(|&k| k != axis);
        let read = |coords, guards| View { out: shape.clone(), coords, guards, fill: F64::new(0.5) };
        match self.below(7) {
            0 => Some(self.circuit.add(value, seed)),
            1 => {
                let half = self.circuit.number(0.5);
                let part = self.circuit.mul(half, seed);
                Some(self.circuit.mul(part, value))
            }
            2 if shape.batch => {
                let mean = self.circuit.mean_batch(value);
                let axes: Vec<usize> = (0..rank).collect();
                Some(self.circuit.view(mean, View::select(shape.clone(), &axes, &shape.dims)))
            }
            3 => {
                let sum = self.circuit.sum(value, AxisSet::of([other?]));
                let axes: Vec<usize> = (0..rank).filter(|&k| Some(k) != other).collect();
                let from = self.circuit.shape(sum).dims.clone();
                Some(self.circuit.view(sum, View::select(shape.clone(), &axes, &from)))
            }
            4 => {
                let mut coords: Vec<Affine> = (0..rank).map(own).collect();
                let moved = &mut coords[other?];
                moved.c[axis] = 1 - self.below(3) as i64;
                moved.b = self.below(3) as i64 - 1;
                moved.d = if moved.c[axis] == 0 { 1 } else { 1 + self.below(2) as i64 };
                let guard = Guard { e: own(axis), lo: self.below(2) as i64, hi: 3 };
                let guards = if self.below(2) == 0 { vec![guard] } else { vec![] };
                let view = read(coords, guards).normalised(shape)?;
                Some(self.circuit.view(value, view))
            }
            5 => {
                // A matrix of its own along the other dimension.
                let other = other?;
                let extent = shape.dims[other];
                let name = format!("U{}", self.circuit.slots().len());
                let weights =
                    slot(&mut self.circuit, &name, SlotRole::Param, Shape::shared([extent, extent]));
                let mut domain = shape.clone();
                domain.dims.push(extent);
                let mut axes: Vec<usize> = (0..rank).collect();
                axes[other] = rank;
                let a = self.circuit.view(value, View::select(domain.clone(), &axes, &shape.dims));
                let select = View::select(domain, &[other, rank], &[extent, extent]);
                let b = self.circuit.view(weights, select);
                let product = self.circuit.mul(a, b);
                Some(self.circuit.sum(product, AxisSet::of([rank])))
            }
            _ => Some(self.damp(value)),
        }
    }

    fn leaf(&mut self) -> Option<ValueId> {
        let extent = 1 + self.below(5) as u32;
        Some(match self.below(3) {
            0 => self.circuit.iota(extent),
            1 => self.circuit.fill(0.25, &Shape::shared([extent, 2])),
            _ => {
                let shape = Shape { batch: self.below(2) == 0, dims: vec![extent, 3] };
                let site = self.below(100);
                self.circuit.leaf(Leaf::Draw { site, shape })
            }
        })
    }

    /// A damped sum keeps numbers small enough to be compared.
    fn damp(&mut self, value: ValueId) -> ValueId {
        self.circuit.gate(Gate::named("tanh").expect("a gate"), &[value])
    }
}

/// A random circuit with what is wanted of it.
fn draw(seed: u64) -> (Circuit, Vec<Root>) {
    let mut grower = Grower::new(seed);
    for _ in 0..6 + seed % 20 {
        grower.grow();
        if grower.below(4) == 0 {
            let last = *grower.values.last().expect("it has leaves");
            let damped = grower.damp(last);
            grower.values.push(damped);
        }
    }
    let count = 1 + grower.below(4) as usize;
    let mut roots: Vec<Root> = (0..count).map(|k| output(k, grower.any())).collect();
    // A state that is overwritten by something of its shape.
    let states = grower.circuit.slots().iter().position(|slot| slot.role == SlotRole::State);
    if let Some(state) = states {
        let shape = grower.circuit.slots()[state].shape.clone();
        let next = grower.values.iter().rev().find(|&&value| *grower.circuit.shape(value) == shape);
        let home = Home { region: Region::States, offset: 0 };
        roots.extend(next.map(|&value| Root { value, home, name: "next".into() }));
    }
    crate::circuit::verify::verify(&grower.circuit).expect("a circuit");
    (grower.circuit, roots)
}

/// The plan of a random circuit, for tests of what runs schedules: every other one for threads.
pub fn schedule(seed: u64) -> Schedule {
    let (circuit, roots) = draw(seed);
    let phase = Phase { circuit: &circuit, homes: homes(&circuit), roots, recompute: false };
    plan(&[phase], CAPACITY, (seed % 2 == 1).then_some(SHARED))
}

fn try_one(seed: u64) {
    let (circuit, roots) = draw(seed);
    check(&Phase { circuit: &circuit, homes: homes(&circuit), roots, recompute: false }, seed);
}

#[test]
fn random_circuits_give_what_their_interpreter_gives() {
    for seed in 0..CASES {
        let outcome = std::panic::catch_unwind(|| try_one(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
