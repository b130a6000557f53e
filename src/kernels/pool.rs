//! Threads that work on one thing together: a product is over in microseconds, so that they wait for the next one
//! awake for a while, and only then sleep.
//!
//! What a thread has computed lies in its own cache, from where another one gets it about as fast as it computes it
//! anew. Hence each thread has a share of the parts, the same each time there are as many: the first one the first of
//! them. Whoever has none left takes from the end of another's share.

use super::memory::CacheLine;
use crate::circuit::machine::subnormal::Flushing;
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
    /// One a thread, that of the caller first.
    seats: Vec<Seat>,
    /// Parts of the round that are not done.
    left: Apart<AtomicUsize>,
    /// Whether a part panicked: a bug of ours.
    broken: AtomicBool,
    /// Whether there will be no more work.
    over: AtomicBool,
}

/// On lines of memory of its own, that others write without being waited for.
#[repr(align(128))]
struct Apart<T>(T);

const _: () = assert!(align_of::<Apart<u8>>() >= CacheLine::SIZE);

/// A thread's share of a round.
type Seat = Apart<Share>;

struct Share {
    /// Which parts nobody has taken yet: see [`Open`].
    open: AtomicU64,
    /// Of the present round. Written only when all parts of the round before are done; read only by who has taken a part
    /// of the share, which ends after that part.
    work: UnsafeCell<Option<*const Work>>,
    /// Whether the thread sleeps or is about to.
    asleep: AtomicBool,
}

// SAFETY: `work` is written by the one thread that holds the pool in `run`, only between rounds, when no part is taken;
// what it points to is `Sync`.
unsafe impl Sync for Shared {}
// SAFETY: as above.
unsafe impl Send for Shared {}

/// The parts of a share that nobody has taken, as one number that changes at once: whoever finds it unchanged may take
/// one of them, whatever it was in between.
#[derive(Clone, Copy)]
struct Open {
    first: u32,
    end: u32,
}

impl Open {
    fn of(number: u64) -> Open {
        Open { first: (number >> 32) as u32, end: number as u32 }
    }

    fn number(self) -> u64 {
        u64::from(self.first) << 32 | u64::from(self.end)
    }

    fn is_empty(self) -> bool {
        self.first >= self.end
    }
}

impl Share {
    fn new() -> Seat {
        Apart(Share {
            open: AtomicU64::new(Open { first: 0, end: 0 }.number()),
            work: UnsafeCell::new(None),
            asleep: AtomicBool::new(false),
        })
    }

    /// The number of a part that nobody has taken: the first one, or the last.
    fn take(&self, from_front: bool) -> Option<usize> {
        let without = |open: Open| match from_front {
            true => Open { first: open.first + 1, ..open },
            false => Open { end: open.end - 1, ..open },
        };
        let next = |number| {
            Some(Open::of(number)).filter(|open| !open.is_empty()).map(|open| without(open).number())
        };
        let before = Open::of(self.open.fetch_update(SeqCst, SeqCst, next).ok()?);
        Some(if from_front { before.first } else { before.end - 1 } as usize)
    }
}

impl Pool {
    /// So many threads, at least one; one is the caller itself.
    pub fn new(threads: usize) -> Pool {
        let count = threads.max(1) - 1;
        let shared = Arc::new(Shared {
            seats: (0..=count).map(|_| Share::new()).collect(),
            left: Apart(AtomicUsize::new(0)),
            broken: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let worker = |number: usize| {
            let shared = Arc::clone(&shared);
            let handle =
                thread::Builder::new().name(format!("nnc-{number}")).spawn(move || shared.serve(number));
            // A machine that gives no thread is worked on by those there are.
            handle.ok().map(|handle| (handle.thread().clone(), handle))
        };
        let workers = (1..=count).map_while(worker).collect();
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

    /// Has each of so many parts done by some thread, and returns when all are: of two threads, the first half by the
    /// caller, if both come in time. Nobody else may ask meanwhile: that is why the pool is borrowed as one's own.
    ///
    /// # Panics
    /// If `work` does.
    pub fn run(&mut self, parts: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        let threads = self.threads();
        let Pool { shared, workers, alone } = self;
        // SAFETY: the lifetime is longer than it should be only until `left` is 0 again, which is waited for below, also
        // if `work` panics here.
        let work =
            unsafe { std::mem::transmute::<*const (dyn Fn(usize, usize) + Sync + '_), *const Work>(work) };
        shared.left.0.store(parts, Relaxed);
        for (number, Apart(share)) in shared.seats[..threads].iter().enumerate() {
            // SAFETY: no part is taken between rounds.
            unsafe { *share.work.get() = Some(work) };
            let [first, end] = [number, number + 1].map(|number| (parts * number).div_ceil(threads) as u32);
            share.open.store(Open { first, end }.number(), SeqCst);
        }
        for ((thread, _), Apart(share)) in workers.iter().zip(&shared.seats[1..]) {
            // Whoever has no share comes only if awake.
            let has_some = !Open::of(share.open.load(Relaxed)).is_empty();
            if has_some && share.asleep.load(SeqCst) && share.asleep.swap(false, SeqCst) {
                thread.unpark();
            }
        }
        let start = Instant::now();
        let own = shared.work_on(0);
        let worked = start.elapsed().as_secs_f64();
        let mut rounds = 0u32;
        while shared.left.0.load(Acquire) > 0 {
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
    fn serve(&self, thread: usize) {
        let _flushing = Flushing::begin();
        while !self.over.load(SeqCst) {
            self.work_on(thread);
            self.wait(thread);
        }
    }

    /// Does the parts of the thread's own share, then those of others', until there are none; tells how many.
    fn work_on(&self, thread: usize) -> usize {
        let mut done = 0;
        let (before, from) = self.seats.split_at(thread);
        for (number, Apart(share)) in from.iter().chain(before).enumerate() {
            while let Some(part) = share.take(number == 0) {
                // SAFETY: a part is taken: what was written for the round stays until it is done.
                let work = unsafe { (*share.work.get()).map(|work| &*work) };
                let call = || work.into_iter().for_each(|work| work(thread, part));
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err() {
                    self.broken.store(true, Relaxed);
                }
                done += 1;
            }
        }
        if done > 0 {
            self.left.0.fetch_sub(done, Release);
        }
        done
    }

    /// Until there is something to take in the thread's own share, or nothing more to come.
    fn wait(&self, thread: usize) {
        let Apart(share) = &self.seats[thread];
        let due = || !Open::of(share.open.load(SeqCst)).is_empty() || self.over.load(SeqCst);
        for _ in 0..AWAKE {
            if due() {
                return;
            }
            spin_loop();
        }
        share.asleep.store(true, SeqCst);
        while !due() {
            thread::park();
            // Whoever wakes it takes the mark away; it is set again before the next look.
            share.asleep.store(true, SeqCst);
        }
        share.asleep.store(false, SeqCst);
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
