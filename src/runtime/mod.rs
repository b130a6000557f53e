//! Model and data to trained parameters: the whole pipeline from circuits to native steps, epochs, evaluation and
//! checkpoints. Knows nothing of terminals: who watches a run is an [`train::Observer`].

pub mod bench;
pub mod build;
pub mod checkpoint;
pub mod evaluate;
pub mod figures;
pub mod first_bad;
pub mod generate;
pub mod health;
pub mod initial;
pub mod layout;
pub mod once;
pub mod order;
pub mod predict;
pub mod profile;
pub mod provenance;
pub mod records;
pub mod saved;
pub mod store;
pub mod trace;
pub mod train;
pub mod weights;
