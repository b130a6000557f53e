//! Values as expressions of the language.

use super::cuts::escapes;
use super::groups::{Groups, PartId};
use super::names::{DEPTH, Names, Reference};
use super::scope::Scope;
use crate::circuit::gates::{self, Form};
use crate::circuit::view::{Affine, Guard};
use crate::circuit::{AxisSet, Circuit, Gate, Kind, Leaf, Node, Reducer, StepValue, ValueId, View};
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind, GroupPart, Index, Stmt};
use crate::syntax::build;

/// Writes one equation.
pub(super) struct Writer<'a> {
    circuit: &'a Circuit,
    names: &'a Names,
    scope: Scope<'a>,
    /// The value being defined, which is not read by its own name.
    defined: ValueId,
}

/// `name[i, j] = ...`, and the extents of the indices that it binds.
pub(super) fn equation(circuit: &Circuit, names: &Names, value: ValueId) -> (Stmt, Vec<(String, u32)>) {
    let reference = names.get(value).expect("an equation is for a named value");
    equation_as(circuit, names, value, &reference.path.clone(), &reference.clone().indices)
}

/// As [`equation`], under another name.
pub(super) fn equation_as(
    circuit: &Circuit,
    names: &Names,
    value: ValueId,
    name: &str,
    indices: &[String],
) -> (Stmt, Vec<(String, u32)>) {
    let mut writer = Writer { circuit, names, scope: Scope::new(names), defined: value };
    let groups = Groups::wanted(circuit, names, value);
    let dims = groups.dims();
    let mut env = vec![];
    for (parts, index) in dims.iter().zip(indices) {
        let whole = (parts.len() == 1).then_some(index.as_str());
        let bound = |&part: &PartId| {
            let suggested = whole.or_else(|| groups.name(part));
            (writer.scope.bind(suggested, groups.extent(part)), groups.extent(part))
        };
        env.push(row_major(parts.iter().map(bound).collect()));
    }
    let right = writer.right_side(value, &env);
    let mut bound = writer.scope.indices(0).into_iter();
    let left = dims.iter().map(|parts| joined(bound.by_ref().take(parts.len()).collect())).collect();
    (build::define(name, left, right), writer.scope.extents())
}

/// `a * d + b` for the group `(a, b)`, each index with its extent.
fn row_major(indices: Vec<(Affine, u32)>) -> Affine {
    let rank = indices.iter().map(|(index, _)| index.c.len()).max().unwrap_or(0);
    let mut whole = Affine { c: vec![0; rank], b: 0, d: 1 };
    let mut stride = 1;
    for (index, extent) in indices.iter().rev() {
        index.c.iter().zip(&mut whole.c).for_each(|(c, sum)| *sum += c * stride);
        stride *= i64::from(*extent);
    }
    whole
}

/// `i`, or `(i: 5, k)` for several.
fn joined(mut indices: Vec<Index>) -> Index {
    if indices.len() == 1 {
        return indices.remove(0);
    }
    let part = |index| match index {
        Index::Name { name, range } => GroupPart { name, range },
        _ => unreachable!("a scope binds single indices"),
    };
    Index::Group { parts: indices.into_iter().map(part).collect(), span: build::NOWHERE }
}

/// `other[i, j] = name[i, j]`
pub(super) fn alias(circuit: &Circuit, names: &Names, value: ValueId, name: &str) -> Stmt {
    let indices = names.get(value).map(|reference| reference.indices.clone()).unwrap_or_default();
    let mut writer = Writer { circuit, names, scope: Scope::new(names), defined: ValueId(u32::MAX) };
    let dims = &circuit.shape(value).dims;
    let env: Vec<Affine> =
        dims.iter().zip(&indices).map(|(&extent, index)| writer.scope.bind(Some(index), extent)).collect();
    let right = writer.right_side(value, &env);
    build::define(name, writer.scope.indices(0), right)
}

