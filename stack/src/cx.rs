//! What a namespace can reach beyond itself while a packet is on its way: the clock, the buffers, the agenda, the
//! observers. There is no way from one namespace to another one except a packet in the agenda.

use core::net::Ipv4Addr;
use core::ops::ControlFlow;

use hopwise_sim_core::{
    Agenda, Detail, DropReason, Duration, Fate, HostId, IfIndex, Journey, Key, NsId, Packet, Pool, Time,
};

use crate::capture::CaptureLog;
use crate::jiffies;
use crate::path::ipip::Failure;
use crate::socket::tcp::ConnId;

/// What a stage of the packet path returns: the packet goes on, or its life here has ended.
pub type Verdict = ControlFlow<Fate, Packet>;

/// Something that will happen in a namespace.
#[derive(Clone, Debug)]
pub enum Event {
    /// A packet goes on.
    Packet(Flight),
    /// The link below, in another namespace, did not take a frame that this link has counted as sent.
    NotSent {
        /// Where the link is.
        ns: NsId,
        /// The link.
        link: IfIndex,
        /// Bytes of the frame.
        len: u32,
    },
    /// A timer of a namespace runs out.
    Timer(NsId, TimerKind),
}

impl Event {
    /// The packet that is on its way by this event.
    pub const fn flight(&self) -> Option<&Flight> {
        match self {
            Event::Packet(flight) => Some(flight),
            Event::NotSent { .. } | Event::Timer(..) => None,
        }
    }
}

/// A packet on its way.
///
/// The order is that of the bytes on purpose: what comes out of the agenda is moved in pieces of 16 bytes that overlap in the middle, and
/// a processor waits long for a word that lies across two of them. The packet, which is looked at first, lies in the second.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Flight {
    /// Where it goes on.
    pub way: Way,
    /// In which namespace.
    pub ns: NsId,
    /// The packet.
    pub packet: Packet,
}

/// Where a packet goes on that comes from the agenda.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// A frame, from its link-layer header on, arrives at a link, or comes up again (loopback, a decapsulated packet).
    In(IfIndex),
    /// A link sends a frame for one that stands on it in another namespace (a macvlan in a pod).
    Out(IfIndex),
    /// A packet, from its IPv4 header on, that passed INPUT where the link below an ipvlan is (mode l3s) is delivered where
    /// the ipvlan is.
    LocalIn(IfIndex),
    /// A packet with an outer header, which lacks what follows from its route, is sent where its tunnel was made.
    Outer {
        /// Where the tunnel's link is.
        tunnel: (NsId, IfIndex),
        /// The link that it must leave through, if the tunnel is bound to one.
        oif: IfIndex,
    },
    /// A packet given to a tunnel's link, now without an outer header, could not be sent in the namespace below.
    TunnelFailed {
        /// The tunnel's link.
        link: IfIndex,
        /// Why.
        why: Failure,
    },
}

impl Way {
    /// The link that the packet is on its way to or through.
    #[inline]
    pub const fn link(self) -> IfIndex {
        match self {
            Way::In(link)
            | Way::Out(link)
            | Way::LocalIn(link)
            | Way::Outer { tunnel: (_, link), .. }
            | Way::TunnelFailed { link, .. } => link,
        }
    }
}

/// The timers of a namespace. Timers are not cancelled: one that has lost its meaning finds so when it runs out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimerKind {
    /// The timer of a neighbour entry; the generation says whether it is still the current one.
    Neigh {
        /// The neighbour's address.
        addr: Ipv4Addr,
        /// The link.
        link: IfIndex,
        /// Generation.
        generation: u32,
    },
    /// Garbage collection of the neighbour table.
    NeighGc,
    /// A delayed proxy ARP answer is due.
    ProxyArp {
        /// Its place in the queue.
        id: u32,
    },
    /// A reassembly queue runs out of time.
    Frag {
        /// Generation.
        id: u32,
    },
    /// The link watcher of this namespace's host looks at the links whose carrier changed.
    LinkWatch,
    /// An address stops being preferred or valid.
    Address,
    /// Something happens to a wire.
    Wire {
        /// Its place in the list of what was planned: see [`Network::plan_wire_change`](crate::Network::plan_wire_change).
        index: u32,
    },
    /// An ICMP error about an outer packet reached a tunnel's link.
    TunnelError {
        /// The link.
        link: IfIndex,
    },
    /// The other end of a veth sent a frame that this one does not take.
    Refused {
        /// The link.
        link: IfIndex,
    },
    /// The queueing discipline of a link has a packet to send.
    Qdisc {
        /// The link.
        link: IfIndex,
    },
    /// A timer of a TCP connection.
    Tcp {
        /// The connection.
        conn: ConnId,
        /// Which of those that had this place one after the other.
        generation: u32,
    },
}

