//! What values are called in a listing.

use crate::circuit::recurrence::{Unit, units};
use crate::circuit::{Circuit, Leaf, Node, Origin, Place, PlaceId, ValueId, gates};
use crate::differentiate::rules;
use rustc_hash::{FxHashMap, FxHashSet};

/// Words of the language that name no value and no index.
pub(super) const RESERVED: &[&str] = &[
    "pi",
    "inf",
    "step",
    "steps",
    "epoch",
    "training",
    "batch",
    "true",
    "false",
    "if",
    "then",
    "else",
    "or",
    "and",
    "not",
    "div",
    "mod",
    "sum",
    "mean",
    "max",
    "min",
    "prod",
    "argmax",
    "argmin",
    "any",
    "all",
    "param",
    "state",
    "input",
    "target",
    "output",
    "metric",
    "net",
    "data",
    "train",
    "fn",
    "layer",
    "optimizer",
    "schedule",
    "use",
    "repeat",
    "grad",
    "stop",
    "on",
    "table",
];

/// How a value is read: `head.W[m, n]`.
#[derive(Clone, Debug)]
pub(super) struct Reference {
    /// Its path.
    pub path: String,
    /// A name for each of its indices.
    pub indices: Vec<String>,
    /// Where the path names the value spread over more dimensions: for each dimension of that, which of the value's
    /// own it is; along the others any element will do.
    pub spread: Option<Vec<Option<usize>>>,
}

/// What values are called, and which words are taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    of: FxHashMap<ValueId, Reference>,
    taken: FxHashSet<String>,
    /// Where the cotangents with a name came from.
    origins: FxHashMap<String, Origin>,
    /// Of the values of recurrences: along which dimension they run.
    scanned: FxHashMap<ValueId, usize>,
}

impl Names {
    /// The names of a circuit: of slots and of what was named. `taken` are further words that may not be used.
    pub fn of(circuit: &Circuit, taken: impl IntoIterator<Item = String>) -> Names {
        let mut names = Names { taken: taken.into_iter().collect(), ..Names::default() };
        let recurrences: Vec<ValueId> = circuit.variables().filter_map(|v| circuit.source(v)).collect();
        for unit in units(circuit, &recurrences) {
            if let Unit::Recurrence(recurrence) = unit {
                names.scanned.extend(recurrence.axes);
            }
        }
        names.taken.extend(RESERVED.iter().map(ToString::to_string));
        for named in circuit.names() {
            names.take(&named.path);
        }
        for cotangent in circuit.cotangents() {
            names.origins.insert(circuit.names()[cotangent.name].path.clone(), cotangent.origin);
        }
        for value in circuit.values() {
            if let Node::Leaf(Leaf::Slot(id)) = circuit.node(value) {
                let (path, rank) = (circuit.slot(*id).name.clone(), circuit.shape(value).dims.len());
                names.take(&path);
                names.of.insert(value, Reference { path, indices: vec![String::new(); rank], spread: None });
            }
        }
        // A value that is a number is written as such, whatever its name.
        for (value, named) in
            circuit.shown_names().into_iter().filter(|(value, _)| number(circuit, *value).is_none())
        {
            let (path, indices) = (named.path.clone(), named.indices.clone());
            names.of.insert(value, Reference { path, indices, spread: None });
        }
        names
    }

    /// Along which dimension a value recurs, if it does.
    pub fn scanned(&self, value: ValueId) -> Option<usize> {
        self.scanned.get(&value).copied()
    }

    /// Lets what has no name be read by that of a value that is the same spread over more dimensions, if it is one that
    /// `may` be used so.
    pub fn read_spread(&mut self, circuit: &Circuit, may: impl Fn(&str) -> bool) {
        for named in circuit.names().iter().filter(|named| may(&named.path)) {
            let Node::View { arg, view } = circuit.node(named.value) else { continue };
            let (from, out) = (circuit.shape(*arg), &view.out);
            let Some(axes) = view.as_select() else { continue };
            let whole = axes.iter().zip(&from.dims).all(|(&axis, &extent)| out.dims[axis] == extent);
            if !whole
                || from.batch != out.batch
                || self.of.contains_key(arg)
                || number(circuit, *arg).is_some()
            {
                continue;
            }
            let indices = axes.iter().map(|&axis| named.indices[axis].clone()).collect();
            let own = |dim: usize| axes.iter().position(|&axis| axis == dim);
            let spread = Some((0..out.dims.len()).map(own).collect());
            self.of.insert(*arg, Reference { path: named.path.clone(), indices, spread });
        }
    }

