//! Reads of other elements of what is being defined.

use super::super::affine::AffineForm;
use super::super::context::Elaborator;
use super::super::reads::{Coordinate, Form, Otherwise};
use super::super::scope::Bound;
use super::super::statics::{Number, Static};
use super::super::values::{Array, Sort, Tried, Value, VarId};
use super::super::walk::ungrouped;
use super::Lagged;
use crate::circuit::view::Affine;
use crate::circuit::{F64, Shape, ValueId, View, gates};
use crate::diagnostic::{Span, codes};
use crate::syntax::ast::{Expr, IndexArg};

/// A read whose distance an index moves becomes a choice among no more lags than this.
const MOST_LAGS: i64 = 64;

/// A read of a promised name, ready to build.
pub(super) struct LaggedRead<'p> {
    cycle: usize,
    pub(super) lagged: Lagged<'p>,
    base: &'p Expr,
    span: Span,
    otherwise: Otherwise<'p>,
    /// The scanned index.
    var: VarId,
    /// What is read is so many elements away.
    offset: AffineForm,
    /// The read with the scanned index alone along its axis.
    plain: Vec<Coordinate>,
    /// The index variables that the array depends on.
    vars: Vec<VarId>,
    /// The shape of the array, those included.
    shape: Shape,
}

impl LaggedRead<'_> {
    /// The scanned dimension.
    fn scanned(&self) -> usize {
        self.vars.len() + self.lagged.axis
    }
}

impl<'p> Elaborator<'p> {
    /// A read of another element of a recurrence than the one being computed; nothing if it is not one.
    pub fn recurrent_read(
        &mut self,
        base: &'p Expr,
        indices: &'p [IndexArg],
        span: Span,
        otherwise: Otherwise<'p>,
    ) -> Tried<Option<Array>> {
        let Some((cycle, lagged)) = self.lagged(base) else { return Ok(None) };
        let Some(dims) = self.shape_in_cycle(cycle, &lagged.name) else {
            return self.shape_not_told(cycle, &lagged.name, span);
        };
        let (vars, batch) = self.spread(cycle);
        let shape = self.shape(batch, &vars, &dims)?;
        let mut coordinates = vec![];
        for index in indices {
            self.coordinates(index, dims.len(), base.span, &mut coordinates)?;
        }
        if coordinates.len() > dims.len() {
            return self.too_many_indices(base.span, &dims, coordinates.len(), span);
        }
        if matches!(otherwise, Otherwise::Proved) {
            // Some element always reads outside; the proof, which goes by the shape, tells which.
            let value = self.circuit.fill(0.0, &shape);
            let array =
                Array { value, vars: vars.clone(), dims: dims.clone(), sort: Sort::Real, home: self.home };
            self.build_read(&array, coordinates.clone(), base, otherwise)?;
        }
        let Some(&Bound::Var(var)) = self.here().index(lagged.index) else {
            unreachable!("what is read relative to an index stands where that is bound")
        };
        let at = coordinates[lagged.axis].span;
        let Form::Affine(form) = &coordinates[lagged.axis].form else {
            return self.error(
                codes::INDEX_NOT_AFFINE,
                "the distance is not known before training",
                at,
                "here",
            );
        };
        let offset = form.plus(&AffineForm::var(var).scaled(Number::whole(-1)));
        self.check_extent(&lagged, dims[lagged.axis], var, at)?;
        let mut plain = coordinates;
        plain[lagged.axis].form = Form::Affine(AffineForm::var(var));
        let read = LaggedRead { cycle, lagged, base, span, otherwise, var, offset, plain, vars, shape };
        self.at(span, |this| this.build_lagged(&read)).map(Some)
    }

    fn build_lagged(&mut self, read: &LaggedRead<'p>) -> Tried<Array> {
        let at = read.plain[read.lagged.axis].span;
        match read.offset.as_constant().map(|constant| constant.as_integer()) {
            Some(Some(by)) => self.lag(read, -by),
            Some(None) => {
                self.error(codes::INDEX_NOT_AFFINE, "a distance is a whole number", at, "not whole")
            }
            None => self.moving_lag(read, at),
        }
    }

