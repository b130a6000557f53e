//! Tokens and comments to lines with their indentation.

use super::spacing::{Join, Place, places};
use super::{Class, Line, LineKind, Piece};
use crate::syntax::ast::Comment;
use crate::syntax::lexer::{Lexed, Token, TokenKind};

/// Cuts a text that parses into the lines that it will have.
pub(super) fn lines(lexed: &Lexed, text: &str) -> Vec<Line> {
    let mut liner =
        Liner { text, lines: vec![], open: vec![], last: None, after_comment: false, end: 0, line_start: 0 };
    let mut comments = lexed.comments.iter().peekable();
    for (token, place) in lexed.tokens.iter().zip(places(&lexed.tokens)) {
        while let Some(comment) = comments.next_if(|comment| comment.span.start < token.span.start) {
            liner.comment(comment, *token, place.table);
        }
        if token.kind != TokenKind::End {
            liner.token(*token, place);
        }
    }
    liner.lines
}

/// The lines so far, and what surrounds the next token.
struct Liner<'t> {
    text: &'t str,
    lines: Vec<Line>,
    /// The open brackets, each with the indentation of the line that it stands on.
    open: Vec<(TokenKind, usize)>,
    /// The last token.
    last: Option<Token>,
    /// Whether a comment came after it.
    after_comment: bool,
    /// The byte behind the last token or comment.
    end: usize,
    /// The byte where the line of the source begins that the current line begins with.
    line_start: usize,
}

impl Liner<'_> {
    fn comment(&mut self, comment: &Comment, next: Token, table: Option<usize>) {
        let start = comment.span.start as usize;
        if comment.own_line {
            // As what follows, or as what a bracket holds that closes next.
            let indent = match self.open.last() {
                Some((_, indent)) if closes(next.kind) => indent + 2,
                _ => self.indent(next, table),
            };
            self.begin(LineKind::Comment, indent, start);
        }
        self.piece(start, &comment.text, Class::Comment, Join::Apart);
        self.after_comment = true;
    }

    fn token(&mut self, token: Token, place: Place) {
        let start = token.span.start as usize;
        if self.starts_line(token) {
            let kind = place.table.map_or(LineKind::Code, LineKind::Table);
            self.begin(kind, self.indent(token, place.table), start);
            if token.kind == TokenKind::CloseBrace {
                self.line().blank_before = false;
            }
        }
        let text = &self.text[start..token.span.end as usize];
        self.piece(start, text, class(token.kind), place.join);
        self.after_comment = false;
        self.last = Some(token);
        if matches!(token.kind, TokenKind::OpenParen | TokenKind::OpenBracket | TokenKind::OpenBrace) {
            let indent = self.line().indent;
            self.open.push((token.kind, indent));
        } else if closes(token.kind) {
            self.open.pop();
        }
    }

    fn line(&mut self) -> &mut Line {
        self.lines.last_mut().expect("a line was begun before")
    }

    fn starts_line(&self, token: Token) -> bool {
        let last = match self.last {
            Some(last) if !self.after_comment => last.kind,
            _ => return true,
        };
        match (last, token.kind) {
            (TokenKind::CloseBrace, TokenKind::Else) | (TokenKind::OpenBrace, TokenKind::CloseBrace) => false,
            (TokenKind::OpenBrace, _) | (_, TokenKind::CloseBrace) => true,
            _ => token.newline_before,
        }
    }

    /// The indentation of a line that begins with `token`.
    fn indent(&self, token: Token, table: Option<usize>) -> usize {
        let after_brace =
            self.last.is_none_or(|last| matches!(last.kind, TokenKind::OpenBrace | TokenKind::CloseBrace));
        let continues = !token.breaks && !after_brace && table.is_none();
        match self.open.last() {
            Some((_, indent)) if closes(token.kind) => *indent,
            Some((TokenKind::OpenBrace, indent)) if !continues => indent + 2,
            Some((TokenKind::OpenBrace, indent)) => indent + 4,
            Some((_, indent)) => indent + 2,
            None if continues => 2,
            None => 0,
        }
    }

    fn begin(&mut self, kind: LineKind, indent: usize, start: usize) {
        let after_remark = self.lines.last().is_some_and(|line| line.kind == LineKind::Comment);
        let opens_block = self.last.is_some_and(|last| last.kind == TokenKind::OpenBrace) && !after_remark;
        let newlines = self.text[self.end..start].matches('\n').count();
        let blank_before = newlines > 1 && !opens_block && !self.lines.is_empty();
        self.line_start = self.text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        self.lines.push(Line { kind, blank_before, indent, pieces: vec![] });
    }

    /// Adds to the current line: a new piece, or more of the last.
    fn piece(&mut self, start: usize, text: &str, class: Class, join: Join) {
        let before = &self.text[self.line_start..start];
        let source = (!before.contains('\n')).then(|| before.chars().count());
        let set_apart = self.text[self.end..start].chars().count() > 1;
        self.end = start + text.len();
        let pieces = &mut self.line().pieces;
        match pieces.last_mut() {
            Some(last) if join != Join::Apart => {
                last.text.push_str(if join == Join::Blank { " " } else { "" });
                last.text.push_str(text);
            }
            _ => pieces.push(Piece { text: text.into(), class, source, set_apart, column: None }),
        }
    }
}

fn closes(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::CloseParen | TokenKind::CloseBracket | TokenKind::CloseBrace)
}

fn class(kind: TokenKind) -> Class {
    use TokenKind::*;
    match kind {
        Equals | Tilde => Class::How,
        Name | Number | Percent | Text | Reducer | OpenParen | OpenBracket | If | Not | Repeat => {
            Class::Operand
        }
        sign => Class::Sign(sign),
    }
}
