//! Which kernels share loops.
//!
//! Kernels are arranged level by level: first those that share their outermost loop, then, within such a group,
//! those that share the next one, and so on. A group has a level, one more than that of any group it has to
//! follow: a kernel may join a group of its own level, or of a later one if nobody waits for it, so that no path
//! can lead out of a group and back into it. A kernel that shares a loop with nothing that is placed yet waits
//! for its first reader, so as to be computed where it is read.

use super::kernels::{Kernels, Work};
use super::schedule::Extent;
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::BTreeMap;

/// Levels that are looked through for a group that an item may join.
const TRIED: usize = 8;

/// Loops around kernels, or a kernel.
#[derive(Clone, Debug)]
pub(super) enum Branch {
    /// A loop, which may also be the loop of a fold: it then ends with the fold's value.
    Loop {
        /// How far.
        extent: Extent,
        /// The fold.
        fold: Option<NodeIndex>,
        /// What it runs.
        body: Vec<Branch>,
    },
    /// A kernel without a further loop of its own axes.
    Kernel(NodeIndex),
}

/// What runs in which order.
pub(super) struct Fused {
    /// The steps.
    pub nests: Vec<Vec<Branch>>,
    /// Of each kernel: the places, from the outside, of the branch that computes it.
    pub defined: Vec<Vec<u32>>,
    /// Of each kernel: the places, from the outside, of the branch that reads its operands.
    pub reading: Vec<Vec<u32>>,
}

impl Fused {
    /// How many loops one kernel shares with what reads it; `None` in different steps.
    pub fn shared_loops(&self, kernel: NodeIndex, reader: NodeIndex) -> Option<usize> {
        let (a, b) = (body_of(&self.defined[kernel.index()]), body_of(&self.reading[reader.index()]));
        a.iter().zip(b).take_while(|(a, b)| a == b).count().checked_sub(1)
    }

    /// Whether the reader runs within the body that computes the kernel, or in a loop inside it.
    pub fn encloses(&self, kernel: NodeIndex, reader: NodeIndex) -> bool {
        self.reading[reader.index()].starts_with(body_of(&self.defined[kernel.index()]))
    }
}

/// All but the last place.
pub(super) fn body_of(places: &[u32]) -> &[u32] {
    &places[..places.len() - 1]
}

/// Arranges all kernels.
pub(super) fn fuse(kernels: &Kernels) -> Fused {
    let count = kernels.graph.node_count();
    let mut fused = Fused { nests: vec![], defined: vec![vec![]; count], reading: vec![vec![]; count] };
    let all: Vec<NodeIndex> = kernels.graph.node_indices().collect();
    for (place, group) in Arrangement::of(kernels, &all, 0).into_iter().enumerate() {
        let nest = fused.build(kernels, vec![group], &[place as u32], 0);
        fused.nests.push(nest);
    }
    fused
}

impl Fused {
    fn build(&mut self, kernels: &Kernels, groups: Vec<Group>, at: &[u32], loops: usize) -> Vec<Branch> {
        let mut branches = vec![];
        for group in groups {
            let place = [at, &[branches.len() as u32]].concat();
            match group.key {
                Key::Step | Key::Scalars | Key::Merged => {
                    for member in group.members {
                        let place = [at, &[branches.len() as u32]].concat();
                        self.defined[member.index()] = place.clone();
                        self.reading[member.index()] = place;
                        branches.push(Branch::Kernel(member));
                    }
                }
                Key::Loop(extent) => {
                    let inner: Vec<NodeIndex> =
                        group.members.into_iter().filter(|&member| Some(member) != group.fold).collect();
                    let inner = Arrangement::of(kernels, &inner, loops + 1);
                    let body = self.build(kernels, inner, &place, loops + 1);
                    if let Some(fold) = group.fold {
                        self.reading[fold.index()] = [&place[..], &[body.len() as u32]].concat();
                        self.defined[fold.index()] = place;
                    }
                    branches.push(Branch::Loop { extent, fold: group.fold, body });
                }
            }
        }
        branches
    }
}

