//! Arrays as NumPy writes them: NPY, read and written.
//!
//! The bytes `\x93NUMPY`, a version, the length of a header, the header (a Python dictionary as text: type, order,
//! shape), then the numbers (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use super::buffer::{Buffer, Builder};
use super::expression::Values;
use super::room::Room;
use super::rows::{Array, Coding};
use crate::circuit::{Dtype, Numbers};
use std::rc::Rc;

/// How a file begins.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// A type of number: its code without the order of bytes, the bytes of one, and how one is read, little-endian.
struct Type {
    code: &'static str,
    size: usize,
    read: fn(&[u8]) -> f64,
}

/// The bytes of one number as an array.
fn word<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("a chunk of the size in its row")
}

const TYPES: &[Type] = &[
    Type { code: "f4", size: 4, read: |b| f64::from(f32::from_le_bytes(word(b))) },
    Type { code: "f8", size: 8, read: |b| f64::from_le_bytes(word(b)) },
    Type { code: "i1", size: 1, read: |b| f64::from(i8::from_le_bytes(word(b))) },
    Type { code: "i2", size: 2, read: |b| f64::from(i16::from_le_bytes(word(b))) },
    Type { code: "i4", size: 4, read: |b| f64::from(i32::from_le_bytes(word(b))) },
    // Beyond 2^53 rounded; such a number is no class, and as a feature it is rounded to f32 anyway.
    Type { code: "i8", size: 8, read: |b| i64::from_le_bytes(word(b)) as f64 },
    Type { code: "u1", size: 1, read: |b| f64::from(b[0]) },
    Type { code: "u2", size: 2, read: |b| f64::from(u16::from_le_bytes(word(b))) },
    Type { code: "u4", size: 4, read: |b| f64::from(u32::from_le_bytes(word(b))) },
    Type { code: "u8", size: 8, read: |b| u64::from_le_bytes(word(b)) as f64 },
    Type { code: "b1", size: 1, read: |b| f64::from(b[0]) },
];

/// The array in the bytes of a file, its first axis the examples; or what is wrong with them.
pub(super) fn parse(bytes: &Buffer<u8>) -> Result<Values, String> {
    let (header, begin) = split(bytes)?;
    let entries = dictionary(header).ok_or("its header is no dictionary of type, order and shape")?;
    let entry = |key: &str| entries.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
    let code = entry("descr").and_then(quoted).ok_or("its header tells no type of number")?;
    let coding = coding(code)?;
    let first_axis_fastest = match entry("fortran_order") {
        Some("False") => false,
        Some("True") => true,
        _ => return Err("its header does not tell which axis runs fastest".into()),
    };
    let shape = entry("shape").and_then(shape).ok_or("its header tells no shape")?;
    let Some((&rows, dims)) = shape.split_first() else {
        return Err("it holds a single number, without an axis of examples".into());
    };
    let count = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent as usize));
    let Some(needed) = count.and_then(|count| count.checked_mul(coding.size)) else {
        return Err(format!("its header tells of an array {shape:?}, too large to hold"));
    };
    let found = bytes.len() - begin;
    if found != needed {
        let how = if found < needed { "it is cut off" } else { "it is not what its header says" };
        return Err(format!("an array {shape:?} takes {needed} bytes, and {found} follow the header: {how}"));
    }
    let is_empty = needed == 0;
    let rows = if is_empty { 0 } else { rows as usize };
    let columns = (first_axis_fastest && !is_empty).then(|| (rows, columns_before(dims)));
    let width = if is_empty { 0 } else { dims.iter().map(|&extent| extent as usize).product() };
    let array = Array { bytes: bytes.slice(begin..bytes.len()), coding, width, columns };
    Ok(Values::new(dims.to_vec(), rows, Rc::new(array)))
}

/// How the numbers of a type such as `<f4` are read.
fn coding(code: &str) -> Result<Coding, String> {
    let (order, code) = code.split_at_checked(1).unwrap_or((code, ""));
    let known = TYPES.iter().find(|known| known.code == code);
    // A single byte has no order; the machine's own is little-endian, as these numbers are.
    let ordered = |of: &&Type| matches!(order, "<" | ">" | "=") || order == "|" && of.size == 1;
    let of = known
        .filter(ordered)
        .ok_or_else(|| format!("it holds numbers of type `{order}{code}`, which is none that is read"))?;
    let is = match of.code {
        "f4" => Some(Dtype::F32),
        "f8" => Some(Dtype::F64),
        _ => None,
    };
    Ok(Coding { size: of.size, read: of.read, reversed: order == ">", is })
}

/// For each element of a row, the last axis running fastest, how many come before it where the first one does.
fn columns_before(dims: &[u32]) -> Vec<usize> {
    let mut step = 1;
    let mut before = vec![0];
    for &extent in dims {
        let along = |before: &usize| (0..extent as usize).map(|k| before + k * step).collect::<Vec<_>>();
        before = before.iter().flat_map(along).collect();
        step *= extent as usize;
    }
    before
}

/// Most bytes of an unpacked array.
const MOST: u64 = 1 << 36;

