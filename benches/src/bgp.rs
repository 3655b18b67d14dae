//! Many BGP speakers that come up together: a full mesh, and a route reflector with its clients, as Calico's nodes are
//! joined.

use std::net::Ipv4Addr;

use hopwise_routing::attrs::Attrs;
use hopwise_routing::bgp::fabric::Fabric;
use hopwise_routing::bgp::speaker::Speaker;
use hopwise_sim_core::{Duration, Time};
use ipnet::Ipv4Net;

const ASN: u32 = 64512;
const DELAY: Duration = Duration::from_micros(100);

/// Address and router id of node `n`.
fn address(n: usize) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0001 + n as u32)
}

/// The block of pod addresses that node `n` announces.
fn block(n: usize) -> Option<Ipv4Net> {
    Ipv4Net::new(Ipv4Addr::from(0xac10_0000 + ((n as u32) << 6)), 26).ok()
}

fn nodes(count: usize) -> Fabric {
    let mut fabric = Fabric::new();
    for n in 0..count {
        let mut speaker = Speaker::new(ASN, address(n), 1);
        if let Some(block) = block(n) {
            speaker.originate(block, Attrs::default());
        }
        fabric.add(speaker);
    }
    fabric
}

fn join(fabric: &mut Fabric, a: usize, b: usize, a_reflects: bool) {
    fabric.connect([a, b], [address(a), address(b)], DELAY, |config, end| {
        config.rr_client = a_reflects && end == 0;
    });
}

/// Every node has a session to every other one and announces one block.
pub fn mesh(count: usize) -> Fabric {
    let mut fabric = nodes(count);
    for b in 0..count {
        (0..b).for_each(|a| join(&mut fabric, a, b, false));
    }
    fabric
}

/// Node 0 reflects the routes of `clients` others.
pub fn reflector(clients: usize) -> Fabric {
    let mut fabric = nodes(clients + 1);
    (1..=clients).for_each(|client| join(&mut fabric, 0, client, true));
    fabric
}

/// Runs until every node knows every block. Gives the virtual time that this took; `None` if it did not come to rest within an
/// hour, or if a route is missing.
pub fn converge(fabric: &mut Fabric) -> Option<Duration> {
    let rest = fabric.run_until_quiet(Time::ZERO + Duration::from_secs(3600))?;
    let count = fabric.speakers().len();
    let complete = fabric.speakers().iter().all(|s| s.table().count() == count);
    complete.then_some(rest.since(Time::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The delay before connecting is up to five seconds; what follows is a matter of milliseconds.
    #[test]
    fn meshes_and_reflectors_converge() {
        for mut fabric in [mesh(10), reflector(20)] {
            let took = converge(&mut fabric).unwrap();
            assert!(took > Duration::from_millis(3750) && took < Duration::from_secs(6), "{took:?}");
        }
    }
}
