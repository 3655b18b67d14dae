//! TCP. Models `net/netfilter/nf_conntrack_proto_tcp.c`: the state of a connection follows the segments that lie in the windows
//! of its ends (after "Real Stateful TCP Packet Filtering in IP Filter" by Guido van Rooij).

mod segment;
mod states;
mod window;

pub use states::TcpState;

use bitflags::bitflags;
use hopwise_protocols::wire::ipv4::IPPROTO_TCP;

use super::{Outcome, Proto, Seen};
use crate::conntrack::conn::{Conn, ConnStatus};
use crate::conntrack::events::EventMask;
use crate::conntrack::settings::{Setting, Settings};
use crate::conntrack::tuple::Direction;
use segment::{Index, Segment};
use states::Next;
use window::Fit;

bitflags! {
    /// What is known of one end (`IP_CT_TCP_FLAG_*`).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
    pub struct TcpFlags: u8 {
        /// It scales its window.
        const WINDOW_SCALE = 0x01;
        /// It may send SACK.
        const SACK_PERM = 0x02;
        /// It sent the first FIN.
        const CLOSE_INIT = 0x04;
        /// Its segments are not held to the window.
        const BE_LIBERAL = 0x08;
        /// It sent data that was not acknowledged yet.
        const DATA_UNACKNOWLEDGED = 0x10;
        /// The greatest acknowledgement is known.
        const MAXACK_SET = 0x20;
        /// An answer to an ignored SYN may come (RFC 5961).
        const EXP_CHALLENGE_ACK = 0x40;
        /// Both ends sent a SYN.
        const SIMULTANEOUS_OPEN = 0x80;
    }
}

/// One end of a connection (`struct ip_ct_tcp_state`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TcpEnd {
    /// The greatest sequence number sent, plus one.
    pub td_end: u32,
    /// The greatest number that the other end allows.
    pub td_maxend: u32,
    /// The greatest window that it offered; 0: nothing was seen of it.
    pub td_maxwin: u32,
    /// The greatest acknowledgement that it sent.
    pub td_maxack: u32,
    /// Its window scale.
    pub td_scale: u8,
    /// Flags.
    pub flags: TcpFlags,
}

/// A TCP connection (`struct ip_ct_tcp`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tcp {
    /// Both ends, by the [`Direction`] in which they send.
    pub ends: [TcpEnd; 2],
    /// The state.
    pub state: TcpState,
    /// How often the last segment was repeated.
    pub retrans: u8,
    last_direction: u8,
    last_index: Index,
    last_seq: u32,
    last_ack: u32,
    last_end: u32,
    last_win: u16,
    last_wscale: u8,
    last_flags: TcpFlags,
}

impl Tcp {
    /// An entry made by hand in that state, whose windows are not known.
    pub fn by_hand(state: TcpState, liberal: bool) -> Tcp {
        let flags = if liberal { TcpFlags::BE_LIBERAL } else { TcpFlags::empty() };
        let end = TcpEnd { flags, ..TcpEnd::default() };
        Tcp { ends: [end; 2], state, ..Tcp::default() }
    }

    /// Both ends have agreed that there is a connection. `nf_conntrack_tcp_established`.
    fn established(&self, status: ConnStatus) -> bool {
        self.state == TcpState::Established && status.contains(ConnStatus::ASSURED)
    }

    fn last_from(&self, direction: Direction) -> bool {
        self.last_direction == direction as u8
    }
}

/// The lifetime that a state has.
pub const fn timeout_of(state: TcpState) -> Setting {
    match state {
        TcpState::None | TcpState::SynSent | TcpState::SynSent2 => Setting::TcpSynSent,
        TcpState::SynRecv => Setting::TcpSynRecv,
        TcpState::Established => Setting::TcpEstablished,
        TcpState::FinWait => Setting::TcpFinWait,
        TcpState::CloseWait => Setting::TcpCloseWait,
        TcpState::LastAck => Setting::TcpLastAck,
        TcpState::TimeWait => Setting::TcpTimeWait,
        TcpState::Close => Setting::TcpClose,
    }
}

