//! Text to tokens.
//!
//! A newline ends a statement except inside `( )` and `[ ]`, after a token that asks for more (a binary
//! operator, `=`, `~`, `,`, `|>`, `:`, `->`, `not`, `then`, `else`), and before a line that begins with `|>`,
//! `then` or `else`. The lexer marks what it can tell from two neighbours ([`Token::breaks`]); the brackets are
//! the parser's to know.
//!
//! Reserved everywhere: `if then else and or not div mod repeat` and the reducers `sum mean max min prod argmax
//! argmin any all` (which may still be called: `max(a, b)`, and follow a dot). All other words of the grammar
//! (`net`, `param`, `table`, ...) are keywords only where they stand first, and free as names elsewhere.

use crate::diagnostic::{Diagnostic, Diagnostics, FileId, Span, codes};
use crate::syntax::ast::Comment;
use logos::Logos;

/// What a token is.
#[derive(Logos, Clone, Copy, PartialEq, Eq, Debug)]
#[logos(skip r"[ \t\r\x0c\u{feff}]+")]
pub enum TokenKind {
    /// `x`, `pixel_0`, `μ`
    #[regex(r"[_\p{XID_Start}]\p{XID_Continue}*", priority = 2)]
    Name,
    /// `10`, `0.5`, `1e-3`
    #[regex(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", priority = 5)]
    Number,
    /// `20%`
    #[regex(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?%", priority = 5)]
    Percent,
    /// `3x`, `1_000`: a number that runs into a word
    #[regex(r"[0-9]+(\.[0-9]+)?[_\p{XID_Start}]\p{XID_Continue}*", priority = 4)]
    BadNumber,
    /// `"data/iris.csv"`, with `\"` and `\\`
    #[regex(r#""([^"\\\n]|\\[^\n])*""#)]
    Text,
    /// A text whose closing quote is missing on its line.
    #[regex(r#""([^"\\\n]|\\[^\n])*\\?"#, priority = 1)]
    OpenText,

    /// `if`
    #[token("if")]
    If,
    /// `then`
    #[token("then")]
    Then,
    /// `else`
    #[token("else")]
    Else,
    /// `and`
    #[token("and")]
    And,
    /// `or`
    #[token("or")]
    Or,
    /// `not`
    #[token("not")]
    Not,
    /// `div`
    #[token("div")]
    Div,
    /// `mod`
    #[token("mod")]
    Mod,
    /// `repeat`
    #[token("repeat")]
    Repeat,
    /// `sum` and its kin
    #[token("sum")]
    #[token("mean")]
    #[token("max")]
    #[token("min")]
    #[token("prod")]
    #[token("argmax")]
    #[token("argmin")]
    #[token("any")]
    #[token("all")]
    Reducer,

    /// `+`
    #[token("+")]
    Plus,
    /// `-`
    #[token("-")]
    Minus,
    /// `*`
    #[token("*")]
    Star,
    /// `/`
    #[token("/")]
    Slash,
    /// `^`
    #[token("^")]
    Caret,
    /// `==`
    #[token("==")]
    EqEq,
    /// `!=`
    #[token("!=")]
    NotEq,
    /// `<`
    #[token("<")]
    Less,
    /// `<=`
    #[token("<=")]
    LessEq,
    /// `>`
    #[token(">")]
    Greater,
    /// `>=`
    #[token(">=")]
    GreaterEq,
    /// `=`
    #[token("=")]
    Equals,
    /// `~`
    #[token("~")]
    Tilde,
    /// `,`
    #[token(",")]
    Comma,
    /// `:`
    #[token(":")]
    Colon,
    /// `.`
    #[token(".")]
    Dot,
    /// `..`
    #[token("..")]
    DotDot,
    /// `'`, directly after a name
    #[token("'")]
    Prime,
    /// `|>`
    #[token("|>")]
    Pipe,
    /// `->`
    #[token("->")]
    Arrow,
    /// `(`
    #[token("(")]
    OpenParen,
    /// `)`
    #[token(")")]
    CloseParen,
    /// `[`
    #[token("[")]
    OpenBracket,
    /// `]`
    #[token("]")]
    CloseBracket,
    /// `{`
    #[token("{")]
    OpenBrace,
    /// `}`
    #[token("}")]
    CloseBrace,

