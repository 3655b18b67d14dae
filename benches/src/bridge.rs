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
    entry: (NsId, IfIndex),
    unicast: Vec<u8>,
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
        let [(first, from), (_, to)] = entries.first_chunk::<2>().copied().unwrap_or_default();
        let mut switch = Switch {
            net,
            entry: (root, first),
            unicast: frames::ethernet(to, from, frame),
            flood: frames::ethernet(MacAddr::BROADCAST, from, frame),
        };
        // The bridge learns where everybody is.
        for (port, mac) in entries {
            switch.net.inject(root, port, &frames::ethernet(from, mac, 60));
        }
        switch.send_flood(64);
        Ok(switch)
    }

    /// Sends `burst` frames from the first port to the second. Gives how many packets have ended.
    pub fn send_unicast(&mut self, burst: u32) -> u64 {
        let frame = core::mem::take(&mut self.unicast);
        let ended = self.send(&frame, burst);
        self.unicast = frame;
        ended
    }

    /// Sends `burst` frames from the first port to all. Gives how many packets have ended, copies included.
    pub fn send_flood(&mut self, burst: u32) -> u64 {
        let frame = core::mem::take(&mut self.flood);
        let ended = self.send(&frame, burst);
        self.flood = frame;
        ended
    }

    fn send(&mut self, frame: &[u8], burst: u32) -> u64 {
        let before = self.net.packets().dropped;
        for _ in 0..burst {
            self.net.inject(self.entry.0, self.entry.1, frame);
        }
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
