//! Statements: equations, draws, pipelines, states, branches; and the net with its loss over all of them.

use super::definitions::{Definition, Dim, Input, Output};
use super::gradients::{gradient, has_variable};
use super::term::{Level, Sort, Term};
use super::training::Column;
use super::{Body, Generator, Place, Production};

/// How values get names.
pub const STATEMENTS: &[Production<()>] = &[
    Production { example: "v[i, j] = ...", weight: 8, fits: |_, _| true, make: |g, _, _| indexed(g) },
    Production { example: "v = tanh(x) * y", weight: 5, fits: |_, _| true, make: |g, _, _| whole(g) },
    Production { example: "v[t] = W[t] + b", weight: 3, fits: has_rows, make: |g, _, _| partial(g) },
    Production { example: "v[(i, j)] = x[i, j]", weight: 2, fits: |_, _| true, make: |g, _, _| grouped(g) },
    Production {
        example: "v[i: 2, j: 3] = x[(i, j)]",
        weight: 2,
        fits: has_composite,
        make: |g, _, _| ungrouped(g),
    },
    Production { example: "b[i] = x[i] > 0", weight: 2, fits: |_, _| true, make: |g, _, _| truth(g) },
    Production { example: "z = argmax[k] x[k]", weight: 2, fits: |_, _| true, make: |g, _, _| class(g) },
    Production { example: "e[i: 3] ~ normal(0, 1)", weight: 2, fits: |_, _| true, make: |g, _, _| draw(g) },
    Production {
        example: "if training { ... } else { ... }",
        weight: 2,
        fits: |_, _| true,
        make: |g, _, _| branch(g),
    },
    Production {
        example: "v = x |> dense(4) |> tanh",
        weight: 4,
        fits: has_vectors,
        make: |g, _, _| pipeline(g),
    },
    Production {
        example: "d = dense(4) |> tanh",
        weight: 2,
        fits: |g, _| owns(g) && has_vectors(g, &[]),
        make: |g, _, _| instance(g),
    },
    Production {
        example: "a, b = fun0(x)",
        weight: 5,
        fits: |g, _| several(g).next().is_some(),
        make: |g, _, _| apart(g),
    },
    Production {
        example: "v[t] = tanh(v[t - 1] else 0)",
        weight: 4,
        fits: |_, _| true,
        make: |g, _, _| super::recurrences::recurrence(g),
    },
    Production {
        example: "v[i] = tanh(grad(y, x)[i])",
        weight: 4,
        fits: has_variable,
        make: |g, _, _| gradient(g),
    },
    Production {
        example: "z ~ categorical(p)",
        weight: 1,
        fits: has_vectors,
        make: |g, _, _| drawn_class(g),
    },
    Production {
        example: "state s[2] = 0 ... s' = ...",
        weight: 1,
        fits: |g, _| g.in_net(),
        make: |g, _, _| state(g),
    },
];

/// Distributions and their ranges.
const DRAWS: &[(&str, f64, f64)] = &[
    ("normal(0, 1)", -4.0, 4.0),
    ("normal(0.5, 0.2)", -0.5, 1.5),
    ("uniform(0, 1)", 0.0, 1.0),
    ("uniform(-2, 0.5)", -2.0, 0.5),
    ("truncated_normal(0, 1)", -2.0, 2.0),
    ("bernoulli(0.5)", 0.0, 1.0),
];

impl Generator {
    /// Writes a statement, or several that belong together.
    pub fn statement(&mut self) {
        let row = self.choose(STATEMENTS, &[]);
        (row.make)(self, &[], 0);
    }

    /// Writes an equation with so many indices, defined by `body`; gives the new name.
    fn equation(&mut self, extents: &[u32], body: impl FnOnce(&mut Self) -> Term) -> String {
        let begin = self.bind(extents);
        let body = body(self);
        let indices = self.unbind(begin);
        let name = self.fresh("v");
        let left = if extents.is_empty() { name.clone() } else { format!("{name}[{indices}]") };
        self.body.lines.push(format!("{left} = {}", body.text));
        let dims = [extents, &body.dims].concat();
        self.declare(&name, body.with_dims(&dims));
        name
    }

