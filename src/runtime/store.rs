//! The memory of a run that outlives a step: parameters, gradients, moments, states, results and the log.

use super::build::Built;
use crate::circuit::{Dtype, Numbers, Slice};
use crate::codegen::{Call, Epochs, Workspace};
use crate::interpret::Element;
use crate::plan::memory::Room;
use crate::plan::schedule::Region;

/// The regions of a schedule that the caller of native code owns.
#[derive(Debug)]
pub struct Store {
    regions: Vec<(Room, Numbers)>,
    workspace: Workspace,
}

impl Store {
    /// Zeros, long enough for so many steps over so many examples in one call.
    pub fn new(built: &Built, steps: usize, rows: usize) -> Store {
        let own = |room: &Room| !matches!(room.region, Region::Arena | Region::Input(_));
        let zeros = |room: Room| (room, Numbers::zeros(built.schedule.dtype, room.len_for(steps, rows)));
        let regions = built.schedule.rooms().into_iter().filter(own).map(zeros).collect();
        Store { regions, workspace: built.module.workspace() }
    }

    /// The contents of a region; none if the schedule has nothing there.
    pub fn numbers(&self, region: Region) -> Option<&Numbers> {
        self.regions.iter().find(|held| held.0.region == region).map(|held| &held.1)
    }

    /// The contents of a region, in the type that the schedule computes in; empty if the schedule has nothing there.
    ///
    /// # Panics
    /// If that is another type.
    pub fn region<T: Element>(&self, region: Region) -> &[T] {
        self.numbers(region).map_or(&[], |numbers| T::slice(numbers.slice()))
    }

    /// Puts values into a region, from its start; what the schedule does not hold is left out.
    pub fn put(&mut self, region: Region, values: &Numbers) {
        if let Some((_, held)) = self.regions.iter_mut().find(|held| held.0.region == region) {
            held.put(0, values);
        }
    }

    /// Fills a region.
    pub fn fill(&mut self, region: Region, value: f64) {
        if let Some((_, held)) = self.regions.iter_mut().find(|held| held.0.region == region) {
            held.fill(value);
        }
    }

    /// Runs a step for each batch of `order`.
    ///
    /// # Panics
    /// If a column is of another type than the schedule.
    pub fn run(&mut self, built: &Built, columns: &[Slice<'_>], order: &[u32], records: &[u32]) {
        self.run_epochs(built, columns, order, Epochs::one(order.len()), records);
    }

    /// As [`Store::run`], `order` being one epoch after another.
    ///
    /// # Panics
    /// As there, and if `order` ends within a batch.
    pub fn run_epochs(
        &mut self,
        built: &Built,
        columns: &[Slice<'_>],
        order: &[u32],
        epochs: Epochs,
        records: &[u32],
    ) {
        match built.schedule.dtype {
            Dtype::F32 => self.run_in::<f32>(built, columns, order, epochs, records),
            Dtype::F64 => self.run_in::<f64>(built, columns, order, epochs, records),
        }
    }

    fn run_in<T: Element>(
        &mut self,
        built: &Built,
        columns: &[Slice<'_>],
        order: &[u32],
        epochs: Epochs,
        records: &[u32],
    ) {
        let steps = epochs.steps(order.len(), built.schedule.capacity as usize);
        for (room, held) in &mut self.regions {
            held.lengthen(room.len_for(steps, order.len()));
        }
        let regions = self.regions.iter_mut().map(|(room, held)| (room.region, T::slice_mut(held))).collect();
        let columns: Vec<&[T]> = columns.iter().map(|&column| T::slice(column)).collect();
        built.module.run(&mut self.workspace, Call { regions, columns: &columns, order, epochs, records });
    }
}
