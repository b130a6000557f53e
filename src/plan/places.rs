//! What is kept in memory, and where: registers hold what is read in the same iteration only, the arena what is
//! read elsewhere, and the roots' homes what lasts.

use super::emit::strides;
use super::fuse::{Fused, body_of};
use super::kernels::{Kernels, Read, Target};
use super::schedule::{Address, Buffer, BufferId, Condition, Linear, Region, Schedule};
use super::{Home, Job};
use crate::circuit::{Leaf, Node, ValueId};
use petgraph::Direction;
use petgraph::graph::NodeIndex;
use petgraph::visit::EdgeRef;
use rustc_hash::FxHashMap;
use std::rc::Rc;

/// Where the values of a phase are kept.
pub(super) struct Places {
    /// Of each kernel that is in memory: where its readers find it.
    pub held: Vec<Option<Place>>,
    /// Of each kernel: where it is to be written.
    pub stores: Vec<Vec<Output>>,
    /// Of each slot that is read.
    pub slots: FxHashMap<ValueId, Place>,
    by_region: FxHashMap<Region, Vec<ValueId>>,
    /// What is copied when all else is done.
    pub copies: Vec<Copy>,
}

/// A buffer, and how many leading axes of the value it does not have, since nothing outlives their iteration.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Where.
    pub buffer: BufferId,
    /// Leading axes that it does not have.
    pub dropped: usize,
    /// How the elements lie, if it is part of an array: that for one element of a recurrence.
    pub part: Option<Rc<Part>>,
}

/// A part of an array.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Its first element.
    pub start: Linear,
    /// Of the example axis, if it has one, and of each dimension.
    pub strides: Vec<i64>,
    /// Where it is inside the array.
    pub when: Vec<Condition>,
    /// What is read elsewhere.
    pub fill: f64,
}

/// Where a slot's value lies, or where a root is to be written.
#[derive(Clone, Debug)]
pub(super) enum Site {
    /// As a whole in memory that outlives the step.
    Home(Home),
    /// At each element of a recurrence somewhere else.
    Place(Place),
}

impl Place {
    /// A whole buffer.
    pub fn whole(buffer: BufferId) -> Self {
        Place { buffer, dropped: 0, part: None }
    }

    /// How elements of a value with these axes lie: the first, and the strides of all its axes.
    pub fn layout(&self, batch: bool, dims: &[u32]) -> (Linear, Vec<i64>) {
        match &self.part {
            Some(part) => (part.start.clone(), part.strides.clone()),
            None => (Linear::default(), strides(batch, dims)),
        }
    }

    /// Of an element: its position along the axes, all of them.
    pub fn address<'p>(
        &self,
        batch: bool,
        dims: &[u32],
        at: impl IntoIterator<Item = &'p Linear>,
    ) -> Address {
        let (mut start, strides) = self.layout(batch, dims);
        let parts = strides.into_iter().zip(at).skip(self.dropped);
        parts.for_each(|(stride, index)| start.add(index, stride));
        Address { buffer: self.buffer, at: start }
    }
}

/// A store.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// Where.
    pub place: Place,
    /// Whether it overwrites what the same iteration may still read: then it comes last.
    pub last: bool,
}

/// A copy at the end of a phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copy {
    /// From the buffer of this kernel.
    pub from: NodeIndex,
    /// To this buffer.
    pub to: BufferId,
}

/// Finds a place for everything. Arena buffers have no offset yet.
pub(super) fn places(kernels: &Kernels, fused: &Fused, job: &Job, schedule: &mut Schedule) -> Places {
    let count = kernels.graph.node_count();
    let mut places = Places {
        held: vec![None; count],
        stores: vec![vec![]; count],
        slots: FxHashMap::default(),
        by_region: FxHashMap::default(),
        copies: vec![],
    };
    let mut find = Finder { kernels, fused, job, schedule, places: &mut places };
    find.slots();
    kernels.graph.node_indices().for_each(|kernel| find.kernel(kernel));
    places
}

struct Finder<'k, 'a> {
    kernels: &'k Kernels<'a>,
    fused: &'k Fused,
    job: &'k Job<'a>,
    schedule: &'k mut Schedule,
    places: &'k mut Places,
}

impl Finder<'_, '_> {
    fn slots(&mut self) {
        for read in &self.kernels.slot_reads {
            if self.places.slots.contains_key(&read.slot) {
                continue;
            }
            let place = match self.site_of(read.slot).clone() {
                Site::Place(place) => place,
                Site::Home(home) => {
                    let name = self.kernels.facts.name(read.slot);
                    self.places.by_region.entry(home.region).or_default().push(read.slot);
                    Place::whole(self.buffer(name, home, read.slot))
                }
            };
            self.places.slots.insert(read.slot, place);
        }
    }

    fn site_of(&self, slot: ValueId) -> &Site {
        match self.kernels.facts.circuit.node(slot) {
            Node::Leaf(Leaf::Slot(id)) => &self.job.slots[id.0 as usize],
            node => unreachable!("{node:?} is no slot"),
        }
    }

    /// A buffer for a whole value.
    fn buffer(&mut self, name: String, home: Home, value: ValueId) -> BufferId {
        let shape = self.kernels.facts.shape(value).clone();
        let (region, offset) = (home.region, home.offset);
        let origin = Some(self.job.origin(value));
        add(self.schedule, Buffer { name, batch: shape.batch, dims: shape.dims, region, offset, origin })
    }

