//! Threads that work on one thing together: a product is over in microseconds, so that they wait for the next one
//! awake for a while, and only then sleep.

use std::cell::UnsafeCell;
use std::fmt;
use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::thread::{self, JoinHandle, Thread};
use std::time::Instant;

/// Rounds of waiting awake: some tens of microseconds, about what it takes to be woken.
const AWAKE: u32 = 20_000;

/// What is to be done, in parts: called with the number of the thread and that of the part.
type Work = dyn Fn(usize, usize) + Sync;

/// Some threads, the one that asks among them.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<(Thread, JoinHandle<()>)>,
    /// Seconds that the caller alone would have taken for what was done since it last asked.
    alone: f64,
}

/// What the threads know of each other. A thread that comes late finds nothing to do, and nobody waits for it.
struct Shared {
    /// Of the present round. Written only when all parts of the round before are done; read only by who has taken a part
    /// of the present one, which ends after that part.
    work: UnsafeCell<Option<*const Work>>,
    /// The round, in the upper half, and how many of its parts nobody has taken yet.
    open: AtomicU64,
    /// Parts of the round that are not done.
    left: AtomicUsize,
    /// Of each worker, whether it sleeps or is about to.
    asleep: Vec<AtomicBool>,
    /// Whether a part panicked: a bug of ours.
    broken: AtomicBool,
    /// Whether there will be no more work.
    over: AtomicBool,
}

// SAFETY: `work` is written by the one thread that holds the pool in `run`, only between rounds, when no part is taken;
// what it points to is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

impl Pool {
    /// So many threads, at least one; one is the caller itself.
    pub fn new(threads: usize) -> Pool {
        let count = threads.max(1) - 1;
        let shared = Arc::new(Shared {
            work: UnsafeCell::new(None),
            open: AtomicU64::new(0),
            left: AtomicUsize::new(0),
            asleep: (0..count).map(|_| AtomicBool::new(false)).collect(),
            broken: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let worker = |number: usize| {
            let shared = Arc::clone(&shared);
            let name = format!("nnc-{}", number + 1);
            let handle = thread::Builder::new().name(name).spawn(move || shared.serve(number));
            // A machine that gives no thread is worked on by those there are.
            handle.ok().map(|handle| (handle.thread().clone(), handle))
        };
        let workers = (0..count).map_while(worker).collect();
        Pool { shared, workers, alone: 0.0 }
    }

    /// How many threads work.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// The seconds that the caller alone would have taken for all that was done since this was last asked: as long as it
    /// took for its own parts, and as much more as there were others; if it had none, all that the threads took.
    pub fn alone(&mut self) -> f64 {
        std::mem::take(&mut self.alone)
    }

    /// Has each of so many parts done by some thread, and returns when all are. Nobody else may ask meanwhile: that is
    /// why the pool is borrowed as one's own.
    ///
    /// # Panics
    /// If `work` does.
    pub fn run(&mut self, parts: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        let threads = self.threads();
        let Pool { shared, workers, alone } = self;
        // SAFETY: no part is taken between rounds. The lifetime is longer than it should be only until `left` is 0
        // again, which is waited for below, also if `work` panics here.
        unsafe {
            *shared.work.get() =
                Some(std::mem::transmute::<*const (dyn Fn(usize, usize) + Sync + '_), *const Work>(work));
        }
        shared.left.store(parts, Relaxed);
        let round = (shared.open.load(Relaxed) >> 32).wrapping_add(1);
        shared.open.store(round << 32 | parts as u64, SeqCst);
        for ((thread, _), asleep) in workers.iter().zip(&shared.asleep) {
            if asleep.swap(false, SeqCst) {
                thread.unpark();
            }
        }
        let start = Instant::now();
        let own = shared.work_on(0);
        let worked = start.elapsed().as_secs_f64();
        let mut rounds = 0u32;
        while shared.left.load(Acquire) > 0 {
            rounds += 1;
            // A worker may have lost its processor to another program: then ours is worth more to it than to us.
            if rounds.is_multiple_of(AWAKE) { thread::yield_now() } else { spin_loop() }
        }
        *alone += match own {
            0 => start.elapsed().as_secs_f64() * threads as f64,
            own => worked * parts as f64 / own as f64,
        };
        assert!(!shared.broken.load(Relaxed), "a part of the work panicked");
    }
}

impl Shared {
    /// What a worker does as long as it lives.
    fn serve(&self, number: usize) {
        while !self.over.load(SeqCst) {
            self.work_on(number + 1);
            self.wait(number);
        }
    }

    /// Takes parts until there are none, and tells how many.
    fn work_on(&self, thread: usize) -> usize {
        let mut done = 0;
        while let Some(part) = self.take() {
            // SAFETY: a part is taken: what was written for the round stays until it is done.
            let work = unsafe { (*self.work.get()).map(|work| &*work) };
            let call = || work.into_iter().for_each(|work| work(thread, part));
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err() {
                self.broken.store(true, Relaxed);
            }
            self.left.fetch_sub(1, Release);
            done += 1;
        }
        done
    }

    /// The number of a part that nobody has taken.
    fn take(&self) -> Option<usize> {
        let taken = self.open.fetch_update(SeqCst, SeqCst, |open| (open as u32 > 0).then(|| open - 1));
        taken.ok().map(|open| open as u32 as usize - 1)
    }

    /// Until there is something to take, or nothing more to come.
    fn wait(&self, number: usize) {
        let due = || self.open.load(SeqCst) as u32 > 0 || self.over.load(SeqCst);
        for _ in 0..AWAKE {
            if due() {
                return;
            }
            spin_loop();
        }
        self.asleep[number].store(true, SeqCst);
        while !due() {
            thread::park();
            // Whoever wakes it takes the mark away; it is set again before the next look.
            self.asleep[number].store(true, SeqCst);
        }
        self.asleep[number].store(false, SeqCst);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        for (thread, handle) in self.workers.drain(..) {
            thread.unpark();
            // It panics in no way: parts that do are caught.
            let _ = handle.join();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} threads", self.threads())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_part_is_done_once_each_time() {
        for threads in 1..=4 {
            let mut pool = Pool::new(threads);
            let parts: Vec<AtomicU64> = (0..7).map(|_| AtomicU64::new(0)).collect();
            for round in 0..2000u64 {
                pool.run(parts.len(), &|thread, part| {
                    assert!(thread < threads);
                    parts[part].fetch_add(round + 1, Relaxed);
                });
                if round % 500 == 499 {
                    // Long enough for the others to fall asleep.
                    thread::sleep(Duration::from_millis(5));
                }
            }
            assert!(parts.iter().all(|sum| sum.load(Relaxed) == 2000 * 2001 / 2), "{threads}: {parts:?}");
        }
    }

    #[test]
    fn a_panic_in_a_part_is_told() {
        let mut pool = Pool::new(2);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            pool.run(4, &|_, part| assert!(part < 3, "the last does not hold"));
        }));
        assert!(failed.is_err());
    }
}
