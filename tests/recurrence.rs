//! Recurrences: what they compute is what their steps compute when they are written out.

use nnc::circuit::verify::verify;
use nnc::circuit::{Kind, SlotId};
use nnc::diagnostic::render_all;
use nnc::elaborate::{self, Choices, Model, from_text};
use nnc::interpret::{Bindings, evaluate};
use nnc::simplify::simplify;
use std::panic::catch_unwind;

const BATCH: usize = 2;

fn model(text: &str) -> Model {
    let program = from_text("case.nn", text)
        .unwrap_or_else(|(sources, wrong)| panic!("{}\n{text}", render_all(&wrong, &sources, false)));
    match elaborate::model(&program, None, &Choices { training: true, ..Choices::default() }) {
        Ok((model, _)) => model,
        Err(wrong) => panic!("{}\n{text}", render_all(&wrong, &program.sources, false)),
    }
}

/// The outputs of a net, at values of its slots that depend on their names alone.
fn outputs(text: &str) -> Vec<(String, Vec<f64>)> {
    let model = model(text);
    verify(&model.circuit).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    let mut bindings = Bindings::<f64>::new(BATCH);
    for (k, slot) in model.circuit.slots().iter().enumerate() {
        let mut state = slot.name.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte));
        let element = |_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let uniform = (state >> 11) as f64 / (1u64 << 53) as f64;
            if slot.kind == Kind::Integer { (uniform * 3.0).floor() } else { uniform * 2.0 - 1.0 }
        };
        bindings.bind(
            &model.circuit,
            SlotId(k as u32),
            (0..slot.shape.size_for(BATCH)).map(element).collect(),
        );
    }
    let roots: Vec<_> = model.outputs.iter().map(|output| output.value).collect();
    let found = evaluate(&model.circuit, &roots, &bindings);
    let (simple, roots) = simplify(&model.circuit, &roots);
    verify(&simple).unwrap_or_else(|wrong| panic!("simplified: {wrong}\n{text}"));
    let again = evaluate(&simple, &roots, &bindings);
    for (a, b) in found.iter().zip(&again) {
        let near = a.data.iter().zip(&b.data).all(|(a, b)| (a - b).abs() <= 1e-12 * a.abs().max(1.0));
        assert!(near, "simplified: {:?} instead of {:?}\n{text}", b.data, a.data);
    }
    model.outputs.iter().map(|output| output.name.clone()).zip(found.into_iter().map(|a| a.data)).collect()
}

/// Each file of `cases/recurrences` holds pairs of nets with the same outputs: a recurrence, after a line that begins
/// with `#---`, and its steps written out, after a line that begins with `#===`.
#[test]
fn recurrences_are_their_steps() {
    let mut failed = vec![];
    insta::glob!("cases/recurrences/*.nn", |path| {
        let text = std::fs::read_to_string(path).expect("a case");
        for case in text.split("#---").skip(1) {
            let (title, case) = case.split_once('\n').expect("a title, then two programs");
            let (recurrence, steps) = case.split_once("#===\n").expect("two programs");
            let held = catch_unwind(|| same_outputs(recurrence, steps));
            failed.extend(held.is_err().then(|| title.trim().to_string()));
        }
    });
    assert!(failed.is_empty(), "{failed:?}");
}

fn same_outputs(recurrence: &str, steps: &str) {
    let (found, expected) = (outputs(recurrence), outputs(steps));
    assert!(!expected.is_empty(), "nothing is shown");
    for ((name, found), (other, expected)) in found.iter().zip(&expected) {
        assert_eq!((name, found.len()), (other, expected.len()));
        let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-12);
        assert!(near, "{name} is {found:?}, its steps give {expected:?}");
    }
}
