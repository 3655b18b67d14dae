//! The endpoint of a TCP connection as a machine without I/O (RFC 9293), which behaves on the wire as Linux does.
//!
//! One file per subject: [`seq`] numbers, [`rtt`] timeouts, [`congestion`] windows, [`acks`] delayed acknowledgments,
//! [`window`] the window offered, [`send`] and [`receive`] the queues, `input` segments that arrive, `ack` what they
//! acknowledge, `recovery` losses, `output` segments that leave, `timer` what happens when nothing arrives, `calls`
//! what the owner asks for.

mod ack;
pub mod acks;
mod calls;
pub mod congestion;
mod hystart;
mod input;
mod open;
mod output;
pub mod receive;
mod recovery;
pub mod rtt;
pub mod send;
pub mod seq;
mod timer;
pub mod window;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use hopwise_sim_core::{Duration, Errno, Time};

use crate::wire::tcp::{Flags, Options};
use acks::Acks;
use congestion::{Algorithm, Congestion};
use receive::ReceiveQueue;
use recovery::Rack;
use rtt::Rtt;
use send::SendQueue;
use window::Window;

pub use calls::Info;
pub use input::Reaction;
pub use open::Opening;
pub use output::reset_for;

/// How long a closed connection remembers its ports (`TCP_TIMEWAIT_LEN`).
pub const TIMEWAIT_LEN: Duration = Duration::from_secs(60);

/// The states, with the numbers that `/proc/net/tcp` shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum State {
    /// `ESTABLISHED`
    Established = 1,
    /// `SYN_SENT`
    SynSent = 2,
    /// `SYN_RECV`
    SynRecv = 3,
    /// `FIN_WAIT1`
    FinWait1 = 4,
    /// `FIN_WAIT2`
    FinWait2 = 5,
    /// `TIME_WAIT`
    TimeWait = 6,
    /// `CLOSE`
    Close = 7,
    /// `CLOSE_WAIT`
    CloseWait = 8,
    /// `LAST_ACK`
    LastAck = 9,
    /// `LISTEN`; no endpoint is in it, but sockets are.
    Listen = 10,
    /// `CLOSING`
    Closing = 11,
}

/// What the host decides about its connections: the route's MTU and `net.ipv4.tcp_*`.
#[derive(Clone, Debug)]
pub struct Params {
    /// The MSS told to the other side: the MTU of the route without headers.
    pub advmss: u16,
    /// `TCP_MAXSEG`; 0: none was given.
    pub user_mss: u16,
    /// The path MTU towards the other side.
    pub mtu: u32,
    /// `tcp_timestamps`
    pub timestamps: bool,
    /// `tcp_sack`
    pub sack: bool,
    /// `tcp_window_scaling`
    pub window_scaling: bool,
    /// `tcp_rmem`, default
    pub rmem: u32,
    /// The receive buffer was set by the owner and does not grow (`SOCK_RCVBUF_LOCK`).
    pub rcvbuf_locked: bool,
    /// The send buffer that the owner has set (`SOCK_SNDBUF_LOCK`).
    pub sndbuf: Option<u32>,
    /// `tcp_rmem`, largest
    pub rmem_max: u32,
    /// `tcp_wmem`, largest
    pub wmem_max: u32,
    /// `tcp_congestion_control`
    pub algorithm: Algorithm,
    /// `tcp_syn_retries`
    pub syn_retries: u32,
    /// `tcp_syn_linear_timeouts`
    pub syn_linear_timeouts: u32,
    /// `tcp_synack_retries`
    pub synack_retries: u32,
    /// `tcp_retries2`
    pub retries2: u32,
    /// `tcp_orphan_retries`, 8 if the setting is 0
    pub orphan_retries: u32,
    /// `tcp_fin_timeout`
    pub fin_timeout: Duration,
    /// `tcp_rto_min_us`
    pub rto_min: Duration,
    /// `tcp_rto_max_ms`
    pub rto_max: Duration,
    /// `tcp_keepalive_time`
    pub keepalive_time: Duration,
    /// `tcp_keepalive_intvl`
    pub keepalive_interval: Duration,
    /// `tcp_keepalive_probes`
    pub keepalive_probes: u32,
    /// `tcp_slow_start_after_idle`
    pub slow_start_after_idle: bool,
    /// `tcp_invalid_ratelimit`
    pub invalid_ratelimit: Duration,
}

