//! Where boxes stand: in layers, each below what it is computed from, neighbours near each other (after Sugiyama, Tagawa
//! and Toda, 1981: ranks by the longest path, order by barycentres).

use super::Picture;

/// Where a box stands, in units of a picture.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Place {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub width: f64,
}

/// Height of a box, and the room between boxes.
pub const HEIGHT: f64 = 36.0;
const GAP: f64 = 18.0;
const BETWEEN: f64 = 44.0;

/// Where all boxes stand.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// One a box of the picture.
    pub places: Vec<Place>,
    /// Width of the whole.
    pub width: f64,
    /// Height of the whole.
    pub height: f64,
}

/// How often the order is improved from above and from below.
const SWEEPS: usize = 6;

/// Lays a picture out.
pub fn layout(picture: &Picture) -> Layout {
    let ranks = ranks(picture);
    let rows = ordered(picture, &ranks);
    let longest = |shown: &super::Box| {
        let cotangent = shown.cotangent.as_ref().map_or(0, |cotangent| cotangent.name.chars().count());
        cotangent.max(shown.path.chars().count()).max(shown.shape.chars().count())
    };
    let widths: Vec<f64> =
        picture.boxes.iter().map(|shown| (7.3 * longest(shown) as f64 + 20.0).max(56.0)).collect();
    let row_width = |row: &Vec<usize>| row.iter().map(|&k| widths[k] + GAP).sum::<f64>() - GAP;
    let width = rows.iter().map(row_width).fold(0.0, f64::max);
    let mut places = vec![Place::default(); picture.boxes.len()];
    for (rank, row) in rows.iter().enumerate() {
        let mut x = (width - row_width(row)) / 2.0;
        for &k in row {
            places[k] = Place { x, y: rank as f64 * (HEIGHT + BETWEEN), width: widths[k] };
            x += widths[k] + GAP;
        }
    }
    Layout { places, width, height: rows.len() as f64 * (HEIGHT + BETWEEN) - BETWEEN }
}

/// The row of each box: one below the lowest that it is computed from; what is only read, right above its first reader.
fn ranks(picture: &Picture) -> Vec<usize> {
    let mut reads = vec![false; picture.boxes.len()];
    picture
        .edges
        .iter()
        .filter(|edge| !edge.lag && edge.from != edge.to)
        .for_each(|edge| reads[edge.to] = true);
    let is_read_only = |k: usize| picture.boxes[k].kind != "input" && !reads[k];
    let mut ranks: Vec<usize> = vec![0; picture.boxes.len()];
    // Boxes are in forward order, and so are edges by what they lead to; what a lag reads comes later.
    for edge in picture.edges.iter().filter(|edge| !edge.lag && edge.from < edge.to) {
        let below = if is_read_only(edge.from) { 1 } else { ranks[edge.from] + 1 };
        ranks[edge.to] = ranks[edge.to].max(below);
    }
    for k in (0..ranks.len()).filter(|&k| is_read_only(k)) {
        let readers = picture.edges.iter().filter(|edge| edge.from == k).map(|edge| ranks[edge.to]);
        ranks[k] = readers.min().map_or(0, |reader: usize| reader.saturating_sub(1));
    }
    ranks
}

/// The boxes of each row, from left to right.
fn ordered(picture: &Picture, ranks: &[usize]) -> Vec<Vec<usize>> {
    let mut rows: Vec<Vec<usize>> = vec![vec![]; ranks.iter().max().map_or(0, |rank| rank + 1)];
    (0..ranks.len()).for_each(|k| rows[ranks[k]].push(k));
    let mut neighbours: Vec<Vec<usize>> = vec![vec![]; ranks.len()];
    for edge in &picture.edges {
        neighbours[edge.from].push(edge.to);
        neighbours[edge.to].push(edge.from);
    }
    let mut at: Vec<f64> = vec![0.0; ranks.len()];
    let number = |row: &[usize], at: &mut Vec<f64>| {
        row.iter().enumerate().for_each(|(k, &shown)| at[shown] = (k as f64 + 0.5) / row.len() as f64);
    };
    rows.iter().for_each(|row| number(row, &mut at));
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        let order: Vec<usize> =
            if down { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for rank in order {
            let beyond = |other: usize| if down { ranks[other] < rank } else { ranks[other] > rank };
            let centre = |shown: usize| {
                let near: Vec<f64> = neighbours[shown]
                    .iter()
                    .filter(|&&other| beyond(other))
                    .map(|&other| at[other])
                    .collect();
                if near.is_empty() { at[shown] } else { near.iter().sum::<f64>() / near.len() as f64 }
            };
            let mut row: Vec<(f64, usize)> = rows[rank].iter().map(|&shown| (centre(shown), shown)).collect();
            row.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[rank] = row.into_iter().map(|(_, shown)| shown).collect();
            number(&rows[rank], &mut at);
        }
    }
    rows
}
