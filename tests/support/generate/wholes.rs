//! Classes and whole numbers that the running program computes, which index arrays.

use super::reads::Outside;
use super::term::{Level, Sort, Term};
use super::{Generator, Production};

/// How an expression is a whole number from 0 up to, not including, the extent that `dims[0]` tells.
pub const INDICES: &[Production<Term>] = &[
    Production { example: "z", weight: 6, fits: |g, dims| !g.classes(dims[0]).is_empty(), make: class_value },
    Production { example: "argmax[k] x[k]", weight: 3, fits: |g, _| g.has_room(6), make: position },
    Production {
        example: "i mod 3",
        weight: 2,
        fits: has_index,
        make: |g, dims, _| by_index(g, dims[0], "mod"),
    },
    Production {
        example: "i div 2",
        weight: 2,
        fits: has_index,
        make: |g, dims, _| by_index(g, dims[0], "div"),
    },
    Production {
        example: "min(i + 1, 2)",
        weight: 2,
        fits: has_index,
        make: |g, dims, _| by_index(g, dims[0], "min"),
    },
    Production { example: "if a < b then 1 else 0", weight: 1, fits: |_, dims| dims[0] > 1, make: chosen },
    Production { example: "2", weight: 1, fits: |_, _| true, make: constant },
];

impl Generator {
    /// A whole number below `extent`.
    pub fn index_below(&mut self, extent: u32) -> Term {
        let row = self.choose(INDICES, &[extent]);
        (row.make)(self, &[extent], 1)
    }

    /// Places of classes with at most so many cases.
    pub fn classes(&self, cases: u32) -> Vec<usize> {
        let fits = |k: &usize| matches!(self.body.values[*k].term.sort, Sort::Class(known) if known <= cases);
        (0..self.body.values.len()).filter(fits).collect()
    }

    /// A class with a name, or an element of an array of them.
    pub fn class(&mut self, value: usize) -> Term {
        let known = &mut self.body.values[value];
        known.read = true;
        let array = known.term.clone();
        let axes: Vec<u32> = array.dims.clone();
        if axes.is_empty() {
            return array;
        }
        let indices: Vec<String> =
            axes.iter().map(|&extent| self.axis(extent, Outside::Proved, true)).collect();
        Term { text: format!("{}[{}]", array.text, indices.join(", ")), dims: vec![], ..array }
    }

    /// The position of the largest or smallest of some numbers.
    pub fn position_of(&mut self, cases: u32, depth: u32) -> Term {
        let reducer = *self.random.pick(&["argmax", "argmin"]);
        // Two indices count row-major.
        let extents = match cases {
            4 if self.random.chance(0.5) => vec![2, 2],
            6 if self.random.chance(0.5) => vec![2, 3],
            _ => vec![cases],
        };
        let begin = self.bind(&extents);
        let body = self.real(&[], depth);
        let indices = self.unbind(begin);
        let text = format!("{reducer}[{indices}] {}", body.at(Level::Product));
        let made = Term::new(text, Level::Reduction, 0.0, f64::from(cases - 1)).of(&[&body]);
        Term { fixed: false, sort: Sort::Class(cases), ..made }
    }
}

fn has_index(g: &Generator, _: &[u32]) -> bool {
    !g.body.indices.is_empty()
}

fn class_value(g: &mut Generator, dims: &[u32], _: u32) -> Term {
    let classes = g.classes(dims[0]);
    let value = *g.random.pick(&classes);
    g.class(value)
}

fn position(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let cases = g.random.between(1, i64::from(dims[0])) as u32;
    g.position_of(cases, depth)
}

/// Arithmetic on an index that stays below `extent`.
fn by_index(g: &mut Generator, extent: u32, how: &str) -> Term {
    let index = g.random.pick(&g.body.indices).clone();
    let (name, last) = (index.name, extent - 1);
    let shift = g.random.below(3);
    let text = match how {
        "mod" => format!("({name} + {shift}) mod {extent}"),
        "div" => format!("{name} div {}", index.extent.div_ceil(extent)),
        _ => format!("min({name} + {shift}, {last})"),
    };
    let level = if how == "min" { Level::Atom } else { Level::Product };
    Term::new(text, level, 0.0, f64::from(last)).with_sort(Sort::Whole)
}

fn chosen(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let condition = g.condition(&[], depth);
    let (a, b) = (g.random.below(dims[0] as usize), g.random.below(dims[0] as usize));
    let text = format!("if {} then {a} else {b}", condition.at(Level::Or));
    let made = Term::new(text, Level::Choice, 0.0, f64::from(dims[0] - 1)).of(&[&condition]);
    made.with_sort(Sort::Whole)
}

fn constant(g: &mut Generator, dims: &[u32], _: u32) -> Term {
    let at = g.random.below(dims[0] as usize);
    Term::new(at.to_string(), Level::Atom, at as f64, at as f64).with_sort(Sort::Whole)
}
