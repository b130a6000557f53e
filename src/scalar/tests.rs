//! That values and gradients, gate by gate, are those that are known, and those of the whole circuit.

use super::*;
use crate::circuit::{Leaf, SlotId};
use crate::differentiate::differentiate;
use crate::elaborate::{Choices, Model, from_text, model};
use crate::interpret::{Bindings, evaluate};

fn net(text: &str) -> Model {
    let program = from_text("example.nn", text).unwrap_or_else(|(_, wrong)| panic!("{wrong:?}"));
    let choices = Choices { training: true, ..Choices::default() };
    model(&program, None, &choices).unwrap_or_else(|wrong| panic!("{wrong:?}")).0
}

/// Slots bound to what a function says of name and element.
fn bound(model: &Model, n: usize, value: impl Fn(&str, usize) -> f64) -> Bindings<f64> {
    let mut bindings = Bindings::<f64>::new(n);
    for (k, slot) in model.circuit.slots().iter().enumerate() {
        let data = (0..slot.shape.size_for(n)).map(|at| value(&slot.name, at)).collect();
        bindings.bind(&model.circuit, SlotId(k as u32), data);
    }
    bindings
}

fn unrolled(model: &Model, bindings: &Bindings<f64>) -> Unrolled {
    unroll(&model.circuit, model.loss.expect("a loss"), bindings, 10_000).expect("not too many")
}

fn named<'u>(unrolled: &'u Unrolled, name: &str) -> &'u Wire {
    let found = unrolled.wires.iter().find(|wire| wire.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("{name} is there"))
}

/// The neuron of the lecture on backpropagation of Stanford's CS231n, with the numbers that stand there.
#[test]
fn the_neuron_of_the_lecture() {
    let model = net(
        "net n {\n  input x[2]\n  param w[3] = 0\n  loss = sigmoid(w[0] * x[0] + w[1] * x[1] + w[2])\n}\n",
    );
    let numbers = |name: &str, at: usize| if name == "x" { [-1.0, -2.0][at] } else { [2.0, -3.0, -3.0][at] };
    let unrolled = unrolled(&model, &bound(&model, 1, numbers));
    assert_eq!(unrolled.gates(), 5, "two products, two sums, one sigmoid");
    assert!((unrolled.wires[unrolled.objective].value - 0.7311).abs() < 1e-4);
    let expected = [("w[0]", -0.2), ("x[0]", 0.39), ("w[1]", -0.39), ("x[1]", -0.59), ("w[2]", 0.2)];
    for (name, gradient) in expected {
        let found = named(&unrolled, name).gradient.expect("a gradient");
        assert!((found - gradient).abs() < 0.01, "{name}: {found}");
    }
    let share = named(&unrolled, "w[0]").shares[0];
    assert_eq!(share.local, Some(-1.0), "the slope of a product is the other factor");
    assert_eq!(share.value, -share.upstream);
}

/// Nets of every kind of node, each small.
const NETS: &[&str] = &[
    "net n {\n  input x[3]\n  h = x |> dense(4) |> tanh |> dense(2)\n  loss = sum[i] (h[i] - 1)^2\n}\n",
    "net n {\n  input x[1, 5, 5]\n  h = x |> conv2d(2, 3, stride = 2, pad = 1) |> relu |> flatten\n  loss = sum[i] h[i]^2\n}\n",
    "net n {\n  input x[4]\n  param a = 0.5\n  h[t] = a * (h[t - 1] else 1) + x[t]\n  loss = h[3]^2 + max[t] h[t]\n}\n",
    "net n {\n  input x[3]\n  target y: class(3)\n  z = x |> dense(3)\n  loss = cross_entropy(z, y)\n}\n",
    "net n {\n  input x[2], k: class(3)\n  param E[3, 2] = 0.3\n  e = E[k]\n  loss = exp(e[0] * x[0]) / (1 + e[1]^2) + prod[i] (x[i] + e[i])\n}\n",
    "net n {\n  input x[4]\n  h = x |> dense(3) |> batchnorm |> relu\n  loss = sum[i] h[i]^3\n}\n",
    "net n {\n  input x[2]\n  param w = 0.7\n  u = sin(w * x[0]) * x[1]\n  g = grad(u, x)\n  loss = sum[i] g[i]^2 + (if u > 0 then sqrt(u) else 0)\n}\n",
    "net n {\n  input x[4, 4]\n  y = x |> maxpool2(2) |> flatten\n  loss = sum[i] y[i] * log(1.5 + abs(y[i]))\n}\nfn maxpool2(k)(x[H, W]) -> y[H / k, W / k] {\n  y[i, j] = max[a: k, b: k] x[k * i + a, k * j + b]\n}\n",
];

