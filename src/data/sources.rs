//! What a section reads from outside: files by name, arrays and windows by the place of their call.

use super::columns::columns_of;
use super::expression::{Meaning, Scope, Values, counted};
use super::open::Home;
use super::room::Room;
use super::section::told;
use super::text::{self, Sequence, Unit, Windows};
use super::{file, idx, images};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes, nearest};
use crate::syntax::ast::{Arg, Expr, ExprKind, Name};
use rustc_hash::FxHashMap;
use std::cell::RefCell;
use std::rc::Rc;

/// What a section reads from outside.
pub struct Opened {
    /// Files by name.
    pub names: Vec<(Name, Meaning)>,
    /// `idx(...)`, by the place of the call.
    pub arrays: FxHashMap<Span, Values>,
    /// `windows(...)`
    pub windows: Vec<Windows>,
    /// Whether every file could be read.
    pub complete: bool,
}

/// Calls that read a file under a name: `rows = csv(...)`.
const FILE_CALLS: [&str; 5] = ["csv", "chars", "words", "bytes", "images"];

/// Calls that read an array in place.
const ARRAY_CALLS: [&str; 3] = ["idx", "npy", "npz"];

/// One of [`FILE_CALLS`].
#[derive(Clone, Copy)]
pub struct FileCall<'a> {
    span: Span,
    callee: &'a Name,
    args: &'a [Arg],
}

impl Opened {
    /// The windows that the columns cut.
    pub fn windows(&self) -> Vec<&Windows> {
        self.windows.iter().collect()
    }

    /// What the columns of the section see: files by name, arrays and `cut` windows by their place.
    pub fn into_scope(self, rows: usize, cut: Vec<Values>, room: &Room) -> Scope {
        let mut arrays = self.arrays;
        arrays.extend(self.windows.iter().map(|windows| windows.span).zip(cut));
        Scope {
            names: self.names,
            arrays: RefCell::new(arrays),
            rows,
            train: vec![],
            seed: 0,
            target: String::new(),
            learned: None,
            fills: RefCell::default(),
            room: room.clone(),
        }
    }

    /// Opens what the calls inside of a column's expression read: `idx(...) / 255`, `windows(...)`.
    pub fn open_within(&mut self, expr: &Expr, home: &Home, errors: &mut Diagnostics) {
        match &expr.kind {
            ExprKind::Group(inner) | ExprKind::Unary { value: inner, .. } => {
                self.open_within(inner, home, errors);
            }
            ExprKind::Binary { left, right, .. } => {
                self.open_within(left, home, errors);
                self.open_within(right, home, errors);
            }
            ExprKind::Call { callee, args } => match called(callee) {
                Some(name) if ARRAY_CALLS.contains(&name.text.as_str()) => {
                    let read = array_of(expr.span, name, args, home);
                    self.complete &= read.is_ok();
                    self.arrays.extend(told(read, errors).map(|values| (expr.span, values)));
                }
                Some(name) if name.text == "windows" => {
                    let windows = self.windows_of(expr.span, name, args, home);
                    self.complete &= windows.is_ok();
                    self.windows.extend(told(windows, errors));
                }
                _ => args.iter().for_each(|arg| self.open_within(&arg.value, home, errors)),
            },
            _ => {}
        }
    }

    /// `windows(chars("book.txt"), 65, every = 64)`, or of a text with a name, or of columns of a file
    fn windows_of(&self, span: Span, name: &Name, args: &[Arg], home: &Home) -> Result<Windows, Diagnostics> {
        let (plain, named): (Vec<&Arg>, Vec<&Arg>) = args.iter().partition(|arg| arg.name.is_none());
        let every = named.iter().find(|arg| arg.name.as_ref().is_some_and(|name| name.text == "every"));
        let ([text, width], true) = (&plain[..], named.len() == usize::from(every.is_some())) else {
            let message =
                format!("`{}` takes a text or columns, the width of a window, and `every`", name.text);
            let diagnostic =
                Diagnostic::error(codes::WRONG_ARGUMENT_COUNT, message).at(span, "takes something else");
            return Err(vec![diagnostic.help("`windows(chars(\"book.txt\"), 65, every = 64)`")]);
        };
        let text = self.sequence_of(&text.value, home)?;
        let width = count(&width.value, "the width of a window")?;
        let every = every.map_or(Ok(width), |every| count(&every.value, "`every`"))?;
        Ok(Windows { text, width, every, span })
    }

