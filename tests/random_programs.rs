//! Random programs through all oracles.

mod support;

use support::generate;

#[test]
fn programs_print() {
    for seed in 0..5 {
        println!("# {seed}\n{}", generate::program(seed));
    }
}
