//! Text to [`ast::File`] and back.
//!
//! `lexer` (logos) and a hand-written recursive-descent parser that recovers: it reports several errors in one
//! run and never panics, whatever the bytes. `printer` turns a tree back into text; it is also `nnc fmt`, so it
//! keeps comments. The whole grammar is in `grammar/nn.ebnf`.

pub mod ast;
mod format;
mod lexer;
mod parser;
mod printer;
mod table;

pub use format::format;
pub use parser::{MAX_DEPTH, parse};
pub use printer::{expr_to_string, item_to_string, print, stmt_to_string};
