//! SCTP. Models `net/netfilter/nf_conntrack_proto_sctp.c`: the state follows the chunks; verification tags are compared.

use core::fmt;

use hopwise_protocols::wire::ipv4::IPPROTO_SCTP;

use super::{Outcome, Proto, Seen};
use crate::conntrack::conn::{Conn, ConnStatus};
use crate::conntrack::events::EventMask;
use crate::conntrack::settings::Setting;
use crate::conntrack::tuple::Direction;

/// State of an association (`enum sctp_conntrack`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum SctpState {
    /// Nothing was seen.
    #[default]
    None = 0,
    /// Closed.
    Closed = 1,
    /// INIT was sent.
    CookieWait = 2,
    /// The cookie came back.
    CookieEchoed = 3,
    /// Established.
    Established = 4,
    /// The one who began shuts down.
    ShutdownSent = 5,
    /// The other one does.
    ShutdownRecd = 6,
    /// It was acknowledged.
    ShutdownAckSent = 7,
    /// A heartbeat of an association that was not seen to begin.
    HeartbeatSent = 8,
}

impl SctpState {
    /// All of them, in the order of their numbers.
    pub const ALL: [SctpState; 9] = [
        SctpState::None,
        SctpState::Closed,
        SctpState::CookieWait,
        SctpState::CookieEchoed,
        SctpState::Established,
        SctpState::ShutdownSent,
        SctpState::ShutdownRecd,
        SctpState::ShutdownAckSent,
        SctpState::HeartbeatSent,
    ];

    /// Its name in `conntrack -L`.
    pub const fn name(self) -> &'static str {
        match self {
            SctpState::None => "NONE",
            SctpState::Closed => "CLOSED",
            SctpState::CookieWait => "COOKIE_WAIT",
            SctpState::CookieEchoed => "COOKIE_ECHOED",
            SctpState::Established => "ESTABLISHED",
            SctpState::ShutdownSent => "SHUTDOWN_SENT",
            SctpState::ShutdownRecd => "SHUTDOWN_RECD",
            SctpState::ShutdownAckSent => "SHUTDOWN_ACK_SENT",
            SctpState::HeartbeatSent => "HEARTBEAT_SENT",
        }
    }

    /// The lifetime that it has.
    pub const fn timeout(self) -> Setting {
        match self {
            SctpState::None | SctpState::Closed => Setting::SctpClosed,
            SctpState::CookieWait => Setting::SctpCookieWait,
            SctpState::CookieEchoed => Setting::SctpCookieEchoed,
            SctpState::Established => Setting::SctpEstablished,
            SctpState::ShutdownSent => Setting::SctpShutdownSent,
            SctpState::ShutdownRecd => Setting::SctpShutdownRecd,
            SctpState::ShutdownAckSent => Setting::SctpShutdownAckSent,
            SctpState::HeartbeatSent => Setting::SctpHeartbeatSent,
        }
    }
}

