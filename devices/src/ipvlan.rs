//! `ipvlan`: a link that shares the link-layer address of the link below; the IP address tells whose a packet is. Models
//! `drivers/net/ipvlan/ipvlan_main.c` and the tables of `ipvlan_core.c`.

use core::net::Ipv4Addr;

use hopwise_protocols::wire::arp::ARP_LEN;
use hopwise_protocols::wire::ethernet::{ETH_P_ARP, ETH_P_IP};
use hopwise_protocols::wire::{MacAddr, ipv4, split};
use hopwise_sim_core::{IfIndex, NsId};

use crate::describe::{Describe, Value};
use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::Link;

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "ipvlan",
    summary: "a link that shares the MAC address of the link below (l2, l3, l3s)",
    hw: HwType::Ether,
    mtu: (68, 65535),
    setup: |_: &mut Link| {},
    describe,
    queues: (1, 1),
    driver: "ipvlan",
    speed: None,
    immutable_netns: false,
};

/// At which layer the links on one link are told apart (`IPVLAN_MODE_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// As a switch does: they have neighbours, and hear broadcasts.
    L2,
    /// As a router does: what they send is routed where the link below is.
    #[default]
    L3,
    /// The same, and what comes in for them passes PREROUTING and INPUT where the link below is.
    L3s,
}

impl Mode {
    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::L2 => "l2",
            Mode::L3 => "l3",
            Mode::L3s => "l3s",
        }
    }
}

/// How the links on one link reach each other (`IPVLAN_F_*`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// At once.
    #[default]
    Bridge,
    /// Not at all.
    Private,
    /// Through a switch outside.
    Vepa,
}

impl Reach {
    /// The word on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Reach::Bridge => "bridge",
            Reach::Private => "private",
            Reach::Vepa => "vepa",
        }
    }
}

/// The state of one. Mode and reach are those of all on the link below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipvlan {
    /// The link below, and where it is.
    pub lower: (NsId, IfIndex),
    /// The mode.
    pub mode: Mode,
    /// Who reaches whom.
    pub reach: Reach,
    /// The address that the link below had when this one was made, shown only (`perm_addr`).
    pub first_addr: MacAddr,
}

/// One ipvlan as the link below knows it: the two may be in different namespaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Child {
    /// Where it is.
    pub at: (NsId, IfIndex),
    /// Only those that are up get frames.
    pub up: bool,
    /// It wants the frames to all groups (promiscuous, or `allmulticast`).
    pub all_groups: bool,
}

/// The ipvlans on a link (`struct ipvl_port`).
#[derive(Clone, Debug, Default)]
pub struct IpvlanPort {
    /// The mode of all.
    pub mode: Mode,
    /// Who reaches whom.
    pub reach: Reach,
    /// All of them, in the order of their making.
    pub children: Vec<Child>,
    /// Whose each address is, in the order of the addresses (`hlhead`).
    addrs: Vec<(Ipv4Addr, (NsId, IfIndex))>,
}

/// Which of a packet's two ends is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The sender.
    Source,
    /// The receiver; of an ARP packet, the host that is looked for.
    Destination,
}

/// The network addresses of what an Ethernet frame carries: of an IPv4 packet, or of an ARP packet
/// (`ipvlan_get_L3_hdr`, `ipvlan_addr_lookup`).
///
/// ```
/// use hopwise_devices::ipvlan::{End, address};
/// assert_eq!(address(0x0800, &[0x45, 0, 0, 20], End::Source), None);
/// ```
#[inline]
pub fn address(protocol: u16, payload: &[u8], end: End) -> Option<Ipv4Addr> {
    let at = match protocol {
        ETH_P_IP => {
            let (header, _) = split::<ipv4::Header>(payload).ok()?;
            let total = usize::from(header.total_len.get());
            if header.version() != 4
                || header.header_len() < ipv4::IP_HLEN
                || !(header.header_len()..=payload.len()).contains(&total)
            {
                return None;
            }
            return Some(if end == End::Source { header.src() } else { header.dst() });
        }
        ETH_P_ARP if payload.len() >= ARP_LEN => [14, 24][usize::from(end == End::Destination)],
        _ => return None,
    };
    payload.get(at..)?.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes))
}

