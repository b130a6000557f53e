//! Which equations of a block depend on one another, and along which axis they are computed one element after
//! another.

use super::super::context::Elaborator;
use super::super::scope::target_key;
use super::super::statics::Static;
use super::super::values::Value;
use super::super::walk::mentions;
use super::equations::{Equation, Read, Relative, link};
use super::{Cycle, Lagged};
use crate::syntax::ast::{Stmt, StmtKind};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::unionfind::UnionFind;
use rustc_hash::{FxHashMap, FxHashSet};

/// How far from the element being computed a name is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offset {
    /// So many elements later.
    By(i64),
    /// By a number that an index of a reducer moves.
    Moving,
    /// That is not told; it counts as the element itself.
    Unknown,
}

impl Offset {
    fn is_lag(self) -> bool {
        !matches!(self, Offset::By(0) | Offset::Unknown)
    }
}

/// Why equations that depend on one another are no recurrence, with the reads that show it: of each, which equation
/// and which of its reads.
#[derive(Clone, PartialEq, Debug)]
pub enum Fault {
    /// A way from an element back to itself.
    Endless(Vec<Place>),
    /// Reads from both sides.
    Mixed(Place, Place),
    /// Reads along two axes.
    TwoAxes(Place, Place),
}

/// An equation and one of its reads.
pub type Place = (usize, usize);

/// Equations that depend on one another, their reads of one another with their offsets along each axis.
pub struct Group<'p> {
    /// In the order of the text.
    pub equations: Vec<Equation<'p>>,
    offsets: Vec<Vec<Vec<Offset>>>,
}

/// For each name of a group, the axis along which it is computed.
type Axes = FxHashMap<String, usize>;

impl<'p> Elaborator<'p> {
    /// Finds the recurrences among the statements of a block, before they are elaborated.
    pub fn find_recurrences(&mut self, statements: &'p [Stmt]) {
        let mut equations = vec![];
        self.equations(statements, false, &mut equations);
        link(&mut equations);
        if components(&equations).is_empty() {
            return;
        }
        // Once more, without the branches that are not taken.
        equations.clear();
        self.equations(statements, true, &mut equations);
        link(&mut equations);
        for members in components(&equations) {
            let known = |cycle: &Cycle<'p>| cycle.has(equations[members[0]].statement);
            if !self.here().cycles.iter().any(known) {
                let group = self.interdependent(&mut equations, &members);
                let cycle = self.cycle(group);
                self.frame().cycles.push(cycle);
            }
        }
    }

    /// The equations of a block, those of its choices among them: of a condition that is known, if `decide`, only the
    /// branch taken.
    fn equations(&mut self, statements: &'p [Stmt], decide: bool, out: &mut Vec<Equation<'p>>) {
        for statement in statements {
            if let StmtKind::If { condition, then, otherwise } = &statement.kind {
                let truth = if decide { self.quietly(|this| this.expr(condition)) } else { None };
                if !matches!(truth, Some(Value::Static(Static::Bool(false)))) {
                    self.equations(then, decide, out);
                }
                if !matches!(truth, Some(Value::Static(Static::Bool(true)))) {
                    self.equations(otherwise.as_deref().unwrap_or_default(), decide, out);
                }
            }
            out.extend(Equation::of(statement));
        }
    }

