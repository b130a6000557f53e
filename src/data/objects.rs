//! JSON lines as cells: an object a line, its keys the columns, an array's elements columns of their own (`x_0`, `x_1`).

use super::file::CsvFile;
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use rustc_hash::FxHashMap;
use serde_json::Value;

/// Reads the text of a file. A key that a line lacks, or that is null there, is an empty cell.
pub fn parse(text: &[u8], path: &str, span: Span) -> Result<CsvFile, Diagnostics> {
    let told = |code, message: String| vec![Diagnostic::error(code, message).at(span, "read here")];
    let mut header: Vec<String> = vec![];
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    let mut rows: Vec<(u64, Vec<String>)> = vec![];
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let object: Value = serde_json::from_slice(line).map_err(|error| {
            let message = format!("`{path}`, line {number}: not an object in JSON: {error}");
            told(codes::FILE_UNREADABLE, message)
        })?;
        let Value::Object(entries) = object else {
            return Err(told(
                codes::FILE_UNREADABLE,
                format!("`{path}`, line {number}: not an object in JSON"),
            ));
        };
        let mut cells = vec![String::new(); header.len()];
        for (key, value) in &entries {
            flatten(key, value, &mut |name, cell| {
                let place = *places.entry(name.clone()).or_insert_with(|| {
                    header.push(name);
                    header.len() - 1
                });
                cells.resize(cells.len().max(place + 1), String::new());
                cells[place] = cell;
            });
        }
        rows.push((number, cells));
    }
    if rows.is_empty() {
        return Err(told(codes::EMPTY_DATA, format!("`{path}` is empty")));
    }
    rows.iter_mut().for_each(|(_, cells)| cells.resize(header.len(), String::new()));
    Ok(CsvFile::of_rows(path, span, header, &rows))
}

/// Calls `put` with the name and text of each cell of a value.
fn flatten(name: &str, value: &Value, put: &mut dyn FnMut(String, String)) {
    match value {
        Value::Array(parts) => {
            parts.iter().enumerate().for_each(|(k, part)| flatten(&format!("{name}_{k}"), part, put));
        }
        Value::Object(parts) => {
            parts.iter().for_each(|(key, part)| flatten(&format!("{name}.{key}"), part, put));
        }
        Value::Null => put(name.to_string(), String::new()),
        Value::Bool(truth) => put(name.to_string(), u8::from(*truth).to_string()),
        Value::Number(number) => put(name.to_string(), number.to_string()),
        Value::String(text) => put(name.to_string(), text.clone()),
    }
}
