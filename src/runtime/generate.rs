//! New elements of a sequence, one after another, from a trained net: each for the price of one position.

use super::build::{Built, Setup, Stage, Wanted, build, homes};
use super::layout::Layout;
use super::records::Moment;
use super::store::Store;
use super::weights::Weights;
use crate::circuit::draw::SplitMix64;
use crate::circuit::{Circuit, Kind, Leaf, Node, Numbers, Slice, SlotId, SlotRole, ValueId};
use crate::diagnostic::{Diagnostic, codes};
use crate::elaborate::model::Model;
use crate::plan::Home;
use crate::plan::schedule::Region;
use crate::simplify::simplify;
use crate::stepwise::{Stepwise, stepwise};

/// What a net says of the next element of a sequence: scores, before softmax, of each case of a class.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scores {
    /// Of shape `[T, V]`, the position first.
    pub value: ValueId,
    /// The input: a sequence of a class with V cases.
    pub sequence: SlotId,
    /// V.
    pub cases: u32,
}

/// Finds what the loss holds against the element after each position: the `z[t]` of
/// `cross_entropy(z[t], window[t + 1])`.
///
/// # Errors
/// `NOT_A_SEQUENCE` if the net predicts no element of a sequence from those before.
pub fn scores(model: &Model) -> Result<Scores, Diagnostic> {
    let circuit = &model.circuit;
    let of = |slot: &SlotId| circuit.slot(*slot);
    let sequence = model.inputs.iter().copied().find(|slot| {
        let slot = of(slot);
        slot.role == SlotRole::Input && slot.kind == Kind::Integer && slot.shape.dims.len() == 1
    });
    let Some(sequence) = sequence else {
        let message = format!("`{}` has no sequence of a class for an input", model.name);
        return Err(no_sequence(&message));
    };
    let cases = of(&sequence).classes.unwrap_or_default();
    let found = circuit.values().find_map(|value| match circuit.node(value) {
        Node::Gather { table, index } if reads_next(circuit, *index, sequence) => Some(*table),
        _ => None,
    });
    let table = found.filter(|&table| circuit.shape(table).dims.get(1) == Some(&cases));
    let value = table.ok_or_else(|| {
        let name = &of(&sequence).name;
        no_sequence(&format!(
            "the loss of `{}` does not hold scores against the next of `{name}`",
            model.name
        ))
    })?;
    Ok(Scores { value, sequence, cases })
}

fn no_sequence(message: &str) -> Diagnostic {
    Diagnostic::error(codes::NOT_A_SEQUENCE, message)
        .help("a net that generates has `input window[T + 1]: class(V)` and a loss like `mean[t] cross_entropy(z[t], window[t + 1])`")
}

/// Whether an index is the sequence one later.
fn reads_next(circuit: &Circuit, index: ValueId, sequence: SlotId) -> bool {
    let Node::View { arg, view } = circuit.node(index) else { return false };
    let plain = view.out.dims.len() == 1 && view.guards.is_empty() && view.coords.len() == 1;
    let next = plain && view.coords[0].c == [1] && view.coords[0].b == 1 && view.coords[0].d == 1;
    next && matches!(circuit.node(*arg), Node::Leaf(Leaf::Slot(slot)) if *slot == sequence)
}

/// A net that reads a sequence and says what may come next.
pub struct Generator {
    steps: Stepwise,
    built: Built,
    store: Store,
    /// What the states are before the first position: the present element and its position, what is kept from one
    /// position to the next, and the model's own.
    before: Numbers,
    position: u32,
    /// The elements that may be needed again: those since the states began, if their number is limited.
    recent: Vec<u32>,
}

