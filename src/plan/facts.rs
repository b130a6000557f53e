//! What the planner knows of a circuit before it decides anything: which values are needed, which are known
//! once a step, and on which of its axes a value really depends.

use super::Wanted;
use super::recurrences::Scans;
use crate::circuit::known::per_step;
use crate::circuit::view::Affine;
use crate::circuit::{AxisSet, Circuit, Leaf, Node, Reducer, Shape, ValueId, View};

/// How many readers are looked through for a name.
const NEAR: usize = 16;

/// The facts, one a value.
pub(super) struct Facts<'a> {
    /// Of this circuit.
    pub circuit: &'a Circuit,
    /// Its recurrences.
    pub scans: &'a Scans,
    /// Whether a root needs it, and it is not known.
    pub live: Vec<bool>,
    /// How many live values read it, and roots.
    pub users: Vec<u32>,
    known: Vec<Option<Known>>,
    depends: Vec<Dependence>,
    exact: Vec<bool>,
    names: Vec<Option<&'a str>>,
    /// The first of the live values that read it.
    first_user: Vec<Option<ValueId>>,
}

/// A value that is the same for all elements, and known when the step begins.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Known {
    /// A number.
    Number(f64),
    /// A scalar computed once a step.
    Scalar(ValueId),
}

/// On which axes of its domain a value depends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Dependence {
    /// On the example.
    pub batch: bool,
    /// On dimensions.
    pub dims: AxisSet,
}

/// A value as an affine read, inside everywhere, of another one.
#[derive(Clone, Debug)]
pub(super) struct Located {
    /// What is read.
    pub base: ValueId,
    /// One a dimension of `base`, over those of the value; all divisors are 1.
    pub coords: Vec<Affine>,
}

impl<'a> Facts<'a> {
    /// Finds them.
    pub fn of(circuit: &'a Circuit, scans: &'a Scans, roots: &'a [Wanted]) -> Self {
        let mut facts = Facts {
            circuit,
            scans,
            live: vec![false; circuit.len()],
            users: vec![0; circuit.len()],
            known: Vec::with_capacity(circuit.len()),
            depends: Vec::with_capacity(circuit.len()),
            exact: Vec::with_capacity(circuit.len()),
            names: vec![None; circuit.len()],
            first_user: vec![None; circuit.len()],
        };
        let scalars = per_step(circuit);
        for value in circuit.values() {
            facts.exact.push(facts.find_exact(value));
            facts.known.push(facts.find_known(value, &scalars));
            facts.depends.push(facts.find_dependence(value));
        }
        facts.find_live(roots);
        let named = circuit.names().iter().map(|named| (named.value, &*named.path));
        for (value, name) in named.chain(roots.iter().map(|root| (root.value, &*root.name))) {
            facts.names[value.index()].get_or_insert(name);
        }
        facts
    }

