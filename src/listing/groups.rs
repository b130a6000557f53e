//! Left sides that join dimensions: `y[c, (i, u), (j, v)] = ...`.
//!
//! An expression over elements cannot join two dimensions; the left side of an equation can. So where a dimension of what
//! an equation defines is, somewhere in its expression, joined from several, the left side joins it, and everything else
//! is read at the group.

use super::names::Names;
use crate::circuit::{AxisSet, Circuit, Node, ValueId};

/// One of the indices that dimensions of a left side are, or are joined from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct PartId(usize);

/// For each dimension of a value within an expression: the parts that it is joined from, in row-major order, if it is
/// one of the dimensions defined.
pub(super) type Aligned = Vec<Option<Vec<PartId>>>;

struct Part {
    extent: u32,
    /// Two, row-major, if it is joined itself.
    inner: Option<[PartId; 2]>,
    name: Option<String>,
}

/// How the dimensions of one left side are joined.
pub(super) struct Groups {
    parts: Vec<Part>,
    rank: usize,
    /// The dimension along which a recurrence runs: its elements are told by one index, from which lags count.
    scanned: Option<PartId>,
}

impl Groups {
    /// The dimensions of a value, not joined so far.
    pub fn of(circuit: &Circuit, names: &Names, value: ValueId) -> (Groups, Aligned) {
        let dims = &circuit.shape(value).dims;
        let scanned = names.scanned(value).map(PartId);
        let parts = dims.iter().map(|&extent| Part { extent, inner: None, name: None }).collect();
        let aligned = (0..dims.len()).map(|axis| Some(vec![PartId(axis)])).collect();
        (Groups { parts, rank: dims.len(), scanned }, aligned)
    }

    /// How the dimensions must be joined for the expression of a value, as far as that can be told.
    pub fn wanted(circuit: &Circuit, names: &Names, value: ValueId) -> Groups {
        let (mut groups, aligned) = Groups::of(circuit, names, value);
        let mut open = vec![(value, aligned)];
        while let Some((inner, aligned)) = open.pop() {
            if inner != value
                && let Some(reference) = names.get(inner)
            {
                groups.call(&aligned, &reference.indices);
                continue;
            }
            let mut operands = circuit.node(inner).operands();
            operands.dedup();
            if let Some(aligned) = groups.below(circuit, inner, &aligned) {
                open.extend(operands.into_iter().zip(aligned).rev());
            }
        }
        groups
    }

    /// What each operand of a node is aligned to. `None` for what joins dimensions that are none of the left side.
    pub fn below(&mut self, circuit: &Circuit, value: ValueId, aligned: &Aligned) -> Option<Vec<Aligned>> {
        let node = circuit.node(value);
        let rank = |value: &ValueId| circuit.shape(*value).dims.len();
        let unknown = || {
            let mut operands = node.operands();
            operands.dedup();
            operands.iter().map(|operand| vec![None; rank(operand)]).collect::<Vec<Aligned>>()
        };
        Some(match node {
            Node::Leaf(_) | Node::Lag { .. } => vec![],
            Node::Gate { .. } => unknown().into_iter().map(|_| aligned.clone()).collect(),
            Node::View { arg, view } => {
                let from = &circuit.shape(*arg).dims;
                let read = |(coordinate, extent): (&crate::circuit::view::Affine, &u32)| {
                    let axis = coordinate.as_axis().filter(|&axis| view.out.dims[axis] == *extent)?;
                    aligned[axis].clone()
                };
                vec![view.coords.iter().zip(from).map(read).collect()]
            }
            Node::Reduce { arg, axes, .. } => vec![kept(rank(arg), *axes, aligned)],
            Node::Merge { arg, axis } => {
                let axis = usize::from(*axis);
                let joined = aligned[axis].as_ref()?;
                let (outer, inner) = self.split(joined, circuit.shape(*arg).dims[axis + 1])?;
                let mut below = aligned.clone();
                below.splice(axis..=axis, [Some(outer), Some(inner)]);
                vec![below]
            }
            Node::Gather { .. } | Node::Scatter { .. } => unknown(),
        })
    }

    /// The parts that join to a part, itself if it is not joined.
    pub fn leaves(&self, part: PartId) -> Vec<PartId> {
        match self.parts[part.0].inner {
            None => vec![part],
            Some(inner) => inner.into_iter().flat_map(|part| self.leaves(part)).collect(),
        }
    }

    /// For each dimension the parts that it is joined from.
    pub fn dims(&self) -> Vec<Vec<PartId>> {
        (0..self.rank).map(|axis| self.leaves(PartId(axis))).collect()
    }

    /// Its extent.
    pub fn extent(&self, part: PartId) -> u32 {
        self.parts[part.0].extent
    }

    /// What the index is called where something is read by it alone.
    pub fn name(&self, part: PartId) -> Option<&str> {
        self.parts[part.0].name.as_deref()
    }

    fn call(&mut self, aligned: &Aligned, indices: &[String]) {
        for (parts, index) in aligned.iter().zip(indices) {
            if let Some([part]) = parts.as_deref()
                && let Some(part) = self.parts.get_mut(part.0)
                && part.name.is_none()
                && !index.is_empty()
            {
                part.name = Some(index.clone());
            }
        }
    }

    /// The parts of a dimension as two rows of parts, the second of this many elements.
    fn split(&mut self, parts: &[PartId], second: u32) -> Option<(Vec<PartId>, Vec<PartId>)> {
        if self.scanned.is_some_and(|scanned| parts.contains(&scanned)) {
            return None;
        }
        let mut outer: Vec<PartId> = parts.iter().flat_map(|&part| self.leaves(part)).collect();
        let mut inner = vec![];
        let mut left = second;
        while left > 1 {
            let last = outer.pop()?;
            let extent = self.extent(last);
            if left.is_multiple_of(extent) {
                inner.insert(0, last);
                left /= extent;
                continue;
            }
            if !extent.is_multiple_of(left) {
                return None;
            }
            let [first, rest] = [extent / left, left].map(|extent| self.add(extent));
            self.parts[last.0].inner = Some([first, rest]);
            outer.push(first);
            inner.insert(0, rest);
            left = 1;
        }
        // A dimension of one element is still an index, as in `y[(i, k: 1)]`.
        if inner.is_empty() {
            inner.push(self.one_beside(&mut outer, false)?);
        }
        if outer.is_empty() {
            let beside = self.one_beside(&mut inner, true)?;
            outer.push(beside);
        }
        Some((outer, inner))
    }

    /// Splits an index of one element off the end of a row of parts, or off its beginning.
    fn one_beside(&mut self, row: &mut [PartId], first: bool) -> Option<PartId> {
        let at = if first { 0 } else { row.len().checked_sub(1)? };
        let part = *row.get(at)?;
        let (one, rest) = (self.add(1), self.add(self.extent(part)));
        self.parts[part.0].inner = Some(if first { [one, rest] } else { [rest, one] });
        row[at] = rest;
        Some(one)
    }

    fn add(&mut self, extent: u32) -> PartId {
        self.parts.push(Part { extent, inner: None, name: None });
        PartId(self.parts.len() - 1)
    }
}

/// What the operand of a reduction is aligned to.
fn kept(rank: usize, axes: AxisSet, aligned: &Aligned) -> Aligned {
    let mut kept = aligned.iter().cloned();
    (0..rank).map(|axis| if axes.contains(axis) { None } else { kept.next().flatten() }).collect()
}
