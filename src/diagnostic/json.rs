//! How a [`Diagnostic`] looks to another program.

use super::{Diagnostic, Label, Severity, Sources};
use serde_json::{Value, json};

/// The diagnostic as one JSON object: `code`, `severity` (`"error"` or `"warning"`), `message`, `labels`,
/// `notes`, `help` (or null). A label has `file`, `start` and `end` (bytes, half open), `line` and `column` (of
/// its start, from 1, columns in characters) and `text`. Spans are clamped to their text.
pub fn to_json(diagnostic: &Diagnostic, sources: &Sources) -> Value {
    let labels: Vec<Value> = diagnostic.labels.iter().filter_map(|l| label_to_json(l, sources)).collect();
    json!({
        "code": diagnostic.code.id,
        "severity": match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "message": diagnostic.message,
        "labels": labels,
        "notes": diagnostic.notes,
        "help": diagnostic.help,
    })
}

/// One label; `None` if it points into no text.
fn label_to_json(label: &Label, sources: &Sources) -> Option<Value> {
    let source = sources.files.get(label.span.file.0 as usize)?;
    let start = source.text.floor_char_boundary(label.span.start as usize);
    let end = source.text.ceil_char_boundary((label.span.end as usize).min(source.text.len())).max(start);
    let before = &source.text[..start];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Some(json!({
        "file": source.name,
        "start": start,
        "end": end,
        "line": 1 + before.matches('\n').count(),
        "column": 1 + before[line_start..].chars().count(),
        "text": label.text,
    }))
}