    /// Writes a parameter.
    pub fn parameter(&mut self) {
        let name = self.fresh("w");
        let rank = *self.random.pick(&[0, 1, 1, 2, 2, 2, 3]);
        let dims: Vec<u32> = (0..rank).map(|_| self.likely_extent()).collect();
        let (n, m) = (dims.last().copied().unwrap_or(1), dims.first().copied().unwrap_or(1));
        let (initial, size) = match self.random.below(4) {
            0 => ("= 0.5".to_string(), 0.5),
            1 => ("~ uniform(-1, 1)".to_string(), 1.0),
            2 => (format!("~ glorot({n}, {m})"), (6.0 / f64::from(n + m)).sqrt()),
            _ => ("~ normal(0, 0.7)".to_string(), 2.5),
        };
        let sizes = self.sizes(&dims);
        self.body.lines.push(format!("param {name}{sizes} {initial}"));
        self.declare(&name, Term::new("", Level::Atom, -size, size).with_dims(&dims));
        self.body.values.last_mut().expect("just declared").param = true;
    }

    /// A size that other arrays here have too.
    fn likely_extent(&mut self) -> u32 {
        let known: Vec<u32> = self.body.values.iter().flat_map(|value| value.term.dims.clone()).collect();
        let known: Vec<u32> =
            known.into_iter().chain(self.body.sizes.iter().map(|size| size.1)).filter(|&e| e <= 8).collect();
        if known.is_empty() || self.random.chance(0.3) { self.extent() } else { *self.random.pick(&known) }
    }

    fn likely_dims(&mut self, ranks: &[usize]) -> Vec<u32> {
        let rank = *self.random.pick(ranks);
        (0..rank).map(|_| self.likely_extent()).collect()
    }
}

fn indexed(g: &mut Generator) {
    let dims = g.likely_dims(&[0, 1, 1, 1, 2, 2, 3]);
    g.equation(&dims, |g| g.real(&[], 3));
}

/// Without indices: elementwise on equal shapes.
fn whole(g: &mut Generator) {
    let arrays: Vec<Vec<u32>> = g
        .body
        .values
        .iter()
        .filter(|value| value.term.sort == Sort::Real)
        .map(|value| value.term.dims.clone())
        .collect();
    let dims = if arrays.is_empty() { vec![] } else { g.random.pick(&arrays).clone() };
    g.equation(&[], |g| g.real(&dims, 3));
}

fn has_rows(g: &Generator, _: &[u32]) -> bool {
    !rows(g).is_empty()
}

/// Shapes of rows of arrays.
fn rows(g: &Generator) -> Vec<Vec<u32>> {
    let real =
        g.body.values.iter().filter(|value| value.term.sort == Sort::Real && value.term.dims.len() > 1);
    real.map(|value| value.term.dims[1..].to_vec()).collect()
}

fn partial(g: &mut Generator) {
    let rows = rows(g);
    let dims = g.random.pick(&rows).clone();
    let extent = g.likely_extent();
    g.equation(&[extent], |g| g.real(&dims, 2));
}

/// Two or three axes become one.
fn grouped(g: &mut Generator) {
    let count = g.random.between(2, 3) as usize;
    let extents: Vec<u32> = (0..count).map(|_| g.extent().min(3)).collect();
    let more = g.likely_dims(&[0, 0, 1]);
    let begin = g.bind(&[extents.clone(), more.clone()].concat());
    // The parts of a group get their ranges from direct uses alone.
    let read =
        g.body.values.iter().position(|value| value.term.sort == Sort::Real && value.term.dims == extents);
    let names: Vec<String> =
        g.body.indices[begin..begin + count].iter().map(|index| index.name.clone()).collect();
    let source = match read {
        Some(value) => g.body.values[value].term.clone(),
        None => {
            let indices = g.body.indices.split_off(begin);
            let name = g.equation(&extents, |g| g.real(&[], 2));
            g.body.indices.extend(indices);
            g.body.values.iter().find(|value| value.term.text == name).expect("just declared").term.clone()
        }
    };
    let text = format!("{}[{}]", source.text, names.join(", "));
    let element = Term { text, dims: vec![], ..source };
    let body = if g.random.chance(0.6) {
        let other = g.real(&[], 1);
        g.apply(nnc::circuit::gates::MUL, vec![element, other])
    } else {
        element
    };
    // What was put into force after the group.
    let outer = g.unbind(begin + count);
    let spoiled = g.body.indices[begin..].iter().any(|index| index.contradicted);
    g.body.indices.truncate(begin);
    if spoiled {
        return;
    }
    let name = g.fresh("v");
    let comma = if outer.is_empty() { "" } else { ", " };
    g.body.lines.push(format!("{name}[({}){comma}{outer}] = {}", names.join(", "), body.text));
    let dims = [vec![extents.iter().product()], more].concat();
    g.declare(&name, body.with_dims(&dims));
}

