//! Ctrl-C: the first asks a run to end after its step, the second ends the program.

use std::sync::atomic::{AtomicBool, Ordering};

static ASKED: AtomicBool = AtomicBool::new(false);

/// The exit code of a program that was interrupted, as shells count it.
pub const INTERRUPTED: i32 = 130;

/// Watches for Ctrl-C, and for the signal by which a system asks programs to end.
pub fn watch() {
    watch_and_say("ends after this step; once more ends at once, without saving");
}

/// The same, with words of its own for the first time.
pub fn watch_and_say(words: &'static str) {
    let asked = move || {
        if ASKED.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
        eprintln!("{words}");
    };
    // Where it cannot be watched for, Ctrl-C ends the program as ever.
    _ = ctrlc::set_handler(asked);
}

/// Whether the run is asked to end.
pub fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
