//! What stands between two tokens on one line.

use crate::syntax::lexer::{Token, TokenKind, TokenKind::*};

/// How a token joins what stands before it on its line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Join {
    /// Directly.
    Tight,
    /// With one blank, never more.
    Blank,
    /// With a blank, or more where that aligns something.
    Apart,
}

/// A token and what surrounds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// How it joins the token before it.
    pub join: Join,
    /// The number of the `{` of the table that it is part of, that `{` and its `}` not included.
    pub table: Option<usize>,
}

/// An open bracket and what it is for.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    /// The indices of a reducer or the count of a repeat: an operand follows its end.
    Prefix,
    Table(usize),
    Other,
}

/// A place for each token of a text that parses.
pub(super) fn places(tokens: &[Token]) -> Vec<Place> {
    let mut open: Vec<Open> = vec![];
    let mut ends: Vec<bool> = Vec::with_capacity(tokens.len());
    let mut header = 0;
    let mut places = Vec::with_capacity(tokens.len());
    for (i, token) in tokens.iter().enumerate() {
        let before = |by: usize| i.checked_sub(by).map(|i| tokens[i]);
        let table =
            open.iter().find_map(|open| if let Open::Table(brace) = open { Some(*brace) } else { None });
        let starts_line = token.newline_before || before(1).is_some_and(|last| last.kind == OpenBrace);
        if starts_line && table.is_some() {
            header += 1;
        }
        let spaced = before(1).is_some_and(|last| needs_blank(tokens, i, last, &ends));
        let join = match table {
            Some(_) if token.kind == CloseBrace => Join::Apart,
            Some(_) if header == 1 => header_join(&open, before(1), token.kind, spaced),
            Some(_) if before(1).is_some_and(|last| last.span.end == token.span.start) => Join::Tight,
            _ if spaced => Join::Apart,
            _ => Join::Tight,
        };
        places.push(Place { join, table: table.filter(|_| token.kind != CloseBrace) });
        let mut ends_operand = matches!(token.kind, Name | Number | Percent | Text | Prime | Reducer);
        match token.kind {
            OpenParen | OpenBracket => {
                let is_prefix = before(1).is_some_and(|last| match token.kind {
                    OpenBracket => last.kind == Reducer && before(2).is_none_or(|dot| dot.kind != Dot),
                    _ => last.kind == Repeat,
                });
                open.push(if is_prefix { Open::Prefix } else { Open::Other });
            }
            OpenBrace => {
                let is_table = before(2).is_some_and(|sign| sign.kind == Equals);
                header = 0;
                open.push(if is_table { Open::Table(i) } else { Open::Other });
            }
            CloseParen | CloseBracket | CloseBrace => ends_operand = open.pop() == Some(Open::Other),
            _ => {}
        }
        ends.push(ends_operand);
    }
    places
}

/// In the header of a table a declaration is one piece.
fn header_join(open: &[Open], last: Option<Token>, kind: TokenKind, spaced: bool) -> Join {
    let outside = matches!(open.last(), Some(Open::Table(_)));
    match kind {
        Name if outside && last.is_some_and(|last| last.kind != Colon) => Join::Apart,
        _ if spaced => Join::Blank,
        _ => Join::Tight,
    }
}

/// Whether a blank stands between the token `i` and the one before it; `ends` says of each token so far whether an
/// operand ends with it, so that an operator, a call or an index may follow, but no operand.
fn needs_blank(tokens: &[Token], i: usize, last: Token, ends: &[bool]) -> bool {
    let operand_before_last = i > 1 && ends[i - 2];
    match (last.kind, tokens[i].kind) {
        (OpenParen | OpenBracket | Dot | Caret, _) => false,
        (_, CloseParen | CloseBracket | Comma | Prime | Colon | Dot | Caret) => false,
        (OpenBrace, CloseBrace) => false,
        (DotDot, _) => operand_before_last,
        (Minus, _) if !operand_before_last => false,
        (Star | Slash, _) => !is_tight(tokens, i - 1),
        (_, Star | Slash) => !is_tight(tokens, i),
        (_, OpenParen | OpenBracket) => !ends[i - 1] && last.kind != Repeat,
        _ => true,
    }
}

/// Whether the author put no blanks around `*` or `/`.
fn is_tight(tokens: &[Token], operator: usize) -> bool {
    operator > 0
        && operator + 1 < tokens.len()
        && tokens[operator - 1].span.end == tokens[operator].span.start
        && tokens[operator].span.end == tokens[operator + 1].span.start
}