/// The file of an array in an archive in NPZ format: a zip file with a member `name.npy` for each. One that is not packed
/// is used where it lies.
pub(super) fn member(bytes: &Buffer<u8>, name: &str, room: &Room) -> Result<Buffer<u8>, String> {
    let damaged =
        |error: zip::result::ZipError| format!("it is not a file in NPZ format, or damaged: {error}");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&bytes[..])).map_err(damaged)?;
    let file = format!("{name}.npy");
    if archive.index_for_name(&file).is_none() {
        let names: Vec<String> =
            archive.file_names().map(|name| format!("`{}`", name.trim_end_matches(".npy"))).collect();
        return Err(format!("it has no array `{name}`; it has {}", names.join(", ")));
    }
    let member = archive.by_name(&file).map_err(damaged)?;
    let cannot = |error: std::io::Error| format!("cannot unpack the array `{name}`: {error}");
    let (begin, size) = (member.data_start() as usize, member.size() as usize);
    let is_stored = member.compression() == zip::CompressionMethod::Stored;
    let mut member = std::io::Read::take(member, MOST);
    if is_stored && begin.checked_add(size).is_some_and(|end| end <= bytes.len()) {
        // Read all the same, for its checksum.
        std::io::copy(&mut member, &mut std::io::sink()).map_err(cannot)?;
        return Ok(bytes.slice(begin..begin + size));
    }
    let mut unpacked = Builder::new(room);
    let mut some = vec![0; 1 << 16];
    loop {
        match std::io::Read::read(&mut member, &mut some).map_err(cannot)? {
            0 => return unpacked.finish().map_err(cannot),
            count => unpacked.extend(&some[..count]).map_err(cannot)?,
        }
    }
}

/// The header as text, and where what follows it begins.
fn split(bytes: &[u8]) -> Result<(&str, usize), String> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it does not begin as a file in NPY format does")?;
    let cut_off = || "it is cut off inside its header".to_string();
    let (len, rest) = match *rest {
        [1, _, a, b, ref rest @ ..] => (usize::from(u16::from_le_bytes([a, b])), rest),
        [2 | 3, _, a, b, c, d, ref rest @ ..] => (u32::from_le_bytes([a, b, c, d]) as usize, rest),
        [version, _, _, _, ..] => {
            return Err(format!("it is in version {version} of the NPY format, which is not known"));
        }
        _ => return Err(cut_off()),
    };
    let (header, body) = rest.split_at_checked(len).ok_or_else(cut_off)?;
    let header = std::str::from_utf8(header).map_err(|_| "its header is no text".to_string())?;
    Ok((header, bytes.len() - body.len()))
}

/// The entries of `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, which are these three.
fn dictionary(header: &str) -> Option<Vec<(&str, &str)>> {
    let mut rest = header.trim_end_matches([' ', '\n']).strip_prefix('{')?.strip_suffix('}')?.trim();
    let mut entries = vec![];
    while !rest.is_empty() {
        let (key, behind) = rest.strip_prefix('\'')?.split_once('\'')?;
        let value = behind.trim_start().strip_prefix(':')?.trim_start();
        let end = match value.as_bytes().first()? {
            b'(' => value.find(')')? + 1,
            b'[' => value.find(']')? + 1,
            b'\'' => value[1..].find('\'')? + 2,
            _ => value.find(',').unwrap_or(value.len()),
        };
        entries.push((key, value[..end].trim_end()));
        let behind = value[end..].trim_start();
        rest = if behind.is_empty() { behind } else { behind.strip_prefix(',')?.trim_start() };
    }
    (entries.len() == 3).then_some(entries)
}

/// `'<f4'`
fn quoted(value: &str) -> Option<&str> {
    value.strip_prefix('\'')?.strip_suffix('\'')
}

/// `(3, 4)`, `(3,)`
fn shape(value: &str) -> Option<Vec<u32>> {
    let inside = value.strip_prefix('(')?.strip_suffix(')')?.trim();
    if inside.is_empty() {
        return Some(vec![]);
    }
    let extents = inside.strip_suffix(',').unwrap_or(inside).split(',');
    extents.map(|extent| extent.trim().parse().ok()).collect()
}

/// The bytes of a file with an array, row-major and little-endian.
pub fn written(dims: &[usize], numbers: &Numbers) -> Vec<u8> {
    let code = match numbers {
        Numbers::F32(_) => "<f4",
        Numbers::F64(_) => "<f8",
    };
    let extents: String = dims.iter().map(|extent| format!("{extent},")).collect();
    let mut header = format!("{{'descr': '{code}', 'fortran_order': False, 'shape': ({extents}), }}");
    // The numbers begin at a multiple of 64 bytes.
    let begin = (MAGIC.len() + 4 + header.len() + 1).next_multiple_of(64);
    header.push_str(&" ".repeat(begin - MAGIC.len() - 4 - header.len() - 1));
    header.push('\n');
    let len = u16::try_from(header.len()).expect("few axes make a short header");
    let mut out = [MAGIC, &[1, 0], &len.to_le_bytes(), header.as_bytes()].concat();
    match numbers {
        Numbers::F32(values) => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
        Numbers::F64(values) => values.iter().for_each(|value| out.extend(value.to_le_bytes())),
    }
    out
}
