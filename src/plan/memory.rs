//! The memory that a schedule works on: which regions there are, how long each is, and their contents for the
//! interpreter.

use super::schedule::{Buffer, Region, Schedule};
use crate::interpret::Element;

impl Schedule {
    /// The regions that its buffers lie in, ascending, each once.
    pub fn regions(&self) -> Vec<Region> {
        let mut regions: Vec<Region> = self.buffers.iter().map(|buffer| buffer.region).collect();
        regions.sort_unstable();
        regions.dedup();
        regions
    }

    /// Elements that one step of `n` examples needs of a region.
    pub fn region_len(&self, region: Region, n: usize) -> usize {
        let within = self.buffers.iter().filter(|buffer| buffer.region == region);
        let end = within.map(|buffer| buffer.offset as usize + buffer.len_for(n)).max().unwrap_or(0);
        if region == Region::Arena { end.max(self.arena) } else { end }
    }

    /// Elements that one example adds to a region; 0 where nothing in it is per example.
    pub fn region_row(&self, region: Region) -> usize {
        let within = self.buffers.iter().filter(|buffer| buffer.region == region && buffer.batch);
        within.map(Buffer::row).max().unwrap_or(0)
    }
}

/// How long a region must be to run some steps in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Which.
    pub region: Region,
    /// Elements in any case.
    pub fixed: usize,
    /// Elements for each step: those of a log.
    pub per_step: usize,
    /// Elements for each example: those of a per-example result.
    pub per_example: usize,
}

impl Room {
    /// Elements for so many steps and examples.
    pub fn len_for(&self, steps: usize, examples: usize) -> usize {
        self.fixed + self.per_step * steps + self.per_example * examples
    }
}

impl Schedule {
    /// The room that each of [`Schedule::regions`] needs, in that order.
    pub fn rooms(&self) -> Vec<Room> {
        let room = |region| {
            let none = Room { region, fixed: 0, per_step: 0, per_example: 0 };
            match (region, self.region_row(region)) {
                (Region::Log, _) => Room { per_step: self.region_len(region, 1), ..none },
                (Region::Output(_), row) if row > 0 => Room { per_example: row, ..none },
                _ => Room { fixed: self.region_len(region, self.capacity as usize), ..none },
            }
        };
        self.regions().into_iter().map(room).collect()
    }
}

/// The contents of all regions of a schedule, for one step.
#[derive(Clone, PartialEq, Debug)]
pub struct Memory<T = f32> {
    regions: Vec<(Region, Vec<T>)>,
}

impl<T: Element> Memory<T> {
    /// Zeros, long enough for a batch of the schedule's capacity.
    pub fn new(schedule: &Schedule) -> Memory<T> {
        let length = |region| schedule.region_len(region, schedule.capacity as usize);
        let zeros = |region| (region, vec![T::of(0.0); length(region)]);
        Memory { regions: schedule.regions().into_iter().map(zeros).collect() }
    }

    /// The contents of a region; empty if the schedule has no buffer there.
    pub fn region(&self, region: Region) -> &[T] {
        self.regions.iter().find(|held| held.0 == region).map_or(&[], |held| &held.1)
    }

    /// The contents of a region, to be changed.
    pub fn region_mut(&mut self, region: Region) -> &mut [T] {
        self.regions.iter_mut().find(|held| held.0 == region).map_or(&mut [], |held| &mut held.1)
    }

    /// The regions with their contents, in the order of [`Schedule::regions`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Region, &mut [T])> {
        self.regions.iter_mut().map(|held| (held.0, held.1.as_mut_slice()))
    }

    /// The elements of a buffer for a batch of `n`.
    pub fn buffer(&self, buffer: &Buffer, n: usize) -> &[T] {
        &self.region(buffer.region)[buffer.offset as usize..][..buffer.len_for(n)]
    }

    /// The elements of a buffer for a batch of `n`, to be changed.
    pub fn buffer_mut(&mut self, buffer: &Buffer, n: usize) -> &mut [T] {
        &mut self.region_mut(buffer.region)[buffer.offset as usize..][..buffer.len_for(n)]
    }
}
