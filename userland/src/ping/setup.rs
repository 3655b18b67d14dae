//! From the options to a socket and the first line (`ping4_run`, `setup`).

use core::net::Ipv4Addr;

use hopwise_machine::{Signal, Sys};
use hopwise_protocols::wire::ipv4::{IPOPT_NOOP, IPOPT_RR, IPOPT_TIMESTAMP, IPPROTO_ICMP};
use hopwise_sim_core::{Duration, Errno, IfIndex, Time};
use hopwise_stack::socket::{PmtuDisc, SocketKind};

use super::options::{Options, Stamps};
use super::stats::Stats;
use super::text::OptionsPrinter;
use super::{Refusal, Run};
use crate::dns::Names;
use crate::kernel::SimKernel;
use crate::resolve::{self, Family, Host};
use crate::sock::{Sock, link_named};

/// Bytes of an ICMP and an IPv4 header: what the second figure of the first line has more.
const HEADERS: usize = 28;
/// The probe of the source address goes to this port, which nobody uses.
const PROBE_PORT: u16 = 1025;
/// Whoever pings more hosts than this in a row gets the usage text (source routes).
const MAX_HOPS: usize = 10;

/// Where to, and how that is called.
struct Target {
    addr: Ipv4Addr,
    name: String,
}

/// What is printed before the host is looked up.
pub(super) fn announce(sys: &mut Sys<'_, SimKernel>, options: &Options) {
    for warning in &options.warnings {
        sys.err(&format!("ping: {warning}\n"));
    }
    if let Some(pattern) = options.pattern.as_ref().filter(|_| !options.quiet) {
        let hex: String = pattern.iter().map(|b| format!("{b:02x}")).collect();
        sys.out(&format!("PATTERN: 0x{hex}\n"));
    }
    if options.verbose {
        let (six, kind) = if options.family == Family::V4 { (-1, "0") } else { (4, "SOCK_RAW") };
        let family = match options.family {
            Family::Unspec => "AF_UNSPEC",
            Family::V4 => "AF_INET",
            Family::V6 => "AF_INET6",
        };
        sys.err(&format!(
            "ping: sock4.fd: 3 (socktype: SOCK_RAW), sock6.fd: {six} (socktype: {kind}), hints.ai_family: {family}\n\n"
        ));
    }
}

/// The host that is pinged; those before it are a source route.
pub(super) fn word(options: &Options) -> &str {
    options.targets.last().map_or("", String::as_str)
}

/// Does all that comes before the first probe.
pub(super) fn begin(sys: &mut Sys<'_, SimKernel>, mut options: Options, host: Host) -> Result<Run, Refusal> {
    let mut target = find_target(sys, &mut options, host)?;
    let device = find_device(sys, &options)?;
    let source = match options.source {
        Some(source) => source,
        None => probe_source(sys, &options, device, target.addr)?,
    };
    if target.addr.is_unspecified() {
        target.addr = source;
    }
    let group = options.broadcast || target.addr.is_multicast();
    let sock = open(sys, &options, device, source, group)?;
    let optlen = if options.record_route || options.stamps.is_some() { 40 } else { 0 };
    let (name, addr, size) = (&target.name, target.addr, options.size);
    let from = match (&options.device, options.strict_source) {
        (None, false) => String::new(),
        (device, _) => format!("from {source} {}: ", device.as_deref().unwrap_or_default()),
    };
    sys.out(&format!("PING {name} ({addr}) {from}{size}({}) bytes of data.\n", size + HEADERS + optlen));
    sys.catch(Signal::INT);
    sys.catch(Signal::QUIT);
    let ident = sys.random_u32() as u16;
    let started = sys.now();
    Ok(Run {
        interval: options.interval.unwrap_or(if options.flood { 0 } else { 1000 }),
        ident: options.ident.unwrap_or(ident),
        payload: payload(&options),
        exit_at: Some(options.deadline).filter(|d| *d > 0).map(|d| started + Duration::from_secs(d)),
        sock,
        host: target.name,
        target: target.addr,
        group,
        stats: Stats::default(),
        printer: OptionsPrinter::default(),
        started,
        last: None::<Time>,
        tokens: 0,
        no_room: 0,
        leaving: false,
        interrupted: false,
        waiting: None,
        names: Names::default(),
        refused: None,
        options,
    })
}

fn find_target(sys: &mut Sys<'_, SimKernel>, options: &mut Options, host: Host) -> Result<Target, Refusal> {
    let words = options.targets.clone();
    let (addr, canonical, numeric) = match host {
        Host::V4 { addr, canonical, numeric } => (addr, canonical, numeric),
        // A machine without IPv6 has no route to anywhere, and not even ::1.
        Host::V6(addr) if addr.is_loopback() => {
            return Err(Refusal::new(2, format!("connect: {}", Errno::EADDRNOTAVAIL)));
        }
        Host::V6(_) => return Err(Refusal::new(2, format!("connect: {}", Errno::ENETUNREACH))),
    };
    if options.verbose {
        sys.out(&format!("ai->ai_family: AF_INET, ai->ai_canonname: '{canonical}'\n"));
    }
    if words.len() > 1 {
        return Err(source_route(sys, options, &words));
    }
    options.numeric |= numeric;
    Ok(Target { addr, name: canonical })
}

