//! Bytes of the files that a data block names, unpacked where they are packed.

use super::buffer::{Buffer, Builder};
use super::given::Given;
use super::room::{self, Room};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes, nearest};
use flate2::read::MultiGzDecoder;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Where the data block stands.
pub struct Home<'a> {
    /// The directory of its `.nn` file.
    pub base: &'a Path,
    /// The `.nn` file as shown to the user.
    pub source: &'a str,
    /// Paths that are written there, and what is read in their place.
    pub given: &'a [(&'a str, &'a Given)],
    /// How much of what is read may stay in memory.
    pub room: &'a Room,
}

impl Home<'_> {
    /// What is read in place of a path.
    pub fn given(&self, path: &str) -> Option<&Given> {
        self.given.iter().find(|(replaced, _)| *replaced == path).map(|(_, given)| *given)
    }

    /// A path as messages call it.
    pub fn shown<'p>(&'p self, path: &'p str) -> &'p str {
        self.given(path).map_or(path, |given| &given.name)
    }
}

/// How a file in gzip begins (RFC 1952, section 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The bytes of a whole file; one in gzip is unpacked, whatever it is called. Mapped where there is no room for them.
///
/// # Errors
/// `FILE_UNREADABLE`; `FILE_UNWRITABLE` where unpacked bytes have no room; `span` is where the path is written.
pub fn bytes(home: &Home, path: &str, span: Span) -> Result<Buffer<u8>, Diagnostics> {
    let bytes = match home.given(path) {
        Some(given) => given.bytes.clone(),
        None => std::fs::File::open(home.base.join(path))
            .and_then(|mut file| Buffer::of_file(&mut file, home.room))
            .map_err(|error| vec![unreadable(home, path, span, &error)])?,
    };
    if bytes.starts_with(&GZIP) { unpacked(&bytes, home, path, span) } else { Ok(bytes) }
}

/// Bytes that are unpacked together.
const TOGETHER: usize = 1 << 16;

/// What a file in gzip holds.
fn unpacked(packed: &[u8], home: &Home, path: &str, span: Span) -> Result<Buffer<u8>, Diagnostics> {
    let mut decoder = MultiGzDecoder::new(packed);
    let mut unpacked = Builder::new(home.room);
    let mut some = vec![0; TOGETHER];
    loop {
        match decoder.read(&mut some) {
            Ok(0) => return room::told(unpacked.finish(), span),
            Ok(count) => room::told(unpacked.extend(&some[..count]), span)?,
            Err(error) => {
                let why = match error.kind() {
                    ErrorKind::UnexpectedEof => "it is cut off",
                    _ => "it is damaged",
                };
                let message = format!(
                    "cannot unpack `{}`: {why} after {} unpacked bytes, in a file of {}",
                    home.shown(path),
                    unpacked.count(),
                    packed.len()
                );
                return Err(vec![Diagnostic::error(codes::FILE_UNREADABLE, message).at(span, "read here")]);
            }
        }
    }
}

fn unreadable(home: &Home, path: &str, span: Span, error: &std::io::Error) -> Diagnostic {
    let why = match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_string(),
        ErrorKind::PermissionDenied => "it may not be read by this user".to_string(),
        ErrorKind::IsADirectory => "it is a directory".to_string(),
        _ => error.to_string(),
    };
    let diagnostic = Diagnostic::error(codes::FILE_UNREADABLE, format!("cannot read `{path}`: {why}"))
        .at(span, "read here")
        .note(format!("paths are relative to the directory of `{}`", home.source));
    match neighbour(home.base, path) {
        Some(near) if error.kind() == ErrorKind::NotFound => {
            diagnostic.help(format!("did you mean `{near}`?"))
        }
        _ => diagnostic,
    }
}

/// A file that is there, in the same directory and of nearly the same name.
fn neighbour(base: &Path, path: &str) -> Option<String> {
    let wanted = Path::new(path);
    let directory = base.join(wanted.parent()?);
    let entries = std::fs::read_dir(directory).ok()?;
    let names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let near = nearest(wanted.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(wanted.with_file_name(near).to_string_lossy().into_owned())
}