    /// Takes the members out of a block's equations, with what they read of one another.
    fn interdependent(&mut self, equations: &mut [Equation<'p>], members: &[usize]) -> Group<'p> {
        let names: Vec<String> = members.iter().flat_map(|&k| defined(&equations[k])).collect();
        let mut group = Group { equations: vec![], offsets: vec![] };
        for &k in members {
            let mut equation = Equation { reads: vec![], ..equations[k] };
            let mut offsets = vec![];
            for mut read in std::mem::take(&mut equations[k].reads) {
                let Some(of) = members.iter().position(|&member| member == read.of) else { continue };
                read.of = of;
                let found = read.relative.iter().map(|relative| self.offset(relative.as_ref(), &names));
                offsets.push(found.collect());
                equation.reads.push(read);
            }
            group.equations.push(equation);
            group.offsets.push(offsets);
        }
        group
    }

    fn offset(&mut self, relative: Option<&Relative<'p>>, names: &[String]) -> Offset {
        let Some(relative) = relative else { return Offset::Unknown };
        if relative.moves {
            return Offset::Moving;
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut sum = 0i64;
        for &(negative, term) in &relative.rest {
            if mentions(term, &names) {
                return Offset::Unknown;
            }
            let value = match self.quietly(|this| this.expr(term)) {
                Some(Value::Static(Static::Number(number))) => number.as_integer(),
                _ => None,
            };
            let signed = value.and_then(|value| if negative { value.checked_neg() } else { Some(value) });
            match signed.and_then(|value| sum.checked_add(value)) {
                Some(total) => sum = total,
                None => return Offset::Unknown,
            }
        }
        Offset::By(sum)
    }

    /// How a group is computed; if it cannot be, that is reported.
    fn cycle(&mut self, group: Group<'p>) -> Cycle<'p> {
        let mut cycle = Cycle::of(&group.equations);
        match group.axes() {
            Ok(axes) => cycle.lags = group.lags(&axes).collect(),
            Err(fault) => {
                self.report_fault(&group, &fault);
                cycle.failed = true;
            }
        }
        cycle
    }
}

/// The names that an equation defines.
fn defined(equation: &Equation<'_>) -> impl Iterator<Item = String> {
    equation.targets.iter().map(|target| target_key(&target.name.text, target.primed))
}

/// The groups of equations that depend on one another, each in the order of the text.
fn components(equations: &[Equation<'_>]) -> Vec<Vec<usize>> {
    let edges =
        equations.iter().enumerate().flat_map(|(k, equation)| equation.reads.iter().map(move |r| (k, r.of)));
    strong(equations.len(), edges)
}

/// The strongly connected components of a graph that hold an edge, in the order of their first nodes.
fn strong(nodes: usize, edges: impl Iterator<Item = (usize, usize)>) -> Vec<Vec<usize>> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(nodes, nodes);
    for _ in 0..nodes {
        graph.add_node(());
    }
    for (from, to) in edges {
        graph.add_edge(NodeIndex::new(from), NodeIndex::new(to), ());
    }
    let loops = |node: NodeIndex| graph.contains_edge(node, node);
    let found = kosaraju_scc(&graph).into_iter().filter(|group| group.len() > 1 || loops(group[0]));
    let mut found: Vec<Vec<usize>> =
        found.map(|group| group.into_iter().map(NodeIndex::index).collect()).collect();
    found.iter_mut().for_each(|group| group.sort_unstable());
    found.sort_unstable();
    found
}

impl<'p> Group<'p> {
    /// A read of the group.
    pub fn read(&self, (equation, read): Place) -> &Read<'p> {
        &self.equations[equation].reads[read]
    }

    /// Every read.
    fn places(&self) -> impl Iterator<Item = Place> {
        let reads = |(k, equation): (usize, &Equation<'p>)| (0..equation.reads.len()).map(move |r| (k, r));
        self.equations.iter().enumerate().flat_map(reads).collect::<Vec<_>>().into_iter()
    }

    /// The axis of each name along which the group is computed one element after another.
    fn axes(&self) -> Result<Axes, Fault> {
        let mut classes = Classes::of(self);
        let mut candidates: Vec<(usize, Place)> = vec![];
        for place in self.places() {
            for (axis, offset) in self.offsets[place.0][place.1].iter().enumerate() {
                let class = classes.class(&self.read(place).name, axis);
                if offset.is_lag() && candidates.iter().all(|known| known.0 != class) {
                    candidates.push((class, place));
                }
            }
        }
        let (mut possible, mut faults) = (vec![], vec![]);
        for &(class, place) in &candidates {
            let scanned = classes.axes(class).ok_or(Fault::TwoAxes(place, place));
            match scanned.and_then(|axes| self.check(&axes).map(|()| axes)) {
                Ok(axes) => possible.push(axes),
                Err(fault) => faults.push(fault),
            }
        }
        // What is read at no told distance along an axis may be all of it: another axis comes first.
        if let Some(axes) = possible.into_iter().min_by_key(|axes| self.untold(axes)) {
            return Ok(axes);
        }
        if let Some(mixed) = faults.iter().find(|fault| matches!(fault, Fault::Mixed(..))) {
            return Err(mixed.clone());
        }
        match candidates[..] {
            [(_, first), (_, second), ..] => Err(Fault::TwoAxes(first, second)),
            [_] => Err(faults.remove(0)),
            [] => Err(self.check(&Axes::default()).expect_err("nothing is read elsewhere")),
        }
    }

    /// Whether it is told of some axis how far from the element being computed a read is; a name alone is read as it is.
    pub fn is_told(&self, place: Place) -> bool {
        let told = |offset: &Offset| *offset != Offset::Unknown;
        !self.read(place).indexed || self.offsets[place.0][place.1].iter().any(told)
    }

    /// How many elements are read at a distance along the axis that is not told.
    fn untold(&self, axes: &Axes) -> usize {
        let untold = |&place: &Place| self.read(place).indexed && self.offset(place, axes) == Offset::Unknown;
        self.places().filter(untold).count()
    }

    /// How far from the element being computed a read is.
    fn offset(&self, place: Place, axes: &Axes) -> Offset {
        let read = self.read(place);
        let offset = |&axis: &usize| self.offsets[place.0][place.1].get(axis).copied();
        axes.get(&read.name).and_then(offset).unwrap_or(Offset::Unknown)
    }

    /// Whether every way from an element back to itself goes by others, all on one side.
    fn check(&self, axes: &Axes) -> Result<(), Fault> {
        let by_sign = |sign: i64| {
            let is =
                |&place: &Place| matches!(self.offset(place, axes), Offset::By(by) if by.signum() == sign);
            self.places().find(is)
        };
        if let (Some(earlier), Some(later)) = (by_sign(-1), by_sign(1)) {
            return Err(Fault::Mixed(earlier, later));
        }
        let own: Vec<Place> = self.places().filter(|&place| !self.offset(place, axes).is_lag()).collect();
        let edges = own.iter().map(|&(k, read)| (k, self.read((k, read)).of));
        match strong(self.equations.len(), edges).first() {
            None => Ok(()),
            Some(members) => Err(Fault::Endless(self.way_back(members, &own))),
        }
    }

    /// A way from the first of some equations back to an equation on it.
    fn way_back(&self, members: &[usize], reads: &[Place]) -> Vec<Place> {
        let mut way: Vec<Place> = vec![];
        let mut at = members[0];
        loop {
            if let Some(begin) = way.iter().position(|place| place.0 == at) {
                return way.split_off(begin);
            }
            let next = reads.iter().find(|&&place| place.0 == at && members.contains(&self.read(place).of));
            let &next = next.expect("a way leads on from each of them");
            way.push(next);
            at = self.read(next).of;
        }
    }

    /// The reads of other elements than the one being computed, by the places of the names read.
    fn lags<'a>(
        &'a self,
        axes: &'a Axes,
    ) -> impl Iterator<Item = (crate::diagnostic::Span, Lagged<'p>)> + use<'a, 'p> {
        let lags = self.places().filter(|&place| self.offset(place, axes).is_lag());
        lags.filter_map(|place| {
            let read = self.read(place);
            let axis = axes[&read.name];
            let index = read.relative.get(axis)?.as_ref()?.index;
            Some((read.base, Lagged { name: read.name.clone(), axis, index }))
        })
    }
}

/// The axes of a group's names, joined where one is read relative to the index of another: those are computed in step.
struct Classes {
    of: FxHashMap<(String, usize), usize>,
    joined: UnionFind<usize>,
}

impl Classes {
    fn of(group: &Group<'_>) -> Self {
        let mut classes = Classes { of: FxHashMap::default(), joined: UnionFind::new_empty() };
        let reads = || group.places().map(|place| (place.0, group.read(place)));
        let rank = reads().map(|(_, read)| read.relative.len()).max().unwrap_or(0).max(1);
        for equation in &group.equations {
            let mut names = defined(equation);
            let first = names.next().expect("an equation defines something");
            names.for_each(|name| (0..rank).for_each(|axis| classes.join((&first, axis), (&name, axis))));
        }
        for (k, read) in reads() {
            let equation = &group.equations[k];
            let reader = defined(equation).next().expect("an equation defines something");
            if !read.indexed && equation.targets[0].indices.is_empty() {
                (0..rank).for_each(|axis| classes.join((&reader, axis), (&read.name, axis)));
            }
            for (axis, relative) in read.relative.iter().enumerate() {
                if let Some(relative) = relative {
                    classes.join((&reader, relative.axis), (&read.name, axis));
                }
            }
        }
        classes
    }

    fn id(&mut self, name: &str, axis: usize) -> usize {
        let joined = &mut self.joined;
        *self.of.entry((name.to_string(), axis)).or_insert_with(|| joined.new_set())
    }

    fn join(&mut self, a: (&str, usize), b: (&str, usize)) {
        let (a, b) = (self.id(a.0, a.1), self.id(b.0, b.1));
        self.joined.union(a, b);
    }

    fn class(&mut self, name: &str, axis: usize) -> usize {
        let id = self.id(name, axis);
        self.joined.find(id)
    }

    /// Which axis of each name is in a class; `None` if two of one name are.
    fn axes(&self, class: usize) -> Option<Axes> {
        let mut axes = Axes::default();
        let own = self.of.iter().filter(|&(_, &id)| self.joined.find(id) == class);
        let mut seen = FxHashSet::default();
        for ((name, axis), _) in own {
            axes.insert(name.clone(), *axis);
            if !seen.insert(name) {
                return None;
            }
        }
        Some(axes)
    }
}
