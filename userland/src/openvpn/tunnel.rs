//! A tunnel at work: packets from the link go into datagrams, datagrams from the other end come out of the link. Models
//! `init.c`, `tun.c`, `socket.c` and `forward.c` of openvpn.

use core::net::Ipv4Addr;

use hopwise_machine::{Signal, Step, Sys, Wait};
use hopwise_sim_core::{Duration, Errno, Time};
use hopwise_stack::IfAddr;
use hopwise_stack::control::addr::{AddrMatch, AddrMode};
use hopwise_stack::control::tun::{TunFile, TunRequest};
use hopwise_stack::socket::{Datagram, SocketKind};

use super::log::Log;
use super::occ::{self, Message};
use super::options::Options;
use super::routes::{self, Change};
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, Host, inet_aton};
use crate::sock::Sock;

/// How often the other end is asked for its options, and how many times at most.
const OCC_INTERVAL: Duration = Duration::from_secs(10);
const OCC_TRIES: u32 = 12;

/// A tunnel.
#[derive(Clone)]
pub(super) struct Tunnel {
    options: Options,
    log: Log,
    tun: TunFile,
    dev: String,
    sock: Sock,
    /// The other end as it was named.
    remote: Option<(Ipv4Addr, u16)>,
    /// The other end as it was heard.
    peer: Option<(Ipv4Addr, u16)>,
    routes: Vec<Change>,
    initiated: bool,
    /// When the options of the other end are asked for next, and how often that was done.
    occ: Option<(Time, u32)>,
    /// When the next keepalive is due.
    ping: Option<Time>,
}

fn request(options: &Options) -> TunRequest {
    // A bare `tun` or `tap` means the next free one.
    let name = if matches!(&*options.dev, "tun" | "tap") { "" } else { &options.dev };
    let mut request = if options.tap { TunRequest::tap(name) } else { TunRequest::tun(name) };
    request.flags |= hopwise_devices::tun::TunFlags::ONE_QUEUE;
    request
}

/// Opens the device and says so.
fn open_dev(sys: &mut Sys<'_, SimKernel>, options: &Options, log: &mut Log) -> Result<(TunFile, String), i32> {
    if !options.dev.starts_with("tun") && !options.dev.starts_with("tap") {
        log.line(sys, 0, &format!("I don't recognize device {} as a tun or tap device", options.dev));
        return Err(fatal(sys, log));
    }
    let (pid, ns) = (sys.pid(), sys.ns());
    match sys.kernel.open_tun(pid, ns, &request(options)) {
        Ok(tun) => {
            let net = &sys.kernel.net;
            let dev = net.tun_link(tun).and_then(|(ns, link)| Some(net.ns(ns)?.name_of(link).to_owned()));
            let dev = dev.unwrap_or_default();
            log.line(sys, 1, &format!("TUN/TAP device {dev} opened"));
            Ok((tun, dev))
        }
        Err(errno) => {
            let number = errno.number();
            let text = format!("ERROR: Cannot ioctl TUNSETIFF {}: {errno} (errno={number})", options.dev);
            log.line(sys, 0, &text);
            Err(fatal(sys, log))
        }
    }
}

fn fatal(sys: &mut Sys<'_, SimKernel>, log: &mut Log) -> i32 {
    log.line(sys, 0, "Exiting due to fatal error");
    1
}

/// `--mktun` and `--rmtun`.
pub(super) fn make(sys: &mut Sys<'_, SimKernel>, options: &Options, on: bool) -> i32 {
    let Ok(mut log) = Log::open(sys, options) else { return 1 };
    let tun = match open_dev(sys, options, &mut log) {
        Ok((tun, _)) => tun,
        Err(status) => return status,
    };
    let done = sys.kernel.net.tun_persist(tun, on);
    log.line(sys, 1, &format!("Persist state set to: {}", if on { "ON" } else { "OFF" }));
    sys.kernel.close_tun(tun);
    i32::from(done.is_err())
}

