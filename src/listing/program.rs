//! The derived program: a model's own source followed by its backward lines.

use super::{Gradient, Line, backward};
use crate::circuit::{Circuit, Kind, Leaf, Node, SlotId, SlotRole};
use crate::diagnostic::{Sources, Span};
use crate::differentiate::differentiate;
use crate::elaborate::Model;
use crate::simplify::simplify;
use crate::syntax::ast::{Item, ItemKind, Stmt, StmtKind};
use crate::syntax::{ast, build, stmt_to_string};

/// A net whose loss was differentiated by its parameters and inputs, simplified: what [`gradient_program`] prints.
pub struct Derived {
    /// Forward values that the gradients need, and the gradients.
    pub circuit: Circuit,
    /// By each parameter, then by each input that holds numbers.
    pub gradients: Vec<Gradient>,
}

/// Differentiates a model's loss by all parameters and inputs. `None` if it has no loss.
pub fn derived(model: &Model) -> Option<Derived> {
    let loss = model.loss?;
    let mut circuit = model.circuit.clone();
    let real = |id: &&SlotId| {
        let slot = circuit.slot(**id);
        slot.role == SlotRole::Param || (slot.role == SlotRole::Input && slot.kind == Kind::Real)
    };
    let slots: Vec<SlotId> = model.params.iter().chain(&model.inputs).filter(real).copied().collect();
    let leaf = |id: &SlotId| circuit.find(&Node::Leaf(Leaf::Slot(*id))).expect("a slot has its leaf");
    let leaves: Vec<_> = slots.iter().map(leaf).collect();
    let found = differentiate(&mut circuit, loss, &leaves);
    let roots: Vec<_> = found.iter().flatten().copied().collect();
    let (circuit, simple) = simplify(&circuit, &roots);
    let mut simple = simple.into_iter();
    let gradients = slots
        .iter()
        .zip(found)
        .map(|(slot, found)| Gradient { slot: *slot, value: found.and_then(|_| simple.next()) });
    Some(Derived { gradients: gradients.collect(), circuit })
}

/// The text of the model's file with the lines of its gradient at the end of the net: the derived program, which
/// reads back. `training` and `inference` are the net's two programs; the lines in which they differ stand under
/// `if training`.
///
/// # Panics
/// If the file has no such net, or the net no loss.
pub fn gradient_program(sources: &Sources, file: &ast::File, training: &Model, inference: &Model) -> String {
    let is_net =
        |item: &&Item| matches!(&item.kind, ItemKind::Net { name, .. } if name.text == inference.name);
    let net = file.items.iter().find(is_net).expect("the model's net is in the file");
    let taken = taken(&[inference, training], &net.kind);
    let lines = |model: &Model| {
        let derived = derived(model).expect("the net has a loss");
        backward(&derived.circuit, &derived.gradients, taken.iter().cloned())
    };
    let lines = block(sources, net.span, &lines(inference), &lines(training));
    let source = &sources.get(net.span.file).text;
    let (before, after) = source.split_at(net.span.end as usize - 1);
    let before = before.trim_end_matches([' ', '\t']);
    let line_break = if before.ends_with('\n') { "" } else { "\n" };
    format!("{before}{line_break}\n  # The gradient of the loss, by the chain rule.\n{lines}{after}")
}

/// Every word at the top of the net that an index or a new name must not be.
fn taken(models: &[&Model], net: &ItemKind) -> Vec<String> {
    let mut taken = vec![];
    for model in models {
        taken.extend(model.circuit.names().iter().map(|named| &named.path));
        taken.extend(model.circuit.slots().iter().map(|slot| &slot.name));
        taken.extend(model.outputs.iter().chain(&model.metrics).map(|output| &output.name));
        taken.extend(model.settings.iter().map(|(name, _)| name));
    }
    let mut taken: Vec<String> =
        taken.into_iter().map(|path| path.split('.').next().unwrap_or(path).into()).collect();
    if let ItemKind::Net { body, .. } = net {
        body.iter().for_each(|stmt| defined(stmt, &mut taken));
    }
    taken
}

/// What a statement defines: also labels and layers, which are no values.
fn defined(stmt: &Stmt, taken: &mut Vec<String>) {
    match &stmt.kind {
        StmtKind::Define { targets, .. } => {
            taken.extend(targets.iter().map(|target| target.name.text.clone()))
        }
        StmtKind::Output { name, .. } | StmtKind::Metric { name, .. } => taken.push(name.text.clone()),
        StmtKind::If { then, otherwise, .. } => {
            then.iter().chain(otherwise.iter().flatten()).for_each(|stmt| defined(stmt, taken));
        }
        StmtKind::Declare { decls, .. } => {
            taken.extend(decls.iter().map(|declared| declared.decl.name.text.clone()))
        }
    }
}

