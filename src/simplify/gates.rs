//! Gates: folded, narrowed, rewritten by the table.

use super::builder::Builder;
use super::table::{self, Rule, When};
use crate::circuit::formula::Formula;
use crate::circuit::{F64, Gate, Node, Shape, ValueId, gates};
use rustc_hash::FxHashMap;

/// What the names of a rule stand for.
type Bound = FxHashMap<&'static str, ValueId>;

impl Builder {
    /// A gate in the normal form. All operands have one shape.
    pub fn gate(&mut self, gate: Gate, args: &[ValueId]) -> ValueId {
        let shape = self.shape(args[0]);
        if let Some(number) = self.folded(gate, args) {
            return self.fill(number, &shape);
        }
        if let Some(mask) = self.compared_mask(gate, args).or_else(|| self.negated_mask(gate, args)) {
            return mask;
        }
        if let Some(narrow) = self.narrowed(gate, args) {
            return narrow;
        }
        if let Some(merged) = self.before_merge(gate, args) {
            return merged;
        }
        if gate == gates::SELECT
            && let Some(read) = self.masked(args[0], args[1], args[2])
        {
            return read;
        }
        if let Some(simpler) = self.rewritten(gate, args) {
            return simpler;
        }
        if gate == gates::SELECT
            && let Some(simpler) = self.choice(args[0], args[1], args[2])
        {
            return simpler;
        }
        self.interned(gate, args)
    }

    /// A gate whose operands may be scalars where another is an array.
    pub fn lifted(&mut self, gate: Gate, args: &[ValueId]) -> ValueId {
        let batch = args.iter().any(|&arg| self.circuit.shape(arg).batch);
        let dims = args.iter().map(|&arg| self.circuit.shape(arg).dims.clone()).max_by_key(Vec::len);
        let shape = Shape { batch, dims: dims.unwrap_or_default() };
        let args: Vec<ValueId> = args.iter().map(|&arg| self.circuit.broadcast(arg, &shape)).collect();
        self.gate(gate, &args)
    }

    /// As it stands, but the same whichever way the operands of a sum or product are ordered.
    fn interned(&mut self, gate: Gate, args: &[ValueId]) -> ValueId {
        if table::COMMUTATIVE.contains(&gate) {
            let swapped = Node::Gate { gate, args: [args[1], args[0]].into() };
            if let Some(known) = self.circuit.find(&swapped) {
                return known;
            }
        }
        self.circuit.gate(gate, args)
    }

    /// The number that a gate of numbers gives, in f64.
    fn folded(&self, gate: Gate, args: &[ValueId]) -> Option<f64> {
        let numbers: Vec<f64> = args.iter().map(|&arg| self.as_number(arg)).collect::<Option<_>>()?;
        Some((gate.row().value)(&numbers))
    }

    /// By the first rule that matches. A rule never changes the kind of a value, but what is set apart is what it was.
    fn rewritten(&mut self, gate: Gate, args: &[ValueId]) -> Option<ValueId> {
        let shape = self.shape(args[0]);
        for rule in table::of_gate(gate) {
            let Formula::Gate(_, patterns) = &rule.left else { continue };
            let mut bound = Bound::default();
            let matches =
                patterns.iter().zip(args).all(|(pattern, &arg)| self.matches(pattern, arg, &mut bound));
            if matches && self.holds(rule, &bound) {
                let right = self.instance(&rule.right, &bound);
                let right = self.circuit.broadcast(right, &shape);
                if self.keeps_kind(gate, args, right) {
                    return Some(right);
                }
            }
        }
        None
    }

    fn keeps_kind(&self, gate: Gate, args: &[ValueId], right: ValueId) -> bool {
        let left = self.circuit.kind_of(&Node::Gate { gate, args: args.into() });
        left == self.circuit.kind(right)
            || gate == gates::SAME
            || self.as_number(right).is_some()
            || self.circuit.is_whole_constant(right)
    }

    /// Whether a value is what a pattern describes; binds the pattern's names.
    fn matches(&mut self, pattern: &'static Formula, value: ValueId, bound: &mut Bound) -> bool {
        match pattern {
            Formula::Number(number) => self.as_number(value) == Some(*number),
            Formula::Variable(name) => {
                let number = name == "m" || name == "n";
                (!number || self.as_number(value).is_some()) && *bound.entry(name).or_insert(value) == value
            }
            Formula::Absent => false,
            Formula::Gate(gate, patterns) => {
                let Some(args) = self.operands(*gate, value) else { return false };
                patterns.iter().zip(args).all(|(pattern, arg)| self.matches(pattern, arg, bound))
            }
        }
    }

    /// The operands of a value that this gate gives, also where the gate's value is only spread. A gate with a name is a
    /// cut point, for the reader of a derived program: no rule looks into it.
    fn operands(&mut self, gate: Gate, value: ValueId) -> Option<Vec<ValueId>> {
        match self.circuit.node(value).clone() {
            Node::Gate { gate: found, args } => {
                (found == gate && !self.is_named(value)).then(|| args.to_vec())
            }
            Node::View { arg, view } => {
                let Node::Gate { gate: found, args } = self.circuit.node(arg).clone() else { return None };
                let total = found == gate && !self.is_named(arg) && view.is_total(self.circuit.shape(arg));
                total.then(|| args.iter().map(|&arg| self.view(arg, (*view).clone())).collect())
            }
            _ => None,
        }
    }

