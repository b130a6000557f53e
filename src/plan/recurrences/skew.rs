//! Reads of a recurrence's own values that depend on the element in another way than at the element: what is read at
//! an element moves along another dimension with it, or is masked there. Such a read is a gather by computed
//! positions, chosen by computed conditions.

use super::inside::{Inside, less};
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{Shape, ValueId, View, gates};

impl Inside<'_, '_> {
    /// A view in which coordinates or guards depend on output dimension `axis`, the scanned one, which the operand does
    /// not have.
    pub fn skewed(&mut self, arg: ValueId, view: &View, axis: usize) -> ValueId {
        let out = less(&view.out, axis);
        let operand = self.circuit.shape(arg).clone();
        let moves = |e: &Affine| e.c[axis] != 0;
        let boxes = view.coords.iter().zip(&operand.dims);
        let boxes = boxes.map(|(e, &extent)| Guard { e: e.clone(), lo: 0, hi: extent.into() });
        let guards = view.guards.iter().cloned().chain(boxes).filter(|guard| moves(&guard.e));
        let guards: Vec<Guard> = guards.collect();
        let holds = guards.iter().map(|guard| self.holds(guard, &out, axis)).collect::<Vec<_>>();
        let inside = holds.into_iter().reduce(|all, holds| self.circuit.gate(gates::AND, &[all, holds]));
        let inside = inside.expect("something depends on the element");
        let positions: Vec<(usize, ValueId)> = (0..view.coords.len())
            .filter(|&k| moves(&view.coords[k]))
            .map(|k| (k, self.position(&view.coords[k], &out, axis)))
            .collect();
        let table = self.table(arg, view, &positions, axis);
        let read = self.gathered(table, &positions, &out);
        let fill = self.circuit.fill(view.fill.get(), &out);
        self.circuit.gate(gates::SELECT, &[inside, read, fill])
    }

    /// The operand with, after the output dimensions, all of those that are read at computed positions.
    fn table(&mut self, arg: ValueId, view: &View, positions: &[(usize, ValueId)], axis: usize) -> ValueId {
        let mut out = less(&view.out, axis);
        let rank = out.dims.len() + positions.len();
        let (mut coords, first) = (vec![], out.dims.len());
        let widened = |e: &Affine| {
            let mut e = e.clone();
            e.c.remove(axis);
            e.c.resize(rank, 0);
            e
        };
        for (k, coord) in view.coords.iter().enumerate() {
            match positions.iter().position(|position| position.0 == k) {
                Some(at) => coords.push(Affine::axis(first + at, rank)),
                None => coords.push(widened(coord)),
            }
        }
        out.dims.extend(positions.iter().map(|position| self.circuit.shape(arg).dims[position.0]));
        let still = view.guards.iter().filter(|guard| guard.e.c[axis] == 0);
        let guards = still.map(|guard| Guard { e: widened(&guard.e), ..*guard }).collect();
        self.circuit.view(arg, View { out, coords, guards, fill: view.fill })
    }

    /// Of each row of the table the element at the computed positions, the last one first.
    fn gathered(&mut self, mut table: ValueId, positions: &[(usize, ValueId)], out: &Shape) -> ValueId {
        for &(_, position) in positions.iter().rev() {
            let mut shape = self.circuit.shape(table).clone();
            shape.dims.pop();
            let axes: Vec<usize> = (0..out.dims.len()).collect();
            let index = self.circuit.view(position, View::select(shape, &axes, &out.dims));
            table = self.circuit.gather(table, index);
        }
        table
    }

    /// Whether a guard holds.
    fn holds(&mut self, guard: &Guard, out: &Shape, axis: usize) -> ValueId {
        let Affine { c, b, d } = &guard.e;
        let numerator = self.affine(c, *b, out, axis);
        let [lo, hi] = [guard.lo * d, (guard.hi - 1) * d].map(|end| self.circuit.fill(end as f64, out));
        let above = self.circuit.gate(gates::LE, &[lo, numerator]);
        let below = self.circuit.gate(gates::LE, &[numerator, hi]);
        let within = self.circuit.gate(gates::AND, &[above, below]);
        if *d == 1 {
            return within;
        }
        let [divisor, zero] = [*d, 0].map(|number| self.circuit.fill(number as f64, out));
        let rest = self.circuit.gate(gates::MOD, &[numerator, divisor]);
        let whole = self.circuit.gate(gates::EQ, &[rest, zero]);
        self.circuit.gate(gates::AND, &[within, whole])
    }

    /// A coordinate, where it is whole.
    fn position(&mut self, coord: &Affine, out: &Shape, axis: usize) -> ValueId {
        let numerator = self.affine(&coord.c, coord.b, out, axis);
        if coord.d == 1 {
            return numerator;
        }
        let divisor = self.circuit.fill(coord.d as f64, out);
        self.circuit.gate(gates::INT_DIV, &[numerator, divisor])
    }

    /// `c · o + b`, where output dimension `axis` is the element.
    fn affine(&mut self, c: &[i64], b: i64, out: &Shape, axis: usize) -> ValueId {
        let mut sum = self.circuit.fill(b as f64, out);
        for (k, &factor) in c.iter().enumerate().filter(|(_, factor)| **factor != 0) {
            let index = match k {
                k if k == axis => {
                    let element = self.element();
                    self.circuit.broadcast(element, out)
                }
                k => {
                    let own = k - usize::from(k > axis);
                    let iota = self.circuit.iota(out.dims[own]);
                    self.circuit.view(iota, View::select(out.clone(), &[own], &[out.dims[own]]))
                }
            };
            let factor = self.circuit.fill(factor as f64, out);
            let term = self.circuit.gate(gates::MUL, &[factor, index]);
            sum = self.circuit.gate(gates::ADD, &[sum, term]);
        }
        sum
    }
}