/// Several hosts are a loose source route, which Linux does not let anybody set who has not asked for trouble.
fn source_route(sys: &mut Sys<'_, SimKernel>, options: &Options, words: &[String]) -> Refusal {
    if options.record_route || options.stamps.is_some() || words.len() > MAX_HOPS {
        return Refusal::usage(String::new());
    }
    for word in words {
        if let Err(why) = resolve::resolve(sys, word, Family::V4) {
            return Refusal::new(2, format!("{word}: {why}"));
        }
    }
    Refusal::new(2, format!("record route: {}", Errno::EPERM))
}

fn find_device(sys: &Sys<'_, SimKernel>, options: &Options) -> Result<IfIndex, Refusal> {
    let Some(name) = &options.device else { return Ok(IfIndex::NONE) };
    link_named(sys, name).ok_or_else(|| Refusal::new(2, format!("SO_BINDTODEVICE {name}: {}", Errno::ENODEV)))
}

/// A UDP socket is connected to see which source address packets to the target have.
fn probe_source(
    sys: &mut Sys<'_, SimKernel>,
    options: &Options,
    device: IfIndex,
    target: Ipv4Addr,
) -> Result<Ipv4Addr, Refusal> {
    let failed = |errno| Refusal::new(2, format!("connect: {errno}"));
    let probe = Sock::open(sys, SocketKind::Udp).map_err(failed)?;
    let socket = probe.get(sys).map_err(failed)?;
    socket.opts.tos = options.tos;
    socket.opts.mark = options.mark.unwrap_or(0);
    if device.is_some() {
        sys.kernel.net.bind_to_link(probe.ns, probe.id, device).map_err(failed)?;
    }
    let mut source = sys.kernel.net.connect_udp(probe.ns, probe.id, (target, PROBE_PORT));
    if source == Err(Errno::EACCES) {
        if !options.broadcast {
            let text = "Do you want to ping broadcast? Then -b. If not, check your local firewall rules";
            return Err(Refusal::new(2, text));
        }
        sys.err("WARNING: pinging broadcast address\n");
        probe.get(sys).map_err(failed)?.opts.broadcast = true;
        source = sys.kernel.net.connect_udp(probe.ns, probe.id, (target, PROBE_PORT));
    }
    let source = source.map_err(failed)?;
    probe.close(sys);
    if let Some(name) = &options.device {
        let link = sys.kernel.net.ns(sys.ns()).and_then(|ns| ns.devs.get(device));
        if !link.is_some_and(|l| l.inet.addrs.iter().any(|a| a.local == source)) {
            sys.err(&format!("ping: Warning: source address might be selected on device other than: {name}\n"));
        }
    }
    Ok(source)
}

fn open(
    sys: &mut Sys<'_, SimKernel>,
    options: &Options,
    device: IfIndex,
    source: Ipv4Addr,
    group: bool,
) -> Result<Sock, Refusal> {
    let failed = |errno| Refusal::new(2, format!("socket: {errno}"));
    let sock = Sock::open(sys, SocketKind::Raw { protocol: IPPROTO_ICMP }).map_err(failed)?;
    if device.is_some() {
        sys.kernel.net.bind_to_link(sock.ns, sock.id, device).map_err(failed)?;
    }
    if options.strict_source {
        let bound = sys.kernel.net.bind_raw(sock.ns, sock.id, source);
        bound.map_err(|errno| Refusal::new(2, format!("bind: {errno}")))?;
    }
    if options.ttl == Some(0) {
        return Err(Refusal::new(2, format!("cannot set unicast time-to-live: {}", Errno::EINVAL)));
    }
    let opts = &mut sock.get(sys).map_err(failed)?.opts;
    opts.recverr = true;
    opts.ttl = options.ttl;
    opts.multicast_ttl = options.ttl;
    opts.tos = options.tos;
    opts.mark = options.mark.unwrap_or(0);
    opts.broadcast = options.broadcast;
    opts.options = ip_options(options);
    opts.pmtudisc = options.pmtudisc.unwrap_or(if group { PmtuDisc::Do } else { PmtuDisc::Want });
    Ok(sock)
}

/// The IP options that `-R` and `-T` ask for, with room for as many hops as fit.
fn ip_options(options: &Options) -> Option<([u8; 40], u8)> {
    let mut bytes = [0; 40];
    match options.stamps {
        Some(Stamps::Only) => bytes[..4].copy_from_slice(&[IPOPT_TIMESTAMP, 40, 5, 0]),
        Some(Stamps::WithAddresses) => bytes[..4].copy_from_slice(&[IPOPT_TIMESTAMP, 36, 5, 1]),
        None if options.record_route => bytes[..4].copy_from_slice(&[IPOPT_NOOP, IPOPT_RR, 39, 4]),
        None => return None,
    }
    Some((bytes, 40))
}

/// What probes carry: the bytes 0, 1, 2 and so on, or the pattern of `-p` again and again. The time is written over
/// the first of them.
fn payload(options: &Options) -> Vec<u8> {
    match &options.pattern {
        Some(pattern) if !pattern.is_empty() => pattern.iter().copied().cycle().take(options.size).collect(),
        _ => (0..options.size).map(|i| i as u8).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads() {
        let plain = payload(&Options { size: 300, ..Options::default() });
        assert_eq!((plain[0], plain[16], plain[255], plain[256]), (0, 16, 255, 0));
        let options = Options { size: 5, pattern: Some(vec![0xab, 0x0c]), ..Options::default() };
        assert_eq!(payload(&options), [0xab, 0x0c, 0xab, 0x0c, 0xab]);
    }
}
