//! The rewrite rules for gates, one a row.

use crate::circuit::formula::Formula;
use crate::circuit::{Gate, gates};
use std::sync::LazyLock;

/// A directed rule: what the left side matches becomes the right side.
pub(crate) struct Row {
    /// `left => right`. A name stands for any value, but `m` and `n` for numbers.
    pub rule: &'static str,
    /// Side conditions; all must hold.
    pub when: &'static [When],
}

/// A side condition.
#[derive(Clone, Copy)]
pub(crate) enum When {
    /// A value is known to be 0 or more.
    NotNegative(&'static str),
    /// Something about the numbers `m` and `n` (0 where the rule has none), in words too.
    Numbers(&'static str, fn(m: f64, n: f64) -> bool),
}

/// Rules of one kind, and why they may be used.
pub(crate) struct Family {
    /// By which it is called.
    pub name: &'static str,
    /// Why both sides are the same, and why the right one is better.
    pub why: &'static str,
    /// Where that comes from.
    pub source: &'static str,
    /// The rules.
    pub rows: &'static [Row],
}

const FIELD: &str =
    "The laws of a field, as far as IEEE 754 keeps them: what is not exact is off by a rounding.";
const SIGNS: &str = "IEEE 754: a change of sign is exact, and rounding is the same for both signs.";
const LOGIC: &str = "Boolean algebra.";
const CHOICES: &str =
    "The laws of choices: McCarthy, A Basis for a Mathematical Theory of Computation, 1963.";

const fn always(rule: &'static str) -> Row {
    Row { rule, when: &[] }
}

const fn when(rule: &'static str, when: &'static [When]) -> Row {
    Row { rule, when }
}

/// The number is written with a minus sign.
const NEGATIVE: &[When] = &[When::Numbers("n < 0", |_, n| n < 0.0)];

/// Whether `m * (n * a)` can become `(m * n) * a`. The product must not overflow where the left side does not, nor
/// the other way round: `n * a` may overflow only where `m` does not bring it back.
fn joinable(m: f64, n: f64) -> bool {
    is_proper(m) && is_proper(n) && is_proper(m * n) && (n.abs() <= 1.0 || m.abs() >= 1.0)
}

const JOINABLE: &[When] = &[When::Numbers(
    "m * n neither overflows nor vanishes, and n * a not where m would bring it back",
    joinable,
)];

/// Multiples of one value join where nothing cancels: what is left of a difference is mostly rounding.
const SUM: &[When] = &[When::Numbers("m and n have one sign", |m, n| is_proper(m + n) && m * n > 0.0)];
const SUM_WITH_ONE: &[When] = &[When::Numbers("n > 0", |_, n| is_proper(n + 1.0) && n > 0.0)];

fn is_proper(number: f64) -> bool {
    number.is_finite() && number != 0.0
}

/// The table. The first row that matches is used.
pub(crate) const FAMILIES: &[Family] = &[
    Family {
        name: "apart",
        why: "`same` sets a name apart from the value it names, so that a gradient by it is by this name only. Once the gradient is taken it has done its work.",
        source: "Defined by the language.",
        rows: &[always("same(a) => a")],
    },
    Family {
        name: "neutral",
        why: "Adding 0, multiplying or dividing by 1 and raising to the power of 1 change nothing. The sign of a zero is not kept. `0 * x` is not among these: it is NaN for an infinite x.",
        source: FIELD,
        rows: &[
            always("a + 0 => a"),
            always("0 + a => a"),
            always("a - 0 => a"),
            always("0 - a => -a"),
            always("a * 1 => a"),
            always("1 * a => a"),
            always("a / 1 => a"),
            always("a ^ 1 => a"),
        ],
    },
    Family {
        name: "signs",
        why: "Signs come out of products, go into sums, and into numbers, so that equal values look equal and a sign is computed once.",
        source: SIGNS,
        rows: &[
            always("a * -1 => -a"),
            always("-1 * a => -a"),
            always("a / -1 => -a"),
            always("-(-a) => a"),
            always("-(a - b) => b - a"),
            always("-(n * a) => (-n) * a"),
            always("-a * b => -(a * b)"),
            always("a * -b => -(a * b)"),
            always("-a / b => -(a / b)"),
            always("a / -b => -(a / b)"),
            always("-a + -b => -(a + b)"),
            always("a + -b => a - b"),
            always("-a + b => b - a"),
            always("a - -b => a + b"),
            always("-a - b => -(a + b)"),
            when("a + n => a - (-n)", NEGATIVE),
            when("a - n => a + (-n)", NEGATIVE),
            when("a + n * b => a - (-n) * b", NEGATIVE),
            when("a - n * b => a + (-n) * b", NEGATIVE),
        ],
    },
    Family {
        name: "numbers",
        why: "Numbers come first in products and join, so that a product with several is one with one. Multiples of one value join where nothing cancels.",
        source: FIELD,
        rows: &[
            always("a * n => n * a"),
            always("a + a => 2 * a"),
            when("m * a + n * a => (m + n) * a", SUM),
            when("n * a + a => (n + 1) * a", SUM_WITH_ONE),
            when("a + n * a => (n + 1) * a", SUM_WITH_ONE),
            when("m * (n * a) => (m * n) * a", JOINABLE),
        ],
    },
    Family {
        name: "quotients",
        why: "A product with a reciprocal is a quotient: one operation, and one rounding. `1 / a` overflows where `a` is within a rounding of 0, as `b / a` does. Powers that are whole and small are products; what undoes what came before falls out.",
        source: FIELD,
        rows: &[
            always("1 / a * b => b / a"),
            always("a * (1 / b) => a / b"),
            always("a ^ 2 => a * a"),
            always("a ^ -1 => 1 / a"),
            when("exp(log(a)) => a", &[When::NotNegative("a")]),
            always("max(a, a) => a"),
            always("min(a, a) => a"),
            always("abs(abs(a)) => abs(a)"),
            always("abs(-a) => abs(a)"),
        ],
    },
    Family {
        name: "conditions",
        why: "What is asked twice is asked once, and what is certain not at all.",
        source: LOGIC,
        rows: &[
            always("not (not a) => a"),
            always("not (a == b) => a != b"),
            always("not (a != b) => a == b"),
            always("a and a => a"),
            always("a or a => a"),
            always("a and 1 => a"),
            always("1 and a => a"),
            always("a and 0 => 0"),
            always("0 and a => 0"),
            always("a or 0 => a"),
            always("0 or a => a"),
            always("a and (a and b) => a and b"),
            always("(a and b) and b => a and b"),
            always("(a and b) and a => a and b"),
        ],
    },
    Family {
        name: "choices",
        why: "A choice whose condition is known is one of its branches; choices by one condition become one, and signs and numbers come out.",
        source: CHOICES,
        rows: &[
            when("if n then a else b => a", &[When::Numbers("n is not 0", |_, n| n != 0.0)]),
            when("if n then a else b => b", &[When::Numbers("n is 0", |_, n| n == 0.0)]),
            always("if c then a else a => a"),
            always("if not c then a else b => if c then b else a"),
            always("if c then (if c then a else b) else d => if c then a else d"),
            always("if c then a else (if c then b else d) => if c then a else d"),
            always("if c then (if d then a else n) else n => if c and d then a else n"),
            always("if c then -a else 0 => -(if c then a else 0)"),
            always("if c then 0 else -a => -(if c then 0 else a)"),
            when("if c then n else 0 => -(if c then -n else 0)", NEGATIVE),
            when("if c then 0 else n => -(if c then 0 else -n)", NEGATIVE),
        ],
    },
];

/// All rules, in the order of the table.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    FAMILIES.iter().flat_map(|family| family.rows)
}

/// A row, read.
pub(crate) struct Rule {
    pub left: Formula,
    pub right: Formula,
    pub when: &'static [When],
}

/// The rules whose left side is this gate, in the order of the table.
pub(super) fn of_gate(gate: Gate) -> &'static [Rule] {
    static RULES: LazyLock<Vec<Vec<Rule>>> = LazyLock::new(|| {
        let of = |gate: Gate| rows().map(Rule::of).filter(move |rule| rule.top() == gate).collect();
        Gate::all().map(of).collect()
    });
    &RULES[gate.index()]
}

impl Rule {
    /// Reads a row.
    ///
    /// # Panics
    /// If it is not a rule; a test reads all rows.
    pub fn of(row: &Row) -> Rule {
        let (left, right) = row.rule.split_once("=>").unwrap_or_else(|| panic!("no arrow in {}", row.rule));
        Rule { left: Formula::of(left), right: Formula::of(right), when: row.when }
    }

    fn top(&self) -> Gate {
        match &self.left {
            Formula::Gate(gate, _) => *gate,
            _ => panic!("the left side of a rule is a gate"),
        }
    }
}

/// Gates whose operands can be exchanged without changing a bit.
pub(super) const COMMUTATIVE: [Gate; 6] =
    [gates::ADD, gates::MUL, gates::EQ, gates::NE, gates::AND, gates::OR];
