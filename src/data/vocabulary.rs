//! Cells as classes: a vocabulary, and each cell's number in it.

use rustc_hash::FxHashMap;

/// A column of classes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// The different cells, in the order of [`Encoder::sorted`].
    pub vocabulary: Vec<String>,
    /// For each cell its place in the vocabulary.
    pub numbers: Vec<u32>,
}

/// Numbers cells as they come.
#[derive(Default)]
pub struct Encoder<'a> {
    cases: Vec<&'a str>,
    known: FxHashMap<&'a str, u32>,
}

impl<'a> Encoder<'a> {
    /// The number of a cell: how many others came before it first came.
    pub fn number(&mut self, cell: &'a str) -> u32 {
        *self.known.entry(cell).or_insert_with(|| {
            self.cases.push(cell);
            self.cases.len() as u32 - 1
        })
    }

    /// The different cells in sorted order, and for each number its place there: by their value where every cell reads as
    /// a whole number (`2` before `10`; equal values such as `1` and `01` are two cases, in the order of their text), by
    /// their text (Unicode code points) otherwise.
    pub fn sorted(self) -> (Vec<String>, Vec<u32>) {
        let cases = self.cases;
        let values: Option<Vec<i64>> = cases.iter().map(|cell| cell.parse().ok()).collect();
        let mut order: Vec<usize> = (0..cases.len()).collect();
        order.sort_by_key(|&k| (values.as_ref().map(|values| values[k]), cases[k]));
        let mut places = vec![0; cases.len()];
        for (place, &k) in order.iter().enumerate() {
            places[k] = place as u32;
        }
        (order.iter().map(|&k| cases[k].to_string()).collect(), places)
    }
}

/// Numbers the different cells in the order of [`Encoder::sorted`].
pub fn encode<'a>(cells: impl Iterator<Item = &'a str>) -> Encoded {
    let mut encoder = Encoder::default();
    let mut numbers: Vec<u32> = cells.map(|cell| encoder.number(cell)).collect();
    let (vocabulary, places) = encoder.sorted();
    numbers.iter_mut().for_each(|number| *number = places[*number as usize]);
    Encoded { vocabulary, numbers }
}
