//! Two hosts joined by a tunnel: what that adds to a packet's way.

use std::net::Ipv4Addr;

use hopwise_devices::ipip::TunnelParams;
use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route, RouteType};
use hopwise_protocols::neigh::{NeighFlags, NewNeigh, Nud};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Duration, IfIndex, NsId};
use hopwise_stack::control::link::{KindSpec, LinkSpec};
use hopwise_stack::control::vxlan::{VxlanChange, VxlanSpec};
use hopwise_stack::{Network, NlError};
use ipnet::Ipv4Net;

use crate::{address, frames, join, set};

/// How packets travel from one host to the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// As they are.
    Wire,
    /// In VXLAN.
    Vxlan,
    /// In IPv4.
    Ipip,
}

/// A router that sends what it gets to another host, plainly or through a tunnel; there a blackhole ends it.
#[derive(Clone, Debug)]
pub struct Tunnel {
    /// The network.
    pub net: Network,
    entry: (NsId, IfIndex),
    frame: Vec<u8>,
}

/// Where the packets want to go.
const TARGET: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);
/// Between two bursts.
const PAUSE: Duration = Duration::from_millis(4);

impl Tunnel {
    /// A network whose packets of `frame` bytes go through a tunnel, or over the same wire without one.
    ///
    /// # Errors
    /// Those of the control operations: none, unless they changed.
    pub fn new(carrier: Carrier, frame: usize) -> Result<Self, NlError> {
        let mut net = Network::new(1);
        let host = net.add_host("tunnel");
        let spaces: Vec<NsId> = (0..3).map(|_| net.add_namespace(host)).collect();
        let [source, near, far] = spaces[..] else { return Err(hopwise_stack::Errno::ENODEV.into()) };
        let (_, entry) = join(&mut net, (source, "eth0"), (near, "eth0"))?;
        let (near_out, far_in) = join(&mut net, (near, "eth1"), (far, "eth1"))?;
        for (ns, link, addr) in [(near, entry, 1), (near, near_out, 2), (far, far_in, 3)] {
            let octets = if addr == 1 { [10, 0, 0, 1] } else { [10, 0, 1, addr] };
            address(&mut net, (ns, link), octets.into(), 24)?;
        }
        for ns in [near, far] {
            set(&mut net, ns, "net.ipv4.ip_forward", "1")?;
        }
        let (mut out, mut next) = (near_out, Ipv4Addr::new(10, 0, 1, 3));
        let ends = [Ipv4Addr::new(10, 0, 1, 2), next];
        if carrier == Carrier::Vxlan {
            out = vxlan(&mut net, near, ends[1], (1, 2))?;
            vxlan(&mut net, far, ends[0], (2, 1))?;
            next = Ipv4Addr::new(10, 0, 2, 2);
        } else if carrier == Carrier::Ipip {
            out = ipip(&mut net, near, (ends[0], ends[1]), 1)?;
            ipip(&mut net, far, (ends[1], ends[0]), 2)?;
            next = Ipv4Addr::new(10, 0, 2, 2);
        }
        let target = Route::new(Ipv4Net::new_assert(TARGET, 32));
        let hole = Route { kind: RouteType::Blackhole, ..target.clone() };
        net.route_add(near, RT_TABLE_MAIN, target.with_nexthop(Some(next), out), Insert::ADD_ROUTE)?;
        net.route_add(far, RT_TABLE_MAIN, hole, Insert::ADD_ROUTE)?;
        let mac = net.ns(near).and_then(|n| n.devs.get(entry)).map_or(MacAddr::ZERO, |d| d.addr);
        let frame = frames::datagram((mac, MacAddr([2; 6])), Ipv4Addr::new(10, 0, 0, 9), TARGET, frame);
        let mut tunnel = Tunnel { net, entry: (near, entry), frame };
        for _ in 0..4 {
            tunnel.send(256);
        }
        Ok(tunnel)
    }

    /// Sends packets all at once and lets them travel to their end. Gives how many arrived.
    pub fn send(&mut self, count: u32) -> u64 {
        let before = self.net.packets().dropped;
        for _ in 0..count {
            self.net.inject(self.entry.0, self.entry.1, &self.frame);
        }
        let until = self.net.now() + PAUSE;
        self.net.run_until(until);
        self.net.packets().dropped - before
    }
}

/// A VXLAN link with the address 10.0.2.`own` and a neighbour 10.0.2.`other` behind `remote`.
fn vxlan(net: &mut Network, ns: NsId, remote: Ipv4Addr, (own, other): (u8, u8)) -> Result<IfIndex, NlError> {
    let mac = |last| MacAddr([2, 0, 0, 0, 0, last]);
    let settings = VxlanChange { vni: Some(1), port: Some(4789), remote: Some(remote), ..VxlanChange::default() };
    let kind = KindSpec::Vxlan(Box::new(VxlanSpec { home: None, settings: Some(settings) }));
    let link = net.link_add(ns, LinkSpec { addr: Some(mac(own)), ..LinkSpec::new(Some("vxlan0"), kind) })?;
    net.set_link_up(ns, link, true)?;
    address(net, (ns, link), Ipv4Addr::new(10, 0, 2, own), 24)?;
    let wish = NewNeigh {
        addr: Ipv4Addr::new(10, 0, 2, other),
        dev: link,
        lladdr: Some(mac(other)),
        state: Nud::PERMANENT,
        flags: NeighFlags::empty(),
        use_it: false,
        protocol: 0,
    };
    net.neigh_set(ns, &wish, Insert::CREATE)?;
    Ok(link)
}

/// An `ipip` link with the address 10.0.2.`own` between two ends.
fn ipip(net: &mut Network, ns: NsId, (local, remote): (Ipv4Addr, Ipv4Addr), own: u8) -> Result<IfIndex, NlError> {
    let link = net.tunnel_add(ns, Some("tun0"), TunnelParams { local, remote, ..TunnelParams::default() })?;
    net.set_link_up(ns, link, true)?;
    address(net, (ns, link), Ipv4Addr::new(10, 0, 2, own), 24)?;
    Ok(link)
}
