//! Tokens to a tree, by recursive descent; one function a production of `grammar/nn.ebnf`.
//!
//! This file is the cursor and the recovery. A production that fails has reported why, returns [`Reported`],
//! and the block around it goes on with the next statement, so that one run tells several mistakes.

mod expressions;
mod items;
mod report;
mod statements;

use crate::diagnostic::{Diagnostic, Diagnostics, FileId, Span};
use crate::syntax::ast::{File, Name};
use crate::syntax::lexer::{Token, TokenKind, lex};

/// How deep brackets, blocks and operators may nest. Bounds the stack of every room that walks the tree.
pub const MAX_DEPTH: u32 = 200;

/// After so many mistakes the rest of the text is not read: more would help nobody.
const MAX_ERRORS: usize = 100;

/// The words that begin an item.
const ITEM_WORDS: &[&str] = &["use", "schedule", "data", "net", "fn", "layer", "optimizer", "train", "sweep"];

/// Reads a whole file. Never panics; where diagnostics are returned, the tree is what could be read, with
/// [`ExprKind::Error`](crate::syntax::ast::ExprKind::Error) in place of unreadable expressions.
pub fn parse(file: FileId, text: &str) -> (File, Diagnostics) {
    let lexed = lex(file, text);
    let mut parser = Parser::new(text, &lexed.tokens);
    let items = parser.file();
    let mut diagnostics = lexed.diagnostics;
    diagnostics.truncate(MAX_ERRORS);
    diagnostics.append(&mut parser.diagnostics);
    diagnostics.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.span.start));
    (File { items, comments: lexed.comments }, diagnostics)
}

/// The mistake was already told; the caller has only to recover.
#[derive(Debug)]
struct Reported;

/// What a production returns.
type Parsed<T> = Result<T, Reported>;

