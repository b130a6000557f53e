//! Functions and layers that every program knows, and calls of them and of the program's own.

use super::definitions::{Definition, Dim, Input, Output};
use super::term::{Level, Sort, Term};
use super::{Generator, Place};

/// A function of the library: its call, the shapes of its inputs (`n` any vector, `n:class` a class of as many cases)
/// and of its output, and the range of that for inputs between -4 and 4.
const LIBRARY: &[(&str, &[&str], &str, f64, f64)] = &[
    ("relu", &[""], "", 0.0, 4.0),
    ("leaky_relu(0.1)", &[""], "", -0.4, 4.0),
    ("elu()", &[""], "", -1.0, 4.0),
    ("silu", &[""], "", -0.3, 4.0),
    ("gelu", &[""], "", -0.2, 4.0),
    ("gelu_tanh", &[""], "", -0.2, 4.0),
    ("selu", &[""], "", -1.8, 4.3),
    ("mish", &[""], "", -0.4, 4.0),
    ("softsign", &[""], "", -1.0, 1.0),
    ("hard_swish", &[""], "", -0.4, 4.0),
    ("softshrink()", &[""], "", -3.5, 3.5),
    ("log_cosh", &["", ""], "", 0.0, 8.0),
    ("smooth_l1(0.5)", &["", ""], "", 0.0, 8.0),
    ("poisson", &["", ""], "", -16.0, 71.0),
    ("huber(delta = 0.5)", &["", ""], "", 0.0, 4.0),
    ("bce_with_logits", &["", ""], "", -16.0, 21.0),
    ("softmax", &["n"], "n", 0.0, 1.0),
    ("softmin", &["n"], "n", 0.0, 1.0),
    ("log_softmax", &["n"], "n", -10.0, 0.0),
    ("logsumexp", &["n"], "", -4.0, 6.0),
    ("mse", &["n", "n"], "", 0.0, 64.0),
    ("mae", &["n", "n"], "", 0.0, 8.0),
    ("cross_entropy", &["n", "n:class"], "", 0.0, 10.0),
];

/// What arguments of calls are kept within.
pub const ARGUMENT: (f64, f64) = (-4.0, 4.0);

/// The rows of [`LIBRARY`] as definitions.
pub fn library() -> Vec<Definition> {
    let dims = |shape: &str| shape.chars().map(Dim::Any).collect::<Vec<_>>();
    let input = |shape: &&str| match shape.split_once(':') {
        Some((cases, _)) => Input { dims: vec![], class: cases.chars().next().map(Dim::Any) },
        None => Input { dims: dims(shape), class: None },
    };
    let definition = |&(call, inputs, output, low, high): &(&str, &[&str], &str, f64, f64)| Definition {
        call: call.to_string(),
        layer: false,
        across: false,
        draws: false,
        inputs: inputs.iter().map(input).collect(),
        outputs: vec![Output { dims: dims(output), low, high, varies: true }],
    };
    LIBRARY.iter().map(definition).collect()
}

/// A stage of a pipeline: an example, the shapes that it takes, and what it makes of text and shape.
type Stage = (fn(&Generator, &[u32]) -> bool, fn(&mut Generator, Term) -> (String, Term));

/// Stages of the library. Layers stand in nets and layers only.
const STAGES: &[Stage] = &[
    (|g, dims| owns(g) && dims.len() == 1, dense),
    (|g, dims| owns(g) && dims.len() == 1, dense),
    (|g, dims| owns(g) && dims.len() == 1, |g, x| normalised(g, x, "layernorm")),
    (|g, dims| owns(g) && dims.len() == 1, |g, x| normalised(g, x, "rmsnorm")),
    (
        |g, dims| g.in_net() && g.body.indices.is_empty() && dims.len() == 1,
        |g, x| normalised(g, Term { across: true, ..x }, "batchnorm"),
    ),
    (|_, _| true, |_, x| ("relu".into(), Term { low: 0.0, high: x.high.max(0.0), ..x })),
    (|_, _| true, |_, x| ("tanh".into(), Term { low: -1.0, high: 1.0, ..x })),
    (|_, _| true, |_, x| ("sigmoid".into(), Term { low: 0.0, high: 1.0, ..x })),
    (
        |_, _| true,
        |g, x| {
            g.body.draws = true;
            ("dropout(0.25)".into(), Term { low: x.low * 1.4, high: x.high * 1.4, batch: true, ..x })
        },
    ),
    (|_, dims| dims.len() == 1, |_, x| ("softmax".into(), Term { low: 0.0, high: 1.0, ..x })),
    (|g, dims| owns(g) && dims.len() == 1, repeated),
];

