//! A program as read: its sources and their trees, and what its top level defines.

use super::prelude;
use crate::diagnostic::{Diagnostic, Diagnostics, FileId, Severity, Sources, Span, codes, nearest};
use crate::syntax::ast::{self, Definition, DefinitionKind, ItemKind, Name};
use rustc_hash::FxHashMap;
use std::path::{Path, PathBuf};

/// A user's file and the prelude, read and parsed.
#[derive(Clone, Debug)]
pub struct Program {
    /// Every text, the user's file first.
    pub sources: Sources,
    /// The user's file.
    pub file: ast::File,
    /// Further files of the user's, by `use`: what they define by `fn`, `layer`, `optimizer` and `schedule`.
    pub used: Vec<ast::File>,
    /// The library.
    pub prelude: Vec<ast::File>,
    /// Where the user's file is; data paths are relative to its folder.
    pub path: PathBuf,
}

impl Program {
    /// The text of the user's file.
    pub fn text(&self) -> &str {
        &self.sources.get(FileId(0)).text
    }
}

/// Reads and parses a file.
///
/// # Errors
/// Everything that is wrong with how the file reads, or that it cannot be read.
pub fn read(path: &Path) -> Result<Program, (Sources, Diagnostics)> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let message = format!("`{}` cannot be read: {error}", path.display());
        (Sources::default(), vec![Diagnostic::error(codes::FILE_UNREADABLE, message)])
    })?;
    from_text(&path.display().to_string(), &text)
}

/// Parses a text as a file of the given name would be, and reads the files that it uses.
///
/// # Errors
/// Everything that is wrong with how the texts read, or that a file cannot be read.
///
/// # Panics
/// If the prelude does not parse.
pub fn from_text(name: &str, text: &str) -> Result<Program, (Sources, Diagnostics)> {
    let mut sources = Sources::default();
    let id = sources.add(name, text);
    let (file, mut diagnostics) = crate::syntax::parse(id, text);
    let mut files = vec![];
    for (name, text, _) in prelude::FILES {
        let id = sources.add(*name, *text);
        let (file, diagnostics) = crate::syntax::parse(id, text);
        assert!(diagnostics.is_empty(), "{name} does not parse: {diagnostics:?}");
        files.push(file);
    }
    let path = PathBuf::from(name);
    let (used, found) = super::uses::used_files(&mut sources, &file, &path);
    diagnostics.extend(found);
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return Err((sources, diagnostics));
    }
    Ok(Program { sources, file, used, prelude: files, path })
}

/// What is written after a command line's `--set name=`, as an expression.
///
/// # Errors
/// What is wrong with how it reads.
pub fn setting_expression(text: &str) -> Result<ast::Expr, Diagnostics> {
    // A schedule's body is an expression on its own.
    let (file, diagnostics) = crate::syntax::parse(COMMAND_LINE, &format!("schedule given = ({text})"));
    if !diagnostics.is_empty() {
        return Err(diagnostics);
    }
    match file.items.into_iter().next().map(|item| item.kind) {
        Some(ItemKind::Schedule { body: ast::Body::Expr(expr), .. }) => Ok(expr),
        _ => Err(vec![Diagnostic::error(codes::BAD_SETTING_VALUE, format!("`{text}` is not an expression"))]),
    }
}

/// Whether a file is one of the library's.
pub fn is_library(file: FileId) -> bool {
    (1..=super::prelude::FILES.len()).contains(&file.0.into())
}

/// The text behind spans that are not in any file: what the command line gave.
pub const COMMAND_LINE: FileId = FileId(u16::MAX);

/// A `net` item.
#[derive(Clone, Copy, Debug)]
pub struct Net<'p> {
    /// Its name.
    pub name: &'p Name,
    /// Its settings.
    pub settings: &'p [ast::Setting],
    /// Its statements.
    pub body: &'p [ast::Stmt],
    /// The item.
    pub span: Span,
}