/// A segment. `nf_conntrack_tcp_packet`.
pub(crate) fn packet(seen: &mut Seen<'_>, conn: &mut Conn) -> Outcome {
    let segment = match Segment::parse(seen) {
        Ok(segment) => segment,
        Err(why) => return seen.invalid(IPPROTO_TCP, || why.into()),
    };
    if !conn.status.contains(ConnStatus::CONFIRMED) {
        match begin(&segment, seen.settings) {
            Some(tcp) => conn.proto = Proto::Tcp(tcp),
            None => return seen.invalid(IPPROTO_TCP, || "invalid new".into()),
        }
    }
    let Conn { proto: Proto::Tcp(tcp), status, .. } = conn else { return Outcome::Invalid };
    let (status, old) = (*status, tcp.state);
    let new = match decide(seen, tcp, status, &segment) {
        Decision::Move(new) => new,
        Decision::InWindow(new) => return advance(seen, conn, &segment, old, new),
        Decision::Ignore => return Outcome::Accept,
        Decision::End(outcome) => return outcome,
    };
    match window::check(seen, tcp, &segment) {
        Fit::Accept => advance(seen, conn, &segment, old, new),
        Fit::Ignore => Outcome::Accept,
        Fit::Invalid => {
            shorten_life(seen, conn, segment.index);
            Outcome::Invalid
        }
    }
}

/// What a connection knows after its first segment; `None`: this cannot be the first one. `tcp_new`.
fn begin(segment: &Segment, settings: &Settings) -> Option<Tcp> {
    let state = match states::next(Direction::Original, segment.index, TcpState::None) {
        Next::To(state) => state,
        Next::Ignore | Next::Invalid => return None,
    };
    let mut tcp = Tcp::default();
    let window = u32::from(segment.window).max(1);
    tcp.ends[0].td_end = segment.end;
    tcp.ends[0].td_maxwin = window;
    if state == TcpState::SynSent {
        tcp.ends[0].td_maxend = segment.end;
        tcp.ends[0].take_options(segment);
    } else if settings.on(Setting::TcpLoose) {
        // In the middle of a connection whose history is lost: window scaling is not known, so SACK and leniency are assumed.
        tcp.ends[0].td_maxend = segment.end.wrapping_add(window);
        for end in &mut tcp.ends {
            end.flags = TcpFlags::SACK_PERM | TcpFlags::BE_LIBERAL;
        }
    } else {
        return None;
    }
    Some(tcp)
}

/// What is to be done with a segment before its window is looked at.
enum Decision {
    /// The window is checked, then this is the state.
    Move(TcpState),
    /// This is the state, whatever the window.
    InWindow(TcpState),
    /// It passes and changes nothing.
    Ignore,
    /// Nothing more is to be done.
    End(Outcome),
}

/// The state that a segment leads to, with what the table cannot express.
fn decide(seen: &mut Seen<'_>, tcp: &mut Tcp, status: ConnStatus, segment: &Segment) -> Decision {
    let (direction, old, index) = (seen.direction, tcp.state, segment.index);
    match states::next(direction, index, old) {
        Next::To(TcpState::SynSent) if old >= TcpState::TimeWait && old != TcpState::SynSent2 => {
            // A new connection between the same ends (RFC 1122, 4.2.2.13); or the old one was aborted.
            let closing = (tcp.ends[0].flags | tcp.ends[1].flags).contains(TcpFlags::CLOSE_INIT);
            if closing || tcp.last_from(direction) && tcp.last_index == Index::Rst {
                return Decision::End(Outcome::Reopen);
            }
            ignore(seen, tcp, segment)
        }
        Next::Ignore => ignore(seen, tcp, segment),
        Next::Invalid => {
            let text = || format!("packet (index {}) in dir {} invalid, state {}", index as u8, direction as u8, old);
            Decision::End(seen.invalid(IPPROTO_TCP, text))
        }
        Next::To(TcpState::TimeWait) => {
            // The answer to a SYN that was ignored must not be taken for the acknowledgement of the last FIN.
            let challenge = old == TcpState::LastAck
                && index == Index::Ack
                && !tcp.last_from(direction)
                && tcp.last_index == Index::Syn
                && tcp.last_flags.contains(TcpFlags::EXP_CHALLENGE_ACK);
            if challenge {
                tcp.last_flags.remove(TcpFlags::EXP_CHALLENGE_ACK);
                seen.log(IPPROTO_TCP, || "challenge-ack ignored".into());
                return Decision::Ignore;
            }
            Decision::Move(TcpState::TimeWait)
        }
        Next::To(TcpState::SynSent2) => {
            tcp.last_flags.insert(TcpFlags::SIMULTANEOUS_OPEN);
            Decision::Move(TcpState::SynSent2)
        }
        Next::To(TcpState::SynRecv) => {
            let both = tcp.last_flags.contains(TcpFlags::SIMULTANEOUS_OPEN);
            let opened = both && direction == Direction::Reply && index == Index::Ack;
            Decision::Move(if opened { TcpState::Established } else { TcpState::SynRecv })
        }
        Next::To(TcpState::Close) if index == Index::Rst => reset(seen, tcp, status, segment),
        Next::To(state) => Decision::Move(state),
    }
}

