//! The adjoint of a window that moves in steps, split by phase.
//!
//! Such an adjoint reads an array whose elements stand at every `every`-th place, with zeros between. Which of the
//! summed places hold elements depends on the residue of the result's coordinate alone, so that the sum falls apart
//! into one for each residue, over every so many of the summed places, without a zero and without a test.

use super::frame::Frame;
use super::schedule::Extent;
use crate::circuit::AxisSet;
use crate::circuit::view::Affine;

/// The phases up to which a sum is split; beyond, the zeros are added.
const MOST: usize = 64;

/// Every so many of the indices along an axis: `start, start + step, ..`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    /// The first.
    pub start: i64,
    /// From one to the next.
    pub step: i64,
    /// How many.
    pub count: u32,
}

impl Run {
    /// All indices.
    fn all(extent: u32) -> Run {
        Run { start: 0, step: 1, count: extent }
    }

    /// From the `first` on every `step`-th of it.
    fn every(self, first: i64, step: i64) -> Run {
        let left = (i64::from(self.count) - first).max(0);
        let count = (left + step - 1) / step;
        // None of them begin where there is an index all the same, so that no address lies outside.
        let start = if count == 0 { self.start } else { self.start + first * self.step };
        Run { start, step: self.step * step, count: count as u32 }
    }

    /// As an axis.
    pub fn extent(self) -> Extent {
        Extent::Fixed(self.count)
    }
}

/// The places of a frame that hold elements: `Σ c[axis] * index[axis] + b` is a multiple of `every`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Places {
    /// One an axis of the domain.
    pub c: Vec<i64>,
    /// Constant.
    pub b: i64,
    /// Positive.
    pub every: i64,
}

impl Places {
    /// Of a frame read at these coordinates: one for each dimension with places between elements, if zeros stand there.
    pub fn of(frame: &Frame, coords: &[Affine]) -> Vec<Places> {
        let zeros = frame.fill.get() == 0.0;
        let apart = frame.dims.iter().zip(coords).filter(|(dim, _)| zeros && dim.every > 1);
        let places = |(dim, coord): (&super::frame::FrameDim, &Affine)| Places {
            c: coord.c.clone(),
            b: coord.b + dim.lo,
            every: dim.every,
        };
        apart.map(places).collect()
    }
}

/// The parts of a domain, each the runs of its axes, that together hold all that is no zero: over kept axes all indices,
/// over summed ones (`summed`) those alone where there are elements. A part that sums nothing has a run of none.
pub(super) fn phases(dims: &[u32], summed: AxisSet, places: &[Places]) -> Vec<Vec<Run>> {
    let whole = vec![dims.iter().map(|&extent| Run::all(extent)).collect::<Vec<Run>>()];
    let split = places.iter().try_fold(whole.clone(), |parts, places| {
        let parts: Option<Vec<_>> = parts.into_iter().map(|part| divided(part, summed, places)).collect();
        parts.map(|parts| parts.concat()).filter(|parts| parts.len() <= MOST)
    });
    split.unwrap_or(whole)
}

