//! The examples train to the figures that they state, by the command that a user gives.

use serde_json::Value;
use std::process::Command;

/// The last line of `nnc run --json`: what the run gave.
fn run(args: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_nnc")).arg("run").arg("--json").args(args).output();
    let output = output.expect("nnc starts");
    let stdout = String::from_utf8(output.stdout).expect("JSON is text");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    let last = stdout.lines().last().expect("a run says how it ended");
    serde_json::from_str(last).expect("one JSON object a line")
}

/// One figure of a run on a part of the data.
fn figure(args: &[&str], part: &str, name: &str) -> f64 {
    let end = run(args);
    end["figures"][part][name].as_f64().unwrap_or_else(|| panic!("{part} {name} in {end}"))
}

/// The mean of a figure on the test part over five seeds.
fn mean_over_seeds(path: &str, name: &str) -> f64 {
    let seeds = ["1", "2", "3", "4", "5"];
    let sum: f64 = seeds.iter().map(|seed| figure(&[path, "--seed", seed], "test", name)).sum();
    sum / seeds.len() as f64
}

#[test]
fn xor_is_learned_from_every_one_of_thirty_seeds() {
    for seed in 1..=30 {
        let loss = figure(&["examples/xor.nn", "--seed", &seed.to_string()], "train", "loss");
        assert!(loss < 0.01, "seed {seed}: loss {loss}");
    }
}

#[test]
fn iris_reaches_its_accuracy() {
    let accuracy = mean_over_seeds("examples/iris.nn", "accuracy");
    assert!(accuracy >= 0.89, "{accuracy}");
}

#[test]
fn digits_reach_their_accuracy() {
    let accuracy = mean_over_seeds("examples/digits.nn", "accuracy");
    assert!(accuracy >= 0.956, "{accuracy}");
}

#[test]
fn the_plain_digits_net_reaches_its_accuracy() {
    let accuracy = mean_over_seeds("tests/cases/figures/digits_plain.nn", "accuracy");
    assert!(accuracy >= 0.956, "{accuracy}");
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let [first, second] = [0; 2].map(|_| run(&["examples/iris.nn", "--epochs", "5"])["figures"].clone());
    assert_eq!(first, second);
}
