//! The named ends of a packet's life.

use core::fmt;

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal : $text:literal,)*) => {
        /// Why a packet was dropped. The names are the kernel's (`enum skb_drop_reason`, printed by `drop_monitor` and
        /// the `skb:kfree_skb` tracepoint without their `SKB_DROP_REASON_` prefix) where it has one; names of our own
        /// carry the prefix `HOPWISE_`.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum DropReason {
            $(#[doc = $text] $(#[$doc])* $variant,)*
        }

        impl DropReason {
            /// All of them, in the order of declaration.
            pub const ALL: &'static [DropReason] = &[$(DropReason::$variant),*];

            /// The kernel's name without prefix, e.g. `NEIGH_FAILED`.
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$variant => $name,)* }
            }

            /// What it means, in a few words for a person.
            pub const fn text(self) -> &'static str {
                match self { $(DropReason::$variant => $text,)* }
            }
        }
    };
}

drop_reasons! {
    NotSpecified = "NOT_SPECIFIED": "no particular reason was given",
    NoSocket = "NO_SOCKET": "no socket is bound to the destination port",
    PktTooSmall = "PKT_TOO_SMALL": "the packet is shorter than its headers say",
    TcpCsum = "TCP_CSUM": "the TCP checksum is wrong",
    UdpCsum = "UDP_CSUM": "the UDP checksum is wrong",
    IcmpCsum = "ICMP_CSUM": "the ICMP checksum is wrong",
    NetfilterDrop = "NETFILTER_DROP": "a netfilter rule or policy dropped it",
    OtherHost = "OTHERHOST": "the frame is addressed to another MAC address",
    IpCsum = "IP_CSUM": "the IPv4 header checksum is wrong",
    IpInHdr = "IP_INHDR": "the IPv4 header is malformed",
    IpRpFilter = "IP_RPFILTER": "reverse path filtering: a reply would leave through another link",
    UnicastInL2Multicast = "UNICAST_IN_L2_MULTICAST": "a unicast IP address in a link-layer multicast or broadcast frame",
    IpNoProto = "IP_NOPROTO": "no handler for the IP protocol",
    SocketRcvbuff = "SOCKET_RCVBUFF": "the receive buffer of the socket is full",
    IpInNoRoutes = "IP_INNOROUTES": "no route to the destination",
    IpOutNoRoutes = "IP_OUTNOROUTES": "no route to the destination of a packet made here",
    PktTooBig = "PKT_TOO_BIG": "larger than the MTU and not to be fragmented",
    DupFrag = "DUP_FRAG": "a fragment arrived twice or overlaps another one",
    FragReasmTimeout = "FRAG_REASM_TIMEOUT": "not all fragments arrived in time",
    FragTooFar = "FRAG_TOO_FAR": "fragments of too many other packets came in between",
    NeighCreateFail = "NEIGH_CREATEFAIL": "the neighbour table is full",
    NeighFailed = "NEIGH_FAILED": "the next hop did not answer ARP",
    NeighQueueFull = "NEIGH_QUEUEFULL": "too many packets wait for the next hop's ARP answer",
    NeighDead = "NEIGH_DEAD": "the neighbour entry was deleted while the packet waited",
    TunnelEcn = "IP_TUNNEL_ECN": "the path was congested and the inner packet cannot say so",
    DevHdr = "DEV_HDR": "the link-layer header could not be made",
    TcIngress = "TC_INGRESS": "a program of tc dropped it where it came in",
    TcEgress = "TC_EGRESS": "a program of tc dropped it where it went out",
    DevReady = "DEV_READY": "the link is not up",
    FullRing = "FULL_RING": "the queue of the link is full",
    Qdisc = "QDISC_DROP": "the queueing discipline dropped it",
    UnhandledProto = "UNHANDLED_PROTO": "no handler for the EtherType",
    IpInvalidSource = "IP_INVALID_SOURCE": "the source address is not one that may be a source here (martian)",
    IpInvalidDest = "IP_INVALID_DEST": "the destination address is not one that may be a destination here (martian)",
    IpLocalSource = "IP_LOCAL_SOURCE": "the source address is one of this host's own",
    IpLocalnet = "IP_LOCALNET": "a loopback address came in from outside",
    InvalidProto = "INVALID_PROTO": "the packet's link or protocol is not usable for IP",
    IcmpNoRoute = "IP_ICMP_NOROUTE": "no route for an ICMP message",
    BridgeIngressStpState = "BRIDGE_INGRESS_STP_STATE": "the bridge port is not in forwarding state",
    BridgeNoEgressPort = "BRIDGE_NO_EGRESS_PORT": "the bridge has no port to send the frame out of",
    MacInvalidSource = "MAC_INVALID_SOURCE": "the source MAC address is not a valid one",
    MacIeeeMacControl = "MAC_IEEE_MAC_CONTROL": "a link-local control frame, never forwarded by a bridge",
    ArpPvlanDisable = "ARP_PVLAN_DISABLE": "no proxy ARP for a private VLAN",
    LocalMac = "LOCAL_MAC": "the source MAC address is the link's own",
    NoTxTarget = "NO_TX_TARGET": "no destination is known for the frame",
    VxlanInvalidHdr = "VXLAN_INVALID_HDR": "the VXLAN header has no network number, or unknown flags",
    VxlanVniNotFound = "VXLAN_VNI_NOT_FOUND": "no VXLAN link that is up has this network number and port",
    VxlanEntryExists = "VXLAN_ENTRY_EXISTS": "a fixed entry of the forwarding database says that the sender is elsewhere",
    TtlExceeded = "HOPWISE_TTL_EXCEEDED": "the time to live ran out while forwarding",
    NotForwarding = "HOPWISE_NOT_FORWARDING": "the packet is for another host and forwarding is off (net.ipv4.ip_forward, or the link's forwarding)",
    RouteUnreachable = "HOPWISE_ROUTE_UNREACHABLE": "the route says unreachable",
    RouteProhibit = "HOPWISE_ROUTE_PROHIBIT": "the route says prohibit",
    RouteBlackhole = "HOPWISE_ROUTE_BLACKHOLE": "the route says blackhole",
    BridgeVlanFilter = "HOPWISE_BRIDGE_VLAN": "the bridge does not let frames of this VLAN pass here",
    ArpIgnored = "HOPWISE_ARP_IGNORED": "the ARP message asks for nothing that this host answers",
    IcmpIgnored = "HOPWISE_ICMP_IGNORED": "an ICMP message that this host does not answer (icmp_echo_ignore_*)",
    WireLoss = "HOPWISE_WIRE_LOSS": "lost on the wire, as the lab asked",
    WireDown = "HOPWISE_WIRE_DOWN": "the wire or its far end is down",
    DummySink = "HOPWISE_DUMMY": "a dummy link swallows what is sent",
    PeerMtu = "HOPWISE_PEER_MTU": "longer than the MTU of the other end of the veth allows",
    NoPeer = "HOPWISE_NO_PEER": "the peer of the veth is gone or down",
    TunnelTxinfo = "TUNNEL_TXINFO": "nobody said where in the tunnel the frame goes",
    NoTunnel = "HOPWISE_NO_TUNNEL": "no tunnel that is up has these ends",
    TunnelLoop = "HOPWISE_TUNNEL_LOOP": "the route to the tunnel's far end leads into the tunnel itself",
    TooDeep = "HOPWISE_TOO_DEEP": "too many virtual links handed the packet on: a loop of links",
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a packet's way through one namespace ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It left through a link and travels on.
    Sent,
    /// A socket has it.
    Delivered,
    /// It waits in a queue: for an ARP answer, for its other fragments.
    Held,
    /// It was used up: an ARP message handled, an echo answered, a packet cut into fragments.
    Consumed,
    /// It died.
    Dropped(DropReason),
}

#[cfg(test)]
mod tests {
    use super::DropReason;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = DropReason::ALL.iter().map(|r| r.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), DropReason::ALL.len());
    }
}
