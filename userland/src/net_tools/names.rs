//! Names and addresses as net-tools resolves them (`INET_resolve`, `INET_rresolve`), as far as a machine without a name
//! server can: numbers, `/etc/hosts` and `/etc/networks`. A name that is in none of them is asked for at the resolver's
//! default, port 53 of this host, where nobody answers.

use core::net::Ipv4Addr;

use hopwise_machine::Sys;
use hopwise_sim_core::Errno;
use hopwise_stack::socket::SocketKind;

use crate::kernel::SimKernel;
use crate::resolve::{self, Family, Host, inet_aton};
use crate::sock::Sock;

/// Whether names of hosts or of networks are looked up first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum First {
    /// `/etc/networks`, then hosts.
    Networks,
    /// Hosts, then `/etc/networks`.
    Hosts,
}

/// What a text means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    /// The address.
    pub addr: Ipv4Addr,
    /// It is the name of a network.
    pub net: bool,
}

/// `hstrerror(HOST_NOT_FOUND)`.
const UNKNOWN_HOST: &str = "Unknown host";
/// `hstrerror(TRY_AGAIN)`.
const LOOKUP_FAILURE: &str = "Host name lookup failure";

/// The address of a name.
///
/// # Errors
/// The words that `herror(3)` adds to the name.
pub fn resolve(sys: &mut Sys<'_, SimKernel>, name: &str, first: First) -> Result<Found, &'static str> {
    if name == "default" {
        return Ok(Found { addr: Ipv4Addr::UNSPECIFIED, net: true });
    }
    if let Some(addr) = inet_aton(name) {
        return Ok(Found { addr, net: false });
    }
    let network = |sys: &mut Sys<'_, SimKernel>| network_named(sys, name).map(|addr| Found { addr, net: true });
    if first == First::Hosts {
        // The second search leaves its own error behind.
        return host(sys, name).or_else(|_| network(sys).ok_or(UNKNOWN_HOST));
    }
    match network(sys) {
        Some(found) => Ok(found),
        None => host(sys, name),
    }
}

/// As [`resolve()`], hosts first; tells the error on standard error.
pub fn resolve_or_tell(sys: &mut Sys<'_, SimKernel>, name: &str, first: First) -> Option<Found> {
    resolve(sys, name, first).inspect_err(|why| sys.err(&format!("{name}: {why}\n"))).ok()
}

/// `gethostbyname(3)`.
fn host(sys: &mut Sys<'_, SimKernel>, name: &str) -> Result<Found, &'static str> {
    if !is_host_name(name) {
        return Err(UNKNOWN_HOST);
    }
    if let Ok(Host::V4 { addr, .. }) = resolve::resolve(sys, name, Family::V4) {
        return Ok(Found { addr, net: false });
    }
    ask_nobody(sys, name, TYPE_A);
    Err(LOOKUP_FAILURE)
}

/// Whether the resolver would ask for it (`res_hnok`); digits and dots alone are a mistyped address.
fn is_host_name(name: &str) -> bool {
    let numeric = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !numeric && !name.starts_with('-') && name.bytes().all(allowed)
}

/// `networks(5)`: names and numbers.
fn networks(sys: &mut Sys<'_, SimKernel>) -> Vec<(String, Ipv4Addr)> {
    let text = sys.read_file("/etc/networks").unwrap_or_else(|_| NETWORKS.into());
    let text = String::from_utf8_lossy(&text);
    let entry = |line: &str| {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    text.lines().filter_map(entry).collect()
}

/// Debian's `/etc/networks`.
const NETWORKS: &str = "default\t\t0.0.0.0\nloopback\t127.0.0.0\nlink-local\t169.254.0.0\n";

fn network_named(sys: &mut Sys<'_, SimKernel>, name: &str) -> Option<Ipv4Addr> {
    networks(sys).into_iter().find(|(n, _)| n == name).map(|(_, addr)| addr)
}

/// The name of a network, if `/etc/networks` has one.
pub fn network_name(sys: &mut Sys<'_, SimKernel>, addr: Ipv4Addr) -> Option<String> {
    networks(sys).into_iter().find(|(_, a)| *a == addr).map(|(name, _)| name)
}

/// The name of a host, if there is one (`gethostbyaddr(3)`).
pub fn host_name(sys: &mut Sys<'_, SimKernel>, addr: Ipv4Addr) -> Option<String> {
    if let Some(name) = resolve::reverse(sys, addr) {
        return Some(name);
    }
    let [a, b, c, d] = addr.octets();
    ask_nobody(sys, &format!("{d}.{c}.{b}.{a}.in-addr.arpa"), TYPE_PTR);
    None
}

const TYPE_A: u8 = 1;
const TYPE_PTR: u8 = 12;

/// A resolver without configuration asks this host itself, twice, and is told that the port is closed: what is left of
/// it are packets on `lo`.
fn ask_nobody(sys: &mut Sys<'_, SimKernel>, name: &str, kind: u8) {
    let config = sys.read_file("/etc/resolv.conf").unwrap_or_default();
    if String::from_utf8_lossy(&config).lines().any(|line| line.trim_start().starts_with("nameserver")) {
        return;
    }
    let id = (sys.random_u32() as u16).to_be_bytes();
    let mut query = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        query.push(label.len().min(63) as u8);
        query.extend(label.bytes().take(63));
    }
    query.extend([0, 0, kind, 0, 1]);
    for _ in 0..2 {
        // A question that cannot even be sent is as good as one that nobody answers.
        if send(sys, &query).is_err() {
            return;
        }
    }
}

fn send(sys: &mut Sys<'_, SimKernel>, query: &[u8]) -> Result<(), Errno> {
    let socket = Sock::open(sys, SocketKind::Udp)?;
    let server = (Ipv4Addr::LOCALHOST, 53);
    sys.kernel.net.connect_udp(socket.ns, socket.id, server)?;
    sys.kernel.net.send_udp(socket.ns, socket.id, None, query)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_host_name;

    #[test]
    fn mistyped_addresses_are_not_asked_for() {
        assert!(is_host_name("foo") && is_host_name("a.example"));
        assert!(!is_host_name("10.0.0.300") && !is_host_name("-s") && !is_host_name("10.0.0.0/24"));
    }
}