impl Tunnel {
    /// Opens device and socket, sets addresses and routes. The error is the exit status; all was said.
    pub(super) fn open(sys: &mut Sys<'_, SimKernel>, options: Options, mut log: Log) -> Result<Tunnel, i32> {
        log.title(sys, options.cipher_none);
        let remote = match &options.remote {
            Some((host, port)) => Some((find(sys, &mut log, host, options.rport)?, port.unwrap_or(options.rport))),
            None => None,
        };
        let ns = sys.ns();
        let wants_gateway = !options.routes.is_empty() || options.redirect.is_some();
        let gateway = if wants_gateway { routes::best_gateway(sys, &mut log, ns) } else { None };
        let (tun, dev) = open_dev(sys, &options, &mut log)?;
        let now = sys.now();
        let ping = (options.ping > 0).then(|| now + Duration::from_secs(options.ping));
        let sock = Sock::open(sys, SocketKind::Udp).map_err(|_| 1)?;
        let mut tunnel = Tunnel {
            options,
            log,
            tun,
            dev,
            sock,
            remote,
            peer: None,
            routes: Vec::new(),
            initiated: false,
            occ: Some((now + OCC_INTERVAL, 0)),
            ping,
        };
        tunnel.ifconfig(sys)?;
        let server = tunnel.remote.map(|(addr, _)| addr);
        let Tunnel { log, options, .. } = &mut tunnel;
        tunnel.routes = routes::make(sys, log, options, gateway, server);
        tunnel.bind(sys)?;
        for signal in [Signal::INT, Signal::TERM] {
            sys.catch(signal);
        }
        Ok(tunnel)
    }

    /// `do_ifconfig`: MTU, up, address.
    fn ifconfig(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), i32> {
        let Some((local, far)) = self.options.ifconfig else { return Ok(()) };
        let Some((ns, link)) = sys.kernel.net.tun_link(self.tun) else { return Err(1) };
        let (dev, mtu) = (self.dev.clone(), self.options.mtu);
        self.log.line(sys, 1, &format!("net_iface_mtu_set: mtu {mtu} for {dev}"));
        let net = &mut sys.kernel.net;
        let mut done = net.set_link_mtu(ns, link, mtu).and_then(|()| net.set_link_up(ns, link, true));
        self.log.line(sys, 1, &format!("net_iface_up: set {dev} up"));
        let text = match self.prefix() {
            Some(len) => format!("net_addr_v4_add: {local}/{len} dev {dev}"),
            None => format!("net_addr_ptp_v4_add: {local} peer {far} dev {dev}"),
        };
        self.log.line(sys, 1, &text);
        if let Some(addr) = self.address() {
            done = done.and_then(|()| sys.kernel.net.addr_add(ns, link, addr, AddrMode::Add));
        } else {
            done = Err(Errno::EINVAL.into());
        }
        if let Err(error) = done {
            let number = error.errno.number();
            self.log.line(sys, 0, &format!("sitnl_send: rtnl: generic error (-{number}): {}", error.errno));
            self.log.line(sys, 0, &format!("Linux can't add IP to interface {dev}"));
            return Err(fatal(sys, &mut self.log));
        }
        Ok(())
    }

    /// The prefix length of a tap, -1 for what is no netmask.
    fn prefix(&self) -> Option<i32> {
        let (_, mask) = self.options.ifconfig.filter(|_| self.options.tap)?;
        let len = mask.to_bits().leading_ones();
        let whole = mask.to_bits().checked_shl(len).unwrap_or(0) == 0;
        Some(if whole && len > 0 { len as i32 } else { -1 })
    }

    fn address(&self) -> Option<IfAddr> {
        let (local, far) = self.options.ifconfig?;
        match self.prefix() {
            None => Some(IfAddr { peer: far, ..IfAddr::new(local, 32) }),
            Some(len) => {
                let len = u8::try_from(len).ok()?;
                let host = u32::MAX.checked_shr(u32::from(len)).unwrap_or(0);
                let broadcast = Some(Ipv4Addr::from_bits(local.to_bits() | host));
                Some(IfAddr { broadcast, ..IfAddr::new(local, len) })
            }
        }
    }