    fn kernel(&mut self, kernel: NodeIndex) {
        let node = &self.kernels.graph[kernel];
        let mut homes: Vec<Output> = vec![];
        let mut late = vec![];
        for &root in &node.roots {
            let root = &self.job.roots[root];
            let home = match &root.site {
                Site::Home(home) => *home,
                Site::Place(place) => {
                    homes.push(Output { place: place.clone(), last: false });
                    continue;
                }
            };
            let buffer = self.buffer(root.name.clone(), home, node.target.value());
            let overwrites = self.overwritten(buffer);
            let one_only = node.is_step() && !homes.is_empty();
            if one_only || !overwrites.iter().all(|&slot| self.may_overwrite(kernel, slot, home)) {
                late.push(buffer);
            } else {
                homes.push(Output { place: Place::whole(buffer), last: !overwrites.is_empty() });
            }
        }
        let read =
            node.stored && node.roots.is_empty() || !late.is_empty() || self.read_through_memory(kernel);
        // What the same element of a recurrence reads again is close together, not a part of an array.
        let apart = node.target.domain(self.kernels.facts).0 && !node.is_step();
        let close = |output: &&Output| !(read && apart && output.place.part.is_some());
        let mut held = homes.first().filter(close).map(|output| output.place.clone());
        if held.is_none() && read {
            let place = self.in_arena(kernel, !late.is_empty());
            homes.push(Output { place: place.clone(), last: false });
            held = Some(place);
        }
        self.places.held[kernel.index()] = held;
        self.places.stores[kernel.index()] = homes;
        self.places.copies.extend(late.into_iter().map(|to| Copy { from: kernel, to }));
    }

    /// Whether some reader is not within the body that computes it, at the same element.
    fn read_through_memory(&self, kernel: NodeIndex) -> bool {
        let rank = self.kernels.graph[kernel].axes.len();
        let mut readers = self.kernels.graph.edges_directed(kernel, Direction::Outgoing);
        readers.any(|edge| !self.in_register(kernel, edge.target(), *edge.weight(), rank))
    }

    fn in_register(&self, kernel: NodeIndex, reader: NodeIndex, read: Read, rank: usize) -> bool {
        !read.memory && read.depth >= rank && self.fused.encloses(kernel, reader)
    }

    /// A buffer in the arena, without the leading axes in whose iteration it is read.
    fn in_arena(&mut self, kernel: NodeIndex, outlives: bool) -> Place {
        let node = &self.kernels.graph[kernel];
        let readers = self.kernels.graph.edges_directed(kernel, Direction::Outgoing);
        let shared = |edge: petgraph::graph::EdgeReference<'_, Read>| {
            self.fused.shared_loops(kernel, edge.target()).unwrap_or(0).min(edge.weight().depth)
        };
        let own = body_of(&self.fused.defined[kernel.index()]).len() - 1;
        let dropped = if outlives { 0 } else { readers.map(shared).min().unwrap_or(0).min(own) };
        let (batch, dims) = node.target.domain(self.kernels.facts);
        let dims = dims[dropped.saturating_sub(usize::from(batch))..].to_vec();
        let name = match &node.target {
            Target::Frame(_) => format!("{} framed", self.kernels.facts.name(node.target.value())),
            target => self.kernels.facts.name(target.value()),
        };
        let origin = Some(self.job.origin(node.target.value()));
        let buffer =
            Buffer { name, batch: batch && dropped == 0, dims, region: Region::Arena, offset: 0, origin };
        Place { buffer: add(self.schedule, buffer), dropped, part: None }
    }

    /// The slots that are read and lie where a buffer is written.
    fn overwritten(&self, written: BufferId) -> Vec<ValueId> {
        let buffer = |id: BufferId| &self.schedule.buffers[id.0 as usize];
        let span = |id: BufferId| {
            let start = buffer(id).offset as usize;
            start..start + buffer(id).len_for(self.schedule.capacity as usize)
        };
        let here = span(written);
        let near = self.places.by_region.get(&buffer(written).region).into_iter().flatten();
        let meets = |slot: &&ValueId| {
            let there = span(self.places.slots[*slot].buffer);
            there.start < here.end && here.start < there.end
        };
        near.filter(meets).copied().collect()
    }

    /// Whether a kernel may write its result over a slot: all reads of the slot come before, or read the same
    /// element in the same iteration; and nobody reads the result through memory in the same step.
    fn may_overwrite(&self, kernel: NodeIndex, slot: ValueId, home: Home) -> bool {
        let rank = self.kernels.graph[kernel].axes.len();
        let at_home = matches!(self.site_of(slot), Site::Home(at) if *at == home);
        let same_place = at_home
            && self.kernels.facts.shape(slot)
                == self.kernels.facts.shape(self.kernels.graph[kernel].target.value());
        let written = &self.fused.defined[self.kernels.writer(kernel).index()];
        let mut reads = self.kernels.slot_reads.iter().filter(|read| read.slot == slot);
        let reads_before = reads.all(|read| {
            let reading = &self.fused.reading[read.reader.index()];
            let common = written.iter().zip(reading).take_while(|(a, b)| a == b).count();
            let loops = common.min(written.len() - 1).saturating_sub(1);
            if reading.starts_with(body_of(written)) {
                let in_body = loops == rank && read.depth >= rank && same_place;
                return in_body && (read.reader != kernel || !self.kernels.graph[kernel].is_step());
            }
            let before = written.get(common) > reading.get(common);
            before && (loops == 0 || (same_place && read.depth >= loops))
        });
        let mut readers = self.kernels.graph.edges_directed(kernel, Direction::Outgoing);
        reads_before
            && readers.all(|edge| {
                let (reader, apart) =
                    (edge.target(), self.fused.shared_loops(kernel, edge.target()).is_none());
                apart || self.in_register(kernel, reader, *edge.weight(), rank)
            })
    }
}

fn add(schedule: &mut Schedule, buffer: Buffer) -> BufferId {
    schedule.buffers.push(buffer);
    BufferId(schedule.buffers.len() as u32 - 1)
}
