//! The prefixes BGP carries: plain, labeled (RFC 8277), in VPNs (RFC 4364), route targets (RFC 4684).

use std::net::{Ipv4Addr, Ipv6Addr};

use super::bgp::as_number;
use super::cx::{Bytes, Cx, Done, Truncated, put};

/// A prefix as text and the bytes it takes; `None` when its length cannot be.
type Prefix = Result<Option<(String, usize)>, Truncated>;

const LABEL_BITS: usize = 24;
const DISTINGUISHER_BITS: usize = 64;

/// Whether prefixes are preceded by path identifiers (RFC 7911). Nothing in the message says so: it is taken for granted
/// when everything fits with them and does not without.
pub(super) fn has_path_ids(prefixes: &[u8], most_bits: u8) -> bool {
    const IDENTIFIER: usize = 4;
    if prefixes.len() <= IDENTIFIER {
        return false;
    }
    let mut at = 0;
    while at < prefixes.len() {
        at += IDENTIFIER;
        match prefixes.get(at) {
            Some(&bits) if bits <= most_bits => at += 1 + usize::from(bits).div_ceil(8),
            _ => return false,
        }
    }
    if at > prefixes.len() {
        return false;
    }
    at = 0;
    while let Some(&bits) = prefixes.get(at) {
        if bits < 1 || bits > most_bits {
            return true;
        }
        at += 1 + usize::from(bits).div_ceil(8);
    }
    at > prefixes.len()
}

/// The first `bits` bits at `at`, the rest zero.
fn address<const N: usize>(bp: &[u8], at: usize, bits: usize) -> Result<[u8; N], Truncated> {
    let mut address = [0; N];
    let bytes = bp.take(at, bits.div_ceil(8))?;
    for (to, from) in address.iter_mut().zip(bytes) {
        *to = *from;
    }
    if !bits.is_multiple_of(8)
        && let Some(last) = address.get_mut(bits / 8)
    {
        *last &= (0xff00_u16 >> (bits % 8)) as u8;
    }
    Ok(address)
}

pub(super) fn prefix4(bp: &[u8]) -> Prefix {
    plain(bp, 0, bp.u8(0)?.into(), false)
}

/// A prefix of `bits` bits, `head` bytes behind its length byte.
fn plain(bp: &[u8], head: usize, bits: usize, ip6: bool) -> Prefix {
    let shown = if ip6 {
        if bits > 128 {
            return Ok(None);
        }
        Ipv6Addr::from(address::<16>(bp, 1 + head, bits)?).to_string()
    } else {
        if bits > 32 {
            return Ok(None);
        }
        Ipv4Addr::from(address::<4>(bp, 1 + head, bits)?).to_string()
    };
    Ok(Some((format!("{shown}/{bits}"), 1 + head + bits.div_ceil(8))))
}

/// The label between length and prefix.
fn label(bp: &[u8]) -> Result<String, Truncated> {
    let label = bp.u24(1)?;
    let stack = if label & 1 == 0 { "(BOGUS: Bottom of Stack NOT set!)" } else { "(bottom)" };
    Ok(format!("label:{} {stack}", label >> 4))
}

fn labeled(bp: &[u8], ip6: bool) -> Prefix {
    let Some(bits) = usize::from(bp.u8(0)?).checked_sub(LABEL_BITS) else { return Ok(None) };
    let Some((prefix, used)) = plain(bp, 3, bits, ip6)? else { return Ok(None) };
    Ok(Some((format!("{prefix}, {}", label(bp)?), used)))
}

fn in_vpn(cx: &Cx<'_>, bp: &[u8], ip6: bool) -> Prefix {
    let Some(bits) = usize::from(bp.u8(0)?).checked_sub(LABEL_BITS + DISTINGUISHER_BITS) else { return Ok(None) };
    let Some((prefix, used)) = plain(bp, 11, bits, ip6)? else { return Ok(None) };
    Ok(Some((format!("RD: {}, {prefix}, {}", distinguisher(cx, bp.from(4))?, label(bp)?), used)))
}

/// A route distinguisher.
pub(super) fn distinguisher(cx: &Cx<'_>, bp: &[u8]) -> Result<String, Truncated> {
    Ok(match bp.u16(0)? {
        0 => format!("{}:{} (= {})", bp.u16(2)?, bp.u32(4)?, bp.ip4(4)?),
        1 => format!("{}:{}", bp.ip4(2)?, bp.u16(6)?),
        2 => format!("{}:{} ({}:{})", as_number(cx, bp.u32(2)?), bp.u16(6)?, bp.ip4(2)?, bp.u16(6)?),
        _ => "unknown RD format".to_owned(),
    })
}

/// An origin AS and the first bits of a route target.
fn route_target(cx: &Cx<'_>, bp: &[u8]) -> Prefix {
    let bits = usize::from(bp.u8(0)?);
    if bits == 0 {
        return Ok(Some(("default route target".to_owned(), 1)));
    }
    // Four bytes of AS number first.
    let Some(bits) = bits.checked_sub(32).filter(|bits| *bits <= 64) else { return Ok(None) };
    let target: [u8; 8] = address(bp, 5, bits)?;
    let shown = target_prefix(cx, &target, bits)?;
    Ok(Some((format!("origin AS: {}, route-target: {shown}", as_number(cx, bp.u32(1)?)), 5 + bits.div_ceil(8))))
}

fn target_prefix(cx: &Cx<'_>, target: &[u8], bits: usize) -> Result<String, Truncated> {
    if bits == 0 {
        return Ok("0:0/0".to_owned());
    }
    let value = match target.u8(0)? {
        0 => format!("{}:{}", target.u16(2)?, target.u32(4)?),
        1 => format!("{}:{}", target.ip4(2)?, target.u16(6)?),
        2 => format!("{}:{}", as_number(cx, target.u32(2)?), target.u16(6)?),
        _ => "unknown route target type".to_owned(),
    };
    let words: Vec<String> = target
        .upto(bits.div_ceil(8))
        .chunks(2)
        .map(|pair| pair.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    Ok(format!("{value}/{bits} ({})", words.join(" ")))
}

/// Whether prefixes of that family can be decoded.
pub(super) fn is_known(family: u16, subsequent: u8) -> bool {
    matches!((family, subsequent), (1, 1..=4 | 128..=130 | 132) | (2, 1..=4 | 128..=130))
}

/// Prints prefixes until they end or one is illegal.
pub(super) fn print(cx: &mut Cx<'_>, family: u16, subsequent: u8, prefixes: &[u8]) -> Done {
    let ip6 = family == 2;
    let with_path = matches!(subsequent, 1..=3) && has_path_ids(prefixes, if ip6 { 128 } else { 32 });
    let mut rest = prefixes;
    while !rest.is_empty() {
        let path = if with_path { Some(rest.u32(0)?) } else { None };
        if with_path {
            rest = rest.from(4);
        }
        let prefix = match subsequent {
            1..=3 => plain(rest, 0, rest.u8(0)?.into(), ip6)?,
            4 => labeled(rest, ip6)?,
            132 => route_target(cx, rest)?,
            _ => in_vpn(cx, rest, ip6)?,
        };
        let Some((text, used)) = prefix else {
            cx.out.push_str("\n\t    (illegal prefix length)");
            break;
        };
        put!(cx, "\n\t      {text}");
        if let Some(path) = path {
            put!(cx, "   Path Id: {path}");
        }
        rest = rest.from(used);
    }
    Ok(())
}
