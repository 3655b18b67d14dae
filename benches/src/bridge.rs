//! A switch: a bridge with a namespace behind each port.

use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{Duration, IfIndex, NsId};
use hopwise_stack::control::link::LinkSpec;
use hopwise_stack::{Network, NlError};

use crate::{frames, join};

/// The switch, its addresses learned.
#[derive(Clone, Debug)]
pub struct Switch {
    /// The network.
    pub net: Network,
    root: NsId,
    /// The first two ports, and the frame that goes from each to the other.
    pair: [(IfIndex, Vec<u8>); 2],
    flood: Vec<u8>,
}

impl Switch {
    /// A bridge with `ports` ports (2 to 1,023); frames of `frame` bytes.
    ///
    /// # Errors
    /// None within these limits.
    pub fn new(ports: u32, frame: usize) -> Result<Switch, NlError> {
        let mut net = Network::new(1);
        let host = net.add_host("host");
        let root = net.host(host).map_or(NsId(0), |h| h.root);
        let bridge = net.link_add(root, LinkSpec { up: true, ..LinkSpec::bridge("br0") })?;
        let mut entries = Vec::new();
        for i in 0..ports {
            let pod = net.add_namespace(host);
            let (port, eth0) = join(&mut net, (root, &format!("port{i}")), (pod, "eth0"))?;
            net.set_link_master(root, port, Some(bridge))?;
            entries.push((port, net.ns(pod).and_then(|n| n.devs.get(eth0)).map_or(MacAddr::ZERO, |d| d.addr)));
        }
        // Ports begin to forward once the link watcher has seen their carrier.
        net.run_until(net.now() + Duration::from_secs(2));
        let [a, b] = entries.first_chunk::<2>().copied().unwrap_or_default();
        let mut switch = Switch {
            net,
            root,
            pair: [(a.0, frames::ethernet(b.1, a.1, frame)), (b.0, frames::ethernet(a.1, b.1, frame))],
            flood: frames::ethernet(MacAddr::BROADCAST, a.1, frame),
        };
        // The bridge learns where everybody is.
        for (port, mac) in entries {
            switch.net.inject(root, port, &frames::ethernet(a.1, mac, 60));
        }
        switch.send_flood(64);
        Ok(switch)
    }

    /// Sends `burst` frames between the first two ports, half of them each way: the bridge forgets whom it does not
    /// hear. Gives how many packets have ended.
    pub fn send_unicast(&mut self, burst: u32) -> u64 {
        for i in 0..burst {
            if let Some((port, frame)) = self.pair.get(i as usize % 2) {
                self.net.inject(self.root, *port, frame);
            }
        }
        self.finish()
    }

    /// Sends `burst` frames from the first port to all. Gives how many packets have ended, copies included.
    pub fn send_flood(&mut self, burst: u32) -> u64 {
        for _ in 0..burst {
            self.net.inject(self.root, self.pair[0].0, &self.flood);
        }
        self.finish()
    }

    fn finish(&mut self) -> u64 {
        let before = self.net.packets().dropped;
        // Far apart enough not to look like a storm.
        let until = self.net.now() + Duration::from_millis(40);
        self.net.run_until(until);
        self.net.packets().dropped - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unicast_goes_to_one_port_and_floods_to_all_others() {
        let mut switch = Switch::new(5, 100).unwrap();
        assert_eq!(switch.send_unicast(10), 10);
        // Four pods, and the bridge itself.
        assert_eq!(switch.send_flood(10), 50);
    }
}
