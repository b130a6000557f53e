//! What the parser says: each function words one kind of mistake.

use super::{Brackets, MAX_DEPTH, Parser, Reported};
use crate::diagnostic::{Diagnostic, Span, codes, nearest};
use crate::syntax::ast::{Expr, ExprKind};
use crate::syntax::lexer::{Token, TokenKind};

impl Parser<'_> {
    /// Something else stands where `what` was expected.
    pub(super) fn unexpected(&mut self, what: &str) -> Reported {
        self.unexpected_with(what, None)
    }

    /// The same, with the likely way out.
    pub(super) fn unexpected_with(&mut self, what: &str, help: Option<String>) -> Reported {
        let token = self.token();
        if token.kind == TokenKind::Foreign && !self.at(TokenKind::Newline) {
            return Reported; // the lexer told it
        }
        let (found, place) = self.found();
        let error = Diagnostic::error(codes::UNEXPECTED_TOKEN, format!("expected {what}, found {found}"))
            .at(place, format!("expected {what}"));
        let error = match help.or_else(|| self.usual_help(token)) {
            Some(help) => error.help(help),
            None => error,
        };
        self.report(error)
    }

    /// What stands here, in words, and where to point.
    fn found(&self) -> (String, Span) {
        let token = self.token();
        let line_ended = token.newline_before && self.pos > 0;
        match self.kind() {
            TokenKind::End => ("the end of the file".into(), self.behind()),
            TokenKind::Newline | TokenKind::CloseBrace if line_ended => {
                ("the end of the line".into(), self.behind())
            }
            _ => (self.shown(token), token.span),
        }
    }

    /// A token as a message shows it.
    pub(super) fn shown(&self, token: Token) -> String {
        let text = self.slice(token.span);
        match token.kind {
            TokenKind::End => "the end of the file".into(),
            TokenKind::Name => format!("the name `{text}`"),
            TokenKind::Number | TokenKind::Percent => format!("the number `{text}`"),
            TokenKind::Text => format!("the text `{text}`"),
            kind if kind.is_reserved() => format!("the reserved word `{text}`"),
            _ => format!("`{text}`"),
        }
    }

    /// Help that depends on the found token alone.
    fn usual_help(&self, token: Token) -> Option<String> {
        let text = self.slice(token.span);
        if self.at(TokenKind::Newline) {
            return None;
        }
        match token.kind {
            TokenKind::Reducer => Some(format!(
                "`{text}` goes over an index, `{text}[i] x[i]`, or is called, `{text}(a, b)`; the word is no free name"
            )),
            kind if kind.is_reserved() => {
                Some(format!("`{text}` belongs to the language; another name is needed"))
            }
            TokenKind::Dot if self.pos > 0 && self.tokens[self.pos - 1].kind == TokenKind::Number => {
                Some("a number ends with a digit: `1` or `1.0`".into())
            }
            TokenKind::Dot if self.ahead(1).kind == TokenKind::Number => {
                Some(format!("a number begins with a digit: `0.{}`", self.slice(self.ahead(1).span)))
            }
            _ => None,
        }
    }

    /// A word begins a line as a keyword would, and is none.
    pub(super) fn unknown_keyword(&mut self, what: &str, words: &[&'static str]) -> Reported {
        let word = self.word();
        let place = self.token().span;
        let article = if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
        let error = Diagnostic::error(codes::UNEXPECTED_TOKEN, format!("`{word}` begins no {what}"))
            .at(place, format!("expected {article} {what}"));
        let begun = words.iter().find(|known| word.starts_with(*known)).copied();
        let help = match nearest(word, words.iter().copied()).or(begun) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if self.ahead(2).kind == TokenKind::Equals => {
                format!("an equation needs no keyword: `{} = ...`", self.slice(self.ahead(1).span))
            }
            None => format!("{article} {what} begins with {}", listed(words)),
        };
        self.report(error.help(help))
    }

    /// A complete statement is followed by something on its line.
    pub(super) fn not_the_end(&mut self) -> Reported {
        let token = self.token();
        let text = self.slice(token.span);
        let help = match token.kind {
            TokenKind::Else => return self.misplaced_default(token, None),
            TokenKind::Equals => Some("`==` compares; one `=` defines what stands left of it".to_string()),
            TokenKind::Then => Some("a choice begins with `if`: `if a > b then a else b`".to_string()),
            TokenKind::OpenBrace => {
                Some("only `if`, splits of data and whole items hold a block".to_string())
            }
            TokenKind::CloseParen | TokenKind::CloseBracket => Some(format!("nothing opens this `{text}`")),
            TokenKind::Comma => Some("several values stand in brackets: `[a, b]`".to_string()),
            TokenKind::Name | TokenKind::Number | TokenKind::OpenParen => Some(
                "a product is written with `*`; a further statement goes on a line of its own".to_string(),
            ),
            _ => None,
        };
        self.unexpected_with("an operator or the end of the line", help)
    }

    /// A list goes on with neither `,` nor its closing bracket: the bracket is missing, or something else is wrong.
    pub(super) fn unclosed(&mut self, open: Token, brackets: Brackets) -> Reported {
        let token = self.token();
        if token.kind == TokenKind::Foreign {
            return Reported;
        }
        let (opener, closer) = (self.slice(open.span), brackets.closer);
        let (found, place) = match token.kind {
            TokenKind::End | TokenKind::CloseBrace => self.found(),
            _ => (self.shown(token), token.span),
        };
        let stray = matches!(token.kind, TokenKind::CloseParen | TokenKind::CloseBracket);
        let closed_later = !stray
            && self.past_brackets(self.pos, 1).is_some_and(|end| self.tokens[end - 1].kind == brackets.close);
        let (code, at_open) = match closed_later {
            true => (codes::UNEXPECTED_TOKEN, "in the list that begins here".to_string()),
            false => (codes::UNCLOSED_BRACKET, format!("this `{opener}` is not closed")),
        };
        let error = Diagnostic::error(code, format!("expected `,` or `{closer}`, found {found}"))
            .at(place, format!("expected `,` or `{closer}`"))
            .at(open.span, at_open);
        self.report(match token.kind {
            TokenKind::Equals => error.help("`==` compares; a named argument is written `name = value`"),
            _ if stray => error.help(format!("close the `{opener}` with `{closer}` first")),
            _ if closed_later => error.help("a `,` stands between the parts of a list"),
            _ => error.help(format!("close it with `{closer}`, or continue the list after a `,`")),
        })
    }

    /// A `}` outside any block.
    pub(super) fn stray_brace(&mut self) {
        let error = Diagnostic::error(codes::UNEXPECTED_TOKEN, "this `}` closes nothing")
            .at(self.token().span, "no block is open here");
        self.report(error.help("remove it, or look above for a `}` too many"));
    }

    /// A block without its `}`.
    pub(super) fn unclosed_block(&mut self, open: Token) {
        let token = self.token();
        if self.unclosed_at.replace(self.pos) == Some(self.pos) {
            return; // the blocks around it end here too, for want of the same `}`
        }
        let (what, place) = match token.kind {
            TokenKind::End => ("the file ends here", self.behind()),
            _ => ("the next item begins here", token.span),
        };
        let error = Diagnostic::error(codes::UNCLOSED_BRACKET, "this block has no closing `}`")
            .at(open.span, "it begins here")
            .at(place, what)
            .help("close it with a `}` on a line of its own");
        self.report(error);
    }

    /// `{` on the line below its header.
    pub(super) fn brace_on_next_line(&mut self, of: &str) {
        let brace = self.token().span;
        let error =
            Diagnostic::error(codes::UNEXPECTED_TOKEN, format!("the `{{` of {of} stands on the next line"))
                .at(brace, "a newline ended the line before this `{`")
                .at(self.behind(), "it belongs here")
                .help("write the `{` at the end of the line above");
        self.report(error);
    }

    /// A line begins with a binary operator.
    pub(super) fn operator_starts_line(&mut self) -> Reported {
        let token = self.token();
        let operator = self.slice(token.span);
        let error = Diagnostic::error(
            codes::OPERATOR_STARTS_LINE,
            format!("this line starts with the operator `{operator}`"),
        )
        .at(token.span, "a newline ended the statement above, so this has no left operand")
        .at(self.behind(), "the line above ends here")
        .help(format!("to go on with the line above, end that line with `{operator}`"));
        self.report(error)
    }

    /// `a < b < c`.
    pub(super) fn comparison_chain(&mut self, first: Span, second: Token) -> Reported {
        let operator = self.slice(second.span).to_string();
        let error = Diagnostic::error(codes::COMPARISON_CHAIN, "comparisons cannot stand in a chain")
            .at(second.span, format!("`{operator}` compares the outcome of a comparison"))
            .at(first, "this is a comparison already")
            .help("join two comparisons by `and`: `a < b and b < c`");
        self.report(error)
    }

    /// An `else` that nothing before it asks for; `value` is what stands before it, if it was read.
    pub(super) fn misplaced_default(&mut self, found: Token, value: Option<&Expr>) -> Reported {
        let message = "this `else` follows neither a read nor a `then`";
        let error =
            Diagnostic::error(codes::MISPLACED_DEFAULT, message).at(found.span, "nothing to stand in for");
        let error = match value.map(|value| (value, last_read(value))) {
            Some((_, Some(read))) => {
                let read_text = self.slice(read.span);
                let help = format!("put the read and its default in parentheses: `({read_text} else ...)`");
                error.at(read.span, "if it is this read that may lie outside").help(help)
            }
            Some((value, None)) => error
                .at(value.span, "this always has a value")
                .help("a default follows a read, `x[i - 1] else 0`; a choice is `if c then a else b`"),
            None => {
                error.help("a default follows a read, `x[i - 1] else 0`; a choice is `if c then a else b`")
            }
        };
        self.report(error)
    }

    /// `x * sum[i] a[i] * b[i]`: a reader cannot tell where the sum ends.
    pub(super) fn open_reducer(&mut self, operator: Token, reducer: Span) {
        let operator_text = self.slice(operator.span).to_string();
        let error = Diagnostic::error(
            codes::OPEN_REDUCER,
            format!("the reduction right of `{operator_text}` goes on over a product without parentheses"),
        )
        .at(reducer, "where does this reduction end?")
        .at(operator.span, format!("it is an operand of this `{operator_text}`"))
        .help("write `a * (sum[i] x[i] * y[i])`, or `a * (sum[i] x[i]) * b`");
        self.report(error);
    }

    /// An operand that would have to stand on a line that is plainly a statement of its own.
    pub(super) fn missing_operand(&mut self) -> Reported {
        let error =
            Diagnostic::error(codes::UNEXPECTED_TOKEN, "expected an expression, found the end of the line")
                .at(self.behind(), "expected an expression")
                .at(self.token().span, "the next line is a statement of its own");
        self.report(error)
    }

    /// Deeper than [`MAX_DEPTH`].
    pub(super) fn too_deep(&mut self, place: Span) -> Reported {
        let error = Diagnostic::error(codes::TOO_DEEP, format!("this nests deeper than {MAX_DEPTH} levels"))
            .at(place, "the limit is reached here")
            .help("give inner parts a name, in equations of their own");
        self.report(error)
    }

    /// A number that is none, or too large to be one.
    pub(super) fn bad_number(&mut self, token: Token, why: &str) -> Reported {
        let text = self.slice(token.span);
        let error = Diagnostic::error(codes::BAD_NUMBER, format!("`{text}` cannot be read as a number"))
            .at(token.span, why)
            .help("a number is written `10`, `0.5` or `1e-3`; a name begins with a letter");
        self.report(error)
    }
}

/// "`a`, `b` or `c`"
fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// The read that ends an expression, if one does.
fn last_read(expr: &Expr) -> Option<&Expr> {
    match &expr.kind {
        ExprKind::Index { .. } => Some(expr),
        ExprKind::Binary { right, .. } => last_read(right),
        ExprKind::Unary { value, .. } => last_read(value),
        ExprKind::Reduce { body, .. } => last_read(body),
        _ => None,
    }
}
