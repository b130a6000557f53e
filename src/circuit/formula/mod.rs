//! Textbook formulas: the notation of the gates' vector-Jacobian products and of rewrite rules.
//!
//! A formula is an expression of the language over scalars (precedence as there) in which a bare name is a
//! variable, and `absent` stands for a term that is not there. `a > b` is read as `b < a`.

#[cfg(test)]
mod tests;

use super::gates::{self, Form, GATES, Gate};
use std::sync::LazyLock;

/// A formula over gates.
#[derive(Clone, PartialEq, Debug)]
pub enum Formula {
    /// A number; also `pi`, `inf` and a number with its sign.
    Number(f64),
    /// Any other bare name.
    Variable(String),
    /// A gate on formulas, as many as its arity.
    Gate(Gate, Vec<Formula>),
    /// A structural zero: the term is not there.
    Absent,
}

/// The vector-Jacobian product of a gate, a formula for each operand in `a`, `b`, `c`, `y` and `g` (see
/// [`gates::Row::vjp`]); `None` where nothing flows back.
pub fn vjp(gate: Gate) -> &'static [Option<Formula>] {
    static PARSED: LazyLock<Vec<Vec<Option<Formula>>>> = LazyLock::new(|| {
        let parse = |text: &&str| (!text.is_empty()).then(|| Formula::of(text));
        GATES.iter().map(|row| row.vjp.iter().map(parse).collect()).collect()
    });
    &PARSED[gate.index()]
}

impl Formula {
    /// Reads a formula.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn parse(text: &str) -> Result<Formula, String> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0 };
        let formula = parser.expression()?;
        match parser.peek() {
            None => Ok(formula),
            Some(token) => Err(format!("`{token}` after the end of a formula")),
        }
    }

    /// Reads a formula of one of the compiler's own tables.
    ///
    /// # Panics
    /// If the text is not a formula; a test reads all rows of each table.
    pub fn of(text: &str) -> Formula {
        Formula::parse(text).unwrap_or_else(|what| panic!("{text}: {what}"))
    }

    /// The value in f64, given that of each variable. A term that is absent counts as 0, and a branch not taken
    /// takes no part.
    pub fn value(&self, of: &dyn Fn(&str) -> f64) -> f64 {
        match self {
            Formula::Number(number) => *number,
            Formula::Variable(name) => of(name),
            Formula::Absent => 0.0,
            Formula::Gate(gate, args) => {
                let args: Vec<f64> = args.iter().map(|arg| arg.value(of)).collect();
                (gate.row().value)(&args)
            }
        }
    }

    /// Calls `f` with the name of each variable, in order, with repeats.
    pub fn for_each_variable<'a>(&'a self, f: &mut impl FnMut(&'a str)) {
        match self {
            Formula::Number(_) | Formula::Absent => {}
            Formula::Variable(name) => f(name),
            Formula::Gate(_, args) => args.iter().for_each(|arg| arg.for_each_variable(f)),
        }
    }
}

/// Signs of more than one character come before those that they begin with.
const SIGNS: [&str; 14] = ["==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "^", "(", ")", ","];

/// Words that are not variables.
const WORDS: [&str; 9] = ["if", "then", "else", "or", "and", "not", "div", "mod", "absent"];

/// Cuts a text into numbers, names and signs.
fn tokens(text: &str) -> Result<Vec<&str>, String> {
    let mut tokens = vec![];
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = if first.is_ascii_digit() {
            number_length(rest)
        } else if first.is_alphabetic() || first == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else {
            let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
            sign.ok_or_else(|| format!("`{first}` has no meaning in a formula"))?.len()
        };
        tokens.push(&rest[..length]);
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// The length of the number that a text begins with: digits, a point, an exponent with its sign.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let belongs = |k: usize| {
        let signed = matches!(bytes[k], b'+' | b'-') && matches!(bytes[k - 1], b'e' | b'E');
        signed || matches!(bytes[k], b'0'..=b'9' | b'.' | b'e' | b'E')
    };
    (1..bytes.len()).find(|&k| !belongs(k)).unwrap_or(bytes.len())
}

/// The gate that a sign between two operands means.
fn infix(sign: &str) -> Gate {
    let meant = |gate: &Gate| matches!(gate.row().form, Form::Infix(written) if written == sign);
    Gate::all().find(meant).expect("every sign read here has its gate")
}

