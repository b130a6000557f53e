//! The schedule as a person reads it: what `nnc emit --stage plan` shows.
//!
//! First the buffers with their places, then the steps. A register that is read once stands where it is read, as
//! a formula; the others are named `r0`, `r1`, .. An address is shown by its indices, or by `#` and the row-major
//! position where a loop runs through several dimensions at once.

use super::schedule::*;
use crate::circuit::Dtype;
use crate::circuit::gates::Form;
use rustc_hash::FxHashMap;
use std::fmt::{Display, Write};

/// What the element of a recurrence is called.
const SCANNED: &str = "t";

/// Prints a schedule.
pub fn print(schedule: &Schedule) -> String {
    let mut out = String::new();
    let capacity = schedule.capacity;
    let dtype = match schedule.dtype {
        Dtype::F32 => String::new(),
        other => format!(" in {other}"),
    };
    _ = writeln!(out, "for batches of up to {capacity}{dtype}; arena of {} numbers", schedule.arena);
    _ = writeln!(out, "\nbuffers");
    let width = schedule.buffers.iter().map(|buffer| title(buffer).len()).max().unwrap_or(0);
    for buffer in &schedule.buffers {
        _ = writeln!(out, "  {:width$}  {}", title(buffer), place(buffer));
    }
    for (k, scalar) in schedule.scalars.iter().enumerate() {
        _ = writeln!(out, "  scalar {k} is value {} of phase {}", scalar.value.0, scalar.phase);
    }
    for (k, step) in schedule.steps.iter().enumerate() {
        let shared = [
            (&schedule.by_example, "each thread for some of the examples"),
            (&schedule.alone, "each thread some of them"),
        ];
        for (runs, how) in shared {
            if let Some(run) = runs.iter().find(|run| run.start == k) {
                _ = writeln!(out, "\nsteps {} to {}: {how}", k + 1, run.end);
            }
        }
        print_step(schedule, step, &format!("{}.", k + 1), None, &mut out);
    }
    out
}

/// Prints a step under its number; one within a recurrence further in.
fn print_step(schedule: &Schedule, step: &Step, number: &str, within: Option<&Recur>, out: &mut String) {
    let depth = usize::from(within.is_some());
    _ = writeln!(out, "\n{}{number} {}", "  ".repeat(depth), heading(schedule, step));
    let mut printer = Printer::new(schedule, within);
    match step {
        Step::Nest(nest) => {
            printer.uses = Uses::of(&nest.body);
            printer.block(&nest.body, depth + 1, out);
        }
        Step::Contract(contract) => printer.contract(contract, &"  ".repeat(depth + 1), out),
        Step::Scatter(_) => {}
        Step::Recur(recur) => {
            let order = if recur.backwards { ", from the last" } else { "" };
            _ = writeln!(out, "  for {SCANNED} < {}{order}", recur.extent);
            for (k, inner) in recur.body.iter().enumerate() {
                print_step(schedule, inner, &format!("{number}{}.", k + 1), Some(recur), out);
            }
        }
    }
}

fn title(buffer: &Buffer) -> String {
    let batch = buffer.batch.then(|| "batch".to_string());
    let parts: Vec<String> = batch.into_iter().chain(buffer.dims.iter().map(u32::to_string)).collect();
    format!("{}[{}]", buffer.name, parts.join(", "))
}

fn place(buffer: &Buffer) -> String {
    let region = match buffer.region {
        Region::Params => "parameters".into(),
        Region::Gradients => "gradients".into(),
        Region::Moments(k) => format!("moments {k}"),
        Region::States => "states".into(),
        Region::Input(k) => format!("input {k}"),
        Region::Output(k) => format!("output {k}"),
        Region::Log => "log".into(),
        Region::Arena => "arena".into(),
    };
    format!("{region} at {}", buffer.offset)
}

/// What a step computes, in words.
pub fn heading(schedule: &Schedule, step: &Step) -> String {
    let name = |id: BufferId| &schedule.buffers[id.0 as usize].name;
    match step {
        Step::Nest(nest) => nest.what.join(", "),
        Step::Recur(recur) => format!("{}, one element after another", recur.what.join(", ")),
        Step::Contract(contract) => format!("{}: {}", contract.what, contract.why),
        Step::Scatter(scatter) => {
            let mean = if scatter.mean { ", the mean over the batch" } else { "" };
            let (index, value) = (name(scatter.index), name(scatter.value));
            format!("{}: rows of {value} added where {index} says{mean}", scatter.what)
        }
    }
}