/// A `schedule` item.
#[derive(Clone, Copy, Debug)]
pub struct Schedule<'p> {
    /// Its name.
    pub name: &'p Name,
    /// Its settings.
    pub settings: &'p [ast::Setting],
    /// What it computes.
    pub body: &'p ast::Body,
}

/// A `train` item.
#[derive(Clone, Copy, Debug)]
pub struct Train<'p> {
    /// The net to train.
    pub net: &'p Name,
    /// The data to train it on.
    pub data: &'p Name,
    /// Its keys.
    pub settings: &'p [ast::TrainSetting],
    /// The item.
    pub span: Span,
}

/// A `sweep` item.
#[derive(Clone, Copy, Debug)]
pub struct Sweep<'p> {
    /// The net whose settings, and whose training's, are tried.
    pub net: &'p Name,
    /// Its statements.
    pub statements: &'p [ast::SweepStmt],
    /// The item.
    pub span: Span,
}

/// What a file, or the prelude, defines at its top level. Functions and layers share one name space; optimizers
/// and schedules have one each.
#[derive(Clone, Debug, Default)]
pub struct TopLevel<'p> {
    /// `fn` and `layer`.
    pub callables: FxHashMap<&'p str, &'p Definition>,
    /// `optimizer`.
    pub optimizers: FxHashMap<&'p str, &'p Definition>,
    /// `schedule`.
    pub schedules: FxHashMap<&'p str, Schedule<'p>>,
    /// `net`, in order.
    pub nets: Vec<Net<'p>>,
    /// `train`, in order.
    pub trains: Vec<Train<'p>>,
    /// `sweep`, in order.
    pub sweeps: Vec<Sweep<'p>>,
    /// `data` and tables, in order.
    pub data: Vec<(&'p Name, &'p ast::Item)>,
}

impl<'p> TopLevel<'p> {
    /// Collects the items of some files, and reports what is defined twice.
    pub fn of(items: impl IntoIterator<Item = &'p ast::Item>, diagnostics: &mut Diagnostics) -> Self {
        let mut top = TopLevel::default();
        let mut seen: FxHashMap<(&'static str, &'p str), Span> = FxHashMap::default();
        for item in items {
            let Some((space, name)) = top.add(item) else { continue };
            match seen.get(&(space, name.text.as_str())) {
                Some(&first) => diagnostics.push(defined_twice(name, first)),
                None => drop(seen.insert((space, &name.text), name.span)),
            }
        }
        top
    }

    /// Adds an item; returns its name and name space, `None` for what has no name.
    fn add(&mut self, item: &'p ast::Item) -> Option<(&'static str, &'p Name)> {
        let span = item.span;
        match &item.kind {
            ItemKind::Use { .. } => None,
            ItemKind::Schedule { name, settings, body } => {
                self.schedules.entry(&name.text).or_insert(Schedule { name, settings, body });
                Some(("schedule", name))
            }
            ItemKind::Data { name, .. } | ItemKind::Table { name, .. } => {
                self.data.push((name, item));
                Some(("data", name))
            }
            ItemKind::Net { name, settings, body } => {
                self.nets.push(Net { name, settings, body, span });
                Some(("net", name))
            }
            ItemKind::Sweep { net, statements } => {
                self.sweeps.push(Sweep { net, statements, span });
                Some(("sweep", net))
            }
            ItemKind::Train { net, data, settings } => {
                self.trains.push(Train { net, data, settings, span });
                None
            }
            ItemKind::Definition(definition) => {
                let name = &definition.name;
                if definition.kind == DefinitionKind::Optimizer {
                    self.optimizers.entry(&name.text).or_insert(definition);
                    return Some(("optimizer", name));
                }
                self.callables.entry(&name.text).or_insert(definition);
                Some(("callable", name))
            }
        }
    }
}