/// Vectors whose length is a product.
fn composite(g: &Generator) -> Vec<usize> {
    let fits = |value: &super::Value| {
        value.term.sort == Sort::Real
            && value.term.dims.len() == 1
            && [4, 6, 8, 9].contains(&value.term.dims[0])
    };
    (0..g.body.values.len()).filter(|&k| fits(&g.body.values[k])).collect()
}

fn has_composite(g: &Generator, _: &[u32]) -> bool {
    !composite(g).is_empty()
}

/// One axis becomes two: row-major.
fn ungrouped(g: &mut Generator) {
    let vectors = composite(g);
    let value = *g.random.pick(&vectors);
    g.body.values[value].read = true;
    let vector = g.body.values[value].term.clone();
    let inner = if vector.dims[0] == 9 { 3 } else { 2 };
    g.equation(&[vector.dims[0] / inner, inner], |g| {
        let names: Vec<String> =
            g.body.indices.iter().rev().take(2).rev().map(|index| index.name.clone()).collect();
        Term { text: format!("{}[({})]", vector.text, names.join(", ")), dims: vec![], ..vector }
    });
}

fn truth(g: &mut Generator) {
    let dims = g.likely_dims(&[0, 1, 2]);
    g.equation(&dims, |g| g.condition(&[], 2));
}

fn class(g: &mut Generator) {
    let dims = g.likely_dims(&[0, 0, 1]);
    let cases = g.extent();
    g.equation(&dims, |g| g.position_of(cases, 2));
}

fn draw(g: &mut Generator) {
    g.body.draws = true;
    let dims = g.likely_dims(&[0, 1, 1, 2]);
    let &(distribution, low, high) = g.random.pick(DRAWS);
    let begin = g.bind(&dims);
    let indices = g.unbind(begin);
    let ranges: Vec<&str> = indices.split(", ").collect();
    // Nothing on the right tells a range.
    debug_assert!(dims.is_empty() || ranges.iter().all(|index| index.contains(':')));
    let name = g.fresh("v");
    let left = if dims.is_empty() { name.clone() } else { format!("{name}[{indices}]") };
    g.body.lines.push(format!("{left} ~ {distribution}"));
    let made = Term::new("", Level::Atom, low, high).with_dims(&dims);
    g.declare(&name, Term { batch: true, ..made });
}

/// Classes drawn with probabilities that are computed.
fn drawn_class(g: &mut Generator) {
    g.body.draws = true;
    let length = vector_length(g);
    let probabilities = g.equation(&[], |g| {
        let of = g.real(&[length], 1);
        Term { text: format!("softmax({})", of.text), level: Level::Atom, low: 0.0, high: 1.0, ..of }
    });
    let dims = g.likely_dims(&[0, 0, 1]);
    let begin = g.bind(&dims);
    let indices = g.unbind(begin);
    let name = g.fresh("z");
    let left = if dims.is_empty() { name.clone() } else { format!("{name}[{indices}]") };
    g.body.lines.push(format!("{left} ~ categorical({probabilities})"));
    let made = Term::new("", Level::Atom, 0.0, f64::from(length - 1)).with_dims(&dims);
    g.declare(&name, Term { batch: true, ..made.with_sort(Sort::Class(length)) });
}

