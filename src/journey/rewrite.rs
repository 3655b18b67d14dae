//! In words: which fields of a packet were changed, and which bytes these are.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::ops::Range;

/// What was changed between two versions of a packet's first bytes, from the IPv4 header on.
pub(super) fn words(before: &[u8], after: &[u8]) -> String {
    let fields = fields(before, after);
    let bytes: Vec<String> = changed(before, after)
        .into_iter()
        .map(|range| {
            let hex = |bytes: &[u8]| {
                bytes.get(range.clone()).unwrap_or_default().iter().fold(String::new(), |mut out, byte| {
                    let _ = write!(out, "{byte:02x}");
                    out
                })
            };
            format!("{}-{} {} to {}", range.start, range.end - 1, hex(before), hex(after))
        })
        .collect();
    let fields = if fields.is_empty() { "changed".to_owned() } else { fields.join(", ") };
    format!("{fields} (bytes {})", bytes.join(", "))
}

/// The ranges of bytes that differ.
fn changed(before: &[u8], after: &[u8]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, _) in before.iter().zip(after).enumerate().filter(|(_, (a, b))| a != b) {
        match ranges.last_mut() {
            // Fields are words: what lies within one is one change.
            Some(last) if at < last.end || (at == last.end && at % 2 == 1) => last.end = at + 1,
            _ => ranges.push(at / 2 * 2..at + 1),
        }
        if let Some(last) = ranges.last_mut() {
            last.end = last.end.next_multiple_of(2).min(before.len());
        }
    }
    // Two neighbouring words of one address are one change.
    ranges.into_iter().fold(Vec::new(), |mut out: Vec<Range<usize>>, range| {
        match out.last_mut() {
            Some(last) if last.end == range.start && range.start % 4 != 0 => last.end = range.end,
            _ => out.push(range),
        }
        out
    })
}

/// Addresses with ports, TOS and TTL, as far as they differ.
fn fields(before: &[u8], after: &[u8]) -> Vec<String> {
    let mut out = Vec::new();
    let mut say = |name: &str, old: Option<String>, new: Option<String>| {
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            out.push(format!("{name} {old} to {new}"));
        }
    };
    say("tos", byte(before, 1), byte(after, 1));
    say("ttl", byte(before, 8), byte(after, 8));
    say("source", end(before, 12, 0), end(after, 12, 0));
    say("destination", end(before, 16, 2), end(after, 16, 2));
    out
}

fn byte(packet: &[u8], at: usize) -> Option<String> {
    packet.get(at).map(u8::to_string)
}

/// Address and, if the protocol has ports, port.
fn end(packet: &[u8], address: usize, port: usize) -> Option<String> {
    let address = Ipv4Addr::from(*packet.get(address..)?.first_chunk::<4>()?);
    let protocol = packet.get(9)?;
    let port = usize::from(packet.first()? & 15) * 4 + port;
    match (protocol, packet.get(port..port + 2)) {
        (6 | 17 | 132, Some(&[high, low])) => Some(format!("{address}:{}", u16::from_be_bytes([high, low]))),
        _ => Some(address.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn an_address_and_a_port_are_named() {
        let mut before = vec![0u8; 28];
        before[0] = 0x45;
        before[9] = 17;
        before[16..20].copy_from_slice(&[10, 96, 0, 10]);
        before[22..24].copy_from_slice(&53u16.to_be_bytes());
        let mut after = before.clone();
        after[16..20].copy_from_slice(&[10, 244, 1, 3]);
        after[22..24].copy_from_slice(&5353u16.to_be_bytes());
        assert_eq!(
            words(&before, &after),
            "destination 10.96.0.10:53 to 10.244.1.3:5353 \
             (bytes 16-19 0a60000a to 0af40103, 22-23 0035 to 14e9)"
        );
        before[9] = 50;
        after[9] = 50;
        after[1] = 4;
        assert!(words(&before, &after).starts_with("tos 0 to 4, destination 10.96.0.10 to 10.244.1.3 ("));
    }
}