/// One part by the residues of its kept axes; none where more than one summed axis decides.
fn divided(part: Vec<Run>, summed: AxisSet, places: &Places) -> Option<Vec<Vec<Run>>> {
    let every = places.every;
    let constant = places.b + part.iter().zip(&places.c).map(|(run, c)| c * run.start).sum::<i64>();
    let steps: Vec<i64> =
        part.iter().zip(&places.c).map(|(run, c)| (c * run.step).rem_euclid(every)).collect();
    let deciding = |axis: &usize| steps[*axis] != 0 && part[*axis].count > 1;
    let (over, kept): (Vec<usize>, Vec<usize>) =
        (0..part.len()).filter(deciding).partition(|&axis| summed.contains(axis));
    let none = summed.iter().next()?;
    if over.len() > 1 {
        return None;
    }
    let mut residues = vec![(part, constant)];
    for axis in kept {
        let period = every / gcd(steps[axis], every);
        let firsts = period.min(i64::from(residues[0].0[axis].count));
        let at = |(part, constant): &(Vec<Run>, i64), first: i64| {
            let mut part = part.clone();
            part[axis] = part[axis].every(first, period);
            (part, constant + steps[axis] * first)
        };
        residues = residues
            .iter()
            .flat_map(|one| (0..firsts).map(move |first| (one, first)))
            .map(|(one, first)| at(one, first))
            .collect();
        if residues.len() > MOST {
            return None;
        }
    }
    let narrowed = |(mut part, constant): (Vec<Run>, i64)| {
        let (axis, step) = over.first().map_or((none, 0), |&axis| (axis, steps[axis]));
        let period = every / gcd(step, every);
        let first = (0..period).find(|first| (constant + step * first).rem_euclid(every) == 0);
        part[axis] = match first {
            Some(first) => part[axis].every(first, period),
            None => Run { count: 0, ..Run::all(0) },
        };
        part
    };
    Some(residues.into_iter().map(narrowed).collect())
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kept index is in one part, with just those summed ones that fall on an element.
    #[test]
    fn parts_hold_each_element_once() {
        let mut split = 0;
        for (every, dilation, kernel, pad, size) in
            choices([&[1, 2, 3, 4], &[1, 2, 3], &[1, 2, 3, 5], &[0, 1, 2], &[7, 10]])
        {
            let places = Places { c: vec![1, -dilation], b: pad, every };
            let parts = phases(&[size as u32, kernel as u32], AxisSet::of([1]), &[places]);
            split += usize::from(parts.len() > 1);
            let mut found = vec![];
            for part in &parts {
                assert!(part[1].start < kernel, "a start within the axis: {part:?}");
                for s in indices(part[0]) {
                    let taps: Vec<i64> = indices(part[1]).collect();
                    found.push((s, taps));
                }
            }
            found.sort();
            let is_element = |s: i64, u: i64| (s + pad - dilation * u).rem_euclid(every) == 0;
            let expected: Vec<(i64, Vec<i64>)> =
                (0..size).map(|s| (s, (0..kernel).filter(|&u| is_element(s, u)).collect())).collect();
            assert_eq!(found, expected, "every {every}, dilation {dilation}, kernel {kernel}, pad {pad}");
        }
        assert!(split > 100, "most of them fall apart: {split}");
    }

    #[test]
    fn two_dimensions_fall_apart_one_after_the_other() {
        let places = [
            Places { c: vec![1, 0, -1, 0], b: 0, every: 2 },
            Places { c: vec![0, 1, 0, -1], b: 1, every: 2 },
        ];
        let parts = phases(&[4, 4, 3, 3], AxisSet::of([2, 3]), &places);
        assert_eq!(parts.len(), 4);
        let products: u32 = parts.iter().map(|part| part.iter().map(|run| run.count).product::<u32>()).sum();
        assert_eq!(products, 4 * 4 * 9 / 4, "a quarter of all");
    }

    #[test]
    fn two_summed_axes_that_decide_together_are_left() {
        let places = Places { c: vec![1, -1, -1], b: 0, every: 2 };
        assert_eq!(phases(&[4, 3, 3], AxisSet::of([1, 2]), &[places]).len(), 1);
    }

    fn indices(run: Run) -> impl Iterator<Item = i64> {
        (0..i64::from(run.count)).map(move |k| run.start + k * run.step)
    }

    /// All choices of one of each.
    fn choices(of: [&[i64]; 5]) -> Vec<(i64, i64, i64, i64, i64)> {
        let mut out = vec![vec![]];
        for of in of {
            out = out
                .into_iter()
                .flat_map(|begun: Vec<i64>| of.iter().map(move |&c| [begun.clone(), vec![c]].concat()))
                .collect();
        }
        out.into_iter().map(|c| (c[0], c[1], c[2], c[3], c[4])).collect()
    }
}