/// A segment that may show that this table is behind the ends: it passes, and what it says is noted.
fn ignore(seen: &mut Seen<'_>, tcp: &mut Tcp, segment: &Segment) -> Decision {
    let (direction, old, index) = (seen.direction, tcp.state, segment.index);
    let other = direction.opposite() as usize;
    if index == Index::SynAck
        && tcp.last_index == Index::Syn
        && !tcp.last_from(direction)
        && segment.ack == tcp.last_end
    {
        // It answers the SYN that was ignored: the ends agree, and the table follows them.
        tcp.state = TcpState::SynSent;
        tcp.last_flags.remove(TcpFlags::EXP_CHALLENGE_ACK);
        tcp.ends[other] = TcpEnd {
            td_end: tcp.last_end,
            td_maxend: tcp.last_end,
            td_maxwin: u32::from(tcp.last_win).max(1),
            td_scale: tcp.last_wscale,
            flags: tcp.last_flags,
            ..tcp.ends[other]
        };
        tcp.ends[direction as usize] = TcpEnd::default();
        return Decision::Move(TcpState::SynRecv);
    }
    tcp.last_index = index;
    tcp.last_direction = direction as u8;
    tcp.last_seq = segment.seq;
    tcp.last_end = segment.end;
    tcp.last_win = segment.window;
    if index == Index::Syn && direction == Direction::Original {
        let mut end = TcpEnd::default();
        end.take_options(segment);
        tcp.last_wscale = end.td_scale;
        tcp.last_flags = end.flags & (TcpFlags::WINDOW_SCALE | TcpFlags::SACK_PERM);
        if old == TcpState::LastAck {
            tcp.last_flags.insert(TcpFlags::EXP_CHALLENGE_ACK);
        }
    }
    if old == TcpState::SynSent && index == Index::Ack && direction == Direction::Reply {
        tcp.last_ack = segment.ack;
    }
    let text = || format!("packet (index {}) in dir {} ignored, state {}", index as u8, direction as u8, old);
    seen.log(IPPROTO_TCP, text);
    Decision::Ignore
}

/// A RST closes a connection only if its sequence number is right (RFC 5961, section 3).
fn reset(seen: &mut Seen<'_>, tcp: &Tcp, status: ConnStatus, segment: &Segment) -> Decision {
    let (direction, seq) = (seen.direction, segment.seq);
    let other = &tcp.ends[direction.opposite() as usize];
    let mut new = TcpState::Close;
    if (TcpState::FinWait..=TcpState::TimeWait).contains(&tcp.state) {
        // It is closing anyway: any RST will do (seen on Linux 6.18 in each of these states).
        return Decision::InWindow(new);
    }
    // After a SYN that was let pass, what this table knows of the ends may be old.
    if other.flags.contains(TcpFlags::MAXACK_SET) && tcp.last_index != Index::Syn {
        let established = tcp.established(status);
        if seq == 0 && !established {
            return Decision::Move(new);
        }
        if segment::before(seq, other.td_maxack) && !seen.settings.on(Setting::TcpIgnoreInvalidRst) {
            return Decision::End(seen.invalid(IPPROTO_TCP, || "invalid rst".into()));
        }
        let follows = tcp.last_index == Index::Ack && tcp.last_from(direction) && seq == tcp.last_end;
        if !established || seq == other.td_maxack || follows {
            return Decision::Move(new);
        }
        // Not exact: the other end may answer with a challenge.
        new = tcp.state;
    }
    let after_syn = status.contains(ConnStatus::SEEN_REPLY) && tcp.last_index == Index::Syn;
    let after_ack = !status.contains(ConnStatus::ASSURED) && tcp.last_index == Index::Ack;
    if (after_syn || after_ack) && segment.ack == tcp.last_end {
        return Decision::InWindow(new);
    }
    // It answers an acknowledgement that was let pass before.
    let challenged = tcp.state == TcpState::SynSent
        && tcp.last_index == Index::Ack
        && tcp.last_direction == Direction::Reply as u8
        && seq == tcp.last_ack;
    if challenged { Decision::InWindow(new) } else { Decision::Move(new) }
}

