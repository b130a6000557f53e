//! The health of a training: how large the gradient of each layer is, how far a step moves its weights, and which units
//! have died or saturated.
//!
//! Gradients are looked at after steps 1, 8, 64, 512, ... and the last: the cost does not grow with the run. Units are looked
//! at once, at the end, on some of the examples, by the reference interpreter.

use super::layout::Layout;
use crate::circuit::graph::reachable;
use crate::circuit::{Circuit, Dtype, Leaf, Node, Slice, SlotRole, ValueId, gates};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::elaborate::model::Model;
use crate::interpret::{Bindings, Element, evaluate};

/// Norms of a layer's part of the flat regions, at one step.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Reading {
    /// Of its gradient.
    pub gradient: f64,
    /// Of what the step changed.
    pub update: f64,
    /// Of its weights before.
    pub weight: f64,
}

impl Reading {
    /// How large the change is beside the weights; none where they are all 0.
    pub fn relative(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.update / self.weight)
    }
}

/// What is known of a layer.
#[derive(Clone, PartialEq, Debug)]
pub struct LayerHealth {
    /// Its path.
    pub path: String,
    /// Number of parameters.
    pub parameters: usize,
    /// By step.
    pub readings: Vec<(u64, Reading)>,
}

/// What is known of a run.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Health {
    /// In the order of the flat regions.
    pub layers: Vec<LayerHealth>,
    /// What is sick, and the usual remedies.
    pub findings: Vec<Diagnostic>,
}

/// How much rarer readings become. To look at a step it is run by itself, which for the smallest of nets takes several
/// times as long as a step among others.
const RARER: u64 = 8;

/// Takes readings while training.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    layers: Vec<(LayerHealth, Vec<std::ops::Range<usize>>)>,
    spans: Vec<Option<Span>>,
    next: u64,
}

/// Sums that go on side by side, so that no addition waits for the one before it.
const LANES: usize = 8;

impl Pulse {
    /// Of parameters laid out so.
    pub fn new(circuit: &Circuit, params: &Layout) -> Pulse {
        let mut pulse = Pulse { layers: vec![], spans: vec![], next: 1 };
        for piece in &params.pieces {
            let path = piece.name.rsplit_once('.').map_or(piece.name.as_str(), |(owner, _)| owner);
            let known = pulse.layers.iter().position(|(layer, _)| layer.path == path);
            let at = known.unwrap_or_else(|| {
                let leaf = circuit.find(&Node::Leaf(Leaf::Slot(piece.slot)));
                let place = leaf.and_then(|leaf| circuit.place(circuit.origin(leaf)));
                pulse.spans.push(place.map(|place| place.line).or(circuit.slot(piece.slot).span));
                let layer = LayerHealth { path: path.to_string(), parameters: 0, readings: vec![] };
                pulse.layers.push((layer, vec![]));
                pulse.layers.len() - 1
            });
            pulse.layers[at].0.parameters += piece.len();
            pulse.layers[at].1.push(piece.range());
        }
        pulse
    }

    /// That looks at nothing.
    pub fn none() -> Pulse {
        Pulse { layers: vec![], spans: vec![], next: u64::MAX }
    }

    /// The next step to look at, of so many in all: beyond all of them, if none is.
    pub fn next(&self, whole: u64) -> u64 {
        if self.layers.is_empty() { u64::MAX } else { self.next.min(whole) }
    }

    /// Goes on after a step that was not looked at.
    pub fn skip(&mut self, step: u64) {
        while self.next <= step {
            self.next = self.next.saturating_mul(RARER);
        }
    }

