//! The binary: everything is in the library.

fn main() -> std::process::ExitCode {
    upkeep::cli::main(std::env::args_os(), std::env::vars_os())
}
