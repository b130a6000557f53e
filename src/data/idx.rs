//! Files in the IDX format of the MNIST database: an array of any rank, its first axis the examples.
//!
//! Two zero bytes, the type of the numbers, the number of axes, the extent of each axis in 32 bits, then the
//! numbers row-major; all big-endian (<http://yann.lecun.com/exdb/mnist>).

use super::buffer::Buffer;
use super::expression::Values;
use super::npy;
use super::open::{self, Home};
use super::rows::{Array, Coding};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use std::rc::Rc;

/// A type of number: its code, its name, the bytes of one, and how one is read.
struct Type {
    code: u8,
    name: &'static str,
    size: usize,
    read: fn(&[u8]) -> f64,
}

/// The bytes of one number as an array.
fn word<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("a chunk of the size in its row")
}

const TYPES: &[Type] = &[
    Type { code: 0x08, name: "unsigned bytes", size: 1, read: |b| f64::from(b[0]) },
    Type { code: 0x09, name: "signed bytes", size: 1, read: |b| f64::from(i8::from_be_bytes(word(b))) },
    Type { code: 0x0B, name: "16-bit integers", size: 2, read: |b| f64::from(i16::from_be_bytes(word(b))) },
    Type { code: 0x0C, name: "32-bit integers", size: 4, read: |b| f64::from(i32::from_be_bytes(word(b))) },
    Type { code: 0x0D, name: "32-bit floats", size: 4, read: |b| f64::from(f32::from_be_bytes(word(b))) },
    Type { code: 0x0E, name: "64-bit floats", size: 8, read: |b| f64::from_be_bytes(word(b)) },
];

/// Reads `idx("train-images-idx3-ubyte.gz")`, or a file in NPY format: one array an example.
///
/// # Errors
/// `FILE_UNREADABLE` where the file is missing, not in this format, or not of the length that its header tells;
/// `EMPTY_DATA` without an example.
pub fn read(home: &Home, path: &str, span: Span) -> Result<Values, Diagnostics> {
    let bytes = open::bytes(home, path, span)?;
    let path = home.shown(path);
    let told = |what| vec![Diagnostic::error(codes::FILE_UNREADABLE, what).at(span, "read here")];
    let read = if bytes.starts_with(npy::MAGIC) { npy::parse } else { parse };
    let values = read(&bytes).map_err(|what| told(format!("`{path}`: {what}")))?;
    if values.rows == 0 {
        let message = format!("`{path}` holds no number");
        return Err(vec![Diagnostic::error(codes::EMPTY_DATA, message).at(span, "read here")]);
    }
    Ok(values)
}

/// Reads `npz("all.npz", x)`: an array of an archive in NPZ format.
///
/// # Errors
/// As of [`read`], and where there is no such array.
pub fn read_member(home: &Home, path: &str, name: &str, span: Span) -> Result<Values, Diagnostics> {
    let bytes = open::bytes(home, path, span)?;
    let path = home.shown(path);
    let told = |what| vec![Diagnostic::error(codes::FILE_UNREADABLE, what).at(span, "read here")];
    let bytes = npy::member(&bytes, name, home.room).map_err(|what| told(format!("`{path}`: {what}")))?;
    let values = npy::parse(&bytes).map_err(|what| told(format!("`{path}`, array `{name}`: {what}")))?;
    if values.rows == 0 {
        let message = format!("the array `{name}` of `{path}` holds no number");
        return Err(vec![Diagnostic::error(codes::EMPTY_DATA, message).at(span, "read here")]);
    }
    Ok(values)
}

/// The array in the bytes of a file, or what is wrong with them.
pub(super) fn parse(bytes: &Buffer<u8>) -> Result<Values, String> {
    let &[0, 0, code, rank, ref rest @ ..] = &bytes[..] else {
        return Err("it does not begin as a file in IDX format does, with two zero bytes".into());
    };
    let known = TYPES.iter().find(|known| known.code == code);
    let of =
        known.ok_or_else(|| format!("its third byte, {code:#04x}, is no type of number in IDX format"))?;
    let rank = usize::from(rank);
    if rank == 0 || rest.len() < 4 * rank {
        return Err(format!("its header tells of {rank} axes, and is cut off after {} bytes", bytes.len()));
    }
    let (header, body) = rest.split_at(4 * rank);
    let extents: Vec<u32> = header.chunks_exact(4).map(|four| u32::from_be_bytes(word(four))).collect();
    let bytes_of =
        |extents: &[u32]| extents.iter().try_fold(of.size, |n, &extent| n.checked_mul(extent as usize));
    let (whole, row) = (bytes_of(&extents), bytes_of(&extents[1..]));
    let (Some(whole), Some(row)) = (whole, row) else {
        return Err(format!("its header tells of an array {extents:?}, too large to hold"));
    };
    if body.len() != whole {
        let (name, found) = (of.name, body.len());
        let expected =
            format!("an array {extents:?} of {name} takes {whole} bytes, and {found} follow the header");
        return Err(match found.checked_div(row) {
            Some(rows) if found < whole => {
                format!("{expected}: it is cut off in row {} of {}", rows + 1, extents[0])
            }
            _ => format!("{expected}: it is not what its header says"),
        });
    }
    let coding = Coding { size: of.size, read: of.read, reversed: false, is: None };
    let body = bytes.slice(bytes.len() - whole..bytes.len());
    let (rows, dims) = (if whole == 0 { 0 } else { extents[0] as usize }, extents[1..].to_vec());
    let width = if rows == 0 { 0 } else { dims.iter().map(|&extent| extent as usize).product() };
    Ok(Values::new(dims, rows, Rc::new(Array { bytes: body, coding, width, columns: None })))
}
