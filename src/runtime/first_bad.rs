//! The first number of a step that is not finite: which example, which gate, which line, which operands.
//!
//! A step that went wrong is gone over again by the reference interpreter, from the weights before it: first the loss of
//! each example, then the gradients, then the update. The element that is not finite is followed back to where it was
//! born ([`crate::interpret::birth`]).

use super::build::slot_leaf;
use super::layout::Layout;
use crate::circuit::{Circuit, Leaf, Node, SlotRole, ValueId};
use crate::diagnostic::{Diagnostic, Span};
use crate::differentiate::differentiate;
use crate::elaborate::model::{Model, Turn, Update};
use crate::interpret::birth::{Birth, Kept};
use crate::interpret::{Array, Bindings, Element, evaluate};

/// The first number that is not finite, in the terms of the program.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstBad {
    /// NaN, or infinite.
    pub result: f64,
    /// The gate that made it, on numbers: `log(-0.25)`, `sum of 64 numbers up to 3.1e38`, `parameter out.W[3, 1]`.
    pub made: String,
    /// Number of the example in its data; `None` where all examples share the value.
    pub example: Option<u32>,
    /// Where in the computation: `the loss`, `the gradient`, `the update`.
    pub within: &'static str,
    /// Path of the statement that it is a part of: `loss`, `h.gru.z`.
    pub path: String,
    /// The expression.
    pub span: Option<Span>,
    /// The line of the user's text, if the expression is in the library.
    pub call: Option<Span>,
    /// The usual way out.
    pub help: &'static str,
}

impl FirstBad {
    /// `example 37: log(-0.25) is NaN, in `loss``
    pub fn told(&self) -> String {
        let example = self.example.map(|example| format!("example {example}: ")).unwrap_or_default();
        let path = if self.path.is_empty() { String::new() } else { format!(" (`{}`)", self.path) };
        format!("{example}{} is {}, in {}{path}", self.made, shown(self.result), self.within)
    }

    /// Adds the places.
    pub fn labelled(&self, diagnostic: Diagnostic) -> Diagnostic {
        let text = format!("{} is {}", self.made, shown(self.result));
        let diagnostic = match self.span {
            Some(span) => diagnostic.at(span, text),
            None => diagnostic,
        };
        match self.call {
            Some(call) if self.span.is_none_or(|span| span.file != call.file) => {
                diagnostic.at(call, "in this call")
            }
            _ => diagnostic,
        }
    }
}

/// Goes over a step: forward and backward.
pub fn in_step<T: Element>(model: &Model, bindings: &Bindings<T>) -> Option<FirstBad> {
    let mut circuit = model.circuit.clone();
    let loss = model.loss?;
    // Of one example alone the mean is its own loss; of all it may be too large where each is not.
    let mean = circuit.mean_batch(loss);
    let found = search(&circuit, &[mean], bindings);
    let found = found.map(|(birth, at)| (birth, at, "the loss"));
    let found = found.or_else(|| {
        let leaves: Vec<ValueId> = model.params.iter().map(|&slot| slot_leaf(&mut circuit, slot)).collect();
        let gradients: Vec<ValueId> =
            differentiate(&mut circuit, loss, &leaves).into_iter().flatten().collect();
        search(&circuit, &gradients, bindings).map(|(birth, at)| (birth, at, "the gradient"))
    });
    found.map(|(birth, example, within)| describe(&circuit, &birth, example, within))
}

/// The first root that is not finite, by one example alone if that shows it, else by the whole batch; the number of that
/// example in its data.
fn search<T: Element>(
    circuit: &Circuit,
    roots: &[ValueId],
    bindings: &Bindings<T>,
) -> Option<(Birth, Option<u32>)> {
    for example in 0..bindings.n {
        let alone = alone(bindings, example);
        let is_bad = |array: &Array<T>| array.data.iter().any(|x| !x.get().is_finite());
        if !evaluate(circuit, roots, &alone).iter().any(is_bad) {
            continue;
        }
        let kept = Kept::of(circuit, roots, &alone);
        let birth = roots.iter().find_map(|&root| kept.first_bad(root)).map(|spot| kept.birth(spot))?;
        let own = circuit.shape(birth.spot.value).batch;
        return Some((birth, own.then(|| bindings.examples[example])));
    }
    let kept = Kept::of(circuit, roots, bindings);
    let birth = roots.iter().find_map(|&root| kept.first_bad(root)).map(|spot| kept.birth(spot))?;
    let own = circuit.shape(birth.spot.value).batch;
    let example = own.then(|| bindings.examples[birth.spot.example]);
    Some((birth, example))
}

/// One example of a batch.
fn alone<T: Element>(bindings: &Bindings<T>, example: usize) -> Bindings<T> {
    let slots = bindings.slots.iter().map(|(&slot, array)| {
        let size = array.shape.size();
        let data = match array.shape.batch {
            true => array.data[example * size..(example + 1) * size].to_vec(),
            false => array.data.clone(),
        };
        (slot, Array::new(array.shape.clone(), 1, data))
    });
    Bindings { n: 1, slots: slots.collect(), examples: vec![bindings.examples[example]], ..*bindings }
}

