//! The window that is offered to the other side: `tcp_select_window` and the growth of the receive buffer.

use hopwise_sim_core::{Duration, Time};

use super::receive::truesize;
use super::seq::distance;

/// The receiver's side of the windows.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Next number expected.
    pub next: u32,
    /// `next` when a window was told last.
    pub told_at: u32,
    /// The window told then.
    pub size: u32,
    /// By how many bits ours are shifted.
    pub shift: u8,
    /// The most that is told at present (`rcv_ssthresh`).
    pub threshold: u32,
    /// The most that may ever be told with this buffer (`window_clamp`).
    pub clamp: u32,
    /// The receive buffer in bytes of memory (`sk_rcvbuf`).
    pub buffer: u32,
    /// How much of 256 bytes of memory is payload (`scaling_ratio`).
    ratio: u32,
    /// Bytes read by the owner since the connection began.
    pub copied: u64,
    round: Option<Round>,
    /// The round trip as the receiver sees it, eight times, in microseconds; 0: not known (`rcv_rtt_est`).
    rtt8: u64,
    /// The echoed time stamp it was measured with last.
    last_echo: Option<u32>,
}

/// One round of the measurement by which the buffer grows (`rcvq_space`).
#[derive(Clone, Debug)]
struct Round {
    since: Time,
    copied: u64,
    space: u64,
}

impl Window {
    /// The first window: as many whole segments as half the buffer holds (`tcp_select_initial_window`).
    pub fn initial(buffer: u32, most: u32, mss: u32, scaling: bool) -> Self {
        let space = buffer / 2;
        let size = if mss > 0 && mss <= space { space / mss * mss } else { space };
        let shift = if scaling { most.max(1).ilog2().saturating_sub(15).min(14) as u8 } else { 0 };
        let size = size.min(65_535 << shift);
        Window { size, shift, threshold: size, clamp: space, buffer, ratio: 128, ..Window::default() }
    }

    /// The connection is open: one segment of the buffer stays in reserve (`tcp_init_buffer_space`).
    pub fn opened(&mut self, advmss: u32) {
        let most = self.space(self.buffer);
        self.clamp = self.clamp.min(most);
        if self.clamp > 2 * advmss && self.clamp + advmss > most {
            self.clamp = (2 * advmss).max(most - advmss);
        }
        self.threshold = self.threshold.min(self.clamp);
    }

    /// Payload that fits into so much memory (`tcp_win_from_space`).
    const fn space(&self, memory: u32) -> u32 {
        ((memory as u64 * self.ratio as u64) >> 8) as u32
    }

    /// What of the window told last is left (`tcp_receive_window`).
    pub const fn left(&self) -> u32 {
        distance(self.next, self.told_at.wrapping_add(self.size))
    }

    /// The window that could be told now (`__tcp_select_window`).
    pub fn wanted(&self, memory: usize, rcv_mss: u32) -> u32 {
        let full = self.space(self.buffer).min(self.clamp);
        let mss = rcv_mss.min(full);
        let mut free = self.space(self.buffer.saturating_sub(memory as u32));
        let unit = 1u32 << self.shift;
        if free < full / 2 {
            free = free / unit * unit;
            if free < self.space(self.buffer) >> 4 || free < mss {
                return 0;
            }
        }
        free = free.min(self.threshold);
        if self.shift > 0 {
            return free.next_multiple_of(unit);
        }
        if self.size <= free.saturating_sub(mss) || self.size > free {
            free / mss.max(1) * mss
        } else if mss == full && free > self.size + full / 2 {
            free
        } else {
            self.size
        }
    }

    /// Chooses the window for a segment that goes out: never less than what was told. Gives the field of the header.
    pub fn select(&mut self, memory: usize, rcv_mss: u32) -> u16 {
        let left = self.left();
        let mut window = self.wanted(memory, rcv_mss);
        if window < left {
            window = left.next_multiple_of(1 << self.shift);
        }
        self.size = window.min(65_535 << self.shift);
        self.told_at = self.next;
        (self.size >> self.shift) as u16
    }

