//! What all network programs do with sockets: opened for the calling process, closed with it.

use hopwise_machine::Sys;
use hopwise_sim_core::{Duration, Errno, IfIndex, NsId, Time};
use hopwise_stack::socket::{Datagram, SockError, Socket, SocketId, SocketKind};

use crate::kernel::SimKernel;

/// What sending one probe costs the machine. In virtual time a program would else send for ever in the same instant, or
/// would see the first answer before its next probe is out; a real one needs about this long.
pub(crate) const PROBE_COST: Duration = Duration::from_micros(15);

/// A socket of the calling process, and the namespace in which it was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sock {
    /// Namespace.
    pub ns: NsId,
    /// Number within it.
    pub id: SocketId,
}

impl Sock {
    /// Opens a socket in the caller's namespace; it is closed when the process ends.
    ///
    /// # Errors
    /// `ENODEV` if the namespace is gone.
    pub fn open(sys: &mut Sys<'_, SimKernel>, kind: SocketKind) -> Result<Sock, Errno> {
        let (ns, pid) = (sys.ns(), sys.pid());
        let id = sys.kernel.net.open_socket(ns, SimKernel::owner(pid), kind)?;
        sys.kernel.hold(pid, ns, id);
        let cgroup = sys.cgroup();
        if !cgroup.is_empty() && !matches!(kind, SocketKind::Packet { .. }) {
            // The program that `ip vrf exec` attached to the control group (cgroup/sock).
            let vrf = sys.kernel.vrf_of(sys.machine(), &cgroup);
            sys.kernel.net.socket_mut(ns, id).ok_or(Errno::EBADF)?.bound_dev = vrf;
        }
        Ok(Sock { ns, id })
    }

    /// The socket itself, to set its options.
    ///
    /// # Errors
    /// `EBADF` if the namespace went away under it.
    pub fn get<'a>(self, sys: &'a mut Sys<'_, SimKernel>) -> Result<&'a mut Socket, Errno> {
        sys.kernel.net.socket_mut(self.ns, self.id).ok_or(Errno::EBADF)
    }

    /// What has waited longest, with the time of its arrival.
    pub fn recv(self, sys: &mut Sys<'_, SimKernel>) -> Option<Datagram> {
        sys.kernel.net.recv(self.ns, self.id)
    }

    /// The oldest entry of the error queue. Another one behind it makes the next call fail again
    /// (`sock_dequeue_err_skb`).
    pub fn recv_error(self, sys: &mut Sys<'_, SimKernel>) -> Option<SockError> {
        let error = sys.kernel.net.recv_error(self.ns, self.id)?;
        if let Some(socket) = sys.kernel.net.socket_mut(self.ns, self.id) {
            socket.pending = socket.errors.front().filter(|next| next.from.is_some()).map(|next| next.errno);
        }
        Some(error)
    }

    /// Whether a call would give something at once: a datagram or an error.
    pub fn is_ready(self, sys: &Sys<'_, SimKernel>) -> bool {
        let socket = sys.kernel.net.ns(self.ns).and_then(|ns| ns.sockets.get(self.id));
        socket.is_some_and(|s| !s.queue.is_empty() || !s.errors.is_empty() || s.pending.is_some())
    }

    /// Takes the error that the next call would return (`sock_error`).
    pub fn take_pending(self, sys: &mut Sys<'_, SimKernel>) -> Option<Errno> {
        sys.kernel.net.socket_mut(self.ns, self.id)?.pending.take()
    }

    /// Closes the socket before the process ends.
    pub fn close(self, sys: &mut Sys<'_, SimKernel>) {
        sys.kernel.release(self.ns, self.id);
        sys.kernel.net.close_socket(self.ns, self.id);
    }
}

/// The link of that name in the caller's namespace.
pub fn link_named(sys: &Sys<'_, SimKernel>, name: &str) -> Option<IfIndex> {
    sys.kernel.net.ns(sys.ns())?.devs.index_of(name)
}

/// Microseconds since the epoch, as `gettimeofday(2)` cuts them.
pub const fn micros(at: Time) -> i64 {
    (at.unix_nanos() / 1000) as i64
}
