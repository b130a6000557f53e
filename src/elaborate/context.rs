//! The state of an elaboration: the circuits being built, the frames of the calls under way, and what was
//! reported.

use super::program::{COMMAND_LINE, Definitions, Program};
use super::scope::Frame;
use super::values::{Array, Failed, Home, Tried, Var, VarId};
use crate::circuit::{Circuit, Named, Origin, Place, PlaceId, Shape, SlotId, ValueId};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Label, Severity, Span, codes};
use rustc_hash::{FxHashMap, FxHashSet};

/// No array has more elements for one example.
const MAX_ELEMENTS: u64 = 1 << 30;

/// No value has more dimensions: they are kept as bits of a word.
const MAX_RANK: usize = 32;

/// Expressions within expressions, through all calls, beyond this are refused: each takes room on the stack, of
/// which a thread may have no more than 2 MB.
const MAX_NESTING: usize = 320;

/// Calls within calls beyond this are refused, for the same reason.
pub const MAX_CALLS: usize = 64;

/// A parameter, a state, or another slot, as its owner sees it.
#[derive(Clone, Debug)]
pub struct Owned {
    /// Its slot.
    pub slot: SlotId,
    /// Its leaf.
    pub array: Array,
    /// The call that made it.
    pub call: Span,
}

/// Everything that elaboration writes to.
pub struct Elaborator<'p> {
    /// The program.
    pub program: &'p Program,
    /// Its top level.
    pub definitions: Definitions<'p>,
    /// The circuit of the net, or of the update.
    pub circuit: Circuit,
    /// The circuit of initial values. While [`Elaborator::home`] is [`Home::Initial`] the two are exchanged, so
    /// that `circuit` is always the one being built.
    pub other: Circuit,
    /// Which circuit is being built.
    pub home: Home,
    /// Every index variable.
    pub vars: Vec<Var>,
    /// The net, and the calls under way; never empty while a body is elaborated.
    pub frames: Vec<Frame<'p>>,
    /// What was found.
    pub diagnostics: Diagnostics,
    /// What `training` means.
    pub training: bool,
    /// Whether anything asked for `training`.
    pub asks_training: bool,
    /// Whether a metric is being elaborated.
    pub in_metric: bool,
    /// Parameters and states by path.
    pub owned: FxHashMap<String, Owned>,
    /// Initial values, in the order of their slots.
    pub initial_values: Vec<(SlotId, ValueId)>,
    /// The next value of each state, and where it is assigned.
    pub next_states: Vec<(SlotId, ValueId, Span)>,
    /// Values that a path may name.
    pub inner: FxHashMap<String, Array>,
    /// Paths of occurrences of functions and layers.
    pub paths: FxHashMap<(String, Span), String>,
    /// Paths of calls, which differ from those of instances where an instance is called twice.
    pub call_paths: FxHashMap<(String, Span, String, Vec<usize>), String>,
    /// Which stage of a pipeline is being called, which stage of that, and so on: copies of one stage have one place in
    /// the text.
    pub stages: Vec<usize>,
    /// Every path given.
    pub used_paths: FxHashSet<String>,
    /// Layers called from the net, for the summary.
    pub layers: Vec<super::model::LayerSummary>,
    /// The data that inputs and targets are columns of, if it is at hand.
    pub data: Option<&'p crate::data::Dataset>,
    /// `output` and `metric` statements; those of metrics are marked.
    pub results: Vec<(super::model::Output, bool)>,
    /// How many expressions are being elaborated, one within the other.
    pub nesting: usize,
    /// Whether mistakes are not reported: what is tried is elaborated again.
    pub quiet: bool,
    /// States of an optimizer: name, leaf, and what they begin with.
    pub moments: Vec<(String, ValueId, f64)>,
    /// Paths of parameters that are orthogonal matrices at first.
    pub orthogonal: Vec<String>,
    /// Whether the program takes derivatives by named values.
    pub takes_gradients: bool,
    /// Values that have a name.
    pub named: FxHashSet<ValueId>,
}

impl<'p> Elaborator<'p> {
    /// Nothing elaborated yet.
    pub fn new(program: &'p Program, training: bool) -> Self {
        let mut diagnostics = vec![];
        let definitions = Definitions::of(program, &mut diagnostics);
        Elaborator {
            program,
            definitions,
            circuit: Circuit::new(),
            other: Circuit::new(),
            home: Home::Main,
            vars: vec![],
            frames: vec![],
            diagnostics,
            training,
            asks_training: false,
            in_metric: false,
            owned: FxHashMap::default(),
            initial_values: vec![],
            next_states: vec![],
            inner: FxHashMap::default(),
            paths: FxHashMap::default(),
            call_paths: FxHashMap::default(),
            stages: vec![],
            used_paths: FxHashSet::default(),
            layers: vec![],
            data: None,
            results: vec![],
            nesting: 0,
            quiet: false,
            moments: vec![],
            orthogonal: vec![],
            takes_gradients: std::iter::once(&program.file)
                .chain(&program.used)
                .any(|file| super::walk::file_mentions(file, "grad")),
            named: FxHashSet::default(),
        }
    }

