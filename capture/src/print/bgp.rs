//! BGP (RFC 4271): messages, capabilities (RFC 5492), notifications. Path attributes are in `bgp_attributes`, the
//! prefixes in `bgp_nlri`, the registries in `bgp_names`.

use super::bgp_names::{
    ADD_PATH, CAPABILITIES, ERRORS, FAMILIES, MESSAGES, OPTIONS, RESTART_FLAGS, SUBSEQUENT, subcodes,
};
use super::cx::{Bytes, Cx, Done, Truncated, bits, name_or, put, safe_string};
use super::registry::Ports;
use super::{bgp_attributes, bgp_nlri};

const MARKER: [u8; 16] = [0xff; 16];
const HEADER: usize = 19;
const OPEN: u8 = 1;
const UPDATE: u8 = 2;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;
const ROUTE_REFRESH: u8 = 5;

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize, _: &Ports) -> Done {
    cx.protocol = "bgp";
    cx.out.push_str(": BGP");
    if cx.opts.verbose == 0 {
        return Ok(());
    }
    let stream = bp.upto(length);
    let (mut at, mut expected) = (0, 0);
    // A segment may begin within a message: look for the marker.
    while at < stream.len() {
        let Ok(marker) = stream.take(at, MARKER.len()) else { break };
        if marker != MARKER {
            at += 1;
            continue;
        }
        stream.take(at, HEADER)?;
        if at != expected {
            cx.trunc();
        }
        let (message_length, kind) = (usize::from(stream.u16(at + 16)?), stream.u8(at + 18)?);
        if message_length < HEADER {
            put!(cx, "\nmessage header length {message_length} < {HEADER}");
            break;
        }
        let Ok(message) = bp.take(at, message_length) else {
            put!(cx, "\n[BGP {}]", name_or(MESSAGES, kind, "Unknown Message Type"));
            break;
        };
        print_message(cx, message, kind)?;
        at += message_length;
        expected = at;
    }
    Ok(())
}

fn print_message(cx: &mut Cx<'_>, message: &[u8], kind: u8) -> Done {
    let length = message.len();
    put!(cx, "\n\t{} Message ({kind}), length: {length}", name_or(MESSAGES, kind, "Unknown"));
    match kind {
        OPEN => print_open(cx, message),
        UPDATE => print_update(cx, message),
        NOTIFICATION => print_notification(cx, message),
        KEEPALIVE => Ok(()),
        ROUTE_REFRESH => {
            put!(cx, "\n\t  {}", family(message.u16(HEADER)?, message.u8(HEADER + 3)?));
            if cx.opts.verbose > 1 {
                cx.unknown_data("\n\t  ", message, length);
            }
            Ok(())
        }
        _ => {
            put!(cx, "\n\t  no Message {kind} decoder");
            cx.unknown_data("\n\t  ", message, length);
            Ok(())
        }
    }
}

/// An address family and what of it.
pub(super) fn family(family: u16, subsequent: u8) -> String {
    format!(
        "AFI {} ({family}), SAFI {} ({subsequent})",
        name_or(FAMILIES, family, "Unknown"),
        name_or(SUBSEQUENT, subsequent, "Unknown")
    )
}

/// An AS number, with a dot under `-b` (RFC 5396).
pub(super) fn as_number(cx: &Cx<'_>, number: u32) -> String {
    if cx.opts.as_dot && number > 0xffff { format!("{}.{}", number >> 16, number & 0xffff) } else { number.to_string() }
}

fn print_open(cx: &mut Cx<'_>, message: &[u8]) -> Done {
    let fields = message.from(HEADER);
    put!(
        cx,
        "\n\t  Version {}, my AS {}, Holdtime {}s, ID {}",
        fields.u8(0)?,
        fields.u16(1)?,
        fields.u16(3)?,
        fields.ip4(5)?
    );
    let options_length = usize::from(fields.u8(9)?);
    put!(cx, "\n\t  Optional parameters, length: {options_length}");
    let options = fields.from(10);
    let mut at = 0;
    while at < options_length {
        let (kind, len) = (options.u8(at)?, usize::from(options.u8(at + 1)?));
        put!(cx, "\n\t    Option {} ({kind}), length: {len}", name_or(OPTIONS, kind, "Unknown"));
        const CAPABILITIES_OPTION: u8 = 2;
        if kind == CAPABILITIES_OPTION {
            print_capabilities(cx, options.from(at + 2), len)?;
        } else {
            put!(cx, "\n\t      no decoder for option {kind}");
        }
        at += 2 + len;
    }
    Ok(())
}

fn print_capabilities(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    let mut at = 0;
    while at < length {
        let (kind, len) = (bp.u8(at)?, usize::from(bp.u8(at + 1)?));
        put!(cx, "\n\t      {} ({kind}), length: {len}", name_or(CAPABILITIES, kind, "Unknown"));
        let value = bp.take(at + 2, len)?;
        print_capability(cx, kind, value)?;
        if cx.opts.verbose > 1 && len > 0 {
            cx.unknown_data("\n\t\t", value, len);
        }
        at += 2 + len;
    }
    Ok(())
}

