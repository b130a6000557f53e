//! Whether the lines of one copy of a repeated layer are those of another with other names, or all but a few.

use super::Line;
use super::names::RESERVED;
use rustc_hash::{FxHashMap, FxHashSet};

/// How the lines of one copy are those of another.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Likeness {
    /// Which of its lines are different all the same, counted from its first.
    pub own: Vec<usize>,
    /// Which of those run over other sizes than there.
    pub resized: Vec<usize>,
    /// What it calls otherwise, its own number apart: `blocks_2_y_bar` for `y_bar`.
    pub names: Vec<(String, String)>,
}

/// Of so many lines one may be different.
const ALIKE: usize = 3;

/// A line as it is compared.
pub(super) struct Read<'a> {
    line: &'a Line,
    words: Vec<(&'a str, Word<'a>)>,
    /// The statement's owner within the copy: `.u.attention`.
    owner: &'a str,
}

/// What a word or sign of a line is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Word<'a> {
    /// A sign, a number, a function, a word of the language.
    Fixed,
    /// An index of this line.
    Index,
    /// A value of the copy, called so after the copy's own path: `.a.layernorm.v`, `_a_layernorm_v_bar`.
    Own(&'a str),
    /// Any other value.
    Value,
}

impl<'a> Read<'a> {
    /// A line of the copy of this path.
    pub fn of(line: &'a Line, code: &'a str, path: &str) -> Read<'a> {
        let owner = line.place.as_ref().map_or("", |place| place.owner.as_str());
        let owner = owner.strip_prefix(path).unwrap_or(owner);
        Read { line, words: classed(code, path), owner }
    }

    /// Over which extents its indices run.
    fn extents(&self) -> Vec<u32> {
        self.line.extents.iter().map(|(_, extent)| *extent).collect()
    }

    /// Whether both define the same value of their copies, or both one from elsewhere.
    fn defines_alike(&self, other: &Read<'_>) -> bool {
        matches!((self.words.first(), other.words.first()), (Some((_, ours)), Some((_, theirs))) if ours == theirs)
    }

    /// Whether both are derived from the same line of the model by the same rules.
    fn comes_alike(&self, other: &Read<'_>) -> bool {
        let from = |read: &Read<'_>| read.line.place.as_ref().map(|place| place.span);
        self.owner == other.owner
            && from(self) == from(other)
            && self.line.rules == other.line.rules
            && self.line.span == other.line.span
            && self.line.uses == other.line.uses
            && self.extents() == other.extents()
    }
}

/// What is called what in another copy, both ways.
#[derive(Clone, Default)]
struct Renaming<'a> {
    there: FxHashMap<&'a str, &'a str>,
    here: FxHashMap<&'a str, &'a str>,
    /// In the order in which they were met.
    met: Vec<(&'a str, &'a str)>,
}

impl<'a> Renaming<'a> {
    /// Whether one line is another with these names and, where it has further ones, some others: those are added.
    fn extend(&mut self, ours: &Read<'a>, theirs: &Read<'a>) -> bool {
        let mut next = self.clone();
        let mut indices = Renaming::default();
        let alike = ours.comes_alike(theirs)
            && ours.words.len() == theirs.words.len()
            && ours.words.iter().zip(&theirs.words).all(|(&(a, ours), &(b, theirs))| match (ours, theirs) {
                (Word::Fixed, Word::Fixed) => a == b,
                (Word::Index, Word::Index) => indices.add(a, b),
                (Word::Own(a), Word::Own(b)) if a != b => false,
                (Word::Own(_) | Word::Value, Word::Own(_) | Word::Value) => next.add(a, b),
                _ => false,
            });
        if alike {
            *self = next;
        }
        alike
    }

    /// Whether a word may stand for another.
    fn add(&mut self, ours: &'a str, theirs: &'a str) -> bool {
        if !self.there.contains_key(ours) && !self.here.contains_key(theirs) {
            self.met.push((ours, theirs));
        }
        *self.there.entry(ours).or_insert(theirs) == theirs
            && *self.here.entry(theirs).or_insert(ours) == ours
    }
}

