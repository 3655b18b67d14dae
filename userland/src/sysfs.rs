//! `/sys/class/net`: one folder per link of the namespace, with the files that scripts read. Models
//! `net/core/net-sysfs.c`, `net/bridge/br_sysfs_br.c`, `br_sysfs_if.c`.

use hopwise_devices::bridge::options;
use hopwise_devices::tun::Tun;
use hopwise_devices::{HwType, Kind, LinkFlags};
use hopwise_machine::DirEntry;
use hopwise_machine::files::FileKind;
use hopwise_sim_core::{Errno, IfIndex, NsId};
use hopwise_stack::control::bridge::PortOption;
use hopwise_stack::{Dev, Namespace};

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
    Row { name: "duplex", read: |d| ethtool(d).map(|()| duplex(d).into()) },
    Row { name: "flags", read: |d| Ok(format!("{:#x}", flags(d).bits())) },
    Row { name: "ifalias", read: |d| Ok(d.alias.as_deref().unwrap_or_default().into()) },
    Row { name: "ifindex", read: |d| Ok(d.index.to_string()) },
    Row { name: "iflink", read: |d| Ok(d.iflink().to_string()) },
    Row { name: "link_mode", read: |d| Ok(u8::from(d.mode_dormant).to_string()) },
    Row { name: "mtu", read: |d| Ok(d.mtu.to_string()) },
    Row { name: "name_assign_type", read: |d| Ok(if is_lo(d) { "2" } else { "3" }.into()) },
    Row { name: "netdev_group", read: |d| Ok(d.group.to_string()) },
    Row { name: "operstate", read: |d| Ok(d.operstate_shown().name().to_lowercase()) },
    Row { name: "proto_down", read: |_| Ok("0".into()) },
    Row { name: "speed", read: |d| ethtool(d).map(|()| "10000".into()) },
    Row { name: "testing", read: |d| running(d, || "0".into()) },
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

fn is_lo(dev: &Dev) -> bool {
    matches!(dev.kind, Kind::Loopback)
}

/// `NET_ADDR_PERM`, `NET_ADDR_RANDOM`, `NET_ADDR_SET`.
/// A link-layer address in bytes, also that of a tunnel (`sysfs_format_mac`).
fn address(dev: &Dev, shown: String) -> String {
    match shown.parse::<core::net::Ipv4Addr>() {
        Ok(addr) if dev.hw == HwType::Tunnel => addr.octets().map(|byte| format!("{byte:02x}")).join(":"),
        _ => shown,
    }
}

fn assign_type(dev: &Dev) -> u8 {
    match (dev.addr_set, is_lo(dev)) {
        (true, _) => 3,
        (false, true) => 0,
        (false, false) => 1,
    }
}

/// What can only be read while the link is up.
fn running(dev: &Dev, read: impl FnOnce() -> String) -> Content {
    if dev.is_up() { Ok(read()) } else { Err(Errno::EINVAL) }
}

/// What only a link that is up and has a speed says.
fn ethtool(dev: &Dev) -> Result<(), Errno> {
    let has_speed = dev.kind.ops().speed.is_some() || dev.kind.bridge().is_some();
    if dev.is_up() && has_speed { Ok(()) } else { Err(Errno::EINVAL) }
}

fn duplex(dev: &Dev) -> &'static str {
    if dev.kind.bridge().is_some() { "unknown" } else { "full" }
}

/// `dev->flags`: as the device has them, not as netlink reports them.
fn flags(dev: &Dev) -> LinkFlags {
    let mut flags = dev.flags;
    flags.set(LinkFlags::PROMISC, dev.promiscuity > 0);
    flags.set(LinkFlags::ALLMULTI, dev.allmulti > 0);
    flags
}

fn uevent(dev: &Dev) -> String {
    let kind = if dev.kind.bridge().is_some() { "DEVTYPE=bridge\n" } else { "" };
    format!("{kind}INTERFACE={}\nIFINDEX={}", dev.name, dev.index)
}

/// The link's name and the path below its folder, for a path under `/sys/class/net`.
fn split(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(ROOT)?.strip_prefix('/')?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// Reads a file; `None` if there is none of that path.
pub fn read(kernel: &mut SimKernel, ns: NsId, path: &str) -> Option<Result<Vec<u8>, Errno>> {
    let (name, file) = split(path)?;
    let space = kernel.net.ns(ns)?;
    let dev = space.devs.find(name)?;
    let content = match file.split_once('/') {
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
                ("statistics", true),
                ("bridge", bridge.is_some()),
                ("brif", bridge.is_some()),
                ("brport", dev.port.is_some()),
            ];
            let folders = folders.iter().filter(|(_, there)| *there).map(|(name, _)| entry(name, FileKind::Dir));
            let own = TUN_FILES.iter().filter(|_| dev.kind.tun().is_some()).map(|(name, _)| file(name));
            folders.chain(FILES.iter().map(|row| file(row.name))).chain(own).collect()
        }
        "statistics" => STATISTICS.iter().map(|(name, _)| file(name)).collect(),
        "brif" => bridge?.ports.iter().map(|p| entry(space.name_of(*p), FileKind::Dir)).collect(),
        "bridge" => {
            bridge?;
            let plain = ["bridge_id", "root_id", "group_addr", "flush"].map(file);
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
            BRPORT.iter().map(|(name, _)| file(name)).chain(plain.map(file)).collect()
        }
        _ => return None,
    };
    found.sort();
    Some(found)
}
