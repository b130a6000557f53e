//! Contractions, scatters, whole schedules in one function and in many, and the text of the code.

use super::*;
use crate::circuit::gates;
use Extent::{Batch, Fixed};

pub fn axis(extent: Extent, a: i64, b: i64, out: i64) -> ContractAxis {
    ContractAxis { extent, a, b, out }
}

/// `z = x W`, `h = tanh(z)`, `W_bar = mean[batch] x h`, `W -= 0.1 W_bar`: a whole small step.
pub fn small_net(batch: u32, inputs: u32, units: u32) -> Schedule {
    let mut d = Draft::new(batch);
    let (m, k) = (i64::from(units), i64::from(inputs));
    let x = d.buffer(Region::Input(0), true, &[inputs]);
    let w = d.buffer(Region::Params, false, &[inputs, units]);
    let w_bar = d.buffer(Region::Gradients, false, &[inputs, units]);
    let z = d.buffer(Region::Arena, true, &[units]);
    let out = d.buffer(Region::Output(0), true, &[units]);
    let operand = |buffer| Address { buffer, at: Linear::default() };
    let contract = |axes: [ContractAxis; 3], buffers: [BufferId; 3], mean| {
        Step::Contract(Contract {
            what: "a product".to_string(),
            why: String::new(),
            batch: vec![],
            m: vec![axes[0]],
            n: vec![axes[1]],
            k: vec![axes[2]],
            a: operand(buffers[0]),
            b: operand(buffers[1]),
            out: operand(buffers[2]),
            k_block: 512,
            mean,
        })
    };
    let forward = [axis(Batch, k, 0, m), axis(Fixed(units), 0, 1, 1), axis(Fixed(inputs), 1, m, 0)];
    d.schedule.steps.push(contract(forward, [x, w, z], false));

    let (b, j, mut body) = (d.var(), d.var(), vec![]);
    let value = d.load(&mut body, at(z, 0, &[(b, m), (j, 1)]));
    let value = d.gate(&mut body, Gate::named("tanh").expect("a gate"), &[value]);
    body.push(Stmt::Store { at: at(out, 0, &[(b, m), (j, 1)]), value });
    d.nest(vec![for_loop(b, Batch, Hint::Plain, vec![for_loop(j, Fixed(units), Hint::Vector, body)])]);

    let backward = [axis(Fixed(inputs), 1, 0, m), axis(Fixed(units), 0, 1, 1), axis(Batch, k, m, 0)];
    d.schedule.steps.push(contract(backward, [x, out, w_bar], true));

    let (j, mut body) = (d.var(), vec![]);
    let before = d.load(&mut body, at(w, 0, &[(j, 1)]));
    let slope = d.load(&mut body, at(w_bar, 0, &[(j, 1)]));
    let rate = d.compute(&mut body, Op::Number(0.1), &[]);
    let step = d.gate(&mut body, gates::MUL, &[rate, slope]);
    let value = d.gate(&mut body, gates::SUB, &[before, step]);
    body.push(Stmt::Store { at: at(w, 0, &[(j, 1)]), value });
    d.nest(vec![for_loop(j, Fixed(inputs * units), Hint::Vector, body)]);
    d.schedule
}

/// A contraction of plain arrays; `batch`: which of m, n and k is the example (0, 1, 2), if one is; operands lie as
/// `layout` says, each as it is or transposed.
pub fn small_product(extents: [u32; 3], batch: Option<usize>, layout: usize) -> Schedule {
    let mut d = Draft::new(extents[batch.unwrap_or(0)]);
    let mut inputs = 0;
    // The dimensions of an operand that has axes `x` and `y`, and the strides of those.
    let mut array = |x: usize, y: usize, turned: bool, out: bool| {
        let (first, second) = if turned { (y, x) } else { (x, y) };
        let (first, second) = if batch == Some(second) { (second, first) } else { (first, second) };
        let per_example = batch == Some(first);
        let dims = if per_example { vec![extents[second]] } else { vec![extents[first], extents[second]] };
        let region = match (out, per_example) {
            (true, true) => Region::Output(0),
            (true, false) => Region::Gradients,
            (false, true) => {
                inputs += 1;
                Region::Input(inputs - 1)
            }
            (false, false) => Region::Params,
        };
        let stride = |axis| if axis == first { i64::from(extents[second]) } else { 1 };
        (d.buffer(region, per_example, &dims), [stride(x), stride(y)])
    };
    let (a, [am, ak]) = array(0, 2, layout & 1 != 0, false);
    let (b, [bn, bk]) = array(1, 2, layout & 2 != 0, false);
    let (out, [om, on]) = array(0, 1, layout & 4 != 0, true);
    let extent = |axis: usize| if batch == Some(axis) { Batch } else { Fixed(extents[axis]) };
    let operand = |buffer| Address { buffer, at: Linear::default() };
    d.schedule.steps.push(Step::Contract(Contract {
        what: "a product".to_string(),
        why: String::new(),
        batch: vec![],
        m: vec![axis(extent(0), am, 0, om)],
        n: vec![axis(extent(1), 0, bn, on)],
        k: vec![axis(extent(2), ak, bk, 0)],
        a: operand(a),
        b: operand(b),
        out: operand(out),
        k_block: 512,
        mean: batch == Some(2),
    }));
    d.schedule
}

