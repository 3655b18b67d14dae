//! DHCP options (RFC 2132 and the RFCs named below): one table says each option's name and the form of its value.

use super::cx::{Bytes, Cx, Done, Row, Truncated, bits, name, put, safe_string};

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Nothing,
    /// IPv4 addresses.
    Ip,
    /// Pairs of IPv4 addresses.
    IpPair,
    /// 32-bit numbers, unsigned or signed.
    Long,
    Signed,
    /// 16-bit numbers.
    Short,
    /// Bytes in decimal, with dots.
    Bytes,
    /// Text.
    Ascii,
    /// Yes or no.
    Bool,
    /// As a function below says.
    Special,
}

use Form as F;

const PAD: u8 = 0;
const END: u8 = 255;
const MESSAGE: u8 = 53;
const PARAMETERS: u8 = 55;

const OPTIONS: &[(u8, Form, &str)] = &[
    (PAD, F::Nothing, "PAD"),
    (1, F::Ip, "Subnet-Mask"),
    (2, F::Signed, "Time-Zone"),
    (3, F::Ip, "Default-Gateway"),
    (4, F::Ip, "Time-Server"),
    (5, F::Ip, "IEN-Name-Server"),
    (6, F::Ip, "Domain-Name-Server"),
    (7, F::Ip, "LOG"),
    (8, F::Ip, "CS"),
    (9, F::Ip, "LPR-Server"),
    (10, F::Ip, "IM"),
    (11, F::Ip, "RL"),
    (12, F::Ascii, "Hostname"),
    (13, F::Short, "BS"),
    (14, F::Ascii, "DP"),
    (15, F::Ascii, "Domain-Name"),
    (16, F::Ip, "SS"),
    (17, F::Ascii, "RP"),
    (18, F::Ascii, "EP"),
    (19, F::Bool, "IPF"),
    (20, F::Bool, "SRT"),
    (21, F::IpPair, "PF"),
    (22, F::Short, "RSZ"),
    (23, F::Bytes, "TTL"),
    (24, F::Long, "MTU-Timeout"),
    (25, F::Short, "MTU-Table"),
    (26, F::Short, "MTU"),
    (27, F::Bool, "LSN"),
    (28, F::Ip, "BR"),
    (29, F::Bool, "MD"),
    (30, F::Bool, "MS"),
    (31, F::Bool, "Router-Discovery"),
    (32, F::Ip, "RSA"),
    (33, F::IpPair, "Static-Route"),
    (34, F::Bool, "UT"),
    (35, F::Long, "AT"),
    (36, F::Bool, "IE"),
    (37, F::Bytes, "TT"),
    (38, F::Long, "KI"),
    (39, F::Bool, "KG"),
    (40, F::Ascii, "YD"),
    (41, F::Ip, "YS"),
    (42, F::Ip, "NTP"),
    (43, F::Bytes, "Vendor-Option"),
    (44, F::Ip, "Netbios-Name-Server"),
    (45, F::Ip, "WDD"),
    (46, F::Special, "Netbios-Node"),
    (47, F::Ascii, "Netbios-Scope"),
    (48, F::Ip, "XFS"),
    (49, F::Ip, "XDM"),
    (50, F::Ip, "Requested-IP"),
    (51, F::Long, "Lease-Time"),
    (52, F::Special, "OO"),
    (MESSAGE, F::Nothing, "DHCP-Message"),
    (54, F::Ip, "Server-ID"),
    (PARAMETERS, F::Bytes, "Parameter-Request"),
    (56, F::Ascii, "MSG"),
    (57, F::Short, "MSZ"),
    (58, F::Long, "RN"),
    (59, F::Long, "RB"),
    (60, F::Ascii, "Vendor-Class"),
    (61, F::Special, "Client-ID"),
    (64, F::Short, "N+D"),
    (65, F::Ip, "N+S"),
    (66, F::Ascii, "TFTP"),
    (67, F::Ascii, "BF"),
    (68, F::Ip, "MH"),
    (69, F::Ip, "SMTP"),
    (70, F::Ip, "POP3"),
    (71, F::Ip, "NNTP"),
    (72, F::Ip, "WWW"),
    (73, F::Ip, "FG"),
    (74, F::Ip, "IRC"),
    (75, F::Ip, "STS"),
    (76, F::Ip, "STDA"),
    (77, F::Special, "User-Class"),
    (78, F::Bytes, "SLP-DA"),
    (79, F::Bytes, "SLP-SCOPE"),
    (80, F::Ascii, "SLP-NA"),
    (81, F::Special, "FQDN"),
    (82, F::Special, "Agent-Information"),
    (88, F::Ascii, "TZSTR"),
    (89, F::Bytes, "FQDNS"),
    (90, F::Bytes, "AUTH"),
    (83, F::Bytes, "ARMT"),
    (91, F::Long, "Last-Transaction-Time"),
    (92, F::Ip, "Associated-IP"),
    (93, F::Short, "ARCH"),
    (94, F::Bytes, "NDI"),
    (95, F::Ascii, "LDAP"),
    (97, F::Bytes, "GUID"),
    (98, F::Ascii, "UAP"),
    (100, F::Ascii, "POSIX-TZ"),
    (101, F::Ascii, "TZ-Name"),
    (110, F::Bytes, "IPX"),
    (112, F::Ip, "NI"),
    (113, F::Ascii, "NITAG"),
    (114, F::Ascii, "URL"),
    (116, F::Bool, "NOAUTO"),
    (117, F::Short, "NSSEARCH"),
    (118, F::Ip, "SUBNET"),
    (121, F::Special, "Classless-Static-Route"),
    (150, F::Ip, "TFTP-Server-Address"),
    (161, F::Ascii, "MUD-URL"),
    (249, F::Special, "Classless-Static-Route-Microsoft"),
    (END, F::Nothing, "END"),
];