/// Goes over an update, from the gradient that it was given; `params` says where each parameter lies, and `bindings` is
/// given each turn with the number of its first moment.
pub fn in_update<T: Element>(
    update: &Update,
    params: &Layout,
    circuit: &Circuit,
    bindings: impl Fn(&Turn, usize) -> Bindings<T>,
) -> Option<FirstBad> {
    let mut moments = 0;
    for turn in &update.turns {
        let first = moments;
        moments += turn.groups.iter().map(|group| group.moments.len()).sum::<usize>();
        let roots: Vec<ValueId> = turn.groups.iter().map(|group| group.next_weights).collect();
        let kept = Kept::of(&turn.circuit, &roots, &bindings(turn, first));
        let Some((group, spot)) =
            turn.groups.iter().find_map(|group| Some((group, kept.first_bad(group.next_weights)?)))
        else {
            continue;
        };
        let at = group.offset as usize + spot.index.first().map_or(0, |&i| i as usize);
        let mut found = describe(&turn.circuit, &kept.birth(spot), None, "the update");
        if let Some(piece) = params.pieces.iter().find(|piece| piece.range().contains(&at)) {
            found.path = element(&piece.name, &piece.dims, at - piece.offset as usize);
            found.call = circuit.slot(piece.slot).span;
        }
        return Some(found);
    }
    None
}

/// `W[3, 1]`
fn element(name: &str, dims: &[u32], mut at: usize) -> String {
    let mut index = vec![];
    for &extent in dims.iter().rev() {
        index.insert(0, at % extent as usize);
        at /= extent as usize;
    }
    indexed(name, &index.iter().map(|&i| i as u32).collect::<Vec<_>>())
}

fn indexed(name: &str, index: &[u32]) -> String {
    let index: Vec<String> = index.iter().map(ToString::to_string).collect();
    if index.is_empty() { name.to_string() } else { format!("{name}[{}]", index.join(", ")) }
}

fn describe(circuit: &Circuit, birth: &Birth, example: Option<u32>, within: &'static str) -> FirstBad {
    let origin = circuit.origin(birth.spot.value);
    let place = circuit.place(origin);
    let path = place.map(|place| match (place.owner.as_str(), place.equation.as_deref()) {
        ("", equation) => equation.unwrap_or_default().to_string(),
        (owner, None) => owner.to_string(),
        (owner, Some(equation)) => format!("{owner}.{equation}"),
    });
    let (made, help) = made(circuit, birth);
    let slot = match circuit.node(birth.spot.value) {
        Node::Leaf(Leaf::Slot(id)) => circuit.slot(*id).span,
        _ => None,
    };
    FirstBad {
        result: birth.result,
        made,
        example,
        within,
        path: path.unwrap_or_default(),
        span: slot.or(origin.span),
        call: place.map(|place| place.line),
        help,
    }
}

/// Ways out, by gate.
const REMEDIES: [(&str, &str); 8] = [
    (
        "log",
        "keep what the logarithm is of above 0: `log(x + 1e-7)`, or a loss on scores (`cross_entropy`, `bce_with_logits`)",
    ),
    ("log1p", "keep its operand above -1"),
    ("div", "keep the divisor away from 0: `a / (b + 1e-7)` where b is not negative"),
    ("sqrt", "keep what the root is of at 0 or above; its slope at 0 is infinite: `sqrt(x + 1e-7)`"),
    ("exp", "take off the largest first, as `softmax` and `logsumexp` do, or clip the operand"),
    ("pow", "a power of a negative number with a broken exponent has no value"),
    (
        "sub",
        "both operands are infinite: look at what they come from, such as a row of scores that is masked whole",
    ),
    ("expm1", "clip the operand"),
];

const GROWN: &str = "the numbers have grown too large: a smaller learning rate, `clip = norm(1.0)` or scaled inputs are \
    the usual remedies";

/// What made a number, on which numbers, and the way out.
fn made(circuit: &Circuit, birth: &Birth) -> (String, &'static str) {
    let numbers: Vec<String> = birth.operands.iter().map(|(_, number)| shown(*number)).collect();
    match circuit.node(birth.spot.value) {
        Node::Gate { gate, .. } => {
            let help =
                REMEDIES.iter().find(|(name, _)| *name == gate.row().name).map_or(GROWN, |(_, help)| help);
            (gate.written_of(&numbers), help)
        }
        Node::Reduce { reducer, .. } => {
            let largest = birth.operands.iter().map(|(_, number)| number.abs()).fold(0.0, f64::max);
            let (count, word) = (birth.operands.len(), reducer.word());
            (format!("the {word} of {count} numbers up to {} in size", shown(largest)), GROWN)
        }
        Node::Leaf(Leaf::Slot(id)) => {
            let slot = circuit.slot(*id);
            let role = match slot.role {
                SlotRole::Input | SlotRole::Target => "the data's",
                SlotRole::State | SlotRole::Moment => "the state",
                SlotRole::Gradient => "the gradient",
                SlotRole::Param => "the parameter",
            };
            (format!("{role} {}", indexed(&slot.name, &birth.spot.index)), "it was so before this step")
        }
        Node::Leaf(_) => ("a number of the program".into(), "it is written so"),
        _ => (numbers.join(", "), GROWN),
    }
}

/// A number in four digits.
fn shown(x: f64) -> String {
    let (size, whole) = (x.abs(), format!("{x}"));
    if !x.is_finite() || whole.len() <= 7 {
        whole
    } else if (1e-3..1e6).contains(&size) {
        format!("{x:.4}")
    } else {
        format!("{x:.3e}")
    }
}
