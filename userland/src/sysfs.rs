//! `/sys/class/net`: one folder per link of the namespace, with the files that scripts read. Models
//! `net/core/net-sysfs.c`, `net/bridge/br_sysfs_br.c`, `br_sysfs_if.c`.

use hopwise_devices::bridge::options;
use hopwise_devices::tun::Tun;
use hopwise_devices::{HwType, Kind, LinkFlags};
use hopwise_machine::DirEntry;
use hopwise_machine::files::FileKind;
use hopwise_sim_core::{Errno, IfIndex, NsId};
use hopwise_stack::control::bridge::PortOption;
use hopwise_stack::{Dev, Namespace, Network};

use crate::ethtool::{self, Cable};
use crate::kernel::SimKernel;

/// Where it all is.
const ROOT: &str = "/sys/class/net";

/// What reading a file gives: its text without the line end.
type Content = Result<String, Errno>;

/// A file of a link: its name and content.
struct Row {
    name: &'static str,
    read: fn(&Dev) -> Content,
}

/// The files of every link.
static FILES: &[Row] = &[
    Row { name: "addr_assign_type", read: |d| Ok(assign_type(d).to_string()) },
    Row { name: "addr_len", read: |d| Ok(d.hw_addr_len().to_string()) },
    Row { name: "address", read: |d| Ok(address(d, d.address_shown())) },
    Row { name: "broadcast", read: |d| Ok(address(d, d.broadcast_shown())) },
    Row { name: "carrier", read: |d| running(d, || u8::from(d.carrier).to_string()) },
    Row { name: "carrier_changes", read: |d| Ok(d.carrier_changes.to_string()) },
    Row { name: "carrier_down_count", read: |d| Ok(d.carrier_changes.div_ceil(2).to_string()) },
    Row { name: "carrier_up_count", read: |d| Ok((d.carrier_changes / 2).to_string()) },
    Row { name: "dev_id", read: |_| Ok("0x0".into()) },
    Row { name: "dev_port", read: |_| Ok("0".into()) },
    Row { name: "dormant", read: |d| running(d, || "0".into()) },
    Row { name: "flags", read: |d| Ok(format!("{:#x}", flags(d).bits())) },
    Row { name: "gro_flush_timeout", read: |_| Ok("0".into()) },
    Row { name: "ifalias", read: |d| Ok(d.alias.as_deref().unwrap_or_default().into()) },
    Row { name: "ifindex", read: |d| Ok(d.index.to_string()) },
    Row { name: "iflink", read: |d| Ok(d.iflink().to_string()) },
    Row { name: "link_mode", read: |d| Ok(u8::from(d.mode_dormant).to_string()) },
    Row { name: "mtu", read: |d| Ok(d.mtu.to_string()) },
    Row { name: "name_assign_type", read: name_assign_type },
    Row { name: "napi_defer_hard_irqs", read: |_| Ok("0".into()) },
    Row { name: "netdev_group", read: |d| Ok(d.group.to_string()) },
    Row { name: "operstate", read: |d| Ok(d.operstate_shown().name().to_lowercase()) },
    Row { name: "proto_down", read: |_| Ok("0".into()) },
    Row { name: "testing", read: |d| running(d, || "0".into()) },
    Row { name: "threaded", read: |_| Ok("0".into()) },
    Row { name: "tx_queue_len", read: |d| Ok(d.tx_queue_len.to_string()) },
    Row { name: "type", read: |d| Ok(d.hw.number().to_string()) },
    Row { name: "uevent", read: |d| Ok(uevent(d)) },
];

