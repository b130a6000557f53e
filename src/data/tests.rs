use super::buffer::Buffer;
use super::expression::Values;
use super::room::Room;
use super::rows::Stored;
use super::split::{Amount, Parts, Pick, Rule, split};
use super::standardize::standardize;
use super::vocabulary::encode;
use super::{file, idx, number};
use crate::diagnostic::{Diagnostics, FileId, Sources, Span, codes, render_all};
use crate::syntax::{ast::File, parse};
use std::path::Path;
use std::rc::Rc;

const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

fn rule(pick: Pick, amount: Amount) -> Option<Rule> {
    Some(Rule { pick, amount, span: NOWHERE })
}

fn drawn(share: f64) -> Option<Rule> {
    rule(Pick::Drawn, Amount::Share(share))
}

/// Splits that fit.
fn parts(rows: usize, test: Option<Rule>, validation: Option<Rule>, seed: u64) -> Parts {
    let parts = split(rows, test, validation, seed).expect("the parts fit");
    let mut all: Vec<u32> = [&parts.train[..], &parts.validation, &parts.test].concat();
    all.sort_unstable();
    assert!(all.iter().copied().eq(0..rows as u32), "every row is in one part");
    for part in [&parts.train, &parts.validation, &parts.test] {
        assert!(part.is_sorted());
    }
    parts
}

#[test]
fn shares_are_of_the_whole_rounded_down() {
    let sizes = |rows, test, validation| {
        let parts = parts(rows, drawn(test), drawn(validation), 0);
        (parts.train.len(), parts.validation.len(), parts.test.len())
    };
    assert_eq!(sizes(150, 0.2, 0.1), (105, 15, 30));
    assert_eq!(sizes(1797, 0.2, 0.1), (1797 - 359 - 179, 179, 359));
    // 0.29 * 100 is 28.999999999999996 in f64.
    assert_eq!(sizes(100, 0.29, 0.0), (71, 0, 29));
}

/// The rows of a split are a property of the data: this test may never change. Its numbers come from the
/// definition in words, by another program.
#[test]
fn the_split_is_fixed_for_ever() {
    assert_eq!(parts(20, drawn(0.25), None, 0).test, [2, 5, 9, 17, 19]);
    assert_eq!(parts(20, drawn(0.25), None, 7).test, [1, 7, 11, 12, 18]);
}

#[test]
fn a_validation_part_moves_no_test_row() {
    let alone = parts(1000, drawn(0.2), None, 3);
    for validation in [drawn(0.1), rule(Pick::First, Amount::Rows(10)), rule(Pick::Last, Amount::Share(0.3))]
    {
        assert_eq!(parts(1000, drawn(0.2), validation, 3).test, alone.test);
    }
    assert_ne!(parts(1000, drawn(0.2), None, 4).test, alone.test);
}

#[test]
fn drawing_favours_no_row() {
    let mut count = [0u32; 50];
    for seed in 0..2000 {
        parts(50, drawn(0.2), None, seed).test.iter().for_each(|&row| count[row as usize] += 1);
    }
    // 400 expected of each, standard deviation 18.
    assert!(count.iter().all(|&n| (310..490).contains(&n)), "{count:?}");
}

#[test]
fn ends_are_taken_from_what_is_left() {
    let last = |n| rule(Pick::Last, Amount::Rows(n));
    let both = parts(10, last(2), last(3), 0);
    assert_eq!((both.test, both.validation), (vec![8, 9], vec![5, 6, 7]));
    let ends = parts(10, rule(Pick::First, Amount::Share(0.25)), rule(Pick::Drawn, Amount::Rows(0)), 0);
    assert_eq!((ends.test, ends.validation), (vec![0, 1], vec![]));
}

#[test]
fn parts_that_leave_nothing_are_refused() {
    let rows = |n| rule(Pick::Drawn, Amount::Rows(n));
    for (test, validation) in [(drawn(1.0), None), (rows(11), None), (rows(5), rows(5)), (drawn(0.05), None)]
    {
        let told = split(10, test, validation, 0).expect_err("does not fit");
        assert_eq!(told[0].code, codes::BAD_SPLIT);
    }
}

#[test]
fn standardize_learns_from_the_training_rows_only() {
    // The element 1 is constant in training, the element 2 is constant but not exact in binary.
    let mut data = vec![1.0, 5.0, 0.1, 3.0, 5.0, 0.1, 1e9, 7.0, 0.2, 5.0, 5.0, 0.1];
    let stored = Stored { width: 3, numbers: Buffer::new(data.clone()) };
    let learned = standardize(&Values::new(vec![3], 4, Rc::new(stored)), &[0, 1, 3]);
    learned.apply(&mut data);
    assert_eq!(learned.mean, [3.0, 5.0, 0.1]);
    assert_eq!(learned.deviation, [(8.0f64 / 3.0).sqrt(), 1.0, 1.0]);
    assert_eq!(data[6..9], [(1e9 - 3.0) / (8.0f64 / 3.0).sqrt(), 2.0, 0.1]);
    let mean: f64 = [0, 3, 9].iter().map(|&k| data[k]).sum::<f64>() / 3.0;
    let square: f64 = [0, 3, 9].iter().map(|&k| data[k] * data[k]).sum::<f64>() / 3.0;
    assert!(mean.abs() < 1e-15 && (square - 1.0).abs() < 1e-15, "{mean} {square}");
}