/// One method for each level of precedence, loosest first.
struct Parser<'a> {
    tokens: Vec<&'a str>,
    at: usize,
}

type Parsed = Result<Formula, String>;

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.at).copied()
    }

    fn eat(&mut self, token: &str) -> bool {
        self.eat_any(&[token]).is_some()
    }

    fn eat_any(&mut self, tokens: &[&str]) -> Option<&'a str> {
        let found = self.peek().filter(|token| tokens.contains(token))?;
        self.at += 1;
        Some(found)
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        let found = self.peek().unwrap_or("the end");
        if self.eat(token) { Ok(()) } else { Err(format!("expected `{token}`, found `{found}`")) }
    }

    fn expression(&mut self) -> Parsed {
        if !self.eat("if") {
            return self.or();
        }
        let condition = self.or()?;
        self.expect("then")?;
        let yes = self.expression()?;
        self.expect("else")?;
        let no = self.expression()?;
        Ok(Formula::Gate(gates::SELECT, vec![condition, yes, no]))
    }

    /// Operands joined by any of the signs, from the left.
    fn chain(&mut self, signs: &[&str], operand: fn(&mut Self) -> Parsed) -> Parsed {
        let mut left = operand(self)?;
        while let Some(sign) = self.eat_any(signs) {
            left = Formula::Gate(infix(sign), vec![left, operand(self)?]);
        }
        Ok(left)
    }

    fn or(&mut self) -> Parsed {
        self.chain(&["or"], Self::and)
    }

    fn and(&mut self) -> Parsed {
        self.chain(&["and"], Self::not)
    }

    fn not(&mut self) -> Parsed {
        if self.eat("not") {
            return Ok(Formula::Gate(gates::NOT, vec![self.not()?]));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Parsed {
        let left = self.sum()?;
        let Some(sign) = self.eat_any(&["==", "!=", "<=", ">=", "<", ">"]) else { return Ok(left) };
        let right = self.sum()?;
        Ok(match sign {
            ">" => Formula::Gate(gates::LT, vec![right, left]),
            ">=" => Formula::Gate(gates::LE, vec![right, left]),
            _ => Formula::Gate(infix(sign), vec![left, right]),
        })
    }

    fn sum(&mut self) -> Parsed {
        self.chain(&["+", "-"], Self::product)
    }

    fn product(&mut self) -> Parsed {
        self.chain(&["*", "/", "div", "mod"], Self::unary)
    }

    fn unary(&mut self) -> Parsed {
        if !self.eat("-") {
            return self.power();
        }
        Ok(match self.unary()? {
            Formula::Number(number) => Formula::Number(-number),
            formula => Formula::Gate(gates::NEG, vec![formula]),
        })
    }

    fn power(&mut self) -> Parsed {
        let base = self.primary()?;
        if !self.eat("^") {
            return Ok(base);
        }
        Ok(Formula::Gate(gates::POW, vec![base, self.unary()?]))
    }

    fn primary(&mut self) -> Parsed {
        let token = self.peek().ok_or("a formula ends too early")?;
        self.at += 1;
        if token == "(" {
            let inner = self.expression()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if token.starts_with(|c: char| c.is_ascii_digit()) {
            return token.parse().map(Formula::Number).map_err(|_| format!("`{token}` is not a number"));
        }
        if SIGNS.contains(&token) || WORDS.contains(&token) && token != "absent" {
            return Err(format!("`{token}` where an operand should be"));
        }
        if self.eat("(") { self.call(token) } else { Ok(name(token)) }
    }

    /// The operands of a call, after its opening parenthesis.
    fn call(&mut self, name: &str) -> Parsed {
        let gate = Gate::called(name).ok_or_else(|| format!("no gate is called `{name}`"))?;
        let mut args = vec![self.expression()?];
        while self.eat(",") {
            args.push(self.expression()?);
        }
        self.expect(")")?;
        if args.len() != gate.row().arity {
            return Err(format!("`{name}` takes {} operands, not {}", gate.row().arity, args.len()));
        }
        Ok(Formula::Gate(gate, args))
    }
}

fn name(token: &str) -> Formula {
    match token {
        "absent" => Formula::Absent,
        "pi" => Formula::Number(std::f64::consts::PI),
        "inf" => Formula::Number(f64::INFINITY),
        _ => Formula::Variable(token.to_string()),
    }
}
