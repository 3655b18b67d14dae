//! The states of a connection and how segments lead from one to another (`tcp_conntracks`).

use core::fmt;

use super::segment::Index;
use crate::conntrack::tuple::Direction;

/// State of a connection (`enum tcp_conntrack`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
#[repr(u8)]
pub enum TcpState {
    /// Nothing was seen.
    #[default]
    None = 0,
    /// A SYN.
    SynSent = 1,
    /// An answer to it.
    SynRecv = 2,
    /// The handshake is complete.
    Established = 3,
    /// One end sent a FIN.
    FinWait = 4,
    /// It was acknowledged.
    CloseWait = 5,
    /// Both ends sent a FIN.
    LastAck = 6,
    /// Both were acknowledged.
    TimeWait = 7,
    /// Reset.
    Close = 8,
    /// A SYN from both ends.
    SynSent2 = 9,
}

impl TcpState {
    /// All of them, in the order of their numbers.
    pub const ALL: [TcpState; 10] = [
        TcpState::None,
        TcpState::SynSent,
        TcpState::SynRecv,
        TcpState::Established,
        TcpState::FinWait,
        TcpState::CloseWait,
        TcpState::LastAck,
        TcpState::TimeWait,
        TcpState::Close,
        TcpState::SynSent2,
    ];

    /// Its name in `conntrack -L` and `/proc/net/nf_conntrack`.
    pub const fn name(self) -> &'static str {
        match self {
            TcpState::None => "NONE",
            TcpState::SynSent => "SYN_SENT",
            TcpState::SynRecv => "SYN_RECV",
            TcpState::Established => "ESTABLISHED",
            TcpState::FinWait => "FIN_WAIT",
            TcpState::CloseWait => "CLOSE_WAIT",
            TcpState::LastAck => "LAST_ACK",
            TcpState::TimeWait => "TIME_WAIT",
            TcpState::Close => "CLOSE",
            TcpState::SynSent2 => "SYN_SENT2",
        }
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where a segment leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// To that state.
    To(TcpState),
    /// Nowhere, but it passes.
    Ignore,
    /// It has no meaning in the state.
    Invalid,
}

/// Where a segment of that kind leads from `state`.
#[inline]
pub(super) fn next(direction: Direction, index: Index, state: TcpState) -> Next {
    TABLE[direction as usize][index as usize][state as usize]
}

const NO: Next = Next::Invalid;
const IG: Next = Next::Ignore;
const SS: Next = Next::To(TcpState::SynSent);
const SR: Next = Next::To(TcpState::SynRecv);
const ES: Next = Next::To(TcpState::Established);
const FW: Next = Next::To(TcpState::FinWait);
const CW: Next = Next::To(TcpState::CloseWait);
const LA: Next = Next::To(TcpState::LastAck);
const TW: Next = Next::To(TcpState::TimeWait);
const CL: Next = Next::To(TcpState::Close);
const S2: Next = Next::To(TcpState::SynSent2);

/// By direction, kind of segment, and state; the columns are the states in the order of their numbers:
/// none, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE, SYN_SENT2.
#[rustfmt::skip]
const TABLE: [[[Next; 10]; 6]; 2] = [
    // From the one who began.
    [
        /* syn     */ [SS, SS, IG, IG, IG, IG, IG, SS, SS, S2],
        /* syn+ack */ [NO, NO, SR, NO, NO, NO, NO, NO, NO, SR],
        /* fin     */ [NO, NO, FW, FW, LA, LA, LA, TW, CL, NO],
        /* ack     */ [ES, NO, ES, ES, CW, CW, TW, TW, CL, NO],
        /* rst     */ [NO, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        /* none    */ [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO],
    ],
    // From the other one.
    [
        /* syn     */ [NO, S2, NO, NO, NO, NO, NO, SS, NO, S2],
        /* syn+ack */ [NO, SR, IG, IG, IG, IG, IG, IG, IG, SR],
        /* fin     */ [NO, NO, FW, FW, LA, LA, LA, TW, CL, NO],
        /* ack     */ [NO, IG, SR, ES, CW, CW, TW, TW, CL, IG],
        /* rst     */ [NO, CL, CL, CL, CL, CL, CL, CL, CL, CL],
        /* none    */ [NO, NO, NO, NO, NO, NO, NO, NO, NO, NO],
    ],
];
