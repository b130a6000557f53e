//! What the eye on health costs while training: less than 3 % of the steps.
//!
//! ```text
//! cargo test --release --test health_cost -- --ignored --nocapture
//! ```
//!
//! Each example is trained with and without it in turns, and the fastest runs are compared: the median moves with
//! whatever else the machine does.

use nnc::elaborate::{self, Choices};
use nnc::runtime::train::{Epoch, Observer, Progress, Trainer};
use std::path::Path;
use std::time::{Duration, Instant};

/// Examples, with the number of epochs that is run and how often.
const RUNS: [(&str, u32, usize); 4] =
    [("xor", 2000, 200), ("iris", 100, 60), ("digits", 3, 60), ("lenet", 1, 9)];

/// Nobody looks.
struct Nobody;

impl Observer for Nobody {
    fn progress(&mut self, _: &Progress) {}
    fn epoch(&mut self, _: &Epoch) {}
}

#[test]
#[ignore = "measures; see the head of the file"]
fn health_costs_less_than_three_hundredths_of_a_step() {
    let mut dear = vec![];
    for (name, epochs, rounds) in RUNS {
        let path = Path::new("examples").join(format!("{name}.nn"));
        let program = elaborate::read(&path).unwrap_or_else(|_| panic!("{name} reads"));
        let settings = vec![("epochs".to_string(), epochs.to_string())];
        let choices = Choices { training: true, settings, ..Choices::default() };
        let training = elaborate::training(&program, &choices).expect("it trains");
        let item = elaborate::data_item(&program, Some(&training.data)).expect("it has data");
        let data = nnc::data::load(item, &program.sources, Path::new("examples")).expect("its data is there");
        let model = |training| {
            let choices = Choices { training, ..choices.clone() };
            elaborate::model(&program, Some(&data), &choices).expect("it is a net").0
        };
        let (model, inference) = (model(true), model(false));
        let update = elaborate::update(&program, &choices, &model).expect("it has an optimizer");
        let run = |heedless: bool| -> (Duration, Duration) {
            let trainer = Trainer::new(&model, &inference, &update, &training, &data).expect("it compiles");
            let mut trainer = if heedless { trainer.heedless() } else { trainer };
            let spent = trainer.run(&mut Nobody).expect("it stays finite").training_time;
            let clock = Instant::now();
            _ = trainer.health();
            (spent, clock.elapsed())
        };
        let mut times = [vec![], vec![]];
        let mut end = Duration::MAX;
        for round in 0..2 * rounds {
            let heedless = round % 2 == 1;
            let (spent, looked) = run(heedless);
            times[usize::from(heedless)].push(spent);
            end = end.min(looked);
        }
        times.iter_mut().for_each(|times| times.sort());
        let least = |k: usize| times[k][0].as_secs_f64();
        let median = |k: usize| times[k][rounds / 2].as_secs_f64();
        let percent = |with: f64, without: f64| 100.0 * (with / without - 1.0);
        println!(
            "{name:8} fastest of {rounds}: {:.3} ms with, {:.3} ms without, {:+.2} %; medians {:+.2} %; at the end {:.2} ms",
            1e3 * least(0),
            1e3 * least(1),
            percent(least(0), least(1)),
            percent(median(0), median(1)),
            1e3 * end.as_secs_f64(),
        );
        if percent(least(0), least(1)) >= 3.0 {
            dear.push(name);
        }
    }
    assert!(dear.is_empty(), "{dear:?}");
}
