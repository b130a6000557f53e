//! A run in a checkpoint: what it would end with, under the paths of the parameters, and all that it needs to go on.
//!
//! Under `train/` stand the weights as they are (where `keep` holds others) and the optimizers' states, a tensor a parameter:
//! `train/now/head.W`, `train/m/head.W`. Numbers that a tensor cannot hold stand in the metadata under `training`, those of
//! 64 bits as their bits in hexadecimal.

use super::checkpoint::{self, Loaded, Metadata, Tensor, Values, Written};
use super::layout::Piece;
use super::train::{RunState, Trainer};
use super::weights::Weights;
use crate::circuit::{Dtype, Numbers};
use crate::data::Dataset;
use crate::diagnostic::{Diagnostic, codes};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What all tensors of a run begin with, that are no result.
pub const PREFIX: &str = "train/";

/// The key of the [`fingerprint`] of the data.
pub const FINGERPRINT: &str = "data";

/// The key of the version of this layout.
const FORMAT: &str = "format";
/// The version that is written; those before it are read too. Files without a version are from before it was told.
const VERSION: u64 = 1;

/// The entries that say how a file is laid out, and by what it was written.
pub fn version_metadata() -> Metadata {
    vec![
        (FORMAT.into(), format!("nnc checkpoint {VERSION}")),
        ("nnc".into(), env!("CARGO_PKG_VERSION").into()),
    ]
}

/// That a file is of no later version than this.
///
/// # Errors
/// `CHECKPOINT_MISMATCH` if it is.
pub fn check_version(loaded: &Loaded) -> Result<(), Diagnostic> {
    let Some(told) = checkpoint::entry(loaded, FORMAT) else { return Ok(()) };
    match told.strip_prefix("nnc checkpoint ").and_then(|version| version.parse::<u64>().ok()) {
        Some(version) if version <= VERSION => Ok(()),
        Some(version) => {
            let message = format!(
                "`{}` is a checkpoint of version {version}, and this nnc reads those up to version {VERSION}",
                loaded.path
            );
            let by = checkpoint::entry(loaded, "nnc").map_or(String::new(), |nnc| format!(", {nnc}"));
            let help = format!("load it with the nnc that wrote it{by}, or a later one");
            Err(Diagnostic::error(codes::CHECKPOINT_MISMATCH, message).help(help))
        }
        // Another program's own word.
        None => Ok(()),
    }
}

/// Writes a run as it stands.
///
/// # Errors
/// `FILE_UNWRITABLE`; what was there before is still there.
pub fn save(
    path: &Path,
    trainer: &Trainer,
    state: &RunState,
    metadata: &[(String, String)],
) -> Result<(), Diagnostic> {
    let mut arrays: Vec<(String, Vec<u32>, Numbers)> = vec![];
    let mut add = |prefix: &str, pieces: &[Piece], numbers: &Numbers| {
        let array = |piece: &Piece| {
            (format!("{prefix}{}", piece.name), piece.dims.clone(), numbers.part(piece.range()))
        };
        arrays.extend(pieces.iter().map(array));
    };
    let (params, states) = (&trainer.params.pieces, &trainer.states.pieces);
    add("", params, &state.result().params);
    add("", states, &state.result().states);
    if state.kept.is_some() {
        add(&format!("{PREFIX}now/"), params, &state.weights.params);
        add(&format!("{PREFIX}now/"), states, &state.weights.states);
    }
    for (pieces, numbers) in trainer.moment_pieces().iter().zip(&state.moments) {
        for (name, piece) in pieces.iter().filter(|(_, piece)| piece.range().end <= numbers.len()) {
            add(&format!("{PREFIX}{name}/"), std::slice::from_ref(piece), numbers);
        }
    }
    let written: Vec<Written> =
        arrays.iter().map(|(name, dims, data)| (name.as_str(), &dims[..], Values::from(data))).collect();
    let mut metadata = metadata.to_vec();
    metadata.push((TRAINING.into(), told(state).to_string()));
    checkpoint::save(path, &written, &metadata)
}

/// The key of what a run has come to, JSON.
const TRAINING: &str = "training";

