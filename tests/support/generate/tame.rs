//! Ranges: what a gate gives for arguments in their ranges, and arguments made to fit the gate.
//!
//! Nothing here knows a gate. A gate's value is tried at points of its arguments' ranges; where it leaves the numbers
//! that f32 follows well, an argument is wrapped (`abs(x) + 0.5`, `tanh(x)`, ...) until it does not. So a gate that
//! is added to the table takes part in random programs by itself.

use super::Generator;
use super::term::{Level, Term};
use nnc::circuit::Gate;
use nnc::circuit::gates::{self, Form};

/// No tame number is larger.
pub const LARGEST: f64 = 30.0;

/// No tame gate is steeper.
const STEEPEST: f64 = 60.0;

/// Ways to bring an argument into another range.
const WRAPS: &[fn(Term) -> Term] = &[
    |x| x,
    |x| call("tanh", x, -1.0, 1.0),
    |x| Term::new(format!("abs({}) + 0.5", x.text), Level::Sum, 0.5, x.size() + 0.5).of(&[&x]),
    |x| Term::new(format!("2 + sin({})", x.text), Level::Sum, 1.0, 3.0).of(&[&x]),
    |x| Term::new(format!("0.5 * tanh({})", x.text), Level::Product, -0.5, 0.5).of(&[&x]),
    |x| Term::new(format!("sigmoid({}) + 0.25", x.text), Level::Sum, 0.25, 1.25).of(&[&x]),
];

/// A gate that is called by its name, of one argument.
fn call(name: &str, x: Term, low: f64, high: f64) -> Term {
    Term::new(format!("{name}({})", x.text), Level::Atom, low, high).of(&[&x])
}

impl Generator {
    /// A gate on arguments made to fit it.
    pub fn apply(&mut self, gate: Gate, args: Vec<Term>) -> Term {
        let fixed = args.iter().all(|arg| arg.fixed);
        if self.wild && !fixed && self.random.chance(0.3) {
            let (low, high) = range(gate, &args).unwrap_or((-LARGEST, LARGEST));
            return written(gate, &args, low.max(-1e4), high.min(1e4));
        }
        for attempt in 0..40 {
            let wrapped: Vec<Term> = args
                .iter()
                .map(|arg| {
                    let wrap = if attempt == 0 { WRAPS[0] } else { *self.random.pick(WRAPS) };
                    wrap(arg.clone())
                })
                .collect();
            if let Some((low, high)) = range(gate, &wrapped).filter(|&range| is_tame(gate, &wrapped, range)) {
                return written(gate, &wrapped, low, high).widened();
            }
        }
        // Every argument stays, so that what was said of their indices holds.
        let bounded = args.into_iter().map(|arg| call("tanh", arg, -1.0, 1.0));
        let sum =
            |a: Term, b: Term| written(gates::ADD, &[a.clone(), b.clone()], a.low + b.low, a.high + b.high);
        bounded.reduce(sum).expect("a gate has an argument")
    }

    /// A term whose values are not too large.
    pub fn bounded(&mut self, term: Term) -> Term {
        if self.wild || term.size() <= LARGEST {
            return term;
        }
        if self.random.chance(0.5) {
            return call("tanh", term, -1.0, 1.0);
        }
        let scale = if term.size() < 3000.0 { 0.01 } else { 1e-4 };
        let (low, high) = (term.low * scale, term.high * scale);
        let text = format!("{scale} * {}", term.at(Level::Negation));
        let scaled = Term::new(text, Level::Product, low, high).of(&[&term]);
        if scaled.size() <= LARGEST { scaled } else { call("tanh", scaled, -1.0, 1.0) }
    }

    /// A term with values in a range.
    pub fn within(&mut self, term: Term, low: f64, high: f64) -> Term {
        if term.low >= low && term.high <= high { term } else { call("tanh", term, -1.0, 1.0) }
    }
}

/// A gate as it is written.
fn written(gate: Gate, args: &[Term], low: f64, high: f64) -> Term {
    let row = gate.row();
    let (text, level) = match row.form {
        Form::Infix(sign) => {
            let (left, level, right) = levels(sign);
            (format!("{} {sign} {}", args[0].at(left), args[1].at(right)), level)
        }
        Form::Prefix(sign) => (format!("{sign}{}", args[0].at(Level::Power)), Level::Negation),
        Form::Call => {
            let args: Vec<&str> = args.iter().map(|arg| arg.text.as_str()).collect();
            (format!("{}({})", row.name, args.join(", ")), Level::Atom)
        }
        Form::Select => unreachable!("a choice is a production of its own"),
    };
    Term::new(text, level, low, high).of(&args.iter().collect::<Vec<_>>())
}

/// How tightly the left operand of a sign, what it makes, and the right operand bind.
fn levels(sign: &str) -> (Level, Level, Level) {
    match sign {
        "+" => (Level::Sum, Level::Sum, Level::Reduction),
        "-" => (Level::Sum, Level::Sum, Level::Product),
        "^" => (Level::Atom, Level::Power, Level::Negation),
        _ => (Level::Product, Level::Product, Level::Negation),
    }
}

/// The least and largest value at points of the arguments' ranges; none if one is not a finite number.
fn range(gate: Gate, args: &[Term]) -> Option<(f64, f64)> {
    let mut ends = (f64::INFINITY, f64::NEG_INFINITY);
    for at in grid(args) {
        let value = (gate.row().value)(&at);
        if !value.is_finite() {
            return None;
        }
        ends = (ends.0.min(value), ends.1.max(value));
    }
    Some(ends)
}

/// Whether a gate gives numbers that f32 follows, and is nowhere too steep.
fn is_tame(gate: Gate, args: &[Term], (low, high): (f64, f64)) -> bool {
    const STEP: f64 = 1e-6;
    if low.abs().max(high.abs()) > LARGEST {
        return false;
    }
    let smooth = gate.row().vjp.iter().any(|share| !share.is_empty());
    let flat = |at: Vec<f64>| {
        let value = (gate.row().value)(&at);
        (0..at.len()).all(|k| {
            let mut moved = at.clone();
            moved[k] += STEP;
            ((gate.row().value)(&moved) - value).abs() <= STEEPEST * STEP
        })
    };
    !smooth || grid(args).into_iter().all(flat)
}

/// Points of the arguments' ranges: ends, quarters, and both sides of 0.
fn grid(args: &[Term]) -> Vec<Vec<f64>> {
    let along = |arg: &Term| -> Vec<f64> {
        let quarter = |k: i32| arg.low + (arg.high - arg.low) * f64::from(k) / 4.0;
        let near = [-1e-3, 0.0, 1e-3].into_iter().filter(|x| (arg.low..=arg.high).contains(x));
        (0..=4).map(quarter).chain(near).collect()
    };
    args.iter().fold(vec![vec![]], |points, arg| {
        let more = |point: &Vec<f64>| {
            let point = point.clone();
            along(arg).into_iter().map(move |x| [point.clone(), vec![x]].concat())
        };
        points.iter().flat_map(more).collect()
    })
}
