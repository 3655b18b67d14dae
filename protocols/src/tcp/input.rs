//! Segments that arrive (`tcp_input.c`, `tcp_minisocks.c`).

use hopwise_sim_core::{Duration, Errno, Time};

use super::ack::Taken;
use super::acks::Text;
use super::seq::{after, before};
use super::{Arrived, Endpoint, Outgoing, State, TIMEWAIT_LEN, reset_for};
use crate::wire::tcp::Flags;

/// For so long a time stamp can be compared with a newer one (`TCP_PAWS_24DAYS`).
const PAWS_VALID: Duration = Duration::from_secs(24 * 86_400);
/// By so much a new connection's numbers are beyond those of the remembered one that it replaces.
const REOPEN_STEP: u32 = 65_535 + 2;

/// What is left to the owner of the endpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reaction {
    /// Nothing.
    Done,
    /// The segment opens a new connection between the same ports; the remembered one makes way. The new one is to
    /// begin with this number.
    Reopen(u32),
}

impl Endpoint {
    /// A segment of this connection arrived.
    pub fn on_segment(&mut self, now: Time, segment: &Arrived<'_>) -> Reaction {
        self.traffic.segs_in += 1;
        self.traffic.data_segs_in += u64::from(!segment.payload.is_empty());
        match self.state {
            State::SynSent => self.syn_sent(now, segment),
            State::SynRecv if self.embryo => self.embryo(now, segment),
            State::TimeWait => return self.time_wait(now, segment),
            State::Close | State::Listen => self.refuse(segment),
            _ => self.open(now, segment),
        }
        Reaction::Done
    }

    fn refuse(&mut self, segment: &Arrived<'_>) {
        if let Some(reset) = reset_for(segment) {
            self.counted.out_rsts += 1;
            self.out.push_back(Outgoing { full_socket: false, ..reset });
        }
    }

    /// `tcp_rcv_synsent_state_process`
    fn syn_sent(&mut self, now: Time, segment: &Arrived<'_>) {
        let flags = segment.flags;
        if flags.contains(Flags::ACK) {
            if !after(segment.ack, self.snd.una) || after(segment.ack, self.snd.next) {
                self.refuse(segment);
                return;
            }
            if flags.contains(Flags::RST) {
                self.finish(Some(Errno::ECONNREFUSED));
                return;
            }
            if !flags.contains(Flags::SYN) {
                return;
            }
            self.snd.shift = 0;
            self.snd.window = u32::from(segment.window);
            self.snd.wl1 = segment.seq;
            self.acknowledge(now, segment);
            self.agree(segment, now);
            self.xmit = None;
            self.opened(now);
            self.send_ack(now);
            self.push(now);
        } else if flags.contains(Flags::SYN) && !flags.contains(Flags::RST) {
            // Both sides open at once (RFC 9293, section 3.5).
            self.agree(segment, now);
            self.snd.window = u32::from(segment.window);
            self.enter(State::SynRecv);
            self.resend(now, 0);
            self.rearm(now);
        }
    }

    /// A connection that a listener answered waits for the last part of the handshake (`tcp_check_req`).
    fn embryo(&mut self, now: Time, segment: &Arrived<'_>) {
        let flags = segment.flags;
        let isn = self.rcv.next.wrapping_sub(1);
        let kind = flags & (Flags::SYN | Flags::ACK | Flags::RST | Flags::FIN);
        let stale = self.is_stale(now, segment);
        if segment.seq == isn && kind == Flags::SYN && !stale {
            // The SYN came again: so does the answer.
            self.resend(now, 0);
            return;
        }
        if flags.contains(Flags::ACK) && segment.ack != self.snd.next {
            self.refuse(segment);
            return;
        }
        if stale || !self.is_in_window(segment) {
            if !flags.contains(Flags::RST) {
                self.send_ack(now);
            }
            return;
        }
        if flags.contains(Flags::RST) || (flags.contains(Flags::SYN) && segment.seq != isn) {
            self.refuse(segment);
            self.finish(None);
            return;
        }
        if flags.contains(Flags::ACK) {
            self.open(now, segment);
        }
    }

