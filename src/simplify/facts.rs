//! What is known of a value without running anything: that it is finite, and bounds.
//!
//! A few rules hold only where a factor cannot be NaN or infinite (`0 * x` is 0 for finite x alone). Finite means
//! here: as long as inputs, parameters and states are finite and no intermediate result overflows.

use crate::circuit::{Circuit, Gate, Kind, Leaf, Node, Reducer, ValueId, View, gates};

/// What is known of every element of a value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Facts {
    /// Neither NaN nor infinite.
    pub finite: bool,
    /// No less than this, unless it is NaN.
    pub lo: f64,
    /// No more than this, unless it is NaN.
    pub hi: f64,
}

impl Facts {
    const UNKNOWN: Facts = Facts { finite: false, lo: f64::NEG_INFINITY, hi: f64::INFINITY };
    const FINITE: Facts = Facts { finite: true, ..Facts::UNKNOWN };

    fn of(number: f64) -> Facts {
        if number.is_nan() {
            return Facts::UNKNOWN;
        }
        Facts { finite: number.is_finite(), lo: number, hi: number }
    }

    /// Finite, from one number to another.
    pub fn between(lo: f64, hi: f64) -> Facts {
        Facts { finite: true, lo, hi }
    }

    /// Bounds of which a NaN says nothing.
    fn bounded(finite: bool, lo: f64, hi: f64) -> Facts {
        let lo = if lo.is_nan() { f64::NEG_INFINITY } else { lo };
        Facts { finite, lo, hi: if hi.is_nan() { f64::INFINITY } else { hi } }
    }

    /// Finite, and neither 0 nor below any positive number.
    pub fn is_away_from_zero(self) -> bool {
        self.finite && (self.lo > 0.0 || self.hi < 0.0)
    }

    fn or(self, other: Facts) -> Facts {
        Facts { finite: self.finite && other.finite, lo: self.lo.min(other.lo), hi: self.hi.max(other.hi) }
    }

    fn negated(self) -> Facts {
        Facts { lo: -self.hi, hi: -self.lo, ..self }
    }

    fn plus(self, other: Facts) -> Facts {
        Facts::bounded(self.finite && other.finite, self.lo + other.lo, self.hi + other.hi)
    }

    fn times(self, other: Facts) -> Facts {
        let corner = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
        let corners = [(self.lo, other.lo), (self.lo, other.hi), (self.hi, other.lo), (self.hi, other.hi)];
        let corners = corners.map(|(a, b)| corner(a, b));
        let lo = corners.into_iter().fold(f64::INFINITY, f64::min);
        let hi = corners.into_iter().fold(f64::NEG_INFINITY, f64::max);
        Facts { finite: self.finite && other.finite, lo, hi }
    }

    fn divided_by(self, other: Facts) -> Facts {
        if !other.is_away_from_zero() {
            return Facts::UNKNOWN;
        }
        self.times(Facts { finite: true, lo: 1.0 / other.hi, hi: 1.0 / other.lo })
    }

    /// Both bounds through a function that never falls.
    fn through(self, finite: bool, f: fn(f64) -> f64) -> Facts {
        Facts::bounded(finite, f(self.lo), f(self.hi))
    }
}

/// What is known of a gate's result, from what is known of its operands.
type OfGate = fn(&[Facts]) -> Facts;

/// What a gate makes of what is known of its operands. A gate that is not here is known by nothing.
const OF_GATES: &[(&str, OfGate)] = &[
    ("add", |f| f[0].plus(f[1])),
    ("sub", |f| f[0].plus(f[1].negated())),
    ("mul", |f| f[0].times(f[1])),
    ("div", |f| f[0].divided_by(f[1])),
    ("neg", |f| f[0].negated()),
    ("max", |f| Facts { lo: f[0].lo.max(f[1].lo), ..f[0].or(f[1]) }),
    ("min", |f| Facts { hi: f[0].hi.min(f[1].hi), ..f[0].or(f[1]) }),
    ("abs", |f| Facts { lo: 0.0f64.max(f[0].lo).max(-f[0].hi), hi: f[0].hi.max(-f[0].lo), ..f[0] }),
    ("sign", |_| Facts::between(-1.0, 1.0)),
    // exp(80) is still far below the largest f32.
    ("exp", |f| f[0].through(f[0].finite && f[0].hi <= 80.0, f64::exp)),
    ("expm1", |f| f[0].through(f[0].finite && f[0].hi <= 80.0, f64::exp_m1)),
    ("log", |f| f[0].through(f[0].finite && f[0].lo > 0.0, f64::ln)),
    ("log1p", |f| f[0].through(f[0].finite && f[0].lo > -1.0, f64::ln_1p)),
    ("sqrt", |f| {
        let inside = Facts { lo: f[0].lo.max(0.0), ..f[0] };
        inside.through(f[0].finite && f[0].lo >= 0.0, f64::sqrt)
    }),
    ("sin", |f| Facts { finite: f[0].finite, lo: -1.0, hi: 1.0 }),
    ("cos", |f| Facts { finite: f[0].finite, lo: -1.0, hi: 1.0 }),
    ("tanh", |f| f[0].through(f[0].finite, f64::tanh)),
    ("sigmoid", |f| Facts { finite: f[0].finite, lo: 0.0, hi: 1.0 }),
    ("softplus", |f| Facts { finite: f[0].finite, lo: 0.0, hi: f64::INFINITY }),
    ("floor", |f| f[0].through(f[0].finite, f64::floor)),
    ("ceil", |f| f[0].through(f[0].finite, f64::ceil)),
    ("select", |f| f[1].or(f[2])),
    ("stop", |f| f[0]),
];