impl Default for Params {
    fn default() -> Self {
        Params {
            advmss: 1460,
            user_mss: 0,
            mtu: 1500,
            timestamps: true,
            sack: true,
            window_scaling: true,
            rmem: 131_072,
            rcvbuf_locked: false,
            sndbuf: None,
            rmem_max: 33_554_432,
            wmem_max: 4_194_304,
            algorithm: Algorithm::Cubic,
            syn_retries: 6,
            syn_linear_timeouts: 4,
            synack_retries: 5,
            retries2: 15,
            orphan_retries: 8,
            fin_timeout: TIMEWAIT_LEN,
            rto_min: Duration::from_millis(200),
            rto_max: Duration::from_secs(120),
            keepalive_time: Duration::from_secs(7200),
            keepalive_interval: Duration::from_secs(75),
            keepalive_probes: 9,
            slow_start_after_idle: true,
            invalid_ratelimit: Duration::from_millis(500),
        }
    }
}

/// A segment that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// Number of its first byte.
    pub seq: u32,
    /// Acknowledgment.
    pub ack: u32,
    /// Flags.
    pub flags: Flags,
    /// Window as the header has it.
    pub window: u16,
    /// Options.
    pub options: Options,
    /// Data.
    pub payload: &'a [u8],
}

impl Arrived<'_> {
    /// The number after its last one: SYN and FIN count.
    pub fn end(&self) -> u32 {
        let marks = u32::from(self.flags.contains(Flags::SYN)) + u32::from(self.flags.contains(Flags::FIN));
        self.seq.wrapping_add(self.payload.len() as u32).wrapping_add(marks)
    }
}

/// A segment that is to be sent; its data is fetched with [`Endpoint::copy_payload`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Number of its first byte.
    pub seq: u32,
    /// Acknowledgment; 0 without the flag.
    pub ack: u32,
    /// Flags.
    pub flags: Flags,
    /// Window as the header has it.
    pub window: u16,
    /// Options.
    pub options: Options,
    /// Bytes of data.
    pub len: u32,
    /// Made by a connection that is open (it then numbers its IPv4 packets), not by a listener or a remembered one.
    pub full_socket: bool,
}

/// What happened that Linux counts, since it was asked last. The names are those of `/proc/net/snmp` and `netstat`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Counted {
    pub retrans_segs: u64,
    pub attempt_fails: u64,
    pub estab_resets: u64,
    pub out_rsts: u64,
    pub delayed_acks: u64,
    pub tcp_timeouts: u64,
    pub tcp_loss_probes: u64,
    pub tcp_fast_retrans: u64,
    pub tcp_sack_recovery: u64,
    pub tcp_reno_recovery: u64,
    pub tcp_abort_on_data: u64,
    pub tcp_abort_on_close: u64,
    pub tcp_abort_on_timeout: u64,
    pub tcp_ofo_queue: u64,
    pub tcp_dsack_old_sent: u64,
    pub tcp_dsack_ofo_sent: u64,
    pub tcp_challenge_ack: u64,
    pub tcp_syn_challenge: u64,
    pub paws_estab: u64,
    pub tcp_syn_retrans: u64,
    pub tcp_orig_data_sent: u64,
    pub tcp_keep_alive: u64,
    pub tcp_win_probe: u64,
    pub tcp_delivered: u64,
    pub tw: u64,
}

/// What has passed since the connection began, as `TCP_INFO` tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Bytes of data sent, those sent again too.
    pub bytes_sent: u64,
    /// Of these, sent again.
    pub bytes_retrans: u64,
    /// Numbers acknowledged, SYN and FIN too.
    pub bytes_acked: u64,
    /// Numbers received in order, FIN too.
    pub bytes_received: u64,
    /// Segments sent and received, and those of them with data.
    pub segs_out: u64,
    /// Received.
    pub segs_in: u64,
    /// Sent with data.
    pub data_segs_out: u64,
    /// Received with data.
    pub data_segs_in: u64,
    /// Segments that are known to have arrived.
    pub delivered: u64,
    /// When the last acknowledgment came.
    pub acked_at: Time,
}

/// The sender's numbers.
#[derive(Clone, Debug, Default)]
struct Snd {
    /// Oldest number that is not acknowledged.
    una: u32,
    /// Next number to be sent.
    next: u32,
    /// The number after the last byte in the queue.
    write: u32,
    /// The other side's window, in bytes.
    window: u32,
    /// Number of the segment that told that window.
    wl1: u32,
    /// The largest window seen.
    max_window: u32,
    /// By how many bits the other side's windows are shifted.
    shift: u8,
    /// The largest segment that the other side takes (its MSS option).
    mss_clamp: u32,
    /// Bytes of data in a segment at present.
    mss: u32,
    /// End of the last segment sent that was not full (Minshall's form of Nagle's rule).
    small_end: u32,
    /// Segments sent again since the connection began (`total_retrans`).
    total_retrans: u64,
    /// When data was sent last.
    sent_at: Time,
    /// The most segments that were out in this round: whether the congestion window is what holds back.
    max_out: u32,
    max_out_until: u32,
}

/// Time stamps (RFC 7323).
#[derive(Clone, Debug, Default)]
struct Stamps {
    on: bool,
    offset: u32,
    recent: u32,
    recent_at: Option<Time>,
    /// The acknowledgment that was sent last: only segments that reach it renew `recent`.
    last_ack_sent: u32,
}

