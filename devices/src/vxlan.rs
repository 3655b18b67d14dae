//! `vxlan`: an Ethernet that spans IP networks (RFC 7348). Models `drivers/net/vxlan/`.
//!
//! What it decides about a frame is a look at its forwarding database ([`Fdb`]); the stack puts the frame into a UDP
//! packet, routes that in the namespace where the link was made, and brings received frames here.

use core::net::Ipv4Addr;
use core::ops::RangeInclusive;

use hopwise_protocols::encap::{Df, Tos, Ttl};
use hopwise_sim_core::{IfIndex, NsId};

use crate::describe::{Describe, Value};
use crate::hw::HwType;
use crate::kind::KindOps;
use crate::link::{Link, LinkFlags};

pub mod fdb;

pub use fdb::Fdb;

/// The row of this kind.
pub static OPS: KindOps = KindOps {
    name: "vxlan",
    summary: "Ethernet over UDP (VXLAN), with its forwarding database",
    hw: HwType::Ether,
    mtu: (68, 65535),
    setup,
    describe,
    queues: (1, 1),
    driver: "vxlan",
    speed: Some(10_000),
    immutable_netns: false,
};

fn setup(link: &mut Link) {
    link.flags = LinkFlags::BROADCAST | LinkFlags::MULTICAST;
}

/// The UDP port of a link whose maker named none: Linux is older than the assignment of 4789 (`VXLAN_DEFAULT_PORT`).
pub const DEFAULT_PORT: u16 = 8472;

/// The bytes by which its MTU is smaller than that of the link below: outer headers and the Ethernet header inside
/// (`vxlan_headroom`).
pub const HEADROOM: u32 = hopwise_protocols::encap::vxlan::OVERHEAD as u32;

/// How long an address stays that was learned, in seconds (`FDB_AGE_DEFAULT`).
pub const AGEING: u32 = 300;

/// What a person sets (`struct vxlan_config`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Who gives it a packet says where it goes and in which network (`external`); there is no forwarding.
    pub external: bool,
    /// The network number.
    pub vni: u32,
    /// Where frames go whose destination is not known: a host, a group, or 0.0.0.0 for nowhere.
    pub remote: Ipv4Addr,
    /// The source of outer packets; 0.0.0.0: what the route says.
    pub local: Ipv4Addr,
    /// The link below.
    pub dev: IfIndex,
    /// The range of UDP source ports; 0, 0: that of the namespace (`ip_local_port_range`).
    pub sources: (u16, u16),
    /// The UDP port.
    pub port: u16,
    /// TTL of outer packets; 0: the namespace's default, or 1 to a group.
    pub ttl: u8,
    /// The TTL is that of the packet inside.
    pub ttl_inherit: bool,
    /// TOS of outer packets; 1: that of the packet inside.
    pub tos: u8,
    /// "Don't fragment" of outer packets.
    pub df: Df,
    /// Addresses of received frames are learned.
    pub learning: bool,
    /// ARP requests are answered from the neighbour table and go nowhere else.
    pub proxy: bool,
    /// Packets to a router's address take the short way to their destination.
    pub rsc: bool,
    /// Destinations that are not in the forwarding database are told of.
    pub l2miss: bool,
    /// Addresses that are not in the neighbour table are told of.
    pub l3miss: bool,
    /// UDP checksums are computed.
    pub udp_csum: bool,
    /// Shown only: there is no IPv6.
    pub udp6_zero_csum_tx: bool,
    /// Shown only; links that differ in it do not share a socket.
    pub udp6_zero_csum_rx: bool,
    /// How long a learned address stays, in seconds.
    pub ageing: u32,
    /// How many entries the forwarding database may have; 0: any number.
    pub max_addresses: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            external: false,
            vni: 0,
            remote: Ipv4Addr::UNSPECIFIED,
            local: Ipv4Addr::UNSPECIFIED,
            dev: IfIndex::NONE,
            sources: (0, 0),
            port: DEFAULT_PORT,
            ttl: 0,
            ttl_inherit: false,
            tos: 0,
            df: Df::Clear,
            learning: true,
            proxy: false,
            rsc: false,
            l2miss: false,
            l3miss: false,
            udp_csum: true,
            udp6_zero_csum_tx: false,
            udp6_zero_csum_rx: false,
            ageing: AGEING,
            max_addresses: 0,
        }
    }
}

