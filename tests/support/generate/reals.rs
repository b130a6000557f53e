//! Numbers and arrays of numbers.

use super::reads::Outside;
use super::term::{Level, Sort, Term};
use super::{Generator, Production};
use nnc::circuit::Gate;
use nnc::circuit::gates::{self, Form};

/// How an expression is a number, or an array of numbers of the shape asked for.
pub const REALS: &[Production<Term>] = &[
    Production { example: "W[i, 2]", weight: 8, fits: |_, _| true, make: |g, dims, _| g.leaf(dims) },
    Production { example: "a * b", weight: 10, fits: |_, _| true, make: infix },
    Production { example: "-a", weight: 1, fits: |_, _| true, make: negation },
    Production { example: "tanh(a)", weight: 10, fits: |_, _| true, make: gate_call },
    Production { example: "a^2", weight: 2, fits: |_, _| true, make: whole_power },
    Production { example: "sum[k] W[i, k] * x[k]", weight: 4, fits: can_reduce, make: product_sum },
    Production { example: "max[k] a", weight: 4, fits: can_reduce, make: reduction },
    Production { example: "(x[i - 1] else 0)", weight: 4, fits: can_default, make: default_read },
    Production { example: "x[z]", weight: 3, fits: can_gather, make: gather },
    Production { example: "if a < b then c else d", weight: 3, fits: |_, _| true, make: choice },
    Production { example: "stop(a)", weight: 1, fits: |_, _| true, make: stop },
    Production { example: "mean[batch] a", weight: 1, fits: |_, _| true, make: batch_mean },
    Production {
        example: "softmax(x)",
        weight: 4,
        fits: |g, dims| g.can_call(dims),
        make: |g, dims, depth| g.call(dims, depth),
    },
    Production {
        example: "softmax(x)[i]",
        weight: 1,
        fits: |g, dims| dims.is_empty() && g.can_call_vector(),
        make: call_element,
    },
    Production {
        example: "[a, b]",
        weight: 2,
        fits: |g, dims| !dims.is_empty() && dims[0] <= 4 && g.has(&dims[1..]),
        make: list,
    },
    Production { example: "concat(a, b)", weight: 2, fits: |g, dims| can_join(g, dims), make: joined },
    Production {
        example: "i / 3",
        weight: 1,
        fits: |g, dims| dims.is_empty() && !g.body.indices.is_empty(),
        make: index_value,
    },
];

impl Generator {
    /// A number or an array of numbers.
    pub fn real(&mut self, dims: &[u32], depth: u32) -> Term {
        if depth == 0 {
            return self.leaf(dims);
        }
        let row = self.choose(REALS, dims);
        let term = (row.make)(self, dims, depth - 1);
        self.bounded(term)
    }

    /// A name, an element or a row of a named array, or a number.
    pub fn leaf(&mut self, dims: &[u32]) -> Term {
        let known = self.ending_in(dims, Sort::Real, 3);
        if known.is_empty() || (dims.is_empty() && self.random.chance(0.15)) {
            assert!(dims.is_empty(), "an array is asked for only where there is one");
            return self.number();
        }
        let value = self.likely(&known, dims.len());
        self.read(value, dims)
    }

    /// One of several values of which all axes but the last `kept` are to be read: rather one that an index in
    /// force runs along, and one that nothing has read yet.
    fn likely(&mut self, known: &[usize], kept: usize) -> usize {
        let indices = &self.body.indices;
        let weight = |k: &usize| {
            let value = &self.body.values[*k];
            let read = &value.term.dims[..value.term.dims.len() - kept];
            let along =
                read.iter().filter(|&&extent| indices.iter().any(|index| index.extent == extent)).count();
            let all = if along == read.len() { 3 } else { 1 };
            (1 + 3 * along as u32) * all * if value.read { 1 } else { 2 }
        };
        let weights: Vec<(usize, u32)> = known.iter().map(|k| (*k, weight(k))).collect();
        self.random.weighted(&weights.iter().collect::<Vec<_>>(), |row| row.1).0
    }

    /// A number.
    pub fn number(&mut self) -> Term {
        if self.random.chance(0.03) {
            return Term { fixed: true, ..Term::new("pi", Level::Atom, 3.1, 3.2) };
        }
        if self.random.chance(0.03) {
            // Known once a step: 1 at the first.
            return Term::new("1 / (step + 1)", Level::Product, 0.0, 0.5);
        }
        Term::number(*self.random.pick(&[0.0, 1.0, 2.0, 3.0, 0.5, 0.1, 1.5, -1.0, -0.7, 0.001, 0.25]))
    }

    /// An operand beside others: of the shape asked for, or a scalar.
    fn operand(&mut self, dims: &[u32], depth: u32) -> Term {
        let scalar = !dims.is_empty() && self.random.chance(0.3);
        self.real(if scalar { &[] } else { dims }, depth)
    }

