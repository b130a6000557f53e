use super::*;
use crate::circuit::samples::samples;

#[test]
fn programs_are_well_formed() {
    for gate in Gate::all() {
        let program = program(gate);
        let mut used = vec![false; program.ops.len()];
        used[program.result.index()] = true;
        for (k, op) in program.ops.iter().enumerate() {
            for (reg, lane) in op.operands() {
                assert!(reg.index() < k, "{gate:?}: {op:?} at {k} reads ahead");
                assert_eq!(program.ops[reg.index()].lane(), lane, "{gate:?}: operand of {op:?} at {k}");
                used[reg.index()] = true;
            }
        }
        assert_eq!(program.ops[program.result.index()].lane(), Lane::Float, "{gate:?}");
        let idle: Vec<&Op> =
            program.ops.iter().zip(&used).filter(|(_, used)| !**used).map(|(op, _)| op).collect();
        assert!(idle.is_empty(), "{gate:?}: nobody uses {idle:?}");
    }
}

#[test]
fn arithmetic_is_one_operation() {
    for (name, op) in [("add", Op::Add(Reg(0), Reg(1))), ("mul", Op::Mul(Reg(0), Reg(1)))] {
        let program = program(Gate::named(name).unwrap());
        assert_eq!(program.ops, [Op::Arg(0), Op::Arg(1), op]);
    }
}

#[test]
fn equal_operations_are_emitted_once() {
    let program = Program::build(1, |v| (v[0] * v[0] + 2.0) * (v[0] * v[0] + 2.0));
    assert_eq!(program.ops.len(), 5);
}

#[test]
fn fused_multiply_add_rounds_once() {
    let program = Program::build(2, |v| v[0].fma(v[1], -1.0));
    let (a, b) = (1.0 + f32::EPSILON, 1.0 - f32::EPSILON);
    assert_eq!(program.run1(&[a, b]), -f32::EPSILON * f32::EPSILON);
}

/// Blocks, their rest and single values give the same bits.
#[test]
fn slices_and_single_values_agree() {
    let xs = samples();
    assert!(!xs.len().is_multiple_of(64), "the last block is not full");
    for gate in Gate::all() {
        let program = program(gate);
        let shifted: Vec<Vec<f32>> = (0..program.arity)
            .map(|by| xs.iter().cycle().skip(by * 37).take(xs.len()).copied().collect())
            .collect();
        let args: Vec<&[f32]> = shifted.iter().map(|arg| &arg[..]).collect();
        let mut out = vec![0.0; xs.len()];
        program.run(&args, &mut out);
        for k in 0..xs.len() {
            let operands: Vec<f32> = args.iter().map(|arg| arg[k]).collect();
            let one = program.run1(&operands);
            assert!(
                one.to_bits() == out[k].to_bits() || one.is_nan() && out[k].is_nan(),
                "{gate:?} of {operands:?}"
            );
        }
    }
}