/// `name[i: 3] = 0`
pub(super) fn constant(names: &Names, dims: &[u32], name: &str, number: f64) -> Stmt {
    let mut scope = Scope::new(names);
    dims.iter().for_each(|&extent| drop(scope.bind(None, extent)));
    build::define(name, scope.indices(0), build::number(number))
}

impl Writer<'_> {
    /// What a line gives its name to: a condition stays one.
    fn right_side(&mut self, value: ValueId, at: &[Affine]) -> Expr {
        match self.circuit.kind(value) {
            Kind::Boolean => self.truth(value, at),
            _ => self.expr(value, at),
        }
    }

    /// The name to read a value by, unless it is being defined.
    fn reference(&self, value: ValueId) -> Option<Reference> {
        self.names.get(value).filter(|_| value != self.defined).cloned()
    }

    /// The element of a value at a position, as a number: a condition is 1 or 0.
    fn expr(&mut self, value: ValueId, at: &[Affine]) -> Expr {
        if self.circuit.kind(value) == Kind::Boolean {
            let condition = self.truth(value, at);
            return build::choose(condition, build::number(1.0), build::number(0.0));
        }
        match self.reference(value) {
            Some(reference) => self.read(&reference, value, at),
            None => self.written(value, at, Sort::Number),
        }
    }

    /// The element of a value at a position, as a condition.
    fn truth(&mut self, value: ValueId, at: &[Affine]) -> Expr {
        let circuit = self.circuit;
        let is_condition = circuit.kind(value) == Kind::Boolean;
        if let Some(reference) = self.reference(value) {
            let read = self.read(&reference, value, at);
            return if is_condition { read } else { build::binary(BinaryOp::Ne, read, build::number(0.0)) };
        }
        match circuit.node(value) {
            Node::Leaf(Leaf::Number(number)) => truth_of(number.get()),
            Node::Gate { gate: gates::SELECT, .. } | Node::View { .. } => {
                self.written(value, at, Sort::Condition)
            }
            _ if is_condition => self.written(value, at, Sort::Condition),
            _ => build::binary(BinaryOp::Ne, self.expr(value, at), build::number(0.0)),
        }
    }

    fn sorted(&mut self, value: ValueId, at: &[Affine], sort: Sort) -> Expr {
        match sort {
            Sort::Number => self.expr(value, at),
            Sort::Condition => self.truth(value, at),
        }
    }

    /// The node of a value, its operands of the value's own sort written as asked.
    fn written(&mut self, value: ValueId, at: &[Affine], sort: Sort) -> Expr {
        match self.circuit.node(value).clone() {
            Node::Leaf(leaf) => self.leaf(&leaf, at),
            Node::Gate { gate, args } => self.gate(gate, &args, at, sort),
            Node::Reduce { reducer, arg, axes, batch } => self.reduction(reducer, arg, axes, batch, at),
            Node::View { arg, view } => self.view(arg, &view, at, sort),
            Node::Merge { arg, axis } => self.merge(arg, axis.into(), at, sort),
            Node::Gather { table, index } => {
                let index = self.expr(index, at);
                let coordinate = self.scope.integer(index);
                let at: Vec<Affine> = at.iter().cloned().chain([coordinate]).collect();
                self.sorted(table, &at, sort)
            }
            Node::Scatter { index, value, .. } => self.scatter(index, value, at),
            Node::Lag { variable, axis, by, fill, .. } => {
                let source = self.circuit.source(variable).expect("a variable that is read is closed");
                self.lag(source, (axis.into(), by), fill.get(), at, sort)
            }
        }
    }

    /// `h[t - 1, m] else 0`
    fn lag(
        &mut self,
        source: ValueId,
        (axis, by): (usize, i32),
        fill: f64,
        at: &[Affine],
        sort: Sort,
    ) -> Expr {
        let reference = self.names.get(source).expect("what a lag reads has a name").clone();
        let mut at = at.to_vec();
        at[axis].b -= i64::from(by) * at[axis].d;
        // Such a read tells no ranges: those of what recurs may be told by one another.
        let read = self.element(&reference, &at);
        match sort {
            Sort::Number => build::default(read, build::number(fill)),
            Sort::Condition => {
                build::binary(BinaryOp::Ne, build::default(read, build::number(fill)), build::number(0.0))
            }
        }
    }

    /// `head.W[m, n]`
    fn read(&mut self, reference: &Reference, value: ValueId, at: &[Affine]) -> Expr {
        for (coordinate, &extent) in at.iter().zip(&self.circuit.shape(value).dims) {
            self.scope.reads(coordinate, extent);
        }
        self.element(reference, at)
    }

    /// `head.W[m, n]`, which tells nothing of the ranges of its indices.
    fn element(&self, reference: &Reference, at: &[Affine]) -> Expr {
        let first = || build::number(0.0);
        let own = |axis: &Option<usize>| axis.map_or_else(first, |axis| self.scope.coordinate(&at[axis]));
        let coordinates: Vec<Expr> = match &reference.spread {
            Some(spread) => spread.iter().map(own).collect(),
            None => at.iter().map(|e| self.scope.coordinate(e)).collect(),
        };
        build::read(build::path(reference.path.split('.')), coordinates)
    }

    fn leaf(&mut self, leaf: &Leaf, at: &[Affine]) -> Expr {
        match leaf {
            Leaf::Number(number) => build::number(number.get()),
            Leaf::Iota(_) => self.scope.number(&at[0]),
            Leaf::Step(StepValue::Step) => build::name("step"),
            Leaf::Step(StepValue::Steps) => build::name("steps"),
            Leaf::Step(StepValue::Epoch) => build::name("epoch"),
            // Only a listing of a whole circuit shows one: metrics, which count, have no gradient, and a program
            // names what it draws.
            Leaf::Step(StepValue::Examples) => build::name("examples"),
            Leaf::Draw { site, .. } => build::call(build::name("draw"), [build::number(*site as f64)]),
            Leaf::Slot(_) => unreachable!("a slot has a name"),
        }
    }

    fn gate(&mut self, gate: Gate, args: &[ValueId], at: &[Affine], sort: Sort) -> Expr {
        if gate == gates::MUL && args[0] == args[1] {
            return build::binary(BinaryOp::Pow, self.expr(args[0], at), build::number(2.0));
        }
        let before = self.scope.told();
        let mut args: Vec<Expr> = (args.iter().enumerate())
            .map(|(k, &arg)| match gate {
                gates::AND | gates::OR | gates::NOT => self.truth(arg, at),
                gates::SELECT if k == 0 => self.truth(arg, at),
                gates::SELECT => self.sorted(arg, at, sort),
                _ => self.expr(arg, at),
            })
            .collect();
        if gate == gates::SELECT && is_of_numbers(&args[0]) {
            // A branch that is not taken tells no ranges.
            self.scope.forget(before);
        }
        match gate.row().form {
            Form::Infix(sign) => {
                let [left, right] = args.try_into().expect("what stands between operands has two");
                infix(operator(sign), left, right)
            }
            Form::Prefix("not") => build::not(args.remove(0)),
            Form::Prefix(_) => build::negate(args.remove(0)),
            Form::Call => build::call(build::name(gate.row().name), args),
            Form::Select => {
                let [condition, yes, no] = args.try_into().expect("a choice has three operands");
                build::choose(condition, yes, no)
            }
        }
    }

    /// The coordinates of what a view reads.
    fn coordinates(&self, view: &View, at: &[Affine]) -> Vec<Affine> {
        let rank = self.scope.len();
        let rewritten = |e: &Affine| e.substitute(at, rank).expect("index expressions are small");
        view.coords.iter().map(rewritten).collect()
    }

    fn view(&mut self, arg: ValueId, view: &View, at: &[Affine], sort: Sort) -> Expr {
        let shape = self.circuit.shape(arg).clone();
        let coordinates = self.coordinates(view, at);
        let read = self.sorted(arg, &coordinates, sort);
        if view.is_total(&shape) {
            return read;
        }
        let fill = match sort {
            Sort::Number => build::number(view.fill.get()),
            Sort::Condition => truth_of(view.fill.get()),
        };
        // A position without a name is no read, which a default could follow.
        let is_position =
            matches!(self.circuit.node(arg), Node::Leaf(Leaf::Iota(_))) && self.reference(arg).is_none();
        let conditions = if is_position { view.conditions(&shape) } else { view.guards.clone() };
        let escapes = !is_position && escapes(view, &shape);
        let read = if escapes { build::default(read, fill.clone()) } else { read };
        let rank = self.scope.len();
        let rewritten = |guard: &Guard| Guard {
            e: guard.e.substitute(at, rank).expect("index expressions are small"),
            ..*guard
        };
        let guards: Vec<Guard> = conditions.iter().rev().map(rewritten).collect();
        let Some(condition) = self.scope.condition(&guards) else { return read };
        let all = matches!(self.circuit.node(arg), Node::Leaf(Leaf::Number(number)) if number.get() == 1.0);
        if sort == Sort::Condition && all && view.fill.get() == 0.0 {
            return condition;
        }
        build::choose(condition, read, fill)
    }

    fn reduction(
        &mut self,
        reducer: Reducer,
        arg: ValueId,
        axes: AxisSet,
        batch: bool,
        at: &[Affine],
    ) -> Expr {
        // A position among several dimensions is one among what they join to.
        let (arg, axes) = match reducer {
            Reducer::Argmax | Reducer::Argmin => self.unjoined(arg, axes),
            _ => (arg, axes),
        };
        let first = self.scope.len();
        let mut kept = at.iter().cloned();
        let dims = self.circuit.shape(arg).dims.clone();
        let mut inner = vec![];
        for (axis, &extent) in dims.iter().enumerate() {
            inner.push(if axes.contains(axis) {
                let suggested = self.names.suggestion(self.circuit, arg, axis, DEPTH);
                self.scope.bind(suggested.as_deref(), extent)
            } else {
                kept.next().expect("a coordinate for each dimension that is kept")
            });
        }
        let is_condition = self.circuit.kind(arg) == Kind::Boolean;
        let body = if is_condition { self.truth(arg, &inner) } else { self.expr(arg, &inner) };
        let mut indices = self.scope.indices(first);
        indices.truncate(axes.count());
        let word = match reducer {
            Reducer::Max if is_condition => ast::Reducer::Any,
            Reducer::Min if is_condition => ast::Reducer::All,
            _ => word(reducer),
        };
        let sum = build::reduce(word, indices, body);
        if batch { mean_over_batch(sum) } else { sum }
    }

    /// The operand before its reduced dimension was joined from several.
    fn unjoined(&self, mut arg: ValueId, axes: AxisSet) -> (ValueId, AxisSet) {
        let first = axes.iter().next().expect("a position is along a dimension");
        let mut last = first;
        while let Node::Merge { arg: inner, axis } = *self.circuit.node(arg) {
            if usize::from(axis) != first || self.names.get(arg).is_some() {
                break;
            }
            (arg, last) = (inner, last + 1);
        }
        (arg, AxisSet::of(first..=last))
    }

    /// A joined dimension read at `a * d + b`.
    fn merge(&mut self, arg: ValueId, axis: usize, at: &[Affine], sort: Sort) -> Expr {
        let extent = i64::from(self.circuit.shape(arg).dims[axis + 1]);
        let (outer, inner) = split(&at[axis], extent);
        let mut at = at.to_vec();
        at.splice(axis..=axis, [outer, inner]);
        self.sorted(arg, &at, sort)
    }

    /// `sum[t] (if token[t] == v then g[t, d] else 0)`
    fn scatter(&mut self, index: ValueId, value: ValueId, at: &[Affine]) -> Expr {
        let first = self.scope.len();
        let shape = self.circuit.shape(index).clone();
        let mut inner = vec![];
        for (axis, &extent) in shape.dims.iter().enumerate() {
            let suggested = self.names.suggestion(self.circuit, index, axis, DEPTH);
            inner.push(self.scope.bind(suggested.as_deref(), extent));
        }
        let own = self.scope.number(&at[0]);
        let condition = build::binary(BinaryOp::Eq, self.expr(index, &inner), own);
        inner.extend_from_slice(&at[1..]);
        let term = build::choose(condition, self.expr(value, &inner), build::number(0.0));
        let mut indices = self.scope.indices(first);
        indices.truncate(shape.dims.len());
        let sum = build::reduce(ast::Reducer::Sum, indices, term);
        if shape.batch { mean_over_batch(sum) } else { sum }
    }
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Number,
    Condition,
}