    /// Whether the side conditions of a rule hold.
    fn holds(&mut self, rule: &Rule, bound: &Bound) -> bool {
        rule.when.iter().all(|condition| match condition {
            When::NotNegative(name) => self.facts(bound[name]).lo >= 0.0,
            When::Numbers(_, condition) => {
                let number = |name| bound.get(name).and_then(|&value| self.as_number(value)).unwrap_or(0.0);
                condition(number("m"), number("n"))
            }
        })
    }

    /// The right side of a rule.
    fn instance(&mut self, formula: &'static Formula, bound: &Bound) -> ValueId {
        match formula {
            Formula::Number(number) => self.circuit.number(*number),
            Formula::Variable(name) => bound[name.as_str()],
            Formula::Absent => unreachable!("no rule speaks of absent terms"),
            Formula::Gate(gate, args) => {
                let args: Vec<ValueId> = args.iter().map(|arg| self.instance(arg, bound)).collect();
                self.lifted(*gate, &args)
            }
        }
    }

    /// `if condition then a else b`, where the zeros or the condition's form allow more than the table says.
    fn choice(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> Option<ValueId> {
        if self.as_number(b) == Some(0.0) && self.is_zero_where(a, condition, false, DEPTH) {
            return Some(a);
        }
        if self.as_number(a) == Some(0.0) && self.is_zero_where(b, condition, true, DEPTH) {
            return Some(b);
        }
        self.without_known(condition, a, b)
    }

    /// `if c and d then a else 0` where `a` is 0 anyway unless `c`: `if d then a else 0`.
    fn without_known(&mut self, condition: ValueId, a: ValueId, b: ValueId) -> Option<ValueId> {
        let Node::Gate { gate: gates::AND, args } = self.circuit.node(condition).clone() else { return None };
        let zero = self.as_number(b) == Some(0.0);
        let known = (0..2).find(|&k| zero && self.is_zero_where(a, args[k], false, DEPTH))?;
        Some(self.gate(gates::SELECT, &[args[1 - known], a, b]))
    }

    /// Whether `value` is certainly 0 wherever `condition` is `truth`, as long as what is finite stays so.
    fn is_zero_where(&mut self, value: ValueId, condition: ValueId, truth: bool, depth: usize) -> bool {
        if depth == 0 {
            return false;
        }
        if let Node::Gate { gate: gates::NOT, args } = self.circuit.node(condition).clone() {
            return self.is_zero_where(value, args[0], !truth, depth);
        }
        if let (false, Some(guards)) = (truth, self.guards(condition, depth))
            && self.is_zero_outside(value, &guards, depth)
        {
            return true;
        }
        match self.circuit.node(value).clone() {
            _ if self.as_number(value) == Some(0.0) => true,
            Node::Gate { gate, args } => self.is_zero_gate(gate, &args, condition, truth, depth - 1),
            Node::Merge { arg, axis } => match *self.circuit.node(condition) {
                Node::Merge { arg: inner, axis: other } => {
                    let alike = axis == other && self.shape(arg).dims == self.shape(inner).dims;
                    alike && self.is_zero_where(arg, inner, truth, depth - 1)
                }
                _ => false,
            },
            Node::View { arg, view } => {
                let shape = self.shape(arg);
                if !view.is_total(&shape) && view.fill != F64::new(0.0) {
                    return false;
                }
                let Some((inner, mask)) = self.as_view(condition) else { return false };
                if mask.out != view.out || mask.coords != view.coords || mask.guards != view.guards {
                    return false;
                }
                if self.circuit.shape(inner).dims != shape.dims {
                    // Both read the same places, but of arrays of other extents.
                    return false;
                }
                let inner = if shape.batch { self.circuit.broadcast(inner, &shape) } else { inner };
                self.is_zero_where(arg, inner, truth, depth - 1)
            }
            _ => false,
        }
    }

    fn is_zero_gate(
        &mut self,
        gate: Gate,
        args: &[ValueId],
        condition: ValueId,
        truth: bool,
        depth: usize,
    ) -> bool {
        let zero = |builder: &mut Builder, k: usize| builder.is_zero_where(args[k], condition, truth, depth);
        match gate {
            gates::MUL => {
                (zero(self, 0) && self.facts(args[1]).finite) || (zero(self, 1) && self.facts(args[0]).finite)
            }
            gates::DIV => zero(self, 0) && self.facts(args[1]).is_away_from_zero(),
            gates::SELECT if args[0] == condition => zero(self, if truth { 1 } else { 2 }),
            gates::SELECT if !truth && self.implies(args[0], condition) => zero(self, 2),
            gates::SELECT => zero(self, 1) && zero(self, 2),
            _ => {
                let zeros = vec![0.0; args.len()];
                (gate.row().value)(&zeros) == 0.0 && (0..args.len()).all(|k| zero(self, k))
            }
        }
    }

    /// Whether one condition is `other` and something more.
    fn implies(&self, condition: ValueId, other: ValueId) -> bool {
        match self.circuit.node(condition) {
            Node::Gate { gate: gates::AND, args } => args.contains(&other),
            _ => false,
        }
    }
}

/// How far a factor of 0 is looked for: products within products are rarely deeper.
const DEPTH: usize = 8;