    /// Looks at what a step did.
    pub fn take(&mut self, step: u64, before: Slice<'_>, after: Slice<'_>, gradients: Option<Slice<'_>>) {
        self.skip(step);
        let inside = |range: &std::ops::Range<usize>, numbers: Slice<'_>| range.end <= numbers.len();
        for (layer, ranges) in &mut self.layers {
            let mut sums = [0.0; 3];
            for range in ranges.iter().filter(|range| inside(range, before) && inside(range, after)) {
                let gradients = gradients.filter(|&gradients| inside(range, gradients));
                let squares = match before.dtype() {
                    Dtype::F32 => squares::<f32>(range, before, after, gradients),
                    Dtype::F64 => squares::<f64>(range, before, after, gradients),
                };
                (0..3).for_each(|k| sums[k] += squares[k]);
            }
            let [gradient, update, weight] = sums.map(f64::sqrt);
            layer.readings.retain(|(taken, _)| *taken < step);
            layer.readings.push((step, Reading { gradient, update, weight }));
        }
    }

    /// What was seen, and what is sick of it.
    pub fn health(&self) -> Health {
        let layers: Vec<LayerHealth> = self.layers.iter().map(|(layer, _)| layer.clone()).collect();
        let mut findings = vec![];
        findings.extend(vanishing(&layers, &self.spans));
        findings.extend(exploding(&layers, &self.spans));
        Health { layers, findings }
    }
}

/// The squares of gradients (0 if there are none), of changes and of weights before, summed over a range.
fn squares<T: Element>(
    range: &std::ops::Range<usize>,
    before: Slice<'_>,
    after: Slice<'_>,
    gradients: Option<Slice<'_>>,
) -> [f64; 3] {
    let part = |numbers| &T::slice(numbers)[range.clone()];
    let mut lanes = [[0.0; LANES]; 3];
    // Without gradients the weights stand for them, and are not counted.
    let [old, new, slopes] =
        [before, after, gradients.unwrap_or(before)].map(part).map(|part| part.chunks(LANES));
    for ((old, new), slopes) in old.zip(new).zip(slopes) {
        for (lane, ((old, new), slope)) in old.iter().zip(new).zip(slopes).enumerate() {
            let (old, new, slope) = (old.get(), new.get(), slope.get());
            lanes[0][lane] += slope * slope;
            lanes[1][lane] += (new - old) * (new - old);
            lanes[2][lane] += old * old;
        }
    }
    let [gradient, update, weight] = lanes.map(|lanes| lanes.iter().sum());
    [gradients.map_or(0.0, |_| gradient), update, weight]
}

/// A layer is starved whose gradient, element by element, is mostly less than this part of that of the best fed one.
const STARVED: f64 = 1e-4;

fn vanishing(layers: &[LayerHealth], spans: &[Option<Span>]) -> Option<Diagnostic> {
    let size = |layer: &LayerHealth, k: usize| {
        layer.readings.get(k).map_or(0.0, |(_, reading)| reading.gradient / (layer.parameters as f64).sqrt())
    };
    let count = layers.iter().map(|layer| layer.readings.len()).max()?;
    let best: Vec<f64> =
        (0..count).map(|k| layers.iter().map(|layer| size(layer, k)).fold(0.0, f64::max)).collect();
    // The median: at some step the best fed layer may have next to nothing itself.
    let share = |layer: &LayerHealth| {
        let parts = (0..count).filter(|&k| best[k] > 0.0).map(|k| size(layer, k) / best[k]);
        let mut parts: Vec<f64> = parts.collect();
        parts.sort_by(f64::total_cmp);
        parts.get(parts.len() / 2).copied().unwrap_or(0.0)
    };
    let starved: Vec<usize> = (0..layers.len()).filter(|&k| share(&layers[k]) < STARVED).collect();
    // One that gets nothing at all is told of before training.
    let starved: Vec<usize> = starved.into_iter().filter(|&k| share(&layers[k]) > 0.0).collect();
    let first = *starved.first()?;
    let names: Vec<&str> = starved.iter().map(|&k| layers[k].path.as_str()).collect();
    let message = format!(
        "the gradient vanishes on its way to {}: mostly {:.0e} of what the best fed layer gets",
        listed(&names),
        share(&layers[first])
    );
    let diagnostic = Diagnostic::warning(codes::VANISHING_GRADIENT, message);
    let diagnostic = match spans[first] {
        Some(span) => diagnostic.at(span, "hardly learns"),
        None => diagnostic,
    };
    Some(diagnostic.help(
        "relu or tanh instead of sigmoid, a way around (`x + f(x)`), normalization (layernorm), or fewer layers; \
         for a recurrence gru or lstm",
    ))
}

