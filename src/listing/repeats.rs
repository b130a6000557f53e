//! Copies of a repeated layer, whose lines differ in names only, or in all but a few.

use super::Line;
use super::likeness::{Likeness, Read, likeness};
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Lines side by side that belong to one copy of a repeated layer.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Copy {
    /// `blocks`
    pub repeat: String,
    /// `blocks.0`
    pub path: String,
    /// Which one it is in the order of the lines, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Its lines.
    pub rows: Range<usize>,
    /// In which part of the listing: those under one condition, or those under none so far.
    part: usize,
    /// Which of the copy's runs of lines in that part.
    run: usize,
}

/// A copy whose lines are those of another.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Repeated {
    /// The copy.
    pub copy: Copy,
    /// The other, which comes before.
    pub like: Copy,
    /// How they are alike.
    pub likeness: Likeness,
}

impl Repeated {
    /// The rows of the copy that are different all the same.
    pub fn own(&self) -> impl Iterator<Item = usize> {
        self.likeness.own.iter().map(|k| self.copy.rows.start + k)
    }

    /// Whether the copy right after this one is told by the same words with other numbers.
    pub fn goes_on(&self, next: &Repeated) -> bool {
        let is_next = self.copy.rows.end == next.copy.rows.start && self.like == next.like;
        let whole = self.likeness.own.is_empty() && next.likeness.own.is_empty();
        let (ours, theirs) = (&self.likeness.names, &next.likeness.names);
        let alike =
            ours.iter().zip(theirs).all(|((a, of), (b, other))| of == other && are_next(a, b, self, next));
        is_next && whole && ours.len() == theirs.len() && alike
    }
}

/// Whether two names differ in numbers only, and in those by as much as the copies do.
fn are_next(a: &str, b: &str, this: &Repeated, next: &Repeated) -> bool {
    let parts = |name: &str| -> Vec<String> {
        let chars: Vec<char> = name.chars().collect();
        chars.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()).map(String::from_iter).collect()
    };
    let number = |part: &str| part.parse::<i64>().ok();
    let of = |copy: &Copy| copy.path.rsplit('.').next().and_then(number);
    let by = of(&next.copy).zip(of(&this.copy)).map(|(next, this)| next - this);
    let (a, b) = (parts(a), parts(b));
    a.len() == b.len()
        && a.iter()
            .zip(&b)
            .all(|(a, b)| a == b || by.is_some() && number(b).zip(number(a)).map(|(b, a)| b - a) == by)
}

/// Every copy whose lines are those of one before that is printed itself.
pub(super) fn repeated(lines: &[Option<(&Line, &str)>]) -> Vec<Repeated> {
    let copies = copies(lines);
    let read = |copy: &Copy| -> Vec<Read<'_>> {
        lines[copy.rows.clone()]
            .iter()
            .flatten()
            .map(|(line, code)| Read::of(line, code, &copy.path))
            .collect()
    };
    let reads: Vec<Vec<Read<'_>>> = copies.iter().map(read).collect();
    let mut whole: Vec<usize> = vec![];
    let mut found = vec![];
    for (k, copy) in copies.iter().enumerate() {
        let likeness = |&other: &usize| {
            let like = &copies[other];
            let same = like.repeat == copy.repeat && (like.part, like.run) == (copy.part, copy.run);
            Some((other, likeness(&reads[k], &reads[other]).filter(|_| same)?))
        };
        match whole.iter().filter_map(likeness).min_by_key(|(_, likeness)| likeness.own.len()) {
            Some((like, likeness)) => {
                found.push(Repeated { copy: copy.clone(), like: copies[like].clone(), likeness })
            }
            None => whole.push(k),
        }
    }
    found
}

/// Neighbouring lines by the copy that they belong to: the first part of their path that is a number.
fn copies(lines: &[Option<(&Line, &str)>]) -> Vec<Copy> {
    let mut copies: Vec<Copy> = vec![];
    let mut part = 0;
    for (k, line) in lines.iter().enumerate() {
        part += usize::from(line.is_none());
        let owner = line.and_then(|(line, _)| line.place.as_ref()).map(|place| place.owner.as_str());
        let Some((repeat, path)) = owner.and_then(copy_of) else { continue };
        match copies.last_mut() {
            Some(last) if last.rows.end == k && last.path == path => last.rows.end = k + 1,
            _ => {
                let run = copies.iter().filter(|other| other.path == path && other.part == part).count();
                copies.push(Copy { repeat, path, number: 0, of: 0, rows: k..k + 1, part, run });
            }
        }
    }
    number(&mut copies);
    copies
}

/// Numbers the copies of each repeat, however many runs of lines each of them has.
fn number(copies: &mut [Copy]) {
    let mut numbers: FxHashMap<String, Vec<String>> = FxHashMap::default();
    for copy in copies.iter_mut() {
        let paths = numbers.entry(copy.repeat.clone()).or_default();
        let known = paths.iter().position(|path| *path == copy.path);
        copy.number = 1 + known.unwrap_or(paths.len());
        if known.is_none() {
            paths.push(copy.path.clone());
        }
    }
    copies.iter_mut().for_each(|copy| copy.of = numbers[&copy.repeat].len());
}

/// `blocks.0.u.attention` as `blocks` and `blocks.0`.
fn copy_of(path: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = path.split('.').collect();
    let at = parts.iter().position(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((parts[..at].join("."), parts[..=at].join(".")))
}