    /// A segment of `len` bytes of data arrived: the window may grow (`tcp_grow_window`, `tcp_measure_rcv_mss`).
    pub fn data_received(&mut self, len: u32, full_size: bool, advmss: u32, memory: usize) {
        let cost = truesize(len as usize) as u32;
        if full_size {
            let ratio = (len * 256 / cost).max(1);
            if ratio != self.ratio {
                self.ratio = ratio;
                self.clamp = self.space(self.buffer);
            }
        }
        if len < 128 {
            return;
        }
        let room = self.clamp.min(self.space(self.buffer.saturating_sub(memory as u32))).saturating_sub(self.threshold);
        if self.space(cost) <= len {
            self.threshold += room.min((2 * advmss).max(2 * len));
        }
    }

    /// A segment of data echoes a time stamp that was sent `millis` ago (`tcp_rcv_rtt_measure_ts`, `tcp_rcv_rtt_update`).
    pub fn measure(&mut self, echo: u32, millis: u32) {
        if self.last_echo.replace(echo) == Some(echo) || millis >= 1 << 24 {
            return;
        }
        let sample = 1000 * u64::from(millis.max(1));
        self.rtt8 = if self.rtt8 == 0 { sample << 3 } else { self.rtt8 - (self.rtt8 >> 3) + sample };
    }

    /// The round trip as the receiver sees it.
    pub fn round_trip(&self) -> Option<Duration> {
        (self.rtt8 > 0).then(|| Duration::from_micros(self.rtt8 >> 3))
    }

    /// Bytes that the owner reads in a round trip (`rcvq_space.space`).
    pub fn space_read(&self, advmss: u32) -> u64 {
        self.round.as_ref().map_or(u64::from(self.threshold.min(10 * advmss)), |round| round.space)
    }

    /// The owner read: after each round trip the buffer grows to twice what was read in it (`tcp_rcv_space_adjust`).
    pub fn read(&mut self, count: usize, now: Time, round_trip: Duration, advmss: u32, most: u32) {
        self.copied += count as u64;
        let copied = self.copied;
        let first = u64::from(self.threshold.min(10 * advmss));
        let round = self.round.get_or_insert(Round { since: now, copied: copied - count as u64, space: first });
        if now.since(round.since) < round_trip {
            return;
        }
        let read = copied - round.copied;
        if read > round.space {
            let base = 2 * read + 16 * u64::from(advmss);
            let wanted = base + 2 * (base * (read - round.space) / round.space.max(1));
            let memory = (wanted * 256 / u64::from(self.ratio.max(1))).min(u64::from(most)) as u32;
            round.space = read;
            if memory > self.buffer {
                self.buffer = memory;
                self.clamp = ((u64::from(memory) * u64::from(self.ratio)) >> 8) as u32;
            }
        }
        *round = Round { since: now, copied, space: round.space };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_windows_of_linux() {
        let syn = Window::initial(131_072, 6_291_456, 1460, true);
        assert_eq!((syn.size, syn.shift), (64_240, 7));
        let syn_ack = Window::initial(131_072, 33_554_432, 1448, true);
        assert_eq!((syn_ack.size, syn_ack.shift), (65_160, 10));
        assert_eq!(Window::initial(131_072, 6_291_456, 65_495, true).size, 65_495);
    }

    #[test]
    fn windows_of_a_short_exchange() {
        let mut client = Window::initial(131_072, 6_291_456, 1460, true);
        client.opened(1448);
        assert_eq!(client.select(0, 536), 502);
        client.next += 155;
        assert_eq!(client.select(truesize(155), 536), 501);
        let mut server = Window::initial(131_072, 6_291_456, 1448, true);
        server.opened(1448);
        server.next += 72;
        assert_eq!(server.select(truesize(72), 536), 509);
        assert_eq!(server.select(0, 536), 509);
    }
}
