//! `use "file.nn"`: files whose functions, layers, optimizers and schedules a program shares.

use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Sources, Span, codes};
use crate::syntax::ast::{self, ItemKind};
use std::path::{Path, PathBuf};

/// The files that a program uses, and those that they use, each once.
struct Uses<'s> {
    sources: &'s mut Sources,
    diagnostics: Diagnostics,
    /// Those read so far, by where they are.
    known: Vec<PathBuf>,
    /// Those being read, from the program's own inwards, each with the `use` that asked for it.
    open: Vec<(PathBuf, Option<Span>)>,
    files: Vec<ast::File>,
}

/// Reads and parses what a file at `path` uses. Paths are relative to the file that says `use`.
pub fn used_files(sources: &mut Sources, file: &ast::File, path: &Path) -> (Vec<ast::File>, Diagnostics) {
    let open = vec![(place_of(path), None)];
    let mut uses = Uses { sources, diagnostics: vec![], known: vec![], open, files: vec![] };
    uses.follow(file, path);
    (uses.files, uses.diagnostics)
}

/// Where a file is, however its path is written.
fn place_of(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

impl Uses<'_> {
    fn follow(&mut self, file: &ast::File, path: &Path) {
        for item in &file.items {
            if let ItemKind::Use { path: asked } = &item.kind {
                self.read(&path.parent().unwrap_or(Path::new("")).join(asked), item.span);
            }
        }
    }

    fn read(&mut self, path: &Path, asked: Span) {
        let place = place_of(path);
        if let Some(first) = self.open.iter().position(|(open, _)| *open == place) {
            return self.circle(first, path, asked);
        }
        if self.known.contains(&place) {
            return;
        }
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("`{}` cannot be read: {error}", path.display());
                let diagnostic = Diagnostic::error(codes::FILE_UNREADABLE, message)
                    .at(asked, "asked for here")
                    .help("the path is relative to the file that says `use`");
                return self.diagnostics.push(diagnostic);
            }
        };
        self.known.push(place.clone());
        let id = self.sources.add(path.display().to_string(), text.as_str());
        let (file, found) = crate::syntax::parse(id, &text);
        let reads = !found.iter().any(|d| d.severity == Severity::Error);
        self.diagnostics.extend(found);
        if reads {
            self.open.push((place, Some(asked)));
            self.follow(&file, path);
            self.open.pop();
            self.files.push(file);
        }
    }

    fn circle(&mut self, first: usize, path: &Path, asked: Span) {
        let message = format!("`{}` uses itself", path.display());
        let mut diagnostic =
            Diagnostic::error(codes::USE_CIRCLE, message).at(asked, "this file is being read already");
        for (_, span) in &self.open[first + 1..] {
            if let Some(span) = span {
                diagnostic = diagnostic.at(*span, "by way of this");
            }
        }
        self.diagnostics.push(diagnostic.help("put what both need into a third file"));
    }
}
