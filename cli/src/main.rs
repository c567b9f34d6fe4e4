//! The binary `splitbrain`: every verb, for the systems of this repository.

fn main() -> std::process::ExitCode {
    splitbrain::main(splitbrain::registry())
}
