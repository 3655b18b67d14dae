//! IEEE 802.2 LLC with SNAP, as it follows an 802.3 length.

use super::cx::{Bytes, Cx, Row, Truncated, name_or, put};
use super::ether::ETHERTYPE_NAMES;
use super::{ip, registry, stp};

const STP: u8 = 0x42;
const SNAP: u8 = 0xaa;
const IP: u8 = 0x06;
const UNNUMBERED_INFORMATION: u16 = 0x03;
const GROUP_BIT: u8 = 1;

const SAPS: &[Row] = &[
    (0x00, "Null"),
    (0xff, "Global"),
    (0x04, "SNA"),
    (0x02, "802.1B I"),
    (0x03, "802.1B G"),
    (0x06, "IP"),
    (0x0e, "ProWay NM"),
    (0x42, "STP"),
    (0x4e, "RS511"),
    (0x7e, "X.25 PLP"),
    (0x8e, "ProWay ASLM"),
    (0xaa, "SNAP"),
    (0xe0, "IPX"),
    (0xf0, "NetBeui"),
    (0xfe, "OSI"),
];

const COMMANDS: &[Row] = &[
    (0x03, "ui"),
    (0xe3, "test"),
    (0xaf, "xid"),
    (0x63, "ua"),
    (0x43, "disc"),
    (0x0f, "dm"),
    (0x6f, "sabme"),
    (0x87, "frmr"),
];

const FLAGS: &[Row] =
    &[(0, "Command"), (1, "Response"), (0x10, "Poll"), (0x11, "Final"), (0x100, "Poll"), (0x101, "Final")];

const SUPERVISORY: &[Row] = &[(0, "Receiver Ready"), (1, "Receiver not Ready"), (2, "Reject")];

/// Vendors and standards bodies by the first three bytes of their addresses.
pub(super) const ORGANIZATIONS: &[Row] = &[
    (0x00_0000, "Ethernet"),
    (0x00_000c, "Cisco"),
    (0x00_00f8, "Cisco bridged"),
    (0x00_80c2, "IEEE 802.1"),
    (0x08_0007, "Appletalk"),
];

/// What came of a frame.
pub(super) struct Printed {
    /// Length of the LLC header, with SNAP where it is understood.
    pub(super) header: usize,
    /// Whether the rest still has to be dumped.
    pub(super) unknown: bool,
}

/// Prints a frame; `addresses` are shown where nothing else tells who speaks.
pub(super) fn print(
    cx: &mut Cx<'_>,
    bp: &[u8],
    length: usize,
    addresses: Option<(String, String)>,
) -> Result<Printed, Truncated> {
    cx.protocol = "llc";
    let available = bp.len().min(length);
    if available < 3 {
        cx.trunc();
        cx.unknown(bp);
        return Ok(Printed { header: available, unknown: false });
    }
    let (dsap_field, ssap_field) = (bp.u8(0)?, bp.u8(1)?);
    let unnumbered = bp.u8(2)? & 3 == 3;
    let header = if unnumbered { 3 } else { 4 };
    if available < header {
        cx.trunc();
        cx.unknown(bp);
        return Ok(Printed { header: available, unknown: false });
    }
    let control = if unnumbered { u16::from(bp.u8(2)?) } else { bp.u16(2)?.swap_bytes() };
    if (dsap_field, ssap_field) == (0xff, 0xff) {
        if cx.opts.link_header {
            cx.out.push_str("IPX 802.3: ");
        }
        return Ok(Printed { header: 0, unknown: true });
    }
    let (dsap, ssap) = (dsap_field & !GROUP_BIT, ssap_field & !GROUP_BIT);
    if cx.opts.link_header {
        let individual = if dsap_field & GROUP_BIT == 0 { "Individual" } else { "Group" };
        let command = if ssap_field & GROUP_BIT == 0 { "Command" } else { "Response" };
        put!(
            cx,
            "LLC, dsap {} (0x{dsap:02x}) {individual}, ssap {} (0x{ssap:02x}) {command}, ctrl 0x{control:0width$x}: ",
            name_or(SAPS, dsap, "Unknown"),
            name_or(SAPS, ssap, "Unknown"),
            width = if unnumbered { 2 } else { 4 }
        );
    }
    let (payload, length) = (bp.from(header), length - header);
    if control == UNNUMBERED_INFORMATION {
        match (dsap, ssap) {
            (SNAP, SNAP) => return snap(cx, payload, length, addresses, header),
            (STP, STP) => {
                stp::print(cx, payload, length)?;
                return Ok(Printed { header, unknown: false });
            }
            (IP, IP) => {
                cx.nested(|cx| ip::print(cx, payload, length))?;
                return Ok(Printed { header, unknown: false });
            }
            _ => {}
        }
    }
    if !cx.opts.link_header {
        if let Some((source, destination)) = &addresses {
            put!(cx, "{source} ");
            if ssap != dsap {
                put!(cx, "{} ", sap_name("SSAP", ssap));
            }
            put!(cx, "> {destination} {} ", sap_name("DSAP", dsap));
        } else if ssap == dsap {
            put!(cx, "{} ", sap_name("DSAP", dsap));
        } else {
            put!(cx, "{} > {} ", sap_name("SSAP", ssap), sap_name("DSAP", dsap));
        }
    }
    frame_kind(cx, payload, length, header, control, ssap_field & GROUP_BIT)
}