fn print_capability(cx: &mut Cx<'_>, kind: u8, value: &[u8]) -> Done {
    match kind {
        1 => put!(cx, "\n\t\t{}", family(value.u16(0)?, value.u8(3)?)),
        64 => {
            let first = value.u16(0)?;
            let flags = bits(RESTART_FLAGS, first >> 12, "", "none");
            put!(cx, "\n\t\tRestart Flags: [{flags}], Restart Time {}s", first & 0xfff);
            for entry in value.from(2).chunks_exact(4) {
                let kept = if entry.u8(3)? & 0x80 != 0 { "yes" } else { "no" };
                put!(cx, "\n\t\t  {}, Forwarding state preserved: {kept}", family(entry.u16(0)?, entry.u8(2)?));
            }
        }
        2 | 128 | 71 => {}
        65 => {
            let number = as_number(cx, value.u32(0)?);
            put!(cx, "\n\t\t 4 Byte AS {number}");
        }
        69 => {
            if value.is_empty() {
                cx.out.push_str(" (bogus)");
            }
            for entry in value.chunks(4) {
                if entry.len() < 4 {
                    cx.invalid();
                    break;
                }
                let mode = entry.u8(3)?;
                let mode = super::cx::name(ADD_PATH, mode).map_or(format!("Bogus (0x{mode:02x})"), str::to_owned);
                put!(cx, "\n\t\t{}, Send/Receive: {mode}", family(entry.u16(0)?, entry.u8(2)?));
            }
        }
        8 => {
            for entry in value.chunks(4) {
                put!(cx, "\n\t\t{}, Count: {}", family(entry.u16(0)?, entry.u8(2)?), entry.u8(3)?);
            }
        }
        _ => {
            put!(cx, "\n\t\tno decoder for Capability {kind}");
            if cx.opts.verbose <= 1 {
                cx.unknown_data("\n\t\t", value, value.len());
            }
        }
    }
    Ok(())
}

fn print_update(cx: &mut Cx<'_>, message: &[u8]) -> Done {
    let withdrawn_length = usize::from(message.u16(HEADER)?);
    let mut at = HEADER + 2;
    if withdrawn_length > 0 {
        cx.out.push_str("\n\t  Withdrawn routes:");
        print_routes(cx, message.take(at, withdrawn_length)?)?;
        at += withdrawn_length;
    }
    let attributes_length = usize::from(message.u16(at)?);
    at += 2;
    // Nothing more: the end of the table, or (as tcpdump takes it) of a message that only withdraws.
    if attributes_length == 0 && at >= message.len() {
        cx.out.push_str("\n\t  End-of-Rib Marker (empty NLRI)");
        return Ok(());
    }
    bgp_attributes::print(cx, message.take(at, attributes_length)?, "\n\t  ")?;
    at += attributes_length;
    if at < message.len() {
        cx.out.push_str("\n\t  Updated routes:");
        print_routes(cx, message.from(at))?;
    }
    Ok(())
}

/// IPv4 prefixes outside of any attribute.
fn print_routes(cx: &mut Cx<'_>, routes: &[u8]) -> Done {
    let with_path = bgp_nlri::has_path_ids(routes, 32);
    let mut rest = routes;
    while !rest.is_empty() {
        let path = if with_path { Some(rest.u32(0)?) } else { None };
        if with_path {
            rest = rest.from(4);
        }
        let Some((prefix, used)) = bgp_nlri::prefix4(rest)? else {
            cx.out.push_str("\n\t    (illegal prefix length)");
            break;
        };
        put!(cx, "\n\t    {prefix}");
        if let Some(path) = path {
            put!(cx, "   Path Id: {path}");
        }
        rest = rest.from(used);
    }
    Ok(())
}

fn print_notification(cx: &mut Cx<'_>, message: &[u8]) -> Done {
    const SMALLEST: usize = 21;
    const CEASE: u8 = 6;
    if message.len() < SMALLEST {
        return Ok(());
    }
    let (code, subcode) = (message.u8(HEADER)?, message.u8(HEADER + 1)?);
    put!(cx, ", {} ({code})", name_or(ERRORS, code, "Unknown Error"));
    if let Some(names) = subcodes(code) {
        const STATE_MACHINE: u8 = 5;
        let comma = if code == STATE_MACHINE { "" } else { "," };
        put!(cx, "{comma} subcode {} ({subcode})", name_or(names, subcode, "Unknown"));
    }
    if code == CEASE {
        print_cease(cx, message.from(SMALLEST), subcode)?;
    }
    Ok(())
}

/// What a cease adds (RFC 4486, RFC 9003).
fn print_cease(cx: &mut Cx<'_>, data: &[u8], subcode: u8) -> Result<(), Truncated> {
    const MOST_TEXT: usize = 128;
    if subcode == 1 && data.len() >= 7 {
        put!(cx, ", {}, Max Prefixes: {}", family(data.u16(0)?, data.u8(2)?), data.u32(3)?);
    }
    if !matches!(subcode, 2 | 4) || data.is_empty() {
        return Ok(());
    }
    let len = usize::from(data.u8(0)?);
    let mut used = 0;
    match data.take(1, len) {
        Ok(_) if len == 0 => {
            cx.out.push_str(", empty Shutdown Communication");
            used = 1;
        }
        Ok(text) if len <= MOST_TEXT => {
            put!(cx, ", Shutdown Communication (length: {len}): \"{}\"", safe_string(text));
            used = 1 + len;
        }
        _ => cx.out.push_str(", invalid Shutdown Communication"),
    }
    let rest = data.from(used);
    if !rest.is_empty() {
        put!(cx, ", Unknown trailing data: (length: {})", rest.len());
        cx.unknown_data("\n\t\t", rest, rest.len());
    }
    Ok(())
}
