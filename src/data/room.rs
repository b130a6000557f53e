//! How much memory data may take. What does not fit goes to a file: see [`super::buffer`].

use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Memory that is left for data, shared by all who hold a clone.
#[derive(Clone, Debug)]
pub struct Room {
    left: Arc<AtomicU64>,
}

/// Memory that was taken out of a [`Room`], and goes back when this is dropped.
#[derive(Debug)]
pub struct Lease {
    room: Room,
    bytes: u64,
}

impl Room {
    /// So many bytes.
    pub fn of(bytes: u64) -> Room {
        Room { left: Arc::new(AtomicU64::new(bytes)) }
    }

    /// Half of the memory that this process can still take; where that cannot be known, everything is taken to fit.
    pub fn here() -> Room {
        Room::of(available().map_or(u64::MAX, |bytes| bytes / 2))
    }

    /// Takes nothing yet.
    pub fn lease(&self) -> Lease {
        Lease { room: self.clone(), bytes: 0 }
    }
}

impl Lease {
    /// Of the same room, nothing yet.
    pub fn none(&self) -> Lease {
        self.room.lease()
    }

    /// Takes more; whether there was as much.
    pub fn grow(&mut self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        let taken = self.room.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        self.bytes += if taken { bytes } else { 0 };
        taken
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.room.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// Tells that what did not fit into memory could not be put into a file.
pub fn told<T>(written: std::io::Result<T>, span: Span) -> Result<T, Diagnostics> {
    written.map_err(|error| {
        let folder = super::buffer::folder();
        let message = format!(
            "data that does not fit into memory goes to a file in `{}`, and that failed: {error}",
            folder.display()
        );
        let help = "the environment variable TMPDIR names another folder; `--memory` says how much may stay in memory";
        vec![Diagnostic::error(codes::FILE_UNWRITABLE, message).at(span, "does not fit").help(help)]
    })
}

/// Bytes that may still be taken, as Linux tells: of the machine, and at most those of a control group of this process.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_groups = GROUPS.iter().filter_map(|kind| most_of_group(kind, &groups)).min();
    Some(machine.min(of_groups.unwrap_or(u64::MAX)))
}

/// Control groups of version 2 and 1: how their line in `/proc/self/cgroup` goes on behind its number, where they are
/// mounted, and the file that holds their limit.
const GROUPS: [(&str, &str, &str); 2] =
    [(":/", "/sys/fs/cgroup", "memory.max"), ("memory:/", "/sys/fs/cgroup/memory", "memory.limit_in_bytes")];

/// The least limit of the group of this process and of those around it.
fn most_of_group(&(begin, root, file): &(&str, &str, &str), groups: &str) -> Option<u64> {
    let own = groups.lines().find_map(|line| line.split_once(':')?.1.strip_prefix(begin))?;
    let own = Path::new(root).join(own);
    let groups = own.ancestors().take_while(|group| group.starts_with(root));
    groups.filter_map(|group| std::fs::read_to_string(group.join(file)).ok()?.trim().parse().ok()).min()
}

/// Bytes as a command line gives them: `2GB`, `512 MB`, `1e9`.
///
/// # Errors
/// What is wrong with the text.
pub fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("KiB", 1024.0),
        ("MiB", 1048576.0),
        ("GiB", 1073741824.0),
        ("KB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("TB", 1e12),
        ("B", 1.0),
    ];
    let upper = text.trim().to_uppercase();
    let unit = UNITS.iter().find_map(|(unit, size)| Some((upper.strip_suffix(&unit.to_uppercase())?, *size)));
    let (number, size) = unit.unwrap_or((&upper, 1.0));
    match number.trim().parse::<f64>() {
        Ok(number) if (0.0..1e19).contains(&(number * size)) => Ok((number * size) as u64),
        _ => Err("expected a size such as 2GB, 500MB or 1.5GiB".into()),
    }
}
