//! `~`: distributions as gates on uniform draws.

use super::context::Elaborator;
use super::scope::{BodyKind, Frame};
use super::statics::Static;
use super::values::{Array, Sort, Tried, Value, VarId};
use super::walk::ungrouped;
use crate::circuit::draw::site;
use crate::circuit::{Leaf, gates};
use crate::diagnostic::{Diagnostic, Span, codes, nearest};
use crate::syntax::ast::{Arg, Body, Definition, Expr, ExprKind, Name};

/// What is drawn from.
#[derive(Clone, Debug)]
pub enum Distribution<'p> {
    /// Mean and standard deviation.
    Normal(Parameter<'p>, Parameter<'p>),
    /// Least and largest.
    Uniform(Parameter<'p>, Parameter<'p>),
    /// The probability of 1.
    Bernoulli(Parameter<'p>),
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
            _ => self.not_a_distribution(expr.span),
        }
    }

    fn not_a_distribution<T>(&mut self, span: Span) -> Tried<T> {
        let diagnostic = Diagnostic::error(codes::DRAW_MISUSE, "right of `~` stands a distribution")
            .at(span, "not a distribution")
            .help("`~ normal(mean, deviation)`, `~ uniform(low, high)`, `~ bernoulli(p)`; `=` gives a value");
        self.report(diagnostic)
    }

    fn named_distribution(&mut self, name: &'p Name, args: &'p [Arg], span: Span) -> Tried<Distribution<'p>> {
        let count = match name.text.as_str() {
            "normal" | "uniform" => 2,
            "bernoulli" => 1,
            "orthogonal" => {
                let diagnostic = Diagnostic::error(codes::NOT_YET, "`orthogonal` is not carried yet")
                    .at(span, "here")
                    .help("`glorot(N, M)` is near to it");
                return self.report(diagnostic);
            }
            _ => {
                let library = self.in_library();
                return match self.definitions.callable(&name.text, library) {
                    Some((definition, library)) => self.defined_distribution(definition, library, args, span),
                    None => self.unknown_distribution(name),
                };
            }
        };
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
            _ => Distribution::Bernoulli(next()),
        })
    }

    fn unknown_distribution<T>(&mut self, name: &Name) -> Tried<T> {
        let mut names = self.callable_names();
        names.extend(["normal", "uniform", "bernoulli"].map(String::from));
        let near = nearest(&name.text, names.iter().map(String::as_str)).map(String::from);
        let diagnostic =
            Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no distribution `{}`", name.text))
                .at(name.span, "not known");
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
            None => diagnostic
                .help("there are `normal`, `uniform`, `bernoulli`, and the initialisers of the library"),
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
            Distribution::Normal(mean, deviation) => {
                let (mean, deviation) = (self.parameter(mean, dims)?, self.parameter(deviation, dims)?);
                let u = uniform(self, path)?;
                let v = uniform(self, &format!("{path}#2"))?;
                let z = self.box_muller(&u, &v)?;
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
        }
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
