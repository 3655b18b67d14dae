//! The worlds that are measured: by criterion in `benches/`, by `hopwise bench` on the user's machine, and by the tests
//! that count allocations. Nothing here reads a clock: whoever measures brings one.
#![warn(missing_docs)]

pub mod bgp;
mod bridge;
mod bulk;
mod chain;
mod cilium;
pub mod cluster;
mod crowd;
pub mod frames;
pub mod hop;
pub mod kubernetes;
mod node;
pub mod services;
mod tunnel;

pub use bridge::Switch;
pub use bulk::{Bulk, Open};
pub use chain::{Chain, ChainOptions};
pub use cilium::{Pods, Way};
pub use crowd::{Crowd, commands};
pub use node::Node;
pub use tunnel::{Carrier, Tunnel};

use std::net::Ipv4Addr;

use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::control::addr::AddrMode;
use hopwise_stack::control::link::{KindSpec, LinkSpec, PeerSpec};
use hopwise_stack::{IfAddr, Network, NlError};

/// A lab such as a beginner writes: two namespaces, a veth pair, three pings.
pub const SMALL_LAB: &str = "\
# Two namespaces

```console
# ip netns add a; ip netns add b
# ip link add eth0 netns a type veth peer name eth0 netns b
# ip -n a addr add 10.0.0.1/24 dev eth0; ip -n a link set eth0 up
# ip -n b addr add 10.0.0.2/24 dev eth0; ip -n b link set eth0 up
# ip netns exec a ping -c 3 10.0.0.2
```
";

/// Joins two namespaces by a veth pair, both ends up. Gives the numbers of both ends.
///
/// # Errors
/// If a name is taken.
pub fn join(net: &mut Network, a: (NsId, &str), b: (NsId, &str)) -> Result<(IfIndex, IfIndex), NlError> {
    let peer = PeerSpec { name: Some(b.1.into()), ns: Some(b.0), ..PeerSpec::default() };
    let link = net.link_add(a.0, LinkSpec::new(Some(a.1), KindSpec::Veth(peer)))?;
    let far = net.peer_of(a.0, link).map_or(IfIndex::NONE, |(_, far)| far);
    net.set_link_up(a.0, link, true)?;
    net.set_link_up(b.0, far, true)?;
    Ok((link, far))
}

/// `ip addr add ADDR/LENGTH dev LINK`.
///
/// # Errors
/// As [`Network::addr_add`].
pub fn address(net: &mut Network, at: (NsId, IfIndex), addr: Ipv4Addr, length: u8) -> Result<(), NlError> {
    net.addr_add(at.0, at.1, IfAddr::new(addr, length), AddrMode::Add)
}

/// Gives a setting a value.
fn set(net: &mut Network, ns: NsId, name: &str, value: &str) -> Result<(), NlError> {
    match net.sysctl_set(ns, name, value) {
        Some(result) => result.map_err(NlError::from),
        None => Err(hopwise_stack::Errno::ENOENT.into()),
    }
}
