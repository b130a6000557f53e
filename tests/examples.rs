//! The examples train to the figures that they state, by the command that a user gives.
//!
//! Those that take minutes are ignored here; this runs them all, optimised:
//! `cargo test --release --test examples -- --include-ignored`

use nnc::circuit::draw::SplitMix64;
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
    mean_over(&["1", "2", "3", "4", "5"], path, name)
}

/// The mean of a figure on the test part over some seeds.
fn mean_over(seeds: &[&str], path: &str, name: &str) -> f64 {
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

#[test]
#[ignore = "minutes; see the head of this file"]
fn lenet_reaches_its_accuracy() {
    let accuracy = mean_over(&["1", "2", "3"], "examples/lenet.nn", "accuracy");
    assert!(accuracy >= 0.961, "{accuracy}");
}

#[test]
fn lenet_begins_to_learn() {
    let accuracy = figure(&["examples/lenet.nn", "--epochs", "1"], "test", "accuracy");
    assert!(accuracy >= 0.90, "{accuracy}");
}

#[test]
fn the_autoencoder_reaches_its_loss() {
    let loss = figure(&["examples/vae.nn"], "train", "loss");
    assert!(loss < 25.0, "{loss}");
}

/// The quadratic mean of the exact solution over the unit square: the root of (1 - exp(-0.2 pi^2)) / (0.4 pi^2).
const HEAT: f64 = 0.467;

#[test]
fn the_heat_equation_begins_to_be_solved() {
    let error = figure(&["examples/heat.nn", "--epochs", "50"], "train", "error");
    assert!(error < 5e-2 * HEAT, "{error}");
}

#[test]
#[ignore = "minutes; see the head of this file"]
fn the_heat_equation_is_solved() {
    for seed in ["1", "2", "3"] {
        let error = figure(&["examples/heat.nn", "--seed", seed], "train", "error");
        assert!(error < 2e-2 * HEAT, "seed {seed}: {error}");
    }
}

/// The data have mean 3 and deviation 0.5. Where the critic cannot tell, its loss is twice the logarithm of 2.
#[test]
fn what_the_maker_makes_is_like_the_data() {
    for seed in ["1", "2", "3"] {
        let end = run(&["examples/gan.nn", "--seed", seed]);
        let [loss, centre, spread] = ["loss", "centre", "spread"]
            .map(|name| end["figures"]["train"][name].as_f64().expect("a figure"));
        assert!(
            (centre - 3.0).abs() < 0.25 && (0.3..0.7).contains(&spread),
            "seed {seed}: {centre}, {spread}"
        );
        assert!((loss - 2.0 * 2f64.ln()).abs() < 0.05, "seed {seed}: {loss}");
    }
}

#[test]
fn what_stands_beyond_a_sequence_does_not_count() {
    let loss = figure(&["tests/cases/figures/lengths.nn"], "train", "loss");
    assert!(loss < 1e-6, "{loss}");
}

/// A model of three characters at a time (a trigram) takes 2.74 bits a character of this book.
const TRIGRAM: f64 = 2.74;

#[test]
fn the_book_begins_to_be_read() {
    let bits = figure(&["examples/char_gru.nn", "--epochs", "1"], "test", "bits");
    assert!(bits < 1.02 * TRIGRAM, "{bits}");
}

#[test]
#[ignore = "minutes; see the head of this file"]
fn characters_are_predicted_better_than_by_trigrams() {
    let bits = figure(&["examples/char_gru.nn"], "test", "bits");
    assert!(bits < 0.9 * TRIGRAM, "{bits}");
}

#[test]
#[ignore = "minutes; see the head of this file"]
fn the_transformer_reaches_its_bits() {
    let bits = figure(&["examples/transformer.nn"], "test", "bits");
    assert!(bits < 2.6, "{bits}");
}

/// The deviation of the noise in the planted ratings: no model predicts them better.
const NOISE: f64 = 0.25;

#[test]
fn the_planted_ratings_are_recovered() {
    for seed in ["1", "2", "3"] {
        let error = figure(&["examples/recommender.nn", "--seed", seed], "test", "rmse");
        assert!(error < 1.12 * NOISE, "seed {seed}: {error}");
    }
}

/// Ratings of the recommender: what is typical, what the user and the film add to it, the product of two factors
/// of each, and noise. Numbers are normal, as sums of twelve uniform ones: exact on every machine.
fn planted_ratings() -> String {
    const FACTORS: usize = 2;
    let mut random = SplitMix64::new(7);
    let normal = |random: &mut SplitMix64| (0..12).map(|_| random.uniform()).sum::<f64>() - 6.0;
    let drawn = |count: usize, random: &mut SplitMix64| -> Vec<Vec<f64>> {
        let mut one = || {
            let own = normal(random) * 0.3;
            std::iter::once(own).chain((0..FACTORS).map(|_| normal(random) * 0.8)).collect()
        };
        (0..count).map(|_| one()).collect()
    };
    let (users, films) = (drawn(300, &mut random), drawn(200, &mut random));
    let mut rated = std::collections::HashSet::new();
    let mut text = String::from("user,item,rating\n");
    while rated.len() < 20_000 {
        let (u, i) = (random.below(300) as usize, random.below(200) as usize);
        let noise = normal(&mut random) * NOISE;
        if !rated.insert((u, i)) {
            continue;
        }
        let (user, film) = (&users[u], &films[i]);
        let product: f64 = user[1..].iter().zip(&film[1..]).map(|(p, q)| p * q).sum();
        let rating = 3.5 + user[0] + film[0] + product + noise;
        text.push_str(&format!("u{},i{},{rating:.2}\n", u + 1, i + 1));
    }
    text
}

#[test]
fn the_ratings_are_those_of_the_planted_model() {
    let committed = std::fs::read_to_string("examples/data/ratings.csv").expect("the ratings");
    assert!(committed == planted_ratings(), "examples/data/ratings.csv is not what `planted_ratings` gives");
}

/// The root mean square error with which the first eight principal components give these digits back.
const PRINCIPAL: f64 = 0.154;

#[test]
fn eight_numbers_hold_a_digit_better_than_principal_components() {
    let error = figure(&["examples/autoencoder.nn"], "test", "error");
    assert!(error < 0.85 * PRINCIPAL, "{error}");
}

#[test]
fn the_convolutional_net_reaches_its_accuracy() {
    let end = run(&["examples/convnet.nn"]);
    let [accuracy, top_2] =
        ["accuracy", "top_2"].map(|name| end["figures"]["test"][name].as_f64().expect("a figure"));
    assert!(accuracy >= 0.965 && top_2 >= 0.985, "{accuracy}, {top_2}");
}

/// The error of a linear model of the two years before (Yule, 1927) on the same years.
const AUTOREGRESSION: f64 = 0.2255;

#[test]
fn sunspots_are_predicted_better_than_by_autoregression() {
    let error = mean_over(&["1", "2", "3"], "examples/sunspots.nn", "rmse");
    assert!(error < AUTOREGRESSION, "{error}");
    // That nothing changes is a poor guess.
    let as_last = figure(&["examples/sunspots.nn", "--epochs", "1"], "test", "as_last");
    assert!((as_last - 0.334).abs() < 5e-4, "{as_last}");
}

#[test]
fn digits_are_read_from_both_ends() {
    let accuracy = figure(&["examples/bidirectional.nn"], "test", "accuracy");
    assert!(accuracy >= 0.935, "{accuracy}");
}

#[test]
fn letters_come_back_in_reverse() {
    let accuracy = figure(&["examples/encoder_decoder.nn"], "test", "accuracy");
    assert!(accuracy >= 0.98, "{accuracy}");
}

#[test]
fn flowers_of_one_kind_come_out_near_each_other() {
    let end = run(&["examples/siamese.nn"]);
    let [accuracy, auc] =
        ["accuracy", "auc"].map(|name| end["figures"]["test"][name].as_f64().expect("a figure"));
    assert!(accuracy >= 0.94 && auc >= 0.97, "{accuracy}, {auc}");
}

#[test]
fn tumours_are_told_apart_by_logistic_regression() {
    let end = run(&["examples/logistic.nn"]);
    for (name, least) in [("accuracy", 0.96), ("precision", 0.96), ("recall", 0.96), ("auc", 0.98)] {
        let found = end["figures"]["test"][name].as_f64().expect("a figure");
        assert!(found >= least, "{name}: {found}");
    }
}

/// The least loss that any rates of this form have, by Newton's method.
const LIKELIEST: f64 = -0.145_131;

#[test]
fn the_rates_of_visits_are_the_likeliest() {
    let loss = figure(&["examples/poisson.nn"], "train", "loss");
    assert!((LIKELIEST - 1e-6..LIKELIEST + 1e-3).contains(&loss), "{loss}");
}

#[test]
fn the_constants_of_the_enzyme_are_those_of_the_books() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let out = folder.path().join("enzyme.safetensors");
    let end = run(&["examples/michaelis_menten.nn", "--save", &out.display().to_string()]);
    // Twelve times the loss is the sum of squares that is published, 1195.449.
    let loss = end["figures"]["train"]["loss"].as_f64().expect("a figure");
    assert!((12.0 * loss - 1195.449).abs() < 0.01, "{loss}");
    let constants = nnc::runtime::checkpoint::load(&out).expect("a checkpoint").tensors;
    let constant =
        |name: &str| constants.iter().find(|tensor| tensor.name == name).expect("a parameter").data[0];
    assert!((constant("V") - 212.68).abs() < 0.05, "{}", constant("V"));
    assert!((constant("K") - 0.064_12).abs() < 5e-5, "{}", constant("K"));
}

