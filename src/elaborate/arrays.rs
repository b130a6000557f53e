//! Arrays over index variables: alignment, gates, reductions, and the passage between index variables and
//! dimensions.

use super::context::Elaborator;
use super::statics::{Number, Static};
use super::values::{Array, Sort, Tried, VarId};
use crate::circuit::{AxisSet, Gate, Reducer, Shape, ValueId, View, gates};

/// The union of the index variables of some arrays, ascending.
pub fn union_vars<'a>(arrays: impl IntoIterator<Item = &'a Array>) -> Vec<VarId> {
    let mut vars: Vec<VarId> = arrays.into_iter().flat_map(|array| array.vars.iter().copied()).collect();
    vars.sort_unstable();
    vars.dedup();
    vars
}

impl Elaborator<'_> {
    /// A static value as a scalar of the circuit.
    pub fn constant(&mut self, value: Static) -> Array {
        let (number, sort) = match value {
            Static::Number(number) => {
                let sort =
                    number.as_integer().map_or(Sort::Real, |whole| Sort::Integer(Some((whole, whole))));
                (number.value, sort)
            }
            Static::Bool(truth) => (f64::from(u8::from(truth)), Sort::Boolean),
        };
        let value = self.circuit.number(number);
        Array { value, vars: vec![], dims: vec![], sort, home: self.home }
    }

    /// The value with one dimension for each of `vars`, in that order, then `dims`: broadcast over the index
    /// variables that it lacks, and over `dims` if it is a scalar. With none of either it stays a scalar, which
    /// gates broadcast by themselves.
    pub fn aligned(&mut self, array: &Array, vars: &[VarId], dims: &[u32]) -> Tried<ValueId> {
        let shape = self.circuit.shape(array.value).clone();
        if shape.dims.is_empty() || (array.vars == vars && array.dims == dims) {
            return Ok(array.value);
        }
        self.broadcast(array, vars, dims, shape.batch)
    }

    /// As [`Elaborator::aligned`], scalars too, and per example if `batch`.
    pub fn broadcast(&mut self, array: &Array, vars: &[VarId], dims: &[u32], batch: bool) -> Tried<ValueId> {
        let from = self.circuit.shape(array.value).clone();
        let out = self.shape(batch || from.batch, vars, dims)?;
        let position =
            |var: &VarId| vars.iter().position(|v| v == var).expect("aligned to all of its indices");
        let own = vars.len()..vars.len() + array.dims.len();
        let axes: Vec<usize> = array.vars.iter().map(position).chain(own).collect();
        Ok(self.circuit.view(array.value, View::select(out, &axes, &from.dims)))
    }

    /// A gate on arrays of equal dimensions or scalars, over the union of their index variables.
    pub fn pointwise(&mut self, gate: Gate, args: &[&Array], sort: Sort) -> Tried<Array> {
        let vars = union_vars(args.iter().copied());
        let dims = args.iter().map(|a| &a.dims).max_by_key(|dims| dims.len()).cloned().unwrap_or_default();
        self.shape(false, &vars, &dims)?;
        let values: Vec<ValueId> =
            args.iter().map(|a| self.aligned(a, &vars, &dims)).collect::<Tried<_>>()?;
        let value = self.circuit.lift(gate, &values);
        Ok(Array { value, vars, dims, sort, home: self.home })
    }

    /// A gate with a number as its second operand.
    pub fn with_number(&mut self, gate: Gate, array: &Array, number: f64, sort: Sort) -> Tried<Array> {
        let number = self.constant(Static::Number(Number::real(number)));
        self.pointwise(gate, &[array, &number], sort)
    }

    /// Index variables become leading dimensions, in the order given; those that the array lacks are broadcast.
    pub fn close(&mut self, array: &Array, leading: &[VarId]) -> Tried<Array> {
        if leading.is_empty() {
            return Ok(array.clone());
        }
        let vars: Vec<VarId> = array.vars.iter().copied().filter(|var| !leading.contains(var)).collect();
        let order: Vec<VarId> = vars.iter().chain(leading).copied().collect();
        let value = self.broadcast(array, &order, &array.dims.clone(), false)?;
        let mut dims = self.extents(leading);
        dims.extend(&array.dims);
        Ok(Array { value, vars, dims, sort: array.sort, home: array.home })
    }

    /// All dimensions become the given index variables, newer than any that the array has.
    pub fn open(&self, array: &Array, fresh: &[VarId]) -> Array {
        debug_assert_eq!(self.extents(fresh), array.dims);
        let vars = array.vars.iter().chain(fresh).copied().collect();
        Array { vars, dims: vec![], ..array.clone() }
    }

    /// A reduction over index variables, and over the batch where asked (sums only).
    pub fn reduce(&mut self, reducer: Reducer, array: &Array, over: &[VarId], batch: bool) -> Tried<Array> {
        let mut all: Vec<VarId> = array.vars.iter().chain(over).copied().collect();
        all.sort_unstable();
        all.dedup();
        let batch = batch && self.circuit.shape(array.value).batch;
        let value =
            if all == array.vars { array.value } else { self.broadcast(array, &all, &array.dims, false)? };
        let axes = AxisSet::of(all.iter().enumerate().filter(|(_, var)| over.contains(var)).map(|(k, _)| k));
        let value = self.circuit.reduce(reducer, value, axes, batch);
        all.retain(|var| !over.contains(var));
        Ok(Array { value, vars: all, dims: array.dims.clone(), sort: array.sort, home: array.home })
    }

    /// The row-major position of the largest or smallest element over index variables.
    pub fn position(&mut self, reducer: Reducer, array: &Array, over: &[VarId]) -> Tried<Array> {
        let mut vars: Vec<VarId> = array.vars.iter().copied().filter(|var| !over.contains(var)).collect();
        vars.sort_unstable();
        let order: Vec<VarId> = vars.iter().chain(over).copied().collect();
        let mut value = self.broadcast(array, &order, &array.dims.clone(), false)?;
        let axis = vars.len();
        for _ in 1..over.len() {
            value = self.circuit.merge(value, axis);
        }
        let value = self.circuit.reduce(reducer, value, AxisSet::of([axis]), false);
        let cases = self.extents(over).iter().product();
        Ok(Array { value, vars, dims: array.dims.clone(), sort: Sort::Class(cases), home: array.home })
    }

    /// Joins the dimensions `first` and the `count - 1` that follow it among an array's own, row-major.
    pub fn merge(&mut self, array: &mut Array, first: usize, count: usize) {
        for _ in 1..count {
            array.value = self.circuit.merge(array.value, array.vars.len() + first);
            let inner = array.dims.remove(first + 1);
            array.dims[first] *= inner;
        }
    }

    /// An array with a new leading dimension, from its slices: a choice by the index.
    pub fn stack(&mut self, parts: &[Array], sort: Sort) -> Tried<Array> {
        let extent = u32::try_from(parts.len()).expect("a list of a program's text is short");
        let var = self.new_var("k", extent);
        let index = self.index_value(var);
        let (last, rest) = parts.split_last().expect("a list has parts");
        let mut chosen = last.clone();
        for (k, part) in rest.iter().enumerate().rev() {
            let is_k = self.with_number(gates::EQ, &index, k as f64, Sort::Boolean)?;
            chosen = self.pointwise(gates::SELECT, &[&is_k, part, &chosen], sort)?;
        }
        self.close(&chosen, &[var])
    }

    /// A shared array filled with a scalar, or the array itself if it has these dimensions.
    pub fn filled(&mut self, array: &Array, dims: &[u32]) -> Tried<Array> {
        let value = self.broadcast(array, &array.vars.clone(), dims, false)?;
        Ok(Array { value, dims: dims.to_vec(), ..array.clone() })
    }

    /// Whether a value differs from example to example.
    pub fn is_per_example(&self, array: &Array) -> bool {
        self.circuit.shape(array.value).batch
    }

    /// The shape of a shared array.
    pub fn shared(&mut self, dims: &[u32]) -> Tried<Shape> {
        self.shape(false, &[], dims)
    }
}
