//! Random programs through all oracles.

mod support;

use support::generate;
use support::oracles::hold;
use std::collections::BTreeMap;

#[test]
fn programs_hold() {
    let count: u64 = std::env::var("NNC_PROGRAMS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    std::panic::set_hook(Box::new(|_| {}));
    let mut kinds: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for seed in 0..count {
        let text = generate::program(seed);
        if let Err(failure) = hold(&text, seed, seed % 10 == 9) {
            let short: String = failure.what.chars().take(1500).collect();
            let key: String = format!("{}: {}", failure.oracle, short.lines().find(|l| !l.trim().is_empty()).unwrap_or("").chars().filter(|c| !c.is_ascii_digit()).take(70).collect::<String>());
            let seeds = kinds.entry(key).or_default();
            if seeds.is_empty() { println!("=== {seed} {}\n{short}\n{text}", failure.oracle); }
            seeds.push(seed);
        }
    }
    for (key, seeds) in kinds { println!("{} x {key}   {:?}", seeds.len(), &seeds[..seeds.len().min(5)]); }
}
