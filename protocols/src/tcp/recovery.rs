//! Losses: what is taken for lost, and when it is sent again. RACK and tail loss probes (RFC 8985); without SACK,
//! NewReno (RFC 6582).

use hopwise_sim_core::{Duration, Time};

use super::congestion::Phase;
use super::seq::{after, before};
use super::{Endpoint, State, Xmit};

/// Duplicate acknowledgments, or segments beyond a gap, that mean a loss (`net.ipv4.tcp_reordering`).
const DUP_THRESH: u32 = 3;
/// Room for the receiver's timer in a loss probe (`TCP_TIMEOUT_MIN`: two ticks of a millisecond).
const TIMEOUT_MIN: Duration = Duration::from_millis(2);

/// The segment that was sent last among those that arrived.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rack {
    sent_at: Time,
    end: u32,
    rtt: Duration,
    valid: bool,
}

impl Endpoint {
    /// A segment arrived at the other side (`tcp_rack_advance`).
    pub(super) fn rack_advance(&mut self, now: Time, sent_at: Time, end: u32, resent: bool) {
        let rtt = now.since(sent_at);
        // An acknowledgment of the first sending, not of the second one.
        if resent && self.rtt.min().is_some_and(|min| rtt < min) {
            return;
        }
        let rack = &mut self.rack;
        if !rack.valid || sent_at > rack.sent_at || (sent_at == rack.sent_at && after(end, rack.end)) {
            *rack = Rack { sent_at, end, rtt, valid: true };
        }
    }

    /// Marks as lost what was sent well before something that arrived; gives how long until more may be
    /// (`tcp_rack_detect_loss`).
    fn rack_detect(&mut self, now: Time) -> Option<Duration> {
        let rack = self.rack;
        if !rack.valid {
            return None;
        }
        let settle = if self.cong.phase >= Phase::Recovery || self.queue.sacked >= DUP_THRESH {
            Duration::ZERO
        } else {
            let quarter = self.rtt.min().unwrap_or_default() / 4;
            quarter.min(self.rtt.smoothed().unwrap_or_default())
        };
        let mut wait: Option<Duration> = None;
        for segment in self.queue.sent_segments_mut() {
            let earlier =
                segment.sent_at < rack.sent_at || (segment.sent_at == rack.sent_at && before(segment.end(), rack.end));
            if segment.sacked || (segment.lost && !segment.resent) || !earlier {
                continue;
            }
            let remaining = (rack.rtt + settle).saturating_sub(now.since(segment.sent_at));
            if remaining.is_zero() {
                (segment.lost, segment.resent) = (true, false);
            } else {
                wait = Some(wait.map_or(remaining, |w| w.max(remaining)));
            }
        }
        self.queue.recount();
        wait
    }

    /// Without SACK: how many segments beyond the gap the duplicates stand for (`tcp_add_reno_sack`).
    fn mark_reno(&mut self) {
        if self.dup_acks < DUP_THRESH && self.cong.phase < Phase::Recovery {
            return;
        }
        let una = self.snd.una;
        for segment in self.queue.sent_segments_mut().filter(|s| s.seq == una && !s.lost) {
            segment.lost = true;
        }
        self.queue.recount();
    }

    /// After an acknowledgment: enters, continues or leaves recovery (`tcp_fastretrans_alert`). `newly` segments
    /// arrived, of which some are new at the left edge if `advanced`.
    pub(super) fn recover(&mut self, now: Time, newly: u32, advanced: bool, duplicate: bool) {
        if self.cong.phase >= Phase::Recovery && !before(self.snd.una, self.cong.high_seq) {
            // NewReno stays one segment longer, lest old duplicates begin it anew.
            if self.sack || self.snd.una != self.cong.high_seq || self.cong.phase == Phase::Loss {
                self.cong.leave_recovery();
                self.dup_acks = 0;
            }
        }
        let wait = if self.sack {
            self.rack_detect(now)
        } else {
            if duplicate {
                self.dup_acks += 1;
            } else if advanced && self.cong.phase < Phase::Recovery {
                self.dup_acks = 0;
            }
            self.mark_reno_if(advanced || duplicate);
            None
        };
        if self.cong.phase < Phase::Recovery {
            if self.queue.lost > 0 {
                self.counted.tcp_sack_recovery += u64::from(self.sack);
                self.counted.tcp_reno_recovery += u64::from(!self.sack);
                self.cong.enter_recovery(self.snd.next);
                self.cong.reduce(newly.max(1), self.in_flight(), advanced);
            } else {
                let gap = self.queue.sacked > 0 || self.dup_acks > 0;
                self.cong.phase = if gap { Phase::Disorder } else { Phase::Open };
            }
        } else if self.cong.phase == Phase::Recovery {
            self.cong.reduce(newly.max(u32::from(duplicate)), self.in_flight(), advanced);
        }
        self.retransmit_lost(now);
        if let Some(wait) = wait {
            self.xmit = Some((now + wait.max(Duration::from_micros(1)), Xmit::Reorder));
        }
    }