fn owns(g: &Generator) -> bool {
    g.body.place != Place::Function
}

fn dense(g: &mut Generator, x: Term) -> (String, Term) {
    let (n, m) = (f64::from(x.dims[0]), g.extent());
    let bias = if g.random.chance(0.3) { ", bias = false" } else { "" };
    let call = format!("dense({}{bias})", g.size(m));
    let size = x.size() * n * (6.0 / (n + f64::from(m))).sqrt();
    (call, Term { low: -size, high: size, dims: vec![m], ..x })
}

/// Copies of a layer, each with parameters of its own.
fn repeated(g: &mut Generator, x: Term) -> (String, Term) {
    let (copies, size) = (g.random.below(4), g.size(x.dims[0]));
    let nested = if g.random.chance(0.2) { "repeat(2) " } else { "" };
    let stage = format!("repeat({copies}) {nested}(dense({size}) |> tanh)");
    // No copy leaves its input as it is.
    (stage, Term { low: x.low.min(-1.0), high: x.high.max(1.0), ..x })
}

fn normalised(_: &mut Generator, x: Term, layer: &str) -> (String, Term) {
    let size = f64::from(x.dims[0]).sqrt().max(2.0);
    (layer.to_string(), Term { low: -size, high: size, ..x })
}

impl Generator {
    /// A stage of a pipeline after `x`, with what comes out of it.
    pub fn stage(&mut self, x: Term) -> (String, Term) {
        let own = self.callable().filter(|d| d.inputs.len() == 1 && d.outputs.len() == 1 && d.takes(&x.dims));
        let own: Vec<Definition> = own.cloned().collect();
        let (text, made) = if !own.is_empty() && self.random.chance(0.4) {
            let definition = self.random.pick(&own).clone();
            let output = &definition.outputs[0];
            let dims = if definition.lifts() { x.dims.clone() } else { output.fixed_dims() };
            let across = x.across || definition.across;
            self.body.across |= across;
            self.body.draws |= definition.draws;
            let batch = output.varies && x.batch;
            (definition.call, Term { low: output.low, high: output.high, batch, across, dims, ..x })
        } else {
            let rows: Vec<&Stage> = STAGES.iter().filter(|(fits, _)| fits(self, &x.dims)).collect();
            let (_, make) = **self.random.pick(&rows);
            make(self, x)
        };
        let is_layer =
            !text.starts_with(|c: char| c.is_ascii_digit()) && owns(self) && text.contains("dense");
        if is_layer && self.random.chance(0.3) {
            (format!("{}: {text}", self.fresh("part")), made)
        } else {
            (text, made)
        }
    }

    /// The program's own functions, layers and instances that may be called here.
    pub fn callable(&self) -> impl Iterator<Item = &Definition> {
        let all = self.definitions.iter().chain(&self.body.instances);
        let may_own = |definition: &Definition| !definition.layer || owns(self);
        all.filter(move |definition| may_own(definition) && !(definition.draws && self.body.in_metric))
    }

    /// What can be called here to get one result of this shape.
    fn calls(&self, dims: &[u32]) -> Vec<Definition> {
        let all = self.callable().cloned().chain(library());
        let mut calls: Vec<Definition> = all
            .filter(|definition| definition.outputs.len() == 1)
            .filter_map(|definition| definition.giving(dims))
            .collect();
        calls.retain(|definition| definition.inputs.iter().all(|input| self.can_give(input)));
        calls
    }

