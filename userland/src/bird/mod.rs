//! `bird` and `birdc` of BIRD 2.0.12: the programs around the daemon of `hopwise_routing::bird`.

mod client;
mod commands;
mod control;
mod kernel;
mod log;
mod options;
mod peers;
mod process;

pub use client::start as client;
pub use options::start;
