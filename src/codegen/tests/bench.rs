//! How fast typical nests are, and how long they take to compile. Prints; run with `--ignored --nocapture`.

use super::*;
use crate::circuit::gates;
use crate::kernels::Equipment;
use Extent::{Batch, Fixed};
use std::time::Instant;

/// `out[b, j] = gate(x[b, j] + bias[j])`.
fn bias_and(gate: &str, batch: u32, units: u32) -> Schedule {
    let mut d = Draft::new(batch);
    let x = d.buffer(Region::Input(0), true, &[units]);
    let bias = d.buffer(Region::Params, false, &[units]);
    let out = d.buffer(Region::Arena, true, &[units]);
    let (b, j, mut body) = (d.var(), d.var(), vec![]);
    let value = d.load(&mut body, at(x, 0, &[(b, i64::from(units)), (j, 1)]));
    let bias = d.load(&mut body, at(bias, 0, &[(j, 1)]));
    let value = d.gate(&mut body, gates::ADD, &[value, bias]);
    let value = d.gate(&mut body, Gate::named(gate).expect("a gate of the table"), &[value]);
    body.push(Stmt::Store { at: at(out, 0, &[(b, i64::from(units)), (j, 1)]), value });
    let inner = for_loop(j, Fixed(units), Hint::Vector, body);
    d.nest(vec![for_loop(b, Batch, Hint::Plain, vec![inner])]);
    d.schedule
}

/// `m = 0.9 m + 0.1 g`, `v = 0.999 v + 0.001 g g`, `p -= rate * m / (sqrt(v) + eps)`.
fn adam(parameters: u32) -> Schedule {
    let mut d = Draft::new(1);
    d.schedule.scalars = vec![StepScalar { phase: 0, value: crate::circuit::ValueId(0) }; 1];
    let [p, g, m, v] = [Region::Params, Region::Gradients, Region::Moments(0), Region::Moments(1)]
        .map(|region| d.buffer(region, false, &[parameters]));
    let (j, mut body) = (d.var(), vec![]);
    let [p_old, g, m_old, v_old] = [p, g, m, v].map(|buffer| d.load(&mut body, at(buffer, 0, &[(j, 1)])));
    let number = |d: &mut Draft, body: &mut Vec<Stmt>, x| d.compute(body, Op::Number(x), &[]);
    let (a, b) = (number(&mut d, &mut body, 0.9), number(&mut d, &mut body, 0.1));
    let (c, e) = (number(&mut d, &mut body, 0.999), number(&mut d, &mut body, 0.001));
    let epsilon = number(&mut d, &mut body, 1e-8);
    let rate = d.compute(&mut body, Op::Scalar(0), &[]);
    let (old, new) = (d.gate(&mut body, gates::MUL, &[a, m_old]), d.gate(&mut body, gates::MUL, &[b, g]));
    let m_new = d.gate(&mut body, gates::ADD, &[old, new]);
    let square = d.gate(&mut body, gates::MUL, &[g, g]);
    let (old, new) =
        (d.gate(&mut body, gates::MUL, &[c, v_old]), d.gate(&mut body, gates::MUL, &[e, square]));
    let v_new = d.gate(&mut body, gates::ADD, &[old, new]);
    let root = d.gate(&mut body, gates::SQRT, &[v_new]);
    let below = d.gate(&mut body, gates::ADD, &[root, epsilon]);
    let above = d.gate(&mut body, gates::MUL, &[rate, m_new]);
    let step = d.gate(&mut body, gates::DIV, &[above, below]);
    let p_new = d.gate(&mut body, gates::SUB, &[p_old, step]);
    for (buffer, value) in [(p, p_new), (m, m_new), (v, v_new)] {
        body.push(Stmt::Store { at: at(buffer, 0, &[(j, 1)]), value });
    }
    d.nest(vec![for_loop(j, Fixed(parameters), Hint::Vector, body)]);
    d.schedule
}

/// Milliseconds to compile, nanoseconds for each of the elements of a step.
fn measure(schedule: &Schedule, elements: usize, optimise: bool) -> (f64, f64) {
    let options = Options { optimise, verify: false, ..Options::default() };
    let compile_time = (0..5).map(|_| {
        let start = Instant::now();
        compile(schedule, options).expect("it compiles");
        start.elapsed().as_secs_f64() * 1e3
    });
    let compiled = compile_time.fold(f64::INFINITY, f64::min);
    let steps = (200_000 / elements.max(50)).clamp(4, 1000);
    let case = Case::<f32>::new(schedule, steps * schedule.capacity as usize, 1, Random::number);
    (compiled, case.time(options, 100) * 1e9 / (steps * elements) as f64)
}

