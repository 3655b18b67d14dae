//! Link-layer addresses as net-tools reads and sorts them.

use hopwise_protocols::wire::ethernet::MacAddr;

/// An Ethernet address in text (`in_ether`): six parts of one or two hexadecimal digits, with or without colons
/// between them. Missing parts are zero and what follows the sixth does not matter. `None` if there is another
/// character.
pub fn parse(text: &str) -> Option<MacAddr> {
    let mut octets = [0u8; 6];
    let mut bytes = text.bytes().peekable();
    for octet in &mut octets {
        let Some(first) = bytes.next() else { break };
        let mut value = hex(first)?;
        match bytes.peek() {
            None | Some(b':') => {}
            Some(&second) => {
                value = value << 4 | hex(second)?;
                bytes.next();
            }
        }
        *octet = value;
        bytes.next_if_eq(&b':');
    }
    Some(MacAddr(octets))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|d| d as u8)
}

/// The order of names in lists: numbers in them count as numbers, and aliases follow their link.
pub fn name_order(name: &str) -> (Vec<Part<'_>>, Vec<Part<'_>>) {
    let (link, alias) = name.rsplit_once(':').unwrap_or((name, ""));
    (parts(link), parts(alias))
}

/// A piece of a name: numbers come before letters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part<'a> {
    /// Digits.
    Number(u64),
    /// Anything else.
    Text(&'a str),
}

fn parts(mut text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    while let Some(first) = text.chars().next() {
        let digits = first.is_ascii_digit();
        let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
        let (piece, rest) = text.split_at(end);
        parts.push(if digits { Part::Number(piece.parse().unwrap_or(u64::MAX)) } else { Part::Text(piece) });
        text = rest;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_may_be_short_or_long() {
        for (text, wanted) in [
            ("02:00:00:00:00:0a", "02:00:00:00:00:0a"),
            ("2:0:0:0:0:b", "02:00:00:00:00:0b"),
            ("02:00:00:00:00", "02:00:00:00:00:00"),
            ("02:00:00:00:00:22:00", "02:00:00:00:00:22"),
            ("0200000000cc", "02:00:00:00:00:cc"),
        ] {
            assert_eq!(parse(text).map(|mac| mac.to_string()).as_deref(), Some(wanted), "{text}");
        }
        for text in ["zz", "02-00-00-00-00-00", "02:00:00:00:00:4g"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn interfaces_stand_in_natural_order() {
        let mut names =
            ["lo", "va", "va:1:0", "va:2", "va:0", "eth10", "eth2", "eth2:10", "eth2:9", "br0", "br-lan", "9", "Ab"];
        names.sort_by_key(|name| name_order(name));
        assert_eq!(
            names,
            ["9", "Ab", "br0", "br-lan", "eth2", "eth2:9", "eth2:10", "eth10", "lo", "va", "va:0", "va:2", "va:1:0"]
        );
    }
}
