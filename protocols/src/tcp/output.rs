//! Segments that leave (`tcp_output.c`).

use hopwise_sim_core::Time;

use super::seq::{after, before};
use super::{Arrived, Endpoint, Outgoing, State, Xmit};
use crate::wire::tcp::{Flags, Options};

/// The reset that answers a segment which belongs to nothing here (`tcp_v4_send_reset`); none for a reset.
pub fn reset_for(segment: &Arrived<'_>) -> Option<Outgoing> {
    if segment.flags.contains(Flags::RST) {
        return None;
    }
    let (seq, ack, flags) = if segment.flags.contains(Flags::ACK) {
        (segment.ack, 0, Flags::RST)
    } else {
        (0, segment.end(), Flags::RST | Flags::ACK)
    };
    Some(Outgoing { seq, ack, flags, window: 0, options: Options::default(), len: 0, full_socket: false })
}

impl Endpoint {
    /// The clock of the time stamps: milliseconds (`tcp_clock_ts`).
    pub(super) fn stamp(&self, now: Time) -> u32 {
        ((now.as_nanos() / 1_000_000) as u32).wrapping_add(self.stamps.offset)
    }

    /// The options of a segment that is no SYN.
    fn options(&mut self, now: Time) -> Options {
        let mut options = Options::default();
        if self.stamps.on {
            options.timestamp = Some((self.stamp(now), self.stamps.recent));
        }
        if self.sack {
            (options.sack, options.sack_count) = self.incoming.take_blocks(if self.stamps.on { 3 } else { 4 });
        }
        options
    }

    fn syn_options(&self, now: Time) -> Options {
        Options {
            mss: Some(self.params.advmss),
            sack_permitted: self.sack,
            timestamp: self.stamps.on.then(|| (self.stamp(now), self.stamps.recent)),
            wscale: (self.rcv.shift > 0 || self.offers_scaling()).then_some(self.rcv.shift),
            ..Options::default()
        }
    }

    /// A shift of zero is still an offer, as long as the other side has not refused.
    fn offers_scaling(&self) -> bool {
        self.params.window_scaling && self.state == State::SynSent
    }

    /// Sends the segment at a place of the queue (`__tcp_transmit_skb`).
    fn transmit(&mut self, now: Time, index: usize) {
        let Some(&segment) = self.queue.get(index) else { return };
        let mut flags = Flags::empty();
        let (options, window);
        if segment.syn {
            flags |= Flags::SYN;
            options = self.syn_options(now);
            window = self.rcv.size.min(u32::from(u16::MAX)) as u16;
        } else {
            options = self.options(now);
            window = self.rcv.select(self.incoming.memory(), self.acks.rcv_mss);
        }
        flags.set(Flags::ACK, self.state != State::SynSent);
        flags.set(Flags::PSH, segment.psh && segment.len > 0);
        flags.set(Flags::FIN, segment.fin);
        if segment.len > 0 {
            self.acks.data_sent(now);
            self.snd.sent_at = now;
        }
        self.emit(segment.seq, flags, window, options, segment.len);
    }

    fn emit(&mut self, seq: u32, flags: Flags, window: u16, options: Options, len: u32) {
        let ack = if flags.contains(Flags::ACK) { self.rcv.next } else { 0 };
        if flags.contains(Flags::ACK) {
            self.stamps.last_ack_sent = ack;
            self.acks.sent();
        }
        self.traffic.segs_out += 1;
        self.traffic.data_segs_out += u64::from(len > 0);
        self.traffic.bytes_sent += u64::from(len);
        let full_socket = !self.embryo && self.state != State::TimeWait;
        self.out.push_back(Outgoing { seq, ack, flags, window, options, len, full_socket });
    }

    /// Sends an acknowledgment (`tcp_send_ack`).
    pub(super) fn send_ack(&mut self, now: Time) {
        if self.state == State::Close {
            return;
        }
        let options = self.options(now);
        let window = self.rcv.select(self.incoming.memory(), self.acks.rcv_mss);
        self.emit(self.snd.next, Flags::ACK, window, options, 0);
    }

    /// Sends a segment without data and with an old number: the other side must answer it (`tcp_xmit_probe_skb`).
    pub(super) fn send_probe(&mut self, now: Time) {
        let options = self.options(now);
        let window = self.rcv.select(self.incoming.memory(), self.acks.rcv_mss);
        self.emit(self.snd.una.wrapping_sub(1), Flags::ACK, window, options, 0);
    }

    /// Sends a reset for a connection that is given up (`tcp_send_active_reset`).
    pub(super) fn send_reset(&mut self, now: Time) {
        let options = if self.stamps.on {
            Options { timestamp: Some((self.stamp(now), self.stamps.recent)), ..Options::default() }
        } else {
            Options::default()
        };
        self.counted.out_rsts += 1;
        self.emit(self.snd.next, Flags::RST | Flags::ACK, 0, options, 0);
    }

