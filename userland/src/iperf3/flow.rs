//! One data stream: its socket, and what is counted about it (`struct iperf_stream`).

use hopwise_machine::Sys;
use hopwise_protocols::tcp::Info;
use hopwise_sim_core::{Errno, Time};

use super::options::Settings;
use crate::kernel::SimKernel;
use crate::sock::Sock;
use crate::stream::Stream;

/// Bytes of what a UDP packet begins with: seconds, microseconds, its number.
const STAMP: usize = 12;
/// The same with a number of 64 bits.
const WIDE_STAMP: usize = 16;

/// Through what the data goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Conduit {
    Tcp(Stream),
    Udp(Sock),
}

/// What is counted from the end of the omitted seconds on: how much there was before.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Omitted {
    pub(super) sent: u64,
    pub(super) packets: i64,
    pub(super) errors: i64,
    pub(super) out_of_order: i64,
}

/// What the other side told of this stream.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Peer {
    pub(super) bytes: u64,
    pub(super) packets: i64,
    pub(super) errors: i64,
    pub(super) jitter: f64,
    pub(super) retransmits: Option<u64>,
    pub(super) seconds: f64,
}

/// One report's worth of a stream (`struct iperf_interval_results`).
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub(super) start: Time,
    pub(super) end: Time,
    pub(super) bytes: u64,
    pub(super) retransmits: u64,
    pub(super) cwnd: u64,
    pub(super) wnd: u64,
    pub(super) rtt: (u64, u64),
    pub(super) pmtu: u32,
    pub(super) packets: i64,
    pub(super) lost: i64,
    pub(super) jitter: f64,
    pub(super) omitted: bool,
}

impl Interval {
    /// Its length, with the precision of a `float`.
    pub(super) fn seconds(&self) -> f64 {
        f64::from(self.end.since(self.start).as_micros() as f32 / 1e6)
    }
}

/// The extremes of a sender's connection.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Peaks {
    pub(super) cwnd: u64,
    pub(super) wnd: u64,
    pub(super) max_rtt: u64,
    pub(super) min_rtt: u64,
    pub(super) sum_rtt: u64,
    pub(super) count: u64,
}

/// A stream.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) id: u32,
    /// The descriptor it is called by.
    pub(super) fd: u32,
    pub(super) conduit: Conduit,
    pub(super) sender: bool,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) packets: i64,
    pub(super) errors: i64,
    pub(super) out_of_order: i64,
    /// Seconds (RFC 1889).
    pub(super) jitter: f64,
    pub(super) omitted: Omitted,
    pub(super) retransmits: u64,
    pub(super) peaks: Peaks,
    pub(super) peer: Peer,
    /// The last report, and whether it is the first.
    pub(super) last: Option<Interval>,
    pub(super) first: bool,
    pub(super) start: Time,
    pub(super) end: Time,
    /// It may send by its rate.
    pub(super) green: bool,
    begun: Time,
    in_interval: u64,
    seen: Seen,
    transit: Option<f64>,
    pending: usize,
}

/// The counters at the last report.
#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    packets: i64,
    errors: i64,
    retransmits: u64,
}

impl Flow {
    pub(super) fn new(id: u32, fd: u32, conduit: Conduit, sender: bool) -> Flow {
        Flow {
            id,
            fd,
            conduit,
            sender,
            sent: 0,
            received: 0,
            packets: 0,
            errors: 0,
            out_of_order: 0,
            jitter: 0.0,
            omitted: Omitted::default(),
            retransmits: 0,
            peaks: Peaks::default(),
            peer: Peer::default(),
            last: None,
            first: true,
            start: Time::ZERO,
            end: Time::ZERO,
            green: true,
            begun: Time::ZERO,
            in_interval: 0,
            seen: Seen::default(),
            transit: None,
            pending: 0,
        }
    }

    pub(super) fn is_udp(&self) -> bool {
        matches!(self.conduit, Conduit::Udp(_))
    }

    pub(super) fn sock(&self) -> Sock {
        match self.conduit {
            Conduit::Tcp(stream) => stream.0,
            Conduit::Udp(sock) => sock,
        }
    }

    /// Its figures begin now.
    pub(super) fn begin(&mut self, now: Time) {
        (self.start, self.end, self.begun) = (now, now, now);
    }

    /// Seconds from the beginning to the last report.
    pub(super) fn seconds(&self) -> f64 {
        self.end.since(self.start).as_micros() as f64 / 1e6
    }

    pub(super) fn close(&self, sys: &mut Sys<'_, SimKernel>) {
        self.sock().close(sys);
    }

