//! Sockets: UDP, TCP, raw IP and packet sockets, as programs use them. Nothing blocks: a program that finds nothing to read
//! is woken (its `owner` number goes into the world's list of wakeups) when something arrives.

pub mod calls;
pub mod packet;
pub mod raw;
pub mod tcp;
pub mod udp;

use core::net::Ipv4Addr;
use std::collections::VecDeque;

use hopwise_protocols::wire::ethernet::MacAddr;
use hopwise_sim_core::{IfIndex, PacketId, PacketType, Time, VlanTag};
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::capture::Direction;
use crate::error::Errno;
use crate::path::icmp::Report;

/// A socket's number within its namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SocketId(pub u32);

/// How many bytes a socket holds for its reader (`net.core.rmem_default`).
pub const RCVBUF: usize = 212_992;

/// What kind a socket is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketKind {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// Raw IPv4 of one protocol: reads whole IPv4 packets.
    Raw {
        /// IP protocol number.
        protocol: u8,
    },
    /// Whole frames of a link, or of all links (`packet(7)`).
    Packet {
        /// EtherType wanted; [`ETH_P_ALL`](hopwise_protocols::wire::ethernet::ETH_P_ALL) for every one.
        protocol: u16,
    },
}

/// Whether packets may be fragmented on their way (`IP_MTU_DISCOVER`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum PmtuDisc {
    /// Never set "don't fragment" (`ping -M dont`).
    Dont,
    /// Set it on packets that fit, fragment those that do not (the default).
    #[default]
    Want,
    /// Always set it; what does not fit is an error (`ping -M do`).
    Do,
    /// Set it and ignore the path MTU.
    Probe,
}

/// Socket options.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SockOpts {
    /// `IP_TTL`; `None`: the namespace's default.
    pub ttl: Option<u8>,
    /// `IP_TOS`.
    pub tos: u8,
    /// `IP_MTU_DISCOVER`.
    pub pmtudisc: PmtuDisc,
    /// `IP_RECVERR`: ICMP errors go into the error queue.
    pub recverr: bool,
    /// `SO_BROADCAST`.
    pub broadcast: bool,
    /// `SO_MARK`.
    pub mark: u32,
    /// `IP_MULTICAST_TTL`; `None`: 1.
    pub multicast_ttl: Option<u8>,
    /// Memory for what is to be sent, once it was set (`SO_SNDBUF`).
    pub sndbuf: Option<u32>,
    /// Memory for what was received, once it was set (`SO_RCVBUF`).
    pub rcvbuf: Option<u32>,
    /// `TCP_MAXSEG`; 0: what the route says.
    pub maxseg: u16,
    /// `IP_OPTIONS`: what follows the header, at most 40 bytes, padded to four.
    pub options: Option<([u8; 40], u8)>,
}

/// What was received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Datagram {
    /// When it arrived.
    pub at: Time,
    /// From whom.
    pub from: (Ipv4Addr, u16),
    /// To which of our addresses.
    pub to: (Ipv4Addr, u16),
    /// Through which link.
    pub iif: IfIndex,
    /// TTL on arrival.
    pub ttl: u8,
    /// TOS on arrival.
    pub tos: u8,
    /// UDP: the payload; raw: the whole IPv4 packet; packet socket: the frame from its link-layer header.
    pub bytes: Vec<u8>,
    /// Which packet it was.
    pub packet: PacketId,
    /// Packet sockets: which way it passed and for whom it was.
    pub seen: Option<(Direction, PacketType)>,
    /// Packet sockets: the tag that was beside the frame and stands first in its bytes (`PACKET_AUXDATA`).
    pub tag: VlanTag,
}

/// An ICMP error, or a local refusal, about something that was sent (`struct sock_extended_err`).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SockError {
    /// When.
    pub at: Time,
    /// As which errno it shows.
    pub errno: Errno,
    /// Who reported it: `None` for this host itself (`SO_EE_ORIGIN_LOCAL`).
    pub from: Option<Ipv4Addr>,
    /// ICMP type and code.
    pub icmp: (u8, u8),
    /// The MTU, if the error carries one.
    pub info: u32,
    /// Where the packet that failed was going.
    pub to: (Ipv4Addr, u16),
    /// The payload of the packet that failed, as far as the error quotes it (raw ICMP: the ICMP message).
    pub bytes: Vec<u8>,
    /// TTL of the ICMP packet.
    pub ttl: u8,
}

/// A socket.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Who is woken.
    pub owner: u64,
    /// Kind.
    pub kind: SocketKind,
    /// `SO_BINDTODEVICE`, or the link a packet socket listens to ([`IfIndex::NONE`]: all).
    pub bound_dev: IfIndex,
    /// Local address and port; unspecified and 0 if not bound.
    pub local: (Ipv4Addr, u16),
    /// Packet sockets: whether the link was asked to receive everybody's frames (`PACKET_MR_PROMISC`).
    pub promisc: bool,
    /// The peer of a connected socket.
    pub remote: Option<(Ipv4Addr, u16)>,
    /// Options.
    pub opts: SockOpts,
    /// What waits to be read.
    pub queue: VecDeque<Datagram>,
    /// Bytes in the queue.
    pub queued: usize,
    /// How many were dropped because the queue was full.
    pub dropped: u64,
    /// The error queue.
    pub errors: VecDeque<SockError>,
    /// The error that the next call returns (`sk_err`).
    pub pending: Option<Errno>,
    /// The kernel's own, for a tunnel (`encap_rcv`): what arrives goes to its links.
    pub tunnel: bool,
    /// `SO_REUSEADDR`, of TCP and UDP sockets.
    pub reuse: bool,
    /// What a TCP socket does.
    pub tcp: tcp::Role,
}

