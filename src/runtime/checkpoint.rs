//! Parameters in a file: safetensors, which every framework reads.
//!
//! A file is written beside its place, flushed and then renamed, so that a crash leaves the old one or the new
//! one, never a part.

use crate::circuit::Numbers;
use crate::diagnostic::{Diagnostic, codes, nearest};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// One array of a file.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    /// Instance path: `first.W`.
    pub name: String,
    /// Extents; empty for a scalar.
    pub dims: Vec<u32>,
    /// Row-major, exact whatever type of number the file holds.
    pub data: Vec<f64>,
}

/// What a file holds.
#[derive(Clone, PartialEq, Debug)]
pub struct Loaded {
    /// As shown to the user.
    pub path: String,
    /// In the order of the file.
    pub tensors: Vec<Tensor>,
    /// Free text by key, sorted by key.
    pub metadata: Metadata,
}

/// Free text by key.
pub type Metadata = Vec<(String, String)>;

/// The entry of a file's header that is not a tensor.
const METADATA: &str = "__metadata__";

/// The values of an array to be written, row-major.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Values<'a> {
    /// 32 bits each.
    F32(&'a [f32]),
    /// 64 bits each.
    F64(&'a [f64]),
}

impl<'a> From<&'a Numbers> for Values<'a> {
    fn from(numbers: &'a Numbers) -> Self {
        match numbers {
            Numbers::F32(values) => Values::F32(values),
            Numbers::F64(values) => Values::F64(values),
        }
    }
}

impl Values<'_> {
    /// How the format calls the type of number.
    fn dtype(self) -> &'static str {
        match self {
            Values::F32(_) => "F32",
            Values::F64(_) => "F64",
        }
    }

    /// Number of values.
    fn len(self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
        }
    }

    /// Bytes of all values.
    fn bytes(self) -> usize {
        match self {
            Values::F32(values) => size_of_val(values),
            Values::F64(values) => size_of_val(values),
        }
    }

    /// Writes them, little-endian.
    fn write(self, out: &mut impl Write) -> std::io::Result<()> {
        match self {
            Values::F32(values) => values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())),
            Values::F64(values) => values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())),
        }
    }
}

/// An array to be written: name, extents, values.
pub type Written<'a> = (&'a str, &'a [u32], Values<'a>);

/// Writes tensors and metadata. Equal arguments give equal bytes.
///
/// # Errors
/// `FILE_UNWRITABLE`; what was at `path` before is then still there.
///
/// # Panics
/// If the values of a tensor are not as many as its extents say, or two tensors have one name.
pub fn save(path: &Path, tensors: &[Written], metadata: &[(String, String)]) -> Result<(), Diagnostic> {
    if tensors.iter().any(|(name, ..)| *name == METADATA) {
        let message = format!(
            "an array cannot be saved under the name `{METADATA}`: the format has its own use for it"
        );
        return Err(Diagnostic::error(codes::FILE_UNWRITABLE, message).help("rename the layer or parameter"));
    }
    let header = header(tensors, metadata);
    replaced(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header.as_bytes())?;
        tensors.iter().try_for_each(|(_, _, data)| data.write(out))
    })
}

/// Writes a file whole, or leaves what was there.
///
/// # Errors
/// `FILE_UNWRITABLE`.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Diagnostic> {
    replaced(path, |out| out.write_all(bytes))
}

/// That a file can be written at a path: a long run should not end with finding that it cannot.
///
/// # Errors
/// `FILE_UNWRITABLE`.
pub fn probe(path: &Path) -> Result<(), Diagnostic> {
    let beside = beside(path);
    let made = File::create(&beside).map(drop);
    _ = fs::remove_file(&beside);
    made.map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Diagnostic {
    let message = format!("cannot write `{}`: {}", path.display(), why(error));
    let diagnostic = Diagnostic::error(codes::FILE_UNWRITABLE, message);
    match path.parent() {
        Some(parent) if error.kind() == ErrorKind::NotFound => {
            diagnostic.help(format!("is there a directory `{}`?", parent.display()))
        }
        _ => diagnostic,
    }
}

/// Puts a new file in place of the one at a path: written beside it, flushed, renamed.
fn replaced(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), Diagnostic> {
    let beside = beside(path);
    let flushed = || {
        let mut out = BufWriter::with_capacity(1 << 16, File::create(&beside)?);
        write(&mut out)?;
        out.into_inner()?.sync_all()
    };
    let written = flushed().and_then(|()| fs::rename(&beside, path)).map(|()| flush_folder(path));
    written.map_err(|error| {
        // It may not even have been made; what matters was told.
        let _ = fs::remove_file(&beside);
        unwritable(path, &error)
    })
}

/// Flushes the folder of a file, so that its new name outlives a loss of power. Not every file system can; the file itself
/// is whole in either case.
fn flush_folder(path: &Path) {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    _ = File::open(folder).and_then(|folder| folder.sync_all());
}

/// A name in the same directory, so that renaming stays within one file system.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.part", std::process::id()));
    path.with_file_name(name)
}

