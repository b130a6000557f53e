//! The derived program: a model's own source followed by its backward lines.

use super::sections::Sections;
use super::{Gradient, Line, backward};
use crate::circuit::{Circuit, Kind, Leaf, Node, SlotId, SlotRole, ValueId};
use crate::diagnostic::{Sources, Span, nearest};
use crate::differentiate::differentiate;
use crate::elaborate::Model;
use crate::simplify::simplify;
use crate::syntax::ast::{Item, ItemKind, Stmt, StmtKind};
use crate::syntax::{ast, build};

/// What is differentiated, and by what.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Path of a value of the net; its loss if `None`.
    pub of: Option<String>,
    /// Paths of values of the net; if empty, every parameter and every input that holds numbers.
    pub wrt: Vec<String>,
    /// As the chain rule gives it, not simplified.
    pub raw: bool,
}

/// Why a request cannot be met.
#[derive(Clone, Debug, PartialEq)]
pub enum Unmet {
    /// The net has no loss.
    NoLoss,
    /// There is no value of this path, but perhaps one like it.
    Unknown(String, Option<String>),
    /// What is differentiated is no single number.
    NotScalar(String),
    /// What is differentiated, or what it is differentiated by, is no real number.
    NotReal(String),
}

/// A value of a net that was differentiated, simplified: what [`requested_program`] prints.
pub struct Derived {
    /// Forward values that the gradients need, and the gradients.
    pub circuit: Circuit,
    /// By what was asked for, in that order.
    pub gradients: Vec<Gradient>,
}

/// Differentiates a model's loss by all parameters and inputs. `None` if it has no loss.
pub fn derived(model: &Model) -> Option<Derived> {
    derivative(model, &Request::default()).ok()
}

/// Differentiates a value of a model.
///
/// # Errors
/// What the request asks for and the model has not.
pub fn derivative(model: &Model, request: &Request) -> Result<Derived, Unmet> {
    let objective = match &request.of {
        None => model.loss.ok_or(Unmet::NoLoss)?,
        Some(path) => Wanted::by_path(model, path)?.value,
    };
    let circuit = &model.circuit;
    let path = || request.of.clone().unwrap_or_else(|| "loss".into());
    if !circuit.shape(objective).dims.is_empty() {
        return Err(Unmet::NotScalar(path()));
    }
    if circuit.kind(objective) != Kind::Real {
        return Err(Unmet::NotReal(path()));
    }
    let wanted = match request.wrt.as_slice() {
        [] => Wanted::all(model),
        paths => paths.iter().map(|path| Wanted::by_path(model, path)).collect::<Result<_, _>>()?,
    };
    if let Some(other) = wanted.iter().find(|wanted| circuit.kind(wanted.value) != Kind::Real) {
        return Err(Unmet::NotReal(other.path.clone()));
    }
    let mut circuit = circuit.clone();
    let leaves: Vec<ValueId> = wanted.iter().map(|wanted| wanted.value).collect();
    let found = differentiate(&mut circuit, objective, &leaves);
    let roots: Vec<_> = found.iter().flatten().copied().collect();
    let (circuit, roots) = if request.raw { (circuit, roots) } else { simplify(&circuit, &roots) };
    let mut roots = roots.into_iter();
    let gradients = wanted.into_iter().zip(found).map(|(wanted, found)| Gradient {
        path: wanted.path,
        dims: wanted.dims,
        span: wanted.span,
        value: found.and_then(|_| roots.next()),
    });
    Ok(Derived { gradients: gradients.collect(), circuit })
}

/// What a gradient is taken by.
struct Wanted {
    path: String,
    value: ValueId,
    dims: Vec<u32>,
    span: Option<Span>,
}

impl Wanted {
    /// Every parameter, then every input that holds numbers.
    fn all(model: &Model) -> Vec<Wanted> {
        let real = |id: &&SlotId| {
            let slot = model.circuit.slot(**id);
            slot.role == SlotRole::Param || (slot.role == SlotRole::Input && slot.kind == Kind::Real)
        };
        let slots = model.params.iter().chain(&model.inputs).filter(real);
        slots.map(|&id| Wanted::slot(&model.circuit, id)).collect()
    }

    fn slot(circuit: &Circuit, id: SlotId) -> Wanted {
        let slot = circuit.slot(id);
        let value = circuit.find(&Node::Leaf(Leaf::Slot(id))).expect("a slot has its leaf");
        Wanted { path: slot.name.clone(), value, dims: slot.shape.dims.clone(), span: slot.span }
    }

