//! A hundred programs with a number planted that a known gate turns into one that is not finite: each is found, in the
//! example, the line and the expression where it was planted.

use nnc::elaborate::{Choices, Model, Program, from_text, model};
use nnc::runtime::first_bad::in_step;
use nnc::runtime::once::Evaluation;

/// An expression in `v`, the value of `v` at which it fails, and what is said of it.
const FAULTS: [(&str, f64, &str); 10] = [
    ("log(v)", -1.0, "log(-1) is NaN"),
    ("log(v)", 0.0, "log(0) is -inf"),
    ("sqrt(v)", -4.0, "sqrt(-4) is NaN"),
    ("2 / v", 0.0, "2 / 0 is inf"),
    ("v / v", 0.0, "0 / 0 is NaN"),
    ("exp(v)", 100.0, "exp(100) is inf"),
    ("v ^ 0.5", -1.0, "-1 ^ 0.5 is NaN"),
    ("v * v", 1e30, "1.000e30 * 1.000e30 is inf"),
    ("log1p(v)", -2.0, "log1p(-2) is NaN"),
    ("expm1(v)", 120.0, "expm1(120) is inf"),
];

/// Equations in which `F` is the fault; the path of its statement; whether each example has it for itself.
const PLACES: [(&str, &str, bool); 10] = [
    ("  loss = (w * (F))^2", "loss", true),
    ("  h = F\n  loss = w * h", "h", true),
    ("  h[i: 3] = w * (if i == 1 then F else 1)\n  loss = sum[i] h[i]", "h", true),
    ("  h = odd(v)\n  loss = w * h", "h.odd.y", true),
    ("  h = plain(v)\n  loss = w * h", "h.plain", true),
    ("  h[t: 4] = w + (h[t - 1] else 0) + (if t == 2 then F else 1)\n  loss = h[3]", "h", true),
    ("  h = if v > 1e33 then 0 else F\n  loss = w * h", "h", true),
    ("  h = F\n  z = (h * w) + 1\n  y = z + 2 * h\n  loss = y", "h", true),
    ("  m = mean[batch] (F)\n  loss = w * m", "m", true),
    ("  m[i: 2, j: 3] = w * (F) * (i + 1)\n  s = sum[i, j] m[i, j]\n  loss = s", "m", true),
];

fn made(text: &str) -> (Program, Model) {
    let program = from_text("planted.nn", text).unwrap_or_else(|(_, wrong)| panic!("{text}\n{wrong:?}"));
    let choices = Choices { training: true, ..Choices::default() };
    let (model, _) = model(&program, None, &choices).unwrap_or_else(|wrong| panic!("{text}\n{wrong:?}"));
    (program, model)
}

#[test]
fn every_planted_number_is_named() {
    for (fault, value, said) in FAULTS {
        for (place, path, own) in PLACES {
            let definitions = format!("layer odd(v) -> y {{\n  y = {fault}\n}}\nfn plain(v) = {fault}\n");
            let body = place.replace('F', fault);
            let text = format!("{definitions}net n {{\n  input v\n  param w = 0.5\n{body}\n}}\n");
            let (program, model) = made(&text);
            let mut evaluation = Evaluation::new(&model, false, 4, 1);
            let input = evaluation.inputs().next().expect("one input");
            evaluation.values[input.0 as usize] = vec![1.0, 1.0, value, 1.0];
            let found = in_step(&model, &evaluation.bindings::<f32>());
            let found = found.unwrap_or_else(|| panic!("{text}\nall is finite"));
            let told = found.told();
            assert!(told.contains(said), "{text}\n{told}");
            assert_eq!(found.path, path, "{text}\n{told}");
            assert_eq!(found.example, own.then_some(2), "{text}\n{told}");
            let span = found.span.expect("it is in the text");
            assert_eq!(
                program.sources.slice(span).trim_matches(['(', ')']),
                fault.trim_matches(['(', ')']),
                "{text}"
            );
        }
    }
}

#[test]
fn a_slope_that_is_infinite_is_found_in_the_gradient() {
    let (_, model) = made("net n {\n  input v\n  param w = 1\n  loss = sqrt(w * v)\n}\n");
    let mut evaluation = Evaluation::new(&model, false, 2, 1);
    let input = evaluation.inputs().next().expect("one input");
    evaluation.values[input.0 as usize] = vec![1.0, 0.0];
    let found = in_step(&model, &evaluation.bindings::<f32>()).expect("the slope of a root at 0");
    assert_eq!((found.within, found.example), ("the gradient", Some(1)));
    assert!(found.told().contains("/ 0"), "{}", found.told());
}

#[test]
fn what_masks_by_infinity_is_not_blamed() {
    let masked = "net n {\n  input v\n  param w = 1\n  score[s: 3] = if s < 2 then w * v else -inf\n  \
                  p = softmax(score)\n  loss = log(v - 1) + p[0]\n}\n";
    let (_, model) = made(masked);
    let mut evaluation = Evaluation::new(&model, false, 1, 1);
    let input = evaluation.inputs().next().expect("one input");
    evaluation.values[input.0 as usize] = vec![1.0];
    let found = in_step(&model, &evaluation.bindings::<f32>()).expect("log(0)");
    assert!(found.told().contains("log(0) is -inf"), "{}", found.told());
    // A row that is masked whole has no largest score.
    let (_, model) = made(&masked.replace("s < 2", "s < 0").replace("log(v - 1)", "v"));
    let found = in_step(&model, &evaluation.bindings::<f32>()).expect("softmax of nothing");
    assert!(found.told().contains("-inf - -inf is NaN"), "{}", found.told());
}