impl Config {
    /// The TOS of outer packets.
    #[inline]
    pub const fn outer_tos(&self) -> Tos {
        if self.tos == 1 { Tos::Inherit } else { Tos::Fixed(self.tos) }
    }

    /// The TTL of outer packets to `dst`, where `default` is the namespace's.
    #[inline]
    pub const fn outer_ttl(&self, dst: Ipv4Addr, default: u8) -> Ttl {
        match self.ttl {
            _ if self.ttl_inherit => Ttl::Inherit(default),
            0 if dst.is_multicast() => Ttl::Fixed(1),
            0 => Ttl::Fixed(default),
            ttl => Ttl::Fixed(ttl),
        }
    }

    /// The range of UDP source ports, where `default` is the namespace's (`udp_flow_src_port`).
    #[inline]
    pub const fn source_ports(&self, default: (u16, u16)) -> RangeInclusive<u16> {
        let (first, last) = if self.sources.0 >= self.sources.1 { default } else { self.sources };
        first..=last
    }
}

/// The state of a VXLAN link.
#[derive(Clone, Debug)]
pub struct Vxlan {
    /// The namespace in which it was made: there its outer packets are routed and received, wherever it is moved to.
    pub home: NsId,
    /// Settings.
    pub config: Config,
    /// Which host each address is behind.
    pub fdb: Fdb,
}

/// iproute2's `vxlan_print_opt`.
fn describe(link: &Link, d: &mut Describe) {
    let Some(vxlan) = link.kind.vxlan() else { return };
    let config = &vxlan.config;
    if config.external {
        d.push("external", Value::Bool(true), "external ".into());
    }
    d.number("id", "id", config.vni.into());
    if !config.remote.is_unspecified() {
        let word = if config.remote.is_multicast() { "group" } else { "remote" };
        d.text(word, word, config.remote.to_string());
    }
    if !config.local.is_unspecified() {
        d.text("local", "local", config.local.to_string());
    }
    if config.dev.is_some() {
        d.below("link", "dev", config.dev);
    }
    let (low, high) = config.sources;
    d.push(
        "port_range",
        Value::Object(vec![("low", Value::Number(low.into())), ("high", Value::Number(high.into()))]),
        format!("srcport {low} {high} "),
    );
    d.number("port", "dstport", config.port.into());
    d.push("learning", Value::Bool(config.learning), (if config.learning { "" } else { "nolearning " }).into());
    for (word, on) in
        [("proxy", config.proxy), ("rsc", config.rsc), ("l2miss", config.l2miss), ("l3miss", config.l3miss)]
    {
        if on {
            d.push(word, Value::Bool(true), format!("{word} "));
        }
    }
    outer_header(config, d);
    d.number("ageing", "ageing", config.ageing.into());
    if config.max_addresses != 0 {
        d.number("limit", "maxaddr", config.max_addresses.into());
    }
    for (key, word, on) in [
        ("udp_csum", "udpcsum", config.udp_csum),
        ("udp_zero_csum6_tx", "udp6zerocsumtx", config.udp6_zero_csum_tx),
        ("udp_zero_csum6_rx", "udp6zerocsumrx", config.udp6_zero_csum_rx),
    ] {
        d.push(key, Value::Bool(on), format!("{}{word} ", if on { "" } else { "no" }));
    }
}

fn outer_header(config: &Config, d: &mut Describe) {
    match config.tos {
        0 => {}
        1 => d.push("tos", Value::Text("0x1".into()), "tos inherit ".into()),
        tos => d.text("tos", "tos", format!("{tos:#x}")),
    }
    if config.ttl_inherit {
        d.push("", Value::Bool(true), "ttl inherit ".into());
    } else {
        let text = if config.ttl == 0 { "ttl auto ".into() } else { format!("ttl {} ", config.ttl) };
        d.push("ttl", Value::Number(config.ttl.into()), text);
    }
    let (word, text) = match config.df {
        Df::Clear => ("unset", ""),
        Df::Set => ("set", "df set "),
        Df::Inherit => ("inherit", "df inherit "),
    };
    d.push("df", Value::Text(word.into()), text.into());
}