#[test]
fn gates_one_by_one_give_the_gradients_of_the_whole() {
    for (text, n) in NETS.iter().flat_map(|text| [(text, 1), (text, 3)]) {
        let model = net(text);
        let numbers = |name: &str, at: usize| {
            let uniform = ((name.len() * 37 + at * 61 + name.as_bytes()[0] as usize) % 101) as f64 / 101.0;
            if ["y", "k"].contains(&name) { (at % 3) as f64 } else { 1.5 * uniform - 0.6 }
        };
        let bindings = bound(&model, n, numbers);
        let unrolled = unrolled(&model, &bindings);
        let mut circuit = model.circuit.clone();
        let loss = model.loss.expect("a loss");
        let slots: Vec<SlotId> = (0..circuit.slots().len()).map(|k| SlotId(k as u32)).collect();
        let real = |slot: &SlotId| circuit.slot(*slot).kind == Kind::Real;
        let slots: Vec<SlotId> = slots.into_iter().filter(real).collect();
        let leaves: Vec<ValueId> = slots.iter().map(|&slot| circuit.leaf(Leaf::Slot(slot))).collect();
        let gradients = differentiate(&mut circuit, loss, &leaves);
        for (slot, gradient) in slots.iter().zip(gradients) {
            let Some(gradient) = gradient else { continue };
            let array = evaluate(&circuit, &[gradient], &bindings).remove(0);
            let slot = circuit.slot(*slot);
            for (at, &expected) in array.data.iter().enumerate() {
                let (example, mut rest) = (at / slot.shape.size(), at % slot.shape.size());
                let mut index = vec![];
                for stride in slot.shape.strides() {
                    index.push((rest / stride).to_string());
                    rest %= stride;
                }
                let index = if index.is_empty() { String::new() } else { format!("[{}]", index.join(", ")) };
                let batched = slot.shape.batch && n > 1;
                let name = format!(
                    "{}{index}{}",
                    slot.name,
                    if batched { format!("@{example}") } else { String::new() }
                );
                let found = unrolled.wires.iter().find(|wire| wire.name.as_ref() == Some(&name));
                // The gradient by an input is that of its own example's loss; a wire's is that of the mean.
                let share = if batched { 1.0 / n as f64 } else { 1.0 };
                let found = found.and_then(|wire| wire.gradient).unwrap_or(0.0);
                let off = (found - expected * share).abs();
                assert!(
                    off <= 1e-12 * (1.0 + expected.abs()),
                    "{text}{name}: {found}, as a whole {expected}"
                );
            }
        }
        let whole = evaluate(&model.circuit, &[loss], &bindings).remove(0);
        let mean = whole.data.iter().sum::<f64>() / whole.data.len() as f64;
        assert!((unrolled.wires[unrolled.objective].value - mean).abs() < 1e-12, "{text}");
    }
}

#[test]
fn what_a_wire_is_computed_from_precedes_it_and_its_gradient_is_the_sum_of_its_shares() {
    for text in NETS {
        let model = net(text);
        let unrolled = unrolled(
            &model,
            &bound(
                &model,
                1,
                |name, at| if ["y", "k"].contains(&name) { 1.0 } else { 0.3 + 0.1 * at as f64 },
            ),
        );
        for (k, wire) in unrolled.wires.iter().enumerate() {
            assert!(wire.operands().iter().all(|&operand| operand < k), "{text}{k}: {wire:?}");
            let sum: f64 = wire.shares.iter().map(|share| share.value).sum();
            if k != unrolled.objective {
                assert!((wire.gradient.unwrap_or(0.0) - sum).abs() < 1e-12, "{text}{k}: {wire:?}");
            }
            for share in &wire.shares {
                assert!(share.user > k && unrolled.wires[share.user].operands()[share.operand] == k);
                let product = share.upstream * share.local.unwrap_or(0.0);
                assert!((share.value - product).abs() < 1e-9 * (1.0 + product.abs()), "{text}{k}: {share:?}");
            }
        }
    }
}

#[test]
fn a_branch_that_is_not_taken_takes_no_part() {
    let model = net("net n {\n  input x\n  param w = 1\n  loss = if x > 0 then sqrt(x * w) else w^2\n}\n");
    let unrolled = unrolled(&model, &bound(&model, 1, |name, _| if name == "x" { 0.0 } else { 3.0 }));
    assert_eq!(
        named(&unrolled, "w").gradient,
        Some(6.0),
        "the slope of the root at 0 is infinite, and not taken"
    );
}

#[test]
fn a_net_beyond_the_limit_is_not_unrolled() {
    let model = net(NETS[0]);
    let bindings = bound(&model, 1, |_, _| 0.5);
    let loss = model.loss.expect("a loss");
    let gates = unrolled(&model, &bindings).gates();
    assert!(unroll(&model.circuit, loss, &bindings, gates).is_ok());
    let refused = unroll(&model.circuit, loss, &bindings, gates - 1).expect_err("one too many");
    assert!(refused.gates >= gates, "{refused:?}");
}
