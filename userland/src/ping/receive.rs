//! What comes back: answers, errors, and what is printed about them.

use core::net::Ipv4Addr;

use hopwise_machine::{Step, Sys};
use hopwise_protocols::wire::icmp::{
    self, ICMP_DEST_UNREACH, ICMP_ECHO, ICMP_ECHOREPLY, ICMP_HLEN, ICMP_PARAMETERPROB, ICMP_REDIRECT,
    ICMP_SOURCE_QUENCH, ICMP_TIME_EXCEEDED,
};
use hopwise_protocols::wire::{checksum, ipv4, split};
use hopwise_sim_core::Errno;
use hopwise_stack::socket::{Datagram, SockError};

use super::{Run, STAMP, Told, stats, text};
use crate::kernel::SimKernel;
use crate::sock::micros;

/// An echo reply.
struct Reply<'a> {
    seq: u16,
    body: &'a [u8],
    corrupted: bool,
    /// Of the whole ICMP message.
    len: usize,
}

impl Run {
    /// Reads what has arrived, until nothing is in flight or nothing is left (the lower half of `main_loop`). Gives what it waits for if
    /// it first needs the name of who sent it.
    pub(super) fn receive(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Step> {
        loop {
            if let Some(step) = self.next_sender(sys).and_then(|addr| self.names.wait_for(sys, addr)) {
                return Some(step);
            }
            if let Some(errno) = self.sock.take_pending(sys) {
                if self.read_error(sys).is_none() {
                    sys.err(&format!("ping: recvmsg: {errno}\n"));
                    return None;
                }
            } else if let Some(datagram) = self.sock.recv(sys) {
                self.parse_reply(sys, &datagram);
            } else if self.read_error(sys).is_none() {
                return None;
            }
            if self.stats.in_flight() == 0 {
                return None;
            }
        }
    }

    /// Whose name the line about the next message will have.
    fn next_sender(&self, sys: &mut Sys<'_, SimKernel>) -> Option<Ipv4Addr> {
        let (ident, target) = (self.ident, self.target);
        if self.options.numeric || self.options.quiet || self.options.flood {
            return None;
        }
        let socket = self.sock.get(sys).ok()?;
        if socket.pending.is_some() || socket.queue.is_empty() {
            let error = socket.errors.front().filter(|error| error.to.0 == target)?;
            let (header, _) = split::<icmp::Header>(&error.bytes).ok()?;
            return error.from.filter(|_| header.echo_id() == ident);
        }
        let datagram = socket.queue.front()?;
        let (header, _) = split::<icmp::Header>(ipv4::view(&datagram.bytes).ok()?.payload).ok()?;
        (header.kind == ICMP_ECHOREPLY && header.echo_id() == ident).then_some(datagram.from.0)
    }

    /// Takes one entry of the error queue and prints it (`ping4_receive_error_msg`).
    pub(super) fn read_error(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Told> {
        let error = self.sock.recv_error(sys)?;
        let Some(from) = error.from else {
            self.stats.errors += 1;
            self.print_local_error(sys, &error);
            return Some(Told::ByThisHost);
        };
        let ours = split::<icmp::Header>(&error.bytes).ok().map(|(header, _)| *header);
        let ours = ours.filter(|h| error.to.0 == self.target && h.kind == ICMP_ECHO && h.echo_id() == self.ident);
        let Some(header) = ours else { return Some(Told::NotOurs) };
        self.stats.acknowledge(header.echo_seq());
        self.stats.errors += 1;
        if self.options.flood && !self.options.quiet {
            sys.out("\x08E");
        } else if !self.options.quiet {
            self.print_time(sys);
            let (from, seq) = (self.name(sys, from), header.echo_seq());
            let what = text::icmp(error.icmp.0, error.icmp.1, error.info);
            sys.out(&format!("From {from} icmp_seq={seq} {what}"));
            if let Some(errno) = self.refused.take() {
                sys.err(&format!("ping: sendmsg: {errno}\n"));
            }
        }
        Some(Told::ByNetwork)
    }

    fn print_local_error(&self, sys: &mut Sys<'_, SimKernel>, error: &SockError) {
        if self.options.quiet {
        } else if self.options.flood {
            sys.out("E");
        } else if error.errno == Errno::EMSGSIZE {
            sys.err(&format!("ping: local error: message too long, mtu={}\n", error.info));
        } else {
            sys.err(&format!("ping: local error: {}\n", error.errno));
        }
    }

    /// An ICMP message has come in (`ping4_parse_reply`).
    fn parse_reply(&mut self, sys: &mut Sys<'_, SimKernel>, datagram: &Datagram) {
        let Ok(ip) = ipv4::view(&datagram.bytes) else { return };
        let Ok((header, body)) = split::<icmp::Header>(ip.payload) else {
            if self.options.verbose {
                let (len, from) = (ip.payload.len(), datagram.from.0);
                sys.err(&format!("ping: packet too short ({len} bytes) from {from}\n"));
            }
            return;
        };
        let corrupted = checksum::checksum(ip.payload) != 0;
        match header.kind {
            ICMP_ECHOREPLY if header.echo_id() == self.ident => {
                let reply = Reply { seq: header.echo_seq(), body, corrupted, len: ip.payload.len() };
                if self.take_answer(sys, datagram, &reply) && !self.options.flood {
                    let options = self.options_text(sys, ip.options);
                    sys.out(&format!("{options}\n"));
                }
            }
            ICMP_SOURCE_QUENCH | ICMP_REDIRECT | ICMP_DEST_UNREACH | ICMP_TIME_EXCEEDED | ICMP_PARAMETERPROB => {
                self.take_report(sys, datagram, header, body);
            }
            _ => {}
        }
    }

    fn options_text(&mut self, sys: &mut Sys<'_, SimKernel>, options: &[u8]) -> String {
        if options.is_empty() {
            return String::new();
        }
        let mut printer = core::mem::take(&mut self.printer);
        let text = printer.text(options, |addr| self.name(sys, addr));
        self.printer = printer;
        text
    }

    /// Counts and prints an answer (`gather_statistics`). True if its line is to go on.
    fn take_answer(&mut self, sys: &mut Sys<'_, SimKernel>, datagram: &Datagram, reply: &Reply<'_>) -> bool {
        if !reply.corrupted {
            self.stats.acknowledge(reply.seq);
        }
        let mut trip = 0;
        if self.timing() && reply.len >= ICMP_HLEN + STAMP {
            trip = (micros(datagram.at) - sent_at(reply.body)).max(0);
            if !reply.corrupted {
                self.stats.measured(trip);
                if self.options.adaptive {
                    let estimate = if self.stats.rtt > 0 { self.stats.rtt / 8 } else { self.interval as i64 * 1000 };
                    self.interval = ((estimate + 500) / 1000).max(0) as u64;
                }
            }
        }
        let duplicate = if reply.corrupted {
            self.stats.corrupted += 1;
            false
        } else {
            self.stats.answered(reply.seq)
        };
        if self.options.quiet {
            return false;
        }
        if self.options.flood {
            sys.out(if reply.corrupted { "\x08C" } else { "\x08 \x08" });
        } else if !self.print_answer(sys, datagram, reply, trip, duplicate) {
            return false;
        }
        if self.options.audible {
            sys.out("\x07");
        }
        true
    }

    fn print_answer(
        &self,
        sys: &mut Sys<'_, SimKernel>,
        datagram: &Datagram,
        reply: &Reply<'_>,
        trip: i64,
        duplicate: bool,
    ) -> bool {
        self.print_time(sys);
        let from = self.name(sys, datagram.from.0);
        let mut line = format!("{} bytes from {from}: icmp_seq={}", reply.len, reply.seq);
        if self.options.verbose {
            line.push_str(&format!(" ident={}", self.ident));
        }
        line.push_str(&format!(" ttl={}", datagram.ttl));
        if reply.len < self.options.size + ICMP_HLEN {
            sys.out(&(line + " (truncated)\n"));
            return false;
        }
        if self.timing() {
            line.push_str(&format!(" time={}", stats::trip_time(trip)));
        }
        if duplicate && (!self.group || self.options.verbose) {
            line.push_str(" (DUP!)");
        }
        if reply.corrupted {
            line.push_str(" (BAD CHECKSUM!)");
        }
        if !self.group && datagram.from.0 != self.target {
            line.push_str(" (DIFFERENT ADDRESS!)");
        }
        line.push_str(&self.wrong_data(reply.body));
        sys.out(&line);
        true
    }

    /// Complains if the answer does not carry what the probe did.
    fn wrong_data(&self, body: &[u8]) -> String {
        let pairs = body.iter().zip(&self.payload).enumerate().skip(STAMP);
        let Some((at, (was, should))) = pairs.into_iter().find(|(_, (was, should))| was != should) else {
            return String::new();
        };
        let mut text = format!("\nwrong data byte #{at} should be 0x{should:x} but was 0x{was:x}");
        for (i, byte) in body.iter().enumerate().take(self.options.size).skip(STAMP) {
            if i % 32 == STAMP {
                text.push_str(&format!("\n#{i}\t"));
            }
            text.push_str(&format!("{byte:x} "));
        }
        text
    }

    /// An ICMP error that came in as a packet. Errors have been told by the error queue; redirects and quenches have
    /// not.
    fn take_report(&mut self, sys: &mut Sys<'_, SimKernel>, from: &Datagram, header: &icmp::Header, body: &[u8]) {
        let Ok((inner, rest)) = split::<ipv4::Header>(body) else { return };
        let quoted = rest.get(inner.header_len().saturating_sub(ipv4::IP_HLEN)..).unwrap_or_default();
        let Ok((probe, _)) = split::<icmp::Header>(quoted) else { return };
        if probe.kind != ICMP_ECHO || inner.dst() != self.target || probe.echo_id() != self.ident {
            return;
        }
        let seq = probe.echo_seq();
        if !matches!(header.kind, ICMP_REDIRECT | ICMP_SOURCE_QUENCH) {
            self.stats.acknowledge(seq);
        } else if !self.options.quiet && !self.options.flood {
            self.print_time(sys);
            let name = self.name(sys, from.from.0);
            let what = text::icmp(header.kind, header.code, u32::from_be_bytes(header.rest));
            sys.out(&format!("From {name}: icmp_seq={seq} {what}"));
        }
    }
}

/// The time stamp of a probe that came back, in microseconds since the epoch.
fn sent_at(body: &[u8]) -> i64 {
    let word = |at: usize| body.get(at..).and_then(|b| b.first_chunk::<8>()).map_or(0, |b| i64::from_le_bytes(*b));
    word(0).wrapping_mul(1_000_000).wrapping_add(word(8))
}
