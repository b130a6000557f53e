//! Whole batches of work that is so short that it is one function without loops.

use super::*;
use crate::circuit::gates;
use crate::plan::schedule::Extent::{Batch, Fixed};

/// The text of the function for whole batches, if there is one.
fn text(schedule: &Schedule) -> Option<String> {
    let module = compile(schedule, Options { listing: true, ..checked() }).expect("it compiles");
    let start = module.asm().find("; whole: ")?;
    let text = &module.asm()[start..];
    let end = text[1..].find("\n; ").map_or(text.len(), |end| end + 1);
    Some(text[..end].to_string())
}

/// For each example and each of eight columns `a = x + 1`, then, in a nest of its own, `y = a * a`.
fn two_nests(capacity: u32) -> Schedule {
    let mut d = Draft::new(capacity);
    let x = d.buffer(Region::Input(0), true, &[8]);
    let a = d.buffer(Region::Arena, true, &[8]);
    let y = d.buffer(Region::Output(0), true, &[8]);
    for (from, to, gate) in [(x, a, gates::ADD), (a, y, gates::MUL)] {
        let (b, j, mut body) = (d.var(), d.var(), vec![]);
        let element = |buffer| at(buffer, 0, &[(b, 8), (j, 1)]);
        let read = d.load(&mut body, element(from));
        let one = d.compute(&mut body, Op::Number(1.0), &[]);
        let value = d.gate(&mut body, gate, &[read, if gate == gates::ADD { one } else { read }]);
        body.push(Stmt::Store { at: element(to), value });
        let row = for_loop(j, Fixed(8), Hint::Vector, body);
        d.nest(vec![for_loop(b, Batch, Hint::Plain, vec![row])]);
    }
    d.schedule
}

#[test]
fn what_one_nest_hands_to_the_next_stays_in_registers() {
    let schedule = two_nests(3);
    check(&schedule, 10, 1, Random::number);
    let Some(set) = Instructions::best() else { return };
    let text = text(&schedule).expect("it is short");
    let stores = text.lines().filter(|line| line.contains("vmovups [") && !line.contains("rsp"));
    let vectors = 3 * 8_usize.div_ceil(set.lanes() as usize);
    assert_eq!(stores.count(), vectors, "of what is read again nothing is written\n{text}");
    assert_eq!(text.matches("jne").count(), 0, "{text}");
}

#[test]
fn what_is_long_keeps_its_loops() {
    assert_eq!(text(&two_nests(4000)), None);
    check(&two_nests(4000), 5000, 1, Random::number);
    // And to tell that takes no time in proportion.
    assert_eq!(text(&two_nests(50_000_000)), None);
}

/// `t[k] = x[b, k] + 1; out[b] = t[index[b]]`, with indices outside, between whole numbers, and NaN: examples lie in
/// lanes, and the row is one of a few registers.
#[test]
fn rows_of_what_is_in_registers() {
    let index = |random: &mut Random| match random.below(4) {
        0 => random.extreme(),
        1 => random.number() * 4.0,
        _ => random.below(5) as f32 - 1.0,
    };
    for capacity in [1, 4, 8, 19] {
        let mut d = Draft::new(capacity);
        let x = d.buffer(Region::Input(0), true, &[3]);
        let index_of = d.buffer(Region::Input(1), true, &[]);
        let table = d.buffer(Region::Arena, false, &[3]);
        let out = d.buffer(Region::Output(0), true, &[]);
        let (b, k) = (d.var(), d.var());
        let (mut row, mut body) = (vec![], vec![]);
        let read = d.load(&mut body, at(x, 0, &[(b, 3), (k, 1)]));
        let one = d.compute(&mut body, Op::Number(1.0), &[]);
        let value = d.gate(&mut body, gates::ADD, &[read, one]);
        body.push(Stmt::Store { at: at(table, 0, &[(k, 1)]), value });
        row.push(for_loop(k, Fixed(3), Hint::Vector, body));
        let number = d.load(&mut row, at(index_of, 0, &[(b, 1)]));
        let reg = d.reg();
        row.push(Stmt::LoadAt { reg, at: at(table, 0, &[]), index: number, stride: 1, extent: 3 });
        row.push(Stmt::Store { at: at(out, 0, &[(b, 1)]), value: reg });
        d.nest(vec![for_loop(b, Batch, Hint::Plain, row)]);
        check(&d.schedule, 40, u64::from(capacity), index);
        let jumps = text(&d.schedule).map_or(0, |text| text.matches("jae").count());
        assert!(capacity < 4 || jumps == 0, "no row is looked up");
    }
}

/// Fixing the size of the batch changes no number.
#[test]
fn a_schedule_of_whole_batches_is_the_same_work() {
    for seed in 0..60 {
        let schedule = crate::plan::tests::random::schedule(seed);
        let rows = 2 * schedule.capacity as usize;
        let [any, whole] = [schedule.clone(), schedule.of_whole_batches()]
            .map(|schedule| Case::<f32>::new(&schedule, rows, seed, Random::number));
        compare(&any, &any.interpreted(), &whole.interpreted(), &format!("seed {seed}"));
    }
}

/// What this machine cannot run it can still encode.
#[test]
fn each_set_of_instructions_has_the_code() {
    for seed in 0..60 {
        let schedule = crate::plan::tests::random::schedule(seed);
        for set in [Instructions::Avx2, Instructions::Avx512] {
            let options = Options { width: Width::Wide, instructions: Some(set), ..checked() };
            compile(&schedule, options).expect("it compiles");
        }
    }
}
