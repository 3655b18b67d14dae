//! `ipip`: a tunnel that puts IPv4 packets into IPv4 packets (RFC 2003). Models `net/ipv4/ipip.c` and the state of
//! `net/ipv4/ip_tunnel.c`.
//!
//! The link may be moved to another namespace; its outer packets keep travelling in the one it was made in.

use core::net::Ipv4Addr;

use hopwise_protocols::encap::{Df, Outer, Tos, Ttl};
use hopwise_protocols::wire::ipv4::{IP_HLEN, IP_MAX_LEN};
use hopwise_sim_core::{Duration, IfIndex, NsId, Time};

use crate::describe::{Describe, Value};
use crate::hw::HwType;
use crate::kind::{Kind, KindOps};
use crate::link::{Link, LinkFlags};

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "ipip",
    summary: "a tunnel: IPv4 packets in IPv4 packets",
    hw: HwType::Tunnel,
    mtu: (0, 0),
    setup,
    describe,
    queues: (1, 1),
    driver: "ipip",
    speed: None,
    immutable_netns: false,
};

/// The name of the tunnel that every namespace has once the module is loaded.
pub const FALLBACK: &str = "tunl0";

/// MTU of a link whose way is not known yet: that of Ethernet less the outer header.
pub const MTU: u32 = 1500 - IP_HLEN as u32;

/// The limits of a tunnel made by `ip tunnel add` (`ip_tunnel_create`); one made by `ip link add` has none.
pub const MTU_RANGE: (u32, u32) = (68, (IP_MAX_LEN - IP_HLEN) as u32);

/// How long what was heard of a far end is remembered (`IPTUNNEL_ERR_TIMEO`).
const ERROR_TIMEOUT: Duration = Duration::from_secs(30);

fn setup(link: &mut Link) {
    link.flags = LinkFlags::NOARP;
    link.mtu = MTU;
}

/// What an `ipip` link carries (`IFLA_IPTUN_PROTO`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Carries {
    /// `mode any`: whatever comes; the default of `ip link add`.
    #[default]
    Any,
    /// `mode ipip`: IPv4; the default of `ip tunnel add`.
    Ipv4,
}

impl Carries {
    /// As `ip -d link` names it.
    pub const fn name(self) -> &'static str {
        match self {
            Carries::Any => "any",
            Carries::Ipv4 => "ipip",
        }
    }
}

/// How a tunnel is set (`struct ip_tunnel_parm`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TunnelParams {
    /// This end; unspecified: whatever address the route chooses.
    pub local: Ipv4Addr,
    /// The far end; unspecified: the next hop of the inner packet's route.
    pub remote: Ipv4Addr,
    /// The link that outer packets leave through.
    pub dev: IfIndex,
    /// TTL of outer packets; 0: that of the inner one.
    pub ttl: u8,
    /// TOS of outer packets; 1: that of the inner one.
    pub tos: u8,
    /// Whether outer packets must not be cut to pieces.
    pub pmtudisc: bool,
    /// The mark that outer packets are routed by.
    pub fwmark: u32,
    /// What it carries.
    pub carries: Carries,
}

impl Default for TunnelParams {
    fn default() -> Self {
        TunnelParams {
            local: Ipv4Addr::UNSPECIFIED,
            remote: Ipv4Addr::UNSPECIFIED,
            dev: IfIndex::NONE,
            ttl: 0,
            tos: 0,
            pmtudisc: true,
            fwmark: 0,
            carries: Carries::Any,
        }
    }
}

impl TunnelParams {
    /// Whether a tunnel with these settings is the same one (`ip_tunnel_find`): there is one for each pair of ends and
    /// link.
    pub fn is_same_tunnel(&self, other: &TunnelParams) -> bool {
        (self.local, self.remote, self.dev) == (other.local, other.remote, other.dev)
    }

    /// What is known of the outer header before its route is: for a packet whose next hop is `next_hop`.
    pub fn outer(&self, next_hop: Ipv4Addr) -> Outer {
        Outer {
            src: self.local,
            dst: if self.remote.is_unspecified() { next_hop } else { self.remote },
            // The lowest bit means "inherit"; the ECN bits are never the tunnel's own.
            tos: if self.tos & 1 != 0 { Tos::Inherit } else { Tos::Fixed(self.tos) },
            ttl: if self.ttl == 0 { Ttl::Inherit(0) } else { Ttl::Fixed(self.ttl) },
            df: if self.pmtudisc { Df::Set } else { Df::Inherit },
        }
    }
}

