//! The journey of a packet: small plain records, one per decision.
//!
//! The packet path has one kind of observing statement, [`Journey::note`]. Switched off it is one predictable branch;
//! switched on it appends a record. Nobody is called back: records are read afterwards.

use core::net::Ipv4Addr;

use crate::{DropReason, IfIndex, Maker, NsId, OriginId, PacketId, Time};

/// One thing that happened to one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// When.
    pub at: Time,
    /// In which namespace.
    pub ns: NsId,
    /// To which packet.
    pub packet: PacketId,
    /// What.
    pub detail: Detail,
}

/// What happened: the stage of the packet path and what was decided there.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// `link_rx`: the frame came in through this link. `summary` is its first bytes, for printing.
    LinkRx {
        /// The link.
        link: IfIndex,
    },
    /// `dev_xmit`: the frame was given to this link.
    LinkTx {
        /// The link.
        link: IfIndex,
    },
    /// The packet was made in this namespace, `from` another one if it is an answer to it or a part of it.
    Born {
        /// Who made it: a socket, the ICMP or ARP layer, the fragmenter, a bridge's flooding.
        by: &'static str,
        /// The packet that caused it, if any.
        from: Option<PacketId>,
    },
    /// `bridge`: the port's frame was learned from and switched.
    Bridge {
        /// The bridge link.
        bridge: IfIndex,
        /// The port it came in through ([`IfIndex::NONE`]: sent by the bridge link itself).
        port: IfIndex,
        /// The destination MAC address looked up.
        dst: [u8; 6],
        /// What was found.
        verdict: BridgeVerdict,
    },
    /// `route`: a table was looked up for a destination.
    Route {
        /// The destination address.
        dst: Ipv4Addr,
        /// The table that answered.
        table: u32,
        /// The rule's preference number that led to the table.
        rule: u32,
        /// The prefix that matched, address and length.
        prefix: (Ipv4Addr, u8),
        /// The kind of route: `unicast`, `local`, `broadcast`, `unreachable`...
        kind: &'static str,
        /// The next hop's address if it has one.
        via: Option<Ipv4Addr>,
        /// The link it leaves through.
        oif: IfIndex,
        /// Who made the route.
        maker: Maker,
    },
    /// `route`: no route was found, or the one found refuses.
    NoRoute {
        /// The destination address.
        dst: Ipv4Addr,
        /// The route that refuses, if there is one.
        refused: Option<Refused>,
    },
    /// `ip_forward`: the TTL was lowered to this.
    Forward {
        /// TTL after lowering.
        ttl: u8,
    },
    /// `ip_local_deliver`: the packet is for this host; `protocol` is the IP protocol number.
    LocalIn {
        /// IP protocol number.
        protocol: u8,
    },
    /// `neigh_out`: the neighbour entry that the packet met.
    Neigh {
        /// The neighbour's address.
        addr: Ipv4Addr,
        /// The link.
        link: IfIndex,
        /// State name as `ip neigh` prints it.
        state: &'static str,
        /// Its MAC address, if known.
        lladdr: Option<[u8; 6]>,
    },
    /// The packet waits.
    Held {
        /// For what.
        why: &'static str,
    },
    /// The packet was cut into fragments no larger than this.
    Fragmented {
        /// The MTU.
        mtu: u32,
    },
    /// The last missing fragment came and the packet is whole again.
    Reassembled,
    /// A socket has it.
    Delivered {
        /// The kind of socket.
        socket: &'static str,
    },
    /// It was used up by a protocol of this host.
    Consumed {
        /// By what.
        by: &'static str,
    },
    /// A hook of netfilter: a rule matched, or a policy decided.
    Rule(Box<RuleNote>),
    /// A hook of netfilter: the connection that the packet belongs to, in words.
    Connection(Box<str>),
    /// A hook of netfilter: the packet was changed.
    Rewritten(Box<Rewrite>),
    /// A tunnel put the packet into another one.
    Encapsulated(Box<TunnelNote>),
    /// A tunnel took the packet out of another one.
    Decapsulated(Box<TunnelNote>),
    /// A tunnel knows nothing about where the packet goes.
    Miss {
        /// The tunnel.
        link: IfIndex,
        /// What it was asked for.
        what: Miss,
    },
    /// A program of tc looked at the frame.
    Program(Box<ProgramNote>),
    /// It died.
    Dropped {
        /// Why.
        reason: DropReason,
    },
}

