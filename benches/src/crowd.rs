//! Many namespaces, as a node full of pods has them: each with a veth into a bridge, an address and a default route.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route};
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::control::link::LinkSpec;
use hopwise_stack::{Network, NlError};
use ipnet::Ipv4Net;

use crate::{address, join};

/// Namespaces on bridges: a bridge takes at most 1,023 ports, so every thousand namespaces are a host of their own.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The network.
    pub net: Network,
}

/// How many namespaces a host has.
const PER_HOST: u32 = 1_000;

impl Crowd {
    /// Builds `namespaces` namespaces by typed calls.
    ///
    /// # Errors
    /// None below four million.
    pub fn new(namespaces: u32) -> Result<Crowd, NlError> {
        let mut net = Network::new(1);
        let mut left = namespaces;
        while left > 0 {
            let here = left.min(PER_HOST);
            host(&mut net, here)?;
            left -= here;
        }
        Ok(Crowd { net })
    }
}

fn host(net: &mut Network, namespaces: u32) -> Result<(), NlError> {
    let host = net.add_host(&format!("host{}", net.hosts().len()));
    let root = net.host(host).map_or(NsId(0), |h| h.root);
    let bridge = net.link_add(root, LinkSpec { up: true, ..LinkSpec::bridge("br0") })?;
    let gateway = Ipv4Addr::new(10, 0, 255, 254);
    address(net, (root, bridge), gateway, 16)?;
    for i in 0..namespaces {
        let pod = net.add_namespace(host);
        let (port, eth0) = join(net, (root, &format!("veth{i}")), (pod, "eth0"))?;
        net.set_link_master(root, port, Some(bridge))?;
        address(net, (pod, eth0), pod_address(i), 16)?;
        let default = Route::new(Ipv4Net::default()).with_nexthop(Some(gateway), IfIndex::NONE);
        net.route_add(pod, RT_TABLE_MAIN, default, Insert::ADD_ROUTE)?;
    }
    Ok(())
}

fn pod_address(i: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0001 + i)
}

/// The same as a script: what a person would type for `namespaces` namespaces (at most 1,000) on one machine.
pub fn commands(namespaces: u32) -> String {
    let mut script =
        String::from("ip link add br0 type bridge\nip addr add 10.0.255.254/16 dev br0\nip link set br0 up\n");
    for i in 0..namespaces.min(PER_HOST) {
        let addr = pod_address(i);
        // Writing to a string cannot fail.
        let _ = write!(
            script,
            "ip netns add pod{i}\nip link add veth{i} type veth peer name eth0 netns pod{i}\n\
             ip link set veth{i} master br0 up\nip -n pod{i} addr add {addr}/16 dev eth0\n\
             ip -n pod{i} link set eth0 up\nip -n pod{i} route add default via 10.0.255.254\n"
        );
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_namespace_has_its_address_and_routes() {
        let crowd = Crowd::new(1_500).unwrap();
        assert_eq!((crowd.net.hosts().len(), crowd.net.namespaces().count()), (2, 1_502));
        let pod = crowd.net.ns(NsId(700)).unwrap();
        let table = pod.fib.table(RT_TABLE_MAIN).unwrap();
        assert_eq!(table.iter().count(), 2, "the default route and that of the address");
    }
}
