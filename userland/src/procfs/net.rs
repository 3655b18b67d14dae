//! The files of `/proc/net`, one row each, as the kernel's `seq_file` code formats them.

use core::fmt::Write;
use core::net::Ipv4Addr;

use hopwise_protocols::fib::{NhFlags, RT_TABLE_MAIN, RTAX_ADVMSS, RTAX_RTT, RTAX_WINDOW, Route, RouteType};
use hopwise_protocols::neigh::Nud;
use hopwise_protocols::tcp::State;
use hopwise_sim_core::Time;
use hopwise_stack::Namespace;
use hopwise_stack::conf::ConfKey;
use hopwise_stack::socket::tcp::{Conn, Role};
use hopwise_stack::socket::{Socket, SocketKind};
use hopwise_stack::sysctl::SysctlKey;

/// A file.
pub struct File {
    /// Its name in `/proc/net`.
    pub name: &'static str,
    /// Makes its text.
    pub read: fn(&Namespace, Time) -> String,
}

/// All of them, in alphabetical order.
pub const FILES: &[File] = &[
    File { name: "arp", read: arp },
    File { name: "dev", read: dev },
    File { name: "ip_tables_matches", read: |_, _| super::rules::match_names() },
    // The tables of nf_tables are not told here.
    File { name: "ip_tables_names", read: |_, _| String::new() },
    File { name: "ip_tables_targets", read: |_, _| super::rules::target_names() },
    File { name: "netstat", read: |space, _| super::netstat::read(space) },
    File { name: "nf_conntrack", read: conntrack },
    File { name: "raw", read: super::sockets::raw },
    File { name: "route", read: route },
    File { name: "snmp", read: snmp },
    File { name: "sockstat", read: sockstat },
    File { name: "tcp", read: super::sockets::tcp },
    File { name: "udp", read: super::sockets::udp },
];

/// `ct_seq_show`.
fn conntrack(space: &Namespace, now: Time) -> String {
    let conns = space.conntrack.iter().flat_map(|table| table.list_at(now));
    crate::netfilter::conntrack::proc_file(conns, now)
}

/// `dev_seq_show`.
fn dev(space: &Namespace, _now: Time) -> String {
    let mut text = String::from(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n",
    );
    for dev in space.devs.iter() {
        let s = &dev.stats;
        let _ = writeln!(
            text,
            "{:>6}: {:>7} {:>7} {:>4} {:>4} {:>4} {:>5} {:>10} {:>9} {:>8} {:>7} {:>4} {:>4} {:>4} {:>5} {:>7} {:>10}",
            dev.name,
            s.rx_bytes,
            s.rx_packets,
            s.rx_errors,
            s.rx_dropped,
            0,
            s.rx_frame_errors,
            0,
            s.multicast,
            s.tx_bytes,
            s.tx_packets,
            s.tx_errors,
            s.tx_dropped,
            0,
            s.collisions,
            s.tx_carrier,
            0,
        );
    }
    text
}

/// `RTF_UP`, `RTF_GATEWAY`, `RTF_HOST`, `RTF_REJECT` of `linux/route.h`.
pub const RTF_UP: u32 = 1;
/// The next hop is a gateway.
pub const RTF_GATEWAY: u32 = 2;
/// The destination is a host.
pub const RTF_HOST: u32 = 4;
/// The route refuses.
pub const RTF_REJECT: u32 = 0x200;

/// A line of `/proc/net/route`: what the old programs know of a route.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RouteLine {
    /// The link, `*` if the route has none.
    pub dev: String,
    /// Destination.
    pub dst: Ipv4Addr,
    /// Gateway, 0.0.0.0 without one.
    pub gateway: Ipv4Addr,
    /// `RTF_*`.
    pub flags: u32,
    /// Metric.
    pub metric: u32,
    /// Mask of the destination.
    pub mask: Ipv4Addr,
    /// Segment size.
    pub mss: u32,
    /// Window.
    pub window: u32,
    /// Initial round-trip time in milliseconds.
    pub irtt: u32,
}

/// `fib_route_seq_show`: the routes of `main` but those to all and to groups.
pub fn route_lines(space: &Namespace) -> Vec<RouteLine> {
    let Some(main) = space.fib.table(RT_TABLE_MAIN) else { return Vec::new() };
    let shown = main.iter().filter(|r| !matches!(r.kind, RouteType::Broadcast | RouteType::Multicast));
    shown.map(|route| line(space, route)).collect()
}