    /// The socket gets its address, and what will be talked to is said.
    fn bind(&mut self, sys: &mut Sys<'_, SimKernel>) -> Result<(), i32> {
        let Options { local, lport, bind, .. } = self.options;
        match self.remote {
            Some((addr, port)) => {
                let text = format!("TCP/UDP: Preserving recently used remote address: [AF_INET]{addr}:{port}");
                self.log.line(sys, 1, &text);
            }
            None => self.log.line(sys, 1, "Could not determine IPv4/IPv6 protocol. Using AF_INET"),
        }
        self.log.line(sys, 3, "Socket Buffers: R=[212992->212992] S=[212992->212992]");
        let shown = local.map_or_else(|| "[undef]".to_owned(), |addr| addr.to_string());
        let Sock { ns, id } = self.sock;
        if !bind {
            self.log.line(sys, 1, "UDPv4 link local: (not bound)");
        } else if let Err(errno) = sys.kernel.net.bind_udp(ns, id, local.unwrap_or(Ipv4Addr::UNSPECIFIED), lport) {
            let number = errno.number();
            let text = format!(
                "TCP/UDP: Socket bind failed on local address [AF_INET]{shown}:{lport}: {errno} (errno={number})"
            );
            self.log.line(sys, 0, &text);
            let status = fatal(sys, &mut self.log);
            self.close(sys);
            return Err(status);
        } else {
            self.log.line(sys, 1, &format!("UDPv4 link local (bound): [AF_INET]{shown}:{lport}"));
        }
        let far =
            self.remote.map_or_else(|| "[AF_UNSPEC]".to_owned(), |(addr, port)| format!("[AF_INET]{addr}:{port}"));
        self.log.line(sys, 1, &format!("UDPv4 link remote: {far}"));
        Ok(())
    }

    /// Does what there is to do, then waits.
    pub(super) fn step(&mut self, sys: &mut Sys<'_, SimKernel>) -> Step {
        if let Some(signal) = sys.take_signal() {
            return self.end(sys, signal);
        }
        while let Some(errno) = self.sock.take_pending(sys) {
            let text =
                format!("read UDPv4 [{}]: {errno} (fd=4,code={})", errno.name().unwrap_or_default(), errno.number());
            self.log.line(sys, 1, &text);
        }
        while let Some(datagram) = self.sock.recv(sys) {
            self.receive(sys, &datagram);
        }
        loop {
            match sys.kernel.net.tun_read(self.tun) {
                Ok(Some(packet)) => self.send(sys, &packet),
                Ok(None) => break,
                Err(errno) => {
                    let number = errno.number();
                    self.log.line(sys, 0, &format!("read from TUN/TAP : {errno} (fd=3,code={number})"));
                    return Step::Exit(1);
                }
            }
        }
        self.timers(sys);
        Step::Block(Wait::event().or_until(self.occ.map(|(at, _)| at)).or_until(self.ping))
    }

    fn timers(&mut self, sys: &mut Sys<'_, SimKernel>) {
        let now = sys.now();
        if let Some((_, tries)) = self.occ.filter(|(at, _)| *at <= now) {
            self.occ = (tries + 1 < OCC_TRIES).then(|| (now + OCC_INTERVAL, tries + 1));
            self.send(sys, &occ::request());
        }
        if self.ping.is_some_and(|at| at <= now) {
            self.ping = Some(now + Duration::from_secs(self.options.ping));
            self.send(sys, &occ::PING);
        }
    }

    /// Sends a datagram to the other end, if it is known. Errors are asked for later, as the socket keeps them.
    fn send(&mut self, sys: &mut Sys<'_, SimKernel>, payload: &[u8]) {
        let Some(to) = self.peer.or(self.remote) else { return };
        let Sock { ns, id } = self.sock;
        if let Err(errno) = sys.kernel.net.send_udp(ns, id, Some(to), payload) {
            let name = errno.name().unwrap_or_default();
            self.log.line(sys, 1, &format!("write UDPv4 [{name}]: {errno} (fd=4,code={})", errno.number()));
        }
        if self.options.ping > 0 {
            self.ping = Some(sys.now() + Duration::from_secs(self.options.ping));
        }
    }

