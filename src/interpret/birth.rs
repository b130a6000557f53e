//! Where a number that is not finite was born: from an element that is not, through the elements that it was computed
//! from, to the first gate that made one of finite numbers.

use super::{Array, Bindings, Element, evaluate};
use crate::circuit::{AxisSet, Circuit, Leaf, Node, Reducer, ValueId, View, gates};

/// An element of a value.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Spot {
    /// The value.
    pub value: ValueId,
    /// The example of the batch; 0 where all share the value.
    pub example: usize,
    /// Its position.
    pub index: Vec<u32>,
}

/// A number that is not finite, and what it was made of.
#[derive(Clone, PartialEq, Debug)]
pub struct Birth {
    /// Where.
    pub spot: Spot,
    /// The number: NaN, or infinite.
    pub result: f64,
    /// What it was computed from, in order; of a reduction all its elements.
    pub operands: Vec<(Spot, f64)>,
}

/// Everything that some values need, kept.
pub struct Kept<'c, T> {
    circuit: &'c Circuit,
    arrays: Vec<Option<Array<T>>>,
}

impl<'c, T: Element> Kept<'c, T> {
    /// Evaluates.
    ///
    /// # Panics
    /// As [`evaluate`].
    pub fn of(circuit: &'c Circuit, roots: &[ValueId], bindings: &Bindings<T>) -> Self {
        let mut needed = vec![];
        let mut open: Vec<ValueId> = roots.to_vec();
        let mut seen = vec![false; circuit.len()];
        while let Some(value) = open.pop() {
            if !std::mem::replace(&mut seen[value.index()], true) {
                needed.push(value);
                super::for_each_read(circuit, value, |read| open.push(read));
            }
        }
        needed.sort_unstable();
        let mut arrays = vec![None; circuit.len()];
        for (value, array) in needed.iter().zip(evaluate(circuit, &needed, bindings)) {
            arrays[value.index()] = Some(array);
        }
        Kept { circuit, arrays }
    }

    /// A number that was computed.
    pub fn number(&self, spot: &Spot) -> f64 {
        let array = self.arrays[spot.value.index()].as_ref().expect("what was needed was kept");
        let example = if array.shape.batch { spot.example } else { 0 };
        let strides = array.shape.strides();
        let place: usize = spot.index.iter().zip(strides).map(|(&i, stride)| i as usize * stride).sum();
        array.data[example * array.shape.size() + place].get()
    }

    /// The first element of a value that is not finite.
    pub fn first_bad(&self, value: ValueId) -> Option<Spot> {
        let array = self.arrays[value.index()].as_ref()?;
        let at = array.data.iter().position(|x| !x.get().is_finite())?;
        let size = array.shape.size();
        let (example, mut rest) = (at / size, at % size);
        let mut index = vec![];
        for stride in array.shape.strides() {
            index.push((rest / stride) as u32);
            rest %= stride;
        }
        Some(Spot { value, example, index })
    }

    /// The first gate on the way to an element that is not finite which made such a number of finite ones. An infinity
    /// that is written in the program, to mask by, is as good as finite.
    pub fn birth(&self, of: Spot) -> Birth {
        let mut at = of;
        loop {
            let result = self.number(&at);
            let operands: Vec<(Spot, f64)> = self
                .reads(&at)
                .into_iter()
                .map(|spot| {
                    let number = self.number(&spot);
                    (spot, number)
                })
                .collect();
            let nan = operands.iter().find(|(_, number)| number.is_nan()).filter(|_| result.is_nan());
            if let Some((spot, _)) = nan {
                at = spot.clone();
                continue;
            }
            let infinite = operands.iter().filter(|(_, number)| number.is_infinite());
            let earlier = infinite.map(|(spot, _)| self.birth(spot.clone()));
            return match earlier.into_iter().find(|birth| !self.is_written(birth)) {
                Some(earlier) => earlier,
                None => Birth { spot: at, result, operands },
            };
        }
    }

    /// Whether an infinity stands in the program as such.
    fn is_written(&self, birth: &Birth) -> bool {
        match self.circuit.node(birth.spot.value) {
            Node::Leaf(leaf) => matches!(leaf, Leaf::Number(_)),
            // What lies outside of an array is written too.
            Node::View { .. } | Node::Lag { .. } if birth.operands.is_empty() => true,
            // What only passes on written infinities has none of its own.
            _ => birth.result.is_infinite() && birth.operands.iter().any(|(_, number)| number.is_infinite()),
        }
    }

