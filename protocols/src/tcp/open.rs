//! The beginning: SYN, SYN-ACK and what is agreed on.

use hopwise_sim_core::{Duration, Time};

use super::acks::Acks;
use super::congestion::Congestion;
use super::receive::ReceiveQueue;
use super::recovery::Rack;
use super::rtt::Rtt;
use super::send::SendQueue;
use super::window::Window;
use super::{Arrived, Counted, Endpoint, Params, Snd, Stamps, State, Traffic, Tries};

/// The MSS of who tells none (RFC 9293, section 3.7.1).
const MSS_DEFAULT: u32 = 536;
/// The smallest MSS that is believed (`tcp_min_snd_mss`).
const MSS_MIN: u32 = 48;
/// Bytes of the time stamp option with its padding.
pub(super) const TSTAMP_ALIGNED: u32 = 12;
/// Bytes of the IPv4 and TCP headers without options.
const HEADERS: u32 = 40;

/// The random figures that a connection begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opening {
    /// Initial sequence number.
    pub iss: u32,
    /// What is added to the clock in time stamps.
    pub stamp_offset: u32,
    /// The present.
    pub now: Time,
}

impl Params {
    /// The window of a SYN. A buffer that the owner has set never grows, so its window needs a smaller scale
    /// (`tcp_select_initial_window`).
    fn first_window(&self, mss: u32, scaling: bool) -> Window {
        let most = if self.rcvbuf_locked { self.rmem / 2 } else { self.rmem_max.max(65_536) };
        Window::initial(self.rmem, most, mss, scaling)
    }

    fn user_mss_or(&self, other: u32) -> u32 {
        if self.user_mss == 0 { other } else { u32::from(self.user_mss) }
    }
}

impl Endpoint {
    fn new(params: Params, opening: Opening, state: State, rcv: Window) -> Self {
        let Opening { iss, stamp_offset, now } = opening;
        let cong = Congestion::new(params.algorithm);
        let mut queue = SendQueue::new(iss.wrapping_add(1));
        queue.push_syn(iss);
        let snd = Snd {
            una: iss,
            next: iss,
            write: iss.wrapping_add(1),
            mss_clamp: u32::from(u16::MAX),
            mss: MSS_DEFAULT,
            small_end: iss,
            ..Snd::default()
        };
        Endpoint {
            state,
            embryo: false,
            snd,
            acks: Acks::default(),
            queue,
            incoming: ReceiveQueue::default(),
            rtt: Rtt::default(),
            cong,
            rack: Rack::default(),
            stamps: Stamps { on: params.timestamps, offset: stamp_offset, ..Stamps::default() },
            sack: params.sack,
            advmss: u32::from(params.advmss),
            dup_acks: 0,
            xmit: None,
            alive: None,
            probe_end: None,
            tries: Tries::default(),
            error: None,
            soft_error: None,
            rcv_shutdown: false,
            snd_shutdown: false,
            orphan: false,
            nodelay: false,
            nospace: false,
            keepalive: false,
            challenged_at: None,
            heard_at: now,
            out: std::collections::VecDeque::new(),
            changed: false,
            counted: Counted::default(),
            traffic: Traffic { acked_at: now, ..Traffic::default() },
            params,
            rcv,
        }
    }

    /// Opens a connection: the SYN is ready to be sent (`tcp_connect`).
    pub fn connect(params: Params, opening: Opening) -> Self {
        let rcv = params.first_window(u32::from(params.advmss), params.window_scaling);
        let mut endpoint = Endpoint::new(params, opening, State::SynSent, rcv);
        endpoint.snd.mss_clamp = endpoint.params.user_mss_or(endpoint.snd.mss_clamp);
        endpoint.snd.mss = endpoint.mss_for(endpoint.snd.mss_clamp);
        endpoint.send_new(opening.now);
        endpoint.rearm(opening.now);
        endpoint
    }

