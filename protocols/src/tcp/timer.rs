//! What happens when nothing arrives (`tcp_timer.c`).

use hopwise_sim_core::{Duration, Errno, Time};

use super::congestion::Phase;
use super::rtt::INITIAL_RTO;
use super::seq::after;
use super::{Endpoint, State, Xmit};

impl Endpoint {
    /// Timers run out.
    pub fn on_timer(&mut self, now: Time) {
        if self.acks.timer.is_some_and(|at| at <= now) {
            self.delayed_ack(now);
        }
        if let Some((at, what)) = self.xmit
            && at <= now
        {
            match what {
                Xmit::Retransmit => self.retransmit_timeout(now),
                Xmit::LossProbe => self.loss_probe_timeout(now),
                Xmit::Reorder => self.reorder_timeout(now),
                Xmit::WindowProbe => self.window_probe_timeout(now),
            }
        }
        if self.alive.is_some_and(|at| at <= now) {
            self.alive_timeout(now);
        }
    }

    /// Sets the timer for the oldest segment that is out, or stops it (`tcp_rearm_rto`).
    pub(super) fn rearm(&mut self, now: Time) {
        if self.queue.sent() == 0 {
            self.xmit = None;
            return;
        }
        let timeout = self.backed_off(self.rtt.rto(&self.params));
        self.xmit = Some((now + timeout, Xmit::Retransmit));
    }

    fn delayed_ack(&mut self, now: Time) {
        self.acks.timed_out(self.rtt.rto(&self.params));
        if self.acks.scheduled {
            self.counted.delayed_acks += 1;
            self.send_ack(now);
        }
    }

    /// `tcp_retransmit_timer`
    fn retransmit_timeout(&mut self, now: Time) {
        self.xmit = None;
        if self.queue.sent() == 0 {
            return;
        }
        self.counted.tcp_timeouts += 1;
        if self.is_hopeless(now) {
            self.give_up(now);
            return;
        }
        self.probe_end = None;
        self.tries.timeouts += 1;
        self.tries.retransmits += 1;
        if self.embryo || self.state == State::SynSent {
            self.resend(now, 0);
            // The first SYNs follow each other evenly (net.ipv4.tcp_syn_linear_timeouts).
            if self.state == State::SynRecv || self.tries.timeouts > self.params.syn_linear_timeouts {
                self.tries.backoff += 1;
            }
            self.xmit = Some((now + self.backed_off(INITIAL_RTO), Xmit::Retransmit));
            return;
        }
        self.enter_loss();
        self.resend(now, 0);
        self.tries.backoff += 1;
        self.xmit = Some((now + self.backed_off(self.rtt.rto(&self.params)), Xmit::Retransmit));
    }

    /// Everything that is out is taken for lost (`tcp_enter_loss`).
    fn enter_loss(&mut self) {
        let first =
            self.cong.phase <= Phase::Disorder || (self.cong.phase == Phase::Loss && self.tries.retransmits == 1);
        self.cong.enter_loss(self.snd.next, first);
        self.dup_acks = 0;
        for segment in self.queue.sent_segments_mut().filter(|s| !s.sacked) {
            (segment.lost, segment.resent) = (true, false);
        }
        self.queue.recount();
    }

    /// Whether enough was tried (`tcp_write_timeout`).
    fn is_hopeless(&self, now: Time) -> bool {
        match self.state {
            State::SynSent => self.tries.retransmits >= self.params.syn_retries + self.params.syn_linear_timeouts,
            State::SynRecv => self.tries.retransmits >= self.params.synack_retries,
            _ => {
                let tries = if self.orphan { self.params.orphan_retries } else { self.params.retries2 };
                self.tries.retransmits > 0
                    && self.tries.since.is_some_and(|since| now.since(since) >= self.patience(tries))
            }
        }
    }

    /// How long `tries` retransmissions with doubling timeouts take (`tcp_model_timeout`).
    fn patience(&self, tries: u32) -> Duration {
        let (base, most) = (self.params.rto_min, self.params.rto_max);
        let doubling = (most.as_nanos() / base.as_nanos().max(1)).max(1).ilog2();
        if tries <= doubling {
            base.saturating_mul((2 << tries) - 1)
        } else {
            base.saturating_mul((2 << doubling) - 1) + most.saturating_mul(tries - doubling)
        }
    }

    /// `tcp_write_err`
    fn give_up(&mut self, now: Time) {
        self.counted.tcp_abort_on_timeout += u64::from(!self.embryo);
        let error = self.soft_error.unwrap_or(Errno::ETIMEDOUT);
        let _ = now;
        self.finish(Some(error));
    }

    /// Sets the timer that asks a closed window (`tcp_check_probe_timer`).
    pub(super) fn set_window_probe(&mut self, now: Time) {
        let base = self.rtt.rto(&self.params).max(self.params.rto_min);
        self.xmit = Some((now + self.backed_off(base), Xmit::WindowProbe));
    }

    /// `tcp_probe_timer`, `tcp_send_probe0`
    fn window_probe_timeout(&mut self, now: Time) {
        self.xmit = None;
        if self.queue.sent() > 0 || self.queue.head().is_none() {
            self.tries.window_probes = 0;
            return;
        }
        let most = if self.orphan { self.params.orphan_retries } else { self.params.retries2 };
        if self.tries.window_probes >= most {
            self.give_up(now);
            return;
        }
        self.write_wakeup(now);
        if self.queue.sent() > 0 {
            return;
        }
        self.counted.tcp_win_probe += 1;
        self.tries.window_probes += 1;
        if self.tries.backoff < self.params.retries2 {
            self.tries.backoff += 1;
        }
        self.set_window_probe(now);
    }

    /// Sends what the window takes, cut if need be, or a segment that only asks (`tcp_write_wakeup`).
    fn write_wakeup(&mut self, now: Time) {
        let end = self.window_end();
        let Some(&head) = self.queue.head() else { return };
        if after(end, head.seq) {
            let room = end.wrapping_sub(head.seq).min(self.snd.mss);
            if head.len > room {
                self.queue.cut(self.queue.sent(), room);
            }
            self.send_new(now);
            self.rearm(now);
        } else {
            self.send_probe(now);
        }
    }

    /// Keepalive, the end of `FIN_WAIT2` and of `TIME_WAIT` (`tcp_keepalive_timer`).
    fn alive_timeout(&mut self, now: Time) {
        self.alive = None;
        match self.state {
            State::TimeWait | State::FinWait2 if self.orphan || self.state == State::TimeWait => self.finish(None),
            State::Close | State::SynSent | State::SynRecv => {}
            _ if self.keepalive => self.keepalive_timeout(now),
            _ => {}
        }
    }

    fn keepalive_timeout(&mut self, now: Time) {
        let idle = now.since(self.heard_at);
        if self.queue.sent() > 0 || self.queue.head().is_some() || idle < self.params.keepalive_time {
            let rest = self.params.keepalive_time.saturating_sub(idle);
            self.alive = Some(now + rest.max(Duration::from_millis(1)));
            return;
        }
        if self.tries.keepalive >= self.params.keepalive_probes {
            self.send_reset(now);
            self.give_up(now);
            return;
        }
        self.counted.tcp_keep_alive += 1;
        self.send_probe(now);
        self.tries.keepalive += 1;
        self.alive = Some(now + self.params.keepalive_interval);
    }
}