/// The segment counts: the connection is in its new state and lives on.
fn advance(seen: &Seen<'_>, conn: &mut Conn, segment: &Segment, old: TcpState, new: TcpState) -> Outcome {
    let Proto::Tcp(tcp) = &mut conn.proto else { return Outcome::Invalid };
    // `ignore` may have gone back to SYN_SENT.
    let old = if tcp.state == old { old } else { tcp.state };
    tcp.last_index = segment.index;
    tcp.last_direction = seen.direction as u8;
    tcp.state = new;
    if old != new && new == TcpState::FinWait {
        tcp.ends[seen.direction as usize].flags.insert(TcpFlags::CLOSE_INIT);
    }
    let mut lifetime = lifetime(seen.settings, tcp, segment.index);
    if old != new {
        conn.pending |= EventMask::PROTOINFO;
    }
    if !conn.status.contains(ConnStatus::SEEN_REPLY) {
        if segment.rst() {
            conn.account(seen.direction, seen.packet.len());
            return Outcome::Kill;
        }
        if segment.index == Index::Syn && old == TcpState::SynSent {
            // Repeated SYNs do not prolong the life of an entry that nobody answers.
            return Outcome::Accept;
        }
        let least = Setting::TcpUnacknowledged;
        if new == TcpState::Established && seen.settings[lifetime] > seen.settings[least] {
            lifetime = least;
        }
    } else if new == TcpState::Established && matches!(old, TcpState::SynRecv | TcpState::Established) {
        conn.raise(ConnStatus::ASSURED, EventMask::ASSURED);
    }
    seen.refresh(conn, lifetime);
    Outcome::Accept
}

/// How long a connection lives on in its state.
#[inline]
fn lifetime(settings: &Settings, tcp: &Tcp, index: Index) -> Setting {
    let of_state = timeout_of(tcp.state);
    let longer = |than: Setting| settings[of_state] > settings[than];
    let unacknowledged = (tcp.ends[0].flags | tcp.ends[1].flags).contains(TcpFlags::DATA_UNACKNOWLEDGED);
    if u32::from(tcp.retrans) >= settings[Setting::TcpMaxRetrans] && longer(Setting::TcpRetrans) {
        Setting::TcpRetrans
    } else if index == Index::Rst {
        Setting::TcpClose
    } else if unacknowledged && longer(Setting::TcpUnacknowledged) {
        Setting::TcpUnacknowledged
    } else if tcp.last_win == 0 && longer(Setting::TcpRetrans) {
        Setting::TcpRetrans
    } else {
        of_state
    }
}

/// A FIN or RST out of the window, answered by one: the ends probably agree that it is over. `nf_tcp_handle_invalid`.
#[cold]
fn shorten_life(seen: &Seen<'_>, conn: &mut Conn, index: Index) {
    let ends = matches!(index, Index::Rst | Index::Fin);
    if !conn.status.contains(ConnStatus::ASSURED) || conn.status.contains(ConnStatus::FIXED_TIMEOUT) || !ends {
        return;
    }
    let remaining = conn.remaining(seen.now);
    let Proto::Tcp(tcp) = &mut conn.proto else { return };
    if !tcp.last_from(seen.direction) && matches!(tcp.last_index, Index::Rst | Index::Fin) {
        let shorter = seen.settings.span(Setting::TcpUnacknowledged);
        if remaining.as_secs() >= 120 && remaining > shorter {
            conn.expires = seen.now + shorter;
        }
    } else {
        tcp.last_index = index;
        tcp.last_direction = seen.direction as u8;
    }
}
