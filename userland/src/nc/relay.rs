//! Standard input to the network and back (`readwrite`).

use hopwise_machine::{Read, Sys, Wait};
use hopwise_sim_core::{Errno, Time};
use hopwise_stack::socket::tcp::Addr;

use super::idle;
use super::options::Options;
use crate::kernel::SimKernel;
use crate::sock::Sock;
use crate::stream::Stream;

/// `BUFSIZE`
const BUFFER: usize = 16_384;

/// The other side.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    Stream(Stream),
    /// Datagrams, to the one who is known.
    Datagrams {
        sock: Sock,
        to: Option<Addr>,
    },
}

impl Peer {
    pub(super) fn close(self, sys: &mut Sys<'_, SimKernel>) {
        match self {
            Peer::Stream(stream) => stream.close(sys),
            Peer::Datagrams { sock, .. } => sock.close(sys),
        }
    }

    fn send(self, sys: &mut Sys<'_, SimKernel>, bytes: &[u8]) -> Result<usize, Errno> {
        match self {
            Peer::Stream(stream) => stream.send(sys, bytes),
            Peer::Datagrams { sock, to } => sys.kernel.net.send_udp(sock.ns, sock.id, to, bytes),
        }
    }

    fn recv(self, sys: &mut Sys<'_, SimKernel>) -> Result<Option<Vec<u8>>, Errno> {
        match self {
            Peer::Stream(stream) => match stream.recv(sys, BUFFER) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(Errno::EAGAIN) => Ok(None),
                Err(errno) => Err(errno),
            },
            Peer::Datagrams { sock, .. } => {
                if let Some(errno) = sock.take_pending(sys) {
                    return Err(errno);
                }
                // An empty datagram is no end.
                Ok(sock.recv(sys).map(|datagram| datagram.bytes).filter(|bytes| !bytes.is_empty()))
            }
        }
    }
}

/// The relay.
#[derive(Clone, Debug)]
pub(super) struct Relay {
    pub(super) peer: Peer,
    to_net: Vec<u8>,
    input_ended: bool,
    /// When to stop after the end of the input (`-q`).
    quit: Option<Time>,
    /// When something happened last.
    active: Option<Time>,
}

impl Relay {
    pub(super) fn new(peer: Peer) -> Relay {
        Relay { peer, to_net: Vec::new(), input_ended: false, quit: None, active: None }
    }

    /// Goes on; `None`: it is over.
    pub(super) fn step(&mut self, sys: &mut Sys<'_, SimKernel>, options: &Options) -> Option<Wait> {
        let active = *self.active.get_or_insert(sys.now());
        let mut moved = false;
        loop {
            match self.peer.recv(sys) {
                Ok(Some(bytes)) if bytes.is_empty() => return None,
                Ok(Some(bytes)) => {
                    moved = true;
                    sys.write(1, &bytes).ok()?;
                }
                Ok(None) => break,
                Err(_) => return None,
            }
        }
        moved |= self.forward(sys, options)?;
        if moved {
            self.active = Some(sys.now());
        }
        let last = if moved { sys.now() } else { active };
        let end = [idle(options.timeout, last), self.quit].into_iter().flatten().min();
        if end.is_some_and(|at| at <= sys.now()) {
            return None;
        }
        let wait = Wait::event().or_until(end);
        let reads = !self.input_ended && !options.deaf && self.to_net.is_empty();
        Some(if reads { wait.or_readable(0) } else { wait })
    }

    /// Reads the input and sends it; `None`: it is over.
    fn forward(&mut self, sys: &mut Sys<'_, SimKernel>, options: &Options) -> Option<bool> {
        let mut moved = false;
        loop {
            while !self.to_net.is_empty() {
                match self.peer.send(sys, &self.to_net) {
                    Ok(count) => drop(self.to_net.drain(..count)),
                    Err(Errno::EAGAIN) => return Some(moved),
                    Err(_) => return None,
                }
                moved = true;
            }
            if self.input_ended || options.deaf || !sys.is_readable(0) {
                return Some(moved);
            }
            match sys.read(0, BUFFER) {
                Ok(Read::Data(bytes)) => self.to_net = if options.crlf { crlf(&bytes) } else { bytes },
                Ok(Read::WouldBlock) => return Some(moved),
                Ok(Read::Eof) | Err(_) => {
                    self.input_ended = true;
                    if options.shut
                        && let Peer::Stream(stream) = self.peer
                    {
                        stream.shutdown(sys);
                    }
                    self.quit = options.quit.map(|limit| sys.now() + limit);
                }
            }
        }
    }
}

fn crlf(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().flat_map(|b| if *b == b'\n' { &b"\r\n"[..] } else { core::slice::from_ref(b) }).copied().collect()
}
