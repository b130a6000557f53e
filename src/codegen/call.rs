//! Calling native code: the one place where a pointer leaves Rust.

use super::{Module, record_len};
use crate::plan::schedule::*;

/// What native code is called with. The order of fields is its own affair: it reads them by offset.
#[repr(C)]
pub struct Frame {
    /// One pointer a region, in the order of [`Schedule::regions`]; native code moves those of results on.
    pub regions: *mut *mut f32,
    /// One pointer a column of the data.
    pub columns: *const *const f32,
    /// Numbers of the examples, batch after batch.
    pub order: *const u32,
    /// Records of the steps, one after another.
    pub records: *const u32,
    /// For kernels.
    pub scratch: *mut f32,
    /// Number of examples in all.
    pub rows: u64,
    /// Number of steps.
    pub steps: u64,
}

/// Memory that a module works in and that nobody reads afterwards.
#[derive(Debug, Default)]
pub struct Workspace {
    regions: Vec<(Region, Vec<CacheLine>)>,
    scratch: Vec<CacheLine>,
}

/// So that arrays start where a cache line does.
#[repr(align(64))]
#[derive(Clone, Copy, Debug)]
struct CacheLine(#[expect(dead_code, reason = "read through pointers only")] [f32; CacheLine::LEN]);

impl CacheLine {
    /// Elements of one.
    const LEN: usize = 16;

    /// Zeros for `len` elements.
    fn zeros(len: usize) -> Vec<CacheLine> {
        vec![CacheLine([0.0; CacheLine::LEN]); len.div_ceil(CacheLine::LEN)]
    }
}

/// Some steps to run.
#[derive(Debug)]
pub struct Call<'a> {
    /// The memory of every region of the schedule but arena and inputs: see [`Module::run`] for lengths.
    pub regions: Vec<(Region, &'a mut [f32])>,
    /// The columns of the data, each as long as there are examples times the elements of one.
    pub columns: &'a [&'a [f32]],
    /// Numbers of the examples to go through, in batches of the schedule's capacity; the last may be shorter.
    pub order: &'a [u32],
    /// For each step its scalars and its keys of draws, by their bits: [`Module::record_len`] each.
    pub records: &'a [u32],
}

impl Module {
    /// Memory to run in; to be used again by later calls.
    pub fn workspace(&self) -> Workspace {
        let own = |region: &Region| matches!(region, Region::Arena | Region::Input(_));
        let capacity = self.schedule.capacity as usize;
        let zeros = |region| (region, CacheLine::zeros(self.schedule.region_len(region, capacity)));
        Workspace {
            regions: self.schedule.regions().into_iter().filter(own).map(zeros).collect(),
            scratch: CacheLine::zeros(self.tasks.iter().map(|task| task.scratch_len()).max().unwrap_or(0)),
        }
    }

    /// Elements of one step's record.
    pub fn record_len(&self) -> usize {
        record_len(&self.schedule)
    }

    /// Runs a step for each batch of `call.order`.
    ///
    /// Parameters, gradients, moments and states are as long as the schedule says; a log has one record for each
    /// step; a per-example output one row for each example, a shared one room for one value.
    ///
    /// # Panics
    /// If a region or column is missing or too short, or an example is not in the data: bugs of the caller.
    pub fn run(&self, workspace: &mut Workspace, mut call: Call) {
        if call.order.is_empty() {
            return;
        }
        let steps = call.order.len().div_ceil(self.schedule.capacity as usize);
        assert!(call.records.len() >= steps * self.record_len(), "a record for each of {steps} steps");
        let columns = self.check_columns(&call);
        let mut regions = self.check_regions(workspace, &mut call, steps);
        let frame = Frame {
            regions: regions.as_mut_ptr(),
            columns: columns.as_ptr(),
            order: call.order.as_ptr(),
            records: call.records.as_ptr(),
            scratch: workspace.scratch.as_mut_ptr().cast(),
            rows: call.order.len() as u64,
            steps: steps as u64,
        };
        // SAFETY: every array that the code reads or writes was checked above to reach as far as the schedule's
        // addresses do, for batches of at most its capacity; all of them are borrowed until it returns; the code
        // lives as long as the module.
        unsafe { (self.entry)(&frame) }
    }

    /// A pointer for each column up to the last that the schedule reads.
    fn check_columns(&self, call: &Call) -> Vec<*const f32> {
        let last = call.order.iter().copied().max().unwrap_or(0) as usize;
        let mut pointers = vec![std::ptr::null(); call.columns.len()];
        for region in self.schedule.regions() {
            let Region::Input(k) = region else { continue };
            let column = call.columns.get(usize::from(k)).expect("a column for each input");
            let row = self.schedule.region_row(region);
            assert!(column.len() >= (last + 1) * row, "column {k} reaches example {last}");
            pointers[usize::from(k)] = column.as_ptr();
        }
        pointers
    }

    /// A pointer for each region of the schedule, in order.
    fn check_regions(&self, workspace: &mut Workspace, call: &mut Call, steps: usize) -> Vec<*mut f32> {
        let needed = |region| match (region, self.schedule.region_row(region)) {
            (Region::Log, _) => steps * self.schedule.region_len(region, 1),
            (Region::Output(_), row) if row > 0 => call.order.len() * row,
            _ => self.schedule.region_len(region, call.order.len().min(self.schedule.capacity as usize)),
        };
        let needed: Vec<(Region, usize)> =
            self.schedule.regions().into_iter().map(|region| (region, needed(region))).collect();
        let pointer = |(region, needed)| {
            let own = workspace.regions.iter_mut().find(|held| held.0 == region);
            let (length, pointer) = match own {
                Some((_, lines)) => (lines.len() * CacheLine::LEN, lines.as_mut_ptr().cast()),
                None => {
                    let given = call.regions.iter_mut().find(|held| held.0 == region);
                    let (_, memory) = given.unwrap_or_else(|| panic!("no memory for {region:?}"));
                    (memory.len(), memory.as_mut_ptr())
                }
            };
            assert!(length >= needed, "{region:?} has {length} elements, {needed} are needed");
            pointer
        };
        needed.into_iter().map(pointer).collect()
    }
}
