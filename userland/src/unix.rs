//! Stream sockets between processes of one machine (`AF_UNIX`): a path somebody listens at, and connections of two ends.

use std::collections::VecDeque;

use hopwise_machine::{Pid, Sys};
use hopwise_sim_core::Errno;

use crate::kernel::SimKernel;

/// How much may wait at one end (`net.core.wmem_default`).
const LIMIT: usize = 212_992;

/// One end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UnixStream {
    number: u64,
    end: usize,
}

#[derive(Clone, Debug)]
struct Connection {
    number: u64,
    /// The processes at both ends: who connected, who listened.
    ends: [Option<Pid>; 2],
    /// What waits to be read at each end.
    queues: [VecDeque<u8>; 2],
}

#[derive(Clone, Debug)]
struct Listener {
    pid: Pid,
    path: String,
    waiting: VecDeque<u64>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct UnixSockets {
    listeners: Vec<Listener>,
    connections: Vec<Connection>,
    next: u64,
}

impl UnixSockets {
    /// A process has ended: its sockets are closed. Gives the processes at the other ends.
    pub fn forget(&mut self, pid: Pid) -> Vec<Pid> {
        let mut others = Vec::new();
        for listener in self.listeners.iter().filter(|listener| listener.pid == pid) {
            let waiting = self.connections.iter_mut().filter(|c| listener.waiting.contains(&c.number));
            waiting.for_each(|connection| connection.ends[1] = None);
        }
        self.listeners.retain(|listener| listener.pid != pid);
        for connection in &mut self.connections {
            for end in 0..2 {
                if connection.ends[end] == Some(pid) {
                    connection.ends[end] = None;
                    others.extend(connection.ends[1 - end]);
                }
            }
        }
        self.connections.retain(|connection| connection.ends != [None, None]);
        others
    }

    fn find(&mut self, stream: UnixStream) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|connection| connection.number == stream.number)
    }
}

/// Listens at a path of the caller's machine.
///
/// # Errors
/// `EADDRINUSE` if somebody does.
pub fn listen(sys: &mut Sys<'_, SimKernel>, path: &str) -> Result<(), Errno> {
    let (pid, path) = (sys.pid(), hopwise_machine::files::join(&sys.cwd(), path));
    if is_served(sys, &path) {
        return Err(Errno::EADDRINUSE);
    }
    sys.write_file(&path, b"")?;
    sys.kernel.unix.listeners.push(Listener { pid, path, waiting: VecDeque::new() });
    Ok(())
}

/// Whether somebody listens at a path.
pub fn is_served(sys: &Sys<'_, SimKernel>, path: &str) -> bool {
    let path = hopwise_machine::files::join(&sys.cwd(), path);
    sys.kernel.unix.listeners.iter().any(|l| l.path == path && l.pid.machine == sys.machine())
}

/// Connects with whoever listens at a path.
///
/// # Errors
/// `ENOENT` without a file there, `ECONNREFUSED` without a listener.
pub fn connect(sys: &mut Sys<'_, SimKernel>, path: &str) -> Result<UnixStream, Errno> {
    let (pid, path) = (sys.pid(), hopwise_machine::files::join(&sys.cwd(), path));
    sys.stat(&path, true)?;
    let unix = &mut sys.kernel.unix;
    let number = unix.next;
    let found = unix.listeners.iter_mut().find(|l| l.path == path && l.pid.machine == pid.machine);
    let listener = found.ok_or(Errno::ECONNREFUSED)?;
    listener.waiting.push_back(number);
    let server = listener.pid;
    unix.next += 1;
    unix.connections.push(Connection { number, ends: [Some(pid), Some(server)], queues: Default::default() });
    sys.kernel.kube.poke(server);
    Ok(UnixStream { number, end: 0 })
}

/// Takes the connection that has waited longest for the calling process.
pub fn accept(sys: &mut Sys<'_, SimKernel>) -> Option<UnixStream> {
    let pid = sys.pid();
    let listener = sys.kernel.unix.listeners.iter_mut().find(|l| l.pid == pid)?;
    listener.waiting.pop_front().map(|number| UnixStream { number, end: 1 })
}

impl UnixStream {
    /// Sends; gives how many bytes were taken.
    ///
    /// # Errors
    /// `EPIPE` if nobody is there, `EAGAIN` if there is no room.
    pub fn send(self, sys: &mut Sys<'_, SimKernel>, bytes: &[u8]) -> Result<usize, Errno> {
        let connection = sys.kernel.unix.find(self).ok_or(Errno::EPIPE)?;
        let other = connection.ends[1 - self.end].ok_or(Errno::EPIPE)?;
        let queue = &mut connection.queues[1 - self.end];
        let taken = bytes.len().min(LIMIT - queue.len().min(LIMIT));
        if taken == 0 && !bytes.is_empty() {
            return Err(Errno::EAGAIN);
        }
        queue.extend(&bytes[..taken]);
        sys.kernel.kube.poke(other);
        Ok(taken)
    }

    /// Takes what has come; nothing: the other end is closed.
    ///
    /// # Errors
    /// `EAGAIN` if nothing has come yet.
    pub fn recv(self, sys: &mut Sys<'_, SimKernel>) -> Result<Vec<u8>, Errno> {
        let Some(connection) = sys.kernel.unix.find(self) else { return Ok(Vec::new()) };
        let bytes: Vec<u8> = connection.queues[self.end].drain(..).collect();
        let other = connection.ends[1 - self.end];
        match (bytes.is_empty(), other) {
            (true, Some(_)) => Err(Errno::EAGAIN),
            (true, None) => Ok(bytes),
            (false, other) => {
                // There is room again.
                if let Some(other) = other {
                    sys.kernel.kube.poke(other);
                }
                Ok(bytes)
            }
        }
    }

    /// Closes this end.
    pub fn close(self, sys: &mut Sys<'_, SimKernel>) {
        let Some(connection) = sys.kernel.unix.find(self) else { return };
        connection.ends[self.end] = None;
        let other = connection.ends[1 - self.end];
        sys.kernel.unix.connections.retain(|c| c.ends != [None, None]);
        if let Some(other) = other {
            sys.kernel.kube.poke(other);
        }
    }
}
