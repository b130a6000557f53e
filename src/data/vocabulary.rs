//! Cells as classes: a vocabulary, and each cell's number in it.

use rustc_hash::FxHashMap;

/// A column of classes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    /// The different cells, sorted as [`encode`] says.
    pub vocabulary: Vec<String>,
    /// For each cell its place in the vocabulary.
    pub numbers: Vec<u32>,
}

/// Numbers the different cells in sorted order: by their value where every cell reads as a whole number (`2`
/// before `10`; equal values such as `1` and `01` are two cases, in the order of their text), by their text
/// (Unicode code points) otherwise.
pub fn encode<'a>(cells: impl Iterator<Item = &'a str>) -> Encoded {
    let mut cases: Vec<&str> = vec![];
    let mut known: FxHashMap<&str, u32> = FxHashMap::default();
    let mut numbers: Vec<u32> = cells
        .map(|cell| {
            *known.entry(cell).or_insert_with(|| {
                cases.push(cell);
                cases.len() as u32 - 1
            })
        })
        .collect();
    let values: Option<Vec<i64>> = cases.iter().map(|cell| cell.parse().ok()).collect();
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|&k| (values.as_ref().map(|values| values[k]), cases[k]));
    let mut rank = vec![0; cases.len()];
    for (place, &k) in order.iter().enumerate() {
        rank[k] = place as u32;
    }
    for number in &mut numbers {
        *number = rank[*number as usize];
    }
    Encoded { vocabulary: order.iter().map(|&k| cases[k].to_string()).collect(), numbers }
}
