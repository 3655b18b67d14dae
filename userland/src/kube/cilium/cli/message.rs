//! An event as `cilium monitor` prints it (`pkg/monitor/datapath_*.go`).

use core::fmt::Write;

use hopwise_stack::path::tc::cilium::ct::Status;
use hopwise_stack::path::tc::cilium::event::{Debug, Event, Kind, Point};

use super::dissect::{layers, summary};
use super::identity_name;

/// How much is printed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Verbosity {
    /// Packets, a line each.
    Info,
    /// Debug messages as well (`-v`).
    Debug,
    /// Packets layer by layer (`-vv`).
    Verbose,
}

/// How it is printed.
pub(super) struct Style<'a> {
    /// How much.
    pub verbosity: Verbosity,
    /// Bytes in hexadecimal instead of layers.
    pub hex: bool,
    /// Identities as numbers.
    pub numeric: bool,
    /// The name of a link.
    pub link: &'a dyn Fn(u32) -> String,
}

/// Which of two ways a message begins, and what stands in front of each.
const PREFIX: &str = "CPU 00:";
const SEPARATOR: &str = "------------------------------------------------------------------------------";

/// Bytes in front of the packet in an event of each kind: what the sample is padded to depends on it.
const TRACE_HEADER: usize = 48;
const DROP_HEADER: usize = 36;
const CAPTURE_HEADER: usize = 24;

/// The lines of an event; empty if it is not printed at this verbosity.
pub(super) fn lines(event: &Event, style: &Style<'_>) -> String {
    match (&event.kind, style.verbosity) {
        (Kind::Debug(Debug::Delivery(link)), Verbosity::Verbose) => {
            let head = format!(
                "{PREFIX} MARK 0x0 FROM {} DEBUG: {} bytes, Delivery to ifindex {link}\n",
                event.source, event.len
            );
            format!("{SEPARATOR}\n{head}{}", packet(event, CAPTURE_HEADER, style))
        }
        (Kind::Debug(Debug::Delivery(link)), _) => {
            format!("-> {}: {}\n", (style.link)(link.0), summary(&event.data))
        }
        (Kind::Debug(_), Verbosity::Info) => String::new(),
        (Kind::Debug(message), _) => format!("{PREFIX} MARK 0x0 FROM {} DEBUG: {}\n", event.source, debug(message)),
        (Kind::Verdict { .. }, _) => verdict(event, style),
        // The line about a packet comes behind its layers: they are printed at once, it goes through a buffer.
        (Kind::Trace { .. }, Verbosity::Verbose) => {
            format!("{SEPARATOR}\n{}{}", packet(event, TRACE_HEADER, style), trace_verbose(event, style))
        }
        (Kind::Trace { .. }, _) => trace_short(event, style),
        (Kind::Drop { .. }, Verbosity::Verbose) => {
            format!("{SEPARATOR}\n{}{}", packet(event, DROP_HEADER, style), drop_verbose(event, style))
        }
        (Kind::Drop { .. }, _) => drop_short(event, style),
    }
}

/// The packet of an event. A sample of the ring is a length of four bytes and then a multiple of eight in all: what it is padded
/// with looks like the end of the packet.
fn packet(event: &Event, header: usize, style: &Style<'_>) -> String {
    let sample = header + event.data.len() + 4;
    let mut data = event.data.clone();
    data.resize(data.len() + sample.next_multiple_of(8) - sample, 0);
    if style.hex { hex(&data) } else { layers(&data) }
}

/// `encoding/hex.Dump`.
fn hex(data: &[u8]) -> String {
    let mut text = String::new();
    for (place, chunk) in data.chunks(16).enumerate() {
        let _ = write!(text, "{:08x} ", place * 16);
        for at in 0..16 {
            text.push_str(if at == 8 { "  " } else { " " });
            match chunk.get(at) {
                Some(byte) => drop(write!(text, "{byte:02x}")),
                None => text.push_str("  "),
            }
        }
        let shown: String = chunk.iter().map(|b| if (32..127).contains(b) { char::from(*b) } else { '.' }).collect();
        let _ = writeln!(text, "  |{shown}|");
    }
    text
}

/// `, identity A->B`.
fn identities((from, to): (u32, u32), style: &Style<'_>) -> String {
    if style.numeric {
        format!(", identity {from}->{to}")
    } else {
        format!(", identity {}->{}", identity_name(from), identity_name(to))
    }
}

/// `connState`.
const fn state(status: Status) -> &'static str {
    match status {
        Status::New => "new",
        Status::Established | Status::Reopened => "established",
        Status::Reply => "reply",
        Status::Related => "related",
    }
}

