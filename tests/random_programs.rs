//! Random programs through all oracles.

mod support;

use nnc::diagnostic::render_all;
use nnc::elaborate::{self, Choices};
use support::generate;

#[test]
fn programs_elaborate() {
    let mut failed = 0; let mut whole = 0;
    for seed in 0..5000 {
        let text = generate::program(seed);
        let program = match elaborate::from_text("random.nn", &text) {
            Ok(program) => program,
            Err((sources, wrong)) => panic!("{seed}\n{text}\n{}", render_all(&wrong, &sources, false)),
        };
        for training in [true, false] {
            let choices = Choices { training, ..Choices::default() };
            if let Err(wrong) = elaborate::model(&program, None, &choices) {
                let s = render_all(&wrong, &program.sources, false);
                if s.contains("is not a whole number") { whole += 1; break; }
                failed += 1;
                if failed < 12 {
                println!("{seed}\n{text}\n{s}");
                }
                break;
            }
        }
    }
    println!("{failed} failed {whole} whole");
}
