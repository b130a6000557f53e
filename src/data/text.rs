//! What goes on from one element to the next, a text as characters or the rows of a file, and windows of it.
//!
//! It is split before it is cut into windows, so that no window reaches from one part into another.

use super::buffer::{Buffer, Builder};
use super::expression::Values;
use super::open::{self, Home};
use super::room;
use super::rows::{Array, Classes, Coding, Cut, Rows};
use super::split::Parts;
use super::vocabulary::{Encoded, encode};
use super::words::{RARE, words};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeSet;
use std::ops::Range;
use std::rc::Rc;

/// `chars("data/book.txt")`, `words("data/book.txt")`, `rows[sunspots]`
#[derive(Debug)]
pub struct Sequence {
    /// The path as the data block writes it.
    pub path: String,
    /// Where it writes it.
    pub span: Span,
    /// What an element is: `character`, `word`, `byte`, `row`.
    pub unit: &'static str,
    /// Extents of an element.
    pub dims: Vec<u32>,
    /// How many elements.
    pub len: usize,
    /// The elements, each a row: for a character its place in the vocabulary.
    pub data: Rc<dyn Rows>,
    /// The different characters or words of a whole text, by code points.
    pub vocabulary: Option<Vec<String>>,
}

/// `windows(text, 65, every = 64)`
#[derive(Clone, Debug)]
pub struct Windows {
    /// What is cut.
    pub text: Rc<Sequence>,
    /// Elements of a window.
    pub width: usize,
    /// Elements from the beginning of a window to that of the next.
    pub every: usize,
    /// The call.
    pub span: Span,
}

/// One part's stretch of a sequence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// Which part: `train`, `validation` or `test`.
    pub part: &'static str,
    /// Its elements.
    pub range: Range<usize>,
}

/// What a text is read as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// Unicode code points; line ends are characters as they stand.
    Characters,
    /// Words as [`super::words`] finds them.
    Words,
    /// Bytes of any file, as numbers from 0 to 255.
    Bytes,
}

impl Unit {
    /// The unit that a call reads.
    pub fn called(name: &str) -> Option<Unit> {
        match name {
            "chars" => Some(Unit::Characters),
            "words" => Some(Unit::Words),
            "bytes" => Some(Unit::Bytes),
            _ => None,
        }
    }
}

/// Reads a text; of words only the `most` frequent, the others as [`RARE`].
///
/// # Errors
/// `FILE_UNREADABLE` where it is missing or not UTF-8, `EMPTY_DATA` where it is empty.
pub fn read(
    home: &Home,
    path: &str,
    span: Span,
    unit: Unit,
    most: Option<usize>,
) -> Result<Sequence, Diagnostics> {
    let bytes = open::bytes(home, path, span)?;
    let path = home.shown(path);
    let told = |code, message| vec![Diagnostic::error(code, message).at(span, "read here")];
    let sequence = |unit, len, data: Rc<dyn Rows>, vocabulary| {
        Ok(Sequence { path: path.to_string(), span, unit, dims: vec![], len, data, vocabulary })
    };
    if bytes.is_empty() {
        return Err(told(codes::EMPTY_DATA, format!("`{path}` is empty")));
    }
    if unit == Unit::Bytes {
        let len = bytes.len();
        let coding = Coding { size: 1, read: |byte| f64::from(byte[0]), reversed: false, is: None };
        return sequence("byte", len, Rc::new(Array { bytes, coding, width: 1, columns: None }), None);
    }
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let message =
            format!("`{path}`, line {line}: byte {} of the file is not text in UTF-8", before.len() + 1);
        told(codes::FILE_UNREADABLE, message)
    })?;
    if unit == Unit::Words {
        let mut found = words(text);
        if found.is_empty() {
            return Err(told(codes::EMPTY_DATA, format!("`{path}` has no word")));
        }
        most.into_iter().for_each(|most| keep_most(&mut found, most));
        let Encoded { vocabulary, numbers } = encode(found.into_iter());
        let places = (0..vocabulary.len() as u32).collect();
        let len = numbers.len();
        let data = Classes { width: 1, numbers: Buffer::new(numbers), places };
        return sequence("word", len, Rc::new(data), Some(vocabulary));
    }
    let known: Vec<char> = text.chars().collect::<BTreeSet<char>>().into_iter().collect();
    let mut numbers = Builder::new(home.room);
    for character in text.chars() {
        let place = known.binary_search(&character).expect("collected from the text");
        room::told(numbers.push(place as u32), span)?;
    }
    let numbers = room::told(numbers.finish(), span)?;
    let (len, places) = (numbers.len(), (0..known.len() as u32).collect());
    let vocabulary = Some(known.iter().map(char::to_string).collect());
    sequence("character", len, Rc::new(Classes { width: 1, numbers, places }), vocabulary)
}

