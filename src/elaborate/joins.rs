//! `concat(a, b, ..)`: arrays one after another along their first axis.

use super::arrays::union_vars;
use super::context::Elaborator;
use super::values::{Array, Sort, Tried, Value, VarId};
use crate::circuit::view::Affine;
use crate::circuit::{F64, Shape, ValueId, View, gates};
use crate::diagnostic::{Diagnostic, Span, codes};
use crate::syntax::ast::Arg;

impl<'p> Elaborator<'p> {
    /// The arrays joined: a choice by the index.
    pub fn concat(&mut self, args: &'p [Arg], span: Span) -> Tried<Value<'p>> {
        let parts: Vec<Array> = args.iter().map(|arg| self.array(&arg.value)).collect::<Tried<_>>()?;
        let Some((first, rest)) = parts.split_first() else {
            return self.error(
                codes::WRONG_ARGUMENT_COUNT,
                "`concat` joins one array or more",
                span,
                "none is given",
            );
        };
        let mut sort = first.sort;
        for (part, arg) in parts.iter().zip(args) {
            if part.dims.is_empty() {
                let text = self.written(arg.value.span);
                let diagnostic =
                    Diagnostic::error(codes::RANK_MISMATCH, "`concat` joins arrays, not single numbers")
                        .at(arg.value.span, "a single number")
                        .help(format!("make it an array of one: `[{text}]`"));
                return self.report(diagnostic);
            }
        }
        for (part, arg) in rest.iter().zip(&args[1..]) {
            if part.dims[1..] != first.dims[1..] {
                return self.unequal(
                    first,
                    args[0].value.span,
                    part,
                    arg.value.span,
                    "but for their first axis, the parts",
                );
            }
            sort = self.common_sort(sort, part.sort, arg.value.span)?;
        }
        self.joined(&parts, sort).map(Value::Array)
    }

    fn joined(&mut self, parts: &[Array], sort: Sort) -> Tried<Array> {
        let vars = union_vars(parts);
        let extent = parts.iter().map(|part| u64::from(part.dims[0])).sum::<u64>();
        let mut dims = vec![u32::try_from(extent).unwrap_or(u32::MAX)];
        dims.extend(&parts[0].dims[1..]);
        let batch = parts.iter().any(|part| self.is_per_example(part));
        let out = self.shape(batch, &vars, &dims)?;
        let iota = self.circuit.iota(dims[0]);
        let position = self.circuit.view(iota, View::select(out.clone(), &[vars.len()], &dims[..1]));
        // From the last part forwards: before where the next one begins stands this one.
        let mut next = i64::from(dims[0]);
        let mut joined: Option<ValueId> = None;
        for part in parts.iter().rev() {
            let begin = next - i64::from(part.dims[0]);
            let own = self.moved(part, &vars, &out, begin);
            let chosen = joined.map(|after| {
                let next = self.circuit.number(next as f64);
                let is_own = self.circuit.lift(gates::LT, &[position, next]);
                self.circuit.lift(gates::SELECT, &[is_own, own, after])
            });
            joined = Some(chosen.unwrap_or(own));
            next = begin;
        }
        let value = joined.expect("one array or more");
        Ok(Array { value, vars, dims, sort, home: self.home })
    }

    /// A part at its place among all, 0 elsewhere.
    fn moved(&mut self, part: &Array, vars: &[VarId], out: &Shape, begin: i64) -> ValueId {
        let rank = out.dims.len();
        let place = |var| vars.iter().position(|other| other == var).expect("in the union");
        let mut coords: Vec<Affine> = part.vars.iter().map(|var| Affine::axis(place(var), rank)).collect();
        coords.push(Affine { b: -begin, ..Affine::axis(vars.len(), rank) });
        coords.extend((vars.len() + 1..rank).map(|axis| Affine::axis(axis, rank)));
        let view = View { out: out.clone(), coords, guards: vec![], fill: F64::new(0.0) };
        self.circuit.view(part.value, view)
    }
}