/// How lines are others with other names, if most of them are.
pub(super) fn likeness(ours: &[Read<'_>], theirs: &[Read<'_>]) -> Option<Likeness> {
    let mut renaming = Renaming::default();
    let pairs = aligned(ours, theirs);
    let alike: Vec<(usize, usize)> =
        pairs.into_iter().filter(|&(k, other)| renaming.extend(&ours[k], &theirs[other])).collect();
    let (here, there): (FxHashSet<usize>, FxHashSet<usize>) = alike.iter().copied().unzip();
    let own: Vec<usize> = (0..ours.len()).filter(|k| !here.contains(k)).collect();
    // What the other defines differently, this one must define too.
    let counterpart =
        |&k: &usize, other: usize| !there.contains(&other) && ours[k].defines_alike(&theirs[other]);
    let is_defined = |other: usize| own.iter().any(|k| counterpart(k, other));
    let complete = (0..theirs.len()).all(|other| there.contains(&other) || is_defined(other));
    let differs =
        |k: &usize, other: usize| counterpart(k, other) && ours[*k].extents() != theirs[other].extents();
    let resized = own.iter().copied().filter(|k| (0..theirs.len()).any(|other| differs(k, other))).collect();
    let is_own = |words: &[(&str, Word<'_>)], word: &str| {
        words.iter().find(|(text, _)| *text == word).is_some_and(|(_, word)| matches!(word, Word::Own(_)))
    };
    let among = |reads: &[Read<'_>], word: &str| reads.iter().any(|read| is_own(&read.words, word));
    let told = |&(a, b): &(&str, &str)| a != b && !(among(ours, a) && among(theirs, b));
    let names = renaming.met.iter().copied().filter(told).map(|(a, b)| (a.to_string(), b.to_string()));
    let names = names.collect();
    (complete && own.len() * ALIKE <= ours.len()).then_some(Likeness { own, resized, names })
}

/// The longest rows of lines in both that are alike each for itself.
fn aligned(ours: &[Read<'_>], theirs: &[Read<'_>]) -> Vec<(usize, usize)> {
    let (rows, columns) = (ours.len(), theirs.len());
    let alike = |k: usize, other: usize| Renaming::default().extend(&ours[k], &theirs[other]);
    let table: Vec<bool> = (0..rows * columns).map(|at| alike(at / columns, at % columns)).collect();
    let mut longest = vec![vec![0; columns + 1]; rows + 1];
    for k in (0..rows).rev() {
        for other in (0..columns).rev() {
            longest[k][other] = match table[k * columns + other] {
                true => 1 + longest[k + 1][other + 1],
                false => longest[k + 1][other].max(longest[k][other + 1]),
            };
        }
    }
    let mut pairs = vec![];
    let (mut k, mut other) = (0, 0);
    while k < rows && other < columns {
        if table[k * columns + other] {
            pairs.push((k, other));
            (k, other) = (k + 1, other + 1);
        } else if longest[k + 1][other] >= longest[k][other + 1] {
            k += 1;
        } else {
            other += 1;
        }
    }
    pairs
}

/// The words of a line of a copy, each with what it is.
fn classed<'a>(code: &'a str, path: &str) -> Vec<(&'a str, Word<'a>)> {
    let all: Vec<&str> = words(code).collect();
    let bound = bound(&all);
    let flat = path.replace('.', "_");
    let is_name = |word: &str| word.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let class = |k: usize, word: &'a str| {
        let rest = word.strip_prefix(path).filter(|rest| rest.starts_with('.'));
        let rest = rest.or(word.strip_prefix(flat.as_str()).filter(|rest| rest.starts_with('_')));
        match rest {
            _ if !is_name(word) || RESERVED.contains(&word) || all.get(k + 1) == Some(&"(") => Word::Fixed,
            _ if bound.contains(word) => Word::Index,
            Some(rest) => Word::Own(rest),
            None => Word::Value,
        }
    };
    all.iter().enumerate().map(|(k, &word)| (word, class(k, word))).collect()
}