fn line(space: &Namespace, route: &Route) -> RouteLine {
    let nexthop = route.nexthops.first();
    let gateway = nexthop.and_then(|nh| nh.via);
    let mut flags = if nexthop.is_some_and(|nh| nh.flags.contains(NhFlags::DEAD)) { 0 } else { RTF_UP };
    if matches!(route.kind, RouteType::Unreachable | RouteType::Prohibit) {
        flags |= RTF_REJECT;
    }
    if gateway.is_some() {
        flags |= RTF_GATEWAY;
    }
    if route.dst.prefix_len() == 32 {
        flags |= RTF_HOST;
    }
    let mss = route.rtax(RTAX_ADVMSS);
    let with_dev = nexthop.is_some();
    RouteLine {
        dev: nexthop.map_or("*".to_owned(), |nh| space.name_of(nh.dev).to_owned()),
        dst: route.dst.addr(),
        gateway: gateway.unwrap_or(Ipv4Addr::UNSPECIFIED),
        flags,
        metric: if with_dev { route.metric } else { 0 },
        mask: route.dst.netmask(),
        mss: if with_dev && mss != 0 { mss + 40 } else { 0 },
        window: if with_dev { route.rtax(RTAX_WINDOW) } else { 0 },
        irtt: if with_dev { route.rtax(RTAX_RTT) >> 3 } else { 0 },
    }
}

fn route(space: &Namespace, _now: Time) -> String {
    let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT";
    // Addresses in the byte order of the machine, which is little-endian.
    let hex = |addr: Ipv4Addr| u32::from_le_bytes(addr.octets());
    let mut text = format!("{head:<127}\n");
    for l in route_lines(space) {
        let row = format!(
            "{}\t{:08X}\t{:08X}\t{:04X}\t0\t0\t{}\t{:08X}\t{}\t{}\t{}",
            l.dev,
            hex(l.dst),
            hex(l.gateway),
            l.flags,
            l.metric,
            hex(l.mask),
            l.mss,
            l.window,
            l.irtt
        );
        let _ = writeln!(text, "{row:<127}");
    }
    text
}

/// `ATF_COM`, `ATF_PERM`, `ATF_PUBL` of `linux/if_arp.h`: resolved.
pub const ATF_COM: u32 = 0x02;
/// Set by hand.
pub const ATF_PERM: u32 = 0x04;
/// Answered for.
pub const ATF_PUBL: u32 = 0x08;

/// A line of `/proc/net/arp`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ArpLine {
    /// The neighbour.
    pub addr: Ipv4Addr,
    /// `ATF_*`.
    pub flags: u32,
    /// Its link-layer address, zeros if unknown.
    pub lladdr: String,
    /// What kind of link-layer addresses its link has (`ARPHRD_*`).
    pub hw: u16,
    /// The link, `*` for a proxy entry on all links.
    pub dev: String,
}

/// `arp_seq_show`: the neighbours that are asked for, then those answered for.
pub fn arp_lines(space: &Namespace) -> Vec<ArpLine> {
    let zero = "00:00:00:00:00:00";
    let mut lines = Vec::new();
    for entry in space.neigh.iter().filter(|e| !e.state().contains(Nud::NOARP)) {
        let flags = if entry.state().contains(Nud::PERMANENT) {
            ATF_PERM | ATF_COM
        } else if entry.state().intersects(Nud::VALID) {
            ATF_COM
        } else {
            0
        };
        lines.push(ArpLine {
            addr: entry.addr(),
            flags,
            // arp_format_neigh_entry: as many bytes as the link's addresses have.
            lladdr: entry.lladdr().map_or(zero.to_owned(), |mac| {
                let len = space.devs.get(entry.dev()).map_or(6, |dev| dev.hw_addr_len());
                let bytes: Vec<String> = mac.0.iter().take(len).map(|byte| format!("{byte:02x}")).collect();
                bytes.join(":")
            }),
            hw: space.devs.get(entry.dev()).map_or(1, |dev| dev.hw.number()),
            dev: space.name_of(entry.dev()).to_owned(),
        });
    }
    for (addr, dev) in space.neigh.proxies() {
        let dev = if dev.is_some() { space.name_of(dev) } else { "*" }.to_owned();
        lines.push(ArpLine { addr, flags: ATF_PUBL | ATF_PERM, lladdr: zero.to_owned(), hw: 1, dev });
    }
    lines
}