/// Pairs of flowers, every second of one kind: of the first 110 of a shuffled list, or of the rest.
fn pairs_of_flowers(held_out: bool) -> String {
    let text = std::fs::read_to_string("examples/data/iris.csv").expect("the flowers");
    let mut flowers: Vec<(&str, &str)> =
        text.lines().skip(1).map(|line| line.rsplit_once(',').expect("a kind")).collect();
    let mut random = SplitMix64::new(5);
    for k in (1..flowers.len()).rev() {
        flowers.swap(k, random.below(k as u64 + 1) as usize);
    }
    let (pool, count) = if held_out { (&flowers[110..], 100) } else { (&flowers[..110], 400) };
    let names = ["sepal_length", "sepal_width", "petal_length", "petal_width"];
    let columns = |side: &str| names.map(|name| format!("{side}_{name}")).join(",");
    let mut lines = format!("{},{},same\n", columns("a"), columns("b"));
    for k in 0..count {
        let same = k % 2 == 1;
        let pair = loop {
            let [a, b] = [0; 2].map(|_| random.below(pool.len() as u64) as usize);
            if a != b && (pool[a].1 == pool[b].1) == same {
                break (pool[a].0, pool[b].0);
            }
        };
        lines.push_str(&format!("{},{},{}\n", pair.0, pair.1, u8::from(same)));
    }
    lines
}

#[test]
fn the_pairs_are_those_of_the_flowers() {
    for (path, held_out) in
        [("examples/data/iris_pairs.csv", false), ("examples/data/iris_new_pairs.csv", true)]
    {
        let expected = pairs_of_flowers(held_out);
        let committed = std::fs::read_to_string(path).expect("the pairs");
        assert!(committed == expected, "{path} is not what `pairs_of_flowers` gives");
    }
}
