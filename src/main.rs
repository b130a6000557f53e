//! The `nnc` binary: everything is in the library.

fn main() -> std::process::ExitCode {
    nnc::cli::main()
}
