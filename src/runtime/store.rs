//! The memory of a run that outlives a step: parameters, gradients, moments, states, results and the log.

use super::build::Built;
use crate::codegen::{Call, Workspace};
use crate::plan::memory::Room;
use crate::plan::schedule::Region;

/// The regions of a schedule that the caller of native code owns.
#[derive(Debug)]
pub struct Store {
    regions: Vec<(Room, Vec<f32>)>,
    workspace: Workspace,
}

impl Store {
    /// Zeros, long enough for so many steps over so many examples in one call.
    pub fn new(built: &Built, steps: usize, rows: usize) -> Store {
        let own = |room: &Room| !matches!(room.region, Region::Arena | Region::Input(_));
        let zeros = |room: Room| (room, vec![0.0; room.len_for(steps, rows)]);
        let regions = built.schedule.rooms().into_iter().filter(own).map(zeros).collect();
        Store { regions, workspace: built.module.workspace() }
    }

    /// The contents of a region; empty if the schedule has nothing there.
    pub fn region(&self, region: Region) -> &[f32] {
        self.regions.iter().find(|held| held.0.region == region).map_or(&[], |held| &held.1)
    }

    /// Puts values into a region, from its start; what the schedule does not hold is left out.
    pub fn put(&mut self, region: Region, values: &[f32]) {
        if let Some((_, held)) = self.regions.iter_mut().find(|held| held.0.region == region) {
            let len = values.len().min(held.len());
            held[..len].copy_from_slice(&values[..len]);
        }
    }

    /// Fills a region.
    pub fn fill(&mut self, region: Region, value: f32) {
        if let Some((_, held)) = self.regions.iter_mut().find(|held| held.0.region == region) {
            held.fill(value);
        }
    }

    /// Runs a step for each batch of `order`.
    pub fn run(&mut self, built: &Built, columns: &[&[f32]], order: &[u32], records: &[u32]) {
        let steps = order.len().div_ceil(built.schedule.capacity as usize);
        for (room, held) in &mut self.regions {
            held.resize(room.len_for(steps, order.len()).max(held.len()), 0.0);
        }
        let regions =
            self.regions.iter_mut().map(|(room, held)| (room.region, held.as_mut_slice())).collect();
        built.module.run(&mut self.workspace, Call { regions, columns, order, records });
    }
}
