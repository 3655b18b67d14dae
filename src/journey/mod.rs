//! Why a packet went where it went: its journey in words.
//!
//! While [`Network::journey`](hopwise_stack::Network) records, every stage of the packet path writes down what it
//! decided. [`Journeys`] groups these records by packet, knows which packet came of which, and tells them as text or
//! JSON.

mod origin;
mod rewrite;
mod tunnel;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hopwise_capture::print::{PrintOptions, Printer};
use hopwise_capture::{Frame, LinkType, Meta};
use hopwise_sim_core::{BridgeVerdict, Detail, IfIndex, Miss, NsId, PacketId, ProgramNote, Record, Time};
use hopwise_userland::World;
use hopwise_userland::captures::link_type;
use serde_json::{Value, json};

/// The journeys of all packets of a world, as far as they were recorded.
pub struct Journeys<'w> {
    world: &'w World,
    packets: BTreeMap<PacketId, Vec<&'w Record>>,
    children: BTreeMap<PacketId, Vec<PacketId>>,
    first_frame: BTreeMap<PacketId, usize>,
}

/// How deep the packets that came of a packet are followed: an answer to an error about a fragment of a copy is four.
const MAX_DEPTH: usize = 12;

impl<'w> Journeys<'w> {
    /// Groups what `world` has recorded until now.
    pub fn of(world: &'w World) -> Self {
        let mut packets: BTreeMap<PacketId, Vec<&Record>> = BTreeMap::new();
        let mut children: BTreeMap<PacketId, Vec<PacketId>> = BTreeMap::new();
        for record in world.net().journey.records() {
            packets.entry(record.packet).or_default().push(record);
            if let Detail::Born { from: Some(parent), .. } = record.detail {
                children.entry(parent).or_default().push(record.packet);
            }
        }
        let mut first_frame = BTreeMap::new();
        for (i, frame) in world.net().captures.frames().iter().enumerate() {
            first_frame.entry(frame.packet).or_insert(i);
        }
        Journeys { world, packets, children, first_frame }
    }