    /// Operands of which one at least has the shape asked for.
    fn operands(&mut self, count: usize, dims: &[u32], depth: u32) -> Vec<Term> {
        let whole = self.random.below(count);
        (0..count)
            .map(|k| if k == whole { self.real(dims, depth) } else { self.operand(dims, depth) })
            .collect()
    }
}

fn infix(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let real = |gate: &Gate| {
        matches!(gate.row().form, Form::Infix(_)) && gate.row().result != Some(nnc::circuit::Kind::Boolean)
    };
    let mut signs: Vec<Gate> = Gate::all().filter(real).collect();
    signs.extend([gates::ADD, gates::ADD, gates::SUB, gates::MUL, gates::MUL, gates::MUL]);
    let gate = *g.random.pick(&signs);
    let args = g.operands(2, dims, depth);
    g.apply(gate, args)
}

fn negation(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let arg = g.real(dims, depth);
    g.apply(gates::NEG, vec![arg])
}

fn gate_call(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let called: Vec<Gate> =
        Gate::all().filter(|gate| gate.row().form == Form::Call && gate.row().name != "stop").collect();
    let gate = *g.random.pick(&called);
    let args = g.operands(gate.row().arity, dims, depth);
    g.apply(gate, args)
}

/// Constant whole powers are multiplied out.
fn whole_power(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let arg = g.real(dims, depth);
    let arg = g.within(arg, -3.0, 3.0);
    let exponent = g.random.between(2, 3) as i32;
    let (low, high) = (arg.low.powi(exponent), arg.high.powi(exponent));
    let low = if exponent == 2 && arg.low * arg.high < 0.0 { 0.0 } else { low.min(high) };
    let high = arg.low.powi(exponent).max(high);
    Term::new(format!("{}^{exponent}", arg.at(Level::Atom)), Level::Power, low, high).of(&[&arg])
}

fn can_reduce(g: &Generator, _: &[u32]) -> bool {
    g.has_room(6)
}

/// The contraction that everything is about.
fn product_sum(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let extent = g.reduced_extent();
    let begin = g.bind(&[extent]);
    let left = g.leaf(dims);
    let right = if g.random.chance(0.7) { g.leaf(&[]) } else { g.real(&[], depth.min(1)) };
    let count = f64::from(extent);
    let body = g.apply(gates::MUL, vec![left, right]);
    let indices = g.unbind(begin);
    let text = format!("sum[{indices}] {}", body.at(Level::Product));
    let made = Term::new(text, Level::Reduction, count * body.low, count * body.high).of(&[&body]);
    g.bounded(Term { fixed: false, ..made })
}

