//! Expressions, loosest first:
//! `if`, `else` · `|>` · `or` · `and` · `not` · comparisons · `+ -` · `* / div mod` · unary `-`, reducers · `^` ·
//! calls, indices, `.`

use super::{Brackets, MAX_DEPTH, Parsed, Parser};
use crate::diagnostic::Span;
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, GroupPart, Index, IndexArg, Name, Reducer, UnaryOp};
use crate::syntax::lexer::{Token, TokenKind};

const ARGUMENTS: Brackets = Brackets::round("`(` and the arguments", "an argument");
const GROUP: Brackets = Brackets::round("`(`", "an expression");
const COUNT: Brackets = Brackets::round("`(` and the number of copies", "the number of copies");
const ARRAY: Brackets = Brackets::square("`[`", "an element");
const READ: Brackets = Brackets::square("`[`", "an index");
const BINDER: Brackets = Brackets::square("`[` and the indices to go over", "an index");
const TUPLE: Brackets = Brackets::round("`(`", "an index");

/// Levels of binary operators; a larger one binds tighter.
mod level {
    pub const OR: u8 = 1;
    pub const AND: u8 = 2;
    pub const NOT: u8 = 3;
    pub const COMPARISON: u8 = 4;
    pub const SUM: u8 = 5;
    pub const PRODUCT: u8 = 6;
}

/// An expression and the height of its tree, which chains of operators grow without recursion here, but not in
/// the rooms that walk it.
pub(super) struct Tree {
    pub(super) expr: Expr,
    height: u32,
}

impl Tree {
    fn leaf(span: Span, kind: ExprKind) -> Self {
        Tree { expr: Expr { span, kind }, height: 1 }
    }

    fn boxed(self) -> Box<Expr> {
        Box::new(self.expr)
    }
}

/// The binary operator that a token is, and its level.
fn binary_operator(kind: TokenKind) -> Option<(BinaryOp, u8)> {
    Some(match kind {
        TokenKind::Or => (BinaryOp::Or, level::OR),
        TokenKind::And => (BinaryOp::And, level::AND),
        TokenKind::EqEq => (BinaryOp::Eq, level::COMPARISON),
        TokenKind::NotEq => (BinaryOp::Ne, level::COMPARISON),
        TokenKind::Less => (BinaryOp::Lt, level::COMPARISON),
        TokenKind::LessEq => (BinaryOp::Le, level::COMPARISON),
        TokenKind::Greater => (BinaryOp::Gt, level::COMPARISON),
        TokenKind::GreaterEq => (BinaryOp::Ge, level::COMPARISON),
        TokenKind::Plus => (BinaryOp::Add, level::SUM),
        TokenKind::Minus => (BinaryOp::Sub, level::SUM),
        TokenKind::Star => (BinaryOp::Mul, level::PRODUCT),
        TokenKind::Slash => (BinaryOp::Div, level::PRODUCT),
        TokenKind::Div => (BinaryOp::IntDiv, level::PRODUCT),
        TokenKind::Mod => (BinaryOp::Mod, level::PRODUCT),
        _ => return None,
    })
}

fn reducer(word: &str) -> Reducer {
    match word {
        "sum" => Reducer::Sum,
        "mean" => Reducer::Mean,
        "max" => Reducer::Max,
        "min" => Reducer::Min,
        "prod" => Reducer::Prod,
        "argmax" => Reducer::Argmax,
        "argmin" => Reducer::Argmin,
        "any" => Reducer::Any,
        "all" => Reducer::All,
        _ => unreachable!("the lexer calls only these words reducers"),
    }
}

