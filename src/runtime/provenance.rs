//! What a checkpoint tells of the data behind its parameters: the vocabularies of classes, and what `standardize`
//! took off. A class is a number only; without its vocabulary a parameter's row means nothing.

use super::checkpoint::{Loaded, Metadata, entry};
use crate::circuit::Kind;
use crate::data::cells::Cells;
use crate::data::{Column, Dataset, Standardized};
use crate::diagnostic::{Diagnostic, Diagnostics, Span, codes};
use crate::elaborate::model::Model;
use crate::elaborate::program::COMMAND_LINE;
use serde_json::{Map, Value, json};

/// The place of what no program wrote.
const NOWHERE: Span = Span { file: COMMAND_LINE, start: 0, end: 0 };

/// Most cases that a message lists.
const LISTED: usize = 12;

/// The key of a column's vocabulary, a JSON array of text.
pub fn vocabulary_key(column: &str) -> String {
    format!("vocabulary.{column}")
}

/// The key of what `standardize` took off a column: JSON, `{"mean": [...], "deviation": [...]}`.
fn standardized_key(column: &str) -> String {
    format!("standardized.{column}")
}

/// The key of the columns' shapes, JSON: `{"x": {"dims": [4], "whole": false}}`.
const COLUMNS: &str = "columns";

/// The entries for the columns of the data that a model reads.
pub fn metadata(model: &Model, data: &Dataset) -> Metadata {
    let reads = || model.inputs.iter().filter_map(|&slot| data.column(&model.circuit.slot(slot).name));
    let shape = |column: &Column| json!({ "dims": column.dims, "whole": column.kind == Kind::Integer });
    let shapes: Map<String, Value> =
        data.columns.iter().map(|column| (column.name.clone(), shape(column))).collect();
    let mut entries = vec![(COLUMNS.to_string(), Value::Object(shapes).to_string())];
    for column in reads() {
        if let Some(vocabulary) = &column.vocabulary {
            entries.push((vocabulary_key(&column.name), json!(vocabulary).to_string()));
        }
    }
    // A column that is read may be made of one that is not.
    for column in &data.columns {
        if let Some(learned) = &column.standardized {
            entries.push((standardized_key(&column.name), shown(learned)));
        }
        if !column.fills.is_empty() {
            entries.push((fills_key(&column.name), json!(column.fills).to_string()));
        }
    }
    entries
}

/// The key of what `fill` puts in the place of a column's missing values: JSON, a list for each `fill`.
fn fills_key(column: &str) -> String {
    format!("fills.{column}")
}

/// What `fill` puts in the place of a column's missing values, as a file tells it.
fn fills(loaded: &Loaded, column: &str) -> Vec<Vec<f64>> {
    let told = entry(loaded, &fills_key(column)).and_then(|text| serde_json::from_str(text).ok());
    told.unwrap_or_default()
}

/// The key of the settings that a command line gave, JSON: `[["width", "64"], ...]`.
const SETTINGS: &str = "settings";

/// The entry for what the command line set. The seed is the run's own.
pub fn settings_metadata(settings: &[(String, String)]) -> Metadata {
    let kept: Vec<_> = settings.iter().filter(|(name, _)| name != "seed").collect();
    if kept.is_empty() { vec![] } else { vec![(SETTINGS.to_string(), json!(kept).to_string())] }
}

/// What the command line of the training run set, as a file tells it.
pub fn settings(loaded: &Loaded) -> Vec<(String, String)> {
    let pairs = entry(loaded, SETTINGS).and_then(|text| serde_json::from_str(text).ok());
    pairs.unwrap_or_default()
}

/// The key of the program's text.
const SOURCE: &str = "source";

/// The entry for the program's text.
pub fn source_metadata(text: &str) -> Metadata {
    vec![(SOURCE.to_string(), text.to_string())]
}

/// Whether a file tells of another text of the program.
pub fn is_other_source(loaded: &Loaded, text: &str) -> bool {
    entry(loaded, SOURCE).is_some_and(|known| known != text)
}

/// The seed of the training run.
pub fn seed(loaded: &Loaded) -> Option<u64> {
    entry(loaded, "seed")?.parse().ok()
}

/// The net that a file is of.
pub fn net(loaded: &Loaded) -> Option<&str> {
    entry(loaded, "net")
}

/// A column's vocabulary as a file tells it.
pub fn vocabulary(loaded: &Loaded, column: &str) -> Option<Vec<String>> {
    let cases: Value = serde_json::from_str(entry(loaded, &vocabulary_key(column))?).ok()?;
    cases.as_array()?.iter().map(|case| Some(case.as_str()?.to_string())).collect()
}

