//! The machine that code is made for, and the just-in-time module that holds it.

use super::{Options, support};
use crate::circuit::Dtype;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_jit::{JITBuilder, JITModule};

/// An empty module for this machine, for numbers of a type.
///
/// # Errors
/// If Cranelift does not support it.
pub fn module(dtype: Dtype, options: Options) -> Result<JITModule, String> {
    let mut builder = JITBuilder::with_isa(isa(options)?, cranelift_module::default_libcall_names());
    builder.symbols(support::symbols(dtype));
    Ok(JITModule::new(builder))
}

fn isa(options: Options) -> Result<OwnedTargetIsa, String> {
    let mut flags = settings::builder();
    let chosen = [
        ("is_pic", "false"),
        ("use_colocated_libcalls", "false"),
        ("opt_level", if options.optimise { "speed" } else { "none" }),
        ("enable_verifier", if options.verify { "true" } else { "false" }),
    ];
    for (name, value) in chosen {
        flags.set(name, value).map_err(|error| error.to_string())?;
    }
    let mut target = cranelift_native::builder()?;
    if options.without_fma && cfg!(target_arch = "x86_64") {
        target.set("has_fma", "false").map_err(|error| error.to_string())?;
    }
    target.finish(settings::Flags::new(flags)).map_err(|error| error.to_string())
}
