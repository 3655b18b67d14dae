//! Small networks for the tests of the packet path.
#![allow(dead_code, reason = "each test file takes what it needs")]

use core::net::Ipv4Addr;

use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route};
use hopwise_protocols::wire::{IntoBytes, icmp, ipv4};
use hopwise_sim_core::{Detail, DropReason, Duration, IfIndex, NsId};
use hopwise_stack::control::addr::AddrMode;
use hopwise_stack::control::link::{KindSpec, LinkSpec};
use hopwise_stack::network::Stop;
use hopwise_stack::socket::{Datagram, SocketId, SocketKind};
use hopwise_stack::{IfAddr, Network};

/// A network that records journeys and captures.
pub(crate) fn network() -> Network {
    let mut net = Network::new(7);
    net.capture_new_links = true;
    net.journey.set_on(true);
    net
}

/// A namespace of a new host, with `lo` up and forwarding as wished.
pub(crate) fn host(net: &mut Network, name: &str, forwards: bool) -> NsId {
    let host = net.add_host(name);
    let ns = net.host(host).unwrap().root;
    set(net, ns, "net.ipv4.ip_forward", if forwards { "1" } else { "0" });
    ns
}

/// Writes a setting.
pub(crate) fn set(net: &mut Network, ns: NsId, name: &str, value: &str) {
    net.sysctl_set(ns, name, value).unwrap().unwrap();
}

/// A veth between two namespaces, both ends up and with these addresses.
pub(crate) fn cable(net: &mut Network, a: (NsId, &str, &str), b: (NsId, &str, &str)) -> (IfIndex, IfIndex) {
    let mut spec = LinkSpec::veth(a.1, b.1);
    if let KindSpec::Veth(peer) = &mut spec.kind {
        peer.ns = Some(b.0);
    }
    let link_a = net.link_add(a.0, spec).unwrap();
    let link_b = net.ns(b.0).unwrap().devs.index_of(b.1).unwrap();
    for (ns, link, addr) in [(a.0, link_a, a.2), (b.0, link_b, b.2)] {
        net.set_link_up(ns, link, true).unwrap();
        if !addr.is_empty() {
            address(net, ns, link, addr);
        }
    }
    (link_a, link_b)
}

/// Adds an address such as `10.0.0.1/24`.
pub(crate) fn address(net: &mut Network, ns: NsId, link: IfIndex, addr: &str) {
    let (addr, len) = addr.split_once('/').unwrap();
    let addr = IfAddr::new(addr.parse().unwrap(), len.parse().unwrap());
    net.addr_add(ns, link, addr, AddrMode::Add).unwrap();
}

/// Adds a route over a gateway.
pub(crate) fn via(net: &mut Network, ns: NsId, prefix: &str, gateway: &str) {
    let route = Route::new(prefix.parse().unwrap()).with_nexthop(Some(gateway.parse().unwrap()), IfIndex::NONE);
    net.route_add(ns, RT_TABLE_MAIN, route, Insert::ADD_ROUTE).unwrap();
}

/// Lets things happen for a while.
pub(crate) fn run(net: &mut Network, millis: u64) {
    let until = net.now() + Duration::from_millis(millis);
    loop {
        match net.run_until(until) {
            Stop::Reached => return,
            Stop::Woken => drop(net.take_wakeups()),
            Stop::Storm(storm) => panic!("{storm:?}"),
        }
    }
}

/// Someone who pings: an ICMP socket.
pub(crate) struct Pinger {
    pub(crate) ns: NsId,
    pub(crate) socket: SocketId,
}

impl Pinger {
    pub(crate) fn new(net: &mut Network, ns: NsId) -> Pinger {
        let socket = net.open_socket(ns, 1, SocketKind::Raw { protocol: ipv4::IPPROTO_ICMP }).unwrap();
        Pinger { ns, socket }
    }

    /// Sends an echo request with so much payload.
    pub(crate) fn send(
        &self,
        net: &mut Network,
        to: &str,
        seq: u16,
        len: usize,
    ) -> Result<usize, hopwise_sim_core::Errno> {
        let payload = vec![0x55; len];
        let mut message = icmp::Header::echo(icmp::ICMP_ECHO, 1, seq, &payload).as_bytes().to_vec();
        message.extend_from_slice(&payload);
        net.send_raw(self.ns, self.socket, to.parse().unwrap(), &message)
    }

    /// What came: sender, TTL, ICMP type, code, and the second word of the header.
    pub(crate) fn received(&self, net: &mut Network) -> Vec<(Ipv4Addr, u8, u8, u8, [u8; 4])> {
        let mut all = Vec::new();
        while let Some(datagram) = net.recv(self.ns, self.socket) {
            let (header, _) = icmp::parse(ipv4::view(&datagram.bytes).unwrap().payload).unwrap();
            if header.kind != icmp::ICMP_ECHO {
                all.push((datagram.from.0, datagram.ttl, header.kind, header.code, header.rest));
            }
        }
        all
    }

    /// Sends, waits, and gives what came.
    pub(crate) fn ping(&self, net: &mut Network, to: &str) -> Vec<(Ipv4Addr, u8, u8, u8, [u8; 4])> {
        self.send(net, to, 1, 56).unwrap();
        run(net, 900);
        self.received(net)
    }
}

/// Why packets died, in order.
pub(crate) fn drops(net: &Network) -> Vec<DropReason> {
    let records = net.journey.records().iter();
    records.filter_map(|r| if let Detail::Dropped { reason } = r.detail { Some(reason) } else { None }).collect()
}

/// Frames captured on a link, as bytes.
pub(crate) fn frames(net: &Network, ns: NsId, link: IfIndex) -> Vec<Vec<u8>> {
    let log = &net.captures;
    log.frames().iter().filter(|f| (f.ns, f.link) == (ns, link)).map(|f| log.bytes(f).to_vec()).collect()
}

/// Every packet that was born is accounted for.
pub(crate) fn conserved(net: &Network) {
    let (flying, held) = net.in_flight_and_held();
    assert_eq!(net.packets().alive(), flying + held, "{:?}", net.packets());
}

/// The payloads of datagrams.
pub(crate) fn payloads(datagrams: impl IntoIterator<Item = Datagram>) -> Vec<Vec<u8>> {
    datagrams.into_iter().map(|d| d.bytes).collect()
}
