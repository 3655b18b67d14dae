//! What an acknowledgment says (`tcp_ack`).

use hopwise_sim_core::{Duration, Time};

use super::congestion::Phase;
use super::hystart::Sample;
use super::seq::{after, before};
use super::{Arrived, Endpoint, Xmit};

/// How an acknowledgment was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Taken {
    /// It is a usable one, new or not.
    Fine,
    /// It is too old to say anything.
    Old,
    /// It acknowledges what was never sent.
    Unsent,
}

impl Endpoint {
    /// Takes the acknowledgment of a segment.
    pub(super) fn acknowledge(&mut self, now: Time, segment: &Arrived<'_>) -> Taken {
        let ack = segment.ack;
        if before(ack, self.snd.una) {
            // RFC 5961, section 5.2: one that is older than any window is suspect.
            if before(ack, self.snd.una.wrapping_sub(self.snd.max_window.max(1))) {
                self.challenge(now);
            } else if self.sack && segment.options.sack_count > 0 {
                let newly = self.note_sacks(now, segment);
                self.recover(now, newly, false, false);
            }
            return Taken::Old;
        }
        if after(ack, self.snd.next) {
            return Taken::Unsent;
        }
        self.traffic.acked_at = now;
        let in_flight_before = self.in_flight();
        let advanced = after(ack, self.snd.una);
        let window_moved = self.update_window(segment);
        let before_out = self.queue.sent();
        let newly_sacked = self.note_sacks(now, segment);
        let newly_acked = self.clean(now, segment, ack);
        self.tries.window_probes = 0;
        self.tries.keepalive = 0;
        let duplicate = !advanced
            && !window_moved
            && segment.payload.is_empty()
            && before_out > 0
            && !segment.flags.intersects(crate::wire::tcp::Flags::SYN | crate::wire::tcp::Flags::FIN);
        if advanced {
            self.tries.retransmits = 0;
            self.tries.backoff = 0;
            self.tries.since = None;
            self.soft_error = None;
            self.rearm(now);
        }
        self.end_loss_probe(ack);
        if before_out > 0 {
            let delivered = newly_acked + newly_sacked;
            self.grow(now, delivered, in_flight_before);
            let harmless = advanced && self.cong.phase == Phase::Open && self.queue.sacked == 0 && self.queue.lost == 0;
            if !harmless && (advanced || duplicate || newly_sacked > 0 || self.cong.phase != Phase::Open) {
                self.recover(now, delivered, advanced, duplicate && self.sack_tells_nothing(segment));
            }
            if advanced {
                self.schedule_loss_probe(now);
            }
        } else {
            self.check_window_probe(now);
        }
        Taken::Fine
    }

    /// Without SACK every duplicate counts; with it only what it tells.
    fn sack_tells_nothing(&self, segment: &Arrived<'_>) -> bool {
        !self.sack && segment.options.sack_count == 0
    }

    /// The window that the segment tells, unless it is an older one (`tcp_ack_update_window`).
    fn update_window(&mut self, segment: &Arrived<'_>) -> bool {
        let window = u32::from(segment.window) << self.snd.shift;
        let newer = after(segment.ack, self.snd.una)
            || after(segment.seq, self.snd.wl1)
            || (segment.seq == self.snd.wl1 && (window > self.snd.window || window == 0));
        let moved = newer && window != self.snd.window;
        if newer {
            self.snd.wl1 = segment.seq;
            self.snd.window = window;
            self.snd.max_window = self.snd.max_window.max(window);
        }
        let una = super::seq::max(self.snd.una, segment.ack);
        self.traffic.bytes_acked += u64::from(una.wrapping_sub(self.snd.una));
        self.snd.una = una;
        moved
    }

    /// Marks what the other side has beyond gaps (`tcp_sacktag_write_queue`). Gives how many are new.
    fn note_sacks(&mut self, now: Time, segment: &Arrived<'_>) -> u32 {
        if !self.sack || segment.options.sack_count == 0 {
            return 0;
        }
        let mut arrived = smallvec::SmallVec::<[(Time, u32, bool); 4]>::new();
        for &(start, end) in segment.options.sack_blocks() {
            // What is not beyond the acknowledgment is a report of a duplicate (D-SACK); what was not sent is nonsense.
            if !before(start, end)
                || !after(end, segment.ack)
                || after(end, self.snd.next)
                || before(start, segment.ack)
            {
                continue;
            }
            for sent in self.queue.sent_segments_mut().filter(|s| !s.sacked) {
                if !before(sent.seq, start) && !after(sent.end(), end) {
                    sent.sacked = true;
                    arrived.push((sent.sent_at, sent.end(), sent.ever_resent));
                }
            }
        }
        self.queue.recount();
        for &(sent_at, end, resent) in &arrived {
            self.rack_advance(now, sent_at, end, resent);
        }
        arrived.len() as u32
    }

