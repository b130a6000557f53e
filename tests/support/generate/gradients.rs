//! Derivatives within a net: `grad(y, x)`, of which the loss takes derivatives again.

use super::statements::mean_over;
use super::term::{Level, Sort, Term};
use super::{Generator, Place};
use nnc::circuit::gates;

/// Gradients of gradients of many elements would fill any memory.
const MOST: usize = 3;

/// Nothing with more elements is differentiated by, for the same reason.
const LARGEST: u32 = 24;

/// Values that something may be differentiated by: inputs, parameters, and what is computed for each example.
fn variables(g: &Generator) -> Vec<usize> {
    let varies = |term: &Term| term.batch || term.text.starts_with('w');
    let small = |term: &Term| term.dims.len() <= 2 && term.dims.iter().product::<u32>() <= LARGEST;
    let fits = |term: &Term| term.sort == Sort::Real && varies(term) && small(term);
    (0..g.body.values.len()).filter(|&k| fits(&g.body.values[k].term)).collect()
}

/// Whether there is such a value. The arguments of functions may be constants, which nothing is differentiated by.
pub fn has_variable(g: &Generator, _: &[u32]) -> bool {
    g.body.place == Place::Net && g.body.gradients < MOST && !variables(g).is_empty()
}

/// `v[i, j] = tanh(0.5 * grad(sin(mean[k] x[k] * w[k]) * y[i], x)[j])`
pub fn gradient(g: &mut Generator) {
    let known = variables(g);
    let by = g.body.values[*g.random.pick(&known)].term.clone();
    g.body.gradients += 1;
    let first = g.body.gradients == 1;
    let mapped = if first && g.random.chance(0.3) { vec![g.extent()] } else { vec![] };
    let named = if first && g.random.chance(0.7) { None } else { Some(named(g, &by)) };
    // What is differentiated may also depend on the indices that read the gradient: an element of each one's own.
    let begin = g.bind(&[mapped.clone(), by.dims.clone()].concat());
    let of = named.unwrap_or_else(|| differentiated(g, &by));
    let read: Vec<String> =
        g.body.indices[begin + mapped.len()..].iter().map(|index| index.name.clone()).collect();
    let indices = g.unbind(begin);
    let factor = g.random.pick(&["", "0.5 * ", "0.1 * "]);
    let name = g.fresh("v");
    let gradient = format!("grad({}, {})", of.text, by.text);
    g.body.lines.push(match indices.as_str() {
        "" => format!("{name} = tanh({factor}{gradient})"),
        _ if read.is_empty() => format!("{name}[{indices}] = tanh({factor}{gradient})"),
        _ => format!("{name}[{indices}] = tanh({factor}{gradient}[{}])", read.join(", ")),
    });
    let made = Term::new("", Level::Atom, -1.0, 1.0).of(&[&of, &by]);
    g.declare(&name, Term { fixed: false, ..made.with_dims(&[mapped, by.dims].concat()) });
}

/// A number that depends on a value, by a name of its own.
fn named(g: &mut Generator, by: &Term) -> Term {
    let of = differentiated(g, by);
    let name = g.fresh("v");
    g.body.lines.push(format!("{name} = {}", of.text));
    g.declare(&name, of);
    let value = g.body.values.last_mut().expect("just declared");
    value.read = true;
    value.term.clone()
}

/// A number that depends on a value: a gate of a mean over it, together with anything.
fn differentiated(g: &mut Generator, by: &Term) -> Term {
    let inner = mean_over(g, by, |g, element| {
        let other = g.real(&[], 1);
        g.apply(gates::MUL, vec![element, other])
    });
    let gate = *g.random.pick(&["tanh", "sin", "sigmoid", "atan"]);
    let bent = Term::new(format!("{gate}({})", inner.text), Level::Atom, -1.6, 1.6).of(&[&inner]);
    let other = g.real(&[], 2);
    let gate = *g.random.pick(&[gates::MUL, gates::MUL, gates::ADD]);
    let of = g.apply(gate, vec![bent, other]);
    if !of.across {
        return of;
    }
    // Of one example it would depend on the others.
    let text = format!("mean[batch] {}", of.at(Level::Product));
    Term { text, level: Level::Reduction, batch: false, ..of }
}
