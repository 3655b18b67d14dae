//! One question to one server over UDP, asked again if nothing comes.

use hopwise_machine::Sys;
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::socket::SocketKind;
use hopwise_stack::socket::tcp::Addr;

use super::message::Message;
use crate::kernel::SimKernel;
use crate::sock::Sock;

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Nothing came in time.
    TimedOut,
    /// The packet could not be sent, or was refused.
    Unreachable(Errno),
}

/// A question under way.
#[derive(Clone, Debug)]
pub struct Exchange {
    sock: Sock,
    query: Message,
    sent_at: Time,
    timeout: Duration,
    tries: u32,
}

impl Exchange {
    /// Asks; `tries` times at most.
    ///
    /// # Errors
    /// What sending says.
    pub fn begin(
        sys: &mut Sys<'_, SimKernel>,
        server: Addr,
        query: Message,
        timeout: Duration,
        tries: u32,
    ) -> Result<Exchange, Errno> {
        let sock = Sock::open(sys, SocketKind::Udp)?;
        let connected = sys.kernel.net.connect_udp(sock.ns, sock.id, server);
        let mut exchange = Exchange { sock, query, sent_at: sys.now(), timeout, tries: tries.max(1) };
        match connected.and_then(|_| exchange.send(sys)) {
            Ok(()) => Ok(exchange),
            Err(errno) => {
                sock.close(sys);
                Err(errno)
            }
        }
    }

    fn send(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), Errno> {
        self.tries -= 1;
        self.sent_at = sys.now();
        sys.kernel.net.send_udp(self.sock.ns, self.sock.id, None, &self.query.build()).map(|_| ())
    }

    /// What came: the answer, how many bytes it had, and how long it took. `None`: nothing yet.
    pub fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Option<Result<(Message, usize, Duration), Failure>> {
        let took = sys.now().since(self.sent_at);
        while let Some(datagram) = self.sock.recv(sys) {
            let answer = Message::parse(&datagram.bytes);
            if let Some(answer) = answer.filter(|m| m.id == self.query.id && m.response) {
                self.sock.close(sys);
                return Some(Ok((answer, datagram.bytes.len(), took)));
            }
        }
        if let Some(errno) = self.sock.take_pending(sys) {
            self.sock.close(sys);
            return Some(Err(Failure::Unreachable(errno)));
        }
        if sys.now() < self.until() {
            return None;
        }
        if self.tries == 0 {
            self.sock.close(sys);
            return Some(Err(Failure::TimedOut));
        }
        match self.send(sys) {
            Ok(()) => None,
            Err(errno) => {
                self.sock.close(sys);
                Some(Err(Failure::Unreachable(errno)))
            }
        }
    }

    /// Until when an answer is waited for.
    pub fn until(&self) -> Time {
        self.sent_at + self.timeout
    }
}
