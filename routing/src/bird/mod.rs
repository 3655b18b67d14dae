//! BIRD 2.0.12 as a machine: its configuration language, its filters, its tables and protocols, and what `birdc` prints.
//!
//! [`config`] reads the language, [`filter`] runs filters on a [`route::Route`]. What moves packets is elsewhere: the program
//! `bird` of `userland` feeds the daemon with what happens and carries out what it wants.

pub mod cli;
pub mod config;
pub mod daemon;
pub mod filter;
pub mod log;
pub mod pattern;
pub mod route;
pub mod table;

#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod tests;
