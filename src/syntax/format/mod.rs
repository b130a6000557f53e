//! `nnc fmt`: tidies a text without moving what its author put on a line of its own.
//!
//! - Lines stay lines, but `{` ends a line, `}` begins one, and `} else {` is one.
//! - Two blanks a block, two more for a line that continues a statement or stands in brackets.
//! - One blank around operators and after commas, none inside brackets or around `^`; `2*pad` may stay as tight.
//! - Further blanks stay where they align words, signs or comments of neighbouring lines ([`align`]).
//! - Comments stay; of several blank lines one stays; a table's columns stand below their names.
//!
//! It works on tokens, so nothing that a tree does not hold can be lost.

mod align;
mod lines;
mod spacing;

use super::lexer::{TokenKind, lex};
use super::parser::parse;
use crate::diagnostic::{Diagnostics, FileId};

/// The text, tidied; formatting twice changes nothing more.
///
/// # Errors
/// What the parser finds wrong with the text, which then is not touched.
pub fn format(file: FileId, text: &str) -> Result<String, Diagnostics> {
    let (_, diagnostics) = parse(file, text);
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    let mut lines = lines::lines(&lex(file, text), text);
    align::set_tables(&mut lines);
    align::align(&mut lines);
    Ok(lines.iter().map(Line::render).collect())
}

/// One line as it will be written.
#[derive(Debug)]
struct Line {
    kind: LineKind,
    blank_before: bool,
    indent: usize,
    pieces: Vec<Piece>,
}

/// What a line is part of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LineKind {
    Code,
    /// The header or a row of the table whose `{` is the token of this number.
    Table(usize),
    /// A comment on a line of its own.
    Comment,
}

/// What moves as one: tokens with nothing between them, a cell of a table, or a comment.
#[derive(Debug)]
struct Piece {
    text: String,
    class: Class,
    /// Where it begins on its line of the source, in characters; `None` where the first piece of its line comes
    /// from another line of the source.
    source: Option<usize>,
    /// Whether more than one blank stands before it in the source.
    set_apart: bool,
    /// Where it begins on its new line, in characters after the indentation, if alignment says so.
    column: Option<usize>,
}

/// Which pieces of neighbouring lines may stand below each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Class {
    /// `=` or `~`
    How,
    /// A sign, with others like it
    Sign(TokenKind),
    /// A name, a number, an opening bracket
    Operand,
    Comment,
}

impl Line {
    /// Where each piece begins, in characters after the indentation, as far as alignment is decided.
    fn columns(&self) -> Vec<usize> {
        let mut natural = 0;
        let mut columns = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            let column = piece.column.unwrap_or(natural).max(natural);
            columns.push(column);
            natural = column + piece.text.chars().count() + 1;
        }
        columns
    }

    fn render(&self) -> String {
        let mut text = String::from(if self.blank_before { "\n" } else { "" });
        text.push_str(&" ".repeat(self.indent));
        let mut end = 0;
        for (piece, column) in self.pieces.iter().zip(self.columns()) {
            text.push_str(&" ".repeat(column - end));
            text.push_str(&piece.text);
            end = column + piece.text.chars().count();
        }
        text.push('\n');
        text
    }
}