    /// Answers a SYN that a listener got: the SYN-ACK is ready to be sent (`tcp_conn_request`).
    pub fn accept(params: Params, opening: Opening, syn: &Arrived<'_>) -> Self {
        let stamps = params.timestamps && syn.options.timestamp.is_some();
        let mss = u32::from(params.advmss) - if stamps { TSTAMP_ALIGNED } else { 0 };
        let scaling = params.window_scaling && syn.options.wscale.is_some();
        let rcv = params.first_window(mss, scaling);
        let mut endpoint = Endpoint::new(params, opening, State::SynRecv, rcv);
        endpoint.embryo = true;
        endpoint.agree(syn, opening.now);
        endpoint.snd.window = u32::from(syn.window);
        endpoint.send_new(opening.now);
        endpoint.xmit = Some((opening.now + super::rtt::INITIAL_RTO, super::Xmit::Retransmit));
        endpoint
    }

    /// Takes what the other side's SYN says.
    pub(super) fn agree(&mut self, syn: &Arrived<'_>, now: Time) {
        let options = &syn.options;
        self.rcv.next = syn.seq.wrapping_add(1);
        self.rcv.told_at = self.rcv.next;
        self.snd.wl1 = syn.seq;
        let told = options.mss.map_or(MSS_DEFAULT, u32::from);
        self.snd.mss_clamp = told.min(self.params.user_mss_or(told)).max(MSS_MIN);
        self.sack &= options.sack_permitted;
        match options.wscale.filter(|_| self.params.window_scaling) {
            Some(shift) => self.snd.shift = shift,
            None => {
                self.snd.shift = 0;
                self.rcv.shift = 0;
                self.rcv.size = self.rcv.size.min(u32::from(u16::MAX));
                self.rcv.clamp = self.rcv.clamp.min(u32::from(u16::MAX));
            }
        }
        match options.timestamp.filter(|_| self.stamps.on) {
            Some((value, _)) => {
                self.stamps.recent = value;
                self.stamps.recent_at = Some(now);
                self.advmss = self.advmss.saturating_sub(TSTAMP_ALIGNED);
            }
            None => self.stamps.on = false,
        }
        self.stamps.last_ack_sent = self.rcv.next;
        self.snd.mss = self.mss_for(self.snd.mss_clamp);
        self.acks = Acks::new(self.advmss, self.snd.mss, self.rcv.size, now);
    }

    /// Bytes of data that fit into a segment, by the other side's MSS and the path MTU (`tcp_mtu_to_mss`).
    pub(super) fn mss_for(&self, clamp: u32) -> u32 {
        let mss = self.params.mtu.saturating_sub(HEADERS).min(clamp).max(MSS_MIN);
        mss - if self.stamps.on { TSTAMP_ALIGNED } else { 0 }
    }

    /// The handshake is complete.
    pub(super) fn opened(&mut self, now: Time) {
        self.embryo = false;
        self.rcv.opened(self.advmss);
        self.snd.max_window = self.snd.window;
        self.snd.sent_at = now;
        if self.tries.timeouts > 0 {
            // RFC 6298, section 5.7: a lost SYN begins with a small window.
            self.cong.cwnd = if self.tries.timeouts > 1 { 1 } else { self.cong.cwnd };
        }
        self.tries = Tries::default();
        self.enter(State::Established);
        if self.keepalive {
            self.alive = Some(now + self.params.keepalive_time);
        }
    }

    /// The path takes only packets of at most `mtu` bytes: what was larger goes out again (`tcp_v4_mtu_reduced`).
    pub fn path_mtu(&mut self, now: Time, mtu: u32) {
        if mtu >= self.params.mtu || matches!(self.state, State::TimeWait | State::Close) {
            return;
        }
        self.params.mtu = mtu;
        self.snd.mss = self.mss_for(self.snd.mss_clamp);
        let mss = self.snd.mss;
        let mut any = false;
        for segment in self.queue.sent_segments_mut().filter(|s| s.len > mss && !s.sacked) {
            (segment.lost, segment.resent) = (true, false);
            any = true;
        }
        if any {
            self.queue.recount();
            self.retransmit_lost(now);
        }
    }

    /// How long until the next try after `backoff` tries in vain.
    pub(super) fn backed_off(&self, base: Duration) -> Duration {
        base.saturating_mul(1 << self.tries.backoff.min(16)).min(self.params.rto_max)
    }
}
