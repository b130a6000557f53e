use super::affine::AffineForm;
use super::context::Elaborator;
use super::program::from_text;
use super::statics::{Number, Ratio};
use crate::circuit::draw::site;

fn number(text: &str) -> Number {
    Number::literal(text.parse().expect("a number"), text)
}

#[test]
fn decimals_are_exact() {
    assert_eq!(Ratio::parse("0.5"), Ratio::new(1, 2));
    assert_eq!(Ratio::parse("1e-3"), Ratio::new(1, 1000));
    assert_eq!(Ratio::parse("12.50"), Ratio::new(25, 2));
    assert_eq!(Ratio::parse("2e3"), Ratio::new(2000, 1));
    assert_eq!(Ratio::parse("1e99"), None, "too long to be exact");
    assert_eq!(number("1").minus(number("0.1")).value, 0.9);
    assert_eq!(number("0.1").plus(number("0.2")).value, 0.3);
    assert_eq!(Number::percent(0.07, "7%").exact, Ratio::new(7, 100));
}

#[test]
fn static_arithmetic_keeps_whole_numbers_whole() {
    let cases = [
        (number("130").over(number("4")), None),
        (number("128").over(number("4")), Some(32)),
        (number("7").int_div(number("2")), Some(3)),
        (number("7").negated().int_div(number("2")), Some(-4)),
        (number("7").negated().modulo(number("4")), Some(1)),
        (number("2").power(number("10")), Some(1024)),
        (number("0.5").power(number("2").negated()), Some(4)),
        (number("1e-1").times(number("10")), Some(1)),
        (Number::real(2.0).plus(number("1")), None),
    ];
    for (found, expected) in cases {
        assert_eq!(found.as_integer(), expected, "{found}");
    }
    assert_eq!(number("2").power(number("0.5")).value, 2f64.sqrt());
}

#[test]
fn overflow_loses_exactness_and_nothing_else() {
    let large = number("1e30");
    let product = large.times(large);
    assert_eq!((product.exact, product.value), (None, 1e30 * 1e30));
    assert_eq!(Ratio::new(1, 0), None);
    assert_eq!(Ratio::new(0, 5), Some(Ratio::whole(0)));
}

/// The proof by extremes agrees with trying every position.
#[test]
fn a_read_is_outside_exactly_where_some_position_is() {
    let program = from_text("none.nn", "").expect("an empty program");
    let mut elaborator = Elaborator::new(&program, true);
    let mut state = 1u64;
    let mut random = |below: i64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as i64 % below
    };
    let mut seen = [0, 0];
    for _ in 0..3000 {
        let vars: Vec<_> = (0..2).map(|_| elaborator.new_var("i", random(5) as u32 + 1)).collect();
        let mut form = AffineForm::constant(Number::whole(random(9) - 3));
        for &var in &vars {
            form = form.plus(&AffineForm::var(var).scaled(Number::whole(random(7) - 3)));
        }
        let form = form.scaled(Number::whole(1).over(Number::whole(random(3) + 1)));
        let extent = random(12) as u32 + 1;
        let coordinate = form.coordinate(&vars, 0).expect("small and exact");
        let extents = elaborator.extents(&vars);
        let positions = (0..extents[0]).flat_map(|i| (0..extents[1]).map(move |j| [i, j]));
        let inside = |at: &[u32]| coordinate.at(at).is_some_and(|e| (0..i64::from(extent)).contains(&e));
        let broken = positions.clone().any(|at| !inside(&at));
        let found = elaborator.outside(&coordinate, &vars, extent);
        assert_eq!(found.is_some(), broken, "{coordinate:?} over {extents:?} in 0..{extent}");
        seen[usize::from(broken)] += 1;
        if let Some(outside) = found {
            let mut at = [0, 0];
            for (var, value) in outside.at {
                at[vars.iter().position(|&v| v == var).expect("one of them")] = value;
            }
            assert!(!inside(&at), "{coordinate:?} at {at:?} is shown as outside of 0..{extent}");
        }
    }
    assert!(seen.iter().all(|&count| count > 200), "{seen:?}");
}

#[test]
fn draw_sites_are_the_published_hash() {
    // Test vectors of FNV-1a with 64 bits, from the draft.
    assert_eq!(site(""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(site("a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(site("foobar"), 0x8594_4171_f739_67e8);
}
