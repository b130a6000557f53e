//! Single elements: from a register, from memory, or computed where they are read.

use super::body::At;
use super::emit::{Emit, strides};
use super::facts::{Known, Located};
use super::kernels::Target;
use super::places::Place;
use super::reads::Source;
use super::schedule::*;
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{ValueId, gates};

impl Emit<'_, '_> {
    /// An element of a value, from a register, from memory, or computed here.
    pub fn read(&mut self, value: ValueId, at: &At) -> Reg {
        let at = &At { batch: at.batch.filter(|_| self.facts().shape(value).batch), dims: at.dims.clone() };
        if let Some(reg) = self.body.known(value, at) {
            return reg;
        }
        let reg = match self.kernels.source(value) {
            Source::Kernel(_) => self.load(value, at, vec![], 0.0),
            // A mere read belongs to its reader.
            Source::Slot | Source::Known(_) => self.defined(value, at),
            _ => self.written_for(value, |this| this.defined(value, at)),
        };
        self.body.note(value, at.clone(), reg, false);
        reg
    }

    /// An element of a value, computed here.
    pub fn defined(&mut self, value: ValueId, at: &At) -> Reg {
        match self.kernels.definition(value) {
            Source::Known(Known::Number(number)) => self.body.compute(Op::Number(number), vec![]),
            Source::Known(Known::Scalar(scalar)) => {
                let k = self.scalar(scalar);
                self.body.compute(Op::Scalar(k), vec![])
            }
            Source::Kernel(_) => unreachable!("a definition is not a kernel"),
            Source::Slot => match self.place(value).part {
                Some(part) => self.load(value, at, part.when.clone(), part.fill),
                None => self.load(value, at, vec![], 0.0),
            },
            Source::Merge(_) => self.load(value, at, vec![], 0.0),
            Source::Gate(gate, args) => {
                let regs: Vec<Reg> = args.iter().map(|&arg| self.read(arg, at)).collect();
                match gate {
                    gates::STOP => regs[0],
                    gates::DIV if self.facts().known(args[1]).is_some() => {
                        self.divided(regs[0], regs[1], self.facts().known(args[1]))
                    }
                    _ => self.body.compute(Op::Gate(gate), regs),
                }
            }
            Source::View(view, arg) => {
                let dims = view.coords.iter().map(|coord| applied(coord, &at.dims)).collect();
                self.read(arg, &At { batch: at.batch, dims })
            }
            Source::Guarded { located, guards, fill } => {
                let inner = through(&located, at);
                let when = guards.iter().map(|guard| condition(guard, &at.dims)).collect();
                self.load(located.base, &inner, when, fill)
            }
            Source::Framed { kernel, coords, guards, fill } => {
                let place = self.places.held[kernel.index()].as_ref().expect("a frame is in memory");
                let (batch, dims) = self.kernels.graph[kernel].target.domain(self.facts());
                let element =
                    At { batch: at.batch, dims: coords.iter().map(|c| applied(c, &at.dims)).collect() };
                let when = guards.iter().map(|guard| condition(guard, &at.dims)).collect();
                let address = address(place, batch, &dims, &element);
                let least = self.loops_of(place);
                self.body.load(address, when, fill, least)
            }
            Source::Gather { located, table, index } => self.gather(&located, table, index, at),
            Source::Iota => self.body.compute(Op::Index(at.dims[0].clone()), vec![]),
            Source::Draw { site, shape } => {
                let strides = strides(false, &shape.dims);
                let element = Linear::combination(0, strides.into_iter().zip(&at.dims));
                let site = self.draw(site);
                self.body.compute(Op::Draw { site, element, example: at.batch }, vec![])
            }
        }
    }

