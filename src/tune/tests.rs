//! Points, rounds, rankings, and the file of the trials.

use super::ranking::{effects, standings};
use super::*;
use crate::diagnostic::{FileId, Span};
use crate::elaborate::model::{Best, Part, Search, Sweep, Values, Varied};

const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

fn listed(name: &str, values: &[&str]) -> Varied {
    let values = Values::Listed(values.iter().map(ToString::to_string).collect());
    Varied { name: name.into(), values, span: NOWHERE }
}

fn sweep_of(varied: Vec<Varied>, search: Search) -> Sweep {
    let best = Best { highest: false, part: Part::Validation, figure: "loss".into() };
    Sweep { net: "n".into(), varied, search, seeds: vec![1, 2], best, span: NOWHERE }
}

fn record(point: &Point, seed: u64, loss: Option<f64>) -> Record {
    Record {
        of: "00ff".into(),
        point: point.clone(),
        seed,
        until: Some(4),
        state: loss.map_or(State::Diverged("the loss is inf".into()), |_| State::Done),
        epochs: 4,
        kept: 3,
        figures: loss.map(|loss| ("validation".to_string(), "loss".to_string(), loss)).into_iter().collect(),
        seconds: 0.25,
    }
}

fn texts(points: &[Point]) -> Vec<String> {
    let text = |point: &Point| point.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ");
    points.iter().map(text).collect()
}

#[test]
fn a_grid_is_every_combination_and_the_last_setting_changes_fastest() {
    let sweep = sweep_of(vec![listed("a", &["1", "2"]), listed("b", &["x", "y", "z"])], Search::Grid);
    assert_eq!(texts(&points(&sweep)), ["1 x", "1 y", "1 z", "2 x", "2 y", "2 z"]);
}

#[test]
fn draws_stay_in_their_range_and_a_larger_count_adds_to_them() {
    let rate = Varied { name: "lr".into(), values: Values::LogUniform(1e-4, 1e-1), span: NOWHERE };
    let with = |count, seed| {
        points(&sweep_of(vec![listed("a", &["1", "2"]), rate.clone()], Search::Random { count, seed }))
    };
    let (few, many) = (with(10, 3), with(400, 3));
    assert_eq!(many[..10], few[..]);
    assert_ne!(with(10, 4), few, "another seed draws others");
    let rates: Vec<f64> = many.iter().map(|point| point[1].1.parse().expect("a number")).collect();
    assert!(rates.iter().all(|rate| (1e-4..=1e-1).contains(rate)));
    // By the logarithm: a third of the draws in each decade, and each of two values half the time.
    let share =
        |from: f64| rates.iter().filter(|&&rate| (from..10.0 * from).contains(&rate)).count() as f64 / 400.0;
    assert!([1e-4, 1e-3, 1e-2].iter().all(|&from| (share(from) - 1.0 / 3.0).abs() < 0.08));
    let ones = many.iter().filter(|point| point[0].1 == "1").count();
    assert!((160..240).contains(&ones), "{ones}");
    // The two are drawn apart from each other.
    let low = |wanted: &str| {
        many.iter().zip(&rates).filter(|(point, rate)| point[0].1 == wanted && **rate < 3.16e-3).count()
    };
    assert!(low("1").abs_diff(low("2")) < 50, "{} {}", low("1"), low("2"));
}

#[test]
fn whole_numbers_are_drawn_alike_with_both_ends() {
    let drawn = |low, high, log| {
        let values = Values::Whole { low, high, log };
        let of = |k: u32| values.at(f64::from(k) / 10_000.0).parse::<u64>().expect("a whole number");
        (0..10_000).map(of).collect::<Vec<u64>>()
    };
    let dice = drawn(1, 6, false);
    assert!((1..=6).all(|side| dice.iter().filter(|&&found| found == side).count().abs_diff(1667) < 2));
    let sizes = drawn(8, 255, true);
    assert_eq!((sizes[0], sizes[9_999]), (8, 255));
    // From 8 to 256 are five doublings, of which each has a fifth.
    for from in [8, 16, 32, 64, 128] {
        let count = sizes.iter().filter(|&&size| (from..2 * from).contains(&size)).count();
        assert!(count.abs_diff(2000) < 2, "{from}: {count}");
    }
    assert_eq!(Values::Whole { low: 3, high: 3, log: true }.at(0.9), "3");
}

#[test]
fn drawing_from_a_small_grid_ends() {
    let sweep = sweep_of(vec![listed("a", &["1", "2", "3"])], Search::Random { count: 50, seed: 0 });
    let mut found = texts(&points(&sweep));
    found.sort();
    assert_eq!(found, ["1", "2", "3"]);
}

