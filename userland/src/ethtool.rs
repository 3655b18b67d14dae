//! `ethtool` 6.1: statistics, driver, offloads and settings of a link.

mod features;

use features::{FEATURES, Feature, GROUPS, NEED_CHECKSUM, Start};
use hopwise_devices::Kind;
use hopwise_machine::{KERNEL_RELEASE, Program, Sys, once};
use hopwise_sim_core::{IfIndex, NsId};
use hopwise_stack::{Dev, Network};

use crate::kernel::SimKernel;

/// What goes to standard output and standard error, and the exit status.
type Said = (String, String, i32);

const BAD: &str = "ethtool: bad command line argument(s)\nFor more information run ethtool -h\n";
const UNSUPPORTED: &str = "netlink error: Operation not supported\n";
const NO_DEVICE: &str = "netlink error: no device matches name (offset 24)\nnetlink error: No such device\n";

/// Starts `ethtool`.
pub fn start(args: &[String]) -> Box<dyn Program<SimKernel>> {
    let args = args.to_vec();
    once(move |sys: &mut Sys<'_, SimKernel>| {
        let (out, err, status) = run(sys, &args);
        // Standard error is not buffered, standard output is.
        sys.err(&err);
        sys.out(&out);
        status
    })
}

fn bad() -> Said {
    (String::new(), BAD.into(), 1)
}

fn run(sys: &mut Sys<'_, SimKernel>, args: &[String]) -> Said {
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let ns = sys.ns();
    let dev = |name: &str| sys.kernel.net.ns(ns).and_then(|n| n.devs.find(name));
    match words.as_slice() {
        ["-h" | "--help"] => (USAGE.into(), String::new(), 0),
        ["--version"] => ("ethtool version 6.1\n".into(), String::new(), 0),
        ["-S" | "--statistics", name] => statistics(dev(name)),
        ["-i" | "--driver", name] => driver(dev(name)),
        ["-k" | "--show-features" | "--show-offload", name] => match dev(name) {
            Some(dev) => (list_features(dev), String::new(), 0),
            None => (String::new(), NO_DEVICE.into(), 1),
        },
        ["-K" | "--features" | "--offload", name, rest @ ..] => {
            let link = dev(name).map(|d| d.index);
            let found = link.and_then(|link| sys.kernel.net.ns_mut(ns).and_then(|n| n.devs.get_mut(link)));
            match found {
                Some(dev) => switch_features(dev, rest),
                None => (String::new(), NO_DEVICE.into(), 92),
            }
        }
        ["-P" | "--show-permaddr", name] => match dev(name) {
            Some(_) => ("Permanent address: not set\n".into(), String::new(), 0),
            None => (String::new(), NO_DEVICE.into(), 1),
        },
        ["-a" | "--show-pause" | "-g" | "--show-ring" | "-c" | "--show-coalesce", name] => match dev(name) {
            Some(_) => (String::new(), UNSUPPORTED.into(), 1),
            None => (String::new(), NO_DEVICE.into(), 1),
        },
        ["-l" | "--show-channels", name] => match dev(name) {
            Some(dev) if dev.kind.veth().is_some() => (channels(dev), String::new(), 0),
            Some(_) => (String::new(), UNSUPPORTED.into(), 1),
            None => (String::new(), NO_DEVICE.into(), 1),
        },
        ["-s" | "--change", name, _, ..] if dev(name).is_some() => (String::new(), UNSUPPORTED.into(), 75),
        ["-A" | "--pause", name, _, ..] if dev(name).is_some() => (String::new(), UNSUPPORTED.into(), 76),
        [name] if !name.starts_with('-') => match dev(name) {
            Some(dev) if matches!(dev.kind, Kind::Ipip(_) | Kind::Dummy | Kind::Vrf(_)) => {
                (String::new(), "No data available\n".into(), 75)
            }
            Some(dev) => (settings(dev, cable(&sys.kernel.net, ns, dev)), String::new(), 0),
            None => (String::new(), format!("{}No data available\n", NO_DEVICE.repeat(5)), 75),
        },
        _ => bad(),
    }
}

