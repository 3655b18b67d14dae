//! What a VXLAN link does not know, told to who follows the packet (on Linux a netlink message: `vxlan_fdb_miss`,
//! `vxlan_ip_miss`).

use core::net::Ipv4Addr;

use hopwise_protocols::wire::MacAddr;
use hopwise_sim_core::{Detail, IfIndex, Miss, Packet};

use crate::cx::Cx;

/// Nobody knows which host an address is behind.
#[cold]
pub(super) fn mac(cx: &mut Cx<'_>, packet: &Packet, link: IfIndex, addr: MacAddr) {
    cx.note(packet, || Detail::Miss { link, what: Miss::Mac(addr.0) });
}

/// Nobody knows the MAC address of an address.
#[cold]
pub(super) fn ip(cx: &mut Cx<'_>, packet: &Packet, link: IfIndex, addr: Ipv4Addr) {
    cx.note(packet, || Detail::Miss { link, what: Miss::Ip(addr) });
}