const MESSAGES: &[Row] = &[
    (1, "Discover"),
    (2, "Offer"),
    (3, "Request"),
    (4, "Decline"),
    (5, "ACK"),
    (6, "NACK"),
    (7, "Release"),
    (8, "Inform"),
    (10, "LeaseQuery"),
    (11, "LeaseUnassigned"),
    (12, "LeaseUnknown"),
    (13, "LeaseActive"),
];

const NODES: &[Row] = &[(1, "b-node"), (2, "p-node"), (4, "m-node"), (8, "h-node")];
const OVERLOADS: &[Row] = &[(1, "file"), (2, "sname"), (3, "file+sname")];
const AGENT: &[Row] = &[(1, "Circuit-ID"), (2, "Remote-ID"), (5, "Link-selection"), (6, "Subscriber-ID")];
const HARDWARE: &[Row] =
    &[(1, "ether"), (6, "ieee802"), (7, "arcnet"), (15, "frelay"), (23, "strip"), (24, "ieee1394")];
const FQDN_FLAGS: &[Row] = &[(1, "S"), (2, "O"), (4, "E"), (8, "N")];

/// Prints the options behind the magic cookie that `bp` begins with.
pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8]) -> Done {
    cx.out.push_str("\n\t  Vendor-rfc1048 Extensions");
    put!(cx, "\n\t    Magic Cookie 0x{:08x}", bp.u32(0)?);
    let mut at = 4;
    while let Ok(tag) = bp.u8(at) {
        at += 1;
        if matches!(tag, PAD | END) && cx.opts.verbose < 3 {
            if tag == END {
                return Ok(());
            }
            continue;
        }
        let row = OPTIONS.iter().find(|row| row.0 == tag);
        let len = if matches!(tag, PAD | END) { 0 } else { usize::from(bp.u8(at)?) };
        at += usize::from(!matches!(tag, PAD | END));
        let label = row.map_or("Unknown", |row| row.2);
        put!(cx, "\n\t    {label} ({tag}), length {len}{}", if len > 0 { ": " } else { "" });
        if tag == PAD {
            let more = bp.from(at).iter().take_while(|&&b| b == PAD).count();
            if more > 0 {
                put!(cx, ", occurs {}", more + 1);
            }
            at += more;
        }
        let Ok(value) = bp.take(at, len) else {
            cx.trunc();
            return Ok(());
        };
        at += len;
        let form = row.map_or_else(|| guess(len), |row| row.1);
        print_value(cx, tag, form, value)?;
    }
    Ok(())
}

