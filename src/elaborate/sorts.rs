//! What arithmetic, comparisons and choices do with classes, conditions and whole numbers.

use super::context::Elaborator;
use super::values::{Sort, Tried};
use crate::circuit::{Gate, Kind, gates};
use crate::diagnostic::{Diagnostic, Span, codes};

impl Elaborator<'_> {
    /// The sort of `a op b`.
    pub fn binary_sort(&mut self, gate: Gate, a: (Sort, Span), b: (Sort, Span)) -> Tried<Sort> {
        if gate == gates::AND || gate == gates::OR {
            for (sort, span) in [a, b] {
                if sort != Sort::Boolean {
                    return self.error(
                        codes::EXPECTED_BOOLEAN,
                        "`and` and `or` join conditions",
                        span,
                        "a number",
                    );
                }
            }
            return Ok(Sort::Boolean);
        }
        if gate == gates::EQ || gate == gates::NE {
            return self.equality_sort(a, b);
        }
        if gate == gates::LT || gate == gates::LE {
            self.check_arithmetic(&[a, b], "a comparison of size")?;
            return Ok(Sort::Boolean);
        }
        self.arithmetic_sort(&[a, b], gate)
    }

    /// `==` and `!=` take everything that is alike: a class may meet an index or a number of its range.
    fn equality_sort(&mut self, a: (Sort, Span), b: (Sort, Span)) -> Tried<Sort> {
        if let (Sort::Class(m), Sort::Class(n)) = (a.0, b.0)
            && m != n
        {
            let message = format!("a class of {m} cases is compared with one of {n}");
            let diagnostic = Diagnostic::error(codes::CLASS_RANGE, message)
                .at(a.1, format!("{m} cases"))
                .at(b.1, format!("{n} cases"))
                .help("both sides should have the same number of cases");
            return self.report(diagnostic);
        }
        for (one, other) in [(a, b), (b, a)] {
            if let (Sort::Class(_), Sort::Real | Sort::Boolean) = (one.0, other.0) {
                let diagnostic =
                    Diagnostic::error(codes::CLASS_ARITHMETIC, "a class is compared with what is not one")
                        .at(one.1, "a class")
                        .at(other.1, "neither a class nor a whole number");
                return self.report(diagnostic);
            }
        }
        Ok(Sort::Boolean)
    }

    /// The sort of a gate that computes numbers.
    pub fn arithmetic_sort(&mut self, args: &[(Sort, Span)], gate: Gate) -> Tried<Sort> {
        if matches!(gate.row().name, "stop" | "same") {
            return Ok(args[0].0);
        }
        self.check_arithmetic(args, "arithmetic")?;
        let ranges: Option<Vec<Option<(i64, i64)>>> = args
            .iter()
            .map(|(sort, _)| match sort {
                Sort::Integer(range) => Some(*range),
                _ => None,
            })
            .collect();
        let whole = gate.row().result != Some(Kind::Real);
        Ok(match ranges {
            Some(ranges) if whole => {
                let known: Option<Vec<(i64, i64)>> = ranges.into_iter().collect();
                Sort::Integer(known.and_then(|known| interval(gate, &known)))
            }
            _ => Sort::Real,
        })
    }

    /// Refuses classes, and conditions outside metrics.
    fn check_arithmetic(&mut self, args: &[(Sort, Span)], what: &str) -> Tried<()> {
        for &(sort, span) in args {
            let text = self.written(span);
            match sort {
                Sort::Class(_) => {
                    let message = format!("`{text}` is a class: {what} on it has no meaning");
                    let diagnostic = Diagnostic::error(codes::CLASS_ARITHMETIC, message)
                        .at(span, "a class")
                        .help("a class can be compared by `==`, used as an index, and passed on");
                    return self.report(diagnostic);
                }
                Sort::Boolean if !self.in_metric => {
                    let message = format!("`{text}` is a condition: {what} on it has no meaning here");
                    let diagnostic = Diagnostic::error(codes::CONDITION_ARITHMETIC, message)
                        .at(span, "a condition")
                        .help(format!("write `if {text} then 1 else 0`"));
                    return self.report(diagnostic);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The sort of two values of which one is taken.
    pub fn common_sort(&mut self, a: Sort, b: Sort, span: Span) -> Tried<Sort> {
        let within = |range: Option<(i64, i64)>, cases: u32| {
            range.is_some_and(|(low, high)| low >= 0 && high < i64::from(cases))
        };
        Ok(match (a, b) {
            (a, b) if a == b => a,
            (Sort::Integer(p), Sort::Integer(q)) => {
                Sort::Integer(p.zip(q).map(|((a, b), (c, d))| (a.min(c), b.max(d))))
            }
            (Sort::Class(cases), Sort::Integer(range)) | (Sort::Integer(range), Sort::Class(cases))
                if within(range, cases) =>
            {
                Sort::Class(cases)
            }
            (Sort::Class(_), _) | (_, Sort::Class(_)) => {
                let message = "one of two values is a class, the other is not one of its kind";
                return self.error(codes::CLASS_ARITHMETIC, message, span, "not of the same kind");
            }
            (Sort::Boolean, _) | (_, Sort::Boolean) => {
                let message = "one of two values is a condition, the other a number";
                return self.error(codes::CONDITION_ARITHMETIC, message, span, "not of the same kind");
            }
            _ => Sort::Real,
        })
    }
}

/// The least and largest result of a gate on whole numbers of known ranges; `None` where that is not known.
fn interval(gate: Gate, ranges: &[(i64, i64)]) -> Option<(i64, i64)> {
    let (a, b) = ranges[0];
    let Some(&(c, d)) = ranges.get(1) else {
        return match gate.row().name {
            "neg" => Some((-b, -a)),
            _ => None,
        };
    };
    let of = |corners: [Option<i64>; 4]| -> Option<(i64, i64)> {
        let corners: Vec<i64> = corners.into_iter().collect::<Option<_>>()?;
        Some((*corners.iter().min()?, *corners.iter().max()?))
    };
    match gate.row().name {
        "add" => Some((a.checked_add(c)?, b.checked_add(d)?)),
        "sub" => Some((a.checked_sub(d)?, b.checked_sub(c)?)),
        "mul" => of([a.checked_mul(c), a.checked_mul(d), b.checked_mul(c), b.checked_mul(d)]),
        "max" => Some((a.max(c), b.max(d))),
        "min" => Some((a.min(c), b.min(d))),
        "int_div" if c > 0 => {
            of([a.div_euclid(c), a.div_euclid(d), b.div_euclid(c), b.div_euclid(d)].map(Some))
        }
        "mod" if c > 0 => Some(if a >= 0 { (0, b.min(d - 1)) } else { (0, d - 1) }),
        _ => None,
    }
}