/// A route that leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refused {
    /// `blackhole`, `unreachable`, `prohibit`.
    pub kind: &'static str,
    /// Its prefix, address and length.
    pub prefix: (Ipv4Addr, u8),
    /// Who made it.
    pub maker: Maker,
}

/// What a rule decided about a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleNote {
    /// The hook, by the name of its chains: `PREROUTING`.
    pub hook: &'static str,
    /// The table: `nat`.
    pub table: &'static str,
    /// The chain the rule is in.
    pub chain: String,
    /// Its number there, from 1 on; `None`: the chain's policy.
    pub number: Option<u32>,
    /// The rule as `iptables -S` prints it.
    pub text: String,
    /// What came of it: `ACCEPT`, `jump KUBE-SVC-X`, `continue`...
    pub verdict: String,
    /// Who put the rule there.
    pub origin: OriginId,
    /// What its chain is for, or the one that it leads to.
    pub purpose: OriginId,
}

/// What a program of tc did with a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramNote {
    /// The link.
    pub link: IfIndex,
    /// `ingress` or `egress`.
    pub hook: &'static str,
    /// The name of the program.
    pub program: &'static str,
    /// What it said.
    pub verdict: String,
    /// Who talks with whom, by their identities; 0: not known.
    pub identity: (u32, u32),
    /// Why it dropped the frame, or how the frame stands to its connection; may be empty.
    pub why: &'static str,
}

/// A packet in another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelNote {
    /// The tunnel, and the namespace it is in.
    pub link: (NsId, IfIndex),
    /// Its kind: `vxlan`.
    pub kind: &'static str,
    /// The first bytes of what is outside, from its IPv4 header on.
    pub outer: Vec<u8>,
    /// The first bytes of what is inside: from the Ethernet header on if the tunnel carries frames.
    pub inner: Vec<u8>,
}

/// What a tunnel does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Which host a MAC address is behind (`l2miss`).
    Mac([u8; 6]),
    /// The MAC address of an IP address (`l3miss`).
    Ip(Ipv4Addr),
}

/// How a packet was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// The hook.
    pub hook: &'static str,
    /// By whom: `nat`, a table.
    pub by: &'static str,
    /// Its first bytes before, from the IPv4 header on.
    pub before: Vec<u8>,
    /// The same bytes afterwards.
    pub after: Vec<u8>,
}

/// What a bridge did with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BridgeVerdict {
    /// The destination was learned on this port.
    Forward {
        /// The port.
        port: IfIndex,
    },
    /// Sent to every other port (unknown unicast, broadcast, multicast).
    Flood {
        /// To how many ports.
        ports: u16,
    },
    /// For the bridge link itself.
    Local,
    /// For the bridge link itself and all other ports.
    LocalAndFlood {
        /// To how many ports.
        ports: u16,
    },
}

/// At most this many records are kept: 16 million of 80 bytes are 1.3 gigabytes; a lab has thousands.
const MAX_RECORDS: usize = 16 << 20;

/// The collected records of a world.
#[derive(Clone, Debug, Default)]
pub struct Journey {
    on: bool,
    records: Vec<Record>,
    lost: u64,
}

impl Journey {
    /// Switches recording on or off.
    pub fn set_on(&mut self, on: bool) {
        self.on = on;
    }

    /// Whether records are being written.
    #[inline]
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// Writes a record if recording is on; `detail` is only evaluated then.
    #[inline]
    pub fn note(&mut self, at: Time, ns: NsId, packet: PacketId, detail: impl FnOnce() -> Detail) {
        if self.on {
            self.keep(Record { at, ns, packet, detail: detail() });
        }
    }

    #[cold]
    fn keep(&mut self, record: Record) {
        if self.records.len() < MAX_RECORDS {
            self.records.push(record);
        } else {
            self.lost += 1;
        }
    }

    /// The records so far, in the order they were written.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many records were not kept because there were too many.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes the records out, leaving none.
    pub fn take(&mut self) -> Vec<Record> {
        core::mem::take(&mut self.records)
    }
}
