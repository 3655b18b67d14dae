//! The maps that the programs of a node share: endpoints, addresses with their identities, policies.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::IfIndex;
use ipnet::Ipv4Net;

/// Identities that mean the same in every cluster (`pkg/identity/numericidentity.go`); those of pods begin at 256.
pub mod identity {
    /// Not known.
    pub const UNKNOWN: u32 = 0;
    /// The node itself.
    pub const HOST: u32 = 1;
    /// Everything outside the cluster.
    pub const WORLD: u32 = 2;
    /// Pods that Cilium did not set up.
    pub const UNMANAGED: u32 = 3;
    /// The health endpoints.
    pub const HEALTH: u32 = 4;
    /// Pods whose labels are not known yet.
    pub const INIT: u32 = 5;
    /// The other nodes.
    pub const REMOTE_NODE: u32 = 6;
    /// API servers, and nodes with one (`KUBE_APISERVER_NODE_ID`).
    pub const KUBE_APISERVER: u32 = 7;
    /// The first one that is given to a set of labels.
    pub const FIRST: u32 = 256;

    /// Its name, if it is a reserved one.
    pub const fn name(identity: u32) -> Option<&'static str> {
        Some(match identity {
            UNKNOWN => "unknown",
            HOST => "host",
            WORLD => "world",
            UNMANAGED => "unmanaged",
            HEALTH => "health",
            INIT => "init",
            REMOTE_NODE => "remote-node",
            KUBE_APISERVER => "kube-apiserver",
            _ => return None,
        })
    }

    /// Whether it is not that of a set of labels.
    pub const fn is_reserved(identity: u32) -> bool {
        identity < FIRST
    }
}

/// What the map of endpoints (`cilium_lxc`) knows of an address of this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Local {
    /// An address of the node itself.
    Host,
    /// A pod.
    Pod(Endpoint),
}

/// A pod of this node (`struct endpoint_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// Its number on this node.
    pub id: u16,
    /// The node's end of its veth.
    pub ifindex: IfIndex,
    /// The MAC address of the pod.
    pub mac: MacAddr,
    /// That of the node's end.
    pub node_mac: MacAddr,
}

/// What a program of a pod is compiled with, and its policy.
#[derive(Clone, Debug)]
pub struct EndpointProgram {
    /// Its address.
    pub ip: Ipv4Addr,
    /// Its identity.
    pub identity: u32,
    /// The MAC address that answers all its ARP requests.
    pub node_mac: MacAddr,
    /// Who may talk with it.
    pub policy: PolicyMap,
}

/// What is known of an address anywhere (`struct remote_endpoint_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Remote {
    /// Who it is.
    pub identity: u32,
    /// The node behind which it is, if it takes a tunnel to get there.
    pub tunnel: Ipv4Addr,
}

/// The map `cilium_ipcache`: identities by prefix, the longest one counts.
#[derive(Clone, Debug, Default)]
pub struct IpCache {
    entries: BTreeMap<(u8, Ipv4Addr), Remote>,
    /// Bit N: there are prefixes of length N.
    lengths: u64,
}

impl IpCache {
    /// Says who is at a prefix.
    pub fn set(&mut self, prefix: Ipv4Net, remote: Remote) {
        self.entries.insert((prefix.prefix_len(), prefix.network()), remote);
        self.lengths |= 1 << prefix.prefix_len();
    }

    /// Forgets a prefix.
    pub fn remove(&mut self, prefix: Ipv4Net) {
        let len = prefix.prefix_len();
        self.entries.remove(&(len, prefix.network()));
        let all = (len, Ipv4Addr::UNSPECIFIED)..=(len, Ipv4Addr::BROADCAST);
        if self.entries.range(all).next().is_none() {
            self.lengths &= !(1 << len);
        }
    }

    /// Who is at an address.
    #[inline]
    pub fn lookup(&self, addr: Ipv4Addr) -> Option<Remote> {
        let mut lengths = self.lengths;
        while lengths != 0 {
            let len = (63 - lengths.leading_zeros()) as u8;
            let prefix = Ipv4Net::new(addr, len).ok()?.network();
            if let Some(remote) = self.entries.get(&(len, prefix)) {
                return Some(*remote);
            }
            lengths &= !(1 << len);
        }
        None
    }

    /// All entries: who is where.
    pub fn iter(&self) -> impl Iterator<Item = (Ipv4Net, Remote)> {
        self.entries.iter().filter_map(|((len, prefix), remote)| Some((Ipv4Net::new(*prefix, *len).ok()?, *remote)))
    }
}

/// Seen from the pod.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Direction {
    /// To the pod.
    Ingress,
    /// From the pod.
    Egress,
}