    fn mark_reno_if(&mut self, moved: bool) {
        if moved {
            self.mark_reno();
        }
    }

    /// Segments on their way; without SACK, each duplicate acknowledgment stands for one that arrived.
    pub(super) fn in_flight(&self) -> u32 {
        let flying = self.queue.in_flight();
        if self.sack { flying } else { flying.saturating_sub(self.dup_acks) }
    }

    /// Sends again what is lost, as far as the window allows (`tcp_xmit_retransmit_queue`).
    pub(super) fn retransmit_lost(&mut self, now: Time) {
        if self.queue.lost <= self.queue.resent {
            return;
        }
        let mut index = 0;
        let mut first = self.queue.resent == 0;
        while index < self.queue.sent() {
            if self.in_flight() >= self.cong.cwnd && !first {
                break;
            }
            if self.queue.get(index).is_some_and(|s| s.lost && !s.resent) {
                if self.cong.phase == Phase::Recovery {
                    self.counted.tcp_fast_retrans += 1;
                    self.cong.sent_in_recovery(1);
                }
                self.resend(now, index);
                if index == 0 {
                    self.rearm(now);
                }
                first = false;
            }
            index += 1;
        }
    }

    /// The timer for what might be lost has run out (`tcp_rack_reo_timeout`).
    pub(super) fn reorder_timeout(&mut self, now: Time) {
        self.rearm(now);
        self.recover(now, 0, false, false);
        self.push(now);
    }

    /// Sets the timer of the tail loss probe, if the retransmission is not due before it
    /// (`tcp_schedule_loss_probe`).
    pub(super) fn schedule_loss_probe(&mut self, now: Time) {
        let usable = self.sack && self.state != State::SynSent && self.cong.phase <= Phase::Disorder;
        if !usable || self.queue.sent() == 0 || self.queue.sacked > 0 || self.probe_end.is_some() {
            return;
        }
        let mut timeout = match self.rtt.smoothed() {
            Some(srtt) if self.queue.sent() == 1 => 2 * srtt + self.params.rto_min,
            Some(srtt) => 2 * srtt + TIMEOUT_MIN,
            None => super::rtt::INITIAL_RTO,
        };
        let first_sent = self.queue.get(0).map_or(now, |s| s.sent_at);
        let rto_left = (first_sent + self.rtt.rto(&self.params)).since(now);
        if !rto_left.is_zero() {
            timeout = timeout.min(rto_left);
        }
        self.xmit = Some((now + timeout, Xmit::LossProbe));
    }

    /// Nothing came back: one more segment asks for an answer (`tcp_send_loss_probe`).
    pub(super) fn loss_probe_timeout(&mut self, now: Time) {
        self.xmit = None;
        if self.queue.sent() == 0 {
            return;
        }
        self.counted.tcp_loss_probes += 1;
        let fits = self.queue.head().is_some_and(|h| h.len <= self.snd.mss && !after(h.end(), self.window_end()));
        if fits {
            self.send_new(now);
        } else {
            self.resend(now, self.queue.sent() - 1);
            // It is a probe, not yet a retransmission that is counted against the connection.
            self.tries.since = None;
        }
        self.probe_end = Some(self.snd.next);
        self.rearm(now);
    }
}
