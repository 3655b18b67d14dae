//! The questions about one name, put to one server after the other (`__res_context_send` and `send_dg` of `res_send.c`).
//!
//! Those for IPv4 and IPv6 addresses go out together, from one port. When one answer is missing they are asked again one after the
//! other, which is why a lost packet costs five seconds; when that does not help, the second one comes from another port.

use hopwise_machine::Sys;
use hopwise_sim_core::Time;
use hopwise_stack::socket::SocketKind;

use super::config::{Config, MAX_SERVERS};
use super::message::{Message, NXDOMAIN};
use crate::kernel::SimKernel;
use crate::sock::Sock;

/// Questions under way.
#[derive(Clone, Debug)]
pub(super) struct Asking {
    name: String,
    config: Config,
    server: usize,
    attempt: u32,
    /// One for each server, until one of them fails.
    socks: [Option<Sock>; MAX_SERVERS],
    /// The questions: kind, number, and what was answered.
    asked: Vec<(u16, u16, Option<Message>)>,
    until: Time,
}

/// No server has an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Nobody;

impl Asking {
    /// Asks the first server.
    pub(super) fn begin(sys: &mut Sys<'_, SimKernel>, config: &Config, name: &str, kinds: &[u16]) -> Asking {
        let mut asking = Asking {
            name: name.to_owned(),
            config: config.clone(),
            server: 0,
            attempt: 0,
            socks: [None; MAX_SERVERS],
            asked: kinds.iter().map(|kind| (*kind, sys.random_u32() as u16, None)).collect(),
            until: sys.now(),
        };
        asking.ask(sys);
        asking
    }

    /// The answers, when they are there. After that it is over.
    pub(super) fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Result<Vec<Message>, Nobody>> {
        loop {
            let failed = self.receive(sys);
            if !failed && self.asked.iter().all(|(_, _, answer)| answer.is_some()) {
                let answers: Vec<Message> = self.asked.iter_mut().filter_map(|(_, _, answer)| answer.take()).collect();
                if answers.iter().any(is_answer) {
                    self.hang_up(sys);
                    return Some(Ok(answers));
                }
            } else if !failed && sys.now() < self.until {
                return None;
            } else if self.asked.iter().any(|(_, _, answer)| answer.is_some()) && !self.config.reopen && !failed {
                // Perhaps the server, or a box on the way, cannot do two at once.
                self.config.reopen = self.config.single;
                self.config.single = true;
                if self.config.reopen {
                    self.hang_up(sys);
                }
                self.ask(sys);
                continue;
            }
            if failed {
                self.hang_up(sys);
            }
            if !self.next_server(sys) {
                return Some(Err(Nobody));
            }
        }
    }

    /// Until when an answer is waited for.
    pub(super) const fn until(&self) -> Time {
        self.until
    }

    /// Asks the present server. If it cannot be asked, there is nothing to wait for.
    fn ask(&mut self, sys: &mut Sys<'_, SimKernel>) {
        self.until = sys.now() + self.config.patience(self.server);
        self.asked.iter_mut().for_each(|(_, _, answer)| *answer = None);
        let count = if self.config.single { 1 } else { self.asked.len() };
        if self.dial(sys).is_none() || !(0..count).all(|index| self.send(sys, index)) {
            self.hang_up(sys);
            self.until = sys.now();
        }
    }

    /// The socket that is connected to the present server.
    fn dial(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Sock> {
        if let Some(sock) = self.sock() {
            return Some(sock);
        }
        let server = *self.config.servers.get(self.server)?;
        let sock = Sock::open(sys, SocketKind::Udp).ok()?;
        *self.socks.get_mut(self.server)? = Some(sock);
        // __res_enable_icmp: every unreachable counts, not only that of the port.
        sock.get(sys).ok()?.opts.recverr = true;
        sys.kernel.net.connect_udp(sock.ns, sock.id, server).ok()?;
        Some(sock)
    }

    fn sock(&self) -> Option<Sock> {
        self.socks.get(self.server).copied().flatten()
    }

    fn send(&self, sys: &mut Sys<'_, SimKernel>, index: usize) -> bool {
        let (Some(sock), Some((kind, id, _))) = (self.sock(), self.asked.get(index)) else { return false };
        let query = Message::query(*id, &self.name, *kind).build();
        sys.kernel.net.send_udp(sock.ns, sock.id, None, &query).is_ok()
    }

    /// Takes what has come; true if there is nobody at the other end.
    fn receive(&mut self, sys: &mut Sys<'_, SimKernel>) -> bool {
        while let Some(sock) = self.sock() {
            let Some(datagram) = sock.recv(sys) else { return sock.take_pending(sys).is_some() };
            let Some(answer) = Message::parse(&datagram.bytes).filter(|m| m.response) else { continue };
            let Some(place) = self.asked.iter().position(|(_, id, got)| *id == answer.id && got.is_none()) else {
                continue;
            };
            self.asked[place].2 = Some(answer);
            let next = place + 1;
            if self.config.single && next < self.asked.len() {
                if self.config.reopen {
                    self.hang_up(sys);
                }
                if self.dial(sys).is_none() || !self.send(sys, next) {
                    return true;
                }
            }
        }
        false
    }

    /// Goes on to the next server, or to the first one for another attempt; false if they have all been asked often enough.
    fn next_server(&mut self, sys: &mut Sys<'_, SimKernel>) -> bool {
        self.server += 1;
        if self.server >= self.config.servers.len() {
            self.server = 0;
            self.attempt += 1;
        }
        let goes_on = self.attempt < self.config.attempts;
        if goes_on {
            self.ask(sys);
        } else {
            self.hang_up(sys);
        }
        goes_on
    }

    fn hang_up(&mut self, sys: &mut Sys<'_, SimKernel>) {
        for sock in self.socks.iter_mut().filter_map(Option::take) {
            sock.close(sys);
        }
    }
}

/// Whether an answer says something about the name; if not, another server may know more.
pub(super) fn is_answer(message: &Message) -> bool {
    matches!(message.rcode, 0 | NXDOMAIN)
}