impl Socket {
    /// Queues something for the reader; false if there is no room (`sock_queue_rcv_skb`).
    pub fn enqueue(&mut self, datagram: Datagram) -> bool {
        let room = match self.kind {
            SocketKind::Packet { .. } => RCVBUF * 64,
            _ => self.opts.rcvbuf.map_or(RCVBUF, |bytes| bytes as usize),
        };
        if self.queued + datagram.bytes.len() > room {
            self.dropped += 1;
            return false;
        }
        self.queued += datagram.bytes.len();
        self.queue.push_back(datagram);
        true
    }

    /// Hears of an ICMP error about a packet that it sent to `to`, of which `bytes` came back. Without `IP_RECVERR` only a connected
    /// socket hears of errors, and only of those that are final (`__udp4_lib_err`, `raw_err`).
    pub(crate) fn hear(&mut self, now: Time, report: &Report, to: (Ipv4Addr, u16), bytes: &[u8]) {
        let (errno, fatal) = report.errno;
        if self.opts.recverr {
            self.errors.push_back(SockError {
                at: now,
                errno,
                from: Some(report.from),
                icmp: report.icmp,
                info: report.info,
                to,
                bytes: bytes.to_vec(),
                ttl: report.ttl,
            });
        }
        if self.opts.recverr || (fatal && self.remote.is_some()) {
            self.pending = Some(errno);
        }
    }

    /// Takes what has waited longest.
    pub fn recv(&mut self) -> Option<Datagram> {
        let datagram = self.queue.pop_front()?;
        self.queued -= datagram.bytes.len();
        Some(datagram)
    }
}

/// The sockets of a namespace.
#[derive(Clone, Debug, Default)]
pub struct SocketTable {
    slots: Vec<Option<Box<Socket>>>,
    /// TCP connections, and who listens.
    pub tcp: tcp::TcpTable,
    /// UDP sockets by local port.
    pub(crate) udp: FxHashMap<u16, SmallVec<[SocketId; 1]>>,
    /// Raw sockets, in the order of opening.
    pub(crate) raw: Vec<SocketId>,
    /// Packet sockets, in the order of opening.
    pub(crate) packet: Vec<SocketId>,
}

impl SocketTable {
    /// Opens a socket for `owner`.
    pub fn open(&mut self, owner: u64, kind: SocketKind) -> SocketId {
        let socket = Box::new(Socket {
            owner,
            kind,
            bound_dev: IfIndex::NONE,
            local: (Ipv4Addr::UNSPECIFIED, 0),
            promisc: false,
            remote: None,
            opts: SockOpts::default(),
            queue: VecDeque::new(),
            queued: 0,
            dropped: 0,
            errors: VecDeque::new(),
            pending: None,
            tunnel: false,
            reuse: false,
            tcp: tcp::Role::default(),
        });
        let slot = match self.slots.iter().position(Option::is_none) {
            Some(slot) => {
                self.slots[slot] = Some(socket);
                slot
            }
            None => {
                self.slots.push(Some(socket));
                self.slots.len() - 1
            }
        };
        let id = SocketId(slot as u32);
        match kind {
            SocketKind::Raw { .. } => self.raw.push(id),
            SocketKind::Packet { .. } => self.packet.push(id),
            SocketKind::Udp | SocketKind::Tcp => {}
        }
        id
    }

    /// Closes a socket.
    pub fn close(&mut self, id: SocketId) -> Option<Box<Socket>> {
        let socket = self.slots.get_mut(id.0 as usize)?.take()?;
        self.raw.retain(|&s| s != id);
        self.packet.retain(|&s| s != id);
        self.unhash(id, socket.local.1);
        Some(socket)
    }

    pub(crate) fn unhash(&mut self, id: SocketId, port: u16) {
        if let Some(list) = self.udp.get_mut(&port) {
            list.retain(|s| *s != id);
            if list.is_empty() {
                self.udp.remove(&port);
            }
        }
    }

    /// A socket.
    pub fn get(&self, id: SocketId) -> Option<&Socket> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    /// A socket, to be changed.
    pub fn get_mut(&mut self, id: SocketId) -> Option<&mut Socket> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    /// The numbers of all open sockets.
    pub fn ids(&self) -> Vec<SocketId> {
        self.iter().map(|(id, _)| id).collect()
    }

    /// All open sockets.
    pub fn iter(&self) -> impl Iterator<Item = (SocketId, &Socket)> {
        self.slots.iter().enumerate().filter_map(|(i, s)| Some((SocketId(i as u32), s.as_deref()?)))
    }
}

/// Where a packet socket sends: the frame is complete, so only the link matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LinkDest {
    /// The link.
    pub link: IfIndex,
    /// EtherType of the header that is put in front (`SOCK_DGRAM`).
    pub protocol: u16,
    /// Destination address of that header.
    pub dst: MacAddr,
}