/// The indices that a line binds: those of its left side, and those of its sums.
fn bound<'a>(words: &[&'a str]) -> FxHashSet<&'a str> {
    const REDUCERS: [&str; 8] = ["sum", "mean", "max", "min", "prod", "argmax", "argmin", "any"];
    let mut bound = FxHashSet::default();
    for (k, word) in words.iter().enumerate() {
        let binds = k == 0 || REDUCERS.contains(word) || *word == "all";
        if binds && words.get(k + 1) == Some(&"[") {
            bound.extend(words[k + 2..].iter().copied().take_while(|&word| word != "]"));
        }
    }
    bound
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
    use crate::circuit::Circuit;
    use crate::circuit::Origin;
    use crate::syntax::build;

    const OURS: [&str; 4] = [
        "b_1_u_bar[t] = y_bar[t] * b.1.w",
        "b_1_v_bar[t] = sum[i] y_bar[i] * 2 * b_1_u_bar[t]",
        "b_1_w_bar = sum[t] b_1_u_bar[t]",
        "b_0_y_bar[t] = b_1_v_bar[t] + b.1.w * b.0.y[t]",
    ];
    const THEIRS: [&str; 4] = [
        "b_0_u_bar[k] = b_0_y_bar[k] * b.0.w",
        "b_0_v_bar[t] = sum[j] b_0_y_bar[j] * 2 * b_0_u_bar[t]",
        "b_0_w_bar = sum[t] b_0_u_bar[t]",
        "x_bar[t] = b_0_v_bar[t] + b.0.w * x[t]",
    ];

    /// The likeness of lines of `b.1` to lines of `b.0`.
    fn compared(ours: &[&str], theirs: &[&str]) -> Option<Likeness> {
        let stmt = build::define("y", vec![], build::number(0.0));
        let line = Line::new(&Circuit::default(), stmt, Origin::default());
        let ours: Vec<Read<'_>> = ours.iter().map(|code| Read::of(&line, code, "b.1")).collect();
        let theirs: Vec<Read<'_>> = theirs.iter().map(|code| Read::of(&line, code, "b.0")).collect();
        likeness(&ours, &theirs)
    }

    /// `THEIRS` with another line.
    fn with(at: usize, line: &'static str) -> [&'static str; 4] {
        let mut lines = THEIRS;
        lines[at] = line;
        lines
    }

    #[test]
    fn lines_are_alike_but_for_names() {
        let likeness = compared(&OURS, &THEIRS).expect("they are alike");
        assert!(likeness.own.is_empty());
        let names: Vec<(&str, &str)> = likeness.names.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(names, [("y_bar", "b_0_y_bar"), ("b_0_y_bar", "x_bar"), ("b.0.y", "x")]);
    }

    #[test]
    fn one_line_in_three_may_differ() {
        let own = |theirs: &[&str]| compared(&OURS, theirs).map(|likeness| likeness.own);
        assert_eq!(own(&with(1, "b_0_v_bar[t] = sum[j] b_0_y_bar[j] * 3 * b_0_u_bar[t]")), Some(vec![1]));
        assert_eq!(own(&with(1, "b_0_v_bar[t] = max[j] b_0_y_bar[j] * 2 * b_0_u_bar[t]")), Some(vec![1]));
        // A value of the copy stands for itself alone, one from elsewhere for the same one in all lines.
        assert_eq!(own(&with(2, "b_0_w_bar = sum[t] b_0_v_bar[t]")), Some(vec![2]));
        assert_eq!(own(&with(1, "b_0_v_bar[t] = sum[j] z_bar[j] * 2 * b_0_u_bar[t]")), Some(vec![1]));
        // What is defined there must be defined here.
        assert_eq!(own(&with(2, "b_0_other_bar = sum[t] b_0_u_bar[t]")), None);
        assert_eq!(own(&THEIRS[..3]), Some(vec![3]));
        assert_eq!(own(&THEIRS[..2]), None);
    }
}