impl Parser<'_> {
    /// `expr = "if" or "then" pipe "else" expr | read "else" or | pipe`
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.whole().map(|tree| tree.expr)
    }

    /// A condition: an expression of the level of `or`.
    pub(super) fn condition(&mut self) -> Parsed<Expr> {
        self.binary(level::OR).map(|tree| tree.expr)
    }

    /// A size or a range: an expression of the level of `+`.
    pub(super) fn size_expr(&mut self) -> Parsed<Expr> {
        self.size().map(|tree| tree.expr)
    }

    fn size(&mut self) -> Parsed<Tree> {
        self.nested(|p| p.binary(level::SUM))
    }

    /// `type = NAME [ arguments ]`, after a colon: `class(10)`
    pub(super) fn type_expr(&mut self) -> Parsed<Expr> {
        if !self.at(TokenKind::Name) {
            return Err(self.unexpected("a type such as `class(10)`"));
        }
        let token = self.bump();
        let name = Tree::leaf(token.span, ExprKind::Name { name: self.name_of(token), primed: false });
        let ty = if self.at_opener(TokenKind::OpenParen) { self.call(name)? } else { name };
        Ok(ty.expr)
    }

    /// Makes a node over children of at most this height.
    fn grow(&mut self, span: Span, kind: ExprKind, below: u32) -> Parsed<Tree> {
        if below >= MAX_DEPTH {
            return Err(self.too_deep(self.behind()));
        }
        Ok(Tree { expr: Expr { span, kind }, height: below + 1 })
    }

    fn whole(&mut self) -> Parsed<Tree> {
        self.nested(|p| if p.at(TokenKind::If) { p.choice() } else { p.pipe_or_default() })
    }

    /// `"if" or "then" pipe "else" expr`
    fn choice(&mut self) -> Parsed<Tree> {
        let start = self.bump().span;
        let condition = self.binary(level::OR)?;
        self.expect(TokenKind::Then, "`then`")?;
        let then = self.pipe()?;
        self.expect(TokenKind::Else, "`else` and the other value")?;
        let otherwise = self.whole()?;
        let below = condition.height.max(then.height).max(otherwise.height);
        let kind =
            ExprKind::If { condition: condition.boxed(), then: then.boxed(), otherwise: otherwise.boxed() };
        self.grow(self.since(start), kind, below)
    }

    /// `read "else" or | pipe`
    fn pipe_or_default(&mut self) -> Parsed<Tree> {
        let value = self.pipe()?;
        if !self.at(TokenKind::Else) {
            return Ok(value);
        }
        if !matches!(value.expr.kind, ExprKind::Index { .. }) {
            return Err(self.misplaced_default(self.token(), Some(&value.expr)));
        }
        self.bump();
        let default = self.binary(level::OR)?;
        let (span, below) = (self.since(value.expr.span), value.height.max(default.height));
        self.grow(span, ExprKind::Default { read: value.boxed(), default: default.boxed() }, below)
    }

    /// `pipe = or { "|>" stage }`
    fn pipe(&mut self) -> Parsed<Tree> {
        let first = self.binary(level::OR)?;
        if !self.at(TokenKind::Pipe) {
            return Ok(first);
        }
        let (start, mut below) = (first.expr.span, first.height);
        let mut stages = vec![first.expr];
        while self.eat(TokenKind::Pipe) {
            let stage = self.instance()?;
            below = below.max(stage.height);
            stages.push(stage.expr);
        }
        self.grow(self.since(start), ExprKind::Pipe(stages), below)
    }

    /// Operators of at least this level, by precedence climbing. All associate to the left, comparisons not at all.
    fn binary(&mut self, at_least: u8) -> Parsed<Tree> {
        let mut left =
            if at_least <= level::NOT && self.at(TokenKind::Not) { self.negation()? } else { self.unary()? };
        while let Some((op, level)) = binary_operator(self.kind()).filter(|(_, level)| *level >= at_least) {
            let operator = self.bump();
            let right = self.binary(level + 1)?;
            if level == level::PRODUCT {
                self.check_reducer_ends(operator, &right.expr);
            }
            let (span, below) = (left.expr.span.to(right.expr.span), left.height.max(right.height));
            left =
                self.grow(span, ExprKind::Binary { op, left: left.boxed(), right: right.boxed() }, below)?;
            if level == level::COMPARISON
                && matches!(binary_operator(self.kind()), Some((_, level::COMPARISON)))
            {
                return Err(self.comparison_chain(span, self.token()));
            }
        }
        Ok(left)
    }

    /// `"not" comparison`, where comparison may begin with `not` again
    fn negation(&mut self) -> Parsed<Tree> {
        let start = self.bump().span;
        let value = self.nested(|p| p.binary(level::NOT))?;
        let below = value.height;
        self.grow(self.since(start), ExprKind::Unary { op: UnaryOp::Not, value: value.boxed() }, below)
    }

    /// `unary = "-" unary | REDUCER "[" index { "," index } "]" product | power`
    fn unary(&mut self) -> Parsed<Tree> {
        match self.kind() {
            TokenKind::Minus => {
                let start = self.bump().span;
                let value = self.nested(Self::unary)?;
                let below = value.height;
                self.grow(
                    self.since(start),
                    ExprKind::Unary { op: UnaryOp::Neg, value: value.boxed() },
                    below,
                )
            }
            TokenKind::Reducer if self.ahead(1).kind == TokenKind::OpenBracket => self.reduction(),
            _ => self.power(),
        }
    }

    fn reduction(&mut self) -> Parsed<Tree> {
        let word = self.bump();
        let mut below = 0;
        let (indices, _) = self.list1(BINDER, |p| p.index_under(&mut below))?;
        let body = self.nested(|p| p.binary(level::PRODUCT))?;
        below = below.max(body.height);
        let kind = ExprKind::Reduce { reducer: reducer(self.slice(word.span)), indices, body: body.boxed() };
        self.grow(self.since(word.span), kind, below)
    }

    /// A reducer right of `*` whose body goes on over a product would read two ways.
    fn check_reducer_ends(&mut self, operator: Token, right: &Expr) {
        match &right.kind {
            ExprKind::Reduce { body, .. } if is_product(body) => self.open_reducer(operator, right.span),
            ExprKind::Reduce { body: inner, .. } | ExprKind::Unary { value: inner, .. } => {
                self.check_reducer_ends(operator, inner);
            }
            ExprKind::Binary { op: BinaryOp::Pow, right, .. } => self.check_reducer_ends(operator, right),
            _ => {}
        }
    }

    /// `power = instance [ "^" unary ]`
    fn power(&mut self) -> Parsed<Tree> {
        let base = self.instance()?;
        if !self.at(TokenKind::Caret) {
            return Ok(base);
        }
        let operator = self.bump();
        let exponent = self.nested(Self::unary)?;
        self.check_reducer_ends(operator, &exponent.expr);
        let (span, below) = (base.expr.span.to(exponent.expr.span), base.height.max(exponent.height));
        let kind = ExprKind::Binary { op: BinaryOp::Pow, left: base.boxed(), right: exponent.boxed() };
        self.grow(span, kind, below)
    }

    /// `instance = [ NAME ":" ] ( "repeat" "(" expr ")" instance | postfix )`; also a stage of a pipe
    fn instance(&mut self) -> Parsed<Tree> {
        if self.at_name_then(TokenKind::Colon) {
            let label = self.expect_name("a label")?;
            self.bump();
            if !matches!(self.kind(), TokenKind::Name | TokenKind::Repeat | TokenKind::OpenParen) {
                return Err(self.unexpected("the layer that the label names"));
            }
            let value = self.unlabelled()?;
            let (span, below) = (self.since(label.span), value.height);
            return self.grow(span, ExprKind::Labelled { label, value: value.boxed() }, below);
        }
        self.unlabelled()
    }

    fn unlabelled(&mut self) -> Parsed<Tree> {
        if !self.at(TokenKind::Repeat) {
            return self.postfix();
        }
        let start = self.bump().span;
        let open = self.open_bracket(COUNT)?;
        let count = self.whole()?;
        self.close_bracket(open, COUNT)?;
        let stage = self.nested(Self::instance)?;
        let below = count.height.max(stage.height);
        let kind = ExprKind::Repeat { count: count.boxed(), stage: stage.boxed() };
        self.grow(self.since(start), kind, below)
    }

    /// `postfix = primary { "(" args ")" | "[" reads "]" | "." NAME }`; a literal takes none of them
    fn postfix(&mut self) -> Parsed<Tree> {
        let mut base = self.primary()?;
        if is_literal(&base.expr) {
            return Ok(base);
        }
        loop {
            base = if self.at_opener(TokenKind::OpenParen) {
                self.call(base)?
            } else if self.at_opener(TokenKind::OpenBracket) {
                self.read(base)?
            } else if self.at_opener(TokenKind::Dot) {
                self.field(base)?
            } else {
                return Ok(base);
            };
        }
    }

    fn call(&mut self, callee: Tree) -> Parsed<Tree> {
        let mut below = callee.height;
        let (args, brackets) = self.list(ARGUMENTS, |p| {
            let name = match p.at_name_then(TokenKind::Equals) {
                true => Some(p.expect_name("an argument")?),
                false => None,
            };
            if name.is_some() {
                p.bump();
            }
            let value = p.whole()?;
            below = below.max(value.height);
            Ok(Arg { name, value: value.expr })
        })?;
        let span = callee.expr.span.to(brackets);
        self.grow(span, ExprKind::Call { callee: callee.boxed(), args }, below)
    }

    fn read(&mut self, base: Tree) -> Parsed<Tree> {
        let mut below = base.height;
        let (indices, brackets) = self.list1(READ, |p| p.index_arg(&mut below))?;
        let span = base.expr.span.to(brackets);
        self.grow(span, ExprKind::Index { base: base.boxed(), indices }, below)
    }

    /// `read = expr [ ".." expr ] | ".." NAME`, where an expression may be a tuple `(c, i, j)`
    fn index_arg(&mut self, below: &mut u32) -> Parsed<IndexArg> {
        if self.eat(TokenKind::DotDot) {
            return Ok(IndexArg::Pack(self.expect_name("the name of the remaining axes")?));
        }
        if self.at_name_then(TokenKind::Colon) {
            let help = "a range is given where an index is bound: on the left side or after a reducer".into();
            self.bump();
            return Err(self.unexpected_with("`,` or `]`", Some(help)));
        }
        self.tuple_at = Some(self.pos);
        let first = self.whole()?;
        *below = first.height.max(*below);
        if !self.eat(TokenKind::DotDot) {
            return Ok(IndexArg::Expr(first.expr));
        }
        let last = self.whole()?;
        *below = last.height.max(*below);
        Ok(IndexArg::Range { first: first.expr, last: last.expr })
    }

    /// `"." NAME`; copies of a repeat have numbers as names, and `.0.1` reaches the lexer as one number
    fn field(&mut self, mut base: Tree) -> Parsed<Tree> {
        self.bump();
        let token = self.token();
        let is_number =
            self.at(TokenKind::Number) && self.word().bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !is_number && !matches!(self.kind(), TokenKind::Name | TokenKind::Reducer) {
            return Err(self.unexpected("the name of a part"));
        }
        self.bump();
        let mut start = token.span.start;
        for part in self.slice(token.span).split('.') {
            let span = Span { start, end: start + part.len() as u32, ..token.span };
            start = span.end + 1;
            let (whole, below) = (base.expr.span.to(span), base.height);
            let name = Name { text: part.to_string(), span };
            base = self.grow(whole, ExprKind::Field { base: base.boxed(), name }, below)?;
        }
        Ok(base)
    }

    /// `primary = NUMBER | PERCENT | TEXT | NAME [ "'" ] | "(" expr ")" | "[" [ expr { "," expr } ] "]"`
    fn primary(&mut self) -> Parsed<Tree> {
        if self.at_next_statement() {
            return Err(self.missing_operand());
        }
        let token = self.token();
        match self.kind() {
            TokenKind::Number | TokenKind::Percent => self.number(),
            TokenKind::BadNumber => Err(self.bad_number(token, "a number runs into a word here")),
            TokenKind::Text => {
                self.bump();
                Ok(Tree::leaf(token.span, ExprKind::String(unquoted(self.slice(token.span)))))
            }
            TokenKind::Reducer if self.ahead(1).kind == TokenKind::OpenParen => Ok(self.name()),
            TokenKind::Name => Ok(self.name()),
            TokenKind::OpenParen => self.group(),
            TokenKind::OpenBracket => self.array(),
            TokenKind::If => {
                let help =
                    "a choice inside an expression stands in parentheses: `(if c then a else b)`".into();
                Err(self.unexpected_with("an expression", Some(help)))
            }
            TokenKind::Not => Err(self.unexpected_with(
                "an expression",
                Some("put the condition in parentheses: `(not a)`".into()),
            )),
            _ => Err(self.unexpected("an expression")),
        }
    }

    fn name(&mut self) -> Tree {
        let token = self.bump();
        let name = self.name_of(token);
        let primed = self.eat(TokenKind::Prime);
        Tree::leaf(self.since(token.span), ExprKind::Name { name, primed })
    }

    fn number(&mut self) -> Parsed<Tree> {
        let token = self.bump();
        let text = self.slice(token.span).to_string();
        let value: f64 = text.trim_end_matches('%').parse().expect("the lexer's numbers are Rust's");
        if value.is_infinite() {
            return Err(self.bad_number(token, "this is beyond the largest number; `inf` is written so"));
        }
        let kind = match token.kind {
            TokenKind::Percent => ExprKind::Percent { value: value / 100.0, text },
            _ => ExprKind::Number { value, text },
        };
        Ok(Tree::leaf(token.span, kind))
    }

    /// `"(" expr ")"`, and directly in an index `"(" expr "," expr { "," expr } ")"`
    fn group(&mut self) -> Parsed<Tree> {
        let tuple_allowed = self.tuple_at == Some(self.pos);
        let open = self.open_bracket(GROUP)?;
        let first = self.whole()?;
        if tuple_allowed && self.at(TokenKind::Comma) {
            return self.tuple(open, first);
        }
        let close = self.close_bracket(open, GROUP)?;
        let below = first.height;
        self.grow(open.span.to(close.span), ExprKind::Group(first.boxed()), below)
    }

    /// The rest of a tuple, which is a whole index: `,` or `]` follows.
    fn tuple(&mut self, open: Token, first: Tree) -> Parsed<Tree> {
        let mut below = first.height;
        let mut parts = vec![first.expr];
        while self.eat(TokenKind::Comma) {
            let part = self.whole()?;
            below = below.max(part.height);
            parts.push(part.expr);
        }
        let close = self.close_bracket(open, TUPLE)?;
        if !matches!(self.kind(), TokenKind::Comma | TokenKind::CloseBracket) {
            let help = "indices grouped in parentheses make one index; there is no arithmetic on it".into();
            return Err(self.unexpected_with("`,` or `]`", Some(help)));
        }
        self.grow(open.span.to(close.span), ExprKind::Tuple(parts), below)
    }

    fn array(&mut self) -> Parsed<Tree> {
        let mut below = 0;
        let (elements, span) = self.list(ARRAY, |p| {
            let element = p.whole()?;
            below = below.max(element.height);
            Ok(element.expr)
        })?;
        self.grow(span, ExprKind::Array(elements), below)
    }

    /// `index = one | "(" one { "," one } ")" | ".." NAME`, `one = NAME [ ":" sum ]`, where an index is bound
    pub(super) fn index(&mut self) -> Parsed<Index> {
        self.index_under(&mut 0)
    }

    /// `"(" one { "," one } ")" | "(" ".." NAME ")"`
    fn index_group(&mut self, below: &mut u32) -> Parsed<Index> {
        let (mut first, mut pack) = (true, None);
        let (parts, span) = self.list1(TUPLE, |p| {
            if std::mem::take(&mut first) && p.eat(TokenKind::DotDot) {
                let name = p.expect_name("the name of the remaining axes")?;
                pack = Some(name.clone());
                if p.kind() != TokenKind::CloseParen {
                    let help = "a pack is grouped by itself: `y[(..S)]`".into();
                    return Err(p.unexpected_with("`)`", Some(help)));
                }
                return Ok(GroupPart { name, range: None });
            }
            let name = p.expect_name("the name of an index")?;
            Ok(GroupPart { name, range: p.index_range(below)? })
        })?;
        Ok(match pack {
            None => Index::Group { parts, span },
            Some(pack) => Index::PackGroup { pack, span },
        })
    }

    /// The same; raises `below` to the height of the range.
    fn index_under(&mut self, below: &mut u32) -> Parsed<Index> {
        match self.kind() {
            TokenKind::DotDot => {
                self.bump();
                Ok(Index::Pack(self.expect_name("the name of the remaining axes")?))
            }
            TokenKind::OpenParen => self.index_group(below),
            TokenKind::Name => {
                let name = self.expect_name("the name of an index")?;
                if self.kind().is_binary_operator() {
                    let help = "an index is bound by its name alone; arithmetic on it stands in reads".into();
                    return Err(self.unexpected_with("`,` or `]`", Some(help)));
                }
                Ok(Index::Name { name, range: self.index_range(below)? })
            }
            _ => Err(self.unexpected_with("the name of an index", self.index_help())),
        }
    }

    /// `[ ":" sum ]`
    fn index_range(&mut self, below: &mut u32) -> Parsed<Option<Expr>> {
        if !self.eat(TokenKind::Colon) {
            return Ok(None);
        }
        let range = self.size()?;
        *below = range.height.max(*below);
        Ok(Some(range.expr))
    }

    fn index_help(&self) -> Option<String> {
        match self.kind() {
            TokenKind::Number => {
                Some("an equation defines all elements: give the index a name, `x[i] = ...`".into())
            }
            _ => None,
        }
    }
}

fn is_literal(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Number { .. } | ExprKind::Percent { .. } | ExprKind::String(_))
}

/// Whether an expression is a product that is not in parentheses.
fn is_product(expr: &Expr) -> bool {
    matches!(
        expr.kind,
        ExprKind::Binary { op: BinaryOp::Mul | BinaryOp::Div | BinaryOp::IntDiv | BinaryOp::Mod, .. }
    )
}

/// A text without its quotes and escapes: `\"` and `\\`; any other backslash is one.
pub(super) fn unquoted(quoted: &str) -> String {
    let inner = &quoted[1..quoted.len() - 1];
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars().peekable();
    while let Some(c) = characters.next() {
        let escaped = c == '\\' && matches!(characters.peek(), Some('"' | '\\'));
        text.push(if escaped { characters.next().expect("it was just seen") } else { c });
    }
    text
}
