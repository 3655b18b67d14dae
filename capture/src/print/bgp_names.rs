//! BGP's registries of numbers (IANA, "Border Gateway Protocol (BGP) Parameters").

use super::cx::Row;

pub(super) const MESSAGES: &[Row] =
    &[(1, "Open"), (2, "Update"), (3, "Notification"), (4, "Keepalive"), (5, "Route Refresh")];

pub(super) const OPTIONS: &[Row] = &[(1, "Authentication Information"), (2, "Capabilities Advertisement")];

pub(super) const CAPABILITIES: &[Row] = &[
    (1, "Multiprotocol Extensions"),
    (2, "Route Refresh"),
    (3, "Cooperative Route Filtering"),
    (4, "Multiple Routes to a Destination"),
    (5, "Extended Next Hop Encoding"),
    (8, "Multiple Labels"),
    (64, "Graceful Restart"),
    (65, "32-Bit AS Number"),
    (67, "Dynamic Capability"),
    (68, "Multisession BGP"),
    (69, "Multiple Paths"),
    (70, "Enhanced Route Refresh"),
    (71, "Long-lived Graceful Restart"),
    (128, "Route Refresh (Cisco)"),
];

pub(super) const RESTART_FLAGS: &[Row] = &[(0x8, "R")];
pub(super) const ADD_PATH: &[Row] = &[(1, "Receive"), (2, "Send"), (3, "Both")];

pub(super) const FAMILIES: &[Row] = &[
    (0, "Reserved"),
    (1, "IPv4"),
    (2, "IPv6"),
    (3, "NSAP"),
    (4, "HDLC"),
    (5, "BBN 1822"),
    (6, "802"),
    (7, "E.163"),
    (8, "E.164"),
    (9, "F.69"),
    (10, "X.121"),
    (11, "Novell IPX"),
    (12, "Appletalk"),
    (13, "Decnet IV"),
    (14, "Banyan Vines"),
    (15, "E.164 with NSAP subaddress"),
    (16, "DNS"),
    (17, "Distinguished Name"),
    (18, "AS Number"),
    (19, "XTP over IP4"),
    (20, "XTP over IP6"),
    (21, "XTP XTP"),
    (22, "Fibre Channel"),
    (23, "Fibre Channel GWWN"),
    (24, "GWID"),
    (25, "VPLS"),
    (196, "Layer-2 VPN"),
];

pub(super) const SUBSEQUENT: &[Row] = &[
    (0, "Reserved"),
    (1, "Unicast"),
    (2, "Multicast"),
    (3, "Unicast+Multicast"),
    (4, "labeled Unicast"),
    (5, "Multicast VPN"),
    (64, "Tunnel"),
    (65, "VPLS"),
    (66, "MDT"),
    (70, "EVPN"),
    (128, "labeled VPN Unicast"),
    (129, "labeled VPN Multicast"),
    (130, "labeled VPN Unicast+Multicast"),
    (132, "Route Target Routing Information"),
];

pub(super) const ATTRIBUTES: &[Row] = &[
    (1, "Origin"),
    (2, "AS Path"),
    (17, "AS4 Path"),
    (3, "Next Hop"),
    (4, "Multi Exit Discriminator"),
    (5, "Local Preference"),
    (6, "Atomic Aggregate"),
    (7, "Aggregator"),
    (18, "Aggregator4"),
    (8, "Community"),
    (9, "Originator ID"),
    (10, "Cluster List"),
    (11, "DPA"),
    (12, "Advertisers"),
    (13, "RCID Path / Cluster ID"),
    (14, "Multi-Protocol Reach NLRI"),
    (15, "Multi-Protocol Unreach NLRI"),
    (16, "Extended Community"),
    (22, "PMSI Tunnel"),
    (23, "Tunnel Encapsulation"),
    (24, "Traffic Engineering"),
    (25, "IPv6 Extended Community"),
    (26, "Accumulated IGP Metric"),
    (27, "PE Distinguisher Label"),
    (28, "Entropy Label"),
    (32, "Large Community"),
    (128, "Attribute Set"),
    (255, "Reserved for development"),
];

