//! Contractions so small that calling a kernel would take longer than they do: loops in place, by the same
//! definition of bits.
//!
//! An axis of the result lies in the lanes of vectors; each vector is one chain of fused multiply-adds along `k`.
//! Where `k` is short, the vectors of one operand stay in registers while the loops over the other's axes run.

use super::emitter::{Emitter, Index};
use crate::plan::contraction::count;
use crate::plan::schedule::*;
use cranelift_codegen::ir::{InstBuilder, Value};

/// Multiplications of a whole batch up to which a contraction is emitted in place.
const MOST: usize = 4096;
/// Vectors of an operand that are kept in registers.
const KEPT: usize = 8;
/// Results that are made at once: each is a chain whose every link waits for the one before.
const TOGETHER: i64 = 4;
/// Variables of contractions count from here, beyond those of any nest.
const FIRST_VAR: u32 = 1 << 31;

/// Whether a contraction is emitted in place: it is small, and its sums are one block each.
pub fn in_place(contract: &Contract, capacity: u32) -> bool {
    let n = capacity as usize;
    let along_k = count(&contract.k, n);
    let results = count(&contract.batch, n) * count(&contract.m, n) * count(&contract.n, n);
    along_k <= contract.k_block as usize && results * along_k <= MOST
}

/// A contraction with a variable for each axis, in the order in which loops nest.
pub struct Product {
    /// Axes on which the operand in vectors depends; the last one lies in the lanes, if `in_lanes`.
    outer: Vec<Axis>,
    in_lanes: bool,
    /// The other axes of the result.
    pub inner: Vec<Axis>,
    pub k: Vec<Axis>,
    /// Operand in vectors, other operand, result.
    pub places: [Address; 3],
    /// Whether the result is divided by the number of examples.
    pub mean: bool,
}

#[derive(Clone, Copy)]
pub struct Axis {
    pub var: Var,
    pub extent: Extent,
}

impl Product {
    /// Axes of the result lie in lanes where `suits` their stride in the operand that has them, and how many results have
    /// the same lanes.
    pub fn new(contract: &Contract, capacity: u32, suits: impl Fn(i64, usize) -> bool) -> Self {
        let groups = [&contract.batch, &contract.m, &contract.n, &contract.k];
        let all: Vec<(ContractAxis, usize, Var)> = groups
            .into_iter()
            .enumerate()
            .flat_map(|(group, axes)| axes.iter().map(move |&axis| (axis, group)))
            .enumerate()
            .map(|(k, (axis, group))| (axis, group, Var(FIRST_VAR + k as u32)))
            .collect();
        // Lanes lie along an axis whose results are neighbours, best one whose operands are too.
        let results = |group: &[ContractAxis]| count(group, capacity as usize);
        let rank = |(axis, group, _): &&(ContractAxis, usize, Var)| {
            let (own, others) = match group {
                1 => (axis.a, results(&contract.n)),
                _ => (axis.b, results(&contract.m)),
            };
            let fits = (*group == 1 || *group == 2) && axis.out == 1 && axis.extent != Extent::Fixed(1);
            (fits && suits(own, others), own == 1, axis.extent.len_for(capacity as usize))
        };
        let lanes = all.iter().max_by_key(rank).filter(|axis| rank(axis).0);
        let side = lanes.map_or(1, |axis| axis.1);
        let pick = |belongs: &dyn Fn(usize) -> bool| -> Vec<Axis> {
            let axes = all.iter().filter(|axis| belongs(axis.1));
            axes.map(|&(axis, _, var)| Axis { var, extent: axis.extent }).collect()
        };
        let mut outer = pick(&|group| group == 0 || group == side);
        outer.sort_by_key(|axis| lanes.is_some_and(|lanes| lanes.2 == axis.var));
        let place = |first: &Address, stride: fn(&ContractAxis) -> i64| {
            let mut place = first.clone();
            let terms = all.iter().map(|(axis, _, var)| (*var, stride(axis))).filter(|term| term.1 != 0);
            place.at.terms.extend(terms);
            place
        };
        let (a, b) = (place(&contract.a, |axis| axis.a), place(&contract.b, |axis| axis.b));
        let (own, other) = if side == 1 { (a, b) } else { (b, a) };
        Product {
            outer,
            in_lanes: lanes.is_some(),
            inner: pick(&|group| group != 0 && group != 3 && group != side),
            k: pick(&|group| group == 3),
            places: [own, other, place(&contract.out, |axis| axis.out)],
            mean: contract.mean,
        }
    }

    /// The axis that lies in the lanes, if one does, and the others on which the operand in vectors depends.
    pub fn lanes(&self) -> (Option<Axis>, &[Axis]) {
        match self.outer.split_last() {
            Some((&lanes, outer)) if self.in_lanes => (Some(lanes), outer),
            _ => (None, &self.outer),
        }
    }

    /// Extents along `k`, if the vectors of one operand along all of it can be kept in registers.
    fn kept(&self) -> Option<Vec<u32>> {
        let extent = |axis: &Axis| match axis.extent {
            Extent::Fixed(extent) => Some(extent),
            Extent::Batch => None,
        };
        let extents: Vec<u32> = self.k.iter().map(extent).collect::<Option<_>>()?;
        (extents.iter().product::<u32>() as usize <= KEPT).then_some(extents)
    }
}

