//! The floor that everything else in hopwise stands on: virtual [`Time`], random streams ([`Rng`]), packet buffers
//! ([`Packet`], [`Pool`]), the [`Agenda`] (the only queue of the future), the named ends of a packet's life
//! ([`DropReason`], [`Fate`]) and the [`Journey`] records that say what happened to it.
//!
//! Nothing here knows a protocol, a device or an operating system: the crate builds for `wasm32-unknown-unknown`.
#![warn(missing_docs)]

mod agenda;
mod errno;
mod fate;
mod id;
mod journey;
mod origin;
mod packet;
mod rng;
mod time;

pub use agenda::{Agenda, Key, MAX_LANES};
pub use errno::Errno;
pub use fate::{DropReason, Fate};
pub use id::{HostId, IfIndex, NsId, PacketId};
pub use journey::{BridgeVerdict, Detail, Journey, Miss, ProgramNote, Record, Refused, Rewrite, RuleNote, TunnelNote};
pub use origin::{Maker, Origin, OriginId, Origins};
pub use packet::{ConnInfo, ConnTag, Fields, HEADROOM, Offload, Packet, PacketType, Pool, PoolStats, VlanTag};
pub use rng::Rng;
pub use time::{Duration, EPOCH_UNIX_NS, Time};