    /// Its shape.
    pub fn shape(&self, value: ValueId) -> &'a Shape {
        self.circuit.shape(value)
    }

    /// What is known of it.
    pub fn known(&self, value: ValueId) -> Option<Known> {
        self.known[value.index()]
    }

    /// On which axes it depends.
    pub fn dependence(&self, value: ValueId) -> Dependence {
        self.depends[value.index()]
    }

    /// If it is a view that is inside everywhere and has no divisor: the view and its operand.
    pub fn exact_view(&self, value: ValueId) -> Option<(&'a View, ValueId)> {
        match self.circuit.node(value) {
            Node::View { arg, view } if self.exact[value.index()] => Some((view, *arg)),
            _ => None,
        }
    }

    /// What it reads when all exact views on it are taken off.
    pub fn locate(&self, value: ValueId) -> Located {
        let rank = self.shape(value).dims.len();
        let coords = (0..rank).map(|axis| Affine::axis(axis, rank)).collect();
        let mut located = Located { base: value, coords };
        while let Some((view, arg)) = self.exact_view(located.base) {
            let coords = view.coords.iter().map(|coord| substitute(coord, &located.coords, rank)).collect();
            located = Located { base: arg, coords };
        }
        located
    }

    /// What holds the elements of a value, in the same row-major order: the operand under merges.
    pub fn owner(&self, mut value: ValueId) -> ValueId {
        while let Node::Merge { arg, .. } = self.circuit.node(value) {
            value = *arg;
        }
        value
    }

    /// A name for people: its own, that of a root, or what it is in the next value that has a name.
    pub fn name(&self, value: ValueId) -> String {
        let own = |value: ValueId| match self.circuit.node(value) {
            Node::Leaf(Leaf::Slot(id)) => Some(&*self.circuit.slot(*id).name),
            _ => self.names[value.index()],
        };
        let readers = std::iter::successors(Some(value), |value| self.first_user[value.index()]);
        let named = readers.take(NEAR).find_map(own);
        match (own(value), named) {
            (Some(name), _) => name.into(),
            (None, Some(whole)) => format!("{whole}.{}{}", self.stem(value), value.0),
            (None, None) => format!("{}{}", self.stem(value), value.0),
        }
    }

    /// What kind of value it is, in a word.
    fn stem(&self, value: ValueId) -> &'static str {
        match self.circuit.node(value) {
            Node::Leaf(Leaf::Number(_) | Leaf::Step(_)) => "number",
            Node::Leaf(Leaf::Draw { .. }) => "draw",
            Node::Leaf(_) => "index",
            Node::Gate { gate, .. } => gate.row().name,
            Node::Reduce { reducer: Reducer::Sum, axes, .. } if axes.is_empty() => "mean",
            Node::Reduce { reducer, .. } => match reducer {
                Reducer::Sum => "sum",
                Reducer::Prod => "prod",
                Reducer::Max => "max",
                Reducer::Min => "min",
                Reducer::Argmax => "argmax",
                Reducer::Argmin => "argmin",
            },
            Node::View { .. } => "view",
            Node::Merge { .. } => "merged",
            Node::Gather { .. } => "rows",
            Node::Scatter { .. } => "scattered",
            Node::Lag { .. } => "lagged",
        }
    }

    fn find_exact(&self, value: ValueId) -> bool {
        let Node::View { arg, view } = self.circuit.node(value) else { return false };
        view.coords.iter().all(|coord| coord.d == 1) && view.is_total(self.shape(*arg))
    }

    fn find_known(&self, value: ValueId, scalars: &[bool]) -> Option<Known> {
        match self.circuit.node(value) {
            Node::Leaf(Leaf::Number(number)) => Some(Known::Number(number.get())),
            Node::View { arg, view } => {
                let fill = Known::Number(view.fill.get());
                let same = self.known(*arg).filter(|&known| self.exact[value.index()] || known == fill);
                same.or_else(|| view.is_outside(self.shape(*arg)).then_some(fill))
            }
            Node::Merge { arg, .. } => self.known(*arg),
            _ => scalars[value.index()].then_some(Known::Scalar(value)),
        }
    }

    fn find_dependence(&self, value: ValueId) -> Dependence {
        if self.known(value).is_some() {
            return Dependence::default();
        }
        let shape = self.shape(value);
        match self.circuit.node(value) {
            Node::View { arg, view } => {
                let inner = self.dependence(*arg);
                let read = view.coords.iter().enumerate().filter(|(k, _)| inner.dims.contains(*k));
                let guards = view.guards.iter().map(|guard| &guard.e);
                let bounds = view.coords.iter().filter(|_| !self.exact[value.index()]);
                let dims =
                    read.map(|(_, coord)| coord).chain(guards).chain(bounds).flat_map(|e| axes_of(&e.c));
                Dependence { batch: inner.batch, dims: AxisSet::of(dims) }
            }
            Node::Gate { args, .. } => {
                args.iter().fold(Dependence::default(), |sum, &arg| sum.or(self.dependence(arg)))
            }
            Node::Reduce { arg, axes, batch, .. } => {
                let inner = self.dependence(*arg);
                let kept = (0..self.shape(*arg).dims.len()).filter(|&k| !axes.contains(k));
                let dims = kept.enumerate().filter(|&(_, from)| inner.dims.contains(from)).map(|(to, _)| to);
                Dependence { batch: inner.batch && !batch, dims: AxisSet::of(dims) }
            }
            _ => Dependence { batch: shape.batch, dims: AxisSet::of(0..shape.dims.len()) },
        }
    }

    fn find_live(&mut self, roots: &'a [Wanted]) {
        for root in roots {
            self.live[root.value.index()] = true;
            self.users[root.value.index()] += 1;
        }
        for value in self.circuit.values().rev() {
            if !self.live[value.index()] || self.known(value).is_some() {
                continue;
            }
            let mut operands = self.circuit.node(value).operands();
            if let Some(scan) = self.scans.of(value) {
                operands.extend(scan.inputs());
                scan.results.iter().for_each(|given| self.live[given.leaf.index()] = true);
            }
            operands.sort_unstable();
            operands.dedup();
            for operand in operands {
                self.live[operand.index()] = true;
                self.users[operand.index()] += 1;
                self.first_user[operand.index()] = Some(value);
            }
        }
    }
}

impl Dependence {
    fn or(self, other: Dependence) -> Dependence {
        Dependence { batch: self.batch || other.batch, dims: AxisSet(self.dims.0 | other.dims.0) }
    }
}

/// The axes with a coefficient.
fn axes_of(c: &[i64]) -> impl Iterator<Item = usize> + '_ {
    c.iter().enumerate().filter(|(_, c)| **c != 0).map(|(axis, _)| axis)
}

/// An affine expression without divisor, of expressions over `rank` dimensions.
pub(super) fn substitute(outer: &Affine, inner: &[Affine], rank: usize) -> Affine {
    let mut sum = Affine::constant(outer.b, rank);
    for (&c, part) in outer.c.iter().zip(inner) {
        sum.b += c * part.b;
        sum.c.iter_mut().zip(&part.c).for_each(|(sum, &inner)| *sum += c * inner);
    }
    sum
}

/// Whether each element of the operand is read at most once: so that what is computed there is not computed
/// again. Sufficient, not necessary: each coordinate is a number in mixed radix.
pub(super) fn reads_once(view: &View) -> bool {
    let dims = &view.out.dims;
    let all = |axis: usize| dims[axis] <= 1 || view.coords.iter().any(|coord| coord.c[axis] != 0);
    (0..dims.len()).all(all) && view.coords.iter().all(|coord| in_mixed_radix(coord, dims))
}

fn in_mixed_radix(coord: &Affine, dims: &[u32]) -> bool {
    let mut digits: Vec<(i64, i64)> =
        axes_of(&coord.c).map(|axis| (coord.c[axis].abs(), i64::from(dims[axis]))).collect();
    digits.sort_unstable();
    let mut reach = 0;
    digits.into_iter().filter(|&(_, extent)| extent > 1).all(|(c, extent)| {
        let apart = c > reach;
        reach += c * (extent - 1);
        apart
    })
}