    /// Takes acknowledged segments off the queue and measures the round trip (`tcp_clean_rtx_queue`). Gives how many
    /// were not known to have arrived.
    fn clean(&mut self, now: Time, segment: &Arrived<'_>, ack: u32) -> u32 {
        let mut newly = 0;
        let mut clean_sample = None;
        let mut any_resent = false;
        let mut arrived = smallvec::SmallVec::<[(Time, u32, bool); 4]>::new();
        self.queue.acknowledge(ack, |gone| {
            if gone.ever_resent {
                any_resent = true;
            } else if !gone.sacked && clean_sample.is_none() {
                clean_sample = Some(gone.sent_at);
            }
            if !gone.sacked {
                newly += 1;
                arrived.push((gone.sent_at, gone.end(), gone.ever_resent));
            }
        });
        if arrived.is_empty() {
            return 0;
        }
        self.counted.tcp_delivered += u64::from(newly);
        self.traffic.delivered += u64::from(newly);
        let (una, next) = (self.snd.una, self.snd.next);
        match clean_sample.filter(|_| !any_resent) {
            Some(sent_at) => {
                self.rtt.sample(now.since(sent_at), &self.params, una, next);
                let sample = self.delay_sample(now, now.since(sent_at));
                self.cong.sampled(&sample);
            }
            // The echoed time stamp tells which sending was answered (RFC 7323, section 4.1).
            None => {
                if let Some((_, echo)) = segment.options.timestamp.filter(|(_, echo)| self.stamps.on && *echo != 0) {
                    let millis = self.stamp(now).wrapping_sub(echo);
                    if millis < 1 << 24 {
                        let took = Duration::from_millis(u64::from(millis.max(1)));
                        self.rtt.sample(took, &self.params, una, next);
                    }
                }
            }
        }
        for &(sent_at, end, resent) in &arrived {
            self.rack_advance(now, sent_at, end, resent);
        }
        if self.nospace && self.wants_writer() {
            self.nospace = false;
            self.changed = true;
        }
        newly
    }

    fn delay_sample(&self, now: Time, delay: Duration) -> Sample {
        let rtt = self.rtt.smoothed().map_or(0, |rtt| rtt.as_micros() as u64);
        let window = u64::from(self.cong.cwnd.max(self.queue.sent() as u32)) * u64::from(self.snd.mss);
        let pacing = (2 * window * 1_000_000).checked_div(rtt).unwrap_or(0);
        Sample { now, delay, una: self.snd.una, next: self.snd.next, cwnd: self.cong.cwnd, pacing }
    }

    /// The congestion window grows while it is what holds back (`tcp_cong_avoid`, `tcp_is_cwnd_limited`).
    fn grow(&mut self, now: Time, delivered: u32, in_flight_before: u32) {
        if delivered == 0 || self.cong.phase == Phase::Recovery {
            return;
        }
        let limited =
            in_flight_before >= self.cong.cwnd || (self.cong.in_slow_start() && self.cong.cwnd < 2 * self.snd.max_out);
        if limited {
            self.cong.acked(delivered, now, self.rtt.min().unwrap_or_default());
        }
    }

    fn end_loss_probe(&mut self, ack: u32) {
        if self.probe_end.is_some_and(|end| !before(ack, end)) {
            self.probe_end = None;
        }
    }

    /// Nothing is out: if something waits and the window is too small for it, it is asked for (`tcp_ack_probe`).
    fn check_window_probe(&mut self, now: Time) {
        let Some(&head) = self.queue.head() else { return };
        if !after(head.end(), self.window_end()) {
            self.tries.backoff = 0;
            if self.xmit.is_some_and(|(_, what)| what == Xmit::WindowProbe) {
                self.xmit = None;
            }
        } else {
            self.set_window_probe(now);
        }
    }
}