    /// Sends a block, or what is left of one. `None`: there is no room.
    pub(super) fn send(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        settings: &Settings,
        block: &mut [u8],
    ) -> Result<Option<usize>, Errno> {
        let sent = match self.conduit {
            Conduit::Tcp(stream) => {
                let left = if self.pending == 0 { block.len() } else { self.pending };
                match stream.send(sys, &block[..left.min(block.len())]) {
                    Ok(count) => {
                        self.pending = left - count;
                        count
                    }
                    Err(Errno::EAGAIN) => return Ok(None),
                    Err(errno) => return Err(errno),
                }
            }
            Conduit::Udp(sock) => {
                self.packets += 1;
                stamp(block, sys.now(), self.packets, settings.wide_counters);
                match sys.kernel.net.send_udp(sock.ns, sock.id, None, block) {
                    Ok(count) => count,
                    // What the device has no room for is lost, without a word to the program.
                    Err(Errno::ENOBUFS) => block.len(),
                    Err(errno) => return Err(errno),
                }
            }
        };
        self.sent += sent as u64;
        self.in_interval += sent as u64;
        Ok(Some(sent))
    }

    /// Whether the last block was sent completely.
    pub(super) const fn is_between_blocks(&self) -> bool {
        self.pending == 0
    }

    /// Receives a block, or what there is of it. `None`: there is nothing.
    pub(super) fn receive(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        settings: &Settings,
    ) -> Result<Option<usize>, Errno> {
        let count = match self.conduit {
            Conduit::Tcp(stream) => {
                let (ns, id) = (stream.0.ns, stream.0.id);
                match sys.kernel.net.discard_tcp(ns, id, settings.block as usize) {
                    Ok(0) | Err(Errno::EAGAIN) => return Ok(None),
                    Ok(count) => count,
                    Err(errno) => return Err(errno),
                }
            }
            Conduit::Udp(sock) => match sock.recv(sys) {
                Some(datagram) => {
                    self.note(sys.now(), &datagram.bytes, settings.wide_counters);
                    datagram.bytes.len()
                }
                None => return Ok(None),
            },
        };
        self.received += count as u64;
        self.in_interval += count as u64;
        Ok(Some(count))
    }

    /// A UDP packet: loss, order, jitter (`iperf_udp_recv`).
    fn note(&mut self, now: Time, bytes: &[u8], wide: bool) {
        let Some((sent, number)) = unstamp(bytes, wide) else { return };
        if number > self.packets {
            self.errors = self.errors.saturating_add(number - self.packets - 1);
            self.packets = number;
        } else {
            self.out_of_order += 1;
            self.errors -= i64::from(self.errors > 0);
        }
        let transit = now.unix_nanos() as f64 / 1e9 - sent;
        let difference = (transit - self.transit.unwrap_or(transit)).abs();
        self.transit = Some(transit);
        self.jitter += (difference - self.jitter) / 16.0;
    }

    /// Whether its rate allows another block (`iperf_check_throttle`).
    pub(super) fn is_below(&self, rate: u64, now: Time) -> bool {
        let micros = now.since(self.begun).as_micros();
        micros > 0 && u128::from(self.sent) * 8_000_000 < u128::from(rate) * micros
    }

    /// Ends a report's worth (`iperf_stats_callback`).
    pub(super) fn gather(&mut self, sys: &Sys<'_, SimKernel>, omitted: bool) {
        let now = sys.now();
        let info = self.info(sys).filter(|_| self.sender);
        let total = info.map_or(self.seen.retransmits, |info| info.total_retrans);
        let again = total.saturating_sub(self.seen.retransmits);
        self.retransmits += again;
        let micros = |span: hopwise_sim_core::Duration| span.as_micros() as u64;
        let rtt = info.and_then(|info| info.rtt).map_or((0, 0), |(rtt, var)| (micros(rtt), micros(var)));
        let interval = Interval {
            start: self.end,
            end: now,
            bytes: core::mem::take(&mut self.in_interval),
            retransmits: again,
            cwnd: info.map_or(0, |info| u64::from(info.cwnd.0) * u64::from(info.mss)),
            wnd: info.map_or(0, |info| u64::from(info.snd_wnd)),
            rtt,
            pmtu: info.map_or(0, |info| info.mtu),
            packets: self.packets - self.seen.packets,
            lost: self.errors - self.seen.errors,
            jitter: self.jitter,
            omitted,
        };
        self.end = now;
        self.seen = Seen { packets: self.packets, errors: self.errors, retransmits: total };
        if info.is_some() {
            self.peaks.note(&interval);
        }
        self.first = self.last.is_none();
        self.last = Some(interval);
    }