/// A block that a static condition chooses; both branches define the same name with the same shape.
fn branch(g: &mut Generator) {
    let mut conditions = vec!["training".to_string(), "not training".to_string()];
    conditions.extend(g.body.flags.iter().cloned());
    conditions.extend(g.body.sizes.iter().map(|(name, extent)| format!("{name} > {}", extent / 2)));
    let condition = g.random.pick(&conditions).clone();
    let dims = g.likely_dims(&[0, 1, 2]);
    let begin = g.body.lines.len();
    // Both programs own the same parameters: no layer is called in one of the branches alone.
    let place = std::mem::replace(&mut g.body.place, Place::Function);
    let name = g.equation(&dims, |g| g.real(&[], 2));
    let then = g.body.values.pop().expect("just declared").term;
    let first = g.body.lines.split_off(begin);
    g.equation(&dims, |g| g.real(&[], 2));
    let other = g.body.values.pop().expect("just declared").term;
    let second = g.body.lines.split_off(begin);
    let second = second.concat().replacen(&other.text, &name, 1);
    g.body.place = place;
    g.body.lines.push(format!("if {condition} {{"));
    g.body.lines.push(format!("  {}", first.concat()));
    g.body.lines.push("} else {".into());
    g.body.lines.push(format!("  {second}"));
    g.body.lines.push("}".into());
    let (low, high) = (then.low.min(other.low), then.high.max(other.high));
    // Where one of them is a constant there is nothing to differentiate by.
    let (batch, across) = (then.batch && other.batch, then.across || other.across);
    g.declare(&name, Term { low, high, batch, across, ..then });
}

/// `mean[i, j] ...` of what is made of an element of an array.
pub fn mean_over(g: &mut Generator, array: &Term, make: impl FnOnce(&mut Generator, Term) -> Term) -> Term {
    let begin = g.bind(&array.dims);
    g.body.indices[begin..].iter_mut().for_each(|index| index.used = true);
    let names: Vec<String> = g.body.indices[begin..].iter().map(|index| index.name.clone()).collect();
    let text =
        if names.is_empty() { array.text.clone() } else { format!("{}[{}]", array.text, names.join(", ")) };
    let body = make(g, Term { text, dims: vec![], ..array.clone() });
    let indices = g.unbind(begin);
    if names.is_empty() {
        return body;
    }
    let text = format!("mean[{indices}] {}", body.at(Level::Product));
    Term { text, level: Level::Reduction, ..body }
}

/// Whether there is an array of numbers.
pub fn has_vectors(g: &Generator, _: &[u32]) -> bool {
    g.body.values.iter().any(|value| value.term.sort == Sort::Real && !value.term.dims.is_empty())
}

fn owns(g: &Generator) -> bool {
    g.body.place != Place::Function
}

/// A vector with a name, or a row of an array.
pub fn vector_length(g: &mut Generator) -> u32 {
    let real = g.body.values.iter().filter(|value| value.term.sort == Sort::Real);
    let lengths: Vec<u32> = real.filter_map(|value| value.term.dims.last().copied()).collect();
    *g.random.pick(&lengths)
}

fn pipeline(g: &mut Generator) {
    let length = vector_length(g);
    let mapped = if g.random.chance(0.4) { vec![g.likely_extent()] } else { vec![] };
    g.equation(&mapped, |g| {
        let mut made = g.real(&[length], 1);
        let mut text = made.at(Level::Or);
        for _ in 0..g.random.between(1, 4) {
            let (stage, next) = g.stage(made);
            text += &format!(" |> {stage}");
            made = next;
        }
        let bounded = made.size() <= super::tame::LARGEST;
        if !bounded {
            text += " |> tanh";
            (made.low, made.high) = (-1.0, 1.0);
        }
        Term { text, level: Level::Choice, ..made }
    });
}

