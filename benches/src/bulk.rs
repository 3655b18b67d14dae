//! TCP from one machine to another over a wire: bulk, and many short exchanges with one server.

use std::net::Ipv4Addr;

use hopwise_netfilter::names::NoNames;
use hopwise_netfilter::xtables::{Tool, command};
use hopwise_sim_core::{Duration, NsId};
use hopwise_stack::control::link::WireSpec;
use hopwise_stack::network::Stop;
use hopwise_stack::socket::{SocketId, SocketKind};
use hopwise_stack::{Errno, Network, NlError};

use crate::{address, set};

/// The server's address and port.
const SERVER: (Ipv4Addr, u16) = (Ipv4Addr::new(10, 0, 0, 2), 5201);
/// Who is woken for the sockets of the client and the server.
const CLIENT_OWNER: u64 = 1;
const SERVER_OWNER: u64 = 2;
/// Bytes that a program writes at once.
const BLOCK: usize = 131_072;

/// Two machines, a wire between them, and a server that listens.
#[derive(Clone, Debug)]
pub struct Bulk {
    /// The network.
    pub net: Network,
    client: NsId,
    server: NsId,
    listener: SocketId,
    block: Vec<u8>,
    woken: Vec<u64>,
}

/// An open connection: the client's end and the server's.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    near: SocketId,
    far: SocketId,
}

impl Bulk {
    /// Two machines on a wire of that rate (0: no limit), whose connections are tracked or not.
    ///
    /// # Errors
    /// None.
    pub fn new(rate: u64, tracked: bool) -> Result<Bulk, NlError> {
        let mut net = Network::new(1);
        let hosts = [net.add_host("client"), net.add_host("server")];
        let [client, server] = hosts.map(|host| net.host(host).map_or(NsId(0), |h| h.root));
        let wire = WireSpec { rate, ..WireSpec::default() };
        let (near, far) = net.connect((client, "eth0"), (server, "eth0"), wire)?;
        address(&mut net, (client, near), Ipv4Addr::new(10, 0, 0, 1), 24)?;
        address(&mut net, (server, far), SERVER.0, 24)?;
        for ns in [client, server] {
            // What has ended does not stay for a minute: a measurement makes thousands of connections.
            set(&mut net, ns, "net.ipv4.tcp_fin_timeout", "1")?;
            if tracked {
                track(&mut net, ns);
            }
        }
        let listener = net.open_socket(server, SERVER_OWNER, SocketKind::Tcp)?;
        net.bind_tcp(server, listener, SERVER.0, SERVER.1)?;
        net.listen_tcp(server, listener, 4096)?;
        Ok(Bulk { net, client, server, listener, block: vec![0x5a; BLOCK], woken: Vec::new() })
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// What connecting and accepting say.
    pub fn open(&mut self) -> Result<Open, Errno> {
        let near = self.net.open_socket(self.client, CLIENT_OWNER, SocketKind::Tcp)?;
        self.net.connect_tcp(self.client, near, SERVER)?;
        loop {
            match self.net.accept_tcp(self.server, self.listener) {
                Ok((far, _)) => return Ok(Open { near, far }),
                Err(Errno::EAGAIN) => self.go_on()?,
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Sends so many bytes and lets the other side read them. Gives how many arrived.
    ///
    /// # Errors
    /// What sending and receiving say.
    pub fn transfer(&mut self, open: Open, bytes: usize) -> Result<usize, Errno> {
        let (mut sent, mut arrived) = (0, 0);
        while arrived < bytes {
            while sent < bytes {
                let piece = (bytes - sent).min(self.block.len());
                match self.net.send_tcp(self.client, open.near, &self.block[..piece]) {
                    Ok(count) => sent += count,
                    Err(Errno::EAGAIN) => break,
                    Err(errno) => return Err(errno),
                }
            }
            match self.net.discard_tcp(self.server, open.far, BLOCK) {
                Ok(0) => return Ok(arrived),
                Ok(count) => arrived += count,
                Err(Errno::EAGAIN) => self.go_on()?,
                Err(errno) => return Err(errno),
            }
        }
        Ok(arrived)
    }

    /// A request and its answer of `size` bytes, as HTTP/1.0 has them: the server closes, then the client.
    ///
    /// # Errors
    /// What the calls say.
    pub fn exchange(&mut self, size: usize) -> Result<usize, Errno> {
        const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";
        let open = self.open()?;
        self.net.send_tcp(self.client, open.near, REQUEST)?;
        while let Err(Errno::EAGAIN) = self.net.recv_tcp(self.server, open.far, BLOCK) {
            self.go_on()?;
        }
        self.net.send_tcp(self.server, open.far, &self.block[..size.min(BLOCK)])?;
        self.net.close_socket(self.server, open.far);
        let mut arrived = 0;
        loop {
            match self.net.recv_tcp(self.client, open.near, BLOCK) {
                Ok(bytes) if bytes.is_empty() => break,
                Ok(bytes) => arrived += bytes.len(),
                Err(Errno::EAGAIN) => self.go_on()?,
                Err(errno) => return Err(errno),
            }
        }
        self.net.close_socket(self.client, open.near);
        Ok(arrived)
    }

    /// Lets the memory of connections that have ended go.
    pub fn settle(&mut self) {
        let until = self.net.now() + Duration::from_secs(70);
        while self.net.run_until(until) == Stop::Woken {
            self.net.swap_wakeups(&mut self.woken);
        }
    }

    /// Segments that both machines have sent.
    pub fn segments(&self) -> u64 {
        [self.client, self.server].iter().filter_map(|ns| self.net.ns(*ns)).map(|ns| ns.snmp.tcp_out_segs).sum()
    }

    /// Events happen until somebody is woken. `ETIMEDOUT`: nothing happens any more.
    fn go_on(&mut self) -> Result<(), Errno> {
        let until = self.net.now() + Duration::from_secs(10);
        let stop = self.net.run_until(until);
        self.net.swap_wakeups(&mut self.woken);
        if stop == Stop::Woken { Ok(()) } else { Err(Errno::ETIMEDOUT) }
    }
}

/// A rule that asks for the state of connections: from then on they are tracked.
fn track(net: &mut Network, ns: NsId) {
    let words = ["-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT"];
    let tool = Tool::new("iptables", &NoNames);
    let rules = net.ns_mut(ns).map(|space| space.rules.get_or_insert_default());
    let answer = rules.map(|rules| command::run(rules, &words, tool));
    debug_assert!(answer.is_some_and(|answer| answer.status == 0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_arrives() {
        for (rate, tracked) in [(0, false), (0, true), (100_000_000, false)] {
            let mut bulk = Bulk::new(rate, tracked).unwrap();
            let open = bulk.open().unwrap();
            assert_eq!(bulk.transfer(open, 3_000_000), Ok(3_000_000));
            assert_eq!(bulk.exchange(10_000), Ok(10_000));
            assert!(bulk.segments() > 2_000);
            let connections = bulk.net.ns(bulk.server).unwrap().conntrack.iter();
            let listed: usize = connections.map(|table| table.list_at(bulk.net.now()).count()).sum();
            assert_eq!(listed, if tracked { 2 } else { 0 });
        }
    }
}
