//! Text to [`ast::File`] and back.
//!
//! `lexer` (logos) and a hand-written recursive-descent parser that recovers: it reports several errors in one
//! run and never panics, whatever the bytes. `printer` turns a tree back into text; it is also `nnc fmt`, so it
//! keeps comments. The whole grammar is in `grammar/nn.ebnf`.

pub mod ast;
mod lexer;
mod parser;

pub use parser::{MAX_DEPTH, parse};