    /// The numbers of all packets, in the order of birth.
    pub fn packets(&self) -> impl Iterator<Item = PacketId> + '_ {
        self.packets.keys().copied()
    }

    /// The packets of which a captured frame fulfils `matches` (given what the frame begins with, and its bytes).
    pub fn matching(&self, mut matches: impl FnMut(LinkType, &[u8]) -> bool) -> Vec<PacketId> {
        let log = &self.world.net().captures;
        let mut found: Vec<_> =
            log.frames().iter().filter(|f| matches(link_type(f.hw), log.bytes(f))).map(|f| f.packet).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// One line about a packet: number, time, what it is, how it ended.
    pub fn summary(&self, packet: PacketId) -> String {
        let records = self.packets.get(&packet).map_or(&[][..], |r| r);
        let at = records.first().map_or(Time::ZERO, |r| r.at);
        format!("{packet:>5}  {at}  {}  {}", self.describe(packet), self.end(records))
    }

    /// A packet's whole journey as text, and that of the packets that came of it.
    pub fn tell(&self, packet: PacketId) -> String {
        let mut out = String::new();
        self.tell_into(&mut out, packet, 0);
        out
    }

    fn tell_into(&self, out: &mut String, packet: PacketId, depth: usize) {
        let indent = "  ".repeat(depth);
        let records = self.packets.get(&packet).map_or(&[][..], |r| r);
        let _ = writeln!(out, "{indent}packet {packet}: {}", self.describe(packet));
        for record in records {
            let place = self.place(record.ns);
            let (stage, text) = self.words(record);
            let head = format!("{indent}  {}  {place:<18}", record.at);
            let _ = write!(out, "{head} {stage:<9} {text}");
            match origin::of(self.world, record) {
                // Nothing but a name needs no line of its own.
                Some(origin) if origin.why.is_empty() => out.push_str(&format!(", by {origin}\n")),
                Some(origin) => {
                    let _ = writeln!(out, "\n{:width$} {:<9} {origin}", "", "by", width = head.chars().count());
                }
                None => out.push('\n'),
            }
        }
        if depth < MAX_DEPTH {
            for &child in self.children.get(&packet).into_iter().flatten() {
                self.tell_into(out, child, depth + 1);
            }
        }
    }

    /// A packet's journey as JSON: `packet`, `text`, `stages` (each `at_ns`, `where`, `stage`, `text`, and for routes and rules
    /// `origin` if it is known who put them there: `by` and `why`), `led_to`.
    pub fn json(&self, packet: PacketId) -> Value {
        let records = self.packets.get(&packet).map_or(&[][..], |r| r);
        let stages: Vec<Value> = records
            .iter()
            .map(|r| {
                let (stage, text) = self.words(r);
                let mut told =
                    json!({ "at_ns": r.at.as_nanos(), "where": self.place(r.ns), "stage": stage, "text": text });
                if let Some(origin) = origin::of(self.world, r) {
                    told["origin"] = json!({ "by": origin.by, "why": &*origin.why });
                }
                told
            })
            .collect();
        let led_to: Vec<u64> = self.children.get(&packet).into_iter().flatten().map(|p| p.0).collect();
        json!({ "packet": packet.0, "text": self.describe(packet), "end": self.end(records), "stages": stages, "led_to": led_to })
    }

    /// What a packet is, as tcpdump prints its first captured frame.
    fn describe(&self, packet: PacketId) -> String {
        let log = &self.world.net().captures;
        let Some(frame) = self.first_frame.get(&packet).and_then(|&i| log.frames().get(i)) else {
            return "(seen on no link)".into();
        };
        let bytes = log.bytes(frame);
        let options = PrintOptions { numeric: true, ..PrintOptions::default() };
        let link_type = link_type(frame.hw);
        let frame = Frame { time_ns: frame.at.unix_nanos(), orig_len: bytes.len() as u32, data: bytes.to_vec() };
        let line = Printer::new(options).line(&frame, link_type, &Meta::default());
        // Without the time stamp: the journey has its own.
        line.split_once(' ').map_or(line.as_str(), |(_, rest)| rest).trim_end().to_owned()
    }

    fn end(&self, records: &[&Record]) -> String {
        match records.last().map(|r| &r.detail) {
            Some(Detail::Dropped { reason }) => format!("DROPPED {}", reason.name()),
            Some(Detail::Delivered { socket }) => format!("delivered to a {socket} socket"),
            Some(Detail::Consumed { by }) => format!("handled by {by}"),
            Some(Detail::Held { why }) => format!("waiting for {why}"),
            _ => "in flight".into(),
        }
    }

    fn place(&self, ns: NsId) -> String {
        self.world.net().ns(ns).map_or_else(|| "?".into(), |n| self.world.ns_name(n.host, ns))
    }

    fn link(&self, ns: NsId, link: IfIndex) -> &str {
        self.world.net().ns(ns).map_or("?", |n| n.name_of(link))
    }

    /// Stage and text of a record.
    fn words(&self, record: &Record) -> (&'static str, String) {
        let link = |index: IfIndex| self.link(record.ns, index);
        match &record.detail {
            Detail::LinkRx { link: l } => ("in", link(*l).to_owned()),
            Detail::LinkTx { link: l } => ("out", link(*l).to_owned()),
            Detail::Born { by, from: Some(parent) } => ("born", format!("made by {by} because of packet {parent}")),
            Detail::Born { by, from: None } => ("born", format!("made by a program through {by}")),
            Detail::Bridge { bridge, port, dst, verdict } => {
                let from = if port.is_some() { link(*port) } else { "itself" };
                (
                    "bridge",
                    format!("{} from {from}: {} {}", link(*bridge), mac(dst), self.bridge_verdict(record.ns, verdict)),
                )
            }
            Detail::Route { dst, table, rule, prefix, kind, via, oif, maker: _ } => {
                let via = via.map(|v| format!(" via {v}")).unwrap_or_default();
                let rule = if *rule == u32::MAX { String::new() } else { format!("rule {rule}, ") };
                let text = format!(
                    "{dst} is {kind}: {rule}table {}, {}/{}{via} dev {}",
                    table_name(*table),
                    prefix.0,
                    prefix.1,
                    link(*oif)
                );
                ("route", text)
            }
            Detail::NoRoute { dst, refused: None } => ("route", format!("{dst}: no route")),
            Detail::NoRoute { dst, refused: Some(route) } => {
                ("route", format!("{dst} is {}: {}/{}", route.kind, route.prefix.0, route.prefix.1))
            }
            Detail::Forward { ttl } => ("forward", format!("ttl is now {ttl}")),
            Detail::LocalIn { protocol } => {
                ("local_in", format!("for this host, protocol {}", protocol_name(*protocol)))
            }
            Detail::Neigh { addr, link: l, state, lladdr } => {
                let lladdr = lladdr.map(|m| format!(" {}", mac(&m))).unwrap_or_default();
                ("neigh", format!("{addr} dev {}{lladdr} {state}", link(*l)))
            }
            Detail::Held { why } => ("held", format!("waits for {why}")),
            Detail::Fragmented { mtu } => ("fragment", format!("cut to fit an MTU of {mtu}")),
            Detail::Reassembled => ("fragment", "whole again".into()),
            Detail::Delivered { socket } => ("end", format!("delivered to a {socket} socket")),
            Detail::Consumed { by } => ("end", format!("handled by {by}")),
            Detail::Rule(note) => {
                let number = note.number.map_or("policy".to_owned(), |number| format!("rule {number}"));
                let chain = if note.chain == note.hook { String::new() } else { format!(", chain {}", note.chain) };
                let text = format!("{}{chain}, {number}: {} ({})", note.hook, note.verdict, note.text);
                (note.table, text)
            }
            Detail::Connection(text) => ("conntrack", text.to_string()),
            Detail::Rewritten(rewrite) => {
                let text = rewrite::words(&rewrite.before, &rewrite.after);
                (rewrite.by, format!("{}: {text}", rewrite.hook))
            }
            Detail::Encapsulated(note) => ("encap", tunnel::words(self.link(note.link.0, note.link.1), note)),
            Detail::Decapsulated(note) => ("decap", tunnel::words(self.link(note.link.0, note.link.1), note)),
            Detail::Miss { link: l, what: Miss::Mac(addr) } => {
                ("miss", format!("{} does not know which host {} is behind", link(*l), mac(addr)))
            }
            Detail::Miss { link: l, what: Miss::Ip(addr) } => {
                ("miss", format!("{} does not know the MAC address of {addr}", link(*l)))
            }
            Detail::Program(note) => ("tc", program(link(note.link), note)),
            Detail::Dropped { reason } => ("DROP", format!("{}: {}", reason.name(), reason.text())),
            _ => ("?", format!("{:?}", record.detail)),
        }
    }

    fn bridge_verdict(&self, ns: NsId, verdict: &BridgeVerdict) -> String {
        match verdict {
            BridgeVerdict::Forward { port } => format!("is behind {}", self.link(ns, *port)),
            BridgeVerdict::Flood { ports } => format!("goes to {ports} port(s)"),
            BridgeVerdict::Local => "is this host".into(),
            BridgeVerdict::LocalAndFlood { ports } => format!("goes to this host and {ports} port(s)"),
        }
    }
}

fn mac(bytes: &[u8; 6]) -> String {
    bytes.map(|b| format!("{b:02x}")).join(":")
}

fn table_name(table: u32) -> String {
    match table {
        253 => "default".into(),
        254 => "main".into(),
        255 => "local".into(),
        n => n.to_string(),
    }
}

fn protocol_name(protocol: u8) -> String {
    match protocol {
        1 => "icmp".into(),
        2 => "igmp".into(),
        4 => "ipip".into(),
        6 => "tcp".into(),
        17 => "udp".into(),
        n => n.to_string(),
    }
}

/// What a program of tc did, in words.
fn program(link: &str, note: &ProgramNote) -> String {
    let mut text = format!("{} at {} of {link}: {}", note.program, note.hook, note.verdict);
    if !note.why.is_empty() {
        text += &format!(", {}", note.why);
    }
    match note.identity {
        (0, 0) => text,
        (from, 0) => text + &format!(", from identity {from}"),
        (from, to) => text + &format!(", identity {from} to {to}"),
    }
}
