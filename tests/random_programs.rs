//! Random well-typed programs through all oracles: see `support/generate` and `support/oracles.rs`.
//!
//! A sample runs with every `cargo test`. Fifty thousand, of the seeds from 0 on, on all processors, with lines that tell
//! how far it is:
//!
//! ```text
//! NNC_PROGRAMS=50000 cargo test --release --test random_programs -- --nocapture
//! ```
//!
//! `NNC_FROM` is the first seed, `NNC_THREADS` how many run side by side, and `NNC_ORACLE` words of the only oracles that are
//! asked: with `NNC_ORACLE=reads` it is the round trip of `nnc grad` alone. A program that fails is made small and written to `target/random-programs/`.

mod support;

use nnc::circuit::{Circuit, Gate, Leaf, Node};
use nnc::elaborate::{self, Choices};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use support::generate::{examples, generated, program};
use support::oracles::{Failure, Tally, hold};
use support::shrink::shrink;

/// Programs of an ordinary test.
const SAMPLE: u64 = 150;

/// A run that has found so many failures looks for no more.
const ENOUGH: usize = 40;

#[test]
fn every_random_program_holds() {
    let (first, count) = (setting("NNC_FROM", 0), setting("NNC_PROGRAMS", SAMPLE));
    let (failures, tally) = run(first, count);
    assert!(failures.is_empty(), "{}", report(&failures));
    if count > SAMPLE {
        eprintln!("{tally:?}");
    }
    if std::env::var("NNC_ORACLE").is_err() {
        // Few numbers are so uncertain, and few derivatives so near a kink, that nothing is compared.
        assert!(tally.doubtful * 10 < tally.compared, "{tally:?}");
        assert!(tally.skipped < tally.measured, "{tally:?}");
    }
    // What is read back is simplified once more, which seldom moves the last bit.
    assert!(tally.rounded * 50 < tally.printed, "{tally:?}");
}

/// A whole number from the environment.
fn setting(name: &str, otherwise: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a whole number, not `{text}`")),
        Err(_) => otherwise,
    }
}

/// Holds the programs of these seeds, on all processors.
fn run(first: u64, count: u64) -> (BTreeMap<u64, Failure>, Tally) {
    let (next, failures, total) =
        (AtomicU64::new(0), Mutex::new(BTreeMap::new()), Mutex::new(Tally::default()));
    let worker = || {
        loop {
            let done = next.fetch_add(1, Ordering::Relaxed);
            if done >= count || failures.lock().expect("no panic while held").len() >= ENOUGH {
                return;
            }
            match hold(&program(first + done), Path::new("."), first + done) {
                Ok(tally) => {
                    let mut total = total.lock().expect("no panic while held");
                    *total = total.plus(tally);
                }
                Err(failure) => {
                    if count > SAMPLE {
                        eprintln!("seed {}: it does not hold that {}", first + done, failure.oracle);
                    }
                    _ = failures.lock().expect("no panic while held").insert(first + done, failure)
                }
            }
            if count > SAMPLE && (done + 1) % (count / 50).max(1) == 0 {
                let failed = failures.lock().expect("no panic while held").len();
                eprintln!("{} of {count} programs, {failed} failed", done + 1);
            }
        }
    };
    let all = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let threads = setting("NNC_THREADS", all);
    std::thread::scope(|scope| (0..threads).for_each(|_| _ = scope.spawn(worker)));
    (failures.into_inner().expect("no panic while held"), total.into_inner().expect("no panic while held"))
}

/// What failed, by oracle, with the first program of each kind made small.
fn report(failures: &BTreeMap<u64, Failure>) -> String {
    let mut kinds: BTreeMap<(&str, String), Vec<u64>> = BTreeMap::new();
    for (&seed, failure) in failures {
        kinds.entry(kind(failure)).or_default().push(seed);
    }
    let mut text = format!("{} programs fail\n", failures.len());
    for ((oracle, _), seeds) in kinds {
        let seed = seeds[0];
        let small = shrink(&program(seed), &|text| {
            hold(text, Path::new("."), seed).is_err_and(|failure| kind(&failure) == kind(&failures[&seed]))
        });
        let path = write(seed, &small);
        let what = hold(&small, Path::new("."), seed).map_or_else(|failure| failure.what, |_| String::new());
        let what: String = what.chars().take(2000).collect();
        text += &format!(
            "\nit does not hold that {oracle}: seeds {seeds:?}\n{what}\n{}:\n{small}",
            path.display()
        );
    }
    text
}

/// The oracle, and what it said without names and numbers.
fn kind(failure: &Failure) -> (&'static str, String) {
    let lines = || failure.what.lines().filter(|line| !line.trim().is_empty());
    let line = lines().find(|line| line.starts_with("error")).or(lines().next()).unwrap_or_default();
    let words = line.split_whitespace().filter(|word| word.chars().all(|c| c.is_ascii_lowercase()));
    let number = if line.contains("NaN") { " (not a number)" } else { "" };
    (failure.oracle, words.take(6).collect::<Vec<_>>().join(" ") + number)
}

