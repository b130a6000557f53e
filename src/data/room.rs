//! Whether data fits into memory, asked before it is taken.

use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};

/// Tells of numbers that take more memory than this machine has left. Where that cannot be known, they may be tried.
///
/// # Errors
/// `TOO_LARGE`.
pub fn check(numbers: u64, path: &str, span: Span) -> Result<(), Diagnostics> {
    let needed = numbers.saturating_mul(size_of::<f64>() as u64);
    match available() {
        Some(left) if needed > left => {
            let message = format!(
                "`{path}` takes {} of memory as numbers, and {} are left",
                shown(needed),
                shown(left)
            );
            Err(vec![Diagnostic::error(codes::TOO_LARGE, message).at(span, "does not fit")])
        }
        _ => Ok(()),
    }
}

/// Bytes that may still be taken, as Linux tells.
fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes * 1024)
}

fn shown(bytes: u64) -> String {
    match bytes as f64 {
        size if size >= 1e9 => format!("{:.1} GB", size / 1e9),
        size => format!("{:.0} MB", size / 1e6),
    }
}
