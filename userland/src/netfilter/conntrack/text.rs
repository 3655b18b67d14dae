//! Connections as text: the lines of `conntrack`, its XML, its saved form, and `/proc/net/nf_conntrack`. Models
//! `src/conntrack/snprintf_*.c` of libnetfilter_conntrack and `ct_seq_show` of the kernel.

use core::fmt::Write;

use hopwise_netfilter::conntrack::proto::Proto;
use hopwise_netfilter::conntrack::{Conn, ConnStatus, Direction, EventKind, EventMask, Zone, has_ports};
use hopwise_protocols::wire::ipv4::{IPPROTO_GRE, IPPROTO_ICMP};
use hopwise_sim_core::Time;

/// How connections are printed (`-o`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Format {
    pub(super) extended: bool,
    pub(super) id: bool,
    pub(super) ktimestamp: bool,
    pub(super) timestamp: bool,
    pub(super) xml: bool,
    pub(super) save: bool,
}

/// A connection with what a message says of it.
pub(super) struct Flow<'a> {
    pub(super) conn: &'a Conn,
    pub(super) now: Time,
    /// What happened, if this is an event.
    pub(super) event: Option<(EventKind, EventMask)>,
    /// How many use it (`use=`).
    pub(super) users: u32,
}

/// The name by which a protocol is listed.
fn protocol_name(protocol: u8) -> &'static str {
    match protocol {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        47 => "gre",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        _ => "unknown",
    }
}

/// The state of its protocol.
fn state(conn: &Conn) -> Option<&'static str> {
    match &conn.proto {
        Proto::Tcp(tcp) => Some(tcp.state.name()),
        Proto::Sctp(sctp) => Some(sctp.state.name()),
        _ => None,
    }
}

/// The connection's number: any that stays the same while it lives.
pub(super) fn id(conn: &Conn) -> u32 {
    let mixed = (conn.serial ^ 0x5851_f42d).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}