/// Puts [`RARE`] in place of every word that is not among the `most - 1` most frequent; of equally frequent ones the
/// first by code points stay.
fn keep_most(words: &mut [&str], most: usize) {
    let mut counts: FxHashMap<&str, usize> = FxHashMap::default();
    words.iter().for_each(|word| *counts.entry(word).or_default() += 1);
    if counts.len() <= most {
        return;
    }
    let mut order: Vec<(&str, usize)> = counts.into_iter().collect();
    order.sort_by_key(|&(word, count)| (std::cmp::Reverse(count), word));
    let rare: FxHashSet<&str> = order[most.saturating_sub(1)..].iter().map(|&(word, _)| word).collect();
    words.iter_mut().filter(|word| rare.contains(**word)).for_each(|word| *word = RARE);
}

impl Windows {
    /// Number of windows in a stretch of the text: those that lie in it whole.
    fn count(&self, piece: &Piece) -> usize {
        piece.range.len().checked_sub(self.width).map_or(0, |left| left / self.every + 1)
    }

    /// The windows of every piece, in the order of the text.
    fn cut(&self, pieces: &[Piece]) -> Values {
        let mut rows = 0;
        let mut begins = vec![];
        for piece in pieces {
            begins.push((rows, piece.range.start));
            rows += self.count(piece);
        }
        let dims = std::iter::once(self.width as u32).chain(self.text.dims.iter().copied()).collect();
        let cut = Cut { text: self.text.clone(), width: self.width, every: self.every, pieces: begins };
        let vocabulary = self.text.vocabulary.clone();
        Values { vocabulary, ..Values::new(dims, rows, Rc::new(cut)) }
    }

    /// Tells of a part that is too short for a window.
    fn too_short(&self, piece: &Piece) -> Diagnostic {
        let (path, width, found, whole) = (&self.text.path, self.width, piece.range.len(), self.text.len);
        let unit = self.text.unit;
        let place = match found {
            _ if found == whole => format!("`{path}` has {whole}"),
            _ => format!("the `{}` part of `{path}` has {found} of its {whole}", piece.part),
        };
        let message = format!("a window takes {width} {unit}s, and {place}");
        Diagnostic::error(codes::EMPTY_DATA, message).at(self.span, format!("takes {width} {unit}s")).help(
            if unit == "row" { "shorter windows, or more rows" } else { "shorter windows, or a longer text" },
        )
    }
}

/// What the windows of a block come to, and which of them belong to which part. Rows are in the order of the text.
///
/// # Errors
/// `EMPTY_DATA` where a piece is too short for a window; `BAD_SPLIT` where two `windows` give different numbers.
pub fn cut(windows: &[&Windows], mut pieces: Vec<Piece>) -> Result<(Vec<Values>, Parts), Diagnostics> {
    pieces.retain(|piece| !piece.range.is_empty());
    pieces.sort_by_key(|piece| piece.range.start);
    let first = windows[0];
    for piece in &pieces {
        for &other in windows {
            if other.count(piece) == 0 {
                return Err(vec![other.too_short(piece)]);
            }
            if other.count(piece) != first.count(piece) {
                return Err(vec![unequal(first, other, piece)]);
            }
        }
    }
    let mut parts = Parts { train: vec![], validation: vec![], test: vec![] };
    let mut rows = 0..0;
    for piece in &pieces {
        rows = rows.end..rows.end + first.count(piece) as u32;
        match piece.part {
            "test" => parts.test = rows.clone().collect(),
            "validation" => parts.validation = rows.clone().collect(),
            _ => parts.train = rows.clone().collect(),
        }
    }
    Ok((windows.iter().map(|windows| windows.cut(&pieces)).collect(), parts))
}

fn unequal(first: &Windows, other: &Windows, piece: &Piece) -> Diagnostic {
    let counted = |windows: &Windows| format!("gives {} for `{}`", windows.count(piece), piece.part);
    let message = "windows of one data block stand side by side, and must be equally many";
    Diagnostic::error(codes::BAD_SPLIT, message).at(first.span, counted(first)).at(other.span, counted(other))
}