/// How a value of an unknown option is shown, by its length.
fn guess(len: usize) -> Form {
    match len {
        _ if len % 2 == 1 => Form::Bytes,
        _ if len % 4 == 2 => Form::Short,
        _ => Form::Long,
    }
}

/// Parts of `size` bytes joined by `separator`; gives what is left over.
fn join<'a>(
    cx: &mut Cx<'_>,
    value: &'a [u8],
    size: usize,
    separator: &str,
    show: impl Fn(&[u8]) -> Result<String, Truncated>,
) -> Result<&'a [u8], Truncated> {
    let parts = value.chunks_exact(size);
    let left = parts.remainder();
    for (index, part) in parts.enumerate() {
        put!(cx, "{}{}", if index == 0 { "" } else { separator }, show(part)?);
    }
    Ok(left)
}

fn print_value(cx: &mut Cx<'_>, tag: u8, form: Form, value: &[u8]) -> Done {
    if tag == MESSAGE && value.len() == 1 {
        let message = value.u8(0)?;
        match name(MESSAGES, message) {
            Some(name) => cx.out.push_str(name),
            None => put!(cx, "Unknown ({message})"),
        }
        return Ok(());
    }
    if tag == PARAMETERS {
        for (index, option) in value.iter().enumerate() {
            cx.out.push_str(if index % 4 == 0 { "\n\t      " } else { ", " });
            let label = OPTIONS.iter().find(|row| row.0 == *option).map_or("Unknown", |row| row.2);
            put!(cx, "{label} ({option})");
        }
        return Ok(());
    }
    let left = match form {
        Form::Ascii => {
            put!(cx, "\"{}\"", safe_string(value));
            &[]
        }
        Form::Ip => join(cx, value, 4, ",", |part| Ok(part.ip4(0)?.to_string()))?,
        Form::Long => join(cx, value, 4, ",", |part| Ok(part.u32(0)?.to_string()))?,
        Form::Signed => join(cx, value, 4, ",", |part| Ok(part.u32(0)?.cast_signed().to_string()))?,
        Form::IpPair => join(cx, value, 8, ",", |part| Ok(format!("({}:{})", part.ip4(0)?, part.ip4(4)?)))?,
        Form::Short => join(cx, value, 2, ",", |part| Ok(part.u16(0)?.to_string()))?,
        Form::Bool => join(cx, value, 1, ",", |part| {
            Ok(match part.u8(0)? {
                0 => "N".to_owned(),
                1 => "Y".to_owned(),
                other => format!("{other}?"),
            })
        })?,
        Form::Bytes | Form::Nothing => join(cx, value, 1, ".", |part| Ok(part.u8(0)?.to_string()))?,
        Form::Special => {
            special(cx, tag, value)?;
            &[]
        }
    };
    if !left.is_empty() {
        put!(cx, "\n\t  trailing data length {}", left.len());
    }
    Ok(())
}

fn special(cx: &mut Cx<'_>, tag: u8, value: &[u8]) -> Done {
    let shortest = match tag {
        81 => 3,
        82 | 77 => 2,
        121 | 249 => 5,
        _ => 1,
    };
    if value.len() < shortest {
        put!(cx, "ERROR: length < {shortest} bytes");
        return Ok(());
    }
    match tag {
        46 => put!(cx, "{}", name(NODES, value.u8(0)?).map_or(format!("#{}", value.u8(0)?), str::to_owned)),
        52 => put!(cx, "{}", name(OVERLOADS, value.u8(0)?).map_or(format!("#{}", value.u8(0)?), str::to_owned)),
        61 => client_id(cx, value)?,
        77 => user_class(cx, value)?,
        81 => {
            let flags = value.u8(0)?;
            if flags != 0 {
                put!(cx, "[{}] ", bits(FQDN_FLAGS, flags, "", "none"));
            }
            if value.u8(1)? != 0 || value.u8(2)? != 0 {
                put!(cx, "{}/{} ", value.u8(1)?, value.u8(2)?);
            }
            put!(cx, "\"{}\"", safe_string(value.from(3)));
        }
        82 => agent_information(cx, value)?,
        _ => static_routes(cx, value)?,
    }
    Ok(())
}