    fn by_path(model: &Model, path: &str) -> Result<Wanted, Unmet> {
        let circuit = &model.circuit;
        let slots = model.params.iter().chain(&model.inputs).chain(&model.states);
        if let Some(&id) = slots.into_iter().find(|id| circuit.slot(**id).name == path) {
            return Ok(Wanted::slot(circuit, id));
        }
        let results = model.outputs.iter().chain(&model.metrics).map(|o| (o.name.as_str(), o.value, o.span));
        let named = circuit.names().iter().filter_map(|n| Some((n.path.as_str(), n.value, n.span?)));
        let mut all = named.chain(results);
        if let Some((path, value, span)) = all.clone().find(|(name, _, _)| *name == path) {
            let dims = circuit.shape(value).dims.clone();
            return Ok(Wanted { path: path.into(), value, dims, span: Some(span) });
        }
        let slots = circuit.slots().iter().map(|slot| slot.name.as_str());
        let names: Vec<&str> = all.by_ref().map(|(name, _, _)| name).chain(slots).collect();
        Err(Unmet::Unknown(path.into(), nearest(path, names).map(String::from)))
    }
}

/// The text of the model's file with the lines of the gradient of its loss: [`requested_program`] as it is mostly asked
/// for.
///
/// # Panics
/// If the file has no such net, or the net no loss that is a real number.
pub fn gradient_program(sources: &Sources, file: &ast::File, training: &Model, inference: &Model) -> String {
    let request = Request::default();
    requested_program(sources, file, (training, inference), &request, false).expect("the net has a loss")
}

/// The text of the model's file with the lines of a gradient at the end of the net: the derived program, which
/// reads back. `training` and `inference` are the net's two programs; the lines in which they differ stand under
/// `if training`. What layers of a repeat share is printed once if `folded`, and told: that is for reading only.
///
/// # Errors
/// What the request asks for and the models have not.
///
/// # Panics
/// If the file has no such net.
pub fn requested_program(
    sources: &Sources,
    file: &ast::File,
    (training, inference): (&Model, &Model),
    request: &Request,
    folded: bool,
) -> Result<String, Unmet> {
    let is_net =
        |item: &&Item| matches!(&item.kind, ItemKind::Net { name, .. } if name.text == inference.name);
    let net = file.items.iter().find(is_net).expect("the model's net is in the file");
    let taken = taken(&[inference, training], &net.kind);
    let lines = |model: &Model| -> Result<Vec<Line>, Unmet> {
        let derived = derivative(model, request)?;
        Ok(backward(&derived.circuit, &derived.gradients, taken.iter().cloned()))
    };
    let repeated = told_of_repeats(training);
    let (training, inference) = (lines(training)?, lines(inference)?);
    let writer = Sections { sources, file: net.span.file, folded };
    let lines = writer.block(&inference, &training);
    let source = &sources.get(net.span.file).text;
    let (before, after) = source.split_at(net.span.end as usize - 1);
    let before = before.trim_end_matches([' ', '\t']);
    let line_break = if before.ends_with('\n') { "" } else { "\n" };
    let of = request.of.as_deref().unwrap_or("the loss");
    let title = format!(
        "# The gradient of {of}, by the chain rule, from the end to the beginning.\n  \
         # x_bar is the derivative of {of} by x. Each section begins with the line that it comes from, each line tells\n  \
         # the rule that it came by (`nnc explain tanh` tells more), or what is needed again of the way forward."
    );
    Ok(format!("{before}{line_break}\n  {title}{repeated}\n{lines}{after}"))
}

/// How an instance without a label of its own is called where its equation has several of its kind: by an example.
fn told_of_repeats(model: &Model) -> String {
    let second = model.layers.iter().find_map(|layer| {
        let (owner, kind) = layer.path.strip_suffix("_2")?.rsplit_once('.')?;
        let is_second =
            model.layers.iter().any(|first| Some(first.path.as_str()) == layer.path.strip_suffix("_2"));
        is_second.then_some((&layer.path, owner, kind))
    });
    second.map_or(String::new(), |(path, owner, kind)| {
        format!("\n  # `{path}` is the second `{kind}` in the equation of `{owner}`; a label gives it another name: `out: {kind}(...)`.")
    })
}

/// The lines of a gradient by themselves, with what each came from: those of the training program, then the outputs.
///
/// # Errors
/// What the request asks for and the model has not.
///
/// # Panics
/// If the file has no such net.
pub fn requested_lines(file: &ast::File, model: &Model, request: &Request) -> Result<Vec<Line>, Unmet> {
    let is_net = |item: &&Item| matches!(&item.kind, ItemKind::Net { name, .. } if name.text == model.name);
    let net = file.items.iter().find(is_net).expect("the model's net is in the file");
    let derived = derivative(model, request)?;
    Ok(backward(&derived.circuit, &derived.gradients, taken(&[model], &net.kind)))
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

/// `output head_W_bar`
pub(super) fn output(name: &str) -> Stmt {
    let name = build::word(name);
    Stmt { span: build::NOWHERE, kind: StmtKind::Output { name, value: None } }
}
