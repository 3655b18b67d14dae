//! The tables of names: protocols that qualify, fields and values of headers, EtherTypes.

/// A protocol as a qualifier (`tcp port`), an abbreviation (`tcp`) or the start of a byte expression (`tcp[0]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the names say it
pub enum Protocol {
    Link,
    Ip,
    Arp,
    Rarp,
    Sctp,
    Tcp,
    Udp,
    Icmp,
    Igmp,
    Igrp,
    Pim,
    Vrrp,
    Carp,
    Atalk,
    Aarp,
    Decnet,
    Lat,
    Sca,
    Moprc,
    Mopdl,
    Ip6,
    Icmp6,
    Ah,
    Esp,
    Iso,
    Esis,
    Isis,
    Clnp,
    Stp,
    Ipx,
    Netbeui,
    Radio,
}

use Protocol as P;

/// What a protocol's name alone means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Means {
    /// An EtherType.
    EtherType(u16),
    /// An LLC service access point.
    Sap(u8),
    /// An IP protocol, in IPv4 and IPv6.
    IpProtocol(u8),
    /// An IP protocol in IPv4 only.
    Ip4Protocol(u8),
    /// A next header in IPv6 only.
    Ip6Protocol(u8),
    /// An OSI network layer protocol identifier.
    Osi(u8),
    /// Nothing by itself.
    Nothing,
}

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const ARP: u16 = 0x0806;
pub(super) const RARP: u16 = 0x8035;
pub(super) const ATALK: u16 = 0x809b;
pub(super) const AARP: u16 = 0x80f3;
pub(super) const MPLS: u16 = 0x8847;
pub(super) const PPPOE_DISCOVERY: u16 = 0x8863;
pub(super) const PPPOE_SESSION: u16 = 0x8864;
pub(super) const ISO_SAP: u8 = 0xfe;
pub(super) const IPX_SAP: u8 = 0xe0;
pub(super) const NETBEUI_SAP: u8 = 0xf0;
pub(super) const STP_SAP: u8 = 0x42;

/// Protocol, its name, other spellings, meaning.
pub(super) const PROTOCOLS: &[(Protocol, &str, &[&str], Means)] = &[
    (P::Link, "ether", &["link", "ppp", "slip", "fddi", "tr", "wlan"], Means::Nothing),
    (P::Ip, "ip", &[], Means::EtherType(IPV4)),
    (P::Arp, "arp", &[], Means::EtherType(ARP)),
    (P::Rarp, "rarp", &[], Means::EtherType(RARP)),
    (P::Sctp, "sctp", &[], Means::IpProtocol(132)),
    (P::Tcp, "tcp", &[], Means::IpProtocol(6)),
    (P::Udp, "udp", &[], Means::IpProtocol(17)),
    (P::Icmp, "icmp", &[], Means::Ip4Protocol(1)),
    (P::Igmp, "igmp", &[], Means::Ip4Protocol(2)),
    (P::Igrp, "igrp", &[], Means::Ip4Protocol(9)),
    (P::Pim, "pim", &[], Means::IpProtocol(103)),
    (P::Vrrp, "vrrp", &[], Means::Ip4Protocol(112)),
    (P::Carp, "carp", &[], Means::Ip4Protocol(112)),
    (P::Atalk, "atalk", &[], Means::EtherType(ATALK)),
    (P::Aarp, "aarp", &[], Means::EtherType(AARP)),
    (P::Decnet, "decnet", &[], Means::EtherType(0x6003)),
    (P::Lat, "lat", &[], Means::EtherType(0x6004)),
    (P::Sca, "sca", &[], Means::EtherType(0x6007)),
    (P::Moprc, "moprc", &[], Means::EtherType(0x6002)),
    (P::Mopdl, "mopdl", &[], Means::EtherType(0x6001)),
    (P::Ip6, "ip6", &[], Means::EtherType(IPV6)),
    (P::Icmp6, "icmp6", &[], Means::Ip6Protocol(58)),
    (P::Ah, "ah", &[], Means::IpProtocol(51)),
    (P::Esp, "esp", &[], Means::IpProtocol(50)),
    (P::Iso, "iso", &[], Means::Sap(ISO_SAP)),
    (P::Esis, "esis", &["es-is"], Means::Osi(0x82)),
    (P::Isis, "isis", &["is-is"], Means::Osi(0x83)),
    (P::Clnp, "clnp", &[], Means::Osi(0x81)),
    (P::Stp, "stp", &[], Means::Sap(STP_SAP)),
    (P::Ipx, "ipx", &[], Means::Sap(IPX_SAP)),
    (P::Netbeui, "netbeui", &[], Means::Sap(NETBEUI_SAP)),
    (P::Radio, "radio", &[], Means::Nothing),
];

impl Protocol {
    pub(super) fn named(word: &str) -> Option<Protocol> {
        PROTOCOLS.iter().find(|row| row.1 == word || row.2.contains(&word)).map(|row| row.0)
    }

    pub(super) fn name(self) -> &'static str {
        PROTOCOLS.iter().find(|row| row.0 == self).map_or("ether", |row| row.1)
    }

    pub(super) fn means(self) -> Means {
        PROTOCOLS.iter().find(|row| row.0 == self).map_or(Means::Nothing, |row| row.3)
    }
}