    /// `h[t - 1 - k]`: a choice by `k` among lags.
    fn moving_lag(&mut self, read: &LaggedRead<'p>, at: Span) -> Tried<Array> {
        let vars: Vec<VarId> = read.offset.terms.keys().copied().collect();
        let known = read.offset.coordinate(&vars, 0).filter(|offset| offset.d == 1 && vars.len() == 1);
        let Some(offset) = known else {
            let message = "one index may move a read of another element, by whole numbers";
            return self.error(codes::INDEX_NOT_AFFINE, message, at, "not such a distance");
        };
        let extent = i64::from(self.var(vars[0]).extent);
        let by = |k: i64| -(offset.b + offset.c[0] * k);
        if let Some(k) = (0..extent).find(|&k| by(k).signum() != by(0).signum() || by(k) == 0) {
            return self.turns(read, at, &[(vars[0], 0, by(0)), (vars[0], k, by(k))]);
        }
        if extent > MOST_LAGS {
            let message =
                format!("a read of {extent} other elements at once is more than this version carries");
            return self.error(codes::TOO_LARGE, message, at, &format!("at most {MOST_LAGS}"));
        }
        let index = self.index_value(vars[0]);
        let mut chosen: Option<Array> = None;
        for k in (0..extent).rev() {
            let lag = self.lag(read, by(k))?;
            chosen = Some(match chosen {
                None => lag,
                Some(others) => {
                    let is_k = self.with_number(gates::EQ, &index, k as f64, Sort::Boolean)?;
                    let sort = lag.sort;
                    self.pointwise(gates::SELECT, &[&is_k, &lag, &others], sort)?
                }
            });
        }
        match chosen {
            Some(chosen) => Ok(chosen),
            None => self.error(codes::INDEX_OUT_OF_RANGE, "an index over nothing", at, "nothing to read"),
        }
    }

    /// The whole array `by` elements earlier along the scanned axis, read by the other coordinates.
    fn lag(&mut self, read: &LaggedRead<'p>, by: i64) -> Tried<Array> {
        let at = read.plain[read.lagged.axis].span;
        let Some(by) = i32::try_from(by).ok().filter(|by| by.unsigned_abs() < 1 << 30) else {
            return self.error(codes::TOO_LARGE, "a distance beyond what this version carries", at, "here");
        };
        let (fill, default) = match read.otherwise {
            Otherwise::Proved => (0.0, None),
            Otherwise::Default(default) => match self.expr(default)? {
                Value::Static(Static::Number(number)) => (number.value, None),
                Value::Static(Static::Bool(truth)) => (f64::from(u8::from(truth)), Some(Sort::Boolean)),
                value => (0.0, Some(self.as_array(value, default.span)?.sort)),
            },
        };
        let value = self.lag_value(read, by, fill);
        let vars = read.vars.clone();
        let dims = read.shape.dims[vars.len()..].to_vec();
        let mut lag = Array { value, vars, dims, sort: Sort::Real, home: self.home };
        if default == Some(Sort::Boolean) {
            let promise = self.frame().cycles[read.cycle].promises.get_mut(&read.lagged.name);
            promise.expect("made for the lag").truth.get_or_insert(read.span);
            lag = self.with_number(gates::NE, &lag, 0.0, Sort::Boolean)?;
        }
        let found = self.build_read(&lag, read.plain.clone(), read.base, read.otherwise)?;
        let Otherwise::Default(default) = read.otherwise else { return Ok(found) };
        match self.expr(default)? {
            Value::Array(default) => self.where_inside(read, by, &found, &default),
            _ => Ok(found),
        }
    }

    /// The lag itself, of the name's variable.
    fn lag_value(&mut self, read: &LaggedRead<'p>, by: i32, fill: f64) -> ValueId {
        let promise = self.frame().cycles[read.cycle].promises.entry(read.lagged.name.clone()).or_default();
        let (known, source) = (promise.variable, promise.value);
        let variable = known.unwrap_or_else(|| {
            let variable = self.circuit.variable();
            if let Some(source) = source {
                self.circuit.close(variable, source);
            }
            variable
        });
        let promise = self.frame().cycles[read.cycle].promises.get_mut(&read.lagged.name);
        promise.expect("entered above").variable = Some(variable);
        self.circuit.lag(variable, read.scanned(), by, fill, &read.shape)
    }

    /// What was read where that is inside along the scanned axis, else a value of the program.
    fn where_inside(
        &mut self,
        read: &LaggedRead<'p>,
        by: i32,
        found: &Array,
        default: &Array,
    ) -> Tried<Array> {
        let extent = read.shape.dims[read.scanned()];
        let ones = self.shared(&[extent])?;
        let ones = self.circuit.fill(1.0, &ones);
        let out = self.shape(false, &[read.var], &[])?;
        let coordinate = Affine { c: vec![1], b: -i64::from(by), d: 1 };
        let view = View { out, coords: vec![coordinate], guards: vec![], fill: F64::new(0.0) };
        let value = self.circuit.view(ones, view);
        let mask = Array { value, vars: vec![read.var], dims: vec![], sort: Sort::Real, home: self.home };
        let mask = self.with_number(gates::NE, &mask, 0.0, Sort::Boolean)?;
        let sort = self.common_sort(found.sort, default.sort, ungrouped(read.base).span)?;
        self.pointwise(gates::SELECT, &[&mask, found, default], sort)
    }
}
