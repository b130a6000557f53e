//! What stands between brackets.

use super::Generator;
use super::term::{Level, Term};

/// What the indices of a read may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outside {
    /// They are proved to stay inside.
    Proved,
    /// They may leave the array: a default follows.
    Allowed,
    /// One of them is an integer that the running program computes.
    Computed,
}

/// Tries before an index is a constant.
const TRIES: usize = 12;

impl Generator {
    /// A named array with so many axes read that `dims` are left.
    pub fn read(&mut self, value: usize, dims: &[u32]) -> Term {
        self.read_outside(value, dims, Outside::Proved)
    }

    /// As [`Generator::read`], for indices that may do more; there is at least one.
    pub fn read_outside(&mut self, value: usize, dims: &[u32], outside: Outside) -> Term {
        let known = &mut self.body.values[value];
        known.read = true;
        let array = known.term.clone();
        let count = array.dims.len() - dims.len();
        if count == 0 {
            return array;
        }
        // One axis at least does what is allowed; the others mostly stay inside.
        let special = self.random.below(count);
        let mut batch = array.batch;
        let mut indices = vec![];
        for (axis, &extent) in array.dims[..count].iter().enumerate() {
            let here = if axis == special || self.random.chance(0.3) { outside } else { Outside::Proved };
            if here == Outside::Computed {
                let index = self.index_below(extent);
                batch |= index.batch;
                indices.push(index.text);
            } else {
                indices.push(self.axis(extent, here, true));
            }
        }
        let text = format!("{}[{}]", array.text, indices.join(", "));
        Term { text, dims: dims.to_vec(), batch, fixed: false, level: Level::Atom, ..array }
    }

    /// One affine index of an axis. `named`: of an array with a name, so that a direct use tells a range.
    pub fn axis(&mut self, extent: u32, outside: Outside, named: bool) -> String {
        if outside == Outside::Allowed {
            return self.affine(extent, outside).unwrap_or_else(|| "0".into());
        }
        let direct: Vec<usize> =
            (0..self.body.indices.len()).filter(|&k| self.body.indices[k].extent <= extent).collect();
        if !direct.is_empty() && self.random.chance(0.8) {
            // Mostly an index of just this range, the inner ones first.
            let just: Vec<usize> =
                direct.iter().copied().filter(|&k| self.body.indices[k].extent == extent).collect();
            let from = if just.is_empty() || self.random.chance(0.1) { &direct } else { &just };
            let at = if self.random.chance(0.5) { from[from.len() - 1] } else { *self.random.pick(from) };
            let index = &mut self.body.indices[at];
            if named {
                index.used |= index.extent == extent;
            }
            // A direct use of another range, or one that is told late, does not count: the range is written.
            index.contradicted |= index.extent != extent || !named;
            return index.name.clone();
        }
        if self.random.chance(0.7)
            && let Some(affine) = self.affine(extent, outside)
        {
            return affine;
        }
        let last = i64::from(extent) - 1;
        self.random.between(0, last).to_string()
    }

    /// `2*i + j - 1`: an affine index of one or two indices in force, if there are any and one fits.
    fn affine(&mut self, extent: u32, outside: Outside) -> Option<String> {
        if self.body.indices.is_empty() {
            return None;
        }
        for _ in 0..TRIES {
            let count = if self.body.indices.len() > 1 && self.random.chance(0.35) { 2 } else { 1 };
            let first = self.random.below(self.body.indices.len());
            let second =
                (first + 1 + self.random.below(self.body.indices.len().max(2) - 1)) % self.body.indices.len();
            let terms: Vec<(i64, usize)> = [first, second][..count]
                .iter()
                .map(|&k| (*self.random.pick(&[1, 1, 1, -1, -1, 2, 3, -2]), k))
                .collect();
            let constant = self.random.between(-2, i64::from(extent));
            let divisor = if outside == Outside::Allowed && self.random.chance(0.3) {
                self.random.between(2, 3)
            } else {
                1
            };
            let reach = |largest: bool| {
                let end = |&(c, k): &(i64, usize)| {
                    let last = i64::from(self.body.indices[k].extent) - 1;
                    if (c > 0) == largest { c * last } else { 0 }
                };
                constant + terms.iter().map(end).sum::<i64>()
            };
            let inside = reach(false) >= 0 && reach(true) < i64::from(extent);
            // A default that is never read, or always, is legal, but seldom what is wanted.
            let meets = reach(true) >= 0 && reach(false) < i64::from(extent) * divisor;
            if inside || (outside == Outside::Allowed && (meets || self.random.chance(0.02))) {
                if (terms.as_slice(), constant, divisor) == (&[(1, first)], 0, 1) {
                    // An index alone is a direct use after all.
                    self.body.indices[first].contradicted |= self.body.indices[first].extent != extent;
                }
                return Some(self.affine_text(&terms, constant, divisor));
            }
        }
        None
    }

    /// The sum as it is written, the constant first or last.
    fn affine_text(&mut self, terms: &[(i64, usize)], constant: i64, divisor: i64) -> String {
        let name = |k: usize| self.body.indices[k].name.clone();
        let part = |&(c, k): &(i64, usize)| {
            (c, if c.abs() == 1 { name(k) } else { format!("{}*{}", c.abs(), name(k)) })
        };
        let mut parts: Vec<(i64, String)> = terms.iter().map(part).collect();
        if constant != 0 {
            let at = if self.random.chance(0.3) { 0 } else { parts.len() };
            parts.insert(at, (constant, constant.abs().to_string()));
        }
        let sign = |first: bool, negative: bool| match (first, negative) {
            (true, true) => "-",
            (true, false) => "",
            (false, true) => " - ",
            (false, false) => " + ",
        };
        let text: String = parts
            .iter()
            .enumerate()
            .map(|(k, (c, part))| format!("{}{part}", sign(k == 0, *c < 0)))
            .collect();
        if divisor == 1 { text } else { format!("({text})/{divisor}") }
    }
}
