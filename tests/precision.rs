//! `precision = f64`: a program trains, evaluates, saves, resumes and generates in double precision.

mod command;

use command::{nnc, printed};
use nnc::runtime::checkpoint::{Loaded, load};
use serde_json::Value;
use std::fs;
use std::path::Path;

const IN_F64: [&str; 2] = ["--set", "precision=f64"];

/// The values that `nnc eval` gives, one array after another.
fn evaluated(args: &[&str]) -> Vec<(String, Vec<f64>)> {
    let all = [&["eval"], args, &["--grad", "--json"]].concat();
    let array = |line: &str| {
        let array: Value = serde_json::from_str(line).expect("JSON");
        // A number that is not finite prints as null.
        let data = array["data"].as_array().expect("an array");
        let data = data.iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect();
        (array["name"].as_str().expect("a name").to_string(), data)
    };
    printed(&all).lines().map(array).collect()
}

/// The largest difference in proportion to the largest element of its array.
fn difference(found: &[(String, Vec<f64>)], expected: &[(String, Vec<f64>)]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let mut worst = 0.0f64;
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        let scale = expected.iter().fold(1e-3f64, |scale, x| scale.max(x.abs()));
        for (a, b) in found.iter().zip(expected) {
            assert_eq!(a.is_nan(), b.is_nan(), "{name}");
            worst = worst.max(if a.is_nan() { 0.0 } else { (a - b).abs() / scale });
        }
    }
    worst
}

/// Windows, softmax, integer reads, recurrences, derivatives in the loss: in f64 native code differs from the
/// interpreter by the order of sums alone.
#[test]
fn native_code_in_f64_is_the_interpreter() {
    let small = [
        &["examples/xor.nn"][..],
        &["examples/heat.nn"],
        &["examples/lenet.nn"],
        &["examples/char_gru.nn", "--set", "D=4", "--set", "M=8"],
        &["examples/transformer.nn", "--set", "D=8", "--set", "H=2", "--set", "L=1"],
    ];
    for model in small {
        let batch = ["--batch", "2"];
        let native = evaluated(&[model, &IN_F64, &batch].concat());
        let exact = evaluated(&[model, &IN_F64, &batch, &["--interpret"]].concat());
        let worst = difference(&native, &exact);
        assert!(worst < 1e-12, "{model:?}: {worst:e}");
        let single = difference(&evaluated(&[model, &batch[..]].concat()), &exact);
        assert!(single > 1e-9, "{model:?}: in f32 it differs by {single:e} only");
    }
}

/// The example as a file of its own, with one more line in its `train` block.
fn with_precision(folder: &Path) -> String {
    let text = fs::read_to_string("examples/xor.nn").expect("the example");
    let at = text.find("  optimizer").expect("a setting of its training");
    let model = folder.join("double.nn");
    fs::write(&model, format!("{}  precision = f64\n{}", &text[..at], &text[at..]))
        .expect("it can be written");
    model.display().to_string()
}

fn bits(loaded: &Loaded) -> Vec<u64> {
    // What the run itself needs to go on begins with `train/`.
    let parameters = loaded.tensors.iter().filter(|tensor| !tensor.name.starts_with("train/"));
    parameters.flat_map(|tensor| tensor.data.iter().map(|x| x.to_bits())).collect()
}

#[test]
fn a_program_that_says_f64_trains_saves_and_resumes_in_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = with_precision(folder.path());
    let file = |name: &str| folder.path().join(name).display().to_string();
    let (first, again, single) = (file("first"), file("again"), file("single"));
    let trained = printed(&["run", &model, "--save", &first]);
    assert!(trained.contains("train       loss 5.19"), "{trained}");
    let bytes = fs::read(&first).expect("a file");
    assert!(String::from_utf8_lossy(&bytes).contains("\"F64\""));
    let loaded = load(Path::new(&first)).expect("a checkpoint");
    assert!(bits(&loaded).iter().any(|&x| f64::from(f64::from_bits(x) as f32).to_bits() != x));

    // A rate of zero gives every bit back; the same run in f32 is another one.
    let still = ["--epochs", "1", "--set", "optimizer=sgd(lr = 0)"];
    printed(&[&["run", &model, "--load", &first, "--save", &again], &still[..]].concat());
    assert_eq!(bits(&load(Path::new(&again)).expect("a checkpoint")), bits(&loaded));
    printed(&["run", &model, "--set", "precision=f32", "--save", &single]);
    assert!(String::from_utf8_lossy(&fs::read(&single).expect("a file")).contains("\"F32\""));
    // Parameters of the other precision can be gone on with.
    printed(&["run", &model, "--load", &single, "--epochs", "1"]);
    printed(&["run", "examples/xor.nn", "--load", &first, "--epochs", "1"]);
}

#[test]
fn the_schedule_says_its_precision() {
    let plan = |more: &[&str]| printed(&[&["emit", "examples/xor.nn", "--stage", "plan"], more].concat());
    assert!(plan(&IN_F64).starts_with("for batches of up to 4 in f64; "));
    assert!(plan(&[]).starts_with("for batches of up to 4; "));
}

#[test]
fn a_text_is_generated_in_f64() {
    let model = &["examples/char_gru.nn", "--set", "D=4", "--set", "M=8", "--set", "precision=f64"][..];
    let folder = tempfile::tempdir().expect("a folder");
    let weights = folder.path().join("weights").display().to_string();
    printed(&[&["run"], model, &["--epochs", "1", "--save", &weights]].concat());
    let text =
        printed(&[&["generate"], model, &["--load", &weights, "--prompt", "She", "--length", "20"]].concat());
    assert!(text.starts_with("She") && text.chars().count() >= 23, "{text}");
}

#[test]
fn another_precision_is_refused() {
    let output = nnc(&["run", "examples/xor.nn", "--set", "precision=f16"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && message.contains("write `f32` or `f64`"), "{message}");
}

#[test]
fn a_program_without_training_has_a_precision_and_a_seed_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("alone.nn").display().to_string();
    fs::write(&model, "net alone {\n  input x[3]\n  loss = sum[i] exp(x[i]) / 3\n}\n").expect("written");
    let eval = |more: &[&str]| evaluated(&[&[model.as_str()], more].concat());
    let exact = eval(&["--f64"]);
    let worst = difference(&eval(&IN_F64), &exact);
    // Inputs that are drawn have more digits in f64.
    assert!(worst < 1e-6, "{worst:e}");
    let interpreted = eval(&[&IN_F64[..], &["--interpret"]].concat());
    assert!(difference(&eval(&IN_F64), &interpreted) < 1e-14);
    assert!(difference(&eval(&[]), &interpreted) > 1e-9);
    assert!(difference(&eval(&["--seed", "5"]), &exact) > 1e-3);
    let plan = printed(&["emit", &model, "--stage", "plan", "--set", "precision=f64"]);
    assert!(plan.contains(" in f64; "), "{plan}");
    let refused = nnc(&["eval", &model, "--set", "precision=half"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("E0701"));
}