    /// `chars(...)`, the name of a text, or columns of a file.
    fn sequence_of(&self, expr: &Expr, home: &Home) -> Result<Rc<Sequence>, Diagnostics> {
        let named = |name: &Name| self.names.iter().find(|(known, _)| known == name);
        match &expr.kind {
            ExprKind::Group(inner) => return self.sequence_of(inner, home),
            ExprKind::Call { callee, args } => {
                if let Some((name, unit)) =
                    called(callee).and_then(|name| Some((name, Unit::called(&name.text)?)))
                {
                    return text_of(expr.span, name, args, unit, home).map(Rc::new);
                }
            }
            ExprKind::Index { base, indices } => {
                let (file, columns) = columns_of(base, indices, &self.names)?;
                let (path, dims) = (file.path.clone(), columns.dims());
                let data = file.numbers(&columns.places, expr.span, home.room)?;
                let (span, len) = (expr.span, file.rows());
                return Ok(Rc::new(Sequence { path, span, unit: "row", dims, len, data, vocabulary: None }));
            }
            ExprKind::Name { name, primed: false } => match named(name) {
                Some((_, Meaning::Text(text))) => return Ok(text.clone()),
                Some((_, Meaning::Failed)) => return Err(vec![]),
                _ => {}
            },
            _ => {}
        }
        let diagnostic =
            Diagnostic::error(codes::BAD_DATA_EXPRESSION, "`windows` cuts a text, or columns of a file");
        let help = "write `windows(chars(\"book.txt\"), 65)`, or `windows(rows[column], 24, every = 1)` with `rows = csv(...)` above";
        Err(vec![diagnostic.at(expr.span, "is not one").help(help)])
    }
}

/// The plain name that a call calls.
pub fn called(callee: &Expr) -> Option<&Name> {
    match &callee.kind {
        ExprKind::Name { name, primed: false } => Some(name),
        _ => None,
    }
}

/// `csv(...)` or `chars(...)` as the whole right side.
pub fn file_call(value: &Expr) -> Option<FileCall<'_>> {
    let ExprKind::Call { callee, args } = &value.kind else { return None };
    let name = called(callee).filter(|name| FILE_CALLS.contains(&name.text.as_str()))?;
    Some(FileCall { span: value.span, callee: name, args })
}

impl<'a> FileCall<'a> {
    /// The path that is written in it, and where.
    pub fn path(&self) -> Option<(&'a str, Span)> {
        path_of(self.span, self.callee, self.args.get(..1)?).ok()
    }
}

