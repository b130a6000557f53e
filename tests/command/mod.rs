//! The binary as a user calls it.

use std::process::{Command, Output};

/// What comes of a command.
pub fn nnc(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nnc")).args(args).output().expect("nnc starts")
}

/// What a command prints, which must succeed.
pub fn printed(args: &[&str]) -> String {
    let output = nnc(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
