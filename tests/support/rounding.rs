//! How far rounding may move a value: a running error analysis beside an evaluation in f64.
//!
//! Each element of each value gets a bound on the distance between what is exact and what any evaluation in the
//! lesser precision may give, whatever its order of summation. A gate's bound is found without knowing the gate: it
//! is tried at the ends of its operands' bounds and where it may jump between them, so that a comparison that could
//! decide otherwise, a logarithm near 0, or a quotient by what may be 0 gets the large bound that it deserves. This is first-order, and meant to be multiplied by a small factor.

use nnc::circuit::recurrence::{Unit, units};
use nnc::circuit::{AxisSet, Circuit, Kind, Leaf, Node, Reducer, Shape, ValueId, View};
use nnc::interpret::{Bindings, evaluate};

/// A value with its bounds, element by element.
#[derive(Clone, Debug)]
pub struct Bounded {
    /// In f64.
    pub values: Vec<f64>,
    /// How far a rounded evaluation may be from it; infinite where nothing can be said.
    pub errors: Vec<f64>,
}

/// A precision by what the analysis needs of it.
#[derive(Clone, Copy, Debug)]
pub struct Precision {
    /// Half the distance from 1 to the next number.
    pub unit: f64,
    /// The smallest positive number.
    pub least: f64,
    /// Beyond this an intermediate result may overflow.
    pub large: f64,
}

/// f32
pub const SINGLE: Precision = Precision { unit: 1.0 / (1 << 24) as f64, least: 1.5e-45, large: 1e37 };

/// f64
pub const DOUBLE: Precision = Precision { unit: 1.2e-16, least: 5e-324, large: 1e300 };

/// The roots' values with their bounds.
pub fn bounded(
    circuit: &Circuit,
    roots: &[ValueId],
    bindings: &Bindings<f64>,
    precision: Precision,
) -> Vec<Bounded> {
    let units = units(circuit, roots);
    let needed: Vec<ValueId> = units.iter().flat_map(Unit::values).copied().collect();
    let arrays = evaluate(circuit, &needed, bindings);
    let mut known: Vec<Option<Bounded>> = vec![None; circuit.len()];
    for (&value, array) in needed.iter().zip(arrays) {
        let errors = vec![0.0; array.data.len()];
        known[value.index()] = Some(Bounded { values: array.data, errors });
    }
    for unit in &units {
        // In a recurrence one round more of the scanned elements has its bounds after each.
        let rounds = match unit {
            Unit::Value(_) => 1,
            Unit::Recurrence(recurrence) => recurrence.extent.div_ceil(recurrence.reach),
        };
        for _ in 0..rounds {
            for &value in unit.values() {
                let analysis = Analysis { circuit, known: &known, n: bindings.n, precision };
                let errors = analysis.errors(value, &analysis.of(value).values);
                known[value.index()].as_mut().expect("needed").errors = errors;
            }
        }
    }
    roots.iter().map(|root| known[root.index()].clone().expect("a root is needed")).collect()
}

struct Analysis<'a> {
    circuit: &'a Circuit,
    known: &'a [Option<Bounded>],
    n: usize,
    precision: Precision,
}

