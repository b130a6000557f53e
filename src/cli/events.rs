//! The history of a run as TensorBoard reads it: records of a TFRecord file, each an `Event` of protocol buffers.
//!
//! A record is the length of its bytes (64 bits, little-endian), a checksum of that, the bytes, a checksum of them
//! (tensorflow/core/lib/io/record_writer.h). An event has `wall_time = 1`, `step = 2` and either `file_version = 3` or
//! `summary = 5`; a summary is `value = 1`, each with `tag = 1` and `simple_value = 2` (tensorflow/core/util/event.proto,
//! tensorflow/core/framework/summary.proto). Three messages of numbers and text are written faster by hand than described
//! to a library.

use std::io::Write;

/// How the file of a run is called: TensorBoard takes files with `tfevents` in their names.
pub const EVENTS: &str = "events.out.tfevents.nnc";

/// The events of a file.
pub struct Events<W: Write> {
    out: W,
}

impl<W: Write> Events<W> {
    /// Begins a file; `time` is in seconds since 1970.
    ///
    /// # Errors
    /// Of `out`.
    pub fn new(out: W, time: f64) -> std::io::Result<Events<W>> {
        let mut events = Events { out };
        let version = [double(1, time), text(3, b"brain.Event:2")].concat();
        events.record(&version)?;
        Ok(events)
    }

    /// Adds numbers of a step.
    ///
    /// # Errors
    /// Of `out`.
    pub fn add(&mut self, time: f64, step: u64, numbers: &[(String, f64)]) -> std::io::Result<()> {
        let value = |(tag, number): &(String, f64)| {
            text(1, &[text(1, tag.as_bytes()), float(2, *number as f32)].concat())
        };
        let summary: Vec<u8> = numbers.iter().flat_map(value).collect();
        self.record(&[double(1, time), whole(2, step), text(5, &summary)].concat())
    }

    /// A record, in one piece.
    fn record(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let len = (bytes.len() as u64).to_le_bytes();
        let (of_len, of_bytes) = (masked(&len).to_le_bytes(), masked(bytes).to_le_bytes());
        self.out.write_all(&[&len[..], &of_len, bytes, &of_bytes].concat())?;
        self.out.flush()
    }
}

/// A number of seven bits a byte, the low ones first; all but the last byte have their high bit set.
fn varint(mut number: u64) -> Vec<u8> {
    let mut out = vec![];
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
    out
}

/// A field begins with its number and how long it is: 0 a varint, 1 eight bytes, 2 a length and so many bytes, 5 four
/// bytes.
fn key(field: u64, kind: u64) -> Vec<u8> {
    varint((field << 3) | kind)
}

fn whole(field: u64, number: u64) -> Vec<u8> {
    [key(field, 0), varint(number)].concat()
}

fn double(field: u64, number: f64) -> Vec<u8> {
    [&key(field, 1)[..], &number.to_le_bytes()].concat()
}

fn text(field: u64, bytes: &[u8]) -> Vec<u8> {
    [&key(field, 2)[..], &varint(bytes.len() as u64), bytes].concat()
}

fn float(field: u64, number: f32) -> Vec<u8> {
    [&key(field, 5)[..], &number.to_le_bytes()].concat()
}

/// The checksum of a record: CRC-32C, turned and shifted, so that a checksum of checksums is none of zeros
/// (tensorflow/core/lib/hash/crc32c.h).
fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32 by Castagnoli's polynomial (RFC 3720, section 12.1), bit by bit: records are short.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, &byte: &u8| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ ((crc & 1).wrapping_neg() & 0x82f6_3b78))
    };
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_its_standard() {
        // RFC 3720, appendix B.4, and the usual check value.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    /// The records of a file, each of whose checksums is right.
    fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut found = vec![];
        while !bytes.is_empty() {
            let (len, rest) = bytes.split_at(8);
            let (of_len, rest) = rest.split_at(4);
            assert_eq!(of_len, masked(len).to_le_bytes());
            let (record, rest) = rest.split_at(u64::from_le_bytes(len.try_into().expect("eight")) as usize);
            let (of_record, rest) = rest.split_at(4);
            assert_eq!(of_record, masked(record).to_le_bytes());
            found.push(record.to_vec());
            bytes = rest;
        }
        found
    }

    /// The fields of a message: number, and value as bytes.
    fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        let take = |bytes: &mut &[u8], count: usize| -> Vec<u8> {
            let (taken, rest) = bytes.split_at(count);
            *bytes = rest;
            taken.to_vec()
        };
        let number = |bytes: &mut &[u8]| -> u64 {
            let end = bytes.iter().position(|byte| byte & 0x80 == 0).expect("a last byte") + 1;
            let parts = take(bytes, end);
            parts.iter().rev().fold(0, |number, byte| (number << 7) | u64::from(byte & 0x7f))
        };
        let mut found = vec![];
        while !bytes.is_empty() {
            let key = number(&mut bytes);
            let value = match key & 7 {
                0 => number(&mut bytes).to_le_bytes().to_vec(),
                1 => take(&mut bytes, 8),
                2 => {
                    let len = number(&mut bytes) as usize;
                    take(&mut bytes, len)
                }
                5 => take(&mut bytes, 4),
                kind => panic!("a field of kind {kind}"),
            };
            found.push((key >> 3, value));
        }
        found
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut out = vec![];
        let mut events = Events::new(&mut out, 1.5).expect("memory");
        let numbers = [("loss/train".to_string(), 0.25), ("accuracy/validation".to_string(), f64::NAN)];
        events.add(2.5, 300, &numbers).expect("memory");
        let found: Vec<_> = records(&out).iter().map(|record| fields(record)).collect();
        assert_eq!(found[0], [(1, 1.5f64.to_le_bytes().to_vec()), (3, b"brain.Event:2".to_vec())]);
        let [(1, time), (2, step), (5, summary)] = &found[1][..] else { panic!("{found:?}") };
        assert_eq!((&time[..], &step[..]), (&2.5f64.to_le_bytes()[..], &300u64.to_le_bytes()[..]));
        let values: Vec<_> = fields(summary).iter().map(|(_, value)| fields(value)).collect();
        assert_eq!(values[0], [(1, b"loss/train".to_vec()), (2, 0.25f32.to_le_bytes().to_vec())]);
        assert_eq!(values[1][0].1, b"accuracy/validation");
        assert!(f32::from_le_bytes(values[1][1].1[..].try_into().expect("four")).is_nan());
    }
}
