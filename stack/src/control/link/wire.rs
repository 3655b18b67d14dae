//! NICs of two machines joined by a wire: a veth pair with a [`Wire`] at each end, as containerlab makes it.

use hopwise_devices::veth::Wire;
use hopwise_sim_core::{Duration, IfIndex, NsId, Rng, Time};

use super::{KindSpec, LinkSpec, PeerSpec};
use crate::cx::TimerKind;
use crate::dev::Dev;
use crate::error::NlError;
use crate::linkwatch;
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
    /// A number by which it can be changed later; 0: it stays as it is.
    pub number: u32,
}

/// What happens to a wire, in both directions. What is `None` stays.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WireChange {
    /// It is mended, or cut: both ends lose their carrier.
    pub up: Option<bool>,
    /// One-way delay.
    pub delay: Option<Duration>,
    /// Bits per second; 0: no limit.
    pub rate: Option<u64>,
    /// Lost frames per million.
    pub loss_ppm: Option<u32>,
    /// Uniformly random extra delay, up to this.
    pub jitter: Option<Duration>,
}

impl Default for WireSpec {
    /// A wire of no length, of any speed, that loses nothing.
    fn default() -> Self {
        WireSpec { mtu: 1500, delay: Duration::ZERO, rate: 0, loss_ppm: 0, jitter: Duration::ZERO, number: 0 }
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
                    number: wire.number,
                    cut: false,
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

    /// Plans that something happens to the wire of that number at a time, counted from the start of the world.
    pub fn plan_wire_change(&mut self, at: Time, number: u32, change: WireChange) {
        let index = self.wire_changes.len() as u32;
        self.wire_changes.push((number, change));
        if let Some(root) = self.hosts().first().map(|host| host.root) {
            self.set_timer(root, at, TimerKind::Wire { index });
        }
    }

    /// Changes the wire of that number, wherever its ends are by now. Frames that are on their way arrive.
    pub fn wire_change(&mut self, number: u32, change: &WireChange) {
        let is_end =
            |dev: &Dev| dev.kind.veth().and_then(|veth| veth.wire.as_ref()).is_some_and(|w| w.number == number);
        let ends = self.namespaces().flat_map(|space| space.devs.iter().map(|dev| (space.id, dev)));
        let ends: Vec<(NsId, IfIndex)> =
            ends.filter(|(_, dev)| number != 0 && is_end(dev)).map(|(ns, dev)| (ns, dev.index)).collect();
        for (ns, link) in &ends {
            let veth = self.link_mut(*ns, *link).and_then(|dev| dev.link.kind.veth_mut());
            let Some(wire) = veth.and_then(|veth| veth.wire.as_mut()) else { continue };
            wire.cut = change.up.map_or(wire.cut, |up| !up);
            wire.delay = change.delay.unwrap_or(wire.delay);
            wire.rate = change.rate.unwrap_or(wire.rate);
            wire.loss_ppm = change.loss_ppm.unwrap_or(wire.loss_ppm);
            wire.jitter = change.jitter.unwrap_or(wire.jitter);
        }
        if let Some(up) = change.up {
            let on = up && ends.iter().all(|(ns, link)| self.is_up(*ns, *link));
            for (ns, link) in ends {
                self.set_carrier(ns, link, on);
            }
            linkwatch::after(self);
        }
    }

    /// Whether a link is the end of a wire that is cut.
    pub(super) fn is_cut(&self, ns: NsId, link: IfIndex) -> bool {
        let dev = self.ns(ns).and_then(|space| space.devs.get(link));
        dev.and_then(|dev| dev.kind.veth()).is_some_and(|veth| veth.is_cut())
    }
}
