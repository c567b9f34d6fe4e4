//! The composition root: the binary `splitbrain`.
fn main() {}
