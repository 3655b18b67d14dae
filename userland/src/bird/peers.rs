//! The connections with neighbours: TCP port 179.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_routing::bgp::session::Way;
use hopwise_routing::bird::daemon::Daemon;
use hopwise_sim_core::Errno;

use crate::kernel::SimKernel;
use crate::sock::Sock;
use crate::stream::{self, From, Stream};

/// How many connections may wait at the listener.
const BACKLOG: u32 = 8;
/// `IP_PREC_INTERNET_CONTROL`
const INTERNET_CONTROL: u8 = 0xc0;
/// How much is read at once.
const CHUNK: usize = 64 << 10;

#[derive(Clone, Debug)]
struct Link {
    stream: Stream,
    /// It is open; before that it is being opened.
    open: bool,
    /// What did not fit into the socket yet.
    out: Vec<u8>,
}

/// All connections of the daemon.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    /// By address and port.
    listeners: BTreeMap<(Ipv4Addr, u16), Sock>,
    links: BTreeMap<(usize, Way), Link>,
}

impl Peers {
    /// Listens for neighbours at this address and port.
    pub(super) fn listen(&mut self, sys: &mut Sys<'_, SimKernel>, at: (Ipv4Addr, u16)) -> Result<(), Errno> {
        if let Entry::Vacant(place) = self.listeners.entry(at) {
            let listener = stream::listen(sys, at, BACKLOG)?;
            mark(sys, listener, 255)?;
            place.insert(listener);
        }
        Ok(())
    }

    /// Begins to open a connection.
    pub(super) fn connect(
        &mut self,
        sys: &mut Sys<'_, SimKernel>,
        daemon: &mut Daemon,
        proto: usize,
        local: Option<Ipv4Addr>,
        to: (Ipv4Addr, u16),
        ttl: u8,
    ) {
        let from = From { local: (local.unwrap_or(Ipv4Addr::UNSPECIFIED), 0), ..From::default() };
        let opened = Stream::open(sys, from).and_then(|stream| {
            mark(sys, stream.0, ttl)?;
            match stream.connect(sys, to) {
                Ok(()) => Ok(stream),
                Err(errno) => {
                    stream.close(sys);
                    Err(errno)
                }
            }
        });
        match opened {
            Ok(stream) => {
                let link = Link { stream, open: false, out: Vec::new() };
                if let Some(old) = self.links.insert((proto, Way::Outgoing), link) {
                    old.stream.close(sys);
                }
            }
            Err(errno) => daemon.closed(proto, Way::Outgoing, Some(errno)),
        }
    }

    /// Sends octets, now or when there is room.
    pub(super) fn send(&mut self, sys: &mut Sys<'_, SimKernel>, at: (usize, Way), bytes: &[u8]) {
        if let Some(link) = self.links.get_mut(&at) {
            link.out.extend_from_slice(bytes);
            link.flush(sys);
        }
    }

    /// Closes a connection.
    pub(super) fn close(&mut self, sys: &mut Sys<'_, SimKernel>, at: (usize, Way)) {
        if let Some(link) = self.links.remove(&at) {
            link.stream.close(sys);
        }
    }

    /// Looks at all of them; true if anything has happened.
    pub(super) fn look(&mut self, sys: &mut Sys<'_, SimKernel>, daemon: &mut Daemon) -> bool {
        if self.accept(sys, daemon) {
            return true;
        }
        let mut happened = false;
        let all: Vec<(usize, Way)> = self.links.keys().copied().collect();
        for at in all {
            happened |= self.look_at(sys, daemon, at);
        }
        happened
    }

    fn accept(&mut self, sys: &mut Sys<'_, SimKernel>, daemon: &mut Daemon) -> bool {
        let listeners: Vec<Sock> = self.listeners.values().copied().collect();
        for listener in listeners {
            // One at a time: what it leads to has to be done before the next one.
            let Ok((stream, remote)) = stream::accept(sys, listener) else { continue };
            let local = stream.ends(sys).map_or((Ipv4Addr::UNSPECIFIED, 0), |(local, _)| local);
            match daemon.incoming(local, remote) {
                Some(proto) => {
                    let link = Link { stream, open: true, out: Vec::new() };
                    if let Some(ttl) = daemon.ttl(proto) {
                        // A socket that is gone shows when it is read.
                        let _ = mark(sys, stream.0, ttl);
                    }
                    if let Some(old) = self.links.insert((proto, Way::Incoming), link) {
                        old.stream.close(sys);
                    }
                }
                None => stream.close(sys),
            }
            return true;
        }
        false
    }

    fn look_at(&mut self, sys: &mut Sys<'_, SimKernel>, daemon: &mut Daemon, at: (usize, Way)) -> bool {
        let Some(link) = self.links.get_mut(&at) else { return false };
        if !link.open {
            return match link.stream.is_open(sys) {
                Ok(false) => false,
                Ok(true) => {
                    link.open = true;
                    let local = link.stream.ends(sys).map_or(Ipv4Addr::UNSPECIFIED, |(local, _)| local.0);
                    daemon.connected(at.0, local);
                    true
                }
                Err(errno) => {
                    self.close(sys, at);
                    daemon.closed(at.0, at.1, Some(errno));
                    true
                }
            };
        }
        link.flush(sys);
        match link.stream.recv(sys, CHUNK) {
            Err(Errno::EAGAIN) => false,
            Ok(bytes) if bytes.is_empty() => {
                self.close(sys, at);
                daemon.closed(at.0, at.1, None);
                true
            }
            Ok(bytes) => {
                daemon.received(at.0, at.1, &bytes);
                true
            }
            Err(errno) => {
                self.close(sys, at);
                daemon.closed(at.0, at.1, Some(errno));
                true
            }
        }
    }
}

/// The TTL and the precedence of what goes out: network control, as routers send it.
fn mark(sys: &mut Sys<'_, SimKernel>, sock: Sock, ttl: u8) -> Result<(), Errno> {
    let socket = sock.get(sys)?;
    socket.opts.ttl = Some(ttl);
    socket.opts.tos = INTERNET_CONTROL;
    Ok(())
}

impl Link {
    fn flush(&mut self, sys: &mut Sys<'_, SimKernel>) {
        while !self.out.is_empty() {
            match self.stream.send(sys, &self.out) {
                Ok(taken) if taken > 0 => {
                    self.out.drain(..taken);
                }
                // No room; an error shows when it is read.
                _ => break,
            }
        }
    }
}
