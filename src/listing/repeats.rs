//! Copies of a repeated layer, whose lines differ in names only.

use super::Line;
use rustc_hash::FxHashMap;
use std::ops::Range;

/// Lines of one copy that are those of another but for the names.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Copies {
    /// The copy: `blocks.0`.
    pub path: String,
    /// The other: `blocks.1`.
    pub like: String,
    /// Which one it is in the order of the lines, from 1, and how many there are.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// Its lines.
    pub rows: Range<usize>,
}

/// Lines side by side that belong to one copy.
struct Chunk {
    /// `blocks`
    repeat: String,
    /// `0`
    copy: String,
    rows: Range<usize>,
}

/// Every copy whose lines are those of one before.
pub(super) fn copies(lines: &[Option<(&Line, &str)>]) -> Vec<Copies> {
    let chunks = chunks(lines);
    let codes = |chunk: &Chunk| -> Vec<&str> {
        lines[chunk.rows.clone()].iter().flatten().map(|(_, code)| *code).collect()
    };
    let mut found = vec![];
    for (k, chunk) in chunks.iter().enumerate() {
        let of = |other: &&Chunk| other.repeat == chunk.repeat;
        let like = chunks[..k].iter().filter(of).find(|other| are_alike(&codes(other), &codes(chunk)));
        let Some(like) = like else { continue };
        found.push(Copies {
            path: format!("{}.{}", chunk.repeat, chunk.copy),
            like: format!("{}.{}", like.repeat, like.copy),
            number: chunks[..=k].iter().filter(of).count(),
            of: chunks.iter().filter(of).count(),
            rows: chunk.rows.clone(),
        });
    }
    found
}

/// Neighbouring lines by the copy that they belong to: the first part of their path that is a number.
fn chunks(lines: &[Option<(&Line, &str)>]) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = vec![];
    for (k, line) in lines.iter().enumerate() {
        let owner = line.and_then(|(line, _)| line.place.as_ref()).map(|place| place.owner.as_str());
        let Some((repeat, copy)) = owner.and_then(copy_of) else { continue };
        match chunks.last_mut() {
            Some(last) if last.rows.end == k && last.repeat == repeat && last.copy == copy => {
                last.rows.end = k + 1
            }
            _ => chunks.push(Chunk { repeat, copy, rows: k..k + 1 }),
        }
    }
    chunks
}

/// `blocks.0.u.attention` as `blocks` and `0`.
fn copy_of(path: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = path.split('.').collect();
    let at = parts.iter().position(|part| part.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some((parts[..at].join("."), parts[at].to_string()))
}

/// Whether lines are others with other names: what one of them defines is called alike in all of them, the rest alike
/// within each line.
fn are_alike(ours: &[&str], theirs: &[&str]) -> bool {
    let defined = |lines: &[&str]| -> Vec<String> {
        lines.iter().filter_map(|line| words(line).next().map(String::from)).collect()
    };
    let (our_names, their_names) = (defined(ours), defined(theirs));
    let mut all: FxHashMap<&str, &str> = FxHashMap::default();
    all.extend(our_names.iter().map(String::as_str).zip(their_names.iter().map(String::as_str)));
    let back: FxHashMap<&str, &str> = all.iter().map(|(&a, &b)| (b, a)).collect();
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).all(|(ours, theirs)| {
            let (mut there, mut here) = (all.clone(), back.clone());
            let (ours, theirs): (Vec<&str>, Vec<&str>) = (words(ours).collect(), words(theirs).collect());
            ours.len() == theirs.len()
                && ours.iter().zip(&theirs).all(|(&a, &b)| {
                    let is_name = |word: &str| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
                    if is_name(a) && is_name(b) {
                        *there.entry(a).or_insert(b) == b && *here.entry(b).or_insert(a) == a
                    } else {
                        a == b
                    }
                })
        })
}

/// The words and signs of a line: a path is one word.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    let mut rest = line.trim_start();
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end =
            if is_word(first) { rest.find(|c| !is_word(c)).unwrap_or(rest.len()) } else { first.len_utf8() };
        let (word, after) = rest.split_at(end);
        rest = after.trim_start();
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_alike_but_for_names() {
        let ours = ["b_1_u_bar[t] = b_1_v_bar[t] * b.1.w", "b_1_v_bar[t] = y_bar[t] + 2 * b_1_u_bar[t]"];
        let theirs = ["b_0_u_bar[i] = b_0_v_bar[i] * b.0.w", "b_0_v_bar[t] = x_bar[t] + 2 * b_0_u_bar[t]"];
        assert!(are_alike(&ours, &theirs));
        assert!(!are_alike(&ours, &[theirs[0], "b_0_v_bar[t] = x_bar[t] + 3 * b_0_u_bar[t]"]));
        assert!(!are_alike(&ours, &[theirs[0], "b_0_v_bar[t] = x_bar[t] + 2 * b_0_v_bar[t]"]));
        assert!(!are_alike(&ours, &theirs[..1]));
    }
}