/// A gradient beyond this, and a step that moves the weights by this part of themselves, are too large.
const LARGE_GRADIENT: f64 = 100.0;
const LARGE_STEP: f64 = 0.5;

fn exploding(layers: &[LayerHealth], spans: &[Option<Span>]) -> Option<Diagnostic> {
    let worst = |layer: &LayerHealth| {
        let wild = layer.readings.iter().filter(|(_, reading)| {
            reading.gradient.is_finite()
                && reading.gradient > LARGE_GRADIENT
                && reading.relative().is_some_and(|part| part > LARGE_STEP)
        });
        wild.max_by(|a, b| a.1.gradient.total_cmp(&b.1.gradient)).copied()
    };
    let found = layers.iter().enumerate().filter_map(|(k, layer)| Some((k, worst(layer)?)));
    let (k, (step, reading)) = found.max_by(|a, b| a.1.1.gradient.total_cmp(&b.1.1.gradient))?;
    let times = match reading.relative().unwrap_or(0.0) {
        times if times < 1e4 => format!("{times:.1}"),
        times => format!("{times:.1e}"),
    };
    let message = format!(
        "the gradient explodes at `{}`: its norm is {:.1e} at step {step}, which moves the weights by {times} times \
         themselves",
        layers[k].path, reading.gradient,
    );
    let diagnostic = Diagnostic::warning(codes::EXPLODING_GRADIENT, message);
    let diagnostic = match spans[k] {
        Some(span) => diagnostic.at(span, "thrown about"),
        None => diagnostic,
    };
    Some(
        diagnostic.help(
            "`clip = norm(1.0)` in the `train` block, a smaller learning rate, or smaller initial weights",
        ),
    )
}

fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Gates whose units can die or saturate.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// `max(0, x)`: dead where it is 0.
    Relu,
    /// Saturated where its slope is less than a twenty-fifth of the largest.
    Sigmoid,
    /// The same.
    Tanh,
}

/// More than this share of a layer's units dead, or of all that units gave saturated, is sick.
const DEAD: f64 = 0.5;
const SATURATED: f64 = 0.9;

/// Fewer examples than this tell too little.
const FEW: usize = 16;

/// No more numbers are computed for this.
const NUMBERS: usize = 20_000_000;

/// How many of the examples at hand are looked at: none if a few would take too long.
pub(super) fn examples(model: &Model, at_hand: usize) -> usize {
    let Some(loss) = model.loss else { return 0 };
    let all: usize =
        reachable(&model.circuit, [loss]).iter().map(|value| model.circuit.shape(value).size()).sum();
    let count = (NUMBERS / all.max(1)).min(64).min(at_hand);
    if count < FEW { 0 } else { count }
}

/// Layers of which most units are dead or saturated, for all examples bound.
pub(super) fn units<T: Element>(model: &Model, bindings: &Bindings<T>) -> Vec<Diagnostic> {
    let circuit = &model.circuit;
    let Some(loss) = model.loss else { return vec![] };
    let needed = reachable(circuit, [loss]);
    let found: Vec<(ValueId, Unit)> = needed
        .iter()
        .filter_map(|value| Some((value, unit(circuit, value)?)))
        .filter(|(value, _)| circuit.shape(*value).batch && is_hidden(circuit, needed.iter(), *value))
        .collect();
    let roots: Vec<ValueId> = found.iter().map(|(value, _)| *value).collect();
    let arrays = evaluate(circuit, &roots, bindings);
    let sick = found.iter().zip(arrays).filter_map(|(&(value, unit), array)| {
        let data: Vec<f64> = array.data.into_iter().map(T::get).collect();
        let size = array.shape.size();
        let all = |k: usize| (0..array.n).all(|example| data[example * size + k] == 0.0);
        let share = |count: usize, of: usize| count as f64 / of.max(1) as f64;
        let flat = |least: f64, slope: fn(f64) -> f64| {
            share(data.iter().filter(|&&y| slope(y) < least).count(), data.len())
        };
        let (code, share, most, what) = match unit {
            Unit::Relu => (
                codes::DEAD_UNITS,
                share((0..size).filter(|&k| all(k)).count(), size),
                DEAD,
                "are 0 for every example",
            ),
            Unit::Sigmoid => {
                (codes::SATURATED_UNITS, flat(0.01, |y| y * (1.0 - y)), SATURATED, "have next to no slope")
            }
            Unit::Tanh => {
                (codes::SATURATED_UNITS, flat(0.04, |y| 1.0 - y * y), SATURATED, "have next to no slope")
            }
        };
        (share > most).then(|| told(circuit, value, code, share, what))
    });
    sick.collect()
}