impl Flow<'_> {
    fn seconds(&self) -> u64 {
        self.conn.remaining(self.now).as_secs()
    }

    fn is(&self, kind: EventKind) -> bool {
        self.event.is_some_and(|event| event.0 == kind)
    }

    /// Counters are told in lists and at the end.
    fn has_counters(&self) -> bool {
        self.conn.counters.is_some() && (self.event.is_none() || self.is(EventKind::Destroy))
    }

    fn has_mark(&self) -> bool {
        match self.event {
            None => true,
            Some((EventKind::Destroy, _)) => self.conn.mark != 0,
            Some((_, changed)) => self.conn.mark != 0 || changed.contains(EventMask::MARK),
        }
    }

    /// The timeout is told unless it is over.
    fn has_timeout(&self) -> bool {
        !self.is(EventKind::Destroy) || self.seconds() > 0
    }

    /// Seconds since its beginning, where beginnings are kept.
    fn age(&self) -> Option<u64> {
        let shown = self.conn.stamped && (self.event.is_none() || self.is(EventKind::Destroy));
        shown.then(|| self.now.unix_nanos() / 1_000_000_000 - self.conn.started.unix_nanos() / 1_000_000_000)
    }

    /// In the format that is asked for, without a newline.
    pub(super) fn text(&self, format: Format) -> String {
        if format.save {
            return self.saved();
        }
        if format.xml {
            return self.xml();
        }
        let mut out = String::new();
        out.push_str(match self.event {
            Some((EventKind::New, _)) => "    [NEW] ",
            Some((EventKind::Update, _)) => " [UPDATE] ",
            Some((EventKind::Destroy, _)) => "[DESTROY] ",
            None => "",
        });
        if format.extended {
            out.push_str("ipv4     2 ");
        }
        self.line(&mut out);
        if let Some(age) = self.age() {
            let _ = write!(out, "delta-time={age} ");
            if format.ktimestamp {
                let _ = write!(out, "[start={}] ", asctime(self.conn.started));
                if self.is(EventKind::Destroy) {
                    let _ = write!(out, "[stop={}] ", asctime(self.now));
                }
            }
        }
        if self.event.is_none() {
            let _ = write!(out, "use={} ", self.users);
        }
        if format.id {
            let _ = write!(out, "id={} ", id(self.conn));
        }
        out.truncate(out.trim_end().len());
        out
    }

    /// From the protocol to the zone.
    fn line(&self, out: &mut String) {
        let conn = self.conn;
        let _ = write!(out, "{:<8} {} ", protocol_name(conn.protocol()), conn.protocol());
        if self.has_timeout() {
            let _ = write!(out, "{} ", self.seconds());
        }
        if let Some(state) = state(conn) {
            let _ = write!(out, "{state} ");
        }
        put_direction(out, conn, Direction::Original, self.has_counters());
        if !conn.status.contains(ConnStatus::SEEN_REPLY) {
            out.push_str("[UNREPLIED] ");
        }
        put_direction(out, conn, Direction::Reply, self.has_counters());
        if conn.status.contains(ConnStatus::ASSURED) {
            out.push_str("[ASSURED] ");
        }
        if self.has_mark() {
            let _ = write!(out, "mark={} ", conn.mark);
        }
        if conn.zones[0] == conn.zones[1] && conn.zones[0] != Zone(0) {
            let _ = write!(out, "zone={} ", conn.zones[0].0);
        }
    }

    fn xml(&self) -> String {
        let conn = self.conn;
        let mut out = String::from(match self.event {
            Some((EventKind::New, _)) => "<flow type=\"new\">",
            Some((EventKind::Update, _)) => "<flow type=\"update\">",
            Some((EventKind::Destroy, _)) => "<flow type=\"destroy\">",
            None => "<flow>",
        });
        for (direction, name) in [(Direction::Original, "original"), (Direction::Reply, "reply")] {
            self.xml_direction(&mut out, direction, name);
        }
        out.push_str("<meta direction=\"independent\">");
        let mut element = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                let _ = write!(out, "<{name}>{value}</{name}>");
            }
        };
        element("state", state(conn).map(str::to_owned));
        element("timeout", self.has_timeout().then(|| self.seconds().to_string()));
        element("mark", self.has_mark().then(|| conn.mark.to_string()));
        let zone = conn.zones[0];
        element("zone", (zone == conn.zones[1] && zone != Zone(0)).then(|| zone.0.to_string()));
        element("use", self.event.is_none().then(|| self.users.to_string()));
        element("id", Some(id(conn).to_string()));
        if conn.status.contains(ConnStatus::ASSURED) {
            out.push_str("<assured/>");
        }
        if !conn.status.contains(ConnStatus::SEEN_REPLY) {
            out.push_str("<unreplied/>");
        }
        if let Some(age) = self.age() {
            let _ = write!(out, "<deltatime>{age}</deltatime>");
        }
        out.push_str("</meta></flow>");
        out
    }

    fn xml_direction(&self, out: &mut String, direction: Direction, name: &str) {
        let tuple = self.conn.tuple(direction);
        let _ = write!(
            out,
            "<meta direction=\"{name}\"><layer3 protonum=\"2\" protoname=\"ipv4\"><src>{}</src><dst>{}</dst></layer3>\
             <layer4 protonum=\"{}\" protoname=\"{}\">",
            tuple.src.addr,
            tuple.dst.addr,
            tuple.protocol,
            protocol_name(tuple.protocol)
        );
        if has_ports(tuple.protocol) {
            let _ = write!(out, "<sport>{}</sport><dport>{}</dport>", tuple.src.port, tuple.dst.port);
        }
        if tuple.protocol == IPPROTO_GRE {
            let _ = write!(out, "<srckey>0x{:x}</srckey><dstkey>0x{:x}</dstkey>", tuple.src.port, tuple.dst.port);
        }
        out.push_str("</layer4>");
        if let Some(zone) = zone_of(self.conn, direction) {
            let _ = write!(out, "<zone>{zone}</zone>");
        }
        if let Some(counters) = self.conn.counters.filter(|_| self.has_counters()) {
            let counter = counters[direction as usize];
            let _ = write!(
                out,
                "<counters><packets>{}</packets><bytes>{}</bytes></counters>",
                counter.packets, counter.bytes
            );
        }
        out.push_str("</meta>");
    }

    /// As arguments of `conntrack` that make it again.
    fn saved(&self) -> String {
        let conn = self.conn;
        let mut out = String::from(match self.event {
            Some((EventKind::Update, _)) => "-U",
            Some((EventKind::Destroy, _)) => "-D",
            Some((EventKind::New, _)) | None => "-A",
        });
        let names = [
            (ConnStatus::SEEN_REPLY, "SEEN_REPLY"),
            (ConnStatus::ASSURED, "ASSURED"),
            (ConnStatus::FIXED_TIMEOUT, "FIXED_TIMEOUT"),
            (ConnStatus::EXPECTED, "EXPECTED"),
        ];
        let set: Vec<&str> = names.iter().filter(|row| conn.status.contains(row.0)).map(|row| row.1).collect();
        let status = if set.is_empty() { "UNSET".to_owned() } else { set.join(",") };
        let _ = write!(out, " -t {} -u {status}", self.seconds());
        match (zone_of(conn, Direction::Original), zone_of(conn, Direction::Reply)) {
            (None, None) if conn.zones[0] != Zone(0) => drop(write!(out, " -w {}", conn.zones[0].0)),
            (original, reply) => {
                for (option, zone) in [("--orig-zone", original), ("--reply-zone", reply)] {
                    if let Some(zone) = zone {
                        let _ = write!(out, " {option} {zone}");
                    }
                }
            }
        }
        let (original, reply) = (conn.tuple(Direction::Original), conn.tuple(Direction::Reply));
        let source = if reply.src.addr == original.dst.addr { "-r" } else { "-g" };
        let destination = if reply.dst.addr == original.src.addr { "-q" } else { "-n" };
        let _ = write!(
            out,
            " -s {} -d {} {source} {} {destination} {}",
            original.src.addr, original.dst.addr, reply.src.addr, reply.dst.addr
        );
        self.saved_protocol(&mut out);
        out
    }

    fn saved_protocol(&self, out: &mut String) {
        let conn = self.conn;
        let (original, reply) = (conn.tuple(Direction::Original), conn.tuple(Direction::Reply));
        match original.protocol {
            IPPROTO_ICMP => {
                let [kind, code] = original.dst.port.to_be_bytes();
                let id = original.src.port;
                let _ = write!(out, " -p icmp --icmp-type {kind} --icmp-code {code} --icmp-id {id}");
            }
            protocol if has_ports(protocol) => {
                let _ = write!(
                    out,
                    " -p {} --sport {} --dport {} --reply-port-src {} --reply-port-dst {}",
                    protocol_name(protocol),
                    original.src.port,
                    original.dst.port,
                    reply.src.port,
                    reply.dst.port
                );
            }
            IPPROTO_GRE => {
                let (from, to) = (original.src.port, original.dst.port);
                let (back, forth) = (reply.src.port, reply.dst.port);
                let _ =
                    write!(out, " -p gre --srckey {from} --dstkey {to} --reply-key-src {back} --reply-key-dst {forth}");
            }
            protocol => drop(write!(out, " -p {protocol}")),
        }
        if let Some(state) = state(conn) {
            let _ = write!(out, " --state {state}");
        }
        if let Proto::Sctp(sctp) = &conn.proto {
            let _ = write!(out, " --orig-vtag {} --reply-vtag {}", sctp.vtag[0], sctp.vtag[1]);
        }
    }
}