fn arp(space: &Namespace, _now: Time) -> String {
    let mut text = String::from("IP address       HW type     Flags       HW address            Mask     Device\n");
    for l in arp_lines(space) {
        let addr = l.addr.to_string();
        let _ = writeln!(text, "{addr:<16} 0x{:<10x}0x{:<10x}{:<17}     *        {}", l.hw, l.flags, l.lladdr, l.dev);
    }
    text
}

/// `sockstat_seq_show`. UDP sockets count from the time they have a port. There is no memory that all sockets share.
fn sockstat(space: &Namespace, _now: Time) -> String {
    let count = |wanted: fn(&Socket) -> bool| space.sockets.iter().filter(|(_, socket)| wanted(socket)).count();
    let udp = count(|socket| socket.kind == SocketKind::Udp && socket.local.1 != 0);
    let raw = count(|socket| matches!(socket.kind, SocketKind::Raw { .. }));
    let tcp = &space.sockets.tcp;
    let conns = |wanted: fn(&Conn) -> bool| tcp.iter().filter(|(_, conn)| wanted(conn)).count();
    let waiting = conns(|conn| conn.end.state() == State::TimeWait);
    let orphans = conns(|conn| conn.end.is_orphan() && conn.end.state() != State::TimeWait);
    let in_use = conns(|conn| !matches!(conn.end.state(), State::TimeWait | State::Close) && !conn.end.is_embryo())
        + count(|socket| matches!(socket.tcp, Role::Listen(_)));
    let alloc = count(|socket| socket.kind == SocketKind::Tcp) + orphans;
    format!(
        "sockets: used {}\nTCP: inuse {in_use} orphan {orphans} tw {waiting} alloc {alloc} mem 0\nUDP: inuse {udp} mem 0\nUDPLITE: inuse 0\n\
         RAW: inuse {raw}\nFRAG: inuse {} memory {}\n",
        count(|_| true),
        space.frags.len(),
        space.frags.memory()
    )
}

/// Two lines: names, then values.
fn pair(text: &mut String, group: &str, rows: &[(String, String)]) {
    let names: String = rows.iter().map(|(name, _)| format!(" {name}")).collect();
    let values: String = rows.iter().map(|(_, value)| format!(" {value}")).collect();
    let _ = write!(text, "{group}:{names}\n{group}:{values}\n");
}

fn counters(space: &Namespace, group: &str) -> Vec<(String, String)> {
    let rows = space.snmp.rows().into_iter().filter(|row| row.0 == group);
    rows.map(|(_, name, value)| (name.to_owned(), value.to_string())).collect()
}

/// `snmp_seq_show`.
fn snmp(space: &Namespace, _now: Time) -> String {
    let mut text = String::new();
    let forwarding = if space.conf_all[ConfKey::Forwarding] == 0 { 2 } else { 1 };
    let mut ip = vec![
        ("Forwarding".to_owned(), forwarding.to_string()),
        ("DefaultTTL".to_owned(), space.sysctl[SysctlKey::IpDefaultTtl].to_string()),
    ];
    ip.extend(counters(space, "Ip"));
    pair(&mut text, "Ip", &ip);
    pair(&mut text, "Icmp", &counters(space, "Icmp"));
    let by_type = |kinds: &std::collections::BTreeMap<u8, u64>, word: &str| -> Vec<(String, String)> {
        kinds.iter().filter(|(_, n)| **n != 0).map(|(kind, n)| (format!("{word}{kind}"), n.to_string())).collect()
    };
    let mut messages = by_type(&space.snmp.icmp_in, "InType");
    messages.extend(by_type(&space.snmp.icmp_out, "OutType"));
    if !messages.is_empty() {
        pair(&mut text, "IcmpMsg", &messages);
    }
    let fixed = [("RtoAlgorithm", 1), ("RtoMin", 200), ("RtoMax", 120_000), ("MaxConn", -1)];
    let mut tcp: Vec<(String, String)> = fixed.iter().map(|(name, n)| ((*name).to_owned(), n.to_string())).collect();
    tcp.extend(counters(space, "Tcp"));
    let open = |conn: &Conn| matches!(conn.end.state(), State::Established | State::CloseWait);
    let open = space.sockets.tcp.iter().filter(|(_, conn)| open(conn)).count();
    tcp.insert(8, ("CurrEstab".to_owned(), open.to_string()));
    pair(&mut text, "Tcp", &tcp);
    let udp = counters(space, "Udp");
    pair(&mut text, "Udp", &udp);
    let lite: Vec<(String, String)> = udp.into_iter().map(|(name, _)| (name, "0".to_owned())).collect();
    pair(&mut text, "UdpLite", &lite);
    text
}