fn told(state: &RunState) -> Value {
    let record = |(value, at): (Option<f64>, u32)| json!({ "value": value.map(bits), "epoch": at });
    json!({
        "step": state.step,
        "partial_loss": bits(state.partial_loss),
        "best": record(state.records[0]),
        "patience": record(state.records[1]),
        "kept": state.kept.as_ref().map(|(epoch, _)| epoch),
    })
}

fn bits(number: f64) -> String {
    format!("{:016x}", number.to_bits())
}

fn of_bits(value: &Value) -> Option<f64> {
    u64::from_str_radix(value.as_str()?, 16).ok().map(f64::from_bits)
}

/// The run in a file, for a trainer of the same program.
///
/// # Errors
/// `CHECKPOINT_MISMATCH` if the file holds no run, or one of another program.
pub fn resumed(loaded: &Loaded, trainer: &Trainer, dtype: Dtype) -> Result<RunState, Diagnostic> {
    let no_run = || {
        let message = format!("`{}` holds parameters, and no run that could go on", loaded.path);
        let wrong = Diagnostic::error(codes::CHECKPOINT_MISMATCH, message);
        wrong.help("`--load` begins a new run from its parameters")
    };
    let text = checkpoint::entry(loaded, TRAINING).ok_or_else(no_run)?;
    let told: Value = serde_json::from_str(text).map_err(|_| no_run())?;
    let of =
        |loaded: &Loaded| Weights::from_file(loaded, &trainer.params, &trainer.states, dtype).map(Arc::new);
    let result = of(loaded)?;
    let kept = told["kept"].as_u64().map(|epoch| epoch as u32);
    let weights = match kept {
        Some(_) => of(&below(loaded, "now/"))?,
        None => Arc::clone(&result),
    };
    let pieces = trainer.moment_pieces();
    let moments = pieces.iter().map(|pieces| moment(loaded, pieces, dtype)).collect::<Result<_, _>>()?;
    let record = |key: &str| -> Option<(Option<f64>, u32)> {
        let record = &told[key];
        let value = if record["value"].is_null() { None } else { Some(of_bits(&record["value"])?) };
        Some((value, u32::try_from(record["epoch"].as_u64()?).ok()?))
    };
    let read = || {
        Some(RunState {
            step: told["step"].as_u64()?,
            partial_loss: of_bits(&told["partial_loss"])?,
            records: [record("best")?, record("patience")?],
            kept: kept.map(|epoch| (epoch, result)),
            // A file tells of no time: equal runs are equal files.
            elapsed: Duration::ZERO,
            weights,
            moments,
        })
    };
    read().ok_or_else(no_run)
}

/// The tensors under a part of [`PREFIX`], without it.
fn below(loaded: &Loaded, part: &str) -> Loaded {
    let prefix = format!("{PREFIX}{part}");
    let own = |tensor: &Tensor| {
        Some(Tensor { name: tensor.name.strip_prefix(&prefix)?.to_string(), ..tensor.clone() })
    };
    Loaded { tensors: loaded.tensors.iter().filter_map(own).collect(), ..loaded.clone() }
}

/// One state of an optimizer, flat as its region.
fn moment(loaded: &Loaded, pieces: &[(String, Piece)], dtype: Dtype) -> Result<Numbers, Diagnostic> {
    let expected: Vec<(String, &[u32])> = pieces
        .iter()
        .map(|(name, piece)| (format!("{PREFIX}{name}/{}", piece.name), &piece.dims[..]))
        .collect();
    let expected: Vec<(&str, &[u32])> = expected.iter().map(|(name, dims)| (name.as_str(), *dims)).collect();
    let tensors = checkpoint::matching(loaded, &expected)?;
    Ok(Numbers::rounded(dtype, tensors.into_iter().flat_map(|tensor| tensor.data.iter().copied())))
}

/// A fingerprint of what a run learns from: its rows, their order and every number (FNV-1a, 64 bits).
pub fn fingerprint(data: &Dataset) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |bits: u64| hash = (hash ^ bits).wrapping_mul(0x0100_0000_01b3);
    data.train.iter().for_each(|&row| add(row.into()));
    for column in &data.columns {
        column.data.iter().for_each(|number| add(number.to_bits()));
    }
    format!("{hash:016x}")
}
