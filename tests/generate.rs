//! `nnc generate`: a trained net goes on with a text, one position at a time.

use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// Small settings, so that a moment of training is enough.
const GRU: &[&str] = &["examples/char_gru.nn", "--set", "D=4", "--set", "M=8"];
const TRANSFORMER: &[&str] =
    &["examples/transformer.nn", "--set", "D=8", "--set", "H=2", "--set", "L=1", "--set", "batch=64"];

fn nnc(command: &str, model: &[&str], more: &[&str]) -> Output {
    let mut run = Command::new(env!("CARGO_BIN_EXE_nnc"));
    run.arg(command).args(model).args(more).output().expect("nnc starts")
}

/// Trains for an epoch, and gives what `go` does with the parameters.
fn trained<T>(model: &[&str], go: impl FnOnce(&str) -> T) -> T {
    let folder = tempfile::tempdir().expect("a folder");
    let weights = folder.path().join("weights.safetensors");
    let path = weights.to_str().expect("a path is text");
    let output = nnc("run", model, &["--epochs", "1", "--save", path]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    go(path)
}

/// What is generated, as JSON.
fn generate(model: &[&str], weights: &str, more: &[&str]) -> Value {
    let all = [&["--load", weights, "--json"], more].concat();
    let output = nnc("generate", model, &all);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text_of(generated: &Value) -> &str {
    generated["text"].as_str().expect("a text")
}

#[test]
fn a_recurrent_net_goes_on_as_long_as_one_likes() {
    trained(GRU, |weights| {
        let ask = |seed: &'static str| {
            generate(GRU, weights, &["--prompt", "She was", "--length", "300", "--seed", seed])
        };
        let (first, again, other) = (ask("1"), ask("1"), ask("2"));
        assert!(text_of(&first).starts_with("She was"));
        assert_eq!(text_of(&first).chars().count(), 307);
        assert_eq!(text_of(&first), text_of(&again));
        assert_ne!(text_of(&first), text_of(&other));
        let cold = |seed| generate(GRU, weights, &["--temperature", "0", "--seed", seed, "--length", "40"]);
        assert_eq!(text_of(&cold("1")), text_of(&cold("2")));
    });
}

#[test]
fn parameters_alone_are_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = folder.path().join("model.nn");
    let text = std::fs::read_to_string("examples/char_gru.nn").expect("the example");
    std::fs::write(&model, text).expect("written");
    let elsewhere = [&[model.to_str().expect("a path is text")], &GRU[1..]].concat();
    trained(GRU, |weights| {
        let ask = |model: &[&str]| generate(model, weights, &["--prompt", "Anne", "--length", "60"]);
        assert_eq!(text_of(&ask(&elsewhere)), text_of(&ask(GRU)));
    });
}

#[test]
fn a_transformer_goes_on_beyond_its_window() {
    trained(TRANSFORMER, |weights| {
        let generated = generate(TRANSFORMER, weights, &["--prompt", "Anne", "--length", "150"]);
        assert_eq!(text_of(&generated).chars().count(), 154);
    });
}

#[test]
fn what_the_net_does_not_know_is_told() {
    trained(GRU, |weights| {
        let output = nnc("generate", GRU, &["--load", weights, "--prompt", "Anne \u{3a9}"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1));
        assert!(told.contains("E0803") && told.contains("character 6 of the prompt"), "{told}");
    });
}

#[test]
fn a_net_without_a_sequence_or_one_that_looks_ahead_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let ahead = |equation: &str| {
        format!(
            "data book {{\n  window[9] = windows(chars(\"text.txt\"), 9)\n}}\nnet ahead {{\n  input window[T + 1]: \
             class(V)\n  e[t: T] = embedding(V, 4)(window[t])\n  {equation}\n  z[t] = h[t] |> dense(V)\n  loss = \
             mean[t] cross_entropy(z[t], window[t + 1])\n}}\ntrain ahead on book {{\n  optimizer = sgd()\n  batch = \
             2\n  epochs = 1\n}}\n"
        )
    };
    std::fs::write(folder.path().join("text.txt"), "the cat sat on the mat and sat ".repeat(8))
        .expect("written");
    let refused = |text: &str, code: &str| {
        let model = folder.path().join("model.nn");
        std::fs::write(&model, text).expect("written");
        refuses(&model, code);
    };
    refused(&ahead("h[t: T, d] = (e[t + 1, d] else 0) + e[t, d]"), "E0802");
    refused(&ahead("h[t: T, d] = e[t, d] + mean[s] e[s, d]"), "E0802");
    refuses(Path::new("examples/xor.nn"), "E0801");
}

/// Trains a net for an epoch and asks it to generate, in vain.
fn refuses(model: &Path, code: &str) {
    let model = [model.to_str().expect("a path is text")];
    trained(&model, |weights| {
        let output = nnc("generate", &model, &["--load", weights]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(code), "{told}");
    });
}
