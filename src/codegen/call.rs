//! Calling native code: the one place where a pointer leaves Rust.

use super::Module;
use crate::circuit::machine::subnormal::Flushing;
use crate::interpret::Element;
use crate::kernels::{Equipment, Memory};
use crate::plan::memory::Room;
use crate::plan::schedule::*;

/// What native code is called with. The order of fields is its own affair: it reads them by offset.
#[repr(C)]
pub struct Frame {
    /// One pointer a region, in the order of [`Schedule::regions`]; native code moves those of results on.
    pub regions: *mut *mut u8,
    /// One pointer a column of the data.
    pub columns: *const *const u8,
    /// Numbers of the examples, batch after batch.
    pub order: *const u32,
    /// Records of the steps, one after another.
    pub records: *const u32,
    /// For kernels.
    pub equipment: *mut Equipment,
    /// Examples until the first epoch ends.
    pub left: u64,
    /// Examples of each further epoch.
    pub epoch: u64,
    /// Number of steps.
    pub steps: u64,
}

/// Memory that a module works in and that nobody reads afterwards.
#[derive(Debug)]
pub struct Workspace {
    regions: Vec<(Region, Memory)>,
    equipment: Equipment,
}

/// Some steps to run.
#[derive(Debug)]
pub struct Call<'a, T> {
    /// The memory of every region of the schedule but arena and inputs: see [`Module::run`] for lengths.
    pub regions: Vec<(Region, &'a mut [T])>,
    /// The memory of regions that no step writes: in place of such a one above.
    pub lent: Vec<(Region, &'a [T])>,
    /// The columns of the data, each as long as there are examples times the elements of one.
    pub columns: &'a [&'a [T]],
    /// Numbers of the examples to go through, in batches of the schedule's capacity; the last of an epoch may be
    /// shorter.
    pub order: &'a [u32],
    /// Which of them make epochs.
    pub epochs: Epochs,
    /// For each step its scalars and its keys of draws, by their bits, the lower half first: [`Module::record_len`]
    /// each.
    pub records: &'a [u32],
}

/// Examples that are gone through more than once; no batch has examples of two epochs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Epochs {
    /// Examples of one.
    pub rows: usize,
    /// Examples of the first one that came before: whole batches.
    pub begun: usize,
}

impl Epochs {
    /// All of so many examples are one epoch.
    pub fn one(rows: usize) -> Epochs {
        Epochs { rows, begun: 0 }
    }

    /// Steps over so many examples, in batches of `capacity`.
    ///
    /// # Panics
    /// If they end within a batch.
    pub fn steps(self, rows: usize, capacity: usize) -> usize {
        let first = rows.min(self.rows - self.begun);
        let (whole, last) = ((rows - first) / self.rows, (rows - first) % self.rows);
        let end = if last > 0 { last } else { self.begun + first };
        assert!(end % capacity == 0 || end % self.rows == 0, "a call ends where a batch does");
        first.div_ceil(capacity) + whole * self.rows.div_ceil(capacity) + last.div_ceil(capacity)
    }
}

impl Module {
    /// Memory to run in; to be used again by later calls.
    pub fn workspace(&self) -> Workspace {
        let own = |room: &&Room| matches!(room.region, Region::Arena | Region::Input(_));
        let size = self.dtype.size();
        let zeros = |room: &Room| (room.region, Memory::zeros(room.fixed * size));
        Workspace {
            regions: self.rooms.iter().filter(own).map(zeros).collect(),
            equipment: Equipment::new(self.tasks.iter().flatten(), size, self.threads, self.own),
        }
    }

    /// Words of one step's record.
    pub fn record_len(&self) -> usize {
        self.record_len
    }

    /// Runs a step for each batch of `call.order`. Panics also if it ends within a batch.
    ///
    /// Parameters, gradients, moments and states are as long as the schedule says; a log has one record for each
    /// step; a per-example output one row for each example, a shared one room for one value.
    ///
    /// # Panics
    /// If numbers are of another type than the schedule's, a region or column is missing or too short, or an example is not in the data: bugs of the caller.
    pub fn run<T: Element>(&self, workspace: &mut Workspace, mut call: Call<T>) {
        assert_eq!(T::DTYPE, self.dtype, "numbers of the schedule's type");
        if call.order.is_empty() {
            return;
        }
        let steps = call.epochs.steps(call.order.len(), self.capacity);
        assert!(call.records.len() >= steps * self.record_len(), "a record for each of {steps} steps");
        let columns = self.check_columns(&call);
        let mut regions = self.check_regions(workspace, &mut call, steps);
        let frame = Frame {
            regions: regions.as_mut_ptr(),
            columns: columns.as_ptr(),
            order: call.order.as_ptr(),
            records: call.records.as_ptr(),
            equipment: &raw mut workspace.equipment,
            left: (call.epochs.rows - call.epochs.begun) as u64,
            epoch: call.epochs.rows as u64,
            steps: steps as u64,
        };
        self.laps.iter().for_each(|laps| laps.start());
        let _flushing = Flushing::begin();
        // SAFETY: every array that the code reads or writes was checked above to reach as far as the schedule's
        // addresses do, for batches of at most its capacity; all of them are borrowed until it returns; what is lent to
        // be read is written by no step; the code lives as long as the module.
        unsafe { (self.entry)(&frame) }
    }

    /// A pointer for each column of the data.
    fn check_columns<T: Element>(&self, call: &Call<T>) -> Vec<*const u8> {
        let examples = call.order.iter().copied().max().map_or(0, |last| last as usize + 1);
        for &(column, row) in &self.columns {
            let length = call.columns.get(column).expect("a column for each input").len();
            assert!(length >= examples * row, "column {column} has the {examples} examples");
        }
        call.columns.iter().map(|column| column.as_ptr().cast()).collect()
    }

    /// A pointer for each region of the schedule, in order.
    fn check_regions<T: Element>(
        &self,
        workspace: &mut Workspace,
        call: &mut Call<T>,
        steps: usize,
    ) -> Vec<*mut u8> {
        let examples = call.order.len();
        let pointer = |room: &Room| {
            let own = workspace.regions.iter_mut().find(|held| held.0 == room.region);
            let lent = call.lent.iter().find(|lent| lent.0 == room.region);
            let (length, pointer) = match (own, lent) {
                (Some((_, memory)), _) => (memory.bytes() / size_of::<T>(), memory.as_mut_ptr()),
                (None, Some((region, memory))) => {
                    assert!(!self.writes(*region), "{region:?} is written");
                    (memory.len(), memory.as_ptr().cast_mut().cast())
                }
                (None, None) => {
                    let given = call.regions.iter_mut().find(|held| held.0 == room.region);
                    let (_, memory) = given.unwrap_or_else(|| panic!("no memory for {:?}", room.region));
                    (memory.len(), memory.as_mut_ptr().cast())
                }
            };
            assert!(length >= room.len_for(steps, examples), "{room:?} does not fit into {length} elements");
            pointer
        };
        self.rooms.iter().map(pointer).collect()
    }
}
