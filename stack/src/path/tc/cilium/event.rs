//! What the programs tell: the events that go through the perf ring to `cilium monitor`. Nobody listens: nothing is kept.

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use hopwise_sim_core::{IfIndex, Time};

use super::ct::Status;
use super::maps::Match;

/// How many events wait for slow listeners; older ones are lost, as in the ring.
const MAX_EVENTS: usize = 8192;

/// Bytes of a packet that an event carries (`TRACE_PAYLOAD_LEN`).
pub const CAPTURED: usize = 128;

/// Where a packet was seen (`TRACE_*` of `bpf/lib/trace.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Point {
    /// On its way into a pod.
    ToEndpoint,
    /// On its way to the node itself.
    ToHost,
    /// Left to the node's network stack.
    ToStack,
    /// Into a tunnel.
    ToOverlay,
    /// Out of a pod.
    FromEndpoint,
    /// From the node itself.
    FromHost,
    /// Out of a tunnel.
    FromOverlay,
    /// In through a link of the node.
    FromNetwork,
    /// Out through a link of the node.
    ToNetwork,
}

impl Point {
    /// The word of the verbose form.
    pub const fn name(self) -> &'static str {
        match self {
            Point::ToEndpoint => "to-endpoint",
            Point::ToHost => "to-host",
            Point::ToStack => "to-stack",
            Point::ToOverlay => "to-overlay",
            Point::FromEndpoint => "from-endpoint",
            Point::FromHost => "from-host",
            Point::FromOverlay => "from-overlay",
            Point::FromNetwork => "from-network",
            Point::ToNetwork => "to-network",
        }
    }

    /// Whether a packet was seen where it came in (`TRACE_AGGREGATE_RX` leaves these out).
    pub const fn is_receipt(self) -> bool {
        matches!(self, Point::FromEndpoint | Point::FromHost | Point::FromOverlay | Point::FromNetwork)
    }
}

/// Why a program dropped a packet (`DROP_*` of `bpf/lib/common.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// Its source address is not that of the pod.
    InvalidSource,
    /// No policy allows it.
    Policy,
    /// A policy forbids it.
    PolicyDeny,
    /// Its headers are not whole, or its TTL is used up.
    Invalid,
    /// The header behind IP is not whole.
    CtInvalidHeader,
    /// A protocol that conntrack does not know.
    CtUnknownProtocol,
    /// Not IPv4, not ARP.
    UnknownL3,
    /// The program of the pod it goes to is gone.
    MissedTailCall,
    /// Nobody knows where it goes.
    Unroutable,
    /// A service has no pod any more.
    NoService,
    /// A later fragment: its first one is not known.
    FragmentNotFound,
    /// What came out of a tunnel claims to be this node.
    InvalidIdentity,
    /// Masquerading cannot translate it.
    NatUnsupported,
    /// The kernel has no route.
    NoFib,
    /// No port is free for masquerading.
    NatNoMapping,
}

impl Reason {
    /// Its words (`pkg/monitor/api/drop.go`).
    pub const fn text(self) -> &'static str {
        match self {
            Reason::InvalidSource => "Invalid source ip",
            Reason::Policy => "Policy denied",
            Reason::Invalid => "Invalid packet",
            Reason::CtInvalidHeader => "CT: Truncated or invalid header",
            Reason::CtUnknownProtocol => "CT: Unknown L4 protocol",
            Reason::UnknownL3 => "Unsupported L3 protocol",
            Reason::MissedTailCall => "Missed tail call",
            Reason::Unroutable => "Stale or unroutable IP",
            Reason::NoService => "Service backend not found",
            Reason::FragmentNotFound => "First logical datagram fragment not found",
            Reason::InvalidIdentity => "Invalid identity",
            Reason::NatNoMapping => "No mapping for NAT masquerade",
            Reason::NatUnsupported => "Unsupported protocol for NAT masquerade",
            Reason::NoFib => "FIB lookup failed",
            Reason::PolicyDeny => "Policy denied by denylist",
        }
    }
}

