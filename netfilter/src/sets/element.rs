//! Elements as they are written.

use core::net::Ipv4Addr;

use super::SetError;
use super::set::{Key, Kind, Set, mask};
use crate::matches::ICMP_TYPES;
use crate::names::{Names, protocol, protocol_name};
use crate::xtables::{host_of, number};

/// What a word names: elements of a hash or bitmap, or a member of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Element {
    /// Elements: a range makes several.
    Keys(Vec<Key>),
    /// The name of a set.
    Set(Box<str>),
}

/// A word may stand for at most so many elements (`IPSET_MAX_RANGE`).
const MAX_RANGE: u64 = 1 << 14;

fn syntax<T>(text: String) -> Result<T, SetError> {
    Err(SetError::Syntax(text))
}

fn address(names: &dyn Names, word: &str) -> Result<u32, SetError> {
    match word.parse::<Ipv4Addr>().ok().or_else(|| host_of(names, word).first().copied()) {
        Some(addr) if word.contains('.') || !word.bytes().all(|byte| byte.is_ascii_digit()) => Ok(addr.to_bits()),
        _ => syntax(format!("cannot parse {word}: resolving to IPv4 address failed")),
    }
}

/// First and last address of `ADDR`, `ADDR-ADDR` or `ADDR/LEN`, with the length if one was written.
fn addresses(names: &dyn Names, word: &str) -> Result<(u32, u32, Option<u8>), SetError> {
    if let Some((from, to)) = word.split_once('-')
        && from.parse::<Ipv4Addr>().is_ok()
    {
        let (from, to) = (address(names, from)?, address(names, to)?);
        return Ok((from.min(to), from.max(to), None));
    }
    let Some((host, len)) = word.split_once('/') else {
        let addr = address(names, word)?;
        return Ok((addr, addr, None));
    };
    let Some(len) = number::within(len, 0, 32).map(|len| len as u8) else {
        return syntax(format!("'{len}' is out of range 0-32"));
    };
    if len == 0 {
        return Err(SetError::Cidr);
    }
    let addr = address(names, host)? & mask(len);
    Ok((addr, addr | !mask(len), Some(len)))
}

/// `[PROTOCOL:]PORT[-PORT]`; the protocol is TCP if none is said.
fn ports(names: &dyn Names, word: &str) -> Result<(u8, u16, u16), SetError> {
    let (proto, word) = word.split_once(':').map_or((6, Ok(word)), |(proto, rest)| match protocol(names, proto) {
        Some(number) => (number, Ok(rest)),
        None => (0, Err(proto)),
    });
    let word = word.or_else(|proto| syntax(format!("cannot parse '{proto}' as a protocol")))?;
    match proto {
        1 => icmp(word).map(|port| (1, port, port)),
        6 | 17 | 132 | 136 => {
            let one = |word: &str| match number::within(word, 0, 65_535) {
                Some(port) => Ok(port as u16),
                None => match names.port_of(word, Some(proto)) {
                    Some(port) => Ok(port),
                    None => syntax(format!("cannot parse '{word}' as a port")),
                },
            };
            let (from, to) = word.split_once('-').unwrap_or((word, word));
            let (from, to) = (one(from)?, one(to)?);
            Ok((proto, from.min(to), from.max(to)))
        }
        // Protocols without ports stand with the number 0.
        _ => Ok((proto, 0, 0)),
    }
}

fn icmp(word: &str) -> Result<u16, SetError> {
    if let Some(row) = ICMP_TYPES.iter().find(|row| row.0 == word) {
        return Ok(u16::from(row.1) << 8 | u16::from(if row.2 == row.3 { row.2 } else { 0 }));
    }
    let read = |(kind, code): (&str, &str)| Some(number::within(kind, 0, 255)? << 8 | number::within(code, 0, 255)?);
    match word.split_once('/').and_then(read) {
        Some(port) => Ok(port as u16),
        None => syntax(format!("cannot parse {word} as an ICMP type")),
    }
}

/// The networks that together are a range of addresses.
fn networks(from: u32, to: u32) -> Vec<(u32, u8)> {
    let (mut nets, mut at) = (Vec::new(), u64::from(from));
    while at <= u64::from(to) {
        let free = (at as u32).trailing_zeros().min(31);
        let fits = (u64::from(to) - at + 1).ilog2().min(free);
        nets.push((at as u32, 32 - fits as u8));
        at += 1 << fits;
    }
    nets
}

