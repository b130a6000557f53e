//! Recurrences: one or two values that read earlier or later elements of one another.

use super::statements::{has_vectors, vector_length};
use super::term::{Level, Term};
use super::{Generator, Place};

/// What recurs together.
struct Recurrence {
    names: Vec<String>,
    dims: Vec<u32>,
    /// Which of the dimensions is scanned.
    scanned: usize,
    /// Whether later elements are read.
    backwards: bool,
}

/// `v[t, m] = tanh(... + 0.5 * (v[t - 1, m] else 0))`, or two such equations, or rows by a call.
pub fn recurrence(g: &mut Generator) {
    let extent = g.random.between(1, 6) as u32;
    let backwards = g.random.chance(0.4);
    if g.body.place != Place::Function && has_vectors(g, &[]) && g.random.chance(0.25) {
        return cell(g, extent, backwards);
    }
    let mut dims = if g.random.chance(0.5) { vec![g.extent()] } else { vec![] };
    let scanned = if g.random.chance(0.7) { 0 } else { dims.len() };
    dims.insert(scanned, extent);
    let count = if g.random.chance(0.4) { 2 } else { 1 };
    let names = (0..count).map(|_| g.fresh("v")).collect();
    let recurrence = Recurrence { names, dims, scanned, backwards };
    for k in 0..count {
        equation(g, &recurrence, k);
    }
    for name in &recurrence.names {
        let made = Term::new("", Level::Atom, -1.0, 1.0).with_dims(&recurrence.dims);
        g.declare(name, Term { batch: true, across: g.body.across, ..made });
    }
}

/// One of the equations, with values from -1 to 1.
fn equation(g: &mut Generator, recurrence: &Recurrence, k: usize) {
    let begin = g.bind(&recurrence.dims);
    let body = g.real(&[], 1);
    let body = g.within(body, -1.0, 1.0);
    // Each reads the last one elsewhere, and those before it where it is itself.
    let mut parts = vec![body.at(Level::Product), lagged(g, recurrence, recurrence.names.len() - 1)];
    if g.random.chance(0.4) {
        let other = g.random.below(recurrence.names.len());
        parts.push(lagged(g, recurrence, other));
    }
    if k > 0 {
        let own: Vec<String> = g.body.indices[begin..].iter().map(|index| index.name.clone()).collect();
        g.body.indices[begin..].iter_mut().for_each(|index| index.used = true);
        parts.push(format!("{}[{}]", recurrence.names[0], own.join(", ")));
    }
    let sum = parts.join(*g.random.pick(&[" + ", " - "]));
    let share = 1.0 / parts.len() as f64;
    let text = match g.random.below(4) {
        0 => format!("{share:.2} * ({sum})"),
        1 => format!("sigmoid({sum})"),
        // A choice that no example enters may be made before training: what is not taken would not tell how far
        // an index runs.
        2 if body.batch => format!("if {} > 0.1 then {} else tanh({sum})", parts[0], parts[1]),
        _ => format!("tanh({sum})"),
    };
    let indices = g.unbind(begin);
    g.body.lines.push(format!("{}[{indices}] = {text}", recurrence.names[k]));
}

/// `0.5 * (v[t - 1, m] else 1)`, or a sum over the other axis, times a number of at most 1.
fn lagged(g: &mut Generator, recurrence: &Recurrence, of: usize) -> String {
    let begin = g.body.indices.len() - recurrence.dims.len();
    let by = g.random.between(1, 2);
    let sign = if recurrence.backwards { "+" } else { "-" };
    let fill = *g.random.pick(&["0", "0", "1", "-0.5"]);
    let mut extent = None;
    let indices: Vec<String> = (0..recurrence.dims.len())
        .map(|axis| {
            let name = g.body.indices[begin + axis].name.clone();
            if axis == recurrence.scanned {
                return format!("{name} {sign} {by}");
            }
            match g.random.below(4) {
                0 => {
                    extent = Some(recurrence.dims[axis]);
                    "p".to_string()
                }
                1 => format!("{name} - 1"),
                // Its own range tells none.
                _ => name,
            }
        })
        .collect();
    let read = format!("({}[{}] else {fill})", recurrence.names[of], indices.join(", "));
    match extent {
        Some(extent) => format!("(mean[p: {extent}] 0.5 * {read})"),
        None if g.random.chance(0.5) => format!("0.5 * {read}"),
        None => read,
    }
}

/// Rows that recur, by calls of layers that are shared over the elements.
fn cell(g: &mut Generator, extent: u32, backwards: bool) {
    let width = g.extent();
    let begin = g.bind(&[extent]);
    let length = vector_length(g);
    let input = g.real(&[length], 1);
    let index = g.body.indices[begin].name.clone();
    let indices = g.unbind(begin);
    let name = g.fresh("v");
    let sign = if backwards { "+" } else { "-" };
    let size = g.size(width);
    let before = format!("({name}[{index} {sign} 1] else {})", g.random.pick(&["0", "0.5"]));
    let input = input.at(Level::Or);
    let taken = format!("(({input}) |> dense({size})) + ({before} |> dense({size}))");
    g.body.lines.push(format!("{name}[{indices}] = tanh({taken})"));
    let made = Term::new("", Level::Atom, -1.0, 1.0).with_dims(&[extent, width]);
    g.declare(&name, Term { batch: true, across: g.body.across, ..made });
}