    /// A quotient by what is known once a step: the product with the inverse, which is computed once.
    fn divided(&mut self, a: Reg, b: Reg, known: Option<Known>) -> Reg {
        let inverse = match known {
            Some(Known::Number(number)) if !((1.0 / number) as f32).is_normal() => None,
            Some(Known::Number(number)) => Some(self.body.compute(Op::Number(1.0 / number), vec![])),
            _ => {
                let one = self.body.compute(Op::Number(1.0), vec![]);
                Some(self.body.compute(Op::Gate(gates::DIV), vec![one, b]))
            }
        };
        match inverse {
            Some(inverse) => self.body.compute(Op::Gate(gates::MUL), vec![a, inverse]),
            None => self.body.compute(Op::Gate(gates::DIV), vec![a, b]),
        }
    }

    fn gather(&mut self, located: &Located, table: ValueId, index: ValueId, at: &At) -> Reg {
        let index = self.read(index, at);
        let shape = self.facts().shape(located.base);
        let mut row = at.clone();
        row.dims.push(Linear::default());
        let start = through(located, &row);
        let place = self.place(located.base);
        let (_, strides) = place.layout(shape.batch, &shape.dims);
        let steps = located.coords.iter().zip(&strides[usize::from(shape.batch)..]);
        let stride: i64 = steps.map(|(coord, stride)| coord.c.last().unwrap_or(&0) * stride).sum();
        let extent = *self.facts().shape(table).dims.last().expect("a table has rows");
        let at = address(&place, shape.batch, &shape.dims, &start);
        let stride = u32::try_from(stride).expect("a table's rows ascend");
        let least = self.loops_of(&place);
        self.body.load_at(at, index, stride, extent, least)
    }

    /// Reads an element of a value that is in memory; outside, `fill`.
    fn load(&mut self, value: ValueId, at: &At, when: Vec<Condition>, fill: f64) -> Reg {
        let shape = self.facts().shape(value);
        let place = self.place(value);
        let at = address(&place, shape.batch, &shape.dims, at);
        let least = self.loops_of(&place);
        self.body.load(at, when, fill, least)
    }

    /// Where a value is in memory.
    pub fn place(&self, value: ValueId) -> Place {
        let owner = self.facts().owner(value);
        if let Some(place) = self.places.slots.get(&owner) {
            return place.clone();
        }
        let kernel = self.kernels.of[&Target::Value(owner)];
        self.places.held[kernel.index()].clone().expect("what is read elsewhere is in memory")
    }

    /// How many loops run around what is written to a place: those over the axes that it does not have.
    fn loops_of(&self, place: &Place) -> usize {
        self.loops[..place.dropped].iter().filter(|open| open.var.is_some()).count()
    }

    fn scalar(&mut self, value: ValueId) -> u32 {
        let scalar = StepScalar { phase: self.job.phase, value: self.job.origin(value) };
        let table = &mut self.schedule.scalars;
        *self.tables.scalars.entry(scalar).or_insert_with(|| {
            table.push(scalar);
            table.len() as u32 - 1
        })
    }

    fn draw(&mut self, site: u64) -> u32 {
        let table = &mut self.schedule.draws;
        *self.tables.draws.entry(site).or_insert_with(|| {
            table.push(site);
            table.len() as u32 - 1
        })
    }
}

/// Of an element. Where no loop runs over the examples the value is the same for all: that of the first.
fn address(place: &Place, batch: bool, dims: &[u32], at: &At) -> Address {
    let example = batch.then(|| at.batch.map_or(Linear::default(), Linear::var));
    place.address(batch, dims, example.iter().chain(&at.dims))
}

/// A coordinate at a position, its divisor aside.
fn applied(coord: &Affine, at: &[Linear]) -> Linear {
    Linear::combination(coord.b, coord.c.iter().copied().zip(at))
}

fn through(located: &Located, at: &At) -> At {
    At { batch: at.batch, dims: located.coords.iter().map(|coord| applied(coord, &at.dims)).collect() }
}

fn condition(guard: &Guard, at: &[Linear]) -> Condition {
    Condition { e: applied(&guard.e, at), divisor: guard.e.d, lo: guard.lo, hi: guard.hi }
}