impl Generator {
    /// Builds native code for one position, and holds it against the whole net on a sequence drawn from `seed`.
    ///
    /// # Errors
    /// `NOT_CAUSAL` if the net cannot be computed position by position, or looks ahead.
    pub fn new(
        model: &Model,
        params: &Layout,
        states: &Layout,
        weights: &Weights,
        scores: Scores,
        seed: u64,
    ) -> Result<Generator, Diagnostic> {
        let (circuit, roots) = simplify(&model.circuit, &[scores.value]);
        let steps = stepwise(&circuit, roots[0], 0, scores.sequence).map_err(|wrong| {
            let named = circuit.shown_names().get(&wrong.value).map(|named| (named.path.clone(), named.span));
            let span = circuit.origin(wrong.value).span;
            let (name, span) =
                named.map_or(("a value".into(), span), |(path, own)| (format!("`{path}`"), own.or(span)));
            not_causal(&format!("{name} {}", wrong.does), span)
        })?;
        let slots: Vec<SlotId> = [steps.element, steps.position]
            .into_iter()
            .chain(steps.states.iter().map(|kept| kept.slot))
            .chain(model.states.iter().copied())
            .collect();
        let kept = Layout::of(&steps.circuit, &slots);
        let dtype = weights.params.dtype();
        let mut before = vec![0.0; 2];
        for state in &steps.states {
            before.resize(before.len() + steps.circuit.slot(state.slot).shape.size(), state.initial);
        }
        before.extend(weights.states.iter());
        let before = Numbers::rounded(dtype, before);
        let built = build_steps(&steps, params, &kept, Setup { capacity: 1, seed, dtype, recompute: false });
        let mut store = Store::new(&built, 1, 1);
        store.put(Region::Params, &weights.params);
        store.put(Region::States, &before);
        let mut generator = Generator { steps, built, store, before, position: 0, recent: vec![] };
        generator.hold(&circuit, roots[0], params, states, weights, scores, seed)?;
        Ok(generator)
    }

    /// Forgets what was read.
    pub fn reset(&mut self) {
        self.store.put(Region::States, &self.before);
        self.position = 0;
        self.recent.clear();
    }

    /// Reads the next element; gives the scores of what may follow. Where the net has positions for so many elements
    /// only, it goes on with the later half of them, as the window of a longer text.
    ///
    /// # Panics
    /// If the element is not one of the cases.
    pub fn read(&mut self, element: u32) -> Vec<f64> {
        if let Some(limit) = self.steps.limit.filter(|&limit| limit == self.position) {
            let later = self.recent.split_off(self.recent.len() - limit as usize / 2);
            self.reset();
            later.into_iter().for_each(|element| self.step(element));
        }
        self.step(element);
        scores_in(&self.store)
    }

    fn step(&mut self, element: u32) {
        let present = Numbers::rounded(self.before.dtype(), [element, self.position].map(f64::from));
        self.store.put(Region::States, &present);
        let mut records = vec![];
        self.built.records.push(Moment::EVALUATION, &mut records);
        self.store.run(&self.built, &[], &[0], &records);
        self.position += 1;
        if self.steps.limit.is_some() {
            self.recent.push(element);
        }
    }

    /// Compares with the whole net at every position of one sequence: a net that looks ahead says other things there.
    #[allow(clippy::too_many_arguments)] // the whole net, and where its values lie
    fn hold(
        &mut self,
        circuit: &Circuit,
        root: ValueId,
        params: &Layout,
        states: &Layout,
        weights: &Weights,
        scores: Scores,
        seed: u64,
    ) -> Result<(), Diagnostic> {
        let slot = circuit.slot(scores.sequence);
        let mut random = SplitMix64::new(seed);
        let window: Vec<u32> =
            (0..slot.shape.size()).map(|_| random.below(u64::from(scores.cases)) as u32).collect();
        let whole = whole(circuit, root, (params, states), weights, (scores.sequence, &window), seed);
        for (t, row) in whole.chunks(scores.cases as usize).enumerate() {
            let found = self.read(window[t]);
            let scale = row.iter().fold(1.0f64, |scale, x| scale.max(x.abs()));
            let same = |(a, b): (&f64, &f64)| (a - b).abs() <= SAME * scale || (a.is_nan() && b.is_nan());
            if !found.iter().zip(row).all(same) {
                let message =
                    format!("the scores at position {t} depend on later elements of `{}`", slot.name);
                return Err(not_causal(&message, slot.span));
            }
        }
        self.reset();
        Ok(())
    }
}

/// Two ways to compute scores may differ by rounding, so far in proportion to the largest.
const SAME: f64 = 1e-3;

fn not_causal(message: &str, span: Option<crate::diagnostic::Span>) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(codes::NOT_CAUSAL, format!("this net cannot go on with a text: {message}"));
    let diagnostic = match span {
        Some(span) => diagnostic.at(span, "needed at every position"),
        None => diagnostic,
    };
    diagnostic.help("what is said of a position may depend on this position and those before it only")
}

