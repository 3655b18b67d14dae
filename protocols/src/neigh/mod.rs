//! Neighbours: which link-layer address belongs to an IPv4 address on a link, and how sure that is. Modelled on
//! `net/core/neighbour.c` and `net/ipv4/arp.c`.
//!
//! [`NeighTable`] is a machine without input and output: its methods take the present and give [`Effects`], the
//! packets to send, requests to send and the timer to set. Timers live outside: [`Effects::timer`] says when to call
//! [`NeighTable::timer`] with which generation; a timer whose generation has passed does nothing. Entries that nobody
//! uses come to rest in STALE or FAILED without a timer, so a world at rest stays at rest.
//!
//! [`arp`] decides what a received ARP packet does and from which address to ask.
//!
//! Left out: `managed` entries are kept but not probed by themselves, `app_solicit` probes go nowhere, and the
//! reachable time is drawn when a link's parameters are made, not again every 300 seconds.

pub mod arp;
mod entry;
mod gc;
mod machine;
mod parms;
mod table;

pub use entry::{NeighFlags, Neighbour, Nud};
pub use gc::OVERFLOW_MESSAGE;
pub use machine::{Deadline, Effects, Solicit, UpdateFlags};
pub use parms::{GcThresholds, NeighParms};
pub use table::{Initial, NeighError, NeighTable, NewNeigh, Output};

#[cfg(test)]
mod tests;
