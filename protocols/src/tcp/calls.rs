//! What the owner of a connection asks for: the calls of a program (`tcp.c`).

use hopwise_sim_core::{Duration, Errno, Time};

use super::congestion::Congestion;
use super::seq::before;
use super::{Endpoint, Params, State, Traffic};

/// The least that a sender may have in its queue (what `ss -m` shows as `tb` of a fresh connection).
const SNDBUF_MIN: usize = 87_040;

/// What `getsockopt(TCP_INFO)` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// Retransmission timeout.
    pub rto: Duration,
    /// Smoothed round trip and its deviation.
    pub rtt: Option<(Duration, Duration)>,
    /// Delay of acknowledgments.
    pub ato: Duration,
    /// Bytes of data in a segment.
    pub mss: u32,
    /// The other side's segment size, as far as seen.
    pub rcv_mss: u32,
    /// Our MSS without options.
    pub advmss: u32,
    /// The path MTU.
    pub mtu: u32,
    /// Congestion window and threshold.
    pub cwnd: (u32, Option<u32>),
    /// Shifts of the windows: the other side's, ours.
    pub wscale: (u8, u8),
    /// Time stamps, SACK.
    pub options: (bool, bool),
    /// Name of the congestion control.
    pub algorithm: &'static str,
    /// Segments out.
    pub unacked: u32,
    /// How many more acknowledgments go out at once, and whether data flows both ways.
    pub acks: (u32, bool),
    /// Segments sent again since the connection began.
    pub total_retrans: u64,
    /// The other side's window.
    pub snd_wnd: u32,
    /// What has passed.
    pub traffic: Traffic,
    /// When data was sent and received last.
    pub last_data: (Time, Time),
    /// Segments sent again and not acknowledged, taken for lost, known to lie beyond a gap.
    pub marked: (u32, u32, u32),
    /// Bytes that were not sent yet.
    pub notsent: u32,
    /// The shortest round trip.
    pub min_rtt: Option<Duration>,
    /// The round trip as the receiver sees it, bytes that are read in one, and the most that is told as a window.
    pub receiver: (Option<Duration>, u64, u32),
}

