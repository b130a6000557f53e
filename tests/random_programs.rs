//! Random programs through all oracles.

mod support;

use std::collections::BTreeMap;
use support::generate;
use support::oracles::hold;
use support::shrink::shrink;

fn kind(oracle: &str, what: &str) -> String {
    let line = what.lines().find(|l| !l.trim().is_empty()).unwrap_or("");
    format!(
        "{oracle}: {}",
        line.chars().filter(|c| c.is_ascii_alphabetic() || *c == ' ').take(60).collect::<String>()
    )
}

#[test]
fn programs_hold() {
    let var = |name: &str, or: u64| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or);
    let (from, count) = (var("NNC_FROM", 0), var("NNC_PROGRAMS", 150));
    std::panic::set_hook(Box::new(|_| {}));
    let mut kinds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for seed in from..from + count {
        let text = generate::program(seed);
        let tolerant = seed % 10 == 9;
        if let Err(failure) = hold(&text, seed, tolerant) {
            if failure.what.contains("is not a whole number") {
                continue;
            }
            let key = kind(failure.oracle, &failure.what);
            let seeds = kinds.entry(key.clone()).or_default();
            if seeds.is_empty() {
                let fails = |t: &str| {
                    hold(t, seed, tolerant).is_err_and(|f| {
                        f.oracle == failure.oracle
                            && (failure.oracle != "it elaborates" && !failure.oracle.contains("printed")
                                || kind(f.oracle, &f.what) == key)
                    })
                };
                let small = shrink(&text, &fails);
                let failure = hold(&small, seed, tolerant).unwrap_err();
                println!(
                    "=== {seed} {}\n{}\n{small}",
                    failure.oracle,
                    failure.what.chars().take(2500).collect::<String>()
                );
            }
            seeds.push(seed);
        }
    }
    for (key, seeds) in kinds {
        println!("{} x {key}   {:?}", seeds.len(), &seeds[..seeds.len().min(5)]);
    }
}
