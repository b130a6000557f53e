//! Functions and layers of the program's own.

use super::library::ARGUMENT;
use super::term::{Level, Term};
use super::{Body, Generator, Place};

/// Something to call.
#[derive(Clone, PartialEq, Debug)]
pub struct Definition {
    /// What stands before the arguments: `softmax`, `layer0(3)`, the name of an instance.
    pub call: String,
    /// Whether it owns parameters.
    pub layer: bool,
    /// Whether its examples meet in it: what it gives for one may depend on the others of the batch.
    pub across: bool,
    /// Whether it draws, which no metric may.
    pub draws: bool,
    /// What it takes.
    pub inputs: Vec<Input>,
    /// What it gives.
    pub outputs: Vec<Output>,
}

/// An input of a definition.
#[derive(Clone, PartialEq, Debug)]
pub struct Input {
    /// Its shape.
    pub dims: Vec<Dim>,
    /// The number of cases, if it is a class.
    pub class: Option<Dim>,
}

/// An output of a definition.
#[derive(Clone, PartialEq, Debug)]
pub struct Output {
    /// Its shape.
    pub dims: Vec<Dim>,
    /// About its least value.
    pub low: f64,
    /// About its largest value.
    pub high: f64,
    /// Whether it surely changes with what the definition is given: one that does not is a constant.
    pub varies: bool,
}

/// A size in a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dim {
    /// One number.
    Fixed(u32),
    /// Any, the same for the same letter.
    Any(char),
}

impl Dim {
    /// The number, if it is one.
    pub fn fixed(&self) -> Option<u32> {
        match self {
            Dim::Fixed(extent) => Some(*extent),
            Dim::Any(_) => None,
        }
    }
}

impl Output {
    /// Its shape, where every size is known.
    pub fn fixed_dims(&self) -> Vec<u32> {
        self.dims
            .iter()
            .map(|dim| dim.fixed().expect("sizes of the program's own definitions are known"))
            .collect()
    }
}

impl Definition {
    /// Whether it is a function of scalars, which is taken element by element.
    pub fn lifts(&self) -> bool {
        let scalar = |input: &Input| input.dims.is_empty() && input.class.is_none();
        !self.layer
            && self.inputs.iter().all(scalar)
            && self.outputs.iter().all(|output| output.dims.is_empty())
    }

    /// Whether its first input has this shape.
    pub fn takes(&self, dims: &[u32]) -> bool {
        let first = &self.inputs[0];
        let same = first.dims.iter().map(Dim::fixed).eq(dims.iter().map(|&extent| Some(extent)));
        first.class.is_none() && (same || self.lifts())
    }

    /// It, with its sizes such that its output has this shape, if that can be.
    pub fn giving(&self, dims: &[u32]) -> Option<Definition> {
        if self.lifts() {
            return Some(self.clone());
        }
        let mut given = self.clone();
        if self.outputs[0].dims.len() != dims.len() {
            return None;
        }
        for (dim, &extent) in self.outputs[0].dims.iter().zip(dims) {
            match dim {
                Dim::Fixed(known) if *known != extent => return None,
                Dim::Fixed(_) => {}
                Dim::Any(_) => given = given.with_vectors_of(extent),
            }
        }
        Some(given)
    }

    /// It, with sizes that may be any being this one.
    pub fn with_vectors_of(&self, extent: u32) -> Definition {
        let fix = |dim: &mut Dim| {
            if let Dim::Any(_) = dim {
                *dim = Dim::Fixed(extent);
            }
        };
        let mut fixed = self.clone();
        for input in &mut fixed.inputs {
            input.dims.iter_mut().chain(&mut input.class).for_each(fix);
        }
        fixed.outputs.iter_mut().for_each(|output| output.dims.iter_mut().for_each(fix));
        fixed
    }
}

/// Names of sizes in headers.
const SIZES: [&str; 5] = ["N", "M", "K", "D", "P"];

impl Generator {
    /// Writes a function or a layer.
    pub fn definition(&mut self) {
        let kind = self.random.below(3);
        let place = if kind == 2 { Place::Layer } else { Place::Function };
        let before = std::mem::replace(&mut self.body, Body::new(place));
        if kind == 0 {
            self.scalar_function()
        } else {
            self.block()
        }
        self.body = before;
    }

    /// `fn fun0(a, b) = a * tanh(b)`
    fn scalar_function(&mut self) {
        let name = format!("fun{}", self.definitions.len());
        let (settings, given) = self.settings(false);
        let inputs: Vec<String> = (0..self.random.between(1, 2)).map(|_| self.input(&[])).collect();
        let body = self.real(&[], 3);
        self.text += &format!("fn {name}{settings}({}) = {}\n\n", inputs.join(", "), body.text);
        let input = Input { dims: vec![], class: None };
        self.definitions.push(Definition {
            call: format!("{name}{given}"),
            layer: false,
            across: self.body.across,
            draws: self.body.draws,
            inputs: vec![input; inputs.len()],
            outputs: vec![Output { dims: vec![], low: body.low, high: body.high, varies: body.batch }],
        });
    }

