//! What products are worked on with: memory for packed columns, and threads.

use super::gain::Gains;
use super::memory::Memory;
use super::pool::Pool;
use super::task::Task;

/// Memory for packed columns, and threads.
#[derive(Debug)]
pub struct Equipment {
    /// A part for each thread.
    scratch: Memory,
    /// None: the caller works alone.
    pool: Option<Pool>,
    /// What threads gain.
    gains: Gains,
}

impl Equipment {
    /// Enough for any of some tasks on numbers of so many bytes, by so many threads, and for work that takes `own` bytes
    /// a thread.
    pub fn new<'a>(
        tasks: impl Iterator<Item = &'a Task>,
        bytes: usize,
        threads: usize,
        own: usize,
    ) -> Equipment {
        let pool = (threads > 1).then(|| Pool::new(threads));
        let threads = pool.as_ref().map_or(1, Pool::threads);
        let longest = tasks.map(|task| task.scratch_len(threads)).max().unwrap_or(0);
        Equipment {
            scratch: Memory::zeros((longest * bytes).max(own * threads)),
            pool,
            gains: Gains::default(),
        }
    }

    /// Does work that is too short for threads: with the first element of scratch memory.
    pub fn alone<T>(&mut self, work: impl FnOnce(*mut T)) {
        work(self.scratch.as_mut_ptr())
    }

    /// Does a piece of work that comes again and again, see [`Gains::run`]: with the first element of scratch memory, and
    /// with threads while they gain.
    pub fn shared<T>(&mut self, piece: usize, length: u64, work: impl FnOnce(*mut T, Option<&mut Pool>)) {
        let scratch = self.scratch.as_mut_ptr();
        match &mut self.pool {
            Some(pool) if pool.threads() > 1 => {
                self.gains.run(piece, length, |together| {
                    work(scratch, together.then_some(&mut *pool));
                    together.then(|| pool.alone())
                });
            }
            _ => work(scratch, None),
        }
    }
}