impl Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Extent::Fixed(extent) => write!(f, "{extent}"),
            Extent::Batch => f.write_str("batch"),
        }
    }
}

/// A formula, and whether it needs brackets within another one.
#[derive(Clone)]
struct Formula {
    text: String,
    compound: bool,
}

impl Formula {
    fn atom(text: String) -> Self {
        Formula { text, compound: false }
    }

    fn bracketed(&self) -> String {
        if self.compound { format!("({})", self.text) } else { self.text.clone() }
    }
}

/// One nest, or contraction.
struct Printer<'a> {
    schedule: &'a Schedule,
    uses: FxHashMap<Reg, usize>,
    formulas: FxHashMap<Reg, Formula>,
    vars: FxHashMap<Var, String>,
    extents: FxHashMap<Var, i64>,
    named: usize,
}

impl<'a> Printer<'a> {
    /// What is printed may stand within a recurrence.
    fn new(schedule: &'a Schedule, within: Option<&Recur>) -> Self {
        let name = |recur: &Recur| (recur.var, SCANNED.to_string());
        let extent = |recur: &Recur| (recur.var, i64::from(recur.extent));
        Printer {
            schedule,
            uses: FxHashMap::default(),
            formulas: FxHashMap::default(),
            vars: within.into_iter().map(name).collect(),
            extents: within.into_iter().map(extent).collect(),
            named: 0,
        }
    }

    /// A number as the schedule computes with it.
    fn number(&self, number: f64) -> String {
        match self.schedule.dtype {
            Dtype::F32 => (number as f32).to_string(),
            Dtype::F64 => number.to_string(),
        }
    }

    fn contract(&self, contract: &Contract, indent: &str, out: &mut String) {
        let name = |first: &Address| {
            let name = &self.schedule.buffers[first.buffer.0 as usize].name;
            match first.at == Linear::default() {
                true => name.clone(),
                false => format!("{name} from {}", self.linear(&first.at)),
            }
        };
        let mean = if contract.mean { ", divided by the size of the batch" } else { "" };
        let (a, b, result) = (name(&contract.a), name(&contract.b), name(&contract.out));
        _ = writeln!(out, "{indent}{result} = sum of {a} * {b} in blocks of {}{mean}", contract.k_block);
        let groups = [("batch", &contract.batch), ("m", &contract.m), ("n", &contract.n), ("k", &contract.k)];
        for (group, axes) in groups {
            for ContractAxis { extent, a, b, out: result } in axes {
                _ = writeln!(out, "{indent}{group:5} {:6} steps {a}, {b}, {result}", extent.to_string());
            }
        }
    }

    fn block(&mut self, body: &[Stmt], depth: usize, out: &mut String) {
        body.iter().for_each(|stmt| self.stmt(stmt, depth, out));
    }