fn statistics(dev: Option<&Dev>) -> Said {
    let Some(dev) = dev else {
        return (String::new(), "Cannot get stats strings information: No such device\n".into(), 96);
    };
    let Some(veth) = dev.kind.veth() else { return (String::new(), "no stats available\n".into(), 94) };
    let mut text = format!("NIC statistics:\n     peer_ifindex: {}\n", veth.peer.1);
    for name in [
        "rx_queue_0_xdp_packets",
        "rx_queue_0_xdp_bytes",
        "rx_queue_0_drops",
        "rx_queue_0_xdp_redirect",
        "rx_queue_0_xdp_drops",
        "rx_queue_0_xdp_tx",
        "rx_queue_0_xdp_tx_errors",
        "tx_queue_0_xdp_xmit",
        "tx_queue_0_xdp_xmit_errors",
    ] {
        text.push_str(&format!("     {name}: 0\n"));
    }
    (text, String::new(), 0)
}

/// The queues of a veth: as many as there are processors may be used, one is.
fn channels(dev: &Dev) -> String {
    let (tx, rx) = dev.kind.ops().queues;
    let half =
        |title: &str, rx: u32, tx: u32| format!("{title}:\nRX:\t\t{rx}\nTX:\t\t{tx}\nOther:\t\tn/a\nCombined:\tn/a\n");
    let (most, now) = (half("Pre-set maximums", rx, tx), half("Current hardware settings", 1, 1));
    format!("Channel parameters for {}:\n{most}{now}", dev.name)
}

fn driver(dev: Option<&Dev>) -> Said {
    let failed = |why: &str| (String::new(), format!("Cannot get driver information: {why}\n"), 71);
    let Some(dev) = dev else { return failed("No such device") };
    let (version, nothing, statistics) = match &dev.kind {
        Kind::Loopback => return failed("Operation not supported"),
        Kind::Veth(_) => ("1.0", "", "yes"),
        Kind::Dummy => ("1.0", "", "no"),
        Kind::Ipip(_) => (KERNEL_RELEASE, "", "no"),
        Kind::Bridge(_) => ("2.3", "N/A", "no"),
        Kind::Vxlan(_) => ("0.1", "", "no"),
        Kind::Vlan(_) => ("1.8", "", "no"),
        Kind::Vrf(_) => ("1.1", "", "no"),
        Kind::Macvlan(_) | Kind::Ipvlan(_) => ("0.1", "", "no"),
        Kind::Tun(tun) => ("1.6", if tun.is_tap() { "tap" } else { "tun" }, "no"),
    };
    let (firmware, nothing) = match dev.kind {
        Kind::Tun(_) => ("", nothing),
        Kind::Vlan(_) => ("N/A", nothing),
        _ => (nothing, nothing),
    };
    let text = format!(
        "driver: {}\nversion: {version}\nfirmware-version: {firmware}\nexpansion-rom-version: \nbus-info: {nothing}\n\
         supports-statistics: {statistics}\nsupports-test: no\nsupports-eeprom-access: no\nsupports-register-dump: no\n\
         supports-priv-flags: no\n",
        dev.kind.ops().driver
    );
    (text, String::new(), 0)
}

/// The lines that sum up those listed below them.
const SUMS: [&str; 3] = ["tx-checksumming", "scatter-gather", "tcp-segmentation-offload"];

/// Whether a feature is on; groups are on if one of their members is.
fn is_on(dev: &Dev, feature: &Feature) -> bool {
    let on = |name: &str| FEATURES.iter().find(|f| f.name == name).is_some_and(|f| is_on(dev, f));
    if feature.start(&dev.kind) == Start::Requested {
        return false;
    }
    match feature.name {
        "tx-checksumming" => on("tx-checksum-ip-generic"),
        "tcp-segmentation-offload" => on("tx-tcp-segmentation") || on("tx-tcp-accecn-segmentation"),
        "scatter-gather" => on("tx-scatter-gather"),
        name if NEED_CHECKSUM.contains(&name) && !on("tx-checksum-ip-generic") => false,
        _ => wanted(dev, feature),
    }
}