/// The header: the crate's own writer orders metadata by a random hash, and equal models should be equal files.
///
/// Format: <https://huggingface.co/docs/safetensors>. JSON, padded with blanks so that the values are aligned.
fn header(tensors: &[Written], metadata: &[(String, String)]) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut entries = vec![];
    if !metadata.is_empty() {
        let pairs: Vec<String> =
            metadata.iter().map(|(key, text)| format!("{}:{}", quoted(key), quoted(text))).collect();
        entries.push(format!("\"{METADATA}\":{{{}}}", pairs.join(",")));
    }
    let mut start = 0;
    for (k, (name, dims, data)) in tensors.iter().enumerate() {
        assert_eq!(dims.iter().map(|&d| d as usize).product::<usize>(), data.len(), "extents of {name}");
        assert!(tensors[..k].iter().all(|(other, ..)| other != name), "two tensors called {name}");
        let end = start + data.bytes();
        let (name, dtype) = (quoted(name), data.dtype());
        entries.push(format!(
            "{name}:{{\"dtype\":\"{dtype}\",\"shape\":{dims:?},\"data_offsets\":[{start},{end}]}}"
        ));
        start = end;
    }
    let mut text = format!("{{{}}}", entries.join(","));
    text.push_str(&" ".repeat(text.len().next_multiple_of(8) - text.len()));
    text
}

/// What the metadata of a file says under a key.
pub fn entry<'a>(loaded: &'a Loaded, key: &str) -> Option<&'a str> {
    loaded.metadata.iter().find(|(known, _)| known == key).map(|(_, text)| text.as_str())
}

/// Reads a file. Numbers of any kind become f64, which holds all of them exactly; a whole number that it cannot
/// hold is refused.
///
/// # Errors
/// `FILE_UNREADABLE` where it is missing, cut off or malformed, or holds what f64 cannot.
pub fn load(path: &Path) -> Result<Loaded, Diagnostic> {
    let shown = path.display().to_string();
    let told =
        |what: String| Diagnostic::error(codes::FILE_UNREADABLE, format!("cannot read `{shown}`: {what}"));
    let bytes = fs::read(path).map_err(|error| told(why(&error)))?;
    let (tensors, metadata) = read(&bytes).map_err(told)?;
    Ok(Loaded { path: shown, tensors, metadata })
}

/// The tensors and the metadata in the bytes of a file, or what is wrong with them.
fn read(bytes: &[u8]) -> Result<(Vec<Tensor>, Metadata), String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| fault(&error, bytes.len()))?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| fault(&error, bytes.len()))?;
    let mut tensors = vec![];
    for name in header.offset_keys() {
        let view = file.tensor(&name).map_err(|error| fault(&error, bytes.len()))?;
        let dims = view.shape().iter().map(|&d| u32::try_from(d)).collect::<Result<_, _>>();
        let dims = dims.map_err(|_| format!("`{name}` has a size beyond 2^32"))?;
        let data = numbers(view.dtype(), view.data()).map_err(|what| format!("`{name}` {what}"))?;
        tensors.push(Tensor { name, dims, data });
    }
    let mut metadata: Metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    metadata.sort();
    Ok((tensors, metadata))
}

/// What the operating system says, in words.
fn why(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file or directory".to_string(),
        ErrorKind::PermissionDenied => "this user may not".to_string(),
        ErrorKind::IsADirectory => "it is a directory".to_string(),
        _ => error.to_string(),
    }
}

/// What is wrong with a file of `len` bytes.
fn fault(error: &SafeTensorError, len: usize) -> String {
    use SafeTensorError::*;
    match error {
        HeaderTooSmall => format!("it has {len} bytes, too few for a safetensors file"),
        HeaderTooLarge => "it is not a safetensors file".to_string(),
        InvalidHeader(_) | InvalidHeaderDeserialization(_) => {
            "it is not a safetensors file, or its header is damaged".to_string()
        }
        InvalidHeaderLength => "it is cut off inside its header, or is not a safetensors file".to_string(),
        MetadataIncompleteBuffer => {
            format!("its header tells of another length than {len} bytes: is it cut off?")
        }
        _ => format!("it is damaged ({error})"),
    }
}

/// How a kind of number is read.
struct Reader {
    /// Its name in the file.
    dtype: Dtype,
    /// Bytes of one number.
    size: usize,
    /// One number, little-endian; `None` where f64 cannot hold it.
    read: fn(&[u8]) -> Option<f64>,
}

/// The bytes of one number as an array.
fn word<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("a chunk of the size in its row")
}

/// A whole number, if f64 holds it exactly.
fn exact(number: i64) -> Option<f64> {
    let rounded = number as f64;
    (rounded as i64 == number).then_some(rounded)
}

/// An IEEE 754 half (1 sign, 5 exponent, 10 fraction bits) widened; every one is exact.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match (bits >> 10) & 0x1f {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
    };
    sign * magnitude
}

