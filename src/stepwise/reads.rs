//! Reads at one position.

use super::{Found, Steps, without, wrong};
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{Circuit, Leaf, Node, Shape, ValueId, View, gates};

/// Where a dimension of an operand stands in a value that runs through the same positions along it, perhaps from
/// elsewhere.
pub(super) fn passed_on(circuit: &Circuit, value: ValueId, operand: ValueId, axis: usize) -> Option<usize> {
    match circuit.node(value) {
        Node::View { view, .. } => {
            let mut used = (0..view.out.dims.len()).filter(|&k| view.coords[axis].c[k] != 0);
            let (first, second) = (used.next()?, used.next());
            second.is_none().then_some(first)
        }
        _ => crate::circuit::recurrence::passed_on(circuit, value, operand, axis),
    }
}

impl Steps<'_> {
    /// The present element, along output dimension `axis`, of a read.
    pub(super) fn view_now(&mut self, value: ValueId, arg: ValueId, view: &View, axis: usize) -> Found {
        let uses = |e: &Affine| e.c[axis] != 0;
        let (moving, fixed): (Vec<Guard>, Vec<Guard>) =
            view.guards.iter().cloned().partition(|guard| uses(&guard.e));
        let coords: Vec<usize> = (0..view.coords.len()).filter(|&k| uses(&view.coords[k])).collect();
        let out = Shape::shared(without(&view.out.dims, axis));
        let fixed: Vec<Guard> =
            fixed.iter().map(|guard| Guard { e: dropped(&guard.e, axis), ..guard.clone() }).collect();
        let kept = |skipped: Option<usize>| -> Vec<Affine> {
            let coords = view.coords.iter().enumerate().filter(|(k, _)| Some(*k) != skipped);
            coords.map(|(_, e)| dropped(e, axis)).collect()
        };
        let read = match coords[..] {
            [] => {
                let arg = self.whole(arg)?;
                self.to
                    .view(arg, View { out: out.clone(), coords: kept(None), guards: fixed, fill: view.fill })
            }
            [k] if view.coords[k].as_axis() == Some(axis) => {
                let arg = self.now(arg, k)?;
                self.to.view(
                    arg,
                    View { out: out.clone(), coords: kept(Some(k)), guards: fixed, fill: view.fill },
                )
            }
            [k] if view.coords[k].d == 1 => {
                let rest = View { out: out.clone(), coords: kept(None), guards: fixed, fill: view.fill };
                self.elsewhere(arg, k, &view.coords[k], rest, axis)?
            }
            _ => return wrong(value, "reads several dimensions by the position"),
        };
        let fill = self.to.fill(view.fill.get(), &out);
        moving.iter().try_fold(read, |read, guard| {
            if guard.e.d != 1 {
                return wrong(value, "asks whether a fraction of the position is whole");
            }
            let e = self.affine(&guard.e, axis, &out);
            let holds = self.between(e, guard.lo, guard.hi, &out);
            Ok(self.to.gate(gates::SELECT, &[holds, read, fill]))
        })
    }

    /// A read at a position that is computed from the present one: `x[t - u]`.
    fn elsewhere(&mut self, arg: ValueId, k: usize, e: &Affine, rest: View, axis: usize) -> Found {
        let extent = self.from.shape(arg).dims[k];
        let whole = self.whole(arg)?;
        let out = rest.out.clone();
        let rank = out.dims.len();
        let widened = |e: &Affine| Affine { c: e.c.iter().copied().chain([0]).collect(), ..e.clone() };
        let mut coords: Vec<Affine> = rest.coords.iter().map(widened).collect();
        coords[k] = Affine::axis(rank, rank + 1);
        let dims = out.dims.iter().copied().chain([extent]).collect();
        let guards =
            rest.guards.iter().map(|guard| Guard { e: widened(&guard.e), ..guard.clone() }).collect();
        let table = View { out: Shape { batch: false, dims }, coords, guards, fill: rest.fill };
        let table = self.to.view(whole, table);
        let index = self.affine(e, axis, &out);
        let inside = self.between(index, 0, extent.into(), &out);
        let first = self.to.fill(0.0, &out);
        let index = self.to.gate(gates::SELECT, &[inside, index, first]);
        let read = self.to.gather(table, index);
        let fill = self.to.fill(rest.fill.get(), &out);
        Ok(self.to.gate(gates::SELECT, &[inside, read, fill]))
    }

    /// The value of an index expression where the index `axis` is the position.
    fn affine(&mut self, e: &Affine, axis: usize, out: &Shape) -> ValueId {
        let position = self.to.leaf(Leaf::Slot(self.position));
        let mut sum = self.to.number(e.b as f64);
        for (k, &c) in e.c.iter().enumerate().filter(|(_, c)| **c != 0) {
            let own = if k == axis {
                position
            } else {
                let place = if k > axis { k - 1 } else { k };
                let iota = self.to.iota(out.dims[place]);
                self.to.view(iota, View::select(out.clone(), &[place], &[out.dims[place]]))
            };
            let factor = self.to.number(c as f64);
            let term = self.to.lift(gates::MUL, &[factor, own]);
            sum = self.to.lift(gates::ADD, &[sum, term]);
        }
        self.to.broadcast(sum, out)
    }

    /// `lo <= e < hi`
    fn between(&mut self, e: ValueId, lo: i64, hi: i64, out: &Shape) -> ValueId {
        let (lo, hi) = (self.to.fill(lo as f64, out), self.to.fill(hi as f64, out));
        let (least, most) = (self.to.gate(gates::LE, &[lo, e]), self.to.gate(gates::LT, &[e, hi]));
        self.to.gate(gates::AND, &[least, most])
    }
}

/// An index expression over one output dimension fewer.
fn dropped(e: &Affine, axis: usize) -> Affine {
    let c = e.c.iter().enumerate().filter(|(k, _)| *k != axis).map(|(_, &c)| c).collect();
    Affine { c, ..e.clone() }
}
