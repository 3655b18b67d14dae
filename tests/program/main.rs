//! The `hopwise` program, run as a user runs it.

mod cli;
mod containment;
mod folder;
mod origins;
