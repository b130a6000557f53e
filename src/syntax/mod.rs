//! Text to [`ast::File`] and back.
//!
//! `lexer` (logos) and `parser`, a hand-written recursive descent that recovers: it reports several errors in one
//! run and never panics, whatever the bytes. `printer` turns a tree back into text, `build` makes trees by hand for
//! it. `format` is `nnc fmt`: it tidies a text and keeps its lines and comments. The whole grammar is in
//! `grammar/nn.ebnf`.

pub mod ast;
pub mod build;
mod format;
pub mod lexer;
mod parser;
mod printer;
mod table;

pub use format::format;
pub use parser::{MAX_DEPTH, parse};
pub use printer::{expr_to_string, item_to_string, print, stmt_to_string};
