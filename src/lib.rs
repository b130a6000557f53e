//! nnc: a compiler for neural networks that a person can read.
//!
//! # A map of the house
//!
//! Each stage is a plain function from one data type to the next. A room may use the rooms above it in this
//! list, never one below it (`tests/layering.rs` holds that).
//!
//! | room | from → to | must not know |
//! | --- | --- | --- |
//! | [`diagnostic`] | a user's mistake → a message with its places | anything else |
//! | [`syntax`] | text → [`syntax::ast::File`], and back: the printer is also `nnc fmt` | what a program means |
//! | [`circuit`] | gates, views, axes: the [`circuit::Circuit`] that everything below speaks | where a circuit comes from |
//! | [`interpret`] | `Circuit` → values, f32 and f64: the definition of what a program means | how anything is made fast |
//! | [`differentiate`] | `Circuit`, outputs, wrt → `Circuit` with the backward gates | who asks |
//! | [`simplify`] | `Circuit` → `Circuit`: directed rewrite rules as a table | loops, buffers |
//! | [`stepwise`] | `Circuit` over a sequence → `Circuit` of one position, with states | loops, buffers |
//! | [`data`] | data blocks → [`data::Dataset`] | networks |
//! | [`elaborate`] | `File`, `Dataset` → [`elaborate::Model`]; the last place where a user's error can be found | loops, buffers |
//! | [`lint`] | `Model`, `Dataset` → warnings: what runs, but is likely not what was meant | who trains |
//! | [`listing`] | `Circuit` → legal `.nn` text: what `nnc grad` prints | loops, buffers |
//! | [`explain`] | a gate, a rule, a code → its mathematics, source and example | loops, buffers |
//! | [`scalar`] | `Circuit`, numbers → every single add and multiply of an example, with value and gradient | who looks at it |
//! | [`plan`] | `Circuit` → [`plan::schedule::Schedule`]: fusion, contractions, one arena | machine code |
//! | [`kernels`] | matrix products that native code calls | circuits |
//! | [`codegen`] | `Schedule` → native code through Cranelift | circuits, training |
//! | [`runtime`] | model, data → trained parameters: epochs, batches, checkpoints | terminals |
//! | [`tune`] | program, data, a `sweep` block → trials, which of them are best, what mattered | terminals |
//! | [`picture`] | `Model`, what an example computes → drawings and a page | terminals |
//! | [`report`] | what a run came to → a page | terminals |
//! | [`cli`] | thin: one file a command | |

pub mod circuit;
pub mod cli;
pub mod codegen;
pub mod data;
pub mod diagnostic;
pub mod differentiate;
pub mod elaborate;
pub mod explain;
pub mod interpret;
pub mod kernels;
pub mod lint;
pub mod listing;
pub mod picture;
pub mod plan;
pub mod report;
pub mod runtime;
pub mod scalar;
pub mod simplify;
pub mod stepwise;
pub mod syntax;
pub mod tune;
