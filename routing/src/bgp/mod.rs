//! The Border Gateway Protocol (RFC 4271) as a machine without I/O, which behaves on the wire as BIRD 2 does.
//!
//! One file per subject: [`config`] what a session is told and what it found out about its neighbour, [`wire`] messages and
//! their bytes, [`error`] what can go wrong and in which words, [`session`] the state machine of one session with its two
//! connections, [`import`] what is believed of a received route, [`decision`] which of two routes is better and why,
//! [`export`] what is told to whom, [`outbox`] how routes are packed into UPDATEs.
//!
//! A daemon with tables of its own (BIRD) uses [`session::Session`] with [`decision`] and [`export`]; [`speaker::Speaker`] is
//! the whole for those who need no more, and [`fabric::Fabric`] joins speakers without machines.

pub mod config;
pub mod decision;
pub mod error;
pub mod export;
pub mod fabric;
pub mod import;
pub mod outbox;
pub mod session;
pub mod speaker;
pub mod wire;
