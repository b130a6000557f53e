//! For tests: circuits with values for their slots, and derivatives by central differences.

use crate::circuit::{AxisSet, Circuit, Kind, Leaf, Node, Shape, Slot, SlotId, SlotRole, ValueId};
use crate::interpret::{Bindings, evaluate};

/// Examples in the batch: more than one, so that a mean is not a sum.
pub const BATCH: usize = 3;

/// A small generator: the points are the same in every run.
pub struct Random(pub u64);

impl Random {
    /// Between 0 and 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Declares a slot whose elements are real numbers.
pub fn real(circuit: &mut Circuit, name: &str, shape: Shape) -> ValueId {
    slot(circuit, name, shape, None)
}

/// Declares a slot of classes.
pub fn class(circuit: &mut Circuit, name: &str, shape: Shape, classes: u32) -> ValueId {
    slot(circuit, name, shape, Some(classes))
}

fn slot(circuit: &mut Circuit, name: &str, shape: Shape, classes: Option<u32>) -> ValueId {
    let role = if shape.batch { SlotRole::Input } else { SlotRole::Param };
    let kind = if classes.is_some() { Kind::Integer } else { Kind::Real };
    circuit.declare(Slot { name: name.into(), role, shape, kind, classes, span: None })
}

/// The leaves of the slots that hold real numbers.
pub fn reals(circuit: &Circuit) -> Vec<ValueId> {
    let real = |value: &ValueId| {
        matches!(circuit.node(*value), Node::Leaf(Leaf::Slot(_))) && circuit.kind(*value) == Kind::Real
    };
    circuit.values().filter(real).collect()
}

/// Values for all slots: reals in (-2, 2), or (0.5, 2) for a slot whose name begins with `positive`.
pub fn bindings(circuit: &Circuit, random: &mut Random) -> Bindings<f64> {
    let mut bindings = Bindings::new(BATCH);
    for (k, slot) in circuit.slots().iter().enumerate() {
        let number = |_| match slot.classes {
            Some(classes) => (random.uniform() * f64::from(classes)).floor(),
            None if slot.name.starts_with("positive") => 0.5 + 1.5 * random.uniform(),
            None => 4.0 * random.uniform() - 2.0,
        };
        let data = (0..slot.shape.size_for(BATCH)).map(number).collect();
        bindings.bind(circuit, SlotId(k as u32), data);
    }
    bindings
}

/// The mean over the batch of a scalar.
pub fn objective(circuit: &Circuit, of: ValueId, bindings: &Bindings<f64>) -> f64 {
    let data = &evaluate(circuit, &[of], bindings)[0].data;
    data.iter().sum::<f64>() / data.len() as f64
}

/// The scalar that weighs every element of each value by a number of its own and adds them up.
pub fn weighed(circuit: &mut Circuit, values: &[ValueId]) -> ValueId {
    let mut total = circuit.number(0.0);
    for (k, &value) in values.iter().enumerate() {
        let mut weights = circuit.number(0.3 + k as f64);
        let dims = circuit.shape(value).dims.clone();
        for (axis, &extent) in dims.iter().enumerate() {
            let iota = circuit.iota(extent);
            let shape = Shape::shared(dims.clone());
            let own = crate::circuit::View::select(shape, &[axis], &[extent]);
            let own = circuit.view(iota, own);
            let weight = circuit.number(0.7 + 0.2 * axis as f64);
            let own = circuit.mul(own, weight);
            weights = circuit.add(weights, own);
        }
        let wave = circuit.lift(crate::circuit::gates::COS, &[weights]);
        let product = circuit.mul(value, wave);
        let sum = circuit.sum(product, AxisSet::of(0..dims.len()));
        total = circuit.add(total, sum);
    }
    total
}

/// Compares a gradient with central differences of the objective, at points where those agree with themselves
/// (not across a kink). Returns how many elements were compared.
///
/// # Panics
/// If they differ.
pub fn compare(circuit: &Circuit, of: ValueId, wrt: &[ValueId], gradients: &[Option<ValueId>]) -> usize {
    let mut random = Random(7);
    let mut compared = 0;
    for _ in 0..3 {
        let mut at = bindings(circuit, &mut random);
        for (&leaf, gradient) in wrt.iter().zip(gradients) {
            let Node::Leaf(Leaf::Slot(id)) = circuit.node(leaf) else { panic!("by a slot") };
            let slot = circuit.slot(*id);
            let got = gradient.map(|gradient| evaluate(circuit, &[gradient], &at)[0].data.clone());
            for k in 0..slot.shape.size_for(BATCH) {
                let Some(slope) = difference(circuit, of, *id, k, &mut at) else { continue };
                // The gradient by a per-example value is that of the example's own share of the mean.
                let slope = if slot.shape.batch { slope * BATCH as f64 } else { slope };
                let got = got.as_ref().map_or(0.0, |got| got[k]);
                let close = (got - slope).abs() <= 2e-6 * (1.0 + slope.abs());
                assert!(close, "{}[{k}]: {got} instead of {slope}", slot.name);
                compared += 1;
            }
        }
    }
    compared
}

/// The derivative of the objective by one element; `None` if it is not smooth there.
fn difference(circuit: &Circuit, of: ValueId, slot: SlotId, k: usize, at: &mut Bindings<f64>) -> Option<f64> {
    let start = at.slots[&slot].data[k];
    let mut at_offset = |offset: f64| {
        at.slots.get_mut(&slot).expect("bound").data[k] = start + offset;
        let value = objective(circuit, of, at);
        at.slots.get_mut(&slot).expect("bound").data[k] = start;
        value
    };
    let mut central = |h: f64| (at_offset(h) - at_offset(-h)) / (2.0 * h);
    let (wide, narrow) = (central(2e-4), central(1e-4));
    let smooth = (wide - narrow).abs() < 1e-5 * (1.0 + narrow.abs());
    smooth.then(|| narrow + (narrow - wide) / 3.0)
}