/// What kernels of one group have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    /// A step of its own.
    Step,
    /// No further loop.
    Scalars,
    /// A loop.
    Loop(Extent),
    /// Nothing: it went into another group.
    Merged,
}

/// Kernels that share a loop.
struct Group {
    key: Key,
    level: u32,
    members: Vec<NodeIndex>,
    fold: Option<NodeIndex>,
    traits: Traits,
}

/// What decides whether kernels go well together in one loop.
#[derive(Clone, Copy, Default)]
struct Traits {
    /// Some have further loops.
    deep: bool,
    /// Some do not, and are best vectorised along this loop.
    column: bool,
    /// Some are more than pointwise.
    folds: bool,
    /// Some have no further loops.
    shallow: bool,
}

impl Traits {
    fn and(self, other: Traits) -> Traits {
        Traits {
            deep: self.deep || other.deep,
            column: self.column || other.column,
            folds: self.folds || other.folds,
            shallow: self.shallow || other.shallow,
        }
    }
}

/// Kernels on the way into groups.
struct Arrangement<'k, 'a> {
    kernels: &'k Kernels<'a>,
    /// Loops that all of them share already.
    loops: usize,
    here: FxHashSet<NodeIndex>,
    groups: Vec<Group>,
    /// Groups by what they have in common, and by level.
    by_key: FxHashMap<Key, BTreeMap<u32, Vec<usize>>>,
    placed: FxHashMap<NodeIndex, usize>,
    waiting: FxHashSet<NodeIndex>,
}

/// Where kernels may go.
struct Bounds {
    /// The least level.
    level: u32,
    /// Groups of that level which they would have to be in.
    with: Vec<usize>,
}

impl<'k, 'a> Arrangement<'k, 'a> {
    /// Groups in an order in which they may run.
    fn of(kernels: &'k Kernels<'a>, items: &[NodeIndex], loops: usize) -> Vec<Group> {
        let mut all = Arrangement {
            kernels,
            loops,
            here: items.iter().copied().collect(),
            groups: vec![],
            by_key: FxHashMap::default(),
            placed: FxHashMap::default(),
            waiting: FxHashSet::default(),
        };
        let mut items = items.to_vec();
        items.sort_unstable();
        items.iter().for_each(|&item| all.meet(item));
        items.iter().for_each(|&item| all.place(item));
        let mut groups = all.groups;
        groups.retain(|group| group.key != Key::Merged);
        groups.sort_by_key(|group| group.level);
        groups.iter_mut().for_each(|group| group.members.sort_unstable());
        groups
    }

    fn key(&self, item: NodeIndex) -> Key {
        let kernel = &self.kernels.graph[item];
        match kernel.axes.get(self.loops) {
            _ if kernel.is_step() => Key::Step,
            Some(&extent) => Key::Loop(extent),
            None => Key::Scalars,
        }
    }

    fn traits(&self, item: NodeIndex) -> Traits {
        let kernel = &self.kernels.graph[item];
        let deep = kernel.axes.len() > self.loops + 1;
        let folds = !matches!(kernel.work, Work::Points);
        Traits { deep, shallow: !deep, column: kernel.column && !deep, folds }
    }