/// The state of an `ipip` link.
#[derive(Clone, Debug)]
pub struct Ipip {
    /// The namespace in which outer packets travel (`tunnel->net`).
    pub underlay: NsId,
    /// How it is set.
    pub params: TunnelParams,
    /// Whether it is `tunl0`, which takes what no other tunnel wants (`fb_tunnel_dev`).
    pub fallback: bool,
    /// Errors heard about outer packets, not told yet to who sends through the tunnel, and when the last came.
    errors: (u32, Time),
}

impl Ipip {
    /// A tunnel whose outer packets travel in `underlay`.
    pub const fn new(underlay: NsId, params: TunnelParams, fallback: bool) -> Self {
        Ipip { underlay, params, fallback, errors: (0, Time::ZERO) }
    }

    /// An ICMP error about an outer packet came back (`ipip_err`).
    pub fn note_error(&mut self, now: Time) {
        self.errors = if now < self.errors.1 + ERROR_TIMEOUT { (self.errors.0 + 1, now) } else { (1, now) };
    }

    /// Whether the sender of the next packet is to be told that the far end cannot be reached: once for each error that
    /// is not too old (`ip_tunnel_xmit`).
    pub fn take_error(&mut self, now: Time) -> bool {
        let (count, at) = self.errors;
        let fresh = count > 0 && now < at + ERROR_TIMEOUT;
        self.errors.0 = if fresh { count - 1 } else { 0 };
        fresh
    }
}

/// `any` or an address.
fn end(addr: Ipv4Addr) -> String {
    if addr.is_unspecified() { "any".into() } else { addr.to_string() }
}

/// `tunnel_print_opt` of iproute2's `link_iptnl.c`. The name of the link below is put in by who knows it.
fn describe(link: &Link, d: &mut Describe) {
    let Kind::Ipip(tunnel) = &link.kind else { return };
    let params = &tunnel.params;
    let proto = params.carries.name();
    d.push("proto", Value::Text(proto.into()), format!("{proto} "));
    d.text("remote", "remote", end(params.remote));
    d.text("local", "local", end(params.local));
    if params.dev.is_some() {
        d.below("link", "dev", params.dev);
    }
    match params.ttl {
        0 => d.push("ttl", Value::Number(0), "ttl inherit ".into()),
        ttl => d.number("ttl", "ttl", ttl.into()),
    }
    match params.tos {
        0 => {}
        1 => d.push("tos", Value::Text("0x1".into()), "tos inherit ".into()),
        tos => d.text("tos", "tos", format!("{tos:#x}")),
    }
    let word = if params.pmtudisc { "pmtudisc " } else { "nopmtudisc " };
    d.push("pmtudisc", Value::Bool(params.pmtudisc), word.into());
    if params.fwmark != 0 {
        d.text("fwmark", "fwmark", format!("{:#x}", params.fwmark));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_is_told_once_and_old_ones_never() {
        let mut tunnel = Ipip::new(NsId(0), TunnelParams::default(), false);
        let at = |secs| Time::ZERO + Duration::from_secs(secs);
        assert!(!tunnel.take_error(at(100)));
        tunnel.note_error(at(100));
        tunnel.note_error(at(101));
        assert!(tunnel.take_error(at(102)));
        assert!(tunnel.take_error(at(102)));
        assert!(!tunnel.take_error(at(102)));
        tunnel.note_error(at(103));
        assert!(!tunnel.take_error(at(133)));
    }

    #[test]
    fn the_lowest_bit_of_the_tos_means_inherit() {
        let params = TunnelParams { tos: 1, ttl: 9, ..TunnelParams::default() };
        let outer = params.outer(Ipv4Addr::LOCALHOST);
        assert_eq!((outer.tos, outer.ttl, outer.dst), (Tos::Inherit, Ttl::Fixed(9), Ipv4Addr::LOCALHOST));
    }
}