/// The kinds of number that are read; others are refused by name.
const READERS: &[Reader] = &[
    Reader { dtype: Dtype::F32, size: 4, read: |b| Some(f64::from(f32::from_le_bytes(word(b)))) },
    Reader { dtype: Dtype::F64, size: 8, read: |b| Some(f64::from_le_bytes(word(b))) },
    Reader { dtype: Dtype::F16, size: 2, read: |b| Some(half(u16::from_le_bytes(word(b)))) },
    // A bf16 is the upper half of an f32.
    Reader {
        dtype: Dtype::BF16,
        size: 2,
        read: |b| Some(f64::from(f32::from_bits(u32::from(u16::from_le_bytes(word(b))) << 16))),
    },
    Reader { dtype: Dtype::I64, size: 8, read: |b| exact(i64::from_le_bytes(word(b))) },
    Reader { dtype: Dtype::I32, size: 4, read: |b| exact(i64::from(i32::from_le_bytes(word(b)))) },
    Reader { dtype: Dtype::U8, size: 1, read: |b| Some(f64::from(b[0])) },
    Reader { dtype: Dtype::BOOL, size: 1, read: |b| Some(f64::from(b[0])) },
];

/// The values of a tensor.
fn numbers(dtype: Dtype, bytes: &[u8]) -> Result<Vec<f64>, String> {
    let Some(reader) = READERS.iter().find(|reader| reader.dtype == dtype) else {
        let known: Vec<String> = READERS.iter().map(|reader| reader.dtype.to_string()).collect();
        return Err(format!(
            "holds numbers of type {dtype}; those that can be read are {}",
            known.join(", ")
        ));
    };
    let numbers = bytes.chunks_exact(reader.size).map(reader.read);
    numbers
        .collect::<Option<_>>()
        .ok_or_else(|| format!("holds a number of type {dtype} that f64 cannot hold"))
}

/// The tensors of a file that belong to a model's expected names and extents, in the model's order. What else the
/// file holds is left alone.
///
/// # Errors
/// `CHECKPOINT_MISMATCH` if one is missing or has another shape: it lists all that do not fit.
pub fn matching<'a>(loaded: &'a Loaded, expected: &[(&str, &[u32])]) -> Result<Vec<&'a Tensor>, Diagnostic> {
    let find = |name: &str| loaded.tensors.iter().find(|tensor| tensor.name == name);
    let mut fitting = vec![];
    let (mut missing, mut differing) = (vec![], vec![]);
    for &(name, dims) in expected {
        match find(name) {
            Some(tensor) if tensor.dims == dims => fitting.push(tensor),
            Some(tensor) => {
                differing.push(format!("`{name}` is {:?} in the file and {dims:?} in the model", tensor.dims))
            }
            None => missing.push((name, dims)),
        }
    }
    if fitting.len() == expected.len() {
        return Ok(fitting);
    }
    let is_result = |tensor: &&Tensor| !tensor.name.starts_with(super::saved::PREFIX);
    let spare = loaded.tensors.iter().filter(is_result);
    let spare = spare.filter(|tensor| expected.iter().all(|&(name, _)| name != tensor.name));
    let spare: Vec<&Tensor> = spare.collect();
    let message = format!(
        "`{}` does not fit the model: {} of the model's {} arrays fit",
        loaded.path,
        fitting.len(),
        expected.len()
    );
    let mut diagnostic = Diagnostic::error(codes::CHECKPOINT_MISMATCH, message);
    let listed = |tensors: &mut dyn Iterator<Item = (&str, &[u32])>| {
        tensors.map(|(name, dims)| format!("`{name}` {dims:?}")).collect::<Vec<_>>().join("\n")
    };
    if !missing.is_empty() {
        diagnostic = diagnostic.note(format!("not in the file:\n{}", listed(&mut missing.iter().copied())));
    }
    if !differing.is_empty() {
        diagnostic = diagnostic.note(format!("of another shape:\n{}", differing.join("\n")));
    }
    if !spare.is_empty() {
        let mut pairs = spare.iter().map(|tensor| (tensor.name.as_str(), &tensor.dims[..]));
        diagnostic = diagnostic.note(format!("only in the file:\n{}", listed(&mut pairs)));
    }
    Err(match renamed(&missing, &spare) {
        Some((old, new)) => diagnostic.help(format!("was `{old}` renamed to `{new}`?")),
        None => diagnostic.help("load it into the net, and with the settings, that it was saved from"),
    })
}

/// A missing array whose shape is that of a spare one of nearly the same name: (in the file, in the model).
fn renamed<'a>(missing: &[(&'a str, &[u32])], spare: &[&'a Tensor]) -> Option<(&'a str, &'a str)> {
    missing.iter().find_map(|&(name, dims)| {
        let candidates = spare.iter().filter(|tensor| tensor.dims == dims).map(|tensor| tensor.name.as_str());
        Some((nearest(name, candidates)?, name))
    })
}

#[cfg(test)]
mod tests;
