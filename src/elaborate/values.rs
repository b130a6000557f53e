//! What an expression elaborates to.

use super::statics::Static;
use crate::circuit::{Gate, ValueId};
use crate::diagnostic::Span;
use crate::syntax::ast;
use std::rc::Rc;

/// A mistake was reported where it was found; whoever sees this says nothing more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failed;

/// A result whose error has been reported.
pub type Tried<T> = Result<T, Failed>;

/// An index variable. Later ones are inner ones, so ascending order is the order of scopes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct VarId(pub u32);

/// What is known of an index variable.
#[derive(Clone, Debug)]
pub struct Var {
    /// As written.
    pub name: String,
    /// It runs from 0 to one less.
    pub extent: u32,
}

/// Which circuit a value belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Home {
    /// The net, or the update.
    Main,
    /// The initial values of parameters and states.
    Initial,
}

/// What the elements of an array are, as far as the language cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// Numbers.
    Real,
    /// Conditions.
    Boolean,
    /// Whole numbers, and the least and largest that occur, if known.
    Integer(Option<(i64, i64)>),
    /// One of so many cases.
    Class(u32),
}

/// A value of the running program.
///
/// Inside a call an array depends on the index variables that its arguments carry and on those of the enclosing
/// equation and reducers: `vars`, ascending. Its value in the circuit has one dimension for each of them, before
/// its own `dims`.
#[derive(Clone, Debug)]
pub struct Array {
    /// Its value in the circuit of its `home`.
    pub value: ValueId,
    /// Index variables that it depends on, ascending.
    pub vars: Vec<VarId>,
    /// Its own extents.
    pub dims: Vec<u32>,
    /// What its elements are.
    pub sort: Sort,
    /// Whose circuit it is in.
    pub home: Home,
}

/// What an expression elaborates to.
#[derive(Clone, Debug)]
pub enum Value<'p> {
    /// Known before training.
    Static(Static),
    /// Known when the program runs.
    Array(Array),
    /// Something to call.
    Callable(Callable<'p>),
}

/// Something that inputs can be given to.
#[derive(Clone, Debug)]
pub enum Callable<'p> {
    /// A gate that is called by its name.
    Gate(Gate),
    /// A function or layer with its settings.
    Applied(Rc<Applied<'p>>),
    /// Stages one after another.
    Pipeline(Rc<Vec<(Callable<'p>, Span)>>),
}

impl Callable<'_> {
    /// How it is called.
    pub fn name(&self) -> String {
        match self {
            Callable::Gate(gate) => gate.row().name.to_string(),
            Callable::Applied(applied) => applied.definition.name.text.clone(),
            Callable::Pipeline(stages) => {
                stages.iter().map(|(stage, _)| stage.name()).collect::<Vec<_>>().join(" |> ")
            }
        }
    }
}

/// A function or layer with its settings: for a layer, an instance that owns parameters.
#[derive(Debug)]
pub struct Applied<'p> {
    /// What was applied.
    pub definition: &'p ast::Definition,
    /// Whether it stands in the prelude.
    pub library: bool,
    /// Values of all settings given, by name, and where they were given.
    pub settings: Vec<(&'p str, Value<'p>, Span)>,
    /// Path of the occurrence: of a layer, that of the instance.
    pub path: String,
    /// The occurrence.
    pub span: Span,
    /// Whether it was written in the net itself, so that it is shown in the summary.
    pub shown: bool,
}
