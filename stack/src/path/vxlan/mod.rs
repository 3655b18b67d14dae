//! Frames through a VXLAN link: out to the hosts that the forwarding database names, in from them. Models
//! `drivers/net/vxlan/vxlan_core.c`.
//!
//! ```text
//! dev_xmit -> xmit -> (proxy | for each host: remote) -> output        udp -> rcv -> agenda -> link_rx
//! ```

mod elsewhere;
mod miss;
mod pmtu;
mod proxy;
mod rcv;
mod remote;

use core::net::Ipv4Addr;

use hopwise_devices::vxlan::fdb::Remote;
use hopwise_devices::vxlan::{Config, Vxlan};
use hopwise_protocols::wire::MacAddr;
use hopwise_protocols::wire::ethernet::ETH_HLEN;
use hopwise_protocols::wire::ethernet::{self, ETH_P_ARP, ETH_P_IP};
use hopwise_protocols::wire::ipv4::IP_HLEN;
use hopwise_sim_core::{Detail, DropReason, Duration, Fate, IfIndex, NsId, Packet, Time, TunnelNote};

use crate::cx::Cx;
use crate::namespace::Namespace;
use crate::path::tunnel;

pub(super) use elsewhere::output;
pub use rcv::{arrive, rcv};

/// A VXLAN link that sends: where, and with which settings.
#[derive(Clone, Copy)]
struct Sender {
    link: IfIndex,
    home: NsId,
    config: Config,
}

fn state(ns: &Namespace, link: IfIndex) -> Option<&Vxlan> {
    ns.devs.get(link)?.kind.vxlan()
}

fn state_mut(ns: &mut Namespace, link: IfIndex) -> Option<&mut Vxlan> {
    ns.devs.get_mut(link)?.link.kind.vxlan_mut()
}

/// What a journey tells of an outer packet whose frame begins at `inner`: Ethernet, IPv4 and ports of it.
fn note(link: (NsId, IfIndex), packet: &[u8], inner: usize) -> Box<TunnelNote> {
    tunnel::note(link, "vxlan", packet, inner, ETH_HLEN + IP_HLEN + 8)
}

/// How long a learned address stays.
pub(crate) const fn ageing(config: &Config) -> Duration {
    Duration::from_secs(config.ageing as u64)
}

/// The link sends a frame, which begins with its Ethernet header. `vxlan_xmit`.
pub fn xmit(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet) -> Fate {
    let Some(vxlan) = state_mut(ns, link) else { return cx.drop(packet, DropReason::DevReady) };
    let sender = Sender { link, home: vxlan.home, config: vxlan.config };
    let Ok((header, _)) = ethernet::parse(packet.data()) else {
        return dropped(ns, cx, link, packet, DropReason::PktTooSmall);
    };
    let dst = header.dst;
    if sender.config.external || sender.config.proxy || sender.config.rsc {
        return xmit_specially(ns, cx, &sender, packet);
    }
    let known = remotes(vxlan, cx.now, dst);
    xmit_to(ns, cx, &sender, (dst, known), false, packet)
}

/// A link that is told where a frame goes, answers in place of the far end, or knows shorter ways.
fn xmit_specially(ns: &mut Namespace, cx: &mut Cx<'_>, sender: &Sender, mut packet: Packet) -> Fate {
    let link = sender.link;
    if sender.config.external {
        return external(ns, cx, sender, packet);
    }
    let Ok((header, _)) = ethernet::parse(packet.data()) else {
        return dropped(ns, cx, link, packet, DropReason::PktTooSmall);
    };
    let (mut dst, ethertype) = (header.dst, header.ethertype.get());
    if sender.config.proxy && ethertype == ETH_P_ARP {
        return proxy::arp_reduce(ns, cx, sender, packet);
    }
    let mut shortened = false;
    if sender.config.rsc
        && ethertype == ETH_P_IP
        && proxy::is_router(ns, cx.now, sender, dst)
        && let Some(next) = proxy::short_circuit(ns, cx, sender, dst, &mut packet)
    {
        (dst, shortened) = (next, true);
    }
    let known = state_mut(ns, link).and_then(|vxlan| remotes(vxlan, cx.now, dst));
    xmit_to(ns, cx, sender, (dst, known), shortened, packet)
}

/// Sends a frame to all hosts that get those for its address.
#[inline]
fn xmit_to(
    ns: &mut Namespace,
    cx: &mut Cx<'_>,
    sender: &Sender,
    (dst, known): (MacAddr, Option<(usize, Option<Remote>)>),
    shortened: bool,
    packet: Packet,
) -> Fate {
    let link = sender.link;
    let Some((count, first)) = known else {
        if sender.config.l2miss && dst.is_unicast() {
            miss::mac(cx, &packet, link, dst);
        }
        return dropped(ns, cx, link, packet, DropReason::NoTxTarget);
    };
    // The others get copies, and before the first one, which gets the frame itself.
    for i in 1..count {
        let Some(remote) = nth(ns, cx, sender, dst, i) else { break };
        let copy = cx.pool.copy(&packet);
        cx.note(&copy, || Detail::Born { by: "vxlan", from: Some(packet.id) });
        remote::xmit(ns, cx, sender, &remote, shortened, copy);
    }
    match first {
        Some(remote) => remote::xmit(ns, cx, sender, &remote, shortened, packet),
        None => dropped(ns, cx, link, packet, DropReason::NoTxTarget),
    }
}

/// How many hosts get frames to an address, and which is the first of them.
#[inline]
fn remotes(vxlan: &mut Vxlan, now: Time, dst: MacAddr) -> Option<(usize, Option<Remote>)> {
    let entry = vxlan.fdb.towards(now, dst, ageing(&vxlan.config))?;
    Some((entry.remotes.len(), entry.remotes.first().copied()))
}

/// Where a frame goes and in which network says who gave it to the link: a program of tc (`struct ip_tunnel_key`). Without that
/// it goes nowhere. `udp_csum` counts as off, as such a program asks for it (`BPF_F_ZERO_CSUM_TX`).
fn external(ns: &mut Namespace, cx: &mut Cx<'_>, sender: &Sender, mut packet: Packet) -> Fate {
    let ip = Ipv4Addr::from(core::mem::take(&mut packet.next_hop));
    let vni = core::mem::take(&mut packet.tunnel_id);
    if ip.is_unspecified() {
        // Linux counts it nowhere.
        return cx.drop(packet, DropReason::TunnelTxinfo);
    }
    let sender = Sender { config: Config { udp_csum: false, ..sender.config }, ..*sender };
    let remote = Remote { ip, port: sender.config.port, vni: vni & 0x00ff_ffff, via: IfIndex::NONE };
    remote::xmit(ns, cx, &sender, &remote, false, packet)
}

fn nth(ns: &mut Namespace, cx: &Cx<'_>, sender: &Sender, dst: MacAddr, i: usize) -> Option<Remote> {
    let entry = state_mut(ns, sender.link)?.fdb.towards(cx.now, dst, ageing(&sender.config))?;
    entry.remotes.get(i).copied()
}

/// Ends a frame that the link does not send (`dev_dstats_tx_dropped`).
fn dropped(ns: &mut Namespace, cx: &mut Cx<'_>, link: IfIndex, packet: Packet, reason: DropReason) -> Fate {
    if let Some(dev) = ns.devs.get_mut(link) {
        dev.stats.tx_dropped += 1;
    }
    cx.drop(packet, reason)
}
