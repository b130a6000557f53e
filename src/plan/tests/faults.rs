//! The verifier finds what is planted.

use crate::circuit::gates;
use crate::plan::schedule::*;
use crate::plan::verify::verify;

/// `out[i] = x[i] * x[i]` for `i < 4`, by way of the arena.
fn sound() -> Schedule {
    let buffer = |name: &str, region, offset| Buffer {
        name: name.into(),
        batch: false,
        dims: vec![4],
        region,
        offset,
        origin: None,
    };
    let nest = |var: u32, from: u32, to: u32| {
        let at = |buffer| Address { buffer: BufferId(buffer), at: Linear::var(Var(var)) };
        let (x, square) = (Reg(2 * var), Reg(2 * var + 1));
        let body = vec![
            Stmt::Load { reg: x, at: at(from), when: vec![], fill: 0.0 },
            Stmt::Let { reg: square, op: Op::Gate(gates::MUL), args: vec![x, x] },
            Stmt::Store { at: at(to), value: square },
        ];
        let hint = Hint::Vector;
        let body = vec![Stmt::For { var: Var(var), extent: Extent::Fixed(4), hint, body }];
        Step::Nest(Nest { what: vec![], body })
    };
    Schedule {
        buffers: vec![
            buffer("x", Region::Input(0), 0),
            buffer("square", Region::Arena, 0),
            buffer("fourth", Region::Arena, 16),
            buffer("out", Region::Output(0), 0),
        ],
        steps: vec![nest(0, 0, 1), nest(1, 1, 2), nest(2, 2, 3)],
        capacity: 1,
        arena: 32,
        ..Schedule::default()
    }
}

/// The statements of the loop of a step.
fn body(schedule: &mut Schedule, step: usize) -> &mut Vec<Stmt> {
    let Step::Nest(nest) = &mut schedule.steps[step] else { panic!("a nest") };
    let Stmt::For { body, .. } = &mut nest.body[0] else { panic!("a loop") };
    body
}

fn found(plant: impl FnOnce(&mut Schedule)) -> String {
    let mut schedule = sound();
    plant(&mut schedule);
    verify(&schedule).expect_err("a fault was planted").join("\n")
}

#[test]
fn a_sound_schedule_passes() {
    verify(&sound()).unwrap();
}

/// The second and third step as the body of a recurrence of three elements.
fn recurring(schedule: &mut Schedule) {
    let body = schedule.steps.split_off(1);
    let what = vec![];
    schedule.steps.push(Step::Recur(Recur { what, var: Var(9), extent: 3, backwards: false, body }));
}

#[test]
fn what_an_element_of_a_recurrence_reads_is_written_before() {
    let mut schedule = sound();
    recurring(&mut schedule);
    verify(&schedule).unwrap();
    let early = found(|schedule| {
        // `fourth` is written and read in the body alone, but in the wrong order.
        recurring(schedule);
        let Step::Recur(recur) = &mut schedule.steps[1] else { panic!("a recurrence") };
        recur.body.swap(0, 1);
    });
    assert!(early.contains("is read before the element writes it"), "{early}");
    let beyond = found(|schedule| {
        recurring(schedule);
        let Step::Recur(recur) = &mut schedule.steps[1] else { panic!("a recurrence") };
        let Step::Nest(nest) = &mut recur.body[1] else { panic!("a nest") };
        let Stmt::For { body, .. } = &mut nest.body[0] else { panic!("a loop") };
        let Stmt::Store { at, .. } = &mut body[2] else { panic!("a store") };
        at.at.add(&Linear::var(Var(9)), 1);
    });
    assert!(beyond.contains("reaches"), "{beyond}");
}

#[test]
fn addresses_outside_are_found() {
    let text = found(|schedule| {
        let Stmt::Load { at, .. } = &mut body(schedule, 0)[0] else { panic!("a load") };
        at.at.offset = 1;
    });
    assert!(text.contains("reaches 1 to 4 of 4 in x"), "{text}");
}