/// An instance with a name, which shares its parameters between calls.
fn instance(g: &mut Generator) {
    let (length, width) = (vector_length(g), g.extent());
    let name = g.fresh("d");
    let size = g.size(width);
    let text = if g.random.chance(0.5) { format!("dense({size}) |> tanh") } else { format!("dense({size})") };
    let high = if text.ends_with("tanh") { 1.0 } else { 20.0 };
    g.body.lines.push(format!("{name} = {text}"));
    let input = Input { dims: vec![Dim::Fixed(length)], class: None };
    let output = Output { dims: vec![Dim::Fixed(width)], low: -high, high, varies: true };
    let instance = Definition {
        call: name,
        layer: true,
        across: false,
        draws: false,
        inputs: vec![input],
        outputs: vec![output],
    };
    g.body.instances.push(instance.clone());
    // An instance that is never called would own nothing.
    g.equation(&[], |g| {
        let (text, parts) = g.call_text(&instance, &[], 2);
        let made = Term::new(text, Level::Atom, -high, high).of(&parts.iter().collect::<Vec<_>>());
        Term { batch: true, ..made.with_dims(&[width]) }
    });
}

/// Definitions with several outputs that can be called here.
fn several(g: &Generator) -> impl Iterator<Item = &Definition> {
    let given = |definition: &&Definition| {
        definition.outputs.len() > 1
            && definition.inputs.iter().all(|input| {
                let dims: Option<Vec<u32>> = input.dims.iter().map(Dim::fixed).collect();
                dims.is_some_and(|dims| g.has(&dims))
            })
    };
    g.callable().filter(given)
}

/// A call with several outputs.
fn apart(g: &mut Generator) {
    let known: Vec<Definition> = several(g).cloned().collect();
    let definition = g.random.pick(&known).clone();
    let (call, parts) = g.call_text(&definition, &[], 2);
    let across = definition.across || parts.iter().any(|part| part.across);
    let names: Vec<String> = definition.outputs.iter().map(|_| g.fresh("v")).collect();
    g.body.lines.push(format!("{} = {call}", names.join(", ")));
    for (name, output) in names.iter().zip(&definition.outputs) {
        let made = Term::new("", Level::Atom, output.low, output.high);
        let batch = output.varies && parts.iter().any(|part| part.batch);
        g.declare(name, Term { batch, across, ..made.with_dims(&output.fixed_dims()) });
    }
}

/// A state that is assigned once a step from what all examples share.
fn state(g: &mut Generator) {
    let dims = g.likely_dims(&[0, 1, 2]);
    let name = g.fresh("s");
    let sizes = g.sizes(&dims);
    let initial = *g.random.pick(&["0", "0.5", "1"]);
    g.body.lines.push(format!("state {name}{sizes} = {initial}"));
    g.declare(&name, Term::new("", Level::Atom, -1.0, 1.0).with_dims(&dims));
    let begin = g.bind(&dims);
    g.body.indices[begin..].iter_mut().for_each(|index| index.used = true);
    let names: Vec<String> = g.body.indices[begin..].iter().map(|index| index.name.clone()).collect();
    let body = g.real(&[], 2);
    let body = g.within(body, -1.0, 1.0);
    let indices = g.unbind(begin);
    let (left, own) = match dims.is_empty() {
        true => (format!("{name}'"), name.clone()),
        false => (format!("{name}'[{indices}]"), format!("{name}[{}]", names.join(", "))),
    };
    g.body.lines.push(format!("{left} = 0.9 * {own} + 0.1 * (mean[batch] {})", body.at(Level::Product)));
}

impl Generator {
    /// Writes the net: columns, parameters, equations, the loss over all of them, outputs and metrics.
    pub fn net(&mut self) {
        self.body = Body::new(Place::Net);
        let settings = self.net_settings();
        self.columns();
        for _ in 0..self.random.between(1, 3) {
            self.parameter();
        }
        for _ in 0..self.random.between(2, 6) {
            self.statement();
        }
        self.loss();
        self.results();
        self.text += &format!("net random{settings} {{\n");
        for line in std::mem::take(&mut self.body.lines) {
            self.text += &format!("  {line}\n");
        }
        self.text += "}\n";
    }

