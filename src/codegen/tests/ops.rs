//! Every operation.

use super::*;
use crate::circuit::gates;
use Extent::Fixed;

/// `out[j] = op(in0[j], in1[j], ..)` over `extent` elements.
fn pointwise(op: &dyn Fn(Var) -> Op, arity: usize, extent: u32) -> Schedule {
    let mut d = Draft::new(1);
    let out = d.buffer(Region::Gradients, false, &[extent]);
    let inputs: Vec<BufferId> = (0..arity).map(|_| d.buffer(Region::Params, false, &[extent])).collect();
    let (j, mut body) = (d.var(), vec![]);
    let args: Vec<Reg> = inputs.iter().map(|&input| d.load(&mut body, at(input, 0, &[(j, 1)]))).collect();
    let value = d.compute(&mut body, op(j), &args);
    body.push(Stmt::Store { at: at(out, 0, &[(j, 1)]), value });
    d.nest(vec![for_loop(j, Fixed(extent), Hint::Vector, body)]);
    d.schedule
}

#[test]
fn every_gate_at_every_tail() {
    for gate in Gate::all() {
        for extent in [1, 2, 3, 4, 7, 96] {
            let schedule = pointwise(&|_| Op::Gate(gate), gate.row().arity, extent);
            check(&schedule, 1, u64::from(extent), Random::extreme);
        }
    }
}

/// Booleans read back by the gates that take them.
#[test]
fn conditions_passed_from_gate_to_gate() {
    let mut d = Draft::new(1);
    let [out, x, y] = [Region::Gradients, Region::Params, Region::States].map(|r| d.buffer(r, false, &[200]));
    let (j, mut body) = (d.var(), vec![]);
    let named = |name| Gate::named(name).expect("a gate of the table");
    let x = d.load(&mut body, at(x, 0, &[(j, 1)]));
    let y = d.load(&mut body, at(y, 0, &[(j, 1)]));
    let less = d.gate(&mut body, named("lt"), &[x, y]);
    let equal = d.gate(&mut body, named("eq"), &[x, y]);
    let either = d.gate(&mut body, named("or"), &[less, equal]);
    let neither = d.gate(&mut body, named("not"), &[either]);
    let chosen = d.gate(&mut body, named("select"), &[neither, x, y]);
    let counted = d.gate(&mut body, named("add"), &[chosen, less]);
    let loose = d.gate(&mut body, named("select"), &[x, counted, either]);
    body.push(Stmt::Store { at: at(out, 0, &[(j, 1)]), value: loose });
    d.nest(vec![for_loop(j, Fixed(200), Hint::Vector, body)]);
    check(&d.schedule, 1, 5, Random::extreme);
}

#[test]
fn numbers_and_indices() {
    for extent in 1..10 {
        check(&pointwise(&|_| Op::Number(-0.1), 0, extent), 1, 1, Random::number);
        check(&pointwise(&|j| Op::Index(linear(7, &[(j, -3)])), 0, extent), 1, 1, Random::number);
        check(&pointwise(&|_| Op::Index(linear(1 << 25 | 1, &[])), 0, extent), 1, 1, Random::number);
        check(&pointwise(&|_| Op::BatchSize, 0, extent), 1, 1, Random::number);
    }
}

/// A scalar of the step and draws, shared and per example, over several steps with a short last batch.
#[test]
fn records_and_draws() {
    for (rows, extent) in [(1, 1), (3, 5), (11, 6), (12, 9)] {
        let mut d = Draft::new(4);
        d.schedule.scalars = vec![StepScalar { phase: 0, value: crate::circuit::ValueId(0) }; 2];
        d.schedule.draws = vec![77, 99];
        let out = d.buffer(Region::Output(0), true, &[extent]);
        let log = d.buffer(Region::Log, false, &[2]);
        let (b, j, mut body) = (d.var(), d.var(), vec![]);
        let scalar = d.compute(&mut body, Op::Scalar(1), &[]);
        let element = linear(3, &[(b, 100), (j, 2)]);
        let shared = d.compute(&mut body, Op::Draw { site: 0, element, example: None }, &[]);
        let own = Op::Draw { site: 1, element: linear(0, &[(j, 1)]), example: Some(b) };
        let own = d.compute(&mut body, own, &[]);
        let sum = d.gate(&mut body, crate::circuit::gates::ADD, &[shared, own]);
        let product = d.gate(&mut body, crate::circuit::gates::MUL, &[sum, scalar]);
        body.push(Stmt::Store { at: at(out, 0, &[(b, i64::from(extent)), (j, 1)]), value: product });
        let inner = for_loop(j, Fixed(extent), Hint::Vector, body);
        let mut top = vec![for_loop(b, Extent::Batch, Hint::Plain, vec![inner])];
        let n = d.compute(&mut top, Op::BatchSize, &[]);
        top.push(Stmt::Store { at: at(log, 1, &[]), value: n });
        let first = d.compute(&mut top, Op::Scalar(0), &[]);
        top.push(Stmt::Store { at: at(log, 0, &[]), value: first });
        d.nest(top);
        check(&d.schedule, rows, 3, Random::number);
    }
}

/// A draw for each example alone: the examples lie in the lanes.
#[test]
fn draws_with_examples_in_lanes() {
    for rows in 1..14 {
        let mut d = Draft::new(9);
        d.schedule.draws = vec![5];
        let out = d.buffer(Region::Output(0), true, &[]);
        let (b, mut body) = (d.var(), vec![]);
        let drawn = Op::Draw { site: 0, element: linear(2, &[]), example: Some(b) };
        let value = d.compute(&mut body, drawn, &[]);
        body.push(Stmt::Store { at: at(out, 0, &[(b, 1)]), value });
        d.nest(vec![for_loop(b, Extent::Batch, Hint::Vector, body)]);
        check(&d.schedule, rows, 3, Random::number);
    }
}

/// On a processor without fused multiply-add the same bits come out, more slowly.
#[test]
fn without_fused_multiply_add() {
    for name in ["exp", "tanh", "log", "sin", "floor", "ceil"] {
        let gate = Gate::named(name).expect("a gate of the table");
        let schedule = pointwise(&|_| Op::Gate(gate), gate.row().arity, 61);
        let case = Case::<f32>::new(&schedule, 1, 8, Random::extreme);
        let found = case.native(Options { without_fma: true, ..checked() });
        compare(&case, &case.interpreted(), &found, name);
    }
}

/// More numbers at once than there are registers, each read for the last time beside one that was put away.
#[test]
fn more_numbers_than_registers() {
    for seed in 0..20 {
        let (mut draft, mut random) = (Draft::new(4), Random(seed));
        let a = draft.buffer(Region::Params, false, &[70, 20]);
        let y = draft.buffer(Region::Gradients, false, &[70, 20]);
        let i = draft.var();
        let mut body = vec![];
        let mut known: Vec<Reg> = (0..70).map(|k| draft.load(&mut body, at(a, 20 * k, &[(i, 1)]))).collect();
        for _ in 0..100 {
            let last = known.swap_remove(random.below(known.len()));
            let first = known[random.below(known.len())];
            let gate = [gates::SUB, gates::LT, gates::MIN][random.below(3)];
            known.push(draft.gate(&mut body, gate, &[first, last]));
        }
        for (k, &value) in known.iter().enumerate() {
            body.push(Stmt::Store { at: at(y, 20 * k as i64, &[(i, 1)]), value });
        }
        draft.nest(vec![for_loop(i, Extent::Fixed(20), Hint::Vector, body)]);
        check(&draft.schedule, 4, seed, Random::number);
    }
}
