//! `~`: distributions as gates on uniform draws.

use super::context::Elaborator;
use super::scope::{BodyKind, Frame};
use super::statics::Static;
use super::values::{Array, Home, Sort, Tried, Value, VarId};
use super::walk::ungrouped;
use crate::circuit::draw::site;
use crate::circuit::{Leaf, Reducer, gates};
use crate::diagnostic::{Diagnostic, Span, codes, nearest};
use crate::syntax::ast::{Arg, Body, Definition, Expr, ExprKind, Name};

/// What is drawn from.
#[derive(Clone, Debug)]
pub enum Distribution<'p> {
    /// Mean and standard deviation.
    Normal(Parameter<'p>, Parameter<'p>),
    /// Least and largest.
    Uniform(Parameter<'p>, Parameter<'p>),
    /// Normal, but no further than two standard deviations from the mean.
    TruncatedNormal(Parameter<'p>, Parameter<'p>),
    /// The probability of 1.
    Bernoulli(Parameter<'p>),
    /// The probabilities of the cases of a class, or numbers in their proportion.
    Categorical(Parameter<'p>),
    /// Rows of unit length, orthogonal to each other (columns, where there are more rows than columns). The number of
    /// inputs.
    Orthogonal(Parameter<'p>),
}

/// A row of [`DISTRIBUTIONS`].
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// How many parameters it has.
    parameters: usize,
    /// What is drawn, for the list of the library.
    pub doc: &'static str,
}

/// What the language itself can draw from.
pub const DISTRIBUTIONS: &[Row] = &[
    Row { name: "normal", parameters: 2, doc: "Normal, by mean and standard deviation." },
    Row { name: "uniform", parameters: 2, doc: "Uniform between two numbers." },
    Row {
        name: "truncated_normal",
        parameters: 2,
        doc: "Normal, but no further than two standard deviations from the mean.",
    },
    Row { name: "bernoulli", parameters: 1, doc: "1 with a probability, else 0." },
    Row {
        name: "categorical",
        parameters: 1,
        doc: "A class, by the probabilities of the cases or numbers in their proportion.",
    },
    Row {
        name: "orthogonal",
        parameters: 1,
        doc: "Rows of unit length, orthogonal to each other (Saxe, McClelland and Ganguli, 2014), by the number of inputs.",
    },
];

/// Whether a name is that of a distribution.
pub fn is_distribution(name: &str) -> bool {
    DISTRIBUTIONS.iter().any(|row| row.name == name)
}

/// A parameter of a distribution, with its place.
pub type Parameter<'p> = (Value<'p>, Span);

impl<'p> Elaborator<'p> {
    /// What stands right of `~`.
    pub fn distribution(&mut self, expr: &'p Expr) -> Tried<Distribution<'p>> {
        match &ungrouped(expr).kind {
            ExprKind::Call { callee, args } => match Self::callable_name(callee) {
                Some(name) => self.named_distribution(name, args, expr.span),
                None => self.not_a_distribution(expr.span),
            },
            ExprKind::If { condition, then, otherwise } => match self.expr(condition)? {
                Value::Static(Static::Bool(truth)) => self.distribution(if truth { then } else { otherwise }),
                _ => {
                    let message = "which distribution is drawn from must be known before training";
                    self.error(codes::NOT_STATIC, message, condition.span, "known only when the program runs")
                }
            },
            // Its name alone: told what it takes.
            ExprKind::Name { name, primed: false } if self.makes_draws(name) => {
                self.named_distribution(name, &[], expr.span)
            }
            _ => self.not_a_distribution(expr.span),
        }
    }

    /// Whether a name may be that of a distribution or of an initialiser.
    fn makes_draws(&mut self, name: &Name) -> bool {
        let library = self.in_library();
        is_distribution(&name.text) || self.definitions.callable(&name.text, library).is_some()
    }

    fn not_a_distribution<T>(&mut self, span: Span) -> Tried<T> {
        let diagnostic = Diagnostic::error(codes::DRAW_MISUSE, "right of `~` stands a distribution")
            .at(span, "not a distribution")
            .help("`~ normal(mean, deviation)`, `~ uniform(low, high)`, `~ bernoulli(p)`; `=` gives a value");
        self.report(diagnostic)
    }

    fn named_distribution(&mut self, name: &'p Name, args: &'p [Arg], span: Span) -> Tried<Distribution<'p>> {
        let Some(row) = DISTRIBUTIONS.iter().find(|row| row.name == name.text) else {
            let library = self.in_library();
            return match self.definitions.callable(&name.text, library) {
                Some((definition, library)) => self.defined_distribution(definition, library, args, span),
                None => self.unknown_distribution(name),
            };
        };
        let count = row.parameters;
        if args.len() != count {
            let message =
                format!("`{}` takes {}", name.text, super::reads::plural(count, "argument", "arguments"));
            return self.error(codes::WRONG_ARGUMENT_COUNT, message, span, &format!("{} given", args.len()));
        }
        let mut values = vec![];
        for arg in args {
            values.push((self.expr(&arg.value)?, arg.value.span));
        }
        let mut values = values.into_iter();
        let mut next = || values.next().expect("counted above");
        Ok(match name.text.as_str() {
            "normal" => Distribution::Normal(next(), next()),
            "uniform" => Distribution::Uniform(next(), next()),
            "truncated_normal" => Distribution::TruncatedNormal(next(), next()),
            "bernoulli" => Distribution::Bernoulli(next()),
            "categorical" => Distribution::Categorical(next()),
            _ => Distribution::Orthogonal(next()),
        })
    }