/// Native code for one position.
fn build_steps(steps: &Stepwise, params: &Layout, kept: &Layout, setup: Setup) -> Built {
    let home = |k: usize| {
        let slot = SlotId(k as u32);
        let in_region =
            |layout: &Layout, region| layout.piece(slot).map(|piece| Home { region, offset: piece.offset });
        // An input of the whole net is not read.
        let elsewhere = Home { region: Region::Input(0), offset: 0 };
        in_region(params, Region::Params).or_else(|| in_region(kept, Region::States)).unwrap_or(elsewhere)
    };
    let homes = (0..steps.circuit.slots().len()).map(home).collect();
    let mut wanted: Wanted = vec![(steps.result, Region::Output(0), 0, "scores".into())];
    for state in &steps.states {
        let piece = kept.piece(state.slot).expect("every state has its place");
        wanted.push((state.next, Region::States, piece.offset, format!("{}'", piece.name)));
    }
    let stage = Stage { circuit: steps.circuit.clone(), homes, wanted };
    build(vec![stage], setup).expect("Cranelift compiles what the planner makes")
}

/// The scores of all positions of a sequence, by the net as it was trained.
fn whole(
    circuit: &Circuit,
    root: ValueId,
    (params, states): (&Layout, &Layout),
    weights: &Weights,
    (sequence, window): (SlotId, &[u32]),
    seed: u64,
) -> Vec<f64> {
    let dtype = weights.params.dtype();
    let homes = homes(circuit, params, states);
    let wanted: Wanted = vec![(root, Region::Output(0), 0, "scores".into())];
    let inputs = (0..circuit.slots().len()).filter(|&k| matches!(homes[k].region, Region::Input(_)));
    let columns: Vec<Numbers> = inputs
        .map(|k| match SlotId(k as u32) == sequence {
            true => Numbers::rounded(dtype, window.iter().copied().map(f64::from)),
            false => Numbers::zeros(dtype, circuit.slots()[k].shape.size()),
        })
        .collect();
    let stage = Stage { circuit: circuit.clone(), homes, wanted };
    let built = build(vec![stage], Setup { capacity: 1, seed, dtype, recompute: false })
        .expect("Cranelift compiles what the planner makes");
    let mut records = vec![];
    built.records.push(Moment::EVALUATION, &mut records);
    let columns: Vec<Slice> = columns.iter().map(Numbers::slice).collect();
    scores_in(&Store::of_weights(&built, weights, &columns, &[0], &records))
}

/// The scores that a run left.
fn scores_in(store: &Store) -> Vec<f64> {
    store.numbers(Region::Output(0)).map_or_else(Vec::new, |scores| scores.iter().collect())
}

/// Draws a case with the probabilities `softmax(scores / temperature)`; at temperature 0 takes the first largest.
pub fn draw(scores: &[f64], temperature: f64, random: &mut SplitMix64) -> u32 {
    let largest = (0..scores.len()).fold(0, |best, k| if scores[k] > scores[best] { k } else { best });
    if temperature == 0.0 {
        return largest as u32;
    }
    let weight = |&score: &f64| ((score - scores[largest]) / temperature).exp();
    let total: f64 = scores.iter().map(weight).sum();
    let mut left = random.uniform() * total;
    for (k, score) in scores.iter().enumerate() {
        left -= weight(score);
        if left < 0.0 {
            return k as u32;
        }
    }
    largest as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_drawn_with_their_probabilities() {
        let scores = [0.0, 2f64.ln(), f64::NEG_INFINITY, 5f64.ln()];
        let mut random = SplitMix64::new(1);
        let mut counts = [0i32; 4];
        for _ in 0..8000 {
            counts[draw(&scores, 1.0, &mut random) as usize] += 1;
        }
        // Of 8,000: 1,000, 2,000, none and 5,000, with standard deviations of 30, 39 and 43.
        assert_eq!(counts[2], 0);
        for (found, expected) in [(counts[0], 1000), (counts[1], 2000), (counts[3], 5000)] {
            assert!((found - expected).abs() < 180, "{counts:?}");
        }
        assert_eq!(draw(&scores, 0.0, &mut random), 3);
    }

    #[test]
    fn a_low_temperature_prefers_the_largest() {
        let mut random = SplitMix64::new(1);
        let scores = [0.0, 1.0];
        let drawn = (0..1000).map(|_| draw(&scores, 0.1, &mut random)).sum::<u32>();
        assert!(drawn > 990, "{drawn}");
    }
}