    /// Signs that the language does not use; reported where they are read.
    #[regex(r"&&|&|\|\||\||!|;|%|@|\*\*|//|:=|[-+*/]=|=>|`|\$|\?|\\")]
    Foreign,
    /// `# ...` to the end of the line; never among the tokens handed on.
    #[regex(r"#[^\n]*", allow_greedy = true)]
    Comment,
    /// A newline that ends a statement. The parser sees it; among the tokens handed on it is a flag.
    #[token("\n")]
    Newline,
    /// The end of the text; always the last token.
    End,
}

impl TokenKind {
    /// Whether a statement cannot end with this token, so that a newline after it means nothing.
    fn asks_for_more(self) -> bool {
        use TokenKind::*;
        self.is_binary_operator()
            || matches!(self, Equals | Tilde | Comma | Pipe | Colon | Arrow | Not | Then | Else)
    }

    /// Whether a line that begins with this token goes on with the one above.
    fn carries_on(self) -> bool {
        matches!(self, TokenKind::Pipe | TokenKind::Then | TokenKind::Else)
    }

    /// Whether it stands between two operands (`-` may also stand before one).
    pub fn is_binary_operator(self) -> bool {
        use TokenKind::*;
        matches!(
            self,
            Plus | Minus
                | Star
                | Slash
                | Caret
                | EqEq
                | NotEq
                | Less
                | LessEq
                | Greater
                | GreaterEq
                | And
                | Or
                | Div
                | Mod
        )
    }

    /// Whether it is a word that can be no name.
    pub fn is_reserved(self) -> bool {
        use TokenKind::*;
        matches!(self, If | Then | Else | And | Or | Not | Div | Mod | Repeat | Reducer)
    }
}

/// Whether a token can be part of a cell of a table that stands without quotes: `-0.5`, `Iris-setosa`, `2024-05-01`.
pub fn is_cell_part(kind: TokenKind) -> bool {
    use TokenKind::*;
    kind.is_reserved()
        || matches!(
            kind,
            Name | Number | Percent | BadNumber | Plus | Minus | Dot | Slash | Star | Colon | Prime
        )
}

/// A word or sign with its place.
#[derive(Clone, Copy, Debug)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
    /// Whether it is the first on its line.
    pub newline_before: bool,
    /// Whether, outside `( )` and `[ ]`, the newline before it ends a statement.
    pub breaks: bool,
}

/// A text cut into tokens.
#[derive(Clone, Debug)]
pub struct Lexed {
    /// In order, without comments; the last is [`TokenKind::End`].
    pub tokens: Vec<Token>,
    /// In order.
    pub comments: Vec<Comment>,
    /// Characters that the language does not use, and texts without an end.
    pub diagnostics: Diagnostics,
}

/// Cuts a text into tokens; what cannot be read is reported and kept as [`TokenKind::Foreign`].
pub fn lex(file: FileId, text: &str) -> Lexed {
    let mut lexed = Lexed { tokens: vec![], comments: vec![], diagnostics: vec![] };
    let Ok(length) = u32::try_from(text.len()) else {
        let message = "this file is larger than 4 GiB";
        lexed.diagnostics.push(Diagnostic::error(codes::TOO_LARGE, message));
        lexed.push(TokenKind::End, Span { file, start: 0, end: 0 }, true);
        return lexed;
    };
    let mut newline_before = true;
    for (kind, range) in TokenKind::lexer(text).spanned() {
        let span = Span { file, start: range.start as u32, end: range.end as u32 };
        let slice = &text[range];
        match kind {
            Ok(TokenKind::Newline) => newline_before = true,
            Ok(TokenKind::Comment) => lexed.comment(slice, span, newline_before),
            _ => {
                let kind = lexed.check(kind.unwrap_or(TokenKind::Foreign), slice, span);
                lexed.push(kind, span, newline_before);
                newline_before = false;
            }
        }
    }
    lexed.push(TokenKind::End, Span { file, start: length, end: length }, true);
    lexed
}