    fn can_give(&self, input: &Input) -> bool {
        let fixed: Option<Vec<u32>> = input.dims.iter().map(Dim::fixed).collect();
        // A vector of any length is taken from what there is.
        fixed.map_or_else(|| self.vector_length().is_some(), |dims| self.has(&dims))
    }

    /// A length of which there is a vector of numbers.
    fn vector_length(&self) -> Option<u32> {
        let vector = |value: &&super::Value| value.term.sort == Sort::Real && !value.term.dims.is_empty();
        self.body.values.iter().rev().find(vector).and_then(|value| value.term.dims.last().copied())
    }

    /// Whether anything gives this shape.
    pub fn can_call(&self, dims: &[u32]) -> bool {
        !self.calls(dims).is_empty()
    }

    /// A call with one result of this shape.
    pub fn call(&mut self, dims: &[u32], depth: u32) -> Term {
        let calls = self.calls(dims);
        let definition = self.random.pick(&calls).clone();
        self.call_of(definition, dims, depth)
    }

    /// Whether a vector comes of a call.
    pub fn can_call_vector(&self) -> bool {
        self.vector_length().is_some()
    }

    /// A call that gives a vector.
    pub fn call_vector(&mut self, depth: u32) -> Term {
        let length = self.vector_length().expect("asked for only where there is one");
        self.call(&[length], depth)
    }

    fn call_of(&mut self, definition: Definition, dims: &[u32], depth: u32) -> Term {
        let (text, parts) = self.call_text(&definition, dims, depth);
        let output = &definition.outputs[0];
        let made =
            Term::new(text, Level::Atom, output.low, output.high).of(&parts.iter().collect::<Vec<_>>());
        let batch = output.varies && made.batch;
        Term { batch, fixed: false, across: made.across || definition.across, ..made.with_dims(dims) }
    }

    /// A call with arguments for its inputs. `dims` is what a function of scalars is lifted over.
    pub fn call_text(&mut self, definition: &Definition, dims: &[u32], depth: u32) -> (String, Vec<Term>) {
        let lifted = definition.lifts();
        self.body.across |= definition.across;
        self.body.draws |= definition.draws;
        let whole = self.random.below(definition.inputs.len().max(1));
        let definition = match self.vector_length() {
            Some(length) => definition.with_vectors_of(length),
            None => definition.clone(),
        };
        let mut parts = vec![];
        for (k, input) in definition.inputs.iter().enumerate() {
            if let Some(Dim::Fixed(cases)) = input.class {
                parts.push(self.class_of(cases));
                continue;
            }
            let wanted: Vec<u32> = match lifted {
                true if k == whole || self.random.chance(0.6) => dims.to_vec(),
                true => vec![],
                false => input.dims.iter().map(|dim| dim.fixed().expect("every size is known")).collect(),
            };
            let arg = self.real(&wanted, depth.min(1));
            parts.push(self.within(arg, ARGUMENT.0, ARGUMENT.1));
        }
        let args: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
        (format!("{}({})", definition.call, args.join(", ")), parts)
    }

    /// A class of exactly so many cases, or a number in its place.
    fn class_of(&mut self, cases: u32) -> Term {
        let exact: Vec<usize> = self
            .classes(cases)
            .into_iter()
            .filter(|&k| self.body.values[k].term.sort == Sort::Class(cases))
            .collect();
        if !exact.is_empty() {
            let value = *self.random.pick(&exact);
            return self.class(value);
        }
        if self.has_room(cases) && self.random.chance(0.5) {
            return self.position_of(cases, 1);
        }
        let at = self.random.below(cases as usize);
        Term::new(at.to_string(), Level::Atom, at as f64, at as f64).with_sort(Sort::Class(cases))
    }
}