    /// Whether an error was reported.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }

    /// The body being elaborated.
    pub fn frame(&mut self) -> &mut Frame<'p> {
        self.frames.last_mut().expect("a body is being elaborated")
    }

    /// The body being elaborated.
    pub fn here(&self) -> &Frame<'p> {
        self.frames.last().expect("a body is being elaborated")
    }

    /// Whether code of the library is being elaborated.
    pub fn in_library(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.library)
    }

    /// A short error with one place.
    pub fn error<T>(&mut self, code: Code, message: impl Into<String>, span: Span, label: &str) -> Tried<T> {
        self.report(Diagnostic::error(code, message).at(span, label))
    }

    /// Reports an error. One inside library code is told at the user's call, the library's line being the second
    /// place, with the settings of the calls between as notes.
    pub fn report<T>(&mut self, mut diagnostic: Diagnostic) -> Tried<T> {
        if self.quiet {
            return Err(Failed);
        }
        match diagnostic.labels.first().map(|label| label.span) {
            Some(primary) if self.is_library_file(primary.file) => {
                diagnostic = self.told_at_the_call(diagnostic)
            }
            Some(primary) => diagnostic = self.with_the_call(diagnostic, primary),
            None => {}
        }
        if diagnostic.labels.iter().any(|label| label.span.file == COMMAND_LINE) {
            diagnostic.labels.retain(|label| label.span.file != COMMAND_LINE);
            diagnostic = diagnostic.note("the value comes from the command line");
        }
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
        Err(Failed)
    }

    /// A mistake that shows in the library, told at the user's call.
    fn told_at_the_call(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        for frame in self.frames.iter().rev() {
            let Some(call) = frame.call else { continue };
            if let Some(note) = frame.describe_settings() {
                diagnostic = diagnostic.note(note);
            }
            if !self.is_library_file(call.file) {
                let text = format!("in this call of `{}`", frame.callee.unwrap_or("the library"));
                diagnostic.labels.retain(|known| known.span != call);
                diagnostic.labels.insert(0, Label { span: call, text });
                break;
            }
        }
        diagnostic
    }

    /// A mistake within a function or layer of the user's, with the call in which it shows.
    fn with_the_call(&self, mut diagnostic: Diagnostic, primary: Span) -> Diagnostic {
        let Some(frame) = self.frames.last() else { return diagnostic };
        let (Some(call), Some(declared)) = (frame.call, frame.declared) else { return diagnostic };
        let within = |outer: Span, inner: Span| {
            outer.file == inner.file && outer.start <= inner.start && inner.end <= outer.end
        };
        let mut items =
            std::iter::once(&self.program.file).chain(&self.program.used).flat_map(|file| &file.items);
        let item = items.find(|item| within(item.span, declared));
        let is_inside = item.is_some_and(|item| within(item.span, primary));
        if !is_inside || diagnostic.labels.iter().any(|label| label.span == call) {
            return diagnostic;
        }
        if let Some(note) = frame.describe_settings() {
            diagnostic = diagnostic.note(note);
        }
        diagnostic.at(call, format!("in this call of `{}`", frame.callee.unwrap_or("it")))
    }

    fn is_library_file(&self, file: FileId) -> bool {
        super::program::is_library(file)
    }

    /// Goes one expression deeper while `f` runs.
    pub fn nested<T>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> Tried<T>) -> Tried<T> {
        if self.nesting >= MAX_NESTING {
            let message = format!("expressions and calls nest deeper than {MAX_NESTING} levels");
            return self.error(codes::TOO_LARGE, message, span, "too deep here");
        }
        self.nesting += 1;
        let result = self.at(span, f);
        self.nesting -= 1;
        result
    }

    /// Values built by `f` come from `span`, if not from places within it.
    pub fn at<T>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.circuit.current_origin();
        if span.file != COMMAND_LINE {
            let place = self.frames.iter().rev().find_map(|frame| frame.place);
            let place = place.filter(|_| self.home == Home::Main);
            self.circuit.set_origin(Origin { span: Some(span), place, rule: None });
        }
        let result = f(self);
        self.circuit.set_origin(before);
        result
    }

    /// Notes the statement of the body being elaborated that values come from now, or its expression; returns what it
    /// was before.
    pub fn enter_place(&mut self, equation: Option<&str>, span: Span) -> Option<PlaceId> {
        let calls = self.frames.iter().rev().filter_map(|frame| frame.call);
        let mut places = std::iter::once(span).chain(calls);
        let line = places.find(|span| !self.is_library_file(span.file)).unwrap_or(span);
        let frame = self.here();
        let place = Place {
            owner: frame.path.clone(),
            callee: frame.callee.map(str::to_string),
            equation: equation.map(str::to_string),
            span,
            line,
        };
        let main = if self.home == Home::Main { &mut self.circuit } else { &mut self.other };
        let place = main.add_place(place);
        self.frame().place.replace(place)
    }

    /// Builds into the circuit of initial values while `f` runs.
    pub fn initially<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        if self.home == Home::Initial {
            return f(self);
        }
        std::mem::swap(&mut self.circuit, &mut self.other);
        self.home = Home::Initial;
        let result = f(self);
        self.home = Home::Main;
        std::mem::swap(&mut self.circuit, &mut self.other);
        result
    }

    /// A new index variable, inside all those before.
    pub fn new_var(&mut self, name: &str, extent: u32) -> VarId {
        let id = VarId(u32::try_from(self.vars.len()).expect("fewer than 2^32 index variables"));
        self.vars.push(Var { name: name.to_string(), extent });
        id
    }

    /// What is known of an index variable.
    pub fn var(&self, id: VarId) -> &Var {
        &self.vars[id.0 as usize]
    }

    /// The extents of some index variables.
    pub fn extents(&self, vars: &[VarId]) -> Vec<u32> {
        vars.iter().map(|&var| self.var(var).extent).collect()
    }

    /// The shape of an array over some index variables with some dimensions of its own.
    ///
    /// # Errors
    /// If it is larger than this version carries.
    pub fn shape(&mut self, batch: bool, vars: &[VarId], dims: &[u32]) -> Tried<Shape> {
        let mut all = self.extents(vars);
        all.extend(dims);
        let elements = all.iter().try_fold(1u64, |product, &dim| product.checked_mul(u64::from(dim)));
        if elements.is_none_or(|elements| elements > MAX_ELEMENTS) || all.len() > MAX_RANK {
            let span = self.circuit.current_origin().span;
            let message = format!("an array {all:?} is larger than this version carries");
            let diagnostic = Diagnostic::error(codes::TOO_LARGE, message)
                .help("at most 2^30 elements for one example, and 32 axes");
            return self.report(match span {
                Some(span) => diagnostic.at(span, "here"),
                None => diagnostic,
            });
        }
        Ok(Shape { batch, dims: all })
    }

    /// Gives a value a path by which it can be read, with a name for each of its dimensions: those of its index
    /// variables, then `indices` as written, then those of an earlier name of the same value, then letters that are
    /// free.
    pub fn name(&mut self, path: &str, array: &Array, indices: &[String], span: Span) {
        if self.home == Home::Initial || self.inner.contains_key(path) {
            return;
        }
        let mapped: Vec<String> = array.vars.iter().map(|&var| self.var(var).name.clone()).collect();
        let count = array.vars.len() + array.dims.len();
        let earlier = self.indices_of(array.value);
        let rest = earlier.iter().skip(mapped.len() + indices.len());
        let given = mapped.iter().chain(indices).chain(rest).take(count);
        let mut names: Vec<String> = vec![];
        for name in given.cloned().map(Some).chain(std::iter::repeat(None)).take(count) {
            let free = |name: &String| !names.contains(name);
            let letters = || ('i'..='z').chain('a'..='h').map(String::from);
            let numbered = || (0..).map(|k| format!("i{k}"));
            let name = name.filter(free).or_else(|| letters().chain(numbered()).find(free));
            names.push(name.expect("there are endless numbered names"));
        }
        self.inner.insert(path.to_string(), array.clone());
        self.named.insert(array.value);
        self.circuit.name(Named {
            path: path.to_string(),
            value: array.value,
            indices: names,
            mapped: array.vars.len(),
            span: Some(span),
        });
    }

    /// What a value that has a name already calls its indices.
    fn indices_of(&self, value: ValueId) -> Vec<String> {
        if !self.named.contains(&value) {
            return vec![];
        }
        let named = self.circuit.names().iter().rev().find(|named| named.value == value);
        named.map_or(vec![], |named| named.indices.clone())
    }
}
