//! Shapes of values that are read before they are computed: from headers, from indices and their ranges, and from what
//! functions and layers give.

use super::super::context::Elaborator;
use super::super::scope::{BodyKind, Bound, Frame};
use super::super::sizes::Given;
use super::super::values::{Applied, Callable, Tried, Value};
use super::super::walk::for_each_child;
use super::Shaped;
use crate::circuit::Gate;
use crate::diagnostic::Span;
use crate::syntax::ast::{Arg, Decl, Definition, DefinitionKind, Expr, ExprKind, How, Index, IndexArg};

/// Dimensions, as far as they are told.
#[derive(Clone, PartialEq, Debug)]
enum Dims {
    Told(Vec<u32>),
    /// They are those of a value whose own are being looked for, or a number's.
    Own,
    Unknown,
}

/// Whether the dimensions beyond those of an equation's indices are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rest {
    /// By the right side or the header.
    Told,
    /// They depend on nothing but the recurrence itself.
    Own,
    /// Not told.
    Unknown,
}

/// Something called, as far as the shape of what it gives goes.
enum Called<'p> {
    /// A gate: as its arguments.
    Pointwise,
    Definition(&'p Definition, bool, Vec<(&'p str, Value<'p>, Span)>),
    Stages(Vec<Called<'p>>),
}

impl<'p> Elaborator<'p> {
    /// The shape of a name of a recurrence, its own indices included, those of the call around it not. Nothing where it
    /// is not told, or not found yet.
    pub(super) fn shape_in_cycle(&mut self, cycle: usize, name: &str) -> Option<Vec<u32>> {
        if let Some(Ok(Value::Array(array))) = self.here().names.get(name).map(|entry| &entry.value) {
            return Some(array.dims.clone());
        }
        if self.here().cycles[cycle].shaped == Shaped::Not {
            self.frame().cycles[cycle].shaped = Shaped::Searching;
            self.find_shapes(cycle);
            self.frame().cycles[cycle].shaped = Shaped::Done;
        }
        self.here().cycles[cycle].shapes.get(name).cloned()
    }

    /// Finds the shapes of a recurrence's names, in rounds: what one tells may tell others. Where nothing tells more, what
    /// is told by indices alone is a number at each of them.
    fn find_shapes(&mut self, cycle: usize) {
        let mut names: Vec<((usize, usize), String)> =
            self.here().cycles[cycle].names.iter().map(|(name, &place)| (place, name.clone())).collect();
        names.sort();
        loop {
            // Those that depend on nothing but the recurrence come before those of which something is not told.
            let mut open: [Option<(String, Vec<u32>)>; 2] = [None, None];
            let known = self.here().cycles[cycle].shapes.len();
            for (_, name) in &names {
                if self.here().cycles[cycle].shapes.contains_key(name) {
                    continue;
                }
                match self.quietly(|this| this.shape_of_target(cycle, name)) {
                    Some((dims, Rest::Told)) => {
                        self.frame().cycles[cycle].shapes.insert(name.clone(), dims);
                    }
                    Some((dims, rest)) if rest == Rest::Own || !dims.is_empty() => {
                        let open = &mut open[usize::from(rest == Rest::Unknown)];
                        open.get_or_insert((name.clone(), dims));
                    }
                    _ => {}
                }
            }
            let shapes = &mut self.frame().cycles[cycle].shapes;
            if shapes.len() == known {
                match open.into_iter().flatten().next() {
                    Some((name, dims)) => drop(shapes.insert(name, dims)),
                    None => return,
                }
            }
        }
    }

    /// The shape of what an equation defines: that of its header, or the ranges of its indices and the rest from its
    /// right side.
    pub(super) fn shape_of_target(&mut self, cycle: usize, name: &str) -> Tried<(Vec<u32>, Rest)> {
        let (targets, how, value, at) = self.here().cycles[cycle].equation(name);
        let target = &targets[at];
        if let Some((dims, _)) = self.declared_of(target)? {
            return Ok((dims, Rest::Told));
        }
        let (k, _) = self.here().cycles[cycle].names[name];
        let statement = self.here().cycles[cycle].statements[k];
        let frame = self.frame();
        let current = frame.current.replace(statement);
        let indices = std::mem::take(&mut frame.indices);
        let (equation, label) = (frame.equation.replace(&targets[0].name.text), frame.label.take());
        let dims = self.shape_by_indices(&targets[0].indices, how, value, at);
        let frame = self.frame();
        (frame.current, frame.indices, frame.equation, frame.label) = (current, indices, equation, label);
        dims
    }

    fn shape_by_indices(
        &mut self,
        indices: &'p [Index],
        how: How,
        value: &'p Expr,
        at: usize,
    ) -> Tried<(Vec<u32>, Rest)> {
        let vars = self.bind(indices, None, &[value])?;
        let mut extents = self.extents(&vars).into_iter();
        let mut dims = vec![];
        for index in indices {
            match index {
                Index::Name { .. } => dims.extend(extents.next()),
                Index::Group { parts, .. } => dims.push(extents.by_ref().take(parts.len()).product()),
                Index::Pack(pack) => {
                    let count = self.here().packs.get(&pack.text).map_or(0, Vec::len);
                    dims.extend(extents.by_ref().take(count));
                }
                Index::PackGroup { pack, .. } => {
                    let count = self.here().packs.get(&pack.text).map_or(0, Vec::len);
                    dims.push(extents.by_ref().take(count).product());
                }
            }
        }
        if how == How::Draws {
            return Ok((dims, Rest::Told));
        }
        let rest = match self.results_of(value).into_iter().nth(at) {
            Some(Dims::Told(rest)) => {
                dims.extend(rest);
                Rest::Told
            }
            Some(Dims::Own) => Rest::Own,
            Some(Dims::Unknown) | None => Rest::Unknown,
        };
        Ok((dims, rest))
    }

    /// The shapes of what an expression gives, its index variables apart: several of a call with several results.
    fn results_of(&mut self, expr: &'p Expr) -> Vec<Dims> {
        match &expr.kind {
            ExprKind::Group(inner) | ExprKind::Labelled { value: inner, .. } => self.results_of(inner),
            ExprKind::Call { callee, args } => self.results_of_call(callee, args),
            ExprKind::Pipe(stages) => self.results_of_pipe(stages),
            _ => vec![self.dims(expr)],
        }
    }

    /// The shape of an expression's value, its index variables apart.
    fn dims(&mut self, expr: &'p Expr) -> Dims {
        match &expr.kind {
            ExprKind::Number { .. } | ExprKind::Percent { .. } => Dims::Told(vec![]),
            ExprKind::Name { name, .. } if self.here().index(&name.text).is_some() => Dims::Told(vec![]),
            ExprKind::Name { .. } => match self.promised_dims(expr) {
                Some(Some(dims)) => Dims::Told(dims),
                Some(None) => Dims::Own,
                None => self.known_dims(expr),
            },
            ExprKind::Field { .. } => self.known_dims(expr),
            ExprKind::Index { base, indices } => match self.dims(base) {
                Dims::Told(dims) => match dims.get(self.axes_of(indices)..) {
                    Some(rest) => Dims::Told(rest.to_vec()),
                    None => Dims::Unknown,
                },
                other => other,
            },
            ExprKind::Default { read, default } => pointwise(vec![self.dims(read), self.dims(default)]),
            ExprKind::Group(inner) | ExprKind::Labelled { value: inner, .. } => self.dims(inner),
            ExprKind::Reduce { body, indices, .. } => {
                let begin = self.here().indices.len();
                let bound = self.quietly(|this| this.bind(indices, None, &[body]));
                let dims = if bound.is_some() { self.dims(body) } else { Dims::Unknown };
                self.unbind(begin);
                dims
            }
            ExprKind::Array(parts) => match parts.first().map(|part| self.dims(part)) {
                Some(Dims::Told(part)) => {
                    Dims::Told(u32::try_from(parts.len()).into_iter().chain(part).collect())
                }
                _ => Dims::Unknown,
            },
            ExprKind::Call { .. } | ExprKind::Pipe(_) => {
                self.results_of(expr).into_iter().next().unwrap_or(Dims::Unknown)
            }
            ExprKind::Unary { .. } | ExprKind::Binary { .. } | ExprKind::If { .. } => {
                let mut all = vec![];
                for_each_child(expr, &mut |child| all.push(child));
                pointwise(all.into_iter().map(|child| self.dims(child)).collect())
            }
            ExprKind::String(_) | ExprKind::Tuple(_) | ExprKind::Repeat { .. } | ExprKind::Error => {
                Dims::Unknown
            }
        }
    }

    /// The shape of what is elaborated without the recurrence.
    fn known_dims(&mut self, expr: &'p Expr) -> Dims {
        match self.quietly(|this| this.expr(expr)) {
            Some(Value::Array(array)) => Dims::Told(array.dims),
            Some(Value::Static(_)) => Dims::Told(vec![]),
            Some(Value::Callable(_)) | None => Dims::Unknown,
        }
    }

    /// How many axes brackets take.
    fn axes_of(&self, indices: &[IndexArg]) -> usize {
        let axes = |index: &IndexArg| match index {
            IndexArg::Pack(name) => match self.here().index(&name.text) {
                Some(Bound::Pack(vars)) => vars.len(),
                _ => 1,
            },
            _ => 1,
        };
        indices.iter().map(axes).sum()
    }

    fn results_of_call(&mut self, callee: &'p Expr, args: &'p [Arg]) -> Vec<Dims> {
        let Some(called) = self.called(callee) else { return vec![] };
        let mut shapes = vec![];
        for arg in args {
            shapes.push((
                arg.name.as_ref().map(|name| name.text.as_str()),
                self.dims(&arg.value),
                arg.value.span,
            ));
        }
        self.results(&called, &shapes)
    }

    fn results_of_pipe(&mut self, stages: &'p [Expr]) -> Vec<Dims> {
        let Some((first, rest)) = stages.split_first() else { return vec![] };
        let mut results = vec![self.dims(first)];
        for stage in rest {
            let input = results.into_iter().next().unwrap_or(Dims::Unknown);
            let Some(called) = self.called(stage) else { return vec![] };
            results = self.results(&called, &[(None, input, stage.span)]);
        }
        results
    }

    /// What is called, without making an instance of it.
    fn called(&mut self, expr: &'p Expr) -> Option<Called<'p>> {
        match &expr.kind {
            ExprKind::Group(inner) | ExprKind::Labelled { value: inner, .. } => self.called(inner),
            ExprKind::Repeat { stage, .. } => self.called(stage),
            ExprKind::Name { name, primed: false } => {
                if let Some(Value::Callable(callable)) = self.meaning_of(&name.text, name.span) {
                    return Some(called_by(&callable));
                }
                match self.definitions.callable(&name.text, self.in_library()) {
                    Some((definition, library)) => Some(Called::Definition(definition, library, vec![])),
                    None => Gate::called(&name.text).map(|_| Called::Pointwise),
                }
            }
            ExprKind::Call { callee, args } => {
                let name = Self::callable_name(callee)?;
                let (definition, library) = self.definitions.callable(&name.text, self.in_library())?;
                let (settings, span) = (&definition.settings, definition.name.span);
                let given =
                    self.quietly(|this| this.given_settings(&definition.name.text, settings, args, span))?;
                Some(Called::Definition(definition, library, given))
            }
            ExprKind::Pipe(stages) => {
                let stages = stages.iter().map(|stage| self.called(stage));
                Some(Called::Stages(stages.collect::<Option<_>>()?))
            }
            _ => None,
        }
    }

    fn results(&mut self, called: &Called<'p>, args: &[(Option<&str>, Dims, Span)]) -> Vec<Dims> {
        match called {
            Called::Pointwise => vec![pointwise(args.iter().map(|arg| arg.1.clone()).collect())],
            Called::Stages(stages) => {
                let mut results: Vec<Dims> = vec![];
                for (k, stage) in stages.iter().enumerate() {
                    results = match k {
                        0 => self.results(stage, args),
                        _ => {
                            let input = results.into_iter().next().unwrap_or(Dims::Unknown);
                            self.results(stage, &[(None, input, args[0].2)])
                        }
                    };
                }
                results
            }
            Called::Definition(definition, library, settings) => {
                let scalar = |decls: &[Decl]| decls.iter().all(|decl| decl.sizes.is_empty());
                let lifts = definition.kind == DefinitionKind::Fn
                    && scalar(&definition.inputs)
                    && scalar(&definition.outputs);
                if lifts {
                    return vec![pointwise(args.iter().map(|arg| arg.1.clone()).collect())];
                }
                self.declared_results(definition, *library, settings, args)
            }
        }
    }

    /// What a header says of the outputs, its sizes bound by the settings and by the arguments whose shapes are told.
    fn declared_results(
        &mut self,
        definition: &'p Definition,
        library: bool,
        settings: &[(&'p str, Value<'p>, Span)],
        args: &[(Option<&str>, Dims, Span)],
    ) -> Vec<Dims> {
        let mut frame = Frame::new(BodyKind::Function, library);
        frame.callee = Some(&definition.name.text);
        frame.outputs = &definition.outputs;
        self.frames.push(frame);
        let bound = self.quietly(|this| this.bind_settings(&definition.settings, settings));
        let mut results = vec![];
        if bound.is_some() {
            for (k, (name, dims, span)) in args.iter().enumerate() {
                let input = match name {
                    None => definition.inputs.get(k),
                    Some(name) => definition.inputs.iter().find(|input| input.name.text == *name),
                };
                if let (Some(input), Dims::Told(dims)) = (input, dims) {
                    let given = Given { dims, span: *span, what: "the argument" };
                    self.quietly(|this| this.bind_sizes(input, given));
                }
            }
            for output in &definition.outputs {
                let dims = self.quietly(|this| this.declared_dims(output));
                results.push(dims.map_or(Dims::Unknown, Dims::Told));
            }
        }
        self.frames.pop();
        results
    }
}

/// The shape of operands that meet element by element: that of those that are arrays.
fn pointwise(all: Vec<Dims>) -> Dims {
    let array = all.iter().find(|dims| matches!(dims, Dims::Told(dims) if !dims.is_empty()));
    let first = |dims: Dims| all.iter().find(|&other| *other == dims);
    let found = array.or_else(|| first(Dims::Unknown)).or_else(|| first(Dims::Own));
    found.cloned().unwrap_or(Dims::Told(vec![]))
}

fn called_by<'p>(callable: &Callable<'p>) -> Called<'p> {
    match callable {
        Callable::Gate(_) => Called::Pointwise,
        Callable::Applied(applied) => {
            let Applied { definition, library, settings, .. } = &**applied;
            Called::Definition(definition, *library, settings.clone())
        }
        Callable::Pipeline(stages) => {
            Called::Stages(stages.iter().map(|(stage, _)| called_by(stage)).collect())
        }
    }
}
