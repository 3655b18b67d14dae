//! NICs of two machines joined by a wire: a veth pair with a [`Wire`] at each end, as containerlab makes it.

use hopwise_devices::veth::Wire;
use hopwise_sim_core::{Duration, IfIndex, NsId, Rng, Time};

use super::{KindSpec, LinkSpec, PeerSpec};
use crate::error::NlError;
use crate::network::Network;

/// What a wire is like; the same in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WireSpec {
    /// MTU of both NICs, in bytes.
    pub mtu: u32,
    /// One-way delay.
    pub delay: Duration,
    /// Bits per second; 0: no limit.
    pub rate: u64,
    /// Lost frames per million.
    pub loss_ppm: u32,
    /// Uniformly random extra delay, up to this.
    pub jitter: Duration,
}

impl Default for WireSpec {
    /// A wire of no length, of any speed, that loses nothing.
    fn default() -> Self {
        WireSpec { mtu: 1500, delay: Duration::ZERO, rate: 0, loss_ppm: 0, jitter: Duration::ZERO }
    }
}

impl Network {
    /// Joins a new NIC in each of two namespaces by a wire; both are up. Gives their numbers.
    ///
    /// # Errors
    /// As [`Network::link_add`]: a name in use, a bad MTU.
    pub fn connect(&mut self, a: (NsId, &str), b: (NsId, &str), wire: WireSpec) -> Result<(IfIndex, IfIndex), NlError> {
        let peer = PeerSpec { name: Some(b.1.into()), ns: Some(b.0), mtu: Some(wire.mtu), ..PeerSpec::default() };
        let spec = LinkSpec { mtu: Some(wire.mtu), ..LinkSpec::new(Some(a.1), KindSpec::Veth(peer)) };
        let first = self.link_add(a.0, spec)?;
        let second = self.peer_of(a.0, first).map_or(IfIndex::NONE, |(_, peer)| peer);
        let seed = self.seed();
        for (ns, link) in [(a.0, first), (b.0, second)] {
            self.set_link_up(ns, link, true)?;
            if wire == (WireSpec { mtu: wire.mtu, ..WireSpec::default() }) {
                continue;
            }
            if let Some(veth) = self.link_mut(ns, link).and_then(|d| d.link.kind.veth_mut()) {
                veth.wire = Some(Box::new(Wire {
                    delay: wire.delay,
                    rate: wire.rate,
                    loss_ppm: wire.loss_ppm,
                    jitter: wire.jitter,
                    busy_until: Time::ZERO,
                    queued: std::collections::VecDeque::new(),
                    rng: Rng::stream(seed, "wire", (u64::from(ns.0) << 32) | u64::from(link.0)),
                }));
            }
        }
        // The machines have been running for a while when somebody looks.
        self.sync_link(a.0, first);
        self.sync_link(b.0, second);
        Ok((first, second))
    }
}