/// What is known of the values of a growing circuit.
#[derive(Default)]
pub(super) struct Known {
    facts: Vec<Facts>,
    of_gate: Vec<Option<OfGate>>,
}

impl Known {
    pub fn new() -> Known {
        let row = |gate: Gate| OF_GATES.iter().find(|(name, _)| *name == gate.row().name).map(|&(_, f)| f);
        Known { facts: vec![], of_gate: Gate::all().map(row).collect() }
    }

    /// Of one value.
    pub fn of(&mut self, circuit: &Circuit, value: ValueId) -> Facts {
        while self.facts.len() <= value.index() {
            let next = self.derived(circuit, ValueId(self.facts.len() as u32));
            self.facts.push(next);
        }
        self.facts[value.index()]
    }

    /// Of a value that comes before one that is asked for.
    pub fn before(&self, value: ValueId) -> Facts {
        self.facts[value.index()]
    }

    /// From what is known of the operands.
    fn derived(&self, circuit: &Circuit, value: ValueId) -> Facts {
        let of = |operand: ValueId| self.before(operand);
        match circuit.node(value) {
            Node::Leaf(leaf) => leaf_facts(circuit, leaf),
            Node::Gate { gate, args } => {
                let exponential = (*gate == gates::EXP).then(|| self.exponential(circuit, args[0]));
                exponential.flatten().unwrap_or_else(|| self.gate(*gate, args))
            }
            Node::Reduce { reducer: Reducer::Sum, arg, axes, batch: false }
                if let Some(facts) = self.sum_of_exponentials(circuit, *arg, *axes) =>
            {
                facts
            }
            Node::Reduce { reducer, arg, axes, .. } => {
                let dims = &circuit.shape(*arg).dims;
                let count = axes.iter().map(|axis| f64::from(dims[axis])).product();
                reduction(*reducer, of(*arg), count)
            }
            Node::View { arg, view } => read(of(*arg), view, view.is_total(circuit.shape(*arg))),
            Node::Merge { arg, .. } => of(*arg),
            Node::Gather { table, .. } => of(*table),
            Node::Scatter { value, .. } => Facts { finite: of(*value).finite, ..Facts::UNKNOWN },
            Node::Lag { .. } => Facts::UNKNOWN,
        }
    }

    fn gate(&self, gate: Gate, args: &[ValueId]) -> Facts {
        if gate.row().result == Some(Kind::Boolean) {
            return Facts::between(0.0, 1.0);
        }
        let facts: Vec<Facts> = args.iter().map(|arg| self.facts[arg.index()]).collect();
        if gate == gates::MUL && args[0] == args[1] {
            // A square.
            return Facts { lo: 0.0, ..facts[0].times(facts[0]) };
        }
        self.of_gate[gate.index()].map_or(Facts::UNKNOWN, |f| f(&facts))
    }
}

fn leaf_facts(circuit: &Circuit, leaf: &Leaf) -> Facts {
    match leaf {
        Leaf::Slot(id) => match circuit.slot(*id) {
            slot if slot.kind == Kind::Boolean => Facts::between(0.0, 1.0),
            slot => match slot.classes {
                Some(classes) => Facts::between(0.0, f64::from(classes.max(1)) - 1.0),
                None => Facts::FINITE,
            },
        },
        Leaf::Number(number) => Facts::of(number.get()),
        Leaf::Iota(extent) => Facts::between(0.0, f64::from((*extent).max(1)) - 1.0),
        Leaf::Step(_) => Facts { lo: 1.0, ..Facts::FINITE },
        Leaf::Draw { .. } => Facts::between(0.0, 1.0),
    }
}

fn read(operand: Facts, view: &View, total: bool) -> Facts {
    if total { operand } else { operand.or(Facts::of(view.fill.get())) }
}

/// A mean over the batch has the bounds of its terms.
fn reduction(reducer: Reducer, operand: Facts, count: f64) -> Facts {
    match reducer {
        Reducer::Sum => operand.times(Facts::of(count)),
        Reducer::Max | Reducer::Min => operand,
        Reducer::Prod if operand.lo >= 0.0 => Facts { lo: 0.0, hi: f64::INFINITY, ..operand },
        Reducer::Prod => Facts { finite: operand.finite, ..Facts::UNKNOWN },
        Reducer::Argmax | Reducer::Argmin => Facts::between(0.0, count - 1.0),
    }
}