/// A key of a policy map: 0 stands for any.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PolicyKey {
    /// Which way.
    pub direction: Direction,
    /// Who is at the other end.
    pub identity: u32,
    /// IP protocol.
    pub protocol: u8,
    /// Destination port.
    pub port: u16,
}

/// An entry of a policy map.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PolicyEntry {
    /// What matches dies.
    pub deny: bool,
    /// How many packets matched.
    pub packets: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

/// How a packet and a policy met (`POLICY_MATCH_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Match {
    /// Nothing matched.
    None,
    /// The identity.
    L3,
    /// The identity and the port.
    L3L4,
    /// The port.
    L4,
    /// An entry for all.
    All,
}

impl Match {
    /// The word of `cilium monitor`.
    pub const fn name(self) -> &'static str {
        match self {
            Match::None => "none",
            Match::L3 => "L3-Only",
            Match::L3L4 => "L3-L4",
            Match::L4 => "L4-Only",
            Match::All => "all",
        }
    }
}

/// What a policy decided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision {
    /// Whether it may pass.
    pub verdict: Permit,
    /// Because of what.
    pub matched: Match,
}

/// Whether a packet may pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permit {
    /// It may.
    Allow,
    /// No entry allows it.
    Missing,
    /// An entry forbids it.
    Deny,
}

/// The map `cilium_policy_N` of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct PolicyMap {
    entries: BTreeMap<PolicyKey, PolicyEntry>,
    /// Whether a policy says something about what comes to the pod: then its verdicts are told.
    pub ingress_enforced: bool,
    /// The same for what it sends.
    pub egress_enforced: bool,
}

impl PolicyMap {
    /// The policy of a pod that no policy selects: everything may pass.
    pub fn open() -> Self {
        let mut map = PolicyMap::default();
        for direction in [Direction::Ingress, Direction::Egress] {
            map.allow(PolicyKey { direction, identity: 0, protocol: 0, port: 0 });
        }
        map
    }

    /// Adds an entry that allows.
    pub fn allow(&mut self, key: PolicyKey) {
        self.entries.entry(key).or_default();
    }

    /// Adds an entry that forbids.
    pub fn deny(&mut self, key: PolicyKey) {
        self.entries.entry(key).or_default().deny = true;
    }

    /// Takes the counters of an older version of this map over.
    pub fn keep_counters(&mut self, old: &PolicyMap) {
        for (key, entry) in &mut self.entries {
            if let Some(old) = old.entries.get(key) {
                (entry.packets, entry.bytes) = (old.packets, old.bytes);
            }
        }
    }

    /// Whether verdicts of a direction are told.
    pub const fn enforces(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.ingress_enforced,
            Direction::Egress => self.egress_enforced,
        }
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&PolicyKey, &PolicyEntry)> {
        self.entries.iter()
    }

    /// Looks a packet up: identity and port, port alone, identity alone, anything (`__policy_can_access`). An entry with a
    /// protocol and port 0 is for all its ports.
    pub fn decide(&mut self, direction: Direction, identity: u32, (protocol, port): (u8, u16), bytes: u64) -> Decision {
        let tries = [
            (Match::L3L4, PolicyKey { direction, identity, protocol, port }),
            (Match::L3L4, PolicyKey { direction, identity, protocol, port: 0 }),
            (Match::L4, PolicyKey { direction, identity: 0, protocol, port }),
            (Match::L4, PolicyKey { direction, identity: 0, protocol, port: 0 }),
            (Match::L3, PolicyKey { direction, identity, protocol: 0, port: 0 }),
            (Match::All, PolicyKey { direction, identity: 0, protocol: 0, port: 0 }),
        ];
        for (matched, key) in tries {
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            entry.packets += 1;
            entry.bytes += bytes;
            let verdict = if entry.deny { Permit::Deny } else { Permit::Allow };
            return Decision { verdict, matched };
        }
        Decision { verdict: Permit::Missing, matched: Match::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_port_is_for_all_ports_of_its_protocol() {
        let mut map = PolicyMap::default();
        map.allow(PolicyKey { direction: Direction::Ingress, identity: 0, protocol: 17, port: 0 });
        map.allow(PolicyKey { direction: Direction::Ingress, identity: 300, protocol: 6, port: 0 });
        let mut may = |identity, port| map.decide(Direction::Ingress, identity, port, 100).verdict == Permit::Allow;
        assert_eq!([may(300, (17, 53)), may(301, (17, 9)), may(300, (6, 80))], [true; 3]);
        assert_eq!([may(301, (6, 80)), may(300, (1, 0))], [false; 2]);
    }
}