impl Lexed {
    fn push(&mut self, kind: TokenKind, span: Span, newline_before: bool) {
        let goes_on = kind.carries_on() || self.tokens.last().is_some_and(|last| last.kind.asks_for_more());
        let breaks = newline_before && (!goes_on || kind == TokenKind::End);
        self.tokens.push(Token { kind, span, newline_before, breaks });
    }

    fn comment(&mut self, slice: &str, span: Span, own_line: bool) {
        let text = slice.trim_end().to_string();
        let span = Span { end: span.start + text.len() as u32, ..span };
        self.comments.push(Comment { span, text, own_line });
    }

    /// Reports what is no token of the language; returns the kind under which it goes on.
    fn check(&mut self, kind: TokenKind, slice: &str, span: Span) -> TokenKind {
        let touches_name = |last: &Token| last.kind == TokenKind::Name && last.span.end == span.start;
        match kind {
            TokenKind::Prime if self.tokens.last().is_some_and(touches_name) => return kind,
            TokenKind::Prime | TokenKind::Foreign => self.report_foreign(slice, span),
            TokenKind::OpenText => {
                let error = Diagnostic::error(codes::UNTERMINATED_STRING, "this text has no closing quote")
                    .at(span, "it begins here and its line ends without a `\"`");
                self.diagnostics.push(error.help("close it with `\"` on the same line"));
            }
            _ => return kind,
        }
        TokenKind::Foreign
    }

    /// One report a run of foreign characters, so that a binary file does not fill the screen.
    fn report_foreign(&mut self, slice: &str, span: Span) {
        let continues_run = self
            .tokens
            .last()
            .is_some_and(|last| last.kind == TokenKind::Foreign && last.span.end == span.start);
        if continues_run {
            return;
        }
        let shown = show_foreign(slice);
        let error = Diagnostic::error(codes::UNKNOWN_CHARACTER, format!("the language does not use {shown}"))
            .at(span, format!("{shown} has no meaning here"));
        let hint = FOREIGN_HINTS.iter().find(|(signs, _)| signs.contains(&slice));
        self.diagnostics.push(match hint {
            Some((_, hint)) => error.help(*hint),
            None => error,
        });
    }
}

/// A character as a person can recognise it, also where it prints as nothing.
fn show_foreign(slice: &str) -> String {
    match slice.chars().next() {
        Some(c) if c.is_control() || c.is_whitespace() => format!("the character U+{:04X}", u32::from(c)),
        _ => format!("`{slice}`"),
    }
}

/// What was likely meant by signs of other languages.
const FOREIGN_HINTS: &[(&[&str], &str)] = &[
    (&["&&", "&"], "write `and`"),
    (&["||", "|"], "write `or`; a pipeline is written `|>`"),
    (&["!"], "write `not`; unequal is `!=`"),
    (&[";"], "a newline ends a statement; write one a line"),
    (&["%"], "the remainder is written `mod`; a share is written `20%`, without a blank"),
    (&["@"], "write a product of matrices by its elements: `sum[k] a[i, k] * b[k, j]`"),
    (&["**"], "a power is written `^`"),
    (&["//"], "a comment begins with `#`; whole division is `div`"),
    (&[":="], "an equation is written with `=`"),
    (&["+=", "-=", "*=", "/="], "a name is defined once; give the new value a name of its own"),
    (&["=>"], "outputs are declared after `->`"),
    (&["'"], "texts stand in double quotes; `'` stands directly after the name of a state"),
    (&["“", "”", "„", "«", "»", "‘", "’"], "texts stand in straight double quotes: `\"...\"`"),
    (&["−", "–", "—"], "write the plain minus `-`"),
    (&["×", "·", "⋅", "∙"], "a product is written `*`"),
    (&["÷"], "a quotient is written `/`"),
    (&["≤"], "write `<=`"),
    (&["≥"], "write `>=`"),
    (&["≠"], "write `!=`"),
    (&["²"], "a square is written `^2`"),
    (&["→"], "write `->`"),
    (&["∑"], "a sum is written `sum[i] x[i]`"),
];