    fn stmt(&mut self, stmt: &Stmt, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        match stmt {
            Stmt::For { var, extent, hint, body } => {
                let var = self.variable(*var, *extent);
                let vector = if *hint == Hint::Vector { " in lanes" } else { "" };
                _ = match extent {
                    Extent::Batch => writeln!(out, "{indent}for {var} in batch{vector}"),
                    Extent::Fixed(extent) => writeln!(out, "{indent}for {var} < {extent}{vector}"),
                };
                self.block(body, depth + 1, out);
            }
            Stmt::Fold { acc, with, order, var, extent, hint, body, value } => {
                let name = self.variable(*var, *extent);
                let range = match extent {
                    Extent::Batch => format!("{name} in batch"),
                    Extent::Fixed(extent) => format!("{name} < {extent}"),
                };
                let how = match order {
                    Order::Lanes { .. } => "by lanes",
                    Order::Chain { .. } => "in order",
                };
                let vector = if *hint == Hint::Vector { ", vectors" } else { "" };
                let acc = self.name(*acc);
                _ = writeln!(out, "{indent}{acc} = {} over {range} {how}{vector}", combining(*with));
                self.block(body, depth + 1, out);
                _ = writeln!(out, "{indent}  of {}", self.formula(*value).text);
            }
            Stmt::Store { at, value } => {
                _ = writeln!(out, "{indent}{} = {}", self.address(at), self.formula(*value).text);
            }
            Stmt::Let { reg, op, args } => {
                let formula = self.operation(op, args);
                self.assign(*reg, formula, &indent, out);
            }
            Stmt::Load { reg, at, when, fill } => {
                let mut formula = Formula::atom(self.address(at));
                if !when.is_empty() {
                    let when: Vec<String> = when.iter().map(|condition| self.condition(condition)).collect();
                    let fill = self.number(*fill);
                    let text = format!("if {} then {} else {fill}", when.join(" and "), formula.text);
                    formula = Formula { text, compound: true };
                }
                self.assign(*reg, formula, &indent, out);
            }
            Stmt::LoadAt { reg, at, index, stride, extent } => {
                let index = self.formula(*index).text;
                let text = format!("{} + {stride} * row {index} of {extent}", self.address(at));
                self.assign(*reg, Formula { text, compound: true }, &indent, out);
            }
        }
    }

    /// Names a loop variable: `b` over the batch, else the next letter from `i` on.
    fn variable(&mut self, var: Var, extent: Extent) -> String {
        let taken = self.vars.values().filter(|name| *name != SCANNED).count();
        let letters = ["i", "j", "k", "l", "m", "n", "o", "p", "q", "s", "t", "u", "v", "w"];
        let stem = if extent == Extent::Batch { "b" } else { letters[taken % letters.len()] };
        let clash = self.vars.values().any(|name| name == stem);
        let name = if clash { format!("{stem}{taken}") } else { stem.to_string() };
        self.vars.insert(var, name.clone());
        self.extents.insert(var, extent.len_for(self.schedule.capacity as usize) as i64);
        name
    }

    fn name(&mut self, reg: Reg) -> String {
        let name = format!("r{}", self.named);
        self.named += 1;
        self.formulas.insert(reg, Formula::atom(name.clone()));
        name
    }

    /// Keeps a formula for the one place that reads it, or gives it a name.
    fn assign(&mut self, reg: Reg, formula: Formula, indent: &str, out: &mut String) {
        if self.uses.get(&reg).copied().unwrap_or(0) > 1 && formula.text.len() > 4 {
            let name = self.name(reg);
            _ = writeln!(out, "{indent}{name} = {}", formula.text);
        } else {
            self.formulas.insert(reg, formula);
        }
    }

    fn formula(&self, reg: Reg) -> Formula {
        self.formulas.get(&reg).cloned().unwrap_or_else(|| Formula::atom(format!("r?{}", reg.0)))
    }

    fn operation(&self, op: &Op, args: &[Reg]) -> Formula {
        let inner = |k: usize| self.formula(args[k]).bracketed();
        match op {
            Op::Number(number) => Formula { text: self.number(*number), compound: *number < 0.0 },
            Op::Scalar(k) => Formula { text: format!("scalar {k}"), compound: true },
            Op::BatchSize => Formula::atom("size of batch".into()),
            Op::Index(linear) => Formula { text: self.linear(linear), compound: linear.terms.len() > 1 },
            Op::Draw { site, element, example } => {
                let example = example.map(|var| format!(", {}", self.vars[&var])).unwrap_or_default();
                Formula::atom(format!("draw {site}({}{example})", self.linear(element)))
            }
            Op::Gate(gate) => match gate.row().form {
                Form::Infix(sign) => {
                    Formula { text: format!("{} {sign} {}", inner(0), inner(1)), compound: true }
                }
                Form::Prefix(sign) => Formula { text: format!("{sign} {}", inner(0)), compound: true },
                Form::Call => {
                    let args: Vec<String> = args.iter().map(|&arg| self.formula(arg).text).collect();
                    Formula::atom(format!("{}({})", gate.row().name, args.join(", ")))
                }
                Form::Select => {
                    let text = format!("if {} then {} else {}", inner(0), inner(1), inner(2));
                    Formula { text, compound: true }
                }
            },
        }
    }

