use super::uniform;
use crate::circuit::draw;
use crate::circuit::gates::Gate;
use crate::circuit::machine::program;
use crate::circuit::machine::subnormal::{Flushing, flushed};
use crate::circuit::samples::{magnitudes, samples};
use std::f32::consts::FRAC_PI_2;

/// Floats of every order of magnitude, both signs: one in 2000 of all that there are.
fn sweep() -> Vec<f32> {
    (0..=u32::MAX).step_by(1999).map(f32::from_bits).chain(samples()).collect()
}

/// The distance of a result from the true value, in units of its last place in f32. What is below the normal range, or
/// so near that it may have been on the way, may be 0.
fn ulps(got: f32, truth: f64) -> f64 {
    let [got, rounded] = [got, truth as f32].map(flushed);
    if got == rounded || got.is_nan() && truth.is_nan() {
        return 0.0;
    }
    if got == 0.0 && truth.abs() < 4.0 * f64::from(f32::MIN_POSITIVE) {
        return 0.0;
    }
    let exponent = (truth.abs().to_bits() >> 52) as i32 - 1023;
    (f64::from(got) - truth).abs() / 2f64.powi(exponent.max(-126) - 23)
}

fn gate(name: &str) -> Gate {
    Gate::named(name).expect("a gate of the table")
}

/// Evaluates a gate over slices, as wherever programs run.
fn run(name: &str, args: &[&[f32]]) -> Vec<f32> {
    let _flushing = Flushing::begin();
    let mut out = vec![0.0; args[0].len()];
    program(gate(name)).run(args, &mut out);
    out
}

/// Holds a gate to the accuracy that its row states.
fn check(name: &str, args: &[&[f32]]) {
    let row = gate(name).row();
    let mut worst = (0.0, 0);
    for (k, &got) in run(name, args).iter().enumerate() {
        let operands: Vec<f64> = args.iter().map(|arg| f64::from(flushed(arg[k]))).collect();
        let error = ulps(got, (row.value)(&operands));
        let bound = f64::from(row.ulps);
        assert!(error <= bound, "{name} of {operands:?}: {got:e}, off by {error} ulp, not {bound}");
        if error > worst.0 {
            worst = (error, k);
        }
    }
    let operands: Vec<f32> = args.iter().map(|arg| arg[worst.1]).collect();
    println!("{name}: {:.3} ulp at {operands:?}", worst.0);
}

/// Every pair.
fn pairs(a: &[f32], b: &[f32]) -> (Vec<f32>, Vec<f32>) {
    a.iter().flat_map(|&a| b.iter().map(move |&b| (a, b))).unzip()
}

#[test]
fn one_operand_is_as_accurate_as_stated() {
    let all = sweep();
    for gate in Gate::all().filter(|gate| gate.row().arity == 1) {
        let name = gate.row().name;
        let within: Vec<f32> = match name {
            "sin" | "cos" => all.iter().copied().filter(|x| !(x.abs() > 1e5 && x.is_finite())).collect(),
            _ => all.clone(),
        };
        check(name, &[&within]);
    }
}

#[test]
fn two_operands_are_as_accurate_as_stated() {
    let few = samples();
    let (a, b) = pairs(&few, &few);
    for gate in Gate::all().filter(|gate| gate.row().arity == 2) {
        match gate.row().name {
            "int_div" | "mod" => {} // of whole numbers, below
            name => check(name, &[&a, &b]),
        }
    }
}

#[test]
fn whole_numbers_divide_exactly() {
    let whole: Vec<f32> = magnitudes(300, 0..24).iter().map(|x| x.floor()).flat_map(|x| [x, -x]).collect();
    let (a, b) = pairs(&whole, &whole);
    check("int_div", &[&a, &b]);
    check("mod", &[&a, &b]);
    assert_eq!(run("mod", &[&[-7.0, 7.0], &[3.0, -3.0]]), [2.0, -2.0]);
    assert_eq!(run("int_div", &[&[-7.0, 7.0], &[3.0, -3.0]]), [-3.0, -3.0]);
}

#[test]
fn pow_is_accurate_up_to_its_ends() {
    // Exponents that take each base to every order of magnitude, overflow and underflow included.
    let bases = [magnitudes(300, -126..127), magnitudes(300, -1..1), magnitudes(300, -1..0)].concat();
    let near_one = magnitudes(300, -22..-2).into_iter().flat_map(|x| [1.0 + x, 1.0 - x]);
    let bases: Vec<f32> = bases.into_iter().chain(near_one).collect();
    let shares: Vec<f32> = (-60..=60).map(|k| k as f32 * 2.5).collect();
    let (a, share) = pairs(&bases, &shares);
    let b: Vec<f32> = a.iter().zip(&share).map(|(a, share)| share / a.log2()).collect();
    check("pow", &[&a, &b]);
    let whole: Vec<f32> = b.iter().map(|b| b.round()).collect();
    let negative: Vec<f32> = a.iter().map(|a| -a).collect();
    check("pow", &[&negative, &whole]);
}