    /// The number after the last one that the other side's window takes.
    pub(super) fn window_end(&self) -> u32 {
        self.snd.una.wrapping_add(self.snd.window)
    }

    /// Sends the first waiting segment, whatever the windows say.
    pub(super) fn send_new(&mut self, now: Time) {
        let index = self.queue.sent();
        let Some(&segment) = self.queue.get(index) else { return };
        if segment.len > 0 {
            self.counted.tcp_orig_data_sent += 1;
        }
        self.transmit(now, index);
        self.queue.advance(now);
        self.snd.next = segment.end();
        if segment.len > 0 && segment.len < self.snd.mss {
            self.snd.small_end = segment.end();
        }
        let out = self.queue.sent() as u32;
        if !before(self.snd.una, self.snd.max_out_until) || out > self.snd.max_out {
            (self.snd.max_out, self.snd.max_out_until) = (out, self.snd.next);
        }
    }

    /// Sends what may be sent: windows, Nagle's rule (`tcp_write_xmit`). True if something went out.
    pub(super) fn push(&mut self, now: Time) -> bool {
        if matches!(self.state, State::SynSent | State::SynRecv | State::Close | State::TimeWait) {
            return false;
        }
        self.restart_after_idle(now);
        let before = self.queue.sent();
        let mut sent = 0;
        while let Some(&head) = self.queue.head() {
            if self.queue.in_flight() >= self.cong.cwnd {
                break;
            }
            if head.len > self.snd.mss {
                self.queue.cut(self.queue.sent(), self.snd.mss);
                continue;
            }
            if after(head.end(), self.window_end()) && !(head.len == 0 && self.snd.window > 0) {
                break;
            }
            if !self.nagle_allows(head.len, head.fin) {
                break;
            }
            self.send_new(now);
            sent += 1;
        }
        if sent > 0 {
            if self.cong.phase >= super::congestion::Phase::Recovery {
                self.cong.sent_in_recovery(sent);
            }
            if before == 0 || self.xmit.is_some_and(|(_, what)| what == Xmit::WindowProbe) {
                self.rearm(now);
            }
            self.schedule_loss_probe(now);
        }
        if self.queue.sent() == 0 && self.queue.head().is_some() && self.xmit.is_none() {
            self.tries.backoff = 0;
            self.set_window_probe(now);
        }
        sent > 0
    }

    /// Whether a segment may go before what is out is acknowledged (`tcp_nagle_test`, Minshall's form).
    fn nagle_allows(&self, len: u32, fin: bool) -> bool {
        let full = len >= self.snd.mss;
        let small_out = after(self.snd.small_end, self.snd.una) && !after(self.snd.small_end, self.snd.next);
        full || fin || self.nodelay || self.queue.sent() == 0 || !small_out
    }

    fn restart_after_idle(&mut self, now: Time) {
        if !self.params.slow_start_after_idle || self.queue.sent() > 0 || self.queue.head().is_none() {
            return;
        }
        let (idle, rto) = (now.since(self.snd.sent_at), self.rtt.rto(&self.params));
        if idle > rto {
            let timeouts = (idle.as_nanos() / rto.as_nanos().max(1)) as u32;
            self.cong.restart_after_idle(timeouts);
        }
    }

    /// Sends a segment again (`tcp_retransmit_skb`).
    pub(super) fn resend(&mut self, now: Time, index: usize) {
        let Some(&segment) = self.queue.get(index) else { return };
        if segment.len > self.snd.mss {
            self.queue.cut(index, self.snd.mss);
        }
        self.counted.retrans_segs += 1;
        self.snd.total_retrans += 1;
        self.traffic.bytes_retrans += u64::from(segment.len.min(self.snd.mss));
        self.counted.tcp_syn_retrans += u64::from(segment.syn);
        self.transmit(now, index);
        self.queue.note_resent(index, now);
        self.tries.since.get_or_insert(now);
    }

    /// Something must be acknowledged: now or later (`__tcp_ack_snd_check`).
    pub(super) fn check_ack(&mut self, now: Time) {
        if !self.acks.scheduled {
            return;
        }
        let full = self.rcv.next.wrapping_sub(self.rcv.told_at) > self.acks.rcv_mss
            && self.rcv.wanted(self.incoming.memory(), self.acks.rcv_mss) >= self.rcv.size;
        let due = full || self.acks.now || self.acks.is_quick() || self.incoming.has_early();
        if due || !self.acks.delay(now, self.rtt.smoothed()) {
            self.send_ack(now);
        }
    }
}
