//! The table of pointwise gates. A gate is one row with everything about it; adding one is adding a row and a
//! test case.

use super::Kind;
use super::expansions;
use super::machine::build::Float;

/// A row of [`GATES`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gate(u8);

/// Everything about a gate.
pub struct Row {
    /// The name by which it is called or known.
    pub name: &'static str,
    /// Number of operands, called `a`, `b`, `c` in order.
    pub arity: usize,
    /// How it is written.
    pub form: Form,
    /// Kind of its result; `None`: that of its operands (of the branches, for `select`).
    pub result: Option<Kind>,
    /// Its value in f64. Booleans are 0 and 1.
    pub value: fn(&[f64]) -> f64,
    /// Its value in f32, as machine operations.
    pub expand: Expand,
    /// How far that may be off the exact result, in units of its last place (those of the smallest number for
    /// results below the normal range): 0.5 is correctly rounded.
    pub ulps: f32,
    /// Its vector-Jacobian product: for each operand, the operand's share of the cotangent `g`, as a formula in
    /// the operands `a`, `b`, `c`, the value `y` and `g`. `""` is no gradient at all; `absent` in a branch is a
    /// structural zero: the term is not there.
    pub vjp: &'static [&'static str],
    /// What it computes, for `nnc explain` and the reference.
    pub doc: &'static str,
    /// Where its value and its rule come from.
    pub source: &'static str,
}

/// The source of what machines compute correctly rounded.
const MACHINE: &str =
    "Value: IEEE 754-2019, correctly rounded. Rule: Griewank and Walther, Evaluating Derivatives, 2008.";

/// The source of what is approximated.
const APPROXIMATED: &str = "Value: reduction of the range after Cody and Waite, Software Manual for the Elementary \
    Functions, 1980, and a polynomial of our own (tools/minimax.py). Rule: Griewank and Walther, Evaluating \
    Derivatives, 2008.";

/// The source of choices, which have no slope where they change.
const CHOICE: &str = "Value: exact. Rule: the branch taken has the whole slope, the other no part in it; at a tie the \
    first (Griewank and Walther, Evaluating Derivatives, 2008, on one-sided derivatives).";

/// The source of what the language itself defines.
const LANGUAGE: &str = "Defined by the language.";

impl Row {
    /// Whether the expansion is the gate itself and not an approximation: then it holds for numbers of any width.
    pub fn is_exact(&self) -> bool {
        self.ulps <= 0.5
    }
}

/// A formula over lanes that hold the operands.
pub type Expand = for<'p> fn(&[Float<'p>]) -> Float<'p>;

/// How a gate is written in the language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `a + b`
    Infix(&'static str),
    /// `-a`, `not a`
    Prefix(&'static str),
    /// `tanh(a)`
    Call,
    /// `if a then b else c`
    Select,
}

impl Gate {
    /// Everything about it.
    pub fn row(self) -> &'static Row {
        &GATES[self.0 as usize]
    }

    /// Its place in the table.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The gate that a call by this name means, if one does.
    pub fn called(name: &str) -> Option<Gate> {
        let found = GATES.iter().position(|row| row.form == Form::Call && row.name == name);
        found.map(|k| Gate(k as u8))
    }

    /// The gate of this name, whatever its form.
    pub fn named(name: &str) -> Option<Gate> {
        GATES.iter().position(|row| row.name == name).map(|k| Gate(k as u8))
    }

    /// All gates, in the order of the table.
    pub fn all() -> impl Iterator<Item = Gate> {
        (0..GATES.len()).map(|k| Gate(k as u8))
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.row().name)
    }
}

/// The row of a name, found while compiling: a misspelt name does not build.
const fn gate(name: &str) -> Gate {
    let mut k = 0;
    while k < GATES.len() {
        if same(GATES[k].name.as_bytes(), name.as_bytes()) {
            return Gate(k as u8);
        }
        k += 1;
    }
    panic!("no such gate")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut k = 0;
    while k < a.len() {
        if a[k] != b[k] {
            return false;
        }
        k += 1;
    }
    true
}