fn client_id(cx: &mut Cx<'_>, value: &[u8]) -> Done {
    let (kind, rest) = (value.u8(0)?, value.from(1));
    if kind == 0 {
        put!(cx, "\"{}\"", safe_string(rest));
        return Ok(());
    }
    if kind == 255 && rest.len() >= 6 {
        // RFC 4361: an association id and a DUID.
        put!(cx, "hardware-type 255, ");
    } else {
        match name(HARDWARE, kind) {
            Some(name) => put!(cx, "{name} "),
            None => put!(cx, "hardware-type {kind}, "),
        }
    }
    let shown = super::cx::hex_colon(rest);
    cx.out.push_str(&shown);
    Ok(())
}

/// RFC 3004: instances, each with its length.
fn user_class(cx: &mut Cx<'_>, value: &[u8]) -> Done {
    let (mut at, mut instance) = (0, 1);
    while let Ok(len) = value.u8(at) {
        cx.out.push_str("\n\t      ");
        put!(cx, "instance#{instance}: ");
        let len = usize::from(len);
        if len == 0 {
            cx.out.push_str("[ERROR: invalid option]");
            return Ok(());
        }
        let Ok(text) = value.take(at + 1, len) else {
            cx.out.push_str("[ERROR: invalid option]");
            return Ok(());
        };
        put!(cx, "\"{}\", length {len}", safe_string(text));
        instance += 1;
        at += 1 + len;
    }
    Ok(())
}

/// RFC 3046: what a relay adds.
fn agent_information(cx: &mut Cx<'_>, value: &[u8]) -> Done {
    let mut at = 0;
    while at + 2 <= value.len() {
        let (kind, len) = (value.u8(at)?, usize::from(value.u8(at + 1)?));
        let label = name(AGENT, kind).unwrap_or("Unknown");
        put!(cx, "\n\t      {label} SubOption {kind}, length {len}: ");
        let Ok(text) = value.take(at + 2, len) else {
            cx.out.push_str("length goes past end of option");
            return Ok(());
        };
        match kind {
            5 if len == 4 => put!(cx, "{}", text.ip4(0)?),
            1 | 2 | 6 => {
                let text = safe_string(text);
                cx.out.push_str(&text);
            }
            _ => {}
        }
        at += 2 + len;
    }
    Ok(())
}

/// RFC 3442: prefixes with only their significant bytes, and routers.
fn static_routes(cx: &mut Cx<'_>, value: &[u8]) -> Done {
    let mut at = 0;
    while let Ok(width) = value.u8(at) {
        if at > 0 {
            cx.out.push(',');
        }
        if value.len() - at < 5 {
            put!(cx, "[ERROR: Remaining length ({}) < 5 bytes]", value.len() - at);
            return Ok(());
        }
        if width > 32 {
            put!(cx, "bad width {width}");
            return Ok(());
        }
        let significant = usize::from(width).div_ceil(8);
        let Ok(bytes) = value.take(at + 1, significant) else {
            cx.out.push_str("bad option");
            return Ok(());
        };
        let mut address = [0; 4];
        for (to, from) in address.iter_mut().zip(bytes) {
            *to = *from;
        }
        if width == 0 {
            cx.out.push_str("(default");
        } else {
            let shown: Vec<String> = bytes.iter().map(u8::to_string).collect();
            put!(cx, "({}", shown.join("."));
            for _ in significant..4 {
                cx.out.push_str(".0");
            }
            put!(cx, "/{width}");
        }
        put!(cx, ":{})", value.ip4(at + 1 + significant)?);
        at += 5 + significant;
    }
    Ok(())
}