/// What the timer of the sender is set for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Xmit {
    Retransmit,
    LossProbe,
    Reorder,
    WindowProbe,
}

/// Tries that were in vain.
#[derive(Clone, Debug, Default)]
struct Tries {
    retransmits: u32,
    timeouts: u32,
    backoff: u32,
    window_probes: u32,
    keepalive: u32,
    /// When the first of the present retransmissions was sent.
    since: Option<Time>,
}

/// One end of a connection.
///
/// # Contract
/// The owner calls `on_segment` for each segment of this connection, `on_timer` at (or after) [`next_timer`], and the
/// calls of a program (`send`, `read`, `shutdown`, `close`, `abort`) at any time. After each of them it takes all
/// segments from [`poll`] and sends them before anything else, since their data still lies in the queue. Nothing is
/// sent otherwise, no clock is read, and equal calls give equal segments. No input panics, whatever it is.
///
/// The bytes that [`read`] gives are those that the other side's `send` took, in order, without gap or repetition.
/// When that cannot be held any more, [`error`] tells why.
///
/// [`next_timer`]: Endpoint::next_timer
/// [`poll`]: Endpoint::poll
/// [`read`]: Endpoint::read
/// [`error`]: Endpoint::error
#[derive(Clone, Debug)]
pub struct Endpoint {
    params: Params,
    state: State,
    /// It came from a listener and was not accepted as open yet (`struct request_sock`).
    embryo: bool,
    snd: Snd,
    rcv: Window,
    acks: Acks,
    queue: SendQueue,
    incoming: ReceiveQueue,
    rtt: Rtt,
    cong: Congestion,
    rack: Rack,
    stamps: Stamps,
    sack: bool,
    advmss: u32,
    /// Duplicate acknowledgments, where there is no SACK.
    dup_acks: u32,
    xmit: Option<(Time, Xmit)>,
    /// Keepalive, end of `FIN_WAIT2`, end of `TIME_WAIT`.
    alive: Option<Time>,
    /// A loss probe is out: what it ended with.
    probe_end: Option<u32>,
    tries: Tries,
    error: Option<Errno>,
    soft_error: Option<Errno>,
    /// The other side sent everything.
    rcv_shutdown: bool,
    /// The owner will send no more.
    snd_shutdown: bool,
    /// The owner is gone.
    orphan: bool,
    nodelay: bool,
    /// The owner has more to send than there was room for: it is told of room (`SOCK_NOSPACE`).
    nospace: bool,
    keepalive: bool,
    /// When a challenge was answered last.
    challenged_at: Option<Time>,
    heard_at: Time,
    out: VecDeque<Outgoing>,
    changed: bool,
    counted: Counted,
    traffic: Traffic,
}

impl Endpoint {
    /// The state.
    pub const fn state(&self) -> State {
        self.state
    }

    /// The error that ended the connection; it is told once.
    pub fn take_error(&mut self) -> Option<Errno> {
        self.error.take()
    }

    /// The error that ended the connection.
    pub const fn error(&self) -> Option<Errno> {
        self.error
    }

    /// Whether something changed that the owner waits for, since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// What is to be counted since this was asked last.
    pub fn take_counted(&mut self) -> Counted {
        core::mem::take(&mut self.counted)
    }

    /// The next segment to be sent.
    pub fn poll(&mut self) -> Option<Outgoing> {
        self.out.pop_front()
    }

    /// Writes the data of a segment that [`Endpoint::poll`] gave.
    pub fn copy_payload(&self, segment: &Outgoing, out: &mut [u8]) {
        self.queue.copy(segment.seq, out);
    }

    /// When [`Endpoint::on_timer`] is to be called next.
    pub fn next_timer(&self) -> Option<Time> {
        [self.xmit.map(|(at, _)| at), self.acks.timer, self.alive].into_iter().flatten().min()
    }

    /// The state changes; the owner learns of it.
    fn enter(&mut self, state: State) {
        self.state = state;
        self.changed = true;
    }

    /// Nothing is sent any more: the queue is not needed, unless a segment that was just made has its data there.
    fn clear_queue(&mut self) {
        if self.out.iter().all(|segment| segment.len == 0) {
            self.queue.clear();
        }
    }

    /// The connection is over (`tcp_done`); with an error if there is one to tell.
    fn finish(&mut self, error: Option<Errno>) {
        if matches!(self.state, State::SynSent | State::SynRecv) {
            self.counted.attempt_fails += 1;
        }
        self.error = error.or(self.error);
        self.embryo = false;
        self.rcv_shutdown = true;
        self.snd_shutdown = true;
        self.clear_queue();
        self.incoming.prune_early();
        (self.xmit, self.alive, self.acks.timer) = (None, None, None);
        self.enter(State::Close);
    }
}