/// Gates that passes build or match by name.
pub const ADD: Gate = gate("add");
#[allow(missing_docs)]
mod named {
    use super::{Gate, gate};
    pub const SUB: Gate = gate("sub");
    pub const MUL: Gate = gate("mul");
    pub const DIV: Gate = gate("div");
    pub const NEG: Gate = gate("neg");
    pub const POW: Gate = gate("pow");
    pub const MAX: Gate = gate("max");
    pub const MIN: Gate = gate("min");
    pub const EXP: Gate = gate("exp");
    pub const LOG: Gate = gate("log");
    pub const LOG1P: Gate = gate("log1p");
    pub const SQRT: Gate = gate("sqrt");
    pub const COS: Gate = gate("cos");
    pub const LT: Gate = gate("lt");
    pub const LE: Gate = gate("le");
    pub const EQ: Gate = gate("eq");
    pub const NE: Gate = gate("ne");
    pub const AND: Gate = gate("and");
    pub const OR: Gate = gate("or");
    pub const NOT: Gate = gate("not");
    pub const SELECT: Gate = gate("select");
    pub const INT_DIV: Gate = gate("int_div");
    pub const MOD: Gate = gate("mod");
    pub const SAME: Gate = gate("same");
    pub const STOP: Gate = gate("stop");
}
pub use named::*;

/// One real operand, written as a call.
const fn function(
    name: &'static str,
    value: fn(&[f64]) -> f64,
    expand: Expand,
    ulps: f32,
    vjp: &'static [&'static str],
    doc: &'static str,
) -> Row {
    let source = if ulps <= 0.5 { MACHINE } else { APPROXIMATED };
    let result = Some(Kind::Real);
    Row { name, arity: vjp.len(), form: Form::Call, result, value, expand, ulps, vjp, doc, source }
}

/// Two operands, written between them.
const fn infix(
    name: &'static str,
    sign: &'static str,
    result: Option<Kind>,
    value: fn(&[f64]) -> f64,
    expand: Expand,
    vjp: &'static [&'static str],
    doc: &'static str,
) -> Row {
    let form = Form::Infix(sign);
    Row { name, arity: 2, form, result, value, expand, ulps: 0.5, vjp, doc, source: MACHINE }
}

const fn truth(condition: bool) -> f64 {
    if condition { 1.0 } else { 0.0 }
}