/// Small contractions are emitted in place, however their operands lie.
#[test]
fn products_in_place() {
    for extents in [[1, 1, 1], [4, 8, 2], [6, 5, 3], [3, 7, 11], [9, 1, 20], [1, 10, 4]] {
        for batch in [None, Some(0), Some(1), Some(2)] {
            for layout in 0..8 {
                let schedule = small_product(extents, batch, layout);
                let Step::Contract(contract) = &schedule.steps[0] else { panic!("a contraction") };
                assert!(product::in_place(contract, schedule.capacity));
                for rows in 1..=extents[batch.unwrap_or(0)] as usize {
                    let case = Case::<f32>::new(&schedule, rows, 4, Random::number);
                    compare(&case, &case.interpreted(), &case.native(checked()), "in place");
                }
            }
        }
    }
}

#[test]
fn a_small_net_over_many_steps() {
    for (batch, inputs, units) in [(4, 2, 8), (3, 5, 7), (16, 33, 20)] {
        for rows in [1, 4, 30, 100] {
            check(&small_net(batch, inputs, units), rows, 6, Random::number);
        }
    }
}

/// More steps than one function holds.
#[test]
fn a_long_schedule() {
    let mut schedule = small_net(4, 3, 5);
    let steps = schedule.steps.clone();
    let weight = |step: &Step| if let Step::Nest(nest) = step { nest_weight(nest) } else { 0 };
    while schedule.steps.iter().map(weight).sum::<usize>() <= WHOLE {
        schedule.steps.extend(steps.clone());
    }
    let module = compile(&schedule, Options { listing: true, width: Width::Narrow, ..checked() })
        .expect("it compiles");
    assert!(module.clif().matches("; step").count() == schedule.steps.len(), "{}", module.clif());
    check(&schedule, 10, 6, Random::number);
}

#[test]
fn scatters() {
    let index = |random: &mut Random| random.below(9) as f32 - 1.0;
    for (mean, row) in [(false, 1), (true, 3)] {
        let mut d = Draft::new(5);
        let index_of = d.buffer(Region::Input(0), true, &[2]);
        let value = d.buffer(Region::Input(1), true, &[2, row]);
        let out = d.buffer(Region::Gradients, false, &[7, row]);
        let what = "rows of a table".to_string();
        d.schedule.steps.push(Step::Scatter(Scatter { what, index: index_of, value, out, row, mean }));
        for rows in [1, 5, 12] {
            check(&d.schedule, rows, 3, index);
        }
    }
}

#[test]
fn the_text_of_the_code_names_what_it_computes() {
    let module = compile(&small_net(4, 2, 8), Options { listing: true, ..checked() }).expect("it compiles");
    assert!(module.clif().contains("a product"));
    assert!(module.asm().lines().count() > 50);
}

/// The nests of small nets have a form in wide vectors, where the machine has those.
#[test]
fn wide_nests() {
    for options in wide() {
        let module = compile(&small_net(4, 2, 8), Options { listing: true, ..options }).expect("it compiles");
        assert_eq!(module.asm().matches("; wide").count(), 2, "{}", module.asm());
    }
}

/// Threads share the nests of a net.
#[test]
fn shared_nests() {
    let body = |schedule: &Schedule| {
        let nest = |step: &Step| if let Step::Nest(nest) = step { Some(nest.body.clone()) } else { None };
        schedule.steps.iter().filter_map(nest).collect::<Vec<_>>()
    };
    let schedule = small_net(16, 33, 20);
    let bodies = body(&schedule);
    let accesses = vectorise::accesses(&schedule);
    let shared = bodies.iter().filter(|body| {
        let private = vectorise::private(&schedule, &accesses, body);
        super::wide::Sharing::of(&schedule, Instructions::Avx2, &private, body).is_some()
    });
    assert_eq!(shared.count(), bodies.len());
}

/// Recurrences in native code.
#[test]
fn recurrences() {
    for (_, schedule) in crate::plan::tests::recurrences::schedules() {
        for rows in [1, 5, 13] {
            check(&schedule, rows, 3, Random::number);
        }
    }
}
