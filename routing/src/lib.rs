//! Routing daemons of hopwise as machines without I/O.
//!
//! A daemon here is fed with bytes, times and changes of links, addresses and routes; it answers with bytes to send, timers to
//! set and routes to install. What opens sockets and writes routes is the program in `userland`.
#![warn(missing_docs)]

pub mod attrs;
pub mod bgp;
pub mod bird;
