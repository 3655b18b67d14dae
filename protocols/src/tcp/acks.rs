//! When an acknowledgment is sent: at once, or 40 ms later in the hope of data to go with it (RFC 1122, section
//! 4.2.3.2; `struct inet_connection_sock.icsk_ack`).

use hopwise_sim_core::{Duration, Time};

/// The shortest delay of an acknowledgment (`TCP_ATO_MIN`, `TCP_DELACK_MIN`).
pub const ATO_MIN: Duration = Duration::from_millis(40);
/// The longest one while data flows both ways (`TCP_DELACK_MAX`).
const DELACK_MAX: Duration = Duration::from_millis(200);
/// How many segments are acknowledged at once at the beginning (`TCP_MAX_QUICKACKS`).
pub const MAX_QUICKACKS: u32 = 16;
/// The largest segment that a receiver assumes before it saw one (`TCP_MSS_DEFAULT`).
const MSS_DEFAULT: u32 = 536;
/// The smallest one (`TCP_MIN_MSS`).
const MIN_MSS: u32 = 88;

/// State of the acknowledgments.
#[derive(Clone, Debug, Default)]
pub struct Acks {
    /// Something arrived that was not acknowledged (`ICSK_ACK_SCHED`).
    pub scheduled: bool,
    /// It must be acknowledged now (`ICSK_ACK_NOW`).
    pub now: bool,
    /// Small segments that said "push": 1, or more (`ICSK_ACK_PUSHED`, `ICSK_ACK_PUSHED2`).
    pub pushed: u8,
    /// So many more acknowledgments go out at once.
    pub quick: u32,
    /// Data flows both ways: acknowledgments travel with it.
    pub pingpong: bool,
    /// The delay in use; zero before the first data.
    pub ato: Duration,
    /// When data arrived last.
    pub received_at: Time,
    /// When a delayed acknowledgment is due.
    pub timer: Option<Time>,
    /// The size of a full segment of the other side, as far as is known.
    pub rcv_mss: u32,
    last_size: u32,
}

/// What matters here of a segment with data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Text {
    /// Bytes of data.
    pub len: u32,
    /// Its sender said "push".
    pub psh: bool,
    /// Bytes of header in front of it.
    pub header: u32,
}

impl Acks {
    /// At the beginning of a connection (`tcp_initialize_rcv_mss`).
    pub fn new(advmss: u32, mss: u32, rcv_wnd: u32, now: Time) -> Self {
        let hint = advmss.min(mss).min(rcv_wnd / 2).clamp(MIN_MSS, MSS_DEFAULT);
        Acks { rcv_mss: hint, received_at: now, ..Acks::default() }
    }

    /// Whether acknowledgments go out at once (`tcp_in_quickack_mode`).
    pub const fn is_quick(&self) -> bool {
        self.quick > 0 && !self.pingpong
    }

    /// The next ones go out at once (`tcp_incr_quickack`).
    pub fn add_quick(&mut self, rcv_wnd: u32) {
        let wanted = (rcv_wnd / (2 * self.rcv_mss.max(1))).clamp(2, MAX_QUICKACKS);
        self.quick = self.quick.max(wanted);
    }

    /// Something is wrong on the way: from now on at once (`tcp_enter_quickack_mode`).
    pub fn enter_quick(&mut self, rcv_wnd: u32) {
        self.add_quick(rcv_wnd);
        self.pingpong = false;
        self.ato = ATO_MIN;
    }

    /// Data arrived (`tcp_event_data_recv` without the window).
    pub fn data_received(&mut self, text: Text, advmss: u32, rcv_wnd: u32, rto: Duration, now: Time) {
        self.scheduled = true;
        self.measure(text, advmss);
        if self.ato.is_zero() {
            self.add_quick(rcv_wnd);
            self.ato = ATO_MIN;
        } else {
            let gap = now.since(self.received_at);
            if gap <= ATO_MIN / 2 {
                self.ato = self.ato / 2 + ATO_MIN / 2;
            } else if gap < self.ato {
                self.ato = (self.ato / 2 + gap).min(rto);
            } else if gap > rto {
                // The sender restarted after a pause: it may be waiting for us to open its window.
                self.add_quick(rcv_wnd);
            }
        }
        self.received_at = now;
    }

    /// Learns the sender's segment size (`tcp_measure_rcv_mss`).
    fn measure(&mut self, text: Text, advmss: u32) {
        let Text { len, psh, header } = text;
        let previous = core::mem::take(&mut self.last_size);
        if len >= self.rcv_mss {
            self.rcv_mss = len.min(advmss);
            if psh {
                self.pushed = self.pushed.max(1);
            }
            return;
        }
        if len + header >= MIN_MSS + 20 {
            self.last_size = len;
            if len == previous {
                self.rcv_mss = len.max(MIN_MSS);
                return;
            }
        }
        self.pushed = (self.pushed + 1).min(2);
    }

    /// Data is sent: if it answers what came shortly before, this is a conversation (`tcp_event_data_sent`).
    pub fn data_sent(&mut self, now: Time) {
        if now.since(self.received_at) < self.ato {
            self.pingpong = true;
        }
    }

    /// An acknowledgment went out, with data or without (`tcp_event_ack_sent`).
    pub fn sent(&mut self) {
        if self.quick > 0 {
            self.quick -= 1;
            if self.quick == 0 {
                self.ato = ATO_MIN;
            }
        }
        (self.scheduled, self.now, self.pushed, self.timer) = (false, false, 0, None);
    }

    /// Sets the timer; false if it is so near that the acknowledgment better goes now (`tcp_send_delayed_ack`).
    pub fn delay(&mut self, now: Time, srtt: Option<Duration>) -> bool {
        let mut ato = self.ato.max(ATO_MIN);
        if ato > ATO_MIN {
            let mut most = Duration::from_millis(500);
            if self.pingpong || self.pushed > 0 {
                most = DELACK_MAX;
            }
            if let Some(srtt) = srtt {
                most = most.min(srtt.max(ATO_MIN));
            }
            ato = ato.min(most);
        }
        let due = now + ato;
        if let Some(timer) = self.timer
            && timer <= now + ato / 4
        {
            return false;
        }
        self.timer = Some(self.timer.map_or(due, |timer| timer.min(due)));
        true
    }

    /// The delay ran out: the delay itself changes (`tcp_delack_timer_handler`).
    pub fn timed_out(&mut self, rto: Duration) {
        self.timer = None;
        if self.pingpong {
            self.pingpong = false;
            self.ato = ATO_MIN;
        } else {
            self.ato = (self.ato * 2).min(rto);
        }
    }
}