/// The lines of both programs: first what they share, then what is different, then the outputs.
fn block(sources: &Sources, net: Span, inference: &[Line], training: &[Line]) -> String {
    let shown = |line: &Line, indent: usize| {
        (stmt_to_string(&line.stmt, indent).trim_end().to_string(), comment(sources, net, line))
    };
    let text = |line: &Line| stmt_to_string(&line.stmt, 0);
    let within = |line: &Line, others: &[Line]| others.iter().any(|other| text(other) == text(line));
    // An output of both programs comes last; one of a parameter that only one of them has, with what defines it.
    let is_output = |line: &&Line| {
        let output = matches!(line.stmt.kind, StmtKind::Output { .. });
        output && within(line, inference) && within(line, training)
    };
    let equations =
        |lines: &'_ [Line]| -> Vec<Line> { lines.iter().filter(|line| !is_output(line)).cloned().collect() };
    let (ours, theirs) = (equations(inference), equations(training));

    let only = |lines: &[Line], others: &[Line]| -> Vec<Line> {
        lines.iter().filter(|line| !within(line, others)).cloned().collect()
    };
    let (only_theirs, only_ours) = (only(&theirs, &ours), only(&ours, &theirs));
    let mut choice = vec![];
    if !only_theirs.is_empty() || !only_ours.is_empty() {
        choice.push(("  if training {".into(), None));
        choice.extend(only_theirs.iter().map(|line| shown(line, 4)));
        choice.push(("  } else {".into(), None));
        choice.extend(only_ours.iter().map(|line| shown(line, 4)));
        choice.push(("  }".into(), None));
    }
    // The choice stands where the first line differs.
    let mut rows: Vec<(String, Option<String>)> = vec![];
    for line in &theirs {
        if within(line, &ours) {
            rows.push(shown(line, 2));
        } else {
            rows.append(&mut choice);
        }
    }
    rows.append(&mut choice);
    rows.push((String::new(), None));
    rows.extend(inference.iter().filter(is_output).map(|line| shown(line, 2)));
    aligned(&rows)
}

/// Rows with their comments in one column, but for rows that are long or of several lines.
fn aligned(rows: &[(String, Option<String>)]) -> String {
    const LONG: usize = 72;
    let short = |code: &str| !code.contains('\n') && code.chars().count() <= LONG;
    let widths = rows.iter().filter(|(code, comment)| comment.is_some() && short(code));
    let column = widths.map(|(code, _)| code.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (code, comment) in rows {
        match comment {
            Some(comment) if short(code) => {
                text.push_str(&format!("{code:column$}  # {comment}\n"));
            }
            Some(comment) => {
                let indent: String = code.chars().take_while(|c| *c == ' ').collect();
                text.push_str(&format!("{indent}# {comment}\n{code}\n"));
            }
            None => text.push_str(&format!("{code}\n")),
        }
    }
    text
}

/// How much of a source line a comment shows.
const SHOWN: usize = 60;

/// `chain rule of tanh in line 14: h = x |> dense(8) |> tanh`; for library code, in which entry of it.
fn comment(sources: &Sources, net: Span, line: &Line) -> Option<String> {
    let span = line.origin.span?;
    let number = sources.line(span);
    let text = &sources.get(span.file).text;
    let written = |number: usize| {
        let line = text.lines().nth(number - 1).unwrap_or_default();
        line.split('#').next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let shortened = |line: String| match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} ...", line[..end].trim_end()),
        None => line,
    };
    let place = if span.file == net.file {
        format!("line {number}")
    } else {
        (1..=number)
            .rev()
            .find_map(|number| entry(&written(number)))
            .unwrap_or_else(|| sources.get(span.file).name.clone())
    };
    let rule = line.origin.rule.map(|rule| format!("{rule} in ")).unwrap_or_default();
    let rule = rule.replace("sum over its uses in", "sum over its uses, defined in");
    Some(format!("{rule}{place}: {}", shortened(written(number))))
}

/// The name of the function or layer that a line begins.
fn entry(line: &str) -> Option<String> {
    let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("layer "))?;
    Some(rest.split('(').next().unwrap_or(rest).to_string())
}

/// `output head_W_bar`
pub(super) fn output(name: &str) -> Stmt {
    let name = build::word(name);
    Stmt { span: build::NOWHERE, kind: StmtKind::Output { name, value: None } }
}