    /// Names what the lags of a derived recurrence read after whose cotangent it is a share of: `h_lag_bar` in
    /// `h_bar[t] = .. + (h_lag_bar[t + 1] else 0)`.
    pub fn name_turned(&mut self, circuit: &Circuit) {
        for cotangent in circuit.cotangents() {
            let named = &circuit.names()[cotangent.name];
            let mut open = vec![named.value];
            while let Some(value) = open.pop() {
                match circuit.node(value) {
                    Node::Gate { gate, args } if *gate == gates::ADD => open.extend(args.iter().rev()),
                    Node::Lag { variable, by, .. } => {
                        let Some(source) = circuit.source(*variable) else { continue };
                        if self.of.contains_key(&source) || number(circuit, source).is_some() {
                            continue;
                        }
                        let of = named.path.strip_suffix("_bar").unwrap_or(&named.path);
                        let base = match by.unsigned_abs() {
                            1 => format!("{of}_lag"),
                            by => format!("{of}_lag_{by}"),
                        };
                        let path = self
                            .free(|k| if k == 1 { format!("{base}_bar") } else { format!("{base}_bar_{k}") });
                        self.name(circuit, source, path);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Takes the first word of a path.
    fn take(&mut self, path: &str) {
        self.taken.insert(path.split('.').next().unwrap_or(path).to_string());
    }

    pub fn is_taken(&self, word: &str) -> bool {
        self.taken.contains(word) || word.is_empty()
    }

    /// How a value is read, if it has a name.
    pub fn get(&self, value: ValueId) -> Option<&Reference> {
        self.of.get(&value)
    }

    /// Gives a value a name of its own: `h_gru_c_sum_bar` for the cotangent of the sum in `h.gru.c`, `h_tanh` for the tanh
    /// in `h` that is needed again, `.._share` for what is a part of a cotangent.
    pub fn make(&mut self, circuit: &Circuit, value: ValueId) {
        let origin = circuit.origin(value);
        let noun = rules::noun(circuit.node(value)).unwrap_or("read");
        let base = match circuit.hint(value) {
            Some(hint) => format!("{}_bar", named_after(circuit.place(hint.of), true, hint.noun)),
            None if origin.rule.is_some() => {
                format!("{}_share", named_after(circuit.place(origin), true, noun))
            }
            None => named_after(circuit.place(origin), false, noun),
        };
        let path = self.free(|k| if k == 1 { base.clone() } else { format!("{base}_{k}") });
        self.name(circuit, value, path);
    }

    /// The statement that a line belongs to.
    pub fn place(&self, circuit: &Circuit, value: ValueId) -> Option<PlaceId> {
        let path = self.of.get(&value).map(|reference| reference.path.as_str());
        let named = path.and_then(|path| self.origins.get(path));
        named.copied().unwrap_or_else(|| circuit.origin(value)).place
    }

    /// The first of numbered words that is free; takes it.
    pub fn free(&mut self, numbered: impl Fn(usize) -> String) -> String {
        let word = (1..).map(numbered).find(|word| !self.is_taken(word)).expect("numbers do not end");
        self.taken.insert(word.clone());
        word
    }

    /// Calls a value by a word.
    pub fn name(&mut self, circuit: &Circuit, value: ValueId, path: String) {
        let indices =
            (0..circuit.shape(value).dims.len()).map(|axis| self.suggestion(circuit, value, axis, DEPTH));
        let indices = indices.map(Option::unwrap_or_default).collect();
        self.take(&path);
        self.of.insert(value, Reference { path, indices, spread: None });
    }

    /// What the index of a dimension is called where the value comes from.
    pub fn suggestion(&self, circuit: &Circuit, value: ValueId, axis: usize, depth: usize) -> Option<String> {
        if let Some(reference) = self.of.get(&value) {
            return reference.indices.get(axis).filter(|name| !name.is_empty()).cloned();
        }
        let depth = depth.checked_sub(1)?;
        match circuit.node(value) {
            Node::Gate { args, .. } => {
                args.iter().find_map(|&arg| self.suggestion(circuit, arg, axis, depth))
            }
            Node::View { arg, view } => {
                let read = view.coords.iter().position(|coord| coord.as_axis() == Some(axis))?;
                self.suggestion(circuit, *arg, read, depth)
            }
            // Reduced dimensions are trailing ones.
            Node::Reduce { arg, axes, .. } => {
                let kept = (0..circuit.shape(*arg).dims.len()).filter(|axis| !axes.contains(*axis));
                self.suggestion(circuit, *arg, kept.into_iter().nth(axis)?, depth)
            }
            Node::Gather { index, table } => self
                .suggestion(circuit, *index, axis, depth)
                .or_else(|| self.suggestion(circuit, *table, axis, depth)),
            Node::Lag { variable, .. } => self.suggestion(circuit, circuit.source(*variable)?, axis, depth),
            Node::Scatter { index, value, .. } => {
                let own = circuit.shape(*index).dims.len();
                self.suggestion(circuit, *value, (axis + own).checked_sub(1)?, depth).filter(|_| axis > 0)
            }
            _ => None,
        }
    }
}

/// A path of more characters is long.
const LONG: usize = 20;

/// A word for a part of a statement, in a call of its owner: by the statement too, if that is to be told.
fn named_after(place: Option<&Place>, whole: bool, noun: &str) -> String {
    let Some(place) = place else { return noun.to_string() };
    let equation = place.equation.as_deref().filter(|_| whole || place.owner.is_empty());
    // A value needed again is called after its function where the whole path is long.
    let owner = match &place.callee {
        Some(callee) if !whole && place.owner.len() > LONG => callee.as_str(),
        _ => place.owner.as_str(),
    };
    let parts = [Some(owner), equation, Some(noun)];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .filter(|part| !part.is_empty())
        .map(|part| part.replace('.', "_"))
        .collect();
    parts.join("_")
}

/// The number that every element of a value is, if it is one number spread.
pub(super) fn number(circuit: &Circuit, value: ValueId) -> Option<f64> {
    match circuit.node(value) {
        Node::Leaf(Leaf::Number(number)) => Some(number.get()),
        Node::View { arg, view } if view.guards.is_empty() => number(circuit, *arg),
        _ => None,
    }
}

/// How far a suggestion is looked for.
pub(super) const DEPTH: usize = 12;