impl Endpoint {
    /// Puts data into the queue; gives how much was taken. `EAGAIN`: the queue is full.
    ///
    /// # Errors
    /// The error that ended the connection, `EPIPE` after the end of the stream, `EAGAIN`.
    pub fn send(&mut self, now: Time, data: &[u8]) -> Result<usize, Errno> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.snd_shutdown || self.state == State::Close {
            return Err(Errno::EPIPE);
        }
        let count = data.len().min(self.room());
        self.nospace |= count < data.len();
        if count == 0 && !data.is_empty() {
            return Err(Errno::EAGAIN);
        }
        self.queue.append(&data[..count], self.snd.mss, self.snd.write);
        self.snd.write = self.snd.write.wrapping_add(count as u32);
        self.push(now);
        Ok(count)
    }

    /// How much `send` would take.
    pub fn room(&self) -> usize {
        self.send_buffer().saturating_sub(self.queue.bytes())
    }

    /// The send buffer grows with the congestion window (`tcp_sndbuf_expand`).
    fn send_buffer(&self) -> usize {
        if let Some(set) = self.params.sndbuf {
            return set as usize;
        }
        let wanted = 2 * self.cong.cwnd as usize * super::receive::truesize(self.snd.mss as usize);
        wanted.max(SNDBUF_MIN).min(self.params.wmem_max as usize)
    }

    /// Whether a writer that waits for room would find enough (`sk_stream_is_writeable`).
    pub(super) fn wants_writer(&self) -> bool {
        self.room() >= self.queue.bytes() / 2
    }

    /// Takes up to `max` bytes that arrived. `Ok` of nothing: the end of the stream.
    ///
    /// # Errors
    /// `EAGAIN` if there is nothing yet, the error that ended the connection, `ENOTCONN`.
    pub fn read(&mut self, now: Time, max: usize) -> Result<Vec<u8>, Errno> {
        if self.may_read()? {
            let bytes = self.incoming.read(max);
            self.was_read(now, bytes.len());
            return Ok(bytes);
        }
        Ok(Vec::new())
    }

    /// Takes up to `max` bytes that arrived and throws them away (`MSG_TRUNC`); gives how many. 0: the end of the stream.
    ///
    /// # Errors
    /// As [`Endpoint::read`].
    pub fn discard(&mut self, now: Time, max: usize) -> Result<usize, Errno> {
        if self.may_read()? {
            let count = self.incoming.discard(max);
            self.was_read(now, count);
            return Ok(count);
        }
        Ok(0)
    }

    /// Whether there is something to read; false at the end of the stream.
    fn may_read(&mut self) -> Result<bool, Errno> {
        if self.incoming.readable() > 0 {
            return Ok(true);
        }
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        match self.state {
            _ if self.rcv_shutdown => Ok(false),
            State::SynSent => Err(Errno::ENOTCONN),
            _ => Err(Errno::EAGAIN),
        }
    }

    /// The owner took `count` bytes: the buffer may grow, the window may have to be told.
    fn was_read(&mut self, now: Time, count: usize) {
        let known = self.rcv.round_trip().or(self.rtt.smoothed());
        let round_trip = known.unwrap_or_default().max(Duration::from_millis(1));
        let most = if self.params.rcvbuf_locked { self.rcv.buffer } else { self.params.rmem_max };
        self.rcv.read(count, now, round_trip, self.advmss, most);
        if !matches!(self.state, State::Close | State::TimeWait) {
            self.ack_after_read(now, count);
        }
    }

    /// The window may have opened enough to be told (`__tcp_cleanup_rbuf`).
    fn ack_after_read(&mut self, now: Time, count: usize) {
        let rcv_mss = self.acks.rcv_mss;
        let unacknowledged = self.rcv.next.wrapping_sub(self.rcv.told_at);
        let conversation_over = count > 0
            && self.incoming.readable() == 0
            && (self.acks.pushed > 1 || (self.acks.pushed == 1 && !self.acks.pingpong));
        let mut due = self.acks.scheduled && (unacknowledged > rcv_mss || conversation_over);
        if !due && count > 0 && !self.rcv_shutdown {
            let left = self.rcv.left();
            if 2 * left <= self.rcv.clamp {
                let wanted = self.rcv.wanted(self.incoming.memory(), rcv_mss);
                due = wanted > 0 && wanted >= 2 * left;
            }
        }
        if due {
            self.send_ack(now);
        }
    }

    /// How many bytes `read` would find.
    pub fn readable(&self) -> usize {
        self.incoming.readable()
    }

    /// Whether a reader would not wait: data, the end, or an error.
    pub fn is_readable(&self) -> bool {
        self.incoming.readable() > 0 || self.rcv_shutdown || self.error.is_some()
    }

    /// Whether the other side has sent everything (or the connection is over).
    pub const fn is_ended(&self) -> bool {
        self.rcv_shutdown
    }

    /// Bytes that were sent or wait, and are not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        if self.state == State::SynSent {
            return 1;
        }
        self.snd.write.wrapping_sub(self.snd.una) as usize
    }

    /// No more data will be sent: FIN follows what is in the queue (`tcp_shutdown`).
    pub fn shutdown(&mut self, now: Time) {
        if self.snd_shutdown {
            return;
        }
        match self.state {
            State::Established | State::SynRecv => self.enter(State::FinWait1),
            State::CloseWait => self.enter(State::LastAck),
            _ => return,
        }
        self.snd_shutdown = true;
        self.send_fin(now);
    }

    fn send_fin(&mut self, now: Time) {
        self.queue.append_fin(self.snd.write);
        self.snd.write = self.snd.write.wrapping_add(1);
        self.push(now);
    }

    /// The owner is gone (`__tcp_close`): unread data is answered with a reset, else the stream ends.
    pub fn close(&mut self, now: Time) {
        self.orphan = true;
        let unread = self.incoming.readable() > 0;
        match self.state {
            State::Close | State::TimeWait => {}
            State::SynSent => self.finish(None),
            _ if unread => {
                self.counted.tcp_abort_on_close += 1;
                if matches!(self.state, State::Established | State::CloseWait) {
                    self.counted.estab_resets += 1;
                }
                self.send_reset(now);
                self.finish(None);
            }
            State::FinWait2 => self.wait_for_fin(now),
            _ => {
                self.shutdown(now);
                self.alive = None;
            }
        }
    }

    /// Without an owner, the other side's end is not waited for without limit.
    pub(super) fn wait_for_fin(&mut self, now: Time) {
        self.alive = Some(now + self.params.fin_timeout);
    }

    /// Ends the connection with a reset.
    pub fn abort(&mut self, now: Time) {
        self.orphan = true;
        if !matches!(self.state, State::SynSent | State::Close | State::TimeWait) {
            self.send_reset(now);
        }
        self.finish(None);
    }

    /// Ends without a word: nobody needs to remember it.
    pub fn forget(&mut self) {
        self.orphan = true;
        self.finish(None);
    }

    /// Whether that number was sent and is not acknowledged: an ICMP error about it can be believed.
    pub fn has_in_flight(&self, seq: u32) -> bool {
        !before(seq, self.snd.una) && !before(self.snd.next, seq)
    }

    /// An ICMP error about this connection: final while it opens, else only told if it fails later (`tcp_v4_err`).
    pub fn icmp_error(&mut self, errno: Errno, fatal: bool) {
        match self.state {
            State::SynSent => self.finish(Some(errno)),
            State::SynRecv if self.embryo => {}
            State::Close | State::TimeWait => {}
            _ => {
                let _ = fatal;
                self.soft_error = Some(errno);
            }
        }
    }

    /// `TCP_NODELAY`
    pub fn set_nodelay(&mut self, now: Time, on: bool) {
        self.nodelay = on;
        if on {
            self.push(now);
        }
    }

    /// `SO_KEEPALIVE`, with other times if given.
    pub fn set_keepalive(&mut self, now: Time, on: bool) {
        self.keepalive = on;
        if on && !matches!(self.state, State::Close | State::SynSent | State::TimeWait) {
            self.alive = Some(now + self.params.keepalive_time);
        }
    }

    /// Changes the settings of this connection.
    pub fn params_mut(&mut self) -> &mut Params {
        &mut self.params
    }

    /// Chooses the congestion control (`TCP_CONGESTION`).
    pub fn set_algorithm(&mut self, algorithm: super::congestion::Algorithm) {
        self.cong = Congestion::new(algorithm);
    }

    /// Whether nobody owns it any more.
    pub const fn is_orphan(&self) -> bool {
        self.orphan
    }

    /// Whether it waits in a listener's queue of those that are not open yet.
    pub const fn is_embryo(&self) -> bool {
        self.embryo
    }

    /// The timer of the sender as `/proc/net/tcp` numbers it: 1 retransmission, 2 keepalive, 3 `TIME_WAIT`, 4 window
    /// probe; and when it runs out. Then how many tries were in vain.
    pub fn timer_info(&self) -> (u8, Option<Time>, u32) {
        let tries = self.tries.retransmits;
        match (self.state, self.xmit, self.alive) {
            (State::TimeWait, _, at) => (3, at, 0),
            (_, Some((at, super::Xmit::WindowProbe)), _) => (4, Some(at), self.tries.window_probes),
            (_, Some((at, _)), _) => (1, Some(at), tries),
            (_, None, Some(at)) => (2, Some(at), tries),
            (_, None, None) => (0, None, tries),
        }
    }

    /// Figures about the connection.
    pub fn info(&self) -> Info {
        Info {
            rto: self.backed_off(self.rtt.rto(&self.params)),
            rtt: self.rtt.smoothed().map(|srtt| (srtt, self.rtt.deviation())),
            ato: self.acks.ato,
            mss: self.snd.mss,
            rcv_mss: self.acks.rcv_mss,
            advmss: self.advmss,
            mtu: self.params.mtu,
            cwnd: (self.cong.cwnd, Some(self.cong.ssthresh).filter(|s| *s < u32::MAX / 2)),
            wscale: (self.snd.shift, self.rcv.shift),
            options: (self.stamps.on, self.sack),
            algorithm: self.cong.algorithm().name(),
            unacked: self.queue.sent() as u32,
            acks: (self.acks.quick, self.acks.pingpong),
            total_retrans: self.snd.total_retrans,
            snd_wnd: self.snd.window,
            traffic: self.traffic,
            last_data: (self.snd.sent_at, self.acks.received_at),
            marked: (self.queue.resent, self.queue.lost, self.queue.sacked),
            notsent: self.snd.write.wrapping_sub(self.snd.next),
            min_rtt: self.rtt.min(),
            receiver: (self.rcv.round_trip(), self.rcv.space_read(self.advmss), self.rcv.threshold),
        }
    }
}