/// The zone of one direction alone.
fn zone_of(conn: &Conn, direction: Direction) -> Option<u16> {
    let zone = conn.zones[direction as usize];
    (conn.zones[0] != conn.zones[1] && zone != Zone(0)).then_some(zone.0)
}

fn put_direction(out: &mut String, conn: &Conn, direction: Direction, counters: bool) {
    let tuple = conn.tuple(direction);
    let _ = write!(out, "src={} dst={} ", tuple.src.addr, tuple.dst.addr);
    match tuple.protocol {
        IPPROTO_ICMP => {
            let [kind, code] = tuple.dst.port.to_be_bytes();
            let _ = write!(out, "type={kind} code={code} id={} ", tuple.src.port);
        }
        IPPROTO_GRE => drop(write!(out, "srckey=0x{:x} dstkey=0x{:x} ", tuple.src.port, tuple.dst.port)),
        protocol if has_ports(protocol) => drop(write!(out, "sport={} dport={} ", tuple.src.port, tuple.dst.port)),
        _ => {}
    }
    if let Some(zone) = zone_of(conn, direction) {
        let name = if direction == Direction::Original { "zone-orig" } else { "zone-reply" };
        let _ = write!(out, "{name}={zone} ");
    }
    if let Some(all) = conn.counters.filter(|_| counters) {
        let counter = all[direction as usize];
        let _ = write!(out, "packets={} bytes={} ", counter.packets, counter.bytes);
    }
}

/// A time as `asctime(3)` writes it, in UTC.
fn asctime(time: Time) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.unix_nanos() / 1_000_000_000;
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut left) = (1970, days);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 0;
    for len in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < len {
            break;
        }
        left -= len;
        month += 1;
    }
    format!(
        "{} {} {:2} {:02}:{:02}:{:02} {year}",
        DAYS[(days % 7) as usize],
        MONTHS[month],
        left + 1,
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// `/proc/net/nf_conntrack`: the kernel's own lines. `ct_seq_show`.
pub(crate) fn proc_file<'a>(conns: impl Iterator<Item = &'a Conn>, now: Time) -> String {
    let mut out = String::new();
    for conn in conns {
        let flow = Flow { conn, now, event: None, users: 2 };
        out.push_str("ipv4     2 ");
        flow.line(&mut out);
        if conn.zones == [Zone(0); 2] {
            out.push_str("zone=0 ");
        }
        if let Some(age) = flow.age() {
            let _ = write!(out, "delta-time={age} ");
        }
        out.push_str("use=2\n");
    }
    out
}