    fn net_settings(&mut self) -> String {
        if self.random.chance(0.6) {
            return String::new();
        }
        let width = self.extent();
        self.body.sizes.push(("width".into(), width));
        self.body.flags.push("flag".into());
        format!("(width = {width}, flag = {})", self.random.pick(&["true", "false"]))
    }

    /// Inputs and targets, numbers and classes.
    fn columns(&mut self) {
        let reals = self.random.between(1, 3);
        for k in 0..reals {
            let dims = self.likely_dims(if k == 0 { &[1, 1, 2] } else { &[0, 1, 1, 2, 3] });
            let word = if k > 0 && self.random.chance(0.4) { "target" } else { "input " };
            let name = self.fresh("x");
            let sizes = self.sizes(&dims);
            self.body.lines.push(format!("{word} {name}{sizes}"));
            self.columns.push(Column { name: name.clone(), dims: dims.clone(), cases: None });
            let made = Term::new("", Level::Atom, -4.0, 4.0).with_dims(&dims);
            self.declare(&name, Term { batch: true, ..made });
        }
        for _ in 0..self.random.below(3) {
            let (cases, dims) = (self.likely_extent(), self.likely_dims(&[0, 0, 1]));
            let word = if self.random.chance(0.3) { "target" } else { "input " };
            let name = self.fresh("z");
            let sizes = self.sizes(&dims);
            self.body.lines.push(format!("{word} {name}{sizes}: class({cases})"));
            self.columns.push(Column { name: name.clone(), dims: dims.clone(), cases: Some(cases) });
            let made = Term::new("", Level::Atom, 0.0, f64::from(cases - 1)).with_dims(&dims);
            self.declare(&name, Term { batch: true, ..made.with_sort(Sort::Class(cases)) });
        }
    }

    /// The loss: a scalar expression, and a share of each number that nothing has read.
    fn loss(&mut self) {
        let mut terms = vec![self.real(&[], 3).at(Level::Sum)];
        for k in 0..self.body.values.len() {
            let value = self.body.values[k].clone();
            if value.read || value.term.sort != Sort::Real || value.term.text.starts_with('x') {
                continue;
            }
            terms.push(self.share(k));
        }
        self.body.lines.push(format!("loss = {}", terms.join(" + ")));
    }

    /// `0.1 * (mean[i, j] v[i, j]^2)`
    fn share(&mut self, value: usize) -> String {
        let term = self.body.values[value].term.clone();
        let begin = self.bind(&term.dims);
        self.body.indices[begin..].iter_mut().for_each(|index| index.used = true);
        self.body.values[value].read = true;
        let names: Vec<String> = self.body.indices[begin..].iter().map(|index| index.name.clone()).collect();
        let element =
            if names.is_empty() { term.text } else { format!("{}[{}]", term.text, names.join(", ")) };
        let indices = self.unbind(begin);
        let of = match self.random.below(3) {
            0 => format!("{element}^2"),
            1 => format!("tanh({element})"),
            _ => element,
        };
        let factor = *self.random.pick(&["0.1", "0.5", "1e-2"]);
        if indices.is_empty() {
            return format!("{factor} * {of}");
        }
        let reducer = *self.random.pick(&["mean", "sum"]);
        format!("{factor} * ({reducer}[{indices}] {of})")
    }

    /// Outputs and metrics.
    fn results(&mut self) {
        let real: Vec<String> = (self.body.values.iter())
            .filter(|value| value.term.sort == Sort::Real && value.term.text.starts_with('v'))
            .map(|value| value.term.text.clone())
            .collect();
        if !real.is_empty() {
            let name = self.random.pick(&real).clone();
            self.body.lines.push(format!("output {name}"));
        }
        if self.random.chance(0.7) {
            let name = self.fresh("out");
            let body = self.real(&[], 2);
            self.body.lines.push(format!("output {name} = {}", body.text));
        }
        if self.random.chance(0.5) {
            let name = self.fresh("metric");
            self.body.in_metric = true;
            let body = if self.random.chance(0.5) { self.condition(&[], 2) } else { self.real(&[], 2) };
            self.body.lines.push(format!("metric {name} = {}", body.text));
        }
    }
}