#[test]
fn classes_sort_by_number_where_all_are_numbers() {
    let encoded = encode(["10", "9", "-1", "10", "09"].into_iter());
    assert_eq!(encoded.vocabulary, ["-1", "09", "9", "10"]);
    assert_eq!(encoded.numbers, [3, 2, 0, 3, 1]);
    assert_eq!(encode(["10", "9", "x"].into_iter()).vocabulary, ["10", "9", "x"]);
    assert_eq!(encode(["10", "9.0"].into_iter()).vocabulary, ["10", "9.0"]);
}

#[test]
fn numbers_read_as_std_reads_them() {
    for text in ["7", "42", "007", "-3", "+2.5e-3", ".5", " 1 ", "16777217", "0.1", "1e308"] {
        assert_eq!(number::parse(text.as_bytes()), Ok(text.trim().parse().unwrap()));
    }
    for text in ["", " ", "1,5", "1 2", "0x10", "--1", "1e999", "nan", "inf", "four", "¼"] {
        assert!(number::parse(text.as_bytes()).is_err(), "{text:?}");
    }
}

/// The numbers of splitmix64, for the mutations below.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A text with some bytes changed, taken out or doubled.
fn mutated(text: &[u8], state: &mut u64) -> Vec<u8> {
    const BYTES: &[u8] = b",\"\n\r;\0\xff\xc3 \t-+.e0123456789abcn";
    let mut text = text.to_vec();
    for _ in 0..1 + random(state) % 6 {
        let at = random(state) as usize % text.len().max(1);
        let byte = BYTES[random(state) as usize % BYTES.len()];
        match random(state) % 4 {
            0 if at < text.len() => text[at] = byte,
            1 if at < text.len() => drop(text.remove(at)),
            2 => text.truncate(at + text.len() / 2),
            _ => text.insert(at.min(text.len()), byte),
        }
    }
    text
}

#[test]
fn malformed_files_are_told() {
    let text = b"a,b,kind\n1,2.5,rose\n\n-3e2,\"4\",\"wild, \"\"rose\"\"\"\n5,6,iris\n";
    let mut state = 1;
    let (mut good, mut bad) = (0, 0);
    for _ in 0..20_000 {
        let told: Result<(), Diagnostics> = (|| {
            let room = Room::of(u64::MAX);
            let file = file::parse_any(&mutated(text, &mut state), "f.csv", NOWHERE, &room)?;
            file.numbers(&[file.column("a", NOWHERE)?, file.column("b", NOWHERE)?], NOWHERE, &room)?;
            let (vocabulary, classes) =
                file.classes(&[file.column("kind", NOWHERE)?], NOWHERE, None, &room)?;
            assert!(classes.numbers.iter().all(|&k| (k as usize) < vocabulary.len()));
            Ok(())
        })();
        match told {
            Ok(()) => good += 1,
            Err(diagnostics) => {
                assert!(!render_all(&diagnostics, &Sources::default(), false).is_empty());
                bad += 1;
            }
        }
    }
    assert!(good > 1000 && bad > 1000, "{good} good, {bad} bad");
}

#[test]
fn malformed_arrays_are_told() {
    let text = [&[0, 0, 11, 3, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1][..], &[7; 12]].concat();
    let parsed = idx::parse(&Buffer::new(text.clone())).expect("an array");
    assert_eq!((&parsed.dims[..], parsed.read(0..3)), (&[2, 1][..], vec![1799.0; 6]));
    let mut state = 3;
    let mut good = 0;
    for _ in 0..20_000 {
        good += usize::from(idx::parse(&Buffer::new(mutated(&text, &mut state))).is_ok());
    }
    assert!((100..10_000).contains(&good), "{good}");
}

#[test]
fn malformed_blocks_are_told() {
    for text in [
        include_str!("../../tests/cases/data/columns.nn"),
        include_str!("../../tests/cases/data/idx.nn"),
        include_str!("../../tests/cases/data/text.nn"),
    ] {
        mutations_are_told(text);
    }
}

fn mutations_are_told(text: &str) {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/data");
    let mut state = 2;
    let mut loaded = 0;
    for _ in 0..1000 {
        let text = String::from_utf8_lossy(&mutated(text.as_bytes(), &mut state)).into_owned();
        let mut sources = Sources::default();
        let id = sources.add("test.nn", text.as_str());
        let (File { items, .. }, _) = parse(id, &text);
        for item in &items {
            match super::load(item, &sources, &base) {
                Ok(data) => loaded += data.columns.len(),
                Err(diagnostics) => assert!(!render_all(&diagnostics, &sources, false).is_empty()),
            }
        }
    }
    assert!(loaded > 1000, "{loaded}");
}
