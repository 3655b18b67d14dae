//! Tasks of the hopwise repository.
fn main() {}
