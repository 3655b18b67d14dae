//! Build a network without any text: what `ip` does, as calls. `cargo run --example typed_calls`.

use std::net::Ipv4Addr;

use hopwise::stack::control::addr::AddrMode;
use hopwise::stack::control::link::{KindSpec, LinkSpec, PeerSpec};
use hopwise::stack::control::route::{RouteFound, RouteQuery};
use hopwise::stack::{IfAddr, Network, NlError};

fn main() -> Result<(), NlError> {
    let mut net = Network::new(1);
    let host = net.add_host("host");
    let (a, b) = (net.add_namespace(host), net.add_namespace(host));

    // ip link add eth0 netns a type veth peer name eth0 netns b
    let peer = PeerSpec { name: Some("eth0".into()), ns: Some(b), ..PeerSpec::default() };
    let eth0 = net.link_add(a, LinkSpec::new(Some("eth0"), KindSpec::Veth(peer)))?;
    let far = net.peer_of(a, eth0).map(|(_, link)| link).unwrap_or_default();
    for (ns, link, last) in [(a, eth0, 1), (b, far, 2)] {
        net.set_link_up(ns, link, true)?;
        net.addr_add(ns, link, IfAddr::new(Ipv4Addr::new(10, 0, 0, last), 24), AddrMode::Add)?;
    }

    // ip -n a route get 10.0.0.2
    match net.route_get(a, &RouteQuery::new(Ipv4Addr::new(10, 0, 0, 2)))? {
        RouteFound::Decision(answer) => {
            println!("10.0.0.2 leaves through link {} from {:?}", answer.oif, answer.prefsrc)
        }
        other => println!("{other:?}"),
    }
    // What is refused is refused in Linux's words.
    let refused = net.addr_add(a, eth0, IfAddr::new(Ipv4Addr::new(10, 0, 0, 1), 24), AddrMode::Add);
    println!("once more: {}", refused.expect_err("the address is there already"));
    Ok(())
}
