//! The command line: thin, one file a command.

mod bench;
mod check;
mod common;
mod diff;
mod draw;
mod emit;
mod ended;
mod eval;
mod events;
mod explain;
mod fmt;
mod folder;
mod generate;
mod given;
mod grad;
mod interrupt;
mod library;
mod predict;
mod predictions;
mod profile;
mod progress;
mod report;
mod run;
mod runs;
mod saver;
mod show;
mod summary;
mod sweep;
mod test;
mod trace;
mod tune;
mod watcher;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Exit code of a wrong program or wrong data.
const WRONG: u8 = 1;
/// Exit code of a bug of ours, as a panic in Rust gives it.
const BUG: u8 = 101;

/// A compiler for neural networks that a person can read.
///
/// A model is a .nn file: the circuit of one example, in adds, multiplies and a few functions. nnc derives the
/// backward circuit by the chain rule, as a program in the same language, and compiles forward, backward and
/// update to native code.
#[derive(Parser)]
#[command(
    name = "nnc",
    version,
    after_help = "\
Start here:
  nnc run examples/xor.nn           train a small network
  nnc grad examples/xor.nn          read its gradient
  nnc check --grad examples/xor.nn  compare it with differences
  nnc show dense                    read an entry of the library
  nnc explain tanh                  a gate, a rule or a code: what it means

Exit codes: 0 done, 1 the program or its data is wrong, 2 wrong usage, 101 a bug in nnc."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(run::Args),
    Runs(runs::Args),
    Sweep(sweep::Args),
    Tune(tune::Args),
    Predict(predict::Args),
    Test(test::Args),
    Check(check::Args),
    Grad(grad::Args),
    Diff(diff::Args),
    Draw(draw::Args),
    Eval(eval::Args),
    Trace(trace::Args),
    Bench(bench::Args),
    Emit(emit::Args),
    Generate(generate::Args),
    Fmt(fmt::Args),
    Library(library::Args),
    Show(show::Args),
    Explain(explain::Args),
}

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    std::panic::set_hook(Box::new(report_bug));
    return_large_blocks();
    let cli = Cli::parse();
    let done = std::panic::catch_unwind(|| match cli.command {
        Command::Run(args) => run::run(args),
        Command::Runs(args) => runs::run(args),
        Command::Sweep(args) => sweep::run(args),
        Command::Tune(args) => tune::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Test(args) => test::run(args),
        Command::Check(args) => check::run(args),
        Command::Grad(args) => grad::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Draw(args) => draw::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Trace(args) => trace::run(args),
        Command::Bench(args) => bench::run(args),
        Command::Emit(args) => emit::run(args),
        Command::Generate(args) => generate::run(args),
        Command::Fmt(args) => fmt::run(args),
        Command::Library(args) => library::run(args),
        Command::Show(args) => show::run(args),
        Command::Explain(args) => explain::run(args),
    });
    match done {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(common::Failed)) => ExitCode::from(WRONG),
        Err(_) => ExitCode::from(BUG),
    }
}

/// Bytes of a block of memory from which on it goes back to the operating system when it is freed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE_BLOCK: libc::c_int = 1 << 20;

/// Has the allocator return large blocks when they are freed. Left to itself, glibc takes the largest block freed so far as
/// the measure, up to 32 MB: what weights and data were made from would stay beside them for the whole run.
fn return_large_blocks() {
    // SAFETY: it changes a number of the allocator's, before there are other threads. Where it is refused more memory is used.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK);
    }
}

/// What is said when nnc itself is at fault.
fn report_bug(panic: &std::panic::PanicHookInfo<'_>) {
    let what = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map_or(String::new(), |at| format!(" at {}:{}", at.file(), at.line()));
    eprintln!("nnc: this is a bug in nnc, not in your program: {what}{place}");
    eprintln!("Please report it with the .nn file and this message.");
}
