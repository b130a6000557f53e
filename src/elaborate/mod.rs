//! Syntax trees and a data set to circuits: names, sizes, instances, indices. The last place where a user's
//! mistake in a program can be found.
//!
//! Inside a call every array depends on the index variables that the call's arguments carry, and on those of the
//! equation and the reducers around it ([`values::Array`]). So mapping a layer over an axis costs nothing: the
//! axis is an index variable more.
//!
//! From the outside in:
//!
//! - [`program`], `uses`: reads a file, those that it uses, and the library ([`prelude`]); what the top level defines.
//! - [`model`]: what comes out. `net`, `training` and `update` make it; `groups`: which optimizer takes which
//!   parameters.
//! - `chosen`: what the command line sets; `sweep`: which settings a sweep tries.
//! - `statements`, `declarations`, `states`: equations, parameters, next values.
//! - `scope`, `paths`, `unknown`: what names mean, paths of instances, and what is told of names that mean nothing.
//! - `expressions`, `reductions`, `draws`, `gradients`, `joins`: values; `sorts`: classes and conditions among them.
//! - `calls`, `settings`, `headers`, `repeats`: instances and calls from the outside in.
//! - `recurrence`: equations that depend on one another.
//! - `reads`, `gathers`, `affine`, `ranges`: indices; `sizes` and `statics`: what is known before training.
//! - `context`: the state of an elaboration; `arrays`: gates and views over index variables.

mod affine;
mod arrays;
mod calls;
mod chosen;
mod context;
mod declarations;
mod draws;
mod expressions;
mod gathers;
mod gradients;
mod groups;
mod headers;
mod joins;
pub mod model;
mod net;
mod paths;
pub mod prelude;
pub mod program;
mod ranges;
mod reads;
mod recurrence;
mod reductions;
mod repeats;
mod scope;
mod settings;
mod sizes;
mod sorts;
mod statements;
mod states;
mod statics;
mod sweep;
#[cfg(test)]
mod tests;
mod training;
mod unknown;
mod update;
mod uses;
mod values;
mod walk;

pub use draws::DISTRIBUTIONS;
pub use model::{Model, Training, Update};
pub use net::model;
pub use prelude::prelude_source;
pub use program::{Program, from_text, read};
pub use sweep::{check_sweeps, sweep};
pub use training::{TRAIN_KEYS, data_item, precision_and_seed, training};
pub use update::update;

/// What the command line chooses.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// The net, where a file has several; else that of the first `train` block.
    pub net: Option<String>,
    /// What `training` means.
    pub training: bool,
    /// `--set name=value`: a setting of the net (`width`, `mlp.width`) or a key of its training (`epochs`).
    pub settings: Vec<(String, String)>,
}
