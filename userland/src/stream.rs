//! TCP sockets as programs use them: listen, accept, connect, send, receive. Nothing blocks; whoever gets `EAGAIN` waits
//! for a wake-up.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_protocols::tcp::State;
use hopwise_sim_core::{Errno, IfIndex};
use hopwise_stack::socket::tcp::Addr;
use hopwise_stack::socket::{Socket, SocketKind};

use crate::kernel::SimKernel;
use crate::sock::Sock;

/// A connection, or an attempt at one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stream(pub Sock);

/// Where a connection begins: what `bind` and `SO_BINDTODEVICE` are told before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct From {
    /// Our address and port; unspecified and 0 to leave it to the kernel.
    pub local: Addr,
    /// The link.
    pub dev: IfIndex,
}

impl Default for From {
    fn default() -> Self {
        From { local: (Ipv4Addr::UNSPECIFIED, 0), dev: IfIndex::NONE }
    }
}

impl Stream {
    /// Opens a socket that is not connected yet, bound as told.
    ///
    /// # Errors
    /// What binding says.
    pub fn open(sys: &mut Sys<'_, SimKernel>, from: From) -> Result<Stream, Errno> {
        let sock = Sock::open(sys, SocketKind::Tcp)?;
        let bound = Stream(sock).bind(sys, from);
        if bound.is_err() {
            sock.close(sys);
        }
        bound.map(|()| Stream(sock))
    }

    fn bind(self, sys: &mut Sys<'_, SimKernel>, from: From) -> Result<(), Errno> {
        let (ns, id) = (self.0.ns, self.0.id);
        if from.dev.is_some() {
            sys.kernel.net.bind_to_link(ns, id, from.dev)?;
        }
        if from.local != (Ipv4Addr::UNSPECIFIED, 0) {
            sys.kernel.net.bind_tcp(ns, id, from.local.0, from.local.1)?;
        }
        Ok(())
    }

    /// Begins to open the connection.
    ///
    /// # Errors
    /// What routing says.
    pub fn connect(self, sys: &mut Sys<'_, SimKernel>, to: Addr) -> Result<(), Errno> {
        sys.kernel.net.connect_tcp(self.0.ns, self.0.id, to)
    }

    /// Whether it is open by now.
    ///
    /// # Errors
    /// Why it has failed.
    pub fn is_open(self, sys: &mut Sys<'_, SimKernel>) -> Result<bool, Errno> {
        let (ns, id) = (self.0.ns, self.0.id);
        match sys.kernel.net.tcp_state(ns, id) {
            Some(State::SynSent | State::SynRecv) => Ok(false),
            Some(State::Close) | None => {
                let error = sys.kernel.net.with_tcp(ns, id, hopwise_protocols::tcp::Endpoint::take_error)?;
                Err(error.unwrap_or(Errno::ECONNABORTED))
            }
            Some(_) => Ok(true),
        }
    }

    /// Sends; gives how many bytes were taken.
    ///
    /// # Errors
    /// `EAGAIN` if there is no room, what ended the connection.
    pub fn send(self, sys: &mut Sys<'_, SimKernel>, bytes: &[u8]) -> Result<usize, Errno> {
        sys.kernel.net.send_tcp(self.0.ns, self.0.id, bytes)
    }

    /// Takes up to `max` bytes; none: the other side has sent everything.
    ///
    /// # Errors
    /// `EAGAIN` if there is nothing yet, what ended the connection.
    pub fn recv(self, sys: &mut Sys<'_, SimKernel>, max: usize) -> Result<Vec<u8>, Errno> {
        sys.kernel.net.recv_tcp(self.0.ns, self.0.id, max)
    }

    /// Nothing more will be sent.
    pub fn shutdown(self, sys: &mut Sys<'_, SimKernel>) {
        // Without a connection there is nothing to be ended.
        let _ = sys.kernel.net.shutdown_tcp(self.0.ns, self.0.id);
    }

    /// `TCP_NODELAY`
    pub fn set_nodelay(self, sys: &mut Sys<'_, SimKernel>) {
        let now = sys.now();
        // As above.
        let _ = sys.kernel.net.with_tcp(self.0.ns, self.0.id, |end| end.set_nodelay(now, true));
    }

    /// Closes it.
    pub fn close(self, sys: &mut Sys<'_, SimKernel>) {
        self.0.close(sys);
    }

    /// Our end and the other one.
    pub fn ends(self, sys: &Sys<'_, SimKernel>) -> Option<(Addr, Addr)> {
        let socket: &Socket = sys.kernel.net.ns(self.0.ns)?.sockets.get(self.0.id)?;
        Some((socket.local, socket.remote?))
    }
}

/// Listens at an address and port, with `SO_REUSEADDR` as servers set it.
///
/// # Errors
/// What binding and listening say.
pub fn listen(sys: &mut Sys<'_, SimKernel>, at: Addr, backlog: u32) -> Result<Sock, Errno> {
    let sock = Sock::open(sys, SocketKind::Tcp)?;
    sock.get(sys)?.reuse = true;
    let net = &mut sys.kernel.net;
    let bound = net.bind_tcp(sock.ns, sock.id, at.0, at.1).and_then(|_| net.listen_tcp(sock.ns, sock.id, backlog));
    if bound.is_err() {
        sock.close(sys);
    }
    bound.map(|()| sock)
}

/// Takes the connection that has waited longest at a listener.
///
/// # Errors
/// `EAGAIN` if none waits.
pub fn accept(sys: &mut Sys<'_, SimKernel>, listener: Sock) -> Result<(Stream, Addr), Errno> {
    let (id, from) = sys.kernel.net.accept_tcp(listener.ns, listener.id)?;
    let pid = sys.pid();
    sys.kernel.hold(pid, listener.ns, id);
    Ok((Stream(Sock { ns: listener.ns, id }), from))
}