impl Emitter<'_, '_> {
    /// Emits a contraction in place.
    pub fn product(&mut self, contract: &Contract) {
        let product = Product::new(contract, self.schedule.capacity, |_, _| true);
        let divisor = product.mean.then(|| self.number_of_index(self.operands.n));
        product.places.iter().for_each(|place| self.prepare_pointer(place));
        let (lanes, outer) = product.lanes();
        self.loops(outer, &product.places, &mut |e| match lanes {
            Some(Axis { var, extent }) => {
                e.loop_over(var, extent, true, &mut |e| e.product_rows(&product, divisor));
            }
            None => e.product_rows(&product, divisor),
        });
    }

    /// The loops over the axes that the operand in vectors does not have.
    fn product_rows(&mut self, product: &Product, divisor: Option<Value>) {
        product.places.iter().for_each(|place| self.prepare_pointer(place));
        let kept = product.kept();
        if let (None, Some((&last, outer))) = (&kept, product.inner.split_last()) {
            return self.loops(outer, &product.places, &mut |e| e.some_at_once(product, last, divisor));
        }
        let vectors: Option<Vec<Value>> = kept.as_ref().map(|extents| {
            let positions = (0..extents.iter().product()).map(|flat| position(extents, flat));
            positions.map(|at| self.load(&fixed(&product.places[0], &product.k, &at), None)).collect()
        });
        self.loops(&product.inner, &product.places, &mut |e| {
            let zero = e.number(0.0);
            let sum = match (&vectors, &kept) {
                (Some(vectors), Some(extents)) => {
                    vectors.iter().zip(0..).fold(zero, |sum, (&vector, flat)| {
                        let at = position(extents, flat);
                        let other = e.load(&fixed(&product.places[1], &product.k, &at), None);
                        e.b.ins().fma(vector, other, sum)
                    })
                }
                _ => e.chains_along(&product.k, std::slice::from_ref(&product.places), &[zero])[0],
            };
            e.store_result(&product.places[2], sum, divisor);
        });
    }

    /// The loop over the last axis that the operand in vectors does not have, some results at a time.
    fn some_at_once(&mut self, product: &Product, Axis { var, extent }: Axis, divisor: Option<Value>) {
        let moved = |by: i64| {
            product.places.each_ref().map(|place| {
                let mut place = place.clone();
                place.at.offset += by * place.at.coefficient(var);
                place
            })
        };
        let end = self.extent(extent);
        // Of a number that is not known what is left is made one by one.
        let (whole, left) = match end {
            Index::Known(end) => (Index::Known(end / TOGETHER * TOGETHER), (end % TOGETHER).max(1)),
            Index::Value(end) => (Index::Value(self.b.ins().band_imm_s(end, -TOGETHER)), 1),
        };
        for (range, count) in [([Index::Known(0), whole], TOGETHER), ([whole, end], left)] {
            let places: Vec<[Address; 3]> = (0..count).map(moved).collect();
            self.counted(range, count, &[], |e, i, _| {
                e.bound(var, i, None, &mut |e| {
                    places.iter().flatten().for_each(|place| e.prepare_pointer(place));
                    let zeros = vec![e.number(0.0); places.len()];
                    let sums = e.chains_along(&product.k, &places, &zeros);
                    for (place, sum) in places.iter().zip(sums) {
                        e.store_result(&place[2], sum, divisor);
                    }
                });
                vec![]
            });
        }
    }

    fn store_result(&mut self, place: &Address, sum: Value, divisor: Option<Value>) {
        let result = divisor.map_or(sum, |n| self.b.ins().fdiv(sum, n));
        self.store(place, result);
    }

    /// Loops over axes, plainly.
    fn loops(&mut self, axes: &[Axis], places: &[Address], body: &mut dyn FnMut(&mut Self)) {
        let Some((&Axis { var, extent }, rest)) = axes.split_first() else { return body(self) };
        self.loop_over(var, extent, false, &mut |e| {
            places.iter().for_each(|place| e.prepare_pointer(place));
            e.loops(rest, places, body);
        });
    }

    /// Chains of fused multiply-adds along the axes of `k`, the first outermost, which read the same vectors of the
    /// first operand.
    fn chains_along(&mut self, k: &[Axis], places: &[[Address; 3]], sums: &[Value]) -> Vec<Value> {
        let Some((&Axis { var, extent }, rest)) = k.split_first() else {
            let vector = self.load(&places[0][0], None);
            let link = |(place, &sum): (&[Address; 3], &Value)| {
                let other = self.load(&place[1], None);
                self.b.ins().fma(vector, other, sum)
            };
            return places.iter().zip(sums).map(link).collect();
        };
        let range = [Index::Known(0), self.extent(extent)];
        self.counted(range, 1, sums, |e, i, sums| {
            let mut next = vec![];
            e.bound(var, i, None, &mut |e| {
                places.iter().flatten().for_each(|place| e.prepare_pointer(place));
                next = e.chains_along(rest, places, sums);
            });
            next
        })
    }
}

/// Row-major position `flat` in an array of these extents.
fn position(extents: &[u32], mut flat: u32) -> Vec<i64> {
    let mut at = vec![0; extents.len()];
    for (k, extent) in extents.iter().enumerate().rev() {
        at[k] = i64::from(flat % extent);
        flat /= extent;
    }
    at
}

/// An address at a position along `k`.
fn fixed(place: &Address, k: &[Axis], at: &[i64]) -> Address {
    let of = |var: Var| k.iter().zip(at).find(|(axis, _)| axis.var == var).map(|(_, &at)| at);
    let (mut terms, mut offset) = (vec![], place.at.offset);
    for &(var, coefficient) in &place.at.terms {
        match of(var) {
            Some(at) => offset += coefficient * at,
            None => terms.push((var, coefficient)),
        }
    }
    Address { buffer: place.buffer, at: Linear { offset, terms } }
}