impl IpvlanPort {
    /// The ipvlan that has this address and is up (`ipvlan_ht_addr_lookup`).
    #[inline]
    pub fn find(&self, addr: Ipv4Addr) -> Option<(NsId, IfIndex)> {
        let at = self.addrs.binary_search_by_key(&addr, |(a, _)| *a).ok()?;
        let owner = self.addrs.get(at)?.1;
        self.children.iter().find(|c| c.at == owner && c.up).map(|c| c.at)
    }

    /// Whether one has this address, up or not (`ipvlan_addr_busy`).
    pub fn is_busy(&self, addr: Ipv4Addr) -> bool {
        self.addrs.binary_search_by_key(&addr, |(a, _)| *a).is_ok()
    }

    /// One has exactly these addresses now.
    pub fn set_addrs(&mut self, at: (NsId, IfIndex), addrs: impl Iterator<Item = Ipv4Addr>) {
        self.addrs.retain(|(_, owner)| *owner != at);
        self.addrs.extend(addrs.map(|addr| (addr, at)));
        self.addrs.sort_unstable();
        self.addrs.dedup_by_key(|(addr, _)| *addr);
    }

    /// One has gone elsewhere, without its addresses, or is gone (`None`).
    pub fn moved(&mut self, from: (NsId, IfIndex), to: Option<(NsId, IfIndex)>) {
        self.addrs.retain(|(_, owner)| *owner != from);
        match to {
            Some(to) => self.children.iter_mut().filter(|c| c.at == from).for_each(|c| c.at = to),
            None => self.children.retain(|c| c.at != from),
        }
    }
}

/// iproute2's `ipvlan_print_opt`.
fn describe(link: &Link, d: &mut Describe) {
    let Some(ipvlan) = link.kind.ipvlan() else { return };
    d.text("mode", " mode", ipvlan.mode.name().into());
    d.push(ipvlan.reach.name(), Value::Bool(true), format!("{} ", ipvlan.reach.name()));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AT: [(NsId, IfIndex); 2] = [(NsId(0), IfIndex(4)), (NsId(1), IfIndex(5))];

    fn port() -> IpvlanPort {
        let children = AT.map(|at| Child { at, up: true, all_groups: false });
        IpvlanPort { children: children.to_vec(), ..IpvlanPort::default() }
    }

    #[test]
    fn addresses_lead_to_links_that_are_up() {
        let mut port = port();
        port.set_addrs(AT[0], [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 3)].into_iter());
        port.set_addrs(AT[1], [Ipv4Addr::new(10, 0, 0, 2)].into_iter());
        assert_eq!(port.find(Ipv4Addr::new(10, 0, 0, 3)), Some(AT[0]));
        assert_eq!(port.find(Ipv4Addr::new(10, 0, 0, 2)), Some(AT[1]));
        assert_eq!(port.find(Ipv4Addr::new(10, 0, 0, 4)), None);
        port.children[0].up = false;
        assert_eq!(port.find(Ipv4Addr::new(10, 0, 0, 1)), None);
        assert!(port.is_busy(Ipv4Addr::new(10, 0, 0, 1)));
        port.moved(AT[0], None);
        assert!(!port.is_busy(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(port.children.len(), 1);
    }

    #[test]
    fn an_arp_packet_has_two_ends() {
        let mut bytes = [0u8; 28];
        bytes[14..18].copy_from_slice(&[10, 0, 0, 1]);
        bytes[24..28].copy_from_slice(&[10, 0, 0, 2]);
        assert_eq!(address(ETH_P_ARP, &bytes, End::Source), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(address(ETH_P_ARP, &bytes, End::Destination), Some(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(address(ETH_P_ARP, &bytes[..27], End::Source), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at(protocol: u16, bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            for protocol in [protocol, ETH_P_ARP, ETH_P_IP] {
                address(protocol, &bytes, End::Source);
                address(protocol, &bytes, End::Destination);
            }
        }
    }
}