    /// The elements that an element was computed from: of a read that lies outside none, of a choice the condition and
    /// the branch that was taken.
    pub fn reads(&self, at: &Spot) -> Vec<Spot> {
        let circuit = self.circuit;
        let spot = |value: ValueId, index: Vec<u32>| Spot { value, example: at.example, index };
        match circuit.node(at.value) {
            Node::Leaf(_) => vec![],
            // The branch not taken takes no part.
            Node::Gate { gate: gates::SELECT, args } => {
                let condition = spot(args[0], at.index.clone());
                let taken = if self.number(&condition) != 0.0 { args[1] } else { args[2] };
                vec![condition, spot(taken, at.index.clone())]
            }
            Node::Gate { args, .. } => args.iter().map(|&arg| spot(arg, at.index.clone())).collect(),
            Node::View { arg, view } => self.source(*arg, view, at).into_iter().collect(),
            Node::Lag { variable, axis, by, fill, .. } => {
                let source = circuit.source(*variable).expect("a variable that is read is closed");
                let view = View::lagged(circuit.shape(source), usize::from(*axis), *by, *fill);
                self.source(source, &view, at).into_iter().collect()
            }
            Node::Merge { arg, axis } => {
                let (axis, mut index) = (usize::from(*axis), at.index.clone());
                let inner = circuit.shape(*arg).dims[axis + 1];
                index.insert(axis + 1, index[axis] % inner);
                index[axis] /= inner;
                vec![spot(*arg, index)]
            }
            Node::Reduce { reducer: Reducer::Argmax | Reducer::Argmin, arg, axes, .. } => {
                self.reduced(*arg, *axes, false, at)
            }
            Node::Reduce { arg, axes, batch, .. } => self.reduced(*arg, *axes, *batch, at),
            Node::Gather { table, index } => {
                let own = circuit.shape(*index).dims.len();
                let index = spot(*index, at.index[..own].to_vec());
                let row = self.number(&index);
                let extent = circuit.shape(*table).dims.last().copied().unwrap_or(0);
                let inside = row >= 0.0 && row < f64::from(extent);
                let mut read = at.index.clone();
                read.push(row as u32);
                let read = match circuit.node(*table) {
                    _ if !inside => None,
                    Node::View { arg, view } => self.source(*arg, view, &spot(*table, read)),
                    _ => Some(spot(*table, read)),
                };
                read.into_iter().chain([index]).collect()
            }
            Node::Scatter { index, value, .. } => self.scattered(*index, *value, at),
        }
    }

    fn source(&self, arg: ValueId, view: &View, at: &Spot) -> Option<Spot> {
        let index = view.source(&at.index, &self.circuit.shape(arg).dims)?;
        Some(Spot { value: arg, example: at.example, index })
    }

    /// The elements that a reduction is over.
    fn reduced(&self, arg: ValueId, axes: AxisSet, batch: bool, at: &Spot) -> Vec<Spot> {
        let array = self.arrays[arg.index()].as_ref().expect("what was needed was kept");
        let examples = if batch { 0..array.copies() } else { at.example..at.example + 1 };
        let mut all = vec![vec![]];
        let mut kept = at.index.iter();
        for (axis, &extent) in array.shape.dims.iter().enumerate() {
            let range = match axes.contains(axis) {
                true => 0..extent,
                false => {
                    let i = *kept.next().expect("an index for each dimension that is kept");
                    i..i + 1
                }
            };
            let with = |index: Vec<u32>| range.clone().map(move |i| [&index[..], &[i]].concat());
            all = all.into_iter().flat_map(with).collect();
        }
        let of =
            |example: usize| all.iter().map(move |index| Spot { value: arg, example, index: index.clone() });
        examples.flat_map(of).collect()
    }

    /// The elements that were added to one of a scatter.
    fn scattered(&self, index: ValueId, value: ValueId, at: &Spot) -> Vec<Spot> {
        let array = self.arrays[index.index()].as_ref().expect("what was needed was kept");
        let (row, rest) = at.index.split_first().expect("a scatter has its rows");
        let rank = array.shape.dims.len();
        let shape = &array.shape;
        let hits = array.data.iter().enumerate().filter(|(_, x)| x.get() == f64::from(*row));
        let of = |(k, _): (usize, &T)| {
            let (example, mut place) = (k / shape.size(), k % shape.size());
            let mut index: Vec<u32> = Vec::with_capacity(rank + rest.len());
            for stride in shape.strides() {
                index.push((place / stride) as u32);
                place %= stride;
            }
            index.extend(rest);
            Spot { value, example, index }
        };
        hits.map(of).collect()
    }
}
