//! The Spanning Tree Protocol (IEEE 802.1D, 802.1w). Of 802.1s and 802.1aq only the common part is shown.

use super::cx::{Bytes, Cx, Done, Row, bits, hex_colon, name, name_or, put};

const VERSIONS: &[Row] = &[(0, "802.1d"), (2, "802.1w"), (3, "802.1s"), (4, "802.1aq")];
const CONFIG: u8 = 0;
const RAPID: u8 = 2;
const TOPOLOGY_CHANGE: u8 = 0x80;
const TYPES: &[Row] =
    &[(CONFIG as u32, "Config"), (RAPID as u32, "Rapid STP"), (TOPOLOGY_CHANGE as u32, "Topology Change")];
const FLAGS: &[Row] = &[
    (0x01, "Topology change"),
    (0x02, "Proposal"),
    (0x10, "Learn"),
    (0x20, "Forward"),
    (0x40, "Agreement"),
    (0x80, "Topology change ACK"),
];
const ROLES: &[Row] = &[(0, "Unknown"), (1, "Alternate"), (2, "Root"), (3, "Designated")];

pub(super) fn print(cx: &mut Cx<'_>, bp: &[u8], length: usize) -> Done {
    const SMALLEST: usize = 4;
    cx.protocol = "stp";
    if length < SMALLEST {
        cx.invalid();
        return Ok(());
    }
    bp.take(0, SMALLEST)?;
    cx.out.push_str("STP");
    let protocol = bp.u16(0)?;
    if protocol != 0 {
        put!(cx, " unknown proto id 0x{protocol:04x}");
        return Ok(());
    }
    let version = bp.u8(2)?;
    match name(VERSIONS, version) {
        Some(name) => put!(cx, " {name}"),
        None => {
            put!(cx, " Unknown STP protocol (0x{version:02x})");
            return Ok(());
        }
    }
    let kind = bp.u8(3)?;
    match name(TYPES, kind) {
        Some(name) => put!(cx, ", {name}"),
        None => put!(cx, ", Unknown BPDU Type (0x{kind:02x})"),
    }
    match kind {
        CONFIG if length < 35 => cx.invalid(),
        CONFIG => print_config(cx, bp, length, kind)?,
        RAPID if version == 3 || version == 4 => print_multiple(cx, bp, length, version)?,
        RAPID if length < 36 => cx.invalid(),
        RAPID => print_config(cx, bp, length, kind)?,
        _ => {}
    }
    Ok(())
}

fn print_config(cx: &mut Cx<'_>, bp: &[u8], length: usize, kind: u8) -> Done {
    let flags = bp.u8(4)?;
    put!(cx, ", Flags [{}]", bits(FLAGS, flags, ", ", "none"));
    put!(cx, ", bridge-id {}.{:04x}, length {length}", bridge_id(bp.take(17, 8)?), bp.u16(25)?);
    if cx.opts.verbose == 0 {
        return Ok(());
    }
    let [age, max, hello, delay] = [27, 29, 31, 33].map(|at| bp.u16(at).map(seconds));
    put!(cx, "\n\tmessage-age {}s, max-age {}s, hello-time {}s, forwarding-delay {}s", age?, max?, hello?, delay?);
    put!(cx, "\n\troot-id {}, root-pathcost {}", bridge_id(bp.take(5, 8)?), bp.u32(13)?);
    if kind == RAPID {
        put!(cx, ", port-role {}", name_or(ROLES, (flags >> 2) & 3, "Unknown"));
    }
    Ok(())
}

/// 802.1s and 802.1aq: what is common with 802.1w, or how the lengths contradict each other.
fn print_multiple(cx: &mut Cx<'_>, bp: &[u8], length: usize, version: u8) -> Done {
    const MST_CONFIGURATION: usize = 38;
    const SPB_EXTRA: usize = 106;
    if length < 36 {
        cx.invalid();
        return Ok(());
    }
    if length < 102 {
        cx.invalid();
        return Ok(());
    }
    let instances = usize::from(bp.u16(36)?);
    let spb = usize::from(bp.u16(MST_CONFIGURATION + instances).unwrap_or(0));
    let shortest = MST_CONFIGURATION + instances + if version == 4 { SPB_EXTRA.min(spb) } else { 0 };
    if instances < 64 || length < shortest || (version == 4 && spb < 53) {
        cx.invalid();
        return Ok(());
    }
    print_config(cx, bp, length, RAPID)
}

fn bridge_id(id: &[u8]) -> String {
    match id.split_first_chunk::<2>() {
        Some(([high, low], mac)) => format!("{high:02x}{low:02x}.{}", hex_colon(mac)),
        None => String::new(),
    }
}

/// Times are counted in 256ths of a second; two decimals are shown, rounded to even as printf(3) does.
fn seconds(time: u16) -> String {
    let hundredths = u32::from(time) * 100;
    let (whole, rest) = (hundredths / 256, hundredths % 256);
    let rounded = whole + u32::from(rest > 128 || (rest == 128 && whole % 2 == 1));
    format!("{}.{:02}", rounded / 100, rounded % 100)
}