fn trace_verbose(event: &Event, style: &Style<'_>) -> String {
    let Kind::Trace { point, status, ifindex, identities: who, original, to } = event.kind else {
        return String::new();
    };
    let mut text = format!(
        "{PREFIX} MARK 0x0 FROM {} {}: {} bytes ({} captured), state {}",
        event.source,
        point.name(),
        event.len,
        event.data.len(),
        state(status)
    );
    if ifindex.is_some() {
        let _ = write!(text, ", interface {}", (style.link)(ifindex.0));
    }
    if who != (0, 0) {
        let _ = write!(text, ", {}", identities(who, style));
    }
    let _ = write!(text, ", orig-ip {original}");
    if to != 0 {
        let _ = write!(text, ", to endpoint {to}");
    }
    text + "\n"
}

fn trace_short(event: &Event, style: &Style<'_>) -> String {
    let Kind::Trace { point, status, ifindex, identities: who, original, to } = event.kind else {
        return String::new();
    };
    let where_to = match point {
        Point::ToEndpoint => format!("-> endpoint {to}"),
        Point::ToHost => "-> host from".to_owned(),
        Point::ToStack => "-> stack".to_owned(),
        Point::ToOverlay => "-> overlay".to_owned(),
        Point::ToNetwork => "-> network".to_owned(),
        Point::FromEndpoint => format!("<- endpoint {}", event.source),
        Point::FromHost => "<- host".to_owned(),
        Point::FromOverlay => "<- overlay".to_owned(),
        Point::FromNetwork => "<- network".to_owned(),
    };
    format!(
        "{where_to} flow 0x0 {} state {} ifindex {} orig-ip {original}: {}\n",
        identities(who, style),
        state(status),
        (style.link)(ifindex.0),
        summary(&event.data)
    )
}

fn drop_verbose(event: &Event, style: &Style<'_>) -> String {
    let Kind::Drop { reason, identities: who, to } = event.kind else { return String::new() };
    let mut text =
        format!("{PREFIX} MARK 0x0 FROM {} DROP: {} bytes, reason {}", event.source, event.len, reason.text());
    if who != (0, 0) {
        text += &identities(who, style);
    }
    if to != 0 {
        let _ = write!(text, ", to endpoint {to}");
    }
    text + "\n"
}

fn drop_short(event: &Event, style: &Style<'_>) -> String {
    let Kind::Drop { reason, identities: who, to } = event.kind else { return String::new() };
    format!(
        "xx drop ({}) flow 0x0 to endpoint {to}, {}: {}\n",
        reason.text(),
        identities(who, style),
        summary(&event.data)
    )
}

fn verdict(event: &Event, style: &Style<'_>) -> String {
    let Kind::Verdict { remote, protocol, ingress, allowed, matched } = event.kind else { return String::new() };
    let remote = if style.numeric { remote.to_string() } else { identity_name(remote) };
    format!(
        "Policy verdict log: flow 0x0 local EP ID {}, remote ID {remote}, proto {protocol}, {}, action {}, match {}, {}\n",
        event.source,
        if ingress { "ingress" } else { "egress" },
        if allowed { "allow" } else { "deny" },
        matched.name(),
        summary(&event.data)
    )
}

fn debug(message: &Debug) -> String {
    match *message {
        Debug::CtLookup1(src, sport, dst, dport) => {
            format!("Conntrack lookup 1/2: src={src}:{sport} dst={dst}:{dport}")
        }
        Debug::CtLookup2(protocol, flags) => format!("Conntrack lookup 2/2: nexthdr={protocol} flags={flags}"),
        Debug::CtMatch(lifetime, rev_nat) => format!("CT entry found lifetime={lifetime}, revnat={rev_nat}"),
        Debug::CtVerdict(status, rev_nat) => format!("CT verdict: {}, revnat={rev_nat}", status.name()),
        Debug::CtCreate(rev_nat, identity, backend) => {
            format!("Conntrack create: proxy-port=0 revnat={rev_nat} src-identity={identity} lb={backend}")
        }
        Debug::Mapped(addr, identity, true) => format!("Successfully mapped addr={addr} to identity={identity}"),
        Debug::Mapped(addr, _, false) => format!("Failed to map addr={addr} to identity"),
        Debug::LocalDelivery(id, from) => {
            format!("Attempting local delivery for container id {id} from seclabel {from}")
        }
        Debug::InheritIdentity(identity) => format!("Inheriting identity={identity} from stack"),
        Debug::Decap(identity) => format!("Tunnel decap: id={identity} flowlabel=0"),
        Debug::Encap(node, identity) => {
            let number = node.to_bits();
            format!("Encapsulating to node {number} ({number:#x}) from seclabel {identity}")
        }
        Debug::Delivery(link) => format!("Delivery to ifindex {link}"),
    }
}