/// `true` or `false`
fn truth_of(number: f64) -> Expr {
    build::name(if number != 0.0 { "true" } else { "false" })
}

/// `left op right`, but `x > 0` for `0 < x`, which is the same gate.
fn infix(op: BinaryOp, left: Expr, right: Expr) -> Expr {
    let turned = match op {
        BinaryOp::Lt => Some(BinaryOp::Gt),
        BinaryOp::Le => Some(BinaryOp::Ge),
        _ => None,
    };
    match turned {
        Some(turned) if matches!(left.kind, ast::ExprKind::Number { .. }) => {
            build::binary(turned, right, left)
        }
        _ => build::binary(op, left, right),
    }
}

/// `mean[batch] e`
fn mean_over_batch(body: Expr) -> Expr {
    build::reduce(ast::Reducer::Mean, vec![build::index("batch", None)], body)
}

/// A coordinate `a * d + b` as `a` and `b < d`: by the coefficients that `d` divides, and the others.
fn split(e: &Affine, d: i64) -> (Affine, Affine) {
    let outer =
        Affine { c: e.c.iter().map(|c| if c % d == 0 { c / d } else { 0 }).collect(), b: e.b / d, d: 1 };
    let inner = Affine { c: e.c.iter().map(|c| if c % d == 0 { 0 } else { *c }).collect(), b: e.b % d, d: 1 };
    (outer, inner)
}