impl Analysis<'_> {
    fn of(&self, value: ValueId) -> &Bounded {
        self.known[value.index()].as_ref().expect("operands precede their users")
    }

    fn copies(&self, shape: &Shape) -> usize {
        if shape.batch { self.n } else { 1 }
    }

    /// What rounding a number costs.
    fn rounding(&self, number: f64) -> f64 {
        let Precision { unit, least, large } = self.precision;
        match () {
            () if unit < 1e-10 || f64::from(number as f32) == number || number.is_nan() => 0.0,
            () if number.abs() > large => f64::INFINITY,
            () => unit * number.abs() + least,
        }
    }

    /// The bounds of a value, given those of its operands.
    fn errors(&self, value: ValueId, values: &[f64]) -> Vec<f64> {
        match self.circuit.node(value) {
            Node::Leaf(Leaf::Number(number)) => vec![self.rounding(number.get())],
            Node::Leaf(_) => vec![0.0; values.len()],
            Node::Gate { gate, args } => self.gate(value, *gate, args, values),
            Node::Reduce { reducer, arg, axes, batch } => {
                self.reduction(*reducer, *arg, *axes, *batch, values)
            }
            Node::Merge { arg, .. } => self.of(*arg).errors.clone(),
            Node::View { arg, view } => self.read(*arg, view),
            Node::Gather { table, index } => self.gather(*table, *index, values),
            Node::Scatter { index, value, .. } => self.scatter(*index, *value, values),
            Node::Lag { variable, axis, by, fill, shape } => {
                let source = self.circuit.source(*variable).expect("a variable that is read is closed");
                self.read(source, &View::lagged(shape, usize::from(*axis), *by, *fill))
            }
        }
    }

    /// The bounds of what a view reads.
    fn read(&self, arg: ValueId, view: &View) -> Vec<f64> {
        let dims = &self.circuit.shape(arg).dims;
        let own = self.circuit.shape(arg).size();
        let outside = self.rounding(view.fill.get());
        let places: Vec<Option<usize>> =
            positions(&view.out.dims).iter().map(|o| view.offset(o, dims)).collect();
        let of = self.of(arg);
        let step = if self.circuit.shape(arg).batch { own } else { 0 };
        let one = |example: usize| {
            places.iter().map(move |place| place.map_or(outside, |place| of.errors[example * step + place]))
        };
        (0..self.copies(&view.out)).flat_map(one).collect()
    }

    /// The gate where its operands may be, and its own rounding.
    fn gate(&self, value: ValueId, gate: nnc::circuit::Gate, args: &[ValueId], values: &[f64]) -> Vec<f64> {
        let whole = self.circuit.kind(value) != Kind::Real;
        let ulps = f64::from(gate.row().ulps.max(1.0));
        let error = |(k, &y): (usize, &f64)| {
            let mut spread = 0.0_f64;
            self.for_each_operands(args, k, |at| {
                let there = (gate.row().value)(at);
                let same = there == y || (there.is_nan() && y.is_nan());
                let distance = if same { 0.0 } else { (there - y).abs() };
                spread = if distance.is_nan() { f64::INFINITY } else { spread.max(distance) };
            });
            match () {
                () if y.is_finite() && y.abs() > self.precision.large => f64::INFINITY,
                () if whole || !y.is_finite() => spread,
                () => spread + 2.0 * ulps * (self.precision.unit * y.abs() + self.precision.least),
            }
        };
        values.iter().enumerate().map(error).collect()
    }

    /// The operands' elements number `k` in all the combinations to try. What a gate has for an operand twice is the
    /// same number both times.
    fn for_each_operands(&self, args: &[ValueId], k: usize, mut each: impl FnMut(&[f64])) {
        let first: Vec<usize> =
            args.iter().map(|arg| args.iter().position(|other| other == arg).expect("itself")).collect();
        let tried: Vec<Vec<f64>> = args.iter().map(|arg| self.tried(*arg, args, k)).collect();
        let mut chosen = vec![0; args.len()];
        let mut at = vec![0.0; args.len()];
        loop {
            for (place, &own) in first.iter().enumerate() {
                at[place] = tried[own][chosen[own]];
            }
            each(&at);
            // Counting, an operand a digit, those that are there already left out.
            let mut digits = (0..args.len()).filter(|&place| first[place] == place);
            let next = digits.find(|&place| {
                chosen[place] = (chosen[place] + 1) % tried[place].len();
                chosen[place] > 0
            });
            if next.is_none() {
                return;
            }
        }
    }

    /// The numbers that are tried for one operand: the ends of its bounds and, within them, where gates jump or
    /// have a pole: at 0 and where the operand meets another one.
    fn tried(&self, arg: ValueId, args: &[ValueId], k: usize) -> Vec<f64> {
        let (x, error) = (self.of(arg).values[k], self.of(arg).errors[k]);
        // No error leaves even an infinity as it is.
        if error == 0.0 {
            return vec![x];
        }
        let others = args.iter().filter(|&&other| other != arg).map(|&other| self.of(other).values[k]);
        let within = others.chain([0.0]).filter(|other| (other - x).abs() < error);
        [x - error, x + error].into_iter().chain(within).collect()
    }

    /// For each element of a reduction's result, the elements that it is made of.
    fn parts(&self, arg: ValueId, axes: AxisSet, batch: bool) -> Vec<Vec<usize>> {
        let shape = self.circuit.shape(arg);
        let kept: Vec<usize> = (0..shape.dims.len()).filter(|&axis| !axes.contains(axis)).collect();
        let size: usize = kept.iter().map(|&axis| shape.dims[axis] as usize).product();
        let copies = if batch { 1 } else { self.copies(shape) };
        let mut parts = vec![vec![]; size * copies];
        let all = positions(&shape.dims);
        for example in 0..self.copies(shape) {
            for (k, o) in all.iter().enumerate() {
                let place =
                    kept.iter().fold(0, |place, &axis| place * shape.dims[axis] as usize + o[axis] as usize);
                parts[if batch { 0 } else { example * size } + place].push(example * all.len() + k);
            }
        }
        parts
    }

    fn reduction(
        &self,
        reducer: Reducer,
        arg: ValueId,
        axes: AxisSet,
        batch: bool,
        values: &[f64],
    ) -> Vec<f64> {
        let of = self.of(arg);
        let parts = self.parts(arg, axes, batch);
        let divisor = if batch { self.n as f64 } else { 1.0 };
        let whole = self.circuit.kind(arg) != Kind::Real && !batch;
        let one = |(parts, &y): (&Vec<usize>, &f64)| {
            let terms: Vec<(f64, f64)> = parts.iter().map(|&k| (of.values[k], of.errors[k])).collect();
            match reducer {
                Reducer::Sum => self.sum(&terms, whole) / divisor + self.precision.unit * finite(y).abs(),
                Reducer::Prod => self.product(&terms),
                Reducer::Max => extreme(&terms, y, 1.0),
                Reducer::Min => extreme(&terms, y, -1.0),
                Reducer::Argmax => place(&terms, y, 1.0),
                Reducer::Argmin => place(&terms, y, -1.0),
            }
        };
        parts.iter().zip(values).map(one).collect()
    }

    fn sum(&self, terms: &[(f64, f64)], whole: bool) -> f64 {
        let size: f64 = terms.iter().map(|term| finite(term.0).abs()).sum();
        let spread: f64 = terms.iter().map(|term| term.1).sum();
        if size > self.precision.large {
            return f64::INFINITY;
        }
        if whole { spread } else { spread + self.precision.unit * (terms.len() + 2) as f64 * size }
    }

    fn product(&self, terms: &[(f64, f64)]) -> f64 {
        let largest: f64 = terms.iter().map(|term| (term.0.abs() + term.1).max(1.0)).product();
        if largest >= self.precision.large || largest.is_nan() {
            let exact =
                terms.iter().all(|term| term.1 == 0.0) && terms.iter().any(|term| !term.0.is_finite());
            return if exact && terms.iter().all(|term| term.0.abs() >= 1.0) { 0.0 } else { f64::INFINITY };
        }
        let size: f64 = terms.iter().map(|term| term.0.abs()).product();
        let outer: f64 = terms.iter().map(|term| term.0.abs() + term.1).product();
        // Any of the products on the way may vanish before the larger terms come.
        outer - size
            + (terms.len() + 2) as f64 * (self.precision.unit * outer + self.precision.least * largest)
    }

    /// An index in doubt reads any of its neighbours.
    fn gather(&self, table: ValueId, index: ValueId, values: &[f64]) -> Vec<f64> {
        let extent = *self.circuit.shape(table).dims.last().expect("a table has its own dimension") as usize;
        let (table, index) = (self.of(table), self.of(index));
        let one = |(k, &y): (usize, &f64)| {
            let (at, doubt) = (index.values[k], index.errors[k]);
            let row = k * extent..(k + 1) * extent;
            let inside = |&v: &usize| (v as f64 - at).abs() <= doubt;
            if at.is_nan() || !doubt.is_finite() || at - doubt < 0.0 || at + doubt > (extent - 1) as f64 {
                return if doubt == 0.0 && y.is_nan() { 0.0 } else { f64::INFINITY };
            }
            let places = (0..extent).filter(inside).map(|v| row.start + v);
            places
                .map(|v| {
                    if doubt == 0.0 { table.errors[v] } else { (table.values[v] - y).abs() + table.errors[v] }
                })
                .fold(0.0, f64::max)
        };
        values.iter().enumerate().map(one).collect()
    }

    fn scatter(&self, index: ValueId, value: ValueId, values: &[f64]) -> Vec<f64> {
        let (index_shape, value_shape) = (self.circuit.shape(index), self.circuit.shape(value));
        let row: usize =
            value_shape.dims[index_shape.dims.len()..].iter().map(|&extent| extent as usize).product();
        let (index, value) = (self.of(index), self.of(value));
        if index.errors.iter().any(|&error| error > 0.0) {
            return vec![f64::INFINITY; values.len()];
        }
        let mut terms: Vec<Vec<(f64, f64)>> = vec![vec![]; values.len()];
        for (o, &v) in index.values.iter().enumerate() {
            if v >= 0.0 && (v as usize) < values.len() / row.max(1) {
                for q in 0..row {
                    terms[v as usize * row + q].push((value.values[o * row + q], value.errors[o * row + q]));
                }
            }
        }
        let divisor = if index_shape.batch { self.n as f64 } else { 1.0 };
        terms
            .iter()
            .zip(values)
            .map(|(terms, &y)| self.sum(terms, false) / divisor + self.precision.unit * finite(y).abs())
            .collect()
    }
}

