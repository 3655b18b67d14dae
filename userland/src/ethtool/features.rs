//! The offloads that `ethtool -k` lists, as the kinds of link have them. Nothing is really
//! offloaded here: checksums are always computed, packets are never merged. The switches are kept and shown.

use hopwise_devices::Kind;

/// How a feature of a link starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    On,
    Off,
    FixedOn,
    FixedOff,
    /// Wanted on, and off because something else is missing.
    Requested,
}

use Start::{FixedOff, FixedOn, Off, On, Requested};

/// A feature: its name, whether it is listed below another one, and how it starts.
pub(super) struct Feature {
    pub(super) name: &'static str,
    pub(super) nested: bool,
    starts: [Start; 10],
}

impl Feature {
    /// How it starts for a tunnel: as for a bridge, without what needs an Ethernet header or another tunnel inside.
    fn tunnel(&self) -> Start {
        const NOT: [&str; 8] =
            ["tx-vlan", "tx-gre", "tx-ipxip", "tx-udp_tnl", "tx-tunnel", "tx-esp", "tx-gso-p", "tx-fcoe"];
        let [_, _, bridge, ..] = self.starts;
        match bridge {
            Requested => FixedOff,
            On if NOT.iter().any(|beginning| self.name.starts_with(beginning)) => FixedOff,
            start => start,
        }
    }

    /// How it starts for a kind of link.
    pub(super) fn start(&self, kind: &Kind) -> Start {
        let [lo, veth, bridge, vxlan, macvlan, tun, vlan, ipvlan, dummy, vrf] = self.starts;
        match kind {
            Kind::Loopback => lo,
            Kind::Veth(_) => veth,
            Kind::Bridge(_) => bridge,
            Kind::Ipip(_) => self.tunnel(),
            Kind::Vxlan(_) => vxlan,
            Kind::Macvlan(_) => macvlan,
            Kind::Tun(_) => tun,
            Kind::Vlan(_) => vlan,
            Kind::Ipvlan(_) => ipvlan,
            Kind::Dummy => dummy,
            Kind::Vrf(_) => vrf,
        }
    }
}

const fn row(name: &'static str, nested: bool, starts: [Start; 10]) -> Feature {
    Feature { name, nested, starts }
}