impl fmt::Display for SctpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An association (`struct ip_ct_sctp`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sctp {
    /// The state.
    pub state: SctpState,
    /// The verification tag of packets of a direction; 0: not known yet.
    pub vtag: [u32; 2],
}

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const HEARTBEAT: u8 = 4;
const HEARTBEAT_ACK: u8 = 5;
const ABORT: u8 = 6;
const SHUTDOWN: u8 = 7;
const SHUTDOWN_ACK: u8 = 8;
const ERROR: u8 = 9;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const SHUTDOWN_COMPLETE: u8 = 14;

/// Common header: ports, verification tag, checksum.
const SCTP_HLEN: usize = 12;

/// The type, flags and bytes of the chunks, each with its four-byte header; `None` stands for a chunk of length 0.
fn chunks(mut bytes: &[u8]) -> impl Iterator<Item = Option<&[u8]>> {
    core::iter::from_fn(move || {
        let header = bytes.first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let chunk = &bytes[..len.min(bytes.len())];
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or(&[]);
        if len == 0 {
            bytes = &[];
            return Some(None);
        }
        Some(Some(chunk))
    })
}

/// A packet. `nf_conntrack_sctp_packet`.
pub(crate) fn packet(seen: &mut Seen<'_>, conn: &mut Conn) -> Outcome {
    let sctp = seen.transport();
    let Some(header) = sctp.first_chunk::<SCTP_HLEN>() else {
        return seen.invalid(IPPROTO_SCTP, || "short packet".into());
    };
    let vtag = u32::from_be_bytes([header[4], header[5], header[6], header[7]]);
    let body = &sctp[SCTP_HLEN..];
    let mut types = 0u64;
    let mut first_only = 0;
    for (count, chunk) in chunks(body).enumerate() {
        let Some(&[kind, ..]) = chunk else { return Outcome::Invalid };
        // These three stand alone (RFC 9260, section 6.10).
        if matches!(kind, INIT | INIT_ACK | SHUTDOWN_COMPLETE) {
            first_only += 1;
        }
        if first_only > 0 && count > 0 {
            return Outcome::Invalid;
        }
        types |= 1 << kind.min(63);
    }
    if types == 0 {
        return Outcome::Invalid;
    }
    let state = match &conn.proto {
        Proto::Sctp(sctp) => sctp.clone(),
        _ => match begin(body, vtag) {
            Some(sctp) => sctp,
            None => return seen.invalid(IPPROTO_SCTP, || "invalid new".into()),
        },
    };
    let Some(next) = follow(state.clone(), body, types, vtag, seen.direction) else { return Outcome::Invalid };
    if next.state != state.state {
        conn.pending |= EventMask::PROTOINFO;
    }
    let established = next.state == SctpState::Established && state.state == SctpState::CookieEchoed;
    seen.refresh(conn, next.state.timeout());
    conn.proto = Proto::Sctp(next);
    if established && seen.direction == Direction::Reply {
        conn.raise(ConnStatus::ASSURED, EventMask::ASSURED);
    }
    Outcome::Accept
}

/// `sctp_new`: whether an association may begin with this.
fn begin(body: &[u8], vtag: u32) -> Option<Sctp> {
    let mut sctp = Sctp::default();
    for chunk in chunks(body).flatten() {
        let kind = chunk[0];
        let next = step(Direction::Original, kind, SctpState::None)?;
        match kind {
            INIT => {
                (vtag == 0).then_some(())?;
                sctp.vtag[Direction::Reply as usize] = init_tag(chunk)?;
            }
            SHUTDOWN_ACK => sctp.vtag[Direction::Reply as usize] = vtag,
            _ => sctp.vtag[Direction::Original as usize] = vtag,
        }
        if next == SctpState::Closed && kind != INIT {
            return None;
        }
    }
    Some(sctp)
}

fn init_tag(chunk: &[u8]) -> Option<u32> {
    let tag = chunk.get(4..8)?;
    Some(u32::from_be_bytes([tag[0], tag[1], tag[2], tag[3]]))
}

fn follow(mut sctp: Sctp, body: &[u8], types: u64, vtag: u32, direction: Direction) -> Option<Sctp> {
    let way = direction as usize;
    let other = direction.opposite() as usize;
    // RFC 9260, section 8.5: the tag must be right, but for INIT, ABORT, SHUTDOWN_COMPLETE, COOKIE_ECHO and heartbeats.
    let has = |kind: u8| types & 1 << kind != 0;
    let own_rule = [INIT, ABORT, SHUTDOWN_COMPLETE, COOKIE_ECHO, HEARTBEAT, HEARTBEAT_ACK].into_iter().any(has);
    if !own_rule && sctp.state != SctpState::None && vtag != sctp.vtag[way] {
        return None;
    }
    for chunk in chunks(body).flatten() {
        let (kind, flags) = (chunk[0], chunk.get(1).copied().unwrap_or(0));
        let reflected = flags & 1 != 0;
        match kind {
            INIT if vtag != 0 => return None,
            ABORT | SHUTDOWN_COMPLETE => {
                let right = vtag == sctp.vtag[way] || reflected && vtag == sctp.vtag[other];
                if !right && sctp.state != SctpState::None {
                    return None;
                }
            }
            COOKIE_ECHO if vtag != sctp.vtag[way] => return None,
            HEARTBEAT | HEARTBEAT_ACK => {
                if sctp.vtag[way] == 0 {
                    sctp.vtag[way] = vtag;
                } else if vtag != sctp.vtag[way] {
                    return None;
                }
            }
            _ => {}
        }
        let next = step(direction, kind, sctp.state)?;
        if matches!(kind, INIT | INIT_ACK) {
            sctp.vtag[other] = init_tag(chunk)?;
        }
        sctp.state = next;
    }
    Some(sctp)
}

/// Where a chunk leads (`sctp_conntracks`); chunks that are not named leave the state. `None`: it has no meaning there.
fn step(direction: Direction, kind: u8, state: SctpState) -> Option<SctpState> {
    use SctpState as S;
    let row = match kind {
        INIT => 0,
        INIT_ACK => 1,
        ABORT => 2,
        SHUTDOWN => 3,
        SHUTDOWN_ACK => 4,
        ERROR => 5,
        COOKIE_ECHO => 6,
        COOKIE_ACK => 7,
        SHUTDOWN_COMPLETE => 8,
        HEARTBEAT => 9,
        HEARTBEAT_ACK => 10,
        // Data and the rest change nothing; a first packet of them begins a closed association.
        _ => return if state == S::None { None } else { Some(state) },
    };
    let letter = TABLE[direction as usize][row].as_bytes()[state as usize];
    Some(match letter {
        b'l' => S::Closed,
        b'w' => S::CookieWait,
        b'e' => S::CookieEchoed,
        b'E' => S::Established,
        b's' => S::ShutdownSent,
        b'r' => S::ShutdownRecd,
        b'a' => S::ShutdownAckSent,
        b'h' => S::HeartbeatSent,
        _ => return None,
    })
}

/// By direction, chunk and state; a letter a state: `l` closed, `w` COOKIE_WAIT, `e` COOKIE_ECHOED, `E` ESTABLISHED, `s`
/// SHUTDOWN_SENT, `r` SHUTDOWN_RECD, `a` SHUTDOWN_ACK_SENT, `h` HEARTBEAT_SENT, `-` invalid. Columns: the states by number.
const TABLE: [[&str; 11]; 2] = [
    [
        "llweEllaw", // INIT
        "llweEsral", // INIT_ACK
        "lllllllll", // ABORT
        "llwessral", // SHUTDOWN
        "alweEaaaa", // SHUTDOWN_ACK
        "llweEsral", // ERROR
        "lleeEsral", // COOKIE_ECHO
        "llwEEsral", // COOKIE_ACK
        "llweEsrll", // SHUTDOWN_COMPLETE
        "hlweEsrah", // HEARTBEAT
        "llweEsrah", // HEARTBEAT_ACK
    ],
    [
        "-lweEsra-",
        "-wweEsra-",
        "-lllllll-",
        "-lwersra-",
        "-lweEaaa-",
        "-lwlEsra-",
        "-leeEsra-",
        "-lwEEsra-",
        "-lweEsrl-",
        "-lweEsrah",
        "-lweEsraE",
    ],
];
