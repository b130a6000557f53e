//! The memory of a run that outlives a step: parameters, gradients, moments, states, results and the log.

use super::build::Built;
use super::weights::Weights;
use crate::circuit::{Dtype, Numbers, Slice, SliceMut};
use crate::codegen::{Call, Epochs, Workspace};
use crate::interpret::Element;
use crate::kernels::{Memory, Real};
use crate::plan::memory::Room;
use crate::plan::schedule::Region;

/// The regions of a schedule that the caller of native code owns.
#[derive(Debug)]
pub struct Store {
    dtype: Dtype,
    regions: Vec<(Room, Memory)>,
    workspace: Workspace,
}

impl Store {
    /// Zeros, long enough for so many steps over so many examples in one call.
    pub fn new(built: &Built, steps: usize, rows: usize) -> Store {
        Store::without(built, steps, rows, &[])
    }

    /// What is left of a run over some rows with given weights, which are read where they lie.
    ///
    /// # Panics
    /// As [`Store::run`].
    pub fn of_weights(
        built: &Built,
        weights: &Weights,
        columns: &[Slice<'_>],
        order: &[u32],
        records: &[u32],
    ) -> Store {
        let given = [(Region::Params, &weights.params), (Region::States, &weights.states)];
        // Weights of another type, and states that steps change, are copied.
        let (lent, own): (Vec<_>, Vec<_>) = given.into_iter().partition(|(region, numbers)| {
            numbers.dtype() == built.schedule.dtype && !built.module.writes(*region)
        });
        let regions: Vec<Region> = lent.iter().map(|lent| lent.0).collect();
        let epochs = Epochs::one(order.len());
        let steps = epochs.steps(order.len(), built.schedule.capacity as usize);
        let mut store = Store::without(built, steps, order.len(), &regions);
        own.into_iter().for_each(|(region, numbers)| store.put(region, numbers));
        store.run_epochs(built, columns, order, epochs, records, &lent);
        store
    }

    /// As [`Store::new`], without some regions, which are lent for each call.
    fn without(built: &Built, steps: usize, rows: usize, lent: &[Region]) -> Store {
        let own = |room: &Room| {
            !matches!(room.region, Region::Arena | Region::Input(_)) && !lent.contains(&room.region)
        };
        let dtype = built.schedule.dtype;
        let zeros = |room: Room| (room, Memory::zeros(room.len_for(steps, rows) * dtype.size()));
        let regions = built.schedule.rooms().into_iter().filter(own).map(zeros).collect();
        Store { dtype, regions, workspace: built.module.workspace() }
    }

    /// The contents of a region; none if the schedule has nothing there.
    pub fn numbers(&self, region: Region) -> Option<Slice<'_>> {
        let (_, memory) = self.regions.iter().find(|held| held.0.region == region)?;
        Some(match self.dtype {
            Dtype::F32 => Slice::F32(memory.slice()),
            Dtype::F64 => Slice::F64(memory.slice()),
        })
    }

    /// The same, copied; empty if the schedule has nothing there.
    pub fn copied(&self, region: Region) -> Numbers {
        self.numbers(region).map(Slice::to_numbers).unwrap_or_default()
    }

    /// The memory of a region.
    fn memory_mut(&mut self, region: Region) -> Option<&mut Memory> {
        self.regions.iter_mut().find(|held| held.0.region == region).map(|held| &mut held.1)
    }

    /// The contents of a region, to be written.
    fn numbers_mut(&mut self, region: Region) -> Option<SliceMut<'_>> {
        let dtype = self.dtype;
        let memory = self.memory_mut(region)?;
        Some(match dtype {
            Dtype::F32 => SliceMut::F32(memory.slice_mut()),
            Dtype::F64 => SliceMut::F64(memory.slice_mut()),
        })
    }

    /// The contents of a region, in the type that the schedule computes in; empty if the schedule has nothing there.
    ///
    /// # Panics
    /// If that is another type.
    pub fn region<T: Element>(&self, region: Region) -> &[T] {
        self.numbers(region).map_or(&[], T::slice)
    }

    /// Puts values into a region, from its start; what the schedule does not hold is left out.
    pub fn put(&mut self, region: Region, values: &Numbers) {
        if let Some(held) = self.numbers_mut(region) {
            held.put(values.slice());
        }
    }

    /// Gives the memory of a region back; of its contents zeros are left when steps run again.
    pub fn forget(&mut self, region: Region) {
        if let Some(held) = self.memory_mut(region) {
            *held = Memory::zeros(0);
        }
    }

    /// Fills a region.
    pub fn fill(&mut self, region: Region, value: f64) {
        if let Some(held) = self.numbers_mut(region) {
            held.fill(value);
        }
    }

    /// Runs a step for each batch of `order`.
    ///
    /// # Panics
    /// If a column is of another type than the schedule.
    pub fn run(&mut self, built: &Built, columns: &[Slice<'_>], order: &[u32], records: &[u32]) {
        self.run_epochs(built, columns, order, Epochs::one(order.len()), records, &[]);
    }

    /// As [`Store::run`], `order` being one epoch after another; regions that the store is without are lent.
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
        lent: &[(Region, &Numbers)],
    ) {
        match built.schedule.dtype {
            Dtype::F32 => self.run_in::<f32>(built, columns, order, epochs, records, lent),
            Dtype::F64 => self.run_in::<f64>(built, columns, order, epochs, records, lent),
        }
    }

    fn run_in<T: Real>(
        &mut self,
        built: &Built,
        columns: &[Slice<'_>],
        order: &[u32],
        epochs: Epochs,
        records: &[u32],
        lent: &[(Region, &Numbers)],
    ) {
        let steps = epochs.steps(order.len(), built.schedule.capacity as usize);
        for (room, held) in &mut self.regions {
            held.lengthen(room.len_for(steps, order.len()) * size_of::<T>());
        }
        let regions = self.regions.iter_mut().map(|(room, held)| (room.region, held.slice_mut())).collect();
        let columns: Vec<&[T]> = columns.iter().map(|&column| T::slice(column)).collect();
        let lent = lent.iter().map(|&(region, numbers)| (region, T::slice(numbers.slice()))).collect();
        let call = Call { regions, lent, columns: &columns, order, epochs, records };
        built.module.run(&mut self.workspace, call);
    }
}
