//! A chain of routers: source, N forwarding namespaces, and a last one where a blackhole route ends the packets.

use std::net::Ipv4Addr;

use hopwise_protocols::fib::{Insert, RT_TABLE_MAIN, Route, RouteType};
use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Duration, IfIndex, NsId};
use hopwise_stack::{Network, NlError};
use ipnet::Ipv4Net;

use crate::{address, frames, join, set};

/// What a chain is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ChainOptions {
    /// How many namespaces forward.
    pub hops: u32,
    /// How many routes each of them has beside its own.
    pub routes: u32,
    /// Bytes of a frame.
    pub frame: usize,
    /// All links are captured.
    pub captures: bool,
    /// Journeys are recorded.
    pub journeys: bool,
}

impl Default for ChainOptions {
    fn default() -> Self {
        ChainOptions { hops: 8, routes: 1, frame: 64, captures: false, journeys: false }
    }
}

/// The chain, ready to take packets: ARP is done.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The network.
    pub net: Network,
    /// Where packets are put in.
    entry: (NsId, IfIndex),
    frame: Vec<u8>,
}

/// Where the packets want to go.
const TARGET: Ipv4Addr = Ipv4Addr::new(10, 255, 0, 1);

/// Virtual time between two bursts: long enough that a benchmark does not look like a forwarding loop.
const PAUSE: Duration = Duration::from_millis(4);

impl Chain {
    /// Builds a chain.
    ///
    /// # Errors
    /// None that a chain of at most 4,000 hops can give.
    pub fn new(options: ChainOptions) -> Result<Chain, NlError> {
        let mut net = Network::new(1);
        net.journey.set_on(options.journeys);
        let host = net.add_host("host");
        let spaces: Vec<NsId> = (0..options.hops + 2).map(|_| net.add_namespace(host)).collect();
        let mut entry = (NsId(0), IfIndex::NONE);
        for (i, pair) in spaces.windows(2).enumerate() {
            let [left, right] = pair else { continue };
            let (out, into) = join(&mut net, (*left, "right"), (*right, "left"))?;
            let [high, low] = (i as u16).to_be_bytes();
            let net_of = |last| Ipv4Addr::new(10, high, low, last);
            address(&mut net, (*left, out), net_of(1), 24)?;
            address(&mut net, (*right, into), net_of(2), 24)?;
            set(&mut net, *right, "net.ipv4.ip_forward", "1")?;
            if i == 0 {
                entry = (*right, into);
            } else {
                fill(&mut net, *left, options.routes, net_of(2))?;
            }
            if options.captures {
                net.set_captured(*left, out, true);
                net.set_captured(*right, into, true);
            }
        }
        if let Some(last) = spaces.last() {
            let blackhole = Route { kind: RouteType::Blackhole, ..Route::new(prefix(TARGET, 16)) };
            net.route_add(*last, RT_TABLE_MAIN, blackhole, Insert::ADD_ROUTE)?;
        }
        let mac = net.ns(entry.0).and_then(|n| n.devs.get(entry.1)).map_or(MacAddr::ZERO, |d| d.addr);
        let source = MacAddr([2, 0, 0, 0, 0, 1]);
        let frame = frames::datagram((mac, source), Ipv4Addr::new(10, 0, 0, 1), TARGET, options.frame);
        let mut chain = Chain { net, entry, frame };
        // ARP, one link after the other, and the buffers of a burst.
        for _ in 0..4 {
            chain.send(256);
        }
        Ok(chain)
    }

    /// Puts `burst` packets in and lets them travel to their end. Gives how many have ended.
    pub fn send(&mut self, burst: u32) -> u64 {
        let before = self.net.packets();
        for _ in 0..burst {
            self.net.inject(self.entry.0, self.entry.1, &self.frame);
        }
        let until = self.net.now() + PAUSE;
        self.net.run_until(until);
        self.net.packets().dropped - before.dropped
    }

    /// Forgets what was captured and recorded, so that a long measurement does not fill the memory.
    pub fn forget(&mut self) {
        self.net.captures.clear();
        self.net.journey.take();
    }
}

fn prefix(addr: Ipv4Addr, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(addr, length).trunc()
}

/// The route to the target, and others beside it, spread over the address space.
fn fill(net: &mut Network, ns: NsId, routes: u32, via: Ipv4Addr) -> Result<(), NlError> {
    let route = |dst| Route::new(dst).with_nexthop(Some(via), IfIndex::NONE);
    net.route_add(ns, RT_TABLE_MAIN, route(prefix(TARGET, 16)), Insert::ADD_ROUTE)?;
    for i in 1..routes {
        // An odd multiplier visits every /24 of 16.0.0.0/4 once.
        let bits = 0x1000_0000 | ((i.wrapping_mul(40_503) & 0xf_ffff) << 8);
        net.route_add(ns, RT_TABLE_MAIN, route(prefix(Ipv4Addr::from_bits(bits), 24)), Insert::ADD_ROUTE)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_reach_the_end_of_the_chain() {
        let mut chain = Chain::new(ChainOptions { hops: 3, routes: 100, ..ChainOptions::default() }).unwrap();
        let events = chain.net.events();
        assert_eq!(chain.send(10), 10);
        // One arrival in each of the three routers and one at the end.
        assert_eq!(chain.net.events() - events, 40);
        let last = chain.net.namespaces().last().unwrap();
        assert_eq!(
            last.devs.iter().map(|d| d.stats.rx_packets).max(),
            Some(4 * 256 + 10 + 1),
            "packets and one ARP request"
        );
    }
}
