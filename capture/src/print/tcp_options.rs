//! The options of a TCP header (RFC 9293 section 3.1 and the RFCs named below).

use super::cx::{Bytes, Cx, Row, Truncated, name, put};
use super::tcp::Numbers;

const END: u8 = 0;
const NOP: u8 = 1;

const NAMES: &[Row] = &[
    (0, "eol"),
    (1, "nop"),
    (2, "mss"),
    (3, "wscale"),
    (4, "sackOK"),
    (5, "sack"),
    (6, "echo"),
    (7, "echoreply"),
    (8, "TS"),
    (11, "cc"),
    (12, "ccnew"),
    (13, ""),
    (19, "md5"),
    (20, "scps"),
    (28, "uto"),
    (29, "tcp-ao"),
    (30, "mptcp"),
    (34, "tfo"),
    (254, "exp"),
];

/// Why an option list ends early.
enum Stop {
    /// A length that cannot be.
    Bad,
    /// The value was not captured: the list is closed with a mark of its own.
    Cut,
    Truncated,
}

impl From<Truncated> for Stop {
    fn from(_: Truncated) -> Stop {
        Stop::Truncated
    }
}

/// Prints `length` bytes of options; false when a length among them cannot be, which ends the segment.
pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize, numbers: &Numbers) -> Result<bool, Truncated> {
    cx.out.push_str(", options [");
    let mut at = 0;
    let mut first = true;
    while at < length {
        if !first {
            cx.out.push(',');
        }
        let code = bp.u8(at)?;
        let len = if matches!(code, END | NOP) { 1 } else { usize::from(bp.u8(at + 1)?) };
        if (len < 2 && !matches!(code, END | NOP)) || len > length - at {
            return Ok(bad(cx, first));
        }
        match name(NAMES, code) {
            Some(name) => cx.out.push_str(name),
            None => put!(cx, "unknown-{code}"),
        }
        let head = if matches!(code, END | NOP) { 1 } else { 2 };
        let room = length - at - head;
        let used = match print_value(cx, code, bp.from(at + head), len - head, room, numbers) {
            Ok(used) => used,
            Err(Stop::Bad) => return Ok(bad(cx, first)),
            Err(Stop::Cut) => {
                cx.trunc();
                cx.out.push_str(if first { "" } else { ">" });
                return Ok(false);
            }
            Err(Stop::Truncated) => return Err(Truncated),
        };
        if head + used != len {
            put!(cx, "[len {len}]");
        }
        at += head + used;
        first = false;
        if code == END {
            break;
        }
    }
    cx.out.push(']');
    Ok(true)
}

fn bad(cx: &mut Cx<'_>, first: bool) -> bool {
    cx.out.push_str("[bad opt]");
    if !first {
        cx.out.push(']');
    }
    false
}

/// Prints an option's value; gives how many bytes of it were looked at. `len` is what the option says it has,
/// `room` what the header has left.
fn print_value(
    cx: &mut Cx<'_>,
    code: u8,
    value: &[u8],
    len: usize,
    room: usize,
    numbers: &Numbers,
) -> Result<usize, Stop> {
    let need = |wanted: usize| -> Result<(), Stop> {
        if wanted > room {
            return Err(Stop::Bad);
        }
        value.take(0, wanted).map(|_| ()).map_err(|_| Stop::Cut)
    };
    let used = match code {
        2 => 2,
        3 => 1,
        6 | 7 | 11..=13 => 4,
        8 => 8,
        28 => 2,
        5 | 19 | 29 | 30 | 34 | 254 => len,
        END | NOP | 4 => 0,
        _ => len,
    };
    match code {
        2 => {
            need(2)?;
            put!(cx, " {}", value.u16(0)?);
        }
        3 => {
            need(1)?;
            put!(cx, " {}", value.u8(0)?);
        }
        5 => sack(cx, value, len, need, numbers)?,
        6 | 7 | 11..=13 => {
            need(4)?;
            put!(cx, " {}", value.u32(0)?);
        }
        8 => {
            need(4)?;
            put!(cx, " val {}", value.u32(0)?);
            need(8)?;
            put!(cx, " ecr {}", value.u32(4)?);
        }
        28 => {
            // RFC 5482: minutes or seconds, told apart by the first bit; tcpdump looks at the last.
            need(2)?;
            let timeout = value.u16(0)?;
            let unit = if timeout & 1 == 0 { 1 } else { 60 };
            put!(cx, " 0x{timeout:x} {}", u32::from(timeout >> 1) * unit);
        }
        19 => {
            need(len)?;
            cx.out.push_str(" shared secret not supplied with -M, can't check - ");
            push_hex(cx, value.take(0, len)?);
        }
        20 => {
            need(2)?;
            put!(cx, " cap {:02x} id {}", value.u8(0)?, value.u8(1)?);
        }
        29 => {
            if len < 2 {
                cx.invalid();
            } else {
                put!(cx, " keyid {} rnextkeyid {}", value.u8(0)?, value.u8(1)?);
                if len > 2 {
                    cx.out.push_str(" mac 0x");
                    push_hex(cx, value.upto(len).from(2));
                    value.take(0, len)?;
                }
            }
        }
        34 => fast_open(cx, value, len, need)?,
        254 => {
            const FAST_OPEN: u16 = 0xf989;
            need(len)?;
            if len < 2 {
                cx.out.push_str(" bad");
            } else if value.u16(0)? == FAST_OPEN {
                cx.out.push_str("-tfo");
                let cookie = value.take(2, len - 2)?;
                cx.out.push_str(if cookie.is_empty() { " cookiereq" } else { " cookie " });
                push_hex(cx, cookie);
            } else {
                put!(cx, "-0x{:04x}", value.u16(0)?);
            }
        }
        END | NOP | 4 => {}
        _ => {
            if len > 0 {
                cx.out.push_str(" 0x");
            }
            push_hex(cx, value.upto(len));
            value.take(0, len)?;
        }
    }
    Ok(used)
}

fn push_hex(cx: &mut Cx<'_>, bytes: &[u8]) {
    for byte in bytes {
        put!(cx, "{byte:02x}");
    }
}

/// TCP Fast Open (RFC 7413).
fn fast_open(cx: &mut Cx<'_>, value: &[u8], len: usize, need: impl Fn(usize) -> Result<(), Stop>) -> Result<(), Stop> {
    need(len)?;
    if len == 0 {
        cx.out.push_str("  cookiereq");
    } else if !len.is_multiple_of(2) || !(4..=16).contains(&len) {
        return Err(Stop::Bad);
    } else {
        cx.out.push_str("  cookie ");
        push_hex(cx, value.take(0, len)?);
    }
    Ok(())
}

/// Selective acknowledgements (RFC 2018).
fn sack(
    cx: &mut Cx<'_>,
    value: &[u8],
    len: usize,
    need: impl Fn(usize) -> Result<(), Stop>,
    numbers: &Numbers,
) -> Result<(), Stop> {
    if !len.is_multiple_of(8) {
        cx.out.push_str(" invalid sack");
        return Ok(());
    }
    put!(cx, " {} ", len / 8);
    for at in (0..len).step_by(8) {
        need(at + 8)?;
        let [start, end] = [value.u32(at)?, value.u32(at + 4)?].map(|edge| edge.wrapping_sub(numbers.sack_base));
        put!(cx, "{{{start}:{end}}}");
    }
    Ok(())
}