/// The surroundings of a namespace.
pub struct Cx<'a> {
    /// The present.
    pub now: Time,
    /// The namespace that is being worked in.
    pub ns: NsId,
    /// Its host.
    pub host: HostId,
    /// How many events this host has put on the agenda.
    pub sequence: &'a mut u64,
    /// The packet buffers.
    pub pool: &'a mut Pool,
    /// The future.
    pub agenda: &'a mut Agenda<Event>,
    /// The records of what happened to packets.
    pub journey: &'a mut Journey,
    /// The frames captured.
    pub captures: &'a mut CaptureLog,
    /// Programs to be woken: their sockets got something.
    pub wakeups: &'a mut Vec<u64>,
    /// A copy that `TEE` made is on its way: it is not copied again (`nf_skb_duplicated`).
    pub copying: bool,
}

impl Cx<'_> {
    /// Puts a frame on the agenda: it arrives at a link (of any namespace) after a constant delay.
    pub fn send(&mut self, delay: Duration, ns: NsId, link: IfIndex, packet: Packet) {
        self.put(delay, Event::Packet(Flight { way: Way::In(link), ns, packet }));
    }

    /// A packet goes on in another namespace, now, after what is going on.
    pub fn soon(&mut self, ns: NsId, way: Way, packet: Packet) {
        self.put(Duration::ZERO, Event::Packet(Flight { way, ns, packet }));
    }

    /// Sets a timer of this namespace.
    pub fn timer(&mut self, at: Time, timer: TimerKind) {
        let key = self.key(at.max(self.now));
        self.agenda.push_at(key, Event::Timer(self.ns, timer));
    }

    /// Sets a timer of the kernel's timer wheel, which fires somewhat later than it is set for.
    pub fn wheel_timer(&mut self, at: Time, timer: TimerKind) {
        self.timer(jiffies::fires(self.now, at), timer);
    }

    /// Lets a timer of any namespace run out now, after what is going on.
    pub fn timer_soon(&mut self, ns: NsId, timer: TimerKind) {
        self.put(Duration::ZERO, Event::Timer(ns, timer));
    }

    /// Puts something on the agenda.
    // Always inlined: the event is put together in its place there, and not written twice.
    #[inline(always)]
    pub(crate) fn put(&mut self, delay: Duration, event: Event) {
        let key = self.key(self.now + delay);
        self.agenda.push_after(delay, key, event);
    }

    #[inline]
    fn key(&mut self, at: Time) -> Key {
        *self.sequence += 1;
        Key::new(at, self.host, *self.sequence)
    }

    /// Writes down what happened to a packet, if anybody wants to know.
    #[inline]
    pub fn note(&mut self, packet: &Packet, detail: impl FnOnce() -> Detail) {
        self.journey.note(self.now, self.ns, packet.id, detail);
    }

    /// Ends a packet's life with a reason.
    #[cold]
    pub fn drop(&mut self, packet: Packet, reason: DropReason) -> Fate {
        self.note(&packet, || Detail::Dropped { reason });
        self.pool.dropped(packet);
        Fate::Dropped(reason)
    }

    /// Ends a packet's life as used up by `by`.
    pub fn consume(&mut self, packet: Packet, by: &'static str) -> Fate {
        self.note(&packet, || Detail::Consumed { by });
        self.pool.consumed(packet);
        Fate::Consumed
    }

    /// Ends a packet's life as delivered to a socket.
    pub fn deliver(&mut self, packet: Packet, socket: &'static str) -> Fate {
        self.note(&packet, || Detail::Delivered { socket });
        self.pool.delivered(packet);
        Fate::Delivered
    }
}