pub(super) const ORIGINS: &[Row] = &[(0, "IGP"), (1, "EGP"), (2, "Incomplete")];

pub(super) const ERRORS: &[Row] = &[
    (1, "Message Header Error"),
    (2, "OPEN Message Error"),
    (3, "UPDATE Message Error"),
    (4, "Hold Timer Expired"),
    (5, "Finite State Machine Error"),
    (6, "Cease"),
    (7, "Capability Message Error"),
];

/// Subcodes of an error, by the error's code.
pub(super) fn subcodes(error: u8) -> Option<&'static [Row]> {
    Some(match error {
        1 => &[(1, "Connection Not Synchronized"), (2, "Bad Message Length"), (3, "Bad Message Type")],
        2 => &[
            (1, "Unsupported Version Number"),
            (2, "Bad Peer AS"),
            (3, "Bad BGP Identifier"),
            (4, "Unsupported Optional Parameter"),
            (5, "Authentication Failure"),
            (6, "Unacceptable Hold Time"),
            (7, "Capability Message Error"),
        ],
        3 => &[
            (1, "Malformed Attribute List"),
            (2, "Unrecognized Well-known Attribute"),
            (3, "Missing Well-known Attribute"),
            (4, "Attribute Flags Error"),
            (5, "Attribute Length Error"),
            (6, "Invalid ORIGIN Attribute"),
            (7, "AS Routing Loop"),
            (8, "Invalid NEXT_HOP Attribute"),
            (9, "Optional Attribute Error"),
            (10, "Invalid Network Field"),
            (11, "Malformed AS_PATH"),
        ],
        5 => &[
            (0, "Unspecified Error"),
            (1, "In OpenSent State"),
            (2, "In OpenConfirm State"),
            (3, "In Established State"),
        ],
        6 => &[
            (1, "Maximum Number of Prefixes Reached"),
            (2, "Administrative Shutdown"),
            (3, "Peer Unconfigured"),
            (4, "Administrative Reset"),
            (5, "Connection Rejected"),
            (6, "Other Configuration Change"),
            (7, "Connection Collision Resolution"),
        ],
        7 => &[
            (1, "Invalid Action Value"),
            (2, "Invalid Capability Length"),
            (3, "Malformed Capability Value"),
            (4, "Unsupported Capability Code"),
        ],
        _ => return None,
    })
}

pub(super) const EXTENDED_FLAGS: &[Row] = &[(0x8000, "vendor-specific"), (0x4000, "non-transitive")];

pub(super) const EXTENDED: &[Row] = &[
    (0x0002, "target"),
    (0x0102, "target"),
    (0x0202, "target"),
    (0x0003, "origin"),
    (0x0103, "origin"),
    (0x0203, "origin"),
    (0x4004, "link-BW"),
    (0x0005, "ospf-domain"),
    (0x0105, "ospf-domain"),
    (0x0205, "ospf-domain"),
    (0x8005, "ospf-domain"),
    (0x0306, "ospf-route-type"),
    (0x8000, "ospf-route-type"),
    (0x0107, "ospf-router-id"),
    (0x8001, "ospf-router-id"),
    (0x800a, "layer2-info"),
    (0x0009, "source-AS"),
    (0x010b, "vrf-route-import"),
    (0x000a, "l2vpn-id"),
    (0x030c, "encapsulation"),
];

pub(super) const TUNNELS: &[Row] = &[
    (1, "L2TPv3 over IP"),
    (2, "GRE"),
    (3, "Transmit Tunnel"),
    (4, "IPsec"),
    (5, "IP in IP with IPsec"),
    (6, "MPLS in IP with IPsec"),
    (7, "IP in IP"),
    (8, "VXLAN"),
    (9, "NVGRE"),
    (10, "MPLS"),
    (11, "MPLS in GRE"),
    (12, "VXLAN GPE"),
    (13, "MPLS in UDP"),
    (14, "IPv6"),
    (15, "SR TE"),
    (16, "Bare"),
    (17, "SR"),
];

pub(super) const OSPF_ROUTES: &[Row] =
    &[(1, "Router"), (2, "Network/LSA"), (3, "Summary"), (5, "External"), (7, "External/NSSA"), (129, "MPLS-VPN Sham")];