fn wanted(dev: &Dev, feature: &Feature) -> bool {
    let switched = dev.features.iter().find(|(name, _)| *name == feature.name).map(|(_, on)| *on);
    switched.unwrap_or(matches!(feature.start(&dev.kind), Start::On | Start::FixedOn | Start::Requested))
}

fn is_fixed(dev: &Dev, feature: &Feature) -> bool {
    matches!(feature.start(&dev.kind), Start::FixedOn | Start::FixedOff)
}

fn list_features(dev: &Dev) -> String {
    let mut text = format!("Features for {}:\n", dev.name);
    for feature in FEATURES {
        let state = if is_on(dev, feature) { "on" } else { "off" };
        let sum = SUMS.contains(&feature.name);
        let fixed = match is_fixed(dev, feature) {
            true => " [fixed]",
            false if !sum && state == "off" && wanted(dev, feature) => " [requested on]",
            false => "",
        };
        let indent = if feature.nested { "\t" } else { "" };
        text.push_str(&format!("{indent}{}: {state}{fixed}\n", feature.name));
    }
    text
}

/// `ethtool -K`: keeps what is wanted, and tells what else changed or could not.
fn switch_features(dev: &mut Dev, words: &[&str]) -> Said {
    if words.is_empty() {
        return bad();
    }
    let before: Vec<bool> = FEATURES.iter().map(|f| is_on(dev, f)).collect();
    let mut requested: Vec<(&'static str, bool)> = Vec::new();
    for pair in words.chunks(2) {
        let on = match pair {
            [_, "on"] => true,
            [_, "off"] => false,
            _ => {
                let flag = pair.get(1).copied().unwrap_or("(null)");
                let text =
                    format!("ethtool (-K): flag '{flag}' for parameter '(null)' is not followed by 'on' or 'off'\n");
                return (String::new(), text, 1);
            }
        };
        let name = pair.first().copied().unwrap_or_default();
        let members: Vec<&'static str> = match GROUPS.iter().find(|(word, _)| *word == name) {
            Some((_, members)) => members.to_vec(),
            None => FEATURES.iter().filter(|f| f.name == name).map(|f| f.name).collect(),
        };
        if members.is_empty() {
            let text = "netlink error: bit name not found (offset 52)\n";
            return (String::new(), format!("{text}{UNSUPPORTED}"), 92);
        }
        requested.extend(members.into_iter().map(|m| (m, on)));
    }
    for (name, on) in &requested {
        if FEATURES.iter().any(|f| f.name == *name && !is_fixed(dev, f)) {
            dev.features.retain(|(n, _)| n != name);
            dev.features.push((*name, *on));
        }
    }
    tell_changes(dev, &before, &requested)
}