/// Calls `found` with each plain name in a data expression, and `path` with each path that a call in it reads.
pub fn for_each_read<'a>(
    expr: &'a Expr,
    found: &mut dyn FnMut(&'a Name),
    path: &mut dyn FnMut(&'a str, Span),
) {
    match &expr.kind {
        ExprKind::Name { name, primed: false } => found(name),
        ExprKind::Group(inner) | ExprKind::Unary { value: inner, .. } => for_each_read(inner, found, path),
        ExprKind::Binary { left, right, .. } => {
            for_each_read(left, found, path);
            for_each_read(right, found, path);
        }
        ExprKind::Index { base, .. } => for_each_read(base, found, path),
        ExprKind::Call { args, .. } => {
            for arg in args {
                match &arg.value.kind {
                    ExprKind::String(text) => path(text, arg.value.span),
                    _ => for_each_read(&arg.value, found, path),
                }
            }
        }
        _ => {}
    }
}

/// `csv("data/iris.csv")`, `chars("data/book.txt")`
pub fn open_file(call: &FileCall, home: &Home) -> Result<Meaning, Diagnostics> {
    let FileCall { span: at, callee, args } = *call;
    match callee.text.as_str() {
        "csv" => {
            let (path, span, options) = path_and_options(at, callee, args, &["missing", "separator"])?;
            file::read(home, path, span, csv_options(&options)?).map(Meaning::File)
        }
        "images" => {
            let (path, span, options) = path_and_options(at, callee, args, &["height", "width", "channels"])?;
            let option = |name: &str| {
                let value = options.iter().find(|(known, _)| *known == name);
                value.map(|(_, expr)| count(expr, &format!("`{name}`")).map(|n| n as u32)).transpose()
            };
            let options = images::Options {
                height: option("height")?,
                width: option("width")?,
                channels: option("channels")?,
            };
            if let (Some(wrong), Some((_, expr))) =
                (options.channels.filter(|n| ![1, 3].contains(n)), options_named(args, "channels"))
            {
                let message = format!("`channels` is 1, gray, or 3, colours; not {wrong}");
                return Err(vec![
                    Diagnostic::error(codes::BAD_SETTING_VALUE, message).at(expr.span, "is neither"),
                ]);
            }
            images::read(home, path, span, options).map(Meaning::Images)
        }
        name => {
            let unit = Unit::called(name).expect("the other calls read texts");
            text_of(at, callee, args, unit, home).map(|text| Meaning::Text(Rc::new(text)))
        }
    }
}

/// A named argument.
fn options_named<'a>(args: &'a [Arg], wanted: &str) -> Option<(&'a Name, &'a Expr)> {
    args.iter()
        .find_map(|arg| arg.name.as_ref().filter(|name| name.text == wanted).map(|name| (name, &arg.value)))
}

/// `chars("book.txt")`, `words("book.txt", most = 5000)`
fn text_of(at: Span, callee: &Name, args: &[Arg], unit: Unit, home: &Home) -> Result<Sequence, Diagnostics> {
    let allowed: &[&str] = if unit == Unit::Words { &["most"] } else { &[] };
    let (path, span, options) = path_and_options(at, callee, args, allowed)?;
    let most = options.first().map(|(_, expr)| count(expr, "`most`")).transpose()?;
    text::read(home, path, span, unit, most)
}

/// `idx("f.gz")`, `npy("f.npy")`, `npz("f.npz", name)`
fn array_of(at: Span, callee: &Name, args: &[Arg], home: &Home) -> Result<Values, Diagnostics> {
    if callee.text != "npz" {
        let (path, span) = path_of(at, callee, args)?;
        return idx::read(home, path, span);
    }
    counted(at, callee, args, 2)?;
    let (path, span) = path_of(at, callee, &args[..1])?;
    match &args[1].value.kind {
        ExprKind::Name { name, primed: false } => idx::read_member(home, path, &name.text, span),
        ExprKind::String(name) => idx::read_member(home, path, name, span),
        _ => {
            let message = "an array of a file in NPZ format is named: `npz(\"data.npz\", x)`";
            Err(vec![
                Diagnostic::error(codes::BAD_DATA_EXPRESSION, message)
                    .at(args[1].value.span, "is not a name"),
            ])
        }
    }
}

/// A path, where it is written, and what is said by name behind it.
type WithOptions<'a> = (&'a str, Span, Vec<(&'a str, &'a Expr)>);

