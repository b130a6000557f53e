//! Arrays as NumPy writes them: NPY, read and written.
//!
//! The bytes `\x93NUMPY`, a version, the length of a header, the header (a Python dictionary as text: type, order,
//! shape), then the numbers (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use super::expression::Values;
use crate::circuit::Numbers;

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
pub(super) fn parse(bytes: &[u8]) -> Result<Values, String> {
    let (header, body) = split(bytes)?;
    let entries = dictionary(header).ok_or("its header is no dictionary of type, order and shape")?;
    let entry = |key: &str| entries.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
    let code = entry("descr").and_then(quoted).ok_or("its header tells no type of number")?;
    let (order, code) = code.split_at_checked(1).unwrap_or((code, ""));
    let known = TYPES.iter().find(|known| known.code == code);
    // A single byte has no order; the machine's own is little-endian, as these numbers are.
    let ordered = |of: &&Type| matches!(order, "<" | ">" | "=") || order == "|" && of.size == 1;
    let of = known
        .filter(ordered)
        .ok_or_else(|| format!("it holds numbers of type `{order}{code}`, which is none that is read"))?;
    let first_axis_fastest = match entry("fortran_order") {
        Some("False") => false,
        Some("True") => true,
        _ => return Err("its header does not tell which axis runs fastest".into()),
    };
    let shape = entry("shape").and_then(shape).ok_or("its header tells no shape")?;
    let Some((_, dims)) = shape.split_first() else {
        return Err("it holds a single number, without an axis of examples".into());
    };
    let count = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent as usize));
    let bytes_needed = count.and_then(|count| count.checked_mul(of.size));
    let (Some(count), Some(needed)) = (count, bytes_needed) else {
        return Err(format!("its header tells of an array {shape:?}, too large to hold"));
    };
    if body.len() != needed {
        let found = body.len();
        let how = if found < needed { "it is cut off" } else { "it is not what its header says" };
        return Err(format!("an array {shape:?} takes {needed} bytes, and {found} follow the header: {how}"));
    }
    let mut reversed = vec![0; of.size];
    let number = |chunk: &[u8]| {
        if order != ">" {
            return (of.read)(chunk);
        }
        reversed.copy_from_slice(chunk);
        reversed.reverse();
        (of.read)(&reversed)
    };
    let mut data: Vec<f64> = body.chunks_exact(of.size).map(number).collect();
    if first_axis_fastest && count > 0 {
        data = row_major(&data, &shape);
    }
    Ok(Values { dims: dims.to_vec(), data, ..Values::default() })
}

/// Most bytes of an unpacked array.
const MOST: u64 = 1 << 36;

/// The file of an array in an archive in NPZ format: a zip file with a member `name.npy` for each.
pub(super) fn member(bytes: &[u8], name: &str) -> Result<Vec<u8>, String> {
    let damaged =
        |error: zip::result::ZipError| format!("it is not a file in NPZ format, or damaged: {error}");
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(bytes)).map_err(damaged)?;
    let file = format!("{name}.npy");
    if archive.index_for_name(&file).is_none() {
        let names: Vec<String> =
            archive.file_names().map(|name| format!("`{}`", name.trim_end_matches(".npy"))).collect();
        return Err(format!("it has no array `{name}`; it has {}", names.join(", ")));
    }
    let member = archive.by_name(&file).map_err(damaged)?;
    let mut unpacked = vec![];
    std::io::Read::read_to_end(&mut std::io::Read::take(member, MOST), &mut unpacked)
        .map_err(|error| format!("cannot unpack the array `{name}`: {error}"))?;
    Ok(unpacked)
}

/// The header as text, and what follows it.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), String> {
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
    Ok((header, body))
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

/// An array whose first axis runs fastest, with its last axis running fastest.
fn row_major(data: &[f64], shape: &[u32]) -> Vec<f64> {
    let mut at = vec![0; shape.len()];
    let mut out = Vec::with_capacity(data.len());
    for _ in 0..data.len() {
        let place = at.iter().zip(shape).rev().fold(0, |n, (&k, &extent)| n * extent as usize + k);
        out.push(data[place]);
        for (k, &extent) in at.iter_mut().zip(shape).rev() {
            *k += 1;
            if *k < extent as usize {
                break;
            }
            *k = 0;
        }
    }
    out
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