    /// `tcp_timewait_state_process`
    fn time_wait(&mut self, now: Time, segment: &Arrived<'_>) -> Reaction {
        let flags = segment.flags;
        let stale = self.is_stale(now, segment);
        let empty = segment.end() == segment.seq;
        if !stale && segment.seq == self.rcv.next && (empty || flags.contains(Flags::RST)) {
            if flags.contains(Flags::RST) {
                self.finish(None);
            } else {
                self.alive = Some(now + TIMEWAIT_LEN);
                self.note_stamp(now, segment);
            }
            return Reaction::Done;
        }
        let newer =
            segment.options.timestamp.is_some_and(|(value, _)| self.stamps.on && after(value, self.stamps.recent));
        let opens = flags & (Flags::SYN | Flags::RST | Flags::ACK) == Flags::SYN;
        if opens && !stale && (after(segment.seq, self.rcv.next) || newer) {
            return Reaction::Reopen(self.snd.next.wrapping_add(REOPEN_STEP).max(1));
        }
        if !flags.contains(Flags::RST) {
            if stale || flags.contains(Flags::ACK) {
                self.alive = Some(now + TIMEWAIT_LEN);
            }
            if self.may_challenge(now) {
                self.send_ack(now);
            }
        }
        Reaction::Done
    }

    /// The states in which data may flow (`tcp_rcv_established`, `tcp_rcv_state_process`).
    fn open(&mut self, now: Time, segment: &Arrived<'_>) {
        if !self.is_acceptable(now, segment) || !segment.flags.contains(Flags::ACK) {
            return;
        }
        self.heard_at = now;
        let was_embryonic = self.state == State::SynRecv;
        match self.acknowledge(now, segment) {
            Taken::Unsent if was_embryonic => {
                self.refuse(segment);
                return;
            }
            Taken::Unsent => {
                if self.state != State::Established {
                    self.challenge(now);
                }
                return;
            }
            Taken::Old if was_embryonic => return,
            Taken::Old | Taken::Fine => {}
        }
        if was_embryonic {
            self.snd.window = u32::from(segment.window) << self.snd.shift;
            self.xmit = None;
            self.opened(now);
        }
        self.note_stamp(now, segment);
        if !self.ends_acknowledged(now, segment) {
            return;
        }
        self.take_text(now, segment);
        if matches!(self.state, State::Close | State::TimeWait) {
            return;
        }
        self.push(now);
        self.check_ack(now);
    }

    /// What the acknowledgment of our FIN changes. False if nothing is left to be done.
    fn ends_acknowledged(&mut self, now: Time, segment: &Arrived<'_>) -> bool {
        if !self.snd_shutdown || self.snd.una != self.snd.write {
            return true;
        }
        match self.state {
            State::FinWait1 => {
                self.enter(State::FinWait2);
                if self.orphan {
                    let text_end = segment.seq.wrapping_add(segment.payload.len() as u32);
                    if !segment.payload.is_empty() && after(text_end, self.rcv.next) {
                        self.abort_on_data(segment);
                        return false;
                    }
                    self.wait_for_fin(now);
                }
                true
            }
            State::Closing => {
                self.enter_time_wait(now);
                false
            }
            State::LastAck => {
                self.finish(None);
                false
            }
            _ => true,
        }
    }

    fn abort_on_data(&mut self, segment: &Arrived<'_>) {
        self.counted.tcp_abort_on_data += 1;
        self.refuse(segment);
        self.finish(None);
    }

    /// Data and FIN (`tcp_data_queue`).
    fn take_text(&mut self, now: Time, segment: &Arrived<'_>) {
        let (seq, end) = (segment.seq, segment.end());
        if seq == end {
            return;
        }
        let text_end = seq.wrapping_add(segment.payload.len() as u32);
        let ended = self.orphan && matches!(self.state, State::FinWait1 | State::FinWait2);
        if ended && after(text_end, self.rcv.next) {
            self.abort_on_data(segment);
            return;
        }
        if matches!(self.state, State::CloseWait | State::Closing | State::LastAck) && !before(seq, self.rcv.next) {
            return;
        }
        if !after(end, self.rcv.next) {
            // Again what was here: the acknowledgment was lost.
            self.counted.tcp_dsack_old_sent += u64::from(self.sack);
            self.report_duplicate(seq, end);
            self.ack_soon();
            return;
        }
        if !before(seq, self.rcv.next.wrapping_add(self.rcv.left())) {
            // Beyond the window, or the window is closed: say how it stands.
            self.ack_soon();
            self.acks.now |= self.rcv.left() == 0;
            return;
        }
        if after(seq, self.rcv.next) {
            self.keep_early(segment);
            return;
        }
        if before(seq, self.rcv.next) {
            self.report_duplicate(seq, self.rcv.next);
        }
        let known = self.rcv.next.wrapping_sub(seq) as usize;
        let new = segment.payload.get(known..).unwrap_or_default();
        self.append(now, segment, new);
        self.changed = true;
        let fin = segment.flags.contains(Flags::FIN);
        if self.incoming.has_early() && !fin {
            let next = self.incoming.join(self.rcv.next);
            self.traffic.bytes_received += u64::from(next.wrapping_sub(self.rcv.next));
            self.rcv.next = next;
            // The gap is filled: the sender wants to know at once (RFC 5681, section 4.2).
            self.acks.now |= !self.incoming.has_early();
        }
        if fin {
            self.fin_arrived(now);
        }
    }