    fn condition(&self, condition: &Condition) -> String {
        let e = self.linear(&condition.e);
        let over = if condition.divisor == 1 { String::new() } else { format!(" / {}", condition.divisor) };
        format!("{} <= {e}{over} < {}", condition.lo, condition.hi)
    }

    fn linear(&self, linear: &Linear) -> String {
        let mut text = String::new();
        for (k, (var, coefficient)) in linear.terms.iter().enumerate() {
            let var = &self.vars[var];
            let sign = match (k, *coefficient < 0) {
                (0, false) => "",
                (0, true) => "-",
                (_, false) => " + ",
                (_, true) => " - ",
            };
            _ = match coefficient.abs() {
                1 => write!(text, "{sign}{var}"),
                c => write!(text, "{sign}{c}*{var}"),
            };
        }
        match linear.offset {
            offset if text.is_empty() => offset.to_string(),
            0 => text,
            offset if offset < 0 => format!("{text} - {}", -offset),
            offset => format!("{text} + {offset}"),
        }
    }

    /// By indices, if each variable belongs to one of them; else by the element.
    fn address(&self, at: &Address) -> String {
        let buffer = &self.schedule.buffers[at.buffer.0 as usize];
        let mut extents: Vec<i64> = buffer.dims.iter().map(|&d| i64::from(d)).collect();
        if buffer.batch {
            extents.insert(0, i64::MAX);
        }
        let steps: Vec<i64> = (0..extents.len()).map(|k| extents[k + 1..].iter().product()).collect();
        let mut rest = at.at.clone();
        let mut indices = vec![];
        let mut within = true;
        for &step in &steps {
            let (own, other): (Vec<_>, Vec<_>) =
                rest.terms.iter().partition(|term| term.1 % step == 0 && step != 0);
            let terms = own.into_iter().map(|(var, c)| (var, c / step.max(1))).collect();
            let index = Linear { offset: rest.offset / step.max(1), terms };
            rest = Linear { offset: rest.offset % step.max(1), terms: other };
            within &= index.range(|var| self.extents[&var]).1 < extents[indices.len()];
            indices.push(self.linear(&index));
        }
        let name = &buffer.name;
        match within && rest == Linear::default() {
            true if indices.is_empty() => name.clone(),
            true => format!("{name}[{}]", indices.join(", ")),
            false => format!("{name}[#{}]", self.linear(&at.at)),
        }
    }
}

fn combining(with: Monoid) -> &'static str {
    match with {
        Monoid::Sum => "sum",
        Monoid::Prod => "product",
        Monoid::Max => "max",
        Monoid::Min => "min",
        Monoid::Argmax => "argmax",
        Monoid::Argmin => "argmin",
    }
}

/// How often each register is read. A read in a loop further in than where it is assigned counts twice, so that a
/// formula stands where it is computed.
#[derive(Default)]
struct Uses {
    assigned: FxHashMap<Reg, usize>,
    count: FxHashMap<Reg, usize>,
}

impl Uses {
    fn of(body: &[Stmt]) -> FxHashMap<Reg, usize> {
        let mut uses = Uses::default();
        uses.block(body, 0);
        uses.count
    }

    fn read(&mut self, reg: Reg, depth: usize) {
        let further_in = self.assigned.get(&reg).is_some_and(|&assigned| assigned < depth);
        *self.count.entry(reg).or_insert(0) += if further_in { 2 } else { 1 };
    }

    fn block(&mut self, body: &[Stmt], depth: usize) {
        for stmt in body {
            match stmt {
                Stmt::For { body, .. } => self.block(body, depth + 1),
                Stmt::Fold { body, value, acc, .. } => {
                    self.block(body, depth + 1);
                    self.read(*value, depth + 1);
                    self.assigned.insert(*acc, depth);
                }
                Stmt::Let { reg, args, .. } => {
                    args.iter().for_each(|&arg| self.read(arg, depth));
                    self.assigned.insert(*reg, depth);
                }
                Stmt::LoadAt { reg, index, .. } => {
                    self.read(*index, depth);
                    self.assigned.insert(*reg, depth);
                }
                Stmt::Load { reg, .. } => _ = self.assigned.insert(*reg, depth),
                Stmt::Store { value, .. } => self.read(*value, depth),
            }
        }
    }
}