/// Each number by its shortest text that reads back: equal statistics are equal text.
fn shown(learned: &Standardized) -> String {
    json!({ "mean": learned.mean, "deviation": learned.deviation }).to_string()
}

/// What `standardize` took off a column, as a file tells it.
pub fn standardized(loaded: &Loaded, column: &str) -> Option<Standardized> {
    let learned: Value = serde_json::from_str(entry(loaded, &standardized_key(column))?).ok()?;
    let numbers =
        |key: &str| learned[key].as_array()?.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>();
    let learned = Standardized { mean: numbers("mean")?, deviation: numbers("deviation")? };
    (learned.mean.len() == learned.deviation.len()).then_some(learned)
}

/// The data that parameters were trained on as a file describes it, without its rows: enough for a net to have all its
/// sizes and vocabularies. None where the file tells of no columns.
pub fn described(loaded: &Loaded) -> Option<Dataset> {
    let columns: Map<String, Value> = serde_json::from_str(entry(loaded, COLUMNS)?).ok()?;
    let column = |(name, shape): (&String, &Value)| {
        let dims = shape["dims"].as_array()?.iter().map(|dim| u32::try_from(dim.as_u64()?).ok());
        let whole = shape["whole"].as_bool()?;
        Some(Column {
            name: name.clone(),
            span: NOWHERE,
            dims: dims.collect::<Option<_>>()?,
            kind: if whole { Kind::Integer } else { Kind::Real },
            vocabulary: vocabulary(loaded, name),
            standardized: standardized(loaded, name),
            fills: fills(loaded, name),
            data: Cells::default(),
        })
    };
    let columns = columns.iter().map(column).collect::<Option<Vec<Column>>>()?;
    let name = loaded.path.clone();
    Some(Dataset { name, span: NOWHERE, rows: 0, columns, train: vec![], validation: vec![], test: vec![] })
}

/// Holds what a file tells of its data against the data at hand; gives warnings. A file that tells nothing is
/// taken as it is.
///
/// # Errors
/// `CHECKPOINT_MISMATCH` if a vocabulary differs: the parameters would be taken for those of other cases.
pub fn check(loaded: &Loaded, data: &Dataset) -> Result<Diagnostics, Diagnostic> {
    let mut warnings = vec![];
    for column in &data.columns {
        if let (Some(known), Some(found)) = (vocabulary(loaded, &column.name), &column.vocabulary)
            && known != *found
        {
            return Err(another_vocabulary(loaded, column, &known, found));
        }
        if let (Some(known), Some(found)) =
            (entry(loaded, &standardized_key(&column.name)), &column.standardized)
            && known != shown(found)
        {
            warnings.push(other_statistics(loaded, column));
        }
    }
    Ok(warnings)
}

fn another_vocabulary(loaded: &Loaded, column: &Column, known: &[String], found: &[String]) -> Diagnostic {
    let message = format!(
        "`{}` was trained with another vocabulary of `{}`: {} cases there, {} in this data",
        loaded.path,
        column.name,
        known.len(),
        found.len()
    );
    let mut diagnostic = Diagnostic::error(codes::CHECKPOINT_MISMATCH, message)
        .at(column.span, format!("has {} cases", found.len()));
    let only = |these: &[String], those: &[String]| {
        let only: Vec<String> =
            these.iter().filter(|case| !those.contains(case)).map(|case| format!("{case:?}")).collect();
        let more = only.len().saturating_sub(LISTED);
        let shown = only[..only.len() - more].join(", ");
        (!only.is_empty()).then(|| if more == 0 { shown } else { format!("{shown} and {more} more") })
    };
    let (in_file, in_data) = (only(known, found), only(found, known));
    if in_file.is_none() && in_data.is_none() {
        diagnostic = diagnostic.note("both have the same cases, in another order");
    }
    if let Some(cases) = in_file {
        diagnostic = diagnostic.note(format!("only in the file: {cases}"));
    }
    if let Some(cases) = in_data {
        diagnostic = diagnostic.note(format!("only in this data: {cases}"));
    }
    diagnostic.help("load it with the data that it was trained on, or train anew")
}

fn other_statistics(loaded: &Loaded, column: &Column) -> Diagnostic {
    let message =
        format!("`{}` is standardized by another mean and deviation than for `{}`", column.name, loaded.path);
    Diagnostic::warning(codes::OTHER_STATISTICS, message)
        .at(column.span, "learned from this training part")
        .help("the loaded parameters were trained on differently scaled numbers")
}