#[test]
fn a_condition_excuses_what_it_excludes_only() {
    let guarded = |hi: i64| {
        let mut schedule = sound();
        let Stmt::Load { at, when, .. } = &mut body(&mut schedule, 0)[0] else { panic!("a load") };
        at.at.offset = 2;
        when.push(Condition { e: Linear::var(Var(0)), divisor: 1, lo: 0, hi });
        let Step::Nest(nest) = &mut schedule.steps[0] else { panic!("a nest") };
        let Stmt::For { hint, .. } = &mut nest.body[0] else { panic!("a loop") };
        *hint = Hint::Plain;
        verify(&schedule)
    };
    assert_eq!(guarded(2), Ok(()));
    assert!(guarded(3).is_err());
}

#[test]
fn registers_without_a_value_are_found() {
    let unassigned = found(|schedule| _ = body(schedule, 1).remove(1));
    assert!(unassigned.contains("Reg(3) is read where it has no value"), "{unassigned}");
    let twice = found(|schedule| {
        let load = body(schedule, 1)[0].clone();
        body(schedule, 1).insert(1, load);
    });
    assert!(twice.contains("Reg(2) is assigned twice"), "{twice}");
}

#[test]
fn vectors_that_cannot_be_are_found() {
    let text = found(|schedule| {
        let Stmt::Store { at, .. } = &mut body(schedule, 2)[2] else { panic!("a store") };
        at.at = Linear::default();
    });
    assert!(text.contains("cannot run in the lanes of a vector"), "{text}");
}

#[test]
fn buffers_on_top_of_each_other_are_found() {
    let text = found(|schedule| schedule.buffers[2].offset = 3);
    assert!(text.contains("overlap in the arena"), "{text}");
    let outside = found(|schedule| schedule.buffers[2].offset = 29);
    assert!(outside.contains("ends outside the arena"), "{outside}");
}

#[test]
fn contractions_that_leave_their_operands_are_found() {
    let text = found(|schedule| {
        let axis = |extent, a, b, out| ContractAxis { extent: Extent::Fixed(extent), a, b, out };
        let operand = |buffer| Address { buffer: BufferId(buffer), at: Linear::default() };
        schedule.steps[1] = Step::Contract(Contract {
            what: "square".into(),
            why: String::new(),
            batch: vec![],
            m: vec![axis(2, 2, 0, 2)],
            n: vec![axis(2, 0, 2, 1)],
            k: vec![axis(3, 1, 1, 0)],
            a: operand(1),
            b: operand(1),
            out: operand(2),
            k_block: 512,
            mean: false,
        });
    });
    assert!(text.contains("reaches (0, 4) of 4 in square"), "{text}");
}

#[test]
fn steps_that_threads_cannot_share() {
    let needs = found(|schedule| schedule.alone.push(0..2));
    assert_eq!(needs, "step 2 needs one of those that run at the same time");
    let whole = found(|schedule| schedule.by_example.push(1..2));
    assert_eq!(whole, "step 2 does not work on each example apart");
}

/// Within a run of steps that threads share at once, memory is free only when the run ends.
#[test]
fn memory_that_another_thread_may_still_need() {
    let overlap = |schedule: &mut Schedule| {
        // The last step reads a third array, which takes the first one's place.
        let third = Buffer { name: "third".into(), ..schedule.buffers[1].clone() };
        schedule.buffers.push(third);
        let mut last = schedule.steps[2].clone();
        let Step::Nest(nest) = &mut last else { panic!("a nest") };
        let Stmt::For { var, body, .. } = &mut nest.body[0] else { panic!("a loop") };
        *var = Var(3);
        body.truncate(1);
        let at = Address { buffer: BufferId(4), at: Linear::var(Var(3)) };
        body[0] = Stmt::Let { reg: Reg(6), op: Op::Number(1.0), args: vec![] };
        body.push(Stmt::Store { at, value: Reg(6) });
        schedule.steps.push(last);
    };
    let mut schedule = sound();
    overlap(&mut schedule);
    verify(&schedule).unwrap();
    let shared = found(|schedule| {
        overlap(schedule);
        schedule.alone.push(1..4);
    });
    assert!(shared.contains("overlap in the arena"), "{shared}");
}