fn write(seed: u64, text: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.parent().unwrap_or(&target).join("random-programs");
    let path = folder.join(format!("{seed}.nn"));
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(&path, text))
        .expect("the target folder is writable");
    path
}

/// Folders of programs that run.
const PROGRAMS: &[&str] = &["examples", "tests/cases/elaborate", "tests/cases/grad", "tests/cases/oracles"];

/// Examples whose steps are hours of work for an interpreter that finds derivatives by differences. Smaller programs of
/// their kinds are among the cases.
const LARGE: &[&str] =
    &["lenet.nn", "char_gru.nn", "transformer.nn", "convnet.nn", "bidirectional.nn", "encoder_decoder.nn"];

#[test]
fn every_example_and_case_holds() {
    let mut failed = vec![];
    for folder in PROGRAMS {
        let entries = std::fs::read_dir(folder)
            .expect("a folder of programs")
            .map(|entry| entry.expect("a file").path());
        let mut paths: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "nn")).collect();
        paths.retain(|path| !LARGE.iter().any(|large| path.ends_with(large)));
        paths.sort();
        for path in paths {
            let text = std::fs::read_to_string(&path).expect("a text");
            if let Err(failure) = hold(&text, Path::new(folder), 2) {
                failed.push(format!(
                    "{}: it does not hold that {}: {}",
                    path.display(),
                    failure.oracle,
                    failure.what
                ));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// How often each thing must occur among the programs of [`COVERING`] seeds.
const OFTEN: usize = 3;

/// Forms that stand in the text.
const WORDS: [&str; 5] = ["grad(", "repeat(", "concat(", "categorical(", "truncated_normal("];

/// Seeds that together cover the language.
const COVERING: u64 = 300;

#[test]
fn random_programs_cover_every_production_gate_reducer_and_kind_of_node() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..COVERING {
        let (text, productions) = generated(seed);
        let words = ["sum", "mean", "max", "min", "prod", "argmax", "argmin", "any", "all"];
        let reducers =
            words.iter().filter(|word| text.contains(&format!("{word}["))).map(|word| format!("{word}[..]"));
        let read =
            elaborate::from_text("random.nn", &text).unwrap_or_else(|(_, wrong)| panic!("{seed}: {wrong:?}"));
        let choices = Choices { training: true, ..Choices::default() };
        let words = WORDS.into_iter().filter(|word| text.contains(word)).map(String::from);
        let kinds = elaborate::model(&read, None, &choices)
            .map_or_else(|_| BTreeSet::new(), |(m, _)| kinds(&m.circuit));
        for what in reducers.chain(words).chain(kinds).chain(productions.into_iter().map(String::from)) {
            *seen.entry(what).or_default() += 1;
        }
    }
    let gates = Gate::all().map(|gate| gate.row().name.to_string());
    let reducers = ["sum", "mean", "max", "min", "prod", "argmax", "argmin", "any", "all"]
        .map(|word| format!("{word}[..]"));
    let nodes = [
        "draw",
        "index",
        "step",
        "view",
        "guarded view",
        "divided view",
        "merge",
        "gather",
        "lag",
        "mean over the batch",
    ];
    let productions = examples().into_iter().map(String::from);
    let wanted = gates
        .chain(WORDS.map(String::from))
        .chain(reducers)
        .chain(nodes.map(String::from))
        .chain(productions);
    let rare: Vec<String> = wanted.filter(|what| seen.get(what).is_none_or(|&count| count < OFTEN)).collect();
    assert!(rare.is_empty(), "seldom or never generated: {rare:?}\n{seen:?}");
}

/// What occurs in a circuit.
fn kinds(circuit: &Circuit) -> BTreeSet<String> {
    let kind = |value| match circuit.node(value) {
        Node::Gate { gate, .. } => gate.row().name,
        Node::Leaf(Leaf::Draw { .. }) => "draw",
        Node::Leaf(Leaf::Iota(_)) => "index",
        Node::Leaf(Leaf::Step(_)) => "step",
        Node::Leaf(_) => "leaf",
        Node::Reduce { batch: true, .. } => "mean over the batch",
        Node::Reduce { .. } => "reduction",
        Node::View { view, .. } if view.coords.iter().any(|coordinate| coordinate.d > 1) => "divided view",
        Node::View { view, .. } if !view.guards.is_empty() => "guarded view",
        Node::View { .. } => "view",
        Node::Merge { .. } => "merge",
        Node::Gather { .. } => "gather",
        Node::Scatter { .. } => "scatter",
        Node::Lag { .. } => "lag",
    };
    circuit.values().map(kind).map(String::from).collect()
}

#[test]
fn a_failing_program_becomes_small() {
    let mut programs = (0..).map(program);
    let text = programs.find(|text| text.contains("tanh(")).expect("there are endless programs");
    let small = shrink(&text, &|text| text.contains("tanh(") && text.contains("loss ="));
    assert!(small.len() < 60 && small.contains("tanh("), "{small}");
}

/// Prints the program of a seed: for a person who looks into a failure.
#[test]
#[ignore = "prints a program: NNC_FROM=<seed> cargo test --test random_programs print -- --ignored --nocapture"]
fn print_the_program_of_a_seed() {
    println!("{}", program(setting("NNC_FROM", 0)));
}
