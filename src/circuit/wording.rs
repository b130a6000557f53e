//! Gates in a reader's words: how a gate is written, what its value is called, and what its rule says.

use super::Gate;
use super::gates::{ADD, DIV, Form, MUL, NEG, SUB};
use std::sync::LazyLock;

/// Signs whose values have a name in mathematics.
const NOUNS: [(Gate, &str); 5] =
    [(ADD, "sum"), (SUB, "difference"), (MUL, "product"), (DIV, "quotient"), (NEG, "negative")];

/// The names of a gate's operands, in order.
pub const OPERANDS: [&str; 3] = ["a", "b", "c"];

impl Gate {
    /// What its value may be called: `tanh`, `product`.
    pub fn noun(self) -> &'static str {
        NOUNS.iter().find(|(gate, _)| *gate == self).map_or(self.row().name, |(_, noun)| noun)
    }

    /// The gate on its operands, as the language writes it: `a * b`, `tanh(a)`.
    pub fn written(self) -> String {
        let names: Vec<String> = OPERANDS[..self.row().arity].iter().map(ToString::to_string).collect();
        self.written_of(&names)
    }

    /// The gate on operands that are written so. Of a choice only the condition may be known, and what was taken.
    pub fn written_of(self, operands: &[String]) -> String {
        let row = self.row();
        match (row.form, operands) {
            (Form::Infix(sign), [a, b]) => format!("{a} {sign} {b}"),
            (Form::Prefix("-"), [a]) => format!("-{a}"),
            (Form::Prefix(word), [a]) => format!("{word} {a}"),
            (Form::Select, [a, b, c]) => format!("if {a} then {b} else {c}"),
            _ => format!("{}({})", row.name, operands.join(", ")),
        }
    }

    /// What the cotangent of its value gives to that of operand number `k`, as in a textbook: `a_bar = y_bar * (1 - y * y)`.
    /// `None` where no gradient flows.
    pub fn adjoint(self, k: usize) -> Option<String> {
        let formula = self.row().vjp[k];
        (!formula.is_empty()).then(|| format!("{}_bar = {}", OPERANDS[k], in_words(formula)))
    }

    /// Its rule for operand number `k`, whole: `y = tanh(a): a_bar = y_bar * (1 - y * y)`.
    pub fn rule(self, k: usize) -> &'static str {
        static RULES: LazyLock<Vec<Vec<String>>> = LazyLock::new(|| {
            let rule = |gate: Gate, k: usize| match gate.adjoint(k) {
                Some(adjoint) => format!("y = {}: {adjoint}", gate.written()),
                None => format!("y = {}: no slope", gate.written()),
            };
            let rules = |gate: Gate| (0..gate.row().arity).map(|k| rule(gate, k)).collect();
            Gate::all().map(rules).collect()
        });
        &RULES[self.index()][k]
    }
}

/// A formula of the table with the cotangent called `y_bar`, and 0 for a term that is not there.
fn in_words(formula: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut text = String::new();
    let mut rest = formula;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        text.push_str(match word {
            "g" => "y_bar",
            "absent" => "0",
            _ => word,
        });
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_read_as_in_a_textbook() {
        let rule = |name: &str, k: usize| Gate::named(name).expect("a gate").rule(k);
        assert_eq!(rule("tanh", 0), "y = tanh(a): a_bar = y_bar * (1 - y * y)");
        assert_eq!(rule("mul", 1), "y = a * b: b_bar = a * y_bar");
        assert_eq!(rule("max", 0), "y = max(a, b): a_bar = if a >= b then y_bar else 0");
        assert_eq!(rule("select", 0), "y = if a then b else c: no slope");
        assert_eq!(rule("floor", 0), "y = floor(a): no slope");
    }
}