/// Names of header offsets and of values, which may stand wherever a number may.
pub(super) const NUMBERS: &[(&str, u32)] = &[
    ("icmptype", 0),
    ("icmpcode", 1),
    ("icmp-echoreply", 0),
    ("icmp-unreach", 3),
    ("icmp-sourcequench", 4),
    ("icmp-redirect", 5),
    ("icmp-echo", 8),
    ("icmp-routeradvert", 9),
    ("icmp-routersolicit", 10),
    ("icmp-timxceed", 11),
    ("icmp-paramprob", 12),
    ("icmp-tstamp", 13),
    ("icmp-tstampreply", 14),
    ("icmp-ireq", 15),
    ("icmp-ireqreply", 16),
    ("icmp-maskreq", 17),
    ("icmp-maskreply", 18),
    ("icmp6type", 0),
    ("icmp6code", 1),
    ("icmp6-destinationunreach", 1),
    ("icmp6-packettoobig", 2),
    ("icmp6-timeexceeded", 3),
    ("icmp6-parameterproblem", 4),
    ("icmp6-echo", 128),
    ("icmp6-echoreply", 129),
    ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131),
    ("icmp6-multicastlistenerdone", 132),
    ("icmp6-routersolicit", 133),
    ("icmp6-routeradvert", 134),
    ("icmp6-neighborsolicit", 135),
    ("icmp6-neighboradvert", 136),
    ("icmp6-redirect", 137),
    ("icmp6-routerrenum", 138),
    ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140),
    ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-ineighbordiscoveryadvert", 142),
    ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-homeagentdiscoveryreply", 145),
    ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-mobileprefixadvert", 147),
    ("icmp6-certpathsolicit", 148),
    ("icmp6-certpathadvert", 149),
    ("icmp6-multicastrouteradvert", 151),
    ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153),
    ("tcpflags", 13),
    ("tcp-fin", 0x01),
    ("tcp-syn", 0x02),
    ("tcp-rst", 0x04),
    ("tcp-push", 0x08),
    ("tcp-ack", 0x10),
    ("tcp-urg", 0x20),
    ("tcp-ece", 0x40),
    ("tcp-cwr", 0x80),
];

/// Protocols `ether proto NAME` knows.
pub(super) const ETHER_PROTOCOLS: &[(&str, u16)] = &[
    ("aarp", AARP),
    ("arp", ARP),
    ("atalk", ATALK),
    ("decnet", 0x6003),
    ("ip", IPV4),
    ("ip6", IPV6),
    ("lat", 0x6004),
    ("loopback", 0x9000),
    ("mopdl", 0x6001),
    ("moprc", 0x6002),
    ("rarp", RARP),
    ("sca", 0x6007),
    ("iso", ISO_SAP as u16),
    ("stp", STP_SAP as u16),
    ("ipx", IPX_SAP as u16),
    ("netbeui", NETBEUI_SAP as u16),
];

/// The networks of `/etc/networks`.
pub(super) const NETWORKS: &[(&str, u32)] = &[("loopback", 0x7f00_0000), ("link-local", 0xa9fe_0000)];

/// Words of link types this crate has no frames of, what libpcap calls them, and what it says about them.
const FOREIGN: &[(&[&str], &str)] = &[
    (&["type", "subtype"], "802.11 link-layer types supported only on 802.11"),
    (&["dir", "direction"], "frame direction supported only with 802.11 headers"),
    (&["on", "ifname"], "ifname supported only on PF linktype"),
    (&["rset", "ruleset"], "rset supported only on PF linktype"),
    (&["rnr", "rulenum"], "rnr supported only on PF linktype"),
    (&["srnr", "subrulenum"], "srnr supported only on PF linktype"),
    (&["reason"], "reason supported only on PF linktype"),
    (&["action"], "action supported only on PF linktype"),
    (&["lane"], "'lane' supported only on raw ATM"),
    (&["metac"], "'metac' supported only on raw ATM"),
    (&["bcc"], "'bcc' supported only on raw ATM"),
    (&["sc"], "'sc' supported only on raw ATM"),
    (&["ilmic"], "'ilmic' supported only on raw ATM"),
    (&["oam"], "'oam' supported only on raw ATM"),
    (&["oamf4"], "'oamf4' supported only on raw ATM"),
    (&["oamf4ec"], "'oamf4ec' supported only on raw ATM"),
    (&["oamf4sc"], "'oamf4sc' supported only on raw ATM"),
    (&["connectmsg"], "'connectmsg' supported only on raw ATM"),
    (&["metaconnect"], "'metaconnect' supported only on raw ATM"),
    (&["vpi"], "'vpi' supported only on raw ATM"),
    (&["vci"], "'vci' supported only on raw ATM"),
    (&["fisu"], "'fisu' supported only on MTP2"),
    (&["lssu", "lsu"], "'lssu' supported only on MTP2"),
    (&["msu"], "'msu' supported only on MTP2"),
    (&["hfisu"], "'hfisu' supported only on MTP2_HSL"),
    (&["hlssu"], "'hlssu' supported only on MTP2_HSL"),
    (&["hmsu"], "'hmsu' supported only on MTP2_HSL"),
    (&["sio", "hsio"], "'sio' supported only on SS7"),
    (&["opc", "hopc"], "'opc' supported only on SS7"),
    (&["dpc", "hdpc"], "'dpc' supported only on SS7"),
    (&["sls", "hsls"], "'sls' supported only on SS7"),
    (&["l1", "l2", "iih", "lsp", "snp", "csnp", "psnp"], "IS-IS packet types are not supported"),
    (&["address1", "addr1", "address2", "addr2", "address3", "addr3", "address4", "addr4"], WIRELESS_ADDRESS),
    (&["ra", "ta"], WIRELESS_ADDRESS),
];

const WIRELESS_ADDRESS: &str =
    "'addr1' and 'address1' are not valid qualifiers for addresses other than 802.11 MAC addresses";

/// What libpcap says about a word that only means something on other link types.
pub(super) fn foreign(word: &str) -> Option<&'static str> {
    FOREIGN.iter().find(|row| row.0.contains(&word)).map(|row| row.1)
}