fn word(reducer: Reducer) -> ast::Reducer {
    match reducer {
        Reducer::Sum => ast::Reducer::Sum,
        Reducer::Max => ast::Reducer::Max,
        Reducer::Min => ast::Reducer::Min,
        Reducer::Prod => ast::Reducer::Prod,
        Reducer::Argmax => ast::Reducer::Argmax,
        Reducer::Argmin => ast::Reducer::Argmin,
    }
}

fn operator(sign: &str) -> BinaryOp {
    match sign {
        "+" => BinaryOp::Add,
        "-" => BinaryOp::Sub,
        "*" => BinaryOp::Mul,
        "/" => BinaryOp::Div,
        "^" => BinaryOp::Pow,
        "<" => BinaryOp::Lt,
        "<=" => BinaryOp::Le,
        "==" => BinaryOp::Eq,
        "!=" => BinaryOp::Ne,
        "and" => BinaryOp::And,
        "or" => BinaryOp::Or,
        "div" => BinaryOp::IntDiv,
        "mod" => BinaryOp::Mod,
        _ => unreachable!("{sign} is written between no operands"),
    }
}

/// Whether numbers alone decide it.
fn is_of_numbers(condition: &Expr) -> bool {
    match &condition.kind {
        ExprKind::Number { .. } => true,
        ExprKind::Group(inner) => is_of_numbers(inner),
        ExprKind::Unary { value, .. } => is_of_numbers(value),
        ExprKind::Binary { left, right, .. } => is_of_numbers(left) && is_of_numbers(right),
        _ => false,
    }
}