/// The actual changes, if they differ from what was asked for.
fn tell_changes(dev: &Dev, before: &[bool], requested: &[(&'static str, bool)]) -> Said {
    let (mut lines, mut last, mut differs, mut changed) = (Vec::new(), Vec::new(), false, false);
    for (feature, before) in FEATURES.iter().zip(before) {
        // Lines of groups only sum up those of their members.
        if SUMS.contains(&feature.name) {
            continue;
        }
        let on = is_on(dev, feature);
        let asked = requested.iter().find(|(name, _)| *name == feature.name).map(|(_, on)| *on);
        let state = if on { "on" } else { "off" };
        let note = match asked {
            Some(asked) if asked != on => format!(" [requested {}]", if asked { "on" } else { "off" }),
            None if on != *before => " [not requested]".to_owned(),
            Some(_) if on != *before => String::new(),
            _ => continue,
        };
        differs |= !note.is_empty();
        changed |= on != *before;
        // The kernel numbers these two behind the segmentations.
        let behind = matches!(feature.name, "tx-checksum-fcoe-crc" | "tx-checksum-sctp");
        let name = if feature.name == "large-receive-offload" { "rx-lro" } else { feature.name };
        (if behind { &mut last } else { &mut lines }).push(format!("{name}: {state}{note}\n"));
    }
    if !differs {
        return (String::new(), String::new(), 0);
    }
    lines.append(&mut last);
    let text = format!("Actual changes:\n{}", lines.concat());
    if changed { (text, String::new(), 0) } else { (text, "Could not change any device features\n".into(), 1) }
}

/// What a link knows of the cable that it pretends to have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cable {
    /// Nothing.
    Unknown,
    /// A speed (`br_get_link_ksettings`).
    Speed,
    /// All there is: a veth and a tun, and what stands on them.
    Whole,
}

/// What a link knows of its cable: one that stands on another one asks that (`__ethtool_get_link_ksettings` of
/// `vlan_ethtool_get_link_ksettings` and its siblings), a bridge has the speed of its fastest port that can carry frames.
pub(crate) fn cable(net: &Network, ns: NsId, dev: &Dev) -> Cable {
    if let Some((below, lower)) = dev.kind.lower() {
        let lower = net.ns(below).and_then(|space| space.devs.get(lower));
        return lower.map_or(Cable::Unknown, |lower| cable(net, below, lower));
    }
    let Some(bridge) = dev.kind.bridge() else {
        return if dev.kind.ops().speed.is_some() { Cable::Whole } else { Cable::Unknown };
    };
    let port = |p: &IfIndex| net.ns(ns).and_then(|space| space.devs.get(*p));
    let fast = |d: &Dev| d.is_up() && d.is_oper_up() && cable(net, ns, d) != Cable::Unknown;
    if bridge.ports.iter().filter_map(port).any(fast) { Cable::Speed } else { Cable::Unknown }
}

/// The settings that `ethtool DEV` prints. Nothing of a cable is known.
fn settings(dev: &Dev, cable: Cable) -> String {
    let mut text = format!("Settings for {}:\n", dev.name);
    let mut line = |words: &str| text.push_str(&format!("\t{words}\n"));
    if !matches!(dev.kind, Kind::Loopback) {
        for words in [
            "Supported ports: [  ]",
            "Supported link modes:   Not reported",
            "Supported pause frame use: No",
            "Supports auto-negotiation: No",
            "Supported FEC modes: Not reported",
            "Advertised link modes:  Not reported",
            "Advertised pause frame use: No",
            "Advertised auto-negotiation: No",
            "Advertised FEC modes: Not reported",
            if cable != Cable::Unknown { "Speed: 10000Mb/s" } else { "Speed: Unknown!" },
        ] {
            line(words);
        }
        let veth = cable == Cable::Whole;
        line(if veth { "Duplex: Full" } else { "Duplex: Unknown! (255)" });
        line("Auto-negotiation: off");
        line(if veth { "Port: Twisted Pair" } else { "Port: Other" });
        line("PHYAD: 0");
        line("Transceiver: internal");
        if veth {
            line("MDI-X: Unknown");
        }
    }
    if matches!(dev.kind, Kind::Tun(_) | Kind::Ipvlan(_)) {
        text.push_str("        Current message level: 0x00000000 (0)\n");
        text.push_str(&format!("{:30}\n", ""));
    }
    let detected = if dev.is_up() && dev.carrier { "yes" } else { "no" };
    text.push_str(&format!("\tLink detected: {detected}\n"));
    text
}

const USAGE: &str = "ethtool version 6.1
Usage:
        ethtool DEVNAME	Display standard information about device
        ethtool -S|--statistics DEVNAME	Show adapter statistics
        ethtool -i|--driver DEVNAME	Show driver information
        ethtool -k|--show-features|--show-offload DEVNAME	Get state of protocol offload and other features
        ethtool -K|--features|--offload DEVNAME	Set protocol offload and other features
		FEATURE on|off ...
        ethtool -P|--show-permaddr DEVNAME	Show permanent hardware address
        ethtool -h|--help		Show this help
        ethtool --version	Show version number
";
