//! The sockets of a test, with what the test wants of them.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_protocols::tcp::congestion::Algorithm;
use hopwise_sim_core::{Errno, IfIndex};
use hopwise_stack::socket::tcp::Addr;
use hopwise_stack::socket::{PmtuDisc, SocketKind};

use super::Failure;
use super::options::{Options, Settings};
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, GaiError, Host};
use crate::sock::{Sock, link_named};
use crate::stream::{From, Stream};

/// The least memory of a socket (`SOCK_MIN_SNDBUF`, `SOCK_MIN_RCVBUF`).
const MIN_SNDBUF: u32 = 4608;
const MIN_RCVBUF: u32 = 2304;

/// Where sockets begin: `-B` and `--bind-dev`.
pub(super) fn origin(sys: &mut Sys<'_, SimKernel>, options: &Options) -> Result<From, Errno> {
    let dev = match &options.dev {
        Some(name) => link_named(sys, name).ok_or(Errno::ENODEV)?,
        None => IfIndex::NONE,
    };
    let addr = match &options.bind {
        Some(name) => address(sys, name, false).map_err(|_| Errno::EADDRNOTAVAIL)?,
        None => Ipv4Addr::UNSPECIFIED,
    };
    Ok(From { local: (addr, 0), dev })
}

/// The address of a host; why not, in the words that iperf3 has for it.
pub(super) fn address(sys: &mut Sys<'_, SimKernel>, host: &str, v6: bool) -> Result<Ipv4Addr, String> {
    match resolve::resolve(sys, host, if v6 { Family::V6 } else { Family::Unspec }) {
        Ok(Host::V4 { addr, .. }) => Ok(addr),
        Ok(Host::V6(_)) => Err(Errno::ENETUNREACH.to_string()),
        // getaddrinfo's own reason is lost, errno is what is left of it.
        Err(GaiError::Again | GaiError::NoName) => Err(Errno::EAGAIN.to_string()),
        Err(why) => Err(why.to_string()),
    }
}

/// Sets what the test wants before a socket is connected, or listens.
pub(super) fn prepare(sys: &mut Sys<'_, SimKernel>, sock: Sock, settings: &Settings) -> Result<(), Failure> {
    let limit = |sys: &mut Sys<'_, SimKernel>, name: &str| {
        sys.kernel.net.sysctl_get(sock.ns, name).and_then(|text| text.parse().ok()).unwrap_or(212_992_u32)
    };
    let (most_sent, most_received) = (limit(sys, "net.core.wmem_max"), limit(sys, "net.core.rmem_max"));
    let socket = sock.get(sys).map_err(|errno| Failure::of("unable to set socket buffer size", errno))?;
    let opts = &mut socket.opts;
    if settings.window > 0 {
        let sndbuf = (settings.window.min(most_sent) * 2).max(MIN_SNDBUF);
        let rcvbuf = (settings.window.min(most_received) * 2).max(MIN_RCVBUF);
        if sndbuf < settings.window || rcvbuf < settings.window {
            return Err(Failure::new("socket buffer size not set correctly"));
        }
        (opts.sndbuf, opts.rcvbuf) = (Some(sndbuf), Some(rcvbuf));
    }
    opts.tos = settings.tos;
    if settings.udp {
        opts.pmtudisc = if settings.dont_fragment { PmtuDisc::Do } else { PmtuDisc::Dont };
    } else {
        opts.maxseg = settings.mss;
    }
    Ok(())
}

/// Sets what can be set once there is a connection.
pub(super) fn adjust(sys: &mut Sys<'_, SimKernel>, stream: Stream, settings: &Settings) -> Result<(), Failure> {
    if settings.nodelay {
        stream.set_nodelay(sys);
    }
    let Some(name) = &settings.congestion else { return Ok(()) };
    let algorithm = match &**name {
        "cubic" => Algorithm::Cubic,
        "reno" => Algorithm::Reno,
        _ => {
            return Err(Failure::new(
                "unable to set TCP_CONGESTION: Supplied congestion control algorithm not supported on this host",
            ));
        }
    };
    let set = sys.kernel.net.with_tcp(stream.0.ns, stream.0.id, |end| end.set_algorithm(algorithm));
    set.map_err(|errno| Failure::of("unable to set TCP_CONGESTION", errno))
}

/// The sizes of the socket's buffers, for sending and receiving.
pub(super) fn buffers(sys: &mut Sys<'_, SimKernel>, settings: &Settings, sock: Option<Sock>) -> (u32, u32) {
    let defaults = if settings.udp { (212_992, 212_992) } else { (16_384, 131_072) };
    let opts = sock.and_then(|sock| sock.get(sys).ok().map(|socket| socket.opts)).unwrap_or_default();
    (opts.sndbuf.unwrap_or(defaults.0), opts.rcvbuf.unwrap_or(defaults.1))
}

/// A UDP socket bound to an address and port, with others beside it.
pub(super) fn udp(sys: &mut Sys<'_, SimKernel>, from: From) -> Result<Sock, Errno> {
    let sock = Sock::open(sys, SocketKind::Udp)?;
    let mut open = || {
        sock.get(sys)?.reuse = true;
        if from.dev.is_some() {
            sys.kernel.net.bind_to_link(sock.ns, sock.id, from.dev)?;
        }
        sys.kernel.net.bind_udp(sock.ns, sock.id, from.local.0, from.local.1)
    };
    let opened = open();
    if opened.is_err() {
        sock.close(sys);
    }
    opened.map(|_| sock)
}

/// Both ends of a UDP socket.
pub(super) fn ends(sys: &mut Sys<'_, SimKernel>, sock: Sock) -> (Addr, Addr) {
    const NOBODY: Addr = (Ipv4Addr::UNSPECIFIED, 0);
    sock.get(sys).map_or((NOBODY, NOBODY), |socket| (socket.local, socket.remote.unwrap_or(NOBODY)))
}

/// The MSS of a connection (`getsockopt(TCP_MAXSEG)`).
pub(super) fn mss(sys: &Sys<'_, SimKernel>, stream: Stream) -> u32 {
    sys.kernel.net.tcp_endpoint(stream.0.ns, stream.0.id).map_or(0, |end| end.info().mss)
}

/// The name of a connection's congestion control.
pub(super) fn congestion(sys: &Sys<'_, SimKernel>, stream: Stream) -> String {
    let end = sys.kernel.net.tcp_endpoint(stream.0.ns, stream.0.id);
    end.map_or(String::new(), |end| end.info().algorithm.to_owned())
}