    /// `layer layer0(M, gain = 0.5)(x[N]) -> y[M] { ... }`
    fn block(&mut self) {
        let layer = self.body.place == Place::Layer;
        let word = if layer { "layer" } else { "fn" };
        let name = format!("{}{}", if layer { word } else { "fun" }, self.definitions.len());
        let shapes: Vec<Vec<u32>> = (0..self.random.between(1, 2)).map(|_| self.input_shape()).collect();
        self.name_sizes(&shapes);
        let width = layer && self.random.chance(0.5);
        let (settings, given) = self.settings(width);
        let inputs: Vec<String> = shapes.iter().map(|dims| self.input(dims)).collect();
        if layer {
            for _ in 0..self.random.between(1, 2) {
                self.parameter();
            }
        }
        for _ in 0..self.random.below(3) {
            self.statement();
        }
        let count = if self.random.chance(0.2) { 2 } else { 1 };
        let (declared, outputs): (Vec<String>, Vec<Output>) = (0..count).map(|_| self.output()).unzip();
        let (inputs, declared) = (inputs.join(", "), declared.join(", "));
        self.text += &format!("{word} {name}{settings}({inputs}) -> {declared} {{\n");
        for line in std::mem::take(&mut self.body.lines) {
            self.text += &format!("  {line}\n");
        }
        self.text += "}\n\n";
        let fixed = |dims: Vec<u32>| Input { dims: dims.into_iter().map(Dim::Fixed).collect(), class: None };
        let call = format!("{name}{given}");
        let (across, draws) = (self.body.across, self.body.draws);
        self.definitions.push(Definition {
            call,
            layer,
            across,
            draws,
            inputs: shapes.into_iter().map(fixed).collect(),
            outputs,
        });
    }

    fn input_shape(&mut self) -> Vec<u32> {
        let rank = *self.random.pick(&[0, 1, 1, 1, 2, 2]);
        self.dims(rank)
    }

    /// Names for sizes that a header binds: equal sizes share one.
    fn name_sizes(&mut self, shapes: &[Vec<u32>]) {
        for &extent in shapes.iter().flatten() {
            let known = self.body.sizes.iter().any(|size| size.1 == extent);
            if !known && self.body.sizes.len() < SIZES.len() {
                self.body.sizes.push((SIZES[self.body.sizes.len()].to_string(), extent));
            }
        }
    }

    /// An input as the header declares it. Its sizes are names where they have some, so that the header binds them.
    fn input(&mut self, dims: &[u32]) -> String {
        let name = self.fresh("x");
        let made = Term::new("", Level::Atom, ARGUMENT.0, ARGUMENT.1).with_dims(dims);
        self.declare(&name, Term { batch: true, ..made });
        let size = |extent: &u32| {
            let named = self
                .body
                .sizes
                .iter()
                .find(|(name, known)| known == extent && SIZES.contains(&name.as_str()));
            named.map_or(extent.to_string(), |(name, _)| name.clone())
        };
        let sizes: Vec<String> = dims.iter().map(size).collect();
        if sizes.is_empty() { name } else { format!("{name}[{}]", sizes.join(", ")) }
    }

    /// Settings as a header declares them, and as a call gives them. `width`: also a size that the call tells.
    fn settings(&mut self, width: bool) -> (String, String) {
        let (mut settings, mut given) = (vec![], vec![]);
        if width {
            let extent = self.extent();
            settings.push("width".to_string());
            given.push(extent.to_string());
            self.body.sizes.push(("width".into(), extent));
        }
        if self.random.chance(0.3) {
            let gain = self.fresh("gain");
            self.declare(&gain, Term::new("", Level::Atom, 0.25, 0.75));
            settings.push(format!("{gain} = 0.5"));
            if self.random.chance(0.5) {
                given.push(format!("{gain} = {}", self.random.pick(&["0.25", "0.75"])));
            }
        }
        if self.random.chance(0.3) {
            let flag = self.fresh("flag");
            settings.push(format!("{flag} = true"));
            if self.random.chance(0.5) {
                given.push(format!("{flag} = {}", self.random.pick(&["true", "false"])));
            }
            self.body.flags.push(flag);
        }
        if settings.is_empty() {
            return (String::new(), String::new());
        }
        (format!("({})", settings.join(", ")), format!("({})", given.join(", ")))
    }

    /// Writes the equation of an output; gives its declaration.
    fn output(&mut self) -> (String, Output) {
        let name = self.fresh("y");
        let known: Vec<u32> = self.body.values.iter().flat_map(|value| value.term.dims.clone()).collect();
        let rank = if known.is_empty() { 0 } else { self.random.below(3) };
        let dims: Vec<u32> = (0..rank).map(|_| *self.random.pick(&known)).collect();
        let begin = self.bind(&dims);
        // The header declares how far they run.
        self.body.indices[begin..].iter_mut().for_each(|index| index.used = true);
        let body = self.real(&[], 2);
        let indices = self.unbind(begin);
        let left = if dims.is_empty() { name.clone() } else { format!("{name}[{indices}]") };
        self.body.lines.push(format!("{left} = {}", body.text));
        let output = Output {
            dims: dims.iter().map(|&extent| Dim::Fixed(extent)).collect(),
            low: body.low,
            high: body.high,
            varies: body.batch,
        };
        (format!("{name}{}", self.sizes(&dims)), output)
    }
}
