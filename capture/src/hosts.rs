//! Names of IPv4 addresses: what `gethostbyaddr(3)` and `getaddrinfo(3)` find on a machine without a name server.

use std::net::Ipv4Addr;

/// The lines of `hosts(5)`: an address and its names, the first of them canonical.
///
/// ```
/// use hopwise_capture::Hosts;
/// let hosts = Hosts::parse("127.0.0.1 localhost\n10.0.0.2 web.lab web # the server\n");
/// assert_eq!(hosts.name_of([10, 0, 0, 2].into()), Some("web.lab"));
/// assert_eq!(hosts.address_of("WEB"), Some([10, 0, 0, 2].into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<(Ipv4Addr, Vec<String>)>);

impl Hosts {
    /// Reads the text of a hosts file; lines that are none are left out.
    pub fn parse(text: &str) -> Hosts {
        Hosts(
            text.lines()
                .filter_map(|line| {
                    let mut words = line.split('#').next()?.split_ascii_whitespace();
                    let address = words.next()?.parse().ok()?;
                    Some((address, words.map(str::to_owned).collect::<Vec<_>>()))
                })
                .filter(|(_, names)| !names.is_empty())
                .collect(),
        )
    }

    /// The same names without their domains (`tcpdump -N`).
    #[must_use]
    pub fn without_domains(mut self) -> Hosts {
        for name in self.0.iter_mut().flat_map(|(_, names)| names) {
            name.truncate(name.find('.').unwrap_or(name.len()));
        }
        self
    }

    /// The canonical name of an address.
    pub fn name_of(&self, address: Ipv4Addr) -> Option<&str> {
        self.0.iter().find(|(a, _)| *a == address).and_then(|(_, names)| names.first()).map(String::as_str)
    }

    /// The address of a name, canonical or not.
    pub fn address_of(&self, name: &str) -> Option<Ipv4Addr> {
        self.0.iter().find(|(_, names)| names.iter().any(|n| n.eq_ignore_ascii_case(name))).map(|(a, _)| *a)
    }
}
