//! A Kubernetes node: what the first packet of a connection to a Service costs on its whole way, from the pod's link through tracking,
//! kube-proxy's rules and NAT to the link of the endpoint.

use std::net::Ipv4Addr;

use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Duration, IfIndex, NsId};
use hopwise_stack::control::link::LinkSpec;
use hopwise_stack::{Network, NlError};
use ipnet::Ipv4Net;

use crate::kubernetes::{SERVICE_PORT, Shape, kube_proxy, service};
use crate::services::Services;
use crate::{address, frames, join, set};

/// The pod that asks.
const POD: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 2);
/// Longer than a datagram without an answer is remembered (`nf_conntrack_udp_timeout`).
const PAUSE: Duration = Duration::from_secs(40);

/// A node whose rules are those of so many Services; all endpoints are behind one link, which ends there.
pub struct Node {
    net: Network,
    entry: (NsId, IfIndex),
    frames: Vec<Vec<u8>>,
}

impl Node {
    /// A node with kube-proxy's rules for `services` Services of a shape; 1,000 connections are ready to be begun.
    ///
    /// # Errors
    /// Those of the control operations: none, unless they changed.
    pub fn new(services: u32, shape: Shape) -> Result<Node, NlError> {
        let mut net = Network::new(1);
        let host = net.add_host("node");
        let (node, pod) = (net.add_namespace(host), net.add_namespace(host));
        let (_, entry) = join(&mut net, (pod, "eth0"), (node, "cali0"))?;
        address(&mut net, (node, entry), Ipv4Addr::new(10, 200, 0, 1), 24)?;
        let sink = net.link_add(node, LinkSpec::dummy("endpoints"))?;
        net.set_link_up(node, sink, true)?;
        let endpoints = Route::new(Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16)).with_nexthop(None, sink);
        net.route_add(node, RT_TABLE_MAIN, endpoints, Insert::ADD_ROUTE)?;
        set(&mut net, node, "net.ipv4.ip_forward", "1")?;
        let mac = net.ns(node).and_then(|n| n.devs.get(entry)).map_or(MacAddr::ZERO, |d| d.addr);
        if let Some(space) = net.ns_mut(node) {
            space.rules = Some(Box::new(Services::load(&kube_proxy(services, shape)).into_rules()));
        }
        let frame = |n: u16| {
            // Every Service has its turn, in a scattered order.
            let to = service(u32::from(n) * 7919 % services);
            frames::datagram_between((mac, MacAddr([2; 6])), (POD, 20_000 + n), (to, SERVICE_PORT), 64)
        };
        let frames = (0..1000).map(frame).collect();
        Ok(Node { net, entry: (node, entry), frames })
    }

    /// Begins all connections, and waits until they are forgotten. Gives how many packets reached the endpoints' link.
    pub fn begin_connections(&mut self) -> u64 {
        let count =
            |net: &Network, node| net.ns(node).and_then(|n| n.devs.find("endpoints")).map_or(0, |d| d.stats.tx_packets);
        let before = count(&self.net, self.entry.0);
        for frame in &self.frames {
            self.net.inject(self.entry.0, self.entry.1, frame);
        }
        let until = self.net.now() + PAUSE;
        self.net.run_until(until);
        count(&self.net, self.entry.0) - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_connections_reach_an_endpoint() {
        for (services, shape) in [(10, Shape::Full), (1000, Shape::Plain)] {
            let mut node = Node::new(services, shape).unwrap();
            assert_eq!([node.begin_connections(), node.begin_connections()], [1000, 1000]);
        }
    }
}
