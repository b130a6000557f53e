//! Where gates stand: columns from left to right, each gate right of what it is computed from, beside the middle of it.

use super::Board;
use super::svg::SYMBOL_WIDTH;

/// Where a node stands.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Place {
    /// Its middle.
    pub x: f64,
    /// The height of its wire.
    pub y: f64,
    /// Half the width of what is drawn of it; of what is given, the width of its name left of the wire.
    pub half: f64,
}

/// Half the height of a gate.
pub const HALF: f64 = 14.0;
/// The part of a wire that carries its numbers.
pub const WIRE: f64 = 58.0;
/// From the end of that to the gates of the next column.
pub const GAP: f64 = 52.0;
/// From one row to the next.
const ROW: f64 = 42.0;

/// Where all nodes stand.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// One a node of the board.
    pub places: Vec<Place>,
    /// Width of the whole.
    pub width: f64,
    /// Height of the whole.
    pub height: f64,
}

/// Lays a board out.
pub fn layout(board: &Board) -> Layout {
    let users = users(board);
    let columns = columns(board, &users);
    let mut rows = rows(board, &users);
    let count = columns.iter().max().map_or(0, |last| last + 1);
    let mut x = 0.0;
    let mut places = vec![Place::default(); board.nodes.len()];
    for column in 0..count {
        let inside: Vec<usize> = (0..board.nodes.len()).filter(|&k| columns[k] == column).collect();
        apart(&inside, &mut rows);
        let half = |k: usize| half_width(board, k);
        let is_gate = |k: &usize| !board.nodes[*k].symbol.is_empty();
        let left = inside.iter().map(|&k| half(k)).fold(0.0, f64::max);
        let right = inside.iter().filter(|k| is_gate(k)).map(|&k| half(k)).fold(0.0, f64::max);
        x += left;
        for &k in &inside {
            places[k] = Place { x, y: rows[k] * ROW, half: half(k) };
        }
        x += right + WIRE + GAP;
    }
    let top = places.iter().map(|place| place.y).fold(f64::INFINITY, f64::min);
    places.iter_mut().for_each(|place| place.y += ROW / 2.0 - top);
    let bottom = places.iter().map(|place| place.y).fold(0.0, f64::max);
    Layout { places, width: x - GAP, height: bottom + ROW / 2.0 }
}

fn half_width(board: &Board, k: usize) -> f64 {
    let node = &board.nodes[k];
    if node.symbol.is_empty() {
        return 7.3 * node.label.chars().count() as f64 + 6.0;
    }
    (SYMBOL_WIDTH * node.symbol.chars().count() as f64 / 2.0 + 7.0).max(HALF)
}

/// Which nodes use each, with repeats.
pub fn users(board: &Board) -> Vec<Vec<usize>> {
    let mut users = vec![vec![]; board.nodes.len()];
    for (k, node) in board.nodes.iter().enumerate() {
        node.operands.iter().for_each(|&operand| users[operand].push(k));
    }
    users
}

/// The column of each node: right of its operands; what is given right before its first use.
fn columns(board: &Board, users: &[Vec<usize>]) -> Vec<usize> {
    let mut columns = vec![0; board.nodes.len()];
    for (k, node) in board.nodes.iter().enumerate().filter(|(_, node)| !node.operands.is_empty()) {
        columns[k] = node.operands.iter().map(|&operand| columns[operand] + 1).max().unwrap_or(0);
    }
    for (k, _) in board.nodes.iter().enumerate().filter(|(_, node)| node.operands.is_empty()) {
        columns[k] = users[k]
            .iter()
            .map(|&user| columns[user])
            .min()
            .map_or(0, |first: usize| first.saturating_sub(1));
    }
    columns
}

/// The row of each node, counted in rows: what is given and used once has one of its own, in the order in which the loss
/// comes upon it; a gate stands beside the middle of what comes first to it, what is used often beside its uses.
fn rows(board: &Board, users: &[Vec<usize>]) -> Vec<f64> {
    let mut rows: Vec<Option<f64>> = vec![None; board.nodes.len()];
    let mut next = 0.0;
    let mut own = || {
        next += 1.0;
        next - 1.0
    };
    let is_shared = |k: usize| board.nodes[k].operands.is_empty() && users[k].len() > 1;
    // Nodes stand in the order in which the loss comes upon them, its operands before it.
    for (k, node) in board.nodes.iter().enumerate().filter(|(k, _)| !is_shared(*k)) {
        let first = |operand: &&usize| board.nodes[**operand].operands.is_empty() || users[**operand][0] == k;
        let mut beside: Vec<f64> = node.operands.iter().filter(first).filter_map(|&k| rows[k]).collect();
        beside.dedup();
        let middle = beside.iter().sum::<f64>() / beside.len() as f64;
        rows[k] = Some(if beside.is_empty() { own() } else { middle });
    }
    for k in (0..board.nodes.len()).filter(|&k| is_shared(k)) {
        let at: Vec<f64> = users[k].iter().filter_map(|&user| rows[user]).collect();
        rows[k] = Some(at.iter().sum::<f64>() / at.len() as f64);
    }
    rows.into_iter().map(|row| row.unwrap_or(0.0)).collect()
}

/// Moves the nodes of a column apart, each as little as may be: those that overlap share the way (pool adjacent
/// violators).
fn apart(column: &[usize], rows: &mut [f64]) {
    let mut order = column.to_vec();
    order.sort_by(|&a, &b| rows[a].total_cmp(&rows[b]));
    // Runs of neighbours one row apart: where the first stands, and how many they are.
    let mut runs: Vec<(f64, usize)> = vec![];
    for &k in &order {
        runs.push((rows[k], 1));
        while let [.., (a, m), (b, n)] = runs[..]
            && a + m as f64 > b
        {
            // The first row that is best for both on the average.
            let start = (a * m as f64 + (b - m as f64) * n as f64) / (m + n) as f64;
            runs.truncate(runs.len() - 2);
            runs.push((start, m + n));
        }
    }
    let placed = runs.iter().flat_map(|&(start, count)| (0..count).map(move |k| start + k as f64));
    order.iter().zip(placed).for_each(|(&k, row)| rows[k] = row);
}