/// A reducer's name, and the range of its result over so many terms.
type Reducing = (&'static str, fn(&Term, f64) -> (f64, f64));

/// Reducers that give numbers, and their range for a body and a number of elements.
const REDUCERS: &[Reducing] = &[
    ("sum", |body, count| (count * body.low, count * body.high)),
    ("mean", |body, _| (body.low, body.high)),
    ("max", |body, _| (body.low, body.high)),
    ("min", |body, _| (body.low, body.high)),
    ("prod", |body, count| {
        let size = body.size().powf(count).max(body.size());
        (if body.low >= 0.0 { 0.0 } else { -size }, size)
    }),
];

fn reduction(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let count = if g.random.chance(0.3) { 2 } else { 1 };
    let mut extents = vec![g.reduced_extent()];
    if count == 2 && g.has_room(extents[0] * 4) {
        extents.push(g.reduced_extent().min(4));
    }
    let &(reducer, range) = g.random.pick(REDUCERS);
    let begin = g.bind(&extents);
    let body = g.real(dims, depth);
    let body = if reducer == "prod" { g.within(body, -2.0, 2.0) } else { body };
    let mut indices = g.unbind(begin);
    let across = reducer == "mean" && g.random.chance(0.2);
    if across {
        g.body.across = true;
        indices = format!("batch, {indices}");
    }
    let elements: u32 = extents.iter().product();
    let (low, high) = range(&body, f64::from(elements));
    let text = format!("{reducer}[{indices}] {}", body.at(Level::Product));
    let made = Term::new(text, Level::Reduction, low, high).of(&[&body]);
    Term { fixed: false, across: across || made.across, ..made }
}

impl Generator {
    /// How far an index to be reduced over runs: mostly as an array does.
    pub fn reduced_extent(&mut self) -> u32 {
        let known: Vec<u32> = self.body.values.iter().flat_map(|value| value.term.dims.clone()).collect();
        if known.is_empty() || self.random.chance(0.1) { self.extent() } else { *self.random.pick(&known) }
    }
}

fn can_default(g: &Generator, dims: &[u32]) -> bool {
    !g.body.indices.is_empty()
        && g.ending_in(dims, Sort::Real, 3).iter().any(|&k| g.body.values[k].term.dims.len() > dims.len())
}

/// A read that may leave its array.
fn default_read(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let known = g.ending_in(dims, Sort::Real, 3);
    let larger: Vec<usize> =
        known.into_iter().filter(|&k| g.body.values[k].term.dims.len() > dims.len()).collect();
    let value = *g.random.pick(&larger);
    let read = g.read_outside(value, dims, Outside::Allowed);
    let default = match g.random.below(5) {
        0 => g.real(&[], depth.min(1)),
        1 => Term::number(1.0),
        _ => Term::number(0.0),
    };
    let text = format!("{} else {}", read.text, default.at(Level::Or));
    let (low, high) = (read.low.min(default.low), read.high.max(default.high));
    Term::new(text, Level::Choice, low, high).of(&[&read, &default])
}

fn can_gather(g: &Generator, dims: &[u32]) -> bool {
    can_default(g, dims)
        || g.ending_in(dims, Sort::Real, 3).iter().any(|&k| g.body.values[k].term.dims.len() > dims.len())
}

/// A read by an integer that the running program computes.
fn gather(g: &mut Generator, dims: &[u32], _: u32) -> Term {
    let known = g.ending_in(dims, Sort::Real, 3);
    let larger: Vec<usize> =
        known.into_iter().filter(|&k| g.body.values[k].term.dims.len() > dims.len()).collect();
    let value = *g.random.pick(&larger);
    g.read_outside(value, dims, Outside::Computed)
}

fn choice(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let shape = if g.random.chance(0.5) { dims } else { &[] };
    let condition = g.condition(shape, depth);
    let used: Vec<bool> = g.body.indices.iter().map(|index| index.used).collect();
    let branches = g.operands(2, dims, depth);
    if !condition.batch {
        // Settings may decide it, and a branch that is not taken tells no range.
        g.body.indices.iter_mut().zip(used).for_each(|(index, used)| index.used = used);
    }
    let (then, otherwise) = (&branches[0], &branches[1]);
    let text = format!(
        "if {} then {} else {}",
        condition.at(Level::Or),
        then.at(Level::Or),
        otherwise.at(Level::Choice)
    );
    let (low, high) = (then.low.min(otherwise.low), then.high.max(otherwise.high));
    Term::new(text, Level::Choice, low, high).of(&[&condition, then, otherwise])
}

fn stop(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let arg = g.real(dims, depth);
    Term::new(format!("stop({})", arg.text), Level::Atom, arg.low, arg.high).of(&[&arg])
}

fn batch_mean(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let body = g.real(dims, depth);
    let text = format!("mean[batch] {}", body.at(Level::Product));
    let made = Term::new(text, Level::Reduction, body.low, body.high).of(&[&body]);
    g.body.across = true;
    Term { batch: false, fixed: false, across: true, ..made }
}

/// An element of what a call gives.
fn call_element(g: &mut Generator, _: &[u32], depth: u32) -> Term {
    let call = g.call_vector(depth);
    let at = g.axis(call.dims[0], Outside::Proved, false);
    Term::new(format!("{}[{at}]", call.at(Level::Atom)), Level::Atom, call.low, call.high)
        .of(&[&Term { dims: vec![], ..call }])
}

fn list(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let parts: Vec<Term> = (0..dims[0]).map(|_| g.real(&dims[1..], depth.min(1))).collect();
    let text: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
    let low = parts.iter().map(|part| part.low).fold(f64::INFINITY, f64::min);
    let high = parts.iter().map(|part| part.high).fold(f64::NEG_INFINITY, f64::max);
    let made = Term::new(format!("[{}]", text.join(", ")), Level::Atom, low, high)
        .of(&parts.iter().collect::<Vec<_>>());
    Term { fixed: false, ..made.with_dims(dims) }
}

fn can_join(g: &Generator, dims: &[u32]) -> bool {
    !dims.is_empty() && (2..=8).contains(&dims[0]) && g.has(&dims[1..])
}

/// Two arrays, one after the other along their first axis.
fn joined(g: &mut Generator, dims: &[u32], depth: u32) -> Term {
    let first = g.random.between(1, i64::from(dims[0]) - 1) as u32;
    let parts = [first, dims[0] - first].map(|extent| {
        let dims = [&[extent], &dims[1..]].concat();
        if g.has(&dims) { g.real(&dims, depth.min(1)) } else { list(g, &dims, depth) }
    });
    let (low, high) = (parts[0].low.min(parts[1].low), parts[0].high.max(parts[1].high));
    let text = format!("concat({}, {})", parts[0].text, parts[1].text);
    let made = Term::new(text, Level::Atom, low, high).of(&[&parts[0], &parts[1]]);
    Term { fixed: false, ..made.with_dims(dims) }
}

/// An index as a number.
fn index_value(g: &mut Generator, _: &[u32], _: u32) -> Term {
    let index = g.random.pick(&g.body.indices).clone();
    let high = f64::from(index.extent - 1);
    let name = Term::new(index.name, Level::Atom, 0.0, high);
    let other = g.number();
    let gate = *g.random.pick(&[gates::ADD, gates::MUL, gates::DIV, gates::SUB]);
    g.apply(gate, vec![name, other])
}