fn told(
    circuit: &Circuit,
    value: ValueId,
    code: crate::diagnostic::Code,
    share: f64,
    what: &str,
) -> Diagnostic {
    let place = circuit.place(circuit.origin(value));
    let path = place.map_or("", |place| {
        if place.owner.is_empty() { place.equation.as_deref().unwrap_or("") } else { &place.owner }
    });
    let message = format!("{:.0} % of the units of `{path}` {what}", 100.0 * share);
    let diagnostic = Diagnostic::warning(code, message);
    let diagnostic = match place {
        Some(place) => diagnostic.at(place.line, "here"),
        None => diagnostic,
    };
    diagnostic.help(if code == codes::DEAD_UNITS {
        "a smaller learning rate, biases that begin above 0, or a relu that leaks: `max(0.01 * x, x)`"
    } else {
        "smaller initial weights, scaled inputs, layernorm before it, or a smaller learning rate"
    })
}

fn unit(circuit: &Circuit, value: ValueId) -> Option<Unit> {
    let Node::Gate { gate, args } = circuit.node(value) else { return None };
    let is_zero = |&arg: &ValueId| number(circuit, arg) == Some(0.0);
    match gate.row().name {
        "max" if args.iter().any(is_zero) => Some(Unit::Relu),
        "sigmoid" => Some(Unit::Sigmoid),
        "tanh" => Some(Unit::Tanh),
        _ => None,
    }
}

/// The number that a value is, spread or not.
fn number(circuit: &Circuit, value: ValueId) -> Option<f64> {
    match circuit.node(value) {
        Node::Leaf(Leaf::Number(number)) => Some(number.get()),
        Node::View { arg, .. } => number(circuit, *arg),
        _ => None,
    }
}

/// Whether a parameter multiplies a value: what comes last may well be as far as it goes.
fn is_hidden(circuit: &Circuit, needed: impl Iterator<Item = ValueId>, value: ValueId) -> bool {
    let behind = |mut value: ValueId| {
        while let Node::View { arg, .. } | Node::Merge { arg, .. } = circuit.node(value) {
            value = *arg;
        }
        value
    };
    let is_param = |value: ValueId| match circuit.node(value) {
        Node::Leaf(Leaf::Slot(slot)) => circuit.slot(*slot).role == SlotRole::Param,
        _ => false,
    };
    let mut needed = needed;
    needed.any(|user| match circuit.node(user) {
        Node::Gate { gate: gates::MUL, args } => {
            let args = [behind(args[0]), behind(args[1])];
            args.contains(&value) && args.iter().any(|&arg| is_param(arg))
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_starved_layer_is_told() {
        let layer = |path: &str, gradient: f64| LayerHealth {
            path: path.into(),
            parameters: 4,
            readings: vec![(1, Reading { gradient, update: 0.1, weight: 1.0 })],
        };
        let sick =
            vanishing(&[layer("first", 1e-6), layer("last", 1.0)], &[None, None]).expect("one starves");
        assert!(sick.message.contains("`first`") && !sick.message.contains("`last`"), "{}", sick.message);
        assert_eq!(vanishing(&[layer("first", 1e-3), layer("last", 1.0)], &[None, None]), None);
    }
}