    /// What was until now does not count (`iperf_reset_stats`).
    pub(super) fn omit(&mut self, sys: &Sys<'_, SimKernel>) {
        let now = sys.now();
        (self.start, self.end) = (now, now);
        self.omitted =
            Omitted { sent: self.sent, packets: self.packets, errors: self.errors, out_of_order: self.out_of_order };
        (self.received, self.in_interval, self.retransmits, self.jitter) = (0, 0, 0, 0.0);
        let total = self.info(sys).map_or(0, |info| info.total_retrans);
        self.seen = Seen { packets: self.packets, errors: self.errors, retransmits: total };
    }

    fn info(&self, sys: &Sys<'_, SimKernel>) -> Option<Info> {
        match self.conduit {
            Conduit::Tcp(stream) => sys.kernel.net.tcp_endpoint(stream.0.ns, stream.0.id).map(|end| end.info()),
            Conduit::Udp(_) => None,
        }
    }

    /// Bytes that count, on this side.
    pub(super) fn bytes(&self) -> u64 {
        if self.sender { self.sent - self.omitted.sent } else { self.received }
    }
}

impl Peaks {
    fn note(&mut self, interval: &Interval) {
        let rtt = interval.rtt.0;
        self.cwnd = self.cwnd.max(interval.cwnd);
        self.wnd = self.wnd.max(interval.wnd);
        self.max_rtt = self.max_rtt.max(rtt);
        self.min_rtt = if self.count == 0 { rtt } else { self.min_rtt.min(rtt) };
        self.sum_rtt += rtt;
        self.count += 1;
    }
}

/// Writes what a UDP packet begins with.
fn stamp(block: &mut [u8], now: Time, number: i64, wide: bool) {
    let nanos = now.unix_nanos();
    let (secs, micros) = ((nanos / 1_000_000_000) as u32, (nanos % 1_000_000_000 / 1000) as u32);
    let mut head = [0; WIDE_STAMP];
    head[..4].copy_from_slice(&secs.to_be_bytes());
    head[4..8].copy_from_slice(&micros.to_be_bytes());
    if wide {
        head[8..].copy_from_slice(&number.to_be_bytes());
    } else {
        head[8..STAMP].copy_from_slice(&(number as u32).to_be_bytes());
    }
    let len = if wide { WIDE_STAMP } else { STAMP };
    if let Some(place) = block.get_mut(..len) {
        place.copy_from_slice(&head[..len]);
    }
}

/// Reads it: when the packet was sent, in seconds, and its number.
fn unstamp(bytes: &[u8], wide: bool) -> Option<(f64, i64)> {
    let word = |at: usize| Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
    let sent = f64::from(word(0)?) + f64::from(word(4)?) / 1e6;
    let number = if wide { i64::from_be_bytes(*bytes.get(8..)?.first_chunk()?) } else { i64::from(word(8)?) };
    Some((sent, number.max(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hopwise_sim_core::Duration;

    fn flow() -> Flow {
        let sock = Sock { ns: hopwise_sim_core::NsId(0), id: hopwise_stack::socket::SocketId(0) };
        Flow::new(1, 5, Conduit::Udp(sock), false)
    }

    #[test]
    fn losses_and_order_of_packets() {
        let mut flow = flow();
        let mut arrive = |number: i64, millis: u64| {
            let at = Time::ZERO + Duration::from_secs(1) + Duration::from_millis(millis);
            let mut packet = [0; 20];
            stamp(&mut packet, Time::ZERO + Duration::from_secs(1), number, false);
            flow.note(at, &packet, false);
            (flow.packets, flow.errors, flow.out_of_order)
        };
        assert_eq!(arrive(1, 1), (1, 0, 0));
        assert_eq!(arrive(4, 1), (4, 2, 0));
        assert_eq!(arrive(2, 1), (4, 1, 1));
        assert_eq!(arrive(5, 17), (5, 1, 1));
        assert!((flow.jitter - 0.001).abs() < 1e-6, "{}", flow.jitter);
    }

    #[test]
    fn packets_that_are_too_short_say_nothing() {
        let mut flow = flow();
        flow.note(Time::ZERO, &[1; 11], false);
        flow.note(Time::ZERO, &[0xff; 15], true);
        assert_eq!((flow.packets, flow.errors), (0, 0));
        flow.note(Time::ZERO, &[0xff; 16], true);
        flow.note(Time::ZERO, &[0x7f; 16], true);
        assert_eq!((flow.out_of_order, flow.packets), (1, 0x7f7f_7f7f_7f7f_7f7f));
    }
}
