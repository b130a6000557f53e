//! True and false.

use super::reads::Outside;
use super::term::{Level, Sort, Term};
use super::{Generator, Production};

/// How an expression is true or false, for each element of the shape asked for.
pub const CONDITIONS: &[Production<Term>] = &[
    Production { example: "a < b", weight: 8, fits: |_, _| true, make: comparison },
    Production {
        example: "i <= j",
        weight: 4,
        fits: |g, dims| dims.is_empty() && g.body.indices.len() > 1,
        make: of_indices,
    },
    Production {
        example: "z == 2",
        weight: 3,
        fits: |g, dims| dims.is_empty() && !g.classes(6).is_empty(),
        make: of_class,
    },
    Production { example: "a and b", weight: 3, fits: |_, _| true, make: joined },
    Production { example: "not a", weight: 2, fits: |_, _| true, make: opposite },
    Production { example: "any[k] x[k] > 0", weight: 2, fits: |g, _| g.has_room(6), make: of_all },
    Production {
        example: "b[i]",
        weight: 4,
        fits: |g, dims| !g.ending_in(dims, Sort::Truth, 3).is_empty(),
        make: named,
    },
];

impl Generator {
    /// A condition. No deeper than its parts need to be.
    pub fn condition(&mut self, dims: &[u32], depth: u32) -> Term {
        if depth == 0 {
            return comparison(self, dims, 0).with_sort(Sort::Truth);
        }
        let row = self.choose(CONDITIONS, dims);
        (row.make)(self, dims, depth.min(2) - 1).with_sort(Sort::Truth)
    }
}

fn comparison(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let sign = *g.random.pick(&["<", "<=", ">", ">=", "==", "!="]);
    let left = g.real(dims, depth);
    let mut right = if g.random.chance(0.5) { g.number() } else { g.real(&[], depth) };
    if left.fixed && right.fixed {
        right = Term::new("1 / (step + 1)", Level::Product, 0.0, 0.5);
    }
    let text = format!("{} {sign} {}", left.at(Level::Sum), right.at(Level::Sum));
    Term::new(text, Level::Comparison, 0.0, 1.0).of(&[&left, &right])
}

fn of_indices(g: &mut Generator, _: &[u32], _: u32) -> Term {
    let sign = *g.random.pick(&["<", "<=", ">", ">=", "==", "!="]);
    let count = g.body.indices.len();
    let first = g.random.below(count);
    let second = (first + 1 + g.random.below(count - 1)) % count;
    let (a, b) = (&g.body.indices[first].name, &g.body.indices[second].name);
    Term::new(format!("{a} {sign} {b}"), Level::Comparison, 0.0, 1.0)
}

fn of_class(g: &mut Generator, _: &[u32], _: u32) -> Term {
    let sign = *g.random.pick(&["==", "!="]);
    let classes = g.classes(6);
    let value = *g.random.pick(&classes);
    let class = g.class(value);
    let Sort::Class(cases) = class.sort else { unreachable!("only classes are asked for") };
    let alike: Vec<String> =
        g.body.indices.iter().filter(|index| index.extent <= cases).map(|index| index.name.clone()).collect();
    let other = if !alike.is_empty() && g.random.chance(0.5) {
        g.random.pick(&alike).clone()
    } else {
        g.random.below(cases as usize).to_string()
    };
    let text = format!("{} {sign} {other}", class.at(Level::Sum));
    Term::new(text, Level::Comparison, 0.0, 1.0).of(&[&class])
}

fn joined(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let (word, level, next) =
        *g.random.pick(&[("and", Level::And, Level::Not), ("or", Level::Or, Level::And)]);
    let left = g.condition(dims, depth);
    let shape = if g.random.chance(0.5) { dims } else { &[] };
    let right = g.condition(shape, depth);
    let text = format!("{} {word} {}", left.at(level), right.at(next));
    Term::new(text, level, 0.0, 1.0).of(&[&left, &right])
}

fn opposite(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let arg = g.condition(dims, depth);
    Term::new(format!("not {}", arg.at(Level::Not)), Level::Not, 0.0, 1.0).of(&[&arg])
}

fn of_all(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let reducer = *g.random.pick(&["any", "all"]);
    let extent = g.reduced_extent();
    let begin = g.bind(&[extent]);
    let body = g.condition(dims, depth);
    let indices = g.unbind(begin);
    let text = format!("{reducer}[{indices}] {}", body.at(Level::Product));
    Term { fixed: false, ..Term::new(text, Level::Reduction, 0.0, 1.0).of(&[&body]) }
}

fn named(g: &mut Generator, dims: &[u32], _: u32) -> Term {
    let known = g.ending_in(dims, Sort::Truth, 3);
    let value = *g.random.pick(&known);
    g.read_outside(value, dims, Outside::Proved)
}