/// The message for a second definition of a name.
pub fn defined_twice(name: &Name, first: Span) -> Diagnostic {
    Diagnostic::error(codes::DEFINED_TWICE, format!("`{}` is defined twice", name.text))
        .at(name.span, "defined again here")
        .at(first, "first defined here")
        .help("give one of them another name")
}

/// Whether another file may use an item: nets, data and training are a file's own.
fn is_shared(item: &ast::Item) -> bool {
    matches!(item.kind, ItemKind::Definition(_) | ItemKind::Schedule { .. })
}

/// A user's top level and the prelude's.
#[derive(Clone, Debug)]
pub struct Definitions<'p> {
    /// The user's.
    pub user: TopLevel<'p>,
    /// The library's.
    pub library: TopLevel<'p>,
}

impl<'p> Definitions<'p> {
    /// Those of a program; reports what is defined twice, and warns of what hides an entry of the library.
    pub fn of(program: &'p Program, diagnostics: &mut Diagnostics) -> Self {
        let shared = program.used.iter().flat_map(|file| &file.items).filter(|item| is_shared(item));
        let user = TopLevel::of(program.file.items.iter().chain(shared), diagnostics);
        let library = TopLevel::of(program.prelude.iter().flat_map(|file| &file.items), diagnostics);
        let hidden =
            user.callables.iter().filter_map(|(name, d)| Some((&d.name, library.callables.get(name)?)));
        let optimizers =
            user.optimizers.iter().filter_map(|(name, d)| Some((&d.name, library.optimizers.get(name)?)));
        let mut warnings: Vec<_> = hidden
            .chain(optimizers)
            .map(|(name, entry)| {
                let message = format!("`{}` takes the name of an entry of the library", name.text);
                Diagnostic::warning(codes::REDEFINES_PRELUDE, message)
                    .at(name.span, "the program means this one")
                    .at(entry.name.span, "the library itself goes on using its own")
            })
            .collect();
        warnings.sort_by_key(|warning| (warning.labels[0].span.file, warning.labels[0].span.start));
        diagnostics.extend(warnings);
        Definitions { user, library }
    }

    /// The function or layer of a name, and whether it is the library's. Library code always means the library.
    pub fn callable(&self, name: &str, from_library: bool) -> Option<(&'p Definition, bool)> {
        let own = if from_library { None } else { self.user.callables.get(name) };
        own.map(|&d| (d, false)).or_else(|| self.library.callables.get(name).map(|&d| (d, true)))
    }

    /// The net to elaborate: the one asked for, else that of the first `train`, else the only one.
    ///
    /// # Errors
    /// If there is none, or none of that name.
    pub fn net(&self, asked: Option<&str>) -> Result<Net<'p>, Box<Diagnostic>> {
        let nets = &self.user.nets;
        let missing = || Diagnostic::error(codes::MISSING_PART, "the program has no `net`");
        let first = nets.first().ok_or_else(|| {
            missing().help(
                "write `net name { ... }`; a file of definitions alone is checked through one that uses it",
            )
        })?;
        let (name, span) = match (asked, self.user.trains.first()) {
            (Some(name), _) => (name, None),
            (None, Some(train)) => (train.net.text.as_str(), Some(train.net.span)),
            (None, None) => return Ok(*first),
        };
        if let Some(net) = nets.iter().find(|net| net.name.text == name) {
            return Ok(*net);
        }
        let known: Vec<&str> = nets.iter().map(|net| net.name.text.as_str()).collect();
        let mut error = Diagnostic::error(codes::UNKNOWN_NAME, format!("there is no net `{name}`"));
        if let Some(span) = span {
            error = error.at(span, "not the name of a net");
        }
        Err(Box::new(match nearest(name, known.iter().copied()) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => error.help(format!("the nets are: {}", known.join(", "))),
        }))
    }

    /// The `train` block of a net, if there is one.
    pub fn train(&self, net: &str) -> Option<Train<'p>> {
        self.user.trains.iter().copied().find(|train| train.net.text == net)
    }
}