impl Set {
    /// Reads an element of this set.
    ///
    /// # Errors
    /// What `ipset` says to it.
    pub fn element(&self, word: &str, names: &dyn Names) -> Result<Element, SetError> {
        if self.kind == Kind::ListSet {
            return Ok(Element::Set(word.into()));
        }
        if self.kind == Kind::BitmapPort {
            let (_, from, to) = ports(names, word)?;
            let (low, high) = self.range;
            if from < low || to > high {
                return Err(SetError::OutOfRange);
            }
            return Ok(Element::Keys((from..=to).map(|port| Key { port, ..Key::default() }).collect()));
        }
        let (host, behind) = word.split_once(',').map_or((word, None), |(host, port)| (host, Some(port)));
        let ports = match (self.kind.dimension(), behind) {
            (1, Some(_)) => {
                let name = self.kind.name();
                return syntax(format!("Elem separator in {word}, but settype {name} supports none."));
            }
            (2, None) => return syntax(format!("Second element is missing from {word}.")),
            (2, Some(port)) => ports(names, port)?,
            _ => (0, 0, 0),
        };
        self.keys(addresses(names, host)?, ports).map(Element::Keys)
    }

    fn keys(&self, hosts: (u32, u32, Option<u8>), ports: (u8, u16, u16)) -> Result<Vec<Key>, SetError> {
        let (from, to, len) = hosts;
        let nets: Vec<(u32, u8)> = match len {
            Some(len) if self.kind.has_nets() => vec![(from, len)],
            _ if self.kind.has_nets() => networks(from, to),
            _ if u64::from(to - from) >= MAX_RANGE * 4 => return syntax("the range is too large".to_owned()),
            _ => (from..=to).map(|addr| (addr & mask(self.netmask), 0)).collect(),
        };
        let (protocol, first, last) = ports;
        if nets.len() as u64 * (u64::from(last - first) + 1) > MAX_RANGE * 8 {
            return syntax("the range is too large".to_owned());
        }
        let with_ports = |(addr, len): (u32, u8)| (first..=last).map(move |port| Key { addr, len, protocol, port });
        let mut keys: Vec<Key> = nets.into_iter().flat_map(with_ports).collect();
        keys.dedup();
        Ok(keys)
    }

    /// An element as it is printed.
    pub fn text(&self, key: &Key, names: &dyn Names) -> String {
        if self.kind == Kind::BitmapPort {
            return key.port.to_string();
        }
        let mut text = Ipv4Addr::from(key.addr).to_string();
        if self.kind.has_nets() && key.len != 32 {
            text.push_str(&format!("/{}", key.len));
        }
        if self.kind.dimension() == 2 {
            let name = protocol_name(names, key.protocol).unwrap_or_else(|| key.protocol.to_string());
            let port = if key.protocol == 1 { icmp_text(key.port) } else { key.port.to_string() };
            text.push_str(&format!(",{name}:{port}"));
        }
        text
    }
}

fn icmp_text(port: u16) -> String {
    let [kind, code] = port.to_be_bytes();
    let exact = |row: &&(&str, u8, u8, u8)| row.1 == kind && (row.2, row.3) == (code, code);
    let whole = |row: &&(&str, u8, u8, u8)| row.1 == kind && code == 0 && (row.2, row.3) == (0, 255);
    let found = ICMP_TYPES.iter().find(exact).or_else(|| ICMP_TYPES.iter().find(whole));
    found.map_or_else(|| format!("{kind}/{code}"), |row| row.0.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::NoNames;

    fn read(kind: Kind, word: &str) -> Vec<String> {
        let set = Set::new("x", kind);
        match set.element(word, &NoNames) {
            Ok(Element::Keys(keys)) => keys.iter().map(|key| set.text(key, &NoNames)).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn elements_read_and_printed() {
        assert_eq!(read(Kind::HashNet, "10.0.0.1-10.0.0.6"), ["10.0.0.1", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6"]);
        assert_eq!(read(Kind::HashNet, "10.2.3.4/24"), ["10.2.3.0/24"]);
        assert_eq!(read(Kind::HashIpPort, "10.0.0.1,udp:53-54"), ["10.0.0.1,udp:53", "10.0.0.1,udp:54"]);
        assert_eq!(read(Kind::HashIpPort, "10.0.0.1,icmp:8/0"), ["10.0.0.1,icmp:echo-request"]);
        assert_eq!(networks(0, u32::MAX), [(0, 1), (1 << 31, 1)]);
    }
}