fn sap_name(which: &str, sap: u8) -> String {
    match super::cx::name(SAPS, sap) {
        Some(name) => name.to_owned(),
        None => format!("Unknown {which} 0x{sap:02x}"),
    }
}

fn frame_kind(
    cx: &mut Cx<'_>,
    payload: &[u8],
    length: usize,
    header: usize,
    control: u16,
    response: u8,
) -> Result<Printed, Truncated> {
    let (total, response) = (length + header, u16::from(response));
    let flags = |bits: u16| name_or(FLAGS, response | bits, "?");
    if header == 3 {
        let command = control & !0x10;
        let label = super::cx::name(COMMANDS, command).map_or(format!("{command:02x}"), str::to_owned);
        put!(cx, "Unnumbered, {label}, Flags [{}], length {total}", flags(control & 0x10));
        const EXCHANGE_IDENTIFICATION: u16 = 0xaf;
        if command == EXCHANGE_IDENTIFICATION {
            if length == 0 {
                return Ok(Printed { header, unknown: false });
            }
            if payload.u8(0)? == 0x81 {
                if payload.len() < 3 || length < 3 {
                    cx.trunc();
                } else {
                    put!(cx, ": {:02x} {:02x}", payload.u8(1)?, payload.u8(2)?);
                }
                return Ok(Printed { header, unknown: false });
            }
        }
        return Ok(Printed { header, unknown: true });
    }
    let receive = control >> 9;
    if control & 3 == 1 {
        let kind = name_or(SUPERVISORY, (control >> 2) & 3, "?");
        put!(cx, "Supervisory, {kind}, rcv seq {receive}, Flags [{}], length {total}", flags(control & 0x100));
        return Ok(Printed { header, unknown: false });
    }
    let send = (control >> 1) & 0x7f;
    put!(cx, "Information, send seq {send}, rcv seq {receive}, Flags [{}], length {total}", flags(control & 0x100));
    Ok(Printed { header, unknown: true })
}

/// The Subnetwork Access Protocol: an organization and what it calls the rest.
fn snap(
    cx: &mut Cx<'_>,
    bp: &[u8],
    length: usize,
    addresses: Option<(String, String)>,
    llc_header: usize,
) -> Result<Printed, Truncated> {
    const HEADER: usize = 5;
    cx.protocol = "snap";
    if bp.len() < HEADER || length < HEADER {
        cx.trunc();
        return Ok(Printed { header: llc_header, unknown: false });
    }
    let (organization, kind) = (bp.u24(0)?, bp.u16(3)?);
    let label = if organization == 0 { "ethertype" } else { "pid" };
    let describe = |cx: &mut Cx<'_>| {
        let kind_name = if organization == 0 { name_or(ETHERTYPE_NAMES, kind, "Unknown") } else { "Unknown" };
        put!(
            cx,
            "oui {} (0x{organization:06x}), {label} {kind_name} (0x{kind:04x}), length {}: ",
            name_or(ORGANIZATIONS, organization, "Unknown"),
            length - HEADER
        );
    };
    if cx.opts.link_header {
        describe(cx);
    }
    const CISCO_BRIDGED: u32 = 0x00_00f8;
    let header = llc_header + HEADER;
    if matches!(organization, 0 | CISCO_BRIDGED)
        && let Some(done) = registry::print_ethertype(cx, kind, bp.from(HEADER), length - HEADER)
    {
        done?;
        return Ok(Printed { header, unknown: false });
    }
    if !cx.opts.link_header {
        if let Some((source, destination)) = addresses {
            put!(cx, "{source} > {destination} ");
        }
        cx.out.push_str("SNAP, ");
        describe(cx);
    }
    Ok(Printed { header, unknown: true })
}