    fn unknown_distribution<T>(&mut self, name: &Name) -> Tried<T> {
        let mut names = self.callable_names();
        names.extend(DISTRIBUTIONS.iter().map(|row| row.name.to_string()));
        let near = nearest(&name.text, names.iter().map(String::as_str)).map(String::from);
        let diagnostic =
            Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no distribution `{}`", name.text))
                .at(name.span, "not known");
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => {
                let all: Vec<String> = DISTRIBUTIONS.iter().map(|row| format!("`{}`", row.name)).collect();
                diagnostic.help(format!("there are {}, and the initialisers of the library", all.join(", ")))
            }
        })
    }

    /// A function whose body is a distribution: an initialiser.
    fn defined_distribution(
        &mut self,
        definition: &'p Definition,
        library: bool,
        args: &'p [Arg],
        span: Span,
    ) -> Tried<Distribution<'p>> {
        let name = &definition.name;
        let inputs = &definition.inputs;
        if args.len() != inputs.len() || !definition.settings.is_empty() {
            let names: Vec<&str> = inputs.iter().map(|input| input.name.text.as_str()).collect();
            let diagnostic = Diagnostic::error(
                codes::WRONG_ARGUMENT_COUNT,
                format!("`{}` takes ({})", name.text, names.join(", ")),
            )
            .at(span, format!("{} given", args.len()))
            .at(name.span, "declared here");
            return self.report(diagnostic);
        }
        let mut values = vec![];
        for arg in args {
            values.push(self.expr(&arg.value)?);
        }
        if self.frames.len() > super::context::MAX_CALLS {
            return self.error(
                codes::RECURSIVE_CALL,
                format!("`{}` calls itself", name.text),
                span,
                "never ends",
            );
        }
        let Body::Expr(body) = &definition.body else {
            return self.not_a_distribution(span);
        };
        let mut frame = Frame::new(BodyKind::Function, library);
        frame.callee = Some(&name.text);
        frame.definition = Some(std::ptr::from_ref(definition));
        frame.declared = Some(definition.name.span);
        frame.call = Some(span);
        self.frames.push(frame);
        for (input, value) in inputs.iter().zip(values) {
            self.define(&input.name, Ok(value));
        }
        let distribution = self.distribution(body);
        self.frames.pop();
        distribution
    }

    /// Draws an array over index variables with dimensions of its own, at the site of a path.
    pub fn draw(
        &mut self,
        distribution: &Distribution<'p>,
        path: &str,
        vars: &[VarId],
        dims: &[u32],
        batch: bool,
    ) -> Tried<Array> {
        let uniform = |this: &mut Self, path: &str| -> Tried<Array> {
            let shape = this.shape(batch, vars, dims)?;
            let value = this.circuit.leaf(Leaf::Draw { site: site(path), shape });
            Ok(Array { value, vars: vars.to_vec(), dims: dims.to_vec(), sort: Sort::Real, home: this.home })
        };
        match distribution {
            Distribution::Uniform(low, high) => {
                let u = uniform(self, path)?;
                self.name_standard(&u, path, [low, high]);
                let (a, b) = (self.parameter(low, dims)?, self.parameter(high, dims)?);
                let width = match (&low.0, &high.0) {
                    (Value::Static(Static::Number(low)), Value::Static(Static::Number(high))) => {
                        self.constant(Static::Number(high.minus(*low)))
                    }
                    _ => self.pointwise(gates::SUB, &[&b, &a], Sort::Real)?,
                };
                let scaled = self.scaled(&u, &width)?;
                self.shifted(&scaled, &a)
            }
            Distribution::Normal(mean_given, deviation_given) => {
                let (mean, deviation) =
                    (self.parameter(mean_given, dims)?, self.parameter(deviation_given, dims)?);
                let u = uniform(self, path)?;
                let v = uniform(self, &format!("{path}#2"))?;
                let z = self.box_muller(&u, &v)?;
                self.name_standard(&z, path, [deviation_given]);
                let scaled = self.scaled(&z, &deviation)?;
                self.shifted(&scaled, &mean)
            }
            Distribution::Bernoulli(p) => {
                let p = self.parameter(p, dims)?;
                let u = uniform(self, path)?;
                let hit = self.pointwise(gates::LT, &[&u, &p], Sort::Boolean)?;
                let [one, zero] =
                    [1.0, 0.0].map(|n| self.constant(Static::Number(super::statics::Number::real(n))));
                self.pointwise(gates::SELECT, &[&hit, &one, &zero], Sort::Real)
            }
            Distribution::TruncatedNormal(mean_given, deviation_given) => {
                let (mean, deviation) =
                    (self.parameter(mean_given, dims)?, self.parameter(deviation_given, dims)?);
                let u = uniform(self, path)?;
                let z = self.truncated(&u)?;
                self.name_standard(&z, path, [deviation_given]);
                let scaled = self.scaled(&z, &deviation)?;
                self.shifted(&scaled, &mean)
            }
            Distribution::Categorical(p) => {
                let weights = self.weights_of_cases(p)?;
                let u = uniform(self, path)?;
                self.case_at(&u, &weights)
            }
            Distribution::Orthogonal(inputs) => {
                self.check_orthogonal(inputs, dims)?;
                self.orthogonal.push(path.to_string());
                let (u, v) = (uniform(self, path)?, uniform(self, &format!("{path}#2"))?);
                self.box_muller(&u, &v)
            }
        }
    }

    /// Where a gradient flows through what a draw is scaled by, the draw as it was before is read by it: by a name.
    fn name_standard<const N: usize>(&mut self, draw: &Array, path: &str, scales: [&Parameter<'p>; N]) {
        let flows = scales.iter().any(|(value, _)| matches!(value, Value::Array(_)));
        if let (true, Some(span)) = (flows, self.circuit.current_origin().span) {
            self.name(&format!("{path}.standard"), draw, &[], span);
        }
    }

    /// The weights of the cases of a class.
    fn weights_of_cases(&mut self, p: &Parameter<'p>) -> Tried<Array> {
        let array = self.as_array(p.0.clone(), p.1)?;
        if array.dims.len() == 1 && array.dims[0] > 0 {
            self.arithmetic_sort(&[(array.sort, p.1)], gates::NEG)?;
            return Ok(array);
        }
        let message = format!(
            "`categorical` takes an array of probabilities, one for each case, but this has the shape {:?}",
            array.dims
        );
        self.error(codes::RANK_MISMATCH, message, p.1, "one probability for each case is needed")
    }

    /// The first case up to which the weights add up to more than `u` of their total; the last, where rounding leaves
    /// none.
    fn case_at(&mut self, u: &Array, weights: &Array) -> Tried<Array> {
        let cases = weights.dims[0];
        let (k, j) = (self.new_var("k", cases), self.new_var("j", cases));
        let (own, other) = (self.index_value(k), self.index_value(j));
        let weights = self.open(weights, &[j]);
        let total = self.reduce(Reducer::Sum, &weights, &[j], false)?;
        let within = self.pointwise(gates::LE, &[&other, &own], Sort::Boolean)?;
        let zero = self.constant(Static::Number(super::statics::Number::real(0.0)));
        let terms = self.pointwise(gates::SELECT, &[&within, &weights, &zero], Sort::Real)?;
        let up_to = self.reduce(Reducer::Sum, &terms, &[j], false)?;
        let share = self.pointwise(gates::MUL, &[u, &total], Sort::Real)?;
        let reached = self.pointwise(gates::LT, &[&share, &up_to], Sort::Boolean)?;
        let is_last = self.with_number(gates::EQ, &own, f64::from(cases) - 1.0, Sort::Boolean)?;
        let found = self.pointwise(gates::OR, &[&reached, &is_last], Sort::Boolean)?;
        self.position(Reducer::Argmax, &found, &[k])
    }

    /// A standard normal number no further than 2 from 0, from a uniform one: the inverse of the distribution
    /// function, by the polynomial for the centre of M. Giles, "Approximating the erfinv function" (2011).
    fn truncated(&mut self, u: &Array) -> Tried<Array> {
        // erf(sqrt(2)): how much of the normal distribution lies within 2.
        const WITHIN: f64 = 0.954_499_736_103_641_6;
        const CENTRE: [f64; 9] = [
            2.810_226_36e-8,
            3.432_739_39e-7,
            -3.523_387_7e-6,
            -4.391_506_54e-6,
            0.000_218_580_87,
            -0.001_253_725_03,
            -0.004_177_681_64,
            0.246_640_727,
            1.501_409_41,
        ];
        let twice = self.with_number(gates::MUL, u, 2.0 * WITHIN, Sort::Real)?;
        let x = self.with_number(gates::SUB, &twice, WITHIN, Sort::Real)?;
        let square = self.pointwise(gates::MUL, &[&x, &x], Sort::Real)?;
        let negative = self.pointwise(gates::NEG, &[&square], Sort::Real)?;
        let log = self.pointwise(gates::LOG1P, &[&negative], Sort::Real)?;
        let w = self.pointwise(gates::NEG, &[&log], Sort::Real)?;
        let w = self.with_number(gates::SUB, &w, 2.5, Sort::Real)?;
        let mut sum = self.constant(Static::Number(super::statics::Number::real(CENTRE[0])));
        for &coefficient in &CENTRE[1..] {
            let product = self.pointwise(gates::MUL, &[&sum, &w], Sort::Real)?;
            sum = self.with_number(gates::ADD, &product, coefficient, Sort::Real)?;
        }
        let x = self.with_number(gates::MUL, &x, std::f64::consts::SQRT_2, Sort::Real)?;
        self.pointwise(gates::MUL, &[&sum, &x], Sort::Real)
    }

    /// An orthogonal draw is of a whole matrix, and begins a parameter.
    fn check_orthogonal(&mut self, inputs: &Parameter<'p>, dims: &[u32]) -> Tried<()> {
        let (value, span) = inputs;
        if self.home != Home::Initial {
            let message = "`orthogonal` draws the initial value of a parameter only";
            return self.error(codes::DRAW_MISUSE, message, *span, "not an initial value");
        }
        let given = match value {
            Value::Static(Static::Number(number)) => number.as_integer(),
            _ => None,
        };
        let columns: i64 = dims.iter().skip(1).map(|&dim| i64::from(dim)).product();
        if dims.len() >= 2 && given == Some(columns) {
            return Ok(());
        }
        let message = format!(
            "`orthogonal` takes the number of inputs of a matrix, which for the shape {dims:?} is {}",
            if dims.len() < 2 {
                "nothing: it has fewer than two axes".to_string()
            } else {
                columns.to_string()
            }
        );
        self.error(codes::SIZE_MISMATCH, message, *span, "not the number of inputs")
    }

    /// A standard normal number from two uniform ones (Box and Muller, 1958): sqrt(-2 log u) cos(2 pi v).
    fn box_muller(&mut self, u: &Array, v: &Array) -> Tried<Array> {
        let log = self.pointwise(gates::LOG, &[u], Sort::Real)?;
        let twice = self.with_number(gates::MUL, &log, -2.0, Sort::Real)?;
        let radius = self.pointwise(gates::SQRT, &[&twice], Sort::Real)?;
        let angle = self.with_number(gates::MUL, v, 2.0 * std::f64::consts::PI, Sort::Real)?;
        let cosine = self.pointwise(gates::COS, &[&angle], Sort::Real)?;
        self.pointwise(gates::MUL, &[&radius, &cosine], Sort::Real)
    }

    fn parameter(&mut self, parameter: &Parameter<'p>, dims: &[u32]) -> Tried<Array> {
        let (value, span) = parameter;
        let array = self.as_array(value.clone(), *span)?;
        if array.dims.is_empty() || array.dims == dims {
            self.arithmetic_sort(&[(array.sort, *span)], gates::NEG)?;
            return Ok(array);
        }
        let message = format!("a draw of shape {dims:?} has a parameter of shape {:?}", array.dims);
        self.error(codes::SIZE_MISMATCH, message, *span, "of another shape")
    }

    /// `x * by`, or `x` if that is the constant 1.
    fn scaled(&mut self, x: &Array, by: &Array) -> Tried<Array> {
        if self.is_number(by, 1.0) { Ok(x.clone()) } else { self.pointwise(gates::MUL, &[x, by], Sort::Real) }
    }

    /// `by + x`, or `x` if that is the constant 0.
    fn shifted(&mut self, x: &Array, by: &Array) -> Tried<Array> {
        if self.is_number(by, 0.0) { Ok(x.clone()) } else { self.pointwise(gates::ADD, &[by, x], Sort::Real) }
    }

    fn is_number(&self, array: &Array, number: f64) -> bool {
        matches!(self.circuit.node(array.value), crate::circuit::Node::Leaf(Leaf::Number(n)) if n.get() == number)
    }
}