/// The table.
pub const GATES: &[Row] = &[
    infix("add", "+", None, |v| v[0] + v[1], |v| v[0] + v[1], &["g", "g"], "Sum."),
    infix("sub", "-", None, |v| v[0] - v[1], |v| v[0] - v[1], &["g", "-g"], "Difference."),
    infix("mul", "*", None, |v| v[0] * v[1], |v| v[0] * v[1], &["g * b", "a * g"], "Product."),
    infix(
        "div",
        "/",
        Some(Kind::Real),
        |v| v[0] / v[1],
        |v| v[0] / v[1],
        &["g / b", "-(g * y / b)"],
        "Quotient.",
    ),
    Row {
        name: "neg",
        arity: 1,
        form: Form::Prefix("-"),
        result: None,
        value: |v| -v[0],
        expand: |v| -v[0],
        ulps: 0.5,
        vjp: &["-g"],
        doc: "Negation.",
        source: MACHINE,
    },
    Row {
        name: "pow",
        arity: 2,
        form: Form::Infix("^"),
        result: Some(Kind::Real),
        value: |v| v[0].powf(v[1]),
        expand: |v| expansions::pow(v[0], v[1]),
        ulps: 1.2,
        vjp: &["if b == 0 then absent else g * b * a ^ (b - 1)", "if a > 0 then g * y * log(a) else absent"],
        doc: "Power. A constant whole exponent is multiplied out instead.",
        source: APPROXIMATED,
    },
    Row {
        name: "max",
        arity: 2,
        form: Form::Call,
        result: None,
        value: |v| if v[0] >= v[1] || v[0].is_nan() { v[0] } else { v[1] },
        expand: |v| expansions::max(v[0], v[1]),
        ulps: 0.5,
        vjp: &["if a >= b then g else absent", "if a >= b then absent else g"],
        doc: "The larger; NaN if either is; the first where they are equal.",
        source: CHOICE,
    },
    Row {
        name: "min",
        arity: 2,
        form: Form::Call,
        result: None,
        value: |v| if v[0] <= v[1] || v[0].is_nan() { v[0] } else { v[1] },
        expand: |v| expansions::min(v[0], v[1]),
        ulps: 0.5,
        vjp: &["if a <= b then g else absent", "if a <= b then absent else g"],
        doc: "The smaller; NaN if either is; the first where they are equal.",
        source: CHOICE,
    },
    function("abs", |v| v[0].abs(), |v| v[0].abs(), 0.5, &["g * sign(a)"], "Absolute value; slope 0 at 0."),
    function(
        "sign",
        |v| {
            if v[0] > 0.0 {
                1.0
            } else if v[0] < 0.0 {
                -1.0
            } else {
                v[0]
            }
        },
        |v| expansions::sign(v[0]),
        0.5,
        &[""],
        "1, 0 or -1 as the operand is above, at or below 0.",
    ),
    function("exp", |v| v[0].exp(), |v| expansions::exp(v[0]), 1.1, &["g * y"], "e to the power of a."),
    function(
        "expm1",
        |v| v[0].exp_m1(),
        |v| expansions::expm1(v[0]),
        1.5,
        &["g * (y + 1)"],
        "exp(a) - 1, exact near 0.",
    ),
    function("log", |v| v[0].ln(), |v| expansions::log(v[0]), 1.0, &["g / a"], "Natural logarithm."),
    function(
        "log1p",
        |v| v[0].ln_1p(),
        |v| expansions::log1p(v[0]),
        1.5,
        &["g / (1 + a)"],
        "log(1 + a), exact near 0.",
    ),
    function("sqrt", |v| v[0].sqrt(), |v| v[0].sqrt(), 0.5, &["g / (2 * y)"], "Square root."),
    function(
        "sin",
        |v| v[0].sin(),
        |v| expansions::sin(v[0]),
        1.6,
        &["g * cos(a)"],
        "Sine; as accurate as it says up to 1e5 on either side of 0.",
    ),
    function(
        "cos",
        |v| v[0].cos(),
        |v| expansions::cos(v[0]),
        1.6,
        &["-(g * sin(a))"],
        "Cosine; as accurate as it says up to 1e5 on either side of 0.",
    ),
    function(
        "atan",
        |v| v[0].atan(),
        |v| expansions::atan(v[0]),
        1.5,
        &["g / (1 + a * a)"],
        "Inverse of the tangent.",
    ),
    function(
        "erf",
        |v| expansions::erf_f64(v[0]),
        |v| expansions::erf(v[0]),
        6.5,
        &["g * (2 / sqrt(pi)) * exp(-(a * a))"],
        "Error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to a; gelu is made of it.",
    ),
    function(
        "tanh",
        |v| v[0].tanh(),
        |v| expansions::tanh(v[0]),
        5.5,
        &["g * (1 - y * y)"],
        "Hyperbolic tangent, (exp(a) - exp(-a)) / (exp(a) + exp(-a)).",
    ),
    function(
        "sigmoid",
        |v| if v[0] >= 0.0 { 1.0 / (1.0 + (-v[0]).exp()) } else { v[0].exp() / (1.0 + v[0].exp()) },
        |v| expansions::sigmoid(v[0]),
        2.5,
        &["g * (y * (1 - y))"],
        "Logistic function 1 / (1 + exp(-a)), without overflow at either end.",
    ),
    function(
        "softplus",
        |v| v[0].max(0.0) + (-v[0].abs()).exp().ln_1p(),
        |v| expansions::softplus(v[0]),
        3.0,
        &["g * sigmoid(a)"],
        "log(1 + exp(a)), without overflow at either end.",
    ),
    function("floor", |v| v[0].floor(), |v| v[0].floor(), 0.5, &[""], "The largest whole number not above."),
    function("ceil", |v| v[0].ceil(), |v| v[0].ceil(), 0.5, &[""], "The smallest whole number not below."),
    infix(
        "lt",
        "<",
        Some(Kind::Boolean),
        |v| truth(v[0] < v[1]),
        |v| v[0].less(v[1]).number(),
        &["", ""],
        "Less.",
    ),
    infix(
        "le",
        "<=",
        Some(Kind::Boolean),
        |v| truth(v[0] <= v[1]),
        |v| v[0].less_equal(v[1]).number(),
        &["", ""],
        "Less or equal.",
    ),
    infix(
        "eq",
        "==",
        Some(Kind::Boolean),
        |v| truth(v[0] == v[1]),
        |v| v[0].equal(v[1]).number(),
        &["", ""],
        "Equal.",
    ),
    infix(
        "ne",
        "!=",
        Some(Kind::Boolean),
        |v| truth(v[0] != v[1]),
        |v| v[0].not_equal(v[1]).number(),
        &["", ""],
        "Not equal.",
    ),
    infix(
        "and",
        "and",
        Some(Kind::Boolean),
        |v| truth(v[0] != 0.0 && v[1] != 0.0),
        |v| (v[0].truth() & v[1].truth()).number(),
        &["", ""],
        "Both.",
    ),
    infix(
        "or",
        "or",
        Some(Kind::Boolean),
        |v| truth(v[0] != 0.0 || v[1] != 0.0),
        |v| (v[0].truth() | v[1].truth()).number(),
        &["", ""],
        "Either.",
    ),
    Row {
        name: "not",
        arity: 1,
        form: Form::Prefix("not"),
        result: Some(Kind::Boolean),
        value: |v| truth(v[0] == 0.0),
        expand: |v| (!v[0].truth()).number(),
        ulps: 0.5,
        vjp: &[""],
        doc: "The opposite.",
        source: LANGUAGE,
    },
    Row {
        name: "select",
        arity: 3,
        form: Form::Select,
        result: None,
        value: |v| if v[0] != 0.0 { v[1] } else { v[2] },
        expand: |v| v[0].truth().select(v[1], v[2]),
        ulps: 0.5,
        vjp: &["", "if a then g else absent", "if a then absent else g"],
        doc: "One of two values by a condition; the other takes no part, not even as NaN.",
        source: CHOICE,
    },
    infix(
        "int_div",
        "div",
        None,
        |v| (v[0] / v[1]).floor(),
        |v| (v[0] / v[1]).floor(),
        &["", ""],
        "Quotient rounded down.",
    ),
    infix(
        "mod",
        "mod",
        None,
        |v| (-v[1]).mul_add((v[0] / v[1]).floor(), v[0]),
        |v| (-v[1]).fma((v[0] / v[1]).floor(), v[0]),
        &["g", "-(g * (a div b))"],
        "Rest of `div`.",
    ),
    Row {
        name: "stop",
        arity: 1,
        form: Form::Call,
        result: None,
        value: |v| v[0],
        expand: |v| v[0],
        ulps: 0.0,
        vjp: &[""],
        doc: "The operand itself, through which no gradient passes.",
        source: LANGUAGE,
    },
    Row {
        name: "same",
        arity: 1,
        form: Form::Call,
        result: None,
        value: |v| v[0],
        expand: |v| v[0],
        ulps: 0.0,
        vjp: &["g"],
        doc: "The operand itself, as a value of its own: a gradient by it is by this place only.",
        source: LANGUAGE,
    },
];