/// The cursor.
struct Parser<'t> {
    text: &'t str,
    tokens: &'t [Token],
    /// The next token.
    pos: usize,
    /// The `(` and `[` around it, innermost last; while there are any, newlines mean nothing.
    open: Vec<Token>,
    /// The position whose leading newline was consumed.
    line_taken: Option<usize>,
    /// How deep productions are nested now.
    depth: u32,
    /// The position of a `(` that may open a tuple: first in an index.
    tuple_at: Option<usize>,
    /// Whether lines are rows of a table, so that every newline counts.
    in_table: bool,
    /// The position where a block without its `}` was last found to end.
    unclosed_at: Option<usize>,
    diagnostics: Diagnostics,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, tokens: &'t [Token]) -> Self {
        // The newline before the first token separates nothing.
        let line_taken = Some(0);
        Parser {
            text,
            tokens,
            pos: 0,
            open: vec![],
            line_taken,
            depth: 0,
            tuple_at: None,
            in_table: false,
            unclosed_at: None,
            diagnostics: vec![],
        }
    }

    // --- looking ---

    /// The next token's kind; [`TokenKind::Newline`] where a statement ends before it.
    fn kind(&self) -> TokenKind {
        let token = self.tokens[self.pos];
        let breaks = token.breaks || self.in_table && token.newline_before;
        if breaks && self.open.is_empty() && self.line_taken != Some(self.pos) {
            return TokenKind::Newline;
        }
        token.kind
    }

    fn at(&self, kind: TokenKind) -> bool {
        self.kind() == kind
    }

    /// The next token, whatever newline stands before it.
    fn token(&self) -> Token {
        self.tokens[self.pos]
    }

    /// The token after the next; the end repeats.
    fn ahead(&self, by: usize) -> Token {
        self.tokens[(self.pos + by).min(self.tokens.len() - 1)]
    }

    /// Whether the next token is a name followed, in the same statement, by a token of this kind.
    fn at_name_then(&self, kind: TokenKind) -> bool {
        let next = self.ahead(1);
        self.at(TokenKind::Name) && next.kind == kind && !(next.breaks && self.open.is_empty())
    }

    /// Whether the next token opens a call or an index on what stands before it: the same line only.
    fn at_opener(&self, kind: TokenKind) -> bool {
        self.at(kind) && !self.token().newline_before
    }

    fn slice(&self, span: Span) -> &'t str {
        &self.text[span.start as usize..span.end as usize]
    }

    /// The text of the next token.
    fn word(&self) -> &'t str {
        self.slice(self.token().span)
    }

    /// The end of what was consumed last, as an empty span.
    fn behind(&self) -> Span {
        match self.pos.checked_sub(1) {
            Some(last) => Span { start: self.tokens[last].span.end, ..self.tokens[last].span },
            None => Span { end: self.token().span.start, ..self.token().span },
        }
    }

    /// From `start` to the end of what was consumed last.
    fn since(&self, start: Span) -> Span {
        start.to(self.behind())
    }

    // --- moving ---

    /// Consumes the next token; the end stays.
    fn bump(&mut self) -> Token {
        let token = self.token();
        self.pos = (self.pos + 1).min(self.tokens.len() - 1);
        token
    }

    fn eat(&mut self, kind: TokenKind) -> bool {
        let found = self.at(kind);
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, kind: TokenKind, what: &str) -> Parsed<Token> {
        if self.at(kind) { Ok(self.bump()) } else { Err(self.unexpected(what)) }
    }

    fn expect_name(&mut self, what: &str) -> Parsed<Name> {
        let token = self.expect(TokenKind::Name, what)?;
        Ok(self.name_of(token))
    }

    fn name_of(&self, token: Token) -> Name {
        Name { text: self.slice(token.span).to_string(), span: token.span }
    }

    fn take_newline(&mut self) {
        if self.at(TokenKind::Newline) {
            self.line_taken = Some(self.pos);
        }
    }

    /// Goes one level deeper, within the limit.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.too_deep(self.token().span));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    // --- lists in ( ) and [ ] ---

    /// `open [ element { "," element } ] close`; returns the elements and the span with its brackets.
    fn list<T>(
        &mut self,
        brackets: Brackets,
        mut element: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<(Vec<T>, Span)> {
        let open = self.open_bracket(brackets)?;
        let mut elements = vec![];
        while elements.is_empty() && !self.at(brackets.close) || self.eat(TokenKind::Comma) {
            elements.push(element(self)?);
        }
        let close = self.close_bracket(open, brackets)?;
        Ok((elements, open.span.to(close.span)))
    }

    /// A list of at least one.
    fn list1<T>(
        &mut self,
        brackets: Brackets,
        element: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<(Vec<T>, Span)> {
        if self.at(brackets.open) && self.ahead(1).kind == brackets.close {
            self.bump();
            return Err(self.unexpected(brackets.holds));
        }
        self.list(brackets, element)
    }

    fn open_bracket(&mut self, brackets: Brackets) -> Parsed<Token> {
        let open = self.expect(brackets.open, brackets.opener)?;
        self.open.push(open);
        Ok(open)
    }

    fn close_bracket(&mut self, open: Token, brackets: Brackets) -> Parsed<Token> {
        if !self.at(brackets.close) {
            return Err(self.unclosed(open, brackets));
        }
        let close = self.bump();
        self.open.pop();
        Ok(close)
    }

    // --- blocks ---

    /// `{ NL { element NL } }`; an element that fails is skipped, so the block itself fails only without a `{`.
    fn block<T>(&mut self, of: &str, mut element: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let open = self.open_block(of)?;
        let mut elements = vec![];
        loop {
            self.take_newline();
            match self.kind() {
                TokenKind::CloseBrace => break,
                TokenKind::End => {
                    self.unclosed_block(open);
                    return Ok(elements);
                }
                _ if self.at_item() => {
                    self.unclosed_block(open);
                    self.line_taken = None;
                    return Ok(elements);
                }
                _ => elements.extend(self.recovering(&mut element)),
            }
        }
        self.bump();
        Ok(elements)
    }

    fn open_block(&mut self, of: &str) -> Parsed<Token> {
        if self.at(TokenKind::Newline) && self.token().kind == TokenKind::OpenBrace {
            self.brace_on_next_line(of);
            self.take_newline();
        }
        self.expect(TokenKind::OpenBrace, &format!("`{{` and the block of {of}"))
    }

    /// One element of a block, to the end of its line; `None` where it was skipped.
    fn recovering<T>(&mut self, element: &mut impl FnMut(&mut Self) -> Parsed<T>) -> Option<T> {
        let (start, depth) = (self.pos, self.depth);
        let parsed = element(self);
        let whole = match parsed {
            Ok(_) => self.end_of_line(),
            Err(Reported) => Err(Reported),
        };
        if whole.is_err() {
            self.depth = depth;
            if self.pos == start {
                self.bump();
            }
            self.skip_line();
        }
        parsed.ok()
    }

    /// A statement ends here: at a newline, at the `}` of its block, or with the text.
    fn end_of_line(&mut self) -> Parsed<()> {
        match self.kind() {
            TokenKind::Newline | TokenKind::CloseBrace | TokenKind::End => Ok(()),
            _ if self.at_item() || self.at_next_statement() => Ok(()),
            _ => Err(self.not_the_end()),
        }
    }

    // --- recovery ---

    /// Whether an item begins here, judged by its first words, so that a block without its `}` ends before it.
    fn at_item(&self) -> bool {
        let [word, name, third] = [0, 1, 2].map(|by| self.ahead(by));
        if word.kind != TokenKind::Name || !word.newline_before || name.newline_before {
            return false;
        }
        match self.slice(word.span) {
            "use" => name.kind == TokenKind::Text,
            "train" => name.kind == TokenKind::Name && self.slice(third.span) == "on",
            word if ITEM_WORDS.contains(&word) => {
                use TokenKind::{Equals, OpenBrace, OpenParen};
                name.kind == TokenKind::Name && matches!(third.kind, OpenBrace | OpenParen | Equals)
            }
            _ => false,
        }
    }

    /// Whether the line that begins here holds `=` or `~` outside brackets: an equation, or a setting.
    fn at_equation_line(&self) -> bool {
        let line = self.tokens[self.pos + 1..].iter().take_while(|token| !token.newline_before);
        let mut depth = 0;
        for token in std::iter::once(&self.tokens[self.pos]).chain(line) {
            match token.kind {
                TokenKind::OpenParen | TokenKind::OpenBracket => depth += 1,
                TokenKind::CloseParen | TokenKind::CloseBracket => depth -= 1,
                TokenKind::Equals | TokenKind::Tilde if depth == 0 => return true,
                _ => {}
            }
        }
        false
    }

    /// Whether the line above asked for more and this line is plainly a statement of its own.
    fn at_next_statement(&self) -> bool {
        let token = self.token();
        token.newline_before
            && !token.breaks
            && self.open.is_empty()
            && (self.at_item() || self.at_equation_line())
    }

    /// Skips the rest of a statement that could not be read, over the lines that its brackets span and over a
    /// block that it opens.
    fn skip_line(&mut self) {
        let open = std::mem::take(&mut self.open);
        let mut hopeless = false;
        if !open.is_empty() {
            match self.past_brackets(self.pos, open.len()) {
                Some(pos) => self.pos = pos,
                None => hopeless = true,
            }
        }
        loop {
            match self.kind() {
                TokenKind::Newline | TokenKind::End | TokenKind::CloseBrace => return,
                _ if self.at_item() || self.at_next_statement() => return,
                TokenKind::OpenBrace => self.skip_block(),
                TokenKind::OpenParen | TokenKind::OpenBracket if !hopeless => {
                    match self.past_brackets(self.pos + 1, 1) {
                        Some(pos) => self.pos = pos,
                        None => hopeless = true,
                    }
                }
                _ => {
                    self.bump();
                }
            }
        }
    }

    /// The position behind the bracket that closes the outermost of `depth` open ones, unless a brace or the
    /// end comes first.
    fn past_brackets(&self, from: usize, mut depth: usize) -> Option<usize> {
        for pos in from..self.tokens.len() {
            match self.tokens[pos].kind {
                TokenKind::OpenParen | TokenKind::OpenBracket => depth += 1,
                TokenKind::CloseParen | TokenKind::CloseBracket => depth -= 1,
                TokenKind::OpenBrace | TokenKind::CloseBrace | TokenKind::End => return None,
                _ => {}
            }
            if depth == 0 {
                return Some(pos + 1);
            }
        }
        None
    }

    /// From a `{` past its `}`, or to where an item begins.
    fn skip_block(&mut self) {
        let mut depth = 0;
        loop {
            match self.token().kind {
                TokenKind::OpenBrace => depth += 1,
                TokenKind::CloseBrace => depth -= 1,
                TokenKind::End => return,
                _ if self.at_item() => return,
                _ => {}
            }
            self.bump();
            if depth == 0 {
                return;
            }
        }
    }

    /// Keeps a diagnostic; past the limit, jumps to the end of the text.
    fn report(&mut self, diagnostic: Diagnostic) -> Reported {
        if self.diagnostics.len() < MAX_ERRORS {
            self.diagnostics.push(diagnostic);
        } else {
            self.pos = self.tokens.len() - 1;
        }
        Reported
    }
}

/// A pair of brackets and how messages name it.
#[derive(Clone, Copy)]
struct Brackets {
    open: TokenKind,
    close: TokenKind,
    /// What was expected where the opener is missing.
    opener: &'static str,
    /// What was expected where the list is empty.
    holds: &'static str,
    /// The closer as shown.
    closer: &'static str,
}

impl Brackets {
    const fn round(opener: &'static str, holds: &'static str) -> Self {
        Brackets { open: TokenKind::OpenParen, close: TokenKind::CloseParen, opener, holds, closer: ")" }
    }

    const fn square(opener: &'static str, holds: &'static str) -> Self {
        Brackets { open: TokenKind::OpenBracket, close: TokenKind::CloseBracket, opener, holds, closer: "]" }
    }
}