#[test]
fn rounds_of_halving_end_with_one_point_and_the_whole_run() {
    let search = Search::Halving { count: Some(27), factor: 3, seed: 0 };
    let shown = |count, epochs| -> Vec<(usize, Option<u32>)> {
        rounds(search, count, epochs).into_iter().map(|round| (round.points, round.epochs)).collect()
    };
    assert_eq!(shown(27, 27), [(27, Some(1)), (9, Some(3)), (3, Some(9)), (1, Some(27))]);
    assert_eq!(shown(10, 100), [(10, Some(12)), (3, Some(34)), (1, Some(100))]);
    assert_eq!(shown(1, 5), [(1, Some(5))]);
    assert_eq!(rounds(Search::Grid, 7, 5), [Round { points: 7, epochs: None }]);
}

#[test]
fn what_diverged_is_last_and_what_is_best_is_first() {
    let sweep = sweep_of(vec![listed("a", &["1", "2", "3"])], Search::Grid);
    let found = points(&sweep);
    let records = [
        record(&found[0], 1, Some(0.5)),
        record(&found[0], 2, None),
        record(&found[1], 1, Some(0.75)),
        record(&found[1], 2, Some(0.25)),
        record(&found[2], 1, Some(0.125)),
        record(&found[2], 2, Some(0.125)),
    ];
    let ranked = standings(&found, &records, &sweep, None);
    let order: Vec<Point> = ranked.iter().map(|standing| standing.point.clone()).collect();
    assert_eq!(texts(&order), ["3", "2", "1"]);
    assert_eq!((ranked[1].mean, ranked[2].mean), (Some(0.5), None));
    assert!((ranked[1].deviation.expect("two seeds") - 0.5f64.sqrt() / 2.0).abs() < 1e-12);
    // A point whose seeds have not all been run stands nowhere.
    assert_eq!(standings(&found, &records[..5], &sweep, None).len(), 2);
}

#[test]
fn the_setting_that_decides_is_told_from_the_one_that_does_nothing() {
    let values = ["1", "2"];
    let sweep = sweep_of(vec![listed("idle", &values), listed("decides", &values)], Search::Grid);
    let loss = |point: &Point, seed: u64| {
        let [idle, decides] = [0, 1].map(|k: usize| point[k].1 == "2");
        // What is idle changes the figure by as much as the seed does.
        f64::from(u8::from(decides)) + 0.01 * f64::from(u8::from(idle != (seed == 2)))
    };
    let found = points(&sweep);
    let of = |point: &Point, seed| record(point, seed, Some(loss(point, seed)));
    let records: Vec<Record> = found.iter().flat_map(|point| [of(point, 1), of(point, 2)]).collect();
    let told = effects(&sweep, &records);
    let names: Vec<&str> = told.iter().map(|effect| effect.name.as_str()).collect();
    assert_eq!(names, ["decides", "idle"]);
    assert!(told[0].share.expect("four of each") > 0.7, "{:?}", told[0].share);
    assert_eq!(told[1].share, Some(0.0));
    assert_eq!(told[0].levels[0].median, Some(0.005));
    assert_eq!(told[0].levels[1].best, Some(1.0));
}

#[test]
fn a_record_comes_back_from_its_line() {
    let point = vec![("optimizer.lr".to_string(), "1e-3".to_string()), ("act".into(), "tanh".into())];
    for mut record in [record(&point, 7, Some(0.1)), record(&point, 7, None)] {
        assert_eq!(Record::of_json(&record.to_json()), Some(record.clone()));
        record.until = None;
        assert_eq!(read(&format!("{}\n", record.to_json())), [record]);
    }
}

#[test]
fn a_line_that_was_cut_off_is_no_record_and_harms_no_other() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let point = vec![("a".to_string(), "1".to_string())];
    let [first, second, third] = [1, 2, 3].map(|seed| record(&point, seed, Some(0.5)));
    let mut book = Book::open(folder.path()).expect("a new folder");
    book.add(&first).expect("writable");
    book.add(&second).expect("writable");
    drop(book);
    let path = folder.path().join(TRIALS);
    let text = std::fs::read_to_string(&path).expect("readable");
    std::fs::write(&path, &text[..text.len() - 20]).expect("writable");
    let mut book = Book::open(folder.path()).expect("a folder with half a line");
    assert_eq!(book.known, std::slice::from_ref(&first));
    book.add(&third).expect("writable");
    let known = Book::open(folder.path()).expect("a folder").known;
    assert_eq!(known, [first, third]);
}