/// A file of a tun: its name and content.
type TunFile = (&'static str, fn(&Tun) -> String);

/// The files that a tun has besides.
static TUN_FILES: &[TunFile] = &[
    ("group", |tun| tun.group.map_or_else(|| "-1".into(), |id| id.to_string())),
    ("owner", |tun| tun.owner.map_or_else(|| "-1".into(), |id| id.to_string())),
    ("tun_flags", |tun| format!("{:#x}", tun.flags.bits())),
];

/// A counter of `statistics/`: its name and value.
type Counter = (&'static str, fn(&Dev) -> u64);

/// The files of `statistics/`.
static STATISTICS: &[Counter] = &[
    ("collisions", |d| d.stats.collisions),
    ("multicast", |d| d.stats.multicast),
    ("rx_bytes", |d| d.stats.rx_bytes),
    ("rx_compressed", |_| 0),
    ("rx_crc_errors", |_| 0),
    ("rx_dropped", |d| d.stats.rx_dropped),
    ("rx_errors", |d| d.stats.rx_errors),
    ("rx_fifo_errors", |_| 0),
    ("rx_frame_errors", |d| d.stats.rx_frame_errors),
    ("rx_length_errors", |_| 0),
    ("rx_missed_errors", |_| 0),
    ("rx_nohandler", |_| 0),
    ("rx_over_errors", |_| 0),
    ("rx_packets", |d| d.stats.rx_packets),
    ("tx_aborted_errors", |_| 0),
    ("tx_bytes", |d| d.stats.tx_bytes),
    ("tx_carrier_errors", |d| d.stats.tx_carrier),
    ("tx_compressed", |_| 0),
    ("tx_dropped", |d| d.stats.tx_dropped),
    ("tx_errors", |d| d.stats.tx_errors),
    ("tx_fifo_errors", |_| 0),
    ("tx_heartbeat_errors", |_| 0),
    ("tx_packets", |d| d.stats.tx_packets),
    ("tx_window_errors", |_| 0),
];

/// The names that options of a port have in `brport/`, with those of `bridge link set`.
static BRPORT: &[(&str, &str)] = &[
    ("bpdu_guard", "guard"),
    ("broadcast_flood", "bcast_flood"),
    ("hairpin_mode", "hairpin"),
    ("isolated", "isolated"),
    ("learning", "learning"),
    ("multicast_fast_leave", "fastleave"),
    ("multicast_flood", "mcast_flood"),
    ("multicast_router", "mcast_router"),
    ("multicast_to_unicast", "mcast_to_unicast"),
    ("neigh_suppress", "neigh_suppress"),
    ("path_cost", "cost"),
    ("priority", "priority"),
    ("proxyarp", "proxy_arp"),
    ("proxyarp_wifi", "proxy_arp_wifi"),
    ("root_block", "root_block"),
    ("state", "state"),
    ("unicast_flood", "flood"),
];

/// Who chose the name: the kernel (`lo`), a person at first or later. A tun does not say.
fn name_assign_type(dev: &Dev) -> Content {
    match dev.kind {
        Kind::Tun(_) => Err(Errno::EINVAL),
        Kind::Loopback => Ok("2".into()),
        _ if dev.renamed => Ok("4".into()),
        _ => Ok("3".into()),
    }
}

/// A link-layer address in bytes, also that of a tunnel (`sysfs_format_mac`).
fn address(dev: &Dev, shown: String) -> String {
    match shown.parse::<core::net::Ipv4Addr>() {
        Ok(addr) if dev.hw == HwType::Tunnel => addr.octets().map(|byte| format!("{byte:02x}")).join(":"),
        _ => shown,
    }
}

/// `NET_ADDR_PERM`, `NET_ADDR_RANDOM`, `NET_ADDR_STOLEN`, `NET_ADDR_SET`.
fn assign_type(dev: &Dev) -> u8 {
    match &dev.kind {
        _ if dev.addr_set => 3,
        Kind::Loopback | Kind::Ipip(_) | Kind::Ipvlan(_) => 0,
        Kind::Vlan(vlan) if vlan.inherits => 2,
        _ => 1,
    }
}

/// What can only be read while the link is up.
fn running(dev: &Dev, read: impl FnOnce() -> String) -> Content {
    if dev.is_up() { Ok(read()) } else { Err(Errno::EINVAL) }
}

/// What only a link that is up says of its cable (`speed_show`, `duplex_show`).
fn cable(net: &Network, ns: NsId, dev: &Dev, file: &str) -> Content {
    let known = ethtool::cable(net, ns, dev);
    match (known, file) {
        _ if !dev.is_up() => Err(Errno::EINVAL),
        (Cable::Unknown, "speed") if dev.kind.bridge().is_some() => Ok("-1".into()),
        (Cable::Unknown, _) if dev.kind.bridge().is_none() => Err(Errno::EINVAL),
        (_, "speed") => Ok("10000".into()),
        (Cable::Whole, _) => Ok("full".into()),
        _ => Ok("unknown".into()),
    }
}

/// `dev->flags`: as the device has them, not as netlink reports them.
fn flags(dev: &Dev) -> LinkFlags {
    let mut flags = dev.flags;
    flags.set(LinkFlags::PROMISC, dev.promiscuity > 0);
    flags.set(LinkFlags::ALLMULTI, dev.allmulti > 0);
    flags
}

fn uevent(dev: &Dev) -> String {
    // SET_NETDEV_DEVTYPE of each driver.
    let kind = match dev.kind {
        Kind::Bridge(_) => "DEVTYPE=bridge\n",
        Kind::Vxlan(_) => "DEVTYPE=vxlan\n",
        Kind::Vlan(_) => "DEVTYPE=vlan\n",
        _ => "",
    };
    format!("{kind}INTERFACE={}\nIFINDEX={}", dev.name, dev.index)
}

/// The symbolic links of a link's folder, with the link that each leads to: its master, and who stands on whom
/// (`netdev_adjacent_sysfs_add`).
fn neighbours(space: &Namespace, dev: &Dev) -> Vec<(String, String)> {
    let name = |link: IfIndex| space.devs.get(link).map(|dev| dev.name.to_string());
    let stands_on = |dev: &Dev| {
        let lower = dev.kind.lower().filter(|(ns, _)| *ns == space.id).map(|(_, link)| link);
        lower.or_else(|| Some(dev.kind.vxlan()?.config.dev)).filter(|link| link.is_some())
    };
    let mut all = Vec::new();
    let mut add = |how: &str, link: IfIndex| all.extend(name(link).map(|name| (format!("{how}{name}"), name)));
    if let Some(lower) = stands_on(dev) {
        add("lower_", lower);
    }
    for other in space.devs.iter() {
        if stands_on(other) == Some(dev.index) {
            add("upper_", other.index);
        }
        if other.master == dev.index {
            add("lower_", other.index);
        }
    }
    if dev.master.is_some() {
        add("upper_", dev.master);
        all.extend(name(dev.master).map(|name| ("master".to_owned(), name)));
    }
    all
}

/// A path with the symbolic links in its middle followed: `v0/master/address` is `br0/address`.
fn follow(space: &Namespace, path: &str) -> Option<String> {
    let (mut name, mut rest) = split(path)?;
    let mut owned;
    while let Some((first, more)) = rest.split_once('/') {
        let found = neighbours(space, space.devs.find(name)?).into_iter().find(|(link, _)| link == first);
        let Some((_, next)) = found else { break };
        (owned, rest) = (next, more);
        name = &owned;
    }
    Some(format!("{ROOT}/{name}/{rest}"))
}

/// Where a symbolic link points; `None` if there is none of that path.
pub fn link(kernel: &SimKernel, ns: NsId, path: &str) -> Option<String> {
    let (name, file) = split(path)?;
    let space = kernel.net.ns(ns)?;
    let dev = space.devs.find(name)?;
    if file == "subsystem" {
        return Some("../../../../class/net".to_owned());
    }
    if file == "brport/bridge" {
        return Some(format!("../../{}", space.name_of(dev.port.as_deref()?.bridge)));
    }
    let found = neighbours(space, dev).into_iter().find(|(link, _)| link == file);
    found.map(|(_, name)| format!("../{name}"))
}

/// The folders of a link's queues: those for receiving, then those for sending that it uses.
fn queues(dev: &Dev) -> Vec<String> {
    let rx = if dev.kind.veth().is_some() { dev.sizes.used_tx_queues } else { dev.sizes.rx_queues };
    (0..rx).map(|n| format!("rx-{n}")).chain((0..dev.sizes.used_tx_queues).map(|n| format!("tx-{n}"))).collect()
}

/// The link's name and the path below its folder, for a path under `/sys/class/net`.
fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(ROOT)?.strip_prefix('/')?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// Reads a file; `None` if there is none of that path.
pub fn read(kernel: &mut SimKernel, ns: NsId, path: &str) -> Option<Result<Vec<u8>, Errno>> {
    let space = kernel.net.ns(ns)?;
    let path = follow(space, path)?;
    let (name, file) = split(&path)?;
    let dev = space.devs.find(name)?;
    let content = match file.split_once('/') {
        None if matches!(file, "speed" | "duplex") => cable(&kernel.net, ns, dev, file),
        None => match (FILES.iter().find(|row| row.name == file), dev.kind.tun()) {
            (Some(row), _) => (row.read)(dev),
            (None, tun) => Ok((TUN_FILES.iter().find(|(name, _)| *name == file)?.1)(tun?)),
        },
        Some(("statistics", counter)) => {
            let (_, read) = STATISTICS.iter().find(|(name, _)| *name == counter)?;
            Ok(read(dev).to_string())
        }
        Some(("bridge", option)) => bridge_file(dev, option)?,
        Some(("brport", option)) => port_file(space, dev, option)?,
        _ => return None,
    };
    Some(content.map(|mut text| {
        // An alias that is not set is an empty file.
        if !(file == "ifalias" && text.is_empty()) {
            text.push('\n');
        }
        text.into_bytes()
    }))
}

/// The name that an option of `bridge/` has in `ip link`.
fn option_word(file: &str) -> String {
    match file {
        "hash_elasticity" | "hash_max" => format!("mcast_{file}"),
        file => file.strip_prefix("multicast_").map_or_else(|| file.to_owned(), |rest| format!("mcast_{rest}")),
    }
}

fn bridge_file(dev: &Dev, file: &str) -> Option<Content> {
    let bridge = dev.kind.bridge()?;
    Some(Ok(match file {
        "bridge_id" | "root_id" => bridge.id_text(),
        "group_addr" => "01:80:c2:00:00:00".into(),
        "group_fwd_mask" => format!("{:#x}", bridge.group_fwd_mask),
        "flush" => return Some(Err(Errno::EACCES)),
        "root_path_cost"
        | "root_port"
        | "topology_change"
        | "topology_change_detected"
        | "hello_timer"
        | "tcn_timer"
        | "topology_change_timer"
        | "gc_timer" => "0".into(),
        file => bridge.option(options::find(&option_word(file))?).to_string(),
    }))
}

fn port_file(space: &Namespace, dev: &Dev, file: &str) -> Option<Content> {
    let port = dev.port.as_deref()?;
    let id = (u16::from(port.priority) << 10) | port.number;
    let bridge = || space.devs.get(port.bridge).and_then(|d| d.kind.bridge()).map(|b| b.id_text());
    Some(Ok(match file {
        "port_id" => format!("{id:#x}"),
        "port_no" => format!("{:#x}", port.number),
        "designated_port" => id.to_string(),
        "designated_bridge" | "designated_root" => bridge()?,
        "designated_cost"
        | "change_ack"
        | "config_pending"
        | "hold_timer"
        | "message_age_timer"
        | "forward_delay_timer" => "0".into(),
        "backup_port" => String::new(),
        "group_fwd_mask" => "0x0".into(),
        "flush" => return Some(Err(Errno::EACCES)),
        file => {
            let (_, word) = BRPORT.iter().find(|(name, _)| *name == file)?;
            PortOption::find(word)?.get(port).to_string()
        }
    }))
}

/// Writes to a file; `None` if there is none of that path.
pub fn write(kernel: &mut SimKernel, ns: NsId, path: &str, data: &[u8]) -> Option<Result<(), Errno>> {
    let (name, file) = split(path)?;
    let link = kernel.net.ns(ns)?.devs.index_of(name)?;
    let text = String::from_utf8_lossy(data);
    let text = text.trim_end();
    let number = crate::ip::args::unsigned(text.trim()).ok_or(Errno::EINVAL);
    let net = &mut kernel.net;
    let small = |n: u64| u32::try_from(n).map_err(|_| Errno::EINVAL);
    let done = match file.split_once('/') {
        None => match file {
            "mtu" => number.and_then(small).and_then(|n| net.set_link_mtu(ns, link, n).map_err(|e| e.errno)),
            "tx_queue_len" => {
                number.and_then(small).and_then(|n| net.set_link_txqlen(ns, link, n).map_err(|e| e.errno))
            }
            "netdev_group" => number.and_then(small).and_then(|n| net.set_link_group(ns, link, n).map_err(|e| e.errno)),
            "carrier" => number.and_then(|n| net.set_link_carrier(ns, link, n != 0).map_err(|e| e.errno)),
            "ifalias" => net.set_link_alias(ns, link, text).map_err(|e| e.errno),
            "flags" => number.and_then(|n| set_flags(net, ns, link, n)),
            _ => return FILES.iter().any(|row| row.name == file).then_some(Err(Errno::EACCES)),
        },
        Some(("bridge", "flush")) => net.bridge_flush(ns, link, None).map_err(|e| e.errno),
        Some(("bridge", option)) => {
            let row = options::find(&option_word(option))?;
            number.and_then(|n| net.set_bridge_option(ns, link, row, n).map_err(|e| e.errno))
        }
        Some(("brport", option)) => {
            let (_, word) = BRPORT.iter().find(|(name, _)| *name == option)?;
            let option = PortOption::find(word)?;
            number.and_then(|n| net.set_port_option(ns, link, option, n).map_err(|e| e.errno))
        }
        _ => return None,
    };
    Some(done)
}

/// Writing `flags` sets the link up and down, and promiscuous.
fn set_flags(net: &mut hopwise_stack::Network, ns: NsId, link: IfIndex, bits: u64) -> Result<(), Errno> {
    use hopwise_stack::control::link::FlagChange::{AllMulti, Arp, Multicast, Promisc};
    let flags = LinkFlags::from_bits_truncate(u32::try_from(bits).map_err(|_| Errno::EINVAL)?);
    for (change, on) in [
        (Arp, !flags.contains(LinkFlags::NOARP)),
        (Multicast, flags.contains(LinkFlags::MULTICAST)),
        (Promisc, flags.contains(LinkFlags::PROMISC)),
        (AllMulti, flags.contains(LinkFlags::ALLMULTI)),
    ] {
        net.set_link_flags(ns, link, change, on).map_err(|e| e.errno)?;
    }
    net.set_link_up(ns, link, flags.contains(LinkFlags::UP)).map_err(|e| e.errno)
}

/// Lists a folder; `None` if there is none of that path.
pub fn list(kernel: &SimKernel, ns: NsId, dir: &str) -> Option<Vec<DirEntry>> {
    let entry = |name: &str, kind| DirEntry { name: name.to_owned(), kind };
    let file = |name: &str| entry(name, FileKind::File);
    match dir {
        "/sys" => return Some(vec![entry("class", FileKind::Dir)]),
        "/sys/class" => return Some(vec![entry("net", FileKind::Dir)]),
        _ => {}
    }
    let space = kernel.net.ns(ns)?;
    if dir == ROOT {
        let mut links: Vec<DirEntry> = space.devs.iter().map(|d| entry(&d.name, FileKind::Dir)).collect();
        links.sort();
        return Some(links);
    }
    let (name, folder) = split(dir)?;
    let dev = space.devs.find(name)?;
    let bridge = dev.kind.bridge();
    let mut found: Vec<DirEntry> = match folder {
        "" => {
            let folders = [
                ("power", true),
                ("queues", true),
                ("statistics", true),
                ("bridge", bridge.is_some()),
                ("brif", bridge.is_some()),
                ("brport", dev.port.is_some()),
            ];
            let folders = folders.iter().filter(|(_, there)| *there).map(|(name, _)| entry(name, FileKind::Dir));
            let own = TUN_FILES.iter().filter(|_| dev.kind.tun().is_some()).map(|(name, _)| file(name));
            let cable = ["duplex", "speed"].map(file);
            let links = neighbours(space, dev).into_iter().map(|(name, _)| entry(&name, FileKind::Symlink));
            let links = links.chain([entry("subsystem", FileKind::Symlink)]);
            folders.chain(FILES.iter().map(|row| file(row.name))).chain(own).chain(cable).chain(links).collect()
        }
        "power" => Vec::new(),
        "queues" => queues(dev).iter().map(|name| entry(name, FileKind::Dir)).collect(),
        "statistics" => STATISTICS.iter().map(|(name, _)| file(name)).collect(),
        "brif" => bridge?.ports.iter().map(|p| entry(space.name_of(*p), FileKind::Dir)).collect(),
        "bridge" => {
            bridge?;
            let timers = ["gc_timer", "hello_timer", "tcn_timer", "topology_change_timer"].map(file);
            let state = ["root_path_cost", "root_port", "topology_change", "topology_change_detected"].map(file);
            let plain =
                ["bridge_id", "root_id", "group_addr", "flush"].map(file).into_iter().chain(timers).chain(state);
            let options = options::OPTIONS.iter().map(|row| match row.word.strip_prefix("mcast_") {
                Some("vlan_snooping") | None => row.word.to_owned(),
                Some(rest) if rest.starts_with("hash_") => rest.to_owned(),
                Some(rest) => format!("multicast_{rest}"),
            });
            options.filter(|name| !name.contains("vlan")).map(|name| file(&name)).chain(plain).collect()
        }
        "brport" => {
            dev.port.as_ref()?;
            let plain = ["port_id", "port_no", "designated_port", "designated_bridge", "designated_root", "flush"];
            let state = ["change_ack", "config_pending", "designated_cost", "backup_port", "group_fwd_mask"];
            let timers = ["forward_delay_timer", "hold_timer", "message_age_timer"];
            let all = plain.map(file).into_iter().chain(state.map(file)).chain(timers.map(file));
            let bridge = [entry("bridge", FileKind::Symlink)];
            BRPORT.iter().map(|(name, _)| file(name)).chain(all).chain(bridge).collect()
        }
        _ => return None,
    };
    found.sort();
    Some(found)
}