    /// Bytes that continue what is there (`tcp_queue_rcv`, `tcp_event_data_recv`).
    fn append(&mut self, now: Time, segment: &Arrived<'_>, new: &[u8]) {
        if new.is_empty() {
            return;
        }
        let len = new.len() as u32;
        let full_size = len > self.acks.rcv_mss;
        if let Some((_, echo)) = segment.options.timestamp.filter(|_| self.stamps.on && len >= self.acks.rcv_mss) {
            self.rcv.measure(echo, self.stamp(now).wrapping_sub(echo));
        }
        self.incoming.append(new);
        self.rcv.next = self.rcv.next.wrapping_add(len);
        self.traffic.bytes_received += u64::from(len);
        let header = if self.stamps.on { 32 } else { 20 };
        let psh = segment.flags.contains(Flags::PSH);
        let rto = self.rtt.rto(&self.params);
        self.acks.data_received(Text { len, psh, header }, self.advmss, self.rcv.size, rto, now);
        self.rcv.data_received(len, full_size, self.advmss, self.incoming.memory());
    }

    /// A segment beyond a gap (`tcp_data_queue_ofo`).
    fn keep_early(&mut self, segment: &Arrived<'_>) {
        self.counted.tcp_ofo_queue += 1;
        self.acks.scheduled = true;
        self.acks.pingpong = false;
        // A FIN beyond a gap comes again with the rest.
        if segment.payload.is_empty() || self.incoming.memory() > 2 * self.rcv.buffer as usize {
            return;
        }
        let room = self.rcv.next.wrapping_add(self.rcv.left()).wrapping_sub(segment.seq) as usize;
        let fits = &segment.payload[..room.min(segment.payload.len())];
        self.incoming.insert_early(segment.seq, fits);
    }

    fn report_duplicate(&mut self, start: u32, end: u32) {
        if self.sack {
            self.incoming.note_duplicate((start, end));
        }
    }

    fn ack_soon(&mut self) {
        self.acks.enter_quick(self.rcv.size);
        self.acks.scheduled = true;
    }

    /// `tcp_fin`
    fn fin_arrived(&mut self, now: Time) {
        self.rcv.next = self.rcv.next.wrapping_add(1);
        self.traffic.bytes_received += 1;
        self.acks.scheduled = true;
        self.rcv_shutdown = true;
        self.changed = true;
        self.incoming.prune_early();
        match self.state {
            State::Established | State::SynRecv => {
                self.enter(State::CloseWait);
                self.acks.pingpong = true;
            }
            State::FinWait1 => {
                self.send_ack(now);
                self.enter(State::Closing);
            }
            State::FinWait2 => {
                self.send_ack(now);
                self.enter_time_wait(now);
            }
            _ => {}
        }
    }

    /// `tcp_time_wait`
    fn enter_time_wait(&mut self, now: Time) {
        self.counted.tw += 1;
        self.enter(State::TimeWait);
        self.clear_queue();
        (self.xmit, self.acks.timer) = (None, None);
        self.acks.scheduled = false;
        self.alive = Some(now + TIMEWAIT_LEN);
    }

