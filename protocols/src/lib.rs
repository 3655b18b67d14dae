//! Wire formats and protocol state machines of hopwise: bytes and pure functions from (state, input, now) to a value.
//! Nothing here knows a device, sends a packet or reads a clock.
//!
//! - [`wire`]: header views over real bytes, and the Internet checksum.
//! - [`encap`]: packets inside packets: IPIP, VXLAN, VLAN tags, Ethernet.
//! - [`fib`]: IPv4 routing tables, rules and lookup.
//! - [`neigh`]: the neighbour table and ARP.
//! - [`frag`]: cutting packets and gathering their parts.
//! - [`icmp_policy`]: which ICMP messages may be sent, and what they teach.
//! - [`tcp`]: the endpoint of a TCP connection.
#![warn(missing_docs)]

pub mod encap;
pub mod fib;
pub mod frag;
pub mod icmp_policy;
pub mod neigh;
mod refusal;
pub mod tcp;
pub mod wire;
