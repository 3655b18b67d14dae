//! A pod on one node that sends to a pod on another: plainly routed, or with Cilium's programs at the links.

use std::net::Ipv4Addr;

use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route};
use hopwise_protocols::neigh::{NeighFlags, NewNeigh, Nud};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Duration, IfIndex, NsId};
use hopwise_stack::control::qdisc::Verb;
use hopwise_stack::path::tc::cilium::maps::{self, EndpointProgram, Local, PolicyMap, Remote};
use hopwise_stack::path::tc::cilium::{Config, Maps, Program};
use hopwise_stack::path::tc::{Filter, Hook};
use hopwise_stack::{Network, NlError};
use ipnet::Ipv4Net;

use crate::{address, frames, join, set};

/// How packets get through a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// By the stack; there are no programs.
    Plain,
    /// By the stack, with programs at the links.
    Legacy,
    /// By the programs.
    HostRouting,
}

/// Two nodes, each with a pod.
#[derive(Clone, Debug)]
pub struct Pods {
    /// The network.
    pub net: Network,
    entry: (NsId, IfIndex),
    frame: Vec<u8>,
}

const FROM: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 85);
const TO: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 124);
/// Between two bursts.
const PAUSE: Duration = Duration::from_millis(4);

impl Pods {
    /// A network whose packets have `frame` bytes.
    ///
    /// # Errors
    /// Those of the control operations: none, unless they changed.
    pub fn new(way: Way, frame: usize) -> Result<Self, NlError> {
        let mut net = Network::new(1);
        let host = net.add_host("cilium");
        let spaces: Vec<NsId> = (0..4).map(|_| net.add_namespace(host)).collect();
        let [pod, near, far, other] = spaces[..] else { return Err(hopwise_stack::Errno::ENODEV.into()) };
        let (_, lxc) = join(&mut net, (pod, "eth0"), (near, "lxc1"))?;
        let (near_out, far_in) = join(&mut net, (near, "eth0"), (far, "eth0"))?;
        let (far_lxc, inside) = join(&mut net, (far, "lxc2"), (other, "eth0"))?;
        address(&mut net, (near, near_out), Ipv4Addr::new(192, 168, 0, 120), 24)?;
        address(&mut net, (far, far_in), Ipv4Addr::new(192, 168, 0, 130), 24)?;
        for ns in [near, far] {
            set(&mut net, ns, "net.ipv4.ip_forward", "1")?;
        }
        let target = Route::new(Ipv4Net::new_assert(TO, 32));
        let next = Some(Ipv4Addr::new(192, 168, 0, 130));
        net.route_add(near, RT_TABLE_MAIN, target.clone().with_nexthop(next, near_out), Insert::ADD_ROUTE)?;
        net.route_add(far, RT_TABLE_MAIN, target.with_nexthop(None, far_lxc), Insert::ADD_ROUTE)?;
        let mac = |net: &Network, ns, link| net.ns(ns).and_then(|n| n.devs.get(link)).map_or(MacAddr::ZERO, |d| d.addr);
        let (pod_mac, lxc_mac) = (MacAddr([2; 6]), mac(&net, near, lxc));
        let (inside_mac, far_mac) = (mac(&net, other, inside), mac(&net, far, far_lxc));
        let wish = NewNeigh {
            addr: TO,
            dev: far_lxc,
            lladdr: Some(inside_mac),
            state: Nud::PERMANENT,
            flags: NeighFlags::empty(),
            use_it: false,
            protocol: 0,
        };
        net.neigh_set(far, &wish, Insert::CREATE)?;
        if way != Way::Plain {
            let near_pod = maps::Endpoint { id: 1, ifindex: lxc, mac: pod_mac, node_mac: lxc_mac };
            let far_pod = maps::Endpoint { id: 2, ifindex: far_lxc, mac: inside_mac, node_mac: far_mac };
            load(&mut net, near, way, (FROM, near_pod), near_out)?;
            load(&mut net, far, way, (TO, far_pod), far_in)?;
        }
        let frame = frames::datagram((lxc_mac, pod_mac), FROM, TO, frame);
        let mut pods = Pods { net, entry: (near, lxc), frame };
        for _ in 0..4 {
            pods.send(256);
        }
        Ok(pods)
    }

    /// Sends packets all at once and lets them travel to the other pod, which has no such address and drops them. Gives how
    /// many came there.
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

/// The maps and programs of a node with one pod.
fn load(
    net: &mut Network,
    ns: NsId,
    way: Way,
    (ip, pod): (Ipv4Addr, maps::Endpoint),
    out: IfIndex,
) -> Result<(), NlError> {
    let config = Config { host_routing: way == Way::HostRouting, host_endpoint: 9, ..Config::default() };
    let mut maps = Maps { config, ..Maps::default() };
    let policy = PolicyMap::open();
    maps.programs.insert(pod.id, EndpointProgram { ip, identity: 3352, node_mac: pod.node_mac, policy });
    maps.endpoints.insert(ip, Local::Pod(pod));
    for (addr, len, identity) in [(Ipv4Addr::UNSPECIFIED, 0, 2), (FROM, 32, 3352), (TO, 32, 3352)] {
        maps.ipcache.set(Ipv4Net::new_assert(addr, len), Remote { identity, tunnel: Ipv4Addr::UNSPECIFIED });
    }
    net.ns_mut(ns).ok_or(hopwise_stack::Errno::ENODEV)?.cilium = Some(Box::new(maps));
    for (link, hook, program) in [
        (pod.ifindex, Hook::Ingress, Program::FromContainer(pod.id)),
        (out, Hook::Ingress, Program::FromNetdev),
        (out, Hook::Egress, Program::ToNetdev),
    ] {
        net.clsact_modify(ns, link, Verb::Replace, false)?;
        let filter = Filter { name: "bench".into(), program, pref: 1, handle: 1, id: 1, tag: 0 };
        net.filter_replace(ns, link, hook, filter)?;
    }
    Ok(())
}