    /// Whether the segment belongs into this connection now; answers it if not (`tcp_validate_incoming`).
    fn is_acceptable(&mut self, now: Time, segment: &Arrived<'_>) -> bool {
        let flags = segment.flags;
        let rst = flags.contains(Flags::RST);
        if !rst && self.is_stale(now, segment) && !self.is_disordered_ack(segment) {
            self.counted.paws_estab += 1;
            self.answer_duplicate(now, segment);
            return false;
        }
        if !self.is_in_window(segment) {
            if !rst {
                self.answer_duplicate(now, segment);
            }
            return false;
        }
        if rst {
            // RFC 5961, section 3.2: only an exact one is believed.
            if segment.seq == self.rcv.next {
                self.reset()
            } else {
                self.challenge(now)
            }
            return false;
        }
        if flags.contains(Flags::SYN) {
            // The peer of a simultaneous opening sends its SYN with the acknowledgment.
            if self.state == State::SynRecv && flags.contains(Flags::ACK) && segment.end() == self.rcv.next {
                return true;
            }
            self.counted.tcp_syn_challenge += 1;
            self.challenge(now);
            return false;
        }
        true
    }

    /// A pure acknowledgment that was overtaken on its way (`tcp_disordered_ack`).
    fn is_disordered_ack(&self, segment: &Arrived<'_>) -> bool {
        segment.payload.is_empty()
            && segment.seq == self.rcv.next
            && segment.seq == segment.end()
            && segment.ack == self.snd.una
            && u32::from(segment.window) << self.snd.shift == self.snd.window
    }

    /// `tcp_sequence`
    fn is_in_window(&self, segment: &Arrived<'_>) -> bool {
        let end = self.rcv.next.wrapping_add(self.rcv.left());
        !before(segment.end(), self.rcv.told_at) && !after(segment.seq, end)
    }

    /// Whether its time stamp is older than one seen (RFC 7323, section 5).
    fn is_stale(&self, now: Time, segment: &Arrived<'_>) -> bool {
        let Some((value, _)) = segment.options.timestamp.filter(|_| self.stamps.on) else { return false };
        let fresh = self.stamps.recent_at.is_some_and(|at| now.since(at) < PAWS_VALID);
        fresh && before(value, self.stamps.recent)
    }

    /// `tcp_replace_ts_recent`
    fn note_stamp(&mut self, now: Time, segment: &Arrived<'_>) {
        let Some((value, _)) = segment.options.timestamp.filter(|_| self.stamps.on) else { return };
        if !after(segment.seq, self.stamps.last_ack_sent) && !before(value, self.stamps.recent) {
            self.stamps.recent = value;
            self.stamps.recent_at = Some(now);
        }
    }

    /// Answers a segment that does not fit with what is expected (`tcp_send_dupack`).
    fn answer_duplicate(&mut self, now: Time, segment: &Arrived<'_>) {
        if segment.flags.contains(Flags::SYN) {
            self.challenge(now);
            return;
        }
        let (seq, end) = (segment.seq, segment.end());
        if seq == end {
            // Two that do not understand each other must not answer each other for ever.
            if self.may_challenge(now) {
                self.send_ack(now);
            }
            return;
        }
        if before(seq, self.rcv.next) {
            self.acks.enter_quick(self.rcv.size);
            self.counted.tcp_dsack_old_sent += u64::from(self.sack);
            let known = if after(end, self.rcv.next) { self.rcv.next } else { end };
            self.report_duplicate(seq, known);
        }
        self.send_ack(now);
    }

    /// RFC 5961: asks the other side whether it meant it.
    pub(super) fn challenge(&mut self, now: Time) {
        if self.may_challenge(now) {
            self.counted.tcp_challenge_ack += 1;
            self.send_ack(now);
        }
    }

    /// At most one such answer each half second (`tcp_invalid_ratelimit`).
    fn may_challenge(&mut self, now: Time) -> bool {
        if self.challenged_at.is_some_and(|at| now.since(at) < self.params.invalid_ratelimit) {
            return false;
        }
        self.challenged_at = Some(now);
        true
    }

    /// The other side broke the connection off (`tcp_reset`).
    fn reset(&mut self) {
        let error = match self.state {
            State::SynSent => Errno::ECONNREFUSED,
            State::CloseWait => Errno::EPIPE,
            _ => Errno::ECONNRESET,
        };
        if matches!(self.state, State::Established | State::CloseWait) {
            self.counted.estab_resets += 1;
        }
        self.finish(Some(error));
    }
}