#[test]
#[ignore = "a measurement"]
fn typical_nests() {
    let cases = [
        ("bias + tanh 32x128", bias_and("tanh", 32, 128), 32 * 128),
        ("bias + sigmoid 32x128", bias_and("sigmoid", 32, 128), 32 * 128),
        ("bias + exp 32x128", bias_and("exp", 32, 128), 32 * 128),
        ("bias + log 32x128", bias_and("log", 32, 128), 32 * 128),
        ("bias + abs 32x128", bias_and("abs", 32, 128), 32 * 128),
        ("softmax 32x10", folds::softmax_rows(32, 10), 320),
        ("softmax 32x64", folds::softmax_rows(32, 64), 32 * 64),
        ("adam 10k", adam(10_000), 10_000),
        ("a step of 4x2x8", steps::small_net(4, 2, 8), 1),
        ("a step of 32x64x128", steps::small_net(32, 64, 128), 1),
    ];
    println!("{:24}{:>22}{:>22}", "", "as emitted", "optimised");
    for (name, schedule, elements) in &cases {
        let [(ms, ns), (optimised_ms, optimised_ns)] =
            [false, true].map(|optimise| measure(schedule, *elements, optimise));
        println!("{name:24}{ms:8.2} ms{ns:8.2} ns{optimised_ms:9.2} ms{optimised_ns:8.2} ns");
    }
}

/// Where a kernel begins to be worth its call: nanoseconds of a contraction in place, and of the kernel alone.
#[test]
#[ignore = "a measurement"]
fn small_contractions() {
    for extents in [
        [4, 8, 2],
        [4, 1, 8],
        [8, 2, 4],
        [16, 16, 4],
        [32, 3, 10],
        [32, 10, 10],
        [32, 32, 4],
        [16, 16, 16],
        [32, 16, 32],
        [32, 10, 128],
        [32, 128, 10],
        [10, 128, 32],
    ] {
        for (batch, layout) in [(Some(0), 0), (Some(0), 2), (Some(2), 0)] {
            let schedule = steps::small_product(extents, batch, layout);
            let Step::Contract(contract) = &schedule.steps[0] else { panic!("a contraction") };
            let case = Case::<f32>::new(&schedule, 1000 * schedule.capacity as usize, 1, Random::number);
            let in_place = case.time(Options { verify: false, ..Options::default() }, 100) * 1e6;
            let task = Task::prepare::<f32>(contract, schedule.capacity);
            let [m, n, k] = extents.map(|extent| extent as usize);
            let (a, b, mut out) = (vec![0.5f32; m * k], vec![0.25f32; n * k], vec![0f32; m * n]);
            let mut equipment = Equipment::new([&task].into_iter(), 4, 1, 0);
            let mut kernel = f64::INFINITY;
            for _ in 0..100 {
                let start = Instant::now();
                for _ in 0..1000 {
                    let (a, b) = (std::hint::black_box(a.as_ptr()), std::hint::black_box(b.as_ptr()));
                    let (out, equipment) = (out.as_mut_ptr(), &raw mut equipment);
                    // SAFETY: the arrays are as long as the axes reach.
                    unsafe {
                        crate::kernels::contract(&task, a, b, out, u64::from(schedule.capacity), equipment)
                    };
                }
                kernel = kernel.min(start.elapsed().as_secs_f64() * 1e6);
            }
            println!(
                "{extents:?} example {batch:?} layout {layout}: in place {in_place:.1} ns with gathering, kernel {kernel:.1} ns"
            );
        }
    }
}

/// Milliseconds that each step of a schedule takes by itself, and each in the body of a recurrence.
fn each_step(schedule: &Schedule) {
    let time = |step: Step, name: &str| {
        let alone = Schedule { steps: vec![step], ..schedule.clone() };
        let case = Case::<f32>::new(&alone, 10 * schedule.capacity as usize, 1, Random::number);
        let time = case.time(Options { verify: false, ..Options::default() }, 20) / 10.0;
        println!("{:8.3} ms  {name}", time * 1e3);
    };
    for step in &schedule.steps {
        match step {
            Step::Nest(nest) => time(step.clone(), &nest.what.join(", ")),
            Step::Contract(contract) => time(step.clone(), &contract.what),
            Step::Scatter(scatter) => time(step.clone(), &scatter.what),
            Step::Recur(recur) => {
                time(step.clone(), &recur.what.join(", "));
                for inner in &recur.body {
                    let alone = Recur { body: vec![inner.clone()], ..recur.clone() };
                    let name = match inner {
                        Step::Nest(nest) => nest.what.join(", "),
                        Step::Contract(contract) => contract.what.clone(),
                        _ => String::new(),
                    };
                    time(Step::Recur(alone), &format!("  of which {name}"));
                }
            }
        }
    }
}

#[test]
#[ignore = "a measurement"]
fn gated_recurrent_unit() {
    let (n, m, capacity) = (32, 128, 32);
    for t in [4, 32] {
        let schedule = crate::plan::tests::recurrences::gru_schedule([t, n, m], capacity);
        let case = Case::<f32>::new(&schedule, 10 * capacity as usize, 1, Random::number);
        let step = case.time(Options { verify: false, ..Options::default() }, 30) / 10.0;
        let operations = crate::plan::cost::cost(&schedule, capacity as usize).operations as f64;
        println!("{t}: {:.2} ms for a step, {:.1} GF", step * 1e3, operations / step / 1e9);
        each_step(&schedule);
    }
}
