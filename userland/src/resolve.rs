//! Names to addresses and back, as far as a machine can tell without asking a name server: numbers and `/etc/hosts`.
//! Who may ask one uses [`Lookup`](crate::dns::Lookup).

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};

use hopwise_machine::Sys;

use crate::kernel::SimKernel;

/// What `getaddrinfo(3)` answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// An IPv4 address.
    V4 {
        /// The address.
        addr: Ipv4Addr,
        /// The canonical name; the text itself if that is a number.
        canonical: String,
        /// Whether the text was a number.
        numeric: bool,
    },
    /// An IPv6 address, written as such. There is no IPv6 here: every connection to it fails.
    V6(Ipv6Addr),
}

/// Why a name has no address; `Display` prints what `gai_strerror(3)` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GaiError {
    /// `EAI_NONAME`.
    NoName,
    /// `EAI_AGAIN`: no name server answered.
    Again,
    /// `EAI_NODATA`: the name exists, but has no address.
    NoData,
    /// `EAI_ADDRFAMILY`: there is an address, but of the other family.
    AddrFamily,
}

impl fmt::Display for GaiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GaiError::NoName => "Name or service not known",
            GaiError::Again => "Temporary failure in name resolution",
            GaiError::NoData => "No address associated with hostname",
            GaiError::AddrFamily => "Address family for hostname not supported",
        })
    }
}

/// The families that a caller accepts (`ai_family`).
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Family {
    /// Any.
    #[default]
    Unspec,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// Looks a host up without asking a name server (`getaddrinfo(3)` with `AI_CANONNAME`).
///
/// # Errors
/// As glibc has them on a machine whose name server does not answer.
pub fn resolve(sys: &mut Sys<'_, SimKernel>, name: &str, family: Family) -> Result<Host, GaiError> {
    number(name, family).or_else(|| in_hosts(sys, name, family)).unwrap_or(Err(GaiError::Again))
}

/// A host that is given as a number, or not at all; `None` for a name.
pub fn number(name: &str, family: Family) -> Option<Result<Host, GaiError>> {
    if name.is_empty() {
        return Some(Err(GaiError::NoName));
    }
    if let Some(addr) = inet_aton(name) {
        let host = Host::V4 { addr, canonical: name.to_owned(), numeric: true };
        return Some(if family == Family::V6 { Err(GaiError::AddrFamily) } else { Ok(host) });
    }
    let addr = name.split('%').next().unwrap_or_default().parse::<Ipv6Addr>().ok()?;
    Some(if family == Family::V4 { Err(GaiError::AddrFamily) } else { Ok(Host::V6(addr)) })
}

/// What `/etc/hosts` says about a name.
pub fn in_hosts(sys: &mut Sys<'_, SimKernel>, name: &str, family: Family) -> Option<Result<Host, GaiError>> {
    let hosts = sys.read_file("/etc/hosts").unwrap_or_default();
    let (addr, canonical) = by_name(&String::from_utf8_lossy(&hosts), name)?;
    let host = Host::V4 { addr, canonical, numeric: false };
    Some(if family == Family::V6 { Err(GaiError::AddrFamily) } else { Ok(host) })
}

/// The name of an address, if `/etc/hosts` has one (`getnameinfo(3)` with `NI_NAMEREQD`).
pub fn reverse(sys: &mut Sys<'_, SimKernel>, addr: Ipv4Addr) -> Option<String> {
    let hosts = sys.read_file("/etc/hosts").ok()?;
    by_addr(&String::from_utf8_lossy(&hosts), addr)
}

/// The lines of `hosts(5)`: address and names.
pub(crate) fn entries(hosts: &str) -> impl Iterator<Item = (Ipv4Addr, Vec<&str>)> {
    hosts.lines().filter_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let addr = words.next()?.parse().ok()?;
        Some((addr, words.collect()))
    })
}

pub(crate) fn by_name(hosts: &str, name: &str) -> Option<(Ipv4Addr, String)> {
    let name = name.strip_suffix('.').unwrap_or(name);
    entries(hosts)
        .find(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(name)))
        .and_then(|(addr, names)| Some((addr, (*names.first()?).to_owned())))
}

pub(crate) fn by_addr(hosts: &str, addr: Ipv4Addr) -> Option<String> {
    entries(hosts).find(|(a, names)| *a == addr && !names.is_empty()).map(|(_, names)| names[0].to_owned())
}

/// An IPv4 address in any of the forms that `inet_aton(3)` takes: one to four numbers, decimal, octal or hexadecimal,
/// of which the last fills the rest.
///
/// ```
/// use hopwise_userland::resolve::inet_aton;
/// assert_eq!(inet_aton("10.1"), Some([10, 0, 0, 1].into()));
/// assert_eq!(inet_aton("010.0.0.0x2"), Some([8, 0, 0, 2].into()));
/// assert_eq!(inet_aton("10.0.0.300"), None);
/// ```
pub fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(part).collect::<Option<_>>()?;
    let (&last, front) = parts.split_last()?;
    if front.len() > 3 || front.iter().any(|&p| p > 255) {
        return None;
    }
    let room = 32 - 8 * front.len() as u32;
    if u64::from(last) >= 1u64 << room {
        return None;
    }
    let head = front.iter().enumerate().fold(0u32, |all, (i, &part)| all | part << (24 - 8 * i as u32));
    Some(Ipv4Addr::from(head | last))
}

fn part(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if digits.starts_with('+') { None } else { u32::from_str_radix(digits, radix).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_file_answers_both_ways() {
        let hosts = "# local\n127.0.0.1\tlocalhost loopback # here\n::1 localhost\n10.0.0.2 r router\nbad line\n";
        assert_eq!(by_name(hosts, "ROUTER"), Some(([10, 0, 0, 2].into(), "r".into())));
        assert_eq!(by_name(hosts, "loopback."), Some((Ipv4Addr::LOCALHOST, "localhost".into())));
        assert_eq!(by_name(hosts, "here"), None);
        assert_eq!(by_addr(hosts, [10, 0, 0, 2].into()), Some("r".into()));
    }

    #[test]
    fn numbers_in_every_form() {
        for (text, addr) in
            [("0", "0.0.0.0"), ("127.1", "127.0.0.1"), ("167772162", "10.0.0.2"), ("1.2.772", "1.2.3.4")]
        {
            assert_eq!(inet_aton(text), addr.parse().ok(), "{text}");
        }
        for text in ["", "1.2.3.4.5", "256.1", "4294967296", "a", "1..2", "08", "1.+2", "0x"] {
            assert_eq!(inet_aton(text), None, "{text}");
        }
    }
}