#[test]
fn select_takes_one_branch_only() {
    let got = run("select", &[&[1.0, 0.0, -2.0], &[5.0, f32::NAN, 5.0], &[f32::NAN, 6.0, f32::INFINITY]]);
    assert_eq!(got, [5.0, 6.0, 5.0]);
}

#[test]
fn extremes_are_kept() {
    let inf = f32::INFINITY;
    assert_eq!(run("exp", &[&[88.73, -104.0, -inf, inf]]), [inf, 0.0, 0.0, inf]);
    assert_eq!(run("log", &[&[0.0, inf]]), [-inf, inf]);
    assert_eq!(run("log1p", &[&[-1.0, inf, 1e-30]]), [-inf, inf, 1e-30]);
    assert_eq!(run("sigmoid", &[&[inf, -inf]]), [1.0, 0.0]);
    assert!(run("sigmoid", &[&[-80.0, -87.0]]).iter().all(|&y| y > 0.0));
    assert_eq!(run("tanh", &[&[inf, -inf, 1e-30, 1e-37]]), [1.0, -1.0, 1e-30, 1e-37]);
    assert_eq!(run("softplus", &[&[inf, -inf]]), [inf, 0.0]);
    assert_eq!(run("erf", &[&[inf, -inf, -0.0]]), [1.0, -1.0, 0.0]);
    assert_eq!(run("atan", &[&[inf, -inf, 1e-37]]), [FRAC_PI_2, -FRAC_PI_2, 1e-37]);
    for (name, x) in [("log", -1e-37), ("log1p", -1.0000001), ("sqrt", -1.0), ("sin", inf), ("cos", -inf)] {
        assert!(run(name, &[&[x]])[0].is_nan(), "{name} of {x}");
    }
}

#[test]
fn results_stay_within_their_bounds() {
    let all: Vec<f32> = sweep().into_iter().filter(|x| x.is_finite()).collect();
    for name in ["sin", "cos", "tanh", "erf"] {
        assert!(run(name, &[&all]).iter().all(|y| y.abs() <= 1.0), "{name}");
    }
    assert!(run("sigmoid", &[&all]).iter().all(|y| (0.0..=1.0).contains(y)));
    // Every number on the way to 1.
    for (name, from, to) in [("tanh", 7f32, 10f32), ("erf", 3.0, 4.0)] {
        let rise: Vec<f32> = (from.to_bits()..to.to_bits()).map(f32::from_bits).collect();
        assert!(run(name, &[&rise]).iter().all(|&y| y <= 1.0), "{name}");
    }
}

#[test]
fn far_out_sine_and_cosine_fade_gracefully() {
    let far: Vec<f32> = magnitudes(20_000, 16..22).iter().flat_map(|&x| [x, -x]).collect();
    for name in ["sin", "cos"] {
        for (x, y) in far.iter().zip(run(name, &[&far])) {
            let truth = (gate(name).row().value)(&[f64::from(*x)]);
            assert!((f64::from(y) - truth).abs() < 1e-5, "{name} of {x}: {y}, not {truth}");
        }
    }
}

#[test]
fn draws_are_those_of_the_definition() {
    let [low, high] = draw::key(3, 5, 7);
    let numbers = (0..2000u32).chain((0..2000u32).map(|k| k.wrapping_mul(0x9e37_79b1))).chain([u32::MAX]);
    for (example, element) in numbers.flat_map(|k| [(k, 0), (0, k), (k, k / 3)]) {
        let got = uniform().run1_bits(&[low, high, example, element]);
        assert_eq!(got, draw::uniform([low, high], example, element).to_bits(), "{example}, {element}");
    }
}

/// Values of the error function to 15 digits, from a table made in 40-digit arithmetic.
#[test]
fn error_function_in_f64_is_exact() {
    let table = [
        (1e-10, 1.1283791670955126e-10),
        (0.01, 0.011283415555849618),
        (0.5, 0.5204998778130465),
        (1.0, 0.8427007929497149),
        (2.0, 0.9953222650189527),
        (2.9990234375, 0.9999777731145508),
        (3.0, 0.9999779095030014),
        (3.5, 0.9999992569016276),
        (4.0, 0.9999999845827421),
        (6.0, 1.0),
    ];
    for (x, truth) in table {
        assert!((super::erf_f64(x) - truth).abs() <= 1e-15 * truth.abs(), "erf {x}");
        assert_eq!(super::erf_f64(-x), -super::erf_f64(x));
    }
}
