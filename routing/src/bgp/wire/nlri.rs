//! Prefixes (RFC 4271 section 4.3): a length in bits and as many octets as it needs.

use ipnet::Ipv4Net;

use super::Reader;

/// Octets of a prefix on the wire.
pub fn encoded_len(prefix: Ipv4Net) -> usize {
    1 + usize::from(prefix.prefix_len().div_ceil(8))
}

/// Appends a prefix.
pub fn put_prefix(prefix: Ipv4Net, out: &mut Vec<u8>) {
    out.push(prefix.prefix_len());
    out.extend_from_slice(&prefix.network().octets()[..encoded_len(prefix) - 1]);
}

/// Reads prefixes until the end. `None` if one is longer than 32 bits or is cut off (RFC 4271 section 6.3: the session ends,
/// since nobody knows which routes are meant).
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<Ipv4Net>> {
    let mut reader = Reader(bytes);
    let mut prefixes = Vec::new();
    while !reader.is_empty() {
        let length = reader.u8().filter(|n| *n <= 32)?;
        let octets = reader.take(length.div_ceil(8).into())?;
        let mut address = [0; 4];
        address[..octets.len()].copy_from_slice(octets);
        prefixes.push(Ipv4Net::new(address.into(), length).ok()?.trunc());
    }
    Some(prefixes)
}