/// The path that a call reads, and its named arguments, each of which must be one of those `allowed`.
fn path_and_options<'a>(
    at: Span,
    callee: &Name,
    args: &'a [Arg],
    allowed: &[&str],
) -> Result<WithOptions<'a>, Diagnostics> {
    let plain = args.iter().take_while(|arg| arg.name.is_none()).count();
    let (path, span) = path_of(at, callee, &args[..plain])?;
    let mut options = vec![];
    for arg in &args[plain..] {
        match &arg.name {
            Some(name) if allowed.contains(&name.text.as_str()) => {
                options.push((name.text.as_str(), &arg.value))
            }
            Some(name) => {
                let message = format!("`{}` has no setting `{}`", callee.text, name.text);
                let wrong =
                    Diagnostic::error(codes::UNKNOWN_SETTING, message).at(name.span, "is not known here");
                return Err(vec![match nearest(&name.text, allowed.iter().copied()) {
                    Some(near) => wrong.help(format!("did you mean `{near}`?")),
                    None if allowed.is_empty() => wrong,
                    None => wrong.help(format!("it has: {}", allowed.join(", "))),
                }]);
            }
            None => counted(at, callee, args, 1)?,
        }
    }
    Ok((path, span, options))
}

/// `missing = skip`, `separator = ";"`
fn csv_options(options: &[(&str, &Expr)]) -> Result<file::Options, Diagnostics> {
    let mut read = file::Options::default();
    for (name, expr) in options {
        let wrong = |message: &str, help: &str| {
            Err(vec![Diagnostic::error(codes::BAD_SETTING_VALUE, message).at(expr.span, "is not").help(help)])
        };
        match (*name, &expr.kind) {
            ("missing", ExprKind::Name { name, primed: false }) if name.text == "skip" => {
                read.skip_missing = true
            }
            ("missing", _) => {
                let help = "`missing = skip` leaves out rows with a missing cell; `fill(rows[a], average)` puts something in its place; without either it is an error";
                return wrong("`missing` says what becomes of rows with a missing cell: `skip`", help);
            }
            (_, ExprKind::String(text)) if text == "\\t" || text == "tab" => read.separator = b'\t',
            (_, ExprKind::String(text)) if text.len() == 1 && text.is_ascii() => {
                read.separator = text.as_bytes()[0]
            }
            _ => {
                return wrong(
                    "`separator` is one character in quotes",
                    "`separator = \";\"`, or `separator = \"tab\"`",
                );
            }
        }
    }
    Ok(read)
}

/// The path that a call reads, and where it is written.
fn path_of<'a>(span: Span, callee: &Name, args: &'a [Arg]) -> Result<(&'a str, Span), Diagnostics> {
    counted(span, callee, args, 1)?;
    let path = &args[0].value;
    if let ExprKind::String(text) = &path.kind {
        return Ok((text, path.span));
    }
    let message = format!("`{}` takes the path of a file, in quotes", callee.text);
    let diagnostic = Diagnostic::error(codes::BAD_DATA_EXPRESSION, message).at(path.span, "is not text");
    let example = match callee.text.as_str() {
        "idx" => "idx(\"data/train-images-idx3-ubyte.gz\")",
        "npy" => "npy(\"data/x.npy\")",
        "npz" => "npz(\"data/all.npz\", x)",
        "images" => "images(\"data/photos\", height = 32, width = 32)",
        "chars" => "chars(\"data/book.txt\")",
        _ => "csv(\"data/iris.csv\")",
    };
    Err(vec![diagnostic.help(format!("for example `{example}`"))])
}

/// A whole number of at least one.
pub fn count(expr: &Expr, what: &str) -> Result<usize, Diagnostics> {
    match &expr.kind {
        ExprKind::Group(inner) => count(inner, what),
        ExprKind::Number { value, .. }
            if value.fract() == 0.0 && (1.0..=f64::from(u32::MAX)).contains(value) =>
        {
            Ok(*value as usize)
        }
        _ => {
            let message = format!("{what} is a whole number of at least one");
            Err(vec![Diagnostic::error(codes::BAD_SETTING_VALUE, message).at(expr.span, "is not")])
        }
    }
}