/// All features in the order of listing: for `lo`, a veth, a bridge, a VXLAN link, a macvlan on a veth, a tap, a VLAN and an
/// ipvlan on a veth, a dummy and a VRF. The last four are as Linux 6.1 has them.
#[rustfmt::skip]
pub(super) static FEATURES: &[Feature] = &[
    row("rx-checksumming", false, [FixedOn, On, FixedOff, On, FixedOn, FixedOff, FixedOff, FixedOn, FixedOff, On]),
    row("tx-checksumming", false, [On, On, On, On, On, Off, On, On, On, On]),
    row("tx-checksum-ipv4", true, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tx-checksum-ip-generic", true, [FixedOn, On, On, On, FixedOn, Requested, On, FixedOn, On, On]),
    row("tx-checksum-ipv6", true, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tx-checksum-fcoe-crc", true, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, Requested, FixedOff, FixedOff, FixedOff]),
    row("tx-checksum-sctp", true, [FixedOn, On, FixedOff, FixedOff, FixedOff, FixedOff, On, FixedOff, FixedOff, On]),
    row("scatter-gather", false, [On, On, On, On, On, On, On, On, On, On]),
    row("tx-scatter-gather", true, [FixedOn, On, On, On, FixedOn, On, On, FixedOn, On, On]),
    row("tx-scatter-gather-fraglist", true, [FixedOn, On, On, On, FixedOn, On, On, FixedOn, On, On]),
    row("tcp-segmentation-offload", false, [On, On, On, On, On, Off, On, On, On, On]),
    row("tx-tcp-segmentation", true, [On, On, On, On, FixedOn, Requested, On, FixedOn, On, On]),
    row("tx-tcp-ecn-segmentation", true, [On, On, On, On, FixedOn, Requested, On, FixedOn, On, On]),
    row("tx-tcp-mangleid-segmentation", true, [On, On, On, On, FixedOn, Off, On, FixedOn, On, On]),
    row("tx-tcp6-segmentation", true, [On, On, On, On, FixedOn, Requested, On, FixedOn, On, On]),
    row("tx-tcp-accecn-segmentation", true, [On, On, On, On, FixedOn, FixedOff, On, FixedOn, On, On]),
    row("generic-segmentation-offload", false, [On, On, On, On, On, On, On, On, On, On]),
    row("generic-receive-offload", false, [On, Off, On, On, Requested, On, On, Requested, On, On]),
    row("large-receive-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, Off, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("rx-vlan-offload", false, [FixedOff, On, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tx-vlan-offload", false, [FixedOff, On, On, FixedOff, FixedOff, On, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("ntuple-filters", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("receive-hashing", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("highdma", false, [FixedOn, On, On, FixedOff, FixedOn, FixedOff, On, FixedOn, On, On]),
    row("rx-vlan-filter", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("vlan-challenged", false, [FixedOn, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOn, FixedOff, FixedOn]),
    row("tx-gso-robust", false, [FixedOff, FixedOff, Requested, FixedOff, FixedOn, FixedOff, FixedOff, FixedOn, FixedOff, FixedOff]),
    row("tx-fcoe-segmentation", false, [FixedOff, FixedOff, Requested, FixedOff, FixedOff, FixedOff, Requested, FixedOff, FixedOff, FixedOff]),
    row("tx-gre-segmentation", false, [FixedOff, On, On, FixedOff, FixedOn, FixedOff, On, FixedOn, On, FixedOff]),
    row("tx-gre-csum-segmentation", false, [FixedOff, On, On, FixedOff, FixedOn, FixedOff, On, FixedOn, On, FixedOff]),
    row("tx-ipxip4-segmentation", false, [FixedOff, On, On, FixedOff, FixedOn, FixedOff, On, FixedOn, On, FixedOff]),
    row("tx-ipxip6-segmentation", false, [FixedOff, On, On, FixedOff, FixedOn, FixedOff, On, FixedOn, On, FixedOff]),
    row("tx-udp_tnl-segmentation", false, [FixedOff, On, On, FixedOff, FixedOn, Requested, On, FixedOn, On, FixedOff]),
    row("tx-udp_tnl-csum-segmentation", false, [FixedOff, On, On, FixedOff, FixedOn, Requested, On, FixedOn, On, FixedOff]),
    row("tx-gso-partial", false, [FixedOff, FixedOff, On, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tx-tunnel-remcsum-segmentation", false, [FixedOff, FixedOff, On, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tx-sctp-segmentation", false, [On, On, On, On, FixedOn, FixedOff, On, FixedOn, On, On]),
    row("tx-esp-segmentation", false, [FixedOff, FixedOff, On, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tx-udp-segmentation", false, [On, On, On, On, FixedOn, Requested, On, FixedOn, On, On]),
    row("tx-gso-list", false, [On, On, On, On, FixedOn, FixedOff, On, FixedOn, On, On]),
    row("tx-nocache-copy", false, [FixedOff, Off, Off, Off, Off, Off, Off, Off, Off, Off]),
    row("loopback", false, [FixedOn, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("rx-fcs", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("rx-all", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tx-vlan-stag-hw-insert", false, [FixedOff, On, On, FixedOff, FixedOff, On, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("rx-vlan-stag-hw-parse", false, [FixedOff, On, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("rx-vlan-stag-filter", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("l2-fwd-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("hw-tc-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("esp-hw-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("esp-tx-csum-hw-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("rx-udp_tunnel-port-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tls-hw-tx-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tls-hw-rx-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("rx-gro-hw", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("tls-hw-record", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("rx-gro-list", false, [Off, Off, Off, Off, Off, Off, Off, Off, Off, Off]),
    row("macsec-hw-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("rx-udp-gro-forwarding", false, [Off, Off, Off, Off, Off, Off, Off, Off, Off, Off]),
    row("hsr-tag-ins-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("hsr-tag-rm-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("hsr-fwd-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
    row("hsr-dup-offload", false, [FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff, FixedOff]),
];

/// The words of `-K` for groups of features.
pub(super) static GROUPS: &[(&str, &[&str])] = &[
    ("rx", &["rx-checksumming"]),
    (
        "tx",
        &["tx-checksum-ipv4", "tx-checksum-ip-generic", "tx-checksum-ipv6", "tx-checksum-fcoe-crc", "tx-checksum-sctp"],
    ),
    ("sg", &["tx-scatter-gather", "tx-scatter-gather-fraglist"]),
    (
        "tso",
        &[
            "tx-tcp-segmentation",
            "tx-tcp-ecn-segmentation",
            "tx-tcp-mangleid-segmentation",
            "tx-tcp6-segmentation",
            "tx-tcp-accecn-segmentation",
        ],
    ),
    ("gso", &["generic-segmentation-offload"]),
    ("gro", &["generic-receive-offload"]),
    ("lro", &["large-receive-offload"]),
    ("rxvlan", &["rx-vlan-offload"]),
    ("txvlan", &["tx-vlan-offload"]),
    ("ntuple", &["ntuple-filters"]),
    ("rxhash", &["receive-hashing"]),
];

/// The features that need checksums to be offloaded (`netdev_fix_features`).
pub(super) static NEED_CHECKSUM: &[&str] = &[
    "tx-tcp-segmentation",
    "tx-tcp-ecn-segmentation",
    "tx-tcp-mangleid-segmentation",
    "tx-tcp6-segmentation",
    "tx-udp-segmentation",
];
