//! JSON lines as cells: an object a line, its keys the columns, an array's elements columns of their own (`x_0`, `x_1`).

use super::file::{Cells, CsvFile};
use super::room::{self, Room};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};

/// Reads the text of a file. A key that a line lacks, or that is null there, is an empty cell. In two passes, since the last
/// line may have a key that no other has.
pub fn parse(text: &[u8], path: &str, span: Span, room: &Room) -> Result<CsvFile, Diagnostics> {
    let mut header: Vec<String> = vec![];
    let mut places: FxHashMap<String, usize> = FxHashMap::default();
    each_object(text, path, span, |_, entries| {
        for (key, value) in &entries {
            flatten(key, value, &mut |name, _| {
                places.entry(name.clone()).or_insert_with(|| {
                    header.push(name);
                    header.len() - 1
                });
            });
        }
        Ok(())
    })?;
    let mut cells = Cells::new(room);
    let mut row = vec![String::new(); header.len()];
    each_object(text, path, span, |line, entries| {
        row.iter_mut().for_each(String::clear);
        for (key, value) in &entries {
            flatten(key, value, &mut |name, cell| row[places[&name]] = cell);
        }
        room::told(cells.row(line, row.iter().map(|cell| cell.as_bytes())), span)
    })?;
    let file = room::told(cells.file(path, span, header), span)?;
    if file.rows() == 0 {
        let empty = Diagnostic::error(codes::EMPTY_DATA, format!("`{path}` is empty"));
        return Err(vec![empty.at(span, "read here")]);
    }
    Ok(file)
}

/// Calls `each` with every line that is not blank, and the object on it.
fn each_object(
    text: &[u8],
    path: &str,
    span: Span,
    mut each: impl FnMut(u64, Map<String, Value>) -> Result<(), Diagnostics>,
) -> Result<(), Diagnostics> {
    for (number, line) in (1..).zip(text.split(|&byte| byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let told = |what: &str| {
            let message = format!("`{path}`, line {number}: not an object in JSON{what}");
            vec![Diagnostic::error(codes::FILE_UNREADABLE, message).at(span, "read here")]
        };
        match serde_json::from_slice(line) {
            Ok(Value::Object(entries)) => each(number, entries)?,
            Ok(_) => return Err(told("")),
            Err(error) => return Err(told(&format!(": {error}"))),
        }
    }
    Ok(())
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