/// The number, or 0 in place of NaN and infinity.
fn finite(number: f64) -> f64 {
    if number.is_finite() { number } else { 0.0 }
}

/// How far the largest (`sign` 1) or smallest (-1) of terms may move.
fn extreme(terms: &[(f64, f64)], y: f64, sign: f64) -> f64 {
    if !y.is_finite() {
        return if terms.iter().all(|term| term.1 == 0.0 || (term.1.is_finite() && term.0.is_finite())) {
            0.0
        } else {
            f64::INFINITY
        };
    }
    let upper = terms.iter().map(|term| sign * term.0 + term.1).fold(f64::NEG_INFINITY, f64::max);
    let lower = terms.iter().map(|term| sign * term.0 - term.1).fold(f64::NEG_INFINITY, f64::max);
    (upper - sign * y).max(sign * y - lower)
}

/// How far the position of the largest or smallest of terms may move.
fn place(terms: &[(f64, f64)], y: f64, sign: f64) -> f64 {
    if terms.iter().all(|term| term.1 == 0.0) {
        return 0.0;
    }
    if terms.iter().any(|term| term.0.is_nan() || term.1.is_infinite()) {
        return f64::INFINITY;
    }
    let lower = terms.iter().map(|term| sign * term.0 - term.1).fold(f64::NEG_INFINITY, f64::max);
    let may = |(_, term): &(usize, &(f64, f64))| sign * term.0 + term.1 >= lower;
    terms.iter().enumerate().filter(may).map(|(k, _)| (k as f64 - y).abs()).fold(0.0, f64::max)
}

/// All positions of an array, row-major.
fn positions(dims: &[u32]) -> Vec<Vec<u32>> {
    dims.iter().fold(vec![vec![]], |all, &extent| {
        let more = |o: &Vec<u32>| {
            let o = o.clone();
            (0..extent).map(move |k| [o.clone(), vec![k]].concat())
        };
        all.iter().flat_map(more).collect()
    })
}