    /// A datagram came in.
    fn receive(&mut self, sys: &mut Sys<'_, SimKernel>, datagram: &Datagram) {
        let (addr, port) = datagram.from;
        let known = self.remote.filter(|_| !self.options.float);
        if let Some((expected, number)) = known.filter(|known| *known != datagram.from) {
            let text = format!(
                "TCP/UDP: Incoming packet rejected from [AF_INET]{addr}:{port}[2], expected peer address: \
                 [AF_INET]{expected}:{number} (allow this incoming source address/port by removing --remote or adding \
                 --float)"
            );
            return self.log.line(sys, 1, &text);
        }
        if self.peer != Some(datagram.from) {
            self.peer = Some(datagram.from);
            self.log.line(sys, 1, &format!("Peer Connection Initiated with [AF_INET]{addr}:{port}"));
        }
        if !core::mem::replace(&mut self.initiated, true) {
            self.log.line(sys, 1, "Initialization Sequence Completed");
            let none = self.options.cipher_none && self.options.auth_none;
            let (cipher, auth) = if none { ("[null-cipher]", "[null-digest]") } else { ("(null)", "SHA1") };
            self.log.line(sys, 2, &format!("Data Channel: cipher '{cipher}', auth '{auth}'"));
        }
        match occ::classify(&datagram.bytes) {
            Message::Data => {
                // What is no packet is refused by the device, which says so for itself.
                let _ = sys.kernel.net.tun_write(self.tun, &datagram.bytes);
            }
            Message::Request => self.send(sys, &occ::reply(&self.options)),
            Message::Reply => self.occ = None,
            Message::Ping | Message::Other => {}
        }
    }

    /// A signal ends it.
    fn end(&mut self, sys: &mut Sys<'_, SimKernel>, signal: Signal) -> Step {
        self.log.line(sys, 1, "event_wait : Interrupted system call (fd=-1,code=4)");
        self.close(sys);
        let name = if signal == Signal::INT { "SIGINT" } else { "SIGTERM" };
        self.log.line(sys, 1, &format!("{name}[hard,] received, process exiting"));
        Step::Exit(0)
    }

    /// Routes, address and device go.
    fn close(&mut self, sys: &mut Sys<'_, SimKernel>) {
        routes::undo(sys, &mut self.log, &core::mem::take(&mut self.routes));
        self.log.line(sys, 2, "Closing TUN/TAP interface");
        if let (Some(addr), Some((ns, link))) = (self.address(), sys.kernel.net.tun_link(self.tun)) {
            let what = if self.options.tap { "net_addr_v4_del" } else { "net_addr_ptp_v4_del" };
            let text = format!("{what}: {} dev {}", addr.local, self.dev);
            self.log.line(sys, 1, &text);
            let which = AddrMatch { local: Some(addr.local), address: Some((addr.peer, addr.prefix_len)), label: None };
            // Somebody may have taken it away already.
            let _ = sys.kernel.net.addr_del(ns, link, &which);
        }
        sys.kernel.close_tun(self.tun);
    }
}

/// The address of the other end.
fn find(sys: &mut Sys<'_, SimKernel>, log: &mut Log, host: &str, port: u16) -> Result<Ipv4Addr, i32> {
    if let Some(addr) = inet_aton(host) {
        return Ok(addr);
    }
    match resolve::resolve(sys, host, Family::V4) {
        Ok(Host::V4 { addr, .. }) => Ok(addr),
        _ => {
            let why = "Temporary failure in name resolution";
            log.line(sys, 0, &format!("RESOLVE: Cannot resolve host address: {host}:{port} ({why})"));
            Err(fatal(sys, log))
        }
    }
}
