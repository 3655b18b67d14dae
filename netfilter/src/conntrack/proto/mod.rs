//! The trackers of the transport protocols: what a packet does to its connection.

pub mod sctp;
pub mod tcp;
mod udp;

use hopwise_protocols::wire::checksum;
use hopwise_protocols::wire::icmp::{ICMP_ADDRESS, ICMP_ECHO, ICMP_INFO_REQUEST, ICMP_TIMESTAMP};
use hopwise_protocols::wire::ipv4::{IPPROTO_GRE, IPPROTO_ICMP, IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP};
use hopwise_sim_core::Time;

use super::conn::{Conn, ConnStatus};
use super::events::EventMask;
use super::settings::{Setting, Settings};
use super::tuple::{Direction, IPPROTO_UDPLITE};
use crate::hook::Hook;

/// What the tracker of a connection's protocol remembers of it (`union nf_conntrack_proto`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proto {
    /// Nothing.
    #[default]
    None,
    /// TCP.
    Tcp(tcp::Tcp),
    /// UDP: from when on an answered flow counts as a stream.
    Udp {
        /// Two seconds after it began.
        stream_from: Time,
    },
    /// SCTP.
    Sctp(sctp::Sctp),
}

/// What a tracker says of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It belongs to the connection.
    Accept,
    /// It does not.
    Invalid,
    /// It begins a new connection in the place of this one, which has ended (`NF_REPEAT`).
    Reopen,
    /// It belongs to the connection and ends it at once (`nf_ct_kill_acct`).
    Kill,
}

/// A packet and its surroundings, as trackers see them.
pub(crate) struct Seen<'a> {
    pub(crate) now: Time,
    pub(crate) hook: Hook,
    pub(crate) settings: &'a Settings,
    /// The packet from its IPv4 header on.
    pub(crate) packet: &'a [u8],
    /// Where its transport header begins.
    pub(crate) offset: usize,
    pub(crate) direction: Direction,
    /// Filled with the reason if the packet is invalid or odd and somebody wants to know.
    pub(crate) log: &'a mut Option<String>,
}

impl Seen<'_> {
    /// Transport header and payload.
    #[inline]
    pub(crate) fn transport(&self) -> &[u8] {
        self.packet.get(self.offset..).unwrap_or(&[])
    }

    /// Lives on for the span that is set, and counts.
    #[inline]
    pub(crate) fn refresh(&self, conn: &mut Conn, lifetime: Setting) {
        conn.refresh(self.now, self.settings.span(lifetime), self.direction, self.packet.len());
    }

    /// Notes a reason for the kernel's log, if that is asked for. `nf_ct_l4proto_log_invalid`.
    #[inline]
    pub(crate) fn log(&mut self, protocol: u8, text: impl FnOnce() -> String) {
        let wanted = self.settings[Setting::LogInvalid];
        if wanted == 255 || wanted != 0 && wanted == u32::from(protocol) {
            *self.log = Some(text());
        }
    }

    /// The same for a packet that is invalid.
    #[cold]
    pub(crate) fn invalid(&mut self, protocol: u8, text: impl FnOnce() -> String) -> Outcome {
        self.log(protocol, text);
        Outcome::Invalid
    }

    /// Whether the checksum has to be looked at: only for what comes in (`nf_conntrack_checksum`).
    #[inline]
    pub(crate) fn verifies(&self) -> bool {
        self.hook == Hook::PreRouting && self.settings.on(Setting::Checksum)
    }

    /// Whether the first `len` bytes from the transport header on and the pseudo header sum up to what they should.
    #[inline]
    pub(crate) fn checksum_is_right(&self, protocol: u8, len: usize) -> bool {
        let (Some(header), Some(bytes)) = (self.packet.first_chunk::<20>(), self.transport().get(..len)) else {
            return false;
        };
        let pseudo = checksum::add(checksum::sum(&header[12..20]), checksum::add(u16::from(protocol), len as u16));
        checksum::add(pseudo, checksum::sum(bytes)) == 0xffff
    }
}

/// Gives a packet to the tracker of its protocol. `nf_conntrack_handle_packet`.
#[inline]
pub(crate) fn packet(seen: &mut Seen<'_>, conn: &mut Conn) -> Outcome {
    match conn.protocol() {
        IPPROTO_TCP => tcp::packet(seen, conn),
        IPPROTO_UDP => udp::packet(seen, conn),
        IPPROTO_UDPLITE => udp::lite_packet(seen, conn),
        IPPROTO_ICMP => icmp(seen, conn),
        IPPROTO_SCTP => sctp::packet(seen, conn),
        IPPROTO_GRE => gre(seen, conn),
        _ => {
            seen.refresh(conn, Setting::GenericTimeout);
            Outcome::Accept
        }
    }
}

/// What is remembered of a connection that was made by hand.
pub(crate) fn start(protocol: u8, now: Time) -> Proto {
    match protocol {
        IPPROTO_TCP => Proto::Tcp(tcp::Tcp::by_hand(tcp::TcpState::None, true)),
        IPPROTO_UDP | IPPROTO_UDPLITE => Proto::Udp { stream_from: now },
        _ => Proto::None,
    }
}

/// Queries and their answers. `nf_conntrack_icmp_packet`.
fn icmp(seen: &mut Seen<'_>, conn: &mut Conn) -> Outcome {
    let [kind, _] = conn.tuple(Direction::Original).dst.port.to_be_bytes();
    if !matches!(kind, ICMP_ECHO | ICMP_TIMESTAMP | ICMP_INFO_REQUEST | ICMP_ADDRESS) {
        return Outcome::Invalid;
    }
    seen.refresh(conn, Setting::IcmpTimeout);
    Outcome::Accept
}

/// `nf_conntrack_gre_packet`.
fn gre(seen: &mut Seen<'_>, conn: &mut Conn) -> Outcome {
    if conn.status.contains(ConnStatus::SEEN_REPLY) {
        seen.refresh(conn, Setting::GreTimeoutStream);
        conn.raise(ConnStatus::ASSURED, EventMask::ASSURED);
    } else {
        seen.refresh(conn, Setting::GreTimeout);
    }
    Outcome::Accept
}