    /// What an item reads here, with the number of loops that it may share with it.
    fn reads(&self, item: NodeIndex) -> impl Iterator<Item = (NodeIndex, usize)> + use<'_, 'k, 'a> {
        let edges = self.kernels.graph.edges_directed(item, Direction::Incoming);
        edges
            .map(|edge| (edge.source(), edge.weight().depth))
            .filter(|(source, _)| self.here.contains(source))
    }

    /// Whether a reader can be in the loop of what it reads.
    fn joins(&self, read: NodeIndex, depth: usize, reader: NodeIndex) -> bool {
        let key = self.key(read);
        let (a, b) = (self.traits(read), self.traits(reader));
        key == self.key(reader)
            && match key {
                Key::Step | Key::Merged => false,
                Key::Scalars => true,
                Key::Loop(extent) => depth > self.loops && fits(extent, a.and(b)),
            }
    }

    /// Places an item, or has it wait for its first reader.
    fn meet(&mut self, item: NodeIndex) {
        let reads: Vec<(NodeIndex, usize)> = self.reads(item).collect();
        let (with, before): (Vec<_>, Vec<_>) =
            reads.into_iter().partition(|&(read, depth)| self.joins(read, depth, item));
        before.iter().for_each(|&(read, _)| self.place(read));
        if self.absorb(item) {
            return;
        }
        let waits = self.key(item) != Key::Step && with.iter().all(|(read, _)| self.waiting.contains(read));
        self.waiting.insert(item);
        if !waits {
            self.place(item);
        }
    }

    /// Places an item, if it is not, with all that waits to be in its loop.
    fn place(&mut self, item: NodeIndex) {
        if self.placed.contains_key(&item) {
            return;
        }
        let together = self.together(item);
        let traits = together.iter().fold(Traits::default(), |sum, &item| sum.and(self.traits(item)));
        let key = self.key(item);
        if together.len() > 1
            && !matches!(key, Key::Loop(extent) if fits(extent, traits))
            && key != Key::Scalars
        {
            together[..together.len() - 1].iter().for_each(|&item| self.place(item));
            return self.place(item);
        }
        let mut bounds = self.bounds(&together);
        let related = self.united(&bounds.with, key, traits);
        if related.is_none() && !bounds.with.is_empty() {
            bounds.level += 1;
        }
        let found = related.or_else(|| self.sibling(&together, key, traits, bounds.level));
        let group = found.unwrap_or_else(|| self.begin(key, bounds.level));
        together.into_iter().for_each(|item| self.put(item, group));
    }

    /// The item, last, and all that waits and is read by it, or by what waits with it, in the same loop.
    fn together(&self, item: NodeIndex) -> Vec<NodeIndex> {
        let mut found = vec![item];
        let mut seen: FxHashSet<NodeIndex> = [item].into_iter().collect();
        let mut next = 0;
        while next < found.len() {
            let reader = found[next];
            for (read, depth) in self.reads(reader) {
                if self.waiting.contains(&read) && self.joins(read, depth, reader) && seen.insert(read) {
                    found.push(read);
                }
            }
            next += 1;
        }
        found.sort_unstable();
        found
    }

    fn bounds(&self, items: &[NodeIndex]) -> Bounds {
        let mut bounds = Bounds { level: 0, with: vec![] };
        for &item in items {
            for (read, depth) in self.reads(item) {
                let Some(&group) = self.placed.get(&read) else { continue };
                let joins = self.joins(read, depth, item) && self.groups[group].key == self.key(item);
                bounds.add(self.groups[group].level, group, joins);
            }
        }
        bounds
    }

    /// The groups as one, if items of these traits may join it. Groups of one level never wait for each other.
    fn united(&mut self, groups: &[usize], key: Key, traits: Traits) -> Option<usize> {
        let (&first, others) = groups.split_first()?;
        let all = groups.iter().fold(traits, |sum, &group| sum.and(self.groups[group].traits));
        let folds = groups.iter().filter(|&&group| self.groups[group].fold.is_some()).count();
        if folds > 1 || !groups.iter().all(|&group| self.is_open(group, key, all)) {
            return None;
        }
        for &other in others {
            let members = std::mem::take(&mut self.groups[other].members);
            members.iter().for_each(|&member| _ = self.placed.insert(member, first));
            self.groups[first].members.extend(members);
            self.groups[first].fold = self.groups[first].fold.or(self.groups[other].fold);
            self.groups[first].traits = self.groups[first].traits.and(self.groups[other].traits);
            self.groups[other].key = Key::Merged;
        }
        Some(first)
    }

    /// A group that is no relative. One of a later level only if nobody waits for the items.
    fn sibling(&self, items: &[NodeIndex], key: Key, traits: Traits, level: u32) -> Option<usize> {
        let last = items.iter().all(|&item| {
            let mut readers = self.kernels.graph.neighbors(item);
            readers.all(|reader| items.contains(&reader) || !self.here.contains(&reader))
        });
        let levels = self.by_key.get(&key).into_iter().flat_map(|levels| levels.range(level..));
        let near = levels.take_while(|&(&at, _)| at == level || last).take(TRIED);
        near.flat_map(|(_, groups)| groups.iter().copied()).find(|&group| {
            self.is_open(group, key, traits)
                && (key == Key::Loop(Extent::Batch) || self.groups[group].traits.deep == traits.deep)
        })
    }

    fn is_open(&self, group: usize, key: Key, traits: Traits) -> bool {
        let held = &self.groups[group];
        let all = held.traits.and(traits);
        held.key == key
            && match key {
                Key::Step | Key::Merged => false,
                Key::Scalars => true,
                Key::Loop(extent) => fits(extent, all) && (held.fold.is_none() || !(all.deep || all.folds)),
            }
    }

    fn begin(&mut self, key: Key, level: u32) -> usize {
        self.groups.push(Group { key, level, members: vec![], fold: None, traits: Traits::default() });
        self.by_key.entry(key).or_default().entry(level).or_default().push(self.groups.len() - 1);
        self.groups.len() - 1
    }

    fn put(&mut self, item: NodeIndex, group: usize) {
        self.groups[group].traits = self.groups[group].traits.and(self.traits(item));
        self.groups[group].members.push(item);
        self.placed.insert(item, group);
        self.waiting.remove(&item);
    }

    /// Puts a fold over a single dimension into the loop that computes what it folds, if there is one that holds
    /// nothing but pointwise kernels and no other fold.
    fn absorb(&mut self, item: NodeIndex) -> bool {
        let kernel = &self.kernels.graph[item];
        let open = kernel.axes.len() == self.loops && !kernel.column;
        let Some(extent) = kernel.folds.filter(|_| open) else { return false };
        let key = Key::Loop(extent);
        let computes = |all: &Self, read: NodeIndex, depth: usize| {
            let traits = all.traits(read);
            all.key(read) == key && depth > all.loops && !traits.deep && !traits.folds
        };
        let reads: Vec<(NodeIndex, usize)> = self.reads(item).collect();
        if !reads.iter().any(|&(read, depth)| computes(self, read, depth)) {
            return false;
        }
        reads.iter().for_each(|&(read, _)| self.place(read));
        let mut bounds = Bounds { level: 0, with: vec![] };
        for (read, depth) in reads {
            let group = self.placed[&read];
            bounds.add(self.groups[group].level, group, computes(self, read, depth));
        }
        let [group] = bounds.with[..] else { return false };
        let held = &mut self.groups[group];
        if held.fold.is_some() || held.traits.deep || held.traits.folds {
            return false;
        }
        held.fold = Some(item);
        held.members.push(item);
        self.placed.insert(item, group);
        self.waiting.remove(&item);
        true
    }
}

impl Bounds {
    fn add(&mut self, level: u32, group: usize, joins: bool) {
        let least = if joins { level } else { level + 1 };
        if least > self.level {
            *self = Bounds { level: least, with: vec![] };
        }
        if joins && level == self.level && !self.with.contains(&group) {
            self.with.push(group);
        }
    }
}

/// Whether kernels go well together in a loop. A fold that wants to be vectorised along it does not go with inner
/// loops, which would be vectorised instead.
fn fits(extent: Extent, traits: Traits) -> bool {
    extent == Extent::Batch || !(traits.deep && traits.column)
}