/// A debug message (`DBG_*` of `bpf/lib/dbg.h`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Debug {
    /// A lookup in the connection tracking map: who, with whom.
    CtLookup1(Ipv4Addr, u16, Ipv4Addr, u16),
    /// The same: protocol and flags of the key.
    CtLookup2(u8, u8),
    /// An entry was there: its lifetime and service.
    CtMatch(u32, u16),
    /// What came of it.
    CtVerdict(Status, u16),
    /// An entry was made: the number of the service whose address was translated, the identity of who opens, the address of
    /// the pod that serves.
    CtCreate(u16, u32, Ipv4Addr),
    /// An address has an identity; false: there was no entry.
    Mapped(Ipv4Addr, u32, bool),
    /// A pod of this node is the receiver: its number, and the sender's identity.
    LocalDelivery(u16, u32),
    /// The mark said who sends.
    InheritIdentity(u32),
    /// A packet came out of a tunnel with this identity.
    Decap(u32),
    /// A packet goes to a node through a tunnel.
    Encap(Ipv4Addr, u32),
    /// A packet is handed on to a link, or to the stack (0).
    Delivery(IfIndex),
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A debug message.
    Debug(Debug),
    /// A packet was seen.
    Trace {
        /// Where.
        point: Point,
        /// How it stands to what is known.
        status: Status,
        /// The link it goes to or came from.
        ifindex: IfIndex,
        /// The identities of both ends, 0 if not known.
        identities: (u32, u32),
        /// The source before any translation.
        original: Ipv4Addr,
        /// The pod it goes to.
        to: u16,
    },
    /// A packet was dropped.
    Drop {
        /// Why.
        reason: Reason,
        /// The identities of both ends.
        identities: (u32, u32),
        /// The pod it would have gone to.
        to: u16,
    },
    /// A policy that is enforced decided.
    Verdict {
        /// The identity of the other end.
        remote: u32,
        /// Protocol.
        protocol: u8,
        /// It came to the pod.
        ingress: bool,
        /// It may pass.
        allowed: bool,
        /// Because of what.
        matched: Match,
    },
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    /// When.
    pub at: Time,
    /// The endpoint whose program told it.
    pub source: u16,
    /// What.
    pub kind: Kind,
    /// How long the packet is.
    pub len: u32,
    /// Its first bytes; empty if the event carries none.
    pub data: Vec<u8>,
}

/// Which packets are told of (`monitor-aggregation`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Aggregation {
    /// All.
    #[default]
    None,
    /// Not where they come in.
    Lowest,
    /// As before.
    Low,
    /// Of a known connection only now and then, and those that open and close it.
    Medium,
    /// As before; headers of more layers would be left out.
    Maximum,
}

/// The ring and its listeners.
#[derive(Clone, Debug, Default)]
pub struct Events {
    ring: VecDeque<Event>,
    /// Number of the event at the front of the ring.
    first: u64,
    /// Who listens: the owner to be woken.
    listeners: Vec<u64>,
    fresh: bool,
}

impl Events {
    /// Whether anybody listens.
    #[inline]
    pub fn on(&self) -> bool {
        !self.listeners.is_empty()
    }

    /// Someone begins to listen; gives the number of the next event.
    pub fn listen(&mut self, owner: u64) -> u64 {
        self.listeners.push(owner);
        self.first + self.ring.len() as u64
    }

    /// Someone does not listen any more.
    pub fn leave(&mut self, owner: u64) {
        self.listeners.retain(|one| *one != owner);
        if self.listeners.is_empty() {
            self.first += self.ring.len() as u64;
            self.ring.clear();
        }
    }

    /// The event of that number and the next number; events that were lost in between are skipped.
    pub fn next(&self, number: u64) -> Option<(&Event, u64)> {
        let number = number.max(self.first);
        let event = self.ring.get((number - self.first) as usize)?;
        Some((event, number + 1))
    }

    /// Tells an event.
    pub(super) fn tell(&mut self, event: Event) {
        if self.ring.len() == MAX_EVENTS {
            self.ring.pop_front();
            self.first += 1;
        }
        self.ring.push_back(event);
        self.fresh = true;
    }

    /// Whether something was told since this was last asked.
    pub(crate) fn wakes(&mut self) -> bool {
        core::mem::take(&mut self.fresh)
    }

    /// Who listens.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = u64> {
        self.listeners.iter().copied()
    }
}
