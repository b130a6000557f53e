use super::*;

/// Written back with every parenthesis, to show how a formula was read.
fn show(formula: &Formula) -> String {
    match formula {
        Formula::Number(number) => number.to_string(),
        Formula::Variable(name) => name.clone(),
        Formula::Absent => "absent".into(),
        Formula::Gate(gate, args) => {
            let args: Vec<String> = args.iter().map(show).collect();
            format!("{}({})", gate.row().name, args.join(", "))
        }
    }
}

fn read_as(text: &str, expected: &str) {
    assert_eq!(show(&Formula::of(text)), expected, "{text}");
}

#[test]
fn precedence_is_that_of_the_language() {
    read_as("a + b * c - d", "sub(add(a, mul(b, c)), d)");
    read_as("-a ^ 2", "neg(pow(a, 2))");
    read_as("a ^ -b ^ c", "pow(a, neg(pow(b, c)))");
    read_as("-a * b", "mul(neg(a), b)");
    read_as("a / b / c", "div(div(a, b), c)");
    read_as("a div b mod c", "mod(int_div(a, b), c)");
    read_as("not a == b and c or d", "or(and(not(eq(a, b)), c), d)");
    read_as(
        "if a >= b then g else if a > c then 0 else absent",
        "select(le(b, a), g, select(lt(c, a), 0, absent))",
    );
    read_as("max(a, -1.5e-3) * (a + exp(b))", "mul(max(a, -0.0015), add(a, exp(b)))");
    read_as("2 / sqrt(pi)", "div(2, sqrt(3.141592653589793))");
    read_as("x_1 * inf", "mul(x_1, inf)");
}

#[test]
fn what_is_no_formula_is_refused() {
    let bad = [
        "",
        "a +",
        "a b",
        "(a",
        "a)",
        "1.2.3",
        "exp(a, b)",
        "nothing(a)",
        "a < b < c",
        "if a then b",
        "a ? b",
        "then",
        "max(a)",
        "a == ",
        "* a",
    ];
    for text in bad {
        assert!(Formula::parse(text).is_err(), "{text}");
    }
}

/// Operands, the value and the cotangent by their names in a row of the table.
fn environment<'a>(x: &'a [f64], y: f64, g: f64) -> impl Fn(&str) -> f64 + 'a {
    move |name| match name {
        "y" => y,
        "g" => g,
        _ => x[["a", "b", "c"].iter().position(|&operand| operand == name).expect("a, b, c, y or g")],
    }
}

fn share(gate: Gate, operand: usize, x: &[f64], g: f64) -> f64 {
    let y = (gate.row().value)(x);
    vjp(gate)[operand].as_ref().map_or(0.0, |formula| formula.value(&environment(x, y, g)))
}

#[test]
fn every_vjp_is_over_operands_value_and_cotangent() {
    for gate in Gate::all() {
        let row = gate.row();
        assert_eq!(vjp(gate).len(), row.arity, "{gate:?}");
        for formula in vjp(gate).iter().flatten() {
            let known = &["a", "b", "c"][..row.arity];
            let mut uses_g = false;
            formula.for_each_variable(&mut |name| {
                assert!(known.contains(&name) || name == "y" || name == "g", "{gate:?}: {name}");
                uses_g |= name == "g";
            });
            assert!(uses_g, "{gate:?}: a share of the cotangent has the cotangent in it");
        }
    }
}

/// A small generator: the points are the same in every run.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

/// The derivative by extrapolated central differences, with its own estimate of how far it is off; that is not
/// small at a jump or a kink.
fn difference(f: impl Fn(f64) -> f64, x: f64) -> (f64, f64) {
    let central = |h: f64| (f(x + h) - f(x - h)) / (2.0 * h);
    let (wide, narrow) = (central(2e-4), central(1e-4));
    let better = narrow + (narrow - wide) / 3.0;
    (better, (wide - narrow).abs())
}

#[test]
fn every_vjp_is_the_derivative() {
    // `stop` has no derivative by design, whatever differences say.
    for gate in Gate::all().filter(|gate| gate.row().name != "stop") {
        let row = gate.row();
        let mut state = 1;
        let mut compared = 0;
        for _ in 0..400 {
            // From 1/2 to 3 on either side: steps nearer to each other than the differences are wide, as those
            // of a / b rounded near b = 0 are, could pass for a slope.
            let mut operand = || (0.5 + 2.5 * uniform(&mut state)) * (uniform(&mut state) - 0.5).signum();
            let x: Vec<f64> = (0..row.arity).map(|_| operand()).collect();
            let g = uniform(&mut state) * 4.0 - 2.0;
            for operand in 0..row.arity {
                let value = |t: f64| {
                    let mut x = x.clone();
                    x[operand] = t;
                    (row.value)(&x)
                };
                let (slope, doubt) = difference(value, x[operand]);
                // Outside the domain (log of a negative number), or across a jump or kink.
                if !slope.is_finite() || doubt > 1e-4 * (1.0 + slope.abs()) {
                    continue;
                }
                let got = share(gate, operand, &x, g);
                let close = (got - g * slope).abs() <= 1e-6 * (1.0 + slope.abs());
                assert!(close, "{gate:?} by operand {operand} at {x:?}: {got} instead of {}", g * slope);
                compared += 1;
            }
        }
        assert!(compared >= 90 * row.arity, "{gate:?}: {compared} points were smooth");
    }
}

#[test]
fn kinks_do_what_is_documented() {
    let max = Gate::named("max").unwrap();
    let min = Gate::named("min").unwrap();
    for tie in [max, min] {
        assert_eq!([share(tie, 0, &[2.0, 2.0], 3.0), share(tie, 1, &[2.0, 2.0], 3.0)], [3.0, 0.0]);
    }
    assert_eq!(share(max, 1, &[0.0, 0.0], 1.0), 0.0, "relu(x) = max(0, x) has slope 0 at 0");
    assert_eq!(share(Gate::named("abs").unwrap(), 0, &[0.0], 1.0), 0.0);

    // The branch not taken contributes exactly nothing, whatever the cotangent there.
    let select = gates::SELECT;
    assert_eq!(share(select, 2, &[1.0, 5.0, 6.0], f64::NAN), 0.0);
    assert_eq!(share(select, 1, &[0.0, 5.0, 6.0], f64::INFINITY), 0.0);

    // 0^0 = 1 whatever the base, and a base that is not positive has no slope in the exponent.
    let pow = gates::POW;
    assert_eq!(share(pow, 0, &[0.0, 0.0], 1.0), 0.0);
    assert_eq!(share(pow, 0, &[0.0, 2.0], 1.0), 0.0);
    assert_eq!(share(pow, 1, &[0.0, 2.0], 1.0), 0.0);
    assert_eq!(share(pow, 1, &[-2.0, 2.0], 1.0), 0.0);
    assert_eq!(share(pow, 0, &[-2.0, 3.0], 1.0), 12.0);
}
